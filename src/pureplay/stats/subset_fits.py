"""One date of many bases: residuals of all of them from one Gram matrix, and their rank correlations with all horizons."""

from typing import Final

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that numba calls: loaded here, it can be held to one thread from the start

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.crosssection import Workspace, average_ranks, sort_finite
from pureplay.stats.jit import kernel
from pureplay.stats.least_squares import factorise, solve
from pureplay.stats.orthogonal import Int64Array

__all__ = ["correlate_ranks", "fit_subsets", "rank_future"]

_BITS: Final = 11
_BUCKETS: Final = 1 << _BITS
_MOVES: Final = 32  # moves a name beyond which the last stage of a sort would be slower than sorting afresh
_SOUND: Final = 1e-3  # smallest pivot, and share left, down to which rounding of the first solution (1e-16) stays below 1e-12 of a residual


@kernel
def fit_subsets(
    rows: FloatArray, target: int, gram: FloatArray, pick: Int64Array, residual: FloatArray, left: FloatArray, kept: Int64Array
) -> None:
    """Residuals of one row on many sets of the others.

    gram: products of the rows, which are centred. pick: (bases, columns) row that stands for each column, -1 = not in this base. Writes
    residual (bases, names), left (share of variance left) and kept (columns that are not redundant).
    """
    bases, total = pick.shape[0], gram[target, target]
    coefficients, again, smallest = np.zeros((bases, rows.shape[0])), np.zeros(rows.shape[0]), np.empty(bases)
    for b in range(bases):
        kept[b], smallest[b] = _solve_subset(gram, gram[target], pick[b], coefficients[b])
        coefficients[b, target] = 1.0
    np.dot(coefficients, rows, residual)
    for b in range(bases):
        left[b] = np.dot(residual[b], residual[b]) / total if total > 0.0 else 0.0
        if smallest[b] < _SOUND or left[b] < _SOUND:
            _solve_subset(gram, np.dot(rows, residual[b]), pick[b], again)
            residual[b] += np.dot(again, rows)
            left[b] = np.dot(residual[b], residual[b]) / total if total > 0.0 else 0.0


@kernel
def _solve_subset(gram: FloatArray, products: FloatArray, pick: Int64Array, negative: FloatArray) -> tuple[int, float]:
    """Write minus the coefficients, row by row of the Gram matrix; returns the columns kept and the smallest pivot."""
    held = pick[pick >= 0]
    size = held.size
    part, scale, right = np.empty((size, size)), np.empty(size), np.empty(size)
    for c in range(size):
        for d in range(size):
            part[c, d] = gram[held[c], held[d]]
        scale[c] = 1.0 / np.sqrt(part[c, c]) if part[c, c] > 0.0 else 0.0
        right[c] = products[held[c]] * scale[c]
    dropped = np.zeros(size, np.bool_)
    factor = factorise(part, scale, dropped)
    solve(factor, dropped, right)
    negative[:] = 0.0
    smallest = 1.0
    for c in range(size):
        negative[held[c]] = -right[c] * scale[c]
        smallest = min(smallest, factor[c, c] ** 2)
    return size - int(dropped.sum()), smallest


@kernel
def rank_future(
    values: FloatArray,
    order: IndexArray,
    count: Int64Array,
    index: IndexArray,
    ranks: FloatArray,
    square: FloatArray,
    has: BoolArray,
    number: Int64Array,
    same_as: Int64Array,
) -> None:
    """Centred ranks of one date's forward returns among the names of `index`, 0 where a name has none.

    values, order: (horizons, assets). Writes ranks and has (horizons, names), square (sum of squared ranks), number (names with a
    return) and same_as (first horizon whose returns exist for the same names).
    """
    keep, rank = np.zeros(values.shape[1], np.bool_), np.empty(values.shape[1])
    for h in range(values.shape[0]):
        for k in range(index.size):
            has[h, k] = keep[index[k]] = np.isfinite(values[h, index[k]])
        number[h] = average_ranks(values[h], order[h], count[h], keep, rank)
        mean = 0.5 * (number[h] + 1)
        for k in range(index.size):
            ranks[h, k] = rank[index[k]] - mean if has[h, k] else 0.0
        square[h] = np.dot(ranks[h], ranks[h])
        same_as[h] = 0
        while not np.array_equal(has[same_as[h]], has[h]):
            same_as[h] += 1


