"""Articles that name stocks: topics, linked firms, chance, bursts and lists; drawn apart from returns."""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.links import Disclosed
from pureplay.synthetic.planted import DEEP_DEPTH, PEER_DEPTH, Lit, Members
from pureplay.synthetic.settings import FloatArray, IntArray
from pureplay.synthetic.tree import Tree

__all__ = ["mentions_table"]

Days = NDArray[np.datetime64]

PAIRS_A_STOCK: Final = 10.0
"""Pairs that the articles of 90 days name, a listed stock."""
SHARE: Final = {"chain": 0.19, "noise": 0.30}
"""Of these pairs, those that articles on input edges and on random names bring."""
TOPICS: Final = {PEER_DEPTH: 0.06, DEEP_DEPTH: 0.42}
"""Articles a month and member of a product node, on nodes of each depth."""
LINKED: Final = {"disclosed": 0.7, "affiliate": 0.7, "bid": 0.7}
"""Articles a month on each such pair."""
TENDERS: Final = 0.4
"""Articles a month on each tender bid, of kind "tender"."""
WINDOW_MONTHS: Final = 3.0
TOPIC_NAMES: Final = (2, 6)
MOST_LISTED: Final = 60
LEAST_LISTED: Final = 21
LISTS_A_STOCK: Final = 0.005
SINGLES_A_STOCK: Final = 0.4
BURSTS: Final = 0.08
"""Of articles: those that are repeated on one to four of the following days."""
LARGE: Final = 0.35
"""Power of the first market value by which random names are drawn."""
BID_YEARS: Final = 2
WINDOW: Final = 92
SOURCES: Final = ("wire", "daily", "portal", "journal")
ZONE: Final = np.timedelta64(8, "h")
MINUTES: Final = 1440

Names = IntArray
"""Asset numbers of (articles, places); -1 in an empty place."""


def mentions_table(rng: np.random.Generator, lit: Lit, tree: Tree, firms: Firms, days: Days, disclosed: Disclosed) -> pl.DataFrame:
    """Canonical mentions: article, asset, published_at (UTC), source, kind; a stock is only named while it is listed.

    Articles appear at all hours of all days from the first session to the last. Second listings of an issuer are never named.
    """
    able = np.asarray(firms.twin == np.arange(firms.twin.size))
    born = np.maximum(firms.list_date, days[0])
    gone = np.append(days, days[-1])[firms.delisted_at]
    weight = (firms.shares * firms.price) ** LARGE * able
    names, day = [], []
    bounds = np.append(days[lit.months.opens], days[-1] + np.timedelta64(1, "D"))
    for month in range(len(lit.pairs)):
        alive = able & (born < bounds[month + 1]) & (gone >= bounds[month])
        drawn = _draw_month(rng, lit.pairs[month], lit.members[month], tree, alive, weight * alive)
        length = (bounds[month + 1] - bounds[month]).astype(np.int64)
        names.append(drawn)
        day.append(bounds[month] + np.floor(rng.random(drawn.shape[0]) * length).astype("timedelta64[D]"))
    news, date = np.concatenate(names), np.concatenate(day)
    news, date = _repeat_some(rng, news, date)
    tender, opened = _tenders(rng, disclosed, days)
    every = np.concatenate([news, np.pad(tender, ((0, 0), (0, MOST_LISTED - 2)), constant_values=-1)])
    is_tender = np.arange(every.shape[0]) >= news.shape[0]
    return _table(rng, every, np.concatenate([date, opened]), is_tender, (born, gone), firms)


def _draw_month(
    rng: np.random.Generator, pairs: dict[str, IntArray], members: Members, tree: Tree, alive: NDArray[np.bool_], weight: FloatArray
) -> Names:
    """Names of the articles of one month, shaped (articles, MOST_LISTED)."""
    stocks = int(alive.sum())
    if stocks < 2:
        return np.empty((0, MOST_LISTED), dtype=np.int64)
    wanted = PAIRS_A_STOCK * stocks / WINDOW_MONTHS
    blocks = [_on_topics(rng, members, np.flatnonzero(tree.level == depth), rate) for depth, rate in TOPICS.items()]
    chance = {**LINKED, "chain": min(SHARE["chain"] * wanted / max(pairs["chain"].size, 1), LINKED["disclosed"])}
    for lamp, rate in chance.items():
        blocks.append(_on_pairs(rng, pairs[lamp], alive.size, rate))
    cumulative = np.cumsum(weight / weight.sum())
    # an article of two to five names at random makes five pairs on average
    blocks.append(_at_random(rng, cumulative, rng.poisson(SHARE["noise"] * wanted / 5), (2, 5)))
    blocks.append(_at_random(rng, cumulative, rng.poisson(SINGLES_A_STOCK * stocks), (1, 1)))
    if stocks > LEAST_LISTED:
        blocks.append(_lists(rng, np.flatnonzero(alive), rng.poisson(LISTS_A_STOCK * stocks)))
    return np.concatenate([np.pad(each, ((0, 0), (0, MOST_LISTED - each.shape[1])), constant_values=-1) for each in blocks])


