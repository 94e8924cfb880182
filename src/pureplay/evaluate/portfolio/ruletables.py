"""What a file of market rules may hold: its tables, their columns, and the check of one row."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from pureplay.errors import SettingError

__all__ = ["PARTS", "SECTIONS", "TABLES", "Column", "Section", "check_row", "near"]

PARTS: Final = 1_000_000
"""Limits are whole numbers of millionths, so that they can be rounded to the tick without error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table: its type, its range or words, and whether a row may leave it out."""

    kind: type
    low: float = -math.inf
    high: float = math.inf
    words: tuple[str, ...] = ()
    required: bool = True

    @property
    def dtype(self) -> pl.DataType:
        """Polars type of the column."""
        known: dict[type, pl.DataType] = {str: pl.String(), int: pl.Int64(), float: pl.Float64(), bool: pl.Boolean()}
        return known[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table. key: columns whose rows take one another's place by date. dated, sourced: whether a row must say from when, and why."""

    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    dated: bool = True
    sourced: bool = True


_TEXT: Final = Column(kind=str)
_UP: Final = Column(kind=float, low=1 / PARTS, high=10.0, required=False)
_DOWN: Final = Column(kind=float, low=1 / PARTS, high=1.0, required=False)
_ORDINAL: Final = Column(kind=int, low=1, high=10_000)
_RETURN: Final = Column(kind=float, low=-1.0, high=10.0)

SECTIONS: Final[dict[str, Section]] = {
    "board": Section(columns={"name": _TEXT, "pattern": _TEXT}, dated=False),
    "price_limit": Section(
        columns={"board": _TEXT, "kind": Column(kind=str, words=("normal", "ST")), "up": _UP, "down": _DOWN}, key=("board", "kind")
    ),
    "first_days": Section(
        columns={"board": _TEXT, "first_session": _ORDINAL, "last_session": _ORDINAL, "up": _UP, "down": _DOWN}, key=("board",)
    ),
    "fee": Section(
        columns={
            "name": _TEXT,
            "side": Column(kind=str, words=("buy", "sell", "both")),
            "rate": Column(kind=float, low=0.0, high=0.5),
        },
        key=("name",),
    ),
    "shorting": Section(columns={"allowed": Column(kind=bool), "borrow_rate": Column(kind=float, low=0.0, high=10.0)}),
    "settlement": Section(columns={"sessions": Column(kind=int, low=0, high=100)}),
    "no_entry": Section(
        columns={
            "kind": Column(kind=str, words=("ST", "delisting", "first_days")),
            "days": Column(kind=int, low=1, high=10_000, required=False),
        },
        key=("kind",),
    ),
}
"""Tables of rows.

board: which codes belong to a board; the first pattern that fits the whole code counts, and has no date. price_limit: up and down from
the reference price, absent = no limit; a stock under special treatment without a row of kind "ST" keeps the normal one. first_days: the
same for the first sessions after listing, both ends included, in place of price_limit; from and to are days of listing. fee: rate of
the traded value. shorting: whether short positions may be opened, and the cost of a borrowed value a year. settlement: sessions until a
bought share may be sold. no_entry: which stocks may not be bought: by status, or in the first `days` sessions after listing.
"""

TABLES: Final[dict[str, Section]] = {
    "meta": Section(
        columns={
            "name": _TEXT,
            "currency": _TEXT,
            "tick": Column(kind=float, low=1e-6, high=1e6),
            "tolerance": Column(kind=float, low=0.0, high=0.05),
            "day_count": Column(kind=int, low=1, high=1000),
        },
        dated=False,
        sourced=False,
    ),
    "delisting": Section(columns={"payout": _RETURN, "write_off_return": _RETURN}, dated=False),
}
"""Tables of one row: the market, and what a position pays once its stock is gone."""


def near(name: str, known: Iterable[str]) -> str:
    """The names nearest to a wrong one, for an error message."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"nearest: {', '.join(close)}" if close else f"there are: {', '.join(names) or 'none'}"


def check_row(raw: Mapping[str, Any], section: Section, place: str) -> dict[str, Any]:
    """Values of a row by column, None where it leaves one out; raises SettingError that begins with `place`."""
    allowed = [*section.columns, *(("from", "to") if section.dated else ()), *(("source", "note") if section.sourced else ())]
    for key in raw:
        if key not in allowed:
            raise SettingError(f"{place} has the unknown key '{key}' ({near(key, allowed)}): remove or rename it")
    row = {name: _value(raw, name, column, place) for name, column in section.columns.items()}
    if section.dated:
        row |= _dates(raw, place)
    if section.sourced:
        row["source"] = _value(raw, "source", _TEXT, place, why=", the law, notice or reason that it rests on")
        row["note"] = _value(raw, "note", Column(kind=str, required=False), place)
    _check_together(row, place)
    return row


def _value(raw: Mapping[str, Any], name: str, column: Column, place: str, *, why: str = "") -> Any:
    if name not in raw:
        if column.required:
            raise SettingError(f"{place} lacks '{name}'{why}: add it")
        return None
    value: Any = raw[name]
    found = type(value)
    if found is not column.kind and not (column.kind is float and found is int):
        words = {str: "a text between quotes", float: "a number", int: "a whole number", bool: "true or false"}[column.kind]
        raise SettingError(f"{place}: {name} = {value!r} is of type {found.__name__}: write {words}")
    if column.kind is str:
        _check_text(value, name, column, place, why)
    elif column.kind is not bool and not column.low <= value <= column.high:
        remedy = "write a whole number" if column.kind is int else "write a decimal such as 0.1 for 10 %"
        raise SettingError(f"{place}: {name} = {value!r} lies outside {column.low:g} to {column.high:g}: {remedy}")
    return float(value) if column.kind is float else value


def _check_text(value: str, name: str, column: Column, place: str, why: str) -> None:
    if not value.strip():
        raise SettingError(f"{place}: {name} is empty{why}: fill it")
    if column.words and value not in column.words:
        raise SettingError(f"{place}: {name} = {value!r} is unknown: write one of {', '.join(column.words)}")


def _dates(raw: Mapping[str, Any], place: str) -> dict[str, date | None]:
    if "from" not in raw:
        raise SettingError(f"{place} has no date: add from = the first day on which it holds, such as 2023-08-28")
    for name in ("from", "to"):
        value = raw.get(name)
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            raise SettingError(f"{place}: {name} = {value!r} is no date: write a day such as 2023-08-28, without quotes")
    first, last = raw["from"], raw.get("to")
    if last is not None and last < first:
        raise SettingError(f"{place} ends on {last} (to), before it begins on {first} (from): swap or correct them")
    return {"from": first, "to": last}


def _check_together(row: Mapping[str, Any], place: str) -> None:
    for name in ("up", "down"):
        value = row.get(name)
        if value is not None and abs(value * PARTS - round(value * PARTS)) > 1e-6:
            raise SettingError(f"{place}: {name} = {value!r} has more than six decimals: round it")
    if "pattern" in row:
        try:
            re.compile(row["pattern"])
        except re.error as error:
            raise SettingError(
                f"{place}: pattern = '{row['pattern']}' is no regular expression ({error}): correct it; write it in single quotes"
            ) from error
    if "first_session" in row and row["last_session"] < row["first_session"]:
        raise SettingError(
            f"{place}: last_session = {row['last_session']} lies before first_session = {row['first_session']}: swap or correct them"
        )
    if "days" in row and (row["days"] is None) == (row["kind"] == "first_days"):
        raise SettingError(f"{place}: days = {row['days']} with kind '{row['kind']}': it goes with kind 'first_days', and only there")
