"""A session's orders: laid out by leg, traded, entered in the books (kernels of one account)."""

import math
from typing import Final, NamedTuple

import numpy as np

from pureplay.evaluate.portfolio.arrays import RowArray
from pureplay.evaluate.portfolio.fill import Deal, Fill, Market, blocking, limits, settle
from pureplay.evaluate.portfolio.held import Names, add_up
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.jit import kernel

__all__ = ["Page", "enter_legs", "find_open", "forget_trades", "trade"]

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
    fill.places[:], fill.frozen[:] = 0, 0.0
    if rebalance:
        fill.tally[2] = 0
    from_list = not rebalance and fill.tally[2] == 0
    count = _gather_open(s, names, fill, page) if from_list else _gather(rebalance, names, size, fill)
    _lay_out(market, deal, s, names, count, lots, fill)
    fill.tally[0], fill.tally[1] = 0, 0
    if fill.places[0] + fill.places[1] == 0:
        return 0.0, 0
    if rebalance:
        fill.most[:] = deal.spread_limit * deal.exposure
    after = settle(fill, deal, worth, market.buy_rate[s], market.sell_rate[s], not rebalance)
    if rebalance:  # tried again, an order may reach what its peers got here
        fill.most[:] = np.maximum(fill.scale / after, deal.exposure) if after > 0.0 else deal.exposure
    spent = _book_leg(market, deal, s, worth, after, 0, names, lots, fill, page)
    spent += _book_leg(market, deal, s, worth, after, 1, names, lots, fill, page)
    page.turned[s] = 0.5 * page.traded[s] / (deal.exposure.sum() * worth)
    enter_legs(names, size, page, s)
    return spent, left if fill.tally[0] > 0 else 0


@kernel
def _gather(rebalance: bool, names: Names, size: int, fill: Fill) -> int:
    """List the names that take part, and add up the rest of each leg; returns how many take part."""
    count = 0
    for j in range(size):
        w, v = names.weight[j], names.value[j]
        if w == 0.0 and v == 0.0:
            continue
        if rebalance or names.order[j] != 0:
            fill.open[count] = j
            count += 1
        elif (w if w != 0.0 else v) > 0.0:
            fill.frozen[0] += v
        else:
            fill.frozen[1] -= v
    return count


@kernel
def _gather_open(s: int, names: Names, fill: Fill, page: Page) -> int:
    """The same from the list of orders tried again; what takes no part is the rest of the legs."""
    count = 0
    fill.frozen[0], fill.frozen[1] = page.long_value[s], page.short_value[s]
    for each in range(fill.tally[0]):
        j = fill.open[each]
        v = names.value[j]
        if names.order[j] != 0 and (names.weight[j] != 0.0 or v != 0.0):
            fill.frozen[0] -= max(v, 0.0)
            fill.frozen[1] += min(v, 0.0)
            fill.open[count] = j
            count += 1
    return count


@kernel
def _lay_out(market: Market, deal: Deal, s: int, names: Names, count: int, lots: FloatArray, fill: Fill) -> None:
    """Enter the orders by leg, that of the weight wanted, else that of the position, with their bounds."""
    costly = deal.impact > 0.0 and market.liquidity.size > 0 and market.volatility.size > 0
    settlement = market.settlement[s]
    for each in range(count):
        j = fill.open[each]
        i, w, v = names.asset[j], names.weight[j], names.value[j]
        leg = 0 if (w if w != 0.0 else v) > 0.0 else 1
        sign = 1.0 if leg == 0 else -1.0
        low, high = limits(market, deal, s, i, v, _locked(lots, s, settlement, i))
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
) -> float:
    """Enter the trades of a leg; returns the cash that they take."""
    start, stop = (0, fill.places[0]) if leg == 0 else (fill.at.size - fill.places[1], fill.at.size)
    sign, rounding, exposure = 1.0 if leg == 0 else -1.0, _ROUNDING * worth, deal.exposure[leg] * max(after, 0.0)
    more, less = (market.buy_rate[s], market.sell_rate[s]) if leg == 0 else (market.sell_rate[s], market.buy_rate[s])
    spent, fees, impacts, traded = 0.0, 0.0, 0.0, 0.0
    for place in range(start, stop):
        j, x, full, v = fill.at[place], fill.position[place], exposure * fill.weight[place], fill.now[place]
        too_little = fill.order[place] >= 0 and fill.high[place] < full - rounding
        too_much = fill.order[place] <= 0 and fill.low[place] > full + rounding and x <= fill.low[place]
        names.order[j] = 1 if too_little else -1 if too_much else 0
        if too_little or too_much:
            fill.open[fill.tally[0]] = j
            fill.tally[0] += 1
            locked = _locked(lots, s, market.settlement[s], names.asset[j])
            reason = blocking(market, s, names.asset[j], sign * v, locked, sign * full, rounding)
            page.blocked[s, reason] += 1
            page.blocked_value[s, reason] += abs(x - full)
        else:
            fill.tally[1] += x == 0.0
            fill.tally[2] += x < 0.0
        if x == v:
            continue
        size = abs(x - v)
        fee, impact = size * (more if x > v else less), fill.impact[place] * size * math.sqrt(size)
        fees += fee
        impacts += impact
        traded += size
        spent += sign * (x - v) + fee + impact
        names.trade[j], names.cost[j], names.value[j] = sign * (x - v), fee + impact, sign * x
        if lots.shape[0] > 0:
            _move_lots(lots, s, names.asset[j], sign * v, sign * x)
    page.fees[s] += fees
    page.impact[s] += impacts
    page.traded[s] += traded
    return spent


@kernel
def find_open(names: Names, size: int, fill: Fill) -> None:
    """List the orders that are tried again afresh, after names have moved up."""
    fill.tally[0] = 0
    for j in range(size):
        if names.order[j] != 0:
            fill.open[fill.tally[0]] = j
            fill.tally[0] += 1


@kernel
def forget_trades(names: Names, fill: Fill) -> None:
    """Clear the trades of a session on which no name has left."""
    for place in range(fill.places[0]):
        names.trade[fill.at[place]], names.cost[fill.at[place]] = 0.0, 0.0
    for place in range(fill.at.size - fill.places[1], fill.at.size):
        names.trade[fill.at[place]], names.cost[fill.at[place]] = 0.0, 0.0


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
def enter_legs(names: Names, size: int, page: Page, s: int) -> None:
    """Enter the value and the number of the positions of each leg."""
    page.long_value[s], page.short_value[s], page.long_names[s], page.short_names[s] = add_up(names, size)
