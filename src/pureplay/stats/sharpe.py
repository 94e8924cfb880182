"""Sharpe ratios of one period, how sure they are, and what a search over many trials takes off them.

Every series here is at the frequency of its rebalances, windows not overlapping: the formulas take its entries for independent. Daily
figures of overlapping windows must not be given; a Sharpe ratio of a period is never annualised here (multiply by the square root of
the periods per year). NaN entries are left out. Sources: Bailey & López de Prado, "The Sharpe ratio efficient frontier" (Journal of Risk
15, 2012) and "The deflated Sharpe ratio" (Journal of Portfolio Management 40, 2014).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats as distributions

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.panel import FloatArray
from pureplay.stats.given import is_number, require_number, series

__all__ = [
    "ROUNDING",
    "DeflatedSharpe",
    "deflated_from_moments",
    "deflated_sharpe",
    "expected_max_sharpe",
    "min_track_record",
    "probabilistic_sharpe",
    "sharpe_ratio",
    "sharpe_se",
    "years_to_decide",
]

_FEWEST: Final = 4  # returns below which skew and kurtosis say nothing
_EULER: Final = float(np.euler_gamma)
_MOST_TRIALS: Final = 10**15
ROUNDING: Final = 1e-10
"""A spread of at most this share of the largest entry is rounding: the series does not vary."""


def sharpe_ratio(returns: FloatArray) -> float:
    """Mean / sd (ddof 1) per period; NaN where fewer than two returns exist or they vary by no more than rounding (`ROUNDING`).

    returns: in excess of whatever they are held against, one entry a period.
    """
    x = _finite(returns)
    sd = float(x.std(ddof=1)) if x.size > 1 else 0.0
    return float(x.mean()) / sd if sd > ROUNDING * np.abs(x).max(initial=0.0) else float("nan")


def sharpe_se(sharpe: float, n: int, *, skew: float, kurtosis: float) -> float:
    """Standard error of a Sharpe ratio from n returns: sqrt((1 - skew SR + (kurtosis - 1)/4 SR²) / (n - 1)); kurtosis 3 is normal.

    Raises SettingError where n < 2 or no series has such moments (kurtosis < skew² + 1).
    """
    for name, value in (("sharpe", sharpe), ("skew", skew), ("kurtosis", kurtosis)):
        require_number(value, name)
    if n < 2:
        raise SettingError(f"n must be at least 2, not {n}: a standard error needs two returns")
    if not kurtosis >= skew**2 + 1 - 1e-9:
        raise SettingError(
            f"kurtosis must be at least skew² + 1 = {skew**2 + 1:g}, not {kurtosis}: give the plain kurtosis (3 for a normal law)"
        )
    return float(np.sqrt((1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2) / (n - 1)))


def probabilistic_sharpe(returns: FloatArray, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark` (per period), with the skew and kurtosis of the returns.

    Raises InsufficientDataError where fewer than four returns exist or they do not vary.
    """
    require_number(benchmark, "benchmark")
    sharpe, n, skew, kurtosis = _moments(returns)
    return _above(sharpe, benchmark, sharpe_se(sharpe, n, skew=skew, kurtosis=kurtosis))


def expected_max_sharpe(sd_of_trials: float, trials: int) -> float:
    """Sharpe ratio that the best of so many independent trials reaches on average when none of them is worth anything.

    sd_of_trials: spread of the trials' Sharpe ratios, per period. 0 for one trial. (Bailey & López de Prado 2014, eq. 1.)
    """
    given: object = trials
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or not 1 <= given <= _MOST_TRIALS:
        raise SettingError(f"trials must be a whole number of at least 1, not {trials!r}: count every configuration that was looked at")
    if not (is_number(sd_of_trials) and np.isfinite(sd_of_trials) and sd_of_trials >= 0):
        raise SettingError(f"the spread of the trials must be a number of at least 0, not {sd_of_trials}")
    if trials == 1:
        return 0.0
    high, higher = distributions.norm.isf([1.0 / trials, np.exp(-1.0) / trials])
    return float(sd_of_trials * ((1.0 - _EULER) * high + _EULER * higher))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflatedSharpe:
    """A Sharpe ratio per period against what the best of its trials would reach by luck.

    threshold: expected best of `trials` worthless ones. probability: that the true ratio exceeds it; above 0.95 is the usual bar.
    trial_sd: spread of the trials' ratios that the threshold was built from. n: returns. skew, kurtosis: of the returns, 3 is normal.
    """

    sharpe: float
    threshold: float
    probability: float
    trials: int
    trial_sd: float
    n: int
    skew: float
    kurtosis: float


