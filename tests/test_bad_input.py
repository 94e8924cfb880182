"""Bad input, one case each: what is said of it, about how many rows, and that the message gives rule, value and remedy."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from pureplay.checks import CheckReport, check_tables
from pureplay.dataset import Dataset, check_folder
from pureplay.errors import DatasetError, PureplayError, SettingError, TableError
from pureplay.sources.files import load
from tests.border_market import DAYS, STOCKS, bars, filings, market, put, segments, taxonomy

TODAY = date(2024, 6, 30)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Tables (or a deed that raises), and what must be said: of which table, at which level, how many rows, with which words."""

    tables: Callable[[], dict[str, object]] | None = None
    deed: Callable[[Path, pytest.MonkeyPatch], object] | None = None
    error: type[PureplayError] | None = None
    level: str = "refused"
    table: str = "bars"
    rule: str = "schema"
    count: int = 1
    says: tuple[str, ...] = ()
    first_row: tuple[tuple[str, object], ...] = ()
    kept: tuple[tuple[str, int], ...] = ()
    calendar: str = "bars"


def with_(**changed: object) -> Callable[[], dict[str, object]]:
    """The market with some tables replaced; None leaves one out."""
    return lambda: {name: frame for name, frame in {**market(), **changed}.items() if frame is not None}


def put_bars(row: int, **values: object) -> Callable[[], dict[str, object]]:
    return with_(bars=put(bars(), row, **values))


def put_segments(row: int, **values: object) -> Callable[[], dict[str, object]]:
    return with_(segments=put(segments(), row, **values))


def folder_of(tmp: Path, tables: dict[str, pl.DataFrame]) -> Path:
    root = tmp / "plain"
    root.mkdir()
    for name, frame in tables.items():
        frame.write_parquet(root / f"{name}.parquet")
    return root


