"""Spillover of returns over the graph, against a plain loop."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pureplay.graph.arrays import PairPanel
from pureplay.studies.comovement_spillover import spill_scores, spillover
from tests.graph.small_market import GRAPH, inputs, panel, rows

SESSIONS = 5


def naive_past(returns: np.ndarray, sessions: int) -> np.ndarray:
    out = np.full(returns.shape, np.nan)
    for day in range(returns.shape[0]):
        for name in range(returns.shape[1]):
            window = [each for each in returns[max(0, day - sessions + 1) : day + 1, name].tolist() if not math.isnan(each)]
            if len(window) * 2 >= sessions and not math.isnan(returns[day, name]):
                out[day, name] = sum(math.log1p(each) for each in window)
    return out


def naive_scores(past: np.ndarray, made: PairPanel, vintages: list[int], chosen: np.ndarray) -> np.ndarray:
    out = np.full(past.shape, np.nan)
    for v in vintages:
        peers: dict[int, list[int]] = {}
        for k in range(int(made.starts[v]), int(made.starts[v + 1])):
            if chosen[k]:
                peers.setdefault(int(made.a[k]), []).append(int(made.b[k]))
                peers.setdefault(int(made.b[k]), []).append(int(made.a[k]))
        last = int(made.rows[v + 1]) if v + 1 < made.rows.size else past.shape[0]
        for day in range(int(made.rows[v]), last):
            score = {}
            for name, others in peers.items():
                known = [past[day, each] for each in others if not math.isnan(past[day, each])]
                if known and not math.isnan(past[day, name]):
                    score[name] = sum(known) / len(known)
            if len(score) > 2:
                names = sorted(score)
                fit = stats.linregress([past[day, name] for name in names], [score[name] for name in names])
                for name in names:
                    out[day, name] = score[name] - fit.intercept - fit.slope * past[day, name]
    return out


@pytest.mark.parametrize("relation", ["all", "confirmed", "dark"])
def test_scores_are_those_of_a_loop(relation: str) -> None:
    made, _ = panel()
    lit = made.lamps.confirmed()
    chosen = {"all": made.news, "confirmed": made.news & lit, "dark": made.news & ~lit}[relation]
    past = naive_past(inputs().ground.market.returns, SESSIONS)
    vintages = [0, 5, len(rows()) - 1]
    found, wanted = spill_scores(past, made, np.array(vintages), chosen), naive_scores(past, made, vintages, chosen)
    assert np.array_equal(np.isfinite(found), np.isfinite(wanted))
    assert np.isfinite(found).sum() > 500
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-13)  # another formula of the same regression
    served = np.zeros(past.shape[0], dtype=bool)
    for v in vintages:
        served[rows()[v] : rows()[v + 1] if v + 1 < len(rows()) else None] = True
    assert np.isnan(found[~served]).all()


@pytest.mark.parametrize("horizon", [1, 4])
def test_the_table_is_the_mean_rank_correlation_of_the_days(horizon: int) -> None:
    made, _ = panel()
    market = inputs().ground.market
    vintages = [3, 4, 5]
    table, why = spillover(inputs(), made, np.array(vintages), horizons=(horizon,), sessions=SESSIONS)
    assert why == []
    assert table["relation"].to_list() == ["confirmed", "dark", "all"]
    lit = made.lamps.confirmed()
    past = naive_past(market.returns, SESSIONS)
    for relation, chosen in (("confirmed", made.news & lit), ("dark", made.news & ~lit), ("all", made.news)):
        score = naive_scores(past, made, vintages, chosen)
        ics = []
        for day in range(rows()[3], rows()[6]):
            later = [naive_forward(market.returns, market.traded, day, name, horizon) for name in range(score.shape[1])]
            both = np.isfinite(score[day]) & np.isfinite(later)
            if both.sum() >= 30:
                ics.append(stats.spearmanr(score[day][both], np.array(later)[both]).statistic)
        row = table.filter(relation=relation).to_dicts()[0]
        assert row["dates"] == len(ics) > 20
        # ranks of the same values; over several sessions two stocks may be back at their prices, a tie but for rounding, on one day
        assert row["mean_ic"] == pytest.approx(np.mean(ics), abs=1e-12 if horizon == 1 else 2e-3 / len(ics))
        assert row["horizon"] == horizon


def naive_forward(returns: np.ndarray, traded: np.ndarray, day: int, name: int, horizon: int) -> float:
    """From the close of the next session to that of `horizon` sessions later; a missing day counts 0."""
    if day + 1 + horizon >= returns.shape[0] or not traded[day + 1, name]:
        return math.nan
    out = 1.0
    for each in returns[day + 2 : day + 2 + horizon, name].tolist():
        out *= 1.0 if math.isnan(each) else 1.0 + each
    return out - 1.0


def test_random_pairs_are_no_links_and_peers_confirm_on_request() -> None:
    made, _ = panel()
    numbers = np.arange(4)
    bare = replace_lamps(made, product_peer=np.ones_like(made.news))
    usual, _ = spillover(inputs(), bare, numbers, horizons=(2,), sessions=SESSIONS)
    peers, why = spillover(inputs(), bare, numbers, horizons=(2,), sessions=SESSIONS, peer_confirms=True)
    assert usual.filter(relation="all").equals(peers.filter(relation="all"), null_equal=True)
    assert not usual.filter(relation="confirmed").equals(peers.filter(relation="confirmed"), null_equal=True)
    assert [each.split(":")[0] for each in why] == ["dark"]  # nothing is dark where every pair is confirmed
    assert peers.filter(relation="confirmed").drop("relation").equals(peers.filter(relation="all").drop("relation"), null_equal=True)


def replace_lamps(made: PairPanel, **lamps: Any) -> PairPanel:
    return replace(made, lamps=replace(made.lamps, **lamps))


def test_no_forward_return_reaches_the_first_row_that_is_barred() -> None:
    made, _ = panel()
    barred = rows()[5] + 7
    numbers = np.arange(6)
    usual, _ = spillover(inputs(), made, numbers, horizons=(3,), sessions=SESSIONS, before=barred)
    ground = inputs().ground
    returns = ground.market.returns.copy()
    returns[barred:] *= -3.0
    changed = replace(inputs(), ground=replace(ground, market=replace(ground.market, returns=returns)))
    assert spillover(changed, made, numbers, horizons=(3,), sessions=SESSIONS, before=barred)[0].equals(usual)
    later, _ = spillover(changed, made, numbers, horizons=(3,), sessions=SESSIONS)
    assert not later.equals(usual)
    one_more, _ = spillover(inputs(), made, numbers, horizons=(3,), sessions=SESSIONS, before=barred + 1)
    assert one_more.filter(relation="all")["dates"].item() == usual.filter(relation="all")["dates"].item() + 1


def test_what_has_too_few_names_is_named() -> None:
    made, _ = panel()
    none = replace(made, news=np.zeros_like(made.news))
    table, why = spillover(inputs(), none, np.arange(3), horizons=(2, 3), sessions=SESSIONS)
    assert table.height == 0
    assert table.columns == ["relation", "horizon", "mean_ic", "t", "p", "icir", "dates"]
    assert why == [f"{relation}: these vintages have no such pair" for relation in ("confirmed", "dark", "all")]
    few = np.zeros_like(made.news)
    few[made.starts[:3]] = True  # one pair a vintage
    table, why = spillover(inputs(), replace(made, news=few), np.arange(3), horizons=(2, 3), sessions=SESSIONS)
    assert table.height == 0
    assert [each.split(":")[0] for each in why if each.startswith("all")] == ["all, 2 sessions", "all, 3 sessions"]


def test_a_longer_past_is_another_score() -> None:
    made, _ = panel()
    one, _ = spillover(inputs(GRAPH), made, np.arange(4), horizons=(2,), sessions=5)
    other, _ = spillover(inputs(GRAPH), made, np.arange(4), horizons=(2,), sessions=10)
    assert not one.equals(other)
