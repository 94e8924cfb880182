"""A dataset in memory and on disk: what is written is what is opened, what was known when, and what a check does to a folder."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.dataset import Dataset, adopt_folder, check_folder, file_sha256, write_json
from pureplay.errors import DatasetError, SettingError, TableError
from tests.border_links import links
from tests.border_market import DAYS, STOCKS, bars, filings, market, put, segments, taxonomy


@pytest.fixture
def data() -> Dataset:
    return Dataset.from_frames(market(), notes={"name": "small", "since": date(2024, 1, 2)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of `<table>.parquet` without a manifest."""
    root = tmp_path / "plain"
    root.mkdir()
    for name, frame in market().items():
        frame.write_parquet(root / f"{name}.parquet")
    return root


def manifest(root: Path) -> dict[str, object]:
    return json.loads((root / "manifest.json").read_text("utf-8"))


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def rules(report: object) -> list[tuple[str, str, str, int]]:
    return [(each.level, each.table, each.rule, each.count) for each in report.findings]


# --- round trip ---


def test_what_is_written_is_what_is_opened(data: Dataset, tmp_path: Path) -> None:
    opened = data.write(tmp_path / "data")
    for name in market():
        assert opened.frame(name).equals(data.frame(name))
        assert opened.frame(name).schema == data.frame(name).schema
        assert opened.columns(name) == data.columns(name)
    assert (opened.calendar, opened.notes) == ("bars", {"name": "small", "since": "2024-01-02"})
    for name, record in opened.files.items():
        path = tmp_path / "data" / record["file"]
        assert record == {"file": path.name, "rows": market()[name].height, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
    assert opened.fingerprint() == {name: record["sha256"] for name, record in opened.files.items()}


def test_other_tools_read_the_files(data: Dataset, tmp_path: Path) -> None:
    opened = data.write(tmp_path / "data")
    frame = pd.read_parquet(tmp_path / "data" / opened.files["bars"]["file"])
    assert frame["asset"].astype(str).tolist() == bars()["asset"].to_list()
    assert frame["ret"].tolist() == bars()["ret"].to_list()


def test_opening_reads_no_table(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data.write(tmp_path / "data")

    def read(*_: object, **__: object) -> None:
        pytest.fail("a table was read")

    monkeypatch.setattr(pl.LazyFrame, "collect", read)
    monkeypatch.setattr("pureplay.dataset.file_sha256", read)
    assert Dataset.open(tmp_path / "data").has("bars")


def test_a_folder_name_is_no_pattern(data: Dataset, tmp_path: Path) -> None:
    for name in ("year=2024", "data [1]*", "数据"):
        opened = data.write(tmp_path / name)
        assert opened.frame("bars").equals(data.frame("bars"))
        assert check_folder(tmp_path / name).findings == ()


def test_writing_a_dataset_onto_itself(data: Dataset, tmp_path: Path) -> None:
    opened = data.write(tmp_path / "data")
    before = contents(tmp_path / "data")
    assert opened.write(tmp_path / "data").fingerprint() == opened.fingerprint()
    assert contents(tmp_path / "data") == before


def test_a_new_version_takes_the_place_of_the_old(data: Dataset, tmp_path: Path) -> None:
    old = data.write(tmp_path / "data")
    newer = Dataset.from_frames({"bars": bars().with_columns(pl.col("ret") / 2), "taxonomy": taxonomy()}).write(tmp_path / "data")
    assert set(newer.tables) == {"bars", "taxonomy"}
    assert newer.fingerprint()["taxonomy"] == old.fingerprint()["taxonomy"]
    assert len(list((tmp_path / "data").iterdir())) == 3
    with pytest.raises(DatasetError, match=r"bars cannot be read.*open the dataset again"):
        old.frame("bars")


def test_quarantine_of_earlier_writes_is_kept_once(tmp_path: Path) -> None:
    first = Dataset.from_frames({"bars": put(bars(), 0, close=-1.0)})
    second = Dataset.from_frames({"bars": put(bars(), 1, close=-2.0)})
    for each in (first, first, second, first):
        each.write(tmp_path / "data")
    aside = [pl.read_parquet(tmp_path / "data" / each["file"]) for each in manifest(tmp_path / "data")["quarantine"]]
    assert sorted(frame["close"].item() for frame in aside) == [-2.0, -1.0]
    assert {frame["rule"].item() for frame in aside} == {"price_not_positive"}


def test_findings_travel_with_the_data(tmp_path: Path) -> None:
    made = Dataset.from_frames({"bars": put(bars(), 0, close=-1.0)})
    opened = made.write(tmp_path / "one")
    assert opened.findings == tuple(made.report.to_frame().to_dicts())
    assert opened.write(tmp_path / "two").findings == opened.findings


def test_files_may_be_read_by_others(data: Dataset, tmp_path: Path) -> None:
    """As any file that this process makes, not closed to all others as a temporary file is."""
    (tmp_path / "usual").touch()
    data.write(tmp_path / "data")
    modes = {path.stat().st_mode for path in (tmp_path / "data").iterdir()}
    assert modes == {(tmp_path / "usual").stat().st_mode}


# --- opening what is no dataset any more ---


def spoil_manifest(**changes: object) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        kept = {key: value for key, value in (manifest(root) | changes).items() if value != "absent"}
        (root / "manifest.json").write_text(json.dumps(kept), "utf-8")

    return spoil


def write_manifest(text: bytes) -> Callable[[Path], object]:
    return lambda root: (root / "manifest.json").write_bytes(text)


SPOILED = {
    "another version": (spoil_manifest(schema_version=2), "schema version 2, this pureplay reads 1"),
    "no version": (spoil_manifest(schema_version="absent"), "no schema_version"),
    "no notes": (spoil_manifest(notes="absent"), "damaged .'notes' is absent"),
    "no findings": (spoil_manifest(findings="absent"), "'findings' is absent"),
    "no quarantine": (spoil_manifest(quarantine="absent"), "'quarantine' is absent"),
    "tables as a list": (spoil_manifest(tables=[]), "'tables' is absent or of the wrong kind"),
    "unknown calendar": (spoil_manifest(calendar="NYSE"), "calendar is 'NYSE', known are XSHG, bars"),
    "unknown table": (spoil_manifest(tables={"prices": {}}), "prices is no table of pureplay"),
    "record without size": (
        spoil_manifest(tables={"bars": {"file": "x", "rows": 1, "sha256": ""}}),
        "lacks its name, rows, bytes or sha256",
    ),
    "absolute path": (spoil_manifest(tables={"bars": {"file": "/etc/passwd", "rows": 1, "bytes": 1, "sha256": ""}}), "outside the folder"),
    "no JSON": (write_manifest(b"{"), "not a manifest of pureplay"),
    "a list": (write_manifest(b"[]"), "not a manifest of pureplay"),
    "a word": (write_manifest(b'"schema_version"'), "not a manifest of pureplay"),
    "not UTF-8": (write_manifest(b'{"schema_version": 1, "n": "\xff"}'), "not a manifest of pureplay"),
    "a table gone": (lambda root: next(root.glob("bars.*")).unlink(), "is named in the manifest but absent: restore it"),
    "a table of another size": (lambda root: next(root.glob("bars.*")).write_bytes(b"x"), "has 1 bytes, the manifest says"),
    "a table is a folder": (
        lambda root: (next(root.glob("bars.*")).unlink(), (root / manifest(root)["tables"]["bars"]["file"]).mkdir()),
        "absent",
    ),
    "manifest is a folder": (
        lambda root: ((root / "manifest.json").unlink(), (root / "manifest.json").mkdir()),
        "not a manifest of pureplay",
    ),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILED.values(), ids=SPOILED.keys())
def test_what_is_no_dataset_any_more_is_refused(spoil: Callable[[Path], object], words: str, data: Dataset, tmp_path: Path) -> None:
    data.write(tmp_path / "data")
    spoil(tmp_path / "data")
    with pytest.raises(DatasetError, match=words) as caught:
        Dataset.open(tmp_path / "data")
    assert ": " in str(caught.value)


def test_a_dataset_that_has_lost_its_manifest_is_not_overwritten(data: Dataset, tmp_path: Path) -> None:
    data.write(tmp_path / "data")
    (tmp_path / "data" / "manifest.json").unlink()
    before = contents(tmp_path / "data")
    with pytest.raises(DatasetError, match="holds other files"):
        data.write(tmp_path / "data")
    assert contents(tmp_path / "data") == before


def test_absent_tables_and_columns_are_named(data: Dataset, tmp_path: Path) -> None:
    for each in (data, data.write(tmp_path / "data")):
        with pytest.raises(TableError, match="no table 'factors'; it has bars, taxonomy, segments, filings: add it"):
            each.frame("factors")
        with pytest.raises(TableError, match="bars has no column open; it has date, asset, close"):
            each.frame("bars", ["date", "open"])
        assert each.columns("factors") == []
        assert not each.has("factors")
        assert each.frame("bars", ["ret", "date"]).columns == ["ret", "date"]


# --- fingerprint ---


def test_fingerprint_sees_values_not_the_way_they_came() -> None:
    given_frame = bars()
    same = [
        given_frame,
        given_frame.reverse(),
        given_frame.lazy(),
        given_frame.to_arrow(),
        pd.DataFrame(given_frame.to_dict(as_series=False)),
        given_frame.with_columns(pl.col("asset").cast(pl.Categorical)),
        pl.concat([given_frame[:7], given_frame[7:]], rechunk=False),
    ]
    prints = {Dataset.from_frames({"bars": each}).fingerprint()["bars"] for each in same}
    assert len(prints) == 1
    other = [
        put(given_frame, 4, ret=1e-12),
        put(given_frame, 4, ret=None),
        put(given_frame, 4, asset="T00018.SH"),
        given_frame.drop("close"),
        given_frame[1:],
    ]
    assert len(prints | {Dataset.from_frames({"bars": each}).fingerprint()["bars"] for each in other}) == 6


def test_fingerprint_is_the_same_in_another_process() -> None:
    imports = "from tests.border_market import bars; from pureplay.dataset import Dataset; "
    code = imports + "print(Dataset.from_frames({'bars': bars()}).fingerprint()['bars'])"
    root = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(root), str(root / "src")])
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == Dataset.from_frames({"bars": bars()}).fingerprint()["bars"]


