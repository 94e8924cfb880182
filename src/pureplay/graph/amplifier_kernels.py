"""Kernels of the amplifier: the counterparties of a vintage, and weighted means of factors over them."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.jit import kernel

__all__ = ["add_neighbours", "amplify_sessions", "counterparties", "load_panel"]

Int64Array = npt.NDArray[np.int64]
_ROUNDING: Final = 1e-12  # what adding up may take from a share
_PLACES: Final = 1e6


@kernel
def counterparties(
    active: IndexArray,
    offsets: Int64Array,
    group: IndexArray,
    share: FloatArray,
    usable: BoolArray,
    reach: tuple[Int64Array, Int64Array],
    issuer: Int64Array,
    min_share: float,
) -> tuple[Int64Array, IndexArray, FloatArray]:
    """One relation of one vintage: number of counterparties of each focal, their numbers in ascending order, and weights.

    active: filing of each asset, -1 = none. offsets, group, share: entries of the filings. usable: groups in force. reach: for each
    group of a focal the groups in which a counterparty is, as starts and groups. issuer: of each asset.
    """
    assets = active.size
    begins, members = _members(active, offsets, group, share, usable, reach, min_share)
    most = _most(active, offsets, group, begins)
    counts, others, weights = np.zeros(assets, np.int64), np.empty(most, np.int32), np.empty(most)
    total, seen, touched = np.zeros(assets), np.full(assets, -1), np.empty(assets, np.int32)
    at = 0
    for i in range(assets):
        if active[i] < 0:
            continue
        mine = slice(offsets[active[i]], offsets[active[i] + 1])
        found = _add_up(i, group[mine], share[mine], usable, begins, members, issuer, total, seen, touched)
        first = at
        for j in np.sort(touched[:found]):
            weight = np.rint(min(total[j], 1.0) * _PLACES) / _PLACES
            if weight > 0.0:
                others[at], weights[at] = j, weight
                at += 1
        counts[i] = at - first
    return counts, others[:at].copy(), weights[:at].copy()


@kernel
def _most(active: IndexArray, offsets: Int64Array, group: IndexArray, begins: Int64Array) -> int:
    """Entries that a relation can have at most."""
    most = 0
    for filing in active:
        if filing >= 0:
            for g in group[offsets[filing] : offsets[filing + 1]]:
                most += begins[g + 1] - begins[g]
    return most


@kernel
def _add_up(
    focal: int,
    group: IndexArray,
    share: FloatArray,
    usable: BoolArray,
    begins: Int64Array,
    members: IndexArray,
    issuer: Int64Array,
    total: FloatArray,
    seen: Int64Array,
    touched: IndexArray,
) -> int:
    """Add the shares of a focal to the members that its groups reach; returns how many it touched."""
    found = 0
    for k in range(group.size):
        if not usable[group[k]]:
            continue
        for j in members[begins[group[k]] : begins[group[k] + 1]]:
            if issuer[j] == issuer[focal]:
                continue
            if seen[j] != focal:
                seen[j], total[j], touched[found] = focal, 0.0, j
                found += 1
            total[j] += share[k]
    return found


@kernel
def _members(
    active: IndexArray,
    offsets: Int64Array,
    group: IndexArray,
    share: FloatArray,
    usable: BoolArray,
    reach: tuple[Int64Array, Int64Array],
    min_share: float,
) -> tuple[Int64Array, IndexArray]:
    """Assets that are in one of the groups that each group reaches, each once, as starts and members."""
    groups = usable.size
    ends, held = _holders(active, offsets, group, share, groups, min_share)
    most = 0
    for q in reach[1]:
        most += ends[q + 1] - ends[q]
    begins, members, seen, at = np.zeros(groups + 1, np.int64), np.empty(most, np.int32), np.full(active.size, -1), 0
    for g in range(groups):
        for q in reach[1][reach[0][g] : reach[0][g + 1]]:
            if not usable[q]:
                continue
            for j in held[ends[q] : ends[q + 1]]:
                if seen[j] != g:
                    seen[j] = g
                    members[at] = j
                    at += 1
        begins[g + 1] = at
    return begins, members[:at].copy()


@kernel
def _holders(
    active: IndexArray, offsets: Int64Array, group: IndexArray, share: FloatArray, groups: int, min_share: float
) -> tuple[Int64Array, IndexArray]:
    """Assets that are in each group, as starts and assets."""
    size = np.zeros(groups + 1, np.int64)
    for filing in active:
        if filing >= 0:
            for k in range(offsets[filing], offsets[filing + 1]):
                size[group[k] + 1] += share[k] >= min_share - _ROUNDING
    ends = np.cumsum(size)
    place, held = ends[:-1].copy(), np.empty(ends[-1], np.int32)
    for i in range(active.size):
        if active[i] >= 0:
            for k in range(offsets[active[i]], offsets[active[i] + 1]):
                if share[k] >= min_share - _ROUNDING:
                    held[place[group[k]]] = i
                    place[group[k]] += 1
    return ends, held


@kernel
def load_panel(values: FloatArray, column_of: Int64Array, panel: FloatArray, known: FloatArray, whole: IndexArray) -> None:
    """One date's factors by asset of the graph: panel (assets, factors), 0 where missing, known (1 or 0), and whole (assets): 1 where an
    asset has every factor, 0 where it has none, else 2.

    values: (factors, assets of the block). column_of: column in the block of each asset of the graph, -1 = not there.
    """
    for i in range(column_of.size):
        count = 0
        for k in range(values.shape[0]):
            value = values[k, column_of[i]] if column_of[i] >= 0 else np.nan
            is_known = np.isfinite(value)
            count += is_known
            known[i, k] = 1.0 if is_known else 0.0
            panel[i, k] = value if is_known else 0.0
        whole[i] = 0 if count == 0 else 1 if count == values.shape[0] else 2


@kernel
def add_neighbours(
    panel: FloatArray,
    known: FloatArray,
    whole: IndexArray,
    edges: tuple[Int64Array, IndexArray, FloatArray],
    above: FloatArray,
    below: FloatArray,
    links: FloatArray,
) -> None:
    """Add one relation's Σ w f, Σ w and number of counterparties with a value to above, below and links: (assets, factors).

    edges: starts of each focal, counterparties and weights.
    """
    starts, counterparty, weight = edges
    row = np.empty(panel.shape[1])
    for i in range(starts.size - 1):
        row[:] = above[i]
        total, count = 0.0, 0.0
        for e in range(starts[i], starts[i + 1]):
            j, w = np.uint64(counterparty[e]), weight[e]
            if whole[j] == 0:
                continue
            for k in range(row.size):
                row[k] += w * panel[j, k]
            if whole[j] == 1:
                total += w
                count += 1.0
            else:
                for k in range(row.size):
                    below[i, k] += w * known[j, k]
                    links[i, k] += known[j, k]
        above[i] = row
        below[i] += total
        links[i] += count


@kernel
def amplify_sessions(
    values: FloatArray,
    column_of: Int64Array,
    vintage: Int64Array,
    graph: tuple[Int64Array, IndexArray, FloatArray],
    relations: Int64Array,
    strength: float,
    fewest: int,
    lonely_own: bool,
    out: FloatArray,
    start: int,
    stop: int,
) -> None:
    """Amplified factors of sessions [start, stop): values, out (sessions, factors, assets); vintage: of each session, -1 = none."""
    starts, counterparty, weight = graph
    shape = (column_of.size, values.shape[1])
    panel, known, whole = np.empty(shape), np.empty(shape), np.empty(column_of.size, np.int32)
    above, below, links = np.empty(shape), np.empty(shape), np.empty(shape)
    for t in range(start, stop):
        out[t] = np.nan
        if vintage[t] < 0:
            continue
        if lonely_own:
            out[t] = values[t]  # also of names that the graph does not know
        load_panel(values[t], column_of, panel, known, whole)
        above[:], below[:], links[:] = 0.0, 0.0, 0.0
        for r in relations:
            add_neighbours(panel, known, whole, (starts[vintage[t], r], counterparty, weight), above, below, links)
        for i in range(shape[0]):
            for k in range(shape[1]):
                if column_of[i] >= 0 and links[i, k] >= fewest:
                    own = values[t, k, column_of[i]]
                    out[t, k, column_of[i]] = (1.0 - strength) * own + strength * (above[i, k] / below[i, k])
