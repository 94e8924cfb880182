"""Graphs on disk: what is kept, what is built anew, what a kill leaves behind, and that the seal covers everything."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.apps import graph_store
from pureplay.apps.graph_store import Built, write_graph
from pureplay.dataset import Dataset, file_sha256
from pureplay.errors import DatasetError, SettingError
from pureplay.graph.edges import edges_of, load_inputs
from pureplay.graph.feed import Graph, vintage_rows
from pureplay.graph.model import require_model
from pureplay.graph.settings import GraphSettings
from tests.apps import graph_small
from tests.apps.test_graph_commands import model_of

ROWS = (95, 195, 295, 395)  # windows of 90 sessions and of 90 days that do not overlap
Table = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def days() -> list[date]:
    known = graph_small.tables()["bars"]["date"].unique().sort()
    return [known[row] for row in ROWS]


def build(out: Path, data: Dataset, days: list[date], settings: GraphSettings = graph_small.SETTINGS, **given: Any) -> Built:
    return write_graph(out, data, settings, manifest={"config": {}}, dates=days, progress=lambda _: None, **given)


def files(out: Path) -> dict[str, tuple[str, int]]:
    """Hash and time of change of every file but the manifest."""
    found = sorted(out.rglob("*.parquet"))
    return {path.relative_to(out).as_posix(): (file_sha256(path), path.stat().st_mtime_ns) for path in found}


@pytest.fixture
def graph(tmp_path: Path, whole: Path) -> Path:
    shutil.copytree(whole, tmp_path / "graph")
    return tmp_path / "graph"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, days: list[date]) -> Path:
    out = tmp_path_factory.mktemp("store") / "graph"
    made = build(out, graph_small.in_memory(), days)
    assert (made.vintages, made.built, made.kept, made.last) == (4, 4, 0, days[-1])
    return out


def test_the_manifest_names_every_file(whole: Path, days: list[date]) -> None:
    manifest = json.loads((whole / "manifest.json").read_text(encoding="utf-8"))
    found = {path.relative_to(whole).as_posix(): file_sha256(path) for path in whole.rglob("*") if path.is_file()}
    found.pop("manifest.json")
    assert manifest["files"] == found
    assert len(found) == 8
    opened = Graph.open(whole)
    assert opened.dates == tuple(days)
    inputs = load_inputs(graph_small.in_memory())
    for row, day in zip(ROWS, days, strict=True):
        assert opened.edges(day).equals(edges_of(inputs, row))
        assert opened.edges(day).height > 50


def test_a_second_build_keeps_all(graph: Path, days: list[date]) -> None:
    before = files(graph)
    assert (build(graph, graph_small.in_memory(), days).kept, files(graph)) == (4, before)


def test_row_order_does_not_matter(graph: Path, days: list[date]) -> None:
    shuffled = {name: table.sample(fraction=1.0, shuffle=True, seed=3) for name, table in graph_small.tables().items()}
    assert build(graph, graph_small.in_memory(**shuffled), days).kept == 4


def test_categories_are_sealed_as_text(graph: Path, days: list[date]) -> None:
    links = graph_small.tables()["disclosed_links"]
    text = [name for name, kind in links.schema.items() if kind == pl.String]
    assert build(graph, graph_small.in_memory(disclosed_links=links.with_columns(pl.col(text).cast(pl.Categorical))), days).kept == 4


def test_later_data_leave_old_vintages_alone(tmp_path: Path, days: list[date]) -> None:
    """Later sessions with a stock of a longer code, articles, filings, an end that comes later."""
    data, out = graph_small.in_memory(), tmp_path / "graph"
    build(out, data.as_of(days[2]), days[:3])
    before = files(out)
    late = graph_small.tables()["bars"].filter(pl.col("date") > days[2]).head(1).with_columns(asset=pl.lit("100000001.LONG"))
    later = replace(data, tables={**data.tables, "bars": pl.concat([data.frame("bars"), late])})
    made = build(out, later, days)
    assert (made.built, made.kept) == (1, 3)
    assert {name: each for name, each in files(out).items() if name in before} == before


def test_vintages_not_asked_for_stay_while_they_are_up_to_date(graph: Path, days: list[date]) -> None:
    before, data = files(graph), graph_small.in_memory()
    other = days[1] + timedelta(days=40)
    made = build(graph, data, [other, date(2099, 1, 1)])
    assert (made.vintages, made.built, made.kept, made.removed) == (6, 2, 4, 0)
    assert len(Graph.open(graph).dates) == 6
    assert {name: each for name, each in files(graph).items() if name in before} == before
    last = graph_small.tables()["bars"]["date"].max()
    assert made.notes == (f"the data end on {last}, before 2099-01-01: the last vintage serves",)
    made = build(graph, data, [days[0]], replace(graph_small.SETTINGS, min_share=0.1))
    assert (made.vintages, made.built, made.kept, made.removed, made.notes) == (1, 1, 0, 5, ())
    assert Graph.open(graph).dates == (days[0],)


def test_a_changed_return_removes_the_vintages_of_its_window_that_are_not_asked_for(graph: Path, days: list[date]) -> None:
    bars = graph_small.tables()["bars"]
    row = int(np.flatnonzero((bars["date"] == days[2]).to_numpy())[5])
    made = build(graph, graph_small.in_memory(bars=moved(bars, "ret", row)), days[:1])
    assert (made.built, made.kept, made.removed) == (0, 3, 1)
    assert Graph.open(graph).dates == (days[0], days[1], days[3])


def test_another_setting_or_model_builds_all(graph: Path, days: list[date]) -> None:
    data = graph_small.in_memory()
    for changed in ({"min_share": 0.1}, {"strength": "shared"}, {"measure": "pearson"}):
        assert build(graph, data, days, replace(graph_small.SETTINGS, **changed)).built == 4
    first, other = model_of(), model_of(trailing=0.5)
    build(graph, data, days)
    for model in (first, other):
        assert build(graph, data, days, model=model).built == 4
        assert build(graph, data, days, model=model).kept == 4
    assert build(graph, data, days, model=other, in_sample=True).built == 4
    assert "model_coefficients.json" in json.loads((graph / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert build(graph, data, days).built == 4
    assert not (graph / "model_coefficients.json").exists()


@pytest.mark.parametrize("kind", ["edges", "peers"])
def test_a_tampered_file_is_built_again(graph: Path, days: list[date], kind: str) -> None:
    before = files(graph)
    path = graph / f"comovement_{kind}" / f"T={days[1]}.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    made = build(graph, graph_small.in_memory(), days)
    assert (made.built, made.kept) == (1, 3)
    assert {name: each[0] for name, each in files(graph).items()} == {name: each[0] for name, each in before.items()}


def test_a_crash_leaves_the_old_graph(graph: Path, days: list[date], monkeypatch: pytest.MonkeyPatch) -> None:
    before, calls = files(graph), []

    def broken(*given: Any, **named: Any) -> pl.DataFrame:
        calls.append(given)
        if len(calls) == 3:
            raise RuntimeError("power cut")
        return edges_of(*given, **named)

    monkeypatch.setattr(graph_store, "edges_of", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        build(graph, graph_small.in_memory(), days, replace(graph_small.SETTINGS, min_share=0.2))
    assert files(graph) == before
    assert [path.name for path in graph.parent.iterdir()] == ["graph"]
    assert Graph.open(graph).dates == tuple(days)


KILLED = """
import sys, time
from pathlib import Path
from pureplay.apps import graph_store
from tests.apps import graph_small
from tests.apps.test_graph_store import ROWS, build
real, calls = graph_store.edges_of, []
def slow(*given, **named):
    calls.append(given)
    if len(calls) == 3:
        print("filling", flush=True)
        time.sleep(60)
    return real(*given, **named)
