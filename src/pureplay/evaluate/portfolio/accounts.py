"""Daily returns and costs of the accounts, and the periods between their rebalances."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate.portfolio.arrays import Books
from pureplay.evaluate.summary import is_whole
from pureplay.panel import BoolArray, FloatArray

__all__ = ["Accounts", "GridPeriods", "account_returns", "grid_periods"]

RowArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Returns of the accounts, blocks (accounts, sessions), decimals of the value at the close before; NaN where the account is not live.

    An account lives from the session of its first trade, whose return is minus the cost of building (a first rebalance that found nothing
    to trade opens nothing), to the end of the data, to the session on which it is ruined (net return -1), or, where it was closed out, to
    the first session from then on at whose close it holds nothing, and no longer than the sessions on which its orders are tried again.
    What it still holds there, suspended or at a limit, stands at its last value: it is in `left_names` and `left_share`, what becomes of
    it later is in no return, and no more is the cash that lies there. net = gross - fees - impact - borrow. asked: sessions whose orders
    count, (accounts, sessions): from the first rebalance on, filled or not, to the last session of the life. opened, last, ruined:
    session index, (accounts,), -1 where there is none. left_names, left_share: of a closed-out account at its end, names and their
    absolute value over the account's; 0 elsewhere.
    """

    live: BoolArray
    asked: BoolArray
    gross: FloatArray
    net: FloatArray
    fees: FloatArray
    impact: FloatArray
    borrow: FloatArray
    opened: RowArray
    last: RowArray
    ruined: RowArray
    left_names: RowArray
    left_share: FloatArray

    @property
    def span(self) -> tuple[int, int]:
        """First and last session on which an account lives."""
        return int(self.opened[self.opened >= 0].min()), int(self.last.max())


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPeriods:
    """Compounded returns of each account from one rebalance to the next, in order of account then time.

    A period takes the sessions after rebalance `start` up to rebalance `end`, whose trading costs it bears; the first period of
    an account begins with the session on which it is opened and also bears the cost of building. The closing out is the last `end` of
    an account. What runs after the last end is left out, unless the account is ruined in it.
    account: index. start, end: session index. Periods are longer than the grid where a rebalance was skipped.
    """

    account: RowArray
    start: RowArray
    end: RowArray
    gross: FloatArray
    net: FloatArray


def account_returns(books: Books, *, capital: float, retry_sessions: int = 5) -> Accounts:
    """Daily returns and costs of each account.

    capital: at the start of each. retry_sessions: as in the settings, whose default it has; a closed-out account ends so many sessions
    after its closing at the latest. Raises SettingError for a capital that is not above 0 or retry_sessions that are no whole number of
    at least 0, InsufficientDataError where no account was ever opened.
    """
    if not (np.isfinite(capital) and capital > 0):
        raise SettingError(f"capital must be above 0 and finite, not {capital!r}: give the money that each account started with")
    if not is_whole(retry_sessions) or retry_sessions < 0:
        raise SettingError(f"retry_sessions must be a whole number of at least 0, not {retry_sessions!r}")
    known = np.isfinite(books.value)
    traded = known & (books.traded > 0)
    if not traded.any():
        raise InsufficientDataError(
            f"none of {known.shape[0]} accounts was opened within {known.shape[1]} sessions: no order of a rebalance could be filled, or a "
            "long-short account would have begun where short sales are not allowed: widen the sample, see which stocks status calls "
            'suspended, lower min_leg_names, take long_only, or shorting = "paper"'
        )
    opened = np.where(traded.any(axis=1), np.argmax(traded, axis=1), -1).astype(np.int64)
    gone = known & (books.value <= 0)
    ruined = np.where(gone.any(axis=1), np.argmax(gone, axis=1), -1).astype(np.int64)
    last = _last_sessions(books, opened, ruined, retry_sessions)
    session = np.arange(known.shape[1])
    live = known & (session >= opened[:, None]) & (session <= last[:, None])
    before = np.concatenate([np.full((known.shape[0], 1), np.nan), books.value[:, :-1]], axis=1)
    before[np.flatnonzero(opened >= 0), opened[opened >= 0]] = capital
    before[~live] = np.nan
    names, share = _left(books, last)
    gross, fees, impact, borrow = (each / before for each in (books.pnl, books.fees, books.impact, books.borrow))
    return Accounts(
        live=live,
        asked=known & ((session <= last[:, None]) | (opened < 0)[:, None]),
        gross=gross,
        net=books.value / before - 1.0,
        fees=fees,
        impact=impact,
        borrow=borrow,
        opened=opened,
        last=last,
        ruined=ruined,
        left_names=names,
        left_share=share,
    )


def _last_sessions(books: Books, opened: RowArray, ruined: RowArray, retry_sessions: int) -> RowArray:
    """Last session of each account's life, -1 where it was never opened."""
    sessions = books.value.shape[1]
    last = np.where(opened >= 0, sessions - 1, -1).astype(np.int64)
    for account in np.flatnonzero(opened >= 0):
        closed = int(books.closed_out[account])
        if closed >= 0:
            empty = (books.long_names[account, closed:] == 0) & (books.short_names[account, closed:] == 0)
            latest = min(closed + int(retry_sessions), sessions - 1)
            last[account] = min(closed + int(np.argmax(empty)), latest) if empty.any() else latest
        if ruined[account] >= 0:
            last[account] = min(last[account], ruined[account])
    return last


def _left(books: Books, last: RowArray) -> tuple[RowArray, FloatArray]:
    """Names that a closed-out account still holds at its end, and their value over the account's."""
    names, share = np.zeros(last.size, dtype=np.int64), np.zeros(last.size)
    for account in np.flatnonzero((books.closed_out >= 0) & (last >= 0)):
        at = int(last[account])
        if books.value[account, at] > 0:
            names[account] = books.long_names[account, at] + books.short_names[account, at]
            share[account] = (books.long_value[account, at] + books.short_value[account, at]) / books.value[account, at]
    return names, share


def grid_periods(books: Books, accounts: Accounts) -> GridPeriods:
    """Returns between consecutive rebalances of each account: the grid-frequency series."""
    found: list[tuple[int, int, int]] = []
    for account in range(accounts.live.shape[0]):
        borders = _borders(books, accounts, account)
        for ended in (int(books.closed_out[account]), int(accounts.ruined[account])):
            if borders.size and borders[-1] < ended <= accounts.last[account]:
                borders = np.append(borders, ended)
        found += [(account, int(start), int(end)) for start, end in pairwise(borders)]
    table = np.array(found, dtype=np.int64).reshape(-1, 3)
    which, first, last = table[:, 0], table[:, 1], table[:, 2]
    built = first == accounts.opened[which]
    gross, net = (
        np.array(
            [np.prod(1.0 + block[a, s + 1 - b : e + 1]) - 1.0 for a, s, e, b in zip(which, first, last, built, strict=True)],
            dtype=np.float64,
        )
        for block in (accounts.gross, accounts.net)
    )
    return GridPeriods(account=which, start=first, end=last, gross=gross, net=net)


def _borders(books: Books, accounts: Accounts, account: int) -> RowArray:
    """Sessions between which an account's periods lie: its opening and its rebalances up to the one that closed it out."""
    opened, closed = int(accounts.opened[account]), int(books.closed_out[account])
    if opened < 0:
        return np.empty(0, dtype=np.int64)
    at = books.rebalanced[account] & accounts.live[account]
    at[opened] = True
    if closed >= 0:
        at[closed + 1 :] = False
    return np.flatnonzero(at)
