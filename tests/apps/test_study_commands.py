"""`pureplay study` and `pureplay battery` as a user runs them: folders, figures, kills, stacks of one's own, refusals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.apps import cli, console
from pureplay.apps.config import read_config
from pureplay.dataset import Dataset, file_sha256
from pureplay.errors import SettingError
from pureplay.evaluate import forward_returns, orthogonal_icir
from pureplay.evaluate.summary import Timing
from pureplay.signals import product_momentum
from pureplay.studies.units import UnitStore
from tests.studies import small

CONFIG = """
name = "small"
[signal]
min_peers = 2
min_listed_sessions = 20
[evaluation]
horizons_sessions = [5]
shuffles = 1
null_draws = 20
min_typical_names = 20
seed = 3
[battery]
noise_levels = [0.0, 1.0]
noise_seeds = 1
random_orders = 0
without = ["c1"]
[study]
base = "own"
buffers_days = [0, 30]
purities = []
min_peers = []
levels = [2, "leaf"]
block_sessions = 40
"""
BATTERY_FILES = {"battery.json", "battery.html", "battery.parquet", "cells.parquet", "headline.parquet", "manifest.json"}
COMMAND = [sys.executable, "-m", "pureplay"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.dataset(tmp_path_factory.mktemp("commands") / "data", sessions=120)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def call(*arguments: object) -> int:
    """The command line in this process; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pureplay", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


