"""Random pairs to hold the pairs of the news against: as large, from the same industries, but not named together."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.graph.arrays import RandomPairs
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.jit import kernel

__all__ = ["random_pairs", "size_deciles"]

Int64Array = npt.NDArray[np.int64]
_DECILES: Final = 10


def size_deciles(size: FloatArray, eligible: BoolArray) -> IndexArray:
    """Decile of each asset's size among the eligible ones: 0 the smallest to 9 the largest, -1 where not eligible or size unknown.

    The decile is floor(10 · number of smaller ones / number of eligible ones), so equal sizes share a decile.
    """
    there = np.flatnonzero(eligible & np.isfinite(size))
    out = np.full(size.size, -1, dtype=np.int32)
    smaller = np.searchsorted(np.sort(size[there]), size[there], side="left")
    out[there] = smaller * _DECILES // max(there.size, 1)
    return out


def random_pairs(
    a: IndexArray,
    b: IndexArray,
    *,
    excluded_a: IndexArray,
    excluded_b: IndexArray,
    size: FloatArray,
    industry: IndexArray,
    eligible: BoolArray,
    rng: np.random.Generator,
) -> RandomPairs:
    """As many pairs as given, each from the cell of its given pair, without replacement and none of them excluded.

    a, b: columns of the pairs given. size, industry, eligible: one entry an asset at the vintage; industry -1 (none) is a group of its
    own. A name that is not eligible, or whose size is unknown, is never drawn, and a given pair with such a name counts in `short`.
    A cell is the unordered pair of the (size decile, industry) labels of two names; within it every candidate is as likely as any other.

    All cells draw first within themselves. Cells that had too few candidates then draw, in order of industries and deciles, from the
    deciles up to one away on either side (same industries), then up to two away, and so on up to all; what is left is `short`.
    Given pairs that are not excluded may be drawn. The draw depends on the order of the eligible names, not on their columns, and on no
    other names; `rng` moves on by one number for each given pair of eligible names.
    """
    names = _arrange(size, industry, eligible)
    one, two = names.positions(a, b)
    width = names.starts.size - 1
    cells, wanted = np.unique(names.label[one] * width + names.label[two], return_counts=True)
    first, second = cells // max(width, 1), cells % max(width, 1)
    taken = np.zeros((names.column.size, names.column.size), dtype=np.bool_)
    taken[names.positions(excluded_a, excluded_b)] = True
    chance = rng.random(one.size)
    drawn = np.empty((one.size, 2), dtype=np.int64)
    narrow = done = _draw(first, second, wanted, names.starts, 0, taken, chance, drawn, 0)
    for away in range(1, _DECILES):
        if done == one.size:
            break
        done = _draw(first, second, wanted, names.starts, away, taken, chance, drawn, done)
    pairs = np.sort(names.column[drawn[:done]], axis=1).astype(np.int32)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return RandomPairs(
        a=np.ascontiguousarray(pairs[:, 0]), b=np.ascontiguousarray(pairs[:, 1]), widened=done - narrow, short=int(a.size) - done
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Eligible names by industry, decile and order, so that neighbouring deciles of an industry lie side by side.

    column: asset of each position. position: of each asset, -1 where it has none. label: 10 · industry + decile of each position, the
    industries numbered as they come. starts: first position of each label.
    """

    column: Int64Array
    position: Int64Array
    label: Int64Array
    starts: Int64Array

    def positions(self, a: IndexArray, b: IndexArray) -> tuple[Int64Array, Int64Array]:
        """Positions of the pairs of which both names have one, the lower first."""
        one, two = self.position[a], self.position[b]
        both = (one >= 0) & (two >= 0)
        return np.minimum(one, two)[both], np.maximum(one, two)[both]


def _arrange(size: FloatArray, industry: IndexArray, eligible: BoolArray) -> _Names:
    decile = size_deciles(size, eligible)
    there = np.flatnonzero(decile >= 0)
    industries, group = np.unique(industry[there], return_inverse=True)
    label = group.astype(np.int64) * _DECILES + decile[there]
    order = np.argsort(label, kind="stable")
    position = np.full(size.size, -1, dtype=np.int64)
    position[there[order]] = np.arange(there.size)
    starts = np.searchsorted(label[order], np.arange(industries.size * _DECILES + 1))
    return _Names(column=there[order], position=position, label=label[order], starts=starts.astype(np.int64))


@kernel
def _draw(
    first: Int64Array,
    second: Int64Array,
    wanted: Int64Array,
    starts: Int64Array,
    away: int,
    taken: BoolArray,
    chance: FloatArray,
    drawn: Int64Array,
    done: int,
) -> int:
    """Draw for each cell (first <= second) up to `wanted` of its free pairs, deciles up to `away` off; returns how many are drawn by now.

    Draws go to drawn[done:] and are marked in `taken` (upper triangle) and taken off `wanted`; the n-th draw uses chance[n].
    """
    size = taken.shape[0]
    free = np.empty(1024, np.int64)
    for cell in range(first.size):
        if wanted[cell] == 0:
            continue
        low, high = first[cell] % _DECILES, second[cell] % _DECILES
        start, stop = starts[first[cell] - min(away, low)], starts[first[cell] + 1 + min(away, _DECILES - 1 - low)]
        left, right = starts[second[cell] - min(away, high)], starts[second[cell] + 1 + min(away, _DECILES - 1 - high)]
        found = 0
        # ranges that overlap begin and end in the order of their cells, so i < j meets each unordered pair once and misses none
        for i in range(start, stop):
            for j in range(max(i + 1, left), right):
                if not taken[i, j]:
                    if found == free.size:
                        free = np.concatenate((free, np.empty(free.size, np.int64)))
                    free[found] = i * size + j
                    found += 1
        take = min(wanted[cell], found)
        for k in range(take):
            pick = k + int(chance[done] * (found - k))
            free[k], free[pick] = free[pick], free[k]
            i, j = free[k] // size, free[k] % size
            drawn[done, 0], drawn[done, 1] = i, j
            taken[i, j] = True
            done += 1
        wanted[cell] -= take
    return done
