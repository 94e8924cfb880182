"""One date of many bases: residuals of all of them from one Gram matrix, and their rank correlations with all horizons."""

from typing import Final

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that numba calls: loaded here, it can be held to one thread from the start

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.crosssection import Workspace, average_ranks, sort_finite
from pureplay.stats.jit import kernel
from pureplay.stats.orthogonal import Int64Array, factorise, solve

__all__ = ["correlate_ranks", "fit_subsets", "rank_future"]

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
    has: BoolArray,
    number: Int64Array,
    same_as: Int64Array,
) -> None:
    """Centred ranks of one date's forward returns among the names of `index`, 0 where a name has none.

    values, order: (horizons, assets). Writes ranks, has (horizons, names), number (names with a return) and same_as (first horizon whose
    returns exist for the same names).
    """
    keep, rank = np.zeros(values.shape[1], np.bool_), np.empty(values.shape[1])
    for h in range(values.shape[0]):
        for k in range(index.size):
            has[h, k] = keep[index[k]] = np.isfinite(values[h, index[k]])
        number[h] = average_ranks(values[h], order[h], count[h], keep, rank)
        mean = 0.5 * (number[h] + 1)
        for k in range(index.size):
            ranks[h, k] = rank[index[k]] - mean if has[h, k] else 0.0
        same_as[h] = 0
        while not np.array_equal(has[same_as[h]], has[h]):
            same_as[h] += 1


@kernel
def correlate_ranks(
    residual: FloatArray,
    ranks: FloatArray,
    has: BoolArray,
    number: Int64Array,
    same_as: Int64Array,
    order: IndexArray,
    own: FloatArray,
    scratch: Workspace,
    value: FloatArray,
) -> None:
    """Spearman correlation of a residual with each horizon. Products of centred ranks are multiples of ¼, so their sums are exact."""
    n = sort_finite(residual, order, scratch)
    for h in range(number.size):
        if same_as[h] != h:
            continue
        m = average_ranks(residual, order, n, has[h], own)
        mean = 0.5 * (m + 1)
        for k in range(own.size):
            own[k] = own[k] - mean if has[h, k] else 0.0
        square = np.dot(own, own)
        for g in range(h, number.size):
            if same_as[g] == h:
                both = square * np.dot(ranks[g], ranks[g])
                value[g] = np.dot(own, ranks[g]) / np.sqrt(both) if both > 0.0 else np.nan
