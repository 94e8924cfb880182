"""Co-movement of listed pairs over windows of sessions, METHODS §6.

Each stock is standardised over its own valid days of the window (mean and ddof-0 standard deviation), then a pair's figure is a sum of
products over the days that both have. It is one fixed order of additions for each pair: its bits depend on the returns of its two
stocks inside the window, and on nothing else that is in the call.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.given import is_whole_number
from pureplay.stats.jit import kernel

__all__ = ["PairCorrelations", "PairMeasure", "Window", "ledoit_wolf_shrinkage", "panel_correlations", "window", "windowed_correlations"]

PairMeasure = Literal["shrunk", "pearson"]
RowArray = npt.NDArray[np.int64]
BitArray = npt.NDArray[np.uint64]
StateArray = npt.NDArray[np.int8]

_TILE: Final = 32  # assets standardised at a time: 90 sessions of them fit the first cache
_LANES: Final = 8  # sums that run beside each other, and numbers in a cache line
_WORD: Final = 64
_CONSTANT: Final = 1e-12  # sd over largest size at which a series is constant but for rounding
_UNUSABLE, _GAPS, _COMPLETE = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCorrelations:
    """Correlation of each pair asked for, NaN where it cannot be measured, and the number of days that both stocks have."""

    rho: FloatArray
    overlap: IndexArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Standardised returns of one window, one row an asset, and what they can be used for.

    z: (assets, sessions), 0 on days without a return and everywhere for a stock that is not usable. usable: at least half of the
    sessions valid, and not constant. bits: (assets, words), bit t % 64 of word t // 64 is set where session t of the window is valid,
    usable or not.
    """

    z: FloatArray
    usable: BoolArray
    bits: BitArray
    _state: StateArray = field(repr=False)

    def pairs(self, a: IndexArray, b: IndexArray) -> PairCorrelations:
        """The shrunk measure of `panel_correlations` for listed pairs of columns, with the same bits as there.

        rho is NaN where either stock is not usable or no day is common. Raises SettingError for a column that is not there.
        """
        left, right = _columns(a, b, self.z.shape[0])
        rho, overlap = np.empty(left.size), np.empty(left.size, dtype=np.int32)  # every entry is written

        def some(start: int, stop: int) -> None:
            _shrunk_pairs(self.z, self.bits, self._state, left, right, self.z.shape[1], start, stop, rho)
            _overlaps(self.bits, left, right, start, stop, overlap)

        over_blocks(some, left.size)
        return PairCorrelations(rho=rho, overlap=overlap)

    def rows(self, assets: npt.NDArray[np.integer]) -> FloatArray:
        """The shrunk measure of each asset asked for with every asset, (asked, all), itself included.

        By matrix product, which adds in another order: figures differ from those of `pairs` by some 1e-15, at most 1e-12, and their
        last bits may depend on the number of BLAS threads. NaN where either is not usable or no day is common.
        """
        asked, _ = _columns(assets, assets, self.z.shape[0])
        sessions = self.z.shape[1]
        out = self.z[asked] @ self.z.T
        if (self._state == _GAPS).any():
            valid = self._valid()
            overlap = (valid[asked] @ valid.T).astype(np.float64)  # whole numbers below 2**24: exact
            out /= np.maximum(overlap, 2.0 * sessions / 3.0)
            out[overlap == 0] = np.nan
        else:
            out /= sessions
        out[~self.usable[asked]] = np.nan
        out[:, ~self.usable] = np.nan
        return out

    def _valid(self) -> npt.NDArray[np.float32]:
        octets = self.bits.astype("<u8").view(np.uint8)
        return np.unpackbits(octets, axis=1, count=self.z.shape[1], bitorder="little").astype(np.float32)


