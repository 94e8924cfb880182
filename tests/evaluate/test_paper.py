"""The long-short portfolio on paper: by hand, against a plain loop over dictionaries of weights, and its settings."""

import math

import numpy as np
import pytest

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate import PaperLongShort, paper_long_short
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import Sessions
from pureplay.stats.inference import ewc_test
from tests.evaluate.test_turnover import market, naive_legs, weekdays


def naive_series(
    scores: FloatArray, returns: FloatArray, traded: BoolArray, sessions: Sessions, *, quantiles: int, grid: int, delay: int
) -> list[list[float]]:
    """Daily long-short returns by offset, None where nothing is held: walk each offset day by day with dictionaries of weights."""
    out = []
    for offset in range(grid):
        due: dict[int, tuple[set[int], set[int]]] = {}
        for t in range(len(sessions) - delay):
            if sessions.ordinals[t] % grid == offset:
                legs = [{i for i in leg if traded[t + delay, i]} for leg in naive_legs(scores[t], quantiles)]
                if all(legs):
                    due[t + delay] = (legs[0], legs[1])
        series, held, left = [], None, 0
        for s in range(len(sessions)):
            day = math.nan
            if held is not None and left > 0:
                gains = []
                for leg in held:
                    before = sum(leg.values())
                    for i in leg:
                        leg[i] *= 1 + (returns[s, i] if traded[s, i] and np.isfinite(returns[s, i]) else 0.0)
                    gains.append(sum(leg.values()) / before - 1 if before > 0 else 0.0)
                day, left = gains[0] - gains[1], left - 1
            if s in due:
                held, left = tuple({i: 1 / len(leg) for i in leg} for leg in due[s]), grid
            series.append(day)
        out.append(series)
    return out


def naive(scores: FloatArray, returns: FloatArray, traded: BoolArray, sessions: Sessions, **settings: int) -> tuple[float, ...]:
    """Annual return and Sharpe ratio over the offsets: mean, smallest, largest; and the t of the offsets side by side."""
    days = int((sessions.dates[-1] - sessions.dates[0]).astype(int))
    yearly = (sessions.ordinals[-1] - sessions.ordinals[0]) / days * 365.25
    series = naive_series(scores, returns, traded, sessions, **settings)
    found = [[x for x in row if not math.isnan(x)] for row in series]
    found = [row for row in found if len(row) > 1]
    means = [sum(row) / len(row) for row in found]
    sds = [math.sqrt(sum((x - m) ** 2 for x in row) / (len(row) - 1)) for row, m in zip(found, means, strict=True)]
    annual = [m * yearly for m in means]
    sharpe = [m / sd * math.sqrt(yearly) for m, sd in zip(means, sds, strict=True)]
    beside = [[x for x in column if not math.isnan(x)] for column in zip(*series, strict=True)]
    t = ewc_test(np.array([sum(column) / len(column) if column else math.nan for column in beside])).t
    return sum(annual) / len(annual), min(annual), max(annual), sum(sharpe) / len(sharpe), min(sharpe), max(sharpe), t


def figures(made: PaperLongShort) -> tuple[float, ...]:
    """Figures in the order of `naive`."""
    annual = (made.annual_return, made.annual_return_min, made.annual_return_max)
    return *annual, made.sharpe, made.sharpe_min, made.sharpe_max, made.test.t


def test_by_hand() -> None:
    # four names, halves, grid 2, delay 1: legs of session 0 are held over sessions 2 and 3, those of session 2 over session 4
    scores = np.array([[4.0, 3.0, 2.0, 1.0], [np.nan] * 4, [1.0, 4.0, 2.0, 3.0], [np.nan] * 4, [np.nan] * 4])
    returns = np.array([[9.0] * 4, [9.0] * 4, [1.0, 0.0, 0.0, 0.2], [0.3, 0.0, 0.0, 0.0], [0.0, 0.1, 0.1, 0.0]])
    made = paper_long_short(scores, returns, np.ones((5, 4), dtype=bool), weekdays(5), quantiles=2, grid_sessions=2)
    # session 2: long (1 + 0)/2, short (0 + .2)/2; session 3: long (2, 1) gains .6 of 3, short nothing; session 4: (.1 + 0)/2 - (0 + .1)/2
    days = [0.5 - 0.1, 0.6 / 3, 0.0]
    assert made.daily["ret"].to_list() == [None, None, *(pytest.approx(each, abs=1e-15) for each in days)]
    assert made.daily["offsets"].to_list() == [0, 0, 1, 1, 1]
    yearly = 4 / int((weekdays(5).dates[-1] - weekdays(5).dates[0]).astype(int)) * 365.25
    assert made.annual_return == pytest.approx(np.mean(days) * yearly, rel=1e-14)
    assert made.sharpe == pytest.approx(np.mean(days) / np.std(days, ddof=1) * math.sqrt(yearly), rel=1e-14)
    assert (made.rebalances, made.names, made.gross_exposure, made.offsets) == (2, 2.0, 2.0, 1)


