"""A dataset: checked tables in memory, or a folder of Parquet files with a manifest.

The manifest is the dataset: it names every file with its rows and SHA-256. A write first puts new files beside the old ones and
then replaces the manifest in one step, so that a crash leaves the old state or the new one.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

import polars as pl

from pureplay.checks import CheckReport, check_tables
from pureplay.errors import DatasetError, TableError
from pureplay.frames import AnyFrame
from pureplay.sessions import CALENDARS, Calendar
from pureplay.tables import CONTRACTS

__all__ = ["MANIFEST", "SCHEMA_VERSION", "Dataset", "adopt_folder", "check_folder", "file_sha256", "write_json"]

SCHEMA_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
QUARANTINE: Final = "quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Checked canonical tables under one calendar.

    tables: name → frame (eager in memory, lazy from a folder). calendar: "XSHG" or "bars". notes: free facts that travel with
    the data, such as {"synthetic": true}. files: file records of the manifest, empty in memory. quarantine: rows that the check
    set aside, by table; report: its findings. Both are empty for a dataset that was opened rather than made;
    findings then holds what the check that wrote the folder had found: level, table, rule, count, remedy.
    """

    tables: Mapping[str, pl.DataFrame | pl.LazyFrame]
    calendar: Calendar = "bars"
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quarantine: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    report: CheckReport | None = None
    findings: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_frames(
        cls,
        tables: Mapping[str, AnyFrame],
        *,
        calendar: Calendar = "bars",
        notes: Mapping[str, Any] | None = None,
        today: date | None = None,
    ) -> "Dataset":
        """Check frames of any kind and take what is sound; raises TableError naming every refused table.

        Rows that break a rule are not lost: they stand in `quarantine`, and `report` says why.
        """
        sound, aside, report = check_tables(tables, calendar=calendar, today=today)
        if report.refused:
            raise TableError("\n".join(str(each) for each in report.refused))
        return cls(tables=sound, calendar=calendar, notes=dict(notes or {}), quarantine=aside, report=report)

    @classmethod
    def open(cls, folder: Path | str) -> "Dataset":
        """Open a dataset folder lazily; raises DatasetError where files are missing, cut short or of another schema version."""
        root = Path(folder)
        manifest = _read_manifest(root)
        tables: dict[str, pl.DataFrame | pl.LazyFrame] = {}
        for name, record in manifest["tables"].items():
            path = root / record["file"]
            _require_file(path, record)
            tables[name] = _scan(path)
        return cls(tables=tables, calendar=manifest["calendar"], notes=manifest["notes"], files=manifest["tables"], findings=tuple(manifest["findings"]))

    def has(self, name: str) -> bool:
        """Whether the dataset holds the table."""
        return name in self.tables

    def frame(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        """A table, or some columns of it, in memory; raises TableError where the dataset has no such table or column."""
        if name not in self.tables:
            raise TableError(f"the dataset has no table '{name}'; it has {', '.join(self.tables)}: add it for what you are asking")
        table = self.tables[name]
        present = table.columns if isinstance(table, pl.DataFrame) else table.collect_schema().names()
        absent = [each for each in columns or [] if each not in present]
        if absent:
            raise TableError(f"{name} has no column {', '.join(absent)}; it has {', '.join(present)}: add it for what you are asking")
        chosen = table if columns is None else table.select(columns)
        return chosen.collect() if isinstance(chosen, pl.LazyFrame) else chosen

    def columns(self, name: str) -> list[str]:
        """Columns of a table; empty where the table is absent."""
        if name not in self.tables:
            return []
        table = self.tables[name]
        return table.columns if isinstance(table, pl.DataFrame) else table.collect_schema().names()

    def as_of(self, day: date) -> "Dataset":
        """What was known on `day`: rows traded, published or effective later are gone, later end dates are null."""
        return replace(self, tables={name: _known_by(self.frame(name), day) for name in self.tables}, files={})

    def write(self, folder: Path | str) -> "Dataset":
        """Write all tables to a folder atomically and return the dataset opened from there.

        An existing dataset in the folder is replaced; any other non-empty folder is refused. Raises DatasetError where the
        folder cannot be written or the disk is full, in which case the old dataset is untouched.
        """
        root = Path(folder)
        _require_own_folder(root)
        _store(root, self)
        return Dataset.open(root)

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of every table: of its file, or of its Arrow bytes for a dataset in memory."""
        if self.files:
            return {name: str(record["sha256"]) for name, record in self.files.items()}
        return {name: _frame_sha256(self.frame(name)) for name in sorted(self.tables)}


def check_folder(folder: Path | str, *, today: date | None = None, calendar: Calendar | None = None) -> CheckReport:
    """Check every table of a folder, move bad rows to `quarantine/` and write the manifest; refuse to touch a broken one.

    The folder holds `<table>.parquet` files, with or without a manifest. Where a table is refused nothing is written and the
    report says so. Raises DatasetError for a folder without any table.
    """
    root = Path(folder)
    known = _read_manifest(root) if (root / MANIFEST).exists() else None
    paths = _table_files(root, known)
    sums = {name: file_sha256(path) for name, path in paths.items()}
    frames = {name: _read_parquet(path) for name, path in paths.items()}
    which = calendar or (known["calendar"] if known else "bars")
    sound, aside, report = check_tables(frames, calendar=which, today=today)
    if report.refused:
        return report
    unchanged = known is not None and all(known["tables"][name]["sha256"] == sums[name] for name in paths)
    if unchanged and not aside:
        return report
    notes = known["notes"] if known else {}
    _store(root, Dataset(tables=sound, calendar=which, notes=notes, quarantine=aside, report=report))
    return report


def adopt_folder(folder: Path | str, *, calendar: Calendar, notes: Mapping[str, Any]) -> Dataset:
    """Write the manifest of a folder whose `<table>.parquet` files are known to be sound, and open it.

    Meant for tables that our own code has just written; anything else goes through `check_folder`.
    """
    root = Path(folder)
    records = {name: _record(root, path) for name, path in _table_files(root, None).items()}
    _commit(root, calendar, notes, records, {}, None)
    return Dataset.open(root)


def _store(root: Path, data: Dataset) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        records = {name: _write_table(root, name, data.frame(name)) for name in data.tables}
        aside = {name: _write_table(root, name, frame, inside=QUARANTINE) for name, frame in data.quarantine.items()}
        _commit(root, data.calendar, data.notes, records, aside, data.report)
    except OSError as error:
        raise DatasetError(f"cannot write {root}: {error}: free space or choose another folder; what was there is unchanged") from error


def _write_table(root: Path, name: str, frame: pl.DataFrame, *, inside: str = "") -> dict[str, Any]:
    """Write under a name that holds the content's hash: a new version never overwrites the one in use."""
    folder = root / inside
    folder.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
    os.close(handle)
    try:
        compact = frame.with_columns(pl.col("asset").cast(pl.Categorical)) if "asset" in frame.columns else frame
        compact.write_parquet(partial, compression="zstd", compression_level=1)
        final = folder / f"{name}.{file_sha256(Path(partial))[:12]}.parquet"
        os.replace(partial, final)
    except pl.exceptions.ComputeError as error:
        raise OSError(str(error)) from error
    finally:
        Path(partial).unlink(missing_ok=True)
    return _record(root, final)


def _record(root: Path, path: Path) -> dict[str, Any]:
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    return {"file": path.relative_to(root).as_posix(), "rows": rows, "bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _commit(
    root: Path,
    calendar: Calendar,
    notes: Mapping[str, Any],
    records: Mapping[str, Mapping[str, Any]],
    aside: Mapping[str, Mapping[str, Any]],
    report: CheckReport | None,
) -> None:
    old = _read_manifest(root) if (root / MANIFEST).exists() else None
    earlier = old["quarantine"] if old else []
    findings = report.to_frame().to_dicts() if report else (old["findings"] if old else [])
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "calendar": calendar,
        "notes": dict(notes),
        "tables": dict(records),
        "quarantine": [*earlier, *[{"table": name, **record} for name, record in aside.items()]],
        "findings": findings,
    }
    write_json(root / MANIFEST, manifest)
    kept = {record["file"] for record in records.values()}
    for record in (old["tables"].values() if old else ()):
        if record["file"] not in kept:
            (root / record["file"]).unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(content, out, indent=2, ensure_ascii=False, default=str)
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _frame_sha256(frame: pl.DataFrame) -> str:
    digest = hashlib.sha256(repr(list(frame.schema.items())).encode())
    for column in frame.iter_columns():
        digest.update(column.hash(seed=0).to_numpy().tobytes())
    return digest.hexdigest()


