"""The planted market: reproducible, sound by contract, and with the faults and effects it promises."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pureplay.checks import check_tables
from pureplay.errors import SettingError
from pureplay.synthetic import SyntheticMarket, market, write_market
from pureplay.synthetic.firms import FREE_SESSIONS
from pureplay.tables import CONTRACTS

# exchange_calendars 4.13 reads its time zones in a way that pandas 3.1 deprecates; pureplay cannot help it.
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

SIZE: dict[str, Any] = {"stocks": 150, "sessions": 330}
TABLES = (
    "bars",
    "assets",
    "taxonomy",
    "filings",
    "segments",
    "statements",
    "dividends",
    "industries",
    "index_members",
    "benchmarks",
    "factors",
)
ODD_BUT_TRUE = {"negative_equity", "cumulative_amount_shrinks"}
"""What the check remarks upon in statements: planted negative equity, and restated figures below those of an earlier quarter."""
FILING = ["asset", "period_end", "revision"]


@pytest.fixture(scope="module")
def made() -> SyntheticMarket:
    return market(**SIZE)


def ends(filings: pl.DataFrame) -> pl.DataFrame:
    """Filings with the statutory deadline of their period."""
    annual = pl.col("period_end").dt.month() == 12
    deadline = (
        pl.when(annual).then(pl.date(pl.col("period_end").dt.year() + 1, 4, 30)).otherwise(pl.date(pl.col("period_end").dt.year(), 8, 31))
    )
    return filings.with_columns(deadline.alias("deadline"))


# ---------------------------------------------------------------- reproducible


def test_the_same_settings_give_the_same_bits(made: SyntheticMarket) -> None:
    again = market(**made.settings)  # type: ignore[arg-type]
    assert set(made.tables) == set(TABLES)
    for name in TABLES:
        assert_frame_equal(made.tables[name], again.tables[name], check_exact=True)
    for name, frame in made.truth.items():
        assert_frame_equal(frame, again.truth[name], check_exact=True)


def test_written_tables_are_the_tables_in_memory_whatever_the_block(made: SyntheticMarket, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    settings = write_market(tmp_path, **SIZE, block_sessions=70, progress=lambda done, total: calls.append((done, total)))
    assert settings == made.settings
    assert calls[-1] == (330, 330)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.parquet" for name in TABLES}
    for name in TABLES:
        assert_frame_equal(pl.read_parquet(tmp_path / f"{name}.parquet"), made.tables[name], check_exact=True)


def test_another_seed_gives_another_market(made: SyntheticMarket) -> None:
    other = market(**SIZE, seed=8)
    for name in ("bars", "filings", "segments", "taxonomy"):
        assert not made.tables[name].equals(other.tables[name])


def test_the_placebo_differs_in_prices_only(made: SyntheticMarket) -> None:
    placebo = market(**SIZE, underreaction=0)
    for name in ("assets", "taxonomy", "filings", "segments", "statements", "dividends", "industries"):
        assert_frame_equal(placebo.tables[name], made.tables[name], check_exact=True)
    assert_frame_equal(placebo.tables["bars"].select("date", "asset"), made.tables["bars"].select("date", "asset"))
    assert placebo.truth["stocks"]["underreaction"].max() == 0
    both = np.corrcoef(*(each.tables["bars"]["ret"].fill_null(0).to_numpy() for each in (placebo, made)))[0, 1]
    assert 0.8 < both < 1  # the same noise, the news elsewhere


SETTINGS: list[tuple[str, Any]] = [
    ("products", 20),
    ("end", date(2024, 12, 31)),
    ("market_vol", 0.02),
    ("product_vol", 0.02),
    ("industry_vol", 0.01),
    ("idiosyncratic_vol", 0.03),
    ("release_sessions", 40),
    ("premia", 0),
    ("reversal_premium", 3),
    ("volatility_premium", 3),
    ("volatility_dispersion", 0.5),
    ("volatility_persistence", 0.95),
    ("volatility_wave", 0.05),
]


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_every_setting_matters(name: str, value: Any) -> None:
    small: dict[str, Any] = {"stocks": 60, "sessions": 60}
    assert not market(**small).tables["bars"].equals(market(**small, **{name: value}).tables["bars"])


WRONG: list[dict[str, Any]] = [
    {"stocks": 19},
    {"sessions": 59},
    {"sessions": 60_000},
    {"seed": -1},
    {"underreaction": -0.1},
    {"underreaction": 0.91},
    {"underreaction": float("nan")},
    {"end": date(2030, 1, 1)},
    {"products": 4},
    {"products": 700},
    {"product_vol": 1.0},
    {"release_sessions": 0},
    {"premia": -1},
    {"reversal_premium": 5.1},
    {"volatility_premium": float("nan")},
    {"volatility_dispersion": 0.9},
    {"volatility_persistence": 1.0},
    {"volatility_wave": -0.1},
    {"industry_switch": 1},
    {"block_sessions": 0},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda each: "-".join(f"{k}={v}" for k, v in each.items()))
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong)).split("_")[0]):
        market(**{"stocks": 60, "sessions": 60, **wrong})


# ---------------------------------------------------------------- sound tables


@pytest.mark.parametrize("name", TABLES)
def test_every_table_meets_its_contract(made: SyntheticMarket, name: str) -> None:
    frame, each = made.tables[name], CONTRACTS[name]
    absent = {key: column.dtype for key, column in each.schema.columns().items() if key not in frame.columns}
    assert not set(absent) & set(each.required)
    each.schema.validate(frame.with_columns([pl.lit(None, dtype=kind).alias(key) for key, kind in absent.items()]))
    assert frame.select(each.key).equals(frame.select(each.key).sort(each.key)), "rows must come in key order"
    assert each.open_ended or set(frame.columns) <= set(each.schema.columns())


@pytest.mark.parametrize("seed", [1, 2])
def test_the_checks_of_the_house_find_no_fault(seed: int) -> None:
    _, _, report = check_tables(market(**SIZE, seed=seed).tables, calendar="XSHG", today=date(2025, 12, 31))
    assert report.exit_code == 0, str(report)
    assert {each.rule for each in report.findings} <= ODD_BUT_TRUE, str(report)
    assert {each.level for each in report.findings} <= {"notice"}, str(report)


def test_dispersion_and_premia_do_what_they_say() -> None:
    """Without market, news and noise of style the cross-section shows the planted premium itself."""
    for dispersion in (0.0, 0.6):
        log_vol = np.log(market(stocks=600, sessions=60, volatility_dispersion=dispersion).truth["stocks"]["idiosyncratic_vol"].to_numpy())
        assert log_vol.std() == pytest.approx(dispersion, abs=0.05)  # sampling error 0.6 / sqrt(1200) = 0.017, three of them
    slopes = {}
    for multiple in (0.0, 5.0):
        made = market(stocks=300, sessions=250, underreaction=0, market_vol=0, product_vol=0, industry_vol=0, volatility_premium=multiple)
        mean = made.tables["bars"].group_by("asset").agg(pl.col("ret").mean())
        both = mean.join(made.truth["stocks"], on="asset").join(made.tables["assets"].filter(pl.col("delist_date").is_null()), on="asset")
        level = np.log(both["idiosyncratic_vol"].to_numpy())
        slopes[multiple] = np.polyfit((level - level.mean()) / level.std(), both["ret"].to_numpy(), 1)[0]
    # Planted: 5 x 0.0003 a day; the same draws in both, so the difference has hardly any sampling error beyond the price limits.
    assert slopes[0.0] - slopes[5.0] == pytest.approx(0.0015, rel=0.3)


def test_the_tree_is_deep_and_irregular() -> None:
    tree = market(stocks=2400, sessions=60).tables["taxonomy"]
    level = tree["product"].str.count_matches(".", literal=True) + 1
    leaf = ~tree["product"].is_in(tree["parent"].drop_nulls().implode())
    assert (level == 2).sum() == 200
    assert level.max() == 9
    assert set(level.filter(leaf)) == set(range(1, 10))
    assert 12 < tree.height / 200 < 23
    assert tree["start_date"].is_not_null().any()
    assert tree["end_date"].is_not_null().any()


def test_dated_products_are_filed_only_while_they_live(made: SyntheticMarket) -> None:
    used = made.tables["segments"].join(made.tables["taxonomy"], on="product")
    dated = used.filter(pl.col("start_date").is_not_null() | pl.col("end_date").is_not_null())
    assert dated.height
    for when in ("period_end", "publish_date"):
        assert dated.filter((pl.col(when) < pl.col("start_date")) | (pl.col(when) > pl.col("end_date"))).is_empty()


# ---------------------------------------------------------------- filings


def test_nine_filings_in_ten_have_a_dominant_product() -> None:
    tables = market(stocks=600, sessions=250).tables
    deep = tables["segments"].filter(pl.col("product").str.count_matches(".", literal=True) > 0)
    shares = deep.group_by(*FILING, pl.col("product").str.slice(0, 6)).agg(pl.col("revenue").sum())
    largest = shares.group_by(FILING).agg(pl.col("revenue").max())
    dominant = tables["filings"].join(largest, on=FILING, how="left").select(pl.col("revenue").fill_null(0) > 0.5 * pl.col("total_revenue"))
    assert 0.87 < dominant.to_series().mean() < 0.94  # about 8,000 filings, but mixes persist: a few points either way


def test_segments_add_up_to_at_most_the_total(made: SyntheticMarket) -> None:
    total = made.tables["segments"].group_by(FILING).agg(pl.col("revenue").sum(), pl.len().alias("rows"))
    both = made.tables["filings"].join(total, on=FILING)
    assert both.height == made.tables["filings"].height
    gap = both["total_revenue"] - both["revenue"]
    assert gap.min() > -0.01  # cents; the sums are rounded to them
    assert 0.2 < (gap > 0.005 * both["total_revenue"]).mean() < 0.4
    assert set(both["rows"]) == {1, 2, 3, 4, 5}
    above = made.tables["segments"].filter(pl.col("product").is_in(made.tables["taxonomy"]["parent"].unique().implode()))
    above = above.filter(pl.col("product").str.len_chars() == 3)
    assert 0.06 < above.height / both.height < 0.14


def test_some_filings_are_late_out_of_order_or_restated() -> None:
    filings = ends(market(stocks=600, sessions=250).tables["filings"])
    first = filings.filter(pl.col("revision") == 0).sort("asset", "period_end")
    lag = (first["publish_date"] - first["deadline"]).dt.total_days()
    overtaken = (first["publish_date"] > first["publish_date"].shift(-1)) & (first["asset"] == first["asset"].shift(-1))
    assert 0.01 < (lag > 0).mean() < 0.05
    assert lag.max() <= 250
    assert 0.003 < overtaken.mean() < 0.02
    again = filings.filter(pl.col("revision") == 1).join(first, on=["asset", "period_end"])
    assert 0.015 < again.height / first.height < 0.045
    assert ((again["publish_date"] - again["publish_date_right"]).dt.total_days() >= 60).all()
    assert (again["total_revenue"] != again["total_revenue_right"]).all()
    assert (filings["publish_date"] <= date(2025, 12, 31)).all()


def test_half_year_figures_are_cumulative(made: SyntheticMarket) -> None:
    first = made.tables["filings"].filter(pl.col("revision") == 0)
    year = pl.col("period_end").dt.year().alias("year")
    half, full = (first.filter(pl.col("period_end").dt.month() == month).with_columns(year) for month in (6, 12))
    both = half.join(full, on=["asset", "year"])
    # The year's unmapped part does not change its total, only rounding to cents does.
    np.testing.assert_allclose(2 * both["total_revenue"].to_numpy(), both["total_revenue_right"].to_numpy(), rtol=1e-6)


def test_two_listings_of_an_issuer_file_the_same(made: SyntheticMarket) -> None:
    assets, segments = made.tables["assets"], made.tables["segments"]
    pairs = assets.group_by("issuer").agg("asset").filter(pl.col("asset").list.len() == 2)
    assert pairs.height == 3
    for one, two in pairs["asset"]:
        assert segments.filter(pl.col("asset") == one).drop("asset").equals(segments.filter(pl.col("asset") == two).drop("asset"))


# ---------------------------------------------------------------- prices


def test_returns_limits_and_ranges_follow_from_the_closes(made: SyntheticMarket) -> None:
    bars = made.tables["bars"].sort("asset", "date").with_columns(pl.col("close").shift(1).over("asset").alias("before"))
    known = bars.drop_nulls("before")
    # One rounding apart: returns are computed from whole cents.
    np.testing.assert_allclose(known["ret"].to_numpy(), (known["close"] / known["before"] - 1).to_numpy(), atol=1e-15)
    bound = known.drop_nulls("limit_up")
    for name in ("open", "high", "low", "close"):
        assert ((bound[name] >= bound["limit_down"]) & (bound[name] <= bound["limit_up"])).all()
    assert ((bars["high"] >= bars["open"]) & (bars["high"] >= bars["close"]) & (bars["high"] >= bars["low"])).all()
    assert ((bars["low"] <= bars["open"]) & (bars["low"] <= bars["close"])).all()
    average = bars["amount"] / bars["volume"]
    assert ((average > bars["low"] - 0.01) & (average < bars["high"] + 0.01)).all()
    shares = bars.group_by("asset").agg((pl.col("total_cap") / pl.col("close")).std().alias("spread"), pl.len()).filter(pl.col("len") > 1)
    assert shares["spread"].max() < 1e-3  # share counts are constant
    wide = bound.join(made.tables["assets"], on="asset").with_columns((pl.col("limit_up") / pl.col("before") - 1).alias("p"))
    for board, percent in (("main", 0.1), ("chinext", 0.2), ("star", 0.2), ("beijing", 0.3)):
        found = wide.filter((pl.col("board") == board) & (pl.col("before") > 1))["p"]
        assert found.len()
        assert (found - percent).abs().max() < 0.006  # half a cent on one yuan


def test_the_limit_of_chinext_widens_in_2020() -> None:
    bars = market(stocks=80, sessions=60, end=date(2020, 9, 21)).tables["bars"]
    chinext = bars.filter(pl.col("asset").str.starts_with("300")).drop_nulls("limit_up")
    ratio = (chinext["limit_up"] / chinext["limit_down"]).to_numpy()
    late = chinext["date"].to_numpy() >= np.datetime64("2020-08-24")
    assert ratio[~late].max() < 1.24 < 1.48 < ratio[late].min()  # 1.1 / 0.9 and 1.2 / 0.8


def test_a_new_stock_has_no_limit_for_five_sessions_and_no_first_return(made: SyntheticMarket) -> None:
    first_day = made.tables["bars"]["date"].min()
    fresh = made.tables["assets"].filter(pl.col("list_date") > first_day)
    assert 0.25 < fresh.height / 150 < 0.45
    bars = made.tables["bars"].join(fresh, on="asset").sort("asset", "date")
    begins = bars.group_by("asset").agg(pl.col("date").first(), pl.col("ret").first(), pl.col("list_date").first())
    assert (begins["date"] == begins["list_date"]).all()
    assert begins["ret"].null_count() == begins.height
    counted = bars.with_columns(pl.col("date").cum_count().over("asset").alias("n"))
    assert (counted["limit_up"].is_null() == (counted["n"] <= FREE_SESSIONS)).all()
    seasoned = made.tables["bars"].filter(~pl.col("asset").is_in(fresh["asset"].implode()))
    assert seasoned["ret"].null_count() == 0


def test_delisted_stocks_fall_and_stop(made: SyntheticMarket) -> None:
    gone = made.tables["assets"].drop_nulls("delist_date")
    assert gone.height >= 5
    last = made.tables["bars"].join(gone, on="asset").group_by("asset").agg(pl.col("date").max(), pl.col("delist_date").first())
    assert (last["date"] == last["delist_date"]).all()
    tail = made.tables["bars"].join(gone, on="asset").sort("date").group_by("asset").agg(pl.col("ret").tail(50).mean())
    assert tail["ret"].mean() < -0.004
    members = made.tables["index_members"].join(gone, on="asset")
    assert (members["end_date"].is_not_null() & (members["end_date"] <= members["delist_date"])).all()


def test_suspended_stocks_have_no_row_and_come_back_with_the_whole_return() -> None:
    tables = market(stocks=300, sessions=300).tables
    days = tables["benchmarks"]["date"].unique().sort()
    place = tables["bars"].with_columns(pl.col("date").replace_strict(days, np.arange(days.len())).alias("at")).sort("asset", "date")
    gaps = place.with_columns((pl.col("at") - pl.col("at").shift(1).over("asset") - 1).alias("missed")).drop_nulls("missed")
    assert 0.005 < gaps["missed"].sum() / place.height < 0.02
    away = gaps.filter(pl.col("missed") > 0)
    assert 3 < away["missed"].mean() < 14
    assert away["missed"].max() == 60
    assert (tables["bars"]["volume"] > 0).all()


# ---------------------------------------------------------------- derived tables


def test_reversal_and_volatility_match_a_naive_loop(made: SyntheticMarket) -> None:
    bars, factors = made.tables["bars"], made.tables["factors"]
    assert factors.select("date", "asset").equals(bars.select("date", "asset"))
    days = bars["date"].unique().sort()
    panel = {name: bars.pivot("asset", index="date", values=name).sort("date") for name in ("ret", "total_cap")}
    ret, cap = (panel[name].drop("date").to_numpy().astype(float) for name in ("ret", "total_cap"))
    names = panel["ret"].columns[1:]
    market_ret = np.full(days.len(), np.nan)
    for t in range(1, days.len()):
        on = np.isfinite(ret[t]) & np.isfinite(cap[t - 1])
        market_ret[t] = (cap[t - 1][on] * ret[t][on]).sum() / cap[t - 1][on].sum()
    checked = 0
    for t in (10, 14, 40, days.len() - 1):
        today = factors.filter(pl.col("date") == days[t])
        raw = {"strev_20": {}, "ivol_20": {}}
        for asset in today["asset"]:
            k, window = names.index(asset), slice(max(t - 19, 0), t + 1)
            y, x = ret[window, k], market_ret[window]
            known = np.isfinite(y)
            if known.sum() >= 15:
                raw["strev_20"][asset] = -np.log1p(y[known]).sum()
            known &= np.isfinite(x)
            if known.sum() >= 15:
                design = np.column_stack([np.ones(known.sum()), x[known]])
                rest = y[known] - design @ np.linalg.lstsq(design, y[known], rcond=None)[0]
                raw["ivol_20"][asset] = (rest @ rest / (known.sum() - 2)) ** 0.5
        for column, found in raw.items():
            values = np.array(list(found.values()))
            if values.size:
                reach = 3 * 1.4826 * np.median(np.abs(values - np.median(values)))
                values = np.clip(values, np.median(values) - reach, np.median(values) + reach)
                values = (values - values.mean()) / values.std()
            expected = dict(zip(found, values, strict=True))
            for asset, given in today.select("asset", column).iter_rows():
                # The columns are stored as 32-bit floats.
                assert given == (pytest.approx(expected[asset], rel=1e-5, abs=1e-6) if asset in expected else None)
                checked += asset in expected
    assert checked > 100
    assert factors["strev_20"].null_count() > 0


def test_benchmarks_are_the_cap_weighted_returns_of_the_members(made: SyntheticMarket) -> None:
    bars, members, levels = (made.tables[name] for name in ("bars", "index_members", "benchmarks"))
    for day in levels["date"].unique().sort().to_list()[60::90]:
        inside = members.filter((pl.col("start_date") <= day) & (pl.col("end_date").is_null() | (pl.col("end_date") >= day)))
        cap = bars.filter(pl.col("date") < day).group_by("asset").agg(pl.col("total_cap").sort_by("date").last())
        now = bars.filter(pl.col("date") == day).select("asset", "ret")
        held = inside.join(cap, on="asset").join(now, on="asset", how="left").with_columns(pl.col("ret").fill_null(0))
        for (index,), part in held.group_by("index"):
            assert part["asset"].n_unique() == part.height
            found = levels.filter((pl.col("index") == index) & (pl.col("date") == day))["ret"].item()
            assert found == pytest.approx((part["ret"] * part["total_cap"]).sum() / part["total_cap"].sum(), abs=1e-12)
    growth = (
        levels.sort("index", "date").with_columns((pl.col("close") / pl.col("close").shift(1).over("index") - 1).alias("g")).drop_nulls("g")
    )
    np.testing.assert_allclose(growth["g"].to_numpy(), growth["ret"].to_numpy(), atol=1e-12)


def test_members_are_formed_from_the_caps_of_the_session_before(made: SyntheticMarket) -> None:
    bars, members = made.tables["bars"], made.tables["index_members"]
    begins = members["start_date"].unique().sort()
    assert {day.month for day in begins.to_list()[1:]} == {6, 12}
    day = begins[-1]
    inside = members.filter(pl.col("start_date") == day)
    assert sorted(inside.group_by("index").len()["len"]) == [round(0.15 * 150), round(0.25 * 150)]
    cap = bars.filter(pl.col("date") < day).group_by("asset").agg(pl.col("total_cap").sort_by("date").last())
    held = inside.join(cap, on="asset")
    large, small = (held.filter(pl.col("index") == name)["total_cap"] for name in ("syn300", "syn500"))
    assert large.min() > small.max()
    assert inside.group_by("index").agg(pl.col("weight").sum())["weight"].to_list() == pytest.approx([1, 1])


def test_industries_nest_follow_products_and_never_overlap() -> None:
    made = market(stocks=600, sessions=250)
    table = made.tables["industries"].sort("asset", "scheme", "start_date")
    following = table["start_date"].shift(-1)
    same = (table["asset"] == table["asset"].shift(-1)) & (table["scheme"] == table["scheme"].shift(-1))
    assert (table["end_date"].is_null() == ~same.fill_null(False)).all()
    assert table.filter(same.fill_null(False))["end_date"].equals(following.filter(same.fill_null(False)).alias("end_date"))
    assert table["end_date"].is_not_null().any()
    last = table.filter(pl.col("end_date").is_null()).pivot("scheme", index="asset", values="code")
    assert last.height == 600
    for fine, coarse in (("syn_l3", "syn_l2"), ("syn_l2", "syn_l1")):
        assert last.group_by(fine).agg(pl.col(coarse).n_unique())[coarse].max() == 1
    both = last.join(made.truth["stocks"], on="asset")
    usual = both.group_by("product").agg(pl.col("syn_l3").mode().first().alias("usual"))
    assert 0.75 < both.join(usual, on="product").select(pl.col("syn_l3") == pl.col("usual")).to_series().mean() < 0.97


# ---------------------------------------------------------------- the planted effect


def test_product_news_is_priced_late_where_planted_and_at_once_where_not() -> None:
    """Slope of the return of sessions t + 2 .. t + 21 on the stock's own product news of session t."""
    slopes = {}
    for strength in (0.5, 0.0):
        made = market(stocks=200, sessions=400, underreaction=strength, premia=0, idiosyncratic_vol=0.005, market_vol=0.0)
        ret = made.tables["bars"].pivot("asset", index="date", values="ret").sort("date").drop("date")
        shock = made.truth["shocks"].pivot("product", index="date", values="shock").sort("date").drop("date")
        main = dict(made.truth["stocks"].select("asset", "product").iter_rows())
        y = np.nan_to_num(ret.to_numpy().astype(float))
        x = shock.select([pl.col(main[name]).alias(name) for name in ret.columns]).to_numpy()
        later = np.cumsum(y, axis=0)
        ahead, news = later[21:] - later[1:-20], x[:-21]
        slopes[strength] = float((ahead * news).sum() / (news**2).sum())
    # Half the news, 0.7 of it released in twenty sessions, times a main share near 0.85; the error of a slope is about .04.
    assert 0.15 < slopes[0.5] < 0.5
    assert abs(slopes[0.0]) < 0.12
