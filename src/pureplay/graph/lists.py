"""Short lists of whole numbers, one for each firm, and the kernels that compare them: what all four lamps come down to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["Lists", "deepest_common", "dot_products", "expand", "lists_of", "meeting_pairs", "meets", "overlapping_pairs"]

Int64Array = npt.NDArray[np.int64]
Entries = tuple[Int64Array, Int64Array, FloatArray]
Work = Callable[[Int64Array, bool], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """Firm i has keys[starts[i]:starts[i + 1]], ascending, each with a value. Keys are smaller than `width`."""

    starts: Int64Array
    keys: Int64Array
    values: FloatArray
    width: int

    @property
    def firm(self) -> Int64Array:
        """Firm of every entry."""
        return np.repeat(np.arange(self.starts.size - 1, dtype=np.int64), np.diff(self.starts))

    def where(self, keep: BoolArray) -> "Lists":
        """The entries that are kept."""
        return lists_of(self.firm[keep], self.keys[keep], self.values[keep], firms=self.starts.size - 1, width=self.width)

    def turned(self, keep: BoolArray) -> "Lists":
        """For every key the kept firms that have it, ascending, with their values."""
        kept = keep[self.firm]
        order = np.argsort(self.keys[kept], kind="stable")
        firm, value = self.firm[kept][order], self.values[kept][order]
        return lists_of(self.keys[kept][order], firm, value, firms=self.width, width=self.starts.size - 1)


def lists_of(firm: Int64Array, keys: Int64Array, values: FloatArray, *, firms: int, width: int) -> Lists:
    """Lists of entries that stand in order of firm, then key."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(firm, minlength=firms))]).astype(np.int64)
    return Lists(starts=starts, keys=keys.astype(np.int64), values=values.astype(np.float64), width=width)


