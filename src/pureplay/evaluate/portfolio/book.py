"""The account day by day: what wanted weights earn under the rules of a market."""

import numpy as np

from pureplay.errors import SettingError
from pureplay.evaluate.portfolio.admit import require_tape, require_targets, require_terms
from pureplay.evaluate.portfolio.arrays import BLOCKED, Books, Holdings, RowArray, Tape, Targets, Terms
from pureplay.evaluate.portfolio.departures import departures
from pureplay.evaluate.portfolio.fill import Deal, Market
from pureplay.evaluate.portfolio.held import Log
from pureplay.evaluate.portfolio.ledger import Plan, run_account
from pureplay.evaluate.portfolio.orders import Page
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks

__all__ = ["simulate"]


def simulate(targets: Targets, tape: Tape, terms: Terms, *, record: int | None = None) -> tuple[Books, Holdings | None]:
    """Books of one account for each offset of the targets, and the holdings of the account `record` (None = of none).

    A rebalance decided at the close of row t is traded at the close of row t + delay_sessions; one that falls behind the last session is
    not traded. An account opens, with the capital, on the first session on which it trades. Each later session, in order:

    1. Positions drift with the finite returns. One that is worth exactly nothing is gone.
    2. Names after their last session are paid out at their value times 1 + payout; names that have not traded on the last
       write_off_sessions sessions likewise with write_off_return. Neither costs fees.
    3. borrow_rate times the short value of the last close leaves the cash.
    4. V = cash + positions. Where V, or the value after trades, is not above 0 (1e-12 of the capital: rounding) the account is ruined:
       positions end at their value, value and cash are 0 from then on.
    5. On the session of a rebalance every name wanted or held takes part; for retry_sessions sessions after it, or until the next
       one, those whose order was not filled in full. An account with a short leg that meets a rebalance while shorting is not allowed
       sells everything, then and at every later rebalance; at its first one it is not opened at all, and is NaN throughout.
    6. The market bounds the position after the trade: not tradable, or after its last session: as it is; at the upper (lower) limit: no
       buying (selling); not enterable: no long position opened or enlarged; shorting not allowed: no short one (counted as not
       enterable); settlement: what was bought fewer sessions ago is not sold, oldest shares go first; participation: the trade is at
       most that share of the liquidity.
    7. Each leg has the exposure E = its exposure × V', V' = V less the trading costs of the session. In the direction of its leg a
       name's position is k × |weight| within its bounds, with the largest k up to spread_limit × E at which the leg sums to at most E
       (k = 0 where blocked sales leave no room; a position of the other sign counts with its sign). Orders tried again: the rest of the
       leg stays, an order keeps its direction, a sale ends at E × |weight|, and k goes up to the larger of E and what the rebalance
       reached in proportion to V'. Not filled in full: bounds keep the position more than 1e-9 V from E × |weight|.
    8. Fees: buy_rate or sell_rate times the value. Impact: impact × volatility × √(trade / liquidity) × trade, none where one of them
       is unknown or the liquidity is 0.
    9. Value = cash + positions; pnl = value + costs of the session - last value.

    Before an account is opened value, pnl and cash are NaN and all else is 0. `rebalanced` also holds for a rebalance of which nothing
    could be traded, not where nothing was wanted or held. Holdings have a row too on the session on which a name is paid out, or is lost
    to ruin (payout: its value). Accounts run side by side; the numbers do not depend on how many.

    Raises SettingError for terms outside their range, without exposure, or a `record` without targets, and EvaluationError for arrays
    that disagree in shape or hold what cannot be: returns below -1, weights whose legs do not sum to ±1, assets out of range.
    """
    require_terms(terms)
    require_tape(tape)
    require_targets(targets, tape.returns.shape, short=terms.short_exposure > 0)
    offsets = np.unique(targets.offsets).astype(np.int64)
    if record is not None and record not in offsets:
        known = ", ".join(str(each) for each in offsets[:20]) or "none"
        raise SettingError(f"record is {record}, and the targets have no rebalance of that offset (they have {known}): name one of them")
    books = _blank_books(offsets, tape.returns.shape[0])
    market, deal = _market(tape, terms.write_off_sessions), _deal(terms)
    plans = [_plan(targets, int(offset), terms.delay_sessions, tape.returns.shape[0]) for offset in offsets]
    logs: list[Log] = []

    def keep(start: int, stop: int) -> None:
        for a in range(start, stop):
            if plans[a].session.size:
                asked = record is not None and int(offsets[a]) == record
                books.closed_out[a], log = run_account(market, deal, plans[a], _page(books, a), asked)
                logs.extend([log] if asked else [])

    over_blocks(keep, offsets.size)
    return books, None if record is None else _holdings(logs)


