"""Price factors cell by cell against loops written from their definitions, against outside estimators, and against later data."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from pureplay.dataset import Dataset
from pureplay.errors import TableError
from pureplay.factors import trading, volatility
from pureplay.factors.prices import Prices, each_price_factor, load_prices, market_return, size
from pureplay.market import Market, load_market
from pureplay.panel import Axes, BoolArray, FloatArray
from pureplay.sessions import Sessions
from tests.border_market import bars, put

SESSIONS = 620  # momentum looks back 504 + 21 of them


@cache
def rough_market() -> tuple[Market, Prices]:
    """Stocks with suspensions, late listings, delistings, bad ticks, constant and impossible returns, no amount, no turnover.

    On session 300 nobody trades. Callers must not write to the blocks.
    """
    rng = np.random.default_rng(20)
    stocks = 12
    traded = np.ones((SESSIONS, stocks), dtype=bool)
    traded[:, 1] = rng.random(SESSIONS) < 0.85
    traded[:, 2] = rng.random(SESSIONS) < 0.5  # near the least number of observations
    traded[:230, 3], traded[470:, 4], traded[310:420, 5], traded[300] = False, False, False, False
    common = 0.01 * rng.normal(size=(SESSIONS, 1))
    returns = np.round(0.02 * rng.normal(size=traded.shape) + rng.uniform(0.3, 1.5, stocks) * common, 8)
    returns[150, 6], returns[400, 6], returns[155, 7], returns[160, 7] = 1e6, -0.9999, -1.0, -1.5
    returns[:, 8], returns[200:330, 9] = 0.001, 0.0
    returns[~traded] = np.nan
    returns[rng.random(traded.shape) < 0.01] = np.nan  # traded, but the return is not known
    caps = np.exp(22 + rng.normal(size=stocks) + 0.1 * rng.normal(size=traded.shape))
    caps[:, 6] *= 1e-9  # a bad tick must not be the market
    caps[~traded] = np.nan
    caps[50:60, 10], caps[70, 0] = np.nan, 0.0
    turnover = np.exp(-5 + rng.normal(size=traded.shape))
    amount = turnover * np.exp(22)
    turnover[100:480, 9], amount[100:480, 9], turnover[:, 11], amount[:, 11] = 0.0, 0.0, np.nan, np.nan
    turnover[250, 6], amount[250, 6] = 1e6, 1e18
    turnover[~traded], amount[~traded] = np.nan, np.nan
    market = Market(
        axes=axes(SESSIONS, stocks),
        returns=returns,
        caps=caps,
        float_caps=None,
        traded=traded,
        listed_sessions=np.ones(stocks, np.int64),
        issuer=np.arange(stocks),
    )
    return market, Prices(amount=amount, turnover=turnover)


def axes(sessions: int, stocks: int) -> Axes:
    days = np.arange(sessions) + np.datetime64("2020-01-01")
    return Axes(Sessions(days, np.arange(sessions), "bars"), tuple(f"{600000 + stock}.SH" for stock in range(stocks)))


def cut(market: Market, prices: Prices, rows: int) -> tuple[Market, Prices]:
    """What was known after the first `rows` sessions."""
    early = replace(
        market, axes=axes(rows, market.axes.shape[1]), returns=market.returns[:rows], caps=market.caps[:rows], traded=market.traded[:rows]
    )
    return early, Prices(amount=prices.amount[:rows], turnover=prices.turnover[:rows])


# ---------------------------------------------------------------- the definitions, one number at a time


def last(values: FloatArray, t: int, sessions: int) -> FloatArray:
    """Values of the sessions up to t, oldest first, NaN before the first of all."""
    found = values[max(0, t - sessions + 1) : t + 1]
    return np.concatenate([np.full(sessions - found.size, np.nan), found])


def halving(sessions: int, half_life: float) -> FloatArray:
    return np.array([0.5 ** ((sessions - 1 - k) / half_life) for k in range(sessions)])


def logarithm(r: FloatArray) -> FloatArray:
    return np.array([math.log(1 + value) if value > -1 else np.nan for value in r])


def line(y: FloatArray, x: FloatArray, w: FloatArray) -> tuple[float, float, int]:
    """Slope, weighted residual sum of squares, number of observations."""
    use = np.isfinite(y) & np.isfinite(x)
    y, x, w = y[use], x[use], w[use]
    if y.size < 3:
        return np.nan, np.nan, y.size
    dx, dy = x - (w * x).sum() / w.sum(), y - (w * y).sum() / w.sum()
    slope = (w * dx * dy).sum() / (w * dx * dx).sum()
    return slope, (w * (dy - slope * dx) ** 2).sum(), y.size


def naive_beta(r: FloatArray, m: FloatArray, t: int) -> float:
    slope, _, n = line(last(r, t, 252), last(m, t, 252), halving(252, 63))
    return slope if n >= 126 else np.nan


def naive_hsigma(r: FloatArray, m: FloatArray, t: int) -> float:
    y, x, w = last(r, t, 252), last(m, t, 252), halving(252, 63)
    _, square, n = line(y, x, w)
    return math.sqrt(square / w[np.isfinite(y) & np.isfinite(x)].sum()) if n >= 126 else np.nan


def naive_dastd(r: FloatArray, t: int) -> float:
    y, w = last(r, t, 252), halving(252, 42)
    y, w = y[np.isfinite(y)], w[np.isfinite(y)]
    if y.size < 126:
        return np.nan
    mean = (w * y).sum() / w.sum()
    return math.sqrt((w * (y - mean) ** 2).sum() / w.sum())


def naive_cmra(r: FloatArray, t: int) -> float:
    z = logarithm(last(r, t, 252))
    if np.isfinite(z).sum() < 126:
        return np.nan
    sums = [np.nansum(z[252 - 21 * month :]) for month in range(1, 13)]
    return max(sums) - min(sums)


def naive_momentum(r: FloatArray, t: int) -> float:
    if t < 21:
        return np.nan
    z, w = logarithm(last(r, t - 21, 504)), halving(504, 126)
    z, w = z[np.isfinite(z)], w[np.isfinite(z)]
    return (w * z).sum() if z.size >= 252 else np.nan


def naive_turnover(v: FloatArray, t: int, sessions: int, least: int) -> float:
    v = last(v, t, sessions)
    v = v[np.isfinite(v)]
    return math.log(21 * v.mean()) if v.size >= least and v.mean() > 0 else np.nan


def naive_strev(r: FloatArray, t: int) -> float:
    z = logarithm(last(r, t, 20))
    return -np.nansum(z) if np.isfinite(z).sum() >= 15 else np.nan


def naive_ivol(r: FloatArray, m: FloatArray, t: int) -> float:
    _, square, n = line(last(r, t, 20), last(m, t, 20), np.ones(20))
    return math.sqrt(square / (n - 2)) if n >= 15 else np.nan


def naive_max(r: FloatArray, t: int) -> float:
    y = last(r, t, 20)
    return np.sort(y[np.isfinite(y)])[-3:].mean() if np.isfinite(y).sum() >= 15 else np.nan


def naive_dbeta(r: FloatArray, m: FloatArray, t: int) -> float:
    x = last(m, t, 252)
    if not np.isfinite(x).any():
        return np.nan
    x = np.where(x < np.nanmean(x), x, np.nan)
    slope, _, n = line(last(r, t, 252), x, np.ones(252))
    return slope if n >= 63 else np.nan


def naive_abturn(v: FloatArray, t: int) -> float:
    short, long = last(v, t, 20), last(v, t, 250)
    short, long = short[np.isfinite(short)], long[np.isfinite(long)]
    if short.size < 15 or long.size < 125 or not short.mean() > 0 or not long.mean() > 0:
        return np.nan
    return math.log(short.mean() / long.mean())


def naive_amihud(r: FloatArray, a: FloatArray, t: int) -> float:
    pairs = zip(last(r, t, 20), last(a, t, 20), strict=True)
    ratios = [abs(own) / value for own, value in pairs if math.isfinite(own) and value > 0]
    return math.log(sum(ratios) / len(ratios)) if len(ratios) >= 15 and sum(ratios) > 0 else np.nan


def naive_market(market: Market) -> FloatArray:
    out = np.full(market.axes.shape[0], np.nan)
    for t in range(1, out.size):
        pairs = [(c, r) for c, r in zip(market.caps[t - 1], market.returns[t], strict=True) if math.isfinite(c * r) and c > 0]
        if pairs:
            out[t] = sum(c * r for c, r in pairs) / sum(c for c, _ in pairs)
    return out


Cell = Callable[[Market, Prices, FloatArray, int, int], float]
NAIVE: dict[str, Cell] = {
    "size": lambda k, p, m, t, i: math.log(k.caps[t, i]) if k.caps[t, i] > 0 else np.nan,
    "beta": lambda k, p, m, t, i: naive_beta(k.returns[:, i], m, t),
    "hsigma": lambda k, p, m, t, i: naive_hsigma(k.returns[:, i], m, t),
    "momentum": lambda k, p, m, t, i: naive_momentum(k.returns[:, i], t),
    "dastd": lambda k, p, m, t, i: naive_dastd(k.returns[:, i], t),
    "cmra": lambda k, p, m, t, i: naive_cmra(k.returns[:, i], t),
    "stom": lambda k, p, m, t, i: naive_turnover(p.turnover[:, i], t, 21, 11),
    "stoq": lambda k, p, m, t, i: naive_turnover(p.turnover[:, i], t, 63, 32),
    "stoa": lambda k, p, m, t, i: naive_turnover(p.turnover[:, i], t, 252, 126),
    "strev_20": lambda k, p, m, t, i: naive_strev(k.returns[:, i], t),
    "ivol_20": lambda k, p, m, t, i: naive_ivol(k.returns[:, i], m, t),
    "max_20": lambda k, p, m, t, i: naive_max(k.returns[:, i], t),
    "dbeta_252": lambda k, p, m, t, i: naive_dbeta(k.returns[:, i], m, t),
    "abturn_20": lambda k, p, m, t, i: naive_abturn(p.turnover[:, i], t),
    "amihud_20": lambda k, p, m, t, i: naive_amihud(k.returns[:, i], p.amount[:, i], t),
}


@cache
def made() -> dict[str, FloatArray]:
    return dict(each_price_factor(*rough_market()))


@pytest.mark.parametrize("key", NAIVE)
def test_every_cell_equals_its_definition(key: str) -> None:
    market, prices = rough_market()
    index, wanted = naive_market(market), np.full(market.axes.shape, np.nan)
    for t, i in np.argwhere(market.traded):
        wanted[t, i] = NAIVE[key](market, prices, index, t, i)
    # sums of squares keep 1e-4 of themselves or are recomputed: 12 digits stay of them, and 1e-13 is rounding where a sum, or the
    # slope or residual of a stock with one and the same return, is 0
    np.testing.assert_allclose(made()[key], wanted, rtol=1e-10, atol=1e-13)
    assert np.isfinite(wanted).sum() > 1000
    assert not np.isfinite(wanted[~market.traded]).any()


def test_the_market_return_is_that_of_the_definition() -> None:
    market, _ = rough_market()
    index = market_return(market)
    np.testing.assert_allclose(index, naive_market(market), rtol=1e-12)  # one sum of a dozen terms
    assert np.isnan(index[[0, 300, 301]]).all(), "nobody traded on session 300, so nobody has a cap there"
    assert np.isnan(index).sum() == 3


def test_the_market_return_by_hand() -> None:
    market, _ = cut(*rough_market(), 2)
    nan = np.nan
    caps = np.array([[1.0, 3.0, nan, 0.0, 5.0] + [nan] * 7, [9.0] * 12])
    returns = np.array([[0.5] * 12, [0.1, 0.2, 7.0, 7.0, nan] + [7.0] * 7])
    assert market_return(replace(market, caps=caps, returns=returns))[1] == pytest.approx((0.1 + 3 * 0.2) / 4, rel=1e-15)


def test_lines_equal_statsmodels() -> None:
    market, _ = rough_market()
    index = market_return(market)
    beta, hsigma = volatility.beta_hsigma(market.returns, index)
    ivol, dbeta = volatility.ivol_20(market.returns, index), volatility.dbeta_252(market.returns, index)
    for t, i in ((299, 0), (450, 1), (619, 3), (619, 10)):
        y, x, w = last(market.returns[:, i], t, 252), last(index, t, 252), halving(252, 63)
        use = np.isfinite(y) & np.isfinite(x)
        fit = sm.WLS(y[use], sm.add_constant(x[use]), weights=w[use]).fit()
        assert beta[t, i] == pytest.approx(fit.params[1], rel=1e-10)  # both solve to 12 digits or so
        assert hsigma[t, i] == pytest.approx(np.sqrt(np.average(fit.resid**2, weights=w[use])), rel=1e-10)
        low = use & (x < np.nanmean(x))
        assert dbeta[t, i] == pytest.approx(sm.OLS(y[low], sm.add_constant(x[low])).fit().params[1], rel=1e-10)
        use[:232] = False
        assert ivol[t, i] == pytest.approx(np.sqrt(sm.OLS(y[use], sm.add_constant(x[use])).fit().mse_resid), rel=1e-10)


def test_dastd_equals_numpy() -> None:
    market, _ = rough_market()
    y, w = market.returns[368:, 0], halving(252, 42)
    y, w = y[np.isfinite(y)], w[np.isfinite(y)]
    wanted = np.sqrt(np.cov(y, aweights=w, ddof=0))
    assert volatility.dastd(market.returns)[619, 0] == pytest.approx(float(wanted), rel=1e-12)  # two sums of 252 terms


# ---------------------------------------------------------------- signs, units and timing


def test_signs_by_hand() -> None:
    returns = np.full((20, 2), 0.01)
    returns[:, 1] = -0.01
    returns[3, 0] = 0.04
    logs = volatility.log_returns(returns)
    assert volatility.strev_20(logs)[-1] == pytest.approx([-19 * math.log(1.01) - math.log(1.04), -20 * math.log(0.99)])
    assert volatility.max_20(returns)[-1] == pytest.approx([0.02, -0.01])
    amount = np.full((20, 2), 1e6)
    assert trading.amihud_20(returns, amount)[-1, 1] == pytest.approx(math.log(0.01 / 1e6))
    assert trading.stom(np.full((21, 1), 0.02))[-1, 0] == pytest.approx(math.log(0.42))
    assert size(np.array([[math.e, 0.0, -1.0, np.nan]])) == pytest.approx(np.array([[1, np.nan, np.nan, np.nan]]), nan_ok=True)


def test_momentum_is_a_plain_sum_to_which_missing_days_add_nothing() -> None:
    logs = np.full((560, 2), 0.01)
    logs[538 - 126, 1] = np.nan  # one half-life before the end of the window
    found = volatility.momentum(logs)[559]
    whole = 0.01 * (1 - 0.5**4) / (1 - 0.5 ** (1 / 126))  # geometric: 504 sessions are four half-lives
    np.testing.assert_allclose(found, [whole, whole - 0.01 * 0.5], rtol=1e-13)


def test_momentum_leaves_the_last_month_out() -> None:
    logs = 0.01 * np.random.default_rng(21).normal(size=(560, 2))
    plain = volatility.momentum(logs)
    logs[539:, 0] = 1.0
    np.testing.assert_array_equal(volatility.momentum(logs)[559], plain[559])  # bit for bit
    logs[538, 0] = 1.0
    assert volatility.momentum(logs)[559, 0] > plain[559, 0]


@pytest.mark.parametrize("bad", [-1.0, -1.5, np.inf, np.nan])
def test_what_has_no_logarithm_is_missing(bad: float) -> None:
    logs = volatility.log_returns(np.array([[0.5, bad, -0.999]]))
    assert logs == pytest.approx(np.array([[math.log(1.5), np.nan, math.log(0.001)]]), nan_ok=True)


@pytest.mark.parametrize("rows", [1, 5, 21, 22, 130])
def test_short_histories_have_what_they_can_have(rows: int) -> None:
    short = dict(each_price_factor(*cut(*rough_market(), rows)))
    for key, block in short.items():
        np.testing.assert_array_equal(block, made()[key][:rows])
    assert np.isfinite(short["size"]).any()


@pytest.mark.parametrize("seed", range(4))
def test_later_sessions_change_nothing(seed: int) -> None:
    rows = int(np.random.default_rng(seed).integers(60, SESSIONS))
    for key, block in each_price_factor(*cut(*rough_market(), rows)):
        np.testing.assert_array_equal(block, made()[key][:rows], err_msg=f"{key}, {rows} sessions")  # bit for bit


@pytest.mark.parametrize("key", [key for key in NAIVE if key != "size"])
def test_a_bad_tick_that_left_the_window_leaves_no_trace(key: str) -> None:
    rng = np.random.default_rng(22)
    reach = {"momentum": 525, "abturn_20": 250, "stom": 21, "stoq": 63}.get(key, 20 if key.endswith("_20") else 252)
    index, plain = 0.01 * rng.normal(size=reach + 60), 0.02 * rng.normal(size=(reach + 60, 1))
    index[30], spoilt = -0.02, plain.copy()  # below the mean of the market
    spoilt[30] = 1e6
    before, after = one_factor(key, plain, index), one_factor(key, spoilt, index)
    np.testing.assert_array_equal(after[30 + reach :], before[30 + reach :])  # bit for bit
    np.testing.assert_array_equal(after[:30], before[:30])
    assert np.isfinite(before[30 + reach :]).all()
    assert after[29 + reach] != before[29 + reach], "it was still there"


def one_factor(key: str, r: FloatArray, index: FloatArray) -> FloatArray:
    """One factor from given returns, of the stock and of the market; what was traded follows the return."""
    logs, traded = volatility.log_returns(r), np.abs(r) + 1e-3
    makers: dict[str, Callable[[], FloatArray]] = {
        "beta": lambda: volatility.beta_hsigma(r, index)[0],
        "hsigma": lambda: volatility.beta_hsigma(r, index)[1],
        "momentum": lambda: volatility.momentum(logs),
        "dastd": lambda: volatility.dastd(r),
        "cmra": lambda: volatility.cmra(logs),
        "stom": lambda: trading.stom(traded),
        "stoq": lambda: trading.stoq(traded),
        "stoa": lambda: trading.stoa(traded),
        "strev_20": lambda: volatility.strev_20(logs),
        "ivol_20": lambda: volatility.ivol_20(r, index),
        "max_20": lambda: volatility.max_20(r),
        "dbeta_252": lambda: volatility.dbeta_252(r, index),
        "abturn_20": lambda: trading.abturn_20(traded),
        "amihud_20": lambda: trading.amihud_20(r, traded),
    }
    return makers[key]()


def test_every_part_comes_once_and_as_a_plain_block() -> None:
    parts: Iterator[tuple[str, FloatArray]] = each_price_factor(*rough_market())
    seen = list(parts)
    assert sorted(key for key, _ in seen) == sorted(NAIVE)
    for _, block in seen:
        assert block.flags.c_contiguous
        assert block.dtype == np.float64


def test_the_input_is_untouched() -> None:
    market, prices = rough_market()
    blocks: list[FloatArray | BoolArray] = [market.returns, market.caps, market.traded, prices.amount, prices.turnover]
    before = [block.copy() for block in blocks]
    dict(each_price_factor(market, prices))
    for block, was in zip(blocks, before, strict=True):
        np.testing.assert_array_equal(block, was)


PROGRAM = """
import hashlib
import numpy as np
from pureplay.factors.prices import Prices, each_price_factor
from pureplay.market import Market
from pureplay.panel import Axes
from pureplay.sessions import Sessions

