"""Findings of a check and the tables while they are being checked: what is kept, what is set aside, what is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl

from pureplay.tables import AFFILIATE_KINDS, LINK_KINDS, MENTION_KINDS, STATEMENT_ITEMS, STATUS_KINDS, UNMAPPED, contract

__all__ = ["CheckReport", "Finding", "Level", "Tables"]

Level = Literal["refused", "set_aside", "notice"]

_SHOWN_ROWS: Final = 5
_LINE_BREAKS: Final = re.compile(r"[\r\n]+")

_REMEDIES: Final[dict[str, str]] = {
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
    "unknown_item": f"name the item as one of {', '.join(STATEMENT_ITEMS)}, or leave the row out",
    "shares_not_positive": "give the number of shares at the period's end, above 0, or leave the row out",
    "negative_amount": "total assets, debt and preferred equity are at least 0: correct the sign or leave the row out",
    "negative_dividend": "a dividend is at least 0: correct the sign, or leave the row out",
    "unknown_kind": "use product, industry or region",
    "unknown_status": f"use {', '.join(STATUS_KINDS)}, or leave the row out",
    "unknown_mention_kind": f"use {' or '.join(MENTION_KINDS)}",
    "unknown_link_kind": f"use {' or '.join(LINK_KINDS)}",
    "unknown_affiliate_kind": f"use {' or '.join(AFFILIATE_KINDS)}",
    "product_linked_to_itself": "a product is no input of itself: correct one of the two products, or leave the row out",
    "stock_linked_to_itself": "both ends are one security: correct one of them, or leave the row out",
    "stake_outside_0_to_1": "a stake is above 0 and at most 1: divide percent by 100, correct it, or leave it missing",
    "negative_link_amount": "give an amount of at least 0, or leave it missing",
    "published_again_later": "the article has an earlier published_at, which counts: give its rows one moment",
    "published_after_today": "correct published_at: it lies after today, everywhere on earth",
    "edge_outside_taxonomy": "add both products to the taxonomy, or leave the edge out",
    "unknown_date_source": "use filed or assumed",
    "ends_before_start": "swap or correct the interval",
    "looks_ahead": "a score may not use a filing before its eff_date",
    "unknown_product": f"add the product to the taxonomy, or name the revenue '{UNMAPPED}'",
    "product_not_yet_in_taxonomy": "move the node's start_date to or before the filing",
    "mapped_above_total": "segment revenue exceeds total revenue (a share above 1): correct either amount",
    "no_revenue": "the filing has no positive revenue, so it has no shares: correct it or leave it out",
    "published_in_the_future": "correct publish_date: it lies after today",
    "not_a_session": "the exchange was closed: correct the date or use calendar='bars'",
    "traded_before_listing": "correct list_date in assets, or leave it missing: the first bar then counts",
    "publish_dates_differ": "give every row of a report, in segments and filings, one publish_date, or a revision of its own",
    "duplicate_row": "the row repeats another one exactly: keep one",
    "other_row_of_the_filing": "mend the other row of the filing: its shares are wrong without it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule of one table: how many rows break it, the first of them, and what to do."""

    level: Level
    table: str
    rule: str
    count: int
    remedy: str
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)

    def __str__(self) -> str:
        shown = "" if self.rows.width == 0 else "".join(f"\n      {_row_text(row)}" for row in self.rows.iter_rows(named=True))
        return f"{self.level}: {self.table}: {self.rule} ({self.count}): {self.remedy}{shown}"


def _row_text(row: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={_LINE_BREAKS.sub(' ', str(value))}" for key, value in row.items() if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All findings over a set of tables, and how many rows each table held and kept.

    A row that breaks several rules counts in the finding of each, but is set aside once: read = kept + quarantined.
    """

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
class Tables:
    """Tables in the middle of a check. Whoever takes rows away does it here, so that none is lost or counted twice."""

    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    quarantine: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _codes: dict[str, tuple[pl.DataFrame, pl.Series]] = field(default_factory=dict)

    def refuse(self, table: str, rule: str, count: int, remedy: str, rows: pl.DataFrame | None = None) -> None:
        """Take a whole table away."""
        self._find("refused", table, rule, count, remedy, rows)
        self.frames.pop(table, None)

    def note(self, table: str, rule: str, count: int, remedy: str, rows: pl.DataFrame | None = None) -> None:
        """Say something about a table and leave it as it is."""
        self._find("notice", table, rule, count, remedy, rows)

    def set_aside(self, table: str, broken: Mapping[str, pl.Series]) -> pl.DataFrame:
        """Move the rows that a mask marks to quarantine, each once and with every rule it breaks; returns them without `rule`.

        broken: rule → one flag for each row of the table.
        """
        frame = self.frames[table]
        faults = {rule: mask for rule, mask in broken.items() if mask.any()}
        if not faults:
            return frame.clear()
        for rule, mask in faults.items():
            self._find("set_aside", table, rule, int(mask.sum()), _REMEDIES[rule.split("|")[-1]], frame.filter(mask))
        named = pl.concat_str([pl.when(mask).then(pl.lit(rule)) for rule, mask in faults.items()], separator="; ", ignore_nulls=True)
        bad = pl.select(pl.any_horizontal(*faults.values())).to_series()
        aside = frame.with_columns(rule=named).filter(bad)
        self.quarantine.setdefault(table, []).append(aside)
        self.frames[table] = frame.filter(~bad)
        return aside.select(frame.columns)

    def codes(self, table: str) -> pl.Series:
        """Distinct security codes of a table, of all its columns of codes, sorted; kept until the table changes."""
        frame = self.frames[table]
        known = self._codes.get(table)
        if known is None or known[0] is not frame:
            columns = [frame[each].unique().rename("asset") for each in contract(table).codes]
            known = (frame, (pl.concat(columns).unique() if len(columns) > 1 else columns[0]).drop_nulls().sort())
            self._codes[table] = known
        return known[1]

    def _find(self, level: Level, table: str, rule: str, count: int, remedy: str, rows: pl.DataFrame | None) -> None:
        shown = pl.DataFrame() if rows is None else rows.head(_SHOWN_ROWS)
        self.findings.append(Finding(level=level, table=table, rule=rule, count=count, remedy=remedy, rows=shown))