graph_store.edges_of = slow
known = graph_small.tables()["bars"]["date"].unique().sort()
build(Path(sys.argv[1]), graph_small.in_memory(), [known[row] for row in ROWS], graph_small.GraphSettings(min_share=0.2))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_kill_leaves_the_old_graph_and_the_next_build_clears_up(graph: Path, days: list[date]) -> None:
    before = files(graph)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(graph)], stdout=subprocess.PIPE, cwd=Path(__file__).resolve().parents[2])
    assert process.stdout is not None
    assert process.stdout.readline() == b"filling\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert files(graph) == before
    half = next(path for path in graph.parent.iterdir() if path.name != "graph")
    assert len(list(half.rglob("*.parquet"))) == 4  # two vintages of the folder that the killed process was filling
    assert build(graph, graph_small.in_memory(), days).kept == 4
    assert [path.name for path in graph.parent.iterdir()] == ["graph"]


@pytest.mark.parametrize("name", ["mine.txt", "comovement_edges/mine.parquet", "other/mine.txt"])
def test_a_folder_with_other_files_is_refused(graph: Path, days: list[date], name: str) -> None:
    (graph / name).parent.mkdir(exist_ok=True)
    (graph / name).write_text("mine", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"mine|other"):
        build(graph, graph_small.in_memory(), days)
    assert (graph / name).read_text(encoding="utf-8") == "mine"


