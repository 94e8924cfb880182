"""Where results go: what may be replaced is known by its manifest, everything else is left alone; old or new, never a part."""

import glob
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import polars as pl

from pureplay.errors import DatasetError
from pureplay.storage import MANIFEST, QUARANTINE, read_manifest

__all__ = ["RUN", "file_place", "folder_place", "replace_folder", "require_apart", "run_fault", "synthetic_fault", "write_file"]

RUN: Final = "run"
_GRAPH: Final = "graph"
_HALF_WRITTEN: Final = re.compile(r"([0-9]+)-[0-9a-f]{32}\.(new|old)")
_BEGUN: Final = ".writing"  # the mark of `pureplay.storage`
Fault = Callable[[Path], str]
"""Why a folder may not be replaced; empty text where it may."""


def run_fault(folder: Path) -> str:
    """A run is replaced only where its manifest says that it is one and names every file."""
    manifest = _json(folder / MANIFEST)
    if manifest.get("kind") != RUN or not isinstance(manifest.get("files"), dict):
        return f"it is not a run of pureplay (no {MANIFEST} of kind {RUN!r})"
    return _beyond(folder, {MANIFEST, *map(str, manifest["files"])})


def synthetic_fault(folder: Path) -> str:
    """A dataset is replaced only where its manifest says that it is synthetic and names every file as it is."""
    if not (folder / MANIFEST).is_file():
        return f"it is not a synthetic dataset (it has no {MANIFEST})"
    try:
        manifest = read_manifest(folder)
    except DatasetError as error:
        return f"it is not a synthetic dataset ({error})"
    if manifest["notes"].get("synthetic") is not True:
        return "it is not a synthetic dataset (its manifest does not say so)"
    records = [*manifest["tables"].values(), *manifest["quarantine"]]
    changed = [each["file"] for each in records if (folder / each["file"]).is_file() and not _is_as_said(folder, each)]
    if changed:
        return f"{', '.join(changed)} is no longer what the manifest says"
    return _beyond(folder, {MANIFEST, _BEGUN, *(str(each["file"]) for each in records)})


def folder_place(out: Path, fault: Fault) -> Path:
    """The folder itself, links followed; raises DatasetError unless it is absent, empty or one that may be replaced."""
    place = _resolved(out)
    try:
        if place.exists() and not place.is_dir():
            raise DatasetError(f"{out} is a file: give --out a folder, nothing was written")
        if place.is_dir() and any(place.iterdir()):
            why = fault(place)
            if why:
                raise DatasetError(f"{out} is not replaced: {why}: choose another --out or empty it yourself, nothing was written")
        if place.is_dir() and any(_same(place, each) for each in (Path.cwd(), *Path.cwd().parents)):
            # the new folder would take its name and leave the shell in one that is gone
            raise DatasetError(f"{out} is the folder you stand in: give --out a folder in it, such as {out / 'run'}, nothing was written")
        _require_room(place, out)
    except OSError as error:
        raise DatasetError(f"{out} cannot be used: {error}: choose another --out, nothing was written") from error
    return place


def file_place(out: Path, *, inputs: Iterable[Path] = ()) -> Path:
    """The file itself, links followed; raises DatasetError for a folder, an input, and a place inside a dataset or a run."""
    place = _resolved(out)
    try:
        if place.is_dir():
            raise DatasetError(f"{out} is a folder: give --out the name of a file, such as {out / 'scores.parquet'}")
        if any(_same(place, _resolved(each)) for each in inputs):
            raise DatasetError(f"{out} is what is being read: choose another --out, nothing was written")
        for each in place.parents:
            if (each / MANIFEST).exists() and (each == place.parent or _is_ours(_json(each / MANIFEST))):
                raise DatasetError(f"{out} lies inside {each}, which holds a {MANIFEST} (a dataset or a run): choose a place outside it")
        _require_room(place, out)
    except OSError as error:
        raise DatasetError(f"{out} cannot be used: {error}: choose another --out, nothing was written") from error
    return place


