"""Files through a column map into canonical tables: what is converted, assumed, set aside and counted."""

import gzip
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pureplay.errors import TableError
from pureplay.sources.files import Imported, load

Run = Callable[..., Imported]

BARS = """
[[table]]
table = "bars"
files = ["bars*"]
{options}
[table.columns]
date = "date"
asset = {{from = "code", code = "cn"}}
ret = "ret"
total_cap = "cap"
"""
CSV = "date,code,ret,cap\n2021-01-04,600519,0.01,100\n2021-01-05,000001,-0.02,200\n"


def bars(options: str = "") -> str:
    return BARS.format(options=options)


def test_csv_becomes_a_table_in_the_contracts_types(run: Run) -> None:
    result = run(bars(), {"bars.csv": CSV})
    expected = pl.DataFrame(
        {
            "date": [date(2021, 1, 4), date(2021, 1, 5)],
            "asset": ["600519.SH", "000001.SZ"],
            "ret": [0.01, -0.02],
            "total_cap": [100.0, 200.0],
        }
    )
    assert result.tables["bars"].equals(expected)
    assert result.tables["bars"].schema == expected.schema
    assert (result.name, result.calendar, result.notes, result.refused) == ("test", "bars", (), {})


def test_head_gives_calendar_and_notes(run: Run) -> None:
    head = '[dataset]\nname = "mine"\ncalendar = "XSHG"\nnote = "first"\n'
    result = run(bars('note = "second"'), {"bars.csv": CSV}, head=head)
    assert (result.name, result.calendar, result.notes) == ("mine", "XSHG", ("first", "second"))


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz", "bars.parquet"])
def test_every_format_gives_the_same_table(run: Run, name: str) -> None:
    content: object = CSV
    if name.endswith("gz"):
        content = gzip.compress(CSV.encode())
    if name.endswith("parquet"):
        content = pl.DataFrame(
            {"date": [date(2021, 1, 4), date(2021, 1, 5)], "code": [600519, 1], "ret": [0.01, -0.02], "cap": [100, 200]},
            schema_overrides={"code": pl.Int32},
        )
    table = run(bars(), {name: content}).tables["bars"]
    assert table.rows() == [(date(2021, 1, 4), "600519.SH", 0.01, 100.0), (date(2021, 1, 5), "000001.SZ", -0.02, 200.0)]


def test_globs_join_files_in_sorted_order_and_count_each(run: Run) -> None:
    later = "date,code,ret,cap\n2022-01-04,600519,0.01,100\n"
    result = run(bars().replace("bars*", "y/**/bars*.csv"), {"y/b/bars2.csv": later, "y/a/bars1.csv": CSV, "other.csv": "x\n1\n"})
    assert result.tables["bars"]["date"].to_list() == [date(2021, 1, 4), date(2021, 1, 5), date(2022, 1, 4)]
    read = [(each.file, each.count) for each in result.report.entries if each.kind == "rows read"]
    assert read == [("y/a/bars1.csv", 2), ("y/b/bars2.csv", 1)]


def test_progress_is_told_each_file(run: Run, tmp_path: Path) -> None:
    run(bars(), {"bars.csv": CSV})
    told: list[str] = []
    load(tmp_path / "map.toml", source=tmp_path / "source", progress=told.append)
    assert told == ["bars: bars.csv"]


@pytest.mark.parametrize(
    ("unit", "raw", "expected"),
    [
        ('unit = "percent"', 2.5, 0.025),
        ('unit = "bp"', 25.0, 0.0025),
        ('unit = "lot"', 3.0, 300.0),
        ('unit = "thousand"', 2.0, 2e3),
        ('unit = "ten_thousand"', 2.0, 2e4),
        ('unit = "million"', 2.0, 2e6),
        ('unit = "hundred_million"', 2.0, 2e8),
        ('unit = "billion"', 2.0, 2e9),
        ("scale = 0.5", 2.0, 1.0),
        ("scale = -1", 2.0, -2.0),
    ],
)
def test_units_and_scales(run: Run, unit: str, raw: float, expected: float) -> None:
    text = bars().replace('ret = "ret"', f'ret = {{from = "ret", {unit}}}')
    result = run(text, {"bars.csv": f"date,code,ret,cap\n2021-01-04,600519,{raw},1\n2021-01-05,600519,,1\n"})
    got = result.tables["bars"]["ret"].to_list()
    assert got[0] == pytest.approx(expected, rel=1e-15)  # one rounding of one product
    assert got[1] is None
    assert result.report.count("converted", column="ret") == 1


