"""The benchmark: returns from the table, what is missing or mistaken, and the figures beside it."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.evaluate.portfolio.benchmark import load_benchmark
from pureplay.evaluate.portfolio.performance import active_figures
from pureplay.sessions import Sessions
from tests.evaluate.portfolio.ledger import weekdays

DAYS = 8
LEVELS = [100.0, 110, 99, 99, 108.9, 120, 90, 99]


def table(**columns: object) -> pl.DataFrame:
    """Levels of one index on every session, and a second index that must not leak in."""
    days = [day.item() for day in weekdays(DAYS).dates]
    mine = pl.DataFrame({"index": ["AAA"] * DAYS, "date": days, "close": LEVELS, **columns})
    return pl.concat([mine, mine.with_columns(pl.lit("BBB").alias("index"), close=pl.col("close") * 7 + 1)])


def data(frame: pl.DataFrame | None = None) -> Dataset:
    """A dataset with a benchmarks table."""
    return Dataset.from_frames({"benchmarks": table() if frame is None else frame})


@pytest.fixture
def sessions() -> Sessions:
    return weekdays(DAYS)


def test_returns_come_from_the_levels(sessions: Sessions) -> None:
    made = load_benchmark(data(), "AAA", sessions, 0, DAYS - 1)
    assert made.returns[1:].tolist() == pytest.approx([0.1, -0.1, 0.0, 0.1, 120 / 108.9 - 1, -0.25, 0.1])
    assert np.isnan(made.returns[0])
    assert (made.name, made.is_total_return) == ("AAA", None)
    assert made.notes == (
        "AAA does not say whether its dividends are in it; if it is a price index, the comparison flatters the portfolio",
    )


def test_a_stated_return_comes_first_and_levels_fill_it(sessions: Sessions) -> None:
    stated = [None, 0.2, None, 0.0, 0.1, None, -0.25, 0.1]
    frame = table(ret=stated, is_total_return=[True] * DAYS)
    made = load_benchmark(data(frame), "AAA", sessions, 0, DAYS - 1)
    assert made.returns[1:].tolist() == pytest.approx([0.2, -0.1, 0.0, 0.1, 120 / 108.9 - 1, -0.25, 0.1])
    assert made.is_total_return is True
    assert made.notes == (
        "AAA: 2 of 7 returns are changes of its level, the others are as stated",
        "AAA: 1 of 7 stated returns differ from the change of its level by more than 1 bp",
    )


def test_the_span_leaves_the_rest_out(sessions: Sessions) -> None:
    made = load_benchmark(data(), "AAA", sessions, 2, 5)
    assert np.flatnonzero(np.isfinite(made.returns)).tolist() == [3, 4, 5]
    assert np.flatnonzero(np.isfinite(load_benchmark(data(), "AAA", sessions, 3, 3).returns)).size == 0
    for first, last in ((-1, 3), (3, 2), (0, DAYS)):
        with pytest.raises(SettingError, match="the span must lie within rows 0 to 7, first before last"):
            load_benchmark(data(), "AAA", sessions, first, last)


@pytest.mark.parametrize(
    ("flags", "total", "note"),
    [
        ([True] * DAYS, True, None),
        ([False] * DAYS, False, "AAA is a price index: its dividends are not in it"),
        ([True] * (DAYS - 1) + [None], False, "AAA is a price index: its dividends are not in it"),
        ([True] * (DAYS - 1) + [False], False, "AAA is a price index: its dividends are not in it"),
        ([None] * DAYS, None, "AAA does not say whether its dividends are in it"),
    ],
)
def test_it_says_where_dividends_are_not_in_it(sessions: Sessions, flags: list[bool | None], total: bool | None, note: str | None) -> None:
    frame = table().with_columns(is_total_return=pl.Series(flags * 2, dtype=pl.Boolean))
    made = load_benchmark(data(frame), "AAA", sessions, 0, DAYS - 1)
    assert made.is_total_return is total
    assert len(made.notes) == (0 if note is None else 1)
    assert note is None or made.notes[0].startswith(note)


def test_missing_days_are_named(sessions: Sessions) -> None:
    day = sessions.dates[3].item()
    frame = table().filter(pl.col("date") != day)
    said = rf"'AAA' has no return on 2 of 7 sessions between 2020-01-01 and 2020-01-10 \({day}, {sessions.dates[4]}\).*add the missing rows"
    with pytest.raises(TableError, match=said):
        load_benchmark(data(frame), "AAA", sessions, 0, DAYS - 1)
    stated = table(ret=[0.01] * DAYS).filter(pl.col("date") != day)
    with pytest.raises(TableError, match=rf"no return on 1 of 7 sessions .*\({day}\)"):  # the day after states its own
        load_benchmark(data(stated), "AAA", sessions, 0, DAYS - 1)
    assert np.isfinite(load_benchmark(data(frame), "AAA", sessions, 4, DAYS - 1).returns[5:]).all()
    short = table().filter(pl.col("date") <= sessions.dates[1].item())
    with pytest.raises(TableError, match=r"no return on 6 of 7 sessions .*, …\)"):
        load_benchmark(data(short), "AAA", sessions, 0, DAYS - 1)
    early = table().with_columns(date=pl.col("date") - timedelta(days=365))
    with pytest.raises(TableError, match="no return on 7 of 7 sessions"):
        load_benchmark(data(early), "AAA", sessions, 0, DAYS - 1)


def test_days_that_are_no_session_are_left_out(sessions: Sessions) -> None:
    saturday = pl.DataFrame({"index": ["AAA"], "date": [date(2020, 1, 4)], "close": [1.0]})
    made = load_benchmark(data(pl.concat([table(), saturday])), "AAA", sessions, 0, DAYS - 1)
    assert made.returns[1:].tolist() == pytest.approx(load_benchmark(data(), "AAA", sessions, 0, DAYS - 1).returns[1:].tolist())


def test_what_cannot_be_used_is_refused(sessions: Sessions) -> None:
    with pytest.raises(SettingError, match="benchmark 'CCC' is not in the benchmarks table, which has AAA, BBB: name one of them"):
        load_benchmark(data(), "CCC", sessions, 0, DAYS - 1)
    days = [day.item() for day in sessions.dates]
    bars = pl.DataFrame({"date": days, "asset": ["x"] * DAYS, "close": LEVELS, "ret": [0.0] * DAYS, "total_cap": [1e9] * DAYS})
    with pytest.raises(TableError, match="the dataset has no table 'benchmarks'"):
        load_benchmark(Dataset.from_frames({"bars": bars}), "AAA", sessions, 0, DAYS - 1)
    per_cent = Dataset(tables={"benchmarks": table(ret=[1.0, -3.0, 0.1, 0.2, -1.0, 0.3, 0.1, 0.1])})
    with pytest.raises(TableError, match=r"2 returns of -1 or less \(first -3 on 2020-01-02\).*not per cent"):
        load_benchmark(per_cent, "AAA", sessions, 0, DAYS - 1)


def test_later_rows_change_nothing_earlier(sessions: Sessions) -> None:
    whole = load_benchmark(data(), "AAA", sessions, 0, DAYS - 1).returns
    part = load_benchmark(data(table().filter(pl.col("date") <= sessions.dates[4].item())), "AAA", sessions, 0, 4).returns
    np.testing.assert_array_equal(part[:5], whole[:5])


def test_active_figures_by_hand() -> None:
    net, index = np.array([0.1, -0.05, 0.0]), np.array([0.0, -0.1, 0.1])
    made = active_figures(net, index, a_year=250.0)
    # gaps 0.1, 0.05, -0.1: mean 1/60; relative wealth 1.1, then 1.1 x 0.95 / 0.9, then that / 1.1
    assert made.active_return == pytest.approx(250 / 60)
    spread = np.sqrt(((0.1 - 1 / 60) ** 2 + (0.05 - 1 / 60) ** 2 + (0.1 + 1 / 60) ** 2) / 2)
    assert made.tracking_error == pytest.approx(spread * np.sqrt(250))
    assert made.information_ratio == pytest.approx(made.active_return / made.tracking_error)
    assert made.max_drawdown == pytest.approx(1 - 1 / 1.1)
    assert made.beta == pytest.approx((0.05 * 0.1 / 3) / (0.02 / 3))  # the index has mean 0
    assert np.isnan(made.t_ewc)


def test_beta_and_t_against_regressions() -> None:
    rng = np.random.default_rng(1)
    index = 0.01 * rng.normal(size=400)
    net = 0.0003 + 0.8 * index + 0.004 * rng.normal(size=400)
    made = active_figures(net, index, a_year=243.0)
    fit = sm.OLS(net, sm.add_constant(index)).fit()
    assert made.beta == pytest.approx(fit.params[1], rel=1e-9)  # two ways to one least-squares slope
    shifted = active_figures(net + 0.001, index, a_year=243.0)
    assert shifted.active_return - made.active_return == pytest.approx(0.243)
    assert shifted.tracking_error == pytest.approx(made.tracking_error)
    assert shifted.beta == pytest.approx(made.beta)
    assert made.t_ewc < shifted.t_ewc


def test_a_portfolio_that_is_the_index() -> None:
    index = 0.01 * np.random.default_rng(2).normal(size=50)
    made = active_figures(index, index, a_year=243.0)
    assert (made.active_return, made.tracking_error, made.max_drawdown) == (0.0, 0.0, 0.0)
    assert made.beta == pytest.approx(1.0)
    assert np.isnan(made.information_ratio)
    assert np.isnan(made.t_ewc)
    still = active_figures(index, np.full(50, 0.001), a_year=243.0)
    assert np.isnan(still.beta)
    gaps = index.copy()
    gaps[5:] = np.nan
    made, part = active_figures(gaps, index * 0.5, a_year=243.0), active_figures(index[:5], index[:5] * 0.5, a_year=243.0)
    assert (made.active_return, made.beta, made.max_drawdown) == (part.active_return, part.beta, part.max_drawdown)
    nothing = active_figures(np.full(3, np.nan), np.zeros(3), a_year=243.0)
    assert np.isnan([nothing.active_return, nothing.tracking_error, nothing.beta, nothing.max_drawdown]).all()
