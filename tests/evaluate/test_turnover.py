"""Turnover of the outer quantiles: by hand, against a plain loop over dictionaries of weights, and its settings."""

import numpy as np
import pytest

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate import Turnover, turnover
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import Sessions


def weekdays(count: int, *, first: int = 0) -> Sessions:
    """Consecutive weekdays from 2020-01-01 on, numbered from `first`."""
    days = np.busday_offset(np.datetime64("2020-01-01", "D"), np.arange(count))
    return Sessions(days, np.arange(first, first + count), "bars")


def market(seed: int, *, sessions: int = 47, assets: int = 23) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Scores with gaps and ties, returns with gaps, and what traded; some returns stand on days without trade."""
    rng = np.random.default_rng(seed)
    scores = np.round(np.cumsum(rng.normal(size=(sessions, assets)), axis=0), 1)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    returns = 0.05 * rng.standard_t(3, size=scores.shape).clip(-15, 15)
    returns[rng.random(scores.shape) < 0.1] = np.nan
    return scores, returns, rng.random(scores.shape) < 0.9


def naive_legs(row: FloatArray, quantiles: int) -> tuple[set[int], set[int]]:
    """Top and bottom names of a date: average rank by counting, m = n // quantiles of each end."""
    known = [i for i in range(row.size) if np.isfinite(row[i])]
    size = len(known) // quantiles
    rank = {i: sum(row[j] < row[i] for j in known) + (1 + sum(row[j] == row[i] for j in known)) / 2 for i in known}
    return {i for i in known if rank[i] >= len(known) + 1 - size}, {i for i in known if rank[i] <= size}


def naive(
    scores: FloatArray, returns: FloatArray, traded: BoolArray, sessions: Sessions, *, grid: int = 20, quantiles: int = 5
) -> dict[str, float]:
    """METHODS §5 word by word: walk each offset day by day with a dictionary of weights."""
    per_offset = []
    for offset in range(grid):
        legs = []
        for leg in range(2):
            held: dict[int, float] = {}
            changes: list[float] = []
            for t in range(len(sessions)):
                for i in held:
                    held[i] *= 1 + (returns[t, i] if traded[t, i] and np.isfinite(returns[t, i]) else 0.0)
                if sessions.ordinals[t] % grid != offset:
                    continue
                chosen = naive_legs(scores[t], quantiles)[leg]
                if not chosen:
                    continue
                new = {i: 1 / len(chosen) for i in chosen}
                if held:
                    total = sum(held.values())
                    changes.append(sum(abs(new.get(i, 0.0) - held.get(i, 0.0) / total) for i in {*new, *held}) / 2)
                held = new
            if changes:
                legs.append(sum(changes) / len(changes))
        if legs:
            per_offset.append(sum(legs) / len(legs))
    years = int((sessions.dates[-1] - sessions.dates[0]).astype(int)) / 365.25
    a_year = (sessions.ordinals[-1] - sessions.ordinals[0]) / years / grid
    mean = sum(per_offset) / len(per_offset)
    return {"per_rebalance": mean, "annual": mean * a_year, "low": min(per_offset) * a_year, "high": max(per_offset) * a_year}


def figures(made: Turnover) -> tuple[float, float, float, float]:
    """Figures in the order of `naive`."""
    return made.per_rebalance, made.annual, made.annual_min, made.annual_max


def test_by_hand() -> None:
    # four names, halves, rebalanced on the first and the third of three sessions (grid 2, ordinals 0, 1, 2)
    scores = np.array([[4.0, 3.0, 2.0, 1.0], [np.nan] * 4, [4.0, 1.0, 3.0, 2.0]])
    returns = np.array([[0.9] * 4, [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5]])
    made = turnover(scores, returns, np.ones((3, 4), dtype=bool), weekdays(3), grid_sessions=2, quantiles=2, cost_bps=(10, 30))
    # top: (1/2, 1/2) of names 0, 1 drifts to (2/3, 1/3); then names 0, 2: ½ (|1/2 - 2/3| + 1/3 + 1/2) = 1/2
    # bottom: names 2, 3 drift to 1 : 1.5 = (.4, .6); then names 1, 3: ½ (.5 + .4 + |.5 - .6|) = .5
    assert made.per_rebalance == pytest.approx(0.5, abs=1e-15)
    assert made.sessions_per_year == pytest.approx(2 / 2 * 365.25)  # 1 to 3 January: two sessions in two days
    assert made.annual == pytest.approx(0.5 * 365.25 / 2)
    assert made.cost_drag_bps == pytest.approx({10.0: 20 * made.annual, 30.0: 60 * made.annual})
    assert made.rebalances == 1


