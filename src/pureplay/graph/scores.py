"""How good forecasts of correlation are: baselines that structure has to beat, scores on common pairs, calibration."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import rankdata

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.arrays import PairPanel
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.crosssection import Workspace, sort_finite, spearman_of_orders, workspace
from pureplay.stats.fama_macbeth import fama_macbeth
from pureplay.stats.inference import ewc_test
from pureplay.stats.jit import kernel

__all__ = ["baselines", "calibration", "score"]

VintageArray = npt.NDArray[np.int64]

_RIVAL: Final = "regression"
_ROUNDING: Final = 1e-12  # spread of a forecast against its size below which it is constant
_DECILES: Final = 10


def baselines(panel: PairPanel, develop: VintageArray, shrinkage: FloatArray) -> dict[str, FloatArray]:
    """Forecasts of every entry of the panel that use no structure; NaN where they cannot be made.

    persistence: trailing correlation itself. regression: a + b trailing. industry_mean: mean trailing correlation of the pairs of the same
    sector pair and vintage, of all pairs of the vintage where one of the two has no sector; the pair itself is among them. ledoit_wolf:
    trailing shrunk by 1 - shrinkage, an intensity for each vintage; where that is NaN, `score` finds no common pair in the vintage.
    co_mention: a + b trailing + c news + d log(1 + strength). random_pairs: a + b trailing fitted on random pairs alone, what any two
    stocks of such cells would do.

    Coefficients are means over the develop vintages of a regression a vintage, as those of the model; no other vintage enters. A baseline
    that develop cannot fit is absent. Raises SettingError where shrinkage does not have one value a vintage.
    """
    if shrinkage.shape != panel.rows.shape:
        raise SettingError(f"shrinkage has shape {shrinkage.shape}, where the panel has {panel.rows.size} vintages: give one each")
    trailing, one = panel.trailing, ("intercept", "trailing")
    news, attention = panel.news.astype(np.float64), np.log1p(panel.strength)
    out = {
        "persistence": trailing.copy(),
        "industry_mean": _industry_mean(panel),
        "ledoit_wolf": (1.0 - shrinkage)[panel.of] * trailing,
    }
    fitted = {
        _RIVAL: _mean_coefficients(panel, develop, one, [trailing], panel.lamps.mapped),
        "co_mention": _mean_coefficients(panel, develop, (*one, "news", "strength"), [trailing, news, attention], panel.lamps.mapped),
        "random_pairs": _mean_coefficients(panel, develop, one, [trailing], panel.lamps.mapped & ~panel.news),
    }
    for name, terms in fitted.items():
        if "intercept" in terms:
            out[name] = terms["intercept"] + terms.get("trailing", 0.0) * trailing
    if "co_mention" in out:
        terms = fitted["co_mention"]
        out["co_mention"] += terms.get("news", 0.0) * news + terms.get("strength", 0.0) * attention
    return out


def _mean_coefficients(
    panel: PairPanel, develop: VintageArray, names: Sequence[str], columns: Sequence[FloatArray], among: BoolArray
) -> dict[str, float]:
    """Fama-MacBeth means over the develop vintages, without terms that could not be estimated."""

    def block(v: int) -> FloatArray:
        part = panel.vintage(v)
        return np.column_stack([np.ones(part.stop - part.start), *(column[part] for column in columns)])

    found = fama_macbeth(np.where(among, panel.forward, np.nan), block, panel.starts, names=names, vintages=develop)
    return {name: float(value) for name, value in zip(found.names, found.mean, strict=True) if np.isfinite(value)}


def _industry_mean(panel: PairPanel) -> FloatArray:
    out = np.full(panel.trailing.shape, np.nan)
    usable = panel.lamps.mapped & np.isfinite(panel.trailing)
    for v in range(panel.rows.size):
        part = panel.vintage(v)
        known, sector, trailing = usable[part], panel.sector[part], panel.trailing[part]
        if not known.any():
            continue
        has = known & (sector >= 0)
        size = int(sector.max(initial=0)) + 1
        count = np.bincount(sector[has], minlength=size)
        total = np.bincount(sector[has], weights=trailing[has], minlength=size)
        mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
        out[part] = np.where(sector >= 0, mean[np.maximum(sector, 0)], trailing[known].mean())
    return out


def score(panel: PairPanel, vintages: VintageArray, predictions: Mapping[str, FloatArray], *, cosines: int = 4) -> pl.DataFrame:
    """Scores of forecasts over the entries that all of them, and the outcome, have; pairs with an unmapped name take no part.

    predictions: forecast of each entry of the panel by name; "regression" (a + b trailing) must be among them, since the others are tested
    against it. Columns: predictor; mse; rank_correlation (Spearman across pairs); mz_intercept, mz_slope (forward regressed on the
    forecast; Mincer & Zarnowitz 1969, 0 and 1 are ideal): each the mean over vintages of the figure of the vintage. dm_t, dm_p: test
    that the vintage's squared error is that of "regression" (Diebold & Mariano 1995) by the cosine test with `cosines`; **positive =
    better than regression**; null for regression itself and where vintages are too few. observations: entries over all vintages.

    Raises SettingError for predictions that do not fit, InsufficientDataError where no entry has everything.
    """
    _require_predictions(panel, predictions)
    names = list(predictions)
    figures, observations = np.full((4, len(vintages), len(names)), np.nan), np.zeros(len(vintages), dtype=np.int64)

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            part = panel.vintage(int(vintages[k]))
            forecast = np.stack([predictions[name][part] for name in names])
            common = panel.lamps.mapped[part] & np.isfinite(panel.forward[part]) & np.isfinite(forecast).all(axis=0)
            observations[k] = common.sum()
            if observations[k]:
                figures[:, k] = _figures(panel.forward[part][common], np.ascontiguousarray(forecast[:, common]))

    over_blocks(work, len(vintages), uses_blas=True)
    if not observations.any():
        raise InsufficientDataError(
            f"none of the {len(vintages)} vintages has a pair with a forward correlation and all of {', '.join(names)}: "
            "leave out the forecast that is missing, or give more data"
        )
    mse = figures[0]
    tests = [ewc_test(mse[:, names.index(_RIVAL)] - column, cosines=cosines) for column in mse.T]
    columns = {
        **dict(zip(("mse", "rank_correlation", "mz_intercept", "mz_slope"), map(_mean_of, figures), strict=True)),
        "dm_t": np.array([each.t for each in tests]),
        "dm_p": np.array([each.p for each in tests]),
    }
    return pl.DataFrame({"predictor": names, **columns, "observations": [int(observations.sum())] * len(names)}).with_columns(
        pl.col(*columns).fill_nan(None)
    )


def _figures(y: FloatArray, forecast: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Squared error, rank correlation, intercept and slope of each forecast (forecasts, pairs) of one vintage."""
    mean = forecast.mean(axis=1)
    centred = forecast - mean[:, None]
    variance = np.mean(centred**2, axis=1)
    varies = np.sqrt(variance) > _ROUNDING * np.abs(forecast).max(axis=1)
    slope = np.divide(centred @ (y - y.mean()) / y.size, variance, out=np.full(variance.shape, np.nan), where=varies)
    rank = np.empty(mean.shape)
    _rank_correlations(forecast, y, workspace(y.size), rank)
    return np.mean((y - forecast) ** 2, axis=1), np.where(varies, rank, np.nan), y.mean() - slope * mean, slope


