"""Daily orthogonal rank ICs of many amplified factors at once: one Gram matrix a date, one pass over the graph for all factors."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that numba calls: loaded here, it can be held to one thread from the start

from pureplay.graph.amplifier_kernels import add_neighbours, load_panel
from pureplay.graph.amplifier_record import AmplifierGraph
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.crosssection import Workspace, workspace
from pureplay.stats.jit import kernel
from pureplay.stats.least_squares import center, gram_of
from pureplay.stats.orthogonal import LEFT, Orders, gather, names_of_date
from pureplay.stats.subset_fits import correlate_ranks, fit_subsets, rank_future

__all__ = ["AmplifiedDays", "Task", "amplified_days"]

Int64Array = npt.NDArray[np.int64]


class Task(NamedTuple):
    """A factor, by number, amplified through a set of relations (by number, -1 = as it is) and judged on a base (numbers of factors)."""

    factor: int
    through: int
    strength: float
    base: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmplifiedDays:
    """Daily results. ic: (tasks, horizons, sessions), NaN where there is none. near: (tasks, sessions), names that have a counterparty with
    a value. fitted: (sessions,), names with every factor, on which all tasks of a date stand; 0 where no graph is in force.
    """

    ic: FloatArray
    near: Int64Array
    fitted: Int64Array


class _Graph(NamedTuple):
    starts: Int64Array
    counterparty: IndexArray
    weight: FloatArray
    column_of: Int64Array  # column of each asset of the graph, -1 = not there
    number_of: Int64Array  # asset of the graph of each column, -1 = not there
    vintage: Int64Array  # of each session, -1 = none
    sets: BoolArray  # (sets, relations): which relations each set adds up


class _Tasks(NamedTuple):
    factor: Int64Array
    through: Int64Array
    strength: FloatArray
    pick: Int64Array  # (tasks, factors): number of each factor, -1 = not in the base


class _Near(NamedTuple):
    """Σ w f, Σ w and number of counterparties over each set of relations: (sets, assets of the graph, factors)."""

    above: FloatArray
    below: FloatArray
    links: FloatArray


def amplified_days(
    stack: FloatArray,
    mixed: FloatArray,
    forward: Orders,
    graph: AmplifierGraph,
    *,
    column_of: Int64Array,
    vintage: Int64Array,
    sets: BoolArray,
    tasks: tuple[Task, ...],
    min_names: int,
) -> AmplifiedDays:
    """Residual rank IC of every task, horizon and session.

    stack: (sessions, factors, assets), what bases are made of and what a task without a graph judges. mixed: the same factors on the scale
    on which they are amplified. column_of: column of each asset of the graph, -1 = none. vintage: of each session, -1 = no graph in force,
    and then no result. sets: (sets, relations of the graph). A name without a counterparty keeps its own value, so that the names of a
    date, those with every factor, are the same for all tasks. A date needs max(min_names, 2 × regressors) of them with a forward return.
    """
    sessions, factors, assets = stack.shape
    number_of = np.full(assets, -1, dtype=np.int64)
    number_of[column_of[column_of >= 0]] = np.flatnonzero(column_of >= 0)
    plan = _Tasks(
        np.array([each.factor for each in tasks], dtype=np.int64),
        np.array([each.through for each in tasks], dtype=np.int64),
        np.array([each.strength for each in tasks], dtype=np.float64),
        np.full((len(tasks), factors), -1, dtype=np.int64),
    )
    for number, each in enumerate(tasks):
        plan.pick[number, list(each.base)] = each.base
    arrays = _Graph(graph.starts, graph.counterparty, graph.weight, column_of, number_of, vintage, np.ascontiguousarray(sets))
    made = AmplifiedDays(
        ic=np.full((len(tasks), forward.values.shape[0], sessions), np.nan),
        near=np.zeros((len(tasks), sessions), dtype=np.int64),
        fitted=np.zeros(sessions, dtype=np.int64),
    )
    future, out = (forward.values, forward.order, forward.count), (made.ic, made.near, made.fitted)

    def block(start: int, stop: int) -> None:
        _block(stack, mixed, future, arrays, plan, min_names, workspace(assets), out, start, stop)

    over_blocks(block, sessions, uses_blas=True)
    return made


@kernel
def _block(
    stack: FloatArray,
    mixed: FloatArray,
    forward: tuple[FloatArray, IndexArray, Int64Array],
    graph: _Graph,
    tasks: _Tasks,
    min_names: int,
    scratch: Workspace,
    out: tuple[FloatArray, Int64Array, Int64Array],
    start: int,
    stop: int,
) -> None:
    ic, near_names, fitted = out
    factors, assets, horizons = stack.shape[1], stack.shape[2], forward[0].shape[0]
    index, label, finite = np.empty(assets, np.int32), np.zeros(assets, np.int32), np.empty(assets, np.bool_)
    nothing, no_group, no_rule = np.empty((0, assets)), np.empty(0, np.int32), np.empty(0, np.bool_)
    z, shape = np.empty((factors + 1) * assets), (graph.sets.shape[0], graph.column_of.size, factors)
    near = _Near(np.empty(shape), np.empty(shape), np.empty(shape))
    ranks, has = np.empty(horizons * assets), np.empty(horizons * assets, np.bool_)
    for t in range(start, stop):
        if graph.vintage[t] < 0:
            continue
        n = names_of_date(stack[t, 0], stack[t], nothing, no_group, no_rule, finite, index, label)
        if n < 2:
            continue
        fitted[t] = n
        rows = z[: (factors + 1) * n].reshape((factors + 1, n))
        gather(stack[t, 0], stack[t], nothing, index, rows)
        center(rows, label, 1)
        future = (ranks[: horizons * n].reshape((horizons, n)), np.zeros(horizons), has[: horizons * n].reshape((horizons, n)))
        number, same_as = np.zeros(horizons, np.int64), np.zeros(horizons, np.int64)
        rank_future(forward[0][:, t], forward[1][:, t], forward[2][:, t], index[:n], future[0], future[1], future[2], number, same_as)
        _sum_up(mixed[t], graph, graph.vintage[t], near)
        kept = (future[0], future[1], future[2], number, same_as)
        _tasks_of_date(stack[t], mixed[t], index[:n], rows, kept, graph, near, tasks, min_names, scratch, ic[:, :, t], near_names[:, t])


@kernel
def _sum_up(mixed: FloatArray, graph: _Graph, vintage: int, near: _Near) -> None:
    """Sums over the counterparties of every relation once, added to all sets that hold it."""
    shape = (graph.column_of.size, mixed.shape[0])
    panel, known, whole = np.empty(shape), np.empty(shape), np.empty(shape[0], np.int32)
    load_panel(mixed, graph.column_of, panel, known, whole)
    near.above[:], near.below[:], near.links[:] = 0.0, 0.0, 0.0
    for r in range(graph.sets.shape[1]):
        if not graph.sets[:, r].any():
            continue
        above, below, links = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        add_neighbours(panel, known, whole, (graph.starts[vintage, r], graph.counterparty, graph.weight), above, below, links)
        for s in range(graph.sets.shape[0]):
            if graph.sets[s, r]:
                near.above[s] += above
                near.below[s] += below
                near.links[s] += links


@kernel
def _tasks_of_date(
    stack: FloatArray,
    mixed: FloatArray,
    index: IndexArray,
    rows: FloatArray,
    future: tuple[FloatArray, FloatArray, BoolArray, Int64Array, Int64Array],
    graph: _Graph,
    near: _Near,
    tasks: _Tasks,
    min_names: int,
    scratch: Workspace,
    ic: FloatArray,
    near_names: Int64Array,
) -> None:
    """All tasks of one date. rows: the centred factors, and room for a signal."""
    factors, n = stack.shape[0], index.size
    ranks, square, has, number, same_as = future
    gram, signal, label = np.zeros((factors + 1, factors + 1)), rows[factors:], np.zeros(n, np.int32)
    gram[:factors, :factors] = gram_of(rows[:factors])
    residual, left, kept, value = np.empty((1, n)), np.empty(1), np.empty(1, np.int64), np.empty(number.size)
    order, ascending, own = np.empty((2, n), np.int32), np.empty((2, n)), np.empty(n)
    for b in range(tasks.factor.size):
        near_names[b] = _write_signal(stack, mixed, index, graph, near, tasks.factor[b], tasks.through[b], tasks.strength[b], signal[0])
        if signal[0].min() == signal[0].max():
            continue
        center(signal, label, 1)
        gram[factors] = np.dot(rows, signal[0])
        gram[:, factors] = gram[factors]
        fit_subsets(rows, factors, gram, tasks.pick[b : b + 1], residual, left, kept)
        if not left[0] > LEFT:
            continue
        correlate_ranks(residual[0], ranks, square, has, number, same_as, order, ascending, own, scratch, value)
        needed = max(min_names, 2 * (kept[0] + 1))
        for h in range(number.size):
            if number[h] >= needed and np.isfinite(value[h]):
                ic[b, h] = value[h]


@kernel
def _write_signal(
    stack: FloatArray,
    mixed: FloatArray,
    index: IndexArray,
    graph: _Graph,
    near: _Near,
    factor: int,
    through: int,
    strength: float,
    signal: FloatArray,
) -> int:
    """The factor of a task on the names of the date; returns how many of them have a counterparty."""
    found = 0
    for k in range(index.size):
        column = index[k]
        signal[k] = stack[factor, column] if through < 0 else mixed[factor, column]
        i = graph.number_of[column]
        if through >= 0 and i >= 0 and near.links[through, i, factor] > 0.0:
            mean = near.above[through, i, factor] / near.below[through, i, factor]
            signal[k] = (1.0 - strength) * signal[k] + strength * mean
            found += 1
    return found
