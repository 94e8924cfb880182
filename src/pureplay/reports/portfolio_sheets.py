"""Tables of a portfolio study as plain records: accounts, indices, luck, what was blocked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import polars as pl

from pureplay.reports.formats import DASH, count, day, number, percent, signed
from pureplay.reports.grids import Cell
from pureplay.reports.portfolio_rows import (
    Record,
    controls,
    kind_title,
    kinds,
    known,
    middle,
    plain_design,
    plain_rows,
    score_title,
    scores,
    shuffled,
)
from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = [
    "Line",
    "Sheet",
    "accounts",
    "beside",
    "blocked",
    "designs",
    "index_form",
    "indices",
    "luck",
    "reality",
    "share",
    "variant_title",
    "variants",
    "years_text",
]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of cells under its label. rule: a line above it, between what holds product information and what does not."""

    label: str
    cells: tuple[Cell, ...] = ()
    detail: str = ""
    rule: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: heads over the cells (the first one over the labels), and rows; a row without cells heads those below."""

    heads: tuple[str, ...]
    rows: tuple[Line, ...]


Printer: TypeAlias = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of figures. low, high: names of the figures that bound it over the accounts. ranged: over placebos, show the range too."""

    head: str
    name: str
    show: Printer
    low: str = ""
    high: str = ""
    ranged: bool = True

    def cell(self, row: Record) -> Cell:
        """Of one row."""
        detail = self.span(row[self.low], row[self.high]) if self.low and self.low in row else ""
        return Cell(self.show(row[self.name]), detail if detail != DASH else "")

    def over(self, rows: Sequence[Record]) -> Cell:
        """Median of rows, with the range."""
        found = middle(rows, self.name)
        return Cell() if found is None else Cell(self.show(found[0]), self.span(found[1], found[2]) if self.ranged else "")

    def span(self, low: float | None, high: float | None) -> str:
        """An interval in the manner of the column, without its unit."""
        if not known(low) or not known(high):
            return DASH
        return f"[{_bare(self.show(low))}, {_bare(self.show(high))}]"


def _bare(text: str) -> str:
    return text.removesuffix("\u00a0%").removesuffix("×")


def share(value: float | None) -> str:
    """A signed share such as +4.1 %."""
    text = percent(value)
    return f"+{text}" if known(value) and not text.startswith("−") else text


def _two(value: float | None) -> str:
    return signed(value, 2)


def _times(value: float | None) -> str:
    return DASH if not known(value) else f"{number(value, 1)}×"


_ACCOUNTS: Final = (
    _Column("Net a year", "net", share, "net_min", "net_max"),
    _Column("Gross a year", "gross", share, "gross_min", "gross_max"),
    _Column("Paper a year", "paper", share),
    _Column("Sharpe, net", "sharpe_net", _two, "sharpe_net_min", "sharpe_net_max"),
    _Column("t, net", "t_net", _two),
    _Column("Largest loss", "max_drawdown", percent),
    _Column("Turnover", "turnover", _times, ranged=False),
    _Column("Cost a year", "cost", percent, ranged=False),
    _Column("fees", "fees", percent, ranged=False),
    _Column("impact", "impact", percent, ranged=False),
    _Column("borrow", "borrow", percent, ranged=False),
    _Column("Blocked", "blocked_share", percent, ranged=False),
)
_DESIGNS: Final = (*(each for each in _ACCOUNTS if each.name != "paper"), _Column("Names a leg", "names", count))
_INDICES: Final = (
    _Column("Active a year", "active", share),
    _Column("Tracking error", "tracking_error", percent),
    _Column("Information ratio", "information_ratio", _two),
    _Column("t, active", "t_active", _two),
    _Column("Beta", "beta", lambda value: number(value, 2)),
    _Column("Relative loss", "relative_drawdown", percent),
    _Column("Index a year", "index_return", share, ranged=False),
    _Column("Index Sharpe", "index_sharpe", _two, ranged=False),
)


