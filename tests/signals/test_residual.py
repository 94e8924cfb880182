"""Construction S: residuals equal those of other programs, and the pipeline does with them what it does with raw returns."""

from datetime import date, timedelta
from functools import cache, partial
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from skfolio.linear_model import CSLinearRegression

from pureplay.dataset import Dataset
from pureplay.errors import PureplayError, SettingError, TableError
from pureplay.factors import base_factors
from pureplay.market import Market, load_market
from pureplay.signals import SignalSettings, product_momentum
from pureplay.signals.explain import explain
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.signals.residual import ResidualMarket, exposure_block, residual_market, residual_returns, signal_market
from pureplay.signals.workshop import PeerWorkshop
from tests.signals import naive
from tests.signals.markets import Tables, exposures, market
from tests.signals.test_naive import SEEDS, SIZES, SMALL, by_key, faults

TOLERANCE = 1e-8  # the bar of the design; two routes to the same least squares differ by 1e-12 of the largest return, here at most 0.3
FACTORS = ["x0", "x1", "x2"]


@cache
def made(seed: int) -> tuple[Tables, Dataset, pl.DataFrame]:
    stocks, sessions = SIZES[seed % len(SIZES)]
    tables = market(seed, stocks=stocks, sessions=sessions)
    return tables, Dataset.from_frames(tables), exposures(tables, seed)


@cache
def calm() -> tuple[Dataset, pl.DataFrame]:
    """A market without the wrong ticks, so that residuals of a date have the size of returns."""
    tables = market(4, stocks=30, sessions=40)
    tables["bars"] = tables["bars"].with_columns(ret=pl.when(pl.col("ret").abs() < 0.3).then("ret"))
    return Dataset.from_frames(tables), exposures(tables, 4)


def days_of(dataset: Dataset) -> list[date]:
    return dataset.frame("bars")["date"].unique().sort().to_list()


def cross_section(dataset: Dataset, panel: pl.DataFrame, t: int) -> pl.DataFrame:
    """asset, ret, weight and exposures of the stocks in the regression of session t, joined from the raw tables."""
    days, bars = days_of(dataset), dataset.frame("bars")
    trades = (pl.col("volume") > 0).fill_null(pl.col("ret").is_not_null())
    today = bars.filter(pl.col("date") == days[t], trades, pl.col("ret").is_not_null()).select("asset", "ret")
    before = bars.filter(pl.col("date") == days[t - 1], trades, pl.col("total_cap") > 0).select("asset", weight=pl.col("total_cap").sqrt())
    known = panel.filter(pl.col("date") == days[t - 1]).drop("date").drop_nulls()
    return today.join(before, on="asset").join(known, on="asset").sort("asset")


def test_residuals_and_factor_returns_equal_statsmodels() -> None:
    dataset, panel = calm()
    found = residual_returns(dataset, panel)
    days = days_of(dataset)
    for t in range(1, len(days)):
        rows = cross_section(dataset, panel, t)
        fit = sm.WLS(rows["ret"].to_numpy(), sm.add_constant(rows.select(FACTORS).to_numpy()), weights=rows["weight"].to_numpy()).fit()
        ours = found.residuals.filter(pl.col("date") == days[t]).drop_nulls().sort("asset")
        assert ours["asset"].to_list() == rows["asset"].to_list()
        np.testing.assert_allclose(ours["residual"], fit.resid, rtol=0, atol=TOLERANCE)
        daily = found.factor_returns.row(t, named=True)
        assert daily["date"] == days[t]
        assert daily["names"] == rows.height > 15
        np.testing.assert_allclose([daily["intercept"], *[daily[name] for name in FACTORS]], fit.params, rtol=0, atol=TOLERANCE)
        assert daily["r2"] == pytest.approx(fit.rsquared, abs=TOLERANCE)


