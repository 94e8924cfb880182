"""The news of the synthetic market: who is named, when, and what the pairs are that it names together."""

from datetime import timedelta
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pureplay.synthetic import SyntheticMarket, market, preset

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

SIZE: dict[str, Any] = {**preset("comovement"), "stocks": 300, "sessions": 500}


@pytest.fixture(scope="module")
def made() -> SyntheticMarket:
    return market(**SIZE)


@pytest.fixture(scope="module")
def news(made: SyntheticMarket) -> pl.DataFrame:
    """Mentions with the local time and the number of names of the article."""
    local = pl.col("published_at").dt.convert_time_zone("Asia/Shanghai")
    return made.tables["mentions"].with_columns(local=local, names=pl.len().over("article"))


def test_mentions_keep_their_contract(made: SyntheticMarket, news: pl.DataFrame) -> None:
    table = made.tables["mentions"]
    assert table.schema == {
        "article": pl.String,
        "asset": pl.String,
        "published_at": pl.Datetime("us", "UTC"),
        "source": pl.String,
        "kind": pl.String,
    }
    assert table.null_count().sum_horizontal().item() == 0
    assert table.equals(table.sort("article", "asset"))
    assert table["published_at"].is_sorted(), "articles are numbered as they appear"
    same = table.group_by("article").agg(pl.col("published_at", "source", "kind").n_unique())
    assert same.drop("article").max().row(0) == (1, 1, 1)
    assert set(table["kind"]) == {"news", "tender"}
    span = made.tables["bars"]["date"]
    assert news["local"].dt.date().is_between(span.min(), span.max()).all()  # type: ignore[arg-type]


def test_a_stock_is_named_only_while_it_is_listed_and_second_listings_never(made: SyntheticMarket, news: pl.DataFrame) -> None:
    life = news.join(made.tables["assets"], on="asset", how="left").with_columns(day=pl.col("local").dt.date())
    assert life["list_date"].null_count() == 0
    assert (life["day"] >= life["list_date"]).all()
    assert life.filter(pl.col("day") > pl.col("delist_date")).height == 0
    gone = made.tables["assets"].filter(pl.col("delist_date").is_not_null())
    assert gone.join(news, on="asset", how="semi").height, "they are named before"
    second = made.tables["assets"].filter(pl.col("asset").str.contains(r"^(900|200)\d{3}\."))
    assert second.height
    assert second.join(news, on="asset", how="semi").height == 0


def test_news_knows_nothing_of_returns(made: SyntheticMarket) -> None:
    other = market(**{**SIZE, "links": 0.0, "market_vol": 0.02, "underreaction": 0.5})
    assert not other.tables["bars"].equals(made.tables["bars"])
    assert_frame_equal(other.tables["mentions"], made.tables["mentions"], check_exact=True)


def test_all_hours_weekends_lists_single_names_and_bursts(news: pl.DataFrame) -> None:
    articles = news.unique("article")
    assert articles["local"].dt.hour().n_unique() == 24
    assert (articles["local"].dt.weekday() > 5).mean() == pytest.approx(2 / 7, abs=0.03)
    assert (articles["local"].dt.hour() >= 15).mean() > 0.2, "after the close"  # type: ignore[operator]
    sizes = articles["names"]
    assert sizes.max() <= 60  # type: ignore[operator]
    assert articles.filter(pl.col("names").is_between(7, 15)).height == 0
    assert articles.filter(pl.col("names") > 20).height > 10
    assert (sizes == 1).mean() > 0.1  # type: ignore[operator]
    few = news.filter(pl.col("names").is_between(3, 6)).group_by("article").agg(pl.col("asset").sort(), pl.col("local").first())
    gap = few.with_columns(pl.col("asset").list.join(",")).sort("asset", "local").select(pl.col("local").diff().over("asset"))["local"]
    assert (gap < timedelta(days=6)).sum() > 0.05 * few.height, "repeated over days"


def test_tender_articles_name_bids_in_force(made: SyntheticMarket, news: pl.DataFrame) -> None:
    bids = made.tables["disclosed_links"].filter(pl.col("kind") == "bid")
    opened: dict[frozenset[str], list[Any]] = {}
    for row in bids.iter_rows(named=True):
        opened.setdefault(frozenset((row["supplier"], row["customer"])), []).append(row["publish_date"])
    tenders = news.filter(pl.col("kind") == "tender").group_by("article").agg("asset", pl.col("local").first())
    pairs = tenders.filter(pl.col("asset").list.len() == 2)
    assert pairs.height > 20
    for row in pairs.iter_rows(named=True):
        ages = [(row["local"].date() - day).days for day in opened[frozenset(row["asset"])]]
        # the window of 90 days after the article ends before the bid is two years old
        assert any(0 <= age <= 2 * 365 - 91 for age in ages)


def substrate(news: pl.DataFrame, day: Any) -> set[tuple[str, str]]:
    """Pairs that articles of at most 20 names bring in the 90 days up to a day, by plain loops."""
    window = news.filter((pl.col("names") <= 20) & (pl.col("kind") == "news"))
    window = window.filter(pl.col("local").dt.date().is_between(pl.lit(day).dt.offset_by("-89d"), pl.lit(day)))
    found: set[tuple[str, str]] = set()
    for (names,) in window.group_by("article").agg(pl.col("asset").sort()).select("asset").iter_rows():
        found.update(combinations(names, 2))
    return found


def test_the_pairs_of_a_window_have_the_promised_composition(made: SyntheticMarket, news: pl.DataFrame) -> None:
    day = made.tables["bars"]["date"].unique().sort()[-25]
    pairs = substrate(news, day)
    listed = made.tables["assets"].filter((pl.col("list_date") <= day) & (pl.col("delist_date").is_null() | (pl.col("delist_date") > day)))
    assert 6 < len(pairs) / listed.height < 14
    links = made.truth["links"].filter((pl.col("start_date") <= day) & (pl.col("end_date").is_null() | (pl.col("end_date") > day)))
    lit = {lamp: set(links.filter(pl.col("lamp") == lamp).select("a", "b").iter_rows()) for lamp in links["lamp"].unique()}
    share = {lamp: len(pairs & each) / len(pairs) for lamp, each in lit.items()}
    assert 0.15 < share["deep_peer"] < 0.45
    assert 0.10 < share["chain"] < 0.35
    assert 0.04 < share["disclosed"] < 0.14
    assert 0.03 < share["affiliate"] < 0.14
    assert 0 < share["bid"] < 0.04
    confirmed = set.union(*(lit[lamp] for lamp in ("deep_peer", "chain", "disclosed", "affiliate")))
    assert 0.25 < len(pairs - confirmed) / len(pairs) < 0.55
    assert 0.08 < len((pairs & lit["product_peer"]) - confirmed) / len(pairs) < 0.30


def test_chance_names_tend_to_be_large(made: SyntheticMarket, news: pl.DataFrame) -> None:
    first = made.tables["bars"].sort("date").group_by("asset").agg(cap=pl.col("total_cap").first())
    counts = news.filter(pl.col("names") <= 6).group_by("asset").len().join(first, on="asset")
    both = np.argsort(np.argsort(counts.select("len", "cap").to_numpy(), axis=0), axis=0)
    assert np.corrcoef(both.T)[0, 1] > 0.1
