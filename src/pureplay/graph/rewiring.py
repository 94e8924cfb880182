"""Placebo graphs: the same numbers of counterparties and the same weights, but other names.

Each relation is a bipartite graph, focal stocks on one side and counterparties on the other. A double edge swap takes i → j and k → l and
makes them i → l and k → j, unless a stock would stand beside itself or its issuer, or twice beside the same one; so it keeps every
degree (Milo et al. 2003, "On the uniform generation of random graphs with prescribed degree sequences"). The first vintage is swapped
through. A later one takes over the rewired counterparty of every edge that was there before, and deals the places that are left among
the edges that are not, with some swaps more, so that it stays as far from the real one as a fresh draw: a graph that is
drawn afresh each month would be less steady than the one that it stands in for, and its figures would scatter less.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.errors import SettingError
from pureplay.graph.amplifier_record import AmplifierGraph
from pureplay.panel import BoolArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.given import is_whole_number
from pureplay.stats.jit import kernel

__all__ = ["rewired"]

Int64Array = npt.NDArray[np.int64]
UintArray = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)  # splitmix64; Steele, Lea & Flood 2014
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_TRIES: Final = 2000  # partners tried for an edge that cannot stand, before the vintage is swapped through from the start


def rewired(graph: AmplifierGraph, *, seed: int, swaps: int = 10) -> AmplifierGraph:
    """The graph with its counterparties dealt out anew: every focal keeps its number of counterparties and its weights, every stock the
    number of focals that it stands beside, in each vintage and relation.

    swaps: tried for each edge of the first vintage. Equal seeds give equal graphs. Counterparties of a focal are in no order; in
    a graph that came from a frame, rows keep the dates that they had. Raises SettingError for a seed or number of swaps out of range.
    """
    for name, value, least in (("seed", seed, 0), ("swaps", swaps, 1)):
        if not is_whole_number(value, least):
            raise SettingError(f"{name} must be a whole number of at least {least}, not {value!r}")
    issuer = np.arange(len(graph.assets), dtype=np.int64) if graph.issuer is None else graph.issuer
    out = graph.counterparty.copy()

    def block(start: int, stop: int) -> None:
        for relation in range(start, stop):
            state = np.array([np.uint64(seed) * np.uint64(len(graph.relations)) + np.uint64(relation)], dtype=np.uint64)
            _rewire(graph.starts[:, relation], graph.counterparty, issuer, swaps, state, out)

    over_blocks(block, len(graph.relations))
    return replace(graph, counterparty=out, basis=f"{graph.basis}, rewired")


@kernel
def _rewire(starts: Int64Array, real: IndexArray, issuer: Int64Array, swaps: int, state: UintArray, out: IndexArray) -> None:
    """All vintages of a relation, one after the other. starts: (vintages, assets + 1)."""
    assets = issuer.size
    taken, share = np.zeros((assets, assets), np.bool_), 1.0  # edges in common with the real graph, over those by chance
    for _ in range(3):
        _draw(state, 1)  # seeds next to one another part
    for v in range(starts.shape[0]):
        first, last = starts[v, 0], starts[v, assets]
        focal, made = _focals(starts[v]), out[first:last]
        settled = v > 0 and _carry_over(
            starts[v - 1], starts[v], real, out, issuer, taken, swaps, share * _by_chance(starts[v], real), state
        )
        if not settled:
            _begin(focal, real[first:last], made, taken)
            _mix(focal, made, issuer, taken, swaps * made.size, state)
            share = _common(starts[v], real, focal, made) / max(_by_chance(starts[v], real), 1.0)
        for e in range(made.size):
            taken[focal[e], made[e]] = False


@kernel
def _draw(state: UintArray, n: int) -> int:
    """A number from 0 to n - 1."""
    state[0] += _GOLDEN
    word = state[0]
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    word ^= word >> np.uint64(31)
    return int(np.int64(((word >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)))


@kernel
def _focals(starts: Int64Array) -> IndexArray:
    """Focal of each edge of a vintage."""
    focal = np.empty(starts[-1] - starts[0], np.int32)
    for i in range(starts.size - 1):
        focal[starts[i] - starts[0] : starts[i + 1] - starts[0]] = i
    return focal


@kernel
def _begin(focal: IndexArray, real: IndexArray, made: IndexArray, taken: BoolArray) -> None:
    """Start from the graph itself."""
    for e in range(made.size):
        made[e] = real[e]
        taken[focal[e], real[e]] = True


@kernel
def _swap(e: int, x: int, focal: IndexArray, made: IndexArray, issuer: Int64Array, taken: BoolArray, stands: bool) -> bool:
    """Exchange the counterparties of edges e and x where both can then stand. stands: whether e stands as it is."""
    i, k, own, other = focal[e], focal[x], made[e], made[x]
    if i == k or own == other or taken[i, other] or taken[k, own] or issuer[i] == issuer[other] or issuer[k] == issuer[own]:
        return False
    if stands:
        taken[i, own] = False
    taken[k, other] = False
    taken[i, other], taken[k, own] = True, True
    made[e], made[x] = other, own
    return True


@kernel
def _mix(focal: IndexArray, made: IndexArray, issuer: Int64Array, taken: BoolArray, tries: int, state: UintArray) -> None:
    if made.size:
        for _ in range(tries):
            _swap(_draw(state, made.size), _draw(state, made.size), focal, made, issuer, taken, True)


@kernel
def _carry_over(
    before: Int64Array,
    now: Int64Array,
    real: IndexArray,
    out: IndexArray,
    issuer: Int64Array,
    taken: BoolArray,
    swaps: int,
    most: float,
    state: UintArray,
) -> bool:
    """Rewire a vintage from the one before it; False, with nothing taken, where an edge found no place.

    The places that are left are mostly those of this month's new counterparties, so that some edges are dealt the very one that they have
    in the real graph: without more the rewired graph would come nearer to the real one month by month. Such edges are
    swapped with others while it has more than `most` edges in common with the real graph.
    """
    first, last = now[0], now[-1]
    focal, made = _focals(now), out[first:last]
    room = np.zeros(issuer.size, np.int64)
    for j in real[first:last]:
        room[j] += 1
    waiting = _keep(before, now, real, out, room, taken)
    places = _places_left(room, waiting.size, state)
    loose = np.zeros(made.size, np.bool_)
    for n in range(waiting.size):
        e, j = waiting[n], places[n]
        made[e] = j
        loose[e] = taken[focal[e], j] or issuer[focal[e]] == issuer[j]
        taken[focal[e], j] |= not loose[e]
    for e in waiting:
        for _ in range(_TRIES if loose[e] else 0):
            x = _draw(state, made.size)
            if not loose[x] and _swap(e, x, focal, made, issuer, taken, False):
                loose[e] = False
                break
    if loose.any():
        for e in range(made.size):
            taken[focal[e], made[e]] = False
        return False
    common = _common(now, real, focal, made)
    for e in waiting:
        if common > most and _is_real(now, real, focal[e], made[e]):
            for _ in range(swaps):
                x = _draw(state, made.size)
                other = _is_real(now, real, focal[x], made[x])
                if _swap(e, x, focal, made, issuer, taken, True):
                    common += int(_is_real(now, real, focal[e], made[e])) + int(_is_real(now, real, focal[x], made[x])) - 1 - int(other)
                    break
    return True


@kernel
def _is_real(now: Int64Array, real: IndexArray, i: int, j: int) -> bool:
    """Whether the real graph puts j beside i; its counterparties are in ascending order."""
    low, high = now[i], now[i + 1]
    while low < high:
        middle = (low + high) // 2
        if real[middle] < j:
            low = middle + 1
        else:
            high = middle
    return bool(low < now[i + 1] and real[low] == j)


@kernel
def _common(now: Int64Array, real: IndexArray, focal: IndexArray, made: IndexArray) -> int:
    """Edges that the rewired vintage has in common with the real one."""
    count = 0
    for e in range(made.size):
        count += int(_is_real(now, real, focal[e], made[e]))
    return count


@kernel
def _by_chance(now: Int64Array, real: IndexArray) -> float:
    """Real edges that a graph of the same degrees has by chance, roughly: the sum of d_i d_j / edges, each at most 1."""
    edges, inward, total = now[-1] - now[0], np.zeros(now.size - 1, np.int64), 0.0
    for j in real[now[0] : now[-1]]:
        inward[j] += 1
    for i in range(now.size - 1):
        for e in range(now[i], now[i + 1]):
            total += min(1.0, (now[i + 1] - now[i]) * inward[real[e]] / edges)
    return total


@kernel
def _keep(before: Int64Array, now: Int64Array, real: IndexArray, out: IndexArray, room: Int64Array, taken: BoolArray) -> Int64Array:
    """Give every edge that was there before its counterparty again while there is room; returns the edges that wait for one."""
    waiting, n = np.empty(now[-1] - now[0], np.int64), 0
    for i in range(now.size - 1):
        p = before[i]
        for e in range(now[i], now[i + 1]):
            while p < before[i + 1] and real[p] < real[e]:
                p += 1
            if p < before[i + 1] and real[p] == real[e] and room[out[p]] > 0:
                out[e] = out[p]
                room[out[e]] -= 1
                taken[i, out[e]] = True
            else:
                waiting[n] = e - now[0]
                n += 1
    return waiting[:n].copy()


@kernel
def _places_left(room: Int64Array, size: int, state: UintArray) -> IndexArray:
    """Counterparties that still have room, each as often as it has, in random order."""
    places, n = np.empty(size, np.int32), 0
    for j in range(room.size):
        places[n : n + room[j]] = j
        n += room[j]
    for k in range(size - 1, 0, -1):
        other = _draw(state, k + 1)
        places[k], places[other] = places[other], places[k]
    return places
