"""Inference on daily information coefficients, whose overlapping windows make them strongly autocorrelated.

This is the place to import from: tests of a mean, nulls and intervals of an ICIR, Sharpe ratios and their deflation, the choice of the
best among many, overfitting and cross-validation. docs/inference.md says what each figure means.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats as distributions

from pureplay.errors import SettingError
from pureplay.panel import FloatArray
from pureplay.stats.bootstrap import quantile_se, stationary_indices
from pureplay.stats.given import series as given_series
from pureplay.stats.intervals import FEWEST_ON_GRID, IcirInterval, automatic_block, icir_interval, offset_interval
from pureplay.stats.overfitting import Overfitting, overfitting_probability, purged_splits
from pureplay.stats.reality import SPAResult, Stepwise, stepwise_superior, superior_predictive_ability
from pureplay.stats.sharpe import (
    ROUNDING,
    DeflatedSharpe,
    deflated_from_moments,
    deflated_sharpe,
    expected_max_sharpe,
    min_track_record,
    probabilistic_sharpe,
    sharpe_ratio,
    sharpe_se,
    years_to_decide,
)
from pureplay.stats.simulated import long_run_df, simulated_icirs

__all__ = [
    "FEWEST_ON_GRID",
    "DeflatedSharpe",
    "IcirInterval",
    "MeanTest",
    "OffsetNull",
    "Overfitting",
    "SPAResult",
    "Stepwise",
    "automatic_block",
    "deflated_from_moments",
    "deflated_sharpe",
    "ewc_test",
    "expected_max_sharpe",
    "icir_interval",
    "min_track_record",
    "newey_west_t",
    "offset_interval",
    "offset_null",
    "overfitting_probability",
    "probabilistic_sharpe",
    "purged_splits",
    "sharpe_ratio",
    "sharpe_se",
    "stationary_indices",
    "stepwise_superior",
    "superior_predictive_ability",
    "years_to_decide",
]

_COSINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanTest:
    """Test of mean 0: estimate, standard error, t, two-sided p, degrees of freedom, observations used.

    t and p are NaN where fewer observations exist than the estimator needs, or the series varies by no more than rounding: se is 0 then.
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
    known = given_series(series, "the series")
    x = known[np.isfinite(known)]
    n = x.size
    mean = float(x.mean()) if n else np.nan
    if n <= 2 * cosines:
        return MeanTest(mean=mean, se=np.nan, t=np.nan, p=np.nan, df=cosines, n=n)
    transforms = _cosine_rows(cosines, n) @ (x - mean)
    long_run = float(np.sqrt(np.mean(transforms**2)))
    se = long_run / float(np.sqrt(n)) if long_run > ROUNDING * np.abs(x).max() else 0.0
    t = mean / se if se > 0 else np.nan
    return MeanTest(mean=mean, se=se, t=t, p=float(2 * distributions.t.sf(abs(t), cosines)), df=cosines, n=n)


@lru_cache(maxsize=4)
def _cosine_rows(cosines: int, n: int) -> FloatArray:
    """Type-II cosines of `ewc_test`; many series of one sample have the same length."""
    angle = np.pi * np.outer(np.arange(1, cosines + 1), (np.arange(n) + 0.5) / n)
    rows: FloatArray = np.sqrt(2.0 / n) * np.cos(angle)
    rows.flags.writeable = False
    return rows


def newey_west_t(series: FloatArray, *, lags: int) -> float:
    """t statistic of the mean with Bartlett weights up to `lags` (Newey & West 1987), no small-sample factor.

    NaN where no more than `lags` + 1 values exist, or the series varies by no more than rounding.
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
    return float(x.mean() / np.sqrt(variance / n)) if variance > (ROUNDING * np.abs(x).max()) ** 2 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetNull:
    """Where the mean ICIR over offsets falls when the signal knows nothing: quantiles of simulated daily ICs of mean 0.

    quantiles: (level, value) pairs; quantile_se is the Monte-Carlo error of the outermost. all_positive: probability that every offset
    is positive. all_positive_se: its Monte-Carlo error. p: two-sided share of draws at least as far from 0 as the observed figure, which
    counts as one of them, (k + 1) / (draws + 1), so that p is never 0; p_se: its Monte-Carlo error. mean_block: lag in sessions from
    which on the simulated ICs are uncorrelated. sd: of the draws, the standard error of the figure; quantiles and p are a little wider,
    since it is estimated. An offset of a draw counts with FEWEST_ON_GRID dates or more, as one of the observed figure does.
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
    """Null of the multi-offset ICIR by simulation from the autocovariance of the daily IC, all offsets jointly.

    ic: daily IC, NaN where skipped. offset: rebalance offset of each session. Sessions before the first IC and after the last take no
    part. mean_block: autocovariances count in full up to half of it and fade to nothing there; the overlap of the windows and 20
    sessions is right. None where fewer than four blocks fit, or no draw has an offset with FEWEST_ON_GRID dates.

    The spread of the draws is estimated itself, from few independent stretches, so quantiles and p are those of draws divided by the
    root of a chi-square over its degrees of freedom (`long_run_df`), as Student's t is; the signs of a draw stay.

    The draws are Gaussian (see `simulated_icirs`), not a stationary bootstrap: that breaks the dependence at every border of a block,
    which made the sd of the draws 15 % too small and "every offset positive" half as likely as it is (docs/inference.md has the figures).
    """
    if not mean_block >= 1:
        raise SettingError(f"mean_block must be at least 1, not {mean_block}")
    dates = np.flatnonzero(np.isfinite(ic))
    if dates.size < 4 * mean_block:
        return None
    span = slice(dates[0], dates[-1] + 1)
    grids, group = np.unique(offset[span], return_inverse=True)
    icirs = simulated_icirs(ic[span], group.astype(np.int64), grids.size, reach=mean_block, draws=draws, fewest=FEWEST_ON_GRID, rng=rng)
    icirs = icirs[:, np.isfinite(icirs).any(axis=0)]
    if not icirs.shape[1]:
        return None
    figures, draws = np.nanmean(icirs, axis=0), icirs.shape[1]
    df = long_run_df(ic[span], reach=mean_block)
    means = figures * np.sqrt(df / rng.chisquare(df, draws))
    positive = (icirs > 0).all(axis=0)
    levels = (0.025, 0.05, 0.5, 0.95, 0.975)
    p = float((np.sum(np.abs(means) >= abs(observed)) + 1) / (draws + 1))
    share = float(positive.mean())
    return OffsetNull(
        draws=draws,
        mean_block=mean_block,
        quantiles=tuple((level, float(np.quantile(means, level))) for level in levels),
        quantile_se=quantile_se(means, 0.975),
        all_positive=share,
        all_positive_se=float(np.sqrt(share * (1 - share) / draws)),
        p=p,
        p_se=float(np.sqrt(max(p * (1 - p), 1 / draws) / draws)),
        sd=float(figures.std()),
    )
