"""Figures of a portfolio from its accounts."""

from dataclasses import dataclass, fields
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.errors import SettingError
from pureplay.evaluate.portfolio.accounts import Accounts, GridPeriods, account_returns, grid_periods
from pureplay.evaluate.portfolio.arrays import BLOCKED, Books
from pureplay.evaluate.portfolio.benchmark import Benchmark
from pureplay.evaluate.portfolio.performance import active_figures, performance
from pureplay.evaluate.portfolio.records import AccountFigures, ActiveFigures, Performance, PortfolioFigures, Spread
from pureplay.evaluate.summary import is_whole
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import Sessions, sessions_per_year

__all__ = [
    "Measured",
    "account_figures",
    "beside_accounts",
    "ending_notes",
    "figures_of",
    "mean_of_live",
    "measure",
    "portfolio_figures",
    "turnover_sessions",
]

RowArray = npt.NDArray[np.int64]

_SPREAD: Final = (
    *("per_rebalance", "rebalance_sessions", "turnover", "fees", "impact", "borrow", "exposure", "cash"),
    *("long_names", "short_names", "delisted", "written_off"),
)
_NUMBERS: Final = tuple(each.name for each in fields(Performance) if each.name not in ("peak", "trough"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Accounts with what figures and tables both need: their returns, periods, figures and the benchmark beside each (None: without)."""

    books: Books
    sessions: Sessions
    grid_sessions: int
    benchmark: Benchmark | None
    accounts: Accounts
    periods: GridPeriods
    sides: FloatArray | None
    single: list[AccountFigures]


def measure(
    books: Books,
    sessions: Sessions,
    *,
    capital: float,
    grid_sessions: int,
    retry_sessions: int = 5,
    benchmark: Benchmark | None = None,
) -> Measured:
    """Measure every account once. Arguments and errors as for `portfolio_figures`."""
    if not is_whole(grid_sessions) or grid_sessions < 1:
        raise SettingError(f"grid_sessions must be a whole number of at least 1, not {grid_sessions!r}")
    accounts = account_returns(books, capital=capital, retry_sessions=retry_sessions)
    periods = grid_periods(books, accounts)
    return Measured(
        books=books,
        sessions=sessions,
        grid_sessions=grid_sessions,
        benchmark=benchmark,
        accounts=accounts,
        periods=periods,
        sides=beside_accounts(accounts, benchmark, sessions),
        single=account_figures(books, accounts, periods, sessions, benchmark=benchmark),
    )


def portfolio_figures(
    books: Books,
    sessions: Sessions,
    *,
    capital: float,
    grid_sessions: int,
    retry_sessions: int = 5,
    benchmark: Benchmark | None = None,
) -> PortfolioFigures:
    """Figures of all accounts, one by one and together.

    books: accounts day by day. sessions: their sessions. capital: at the start of each account. grid_sessions: sessions
    between rebalances that were asked for; it names the grid, figures count those that were. retry_sessions: as in the settings, whose
    default it has; it ends the life of closed-out accounts. benchmark: index beside the portfolio. Raises SettingError for numbers that
    cannot be and for a benchmark that does not cover the sessions after the first opening, InsufficientDataError where no account was
    opened.
    """
    return figures_of(
        measure(books, sessions, capital=capital, grid_sessions=grid_sessions, retry_sessions=retry_sessions, benchmark=benchmark)
    )


def figures_of(measured: Measured) -> PortfolioFigures:
    """Figures of measured accounts, one by one and together."""
    books, sessions, benchmark = measured.books, measured.sessions, measured.benchmark
    accounts, periods, sides, single = measured.accounts, measured.periods, measured.sides, measured.single
    a_year = sessions_per_year(sessions)
    opened = [each for each in single if each.opened is not None]
    first, last = accounts.span
    span, days = slice(first, last + 1), sessions.dates
    together = [mean_of_live(block)[span] for block in (accounts.gross, accounts.net)]
    orders, shares = _blocked(books, accounts)
    spreads = {name: Spread.of([float(getattr(each, name)) for each in opened]) for name in _SPREAD}
    return PortfolioFigures(
        first=sessions.dates[first].astype("datetime64[D]").item(),
        last=sessions.dates[last].astype("datetime64[D]").item(),
        sessions_per_year=a_year,
        grid_sessions=measured.grid_sessions,
        n_accounts=len(opened),
        gross=_spreads([each.gross for each in opened]),
        net=_spreads([each.net for each in opened]),
        together_gross=performance(together[0], days[span], a_year=a_year, periods=periods.gross),
        together_net=performance(together[1], days[span], a_year=a_year, periods=periods.net),
        benchmark_name=None if benchmark is None else benchmark.name,
        benchmark=None if benchmark is None else _own(benchmark, first, last, sessions, a_year),
        active=None if benchmark is None else _active_spreads([each.active for each in opened if each.active is not None]),
        together_active=None if sides is None else active_figures(together[1], mean_of_live(sides)[span], a_year=a_year),
        rebalances=sum(each.rebalances for each in opened),
        blocked_orders=orders,
        blocked_share=shares,
        closed_out={each.offset: each.closed_out for each in opened if each.closed_out is not None},
        ruined={each.offset: each.ruined for each in opened if each.ruined is not None},
        never_opened=tuple(each.offset for each in single if each.opened is None),
        **spreads,
    )


def account_figures(
    books: Books,
    accounts: Accounts,
    periods: GridPeriods,
    sessions: Sessions,
    *,
    benchmark: Benchmark | None = None,
) -> list[AccountFigures]:
    """Figures of each account, in the order of the books; NaN and 0 for one that was never opened."""
    a_year = sessions_per_year(sessions)
    sides = beside_accounts(accounts, benchmark, sessions)
    return [_account(at, books, accounts, periods, sessions, sides, a_year) for at in range(books.offsets.size)]


def _account(
    at: int,
    books: Books,
    accounts: Accounts,
    periods: GridPeriods,
    sessions: Sessions,
    sides: FloatArray | None,
    a_year: float,
) -> AccountFigures:
    live, own, days = accounts.live[at], periods.account == at, sessions.dates
    held = live & (books.value[at] > 0)
    value = books.value[at, held]
    changed = _turned(at, books, accounts)
    per_rebalance, apart = float(changed.mean()) if changed.size else np.nan, _apart(at, books, accounts, sessions)
    opened, last = int(accounts.opened[at]), int(accounts.last[at])
    return AccountFigures(
        offset=int(books.offsets[at]),
        opened=_day(sessions, opened),
        last=_day(sessions, last),
        closed_out=_day(sessions, int(books.closed_out[at])),
        ruined=_day(sessions, int(accounts.ruined[at])),
        gross=performance(accounts.gross[at], days, a_year=a_year, periods=periods.gross[own]),
        net=performance(accounts.net[at], days, a_year=a_year, periods=periods.net[own]),
        active=None if sides is None else active_figures(accounts.net[at], sides[at], a_year=a_year),
        per_rebalance=per_rebalance,
        rebalance_sessions=apart,
        turnover=per_rebalance * a_year / apart,
        rebalances=int(changed.size),
        fees=_mean(accounts.fees[at, live]) * a_year,
        impact=_mean(accounts.impact[at, live]) * a_year,
        borrow=_mean(accounts.borrow[at, live]) * a_year,
        exposure=_mean((books.long_value[at, held] + books.short_value[at, held]) / value),
        cash=_mean(books.cash[at, held] / value),
        long_names=_mean(books.long_names[at, held].astype(np.float64)),
        short_names=_mean(books.short_names[at, held].astype(np.float64)),
        delisted=int(books.delisted[at, live].sum()),
        written_off=int(books.written_off[at, live].sum()),
        final_value=float(books.value[at, last]) if last >= 0 else np.nan,
    )


def turnover_sessions(books: Books, accounts: Accounts) -> BoolArray:
    """Sessions whose trades are turnover, (accounts, sessions): from the rebalance after the one that opened the account on, up to the one
    that closes it.
    """
    out = np.zeros(accounts.live.shape, dtype=np.bool_)
    for at in range(len(out)):
        rebuilt = np.flatnonzero(books.rebalanced[at] & accounts.live[at])
        rebuilt = rebuilt[rebuilt > accounts.opened[at]]
        if rebuilt.size:
            closed = int(books.closed_out[at])
            out[at, rebuilt[0] : closed if closed >= 0 else int(accounts.last[at]) + 1] = True
    return out


def _turned(at: int, books: Books, accounts: Accounts) -> FloatArray:
    """One-way turnover of each rebalance of an account after the first, retries up to the next one included."""
    counted = turnover_sessions(books, accounts)[at]
    starts = np.flatnonzero(books.rebalanced[at] & counted)
    return np.add.reduceat(np.where(counted, books.turned[at], 0.0), starts) if starts.size else np.empty(0)


def _apart(at: int, books: Books, accounts: Accounts, sessions: Sessions) -> float:
    """Mean number of market sessions from a rebalance of an account to the next, from its first build to its last rebalance that is
    turnover; NaN without one. Exactly the grid where none was skipped.
    """
    counted = np.flatnonzero(books.rebalanced[at] & turnover_sessions(books, accounts)[at])
    if not counted.size:
        return np.nan
    built = np.flatnonzero(books.rebalanced[at, : accounts.opened[at] + 1])[-1]
    return float(sessions.ordinals[counted[-1]] - sessions.ordinals[built]) / counted.size


def ending_notes(measured: Measured) -> tuple[str, ...]:
    """What closed-out accounts could not sell by their end; empty where all of it was sold."""
    names, share = measured.accounts.left_names, measured.accounts.left_share
    kept = names > 0
    if not kept.any():
        return ()
    return (
        f"{int(kept.sum())} of {int((measured.books.closed_out >= 0).sum())} closed-out accounts end with positions that could not be "
        f"sold in time, {int(names.sum())} in all, {100 * float(share[kept].mean()):.2f} % of an account on average and "
        f"{100 * share.max():.2f} % at most: they stand at their last value, and what became of them later is in no figure",
    )


def beside_accounts(accounts: Accounts, benchmark: Benchmark | None, sessions: Sessions) -> FloatArray | None:
    """The benchmark as each account could have had it, (accounts, sessions): 0 on its session of opening, at whose close it is bought.

    NaN where the account is not live. Raises SettingError where the benchmark lacks a session that is needed.
    """
    if benchmark is None:
        return None
    if benchmark.returns.size != len(sessions):
        raise SettingError(
            f"benchmark '{benchmark.name}' has {benchmark.returns.size} sessions, the portfolio {len(sessions)}: give the same"
        )
    at_opening = np.arange(len(sessions)) == accounts.opened[:, None]
    side = np.where(at_opening, 0.0, benchmark.returns)
    absent = np.flatnonzero((accounts.live & ~np.isfinite(side)).any(axis=0))
    if absent.size:
        raise SettingError(
            f"benchmark '{benchmark.name}' lacks {absent.size} sessions of the portfolio, the first {sessions.dates[absent[0]]}: "
            "load it for the whole span of the accounts"
        )
    return np.where(accounts.live, side, np.nan)


def mean_of_live(block: FloatArray) -> FloatArray:
    """Mean over the accounts that have a value on the session, (sessions,); NaN where none has."""
    known = np.isfinite(block)
    count = known.sum(axis=0)
    total = np.where(known, block, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _own(benchmark: Benchmark, first: int, last: int, sessions: Sessions, a_year: float) -> Performance:
    """The index itself from the close of the first opening on."""
    span = slice(first + 1, last + 1)
    return performance(benchmark.returns[span], sessions.dates[span], a_year=a_year)


def _blocked(books: Books, accounts: Accounts) -> tuple[dict[str, int], dict[str, float]]:
    """Orders left undone on sessions of a rebalance, and their value over all value wanted there."""
    at = books.rebalanced & accounts.asked
    undone = books.blocked_value[at].sum(axis=0)
    wanted = float(books.traded[at].sum() + undone.sum())
    shares = undone / wanted if wanted > 0 else np.zeros(len(BLOCKED))
    orders = books.blocked[at].sum(axis=0)
    return (
        {name: int(count) for name, count in zip(BLOCKED, orders, strict=True)},
        {name: float(share) for name, share in zip(BLOCKED, shares, strict=True)},
    )


def _spreads(figures: list[Performance]) -> dict[str, Spread]:
    return {name: Spread.of([float(getattr(each, name)) for each in figures]) for name in _NUMBERS}


def _active_spreads(figures: list[ActiveFigures]) -> dict[str, Spread]:
    return {each.name: Spread.of([getattr(one, each.name) for one in figures]) for each in fields(ActiveFigures)}


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else np.nan


def _day(sessions: Sessions, at: int) -> date | None:
    return None if at < 0 else sessions.dates[at].astype("datetime64[D]").item()
