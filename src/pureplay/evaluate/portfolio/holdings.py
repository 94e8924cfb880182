"""The positions of an account as a file that another tool can replay, and the replay."""

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import SettingError, TableError
from pureplay.evaluate.portfolio.arrays import Books, Holdings
from pureplay.frames import AnyFrame, to_polars
from pureplay.panel import Axes, FloatArray
from pureplay.stats.given import is_number

__all__ = ["account_frame", "holdings_frame", "replay"]

IntArray = npt.NDArray[np.int64]

_HOLDINGS: Final = ("date", "asset", "value", "trade", "cost", "payout")
_KEYS: Final = ("date", "asset")
_ACCOUNT: Final = ("date", "value", "cash", "fees", "impact", "borrow")


def holdings_frame(holdings: Holdings, axes: Axes, books: Books, offset: int) -> pl.DataFrame:
    """Positions of the account of one offset: date, asset, value, weight, trade, cost, payout; by date, then asset.

    A row for each name that is held at the close or was traded or paid out on the session. value: signed money at the close after trades.
    weight: value over that of the account at the close, null where nothing is left. trade: signed money bought (above 0) or sold at
    the close. cost: fees and impact of the trade. payout: money for a name that was delisted or written off on the session, else 0.
    Raises SettingError for an unknown offset.
    """
    account = _account_of(books, offset)
    worth = books.value[account, holdings.row]
    weight = np.divide(holdings.value, worth, out=np.full(worth.size, np.nan), where=worth > 0)
    return pl.DataFrame(
        {
            "date": axes.day_column(axes.sessions.dates).gather(holdings.row),
            "asset": pl.Series(axes.assets, dtype=pl.String).gather(holdings.asset.astype(np.int64)),
            "value": holdings.value,
            "weight": pl.Series(weight, dtype=pl.Float64).fill_nan(None),
            "trade": holdings.trade,
            "cost": holdings.cost,
            "payout": holdings.payout,
        }
    )


def account_frame(books: Books, offset: int, axes: Axes) -> pl.DataFrame:
    """The account of one offset by day from its opening on: date, value, cash, fees, impact, borrow, pnl; money.

    value: at the close after trades and costs. pnl: gain of the session before costs. No rows where it was never opened. Raises
    SettingError for an unknown offset.
    """
    account = _account_of(books, offset)
    rows = np.flatnonzero(np.isfinite(books.value[account]))
    names = ("value", "cash", "fees", "impact", "borrow", "pnl")
    return pl.DataFrame(
        {
            "date": axes.day_column(axes.sessions.dates).gather(rows),
            **{name: pl.Series(getattr(books, name)[account, rows], dtype=pl.Float64) for name in names},
        }
    )


def replay(holdings: AnyFrame, account: AnyFrame, returns: AnyFrame, *, capital: float) -> pl.DataFrame:
    """Recompute an account from the capital, the stocks' returns, the trades, their costs and the payouts alone, and show what differs.

    holdings, account: as `holdings_frame` and `account_frame` give them, from the opening on. returns: date, asset, ret (decimal; null or
    absent: the stock did not trade and keeps its value). capital: money before the first trade.

    By session: positions grow with their returns; a payout turns a position into cash; a position that the file does not hold any more at
    the close ends for what was paid; borrowing is paid; an account with nothing left is at 0 for good; trades and their costs follow at
    the close. Values and cash of the file are only compared with, never used. What is no number counts 0. Nothing that differs raises.

    Returns date, value (recomputed), difference (from the account's value), cash_difference, cost_difference (costs of the names less
    fees and impact of the account), position_difference and asset (widest gap of a name, null where none is held), and gap, the
    largest of these in absolute size; money. A trade that was altered shows in cash and position on its date, in the value from the
    next return on; a gap in cash or a position stays. Null where the account has no row. Raises TableError for a frame without
    the columns or whose dates are none, SettingError for a bad capital.
    """
    if not (is_number(capital) and np.isfinite(capital) and capital > 0):
        raise SettingError(f"capital must be above 0 and finite, not {capital!r}: give the money before the first trade")
    held = _frame(holdings, "holdings", _HOLDINGS)
    book = _frame(account, "account", _ACCOUNT)
    paid = _frame(returns, "returns", ("date", "asset", "ret")).drop_nulls()
    names = held["asset"].unique().sort()
    days = pl.concat([book["date"], held["date"]]).unique().sort()
    paid = paid.filter(pl.col("asset").is_in(names.implode()) & pl.col("date").is_in(days.implode()))
    position = _Replay(held, paid, names, days, capital)
    rows = [position.step(day, record) for day, record in enumerate(_by_day(book, days))]
    schema = {"value": pl.Float64, "difference": pl.Float64, "cash_difference": pl.Float64, "cost_difference": pl.Float64}
    found = pl.DataFrame(rows, schema={**schema, "position_difference": pl.Float64, "asset": pl.String, "gap": pl.Float64}, orient="row")
    return found.insert_column(0, days.alias("date"))


