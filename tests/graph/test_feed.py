"""The graph as users hold it: vintages in memory or in a folder, peers of a stock, a discounted matrix, a model from a file."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import pureplay
from pureplay.errors import DatasetError, InsufficientDataError, SettingError
from pureplay.graph.discount import discount
from pureplay.graph.edges import EDGE_COLUMNS, edges_of
from pureplay.graph.feed import EDGES, MODEL_FILE, Graph, build_graph, peer_lists, read_model, vintage_rows
from pureplay.graph.model import Model
from pureplay.storage import file_sha256
from tests.graph.small_market import GRAPH, data, day_of, inputs, rows

DAYS = (date(2024, 1, 31), date(2024, 2, 29))


def edges(day: date, pairs: list[tuple[str, str, float | None, float | None, int, float]]) -> pl.DataFrame:
    """ts_a, ts_b, expected, trailing, lamps, strength."""
    kinds: dict[str, Any] = {"ts_a": pl.String, "ts_b": pl.String, "expected_fwd_corr": pl.Float64, "trailing_corr": pl.Float64}
    kinds |= {"n_lamps": pl.Int32, "comention_strength": pl.Float64}
    lit = pl.col("n_lamps") > 0
    return pl.DataFrame(pairs, schema=kinds, orient="row").with_columns(trade_date=pl.lit(day), confirmed=lit, dark=~lit)


def vintage(day: date, shift: float = 0.0) -> pl.DataFrame:
    return edges(
        day,
        [
            ("A", "B", 0.2 + shift, 0.9, 1, 1.0),
            ("A", "C", None, 0.3, 2, 5.0),
            ("A", "D", None, None, 1, 9.0),
            ("A", "E", 0.8, 0.1, 0, 2.0),
            ("A", "F", 0.8, 0.1, 0, 3.0),
            ("A", "G", 0.8, 0.1, 0, 3.0),
            ("B", "C", -0.1, 0.0, 0, 1.0),
        ],
    )


def folder(root: Path) -> Path:
    (root / EDGES).mkdir()
    records = {}
    for number, day in enumerate(DAYS):
        path = root / EDGES / f"T={day}.parquet"
        vintage(day, 0.1 * number).write_parquet(path)
        records[day.isoformat()] = {"edges_sha256": file_sha256(path), "pairs": 7}
    (root / "manifest.json").write_text(json.dumps({"kind": "graph", "settings": {"close": "15:00"}, "vintages": records}))
    return root


def rewrite(root: Path, **changes: Any) -> None:
    path = root / "manifest.json"
    plain = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in plain.items() if value is not ...}))


# ---------------------------------------------------------------- folders


def test_the_last_vintage_on_or_before_a_day_serves_it(tmp_path: Path) -> None:
    graph = Graph.open(folder(tmp_path))
    assert graph.dates == DAYS
    assert graph.settings == {"close": "15:00"}
    for day, number in ((DAYS[0], 0), (date(2024, 2, 28), 0), (DAYS[1], 1), (date(2030, 1, 1), 1)):
        assert graph.edges(day).equals(vintage(DAYS[number], 0.1 * number))
    assert Graph.open(str(tmp_path)).dates == DAYS


@pytest.mark.parametrize("graph", ["opened", "empty", "in memory"])
def test_no_vintage_is_old_enough(tmp_path: Path, graph: str) -> None:
    made = {
        "opened": lambda: Graph.open(folder(tmp_path)),
        "empty": lambda: Graph(settings={}),
        "in memory": lambda: Graph(settings={}, frames={DAYS[0]: vintage(DAYS[0])}),
    }[graph]()
    first = "none" if graph == "empty" else "2024-01-31"
    with pytest.raises(InsufficientDataError, match=f"no vintage on or before 2024-01-30, its first is {first}"):
        made.edges(date(2024, 1, 30))


def test_a_folder_without_a_manifest_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no graph"):
        Graph.open(tmp_path)
    with pytest.raises(DatasetError, match="is no graph"):
        Graph.open(tmp_path / "absent")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"kind": "dataset"}', "\ufeff{}"])
def test_another_manifest_is_no_graph(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match="is no graph"):
        Graph.open(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"vintages": ...},
        {"settings": ...},
        {"settings": None},
        {"vintages": [1]},
        {"vintages": None},
        {"vintages": {"yesterday": {"edges_sha256": "x"}}},
        {"vintages": {"2024-01-31": {}}},
        {"vintages": {"2024-01-31": "x"}},
    ],
)
def test_a_manifest_that_lacks_what_a_graph_needs_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    rewrite(folder(tmp_path), **changes)
    with pytest.raises(DatasetError, match="build it again"):
        Graph.open(tmp_path)


def test_a_missing_vintage_is_named(tmp_path: Path) -> None:
    path = folder(tmp_path) / EDGES / "T=2024-02-29.parquet"
    graph = Graph.open(tmp_path)
    path.unlink()
    with pytest.raises(DatasetError, match=r"lacks 1 vintages that its manifest names, such as T=2024-02-29\.parquet"):
        Graph.open(tmp_path)
    with pytest.raises(DatasetError, match=r"T=2024-02-29.parquet has gone"):
        graph.edges(DAYS[1])
    assert graph.edges(DAYS[0]).height == 7


def test_a_changed_vintage_is_not_read(tmp_path: Path) -> None:
    graph = Graph.open(folder(tmp_path))
    vintage(DAYS[1], 0.5).write_parquet(tmp_path / EDGES / f"T={DAYS[1]}.parquet")
    with pytest.raises(DatasetError, match="SHA-256 differs"):
        graph.edges(DAYS[1])
    with pytest.raises(DatasetError, match="SHA-256 differs"):
        Graph.open(tmp_path).peers("A", DAYS[1])
    assert graph.edges(DAYS[0]).height == 7


# ---------------------------------------------------------------- peers


def naive_peers(frame: pl.DataFrame) -> list[tuple[str, int, str]]:
    rows = frame.to_dicts()
    out = []
    for name in sorted({row[side] for row in rows for side in ("ts_a", "ts_b")}):
        mine = [(row, row["ts_b"] if row["ts_a"] == name else row["ts_a"]) for row in rows if name in (row["ts_a"], row["ts_b"])]

        def order(each: tuple[dict[str, Any], str]) -> Any:
            row, peer = each
            expected, trailing = row["expected_fwd_corr"], row["trailing_corr"]
            first = (expected is None, 0 if expected is None else -expected, not row["confirmed"])
            return (*first, trailing is None, 0 if trailing is None else -trailing, -row["comention_strength"], peer)

        out += [(name, rank, peer) for rank, (_, peer) in enumerate(sorted(mine, key=order), start=1)]
    return out


def test_peers_are_ranked_by_what_is_expected_then_confirmed_first() -> None:
    found = peer_lists(vintage(DAYS[0]))
    assert found.filter(pl.col("ts_code") == "A")["peer"].to_list() == ["F", "G", "E", "B", "C", "D"]
    assert found.select("ts_code", "rank", "peer").rows() == naive_peers(vintage(DAYS[0]))
    assert found.schema["rank"] == pl.Int32
    assert set(found["trade_date"]) == {DAYS[0]}


@pytest.mark.parametrize("forecast", [False, True])
def test_peer_lists_of_the_market_are_those_of_a_loop(forecast: bool) -> None:
    frame = edges_of(inputs(), rows()[-2], model=model() if forecast else None)
    assert (frame["expected_fwd_corr"].count() > 0) == forecast
    found = peer_lists(frame)
    assert found.select("ts_code", "rank", "peer").rows() == naive_peers(frame)
    assert found.height == 2 * frame.height
    said = ("expected_fwd_corr", "trailing_corr", "n_lamps", "confirmed", "dark", "comention_strength")
    assert tuple(found.columns) == ("trade_date", "ts_code", "rank", "peer", *said)
    both = found.join(frame, left_on=["ts_code", "peer"], right_on=["ts_a", "ts_b"])
    assert all(both[name].equals(both[f"{name}_right"], null_equal=True) for name in said)
    assert peer_lists(frame.clear()).schema == found.schema


def test_peers_say_which_forecasts_have_seen_their_outcome() -> None:
    for row, seen in ((rows()[0], True), (rows()[-2], False)):
        when = replace(model(), known_from=day_of(inputs(), row) + timedelta(days=int(seen)))
        found = peer_lists(edges_of(inputs(), row, model=when, in_sample=True))
        assert found.columns[-1] == "in_sample"
        assert found["in_sample"].unique().to_list() == [seen]
    assert "in_sample" not in peer_lists(edges_of(inputs(), rows()[0])).columns


def test_a_graph_in_memory_refuses_a_model_of_another_graph() -> None:
    with pytest.raises(SettingError, match=r"another graph \(min_share differ\)"):
        build_graph(data(), replace(GRAPH, min_share=0.2), dates=[], model=model())


def test_the_order_of_the_edges_does_not_matter() -> None:
    frame = edges_of(inputs(), rows()[-2])
    assert peer_lists(frame.sample(fraction=1.0, shuffle=True, seed=2)).equals(peer_lists(frame))


def test_a_stock_has_so_many_peers_or_is_refused() -> None:
    graph = Graph(settings={}, frames={DAYS[0]: vintage(DAYS[0])})
    assert graph.peers("A", DAYS[1], names=2)["peer"].to_list() == ["F", "G"]
    assert graph.peers("C", DAYS[0])["rank"].to_list() == [1, 2]
    with pytest.raises(SettingError, match="Z has no pair on 2024-01-31"):
        graph.peers("Z", DAYS[0])


@pytest.mark.parametrize("options", [{}, {"dark_factor": 0.5}, {"method": "expected"}, {"unlisted_factor": 0.4}, {"strength": 0.5}])
def test_discount_is_that_of_the_vintage(options: dict[str, Any]) -> None:
    correlation = np.full((4, 4), 0.4) + 0.6 * np.eye(4)
    names = ["A", "B", "C", "G"]
    usual, later = edges_between(0.2, DAYS[0]), edges_between(0.1, DAYS[1])
    graph = Graph(settings={}, frames={DAYS[0]: usual, DAYS[1]: later})
    found = graph.discount(correlation, date(2024, 2, 1), assets=names, **options)
    assert np.array_equal(found, discount(correlation, usual, assets=tuple(names), **options))
    assert not np.array_equal(found, correlation)
    if options:
        assert not np.array_equal(found, graph.discount(correlation, DAYS[0], assets=names))
    bound = graph.discount(correlation, DAYS[0], assets=names, method="expected", largest_ratio=0.1)
    assert np.array_equal(bound, discount(correlation, usual, assets=tuple(names), method="expected", largest_ratio=0.1))


def edges_between(expected: float, day: date) -> pl.DataFrame:
    return edges(day, [("A", "B", expected, 0.5, 1, 1.0), ("A", "C", 0.1, 0.3, 0, 5.0), ("B", "C", expected, 0.4, 0, 5.0)])


# ---------------------------------------------------------------- building


def test_by_default_a_graph_has_the_months_of_the_data() -> None:
    seen: list[str] = []
    graph = build_graph(data(), GRAPH, progress=seen.append)
    days = [day_of(inputs(), row) for row in rows()]
    assert list(graph.dates) == days
    assert seen == [f"vintage {k} of {len(days)}" for k in range(1, len(days) + 1)]
    assert graph.settings == GRAPH.to_dict()
    for row, day in zip(rows()[::5], days[::5], strict=True):
        assert graph.edges(day).equals(edges_of(inputs(), row))
        assert tuple(graph.edges(day).columns) == EDGE_COLUMNS


def test_days_asked_for_are_served_by_the_session_before_each_once() -> None:
    days = inputs().ground.axes.sessions.dates
    monday, sunday = date(2025, 3, 17), date(2025, 3, 16)
    found = vintage_rows(inputs(), [monday, sunday, date(2025, 3, 14), date(2030, 1, 1)])
    assert [days[row].item() for row in found] == [date(2025, 3, 14), monday, days[-1].item()]
    assert build_graph(data(), GRAPH, dates=[sunday]).dates == (date(2025, 3, 14),)
    assert build_graph(data(), GRAPH, dates=[datetime(2025, 3, 16, 12)]).dates == (date(2025, 3, 14),)


def test_what_is_no_day_no_count_and_no_setting_is_refused() -> None:
    graph = Graph(settings={}, frames={DAYS[0]: vintage(DAYS[0])})
    assert graph.peers("A", datetime(2024, 1, 31, 9)).equals(graph.peers("A", DAYS[0]))
    for names in (-1, 0, 1.5, True, "2"):
        with pytest.raises(SettingError, match="names must be a whole number of at least 1"):
            graph.peers("A", DAYS[0], names=names)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"a day must be a datetime\.date, not '2024-01-31'"):
        graph.peers("A", "2024-01-31")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="a day must be"):
        build_graph(data(), GRAPH, dates=["2024-01-31"])  # type: ignore[list-item]
    with pytest.raises(SettingError, match="no day is named"):
        build_graph(data(), GRAPH, dates=[])
    for settings in ({"trailing_sessions": 40}, {}):
        with pytest.raises(SettingError, match="give GraphSettings"):
            build_graph(data(), settings)  # type: ignore[arg-type]


def test_a_day_needs_a_whole_trailing_window() -> None:
    days = inputs().ground.axes.sessions.dates
    enough, short = days[GRAPH.trailing_sessions - 1].item(), days[GRAPH.trailing_sessions - 2].item()
    assert vintage_rows(inputs(), [enough]).tolist() == [GRAPH.trailing_sessions - 1]
    with pytest.raises(InsufficientDataError, match=f"{short} has fewer than 40 sessions"):
        vintage_rows(inputs(), [enough, short])
    with pytest.raises(InsufficientDataError, match="1990-01-01 has fewer"):
        build_graph(data(), GRAPH, dates=[date(1990, 1, 1)])


def test_data_without_a_whole_window_up_to_a_month_end_have_no_vintage() -> None:
    early = data().as_of(day_of(inputs(), 45))
    with pytest.raises(InsufficientDataError, match="no month ends with 40 sessions"):
        build_graph(early, GRAPH)


# ---------------------------------------------------------------- the model file


def model() -> Model:
    return Model(
        variant="plain",
        terms={"intercept": 0.1, "trailing": 0.5, "product_peer": 0.0, "deep_peer": 0.1, "chain": 0.1, "disclosed": 0.1, "affiliate": 0.1},
        dropped=("dark",),
        fit_start=date(2020, 1, 31),
        fit_end=date(2021, 1, 29),
        known_from=date(2021, 5, 6),
        vintages=12,
        observations=100,
        descriptive=True,
        mse={"plain": 0.1, "interactions": None},
        settings={"graph": GRAPH.to_dict()},
        fingerprint={},
        version=pureplay.__version__,
    )


def test_a_model_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / MODEL_FILE
    path.write_text(json.dumps(model().to_dict()), encoding="utf-8")
    assert read_model(path) == model()
    assert read_model(str(path)) == model()


@pytest.mark.parametrize("content", [None, "", "[", "[]", "{}", '{"terms": 1}'])
def test_a_file_that_holds_no_model_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / MODEL_FILE
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError):
        read_model(path)
