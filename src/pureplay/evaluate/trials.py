"""The log of trials: every configuration that was evaluated, so that deflation knows how many were tried.

A trial is a set of signal settings on a set of data (METHODS §5). Evaluation settings, cells of the battery and placebos are
diagnostics: they stand in no count.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

import pureplay
from pureplay.errors import DatasetError, SettingError
from pureplay.ledger import ANCHOR, Entry, Ledger, canonical
from pureplay.panel import FloatArray

__all__ = ["TrialCount", "TrialLog", "digest_of"]

_TRIAL: Final = "trial"
_SCHEMA: Final = {
    "number": pl.Int64,
    "time": pl.Datetime("us", "UTC"),
    "command": pl.String,
    "signal": pl.String,
    "signal_digest": pl.String,
    "data_digest": pl.String,
    "synthetic": pl.Boolean,
    "sound": pl.Boolean,
    "version": pl.String,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCount:
    """What the log of trials says of one dataset.

    distinct: distinct signal settings tried on this data, the number that deflation takes. distinct_all: distinct pairs of signal
    settings and data in the whole log. recorded: trials recorded, repeats included. head: hash of the last record, 64 hex digits.
    """

    distinct: int
    distinct_all: int
    recorded: int
    head: str


class TrialLog:
    """A file of trials, each line with the hash of the one before (`pureplay.ledger`).

    Opening verifies every line; adding a trial then costs the same however long the log is. Two processes may add at once.
    """

    def __init__(self, ledger: Ledger) -> None:
        """A log over an opened ledger; raises DatasetError where a sound record of it is no trial."""
        self._ledger = ledger
        self._from: Sequence[Entry] = ()
        self._seen = 0
        self._trials: list[Entry] = []
        self._read()

    @classmethod
    def open(cls, path: Path | str) -> "TrialLog":
        """Open and verify a log; a file that is absent is an empty log, and is not made.

        Raises DatasetError where the place holds no such log, or the log was altered: line, what was expected and found, remedy.
        """
        return cls(Ledger(Path(path)))

    @classmethod
    def accept(cls, path: Path | str, *, time: datetime) -> str:
        """Take an altered log as it is from here on, which a record of kind "anchor" says for ever; what was wrong, empty where nothing."""
        return Ledger.accept(Path(path), {"time": _time_text(time), "version": pureplay.__version__})

    @property
    def path(self) -> Path:
        """The file."""
        return self._ledger.path

    @property
    def head(self) -> str:
        """Hash of the last record, 64 hex digits; zeros in an empty log."""
        return self._ledger.head

    @property
    def notes(self) -> tuple[str, ...]:
        """What was put right on opening, after a crash."""
        return self._ledger.notes

    @property
    def anchors(self) -> tuple[Mapping[str, Any], ...]:
        """Records that an altered log was accepted: number, time, fault, version."""
        names = ("number", "time", "fault", "version")
        return tuple({name: each.record.get(name) for name in names} for each in self._ledger.entries if each.record.get("kind") == ANCHOR)

    def append(
        self,
        *,
        time: datetime,
        command: str,
        signal: Mapping[str, Any],
        data: Mapping[str, str],
        figures: Mapping[str, float | int | None],
        evaluation: Mapping[str, Any] | None = None,
        synthetic: bool = False,
    ) -> int:
        """Add a trial, on the disk when this returns; gives back its number.

        time: with a time zone. command: that evaluated. signal: settings that the scores depend on, JSON-ready but for dates and tuples;
        the order of names, a list or a tuple, and 1 or 1.0 make no difference. data: SHA-256 by table, as `Dataset.fingerprint` gives it.
        figures: name → value, such as icir, t, n_dates, sharpe; what is not finite is written as null. evaluation: settings that no
        count takes in. Raises SettingError for values that JSON does not have, DatasetError as `Ledger.append` does.
        """
        plain = _plain(signal)
        self._ledger.append(
            _TRIAL,
            {
                "time": _time_text(time),
                "command": command,
                "signal": plain,
                "signal_digest": digest_of(plain),
                "data": dict(data),
                "data_digest": digest_of(data),
                "figures": {name: _finite(value) for name, value in figures.items()},
                "evaluation": _plain(evaluation or {}),
                "synthetic": synthetic,
                "version": pureplay.__version__,
            },
        )
        self._read()
        return self._ledger.lines

    def trials(self) -> pl.DataFrame:
        """One row a trial, repeats included, in the order of the log.

        Columns: number (line), time (UTC), command, signal (settings as JSON), signal_digest, data_digest, synthetic, sound (False
        where the line was edited and an anchor took it as it is), version, then one column a figure, null where a trial lacks it.
        """
        figures = list(dict.fromkeys(name for each in self._trials for name in each.record["figures"]))
        schema: dict[str, Any] = {**_SCHEMA, **{name: pl.Float64 for name in figures if name not in _SCHEMA}}
        rows = [_row(each) for each in self._trials]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def distinct(self, data: Mapping[str, str] | None = None) -> int:
        """Number of distinct signal settings × data; of one dataset where its fingerprint is given."""
        return len(self._last_of_each(data))

    def figures(self, name: str, data: Mapping[str, str] | None = None) -> FloatArray:
        """A figure of each distinct trial, of its last record; NaN where that lacks it. For the sd over trials that deflation takes.

        data: as for `distinct`.
        """
        last = self._last_of_each(data)
        values = [each.record["figures"].get(name) for each in last]
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)

    def count(self, data: Mapping[str, str]) -> TrialCount:
        """What the log says of the dataset with this fingerprint."""
        return TrialCount(distinct=self.distinct(data), distinct_all=self.distinct(), recorded=len(self._trials), head=self.head)

    def find(self, head: str) -> Mapping[str, Any] | None:
        """The record with this hash, and as "recorded" how many trials stand up to it; None where the log has none."""
        line = self._ledger.line_of(head)
        record = next((each.record for each in self._ledger.entries if each.line == line), None)
        if record is None:
            return None
        return {**record, "recorded": sum(each.line <= (line or 0) for each in self._trials)}

    def _read(self) -> None:
        """Trials among the lines; what stands before an anchor may be anything, and counts where it can be read as a trial."""
        entries = self._ledger.entries
        if entries is not self._from:  # the ledger has begun anew
            self._from, self._seen, self._trials = entries, 0, []
        fresh, self._seen = entries[self._seen :], len(entries)
        for each in fresh:
            if each.record.get("kind") != _TRIAL:
                continue
            fault = _fault(each.record)
            if not fault:
                self._trials.append(each)
            elif each.sound:
                raise DatasetError(f"line {each.line} of {self.path} is no trial ({fault}): this log is of another pureplay, use that one")

    def _last_of_each(self, data: Mapping[str, str] | None) -> list[Entry]:
        wanted = None if data is None else digest_of(data)
        last = {(each.record["signal_digest"], each.record["data_digest"]): each for each in self._trials}
        return [each for (_, made_on), each in last.items() if wanted in (None, made_on)]


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of settings or of a fingerprint as canonical JSON: the same for any order of names, and for 1 and 1.0."""
    return hashlib.sha256(canonical(_plain(content))).hexdigest()


