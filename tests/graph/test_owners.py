"""Who holds whom: stakes, control over several companies, owners in circles, people on boards and listings of one issuer."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.graph.lamps import lamps_at
from pureplay.graph.lists import Lists, deepest_common, expand, lists_of, meeting_pairs, meets
from pureplay.graph.owners import Owners, load_owners
from pureplay.graph.settings import GraphSettings
from pureplay.graph.structure import load_structure
from tests.graph.naive_lamps import FIRST, Naive, day_of, small_axes, stakes

AXES = small_axes(("A", "B", "C", "D"))
Stake = tuple[str, str, float | None]


def owners_of(rows: list[Stake], *, kind: str = "ownership", issuers: dict[str, str] | None = None, **settings: Any) -> Owners:
    tables = {"affiliates": stakes([(owner, owned, FIRST, None, stake, kind) for owner, owned, stake in rows])}
    if issuers is not None:
        tables["assets"] = pl.DataFrame({"asset": AXES.assets, "issuer": [issuers.get(name) for name in AXES.assets]})
    return load_owners(Dataset(tables=tables, calendar="bars"), AXES, GraphSettings(**settings))


def affiliates(owners: Owners, row: int = 100) -> set[str]:
    """Pairs such as "AB"."""
    lists = owners.at(row)
    everyone = np.ones(len(AXES.assets), dtype=bool)
    a, b = meeting_pairs(lists, lists, everyone)
    return {AXES.assets[i] + AXES.assets[j] for i, j in zip(a, b, strict=True)}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("A", "B", 0.05)], {"AB"}),
        ([("A", "B", 0.0499)], set()),
        ([("A", "B", None)], {"AB"}),
        ([("H", "A", 0.3), ("H", "C", 0.05)], {"AC"}),
        ([("H", "A", 0.3), ("H", "C", 0.04)], set()),
        ([("H", "A", 0.3), ("G", "C", 0.3)], set()),
        # H controls A, so what A holds counts as held by H; a stake of half, or one not stated, does not control
        ([("H", "A", 0.51), ("A", "B", 0.1), ("H", "C", 0.1)], {"AB", "AC", "BC"}),
        ([("H", "A", 0.5), ("A", "B", 0.1), ("H", "C", 0.1)], {"AB", "AC"}),
        ([("H", "A", None), ("A", "B", 0.1), ("H", "C", 0.1)], {"AB", "AC"}),
        # control over unlisted companies in between
        ([("H", "X", 0.9), ("X", "Y", 0.6), ("Y", "B", 0.1), ("H", "D", 0.2)], {"BD"}),
        ([("A", "X", 0.9), ("X", "Y", 0.6), ("Y", "B", 0.1)], {"AB"}),
        ([("H", "X", 0.9), ("X", "Y", 0.3), ("Y", "B", 0.1), ("H", "D", 0.2)], set()),
        # circles end, and belong to nobody else
        ([("A", "B", 0.6), ("B", "A", 0.6)], {"AB"}),
        ([("X", "Y", 0.6), ("Y", "X", 0.6), ("X", "C", 0.1), ("Y", "D", 0.1)], {"CD"}),
        ([("A", "B", 0.6), ("B", "C", 0.6), ("C", "A", 0.6)], {"AB", "AC", "BC"}),
        # a company that holds its own shares, stakes of no sense, assets that are not traded
        ([("A", "A", 0.9)], set()),
        ([("A", "B", 7.0), ("B", "C", -0.3)], {"AB"}),
        ([("A", "GONE", 0.9), ("GONE", "D", 0.2)], {"AD"}),
        ([("A", "B", 0.01), ("A", "B", 0.2)], {"AB"}),
        ([], set()),
    ],
)
def test_stakes_make_affiliates(rows: list[Stake], expected: set[str]) -> None:
    assert affiliates(owners_of(rows)) == expected


def test_a_higher_least_stake_leaves_control_as_it_is() -> None:
    rows: list[Stake] = [("H", "A", 0.6), ("A", "B", 0.9), ("H", "C", 0.9)]
    assert affiliates(owners_of(rows)) == {"AB", "AC", "BC"}
    assert affiliates(owners_of(rows, min_stake=0.8)) == {"AB", "BC"}  # H's 60 % of A control, but are too little to hold


def test_people_on_two_boards_count_only_where_they_are_asked_for() -> None:
    rows: list[Stake] = [("P", "A", None), ("P", "B", None), ("Q", "C", None), ("D", "C", None)]
    assert affiliates(owners_of(rows, kind="executive")) == set()
    assert affiliates(owners_of(rows, kind="executive", interlocks=True)) == {"AB"}  # a person called D is not the company D
    held = stakes([("P", "A", FIRST, None, None, "executive"), ("P", "B", FIRST, None, 0.3, "ownership")])
    both = load_owners(Dataset(tables={"affiliates": held}, calendar="bars"), AXES, GraphSettings(interlocks=True))
    assert affiliates(both) == set()  # a seat and a stake are two things


def test_listings_of_one_issuer_are_affiliates() -> None:
    assert affiliates(owners_of([], issuers={"A": "one", "C": "one", "D": "C"})) == {"AC"}
    nothing = Dataset(tables={"assets": pl.DataFrame({"asset": ["A", "C"], "issuer": ["one", "one"]})}, calendar="bars")
    structure = load_structure(nothing, AXES, GraphSettings())
    assert structure.absent[-1] == "affiliate: the dataset has no affiliates, so only listings of one issuer are affiliates"
    found = lamps_at(structure, 3, np.array([0, 0], dtype=np.int32), np.array([1, 2], dtype=np.int32))
    np.testing.assert_array_equal(found.affiliate, [False, True])


def test_a_stake_counts_from_its_first_day_to_the_day_before_its_last() -> None:
    start, end = date(2020, 3, 2), date(2020, 5, 4)
    table = stakes([("A", "B", start, end, 0.2, "ownership"), ("C", "D", date(2019, 1, 1), None, 0.2, "ownership")])
    owners = load_owners(Dataset(tables={"affiliates": table}, calendar="bars"), AXES, GraphSettings())
    on = [row for row in range(AXES.shape[0]) if "AB" in affiliates(owners, row)]
    assert (day_of(AXES, on[0]), day_of(AXES, on[-1] + 1)) == (start, end)
    assert on == list(range(on[0], on[-1] + 1))
    assert all("CD" in affiliates(owners, row) for row in (0, 200, AXES.shape[0] - 1))
    brief = table.drop("end_date", "stake", "kind")
    owners = load_owners(Dataset(tables={"affiliates": brief}, calendar="bars"), AXES, GraphSettings())
    assert affiliates(owners, AXES.shape[0] - 1) == {"AB", "CD"}


@pytest.mark.parametrize("seed", range(8))
def test_tangled_ownership_against_plain_python(seed: int) -> None:
    """Many owners of owners; the plain code asks of every owner what it holds, the fast one of every company who holds it."""
    rng = np.random.default_rng(seed)
    names = [f"S{number:02d}" for number in range(12)]
    axes = small_axes(tuple(names))
    ids = [*names, "H1", "H2", "H3", "X1", "X2"]
    sizes = [0.01, 0.1, 0.3, 0.55, 0.8]
    rows = [
        (str(rng.choice(ids)), str(rng.choice(ids[:12] if k % 3 else ids)), FIRST, None, float(rng.choice(sizes)), "ownership")
        for k in range(14)
    ]
    issuers = pl.DataFrame({"asset": names, "issuer": pl.Series([None] * len(names), dtype=pl.String)})
    data = Dataset(tables={"affiliates": stakes(rows), "assets": issuers}, calendar="bars")
    settings = GraphSettings(min_stake=0.2)
    lists = load_owners(data, axes, settings).at(50)
    naive = Naive.__new__(Naive)
    naive.data, naive.day, naive.settings = data, day_of(axes, 50), settings
    a, b = (side.astype(np.int32) for side in np.triu_indices(len(names), 1))
    expected = [naive.affiliate(names[i], names[j]) for i, j in zip(a, b, strict=True)]
    np.testing.assert_array_equal(meets(lists, lists, a, b), expected)
    assert 0 < sum(expected) < len(expected)


def random_lists(rng: np.random.Generator, firms: int, width: int) -> Lists:
    there = rng.random((firms, width)) < 0.25
    firm, key = np.nonzero(there)
    return lists_of(firm, key, rng.integers(1, 6, firm.size).astype(float), firms=firms, width=width)


def entries(lists: Lists, firm: int) -> dict[int, float]:
    part = slice(int(lists.starts[firm]), int(lists.starts[firm + 1]))
    return dict(zip(lists.keys[part].tolist(), lists.values[part].tolist(), strict=True))


def test_lists_are_compared_as_plain_sets_are() -> None:
    rng = np.random.default_rng(2)
    left, right = random_lists(rng, 30, 12), random_lists(rng, 30, 12)
    a, b = rng.integers(0, 30, (2, 400)).astype(np.int32)
    one, other = [entries(left, i) for i in range(30)], [entries(right, i) for i in range(30)]
    np.testing.assert_array_equal(meets(left, right, a, b), [bool(one[i].keys() & other[j].keys()) for i, j in zip(a, b, strict=True)])
    # of lists whose values belong to the keys, as depths do
    depth = lists_of(left.firm, left.keys, (left.keys % 4 + 1).astype(float), firms=30, width=12)
    mine = [entries(depth, i) for i in range(30)]
    expected = [max((mine[i][key] for key in mine[i].keys() & mine[j].keys()), default=0) for i, j in zip(a, b, strict=True)]
    np.testing.assert_array_equal(deepest_common(depth, a, b), expected)
    rows = np.array([3, 0, 3, 29])
    entry, place = expand(left.starts, rows)
    np.testing.assert_array_equal(left.keys[entry], np.concatenate([list(one[row]) for row in rows]))
    np.testing.assert_array_equal(rows[place], left.firm[entry])