DATES: list[tuple[str, object, date | None]] = [
    ("", "2021-06-30", date(2021, 6, 30)),
    ("", "2021-06-30 00:00:00", date(2021, 6, 30)),
    ("", "2021-06-30T00:00:00.000", date(2021, 6, 30)),
    ("", "2021-06-30 15:00:00", None),
    ("floor = true", "2021-06-30 15:00:00", date(2021, 6, 30)),
    ("", "30/06/2021", None),
    ('format = "%d/%m/%Y"', "30/06/2021", date(2021, 6, 30)),
    ('format = "%Y%m%d"', "20210630", date(2021, 6, 30)),
    ("", "2021-02-30", None),
    ('format = "%Y%m%d"', 20210630, date(2021, 6, 30)),
    ('format = "%Y%m%d"', 20210631, None),
    ('format = "%Y%m%d"', 20210630.0, date(2021, 6, 30)),
    ('format = "%Y-%m-%d"', "21-06-30", None),
    ("", datetime(2021, 6, 30), date(2021, 6, 30)),
    ("", datetime(2021, 6, 30, 9), None),
    ("floor = true", datetime(2021, 6, 30, 9), date(2021, 6, 30)),
    ('timezone_to = "Asia/Shanghai"', datetime(2021, 6, 29, 16, tzinfo=ZoneInfo("UTC")), date(2021, 6, 30)),
    ('timezone_to = "Asia/Shanghai"', datetime(2021, 6, 29, 17, tzinfo=ZoneInfo("UTC")), None),
]


@pytest.mark.parametrize(("option", "value", "expected"), DATES)
def test_dates_are_read_strictly(run: Run, option: str, value: object, expected: date | None) -> None:
    text = '[[table]]\ntable = "assets"\nfiles = ["a.parquet"]\n[table.columns]\nasset = "code"\nlist_date = OPTIONS\n'
    frame = pl.DataFrame({"code": ["x", "y"], "d": [value, None]})
    result = run(text.replace("OPTIONS", f'{{from = "d"{option and ", "}{option}}}'), {"a.parquet": frame})
    if expected is None:
        assert result.refused["assets"].select("row", "rule", "column").rows() == [(1, "not_a_date", "list_date")]
        assert result.tables["assets"]["asset"].to_list() == ["y"]
    else:
        assert result.tables["assets"]["list_date"].to_list() == [expected, None]


def test_what_cannot_be_read_is_set_aside_with_its_text(run: Run) -> None:
    rows = '2021-01-04,600519,0.01,100\n2021-01-04,AAPL,0.01,100\n2021-01-05,600519,--,100\n2021-01-06,600519,0.01,"1,234"\n'
    result = run(bars(), {"bars.csv": "date,code,ret,cap\n" + rows})
    aside = result.refused["bars"]
    assert aside.select("file", "row", "rule", "column").rows() == [
        ("bars.csv", 2, "unreadable_code", "asset"),
        ("bars.csv", 3, "not_a_number", "ret"),
        ("bars.csv", 4, "not_a_number", "total_cap"),
    ]
    assert aside["asset"].to_list()[0] == "AAPL"
    assert aside["ret"].to_list()[1] == "--"
    assert aside["total_cap"].to_list()[2] == "1,234"
    assert result.tables["bars"].height == 1
    page = str(result.report)
    assert "AAPL" in page
    assert "1,234" in page
    assert [result.report.count(kind) for kind in ("rows read", "refused", "rows usable", "rows in table")] == [4, 3, 1, 1]


def test_null_words_and_thousands_marks_are_read_where_the_map_says_so(run: Run) -> None:
    text = bars('null_values = ["--"]').replace('total_cap = "cap"', 'total_cap = {from = "cap", thousands = ","}')
    result = run(text, {"bars.csv": 'date,code,ret,cap\n2021-01-04,600519,--,"1,234"\n2021-01-05,600519,nan,1\n'})
    assert result.tables["bars"].select("ret", "total_cap").rows() == [(None, 1234.0), (None, 1.0)]
    changes = {
        each.detail: each.count for each in result.report.entries if each.kind == "converted" and each.column in ("ret", "total_cap")
    }
    assert changes == {"null_values read as null": 1, "NaN read as null": 1, "thousands mark ',' removed": 1}