def window(returns: FloatArray, *, first: int, last: int) -> Window:
    """Standardise rows [first, last) of a (sessions, assets) block of returns, NaN = did not trade.

    A series whose standard deviation is at most 1e-12 of its largest absolute value is constant: rounding alone leaves that much.
    Raises SettingError where the rows are not those of the block or fewer than 2.
    """
    if not 0 <= first < last <= returns.shape[0]:
        raise SettingError(f"the window is rows {first} to {last} of a block of {returns.shape[0]} rows: it must lie inside the block")
    sessions, assets = _require_sessions(last - first), returns.shape[1]
    given = np.ascontiguousarray(returns[first:last], dtype=np.float64)
    z, bits, state, noise = _room(assets, sessions, sessions)
    over_blocks(
        lambda start, stop: _standardise(given, 0, sessions, start * _TILE, min(stop * _TILE, assets), z, bits, state, noise),
        -(-assets // _TILE),
    )
    return Window(z=z, usable=state != _UNUSABLE, bits=bits, _state=state)


def panel_correlations(
    returns: FloatArray,
    rows: RowArray,
    starts: RowArray,
    a: IndexArray,
    b: IndexArray,
    *,
    sessions: int,
    measure: PairMeasure = "shrunk",
) -> FloatArray:
    """Correlation of each pair of each vintage over the `sessions` rows that end with the vintage's own, METHODS §6.

    returns: block (sessions, assets), NaN = did not trade. rows: row of each vintage. starts: vintage v holds the entries
    starts[v]:starts[v + 1] of the columns a and b, as in `PairPanel`. measure: "shrunk", the sum over common days of the products of
    z-scores, over the larger of the number of common days and two thirds of the window; it can pass 1 where the common days are the
    loud part of both windows, and is not clipped. "pearson", the ordinary correlation over the common days.

    NaN where a stock has returns on fewer than half of the rows or a constant return (see `window`), where no day is common, with
    "pearson" also where fewer than half of the rows are common or either is constant over them, and for every pair of a vintage whose
    window begins before the data. Raises SettingError for arrays that do not fit each other.
    """
    return windowed_correlations(returns, _rows(rows) - (sessions - 1), starts, a, b, sessions=sessions, measure=measure)


def windowed_correlations(
    returns: FloatArray,
    firsts: RowArray,
    starts: RowArray,
    a: IndexArray,
    b: IndexArray,
    *,
    sessions: int,
    measure: PairMeasure = "shrunk",
) -> FloatArray:
    """As `panel_correlations`, over the rows firsts[v] .. firsts[v] + sessions - 1; NaN where these pass either end of the block."""
    _require_sessions(sessions)
    if measure not in get_args(PairMeasure):
        raise SettingError(f"measure must be one of {', '.join(get_args(PairMeasure))}, not {measure!r}")
    given = np.ascontiguousarray(returns, dtype=np.float64)
    left, right = _columns(a, b, given.shape[1])
    begins, bounds = _rows(firsts), _bounds(starts, len(firsts), left.size)
    out = np.empty(left.size)  # every entry is written
    over_blocks(
        lambda start, stop: _vintages(
            given,
            begins,
            bounds,
            left,
            right,
            sessions,
            measure == "pearson",
            _room(given.shape[1], sessions, _padded(sessions)),
            start,
            stop,
            out,
        ),
        begins.size,
    )
    return out


def ledoit_wolf_shrinkage(z: FloatArray) -> float:
    """Weight on the scaled identity that is best for the covariance of these names, in [0, 1] (Ledoit & Wolf 2004, lemma 3.2 ff.).

    z: (names, days), complete; the mean of each name over its days is taken off. Works on the smaller of the two Gram matrices.
    Raises InsufficientDataError for fewer than 2 days or no name, SettingError where a number is missing.
    """
    if z.ndim != 2 or z.shape[0] < 1 or z.shape[1] < 2:
        raise InsufficientDataError(f"shrinkage needs at least 1 name and 2 days, not an array of shape {z.shape}: give (names, days)")
    if not np.isfinite(z).all():
        raise SettingError(f"shrinkage needs complete series; {int((~np.isfinite(z)).sum())} numbers are missing: leave those names out")
    names, days = z.shape
    x = z - z.mean(axis=1, keepdims=True)
    gram = x.T @ x if days <= names else x @ x.T
    size = float((gram * gram).sum()) / days**2  # squared Frobenius norm of the sample covariance
    level = float((x * x).sum()) / (days * names)  # mean variance
    distance = size / names - level * level
    error = (float((np.einsum("it,it->t", x, x) ** 2).sum()) / days - size) / (days * names)
    error = min(error, distance)
    return error / distance if error > 0.0 and names > 1 else 0.0


def _require_sessions(sessions: int) -> int:
    if not is_whole_number(sessions, 2):
        raise SettingError(f"a window must have a whole number of at least 2 sessions, not {sessions!r}")
    return sessions


def _rows(rows: RowArray) -> RowArray:
    return np.ascontiguousarray(rows, dtype=np.int64)


def _columns(a: npt.NDArray[np.integer], b: npt.NDArray[np.integer], assets: int) -> tuple[IndexArray, IndexArray]:
    """Both columns as the kernels take them: they do not look whether an index is inside."""
    if a.ndim != 1 or a.shape != b.shape:
        raise SettingError(f"a and b must be two lists of one length, not of shapes {a.shape} and {b.shape}")
    for name, values in (("a", a), ("b", b)):
        if values.size and not (values.min() >= 0 and values.max() < assets):
            raise SettingError(f"{name} holds columns {values.min()} to {values.max()}; those of the block are 0 to {assets - 1}")
    return np.ascontiguousarray(a, dtype=np.int32), np.ascontiguousarray(b, dtype=np.int32)


def _bounds(starts: RowArray, vintages: int, pairs: int) -> RowArray:
    bounds = _rows(starts)
    if bounds.size != vintages + 1 or bounds[0] != 0 or bounds[-1] != pairs or (np.diff(bounds) < 0).any():
        raise SettingError(
            f"starts must rise from 0 to the number of pairs ({pairs}) in {vintages + 1} steps, one more than vintages; "
            f"it has {bounds.size} entries"
        )
    return bounds


def _padded(sessions: int) -> int:
    """Row length at which each asset begins a cache line; the zeros at the end change no sum."""
    return -(-sessions // _LANES) * _LANES


def _room(assets: int, sessions: int, length: int) -> tuple[FloatArray, BitArray, StateArray, FloatArray]:
    words = -(-sessions // _WORD)
    spare = np.empty(assets * length + _LANES)
    skip = -(spare.ctypes.data // 8) % _LANES  # from a multiple of 64 bytes on
    z = spare[skip : skip + assets * length].reshape(assets, length)
    return z, np.empty((assets, words), dtype=np.uint64), np.empty(assets, dtype=np.int8), np.empty(assets)


@kernel
def _vintages(
    returns: FloatArray,
    firsts: RowArray,
    starts: RowArray,
    a: IndexArray,
    b: IndexArray,
    sessions: int,
    pearson: bool,
    room: tuple[FloatArray, BitArray, StateArray, FloatArray],
    start: int,
    stop: int,
    out: FloatArray,
) -> None:
    z, bits, state, noise = room
    for v in range(start, stop):
        if firsts[v] < 0 or firsts[v] + sessions > returns.shape[0]:
            out[starts[v] : starts[v + 1]] = np.nan
            continue
        _standardise(returns, firsts[v], sessions, 0, returns.shape[1], z, bits, state, noise)
        if pearson:
            _pearson_pairs(z, bits, state, noise, a, b, sessions, starts[v], starts[v + 1], out)
        else:
            _shrunk_pairs(z, bits, state, a, b, sessions, starts[v], starts[v + 1], out)


@kernel
def _standardise(
    returns: FloatArray,
    first: int,
    sessions: int,
    start: int,
    stop: int,
    z: FloatArray,
    bits: BitArray,
    state: StateArray,
    noise: FloatArray,
) -> None:
    """Fill the rows of assets start to stop: z-scores, days, state, and the sd in z-scores that rounding alone can leave."""
    tile, square = np.zeros((sessions, _TILE)), np.empty(_TILE)
    total, count, peak, days = np.empty(_TILE), np.empty(_TILE), np.empty(_TILE), np.empty((bits.shape[1], _TILE), np.uint64)
    for left in range(start, stop, _TILE):
        right = min(left + _TILE, stop)
        total[:], count[:], peak[:], square[:], days[:] = 0.0, 0.0, 0.0, 0.0, 0
        for t in range(sessions):
            _take_day(returns[first + t, left:right], t % _WORD, tile[t], total, count, peak, days[t // _WORD])
        total /= np.maximum(count, 1.0)
        for t in range(sessions):
            _centre_day(tile[t], total, square)
        for k in range(right - left):
            sd = np.sqrt(square[k] / max(count[k], 1.0))
            usable = 2.0 * count[k] >= sessions and sd > _CONSTANT * peak[k]
            state[left + k] = _UNUSABLE if not usable else (_COMPLETE if count[k] == sessions else _GAPS)
            noise[left + k] = _CONSTANT * peak[k] / sd if usable else 0.0
            scale = 1.0 / sd if usable else 0.0
            for t in range(sessions):
                z[left + k, t] = tile[t, k] * scale
            for t in range(sessions, z.shape[1]):
                z[left + k, t] = 0.0
            for w in range(bits.shape[1]):
                bits[left + k, w] = days[w, k]


@kernel
def _take_day(
    values: FloatArray, bit: int, day: FloatArray, total: FloatArray, count: FloatArray, peak: FloatArray, days: BitArray
) -> None:
    for k in range(values.size):
        x = values[k]
        valid = x - x == 0.0  # finite
        day[k] = x if valid else np.nan
        total[k] += x if valid else 0.0
        count[k] += 1.0 if valid else 0.0
        size = abs(x) if valid else 0.0
        peak[k] = size if size > peak[k] else peak[k]
        days[k] |= np.uint64(1 if valid else 0) << np.uint64(bit)


@kernel
def _centre_day(day: FloatArray, mean: FloatArray, square: FloatArray) -> None:
    for k in range(_TILE):
        gap = day[k] - mean[k]
        gap = gap if gap == gap else 0.0
        day[k] = gap
        square[k] += gap * gap


@kernel
def _shrunk_pairs(
    z: FloatArray, bits: BitArray, state: StateArray, a: IndexArray, b: IndexArray, sessions: int, start: int, stop: int, out: FloatArray
) -> None:
    least = 2.0 * sessions / 3.0
    for p in range(start, stop):
        i, j = a[p], b[p]
        if state[i] == _UNUSABLE or state[j] == _UNUSABLE:
            out[p] = np.nan
            continue
        n = sessions if state[i] == _COMPLETE and state[j] == _COMPLETE else _common_days(bits, i, j)
        out[p] = _product(z, i, j) / max(float(n), least) if n > 0 else np.nan


@kernel
def _pearson_pairs(
    z: FloatArray,
    bits: BitArray,
    state: StateArray,
    noise: FloatArray,
    a: IndexArray,
    b: IndexArray,
    sessions: int,
    start: int,
    stop: int,
    out: FloatArray,
) -> None:
    both = np.zeros((3, z.shape[1]))
    for p in range(start, stop):
        i, j = a[p], b[p]
        if state[i] == _UNUSABLE or state[j] == _UNUSABLE:
            out[p] = np.nan
        elif state[i] == _COMPLETE and state[j] == _COMPLETE:
            out[p] = _product(z, i, j) / sessions
        else:
            n = _common_days(bits, i, j)
            out[p] = _on_overlap(z, bits, noise, i, j, sessions, n, both) if 2 * n >= sessions else np.nan


@kernel
def _on_overlap(z: FloatArray, bits: BitArray, noise: FloatArray, i: int, j: int, sessions: int, n: int, both: FloatArray) -> float:
    """Ordinary correlation over the common days, in two passes; rows of `both`: the two series, 0 elsewhere, and the days."""
    for t in range(sessions):
        word = (bits[i, t // _WORD] & bits[j, t // _WORD]) >> np.uint64(t % _WORD)
        day = float(word & np.uint64(1))
        both[0, t], both[1, t], both[2, t] = z[i, t] * day, z[j, t] * day, day
    left, right = _product(both, 0, 2) / n, _product(both, 1, 2) / n
    for t in range(sessions):
        both[0, t] -= left * both[2, t]
        both[1, t] -= right * both[2, t]
    x, y = _product(both, 0, 0), _product(both, 1, 1)
    if np.sqrt(x / n) <= noise[i] or np.sqrt(y / n) <= noise[j]:
        return np.nan
    return _product(both, 0, 1) / np.sqrt(x * y)


@kernel
def _overlaps(bits: BitArray, a: IndexArray, b: IndexArray, start: int, stop: int, out: IndexArray) -> None:
    for p in range(start, stop):
        out[p] = _common_days(bits, a[p], b[p])


@kernel
def _common_days(bits: BitArray, i: int, j: int) -> int:
    """Number of bits that both have set, by sums of ever wider fields of a word."""
    total = 0
    for w in range(bits.shape[1]):
        x = bits[i, w] & bits[j, w]
        x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
        x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
        x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        total += np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return total


@kernel
def _product(z: FloatArray, i: int, j: int) -> float:
    """Sum of the products of two rows: eight sums side by side, which the processor adds at once, joined at the end."""
    s0, s1, s2, s3, s4, s5, s6, s7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    length = z.shape[1]
    whole = length // _LANES * _LANES
    for t in range(0, whole, _LANES):
        s0 += z[i, t] * z[j, t]
        s1 += z[i, t + 1] * z[j, t + 1]
        s2 += z[i, t + 2] * z[j, t + 2]
        s3 += z[i, t + 3] * z[j, t + 3]
        s4 += z[i, t + 4] * z[j, t + 4]
        s5 += z[i, t + 5] * z[j, t + 5]
        s6 += z[i, t + 6] * z[j, t + 6]
        s7 += z[i, t + 7] * z[j, t + 7]
    if whole < length:  # what is left, as if the row went on with zeros
        s0 += _at(z, i, j, whole)
        s1 += _at(z, i, j, whole + 1)
        s2 += _at(z, i, j, whole + 2)
        s3 += _at(z, i, j, whole + 3)
        s4 += _at(z, i, j, whole + 4)
        s5 += _at(z, i, j, whole + 5)
        s6 += _at(z, i, j, whole + 6)
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


@kernel
def _at(z: FloatArray, i: int, j: int, t: int) -> float:
    return z[i, t] * z[j, t] if t < z.shape[1] else 0.0
