"""A session's orders: laid out by leg, traded, entered in the books (kernels of one account)."""

import math
from typing import Final, NamedTuple

import numpy as np

from pureplay.evaluate.portfolio.arrays import RowArray
from pureplay.evaluate.portfolio.fill import Deal, Fill, Market, blocking, limits, settle
from pureplay.evaluate.portfolio.held import Names
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.jit import kernel

__all__ = ["Page", "add_up", "trade"]

_ROUNDING: Final = 1e-9  # of the account: an order short of its weight by less is filled


class Page(NamedTuple):
    """One account's lines of `Books`, (sessions,) each; blocked and blocked_value (sessions, reasons)."""

    value: FloatArray
    pnl: FloatArray
    fees: FloatArray
    impact: FloatArray
    borrow: FloatArray
    cash: FloatArray
    long_value: FloatArray
    short_value: FloatArray
    long_names: RowArray
    short_names: RowArray
    traded: FloatArray
    turned: FloatArray
    rebalanced: BoolArray
    blocked: RowArray
    blocked_value: FloatArray
    delisted: RowArray
    written_off: RowArray


@kernel
def trade(
    market: Market,
    deal: Deal,
    s: int,
    worth: float,
    rebalance: bool,
    left: int,
    names: Names,
    size: int,
    lots: FloatArray,
    fill: Fill,
    page: Page,
) -> tuple[float, int]:
    """Trade a rebalance, or its unfilled orders; returns the cash that it takes, and the sessions for which orders are tried again."""
    _gather(market, deal, s, rebalance, names, size, lots, fill)
    if fill.places[0] + fill.places[1] == 0:
        return 0.0, 0
    if rebalance:
        fill.most[:] = deal.spread_limit * deal.exposure
    after = settle(fill, deal, worth, market.buy_rate[s], market.sell_rate[s], not rebalance)
    if rebalance:  # tried again, an order may reach what its peers got here
        fill.most[:] = np.maximum(fill.scale / after, deal.exposure) if after > 0.0 else deal.exposure
    spent, unfilled = _book_leg(market, deal, s, worth, after, 0, names, lots, fill, page)
    more, undone = _book_leg(market, deal, s, worth, after, 1, names, lots, fill, page)
    page.turned[s] = 0.5 * page.traded[s] / (deal.exposure.sum() * worth)
    add_up(names, size, page, s)
    return spent + more, left if unfilled + undone > 0 else 0


@kernel
def _gather(market: Market, deal: Deal, s: int, rebalance: bool, names: Names, size: int, lots: FloatArray, fill: Fill) -> None:
    """Lay out the orders of the session by leg: that of the weight wanted, else that of the position."""
    fill.places[:], fill.frozen[:] = 0, 0.0
    costly = deal.impact > 0.0 and market.liquidity.size > 0 and market.volatility.size > 0
    for j in range(size):
        i, w, v = names.asset[j], names.weight[j], names.value[j]
        if w == 0.0 and v == 0.0:
            continue
        leg = 0 if (w if w != 0.0 else v) > 0.0 else 1
        sign = 1.0 if leg == 0 else -1.0
        if not rebalance and names.order[j] == 0:
            fill.frozen[leg] += sign * v
            continue
        low, high = limits(market, deal, s, i, v, _locked(lots, s, market.settlement[s], i))
        place = fill.places[0] if leg == 0 else fill.at.size - 1 - fill.places[1]
        fill.places[leg] += 1
        fill.at[place], fill.order[place], fill.weight[place], fill.now[place] = j, names.order[j], abs(w), sign * v
        fill.low[place], fill.high[place] = (low, high) if leg == 0 else (-high, -low)
        fill.floor[place], fill.ceiling[place], fill.impact[place] = fill.low[place], fill.high[place], 0.0
        if costly and market.liquidity[s, i] > 0.0 and math.isfinite(market.volatility[s, i]):
            fill.impact[place] = deal.impact * market.volatility[s, i] / math.sqrt(market.liquidity[s, i])


@kernel
def _book_leg(
    market: Market,
    deal: Deal,
    s: int,
    worth: float,
    after: float,
    leg: int,
    names: Names,
    lots: FloatArray,
    fill: Fill,
    page: Page,
) -> tuple[float, int]:
    """Enter the trades of a leg; returns the cash that they take, and how many orders stay open."""
    start, stop = (0, fill.places[0]) if leg == 0 else (fill.at.size - fill.places[1], fill.at.size)
    sign, rounding, spent, unfilled = (1.0 if leg == 0 else -1.0), _ROUNDING * worth, 0.0, 0
    for place in range(start, stop):
        j, x, full = fill.at[place], fill.position[place], deal.exposure[leg] * max(after, 0.0) * fill.weight[place]
        i, v = names.asset[j], names.value[j]
        too_little = fill.order[place] >= 0 and fill.high[place] < full - rounding
        too_much = fill.order[place] <= 0 and fill.low[place] > full + rounding and x <= fill.low[place]
        names.order[j] = 1 if too_little else -1 if too_much else 0
        if too_little or too_much:
            unfilled += 1
            reason = blocking(market, s, i, v, _locked(lots, s, market.settlement[s], i), sign * full, rounding)
            page.blocked[s, reason] += 1
            page.blocked_value[s, reason] += abs(x - full)
        d = sign * (x - fill.now[place])
        if d == 0.0:
            continue
        size = abs(d)
        fee, impact = size * (market.buy_rate[s] if d > 0.0 else market.sell_rate[s]), fill.impact[place] * size * math.sqrt(size)
        page.fees[s] += fee
        page.impact[s] += impact
        page.traded[s] += size
        names.trade[j], names.cost[j], names.value[j] = d, fee + impact, sign * x
        spent += d + fee + impact
        if v == 0.0:
            names.missed[j] = 0
        _move_lots(lots, s, i, v, sign * x)
    return spent, unfilled


@kernel
def _locked(lots: FloatArray, s: int, settlement: int, i: int) -> float:
    """Value bought on the last settlement - 1 sessions, at today's prices."""
    total = 0.0
    for age in range(1, settlement):
        if age <= s:
            total += lots[(s - age) % lots.shape[0], i]
    return total


@kernel
def _move_lots(lots: FloatArray, s: int, i: int, v: float, p: float) -> None:
    """Enter a purchase as today's lot; a sale takes the oldest shares first, so what is left fills the lots from the latest back."""
    depth, room = lots.shape[0], max(p, 0.0)
    if depth > 0 and p > max(v, 0.0):
        lots[s % depth, i] = p - max(v, 0.0)
    for age in range(depth):
        if age <= s:
            slot = (s - age) % depth
            lots[slot, i] = min(lots[slot, i], room)
            room -= lots[slot, i]


@kernel
def add_up(names: Names, size: int, page: Page, s: int) -> None:
    """Enter the value and the number of the positions of each leg."""
    long, short, longs, shorts = 0.0, 0.0, 0, 0
    for j in range(size):
        v = names.value[j]
        if v > 0.0:
            long += v
            longs += 1
        elif v < 0.0:
            short -= v
            shorts += 1
    page.long_value[s], page.short_value[s], page.long_names[s], page.short_names[s] = long, short, longs, shorts
