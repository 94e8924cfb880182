"""Tables of a portfolio: its days, accounts, years, blocked orders and grid periods, and the record that holds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.evaluate.portfolio.accounts import Accounts
from pureplay.evaluate.portfolio.arrays import BLOCKED, Books
from pureplay.evaluate.portfolio.benchmark import Benchmark
from pureplay.evaluate.portfolio.figures import Measured, ending_notes, figures_of, mean_of_live, measure, turnover_sessions
from pureplay.evaluate.portfolio.performance import performance
from pureplay.evaluate.portfolio.records import AccountFigures, Portfolio
from pureplay.panel import FloatArray
from pureplay.sessions import Sessions, sessions_per_year

__all__ = ["PortfolioFrames", "portfolio_frames", "portfolio_record"]

_EDGE_DAYS: Final = 10  # a year of which more days are missing at an end is a partial one; holidays around New Year are shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioFrames:
    """Tables of a portfolio, see `portfolio_frames`."""

    daily: pl.DataFrame
    by_offset: pl.DataFrame
    years: pl.DataFrame
    blocked: pl.DataFrame
    grid_returns: pl.DataFrame


def portfolio_frames(
    books: Books,
    sessions: Sessions,
    *,
    capital: float,
    grid_sessions: int,
    retry_sessions: int = 5,
    benchmark: Benchmark | None = None,
) -> PortfolioFrames:
    """Tables of a portfolio; all returns and costs are decimals, unknown figures null.

    daily: from the first session with an account to the last: date, gross, net, fees, impact, borrow (of the value at the close before,
    mean over the accounts that live on the day), benchmark (as the accounts could have had it: 0 on the session on which one is opened),
    active = net - benchmark, n_accounts, wealth_net, wealth_gross (growth of 1; a day without account leaves them as they are).
    by_offset: a row an account, `AccountFigures.to_row`.
    years: year, first, last, months (calendar months with a session), partial, n_sessions, gross, net, benchmark (compounded within the
    year), active = net - benchmark, sharpe_net, max_drawdown (within the year), turnover (one way, in the year, not annualised; mean over
    the accounts that live in it; first build and closing out left apart). partial: it begins after 10 January or ends before 21 December.
    blocked: reason, orders (not filled in full on sessions of a rebalance, all accounts), retries (of these, times that another session
    did not fill them either), value (unfilled at the rebalances, money), value_share (of all value wanted there).
    grid_returns: offset, start, end, net, gross, see `GridPeriods`: one row a period, at the grid's frequency.
    Raises as `portfolio_figures` does.
    """
    return _frames(
        measure(books, sessions, capital=capital, grid_sessions=grid_sessions, retry_sessions=retry_sessions, benchmark=benchmark)
    )


def _frames(measured: Measured) -> PortfolioFrames:
    books, sessions, accounts, periods = measured.books, measured.sessions, measured.accounts, measured.periods
    daily = _daily(accounts, measured.sides, sessions)
    days = _days(sessions)
    return PortfolioFrames(
        daily=daily,
        by_offset=_by_offset(measured.single),
        years=_years(daily, _yearly_turnover(books, accounts, sessions), sessions_per_year(sessions)),
        blocked=_blocked(books, accounts),
        grid_returns=pl.DataFrame(
            {
                "offset": books.offsets[periods.account],
                "start": days.gather(periods.start),
                "end": days.gather(periods.end),
                "net": periods.net,
                "gross": periods.gross,
            },
            schema={"offset": pl.Int64, "start": pl.Date, "end": pl.Date, "net": pl.Float64, "gross": pl.Float64},
        ),
    )


def portfolio_record(
    name: str,
    books: Books,
    sessions: Sessions,
    *,
    capital: float,
    grid_sessions: int,
    retry_sessions: int = 5,
    settings: Mapping[str, Any],
    rules: tuple[str, str],
    approximate: bool = False,
    benchmark: Benchmark | None = None,
    skipped: Mapping[str, int] | None = None,
    notes: tuple[str, ...] = (),
) -> Portfolio:
    """The whole record of a portfolio. `notes` are followed by one on what closed-out accounts could not sell, and by those of the
    benchmark. Raises as `portfolio_figures` does.
    """
    measured = measure(books, sessions, capital=capital, grid_sessions=grid_sessions, retry_sessions=retry_sessions, benchmark=benchmark)
    made = _frames(measured)
    return Portfolio(
        name=name,
        settings=dict(settings),
        rules=rules,
        approximate=approximate,
        figures=figures_of(measured),
        daily=made.daily,
        by_offset=made.by_offset,
        years=made.years,
        blocked=made.blocked,
        grid_returns=made.grid_returns,
        skipped=dict(skipped or {}),
        notes=(*notes, *ending_notes(measured), *(benchmark.notes if benchmark is not None else ())),
    )


def _daily(accounts: Accounts, sides: FloatArray | None, sessions: Sessions) -> pl.DataFrame:
    first, last = accounts.span
    span = slice(first, last + 1)
    names = ("gross", "net", "fees", "impact", "borrow")
    means = {name: mean_of_live(getattr(accounts, name))[span] for name in names}
    side = np.full(last + 1 - first, np.nan) if sides is None else mean_of_live(sides)[span]
    frame = pl.DataFrame(
        {
            "date": _days(sessions)[first : last + 1],
            **means,
            "benchmark": side,
            "active": means["net"] - side,
            "n_accounts": accounts.live[:, span].sum(axis=0).astype(np.int64),
            "wealth_net": _wealth(means["net"]),
            "wealth_gross": _wealth(means["gross"]),
        }
    )
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def _wealth(returns: FloatArray) -> FloatArray:
    return np.asarray(np.cumprod(1.0 + np.where(np.isfinite(returns), returns, 0.0)))


def _by_offset(single: list[AccountFigures]) -> pl.DataFrame:
    rows = [each.to_row() for each in single]
    schema = {name: _type_of(name, [row[name] for row in rows]) for name in rows[0]}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))


def _type_of(name: str, values: list[Any]) -> type[pl.DataType]:
    """Type of a column whose values may all be unknown."""
    if name in ("opened", "last", "closed_out", "ruined") or name.endswith(("_peak", "_trough")):
        return pl.Date
    return pl.Int64 if values and all(isinstance(each, int) for each in values) else pl.Float64


def _yearly_turnover(books: Books, accounts: Accounts, sessions: Sessions) -> dict[int, float]:
    """One-way turnover by year, mean over the accounts that live in it."""
    year = sessions.dates.astype("datetime64[Y]").astype(np.int64) + 1970
    turned = np.where(turnover_sessions(books, accounts), books.turned, 0.0)
    found = {}
    for each in np.unique(year[accounts.live.any(axis=0)]).tolist():
        inside = year == each
        living = accounts.live[:, inside].any(axis=1)
        found[each] = float(turned[np.ix_(living, inside)].sum(axis=1).mean())
    return found


def _years(daily: pl.DataFrame, turned: Mapping[int, float], a_year: float) -> pl.DataFrame:
    rows = []
    for (year,), part in daily.group_by(pl.col("date").dt.year(), maintain_order=True):
        first, last = part["date"][0], part["date"][-1]
        net = performance(_array(part, "net"), part["date"].to_numpy(), a_year=a_year)
        gross, side = _grown(part, "gross"), _grown(part, "benchmark")
        rows.append(
            {
                "year": year,
                "first": first,
                "last": last,
                "months": part["date"].dt.month().n_unique(),
                "partial": first > date(first.year, 1, _EDGE_DAYS) or last < date(last.year, 12, 31 - _EDGE_DAYS),
                "n_sessions": net.n_sessions,
                "gross": gross,
                "net": (grown := _grown(part, "net")),
                "benchmark": side,
                "active": None if side is None or grown is None else grown - side,
                "sharpe_net": net.sharpe,
                "max_drawdown": net.max_drawdown,
                "turnover": turned.get(first.year, 0.0),
            }
        )
    whole = dict.fromkeys(("year", "months", "n_sessions"), pl.Int64)
    other = {"first": pl.Date, "last": pl.Date, "partial": pl.Boolean}
    schema = {name: whole.get(name, other.get(name, pl.Float64)) for name in rows[0]}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col(pl.Float64).fill_nan(None))


def _grown(part: pl.DataFrame, column: str) -> float | None:
    """Compounded return of the known days, None without any."""
    known = part[column].drop_nulls().to_numpy()
    return float(np.prod(1.0 + known)) - 1.0 if known.size else None


def _array(part: pl.DataFrame, column: str) -> FloatArray:
    return part[column].fill_null(float("nan")).to_numpy()


def _blocked(books: Books, accounts: Accounts) -> pl.DataFrame:
    at, after = books.rebalanced & accounts.asked, ~books.rebalanced & accounts.asked
    value = books.blocked_value[at].sum(axis=0)
    wanted = float(books.traded[at].sum() + value.sum())
    return pl.DataFrame(
        {
            "reason": list(BLOCKED),
            "orders": books.blocked[at].sum(axis=0).astype(np.int64),
            "retries": books.blocked[after].sum(axis=0).astype(np.int64),
            "value": value,
            "value_share": value / wanted if wanted > 0 else np.zeros(len(BLOCKED)),
        }
    )


def _days(sessions: Sessions) -> pl.Series:
    return pl.Series(sessions.dates.astype("datetime64[D]")).cast(pl.Date)