rng, shape = np.random.default_rng(0), (560, 700)
days = np.arange(shape[0]) + np.datetime64("2020-01-01")
axes = Axes(Sessions(days, np.arange(shape[0]), "bars"), tuple(map(str, range(shape[1]))))
traded = rng.random(shape) < 0.95
returns, caps, amount = np.where(traded, [0.02 * rng.normal(size=shape), rng.random(shape), rng.random(shape)], np.nan)
market = Market(axes=axes, returns=returns, caps=caps, float_caps=None, traded=traded, listed_sessions=days, issuer=days)
found = hashlib.sha256()
for key, block in each_price_factor(market, Prices(amount=amount, turnover=amount / 9)):
    found.update(key.encode() + block.tobytes())
print(found.hexdigest())
"""


def digest(workers: int) -> str:
    settings = {**os.environ, "PUREPLAY_WORKERS": str(workers)}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=settings, capture_output=True, text=True, check=True).stdout.strip()


def test_one_two_and_three_workers_give_the_same_bits() -> None:
    found = {digest(workers) for workers in (1, 2, 3)}
    assert len(found) == 1
    assert len(found.pop()) == 64


# ---------------------------------------------------------------- amount and turnover


def prices_of(frame: pl.DataFrame) -> Prices:
    data = Dataset.from_frames({"bars": frame}, calendar="bars")
    return load_prices(data, load_market(data))


def test_turnover_is_volume_over_free_float() -> None:
    frame = bars().with_columns(amount=2e3 + pl.col("volume"), float_cap=pl.col("total_cap") / 4)
    found = prices_of(frame)
    column = {name: frame[name].to_numpy().reshape(6, 3) for name in ("volume", "close", "float_cap", "amount")}
    np.testing.assert_allclose(found.turnover, column["volume"] * column["close"] / column["float_cap"], rtol=1e-15)
    np.testing.assert_array_equal(found.amount, column["amount"])


@pytest.mark.parametrize("absent", ["volume", "close"])
def test_turnover_falls_back_on_the_amount(absent: str) -> None:
    frame = bars().with_columns(amount=2e3 + pl.col("volume"), float_cap=pl.col("total_cap") / 4)
    part = put(frame, 4, **{absent: None})
    found, plain = prices_of(part), prices_of(frame)
    assert found.turnover[1, 1] == frame["amount"][4] / frame["float_cap"][4]
    assert (found.turnover == plain.turnover).sum() == 17
    whole = prices_of(frame.drop(absent))
    np.testing.assert_array_equal(whole.turnover, (frame["amount"] / frame["float_cap"]).to_numpy().reshape(6, 3))


def test_turnover_falls_back_on_the_total_cap() -> None:
    frame = bars().with_columns(float_cap=pl.col("total_cap") / 4)
    part = prices_of(put(frame, 4, float_cap=None))
    assert part.turnover[1, 1] == pytest.approx(prices_of(frame).turnover[1, 1] / 4, rel=1e-15)
    whole = prices_of(bars())
    np.testing.assert_allclose(whole.turnover, prices_of(frame).turnover / 4, rtol=1e-15)


def test_an_amount_that_is_unknown_is_volume_times_close() -> None:
    frame = bars()
    wanted = (frame["volume"] * frame["close"]).to_numpy().reshape(6, 3)
    np.testing.assert_array_equal(prices_of(frame).amount, wanted)
    found = prices_of(put(frame.with_columns(amount=pl.lit(5.0)), 4, amount=None)).amount
    assert found[1, 1] == wanted[1, 1]
    assert (found == 5.0).sum() == 17


def test_a_suspended_day_has_neither() -> None:
    frame = put(bars().with_columns(amount=pl.lit(5.0), float_cap=pl.lit(50.0)), 4, volume=0.0)
    found = prices_of(frame)
    assert np.isnan(found.amount[1, 1])
    assert np.isnan(found.turnover[1, 1])
    assert np.isfinite(found.amount).sum() == np.isfinite(found.turnover).sum() == 17


def test_bars_without_either_leave_turnover_unknown() -> None:
    found = prices_of(bars().drop("volume", "close"))
    assert np.isnan(found.turnover).all()
    assert np.isnan(found.amount).all()


def test_what_is_no_dataset_is_told_so() -> None:
    with pytest.raises(TableError, match="a DataFrame is not a dataset"):
        load_prices(bars(), rough_market()[0])  # type: ignore[arg-type]
