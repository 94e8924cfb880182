"""The regressions give back the correlation that synthetic markets plant, and nothing where none is planted."""

from dataclasses import dataclass

import numpy as np
import pytest

from pureplay.dataset import Dataset
from pureplay.graph.arrays import PairPanel
from pureplay.graph.edges import GraphInputs, build_panel, load_inputs
from pureplay.graph.forecast import ForecastSettings, fit, split
from pureplay.graph.ground import month_ends
from pureplay.studies.comovement import stands
from pureplay.synthetic import market, preset

SEEDS = (100, 101, 102, 103)
SPREAD = {"product_peer": 0.0028, "deep_peer": 0.005, "chain": 0.005, "disclosed": 0.0035, "affiliate": 0.0049, "dark": 0.002}
"""Standard deviation of a coefficient from one market of this size to another, over ten seeds."""
PLANTED = {"product_peer": 0.08, "deep_peer": 0.11, "chain": 0.05, "disclosed": 0.03, "affiliate": 0.015, "dark": 0.0}


@dataclass(frozen=True)
class Fitted:
    """One market: coefficients by term, and the negative control by sample."""

    inputs: GraphInputs
    panel: PairPanel
    terms: dict[str, float]
    bids: dict[str, dict[str, float]]


def fitted(seed: int, links: float) -> Fitted:
    made = market(**{**preset("comovement"), "stocks": 300, "sessions": 700, "seed": seed, "links": links})
    inputs = load_inputs(Dataset(tables=made.tables, calendar="XSHG"))
    sessions = inputs.ground.axes.sessions.dates
    panel, _ = build_panel(inputs, month_ends(inputs.ground.axes, sessions=90), seed=seed)
    parts = split(panel, holdout_start=None, forward_sessions=60, sessions=sessions)
    found = fit(panel, np.flatnonzero(panel.rows + 60 < sessions.size), variant="plain", settings=ForecastSettings())
    bids = {}
    for sample in ("develop", "holdout"):
        one = fit(panel, getattr(parts, sample), variant="plain", bids=True, settings=ForecastSettings())
        bids[sample] = {"coefficient": float(one.mean[-1]), "p": float(one.p[-1])}
    return Fitted(inputs, panel, dict(zip(found.names, found.mean.tolist(), strict=True)), bids)


@pytest.fixture(scope="module")
def planted() -> list[Fitted]:
    return [fitted(seed, 1.0) for seed in SEEDS]


@pytest.fixture(scope="module")
def placebo() -> list[Fitted]:
    return [fitted(seed, 0.0) for seed in SEEDS]


def mean(markets: list[Fitted], term: str) -> float:
    return float(np.mean([each.terms[term] for each in markets]))


@pytest.mark.parametrize("lamp", PLANTED)
def test_a_lamp_earns_what_is_planted_less_the_part_that_trailing_correlation_holds(planted: list[Fitted], lamp: str) -> None:
    error = np.mean([each.terms[lamp] - PLANTED[lamp] * (1 - each.terms["trailing"]) for each in planted])
    assert abs(error) < 3 * SPREAD[lamp] / len(SEEDS) ** 0.5  # three Monte-Carlo standard errors


@pytest.mark.parametrize("lamp", PLANTED)
def test_a_lamp_earns_nothing_where_nothing_is_planted(placebo: list[Fitted], lamp: str) -> None:
    assert abs(mean(placebo, lamp)) < 3 * SPREAD[lamp] / len(SEEDS) ** 0.5  # three Monte-Carlo standard errors


def test_the_lamps_come_out_in_the_order_planted(planted: list[Fitted]) -> None:
    order = ("deep_peer", "chain", "disclosed", "affiliate", "dark")
    assert sorted(order, key=lambda lamp: -mean(planted, lamp)) == list(order)


def test_bids_fail_the_rule_of_develop_and_holdout_in_every_market(planted: list[Fitted]) -> None:
    """They add in the first half and take away in the second, so one sign on both samples would be chance."""
    assert [each.bids["develop"]["coefficient"] > each.bids["holdout"]["coefficient"] for each in planted] == [True] * len(SEEDS)
    assert not any(stands(each.bids["develop"], each.bids["holdout"]) for each in planted)


def test_an_effect_stands_where_both_samples_have_it_with_one_sign() -> None:
    sure, other = {"coefficient": 0.03, "p": 0.01}, {"coefficient": 0.02, "p": 0.04}
    assert stands(sure, other)
    assert not stands(sure, {**other, "p": 0.06})
    assert not stands({**sure, "p": 0.06}, other)
    assert not stands(sure, {**other, "coefficient": -0.02})


def test_no_pair_is_two_listings_of_one_issuer(planted: list[Fitted]) -> None:
    """They move together like one stock; drawn at random they once added 0.0017 to the lamp of affiliates, a tenth of what is planted."""
    for each in planted:
        company = each.inputs.structure.owners.company
        assert np.bincount(company[company >= 0]).max() > 1  # there are such listings, and they trade
        a, b = company[each.panel.a], company[each.panel.b]
        assert not ((a >= 0) & (a == b)).any()
