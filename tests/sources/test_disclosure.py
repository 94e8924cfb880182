"""When facts became known: stated, statutory, missing; and filings that lost a row."""

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest

from pureplay.errors import SettingError, TableError
from pureplay.sources.dates import statutory_deadline
from pureplay.sources.files import Imported

Run = Callable[..., Imported]

SEGMENTS = """
[[table]]
table = "segments"
files = ["s.csv"]
[table.columns]
asset = "a"
product = "p"
revenue = "r"
"""
MIX = "a,p,r,end,pub\nx,glass,1,2021-06-30,2021-08-20\nx,steel,2,2021-06-30,2021-08-20\ny,glass,3,2020-12-31,\n"


@pytest.mark.parametrize(
    ("period_end", "deadline"),
    [
        (date(2020, 12, 31), date(2021, 4, 30)),
        (date(2021, 3, 31), date(2021, 4, 30)),
        (date(2021, 6, 30), date(2021, 8, 31)),
        (date(2021, 9, 30), date(2021, 10, 31)),
        (date(2021, 6, 29), None),
        (date(2021, 11, 30), None),
    ],
)
def test_statutory_deadlines(period_end: date, deadline: date | None) -> None:
    assert pl.select(statutory_deadline(pl.lit(period_end))).item() == deadline


def test_dates_stated_by_the_map_are_marked_assumed(run: Run) -> None:
    result = run(SEGMENTS + "[table.constants]\nperiod_end = 2021-06-30\npublish_date = 2021-10-01\n", {"s.csv": MIX})
    table = result.tables["segments"]
    assert table.select("period_end", "publish_date", "known_at_source", "revision", "kind").unique().rows() == [
        (date(2021, 6, 30), date(2021, 10, 1), "assumed", 0, "product"),
    ]
    assert result.report.count("assumed") == 3
    assert "period_end = 2021-06-30, publish_date = 2021-10-01" in str(result.report)


def test_statutory_deadline_stands_in_for_a_missing_column(run: Run) -> None:
    result = run(SEGMENTS + 'period_end = "end"\n[table.statutory]\npublish_date = "cn"\n', {"s.csv": MIX})
    assert result.tables["segments"]["publish_date"].to_list() == [date(2021, 8, 31), date(2021, 8, 31), date(2021, 4, 30)]
    assert set(result.tables["segments"]["known_at_source"]) == {"assumed"}


def test_statutory_deadline_fills_gaps_only(run: Run) -> None:
    result = run(SEGMENTS + 'period_end = "end"\npublish_date = "pub"\n[table.statutory]\npublish_date = "cn"\n', {"s.csv": MIX})
    assert result.tables["segments"].select("publish_date", "known_at_source").rows() == [
        (date(2021, 8, 20), "filed"),
        (date(2021, 8, 20), "filed"),
        (date(2021, 4, 30), "assumed"),
    ]
    assert result.report.count("assumed") == 1


def test_rows_without_a_publish_date_are_refused(run: Run) -> None:
    result = run(SEGMENTS + 'period_end = "end"\npublish_date = "pub"\n', {"s.csv": MIX})
    assert result.tables["segments"]["asset"].to_list() == ["x", "x"]
    assert result.refused["segments"].select("row", "rule", "asset").rows() == [(3, "no_publish_date", "y")]


def test_a_period_that_ends_no_quarter_has_no_deadline(run: Run) -> None:
    result = run(
        SEGMENTS + 'period_end = "end"\n[table.statutory]\npublish_date = "cn"\n', {"s.csv": MIX.replace("2020-12-31", "2020-12-30")}
    )
    assert result.refused["segments"]["rule"].to_list() == ["no_publish_date"]


def test_a_filing_that_lost_a_row_goes_aside_as_a_whole(run: Run) -> None:
    text = SEGMENTS + 'period_end = "end"\npublish_date = "pub"\n[table.statutory]\npublish_date = "cn"\n'
    result = run(text, {"s.csv": MIX.replace("x,steel,2,", "x,steel,?,")})
    assert result.tables["segments"]["asset"].to_list() == ["y"]
    aside = result.refused["segments"]
    assert aside.select("row", "rule", "product", "revenue").rows() == [
        (2, "not_a_number", "steel", "?"),
        (1, "filing_incomplete", "glass", "1.0"),
    ]
    assert not [name for name in aside.columns if name.startswith("__")]
    assert result.report.count("refused") == 2


def test_a_filing_that_lost_a_row_goes_aside_across_blocks(run: Run) -> None:
    columns = 'period_end = "end"\npublish_date = "pub"\n'
    blocks = SEGMENTS + columns + SEGMENTS.replace("s.csv", "t.csv") + columns
    first = "a,p,r,end,pub\nx,glass,1,2021-06-30,2021-08-20\nz,glass,1,2021-06-30,2021-08-20\n"
    result = run(blocks, {"s.csv": first, "t.csv": "a,p,r,end,pub\nx,steel,?,2021-06-30,2021-08-20\ny,steel,2,2021-06-30,2021-08-20\n"})
    assert result.tables["segments"]["asset"].to_list() == ["z", "y"]
    assert result.refused["segments"].select("file", "rule").rows() == [("t.csv", "not_a_number"), ("s.csv", "filing_incomplete")]


@pytest.mark.parametrize("table", ["segments", "filings"])
def test_undated_facts_are_refused(run: Run, table: str) -> None:
    text = SEGMENTS + 'period_end = "end"\n'
    if table == "filings":
        text = text.replace("segments", "filings").replace("product =", "#").replace("revenue =", "total_revenue =")
    with pytest.raises(TableError, match=r"says nowhere when its rows became public.*statutory"):
        run(text, {"s.csv": MIX})


def test_filings_have_no_mark_and_the_report_says_so(run: Run) -> None:
    text = SEGMENTS.replace("segments", "filings").replace('product = "p"', "").replace("revenue =", "total_revenue =")
    text = text + '[table.constants]\nperiod_end = 2021-06-30\n[table.statutory]\npublish_date = "cn"\n'
    result = run(text, {"s.csv": "a,r\nx,3\n"})
    assert result.tables["filings"]["publish_date"].to_list() == [date(2021, 8, 31)]
    assert "the table has no column to mark it" in str(result.report)


def test_stated_dates_cannot_pass_as_filed(run: Run) -> None:
    text = SEGMENTS + 'period_end = "end"\n[table.constants]\npublish_date = 2021-10-01\nknown_at_source = "filed"\n'
    with pytest.raises(SettingError, match='known_at_source = "assumed": remove'):
        run(text, {"s.csv": MIX})
