"""Maps and files that cannot be used: each error names the rule, the value and the way out."""

import gzip
import io
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pureplay.errors import DatasetError, PureplayError, SettingError, TableError
from pureplay.sources.files import Imported, load

Run = Callable[..., Imported]

HEAD = '[dataset]\nname = "t"\n'
TABLE = '[[table]]\ntable = "bars"\nfiles = ["b.csv"]\n'
COLUMNS = '[table.columns]\ndate = "date"\nasset = "code"\nret = "ret"\ntotal_cap = "cap"\n'
GOOD = TABLE + COLUMNS
CSV = "date,code,ret,cap\n2021-01-04,600519,0.01,100\n"

MAPS: list[tuple[str, str, type[PureplayError], str]] = [
    ("no TOML", HEAD + "table = [", SettingError, "map.toml is not valid TOML"),
    ("no head", GOOD, SettingError, "map.toml lacks 'dataset': add it"),
    ("no name", "[dataset]\n" + GOOD, SettingError, r"\[dataset\] lacks 'name'"),
    ("no table", HEAD, SettingError, "lacks 'table'"),
    ("unknown top key", HEAD + "[datset]\n" + GOOD, SettingError, r"unknown key 'datset' \(nearest: dataset"),
    ("unknown head key", HEAD + "calender = 'XSHG'\n" + GOOD, SettingError, r"unknown key 'calender' \(nearest: calendar\)"),
    ("unknown table key", HEAD + TABLE + "duplicate = 'first'\n" + COLUMNS, SettingError, r"unknown key 'duplicate' \(nearest: duplicates"),
    ("unknown table", HEAD + GOOD.replace('"bars"', '"bar"'), TableError, "'bar' is not a table of pureplay"),
    ("bad calendar", HEAD + 'calendar = "shanghai"\n' + GOOD, SettingError, "is no calendar"),
    ("wrong type", HEAD + TABLE + "distinct = 'yes'\n" + COLUMNS, SettingError, "distinct = 'yes' is of type str: write a bool"),
    ("no files", HEAD + GOOD.replace('files = ["b.csv"]', ""), SettingError, "names no files"),
    ("unknown policy", HEAD + TABLE + "duplicates = 'drop'\n" + COLUMNS, SettingError, "'drop' is unknown: write one of refuse, identical"),
    ("unknown encoding", HEAD + TABLE + "encoding = 'gbkk'\n" + COLUMNS, SettingError, 'encoding "gbkk" is unknown'),
    ("bad separator", HEAD + TABLE + "separator = '||'\n" + COLUMNS, SettingError, "not one plain character"),
    (
        "unknown unit",
        HEAD + GOOD.replace('"ret"', '{from = "ret", unit = "pct"}'),
        SettingError,
        "'pct' is unknown: write one of percent, bp, lot",
    ),
    ("unit and scale", HEAD + GOOD.replace('"ret"', '{from = "ret", unit = "bp", scale = 2}'), SettingError, "both unit and scale"),
    ("zero scale", HEAD + GOOD.replace('"ret"', '{from = "ret", scale = 0}'), SettingError, "finite number other than 0"),
    ("zero prefix", HEAD + GOOD.replace('"code"', '{from = "code", prefix = 0}'), SettingError, "prefix = 0 keeps nothing"),
    (
        "unknown code",
        HEAD + GOOD.replace('"code"', '{from = "code", code = "us"}'),
        SettingError,
        "code = 'us' is unknown: write one of cn",
    ),
    (
        "option of another type",
        HEAD + GOOD.replace('"ret"', '{from = "ret", prefix = 2}'),
        SettingError,
        "unknown key 'prefix'.*Float64 column takes",
    ),
    (
        "unknown zone",
        HEAD + GOOD.replace('"date"', '{from = "date", timezone_to = "Asia/Shanghia"}'),
        SettingError,
        "nearest: Asia/Shanghai",
    ),
    ("partial pattern", HEAD + GOOD.replace('"date"', '{from = "date", format = "%Y%m"}'), SettingError, "lacks %Y, %m or %d"),
    (
        "map of numbers",
        HEAD + GOOD.replace('"code"', '{from = "code", map = {a = 1}}'),
        SettingError,
        "map a = 1 is no String: write a str",
    ),
    ("no from", HEAD + GOOD.replace('"ret"', '{unit = "bp"}'), SettingError, "column ret lacks 'from'"),
    ("number as column", HEAD + GOOD.replace('"ret"', "1"), SettingError, "constants go under"),
    ("not in the contract", HEAD + GOOD + 'totalcap = "x"\n', TableError, r"'totalcap' is not a column of 'bars' \(nearest: total_cap"),
    ("required missing", HEAD + GOOD.replace('ret = "ret"\n', ""), TableError, "leaves out ret, which the contract requires"),
    ("stated twice", HEAD + GOOD + "[table.constants]\nret = 0.1\n", SettingError, "states ret more than once"),
    ("constant type", HEAD + GOOD + '[table.constants]\nclose = "1"\n', SettingError, "close = '1' is no Float64: write a number"),
    ("where without operator", HEAD + TABLE + 'where = [{column = "x"}]\n' + COLUMNS, SettingError, "exactly one of equals"),
    ("where, no table", HEAD + TABLE + 'where = ["x"]\n' + COLUMNS, SettingError, "where holds 'x'"),
    (
        "unknown market",
        HEAD + TABLE + COLUMNS + '[table.statutory]\npublish_date = "us"\n',
        SettingError,
        "'us' is unknown: write one of cn",
    ),
    ("outside the folder", HEAD + GOOD.replace("b.csv", "../b.csv"), SettingError, "leaves the source folder"),
]