def _on_topics(rng: np.random.Generator, members: Members, nodes: IntArray, rate: float) -> Names:
    """Articles on product nodes with at least two firms, naming two to six draws from them."""
    size = members.start[nodes + 1] - members.start[nodes]
    nodes, size = nodes[size > 1], size[size > 1]
    node = np.repeat(np.arange(nodes.size), rng.poisson(rate * size))
    place = np.floor(rng.random((node.size, TOPIC_NAMES[1])) * size[node][:, None]).astype(np.int64)
    named = members.asset[members.start[nodes[node]][:, None] + place]
    return _shorten(named, rng.integers(TOPIC_NAMES[0], TOPIC_NAMES[1] + 1, node.size))


def _on_pairs(rng: np.random.Generator, keys: IntArray, assets: int, rate: float) -> Names:
    key = np.repeat(keys, rng.poisson(rate, keys.size))
    return np.stack([key // assets, key % assets], axis=1)


def _at_random(rng: np.random.Generator, cumulative: FloatArray, count: int, size: tuple[int, int]) -> Names:
    drawn = np.searchsorted(cumulative, rng.random((count, size[1])) * cumulative[-1], side="right")
    return _shorten(np.minimum(drawn, cumulative.size - 1), rng.integers(size[0], size[1] + 1, count))


def _lists(rng: np.random.Generator, alive: IntArray, count: int) -> Names:
    """Articles on 21 to 60 different stocks."""
    width = min(MOST_LISTED, alive.size)
    order = np.argsort(rng.random((count, alive.size)), axis=1)[:, :width]
    return _shorten(alive[order], rng.integers(LEAST_LISTED, width + 1, count))


def _shorten(names: Names, size: IntArray) -> Names:
    return np.where(np.arange(names.shape[1]) < size[:, None], names, -1)


def _repeat_some(rng: np.random.Generator, names: Names, day: Days) -> tuple[Names, Days]:
    again = np.flatnonzero(rng.random(day.size) < BURSTS)
    again = np.repeat(again, rng.integers(1, 5, again.size))
    later = day[again] + rng.integers(1, 6, again.size).astype("timedelta64[D]")
    return np.concatenate([names, names[again]]), np.concatenate([day, later])


def _tenders(rng: np.random.Generator, disclosed: Disclosed, days: Days) -> tuple[Names, Days]:
    """Articles on bids from publication until 92 days before the bid is two years old."""
    bid = np.flatnonzero(disclosed.bid)
    span = 365 * BID_YEARS - WINDOW
    at = np.repeat(bid, rng.poisson(TENDERS * span / 30.4, bid.size))
    day = disclosed.publish[at] + np.floor(rng.random(at.size) * span).astype("timedelta64[D]")
    kept = (day >= days[0]) & (day <= days[-1])
    return np.stack([disclosed.supplier[at], disclosed.customer[at]], axis=1)[kept], day[kept]


def _table(
    rng: np.random.Generator, names: Names, day: Days, tender: NDArray[np.bool_], life: tuple[Days, Days], firms: Firms
) -> pl.DataFrame:
    daytime = rng.random(day.size) < 0.6
    minute = np.where(daytime, 480 + rng.random(day.size) * 600, rng.random(day.size) * MINUTES)
    local = day.astype("datetime64[us]") + np.floor(minute * 60e6).astype("timedelta64[us]")
    source = np.array(SOURCES)[rng.integers(0, len(SOURCES), day.size)]
    article, place = np.nonzero(names >= 0)
    asset = names[article, place]
    listed = (day[article] >= life[0][asset]) & (day[article] <= life[1][asset])
    # the last session is the end of the data: an article of a later hour or day is not there
    listed &= day[article] <= life[1].max()
    key = np.unique(article[listed] * firms.issuer.size + asset[listed])
    article, asset = key // firms.issuer.size, key % firms.issuer.size
    order = np.lexsort((asset, article, local[article]))
    article, asset = article[order], asset[order]
    fresh = np.ones(article.size, dtype=np.bool_)
    fresh[1:] = article[1:] != article[:-1]
    return pl.DataFrame(
        {
            "article": pl.Series(np.cumsum(fresh)).cast(pl.String).str.zfill(8),
            "asset": np.array(firms.asset)[asset],
            "published_at": pl.Series(local[article] - ZONE).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "source": np.where(tender[article], "exchange", source[article]),
            "kind": np.where(tender[article], "tender", "news"),
        }
    ).with_columns(article=pl.lit("N") + pl.col("article"))
