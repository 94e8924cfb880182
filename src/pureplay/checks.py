"""What is wrong with a set of tables: every broken rule with its count, first rows and remedy.

Three levels. `refused`: the table cannot be used. `set_aside`: the rows go to quarantine and the rest enters. `notice`: nothing
is taken away, but whoever reads the figures should know.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from pureplay.crosschecks import (
    check_bars,
    check_codes,
    check_coverage,
    check_filings,
    check_statements,
    check_taxonomy,
    set_rest_of_filings_aside,
)
from pureplay.crosschecks_links import check_links, set_later_times_aside
from pureplay.errors import SettingError, TableError
from pureplay.findings import CheckReport, Finding, Level, Tables
from pureplay.frames import AnyFrame, conform, to_polars
from pureplay.segments import FILING
from pureplay.sessions import CALENDARS, Calendar
from pureplay.tables import contract

__all__ = ["CheckReport", "Finding", "Level", "check_tables"]

_PERCENT_MEDIAN: Final = 0.3  # half of all daily moves above 30 % does not happen in decimals; in percent it is the rule


def check_tables(
    frames: Mapping[str, AnyFrame], *, calendar: Calendar, today: date | None = None
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame], CheckReport]:
    """Check tables by themselves and against each other.

    frames: table name → any frame. calendar: whose sessions bars must lie on. today: publish dates after it are faults; None
    leaves that rule out. Returns the sound tables, the rows set aside (with `rule`), and the report. Never raises for bad
    data: a refused table is absent from the result and named in the report.
    """
    if calendar not in CALENDARS:
        raise SettingError(f"calendar must be one of {', '.join(CALENDARS)}, not {calendar!r}")
    tables = Tables()
    read = {name: _enter(tables, name, frame) for name, frame in frames.items()}
    _require_rows(tables)
    set_rest_of_filings_aside(tables, _filings_in_quarantine(tables))
    check_codes(tables)
    check_bars(tables, calendar)
    check_taxonomy(tables)
    check_filings(tables, today)
    check_statements(tables, today)
    check_links(tables, today)
    _require_rows(tables)
    check_coverage(tables)
    quarantine = {name: pl.concat(parts, how="vertical") for name, parts in tables.quarantine.items()}
    kept = {name: frame.height for name, frame in tables.frames.items()}
    return tables.frames, quarantine, CheckReport(findings=tuple(tables.findings), rows_read=read, rows_kept=kept)


def _enter(tables: Tables, name: str, frame: AnyFrame) -> int:
    """Take a table in as far as it is sound by itself; returns the rows that were given."""
    height = 0
    try:
        given = to_polars(frame, name)
        height = given.height
        conformed = conform(name, given)
    except TableError as error:
        tables.refuse(name, "schema", 1, str(error))
        return height
    tables.frames[name] = conformed.frame
    for change in conformed.changes:
        tables.note(name, "changed_on_entry", 1, change)
    if name == "mentions":
        set_later_times_aside(tables)
    if _one_row_a_key(tables, name) and _unit_is_right(tables, name):
        _row_rules(tables, name)
    return height


def _one_row_a_key(tables: Tables, name: str) -> bool:
    """Refuse rows that share a key and differ, set copies aside; False where the table was refused."""
    frame, key = tables.frames[name], contract(name).key
    # the frame is sorted by key, so a repeat stands right after its first
    repeats = pl.all_horizontal([(pl.col(each) == pl.col(each).shift(1)).fill_null(False) for each in key])
    again = frame.select(again=repeats)["again"]
    if not again.any():
        return True
    whole = pl.all_horizontal([pl.col(each).eq_missing(pl.col(each).shift(1)) for each in frame.columns])
    same = frame.select(same=whole)["same"]
    clash = again & ~same
    if clash.any():
        keys = frame.filter(clash).select(key).head(3)
        rows = frame.join(keys, on=key, how="semi", maintain_order="left")
        remedy = f"{' + '.join(key)} must identify a row, but these rows disagree: keep one of each, or set `duplicates` in the import map"
        tables.refuse(name, "duplicate_key", int(clash.sum()), remedy, rows)
        return False
    tables.set_aside(name, {"duplicate_row": again})
    return True


def _unit_is_right(tables: Tables, name: str) -> bool:
    """Refuse bars whose returns are percent. It comes before the row rules, which would set every loss above 1 % aside."""
    if name != "bars":
        return True
    bars = tables.frames[name]
    middle = bars.select(pl.col("ret").abs().filter(pl.col("ret").is_finite() & (pl.col("ret") != 0)).median()).item()
    if middle is None or middle <= _PERCENT_MEDIAN:
        return True
    remedy = (
        f"the median absolute return is {middle:.3g}, so `ret` looks like percent: divide by 100 "
        'or write unit = "percent" in the import map'
    )
    rows = bars.filter(pl.col("ret").abs() >= middle).select("date", "asset", "ret")
    tables.refuse("bars", "returns_in_percent", bars.height, remedy, rows)
    return False


def _row_rules(tables: Tables, name: str) -> None:
    rules, frame = contract(name), tables.frames[name]
    columns = rules.schema.columns()
    absent = [pl.lit(None, dtype=column.dtype).alias(key) for key, column in columns.items() if key not in frame.columns]
    hold = {
        rule: expr for rule, expr in rules.row_rules().items() if rule.split("|")[0] not in columns or rule.split("|")[0] in frame.columns
    }
    own = [column for column in frame.columns if column not in columns]
    hold |= {f"{column}|inf": pl.col(column).is_infinite().not_() for column in own}
    # one flag a rule for the whole table first: a second pass over the rows is needed only where a rule is broken
    names = {f"rule {position}": rule for position, rule in enumerate(hold)}
    sound = [hold[rule].fill_null(True).alias(label) for label, rule in names.items()]
    checked = frame.lazy().with_columns(absent).select(sound).collect()
    tables.set_aside(name, {rule: ~checked[label] for label, rule in names.items()})


def _filings_in_quarantine(tables: Tables) -> pl.DataFrame:
    """Filings of which a row was set aside for a fault of its own; a mere copy is none."""
    parts = [
        part.filter(pl.col("rule") != "duplicate_row").select(FILING)
        for name in ("segments", "filings")
        for part in tables.quarantine.get(name, [])
    ]
    return pl.concat(parts).unique() if parts else pl.DataFrame()


def _require_rows(tables: Tables) -> None:
    """Refuse a table of which no row is left: an empty table would pass for a market without data."""
    for name in [name for name, frame in tables.frames.items() if frame.is_empty()]:
        rows = sum(part.height for part in tables.quarantine.get(name, []))
        tables.refuse(name, "no_row_left", rows, "every row was set aside, see the findings above: correct them, or leave the table out")
