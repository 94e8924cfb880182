"""The study of amplification: daily ICs against the public evaluation, a planted spread of product news, settings, bad input."""

import json
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.evaluate import forward_returns, orthogonal_icir
from pureplay.evaluate.summary import Timing
from pureplay.graph.amplifier import AmplifierGraph, amplifier_graph, amplify
from pureplay.graph.rewiring import rewired
from pureplay.parallel import workers
from pureplay.stats.inference import ewc_test
from pureplay.studies.amplification import run_amplification
from pureplay.studies.amplification_records import AmplifierStudy
from pureplay.studies.amplification_settings import AmplificationSettings
from pureplay.synthetic import market

QUICK = AmplificationSettings(horizons_sessions=(5, 20), configurations=6, placebos=3, min_names=20, seed=3)


@cache
def small() -> Dataset:
    """120 stocks in 30 products over 200 sessions, a ring of input edges, four factors of which one has holes."""
    made = market(stocks=120, sessions=200, products=30, seed=6)
    nodes = made.tables["taxonomy"].filter(pl.col("product").str.len_chars() == 6)["product"].sort().to_list()
    edges = pl.DataFrame({"supplier_product": nodes, "customer_product": [*nodes[1:], nodes[0]], "start_date": date(2020, 1, 1)})
    keys = made.tables["bars"].select("date", "asset").sort("date", "asset")
    rng = np.random.default_rng(8)
    values = rng.normal(size=(4, keys.height))
    values[1, rng.random(keys.height) < 0.05] = np.nan
    factors = keys.with_columns(**{f"c{k}": pl.Series(values[k]).fill_nan(None) for k in range(4)})
    tables = {name: made.tables[name] for name in ("bars", "assets", "taxonomy", "filings", "segments")}
    return Dataset(tables={**tables, "supply_edges": edges, "factors": factors}, calendar="XSHG", notes={"synthetic": True})


@cache
def study() -> AmplifierStudy:
    """The quick study of the small market."""
    return run_amplification(small(), QUICK)


def with_all(factors: pl.DataFrame) -> pl.DataFrame:
    """Rows with every factor, on which the study stands."""
    return factors.drop_nulls()


def judged(signal: pl.DataFrame, column: str, base: pl.DataFrame, horizon: int) -> Any:
    """The public orthogonal ICIR of one column."""
    future = forward_returns(small(), sessions=horizon)
    timing = Timing(null_draws=0)
    return orthogonal_icir(
        signal.select("date", "asset", column).drop_nulls(), future, base, timing=timing, min_names=20, calendar="XSHG"
    ).orthogonal


@pytest.mark.parametrize(("relation", "horizon"), [("peer", 5), ("upstream", 20), ("all", 20)])
def test_figures_are_those_of_the_public_functions(relation: str, horizon: int) -> None:
    factors = small().frame("factors")
    graph = amplifier_graph(small())
    relations = graph.relations if relation == "all" else (relation,)
    whole = amplify(factors, graph, relations=relations)
    full = with_all(factors).select("date", "asset")
    for name in ("c0", "c1"):
        base = with_all(factors).drop(name)
        own = judged(full.join(factors, on=["date", "asset"]), name, base, horizon)
        after = judged(full.join(whole, on=["date", "asset"]), name, base, horizon)
        row = study().rows.row(
            by_predicate=(pl.col("factor") == name) & (pl.col("relation") == relation) & (pl.col("horizon") == horizon), named=True
        )
        # ranks of residuals that differ by rounding are the same, so ICIRs agree to rounding of sums
        assert row["icir"] == pytest.approx(own.icir, abs=1e-9)
        assert row["amplified_icir"] == pytest.approx(after.icir, abs=1e-9)
        assert row["delta"] == pytest.approx(after.icir - own.icir, abs=1e-9)
        paired = after.daily["ic"] - own.daily["ic"]
        test = ewc_test(paired.drop_nulls().to_numpy())
        assert (row["t"], row["p"]) == pytest.approx((test.t, test.p), abs=1e-7)
        assert row["dates"] == paired.drop_nulls().len()