def test_residuals_equal_skfolio() -> None:
    dataset, panel = calm()
    loaded = load_market(dataset)
    block, _ = exposure_block(panel, loaded.axes)
    weights = np.sqrt(loaded.caps[:-1])
    use = loaded.traded[1:] & np.isfinite(loaded.returns[1:]) & np.isfinite(weights) & np.isfinite(block[:-1]).all(axis=1)
    features = np.where(use[..., None], block[:-1].transpose(0, 2, 1), 0.0)
    target = np.where(use, loaded.returns[1:], 0.0)
    model = CSLinearRegression(fit_intercept=True).fit(features, target, cs_weights=np.where(use, weights, 0.0))
    cells = [(days_of(dataset)[t + 1], loaded.axes.assets[i]) for t, i in zip(*np.nonzero(use), strict=True)]
    values = (target - model.predict(features))[use]
    wanted = pl.DataFrame(cells, schema={"date": pl.Date, "asset": pl.String}, orient="row").with_columns(wanted=pl.Series(values))
    both = residual_returns(dataset, panel).residuals.drop_nulls().join(wanted, on=["date", "asset"], how="full")
    assert both.null_count().sum_horizontal().item() == 0
    assert both.height > 800
    np.testing.assert_allclose(both["residual"], both["wanted"], rtol=0, atol=TOLERANCE)


def test_residuals_are_orthogonal_to_exposures_of_the_session_before() -> None:
    """Sum of sqrt(cap) e and of sqrt(cap) x e vanish; with exposures of the same session they do not."""
    dataset, panel = calm()
    found = residual_returns(dataset, panel).residuals.drop_nulls()
    days = days_of(dataset)
    for t in range(1, len(days)):
        rows = cross_section(dataset, panel, t).join(found.filter(pl.col("date") == days[t]).drop("date"), on="asset")
        weight = rows["weight"].to_numpy() / rows["weight"].sum()
        e = rows["residual"].to_numpy()
        for x in (np.ones(e.size), *[rows[name].to_numpy() for name in FACTORS]):
            assert abs((weight * x * e).sum()) < 1e-15  # an average of terms of 1e-2 whose rounding is 1e-18 each
    same = found.join(panel.drop_nulls(), on=["date", "asset"])
    assert abs((same["x0"] * same["residual"]).mean()) > 1e-5  # type: ignore[operator, arg-type]


