"""Fit of the correlation forecast: which vintages may teach it, the Fama-MacBeth regressions, and the choice of the variant."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

import pureplay
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.arrays import PairPanel
from pureplay.graph.model import Model, Variant, design, expected, term_names
from pureplay.graph.settings import GraphSettings
from pureplay.panel import FloatArray
from pureplay.sessions import DayArray
from pureplay.stats.fama_macbeth import FamaMacBeth, fama_macbeth
from pureplay.stats.given import require_whole

__all__ = ["Choice", "ForecastSettings", "Split", "coefficient_frame", "fit", "fit_model", "outcome", "split"]

Choice = Literal["best", "plain", "interactions"]
VintageArray = npt.NDArray[np.int64]

_BLOCKS: Final = 5  # of develop vintages, each left out once to compare the variants
_MONTH: Final = 20  # sessions that lie between two vintages at least, nearly always


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSettings:
    """How the forecast is fitted and judged.

    holdout_start: first day of the holdout; None = the vintage at two thirds of those that have pairs and a forward window. variant:
    terms of the model, "best" = chosen on develop. cosines, lags: of the tests of mean coefficients. permutations: draws of the
    permutation within sectors. permutation_pairs: pairs of a vintage that take part in it, drawn by the seed; None = all. seed: of
    permutations. fewest_vintages: with fewer the model calls itself descriptive.
    """

    holdout_start: date | None = None
    variant: Choice = "best"
    cosines: int = 4
    lags: int = 3
    permutations: int = 100
    permutation_pairs: int | None = None
    seed: int = 7
    fewest_vintages: int = 24

    def __post_init__(self) -> None:
        start = self.holdout_start
        if start is not None and type(start) is not date:  # a datetime is no day
            raise SettingError(f"holdout_start must be a day, or None for two thirds of the vintages, not {start!r}: give a datetime.date")
        if self.variant not in get_args(Choice):
            raise SettingError(f"variant must be one of {', '.join(get_args(Choice))}, not {self.variant!r}")
        for name, least in (("cosines", 1), ("lags", 0), ("permutations", 1), ("seed", 0), ("fewest_vintages", 1)):
            require_whole(getattr(self, name), name, least)
        if self.permutation_pairs is not None:
            require_whole(self.permutation_pairs, "permutation_pairs", 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name; the day as YYYY-MM-DD."""
        return {**asdict(self), "holdout_start": None if self.holdout_start is None else self.holdout_start.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Numbers of the vintages of each part; every vintage is in one.

    develop: the forward window ends before the first session of the holdout. embargo: earlier than the holdout, with a forward window
    that reaches into it. holdout: on or after holdout_start. no_forward: the forward window passes the end of the data. holdout_start:
    None where it was not given and no vintage has pairs and a forward window. holdout_days: first and last vintage of the holdout, None
    where it has none.
    """

    develop: VintageArray
    embargo: VintageArray
    holdout: VintageArray
    no_forward: VintageArray
    holdout_start: date | None
    holdout_days: tuple[date, date] | None = None

    @property
    def labels(self) -> list[str]:
        """Name of the part of each vintage, in the order of the vintages."""
        parts = ("develop", "embargo", "holdout", "no_forward")
        pairs = [(int(v), name) for name in parts for v in getattr(self, name)]
        return [name for _, name in sorted(pairs)]


def split(panel: PairPanel, *, holdout_start: date | None, forward_sessions: int, sessions: DayArray) -> Split:
    """Part the vintages so that nothing in develop knows a session of the holdout.

    sessions: days of all sessions of the data, which panel.rows count. holdout_start: need not be a session; None = the day of the vintage
    at two thirds (rounded down) of those with pairs and a forward window.
    """
    require_whole(forward_sessions, "forward_sessions", 1)
    ends = panel.rows + forward_sessions
    measured = ends < sessions.size
    if holdout_start is None:
        known = panel.dates[measured & (np.diff(panel.starts) > 0)]
        start = known[2 * known.size // 3].astype("datetime64[D]") if known.size else None
    else:
        start = np.datetime64(holdout_start, "D")
    first = sessions.size if start is None else int(np.searchsorted(sessions, start, side="left"))
    held, purged = measured & (panel.rows >= first), measured & (ends < first)
    return Split(
        develop=np.flatnonzero(purged),
        embargo=np.flatnonzero(measured & ~held & ~purged),
        holdout=np.flatnonzero(held),
        no_forward=np.flatnonzero(~measured),
        holdout_start=None if start is None else start.item(),
        holdout_days=(_day(panel.dates[held][0]), _day(panel.dates[held][-1])) if held.any() else None,
    )


def outcome(panel: PairPanel) -> FloatArray:
    """What is forecast: forward correlation, NaN for pairs of which a name has no entry in the product tree."""
    return np.where(panel.lamps.mapped, panel.forward, np.nan)


def fit(panel: PairPanel, vintages: VintageArray, *, variant: Variant, bids: bool = False, settings: ForecastSettings) -> FamaMacBeth:
    """Fama-MacBeth regression of forward correlation on the terms of `model.term_names` over some vintages.

    Pairs take part where both names are in the product tree and both correlations are finite. bids: add the negative control. A term that
    does not vary in a vintage is dropped there: with substrate "links" there is no dark pair, so `dropped` names dark.
    """
    names = term_names(variant, bids=bids)
    return fama_macbeth(
        outcome(panel),
        lambda v: design(panel, variant=variant, bids=bids, where=panel.vintage(v))[1],
        panel.starts,
        names=names,
        a=panel.a,
        b=panel.b,
        vintages=vintages,
        cosines=settings.cosines,
        lags=settings.lags,
    )


def coefficient_frame(found: FamaMacBeth, variant: str) -> pl.DataFrame:
    """One row a term: variant, term, coefficient, se, t, p, newey_west_t, dyadic_se (mean within a vintage), vintages, observations.

    vintages: those that have the term; null where a figure cannot be computed.
    """
    figures = {
        "coefficient": found.mean,
        "se": found.se,
        "t": found.t,
        "p": found.p,
        "newey_west_t": found.newey_west_t,
        "dyadic_se": found.mean_dyadic_se,
    }
    columns: dict[str, Any] = {
        "variant": [variant] * len(found.names),
        "term": list(found.names),
        **figures,
        "vintages": np.isfinite(found.coefficients).sum(axis=0),
        "observations": [int(found.observations[found.fitted].sum())] * len(found.names),
    }
    return pl.DataFrame(columns).with_columns(pl.col(*figures).fill_nan(None))


def fit_model(
    panel: PairPanel,
    develop: VintageArray,
    settings: ForecastSettings,
    *,
    graph: GraphSettings,
    sessions: DayArray,
    fingerprint: Mapping[str, str],
) -> Model:
    """The model of the develop vintages; nothing of any other vintage enters.

    sessions: days of all sessions of the data, up to the end of the last develop window at least. fingerprint: of the data
    (`Dataset.fingerprint`).

    Both variants are judged by mean squared error out of the fit: the develop vintages are cut into five blocks; for each block the
    coefficients are the means over the other vintages, without those within ceil(forward_sessions / 20) + 1 vintages of the block, whose
    forward windows overlap; each vintage counts once. Variant "best" takes the lower error; a tie, or too few vintages, gives plain.

    Raises InsufficientDataError where no develop vintage has a regression.
    """
    found: dict[Variant, FamaMacBeth] = {each: fit(panel, develop, variant=each, settings=settings) for each in get_args(Variant)}
    both = found["plain"].fitted & found["interactions"].fitted
    gap = math.ceil(graph.forward_sessions / _MONTH) + 1
    mse = {each: _left_out_mse(panel, one, both, gap=gap) for each, one in found.items()}
    chosen: Variant = "interactions" if mse["interactions"] < mse["plain"] else "plain"
    chosen = chosen if settings.variant == "best" else settings.variant
    one = found[chosen]
    used = one.vintages[one.fitted]
    if not used.size:
        raise InsufficientDataError(
            f"none of the {develop.size} develop vintages has more than {len(one.names)} pairs with both correlations and both names "
            "in the product tree, so no model can be fitted: give a later holdout_start, a shorter forward window, or more data"
        )
    terms = _terms(one.names, one.mean)
    return Model(
        variant=chosen,
        terms=terms,
        dropped=tuple(name for name in one.names if name not in terms),
        fit_start=_day(panel.dates[used[0]]),
        fit_end=_day(panel.dates[used[-1]]),
        known_from=_day(sessions[_window_end(panel, used, graph, sessions)]),
        vintages=int(used.size),
        observations=int(one.observations[one.fitted].sum()),
        descriptive=used.size < settings.fewest_vintages,
        mse={each: value if math.isfinite(value) else None for each, value in mse.items()},
        settings={"graph": graph.to_dict(), "forecast": settings.to_dict()},
        fingerprint=dict(fingerprint),
        version=pureplay.__version__,
    )


def _window_end(panel: PairPanel, used: VintageArray, graph: GraphSettings, sessions: DayArray) -> int:
    end = int(panel.rows[used].max()) + graph.forward_sessions
    if end >= sessions.size:
        raise SettingError(
            f"the last forward window of the fit ends on session {end} of {sessions.size}: give all sessions of the data, and the settings "
            "that the panel was built with"
        )
    return end


def _left_out_mse(panel: PairPanel, found: FamaMacBeth, common: npt.NDArray[np.bool_], *, gap: int) -> float:
    """Mean over the vintages in `common` of the squared error when their block is left out of the fit; NaN where nothing can be."""
    numbers, rows = found.vintages[common], found.coefficients[common]
    errors: list[float] = []
    for block in np.array_split(np.arange(numbers.size), min(_BLOCKS, max(numbers.size, 1))):
        if not block.size:
            continue
        kept = (numbers < numbers[block[0]] - gap) | (numbers > numbers[block[-1]] + gap)
        if kept.any():
            terms = _terms(
                found.names, [column[np.isfinite(column)].mean() if np.isfinite(column).any() else np.nan for column in rows[kept].T]
            )
            errors += [_vintage_mse(panel, terms, panel.vintage(int(numbers[k]))) for k in block]
    return float(np.mean(errors)) if errors else math.nan


def _vintage_mse(panel: PairPanel, terms: Mapping[str, float], part: slice) -> float:
    error = panel.forward[part] - expected(terms, panel.trailing[part], panel.lamps.take(part), panel.news[part])
    return float(np.mean(error[np.isfinite(error)] ** 2))


def _terms(names: tuple[str, ...], values: FloatArray | list[float]) -> dict[str, float]:
    """Coefficients by term without those that could not be estimated."""
    return {name: float(value) for name, value in zip(names, values, strict=True) if np.isfinite(value)}


def _day(value: np.datetime64) -> date:
    day: date = value.astype("datetime64[D]").item()
    return day