# --- what was known when ---


def full_market() -> dict[str, pl.DataFrame]:
    """Every kind of date of the contracts."""
    day = timedelta(days=1)
    start, end = DAYS[1], DAYS[4]
    later = pl.col("publish_date") + pl.duration(days=620 * (pl.col("asset") == STOCKS[1]))
    return market() | {
        "segments": segments().with_columns(later),
        "filings": filings().with_columns(later),
        "taxonomy": taxonomy().with_columns(
            start_date=pl.Series([None, None, start, None, None]), end_date=pl.Series([None, None, end, start, None])
        ),
        "assets": pl.DataFrame({"asset": STOCKS, "list_date": [None, start, end], "delist_date": [start, end, None]}),
        "industries": pl.DataFrame(
            {"asset": STOCKS, "scheme": "s", "start_date": [start, start, end], "end_date": [end, None, end + day], "code": ["1", "2", "3"]}
        ),
        "index_members": pl.DataFrame({"index": "i", "asset": STOCKS, "start_date": [start, end, start], "end_date": [start, end, None]}),
        "status": pl.DataFrame({"asset": STOCKS, "start_date": [start, start, end], "end_date": [start, end, None], "kind": "ST"}),
        "benchmarks": pl.DataFrame({"index": "i", "date": DAYS, "close": 1.0}),
        **links(),
        "scores": pl.DataFrame({"date": DAYS, "asset": STOCKS[0], "eff_date": DAYS[0], "publish_date": DAYS[0], "score": 1.0}),
        "factors": pl.DataFrame({"date": DAYS, "asset": STOCKS[0], "size": 1.0}),
    }


