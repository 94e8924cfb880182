"""Which pairs the news names together: articles as sessions, pairs of a vintage's window, METHODS §6."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.graph.arrays import CoMentions
from pureplay.graph.settings import GraphSettings
from pureplay.panel import Axes, FloatArray, IndexArray
from pureplay.stats.jit import kernel

__all__ = ["MentionedPairs", "News", "articles_of_pair", "co_mentions", "load_news", "tender_pairs"]

RowArray = npt.NDArray[np.int64]

_MICROSECONDS_A_MINUTE: Final = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionedPairs:
    """Every pair of every article, by session, then article id, a < b.

    article: its position in `News`. starts: session s holds entries starts[s]:starts[s + 1].
    """

    a: IndexArray
    b: IndexArray
    article: IndexArray
    starts: RowArray


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Articles of 2 to most_names names inside the data, sorted by counting session, then id, and the pairs that they name.

    article_ids, published_at (UTC), sources (null where not stated): one entry an article. session: row of the session for which it
    counts. names: distinct codes that it names, those without bars included. first_row: row of the first bar of each asset.
    pairs: of news. tenders: of announcements of tenders.
    counts: `articles` in the table; of these `outside_data`, else `list`, else `single_name`, else `tender`, else news that enters;
    `after_close`, those inside the data published after the close; `names_without_bars`, codes named inside the data that have none.
    """

    axes: Axes
    article_ids: pl.Series
    published_at: pl.Series
    sources: pl.Series
    session: IndexArray
    names: IndexArray
    first_row: RowArray
    pairs: MentionedPairs
    tenders: MentionedPairs
    counts: Mapping[str, int]


def load_news(data: Dataset, axes: Axes, settings: GraphSettings) -> News:
    """Articles of the table `mentions` on the axes; uses close, timezone and most_names of the settings.

    An article is what was said at its earliest moment: rows of a later moment are left out, so its names never change afterwards.
    It is a tender if one of these rows says so. Its day is the local one, or the next if the local time of day is after the
    close (to the minute), and never before its UTC day, by which `Dataset.as_of` knows it; it counts for the first session on or
    after that day. Articles of a local date before the first session, or with no session to count for, lie outside the data. Rows
    without article, asset or moment are left out. Raises TableError where the dataset has no mentions.
    """
    said = _said_first(data)
    dated = _dated(said, axes, settings)
    inside = dated.filter(pl.col("session") >= 0)
    is_list, is_single = pl.col("names") > settings.most_names, pl.col("names") == 1
    kept = inside.filter(~is_list & ~is_single).sort("session", "article").with_row_index("position")
    named = said.select("article", "asset").unique()
    codes = named.join(inside, on="article", how="semi")["asset"].unique()
    counts = {
        "articles": dated.height,
        "outside_data": dated.height - inside.height,
        "list": inside.filter(is_list).height,
        "single_name": inside.filter(is_single).height,
        "tender": kept.filter("tender").height,
        "after_close": inside.filter("late").height,
        "names_without_bars": int((axes.asset_index(codes) < 0).sum()),
    }
    session = kept["session"].to_numpy().astype(np.int32)
    found = _known_names(named, kept, axes)
    return News(
        axes=axes,
        article_ids=kept["article"],
        published_at=kept["published_at"],
        sources=kept["source"],
        session=session,
        names=kept["names"].to_numpy().astype(np.int32),
        first_row=_first_rows(data, axes),
        pairs=_expand(found.filter(~pl.col("tender")), session, len(axes.sessions)),
        tenders=_expand(found.filter("tender"), session, len(axes.sessions)),
        counts=counts,
    )


def co_mentions(news: News, row: int, settings: GraphSettings) -> CoMentions:
    """Pairs that news of the window of session `row` names together; uses comention_days and strength of the settings.

    An article is in the window if the date of its counting session lies in (date - comention_days, date]. Both stocks have a bar up
    to then. Sums of 1 / (names - 1) run by session, then article id. Raises SettingError where there is no such row.
    """
    weight = np.ones(news.names.size)
    if settings.strength == "shared":
        weight /= news.names - 1
    a, b, strength, days = _in_window(news, news.pairs, row, settings, weight)
    return CoMentions(a=a, b=b, strength=strength, days=days)


