"""A local log that shows when it was altered: one JSON record a line, each with the hash of the one before.

Beside the log stand `<log>.head`, the number of lines and the hash of the last one, replaced after a line is on the disk, and
`<log>.lock`, which writers hold while they write. One line that is on the disk before its head file is accepted, half a line is not: a
crash leaves the old state or the new one. Whoever rewrites log and head file together is not found out here, but by the hashes that
stand elsewhere, such as in the manifests of runs.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from pureplay.errors import DatasetError, SettingError
from pureplay.ledger_files import HEX, NOFOLLOW, head_path, held, read_head, remove_unfinished, require_file, require_place, write_line
from pureplay.storage import write_json

__all__ = ["ANCHOR", "GENESIS", "LINE_BYTES", "Entry", "Ledger", "canonical"]

GENESIS: Final = "0" * 64
"""What stands for the hash before the first line."""
LINE_BYTES: Final = 1 << 20
"""Longest line, in bytes."""
ANCHOR: Final = "anchor"
"""Kind of the record that takes an altered log as it is from there on."""

_SEAL: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n$')
_SEAL_BYTES: Final = 76
_ACCEPT: Final = "restore it from a backup, or look at it and run `pureplay trials --accept`, which records for ever that it was altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the log. line: from 1. record: its content, empty where the line is no record.

    sound: whether its content is what its own hash says, and that hash is what the line after it, or the head file, was to find.
    """

    line: int
    record: Mapping[str, Any]
    sound: bool


@dataclass(slots=True)
class _State:
    """What has been read: whole lines up to `offset`. hashes: by line, empty where a line has none. torn: bytes after the last line."""

    offset: int = 0
    hashes: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    fault: str = ""
    last: bytes = b""
    torn: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    @property
    def head(self) -> str:
        return self.hashes[-1] if self.hashes else GENESIS


