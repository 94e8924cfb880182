"""`pureplay graph` as a user runs it: output, files, exit codes, refusals."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import pureplay
from pureplay.apps.config import read_config
from pureplay.dataset import Dataset, file_sha256
from pureplay.errors import SettingError
from pureplay.graph.amplifier import AmplifierGraph, amplify
from pureplay.graph.feed import Graph
from pureplay.graph.model import Model, term_names
from tests.apps import graph_small
from tests.apps.test_study_commands import call

STUDY = {"comovement.html", "comovement.json", "manifest.json", "model_coefficients.json"}
DAY = "2025-06-30"
COMMANDS = ("build", "study", "openings", "hedge", "explain", "peers", "amplify")


def model_of(**terms: float) -> Model:
    """A model that fits the settings of the small graph."""
    return Model(
        variant="plain",
        terms={**dict.fromkeys(term_names("plain"), 0.01), **terms},
        dropped=(),
        fit_start=date(2023, 1, 31),
        fit_end=date(2023, 6, 30),
        known_from=date(2023, 10, 9),
        vintages=6,
        observations=600,
        descriptive=True,
        mse={"plain": 0.02},
        settings={"graph": graph_small.SETTINGS.to_dict(), "forecast": {}},
        fingerprint={},
        version=pureplay.__version__,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graph_small.dataset(tmp_path_factory.mktemp("graph") / "data")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(graph_small.CONFIG, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pair(folder: Path) -> tuple[str, str]:
    """Two stocks that the news names together on DAY."""
    from pureplay.graph.edges import edges_of, load_inputs
    from pureplay.graph.feed import vintage_rows

    inputs = load_inputs(Dataset.open(folder))
    edges = edges_of(inputs, int(vintage_rows(inputs, [date.fromisoformat(DAY)])[0]))
    return edges["ts_a"][0], edges["ts_b"][0]


@pytest.fixture(scope="module")
def shut(folder: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shut") / "study"
    assert call("graph", "study", "--data", folder, "--config", config, "--out", out) == 0
    return out


def figures(out: Path, name: str = "comovement") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    return content


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a refused command prints."""
    capsys.readouterr()
    assert call("graph", *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err


# ---------------------------------------------------------------- build


def test_build_then_keep(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "graph"
    given = ("graph", "build", "--data", folder, "--out", out, "--date", "2025-03-31", "--date", DAY)
    assert call(*given) == 0
    said = capsys.readouterr()
    assert "2 vintages (2 built, 0 kept, 0 removed as out of date)" in said.out
    assert said.err == ""  # a short run says nothing on a pipe
    assert call(*given) == 0
    assert "2 vintages (0 built, 2 kept, 0 removed as out of date)" in capsys.readouterr().out
    opened = Graph.open(out)
    assert opened.dates == (date(2025, 3, 31), date(2025, 6, 30))
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["data"]["data"]["sha256"] == Dataset.open(folder).fingerprint()
    peers = pl.read_parquet(out / "comovement_peers" / f"T={DAY}.parquet")
    assert peers.height == 2 * opened.edges(date(2025, 6, 30)).height


def test_build_with_a_model_forecasts_what_it_has_not_seen(folder: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model.json", tmp_path / "graph"
    model.write_text(json.dumps(replace(model_of(), known_from=date(2025, 4, 15)).to_dict()), encoding="utf-8")
    given = ("graph", "build", "--data", folder, "--out", out, "--model", model, "--date", "2025-03-31", "--date", DAY)
    assert call(*given) == 0
    early, late = (Graph.open(out).edges(day) for day in (date(2025, 3, 31), date(2025, 6, 30)))
    assert early["expected_fwd_corr"].is_null().all()
    assert late["expected_fwd_corr"].is_not_null().any()
    assert call(*given, "--in-sample") == 0
    early = Graph.open(out).edges(date(2025, 3, 31))
    assert early["expected_fwd_corr"].is_not_null().any()
    assert early["in_sample"].all()


# ---------------------------------------------------------------- study


def test_study_leaves_a_sealed_folder(shut: Path) -> None:
    names = {path.name for path in shut.iterdir()}
    assert names >= STUDY
    manifest = json.loads((shut / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"] == {name: file_sha256(shut / name) for name in names - {"manifest.json"}}
    assert set(manifest["config"]) == {"name", "graph", "forecast", "graph_study"}
    found = figures(shut)
    for name in names:
        if name.endswith(".parquet"):
            assert pl.read_parquet(shut / name).height == len(found[Path(name).stem])
    assert Model.from_dict(json.loads((shut / "model_coefficients.json").read_text(encoding="utf-8"))).to_dict() == found["coefficients"]


def test_build_takes_the_model_of_the_study(shut: Path, folder: Path, config: Path, tmp_path: Path) -> None:
    model = shut / "model_coefficients.json"
    assert call("graph", "build", "--data", folder, "--config", config, "--out", tmp_path / "g", "--model", model, "--date", DAY) == 0
    assert file_sha256(tmp_path / "g" / "model_coefficients.json") == file_sha256(model)


# ---------------------------------------------------------------- one stock, one pair


def test_hedge_prints_ratios_and_baskets(folder: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("graph", "hedge", pair[0], DAY, "--data", folder, "--names", 3) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{pair[0]} on {DAY}: sell `ratio` of an equal-weight basket for each unit held" in lines
    head = next(line for line in lines if line.startswith("arm"))
    assert head.split() == ["arm", "names", "ratio", "trailing_cut", "variance_cut"]
    arms = [line.split()[0] for line in lines[lines.index(head) + 1 :][:5]]
    assert arms == ["graph", "news_only", "trailing", "index", "industry"]
    rows = lines[lines.index(head) : lines.index(head) + 6]
    assert len({len(line) for line in rows}) == 1  # aligned


def test_huge_baskets_are_those_that_there_are(folder: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("graph", "hedge", pair[0], DAY, "--data", folder, "--names", 10**12) == 0
    assert call("graph", "peers", pair[0], DAY, "--data", folder, "--most", 10**12) == 0
    assert "peers" in capsys.readouterr().out


def test_explain_and_peers_write_pages(folder: Path, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("graph", "explain", *pair, DAY, "--data", folder, "--out", tmp_path / "pair.html") == 0
    said = capsys.readouterr().out
    assert f"{pair[0]} and {pair[1]} on {DAY}: " in said
    assert f"page: {tmp_path / 'pair.html'}" in said
    assert max(map(len, said.splitlines())) > 150 or "…" not in said  # evidence is not cut in a pipe
    assert call("graph", "peers", pair[0], DAY, "--data", folder, "--most", 3, "--out", tmp_path / "peers.html") == 0
    said = capsys.readouterr().out
    assert ", the first 3" in said
    for name in ("pair.html", "peers.html"):
        assert "<svg" in (tmp_path / name).read_text(encoding="utf-8")


def test_a_day_after_the_data_is_served_by_the_last_session(
    folder: Path, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = graph_small.tables()["bars"]["date"].max()
    assert call("graph", "peers", pair[0], "2099-01-01", "--data", folder) == 0
    said = capsys.readouterr().out
    assert f"{pair[0]} on {last}: " in said
    late = f"note: the data end on {last}, before 2099-01-01: the last vintage serves"
    assert late in said.splitlines()
    assert call("graph", "explain", *pair, "2099-01-01", "--data", folder) == 0
    assert late in capsys.readouterr().out.splitlines()
    assert call("graph", "hedge", pair[0], "2099-01-01", "--data", folder) == 0
    assert late in capsys.readouterr().out.splitlines()
    assert call("graph", "build", "--data", folder, "--out", tmp_path / "g", "--date", "2099-01-01") == 0
    assert late in capsys.readouterr().out.splitlines()
    for day in (str(last), DAY):
        assert call("graph", "peers", pair[0], day, "--data", folder) == 0
        assert "the data end" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["hedge", "explain", "peers"])
def test_simulated_data_are_said_to_be_that_first(
    folder: Path, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    given = pair if command == "explain" else pair[:1]
    assert call("graph", command, *given, DAY, "--data", folder) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Synthetic data: simulated market, not evidence about any real one."
    Dataset.from_frames(Dataset.open(folder).tables, calendar="XSHG", notes={}).write(tmp_path / "real")
    assert call("graph", command, *given, DAY, "--data", tmp_path / "real") == 0
    assert "ynthetic" not in capsys.readouterr().out


def test_a_stock_without_peers_is_told_why(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = graph_small.tables()["bars"]["asset"][0]
    silent = graph_small.tables()["mentions"].filter(pl.col("asset") != code)
    other = graph_small.dataset(tmp_path / "other", mentions=silent)
    assert call("graph", "peers", code, DAY, "--data", other) == 0
    said = capsys.readouterr().out
    assert f"{code} on {DAY}: 0 peers" in said
    assert f"note: no news of the 90 days up to {DAY} names it with another stock of the data; articles on one stock" in said
    assert call("graph", "hedge", code, DAY, "--data", other) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"note: there is no arm graph: none of its pairs is confirmed and can be measured on {DAY}" in lines
    assert f"note: there is no arm news_only: none of its pairs is unconfirmed and can be measured on {DAY}" in lines
    assert not [line for line in lines if line.startswith("note: ") and "arm trailing" in line]


def test_a_short_basket_is_marked(folder: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("graph", "hedge", pair[0], DAY, "--data", folder, "--names", 95) == 0
    lines = capsys.readouterr().out.splitlines()
    sizes = {line.split()[0]: line.split()[1] for line in lines if line.split()[:1] in (["graph"], ["news_only"])}
    for arm, size in sizes.items():
        assert 0 < int(size) < 95
        assert f"note: the arm {arm} has {size} of the 95 names asked for: there are no more" in lines
    assert len(sizes) == 2
    assert call("graph", "hedge", pair[0], DAY, "--data", folder, "--names", 1) == 0
    assert "note: " not in capsys.readouterr().out


def test_a_forecast_that_is_missing_is_told_why(
    folder: Path, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, line = tmp_path / "model.json", f"note: the model has seen what followed {DAY}, so there is no forecast"
    for known, there in ((date(2025, 7, 1), True), (date(2025, 6, 30), False)):
        path.write_text(json.dumps(replace(model_of(), known_from=known).to_dict()), encoding="utf-8")
        for given in (("peers", pair[0]), ("explain", *pair)):
            assert call("graph", *given, DAY, "--data", folder, "--model", path) == 0
            assert (line in capsys.readouterr().out.splitlines()) == there
    assert call("graph", "peers", pair[0], DAY, "--data", folder) == 0
    assert "the model" not in capsys.readouterr().out


def test_in_sample_needs_a_model(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--in-sample has no use without --model" in refused(capsys, "build", "--data", folder, "--out", tmp_path / "g", "--in-sample")


# ---------------------------------------------------------------- amplify


def test_amplify_leaves_a_sealed_folder(folder: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "amplified"
    assert call("graph", "amplify", "--data", folder, "--config", config, "--out", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Mean gain of ICIR over the factors, beside rewired graphs" in lines
    assert next(line for line in lines if line.startswith("relation")).split()[-1] == "p"  # the verdicts stand below
    assert all(any(line.startswith(f"{each}, 5 sessions: mean gain in ICIR") for line in lines) for each in ("peer", "all"))
    names = {path.name for path in out.iterdir()}
    assert names >= {"amplifier.html", "amplifier.json", "amplifier_graph.parquet", "amplified.parquet", "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"] == {name: file_sha256(out / name) for name in names - {"manifest.json"}}
    feed = pl.read_parquet(out / "amplifier_graph.parquet")
    assert set(feed["relation_type"].unique()) == {"peer", "upstream", "downstream"}


def test_amplified_factors_go_through_the_relations_of_the_settings(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "one.toml"
    config.write_text(graph_small.CONFIG + 'relations = ["upstream"]\n', encoding="utf-8")
    assert call("graph", "amplify", "--data", folder, "--config", config, "--out", tmp_path / "one") == 0
    made = pl.read_parquet(tmp_path / "one" / "amplified.parquet")
    feed = AmplifierGraph.from_frame(pl.read_parquet(tmp_path / "one" / "amplifier_graph.parquet"))
    assert feed.relations == ("peer", "upstream", "downstream")
    stack = Dataset.open(folder).frame("factors")
    assert made.equals(amplify(stack, feed, relations=("upstream",)), null_equal=True)
    assert not made.equals(amplify(stack, feed, relations=feed.relations), null_equal=True)


def test_without_a_stack_a_note_says_that_no_factor_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, config = graph_small.dataset(tmp_path / "bare", without=("factors",)), tmp_path / "price.toml"
    config.write_text(graph_small.CONFIG.replace('base = "own"', 'base = "price"'), encoding="utf-8")
    assert call("graph", "amplify", "--data", data, "--config", config, "--out", tmp_path / "out") == 0
    assert "note: amplified.parquet is not written" in capsys.readouterr().out
    assert not (tmp_path / "out" / "amplified.parquet").exists()
    assert "amplified.parquet is not written" in str(json.loads((tmp_path / "out" / "amplifier.json").read_text(encoding="utf-8"))["notes"])


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("graph", command, "--help") == 0
    assert f"pureplay graph {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["hedge", "peers"])
def test_a_stock_or_day_that_is_not_there(folder: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert "is none of the" in refused(capsys, command, "NOPE", DAY, "--data", folder)
    assert "sessions up to" in refused(capsys, command, pair[0], "2001-01-01", "--data", folder)


def test_explain_refuses(folder: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "two different stocks" in refused(capsys, "explain", pair[0], pair[0], DAY, "--data", folder)
    assert "is none of the" in refused(capsys, "explain", pair[0], "NOPE", DAY, "--data", folder)
    assert "sessions up to" in refused(capsys, "explain", *pair, "2001-01-01", "--data", folder)


def test_there_must_be_data(tmp_path: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for given in (("build", "--out", tmp_path / "g"), ("study", "--out", tmp_path / "g"), ("amplify", "--out", tmp_path / "g")):
        assert "pass --data FOLDER" in refused(capsys, *given)
    for given in (("hedge", pair[0], DAY), ("peers", pair[0], DAY), ("explain", *pair, DAY)):
        assert "pass --data FOLDER" in refused(capsys, *given)


def test_news_must_be_there(pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silent = graph_small.dataset(tmp_path / "silent", without=("mentions",))
    for given in (("build", "--out", tmp_path / "g"), ("study", "--out", tmp_path / "g"), ("hedge", pair[0], DAY)):
        assert "substrate = 'links'" in refused(capsys, *given, "--data", silent)
    config = tmp_path / "links.toml"
    config.write_text('[graph]\nsubstrate = "links"\n', encoding="utf-8")
    assert call("graph", "build", "--data", silent, "--config", config, "--out", tmp_path / "g", "--date", DAY) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[graph]\nsubstrat = 'news'", "is it substrate?"),
        ("[graph]\nsubstrate = 'gossip'", "should be 'news' or 'links'"),
        ("[forecast]\nholdout_start = 'soon'", "holdout_start"),
        ("[graph_study]\nhedge_names = 0", "hedge_names"),
        ("[amplifier]\nstrength = 2.0", "strength"),
        ("[graphs]\n", "is it graph?"),
    ],
)
def test_typos_in_the_configuration(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    path = tmp_path / "typo.toml"
    path.write_text(text, encoding="utf-8")
    assert said in refused(capsys, "build", "--data", folder, "--config", path, "--out", tmp_path / "g")


def test_numbers_below_one_are_refused(folder: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("graph", "hedge", pair[0], DAY, "--data", folder, "--names", 0) == 2
    assert call("graph", "peers", pair[0], DAY, "--data", folder, "--most", 0) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_models_that_do_not_fit(folder: Path, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.json"
    wrong: dict[str, str] = {
        "another graph": json.dumps({**model_of().to_dict(), "settings": {"graph": {"min_share": 0.5}}}),
        "fitted by pureplay 0.0.1": json.dumps({**model_of().to_dict(), "version": "0.0.1"}),
        "holds no model coefficients": '{"variant": ',
        "fields by name": "[]",
    }
    commands: list[tuple[object, ...]] = [("build", "--out", tmp_path / "g"), ("hedge", pair[0], DAY), ("peers", pair[0], DAY)]
    for said, text in wrong.items():
        path.write_text(text, encoding="utf-8")
        for given in (*commands, ("explain", *pair, DAY)):
            assert said in refused(capsys, *given, "--data", folder, "--model", path)
    assert "holds no model" in refused(capsys, *commands[1], "--data", folder, "--model", tmp_path / "absent.json")


def test_out_is_never_the_dataset(folder: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in folder.iterdir())
    for command in ("build", "study", "amplify"):
        assert "is the dataset" in refused(capsys, command, "--data", folder, "--out", folder)
        assert "lies inside" in refused(capsys, command, "--data", folder, "--out", folder / "g")
    assert "lies inside" in refused(capsys, "peers", pair[0], DAY, "--data", folder, "--out", folder / "page.html")
    assert sorted(path.name for path in folder.iterdir()) == before


# ---------------------------------------------------------------- configuration


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_every_example_is_read(path: Path) -> None:
    assert read_config(path).name


def test_the_graph_example_says_every_section() -> None:
    text = (Path(__file__).parents[2] / "examples" / "graph.toml").read_text(encoding="utf-8")
    made = read_config(Path(__file__).parents[2] / "examples" / "graph.toml")
    for section, settings in (
        ("graph", made.graph),
        ("forecast", made.forecast),
        ("graph_study", made.graph_study),
        ("amplifier", made.amplifier),
    ):
        assert f"[{section}]" in text
        assert settings.to_dict()
    assert made.forecast.holdout_start is not None


def test_a_section_reaches_the_graph(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[graph]\nstale_months = "none"\nmost_names = 5\n[amplifier]\nhorizons_sessions = [5]\n', encoding="utf-8")
    made = read_config(path)
    assert (made.graph.stale_months, made.graph.most_names, made.amplifier.horizons_sessions) == (None, 5, (5,))
    path.write_text("[graph]\nmost_names = 5.5\n", encoding="utf-8")
    with pytest.raises(SettingError, match="most_names: Input should be a valid integer"):
        read_config(path)
