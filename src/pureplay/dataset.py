"""A dataset: checked tables in memory, or a folder of Parquet files with a manifest.

The manifest is the dataset: it names every file with its rows and SHA-256. How a folder is written is told in `pureplay.storage`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl

from pureplay.checks import CheckReport, Finding, check_tables
from pureplay.errors import DatasetError, TableError
from pureplay.frames import AnyFrame
from pureplay.sessions import Calendar
from pureplay.storage import MANIFEST, SCHEMA_VERSION, Contents, file_sha256, plain_files, read_manifest, store, write_json

__all__ = ["MANIFEST", "SCHEMA_VERSION", "Dataset", "adopt_folder", "check_folder", "file_sha256", "write_json"]


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
        if not tables:
            raise TableError("there is no table: give at least bars, such as {'bars': frame}")
        sound, aside, report = check_tables(tables, calendar=calendar, today=today)
        if report.refused:
            emptied = {each.table for each in report.refused if each.rule == "no_row_left"}
            why = [each for each in report.findings if each.level == "refused" or (each.level == "set_aside" and each.table in emptied)]
            raise TableError("\n".join(str(each) for each in why))
        return cls(tables=sound, calendar=calendar, notes=dict(notes or {}), quarantine=aside, report=report)

    @classmethod
    def open(cls, folder: Path | str) -> "Dataset":
        """Open a dataset folder lazily; raises DatasetError where files are missing, cut short or of another schema version.

        Sizes are compared, contents are not: `check_folder` verifies every SHA-256.
        """
        root = Path(folder)
        manifest = read_manifest(root)
        tables: dict[str, pl.DataFrame | pl.LazyFrame] = {}
        for name, record in manifest["tables"].items():
            path = root / record["file"]
            _require_file(path, record)
            tables[name] = _scan(path)
        return cls(
            tables=tables,
            calendar=manifest["calendar"],
            notes=manifest["notes"],
            files=manifest["tables"],
            findings=tuple(manifest["findings"]),
        )

    def has(self, name: str) -> bool:
        """Whether the dataset holds the table."""
        return name in self.tables

    def frame(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        """A table, or some columns of it, in memory; raises TableError where the dataset has no such table or column.

        Raises DatasetError where its file has been damaged or replaced since the dataset was opened.
        """
        if name not in self.tables:
            raise TableError(f"the dataset has no table '{name}'; it has {', '.join(self.tables)}: add it for what you are asking")
        present = self.columns(name)
        absent = [each for each in columns or [] if each not in present]
        if absent:
            raise TableError(f"{name} has no column {', '.join(absent)}; it has {', '.join(present)}: add it for what you are asking")
        table = self.tables[name]
        chosen = table if columns is None else table.select(columns)
        return chosen if isinstance(chosen, pl.DataFrame) else _collect(name, chosen)

    def columns(self, name: str) -> list[str]:
        """Columns of a table; empty where the table is absent."""
        if name not in self.tables:
            return []
        table = self.tables[name]
        return table.columns if isinstance(table, pl.DataFrame) else _collect(name, table.limit(0)).columns

    def as_of(self, day: date) -> "Dataset":
        """What was known on `day`: rows traded, published or effective later are gone, later end dates are null.

        Articles count as known until the end of `day` in UTC.
        The quarantine is left behind, since it may hold later rows.
        """
        return replace(self, tables={name: _known_by(self.frame(name), day) for name in self.tables}, files={}, quarantine={})

    def write(self, folder: Path | str) -> "Dataset":
        """Write all tables to a folder atomically and return the dataset opened from there.

        An existing dataset in the folder is replaced; any other non-empty folder is refused. Raises DatasetError where the
        folder cannot be written or the disk is full, in which case the old dataset is untouched.
        """
        root = Path(folder)
        owned = {record["file"] for record in read_manifest(root)["tables"].values()} if (root / MANIFEST).exists() else set()
        beside = {name: file_sha256(path) for name, path in plain_files(root).items() if owned and path.name not in owned}
        findings = self.findings if self.report is None else self.report.to_frame().to_dicts()
        contents = Contents(
            tables={name: partial(self.frame, name) for name in self.tables},
            calendar=self.calendar,
            notes=self.notes,
            findings=findings,
            quarantine=self.quarantine,
            sources=beside,
        )
        store(root, contents)
        return Dataset.open(root)

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of every table: of its file, or of its values for a dataset in memory."""
        if self.files:
            return {name: str(record["sha256"]) for name, record in self.files.items()}
        return {name: _frame_sha256(self.frame(name)) for name in sorted(self.tables)}