def test_placebo_is_the_study_of_a_rewired_graph() -> None:
    """Judged on every session, a placebo is what the study finds for the rewired graph given as the user's own."""
    every = replace(QUICK, placebo_step_sessions=1, placebos=1, configurations=0)
    placebo = run_amplification(small(), every).placebos
    given = run_amplification(small(), replace(every, placebos=0), graph=rewired(amplifier_graph(small()), seed=3)).rows
    both = placebo.join(given, on=["factor", "relation", "horizon"])
    assert both.height == placebo.height == given.height
    assert both.select((pl.col("delta") - pl.col("delta_right")).abs().max()).item() < 1e-9
    assert given["placebo_mean"].null_count() == given.height


def test_placebos_on_some_sessions_stand_beside_the_same_sessions() -> None:
    rows = study().rows
    assert rows.filter((pl.col("matched_delta") - pl.col("delta")).abs() > 1e-6).height > 0
    every = run_amplification(small(), replace(QUICK, placebo_step_sessions=1, configurations=0)).rows
    assert every.select((pl.col("matched_delta") - pl.col("delta")).abs().max()).item() < 1e-12
    held = study().placebos.filter((pl.col("factor") == "c0") & (pl.col("relation") == "peer") & (pl.col("horizon") == 5))["delta"]
    row = rows.row(by_predicate=(pl.col("factor") == "c0") & (pl.col("relation") == "peer") & (pl.col("horizon") == 5), named=True)
    assert held.len() == 3
    assert row["placebo_mean"] == pytest.approx(held.mean(), abs=1e-12)
    assert row["placebo_high"] == pytest.approx(np.quantile(held.to_numpy(), 0.95), abs=1e-12)


def test_configurations_and_their_spread() -> None:
    made = study()
    assert made.configurations.height == 6 * 4 * 2
    assert made.configurations.filter(pl.col("base_factors") < 3).height > 0
    for row in made.configurations.iter_rows(named=True):
        assert row["factor"] not in row["base"].split("+")
        assert row["delta"] == pytest.approx(row["amplified_icir"] - row["icir"], abs=1e-12)
    one = made.configurations.filter((pl.col("relation") == "all") & (pl.col("horizon") == 20))["gain"].to_numpy()
    found = made.spread.row(by_predicate=(pl.col("relation") == "all") & (pl.col("horizon") == 20), named=True)
    assert (found["mean"], found["median"], found["q95"]) == pytest.approx((one.mean(), np.median(one), np.quantile(one, 0.95)), abs=1e-12)
    assert found["share_positive"] == pytest.approx((one > 0).mean(), abs=1e-12)


def test_record_is_plain_and_repeatable() -> None:
    made = study()
    with workers(3):
        again = run_amplification(small(), QUICK)  # to the bit
    assert again.rows.equals(made.rows, null_equal=True)
    assert again.placebos.equals(made.placebos, null_equal=True)
    assert made.published["delta"] == 0.148
    assert made.synthetic
    assert made.factors == ("c0", "c1", "c2", "c3")
    plain = json.loads(json.dumps(made.to_dict(), default=str))
    assert len(plain["rows"]) == 4 * 4 * 2
    assert plain["settings"]["placebos"] == 3
    assert made.verdicts.height == 8
    assert made.rows["coverage"].is_between(0.5, 1.0).all()


@pytest.mark.parametrize(
    "change",
    [
        {"level": 1},
        {"min_share": 0.4},
        {"buffer_days": 0},
        {"stale_months": 6},
        {"strength": 0.9},
        {"standardise": True},
        {"longest_days": 10},
        {"delay_sessions": 2},
        {"grid_sessions": 10},
    ],
)
def test_every_setting_of_the_figures_matters(change: dict[str, Any]) -> None:
    fast = replace(QUICK, configurations=0, placebos=0, relations=("peer",))
    assert not run_amplification(small(), replace(fast, **change)).rows.equals(study().rows.filter(pl.col("relation") == "peer"))


