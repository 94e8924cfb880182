"""Least squares of one row on others, as the kernels of a date need it: centring, Gram matrix, Cholesky with a pivot test, refinement."""

from typing import Final

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that numba calls: loaded here, it can be held to one thread from the start

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.jit import kernel

__all__ = ["center", "factorise", "gram_of", "residualise", "solve"]

_PIVOT: Final = 1e-10  # squared sine of the angle to the columns before: below it a column adds rounding only
_STRIP: Final = 8
_FAR: Final = 1e-6  # spread over size of a row, both squared, below which it is centred twice


@kernel
def center(rows: FloatArray, label: IndexArray, n_groups: int) -> int:
    """Subtract the mean of each row within each group; a row that is left with rounding only becomes 0. Returns the groups seen."""
    count, total, ones = np.zeros(n_groups), np.empty(n_groups), np.ones(rows.shape[1])
    for k in range(rows.shape[1]):
        count[label[k]] += 1.0
    for c in range(rows.shape[0]):
        row = rows[c]
        size = np.dot(row, row)
        spread = _subtract_means(row, label, total, count, ones)
        if spread <= _FAR * size:  # the mean dwarfs the spread, so its own rounding still shows
            spread = _subtract_means(row, label, total, count, ones)
        if spread <= 1e-24 * size:
            row[:] = 0.0
    return int((count > 0).sum())


@kernel
def _subtract_means(row: FloatArray, label: IndexArray, total: FloatArray, count: FloatArray, ones: FloatArray) -> float:
    """Subtract group means, in place, and return the sum of squares that is left."""
    if total.size == 1:  # a plain mean through BLAS: adding up in one cell, number after number, takes five times as long
        row -= np.dot(row, ones) / row.size
        return float(np.dot(row, row))
    total[:] = 0.0
    for k in range(row.size):
        total[label[k]] += row[k]
    for g in range(total.size):
        total[g] = total[g] / count[g] if count[g] > 0 else 0.0
    for k in range(row.size):
        row[k] -= total[label[k]]
    return float(np.dot(row, row))


@kernel
def gram_of(rows: FloatArray) -> FloatArray:
    """Products of all rows with one another: the lower triangle in strips, the rest by symmetry.

    A strip is small enough for the part of BLAS that needs no packing, which with half of the work left takes a third of the time.
    """
    size = rows.shape[0]
    out = np.empty((size, size))
    for first in range(0, size, _STRIP):
        last = min(first + _STRIP, size)
        out[first:last, :last] = np.dot(rows[first:last], rows[:last].T)
    for i in range(size):
        for j in range(i):
            out[j, i] = out[i, j]
    return out


@kernel
def residualise(rows: FloatArray, dropped: BoolArray, coefficients: FloatArray) -> float:
    """Replace the last row by its residual on the others and write the coefficients; returns the share of its variance that is left."""
    columns = rows.shape[0] - 1
    coefficients[:] = 0.0
    gram = gram_of(rows)
    total = gram[columns, columns]
    if total <= 0.0:
        return 0.0
    scale = np.empty(columns)
    for c in range(columns):
        scale[c] = 1.0 / np.sqrt(gram[c, c]) if gram[c, c] > 0.0 else 0.0
    factor = factorise(gram, scale, dropped)
    base, target = rows[:columns], rows[columns]
    right = gram[columns, :columns] * scale
    for attempt in range(2):
        if attempt > 0:
            right = np.dot(base, target) * scale
        solve(factor, dropped, right)
        coefficients += right * scale
        target -= np.dot(right * scale, base)
    return float(np.dot(target, target) / total)


@kernel
def factorise(gram: FloatArray, scale: FloatArray, dropped: BoolArray) -> FloatArray:
    """Cholesky factor of the scaled Gram matrix; marks the columns that the ones before them explain, or that have no length."""
    columns = scale.size
    factor = np.zeros((columns, columns))
    for c in range(columns):
        for d in range(c):
            dot = 0.0 if dropped[d] else gram[c, d] * scale[c] * scale[d]
            for e in range(0 if dropped[d] else d):  # many more columns than names cost little
                dot -= factor[c, e] * factor[d, e]
            factor[c, d] = dot / factor[d, d]  # 1 where d is dropped
        pivot = 1.0 if scale[c] > 0.0 else 0.0
        for d in range(c):
            pivot -= factor[c, d] * factor[c, d]
        dropped[c] = not pivot >= _PIVOT  # NaN too, where squares overflow
        factor[c, c] = 1.0 if dropped[c] else np.sqrt(pivot)
        if dropped[c]:
            factor[c, :c] = 0.0
    return factor


@kernel
def solve(factor: FloatArray, dropped: BoolArray, right: FloatArray) -> None:
    """Solve the scaled normal equations in place; a dropped column gets 0."""
    size = right.size
    for c in range(size):
        for d in range(c):
            right[c] -= factor[c, d] * right[d]
        right[c] = 0.0 if dropped[c] else right[c] / factor[c, c]
    for c in range(size - 1, -1, -1):
        if dropped[c]:
            continue
        for d in range(c + 1, size):
            right[c] -= factor[d, c] * right[d]
        right[c] /= factor[c, c]
