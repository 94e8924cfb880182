"""Rules of a market as dated tables: price limits, first days, fees, short sales, settlement, purchases, delisting.

The tables are TOML files that a user can copy, change and load in place of the packaged ones ("cn", "us"). Nothing here knows a rate
or a date: `pureplay.evaluate.portfolio.ruletables` says which columns a table has, the files say what holds when.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.errors import SettingError
from pureplay.evaluate.portfolio.ruletables import SECTIONS, TABLES, check_row, near
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import DayArray

__all__ = ["MarketRules", "Rule"]

_FOLDER: Final = Path(__file__).parent / "markets"
_SOURCED: Final = ("source", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of a table. start: first day on which it holds, None for a row without dates; end: last day, None = still holds.

    end is the earlier of the row's own `to` and the day before the row that takes its place. values: the other columns by name; one
    that the row leaves out is None.
    """

    start: date | None
    end: date | None
    values: Mapping[str, Any]
    source: str
    note: str

    def holds(self, days: DayArray) -> BoolArray:
        """On which of the days the row holds; on a day that is missing (NaT) no dated row does."""
        held = np.ones(days.size, dtype=bool)
        if self.start is not None:
            held &= days >= np.datetime64(self.start, "D")
        if self.end is not None:
            held &= days <= np.datetime64(self.end, "D")
        return held


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """Dated rules of one market.

    name, currency: of the market. tick: step of prices. tolerance: how near to a limit a return counts as having reached it where there
    is no close. day_count: days of a year of borrow cost. payout: return that a delisted position pays on its last value, once its last
    trading day is over; write_off_return: the same for one that has not traded for too long; both 0 where the file has no [delisting].
    sections: the rows of each table, by day within a table; a table that the file leaves out has none, and the market no such rule.
    content: the file as it was read.
    """

    name: str
    currency: str
    tick: float
    tolerance: float
    day_count: int
    payout: float
    write_off_return: float
    sections: Mapping[str, tuple[Rule, ...]]
    content: Mapping[str, Any]

    @classmethod
    def load(cls, name: str | Path) -> "MarketRules":
        """Rules that come with pureplay ("cn", "us"), or those of a TOML file.

        Raises SettingError, with file, row, value and remedy, where there is no such file, or a row lacks its date or source, has an
        unknown key, a wrong number, a `to` before its `from`, an unknown board or a pattern that is none, or overlaps with another.
        """
        path = _path(name)
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SettingError(f"{path.name} is no TOML file ({error}): correct it; dates and numbers stand without quotes") from error
        except OSError as error:
            raise SettingError(f"{path} cannot be read ({error.strerror}): give the path of a TOML file with market rules") from error
        return _rules(raw, path.name)

    def rows(self, section: str) -> tuple[Rule, ...]:
        """Rows of a table, empty where the market has no such rule; raises SettingError for a table that there is not."""
        if section not in SECTIONS:
            raise SettingError(f"'{section}' is no table of market rules ({near(section, SECTIONS)}): rename it")
        return self.sections.get(section, ())

    def rates(self, side: str, days: DayArray) -> FloatArray:
        """Sum of the fees on a side ("buy" or "sell") on each day, decimals of the traded value."""
        total = np.zeros(days.size)
        for rule in self.rows("fee"):
            if rule.values["side"] in (side, "both"):
                total += np.where(rule.holds(days), rule.values["rate"], 0.0)
        return total

    def series(self, section: str, column: str, days: DayArray, *, default: float) -> FloatArray:
        """Value of a column of "shorting" or "settlement" on each day; `default` where no row holds."""
        out = np.full(days.size, default)
        for rule in self.rows(section):
            out[rule.holds(days)] = float(rule.values[column])
        return out

    def require_from(self, section: str, first: date) -> None:
        """Raise SettingError where the rows of a table, or those of one fee, begin after `first`: what held before is unknown."""
        starts: dict[str, date] = {}
        for rule in self.rows(section):
            label = f"{section} '{rule.values['name']}'" if "name" in rule.values else section
            if rule.start is not None:
                starts[label] = min(rule.start, starts.get(label, rule.start))
        late = {label: start for label, start in starts.items() if start > first}
        if late:
            label, start = next(iter(late.items()))
            raise SettingError(
                f"the rules of market '{self.name}' for {label} begin on {start}, the data on {first}: give them a row with an earlier "
                "`from` in a file of your own (a rate of 0 where there was none), or cut the data"
            )

    def digest(self) -> str:
        """SHA-256 of what the file says, for manifests; comments and the order of keys do not count."""
        text = json.dumps(self.content, sort_keys=True, ensure_ascii=False, default=lambda value: value.isoformat())
        return hashlib.sha256(text.encode()).hexdigest()

    def to_frame(self, section: str) -> pl.DataFrame:
        """A table as a frame: its columns, from, to (last day in force, null = still holds), source, note."""
        rows, known = self.rows(section), SECTIONS[section]
        columns: dict[str, pl.Series] = {
            name: pl.Series([row.values[name] for row in rows], dtype=column.dtype) for name, column in known.columns.items()
        }
        if known.dated:
            columns["from"] = pl.Series([row.start for row in rows], dtype=pl.Date)
            columns["to"] = pl.Series([row.end for row in rows], dtype=pl.Date)
        columns |= {name: pl.Series([getattr(row, name) for row in rows], dtype=pl.String) for name in _SOURCED}
        return pl.DataFrame(columns)


