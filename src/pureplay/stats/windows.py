"""Windowed figures that are recomputed from their window each session: range of cumulative sums, largest values, downside slope."""

from typing import Final

import numpy as np

from pureplay.errors import SettingError
from pureplay.panel import FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.decay import DEGENERATE, check_decay, exact_line
from pureplay.stats.jit import kernel

__all__ = ["cumulative_range", "downside_slope", "mean_of_three_largest"]

_TILE: Final = 64


def cumulative_range(values: FloatArray, *, steps: int, step_rows: int, minimum: int) -> FloatArray:
    """Largest less smallest of the sums over the last m * step_rows rows, m = 1 to `steps`.

    A row that is not finite, or lies before the first, counts 0. NaN where fewer than `minimum` of all steps * step_rows rows are finite.
    """
    check_decay(steps * step_rows, minimum, 1)
    if steps < 2:
        raise SettingError(f"steps is {steps}: one sum has no range; give 2 or more")
    out, given = np.empty(values.shape), np.ascontiguousarray(values, dtype=np.float64)  # every cell is written
    over_blocks(lambda start, stop: _range_tiles(given, steps, step_rows, minimum, out, start * _TILE, stop * _TILE), _tiles(values))
    return out


def mean_of_three_largest(values: FloatArray, *, window: int, minimum: int) -> FloatArray:
    """Mean of the three largest finite values of the last `window` rows; NaN where fewer than `minimum` are finite."""
    check_decay(window, minimum, 3)
    out, given = np.empty(values.shape), np.ascontiguousarray(values, dtype=np.float64)  # every cell is written
    over_blocks(lambda start, stop: _largest_tiles(given, window, minimum, out, start * _TILE, stop * _TILE), _tiles(values))
    return out


def downside_slope(y: FloatArray, x: FloatArray, *, window: int, minimum: int) -> FloatArray:
    """OLS slope, with intercept, of each column of y on x over those of the last `window` rows on which x is below its mean.

    x: one number per row; its mean is that of its finite numbers in the window. Rows count where x and y are finite; NaN where fewer
    than `minimum` of the rows below the mean count, and where x does not vary over them.
    """
    check_decay(window, minimum, 3)
    out = np.empty(y.shape)  # every cell is written
    left, right = np.ascontiguousarray(y, dtype=np.float64), np.ascontiguousarray(x, dtype=np.float64)
    over_blocks(lambda start, stop: _downside_tiles(left, right, window, minimum, out, start * _TILE, stop * _TILE), _tiles(y))
    return out


