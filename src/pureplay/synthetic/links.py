"""Structure between firms beyond their products: input edges between products, disclosed links, tender bids and ownership."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.mixes import Mixes
from pureplay.synthetic.settings import BoolArray, FloatArray, IntArray
from pureplay.synthetic.tree import Tree

__all__ = ["Disclosed", "Edges", "Stakes", "able_firms", "draw_disclosed", "draw_edges", "draw_stakes", "link_tables"]

Days = NDArray[np.datetime64]

OTHER_A_NODE: Final = 0.5
EDGE_LEVEL: Final = 3
CORE_LEVEL: Final = 4
SMALLEST_SHARE: Final = 0.05
CHANGES: Final = 0.08
"""Of edges: those that begin, and as many that end, inside the sample."""
DISCLOSED_A_STOCK: Final = 1.2
"""Ongoing links in force a stock, half of them along an input edge."""
PUBLICATIONS: Final = 5.0
"""Mean yearly publications of a link before it lapses."""
BIDS_A_STOCK: Final = 0.12
"""Bids published within two years, a stock."""
OWNERS_A_STOCK: Final = 0.2
HOLDINGS: Final = (2, 6)
STAKES: Final = (0.05, 0.6)
SMALL_STAKES: Final = 0.1
UNSTATED: Final = 0.05
BETWEEN_FIRMS: Final = 0.08
"""Pairs of firms, a stock, of which one holds the other."""
YEAR: Final = 365
FOR_EVER: Final = np.datetime64("NaT", "D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Input edges between nodes of the tree: node numbers, first day, first day after the end (NaT where there is none), whether core."""

    supplier: IntArray
    customer: IntArray
    start: Days
    end: Days
    core: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """Published customer-supplier links by asset number. amount is NaN where it is not stated; bid marks tenders."""

    supplier: IntArray
    customer: IntArray
    publish: Days
    period: Days
    amount: FloatArray
    bid: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """Ownership. owner: asset number, or the number of assets plus the number of an outside owner. stake is NaN where not stated."""

    owner: IntArray
    owned: IntArray
    start: Days
    end: Days
    stake: FloatArray


def able_firms(firms: Firms) -> IntArray:
    """Assets that take part in disclosed links, bids and ownership: those whose issuer has one listing."""
    listings = np.bincount(firms.issuer, minlength=firms.issuers)
    return np.flatnonzero(listings[firms.issuer] == 1)


def draw_edges(rng: np.random.Generator, tree: Tree, mixes: Mixes, days: Days) -> Edges:
    """Edges between nodes from which some issuer earns at least 5 % at mid-sample.

    Core edges join nodes of level 4, each to two or three others. Chains between nested nodes, or between groups of firms that are no deep
    peers of each other, would be more than a correlation matrix can carry. Other edges join any nodes from level 3 on.
    """
    used = _used_nodes(tree, mixes)
    pool = rng.permutation(used[tree.level[used] == min(CORE_LEVEL, int(tree.level.max()))])
    some = pool.size // 4
    core = (np.concatenate([pool, pool[:some]]), np.concatenate([np.roll(pool, -1), pool[2 * some : 3 * some]]))
    other = _draw_pairs(rng, used, round(OTHER_A_NODE * pool.size) if used.size > 1 else 0)
    supplier, customer = np.concatenate([core[0], other[0]]), np.concatenate([core[1], other[1]])
    flipped = rng.random(supplier.size) < 0.5
    supplier, customer = np.where(flipped, customer, supplier), np.where(flipped, supplier, customer)
    start, end = _draw_spans(rng, supplier.size, days, CHANGES)
    # one edge a pair of nodes, the core one
    _, first = np.unique(np.minimum(supplier, customer) * len(tree.code) + np.maximum(supplier, customer), return_index=True)
    at = np.sort(first[(supplier != customer)[first]])
    return Edges(supplier=supplier[at], customer=customer[at], start=start[at], end=end[at], core=at < core[0].size)


