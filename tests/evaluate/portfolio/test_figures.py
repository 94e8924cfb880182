"""Figures and tables of a portfolio: by hand, against plain loops, pandas and scipy, and their properties."""

import json
import math
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate.portfolio.accounts import account_returns, grid_periods
from pureplay.evaluate.portfolio.arrays import BLOCKED, Books
from pureplay.evaluate.portfolio.benchmark import Benchmark
from pureplay.evaluate.portfolio.book import simulate
from pureplay.evaluate.portfolio.figures import portfolio_figures
from pureplay.evaluate.portfolio.frames import PortfolioFrames, portfolio_frames, portfolio_record
from pureplay.evaluate.portfolio.performance import drawdown, performance
from pureplay.evaluate.portfolio.records import Portfolio, PortfolioFigures, Spread
from pureplay.evaluate.turnover import turnover
from pureplay.panel import FloatArray
from pureplay.sessions import Sessions, sessions_per_year
from pureplay.stats.inference import ewc_test
from tests.evaluate.portfolio.ledger import Plan, cut, keep, market, random_accounts, scaled, stack, weekdays
from tests.evaluate.portfolio.markets import FREE, open_tape, targets_of

CAPITAL = 1000.0
DAYS = weekdays(400).dates


def index(sessions: Sessions, seed: int = 7) -> Benchmark:
    """Returns of a made-up index on every session."""
    returns = 0.01 * np.random.default_rng(seed).normal(size=len(sessions))
    return Benchmark(name="IDX", returns=returns, is_total_return=False, notes=("IDX is a price index",))


def both(
    books: Books, sessions: Sessions, *, grid: int = 5, benchmark: Benchmark | None = None
) -> tuple[PortfolioFigures, PortfolioFrames]:
    """Figures and tables of the same books."""
    return (
        portfolio_figures(books, sessions, capital=CAPITAL, grid_sessions=grid, benchmark=benchmark),
        portfolio_frames(books, sessions, capital=CAPITAL, grid_sessions=grid, benchmark=benchmark),
    )


# ---------------------------------------------------------------- one series


def test_performance_by_hand() -> None:
    returns = np.array([0.1, -0.5, 0.2, 0.9, -0.1])
    made = performance(returns, DAYS[:5], a_year=250.0, periods=np.array([0.1, -0.2, 0.0, np.nan, 0.3]))
    growth = 1.1 * 0.5 * 1.2 * 1.9 * 0.9
    assert made.annual_return == pytest.approx(growth ** (250 / 5) - 1)
    assert made.annual_mean == pytest.approx(0.6 / 5 * 250)
    assert made.volatility == pytest.approx(math.sqrt(250 * sum((x - 0.12) ** 2 for x in returns) / 4))
    assert made.sharpe == pytest.approx(made.annual_mean / made.volatility)
    assert (made.max_drawdown, made.peak, made.trough) == (pytest.approx(0.5), date(2020, 1, 1), date(2020, 1, 2))
    assert (made.hit_rate, made.n_periods, made.n_sessions) == (0.5, 4, 5)


@pytest.mark.parametrize("seed", range(4))
def test_performance_against_numpy_scipy_and_pandas(seed: int) -> None:
    returns = 0.01 * np.random.default_rng(seed).standard_t(5, size=400)
    made = performance(returns, DAYS, a_year=243.0)
    # closed forms of sums of 400 numbers: 1e-9 leaves room for their order
    assert made.skew == pytest.approx(stats.skew(returns), rel=1e-9)
    assert made.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-9)
    assert made.volatility == pytest.approx(np.std(returns, ddof=1) * np.sqrt(243), rel=1e-12)
    assert made.t_ewc == ewc_test(returns).t
    wealth = pd.Series(np.concatenate([[1.0], np.cumprod(1 + returns)]), index=[DAYS[0] - 1, *DAYS])
    loss = 1 - wealth / wealth.cummax()
    assert made.max_drawdown == pytest.approx(loss.max(), rel=1e-12)
    assert made.trough == loss.idxmax().date()
    peak = wealth[: loss.idxmax()].idxmax()
    assert made.peak == max(peak.date(), DAYS[0].item())
    assert made.annual_return == pytest.approx(wealth.iloc[-1] ** (243 / 400) - 1)


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=40), st.floats(-0.05, 0.05))
def test_adding_a_constant_return_moves_the_mean_alone(values: list[float], shift: float) -> None:
    returns = np.array(values)
    made, moved = (performance(each, DAYS[: returns.size], a_year=250.0) for each in (returns, returns + shift))
    assert moved.annual_mean - made.annual_mean == pytest.approx(250 * shift, abs=1e-9)
    assert moved.volatility == pytest.approx(made.volatility, abs=1e-9)
    assert 0 <= made.max_drawdown < 1
    if made.volatility > 1e-3:
        assert moved.sharpe - made.sharpe == pytest.approx(250 * shift / made.volatility, rel=1e-6, abs=1e-6)
        assert moved.skew == pytest.approx(made.skew, abs=1e-6)


