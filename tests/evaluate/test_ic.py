"""Forward returns and plain rank IC from frames of any kind."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.evaluate import Timing, forward_returns, orthogonal_icir, rank_ic
from pureplay.evaluate.inputs import base_block
from pureplay.evaluate.orthogonal import Evaluator, verdict
from pureplay.market import load_market
from pureplay.stats.lookahead import compound_forward
from pureplay.stats.orthogonal import forward_orders
from pureplay.synthetic import market
from tests.evaluate.conftest import Panel

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

QUICK = Timing(null_draws=0)


def bars(rows: int = 40, assets: int = 5) -> pl.DataFrame:
    """Bars of a few stocks; the second is suspended on sessions 10 to 12, the third is delisted after session 20."""
    rng = np.random.default_rng(0)
    days = np.busday_offset("2024-01-01", np.arange(rows)).astype(object)
    out = []
    for asset in range(assets):
        for k, day in enumerate(days):
            if (asset == 1 and 10 <= k <= 12) or (asset == 2 and k > 20):
                continue
            out.append({"date": day, "asset": f"{asset:06d}.SZ", "ret": 0.01 * rng.normal(), "total_cap": 1e9, "volume": 1e5})
    return pl.DataFrame(out)


def test_forward_returns_of_bars_are_those_of_the_block() -> None:
    table = bars()
    made = forward_returns(table, sessions=5)
    assert made.columns == ["date", "asset", "forward_return", "sessions", "delay", "ordinal", "exit_date"]
    wide = table.pivot("asset", index="date", values="ret").sort("date")
    block = wide.drop("date").to_numpy().astype(float)
    wanted = compound_forward(block, np.isfinite(block), sessions=5)
    found = made.pivot("asset", index="date", values="forward_return").sort("date").drop("date").to_numpy().astype(float)
    np.testing.assert_allclose(found, wanted[: found.shape[0]], rtol=1e-13)
    assert np.isnan(wanted[found.shape[0] :]).all()


def test_a_stock_that_stops_trading_keeps_its_rows() -> None:
    made = forward_returns(bars(), sessions=5).filter(pl.col("asset") == "000002.SZ")
    days = bars()["date"].unique().sort()
    assert made["date"].max() == days[19]  # the last entry is on session 20, the day of its last bar
    assert made.filter(pl.col("date") == days[19])["forward_return"][0] == 0.0  # cash


@pytest.mark.parametrize("changed", [{"sessions": 6}, {"delay": 2}, {"delay": 0, "same_close": True}], ids=str)
def test_every_setting_of_forward_returns_matters(changed: dict[str, Any]) -> None:
    plain, other = forward_returns(bars(), sessions=5), forward_returns(bars(), **{"sessions": 5, **changed})
    assert not plain["forward_return"].equals(other["forward_return"])
    assert other["sessions"].unique().to_list() == [changed.get("sessions", 5)]
    assert other["delay"].unique().to_list() == [changed.get("delay", 1)]


def test_the_calendar_of_a_dataset_counts() -> None:
    """Between two bars the Shanghai calendar knows sessions without any bar, which count as missing days."""
    table = bars().filter(~pl.col("date").is_in([date(2024, 1, 17)]))
    own = forward_returns(table, sessions=5)
    exchange = forward_returns(Dataset.from_frames({"bars": table.filter(pl.col("date") > date(2024, 1, 1))}, calendar="XSHG"), sessions=5)
    assert own.filter(pl.col("date") == date(2024, 1, 10))["forward_return"].to_list() != (
        exchange.filter(pl.col("date") == date(2024, 1, 10))["forward_return"].to_list()
    )


def test_a_look_ahead_by_accident_is_refused() -> None:
    with pytest.raises(SettingError, match="same_close=True"):
        forward_returns(bars(), delay=0)


def test_a_frame_says_its_place_in_the_market_and_where_its_window_closes() -> None:
    table = bars().filter(pl.col("date") > date(2024, 1, 1))
    days = table["date"].unique().sort()
    made = forward_returns(table, sessions=5, delay=2)
    first = made.group_by("date").agg(pl.col("ordinal", "exit_date").unique()).sort("date")
    assert first["date"].to_list() == days[:-7].to_list()
    assert [each.to_list() for each in first["ordinal"]] == [[k] for k in range(len(days) - 7)]
    assert [each.to_list() for each in first["exit_date"]] == [[day] for day in days[7:]]
    exchange = Dataset.from_frames({"bars": table}, calendar="XSHG")
    sessions = load_market(exchange).axes.sessions
    found = forward_returns(exchange, sessions=5).select("date", "ordinal").unique().sort("date")
    np.testing.assert_array_equal(found["ordinal"], sessions.ordinals[np.isin(sessions.dates, found["date"].to_numpy())])
    assert found["ordinal"][0] > 5000  # counted from 1991 on


@pytest.mark.parametrize("value", [2.5, "5", True, None])
@pytest.mark.parametrize("name", ["sessions", "delay"])
def test_windows_are_whole_sessions(name: str, value: object) -> None:
    with pytest.raises(SettingError, match=f"{name} must be a whole number of sessions, not {value!r}"):
        forward_returns(bars(), **{name: value})  # type: ignore[arg-type]


def test_a_window_longer_than_the_data_is_refused() -> None:
    for sessions, delay in ((10**9, 1), (39, 1), (20, 20)):
        with pytest.raises(InsufficientDataError, match=f"the bars have 40 sessions, .* needs {sessions + delay + 1}"):
            forward_returns(bars(), sessions=sessions, delay=delay)
    assert forward_returns(bars(), sessions=38)["date"].n_unique() == 1


def test_a_dataset_keeps_its_own_calendar() -> None:
    data = Dataset.from_frames({"bars": bars()}, calendar="bars")
    assert forward_returns(data, sessions=5, calendar="bars").equals(forward_returns(data, sessions=5))
    with pytest.raises(SettingError, match="the dataset has the calendar 'bars', which counts, not 'XSHG'"):
        forward_returns(data, sessions=5, calendar="XSHG")


# ---------------------------------------------------------------- the market's calendar travels with the frame


@pytest.fixture(scope="module")
def planted() -> tuple[Dataset, pl.DataFrame, pl.DataFrame]:
    """A synthetic market of 150 stocks and 200 sessions, a score, and its forward returns."""
    data = Dataset.from_frames(market(stocks=150, sessions=200, seed=3).tables, calendar="XSHG")
    score = data.frame("bars", ["date", "asset"]).with_columns(
        composite=pl.Series(np.random.default_rng(0).normal(size=data.frame("bars").height))
    )
    return data, score, forward_returns(data, sessions=20)


def test_cutting_the_sample_moves_no_date_to_another_offset(planted: tuple[Dataset, pl.DataFrame, pl.DataFrame]) -> None:
    data, score, future = planted
    axes = load_market(data).axes
    wanted = dict(zip(axes.sessions.dates.astype(object), axes.sessions.ordinals % 20, strict=True))
    cut = future.filter((pl.col("date") > future["date"].unique().sort()[33]) & (pl.col("date").dt.day() != 15))
    for frame in (future, cut):
        for daily in (
            rank_ic(score, frame, timing=QUICK).daily,
            rank_ic(score, frame, timing=QUICK, calendar="XSHG").daily,
            orthogonal_icir(score, frame, data.frame("factors"), timing=QUICK).orthogonal.daily,
        ):
            assert daily["date"].to_list() == frame["date"].unique().sort().to_list()
            assert daily["offset"].to_list() == [wanted[day] for day in daily["date"]]
    without = rank_ic(score, cut.drop("ordinal"), timing=QUICK).daily
    assert without["offset"].to_list() == [k % 20 for k in range(without.height)]


@pytest.mark.parametrize("back", [1, 10, 21, 22, 40])
def test_a_split_divides_a_frame_as_it_divides_the_market(planted: tuple[Dataset, pl.DataFrame, pl.DataFrame], back: int) -> None:
    data, score, future = planted
    held = load_market(data)
    timing = Timing(split=held.axes.sessions.dates[-back].astype(object), null_draws=50)
    base, names = base_block(data.frame("factors"), held.axes)
    evaluator = Evaluator(
        axes=held.axes,
        base=base,
        base_names=names,
        forward=forward_orders(compound_forward(held.returns, held.traded, sessions=20, delay=1)[None]),
        horizons=(20,),
        timing=timing,
    )
    studied = verdict(evaluator, "composite", held.axes.blocks(score, ["composite"])["composite"], {})
    judged = orthogonal_icir(score, future, data.frame("factors"), timing=timing)
    plain = rank_ic(score, future, timing=timing)
    inside = studied.raw.period("in sample")
    assert inside is not None
    assert inside.n_dates == 200 - 21 - (back - 1)
    for found, wanted in ((judged.raw, studied.raw), (judged.orthogonal, studied.orthogonal)):
        assert repr((found.periods, found.null)) == repr((wanted.periods, wanted.null))  # to the last digit, and NaN where NaN
        assert (found.icir, found.test, found.median_names) == (wanted.icir, wanted.test, wanted.median_names)
    assert [(each.label, each.n_dates) for each in plain.periods] == [(each.label, each.n_dates) for each in studied.raw.periods]
    assert plain.icir == pytest.approx(studied.raw.icir, rel=1e-9)


# ---------------------------------------------------------------- rank IC


def test_rank_ic_equals_scipy(panel: Panel) -> None:
    made = rank_ic(panel.signal, panel.forward, timing=QUICK)
    for t in (0, 64, 129):
        both = np.isfinite(panel.signal_block[t]) & np.isfinite(panel.forward_block[t])
        wanted = scipy_stats.spearmanr(panel.signal_block[t, both], panel.forward_block[t, both]).statistic
        assert made.daily["ic"][t] == pytest.approx(wanted, abs=1e-12)
        assert made.daily["names"][t] == both.sum()
    assert made.daily["date"].to_list() == panel.days
    assert (made.name, made.horizon_sessions, made.grid_sessions) == ("composite", 20, 20)


def test_the_frame_says_its_horizon_and_delay(panel: Panel) -> None:
    split = panel.days[100]
    said = panel.forward.with_columns(sessions=pl.lit(5), delay=pl.lit(3))
    made = rank_ic(panel.signal, said, timing=Timing(null_draws=0, split=split))
    inside = made.period("in sample")
    assert inside is not None
    assert made.horizon_sessions == 5
    assert inside.last == panel.days[100 - 5 - 3]
    assumed = rank_ic(panel.signal, panel.forward, timing=Timing(null_draws=0, split=split, delay_sessions=2)).period("in sample")
    assert assumed is not None
    assert assumed.last == panel.days[100 - 20 - 2]


def test_few_names_are_skipped_and_counted(panel: Panel) -> None:
    counts = (np.isfinite(panel.signal_block) & np.isfinite(panel.forward_block)).sum(axis=1)
    made = rank_ic(panel.signal, panel.forward, timing=QUICK, min_names=55)
    assert made.n_dates == (counts >= 55).sum()
    assert sum(made.skipped.values()) == (counts < 55).sum() > 0
    with pytest.raises(InsufficientDataError, match=f"at most {counts.max()} on one date"):
        rank_ic(panel.signal, panel.forward, timing=QUICK, min_names=61)


def test_the_score_is_found_or_named(panel: Panel) -> None:
    two = panel.signal.with_columns(other=-pl.col("composite"), n_peers=pl.lit(3))
    assert rank_ic(two, panel.forward, timing=QUICK).icir == pytest.approx(-rank_ic(two, panel.forward, timing=QUICK, column="other").icir)
    alone = panel.signal.rename({"composite": "mine"})
    assert rank_ic(alone, panel.forward, timing=QUICK).name == "mine"
    with pytest.raises(SettingError, match="the signal has the columns other, n_peers: name the score with column="):
        rank_ic(two.drop("composite"), panel.forward)
    with pytest.raises(TableError, match="no column 'nothing'; it has date, asset, composite"):
        rank_ic(panel.signal, panel.forward, column="nothing")


def test_dates_of_a_delivered_frame_are_no_scores(panel: Panel) -> None:
    dated = panel.signal.rename({"composite": "mine"}).with_columns(
        eff_date=pl.col("date"), publish_date=pl.col("date"), period_end=pl.col("date")
    )
    assert rank_ic(dated, panel.forward, timing=QUICK).icir == rank_ic(panel.signal, panel.forward, timing=QUICK).icir


def test_offsets_of_the_shanghai_calendar(panel: Panel) -> None:
    made = rank_ic(panel.signal, panel.forward, timing=QUICK, calendar="XSHG")
    np.testing.assert_array_equal(made.daily["offset"], panel.sessions.ordinals % 20)
    cut = panel.forward.filter(pl.col("date") >= panel.days[7])
    later = rank_ic(panel.signal, cut, timing=QUICK, calendar="XSHG")
    np.testing.assert_array_equal(later.daily["offset"], panel.sessions.ordinals[7:] % 20)
    assert rank_ic(panel.signal, panel.forward, timing=QUICK).daily["offset"][0] == 0


def test_row_order_does_not_matter(panel: Panel) -> None:
    mixed = rank_ic(
        panel.signal.sample(fraction=1, shuffle=True, seed=1), panel.forward.sample(fraction=1, shuffle=True, seed=2), timing=QUICK
    )
    assert mixed.daily.equals(rank_ic(panel.signal, panel.forward, timing=QUICK).daily)
