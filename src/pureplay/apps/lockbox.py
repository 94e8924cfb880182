"""The lock box of the holdout: a file that records each opening and who asked, so that the count can stand beside every holdout figure."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from pureplay.apps.lineage import marks_of, same_lineage
from pureplay.dataset import Dataset
from pureplay.errors import DatasetError, SettingError
from pureplay.evaluate.trials import digest_of
from pureplay.graph.forecast import Split
from pureplay.ledger import Entry, Ledger
from pureplay.ledger_files import require_place
from pureplay.studies.comovement import Opening

__all__ = ["LockBox", "accept_openings", "lockbox_place", "opened_before", "openings_of"]

_VARIABLE: Final = "PUREPLAY_LOCKBOX"
_HOME: Final = "~/.pureplay/lockbox.jsonl"
_KIND: Final = "opening"
_SHOWN: Final = {
    **dict.fromkeys(("opened_at", "asked_by", "lineage", "holdout_start", "first", "last"), pl.String),
    "vintages": pl.Int64,
    "synthetic": pl.Boolean,
    "sound": pl.Boolean,
}
_WORDS: Final = (
    ("`pureplay trials --accept`", "`pureplay graph openings --accept`"),
    (", or `--trials none` for no log", ""),
    (", or `--trials none`", ""),
    ("--trials", "--lockbox"),
    ("the log ", "the lock box "),
)
"""What the log says of itself, in the words of the trials that it was made for, and what it says here."""


def lockbox_place(given: Path | None) -> Path:
    """The file of the lock box: what --lockbox names, else PUREPLAY_LOCKBOX, else ~/.pureplay/lockbox.jsonl."""
    try:
        return Path(given or os.environ.get(_VARIABLE) or _HOME).expanduser()
    except RuntimeError as error:
        raise SettingError(f"there is no home folder for the lock box ({error}): pass --lockbox FILE") from error


class LockBox:
    """The record of openings, a hash-chained log like that of the trials. There is no way around it: what cannot be recorded stays shut."""

    def __init__(self, path: Path, *, asked_by: str, clock: Callable[[], datetime]) -> None:
        """Open the log now and not after minutes of work; raises DatasetError where it cannot be kept, SettingError without a name."""
        if not asked_by.strip():
            raise SettingError("opening the holdout is recorded with who asked: pass --asked-by NAME")
        with _in_our_words():
            require_place(path)
            self._log = Ledger(path)
        self._asked_by, self._clock = asked_by.strip(), clock

    @property
    def path(self) -> Path:
        """The file of the log."""
        return self._log.path

    def require_outside(self, out: Path) -> None:
        """Raise DatasetError where the log is, or lies in, the folder that a run is about to replace."""
        place = self.path.resolve()
        if out.resolve() in (place, *place.parents):
            raise DatasetError(f"the lock box {self.path} lies inside --out {out}, which a run replaces: choose another --lockbox")

    def open(self, data: Dataset, settings: Mapping[str, Any], parts: Split) -> Opening:
        """Record an opening, on the disk when this returns, and tell how often this holdout was opened, and by whom.

        Openings count together where the data are of one lineage (`lineage.same_lineage`: bars may have been added, dropped or revised) and
        the days from the first to the last vintage of the two holdouts overlap, whatever the settings: who moves the start by a day, or
        tries other settings, looks at the same holdout again. A record that was altered, or that an earlier version wrote, counts
        with every holdout.
        """
        first, last = _span(parts)
        marks = marks_of(data)
        kin = next((each.record for each in self._openings() if _is_kin(each, marks, "")), {})
        lineage = str(kin.get("lineage") or digest_of(marks)[:12])
        record = {
            "opened_at": self._clock().isoformat(timespec="seconds"),
            "asked_by": self._asked_by,
            "lineage": lineage,
            "marks": marks,
            "holdout_start": str(parts.holdout_start),
            "first": first.isoformat(),
            "last": last.isoformat(),
            "vintages": int(parts.holdout.size),
            "settings": digest_of(dict(settings)),
            "data": digest_of(data.fingerprint()),
            "synthetic": data.notes.get("synthetic") is True,
        }
        with _in_our_words():
            self._log.append(_KIND, record)
        found = [
            each.record
            for each in self._openings()
            if not _is_whole(each)
            or (_is_kin(each, marks, lineage) and each.record["first"] <= record["last"] and record["first"] <= each.record["last"])
        ]
        names = {"opened_at": "opened_at", "asked_by": "asked_by", "digest": "settings"}
        shown = tuple({name: str(each.get(key))[:32] for name, key in names.items()} for each in found)
        return Opening(count=len(found), records=shown)

    def _openings(self) -> list[Entry]:
        return [each for each in self._log.entries if each.record.get("kind") == _KIND or not each.sound]


def _span(parts: Split) -> tuple[date, date]:
    if parts.holdout_days is None:
        raise SettingError("there is no vintage in the holdout, so there is nothing to open: give an earlier holdout_start, or more bars")
    return parts.holdout_days


def _is_whole(entry: Entry) -> bool:
    return entry.sound and "marks" in entry.record


def _is_kin(entry: Entry, marks: Mapping[str, Any], lineage: str) -> bool:
    """Whether a whole record of an opening is of the lineage, by its name or by its marks."""
    record = entry.record
    return _is_whole(entry) and (record["lineage"] == lineage or same_lineage(record["marks"], marks))


def opened_before(path: Path, data: Dataset) -> tuple[date | None, str]:
    """First day of the earliest holdout of these data that was ever opened, None where none was; and why that cannot be told, else "".

    Reads a log that is there, and never makes one. Openings are of these data where the lineage is the same.
    """
    try:
        if not path.exists():
            return None, ""
        with _in_our_words():
            entries = [each for each in Ledger(path).entries if _is_whole(each)]
    except (DatasetError, OSError) as error:
        return None, f"whether develop vintages were holdout before cannot be told: {error}"
    if not entries:
        return None, ""
    marks = marks_of(data)
    lineages = {each.record["lineage"] for each in entries if _is_kin(each, marks, "")}
    return min(
        (date.fromisoformat(each.record["holdout_start"]) for each in entries if each.record["lineage"] in lineages), default=None
    ), ""


def openings_of(path: Path) -> pl.DataFrame:
    """Every opening of a lock box in order: opened_at, asked_by, lineage, holdout_start, first, last, vintages, synthetic, sound.

    lineage: by which data openings count together, where the days from first to last (of the vintages) overlap. sound: False for a line
    that was altered before the log was accepted as it is. Empty where there is no such file; raises DatasetError where it was altered.
    """
    with _in_our_words():
        entries = Ledger(path).entries
    rows = [{**each.record, "sound": each.sound} for each in entries if each.record.get("kind") == _KIND]
    return pl.DataFrame([{name: row.get(name) for name in _SHOWN} for row in rows], schema=_SHOWN, strict=False)


def accept_openings(path: Path, *, time: datetime) -> str:
    """Take an altered lock box as it is from here on, which it records for ever; what to tell the user."""
    with _in_our_words():
        fault = Ledger.accept(path, {"accepted_at": time.isoformat(timespec="seconds")})
    return f"accepted, and recorded in {path}: {fault}" if fault else f"{path} is as it was written: there is nothing to accept"


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except DatasetError as error:
        said = str(error)
        for theirs, ours in _WORDS:
            said = said.replace(theirs, ours)
        raise DatasetError(said) from error