def _tiles(values: FloatArray) -> int:
    return -(-int(values.shape[1]) // _TILE)


@kernel
def _copy_tile(values: FloatArray, left: int, right: int, missing: float, clean: FloatArray, seen: FloatArray) -> None:
    for t in range(values.shape[0]):
        for k in range(right - left):
            value = values[t, left + k]
            counts = value - value == 0.0  # finite
            clean[t, k] = value if counts else missing
            seen[t, k] = 1.0 if counts else 0.0


@kernel
def _slide_count(seen: FloatArray, t: int, window: int, count: FloatArray) -> None:
    """Whole numbers: adding and subtracting them is exact."""
    for k in range(_TILE):
        count[k] += seen[t, k]
    if t >= window:
        for k in range(_TILE):
            count[k] -= seen[t - window, k]


@kernel
def _range_tiles(values: FloatArray, steps: int, step: int, minimum: int, out: FloatArray, first: int, last: int) -> None:
    rows, last = values.shape[0], min(last, values.shape[1])
    clean, seen, part = np.zeros((rows, _TILE)), np.zeros((rows, _TILE)), np.zeros((rows, _TILE))
    for left in range(first, last, _TILE):
        right = min(left + _TILE, last)
        _copy_tile(values, left, right, 0.0, clean, seen)
        count = np.zeros(_TILE)
        for t in range(rows):
            part[t] = 0.0
            for s in range(max(0, t - step + 1), t + 1):
                _sum_up(part[t], clean[s])
            _slide_count(seen, t, steps * step, count)
            _finish_range(part, t, steps, step, minimum, count, out[t, left:right])


@kernel
def _sum_up(total: FloatArray, values: FloatArray) -> None:
    for k in range(_TILE):
        total[k] += values[k]


@kernel
def _finish_range(part: FloatArray, t: int, steps: int, step: int, minimum: int, count: FloatArray, out: FloatArray) -> None:
    total = part[t].copy()
    low, high = total.copy(), total.copy()
    for m in range(1, steps):
        if t - m * step < 0:  # nothing earlier: the sums stay as they are
            break
        _widen(total, part[t - m * step], low, high)
    for k in range(out.size):
        out[k] = high[k] - low[k] if count[k] >= minimum else np.nan


@kernel
def _widen(total: FloatArray, part: FloatArray, low: FloatArray, high: FloatArray) -> None:
    for k in range(_TILE):
        total[k] += part[k]
        low[k] = total[k] if total[k] < low[k] else low[k]
        high[k] = total[k] if total[k] > high[k] else high[k]


@kernel
def _largest_tiles(values: FloatArray, window: int, minimum: int, out: FloatArray, first: int, last: int) -> None:
    rows, last = values.shape[0], min(last, values.shape[1])
    clean, seen, top = np.zeros((rows, _TILE)), np.zeros((rows, _TILE)), np.zeros((3, _TILE))
    for left in range(first, last, _TILE):
        right = min(left + _TILE, last)
        _copy_tile(values, left, right, -np.inf, clean, seen)
        count = np.zeros(_TILE)
        for t in range(rows):
            _slide_count(seen, t, window, count)
            top[:] = -np.inf
            for s in range(max(0, t - window + 1), t + 1):
                _insert(clean[s], top[0], top[1], top[2])
            for k in range(right - left):
                out[t, left + k] = (top[0, k] + top[1, k] + top[2, k]) / 3.0 if count[k] >= minimum else np.nan


@kernel
def _insert(values: FloatArray, largest: FloatArray, second: FloatArray, third: FloatArray) -> None:
    for k in range(_TILE):
        a, one, two, three = values[k], largest[k], second[k], third[k]
        b = one if a > one else a
        c = two if b > two else b
        largest[k] = a if a > one else one
        second[k] = b if b > two else two
        third[k] = c if c > three else three


@kernel
def _downside_tiles(y: FloatArray, x: FloatArray, window: int, minimum: int, out: FloatArray, first: int, last: int) -> None:
    rows, last, ones = y.shape[0], min(last, y.shape[1]), np.ones(window)
    clean, seen, sums = np.zeros((rows, _TILE)), np.zeros((rows, _TILE)), np.zeros((5, _TILE))
    below = np.empty(window)
    for left in range(first, last, _TILE):
        right = min(left + _TILE, last)
        _copy_tile(y, left, right, 0.0, clean, seen)
        for t in range(rows):
            start = max(0, t - window + 1)
            days = _below_mean(x[start : t + 1], below)
            sums[:] = 0.0
            for j in range(t + 1 - start if days >= minimum else 0):
                if np.isfinite(below[j]):
                    _add_line(clean[start + j], seen[start + j], below[j], sums)
            if _finish_slope(sums, minimum, out[t, left:right]):
                for i in range(left, right):
                    if out[t, i] == np.inf:
                        out[t, i] = exact_line(y[start : t + 1, i], below[: t + 1 - start], ones)[0]


@kernel
def _below_mean(x: FloatArray, below: FloatArray) -> int:
    """x less the mean of what is below the mean of all, NaN where x is not; returns how many rows are."""
    total, known = 0.0, 0
    for k in range(x.size):
        if np.isfinite(x[k]):
            total += x[k]
            known += 1
    level, low, days = total / max(known, 1), 0.0, 0
    for k in range(x.size):
        if np.isfinite(x[k]) and x[k] < level:
            low += x[k]
            days += 1
    low /= max(days, 1)
    for k in range(x.size):
        below[k] = x[k] - low if np.isfinite(x[k]) and x[k] < level else np.nan
    return days


@kernel
def _add_line(y: FloatArray, seen: FloatArray, x: float, sums: FloatArray) -> None:
    square = x * x
    for k in range(_TILE):
        sums[0, k] += seen[k]
        sums[1, k] += x * seen[k]
        sums[2, k] += square * seen[k]
        sums[3, k] += y[k]
        sums[4, k] += x * y[k]


@kernel
def _finish_slope(sums: FloatArray, minimum: int, slope: FloatArray) -> bool:
    """Turn sums into slopes; marks with infinity and reports the cells where the spread of x cancels."""
    cancels = False
    for k in range(slope.size):
        n, enough = max(sums[0, k], 1.0), sums[0, k] >= minimum
        xx, xy = sums[2, k] - sums[1, k] * sums[1, k] / n, sums[4, k] - sums[1, k] * sums[3, k] / n
        sound = xx > DEGENERATE * sums[2, k]
        slope[k] = (xy / xx if sound else np.inf) if enough else np.nan
        cancels |= enough & (not sound)
    return cancels