def test_a_name_that_does_not_trade_at_entry_is_not_bought() -> None:
    scores = np.array([[4.0, 3.0, 2.0, 1.0], *[[np.nan] * 4] * 3])
    returns, traded = np.zeros((4, 4)), np.ones((4, 4), dtype=bool)
    returns[2, 0], returns[2, 1], returns[3] = 0.8, 0.1, [0.0, 0.02, 0.0, 0.0]
    traded[1, 0] = False  # suspended at the close at which it would be bought; its jump the day after is not earned
    made = paper_long_short(scores, returns, traded, weekdays(4), quantiles=2, grid_sessions=4)
    assert made.daily["ret"].to_list() == [None, None, pytest.approx(0.1), pytest.approx(0.02)]
    traded[1] = [False, False, True, True]  # nothing of the long leg can be bought: no portfolio
    with pytest.raises(InsufficientDataError, match="no rebalance offset has two sessions with a return"):
        paper_long_short(scores, returns, traded, weekdays(4), quantiles=2, grid_sessions=4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("grid", "quantiles", "delay", "first"), [(1, 5, 1, 0), (4, 5, 2, 3), (10, 2, 1, 7), (5, 11, 3, 0)])
def test_against_a_plain_loop(seed: int, grid: int, quantiles: int, delay: int, first: int) -> None:
    scores, returns, traded = market(seed)
    scores[17:19] = np.nan  # no rebalance there: the offset sits out until its next one
    sessions = weekdays(47, first=first)
    settings = {"grid": grid, "quantiles": quantiles, "delay": delay}
    made = paper_long_short(scores, returns, traded, sessions, grid_sessions=grid, quantiles=quantiles, delay_sessions=delay)
    # sums of some twenty weights of order 1 around differences of order .01: rounding stays below 1e-11
    assert figures(made) == pytest.approx(naive(scores, returns, traded, sessions, **settings), rel=1e-11, nan_ok=True)
    assert np.isfinite(figures(made)).all()


def test_gaps_in_the_sample_keep_offsets() -> None:
    scores, returns, traded = market(9)
    whole, keep = weekdays(47), np.delete(np.arange(47), [5, 6, 7, 30])
    part = Sessions(whole.dates[keep], whole.ordinals[keep], "bars")
    made = paper_long_short(scores[keep], returns[keep], traded[keep], part, grid_sessions=4)
    settings = {"grid": 4, "quantiles": 5, "delay": 1}
    assert figures(made) == pytest.approx(naive(scores[keep], returns[keep], traded[keep], part, **settings), rel=1e-11)
    renumbered = paper_long_short(scores[keep], returns[keep], traded[keep], weekdays(43), grid_sessions=4)
    assert renumbered.annual_return != pytest.approx(made.annual_return, rel=1e-6)


def test_every_setting_matters() -> None:
    scores, returns, traded = market(1)

    def annual(**settings: int) -> float:
        return paper_long_short(scores, returns, traded, weekdays(47), **{"grid_sessions": 5, **settings}).annual_return

    found = [annual(), annual(grid_sessions=4), annual(quantiles=3), annual(delay_sessions=2)]
    assert len(set(found)) == 4
    assert paper_long_short(scores, returns, np.ones_like(traded), weekdays(47), grid_sessions=5).annual_return != found[0]


def test_a_score_turned_round_turns_the_return_round() -> None:
    scores, returns, traded = market(5)
    made, turned = (paper_long_short(each, returns, traded, weekdays(47), grid_sessions=4) for each in (scores, -scores))
    assert turned.annual_return == pytest.approx(-made.annual_return, rel=1e-12)
    assert turned.sharpe_min == pytest.approx(-made.sharpe_max, rel=1e-12)


def test_a_decision_is_not_changed_by_what_comes_later() -> None:
    scores, returns, traded = market(6)
    made = paper_long_short(scores, returns, traded, weekdays(47), grid_sessions=5).daily["ret"].to_list()
    for last in (20, 33, 40):
        cut = paper_long_short(scores[:last], returns[:last], traded[:last], weekdays(last), grid_sessions=5)
        assert cut.daily["ret"].to_list() == made[:last]


def test_the_number_of_workers_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, returns, traded = market(2)
    made = []
    for workers in ("1", "2", "3"):
        monkeypatch.setenv("PUREPLAY_WORKERS", workers)
        made.append(paper_long_short(scores, returns, traded, weekdays(47), grid_sessions=5).daily["ret"].to_numpy().tobytes())
    assert made[0] == made[1] == made[2]


def test_a_leg_that_lost_everything_earns_nothing_more() -> None:
    scores = np.array([[4.0, 3.0, 2.0, 1.0], *[[np.nan] * 4] * 3])
    returns = np.array([[0.0] * 4, [0.0] * 4, [0.0, 0.0, -1.0, -1.0], [0.02, 0.0, 0.5, 0.5]])
    made = paper_long_short(scores, returns, np.ones((4, 4), dtype=bool), weekdays(4), quantiles=2, grid_sessions=4)
    assert made.daily["ret"].to_list() == [None, None, 1.0, pytest.approx(0.01)]


def test_what_cannot_be_run_is_refused() -> None:
    scores, returns, traded = market(3)
    for name, value in (("grid_sessions", 0), ("quantiles", 1), ("delay_sessions", 0), ("quantiles", True)):
        with pytest.raises(SettingError, match=f"{name} must be a whole number of at least"):
            paper_long_short(scores, returns, traded, weekdays(47), **{name: value})
    with pytest.raises(InsufficientDataError, match="0 of 47 sessions have names in both outer 5-quantiles"):
        paper_long_short(np.ones_like(scores), returns, traded, weekdays(47))


def test_it_prints_its_figures() -> None:
    scores, returns, traded = market(4)
    made = paper_long_short(scores, returns, traded, weekdays(47), grid_sessions=5)
    assert f"{100 * made.annual_return:+.2f} % a year" in str(made)
    assert "gross exposure 2, no costs" in str(made)
    assert made.to_dict()["sharpe_min"] == made.sharpe_min
    assert made.to_dict()["t_ewc"] == made.test.t