def test_a_link_in_the_folder_is_refused(graph: Path, days: list[date], tmp_path: Path) -> None:
    path = graph / "comovement_edges" / f"T={days[0]}.parquet"
    path.rename(tmp_path / "elsewhere.parquet")
    path.symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(DatasetError, match="does not name"):
        build(graph, graph_small.in_memory(), days)


def test_a_folder_that_is_no_graph_is_refused(tmp_path: Path, days: list[date]) -> None:
    (tmp_path / "manifest.json").write_text('{"kind": "graph", "vintages": {}}', encoding="utf-8")
    with pytest.raises(DatasetError, match="not a graph of pureplay"):
        build(tmp_path, graph_small.in_memory(), days)


def test_models_of_another_graph_or_version_are_refused() -> None:
    model = model_of()
    require_model(model, graph_small.SETTINGS)
    with pytest.raises(SettingError, match=r"another graph \(min_share differ\)"):
        require_model(model, replace(graph_small.SETTINGS, min_share=0.2))
    with pytest.raises(SettingError, match="another graph"):
        require_model(replace(model, settings={"graph": 5}), graph_small.SETTINGS)
    with pytest.raises(SettingError, match=r"pureplay 0\.0\.0"):
        require_model(replace(model, version="0.0.0"), graph_small.SETTINGS)


# ---------------------------------------------------------------- the seal


def seals(data: Dataset, settings: GraphSettings = graph_small.SETTINGS, days: list[date] | None = None) -> list[str]:
    inputs = load_inputs(data, settings)
    return graph_store._seals(data, inputs, vintage_rows(inputs, days), {"settings": settings.to_dict()})


def changed(days: list[date], tables: Table, settings: GraphSettings = graph_small.SETTINGS, base: Table | None = None) -> list[int]:
    """Numbers of the vintages whose seal another table changes."""
    before = seals(graph_small.in_memory(**(base or {})), settings, days)
    after = seals(graph_small.in_memory(**{**(base or {}), **tables}), settings, days)
    return [number for number, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]


def moved(table: pl.DataFrame, column: str, row: int) -> pl.DataFrame:
    """The table with another value in one cell."""
    kind, old = table.schema[column], table[column][row]
    if kind == pl.String:
        new: Any = f"{old}x"
    elif kind == pl.Boolean:
        new = not old
    elif kind == pl.Date:
        new = (old or date(2020, 1, 1)) - timedelta(days=1)
    else:
        new = (old or 0) + 1
    return table.with_columns(pl.when(pl.int_range(pl.len()) == row).then(pl.lit(new, dtype=kind)).otherwise(column).alias(column))


