"""Product momentum cell by cell against the naive re-derivation, over every setting and several random markets."""

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any

import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.signals import SignalSettings, product_momentum
from tests.signals import naive
from tests.signals.markets import Tables, market

SMALL: dict[str, Any] = {"min_peers": 2, "window_sessions": 10, "min_valid_sessions": 5, "min_listed_sessions": 15}
"""Settings under which a market of a dozen stocks and fifty sessions has scores; each case changes one thing."""

SIZES = ((8, 50), (14, 44), (14, 56), (20, 60), (26, 40))
SEEDS = (0, 1, 2, 3, 4)
CASES: dict[str, dict[str, Any]] = {
    "small": {},
    "level_1": {"level": 1},
    "level_3": {"level": 3},
    "level_leaf": {"level": "leaf"},
    "industries": {"products": "industries:l1"},
    "industries_not_left_out": {"products": "industries:l2", "leave_one_out": False},
    "purity": {"purity": 0.8},
    "purity_inclusive": {"purity": 0.8, "purity_inclusive": True},
    "half_is_pure": {"purity_inclusive": True},
    "min_peers": {"min_peers": 4},
    "peers_before_removal": {"min_peers_after_removal": False},
    "peers_before_removal_of_four": {"min_peers": 4, "min_peers_after_removal": False},
    "focal_stays": {"leave_one_out": False},
    "equal": {"weighting": "equal"},
    "float_cap": {"weighting": "float_cap"},
    "sqrt_cap": {"weighting": "sqrt_cap"},
    "covered_most": {"min_covered": 0.8},
    "covered_whole": {"min_covered": 1.0},
    "parent": {"fallback": ("parent",)},
    "industry": {"fallback": ("industry",)},
    "synthetic": {"fallback": ("synthetic",)},
    "all_fallbacks": {"fallback": ("parent", "industry", "synthetic")},
    "fallbacks_backwards": {"fallback": ("synthetic", "industry", "parent"), "weighting": "sqrt_cap"},
    "coarse_industry": {"fallback": ("industry",), "fallback_scheme": "l1"},
    "parent_of_leaf": {"level": "leaf", "fallback": ("parent",)},
    "parent_at_3": {"level": 3, "fallback": ("parent", "synthetic")},
    "parent_at_top": {"level": 1, "fallback": ("parent", "industry")},
    "fallback_many_peers": {"min_peers": 4, "fallback": ("parent", "synthetic"), "min_peers_after_removal": False},
    "frozen": {"frozen": True},
    "frozen_level": {"frozen": True, "momentum": "level"},
    "frozen_fallback": {"frozen": True, "level": 3, "fallback": ("parent", "industry")},
    "frozen_fresh_filings": {"frozen": True, "buffer_days": 0, "level": "leaf"},
    "frozen_diff_sd": {"frozen": True, "resvol": "diff_sd"},
    "trailing_year": {"half_year": "trailing_year"},
    "trailing_year_leaf": {"half_year": "trailing_year", "level": "leaf", "buffer_days": 0},
    "no_buffer": {"buffer_days": 0},
    "long_buffer": {"buffer_days": 90},
    "never_stale": {"stale_months": None},
    "soon_stale": {"stale_months": 6},
    "long_window": {"window_sessions": 20, "min_valid_sessions": 15},
    "many_valid": {"min_valid_sessions": 9},
    "level_momentum": {"momentum": "level"},
    "diff_sd": {"resvol": "diff_sd"},
    "product_agg": {"resvol": "product_agg"},
    "product_agg_frozen": {"resvol": "product_agg", "frozen": True},
    "product_agg_fallback": {"resvol": "product_agg", "level": "leaf", "fallback": ("parent",), "weighting": "equal"},
    "not_winsorised": {"winsorise_mads": None},
    "winsorised_hard": {"winsorise_mads": 1.0},
    "listed_today": {"min_listed_sessions": 1},
    "listed_long": {"min_listed_sessions": 40},
}
STANDARDISED = ("biz_mom_z", "biz_resvol_z", "composite")

Rows = dict[tuple[date, str], dict[str, Any]]


@cache
def made(seed: int) -> tuple[Tables, Dataset]:
    stocks, sessions = SIZES[seed % len(SIZES)]
    tables = market(seed, stocks=stocks, sessions=sessions)
    return tables, Dataset.from_frames(tables)


