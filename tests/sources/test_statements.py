"""Statements and dividends through the column map: one block an item where the file is wide, one block where it is long."""

from collections.abc import Callable
from datetime import date

import polars as pl

from pureplay.sources.files import Imported

Run = Callable[..., Imported]

BLOCK = """
[[table]]
table = "statements"
files = ["statements.csv"]
where = [{{column = "{column}", is_null = false}}]
[table.columns]
asset = {{from = "code", code = "cn"}}
period_end = {{from = "end", format = "%Y%m%d"}}
publish_date = {{from = "ann", format = "%Y%m%d"}}
value = {{from = "{column}", unit = "ten_thousand"}}
[table.constants]
item = "{item}"
"""
WIDE = "code,end,ann,rev,cost\n600519,20221231,20230330,12.5,3\n601398,20221231,20230331,90,\n"


def test_a_wide_file_gives_one_block_an_item_and_absent_items_no_row(run: Run) -> None:
    result = run(BLOCK.format(column="rev", item="revenue") + BLOCK.format(column="cost", item="cost_of_sales"), {"statements.csv": WIDE})
    expected = [
        ("600519.SH", date(2022, 12, 31), "revenue", 0, date(2023, 3, 30), 125_000.0),
        ("601398.SH", date(2022, 12, 31), "revenue", 0, date(2023, 3, 31), 900_000.0),
        ("600519.SH", date(2022, 12, 31), "cost_of_sales", 0, date(2023, 3, 30), 30_000.0),
    ]
    assert result.tables["statements"].rows() == expected
    assert result.refused == {}


LONG = """
[[table]]
table = "statements"
files = ["long.csv"]
[table.columns]
asset = "code"
period_end = "end"
item = {from = "what", map = {"营业收入" = "revenue", "总股本" = "shares"}, others = "refuse"}
revision = "version"
value = "amount"
[table.statutory]
publish_date = "cn"

[[table]]
table = "dividends"
files = ["paid.csv"]
[table.columns]
asset = "code"
ex_date = "ex"
cash_per_share = {from = "per_ten", scale = 0.1}
"""


def test_a_long_file_with_statutory_dates_and_dividends_per_ten_shares(run: Run) -> None:
    rows = "code,end,what,version,amount\nA,2022-06-30,营业收入,1,7\nA,2022-06-30,总股本,0,3\nA,2022-06-30,商誉,0,1\n"
    result = run(LONG, {"long.csv": rows, "paid.csv": "code,ex,per_ten\nA,2022-07-08,2.5\n"})
    assert result.tables["statements"].rows() == [
        ("A", date(2022, 6, 30), "revenue", 1, date(2022, 8, 31), 7.0),
        ("A", date(2022, 6, 30), "shares", 0, date(2022, 8, 31), 3.0),
    ]
    assert result.refused["statements"]["rule"].to_list() == ["not_in_map"]
    assert result.tables["dividends"].rows() == [("A", date(2022, 7, 8), 0.25)]
    assert result.tables["statements"].schema["value"] == pl.Float64
