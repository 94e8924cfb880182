"""Columns turned to noise: the values of a date dealt out again among its names, by a rule that knows seed, column and date only.

Random numbers are counted, not drawn from a running generator (splitmix64; Steele, Lea & Flood 2014), so a permutation depends neither
on the blocks that dates are worked in nor on what comes later.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import IndexArray
from pureplay.stats.jit import kernel

__all__ = ["draw_last", "noise_order", "permutation", "shuffle"]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


def noise_order(seed: int, columns: int) -> IndexArray:
    """Order in which the columns of a base turn to noise under a seed: of count m, the first m have."""
    order = np.arange(columns, dtype=np.int32)
    shuffle(order, seed, -1, -1)
    return order


def permutation(seed: int, column: int, date: int, names: int) -> IndexArray:
    """Permutation p of the names of a date: name k of a noise column has the value of name p[k].

    names: how many take part, counted in the order of the asset axis. date: number of the session on the axis of the whole sample.
    """
    order = np.arange(names, dtype=np.int32)
    shuffle(order, seed, column, date)
    return order


@kernel
def _mix(word: np.uint64) -> np.uint64:
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@kernel
def draw_last(row: npt.NDArray[Any], count: int, seed: int, column: int, date: int) -> None:
    """The first `count` steps of `shuffle`: the last `count` entries become a random set of all, whatever the order before."""
    state = _mix(_mix(_mix(np.uint64(seed)) + np.uint64(column)) + np.uint64(date))
    for k in range(row.size - 1, row.size - 1 - count, -1):
        state += _GOLDEN
        j = np.int64(((_mix(state) >> np.uint64(32)) * np.uint64(k + 1)) >> np.uint64(32))
        held = row[k]
        row[k] = row[j]
        row[j] = held


@kernel
def shuffle(row: npt.NDArray[Any], seed: int, column: int, date: int) -> None:
    """Permute a row in place (Fisher-Yates); every order is equally likely but for 1 part in 2³² a name."""
    draw_last(row, row.size - 1, seed, column, date)
