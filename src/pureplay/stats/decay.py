"""Windowed means, spreads and regressions whose weights halve with age, without cancellation.

A window of w sessions is the tail of one block of w sessions and the head of the next. Tails and heads are summed afresh for every
block, so nothing that left the window lingers, however large it was. Weights factor over the border b between the blocks,
decay^(t - s) = decay^(t - b) * decay^(b - s), so one sum of the tail serves every window that reaches into it.
"""

from typing import Final

import numpy as np

from pureplay.errors import SettingError
from pureplay.panel import FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["DEGENERATE", "check_decay", "decayed_mean", "decayed_regression", "decayed_spread", "decayed_sum", "exact_line"]

DEGENERATE: Final = 1e-4  # share of a sum of squares below which its centred form is recomputed: what is kept has 12 digits
_TILE: Final = 64
_MEAN, _SUM, _SPREAD = 0, 1, 2
_RECOMPUTE: Final = -1.0
_TINY: Final = 1e-300
_ROUNDING: Final = 1e-12  # relative spread of x that means of one and the same number can have


def check_decay(window: int, minimum: int, least: int, half_life: float | None = None) -> None:
    """Raise SettingError unless least <= minimum <= window and the half-life, if any, is positive."""
    if not least <= minimum <= window:
        raise SettingError(f"minimum is {minimum}: ask for {least} to {window} observations, what the window of {window} sessions can hold")
    if half_life is not None and not half_life > 0:
        raise SettingError(f"half_life is {half_life}: give a positive number of sessions, or None for equal weights")


def decayed_mean(values: FloatArray, *, window: int, minimum: int, half_life: float | None = None) -> FloatArray:
    """Weighted mean of the last `window` rows: sum w y / sum w with w = 0.5^(age / half_life), over the finite y.

    Age counts rows, so a missing row shifts no other. NaN where fewer than `minimum` rows are finite; None weighs all alike.
    """
    check_decay(window, minimum, 1, half_life)
    return _series(values, window, minimum, half_life, kind=_MEAN)


def decayed_sum(values: FloatArray, *, window: int, minimum: int, half_life: float | None = None) -> FloatArray:
    """Weighted sum of the last `window` rows: sum w y over the finite y, not rescaled for missing rows; else as `decayed_mean`."""
    check_decay(window, minimum, 1, half_life)
    return _series(values, window, minimum, half_life, kind=_SUM)


def decayed_spread(values: FloatArray, *, window: int, minimum: int, half_life: float | None = None) -> FloatArray:
    """Weighted standard deviation of the last `window` rows: sqrt(sum w (y - mean)^2 / sum w), weights as in `decayed_mean`."""
    check_decay(window, minimum, 2, half_life)
    return _series(values, window, minimum, half_life, kind=_SPREAD)