def _draw_spans(rng: np.random.Generator, count: int, days: Days, changes: float) -> tuple[Days, Days]:
    """First days, most before the sample, and first days after the end, most of them none."""
    start = days[0] - _span(rng.integers(100, 4000, count))
    chance, inside = rng.random(count), days[np.floor(rng.random(count) * days.size).astype(np.int64)]
    return np.where(chance < changes, inside, start), np.where(chance > 1 - changes, inside, FOR_EVER)


def _used_nodes(tree: Tree, mixes: Mixes) -> IntArray:
    half = mixes.halves // 2
    used = np.zeros(len(tree.code), dtype=np.bool_)
    for slot in range(mixes.share.shape[2]):
        node = mixes.node[mixes.share[:, half, slot] >= SMALLEST_SHARE, half, slot]
        while node.size:
            used[node] = True
            node = tree.parent[node]
            node = node[node >= 0]
    return np.flatnonzero(used & (tree.level >= EDGE_LEVEL))


def draw_disclosed(rng: np.random.Generator, firms: Firms, days: Days, along: tuple[IntArray, IntArray]) -> Disclosed:
    """Ongoing links, half of them drawn from `along` (supplier, customer), published yearly until they lapse; and bids of random pairs.

    Only what is published by the last session, while both are listed, is in the result.
    """
    able = able_firms(firms)
    years = days.size / 243
    count = round(DISCLOSED_A_STOCK * len(firms.asset) * (years + PUBLICATIONS) / (PUBLICATIONS + 1))
    pairs = _draw_pairs(rng, able, count)
    kept = np.isin(along[0], able) & np.isin(along[1], able)
    supplier, customer = along[0][kept], along[1][kept]
    if supplier.size:
        pick, half = rng.integers(0, supplier.size, count), np.arange(count) < count // 2
        pairs = (np.where(half, supplier[pick], pairs[0]), np.where(half, customer[pick], pairs[1]))
    birth = days[-1] - _span(np.floor(rng.random(count) * YEAR * (years + PUBLICATIONS)))
    times = rng.geometric(1 / PUBLICATIONS, count)
    link = np.repeat(np.arange(count), times)
    order = np.arange(link.size) - np.repeat(np.cumsum(times) - times, times)
    publish = birth[link] + _span(YEAR * order + rng.integers(0, 15, link.size))
    bids = round(BIDS_A_STOCK * len(firms.asset) * (years + 2) / 2)
    bidder, target = _draw_pairs(rng, able, bids)
    opened = days[-1] - _span(np.floor(rng.random(bids) * YEAR * (years + 2)))
    value = np.rint(np.exp(18 + rng.standard_normal(link.size + bids)) * 100) / 100
    value[rng.random(value.size) < UNSTATED] = np.nan
    published = np.concatenate([publish, opened])
    found = Disclosed(
        supplier=np.concatenate([pairs[0][link], bidder]),
        customer=np.concatenate([pairs[1][link], target]),
        publish=published,
        period=np.asarray(published.astype("datetime64[Y]").astype("datetime64[D]") - np.timedelta64(1, "D"), dtype="datetime64[D]"),
        amount=value,
        bid=np.arange(value.size) >= link.size,
    )
    return _published(found, firms, days)


def _published(links: Disclosed, firms: Firms, days: Days) -> Disclosed:
    """What appears by the last session while both are listed; each key once."""
    ends = np.append(days, days[-1])[firms.delisted_at]
    keep = links.publish <= days[-1]
    for side in (links.supplier, links.customer):
        keep &= (links.publish >= firms.list_date[side]) & (links.publish <= ends[side])
    key = np.stack([links.supplier, links.customer, links.publish.astype(np.int64), links.bid.astype(np.int64)])
    _, first = np.unique(key, axis=1, return_index=True)
    at = np.sort(first[keep[first]])
    parts = {name: getattr(links, name)[at] for name in ("supplier", "customer", "publish", "period", "amount", "bid")}
    return Disclosed(**parts)


