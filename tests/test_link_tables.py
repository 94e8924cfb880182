"""Tables that link securities, at the border: what is set aside, what is only said, moments in UTC, what a day may know."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pureplay.checks import check_tables
from pureplay.crosschecks_links import _circles
from pureplay.dataset import Dataset, check_folder
from pureplay.errors import TableError
from pureplay.findings import CheckReport, Finding
from pureplay.frames import conform
from pureplay.tables import contract
from tests.border_links import A, B, C, affiliates, disclosed_links, links, mentions, moments, supply_edges
from tests.border_market import bars, market, put

TODAY = date(2024, 6, 30)


def check(**changed: Any) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame], CheckReport]:
    return check_tables({**market(), **links(), **changed}, calendar="bars", today=TODAY)


def only(report: CheckReport, rule: str) -> Finding:
    [finding] = [each for each in report.findings if each.rule == rule]
    return finding


def test_sound_tables_raise_no_finding() -> None:
    sound, aside, report = check()
    assert (report.findings, aside) == ((), {})
    assert {name: sound[name].height for name in links()} == {"mentions": 6, "supply_edges": 3, "disclosed_links": 4, "affiliates": 3}


def test_the_contract_of_each_table() -> None:
    assert {name: contract(name).required for name in links()} == {
        "mentions": ["article", "asset", "published_at"],
        "supply_edges": ["supplier_product", "customer_product", "start_date"],
        "disclosed_links": ["supplier", "customer", "publish_date"],
        "affiliates": ["owner", "owned", "start_date"],
    }
    assert {name: contract(name).defaults for name in links()} == {
        "mentions": {"kind": "news"},
        "supply_edges": {"is_core": True},
        "disclosed_links": {"kind": "ongoing"},
        "affiliates": {"kind": "ownership"},
    }


def test_what_is_absent_takes_its_default() -> None:
    bare = {name: frame.select(contract(name).required) for name, frame in links().items()}
    sound, aside, report = check(**bare)
    assert (report.set_aside, aside) == ((), {})
    assert sound["mentions"]["kind"].unique().to_list() == ["news"]
    assert sound["supply_edges"]["is_core"].to_list() == [True] * 3
    assert sound["disclosed_links"]["kind"].to_list() == ["ongoing"] * 4
    assert sound["affiliates"]["kind"].to_list() == ["ownership"] * 3


SET_ASIDE: dict[tuple[str, str], tuple[pl.DataFrame, str]] = {
    ("mentions", "unknown_mention_kind"): (put(mentions(), 3, kind="rumour"), "use news or tender"),
    ("mentions", "published_at|nullability"): (put(mentions(), 3, published_at=None), "fill the value"),
    ("mentions", "article|min_length"): (put(mentions(), 3, article=""), "fill the code"),
    ("mentions", "published_again_later"): (
        put(mentions(), 3, published_at=datetime(2024, 1, 4, 15, 31, tzinfo=UTC)),
        "an earlier published_at, which counts",
    ),
    ("mentions", "published_after_today"): (put(mentions(), 5, published_at=datetime(2024, 7, 1, 12, tzinfo=UTC)), "after today"),
    ("supply_edges", "product_linked_to_itself"): (put(supply_edges(), 1, supplier_product="b1"), "no input of itself"),
    ("supply_edges", "ends_before_start"): (put(supply_edges(), 1, end_date=date(2023, 1, 1)), "correct the interval"),
    ("supply_edges", "edge_outside_taxonomy"): (put(supply_edges(), 1, supplier_product="steel"), "add both products"),
    ("supply_edges", "start_date|nullability"): (put(supply_edges(), 1, start_date=None), "fill the value"),
    ("disclosed_links", "stock_linked_to_itself"): (put(disclosed_links(), 1, customer=A), "both ends are one security"),
    ("disclosed_links", "published_before_period_end"): (
        put(disclosed_links(), 1, period_end=date(2023, 4, 2)),
        "nothing is public before",
    ),
    ("disclosed_links", "negative_link_amount"): (put(disclosed_links(), 1, amount=-1.0), "an amount of at least 0"),
    ("disclosed_links", "amount|inf"): (put(disclosed_links(), 1, amount=float("inf")), "infinite"),
    ("disclosed_links", "unknown_link_kind"): (put(disclosed_links(), 1, kind="rumour"), "use ongoing or bid"),
    ("disclosed_links", "published_in_the_future"): (put(disclosed_links(), 1, publish_date=date(2024, 7, 1)), "after today"),
    ("disclosed_links", "publish_date|nullability"): (put(disclosed_links(), 1, publish_date=None), "fill the value"),
    ("affiliates", "stock_linked_to_itself"): (put(affiliates(), 1, owner=C), "both ends are one security"),
    ("affiliates", "stake_outside_0_to_1"): (put(affiliates(), 1, stake=1.0000001), "divide percent by 100"),
    ("affiliates", "ends_before_start"): (put(affiliates(), 1, end_date=date(2022, 1, 1)), "correct the interval"),
    ("affiliates", "unknown_affiliate_kind"): (put(affiliates(), 1, kind="cousin"), "use ownership or executive"),
    ("affiliates", "start_date|nullability"): (put(affiliates(), 1, start_date=None), "fill the value"),
}


@pytest.mark.parametrize(("table", "rule"), SET_ASIDE)
def test_a_faulty_row_is_set_aside_alone(table: str, rule: str) -> None:
    frame, says = SET_ASIDE[table, rule]
    sound, aside, report = check(**{table: frame})
    [finding] = report.set_aside
    assert (finding.table, finding.rule, finding.count) == (table, rule, 1)
    assert says in finding.remedy
    assert aside[table]["rule"].to_list() == [rule]
    assert sound[table].height == frame.height - 1
    assert set(sound) == {*market(), *links()}


@pytest.mark.parametrize("stake", [0.0, -0.1, 51.0])
def test_a_stake_is_above_0_and_at_most_1(stake: float) -> None:
    _, aside, _ = check(affiliates=put(affiliates(), 0, stake=stake))
    assert aside["affiliates"]["rule"].to_list() == ["stake_outside_0_to_1"]


# --- rows of one key, one article, two directions ---


def test_a_repeated_row_goes_and_a_contradiction_refuses_the_table() -> None:
    _, aside, _ = check(mentions=pl.concat([mentions(), mentions()[2:3]]))
    assert aside["mentions"]["rule"].to_list() == ["duplicate_row"]
    sound, _, report = check(mentions=pl.concat([mentions(), put(mentions(), 2, source="other")[2:3]]))
    assert "mentions" not in sound
    assert only(report, "duplicate_key").count == 1


def test_an_article_counts_from_its_first_moment() -> None:
    """Also where the same name stands in it twice, and however the rows are ordered."""
    early = put(mentions(), 3, published_at=datetime(2024, 1, 2, tzinfo=UTC))
    again = pl.concat([mentions()[3:4], early]).reverse()
    sound, aside, report = check(mentions=again)
    assert report.refused == ()
    assert sound["mentions"].filter(article="n2").select("asset", "published_at").rows() == [(B, datetime(2024, 1, 2, tzinfo=UTC))]
    assert only(report, "published_again_later").count == aside["mentions"].height == 3
    assert sound["mentions"].filter(pl.col("article") != "n2").height == 3


def test_both_directions_of_a_pair_are_two_links() -> None:
    sound, _, report = check(disclosed_links=disclosed_links()[::-1])
    assert report.findings == ()
    assert sound["disclosed_links"].select("supplier", "customer").rows() == [(A, B), (A, C), (B, A), (C, A)]


def test_a_link_may_be_ongoing_and_a_bid_on_one_day() -> None:
    twice = pl.concat([disclosed_links(), put(disclosed_links(), 0, kind="bid")[:1]])
    sound, _, report = check(disclosed_links=twice)
    assert report.findings == ()
    assert sound["disclosed_links"].height == 5


@pytest.mark.parametrize("names", [1, 500])
def test_an_article_may_name_one_stock_or_five_hundred(names: int) -> None:
    when = moments(*[datetime(2024, 1, 3, tzinfo=UTC)] * names)
    article = pl.DataFrame({"article": "n", "asset": [f"{number:06d}.SZ" for number in range(1, names + 1)], "published_at": when})
    sound, aside, report = check(mentions=article)
    assert (sound["mentions"].height, aside) == (names, {})
    assert only(report, "name_without_bars").count == names - 1 if names > 1 else report.findings == ()


# --- moments ---


def test_today_ends_when_it_has_ended_everywhere() -> None:
    last = datetime(2024, 7, 1, 12, tzinfo=UTC) - timedelta(microseconds=1)  # 30 June is not over at UTC-12
    _, aside, _ = check(mentions=put(mentions(), 5, published_at=last))
    assert aside == {}
    _, aside, report = check_tables(
        {**market(), **links(), "mentions": put(mentions(), 5, published_at=datetime(2030, 1, 1, tzinfo=UTC))}, calendar="bars"
    )
    assert (aside, report.findings) == ({}, ()), "without a today there is no future"


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_moments_of_any_zone_and_precision_become_utc(zone: str, unit: Any) -> None:
    frame = mentions().with_columns(pl.col("published_at").dt.convert_time_zone(zone).dt.cast_time_unit(unit))
    made = conform("mentions", frame)
    assert made.frame.equals(mentions())
    assert made.frame.schema["published_at"] == pl.Datetime("us", "UTC")
    assert made.changes == (f"published_at: 6 moments of the time zone {zone} were converted to UTC",)
    _, _, report = check(mentions=frame)
    assert only(report, "changed_on_entry").level == "notice"


def test_a_zone_moves_the_day() -> None:
    local = pl.Series([datetime(2024, 1, 3, 3, tzinfo=ZoneInfo("Asia/Shanghai"))] * 6)
    assert local.dt.convert_time_zone("Asia/Shanghai").dt.day().to_list() == [3] * 6
    assert conform("mentions", mentions().with_columns(published_at=local)).frame["published_at"].dt.day().to_list() == [2] * 6


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (pl.col("published_at").dt.replace_time_zone(None), r"without a time zone.*replace_time_zone.*timezone = \"Asia/Shanghai\""),
        (pl.col("published_at").dt.date(), "a moment with a time zone is needed"),
        (pl.col("published_at").dt.to_string(), "a moment with a time zone is needed"),
    ],
)
def test_what_is_no_moment_is_refused(values: pl.Expr, says: str) -> None:
    with pytest.raises(TableError, match=says):
        conform("mentions", mentions().with_columns(values))


def test_a_column_of_missing_moments_is_set_aside_not_misread() -> None:
    sound, _, report = check(mentions=mentions().with_columns(published_at=pl.lit(None)))
    assert "mentions" not in sound
    assert only(report, "published_at|nullability").count == 6


# --- codes, bars, products, circles ---


@pytest.mark.parametrize(
    ("table", "frame"),
    [
        ("mentions", put(mentions(), 0, asset="sz000001")),
        ("disclosed_links", put(disclosed_links(), 0, supplier="000001.XSHE")),
        ("disclosed_links", put(disclosed_links(), 0, customer="600519.XSHG")),
        ("affiliates", put(affiliates(), 0, owned="600519.XSHG")),
        ("affiliates", put(affiliates(), 0, owner="SZ000001")),
    ],
)
def test_codes_written_otherwise_are_refused(table: str, frame: pl.DataFrame) -> None:
    sound, _, report = check(**{table: frame})
    assert table not in sound
    assert only(report, "mixed_code_formats").table == table


def test_an_owner_may_be_a_number() -> None:
    """Six digits are the spelling of a bare code too, but an owner may be any company or person."""
    sound, _, report = check(affiliates=put(affiliates(), 1, owner="600519"))
    assert report.findings == ()
    assert "600519" in sound["affiliates"]["owner"].to_list()


def test_names_that_differ_in_case_are_told() -> None:
    frame = bars().with_columns(pl.col("asset").replace({A: "AAPL"}))
    news = put(mentions().with_columns(pl.col("asset").replace({A: "AAPL"})), 2, asset="Aapl")
    _, _, report = check_tables({"bars": frame, "mentions": news}, calendar="bars")
    assert only(report, "codes_differ_in_case").count == 2


def test_names_without_bars_are_told_and_kept() -> None:
    strange = put(put(mentions(), 0, asset="000002.SZ"), 2, asset="000002.SZ")
    sound, aside, report = check(mentions=strange, affiliates=put(affiliates(), 0, owner="000003.SZ", owned="000004.SZ"))
    assert (sound["mentions"].height, sound["affiliates"].height, aside) == (6, 3, {})
    of_news, of_stakes = (each for each in report.findings if each.rule == "name_without_bars")
    assert (of_news.table, of_news.count, of_news.rows.rows()) == ("mentions", 1, [("000002.SZ", 2)])
    assert (of_stakes.table, of_stakes.rows.rows()) == ("affiliates", [("000004.SZ", 1)]), "an owner needs no bars"
    assert "the rows stay" in of_news.remedy


def test_not_one_known_name_is_told_in_other_words() -> None:
    _, _, report = check(mentions=mentions().with_columns(asset=pl.format("00001{}.SZ", pl.int_range(pl.len()))))
    assert "written in another way" in only(report, "name_without_bars").remedy


def test_supply_edges_need_the_tree() -> None:
    sound, _, report = check_tables({"bars": bars(), "supply_edges": supply_edges()}, calendar="bars")
    assert "supply_edges" not in sound
    assert only(report, "no_taxonomy").level == "refused"


def test_owners_in_a_circle_are_named() -> None:
    ring = pl.DataFrame({"owner": [A, B, C], "owned": [B, C, A], "start_date": [date(2023, 1, 1)] * 3})
    sound, aside, report = check(affiliates=ring)
    assert (sound["affiliates"].height, aside) == (3, {})
    finding = only(report, "ownership_circle")
    assert (finding.count, finding.level) == (1, "notice")
    assert finding.rows["circle"].to_list() == [f"{A} -> {B} -> {C} -> {A}"]
    _, _, report = check(affiliates=ring.with_columns(kind=pl.lit("executive")))
    assert report.findings == (), "only stakes make a circle"


@pytest.mark.parametrize(
    ("ties", "expected"),
    [
        ([("a", "b"), ("b", "c"), ("a", "c")], []),
        ([("a", "b"), ("b", "a")], ["a -> b -> a"]),
        ([("x", "a"), ("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")], ["b -> c -> b"]),
        ([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")], ["a -> b -> a", "c -> d -> c"]),
    ],
)
def test_circles_by_hand(ties: list[tuple[str, str]], expected: list[str]) -> None:
    frame = pl.DataFrame(ties, schema=["owner", "owned"], orient="row")
    assert _circles(frame) == (len(expected), expected)
    assert _circles(frame.reverse()) == (len(expected), expected)


def test_a_long_chain_of_owners_is_no_circle() -> None:
    names = [f"{number:05d}" for number in range(20_000)]
    assert _circles(pl.DataFrame({"owner": names[:-1], "owned": names[1:]})) == (0, [])
    assert _circles(pl.DataFrame({"owner": names, "owned": [*names[1:], names[0]]}))[0] == 1


# --- what was known when ---


def test_what_a_day_knows_of_links() -> None:
    data = Dataset.from_frames({**market(), **links()})
    past = data.as_of(date(2024, 1, 4))
    assert past.frame("mentions")["article"].to_list() == ["n1", "n1", "n2", "n2", "n2"]
    assert past.frame("disclosed_links").height == 4
    assert past.frame("supply_edges")["end_date"].to_list() == [None, date(2023, 1, 2), None]
    ends = past.frame("affiliates").select("owner", "end_date").rows()
    assert ends == [(A, date(2023, 1, 2)), ("0000320193", None), ("person/1", None)]
    before = data.as_of(date(2024, 1, 3))
    assert before.frame("mentions")["article"].to_list() == ["n1", "n1"]
    assert (before.frame("disclosed_links").height, before.frame("affiliates").height) == (3, 2)
    on_the_day = data.as_of(date(2024, 1, 5)).frame("supply_edges")["end_date"].to_list()
    assert date(2024, 1, 5) in on_the_day, "on its end date an edge is known to hold no more"


def test_a_day_ends_at_midnight_in_utc() -> None:
    last = datetime(2024, 1, 5, tzinfo=UTC) - timedelta(microseconds=1)
    news = put(put(mentions(), 0, published_at=last), 1, published_at=last)
    data = Dataset.from_frames({**market(), "mentions": news})
    assert "n1" in data.as_of(date(2024, 1, 4)).frame("mentions")["article"].to_list()
    assert "n1" not in data.as_of(date(2024, 1, 3)).frame("mentions")["article"].to_list()
    over = put(put(mentions(), 0, published_at=last + timedelta(microseconds=1)), 1, published_at=last + timedelta(microseconds=1))
    assert "n1" not in Dataset.from_frames({**market(), "mentions": over}).as_of(date(2024, 1, 4)).frame("mentions")["article"].to_list()


def test_links_survive_a_folder(tmp_path: Path) -> None:
    data = Dataset.from_frames({**market(), **links()})
    written = data.write(tmp_path / "data")
    for name in links():
        assert written.frame(name).equals(data.frame(name))
        assert written.frame(name).schema == data.frame(name).schema
    assert check_folder(tmp_path / "data", today=TODAY).exit_code == 0
    past = written.as_of(date(2024, 1, 4))
    assert past.fingerprint() == data.as_of(date(2024, 1, 4)).fingerprint()