def accounts(study: PortfolioStudy) -> Sheet:
    """Accounts of the plain design, a group a kind: scores first, then controls and the shuffles as one row."""
    rows: list[Line] = []
    columns = _held(_ACCOUNTS, study.accounts)
    for kind in kinds(study.accounts):
        made = plain_rows(study, "accounts", kind)
        rows.append(Line(_headed(kind, made)))
        rows += _lines(study, made, columns)
    return Sheet(("", *(each.head for each in columns)), tuple(rows))


def _headed(kind: str, made: Mapping[str, Record]) -> str:
    first = min((row["first"] for row in made.values() if row["first"] is not None), default=None)
    last = max((row["last"] for row in made.values() if row["last"] is not None), default=None)
    return kind_title(kind) + (f", {day(first)} to {day(last)}" if first is not None and last is not None else "")


def _held(columns: Sequence[_Column], frame: pl.DataFrame) -> tuple[_Column, ...]:
    """Columns that hold a figure; those that every page has stay."""
    return tuple(each for each in columns if each.name not in ("paper", "borrow") or frame[each.name].drop_nulls().len())


def _lines(study: PortfolioStudy, made: Mapping[str, Record], columns: Sequence[_Column]) -> Iterator[Line]:
    for name in scores(study):
        if name in made:
            yield Line(score_title(name), tuple(each.cell(made[name]) for each in columns))
    rule = True
    for name in controls(study):
        if name in made:
            yield Line(score_title(name), tuple(each.cell(made[name]) for each in columns), rule=rule)
            rule = False
    placebos = shuffled(made.values())
    if placebos:
        cells = tuple(each.over(placebos) for each in columns)
        yield Line(f"{len(placebos)} shuffle{'s' * (len(placebos) > 1)} (placebo)", cells, "median [range]", rule=rule)


def designs(study: PortfolioStudy) -> Sheet:
    """Every account of every design, each shuffle by itself."""
    rows: list[Line] = []
    columns = _held(_DESIGNS, study.accounts)
    for kind in kinds(study.accounts):
        rows.append(Line(kind_title(kind)))
        last = False
        for row in study.accounts.filter(kind=kind).sort("is_control", maintain_order=True).to_dicts():
            label = f"{score_title(row['score'])}, {row['design'].replace('_', ' ')}"
            rows.append(Line(label, tuple(each.cell(row) for each in columns), rule=bool(row["is_control"]) and not last))
            last = bool(row["is_control"])
    return Sheet(("", *(each.head for each in columns)), tuple(rows))


def indices(study: PortfolioStudy, *, every: bool = False) -> Sheet:
    """Long-only accounts beside each index; every: all designs and each shuffle, else the plain design and the shuffles as one row."""
    rows: list[Line] = []
    for name in study.benchmarks["benchmark"].unique(maintain_order=True):
        part = study.benchmarks.filter(benchmark=name)
        rows.append(Line(f"Against {name} ({index_form(part['is_total_return'][0])})"))
        if every:
            found = part.to_dicts()
            rows += (Line(f"{score_title(row['score'])}, {row['design'].replace('_', ' ')}", _cells(row)) for row in found)
        else:
            plain = {row["score"]: row for row in part.to_dicts() if row["design"] == plain_design(study)}
            rows += _lines(study, plain, _INDICES)
    return Sheet(("", *(each.head for each in _INDICES)), tuple(rows))


def _cells(row: Record) -> tuple[Cell, ...]:
    return tuple(each.cell(row) for each in _INDICES)


def index_form(is_total_return: bool | None) -> str:
    """What an index holds."""
    if is_total_return is None:
        return "whether dividends are in it is not known"
    return "total return, dividends are in it" if is_total_return else "price index: dividends are not in it"


def years_text(value: float | None) -> str:
    """Years of record; without end where no length would do."""
    if value is None or value != value:
        return DASH
    return "no length" if value == float("inf") else number(value, 1)