def check_folder(folder: Path | str, *, today: date | None = None, calendar: Calendar | None = None) -> CheckReport:
    """Check every table of a folder, move bad rows to `quarantine/` and write the manifest; refuse to touch a broken one.

    The folder holds `<table>.parquet` files, with or without a manifest. A file that is no longer what the manifest says, or that
    was put beside it, is taken as meant and named in the report; a `<table>.parquet` itself is read, never changed. Where a table
    is refused nothing is written and the report says so. Raises DatasetError for a folder without any table.
    """
    root = Path(folder)
    known = read_manifest(root) if (root / MANIFEST).exists() else None
    found = _table_files(root, known)
    frames: dict[str, pl.DataFrame] = {}
    findings = [each.change for each in found.values() if each.change is not None]
    for name, each in found.items():
        try:
            frames[name] = _collect(name, _scan(each.path))
        except DatasetError as error:
            findings.append(Finding(level="refused", table=name, rule="unreadable", count=1, remedy=f"{each.path}: {error}"))
    which: Calendar = calendar or (known["calendar"] if known else "bars")
    sound, aside, report = check_tables(frames, calendar=which, today=today)
    report = replace(report, findings=(*findings, *report.findings))
    settled = known is not None and known["calendar"] == which and all(each.is_current for each in found.values())
    if report.refused or (settled and not aside):
        return report
    altered = {*aside, *(each.table for each in report.findings if each.rule == "changed_on_entry")}
    contents = Contents(
        tables={
            name: found[name].path if found[name].is_current and name not in altered else partial(sound.__getitem__, name) for name in sound
        },
        calendar=which,
        notes=known["notes"] if known else {},
        findings=report.to_frame().to_dicts(),
        quarantine=aside,
        sources={**(known["sources"] if known else {}), **{name: each.plain_sha256 for name, each in found.items() if each.plain_sha256}},
    )
    store(root, contents)
    return report