@given(st.integers(-3, 12))
def test_what_was_known_on_a_day(offset: int) -> None:
    """Row by row, after the section on time travel: later rows gone, later ends null, all else untouched."""
    day = DAYS[0] + timedelta(days=offset)
    whole = Dataset.from_frames(FULL)
    past = whole.as_of(day)
    for name in whole.tables:
        expected = []
        for row in whole.frame(name).iter_rows(named=True):
            if any(row.get(column) is not None and row[column] > day for column in ("date", "publish_date", "start_date", "list_date")):
                continue
            if row.get("published_at") is not None and row["published_at"].date() > day:
                continue
            ends = {key: None for key in ("end_date", "delist_date") if row.get(key) is not None and row[key] > day}
            expected.append(row | ends)
        assert past.frame(name).to_dicts() == expected
        assert past.frame(name).schema == whole.frame(name).schema
    assert past.as_of(day).fingerprint() == past.fingerprint()
    assert past.as_of(day - timedelta(days=2)).fingerprint() == whole.as_of(day - timedelta(days=2)).fingerprint()


FULL = full_market()


def test_what_was_known_carries_no_later_row(tmp_path: Path) -> None:
    made = Dataset.from_frames({"bars": put(bars(), 17, close=-1.0)})
    past = made.as_of(DAYS[2])
    assert past.quarantine == {}
    assert past.files == {}
    written = past.write(tmp_path / "past")
    assert written.frame("bars")["date"].max() == DAYS[2]
    assert manifest(tmp_path / "past")["quarantine"] == []