class _Replay:
    """State of the account between sessions: money by name, and cash."""

    def __init__(self, held: pl.DataFrame, paid: pl.DataFrame, names: pl.Series, days: pl.Series, capital: float) -> None:
        self._names = names.to_list()
        self._held = {name: held[name].fill_null(0.0).to_numpy() for name in ("value", "trade", "cost", "payout")}
        self._held_at, self._held_rows = _places(held, names), _rows(held, days)
        self._paid, self._paid_at, self._paid_rows = paid["ret"].to_numpy(), _places(paid, names), _rows(paid, days)
        self._worth = np.zeros(len(self._names))
        self._cash = capital
        self._ruined = False

    def step(self, day: int, record: tuple[float, ...] | None) -> tuple[float | str | None, ...]:
        """Value after the session, and what differs from the record: value, cash, fees, impact, borrow."""
        paid, rows = self._paid_rows[day], self._held_rows[day]
        at = self._held_at[rows]
        value, trade, cost, payout = (self._sum(self._held[name][rows], at) for name in ("value", "trade", "cost", "payout"))
        self._worth[self._paid_at[paid]] *= 1.0 + self._paid[paid]
        self._cash += float(payout.sum())
        idle, listed = (value == 0) & (trade == 0), np.bincount(at, minlength=len(self._names)) > 0
        self._worth[(payout != 0) | (idle & listed)] = 0.0
        self._cash -= record[4] if record is not None else 0.0
        self._ruined = self._ruined or self._cash + float(self._worth.sum()) <= 0  # ruin leaves no line of what was held
        self._worth[idle] = 0.0
        self._ruined = self._ruined or self._cash + float(self._worth.sum()) <= 0
        if self._ruined:
            self._worth[:], self._cash = 0.0, 0.0
        else:
            self._worth += trade
            self._cash -= float(trade.sum() + cost.sum())
        worth = self._cash + float(self._worth.sum())
        gaps = self._worth - value
        widest = int(np.argmax(np.abs(gaps))) if at.size or gaps.any() else -1
        apart = (None, None) if widest < 0 else (float(gaps[widest]), self._names[widest])
        if record is None:
            return worth, None, None, None, *apart, abs(apart[0] or 0.0)
        gone = (worth - record[0], self._cash - record[1], float(cost.sum()) - record[2] - record[3])
        return worth, *gone, *apart, max(abs(each) for each in (*gone, apart[0] or 0.0))

    def _sum(self, values: FloatArray, at: IntArray) -> FloatArray:
        return np.bincount(at, weights=values, minlength=len(self._names)).astype(np.float64)


def _account_of(books: Books, offset: int) -> int:
    found = np.flatnonzero(books.offsets == offset)
    if not found.size:
        raise SettingError(
            f"offset {offset} has no account; the offsets are {', '.join(str(each) for each in books.offsets)}: give one of them"
        )
    return int(found[0])


def _frame(given: AnyFrame, name: str, columns: tuple[str, ...]) -> pl.DataFrame:
    frame = to_polars(given, name)
    absent = [each for each in columns if each not in frame.columns]
    if absent:
        raise TableError(
            f"{name} lacks {', '.join(absent)}; it has {', '.join(frame.columns) or 'none'}: give the frame as it was delivered"
        )
    kind = frame["date"].dtype
    if not (kind == pl.String or kind == pl.Date or kind == pl.Datetime):
        raise TableError(f"{name} has dates of type {kind}: give days, or ISO text")
    nested = [each for each in columns if frame[each].dtype.is_nested()]
    if nested:
        raise TableError(f"{name} has lists in {', '.join(nested)}, where one value a row is needed: give the frame as it was delivered")
    day = pl.col("date").str.to_date(strict=False) if kind == pl.String else pl.col("date").cast(pl.Date)
    numbers = [pl.col(each).cast(pl.Float64, strict=False) for each in columns if each not in _KEYS]
    money = [pl.when(each.is_finite()).then(each) for each in numbers]  # what is no number is missing
    found = frame.select(columns).with_columns(day, *(pl.col(each).cast(pl.String) for each in columns if each == "asset"), *money)
    return found.drop_nulls([each for each in columns if each in _KEYS])


def _places(frame: pl.DataFrame, names: pl.Series) -> IntArray:
    """Place of each row's name among the names, which are sorted."""
    return np.asarray(names.search_sorted(frame["asset"], side="left").to_numpy(), dtype=np.int64)


def _rows(frame: pl.DataFrame, days: pl.Series) -> list[IntArray]:
    """Rows of the frame on each day."""
    day = days.search_sorted(frame["date"], side="left").to_numpy()
    order = np.argsort(day, kind="stable")
    borders = np.searchsorted(day[order], np.arange(days.len() + 1))
    return [order[first:last] for first, last in pairwise(borders)]


def _by_day(book: pl.DataFrame, days: pl.Series) -> list[tuple[float, ...] | None]:
    """Value, cash, fees, impact and borrowing of each day, None where the account has no row."""
    known = {row[0]: tuple(0.0 if each is None else float(each) for each in row[1:]) for row in book.iter_rows()}
    return [known.get(day) for day in days]
