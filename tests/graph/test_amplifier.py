"""The amplifier's graph and operator: by hand, against plain loops, cut off in time, every setting, bad input."""

from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.graph.amplifier import FEED_SCHEMA, AmplifierGraph, amplifier_graph, amplify, month_starts, standardised
from pureplay.market import load_market
from pureplay.panel import Axes
from pureplay.parallel import workers
from pureplay.products.mix import filed_lines, revenue_mix
from pureplay.products.taxonomy import Taxonomy
from pureplay.sessions import sessions_between
from pureplay.synthetic import market

FIRST = date(2024, 1, 1)


def day(number: int) -> date:
    """Weekday of 2024 by its number."""
    return FIRST + timedelta(days=number + 2 * (number // 5))


def by_hand() -> Dataset:
    """Six stocks: a 60/40 in X.1 and X.2, b wholly in X.1, its other listing c, d wholly in X.2, e 97/3 in Y.1 and X.1, f files late."""
    shares = {
        "a": {"X.1": 60.0, "X.2": 40.0},
        "b": {"X.1": 100.0},
        "c": {"X.1": 100.0},
        "d": {"X.2": 100.0},
        "e": {"Y.1": 97.0, "X.1": 3.0},
        "f": {"Y.1": 100.0},
    }
    published = {name: date(2023, 10, 1) for name in shares} | {"f": date(2024, 2, 15)}
    segments = [
        {
            "asset": name,
            "period_end": date(2023, 6, 30),
            "product": product,
            "revision": 0,
            "kind": "product",
            "publish_date": published[name],
            "revenue": revenue,
        }
        for name, mix in shares.items()
        for product, revenue in mix.items()
    ]
    filings = [
        {"asset": n, "period_end": date(2023, 6, 30), "revision": 0, "publish_date": published[n], "total_revenue": 100.0} for n in shares
    ]
    tree = {"X": None, "Y": None, "X.1": "X", "X.2": "X", "Y.1": "Y", "Y.1.1": "Y.1"}
    edges = [
        {"supplier_product": "Y.1.1", "customer_product": "X.1", "start_date": date(2023, 1, 1), "end_date": None, "is_core": True},
        {"supplier_product": "X.2", "customer_product": "Y", "start_date": date(2024, 3, 1), "end_date": date(2024, 4, 1), "is_core": True},
        {"supplier_product": "X.1", "customer_product": "X.2", "start_date": date(2023, 1, 1), "end_date": None, "is_core": False},
        {"supplier_product": "Y.1.1", "customer_product": "Y.1", "start_date": date(2023, 1, 1), "end_date": None, "is_core": True},
    ]
    days = [day(k) for k in range(100)]
    bars = [{"date": d, "asset": n, "ret": 0.01, "total_cap": 1e9} for d in days for n in shares]
    return Dataset(
        tables={
            "bars": pl.DataFrame(bars),
            "assets": pl.DataFrame({"asset": list("abcdef"), "issuer": ["A", "B", "B", "D", "E", "F"]}),
            "taxonomy": pl.DataFrame({"product": list(tree), "parent": list(tree.values())}),
            "segments": pl.DataFrame(segments),
            "filings": pl.DataFrame(filings),
            "supply_edges": pl.DataFrame(edges, schema_overrides={"end_date": pl.Date}),
        },
        calendar="bars",
    )


def pairs(frame: pl.DataFrame, relation: str, on: date) -> dict[str, float]:
    """focal + counterparty → weight."""
    rows = frame.filter((pl.col("relation_type") == relation) & (pl.col("trade_date") == on))
    return {row["focal_ts"] + row["counterparty_ts"]: row["weight"] for row in rows.iter_rows(named=True)}


def test_by_hand() -> None:
    frame = amplifier_graph(by_hand(), dates=[date(2024, 1, 1), date(2024, 3, 1), date(2024, 4, 1)]).to_frame()
    assert dict(frame.schema) == FEED_SCHEMA
    peers = {"ab": 0.6, "ac": 0.6, "ad": 0.4, "ba": 1.0, "ca": 1.0, "da": 1.0, "ea": 0.03, "eb": 0.03, "ec": 0.03}
    # b and c are one issuer; e has less than 5 % in X.1, so it is nobody's peer there
    assert pairs(frame, "peer", date(2024, 1, 1)) == peers
    # f files on 15 Feb + 30 days = 16 Mar: it is in the graph of April only
    assert pairs(frame, "peer", date(2024, 3, 1)) == peers
    assert pairs(frame, "peer", date(2024, 4, 1)) == {**peers, "ef": 0.97, "fe": 1.0}
    # core edges: Y.1.1 → X.1 counts for Y.1 → X.1; Y.1.1 → Y.1 joins a product with itself; X.1 → X.2 is not core
    assert pairs(frame, "upstream", date(2024, 1, 1)) == {"ae": 0.6, "be": 1.0, "ce": 1.0}
    assert pairs(frame, "downstream", date(2024, 1, 1)) == {"ea": 0.97, "eb": 0.97, "ec": 0.97}
    # X.2 → Y holds in March only and speaks for all of Y
    assert pairs(frame, "upstream", date(2024, 3, 1)) == {"ae": 0.6, "be": 1.0, "ce": 1.0, "ea": 0.97, "ed": 0.97}
    assert pairs(frame, "downstream", date(2024, 3, 1)) == {"ea": 0.97, "eb": 0.97, "ec": 0.97, "ae": 0.4, "de": 1.0}
    assert "ea" not in pairs(frame, "upstream", date(2024, 4, 1))
    late = frame.filter(pl.col("counterparty_ts") == "f").row(0, named=True)
    assert (late["source_publish_date"], late["eff_date"]) == (date(2024, 2, 15), date(2024, 3, 16))
    assert late["source_rpt_date"] == date(2023, 6, 30)
    assert late["source_basis"] == "segments L2"
    assert (frame["eff_date"] <= frame["trade_date"]).all()


@pytest.mark.parametrize(
    ("change", "relation", "gone", "new"),
    [
        ({"level": 1}, "peer", {}, {"bd": 1.0}),  # X.1 and X.2 are one product
        ({"min_share": 0.03}, "peer", {}, {"be": 1.0}),  # exactly 3 % counts
        ({"core_only": False}, "upstream", {}, {"db": 1.0}),
        ({"buffer_days": 60}, "peer", {"ef"}, {}),
        ({"stale_months": 6}, "peer", {"ab"}, {}),
    ],
)
def test_every_setting_of_the_graph_matters(change: dict[str, Any], relation: str, gone: set[str], new: dict[str, float]) -> None:
    on = date(2024, 4, 1)
    usual = pairs(amplifier_graph(by_hand(), dates=[on]).to_frame(), relation, on)
    made = pairs(amplifier_graph(by_hand(), dates=[on], **change).to_frame(), relation, on)
    assert gone <= set(usual) - set(made) if gone else not set(new) & set(usual)
    assert {key: made[key] for key in new} == new


def test_relations_and_dates_are_those_asked_for() -> None:
    data = by_hand()
    assert amplifier_graph(data, relations=("downstream",)).relations == ("downstream",)
    assert amplifier_graph(data).relations == ("peer", "upstream", "downstream")
    plain = Dataset(tables={name: table for name, table in data.tables.items() if name != "supply_edges"}, calendar="bars")
    assert amplifier_graph(plain).relations == ("peer",)
    with pytest.raises(TableError, match="supply_edges"):
        amplifier_graph(plain, relations=("upstream",))
    axes = load_market(data).axes
    assert [str(axes.sessions.dates[row]) for row in month_starts(axes)] == [
        "2024-01-01",
        "2024-02-01",
        "2024-03-01",
        "2024-04-01",
        "2024-05-01",
    ]


@cache
def planted() -> Dataset:
    """A small market with edges between every second pair of products of level 2."""
    made = market(stocks=60, sessions=130, products=8, seed=3)
    nodes = made.tables["taxonomy"].filter(pl.col("product").str.len_chars() == 6)["product"].sort().to_list()
    edges = [
        {"supplier_product": a, "customer_product": b, "start_date": date(2025, 7 + k % 3, 5), "end_date": None, "is_core": k % 4 != 0}
        for k, (a, b) in enumerate((a, b) for a in nodes for b in nodes if a != b)
        if k % 2
    ]
    tables = {name: made.tables[name] for name in ("bars", "assets", "taxonomy", "filings", "segments", "factors")}
    return Dataset(tables={**tables, "supply_edges": pl.DataFrame(edges, schema_overrides={"end_date": pl.Date})}, calendar="XSHG")


def naive_rows(data: Dataset, row: int, min_share: float = 0.05) -> dict[tuple[str, str, str], float]:
    """One vintage by dictionaries of shares, from the definition."""
    traded = load_market(data)
    taxonomy = Taxonomy.from_table(data.frame("taxonomy"))
    mix = revenue_mix(filed_lines(data), taxonomy, traded.axes, level=2)
    share: dict[str, dict[str, float]] = {}
    ended = dict(data.frame("assets").select("asset", "delist_date").drop_nulls().iter_rows())
    for i, name in enumerate(traded.axes.assets):
        filing = int(mix.active[row, i])
        if name in ended and ended[name] <= traded.axes.sessions.dates[row].astype(object):
            continue
        if filing >= 0 and traded.traded[: row + 1, i].any():
            entries = range(int(mix.offsets[filing]), int(mix.offsets[filing + 1]))
            share[name] = {mix.groups[mix.group[e]]: float(mix.share[e]) for e in entries}
    on = traded.axes.sessions.dates[row].astype(object)
    edges = data.frame("supply_edges").filter(pl.col("is_core") & (pl.col("start_date") <= on))
    inputs = {(a, b) for a, b in edges.select("supplier_product", "customer_product").iter_rows()}
    issuer = dict(zip(traded.axes.assets, traded.issuer.tolist(), strict=True))
    out = {}
    for i, own in share.items():
        for j, other in share.items():
            if issuer[i] == issuer[j]:
                continue
            sold = {q for q, s in other.items() if s >= min_share}
            for relation, holds in (
                ("peer", lambda p, q: p == q),
                ("upstream", lambda p, q: (q, p) in inputs),
                ("downstream", lambda p, q: (p, q) in inputs),
            ):
                weight = round(sum(s for p, s in own.items() if any(holds(p, q) for q in sold)), 6)
                if weight > 0:
                    out[i, relation, j] = min(weight, 1.0)
    return out


def test_graph_against_a_plain_loop() -> None:
    data = planted()
    graph = amplifier_graph(data)
    frame = graph.to_frame()
    axes = load_market(data).axes
    rows = month_starts(axes)
    assert rows.size >= 6
    for number, row in enumerate(rows.tolist()):
        held = graph.to_frame(number, number + 1)
        assert held.equals(frame.filter(pl.col("trade_date") == pl.lit(graph.dates[number].astype(object))))
        mine = {(r["focal_ts"], r["relation_type"], r["counterparty_ts"]): r["weight"] for r in held.iter_rows(named=True)}
        theirs = naive_rows(data, row)
        assert set(mine) == set(theirs)
        # 6 decimals on both sides; a sum that ends in 5 may round either way
        assert max(abs(mine[key] - theirs[key]) for key in mine) <= 1e-6 + 1e-12
        assert sum(mine[key] != theirs[key] for key in mine) <= 2
    assert (frame["eff_date"] <= frame["trade_date"]).all()
    assert {each: frame.filter(pl.col("relation_type") == each).height > 100 for each in graph.relations} == dict.fromkeys(
        ("peer", "upstream", "downstream"), True
    )


def test_same_bits_whatever_the_workers() -> None:
    made = []
    for count in (1, 3):
        with workers(count):
            graph = amplifier_graph(planted())
            made.append((graph.to_frame(), amplify(planted().frame("factors"), graph, relations=("peer", "upstream"))))
    assert made[0][0].equals(made[1][0])
    assert made[0][1].equals(made[1][1], null_equal=True)


def test_time_travel() -> None:
    data = planted()
    graph = amplifier_graph(data)
    factors = data.frame("factors")
    whole = amplify(factors, graph, relations=graph.relations)
    days = load_market(data).axes.sessions.dates
    for row in (40, 41, 63, 84, 100):
        on = days[row].astype(object)
        cut = data.as_of(on)
        earlier = amplifier_graph(cut)
        assert earlier.to_frame().equals(graph.to_frame().filter(pl.col("trade_date") <= on))
        made = amplify(cut.frame("factors"), earlier, relations=earlier.relations)
        assert made.equals(whole.filter(pl.col("date") <= on), null_equal=True)  # to the bit
        assert made.drop_nulls().height > 1000


def changed(data: Dataset, **tables: pl.DataFrame) -> Dataset:
    """The dataset with some tables exchanged."""
    return Dataset(tables={**data.tables, **tables}, calendar=data.calendar)


def same_before(data: Dataset) -> pl.DataFrame:
    """The feed, after a look that each of its vintages, and days between them, has the rows that it had when it was the last."""
    whole = amplifier_graph(data).to_frame()
    days = load_market(data).axes.sessions.dates
    for row in (20, 41, 63, 64, 84, 100, 120):
        on = days[row].astype(object)
        assert amplifier_graph(data.as_of(on)).to_frame().equals(whole.filter(pl.col("trade_date") <= on))
    return whole


def test_an_edge_waits_for_its_products() -> None:
    """An edge dated earlier than the leaf that it names, which was not in the tree before."""
    data = planted()
    on = load_market(data).axes.sessions.dates[70].astype(object)
    tree = data.frame("taxonomy")
    supplier, customer = tree.filter(pl.col("product").str.len_chars() == 6)["product"].sort().to_list()[:2]
    leaf = pl.DataFrame({"product": [f"{supplier}99"], "parent": [supplier], "start_date": [on]})
    edge = pl.DataFrame(
        {"supplier_product": [f"{supplier}99"], "customer_product": [customer], "start_date": [date(2020, 1, 1)], "is_core": [True]}
    )
    edges = data.frame("supply_edges").filter((pl.col("supplier_product") != supplier) | (pl.col("customer_product") != customer))
    made = same_before(
        changed(
            data,
            taxonomy=pl.concat([tree, leaf.cast({"start_date": tree.schema.get("start_date", pl.Date)})], how="diagonal"),
            supply_edges=pl.concat([edges, edge], how="diagonal"),
        )
    )
    without = amplifier_graph(changed(data, supply_edges=edges)).to_frame()
    assert made.filter(pl.col("trade_date") < on).equals(without.filter(pl.col("trade_date") < on))
    assert made.filter(pl.col("trade_date") >= on).height > without.filter(pl.col("trade_date") >= on).height


@pytest.mark.parametrize("level", ["leaf", "middle"])
def test_products_that_begin_later_do_not_change_the_feed_of_before(level: str) -> None:
    """Every third node starts inside the data; filings had named it before."""
    data = planted()
    axes = load_market(data).axes
    tree = data.frame("taxonomy").sort("product").with_row_index("_row")
    chosen = ~pl.col("product").is_in(tree["parent"].implode()) if level == "leaf" else pl.col("product").str.len_chars() == 6
    late = chosen & (pl.col("_row") % 3 == 0)
    days = pl.Series(axes.sessions.dates[[30, 64, 101]]).cast(pl.Date)
    start = pl.when(late).then(pl.lit(days.implode()).list.get(pl.col("_row") // 3 % 3))
    made = same_before(changed(data, taxonomy=tree.with_columns(start_date=start).drop("_row")))
    usual = amplifier_graph(data).to_frame()
    assert 0 < made.height < usual.height


def test_delisted_stocks_leave() -> None:
    """A stock is in the graph up to the last vintage before its last trading day, though its filing is still fresh."""
    data = by_hand()
    gone = data.frame("assets").with_columns(delist_date=pl.when(pl.col("asset") == "d").then(pl.lit(date(2024, 3, 1))))
    listed = amplifier_graph(data).to_frame()
    made = amplifier_graph(changed(data, assets=gone)).to_frame()
    without = (pl.col("focal_ts") != "d") & (pl.col("counterparty_ts") != "d")
    assert made.equals(listed.filter((pl.col("trade_date") < date(2024, 3, 1)) | without))
    assert made.height < listed.height
    for on in (date(2024, 2, 29), date(2024, 3, 1), date(2024, 4, 1)):
        assert amplifier_graph(changed(data, assets=gone).as_of(on)).to_frame().equals(made.filter(pl.col("trade_date") <= on))


def own_graph(**changes: Any) -> pl.DataFrame:
    """Four stocks over two vintages, in the feed's columns."""
    rows = [
        ("2024-01-02", "a", "peer", "b", 0.5),
        ("2024-01-02", "a", "peer", "c", 0.25),
        ("2024-01-02", "b", "peer", "a", 1.0),
        ("2024-01-02", "a", "upstream", "b", 0.75),
        ("2024-01-02", "c", "upstream", "d", 0.1),
        ("2024-03-04", "a", "peer", "d", 0.2),
    ]
    table = pl.DataFrame(rows, schema=["trade_date", "focal_ts", "relation_type", "counterparty_ts", "weight"], orient="row")
    return table.with_columns(eff_date=pl.lit("2023-12-31")).with_columns(**changes)


def own_panel() -> pl.DataFrame:
    """Two factors, one with holes and an infinite value, on three dates, in no order."""
    rows = [
        (date(2024, 1, 3), "a", 1.0, 10.0),
        (date(2024, 1, 3), "b", 2.0, None),
        (date(2024, 1, 3), "c", 4.0, 40.0),
        (date(2024, 1, 3), "d", 8.0, float("inf")),
        (date(2024, 1, 3), "z", 3.0, 5.0),
        (date(2024, 2, 29), "a", 1.0, 10.0),
        (date(2024, 3, 5), "a", 1.0, 10.0),
        (date(2024, 3, 5), "d", 5.0, 50.0),
    ]
    return pl.DataFrame(rows, schema=["date", "asset", "f", "g"], orient="row").sample(fraction=1.0, shuffle=True, seed=1)


def value(made: pl.DataFrame, on: date, asset: str, column: str) -> float | None:
    """One cell."""
    return made.filter((pl.col("date") == on) & (pl.col("asset") == asset))[column].item()  # type: ignore[no-any-return]


def test_amplify_by_hand() -> None:
    panel = own_panel()
    before = panel.clone()
    graph = AmplifierGraph.from_frame(own_graph())
    made = amplify(panel, graph, strength=0.25)
    assert panel.equals(before, null_equal=True)
    assert made.columns == panel.columns
    assert made.select("date", "asset").equals(panel.select("date", "asset").sort("date", "asset"))
    on = date(2024, 1, 3)
    assert value(made, on, "a", "f") == pytest.approx(0.75 * 1 + 0.25 * (0.5 * 2 + 0.25 * 4) / 0.75, abs=1e-15)
    assert value(made, on, "a", "g") == pytest.approx(0.75 * 10 + 0.25 * 40, abs=1e-14)  # b has no g: c alone
    assert value(made, on, "b", "f") == pytest.approx(0.75 * 2 + 0.25 * 1, abs=1e-15)
    assert value(made, on, "b", "g") is None  # no own value
    assert value(made, on, "c", "f") == 4.0  # nobody beside it
    assert value(made, on, "d", "g") is None  # infinite counts as missing
    assert value(made, on, "z", "f") == 3.0  # unknown to the graph
    assert value(made, date(2024, 2, 29), "a", "f") is None  # 58 days after the vintage
    assert value(made, date(2024, 3, 5), "a", "f") == pytest.approx(0.75 + 0.25 * 5, abs=1e-15)
    both = amplify(panel, graph, relations=("peer", "upstream"))
    assert value(both, on, "a", "f") == pytest.approx(0.5 + 0.5 * (1.25 * 2 + 0.25 * 4) / 1.5, abs=1e-15)
    assert value(both, on, "c", "g") == 40.0  # its one counterparty has no g


def test_every_setting_of_amplify_matters() -> None:
    panel, graph, on = own_panel(), AmplifierGraph.from_frame(own_graph()), date(2024, 1, 3)
    alone = amplify(panel, graph, lonely="null")
    assert value(alone, on, "c", "f") is None
    assert value(alone, on, "z", "f") is None
    assert value(alone, on, "a", "f") == value(amplify(panel, graph), on, "a", "f")
    few = amplify(panel, graph, fewest_counterparties=2)
    assert value(few, on, "b", "f") == 2.0
    assert value(few, on, "a", "g") == 10.0  # one of the two has no g
    assert value(amplify(panel, graph, longest_days=58), date(2024, 2, 29), "a", "f") == 1.0
    zero = amplify(panel, graph, strength=0)
    assert zero.filter(pl.col("date") == on)["f"].to_list() == [1.0, 2.0, 4.0, 8.0, 3.0]
    scaled = amplify(panel, graph, standardise=True)
    f = np.array([1.0, 2.0, 4.0, 8.0, 3.0])
    spread = 1.4826 * 1.0  # median 3, deviations 2 1 1 5 0: MAD 1
    z = np.minimum(f, 3 + 3 * spread)
    z = (z - z.mean()) / z.std()
    assert value(scaled, on, "a", "f") == pytest.approx(0.5 * z[0] + 0.5 * (0.5 * z[1] + 0.25 * z[2]) / 0.75, abs=1e-12)


def naive_amplify(factors: pl.DataFrame, rows: pl.DataFrame, relations: tuple[str, ...], strength: float) -> pl.DataFrame:
    """The formula word by word, over dictionaries."""
    names = [each for each in factors.columns if each not in ("date", "asset")]
    vintages = sorted(rows["trade_date"].unique())
    links: dict[date, dict[str, list[tuple[str, float]]]] = {each: {} for each in vintages}
    for row in rows.filter(pl.col("relation_type").is_in(relations)).iter_rows(named=True):
        links[row["trade_date"]].setdefault(row["focal_ts"], []).append((row["counterparty_ts"], row["weight"]))
    out = []
    for on, group in factors.sort("date", "asset").group_by("date", maintain_order=True):
        held = [each for each in vintages if each <= on[0] and (on[0] - each).days <= 45]
        values = {row["asset"]: row for row in group.iter_rows(named=True)}
        for asset, own in values.items():
            made: dict[str, Any] = {"date": on[0], "asset": asset}
            for name in names:
                made[name] = own[name] if held else None
                near = (
                    [(w, values[j][name]) for j, w in links[held[-1]].get(asset, []) if j in values and values[j][name] is not None]
                    if held
                    else []
                )
                if near and own[name] is not None:
                    mean = sum(w * f for w, f in near) / sum(w for w, _ in near)
                    made[name] = (1 - strength) * own[name] + strength * mean
            out.append(made)
    return pl.DataFrame(out, schema=factors.schema)


def test_amplify_against_a_plain_loop() -> None:
    data = planted()
    rng = np.random.default_rng(4)
    keys = data.frame("factors").select("date", "asset")
    holes = rng.random((2, keys.height)) < 0.3
    values = np.where(holes, np.nan, rng.normal(size=holes.shape) * 10)
    factors = keys.with_columns(f=pl.Series(values[0]).fill_nan(None), g=pl.Series(values[1]).fill_nan(None))
    graph = amplifier_graph(data)
    for relations in (("peer",), ("upstream", "downstream", "peer")):
        made = amplify(factors.sample(fraction=1.0, shuffle=True, seed=2), graph, relations=relations, strength=0.3)
        theirs = naive_amplify(factors, graph.to_frame(), relations, 0.3)
        assert made.select("date", "asset").equals(theirs.select("date", "asset"))
        for name in ("f", "g"):
            assert (made[name].is_null() == theirs[name].is_null()).all()
            gap = (made[name] - theirs[name]).abs().max()
            assert isinstance(gap, float)
            assert gap <= 1e-12  # two orders of some sixty terms of size 10


def test_frames_of_any_kind_and_layout() -> None:
    graph = AmplifierGraph.from_frame(own_graph())
    panel = own_panel()
    usual = amplify(panel, graph)
    assert amplify(panel.to_pandas(), graph).equals(usual, null_equal=True)
    long = panel.unpivot(index=["date", "asset"], variable_name="factor", value_name="value")
    assert amplify(long, graph).select(usual.columns).equals(usual, null_equal=True)
    again = AmplifierGraph.from_frame(own_graph().to_pandas().sample(frac=1.0, random_state=3))
    assert again.to_frame().equals(graph.to_frame(), null_equal=True)


def test_graph_survives_its_own_feed() -> None:
    data = planted()
    graph = amplifier_graph(data)
    again = AmplifierGraph.from_frame(graph.to_frame())
    assert again.to_frame().equals(graph.to_frame())
    factors = data.frame("factors")
    assert amplify(factors, again, relations=("downstream",)).equals(amplify(factors, graph, relations=("downstream",)), null_equal=True)


def test_standardised_names_of_the_date_only() -> None:
    block = np.array([[[1.0, 2.0, np.nan, 3.0]], [[5.0, 5.0, 5.0, np.nan]]])
    made = standardised(block)
    assert made[0, 0, :2] == pytest.approx(np.array([-1, 0]) / np.sqrt(2 / 3), abs=1e-14)
    assert np.isnan(made[1]).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight": pl.lit(1.5)}, r"6 of 6 rows with a weight outside \(0, 1\], such as trade_date"),
        ({"weight": pl.lit(0.0)}, "weight outside"),
        ({"weight": pl.lit(float("nan"))}, "weight outside"),
        ({"weight": pl.lit(None, dtype=pl.Float64)}, "weight outside"),
        ({"counterparty_ts": pl.col("focal_ts")}, "beside itself"),
        ({"relation_type": pl.lit("rival")}, "other than peer, upstream, downstream"),
        ({"trade_date": pl.lit("2024-01-02"), "counterparty_ts": pl.lit("x"), "relation_type": pl.lit("peer")}, "repeated key"),
        ({"eff_date": pl.lit("2024-02-01")}, "5 of 6 rows with eff_date after trade_date"),
        ({"eff_date": pl.lit(None, dtype=pl.Date)}, "eff_date after trade_date, or none"),
        ({"focal_ts": pl.lit(None, dtype=pl.String)}, "without trade_date"),
        ({"trade_date": pl.lit("soon")}, "Date is needed"),
    ],
)
def test_bad_graphs(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said):
        AmplifierGraph.from_frame(own_graph(**changes))


def test_absent_columns_and_rows() -> None:
    with pytest.raises(TableError, match="lacks eff_date"):
        AmplifierGraph.from_frame(own_graph().drop("eff_date"))
    with pytest.raises(TableError, match="no rows"):
        AmplifierGraph.from_frame(own_graph().clear())
    with pytest.raises(TableError, match="lack asset"):
        amplify(own_panel().drop("asset"), AmplifierGraph.from_frame(own_graph()))
    with pytest.raises(TableError, match="repeated keys"):
        amplify(pl.concat([own_panel(), own_panel()]), AmplifierGraph.from_frame(own_graph()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strength": 1.5}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"relations": ("downstream",)}, "upstream, each once"),
        ({"relations": ()}, "relations must name"),
        ({"relations": ("peer", "peer")}, "each once"),
        ({"fewest_counterparties": 0}, "fewest_counterparties"),
        ({"lonely": "zero"}, "lonely"),
        ({"longest_days": -1}, "longest_days"),
    ],
)
def test_bad_settings_of_amplify(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        amplify(own_panel(), AmplifierGraph.from_frame(own_graph()), **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_share": 0}, "min_share"),
        ({"core_only": 1}, "core_only"),
        ({"relations": ("rival",)}, "relations"),
        ({"dates": [date(2024, 1, 6)]}, "dates must be sessions"),
        ({"dates": []}, "dates must be sessions"),
        ({"level": 0}, "level"),
        ({"buffer_days": -1}, "buffer_days"),
    ],
)
def test_bad_settings_of_the_graph(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        amplifier_graph(by_hand(), **changes)


def test_axes_of_other_stocks() -> None:
    """A factor frame with none of the graph's stocks keeps its own values on dates with a graph."""
    axes = Axes(sessions_between(np.array(["2024-01-03"], dtype="datetime64[D]"), "bars"), ("q",))
    panel = pl.DataFrame({"date": [date(2024, 1, 3)], "asset": list(axes.assets), "f": [2.0]})
    assert amplify(panel, AmplifierGraph.from_frame(own_graph()))["f"].to_list() == [2.0]