def test_drift_alone_is_turnover() -> None:
    scores = np.tile(np.array([4.0, 3.0, 2.0, 1.0]), (3, 1))
    returns, traded = np.zeros((3, 4)), np.ones((3, 4), dtype=bool)
    assert turnover(scores, returns, traded, weekdays(3), grid_sessions=2, quantiles=2).annual == 0.0
    returns[1, 0], returns[0, 1] = 1.0, 5.0  # what was earned on the day of the build does not count
    made = turnover(scores, returns, traded, weekdays(3), grid_sessions=2, quantiles=2)
    assert made.per_rebalance == pytest.approx((2 / 3 - 1 / 2) / 2)  # top leg (2/3, 1/3) back to halves, bottom leg still


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("grid", "quantiles", "first"), [(1, 5, 0), (4, 5, 3), (10, 2, 7), (5, 11, 0)])
def test_against_a_plain_loop(seed: int, grid: int, quantiles: int, first: int) -> None:
    scores, returns, traded = market(seed)
    scores[17:19] = np.nan  # no rebalance there: what is held drifts on
    sessions = weekdays(47, first=first)
    made = turnover(scores, returns, traded, sessions, grid_sessions=grid, quantiles=quantiles)
    # sums of some twenty weights of order .1 to 1: rounding stays far below 1e-12
    assert figures(made) == pytest.approx(
        tuple(naive(scores, returns, traded, sessions, grid=grid, quantiles=quantiles).values()), rel=1e-12
    )


def test_gaps_in_the_sample_keep_offsets() -> None:
    scores, returns, traded = market(9)
    whole = weekdays(47)
    keep = np.delete(np.arange(47), [5, 6, 7, 30])
    part = Sessions(whole.dates[keep], whole.ordinals[keep], "bars")
    made = turnover(scores[keep], returns[keep], traded[keep], part, grid_sessions=4)
    assert figures(made) == pytest.approx(tuple(naive(scores[keep], returns[keep], traded[keep], part, grid=4).values()), rel=1e-12)
    renumbered = turnover(scores[keep], returns[keep], traded[keep], weekdays(43), grid_sessions=4)
    assert renumbered.annual != pytest.approx(made.annual, rel=1e-6)


def test_every_setting_matters() -> None:
    scores, returns, traded = market(1)
    plain = turnover(scores, returns, traded, weekdays(47), grid_sessions=5)
    assert turnover(scores, returns, traded, weekdays(47), grid_sessions=4).annual != plain.annual
    assert turnover(scores, returns, traded, weekdays(47), grid_sessions=5, quantiles=3).annual != plain.annual
    assert turnover(scores, returns, np.ones_like(traded), weekdays(47), grid_sessions=5).annual != plain.annual
    assert dict(turnover(scores, returns, traded, weekdays(47), grid_sessions=5, cost_bps=(7,)).cost_drag_bps) == {7.0: 14 * plain.annual}
    assert plain.annual_min < plain.annual < plain.annual_max


def test_the_number_of_workers_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, returns, traded = market(2)
    made = []
    for workers in ("1", "2", "3"):
        monkeypatch.setenv("PUREPLAY_WORKERS", workers)
        made.append(turnover(scores, returns, traded, weekdays(47), grid_sessions=5))
    assert made[0] == made[1] == made[2]


def test_ties_are_in_together_or_not_at_all() -> None:
    flat = np.ones((3, 10))
    with pytest.raises(InsufficientDataError, match="no rebalance offset has two sessions"):
        turnover(flat, np.zeros((3, 10)), np.ones((3, 10), dtype=bool), weekdays(3), grid_sessions=1)
    assert naive_legs(np.array([1.0, 1, 1, 2, 3, 4, 5, 6, 6, 9]), 5) == ({9}, {0, 1, 2})  # ranks 2, 2, 2 and 8.5, 8.5, 10
    scores, returns, traded = market(5)
    made, turned = (turnover(each, returns, traded, weekdays(47), grid_sessions=4) for each in (scores, -scores))
    assert turned.annual == pytest.approx(made.annual, rel=1e-12)  # the two ends are cut alike


def test_a_portfolio_that_lost_everything_is_built_anew() -> None:
    scores = np.tile(np.array([4.0, 3.0, 2.0, 1.0]), (2, 1))
    returns = np.array([[0.0] * 4, [-1.0, -1.0, 0.0, 0.0]])
    made = turnover(scores, returns, np.ones((2, 4), dtype=bool), weekdays(2), grid_sessions=1, quantiles=2)
    assert made.per_rebalance == pytest.approx(0.5 / 2)  # top leg: ½ of new money, bottom leg: none


def test_what_cannot_be_run_is_refused() -> None:
    scores, returns, traded = market(3)
    with pytest.raises(SettingError, match="grid_sessions must be a whole number of at least 1, not 0"):
        turnover(scores, returns, traded, weekdays(47), grid_sessions=0)
    with pytest.raises(SettingError, match="quantiles must be a whole number of at least 2, not 1"):
        turnover(scores, returns, traded, weekdays(47), quantiles=1)
    with pytest.raises(InsufficientDataError, match=r"47 of 47 sessions have them.*give a longer sample or a shorter grid"):
        turnover(scores, returns, traded, weekdays(47), grid_sessions=60)


def test_it_prints_what_it_costs() -> None:
    scores, returns, traded = market(4)
    made = turnover(scores, returns, traded, weekdays(47), grid_sessions=5, cost_bps=(10, 30))
    assert f"{20 * made.annual:.0f} bp a year at 10 bp per side" in str(made)
    assert made.to_dict()["cost_drag_bps"] == {"10": pytest.approx(20 * made.annual), "30": pytest.approx(60 * made.annual)}
