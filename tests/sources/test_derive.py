"""Returns from prices, traded value from price and volume, values through a file of pairs, values of several columns."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pureplay.errors import DatasetError, SettingError, TableError
from pureplay.sources.derive import Derivation, derive
from pureplay.sources.files import Imported
from pureplay.sources.report import Entry
from pureplay.tables import contract

Run = Callable[..., Imported]

BARS = """
[[table]]
table = "bars"
files = ["bars*"]
nulls = ["total_cap"]
[table.columns]
date = "date"
asset = "code"
close = "close"
volume = "volume"
[table.derive]
{derive}
"""
RETURN = 'ret = {simple_return_of = "close", longest_gap_days = 30}'
DAY = date(2024, 1, 1)


def prices(rows: list[tuple[int, str, float | None, float | None]]) -> pl.DataFrame:
    """Rows of day number, code, close, volume."""
    frame = pl.DataFrame(rows, schema={"day": pl.Int64, "code": pl.String, "close": pl.Float64, "volume": pl.Float64}, orient="row")
    return frame.select(pl.lit(DAY).dt.offset_by(pl.format("{}d", "day")).alias("date"), "code", "close", "volume")


def returns(run: Run, rows: list[Any], entry: str = RETURN) -> list[float | None]:
    return run(BARS.format(derive=entry), {"bars.parquet": prices(rows)}).tables["bars"]["ret"].to_list()


def test_a_return_is_price_over_the_last_price_of_the_same_stock(run: Run) -> None:
    rows = [(2, "A", 12.0, 1.0), (0, "A", 8.0, 1.0), (1, "B", 50.0, 1.0), (1, "A", 10.0, 1.0), (3, "B", 25.0, 1.0)]
    assert returns(run, rows) == [12.0 / 10.0 - 1, None, None, 0.25, -0.5], "in date order whatever the order of the file"


def test_a_day_without_trade_has_no_return_and_the_next_one_spans_it(run: Run) -> None:
    rows = [(0, "A", 8.0, 1.0), (1, "A", 9.0, 0.0), (2, "A", None, 1.0), (3, "A", 0.0, 1.0), (4, "A", 12.0, None)]
    assert returns(run, rows) == [None, None, None, None, 0.5]


def test_a_long_gap_may_be_another_company(run: Run) -> None:
    rows = [(0, "A", 8.0, 1.0), (30, "A", 10.0, 1.0), (61, "A", 20.0, 1.0), (62, "A", 30.0, 1.0)]
    assert returns(run, rows) == [None, 0.25, None, 0.5]
    assert returns(run, rows, RETURN.replace("30", "31")) == [None, 0.25, 1.0, 0.5]
    assert returns(run, rows, RETURN.replace("30", "29")) == [None, None, None, 0.5]


def test_the_report_counts_what_was_derived(run: Run) -> None:
    rows = [(0, "A", 8.0, 1.0), (40, "A", 10.0, 1.0), (41, "A", 11.0, 1.0), (0, "B", 1.0, 1.0)]
    result = run(BARS.format(derive=RETURN), {"bars.parquet": prices(rows)})
    [entry] = [each for each in result.report.entries if each.kind == "derived"]
    assert (entry.column, entry.count) == ("ret", 1)
    assert entry.detail == (
        "return of close since the last traded bar; null on the first bar of 2 and over 1 gaps of more than 30 days, such as A 2024-02-10"
    )
    assert "derived" in str(result.report)


def test_returns_run_over_several_files(run: Run) -> None:
    files = {"bars1.parquet": prices([(0, "A", 8.0, 1.0)]), "bars2.parquet": prices([(1, "A", 10.0, 1.0)])}
    assert run(BARS.format(derive=RETURN), files).tables["bars"]["ret"].to_list() == [None, 0.25]


def test_a_product_of_columns(run: Run) -> None:
    entry = RETURN + '\namount = {product_of = ["close", "volume"]}'
    table = run(BARS.format(derive=entry), {"bars.parquet": prices([(0, "A", 8.0, 3.0), (1, "A", None, 3.0)])}).tables["bars"]
    assert table["amount"].to_list() == [24.0, None]
    assert table.columns == ["date", "asset", "close", "ret", "volume", "amount", "total_cap"]


BAR = st.tuples(
    st.integers(0, 80),
    st.sampled_from(["A", "B"]),
    st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.0, 3.5, 7.0])),
    st.one_of(st.none(), st.sampled_from([0.0, 5.0])),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(BAR, min_size=1, max_size=40, unique_by=lambda row: row[:2]), st.integers(1, 40), st.integers(0, 80))
def test_returns_by_a_plain_loop_and_nothing_from_the_future(rows: list[Any], gap: int, cut: int) -> None:
    frame = prices(rows).rename({"code": "asset"})
    plan = (Derivation(target="ret", formula="simple_return_of", sources=("close",), longest_gap_days=gap),)
    entries: list[Entry] = []
    made = derive(frame, plan, contract("bars"), entries)["ret"].to_list()
    expected: list[float | None] = []
    for day, code, close, volume in rows:
        before = [r for r in rows if r[1] == code and r[0] < day and r[2] and r[3] != 0]
        last = max(before, key=lambda r: r[0], default=None)
        traded = bool(close) and volume != 0
        expected.append(close / last[2] - 1 if traded and last is not None and day - last[0] <= gap else None)
    assert made == expected  # the same two operations on the same numbers: the same bits
    past = frame["date"] <= DAY + timedelta(days=cut)
    earlier = derive(frame.filter(past), plan, contract("bars"), [])["ret"].to_list() if past.any() else []
    assert earlier == [value for value, known in zip(made, past, strict=True) if known]


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        ('ret = {simple_return_of = "close"}', SettingError, "needs longest_gap_days"),
        ('ret = {simple_return_of = "close", longest_gap_days = 0}', SettingError, "needs longest_gap_days"),
        ('ret = {simple_return_of = "open", longest_gap_days = 30}', SettingError, "needs open, which the map does not state"),
        ('ret = {simple_return_of = "price", longest_gap_days = 30}', TableError, "'price' is not a column of 'bars'"),
        ('ret = {simple_return_of = "date", longest_gap_days = 30}', TableError, "only decimal numbers"),
        ('retn = {simple_return_of = "close", longest_gap_days = 30}', TableError, "'retn' is not a column of 'bars'"),
        ('ret = {log_return_of = "close"}', SettingError, "unknown key 'log_return_of'"),
        ("ret = {longest_gap_days = 30}", SettingError, "exactly one of simple_return_of, product_of"),
        ('ret = {product_of = ["close"]}', SettingError, "two columns or more"),
        ('ret = "close"', SettingError, "write {simple_return_of"),
        (RETURN + '\nvolume = {product_of = ["close", "close"]}', SettingError, "states volume more than once"),
    ],
)
def test_faulty_derivations(run: Run, entry: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(BARS.format(derive=entry), {"bars.parquet": prices([(0, "A", 8.0, 1.0)])})


def test_only_daily_tables_have_returns(run: Run) -> None:
    text = '[[table]]\ntable = "dividends"\nfiles = ["d*"]\n[table.columns]\nasset = "a"\nex_date = "d"\n[table.derive]\n'
    text += 'cash_per_share = {simple_return_of = "cash_per_share", longest_gap_days = 30}'
    with pytest.raises(TableError, match="'dividends' has no daily rows"):
        run(text, {"d.csv": "a,d\nA,2024-01-01\n"})


# --- lookup and join ---

OWNERS = """
[[table]]
table = "affiliates"
files = ["owners.csv"]
[table.columns]
owner = {{from = "a"{owner}}}
owned = {{from = "b", lookup = {{file = "pairs.csv", key = "cik", value = "ticker"}}}}
[table.constants]
start_date = 2013-01-01
"""
KEEP = ', lookup = {file = "pairs.csv", key = "cik", value = "ticker", others = "keep"}'
PAIRS = "cik,ticker,name\n0001,AAA,x\n0002, BBB ,y\n0003,,z\n0001,AAA,again\n"


def test_values_through_a_file_of_pairs(run: Run) -> None:
    owners = "a,b\n0001,0002\n0009,0001\n0001,0009\n0001,0003\n0001,\n"
    result = run(OWNERS.format(owner=KEEP), {"owners.csv": owners, "pairs.csv": PAIRS})
    assert result.tables["affiliates"].select("owner", "owned").rows() == [("AAA", "BBB"), ("0009", "AAA"), ("AAA", None)]
    assert result.refused["affiliates"].select("row", "rule", "owned").rows() == [
        (3, "not_in_lookup", "0009"),
        (4, "not_in_lookup", "0003"),
    ]
    told = {(each.column, each.detail): (each.count, each.examples) for each in result.report.entries if each.kind == "converted"}
    assert told["owner", "looked up in pairs.csv"][0] == 4
    assert told["owner", "kept: absent from pairs.csv"] == (1, ("0009",))
    assert told["owned", "looked up in pairs.csv"] == (2, ("0002 -> BBB", "0001 -> AAA"))


def test_a_lookup_comes_after_map_and_before_code_and_prefix(run: Run) -> None:
    text = '[[table]]\ntable = "industries"\nfiles = ["i.csv"]\n[table.columns]\nasset = "a"\n'
    text += 'code = {from = "b", map = {one = "0001"}, prefix = 2, lookup = {file = "pairs.csv", key = "cik", value = "ticker"}}\n'
    text += '[table.constants]\nscheme = "s"\nstart_date = 2013-01-01\n'
    assert run(text, {"i.csv": "a,b\nX,one\n", "pairs.csv": PAIRS}).tables["industries"]["code"].to_list() == ["AA"]


@pytest.mark.parametrize(
    ("pairs", "owner", "error", "message"),
    [
        (PAIRS + "0001,CCC,w\n", KEEP, TableError, "gives 1 keys several values, such as 0001 -> AAA; 0001 -> CCC"),
        ("cik,symbol\n0001,AAA\n", KEEP, TableError, "lookup file pairs.csv has no column 'ticker'"),
        (PAIRS, KEEP.replace("pairs.csv", "pair.csv"), DatasetError, "matches no file"),
        (PAIRS, KEEP.replace("pairs.csv", "*.csv"), TableError, "names 2 files: name one"),
        (PAIRS, KEEP.replace('"keep"', '"drop"'), SettingError, "write one of keep, refuse"),
        (PAIRS, ', lookup = {file = "pairs.csv", key = "cik"}', SettingError, "lacks 'value'"),
        (PAIRS, KEEP.replace("others", "other"), SettingError, "unknown key 'other'"),
    ],
)
def test_faulty_lookups(run: Run, pairs: str, owner: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(OWNERS.format(owner=owner), {"owners.csv": "a,b\n0001,0002\n", "pairs.csv": pairs})


def test_several_columns_make_one_value(run: Run) -> None:
    lookup = '{from = "b", lookup = {file = "pairs.csv", key = "cik", value = "ticker"}}'
    text = OWNERS.format(owner=', join = ["age"]').replace(lookup, '"b"')
    table = (result := run(text, {"owners.csv": "a,b,age\n Li ,AAA,50\nLi,BBB, 50\nLi,BBB,51\nLi,CCC,\n"})).tables["affiliates"]
    assert table["owner"].to_list() == ["Li/50", "Li/50", "Li/51", None]
    assert [each.detail for each in result.report.entries if each.kind == "column"] == ["from a / age", "from b"]
    with pytest.raises(TableError, match=r"has no column 'sex'"):
        run(text.replace('["age"]', '["age", "sex"]'), {"owners.csv": "a,b,age\nLi,AAA,50\n"})


def test_one_ticker_on_two_exchanges_becomes_two_stocks(run: Run) -> None:
    text = BARS.format(derive=RETURN).replace('asset = "code"', 'asset = {from = "exchange", join = ["code"]}')
    frame = prices([(0, "A", 8.0, 1.0), (0, "A", 2.0, 1.0), (1, "A", 10.0, 1.0), (1, "A", 3.0, 1.0)])
    table = run(text, {"bars.parquet": frame.with_columns(exchange=pl.Series(["N", "Q", "N", "Q"]))}).tables["bars"]
    assert table.select("asset", "ret").rows() == [("N/A", None), ("Q/A", None), ("N/A", 0.25), ("Q/A", 0.5)]
    with pytest.raises(TableError, match="4 rows share 2 keys"):
        run(BARS.format(derive=RETURN), {"bars.parquet": frame})