USED = {
    "segments": ("asset", "period_end", "product", "revision", "publish_date", "revenue"),
    "filings": ("asset", "period_end", "revision", "publish_date", "total_revenue"),
    "supply_edges": ("supplier_product", "customer_product", "start_date", "is_core"),
    "disclosed_links": ("supplier", "customer", "publish_date", "kind"),
    "affiliates": ("owner", "owned", "start_date", "stake", "kind"),
    "taxonomy": ("product", "parent", "start_date"),
    "assets": ("asset", "issuer", "list_date"),
}


def known(table: pl.DataFrame) -> str | None:
    return next((each for each in ("publish_date", "start_date", "list_date") if each in table.columns), None)


def between(table: pl.DataFrame, days: list[date]) -> tuple[pl.DataFrame, int, list[int]]:
    """A table with a row that becomes known between the second and the third vintage, its place, and the vintages that know it."""
    column = known(table)
    assert column is not None
    middle = days[1] + (days[2] - days[1]) / 2
    found = np.flatnonzero(((table[column] > days[1] + timedelta(days=2)) & (table[column] < days[2])).fill_null(False).to_numpy())
    if found.size:
        return table, int(found[0]), [2, 3]
    place = table.height // 2  # give some row such a day
    return (
        table.with_columns(pl.when(pl.int_range(pl.len()) == place).then(pl.lit(middle)).otherwise(column).alias(column)),
        place,
        [2, 3],
    )


@pytest.mark.parametrize(("name", "column"), [(name, column) for name, columns in USED.items() for column in columns])
def test_every_fact_is_sealed_from_the_day_it_is_known(days: list[date], name: str, column: str) -> None:
    table, row, after = between(graph_small.tables()[name], days)
    before = seals(graph_small.in_memory(**{name: table}), days=days)
    sums = graph_store._known_sums(
        graph_small.in_memory(**{name: moved(table, column, row)}), graph_small.SETTINGS, np.array(days, "M8[D]")
    )
    plain = graph_store._known_sums(graph_small.in_memory(**{name: table}), graph_small.SETTINGS, np.array(days, "M8[D]"))
    assert [k for k in range(4) if sums[k] != plain[k]] == after
    assert len(set(before)) == 4


@pytest.mark.parametrize("name", ["supply_edges", "affiliates", "taxonomy"])
def test_an_end_is_sealed_from_its_day(days: list[date], name: str) -> None:
    table = graph_small.tables()[name]
    still = table["end_date"].is_null() & (table["start_date"].fill_null(date(2000, 1, 1)) < days[0])
    row = int(np.flatnonzero(still.to_numpy())[0])
    end = pl.when(pl.int_range(pl.len()) == row).then(pl.lit(days[2] - timedelta(days=5))).otherwise("end_date").alias("end_date")
    assert changed(days, {name: table.with_columns(end)}) == [2, 3]


def test_industry_labels_are_sealed_where_they_are_the_tree(days: list[date]) -> None:
    table = graph_small.tables()["industries"]
    scheme = table["scheme"][0]
    settings = replace(graph_small.SETTINGS, products=f"industries:{scheme}")
    mine = table.filter(pl.col("scheme") == scheme)
    mine, row, after = between(mine, days)
    other = moved(mine, "code", row)
    assert changed(days, {"industries": other}, settings, base={"industries": mine}) == after
    assert changed(days, {"industries": other}, base={"industries": mine}) == []


UNUSED = [(name, column) for name, columns in graph_store._UNUSED.items() for column in columns]


