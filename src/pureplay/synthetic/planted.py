"""Which pairs a point-in-time graph can see as linked, month by month, and how much correlation is planted on them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.links import SMALLEST_SHARE, Disclosed, Edges, Stakes
from pureplay.synthetic.settings import BoolArray, FloatArray, IntArray
from pureplay.synthetic.tree import Tree

__all__ = ["PLANTED", "Lit", "Members", "Months", "chain_pairs", "distinct", "in_force_members", "light", "split_months"]

Days = NDArray[np.datetime64]

PLANTED: Final = {"product_peer": 0.08, "deep_peer": 0.11, "chain": 0.05, "disclosed": 0.03, "affiliate": 0.015, "bid": 0.03}
"""Added to the correlation of total returns by each link; bids add in the first half of the sample and take away in the second."""
PEER_DEPTH: Final = 2
DEEP_DEPTH: Final = 4
BUFFER: Final = "30d"
STALE: Final = "18mo"
DISCLOSED: Final = "2y"


@dataclass(frozen=True, slots=True, kw_only=True)
class Months:
    """Calendar months of the sample. of: month of each session; opens: first session of each month.

    known: day whose knowledge lights the month, which is the last session before it (the first session, for the first month).
    """

    of: IntArray
    opens: IntArray
    known: Days

    @property
    def later(self) -> BoolArray:
        """Months that begin in the second half of the sample."""
        return np.asarray(2 * self.opens >= self.of.size)


def split_months(days: Days) -> Months:
    """Months of the sessions."""
    month = days.astype("datetime64[M]")
    fresh = np.concatenate([[True], month[1:] != month[:-1]])
    opens = np.flatnonzero(fresh)
    return Months(of=np.cumsum(fresh) - 1, opens=opens, known=days[np.maximum(opens - 1, 0)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Firms by product node at one time: the members of node k are asset[start[k]:start[k + 1]]."""

    asset: IntArray
    start: IntArray

    def cross(self, left: IntArray, right: IntArray) -> tuple[IntArray, IntArray]:
        """Every pair (member of left[k], member of right[k])."""
        n, m = self.start[left + 1] - self.start[left], self.start[right + 1] - self.start[right]
        count = n * m
        row = np.repeat(np.arange(left.size), count)
        place = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
        return self.asset[self.start[left][row] + place // m[row]], self.asset[self.start[right][row] + place % m[row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lit:
    """Linked pairs by month. pairs: of each month, lamp -> sorted keys a * assets + b with a < b; members: product groups of each month."""

    assets: int
    months: Months
    pairs: list[dict[str, IntArray]]
    members: list[Members]

    def runs(self, firms: Firms, days: Days) -> pl.DataFrame:
        """Runs of months in which a pair is linked: a, b, start_date, end_date (first day after the run, null at the end), lamp."""
        asset = np.array(firms.asset)
        opens = np.append(days[self.months.opens], np.datetime64("NaT", "D"))
        frames = []
        for lamp in PLANTED:
            key = np.concatenate([month[lamp] for month in self.pairs])
            month = np.repeat(np.arange(len(self.pairs)), [each[lamp].size for each in self.pairs])
            order = np.lexsort((month, key))
            key, month = key[order], month[order]
            fresh = np.ones(key.size, dtype=np.bool_)
            fresh[1:] = (key[1:] != key[:-1]) | (month[1:] != month[:-1] + 1)
            first = np.flatnonzero(fresh)
            last = np.append(first[1:], key.size)[: first.size] - 1
            frames.append(
                pl.DataFrame(
                    {
                        "a": asset[key[first] // self.assets],
                        "b": asset[key[first] % self.assets],
                        "start_date": pl.Series(opens[month[first]].astype("datetime64[D]")).cast(pl.Date),
                        "end_date": pl.Series(opens[month[last] + 1].astype("datetime64[D]")).cast(pl.Date),
                        "lamp": [lamp] * first.size,
                    },
                    schema_overrides={"a": pl.String, "b": pl.String, "lamp": pl.String},
                )
            )
        return pl.concat(frames).sort("lamp", "a", "b", "start_date")


class _Reports:
    """Reports with the nodes of level 2 and deeper from which each earns at least 5 %, in ascending priority."""

    def __init__(self, filings: pl.DataFrame, segments: pl.DataFrame, tree: Tree, firms: Firms) -> None:
        key = ["asset", "period_end", "revision"]
        number = pl.DataFrame({"asset": firms.asset, "_asset": np.arange(len(firms.asset))})
        ranked = filings.sort("period_end", "publish_date", "revision", "asset").with_row_index("_filing").join(number, on="asset")
        ranked = ranked.sort("_filing")
        self.asset = ranked["_asset"].to_numpy().astype(np.int64)
        dated = ranked.select(usable=pl.col("publish_date").dt.offset_by(BUFFER), expiry=pl.col("publish_date").dt.offset_by(STALE))
        self.usable, self.expiry = (dated[name].to_numpy().astype("datetime64[D]") for name in ("usable", "expiry"))
        codes = pl.DataFrame({"product": tree.code, "_node": np.arange(len(tree.code))})
        lines = segments.join(codes, on="product").join(ranked.select(*key, "_filing", "total_revenue"), on=key)
        share = (lines["revenue"] / lines["total_revenue"]).to_numpy()
        self.filing, self.node = _above(tree, lines["_filing"].to_numpy().astype(np.int64), lines["_node"].to_numpy(), share)
        self._nodes = len(tree.code)

    def members(self, assets: int, day: np.datetime64) -> Members:
        """Groups by node according to the report in use on a day."""
        usable = np.flatnonzero((self.usable <= day) & (day < self.expiry))
        active = np.full(assets, -1, dtype=np.int64)
        # the last of repeated indices stays: the one of highest priority
        active[self.asset[usable]] = usable
        said = active[self.asset[self.filing]] == self.filing
        node, asset = self.node[said], self.asset[self.filing[said]]
        order = np.lexsort((asset, node))
        start = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=self._nodes))])
        return Members(asset=asset[order], start=start.astype(np.int64))


