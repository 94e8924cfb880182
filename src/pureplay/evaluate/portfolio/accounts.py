"""Daily returns and costs of the accounts, and the periods between their rebalances."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate.portfolio.arrays import Books
from pureplay.panel import BoolArray, FloatArray

__all__ = ["Accounts", "GridPeriods", "account_returns", "grid_periods"]

RowArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Returns of the accounts, blocks (accounts, sessions), decimals of the value at the close before; NaN where the account is not live.

    An account lives from the session on which it is opened, whose return is minus the cost of building, to the end of the data, to the
    session on which it is ruined (net return -1), or, where it was closed out, to the first session from then on at whose close it
    holds nothing: the cash that lies there later is no portfolio. net = gross - fees - impact - borrow. opened, last, ruined: session
    index, (accounts,), -1 where there is none.
    """

    live: BoolArray
    gross: FloatArray
    net: FloatArray
    fees: FloatArray
    impact: FloatArray
    borrow: FloatArray
    opened: RowArray
    last: RowArray
    ruined: RowArray

    @property
    def span(self) -> tuple[int, int]:
        """First and last session on which an account lives."""
        return int(self.opened[self.opened >= 0].min()), int(self.last.max())


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPeriods:
    """Compounded returns of each account from one rebalance to the next, in order of account then time.

    A period takes the sessions after rebalance `start` up to rebalance `end`, whose trading costs it bears; the first period of
    an account also bears the cost of building. What runs after the last rebalance is left out, unless the account is ruined in it; what is
    left of an account after it was closed out is left out too.
    account: index. start, end: session index. Periods are longer than the grid where a rebalance was skipped.
    """

    account: RowArray
    start: RowArray
    end: RowArray
    gross: FloatArray
    net: FloatArray


def account_returns(books: Books, *, capital: float) -> Accounts:
    """Daily returns and costs of each account.

    capital: at the start of each. Raises SettingError for a capital that is not above 0, InsufficientDataError where no account was
    ever opened.
    """
    if not (np.isfinite(capital) and capital > 0):
        raise SettingError(f"capital must be above 0 and finite, not {capital!r}: give the money that each account started with")
    known = np.isfinite(books.value)
    if not known.any():
        raise InsufficientDataError(
            f"none of {known.shape[0]} accounts was opened within {known.shape[1]} sessions: no rebalance could be traded; "
            "widen the sample, lower min_leg_names, see why the rebalances were skipped, or, for a long_short account whose rules do "
            "not allow short sales then, take kind='long_only', or shorting='paper' to go on as if they did"
        )
    opened = np.where(known.any(axis=1), np.argmax(known, axis=1), -1).astype(np.int64)
    gone = known & (books.value <= 0)
    ruined = np.where(gone.any(axis=1), np.argmax(gone, axis=1), -1).astype(np.int64)
    last = _last_sessions(books, opened, ruined)
    session = np.arange(known.shape[1])
    live = known & (session >= opened[:, None]) & (session <= last[:, None])
    before = np.concatenate([np.full((known.shape[0], 1), np.nan), books.value[:, :-1]], axis=1)
    before[np.flatnonzero(opened >= 0), opened[opened >= 0]] = capital
    before[~live] = np.nan
    gross, fees, impact, borrow = (each / before for each in (books.pnl, books.fees, books.impact, books.borrow))
    return Accounts(
        live=live,
        gross=gross,
        net=books.value / before - 1.0,
        fees=fees,
        impact=impact,
        borrow=borrow,
        opened=opened,
        last=last,
        ruined=ruined,
    )


def _last_sessions(books: Books, opened: RowArray, ruined: RowArray) -> RowArray:
    """Last session of each account's life, -1 where it was never opened."""
    sessions = books.value.shape[1]
    last = np.where(opened >= 0, sessions - 1, -1).astype(np.int64)
    for account in np.flatnonzero(opened >= 0):
        closed = int(books.closed_out[account])
        if closed >= 0:
            empty = (books.long_names[account, closed:] == 0) & (books.short_names[account, closed:] == 0)
            last[account] = closed + int(np.argmax(empty)) if empty.any() else sessions - 1
        if ruined[account] >= 0:
            last[account] = min(last[account], ruined[account])
    return last


def grid_periods(books: Books, accounts: Accounts) -> GridPeriods:
    """Returns between consecutive rebalances of each account: the grid-frequency series."""
    found: list[tuple[int, int, int]] = []
    for account in range(accounts.live.shape[0]):
        borders = np.flatnonzero(books.rebalanced[account] & accounts.live[account])
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
