"""The lock box of the holdout: a file that records each opening and who asked, so that the count can stand beside every holdout figure."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import DatasetError, SettingError
from pureplay.evaluate.trials import digest_of
from pureplay.graph.forecast import Split
from pureplay.ledger import Ledger
from pureplay.ledger_files import require_place
from pureplay.studies.comovement import Opening

__all__ = ["LockBox", "accept_openings", "lockbox_place", "openings_of"]

_VARIABLE: Final = "PUREPLAY_LOCKBOX"
_HOME: Final = "~/.pureplay/lockbox.jsonl"
_KIND: Final = "opening"
_SHOWN: Final = {
    **dict.fromkeys(("opened_at", "asked_by", "holdout_start", "box"), pl.String),
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
        """Record an opening, on the disk when this returns, and tell how often the holdout of these data was opened, and by whom.

        Openings count together where the bars are the same and the holdout begins on the same day, whatever the settings: who tries other
        settings looks at the same holdout again.
        """
        fingerprint = data.fingerprint()
        box = digest_of({"bars": fingerprint["bars"], "holdout_start": str(parts.holdout_start)})
        record = {
            "opened_at": self._clock().isoformat(timespec="seconds"),
            "asked_by": self._asked_by,
            "box": box,
            "holdout_start": str(parts.holdout_start),
            "vintages": int(parts.holdout.size),
            "settings": digest_of(dict(settings)),
            "data": digest_of(fingerprint),
            "synthetic": data.notes.get("synthetic") is True,
        }
        with _in_our_words():
            self._log.append(_KIND, record)
        found = [each.record for each in self._log.entries if each.record.get("kind") == _KIND and each.record.get("box") == box]
        names = {"opened_at": "opened_at", "asked_by": "asked_by", "digest": "settings"}
        shown = tuple({name: str(each.get(key))[:32] for name, key in names.items()} for each in found)
        return Opening(count=len(found), records=shown)


def openings_of(path: Path) -> pl.DataFrame:
    """Every opening of a lock box in order: opened_at, asked_by, holdout_start, box, vintages, synthetic, sound.

    box: digest of bars and start, by which openings count together. sound: False for a line that was altered before the log was accepted
    as it is. Empty where there is no such file; raises DatasetError where it was altered.
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
