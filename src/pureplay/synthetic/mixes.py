"""What each issuer truly sells: up to four product slots an issuer, half-year by half-year."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pureplay.synthetic.settings import BoolArray, FloatArray, IntArray
from pureplay.synthetic.tree import Tree

__all__ = ["Mixes", "draw_mixes", "half_of"]

SLOTS: Final = 4
DOMINANT: Final = 0.875
"""Issuers drawn with one product well above half; two leaves of one product lift a few more, to about 90 % of filings."""
CHANGES_A_YEAR: Final = 0.006
HISTORY_DAYS: Final = 913
"""Two years of filings and the longest statutory lag before the first session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixes:
    """True mixes, shaped (issuer, half-year, slot); empty slots have share 0 and repeat the node of slot 0.

    first_year: year of half-year 0 (January to June). start, end: dates of the nodes that are born or retired.
    """

    first_year: int
    unit: IntArray
    node: IntArray
    share: FloatArray
    start: dict[int, np.datetime64]
    end: dict[int, np.datetime64]

    @property
    def halves(self) -> int:
        """Number of half-years covered."""
        return int(self.share.shape[1])

    def main_unit(self) -> IntArray:
        """Largest unit of each issuer and half-year; slots of the same unit are added up."""
        same = self.unit[:, :, :, None] == self.unit[:, :, None, :]
        total = (same * self.share[:, :, None, :]).sum(axis=3)
        best = total.argmax(axis=2)
        found: IntArray = np.take_along_axis(self.unit, best[:, :, None], axis=2)[:, :, 0]
        return found


def half_of(days: NDArray[np.datetime64], first_year: int) -> IntArray:
    """Number of the half-year in which each day falls, counted from January of `first_year`."""
    months = days.astype("datetime64[M]").astype(np.int64)
    return (months - (first_year - 1970) * 12) // 6


def draw_mixes(rng: np.random.Generator, tree: Tree, issuers: int, days: NDArray[np.datetime64]) -> Mixes:
    """Draw products, nodes and slowly drifting shares of every issuer."""
    first_year = int((days[0] - np.timedelta64(HISTORY_DAYS, "D")).astype("datetime64[Y]").astype(np.int64)) + 1970
    years = int(days[-1].astype("datetime64[Y]").astype(np.int64)) + 1970 - first_year + 1
    unit, leaf_pair = _draw_units(rng, tree, issuers)
    node = _draw_nodes(rng, tree, unit, leaf_pair)
    share = _draw_shares(rng, issuers, 2 * years)
    used = share[:, 0, :] > 0
    unit, node = np.where(used, unit, unit[:, :1]), np.where(used, node, node[:, :1])
    units, nodes = np.repeat(unit[:, None, :], 2 * years, axis=1), np.repeat(node[:, None, :], 2 * years, axis=1)
    changed = _change_business(rng, tree, units, nodes, used)
    start, end = _date_nodes(rng, tree, units, nodes, changed, first_year)
    return Mixes(first_year=first_year, unit=units, node=nodes, share=share, start=start, end=end)


def _draw_units(rng: np.random.Generator, tree: Tree, issuers: int) -> tuple[IntArray, BoolArray]:
    count = tree.unit_node.size
    weight = np.exp(0.45 * rng.standard_normal(count))
    main = rng.choice(count, issuers, p=weight / weight.sum())
    unit = np.empty((issuers, SLOTS), dtype=np.int64)
    unit[:, 0] = main
    near = (main[:, None] + rng.integers(1, max(2, min(9, count)), (issuers, SLOTS - 1))) % count
    far = rng.integers(0, count, (issuers, SLOTS - 1))
    unit[:, 1:] = np.where(rng.random((issuers, SLOTS - 1)) < 0.6, near, far)
    leaf_pair = (rng.random(issuers) < 0.3) & (tree.leaf_count(main) >= 2)
    unit[leaf_pair, 1] = main[leaf_pair]
    # At least eight products, so at most four shifts make four slots distinct.
    for slot in range(1, SLOTS):
        for _ in range(SLOTS):
            clash = (unit[:, slot, None] == unit[:, :slot]).any(axis=1)
            if slot == 1:
                clash &= ~leaf_pair
            unit[clash, slot] = (unit[clash, slot] + 1) % count
    return unit, leaf_pair


def _draw_nodes(rng: np.random.Generator, tree: Tree, unit: IntArray, leaf_pair: BoolArray) -> IntArray:
    chance = rng.random(unit.shape)
    deep, any_node = tree.draw_leaf(unit, chance), tree.draw_node(unit, chance)
    node = np.where(rng.random(unit.shape) < 0.7, deep, any_node)
    # Two slots of one product are two different leaves: an inner node could be the other's parent.
    size = tree.leaf_count(unit[:, 0])
    first = (chance[:, 0] * size).astype(np.int64)
    second = (first + 1 + (chance[:, 1] * np.maximum(size - 1, 1)).astype(np.int64)) % size
    start = tree.leaf_start[unit[:, 0]]
    node[leaf_pair, 0] = tree.leaves[start + first][leaf_pair]
    node[leaf_pair, 1] = tree.leaves[start + second][leaf_pair]
    return node