def test_series_that_say_little() -> None:
    nothing = performance(np.full(4, np.nan), DAYS[:4], a_year=250.0)
    assert (nothing.n_sessions, nothing.peak, nothing.trough) == (0, None, None)
    assert np.isnan([nothing.annual_return, nothing.annual_mean, nothing.volatility, nothing.sharpe, nothing.max_drawdown]).all()
    one = performance(np.array([0.01]), DAYS[:1], a_year=250.0)
    assert one.annual_return == pytest.approx(1.01**250 - 1)
    assert np.isnan([one.volatility, one.sharpe, one.skew, one.t_ewc, one.hit_rate]).all()
    still = performance(np.full(100, 0.001), DAYS[:100], a_year=250.0)
    assert (still.volatility, still.max_drawdown, still.peak) == (0.0, 0.0, None)
    assert np.isnan([still.sharpe, still.t_ewc, still.skew, still.kurtosis]).all()
    lost = performance(np.array([0.5, -1.0]), DAYS[:2], a_year=250.0)
    assert (lost.annual_return, lost.max_drawdown) == (-1.0, 1.0)
    gap = performance(np.array([0.1, np.nan, -0.1, 0.2]), DAYS[:4], a_year=250.0)
    assert (gap.n_sessions, gap.trough) == (3, DAYS[2].item())


def test_the_start_is_a_peak() -> None:
    assert drawdown(np.array([-0.1, -0.1, 0.5])) == (pytest.approx(0.19), -1, 1)
    assert drawdown(np.array([0.1, 0.2])) == (0.0, None, None)
    assert performance(np.array([-0.1, -0.1, 0.5]), DAYS[:3], a_year=250.0).peak == DAYS[0].item()


def test_sessions_per_year() -> None:
    assert sessions_per_year(weekdays(261 * 4)) == pytest.approx(261, rel=2e-3)
    assert sessions_per_year(weekdays(1)) == 252.0
    gaps = weekdays(40, first=10)
    assert sessions_per_year(Sessions(gaps.dates[::3], gaps.ordinals[::3], "bars")) == pytest.approx(sessions_per_year(gaps), rel=0.05)


def test_spread() -> None:
    assert Spread.of([1.0, math.nan, 4.0]) == Spread(mean=2.5, min=1.0, max=4.0)
    assert math.isnan(Spread.of([math.nan]).mean)
    assert math.isnan(Spread.of([]).max)


# ---------------------------------------------------------------- accounts by hand


@pytest.fixture
def two() -> tuple[Books, Sessions]:
    """Two long-only accounts in one name: one opened on day 0 and rebalanced on days 2 and 4, one opened on day 1, rebalanced on day 3."""
    returns = np.array([[0.0], [0.1], [-0.2], [0.3], [0.1], [0.05]])
    first = Plan(rebalances={0: {0: 0.5}, 2: {0: 0.5}, 4: {0: 0.4}}, fee=0.01, undone={(2, 1): 30.0, (3, 1): 20.0})
    other = Plan(rebalances={1: {0: 0.5}, 3: {0: 0.5}}, late={4: {0: 0.1}}, fee=0.01)
    return stack([keep(returns, first)[0], keep(returns, other, offset=1)[0]]), weekdays(6)


def test_two_accounts_by_hand(two: tuple[Books, Sessions]) -> None:
    books, sessions = two
    figures, made = both(books, sessions, grid=2)
    # first: buys 500 for 5: value 995. Day 1: +50. Day 2: 550 -> 440, worth 935, buys 27.5 for 0.275: 934.725
    # day 3: 467.5 -> 607.75, worth 1074.975. Day 4: 668.525, worth 1135.75, wants 454.3, sells 214.225 for 2.14225: 1133.60775
    # day 5: 454.3 + 22.715: 1156.32275
    value = [995, 1045, 934.725, 1074.975, 1133.60775, 1156.32275]
    net = [-0.005, *(b / a - 1 for a, b in pairwise(value))]
    gross = [0, 50 / 995, -110 / 1045, 140.25 / 934.725, 60.775 / 1074.975, 22.715 / 1133.60775]
    # other: day 1: 995; day 2: 500 -> 400: 895; day 3: 520, worth 1015, wants 507.5, sells 12.5 for 0.125: 1014.875
    # day 4: 558.25, worth 1065.625, buys 106.5625 for 1.065625: 1064.559375; day 5: 664.8125 x 1.05: +33.240625
    other = [995, 895, 1014.875, 1064.559375, 1097.8]
    net_other = [-0.005, *(b / a - 1 for a, b in pairwise(other))]
    assert made.daily["net"].to_list() == pytest.approx([net[0], *((a + b) / 2 for a, b in zip(net[1:], net_other, strict=True))])
    assert made.daily["n_accounts"].to_list() == [1, 2, 2, 2, 2, 2]
    assert made.daily["gross"][:2].to_list() == pytest.approx([0, gross[1] / 2])
    assert made.daily["fees"][:3].to_list() == pytest.approx([0.005, 0.0025, 0.275 / 1045 / 2])
    assert made.daily["wealth_net"][1] == pytest.approx((1 + net[0]) * (1 + (net[1] - 0.005) / 2))
    assert made.by_offset["opened"].to_list() == [date(2020, 1, 1), date(2020, 1, 2)]
    assert made.by_offset["final_value"].to_list() == pytest.approx([1156.32275, 1097.8])
    a_year = 5 / 7 * 365.25  # from the Wednesday to the Wednesday after
    assert figures.sessions_per_year == pytest.approx(a_year)
    assert made.by_offset["net_annual_mean"][0] == pytest.approx(sum(net) / 6 * a_year)
    assert made.by_offset["gross_annual_mean"][0] == pytest.approx(sum(gross) / 6 * a_year)
    assert figures.net["annual_return"].max == pytest.approx((1156.32275 / 1000) ** (a_year / 6) - 1)
    assert figures.net["annual_return"].min == pytest.approx((1097.8 / 1000) ** (a_year / 5) - 1)
    # turnover: 27.5 and 214.225 of 935 and 1135.75; then 12.5 of 1015 with its retry, 106.5625 of 1065.625
    turned = [(27.5 / 935 + 214.225 / 1135.75) / 4, (12.5 / 1015 + 0.1) / 2]
    assert made.by_offset["per_rebalance"].to_list() == pytest.approx(turned)
    assert figures.turnover.mean == pytest.approx(sum(turned) / 2 * a_year / 2)
    assert figures.rebalances == 3
    held = [500 / 995, 550 / 1045, 467.5 / 934.725, 607.75 / 1074.975, 454.3 / 1133.60775, 477.015 / 1156.32275]
    assert made.by_offset["exposure"][0] == pytest.approx(sum(held) / 6)
    assert made.by_offset["cash"][0] == pytest.approx(1 - sum(held) / 6)
    assert (figures.long_names.mean, figures.short_names.mean) == (1.0, 0.0)


