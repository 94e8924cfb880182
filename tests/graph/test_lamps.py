"""The four lamps of a pair against plain Python, their settings, and what was known when."""

from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.graph.arrays import LAMPS, Lamps
from pureplay.graph.lamps import lamps_at, linked_pairs, pair_cosines
from pureplay.graph.settings import GraphSettings
from pureplay.graph.structure import load_structure
from pureplay.market import load_market
from pureplay.panel import Axes
from pureplay.parallel import workers
from pureplay.synthetic import market
from tests.graph.naive_lamps import (
    FIRST,
    NAMES,
    SCHEMES,
    Naive,
    day_of,
    labels,
    links,
    random_market,
    segments,
    small_axes,
    stakes,
    supply,
    taxonomy,
)

INDUSTRIES = "industries:" + ",".join(SCHEMES)
ROWS = (60, 170, 300, 420, 499)


def every_pair(axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.triu_indices(len(axes.assets), 1)
    return a.astype(np.int32), b.astype(np.int32)


def equal(one: Lamps, other: Lamps) -> bool:
    return all(np.array_equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(Lamps))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"min_share": 0.3, "peer_depth": 1, "deep_depth": 2, "core_only": False, "disclosed_years": 1},
        {"min_stake": 0.2, "interlocks": True, "buffer_days": 0, "stale_months": 9},
        {"min_stake": 0.7, "stale_months": None, "deep_peer": "cosine", "min_cosine": 0.3},
        {"products": INDUSTRIES},
        {"products": "industries:fine,coarse", "deep_peer": "cosine", "peer_depth": 1},
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_lamp_is_what_the_definitions_say(seed: int, changed: dict[str, Any]) -> None:
    data, axes, settings = random_market(seed), small_axes(), GraphSettings(**changed)
    structure = load_structure(data, axes, settings)
    assert structure.absent == ()
    a, b = every_pair(axes)
    lit = dict.fromkeys(LAMPS, 0)
    for row in ROWS:
        found, naive = lamps_at(structure, row, a, b), Naive(data, day_of(axes, row), settings)
        for p, (i, j) in enumerate(zip(a, b, strict=True)):
            one, other = axes.assets[i], axes.assets[j]
            depth = naive.depth(one, other)
            expected = {
                "mapped": depth >= 0,
                "peer_depth": depth,
                "product_peer": depth >= settings.peer_depth,
                "deep_peer": naive.deep(one, other),
                "chain": naive.chain(one, other),
                "disclosed": naive.link(one, other, "ongoing"),
                "affiliate": naive.affiliate(one, other),
                "bid": naive.link(one, other, "bid"),
            }
            assert {name: getattr(found, name)[p] for name in expected} == expected, (row, one, other)
        for lamp in LAMPS:
            lit[lamp] += int(getattr(found, lamp).sum())
    assert all(0 < count < len(ROWS) * a.size for count in lit.values()), lit


def test_the_cosine_is_that_of_the_reported_shares() -> None:
    data, axes, settings = random_market(3), small_axes(), GraphSettings(deep_peer="cosine")
    structure = load_structure(data, axes, settings)
    a, b = every_pair(axes)
    naive = Naive(data, day_of(axes, 420), settings)
    found = pair_cosines(structure, 420, a, b)
    expected = [naive.cosine(axes.assets[i], axes.assets[j]) for i, j in zip(a, b, strict=True)]
    np.testing.assert_allclose(np.nan_to_num(found), expected, rtol=1e-12)  # sums in another order
    assert np.isnan(found[b == len(NAMES) - 1]).all()  # the last name files nothing
    assert np.isnan(pair_cosines(load_structure(data, axes, GraphSettings()), 420, a, b)).all()


@pytest.mark.parametrize("changed", [{}, {"deep_peer": "cosine"}, {"products": INDUSTRIES}, {"deep_depth": 2, "interlocks": True}])
def test_linked_pairs_are_all_pairs_with_a_lamp(changed: dict[str, Any]) -> None:
    axes = small_axes()
    structure = load_structure(random_market(4), axes, GraphSettings(**changed))
    a, b = every_pair(axes)
    eligible = np.arange(len(axes.assets)) % 5 != 2
    for row in ROWS:
        lit = (lamps_at(structure, row, a, b).n_lamps > 0) & eligible[a] & eligible[b]
        one, other = linked_pairs(structure, row, eligible)
        assert one.dtype == other.dtype == np.int32
        np.testing.assert_array_equal(one, a[lit])
        np.testing.assert_array_equal(other, b[lit])
        assert 0 < one.size < a.size


