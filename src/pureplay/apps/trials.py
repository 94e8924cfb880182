"""The log of trials as commands use it: where it lies, what is recorded, what is shown of it."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Table

from pureplay.dataset import MANIFEST, Dataset
from pureplay.errors import DatasetError, SettingError
from pureplay.evaluate.records import OrthogonalICIR
from pureplay.evaluate.trials import TrialCount, TrialLog, digest_of
from pureplay.ledger_files import log_of, require_place
from pureplay.signals.settings import SignalSettings

__all__ = [
    "NOT_LOGGED",
    "Logbook",
    "accept_log",
    "in_words",
    "log_place",
    "log_tables",
    "open_log",
    "require_no_log",
    "verdict_figures",
    "verify_run",
]

_NONE: Final = "none"
_VARIABLE: Final = "PUREPLAY_TRIALS"
_HOME: Final = "~/.pureplay/trials.jsonl"
_SHORT: Final = 8
_OWN: Final = {"study": ("construction", "residual_base"), "battery": ("construction", "residual_base")}
_OWN_PRESET: Final = ("window_sessions", "min_valid_sessions", "sector_scheme")
_OWN_PORTFOLIO: Final = ("construction", "residual_base")


class Logbook:
    """The log that one command writes its trials to, or none.

    line: what to tell the user when the command has ended. count: what the log said after the last record, None where nothing is logged.
    """

    def __init__(self, log: TrialLog | None, clock: Callable[[], datetime]) -> None:
        """A book over an opened log. clock: time of day, with a time zone."""
        self._log = log
        self._clock = clock
        self.count: TrialCount | None = None
        self.line = "trials: not logged"

    @classmethod
    def open(cls, given: str | None, *, clock: Callable[[], datetime]) -> "Logbook":
        """The log that --trials names, checked now and not after minutes of work; raises DatasetError where it cannot be kept."""
        path = log_place(given)
        if path is None:
            return cls(None, clock)
        require_place(path)
        return cls(TrialLog.open(path), clock)

    def require_outside(self, out: Path) -> None:
        """Raise DatasetError where the log lies in the folder that a run is about to replace, or `out` is a file of this or any log."""
        require_no_log(out, *([] if self._log is None else [self._log.path]))
        if self._log is not None:
            folder = out.resolve()
            if folder in self._log.path.resolve().parents:
                raise DatasetError(f"the log {self._log.path} lies inside --out {out}, which a run replaces: choose another --trials")

    def record(
        self,
        command: str,
        signal: Mapping[str, Any],
        data: Dataset,
        figures: Mapping[str, float | int | None],
        evaluation: Mapping[str, Any],
    ) -> None:
        """Add a trial on the dataset; raises DatasetError where it cannot be written."""
        if self._log is None:
            return
        made_on = data.fingerprint()
        number = self._log.append(
            time=self._clock(),
            command=command,
            signal=signal,
            data=made_on,
            figures=figures,
            evaluation=evaluation,
            synthetic=data.notes.get("synthetic") is True,
        )
        self.count = self._log.count(made_on)
        notes = "".join(f"; {each}" for each in self._log.notes)
        self.line = f"trials: {_many(self.count.distinct)} on this data (record {number} of {self._log.path}){notes}"

    def spread(self, figure: str, data: Dataset) -> float | None:
        """Standard deviation (ddof 1) of a figure over the distinct trials on a dataset; None where fewer than two have it."""
        if self._log is None:
            return None
        known = self._log.figures(figure, data.fingerprint())
        known = known[np.isfinite(known)]
        return float(known.std(ddof=1)) if known.size > 1 else None

    def manifest(self) -> dict[str, Any] | str:
        """For the manifest of a run: name of the log, trials recorded, head and distinct trials on the data, as of the last record."""
        if self._log is None or self.count is None:
            return "not logged"
        return {
            "file": self._log.path.name,
            "count": self.count.recorded,
            "head": self.count.head,
            "distinct": self.count.distinct,
            "anchors": len(self._log.anchors),
        }


NOT_LOGGED: Final = Logbook(None, lambda: datetime.now(UTC))
"""The book of whoever logs nothing."""


def log_place(given: str | None) -> Path | None:
    """The file of the log: what --trials names, else PUREPLAY_TRIALS, else ~/.pureplay/trials.jsonl; None for "none"."""
    named = given or os.environ.get(_VARIABLE) or _HOME
    if named == _NONE:
        return None
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise SettingError(f"there is no home folder for the log of trials ({error}): pass --trials FILE, or --trials none") from error


def require_no_log(out: Path, *logs: Path) -> None:
    """Raise DatasetError where `out` is a file of a log: of those given, of the default ones, or of any other that stands there."""
    usual = []
    for named in (None, _HOME):
        try:
            usual.append(log_place(named))
        except SettingError:  # no home folder, so no log in it
            continue
    found = log_of(out, *logs, *(each for each in usual if each is not None))
    if found is not None:
        raise DatasetError(f"--out {out} would take the place of the log of trials {found} or of a file beside it: choose another --out")


def open_log(given: str | None) -> TrialLog:
    """The log itself; raises SettingError for "none"."""
    path = log_place(given)
    if path is None:
        raise SettingError("there is no log to show: --trials, or PUREPLAY_TRIALS, says none; name its file with --trials FILE")
    return TrialLog.open(path)


def accept_log(given: str | None, *, time: datetime) -> str:
    """Take an altered log as it is; what to tell the user."""
    path = log_place(given)
    if path is None:
        raise SettingError("there is no log to accept: name its file with --trials FILE")
    fault = TrialLog.accept(path, time=time)
    return f"accepted, and recorded in {path}: {fault}" if fault else f"{path} is as it was written: there is nothing to accept"


def verdict_figures(judged: OrthogonalICIR | None) -> dict[str, float | int | None]:
    """Figures of a trial; empty where there is no verdict."""
    if judged is None:
        return {}
    return {
        "icir": judged.icir,
        "t": judged.orthogonal.test.t,
        "n_dates": judged.orthogonal.n_dates,
        "raw_icir": judged.raw.icir,
        "nested_t": None if judged.nested is None else judged.nested.test.t,
    }


def log_tables(log: TrialLog, data: Path | None) -> list[Table | str]:
    """The log as a table, and below it what deflation counts; data: dataset folder for a count of its own."""
    table = Table(title=f"Trials of {log.path}", title_justify="left")
    for name in ("", "time (UTC)", "command", "signal", "differs from the defaults", "data"):
        table.add_column(name, no_wrap=name != "differs from the defaults")
    for name in ("ICIR", "t"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in log.trials().to_dicts():
        table.add_row(
            f"{row['number']}{'' if row['sound'] else ' edited'}",
            "–" if row["time"] is None else f"{row['time']:%Y-%m-%d %H:%M}",
            row["command"] or "–",
            (row["signal_digest"] or "–")[:_SHORT],
            "–" if row["signal"] is None else in_words(json.loads(row["signal"])),
            (row["data_digest"] or "–")[:_SHORT] + (" synthetic" if row["synthetic"] else ""),
            _orthogonal_or_raw(row, "icir", 3),
            _orthogonal_or_raw(row, "t", 2),
        )
    below = [f"{log.trials().height} recorded, {log.distinct()} distinct (signal settings × data); head {log.head}"]
    if data is not None:
        below.append(f"{_many(log.distinct(Dataset.open(data).fingerprint()))} on {data}")
    below += [f"line {each['number']}, {each['time']}: the log was accepted although {each['fault']}" for each in log.anchors]
    return [table, *below, *log.notes]


def in_words(signal: Mapping[str, Any]) -> str:
    """What signal settings differ in from the defaults; a score file by its SHA-256 and column."""
    if "scores_sha256" in signal:
        return f"scores {str(signal['scores_sha256'])[:_SHORT]}, column {signal.get('column')}"
    plain = json.loads(json.dumps(SignalSettings().to_dict()))
    names = [*(name for name in plain if name in signal), *(name for name in signal if name not in plain)]
    other = {name: signal[name] for name in names if name not in plain or signal[name] != plain[name]}
    absent = [name for name in plain if name not in signal]
    words = [f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in other.items()]
    return ", ".join(words + [f"without {name}" for name in absent]) or "nothing"


def verify_run(log: TrialLog, folder: Path) -> str:
    """Where the head that a run's manifest names stands in the log; raises DatasetError where it does not, or says something else."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        said, made_on = manifest["trials"], [each["sha256"] for each in manifest["data"].values()]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} says nothing of trials ({type(error).__name__}: {error}): give --verify the folder of a run") from error
    if not isinstance(said, dict):
        raise DatasetError(f"{path} says that the run was {said}: there is nothing to verify")
    found = log.find(str(said.get("head")))
    if found is None:
        raise DatasetError(
            f"the head {said.get('head')} of {path} is in no line of {log.path}: the log was altered, or the run was logged elsewhere; "
            "name that log with --trials"
        )
    line = found["line"]
    altered = [each for each in found["altered"] if each != line]
    beside = f"; {_lines(altered)} before it was altered since it was written" if altered else ""
    faults = ["the record was altered"] if line in found["altered"] else _faults(said, made_on, manifest.get("config"), found)
    if faults:
        raise DatasetError(
            f"{path} does not agree with record {line} of {log.path}: {'; '.join(faults)}{beside}: one of the two was altered; compare "
            "both with a backup"
        )
    after = len(log.anchors) - found["anchors"]
    beside += f"; the log was accepted as altered {after} times since" if after else ""
    return f"{path} agrees with record {line} of {log.path}: {found['time']}, {found['command']}, {in_words(found['signal'])}{beside}"