def _draw_pairs(rng: np.random.Generator, able: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """Ordered pairs of distinct assets."""
    one = rng.integers(0, able.size, count)
    two = (one + rng.integers(1, able.size, count)) % able.size
    return able[one], able[two]


def draw_stakes(rng: np.random.Generator, firms: Firms, days: Days) -> Stakes:
    """Outside owners of two to six firms each, and firms that hold another one; no firm is in two groups.

    Groups are closed: whoever is linked through several stakes is linked by one as well, or by an owner in common. The first owner heads
    a control chain (it holds two firms, of which the first holds the second); three firms hold each other in a circle.
    """
    able = rng.permutation(able_firms(firms))
    outside = len(firms.asset)
    circle, rest = able[:3], able[3:]
    wanted = max(1, round(OWNERS_A_STOCK * outside))
    size = rng.integers(HOLDINGS[0], HOLDINGS[1] + 1, wanted)
    pairs = min(max(1, round(BETWEEN_FIRMS * outside)), rest.size // 4)
    fits = np.cumsum(size) <= rest.size - 2 * pairs
    size = size[fits]
    group = np.repeat(np.arange(size.size), size)
    held, free = rest[: group.size], rest[group.size :]
    owner = np.concatenate([outside + group, free[:pairs], circle, held[:1]])
    owned = np.concatenate([held, free[pairs : 2 * pairs], np.roll(circle, -1), held[1:2]])
    lasting = np.arange(owner.size) >= group.size + pairs
    lasting[:2] = True
    start, end = _draw_spans(rng, owner.size, days, 2 * CHANGES)
    start, end = np.where(lasting, np.minimum(start, days[0]), start), np.where(lasting, FOR_EVER, end)
    stake = rng.uniform(*STAKES, owner.size)
    small, unstated = rng.random(owner.size) < SMALL_STAKES, rng.random(owner.size) < UNSTATED
    stake = np.where(small & ~lasting, stake * 0.08, np.where(unstated & ~lasting, np.nan, stake))
    return Stakes(
        owner=owner,
        owned=owned,
        start=np.maximum(start, firms.list_date[owned]),
        end=end,
        stake=np.where(lasting, np.maximum(stake, 0.4), np.rint(stake * 1e4) / 1e4),
    )


def _span(count: IntArray | FloatArray) -> NDArray[np.timedelta64]:
    return np.asarray(count).astype("timedelta64[D]")


def link_tables(tree: Tree, firms: Firms, edges: Edges, disclosed: Disclosed, stakes: Stakes) -> dict[str, pl.DataFrame]:
    """Canonical supply_edges, disclosed_links and affiliates."""
    code, asset = np.array(tree.code), np.array(firms.asset)
    outside = np.maximum(stakes.owner - asset.size, 0)
    names = np.where(
        stakes.owner < asset.size, asset[np.minimum(stakes.owner, asset.size - 1)], [f"H{each + 1:05d}" for each in outside.tolist()]
    )
    edge = pl.DataFrame(
        {
            "supplier_product": code[edges.supplier],
            "customer_product": code[edges.customer],
            "start_date": _dates(edges.start),
            "end_date": _dates(edges.end),
            "is_core": edges.core,
        }
    )
    link = pl.DataFrame(
        {
            "supplier": asset[disclosed.supplier],
            "customer": asset[disclosed.customer],
            "publish_date": _dates(disclosed.publish),
            "period_end": _dates(disclosed.period),
            "amount": pl.Series(disclosed.amount).fill_nan(None),
            "kind": np.where(disclosed.bid, "bid", "ongoing"),
        }
    )
    stake = pl.DataFrame(
        {
            "owner": names,
            "owned": asset[stakes.owned],
            "start_date": _dates(stakes.start),
            "end_date": _dates(stakes.end),
            "stake": pl.Series(stakes.stake).fill_nan(None),
            "kind": ["ownership"] * stakes.owner.size,
        }
    )
    known = (pl.col("end_date").is_null()) | (pl.col("end_date") > pl.col("start_date"))
    return {
        "supply_edges": edge.sort("supplier_product", "customer_product", "start_date"),
        "disclosed_links": link.sort("supplier", "customer", "publish_date", "kind"),
        "affiliates": stake.filter(known).sort("owner", "owned", "start_date"),
    }


def _dates(days: Days) -> pl.Series:
    return pl.Series(days.astype("datetime64[D]"), dtype=pl.Date) if days.size else pl.Series([], dtype=pl.Date)
