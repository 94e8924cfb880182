"""The days of one account: drift, payouts, borrowing, orders and the close (kernels; `book.simulate` states the model)."""

import math
from typing import Final, NamedTuple

import numpy as np

from pureplay.evaluate.portfolio.arrays import AssetArray, RowArray
from pureplay.evaluate.portfolio.fill import Deal, Market, new_fill
from pureplay.evaluate.portfolio.held import Log, Names, grow_names, merge_names, new_log, new_names, tidy_names, write_log
from pureplay.evaluate.portfolio.orders import Page, enter_legs, find_open, forget_trades, trade
from pureplay.panel import FloatArray
from pureplay.stats.jit import kernel

__all__ = ["Plan", "run_account"]

_DELISTED: Final = 1
_WRITTEN_OFF: Final = 2
_NOTHING: Final = 1e-12  # of the capital: an account worth no more is worth nothing but rounding


class Plan(NamedTuple):
    """Rebalances of an account: session on which each is traded, and its names."""

    session: RowArray
    start: RowArray
    stop: RowArray
    assets: AssetArray
    weights: FloatArray


@kernel
def run_account(market: Market, deal: Deal, plan: Plan, page: Page, record: bool) -> tuple[int, Log]:
    """Keep the account from its first rebalance to the end; returns the session of its winding-up, -1 for none, and the holdings."""
    sessions, assets = market.returns.shape
    names, spare, fill, log = new_names(assets), new_names(assets), new_fill(assets), new_log(1024 if record else 0)
    deepest = market.settlement.max()
    lots = np.zeros((deepest if deepest > 1 else 0, assets))
    first, closed_out, coming, size, left = plan.session[0], -1, 0, 0, 0
    if deal.exposure[1] > 0.0 and not market.shorting[first]:
        return closed_out, log
    cash, before, nothing = deal.capital, deal.capital, _NOTHING * deal.capital
    for s in range(first, sessions):
        page.borrow[s] = market.borrow_rate[s] * page.short_value[s - 1] if s > first else 0.0
        paid, touched = _carry(market, deal, s, names, size, lots, page)
        cash += paid - page.borrow[s]
        worth = cash + page.long_value[s] - page.short_value[s]
        due = coming < plan.session.size and plan.session[coming] == s
        if due and worth > nothing:
            if deal.exposure[1] > 0.0 and not market.shorting[s] and closed_out < 0:
                closed_out = s
            size = _wish(names, size, spare, plan, coming, closed_out >= 0)
            names, spare = spare, names
            page.rebalanced[s] = size > 0 and _any_order(names, size)
            coming, left = coming + 1, deal.retry_sessions + 1
        traded = left > 0 and worth > nothing
        if traded:
            spent, left = trade(market, deal, s, worth, due, left - 1, names, size, lots, fill, page)
            cash -= spent
            touched = touched or due or fill.tally[1] > 0
            worth = cash + page.long_value[s] - page.short_value[s]
        if worth <= nothing:
            touched, cash, worth = True, 0.0, 0.0
            _wind_up(names, size, page, s)
        page.cash[s], page.value[s] = cash, worth
        page.pnl[s] = worth + page.fees[s] + page.impact[s] + page.borrow[s] - before if s > first else 0.0
        if record:
            log = write_log(log, names, size, s)
        if touched:
            size = tidy_names(names, size)
            find_open(names, size, fill)
        elif traded:
            forget_trades(names, fill)
        before = worth
        if worth == 0.0:
            page.cash[s:], page.value[s:], page.pnl[s + 1 :] = 0.0, 0.0, 0.0
            break
    return closed_out, log


@kernel
def _wish(names: Names, size: int, spare: Names, plan: Plan, coming: int, closed: bool) -> int:
    """Enter the weights of a rebalance, none where the account is closed out."""
    start, stop = plan.start[coming], plan.stop[coming]
    if closed:
        stop = start
    return merge_names(names, size, spare, plan.assets[start:stop], plan.weights[start:stop])


@kernel
def _carry(market: Market, deal: Deal, s: int, names: Names, size: int, lots: FloatArray, page: Page) -> tuple[float, bool]:
    """Let positions drift and pay out those that are gone; returns the payouts, and whether a name has left."""
    if lots.shape[0] > 0:
        _carry_lots(market, s, names, size, lots)
    grow_names(names, size, market.returns[s])
    paid = 0.0
    for each in range(market.gone_start[s], market.gone_start[s + 1]):
        j = np.searchsorted(names.asset[:size], market.gone[each])
        if j < size and names.asset[j] == market.gone[each] and names.value[j] != 0.0:
            paid += _pay_out(market, deal, s, names, j, page)
    enter_legs(names, size, page, s)
    before = page.long_names[s - 1] + page.short_names[s - 1] if s > 0 else 0
    left = page.long_names[s] + page.short_names[s] < before
    if left:
        _close_empty(names, size, lots)
    return paid, left


@kernel
def _close_empty(names: Names, size: int, lots: FloatArray) -> None:
    """What is worth nothing leaves no lots and no order to sell it."""
    for j in range(size):
        if names.value[j] == 0.0:
            lots[:, names.asset[j]] = 0.0
            if names.weight[j] == 0.0:
                names.order[j] = 0


@kernel
def _carry_lots(market: Market, s: int, names: Names, size: int, lots: FloatArray) -> None:
    """Let what was bought lately drift with its name, and clear the place of today's lot."""
    for j in range(size):
        i = names.asset[j]
        r = market.returns[s, i]
        if math.isfinite(r):
            for age in range(lots.shape[0]):
                lots[age, i] *= 1.0 + r
        lots[s % lots.shape[0], i] = 0.0


@kernel
def _pay_out(market: Market, deal: Deal, s: int, names: Names, j: int, page: Page) -> float:
    """Pay out a name: one after its last session as delisted, any other as written off."""
    i = names.asset[j]
    if s > market.last_session[i]:
        names.paid[j], names.payout[j] = _DELISTED, names.value[j] * (1.0 + market.payout[i])
        page.delisted[s] += 1
    else:
        names.paid[j], names.payout[j] = _WRITTEN_OFF, names.value[j] * (1.0 + deal.write_off_return)
        page.written_off[s] += 1
    names.value[j] = 0.0
    return float(names.payout[j])


@kernel
def _any_order(names: Names, size: int) -> bool:
    """Whether a name is held or wanted."""
    return bool((names.value[:size] != 0.0).any() or (names.weight[:size] != 0.0).any())


@kernel
def _wind_up(names: Names, size: int, page: Page, s: int) -> None:
    """Close every position of a ruined account at its value."""
    for j in range(size):
        if names.value[j] != 0.0:
            names.paid[j], names.payout[j], names.value[j] = _DELISTED, names.value[j], 0.0
    enter_legs(names, size, page, s)