def _faults(said: Mapping[str, Any], made_on: list[Any], config: object, found: Mapping[str, Any]) -> list[str]:
    """What a manifest says otherwise than a sound record and what the log says up to it."""
    if found.get("kind") != "trial":
        return ["the record is no trial"]
    names = {"count": "recorded", "distinct": "distinct", "anchors": "anchors"}
    words = {"count": "trials", "distinct": "distinct ones on the data", "anchors": "accepted alterations"}
    faults = [
        f"it names {said.get(name)} {words[name]}, the log has {found[own]} up to there"
        for name, own in names.items()
        if not isinstance(said.get(name), int) or isinstance(said.get(name), bool) or said[name] != found[own]
    ]
    if not any(isinstance(each, dict) and _agree(each, found["data"]) for each in made_on):
        faults.append("the data differ")
    return faults + _settings_faults(config if isinstance(config, dict) else {}, found)


def _settings_faults(config: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Settings of a manifest that are not those of the record, but for those that the command itself gives to each of its scores."""
    command, signal = found["command"], found["signal"]
    own: tuple[str, ...] = _OWN_PORTFOLIO if command == "portfolio" else _OWN.get(command, ())
    parts = ("signal", "business_mix") if command == "portfolio" else ("signal",)
    if "preset" in config:
        own = _OWN_PRESET
    wanted = {name: value for name, value in signal.items() if name not in own}
    named = [config[part] for part in parts if isinstance(config.get(part), dict)]
    alike = [_agree({name: value for name, value in each.items() if name not in own}, wanted) for each in named]
    faults = [] if any(alike) else ["the signal settings differ"]
    if "preset" in config:
        windows, scheme = config.get("windows_sessions"), config.get("sector_scheme")
        if not isinstance(windows, list) or signal.get("window_sessions") not in windows or signal.get("sector_scheme") != scheme:
            faults.append("the windows or the sectors differ")
    judged = {"portfolio": config.get("portfolio")} if command == "portfolio" else config.get("evaluation")
    if not isinstance(judged, dict) or not _agree(judged, found.get("evaluation")):
        faults.append("the evaluation settings differ")
    return faults


def _agree(one: object, other: object) -> bool:
    try:
        return isinstance(one, dict) and isinstance(other, dict) and digest_of(one) == digest_of(other)
    except SettingError:  # NaN and the like, which no record holds
        return False


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (" and more" if len(numbers) > 5 else "")
    return f"line {shown}"


def _many(distinct: int) -> str:
    return f"{distinct} distinct signal settings tried" if distinct != 1 else "1 set of signal settings tried"


def _orthogonal_or_raw(row: Mapping[str, Any], name: str, digits: int) -> str:
    """The figure of the orthogonal score; where a trial has the raw one alone, that, and the word."""
    raw = row.get(f"raw_{name}")
    return _figure(row.get(name), digits) if row.get(name) is not None or raw is None else f"{_figure(raw, digits)} raw"


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:+.{digits}f}"