def _plain(value: Any) -> Any:
    """JSON-ready copy in which equal settings look equal."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _finite(value: float | int | None) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int | np.integer) else float(value)


def _time_text(time: datetime) -> str:
    if time.tzinfo is None:
        raise SettingError(f"time must have a time zone, not {time!r}: pass datetime.now(UTC)")
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _fault(record: Mapping[str, Any]) -> str:
    """What a record lacks to be read as a trial; empty where nothing."""
    texts = ("time", "command", "signal_digest", "data_digest", "version")
    lacking = [name for name in texts if not isinstance(record.get(name), str)]
    lacking += [name for name in ("signal", "data", "figures") if not isinstance(record.get(name), dict)]
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    try:
        datetime.fromisoformat(record["time"])
    except ValueError:
        return f"its time is {record['time']!r}"
    values = record["figures"].values()
    return "" if all(each is None or isinstance(each, int | float) for each in values) else "its figures are not numbers"


def _row(entry: Entry) -> dict[str, Any]:
    record = entry.record
    figures = {name: None if value is None else float(value) for name, value in record["figures"].items() if name not in _SCHEMA}
    return {
        **figures,
        "number": entry.line,
        "time": datetime.fromisoformat(record["time"]).astimezone(UTC),
        "command": record["command"],
        "signal": canonical(record["signal"]).decode(),
        "signal_digest": record["signal_digest"],
        "data_digest": record["data_digest"],
        "synthetic": bool(record.get("synthetic", False)),
        "sound": entry.sound,
        "version": record["version"],
    }