def _read_manifest(root: Path) -> dict[str, Any]:
    path = root / MANIFEST
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the folder of a dataset")
    if not path.exists():
        raise DatasetError(f"{root} is not a dataset (it has no {MANIFEST}): make one with `pureplay import`, or run `pureplay check` on it")
    try:
        manifest = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
        version, tables, calendar = manifest["schema_version"], manifest["tables"], manifest["calendar"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is not a manifest of pureplay ({error}): run `pureplay check` on a folder without it") from error
    if version != SCHEMA_VERSION:
        raise DatasetError(f"{path} has schema version {version}, this pureplay reads {SCHEMA_VERSION}: import the data again")
    if calendar not in CALENDARS or not isinstance(tables, dict):
        raise DatasetError(f"{path} is damaged: import the data again")
    return manifest


def _require_file(path: Path, record: Mapping[str, Any]) -> None:
    if not path.exists():
        raise DatasetError(f"{path} is named in the manifest but absent: restore it, or import the data again")
    size = path.stat().st_size
    if size != record["bytes"]:
        raise DatasetError(f"{path} has {size} bytes, the manifest says {record['bytes']}: run `pureplay check` if you changed it on purpose")


def _require_own_folder(root: Path) -> None:
    if root.is_file():
        raise DatasetError(f"{root} is a file: choose a folder")
    if root.is_dir() and any(root.iterdir()) and not (root / MANIFEST).exists():
        raise DatasetError(f"{root} holds other files: choose an empty or new folder, nothing was written")


def _table_files(root: Path, known: Mapping[str, Any] | None) -> dict[str, Path]:
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the folder of a dataset")
    if known is not None:
        paths = {name: root / record["file"] for name, record in known["tables"].items()}
        gone = [str(path) for path in paths.values() if not path.exists()]
        if gone:
            raise DatasetError(f"named in the manifest but absent: {', '.join(gone)}: restore them, or import the data again")
        return paths
    paths = {name: root / f"{name}.parquet" for name in CONTRACTS if (root / f"{name}.parquet").exists()}
    if not paths:
        raise DatasetError(f"{root} is not a dataset: it has neither {MANIFEST} nor a file such as bars.parquet: use `pureplay import`")
    return paths


def _scan(path: Path) -> pl.LazyFrame:
    """Codes are stored by dictionary and read as text, so that they join with anything."""
    return pl.scan_parquet(path).with_columns(pl.col(pl.Categorical).cast(pl.String))


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return _scan(path).collect()
    except (pl.exceptions.ComputeError, OSError) as error:
        raise DatasetError(f"{path} cannot be read as Parquet ({error}): it may be cut short; restore it or import again") from error


_KNOWN_WHEN: Final = ("date", "publish_date", "start_date", "list_date")
_LATER_ENDS: Final = ("end_date", "delist_date")


def _known_by(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    for column in _KNOWN_WHEN:
        if column in frame.columns:
            frame = frame.filter(pl.col(column).is_null() | (pl.col(column) <= day))
    ends = [pl.when(pl.col(name) <= day).then(pl.col(name)).alias(name) for name in _LATER_ENDS if name in frame.columns]
    return frame.with_columns(ends)
