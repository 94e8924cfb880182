"""Statements and dividends of the planted market: they agree with the filings, come when they may, and lack what they should."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.synthetic import SyntheticMarket, market

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

SIZE: dict[str, Any] = {"stocks": 500, "sessions": 760}
KEY = ["asset", "period_end"]
FLOWS = ("revenue", "cost_of_sales", "net_income", "operating_cash_flow")
ITEMS = {*FLOWS, "total_assets", "book_equity", "total_debt", "long_term_debt", "preferred_equity", "shares"}


@pytest.fixture(scope="module")
def made() -> SyntheticMarket:
    return market(**SIZE)


@pytest.fixture(scope="module")
def wide(made: SyntheticMarket) -> pl.DataFrame:
    """First versions, one column an item, with the market's first session and the dates of the listing."""
    first = made.tables["statements"].filter(pl.col("revision") == 0)
    table = first.pivot("item", index=[*KEY, "publish_date"], values="value")
    begins = made.tables["bars"]["date"].min()
    return table.join(made.tables["assets"], on="asset").with_columns(
        fresh=pl.col("list_date") > begins, year=pl.col("period_end").dt.year(), month=pl.col("period_end").dt.month()
    )


def full(wide: pl.DataFrame) -> pl.DataFrame:
    """Reports with a balance sheet: all but the prospectus history."""
    return wide.drop_nulls("book_equity")


# ---------------------------------------------------------------- when and what


def test_rows_come_in_key_order_with_finite_values(made: SyntheticMarket) -> None:
    table = made.tables["statements"]
    key = ["asset", "period_end", "item", "revision"]
    assert table.columns == [*key, "publish_date", "value"]
    assert table.select(key).equals(table.select(key).unique().sort(key))
    assert table["value"].is_finite().all()
    assert set(table["item"]) == ITEMS
    assert set(table["revision"]) == {0, 1}
    assert set(table["period_end"].dt.month()) == {3, 6, 9, 12}
    assert (table["period_end"] == table["period_end"].dt.month_end()).all()


def test_revenue_and_dates_of_half_years_are_those_of_the_filings(made: SyntheticMarket, wide: pl.DataFrame) -> None:
    revenue = made.tables["statements"].filter(pl.col("item") == "revenue")
    both = made.tables["filings"].join(revenue, on=[*KEY, "revision"], suffix="_stated")
    assert both.filter(pl.col("revision") == 1).height > 20
    assert both["value"].equals(both["total_revenue"].alias("value"))
    assert both["publish_date"].equals(both["publish_date_stated"].alias("publish_date"))
    # Every filing since the first full statement has one, and no half-year is stated that is not filed.
    opening = full(wide).filter(~pl.col("fresh"))["period_end"].min()
    filed = made.tables["filings"].join(made.tables["assets"], on="asset").filter(pl.col("period_end") >= opening)
    assert filed.join(revenue, on=[*KEY, "revision"], how="anti").is_empty()
    half = full(wide).filter(pl.col("month").is_in([6, 12]))
    assert half.join(made.tables["filings"].filter(pl.col("revision") == 0), on=KEY, how="anti").is_empty()


def test_flows_are_cumulative_within_the_year(wide: pl.DataFrame) -> None:
    for item in ("revenue", "cost_of_sales"):
        by_quarter = full(wide).pivot("month", index=["asset", "year"], values=item)
        known = by_quarter.drop_nulls()
        assert known.height > 300
        for early, late in (("3", "6"), ("6", "9"), ("9", "12")):
            assert (known[early] < known[late]).all()
    quarters = full(wide).pivot("month", index=["asset", "year"], values="revenue").drop_nulls()
    share = quarters["3"] / quarters["6"]
    assert 0.4 < share.mean() < 0.6
    assert share.std() > 0.02


def test_nothing_is_published_before_its_period_or_after_the_sample(made: SyntheticMarket) -> None:
    table = made.tables["statements"].join(made.tables["assets"], on="asset")
    last = made.tables["bars"]["date"].max()
    assert (table["publish_date"] > table["period_end"]).all()
    assert (table["publish_date"] <= table["delist_date"].fill_null(last)).all()
    # All items of one version of a report are published on one day.
    assert made.tables["statements"].group_by(*KEY, "revision").agg(pl.col("publish_date").n_unique())["publish_date"].max() == 1


