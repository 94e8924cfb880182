"""Hedging one stock: ratios and cuts against a plain loop, nothing of later days in them, no forecast that has seen the outcome."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.edges import edges_of, load_inputs
from pureplay.studies.comovement_one import OneHedge, hedge_one
from tests.apps import graph_small
from tests.apps.test_graph_commands import model_of

ROW = 300
FORWARD, TRAILING = 60, 90


@pytest.fixture(scope="module")
def sessions() -> list[date]:
    return graph_small.tables()["bars"]["date"].unique().sort().to_list()


@pytest.fixture(scope="module")
def asset() -> str:
    edges = edges_of(load_inputs(graph_small.in_memory()), ROW)
    busy = pl.concat([edges["ts_a"], edges["ts_b"].rename("ts_a")]).value_counts().sort(["count", "ts_a"], descending=[True, False])
    return str(busy["ts_a"][0])


@pytest.fixture(scope="module")
def made(asset: str, sessions: list[date]) -> OneHedge:
    return hedge_one(load_inputs(graph_small.in_memory()), asset, sessions[ROW], names=4, model=model_of(trailing=0.4, deep_peer=0.2))


def returns_by_day(codes: list[str], days: list[date]) -> dict[str, dict[date, float]]:
    """Return of each stock on the days on which it traded."""
    bars = graph_small.tables()["bars"].filter(
        (pl.col("volume") > 0) & pl.col("date").is_in(days) & pl.col("asset").cast(pl.String).is_in(codes)
    )
    out: dict[str, dict[date, float]] = {code: {} for code in codes}
    for day, code, ret in bars.select("date", pl.col("asset").cast(pl.String), "ret").iter_rows():
        if ret is not None:
            out[code][day] = ret
    return out


def naive(asset: str, peers: list[str], sessions: list[date]) -> tuple[float, float, float]:
    """Ratio, trailing and forward cut: OLS with intercept on the equal-weight basket."""
    days = sessions[ROW + 1 - TRAILING : ROW + 1 + FORWARD]
    known = returns_by_day([asset, *peers], days)
    pairs = {}
    for day in days:
        there = [known[peer][day] for peer in peers if day in known[peer]]
        if there and day in known[asset]:
            pairs[day] = (known[asset][day], sum(there) / len(there))

    def cut(chosen: list[date], ratio: float) -> float:
        own = [pairs[day][0] for day in chosen if day in pairs]
        rest = [pairs[day][0] - ratio * pairs[day][1] for day in chosen if day in pairs]
        return 1 - float(np.var(rest) / np.var(own))

    before = [day for day in days[:TRAILING] if day in pairs]
    y, x = (np.array([pairs[day][k] for day in before]) for k in (0, 1))
    intercept_and_slope, *_ = np.linalg.lstsq(np.column_stack([np.ones(x.size), x]), y, rcond=None)
    ratio = float(intercept_and_slope[1])
    return ratio, cut(days[:TRAILING], ratio), cut(days[TRAILING:], ratio)


def test_every_arm_is_an_ols_on_its_basket(made: OneHedge, asset: str, sessions: list[date]) -> None:
    inputs = load_inputs(graph_small.in_memory())
    axes, industry = inputs.ground.axes, inputs.ground.industry[ROW]
    own = axes.assets.index(asset)
    window = np.isfinite(inputs.ground.market.returns[ROW + 1 - TRAILING : ROW + 1]).sum(axis=0)
    same = [axes.assets[k] for k in range(len(axes.assets)) if k != own and industry[k] == industry[own] and 2 * window[k] >= TRAILING]
    members = {"index": list(axes.assets), "industry": same}
    assert made.figures["arm"].to_list() == ["graph", "news_only", "trailing", "expected", "index", "industry"]
    for arm, size, *figures in made.figures.iter_rows():
        peers = members.get(arm) or made.baskets.filter(pl.col("arm") == arm).sort("rank")["peer"].to_list()
        # three orders of adding up the same numbers
        np.testing.assert_allclose(figures, naive(asset, peers, sessions), rtol=1e-9, atol=1e-12, err_msg=arm)
        assert size == (None if arm == "index" else len(peers))


def test_the_trailing_cut_is_r_squared(made: OneHedge, asset: str, sessions: list[date]) -> None:
    row = made.figures.filter(pl.col("arm") == "trailing").row(0, named=True)
    peers = made.baskets.filter(pl.col("arm") == "trailing")["peer"].to_list()
    known = returns_by_day([asset, *peers], sessions[ROW + 1 - TRAILING : ROW + 1])
    days = [day for day in known[asset] if any(day in known[peer] for peer in peers)]
    own = [known[asset][day] for day in days]
    basket = [np.mean([known[peer][day] for peer in peers if day in known[peer]]) for day in days]
    assert row["trailing_cut"] == pytest.approx(np.corrcoef(own, basket)[0, 1] ** 2, rel=1e-9)


def test_baskets_say_what_the_graph_says(made: OneHedge, asset: str) -> None:
    edges = edges_of(load_inputs(graph_small.in_memory()), ROW)
    for row in made.baskets.iter_rows(named=True):
        a, b = sorted((asset, row["peer"]))
        listed = edges.filter((pl.col("ts_a") == a) & (pl.col("ts_b") == b))
        assert row["in_graph"] == bool(listed.height)
        assert row["confirmed"] == (listed["confirmed"][0] if listed.height else None)
        if listed.height:
            assert row["trailing_corr"] == pytest.approx(listed["trailing_corr"][0], rel=1e-9)
    assert made.baskets.filter(pl.col("arm") == "graph")["confirmed"].all()
    assert not made.baskets.filter(pl.col("arm") == "news_only")["confirmed"].any()


def test_nothing_of_later_days_is_in_it(made: OneHedge, asset: str, sessions: list[date]) -> None:
    cut = load_inputs(graph_small.in_memory().as_of(sessions[ROW]))
    then = hedge_one(cut, asset, sessions[ROW], names=4, model=model_of(trailing=0.4, deep_peer=0.2))
    assert then.baskets.equals(made.baskets)
    assert then.figures.drop("variance_cut").equals(made.figures.drop("variance_cut"))
    assert then.figures["variance_cut"].is_null().all()
    assert made.figures["variance_cut"].is_not_null().all()


def test_a_forecast_that_has_seen_the_outcome_makes_no_arm(asset: str, sessions: list[date]) -> None:
    inputs, model = load_inputs(graph_small.in_memory()), model_of(trailing=0.4, deep_peer=0.2)
    seen = replace(model, known_from=sessions[ROW + 1])
    made = hedge_one(inputs, asset, sessions[ROW], names=4, model=seen)
    assert "expected" not in made.figures["arm"].to_list()
    assert "the model has seen" in made.note
    assert made.baskets.equals(hedge_one(inputs, asset, sessions[ROW], names=4).baskets)
    allowed = hedge_one(inputs, asset, sessions[ROW], names=4, model=replace(model, known_from=sessions[ROW]))
    assert "expected" in allowed.figures["arm"].to_list()
    assert allowed.note == ""


def test_names_and_day(made: OneHedge, asset: str, sessions: list[date]) -> None:
    inputs = load_inputs(graph_small.in_memory())
    assert made.baskets.group_by("arm").len()["len"].max() == 4
    sunday = sessions[ROW] + timedelta(days=(6 - sessions[ROW].weekday()))
    assert hedge_one(inputs, asset, sunday, names=4).date <= sunday
    assert made.date == sessions[ROW]
    with pytest.raises(SettingError, match="none of the"):
        hedge_one(inputs, "NOPE", sessions[ROW])
    with pytest.raises(InsufficientDataError, match="sessions up to it"):
        hedge_one(inputs, asset, sessions[10])


def test_a_stock_that_does_not_trade_has_no_peer(asset: str, sessions: list[date]) -> None:
    bars = graph_small.tables()["bars"]
    halted = (pl.col("asset") == asset) & (pl.col("date") == sessions[ROW])
    inputs = load_inputs(graph_small.in_memory(bars=bars.filter(~halted)))
    with pytest.raises(InsufficientDataError, match="has no peer on"):
        hedge_one(inputs, asset, sessions[ROW])


def test_a_day_of_the_holdout_has_no_forward_cut(asset: str, sessions: list[date]) -> None:
    inputs = load_inputs(graph_small.in_memory())
    whole = hedge_one(inputs, asset, sessions[ROW], names=4, holdout_start=sessions[ROW + 1])
    shut = hedge_one(inputs, asset, sessions[ROW], names=4, holdout_start=sessions[ROW])
    assert whole.figures["variance_cut"].is_not_null().any()
    assert whole.note == ""
    assert shut.figures["variance_cut"].is_null().all()
    assert shut.figures.drop("variance_cut").equals(whole.figures.drop("variance_cut"))
    assert "the lock box is shut for single pairs too" in shut.note


def test_a_model_of_another_graph_is_refused_even_where_it_would_not_be_used(asset: str, sessions: list[date]) -> None:
    inputs, other = load_inputs(graph_small.in_memory()), replace(model_of(), settings={"graph": {}}, known_from=sessions[-1])
    with pytest.raises(SettingError, match="another graph"):
        hedge_one(inputs, asset, sessions[ROW], model=other)


def test_other_listings_of_the_issuer_are_in_no_basket(made: OneHedge, asset: str, sessions: list[date]) -> None:
    nearest = made.baskets.filter(pl.col("arm") == "trailing")["peer"][0]
    named = made.baskets.filter(pl.col("in_graph"))["peer"][0]
    twins = [asset, nearest, named]
    issuer = pl.when(pl.col("asset").cast(pl.String).is_in(twins)).then(pl.lit("one firm"))
    inputs = load_inputs(graph_small.in_memory(assets=graph_small.tables()["assets"].with_columns(issuer=issuer)))
    found = hedge_one(inputs, asset, sessions[ROW], names=99, model=model_of(trailing=0.4, deep_peer=0.2))
    assert set(found.baskets["arm"]) == {"graph", "news_only", "trailing", "expected"}
    assert not set(found.baskets["peer"]) & set(twins)


def test_the_industry_basket_is_without_other_listings(made: OneHedge, asset: str, sessions: list[date]) -> None:
    inputs = load_inputs(graph_small.in_memory())
    axes, industry = inputs.ground.axes, inputs.ground.industry[ROW]
    same = [code for k, code in enumerate(axes.assets) if industry[k] == industry[axes.assets.index(asset)] and code != asset]
    issuer = pl.when(pl.col("asset").cast(pl.String).is_in([asset, same[0]])).then(pl.lit("one firm"))
    twins = load_inputs(graph_small.in_memory(assets=graph_small.tables()["assets"].with_columns(issuer=issuer)))
    row = hedge_one(twins, asset, sessions[ROW], names=4).figures.filter(arm="industry").row(0, named=True)
    figures = [row["ratio"], row["trailing_cut"], row["variance_cut"]]
    # three orders of adding up the same numbers
    np.testing.assert_allclose(figures, naive(asset, same[1:], sessions), rtol=1e-9, atol=1e-12)
    assert row["names"] == len(same) - 1 == made.figures.filter(arm="industry")["names"][0] - 1


def test_a_pair_with_a_firm_outside_the_product_tree_is_no_news_only_peer(made: OneHedge, asset: str, sessions: list[date]) -> None:
    lost = made.baskets.filter(pl.col("arm") == "news_only")["peer"][0]
    tables = graph_small.tables()
    without = {name: tables[name].filter(pl.col("asset").cast(pl.String) != lost) for name in ("segments", "filings")}
    inputs = load_inputs(graph_small.in_memory(**without))
    a, b = sorted((asset, lost))
    edges = edges_of(inputs, ROW).filter((pl.col("ts_a") == a) & (pl.col("ts_b") == b))
    assert edges.select("confirmed", "dark").rows() == [(False, False)]
    found = hedge_one(inputs, asset, sessions[ROW], names=99)
    assert lost not in found.baskets.filter(pl.col("arm") == "news_only")["peer"].to_list()
    assert lost in found.baskets.filter(pl.col("arm") == "trailing")["peer"].to_list()
