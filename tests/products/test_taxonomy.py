"""The product tree: who carries the revenue of a product at a level, and from when to when."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError, TableError
from pureplay.products.taxonomy import Level, Taxonomy

NODES: list[tuple[str, str | None]] = [
    ("A", None),
    ("A1", "A"),
    ("A11", "A1"),
    ("A111", "A11"),
    ("A2", "A"),
    ("B", None),
]


def tree(nodes: list[tuple[str, str | None]], *, starts: dict[str, date] | None = None, ends: dict[str, date] | None = None) -> Taxonomy:
    names = [name for name, _ in nodes]
    columns = {
        "product": names,
        "parent": [parent for _, parent in nodes],
        "start_date": [(starts or {}).get(name) for name in names],
        "end_date": [(ends or {}).get(name) for name in names],
    }
    return Taxonomy.from_table(
        pl.DataFrame(columns, schema={"product": pl.String, "parent": pl.String, "start_date": pl.Date, "end_date": pl.Date})
    )


def speakers(taxonomy: Taxonomy, level: Level) -> dict[str, str | None]:
    found = taxonomy.at_level(level)
    return {name: taxonomy.products[k] if k >= 0 else None for name, k in zip(taxonomy.products, found, strict=True)}


@pytest.mark.parametrize(
    ("level", "wanted"),
    [
        (1, {"A": "A", "A1": "A", "A11": "A", "A111": "A", "A2": "A", "B": "B"}),
        (2, {"A": None, "A1": "A1", "A11": "A1", "A111": "A1", "A2": "A2", "B": "B"}),
        (3, {"A": None, "A1": None, "A11": "A11", "A111": "A11", "A2": "A2", "B": "B"}),
        (9, {"A": None, "A1": None, "A11": None, "A111": "A111", "A2": "A2", "B": "B"}),
        ("leaf", {"A": None, "A1": None, "A11": None, "A111": "A111", "A2": "A2", "B": "B"}),
    ],
)
def test_a_shallow_leaf_stands_for_itself_and_inner_revenue_above_the_level_is_unmapped(
    level: Level, wanted: dict[str, str | None]
) -> None:
    assert speakers(tree(NODES), level) == wanted


def test_levels_count_from_the_root_whatever_the_order_of_rows() -> None:
    for nodes in (NODES, NODES[::-1]):
        taxonomy = tree(nodes)
        assert dict(zip(taxonomy.products, taxonomy.level.tolist(), strict=True)) == {"A": 1, "A1": 2, "A11": 3, "A111": 4, "A2": 2, "B": 1}


def test_a_tree_of_a_hundred_levels() -> None:
    nodes: list[tuple[str, str | None]] = [("N000", None)] + [(f"N{k:03d}", f"N{k - 1:03d}") for k in range(1, 100)]
    taxonomy = tree(nodes)
    assert taxonomy.level.tolist() == list(range(1, 101))
    assert speakers(taxonomy, 50)["N099"] == "N049"


@pytest.mark.parametrize("level", [0, -1])
def test_a_level_above_the_top_is_refused(level: int) -> None:
    with pytest.raises(SettingError, match=f"level must be 'leaf' or a whole number of at least 1.*{level}"):
        tree(NODES).at_level(level)


@pytest.mark.parametrize("nodes", [[("A", "A")], [("A", "B"), ("B", "A")], [("T", None), ("A", "C"), ("B", "A"), ("C", "B"), ("D", "C")]])
def test_a_cycle_is_refused(nodes: list[tuple[str, str | None]]) -> None:
    with pytest.raises(TableError, match="cycle"):
        tree(nodes)


def force(taxonomy: Taxonomy, name: str, level: Level, days: list[date]) -> list[date]:
    """Days on which the node may carry revenue at the level."""
    first, last = taxonomy.in_force(level, np.array(days, dtype="datetime64[D]"))
    k = taxonomy.products.index(name)
    return days[first[k] : last[k] + 1]


def test_both_days_of_a_node_count() -> None:
    days = [date(2021, 5, each) for each in range(1, 11)]
    taxonomy = tree(NODES, starts={"A2": date(2021, 5, 3)}, ends={"A2": date(2021, 5, 6), "B": date(2021, 4, 1)})
    assert force(taxonomy, "A2", 2, days) == days[2:6]
    assert force(taxonomy, "A1", 2, days) == days
    assert force(taxonomy, "B", 2, days) == []
    weekend = [date(2021, 5, 1), date(2021, 5, 5), date(2021, 5, 9)]
    assert force(taxonomy, "A2", 2, weekend) == [date(2021, 5, 5)]


def test_a_leaf_stops_speaking_for_itself_when_its_first_child_appears() -> None:
    days = [date(2021, 5, each) for each in range(1, 11)]
    nodes = [*NODES, ("B1", "B"), ("B2", "B")]
    taxonomy = tree(nodes, starts={"B1": date(2021, 5, 8), "B2": date(2021, 5, 4)})
    assert speakers(taxonomy, 2)["B"] == "B"
    assert speakers(taxonomy, "leaf")["B"] == "B"
    for level in (2, "leaf"):
        assert force(taxonomy, "B", level, days) == days[:3]  # type: ignore[arg-type]
    assert force(taxonomy, "B", 1, days) == days  # at its own level it goes on
    assert force(taxonomy, "B2", "leaf", days) == days[3:]


def test_a_child_without_a_start_was_always_there() -> None:
    taxonomy = tree([("A", None), ("A1", "A"), ("A2", "A")], starts={"A1": date(2021, 5, 1)})
    assert speakers(taxonomy, 2)["A"] is None


def test_the_level_above_of_a_level_is_the_ancestor_one_up() -> None:
    taxonomy = tree(NODES)
    pairs = {(taxonomy.products[below], taxonomy.products[up]) for below, up in zip(*taxonomy.above(3), strict=True)}
    assert pairs == {("A1", "A1"), ("A11", "A1"), ("A111", "A1"), ("A2", "A2")}
    assert [array.size for array in taxonomy.above(1)] == [0, 0]


def test_revenue_counts_for_every_parent_of_a_leaf_above_it() -> None:
    """METHODS §2: the share of a node is the revenue at or below it, also where nodes of several levels are asked about."""
    taxonomy = tree([*NODES, ("A12", "A1")])
    pairs = {(taxonomy.products[below], taxonomy.products[up]) for below, up in zip(*taxonomy.above("leaf"), strict=True)}
    assert {up for below, up in pairs if below == "A111"} == {"A11", "A1", "A"}
    assert {up for below, up in pairs if below == "A12"} == {"A1", "A"}
    assert {up for below, up in pairs if below == "A1"} == {"A1", "A"}
    assert {up for below, up in pairs if below == "B"} == set()


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[str, str | None]]:
    size = draw(st.integers(1, 25))
    return [(f"N{k:02d}", draw(st.sampled_from([None, *[f"N{j:02d}" for j in range(k)]]))) for k in range(size)]


@given(trees(), st.integers(1, 6))
def test_every_node_is_carried_by_its_ancestor_at_the_level_or_by_itself_as_a_leaf(nodes: list[tuple[str, str | None]], level: int) -> None:
    parents = dict(nodes)

    def path(name: str) -> list[str]:
        above = parents[name]
        return ([] if above is None else path(above)) + [name]

    for name, speaker in speakers(tree(nodes), level).items():
        if len(path(name)) >= level:
            assert speaker == path(name)[level - 1]
        else:
            assert speaker == (None if name in parents.values() else name)


@given(trees())
def test_leaf_parents_above_are_all_ancestors_that_have_children(nodes: list[tuple[str, str | None]]) -> None:
    parents = dict(nodes)
    taxonomy = tree(nodes)
    wanted = set()
    for name in parents:
        climbing: str | None = name
        while climbing is not None:
            if climbing in parents.values():
                wanted.add((name, climbing))
            climbing = parents[climbing]
    below, up = taxonomy.above("leaf")
    assert [(taxonomy.products[a], taxonomy.products[b]) for a, b in zip(below, up, strict=True)].__len__() == len(wanted)
    assert {(taxonomy.products[a], taxonomy.products[b]) for a, b in zip(below, up, strict=True)} == wanted
