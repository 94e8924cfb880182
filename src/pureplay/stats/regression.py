"""Weighted least squares across the names of each date, with an intercept or with groups absorbed; all dates at once.

Rows less their weighted means (of all names, or of the group: exact by Frisch-Waugh-Lovell), times the root of the weight, then the
normal equations of `orthogonal`: columns scaled to unit length, Cholesky with a pivot test, one step of refinement.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that numba calls: loaded here, it can be held to one thread from the start

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel
from pureplay.stats.least_squares import residualise
from pureplay.stats.orthogonal import Int64Array, gather, names_of_date

__all__ = ["CrossSection", "weighted_fill", "weighted_residuals"]

_CONSTANT: Final = 1e-24  # spread over size of a row, both squared, below which the row is constant


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossSection:
    """One regression a date.

    residual: (sessions, assets), unweighted, NaN where a name is not in the fit. coefficients, dropped: (sessions, columns); a column
    that is constant (within groups) or a combination of those before it is dropped for the day and has coefficient 0. intercept, r2,
    fitted: (sessions,). r2: share of the weighted variance about the weighted mean of all names; groups count as explaining. fitted:
    names in the fit. A date without a fit has NaN and fitted 0; with groups the intercept is NaN throughout.
    """

    residual: FloatArray
    coefficients: FloatArray
    intercept: FloatArray
    r2: FloatArray
    fitted: Int64Array
    dropped: BoolArray


def weighted_residuals(
    target: FloatArray,
    columns: FloatArray,
    weights: FloatArray,
    eligible: BoolArray,
    *,
    groups: IndexArray | None = None,
) -> CrossSection:
    """Residual of `target` on `columns`, least squares weighted by `weights`, of every session.

    target, weights, eligible: (sessions, assets). columns: (sessions, columns, assets), none allowed. groups: group number, -1 = none;
    their means take the place of the intercept. A name is in the fit where it is eligible, in a group, its target and columns are
    finite and its weight is finite and above 0. A date needs at least columns + groups + 1 names (columns + 2 without groups). Raises
    SettingError where shapes do not fit.
    """
    made, _ = _fitted(target, columns, weights, eligible, groups, fill=False)
    return made


def weighted_fill(
    target: FloatArray, columns: FloatArray, weights: FloatArray, eligible: BoolArray, groups: IndexArray | None = None
) -> FloatArray:
    """The target where it is finite; elsewhere the value that the regression of `weighted_residuals` on that date gives.

    A fitted value is the effect of the group (or the intercept) plus the columns times their coefficients; it needs an eligible name with
    all columns, a weight it does not. A name without a group, or of a group in which nobody is in the fit, gets the weighted mean of the
    group effects. Where a value cannot be given the result is NaN.
    """
    _, filled = _fitted(target, columns, weights, eligible, groups, fill=True)
    return filled


def _fitted(
    target: FloatArray, columns: FloatArray, weights: FloatArray, eligible: BoolArray, groups: IndexArray | None, *, fill: bool
) -> tuple[CrossSection, FloatArray]:
    sessions = target.shape[0]
    shapes = {"weights": weights.shape, "eligible": eligible.shape, "groups": target.shape if groups is None else groups.shape}
    shapes["columns"] = (columns.shape[0], *columns.shape[2:])
    for name, shape in shapes.items():
        if shape != target.shape:
            raise SettingError(f"{name} cover {shape} sessions and assets, the target {target.shape}: give both on the same axes")
    made = CrossSection(
        residual=np.full(target.shape, np.nan),
        coefficients=np.full((sessions, columns.shape[1]), np.nan),
        intercept=np.full(sessions, np.nan),
        r2=np.full(sessions, np.nan),
        fitted=np.zeros(sessions, dtype=np.int64),
        dropped=np.zeros((sessions, columns.shape[1]), dtype=bool),
    )
    filled = np.where(np.isfinite(target), target, np.nan) if fill else np.empty((sessions, 0))
    group = np.empty((sessions, 0), dtype=np.int32) if groups is None else groups
    n_groups = int(groups.max(initial=0)) + 1 if groups is not None else 1
    out = (made.residual, made.coefficients, made.intercept, made.r2, made.fitted, made.dropped, filled)
    over_blocks(
        lambda start, stop: _regression_block(target, columns, weights, eligible, group, n_groups, out, start, stop),
        sessions,
        uses_blas=True,
    )
    return made, filled


@kernel
def _regression_block(
    target: FloatArray,
    columns: FloatArray,
    weights: FloatArray,
    eligible: BoolArray,
    groups: IndexArray,
    n_groups: int,
    out: tuple[FloatArray, FloatArray, FloatArray, FloatArray, Int64Array, BoolArray, FloatArray],
    start: int,
    stop: int,
) -> None:
    residual, coefficients, intercept, r2, fitted, dropped, filled = out
    size, assets = columns.shape[1], target.shape[1]
    z, index, label = np.empty((size + 1) * assets), np.empty(assets, np.int32), np.zeros(assets, np.int32)
    finite, root, nothing = np.empty(assets, np.bool_), np.empty(assets), np.empty((0, assets))
    mean, level = np.empty((size + 1, n_groups)), np.empty(n_groups)
    for t in range(start, stop):
        may = eligible[t] & (weights[t] > 0.0) & np.isfinite(weights[t])
        n = names_of_date(target[t], columns[t], nothing, groups[t], may, finite, index, label)
        level[:] = 0.0
        for k in range(n):
            root[k] = np.sqrt(weights[t, index[k]])
            level[label[k]] += weights[t, index[k]]
        if n <= size + (level > 0.0).sum():
            continue
        rows = z[: (size + 1) * n].reshape((size + 1, n))
        gather(target[t], columns[t], nothing, index, rows)
        total = _spread(rows[size], root)
        for c in range(size + 1):
            _center_weighted(rows[c], root, label, level, mean[c])
        residualise(rows, dropped[t], coefficients[t])
        for k in range(n):
            residual[t, index[k]] = rows[size, k] / root[k]
        effect = mean[size].copy()  # by loops: a product through BLAS rounds a group by its place among the others
        for c in range(size):
            for g in range(n_groups):
                effect[g] -= coefficients[t, c] * mean[c, g]
        fitted[t], r2[t] = n, 1.0 - np.dot(rows[size], rows[size]) / total if total > 0.0 else np.nan
        if not groups.shape[1]:
            intercept[t] = effect[0]
        if filled.shape[1]:
            overall = _mean_effect(effect, label[:n], root)
            _fill(columns[t], eligible[t], groups[t], coefficients[t], effect, level, overall, filled[t])


@kernel
def _spread(row: FloatArray, root: FloatArray) -> float:
    """Weighted sum of squares about the weighted mean; 0 where rounding is all that varies."""
    weight, first, total, size = 0.0, 0.0, 0.0, 0.0
    for k in range(row.size):
        weight += root[k] * root[k]
        first += root[k] * root[k] * row[k]
    mean, beyond = first / weight, 0.0
    for k in range(row.size):
        beyond += root[k] * root[k] * (row[k] - mean)
        total += (root[k] * (row[k] - mean)) ** 2
        size += (root[k] * row[k]) ** 2
    total -= beyond * beyond / weight
    return total if total > _CONSTANT * size else 0.0


@kernel
def _center_weighted(row: FloatArray, root: FloatArray, label: IndexArray, weight: FloatArray, mean: FloatArray) -> None:
    """Subtract the weighted mean of each group, twice against rounding, and multiply by the root of the weight; a constant becomes 0."""
    step, before, after = np.empty(mean.size), 0.0, 0.0
    mean[:] = 0.0
    for k in range(row.size):
        before += (root[k] * row[k]) ** 2
    for _ in range(2):
        step[:] = 0.0
        for k in range(row.size):
            step[label[k]] += root[k] * root[k] * row[k]
        for g in range(mean.size):
            step[g] = step[g] / weight[g] if weight[g] > 0.0 else 0.0
            mean[g] += step[g]
        for k in range(row.size):
            row[k] -= step[label[k]]
    for k in range(row.size):
        row[k] *= root[k]
        after += row[k] * row[k]
    if after <= _CONSTANT * before:
        row[:] = 0.0


@kernel
def _mean_effect(effect: FloatArray, label: IndexArray, root: FloatArray) -> float:
    """Weighted mean of the group effects, name by name: groups are numbered anew when labels come later, names keep their order."""
    total, weight = 0.0, 0.0
    for k in range(label.size):
        total += root[k] * root[k] * effect[label[k]]
        weight += root[k] * root[k]
    return total / weight


@kernel
def _fill(
    columns: FloatArray,
    eligible: BoolArray,
    groups: IndexArray,
    coefficients: FloatArray,
    effect: FloatArray,
    weight: FloatArray,
    overall: float,
    filled: FloatArray,
) -> None:
    """Fitted values where there is none yet; where a column is unknown they are NaN by themselves."""
    for i in range(filled.size):
        if np.isfinite(filled[i]) or not eligible[i]:
            continue
        g = groups[i] if groups.size else 0
        value = effect[g] if g >= 0 and weight[g] > 0.0 else overall
        for c in range(coefficients.size):
            value += coefficients[c] * columns[c, i]
        filled[i] = value if np.isfinite(value) else np.nan
