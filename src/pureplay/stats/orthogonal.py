"""Rank correlation of what a base of factors leaves of a signal, for all dates at once.

Per date: ordinary least squares of the signal on [1, base] over the names with everything finite, then Spearman correlation of the
residual with each forward return. Group dummies are absorbed by demeaning within groups, which is exact (Frisch-Waugh-Lovell).
Normal equations on columns scaled to unit length, Cholesky with a pivot test, and one step of iterative refinement.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.crosssection import Workspace, sort_finite, spearman_of_orders, workspace
from pureplay.stats.jit import kernel
from pureplay.stats.least_squares import center, residualise

__all__ = [
    "CONTAINED",
    "FEW_NAMES",
    "LEFT",
    "NO_NAMES",
    "OK",
    "Orders",
    "OrthogonalDays",
    "forward_orders",
    "gather",
    "names_of_date",
    "orthogonal_days",
    "take",
]

OK: Final = 0
NO_NAMES: Final = 1
FEW_NAMES: Final = 2
CONTAINED: Final = 3

LEFT: Final = 1e-12  # share of variance below which the residual is rounding

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Orders:
    """Forward returns (horizons, sessions, assets) with the ascending order of each row and its finite entries counted."""

    values: FloatArray
    order: IndexArray
    count: Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthogonalDays:
    """Daily results. ic, names, reason: (horizons, sessions); reason 0 where ic is a number.

    fitted: names in the regression. left: share of the signal's variance (within groups) that the base leaves, NaN where the
    signal does not vary. dropped: (sessions, columns) where a column was constant or a combination of the others and left the base
    for the day. residual: block of residuals, if asked for.
    """

    ic: FloatArray
    names: Int64Array
    reason: Int64Array
    fitted: Int64Array
    left: FloatArray
    dropped: BoolArray
    residual: FloatArray | None


def forward_orders(values: FloatArray) -> Orders:
    """Sort forward returns once; values: (horizons, sessions, assets)."""
    order, count = np.zeros(values.shape, dtype=np.int32), np.zeros(values.shape[:2], dtype=np.int64)
    for h in range(values.shape[0]):
        over_blocks(lambda a, b, h=h: _order_block(values[h], workspace(values.shape[2]), order[h], count[h], a, b), values.shape[1])  # type: ignore[misc]
    return Orders(values, order, count)


@kernel
def _order_block(values: FloatArray, scratch: Workspace, order: IndexArray, count: Int64Array, start: int, stop: int) -> None:
    for t in range(start, stop):
        count[t] = sort_finite(values[t], order[t], scratch)


def orthogonal_days(
    signal: FloatArray,
    base: FloatArray,
    forward: Orders,
    *,
    extra: FloatArray | None = None,
    groups: IndexArray | None = None,
    eligible: BoolArray | None = None,
    min_names: int = 30,
    keep_residual: bool = False,
) -> OrthogonalDays:
    """Residual rank IC of every session and horizon.

    signal: (sessions, assets). base, extra: (sessions, columns, assets), zero columns allowed. groups: group number, -1 = none.
    eligible: names that may take part. A date needs max(min_names, 2 × regressors) names with a residual and a forward return.
    """
    sessions, assets = signal.shape
    more = np.empty((sessions, 0, assets)) if extra is None else extra
    horizons, columns = forward.values.shape[0], base.shape[1] + more.shape[1]
    made = OrthogonalDays(
        ic=np.full((horizons, sessions), np.nan),
        names=np.zeros((horizons, sessions), dtype=np.int64),
        reason=np.full((horizons, sessions), NO_NAMES),
        fitted=np.zeros(sessions, dtype=np.int64),
        left=np.full(sessions, np.nan),
        dropped=np.zeros((sessions, columns), dtype=bool),
        residual=np.full(signal.shape, np.nan) if keep_residual else None,
    )
    group = np.empty((sessions, 0), dtype=np.int32) if groups is None else groups
    may = np.empty((sessions, 0), dtype=bool) if eligible is None else eligible
    kept = made.residual if made.residual is not None else np.empty((sessions, 0))
    n_groups = max(int(groups.max(initial=0)) + 1, 2) if groups is not None else 1  # 1 is no groups: more may come later
    future = (forward.values, forward.order, forward.count)
    out = (made.ic, made.names, made.reason, made.fitted, made.left, made.dropped, kept)

    def block(start: int, stop: int) -> None:
        _orthogonal_block(signal, base, more, group, n_groups, may, future, min_names, workspace(assets), out, start, stop)

    over_blocks(block, sessions, uses_blas=True)
    return made


@kernel
def _orthogonal_block(
    signal: FloatArray,
    base: FloatArray,
    extra: FloatArray,
    groups: IndexArray,
    n_groups: int,
    eligible: BoolArray,
    forward: tuple[FloatArray, IndexArray, Int64Array],
    min_names: int,
    scratch: Workspace,
    out: tuple[FloatArray, Int64Array, Int64Array, Int64Array, FloatArray, BoolArray, FloatArray],
    start: int,
    stop: int,
) -> None:
    ic, names, reason, fitted, left, dropped, kept = out
    columns, assets = base.shape[1] + extra.shape[1], signal.shape[1]
    z, index, label = np.empty((columns + 1) * assets), np.empty(assets, np.int32), np.zeros(assets, np.int32)
    residual, order, finite = np.empty(assets), np.empty(assets, np.int32), np.empty(assets, np.bool_)
    ranking, coefficients = (np.empty(assets, np.bool_), np.empty(assets), np.empty(assets)), np.empty(columns)
    for t in range(start, stop):
        n = names_of_date(signal[t], base[t], extra[t], groups[t], eligible[t], finite, index, label)
        if n < 2:
            continue
        rows = z[: (columns + 1) * n].reshape((columns + 1, n))
        gather(signal[t], base[t], extra[t], index, rows)
        flat = rows[columns].min() == rows[columns].max()
        used_groups = center(rows, label, n_groups)
        fitted[t] = n
        share = residualise(rows, dropped[t], coefficients)
        left[t] = np.nan if flat else share
        needed = max(min_names, 2 * (columns - dropped[t].sum() + used_groups))
        if flat or not share > LEFT:
            reason[:, t] = FEW_NAMES if flat or n < needed else CONTAINED  # a fit through too few names leaves nothing either
            continue
        residual[:] = np.nan
        for k in range(n):
            residual[index[k]] = rows[columns, k]
        if kept[t].size:
            kept[t] = residual
        count = sort_finite(residual, order, scratch)
        _correlate(residual, order, count, forward, t, needed, ranking, ic, names, reason)


@kernel
def names_of_date(
    signal: FloatArray,
    base: FloatArray,
    extra: FloatArray,
    groups: IndexArray,
    eligible: BoolArray,
    finite: BoolArray,
    index: IndexArray,
    label: IndexArray,
) -> int:
    """Find the names that are eligible, in a group and finite throughout; returns their number. Empty arrays restrict nothing."""
    finite[:] = np.isfinite(signal)
    if eligible.size:
        finite &= eligible
    if groups.size:
        finite &= groups >= 0
    for c in range(base.shape[0]):
        _require_finite(finite, base[c])
    for c in range(extra.shape[0]):
        _require_finite(finite, extra[c])
    n = 0
    for i in range(signal.size):
        if finite[i]:
            index[n] = i
            label[n] = groups[i] if groups.size else 0
            n += 1
    return n


@kernel
def gather(signal: FloatArray, base: FloatArray, extra: FloatArray, index: IndexArray, rows: FloatArray) -> None:
    """Write the base columns, the extra columns and last the signal of the names of `index` to `rows`."""
    for c in range(base.shape[0]):
        take(base[c], index, rows[c])
    for c in range(extra.shape[0]):
        take(extra[c], index, rows[base.shape[0] + c])
    take(signal, index, rows[rows.shape[0] - 1])


@kernel
def _correlate(
    residual: FloatArray,
    order: IndexArray,
    count: int,
    forward: tuple[FloatArray, IndexArray, Int64Array],
    t: int,
    needed: int,
    ranking: tuple[BoolArray, FloatArray, FloatArray],
    ic: FloatArray,
    names: Int64Array,
    reason: Int64Array,
) -> None:
    """Rank correlation of one date's residual with the forward return of every horizon."""
    future, future_order, future_count = forward
    both, own_rank, future_rank = ranking
    for h in range(future.shape[0]):
        value, m = spearman_of_orders(
            residual, order, count, future[h, t], future_order[h, t], future_count[h, t], both, own_rank, future_rank
        )
        names[h, t] = m
        if m > 0:
            enough = m >= needed and np.isfinite(value)
            reason[h, t] = OK if enough else FEW_NAMES
            ic[h, t] = value if enough else np.nan


@kernel
def _require_finite(finite: BoolArray, row: FloatArray) -> None:
    for i in range(row.size):
        finite[i] &= row[i] - row[i] == 0.0


@kernel
def take(source: FloatArray, index: IndexArray, target: FloatArray) -> None:
    """Copy the entries of `index`."""
    for k in range(target.size):
        target[k] = source[index[k]]
