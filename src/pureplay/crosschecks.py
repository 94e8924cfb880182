"""Rules that need other rows or other tables: one way to write codes, sessions, the tree, filings that add up, statements, coverage."""

from datetime import date
from typing import Final

import numpy as np
import polars as pl

from pureplay.errors import TableError
from pureplay.findings import Tables
from pureplay.segments import FILING, parent_codes, tidy
from pureplay.sessions import Calendar, sessions_between
from pureplay.tables import UNMAPPED, contract

__all__ = [
    "check_bars",
    "check_codes",
    "check_coverage",
    "check_filings",
    "check_statements",
    "check_taxonomy",
    "set_rest_of_filings_aside",
]

_SPELLINGS: Final = (
    r"^[0-9]{6}\.(SH|SZ|BJ)$",
    r"^[0-9]{6}\.(SS|SZ|BJ)$",
    r"^[0-9]{6}\.(sh|sz|bj)$",
    r"^[0-9]{6}\.(XSHG|XSHE|XBEI)$",
    r"^[0-9]{6}$",
    r"^[1-9][0-9]{0,5}$",  # a number: its leading zeros are gone
    r"^(SH|SZ|BJ)[0-9]{6}$",
    r"^(sh|sz|bj)[0-9]{6}$",
    r"^(SH|SZ|BJ)\.[0-9]{6}$",
    r"^(sh|sz|bj)\.[0-9]{6}$",
)
_WITH_EXCHANGE: Final = "|".join(spelling for spelling in _SPELLINGS if "S" in spelling or "s" in spelling)
_FILED: Final = ("segments", "filings")


def check_codes(tables: Tables) -> None:
    """One way to write an A-share code, within a table and across tables: a mixture makes stocks disappear in joins."""
    left = list(_SPELLINGS)
    seen: list[tuple[str, str]] = []
    named = [name for name in tables.frames if contract(name).codes and set(contract(name).codes) <= set(tables.frames[name].columns)]
    for name in named:
        codes = tables.codes(name)
        if name == "affiliates":
            codes = pl.concat([codes, _owners_with_exchange(tables.frames[name])]).unique().sort()
        known = codes.filter(codes.str.contains("|".join(_SPELLINGS)))
        fits = [spelling for spelling in left if known.str.contains(spelling).all()]
        if fits:
            left = fits
            seen += [(name, code) for code in known.head(1)]
            continue
        foreign = known.filter(~known.str.contains(left[0]))
        usual = known.filter(known.str.contains(left[0]))
        examples = [*seen[:1], *((name, code) for code in [*usual.head(0 if seen else 1), *foreign.head(1)])]
        shown = ", ".join(f"{code!r} in {table}" for table, code in examples)
        remedy = f'codes are written in several ways ({shown}): write them in one, such as by code = "cn" in the import map'
        tables.refuse(name, "mixed_code_formats", foreign.len(), remedy, pl.DataFrame({"asset": foreign}))
    _note_letter_case(tables, [name for name in named if name in tables.frames])


def _owners_with_exchange(affiliates: pl.DataFrame) -> pl.Series:
    """Owners that can only be security codes; a bare number may be the id of a company or a person."""
    owners = affiliates["owner"].unique().drop_nulls()
    return owners.filter(owners.str.contains(_WITH_EXCHANGE)).rename("asset")


def _note_letter_case(tables: Tables, named: list[str]) -> None:
    """Say which codes are equal but for upper and lower case; some vendors mean them to differ, so they stay."""
    if not named:
        return
    all_codes = pl.concat([pl.DataFrame({"asset": tables.codes(name), "table": [name] * tables.codes(name).len()}) for name in named])
    twins = all_codes.filter(pl.col("asset").n_unique().over(pl.col("asset").str.to_lowercase()) > 1)
    twins = twins.sort(pl.col("asset").str.to_lowercase(), "asset", maintain_order=True)
    if twins.height:
        remedy = "these codes differ in upper and lower case only, so they do not join: write them alike if they are one stock"
        tables.note(twins["table"][0], "codes_differ_in_case", twins["asset"].n_unique(), remedy, twins)


def check_bars(tables: Tables, calendar: Calendar) -> None:
    """Bars lie on sessions of the calendar."""
    if "bars" not in tables.frames:
        return
    traded = tables.frames["bars"]["date"].unique().sort()
    try:
        sessions = sessions_between(traded.to_numpy(), calendar)
    except TableError as error:
        tables.refuse("bars", "calendar", tables.frames["bars"].height, str(error))
        return
    known = pl.Series(sessions.dates).cast(pl.Date)
    closed = traded.filter(~traded.is_in(known.implode()))
    if closed.len():
        tables.set_aside("bars", {"not_a_session": tables.frames["bars"]["date"].is_in(closed.implode())})
    empty = len(sessions) - traded.len() + closed.len()
    if empty:
        idle = pl.DataFrame({"date": known.filter(~known.is_in(traded.implode()))})
        remedy = "sessions of the exchange on which no stock has a row count as a market-wide suspension: add the rows if there are any"
        tables.note("bars", "sessions_without_bars", empty, remedy, idle)
    _check_listing(tables)


