"""Luck and length: what the best of many signals that know nothing would reach, and how long a record has to be."""

import math
from statistics import NormalDist
from typing import Final

__all__ = ["expected_max_sharpe", "years_to_decide"]

_EULER_GAMMA: Final = 0.5772156649015329
_CRITICAL_T: Final = 2.306


def expected_max_sharpe(trial_sd: float, trials: int) -> float:
    """Expected largest of `trials` independent figures of mean 0 (Bailey & López de Prado 2014): a Sharpe ratio, an ICIR.

    trial_sd: standard deviation of one figure under the null, in its unit. 0 for one trial; NaN where trial_sd is.
    """
    if trials <= 1:
        return 0.0 if math.isfinite(trial_sd) else math.nan
    at = NormalDist().inv_cdf
    return trial_sd * ((1 - _EULER_GAMMA) * at(1 - 1 / trials) + _EULER_GAMMA * at(1 - 1 / (trials * math.e)))


def years_to_decide(t: float, years: float, critical: float = _CRITICAL_T, power: float | None = None) -> float:  # noqa: ARG001
    """More years until an effect of the same size would pass `critical`: t grows with the square root of the record.

    years: length of the record behind t. 0 where t passes already, inf for t <= 0, NaN where t or years is missing.
    power: None; a share is not taken here.
    """
    if math.isnan(t) or math.isnan(years):
        return math.nan
    return math.inf if t <= 0 else max(0.0, years * (critical / t) ** 2 - years)