def decayed_regression(
    y: FloatArray, x: FloatArray, *, window: int, minimum: int, half_life: float | None = None, ddof: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Slope, and residual sd sqrt(sum w e^2 / (sum w - ddof)), of the regression of each column of y on x with intercept.

    x: one number per row. Rows count where x and y are finite; weights as in `decayed_mean`. Both are NaN where fewer than `minimum`
    rows count and where x does not vary over them.
    """
    check_decay(window, minimum, 3, half_life)
    slope, spread = np.empty(y.shape), np.empty(y.shape)  # every cell is written
    left, right = np.ascontiguousarray(y, dtype=np.float64), np.ascontiguousarray(x, dtype=np.float64)
    power = _power(window, half_life)
    over_blocks(
        lambda start, stop: _line_tiles(left, right, minimum, power, float(ddof), slope, spread, start * _TILE, stop * _TILE),
        -(-y.shape[1] // _TILE),
    )
    return slope, spread


def _power(window: int, half_life: float | None) -> FloatArray:
    return np.ones(window + 1) if half_life is None else np.asarray(0.5 ** (np.arange(window + 1) / half_life), dtype=np.float64)


def _series(values: FloatArray, window: int, minimum: int, half_life: float | None, *, kind: int) -> FloatArray:
    out = np.empty(values.shape)  # every cell is written
    given, power = np.ascontiguousarray(values, dtype=np.float64), _power(window, half_life)
    over_blocks(
        lambda start, stop: _series_tiles(given, minimum, power, kind, out, start * _TILE, stop * _TILE),
        -(-values.shape[1] // _TILE),
    )
    return out


@kernel
def _series_tiles(y: FloatArray, minimum: int, power: FloatArray, kind: int, out: FloatArray, first: int, last: int) -> None:
    rows, last, window, channels = y.shape[0], min(last, y.shape[1]), power.size - 1, 4 if kind == _SPREAD else 3
    for left in range(first, last, _TILE):
        right = min(left + _TILE, last)
        terms, sums = np.zeros((window, channels, _TILE)), np.zeros((window, channels, _TILE))
        tail = np.zeros((window + 1, channels, _TILE))
        for block in range(0, rows, window):
            size = min(window, rows - block)
            for j in range(size):
                _fill_series(y[block + j, left:right], terms[j])
            _slide(terms, size, power, tail, sums)
            for j in range(size):
                t = block + j
                if _finish_series(sums[j], minimum, kind, out[t, left:right]):
                    for i in range(left, right):
                        if out[t, i] == _RECOMPUTE:
                            out[t, i] = _exact_spread(y[max(0, t - window + 1) : t + 1, i], power)


@kernel
def _line_tiles(
    y: FloatArray,
    x: FloatArray,
    minimum: int,
    power: FloatArray,
    ddof: float,
    slope: FloatArray,
    spread: FloatArray,
    first: int,
    last: int,
) -> None:
    rows, last, window = y.shape[0], min(last, y.shape[1]), power.size - 1
    for left in range(first, last, _TILE):
        right = min(left + _TILE, last)
        terms, sums, tail = np.zeros((window, 7, _TILE)), np.zeros((window, 7, _TILE)), np.zeros((window + 1, 7, _TILE))
        for block in range(0, rows, window):
            size = min(window, rows - block)
            for j in range(size):
                _fill_line(y[block + j, left:right], x[block + j], terms[j])
            _slide(terms, size, power, tail, sums)
            for j in range(size):
                t, start = block + j, max(0, block + j - window + 1)
                if _finish_line(sums[j], minimum, ddof, slope[t, left:right], spread[t, left:right]):
                    for i in range(left, right):
                        if spread[t, i] == _RECOMPUTE:
                            slope[t, i], square = exact_line(y[start : t + 1, i], x[start : t + 1], power)
                            spread[t, i] = np.sqrt(square / (sums[j, 1, i - left] - ddof))


@kernel
def _slide(terms: FloatArray, rows: int, power: FloatArray, tail: FloatArray, sums: FloatArray) -> None:
    """Windowed sums of a block of terms (row, channel, column); channel 0 is a count and does not decay.

    tail[j]: sums over rows j and later of the block before, aged to its last row; renewed for the block after this one.
    """
    window, channels = power.size - 1, terms.shape[1]
    head = np.zeros((channels, _TILE))
    for j in range(rows):
        for c in range(channels):
            keep, scale = (power[1], power[j + 1]) if c > 0 else (1.0, 1.0)
            _advance(head[c], terms[j, c], tail[j + 1, c], keep, scale, sums[j, c])
    if rows == window:
        tail[window] = 0.0
        for j in range(window - 1, -1, -1):
            for c in range(channels):
                _gather(tail[j + 1, c], terms[j, c], power[window - 1 - j] if c > 0 else 1.0, tail[j, c])


@kernel
def _advance(head: FloatArray, term: FloatArray, tail: FloatArray, keep: float, scale: float, total: FloatArray) -> None:
    for k in range(_TILE):
        head[k] = keep * head[k] + term[k]
        total[k] = head[k] + scale * tail[k]


@kernel
def _gather(later: FloatArray, term: FloatArray, scale: float, out: FloatArray) -> None:
    for k in range(_TILE):
        out[k] = later[k] + scale * term[k]


@kernel
def _fill_series(y: FloatArray, terms: FloatArray) -> None:
    squares = terms.shape[0] > 3
    for k in range(y.size):
        counts = y[k] - y[k] == 0.0  # finite
        terms[0, k] = terms[1, k] = 1.0 if counts else 0.0
        terms[2, k] = y[k] if counts else 0.0
    if squares:
        for k in range(y.size):
            terms[3, k] = terms[2, k] * terms[2, k]


@kernel
def _fill_line(y: FloatArray, x: float, terms: FloatArray) -> None:
    known = x - x == 0.0
    for k in range(y.size):
        counts = known & (y[k] - y[k] == 0.0)  # finite
        a, b = (x if counts else 0.0), (y[k] if counts else 0.0)
        terms[0, k] = terms[1, k] = 1.0 if counts else 0.0
        terms[2, k] = a
        terms[3, k] = b
        terms[4, k] = a * a
        terms[5, k] = a * b
        terms[6, k] = b * b


@kernel
def _finish_series(sums: FloatArray, minimum: int, kind: int, out: FloatArray) -> bool:
    """Turn sums into results; marks and reports the cells whose sum of squares cancels."""
    cancels = False
    for k in range(out.size):
        weight, enough = max(sums[1, k], _TINY), sums[0, k] >= minimum
        mean = sums[2, k] / weight
        if kind == _SPREAD:
            square = sums[3, k] - sums[2, k] * mean
            sound = square > DEGENERATE * sums[3, k]
            out[k] = (np.sqrt(max(square, 0.0) / weight) if sound else _RECOMPUTE) if enough else np.nan
            cancels |= enough & (not sound)
        else:
            out[k] = (mean if kind == _MEAN else sums[2, k]) if enough else np.nan
    return cancels


@kernel
def _finish_line(sums: FloatArray, minimum: int, ddof: float, slope: FloatArray, spread: FloatArray) -> bool:
    """Turn sums into results; marks and reports the cells whose sums of squares cancel."""
    cancels = False
    for k in range(slope.size):
        enough, weight = sums[0, k] >= minimum, max(sums[1, k], _TINY)
        sx, sy, qx, qy = sums[2, k], sums[3, k], sums[4, k], sums[6, k]
        xx, xy, yy = qx - sx * sx / weight, sums[5, k] - sx * sy / weight, qy - sy * sy / weight
        line = xy / max(xx, _TINY)
        square = yy - line * xy
        sound = (xx > DEGENERATE * qx) & (square > DEGENERATE * qy)
        slope[k] = line if enough else np.nan
        spread[k] = (np.sqrt(max(square, 0.0) / max(weight - ddof, _TINY)) if sound else _RECOMPUTE) if enough else np.nan
        cancels |= enough & (not sound)
    return cancels


@kernel
def _exact_spread(y: FloatArray, power: FloatArray) -> float:
    """Weighted sd of one window, oldest row first, in two passes over the data."""
    weight, total, square = 0.0, 0.0, 0.0
    for k in range(y.size):
        if np.isfinite(y[k]):
            weight += power[y.size - 1 - k]
            total += power[y.size - 1 - k] * y[k]
    for k in range(y.size):
        if np.isfinite(y[k]):
            square += power[y.size - 1 - k] * (y[k] - total / weight) ** 2
    return float(np.sqrt(square / weight))


@kernel
def exact_line(y: FloatArray, x: FloatArray, power: FloatArray) -> tuple[float, float]:
    """Slope and weighted residual sum of squares of y on x over one window, oldest row first, in passes over the data.

    power: weight of each age, power[0] that of the last row. Rows count where both are finite. NaN where x does not vary.
    """
    last = y.size - 1
    weight, sx, sy, low, high = 0.0, 0.0, 0.0, np.inf, -np.inf
    for k in range(y.size):
        if np.isfinite(x[k]) and np.isfinite(y[k]):
            weight += power[last - k]
            sx += power[last - k] * x[k]
            sy += power[last - k] * y[k]
            low, high = min(low, x[k]), max(high, x[k])
    if not high - low > _ROUNDING * max(abs(low), abs(high)):
        return np.nan, np.nan
    mx, my, xx, xy, square = sx / weight, sy / weight, 0.0, 0.0, 0.0
    for k in range(y.size):
        if np.isfinite(x[k]) and np.isfinite(y[k]):
            xx += power[last - k] * (x[k] - mx) ** 2
            xy += power[last - k] * (x[k] - mx) * (y[k] - my)
    for k in range(y.size):
        if np.isfinite(x[k]) and np.isfinite(y[k]):
            square += power[last - k] * (y[k] - my - xy / xx * (x[k] - mx)) ** 2
    return xy / xx, square
