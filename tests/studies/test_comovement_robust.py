"""The co-movement study on data that lack something: what is missing is told, left out, or refused with a reason."""

import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, PureplayError, SettingError, TableError
from pureplay.graph.edges import load_inputs
from pureplay.graph.forecast import ForecastSettings
from pureplay.graph.ground import month_ends
from pureplay.graph.settings import GraphSettings
from pureplay.studies.comovement import Opening, run_comovement
from pureplay.studies.comovement_records import ComovementStudy
from pureplay.studies.comovement_settings import ComovementSettings
from pureplay.studies.comovement_spillover import spill_scores
from pureplay.studies.comovement_vintages import vintage_rows
from pureplay.synthetic import market, preset
from tests.graph.planted_pairs import planted

HEDGES: dict[str, Any] = {"hedge_counts": (1, 3), "hedge_names": 3, "mix_weights": (0.0, 1.0)}


@cache
def tables() -> Mapping[str, pl.DataFrame]:
    return market(**{**preset("comovement"), "stocks": 150, "sessions": 500, "seed": 3}).tables


@cache
def days() -> list[date]:
    return list(tables()["bars"]["date"].unique().sort())


def data(**other: pl.DataFrame | None) -> Dataset:
    """The market with tables replaced, or left out where None is given."""
    given = {name: table for name, table in {**tables(), **other}.items() if table is not None}
    return Dataset(tables=given, calendar="bars", notes={})


def study(
    of: Dataset, graph: Mapping[str, Any] | None = None, forecast: Mapping[str, Any] | None = None, **settings: Any
) -> ComovementStudy:
    found, _ = run_comovement(
        of,
        GraphSettings(**(graph or {})),
        ForecastSettings(**{"permutations": 1, **(forecast or {})}),
        ComovementSettings(**{**HEDGES, **settings}),
        opening=lambda _: Opening(count=1, records=()),
    )
    return found


@cache
def whole() -> ComovementStudy:
    return study(data())


# ---------------------------------------------------------------- studies of some years


def test_a_study_of_some_months_has_their_vintages_as_they_are_among_all() -> None:
    every = whole().vintages
    first, last = every["date"][2], every["date"][12]
    found = study(data(), first_vintage=first, last_vintage=last)
    counts = [name for name in every.columns if name != "split"]
    assert found.vintages.select(counts).equals(every.filter(pl.col("date").is_between(first, last)).select(counts))
    assert found.vintages.height == 11 < every.height
    assert found.settings["study"]["first_vintage"] == first.isoformat()


def test_rows_and_the_end_of_the_last_graph() -> None:
    inputs = load_inputs(data())
    every, dates = month_ends(inputs.ground.axes, sessions=90), inputs.ground.axes.sessions.dates
    rows, until = vintage_rows(inputs, ComovementSettings(first_vintage=dates[every[3]].item(), last_vintage=dates[every[6] + 4].item()))
    np.testing.assert_array_equal(rows, every[3:7])  # a day that is no month end bounds all the same
    assert until == every[7]
    assert vintage_rows(inputs, ComovementSettings())[1] == dates.size  # nothing follows the last month end of the data


def test_the_graph_of_the_last_vintage_serves_until_the_given_row() -> None:
    panel = planted(vintages=3, pairs=40)
    past = np.random.default_rng(0).normal(size=(int(panel.rows[-1]) + 30, len(panel.assets)))
    last, chosen = int(panel.rows[-1]), np.ones(panel.a.size, dtype=bool)
    ends, every = (spill_scores(past, panel, np.array([2]), chosen, until=until) for until in (last + 7, None))
    served = np.flatnonzero(np.isfinite(ends).any(axis=1))
    np.testing.assert_array_equal(served, np.arange(last, last + 7))
    np.testing.assert_array_equal(ends[served], every[served])
    assert np.isfinite(every[-1]).any()


# ---------------------------------------------------------------- vintages without pairs


def test_vintages_without_pairs_are_told_and_enter_no_figure() -> None:
    every = whole().vintages["date"]
    start, silent = every[8], every[5]
    late = tables()["mentions"].filter(pl.col("published_at").dt.date() > silent)
    split_at = {"holdout_start": every[12]}
    found, cut = study(data(mentions=late), forecast=split_at), study(data(mentions=late), forecast=split_at, first_vintage=every[6])
    empty = found.vintages.filter(pl.col("pairs") == 0)
    assert empty["date"].to_list() == every[:6].to_list()
    assert start not in empty["date"].to_list()
    assert f"6 vintages between {every[0]} and {every[5]} have no pair and enter no figure" in found.notes
    for name in ("fama_macbeth", "scores", "hedge", "hedge_sizes", "mix", "minimum_variance", "spillover"):
        assert found.frames()[name].equals(cut.frames()[name]), name
    assert not any("no pair" in each for each in cut.notes)


# ---------------------------------------------------------------- what has no basket, no dark pair, no industry