class Ledger:
    """A log of records that is only ever added to.

    Opening reads and verifies every line. Adding a record then reads only what others have added since, so that its cost does not
    grow with the log. notes: what was put right on opening.
    """

    def __init__(self, path: Path) -> None:
        """Read and verify the log at `path`; a file that is absent is an empty log, and is not made.

        Raises DatasetError where the place holds no such log, or the log was altered: line, what was expected and found, remedy.
        """
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._state = _State()
        require_file(path, os.R_OK)
        if not path.exists() and not head_path(path).exists():
            return
        with held(path, make=False) as alone:
            self._catch_up()
            if alone and os.access(path.parent, os.W_OK | os.X_OK) and (not path.exists() or os.access(path, os.W_OK)):
                self._heal()

    @property
    def head(self) -> str:
        """Hash of the last line, 64 hex digits; zeros where there is none."""
        return self._state.head

    @property
    def lines(self) -> int:
        """Lines of the log."""
        return len(self._state.hashes)

    @property
    def entries(self) -> Sequence[Entry]:
        """Every line, of which one before an anchor need not be sound or a record. The same object while lines are only added."""
        return self._state.entries

    def line_of(self, digest: str) -> int | None:
        """The line with this hash, from 1; None where there is none."""
        return self._state.hashes.index(digest) + 1 if digest in self._state.hashes else None

    def append(self, kind: str, content: Mapping[str, Any]) -> str:
        """Add a record, on the disk when this returns, and give back its hash.

        content: JSON-ready values, without the names number, kind, previous and hash. Raises DatasetError where the log was altered
        meanwhile, cannot be written, or is held by another process for too long; the log is then as it was, unless the message says
        that the record is in it.
        """
        require_place(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with held(self.path, make=True):
                self._catch_up()
                self._heal()
                if not self._state.hashes:
                    write_json(head_path(self.path), {"count": 0, "head": GENESIS})  # before the log: a log without it was tampered with
                self._add(kind, content, self._state.head)
        except OSError as error:
            raise DatasetError(f"cannot write the log {self.path}: {error}: free space or give --trials another file") from error
        return self.head

    def _add(self, kind: str, content: Mapping[str, Any], previous: str) -> None:
        line = _sealed({**content, "kind": kind, "number": self.lines + 1, "previous": previous}, previous)
        write_line(self.path, line, self._state.offset)
        self._take(line)
        self._write_head()

    def _write_head(self) -> None:
        try:
            write_json(head_path(self.path), {"count": self.lines, "head": self.head})
        except OSError as error:
            raise DatasetError(
                f"record {self.lines} is in {self.path}, but {head_path(self.path)} could not be written: {error}: free space; the next "
                "record puts it right"
            ) from error

    def _catch_up(self) -> None:
        """Read what is new, and verify it; raises DatasetError where something was altered."""
        self._read()
        fault = self._state.fault or self._head_fault()
        if fault:
            raise DatasetError(f"the log {self.path} was altered: {fault}: {_ACCEPT}")

    def _read(self) -> None:
        if not self.path.exists():
            self._state = _State()
            return
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | NOFOLLOW), "rb") as source:
                if not self._stands(source):
                    self._state = _State()
                source.seek(self._state.offset)
                self._read_lines(source)
        except OSError as error:
            raise DatasetError(f"the log {self.path} cannot be read: {error}: make it readable, or give --trials another file") from error

    def _stands(self, source: BinaryIO) -> bool:
        """Whether the last line that was read still stands where it stood."""
        last = self._state.last
        source.seek(self._state.offset - len(last))
        return source.read(len(last)) == last

    def _read_lines(self, source: BinaryIO) -> None:
        self._state.torn = 0
        while line := source.readline(LINE_BYTES + 1):
            if len(line) > LINE_BYTES:
                raise DatasetError(
                    f"line {self.lines + 1} of {self.path} is longer than {LINE_BYTES} bytes, so this is no log of pureplay: "
                    "give --trials another file"
                )
            if not line.endswith(b"\n"):
                self._state.torn = len(line)
                return
            self._take(line)

    def _take(self, line: bytes) -> None:
        """Add a whole line to what is known, with the fault that it shows; an anchor forgives the faults before it."""
        state, number = self._state, self.lines + 1
        record, digest, fault = _parsed(line)
        sound = not fault
        if sound and record.get("kind") == ANCHOR:
            if record["previous"] != state.digest.hexdigest():
                fault = "is an anchor of other lines than stand before it"
            else:
                state.fault = ""
                self._doubt(record.get("replaced"))
        elif sound and record["previous"] != state.head:
            self._doubt(number - 1)
            fault = f"follows the hash {_short(record['previous'])}, the line before has {_short(state.head)}: lines were removed or moved"
        if not fault and record["number"] != number:
            fault = f"has the number {record['number']!r}: lines were removed or moved"
        if fault and not state.fault:
            state.fault = f"line {number} {fault}"
        state.entries.append(Entry(line=number, record=record, sound=sound))
        state.hashes.append(digest)
        state.digest.update(line)
        state.offset += len(line)
        state.last = line

    def _doubt(self, line: object) -> None:
        """Mark a line whose hash is not the one that was written down elsewhere: it was written anew, or lines after it are gone."""
        entries = self._state.entries
        if isinstance(line, int) and not isinstance(line, bool) and 1 <= line <= len(entries):
            entries[line - 1] = replace(entries[line - 1], sound=False)

    def _replaced(self) -> int | None:
        """The line that the head file names with another hash than it has."""
        count, head = read_head(self.path)
        return count if count and count <= self.lines and self._state.hashes[count - 1] != head else None

    def _head_fault(self) -> str:
        """What the head file says against the log; empty where nothing."""
        count, head = read_head(self.path)
        name = head_path(self.path).name
        if count is None:
            return f"{name} is {head}" if self.lines or self._state.torn or head != "absent" else ""
        if count > self.lines:
            return f"it has {self.lines} lines, {name} names {count}: lines were removed from its end"
        found = self._state.hashes[count - 1] if count else GENESIS
        if found != head:
            return f"line {count} has the hash {_short(found)}, {name} says {_short(head)}"
        if count < self.lines - 1:  # a crash comes between a line and its head file: one line, never more
            return f"it has {self.lines} lines, {name} names {count}, and a crash leaves it at most 1 line behind: it was set back"
        return ""

    def _heal(self) -> None:
        """After a crash: remove the half line and the half head file that it left, and bring the head file up to the log."""
        remove_unfinished(self.path)
        if self._state.torn:
            with self.path.open("r+b") as out:
                out.truncate(self._state.offset)
                os.fsync(out.fileno())
            self.notes += (f"half a line at the end of {self.path.name}, left by a crash, was removed",)
            self._state.torn = 0
        count, _ = read_head(self.path)
        if count is not None and count < self.lines:
            self._write_head()
            self.notes += (f"{head_path(self.path).name} was 1 line behind after a crash, and was brought up",)

    @classmethod
    def accept(cls, path: Path, content: Mapping[str, Any]) -> str:
        """Take an altered log as it is from here on, and record so in it; gives back what was wrong, empty where nothing.

        content: of the record, such as the time; what was wrong is added as "fault", a line that is not the one which the head file
        names as "replaced". Nothing is removed from the log: the record's `previous` is the SHA-256 of every byte before it. Raises
        DatasetError where the file never was such a log.
        """
        require_place(path)
        made = cls.__new__(cls)
        made.path, made.notes, made._state = path, (), _State()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with held(path, make=True):
                made._read()
                fault = made._state.fault or made._head_fault()
                if not fault:
                    return ""
                if (made.lines or made._state.torn) and not any(each.sound for each in made.entries):
                    raise DatasetError(f"no line of {path} is a record of pureplay: give --trials the file of a log, nothing was written")
                if made._state.torn:  # nothing is removed: the half line becomes a line
                    write_line(path, b"\n", made._state.offset + made._state.torn)
                    made._read()
                made._add(ANCHOR, {**content, "fault": fault, "replaced": made._replaced()}, made._state.digest.hexdigest())
        except OSError as error:
            raise DatasetError(f"cannot write the log {path}: {error}: free space or give --trials another file") from error
        return fault


