"""Nothing later than a vintage is in it: the market cut off at the vintage, and the market with another future, give the same bits."""

from dataclasses import fields, replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.graph.arrays import LAMPS, Lamps, PairPanel
from pureplay.graph.discount import discount
from pureplay.graph.edges import GraphInputs, build_panel, edges_of, load_inputs
from pureplay.graph.feed import build_graph, peer_lists
from pureplay.graph.forecast import ForecastSettings, fit_model, split
from pureplay.graph.ground import month_ends
from pureplay.graph.model import Model, predict, term_names
from pureplay.graph.settings import GraphSettings
from pureplay.studies.comovement_hedges import hedge_universe, rank_peers, universes
from pureplay.studies.comovement_settings import ComovementSettings
from tests.graph.small_market import GRAPH, NEW, another_future, changed, codes, data, day_of, inputs, panel, rows, same

CHOSEN = (2, 9, 16)
"""Vintages that are looked at: early, late, and the last but one."""

SETTINGS = {
    "as delivered": GRAPH,
    "links": replace(GRAPH, substrate="links"),
    "links by cosine": replace(GRAPH, substrate="links", deep_peer="cosine", min_cosine=0.3),
    "shared strength": replace(GRAPH, strength="shared", most_names=6, comention_days=30),
    "industries": GRAPH,
    "cosine": replace(GRAPH, deep_peer="cosine", min_cosine=0.3),
    "less market": replace(GRAPH, returns="market"),
    "less industry": replace(GRAPH, returns="industry"),
    "pearson": replace(GRAPH, measure="pearson"),
    "interlocks": replace(GRAPH, interlocks=True, core_only=False, peer_confirms=True, stale_months=None, buffer_days=0),
}


def schemes() -> list[str]:
    return data().frame("industries")["scheme"].unique().sort().to_list()


def settings_of(name: str) -> GraphSettings:
    made = SETTINGS[name]
    return replace(made, products="industries:" + ",".join(schemes())) if name == "industries" else made


@cache
def cuts(number: int) -> tuple[Dataset, Dataset]:
    """The market as known at a vintage, and with another future after it."""
    day = day_of(inputs(), rows()[number])
    return data().as_of(day), another_future(data(), day)


@cache
def model() -> Model:
    """A model of a few early vintages, known well before the later ones."""
    made, _ = panel()
    parts = np.arange(3)
    days = inputs().ground.axes.sessions.dates
    return fit_model(made, parts, ForecastSettings(), graph=GRAPH, sessions=days, fingerprint={})


