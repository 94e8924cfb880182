"""The thirteen factors that bars alone give, as raw blocks (sessions, assets): numbers 1 to 7 and 13 to 18 of the methods.

Composites are left in their parts (resvol: dastd, cmra, hsigma; liquidity: stom, stoq, stoa), which are standardised before they are
added; nlsize and nlbeta are made from standardised size and beta.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pureplay.dataset import Dataset
from pureplay.errors import TableError
from pureplay.factors.trading import abturn_20, amihud_20, stoa, stom, stoq
from pureplay.factors.volatility import beta_hsigma, cmra, dastd, dbeta_252, ivol_20, log_returns, max_20, momentum, strev_20
from pureplay.market import Market
from pureplay.panel import FloatArray

__all__ = ["Prices", "each_price_factor", "load_prices", "market_return", "size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What the price factors need beside the market: blocks (sessions, assets), NaN where unknown or where the stock did not trade.

    amount: traded value in CNY. turnover: shares traded that day over free-float shares, as a decimal.
    """

    amount: FloatArray
    turnover: FloatArray


def load_prices(data: Dataset, market: Market) -> Prices:
    """Traded value and share turnover of a dataset's bars on the axes of a market.

    Turnover is volume x close / float_cap, amount / float_cap where volume or close is unknown, total_cap standing in where float_cap
    is. An amount that the bars lack is volume x close. A column that is absent is unknown throughout. Raises TableError without bars.
    """
    if not isinstance(data, Dataset):
        raise TableError(f"a {type(data).__name__} is not a dataset: make one with Dataset.from_frames or Dataset.open")
    wanted = [name for name in ("volume", "close", "amount") if name in data.columns("bars")]
    bars = data.frame("bars", ["date", "asset", *wanted])
    cells = market.axes.locate(bars)
    blocks = {name: market.axes.block(cells, bars[name]) for name in wanted}
    unknown = np.broadcast_to(np.nan, market.axes.shape)
    value = blocks.get("volume", unknown) * blocks.pop("close", unknown)
    blocks.pop("volume", None)
    amount = blocks.pop("amount", unknown)
    cap = market.caps if market.float_caps is None else np.where(market.float_caps > 0, market.float_caps, market.caps)
    turnover = np.where(np.isfinite(value), value, amount)
    np.divide(turnover, cap, out=turnover, where=cap > 0)
    turnover[~(market.traded & (cap > 0) & np.isfinite(turnover))] = np.nan
    amount = np.where(np.isfinite(amount), amount, value)
    amount[~market.traded] = np.nan
    return Prices(amount=amount, turnover=turnover)


def market_return(market: Market) -> FloatArray:
    """Return of the market on each session: sum c(t-1) r(t) / sum c(t-1) over stocks with both known, c the total cap, above 0.

    A stock that did not trade on the session before has no cap there and is left out. NaN on the first session and where no stock counts.
    """
    out = np.full(market.axes.shape[0], np.nan)
    for t in range(1, out.size):
        weight, own = market.caps[t - 1], market.returns[t]
        counts = np.isfinite(own) & np.isfinite(weight) & (weight > 0)
        if counts.any():
            out[t] = (weight[counts] * own[counts]).sum() / weight[counts].sum()
    return out


def size(caps: FloatArray) -> FloatArray:
    """ln(total cap in CNY), Barra LNCAP; NaN where the cap is unknown or not above 0."""
    return np.log(caps, out=np.full(caps.shape, np.nan), where=np.isfinite(caps) & (caps > 0))


def each_price_factor(market: Market, prices: Prices) -> Iterator[tuple[str, FloatArray]]:
    """Raw price factors and parts of composites one after the other, so that no more than a few blocks are held at once.

    A value exists on t only for stocks that traded on t. Values at t use nothing later than the close of t.
    """
    for key, block in _unmasked(market, prices):
        block[~market.traded] = np.nan
        yield key, block
        del block


def _unmasked(market: Market, prices: Prices) -> Iterator[tuple[str, FloatArray]]:
    returns, index = market.returns, market_return(market)
    yield "size", size(market.caps)
    line, residual = beta_hsigma(returns, index)
    yield "beta", line
    del line
    yield "hsigma", residual
    del residual
    logs = log_returns(returns)
    of_logs: dict[str, Callable[[FloatArray], FloatArray]] = {"momentum": momentum, "cmra": cmra, "strev_20": strev_20}
    for key, make in of_logs.items():
        yield key, make(logs)
    del logs
    yield "dastd", dastd(returns)
    of_turnover: dict[str, Callable[[FloatArray], FloatArray]] = {"stom": stom, "stoq": stoq, "stoa": stoa, "abturn_20": abturn_20}
    for key, make in of_turnover.items():
        yield key, make(prices.turnover)
    yield "ivol_20", ivol_20(returns, index)
    yield "max_20", max_20(returns)
    yield "dbeta_252", dbeta_252(returns, index)
    yield "amihud_20", amihud_20(returns, prices.amount)
