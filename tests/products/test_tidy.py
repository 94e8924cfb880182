"""Raw segment rows made fit to add up: kinds, parents beside children, one amount under two names, faults."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.segments import Tidy, tidy

TREE = pl.DataFrame(
    [("A", None), ("A1", "A"), ("A11", "A1"), ("A12", "A1"), ("A2", "A"), ("B", None), ("C", None)],
    schema={"product": pl.String, "parent": pl.String},
    orient="row",
)
PERIOD, PUBLISHED = date(2020, 12, 31), date(2021, 4, 20)


def rows(
    amounts: dict[str, float], *, asset: str = "S1", revision: int = 0, kind: str = "product", published: date = PUBLISHED
) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "asset": asset,
                "period_end": PERIOD,
                "product": product,
                "revision": revision,
                "kind": kind,
                "publish_date": published,
                "revenue": float(amount),
                "known_at_source": "filed",
            }
            for product, amount in sorted(amounts.items())
        ]
    )


def head(total: float | None, *, published: date = PUBLISHED, asset: str = "S1") -> pl.DataFrame:
    row = {"asset": asset, "period_end": PERIOD, "revision": 0, "publish_date": published, "total_revenue": total}
    types = {"asset": pl.String, "period_end": pl.Date, "revision": pl.Int64, "publish_date": pl.Date, "total_revenue": pl.Float64}
    return pl.DataFrame([row], schema=types)


def lines(made: Tidy) -> dict[str, float]:
    return dict(zip(made.lines["product"], made.lines["revenue"], strict=True))


@pytest.mark.parametrize(
    ("amounts", "wanted"),
    [
        ({"A1": 30, "B": 70}, {"A1": 30, "B": 70}),
        ({"A": 50, "A1": 30, "B": 70}, {"A": 20, "A1": 30, "B": 70}),  # the rest stays with the parent
        ({"A": 30, "A1": 30}, {"A1": 30}),
        ({"A": 20, "A1": 30}, {"A1": 30}),  # children exceed it: the finer lines win
        ({"A": 100, "A1": 60, "A11": 40}, {"A": 40, "A1": 20, "A11": 40}),
        ({"A": 100, "A11": 40, "A12": 10, "A2": 20}, {"A": 30, "A11": 40, "A12": 10, "A2": 20}),  # the nearest reported ancestor
        ({"A": 100, "A1": 30, "A11": 50}, {"A": 50, "A11": 50}),  # what is below A is 50, not the 30 that A1 says
        ({"A": 100.0, "A1": 99.95}, {"A1": 99.95}),  # a rest within rounding
        ({"A": 0, "A1": 0, "B": 5}, {"A1": 0, "B": 5}),
        ({"unmapped": 10, "A": 5}, {"unmapped": 10, "A": 5}),
    ],
)
def test_parents_beside_their_children(amounts: dict[str, float], wanted: dict[str, float]) -> None:
    made = tidy(rows(amounts), None, TREE)
    assert lines(made) == pytest.approx(wanted, rel=1e-12)  # one subtraction
    assert made.lines["total"].unique().to_list() == pytest.approx([sum(wanted.values())], rel=1e-12)
    assert made.faults.is_empty()


def test_only_what_was_reduced_is_in_dropped() -> None:
    made = tidy(rows({"A": 50, "A1": 30, "B": 70}), None, TREE)
    assert made.dropped.select("product", "rule", "kept").rows() == [("A", "parent_of_reported_children", 20.0)]
    made = tidy(rows({"A": 20, "A1": 30}), None, TREE)
    assert made.dropped.select("product", "rule", "kept").rows() == [("A", "children_exceed_parent", 0.0)]


def test_parents_are_looked_for_within_one_filing_only() -> None:
    both = pl.concat([rows({"A": 50}), rows({"A1": 30}, revision=1), rows({"A1": 30}, asset="S2")])
    made = tidy(both, None, TREE)
    assert made.lines.select("asset", "revision", "product", "revenue").rows() == [
        ("S1", 0, "A", 50.0),
        ("S1", 1, "A1", 30.0),
        ("S2", 0, "A1", 30.0),
    ]


def test_other_kinds_never_add_up_with_products() -> None:
    made = tidy(
        pl.concat([rows({"A1": 100}), rows({"B": 60, "C": 40}, kind="region"), rows({"A1": 100}, kind="industry")]), head(100), TREE
    )
    assert lines(made) == {"A1": 100}
    assert made.dropped["rule"].to_list() == ["other_kind"] * 3
    assert tidy(rows({"A1": 100}, kind="region"), head(100), TREE).lines.is_empty()


def test_the_same_amount_under_two_names_counts_once_where_the_total_says_so() -> None:
    made = tidy(rows({"A1": 60, "B": 60, "C": 40}), head(100), TREE)
    assert lines(made) == {"A1": 60, "C": 40}
    assert made.dropped.select("product", "rule").rows() == [("B", "same_amount_two_names")]


@pytest.mark.parametrize("total", [160.0, 200.0, None])
def test_equal_amounts_that_fit_the_total_stay(total: float | None) -> None:
    made = tidy(rows({"A1": 60, "B": 60, "C": 40}), head(total), TREE)
    assert lines(made) == {"A1": 60, "B": 60, "C": 40}
    assert made.lines["total"][0] == (total or 160.0)


def test_a_repeat_that_does_not_explain_the_excess_is_a_fault() -> None:
    made = tidy(rows({"A1": 60, "B": 60, "C": 70}), head(100), TREE)
    assert made.lines.is_empty()
    assert made.faults["rule"].to_list() == ["mapped_above_total"]


@pytest.mark.parametrize(("amounts", "total", "rule"), [
    ({"A1": 101}, 100.0, "mapped_above_total"),
    ({"A1": 100.05}, 100.0, None),  # rounding
    ({"A1": 0}, 0.0, "no_revenue"),
    ({"A1": 0}, None, "no_revenue"),
    ({"A1": 0}, 10.0, None),  # everything is unmapped
])  # fmt: skip
def test_faults_put_the_whole_filing_aside(amounts: dict[str, float], total: float | None, rule: str | None) -> None:
    both = pl.concat([rows({**amounts, "B": 0}), rows({"B": 5}, asset="S2")])
    made = tidy(both, head(total), TREE)
    assert made.faults["rule"].to_list() == ([] if rule is None else [rule])
    assert set(made.lines["asset"]) == ({"S1", "S2"} if rule is None else {"S2"})
    if rule is None:
        assert made.lines.filter(asset="S1")["total"][0] == max(total or 0.0, sum(amounts.values()))


def test_the_latest_publish_date_of_any_row_speaks_for_the_filing() -> None:
    late = date(2021, 6, 1)
    made = tidy(pl.concat([rows({"A1": 1}), rows({"B": 2}, published=late)]), None, TREE)
    assert made.lines["publish_date"].to_list() == [late, late]
    assert tidy(rows({"A1": 1}), head(1, published=late), TREE).lines["publish_date"].to_list() == [late]
    assert tidy(rows({"A1": 1}, published=late), head(1), TREE).lines["publish_date"].to_list() == [late]


AMOUNTS = st.dictionaries(st.sampled_from([*TREE["product"], "unmapped"]), st.integers(0, 1000), min_size=1)


@given(AMOUNTS)
def test_nothing_is_counted_twice_and_nothing_goes_missing(amounts: dict[str, int]) -> None:
    """Every subtree keeps the larger of what its node says and what stands below it; the total is the sum over the tops."""
    children: dict[str | None, list[str]] = {}
    for product, parent in TREE.rows():
        children.setdefault(parent, []).append(product)

    def subtree(node: str) -> int:
        return max(amounts.get(node, 0), sum(subtree(child) for child in children.get(node, [])))

    wanted = sum(subtree(top) for top in children[None]) + amounts.get("unmapped", 0)
    made = tidy(rows({name: float(amount) for name, amount in amounts.items()}), None, TREE)
    if wanted == 0:
        assert made.faults["rule"].to_list() == ["no_revenue"]
        return
    kept = lines(made)
    assert min(kept.values()) >= 0
    assert set(kept) <= set(amounts)
    assert sum(kept.values()) == pytest.approx(wanted, rel=1e-2)  # a rest below 0.1 % of a parent is dropped, at several levels


@given(AMOUNTS, st.randoms())
def test_the_order_of_rows_does_not_matter(amounts: dict[str, int], chance: Any) -> None:
    table = rows({name: float(amount) for name, amount in amounts.items()})
    mixed = table[chance.sample(range(table.height), table.height)]
    one, other = tidy(table, head(500), TREE), tidy(mixed.sort("product"), head(500), TREE)
    assert one.lines.equals(other.lines)
    assert one.faults.equals(other.faults)