def deflated_sharpe(returns: FloatArray, *, trials: int, trial_sd: float | None = None) -> DeflatedSharpe:
    """Deflated Sharpe ratio of the best of `trials` trials (Bailey & López de Prado 2014).

    returns: of the one that was chosen, at the frequency of its rebalances. trial_sd: sd of the Sharpe ratios over all trials, per
    period; None where the trials' own ratios are unknown: then the sd that estimation alone gives a worthless trial, 1/sqrt(n - 1),
    which is right for trials of the same length and too small where trials differ in truth as well. Dependent trials count for less
    than their number, so the figure errs on the careful side for them. Raises InsufficientDataError where fewer than four returns
    exist or they do not vary.
    """
    sharpe, n, skew, kurtosis = _moments(returns)
    return deflated_from_moments(sharpe, n, skew=skew, kurtosis=kurtosis, trials=trials, trial_sd=trial_sd)


def deflated_from_moments(
    sharpe: float, n: int, *, skew: float, kurtosis: float, trials: int, trial_sd: float | None = None
) -> DeflatedSharpe:
    """`deflated_sharpe` of a series of which only its Sharpe ratio per period, length, skew and kurtosis are known."""
    se = sharpe_se(sharpe, n, skew=skew, kurtosis=kurtosis)
    spread = float(1.0 / np.sqrt(n - 1)) if trial_sd is None else trial_sd
    threshold = expected_max_sharpe(spread, trials)
    return DeflatedSharpe(
        sharpe=sharpe,
        threshold=threshold,
        probability=_above(sharpe, threshold, se),
        trials=trials,
        trial_sd=spread,
        n=n,
        skew=skew,
        kurtosis=kurtosis,
    )


def min_track_record(sharpe: float, *, skew: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Periods of track record after which a Sharpe ratio of this size exceeds `benchmark` at this confidence; inf where it does not.

    All per period; kurtosis 3 is normal. (Bailey & López de Prado 2012.)
    """
    _share(confidence, "confidence")
    for name, value in (("sharpe", sharpe), ("benchmark", benchmark)):
        require_number(value, name)
    if not sharpe > benchmark:
        return float("inf")
    variance = sharpe_se(sharpe, 2, skew=skew, kurtosis=kurtosis) ** 2
    return float(1.0 + variance * (distributions.norm.ppf(confidence) / (sharpe - benchmark)) ** 2)


def years_to_decide(t: float, years: float, *, critical: float = 2.306, power: float | None = None) -> float:
    """More years until the t statistic of a mean passes `critical`, if the mean and the noise of a year stay as they were.

    t grows with the square root of the years, so years × (critical / t)² are needed in all, less the `years` that are there, never below
    0; inf where t <= 0. That is where t passes on average: half of all futures get there. power: chance that it should pass, which
    needs (critical + z_power) / t instead. critical: 2.306 is the two-sided 5 % point of Student's t with the 8 degrees of freedom of
    the EWC test.
    """
    require_number(t, "t")
    if not (is_number(years) and years > 0):
        raise SettingError(f"years must be above 0, not {years}: it is the length of the record that t comes from")
    if not (is_number(critical) and critical > 0):
        raise SettingError(f"critical must be above 0, not {critical}")
    wanted = critical
    if power is not None:
        _share(power, "power")
        wanted = max(critical + float(distributions.norm.ppf(power)), 0.0)
    if np.isnan(t):
        return float("nan")
    return max(years * (wanted / t) ** 2 - years, 0.0) if t > 0 else float("inf")


def _above(sharpe: float, benchmark: float, se: float) -> float:
    return float(distributions.norm.cdf((sharpe - benchmark) / se))


def _share(value: float, name: str) -> None:
    if not (is_number(value) and 0 < value < 1):
        raise SettingError(f"{name} must lie between 0 and 1, not {value}")


def _finite(returns: FloatArray) -> FloatArray:
    x = series(returns, "returns")
    return x[np.isfinite(x)]


def _moments(returns: FloatArray) -> tuple[float, int, float, float]:
    """Sharpe ratio, length, skew and kurtosis (3 is normal) of the finite entries."""
    x = _finite(returns)
    sharpe = sharpe_ratio(x)
    if x.size < _FEWEST or not np.isfinite(sharpe):
        found = "which do not vary" if x.size >= _FEWEST else f"{_FEWEST} are required"
        raise InsufficientDataError(f"{x.size} returns are known, {found}: a Sharpe ratio needs a longer series or a shorter grid")
    u = x - x.mean()
    second = float(np.mean(u**2))
    return sharpe, x.size, float(np.mean(u**3) / second**1.5), float(np.mean(u**4) / second**2)
