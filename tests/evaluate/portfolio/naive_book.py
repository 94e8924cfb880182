"""The model of the account once more, as plain Python over dictionaries: what the kernels of `simulate` are held against.

Written from the model's text, event by event, before the kernels and without anything of theirs: positions in a dictionary, purchases
in lists of lots, the scale of a leg by bisection, the value after costs by plain repetition.
"""

import math
from dataclasses import dataclass, field

from pureplay.evaluate.portfolio.arrays import BLOCKED, Tape, Targets, Terms

ROUNDING = 1e-12  # of the exposure: a leg that is over or under it by less is neither


@dataclass
class Account:
    """State of an account and its books, a list of dictionaries a session."""

    cash: float
    held: dict[int, float] = field(default_factory=dict)
    lots: dict[int, list[list[float]]] = field(default_factory=dict)  # of a name: [session, value]
    unseen: dict[int, int] = field(default_factory=dict)  # last session on which it traded
    weights: dict[int, float] = field(default_factory=dict)
    open_orders: dict[int, int] = field(default_factory=dict)  # +1 enlarge, -1 reduce, in the direction of the leg
    scale: dict[int, float] = field(default_factory=dict)  # of a leg: its k over the value after costs
    left: int = 0
    closed: bool = False


@dataclass
class Order:
    """One name that takes part in a session's trading; bounds and position in the direction of its leg."""

    leg: int
    weight: float
    now: float
    market: tuple[float, float]
    direction: int  # 0 on a rebalance


def naive_account(
    targets: Targets, tape: Tape, terms: Terms, offset: int
) -> tuple[list[dict[str, float]], list[tuple[float, ...]], list[list[tuple[int, float]]], int]:
    """Books a session, rows of the holdings, blocked orders a session as (reason, value), session of the winding-up."""
    sessions = tape.returns.shape[0]
    due = {
        int(targets.rows[k]) + terms.delay_sessions: {
            int(targets.assets[j]): float(targets.weights[j]) for j in range(targets.starts[k], targets.starts[k + 1])
        }
        for k in range(len(targets.rows))
        if targets.offsets[k] == offset
    }
    empty = {"value": math.nan, "pnl": math.nan, "cash": math.nan}
    nothing = 1e-12 * terms.capital
    days: list[dict[str, float]] = []
    rows: list[tuple[float, ...]] = []
    blocked: list[list[tuple[int, float]]] = [[] for _ in range(sessions)]
    closed_out, account, refused = -1, None, False
    for s in range(sessions):
        day = dict.fromkeys(("fees", "impact", "borrow", "traded", "turned", "rebalanced", "delisted", "written_off"), 0.0)
        traded: dict[int, tuple[float, float]] = {}
        paid: dict[int, float] = {}
        if account is None:
            refused |= s in due and refuses(tape, terms, s)
            if s not in due or refused:
                days.append(day | empty | dict.fromkeys(("long_value", "short_value", "long_names", "short_names"), 0.0))
                continue
            account = Account(terms.capital)
            before, opening = terms.capital, True
        else:
            before, opening = days[-1]["value"], False
            if days[-1]["value"] == 0:  # ruined
                days.append(dict.fromkeys((*day, *empty, "long_value", "short_value", "long_names", "short_names"), 0.0))
                continue
        day["borrow"] = float(tape.borrow_rate[s]) * -sum(v for v in account.held.values() if v < 0)
        drift(account, tape, s)
        paid = pay_out(account, tape, terms, s, day)
        account.cash += sum(paid.values()) - day["borrow"]
        worth = account.cash + sum(account.held.values())
        if worth > nothing and take_orders(account, due, tape, terms, s, worth, day, traded, blocked[s]):
            closed_out = s
        value = account.cash + sum(account.held.values())
        if worth <= nothing or value <= nothing:
            paid |= dict(account.held)
            account.held, account.cash, value = {}, 0.0, 0.0
        day |= {"value": value, "cash": account.cash}
        day["pnl"] = 0.0 if opening else value + day["fees"] + day["impact"] + day["borrow"] - before
        for name, leg in (("long", 1), ("short", -1)):
            mine = [abs(v) for v in account.held.values() if leg * v > 0]
            day[f"{name}_value"], day[f"{name}_names"] = sum(mine), float(len(mine))
        days.append(day)
        for i in sorted({*account.held, *traded, *paid}):
            change, cost = traded.get(i, (0.0, 0.0))
            rows.append((s, i, account.held.get(i, 0.0), change, cost, paid.get(i, 0.0)))
    return days, rows, blocked, closed_out


