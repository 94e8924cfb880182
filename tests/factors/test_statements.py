"""Replay of statements by hand-made cases: versions, fall back to an earlier period, staleness, growth, dividends."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from pureplay.factors.statements import Figure, dividend_steps, statement_figures, year_before
from pureplay.panel import Axes, FloatArray
from pureplay.sessions import sessions_between

DAYS = np.arange(np.datetime64("2019-01-01"), np.datetime64("2022-12-31"))
AXES = Axes(sessions_between(DAYS, "bars"), ("A", "B"))
Row = tuple[str, date, str, int, date, float]


def d(text: str) -> date:
    return date.fromisoformat(text)


def filed(*rows: tuple[str, str, str, float]) -> pl.DataFrame:
    """Rows `item, period_end, publish_date, value` of stock A."""
    return table([("A", d(end), item, 0, d(published), value) for item, end, published, value in rows])


def table(rows: list[Row]) -> pl.DataFrame:
    schema = {
        "asset": pl.String,
        "period_end": pl.Date,
        "item": pl.String,
        "revision": pl.Int64,
        "publish_date": pl.Date,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def on(figure: Figure, day: str, asset: int = 0) -> float:
    return float(whole(figure)[np.searchsorted(DAYS, np.datetime64(day)), asset])


def whole(figure: Figure) -> FloatArray:
    return figure.block(np.ones(AXES.shape, dtype=bool))


ANNUAL = [("revenue", "2018-12-31", "2019-04-10", 100.0), ("revenue", "2018-03-31", "2018-04-20", 20.0)]


def test_trailing_twelve_months_of_a_quarter() -> None:
    made = statement_figures(filed(*ANNUAL, ("revenue", "2019-03-31", "2019-04-25", 35.0)), AXES)["revenue_ttm"]
    assert np.isnan(on(made, "2019-04-09"))
    assert on(made, "2019-04-10") == 100
    assert on(made, "2019-04-24") == 100
    assert on(made, "2019-04-25") == 115
    assert np.isnan(whole(made)[:, 1]).all()


def test_a_quarter_without_its_counterparts_leaves_the_earlier_period_in_use() -> None:
    rows = [*ANNUAL, ("revenue", "2019-06-30", "2019-08-25", 70.0)]
    made = statement_figures(filed(*rows), AXES)["revenue_ttm"]
    assert on(made, "2019-08-25") == 100
    late = statement_figures(filed(*rows, ("revenue", "2018-06-30", "2019-10-01", 45.0)), AXES)["revenue_ttm"]
    assert on(late, "2019-09-30") == 100
    assert on(late, "2019-10-01") == 125


def test_a_late_report_of_an_old_period_rolls_nothing_back() -> None:
    rows = [("total_assets", "2019-06-30", "2019-08-20", 9.0), ("total_assets", "2019-03-31", "2019-10-20", 5.0)]
    assert on(statement_figures(filed(*rows), AXES)["assets"], "2019-10-21") == 9


def test_of_one_days_versions_the_highest_revision_counts_and_else_the_latest_day() -> None:
    end = d("2019-06-30")
    rows: list[Row] = [
        ("A", end, "total_assets", 2, d("2019-08-20"), 3.0),
        ("A", end, "total_assets", 1, d("2019-08-20"), 2.0),
        ("A", end, "total_assets", 0, d("2019-09-20"), 1.0),
    ]
    made = statement_figures(table(rows), AXES)["assets"]
    assert (on(made, "2019-08-20"), on(made, "2019-09-19"), on(made, "2019-09-20")) == (3, 3, 1)


@pytest.mark.parametrize(
    ("end", "months", "last"),
    [
        ("2018-12-31", 18, "2020-06-30"),
        ("2019-06-30", 18, "2020-12-31"),
        ("2019-03-31", 18, "2020-09-30"),
        ("2018-12-31", 14, "2020-02-29"),
    ],
)
def test_a_period_is_used_to_the_end_of_the_month_in_which_it_grows_old(end: str, months: int, last: str) -> None:
    made = statement_figures(filed(("book_equity", end, "2019-07-01", 1.0)), AXES, stale_months=months)["equity"]
    finite = np.flatnonzero(np.isfinite(whole(made)[:, 0]))
    assert DAYS[finite[-1]] == np.datetime64(last)
    for_ever = statement_figures(filed(("book_equity", end, "2019-07-01", 1.0)), AXES, stale_months=None)["equity"]
    assert np.isfinite(whole(for_ever)[-1, 0])


def test_preferred_equity_is_that_of_the_period_of_the_debt_and_else_nothing() -> None:
    rows = [("long_term_debt", "2018-12-31", "2019-04-01", 10.0), ("preferred_equity", "2018-12-31", "2019-04-05", 4.0)]
    made = statement_figures(filed(*rows, ("long_term_debt", "2019-03-31", "2019-04-20", 11.0)), AXES)["long_term"]
    assert [on(made, f"2019-04-{day}") for day in ("01", "05", "20")] == [10, 14, 11]


def test_only_december_ends_a_fiscal_year() -> None:
    rows = [("net_income", "2018-09-30", "2018-10-20", 7.0), ("net_income", "2019-02-28", "2019-03-20", 2.0)]
    made = statement_figures(filed(*rows), AXES)
    assert np.isnan(whole(made["income_ttm"])).all()
    assert np.isnan(whole(made["income_growth"])).all()


def annual(values: dict[int, float], shares: dict[int, float]) -> pl.DataFrame:
    rows = [("net_income", f"{year}-12-31", f"{year + 1}-04-20", value) for year, value in values.items()]
    return filed(*rows, *(("shares", f"{year}-12-31", f"{year + 1}-04-20", value) for year, value in shares.items()))


def test_growth_is_the_slope_of_the_last_five_years_over_their_mean_size() -> None:
    per_share = {2014: 3.0, 2015: -1.0, 2016: 2.0, 2017: 2.5, 2018: 4.0}
    shares = {2014: 2.0, 2016: 5.0, 2017: 5.0, 2018: 6.0}  # 2015 takes the shares of 2014
    values = {year: x * shares.get(year, 2.0) for year, x in per_share.items()}
    made = statement_figures(annual({2013: 99.0, **values}, {2013: 1.0, **shares}), AXES)["income_growth"]
    expected = scipy_stats.linregress(list(per_share), list(per_share.values())).slope / 2.5
    assert on(made, "2019-06-01") == pytest.approx(expected, rel=1e-12)  # sums of five numbers


@pytest.mark.parametrize(("min_years", "known"), [(2, True), (3, True), (4, False)])
def test_growth_needs_its_years(min_years: int, known: bool) -> None:
    made = statement_figures(annual({2013: 1.0, 2014: 1.0, 2016: 2.0, 2018: 3.0}, {2013: 1.0}), AXES, min_years=min_years)["income_growth"]
    assert np.isfinite(on(made, "2019-06-01")) == known


def test_growth_of_nothing_is_unknown() -> None:
    assert np.isnan(on(statement_figures(annual(dict.fromkeys(range(2014, 2019), 0.0), {2014: 1.0}), AXES)["income_growth"], "2019-06-01"))


def test_no_row_at_all_gives_nothing() -> None:
    made = statement_figures(filed(), AXES)
    assert all(np.isnan(whole(each)).all() for each in made.values())
    assert np.isnan(whole(dividend_steps(paid(), AXES))).all()


# ---------------------------------------------------------------- dividends


def paid(*rows: tuple[str, str, float]) -> pl.DataFrame:
    schema = {"asset": pl.String, "ex_date": pl.Date, "cash_per_share": pl.Float64}
    return pl.DataFrame([(asset, d(day), cash) for asset, day, cash in rows], schema=schema, orient="row")


def test_dividends_count_from_the_ex_date_for_twelve_months() -> None:
    rows = [("B", "2018-01-05", 1.0), ("A", "2019-05-10", 0.1), ("A", "2019-11-20", 0.2), ("A", "2020-02-29", 0.3)]
    made = dividend_steps(paid(*rows), AXES)
    known = {"2019-05-09": 0.0, "2019-05-10": 0.1, "2019-11-20": 0.1 + 0.2, "2020-05-09": 0.1 + 0.2 + 0.3}
    known |= {"2020-05-10": 0.2 + 0.3, "2021-02-27": 0.3, "2021-02-28": 0.3, "2021-03-01": 0.0, "2022-12-30": 0.0}
    assert {day: on(made, day) for day in known} == known


def test_yields_begin_when_the_table_is_a_year_old() -> None:
    made = whole(dividend_steps(paid(("OFF", "2019-03-15", 0.0), ("A", "2019-06-01", 0.5)), AXES))
    assert np.isnan(made[np.datetime64("2020-03-15") > DAYS]).all()
    assert made[np.datetime64("2020-03-15") == DAYS].tolist() == [[0.5, 0.0]]


def test_a_year_before() -> None:
    days = np.array(["2020-02-29", "2020-03-01", "2021-02-28"], dtype="datetime64[D]")
    assert year_before(days).astype(str).tolist() == ["2019-02-28", "2019-03-01", "2020-02-28"]