@pytest.mark.parametrize(("text", "error", "message"), [each[1:] for each in MAPS], ids=[each[0] for each in MAPS])
def test_faulty_maps(run: Run, text: str, error: type[PureplayError], message: str) -> None:
    with pytest.raises(error, match=message):
        run(text, {"b.csv": CSV}, head="")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


WHOLE = pl.DataFrame({"date": [date(2021, 1, 4)], "code": ["600519"], "ret": [0.01], "cap": [1.0]})
MANY = pl.concat([WHOLE.with_columns(ret=pl.lit(i / 7)) for i in range(500)])
MOMENT = datetime(2021, 1, 4, tzinfo=ZoneInfo("UTC"))
FILES: list[tuple[str, str, bytes, type[PureplayError], str]] = [
    ("no column", "b.csv", b"date,Code,ret,cap\n1,2,3,4\n", TableError, r"b.csv has no column 'code' \(nearest: Code\)"),
    ("empty csv", "b.csv", b"", DatasetError, "b.csv is empty"),
    ("blank csv", "b.csv", b"\n\n", DatasetError, "has no header line"),
    ("header only", "b.csv", b"date,code,ret,cap\n", TableError, r"no row of b.\* can be used \(there are none\)"),
    ("empty parquet", "b.parquet", b"", DatasetError, "b.parquet is empty"),
    ("cut parquet", "b.parquet", cut(parquet(MANY)), DatasetError, "b.parquet cannot be read, it is damaged.*write it again"),
    ("damaged pages", "b.parquet", b"PAR1" + bytes(60) + parquet(MANY)[64:], DatasetError, "b.parquet cannot be read"),
    ("text as parquet", "b.parquet", CSV.encode(), DatasetError, "b.parquet cannot be read"),
    ("cut gzip", "b.csv.gz", cut(gzip.compress(CSV.encode())), DatasetError, "b.csv.gz cannot be read"),
    ("text as gzip", "b.csv.gz", CSV.encode(), DatasetError, "b.csv.gz cannot be read"),
    ("cut csv", "b.csv", CSV.encode() + b"2021-01-05,6005", DatasetError, r"1 lines with other than 4 fields.*data row 2, with 2"),
    ("unquoted separator", "b.csv", CSV.encode() + b"2021-01-05,1,1,234,5\n", DatasetError, "data row 2, with 5"),
    ("quoted, cut", "b.csv", CSV.encode() + b'"2021-01-05",1\n', DatasetError, "data row 2, with 2"),
    ("repeated column", "b.csv", b"date,code,ret,cap,ret\n1,2,3,4,5\n", TableError, "names the column ret more than once"),
    ("gbk", "b.csv", CSV.replace("600519", "贵州茅台").encode("gbk"), DatasetError, 'b.csv is not UTF-8.*encoding = "gb18030"'),
    ("utf-16", "b.csv", CSV.encode("utf-16"), DatasetError, 'encoding = "utf-16"'),
    ("other suffix", "b.xlsx", b"x", DatasetError, "neither .parquet, .csv nor .csv.gz"),
    ("nothing matches", "c.csv", CSV.encode(), DatasetError, r'"b.\*" matches no file below .* \(.*c.csv'),
    (
        "all refused",
        "b.csv",
        CSV.replace("0.01", "?").encode(),
        TableError,
        "no row of .* can be used .*1 refused: ret not_a_number, e.g. ?",
    ),
    ("zone", "b.parquet", parquet(WHOLE.with_columns(date=pl.lit(MOMENT))), TableError, "time zone UTC.*timezone_to"),
    (
        "date as number",
        "b.parquet",
        parquet(WHOLE.with_columns(date=20210104)),
        TableError,
        r"holds numbers \(\[20210104\]\), not dates: add format",
    ),
    (
        "flag as number",
        "b.parquet",
        parquet(WHOLE.with_columns(ret=True)),
        TableError,
        "column 'ret' of b.parquet is of type Boolean, not a number",
    ),
    ("fraction as text", "b.parquet", parquet(WHOLE.with_columns(code=0.5)), TableError, "is of type Float64, not text"),
    ("list as date", "b.parquet", parquet(WHOLE.with_columns(date=pl.lit("x").implode())), TableError, "holds no dates"),
]


