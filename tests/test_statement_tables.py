"""Statements and dividends at the border: what is set aside, what is only said, what a later date may not know."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pureplay.checks import check_tables
from pureplay.dataset import Dataset
from pureplay.findings import CheckReport
from pureplay.tables import STATEMENT_ITEMS, contract
from tests.border_market import STOCKS, bars, market, put

TODAY = date(2024, 6, 30)


def statements() -> pl.DataFrame:
    """Every item of two quarters of each stock; flows grow within the year."""
    ends = [date(2023, 3, 31), date(2023, 6, 30)]
    rows = [(stock, end, item) for stock in STOCKS for end in ends for item in STATEMENT_ITEMS]
    return pl.DataFrame(
        {
            "asset": [row[0] for row in rows],
            "period_end": [row[1] for row in rows],
            "item": [row[2] for row in rows],
            "publish_date": [date(2023, row[1].month + 2, 1) for row in rows],
            "value": [100.0 + position for position in range(len(rows))],
        }
    )


def dividends() -> pl.DataFrame:
    return pl.DataFrame({"asset": STOCKS, "ex_date": [date(2023, 7, 3)] * 3, "cash_per_share": [0.0, 0.5, 1.5]})


def check(**changed: Any) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame], CheckReport]:
    tables = {**market(), "statements": statements(), "dividends": dividends(), **changed}
    return check_tables(tables, calendar="bars", today=TODAY)


def at(item: str, quarter: int = 1) -> int:
    """Row of an item of the first stock."""
    return (quarter - 1) * len(STATEMENT_ITEMS) + STATEMENT_ITEMS.index(item)


def test_sound_tables_raise_no_finding_and_carry_a_revision() -> None:
    sound, aside, report = check()
    assert (report.findings, aside) == ((), {})
    assert sound["statements"]["revision"].to_list() == [0] * 60
    assert sound["statements"].columns == ["asset", "period_end", "item", "revision", "publish_date", "value"]


def test_only_the_revision_may_be_absent() -> None:
    assert contract("statements").required == ["asset", "period_end", "item", "publish_date", "value"]
    assert contract("dividends").required == ["asset", "ex_date", "cash_per_share"]


SET_ASIDE: dict[str, tuple[pl.DataFrame, str]] = {
    "published_before_period_end": (put(statements(), 3, publish_date=date(2023, 3, 30)), "nothing is public before its period ends"),
    "unknown_item": (put(statements(), 3, item="ebitda"), "name the item as one of revenue, cost_of_sales"),
    "shares_not_positive": (put(statements(), at("shares"), value=0.0), "above 0"),
    "negative_amount": (put(statements(), at("total_assets"), value=-1.0), "at least 0"),
    "published_in_the_future": (put(statements(), 3, publish_date=date(2024, 7, 1)), "it lies after today"),
    "value|nullability": (put(statements(), 3, value=float("nan")), "fill the value or leave the row out"),
    "value|inf": (put(statements(), 3, value=float("inf")), "replace infinite values by missing ones"),
}


@pytest.mark.parametrize("rule", SET_ASIDE)
def test_a_faulty_row_is_set_aside_alone(rule: str) -> None:
    frame, says = SET_ASIDE[rule]
    sound, aside, report = check(statements=frame)
    [finding] = report.set_aside
    assert (finding.table, finding.rule, finding.count) == ("statements", rule, 1)
    assert says in finding.remedy
    assert aside["statements"]["rule"].to_list() == [rule]
    assert sound["statements"].height == 59
    assert set(sound) == {*market(), "statements", "dividends"}


@pytest.mark.parametrize(
    ("item", "value", "rule"),
    [
        ("total_debt", -1.0, "negative_amount"),
        ("long_term_debt", -1.0, "negative_amount"),
        ("preferred_equity", -1.0, "negative_amount"),
        ("shares", -1.0, "shares_not_positive"),
        ("total_debt", 0.0, None),
        ("net_income", -1.0, None),
        ("operating_cash_flow", -1.0, None),
    ],
)
def test_which_items_may_be_negative(item: str, value: float, rule: str | None) -> None:
    _, _, report = check(statements=put(statements(), at(item), value=value))
    assert [each.rule for each in report.findings] == ([rule] if rule else [])


NOTICES: dict[str, tuple[pl.DataFrame, str]] = {
    "negative_equity": (put(statements(), at("book_equity"), value=-5.0), "correct the sign if it is wrong"),
    "zero_assets": (put(statements(), at("total_assets"), value=0.0), "ratios to total assets are unknown"),
    "cumulative_amount_shrinks": (put(statements(), at("cost_of_sales", 2), value=50.0), "check for single quarters"),
    "period_end_off_quarter": (put(statements(), at("total_debt"), period_end=date(2023, 3, 30)), "31 December"),
}


@pytest.mark.parametrize("rule", NOTICES)
def test_an_odd_figure_is_named_and_stays(rule: str) -> None:
    frame, says = NOTICES[rule]
    sound, _, report = check(statements=frame)
    [finding] = report.findings
    assert (finding.level, finding.table, finding.rule, finding.count) == ("notice", "statements", rule, 1)
    assert says in finding.remedy
    assert finding.rows["asset"].to_list() == [STOCKS[0]]
    assert sound["statements"].height == 60
    assert report.exit_code == 0


def test_only_what_shrinks_within_one_year_and_in_its_latest_version_is_named() -> None:
    later = put(statements(), at("revenue", 2), period_end=date(2024, 3, 31), publish_date=date(2024, 4, 20), value=1.0)
    assert check(statements=later)[2].findings == ()
    assert check(statements=put(statements(), at("net_income", 2), value=1.0))[2].findings == ()
    first = put(statements(), at("revenue", 2), value=1.0).with_columns(revision=pl.lit(0))
    mended = statements()[at("revenue", 2)].with_columns(revision=pl.lit(1), publish_date=date(2023, 9, 1))
    assert check(statements=pl.concat([first, mended]))[2].findings == ()


def test_a_stock_on_one_side_only_is_named() -> None:
    fewer = statements().filter(pl.col("asset") != STOCKS[0])
    [finding] = check(statements=fewer)[2].findings
    assert (finding.table, finding.rule, finding.rows["asset"].to_list()) == ("bars", "stock_without_statements", [STOCKS[0]])
    assert "no fundamental factors" in finding.remedy
    more = pl.concat([statements(), statements().head(10).with_columns(asset=pl.lit("600000.SH"))])
    [finding] = check(statements=more)[2].findings
    assert (finding.table, finding.rule, finding.rows["asset"].to_list()) == ("statements", "stock_without_bars", ["600000.SH"])


def test_a_negative_dividend_is_set_aside() -> None:
    sound, aside, report = check(dividends=put(dividends(), 1, cash_per_share=-0.1))
    assert [each.rule for each in report.findings] == ["negative_dividend"]
    assert aside["dividends"]["asset"].to_list() == [STOCKS[1]]
    assert sound["dividends"].height == 2


def test_two_versions_that_share_a_key_are_refused() -> None:
    _, _, report = check(statements=pl.concat([statements(), put(statements(), 0, value=1.0).head(1)]))
    assert [(each.table, each.rule) for each in report.refused] == [("statements", "duplicate_key")]


def test_a_past_date_knows_no_later_statement_and_no_later_ex_date() -> None:
    data = Dataset.from_frames({"bars": bars(), "statements": statements(), "dividends": dividends()})
    past = data.as_of(date(2023, 7, 2))
    assert past.frame("dividends").height == 0
    assert past.frame("statements")["period_end"].unique().to_list() == [date(2023, 3, 31)]
    assert data.as_of(date(2023, 8, 1)).frame("statements").height == 60


def test_both_tables_survive_a_folder(tmp_path: Any) -> None:
    data = Dataset.from_frames({"bars": bars(), "statements": statements(), "dividends": dividends()})
    again = data.write(tmp_path / "data")
    for name in ("statements", "dividends"):
        assert again.frame(name).equals(data.frame(name))