def adopt_folder(folder: Path | str, *, calendar: Calendar, notes: Mapping[str, Any]) -> Dataset:
    """Write the manifest of a folder whose `<table>.parquet` files are known to be sound, and open it.

    Meant for tables that our own code has just written; anything else goes through `check_folder`.
    """
    root = Path(folder)
    paths = plain_files(root)
    if not paths:
        raise DatasetError(_no_table(root))
    store(root, Contents(tables=paths, calendar=calendar, notes=notes, findings=[]))
    return Dataset.open(root)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The file of a table in a folder: whether the manifest names it as it is, what has changed, the plain file beside or behind it."""

    path: Path
    is_current: bool
    change: Finding | None
    plain_sha256: str


def _table_files(root: Path, known: Mapping[str, Any] | None) -> dict[str, _Found]:
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the folder of a dataset")
    plain = plain_files(root)
    records = known["tables"] if known else {}
    sources = known["sources"] if known else {}
    gone = [record["file"] for name, record in records.items() if not (root / record["file"]).is_file() and name not in plain]
    if gone:
        raise DatasetError(f"named in the manifest of {root} but absent: {', '.join(gone)}: restore them, or import the data again")
    if not plain and not records:
        raise DatasetError(_no_table(root))
    found: dict[str, _Found] = {}
    for name in [*records, *(name for name in plain if name not in records)]:
        path, own = plain.get(name), root / records[name]["file"] if name in records else None
        sha256 = file_sha256(path) if path is not None and path != own else ""
        if path is not None and sha256 and (sha256 != sources.get(name) or (own is not None and not own.is_file())):
            change = None if known is None else _changed(name, "new_file", _put_beside(path, own))
            found[name] = _Found(path=path, is_current=False, change=change, plain_sha256=sha256)
        elif own is not None:
            found[name] = _own_file(name, own, records[name]["sha256"], plain_sha256=sha256, is_plain=own == path)
    return found


def _put_beside(plain: Path, own: Path | None) -> str:
    said = "is not in the manifest: it was taken as a new table" if own is None else f"stands beside {own.name}: it was taken in its place"
    return f"{plain.name} {said}; remove it and restore the manifest if that was not meant"


def _own_file(name: str, path: Path, expected: str, *, plain_sha256: str, is_plain: bool) -> _Found:
    """The file that the manifest names, whether or not its content is still what the manifest says."""
    sha256 = file_sha256(path)
    remedy = (
        f"{path.name} has the SHA-256 {sha256[:12]}…, the manifest says {expected[:12]}…: its content was taken as it is now; "
        "restore it from a backup if you did not change it on purpose"
    )
    change = None if sha256 == expected else _changed(name, "changed_file", remedy)
    return _Found(path=path, is_current=change is None, change=change, plain_sha256=sha256 if is_plain else plain_sha256)


def _changed(table: str, rule: str, remedy: str) -> Finding:
    return Finding(level="notice", table=table, rule=rule, count=1, remedy=remedy)


def _no_table(root: Path) -> str:
    return f"{root} is not a dataset: it has neither {MANIFEST} nor a file such as bars.parquet: use `pureplay import`"


def _frame_sha256(frame: pl.DataFrame) -> str:
    """Digest of names, types, missing marks and values, whatever library made the frame and however it is laid out in memory."""
    digest = hashlib.sha256(repr(list(frame.schema.items())).encode())
    for column in frame.iter_columns():
        digest.update(column.is_null().to_numpy().tobytes())
        if column.dtype == pl.String:
            text = column.fill_null("")
            digest.update(text.str.len_bytes().to_numpy().tobytes())
            digest.update(str(text.str.join("").item()).encode())
        else:
            digest.update(column.to_physical().fill_null(0).to_numpy().tobytes())
    return digest.hexdigest()


def _require_file(path: Path, record: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise DatasetError(f"{path} is named in the manifest but absent: restore it, or import the data again")
    size = path.stat().st_size
    if size != record["bytes"]:
        raise DatasetError(
            f"{path} has {size} bytes, the manifest says {record['bytes']}: run `pureplay check` if you changed it on purpose"
        )


def _scan(path: Path) -> pl.LazyFrame:
    """Codes are stored by dictionary and read as text, so that they join with anything. A path is a name, not a pattern."""
    return pl.scan_parquet(path, glob=False, hive_partitioning=False).with_columns(pl.col(pl.Categorical).cast(pl.String))


def _collect(name: str, table: pl.LazyFrame) -> pl.DataFrame:
    try:
        return table.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DatasetError(
            f"{name} cannot be read as Parquet ({reason}): its file is cut short, damaged or has been replaced; open the dataset again, "
            "restore the file, or import the data again"
        ) from error


_KNOWN_WHEN: Final = ("date", "publish_date", "ex_date", "start_date", "list_date")
_LATER_ENDS: Final = ("end_date", "delist_date")


def _known_by(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    for column in _KNOWN_WHEN:
        if column in frame.columns:
            frame = frame.filter(pl.col(column).is_null() | (pl.col(column) <= day))
    if "published_at" in frame.columns:
        over = datetime.combine(day + timedelta(days=1), time(0), tzinfo=UTC)
        frame = frame.filter(pl.col("published_at").is_null() | (pl.col("published_at") < over))
    ends = [pl.when(pl.col(name) <= day).then(pl.col(name)).alias(name) for name in _LATER_ENDS if name in frame.columns]
    return frame.with_columns(ends)