def cut_parquet(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    made = Dataset.from_frames(market()).write(tmp / "data")
    file = tmp / "data" / made.files["bars"]["file"]
    file.write_bytes(file.read_bytes()[:-100])
    return Dataset.open(tmp / "data")


def same_size_damage(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    made = Dataset.from_frames(market()).write(tmp / "data")
    file = tmp / "data" / made.files["bars"]["file"]
    file.write_bytes(b"\0" * file.stat().st_size)
    return Dataset.open(tmp / "data").frame("bars")


def cut_parquet_checked(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    root = folder_of(tmp, market())
    file = root / "bars.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    return check_folder(root)


def mapped(tmp: Path, content: bytes, name: str = "bars.csv") -> object:
    (tmp / name).write_bytes(content)
    columns = "".join(f'{each} = "{each}"\n' for each in ("date", "asset", "ret", "total_cap"))
    text = f'[dataset]\nname = "t"\n[[table]]\ntable = "bars"\nfiles = ["{name}"]\n[table.columns]\n{columns}'
    (tmp / "map.toml").write_text(text, encoding="utf-8")
    return load(tmp / "map.toml", source=tmp)


def wrong_encoding(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    return mapped(tmp, "date,asset,ret,total_cap\n2024-01-02,贵州茅台,0.01,1\n".encode("gb18030"))


def cut_import(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    bars().write_parquet(tmp / "whole.parquet")
    return mapped(tmp, (tmp / "whole.parquet").read_bytes()[:-50], name="bars.parquet")


def text_dates_import(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    return mapped(tmp, b"date,asset,ret,total_cap\n02/01/2024,600519.SH,0.01,1\n")


def not_a_dataset(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    return Dataset.open(tmp)


def not_a_dataset_checked(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    (tmp / "letter.txt").write_text("hello", encoding="utf-8")
    return check_folder(tmp)


def foreign_folder(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    (tmp / "letter.txt").write_text("hello", encoding="utf-8")
    return Dataset.from_frames(market()).write(tmp)


def below_a_file(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    (tmp / "file").write_text("x", encoding="utf-8")
    return Dataset.from_frames(market()).write(tmp / "file" / "data")


def onto_a_file(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    (tmp / "file").write_text("x", encoding="utf-8")
    return Dataset.from_frames(market()).write(tmp / "file")


def disk_full(tmp: Path, patch: pytest.MonkeyPatch, tables: dict[str, pl.DataFrame] | None = None) -> object:
    real, calls = pl.DataFrame.write_parquet, []

    def write(self: pl.DataFrame, file: Path, **options: object) -> None:
        calls.append(file)
        if len(calls) == 3:
            Path(file).write_bytes(b"PAR1 half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, file, **options)

    patch.setattr(pl.DataFrame, "write_parquet", write)
    return Dataset.from_frames(tables or market()).write(tmp / "data")


def hostile_manifest(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    made = Dataset.from_frames(market()).write(tmp / "data")
    manifest = tmp / "data" / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(str(made.files["bars"]["file"]), "../../etc/passwd"), "utf-8")
    return Dataset.open(tmp / "data")


def no_calendar(tmp: Path, patch: pytest.MonkeyPatch) -> object:
    return Dataset.from_frames({"taxonomy": taxonomy()}, calendar="NYSE")  # type: ignore[arg-type]


double = pl.concat([bars(), bars().head(2)])
clash = pl.concat([bars(), put(bars().head(2), 0, ret=0.05)])
late = {"period_end": date(2022, 12, 31), "publish_date": date(2022, 6, 30)}
zoned = bars().with_columns(pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Shanghai"))
parents = put(put(taxonomy(), 0, parent="a1"), 3, parent="c")

CASES = {
    "missing column": Case(tables=with_(bars=bars().drop("total_cap")), says=("'total_cap'", "it has date, asset", "rename it, or map it")),
    "misnamed column": Case(
        tables=with_(bars=bars().rename({"total_cap": "TotalCap"})), says=("'total_cap' (is it 'TotalCap'?)", "rename")
    ),
    "misnamed optional column": Case(
        tables=with_(bars=bars().rename({"close": "Close"})),
        level="notice",
        rule="changed_on_entry",
        says=("left out: Close (is it 'close'?)",),
        kept=(("bars", 18),),
    ),
    "wrong type": Case(tables=with_(bars=bars().with_columns(ret=pl.lit("1%"))), says=("bars.ret is String", "['1%'", "number", "convert")),
    "boolean as number": Case(tables=with_(bars=bars().with_columns(ret=pl.lit(True))), says=("Boolean", "True", "number", "convert it")),
    "number as code": Case(
        tables=with_(bars=bars().with_columns(asset=pl.lit(600519))), says=("Int32", "600519", "leading zeros", "`pureplay import`")
    ),
    "overflow": Case(
        tables=with_(filings=filings().with_columns(revision=pl.lit(2**63, dtype=pl.UInt64))),
        table="filings",
        says=("UInt64", str(2**63), "a whole number", "convert"),
    ),
    "duplicate key, conflicting": Case(
        tables=with_(bars=clash),
        rule="duplicate_key",
        says=("date + asset", "disagree", "keep one", "ret=0.05", "ret=-0.0068"),
        first_row=(("date", DAYS[0]), ("asset", STOCKS[0])),
    ),
    "duplicate key, identical": Case(
        tables=with_(bars=double),
        level="set_aside",
        rule="duplicate_row",
        count=2,
        says=("repeats another one", "keep one", "asset=000001.SZ"),
        kept=(("bars", 18),),
    ),
    "unknown product": Case(
        tables=put_segments(1, product="zz"),
        level="set_aside",
        table="segments",
        rule="unknown_product",
        says=("product=zz", "add the product to the taxonomy", "'unmapped'"),
        first_row=(("product", "zz"),),
        kept=(("segments", 10), ("filings", 5)),
    ),
    "unknown parent": Case(
        tables=with_(taxonomy=put(taxonomy(), 1, parent="c")),
        table="taxonomy",
        rule="unknown_parent",
        says=("product=a1", "parent=c", "add it or leave parent empty"),
    ),
    "taxonomy cycle": Case(
        tables=with_(taxonomy=put(taxonomy(), 0, parent="a1")),
        table="taxonomy",
        rule="cycle",
        count=2,  # a2 hangs below the circle but is not on it
        says=("product=a, parent=a1", "product=a1, parent=a", "below themselves", "correct their parents"),
    ),
    "a node below itself": Case(
        tables=with_(taxonomy=put(taxonomy(), 0, parent="a")), table="taxonomy", rule="cycle", says=("product=a, parent=a", "correct")
    ),
    "share above 1": Case(
        tables=put_segments(2, revenue=199.0),
        level="set_aside",
        table="segments",
        rule="mapped_above_total",
        count=2,
        says=("a share above 1", "correct either amount", "revenue=199.0"),
        kept=(("segments", 10), ("filings", 5)),
    ),
    "negative revenue": Case(
        tables=put_segments(4, revenue=-1.0),
        level="set_aside",
        table="segments",
        rule="negative_revenue",
        says=("revenue=-1.0", "at least 0"),
        kept=(("segments", 10), ("filings", 5)),
    ),
    "negative revenue, total": Case(
        tables=with_(filings=put(filings(), 4, total_revenue=-1.0)),
        level="set_aside",
        table="filings",
        rule="negative_revenue",
        says=("total_revenue=-1.0", "at least 0"),
        kept=(("segments", 10), ("filings", 5)),
    ),
    "mapped above total": Case(
        tables=with_(filings=put(filings(), 0, total_revenue=50.0)),
        level="set_aside",
        table="filings",
        rule="mapped_above_total",
        says=("total_revenue=50.0", "exceeds total revenue", "correct"),
        kept=(("segments", 10), ("filings", 5)),
    ),
    "published before the period ends": Case(
        tables=put_segments(2, **late),
        level="set_aside",
        table="segments",
        rule="published_before_period_end",
        says=("publish_date=2022-06-30", "period_end=2022-12-31", "correct publish_date"),
        kept=(("segments", 10), ("filings", 5)),
    ),
    "future publish date": Case(
        tables=put_segments(2, publish_date=date(2030, 1, 1)),
        level="set_aside",
        table="segments",
        rule="published_in_the_future",
        says=("publish_date=2030-01-01", "after today", "correct publish_date"),
        kept=(("segments", 10), ("filings", 5)),
    ),
    "no publish date, column": Case(
        tables=with_(segments=segments().drop("publish_date")), table="segments", says=("'publish_date'", "legal deadlines", "rename")
    ),
    "no publish date, value": Case(
        tables=put_segments(2, publish_date=None),
        level="set_aside",
        table="segments",
        rule="publish_date|nullability",
        says=("asset=000001.SZ", "fill the value or leave the row out"),
        kept=(("segments", 10), ("filings", 5)),
    ),
    "returns in percent": Case(
        tables=with_(bars=bars().with_columns(ret=pl.col("ret") * 1000)),
        rule="returns_in_percent",
        count=18,
        says=("median absolute return is 4", "divide by 100", 'unit = "percent"'),
    ),
    "price zero": Case(
        tables=put_bars(3, close=0.0),
        level="set_aside",
        rule="price_not_positive",
        says=("close=0.0", "positive prices"),
        kept=(("bars", 17),),
    ),
    "price negative": Case(
        tables=put_bars(3, close=-1.0), level="set_aside", rule="price_not_positive", says=("close=-1.0", "positive"), kept=(("bars", 17),)
    ),
    "infinite cap": Case(
        tables=put_bars(3, total_cap=float("inf")),
        level="set_aside",
        rule="total_cap|inf",
        says=("total_cap=inf", "by missing ones"),
        kept=(("bars", 17),),
    ),
    "infinite factor": Case(
        tables=with_(factors=put(bars().select("date", "asset", size="total_cap", rule="ret"), 3, size=float("inf"))),
        level="set_aside",
        table="factors",
        rule="size|inf",
        says=("size=inf", "by missing ones"),
        kept=(("factors", 17),),
    ),
    "NaN cap": Case(
        tables=put_bars(3, total_cap=float("nan")),
        level="notice",
        rule="changed_on_entry",
        says=("total_cap: 1 NaN read as missing",),
        kept=(("bars", 18),),
    ),
    "stock in segments but not in bars": Case(
        tables=with_(bars=bars().filter(pl.col("asset") != STOCKS[0])),
        level="notice",
        table="segments",
        rule="stock_without_bars",
        says=("asset=000001.SZ", "no score", "add their rows"),
    ),
    "stock in bars but not in segments": Case(
        tables=with_(segments=segments().filter(pl.col("asset") != STOCKS[0])),
        level="notice",
        rule="stock_without_segments",
        says=("asset=000001.SZ", "no score", "add their rows"),
    ),
    "one date": Case(
        tables=with_(bars=bars().head(3)), level="notice", rule="one_session", count=1, says=("date=2024-01-02", "a window", "add sessions")
    ),
    "empty frame": Case(tables=with_(bars=bars().clear()), says=("bars has no rows", "leave the table out or fill it")),
    "empty frame, no columns": Case(tables=with_(bars=pl.DataFrame()), says=("it has none", "rename it, or map it")),
    "every row at fault": Case(
        tables=with_(bars=bars().with_columns(total_cap=pl.lit(-1.0))),
        rule="no_row_left",
        count=18,
        says=("every row was set aside", "correct them, or leave the table out"),
    ),
    "dates as other text": Case(
        tables=with_(bars=bars().with_columns(pl.col("date").dt.strftime("%d.%m.%Y"))),
        says=("18 values that are not ISO dates", "02.01.2024", "write YYYY-MM-DD"),
    ),
    "dates as numbers": Case(
        tables=with_(bars=bars().with_columns(date=pl.lit(20240102))),
        says=("bars.date is Int32", "20240102", "a date is needed", "convert"),
    ),
    "time zones": Case(tables=with_(bars=zoned), says=("bars.date", "time zone Asia/Shanghai", "convert it to dates of the exchange")),
    "time of day": Case(
        tables=with_(bars=bars().with_columns(date=pl.lit(datetime(2024, 1, 2, 15)))), says=("time of day", "15:00:00", "pass plain dates")
    ),
    "mixed codes within a table": Case(
        tables=put_bars(4, asset="SH600519"),
        rule="mixed_code_formats",
        says=("'000001.SZ' in bars", "'SH600519' in bars", 'code = "cn"'),
    ),
    "mixed codes across tables": Case(
        tables=with_(segments=segments().with_columns(pl.col("asset").str.slice(0, 6))),
        table="segments",
        rule="mixed_code_formats",
        count=3,
        says=("'000001.SZ' in bars", "'000001' in segments", 'code = "cn"'),
    ),
    "codes in two cases": Case(
        tables=with_(segments=segments().with_columns(pl.col("asset").str.to_lowercase())),
        table="segments",
        rule="mixed_code_formats",
        count=3,
        says=("'000001.SZ' in bars", "'000001.sz' in segments"),
    ),
    "leading zeros lost": Case(
        tables=with_(bars=bars().with_columns(pl.col("asset").str.slice(0, 6)), segments=segments().with_columns(asset=pl.lit("1"))),
        table="segments",
        rule="duplicate_key",
        count=8,
        says=("asset=1", "disagree"),
    ),
    "spaces around codes": Case(
        tables=put_bars(3, asset=" 000001.SZ\u3000"),
        level="notice",
        rule="changed_on_entry",
        says=("asset: spaces around 1 values were removed", "'\\u3000" if False else "000001.SZ"),
        kept=(("bars", 18),),
    ),
    "blank code": Case(
        tables=put_bars(3, asset=" "), level="set_aside", rule="asset|min_length", says=("fill the code", "asset="), kept=(("bars", 17),)
    ),
    "a day without a session": Case(
        tables=with_(bars=put(bars(), 0, date=date(2024, 1, 6))),
        calendar="XSHG",
        level="set_aside",
        rule="not_a_session",
        says=("date=2024-01-06", "the exchange was closed", "calendar='bars'"),
        kept=(("bars", 17),),
    ),
    "not a table": Case(tables=with_(prices=bars()), table="prices", says=("'prices' is not a table", "bars, assets", "rename it")),
    "not a frame": Case(tables=with_(bars={"date": DAYS}), says=("bars is a dict, not a frame", "pass polars, pandas")),
    "columns of one name": Case(
        tables=with_(bars=pa.Table.from_arrays([pa.array([1])] * 2, names=["ret", "ret"])), says=("pyarrow Table", "'ret'", "one name")
    ),
    "segments without a sound taxonomy": Case(
        tables=with_(taxonomy=None), table="segments", rule="no_taxonomy", count=12, says=("add it",)
    ),
    "truncated Parquet": Case(deed=cut_parquet, error=DatasetError, says=("bytes, the manifest says", "run `pureplay check`")),
    "damaged Parquet of the right size": Case(deed=same_size_damage, error=DatasetError, says=("bars cannot be read", "restore the file")),
    "truncated Parquet, check": Case(deed=cut_parquet_checked, rule="unreadable", says=("bars.parquet", "cut short", "restore the file")),
    "truncated Parquet, import": Case(deed=cut_import, error=DatasetError, says=("bars.parquet", "cut short", "fetch or write it again")),
    "wrong encoding": Case(deed=wrong_encoding, error=DatasetError, says=("bars.csv is not UTF-8 (byte 36)", 'encoding = "gb18030"')),
    "dates as other text, import": Case(deed=text_dates_import, error=TableError, says=("not_a_date", "02/01/2024")),
    "not a dataset": Case(deed=not_a_dataset, error=DatasetError, says=("has no manifest.json", "`pureplay import`", "`pureplay check`")),
    "not a dataset, check": Case(deed=not_a_dataset_checked, error=DatasetError, says=("neither manifest.json", "use `pureplay import`")),
    "folder of other things": Case(deed=foreign_folder, error=DatasetError, says=("holds other files", "choose an empty or new folder")),
    "unwritable: below a file": Case(
        deed=below_a_file, error=DatasetError, says=("cannot write", "Not a directory", "choose another folder")
    ),
    "unwritable: a file": Case(deed=onto_a_file, error=DatasetError, says=("file is a file", "choose a folder")),
    "disk full": Case(deed=disk_full, error=DatasetError, says=("No space left on device", "free space", "unchanged")),
    "manifest that names foreign files": Case(deed=hostile_manifest, error=DatasetError, says=("../../etc/passwd lies outside", "import")),
    "unknown calendar": Case(deed=no_calendar, error=SettingError, says=("'NYSE'", "XSHG, bars")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_bad_input_is_named_counted_and_answered(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if case.error is not None:
        with pytest.raises(case.error) as caught:
            case.deed(tmp_path, monkeypatch)
        message = str(caught.value)
    else:
        report = case.deed(tmp_path, monkeypatch) if case.deed else checked(case)
        [finding] = [
            each
            for each in report.findings
            if (each.level, each.table, each.rule) == (case.level, case.table, case.rule)
            and (each.rule != "changed_on_entry" or case.says[0] in str(each))
        ]
        message = str(finding)
        assert finding.count == case.count
        assert f"{case.level}: {case.table}: {case.rule} ({case.count}): " in message
        assert finding.remedy
        assert {name: finding.rows[name][0] for name, _ in case.first_row} == dict(case.first_row)
        assert {name: report.rows_kept[name] for name, _ in case.kept} == dict(case.kept)
        assert report.exit_code == {"notice": 0, "set_aside": 1, "refused": 2}[case.level]
    for words in case.says:
        assert words in message
    assert "\n\n" not in message


def checked(case: Case) -> CheckReport:
    """The report, after the books are balanced: what was read was kept, set aside or refused with its table."""
    given = case.tables()
    sound, aside, report = check_tables(given, calendar=case.calendar, today=TODAY)
    refused = {each.table for each in report.refused}
    assert refused.isdisjoint(sound)
    for name in given:
        if name not in refused:
            assert report.rows_read[name] == sound[name].height + (aside[name].height if name in aside else 0)
            assert report.rows_kept[name] == sound[name].height
    if not refused:
        lost = {tuple(row) for each in ("segments", "filings") if each in aside for row in aside[each].select("asset", "period_end").rows()}
        for each in ("segments", "filings"):
            assert lost.isdisjoint(sound[each].select("asset", "period_end").rows()), "a fault takes the whole filing away"
    return report


def test_the_market_that_the_cases_break_is_sound() -> None:
    _, aside, report = check_tables(market(), calendar="bars", today=TODAY)
    assert (report.findings, aside) == ((), {})


def test_rows_in_any_order_give_the_same_tables() -> None:
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=5) for name, frame in market().items()}
    backwards = {name: frame.reverse() for name, frame in market().items()}
    first = Dataset.from_frames(market())
    for other in (Dataset.from_frames(shuffled), Dataset.from_frames(backwards)):
        assert other.fingerprint() == first.fingerprint()
        assert all(other.frame(name).equals(first.frame(name)) for name in market())


def test_iso_dates_as_text_are_dates() -> None:
    text = {name: frame.with_columns(pl.col(pl.Date).cast(pl.String)) for name, frame in market().items()}
    assert Dataset.from_frames(text).fingerprint() == Dataset.from_frames(market()).fingerprint()


def test_order_of_tables_does_not_matter() -> None:
    """A fault of one table takes rows of another away, whichever comes first."""
    given = {**market(), "segments": put(segments(), 0, revenue=-1.0), "filings": put(filings(), 3, total_revenue=float("inf"))}
    results = [check_tables({name: given[name] for name in order}, calendar="bars")[2].rows_kept for order in (given, reversed(given))]
    assert results[0] == results[1] == {"bars": 18, "taxonomy": 5, "segments": 8, "filings": 4}


def test_a_refusal_names_every_broken_table() -> None:
    broken = {**market(), "bars": bars().drop("ret"), "taxonomy": put(taxonomy(), 1, parent="c")}
    with pytest.raises(TableError) as caught:
        Dataset.from_frames(broken)
    assert all(words in str(caught.value) for words in ("bars lacks the column 'ret'", "unknown_parent", "no_taxonomy"))


def test_an_emptied_table_says_what_emptied_it() -> None:
    with pytest.raises(TableError, match=r"(?s)price_not_positive \(18\).*no_row_left"):
        Dataset.from_frames({"bars": bars().with_columns(close=pl.lit(0.0))})


def test_a_full_disk_leaves_the_old_dataset_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Dataset.from_frames(market()).write(tmp_path / "data")
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    newer = {**market(), "bars": bars().with_columns(pl.col("ret") / 2), "segments": segments().with_columns(pl.col("revenue") / 2)}
    with monkeypatch.context() as patch, pytest.raises(DatasetError, match="No space left"):
        disk_full(tmp_path, patch, newer)
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()} == before
    assert Dataset.open(tmp_path / "data").fingerprint() == old.fingerprint()


def test_a_full_disk_at_the_first_write_leaves_a_folder_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(DatasetError):
        disk_full(tmp_path, patch)
    assert [path.name for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
    assert Dataset.from_frames(market()).write(tmp_path / "data").frame("bars").height == 18


BIG = """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    import polars as pl
    from pureplay.dataset import Dataset
    from pureplay.errors import DatasetError

    def made(seed):
        rng = np.random.default_rng(list(seed.encode()))
        days = pl.date_range(pl.date(2015, 1, 1), pl.date(2015, 12, 31), eager=True)
        date = pl.Series(np.repeat(days.to_numpy(), 300)).cast(pl.Date)
        asset = [f"{600000 + i}.SH" for i in range(300)] * days.len()
        values = {name: rng.uniform(1, 2, date.len()) for name in ("close", "volume", "amount", "total_cap")}
        return Dataset.from_frames({"bars": pl.DataFrame({"date": date, "asset": asset, "ret": rng.normal(0, 0.01, date.len()), **values})})
"""
"""Makes a dataset of about three megabytes."""


def script(tmp: Path, text: str) -> Path:
    path = tmp / "writes_a_dataset.py"
    path.write_text(textwrap.dedent(BIG) + textwrap.dedent(text), encoding="utf-8")
    return path


def run(path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(path), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def test_a_file_size_limit_is_an_error_and_leaves_the_old_dataset(tmp_path: Path) -> None:
    """A real failure of the system in the middle of a file, in a process of its own."""
    old = Dataset.from_frames(market()).write(tmp_path / "data")
    limited = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        try:
            made('big').write(sys.argv[1])
        except DatasetError as error:
            print(error)
    """
    said = run(script(tmp_path, limited), tmp_path / "data")
    assert said.returncode == 0, said.stderr
    assert "File too large" in said.stdout
    assert "what was there is unchanged" in said.stdout
    assert Dataset.open(tmp_path / "data").fingerprint() == old.fingerprint()
    assert not list((tmp_path / "data").glob("*.partial")) + list((tmp_path / "data").glob(".*.partial"))


def test_a_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False, capture_output=True).returncode
    ):
        pytest.skip("mounting a small disk is not allowed here")
    try:
        old = Dataset.from_frames(market()).write(disk / "data")
        full = """
            try:
                made('big').write(sys.argv[1])
            except DatasetError as error:
                print(error)
        """
        said = run(script(tmp_path, full), disk / "data")
        assert "No space left on device" in said.stdout, said.stderr
        assert Dataset.open(disk / "data").fingerprint() == old.fingerprint()
        assert check_folder(disk / "data").exit_code == 0
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_killed_write_leaves_the_old_dataset_or_the_new_one(tmp_path: Path) -> None:
    """kill -9 at many moments of the write, found by counting the calls that change the folder."""
    killed = """
        from dataclasses import replace

        def die_at(moment):
            count = 0
            def counted(name, owner):
                real = getattr(owner, name)
                def call(*arguments, **named):
                    nonlocal count
                    count += 1
                    if count == moment:
                        if name == "write_parquet":
                            Path(arguments[1]).write_bytes(b"PAR1 half")
                        os.kill(os.getpid(), signal.SIGKILL)
                    return real(*arguments, **named)
                setattr(owner, name, call)
            for name, owner in (("replace", Path), ("unlink", Path), ("touch", Path), ("write_parquet", pl.DataFrame), ("fsync", os)):
                counted(name, owner)

        for line in sys.stdin:  # polars has not run yet, so that it is safe to fork; a fresh interpreter would take a second each
            child = os.fork()
            if child == 0:
                die_at(int(line))
                bad = pl.DataFrame({"date": ["x"], "rule": ["y"]})
                replace(made(line.strip()), notes={"moment": line.strip()}, quarantine={"bars": bad}).write(sys.argv[1])
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    """
    first = kill_at_every_moment(script(tmp_path, killed), tmp_path / "data")
    assert sorted(first, key=bool) == first
    assert set(first) == {None, True}, "nothing up to one moment, the new dataset from there on"
    later = kill_at_every_moment(script(tmp_path, killed), tmp_path / "data")
    assert sorted(later, key=bool) == later
    assert set(later) == {False, True}, "the old dataset up to one moment, the new one from there on"


def kill_at_every_moment(path: Path, folder: Path) -> list[bool | None]:
    """What the folder holds after each killed write, up to the first write that lives."""
    seen: list[bool | None] = []
    with subprocess.Popen([sys.executable, path, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        for moment in range(1, 60):
            writer.stdin.write(f"{moment}\n")
            writer.stdin.flush()
            code = int(writer.stdout.readline())
            seen.append(state(folder, str(moment)))
            if code == 0:
                break
            assert code == -9
    named = {folder / each["file"] for each in Dataset.open(folder).files.values()}
    assert set(folder.glob("*.parquet")) == named, "the last write removed what the killed ones left"
    assert not list(folder.rglob(".*"))
    return seen


def state(folder: Path, moment: str) -> bool | None:
    """Whether the folder opens as the new dataset, as the old one, or as none since there never was one; never as something between."""
    if not (folder / "manifest.json").exists():
        with pytest.raises(DatasetError, match=r"interrupted, write it again|is not a (dataset|folder)"):
            Dataset.open(folder)
        return None
    opened = Dataset.open(folder)
    assert opened.frame("bars").height == 365 * 300
    assert check_folder(folder).findings == (), "every file is what the manifest says"
    return bool(opened.notes["moment"] == moment)


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    """The second is told to wait, and the first goes on undisturbed."""
    data = Dataset.from_frames(market())
    outcome: list[object] = []

    class Slow(dict[str, pl.DataFrame]):
        def items(self) -> object:  # the quarantine is asked for in the middle of the write
            with pytest.raises(DatasetError, match="another process is writing") as caught:
                data.write(tmp_path / "data")
            outcome.append(caught.value)
            return super().items()

    replace(data, quarantine=Slow()).write(tmp_path / "data")
    assert len(outcome) == 1
    assert Dataset.open(tmp_path / "data").frame("bars").height == 18