def test_text_options(run: Run) -> None:
    text = """
[[table]]
table = "industries"
files = ["i.parquet"]
[table.columns]
asset = "code"
start_date = "start"
code = {from = "sw", prefix = 2}
name = {from = "name", map = {a = "b"}}
scheme = {from = "scheme", map = {SW = "sw_l1"}, others = "refuse"}
"""
    frame = pl.DataFrame(
        {
            "code": ["A", "B ", "C", "D"],
            "start": [date(2021, 1, 1)] * 4,
            "sw": [110101, 480301, 4, 210000],
            "name": ["a", "c", "c", None],
            "scheme": ["SW", "SW", "SW", "ZX"],
        }
    )
    result = run(text, {"i.parquet": frame})
    assert result.tables["industries"].select("asset", "code", "name", "scheme").rows() == [
        ("A", "11", "b", "sw_l1"),
        ("B", "48", "c", "sw_l1"),
    ]
    assert result.refused["industries"].select("row", "rule").rows() == [(3, "shorter_than_2"), (4, "not_in_map")]
    assert result.report.count("converted", column="asset") == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [([True, False], [True, False]), ([1, 0], [True, False]), (["yes", "No"], [True, False]), (["T", "f"], [True, False])],
)
def test_flags(run: Run, values: list[object], expected: list[bool]) -> None:
    text = '[[table]]\ntable = "benchmarks"\nfiles = ["b.parquet"]\n[table.columns]\n'
    text += 'index = "i"\ndate = "d"\nclose = "c"\nis_total_return = "t"\n'
    frame = pl.DataFrame({"i": ["x", "y"], "d": [date(2021, 1, 4)] * 2, "c": [1.0, 2.0], "t": values})
    assert run(text, {"b.parquet": frame}).tables["benchmarks"]["is_total_return"].to_list() == expected


def test_open_ended_tables_take_any_numeric_column_and_optional_ones_may_be_absent(run: Run) -> None:
    text = """
[[table]]
table = "factors"
files = ["f*.csv"]
[table.columns]
date = "d"
asset = "a"
size = "Size"
value = {from = "BP", optional = true}
"""
    result = run(text, {"f1.csv": "d,a,Size,BP\n2021-01-04,x,1,2\n", "f2.csv": "d,a,Size\n2021-01-05,x,3\n"})
    assert result.tables["factors"].select("size", "value").rows() == [(1.0, 2.0), (3.0, None)]
    assert "absent from the file (BP), read as null" in str(result.report)


def test_categories_and_columns_without_any_value(run: Run) -> None:
    frame = pl.DataFrame({"date": [date(2021, 1, 4)], "code": pl.Series(["SH600519"], dtype=pl.Categorical), "ret": [None], "cap": [1.0]})
    table = run(bars(), {"bars.parquet": frame}).tables["bars"]
    assert table.rows() == [(date(2021, 1, 4), "600519.SH", None, 1.0)]
    assert table.schema["ret"] == pl.Float64


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ('{column = "use", equals = true}', [1, 3]),
        ('{column = "use", not_equals = true}', [2]),
        ('{column = "kind", in = ["a", "b"]}', [1, 2]),
        ('{column = "kind", not_in = ["a"]}', [2, 3]),
        ('{column = "cap", min = 2}', [2, 3]),
        ('{column = "cap", max = 2}', [1, 2]),
        ('{column = "date", min = 2021-01-06}', [3]),
        ('{column = "use", is_null = true}', [4]),
        ('{column = "use", equals = true}, {column = "cap", max = 2}', [1]),
    ],
)
def test_where_keeps_rows_and_counts_the_others(run: Run, where: str, kept: list[int]) -> None:
    frame = pl.DataFrame(
        {
            "date": [date(2021, 1, 4), date(2021, 1, 5), date(2021, 1, 6), None],
            "code": ["600519"] * 4,
            "ret": [0.0] * 4,
            "cap": [1, 2, 3, None],
            "use": [True, False, True, None],
            "kind": ["a", "b", "c", None],
        }
    )
    result = run(bars(f"where = [{where}]"), {"bars.parquet": frame})
    expected = [None if each == 4 else float(each) for each in kept]
    assert result.tables["bars"]["total_cap"].to_list() == expected
    assert result.report.count("left out") == 4 - len(kept)