# --- checking a folder ---


def test_a_sound_folder_is_adopted_and_stays(folder: Path) -> None:
    originals = contents(folder)
    report = check_folder(folder, calendar="XSHG")
    assert (report.exit_code, report.findings) == (0, ())
    opened = Dataset.open(folder)
    assert opened.calendar == "XSHG"
    assert opened.fingerprint().keys() == market().keys()
    assert all(opened.frame(name).equals(Dataset.from_frames(market()).frame(name)) for name in market())
    assert originals.items() <= contents(folder).items(), "the files of the user are read, not changed"
    after = contents(folder)
    again = check_folder(folder)
    assert (again.exit_code, again.findings) == (0, ())
    assert contents(folder) == after


def test_bad_rows_are_moved_once(folder: Path) -> None:
    put(bars(), 3, close=-1.0).write_parquet(folder / "bars.parquet")
    report = check_folder(folder)
    assert (report.exit_code, rules(report)) == (1, [("set_aside", "bars", "price_not_positive", 1)])
    [aside] = manifest(folder)["quarantine"]
    assert aside["file"].startswith("quarantine/bars.")
    assert pl.read_parquet(folder / aside["file"])["close"].to_list() == [-1.0]
    assert Dataset.open(folder).frame("bars").height == 17
    assert Dataset.open(folder).findings == tuple(report.to_frame().to_dicts())
    after = contents(folder)
    assert check_folder(folder).exit_code == 0
    assert contents(folder) == after


def test_a_refused_table_leaves_the_folder_as_it_was(folder: Path) -> None:
    put(bars(), 3, close=-1.0).write_parquet(folder / "bars.parquet")
    taxonomy().drop("parent").write_parquet(folder / "taxonomy.parquet")
    before = contents(folder)
    report = check_folder(folder)
    assert report.exit_code == 2
    assert {each.table for each in report.refused} == {"taxonomy", "segments"}
    assert contents(folder) == before


def test_a_refused_check_leaves_a_dataset_as_it_was(data: Dataset, tmp_path: Path) -> None:
    root = tmp_path / "data"
    data.write(root)
    bars().drop("ret").write_parquet(root / "bars.parquet")
    before = contents(root)
    assert check_folder(root).exit_code == 2
    assert contents(root) == before
    assert Dataset.open(root).frame("bars").equals(data.frame("bars"))


def test_all_faults_are_named_in_one_check(folder: Path) -> None:
    (folder / "bars.parquet").write_bytes(b"no Parquet")
    put(taxonomy(), 1, parent="zz").write_parquet(folder / "taxonomy.parquet")
    report = check_folder(folder)
    assert {(each.table, each.rule) for each in report.refused} == {
        ("bars", "unreadable"),
        ("taxonomy", "unknown_parent"),
        ("segments", "no_taxonomy"),
    }