def test_quarters_keep_the_statutory_lags_but_for_a_few(wide: pl.DataFrame) -> None:
    deadlines = {3: pl.date(pl.col("year"), 4, 30), 9: pl.date(pl.col("year"), 10, 31)}
    for month, deadline in deadlines.items():
        some = full(wide).filter((pl.col("month") == month) & (pl.col("year") < 2025))
        late = some.select(pl.col("publish_date") > deadline).to_series()
        assert 0.005 < late.mean() < 0.04  # 2 % of some 1,000 reports: three standard errors are 1.3 points
    order = full(wide).sort(KEY).with_columns(before=pl.col("publish_date").shift(1).over("asset")).drop_nulls("before")
    assert 0.003 < (order["publish_date"] < order["before"]).mean() < 0.03
    annual = full(wide).filter(pl.col("month") == 12).select("asset", pl.col("year") + 1, annual="publish_date")
    first = full(wide).filter(pl.col("month") == 3).join(annual, on=["asset", "year"])
    in_time = first.filter(pl.col("annual") <= pl.date(pl.col("year"), 4, 30))
    assert (in_time["publish_date"] >= in_time["annual"]).all()


def test_a_few_quarters_are_missing_but_no_half_year(wide: pl.DataFrame) -> None:
    whole = full(wide).filter(
        pl.col("year").is_in([2023, 2024]) & (pl.col("list_date") < date(2023, 1, 1)) & pl.col("delist_date").is_null()
    )
    counts = whole.group_by("month").len().sort("month")["len"].to_list()
    assert counts[1] == counts[3]
    for month in (0, 2):
        assert 0 < 1 - counts[month] / counts[1] < 0.03  # 1 % of some 700


def test_restated_versions_come_later_with_other_values(made: SyntheticMarket) -> None:
    table = made.tables["statements"]
    first, again = (table.filter(pl.col("revision") == k) for k in (0, 1))
    both = again.join(first, on=[*KEY, "item"], suffix="_first")
    assert both.height == again.height
    versions = [each.select(KEY).unique().height for each in (again, first.filter(pl.col("item") == "book_equity"))]
    assert 0.015 < versions[0] / versions[1] < 0.045
    assert set(both["period_end"].dt.month()) == {3, 6, 9, 12}
    assert ((both["publish_date"] - both["publish_date_first"]).dt.total_days() >= 60).all()
    changed = both.group_by("item").agg((pl.col("value") != pl.col("value_first")).mean().alias("share"))
    shares = dict(changed.iter_rows())
    assert shares.pop("shares") == 0
    # Some issuers owe nothing for long, and nothing stays nothing.
    assert min(shares.values()) > 0.95
    assert both.filter((pl.col("value") == pl.col("value_first")) & (pl.col("item") != "shares"))["value"].eq(0).all()


def test_history_begins_where_it_should(made: SyntheticMarket, wide: pl.DataFrame) -> None:
    begins = made.tables["bars"]["date"].min()
    opening = date(begins.year - 1, 12, 31)
    seasoned, fresh = wide.filter(~pl.col("fresh")), wide.filter(pl.col("fresh"))
    assert full(seasoned).group_by("asset").agg(pl.col("period_end").min())["period_end"].unique().to_list() == [opening]
    before = seasoned.filter(pl.col("period_end") < opening)
    assert before["period_end"].unique().sort().to_list() == [date(opening.year - k, 12, 31) for k in range(5, 0, -1)]
    assert before.height == 5 * seasoned["asset"].n_unique()
    assert before.select("revenue", "net_income", "shares").null_count().sum_horizontal().item() == 0
    assert before.select(pl.all_horizontal(pl.col(*ITEMS - {"revenue", "net_income", "shares"}).is_null())).to_series().all()
    lag = (fresh["list_date"] - fresh["period_end"]).dt.total_days()
    assert lag.max() <= 730
    reach = fresh.group_by("asset").agg((pl.col("list_date").first() - pl.col("period_end").min()).dt.total_days().alias("days"))
    assert reach["days"].min() > 730 - 184  # one quarter may be missing
    assert fresh["book_equity"].null_count() == 0


def test_two_listings_of_an_issuer_state_and_pay_the_same(made: SyntheticMarket) -> None:
    pairs = made.tables["assets"].group_by("issuer").agg("asset").filter(pl.col("asset").list.len() == 2)
    assert pairs.height == 10
    for name in ("statements", "dividends"):
        table = made.tables[name]
        for one, two in pairs["asset"]:
            assert table.filter(pl.col("asset") == one).drop("asset").equals(table.filter(pl.col("asset") == two).drop("asset"))


