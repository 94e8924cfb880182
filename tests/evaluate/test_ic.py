"""Forward returns and plain rank IC from frames of any kind."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.evaluate import Timing, forward_returns, rank_ic
from pureplay.stats.lookahead import compound_forward
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
    assert made.columns == ["date", "asset", "forward_return", "sessions", "delay"]
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