@pytest.mark.parametrize("adopted", [False, True])
def test_a_file_changed_on_purpose_is_taken_and_told(adopted: bool, data: Dataset, folder: Path, tmp_path: Path) -> None:
    root = folder if adopted else tmp_path / "data"
    old = adopt_folder(root, calendar="bars", notes={"kept": 1}) if adopted else data.write(root)
    path = root / old.files["bars"]["file"]
    changed = pl.concat([put(bars(), 3, close=-1.0), bars()[0]])
    changed.write_parquet(path)
    with pytest.raises(DatasetError, match="run `pureplay check` if you changed it on purpose"):
        Dataset.open(root)
    report = check_folder(root)
    assert rules(report) == [
        ("notice", "bars", "changed_file", 1),
        ("set_aside", "bars", "duplicate_row", 1),
        ("set_aside", "bars", "price_not_positive", 1),
    ]
    assert old.files["bars"]["sha256"][:12] in report.findings[0].remedy
    new = Dataset.open(root)
    assert new.frame("bars").height == 17
    assert new.notes == old.notes
    assert {name: new.fingerprint()[name] == old.fingerprint()[name] for name in market()} == {name: name != "bars" for name in market()}
    after = contents(root)
    assert (check_folder(root).findings, contents(root)) == ((), after)


def test_a_flipped_bit_of_the_right_size_is_told(data: Dataset, tmp_path: Path) -> None:
    root = tmp_path / "data"
    path = root / data.write(root).files["bars"]["file"]
    content = path.read_bytes()
    put(bars(), 3, ret=0.5).with_columns(pl.col("asset").cast(pl.Categorical)).write_parquet(path, compression="zstd", compression_level=1)
    if path.stat().st_size != len(content):  # the change shows in the size as well; the sum must not depend on it
        kept = manifest(root)
        kept["tables"]["bars"]["bytes"] = path.stat().st_size
        write_json(root / "manifest.json", kept)
    Dataset.open(root)
    assert rules(check_folder(root)) == [("notice", "bars", "changed_file", 1)]
    assert Dataset.open(root).files["bars"]["sha256"] == file_sha256(root / Dataset.open(root).files["bars"]["file"])


def test_new_files_beside_the_dataset_are_taken_and_told(data: Dataset, tmp_path: Path) -> None:
    root = tmp_path / "data"
    data.write(root)
    bars().with_columns(pl.col("ret") / 2).write_parquet(root / "bars.parquet")
    pl.DataFrame({"asset": STOCKS}).write_parquet(root / "assets.parquet")
    report = check_folder(root)
    assert rules(report) == [("notice", "bars", "new_file", 1), ("notice", "assets", "new_file", 1)]
    opened = Dataset.open(root)
    assert opened.frame("bars")["ret"].equals(data.frame("bars")["ret"] / 2)
    assert opened.has("assets")
    after = contents(root)
    assert (check_folder(root).findings, contents(root)) == ((), after)


def test_a_plain_file_that_is_edited_again_is_read_again(folder: Path) -> None:
    check_folder(folder)
    put(bars(), 0, ret=0.25).write_parquet(folder / "bars.parquet")
    assert rules(check_folder(folder)) == [("notice", "bars", "new_file", 1)]
    assert Dataset.open(folder).frame("bars")["ret"][0] == 0.25
    assert check_folder(folder).findings == ()


def test_a_plain_file_does_not_come_back_after_a_write(folder: Path) -> None:
    """The dataset was replaced by `write`; the old source beside it must not take its place at the next check."""
    check_folder(folder)
    Dataset.from_frames({"bars": bars().with_columns(pl.col("ret") / 2)}).write(folder)
    assert check_folder(folder).findings == ()
    assert set(Dataset.open(folder).tables) == {"bars"}
    assert Dataset.open(folder).frame("bars")["ret"][0] == bars()["ret"][0] / 2
    assert check_folder(folder, calendar="XSHG").exit_code == 0
    assert check_folder(folder).findings == ()


def test_quarantine_of_earlier_checks_is_kept(folder: Path) -> None:
    put(bars(), 3, close=-1.0).write_parquet(folder / "bars.parquet")
    check_folder(folder)
    put(bars(), 5, close=-2.0).write_parquet(folder / "bars.parquet")
    check_folder(folder)
    check_folder(folder, today=date(2022, 12, 31))  # the filings of 2022 are now in the future
    aside = manifest(folder)["quarantine"]
    assert [each["table"] for each in aside] == ["bars", "bars", "segments", "filings"]
    assert [pl.read_parquet(folder / each["file"])["close"].item() for each in aside[:2]] == [-1.0, -2.0]
    assert aside[2]["rows"] == 6
    for each in aside:
        assert file_sha256(folder / each["file"]) == each["sha256"]