# ---------------------------------------------------------------- amounts


def test_branches_like_banks_state_neither_costs_nor_long_debt(made: SyntheticMarket, wide: pl.DataFrame) -> None:
    lacks = full(wide).group_by("asset").agg((pl.col("cost_of_sales").is_null() & pl.col("long_term_debt").is_null()).mean().alias("share"))
    assert set(lacks["share"]) == {0.0, 1.0}
    assert full(wide).select(pl.col("cost_of_sales").is_null() == pl.col("long_term_debt").is_null()).to_series().all()
    assert (
        full(wide)
        .select("revenue", "net_income", "operating_cash_flow", "total_assets", "total_debt", "shares")
        .null_count()
        .sum_horizontal()
        .item()
        == 0
    )
    share = lacks["share"].mean()
    assert 0 < share < 0.25
    # The branch decides: in the year of the first half-year no other branch holds such an issuer.
    mixes = made.truth["mixes"]
    first = mixes.filter(pl.col("start_date") == mixes["start_date"].min()).sort("share", descending=True).group_by("asset").first()
    branch = lacks.join(first.with_columns(pl.col("product").str.slice(0, 3).alias("branch")), on="asset")
    by_branch = branch.group_by("branch").agg(pl.col("share").mean(), pl.len())
    banks = by_branch.filter(pl.col("share") > 0.5)
    assert 1 <= banks.height <= 2
    assert banks["len"].sum() <= by_branch["len"].sum() / 4


def test_balance_sheets_hold_together(made: SyntheticMarket, wide: pl.DataFrame) -> None:
    sheet = full(wide)
    assert (sheet["total_debt"] <= sheet["total_assets"] - sheet["book_equity"].clip(lower_bound=0) + 0.02).all()
    assert (sheet["long_term_debt"].drop_nulls() >= 0).all()
    assert sheet.filter(pl.col("long_term_debt") > pl.col("total_debt")).is_empty()
    ratio = sheet["total_debt"] / sheet["total_assets"]
    assert 0.1 < ratio.median() < 0.35
    assert ratio.std() > 0.05
    preferred = sheet.group_by("asset").agg(pl.col("preferred_equity").is_not_null().mean().alias("share"))["share"]
    assert 0 < preferred.mean() < 0.05
    short = sheet.group_by("asset").agg((pl.col("book_equity") < 0).mean().alias("share"))["share"]
    assert 0 < (short > 0).mean() <= 0.012  # 0.5 % of issuers, some of them with two listings
    assert short.max() < 1
    shares = made.tables["bars"].group_by("asset").agg((pl.col("total_cap") / pl.col("close")).median().alias("held"))
    own = sheet.join(shares, on="asset").join(
        made.tables["assets"].group_by("issuer").len().filter(pl.col("len") == 1).select("issuer"), on="issuer"
    )
    np.testing.assert_allclose(own["shares"].to_numpy(), own["held"].to_numpy(), rtol=1e-9)  # caps are products of doubles


def test_book_equity_fits_the_first_market_value_and_grows(made: SyntheticMarket, wide: pl.DataFrame) -> None:
    cap = made.tables["bars"].sort("date").group_by("asset").agg(pl.col("total_cap").first())
    alone = made.tables["assets"].group_by("issuer").len().filter(pl.col("len") == 1).select("issuer")
    opening = full(wide).filter(~pl.col("fresh"))["period_end"].min()
    book = full(wide).filter((pl.col("period_end") == opening) & ~pl.col("fresh")).join(alone, on="issuer").join(cap, on="asset")
    log_ratio = (book["book_equity"] / book["total_cap"]).log()
    assert log_ratio.median() == pytest.approx(np.log(0.4), abs=0.1)  # 0.5 x 1.25 / sqrt(300) = 0.036, and the first day's return
    assert log_ratio.std() == pytest.approx(0.5, abs=0.08)
    year = full(wide).filter(pl.col("month") == 12).sort(KEY)
    growth = year.with_columns(g=(pl.col("total_assets") / pl.col("total_assets").shift(1).over("asset")).log()).drop_nulls("g")["g"]
    assert 0.03 < growth.mean() < 0.09
    assert 0.05 < growth.std() < 0.2


