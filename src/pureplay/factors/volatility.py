"""Factors from returns: market lines, spreads, extremes, trends. Arrays in, raw arrays out, dates down and stocks across.

Windows count sessions and end at the session itself; a missing return is no observation and shifts no weight. Names follow Barra USE4
and CNE5; the definitions are those of the methods, section 4.
"""

import numpy as np

from pureplay.panel import FloatArray
from pureplay.stats.decay import decayed_regression, decayed_spread, decayed_sum
from pureplay.stats.windows import cumulative_range, downside_slope, mean_of_three_largest

__all__ = ["beta_hsigma", "cmra", "dastd", "dbeta_252", "ivol_20", "log_returns", "max_20", "momentum", "strev_20"]

_YEAR = 252
_MONTH = 21


def log_returns(returns: FloatArray) -> FloatArray:
    """ln(1 + r); NaN where r is missing or not above -1, which has no logarithm."""
    known = np.isfinite(returns) & (returns > -1.0)
    return np.log1p(returns, out=np.full(returns.shape, np.nan), where=known)


def beta_hsigma(returns: FloatArray, market_returns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slope of r = a + beta m + e, weights w = 0.5^(age/63) over 252 sessions, and sqrt(sum w e^2 / sum w) of the same regression.

    Barra BETA and HSIGMA. NaN with fewer than 126 sessions on which both returns are known.
    """
    return decayed_regression(returns, market_returns, window=_YEAR, half_life=63, minimum=126)


def dastd(returns: FloatArray) -> FloatArray:
    """sqrt(sum w (r - mean)^2 / sum w), mean = sum w r / sum w, w = 0.5^(age/42) over 252 sessions; at least 126 returns.

    Barra DASTD, of total returns.
    """
    return decayed_spread(returns, window=_YEAR, half_life=42, minimum=126)


def cmra(logs: FloatArray) -> FloatArray:
    """max Z(m) - min Z(m), Z(m) = sum of ln(1+r) over the last 21 m sessions, m = 1..12; at least 126 of the 252 returns.

    Barra CMRA. A missing return adds 0. logs: as from `log_returns`.
    """
    return cumulative_range(logs, steps=12, step_rows=_MONTH, minimum=126)


def momentum(logs: FloatArray) -> FloatArray:
    """sum w ln(1+r) over 504 sessions that end 21 sessions ago, w = 0.5^(age/126), age 0 at t - 21; at least 252 returns.

    Barra RSTR, a plain sum: weights are not normalised, and a missing return adds 0. logs: as from `log_returns`.
    """
    out = np.full(logs.shape, np.nan)
    out[_MONTH:] = decayed_sum(logs[:-_MONTH], window=2 * _YEAR, half_life=126, minimum=252)
    return out


def strev_20(logs: FloatArray) -> FloatArray:
    """-(sum of ln(1+r) over 20 sessions), not rescaled for missing ones; at least 15 returns. logs: as from `log_returns`."""
    total = decayed_sum(logs, window=20, minimum=15)
    return np.negative(total, out=total)


def ivol_20(returns: FloatArray, market_returns: FloatArray) -> FloatArray:
    """sqrt(sum e^2 / (n - 2)) of the OLS r = a + b m + e over 20 sessions; at least 15 on which both returns are known."""
    return decayed_regression(returns, market_returns, window=20, minimum=15, ddof=2)[1]


def max_20(returns: FloatArray) -> FloatArray:
    """Mean of the three largest returns of 20 sessions; at least 15 returns (Bali, Cakici & Whitelaw 2011, MAX(3))."""
    return mean_of_three_largest(returns, window=20, minimum=15)


def dbeta_252(returns: FloatArray, market_returns: FloatArray) -> FloatArray:
    """OLS slope of r on m over those of 252 sessions on which m is below its mean over the 252 (Ang, Chen & Xing 2006).

    The mean is that of the market returns known in the window. At least 63 such sessions on which both returns are known.
    """
    return downside_slope(returns, market_returns, window=_YEAR, minimum=63)