def test_sound_tables_are_not_written_again(folder: Path) -> None:
    old = adopt_folder(folder, calendar="bars", notes={})
    put(taxonomy(), 0, product="").write_parquet(folder / "taxonomy.parquet")
    assert check_folder(folder).exit_code == 2
    put(segments(), 0, revenue=-1.0).write_parquet(folder / "segments.parquet")
    taxonomy().write_parquet(folder / "taxonomy.parquet")
    assert check_folder(folder).exit_code == 1
    assert Dataset.open(folder).files["bars"] == old.files["bars"]


def test_another_calendar_is_taken_over(data: Dataset, tmp_path: Path) -> None:
    data.write(tmp_path / "data")
    assert check_folder(tmp_path / "data", calendar="XSHG").exit_code == 0
    assert Dataset.open(tmp_path / "data").calendar == "XSHG"
    with pytest.raises(SettingError, match="calendar must be one of XSHG, bars"):
        check_folder(tmp_path / "data", calendar="NYSE")


def test_a_table_that_is_gone_is_named(data: Dataset, tmp_path: Path) -> None:
    opened = data.write(tmp_path / "data")
    (tmp_path / "data" / opened.files["bars"]["file"]).unlink()
    with pytest.raises(DatasetError, match=r"absent: bars\..*restore them"):
        check_folder(tmp_path / "data")
    bars().write_parquet(tmp_path / "data" / "bars.parquet")
    assert rules(check_folder(tmp_path / "data")) == [("notice", "bars", "new_file", 1)]


def test_folders_that_are_none(tmp_path: Path) -> None:
    for call in (check_folder, Dataset.open, lambda path: adopt_folder(path, calendar="bars", notes={})):
        for path in (tmp_path, tmp_path / "absent", tmp_path / "file"):
            (tmp_path / "file").write_text("x", "utf-8")
            with pytest.raises(DatasetError, match=r"is not a (folder|dataset)"):
                call(path)


def test_files_of_others_in_the_folder_stay(data: Dataset, tmp_path: Path) -> None:
    root = tmp_path / "data"
    data.write(root)
    for name in ("import_report.txt", "bars.csv", "prices.parquet", "notes.partial", ".hidden"):
        (root / name).write_bytes(b"mine")
    (root / "sub").mkdir()
    Dataset.from_frames({"bars": bars()}).write(root)
    check_folder(root, calendar="XSHG")
    assert all(
        (root / name).read_bytes() == b"mine" for name in ("import_report.txt", "bars.csv", "prices.parquet", "notes.partial", ".hidden")
    )


def test_an_adopted_folder_is_left_where_it_was(folder: Path) -> None:
    before = contents(folder)
    adopt_folder(folder, calendar="bars", notes={"synthetic": True})
    assert before.items() <= contents(folder).items()
    shutil.copytree(folder, folder.parent / "copy")
    assert Dataset.open(folder.parent / "copy").fingerprint() == Dataset.open(folder).fingerprint()
    assert check_folder(folder).findings == ()


def test_json_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", {"x": 1, "资": date(2024, 1, 2)})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"x": 1, "资": "2024-01-02"}
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        write_json(tmp_path / "a.json", {"long": "x" * 100_000, "bad": circle})
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["x"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_digest_of_a_table_in_memory_is_that_of_its_values() -> None:
    one = Dataset.from_frames(market())
    assert Dataset.from_frames({name: frame.to_pandas() for name, frame in market().items()}).fingerprint() == one.fingerprint()
    pieces = {name: pl.concat([frame[:3], frame[3:]], rechunk=False) for name, frame in market().items()}
    assert Dataset.from_frames(pieces).fingerprint() == one.fingerprint()
    for name, change in (
        ("bars", put(bars(), 4, ret=0.012345)),
        ("bars", put(bars(), 4, ret=None)),
        ("segments", put(segments(), 0, revenue=41.25)),
    ):
        other = Dataset.from_frames({**market(), name: change}).fingerprint()
        assert other[name] != one.fingerprint()[name]
    moved = bars().with_columns(pl.col("asset").replace(STOCKS[0], "000009.SZ")).sort("date", "asset")
    assert Dataset.from_frames({"bars": moved}).fingerprint() != Dataset.from_frames({"bars": bars()}).fingerprint()