def take_orders(
    account: Account,
    due: dict[int, dict[int, float]],
    tape: Tape,
    terms: Terms,
    s: int,
    worth: float,
    day: dict[str, float],
    traded: dict[int, tuple[float, float]],
    blocked: list[tuple[int, float]],
) -> bool:
    """Event 5; whether the account is wound up on this session."""
    closing = s in due and refuses(tape, terms, s) and not account.closed
    if s in due:
        account.closed |= closing
        account.weights = {} if account.closed else {i: w for i, w in due[s].items() if w != 0}
        account.left = terms.retry_sessions
        day["rebalanced"] = float(bool(account.weights or account.held))
        trade(account, tape, terms, s, worth, True, day, traded, blocked)
    elif account.left > 0:
        account.left -= 1
        if account.open_orders:
            trade(account, tape, terms, s, worth, False, day, traded, blocked)
    return closing


def refuses(tape: Tape, terms: Terms, s: int) -> bool:
    """Whether the market does not allow the account its short leg."""
    return terms.short_exposure > 0 and not tape.shorting[s]


def drift(account: Account, tape: Tape, s: int) -> None:
    """Event 1: every position and every lot moves with the return of the session, where there is one."""
    for i in list(account.held):
        r = float(tape.returns[s, i])
        if math.isfinite(r):
            account.held[i] *= 1 + r
            for lot in account.lots.get(i, []):
                lot[1] *= 1 + r
        if tape.tradable[s, i]:
            account.unseen[i] = s
        if account.held[i] == 0:
            drop(account, i)


def drop(account: Account, i: int) -> None:
    """A position that is gone leaves no lots and no order to reduce it."""
    del account.held[i]
    account.lots.pop(i, None)
    if i not in account.weights:
        account.open_orders.pop(i, None)


def pay_out(account: Account, tape: Tape, terms: Terms, s: int, day: dict[str, float]) -> dict[int, float]:
    """Event 2: delisted names, then those that have not traded for too long."""
    paid = {}
    for i in sorted(account.held):
        if s > tape.last_session[i]:
            paid[i] = account.held[i] * (1 + float(tape.payout[i]))
            day["delisted"] += 1
        elif terms.write_off_sessions and s - account.unseen[i] >= terms.write_off_sessions:
            paid[i] = account.held[i] * (1 + terms.write_off_return)
            day["written_off"] += 1
        else:
            continue
        drop(account, i)
    return paid


def signed_bounds(account: Account, tape: Tape, terms: Terms, s: int, i: int) -> list[tuple[int, float, float]]:
    """Event 6: each bound that the market sets on the position after the trade, as (place in BLOCKED, lowest, highest)."""
    v, found = account.held.get(i, 0.0), []
    inf = math.inf
    if not tape.tradable[s, i] or s > tape.last_session[i]:
        found.append(("suspended", v, v))
    if tape.at_upper[s, i]:
        found.append(("limit_up", -inf, v))
    if tape.at_lower[s, i]:
        found.append(("limit_down", v, inf))
    if not tape.enterable[s, i]:
        found.append(("not_enterable", -inf, max(v, 0.0)))
    if not tape.shorting[s]:
        found.append(("not_enterable", min(v, 0.0), inf))
    if v > 0:
        locked = sum(worth for bought, worth in account.lots.get(i, []) if bought + tape.settlement[s] > s)
        found.append(("settlement", min(v, locked) if locked > 0 else -inf, inf))
    if tape.liquidity is not None and math.isfinite(tape.liquidity[s, i]) and math.isfinite(terms.participation):
        most = terms.participation * float(tape.liquidity[s, i])
        found.append(("participation", v - most, v + most))
    return [(BLOCKED.index(name), low, high) for name, low, high in found]


