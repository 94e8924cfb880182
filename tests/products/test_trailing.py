"""Trailing twelve months by hand: X + FY of the year before - X of the year before."""

from datetime import date

import polars as pl
import pytest

from pureplay.products.trailing import trailing_year

FY19, H119, FY20, H120, H121 = date(2019, 12, 31), date(2019, 6, 30), date(2020, 12, 31), date(2020, 6, 30), date(2021, 6, 30)
SCHEMA = {
    "asset": pl.String,
    "period_end": pl.Date,
    "revision": pl.Int64,
    "publish_date": pl.Date,
    "product": pl.String,
    "revenue": pl.Float64,
    "total": pl.Float64,
}
Version = tuple[date, int, date, dict[str, float], float]


def trailing(*versions: Version) -> list[tuple[date, date, dict[str, float], float]]:
    """(period_end, publish_date, revenue by product, total) of every version, in order."""
    table = pl.DataFrame(
        [
            ("S", period, revision, day, name, amount, total)
            for period, revision, day, mix, total in versions
            for name, amount in mix.items()
        ],
        schema=SCHEMA,
        orient="row",
    )
    made = trailing_year(table)
    assert made.schema == table.schema
    out = []
    for (period, _, day), rows in made.group_by("period_end", "revision", "publish_date", maintain_order=True):
        out.append((period, day, dict(zip(rows["product"], rows["revenue"], strict=True)), rows["total"][0]))
    return out  # type: ignore[return-value]


FY19_FILED: Version = (FY19, 0, date(2020, 4, 20), {"P": 100.0, "Q": 60.0}, 200.0)
H119_FILED: Version = (H119, 0, date(2019, 8, 20), {"P": 40.0, "Q": 20.0}, 90.0)
H120_FILED: Version = (H120, 0, date(2020, 8, 20), {"P": 55.0, "Q": 25.0}, 110.0)


def test_a_half_year_completed_by_hand() -> None:
    made = trailing(FY19_FILED, H119_FILED, H120_FILED)
    assert made == [
        (FY19, date(2020, 4, 20), {"P": 100.0, "Q": 60.0}, 200.0),
        (H120, date(2020, 8, 20), {"P": 115.0, "Q": 65.0}, 220.0),
    ]


def test_a_product_that_is_new_or_gone() -> None:
    made = trailing(FY19_FILED, (H119, 0, date(2019, 8, 20), {"P": 40.0}, 90.0), (H120, 0, date(2020, 8, 20), {"R": 55.0}, 110.0))
    assert made[1][2] == {"P": 60.0, "Q": 60.0, "R": 55.0}


@pytest.mark.parametrize("gone", [0, 1])
def test_without_all_three_reports_the_half_year_is_not_used(gone: int) -> None:
    others = [each for k, each in enumerate((FY19_FILED, H119_FILED)) if k != gone]
    made = trailing(*others, H120_FILED)
    assert H120 not in [period for period, *_ in made]


def test_the_quarter_of_another_month_does_not_help() -> None:
    first_quarter: Version = (date(2019, 3, 31), 0, date(2019, 4, 20), {"P": 20.0}, 40.0)
    assert [period for period, *_ in trailing(FY19_FILED, first_quarter, H120_FILED)] == [FY19]


def test_a_report_that_comes_late_completes_on_its_day() -> None:
    late = (*FY19_FILED[:2], date(2020, 11, 2), *FY19_FILED[3:])
    made = trailing(late, H119_FILED, H120_FILED)
    assert [(period, day) for period, day, *_ in made] == [(FY19, date(2020, 11, 2)), (H120, date(2020, 11, 2))]


@pytest.mark.parametrize(("mix", "total"), [
    ({"P": 1.0, "Q": 0.0}, 110.0),  # P: 1 + 100 - 140 < 0
    ({"P": 55.0, "Q": 25.0}, 10.0),  # total: 10 + 200 - 300 < 0
])  # fmt: skip
def test_a_negative_amount_refuses_the_version(mix: dict[str, float], total: float) -> None:
    large: Version = (H119, 0, date(2019, 8, 20), {"P": 140.0, "Q": 20.0}, 300.0 if total == 10.0 else 165.0)
    assert [period for period, *_ in trailing(FY19_FILED, large, (H120, 0, date(2020, 8, 20), mix, total))] == [FY19]


