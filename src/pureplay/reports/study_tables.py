"""Tables of a study as plain records: the source's table, bases, years, turnover, and what was left out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from pureplay.evaluate.records import ICSummary, Period
from pureplay.reports.formats import DASH, NO_BREAK, count, number, percent, signed, span
from pureplay.reports.grids import Cell, Row
from pureplay.reports.study_rows import OUT, Record, View, known
from pureplay.studies.headline import published
from pureplay.studies.records import ConstructionStudy, ProductStudy

__all__ = ["Finding", "bases", "findings", "left_out", "turnovers", "years"]

Views: TypeAlias = Sequence[View]


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the source's table. ours: figure and what qualifies it; theirs: as published; one of each a construction."""

    text: str
    ours: tuple[Cell, ...]
    theirs: tuple[str, ...]
    reference: str


def findings(study: ProductStudy) -> tuple[Finding, ...]:
    """The source's table in its order, ours beside the published figures; a dash where a construction has no row."""
    rows: dict[str, dict[str, Record]] = {}
    for each in study.headline.to_dicts():
        rows.setdefault(each["row"], {})[each["construction"]] = each
    return tuple(_finding(key, found, study.constructions) for key, found in rows.items())


def _finding(key: str, found: dict[str, Record], made: Mapping[str, ConstructionStudy]) -> Finding:
    titles = list(dict.fromkeys(str(each["finding"]) for each in found.values()))
    return Finding(
        text=" / ".join(each[:1].upper() + each[1:] for each in titles),
        ours=tuple(_ours(found[name]) if name in found else _none(each) for name, each in made.items()),
        theirs=tuple(str(found[name]["published"]) if name in found else published(name).get(key, DASH) for name in made),
        reference=str(next(iter(found.values()))["reference"] or DASH),
    )


def _minus(text: str) -> str:
    """Hyphens before a figure as minus signs."""
    return re.sub(r"(?<!\w)-(?=\d)", "−", text)


def _none(made: ConstructionStudy) -> Cell:
    return Cell(detail="not evaluable" if made.verdict is None else "")


def _ours(row: Record) -> Cell:
    parts = [
        f"s.e.{NO_BREAK}{number(row['se'])}" if known(row["se"]) else "",
        f"null{NO_BREAK}95{NO_BREAK}%{NO_BREAK}{span(row['null_low'], row['null_high'])}"
        if known(row["null_low"]) and known(row["null_high"])
        else "",
        f"n{NO_BREAK}={NO_BREAK}{count(row['n'])}{NO_BREAK}{row['n_of'] or ''}".strip() if row["n"] is not None else "",
        _minus(str(row["note"] or "")),
    ]
    return Cell(_minus(str(row["ours"] or DASH)), "; ".join(each for each in parts if each))


def _main(found: ICSummary | Period | None) -> Cell:
    if found is None:
        return Cell()
    t = found.test.t if isinstance(found, ICSummary) else found.t_ewc
    return Cell(signed(found.icir), f"{span(found.icir_min, found.icir_max)}, t{NO_BREAK}{signed(t, 2)}, n{NO_BREAK}{count(found.n_dates)}")


def bases(views: Views) -> tuple[Row, ...]:
    """Orthogonal ICIR on each base, over the whole sample and out of it; a dash where a base has no answer."""
    names = dict.fromkeys(name for view in views for name in view.made.bases)
    out = [Row("Whole sample")] if names else []
    out += [Row(name, tuple(_main(view.made.bases.get(name)) for view in views), strong=name == "base") for name in names]
    if any(each.period(OUT) is not None for view in views for each in view.made.bases.values()):
        out.append(Row("Out of sample"))
        for name in names:
            parts = [view.made.bases.get(name) for view in views]
            out.append(Row(name, tuple(_main(None if each is None else each.period(OUT)) for each in parts), strong=name == "base"))
    return tuple(out)


def years(views: Views) -> tuple[Row, ...]:
    """Orthogonal ICIR by calendar year, with the months that hold data."""
    held = [{each.label: each for each in view.verdict.orthogonal.periods if each.label.isdecimal()} for view in views]
    out = []
    for label in sorted({label for each in held for label in each}):
        months = sorted({each[label].months for each in held if label in each})
        said = f"{label}, {'/'.join(map(str, months))} months{'' if months == [12] else ' (partial)'}"
        out.append(Row(said, tuple(_main(each.get(label)) for each in held)))
    return tuple(out)


def turnovers(views: Views) -> tuple[Row, ...]:
    """One-way turnover of quantile portfolios and what it costs; empty without any."""
    held = [view.made.turnover for view in views]
    if not any(held):
        return ()

    def row(text: str, read: Any, *, strong: bool = False) -> Row:
        return Row(text, tuple(Cell() if each is None else read(each) for each in held), strong=strong)

    legs = "/".join(f"{100 / each:.3g}" for each in sorted({each.quantiles for each in held if each is not None}))
    costs = sorted({cost for each in held if each is not None for cost in each.cost_drag_bps})
    return (
        row(
            f"Turnover a year, one way, top and bottom {legs}{NO_BREAK}%",
            lambda each: Cell(
                f"{number(each.annual, 2)}×", f"{number(each.annual_min, 2)} to {number(each.annual_max, 2)} over the offsets"
            ),
            strong=True,
        ),
        row(
            "Share of a leg that changes at a rebalance",
            lambda each: Cell(percent(each.per_rebalance), f"every {each.grid_sessions} sessions, {count(each.rebalances)} rebalances"),
        ),
        *(_drag(cost, row) for cost in costs),
    )


def _drag(cost: float, row: Any) -> Row:
    return row(f"Cost drag at {cost:g} bp a side", lambda each: Cell(count(each.cost_drag_bps.get(cost)), "bp a year"))  # type: ignore[no-any-return]


def left_out(study: ProductStudy) -> tuple[tuple[str, str], ...]:
    """Construction and what it lacks with the reason: constructions without a verdict, cells left out, figures without an answer."""
    return tuple(
        dict.fromkeys((name, text) for name, made in study.constructions.items() for text in (*_not_evaluable(made), *_lacking(made)))
    )


def _not_evaluable(made: ConstructionStudy) -> Iterator[str]:
    if made.verdict is None:
        yield f"the whole construction: {made.not_evaluable or 'no reason was recorded'}"
    if made.verdict is not None and made.turnover is None:
        yield "turnover: too few scores for the top and bottom quantiles asked for"


def _lacking(made: ConstructionStudy) -> Iterator[str]:
    yield from made.skipped
    said = set(made.skipped)
    for frame in (made.figures, made.cells):
        if not {"group", "label", "period", "reason"} <= set(frame.columns):
            continue
        found = frame.filter(pl.col("reason").is_not_null()).group_by("group", "period", "reason", maintain_order=True)
        for row in found.agg(pl.col("label").unique(maintain_order=True)).iter_rows(named=True):
            labels = [each for each in row["label"] if f"{row['group']} {each}: {row['reason']}" not in said]
            if labels and f"{row['group']}: {row['reason']}" not in said:
                when = "" if row["period"] == "all" else f", {row['period']}"
                yield f"{row['group']} {', '.join(labels)}{when}: {row['reason'].removeprefix(f'{labels[0]}: ')}"
