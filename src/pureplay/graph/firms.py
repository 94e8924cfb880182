"""In which nodes of the product tree every firm is, session by session, and what it reports there."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.graph.lists import Int64Array, Lists, expand, lists_of
from pureplay.graph.settings import GraphSettings
from pureplay.panel import Axes, BoolArray, FloatArray, IndexArray
from pureplay.products.mix import SHARE_TOLERANCE, Mix, filed_lines, industry_mix, revenue_mix
from pureplay.products.taxonomy import Taxonomy
from pureplay.schemas import UNMAPPED

__all__ = ["Filed", "Firms", "IndustryTree", "ProductTree", "begun", "known_nodes", "load_industries", "load_products"]

_NEVER: Final = np.datetime64("9999-12-31")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firms:
    """One session. nodes: the nodes that each firm is in, with their depth. mapped: firms with an entry in the tree.

    deepest: depth of the deepest node in force.
    """

    nodes: Lists
    mapped: BoolArray
    deepest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """Shares of total revenue by filing: filing f covers entries offsets[f]:offsets[f + 1], in ascending order of node number."""

    offsets: Int64Array
    node: Int64Array
    share: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductTree:
    """The product tree and what firms file in it.

    tree: a node counts from the day on which it and all nodes above it have begun; first, last: its sessions. below: at or below each
    node; reported: at the very node of the line. active: block (sessions, assets), number of the filing in use, -1 where there is
    none. filings: one level of the mix, for the dates of each filing. names: of the nodes, empty where the table has none.
    least: smallest share of revenue that puts a firm in a node.
    """

    tree: Taxonomy
    first: Int64Array
    last: Int64Array
    below: Filed
    reported: Filed
    filings: Mix
    names: tuple[str, ...]
    least: float

    @property
    def active(self) -> IndexArray:
        """Number of the filing in use of each session and asset."""
        return self.filings.active

    def in_force(self, row: int) -> BoolArray:
        """Nodes that count on a session."""
        return np.asarray((self.first <= row) & (row <= self.last))

    def shares(self, row: int, filed: Filed) -> Lists:
        """Shares of each firm by node in force, from its active filing."""
        active = self.active[row].astype(np.int64)
        having = np.flatnonzero(active >= 0)
        entry, place = expand(filed.offsets, active[having])
        node = filed.node[entry]
        keep = self.in_force(row)[node]
        firms, width = active.size, len(self.tree.products)
        return lists_of(having[place][keep], node[keep], filed.share[entry][keep], firms=firms, width=width)

    def at(self, row: int) -> Firms:
        """Who is in which node on a session: at least the least share of total revenue at or below it."""
        every = self.shares(row, self.below)
        nodes = every.where(every.values >= self.least - SHARE_TOLERANCE)
        known = self.tree.level[self.in_force(row)]
        return Firms(
            nodes=replace(nodes, values=self.tree.level[nodes.keys].astype(np.float64)),
            mapped=np.diff(every.starts) > 0,
            deepest=int(known.max(initial=0)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndustryTree:
    """Industry schemes from coarse to fine as a tree: a node is a label together with those above it. None: no such scheme (yet)."""

    schemes: tuple[str, ...]
    mixes: tuple[Mix | None, ...]

    def labels(self, row: int, assets: int) -> list[Int64Array]:
        """Group number of every asset by scheme, -1 where it has no label there or none at a level above."""
        out = []
        there = np.ones(assets, dtype=np.bool_)
        for mix in self.mixes:
            label = np.full(assets, -1, dtype=np.int64)
            if mix is not None and mix.asset.size:
                active = mix.active[row]
                label = np.where(active >= 0, mix.group[np.maximum(active, 0)], -1).astype(np.int64)
            there = there & (label >= 0)
            out.append(np.where(there, label, -1))
        return out

    def at(self, row: int, assets: int) -> Firms:
        """Every stock at the node of its labels of the day, down to the first level without a label."""
        path = np.zeros(assets, dtype=np.int64)
        firm, keys, values = [], [], []
        width = 0
        labels = self.labels(row, assets)
        for depth, label in enumerate(labels, start=1):
            there = np.flatnonzero(label >= 0)
            known, number = np.unique(path[there] * (label.max(initial=0) + 1) + label[there], return_inverse=True)
            path[there] = number + width
            width += known.size
            firm.append(there)
            keys.append(path[there])
            values.append(np.full(there.size, float(depth)))
        who = np.concatenate(firm)
        order = np.argsort(who, kind="stable")
        nodes = lists_of(who[order], np.concatenate(keys)[order], np.concatenate(values)[order], firms=assets, width=width)
        return Firms(nodes=nodes, mapped=labels[0] >= 0, deepest=len(self.schemes))


def load_products(data: Dataset, axes: Axes, settings: GraphSettings) -> ProductTree:
    """Tree and filings of a dataset that has segments and a taxonomy."""
    table = data.frame("taxonomy").sort("product")
    tree = begun(Taxonomy.from_table(table), table)
    lines = known_nodes(filed_lines(data), tree)
    buffer, stale = settings.buffer_days, settings.stale_months
    every = replace(tree, leaf_until=np.full(len(tree.products), _NEVER))  # so that each node speaks for itself
    reported = revenue_mix(lines, every, axes, level="leaf", buffer_days=buffer, stale_months=stale)
    above = _filed(revenue_mix(lines, tree, axes, level="leaf", above=True, buffer_days=buffer, stale_months=stale), tree)
    first, last = tree.in_force(None, axes.sessions.dates)
    label = next((name for name in ("name_en", "name_zh") if name in table.columns), None)
    return ProductTree(
        tree=tree,
        first=first,
        last=last,
        below=_joined(_filed(reported, tree), above, tree),
        reported=_filed(reported, tree),
        filings=reported,
        names=() if label is None else tuple(table[label].fill_null("")),
        least=settings.min_share,
    )


def load_industries(data: Dataset, axes: Axes, schemes: tuple[str, ...]) -> IndustryTree:
    """Labels of a dataset that has industries; a scheme that the table lacks gives no label."""
    known = set(data.frame("industries", ["scheme"])["scheme"].unique())
    return IndustryTree(schemes=schemes, mixes=tuple(industry_mix(data, axes, each) if each in known else None for each in schemes))


def begun(tree: Taxonomy, table: pl.DataFrame) -> Taxonomy:
    """The tree with each node starting no earlier than those above it; one whose parent the table lacks never starts.

    A parent that is yet to come is not in the table as it was known before, so its children hung in the air.
    """
    lost = (table["parent"].is_not_null() & ~table["parent"].is_in(table["product"].implode())).to_numpy()
    start = np.where(lost, _NEVER, tree.start)
    for depth in range(2, int(tree.level.max(initial=1)) + 1):
        node = np.flatnonzero(tree.level == depth)
        start[node] = np.maximum(start[node], start[tree.parent[node]])
    return replace(tree, start=start)


def known_nodes(lines: pl.DataFrame, tree: Taxonomy) -> pl.DataFrame:
    """Lines with revenue at nodes that had not begun when the filing came out counted in the total only."""
    begins = pl.DataFrame({"product": pl.Series(tree.products, dtype=pl.String), "_begins": pl.Series(tree.start).cast(pl.Date)})
    early = (pl.col("_begins") > pl.col("publish_date")).fill_null(False)
    marked = lines.join(begins, on="product", how="left", maintain_order="left")
    return marked.with_columns(product=pl.when(early).then(pl.lit(UNMAPPED)).otherwise("product")).drop("_begins")


def _filed(mix: Mix, tree: Taxonomy) -> Filed:
    place = {name: number for number, name in enumerate(tree.products)}
    number = np.array([place[name] for name in mix.groups], dtype=np.int64)
    return Filed(offsets=mix.offsets, node=number[mix.group], share=mix.share)


def _joined(reported: Filed, above: Filed, tree: Taxonomy) -> Filed:
    """Leaves from what is reported there, inner nodes from the sums over everything below them."""
    leaf = np.ones(len(tree.products), dtype=np.bool_)
    leaf[tree.parent[tree.parent >= 0]] = False
    count = reported.offsets.size - 1
    number = np.arange(count, dtype=np.int64)
    keep = leaf[reported.node]
    filing = np.concatenate([np.repeat(number, np.diff(reported.offsets))[keep], np.repeat(number, np.diff(above.offsets))])
    node = np.concatenate([reported.node[keep], above.node])
    share = np.concatenate([reported.share[keep], above.share])
    order = np.lexsort((node, filing))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(filing, minlength=count))]).astype(np.int64)
    return Filed(offsets=offsets, node=node[order], share=share[order])