def test_negative_revenue_outside_the_lines_refuses_the_version() -> None:
    """Lines of 60 + 160 - 30 = 190 of a total of 60 + 160 - 90 = 130: the shares would add up to 146 %."""
    made = trailing(
        (FY19, 0, date(2020, 4, 20), {"P": 160.0}, 160.0),
        (H119, 0, date(2019, 8, 20), {"P": 30.0}, 90.0),
        (H120, 0, date(2020, 8, 20), {"P": 60.0}, 60.0),
    )
    assert [period for period, *_ in made] == [FY19]


def test_amounts_that_cancel_are_zero_not_negative() -> None:
    """0.3 - (0.1 + 0.2) is -5.6e-17 in doubles, but nobody sold less than nothing."""
    made = trailing(
        (FY19, 0, date(2020, 4, 20), {"P": 0.1, "Q": 5.0}, 10.0),
        (H119, 0, date(2019, 8, 20), {"P": 0.3, "Q": 2.0}, 4.0),
        (H120, 0, date(2020, 8, 20), {"P": 0.2, "Q": 3.0}, 5.0),
    )
    assert made[-1][0] == H120
    assert made[-1][2] == {"P": 0.0, "Q": 6.0}


def test_a_restated_component_publishes_a_new_version_on_its_day() -> None:
    restated: Version = (FY19, 1, date(2020, 10, 9), {"P": 90.0, "Q": 60.0}, 190.0)
    made = [each for each in trailing(FY19_FILED, restated, H119_FILED, H120_FILED) if each[0] == H120]
    assert [(day, mix["P"], total) for _, day, mix, total in made] == [(date(2020, 8, 20), 115.0, 220.0), (date(2020, 10, 9), 105.0, 210.0)]


def test_a_restatement_that_turns_negative_leaves_the_filing_before_in_force() -> None:
    restated: Version = (FY19, 1, date(2020, 10, 9), {"P": 10.0, "Q": 0.0}, 20.0)
    made = [
        each
        for each in trailing(FY19_FILED, restated, (H119, 0, date(2019, 8, 20), {"P": 70.0, "Q": 20.0}, 90.0), H120_FILED)
        if each[0] == H120
    ]
    assert [day for _, day, *_ in made] == [date(2020, 8, 20)]


def test_a_superseded_version_does_not_come_back() -> None:
    """The half year is restated on 1 September; when the year before is restated in October only the new half year counts, and where
    it turns negative with it nothing is published: the old half year is no longer the latest."""
    newer: Version = (H120, 1, date(2020, 9, 1), {"P": 5.0, "Q": 25.0}, 60.0)
    restated: Version = (FY19, 1, date(2020, 10, 9), {"P": 30.0, "Q": 60.0}, 130.0)
    made = [each for each in trailing(FY19_FILED, restated, H119_FILED, H120_FILED, newer) if each[0] == H120]
    assert [(day, mix["P"]) for _, day, mix, _ in made] == [(date(2020, 8, 20), 115.0), (date(2020, 9, 1), 65.0)]


def test_stocks_do_not_mix_and_annual_reports_stay() -> None:
    one = [("S", *each) for each in (FY19_FILED, H119_FILED)]
    annual: Version = (FY20, 0, date(2021, 4, 1), {"P": 120.0, "Q": 70.0}, 250.0)
    two = [("T", *each) for each in (H120_FILED, annual, (H121, 0, date(2021, 8, 1), {"P": 60.0}, 80.0))]
    table = pl.DataFrame(
        [
            (asset, period, revision, day, name, amount, total)
            for asset, period, revision, day, mix, total in one + two
            for name, amount in mix.items()
        ],
        schema=SCHEMA,
        orient="row",
    )
    made = trailing_year(table)
    assert made.select("asset", "period_end").unique().sort("asset", "period_end").rows() == [("S", FY19), ("T", FY20), ("T", H121)]
    assert made.filter(asset="T", period_end=H121).select("product", "revenue", "total").rows() == [("P", 125.0, 220.0), ("Q", 45.0, 220.0)]