def by_key(scores: pl.DataFrame) -> Rows:
    return {(row.pop("date"), row.pop("asset")): row for row in scores.to_dicts()}


def faults(fast: Rows, slow: Rows) -> Iterable[str]:
    """Cells that differ. Values may differ by 1e-10 of the larger of 1 and the value: sums of at most 20 returns and baskets of at
    most 40 weights, added in another order, stay a hundred times below that, and a wrong member, filing or day moves 1e-6 or more.

    Returns of the size of a bad tick (1e6) are held to 1e-10 only, so that where one stands in the window 1e-15 of it is allowed. A z-score
    divides by the spread of its date, and the rounding of the returns with it: 1e-14 of `stretch`. That is 1e-12 on an ordinary date;
    it counts where a tick stands in most windows or one stock of 1e12 times the value of the others drives all their baskets.
    """
    yield from (f"only fast: {key}" for key in fast.keys() - slow.keys())
    yield from (f"only naive: {key}" for key in slow.keys() - fast.keys())
    for key in fast.keys() & slow.keys():
        size, stretch = slow[key].pop("size"), slow[key].pop("stretch")
        assert fast[key].keys() == slow[key].keys()
        for name, wanted in slow[key].items():
            got = fast[key][name]
            if isinstance(wanted, float) and isinstance(got, float):
                rounding = 1e-14 * stretch if name in STANDARDISED else 1e-15 * size
                same = abs(got - wanted) <= 1e-10 * max(1.0, abs(wanted)) + rounding
            else:
                same = got == wanted and (got is None) == (wanted is None)
            if not same:
                yield f"{key} {name}: fast {got!r}, naive {wanted!r}"


def assert_same(tables: Tables, dataset: Dataset, **settings: Any) -> Rows:
    fast, slow = by_key(product_momentum(dataset, **settings)), naive.product_momentum(tables, **settings)
    found = sorted(faults(fast, slow))
    assert not found, f"{len(found)} cells, such as {found[:5]}"
    return fast


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_cell_is_the_naive_one(case: str, seed: int) -> None:
    tables, dataset = made(seed)
    rows = assert_same(tables, dataset, **{**SMALL, **CASES[case]})
    assert rows, "a comparison of nothing proves nothing"


@pytest.mark.parametrize("seed", [11])
def test_the_defaults_on_a_larger_market(seed: int) -> None:
    tables = market(seed, stocks=40, sessions=90)
    rows = assert_same(tables, Dataset.from_frames(tables))
    assert sum(row["composite"] is not None for row in rows.values()) > 500


@pytest.mark.parametrize("seed", range(20, 24))
def test_further_markets(seed: int) -> None:
    tables, dataset = made(seed)
    assert_same(tables, dataset, **{**SMALL, "fallback": ("parent", "industry", "synthetic"), "half_year": "trailing_year"})