def both_bits(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Same schema, rows, missing marks and bits."""
    if one.schema != other.schema or one.height != other.height:
        return False
    return all(
        same(mine.is_null().to_numpy(), yours.is_null().to_numpy()) and same(plain(mine), plain(yours))
        for mine, yours in zip(one.iter_columns(), other.iter_columns(), strict=True)
    )


def plain(column: pl.Series) -> np.ndarray:
    filled = column.cast(pl.Categorical).to_physical() if column.dtype == pl.String else column.to_physical()
    return filled.fill_null(0).to_numpy() if column.dtype != pl.String else np.array(column.to_list(), dtype="U")


def test_the_other_future_is_another_one() -> None:
    """Or else the tests below could not fail."""
    row = rows()[CHOSEN[1]]
    _, poisoned = cuts(CHOSEN[1])
    made = load_inputs(poisoned, GRAPH)
    assert NEW in made.ground.axes.assets
    later = rows()[CHOSEN[1] + 2]
    mine, theirs = edges_of(inputs(), later), edges_of(made, later)
    assert mine.height != theirs.height
    assert set(theirs["ts_a"]) & {NEW} == set()  # it is in the data, and no article names it
    assert not same(inputs().ground.returns[row + 1 :, :5], made.ground.returns[row + 1 :, 1:6])


@pytest.mark.parametrize("number", CHOSEN)
@pytest.mark.parametrize("name", list(SETTINGS))
def test_edges_of_a_vintage_know_nothing_later(name: str, number: int) -> None:
    settings, row = settings_of(name), rows()[number]
    used = replace(model(), settings={**model().settings, "graph": settings.to_dict()})  # any coefficients serve here
    mine = edges_of(inputs(settings), row, model=used)
    assert mine.height > 50
    for cut in cuts(number):
        made = load_inputs(cut, settings)
        assert both_bits(edges_of(made, row, model=used), mine)
    assert (mine["expected_fwd_corr"].null_count() < mine.height) == (number != CHOSEN[0])  # the model is known before the later two


@pytest.mark.parametrize("number", CHOSEN)
def test_forecasts_in_sample_know_nothing_of_later_data_but_the_model(number: int) -> None:
    row = rows()[number]
    mine = edges_of(inputs(), row, model=model(), in_sample=True)
    assert all(both_bits(edges_of(load_inputs(cut, GRAPH), row, model=model(), in_sample=True), mine) for cut in cuts(number))


@pytest.mark.parametrize("number", CHOSEN)
def test_graphs_peers_and_discounts_know_nothing_later(number: int) -> None:
    day = day_of(inputs(), rows()[number])
    mine = build_graph(data(), GRAPH, dates=[day], model=model())
    some = mine.edges(day)["ts_a"].unique().sort().to_list()[:8]
    correlation = pl.DataFrame(np.full((8, 8), 0.3) + 0.7 * np.eye(8), schema=some).to_numpy()
    for cut in cuts(number):
        theirs = build_graph(cut, GRAPH, dates=[day], model=model())
        assert theirs.dates == mine.dates == (day,)
        assert both_bits(peer_lists(theirs.edges(day)), peer_lists(mine.edges(day)))
        assert both_bits(theirs.peers(some[0], day), mine.peers(some[0], day))
        assert same(
            np.asarray(discount(correlation, theirs.edges(day), assets=tuple(some))),
            np.asarray(mine.discount(correlation, day, assets=some)),
        )


@pytest.mark.parametrize("number", CHOSEN)
@pytest.mark.parametrize("name", ["as delivered", "links", "less industry", "interlocks"])
def test_the_panel_of_earlier_vintages_stays(name: str, number: int) -> None:
    """Pairs of the news and random ones alike; forward correlations are what they are, where the window is inside the data."""
    settings, until = settings_of(name), rows()[number]
    mine, counts = panel(settings)
    for cut in cuts(number):
        made = load_inputs(cut, settings)
        wanted = month_ends(made.ground.axes, sessions=settings.trailing_sessions)
        wanted = wanted[wanted <= until]
        assert wanted.tolist() == list(rows()[: number + 1])
        theirs, beside = build_panel(made, wanted, seed=7)
        assert both_bits(beside, counts.head(number + 1))
        assert same(known(theirs, made), known(first_vintages(mine, number + 1), inputs(settings)))
        inside = np.repeat(wanted + settings.forward_sessions <= until, np.diff(theirs.starts))
        assert inside.any()
        assert same(theirs.forward[inside], mine.forward[: inside.size][inside])
        assert not same(theirs.forward, mine.forward[: theirs.forward.size])


def first_vintages(made: PairPanel, count: int) -> PairPanel:
    end = slice(0, int(made.starts[count]))
    per_entry = ("a", "b", "news", "strength", "trailing", "forward", "sector")
    return replace(
        made,
        rows=made.rows[:count],
        dates=made.dates[:count],
        starts=made.starts[: count + 1],
        lamps=made.lamps.take(end),
        **{name: getattr(made, name)[end] for name in per_entry},
    )


def known(made: PairPanel, given: GraphInputs) -> dict[str, Any]:
    """What a panel says but for forward values; stocks by their codes, sectors by who shares one."""
    names = ("rows", "dates", "starts", "news", "strength", "trailing")
    first = np.unique(made.sector, return_index=True, return_inverse=True)
    out = {name: getattr(made, name) for name in names}
    out |= {f"lamp {each.name}": getattr(made.lamps, each.name) for each in fields(Lamps)}
    out |= {name: np.array(codes(given, getattr(made, name))) for name in ("a", "b")}
    return out | {"no sector": made.sector < 0, "sector": first[1][first[2]]}


@pytest.mark.parametrize("variant", ["best", "plain", "interactions"])
def test_the_model_of_develop_is_what_it_was_before_the_holdout(variant: Any) -> None:
    """Cut off on the last session before the holdout, or with another future from then on, the fit is bit for bit the same."""
    days = inputs().ground.axes.sessions.dates
    start = day_of(inputs(), rows()[12])
    before = day_of(inputs(), int(np.searchsorted(days, np.datetime64(start))) - 1)
    mine = fitted(data(), start, variant)
    for cut in (data().as_of(before), another_future(data(), before)):
        assert fitted(cut, start, variant) == mine
    assert mine["known_from"] <= before.isoformat()


def fitted(cut: Dataset, start: date, variant: Any) -> dict[str, Any]:
    made = load_inputs(cut, GRAPH)
    sessions = made.ground.axes.sessions.dates
    found, _ = build_panel(made, month_ends(made.ground.axes, sessions=GRAPH.trailing_sessions), seed=7)
    parts = split(found, holdout_start=start, forward_sessions=GRAPH.forward_sessions, sessions=sessions)
    fit = fit_model(found, parts.develop, ForecastSettings(variant=variant), graph=GRAPH, sessions=sessions, fingerprint={})
    return fit.to_dict()


STUDY = ComovementSettings(largest=15, hedge_counts=(1, 3), hedge_names=3, mix_weights=(0.0, 0.5), shortlist=6)


@pytest.mark.parametrize("indexed", [True, False])
def test_hedge_baskets_and_ratios_know_nothing_later(indexed: bool) -> None:
    """The universe, the arms and the ratios of a vintage; what is left of the variance is what the future brings."""
    number, chosen = CHOSEN[1], slice(7, 10)
    whole = data() if indexed else changed(data(), index_members=None)
    mine = hedged(whole, chosen)
    assert len(mine["stock-months"]) > 30
    assert np.isfinite(mine["ratio"]).mean() > 0.3
    for cut in (whole.as_of(day_of(inputs(), rows()[number])), cuts(number)[1]):
        given = cut if indexed else changed(cut, index_members=None)
        theirs = hedged(given, chosen)
        assert mine["stock-months"] == theirs["stock-months"]
        assert same(mine["ratio"], theirs["ratio"])
        assert same(mine["turnover"], theirs["turnover"])


def hedged(given: Dataset, chosen: slice) -> dict[str, Any]:
    made = load_inputs(given, GRAPH)
    found, _ = build_panel(made, np.array(rows()[chosen]), seed=7)
    every, _ = universes(given, made, found, STUDY)
    expected = predict(model(), found.trailing, found.lamps, found.news)
    parts = [hedge_universe(made, found, each, rank_peers(made, found, each.members, expected, model(), STUDY), STUDY) for each in every]
    months = [
        (each.name, int(v), code)
        for each, part in zip(every, parts, strict=True)
        for v, code in zip(part.vintage, codes(made, part.asset), strict=True)
    ]
    return {
        "stock-months": months,
        **{name: np.concatenate([getattr(part, name) for part in parts], axis=2) for name in ("ratio", "turnover")},
    }


def test_values_that_begin_later_do_not_change_the_sizes_of_before() -> None:
    """Market values that the data have from some day on only: before it, the traded value stands in, as it did then."""
    number = CHOSEN[1]
    day = day_of(inputs(), rows()[number])
    bars = data().frame("bars")
    late = changed(data(), bars=bars.with_columns(total_cap=pl.when(pl.col("date") > day).then("total_cap")))
    whole, cut = load_inputs(late, GRAPH), load_inputs(late.as_of(day), GRAPH)
    mine, _ = build_panel(whole, np.array(rows()[: number + 1]), seed=7)
    theirs, _ = build_panel(cut, np.array(rows()[: number + 1]), seed=7)
    assert same(known(mine, whole), known(theirs, cut))
    assert not mine.news.all()


def test_terms_and_lamps_of_the_model_are_all_tried() -> None:
    """The model of these tests moves with the trailing correlation and with lamps, so that a lamp of the future would show."""
    terms = model().terms
    assert {"trailing", *LAMPS} <= set(terms) | set(model().dropped)
    assert set(terms) <= set(term_names(model().variant))
    assert sum(name in terms for name in LAMPS) >= 2