def tender_pairs(news: News, row: int, settings: GraphSettings) -> tuple[IndexArray, IndexArray]:
    """Pairs that tenders of the same window name together, sorted by (a, b), each once. Raises SettingError as `co_mentions`."""
    a, b, _, _ = _in_window(news, news.tenders, row, settings, np.ones(news.names.size))
    return a, b


def articles_of_pair(news: News, a: int, b: int, row: int, settings: GraphSettings) -> pl.DataFrame:
    """The news behind one pair of `co_mentions`: article, published_at (UTC), source, session (date for which it counts), names (how many).

    a, b: columns of the two, in either order. By session, then article id; empty for a pair that the window does not hold. Raises
    SettingError where there is no such row.
    """
    inside = _window(news, news.pairs, row, settings)
    low, high = min(a, b), max(a, b)
    here = (news.pairs.a[inside] == low) & (news.pairs.b[inside] == high)
    known = low != high and bool((news.first_row[[low, high]] <= row).all())
    found = news.pairs.article[inside][here] if known else np.empty(0, dtype=np.int32)
    return pl.DataFrame(
        {
            "article": news.article_ids.gather(found),
            "published_at": news.published_at.gather(found),
            "source": news.sources.gather(found),
            "session": news.axes.day_column(news.axes.sessions.dates[news.session[found]]),
            "names": pl.Series(news.names[found], dtype=pl.Int32),
        }
    )


def _said_first(data: Dataset) -> pl.DataFrame:
    """Rows of each article's earliest moment: article, asset, published_at, source, tender."""
    if not data.has("mentions"):
        raise TableError("the dataset has no table 'mentions', which substrate = 'news' needs: add mentions, or set substrate = 'links'")
    columns = data.columns("mentions")
    wanted = ["article", "asset", "published_at", *[name for name in ("source", "kind") if name in columns]]
    rows = data.frame("mentions", wanted).drop_nulls(["article", "asset", "published_at"])
    said = pl.col("source").cast(pl.String) if "source" in columns else pl.lit(None, dtype=pl.String).alias("source")
    tender = (pl.col("kind") == "tender").fill_null(False) if "kind" in columns else pl.lit(False)
    rows = rows.select(pl.col("article", "asset").cast(pl.String), "published_at", said, tender=tender)
    return rows.filter(pl.col("published_at") == pl.col("published_at").min().over("article"))


def _dated(said: pl.DataFrame, axes: Axes, settings: GraphSettings) -> pl.DataFrame:
    """One row an article, with the number of its names and the session for which it counts, -1 outside the data."""
    articles = said.group_by("article").agg(
        pl.col("published_at").first(), pl.col("source").min(), pl.col("tender").any(), names=pl.col("asset").n_unique()
    )
    local = pl.col("published_at").dt.convert_time_zone(settings.timezone)
    clock = local.dt.time().cast(pl.Int64) // 1_000
    late = clock > settings.close_minute * _MICROSECONDS_A_MINUTE
    articles = articles.with_columns(day=local.dt.date(), known=pl.col("published_at").dt.date(), late=late)
    day = articles["day"].to_numpy().astype("datetime64[D]")
    due = day + articles["late"].to_numpy().astype(np.int64)
    due = np.maximum(due, articles["known"].to_numpy().astype("datetime64[D]"))
    dates = axes.sessions.dates
    row = np.searchsorted(dates, due)
    outside = (row >= dates.size) | (day < dates[:1])
    return articles.with_columns(session=pl.Series(np.where(outside, -1, row), dtype=pl.Int32))


def _known_names(named: pl.DataFrame, kept: pl.DataFrame, axes: Axes) -> pl.DataFrame:
    """Position of the article and column of the asset for each name with bars, in order of both."""
    found = named.join(kept.select("article", "position", "tender"), on="article")
    found = found.with_columns(column=pl.Series(axes.asset_index(found["asset"]), dtype=pl.Int32))
    return found.filter(pl.col("column") >= 0).select("position", "column", "tender").sort("position", "column")


def _first_rows(data: Dataset, axes: Axes) -> RowArray:
    """Row of each asset's first bar; where the data have no bars, every asset is there from the first session."""
    out = np.zeros(len(axes.assets), dtype=np.int64)
    if not data.has("bars"):
        return out
    first = data.frame("bars", ["date", "asset"]).group_by("asset").agg(pl.col("date").min())
    column = axes.asset_index(first["asset"])
    days = first["date"].to_numpy().astype("datetime64[D]")
    out[column[column >= 0]] = np.searchsorted(axes.sessions.dates, days)[column >= 0]
    return out