def _market(tape: Tape, write_off_sessions: int) -> Market:
    """The tape with one type an array, so that the kernels are compiled once."""

    def series(values: FloatArray) -> FloatArray:
        return np.ascontiguousarray(values, dtype=np.float64)

    def block(values: FloatArray | None) -> FloatArray:
        return np.empty((0, 0)) if values is None else series(values)

    def flags(values: BoolArray) -> BoolArray:
        return np.ascontiguousarray(values)

    def whole(values: RowArray) -> RowArray:
        return np.ascontiguousarray(values, dtype=np.int64)

    gone_start, gone = departures(tape, write_off_sessions)
    return Market(
        block(tape.returns),
        flags(tape.tradable),
        flags(tape.at_upper),
        flags(tape.at_lower),
        flags(tape.enterable),
        flags(tape.shorting),
        series(tape.buy_rate),
        series(tape.sell_rate),
        series(tape.borrow_rate),
        whole(tape.settlement),
        whole(tape.last_session),
        series(tape.payout),
        block(tape.liquidity),
        block(tape.volatility),
        gone_start,
        gone,
    )


def _deal(terms: Terms) -> Deal:
    return Deal(
        float(terms.capital),
        np.array([terms.long_exposure, terms.short_exposure], dtype=np.float64),
        float(terms.spread_limit),
        int(terms.retry_sessions),
        float(terms.participation),
        float(terms.impact),
        int(terms.write_off_sessions),
        float(terms.write_off_return),
    )


def _plan(targets: Targets, offset: int, delay: int, sessions: int) -> Plan:
    mine = np.flatnonzero((targets.offsets == offset) & (targets.rows + delay < sessions))
    starts = targets.starts.astype(np.int64)
    return Plan(
        targets.rows[mine].astype(np.int64) + delay,
        starts[mine],
        starts[mine + 1],
        np.ascontiguousarray(targets.assets, dtype=np.int32),
        np.ascontiguousarray(targets.weights, dtype=np.float64),
    )


def _blank_books(offsets: RowArray, sessions: int) -> Books:
    shape = (offsets.size, sessions)

    def unknown() -> FloatArray:
        return np.full(shape, np.nan)

    def zero() -> FloatArray:
        return np.zeros(shape)

    def none() -> RowArray:
        return np.zeros(shape, dtype=np.int64)

    return Books(
        offsets=offsets,
        value=unknown(),
        pnl=unknown(),
        fees=zero(),
        impact=zero(),
        borrow=zero(),
        cash=unknown(),
        long_value=zero(),
        short_value=zero(),
        long_names=none(),
        short_names=none(),
        traded=zero(),
        turned=zero(),
        rebalanced=np.zeros(shape, dtype=np.bool_),
        blocked=np.zeros((*shape, len(BLOCKED)), dtype=np.int64),
        blocked_value=np.zeros((*shape, len(BLOCKED))),
        closed_out=np.full(offsets.size, -1, dtype=np.int64),
        delisted=none(),
        written_off=none(),
    )


def _page(books: Books, account: int) -> Page:
    return Page(*(getattr(books, name)[account] for name in Page._fields))


def _holdings(logs: list[Log]) -> Holdings:
    """The rows written; none for an account that was never opened."""
    if not logs:
        empty = np.empty(0)
        return Holdings(row=np.empty(0, np.int64), asset=np.empty(0, np.int32), value=empty, trade=empty, cost=empty, payout=empty)
    log, rows = logs[0], int(logs[0].used[0])
    return Holdings(
        row=log.row[:rows],
        asset=log.asset[:rows],
        value=log.value[:rows],
        trade=log.trade[:rows],
        cost=log.cost[:rows],
        payout=log.payout[:rows],
    )