@pytest.mark.parametrize(("name", "content", "error", "message"), [each[1:] for each in FILES], ids=[each[0] for each in FILES])
def test_unusable_files(run: Run, name: str, content: bytes, error: type[PureplayError], message: str) -> None:
    with pytest.raises(error, match=message):
        run(GOOD.replace("b.csv", "b.*"), {name: content})


@pytest.mark.parametrize(
    ("options", "columns", "message"),
    [
        ('where = [{column = "ret", equals = "x"}]', COLUMNS, "where ret equals x does not fit column ret of b.parquet, which is Float64"),
        ('where = [{column = "rte", equals = 1}]', COLUMNS, r"no column 'rte' \(nearest: ret\)"),
        ("", COLUMNS.replace('"date"', '{from = "date", timezone_to = "Asia/Shanghai"}'), ""),
    ],
)
def test_conditions_that_do_not_fit(run: Run, options: str, columns: str, message: str) -> None:
    if not message:
        frame, message = WHOLE.with_columns(date=pl.lit(datetime(2021, 1, 4))), "carries no time zone"
    else:
        frame = WHOLE
    with pytest.raises(TableError, match=message):
        run(TABLE.replace("b.csv", "b.parquet") + options + "\n" + columns, {"b.parquet": frame})


def test_utf8_under_another_name_is_refused(run: Run) -> None:
    text = CSV.replace("600519", "贵州茅台酒股份有限公司贵州茅台酒股份有限公司")
    with pytest.raises(DatasetError, match='is UTF-8, although the map says encoding = "gbk"'):
        run(TABLE + 'encoding = "gbk"\n' + COLUMNS, {"b.csv": text})


def test_the_declared_encoding_must_fit(run: Run) -> None:
    with pytest.raises(DatasetError, match=r"is not gb18030 \(byte 29\)"):
        run(TABLE + 'encoding = "gb18030"\n' + COLUMNS, {"b.csv": b"date,code,ret,cap\n2021-01-04,\xff\xff,1,1\n"})


def test_missing_map_and_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no map file"):
        load(tmp_path / "none.toml", source=tmp_path)
    (tmp_path / "map.toml").write_text(HEAD + GOOD, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"source folder .* does not exist"):
        load(tmp_path / "map.toml", source=tmp_path / "nowhere")
