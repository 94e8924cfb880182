"""Factors from what was traded. Arrays in, raw arrays out, dates down and stocks across.

Windows count sessions and end at the session itself. Names follow Barra USE4 and CNE5 where it has one; the definitions are those of
the methods, section 4.
"""

import numpy as np

from pureplay.panel import FloatArray
from pureplay.stats.decay import decayed_mean

__all__ = ["abturn_20", "amihud_20", "stoa", "stom", "stoq"]

_MONTH = 21


def stom(turnover: FloatArray) -> FloatArray:
    """ln(21 mean daily share turnover of 21 sessions), Barra STOM; at least half of them observed, and a mean above 0."""
    return _log_turnover(turnover, _MONTH)


def stoq(turnover: FloatArray) -> FloatArray:
    """ln(21 mean daily share turnover of 63 sessions), Barra STOQ; at least half of them observed, and a mean above 0."""
    return _log_turnover(turnover, 3 * _MONTH)


def stoa(turnover: FloatArray) -> FloatArray:
    """ln(21 mean daily share turnover of 252 sessions), Barra STOA; at least half of them observed, and a mean above 0."""
    return _log_turnover(turnover, 12 * _MONTH)


def abturn_20(turnover: FloatArray) -> FloatArray:
    """ln(mean turnover of 20 sessions / mean of 250); at least 15 and 125 observed, both means above 0 (Liu, Stambaugh & Yuan 2019)."""
    recent = _log_mean(turnover, window=20, minimum=15)
    recent -= _log_mean(turnover, window=250, minimum=125)
    return recent


def amihud_20(returns: FloatArray, amount: FloatArray) -> FloatArray:
    """ln mean(|r| / amount) over 20 sessions (Amihud 2002), amount in CNY.

    At least 15 sessions with a known return and an amount above 0, and a mean above 0.
    """
    ratio = np.full(returns.shape, np.nan)
    np.divide(np.abs(returns), amount, out=ratio, where=amount > 0)
    return _log_mean(ratio, window=20, minimum=15)


def _log_turnover(turnover: FloatArray, window: int) -> FloatArray:
    out = _log_mean(turnover, window=window, minimum=-(-window // 2))
    out += np.log(_MONTH)
    return out


def _log_mean(values: FloatArray, *, window: int, minimum: int) -> FloatArray:
    mean = decayed_mean(values, window=window, minimum=minimum)
    mean[~(mean > 0)] = np.nan
    return np.log(mean, out=mean)
