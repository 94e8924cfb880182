"""Every command as a user runs it, on a small synthetic dataset."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pureplay.apps import cli
from pureplay.apps.config import read_config
from pureplay.dataset import Dataset, file_sha256
from pureplay.errors import SettingError

runner = CliRunner()

CONFIG = """
name = "small"
[signal]
min_peers = 3
stale_months = "none"
[evaluation]
shuffles = 2
null_draws = 30
horizons_sessions = [5, 20]
min_typical_names = 20
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "data"
    result = runner.invoke(
        cli.app, ["synthetic", "--out", str(out), "--stocks", "120", "--sessions", "260", "--seed", "4"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    assert "synthetic" in result.output
    return out


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_run_writes_everything_and_names_what_made_it(folder: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = runner.invoke(cli.app, ["run", str(config), "--data", str(folder), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "small (synthetic data)" in result.output
    assert {path.name for path in out.iterdir()} == {"summary.json", "scores.parquet", "ic_daily.parquet", "manifest.json", "report.html"}
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["synthetic"] is True
    scores = pl.read_parquet(out / "scores.parquet")
    assert scores["composite"].is_not_null().sum() == summary["coverage"]["scored_rows"]
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    stored = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["data"]["data"]["sha256"] == {name: record["sha256"] for name, record in stored["tables"].items()}
    assert manifest["kind"] == "run"
    assert set(manifest["files"]) == {path.name for path in out.iterdir()} - {"manifest.json"}
    assert manifest["config"]["signal"]["min_peers"] == 3
    assert manifest["versions"]["pureplay"]
    assert manifest["files"]["scores.parquet"] == file_sha256(out / "scores.parquet")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "ynthetic" in page
    daily = pl.read_parquet(out / "ic_daily.parquet")
    assert {"run", "figure", "date", "offset", "ic", "names", "reason"} <= set(daily.columns)


def test_signal_and_evaluate_agree_with_run(folder: Path, config: Path, tmp_path: Path) -> None:
    scores, verdict = tmp_path / "s.parquet", tmp_path / "v.json"
    runner.invoke(cli.app, ["signal", "--data", str(folder), "--config", str(config), "--out", str(scores)], catch_exceptions=False)
    result = runner.invoke(
        cli.app, ["evaluate", str(scores), "--data", str(folder), "--config", str(config), "--out", str(verdict)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    runner.invoke(cli.app, ["run", str(config), "--data", str(folder), "--out", str(tmp_path / "r")], catch_exceptions=False)
    whole = json.loads((tmp_path / "r" / "summary.json").read_text(encoding="utf-8"))
    alone = json.loads(verdict.read_text(encoding="utf-8"))
    assert alone["icir"] == pytest.approx(whole["icir"], abs=1e-12)
    assert alone["nested_t"] == pytest.approx(whole["nested_t"], abs=1e-9)
    csv = tmp_path / "s.csv"
    pl.read_parquet(scores).with_columns(pl.col("asset").cast(pl.String)).select("date", "asset", "composite").write_csv(csv)
    again = runner.invoke(
        cli.app, ["evaluate", str(csv), "--data", str(folder), "--config", str(config), "--out", str(verdict)], catch_exceptions=False
    )
    assert again.exit_code == 0
    assert json.loads(verdict.read_text(encoding="utf-8"))["icir"] == pytest.approx(whole["icir"], abs=1e-12)


def test_explain_prints_the_score(folder: Path, config: Path) -> None:
    from pureplay.signals import product_momentum

    row = product_momentum(Dataset.open(folder), min_peers=3, stale_months=None).drop_nulls("composite").row(-1, named=True)
    result = runner.invoke(
        cli.app, ["explain", row["asset"], str(row["date"]), "--data", str(folder), "--config", str(config)], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert f"composite {row['composite']:.6g}" in result.output
    assert "basket members" in result.output


def test_check_tells_and_sets_the_exit_code(folder: Path, tmp_path: Path) -> None:
    assert runner.invoke(cli.app, ["check", str(folder)]).exit_code == 0
    bad = tmp_path / "bad"
    bad.mkdir()
    bars = Dataset.open(folder).frame("bars")
    bars.with_columns(total_cap=pl.when(pl.int_range(pl.len()) == 5).then(-1.0).otherwise("total_cap")).write_parquet(bad / "bars.parquet")
    result = runner.invoke(cli.app, ["check", str(bad), "--calendar", "XSHG"])
    assert result.exit_code == 1
    assert "cap_not_positive (1)" in result.output
    assert Dataset.open(bad).calendar == "XSHG"
    bars.with_columns(ret=pl.col("ret") * 100).write_parquet(tmp_path / "bars.parquet")
    refused = runner.invoke(cli.app, ["check", str(tmp_path)])
    assert refused.exit_code == 2
    assert "returns_in_percent" in refused.output


def test_import_makes_a_dataset_and_keeps_what_it_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "bars.csv").write_text(
        "day,code,pct,cap\n2024-01-02,600519,1.5,10\n2024-01-03,600519,abc,10\n2024-01-03,SZ000001,-2,20\n", encoding="utf-8"
    )
    (tmp_path / "map.toml").write_text(
        '[dataset]\nname = "mine"\ncalendar = "XSHG"\n[[table]]\ntable = "bars"\nfiles = ["bars.csv"]\n[table.columns]\ndate = "day"\n'
        'asset = {from = "code", code = "cn"}\nret = {from = "pct", unit = "percent"}\n'
        'total_cap = {from = "cap", unit = "hundred_million"}\n',
        encoding="utf-8",
    )
    out = tmp_path / "data"
    result = runner.invoke(
        cli.app, ["import", "--map", str(tmp_path / "map.toml"), "--source", str(source), "--out", str(out)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    bars = Dataset.open(out).frame("bars")
    assert bars["asset"].to_list() == ["600519.SH", "000001.SZ"]
    assert bars["ret"].to_list() == [0.015, -0.02]
    assert bars["total_cap"].to_list() == [1e9, 2e9]
    assert any("import_bars" in path.name for path in (out / "quarantine").iterdir())
    assert "not_a_number" in (out / "import_report.txt").read_text(encoding="utf-8")


def test_errors_are_one_message_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["pureplay", "signal", "--data", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[signal]\nmin_peer = 3\n", "unknown key 'min_peer': is it min_peers"),
        ("[signal]\nmin_peers = 'three'\n", "min_peers.*not 'three'"),
        ("[signal]\nmin_peers = 0\n", "min_peers must be at least 1, not 0"),
        ("[evaluation]\nquantiles = 1\n", "quantiles must be a whole number of at least 2"),
        ("[signals]\n", "unknown key 'signals': is it signal"),
        ("signal = 3\n", "must be a table of settings"),
        ("[signal\n", "is not TOML"),
        ("data = 5\n", "data must be a text.*not 5"),
        ("name = 5\n", "name must be a text.*not 5"),
        ('data = ""\n', "data must be a text.*not ''"),
        ('[evaluation]\nbase = ["size", "size"]\n', "base must name every column once, not size twice"),
        ("[evaluation]\nseed = -1\n", "seed.*-1"),
        ("[evaluation]\nshuffles = true\n", "shuffles must be a whole number, not true"),
        ("[signal]\nmin_peers = true\n", "min_peers must be a whole number, not true"),
        ("[signal]\nbuffer_days = -3\n", r"^\S+ \[signal\]: buffer_days must be at least 0.*not -3$"),
        ("[signal]\nfallback_scheme = 'l1'\n", "fallback_scheme must be None where fallback has no 'industry', not 'l1'"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=message):
        read_config(path)


def test_a_configuration_that_is_absent_or_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="there is no configuration"):
        read_config(tmp_path / "c.toml")
    with pytest.raises(SettingError, match=r"cannot be read \(Is a directory\): give the path of a TOML file"):
        read_config(tmp_path)


def test_demo_writes_both_markets(tmp_path: Path) -> None:
    sizes = ["--stocks", "400", "--sessions", "300", "--shuffles", "1"]
    log = tmp_path / "trials.jsonl"
    result = runner.invoke(cli.app, ["demo", "--out", str(tmp_path / "d"), *sizes, "--trials", str(log)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["command"] for line in log.read_text(encoding="utf-8").splitlines()] == ["demo", "demo"]
    summary = json.loads((tmp_path / "d" / "summary.json").read_text(encoding="utf-8"))
    assert summary["synthetic"] is True
    assert {"icir", "nested_t"} <= set(summary["planted"])
    assert summary["planted"]["icir"] != summary["placebo"]["icir"]
    assert "Synthetic data" in result.output


@pytest.mark.slow
def test_the_demo_finds_what_it_planted_and_nothing_in_the_placebo(tmp_path: Path) -> None:
    """The demo as it is shipped, but for the shuffles, which do not move these figures."""
    result = runner.invoke(cli.app, ["demo", "--out", str(tmp_path / "d"), "--shuffles", "0"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "d" / "summary.json").read_text(encoding="utf-8"))
    assert summary["planted"]["data"]["sessions"] >= 2400
    assert "strev_20" in summary["planted"]["verdict"]["base"]
    assert summary["planted"]["nested_t"] >= 5
    assert abs(summary["placebo"]["nested_t"]) < 4
    assert summary["planted"]["icir"] > summary["placebo"]["icir"]
