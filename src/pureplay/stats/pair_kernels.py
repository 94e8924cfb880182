"""Kernels of `stats.correlation`: z-scores of a window, one row an asset, and the figure of each listed pair."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import FloatArray, IndexArray
from pureplay.stats.jit import kernel
from pureplay.stats.lanes import LANES, row_product

__all__ = [
    "COMPLETE",
    "GAPS",
    "TILE",
    "UNUSABLE",
    "BitArray",
    "Room",
    "StateArray",
    "common_days",
    "make_room",
    "pearson_pairs",
    "shrunk_pairs",
    "standardise",
]

BitArray = npt.NDArray[np.uint64]
StateArray = npt.NDArray[np.int8]
Room = tuple[FloatArray, BitArray, StateArray, FloatArray]
"""z-scores (assets, sessions and zeros up to a multiple of 8), days (assets, words), state and noise of each asset.

Bit t % 64 of word t // 64 is set where session t is valid. state: UNUSABLE, GAPS or COMPLETE. noise: the standard deviation, in
z-scores, that rounding alone can leave in the series.
"""

TILE: Final = 32  # assets standardised at a time: 90 sessions of them fit the first cache
UNUSABLE, GAPS, COMPLETE = 0, 1, 2
_WORD: Final = 64
_CONSTANT: Final = 1e-12  # sd over largest size at which a series is constant but for rounding


def make_room(assets: int, sessions: int) -> Room:
    """Room for one window; each asset begins a cache line."""
    length = -(-sessions // LANES) * LANES
    spare = np.empty(assets * length + LANES)
    skip = -(spare.ctypes.data // 8) % LANES
    z = spare[skip : skip + assets * length].reshape(assets, length)
    days = np.empty((assets, -(-sessions // _WORD)), dtype=np.uint64)
    return z, days, np.empty(assets, dtype=np.int8), np.empty(assets)


@kernel
def standardise(returns: FloatArray, first: int, sessions: int, room: Room, start: int, stop: int) -> None:
    """Fill the room of assets start to stop from rows first .. first + sessions - 1 of a C-ordered block.

    Each asset's sums run over its days in their order, so its bits do not depend on the assets beside it.
    """
    z, days, state, noise = room
    tile, words = np.empty((sessions, TILE)), np.empty((days.shape[1], TILE), np.uint64)
    mean, peak, square = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for left in range(start, stop, TILE):
        right = min(left + TILE, stop)
        _take(returns, first, left, right, tile)
        _mark(tile, words)
        _sum_up(tile, mean, peak)
        for k in range(right - left):
            for w in range(days.shape[1]):
                days[left + k, w] = words[w, k]
            mean[k] /= max(_common(days, left + k, left + k), 1)
        _centre(tile, mean, square)
        for k in range(right - left):
            count = _common(days, left + k, left + k)
            sd = np.sqrt(square[k] / max(count, 1))
            usable = 2 * count >= sessions and sd > _CONSTANT * peak[k]
            state[left + k] = UNUSABLE if not usable else (COMPLETE if count == sessions else GAPS)
            noise[left + k] = _CONSTANT * peak[k] / sd if usable else 0.0
            _turn(tile, k, 1.0 / sd if usable else 0.0, z, left + k)


@kernel
def _take(returns: FloatArray, first: int, left: int, right: int, tile: FloatArray) -> None:
    for t in range(tile.shape[0]):
        _copy(returns[first + t, left:right], tile[t])


@kernel
def _copy(values: FloatArray, out: FloatArray) -> None:
    for k in range(values.size):
        out[k] = values[k]
    for k in range(values.size, out.size):
        out[k] = np.nan


@kernel
def _mark(tile: FloatArray, words: BitArray) -> None:
    words[:] = 0
    for w in range(words.shape[0]):
        begin = w * _WORD
        for t in range(begin, min(begin + _WORD, tile.shape[0])):
            bit = np.uint64(1) << np.uint64(t - begin)
            for k in range(tile.shape[1]):
                x = tile[t, k]
                words[w, k] |= bit if x - x == 0.0 else np.uint64(0)  # x - x is 0 for finite numbers only


@kernel
def _sum_up(tile: FloatArray, total: FloatArray, peak: FloatArray) -> None:
    total[:], peak[:] = 0.0, 0.0
    for t in range(tile.shape[0]):
        for k in range(tile.shape[1]):
            x = tile[t, k]
            known = x if x - x == 0.0 else 0.0
            total[k] += known
            peak[k] = abs(known) if abs(known) > peak[k] else peak[k]


@kernel
def _centre(tile: FloatArray, mean: FloatArray, square: FloatArray) -> None:
    square[:] = 0.0
    for t in range(tile.shape[0]):
        for k in range(tile.shape[1]):
            gap = tile[t, k] - mean[k]
            gap = gap if gap - gap == 0.0 else 0.0
            tile[t, k] = gap
            square[k] += gap * gap


@kernel
def _turn(tile: FloatArray, k: int, scale: float, z: FloatArray, row: int) -> None:
    for t in range(tile.shape[0]):
        z[row, t] = tile[t, k] * scale
    for t in range(tile.shape[0], z.shape[1]):
        z[row, t] = 0.0


@kernel
def shrunk_pairs(room: Room, a: IndexArray, b: IndexArray, sessions: int, start: int, stop: int, out: FloatArray) -> None:
    """METHODS §6 for pairs start to stop: sum of z_i z_j over the larger of the common days and two thirds of the window."""
    z, days, state, _ = room
    least = 2.0 * sessions / 3.0
    for p in range(start, stop):
        i, j = a[p], b[p]
        if state[i] == UNUSABLE or state[j] == UNUSABLE:
            out[p] = np.nan
            continue
        n = sessions if state[i] == COMPLETE and state[j] == COMPLETE else _common(days, i, j)
        out[p] = row_product(z, i, j) / max(float(n), least) if n > 0 else np.nan


@kernel
def pearson_pairs(room: Room, a: IndexArray, b: IndexArray, sessions: int, start: int, stop: int, out: FloatArray) -> None:
    """Ordinary correlation over the common days for pairs start to stop; NaN where these are fewer than half of the window."""
    z, days, state, noise = room
    both = np.zeros((3, z.shape[1]))
    for p in range(start, stop):
        i, j = a[p], b[p]
        if state[i] == UNUSABLE or state[j] == UNUSABLE:
            out[p] = np.nan
        elif state[i] == COMPLETE and state[j] == COMPLETE:
            out[p] = row_product(z, i, j) / sessions
        else:
            n = _common(days, i, j)
            if 2 * n >= sessions:
                _fill_common(z[i], z[j], days[i], days[j], sessions, both)
                out[p] = _on_common(both, n, noise[i], noise[j])
            else:
                out[p] = np.nan


@kernel
def _fill_common(x: FloatArray, y: FloatArray, x_days: BitArray, y_days: BitArray, sessions: int, both: FloatArray) -> None:
    """Rows of `both`: 1 on common days, and the two series there, else 0."""
    for w in range(x_days.size):
        _spread(x_days[w] & y_days[w], both[0, w * _WORD : min((w + 1) * _WORD, sessions)])
    _multiply(x, both[0], both[1])
    _multiply(y, both[0], both[2])


@kernel
def _spread(word: int, out: FloatArray) -> None:
    for t in range(out.size):
        out[t] = float(np.int64((word >> np.uint64(t)) & np.uint64(1)))


@kernel
def _multiply(x: FloatArray, days: FloatArray, out: FloatArray) -> None:
    for t in range(out.size):
        out[t] = x[t] * days[t]


@kernel
def _lower(out: FloatArray, mean: float, days: FloatArray) -> None:
    for t in range(out.size):
        out[t] -= mean * days[t]


@kernel
def _on_common(both: FloatArray, n: int, x_noise: float, y_noise: float) -> float:
    """Two passes: means, then centred products. A series is constant there if its spread is what rounding of its returns can leave."""
    _lower(both[1], row_product(both, 0, 1) / n, both[0])
    _lower(both[2], row_product(both, 0, 2) / n, both[0])
    xx, yy = row_product(both, 1, 1), row_product(both, 2, 2)
    if np.sqrt(xx / n) <= x_noise or np.sqrt(yy / n) <= y_noise:
        return np.nan
    return float(row_product(both, 1, 2) / np.sqrt(xx * yy))


@kernel
def common_days(days: BitArray, a: IndexArray, b: IndexArray, start: int, stop: int, out: IndexArray) -> None:
    """Number of sessions that both have, for pairs start to stop."""
    for p in range(start, stop):
        out[p] = _common(days, a[p], b[p])


@kernel
def _common(days: BitArray, i: int, j: int) -> int:
    """Bits that both have set, by sums of ever wider fields of a word."""
    total = np.int64(0)
    for w in range(days.shape[1]):
        x = days[i, w] & days[j, w]
        x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
        x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
        x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        total += np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return int(total)
