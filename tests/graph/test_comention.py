"""Co-mentioned pairs against dicts and loops, the session for which an article counts, and what was known when."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.graph.arrays import CoMentions
from pureplay.graph.comention import News, articles_of_pair, co_mentions, load_news, tender_pairs
from pureplay.graph.settings import GraphSettings
from pureplay.panel import Axes
from pureplay.sessions import sessions_between

FIRST, LAST = date(2021, 1, 4), date(2021, 12, 31)
HOLIDAYS = (date(2021, 4, 5), date(2021, 10, 1), date(2021, 10, 4))
NAMES = tuple(f"S{number:02d}" for number in range(26))
LISTED = {name: FIRST + timedelta(days=max(0, 20 * (number - 14))) for number, name in enumerate(NAMES)}
SCHEMA = {
    "article": pl.String,
    "asset": pl.String,
    "published_at": pl.Datetime("us", "UTC"),
    "source": pl.String,
    "kind": pl.String,
}
SETTINGS = GraphSettings()
Row = tuple[str, str, datetime, str | None, str | None]
Found = dict[tuple[str, str], tuple[float, int]]


def weekdays(first: date = FIRST, last: date = LAST) -> list[date]:
    days = [first + timedelta(days=step) for step in range((last - first).days + 1)]
    return [day for day in days if day.weekday() < 5 and day not in HOLIDAYS]


def world(rows: Iterable[Row], listed: dict[str, date] = LISTED) -> Dataset:
    bars = pl.DataFrame(
        [(day, name) for name, first in listed.items() for day in weekdays() if day >= first],
        schema={"date": pl.Date, "asset": pl.String},
        orient="row",
    )
    return Dataset(tables={"bars": bars, "mentions": pl.DataFrame(list(rows), schema=SCHEMA, orient="row")}, calendar="bars")


def axes_of(data: Dataset) -> Axes:
    bars = data.frame("bars")
    return Axes(sessions_between(bars["date"].unique().to_numpy(), "bars"), tuple(bars["asset"].unique().sort()))


def news_of(data: Dataset, settings: GraphSettings = SETTINGS) -> News:
    return load_news(data, axes_of(data), settings)


def row_of(axes: Axes, day: date) -> int:
    return axes.sessions.dates.astype(object).tolist().index(day)


def utc(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=UTC)


def article(name: str, assets: Iterable[str], moment: datetime, kind: str | None = "news", source: str | None = "wire") -> list[Row]:
    return [(name, asset, moment, source, kind) for asset in assets]


def by_code(news: News, found: CoMentions) -> Found:
    names = news.axes.assets
    columns = (found.a.tolist(), found.b.tolist(), found.strength.tolist(), found.days.tolist())
    return {(names[a], names[b]): (strength, days) for a, b, strength, days in zip(*columns, strict=True)}


def random_rows(seed: int, articles: int = 500) -> list[Row]:
    """Articles of 1 to 24 names at any minute; some repeat at a later moment with further names, some names have no bars."""
    rng = np.random.default_rng(seed)
    pool = [*NAMES, "X1", "X2", "X3"]
    rows: list[Row] = []
    for number in rng.permutation(articles):
        moment = utc(FIRST, "00:00") + timedelta(minutes=int(rng.integers(-3000, 366 * 1440)))
        size = int(rng.choice([1, 2, 3, 5, 19, 20, 21, 24], p=[0.2, 0.3, 0.2, 0.1, 0.05, 0.05, 0.05, 0.05]))
        kind = str(rng.choice(["news", "tender"], p=[0.85, 0.15]))
        told = [str(each) for each in rng.choice(pool, size, replace=False)]
        rows += article(f"n{number:04d}", told, moment, kind, str(rng.choice(["a", "b"])))
        if rng.random() < 0.2:
            later = moment + timedelta(minutes=int(rng.integers(1, 100_000)))
            rows += article(f"n{number:04d}", [str(each) for each in rng.choice(pool, 3, replace=False)], later, "tender")
    return [rows[each] for each in rng.permutation(len(rows))]


def naive_articles(rows: list[Row], sessions: list[date], settings: GraphSettings) -> list[tuple[date, str, set[str], bool]]:
    """Session, id, names and whether it is a tender, of each article with a session, in order."""
    told: dict[str, list[Row]] = {}
    for each in rows:
        told.setdefault(each[0], []).append(each)
    out = []
    for name, lines in told.items():
        moment = min(line[2] for line in lines)
        lines = [line for line in lines if line[2] == moment]
        local = moment.astimezone(ZoneInfo(settings.timezone))
        due = local.date() + timedelta(days=1) if local.time() > time.fromisoformat(settings.close) else local.date()
        while due not in sessions and due <= sessions[-1]:
            due += timedelta(days=1)
        if sessions[0] <= local.date() and due <= sessions[-1]:
            out.append((due, name, {line[1] for line in lines}, any(line[4] == "tender" for line in lines)))
    return sorted(out, key=lambda each: each[:2])


def naive(rows: list[Row], day: date, settings: GraphSettings, *, tender: bool = False) -> Found:
    """Strength and days of each pair, summed in the order of session and id."""
    strength: dict[tuple[str, str], float] = {}
    days: dict[tuple[str, str], set[date]] = {}
    for due, _, names, is_tender in naive_articles(rows, weekdays(), settings):
        if not day - timedelta(days=settings.comention_days) < due <= day or is_tender != tender or len(names) > settings.most_names:
            continue
        for pair in combinations(sorted(names), 2):
            if all(name in LISTED and LISTED[name] <= day for name in pair):
                strength[pair] = strength.get(pair, 0.0) + (1.0 if settings.strength == "articles" else 1.0 / (len(names) - 1))
                days.setdefault(pair, set()).add(due)
    return {pair: (strength[pair], len(days[pair])) for pair in sorted(strength)}


VARIANTS: list[dict[str, Any]] = [
    {},
    {"strength": "shared"},
    {"most_names": 5, "comention_days": 45},
    {"timezone": "America/New_York", "close": "16:00", "strength": "shared", "most_names": 30, "comention_days": 400},
]


@pytest.mark.parametrize("changed", VARIANTS)
def test_pairs_are_those_of_dicts_and_loops(changed: dict[str, Any]) -> None:
    settings, rows = replace(SETTINGS, **changed), random_rows(1)
    news = news_of(world(rows), settings)
    for row in (0, 30, 93, 160, len(news.axes.sessions) - 1):
        day = news.axes.sessions.dates[row].astype(object)
        found = co_mentions(news, row, settings)
        expected = naive(rows, day, settings)
        # exact: the loop adds the same numbers in the same order
        assert by_code(news, found) == expected
        assert [(news.axes.assets[a], news.axes.assets[b]) for a, b in zip(found.a, found.b, strict=True)] == list(expected)
        a, b = tender_pairs(news, row, settings)
        assert [(news.axes.assets[i], news.axes.assets[j]) for i, j in zip(a, b, strict=True)] == list(
            naive(rows, day, settings, tender=True)
        )
        assert found.a.dtype == found.b.dtype == found.days.dtype == a.dtype == b.dtype == np.int32
        assert row == 0 or len(expected) > 10


@pytest.mark.parametrize(
    ("zone", "close", "moment", "session"),
    [
        ("Asia/Shanghai", "15:00", utc(date(2021, 3, 9), "07:00"), date(2021, 3, 9)),  # 15:00 itself is not after the close
        ("Asia/Shanghai", "15:00", utc(date(2021, 3, 9), "07:00:00.000001"), date(2021, 3, 10)),
        ("Asia/Shanghai", "15:00", utc(date(2021, 3, 9), "16:30"), date(2021, 3, 10)),  # 00:30 of the 10th
        ("Asia/Shanghai", "15:00", utc(date(2021, 3, 12), "08:00"), date(2021, 3, 15)),  # Friday evening
        ("Asia/Shanghai", "15:00", utc(date(2021, 3, 13), "01:00"), date(2021, 3, 15)),  # Saturday
        ("Asia/Shanghai", "15:00", utc(date(2021, 3, 14), "12:00"), date(2021, 3, 15)),  # Sunday evening
        ("Asia/Shanghai", "15:00", utc(date(2021, 9, 30), "10:00"), date(2021, 10, 5)),  # before two holidays and a weekend
        ("Asia/Shanghai", "15:00", utc(date(2021, 4, 5), "02:00"), date(2021, 4, 6)),  # on a holiday
        ("America/New_York", "16:00", utc(date(2021, 3, 12), "20:30"), date(2021, 3, 12)),  # 15:30, winter time
        ("America/New_York", "16:00", utc(date(2021, 3, 15), "20:30"), date(2021, 3, 16)),  # 16:30, summer time since the 14th
        ("America/New_York", "16:00", utc(date(2021, 11, 5), "20:30"), date(2021, 11, 8)),  # 16:30 on Friday, summer time
        ("America/New_York", "16:00", utc(date(2021, 11, 8), "20:30"), date(2021, 11, 8)),  # 15:30, winter time again
        ("America/New_York", "23:00", utc(date(2021, 6, 9), "01:00"), date(2021, 6, 9)),  # 21:00 of the 8th, known on the 9th in UTC
    ],
)
def test_session_for_which_an_article_counts(zone: str, close: str, moment: datetime, session: date) -> None:
    settings = replace(SETTINGS, timezone=zone, close=close)
    data = world(article("one", ("S00", "S01"), moment))
    news = news_of(data, settings)
    last = len(news.axes.sessions) - 1
    found = articles_of_pair(news, 0, 1, last, replace(settings, comention_days=400))
    assert found["session"].to_list() == [session]
    row = row_of(news.axes, session)
    assert co_mentions(news, row, settings).a.size == 1
    assert co_mentions(news, row - 1, settings).a.size == 0


def test_window_counts_calendar_days_between_session_dates() -> None:
    data = world(article("one", ("S00", "S01"), utc(date(2021, 3, 12), "10:00")))  # counts on Monday the 15th
    for days in (1, 7, 90):
        settings = replace(SETTINGS, comention_days=days)
        news = news_of(data, settings)
        inside = [day for row, day in enumerate(weekdays()) if co_mentions(news, row, settings).a.size]
        assert inside == [day for day in weekdays() if 0 <= (day - date(2021, 3, 15)).days < days]


def test_lists_singles_and_names_without_bars() -> None:
    moment = utc(date(2021, 11, 2), "02:00")
    rows = [
        *article("full", NAMES[:20], moment),
        *article("list", NAMES[:21], moment),
        *article("strangers", ("S00", "S01", "X1", "X2"), moment),
        *article("list of strangers", ("S00", "S01", *(f"X{number}" for number in range(19))), moment),
        *article("single", ("S00",), moment),
        *article("tender", ("S00", "S01"), utc(date(2021, 11, 2), "09:00"), "tender"),
        *article("early", ("S00", "S01"), utc(date(2021, 1, 3), "09:00")),
        *article("late", ("S00", "S01"), utc(LAST, "09:00")),
    ]
    settings = replace(SETTINGS, strength="shared")
    news = news_of(world(rows), settings)
    assert dict(news.counts) == {
        "articles": 8,
        "outside_data": 2,
        "list": 2,
        "single_name": 1,
        "tender": 1,
        "after_close": 1,
        "names_without_bars": 19,
    }
    found = by_code(news, co_mentions(news, row_of(news.axes, date(2021, 11, 2)), settings))
    assert len(found) == 190  # of 20 names
    assert found["S00", "S01"] == (1 / 19 + 1 / 3, 1)  # the sum of two numbers has one order only
    assert found["S00", "S02"] == (1 / 19, 1)


def test_duplicates_and_the_order_of_rows_change_nothing() -> None:
    rows = random_rows(2)
    settings = replace(SETTINGS, strength="shared")
    one, other = news_of(world(rows), settings), news_of(world([*rows[::-1], *rows[:400], *rows[::3]]), settings)
    assert one.counts == other.counts
    assert one.article_ids.equals(other.article_ids)
    assert one.sources.equals(other.sources)
    for row in (40, 200):
        assert by_code(one, co_mentions(one, row, settings)) == by_code(other, co_mentions(other, row, settings))


def test_an_article_of_500_names() -> None:
    listed = {f"L{number:03d}": date(2021, 12, 1) for number in range(500)}
    data = world(article("all", listed, utc(date(2021, 12, 7), "02:00")), listed)
    wide = replace(SETTINGS, most_names=500, strength="shared")
    news = news_of(data, wide)
    found = co_mentions(news, len(news.axes.sessions) - 1, wide)
    a, b = np.triu_indices(500, 1)
    assert np.array_equal(found.a, a)
    assert np.array_equal(found.b, b)
    assert (found.strength == 1 / 499).all()
    assert (found.days == 1).all()
    assert news_of(data).counts["list"] == 1
    assert news_of(data).pairs.a.size == 0


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"most_names": 2}, "load"),
        ({"close": "09:00"}, "load"),
        ({"timezone": "America/New_York"}, "load"),
        ({"comention_days": 60}, "window"),
        ({"strength": "shared"}, "window"),
    ],
)
def test_every_setting_matters(changed: dict[str, Any], where: str) -> None:
    data = world(random_rows(3))
    settings = replace(SETTINGS, **changed)
    base, other = news_of(data), news_of(data, settings)
    assert (base.pairs.a.size != other.pairs.a.size or not np.array_equal(base.session, other.session)) == (where == "load")
    assert by_code(base, co_mentions(base, 150, SETTINGS)) != by_code(other, co_mentions(other, 150, settings))


@pytest.mark.parametrize("changed", [*VARIANTS[1:], {"timezone": "America/New_York", "close": "23:30"}])
def test_a_vintage_is_the_same_on_what_was_known(changed: dict[str, Any]) -> None:
    settings = replace(SETTINGS, **changed)
    data = world(random_rows(4, articles=1500))
    news = news_of(data, settings)
    for row in (20, 45, 46, 110, 190):
        then = news_of(data.as_of(news.axes.sessions.dates[row].astype(object)), settings)
        assert len(then.axes.sessions) == row + 1
        assert row > 110 or len(then.axes.assets) < len(NAMES)
        now_known, then_known = co_mentions(news, row, settings), co_mentions(then, row, settings)
        assert by_code(news, now_known) == by_code(then, then_known)
        assert now_known.a.size > 5
        bids, bids_then = tender_pairs(news, row, settings), tender_pairs(then, row, settings)
        assert [[news.axes.assets[i] for i in each] for each in bids] == [[then.axes.assets[i] for i in each] for each in bids_then]
        pages = [
            [articles_of_pair(each, int(found.a[k]), int(found.b[k]), row, settings) for k in range(5)]
            for each, found in ((news, now_known), (then, then_known))
        ]
        assert all(one.equals(other) for one, other in zip(*pages, strict=True))


def test_a_stock_without_a_bar_yet_forms_no_pair_but_counts_as_a_name() -> None:
    listed = {"S00": FIRST, "S01": FIRST, "S02": date(2021, 6, 1)}
    data = world(article("one", listed, utc(date(2021, 5, 27), "02:00")), listed)
    settings = replace(SETTINGS, strength="shared")
    news = news_of(data, settings)
    before, after = row_of(news.axes, date(2021, 5, 31)), row_of(news.axes, date(2021, 6, 1))
    assert by_code(news, co_mentions(news, before, settings)) == {("S00", "S01"): (0.5, 1)}
    assert len(by_code(news, co_mentions(news, after, settings))) == 3
    assert articles_of_pair(news, 0, 2, before, settings).height == 0
    assert articles_of_pair(news, 0, 2, after, settings).height == 1


def test_rows_of_a_later_moment_are_left_out() -> None:
    moment = utc(date(2021, 5, 27), "02:00")
    rows = [
        *article("one", ("S00", "S01"), moment, source="z"),
        *article("one", ("S01", "S02"), moment + timedelta(microseconds=1), "tender", "a"),
    ]
    news = news_of(world(rows))
    row = row_of(news.axes, date(2021, 5, 28))
    assert by_code(news, co_mentions(news, row, SETTINGS)) == {("S00", "S01"): (1.0, 1)}
    assert tender_pairs(news, row, SETTINGS)[0].size == 0
    assert news.sources.to_list() == ["z"]


def test_articles_behind_a_pair_make_its_strength() -> None:
    settings = replace(SETTINGS, strength="shared")
    news = news_of(world(random_rows(5)), settings)
    found = co_mentions(news, 150, settings)
    for a, b, strength, days in zip(found.a.tolist(), found.b.tolist(), found.strength.tolist(), found.days.tolist(), strict=True):
        page = articles_of_pair(news, b, a, 150, settings)
        assert page.rows() == page.sort("session", "article").rows()
        assert sum(1 / (names - 1) for names in page["names"]) == strength  # the same sum in the same order
        assert page["session"].n_unique() == days
    assert articles_of_pair(news, 3, 3, 150, settings).height == 0
    assert page.schema == {
        "article": pl.String,
        "published_at": pl.Datetime("us", "UTC"),
        "source": pl.String,
        "session": pl.Date,
        "names": pl.Int32,
    }


def test_source_and_kind_may_be_absent_and_no_news_is_no_pair() -> None:
    data = world(article("one", ("S00", "S01"), utc(date(2021, 5, 27), "02:00")))
    bare = replace(data, tables={**data.tables, "mentions": data.frame("mentions").drop("source", "kind")})
    news = news_of(bare)
    row = row_of(news.axes, date(2021, 5, 27))
    assert articles_of_pair(news, 0, 1, row, SETTINGS)["source"].to_list() == [None]
    assert by_code(news, co_mentions(news, row, SETTINGS)) == {("S00", "S01"): (1.0, 1)}
    none = news_of(world([]))
    assert co_mentions(none, row, SETTINGS).a.size == tender_pairs(none, row, SETTINGS)[0].size == 0
    assert articles_of_pair(none, 0, 1, row, SETTINGS).height == 0
    assert set(none.counts.values()) == {0}


def test_no_table_and_no_such_row_are_said() -> None:
    data = world([])
    axes = axes_of(data)
    without = replace(data, tables={"bars": data.frame("bars")})
    with pytest.raises(TableError, match="add mentions, or set substrate = 'links'"):
        load_news(without, axes, SETTINGS)
    news = load_news(data, axes, SETTINGS)
    for row in (-1, len(axes.sessions)):
        with pytest.raises(SettingError, match=f"not {row}"):
            co_mentions(news, row, SETTINGS)
        with pytest.raises(SettingError, match="a session of the data"):
            tender_pairs(news, row, SETTINGS)
        with pytest.raises(SettingError, match="a session of the data"):
            articles_of_pair(news, 0, 1, row, SETTINGS)
