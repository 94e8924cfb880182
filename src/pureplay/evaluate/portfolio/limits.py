"""Where a stock closed at its upper or lower price limit, from the bars themselves or from the dated rules of its board."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.evaluate.portfolio.references import Cash, reference_ticks
from pureplay.evaluate.portfolio.rules import MarketRules, Rule
from pureplay.evaluate.portfolio.ruletables import PARTS
from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.sessions import DayArray
from pureplay.stats.jit import kernel

__all__ = ["BASES", "Limits", "Prices", "at_limits"]

BASES: Final = ("unlimited", "given", "computed", "inferred", "unknown")
"""How the limits of a traded stock-day are known; where its two sides differ, the later of these words counts."""

_UNLIMITED, _GIVEN, _COMPUTED, _INFERRED, _UNKNOWN = range(len(BASES))
_NONE: Final = -1  # no limit, where a limit is a number of millionths

NumberArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Blocks of the bars, (sessions, assets), NaN where a value is missing; of no rows where bars lack the column."""

    close: FloatArray
    limit_up: FloatArray
    limit_down: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """at_upper, at_lower: the stock traded and closed at its limit, (sessions, assets). counts: traded stock-days by `BASES`. adjusted:
    those among the inferred ones that have a close, but a reference that is not exactly known."""

    at_upper: BoolArray
    at_lower: BoolArray
    counts: NumberArray
    adjusted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dated:
    """up, down: limits in millionths, (sessions, boards, [normal, ST]). The rows of first_days: start, stop: sessions in which they hold
    for a stock, (rows, assets); first_up, first_down: their limits."""

    up: NumberArray
    down: NumberArray
    start: NumberArray
    stop: NumberArray
    first_up: NumberArray
    first_down: NumberArray


def at_limits(
    market: Market,
    prices: Prices,
    rules: MarketRules,
    *,
    board: NumberArray,
    boards: tuple[str, ...],
    listed: DayArray,
    special: BoolArray | None,
    cash: Cash,
) -> Limits:
    """Where each stock closed at a price limit.

    board: number of each stock's board among `boards`. listed: its day of listing, by which the rule of the first sessions is chosen.
    special: where it is under special treatment; None = nowhere. cash: dividends by ex-date.

    A side whose limit stands in the bars is reached where the close is at it, give or take half a tick. Else the dated rule gives it:
    limit = reference × (1 ± p), half a tick rounded up, in whole numbers. The reference is that of `reference_ticks`: the price that the
    exchange had carried over, rounded to the tick: close / (1 + return), or on a stated ex-date previous close - cash. Where an ex-date or
    other adjustment leaves it uncertain, a close that may have been at its limit counts as at it, and the stock-day as inferred. Without a
    close, a return within `tolerance` of ±p counts. The first bar of a stock has no previous close: an ex-date that no table states is not
    seen there.
    """
    dated = _dated(rules, market, board, boards, listed)
    upper, lower = np.zeros(market.axes.shape, dtype=bool), np.zeros(market.axes.shape, dtype=bool)
    counts = np.zeros((market.axes.shape[1], len(BASES) + 1), dtype=np.int64)
    flags = np.zeros((0, 0), dtype=bool) if special is None else special

    def work(first: int, last: int) -> None:
        _reached(
            first, last, prices.close, market.returns, market.traded, prices.limit_up, prices.limit_down, flags, board, dated.up,
            dated.down, dated.start, dated.stop, dated.first_up, dated.first_down, cash.first, cash.session, cash.amount, rules.tick,
            rules.tolerance, upper, lower, counts,
        )  # fmt: skip

    over_blocks(work, market.axes.shape[1])
    total = counts.sum(axis=0)
    return Limits(at_upper=upper, at_lower=lower, counts=total[: len(BASES)], adjusted=int(total[-1]))


def _parts(rule: Rule, side: str) -> int:
    share = rule.values[side]
    return _NONE if share is None else round(share * PARTS)