def test_gains_turn_the_sign_of_factors_that_predict_with_a_negative_one() -> None:
    for frame in (study().rows, study().configurations):
        turned = frame.filter(pl.col("icir") < 0)
        assert 0 < turned.height < frame.height
        assert (turned["gain"] == -turned["delta"]).all()
        kept = frame.filter(pl.col("icir") >= 0)
        assert (kept["gain"] == kept["delta"]).all()
    plain = run_amplification(small(), replace(QUICK, orient=False))
    assert (plain.rows["gain"] == plain.rows["delta"]).all()
    for made in (study(), plain):
        for row in made.verdicts.iter_rows(named=True):
            same = (pl.col("relation") == row["relation"]) & (pl.col("horizon") == row["horizon"])
            rows = made.rows.filter(same)
            signs = {r["factor"]: -1.0 if r["icir"] < 0 and made is study() else 1.0 for r in rows.iter_rows(named=True)}
            drawn: dict[int, list[float]] = {}
            for each in made.placebos.filter(same).iter_rows(named=True):
                drawn.setdefault(each["seed"], []).append(signs[each["factor"]] * each["delta"])
            means = [float(np.mean(values)) for values in drawn.values()]
            real = float(np.mean([signs[r["factor"]] * r["matched_delta"] for r in rows.iter_rows(named=True)]))
            assert row["mean_gain"] == pytest.approx(rows["gain"].mean(), abs=1e-12)
            assert row["matched_gain"] == pytest.approx(real, abs=1e-12)
            assert row["placebo_mean"] == pytest.approx(np.mean(means), abs=1e-12)
            assert row["placebo_low"] == pytest.approx(np.quantile(means, 0.05), abs=1e-12)
            assert row["p"] == (sum(mean >= real for mean in means) + 1) / (len(means) + 1)


def test_remaining_settings_matter() -> None:
    fast = replace(QUICK, placebos=0)
    usual = study()
    assert run_amplification(small(), replace(fast, relations=("downstream",))).rows["relation"].unique().to_list() == ["downstream"]
    assert not run_amplification(small(), replace(fast, seed=4)).configurations.equals(usual.configurations)
    assert run_amplification(small(), replace(fast, strengths=(0.1,))).configurations["strength"].unique().to_list() == [0.1]
    few = run_amplification(small(), replace(QUICK, configurations=0, placebo_swaps=1, band=0.25))
    assert not few.placebos.equals(usual.placebos)
    with pytest.raises(InsufficientDataError, match="min_names"):
        run_amplification(small(), replace(fast, min_names=119))


def test_stack_is_the_table_the_frame_or_the_base() -> None:
    fast = replace(QUICK, placebos=0, configurations=0, relations=("peer",), horizons_sessions=(5,))
    two = small().frame("factors").select("date", "asset", "c2", "c3")
    assert run_amplification(small(), fast, factors=two.to_pandas()).factors == ("c2", "c3")
    assert len(run_amplification(small(), replace(fast, base="price", min_names=5)).factors) > 4
    alone = run_amplification(small(), fast, factors=two.select("date", "asset", "c2"))  # an empty base: the raw ICIR
    assert alone.rows.height == 1
    assert alone.rows["delta"].null_count() == 0
    with pytest.raises(SettingError, match="stack is given"):
        run_amplification(small(), replace(fast, base="full"), factors=two)
    bare = Dataset(tables={name: table for name, table in small().tables.items() if name != "factors"}, calendar="XSHG")
    with pytest.raises(TableError, match="needs the table factors"):
        run_amplification(bare, replace(fast, base="own"))


def test_refusals_are_named() -> None:
    bare = Dataset(tables={name: table for name, table in small().tables.items() if name != "supply_edges"}, calendar="XSHG")
    made = run_amplification(bare, replace(QUICK, placebos=0, configurations=0, horizons_sessions=(5, 500)))
    assert made.refused["part"].to_list() == ["upstream", "downstream", "horizon 500"]
    assert "nothing is said of product information" in made.verdicts["verdict"][0]
    with pytest.raises(TableError, match="supply_edges"):
        run_amplification(bare, replace(QUICK, relations=("upstream",)))
    with pytest.raises(InsufficientDataError, match="no horizon"):
        run_amplification(small(), replace(QUICK, horizons_sessions=(500,)))
    factors = small().frame("factors").with_columns(c9=pl.col("c0") + pl.col("c2"))
    contained = run_amplification(small(), replace(QUICK, placebos=0, configurations=0, relations=("peer",)), factors=factors)
    assert {each.split(",")[0] for each in contained.refused["part"]} >= {"c0", "c2", "c9"}
    assert contained.rows.filter(pl.col("factor") == "c3")["delta"].null_count() == 0