def _check_listing(tables: Tables) -> None:
    """A stock does not trade before its listing: one of the two dates is wrong, and age and issuer would be known too late."""
    if "assets" not in tables.frames or "list_date" not in tables.frames["assets"].columns:
        return
    listed = tables.frames["assets"].select("asset", "list_date").filter(pl.col("list_date").is_not_null())
    first = tables.frames["bars"].group_by("asset").agg(pl.col("date").min())
    early = first.join(listed, on="asset").filter(pl.col("date") < pl.col("list_date"))
    if early.height:
        dated = tables.frames["bars"].join(early.select("asset", "list_date"), on="asset", how="left", maintain_order="left")
        tables.set_aside("bars", {"traded_before_listing": (dated["date"] < dated["list_date"]).fill_null(False)})


def check_taxonomy(tables: Tables) -> None:
    """Every parent is a node, and no node hangs below itself."""
    if "taxonomy" not in tables.frames:
        return
    tree = tables.frames["taxonomy"]
    lost = tree.filter(pl.col("parent").is_not_null() & ~pl.col("parent").is_in(tree["product"].implode()))
    if lost.height:
        tables.refuse("taxonomy", "unknown_parent", lost.height, "every parent must be a node itself: add it or leave parent empty", lost)
        return
    parents, _ = parent_codes(tree, tree["product"])
    climbing = parents.copy()
    for _ in range(tree.height.bit_length() + 1):  # pointer doubling: after k rounds a node has climbed 2^k steps
        climbing = np.where(climbing >= 0, climbing[climbing], -1)
    circling = np.unique(climbing[climbing >= 0])  # who is still climbing has by now arrived on a circle, and every place of it is reached
    if circling.size:
        rows = tree[circling]
        tables.refuse("taxonomy", "cycle", rows.height, "these nodes hang below themselves: correct their parents", rows)


def set_rest_of_filings_aside(tables: Tables, filings: pl.DataFrame, rule: str = "other_row_of_the_filing") -> None:
    """Set every row of the named filings aside, in segments and in filings: with one row missing the other shares would grow."""
    if filings.is_empty():
        return
    named = filings.select(FILING).unique()
    for name in _FILED:
        if name in tables.frames:
            # a left join would be in the way where a key is missing: such a row is no row of a known filing
            mark = tables.frames[name].select(FILING).join(named.with_columns(_hit=True), on=FILING, how="left", maintain_order="left")
            tables.set_aside(name, {rule: mark["_hit"].fill_null(False)})


def _set_filings_aside(tables: Tables, name: str, rule: str, broken: pl.Series) -> None:
    """Set the rows that break a rule aside, then the rest of their filings."""
    set_rest_of_filings_aside(tables, tables.set_aside(name, {rule: broken}))


def check_filings(tables: Tables, today: date | None) -> None:
    """Filings are public by today, name products of the tree, and do not exceed their total."""
    if today is not None:
        for name in _FILED:
            if name in tables.frames:
                _set_filings_aside(tables, name, "published_in_the_future", tables.frames[name]["publish_date"] > today)
    if "segments" not in tables.frames:
        return
    if "taxonomy" not in tables.frames:
        remedy = "segments need a sound taxonomy table, and there is none: add it, or mend what is said of it above"
        tables.refuse("segments", "no_taxonomy", tables.frames["segments"].height, remedy)
        return
    tree = tables.frames["taxonomy"]
    mapped = (pl.col("kind") == "product") & (pl.col("product") != UNMAPPED)
    unknown = mapped & ~pl.col("product").is_in(tree["product"].implode())
    _set_filings_aside(tables, "segments", "unknown_product", tables.frames["segments"].select(bad=unknown)["bad"])
    if "start_date" in tree.columns:
        started = tables.frames["segments"].join(
            tree.select("product", _start="start_date"), on="product", how="left", maintain_order="left"
        )
        early = started.select(bad=(mapped & (pl.col("_start") > pl.col("publish_date"))).fill_null(False))["bad"]
        _set_filings_aside(tables, "segments", "product_not_yet_in_taxonomy", early)
    _check_publish_dates(tables)
    _check_amounts(tables, tree)


