"""The log of trials: the chain by hand, every way of altering it, crashes at every step, and what counts as a trial."""

import gc
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pureplay import ledger_files
from pureplay.errors import DatasetError, SettingError
from pureplay.evaluate.trials import TrialCount, TrialLog, digest_of
from pureplay.ledger import GENESIS, LINE_BYTES, Ledger
from pureplay.ledger_files import head_path, log_of, require_place
from pureplay.signals.settings import SignalSettings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DATA = {"bars": "a" * 64, "segments": "b" * 64}
OTHER = {"bars": "a" * 64, "segments": "c" * 64}


def add(log: TrialLog, signal: dict[str, Any] | None = None, *, data: dict[str, str] | None = None, icir: float = 0.3, **more: Any) -> int:
    """One trial."""
    return log.append(
        time=NOON, command="run", signal={"level": 2} if signal is None else signal, data=data or DATA, figures={"icir": icir}, **more
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "trials.jsonl"


@pytest.fixture
def filled(path: Path) -> Path:
    """Six trials, of four distinct settings."""
    log = TrialLog.open(path)
    for k in (1, 2, 3, 4, 2, 3):
        add(log, {"level": k}, icir=k / 10)
    return path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


# ---------------------------------------------------------------- the chain


def test_the_chain_is_what_hashlib_says(filled: Path) -> None:
    previous = "0" * 64
    for number, line in enumerate(filled.read_text(encoding="utf-8").splitlines(), start=1):
        record = json.loads(line)
        said = record.pop("hash")
        assert (record["number"], record["previous"]) == (number, previous)
        rest = json.dumps(record, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256((previous + rest).encode()).hexdigest()
        assert said == previous
    log = TrialLog.open(filled)
    assert log.head == previous
    assert json.loads(head_path(filled).read_text(encoding="utf-8")) == {"count": 6, "head": previous}


def test_a_record_holds_what_was_given(path: Path) -> None:
    log = TrialLog.open(path)
    assert not path.parent.exists()
    assert (log.head, log.distinct(), log.trials().height) == (GENESIS, 0, 0)
    eastern = datetime(2026, 3, 2, 20, tzinfo=timezone(timedelta(hours=8)))
    number = log.append(
        time=eastern,
        command="study",
        signal=SignalSettings().to_dict(),
        data=DATA,
        figures={"icir": np.float64(0.25), "t": float("nan"), "n_dates": 7, "nested_t": None},
        evaluation={"horizon_sessions": 20},
        synthetic=True,
    )
    assert number == 1
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["time"] == "2026-03-02T12:00:00+00:00"
    assert (record["command"], record["kind"], record["synthetic"]) == ("study", "trial", True)
    assert record["figures"] == {"icir": 0.25, "t": None, "n_dates": 7, "nested_t": None}
    assert record["data"] == DATA
    assert record["signal"] == json.loads(json.dumps(SignalSettings().to_dict()))
    row = TrialLog.open(path).trials().row(0, named=True)
    assert row["time"] == NOON
    assert (row["icir"], row["t"], row["n_dates"], row["sound"], row["synthetic"]) == (0.25, None, 7.0, True, True)


def test_an_empty_log_has_the_columns_of_a_full_one(path: Path, filled: Path) -> None:
    empty = TrialLog.open(path.with_name("none.jsonl")).trials()
    full = TrialLog.open(filled).trials()
    assert full.schema.items() >= empty.schema.items()
    assert full["number"].to_list() == [1, 2, 3, 4, 5, 6]
    assert full["icir"].to_list() == [0.1, 0.2, 0.3, 0.4, 0.2, 0.3]


# ---------------------------------------------------------------- what counts


def test_the_same_settings_on_the_same_data_count_once(path: Path) -> None:
    log = TrialLog.open(path)
    settings = SignalSettings().to_dict()
    add(log, settings, icir=0.1)
    add(log, dict(reversed(settings.items())), data=dict(reversed(DATA.items())), icir=0.2)
    add(log, {**settings, "fallback": [], "winsorise_mads": 3}, icir=0.4)  # a list for a tuple, 3 for 3.0
    assert log.count(DATA) == TrialCount(distinct=1, distinct_all=1, recorded=3, head=log.head)
    assert log.figures("icir").tolist() == [0.4]  # of the last record


def test_what_makes_a_trial_of_its_own(path: Path) -> None:
    log = TrialLog.open(path)
    settings = SignalSettings().to_dict()
    add(log, settings, evaluation={"horizon_sessions": 20})
    add(log, settings, evaluation={"horizon_sessions": 5, "seed": 3})  # judged otherwise: no trial
    assert log.distinct() == 1
    add(log, settings, data=OTHER)
    assert (log.distinct(), log.distinct(DATA), log.distinct(OTHER)) == (2, 1, 1)
    for change in ({"purity": 0.6}, {"frozen": True}, {"frozen": 1}, {"stale_months": None}, {"fallback": ("parent",)}):
        before = log.distinct(DATA)
        add(log, {**settings, **change})
        assert log.distinct(DATA) == before + 1, change
    assert log.count(OTHER).distinct == 1
    assert log.count(OTHER).distinct_all == log.distinct() == 7
    assert log.distinct({"bars": "d" * 64}) == 0


def test_figures_are_one_a_distinct_trial(filled: Path) -> None:
    log = TrialLog.open(filled)
    assert sorted(log.figures("icir").tolist()) == [0.1, 0.2, 0.3, 0.4]
    assert np.isnan(log.figures("sharpe")).all()
    assert log.figures("sharpe").shape == (4,)
    assert log.figures("icir", OTHER).shape == (0,)


def test_a_digest_is_that_of_sorted_json() -> None:
    assert digest_of({"b": 1.0, "a": (1, "x")}) == hashlib.sha256(b'{"a":[1,"x"],"b":1}').hexdigest()
    assert digest_of({"a": 1}) != digest_of({"a": True})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


@pytest.mark.parametrize("text", ["产品动量 ½", "line\nbreak\u2028", "\ud800 alone", "\x00", '"},{"'])
def test_any_text_stays_one_line(path: Path, text: str) -> None:
    log = TrialLog.open(path)
    add(log, {"column": text})
    add(log, {text: 1})
    assert len(lines(path)) == 2
    again = TrialLog.open(path)
    assert json.loads(again.trials()["signal"][0]) == {"column": text}
    assert again.distinct() == 2


def test_values_that_no_record_can_hold_are_refused(path: Path) -> None:
    log = TrialLog.open(path)
    add(log)
    before = path.read_bytes()
    with pytest.raises(SettingError, match="finite numbers"):
        add(log, {"purity": float("nan")})
    with pytest.raises(SettingError, match=f"must fit in {LINE_BYTES} bytes"):
        add(log, {"names": ["x" * 1000] * 1100})
    with pytest.raises(SettingError, match="time zone"):
        log.append(time=datetime(2026, 1, 1), command="run", signal={}, data=DATA, figures={})
    assert path.read_bytes() == before
    assert TrialLog.open(path).head == log.head


# ---------------------------------------------------------------- altered logs


def edit_figure(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"icir":0.3', b'"icir":0.9', 1))


def resealed(path: Path) -> None:
    """Line 3 edited by someone who knows the format."""
    all_lines = lines(path)
    record = json.loads(all_lines[2])
    record.pop("hash")
    record["figures"]["icir"] = 0.9
    body = json.dumps(record, sort_keys=True, separators=(",", ":"))
    said = hashlib.sha256((record["previous"] + body).encode()).hexdigest()
    all_lines[2] = f'{body[:-1]},"hash":"{said}"}}\n'.encode()
    path.write_bytes(b"".join(all_lines))


def without(*gone: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_bytes(b"".join(each for k, each in enumerate(lines(path), start=1) if k not in gone))

    return change


def swapped(path: Path) -> None:
    a, b, c, *rest = lines(path)
    path.write_bytes(b"".join([a, c, b, *rest]))


def doubled(path: Path) -> None:
    path.write_bytes(path.read_bytes() + lines(path)[-1])


def cut(count: int) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(path.read_bytes()[:-count])


def head(text: str) -> Callable[[Path], Any]:
    return lambda path: head_path(path).write_text(text, encoding="utf-8")


ALTERED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a figure edited": (edit_figure, "line 3 says the hash .*, its content has .*: it was edited"),
    "a line edited and sealed again": (resealed, "line 4 follows the hash .*, the line before has .*: lines were removed or moved"),
    "a middle line removed": (without(3), "line 3 follows the hash .*, the line before has .*: lines were removed or moved"),
    "the first line removed": (without(1), "line 1 follows the hash .*, the line before has 000000000000"),
    "lines swapped": (swapped, "line 2 follows the hash"),
    "a line doubled": (doubled, "line 7 follows the hash"),
    "the last line removed": (without(6), "it has 5 lines, trials.jsonl.head names 6: lines were removed from its end"),
    "cut within a line": (cut(30), "it has 5 lines, trials.jsonl.head names 6"),
    "the last newline cut": (cut(1), "it has 5 lines, trials.jsonl.head names 6"),
    "emptied": (lambda path: path.write_bytes(b""), "it has 0 lines, trials.jsonl.head names 6"),
    "log deleted": (Path.unlink, "it has 0 lines, trials.jsonl.head names 6"),
    "head file deleted": (lambda path: head_path(path).unlink(), "trials.jsonl.head is absent"),
    "head file set back": (
        head(json.dumps({"count": 0, "head": GENESIS})),
        "it has 6 lines, trials.jsonl.head names 0, and a crash leaves it at most 1 line behind",
    ),
    "head file of another log": (head(json.dumps({"count": 6, "head": "e" * 64})), "line 6 has the hash .*head says eeeeeeeeeeee"),
    "head file of no log": (head(json.dumps({"count": 0, "head": "e" * 64})), "line 0 has the hash 000000000000"),
    "head file is no JSON": (head("{"), "trials.jsonl.head is not readable"),
    "head file deep": (head("[" * 4000), "trials.jsonl.head is not readable"),
    "head file lacks its count": (head(json.dumps({"head": "e" * 64})), "trials.jsonl.head is damaged"),
    "head file counts by truth": (head(json.dumps({"count": True, "head": "e" * 64})), "trials.jsonl.head is damaged"),
    "a blank within a line": (lambda path: path.write_bytes(path.read_bytes().replace(b":0.3", b": 0.3", 1)), "line 3 says the hash"),
    "a foreign line": (lambda path: path.write_bytes(path.read_bytes() + b"hello\n"), "line 7 is not JSON"),
    "a list": (lambda path: path.write_bytes(path.read_bytes() + b"[1]\n"), "line 7 is no record"),
    "a deep line": (lambda path: path.write_bytes(path.read_bytes() + b"[" * 200_000 + b"\n"), "line 7 is not JSON"),
    "zeros": (lambda path: path.write_bytes(path.read_bytes() + b"\0" * 99 + b"\n"), "line 7 is not JSON"),
    "a record without a seal": (lambda path: path.write_bytes(path.read_bytes() + b'{"number":7}\n'), "line 7 is no record of pureplay"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_log_is_refused_until_it_is_accepted(filled: Path, name: str) -> None:
    change, message = ALTERED[name]
    change(filled)
    before = filled.read_bytes() if filled.exists() else b""
    with pytest.raises(DatasetError, match=message) as told:
        TrialLog.open(filled)
    assert "restore it from a backup" in str(told.value)
    assert "--accept" in str(told.value)
    assert (filled.read_bytes() if filled.exists() else b"") == before

    fault = TrialLog.accept(filled, time=NOON)
    assert re.search(message, fault)
    assert filled.read_bytes().startswith(before)  # nothing was removed
    again = TrialLog.open(filled)
    assert [(each["fault"], each["time"]) for each in again.anchors] == [(fault, "2026-03-02T12:00:00+00:00")]
    add(again, {"level": 9})
    third = TrialLog.open(filled)
    assert third.head == again.head
    assert len(third.anchors) == 1
    assert TrialLog.accept(filled, time=NOON) == ""


def test_an_anchor_forgives_what_it_has_seen_and_nothing_later(filled: Path) -> None:
    edit_figure(filled)
    TrialLog.accept(filled, time=NOON)
    log = TrialLog.open(filled)
    assert log.trials()["sound"].to_list() == [True, True, False, True, True, True]
    assert log.count(DATA) == TrialCount(distinct=5, distinct_all=5, recorded=6, head=log.head)  # an edited trial was tried all the same
    accepted = filled.read_bytes()
    for old, new in ((b'"icir":0.9', b'"icir":0.8'), (b'"icir":0.4', b'"icir":0.9'), (b"it was edited", b"it was correct")):
        assert old in accepted
        filled.write_bytes(accepted.replace(old, new, 1))
        with pytest.raises(DatasetError, match=r"was altered"):
            TrialLog.open(filled)
    filled.write_bytes(accepted)
    add(log)
    filled.write_bytes(filled.read_bytes().replace(b'"number":8', b'"number":9'))
    with pytest.raises(DatasetError, match=r"line 8 says the hash"):
        TrialLog.open(filled)


def line_as(number: int, change: Callable[[dict[str, Any]], Any], *, seal: bool) -> Callable[[Path], None]:
    """A line edited; seal: by someone who knows the format."""

    def edit(path: Path) -> None:
        all_lines = lines(path)
        record = json.loads(all_lines[number - 1])
        said = record.pop("hash")
        change(record)
        body = json.dumps(record, sort_keys=True, separators=(",", ":"))
        if seal:
            said = hashlib.sha256((record["previous"] + body).encode()).hexdigest()
        all_lines[number - 1] = f'{body[:-1]},"hash":"{said}"}}\n'.encode()
        path.write_bytes(b"".join(all_lines))

    return edit


HIDING: dict[str, Callable[[dict[str, Any]], Any]] = {
    "kind": lambda record: record.update(kind="note"),
    "anchor": lambda record: record.update(kind="anchor"),
    "figures": lambda record: record.update(figures={"icir": "none"}),
    "settings": lambda record: record.update(signal={"level": 1}),
    "digest": lambda record: record.update(signal_digest=digest_of({"level": 1})),
    "data": lambda record: record.update(data=OTHER, data_digest=digest_of(OTHER)),
    "time": lambda record: record.update(time="once"),
    "command": lambda record: record.pop("command"),
}


@pytest.mark.parametrize("seal", [False, True])
@pytest.mark.parametrize("number", [4, 6])
@pytest.mark.parametrize("name", HIDING)
def test_no_edit_hides_a_trial(filled: Path, name: str, number: int, seal: bool) -> None:
    line_as(number, HIDING[name], seal=seal)(filled)
    TrialLog.accept(filled, time=NOON)
    log = TrialLog.open(filled)
    most = 4 if number == 4 else 5  # line 4 is the one of its settings; line 6 repeats line 3, which no one can know any more
    assert log.count(DATA) == TrialCount(distinct=most, distinct_all=most, recorded=6, head=log.head)
    assert log.trials()["sound"].to_list() == [each != number for each in range(1, 7)]
    assert np.isfinite(log.figures("icir")).sum() == most - 1  # an edited figure is in no spread
    assert len(log.anchors) == 1


def test_a_line_made_unreadable_counts(filled: Path) -> None:
    content = lines(filled)
    filled.write_bytes(b"".join([*content[:3], b"gone\n", *content[4:]]))
    TrialLog.accept(filled, time=NOON)
    log = TrialLog.open(filled)
    assert (log.distinct(DATA), log.count(DATA).recorded) == (4, 6)
    assert log.trials().row(3, named=True)["signal"] is None


def test_digests_are_worked_out_and_not_believed(path: Path) -> None:
    log = TrialLog.open(path)
    add(log, {"level": 1})
    record = {name: value for name, value in json.loads(path.read_text(encoding="utf-8")).items() if name not in ("hash", "previous")}
    Ledger(path).append("trial", {**record, "signal": {"level": 2}})  # with the digest of level 1
    assert TrialLog.open(path).distinct(DATA) == 2


def test_one_line_behind_is_a_crash_and_two_are_not(filled: Path) -> None:
    hashes = [json.loads(each)["hash"] for each in lines(filled)]
    head(json.dumps({"count": 4, "head": hashes[3]}))(filled)
    with pytest.raises(DatasetError, match=r"names 4, and a crash leaves it at most 1 line behind.*--accept"):
        TrialLog.open(filled)
    head(json.dumps({"count": 5, "head": hashes[4]}))(filled)
    assert TrialLog.open(filled).notes == ("trials.jsonl.head was 1 line behind after a crash, and was brought up",)


def test_a_file_of_a_log_is_known_as_such(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(filled)
    (tmp_path / "way").symlink_to(filled.parent)
    beside = [filled.with_name(f"{filled.name}{end}") for end in ("", ".head", ".lock")]
    for each in (*beside, tmp_path / "link", tmp_path / "way" / filled.name):
        assert log_of(each) == filled, each  # by the head file that stands there
    absent = tmp_path / "new.jsonl"
    for end in ("", ".head", ".lock", "/run"):
        assert log_of(Path(f"{absent}{end}")) is None
        assert log_of(Path(f"{absent}{end}"), absent) == absent  # not there yet
    assert log_of(filled.parent / "scores.parquet", filled) is None
    assert log_of(filled.parent, filled) is None


@pytest.mark.parametrize(
    "name", ["the last line removed", "cut within a line", "emptied", "log deleted", "head file deleted", "a foreign line"]
)
def test_an_open_log_notices_before_it_writes(filled: Path, name: str) -> None:
    log = TrialLog.open(filled)
    change, message = ALTERED[name]
    change(filled)
    before = filled.read_bytes() if filled.exists() else b""
    with pytest.raises(DatasetError, match=message):
        add(log)
    assert (filled.read_bytes() if filled.exists() else b"") == before


def test_a_file_that_never_was_a_log_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    for content in (b"date,asset,score\n2024-01-02,x,1\n", b"one line", b"\x00\xff" * 50, b'{"a":1}\n'):
        path.write_bytes(content)
        for deed in (lambda: TrialLog.open(path), lambda: TrialLog.accept(path, time=NOON)):
            with pytest.raises(DatasetError, match=r"altered|no line of .* is a record of pureplay"):
                deed()
        assert path.read_bytes() == content
        assert not head_path(path).exists()


def test_a_huge_file_without_lines_is_refused_at_once(path: Path) -> None:
    path.parent.mkdir()
    with path.open("wb") as out:
        out.truncate(1 << 30)  # a hole: no room is taken
    start = time.perf_counter()
    for deed in (lambda: TrialLog.open(path), lambda: TrialLog.accept(path, time=NOON)):
        with pytest.raises(DatasetError, match=r"line 1 of .* is longer than 1048576 bytes"):
            deed()
    assert time.perf_counter() - start < 1.0  # reading it would take seconds
    assert path.stat().st_size == 1 << 30


def test_a_log_of_another_pureplay_says_so(path: Path) -> None:
    Ledger(path).append("trial", {"time": "2026-03-02T12:00:00+00:00", "figures": {}})
    with pytest.raises(DatasetError, match=r"line 1 of .* is no trial .it lacks command, signal_digest, data_digest, version"):
        TrialLog.open(path)


# ---------------------------------------------------------------- crashes

CRASH = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from pureplay.ledger import Ledger
path, call, number, part = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
real, seen = getattr(os, call), []
def dying(*arguments, **named):
    seen.append(1)
    if len(seen) == number:
        if part == "half":
            real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        if part == "after":
            real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
ledger = Ledger(path)
setattr(os, call, dying)
ledger.append("trial", {"x": 1})
"""


@pytest.mark.parametrize(
    ("call", "number", "part"),
    [
        ("write", 1, "before"),
        ("write", 1, "half"),
        ("write", 1, "after"),
        ("fsync", 1, "before"),
        ("fsync", 1, "after"),
        ("fsync", 2, "before"),
        ("replace", 1, "before"),
        ("replace", 1, "after"),
    ],
)
@pytest.mark.parametrize("lines_before", [0, 2])
def test_a_kill_at_any_step_leaves_the_old_or_the_new_state(path: Path, call: str, number: int, part: str, lines_before: int) -> None:
    for _ in range(lines_before):
        Ledger(path).append("trial", {"x": 0})
    killed = subprocess.run([sys.executable, "-c", CRASH, str(path), call, str(number), part], check=False)
    assert killed.returncode == -9
    ledger = Ledger(path)
    assert ledger.lines in (lines_before, lines_before + 1)
    ledger.append("trial", {"x": 2})
    again = Ledger(path)
    assert (again.lines, again.head, again.notes) == (ledger.lines, ledger.head, ())
    assert [each.record["x"] for each in again.entries][-1] == 2
    assert sorted(each.name for each in path.parent.iterdir()) == ["trials.jsonl", "trials.jsonl.head", "trials.jsonl.lock"]


def test_a_kill_at_a_random_moment(path: Path) -> None:
    loop = (
        "import sys\nfrom pathlib import Path\nfrom pureplay.ledger import Ledger\nledger = Ledger(Path(sys.argv[1]))\n"
        "print('ready', flush=True)\nwhile True:\n    ledger.append('trial', {'x': 'y' * 3000})\n    print(ledger.lines, flush=True)\n"
    )
    rng, before = random.Random(5), 0
    for _ in range(10):
        with subprocess.Popen([sys.executable, "-c", loop, str(path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0.0, 0.06))
            child.kill()
            told = [int(each) for each in child.stdout.read().split()]
        ledger = Ledger(path)
        least = told[-1] if told else before
        assert least <= ledger.lines <= least + 1  # what was told is there, and at most one line more
        assert ledger.lines >= before
        before = ledger.lines
    assert before > 10


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_leaves_the_log_as_it_was(filled: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    log = TrialLog.open(filled)
    before = filled.read_bytes()
    real = os.write

    def full(handle: int, *content: Any) -> int:
        if content:
            real(handle, bytes(content[0])[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(DatasetError, match=r"No space left on device.*free space or give --trials another file"):
            add(log)
    assert filled.read_bytes() == before
    assert add(log) == 7
    assert TrialLog.open(filled).head == log.head


def test_a_head_file_that_cannot_be_replaced_is_told_and_put_right(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = TrialLog.open(filled)

    def refused(*_: Any) -> None:
        raise OSError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refused)
        with pytest.raises(DatasetError, match=r"record 7 is in .*head could not be written.*the next record puts it right"):
            add(log, {"level": 7})
    assert json.loads(head_path(filled).read_text(encoding="utf-8"))["count"] == 6
    again = TrialLog.open(filled)
    assert again.notes == ("trials.jsonl.head was 1 line behind after a crash, and was brought up",)
    assert again.trials().height == 7
    assert json.loads(head_path(filled).read_text(encoding="utf-8")) == {"count": 7, "head": again.head}


def test_half_a_line_is_dropped_with_a_note(filled: Path) -> None:
    before = filled.read_bytes()
    filled.write_bytes(before + lines(filled)[-1][:200])
    log = TrialLog.open(filled)
    assert log.notes == ("half a line at the end of trials.jsonl, left by a crash, was removed",)
    assert filled.read_bytes() == before
    assert log.trials().height == 6


# ---------------------------------------------------------------- several at once

MANY = """
import sys
from pathlib import Path
from pureplay.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for k in range(25):
    ledger.append("trial", {"who": sys.argv[2], "k": k})
"""


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", MANY, str(path), name]) for name in ("one", "two", "three")]
    assert [each.wait() for each in writers] == [0, 0, 0]
    ledger = Ledger(path)
    assert ledger.lines == 75
    for name in ("one", "two", "three"):
        assert [each.record["k"] for each in ledger.entries if each.record["who"] == name] == list(range(25))


def test_two_open_logs_see_each_other(path: Path) -> None:
    one, two = TrialLog.open(path), TrialLog.open(path)
    assert [add(one, {"k": 1}), add(two, {"k": 2}), add(one, {"k": 3})] == [1, 2, 3]
    assert one.distinct() == 3
    assert two.distinct() == 2


def test_a_log_that_is_held_is_waited_for(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_files, "WAIT_SECONDS", 0.05)
    log = TrialLog.open(filled)
    before = filled.read_bytes()
    with (
        ledger_files.held(filled, make=True),
        pytest.raises(DatasetError, match=r"another process holds the log .*: end it, then try again"),
    ):
        add(log)
    assert filled.read_bytes() == before
    assert add(log) == 7


# ---------------------------------------------------------------- places


def test_places_where_no_log_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "real.jsonl").touch()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "t.jsonl.head").mkdir()
    for place, message in (
        (tmp_path, "is a folder: give --trials the name of a file"),
        (tmp_path / "file" / "t.jsonl", "lies below .*file, which is a file"),
        (tmp_path / "link.jsonl", "is a link: give --trials the file that it points to"),
        (tmp_path / "dangling" / "t.jsonl", "a link to nothing"),
        (tmp_path / "pipe", "is no plain file"),
        (tmp_path / "t.jsonl", "t.jsonl.head is a folder"),
        (tmp_path / ("x" * 300), "cannot be kept: .*too long"),
        (tmp_path / "a\0b", "cannot be kept: .*null"),
    ):
        with pytest.raises(DatasetError, match=message):
            require_place(place)
        with pytest.raises(DatasetError):
            add(TrialLog.open(place))
    require_place(tmp_path / "new" / "deep" / "t.jsonl")
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DatasetError, match=r"is not writable: give --trials another file, or `--trials none`"):
        require_place(tmp_path / "new" / "t.jsonl")
    with pytest.raises(DatasetError, match=r"cannot be written: change its rights"):
        require_place(tmp_path / "real.jsonl")
    with pytest.raises(DatasetError, match=r"cannot be read: change its rights"):
        TrialLog.open(tmp_path / "real.jsonl")


def test_a_log_that_may_only_be_read_is_read(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (filled.parent / "trials.jsonl.lock").unlink()
    torn = filled.read_bytes() + b'{"half'
    filled.write_bytes(torn)
    real = os.open

    def read_only(path: Any, flags: int, *mode: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(30, "Read-only file system")
        return real(path, flags, *mode, **named)

    monkeypatch.setattr(os, "open", read_only)
    log = TrialLog.open(filled)
    assert log.distinct() == 4
    assert filled.read_bytes() == torn
    with pytest.raises(DatasetError, match=r"cannot write the log .*Read-only file system"):
        add(log)


# ---------------------------------------------------------------- size


def test_a_long_log_opens_within_a_second_and_grows_at_the_same_cost(path: Path) -> None:
    log = TrialLog.open(path)
    add(log, SignalSettings().to_dict())
    record = json.loads(path.read_text(encoding="utf-8"))
    previous, made = record.pop("hash"), [path.read_bytes()]
    for number in range(2, 20_001):
        body = json.dumps({**record, "number": number, "previous": previous}, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256((previous + body).encode()).hexdigest()
        made.append(f'{body[:-1]},"hash":"{previous}"}}\n'.encode())
    path.write_bytes(b"".join(made))
    head_path(path).write_text(json.dumps({"count": 20_000, "head": previous}), encoding="utf-8")
    taken = []
    for _ in range(3):
        del log
        gc.collect()
        start = time.process_time()  # other work on the machine does not count
        log = TrialLog.open(path)
        taken.append(time.process_time() - start)
    assert log.trials().height == 20_000
    assert min(taken) < 1.0
    start = time.process_time()
    for _ in range(20):
        add(log)
    assert (time.process_time() - start) / 20 < min(taken) / 20  # an addition does not read the log again