@cache
def spreading(seed: int, *, spreads: bool) -> Dataset:
    """A market in which half of the stocks answer the news of their main product at once and half over the 20 sessions after; or all at
    once. The factors are the return of the past 20 sessions and noise.
    """
    made = market(stocks=150, sessions=330, products=40, seed=seed)
    stocks = made.truth["stocks"].sort("asset")
    bars = made.tables["bars"].sort("asset", "date")
    days, products = bars["date"].unique().sort(), stocks["product"].unique().sort().to_list()
    rng = np.random.default_rng(seed)
    news = rng.normal(size=(days.len(), len(products))) * 0.02
    late = np.zeros_like(news)
    for t in range(1, days.len()):
        late[t] = news[max(0, t - 20) : t].sum(axis=0) / 20
    own = [products.index(each) for each in stocks["product"]]
    returns = np.where((rng.random(len(own)) < 0.5) & spreads, late[:, own], news[:, own]) + rng.normal(size=(days.len(), len(own))) * 0.01
    wide = pl.DataFrame(returns, schema=stocks["asset"].to_list()).with_columns(date=days).unpivot(index="date", variable_name="asset")
    bars = bars.join(wide, on=["asset", "date"], how="left").with_columns(ret="value").drop("value").sort("asset", "date")
    past = pl.col("ret").rolling_sum(20, min_samples=10).over("asset")
    factors = bars.select("date", "asset", past20=past, noise=pl.Series(rng.normal(size=bars.height)))
    tables = {name: made.tables[name] for name in ("taxonomy", "filings", "segments", "assets")}
    return Dataset(tables={**tables, "bars": bars, "factors": factors.sort("date", "asset")}, calendar="XSHG")


PLANTED = AmplificationSettings(horizons_sessions=(5,), configurations=0, placebos=20, relations=("peer",), min_share=0.25)


@pytest.mark.parametrize("seed", [1, 2])
def test_product_news_that_spreads_is_found_and_rewired_graphs_do_not_find_it(seed: int) -> None:
    made = run_amplification(spreading(seed, spreads=True), PLANTED)
    row = made.rows.filter(pl.col("factor") == "past20").row(0, named=True)
    assert row["delta"] > 0.15  # .35 and .39 for these seeds
    assert row["t"] > 3
    assert row["matched_delta"] > row["placebo_high"] + 0.05
    assert abs(row["placebo_mean"]) < row["matched_delta"] / 2
    at_once = run_amplification(spreading(seed, spreads=False), PLANTED).rows.filter(pl.col("factor") == "past20").row(0, named=True)
    assert abs(at_once["delta"]) < 0.1
    assert at_once["matched_delta"] < at_once["placebo_high"]


def test_verdicts_say_what_the_band_allows() -> None:
    alone = spreading(1, spreads=True).frame("factors").drop("noise")
    found = run_amplification(spreading(1, spreads=True), PLANTED, factors=alone)
    assert "above what smoothing over other names gives" in found.verdicts["verdict"][0]
    assert found.verdicts["p"][0] == pytest.approx(1 / 21, abs=1e-12)
    none = run_amplification(spreading(1, spreads=False), PLANTED, factors=alone.with_columns(past20=-pl.col("past20")))
    assert "above" not in none.verdicts["verdict"][0]


def test_own_graph_may_lack_stocks_and_hold_strange_ones() -> None:
    frame = amplifier_graph(small()).to_frame().filter(pl.col("relation_type") == "peer")
    strange = frame.head(1).with_columns(counterparty_ts=pl.lit("strange"))
    graph = AmplifierGraph.from_frame(pl.concat([frame, strange]))
    made = run_amplification(small(), replace(QUICK, placebos=0, configurations=0), graph=graph)
    usual = study().rows.filter(pl.col("relation") == "peer")
    gap = made.rows.join(usual, on=["factor", "relation", "horizon"]).select((pl.col("delta") - pl.col("delta_right")).abs().max()).item()
    assert gap < 1e-9


@pytest.mark.parametrize(
    "change",
    [
        {"strength": 0},
        {"strengths": ()},
        {"strengths": (2.0,)},
        {"horizons_sessions": (5, 5)},
        {"horizons_sessions": ()},
        {"placebo_step_sessions": 3},
        {"placebos": -1},
        {"configurations": 1.5},
        {"relations": ("rival",)},
        {"relations": ()},
        {"base": "mine"},
        {"band": 0.5},
        {"standardise": 1},
        {"orient": None},
    ],
)
def test_bad_settings(change: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(change)).removesuffix("s")):
        AmplificationSettings(**change)
