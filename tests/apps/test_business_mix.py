"""`pureplay study --preset business_mix` as a user runs it: folder, figures, configuration, refusals."""

import json
from pathlib import Path

import polars as pl
import pytest

from pureplay.dataset import file_sha256
from pureplay.studies.business_mix_records import ROW_SCHEMA
from tests.apps.test_study_commands import call
from tests.studies import small

CONFIG = """
name = "mix"
[signal]
min_peers = 2
min_listed_sessions = 20
[evaluation]
shuffles = 1
null_draws = 20
min_typical_names = 20
[study]
purities = [0.5]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.dataset(tmp_path_factory.mktemp("mix") / "data", sessions=160)


def config(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "mix.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_study_of_the_preset_leaves_a_sealed_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, chosen = tmp_path / "out", config(tmp_path)
    assert call("study", "--preset", "business_mix", "--sector-neutral", "--data", folder, "--config", chosen, "--out", out) == 0
    tables = {"rows.parquet", "thresholds.parquet", "correlations.parquet", "coverage.parquet"}
    assert {path.name for path in out.iterdir()} == {*tables, "business_mix.json", "business_mix.html", "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == "run"
    assert manifest["files"] == {path.name: file_sha256(path) for path in out.iterdir() if path.name != "manifest.json"}
    assert manifest["config"]["signal"]["min_peers"] == 2
    assert manifest["config"]["signal"]["purity"] == 0.8
    assert manifest["config"]["sector_scheme"] == "syn_l1"
    figures = json.loads((out / "business_mix.json").read_text(encoding="utf-8"))
    assert figures["changed"] == {"min_peers": 2, "min_listed_sessions": 20}
    assert figures["published"]["composite ICIR"] == "+1.17"
    assert [row["purity"] for row in figures["thresholds"]] == [0.5, 0.8]
    assert pl.read_parquet(out / "rows.parquet").schema == pl.Schema(ROW_SCHEMA)
    said = capsys.readouterr().out
    for wanted in ("+9.29 %", "composite, ICIR", "revenue answered by", "shuffles of [evaluation] had no effect", "business_mix.html"):
        assert wanted in said
    assert call("study", "--preset", "business_mix", "--data", folder, "--config", chosen, "--out", out) == 0  # a run is replaced
    again = json.loads((out / "business_mix.json").read_text(encoding="utf-8"))
    assert again["sector_scheme"] is None
    assert again["rows"][0]["icir"] != figures["rows"][0]["icir"]


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (("--preset", "buisness_mix"), CONFIG, "is it business_mix? known are business_mix"),
        (("--preset", "business_mix", "--cluster", "tcp://127.0.0.1:1"), CONFIG, "--cluster has no use with --preset business_mix"),
        (("--preset", "business_mix", "--factors", "f.csv", "--families", "g.toml"), CONFIG, "--factors, --families has no use"),
        (("--sector-neutral",), CONFIG, "--sector-neutral goes with --preset business_mix"),
        (("--preset", "business_mix"), "[signal]\nwindow_sessions = 40\n", "window_sessions of [signal] has no use with the preset"),
    ],
)
def test_what_has_no_use_is_refused(
    arguments: tuple[str, ...], text: str, said: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call("study", *arguments, "--data", folder, "--config", config(tmp_path, text), "--out", out) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_a_preset_needs_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("study", "--preset", "business_mix", "--out", tmp_path / "out") == 2
    assert "there is no data: pass --data FOLDER" in " ".join(capsys.readouterr().err.split())
