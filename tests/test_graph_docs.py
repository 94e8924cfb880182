"""What the pages on the graph and the amplifier say of settings, columns, commands and Python is what the code has."""

import re
import shlex
import tomllib
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer

from pureplay.apps.cli import app
from pureplay.apps.graph import GraphAsked, build
from pureplay.dataset import write_json
from pureplay.graph.amplifier import FEED_SCHEMA
from pureplay.graph.edges import build_panel, edges_of, load_inputs
from pureplay.graph.feed import peer_lists
from pureplay.graph.forecast import ForecastSettings, fit_model, split
from pureplay.graph.settings import GraphSettings
from pureplay.studies.amplification_settings import AmplificationSettings
from pureplay.studies.comovement_settings import ComovementSettings
from tests.graph.small_market import data, inputs, rows

DOCS = Path(__file__).parents[1] / "docs"
GRAPH = (DOCS / "graph.md").read_text(encoding="utf-8")
AMPLIFIER = (DOCS / "amplifier.md").read_text(encoding="utf-8")
COMMANDS = re.findall(
    r"^pureplay (.*?)(?:  +#.*)?$", "\n".join(re.findall(r"```bash\n(.*?)```", GRAPH + AMPLIFIER, flags=re.DOTALL)), flags=re.M
)


def table(text: str, heading: str) -> list[list[str]]:
    """Cells of the first table after a text, without its head."""
    lines = text[text.index(heading) :].split("\n")
    start = next(k for k, line in enumerate(lines) if line.startswith("|"))
    stop = next((k for k, line in enumerate(lines[start:], start) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[start + 2 : stop]]


def said(text: str, heading: str) -> dict[str, Any]:
    """Settings with their defaults as a table has them."""
    found: dict[str, Any] = {}
    for names, values, _ in table(text, heading):
        marked = re.findall(r"`(\w+)`", names), re.findall(r"`([^`]+)`", values)
        for name, value in zip(*marked, strict=True):
            assert name not in found, name
            plain = tomllib.loads(f"x = {value}")["x"]
            found[name] = None if plain == "none" else tuple(plain) if isinstance(plain, list) else plain
    return found


@pytest.mark.parametrize(
    ("text", "section", "kind"),
    [
        (GRAPH, "graph", GraphSettings),
        (GRAPH, "forecast", ForecastSettings),
        (GRAPH, "graph_study", ComovementSettings),
        (AMPLIFIER, "amplifier", AmplificationSettings),
    ],
)
def test_every_setting_stands_there_with_its_default(text: str, section: str, kind: type) -> None:
    assert said(text, f"`[{section}]`, `{kind.__name__}`") == {each.name: each.default for each in fields(kind)}


def test_the_columns_of_the_feeds_are_those_of_the_code() -> None:
    made = edges_of(inputs(), rows()[-1], in_sample=True)
    listed = {name: kind for names, kind, _ in table(GRAPH, "`comovement_edges/") for name in re.findall(r"`(\w+)`", names)}
    assert sorted(listed) == sorted(made.columns)
    assert {name: str(kind) for name, kind in made.schema.items()} == listed
    peers = " ".join(GRAPH[GRAPH.index("`comovement_peers/T=") :].split("\n\n")[0].split())
    order = (
        "by `expected_fwd_corr`; pairs without one, which are all where there is no model, confirmed ones first, then by `trailing_corr`"
    )
    assert order in peers
    assert re.findall(r"`(\w+)`", peers.partition(":")[2].replace(order, "")) == peer_lists(made).columns
    assert peer_lists(made).columns[-1] == "in_sample"
    amplifier = {name: kind for names, kind, _ in table(AMPLIFIER, "## The graph") for name in re.findall(r"`(\w+)`", names)}
    assert amplifier == {name: str(kind) for name, kind in FEED_SCHEMA.items()}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_are_there_with_these_options(line: str) -> None:
    args, command = shlex.split(line), typer.main.get_command(app)
    context = None
    while args:
        context = command.make_context(None, args, parent=context, resilient_parsing=False)
        if not hasattr(command, "commands"):
            break
        name, *args = args
        command = command.commands[name]
    assert context is not None
    assert context.params


def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", GRAPH, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    data().write("market")
    made, graph = load_inputs(data()), GraphSettings()
    days = made.ground.axes.sessions.dates
    first = np.flatnonzero(days >= np.datetime64("2025-01-02"))[0]
    panel, _ = build_panel(made, np.array([first, first + 20]), seed=7)
    parts = split(panel, holdout_start=date(2025, 10, 1), forward_sessions=graph.forward_sessions, sessions=days)
    model = fit_model(panel, parts.develop, ForecastSettings(), graph=graph, sessions=days, fingerprint=data().fingerprint())
    Path("run").mkdir()
    write_json(Path("run/model_coefficients.json"), model.to_dict())
    asked = GraphAsked(data=Path("market"), model=Path("run/model_coefficients.json"))
    build(asked, Path("graph"), dates=[date(2025, 11, 28)], progress=lambda _: None)
    names: dict[str, Any] = {}
    exec(compile(program, "graph.md", "exec"), names)
    assert names["made"].edges(date(2025, 11, 28)).equals(names["edges"])
    own, better, again = names["own"], names["better"], names["again"]
    assert list(better.index) == list(own.index)
    assert float(better.abs().sum().sum()) < float(own.abs().sum().sum())
    assert isinstance(again, pl.DataFrame)
    assert again.columns == ["asset", *own.columns]


def test_the_design_names_every_module_of_the_graph() -> None:
    design = (DOCS / "design.md").read_text(encoding="utf-8").partition("## The graph")[2]
    modules = {each.stem for each in (DOCS.parent / "src" / "pureplay" / "graph").glob("*.py")} - {"__init__"}
    assert modules - set(re.findall(r"`(\w+)`", design)) == set()


@pytest.mark.parametrize("text", [GRAPH, AMPLIFIER])
def test_what_the_pages_link_to_exists(text: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [each for each in links if not (DOCS / each).exists()] == []