def _dated(rules: MarketRules, market: Market, board: NumberArray, boards: tuple[str, ...], listed: DayArray) -> _Dated:
    days, (sessions, assets) = market.axes.sessions.dates, market.axes.shape
    limit = {side: np.full((sessions, len(boards), 2), _NONE, dtype=np.int64) for side in ("up", "down")}
    rows = rules.rows("price_limit")
    for rule in [*(each for each in rows if each.values["kind"] == "normal"), *(each for each in rows if each.values["kind"] == "ST")]:
        held, place = rule.holds(days), boards.index(rule.values["board"])
        for side, block in limit.items():
            if rule.values["kind"] == "normal":  # and for special treatment too, unless a row of its own follows
                block[held, place, :] = _parts(rule, side)
            else:
                block[held, place, 1] = _parts(rule, side)
    first = rules.rows("first_days")
    start, stop = np.zeros((len(first), assets), dtype=np.int64), np.zeros((len(first), assets), dtype=np.int64)
    for number, rule in enumerate(first):
        named = (board == boards.index(rule.values["board"])) & rule.holds(listed)
        start[number, named] = rule.values["first_session"] - market.listed_sessions[named]
        stop[number, named] = rule.values["last_session"] + 1 - market.listed_sessions[named]
    return _Dated(
        up=limit["up"],
        down=limit["down"],
        start=start,
        stop=stop,
        first_up=np.array([_parts(rule, "up") for rule in first], dtype=np.int64),
        first_down=np.array([_parts(rule, "down") for rule in first], dtype=np.int64),
    )


@kernel
def _reached(
    first: int,
    last: int,
    close: FloatArray,
    returns: FloatArray,
    traded: BoolArray,
    limit_up: FloatArray,
    limit_down: FloatArray,
    special: BoolArray,
    board: NumberArray,
    up: NumberArray,
    down: NumberArray,
    start: NumberArray,
    stop: NumberArray,
    first_up: NumberArray,
    first_down: NumberArray,
    cash_first: NumberArray,
    cash_session: NumberArray,
    cash_amount: FloatArray,
    tick: float,
    tolerance: float,
    upper: BoolArray,
    lower: BoolArray,
    counts: NumberArray,
) -> None:
    previous, next_cash = np.full(board.size, np.nan), cash_first[: board.size].copy()
    for t in range(traded.shape[0]):
        for i in range(first, last):
            if not traded[t, i]:
                continue
            kind = 1 if special.shape[0] > 0 and special[t, i] else 0
            p, q = up[t, board[i], kind], down[t, board[i], kind]
            for row in range(first_up.size):
                if start[row, i] <= t < stop[row, i]:
                    p, q = first_up[row], first_down[row]
            price, change, paid = close[t, i] if close.shape[0] > 0 else np.nan, returns[t, i], 0.0
            while next_cash[i] < cash_first[i + 1] and cash_session[next_cash[i]] <= t:
                paid += cash_amount[next_cash[i]]
                next_cash[i] += 1
            reference, exact = -1, True
            if price > 0.0 and change > -1.0:
                reference, exact = reference_ticks(price, change, previous[i], paid, tick)
            previous[i] = price
            above = limit_up[t, i] if limit_up.shape[0] > 0 else np.nan
            below = limit_down[t, i] if limit_down.shape[0] > 0 else np.nan
            upper[t, i], basis = _side(1, price, change, reference, exact, above, p, tick, tolerance)
            lower[t, i], other = _side(-1, price, change, reference, exact, below, q, tick, tolerance)
            counts[i, max(basis, other)] += 1
            counts[i, -1] += 1 if max(basis, other) == _INFERRED and not exact else 0


@kernel
def _side(
    sign: int, price: float, change: float, reference: int, exact: bool, given: float, parts: int, tick: float, tolerance: float
) -> tuple[bool, int]:
    """Whether one side's limit was reached (sign 1 the upper, -1 the lower one), and how that is known."""
    if price > 0.0 and given > 0.0:
        return bool(sign * (price - given) >= -0.5 * tick), _GIVEN
    if parts == _NONE:
        return False, _UNLIMITED
    if not np.isfinite(change):
        return False, _UNKNOWN
    if price > 0.0 and change > -1.0:
        if reference < 0:
            return False, _UNKNOWN
        limit = (2 * reference * (PARTS + sign * parts) + PARTS) // (2 * PARTS)
        return bool(sign * (price - limit * tick) >= -0.5 * tick), _COMPUTED if exact else _INFERRED
    return bool(sign * change >= parts / PARTS - tolerance), _INFERRED