def test_without_news_the_other_arms_are_compared_and_the_rest_is_refused_with_reasons() -> None:
    found = study(data(mentions=None), {"substrate": "links"})
    arms = found.hedge.filter(pl.col("names") == 3)
    assert "news_only" not in arms["arm"].to_list()
    assert {"graph", "trailing", "expected", "industry"} <= set(arms["arm"])
    assert arms["stock_months"].min() > 0  # type: ignore[operator]
    reasons = dict(found.refused.rows())
    assert "news_only is left out" in reasons["hedge, syn300, develop"]
    assert "none of the" in reasons["minimum_variance, develop"]
    assert "dark pair" in reasons["minimum_variance, develop"]
    assert not found.minimum_variance.height


def test_without_industries_the_arms_of_the_industry_are_left_out() -> None:
    found = study(data(industries=None))
    assert set(found.hedge["arm"]) == {"graph", "news_only", "trailing", "expected", "index"}
    assert found.hedge.filter(pl.col("names") == 1)["stock_months"].min() > 0  # type: ignore[operator]
    assert {row[1].split()[0] for row in found.refused.rows() if row[0].startswith("hedge")} == {"random_industry", "industry"}


def test_no_pair_correlated_enough_refuses_retention() -> None:
    found = study(data(), lowest=0.99)
    assert "lower `lowest`" in dict(found.refused.rows())["retention, develop"]


def test_a_lamp_that_hardly_any_pair_has_is_told() -> None:
    few = tables()["affiliates"].head(6)
    told = [each for each in study(data(affiliates=few)).notes if each.startswith("affiliate is lit for")]
    assert len(told) == 1
    assert float(told[0].split()[4]) < 30
    assert not any(each.startswith("deep_peer is lit for") for each in whole().notes)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("graph", "forecast", "settings", "error", "says"),
    [
        ({"forward_sessions": 490}, {}, {}, InsufficientDataError, "no vintage has a forward window of 490 sessions"),
        ({"trailing_sessions": 900}, {}, {}, InsufficientDataError, "900 sessions up to it"),
        ({}, {"holdout_start": date(1990, 1, 1)}, {}, InsufficientDataError, "Give a later holdout_start"),
        ({}, {}, {"first_vintage": date(2090, 1, 1)}, InsufficientDataError, "first_vintage 2090-01-01"),
        ({}, {}, {"last_vintage": date(1990, 1, 1)}, InsufficientDataError, "last_vintage 1990-01-01"),
        ({}, {}, {"universes": ("none such",)}, SettingError, "index_members lacks"),
        ({"products": "industries:none_such"}, {}, {}, SettingError, "none_such"),
    ],
)
def test_settings_that_do_not_fit_the_data(
    graph: dict[str, Any], forecast: dict[str, Any], settings: dict[str, Any], error: type[PureplayError], says: str
) -> None:
    with pytest.raises(error, match=says):
        study(data(), graph, forecast, **settings)


@pytest.mark.parametrize(
    ("lacking", "graph", "error", "says"),
    [
        ({"mentions": None}, {}, TableError, "mentions"),
        (
            {"segments": None},
            {},
            InsufficientDataError,
            r"has no entry in the product tree \(products = 'segments'\)",
        ),
        ({"industries": None}, {"returns": "industry"}, InsufficientDataError, "needs the industry of some stock"),
    ],
)
def test_tables_that_are_absent(lacking: dict[str, None], graph: dict[str, Any], error: type[PureplayError], says: str) -> None:
    with pytest.raises(error, match=says):
        study(data(**lacking), graph)


def test_stocks_that_do_not_move_and_articles_on_two_stocks_only() -> None:
    still = tables()["bars"]["asset"].unique().sort().head(20)
    bars = tables()["bars"].with_columns(ret=pl.when(pl.col("asset").is_in(still.to_list())).then(0.0).otherwise("ret"))
    found = study(data(bars=bars), {"most_names": 2, "trailing_sessions": 10})
    assert found.fama_macbeth.filter(pl.col("term") == "trailing")["coefficient"].is_finite().all()
    counts = dict(found.articles.iter_rows())
    assert counts["list"] > dict(whole().articles.iter_rows())["list"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_vintage": datetime(2020, 1, 1)},
        {"last_vintage": "2020-01-01"},
        {"first_vintage": date(2021, 1, 1), "last_vintage": date(2020, 1, 1)},
    ],
)
def test_wrong_days(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="vintage"):
        ComovementSettings(**wrong)


@pytest.mark.parametrize(
    "name", ["largest", "hedge_names", "shortlist", "price_names", "minimum_variance_names", "spillover_sessions", "seed"]
)
def test_whole_numbers(name: str) -> None:
    with pytest.raises(SettingError, match=name):
        ComovementSettings(**{name: -1})


# ---------------------------------------------------------------- examples


@pytest.mark.parametrize("name", ["us_graph", "cn_graph"])
def test_the_examples_fit_the_settings(name: str) -> None:
    content = tomllib.loads((Path(__file__).parents[2] / "examples" / f"{name}.toml").read_text(encoding="utf-8"))
    assert set(content) == {"graph", "forecast", "graph_study"}
    graph, forecast = GraphSettings(**content["graph"]), ForecastSettings(**content["forecast"])
    made = ComovementSettings(**content["graph_study"])
    assert graph.schemes
    assert made.first_vintage is not None
    assert made.first_vintage < (forecast.holdout_start or date.min)