def _check_publish_dates(tables: Tables) -> None:
    """All rows of one version of a report became public on one day: half of a filing must not be known before the rest."""
    rows = pl.concat([tables.frames[name].select(*FILING, "publish_date") for name in _FILED if name in tables.frames])
    several = rows.group_by(FILING).agg(pl.col("publish_date").n_unique()).filter(pl.col("publish_date") > 1)
    set_rest_of_filings_aside(tables, several, "publish_dates_differ")


def _check_amounts(tables: Tables, tree: pl.DataFrame) -> None:
    segments, filings = tables.frames["segments"], tables.frames.get("filings")
    made = tidy(segments, filings, tree)
    for rule in made.faults["rule"].unique().sort():
        set_rest_of_filings_aside(tables, made.faults.filter(pl.col("rule") == rule), rule)
    for rule, count in made.dropped.group_by("rule").len().sort("rule").iter_rows():
        rows = made.dropped.filter(pl.col("rule") == rule).select(*FILING, "product", "revenue", "kept")
        tables.note("segments", rule, count, "left out of, or reduced in, the revenue mix; the table keeps the rows as filed", rows)
    if filings is not None:
        known = filings.filter(pl.col("total_revenue").is_not_null())
        open_ended = tables.frames["segments"].join(known, on=FILING, how="anti").select(FILING).unique().sort(FILING)
        if open_ended.height:
            remedy = "these filings have no total_revenue: the sum of their segments stands in, so nothing counts as unmapped; add it"
            tables.note("segments", "no_total_revenue", open_ended.height, remedy, open_ended)


def check_statements(tables: Tables, today: date | None) -> None:
    """Statements are public by today; say which of their figures are odd, though they may be true."""
    if "statements" not in tables.frames:
        return
    if today is not None:
        tables.set_aside("statements", {"published_in_the_future": tables.frames["statements"]["publish_date"] > today})
    rows = tables.frames["statements"]
    end = pl.col("period_end")
    odd: dict[str, tuple[pl.Expr, str]] = {
        "period_end_off_quarter": (
            (end.dt.month() % 3 != 0) | (end != end.dt.month_end()),
            "a fiscal year ends on 31 December and its quarters on the last day of March, June and September: a period counts as the month "
            "it ends in, and as a year in December only",
        ),
        "negative_equity": (
            (pl.col("item") == "book_equity") & (pl.col("value") < 0),
            "book-to-price is negative there, and ratios to book equity are unknown: correct the sign if it is wrong",
        ),
        "zero_assets": ((pl.col("item") == "total_assets") & (pl.col("value") == 0), "ratios to total assets are unknown there"),
    }
    for rule, (broken, remedy) in odd.items():
        found = rows.filter(broken)
        if found.height:
            tables.note("statements", rule, found.height, remedy, found)
    _note_shrinking(tables)


def _note_shrinking(tables: Tables) -> None:
    """Revenue and costs of a fiscal year add up, so the latest figure of a later quarter is hardly below that of an earlier one."""
    flows = tables.frames["statements"].filter(pl.col("item").is_in(["revenue", "cost_of_sales"]))
    period = ["asset", "item", "period_end"]
    latest = flows.sort("publish_date", "revision", maintain_order=True).unique(period, keep="last").sort(period)
    before = pl.col("value").shift(1).over("asset", "item", pl.col("period_end").dt.year())
    less = latest.with_columns(earlier_value=before).filter(pl.col("value") < pl.col("earlier_value"))
    if less.height:
        remedy = "amounts are cumulative within the fiscal year, and these are below those of an earlier quarter: check for single quarters"
        tables.note("statements", "cumulative_amount_shrinks", less.height, remedy, less)


def check_coverage(tables: Tables) -> None:
    """Say which stocks cannot have a score or fundamental factors, and that one session makes no window."""
    if "bars" not in tables.frames:
        return
    for name, lack in (("segments", "score"), ("statements", "fundamental factors")):
        if name not in tables.frames:
            continue
        traded, filed = tables.codes("bars"), tables.codes(name)
        for here, there, table, rule in ((filed, traded, name, "stock_without_bars"), (traded, filed, "bars", f"stock_without_{name}")):
            lone = here.filter(~here.is_in(there.implode()))
            if lone.len():
                remedy = f"these stocks have no {lack}; nothing else depends on them: add their rows if there are any"
                tables.note(table, rule, lone.len(), remedy, pl.DataFrame({"asset": lone}))
    if tables.frames["bars"]["date"].n_unique() == 1:
        day = tables.frames["bars"].select("date").head(1)
        tables.note("bars", "one_session", 1, "a signal needs a window of sessions: no score can be computed, add sessions", day)
