"""The example maps of the graph data, in place: the tables of links only, since the bars of ten years take long."""

import tomllib
from pathlib import Path

import polars as pl
import pytest

from pureplay.checks import check_tables
from pureplay.sources.files import load
from pureplay.sources.maps import read_map

MAPS = Path(__file__).parents[2] / "examples" / "maps"


@pytest.mark.parametrize("name", ["us", "cn_graph"])
def test_the_example_maps_are_sound(name: str) -> None:
    plan = read_map(MAPS / f"{name}.toml")
    assert plan.name == name
    assert {"mentions", "affiliates", "bars"} <= {each.contract.name for each in plan.tables}


def test_the_graph_map_holds_the_whole_plain_map() -> None:
    plain, graph = (tomllib.loads((MAPS / f"{name}.toml").read_text(encoding="utf-8")) for name in ("cn", "cn_graph"))
    assert graph["table"][: len(plain["table"])] == plain["table"]


@pytest.mark.realdata
def test_collected_us_data_come_through_the_example_map(realdata: Path) -> None:
    result = load(MAPS / "us.toml", source=realdata / "us")
    heights = {name: table.height for name, table in result.tables.items()}
    assert heights == {"bars": 1_557_144, "assets": 2_763, "mentions": 103_591, "industries": 4 * 1_458, "affiliates": 264}
    assert result.refused["affiliates"]["rule"].unique().to_list() == ["not_in_lookup"]
    bars = result.tables["bars"]
    [derived] = [each for each in result.report.entries if each.kind == "derived" and each.column == "ret"]
    assert derived.count == bars["ret"].is_not_null().sum() == 1_554_379
    apple = bars.filter(asset="AAPL").sort("date")
    assert apple["ret"][1:].to_list() == pytest.approx((apple["close"][1:] / apple["close"][:-1] - 1).to_list(), abs=1e-15)
    assert result.tables["industries"].group_by("scheme").agg(pl.col("code").str.len_chars().unique()).sort("scheme").rows() == [
        (f"sic_{digits}", [digits]) for digits in (1, 2, 3, 4)
    ]


@pytest.mark.realdata
def test_collected_a_share_links_come_through_the_example_map(realdata: Path, tmp_path: Path) -> None:
    links = ("taxonomy", "mentions", "disclosed_links", "affiliates", "supply_edges")
    head, *blocks = (MAPS / "cn_graph.toml").read_text(encoding="utf-8").split("[[table]]")
    wanted = [block for block in blocks if tomllib.loads("[[table]]" + block)["table"][0]["table"] in links]
    (tmp_path / "links.toml").write_text("[[table]]".join([head, *wanted]), encoding="utf-8")
    result = load(tmp_path / "links.toml", source=realdata / "cn")
    assert {name: table.height for name, table in result.tables.items()} == {
        "taxonomy": 24_461, "mentions": 59_010, "disclosed_links": 710, "affiliates": 88 + 24_311, "supply_edges": 56_826,
    }  # fmt: skip
    sound, aside, report = check_tables(result.tables, calendar="XSHG")
    assert report.refused == ()
    assert sound["supply_edges"].height == 538
    assert aside.keys() == {"supply_edges"}
    [circles] = [each for each in report.findings if each.rule == "ownership_circle"]
    assert circles.count >= 44, "every tie stands in both directions"
    assert sound["mentions"]["published_at"].dt.year().min() == 2017
