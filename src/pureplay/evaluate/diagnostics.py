"""Beside the verdict: quantile curve, score persistence, correlation with each base factor."""

import numpy as np
import polars as pl

from pureplay.errors import SettingError
from pureplay.panel import FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.crosssection import Workspace, rank_correlation, sort_finite, workspace
from pureplay.stats.inference import ewc_test
from pureplay.stats.jit import kernel

__all__ = ["factor_correlations", "quantile_curve", "score_autocorrelation"]


def quantile_curve(score: FloatArray, forward: FloatArray, *, quantiles: int = 10) -> pl.DataFrame:
    """Mean forward return by score quantile, equal weight, averaged over dates.

    Columns: quantile (1 = lowest), forward_return, excess_return (over the mean of all scored names of the date), se (EWC standard
    error of excess_return over dates: the market's own moves are not in it), names (mean a date). Quantiles are cut over all scored
    names before forward returns are joined, so a name without a future stays in its quantile's count. What cannot be computed is
    null.
    """
    if quantiles < 2:
        raise SettingError(f"quantiles must be at least 2, not {quantiles}")
    means, names = np.full((quantiles, score.shape[0]), np.nan), np.zeros((quantiles, score.shape[0]))
    every = np.full(score.shape[0], np.nan)
    over_blocks(
        lambda a, b: _quantile_block(score, forward, quantiles, workspace(score.shape[1]), means, names, every, a, b), score.shape[0]
    )
    excess = [ewc_test(row) for row in means - every]
    some = names.sum(axis=0) > 0
    return pl.DataFrame(
        {
            "quantile": np.arange(1, quantiles + 1),
            "forward_return": pl.Series([ewc_test(row).mean for row in means]).fill_nan(None),
            "excess_return": pl.Series([each.mean for each in excess]).fill_nan(None),
            "se": pl.Series([each.se for each in excess]).fill_nan(None),
            "names": names[:, some].mean(axis=1) if some.any() else np.zeros(quantiles),
        }
    )


@kernel
def _quantile_block(
    score: FloatArray,
    forward: FloatArray,
    quantiles: int,
    scratch: Workspace,
    means: FloatArray,
    names: FloatArray,
    every: FloatArray,
    start: int,
    stop: int,
) -> None:
    order = np.empty(score.shape[1], np.int32)
    for t in range(start, stop):
        n = sort_finite(score[t], order, scratch)
        if n < quantiles:
            continue
        whole, known = 0.0, 0
        for q in range(quantiles):
            total, count = 0.0, 0
            for k in range(q * n // quantiles, (q + 1) * n // quantiles):
                if np.isfinite(forward[t, order[k]]):
                    total += forward[t, order[k]]
                    count += 1
            names[q, t] = (q + 1) * n // quantiles - q * n // quantiles
            whole += total
            known += count
            if count > 0:
                means[q, t] = total / count
        if known > 0:
            every[t] = whole / known


def score_autocorrelation(score: FloatArray, *, lags: tuple[int, ...] = (1, 5, 20, 60)) -> pl.DataFrame:
    """Mean rank correlation of a score with itself `lag` sessions before: lag_sessions, rank_correlation."""
    rows = []
    for lag in lags:
        found = rank_correlation(score[lag:], score[:-lag])[0] if lag < score.shape[0] else np.empty(0)
        known = found[np.isfinite(found)]
        rows.append({"lag_sessions": lag, "rank_correlation": float(known.mean()) if known.size else None})
    return pl.DataFrame(rows, schema={"lag_sessions": pl.Int64, "rank_correlation": pl.Float64})


def factor_correlations(score: FloatArray, base: FloatArray, names: tuple[str, ...]) -> pl.DataFrame:
    """Mean cross-sectional rank correlation of a score with each base factor: factor, rank_correlation."""
    rows = []
    for position, name in enumerate(names):
        found, _ = rank_correlation(score, np.ascontiguousarray(base[:, position]))
        known = found[np.isfinite(found)]
        rows.append({"factor": name, "rank_correlation": float(known.mean()) if known.size else None})
    return pl.DataFrame(rows, schema={"factor": pl.String, "rank_correlation": pl.Float64})
