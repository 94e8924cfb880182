"""What is known before a session of how much of a stock is traded and how much it moves."""

from typing import Final

import numpy as np

from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["SPREAD_MINIMUM", "SPREAD_SESSIONS", "mean_amount", "return_spread"]

SPREAD_SESSIONS: Final = 60
"""Sessions before a session over which the volatility for price impact is taken."""

SPREAD_MINIMUM: Final = 20
"""Returns that it needs."""


def mean_amount(amount: FloatArray, traded: BoolArray, window: int) -> FloatArray:
    """Mean traded value over the sessions traded among the `window` sessions before each one; where there is none, the last such mean.

    The session itself is left out, and so is a session whose amount is missing. Each window is summed afresh. 0 where a stock had no
    traded value yet, NaN where no stock had one.
    """
    out = np.empty(amount.shape)
    over_blocks(lambda first, last: _means(first, last, amount, traded, window, out), amount.shape[0])
    over_blocks(lambda first, last: _carry(first, last, out), amount.shape[1])
    known = np.isfinite(out).any(axis=1, keepdims=True)  # once true it stays so, as every mean is carried on
    np.copyto(out, 0.0, where=known & np.isnan(out))
    return out


def return_spread(returns: FloatArray) -> FloatArray:
    """Standard deviation (n - 1) of the finite returns of the 60 sessions before each one.

    The session itself is left out. Two passes over each window. Where there are fewer than 20 returns: the stock's last such figure; else
    the median over the stocks that have 20 on the session, or on the last one on which any had; NaN before.
    """
    out = np.empty(returns.shape)
    over_blocks(lambda first, last: _spreads(first, last, returns, SPREAD_SESSIONS, SPREAD_MINIMUM, out), returns.shape[0])
    middle = np.full((returns.shape[0], 1), np.nan)
    for t, row in enumerate(out):
        own = row[np.isfinite(row)]
        if own.size:
            middle[t] = np.median(own)
    _carry(0, 1, middle)
    over_blocks(lambda first, last: _carry(first, last, out), returns.shape[1])
    np.copyto(out, middle, where=np.isnan(out))
    return out


@kernel
def _carry(first: int, last: int, block: FloatArray) -> None:
    """Fill what is missing with the last value of its column."""
    for t in range(1, block.shape[0]):
        for i in range(first, last):
            if np.isnan(block[t, i]):
                block[t, i] = block[t - 1, i]


@kernel
def _means(first: int, last: int, amount: FloatArray, traded: BoolArray, window: int, out: FloatArray) -> None:
    count = np.empty(amount.shape[1])
    for t in range(first, last):
        count[:] = 0.0
        out[t] = 0.0
        for u in range(max(0, t - window), t):
            for i in range(count.size):
                known = traded[u, i] and amount[u, i] == amount[u, i]
                count[i] += 1.0 if known else 0.0
                out[t, i] += amount[u, i] if known else 0.0
        for i in range(count.size):
            out[t, i] = out[t, i] / count[i] if count[i] > 0.0 else np.nan


@kernel
def _spreads(first: int, last: int, returns: FloatArray, window: int, minimum: int, out: FloatArray) -> None:
    count, mean = np.empty(returns.shape[1]), np.empty(returns.shape[1])
    for t in range(first, last):
        count[:] = 0.0
        mean[:] = 0.0
        out[t] = 0.0
        for u in range(max(0, t - window), t):
            for i in range(count.size):
                known = returns[u, i] == returns[u, i]
                count[i] += 1.0 if known else 0.0
                mean[i] += returns[u, i] if known else 0.0
        for i in range(count.size):
            mean[i] /= max(count[i], 1.0)
        for u in range(max(0, t - window), t):
            for i in range(count.size):
                gap = returns[u, i] - mean[i]
                out[t, i] += gap * gap if gap == gap else 0.0
        for i in range(count.size):
            out[t, i] = np.sqrt(out[t, i] / (count[i] - 1.0)) if count[i] >= minimum else np.nan