def _expand(found: pl.DataFrame, session: IndexArray, sessions: int) -> MentionedPairs:
    position, size = np.unique(found["position"].to_numpy(), return_counts=True)
    total = int((size * (size - 1) // 2).sum())
    a, b, article = (np.empty(total, dtype=np.int32) for _ in range(3))
    _fill(found["column"].to_numpy(), position.astype(np.int32), size.astype(np.int64), a, b, article)
    starts = np.searchsorted(session[article], np.arange(sessions + 1)).astype(np.int64)
    return MentionedPairs(a=a, b=b, article=article, starts=starts)


def _window(news: News, pairs: MentionedPairs, row: int, settings: GraphSettings) -> slice:
    dates = news.axes.sessions.dates
    if not 0 <= row < dates.size:
        raise SettingError(f"row must be a session of the data, from 0 to {dates.size - 1}, not {row!r}")
    first = int(np.searchsorted(dates, dates[row] - np.timedelta64(settings.comention_days, "D"), side="right"))
    return slice(int(pairs.starts[first]), int(pairs.starts[row + 1]))


def _in_window(
    news: News, pairs: MentionedPairs, row: int, settings: GraphSettings, weight: FloatArray
) -> tuple[IndexArray, IndexArray, FloatArray, IndexArray]:
    inside = _window(news, pairs, row, settings)
    order = _by_pair(pairs.a[inside], pairs.b[inside], news.first_row, row)
    return _sum_up(pairs.a[inside], pairs.b[inside], pairs.article[inside], order, news.session, weight)


@kernel
def _fill(column: IndexArray, position: IndexArray, size: RowArray, a: IndexArray, b: IndexArray, article: IndexArray) -> None:
    """Every pair of every article; the columns of an article are sorted, so a < b."""
    first, entry = 0, 0
    for p in range(position.size):
        stop = first + size[p]
        for i in range(first, stop):
            for j in range(i + 1, stop):
                a[entry], b[entry], article[entry] = column[i], column[j], position[p]
                entry += 1
        first = stop


@kernel
def _by_pair(a: IndexArray, b: IndexArray, first_row: RowArray, row: int) -> IndexArray:
    """Entries of stocks with a bar up to `row`, sorted by (a, b) in two counting passes; entries of a pair keep their order."""
    start_a, start_b = np.zeros(first_row.size + 1, np.int64), np.zeros(first_row.size + 1, np.int64)
    kept = 0
    for e in range(a.size):
        if first_row[a[e]] <= row and first_row[b[e]] <= row:
            start_a[a[e] + 1] += 1
            start_b[b[e] + 1] += 1
            kept += 1
    for i in range(first_row.size):
        start_a[i + 1] += start_a[i]
        start_b[i + 1] += start_b[i]
    by_b, out = np.empty(kept, np.int32), np.empty(kept, np.int32)
    for e in range(a.size):
        if first_row[a[e]] <= row and first_row[b[e]] <= row:
            by_b[start_b[b[e]]] = e
            start_b[b[e]] += 1
    for entry in by_b:
        out[start_a[a[entry]]] = entry
        start_a[a[entry]] += 1
    return out


@kernel
def _sum_up(
    a: IndexArray, b: IndexArray, article: IndexArray, order: IndexArray, session: IndexArray, weight: FloatArray
) -> tuple[IndexArray, IndexArray, FloatArray, IndexArray]:
    """Strength and distinct sessions of each pair from its entries, which stand side by side in time order."""
    out_a, out_b, days = np.empty(order.size, np.int32), np.empty(order.size, np.int32), np.zeros(order.size, np.int32)
    strength, n, last = np.zeros(order.size), 0, -1
    for e in order:
        if n == 0 or out_a[n - 1] != a[e] or out_b[n - 1] != b[e]:
            out_a[n], out_b[n], last = a[e], b[e], -1
            n += 1
        strength[n - 1] += weight[article[e]]
        if session[article[e]] != last:
            days[n - 1] += 1
            last = int(session[article[e]])
    return out_a[:n].copy(), out_b[:n].copy(), strength[:n].copy(), days[:n].copy()
