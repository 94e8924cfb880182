"""What commands write to the log of trials, what stands of it in manifests, and `pureplay trials`."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pureplay.apps.trials import in_words, log_place
from pureplay.dataset import Dataset, file_sha256
from pureplay.errors import SettingError
from pureplay.evaluate.trials import TrialLog, digest_of
from pureplay.ledger_files import head_path
from pureplay.signals.settings import SignalSettings
from tests.apps.test_study_commands import CONFIG, call
from tests.evaluate.test_trials import NOON
from tests.studies import small

PLAIN = """
name = "plain"
[signal]
min_peers = 2
min_listed_sessions = 20
[evaluation]
horizons_sessions = [5]
shuffles = 0
null_draws = 0
universes = false
min_typical_names = 20
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.dataset(tmp_path_factory.mktemp("trials") / "data", sessions=120)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log" / "mine.jsonl"


def config(tmp_path: Path, text: str = PLAIN, *, name: str = "c.toml") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def manifest(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_run_records_its_settings_and_figures(folder: Path, tmp_path: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, path = tmp_path / "run", config(tmp_path)
    assert call("run", path, "--data", folder, "--out", out, "--trials", log) == 0
    assert f"trials: 1 set of signal settings tried on this data (record 1 of {log})" in capsys.readouterr().out
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    record = json.loads(log.read_text(encoding="utf-8"))
    assert record["command"] == "run"
    assert record["signal"] == json.loads(json.dumps(SignalSettings(min_peers=2, min_listed_sessions=20).to_dict()))
    assert record["data"] == Dataset.open(folder).fingerprint()
    assert record["synthetic"] is True
    assert record["figures"]["icir"] == summary["icir"]
    assert record["figures"]["t"] == summary["verdict"]["orthogonal"]["t_ewc"]
    assert record["figures"]["n_dates"] == summary["verdict"]["orthogonal"]["n_dates"]
    assert manifest(out)["trials"] == {"file": "mine.jsonl", "count": 1, "head": record["hash"], "distinct": 1, "anchors": 0}
    assert str(log.parent) not in (out / "report.html").read_text(encoding="utf-8")
    # the same again, judged otherwise: recorded, but no further trial
    assert call("run", config(tmp_path, PLAIN + "grid_sessions = 10\n"), "--data", folder, "--out", out, "--trials", log) == 0
    assert (manifest(out)["trials"]["count"], manifest(out)["trials"]["distinct"]) == (2, 1)
    # another signal: a further one
    other = config(tmp_path, PLAIN.replace("min_peers = 2", "min_peers = 3"))
    assert call("run", other, "--data", folder, "--out", out, "--trials", log) == 0
    assert (manifest(out)["trials"]["count"], manifest(out)["trials"]["distinct"]) == (3, 2)
    assert TrialLog.open(log).distinct(Dataset.open(folder).fingerprint()) == 2


def test_evaluate_records_file_and_column(folder: Path, tmp_path: Path, log: Path) -> None:
    frame = Dataset.open(folder).frame("bars").select("date", "asset", score="total_cap", other="ret")
    frame.write_parquet(tmp_path / "s.parquet")
    arguments = ["evaluate", tmp_path / "s.parquet", "--data", folder, "--config", config(tmp_path), "--trials", log]
    assert call(*arguments, "--column", "score", "--out", tmp_path / "v.json") == 0
    record = json.loads(log.read_text(encoding="utf-8"))
    assert record["signal"] == {"scores_sha256": file_sha256(tmp_path / "s.parquet"), "column": "score"}
    told = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert told["trials"]["head"] == record["hash"]
    assert record["figures"]["icir"] == told["icir"]
    assert call(*arguments, "--column", "score") == 0
    assert TrialLog.open(log).distinct() == 1
    assert call(*arguments, "--column", "other") == 0
    assert TrialLog.open(log).distinct() == 2
    frame.with_columns(pl.col("score") * 2).write_parquet(tmp_path / "s.parquet")
    assert call(*arguments, "--column", "score") == 0
    assert TrialLog.open(log).distinct() == 3
    assert TrialLog.open(log).trials()["command"].unique().to_list() == ["evaluate"]


def test_a_study_is_one_trial_a_construction(folder: Path, tmp_path: Path, log: Path) -> None:
    path = config(
        tmp_path,
        CONFIG.replace("[0, 30]", "[30]").replace('[2, "leaf"]', "[2]").replace("block_sessions", "placebos = false\nblock_sessions"),
    )
    out = tmp_path / "study"
    assert call("study", "--data", folder, "--config", path, "--out", out, "--trials", log) == 0
    trials = TrialLog.open(log).trials()
    signals = [json.loads(each) for each in trials["signal"]]
    assert trials["command"].to_list() == ["study", "study"]
    assert [each["construction"] for each in signals] == ["R", "S"]
    assert "residual_base" not in signals[0]
    assert signals[1]["residual_base"] == {"kind": "own", "names": ["c0", "c1", "c2", "c3"], "file_sha256": None}
    figures = json.loads((out / "study.json").read_text(encoding="utf-8"))["constructions"]
    assert trials["icir"].to_list() == [figures[name]["verdict"]["icir"] for name in ("R", "S")]
    assert manifest(out)["trials"] == {"file": "mine.jsonl", "count": 2, "head": TrialLog.open(log).head, "distinct": 2, "anchors": 0}
    # the same settings by `run` are the same trial as R
    assert call("run", config(tmp_path, PLAIN, name="p.toml"), "--data", folder, "--out", tmp_path / "r", "--trials", log) == 0
    assert manifest(tmp_path / "r")["trials"]["distinct"] == 2


def test_none_writes_none_and_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["run", config(tmp_path), "--data", folder, "--out", tmp_path / "run"]
    assert call(*arguments, "--trials", "none") == 0
    assert "trials: not logged" in capsys.readouterr().out
    assert manifest(tmp_path / "run")["trials"] == "not logged"
    assert "not logged" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c.toml", "run"]
    assert call("trials", "--verify", tmp_path / "run") == 2
    assert "says that the run was not logged: there is nothing to verify" in capsys.readouterr().err


def test_where_the_log_lies(monkeypatch: pytest.MonkeyPatch, own_trials: Path) -> None:
    assert log_place(None) == own_trials  # tests never write to the home of the user
    assert log_place("x.jsonl") == Path("x.jsonl")
    assert log_place("none") is None
    monkeypatch.setenv("PUREPLAY_TRIALS", "none")
    assert log_place(None) is None
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("USERPROFILE", "/nowhere")
    monkeypatch.setenv("PUREPLAY_TRIALS", "")
    assert log_place(None) == Path("/nowhere/.pureplay/trials.jsonl")
    assert log_place("~/t") == Path("/nowhere/t")
    monkeypatch.setattr(Path, "expanduser", lambda _: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(SettingError, match="there is no home folder"):
        log_place(None)


@pytest.mark.parametrize("command", ["run", "evaluate", "study", "battery", "portfolio"])
def test_a_log_that_cannot_be_kept_stops_a_command_at_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    work = ("pipeline.run_momentum", "pipeline.forward_returns", "studies.run_study", "portfolio.run_portfolios")
    for name in work:
        monkeypatch.setattr(f"pureplay.apps.{name}", lambda *_, **__: pytest.fail("too late"))
    path, out = config(tmp_path), tmp_path / "out"
    (tmp_path / "s.csv").write_text("date,asset,score\n2025-01-02,600519.SH,1\n", encoding="utf-8")
    first: list[Any] = {"run": [path], "evaluate": [tmp_path / "s.csv"]}.get(command, [])
    rest = [] if command == "evaluate" else ["--out", out]
    (tmp_path / "link").symlink_to(tmp_path / "s.csv")
    wrong = [
        (tmp_path, "is a folder"),
        (tmp_path / "link", "is a link"),
        (tmp_path / "s.csv", "was altered: line 1 is not JSON"),
        (path / "x", "which is a file"),
    ]
    if rest:
        wrong.append((out / "deep" / "t.jsonl", "lies inside --out"))
    for place, message in wrong:
        assert call(command, *first, "--data", folder, *rest, "--trials", place) == 2
        said = capsys.readouterr().err
        assert message in said.replace("\n", " "), said
        assert "Traceback" not in said
    assert not out.exists()


@pytest.mark.parametrize("end", ["", ".head", ".lock"])
@pytest.mark.parametrize("command", ["evaluate", "signal", "run", "study", "portfolio", "synthetic"])
def test_no_command_writes_over_a_log(
    folder: Path,
    tmp_path: Path,
    log: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    own_trials: Path,
    command: str,
    end: str,
) -> None:
    for name in ("pipeline.run_momentum", "pipeline.forward_returns", "pipeline.load_market", "studies.run_study", "pipeline.write_market"):
        monkeypatch.setattr(f"pureplay.apps.{name}", lambda *_, **__: pytest.fail("too late"))
    monkeypatch.setattr("pureplay.apps.portfolio.run_portfolios", lambda *_, **__: pytest.fail("too late"))
    (tmp_path / "s.csv").write_text("date,asset,score\n2025-01-02,600519.SH,1\n", encoding="utf-8")
    first: list[Any] = {"run": [config(tmp_path)], "evaluate": [tmp_path / "s.csv"]}.get(command, [])
    first += [] if command == "synthetic" else ["--data", folder]
    for made in (log, own_trials):
        monkeypatch.setenv("PUREPLAY_TRIALS", str(made))
        if made == log:
            TrialLog.open(log).append(time=NOON, command="run", signal={}, data={"bars": "a" * 64}, figures={})
        before = {each: each.read_bytes() for each in made.parent.glob(f"{made.name}*")}
        assert call(command, *first, "--out", f"{made}{end}") == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "would take the place of the log of trials" in said or "is a file" in said, said
        assert {each: each.read_bytes() for each in made.parent.glob(f"{made.name}*")} == before
        monkeypatch.setenv("PUREPLAY_TRIALS", "none")
        if made == log:  # a log that is known by its head file alone
            assert call(command, *first, "--out", f"{made}{end}") == 2
            assert {each: each.read_bytes() for each in made.parent.glob(f"{made.name}*")} == before


def test_the_business_mix_is_the_same_trial_as_a_run_of_its_settings(folder: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from types import SimpleNamespace

    from pureplay.apps.business_mix import _record
    from pureplay.apps.trials import Logbook
    from pureplay.signals.presets import preset

    data, settings = Dataset.open(folder), preset("business_mix")
    book = Logbook.open(str(log), clock=lambda: NOON)
    book.record("run", settings.to_dict(), data, {"icir": 0.1}, {})
    rows = pl.DataFrame({"measure": ["composite"], "source": ["products"], "window_sessions": [20], "icir": [0.4321], "ic_t": [2.5]})
    made: Any = SimpleNamespace(rows=rows, sector_scheme=None, evaluation={})
    _record(made, settings, data, book)
    assert TrialLog.open(log).distinct() == 1
    made.sector_scheme = "l1"
    _record(made, settings, data, book)
    assert TrialLog.open(log).distinct() == 2
    assert json.loads(log.read_text(encoding="utf-8").splitlines()[1])["figures"] == {"raw_icir": 0.4321, "raw_t": 2.5}
    assert call("trials", "--trials", log) == 0
    text = capsys.readouterr().out
    assert "+0.432 raw" in text
    assert "+2.50 raw" in text


@pytest.fixture
def told(folder: Path, tmp_path: Path, log: Path) -> Path:
    """A log of one run, one of other settings, and one on other data."""
    book = TrialLog.open(log)
    assert call("run", config(tmp_path), "--data", folder, "--out", tmp_path / "run", "--trials", log) == 0
    made = json.loads(log.read_text(encoding="utf-8"))
    settings = {**SignalSettings().to_dict(), "purity": 0.6, "fallback": ("parent",)}
    book.append(time=NOON, command="run", signal=settings, data=made["data"], figures={"icir": -0.1234, "t": 1.5})
    book.append(time=NOON, command="study", signal=SignalSettings().to_dict(), data={"bars": "f" * 64}, figures={})
    return log


def test_the_table_names_what_differs_and_stays_whole_in_a_pipe(folder: Path, told: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("trials", "--trials", told, "--data", folder) == 0
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if re.match(r"│ [0-9]", line)]
    assert len(rows) == 3
    record = json.loads(told.read_text(encoding="utf-8").splitlines()[1])
    for part in (
        "2026-03-02 12:00",
        "run",
        record["signal_digest"][:8],
        "purity 0.6",
        'fallback ["parent"]',
        record["data_digest"][:8],
        "-0.123",
        "+1.50",
    ):
        assert part in rows[1]
    assert "min_peers 2, min_listed_sessions 20" in rows[0]
    assert "synthetic" in rows[0]
    assert "nothing" in rows[2]
    assert "synthetic" not in rows[2]
    assert f"3 recorded, 3 distinct (signal settings × data); head {TrialLog.open(told).head}" in text
    assert f"2 distinct signal settings tried on {folder}" in text


def test_a_manifest_is_verified_against_the_log(told: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    capsys.readouterr()
    assert call("trials", "--trials", told, "--verify", run) == 0
    assert "agrees with record 1" in capsys.readouterr().out
    good = manifest(run)
    for change, message in (
        ({"head": "e" * 64}, "is in no line of"),
        ({"count": 2}, "it names 2 trials, the log has 1 up to there"),
        ({"head": TrialLog.open(told).head, "count": 3}, "the data differ"),
        ({"distinct": 7}, "it names 7 distinct ones on the data, the log has 1"),
        ({"anchors": 2}, "it names 2 accepted alterations, the log has 0"),
    ):
        (run / "manifest.json").write_text(json.dumps({**good, "trials": {**good["trials"], **change}}), encoding="utf-8")
        assert call("trials", "--trials", told, "--verify", run) == 2
        assert message in capsys.readouterr().err
    for part, name in (("signal", "min_peers"), ("evaluation", "horizon_sessions")):
        config = {**good["config"], part: {**good["config"][part], name: 9}}
        (run / "manifest.json").write_text(json.dumps({**good, "config": config}), encoding="utf-8")
        assert call("trials", "--trials", told, "--verify", run) == 2
        assert f"the {part} settings differ" in capsys.readouterr().err
    # the record itself edited, then the log accepted
    (run / "manifest.json").write_text(json.dumps(good), encoding="utf-8")
    whole, end = told.read_bytes(), head_path(told).read_bytes()
    told.write_bytes(whole.replace(b'"min_peers":2', b'"min_peers":7', 1))
    assert call("trials", "--trials", told, "--accept") == 0
    assert call("trials", "--trials", told, "--verify", run) == 2
    assert "the record was altered" in capsys.readouterr().err
    # a later one edited
    told.write_bytes(whole.replace(b"-0.1234", b" 0.1234", 1))
    head_path(told).write_bytes(end)
    assert call("trials", "--trials", told, "--accept") == 0
    capsys.readouterr()
    assert call("trials", "--trials", told, "--verify", run) == 0
    assert "the log was accepted as altered 1 times since" in capsys.readouterr().out
    for content in ("{", "[]", "{}", '{"trials": {}, "data": []}', "[" * 200_000):
        (run / "manifest.json").write_text(content, encoding="utf-8")
        assert call("trials", "--trials", told, "--verify", run) == 2
        assert "give --verify the folder of a run" in capsys.readouterr().err
    assert call("trials", "--trials", told, "--verify", tmp_path / "absent") == 2


def test_an_altered_log_is_told_accepted_and_marked(told: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told.write_bytes(told.read_bytes().replace(b"-0.1234", b"+9.9999".replace(b"+", b" ")))
    assert call("trials", "--trials", told) == 2
    assert "line 2 says the hash" in capsys.readouterr().err
    assert call("trials", "--trials", told, "--accept") == 0
    text = capsys.readouterr().out
    assert "accepted, and recorded in" in text
    assert "2 edited" in text
    assert "the log was accepted although line 2 says the hash" in text
    assert call("trials", "--trials", told, "--accept") == 0
    assert "there is nothing to accept" in capsys.readouterr().out
    assert call("trials", "--trials", told) == 0
    assert "the log was accepted although line 2" in capsys.readouterr().out
    head_path(told).unlink()
    assert call("trials", "--trials", told) == 2
    assert "head is absent" in capsys.readouterr().err


def test_a_log_that_is_not_there_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("trials", "--trials", tmp_path / "t.jsonl") == 0
    assert "0 recorded, 0 distinct" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert call("trials", "--trials", "none") == 2
    assert "there is no log to show" in capsys.readouterr().err
    assert call("trials", "--trials", "none", "--accept") == 2


def test_settings_in_words() -> None:
    plain = json.loads(json.dumps(SignalSettings().to_dict()))
    assert in_words(plain) == "nothing"
    assert in_words({**plain, "level": "leaf", "new": 1}) == 'level "leaf", new 1'
    assert in_words({name: value for name, value in plain.items() if name != "purity"}) == "without purity"
    assert in_words({"scores_sha256": "ab" * 32, "column": "产品"}) == "scores abababab, column 产品"
    assert digest_of(SignalSettings().to_dict()) == digest_of(plain)
