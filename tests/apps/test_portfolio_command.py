"""`pureplay portfolio` as a user runs it: what it writes and says, what it records, what it leaves alone and what it refuses."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pureplay.apps.config import read_config
from pureplay.dataset import Dataset, file_sha256
from pureplay.errors import SettingError
from pureplay.evaluate.portfolio import MarketRules, PortfolioSettings, replay
from pureplay.evaluate.portfolio import rules as rules_module
from pureplay.evaluate.trials import TrialLog
from pureplay.signals import preset
from pureplay.signals.settings import SignalSettings
from pureplay.studies.portfolio_settings import PortfolioStudySettings
from tests.apps.test_study_commands import call, no_constants
from tests.studies import small

CONFIG = """
name = "small"
[signal]
min_peers = 2
min_listed_sessions = 20
[portfolio]
grid_sessions = 5
min_leg_names = 5
capital = 1000000
shorting = "paper"
participation = "none"
[portfolio_study]
scores = ["R", "business_mix"]
designs = ["plain", "buffered"]
base = "own"
capitals = [10000000]
shuffles = 0
draws = 100
splits = 4
folds = 2
seed = 3
"""
TABLES = ("accounts", "benchmarks", "years", "daily", "capacity", "correlations", "blocked", "luck", "reality", "variants", "folds")
FILES = {
    *("manifest.json", "portfolio.json", "portfolio.html"),
    *(f"{name}.parquet" for name in TABLES),
    *(f"{name}_{kind}.parquet" for name in ("holdings", "account") for kind in ("long_short", "long_only")),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.dataset(tmp_path_factory.mktemp("portfolio") / "data", sessions=120)


def config(tmp_path: Path, text: str = CONFIG) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def place(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run and its log."""
    path = tmp_path_factory.mktemp("runs")
    assert call("portfolio", "--data", folder, "--config", config(path), "--out", path / "run", "--trials", path / "log.jsonl") == 0
    return path