def _above(tree: Tree, filing: IntArray, node: IntArray, share: FloatArray) -> tuple[IntArray, IntArray]:
    """(filing, node) with at least 5 % of revenue at or below the node, for nodes of level 2 and deeper."""
    size, parts = len(tree.code), []
    while filing.size:
        parts.append((filing * size + node, share))
        up = tree.level[node] > PEER_DEPTH
        filing, node, share = filing[up], tree.parent[node[up]], share[up]
    key, row = np.unique(np.concatenate([each[0] for each in parts]), return_inverse=True)
    total = np.bincount(row, weights=np.concatenate([each[1] for each in parts]))
    kept = key[(total >= SMALLEST_SHARE - 1e-12) & (tree.level[key % size] >= PEER_DEPTH)]
    return kept // size, kept % size


def in_force_members(filings: pl.DataFrame, segments: pl.DataFrame, tree: Tree, firms: Firms, known: Days) -> list[Members]:
    """Groups of firms by product node as reports in use on each day tell: usable after 30 days, stale after 18 months."""
    reports = _Reports(filings, segments, tree, firms)
    return [reports.members(len(firms.asset), day) for day in known]


def chain_pairs(members: Members, edges: Edges, day: np.datetime64) -> tuple[IntArray, IntArray]:
    """(supplier, customer) assets joined by a core edge that holds on a day; a pair can appear more than once."""
    held = edges.core & (edges.start <= day) & (np.isnat(edges.end) | (day < edges.end))
    return members.cross(edges.supplier[held], edges.customer[held])


def light(months: Months, members: list[Members], edges: Edges, disclosed: Disclosed, stakes: Stakes, tree: Tree, firms: Firms) -> Lit:
    """Linked pairs of every month among stocks listed at some time in it; pairs of one issuer are never linked."""
    assets = len(firms.asset)
    until = pl.Series(disclosed.publish).cast(pl.Date).dt.offset_by(DISCLOSED).to_numpy().astype("datetime64[D]")
    levels = [np.flatnonzero(tree.level == depth) for depth in (PEER_DEPTH, min(DEEP_DEPTH, int(tree.level.max())))]
    last = np.append(months.opens[1:], months.of.size) - 1
    pairs = []
    for month, day in enumerate(months.known):
        alive = (firms.listed_at <= last[month]) & (firms.delisted_at >= months.opens[month])
        fresh = (disclosed.publish <= day) & (day < until)
        ongoing, bid = fresh & ~disclosed.bid, fresh & disclosed.bid
        found = {
            "product_peer": members[month].cross(levels[0], levels[0]),
            "deep_peer": members[month].cross(levels[1], levels[1]),
            "chain": chain_pairs(members[month], edges, day),
            "disclosed": (disclosed.supplier[ongoing], disclosed.customer[ongoing]),
            "affiliate": _affiliates(stakes, day, assets),
            "bid": (disclosed.supplier[bid], disclosed.customer[bid]),
        }
        pairs.append({lamp: _keys(*each, firms, alive) for lamp, each in found.items()})
    return Lit(assets=assets, months=months, pairs=pairs, members=members)


def _affiliates(stakes: Stakes, day: np.datetime64, assets: int) -> tuple[IntArray, IntArray]:
    """Firms of which one holds the other, and firms with an owner in common."""
    held = (stakes.start <= day) & (np.isnat(stakes.end) | (day < stakes.end)) & ~(stakes.stake < SMALLEST_SHARE)
    owner, owned = stakes.owner[held], stakes.owned[held]
    order = np.argsort(owner, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=1))])
    every = np.arange(start.size - 1)
    common = Members(asset=owned[order], start=start.astype(np.int64)).cross(every, every)
    firm = owner < assets
    return np.concatenate([owner[firm], common[0]]), np.concatenate([owned[firm], common[1]])


def _keys(a: IntArray, b: IntArray, firms: Firms, alive: BoolArray) -> IntArray:
    kept = alive[a] & alive[b] & (firms.issuer[a] != firms.issuer[b])
    return distinct(np.minimum(a, b)[kept] * alive.size + np.maximum(a, b)[kept])


def distinct(values: IntArray) -> IntArray:
    """Sorted values, each once; faster here than numpy's hashing."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if ordered.size else ordered
