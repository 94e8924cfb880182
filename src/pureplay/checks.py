"""What is wrong with a set of tables: every broken rule with its count, first rows and remedy.

Three levels. `refused`: the table cannot be used. `set_aside`: the rows go to quarantine and the rest enters. `notice`: nothing
is taken away, but whoever reads the figures should know.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

import numpy as np
import polars as pl

from pureplay.errors import TableError
from pureplay.frames import AnyFrame, conform
from pureplay.segments import FILING, parent_codes, tidy
from pureplay.sessions import Calendar, sessions_between
from pureplay.tables import UNMAPPED, contract

__all__ = ["CheckReport", "Finding", "Level", "check_tables"]

Level = Literal["refused", "set_aside", "notice"]

_SHOWN_ROWS: Final = 5
_PERCENT_MEDIAN: Final = 0.3  # half of all daily moves above 30 % does not happen in decimals; in percent it is the rule

_REMEDIES: Final[dict[str, str]] = {
    "primary_key": "keep one row a key",
    "nullability": "fill the value or leave the row out",
    "inf": "replace infinite values by missing ones",
    "min_length": "fill the code",
    "price_not_positive": "give positive prices or leave them missing",
    "cap_not_positive": "give positive market values or leave them missing",
    "return_below_minus_one": "a stock cannot lose more than all: check the unit and the adjustment",
    "negative_volume": "give volume and amount of at least 0",
    "delisted_before_listed": "swap or correct the two dates",
    "reserved_product": f"'{UNMAPPED}' is reserved for revenue outside the taxonomy: rename the node",
    "published_before_period_end": "correct publish_date: nothing is public before its period ends",
    "negative_revenue": "report revenue of at least 0; put returns and eliminations outside the segment table",
    "unknown_kind": "use product, industry or region",
    "unknown_date_source": "use filed or assumed",
    "ends_before_start": "swap or correct the interval",
    "looks_ahead": "a score may not use a filing before its eff_date",
    "unknown_product": f"add the product to the taxonomy, or name the revenue '{UNMAPPED}'",
    "product_not_yet_in_taxonomy": "move the node's start_date to or before the filing",
    "mapped_above_total": "segment revenue exceeds total revenue (a share above 1): correct either amount",
    "no_revenue": "the filing has no positive revenue, so it has no shares: correct it or leave it out",
    "published_in_the_future": "correct publish_date: it lies after today",
    "not_a_session": "the exchange was closed: correct the date or use calendar='bars'",
    "duplicate_row": "the row repeats another one exactly: keep one",
    "other_row_of_the_filing": "mend the other row of the filing: its shares are wrong without it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule of one table."""

    level: Level
    table: str
    rule: str
    count: int
    remedy: str
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)

    def __str__(self) -> str:
        shown = "" if self.rows.width == 0 else "".join(f"\n      {_row_text(row)}" for row in self.rows.iter_rows(named=True))
        return f"{self.level}: {self.table}: {self.rule} ({self.count}): {self.remedy}{shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All findings over a set of tables, and how many rows each table held and kept."""

    findings: tuple[Finding, ...]
    rows_read: Mapping[str, int]
    rows_kept: Mapping[str, int]

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Findings that make a table unusable."""
        return tuple(each for each in self.findings if each.level == "refused")

    @property
    def set_aside(self) -> tuple[Finding, ...]:
        """Findings whose rows went to quarantine."""
        return tuple(each for each in self.findings if each.level == "set_aside")

    @property
    def exit_code(self) -> int:
        """0 clean (notices allowed), 1 rows set aside, 2 a table refused."""
        return 2 if self.refused else 1 if self.set_aside else 0

    def to_frame(self) -> pl.DataFrame:
        """One row a finding: level, table, rule, count, remedy."""
        names = ("level", "table", "rule", "count", "remedy")
        return pl.DataFrame(
            [{name: getattr(each, name) for name in names} for each in self.findings],
            schema={"level": pl.String, "table": pl.String, "rule": pl.String, "count": pl.Int64, "remedy": pl.String},
        )

    def __str__(self) -> str:
        lines = [f"  {name}: {self.rows_read[name]} rows read, {self.rows_kept.get(name, 0)} kept" for name in self.rows_read]
        return "\n".join([*lines, *(f"  {each}" for each in self.findings)])


@dataclass(slots=True)
class _State:
    tables: dict[str, pl.DataFrame]
    quarantine: dict[str, list[pl.DataFrame]]
    findings: list[Finding]

    def refuse(self, table: str, rule: str, count: int, remedy: str, rows: pl.DataFrame | None = None) -> None:
        shown = pl.DataFrame() if rows is None else rows.head(_SHOWN_ROWS)
        self.findings.append(Finding(level="refused", table=table, rule=rule, count=count, remedy=remedy, rows=shown))
        self.tables.pop(table, None)

    def set_aside(self, table: str, rule: str, rows: pl.DataFrame) -> None:
        if rows.height == 0:
            return
        remedy = _REMEDIES[rule.split("|")[-1]]
        self.findings.append(
            Finding(level="set_aside", table=table, rule=rule, count=rows.height, remedy=remedy, rows=rows.head(_SHOWN_ROWS))
        )
        self.quarantine.setdefault(table, []).append(rows.with_columns(rule=pl.lit(rule)))

    def note(self, table: str, rule: str, count: int, remedy: str, rows: pl.DataFrame | None = None) -> None:
        shown = pl.DataFrame() if rows is None else rows.head(_SHOWN_ROWS)
        self.findings.append(Finding(level="notice", table=table, rule=rule, count=count, remedy=remedy, rows=shown))


def check_tables(
    frames: Mapping[str, AnyFrame], *, calendar: Calendar, today: date | None = None
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame], CheckReport]:
    """Check tables by themselves and against each other.

    frames: table name → any frame. calendar: whose sessions bars must lie on. today: publish dates after it are faults; None
    leaves that rule out. Returns the sound tables, the rows set aside (with `rule`), and the report. Never raises for bad
    data: a refused table is absent from the result and named in the report.
    """
    state = _State({}, {}, [])
    read: dict[str, int] = {}
    for name, frame in frames.items():
        _enter(state, name, frame, read)
    _check_codes(state)
    _check_bars(state, calendar)
    _check_taxonomy(state)
    _check_filings(state, today)
    _check_coverage(state)
    quarantine = {name: pl.concat(parts, how="diagonal_relaxed") for name, parts in state.quarantine.items()}
    kept = {name: frame.height for name, frame in state.tables.items()}
    return state.tables, quarantine, CheckReport(findings=tuple(state.findings), rows_read=read, rows_kept=kept)


def _enter(state: _State, name: str, frame: AnyFrame, read: dict[str, int]) -> None:
    read[name] = 0
    try:
        conformed = conform(name, frame)
    except TableError as error:
        state.refuse(name, "schema", 1, str(error))
        return
    read[name] = conformed.frame.height
    state.tables[name] = conformed.frame
    for change in conformed.changes:
        state.note(name, "changed_on_entry", 1, change)
    if _one_row_a_key(state, name):
        _row_rules(state, name)


def _one_row_a_key(state: _State, name: str) -> bool:
    frame, key = state.tables[name], contract(name).key
    # the frame is sorted by key, so a repeat stands right after its first
    repeats = pl.all_horizontal([(pl.col(each) == pl.col(each).shift(1)).fill_null(False) for each in key])
    again = frame.select(repeats.alias("again"))["again"]
    if not again.any():
        return True
    whole = pl.all_horizontal([pl.col(each).eq_missing(pl.col(each).shift(1)) for each in frame.columns])
    same = frame.select(whole.alias("same"))["same"].fill_null(False)
    clash = again & ~same
    if clash.any():
        keys = frame.filter(clash).select(key).head(_SHOWN_ROWS)
        rows = frame.join(keys, on=key, how="semi")
        remedy = f"{' + '.join(key)} must identify a row, but these rows disagree: keep one of each, or set `duplicates` in the import map"
        state.refuse(name, "duplicate_key", int(clash.sum()), remedy, rows)
        return False
    state.set_aside(name, "duplicate_row", frame.filter(again))
    state.tables[name] = frame.filter(~again)
    return True


def _row_rules(state: _State, name: str) -> None:
    rules, frame = contract(name), state.tables[name]
    absent = {key: column.dtype for key, column in rules.schema.columns().items() if key not in frame.columns}
    full = frame.with_columns([pl.lit(None, dtype=dtype).alias(key) for key, dtype in absent.items()])
    bad: dict[str, pl.DataFrame] = {}
    numbers = [column for column in frame.columns if column not in rules.schema.columns()]
    if numbers:
        infinite = frame.select(pl.any_horizontal([pl.col(column).is_infinite().fill_null(False) for column in numbers])).to_series()
        bad["inf"] = frame.filter(infinite)
        full = full.filter(~infinite)
    result, failure = rules.schema.filter(full, cast=False)
    if len(failure):
        details = failure.details()
        for rule in failure.counts():
            bad[rule] = details.filter(pl.col(rule) == "invalid").select(frame.columns)
    faulty = {rule: rows for rule, rows in bad.items() if rows.height}
    for rule, rows in faulty.items():
        state.set_aside(name, rule, rows)
    if faulty:
        keep = result.select([column for column in full.columns if column in frame.columns])
        state.tables[name] = keep.sort(rules.key, maintain_order=True)
        if name in ("segments", "filings"):
            _set_filings_aside(state, pl.concat([rows.select(FILING) for rows in faulty.values()]), "other_row_of_the_filing")


def _set_filings_aside(state: _State, filings: pl.DataFrame, rule: str) -> None:
    for name in ("segments", "filings"):
        if name not in state.tables:
            continue
        frame = state.tables[name]
        named = filings.select(FILING).unique()
        state.set_aside(name, rule, frame.join(named, on=FILING, how="semi", maintain_order="left"))
        state.tables[name] = frame.join(named, on=FILING, how="anti", maintain_order="left")


_SHAPES: Final = {
    "600519.SH": r"^\d{6}\.(SH|SZ|BJ)$",
    "600519": r"^\d{6}$",
    "SH600519": r"(?i)^(sh|sz|bj)\.?\d{6}$",
    "600519.XSHG": r"^\d{6}\.(XSHG|XSHE|XBEI|SS)$",
}


def _check_codes(state: _State) -> None:
    """One way to write a code, within a table and across tables: a mixture makes stocks disappear in joins."""
    seen: dict[str, tuple[str, str]] = {}
    for name in list(state.tables):
        if "asset" not in state.tables[name].columns:
            continue
        codes = state.tables[name]["asset"].unique().sort()
        for shape, pattern in _SHAPES.items():
            matching = codes.filter(codes.str.contains(pattern).fill_null(False))
            if matching.len():
                seen.setdefault(shape, (name, matching[0]))
        if len(seen) > 1:
            examples = ", ".join(f"{code!r} in {table}" for table, code in seen.values())
            state.refuse(name, "mixed_code_formats", len(seen), f"codes are written in several ways ({examples}): use `pureplay import` with code = \"cn\"")
            return


def _check_bars(state: _State, calendar: Calendar) -> None:
    if "bars" not in state.tables:
        return
    bars = state.tables["bars"]
    middle = bars.select(pl.col("ret").abs().filter(pl.col("ret") != 0).median()).item()
    if middle is not None and middle > _PERCENT_MEDIAN:
        remedy = f"the median absolute return is {middle:.3g}, so `ret` looks like percent: divide by 100 (unit = \"percent\" in the import map)"
        state.refuse("bars", "returns_in_percent", bars.height, remedy, bars.select("date", "asset", "ret"))
        return
    try:
        sessions = sessions_between(bars["date"].unique().to_numpy(), calendar)
    except TableError as error:
        state.refuse("bars", "calendar", bars.height, str(error))
        return
    known = pl.Series(sessions.dates).cast(pl.Date)
    state.set_aside("bars", "not_a_session", bars.filter(~pl.col("date").is_in(known.implode())))
    state.tables["bars"] = bars.filter(pl.col("date").is_in(known.implode()))
    empty = len(sessions) - state.tables["bars"]["date"].n_unique()
    if empty:
        state.note("bars", "sessions_without_bars", empty, "sessions of the exchange on which no stock has a row count as a market-wide suspension")


def _check_taxonomy(state: _State) -> None:
    if "taxonomy" not in state.tables:
        return
    tree = state.tables["taxonomy"]
    lost = tree.filter(pl.col("parent").is_not_null() & ~pl.col("parent").is_in(tree["product"].implode()))
    if lost.height:
        state.refuse("taxonomy", "unknown_parent", lost.height, "every parent must be a node itself: add it or leave parent empty", lost)
        return
    parents, _ = parent_codes(tree, tree["product"])
    climbing = parents.copy()
    for _ in range(tree.height.bit_length() + 1):  # pointer doubling: after k rounds a node has climbed 2^k steps
        climbing = np.where(climbing >= 0, climbing[climbing], -1)
    if (climbing >= 0).any():
        rows = tree.filter(pl.Series(climbing >= 0))
        state.refuse("taxonomy", "cycle", rows.height, "these nodes hang below themselves: correct their parents", rows)


def _check_filings(state: _State, today: date | None) -> None:
    if today is not None:
        for name in ("segments", "filings"):
            if name in state.tables:
                late = state.tables[name].filter(pl.col("publish_date") > today)
                _set_filings_aside(state, late, "published_in_the_future")
    if "segments" not in state.tables:
        return
    if "taxonomy" not in state.tables:
        state.refuse("segments", "no_taxonomy", state.tables["segments"].height, "segments need a sound taxonomy table")
        return
    tree = state.tables["taxonomy"]
    of_product = state.tables["segments"].filter((pl.col("kind") == "product") & (pl.col("product") != UNMAPPED))
    _set_filings_aside(state, of_product.join(tree, on="product", how="anti"), "unknown_product")
    if "start_date" in tree.columns:
        dated = of_product.join(tree.select("product", "start_date"), on="product")
        _set_filings_aside(state, dated.filter(pl.col("start_date") > pl.col("publish_date")), "product_not_yet_in_taxonomy")
    made = tidy(state.tables["segments"], state.tables.get("filings"), tree)
    for rule in made.faults["rule"].unique().sort():
        _set_filings_aside(state, made.faults.filter(pl.col("rule") == rule), rule)
    for rule, count in made.dropped.group_by("rule").len().sort("rule").iter_rows():
        rows = made.dropped.filter(pl.col("rule") == rule).select(*FILING, "product", "revenue", "kept")
        state.note("segments", rule, count, "left out of, or reduced in, the revenue mix; the table keeps the rows as filed", rows)


def _check_coverage(state: _State) -> None:
    if "bars" not in state.tables:
        return
    traded = state.tables["bars"].select("asset").unique()
    if "segments" in state.tables:
        filed = state.tables["segments"].select("asset").unique()
        for here, there, name, rule in ((filed, traded, "segments", "stock_without_bars"), (traded, filed, "bars", "stock_without_segments")):
            lone = here.join(there, on="asset", how="anti").sort("asset")
            if lone.height:
                state.note(name, rule, lone.height, "these stocks have no score; nothing else depends on them", lone)
    sessions = state.tables["bars"]["date"].n_unique()
    if sessions == 1:
        state.note("bars", "one_session", 1, "a signal needs a window of sessions: no score can be computed")


def _row_text(row: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={re.sub(chr(10), ' ', str(value))}" for key, value in row.items() if value is not None)