def manifest(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return content


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def test_the_run_leaves_a_sealed_folder(place: Path, folder: Path) -> None:
    out = place / "run"
    assert {path.name for path in out.iterdir()} == FILES
    told = manifest(out)
    assert told["kind"] == "run"
    assert told["files"] == {path.name: file_sha256(path) for path in out.iterdir() if path.name != "manifest.json"}
    assert told["data"]["data"]["sha256"] == Dataset.open(folder).fingerprint()
    settings = told["config"]
    assert settings["rules"] == {"name": "cn", "digest": MarketRules.load("cn").digest()}
    assert settings["portfolio"] == json.loads(
        json.dumps(PortfolioSettings(grid_sessions=5, min_leg_names=5, capital=1e6, shorting="paper", participation=None).to_dict())
    )
    assert settings["portfolio_study"]["designs"] == ["plain", "buffered"]
    assert settings["signal"]["min_peers"] == settings["business_mix"]["min_peers"] == 2
    assert settings["business_mix"]["resvol"] == preset("business_mix").resvol
    figures = json.loads((out / "portfolio.json").read_text(encoding="utf-8"), parse_constant=no_constants)
    assert figures["name"] == "small"
    assert figures["synthetic"] is True
    assert figures["rules"] == settings["rules"]
    for name in TABLES:
        if name != "daily":
            assert pl.read_parquet(out / f"{name}.parquet").height == len(figures[name]), name
    assert figures["trials"]["head"] == told["trials"]["head"]
    page = (out / "portfolio.html").read_text(encoding="utf-8")
    assert "small" in page
    assert told["config"]["rules"]["digest"][:8] in page
    assert str(place) not in page


def test_holdings_on_disk_replay(place: Path, folder: Path) -> None:
    returns = Dataset.open(folder).frame("bars", ["date", "asset", "ret"])
    for kind in ("long_short", "long_only"):
        held, book = (pl.read_parquet(place / "run" / f"{name}_{kind}.parquet") for name in ("holdings", "account"))
        assert held.height > book.height > 80
        assert replay(held, book, returns, capital=1e6)["gap"].max() < 1e-3  # money, of a million: sums in another order
        assert (held["value"].min() < 0) == (kind == "long_short")


def test_trials_are_recorded_and_stand_in_the_manifest(place: Path, folder: Path) -> None:
    log = TrialLog.open(place / "log.jsonl")
    trials = log.trials()
    assert trials["command"].to_list() == ["portfolio", "portfolio"]
    signals = [json.loads(each) for each in trials["signal"]]
    assert signals[0] == json.loads(json.dumps(SignalSettings(min_peers=2, min_listed_sessions=20).to_dict()))
    assert signals[1]["resvol"] == preset("business_mix").resvol
    assert {"sharpe_long_short_5", "t_long_short"} <= set(trials.columns), trials.columns
    assert manifest(place / "run")["trials"] == {"file": "log.jsonl", "count": 2, "head": log.head, "distinct": 2, "anchors": 0}
    assert call("trials", "--trials", place / "log.jsonl", "--verify", place / "run") == 0
    luck = pl.read_parquet(place / "run" / "luck.parquet")
    assert luck["trials"].unique().to_list() == [2]
    both = trials["sharpe_long_short_5"]
    row = luck.filter(pl.col("kind") == "long_short").row(0, named=True)
    assert row["trial_sd"] == pytest.approx(max(both.std(), 1 / math.sqrt(row["n"] - 1)), rel=1e-12)
    assert log.distinct(Dataset.open(folder).fingerprint()) == 2


def test_a_second_run_takes_the_place_of_the_first(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, log = tmp_path / "run", tmp_path / "t.jsonl"
    short = CONFIG.replace('["R", "business_mix"]', '["R"]').replace("[10000000]", "[]")
    arguments = ["--data", folder, "--out", out, "--trials", log]
    assert call("portfolio", *arguments, "--config", config(tmp_path, short)) == 0
    said = capsys.readouterr().out
    assert f"report: {out / 'portfolio.html'}   figures: {out / 'portfolio.json'}" in said.replace("\n", "")
    assert "1 set of signal settings tried on this data" in said.replace("\n", " ")
    first = contents(out)
    other = short.replace('designs = ["plain", "buffered"]', 'designs = ["plain"]\nkinds = ["long_only"]')
    assert call("portfolio", *arguments, "--config", config(tmp_path, other)) == 0
    assert "holdings_long_short.parquet" in first
    assert {path.name for path in out.iterdir()} == {name for name in FILES if "long_short" not in name}
    assert (manifest(out)["trials"]["count"], manifest(out)["trials"]["distinct"]) == (2, 1)  # judged otherwise, the same signal
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.toml", "run", *sorted(p.name for p in tmp_path.glob("t.jsonl*"))]


def test_rules_of_ones_own_and_no_log(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    packaged = Path(rules_module.__file__).parent / "markets" / "cn.toml"
    (tmp_path / "mine.toml").write_text(packaged.read_text(encoding="utf-8").replace('name = "cn"', 'name = "mine"'), encoding="utf-8")
    short = (
        CONFIG.replace('["R", "business_mix"]', '["R"]')
        .replace("[10000000]", "[]")
        .replace('designs = ["plain", "buffered"]', 'designs = ["plain"]')
    )
    path = config(tmp_path, f'rules = "mine.toml"\ndata = "{folder}"\n{short}')
    assert call("portfolio", "--config", path, "--out", tmp_path / "run", "--trials", "none") == 0
    assert "trials: not logged" in capsys.readouterr().out
    told = manifest(tmp_path / "run")
    assert told["trials"] == "not logged"
    assert told["config"]["rules"] == {"name": "mine", "digest": MarketRules.load(tmp_path / "mine.toml").digest()}
    assert json.loads((tmp_path / "run" / "portfolio.json").read_text(encoding="utf-8"))["trials"] is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c.toml", "mine.toml", "run"]


# ---------------------------------------------------------------- refusals


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is refused is refused before any work."""
    monkeypatch.setattr("pureplay.apps.portfolio.run_portfolios", lambda *_, **__: pytest.fail("too late"))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (CONFIG, ("--data",), "there is no data: pass --data FOLDER"),
        (CONFIG, ("--rules", "uk"), "market rules 'uk' are neither one of cn, us nor the path of a .toml file"),
        (CONFIG, ("--rules", "absent.toml"), "there is no file absent.toml"),
        ('rules = "uk"\n' + CONFIG, (), "market rules 'uk' are neither"),
        (CONFIG.replace("grid_sessions", "grid_session"), (), "[portfolio] has the unknown key 'grid_session': is it grid_sessions?"),
        (CONFIG.replace("draws", "drows"), (), "[portfolio_study] has the unknown key 'drows': is it draws?"),
        (CONFIG.replace("[portfolio_study]", "[portfolio_studies]"), (), "unknown key 'portfolio_studies': is it portfolio_study?"),
        (
            CONFIG.replace("[signal]", '[signal]\nconstruction = "S"'),
            (),
            "[signal] construction has no use here: name the scores in [portfolio_study]",
        ),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    text: str, arguments: tuple[str, ...], words: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [] if arguments == ("--data",) else ["--data", folder, *arguments]
    assert call("portfolio", *given, "--config", config(tmp_path, text), "--out", tmp_path / "run", "--trials", "none") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("at_once")
def test_a_folder_that_is_not_ours_is_left_alone(folder: Path, tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear", encoding="utf-8")
    before = contents(foreign)
    arguments = ["--config", config(tmp_path), "--trials", "none"]
    assert call("portfolio", "--data", folder, "--out", foreign, *arguments) == 2
    assert "is not replaced: it is not a run of pureplay" in " ".join(capsys.readouterr().err.split())
    assert contents(foreign) == before
    fingerprint = Dataset.open(folder).fingerprint()
    assert call("portfolio", "--data", folder, "--out", folder, *arguments) == 2
    assert "is the dataset" in " ".join(capsys.readouterr().err.split())
    assert Dataset.open(folder).fingerprint() == fingerprint
    assert call("portfolio", "--data", tmp_path / "absent", "--out", tmp_path / "run", *arguments) == 2
    log = place / "run" / "log.jsonl"
    assert call("portfolio", "--data", folder, "--out", place / "run", "--config", config(tmp_path), "--trials", log) == 2
    assert "lies inside --out" in " ".join(capsys.readouterr().err.split())
    assert {path.name for path in (place / "run").iterdir()} == FILES


def test_a_run_that_fails_leaves_the_old_one(folder: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(place / "run")
    wrong = config(tmp_path, CONFIG.replace("min_leg_names = 5", "min_leg_names = 100"))
    assert call("portfolio", "--data", folder, "--out", place / "run", "--config", wrong, "--trials", "none") == 2
    assert "no score has a portfolio" in " ".join(capsys.readouterr().err.split())
    assert contents(place / "run") == before
    assert sorted(path.name for path in place.iterdir()) == ["c.toml", *sorted(p.name for p in place.glob("log.jsonl*")), "run"]


# ---------------------------------------------------------------- the configuration


def test_sections_are_read_with_their_kinds(tmp_path: Path) -> None:
    text = """
        rules = "us"
        [portfolio]
        kind = "long_only"
        offset = 3
        participation = "none"
        write_off_sessions = "none"
        capital = 5000000
        fees = false
        benchmark = "syn300"
        [portfolio_study]
        benchmarks = ["syn300"]
        capitals = [1e7, 100000000]
        kinds = ["long_only"]
    """
    made = read_config(config(tmp_path, text))
    assert made.rules == "us"
    assert made.portfolio == PortfolioSettings(
        kind="long_only", offset=3, participation=None, write_off_sessions=None, capital=5e6, fees=False, benchmark="syn300"
    )
    assert made.portfolio_study == PortfolioStudySettings(benchmarks=("syn300",), capitals=(1e7, 1e8), kinds=("long_only",))
    bare = read_config(config(tmp_path, '[portfolio]\noffset = "all"\n[portfolio_study]\nbenchmarks = "none"'))
    assert (bare.portfolio, bare.portfolio_study, bare.rules) == (PortfolioSettings(), PortfolioStudySettings(), "cn")


@pytest.mark.parametrize(
    ("text", "words"),
    {
        "rules = 5": 'rules must be a text such as rules = "cn", not 5',
        "[portfolio]\nfees = 1": r"\[portfolio\]: fees must be true or false, not 1",
        "[portfolio]\nquantiles = true": r"\[portfolio\]: quantiles must be a whole number, not true",
        '[portfolio]\nquantiles = "5"': "quantiles must be a whole number, not '5'",
        "[portfolio]\nquantiles = 1": r"quantiles must be a whole number of at least 2 \(and at most 1e\+09\), not 1",
        '[portfolio]\nkind = "long"': r"\[portfolio\]: kind: .*'long_short' or 'long_only', not 'long'",
        '[portfolio]\noffset = "some"': "offset must be a whole number or 'all', not 'some'",
        "[portfolio]\noffset = 20": "offset must be 'all' or a whole number from 0 to 19, not 20",
        "[portfolio]\nparticipation = 0.0": "participation must be above 0 and at most 1",
        '[portfolio]\nbenchmark = "syn300"': "benchmark must be None with long_short",
        "portfolio = 5": r"\[portfolio\] must be a table of settings",
        "[portfolio_study]\ncapitals = [0.5]": "capitals must be numbers from 1 to 1e15",
        "[portfolio_study]\ncapitals = [true]": "capitals must be a number, not true",
        '[portfolio_study]\nscores = ["R", "R"]': "scores must name some of R, S, business_mix, each once",
        '[portfolio_study]\ndesigns = ["plane"]': "designs.0: .*'plain', .* not 'plane'",
        "[portfolio_study]\nsplits = 7": "splits must be an even number",
        "[portfolio_study]\ndraws = 10": "draws must be a whole number of at least 100",
    }.items(),
)
def test_a_section_with_a_fault(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=words) as caught:
        read_config(config(tmp_path, text))
    assert "c.toml" in str(caught.value)
