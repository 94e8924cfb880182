"""Whether luck explains a set of portfolios: deflated Sharpe ratios, reality checks over the variants, and cross-validated choice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError
from pureplay.evaluate.trials import TrialCount
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import DayArray
from pureplay.stats.inference import ewc_test
from pureplay.stats.overfitting import overfitting_probability, purged_splits
from pureplay.stats.reality import stepwise_superior, superior_predictive_ability
from pureplay.stats.sharpe import deflated_sharpe, min_track_record, sharpe_ratio, years_to_decide

__all__ = ["LUCK", "REALITY", "Series", "grid_series", "luck_row", "reality"]

Key = tuple[str, str]
_FEWEST_SPLITS: Final = 4
_LEAST_SHARE: Final = 0.75  # of the sessions of the longest variant
LUCK: Final = {
    "score": pl.String,
    "kind": pl.String,
    "sharpe": pl.Float64,
    "n": pl.Int64,
    "skew": pl.Float64,
    "kurtosis": pl.Float64,
    "trials": pl.Int64,
    "trial_sd": pl.Float64,
    "threshold": pl.Float64,
    "deflated": pl.Float64,
    "undeflated": pl.Float64,
    "track_years": pl.Float64,
    "years": pl.Float64,
    "more_years": pl.Float64,
}
REALITY: Final = {
    "kind": pl.String,
    "variants": pl.Int64,
    "n": pl.Int64,
    "p_lower": pl.Float64,
    "p_consistent": pl.Float64,
    "p_upper": pl.Float64,
    "best": pl.String,
    "pbo": pl.Float64,
    "slope": pl.Float64,
    "loss": pl.Float64,
}
VARIANTS: Final = {"kind": pl.String, "score": pl.String, "design": pl.String, "sharpe": pl.Float64, "superior": pl.Boolean}
FOLDS: Final = {
    "kind": pl.String,
    "fold": pl.Int64,
    "first": pl.Date,
    "last": pl.Date,
    "chosen": pl.String,
    "train": pl.Float64,
    "test": pl.Float64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Daily returns of variants on common sessions: (sessions, variants), with NaN where a variant does not live."""

    dates: DayArray
    names: tuple[Key, ...]
    values: FloatArray


def grid_series(daily: FloatArray, grid_sessions: int) -> FloatArray:
    """Daily returns compounded over stretches of grid_sessions, the last one left out where it is shorter; NaN where a day is."""
    whole = daily.shape[0] // grid_sessions * grid_sessions
    grown: FloatArray = np.prod(1.0 + daily[:whole].reshape(-1, grid_sessions, *daily.shape[1:]), axis=1) - 1.0
    return grown


def luck_row(
    daily: FloatArray, *, grid_sessions: int, a_year: float, trials: TrialCount | None, trial_sd: float | None
) -> dict[str, float | int | None]:
    """Figures of `PortfolioStudy.luck` for one daily series of returns.

    trial_sd: spread of the trials' Sharpe ratios a period; counts where it exceeds what estimation alone gives worthless trials.
    Raises InsufficientDataError where the series is too short.
    """
    daily = daily[np.isfinite(daily)]
    periods = grid_series(daily, grid_sessions)
    count = 1 if trials is None else max(trials.distinct, 1)
    alone = deflated_sharpe(periods, trials=1)
    spread = alone.trial_sd if trial_sd is None else max(trial_sd, alone.trial_sd)  # a few trials that are alike say too little
    found = deflated_sharpe(periods, trials=count, trial_sd=spread)
    years = daily.size / a_year
    track = min_track_record(found.sharpe, skew=found.skew, kurtosis=found.kurtosis)
    return {
        "sharpe": found.sharpe,
        "n": found.n,
        "skew": found.skew,
        "kurtosis": found.kurtosis,
        "trials": count if trials is not None else None,
        "trial_sd": found.trial_sd,
        "threshold": found.threshold,
        "deflated": found.probability,
        "undeflated": alone.probability,
        "track_years": track * grid_sessions / a_year,
        "years": years,
        "more_years": years_to_decide(ewc_test(daily).t, years),
    }


