"""What of a session's orders the market fills: bounds on each position, the scale of each leg, costs (kernels of one account).

A leg's orders are kept in its own direction: positions, bounds and weights of the short leg change sign, so that more is always up.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from pureplay.evaluate.portfolio.arrays import BLOCKED, RowArray
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.jit import kernel

__all__ = ["Deal", "Fill", "Market", "blocking", "limits", "new_fill", "settle"]

_SUSPENDED: Final = BLOCKED.index("suspended")
_LIMIT_UP: Final = BLOCKED.index("limit_up")
_LIMIT_DOWN: Final = BLOCKED.index("limit_down")
_NOT_ENTERABLE: Final = BLOCKED.index("not_enterable")
_SETTLEMENT: Final = BLOCKED.index("settlement")
_PARTICIPATION: Final = BLOCKED.index("participation")
_WITHIN: Final = 1e-12  # of a leg's exposure: less than this over or under it is rounding
_EXACT: Final = 1e-13  # to which k and the value after costs are solved
_LEAST: Final = 1e-9  # of a leg's exposure: a smaller k is tried as 0
_TOGETHER: Final = 9  # rounds for V' and both scales at once
_ROUNDS: Final = 200
_SECANT: Final = 20  # rounds after which the value after costs is bisected


class Market(NamedTuple):
    """`Tape` as the kernels take it: liquidity and volatility are (0, 0) where there are none.

    gone[gone_start[s]:gone_start[s + 1]]: assets, ascending, of which what is held is paid out on session s.
    """

    returns: FloatArray
    tradable: BoolArray
    at_upper: BoolArray
    at_lower: BoolArray
    enterable: BoolArray
    shorting: BoolArray
    buy_rate: FloatArray
    sell_rate: FloatArray
    borrow_rate: FloatArray
    settlement: RowArray
    last_session: RowArray
    payout: FloatArray
    liquidity: FloatArray
    volatility: FloatArray
    gone_start: RowArray
    gone: RowArray


class Deal(NamedTuple):
    """`Terms` as the kernels take them; exposure: of the long and the short leg."""

    capital: float
    exposure: FloatArray
    spread_limit: float
    retry_sessions: int
    participation: float
    impact: float
    write_off_sessions: int
    write_off_return: float


class Fill(NamedTuple):
    """Orders of a session: the long leg in places 0…places[0] - 1, the short leg from the end, places[1] of them.

    at: place in the list of names. order: +1 an unfilled purchase that is tried again, -1 a sale, 0 an order of a rebalance. weight: at
    least 0. now: position before the trade. low, high: bounds of the market. floor, ceiling: those and the order's own. position: after
    the trade. impact: cost of a trade d is impact × |d|^1.5. frozen: sum of the leg's positions that take no part. most: highest k over
    the value after costs. scale: k found. open: places in the list of names of the orders not filled in full. tally: number of these, of
    names sold out, and of positions of the other sign than their leg that are not tried again.
    """

    at: RowArray
    order: RowArray
    weight: FloatArray
    now: FloatArray
    low: FloatArray
    high: FloatArray
    floor: FloatArray
    ceiling: FloatArray
    position: FloatArray
    impact: FloatArray
    places: RowArray
    frozen: FloatArray
    most: FloatArray
    scale: FloatArray
    open: RowArray
    tally: RowArray


@kernel
def limits(market: Market, deal: Deal, s: int, i: int, v: float, locked: float) -> tuple[float, float]:
    """Lowest and highest signed position that the market allows after the trade; both ends contain the position v before it."""
    if not market.tradable[s, i] or s > market.last_session[i]:
        return v, v
    low, high = -math.inf, math.inf
    if market.at_upper[s, i]:
        high = v
    if market.at_lower[s, i]:
        low = v
    if not market.enterable[s, i]:
        high = min(high, max(v, 0.0))
    if not market.shorting[s]:
        low = max(low, min(v, 0.0))
    if v > 0.0 and locked > 0.0:
        low = max(low, min(v, locked))
    most = _largest_trade(market, deal, s, i)
    return max(low, v - most), min(high, v + most)


@kernel
def _largest_trade(market: Market, deal: Deal, s: int, i: int) -> float:
    if market.liquidity.size == 0 or math.isinf(deal.participation) or not math.isfinite(market.liquidity[s, i]):
        return math.inf
    return float(deal.participation * market.liquidity[s, i])


@kernel
def blocking(market: Market, s: int, i: int, v: float, locked: float, goal: float, rounding: float) -> int:
    """First reason, by its place in BLOCKED, that alone keeps a position v from its goal; shorting not allowed counts as not enterable."""
    up = goal > v
    if not market.tradable[s, i] or s > market.last_session[i]:
        return _SUSPENDED
    if up and market.at_upper[s, i]:
        return _LIMIT_UP
    if not up and market.at_lower[s, i]:
        return _LIMIT_DOWN
    if up and not market.enterable[s, i] and max(v, 0.0) < goal - rounding:
        return _NOT_ENTERABLE
    if not up and not market.shorting[s] and min(v, 0.0) > goal + rounding:
        return _NOT_ENTERABLE
    if not up and v > 0.0 and locked > 0.0 and min(v, locked) > goal + rounding:
        return _SETTLEMENT
    return _PARTICIPATION


@kernel
def settle(fill: Fill, deal: Deal, worth: float, buy: float, sell: float, again: bool) -> float:
    """Value after costs V' = worth - costs(V'); fills positions and scales.

    again: orders are tried again, so that their own bounds move with V'. Newton on V' and the scales of both legs at once, which takes
    few rounds; where that does not close in, one after the other within brackets.
    """
    point, steps, pulls, fill.scale[:] = worth, np.zeros(2), np.zeros(2), deal.exposure * worth
    for _ in range(_TOGETHER):
        spent, ahead, lean, found = 0.0, 0.0, 0.0, True
        for leg in range(2):
            cost, slope, still = _step(fill, deal, leg, point, buy, sell, again, steps, pulls)
            found = found and still
            spent += cost
            ahead += slope * steps[leg]
            lean += slope * pulls[leg]
        if found and abs(worth - spent - point) <= _EXACT * worth:
            return point
        shift = (worth - spent - ahead - point) / (1.0 + lean)
        point += shift
        if not (point > 0.0 and steps[0] < math.inf and steps[1] < math.inf):
            break
        fill.scale[:] = np.minimum(np.maximum(fill.scale + steps + pulls * shift, 0.0), fill.most * point)
    return _settle_within(fill, deal, worth, buy, sell, again)


@kernel
def _step(
    fill: Fill, deal: Deal, leg: int, point: float, buy: float, sell: float, again: bool, steps: FloatArray, pulls: FloatArray
) -> tuple[float, float, bool]:
    """Fill a leg at its scale; returns the costs, their slope over the scale, and whether the leg fills its exposure.

    Enters the step that the scale should take (inf: Newton cannot tell), and how far the scale moves with V'.
    """
    start, stop = (0, fill.places[0]) if leg == 0 else (fill.at.size - fill.places[1], fill.at.size)
    exposure, top = deal.exposure[leg] * point, fill.most[leg] * point
    if again:
        _bind_orders(fill, start, stop, exposure)
    k = min(fill.scale[leg], top)
    k = k if k > _LEAST * exposure else 0.0
    total, slope, cost, lean = _sweep(fill, start, stop, k, buy if leg == 0 else sell, sell if leg == 0 else buy)
    gap = exposure - fill.frozen[leg] - total
    fill.scale[leg], steps[leg], pulls[leg] = k, 0.0, 0.0
    if k >= top and gap >= -_WITHIN * exposure:
        pulls[leg] = fill.most[leg]
        return cost, lean, True
    if k == 0.0 and gap < -_WITHIN * exposure:
        return cost, 0.0, True
    if slope > 0.0 and k > 0.0:
        steps[leg], pulls[leg] = max(gap / slope, -k), deal.exposure[leg] / slope
        return cost, lean, abs(gap) <= _EXACT * exposure
    if gap < 0.0:
        steps[leg] = -k if k > 0.0 else math.inf
    else:
        steps[leg] = top - k if slope == 0.0 else gap / slope
    return cost, 0.0, False


@kernel
def _sweep(fill: Fill, start: int, stop: int, k: float, more: float, less: float) -> tuple[float, float, float, float]:
    """Positions of a leg at k; their sum, its slope to the right, the costs and their slope."""
    weights, floors, ceilings, now, impacts, position = fill.weight, fill.floor, fill.ceiling, fill.now, fill.impact, fill.position
    total, slope, cost, lean = 0.0, 0.0, 0.0, 0.0
    for j in range(start, stop):
        weight, floor, ceiling = weights[j], floors[j], ceilings[j]
        wanted = k * weight
        x = floor if wanted < floor else wanted
        free = weight if wanted < ceiling else 0.0
        free = free if wanted >= floor else 0.0
        x = ceiling if x > ceiling else x
        position[j] = x
        d = x - now[j]
        size = abs(d)
        rate, hit = more if d > 0.0 else less, impacts[j] * math.sqrt(size)
        total += x
        slope += free
        cost += size * (rate + hit)
        lean += (free if d > 0.0 else -free) * (rate + 1.5 * hit)
    return total, slope, cost, lean


@kernel
def _settle_within(fill: Fill, deal: Deal, worth: float, buy: float, sell: float, again: bool) -> float:
    """The same by secants on V', and by halves where those do not close in, with the scales found for each V'."""
    low, high, point = -math.inf, worth, worth
    before, gap_before = worth, 0.0
    fill.scale[:] = deal.exposure * worth
    for turn in range(_ROUNDS):
        gap = worth - _costs(fill, deal, point, buy, sell, again) - point
        if abs(gap) <= _EXACT * worth:
            break
        if gap < 0.0:
            high = point
        else:
            low = point
        step = point + gap
        if turn > 0 and gap != gap_before and turn < _SECANT:
            step = point - gap * (point - before) / (gap - gap_before)
        if not low < step < high or turn >= _SECANT:
            step = 0.5 * (low + high) if low > -math.inf else point + gap
        before, gap_before, point = point, gap, step
        if before > 0.0:
            fill.scale[:] *= max(point, 0.0) / before
    return point


@kernel
def _costs(fill: Fill, deal: Deal, after: float, buy: float, sell: float, again: bool) -> float:
    """Fill both legs at a value after costs, and what that costs; the scales found for another value are where k is sought from."""
    spent, left = 0.0, max(after, 0.0)
    for leg in range(2):
        start, stop = (0, fill.places[0]) if leg == 0 else (fill.at.size - fill.places[1], fill.at.size)
        exposure = deal.exposure[leg] * left
        more, less = (buy, sell) if leg == 0 else (sell, buy)
        if again:
            _bind_orders(fill, start, stop, exposure)
        k = _scale(fill, start, stop, exposure - fill.frozen[leg], exposure, fill.most[leg] * left, fill.scale[leg])
        fill.scale[leg] = k
        for j in range(start, stop):
            x = k * fill.weight[j]
            x = fill.floor[j] if x < fill.floor[j] else x
            x = fill.ceiling[j] if x > fill.ceiling[j] else x
            fill.position[j] = x
            d = x - fill.now[j]
            if d != 0.0:
                size = abs(d)
                spent += size * ((more if d > 0.0 else less) + fill.impact[j] * math.sqrt(size))
    return spent


@kernel
def _bind_orders(fill: Fill, start: int, stop: int, exposure: float) -> None:
    """Orders tried again keep their direction, and a sale ends at the position that was wanted."""
    for j in range(start, stop):
        if fill.order[j] > 0:
            fill.floor[j] = max(fill.low[j], fill.now[j])
        elif fill.order[j] < 0:
            fill.ceiling[j] = min(fill.high[j], fill.now[j])
            fill.floor[j] = max(fill.low[j], min(fill.now[j], exposure * fill.weight[j]))


@kernel
def _scale(fill: Fill, start: int, stop: int, room: float, exposure: float, most: float, guess: float) -> float:
    """Largest k up to `most` at which the orders fit into the room: Newton on a rising broken line, halves where that fails."""
    low, high, k = 0.0, most, min(guess, most)
    top, bottom = False, False  # whether k = most and k = 0 have been tried
    for turn in range(_ROUNDS):
        total, slope = _total(fill, start, stop, k)
        gap = room - total
        if slope > 0.0 and abs(gap) <= _EXACT * exposure:
            return k
        if gap >= 0.0:
            low = k
        else:
            high = k
        step = k + gap / slope if slope > 0.0 else low
        if not top and (slope == 0.0 or step >= most):
            top = True
            if room - _total(fill, start, stop, most)[0] >= -_WITHIN * exposure:
                return most
        if not bottom and gap < 0.0:
            bottom = True
            if room - _total(fill, start, stop, 0.0)[0] <= _WITHIN * exposure:
                return 0.0
        k = step
        if not low < k < high or turn % 8 == 7:
            k = 0.5 * (low + high)
            if not low < k < high:
                break
    return low


@kernel
def _total(fill: Fill, start: int, stop: int, k: float) -> tuple[float, float]:
    """Sum of the leg's positions at k, and its slope to the right."""
    total, slope = 0.0, 0.0
    for j in range(start, stop):
        weight, floor, ceiling = fill.weight[j], fill.floor[j], fill.ceiling[j]
        wanted = k * weight
        x = floor if wanted < floor else wanted
        free = weight if wanted < ceiling else 0.0
        total += ceiling if x > ceiling else x
        slope += free if wanted >= floor else 0.0
    return total, slope


@kernel
def new_fill(assets: int) -> Fill:
    """Room for the orders of a session."""
    return Fill(
        np.empty(assets, np.int64),
        np.empty(assets, np.int64),
        np.empty(assets),
        np.empty(assets),
        np.empty(assets),
        np.empty(assets),
        np.empty(assets),
        np.empty(assets),
        np.empty(assets),
        np.empty(assets),
        np.zeros(2, np.int64),
        np.zeros(2),
        np.zeros(2),
        np.zeros(2),
        np.empty(assets, np.int64),
        np.zeros(3, np.int64),
    )