@pytest.mark.parametrize(("name", "column"), UNUSED)
def test_columns_outside_the_seal_change_no_edge(days: list[date], name: str, column: str) -> None:
    table = graph_small.tables()[name]
    if column not in table.columns:
        table = table.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    kind = table.schema[column]
    new = pl.lit("other") if kind == pl.String else pl.lit(days[0], dtype=kind) if kind == pl.Date else pl.lit(1.0, dtype=kind)
    data, other = graph_small.in_memory(**{name: table}), graph_small.in_memory(**{name: table.with_columns(new.alias(column))})
    assert seals(data, days=days) == seals(other, days=days)
    one, two = load_inputs(data), load_inputs(other)
    for row in ROWS:
        assert edges_of(one, row).equals(edges_of(two, row))


@pytest.mark.parametrize("returns", ["raw", "market"])
def test_a_return_is_sealed_in_its_window(days: list[date], returns: str) -> None:
    settings, bars = replace(graph_small.SETTINGS, returns=returns), graph_small.tables()["bars"]
    row = int(np.flatnonzero((bars["date"] == days[2] - timedelta(days=0)).to_numpy())[5])
    assert changed(days, {"bars": moved(bars, "ret", row)}, settings) == [2]
    still = pl.when(pl.int_range(pl.len()) == row).then(0).otherwise("volume").cast(bars.schema["volume"]).alias("volume")
    assert changed(days, {"bars": bars.with_columns(still)}, settings) == [2]


def test_a_size_that_is_lost_is_sealed_where_it_decides(days: list[date]) -> None:
    bars, links = graph_small.tables()["bars"], replace(graph_small.SETTINGS, substrate="links")
    edges = edges_of(load_inputs(graph_small.in_memory(), links), ROWS[2])
    lost = (pl.col("date") == days[2]) & (pl.col("asset") == edges["ts_a"][0])
    other = bars.with_columns(total_cap=pl.when(lost).then(None).otherwise("total_cap"))
    assert changed(days, {"bars": other}, links) == [2]
    assert changed(days, {"bars": other}) == []


def one_article(days: list[date], kind: str) -> tuple[pl.DataFrame, pl.Series]:
    """Mentions with one more article two weeks before the third vintage, of two stocks that trade."""
    table = graph_small.tables()["mentions"]
    near = table.filter(pl.col("published_at").dt.date() == days[2] - timedelta(days=14))
    codes = graph_small.tables()["bars"].filter(pl.col("date") == days[2])["asset"].unique().sort()[:2]
    new = pl.concat([near.head(1)] * 2).with_columns(article=pl.lit("NEW"), asset=codes.cast(pl.String), kind=pl.lit(kind))
    return pl.concat([table, new.select(table.columns)]), codes


def test_an_article_is_sealed_in_its_window(days: list[date]) -> None:
    table, _ = one_article(days, "news")
    assert changed(days, {"mentions": table}) == [2]
    base = {"mentions": table}
    late = table.with_columns(
        published_at=pl.when(pl.col("article") == "NEW").then(pl.col("published_at") + timedelta(days=60)).otherwise("published_at")
    )
    assert changed(days, {"mentions": late}, base=base) == [2]  # it leaves the window of the third, and is in no other
    assert changed(days, {"mentions": table.with_columns(source=pl.lit("elsewhere"))}, base=base) == []


def test_a_tender_changes_no_edge_and_no_seal(days: list[date]) -> None:
    table, _ = one_article(days, "tender")
    assert changed(days, {"mentions": table}) == []
    one, two = load_inputs(graph_small.in_memory()), load_inputs(graph_small.in_memory(mentions=table))
    assert edges_of(one, ROWS[2]).equals(edges_of(two, ROWS[2]))


PRINT_SEALS = """
from tests.apps.test_graph_store import ROWS, seals
from tests.apps import graph_small
known = graph_small.tables()["bars"]["date"].unique().sort()
print("\\n".join(seals(graph_small.in_memory(), days=[known[row] for row in ROWS])))
"""


def test_seals_are_the_same_in_another_process(days: list[date]) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "5", "POLARS_MAX_THREADS": "1"}
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run([sys.executable, "-c", PRINT_SEALS], cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == seals(graph_small.in_memory(), days=days)