def _draw_shares(rng: np.random.Generator, issuers: int, halves: int) -> FloatArray:
    dominant = rng.random(issuers) < DOMINANT
    slots = np.where(dominant, rng.integers(1, SLOTS + 1, issuers), rng.integers(3, SLOTS + 1, issuers))
    on = np.arange(SLOTS)[None, :] < slots[:, None]
    rest = rng.dirichlet(np.full(SLOTS - 1, 2.0), issuers) * on[:, 1:]
    rest /= np.maximum(rest.sum(axis=1, keepdims=True), 1e-12)
    main = np.where(slots == 1, 1.0, rng.uniform(0.66, 0.98, issuers))
    base = np.concatenate([main[:, None], (1 - main)[:, None] * rest], axis=1)
    even = (0.8 + 0.4 * rng.random((issuers, SLOTS))) * on
    base = np.where(dominant[:, None], base, even / even.sum(axis=1, keepdims=True))
    steps = 0.06 * rng.standard_normal((issuers, halves, SLOTS))
    weight = base[:, None, :] * np.exp(np.cumsum(steps, axis=1))
    shares: FloatArray = weight / weight.sum(axis=2, keepdims=True)
    return shares


def _change_business(rng: np.random.Generator, tree: Tree, unit: IntArray, node: IntArray, used: BoolArray) -> BoolArray:
    """Give a few issuers a new main product from the start of some fiscal year; changes `unit` and `node` in place."""
    issuers, halves = _extent(unit)
    years = halves // 2
    changed = rng.random(issuers) < CHANGES_A_YEAR * years
    year = rng.integers(1, max(years, 2), issuers)
    fresh = rng.integers(0, tree.unit_node.size, issuers)
    leaf = tree.draw_leaf(fresh, rng.random(issuers))
    clash = (fresh[:, None] == unit[:, 0, :]).any(axis=1)
    changed &= ~clash
    when: BoolArray = changed[:, None] & (np.arange(halves)[None, :] >= 2 * year[:, None])
    slots = np.concatenate([np.ones((issuers, 1), dtype=np.bool_), ~used[:, 1:]], axis=1)
    # Empty slots repeat slot 0, so they follow it.
    where = when[:, :, None] & slots[:, None, :]
    unit[where] = np.broadcast_to(fresh[:, None, None], unit.shape)[where]
    node[where] = np.broadcast_to(leaf[:, None, None], node.shape)[where]
    return changed


def _extent(cells: IntArray) -> tuple[int, int]:
    return int(cells.shape[0]), int(cells.shape[1])


def _date_nodes(
    rng: np.random.Generator, tree: Tree, unit: IntArray, node: IntArray, changed: BoolArray, first_year: int
) -> tuple[dict[int, np.datetime64], dict[int, np.datetime64]]:
    """Let a few leaves be born or retired; their only issuer moves between them and a sibling. Changes `node` in place."""
    halves = node.shape[1]
    years = halves // 2
    wanted = max(2, tree.unit_node.size // 20)
    users = np.bincount(node.reshape(-1), minlength=len(tree.code))
    start: dict[int, np.datetime64] = {}
    end: dict[int, np.datetime64] = {}
    for issuer in rng.permutation(np.flatnonzero(~changed)).tolist():
        if len(start) >= wanted and len(end) >= wanted:
            break
        old, which = int(node[issuer, 0, 0]), int(unit[issuer, 0, 0])
        siblings = tree.leaves[tree.leaf_start[which] : tree.leaf_start[which + 1]]
        spare = siblings[users[siblings] == 0]
        # Retiring needs `old` to be nobody else's; a shared leaf can still be left for a new one.
        own = users[old] == int((node[issuer] == old).sum())
        if old not in siblings or spare.size == 0 or (len(start) >= wanted and not own):
            continue
        year = first_year + int(rng.integers(3, max(4, years - 1)))
        fresh = int(spare[int(rng.integers(spare.size))])
        if own and len(end) < wanted and len(end) <= len(start):
            # A year's grace: reports of the last fiscal year appear, late ones included, before the node ends.
            end[old] = np.datetime64(f"{year}-12-31")
        elif len(start) < wanted:
            start[fresh] = np.datetime64(f"{year}-01-01")
        else:
            continue
        later = node[issuer, 2 * (year - first_year) :]
        later[later == old] = fresh
        users[fresh] += 1
        users[old] += 1
    return start, end