def test_margins_last_and_seasons_return(wide: pl.DataFrame) -> None:
    year = wide.filter(pl.col("month") == 12).sort(KEY).with_columns(margin=pl.col("net_income") / pl.col("revenue"))
    both = year.with_columns(before=pl.col("margin").shift(1).over("asset")).drop_nulls("before")
    kept = np.corrcoef(both["margin"], both["before"])[0, 1]
    assert 0.8 < kept < 0.999
    cash = full(wide).with_columns(share=pl.col("operating_cash_flow") / pl.col("revenue")).group_by("month").agg(pl.col("share").mean())
    by_month = dict(cash.iter_rows())
    assert by_month[3] < by_month[6] < by_month[12]
    gross = 1 - wide["cost_of_sales"] / wide["revenue"]
    assert 0.25 < gross.median() < 0.45


def test_growth_of_five_fiscal_years_exists_from_the_first_reports_on(wide: pl.DataFrame) -> None:
    begun = full(wide).filter(~pl.col("fresh"))["period_end"].min()
    by_spring = wide.filter((pl.col("month") == 12) & (pl.col("period_end") <= begun) & ~pl.col("fresh"))
    years = by_spring.group_by("asset").len()["len"]
    assert years.min() == 6


# ---------------------------------------------------------------- dividends


def test_dividends_are_paid_on_sessions_of_early_summer_from_last_years_income(made: SyntheticMarket, wide: pl.DataFrame) -> None:
    paid = made.tables["dividends"]
    assert paid.columns == ["asset", "ex_date", "cash_per_share"]
    assert paid.select("asset", "ex_date").equals(paid.select("asset", "ex_date").unique().sort("asset", "ex_date"))
    assert paid["ex_date"].is_in(made.tables["benchmarks"]["date"].unique().implode()).all()
    assert paid["ex_date"].dt.month().is_between(5, 8).all()
    annual = wide.filter(pl.col("month") == 12).select("asset", pl.col("year") + 1, "net_income", "publish_date", "shares")
    both = paid.with_columns(year=pl.col("ex_date").dt.year()).join(annual, on=["asset", "year"])
    assert both.height == paid.height
    assert both.select("asset", "year").is_unique().all()
    assert (both["publish_date"] < both["ex_date"]).all()
    payout = both.select(pl.col("cash_per_share") * pl.col("shares") / pl.col("net_income")).to_series()
    cash = both["cash_per_share"]
    assert payout.max() < 0.5 + 0.01 + 1e-4 / cash.min()
    assert (payout > 0.19).mean() > 0.9  # less where a tenth of the first price is the limit, or a few ten-thousandths round
    assert payout.std() > 0.05


def test_about_three_issuers_in_five_pay_and_some_stop(made: SyntheticMarket) -> None:
    paid = made.tables["dividends"].with_columns(year=pl.col("ex_date").dt.year())
    years = paid["year"].unique().sort().to_list()
    assets = made.tables["assets"]
    for year in years:
        alive = assets.filter(
            (pl.col("list_date") < date(year, 5, 1)) & (pl.col("delist_date").is_null() | (pl.col("delist_date") > date(year, 9, 1)))
        )
        rate = alive.join(paid.filter(pl.col("year") == year), on="asset", how="semi").height / alive.height
        assert 0.5 < rate < 0.7
    lasting = assets.filter(pl.col("delist_date").is_null()).join(paid.filter(pl.col("year") == years[0]), on="asset", how="semi")
    later = lasting.join(paid.filter(pl.col("year") == years[-1]), on="asset", how="anti")
    assert 0 < later.height < 0.25 * lasting.height
    inside = paid.join(assets, on="asset")
    assert (inside["ex_date"] >= inside["list_date"]).all()
    assert (inside["ex_date"] <= inside["delist_date"].fill_null(date(2025, 12, 31))).all()


def test_a_sample_without_a_summer_pays_nothing() -> None:
    made = market(stocks=60, sessions=60)
    assert made.tables["dividends"].is_empty()
    assert made.tables["dividends"].schema == {"asset": pl.String, "ex_date": pl.Date, "cash_per_share": pl.Float64}
    assert made.tables["statements"].height


def test_a_season_cut_by_the_sample_keeps_its_part() -> None:
    made = market(stocks=400, sessions=60, end=date(2025, 7, 15))
    part, days = made.tables["dividends"], made.tables["benchmarks"]["date"].unique()
    assert part.height
    assert part["ex_date"].is_between(days.min(), days.max()).all()
    # No day takes over the dividends of those outside the sample: some 240 payers over 123 days.
    assert part.group_by("ex_date").len()["len"].max() < 20
