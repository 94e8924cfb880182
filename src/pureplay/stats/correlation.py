"""Co-movement of listed pairs over windows of sessions, METHODS §6.

Each stock is standardised over its own valid days of the window (mean and ddof-0 standard deviation), then a pair's figure is a sum of
products over the days that both have. It is one fixed order of additions for each pair: its bits depend on the returns of its two
stocks inside the window, and on nothing else that is in the call.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.given import is_whole_number
from pureplay.stats.jit import kernel
from pureplay.stats.pair_kernels import (
    GAPS,
    TILE,
    UNUSABLE,
    BitArray,
    Room,
    common_days,
    make_room,
    pearson_pairs,
    shrunk_pairs,
    standardise,
)

__all__ = ["PairCorrelations", "PairMeasure", "Window", "ledoit_wolf_shrinkage", "panel_correlations", "window", "windowed_correlations"]

PairMeasure = Literal["shrunk", "pearson"]
RowArray = npt.NDArray[np.int64]


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
    _room: Room = field(repr=False)

    def pairs(self, a: IndexArray, b: IndexArray) -> PairCorrelations:
        """The shrunk measure of `panel_correlations` for listed pairs of columns, with the same bits as there.

        rho is NaN where either stock is not usable or no day is common. Raises SettingError for a column that is not there.
        """
        left, right = _columns(a, b, self.z.shape[0])
        rho, overlap = np.empty(left.size), np.empty(left.size, dtype=np.int32)  # every entry is written

        def some(start: int, stop: int) -> None:
            shrunk_pairs(self._room, left, right, self.z.shape[1], start, stop, rho)
            common_days(self.bits, left, right, start, stop, overlap)

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
        if (self._room[2] == GAPS).any():
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
    room = make_room(assets, sessions)
    over_blocks(lambda start, stop: standardise(given, 0, sessions, room, start * TILE, min(stop * TILE, assets)), -(-assets // TILE))
    z, bits, state, _ = room
    return Window(z=np.ascontiguousarray(z[:, :sessions]), usable=state != UNUSABLE, bits=bits, _room=room)


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

    def some(start: int, stop: int) -> None:
        room = make_room(given.shape[1], sessions)
        _vintages(given, begins, bounds, left, right, sessions, measure == "pearson", room, start, stop, out)

    over_blocks(some, begins.size)
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


@kernel
def _vintages(
    returns: FloatArray,
    firsts: RowArray,
    starts: RowArray,
    a: IndexArray,
    b: IndexArray,
    sessions: int,
    pearson: bool,
    room: Room,
    start: int,
    stop: int,
    out: FloatArray,
) -> None:
    for v in range(start, stop):
        if firsts[v] < 0 or firsts[v] + sessions > returns.shape[0]:
            out[starts[v] : starts[v + 1]] = np.nan
            continue
        standardise(returns, firsts[v], sessions, room, 0, returns.shape[1])
        if pearson:
            pearson_pairs(room, a, b, sessions, starts[v], starts[v + 1], out)
        else:
            shrunk_pairs(room, a, b, sessions, starts[v], starts[v + 1], out)