def _path(name: str | Path) -> Path:
    packaged = sorted(path.stem for path in _FOLDER.glob("*.toml"))
    if name in packaged:
        return _FOLDER / f"{name}.toml"
    if not str(name).endswith(".toml"):
        raise SettingError(
            f"market rules {repr(name)[:60]} are neither one of {', '.join(packaged)} nor the path of a .toml file: give one of them"
        )
    path = Path(name)
    try:
        known = path.is_file()
    except (OSError, ValueError) as error:
        raise SettingError(f"market rules cannot be read ({str(error)[:80]}): give the path of a .toml file") from error
    if not known:
        raise SettingError(f"there is no file {path}: give the path of market rules, or one of {', '.join(packaged)}")
    return path


def _rules(raw: Mapping[str, Any], file: str) -> MarketRules:
    for key in raw:
        if key not in SECTIONS and key not in TABLES:
            raise SettingError(f"{file} has the unknown table '{key}' ({near(key, [*TABLES, *SECTIONS])}): remove or rename it")
    if "meta" not in raw:
        raise SettingError(f"{file} lacks [meta] with name, currency, tick, tolerance and day_count: add it")
    tables = {name: _table(raw[name], name, file) for name in TABLES if name in raw}
    meta, delisting = tables["meta"], tables.get("delisting", {"payout": 0.0, "write_off_return": 0.0})
    sections = {name: _section(raw[name], name, file) for name in SECTIONS if name in raw}
    boards = [rule.values["name"] for rule in sections.get("board", ())]
    for name, rules in sections.items():
        for number, rule in enumerate(rules, start=1):
            if rule.values.get("board", "") not in ["", *boards]:
                board = rule.values["board"]
                raise SettingError(
                    f"{file}: [[{name}]] row {number} is about board '{board}', which no [[board]] names ({near(board, boards)}): add or "
                    "rename it"
                )
    return MarketRules(
        name=meta["name"],
        currency=meta["currency"],
        tick=meta["tick"],
        tolerance=meta["tolerance"],
        day_count=meta["day_count"],
        payout=delisting["payout"],
        write_off_return=delisting["write_off_return"],
        sections=sections,
        content=dict(raw),
    )


def _table(raw: object, name: str, file: str) -> dict[str, Any]:
    place = f"{file}: [{name}]"
    if not isinstance(raw, dict):
        raise SettingError(f"{place} is written as {type(raw).__name__}: write one table, [{name}]")
    return check_row(raw, TABLES[name], place)


def _section(raw: object, name: str, file: str) -> tuple[Rule, ...]:
    """Rows as in the file, each with the last day on which it holds."""
    if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
        raise SettingError(f"{file}: {name} is no list of rows: write each row under [[{name}]]")
    rows = [check_row(row, SECTIONS[name], f"{file}: [[{name}]] row {number}") for number, row in enumerate(raw, start=1)]
    return tuple(_ended(rows, number, name, file) for number in range(len(rows)))


def _ended(rows: Sequence[Mapping[str, Any]], number: int, name: str, file: str) -> Rule:
    row, end = rows[number], rows[number].get("to")
    if SECTIONS[name].dated:
        for other, later in _rivals(rows, number, name):
            if later["from"] == row["from"] or (row["to"] is not None and row["to"] >= later["from"]):
                raise SettingError(
                    f"{file}: [[{name}]] rows {number + 1} and {other + 1} overlap: the one from {row['from']} still holds on "
                    f"{later['from']}, when the other begins; give it an earlier `to`, or remove one of them"
                )
            last = later["from"] - timedelta(days=1)
            end = last if end is None else min(end, last)
    values = {column: row[column] for column in SECTIONS[name].columns}
    return Rule(start=row.get("from"), end=end, values=values, source=row["source"], note=row["note"] or "")


def _rivals(rows: Sequence[Mapping[str, Any]], number: int, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows that take the place of a row from their first day on: of the same key, about the same sessions, not begun before it."""
    row, key = rows[number], SECTIONS[name].key
    for other, later in enumerate(rows):
        if other == number or later["from"] < row["from"] or any(later[each] != row[each] for each in key):
            continue
        if "first_session" in row and (later["first_session"] > row["last_session"] or row["first_session"] > later["last_session"]):
            continue
        yield other, later