def require_apart(out: Path, data: Path) -> None:
    """Raise DatasetError where the folder to write is the dataset, lies above it or inside it."""
    written, read = _resolved(out), _resolved(data)
    if _same(written, read):
        raise DatasetError(f"--out {out} is the dataset {data} itself: choose another --out, nothing was written")
    if any(_same(written, each) for each in read.parents):
        raise DatasetError(f"--out {out} holds the dataset {data}: choose a folder that does not, nothing was written")
    if any(_same(each, read) for each in written.parents):
        raise DatasetError(f"--out {out} lies inside the dataset {data}: choose a folder outside it, nothing was written")


def replace_folder(out: Path, fill: Callable[[Path], None], *, fault: Fault) -> None:
    """Fill a new folder beside `out` and put it in its place; whatever goes wrong before that leaves `out` as it was.

    fault: why a folder that holds something may not be replaced. Raises DatasetError where it says so, or nothing can be written.
    """
    place = folder_place(out, fault)
    _clear_after_the_dead(place)
    mark = f"{os.getpid()}-{uuid.uuid4().hex}"
    fresh, old = place.with_name(f".{place.name}.{mark}.new"), place.with_name(f".{place.name}.{mark}.old")
    try:
        fresh.mkdir(parents=True)
        fill(fresh)
        folder_place(out, fault)  # filling takes minutes, in which someone may have put a file there
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    except (OSError, pl.exceptions.PolarsError) as error:  # polars says so that the disk is full
        raise DatasetError(f"cannot write {out}: {error}: free space or choose another --out; what was there is unchanged") from error
    finally:
        if old.exists() and not place.exists():
            old.rename(place)
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _clear_after_the_dead(place: Path) -> None:
    """Remove what processes killed while writing left beside the folder; an old folder comes back where no new one took its name."""
    if os.name != "posix":  # elsewhere a process cannot be asked whether it lives
        return
    for each in sorted(place.parent.glob(f".{glob.escape(place.name)}.*")) if place.parent.is_dir() else ():
        known = _HALF_WRITTEN.fullmatch(each.name.removeprefix(f".{place.name}."))
        if known is None or _lives(int(known[1])):
            continue
        if known[2] == "old" and not place.exists():
            each.rename(place)
        else:
            shutil.rmtree(each, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, and is another user's
        return True
    return True


def write_file(out: Path, fill: Callable[[Path], None], *, inputs: Iterable[Path] = ()) -> None:
    """Write a file so that a reader sees the old one or the new one; raises DatasetError as `file_place` does, or where it cannot."""
    place = file_place(out, inputs=inputs)
    partial = place.with_name(f".{place.name}.{uuid.uuid4().hex}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            fill(partial)
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DatasetError(f"cannot write {out}: {error}: free space or choose another --out; what was there is unchanged") from error


def _beyond(folder: Path, named: set[str]) -> str:
    """Files and folders of `folder` that are not among the named ones; a folder counts as named where a file in it is."""
    inner = {Path(each).parts[0] for each in named if len(Path(each).parts) > 1} & {QUARANTINE}
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_known = name in inner and path.is_dir() if path.is_dir() or path.is_symlink() else name in named
        if path.is_symlink() or not is_known:
            found.append(name)
    return f"it holds {', '.join(found[:5])}{' and more' if len(found) > 5 else ''}, which its {MANIFEST} does not name" if found else ""


def _is_as_said(folder: Path, record: dict[str, Any]) -> bool:
    return bool((folder / record["file"]).stat().st_size == record["bytes"])


def _is_ours(manifest: dict[str, Any]) -> bool:
    return manifest.get("kind") in (RUN, _GRAPH) or "schema_version" in manifest


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links, or the current folder is gone
        raise DatasetError(f"{path} cannot be followed to its place ({error}): give a full path without a loop of links") from error


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return one == other


def _require_room(place: Path, out: Path) -> None:
    """The nearest parent that exists is a folder in which something can be made."""
    parent = next(each for each in (*place.parents, place) if each.exists())
    if not parent.is_dir():
        raise DatasetError(f"{out} lies below {parent}, which is a file: choose another --out, nothing was written")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DatasetError(f"{out} cannot be made, {parent} is not writable: choose another --out, nothing was written")