def trade(
    account: Account,
    tape: Tape,
    terms: Terms,
    s: int,
    worth: float,
    rebalance: bool,
    day: dict[str, float],
    traded: dict[int, tuple[float, float]],
    blocked: list[tuple[int, float]],
) -> None:
    """Events 5 to 8."""
    names = {*account.weights, *account.held} if rebalance else set(account.open_orders)
    orders, reasons, frozen = {}, {}, {1: 0.0, -1: 0.0}
    for i in sorted({*account.weights, *account.held}):
        w, v = account.weights.get(i, 0.0), account.held.get(i, 0.0)
        leg = 1 if (w or v) > 0 else -1
        if i not in names:
            frozen[leg] += leg * v
            continue
        reasons[i] = signed_bounds(account, tape, terms, s, i)
        low = max((b[1] for b in reasons[i]), default=-math.inf)
        high = min((b[2] for b in reasons[i]), default=math.inf)
        market = (low, high) if leg > 0 else (-high, -low)
        orders[i] = Order(leg, abs(w), leg * v, market, 0 if rebalance else account.open_orders[i])
    wanted = {1: terms.long_exposure, -1: terms.short_exposure}
    after = worth
    for _ in range(500):  # V' = V - costs(V'), repeated
        scales, positions = fill(orders, frozen, wanted, after, terms, account, rebalance)
        fees, impact = costs(orders, positions, tape, terms, s)
        new = worth - sum(fees.values()) - sum(impact.values())
        if abs(new - after) <= 1e-15 * worth:
            break
        after = new
    if rebalance:
        account.scale = {leg: scales[leg] / after if after > 0 else 0.0 for leg in scales}
        account.open_orders = {}
    tolerance = 1e-9 * worth
    for i, order in orders.items():
        x, full = positions[i], wanted[order.leg] * max(after, 0.0) * order.weight
        low, high = order.market
        short_of = order.direction >= 0 and high < full - tolerance
        too_much = order.direction <= 0 and low > full + tolerance and x <= low
        account.open_orders.pop(i, None)
        if short_of or too_much:
            account.open_orders[i] = 1 if short_of else -1
            upward = short_of == (order.leg > 0)
            goal = order.leg * full
            first = min(code for code, lo, hi in reasons[i] if (hi < goal - tolerance if upward else lo > goal + tolerance))
            blocked.append((first, abs(x - full)))
        d = order.leg * (x - order.now)
        if d != 0:
            account.cash -= d + fees[i] + impact[i]
            day["fees"] += fees[i]
            day["impact"] += impact[i]
            day["traded"] += abs(d)
            traded[i] = (d, fees[i] + impact[i])
            move(account, i, d, order.leg * x, s)
    day["turned"] = day["traded"] / 2 / ((terms.long_exposure + terms.short_exposure) * worth)


def move(account: Account, i: int, d: float, p: float, s: int) -> None:
    """New position and its lots: a purchase adds one, a sale takes the oldest shares first."""
    v = account.held.pop(i, 0.0)
    if v == 0:
        account.unseen[i] = s
    lots = account.lots.pop(i, [])
    if p > max(v, 0.0):
        lots.append([s, p - max(v, 0.0)])
    kept, room = [], max(p, 0.0)
    for bought, value in reversed(lots):
        kept.insert(0, [bought, min(value, room)])
        room -= min(value, room)
    if p != 0:
        account.held[i], account.lots[i] = p, kept


def fill(
    orders: dict[int, Order],
    frozen: dict[int, float],
    wanted: dict[int, float],
    after: float,
    terms: Terms,
    account: Account,
    rebalance: bool,
) -> tuple[dict[int, float], dict[int, float]]:
    """Event 7 at a given value after costs: k of each leg by bisection, and the positions."""
    scales, positions = {}, {}
    for leg in (1, -1):
        exposure = wanted[leg] * max(after, 0.0)
        most = terms.spread_limit * exposure
        if not rebalance:
            most = max(account.scale[leg], wanted[leg]) * max(after, 0.0)
        within = {}
        for i, order in orders.items():
            if order.leg != leg:
                continue
            low, high = order.market
            if order.direction > 0:
                low = max(low, order.now)
            if order.direction < 0:
                high = min(high, order.now)
                low = max(low, min(order.now, exposure * order.weight))
            within[i] = (order.weight, low, high)

        def at(k: float, within: dict[int, tuple[float, float, float]] = within) -> dict[int, float]:
            return {i: min(max(k * w, low), high) for i, (w, low, high) in within.items()}

        def total(k: float, leg: int = leg) -> float:
            return frozen[leg] + sum(at(k).values())

        if total(most) <= exposure * (1 + ROUNDING):
            k = most
        elif total(0.0) >= exposure * (1 - ROUNDING):
            k = 0.0
        else:
            a, b = 0.0, most
            for _ in range(200):
                middle = (a + b) / 2
                a, b = (middle, b) if total(middle) <= exposure else (a, middle)
            k = a
        scales[leg] = k
        positions |= at(k)
    return scales, positions


def costs(
    orders: dict[int, Order], positions: dict[int, float], tape: Tape, terms: Terms, s: int
) -> tuple[dict[int, float], dict[int, float]]:
    """Event 8: fees and impact by name."""
    fees, impact = {}, {}
    for i, order in orders.items():
        d = order.leg * (positions[i] - order.now)
        fees[i] = d * float(tape.buy_rate[s]) if d > 0 else -d * float(tape.sell_rate[s])
        impact[i] = 0.0
        if tape.liquidity is not None and tape.volatility is not None and d != 0:
            liquidity, volatility = float(tape.liquidity[s, i]), float(tape.volatility[s, i])
            if math.isfinite(liquidity) and math.isfinite(volatility) and liquidity > 0:
                impact[i] = terms.impact * volatility * math.sqrt(abs(d) / liquidity) * abs(d)
    return fees, impact