def reality(
    kind: str, series: Series, *, grid_sessions: int, draws: int, splits: int, folds: int, seed: int
) -> tuple[Mapping[str, pl.DataFrame], tuple[str, ...]]:
    """Rows of reality, variants and folds for one kind of account, and notes on what the data are too short for.

    Variants without any return are left out, which a note says; the others are compared on the sessions that all of them have. Raises
    InsufficientDataError where no variant has a return.
    """
    series, notes = _alive(kind, series)
    kept = np.isfinite(series.values).all(axis=1)
    values, dates = series.values[kept], series.dates[kept]
    labels = [f"{score}, {design}" for score, design in series.names]
    row: dict[str, object] = {"kind": kind, "variants": len(labels), "n": values.shape[0]}
    superior: tuple[int, ...] = ()
    periods = grid_series(values, grid_sessions)
    try:
        found = superior_predictive_ability(values, mean_block=grid_sessions, draws=draws, seed=seed)
        superior = stepwise_superior(values, mean_block=grid_sessions, draws=draws, seed=seed).superior
        row |= {"p_lower": found.p_lower, "p_consistent": found.p_consistent, "p_upper": found.p_upper, "best": labels[found.best]}
    except InsufficientDataError as error:
        notes.append(f"{kind}: no reality check: {error}")
    blocks = min(splits, periods.shape[0] // 4 * 2)
    if blocks < splits:
        notes.append(f"{kind}: {periods.shape[0]} grid periods allow {max(blocks, 0)} blocks of cross-validation, not {splits}")
    try:
        if blocks >= _FEWEST_SPLITS:
            fit = overfitting_probability(periods, splits=blocks)
            row |= {"pbo": fit.probability, "slope": fit.slope, "loss": fit.loss}
    except InsufficientDataError as error:
        notes.append(f"{kind}: no probability of overfitting: {error}")
    variants = [
        {
            "kind": kind,
            "score": score,
            "design": design,
            "sharpe": sharpe_ratio(_own_periods(series.values[:, k], grid_sessions)),
            "superior": k in superior,
        }
        for k, (score, design) in enumerate(series.names)
    ]
    frames = {
        "reality": pl.DataFrame([row], schema=REALITY),
        "variants": pl.DataFrame(variants, schema=VARIANTS),
        "folds": pl.DataFrame(_folds(kind, periods, dates, labels, grid_sessions, folds), schema=FOLDS),
    }
    return frames, tuple(notes)


def _own_periods(daily: FloatArray, grid_sessions: int) -> FloatArray:
    """Grid periods of a variant over its own life, which may be longer than what all have in common."""
    return grid_series(daily[np.isfinite(daily)], grid_sessions)


def _alive(kind: str, series: Series) -> tuple[Series, list[str]]:
    """The variants that live on three quarters of the sessions of the longest, and a note on the others.

    A shorter one would shorten the sessions that all have in common. Raises InsufficientDataError where no variant has a return.
    """
    sessions = np.isfinite(series.values).sum(axis=0)
    alive: BoolArray = np.asarray((sessions > 0) & (sessions >= _LEAST_SHARE * sessions.max(initial=0)))
    if not alive.any():
        raise InsufficientDataError(f"{kind}: none of {alive.size} variants has a return: widen the sample")
    if alive.all():
        return series, []
    lost = "; ".join(", ".join(each) for each, lives in zip(series.names, alive, strict=True) if not lives)
    kept = tuple(each for each, lives in zip(series.names, alive, strict=True) if lives)
    return Series(dates=series.dates, names=kept, values=series.values[:, alive]), [
        f"{kind}: not compared with the others, living on too few of their sessions: {lost}"
    ]


def _folds(kind: str, periods: FloatArray, dates: DayArray, labels: list[str], grid_sessions: int, folds: int) -> list[dict[str, object]]:
    """The variant that the training part would have chosen, fold by fold, and what it then did.

    One period is left out on either side of a test.
    """
    if periods.shape[0] < 4 * folds:
        return []
    rows: list[dict[str, object]] = []
    for number, (train, test) in enumerate(purged_splits(periods.shape[0], folds=folds, horizon_sessions=2)):
        inside = [sharpe_ratio(periods[train, k]) for k in range(len(labels))]
        if not np.isfinite(inside).any():
            continue  # nothing varies
        best = int(np.nanargmax(inside))
        first, last = dates[test[0] * grid_sessions], dates[(test[-1] + 1) * grid_sessions - 1]
        rows.append(
            {
                "kind": kind,
                "fold": number + 1,
                "first": first.astype("datetime64[D]").item(),
                "last": last.astype("datetime64[D]").item(),
                "chosen": labels[best],
                "train": inside[best],
                "test": sharpe_ratio(periods[test, best]),
            }
        )
    return rows