def test_the_comparison_covers_every_column_and_setting() -> None:
    """Something is computed in every column, and every setting is changed by some case."""
    tables, dataset = made(3)
    scores = product_momentum(dataset, **SMALL, fallback=("parent", "industry", "synthetic"))
    counts = scores.select(pl.all().is_not_null().sum()).row(0, named=True)
    assert min(counts.values()) > 400
    assert scores.select(pl.col("^share_.*$").max()).row(0) > (0.0, 0.0, 0.0)
    changed = {name for case in (SMALL, *CASES.values()) for name in case}
    assert changed == SignalSettings().to_dict().keys() - {"construction"}
    assert {name: value for name, value in SignalSettings().to_dict().items() if name != "construction"} == naive.DEFAULTS
    assert tables["bars"].height > scores.height


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # setting -> (where it shows, the changed value)
    "level": ({}, {"level": 1}),
    "products": ({}, {"products": "industries:l1"}),
    "purity": ({}, {"purity": 0.8}),
    "purity_inclusive": ({"purity": 0.8}, {"purity_inclusive": True}),
    "min_peers": ({}, {"min_peers": 5}),
    "min_peers_after_removal": ({"min_peers": 4}, {"min_peers_after_removal": False}),
    "leave_one_out": ({}, {"leave_one_out": False}),
    "weighting": ({}, {"weighting": "equal"}),
    "weighting_float": ({}, {"weighting": "float_cap"}),
    "weighting_sqrt": ({}, {"weighting": "sqrt_cap"}),
    "min_covered": ({}, {"min_covered": 0.9}),
    "fallback_parent": ({"level": 3}, {"fallback": ("parent",)}),
    "fallback_industry": ({}, {"fallback": ("industry",)}),
    "fallback_synthetic": ({}, {"fallback": ("synthetic",)}),
    "fallback_order": ({"fallback": ("industry", "synthetic")}, {"fallback": ("synthetic", "industry")}),
    "fallback_scheme": ({"fallback": ("industry",)}, {"fallback_scheme": "l1"}),
    "frozen": ({"buffer_days": 0}, {"frozen": True}),
    "half_year": ({}, {"half_year": "trailing_year"}),
    "buffer_days": ({}, {"buffer_days": 0}),
    "stale_months": ({}, {"stale_months": 3}),
    "stale_never": ({}, {"stale_months": None}),
    "window_sessions": ({}, {"window_sessions": 12}),
    "min_valid_sessions": ({}, {"min_valid_sessions": 10}),
    "momentum": ({}, {"momentum": "level"}),
    "resvol_diff_sd": ({}, {"resvol": "diff_sd"}),
    "resvol_product_agg": ({}, {"resvol": "product_agg"}),
    "winsorise_mads": ({}, {"winsorise_mads": 1.0}),
    "winsorise_off": ({}, {"winsorise_mads": None}),
    "min_listed_sessions": ({}, {"min_listed_sessions": 40}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_changes_the_scores(name: str) -> None:
    """A changed value changes the composite of some stock that has one both times, or the stocks that are scored."""
    where, change = CHANGES[name]
    settings = {**SMALL, **where}
    for seed in SEEDS:
        _, dataset = made(seed)
        before, after = (
            product_momentum(dataset, **each).select("date", "asset", "composite") for each in (settings, {**settings, **change})
        )
        if not before.equals(after):
            return
    pytest.fail(f"{name} changed nothing on {len(SEEDS)} markets")


def test_the_changes_name_every_setting() -> None:
    assert {name for _, change in CHANGES.values() for name in change} == SignalSettings().to_dict().keys() - {"construction"}


@pytest.mark.parametrize("ratio", [1e4, 1e8, 1e12])
def test_a_focal_that_dominates_its_basket(ratio: float) -> None:
    """Sum minus own would be wrong by 2e-14 at 1e4, by 2e-6 at 1e12."""
    tables = market(5, stocks=12, sessions=40)
    heavy = pl.when(pl.col("asset") == "S002").then(pl.col("total_cap") * ratio).otherwise("total_cap")
    tables["bars"] = tables["bars"].with_columns(total_cap=heavy)
    assert_same(tables, Dataset.from_frames(tables), **SMALL)


def test_a_market_without_filings_assets_or_float_caps() -> None:
    """Only the required tables and columns: totals are sums of segments, every asset its own issuer, the first bar the first day."""
    tables = market(7, stocks=14, sessions=44)
    lean = {
        "bars": tables["bars"].filter(pl.col("volume").fill_null(1) > 0).select("date", "asset", "ret", "total_cap"),
        "segments": tables["segments"].drop("kind"),
        "taxonomy": tables["taxonomy"].select("product", "parent"),
    }
    lean["segments"] = lean["segments"].filter(pl.col("product") != "NODE", tables["segments"]["kind"] == "product")
    rows = assert_same(lean, Dataset.from_frames(lean), **SMALL)
    assert any(row["composite"] is not None for row in rows.values())


@pytest.mark.parametrize("ret", [0.001, 0.0013, -0.007, 2.0**-9])
def test_peers_that_never_vary_leave_no_residual_volatility(ret: float) -> None:
    """Without variation in implied the regression has no slope: null, not a figure made of the last bits of a mean."""
    scores = _constant_peers(ret)
    assert scores["biz_mom"].is_not_null().sum() > 20
    assert scores["biz_resvol"].is_null().all()


def _constant_peers(ret: float) -> pl.DataFrame:
    """Scores of the one stock that moves among peers of the same return every day."""
    tables = market(2, stocks=10, sessions=40)
    moving = (pl.col("asset") != "S009") & pl.col("ret").is_not_null() & (pl.col("volume").fill_null(1) > 0)
    worth = 1e9 + 1e8 * (pl.int_range(pl.len()) * 7919 % 1013).sqrt()
    tables["bars"] = tables["bars"].with_columns(ret=pl.when(moving).then(ret).otherwise("ret"), total_cap=worth)
    return product_momentum(Dataset.from_frames(tables), **SMALL).filter(pl.col("asset") == "S009")