def test_grid_returns_by_hand(two: tuple[Books, Sessions]) -> None:
    made = both(*two, grid=2)[1].grid_returns
    day = [each.item() for each in two[1].dates]
    assert made.select("offset", "start", "end").rows() == [(0, day[0], day[2]), (0, day[2], day[4]), (1, day[1], day[3])]
    assert made["net"].to_list() == pytest.approx([0.934725 - 1, 1133.60775 / 934.725 - 1, 1.014875 - 1])
    assert made["gross"].to_list() == pytest.approx(
        [(1045 / 995) * (935 / 1045) - 1, 1074.975 / 934.725 * 1135.75 / 1074.975 - 1, 1015 / 995 - 1]
    )


def test_blocked_orders_by_hand(two: tuple[Books, Sessions]) -> None:
    figures, made = both(*two, grid=2)
    traded = 500 + 27.5 + 214.225 + 500 + 12.5  # the retry of day 4 is no rebalance
    assert made.blocked["reason"].to_list() == list(BLOCKED)
    assert made.blocked.row(1) == ("limit_up", 1, 1, 30.0, pytest.approx(30 / (traded + 30)))
    assert made.blocked["orders"].sum() == 1
    assert figures.blocked_orders["limit_up"] == 1
    assert figures.blocked_share["limit_up"] == pytest.approx(30 / (traded + 30))


def test_the_benchmark_starts_where_an_account_is_opened(two: tuple[Books, Sessions]) -> None:
    side = Benchmark(name="IDX", returns=np.array([np.nan, 0.02, -0.01, 0.03, 0.0, 0.01]), is_total_return=True, notes=())
    figures, made = both(*two, grid=2, benchmark=side)
    assert made.daily["benchmark"].to_list() == pytest.approx([0.0, 0.01, -0.01, 0.03, 0.0, 0.01])  # day 1: half of it was just bought
    assert (made.daily["net"] - made.daily["benchmark"]).to_list() == pytest.approx(made.daily["active"].to_list())
    assert figures.benchmark is not None
    assert figures.benchmark.n_sessions == 5
    assert figures.benchmark.annual_mean == pytest.approx(0.05 / 5 * figures.sessions_per_year)
    own = [0.0, 0.02, -0.01, 0.03, 0.0, 0.01]
    value = [1000, 995, 1045, 934.725, 1074.975, 1133.60775, 1156.32275]
    gaps = [b / a - 1 - side for a, b, side in zip(value[:-1], value[1:], own, strict=True)]
    assert made.by_offset["active_active_return"][0] == pytest.approx(sum(gaps) / 6 * figures.sessions_per_year)
    assert figures.active is not None
    assert figures.active["tracking_error"].max >= figures.active["tracking_error"].mean >= figures.active["tracking_error"].min
    early = replace(side, returns=np.array([0.5, 0.02, -0.01, 0.03, 0.0, 0.01]))  # before the close at which the first account is opened
    assert both(*two, grid=2, benchmark=early)[0] == figures
    absent = replace(side, returns=np.array([np.nan, 0.02, np.nan, 0.03, 0.0, 0.01]))
    with pytest.raises(SettingError, match="'IDX' lacks 1 sessions of the portfolio, the first 2020-01-03"):
        both(*two, grid=2, benchmark=absent)
    with pytest.raises(SettingError, match="has 4 sessions, the portfolio 6"):
        both(*two, grid=2, benchmark=replace(side, returns=np.zeros(4)))


# ---------------------------------------------------------------- against plain loops


def naive_days(books: Books) -> pd.DataFrame:
    """Mean returns and costs by session, walking every account with its own last value."""
    rows: dict[int, dict[str, list[float]]] = {}
    for a in range(books.offsets.size):
        before = CAPITAL
        for s in range(books.value.shape[1]):
            if math.isnan(books.value[a, s]):
                continue
            day = rows.setdefault(s, {name: [] for name in ("gross", "net", "fees", "impact", "borrow")})
            day["net"].append(books.value[a, s] / before - 1)
            day["gross"].append(books.pnl[a, s] / before)
            for name in ("fees", "impact", "borrow"):
                day[name].append(getattr(books, name)[a, s] / before)
            before = books.value[a, s]
    frame = pd.DataFrame({s: {name: sum(each) / len(each) for name, each in day.items()} for s, day in rows.items()}).T
    return frame.assign(n_accounts=[len(day["net"]) for day in rows.values()])


