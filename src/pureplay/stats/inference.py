"""Inference on daily information coefficients, whose overlapping windows make them strongly autocorrelated."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats as distributions

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.bootstrap import drawn_icirs

__all__ = ["FEWEST_ON_GRID", "MeanTest", "OffsetNull", "ewc_test", "newey_west_t", "offset_null", "stationary_indices"]

FEWEST_ON_GRID: Final = 3  # dates that an offset needs for an ICIR
_COSINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanTest:
    """Test of mean 0: estimate, standard error, t, two-sided p, degrees of freedom, observations used.

    t and p are NaN where fewer observations exist than the estimator needs or the series does not vary.
    """

    mean: float
    se: float
    t: float
    p: float
    df: int
    n: int


def ewc_test(series: FloatArray, *, cosines: int = _COSINES) -> MeanTest:
    """Equal-weighted cosine test of a mean (Lazarus, Lewis, Stock & Watson 2018).

    The long-run variance is the mean of the squared first `cosines` type-II cosine transforms of the demeaned series; the t
    statistic follows Student's t with `cosines` degrees of freedom. NaN entries are left out and the rest closes up.

    >>> found = ewc_test(np.sin(np.arange(400.0)) + 0.2)
    >>> found.n, found.df, bool(found.p < 0.001)
    (400, 8, True)
    """
    if cosines < 1:
        raise SettingError(f"cosines must be at least 1, not {cosines}")
    x = series[np.isfinite(series)]
    n = x.size
    mean = float(x.mean()) if n else np.nan
    if n <= 2 * cosines:
        return MeanTest(mean=mean, se=np.nan, t=np.nan, p=np.nan, df=cosines, n=n)
    angle = np.pi * np.outer(np.arange(1, cosines + 1), (np.arange(n) + 0.5) / n)
    transforms = np.sqrt(2.0 / n) * np.cos(angle) @ (x - mean)
    se = float(np.sqrt(np.mean(transforms**2) / n))
    t = mean / se if se > 0 else np.nan
    return MeanTest(mean=mean, se=se, t=t, p=float(2 * distributions.t.sf(abs(t), cosines)), df=cosines, n=n)


def newey_west_t(series: FloatArray, *, lags: int) -> float:
    """t statistic of the mean with Bartlett weights up to `lags` (Newey & West 1987), no small-sample factor.

    Printed beside the EWC test: with overlapping windows it rejects a true null too often.
    """
    if lags < 0:
        raise SettingError(f"lags must be at least 0, not {lags}")
    x = series[np.isfinite(series)]
    n = x.size
    if n <= lags + 1:
        return float("nan")
    u = x - x.mean()
    variance = u @ u / n
    for lag in range(1, lags + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1.0)) * (u[lag:] @ u[:-lag]) / n
    return float(x.mean() / np.sqrt(variance / n)) if variance > 0 else float("nan")


def stationary_indices(length: int, draws: int, *, mean_block: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Index rows of the stationary bootstrap (Politis & Romano 1994): blocks of geometric length, wrapped around the end."""
    fresh, start = _block_starts(length, draws, mean_block=mean_block, rng=rng)
    position = np.arange(length)
    anchor = np.maximum.accumulate(np.where(fresh, position, 0), axis=1)
    return np.asarray((np.take_along_axis(start, anchor, axis=1) + position - anchor) % length)


def _block_starts(length: int, draws: int, *, mean_block: float, rng: np.random.Generator) -> tuple[BoolArray, npt.NDArray[np.int64]]:
    """Where a block begins, and at which index, for every draw and position."""
    if mean_block < 1:
        raise SettingError(f"mean_block must be at least 1, not {mean_block}")
    fresh = rng.random((draws, length)) < 1.0 / mean_block
    fresh[:, 0] = True
    return fresh, rng.integers(0, length, size=(draws, length))


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetNull:
    """Where the mean ICIR over offsets falls when the signal knows nothing: quantiles of a bootstrap of the demeaned daily IC.

    quantiles: (level, value) pairs; quantile_se is the Monte-Carlo error of the outermost. all_positive: probability that every offset
    is positive. all_positive_se: its Monte-Carlo error. p: two-sided share of draws at least as far from 0 as the observed figure, which
    counts as one of them, (k + 1) / (draws + 1), so that p is never 0; p_se: its Monte-Carlo error. mean_block: mean length of a block
    in sessions. sd: of the draws, the standard error of the figure. An offset of a draw counts with FEWEST_ON_GRID dates or more, as one
    of the observed figure does.
    """

    draws: int
    mean_block: float
    quantiles: tuple[tuple[float, float], ...]
    quantile_se: float
    all_positive: float
    all_positive_se: float
    p: float
    p_se: float
    sd: float


def offset_null(
    ic: FloatArray, offset: npt.NDArray[np.int64], observed: float, *, mean_block: float, draws: int, rng: np.random.Generator
) -> OffsetNull | None:
    """Null of the multi-offset ICIR by stationary bootstrap, all offsets jointly.

    ic: daily IC, NaN where skipped. offset: rebalance offset of each session. Sessions before the first IC and after the last take no
    part. None where fewer than four blocks fit, or no draw has an offset with FEWEST_ON_GRID dates.
    """
    dates = np.flatnonzero(np.isfinite(ic))
    if dates.size < 4 * mean_block:
        return None
    span = slice(dates[0], dates[-1] + 1)
    centred, offset = ic[span] - ic[dates].mean(), offset[span]
    grids, group = np.unique(offset, return_inverse=True)
    fresh, start = _block_starts(centred.size, draws, mean_block=mean_block, rng=rng)
    icirs = drawn_icirs(centred, group.astype(np.int64), grids.size, fresh, start, fewest=FEWEST_ON_GRID)
    icirs = icirs[:, np.isfinite(icirs).any(axis=0)]  # a draw that met gaps only says nothing
    if not icirs.shape[1]:
        return None
    means, draws = np.nanmean(icirs, axis=0), icirs.shape[1]
    positive = (icirs > 0).all(axis=0)
    levels = (0.025, 0.05, 0.5, 0.95, 0.975)
    p = float((np.sum(np.abs(means) >= abs(observed)) + 1) / (draws + 1))
    share = float(positive.mean())
    return OffsetNull(
        draws=draws,
        mean_block=mean_block,
        quantiles=tuple((level, float(np.quantile(means, level))) for level in levels),
        quantile_se=_quantile_se(means, 0.975),
        all_positive=share,
        all_positive_se=float(np.sqrt(share * (1 - share) / draws)),
        p=p,
        p_se=float(np.sqrt(max(p * (1 - p), 1 / draws) / draws)),
        sd=float(means.std()),
    )


def _quantile_se(values: FloatArray, level: float) -> float:
    """Monte-Carlo error of a quantile: half the distance between the quantiles one binomial sd either side."""
    step = np.sqrt(level * (1 - level) / values.size)
    low, high = np.quantile(values, [max(0.0, level - step), min(1.0, level + step)])
    return float((high - low) / 2)