@pytest.fixture(scope="module")
def whole(folder: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "study"
    assert call("study", "--data", folder, "--config", config, "--out", out) == 0
    return out


@pytest.fixture(scope="module")
def battery(folder: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("battery") / "run"
    assert call("battery", "--data", folder, "--config", config, "--out", out) == 0
    return out


def contents(out: Path, page: str = "battery") -> dict[str, Any]:
    """Everything of a run but the time that it took."""
    figures = json.loads((out / f"{page}.json").read_text(encoding="utf-8"))
    figures.pop("seconds")
    figures.pop("trials")  # how often these settings were tried before
    tables = {path.name: pl.read_parquet(path).to_dicts() for path in sorted(out.glob("*.parquet"))}
    return json.loads(json.dumps({"figures": figures, **tables}, default=str))  # type: ignore[no-any-return]


# ---------------------------------------------------------------- folders


def no_constants(name: str) -> None:
    pytest.fail(f"{name} is no JSON")


def test_a_study_leaves_a_sealed_folder(whole: Path, folder: Path) -> None:
    assert {path.name for path in whole.iterdir()} == (BATTERY_FILES - {"battery.json", "battery.html"}) | {
        "study.json",
        "study.html",
        "residualisation_S.parquet",
    }
    assert list(whole.parent.iterdir()) == [whole]  # the folder of pieces is gone
    manifest = json.loads((whole / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == "run"
    assert manifest["files"] == {path.name: file_sha256(path) for path in whole.iterdir() if path.name != "manifest.json"}
    assert manifest["data"]["data"]["sha256"] == Dataset.open(folder).fingerprint()
    assert manifest["config"]["battery"]["without"] == ["c1"]
    assert manifest["config"]["study"]["levels"] == [2, "leaf"]
    assert manifest["config"]["files"] == {}
    figures = json.loads((whole / "study.json").read_text(encoding="utf-8"), parse_constant=no_constants)
    assert set(figures["constructions"]) == {"R", "S"}
    assert len(figures["headline"]) == 24
    one = figures["constructions"]["R"]
    for row in [*one["figures"], *one["cells"], *figures["headline"]]:
        for name, value in row.items():
            if name in ("icir", "n_dates", "n_offsets", "n", "value", "horizon_sessions", "x"):
                assert value is None or isinstance(value, int | float), (name, value)  # numbers, not texts of numbers
    tables = pl.read_parquet(whole / "battery.parquet")
    assert tables.filter(construction="S")["icir"].to_list() == [row["icir"] for row in figures["constructions"]["S"]["figures"]]
    assert set(pl.read_parquet(whole / "cells.parquet")["construction"]) == {"R", "S"}
    assert "small" in (whole / "study.html").read_text(encoding="utf-8")


def test_a_battery_is_that_part_of_the_study(battery: Path, whole: Path, folder: Path, config: Path, tmp_path: Path) -> None:
    assert {path.name for path in battery.iterdir()} == BATTERY_FILES
    assert call("battery", "--data", folder, "--config", config, "--out", tmp_path / "s", "--construction", "S") == 0
    for out, construction in ((battery, "R"), (tmp_path / "s", "S")):
        for name in ("battery", "cells", "headline"):
            mine, both = pl.read_parquet(out / f"{name}.parquet"), pl.read_parquet(whole / f"{name}.parquet")
            assert mine.equals(both.filter(construction=construction), null_equal=True)


def test_a_second_run_replaces_the_folder(battery: Path, folder: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert call("study", "--data", folder, "--config", config, "--out", out) == 0
    assert call("battery", "--data", folder, "--config", config, "--out", out) == 0
    assert {path.name for path in out.iterdir()} == BATTERY_FILES
    assert contents(out) == contents(battery)
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    assert call("battery", "--data", folder, "--config", config, "--out", out) == 2
    assert (out / "mine.txt").exists()


def test_the_data_of_the_configuration_serve_too(battery: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f'data = "{folder.as_posix()}"\n' + CONFIG.replace('name = "small"', 'name = "small"'), encoding="utf-8")
    assert call("battery", "--config", path, "--out", tmp_path / "run", "--workers", 2) == 0
    assert contents(tmp_path / "run") == contents(battery)
    printed = capsys.readouterr().out
    assert "Construction R, base of 4 factors (own)" in printed
    assert "+0.352" in printed
    assert "battery.html" in printed


def test_a_construction_without_an_answer_is_written_and_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "strict.toml"
    path.write_text(CONFIG.replace("min_typical_names = 20", "min_typical_names = 9999"), encoding="utf-8")
    assert call("study", "--data", folder, "--config", path, "--out", tmp_path / "run") == 0
    assert "Construction S is not evaluable" in capsys.readouterr().out
    figures = json.loads((tmp_path / "run" / "study.json").read_text(encoding="utf-8"), parse_constant=no_constants)
    assert figures["constructions"]["R"]["verdict"] is None
    table = pl.read_parquet(tmp_path / "run" / "battery.parquet")
    assert table.height == 0
    assert {"icir", "construction"} <= set(table.columns)


def test_settings_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(CONFIG, encoding="utf-8")
    made = read_config(path)
    assert made.study.levels == (2, "leaf")
    assert made.battery.without == ("c1",)
    for text, message in (
        ("[study]\nbaze = 'own'", r"\[study\] has the unknown key 'baze': is it base\?"),
        ("[study]\nbase = 'all'", r"\[study\]: base"),
        ("[study]\nplacebos = 3", r"\[study\]: placebos"),
        ("[study]\nblock_sessions = true", r"\[study\]: block_sessions must be a whole number, not true"),
        ("[study]\nbuffers_days = [-3]", r"\[study\]: buffers_days: buffer_days must be at least 0"),
        ("[battery]\nnoise_levels = [2.0]", r"\[battery\]: noise_levels must be a tuple of finite numbers from 0 to 1"),
        ("[batery]\nseed = 1", r"has the unknown key 'batery': is it battery\?"),
        ("battery = 3", r"\[battery\] must be a table of settings"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingError, match=message):
            read_config(path)


# ---------------------------------------------------------------- refusals


def test_places_that_are_refused(folder: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    for out, message in ((folder, "is the dataset"), (folder / "run", "lies inside the dataset"), (folder.parent, "holds the dataset")):
        assert call("battery", "--data", folder, "--config", config, "--out", out) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(folder.rglob("*")) == before
    assert not list(folder.parent.glob(".*"))  # nor a folder of pieces beside it


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--construction", "Q"], "--construction must be R or S, not 'Q'"),
        (["--workers", "0"], "workers is 0, not a number of threads"),
        (["--factors", "absent.parquet"], "absent.parquet"),
        (["--families", "absent.toml"], "absent.toml"),
        (["--config", "absent.toml"], "there is no configuration absent.toml"),
        (["--cluster", "localhost"], "give the address of a dask scheduler"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_exit_code_2(
    folder: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    given = ["--data", folder, *([] if "--config" in arguments else ["--config", config]), "--out", tmp_path / "run"]
    assert call("battery", *given, *arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error:")
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_without_data_the_remedy_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("study", "--out", tmp_path / "run") == 2
    assert "there is no data: pass --data FOLDER" in capsys.readouterr().err


def test_a_second_run_into_the_same_folder_at_once_is_refused(
    folder: Path, config: Path, battery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with UnitStore(tmp_path / ".run.work", {"another": "run"}):
        assert call("battery", "--data", folder, "--config", config, "--out", out) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "another process is writing" in said
        assert "wait for it, or choose another folder" in said
        assert not out.exists()
    assert call("battery", "--data", folder, "--config", config, "--out", out) == 0
    assert contents(out) == contents(battery)


def test_pieces_that_another_run_has_taken_up_are_not_removed(tmp_path: Path) -> None:
    from pureplay.apps.studies import _remove

    with UnitStore(tmp_path / "work", {"a": 1}):
        _remove(tmp_path / "work")
        assert (tmp_path / "work").is_dir()
    _remove(tmp_path / "work")
    assert not (tmp_path / "work").exists()
    _remove(tmp_path / "work")


# ---------------------------------------------------------------- kills


def start(folder: Path, config: Path, out: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*COMMAND, "battery", "--data", str(folder), "--config", str(config), "--out", str(out)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_at_ten_random_moments_it_gives_what_an_uninterrupted_run_gives(
    folder: Path, config: Path, battery: Path, tmp_path: Path
) -> None:
    """Half of the moments count from the start of the process, half from the first of its pieces."""
    rng = np.random.default_rng(11)
    out, work = tmp_path / "run", tmp_path / ".run.work"
    began = time.monotonic()
    first = start(folder, config, tmp_path / "plain")
    _, said = first.communicate(timeout=300)
    assert first.returncode == 0, said
    length = time.monotonic() - began
    assert contents(tmp_path / "plain") == contents(battery)
    kept, kills = [], 0
    for number in range(40):
        if kills == 10:
            break
        process = start(folder, config, out)
        before = len(list(work.glob("*.unit")))
        if number % 2:
            until = time.monotonic() + 300
            while process.poll() is None and len(list(work.glob("*.unit"))) == before and time.monotonic() < until:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.03))
        else:
            time.sleep(rng.uniform(0.2, 0.8) * length)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        _, said = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL), said
        kept.append(len(list(work.glob("*.unit"))))
        if process.returncode == 0:  # it ended before its moment: from the beginning once more
            assert contents(out) == contents(battery)
    assert kills == 10
    assert max(kept) > 3  # some kills fell into the battery itself
    last = start(folder, config, out)
    _, said = last.communicate(timeout=300)
    assert last.returncode == 0, said
    assert contents(out) == contents(battery)
    assert not work.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith((".new", ".old"))]


# ---------------------------------------------------------------- stacks of one's own


def stack(folder: Path, columns: int) -> pl.DataFrame:
    keys = Dataset.open(folder).frame("bars", ["date", "asset"]).with_columns(pl.col("asset").cast(pl.String)).sort("date", "asset")
    rng = np.random.default_rng(columns)
    values = rng.normal(size=(columns, keys.height)).round(6)
    return keys.with_columns(**{f"f{k:02d}": pl.Series(values[k]) for k in range(columns)})


STACKS = [
    (3, "wide", "parquet", None),
    (3, "long", "csv", "toml"),
    (12, "wide", "csv", "csv"),
    (12, "long", "parquet", None),
    (22, "wide", "parquet", "toml"),
    (22, "long", "csv", None),
    (50, "wide", "csv", None),
    (50, "long", "parquet", "csv"),
]


@pytest.mark.parametrize(("columns", "layout", "kind", "families"), STACKS)
def test_a_stack_of_ones_own(folder: Path, tmp_path: Path, columns: int, layout: str, kind: str, families: str | None) -> None:
    wide = stack(folder, columns)
    frame = wide if layout == "wide" else wide.unpivot(index=["date", "asset"], variable_name="factor", value_name="value")
    path = tmp_path / f"own.{kind}"
    frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
    given = ["--factors", path]
    names = wide.columns[2:]
    held = {name: f"family {k % 3}" for k, name in enumerate(names)}
    if families == "toml":
        (tmp_path / "own.toml").write_text("".join(f'{name} = "{each}"\n' for name, each in held.items()), encoding="utf-8")
    elif families == "csv":
        (tmp_path / "families.csv").write_text("factor,family\n" + "".join(f"{n},{each}\n" for n, each in held.items()), encoding="utf-8")
    if families:
        given += ["--families", tmp_path / ("own.toml" if families == "toml" else "families.csv")]
    config = tmp_path / "c.toml"
    light = CONFIG.replace("buffers_days = [0, 30]", "buffers_days = []\nplacebos = false").replace('levels = [2, "leaf"]', "levels = []")
    config.write_text(light.replace("shuffles = 1", "shuffles = 0"), encoding="utf-8")
    out = tmp_path / "run"
    assert call("battery", "--data", folder, "--config", config, "--out", out, *given) == 0
    figures = json.loads((out / "battery.json").read_text(encoding="utf-8"))
    assert figures["base"]["names"] == names
    assert figures["base"]["kind"] == "own"
    table = pl.read_parquet(out / "battery.parquet").filter(horizon_sessions=20, period="all")
    drops = table.filter(group="family drop")
    assert drops["label"].to_list() == [f"without {each}" for each in dict.fromkeys(held.values() if families else names)]
    assert table.filter(group="base count")["x"].to_list() == list(range(min(5, columns), columns + 1))
    data = Dataset.open(folder)
    settings = {name: value for name, value in read_config(config).signal.to_dict().items() if name != "construction"}
    wanted = orthogonal_icir(
        product_momentum(data, **settings),
        forward_returns(data, sessions=20),
        wide,
        column="composite",
        timing=Timing(null_draws=0),
        calendar="XSHG",
    )
    assert small.close(table.filter(group="full")["icir"][0], wanted.icir)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["config"]["files"]["factors"] == {"file": path.name, "sha256": file_sha256(path)}
    assert ("families" in manifest["config"]["files"]) == (families is not None)


def test_files_of_one_name_are_both_in_the_manifest(folder: Path, config: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    stack(folder, 3).write_csv(tmp_path / "a" / "own.csv")
    (tmp_path / "b" / "own.csv").write_text("factor,family\nf00,x\n", encoding="utf-8")
    given = ["--factors", tmp_path / "a" / "own.csv", "--families", tmp_path / "b" / "own.csv"]
    path = tmp_path / "c.toml"
    path.write_text(config.read_text(encoding="utf-8").replace('without = ["c1"]', 'without = ["f01"]'), encoding="utf-8")
    assert call("battery", "--data", folder, "--config", path, "--out", tmp_path / "run", *given) == 0
    files = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))["config"]["files"]
    assert {use: each["file"] for use, each in files.items()} == {"factors": "own.csv", "families": "own.csv"}
    assert files["factors"]["sha256"] != files["families"]["sha256"]


def test_a_construction_in_the_signal_section_is_refused(folder: Path, config: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(config.read_text(encoding="utf-8").replace("[signal]", '[signal]\nconstruction = "S"'), encoding="utf-8")
    for page in ("study", "battery"):
        done = subprocess.run(
            [*COMMAND, page, "--data", str(folder), "--config", str(wrong), "--out", str(tmp_path / page)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "construction has no use" in done.stderr
        assert not (tmp_path / page).exists()


def test_settings_without_effect_and_narrow_factors_are_told(folder: Path, config: Path, tmp_path: Path) -> None:
    written = config.read_text(encoding="utf-8").replace("[evaluation]", "[evaluation]\nquantiles = 4")
    told = tmp_path / "told.toml"
    told.write_text(written, encoding="utf-8")
    stack = Dataset.open(folder).frame("factors")
    late = stack["date"].unique().sort()[-40]
    stack = stack.with_columns(c0=pl.when(pl.col("date") >= late).then(pl.col("c0")))
    stack.write_parquet(tmp_path / "stack.parquet")
    command = [*COMMAND, "battery", "--data", str(folder), "--config", str(told), "--out", str(tmp_path / "run")]
    done = subprocess.run([*command, "--factors", str(tmp_path / "stack.parquet")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    notes = json.loads((tmp_path / "run" / "battery.json").read_text(encoding="utf-8"))["notes"]
    assert any(note.startswith("quantiles of [evaluation] had no effect") for note in notes)
    assert any("c0 (40 dates)" in note for note in notes)


def test_a_long_run_without_a_terminal_says_that_it_lives(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "_SILENCE_SECONDS", 0.0)
    with console.progress() as say:
        say("R: battery: 3 of 9, about 4 s left")
    assert "R: battery: 3 of 9, about 4 s left" in capsys.readouterr().err
    monkeypatch.setattr(console, "_SILENCE_SECONDS", 60.0)
    with console.progress() as say:
        say("short")
    assert capsys.readouterr().err == ""
