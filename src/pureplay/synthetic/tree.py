"""The product tree: irregular in depth, some leaves shallow, some top nodes leaves themselves."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from pureplay.synthetic.settings import FULL_SIZE_PRODUCTS, FloatArray, IntArray

__all__ = ["Tree", "grow_tree", "taxonomy_table"]

FULL_SIZE_TOPS: Final = 31
GROWTH: Final = ((2, 0.85, 2.6), (3, 0.45, 1.8), (4, 0.36, 1.5), (5, 0.30, 1.5), (6, 0.26, 1.5), (7, 0.24, 1.5), (8, 0.20, 1.5))
"""(level, chance that a node has children, mean number beyond the first): about 17 nodes a product, nine levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Nodes in order of level. A `unit` is what earns one product shock: a level-2 node, or a level-1 node that is a leaf.

    unit: unit of each node, -1 for an inner level-1 node; top: level-1 ancestor of each unit.
    leaves, nodes: node numbers grouped by unit; the group of unit u is [start[u], start[u + 1]).
    """

    code: list[str]
    parent: IntArray
    level: IntArray
    unit: IntArray
    unit_node: IntArray
    top: IntArray
    inner_tops: IntArray
    leaves: IntArray
    leaf_start: IntArray
    nodes: IntArray
    node_start: IntArray

    def draw_leaf(self, unit: IntArray, chance: FloatArray) -> IntArray:
        """Leaf below each unit that a uniform number in [0, 1) points at."""
        return _pick(self.leaves, self.leaf_start, unit, chance)

    def draw_node(self, unit: IntArray, chance: FloatArray) -> IntArray:
        """Node at or below each unit that a uniform number in [0, 1) points at."""
        return _pick(self.nodes, self.node_start, unit, chance)

    def leaf_count(self, unit: IntArray) -> IntArray:
        """Number of leaves at or below each unit."""
        return self.leaf_start[unit + 1] - self.leaf_start[unit]


def _pick(members: IntArray, start: IntArray, unit: IntArray, chance: FloatArray) -> IntArray:
    size = start[unit + 1] - start[unit]
    return members[start[unit] + (chance * size).astype(np.int64)]


def grow_tree(rng: np.random.Generator, products: int) -> Tree:
    """Grow a tree with `products` level-2 nodes."""
    tops = max(4, round(FULL_SIZE_TOPS * (products / FULL_SIZE_PRODUCTS) ** 0.5))
    inner = tops - max(1, tops // 10)
    shares = rng.dirichlet(np.full(inner, 3.0))
    owner = np.sort(np.concatenate([np.arange(inner), rng.choice(inner, products - inner, p=shares)]))
    parents, levels = [np.full(tops, -1), owner], [np.full(tops, 1), np.full(products, 2)]
    frontier = tops + np.arange(products)
    total = tops + products
    for level, chance, extra in GROWTH:
        children = np.where(rng.random(frontier.size) < chance, 1 + rng.poisson(extra, frontier.size), 0)
        parents.append(np.repeat(frontier, children))
        levels.append(np.full(children.sum(), level + 1))
        frontier = total + np.arange(children.sum())
        total += frontier.size
    return _index_tree(np.concatenate(parents).astype(np.int64), np.concatenate(levels).astype(np.int64), inner, tops)


def _index_tree(parent: IntArray, level: IntArray, inner: int, tops: int) -> Tree:
    products = int((level == 2).sum())
    unit = np.full(parent.size, -1, dtype=np.int64)
    unit[inner:tops] = products + np.arange(tops - inner)
    unit[tops : tops + products] = np.arange(products)
    for depth in range(3, int(level.max()) + 1):
        at = level == depth
        unit[at] = unit[parent[at]]
    is_leaf = np.ones(parent.size, dtype=np.bool_)
    is_leaf[parent[parent >= 0]] = False
    leaves, leaf_start = _group(np.flatnonzero(is_leaf & (unit >= 0)), unit, products + tops - inner)
    nodes, node_start = _group(np.flatnonzero(unit >= 0), unit, products + tops - inner)
    unit_node = np.concatenate([tops + np.arange(products), np.arange(inner, tops)])
    top = np.where(level[unit_node] == 1, unit_node, parent[unit_node])
    return Tree(
        code=_code_nodes(parent),
        parent=parent,
        level=level,
        unit=unit,
        unit_node=unit_node,
        top=top,
        inner_tops=np.arange(inner),
        leaves=leaves,
        leaf_start=leaf_start,
        nodes=nodes,
        node_start=node_start,
    )


def _group(members: IntArray, unit: IntArray, units: int) -> tuple[IntArray, IntArray]:
    ordered = members[np.argsort(unit[members], kind="stable")]
    start = np.concatenate([[0], np.cumsum(np.bincount(unit[members], minlength=units))])
    return ordered, start.astype(np.int64)


def _code_nodes(parent: IntArray) -> list[str]:
    codes: list[str] = []
    born: dict[int, int] = {}
    for above in parent.tolist():
        order = born[above] = born.get(above, 0) + 1
        codes.append(f"P{order:02d}" if above < 0 else f"{codes[above]}.{order:02d}")
    return codes


def taxonomy_table(tree: Tree, start: dict[int, np.datetime64], end: dict[int, np.datetime64]) -> pl.DataFrame:
    """Canonical taxonomy, with the dates of the few nodes that are born or retired."""
    size = len(tree.code)
    return pl.DataFrame(
        {
            "product": tree.code,
            "parent": [None if above < 0 else tree.code[above] for above in tree.parent.tolist()],
            "name_en": [f"Product {code[1:]}" for code in tree.code],
            "name_zh": [f"产品 {code[1:]}" for code in tree.code],
            "start_date": pl.Series([_day(start.get(node)) for node in range(size)], dtype=pl.Date),
            "end_date": pl.Series([_day(end.get(node)) for node in range(size)], dtype=pl.Date),
        }
    ).sort("product")


def _day(value: np.datetime64 | None) -> object:
    return None if value is None else value.astype("datetime64[D]").item()