@pytest.mark.parametrize("long_only", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_against_a_plain_loop(seed: int, long_only: bool) -> None:
    sessions = weekdays(90, start="2020-10-01")
    books, _ = random_accounts(seed, long_only=long_only)
    side = index(sessions) if long_only else None
    figures, made = both(books, sessions, benchmark=side)
    days = naive_days(books)
    first = int(days.index[0])
    for name in days.columns:
        # means of five numbers of order .01: rounding far below 1e-12
        assert made.daily[name].to_list() == pytest.approx(days[name].to_list(), abs=1e-13)
    wealth = (1 + days["net"]).cumprod()
    assert made.daily["wealth_net"].to_list() == pytest.approx(wealth.to_list())
    assert made.daily["wealth_gross"].to_list() == pytest.approx((1 + days["gross"]).cumprod().to_list())
    a_year = figures.sessions_per_year
    by_year = days.assign(date=pd.to_datetime(sessions.dates[first:]))
    for row, (year, part) in zip(made.years.iter_rows(named=True), by_year.groupby(by_year["date"].dt.year), strict=True):
        assert (row["year"], row["n_sessions"], row["months"]) == (year, len(part), part["date"].dt.month.nunique())
        assert row["net"] == pytest.approx((1 + part["net"]).prod() - 1)
        assert row["gross"] == pytest.approx((1 + part["gross"]).prod() - 1)
        if side is not None:
            held = made.daily["benchmark"].to_numpy()[(by_year["date"].dt.year == year).to_numpy()]
            assert row["benchmark"] == pytest.approx(np.prod(1 + held) - 1)
            assert row["active"] == pytest.approx(row["net"] - row["benchmark"])
        assert row["sharpe_net"] == pytest.approx(part["net"].mean() / part["net"].std() * math.sqrt(a_year))
        inside = np.concatenate([[1.0], (1 + part["net"]).cumprod()])
        assert row["max_drawdown"] == pytest.approx(
            max(1 - inside[j] / inside[i] for i in range(inside.size) for j in range(i, inside.size))
        )
    turned, grid = naive_grid(books)
    assert made.by_offset["per_rebalance"].to_list() == pytest.approx([sum(each) / len(each) for each in turned])
    days_a_rebalance = [np.diff(np.flatnonzero(each)) for each in books.rebalanced]
    assert max(each.max() for each in days_a_rebalance) > 5  # some were skipped
    assert made.by_offset["rebalance_sessions"].to_list() == pytest.approx([each.mean() for each in days_a_rebalance])
    assert made.by_offset["turnover"].to_list() == pytest.approx(
        [sum(each) * a_year / apart.sum() for each, apart in zip(turned, days_a_rebalance, strict=True)]
    )
    assert figures.rebalances == sum(len(each) for each in turned)
    assert made.grid_returns["net"].to_list() == pytest.approx([net for _, _, net, _ in grid])
    assert made.grid_returns["gross"].to_list() == pytest.approx([gross for _, _, _, gross in grid])
    assert made.grid_returns["start"].to_list() == [sessions.dates[s].item() for _, s, _, _ in grid]
    assert figures.net["hit_rate"].mean == pytest.approx(np.mean([np.mean([net > 0 for a, _, net, _ in grid if a == k]) for k in range(5)]))
    assert figures.together_net.hit_rate == pytest.approx(np.mean([net > 0 for _, _, net, _ in grid]))
    counted = {
        name: int(sum(books.blocked[a, s, k] for a, s in zip(*np.nonzero(books.rebalanced), strict=True))) for k, name in enumerate(BLOCKED)
    }
    assert dict(figures.blocked_orders) == counted
    assert sum(counted.values()) > 0
    assert figures.delisted.mean == pytest.approx(books.delisted.sum() / 5)
    assert figures.exposure.mean == pytest.approx(
        np.mean([np.nanmean((books.long_value[a] + books.short_value[a]) / books.value[a]) for a in range(5)])
    )
    assert figures.long_names.mean == pytest.approx(np.mean([books.long_names[a, np.isfinite(books.value[a])].mean() for a in range(5)]))


def naive_grid(books: Books) -> tuple[list[list[float]], list[tuple[int, int, float, float]]]:
    """Turnover of each rebalance after the first, and the returns between rebalances, session by session."""
    turned: list[list[float]] = []
    grid: list[tuple[int, int, float, float]] = []
    for a in range(books.offsets.size):
        mine: list[float] = []
        net = gross = 1.0
        start, before = -1, CAPITAL
        for s in range(books.value.shape[1]):
            if math.isnan(books.value[a, s]):
                continue
            net, gross = net * books.value[a, s] / before, gross * (1 + books.pnl[a, s] / before)
            before = books.value[a, s]
            if books.rebalanced[a, s]:
                if start >= 0:
                    grid.append((a, start, net - 1, gross - 1))
                    net = gross = 1.0
                    mine.append(0.0)
                start = s
            if mine:
                mine[-1] += books.turned[a, s]
        turned.append(mine)
    return turned, grid


def test_turnover_is_that_of_the_score_where_nothing_costs_or_blocks() -> None:
    returns, rng = market(11, sessions=40), np.random.default_rng(3)
    traded = np.isfinite(returns)
    scores = rng.normal(size=returns.shape)
    sessions = weekdays(40)
    parts = []
    for offset in range(5):
        plans = {}
        for day in range(offset, 40, 5):
            order = np.argsort(scores[day])
            plans[day] = {**{int(i): 0.25 for i in order[-4:]}, **{int(i): -0.25 for i in order[:4]}}
        long_only = {day: {i: w for i, w in each.items() if w > 0} for day, each in plans.items()}
        parts.append(keep(returns, Plan(rebalances=long_only, fee=0.0), offset=offset)[0])
        mirrored = {day: {i: -w for i, w in each.items() if w < 0} for day, each in plans.items()}
        parts.append(keep(returns, Plan(rebalances=mirrored, fee=0.0), offset=offset + 5)[0])
    made = portfolio_figures(stack(parts), sessions, capital=CAPITAL, grid_sessions=5)
    wanted = turnover(scores, returns, traded, sessions, grid_sessions=5, quantiles=2)
    assert made.rebalance_sessions == Spread(mean=5.0, min=5.0, max=5.0)
    assert made.turnover.mean == pytest.approx(wanted.annual, rel=1e-12)
    assert made.per_rebalance.mean == pytest.approx(wanted.per_rebalance, rel=1e-12)


# ---------------------------------------------------------------- properties


@pytest.mark.parametrize("seed", range(3))
def test_costs_lie_between_gross_and_net(seed: int) -> None:
    sessions = weekdays(90)
    books, _ = random_accounts(seed)
    figures, made = both(books, sessions)
    daily = made.daily
    assert (daily["gross"] >= daily["net"]).all()
    gap = daily["gross"] - daily["fees"] - daily["impact"] - daily["borrow"] - daily["net"]
    assert gap.abs().max() < 1e-14
    assert figures.gross["annual_mean"].mean - figures.fees.mean - figures.impact.mean - figures.borrow.mean == pytest.approx(
        figures.net["annual_mean"].mean, abs=1e-12
    )
    assert min(figures.fees.min, figures.impact.min, figures.borrow.min) > 0
    accounts = account_returns(books, capital=CAPITAL)
    periods = grid_periods(books, accounts)
    for a in range(5):  # the periods and the open end make up the whole
        end = periods.end[periods.account == a][-1]
        whole = np.prod(1 + periods.net[periods.account == a]) * np.prod(1 + accounts.net[a, end + 1 :])
        assert CAPITAL * whole == pytest.approx(books.value[a, -1])
    assert figures.net["sharpe"].min <= figures.net["sharpe"].mean <= figures.net["sharpe"].max


def test_the_size_of_the_money_changes_no_ratio() -> None:
    sessions, by = weekdays(90), 2.0**20  # a power of two scales without rounding
    books, _ = random_accounts(1)
    plain = portfolio_frames(books, sessions, capital=CAPITAL, grid_sessions=5)
    large = portfolio_frames(scaled(books, by), sessions, capital=CAPITAL * by, grid_sessions=5)
    assert plain.daily.equals(large.daily)
    assert plain.years.equals(large.years)
    assert plain.grid_returns.equals(large.grid_returns)
    assert plain.by_offset.drop("final_value").equals(large.by_offset.drop("final_value"))
    assert (large.blocked["value"] / by).to_list() == plain.blocked["value"].to_list()


def test_later_sessions_change_no_earlier_day() -> None:
    sessions = weekdays(90)
    books, _ = random_accounts(2)
    side = index(sessions)
    whole = portfolio_frames(books, sessions, capital=CAPITAL, grid_sessions=5, benchmark=side)
    part = portfolio_frames(
        cut(books, 50),
        Sessions(sessions.dates[:50], sessions.ordinals[:50], "bars"),
        capital=CAPITAL,
        grid_sessions=5,
        benchmark=replace(side, returns=side.returns[:50]),
    )
    assert part.daily.equals(whole.daily.head(part.daily.height))
    keys = part.grid_returns.select("offset", "start")
    assert part.grid_returns.equals(keys.join(whole.grid_returns, on=["offset", "start"], maintain_order="left"))


def test_every_setting_matters() -> None:
    sessions = weekdays(90)
    books, _ = random_accounts(1)
    plain = portfolio_figures(books, sessions, capital=CAPITAL, grid_sessions=5)
    assert portfolio_figures(books, sessions, capital=CAPITAL * 1.1, grid_sessions=5).net["annual_return"] != plain.net["annual_return"]
    assert "rebalanced every 5." in str(plain)  # with the skipped ones
    whole = portfolio_figures(
        keep(market(1), Plan(rebalances={day: {0: 0.5} for day in range(0, 90, 5)}))[0], sessions, capital=CAPITAL, grid_sessions=5
    )
    assert "rebalanced every 5 sessions" in str(whole)
    other = portfolio_figures(one_build(90), sessions, capital=CAPITAL, grid_sessions=10)
    assert "rebalanced every 10 sessions" in str(other)  # the grid that was asked for, as nothing was rebalanced
    assert portfolio_figures(books, sessions, capital=CAPITAL, grid_sessions=5, benchmark=index(sessions)).active is not None


# ---------------------------------------------------------------- lives that end


def test_a_ruined_account_loses_everything_once() -> None:
    returns = np.array([[0.0], [0.5], [0.8], [0.3], [0.1], [0.0]])
    dead = keep(returns, Plan(rebalances={0: {0: -1.0}, 3: {0: -1.0}}, fee=0.001, borrow=0.001))[0]
    alive = keep(returns, Plan(rebalances={1: {0: 0.5}, 4: {0: 0.5}}, fee=0.0), offset=1)[0]
    books, sessions = stack([dead, alive]), weekdays(6)
    accounts = account_returns(books, capital=CAPITAL)
    assert accounts.ruined.tolist() == [2, -1]
    assert accounts.net[0, 2] == -1.0
    assert np.isnan(accounts.net[0, 3:]).all()
    figures, made = both(books, sessions, grid=3)
    assert dict(figures.ruined) == {0: date(2020, 1, 3)}
    assert (figures.net["annual_return"].min, figures.net["max_drawdown"].max) == (-1.0, 1.0)
    assert made.daily["n_accounts"].to_list() == [1, 2, 2, 1, 1, 1]
    assert made.grid_returns.row(0)[:4] == (0, date(2020, 1, 1), date(2020, 1, 3), -1.0)  # its last period ends with it
    assert made.by_offset["last"].to_list() == [date(2020, 1, 3), date(2020, 1, 8)]
    assert made.by_offset["ruined"].to_list() == [date(2020, 1, 3), None]
    assert "1 account ruined, the first on 2020-01-03" in str(figures)
    alone = portfolio_frames(dead, sessions, capital=CAPITAL, grid_sessions=3)
    assert alone.daily["date"].to_list() == [each.item() for each in sessions.dates[:3]]
    assert alone.daily["wealth_net"][-1] == 0.0


def test_a_closed_out_account_ends_when_it_holds_nothing() -> None:
    returns = np.full((10, 2), 0.01)
    plan = Plan(
        rebalances={0: {0: 0.5, 1: -0.5}, 2: {0: 0.5, 1: -0.5}, 4: {0: 0.2}, 6: {}, 8: {}},
        late={5: {0: -0.1}},
        closed_out=4,
        exposure=1.0,
    )
    books, sessions = keep(returns, plan)[0], weekdays(10)
    assert books.long_names[0].tolist() == [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    accounts = account_returns(books, capital=CAPITAL)
    assert accounts.last.tolist() == [6]
    figures, made = both(books, sessions, grid=2)
    assert dict(figures.closed_out) == {0: date(2020, 1, 7)}
    assert figures.rebalances == 1  # neither the first build nor the closing out
    assert made.by_offset["per_rebalance"][0] == pytest.approx(books.turned[0, 2:4].sum())
    assert made.grid_returns["end"].to_list() == [sessions.dates[2].item(), sessions.dates[4].item()]
    assert "1 account closed out because short sales were no longer allowed, the first on 2020-01-07; figures end there" in str(figures)
    idle = replace(books, closed_out=np.array([-1]))
    assert portfolio_figures(idle, sessions, capital=CAPITAL, grid_sessions=2).net["volatility"] != figures.net["volatility"]


def wound_up(sessions: int = 60) -> Books:
    """A long-short account of the ledger, closed out on session 11 with one name suspended from session 8 on; rebalanced every 5."""
    returns = 0.01 * np.random.default_rng(5).normal(size=(sessions, 4))
    returns[8:50, 3] = np.nan
    shorting = np.arange(sessions) < 10
    wanted = {(row, 0): {0: 0.5, 1: 0.5, 2: -0.5, 3: -0.5} for row in range(0, sessions - 1, 5)}
    terms = replace(FREE, capital=CAPITAL, short_exposure=1.0, retry_sessions=3)
    return simulate(targets_of(wanted), open_tape(returns, shorting=shorting), terms)[0]


def test_a_suspended_leftover_keeps_no_account_alive() -> None:
    books, sessions = wound_up(), weekdays(60)
    assert books.closed_out.tolist() == [11]
    assert books.short_names[0, 11:50].tolist() == [1] * 39
    assert books.rebalanced[0, 16]
    accounts = account_returns(books, capital=CAPITAL, retry_sessions=3)
    assert (accounts.opened.tolist(), accounts.last.tolist()) == ([1], [14])
    assert (accounts.left_names.tolist(), accounts.left_share[0]) == ([1], books.short_value[0, 14] / books.value[0, 14])
    assert account_returns(books, capital=CAPITAL, retry_sessions=0).last.tolist() == [11]
    made = portfolio_record(
        "R", books, sessions, capital=CAPITAL, grid_sessions=5, retry_sessions=3, settings={}, rules=("cn", "0"), notes=("first",)
    )
    assert made.figures.net["n_sessions"].max == 14
    assert made.grid_returns["end"].to_list() == [sessions.dates[each].item() for each in (6, 11)]
    assert made.figures.rebalances == 1
    assert made.blocked["orders"].sum() == books.blocked[0, :12][books.rebalanced[0, :12]].sum()
    share = 100 * accounts.left_share[0]
    assert made.notes == (
        "first",
        "1 of 1 closed-out accounts end with positions that could not be sold in time, 1 in all, "
        f"{share:.2f} % of an account on average and {share:.2f} % at most: they stand at their last value, "
        "and what became of them later is in no figure",
    )
    later = account_returns(books, capital=CAPITAL, retry_sessions=45)
    assert (later.last.tolist(), later.left_names.tolist(), later.left_share.tolist()) == ([51], [0], [0.0])  # sold by then
    assert grid_periods(books, later).end.tolist() == [6, 11]


def test_an_account_opens_with_its_first_trade() -> None:
    # nothing can be traded on sessions 1 to 6, so that the rebalance of session 1 does nothing, and that of session 6 is filled on 7
    rng, sessions = np.random.default_rng(6), weekdays(40)
    returns = 0.01 * rng.normal(size=(40, 4))
    returns[1:7] = np.nan
    wanted = {(row, 0): {(row // 5) % 4: 0.5, (row // 5 + 1) % 4: 0.5} for row in range(0, 39, 5)}
    books = simulate(targets_of(wanted), open_tape(returns), replace(FREE, capital=CAPITAL, retry_sessions=2))[0]
    assert np.flatnonzero(books.rebalanced[0]).tolist() == list(range(1, 40, 5))
    assert int(np.argmax(books.traded[0] > 0)) == 7
    accounts = account_returns(books, capital=CAPITAL)
    assert accounts.opened.tolist() == [7]
    figures, made = both(books, sessions, benchmark=index(sessions))
    assert made.daily["date"][0] == sessions.dates[7].item()
    assert made.daily["benchmark"][0] == 0.0
    assert figures.net["n_sessions"].mean == 33
    # the rebalances of 11, 16, ... are turnover, each half or all of the account; those of 1 and 6 with its retry are the build
    turned = [books.turned[0, at : at + 5].sum() for at in range(11, 40, 5)]
    assert figures.rebalances == 6
    assert figures.per_rebalance.mean == pytest.approx(sum(turned) / 6)
    assert figures.turnover.mean == pytest.approx(sum(turned) / 6 * figures.sessions_per_year / 5, rel=1e-12)
    assert made.years["turnover"].to_list() == pytest.approx([sum(turned)])
    assert made.grid_returns["start"].to_list()[:2] == [sessions.dates[7].item(), sessions.dates[11].item()]
    assert made.grid_returns["net"][0] == pytest.approx(books.value[0, 11] / CAPITAL - 1)
    assert figures.blocked_orders["suspended"] == books.blocked[0, [1, 6]].sum() == 4  # they count, though nothing was held yet
    shut = simulate(targets_of(wanted), open_tape(returns, tradable=np.zeros((40, 4), dtype=bool)), replace(FREE, capital=CAPITAL))[0]
    figures = both(stack([books, replace(shut, offsets=np.array([1]))]), sessions)[0]
    assert (figures.n_accounts, figures.never_opened) == (1, (1,))


def test_turnover_a_year_counts_the_rebalances_that_were() -> None:
    returns, sessions = np.zeros((101, 2)), weekdays(101)
    plan = Plan(rebalances={day: {k % 2: 1.0} for k, day in enumerate((0, 10, 40, 100))}, fee=0.0)
    figures = portfolio_figures(keep(returns, plan)[0], sessions, capital=CAPITAL, grid_sessions=5)
    assert figures.per_rebalance.mean == pytest.approx(1.0)
    assert figures.rebalance_sessions.mean == pytest.approx(100 / 3)
    assert figures.turnover.mean == pytest.approx(3 * figures.sessions_per_year / 100)
    assert "rebalanced every 33.3 [33.3, 33.3] sessions" in str(figures)


def test_an_account_that_never_opens_has_an_empty_row() -> None:
    books, _ = random_accounts(1)
    value, pnl = books.value.copy(), books.pnl.copy()
    value[2] = pnl[2] = np.nan
    rebalanced = books.rebalanced.copy()
    rebalanced[2] = False
    partly = replace(books, value=value, pnl=pnl, rebalanced=rebalanced)
    sessions = weekdays(90)
    figures, made = both(partly, sessions, benchmark=index(sessions))
    assert (figures.n_accounts, figures.never_opened) == (4, (2,))
    row = made.by_offset.row(2, named=True)
    assert (row["offset"], row["opened"], row["net_sharpe"], row["net_n_sessions"], row["active_beta"]) == (2, None, None, 0, None)
    others = stack([Books(**{n: getattr(books, n)[a : a + 1] for n in Books.__slots__}) for a in (0, 1, 3, 4)])
    assert figures.net == portfolio_figures(others, sessions, capital=CAPITAL, grid_sessions=5).net
    assert "1 account never opened" in str(figures)


def test_nothing_opened_is_refused() -> None:
    books, _ = random_accounts(1)
    empty = replace(books, value=np.full_like(books.value, np.nan), pnl=np.full_like(books.pnl, np.nan))
    for call in (portfolio_figures, portfolio_frames):
        with pytest.raises(
            InsufficientDataError, match="none of 5 accounts was opened within 90 sessions: no order of a rebalance could be filled"
        ):
            call(empty, weekdays(90), capital=CAPITAL, grid_sessions=5)


def test_bad_settings_are_refused() -> None:
    books, _ = random_accounts(1)
    for capital in (0.0, -5.0, math.nan, math.inf):
        with pytest.raises(SettingError, match="capital must be above 0 and finite"):
            portfolio_figures(books, weekdays(90), capital=capital, grid_sessions=5)
    for retries in (-1, 2.5, True):
        with pytest.raises(SettingError, match="retry_sessions must be a whole number of at least 0"):
            portfolio_figures(books, weekdays(90), capital=CAPITAL, grid_sessions=5, retry_sessions=retries)  # type: ignore[arg-type]
    for grid in (0, 2.5, True):
        with pytest.raises(SettingError, match="grid_sessions must be a whole number of at least 1"):
            portfolio_figures(books, weekdays(90), capital=CAPITAL, grid_sessions=grid)  # type: ignore[arg-type]


# ---------------------------------------------------------------- tables and records

DAILY = {
    "date": pl.Date,
    **dict.fromkeys(("gross", "net", "fees", "impact", "borrow", "benchmark", "active"), pl.Float64),
    "n_accounts": pl.Int64,
    "wealth_net": pl.Float64,
    "wealth_gross": pl.Float64,
}
GRID = {"offset": pl.Int64, "start": pl.Date, "end": pl.Date, "net": pl.Float64, "gross": pl.Float64}
YEARS = {
    "year": pl.Int64,
    "first": pl.Date,
    "last": pl.Date,
    "months": pl.Int64,
    "partial": pl.Boolean,
    "n_sessions": pl.Int64,
    **dict.fromkeys(("gross", "net", "benchmark", "active", "sharpe_net", "max_drawdown", "turnover"), pl.Float64),
}
BLOCKED_ORDERS = {"reason": pl.String, "orders": pl.Int64, "retries": pl.Int64, "value": pl.Float64, "value_share": pl.Float64}


def one_build(sessions: int) -> Books:
    """An account that is built once and held."""
    return keep(np.zeros((sessions, 1)), Plan(rebalances={0: {0: 0.9}}))[0]


def test_schemas_hold_also_where_nothing_is_known() -> None:
    sessions = weekdays(90)
    books, _ = random_accounts(1)
    full = both(books, sessions, benchmark=index(sessions))[1]
    for made in (full, both(one_build(90), sessions)[1], both(one_build(1), weekdays(1))[1]):
        assert made.daily.schema == DAILY
        assert made.grid_returns.schema == GRID
        assert made.years.schema == YEARS
        assert made.blocked.schema == BLOCKED_ORDERS
        assert made.by_offset.schema == full.by_offset.schema
        assert not any(each.is_nan().any() for each in made.by_offset.iter_columns() if each.dtype == pl.Float64)
    single = both(one_build(90), sessions)[1]
    assert (single.grid_returns.height, single.by_offset["net_t_ewc"].null_count()) == (0, 0)
    assert single.by_offset["turnover"].to_list() == [None]
    assert single.daily["benchmark"].null_count() == single.daily.height


@pytest.mark.parametrize(
    ("start", "count", "partial"),
    [
        ("2020-01-01", 262, [False]),
        ("2020-01-10", 255, [False]),
        ("2020-01-13", 254, [True]),
        ("2020-01-01", 254, [False]),
        ("2020-01-01", 253, [True]),
        ("2020-06-01", 262, [True, True]),
        ("2021-01-01", 253, [False]),  # to 21 December, a Tuesday
        ("2021-01-01", 252, [True]),
        ("2021-01-11", 255, [True]),  # a Monday
    ],
)
def test_partial_years_are_flagged(start: str, count: int, partial: list[bool]) -> None:
    sessions = weekdays(count, start=start)
    years = both(one_build(count), sessions)[1].years
    assert years["partial"].to_list() == partial, years


def test_turnover_by_year_leaves_the_first_build_out() -> None:
    returns = np.zeros((20, 2))
    plan = Plan(rebalances={0: {0: 1.0}, 5: {1: 1.0}, 15: {0: 0.5, 1: 0.5}}, fee=0.0)
    sessions = weekdays(20, start="2020-12-21")
    years = both(keep(returns, plan)[0], sessions)[1].years
    assert sessions.dates[9] == np.datetime64("2021-01-01")
    assert years["turnover"].to_list() == pytest.approx([1.0, 0.5])
    late = keep(returns, Plan(rebalances={12: {0: 1.0}}), offset=1)[0]  # it does not live in the first year
    assert both(stack([keep(returns, plan)[0], late]), sessions)[1].years["turnover"].to_list() == pytest.approx([1.0, 0.25])


def record(seed: int = 3) -> Portfolio:
    """A long-only portfolio with everything in it."""
    sessions = weekdays(90)
    books, _ = random_accounts(seed, long_only=True)
    return portfolio_record(
        "R, long only",
        books,
        sessions,
        capital=CAPITAL,
        grid_sessions=5,
        settings={"kind": "long_only", "participation": None, "since": date(2020, 1, 1), "limit": math.inf},
        rules=("cn", "0123456789abcdef"),
        approximate=True,
        benchmark=index(sessions),
        skipped={"with fewer than 10 names": 2},
        notes=("a note",),
    )


def test_the_record_prints_what_matters() -> None:
    made = record()
    text = str(made)
    figures = made.figures
    assert text.startswith("R, long only (rules cn 0123456789ab)\n")
    for said in (
        f"gross of costs: {100 * figures.gross['annual_return'].mean:+.1f} %",
        f"net of costs: {100 * figures.net['annual_return'].mean:+.1f} %",
        f"costs a year: fees {100 * figures.fees.mean:.1f} %",
        f"turnover, one way: {figures.turnover.mean:.2f} [",
        f"largest drawdown {100 * figures.net['max_drawdown'].mean:.1f} %",
        f"gross exposure held {figures.exposure.mean:.2f} [",
        "benchmark IDX: ",
        "information ratio ",
        "orders not filled in full at a rebalance: suspended ",
        "names paid out an account: ",
        "skipped: 2 rebalances, with fewer than 10 names",
        "limits inferred from returns: approximate",
        "note: a note",
        "note: IDX is a price index",
    ):
        assert said in text, said
    plain = str(replace(made, approximate=False, notes=(), skipped={}))
    assert "approximate" not in plain
    assert "note" not in plain
    bare = str(portfolio_figures(one_build(30), weekdays(30), capital=CAPITAL, grid_sessions=5))
    assert "benchmark" not in bare
    assert "at a rebalance: none" in bare


def test_the_record_turns_into_json() -> None:
    made = record()
    read = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert read["figures"]["net"]["sharpe"]["mean"] == made.figures.net["sharpe"].mean
    assert read["figures"]["first"] == str(made.figures.first)
    assert read["settings"] == {"kind": "long_only", "participation": None, "since": "2020-01-01", "limit": None}
    assert read["rules"] == {"name": "cn", "digest": "0123456789abcdef"}
    assert read["approximate"] is True
    assert read["years"][0]["year"] == 2020
    assert read["figures"]["together_active"]["beta"] == made.figures.together_active.beta  # type: ignore[union-attr]


def test_the_order_of_accounts_does_not_matter() -> None:
    sessions = weekdays(90)
    books, _ = random_accounts(4)
    turned = Books(**{name: getattr(books, name)[::-1] for name in Books.__slots__})
    made, other = both(books, sessions)[1], both(turned, sessions)[1]
    np.testing.assert_allclose(array(made.daily), array(other.daily), atol=1e-15)  # sums of five numbers in another order
    assert made.grid_returns.equals(other.grid_returns.sort("offset", "start"))
    assert made.by_offset.equals(other.by_offset.sort("offset"))


def array(daily: pl.DataFrame) -> FloatArray:
    """Returns and costs of a daily table."""
    return daily.select("gross", "net", "fees", "impact", "borrow").to_numpy()