def expand(starts: Int64Array, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Entries of the lists `rows`, one list after another, and for each entry its place in `rows`."""
    counts = starts[rows + 1] - starts[rows]
    place = np.repeat(np.arange(rows.size, dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    return starts[rows][place] + np.arange(place.size, dtype=np.int64) - before[place], place


def deepest_common(lists: Lists, a: IndexArray, b: IndexArray) -> IndexArray:
    """Largest value of a key that both firms of each pair have, 0 where they share none."""
    out = np.zeros(a.size, dtype=np.int32)
    over_blocks(lambda start, stop: _deepest(lists.starts, lists.keys, lists.values, lists.width, a, b, out, start, stop), a.size)
    return out


def meets(left: Lists, right: Lists, a: IndexArray, b: IndexArray) -> BoolArray:
    """Whether a key of a's left list is in b's right list."""
    out = np.zeros(a.size, dtype=np.bool_)

    def work(start: int, stop: int) -> None:
        _meets(left.starts, left.keys, right.starts, right.keys, left.width, a, b, out, start, stop)

    over_blocks(work, a.size)
    return out


def dot_products(lists: Lists, a: IndexArray, b: IndexArray) -> FloatArray:
    """Sum over the keys that both firms have, in ascending order, of the product of their values."""
    out = np.zeros(a.size)
    over_blocks(lambda start, stop: _dots(lists.starts, lists.keys, lists.values, lists.width, a, b, out, start, stop), a.size)
    return out


def meeting_pairs(left: Lists, right: Lists, eligible: BoolArray) -> tuple[Int64Array, Int64Array]:
    """Pairs a < b of eligible firms of which a's left list meets b's right list, sorted, without looking at every pair."""
    firms = np.flatnonzero(eligible)
    holders = right.turned(eligible)
    counts = np.zeros(firms.size + 1, dtype=np.int64)
    none = np.empty(0, dtype=np.int64)

    def work(out: Int64Array, fill: bool) -> None:
        def block(start: int, stop: int) -> None:
            _partners(firms, left.starts, left.keys, holders.starts, holders.keys, eligible.size, counts, out, fill, start, stop)

        over_blocks(block, firms.size)

    return _twice(work, counts, firms, none)


def overlapping_pairs(lists: Lists, norms: FloatArray, least: float, eligible: BoolArray) -> tuple[Int64Array, Int64Array]:
    """Pairs a < b of eligible firms with a dot product above 0 and at least `least` x norm x norm, sorted."""
    firms = np.flatnonzero(eligible)
    holders = lists.turned(eligible)
    counts = np.zeros(firms.size + 1, dtype=np.int64)
    none = np.empty(0, dtype=np.int64)

    def work(out: Int64Array, fill: bool) -> None:
        def block(start: int, stop: int) -> None:
            own, other = (lists.starts, lists.keys, lists.values), (holders.starts, holders.keys, holders.values)
            _alike(firms, own, other, norms, least, counts, out, fill, start, stop)

        over_blocks(block, firms.size)

    return _twice(work, counts, firms, none)


def _twice(work: Work, counts: Int64Array, firms: Int64Array, none: Int64Array) -> tuple[Int64Array, Int64Array]:
    """First count the partners of every firm, then write them where they belong."""
    work(none, False)
    out = np.empty(int(counts.sum()), dtype=np.int64)
    found = counts[1:].copy()
    np.cumsum(counts, out=counts)
    work(out, True)
    return np.repeat(firms, found), out


@kernel
def _deepest(
    starts: Int64Array,
    keys: Int64Array,
    values: FloatArray,
    width: int,
    a: IndexArray,
    b: IndexArray,
    out: IndexArray,
    start: int,
    stop: int,
) -> None:
    mark = np.full(width, -1, np.int64)
    last = -1
    for p in range(start, stop):
        if p == start or a[p] != a[p - 1]:
            last = p
            for k in range(starts[a[p]], starts[a[p] + 1]):
                mark[keys[k]] = p
        best = 0.0
        for k in range(starts[b[p]], starts[b[p] + 1]):
            if mark[keys[k]] == last and values[k] > best:
                best = values[k]
        out[p] = np.int32(best)


@kernel
def _meets(
    left_starts: Int64Array,
    left: Int64Array,
    right_starts: Int64Array,
    right: Int64Array,
    width: int,
    a: IndexArray,
    b: IndexArray,
    out: BoolArray,
    start: int,
    stop: int,
) -> None:
    mark = np.full(width, -1, np.int64)
    last = -1
    for p in range(start, stop):
        if p == start or a[p] != a[p - 1]:
            last = p
            for k in range(left_starts[a[p]], left_starts[a[p] + 1]):
                mark[left[k]] = p
        for k in range(right_starts[b[p]], right_starts[b[p] + 1]):
            if mark[right[k]] == last:
                out[p] = True
                break


@kernel
def _dots(
    starts: Int64Array,
    keys: Int64Array,
    values: FloatArray,
    width: int,
    a: IndexArray,
    b: IndexArray,
    out: FloatArray,
    start: int,
    stop: int,
) -> None:
    mark = np.full(width, -1, np.int64)
    last = -1
    for p in range(start, stop):
        if p == start or a[p] != a[p - 1]:
            last = p
            for k in range(starts[a[p]], starts[a[p] + 1]):
                mark[keys[k]] = p
        own = starts[a[p]]
        total = 0.0
        for k in range(starts[b[p]], starts[b[p] + 1]):
            if mark[keys[k]] == last:
                while keys[own] < keys[k]:
                    own += 1
                total += values[own] * values[k]
        out[p] = total


@kernel
def _partners(
    firms: Int64Array,
    starts: Int64Array,
    keys: Int64Array,
    holder_starts: Int64Array,
    holders: Int64Array,
    assets: int,
    counts: Int64Array,
    out: Int64Array,
    fill: bool,
    start: int,
    stop: int,
) -> None:
    mark = np.full(assets, -1, np.int64)
    found = np.empty(assets, np.int64)
    for place in range(start, stop):
        i = firms[place]
        n = 0
        for k in range(starts[i], starts[i + 1]):
            for h in range(holder_starts[keys[k] + 1] - 1, holder_starts[keys[k]] - 1, -1):
                j = holders[h]
                if j <= i:
                    break
                if mark[j] != i:
                    mark[j] = i
                    found[n] = j
                    n += 1
        if fill:
            out[counts[place] : counts[place] + n] = np.sort(found[:n])
        else:
            counts[place + 1] = n


@kernel
def _alike(
    firms: Int64Array,
    own: Entries,
    other: Entries,
    norms: FloatArray,
    least: float,
    counts: Int64Array,
    out: Int64Array,
    fill: bool,
    start: int,
    stop: int,
) -> None:
    starts, keys, values = own
    holder_starts, holders, shares = other
    total = np.zeros(norms.size)
    found = np.empty(norms.size, np.int64)
    for place in range(start, stop):
        i = firms[place]
        n = 0
        for k in range(starts[i], starts[i + 1]):
            for h in range(holder_starts[keys[k] + 1] - 1, holder_starts[keys[k]] - 1, -1):
                j = holders[h]
                if j <= i:
                    break
                if total[j] == 0.0:
                    found[n] = j
                    n += 1
                total[j] += values[k] * shares[h]
        kept = 0
        for m in range(n):
            j = found[m]
            if total[j] >= least * (norms[i] * norms[j]):
                found[kept] = j
                kept += 1
            total[j] = 0.0
        if fill:
            out[counts[place] : counts[place] + kept] = np.sort(found[:kept])
        else:
            counts[place + 1] = kept