@kernel
def _rank_correlations(forecast: FloatArray, y: FloatArray, scratch: Workspace, out: FloatArray) -> None:
    """Spearman correlation of each row with y, which is put in order once."""
    order, y_order = np.empty(y.size, np.int32), np.empty(y.size, np.int32)
    both, rank, y_rank = np.empty(y.size, np.bool_), np.empty(y.size), np.empty(y.size)
    ny = sort_finite(y, y_order, scratch)
    for k in range(forecast.shape[0]):
        n = sort_finite(forecast[k], order, scratch)
        out[k] = spearman_of_orders(forecast[k], order, n, y, y_order, ny, both, rank, y_rank)[0]


def _mean_of(table: FloatArray) -> FloatArray:
    """Mean over vintages (rows) of what is finite."""
    count = np.isfinite(table).sum(axis=0)
    return np.asarray(np.divide(np.nansum(table, axis=0), count, out=np.full(count.shape, np.nan), where=count > 0))


def calibration(panel: PairPanel, vintages: VintageArray, prediction: FloatArray) -> pl.DataFrame:
    """Whether pairs end up where they were expected: decile, predicted, realised, observations.

    Deciles 1 to 10 of the forecast are cut within each vintage, equal forecasts together; predicted and realised are means over the
    vintages of the decile's mean forecast and forward correlation; deciles that no vintage has are absent. Pairs with an unmapped name
    take no part. Raises as `score`.
    """
    _require_predictions(panel, {_RIVAL: prediction})
    predicted, realised = np.full((2, len(vintages), _DECILES), np.nan)
    observations = np.zeros(_DECILES, dtype=np.int64)
    for k, v in enumerate(vintages):
        part = panel.vintage(int(v))
        y, forecast = panel.forward[part], prediction[part]
        known = panel.lamps.mapped[part] & np.isfinite(y) & np.isfinite(forecast)
        if not known.any():
            continue
        decile = np.floor((rankdata(forecast[known]) - 0.5) / known.sum() * _DECILES).astype(np.int64)
        count = np.bincount(decile, minlength=_DECILES)
        observations += count
        for values, table in ((forecast, predicted), (y, realised)):
            total = np.bincount(decile, weights=values[known], minlength=_DECILES)
            np.divide(total, count, out=table[k], where=count > 0)
    there = np.flatnonzero(observations)
    if not there.size:
        raise InsufficientDataError(
            f"none of the {len(vintages)} vintages has a pair with a forecast and a forward correlation: give more data"
        )
    return pl.DataFrame(
        {
            "decile": there + 1,
            "predicted": _mean_of(predicted)[there],
            "realised": _mean_of(realised)[there],
            "observations": observations[there],
        }
    )


def _require_predictions(panel: PairPanel, predictions: Mapping[str, FloatArray]) -> None:
    if _RIVAL not in predictions:
        raise SettingError(f"predictions must have {_RIVAL!r}, against which the others are tested, not only {', '.join(predictions)}")
    for name, values in predictions.items():
        if values.shape != panel.forward.shape:
            raise SettingError(
                f"the forecast {name!r} has shape {values.shape}, where the panel has {panel.forward.size} entries: give one each"
            )
