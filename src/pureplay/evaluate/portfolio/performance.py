"""Figures of one series of daily returns, alone and beside a benchmark."""

from datetime import date
from typing import Final

import numpy as np

from pureplay.evaluate.portfolio.records import ActiveFigures, Performance
from pureplay.panel import FloatArray
from pureplay.sessions import DayArray
from pureplay.stats.inference import ewc_test

__all__ = ["active_figures", "drawdown", "performance"]

_STILL: Final = 1e-12  # sd over the largest return below which a series does not vary but rounds


def performance(returns: FloatArray, days: DayArray, *, a_year: float, periods: FloatArray | None = None) -> Performance:
    """Figures of daily returns; a session with NaN is left out.

    returns: decimals, by session. days: the sessions' dates. a_year: sessions per year. periods: returns of grid periods for the hit
    rate, NaN left out. A series without any return has NaN figures and 0 sessions.
    """
    known = np.isfinite(returns)
    x, dates = returns[known], days[known]
    n, sd = x.size, _sd(x)
    mean = float(x.mean()) * a_year if n else np.nan
    risk = sd * float(np.sqrt(a_year))
    lost, peak, trough = drawdown(x)
    blocks = np.empty(0) if periods is None else periods[np.isfinite(periods)]
    return Performance(
        annual_return=max(0.0, float(np.prod(1.0 + x))) ** (a_year / n) - 1.0 if n else np.nan,
        annual_mean=mean,
        volatility=risk,
        sharpe=mean / risk if risk > 0 else np.nan,
        max_drawdown=lost,
        peak=None if peak is None else _day(dates, max(peak, 0)),
        trough=None if trough is None else _day(dates, trough),
        hit_rate=float((blocks > 0).mean()) if blocks.size else np.nan,
        n_periods=int(blocks.size),
        n_sessions=n,
        t_ewc=ewc_test(x).t if sd > 0 else np.nan,
        skew=_moment(x, 3) if sd > 0 else np.nan,
        kurtosis=_moment(x, 4) if sd > 0 else np.nan,
    )


def active_figures(net: FloatArray, benchmark: FloatArray, *, a_year: float) -> ActiveFigures:
    """Figures of daily returns beside those of a benchmark on the same sessions; a session where either is NaN is left out."""
    known = np.isfinite(net) & np.isfinite(benchmark)
    x, b = net[known], benchmark[known]
    gap = x - b
    mean = float(gap.mean()) * a_year if gap.size else np.nan
    risk = _sd(gap) * float(np.sqrt(a_year))
    return ActiveFigures(
        active_return=mean,
        tracking_error=risk,
        information_ratio=mean / risk if risk > 0 else np.nan,
        t_ewc=ewc_test(gap).t if risk > 0 else np.nan,
        beta=float(np.mean((x - x.mean()) * (b - b.mean())) / b.var()) if _sd(b) > 0 else np.nan,
        max_drawdown=drawdown((1.0 + x) / (1.0 + b) - 1.0)[0],
    )


def drawdown(returns: FloatArray) -> tuple[float, int | None, int | None]:
    """Largest loss of compounded wealth from an earlier peak, positive, with the indices of that peak and of the low.

    The start counts as a peak, index -1. Without a loss: 0 and no indices. NaN for an empty series.
    """
    if not returns.size:
        return np.nan, None, None
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    best = np.maximum.accumulate(wealth)
    loss = 1.0 - wealth / best
    low = int(np.argmax(loss))
    if not loss[low] > 0:
        return 0.0, None, None
    return float(loss[low]), int(np.argmax(wealth[: low + 1])) - 1, low - 1


def _sd(x: FloatArray) -> float:
    """Standard deviation (ddof 1): 0 where the series only rounds, NaN below two values."""
    if x.size < 2:
        return np.nan
    sd = float(x.std(ddof=1))
    return sd if sd > _STILL * float(np.abs(x).max()) else 0.0


def _moment(x: FloatArray, order: int) -> float:
    """Standardised central moment, ddof 0."""
    return float(np.mean(((x - x.mean()) / x.std()) ** order))


def _day(days: DayArray, at: int) -> date:
    found: date = days[at].astype("datetime64[D]").item()
    return found
