"""The files of a log: where it may lie, the lock that writers hold, the file beside it that names its end."""

import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pureplay.errors import DatasetError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = [
    "HEX",
    "NOFOLLOW",
    "head_path",
    "held",
    "log_of",
    "read_head",
    "remove_unfinished",
    "require_file",
    "require_place",
    "write_line",
]

WAIT_SECONDS = 30.0  # for other writers, each of which holds the lock for milliseconds
HEX: Final = re.compile(r"[0-9a-f]{64}")
"""A hash as text."""
NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Flags to open a file itself, not what a link points to."""


def head_path(path: Path) -> Path:
    """The head file of a log."""
    return path.with_name(f"{path.name}.head")


def log_of(path: Path, *logs: Path) -> Path | None:
    """The log to which a file belongs that is about to be written, or in whose place a folder would be made; None where there is none.

    A file belongs to a log where it is one of `logs`, or any other file with a head file, or the head file or the lock of one. Links are
    followed, for `logs` as well.
    """
    try:
        place = path.resolve()
        for log in logs:
            files = [each.resolve() for each in (log, head_path(log), _lock_path(log))]
            if any(_same(place, each) for each in files) or any(each in place.parents for each in files):
                return log
        bare = place.with_name(place.stem) if place.suffix in (".head", ".lock") and place.stem else place
    except (OSError, RuntimeError, ValueError):  # no file can be there
        return None
    return next((each for each in (place, bare) if place.name and read_head(each)[0] is not None), None)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return one == other


def require_place(path: Path) -> None:
    """Raise DatasetError where no log can be kept at `path`: a folder, a link, a device, not readable, not writable."""
    require_file(path, os.R_OK | os.W_OK)
    try:
        for parent in path.absolute().parents:
            if parent.is_symlink() and not parent.exists():
                raise DatasetError(f"the log {path} lies below {parent}, a link to nothing: give --trials another file")
            if parent.exists():
                break
    except (OSError, ValueError) as error:
        raise DatasetError(f"the log {path} cannot be kept: {error}: give --trials another file") from error
    if not parent.is_dir():
        raise DatasetError(f"the log {path} lies below {parent}, which is a file: give --trials another file")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DatasetError(f"the log {path} cannot be kept, {parent} is not writable: give --trials another file, or `--trials none`")


def require_file(path: Path, access: int) -> None:
    """Raise DatasetError unless the log and the files beside it are plain files with this access (as of `os.access`), or absent."""
    for each in (path, head_path(path), _lock_path(path)):
        try:
            kind = os.lstat(each).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise DatasetError(f"the log {path} cannot be kept: {error}: give --trials another file") from error
        if stat.S_ISLNK(kind):
            raise DatasetError(f"{each} is a link: give --trials the file that it points to")
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "no plain file"
            raise DatasetError(f"{each} is {what}: give --trials the name of a file, or `--trials none` for no log")
        if each != _lock_path(path) and not os.access(each, access):
            raise DatasetError(f"{each} cannot be {'written' if access & os.W_OK else 'read'}: change its rights or give another --trials")


def read_head(path: Path) -> tuple[int | None, str]:
    """Count and hash of the head file; None and why where there is none that can be used."""
    try:
        with os.fdopen(os.open(head_path(path), os.O_RDONLY | NOFOLLOW), "rb") as source:
            content = json.loads(source.read(4096))
    except FileNotFoundError:
        return None, "absent"
    except (OSError, ValueError, RecursionError) as error:
        return None, f"not readable ({error})"
    count, head = (content.get("count"), content.get("head")) if isinstance(content, dict) else (None, None)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0 or not isinstance(head, str) or not HEX.fullmatch(head):
        return None, "damaged (it lacks count or head)"
    return count, head


def write_line(path: Path, line: bytes, offset: int) -> None:
    """Put a line at the end, on the disk; where that fails the file is cut back to `offset`."""
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NOFOLLOW, 0o666)
    try:
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        except BaseException:
            os.ftruncate(handle, offset)
            raise
    finally:
        os.close(handle)
    if is_new:
        _folder_to_disk(path.parent)


def _folder_to_disk(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_unfinished(path: Path) -> None:
    """Remove what a killed write of the head file left; only for who holds the log."""
    name = re.compile(rf"\.{re.escape(head_path(path).name)}\.[0-9a-f]{{32}}\.partial")
    for each in path.parent.iterdir():
        if name.fullmatch(each.name):
            each.unlink(missing_ok=True)


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def held(path: Path, *, make: bool) -> Iterator[bool]:
    """Hold the log against other writers; the system lets go when the process dies. False where no lock can be had.

    make: whether a lock that cannot be made is an error, as it is for a writer. Raises DatasetError after WAIT_SECONDS.
    """
    try:
        handle = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o666)
    except OSError:
        if make:
            raise
        yield False
        return
    try:
        yield _locked(handle, path)
    finally:
        os.close(handle)


def _locked(handle: int, path: Path) -> bool:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            if sys.platform == "win32":
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            if time.monotonic() >= end:
                raise DatasetError(f"another process holds the log {path} for {WAIT_SECONDS:.0f} s: end it, then try again") from error
            time.sleep(0.01)
        except OSError:  # some network folders know no locks
            return False
        else:
            return True