def canonical(content: object) -> bytes:
    """JSON with sorted names, without blanks, in ASCII; raises SettingError for what JSON does not have, such as NaN."""
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingError(f"a record must be made of finite numbers, texts, lists and dicts ({error}): convert it first") from error


def _sealed(content: Mapping[str, Any], previous: str) -> bytes:
    body = canonical(content)
    digest = hashlib.sha256(previous.encode() + body).hexdigest()
    line = body[:-1] + f',"hash":"{digest}"}}\n'.encode()
    if len(line) > LINE_BYTES:
        raise SettingError(f"a record must fit in {LINE_BYTES} bytes, not {len(line)}: leave out what is no setting or figure")
    return line


def _parsed(line: bytes) -> tuple[dict[str, Any], str, str]:
    """Record, hash as written, and fault of a whole line; the record is empty where the line is none, the hash where it has none."""
    sealed = _SEAL.search(line[-_SEAL_BYTES:])
    digest = sealed[1].decode() if sealed else ""
    try:
        record = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        return {}, digest, "is not JSON"
    if not isinstance(record, dict):
        return {}, digest, "is no record"
    previous = record.get("previous")
    if not digest or not isinstance(previous, str) or not HEX.fullmatch(previous) or "number" not in record:
        return {}, digest, "is no record of pureplay (it lacks hash, previous or number)"
    found = hashlib.sha256(previous.encode() + line[:-_SEAL_BYTES] + b"}").hexdigest()
    return record, digest, "" if found == digest else f"says the hash {_short(digest)}, its content has {_short(found)}: it was edited"


def _short(digest: str) -> str:
    return f"{digest[:12]}…" if digest else "none"
