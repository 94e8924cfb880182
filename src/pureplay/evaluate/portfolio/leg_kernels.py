"""Loops behind the quantile legs: ranks within sectors, buffers from rebalance to rebalance, weights."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.evaluate.portfolio.arrays import RowArray
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.crosssection import Workspace, sort_finite
from pureplay.stats.jit import kernel

__all__ = ["FlagArray", "LegArray", "leg_block", "weight_block", "zone_block"]

_CANDIDATE: Final = 1
_TOP: Final = 2
_NEAR_TOP: Final = 4
_BOTTOM: Final = 8
_NEAR_BOTTOM: Final = 16
_ROUNDING: Final = 1e-9  # 0.29 × 100 is 28.999…: a buffer of 29 names all the same

FlagArray = npt.NDArray[np.uint8]
LegArray = npt.NDArray[np.int8]


@kernel
def zone_block(
    scores: FloatArray,
    caps: FloatArray,
    sectors: IndexArray,
    members: BoolArray,
    rows: RowArray,
    groups: int,
    quantiles: int,
    buffer: float,
    scratch: Workspace,
    zones: FlagArray,
    scored: RowArray,
    largest: RowArray,
    start: int,
    stop: int,
) -> None:
    """Flags of every candidate: inside the top or bottom quantile of its sector, inside the quantile widened by the buffer."""
    assets = scores.shape[1]
    found, ranks, order = np.empty(assets), np.empty(assets), np.empty(assets, np.int32)
    group, count = np.zeros(assets, np.int32), np.empty(groups, np.int64)
    for k in range(start, stop):
        t = rows[k]
        for i in range(assets):
            found[i] = np.nan
            if not np.isfinite(scores[t, i]):
                continue
            scored[k] += 1
            if sectors.size:
                group[i] = sectors[t, i]
            valued = caps.size == 0 or (np.isfinite(caps[t, i]) and caps[t, i] > 0.0)
            if valued and group[i] >= 0 and (members.size == 0 or members[t, i]):
                found[i] = scores[t, i]
        n = sort_finite(found, order, scratch)
        _ranks_by_group(found, order, n, group, count, ranks)
        largest[k] = count.max()
        for j in range(n):
            i = order[j]
            m = count[group[i]]
            size = m // quantiles
            spare = size + int(np.floor(buffer * m + _ROUNDING)) if size else 0
            zone = _CANDIDATE
            if ranks[i] >= m + 1 - spare:
                zone |= _NEAR_TOP | (_TOP if ranks[i] >= m + 1 - size else 0)
            if ranks[i] <= spare:
                zone |= _NEAR_BOTTOM | (_BOTTOM if ranks[i] <= size else 0)
            zones[k, i] = zone


@kernel
def _ranks_by_group(values: FloatArray, order: IndexArray, n: int, group: IndexArray, count: RowArray, ranks: FloatArray) -> None:
    """Average ranks of the entries of `order[:n]` within their group, and how many each group has."""
    count[:] = 0
    tied = np.zeros(count.size, np.int64)
    first = 0
    while first < n:
        last = first
        while last < n and values[order[last]] == values[order[first]]:
            tied[group[order[last]]] += 1
            last += 1
        for k in range(first, last):
            mine = group[order[k]]
            ranks[order[k]] = count[mine] + 0.5 * (tied[mine] + 1)
        for k in range(first, last):
            mine = group[order[k]]
            count[mine] += tied[mine]
            tied[mine] = 0
        first = last


@kernel
def leg_block(
    zones: FlagArray,
    place: RowArray,
    bounds: RowArray,
    short: bool,
    least: int,
    legs: LegArray,
    sizes: RowArray,
    built: BoolArray,
    start: int,
    stop: int,
) -> None:
    """Legs (1 long, -1 short) of the rows of each offset in turn: what the last one held stays inside the buffer."""
    for offset in range(start, stop):
        before = -1
        for p in range(bounds[offset], bounds[offset + 1]):
            k = place[p]
            for i in range(zones.shape[1]):
                zone, held = zones[k, i], legs[before, i] if before >= 0 else 0
                if (held == 1 and zone & _NEAR_TOP) or (zone & _TOP and not (held == -1 and zone & _NEAR_BOTTOM)):
                    legs[k, i] = 1
                    sizes[0, k] += 1
                elif short and ((held == -1 and zone & _NEAR_BOTTOM) or zone & _BOTTOM):
                    legs[k, i] = -1
                    sizes[1, k] += 1
            if sizes[0, k] >= least and (not short or sizes[1, k] >= least):
                built[k] = True
                before = k


@kernel
def weight_block(
    zones: FlagArray,
    legs: LegArray,
    chosen: RowArray,
    rows: RowArray,
    caps: FloatArray,
    sectors: IndexArray,
    by_cap: bool,
    groups: int,
    starts: RowArray,
    assets: IndexArray,
    weights: FloatArray,
    start: int,
    stop: int,
) -> None:
    """Weights of each rebalance: share of the sector among those that the leg holds × share of the name in its sector's part."""
    whole, part, total = np.empty(groups), np.empty((2, groups)), np.empty(2)
    for r in range(start, stop):
        k, t = chosen[r], rows[chosen[r]]
        whole[:], part[:], total[:] = 0.0, 0.0, 0.0
        for i in range(zones.shape[1]):
            if zones[k, i]:
                mine, worth = sectors[t, i] if sectors.size else 0, caps[t, i] if by_cap else 1.0
                whole[mine] += worth
                if legs[k, i]:
                    part[0 if legs[k, i] > 0 else 1, mine] += worth
        for leg in range(2):
            for mine in range(groups):
                if part[leg, mine] > 0.0:
                    total[leg] += whole[mine]
        at = starts[r]
        for i in range(zones.shape[1]):
            if legs[k, i]:
                leg = 0 if legs[k, i] > 0 else 1
                mine, worth = sectors[t, i] if sectors.size else 0, caps[t, i] if by_cap else 1.0
                assets[at] = i
                weights[at] = legs[k, i] * (worth / part[leg, mine]) * (whole[mine] / total[leg])
                at += 1
