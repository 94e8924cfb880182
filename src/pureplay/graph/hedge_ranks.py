"""Ranking within every focal stock's candidates, all stocks at once."""

import numpy as np
import numpy.typing as npt

from pureplay.panel import FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["average_ranks", "best_first", "run_starts"]

Int64Array = npt.NDArray[np.int64]


def run_starts(place: Int64Array) -> Int64Array:
    """Where each run of equal, ascending places starts, and the end of the last."""
    return np.flatnonzero(np.diff(place, prepend=-1, append=-1)) if place.size else np.zeros(1, dtype=np.int64)


def average_ranks(values: FloatArray, starts: Int64Array) -> FloatArray:
    """Rank of each value within its run, 1 the smallest; equals share their mean rank. values: finite."""
    out = np.empty(values.size)
    over_blocks(lambda start, stop: _ranks(values, starts, out, start, stop), starts.size - 1)
    return out


def best_first(place: Int64Array, peer: Int64Array, score: FloatArray, starts: Int64Array, *, size: int, most: int) -> IndexArray:
    """Peers of each place by descending score, (size, most), -1 behind the last; equals keep their order, NaN is left out."""
    out = np.full((size, most), -1, dtype=np.int32)
    over_blocks(lambda start, stop: _best(place, peer, score, starts, out, start, stop), starts.size - 1)
    return out


@kernel
def _ranks(values: FloatArray, starts: Int64Array, out: FloatArray, start: int, stop: int) -> None:
    for run in range(start, stop):
        first, last = starts[run], starts[run + 1]
        order = np.argsort(values[first:last], kind="mergesort")
        i = 0
        while i < order.size:
            j = i + 1
            while j < order.size and values[first + order[j]] == values[first + order[i]]:
                j += 1
            for k in range(i, j):
                out[first + order[k]] = 0.5 * (i + 1 + j)
            i = j


@kernel
def _best(place: Int64Array, peer: Int64Array, score: FloatArray, starts: Int64Array, out: IndexArray, start: int, stop: int) -> None:
    for run in range(start, stop):
        first, last = starts[run], starts[run + 1]
        known = np.empty(last - first, np.int64)
        n = 0
        for k in range(first, last):
            if np.isfinite(score[k]):
                known[n] = k
                n += 1
        order = np.argsort(-score[known[:n]], kind="mergesort")
        for rank in range(min(n, out.shape[1])):
            out[place[first], rank] = peer[known[order[rank]]]