def luck(study: PortfolioStudy) -> Sheet:
    """Deflated Sharpe ratios and how long a record it takes."""
    heads = ("", "Sharpe a period", "Periods", "Trials", "Best by chance", "Deflated", "Against 0", "Years", "Record needed", "More years")
    rows: list[Line] = []
    for kind in kinds(study.luck):
        rows.append(Line(kind_title(kind) + beside(study, kind)))
        for row in study.luck.filter(kind=kind).to_dicts():
            cells = (
                Cell(signed(row["sharpe"], 3)),
                Cell(count(row["n"])),
                Cell(count(row["trials"]) if row["trials"] is not None else "not logged"),
                Cell(signed(row["threshold"], 3)),
                Cell(percent(row["deflated"])),
                Cell(percent(row["undeflated"])),
                Cell(years_text(row["years"])),
                Cell(years_text(row["track_years"])),
                Cell(years_text(row["more_years"])),
            )
            rows.append(Line(score_title(row["score"]), cells))
    return Sheet(heads, tuple(rows))


def beside(study: PortfolioStudy, kind: str) -> str:
    """What the returns of a kind are in excess of, for a heading."""
    if kind != "long_only":
        return ", net"
    index = study.facts.get("main_index")
    return f", net, active against {index}" if index else ", net, against cash that earns nothing"


def reality(study: PortfolioStudy) -> Sheet:
    """Reality checks over all variants of a kind."""
    heads = ("", "Variants", "Sessions", "Best", "p, lower", "p, consistent", "p, upper", "Pass StepM", "PBO", "Slope", "Loss")
    rows: list[Line] = []
    for row in (each for kind in kinds(study.reality) for each in study.reality.filter(kind=kind).to_dicts()):
        passed = study.variants.filter(kind=row["kind"], superior=True).height
        cells = (
            Cell(count(row["variants"])),
            Cell(count(row["n"])),
            Cell(variant_title(row["best"])),
            *(Cell(number(row[name], 3)) for name in ("p_lower", "p_consistent", "p_upper")),
            Cell(DASH if row["p_consistent"] is None else count(passed)),
            Cell(percent(row["pbo"])),
            Cell(signed(row["slope"], 2)),
            Cell(percent(row["loss"])),
        )
        rows.append(Line(kind_title(row["kind"]), cells, beside(study, row["kind"]).removeprefix(", ")))
    return Sheet(heads, tuple(rows))


def variant_title(name: str | None) -> str:
    """A score and design without underscores."""
    return DASH if name is None else name.replace("_", " ")


def variants(study: PortfolioStudy) -> Sheet:
    """Every variant and whether StepM passes it."""
    rows: list[Line] = []
    for kind in kinds(study.variants):
        rows.append(Line(kind_title(kind)))
        for row in study.variants.filter(kind=kind).to_dicts():
            label = f"{score_title(row['score'])}, {row['design'].replace('_', ' ')}"
            rows.append(Line(label, (Cell(signed(row["sharpe"], 3)), Cell("passes" if row["superior"] else "does not pass"))))
    return Sheet(("", "Sharpe a period", "StepM at 5 %"), tuple(rows))


def blocked(study: PortfolioStudy) -> Sheet:
    """Share of the order value that stayed undone, by score and reason, with the number of orders; shuffles left out."""
    reasons = list(study.blocked["reason"].unique(maintain_order=True))
    rows: list[Line] = []
    for kind in kinds(study.blocked):
        rows.append(Line(kind_title(kind)))
        held = study.blocked.filter(kind=kind)
        for score in (*scores(study), *controls(study)):
            found = {row["reason"]: row for row in held.filter(score=score).to_dicts()}
            if found:
                rule = score == next(iter(controls(study)), None)
                rows.append(Line(score_title(score), tuple(_blocked_cell(found.get(each)) for each in reasons), rule=rule))
    return Sheet(("", *(str(each).replace("_", " ") for each in reasons)), tuple(rows))


def _blocked_cell(row: Record | None) -> Cell:
    if row is None:
        return Cell()
    retried = f" + {count(row['retries'])}" if row["retries"] else ""
    return Cell(percent(row["value_share"], 2), f"{count(row['orders'])}{retried}")