@kernel
def correlate_ranks(
    residual: FloatArray,
    ranks: FloatArray,
    square: FloatArray,
    has: BoolArray,
    number: Int64Array,
    same_as: Int64Array,
    order: IndexArray,
    ascending: FloatArray,
    own: FloatArray,
    scratch: Workspace,
    value: FloatArray,
) -> None:
    """Spearman correlation of a residual with each horizon. Products of centred ranks are multiples of ¼, so their sums are exact.

    order (2, names), ascending (2, names), own (names): room. ranks, square, has, number, same_as: as `rank_future` wrote them.
    """
    n = residual.size
    _sort_row(residual, order[0], ascending[0], scratch)
    for h in range(number.size):
        if same_as[h] != h:
            continue
        m, row = n, 0
        if number[h] < n:
            m, row = _keep_some(order, ascending, has[h]), 1
            own[:] = 0.0
        _centred_ranks(order[row, :m], ascending[row, :m], own)
        total = np.dot(own, own)
        for g in range(h, number.size):
            if same_as[g] == h:
                both = total * square[g]
                value[g] = np.dot(own, ranks[g]) / np.sqrt(both) if both > 0.0 else np.nan


@kernel
def _sort_row(values: FloatArray, order: IndexArray, ascending: FloatArray, scratch: Workspace) -> None:
    """Ascending order of finite values: two radix passes over the upper 22 bits of the float32, then moves between neighbours."""
    here, there, rounded, counts = scratch
    bits, n = rounded.view(np.uint32), values.size
    counts[:] = 0
    for i in range(n):
        rounded[i] = np.float32(values[i])
    for i in range(n):
        word = bits[i]
        word = ~word if word >> np.uint32(31) else word | np.uint32(0x80000000)
        here[i] = (np.uint64(word) << np.uint64(32)) | np.uint64(i)
        counts[(word >> np.uint32(10)) & np.uint32(_BUCKETS - 1)] += 1
        counts[_BUCKETS + (word >> np.uint32(10 + _BITS))] += 1
    for digit in range(2):
        place = 0
        for bucket in range(digit * _BUCKETS, (digit + 1) * _BUCKETS):
            held = counts[bucket]
            counts[bucket] = place
            place += held
        shift = np.uint64(42 + digit * _BITS)
        for k in range(n):
            slot = digit * _BUCKETS + np.int64((here[k] >> shift) & np.uint64(_BUCKETS - 1))
            there[counts[slot]] = here[k]
            counts[slot] += 1
        here, there = there, here
    for k in range(n):
        order[k] = np.int32(here[k] & np.uint64(0xFFFFFFFF))
        ascending[k] = values[order[k]]
    if not _order_neighbours(order, ascending):
        sort_finite(values, order, scratch)
        for k in range(n):
            ascending[k] = values[order[k]]


@kernel
def _order_neighbours(order: IndexArray, ascending: FloatArray) -> bool:
    """Finish what is nearly sorted; False where it is not (values crowd around a level far from 0)."""
    left = _MOVES * order.size
    for k in range(1, order.size):
        value, name, j = ascending[k], order[k], k
        while j > 0 and ascending[j - 1] > value:
            ascending[j], order[j] = ascending[j - 1], order[j - 1]
            j -= 1
        ascending[j], order[j] = value, name
        left -= k - j
        if left < 0:
            return False
    return True


@kernel
def _keep_some(order: IndexArray, ascending: FloatArray, keep: BoolArray) -> int:
    """Copy the entries of row 0 that are kept to row 1; returns their number."""
    m = 0
    for k in range(keep.size):
        order[1, m], ascending[1, m] = order[0, k], ascending[0, k]
        m += keep[order[0, k]]
    return m


@kernel
def _centred_ranks(order: IndexArray, ascending: FloatArray, ranks: FloatArray) -> None:
    """Ranks less their mean, ties averaged."""
    m, mean, ties = order.size, 0.5 * (order.size - 1), 0
    for k in range(m):
        ranks[order[k]] = k - mean
    for k in range(1, m):
        ties += ascending[k] == ascending[k - 1]
    first = 0
    while ties and first < m:
        last = first
        while last + 1 < m and ascending[last + 1] == ascending[first]:
            last += 1
        for k in range(first, last + 1):
            ranks[order[k]] = 0.5 * (first + last) - mean
        first = last + 1
