"""Articles that name stocks: topics, linked firms, chance, bursts and lists; drawn apart from returns."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.links import Disclosed
from pureplay.synthetic.planted import DEEP_DEPTH, PEER_DEPTH, Lit, Members, distinct
from pureplay.synthetic.settings import FloatArray, IntArray
from pureplay.synthetic.tree import Tree

__all__ = ["mentions_table"]

Days = NDArray[np.datetime64]

PAIRS_A_STOCK: Final = 10.0
"""Pairs that the articles of 90 days name, a listed stock."""
SHARE: Final = {"chain": 0.27, "noise": 0.22}
"""Of these pairs, those that articles on input edges and on random names bring."""
TOPICS: Final = {PEER_DEPTH: 0.05, DEEP_DEPTH: 0.55}
"""Articles a month and member of a product node, on nodes of each depth."""
LINKED: Final = {"disclosed": 0.8, "affiliate": 0.8, "bid": 0.8}
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
DAYTIME: Final = 0.6
"""Of articles: those between eight and eighteen hours; the others appear at any hour, in Shanghai's time."""

Names = IntArray
"""Asset numbers of (articles, places); -1 in an empty place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Articles:
    """Day of each article, number of stocks it names, and the stocks of all articles end to end."""

    day: Days
    size: IntArray
    asset: IntArray

    def take(self, articles: IntArray, day: Days) -> "_Articles":
        """Some of the articles, on other days."""
        size = self.size[articles]
        first = (np.cumsum(self.size) - self.size)[articles]
        place = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        return _Articles(day=day, size=size, asset=self.asset[np.repeat(first, size) + place])


def _join(parts: list[_Articles]) -> _Articles:
    return _Articles(
        day=np.concatenate([each.day for each in parts]),
        size=np.concatenate([each.size for each in parts]),
        asset=np.concatenate([each.asset for each in parts]),
    )


def mentions_table(rng: np.random.Generator, lit: Lit, tree: Tree, firms: Firms, days: Days, disclosed: Disclosed) -> pl.DataFrame:
    """Canonical mentions: article, asset, published_at (UTC), source, kind; a stock is only named while it is listed.

    Articles appear at all hours of all days from the first session to the last. Second listings of an issuer are never named.
    """
    able = np.asarray(firms.twin == np.arange(firms.twin.size))
    born = np.maximum(firms.list_date, days[0])
    gone = np.where(able, np.append(days, days[-1])[firms.delisted_at], days[0] - np.timedelta64(1, "D"))
    weight = (firms.shares * firms.price) ** LARGE
    parts = []
    bounds = np.append(days[lit.months.opens], days[-1] + np.timedelta64(1, "D"))
    for month in range(len(lit.pairs)):
        alive = able & (born < bounds[month + 1]) & (gone >= bounds[month])
        for names in _draw_month(rng, lit.pairs[month], lit.members[month], tree, alive, weight * alive):
            parts.append(_place(rng, names, bounds[month], bounds[month + 1]))
    news = _join(parts)
    again = np.flatnonzero(rng.random(news.day.size) < BURSTS)
    again = np.repeat(again, rng.integers(1, 5, again.size))
    burst = news.take(again, news.day[again] + rng.integers(1, 6, again.size).astype("timedelta64[D]"))
    tenders = _tenders(rng, disclosed)
    every = _join([news, burst, tenders])
    return _table(rng, every, every.day.size - tenders.day.size, (born, gone), (days[0], days[-1]), firms)


def _place(rng: np.random.Generator, names: Names, first: np.datetime64, end: np.datetime64) -> _Articles:
    """Articles on random days from `first` up to the day before `end`."""
    day = first + np.floor(rng.random(names.shape[0]) * (end - first).astype(np.int64)).astype("timedelta64[D]")
    named = names >= 0
    return _Articles(day=day, size=named.sum(axis=1), asset=names[named])


def _draw_month(
    rng: np.random.Generator, pairs: dict[str, IntArray], members: Members, tree: Tree, alive: NDArray[np.bool_], weight: FloatArray
) -> list[Names]:
    """Names of the articles of one month, in blocks."""
    stocks = int(alive.sum())
    if stocks < 2:
        return []
    wanted = PAIRS_A_STOCK * stocks / WINDOW_MONTHS
    deep = min(DEEP_DEPTH, int(tree.level.max()))
    blocks = [_on_topics(rng, members, np.flatnonzero(tree.level == min(depth, deep)), rate) for depth, rate in TOPICS.items()]
    chance = {**LINKED, "chain": min(SHARE["chain"] * wanted / max(pairs["chain"].size, 1), LINKED["disclosed"])}
    blocks += [_on_pairs(rng, pairs[lamp], alive.size, rate) for lamp, rate in chance.items()]
    cumulative = np.cumsum(weight / weight.sum())
    # an article of two to five names at random makes five pairs on average
    blocks.append(_at_random(rng, cumulative, rng.poisson(SHARE["noise"] * wanted / 5), (2, 5)))
    blocks.append(_at_random(rng, cumulative, rng.poisson(SINGLES_A_STOCK * stocks), (1, 1)))
    if stocks > LEAST_LISTED:
        blocks.append(_lists(rng, np.flatnonzero(alive), rng.poisson(LISTS_A_STOCK * stocks)))
    return blocks


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


def _tenders(rng: np.random.Generator, disclosed: Disclosed) -> _Articles:
    """Articles on bids from publication until 92 days before the bid is two years old."""
    bid = np.flatnonzero(disclosed.bid)
    span = 365 * BID_YEARS - WINDOW
    at = np.repeat(bid, rng.poisson(TENDERS * span / 30.4, bid.size))
    day = disclosed.publish[at] + np.floor(rng.random(at.size) * span).astype("timedelta64[D]")
    both = np.stack([disclosed.supplier[at], disclosed.customer[at]], axis=1)
    return _Articles(day=day, size=np.full(at.size, 2), asset=both.reshape(-1))


def _table(
    rng: np.random.Generator, every: _Articles, news: int, life: tuple[Days, Days], span: tuple[np.datetime64, np.datetime64], firms: Firms
) -> pl.DataFrame:
    """The first `news` articles are of kind news, the others of kind tender."""
    count, assets = every.day.size, len(firms.asset)
    daytime, clock = rng.random(count) < DAYTIME, rng.random(count)
    minute = np.where(daytime, 480 + clock * 600, clock * MINUTES)
    local = every.day.astype("datetime64[us]") + np.floor(minute * 60e6).astype("timedelta64[us]")
    source = rng.integers(0, len(SOURCES), count)
    article = np.repeat(np.arange(count), every.size)
    day = every.day[article]
    kept = (day >= life[0][every.asset]) & (day <= life[1][every.asset]) & (day >= span[0]) & (day <= span[1])
    rank = np.empty(count, dtype=np.int64)
    rank[np.argsort(local, kind="stable")] = np.arange(count)
    key = distinct(rank[article[kept]] * assets + every.asset[kept])
    place, asset = key // assets, key % assets
    article = np.argsort(rank)[place]
    number = np.cumsum(np.append(True, place[1:] != place[:-1])) if place.size else place
    tender = article >= news
    return pl.DataFrame(
        {
            "article": pl.Series(number, dtype=pl.Int64).cast(pl.String).str.zfill(8),
            "asset": np.array(firms.asset)[asset],
            "published_at": pl.Series(local[article] - ZONE).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "source": np.where(tender, "exchange", np.array(SOURCES)[source[article]]),
            "kind": np.where(tender, "tender", "news"),
        }
    ).with_columns(article=pl.lit("N") + pl.col("article"))