CASES: dict[str, dict[str, Any]] = {
    "small": {},
    "fallbacks": {"level": 3, "fallback": ("parent", "industry", "synthetic")},
    "frozen": {"frozen": True, "buffer_days": 0},
    "product_agg": {"resvol": "product_agg"},
    "diff_sd": {"resvol": "diff_sd", "momentum": "level", "weighting": "float_cap"},
    "industries": {"products": "industries:l1", "leave_one_out": False},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_every_cell_is_the_naive_one(case: str, seed: int) -> None:
    """The whole pipeline, fed with residuals of exact normal equations."""
    tables, dataset, panel = made(seed)
    settings = {**SMALL, **CASES[case]}
    known = {(row[0], row[1]): row[2:] for row in panel.iter_rows()}
    make = partial(naive.ResidualBaskets, exposures=known, factors=len(FACTORS))
    fast = by_key(product_momentum(dataset, construction="S", exposures=panel, **settings))
    slow = naive.product_momentum(tables, make=make, **settings)
    for row in slow.values():  # on the day of a bad tick every residual is of its size, and comes out of a regression: 1e-13 of it
        row["size"] *= 100.0
        row["stretch"] *= 100.0
    found = sorted(faults(fast, slow))
    assert not found, f"{len(found)} cells, such as {found[:5]}"
    assert sum(row["composite"] is not None for row in fast.values()) > 50


def test_the_construction_and_its_exposures_matter() -> None:
    _, dataset, panel = made(2)
    raw = product_momentum(dataset, **SMALL)
    one = product_momentum(dataset, construction="S", exposures=panel, **SMALL)
    other = product_momentum(dataset, construction="S", exposures=panel.drop("x1"), **SMALL)
    assert raw.select("date", "asset").equals(one.select("date", "asset"))  # who is scored stays, and what filing speaks
    assert raw.select("period_end", "eff_date").equals(one.select("period_end", "eff_date"))
    assert not raw["composite"].equals(one["composite"])
    assert not one["composite"].equals(other["composite"])


def test_the_first_session_has_no_residual() -> None:
    dataset, panel = calm()
    found, days = residual_returns(dataset, panel), days_of(dataset)
    assert found.residuals.filter(pl.col("date") == days[0])["residual"].is_null().all()
    assert found.residuals.filter(pl.col("date") == days[1])["residual"].is_not_null().any()
    first = found.factor_returns.row(0, named=True)
    assert first == {"date": days[0], **dict.fromkeys((*FACTORS, "intercept", "r2")), "names": 0}


def test_a_stock_without_exposures_has_no_residual_and_stays_in_the_universe() -> None:
    dataset, panel = calm()
    found = residual_returns(dataset, panel).residuals
    absent = found.filter(pl.col("asset") == "S006")
    assert absent.height > 10
    assert absent["residual"].is_null().all()
    days = days_of(dataset)
    asset = cross_section(dataset, panel, 21)["asset"][0]
    gone = panel.filter(pl.col("date") == days[20], pl.col("asset") == asset).drop_nulls()
    assert gone.height == 1
    without = panel.join(gone, on=["date", "asset"], how="anti")
    after = residual_returns(dataset, without).residuals
    moved = found.join(after, on=["date", "asset"], suffix="_after").filter(pl.col("residual").ne_missing(pl.col("residual_after")))
    assert moved["date"].unique().to_list() == [days[21]]  # an exposure speaks for the next session and for no other
    assert moved.filter(pl.col("asset") == asset)["residual_after"].to_list() == [None]
    scores = product_momentum(dataset, construction="S", exposures=panel, **SMALL).filter(pl.col("asset") == "S006")
    assert scores["implied"].is_not_null().any()  # its peers have residuals
    assert scores["biz_mom"].is_null().all()  # it has no gap


def test_a_suspended_stock_has_no_residual_on_its_first_day_back() -> None:
    dataset, panel = calm()
    loaded = load_market(dataset)
    found = residual_market(loaded, *exposure_block(panel, loaded.axes))
    back = loaded.traded[1:] & ~loaded.traded[:-1]
    assert back.sum() > 10
    assert np.isnan(found.returns[1:][back]).all()
    for name in ("caps", "traded", "listed_sessions", "issuer"):
        assert getattr(found, name) is getattr(loaded, name)


@pytest.mark.parametrize(("extra", "expected"), [(1, False), (2, True)])
def test_a_date_needs_more_stocks_than_regressors(extra: int, expected: bool) -> None:
    """Three factors and an intercept: four stocks leave nothing, five leave a residual."""
    dataset, panel = calm()
    day = days_of(dataset)[20]
    rows = cross_section(dataset, panel, 21)
    few = panel.filter((pl.col("date") != day) | pl.col("asset").is_in(rows["asset"].head(len(FACTORS) + extra).to_list()))
    found = residual_returns(dataset, few)
    daily = found.factor_returns.row(21, named=True)
    assert daily["names"] == (len(FACTORS) + extra if expected else 0)
    assert [daily[name] is not None for name in (*FACTORS, "intercept", "r2")] == [expected] * 5
    today = found.residuals.filter(pl.col("date") == days_of(dataset)[21])["residual"]
    assert today.is_not_null().sum() == (len(FACTORS) + extra if expected else 0)


def test_factors_that_say_the_same_leave_the_regression_of_the_day() -> None:
    dataset, panel = calm()
    twice = panel.with_columns(x3=2 * pl.col("x0") - 1, x4=pl.lit(1.0))
    plain, more = residual_returns(dataset, panel), residual_returns(dataset, twice)
    assert more.factor_returns["x3"].is_null().all()
    assert more.factor_returns["x4"].is_null().all()
    both = plain.residuals.join(more.residuals, on=["date", "asset"], suffix="_more").drop_nulls()
    assert both.height > 800
    np.testing.assert_allclose(both["residual"], both["residual_more"], rtol=0, atol=1e-13)  # the same regression, rounded otherwise


def test_a_factor_that_nobody_has_yet_leaves_the_regression_of_the_day() -> None:
    """Until it is in force the others do without it; a day on which no factor is known has no residual."""
    dataset, panel = calm()
    days = days_of(dataset)
    late = panel.with_columns(x1=pl.when(pl.col("date") >= days[20]).then("x1"), x3=pl.lit(None, dtype=pl.Float64))
    late = late.filter(pl.col("date") != days[30])
    found, whole, two = (residual_returns(dataset, each) for each in (late, panel, panel.drop("x1")))
    daily = found.factor_returns
    assert daily["x3"].is_null().all()
    assert daily["x1"].is_null().to_list() == [t <= 20 or t == 31 for t in range(40)]
    assert daily["names"][31] == 0
    for wanted, first, last in ((two, days[0], days[20]), (whole, days[21], days[30]), (whole, days[32], days[39])):
        inside = pl.col("date").is_between(first, last)
        both = found.residuals.filter(inside).join(wanted.residuals, on=["date", "asset"], suffix="_wanted")
        assert both["residual"].is_null().equals(both["residual_wanted"].is_null())
        np.testing.assert_allclose(both["residual"].drop_nulls(), both["residual_wanted"].drop_nulls(), rtol=0, atol=1e-15)
    assert found.residuals.filter(pl.col("date") == days[31])["residual"].is_null().all()


def test_a_residual_of_a_residual_is_itself() -> None:
    dataset, panel = calm()
    loaded = load_market(dataset)
    block = exposure_block(panel, loaded.axes)
    once = residual_market(loaded, *block)
    twice = residual_market(once, *block)
    np.testing.assert_allclose(twice.returns, once.returns, rtol=0, atol=1e-15)
    np.testing.assert_allclose(twice.factor_returns[1:], 0.0, rtol=0, atol=1e-14)


def test_a_score_of_residuals_is_explained() -> None:
    dataset, panel = calm()
    settings = SignalSettings(construction="S", **SMALL)
    row = product_momentum(dataset, exposures=panel, **settings.to_dict()).drop_nulls(["implied", "biz_mom"]).row(-1, named=True)
    found = explain(dataset, row["asset"], row["date"], settings, exposures=panel)
    for name in ("implied", "biz_mom", "biz_resvol", "composite"):
        assert found.score[name] == pytest.approx(row[name], abs=1e-12)
    assert found.products["contribution"].sum() == pytest.approx(row["implied"], abs=1e-12)
    assert found.gaps.filter("counts")["gap"].sum() == pytest.approx(row["biz_mom"], abs=1e-12)


def test_a_workshop_serves_both_constructions() -> None:
    dataset, panel = calm()
    loaded = load_market(dataset)
    settings = SignalSettings(construction="S", **SMALL)
    residual = signal_market(dataset, loaded, settings, panel)
    shop = PeerWorkshop(dataset, loaded)
    shop.peers(settings)
    on = shop.on(residual)
    assert on.peers(settings).families[0][6] is shop.peers(settings).families[0][6]
    shared = score_blocks(residual, on.peers(settings), settings)
    np.testing.assert_array_equal(shared.composite, score_blocks(residual, product_peers(dataset, residual, settings), settings).composite)
    with pytest.raises(TableError, match="make a workshop of its own"):
        shop.on(load_market(dataset))


def test_scores_refuse_the_market_of_the_other_construction() -> None:
    dataset, panel = calm()
    raw, r, s = load_market(dataset), SignalSettings(**SMALL), SignalSettings(construction="S", **SMALL)
    residual = signal_market(dataset, raw, s, panel)
    assert isinstance(residual, ResidualMarket)
    assert signal_market(dataset, raw, r) is raw
    for given, settings, shown in (
        (raw, s, "construction 'S' does not go with a Market"),
        (residual, r, "'R' does not go with a Residual"),
    ):
        with pytest.raises(SettingError, match=shown):
            score_blocks(given, product_peers(dataset, raw, r), settings)


BAD: list[tuple[Any, type[PureplayError], str]] = [
    (lambda p: p.with_columns(x1=pl.lit("high")), TableError, "exposures has non-numeric columns x1"),
    (lambda p: p.drop("asset"), TableError, "exposures lacks the column 'asset'"),
    (lambda p: p.select("date", "asset"), TableError, "exposures have no factor"),
    (lambda p: p.rename({"x1": "r2"}), TableError, "columns named r2: give every factor a column with a name of its own"),
    (
        lambda p: p.with_columns(x1=pl.lit(float("inf"))),
        TableError,
        "exposures are infinite in x1 \\(1020 rows\\): leave such values empty",
    ),
    (
        lambda p: p.with_columns(asset="no" + pl.col("asset")),
        TableError,
        "none of the 1020 rows of exposures lies on a date and stock of the bars",
    ),
    (
        lambda p: p.with_columns(date=pl.col("date") + timedelta(days=4000)),
        TableError,
        "none of the 1020 rows of exposures lies on a date and stock of the bars",
    ),
    (lambda p: pl.concat([p, p.head(1)]), TableError, "1 repeated keys, such as 2021-04-01 S000: keep one row"),
    (lambda p: p.head(0), TableError, "exposures has no rows"),
    (lambda p: 5, TableError, "exposures is a int, not a frame"),
]


@pytest.mark.parametrize(("spoil", "error", "message"), BAD, ids=[each[2] for each in BAD])
def test_bad_exposures_are_refused(spoil: Any, error: type[PureplayError], message: str) -> None:
    dataset, panel = calm()
    with pytest.raises(error, match=message):
        residual_returns(dataset, spoil(panel))


def test_exposures_without_construction_s_are_refused() -> None:
    dataset, panel = calm()
    with pytest.raises(SettingError, match="exposures have no use under construction 'R'"):
        product_momentum(dataset, exposures=panel, **SMALL)
    loaded: Market = load_market(dataset)
    with pytest.raises(TableError, match="do not fit"):
        residual_market(loaded, np.zeros((3, 1, 2)), ("x",))
    with pytest.raises(TableError, match="at least one factor"):
        residual_market(loaded, np.zeros((loaded.axes.shape[0], 0, loaded.axes.shape[1])), ())


def test_rows_on_other_dates_and_stocks_have_no_effect() -> None:
    dataset, panel = calm()
    other = panel.head(40).with_columns(asset="no" + pl.col("asset"))
    weekend = panel.head(3).with_columns(date=pl.lit(date(2001, 1, 6)))
    plain, more = residual_returns(dataset, panel), residual_returns(dataset, pl.concat([panel, other, weekend]))
    assert plain.residuals.equals(more.residuals)
    assert plain.factor_returns.equals(more.factor_returns)


def test_without_exposures_the_base_of_the_dataset_is_used() -> None:
    dataset = Dataset.from_frames(market(4, stocks=40, sessions=300))
    loaded = load_market(dataset)
    base = base_factors(dataset, loaded)
    found, wanted = residual_returns(dataset), residual_market(loaded, base.values, base.names)
    assert found.factor_returns.columns == ["date", *base.names, "intercept", "r2", "names"]
    np.testing.assert_array_equal(found.factor_returns["names"].to_numpy(), wanted.fitted)
    assert (wanted.fitted > 0).any()


@pytest.mark.parametrize(("stocks", "counts"), [(1, False), (5, False), (6, True)])
def test_a_factor_that_few_stocks_have_leaves_the_date_its_regression(stocks: int, counts: bool) -> None:
    """With x0, x1, x2 and it there are four: it takes more than five stocks in the regression, one without a market value is none."""
    dataset, _ = calm()
    loaded = load_market(dataset)
    rng = np.random.default_rng(8)
    block = rng.normal(size=(loaded.axes.shape[0], 4, loaded.axes.shape[1]))
    t = 20
    able = loaded.traded[t] & np.isfinite(loaded.returns[t]) & (loaded.caps[t - 1] > 0)
    have = np.flatnonzero(able)[:stocks]
    block[t - 1, 3, np.setdiff1d(np.flatnonzero(able), have)] = np.nan
    found = residual_market(loaded, block, ("x0", "x1", "x2", "rare"))
    without = residual_market(loaded, block[:, :3], ("x0", "x1", "x2"))
    assert np.isnan(found.factor_returns[t, 3]) != counts
    assert found.fitted[t] == (stocks if counts else able.sum())
    if not counts:
        np.testing.assert_array_equal(found.returns[t], without.returns[t])
    assert np.isfinite(found.factor_returns[t + 1]).all()