def test_distinct_makes_a_taxonomy_from_a_product_column(run: Run) -> None:
    text = '[[table]]\ntable = "taxonomy"\nfiles = ["p.csv"]\ndistinct = true\nnulls = ["parent"]\n'
    text += '[table.columns]\nproduct = "p"\nname_en = "p"\n'
    result = run(text, {"p.csv": "p,q\nglass,1\nsteel,2\nglass,3\n"})
    assert result.tables["taxonomy"].rows() == [("glass", None, "glass"), ("steel", None, "steel")]
    assert result.report.count("duplicates") == 1


def test_gbk_text_is_read_where_the_map_says_so(run: Run) -> None:
    text = '[[table]]\ntable = "assets"\nfiles = ["a.csv"]\nencoding = "gb18030"\nseparator = ";"\n'
    text += '[table.columns]\nasset = "代码"\nname_zh = "名称"\n'
    result = run(text, {"a.csv": "代码;名称\n600519;贵州茅台\n".encode("gbk")})
    assert result.tables["assets"].rows() == [("600519", "贵州茅台")]


def test_utf8_mark_and_windows_line_ends_do_no_harm(run: Run) -> None:
    assert run(bars(), {"bars.csv": "\ufeff" + CSV.replace("\n", "\r\n") + "\r\n"}).tables["bars"].height == 2


def test_report_names_unused_columns_and_has_one_row_an_entry(run: Run) -> None:
    result = run(bars(), {"bars.csv": "date,code,ret,cap,hint\n2021-01-04,SH600519,0.01,100,x\n"})
    frame = result.report.to_frame()
    assert frame.filter(pl.col("kind") == "unused")["detail"].to_list() == ["columns not mapped: hint"]
    assert frame.filter(pl.col("column") == "asset", pl.col("kind") == "converted").row(0, named=True) == {
        "table": "bars",
        "file": "bars.csv",
        "kind": "converted",
        "column": "asset",
        "count": 1,
        "detail": "code to A-share form",
        "examples": "SH600519 -> 600519.SH",
    }
    assert frame.height == len(result.report.entries)
    lines = str(result.report).splitlines()
    assert lines[0] == "import of 'test'"
    assert {line.index("from") for line in lines if " from " in line} == {40}


def test_two_blocks_of_one_table_are_joined_and_may_not_conflict(run: Run) -> None:
    second = bars().replace("bars*", "more*")
    result = run(
        bars() + second, {"bars.csv": CSV, "more.csv": "date,code,ret,cap\n2021-01-04,600519,0.01,100\n2021-01-06,600519,0.01,100\n"}
    )
    assert result.tables["bars"].height == 3
    assert result.report.count("duplicates") == 1
    with pytest.raises(TableError, match="2 rows share 1 keys"):
        run(bars() + second, {"bars.csv": CSV, "more.csv": "date,code,ret,cap\n2021-01-04,600519,0.05,100\n"})


def test_a_file_without_rows_among_others_does_no_harm(run: Run) -> None:
    result = run(bars(), {"bars1.csv": "date,code,ret,cap\n", "bars2.csv": CSV})
    assert result.tables["bars"].height == 2


@pytest.mark.realdata
def test_collected_a_share_data_come_through_the_example_map(realdata: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "maps" / "cn.toml"
    result = load(example, source=realdata / "cn")
    heights = {name: table.height for name, table in result.tables.items()}
    assert heights == {
        "bars": 4_306_091,
        "assets": 4_586,
        "taxonomy": 24_461,
        "segments": 36_469,
        "industries": 3 * 12_506,
        "index_members": 124_707,
        "benchmarks": 3_063,
    }
    assert result.refused == {}
    assert set(result.tables["segments"]["known_at_source"]) == {"assumed"}
    assert set(result.tables["assets"]["exchange"]) == {"XSHG", "XSHE"}
    assert result.tables["industries"].group_by("scheme").agg(pl.col("code").str.len_chars().unique()).sort("scheme").rows() == [
        ("sw_l1", [2]),
        ("sw_l2", [4]),
        ("sw_l3", [6]),
    ]
