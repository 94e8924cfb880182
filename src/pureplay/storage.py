"""A dataset folder on disk: one manifest that names every file with its SHA-256, written so that a crash leaves old or new.

New files get names that hold the hash of their content and stand beside the old ones; replacing the manifest is the one step that
makes them the dataset. What a killed write left behind is known by its name and removed by the next write.
"""

import hashlib
import json
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import polars as pl

from pureplay.errors import DatasetError
from pureplay.sessions import CALENDARS, Calendar
from pureplay.tables import CONTRACTS

if sys.platform != "win32":
    import fcntl

__all__ = [
    "MANIFEST",
    "QUARANTINE",
    "SCHEMA_VERSION",
    "Contents",
    "file_sha256",
    "only_writer",
    "plain_files",
    "read_manifest",
    "remove_partials",
    "store",
    "write_file",
    "write_json",
]

SCHEMA_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
QUARANTINE: Final = "quarantine"

_BEGUN: Final = ".writing"  # stands in a folder from its first write to its first manifest
_OURS: Final = re.compile(r"\.(\w+|manifest\.json)\.[0-9a-f]{32}\.partial|\w+\.[0-9a-f]{12}\.parquet")
_PARTIAL: Final = re.compile(r"\..+\.[0-9a-f]{32}\.partial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a folder shall hold: tables, rows set aside, and facts about them.

    tables: a call that gives the frame, so that only one is in memory at a time, or a file that stands in the folder already.
    sources: SHA-256 of those `<table>.parquet` beside the dataset that have been read into it or that it has replaced.
    """

    tables: Mapping[str, Callable[[], pl.DataFrame] | Path]
    calendar: Calendar
    notes: Mapping[str, Any]
    findings: Sequence[Mapping[str, Any]]
    quarantine: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def store(root: Path, contents: Contents) -> None:
    """Make the folder hold `contents`, at once or not at all. Rows set aside earlier stay in its quarantine.

    Raises DatasetError where the folder cannot be written, the disk is full, another process is writing there, or the folder holds
    files that are no dataset; what was there is then unchanged.
    """
    try:
        _require_own_folder(root, contents)
        root.mkdir(parents=True, exist_ok=True)
        with only_writer(root) as alone:
            _replace(root, contents, alone=alone)
    except OSError as error:
        raise DatasetError(f"cannot write {root}: {error}: free space or choose another folder; what was there is unchanged") from error


def _replace(root: Path, contents: Contents, *, alone: bool) -> None:
    old = read_manifest(root) if (root / MANIFEST).exists() else None
    if old is None:
        (root / _BEGUN).touch()
    before = _our_files(root)
    try:
        write_json(root / MANIFEST, _write_all(root, contents, old))
    except BaseException:
        _remove(_our_files(root) - before - _named(root))
        if not before:
            (root / _BEGUN).unlink(missing_ok=True)
        raise
    (root / _BEGUN).unlink(missing_ok=True)
    stale = {root / each["file"] for each in (old["tables"].values() if old else ())}
    if alone:  # elsewhere the files may be those of a write that has not yet come to its manifest
        stale |= _our_files(root)
    _remove(stale - _named(root) - {root / f"{name}.parquet" for name in contents.sources})


def _write_all(root: Path, contents: Contents, old: Mapping[str, Any] | None) -> dict[str, Any]:
    """Write every frame and return the manifest that names them."""
    tables = {
        name: _adopted(root, given) if isinstance(given, Path) else _write_table(root, name, given())
        for name, given in contents.tables.items()
    }
    aside = [{"table": name, **_write_table(root, name, frame, inside=QUARANTINE)} for name, frame in contents.quarantine.items()]
    earlier = [each for each in (old["quarantine"] if old else []) if each["file"] not in {new["file"] for new in aside}]
    return {
        "schema_version": SCHEMA_VERSION,
        "calendar": contents.calendar,
        "notes": dict(contents.notes),
        "tables": tables,
        "quarantine": [*earlier, *aside],
        "findings": list(contents.findings),
        "sources": dict(contents.sources),
    }


def _write_table(root: Path, name: str, frame: pl.DataFrame, *, inside: str = "") -> dict[str, Any]:
    folder = root / inside
    folder.mkdir(parents=True, exist_ok=True)
    partial = _partial(folder, name)
    try:
        compact = frame.with_columns(pl.col("asset").cast(pl.Categorical)) if "asset" in frame.columns else frame
        compact.write_parquet(partial, compression="zstd", compression_level=1)
        sha256 = file_sha256(partial)
        _to_disk(partial)
        final = folder / f"{name}.{sha256[:12]}.parquet"
        partial.replace(final)
    except pl.exceptions.PolarsError as error:  # so polars says that the disk is full
        raise OSError(str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    _to_disk(folder)
    return _record(root, final, sha256, frame.height)


def _adopted(root: Path, path: Path) -> dict[str, Any]:
    return _record(root, path, file_sha256(path), pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def _record(root: Path, path: Path, sha256: str, rows: int) -> dict[str, Any]:
    return {"file": path.relative_to(root).as_posix(), "rows": rows, "bytes": path.stat().st_size, "sha256": sha256}


def _partial(folder: Path, name: str) -> Path:
    """A name of its own for a file that is not finished; unlike a temporary file it gets the permissions of any other."""
    return folder / f".{name}.{uuid.uuid4().hex}.partial"


def plain_files(root: Path) -> dict[str, Path]:
    """Files `<table>.parquet` of a folder, by table."""
    paths = {name: root / f"{name}.parquet" for name in CONTRACTS}
    return {name: path for name, path in paths.items() if path.is_file()}


def read_manifest(root: Path) -> dict[str, Any]:
    """The manifest of a folder; raises DatasetError where there is none, or none that can be trusted to name files of the folder."""
    path = root / MANIFEST
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the folder of a dataset")
    if (root / _BEGUN).exists() and not path.exists():
        raise DatasetError(f"{root} is not a dataset: writing it was interrupted, write it again")
    if not path.exists():
        raise DatasetError(
            f"{root} is not a dataset (it has no {MANIFEST}): make one with `pureplay import`, or run `pureplay check` on it"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a manifest of pureplay ({error}): import the data again, into a new folder") from error
    if not isinstance(manifest, dict) or "schema_version" not in manifest:
        raise DatasetError(f"{path} is not a manifest of pureplay (it has no schema_version): import the data again, into a new folder")
    version = manifest["schema_version"]
    if version != SCHEMA_VERSION:
        raise DatasetError(
            f"{path} has schema version {version}, this pureplay reads {SCHEMA_VERSION}: import the data again, into a new folder"
        )
    manifest.setdefault("sources", {})
    fault = _fault(manifest)
    if fault:
        raise DatasetError(f"{path} is damaged ({fault}): import the data again, into a new folder")
    return cast(dict[str, Any], manifest)


def _fault(manifest: Mapping[str, Any]) -> str:
    kinds = {"notes": dict, "tables": dict, "quarantine": list, "findings": list, "sources": dict}
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            return f"'{key}' is absent or of the wrong kind"
    if manifest.get("calendar") not in CALENDARS:
        return f"calendar is {manifest.get('calendar')!r}, known are {', '.join(CALENDARS)}"
    foreign = [name for name in manifest["tables"] if name not in CONTRACTS]
    if foreign:
        return f"{', '.join(foreign)} is no table of pureplay"
    for each in [*manifest["tables"].values(), *manifest["quarantine"]]:
        if not isinstance(each, dict) or not {"file", "rows", "bytes", "sha256"} <= each.keys():
            return "a file lacks its name, rows, bytes or sha256"
        place = Path(str(each["file"]))
        if place.is_absolute() or ".." in place.parts:
            return f"{place} lies outside the folder"
    return ""


def write_json(path: Path, content: object) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    write_file(path, lambda out: out.write(json.dumps(content, indent=2, ensure_ascii=False, default=str).encode()))


def write_file(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a reader sees the old one or the new one, and on the disk, when this returns."""
    partial = _partial(path.parent, path.name)
    try:
        with partial.open("xb") as out:
            fill(out)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _to_disk(path.parent)


def remove_partials(folder: Path) -> int:
    """Remove what killed calls of `write_file` left in a folder of which this process is the only writer; returns how many."""
    left = [path for path in folder.iterdir() if _PARTIAL.fullmatch(path.name)]
    _remove(set(left))
    return len(left)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    """Have a file or the names in a folder on the disk before anything refers to them, should the power fail."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def only_writer(root: Path) -> Iterator[bool]:
    """Hold the folder against other writers; the system lets go when the process dies. False where it offers no such lock.

    Raises DatasetError where another holds it.
    """
    if sys.platform == "win32":
        yield False
        return
    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError as error:
            raise DatasetError(f"another process is writing {root}: wait for it, or choose another folder") from error
        except OSError:  # some network folders know no locks
            alone = False
        yield alone
    finally:
        os.close(handle)


def _require_own_folder(root: Path, contents: Contents) -> None:
    if root.is_file():
        raise DatasetError(f"{root} is a file: choose a folder")
    if not root.is_dir() or (root / MANIFEST).exists() or (root / _BEGUN).exists():
        return
    expected = {root / f"{name}.parquet" for name in contents.sources} | {
        each for each in contents.tables.values() if isinstance(each, Path)
    }
    if not expected and any(root.iterdir()):
        raise DatasetError(f"{root} holds other files: choose an empty or new folder, nothing was written")


def _our_files(root: Path) -> set[Path]:
    """Files that a write has made, whether the manifest names them or not."""
    places = [root, *([root / QUARANTINE] if (root / QUARANTINE).is_dir() else [])]
    return {path for place in places for path in place.iterdir() if _OURS.fullmatch(path.name)}


def _named(root: Path) -> set[Path]:
    """Files that the manifest on disk names."""
    if not (root / MANIFEST).exists():
        return set()
    manifest = read_manifest(root)
    return {root / each["file"] for each in [*manifest["tables"].values(), *manifest["quarantine"]]}


def _remove(paths: set[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
