"""Windowed sums and windowed regressions without cancellation.

A window of w sessions is the tail of one block of w sessions and the head of the next. Tails and heads are summed afresh for every
block, so nothing that left the window lingers in its sums, however large it was.
"""

from typing import Final

import numpy as np

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["check_window", "exact_spread", "windowed_gap"]

_TILE: Final = 128
_MOMENTS: Final = 7  # n, sum of x - y, x, y, xx, xy, yy
_DEGENERATE: Final = 1e-6  # share of a sum of squares below which its centred form is recomputed from the data
_RECOMPUTE: Final = -1.0
_TINY: Final = 1e-300
_ROUNDING: Final = 1e-12  # relative spread of x that weighted means of one and the same number can have


def check_window(window: int, minimum: int) -> None:
    """Raise SettingError unless 3 <= minimum <= window: a regression residual needs three observations."""
    if not 3 <= minimum <= window:
        raise SettingError(f"min_valid_sessions must lie between 3 and window_sessions ({window}), not {minimum}")


def windowed_gap(
    x: FloatArray, y: FloatArray, valid: BoolArray, *, window: int, minimum: int, ols: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Over the last `window` rows: the sum of x - y, and the residual sd of the regression of y on x (or the sd of y - x).

    ols: the regression has an intercept, its residual variance n - 2 degrees of freedom. Otherwise the sd of y - x with n - 1. Rows
    count where `valid` holds and both are finite; NaN where fewer than `minimum` count. The regression is NaN where x does not vary.
    """
    check_window(window, minimum)
    total, spread = np.empty(x.shape), np.empty(x.shape)  # every cell is written
    tiles = -(-x.shape[1] // _TILE)
    over_blocks(lambda start, stop: _gap_tiles(x, y, valid, window, minimum, ols, total, spread, start * _TILE, stop * _TILE), tiles)
    return total, spread


@kernel
def _gap_tiles(
    x: FloatArray,
    y: FloatArray,
    valid: BoolArray,
    window: int,
    minimum: int,
    ols: bool,
    total: FloatArray,
    spread: FloatArray,
    first: int,
    last: int,
) -> None:
    rows, last = x.shape[0], min(last, x.shape[1])
    for left in range(first, last, _TILE):
        right = min(left + _TILE, last)
        tail = np.zeros((window + 1, _MOMENTS, _TILE))
        head = np.zeros((_MOMENTS, _TILE))
        for block in range(0, rows, window):
            head[:] = 0.0
            for t in range(block, min(block + window, rows)):
                _add(x[t, left:right], y[t, left:right], valid[t, left:right], head, head)
                if _finish(head, tail[t - block + 1], minimum, ols, total[t, left:right], spread[t, left:right]):
                    for i in range(left, right):
                        if spread[t, i] == _RECOMPUTE:
                            spread[t, i] = exact_spread(x, y, valid, t, i, window, ols)
            if block + window <= rows:
                tail[window] = 0.0
                for j in range(window - 1, -1, -1):
                    u = block + j
                    _add(x[u, left:right], y[u, left:right], valid[u, left:right], tail[j + 1], tail[j])


@kernel
def _add(x: FloatArray, y: FloatArray, valid: BoolArray, before: FloatArray, after: FloatArray) -> None:
    for k in range(x.size):
        counts = valid[k] & (x[k] - x[k] == 0.0) & (y[k] - y[k] == 0.0)  # finite
        a, b = (x[k] if counts else 0.0), (y[k] if counts else 0.0)
        after[0, k] = before[0, k] + (1.0 if counts else 0.0)
        after[1, k] = before[1, k] + (a - b)
        after[2, k] = before[2, k] + a
        after[3, k] = before[3, k] + b
        after[4, k] = before[4, k] + a * a
        after[5, k] = before[5, k] + a * b
        after[6, k] = before[6, k] + b * b


@kernel
def _finish(head: FloatArray, tail: FloatArray, minimum: int, ols: bool, total: FloatArray, spread: FloatArray) -> bool:
    """Turn sums into results; marks and reports the cells whose sums of squares cancel."""
    cancels = False
    for k in range(total.size):
        n = head[0, k] + tail[0, k]
        sx, sy = head[2, k] + tail[2, k], head[3, k] + tail[3, k]
        qx, qy = head[4, k] + tail[4, k], head[6, k] + tail[6, k]
        m = max(n, 1.0)
        xx, xy, yy = qx - sx * sx / m, head[5, k] + tail[5, k] - sx * sy / m, qy - sy * sy / m
        if ols:
            square, scale, freedom = yy - xy * xy / max(xx, _TINY), qy, n - 2.0
        else:
            square, scale, freedom = xx - 2.0 * xy + yy, qx + qy, n - 1.0
        enough = n >= minimum
        sound = (xx > _DEGENERATE * qx) & (square > _DEGENERATE * scale)
        total[k] = head[1, k] + tail[1, k] if enough else np.nan
        spread[k] = (np.sqrt(max(square, 0.0) / max(freedom, 1.0)) if sound else _RECOMPUTE) if enough else np.nan
        cancels |= enough & (not sound)
    return cancels


@kernel
def exact_spread(x: FloatArray, y: FloatArray, valid: BoolArray, t: int, i: int, window: int, ols: bool) -> float:
    """Residual sd, or sd of y - x, of the window that ends at row t, in two passes over the data."""
    n, sx, sy = 0, 0.0, 0.0
    low, high = np.inf, -np.inf
    for u in range(max(0, t - window + 1), t + 1):
        if valid[u, i] and np.isfinite(x[u, i]) and np.isfinite(y[u, i]):
            n += 1
            sx += x[u, i]
            sy += y[u, i]
            low, high = min(low, x[u, i]), max(high, x[u, i])
    mx, my = sx / n, sy / n
    xx, xy, gap = 0.0, 0.0, 0.0
    for u in range(max(0, t - window + 1), t + 1):
        if valid[u, i] and np.isfinite(x[u, i]) and np.isfinite(y[u, i]):
            a, b = x[u, i] - mx, y[u, i] - my
            xx += a * a
            xy += a * b
            gap += (a - b) ** 2
    if not ols:
        return float(np.sqrt(gap / (n - 1)))
    if high - low <= _ROUNDING * max(abs(low), abs(high)):
        return np.nan
    slope, rss = xy / xx, 0.0
    for u in range(max(0, t - window + 1), t + 1):
        if valid[u, i] and np.isfinite(x[u, i]) and np.isfinite(y[u, i]):
            rss += (y[u, i] - my - slope * (x[u, i] - mx)) ** 2
    return float(np.sqrt(rss / (n - 2)))
