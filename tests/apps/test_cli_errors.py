"""What a user gets wrong at the command line is one message and exit code 2, never a traceback."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pureplay.apps import cli
from pureplay.apps.pipeline import simulate
from pureplay.dataset import Dataset

PLAIN = "[evaluation]\nmin_typical_names = 20\nnull_draws = 0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("errors") / "data"
    simulate(out, settings={"stocks": 120, "sessions": 200, "seed": 4}, progress=lambda done, total: None)
    return out


@pytest.fixture
def scores(folder: Path, tmp_path: Path) -> Path:
    """Any score at all: the size of the day."""
    Dataset.open(folder).frame("bars").select("date", "asset", score="total_cap").write_parquet(tmp_path / "s.parquet")
    return tmp_path / "s.parquet"


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """The one message of a command that is refused with exit code 2."""
    monkeypatch.setattr("sys.argv", ["pureplay", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr()
    assert stop.value.code == 2, said
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    return said.err


def config(tmp_path: Path, text: str) -> Path:
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    return tmp_path / "c.toml"


def test_run_into_the_current_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path, PLAIN)
    monkeypatch.chdir(tmp_path)
    assert "not a run of pureplay" in told(capsys, monkeypatch, "run", path, "--data", folder, "--out", ".")
    assert "not a run of pureplay" in told(capsys, monkeypatch, "demo", "--out", folder)
    assert [each.name for each in tmp_path.iterdir()] == ["c.toml"]


def test_a_configuration_that_is_a_folder_or_names_no_text(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "give the path of a TOML file" in told(capsys, monkeypatch, "run", tmp_path, "--data", folder, "--out", tmp_path / "r")
    path = config(tmp_path, "data = 5\n")
    assert "data must be a text" in told(capsys, monkeypatch, "run", path, "--out", tmp_path / "r")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.csv", b"", "cannot be read"),
        ("s.csv", b"date,asset,score\n", ""),
        ("s.csv", b"a;b\n1;2\n", ""),
        ("s.csv", b"\xff\xfe\x00\x01,\n", ""),
        ("s.parquet", b"", "cannot be read"),
        ("s.parquet", b"PAR1 this is none PAR1", "cannot be read"),
        ("s.PARQUET", b"x", "cannot be read"),
        ("s.txt", b"x", "neither .parquet nor .csv"),
        ("s.csv", None, "is not a file"),
    ],
)
def test_scores_that_cannot_be_read(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    if content is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(content)
    assert message in told(capsys, monkeypatch, "evaluate", tmp_path / name, "--data", folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = ["size", "size"]', "base must name every column once, not size twice"),
        ('base = ["siez"]', "base names siez, which is not in the factors; known are "),
        ('base = ["date"]', "base names date, which is not in the factors; known are "),
        ('industry_scheme = "sw"', "industry_scheme 'sw' is not in the dataset; known are syn_l3, syn_l2, syn_l1"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "run"])
def test_names_that_the_dataset_does_not_have(
    folder: Path,
    scores: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    text: str,
    message: str,
) -> None:
    path = config(tmp_path, PLAIN + text + "\n")
    arguments = ["evaluate", scores, "--config", path] if command == "evaluate" else ["run", path, "--out", tmp_path / "r"]
    said = told(capsys, monkeypatch, *arguments, "--data", folder)
    assert message in said
    if "known are" in message and "base" in message:
        assert "size" in said.split("known are")[1]


def test_a_verdict_has_its_place(
    folder: Path, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scores.read_bytes()
    for out, message in ((scores, "is what is being read"), (tmp_path, "is a folder"), (folder / "v.json", "lies inside")):
        assert message in told(capsys, monkeypatch, "evaluate", scores, "--data", folder, "--out", out)
    assert scores.read_bytes() == before
    assert "lies inside" in told(capsys, monkeypatch, "signal", "--data", folder, "--out", folder / "s.parquet")
    assert "lies below" in told(capsys, monkeypatch, "signal", "--data", folder, "--out", scores / "s.parquet")


def test_too_few_scored_names_are_no_verdict(
    folder: Path, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path, PLAIN.replace("20", "500"))
    said = told(capsys, monkeypatch, "evaluate", scores, "--data", folder, "--config", path)
    a_day = np.median(pl.read_parquet(scores).drop_nulls("score").group_by("date").len()["len"].to_numpy())
    assert f"has {a_day:.0f} scored names in the median; a verdict needs 500" in said


def test_settings_that_only_a_run_honours_are_named(
    folder: Path, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(text: str) -> tuple[str, list[str]]:
        arguments = ["evaluate", scores, "--data", folder, "--config", config(tmp_path, text), "--out", tmp_path / "v.json"]
        monkeypatch.setattr("sys.argv", ["pureplay", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
        notes: list[str] = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))["notes"]
        return capsys.readouterr().out, notes

    text, notes = judged(PLAIN + "shuffles = 3\nquantiles = 5\nuniverses = false\nhorizons_sessions = [5]\n")
    note = "horizons_sessions, universes, shuffles, quantiles of [evaluation] had no effect"
    assert note in text
    assert any(each.startswith(note) for each in notes)
    text, notes = judged(PLAIN)
    assert "had no effect" not in text
    assert not any("had no effect" in each for each in notes)
