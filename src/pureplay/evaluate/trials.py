"""The log of trials: every configuration that was evaluated, so that deflation knows how many were tried.

A trial is a set of signal settings on a set of data (METHODS §5). Evaluation settings, cells of the battery and placebos are
diagnostics: they stand in no count.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
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
    A line that was altered may have been any trial on any data: it counts as one of its own in all three.
    """

    distinct: int
    distinct_all: int
    recorded: int
    head: str


@dataclass(frozen=True, slots=True)
class _Trial:
    """A line that counts, and what makes it distinct: digests worked out from its settings and data, not those that it names."""

    entry: Entry
    signal: str
    data: str


class TrialLog:
    """A file of trials, each line with the hash of the one before (`pureplay.ledger`).

    Opening verifies every line; adding a trial then costs the same however long the log is. Two processes may add at once.
    """

    def __init__(self, ledger: Ledger) -> None:
        """A log over an opened ledger; raises DatasetError where a sound record of it is no trial."""
        self._ledger = ledger
        self._from: Sequence[Entry] = ()
        self._last: Entry | None = None
        self._seen = 0
        self._trials: list[_Trial] = []
        self._digests: dict[str, str] = {}
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
        return tuple({name: each.record.get(name) for name in names} for each in self._ledger.entries if _is_anchor(each))

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
        where the line was altered and an anchor took it as it is; it shows what it says now, null where that cannot be read), version,
        then one column a figure, null where a trial lacks it.
        """
        figures = list(dict.fromkeys(name for each in self._trials for name in _figures_of(each.entry)))
        schema: dict[str, Any] = {**_SCHEMA, **{name: pl.Float64 for name in figures if name not in _SCHEMA}}
        rows = [_row(each) for each in self._trials]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def distinct(self, data: Mapping[str, str] | None = None) -> int:
        """Number of distinct signal settings × data; of one dataset where its fingerprint is given.

        A line that was altered counts as one of its own, on every dataset: what it was cannot be known.
        """
        return len(self._last_of_each(data))

    def figures(self, name: str, data: Mapping[str, str] | None = None) -> FloatArray:
        """A figure of each distinct trial, of its last record; NaN where that lacks it. For the sd over trials that deflation takes.

        data: as for `distinct`. NaN for a line that was altered.
        """
        last = self._last_of_each(data)
        values = [each.entry.record["figures"].get(name) if each.entry.sound else None for each in last]
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)

    def count(self, data: Mapping[str, str]) -> TrialCount:
        """What the log says of the dataset with this fingerprint."""
        return TrialCount(distinct=self.distinct(data), distinct_all=self.distinct(), recorded=len(self._trials), head=self.head)

    def find(self, head: str) -> Mapping[str, Any] | None:
        """The record with this hash, and what the log says up to it; None where the log has none.

        Added to the record: line, recorded (trials), distinct (on its data), anchors (a number), altered (lines up to it, itself included,
        that are not as they were written).
        """
        line = self._ledger.line_of(head)
        if line is None:
            return None
        entries = self._ledger.entries[:line]
        record, until = entries[-1].record, [each for each in self._trials if each.entry.line <= line]
        made_on = next((each.data for each in until if each.entry.line == line), "")
        return {
            **record,
            "line": line,
            "recorded": len(until),
            "distinct": len(_distinct(until, made_on)),
            "anchors": sum(_is_anchor(each) for each in entries),
            "altered": tuple(each.line for each in entries if not each.sound),
        }

    def _read(self) -> None:
        """Trials among the lines, and every line that is not sound: whatever it says now, it may have been one."""
        entries = self._ledger.entries
        if entries is not self._from or (self._seen and entries[self._seen - 1] is not self._last):  # the ledger has begun anew
            self._from, self._seen, self._trials = entries, 0, []
        seen, self._seen, self._last = self._seen, len(entries), entries[-1] if entries else None
        for each in itertools.islice(entries, seen, None):
            if not each.sound:
                self._trials.append(_Trial(each, f"line {each.line}", ""))
            elif each.record.get("kind") == _TRIAL:
                fault = _fault(each.record)
                if fault:
                    raise DatasetError(
                        f"line {each.line} of {self.path} is no trial ({fault}): this log is of another pureplay, use that one"
                    )
                self._trials.append(_Trial(each, self._digest(each.record["signal"]), self._digest(each.record["data"])))

    def _digest(self, content: Mapping[str, Any]) -> str:
        """`digest_of`, worked out once for what is written the same."""
        text = repr(content)
        if text not in self._digests:
            self._digests[text] = digest_of(content)
        return self._digests[text]

    def _last_of_each(self, data: Mapping[str, str] | None) -> list[_Trial]:
        return _distinct(self._trials, None if data is None else digest_of(data))


def _distinct(trials: Iterable[_Trial], data: str | None) -> list[_Trial]:
    """The last of each distinct trial; of one dataset where its digest is given, to which a line that is not sound always belongs."""
    last = {(each.signal, each.data): each for each in trials}
    return [each for each in last.values() if data is None or each.data == data or not each.entry.sound]


def _is_anchor(entry: Entry) -> bool:
    return entry.sound and entry.record.get("kind") == ANCHOR


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


def _figures_of(entry: Entry) -> dict[str, float | None]:
    """Figures by name; of a line that is not sound only what can be read."""
    figures = entry.record.get("figures")
    known = dict(figures) if isinstance(figures, dict) else {}
    if not entry.sound:
        known = {name: value for name, value in known.items() if isinstance(value, float) and name.isprintable()}
    return {name: None if value is None else float(value) for name, value in known.items()}


def _row(trial: _Trial) -> dict[str, Any]:
    entry, record = trial.entry, trial.entry.record
    signal = record.get("signal")
    digests = {"signal_digest": trial.signal, "data_digest": trial.data} if entry.sound else _texts(record, "signal_digest", "data_digest")
    return {
        **{name: value for name, value in _figures_of(entry).items() if name not in _SCHEMA},
        "number": entry.line,
        "time": _time_of(record),
        "signal": json.dumps(signal, sort_keys=True, separators=(",", ":")) if isinstance(signal, dict) else None,
        "synthetic": record.get("synthetic") is True,
        "sound": entry.sound,
        **digests,
        **_texts(record, "command", "version"),
    }


def _texts(record: Mapping[str, Any], *names: str) -> dict[str, str | None]:
    return {name: value if isinstance(value := record.get(name), str) and value.isprintable() else None for name in names}


def _time_of(record: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(record["time"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