def test_the_number_of_workers_and_the_order_of_pairs_do_not_matter() -> None:
    axes = small_axes()
    structure = load_structure(random_market(5), axes, GraphSettings(deep_peer="cosine"))
    a, b = every_pair(axes)
    everyone = np.ones(len(axes.assets), dtype=bool)
    with workers(1):
        lone, pairs = lamps_at(structure, 420, a, b), linked_pairs(structure, 420, everyone)
    with workers(4):
        assert equal(lone, lamps_at(structure, 420, a, b))
        np.testing.assert_array_equal(pairs, linked_pairs(structure, 420, everyone))
    order = np.random.default_rng(0).permutation(a.size)
    assert equal(lone.take(order), lamps_at(structure, 420, b[order], a[order]))


def planted(axes_days: int = 400) -> tuple[dict[str, pl.DataFrame], Axes]:
    """A synthetic market with edges, links and stakes that begin and end while it trades."""
    rng = np.random.default_rng(8)
    made = market(stocks=60, sessions=axes_days)
    axes = load_market(Dataset(tables=made.tables, calendar="bars")).axes
    nodes, names, days = made.tables["taxonomy"]["product"].to_list(), list(axes.assets), axes.sessions.dates
    draw = lambda names: str(rng.choice(names))  # noqa: E731 - a name for one line

    def spell() -> tuple[date, date]:
        first = int(rng.integers(0, axes_days))
        return days[first].astype(object), days[first].astype(object) + timedelta(days=int(rng.integers(30, 300)))

    edges = [(draw(nodes), draw(nodes), *spell(), True) for _ in range(60)]
    held = [(draw([*names, "H1", "H2"]), draw(names), *spell(), float(rng.random()), "ownership") for _ in range(80)]
    told = [(draw(names), draw(names), spell()[0], draw(["ongoing", "bid"])) for _ in range(80)]
    changing = {
        "taxonomy": made.tables["taxonomy"].with_columns(
            start_date=pl.when(pl.int_range(pl.len()) % 9 == 4).then(pl.lit(days[axes_days // 2].astype(object))).otherwise("start_date")
        )
    }
    return {**made.tables, **changing, "supply_edges": supply(edges), "affiliates": stakes(held), "disclosed_links": links(told)}, axes


@pytest.mark.parametrize("changed", [{}, {"deep_peer": "cosine"}, {"products": "industries:syn_l1,syn_l2,syn_l3"}])
def test_later_rows_change_no_lamp(changed: dict[str, Any]) -> None:
    tables, axes = planted()
    whole = Dataset(tables=tables, calendar="bars")
    settings = GraphSettings(**changed, disclosed_years=1)
    structure = load_structure(whole, axes, settings)
    for row in (20, 130, 199, 201, 290, 399):
        past = whole.as_of(day_of(axes, row))
        known = load_market(past).axes
        cut = load_structure(past, known, settings)
        columns = np.array([axes.assets.index(name) for name in known.assets], dtype=np.int32)
        a, b = every_pair(known)
        assert equal(lamps_at(cut, row, a, b), lamps_at(structure, row, columns[a], columns[b]))
        np.testing.assert_array_equal(pair_cosines(cut, row, a, b), pair_cosines(structure, row, columns[a], columns[b]))
        alive = np.isin(np.arange(len(axes.assets)), columns)
        then, now = linked_pairs(cut, row, np.ones(columns.size, dtype=bool)), linked_pairs(structure, row, alive)
        np.testing.assert_array_equal(columns[np.array(then)], np.array(now))


TREE = taxonomy(
    [
        ("A", None, None, None),
        ("A1", "A", None, None),
        ("A11", "A1", None, None),
        ("A111", "A11", None, None),
        ("A112", "A11", None, None),
        ("B", None, None, None),
        ("B1", "B", None, None),
    ]
)
FILED = date(2020, 4, 30)
END = date(2019, 12, 31)
TOY: dict[str, pl.DataFrame] = {
    "taxonomy": TREE,
    "segments": segments(
        [
            ("X", END, FILED, 0, {"A111": 60.0, "A112": 30.0, "B1": 10.0}),
            ("Y", END, FILED, 0, {"A111": 50.0, "B1": 50.0}),
            ("Z", END, FILED, 0, {"B": 100.0}),
        ]
    ),
    "supply_edges": supply([("B", "A1", FIRST, None, True), ("A112", "B", FIRST, date(2021, 1, 1), False)]),
    "disclosed_links": links([("X", "Z", FILED, "ongoing"), ("Y", "Z", FILED, "bid")]),
    "affiliates": stakes(
        [("X", "Z", FIRST, None, 0.1, "ownership"), ("M", "Y", FIRST, None, None, "executive"), ("M", "Z", FIRST, None, None, "executive")]
    ),
    "industries": labels([(name, scheme, FIRST, None, "k") for name in "XYZ" for scheme in ("coarse", "fine")]),
}
TOY_AXES = small_axes(("X", "Y", "Z"))


def toy(one: str, other: str, day: date, tables: dict[str, pl.DataFrame] | None = None, **settings: Any) -> dict[str, Any]:
    """Lamps of one pair on the first session from `day` on."""
    structure = load_structure(Dataset(tables=TOY if tables is None else tables, calendar="bars"), TOY_AXES, GraphSettings(**settings))
    row = int(TOY_AXES.sessions.first_at_or_after(np.array([day], dtype="datetime64[D]"))[0])
    columns = [np.array([TOY_AXES.assets.index(name)], dtype=np.int32) for name in (one, other)]
    found = lamps_at(structure, row, *columns)
    return {each.name: getattr(found, each.name)[0] for each in fields(Lamps)}


@pytest.mark.parametrize(
    ("pair", "day", "lamp", "setting", "value"),
    [
        ("XZ", date(2020, 8, 3), "chain", "min_share", 0.95),
        ("XY", date(2020, 8, 3), "peer_depth", "min_share", 0.55),
        ("XY", date(2020, 8, 3), "product_peer", "peer_depth", 5),
        ("XZ", date(2020, 8, 3), "deep_peer", "deep_depth", 1),
        ("XY", date(2020, 8, 3), "deep_peer", "min_cosine", 0.9),
        ("XZ", date(2020, 8, 3), "deep_peer", "products", "industries:coarse,fine"),
        ("YX", date(2020, 6, 3), "product_peer", "buffer_days", 60),
        ("YX", date(2021, 5, 3), "product_peer", "stale_months", 12),
        ("XZ", date(2021, 5, 3), "disclosed", "disclosed_years", 1),
        ("XZ", date(2020, 8, 3), "affiliate", "min_stake", 0.2),
        ("YZ", date(2020, 8, 3), "affiliate", "interlocks", True),
    ],
)
def test_every_setting_matters(pair: str, day: date, lamp: str, setting: str, value: Any) -> None:
    ground: dict[str, Any] = {"deep_peer": "cosine"} if setting == "min_cosine" else {}
    deeper = {"deep_depth": 6} if value == 5 else {}
    before, after = (
        toy(*pair, day, **ground),
        toy(*pair, day, **ground, **deeper, **{setting: value, **({"peer_depth": 1} if setting == "deep_depth" else {})}),
    )
    assert before[lamp] != after[lamp]


def test_a_cosine_asks_for_other_pairs_than_the_depth() -> None:
    by_depth, by_cosine = toy("X", "Z", date(2020, 8, 3), deep_depth=1, peer_depth=1), toy("X", "Z", date(2020, 8, 3), deep_peer="cosine")
    assert by_depth["deep_peer"]
    assert not by_cosine["deep_peer"]  # Z reports at B, X at B1
    assert by_cosine["peer_depth"] == 1


def test_core_edges_alone_make_a_chain_unless_all_are_asked_for() -> None:
    tables = {**TOY, "supply_edges": supply([("A112", "B", FIRST, date(2021, 1, 1), False)])}
    assert not toy("X", "Z", date(2020, 8, 3), tables)["chain"]
    assert toy("X", "Z", date(2020, 8, 3), tables, core_only=False)["chain"]
    assert not toy("X", "Z", date(2021, 1, 1), tables, core_only=False)["chain"]  # the first day on which it no longer holds
    assert not toy("Y", "Z", date(2020, 8, 3), tables, core_only=False)["chain"]  # Y makes no A112
    unstated = {**TOY, "supply_edges": tables["supply_edges"].drop("is_core", "end_date")}
    assert toy("X", "Z", date(2021, 1, 1), unstated)["chain"]


def test_shares_count_to_the_last_digit_at_the_limit() -> None:
    """10 % and 70 % add up to 80 %, whatever the sum of the two in binary; 80 % at 0.8 is enough and a little less is not."""
    filed = segments([("X", END, FILED, 0, {"A111": 10.0, "A112": 70.0, "B": 20.0}), ("Y", END, FILED, 0, {"A11": 79.9, "B": 20.1})])
    tables = {**TOY, "segments": filed}
    day = date(2020, 8, 3)
    assert toy("X", "Y", day, tables, min_share=0.8)["peer_depth"] == 0
    assert toy("X", "Y", day, tables, min_share=0.799)["peer_depth"] == 3
    both = {
        **TOY,
        "segments": filed.with_columns(asset=pl.col("asset").replace("Y", "Q")).vstack(
            filed.filter(pl.col("asset") == "X").with_columns(asset=pl.lit("Y"))
        ),
    }
    assert toy("X", "Y", day, both, min_share=0.8)["peer_depth"] == 3


def test_a_node_counts_from_the_day_on_which_all_above_it_have_begun_and_to_its_last_day() -> None:
    opened, closed = date(2020, 3, 2), date(2020, 9, 1)
    tree = TREE.with_columns(
        start_date=pl.when(pl.col("product") == "A11").then(pl.lit(opened)).otherwise("start_date"),
        end_date=pl.when(pl.col("product") == "A111").then(pl.lit(closed)).otherwise("end_date"),
    )
    tables = {**TOY, "taxonomy": tree}
    assert toy("X", "Y", closed, tables)["peer_depth"] == 4
    assert toy("X", "Y", date(2020, 9, 2), tables)["peer_depth"] == 3
    late = tree.with_columns(start_date=pl.when(pl.col("product") == "A11").then(pl.lit(date(2020, 10, 1))).otherwise("start_date"))
    for day in (date(2020, 8, 3), date(2020, 11, 2)):  # the filings are older than the node: that revenue counts in the total only
        assert toy("X", "Y", day, {**TOY, "taxonomy": late})["peer_depth"] == 2
        assert not toy("Y", "X", day, {**TOY, "taxonomy": late}, min_share=0.2)["peer_depth"]


def test_a_shallow_tree_takes_its_own_deepest_level() -> None:
    flat = taxonomy([(node, None, None, None) for node in ("A111", "A112", "B1", "B")])
    found = toy("X", "Y", date(2020, 8, 3), {**TOY, "taxonomy": flat})
    assert (found["peer_depth"], found["product_peer"], found["deep_peer"]) == (1, False, True)
    assert not toy("X", "Z", date(2020, 8, 3), {**TOY, "taxonomy": flat})["deep_peer"]
    mixed = {"products": "industries:coarse,fine", "deep_peer": "cosine"}
    found = toy("X", "Y", date(2020, 8, 3), {**TOY, "taxonomy": flat}, **mixed)
    assert (found["peer_depth"], found["product_peer"], found["deep_peer"]) == (2, True, True)
    found = toy("X", "Z", date(2020, 8, 3), {**TOY, "taxonomy": flat}, **mixed)
    assert (found["peer_depth"], found["product_peer"], found["deep_peer"]) == (2, True, False)


def test_the_deepest_level_is_that_of_the_day() -> None:
    """Before the third level begins, and again after it has ended, the second is the deepest there is."""
    opened, closed = date(2020, 9, 1), date(2021, 3, 1)
    tree = taxonomy([("A", None, None, None), ("A1", "A", None, None), ("A11", "A1", opened, closed)])
    filed = segments([(name, END, FILED, 0, {"A1": 5.0}) for name in "XY"])
    tables = {**TOY, "taxonomy": tree, "segments": filed}
    days = (date(2020, 8, 31), opened, closed, date(2021, 3, 2))
    assert [toy("X", "Y", day, tables)["deep_peer"] for day in days] == [True, False, False, True]
    assert all(toy("X", "Y", day, tables)["peer_depth"] == 2 for day in days)


def test_a_level_without_a_label_ends_the_descent() -> None:
    rows = [("X", "coarse", "k"), ("Y", "coarse", "k"), ("X", "finest", "m"), ("Y", "finest", "m"), ("Z", "fine", "k")]
    tables = {**TOY, "industries": labels([(name, scheme, FIRST, None, code) for name, scheme, code in rows])}
    found = toy("X", "Y", date(2020, 8, 3), tables, products=INDUSTRIES)
    assert (found["peer_depth"], found["deep_peer"]) == (1, False)
    assert toy("X", "Z", date(2020, 8, 3), tables, products=INDUSTRIES)["peer_depth"] == -1  # Z has no coarse label


def test_a_scheme_may_be_yet_to_come_but_not_all_of_them() -> None:
    data = Dataset(tables=TOY, calendar="bars")
    structure = load_structure(data, TOY_AXES, GraphSettings(products="industries:coarse,fine,other"))
    assert structure.absent == ("deep_peer: the dataset has no industry scheme other",)
    with pytest.raises(SettingError, match="industry schemes other; the dataset has coarse, fine: name some"):
        load_structure(data, TOY_AXES, GraphSettings(products="industries:other"))
    nothing = Dataset(tables={**TOY, "industries": TOY["industries"].clear()}, calendar="bars")
    one, other = np.array([0], dtype=np.int32), np.array([1], dtype=np.int32)
    assert not lamps_at(load_structure(nothing, TOY_AXES, GraphSettings(products="industries:coarse")), 150, one, other).mapped[0]


def test_bids_are_marked_and_light_nothing() -> None:
    bare = {"disclosed_links": links([("X", "Y", FILED, "bid")])}
    structure = load_structure(Dataset(tables=bare, calendar="bars"), TOY_AXES, GraphSettings())
    a, b = every_pair(TOY_AXES)
    tenders = (np.array([2]), np.array([0]))
    found = lamps_at(structure, 150, a, b, bids=tenders)
    np.testing.assert_array_equal(found.bid, [True, True, False])
    assert found.n_lamps.sum() == 0
    assert linked_pairs(structure, 150, np.ones(3, dtype=bool))[0].size == 0
    assert not lamps_at(structure, 10, a, b).bid.any()


@pytest.mark.parametrize("lost", ["segments", "taxonomy", "supply_edges", "disclosed_links", "affiliates"])
def test_a_table_that_is_absent_turns_its_lamps_off_and_is_named(lost: str) -> None:
    off = {"segments": ("deep_peer", "chain"), "taxonomy": ("deep_peer", "chain"), "supply_edges": ("chain",)}
    off |= {"disclosed_links": ("disclosed",), "affiliates": ("affiliate",)}
    axes, full = small_axes(), random_market(1)
    data = replace(full, tables={name: frame for name, frame in full.tables.items() if name not in (lost, "assets")})
    structure = load_structure(data, axes, GraphSettings())
    assert structure.absent == tuple(f"{lamp}: the dataset has no {lost}" for lamp in off[lost])
    found = lamps_at(structure, 420, *every_pair(axes))
    for lamp in LAMPS:
        assert getattr(found, lamp).any() == (lamp not in off[lost])
    if "deep_peer" in off[lost]:
        assert not found.mapped.any()
        assert (found.peer_depth == -1).all()


def test_tables_without_rows_are_no_fault() -> None:
    data = Dataset(tables={name: frame.clear() for name, frame in TOY.items()}, calendar="bars")
    for changed in ({}, {"deep_peer": "cosine"}, {"products": "industries:coarse"}):
        structure = load_structure(data, TOY_AXES, GraphSettings(**changed))
        found = lamps_at(structure, 150, *every_pair(TOY_AXES))
        assert not found.mapped.any()
        assert found.n_lamps.sum() == 0
        assert linked_pairs(structure, 150, np.ones(3, dtype=bool))[0].size == 0


def test_what_is_no_pair_or_no_session_is_refused() -> None:
    structure = load_structure(Dataset(tables=TOY, calendar="bars"), TOY_AXES, GraphSettings())
    none, one, far = np.array([0], dtype=np.int32), np.array([1], dtype=np.int32), np.array([3], dtype=np.int32)
    for a, b in ((one, one), (none, far), (none - 1, one)):
        with pytest.raises(SettingError, match="a pair is two different columns of the 3 assets"):
            lamps_at(structure, 5, a, b)
    with pytest.raises(SettingError, match="two columns of one length"):
        lamps_at(structure, 5, none, np.array([1, 2], dtype=np.int32))
    for row in (-1, len(TOY_AXES.sessions)):
        with pytest.raises(SettingError, match="row must be a session of the data"):
            lamps_at(structure, row, none, one)
    with pytest.raises(SettingError, match="one entry for each of the 3 assets"):
        linked_pairs(structure, 5, np.ones(4, dtype=bool))
    nothing = lamps_at(structure, 5, none[:0], one[:0])
    assert nothing.n_lamps.size == 0
