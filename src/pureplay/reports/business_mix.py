"""One self-contained page on the business-mix factors: beside the published figures, by purity, and what they are made of."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pureplay.evaluate.records import CRITICAL_T
from pureplay.reports import business_mix_wording as words
from pureplay.reports import wording
from pureplay.reports.drawing import COLOURS, MUTED, drawn, new_figure
from pureplay.reports.formats import DASH, count, flatten, percent, signed
from pureplay.reports.gallery import Chart, Numbers
from pureplay.reports.grids import Cell, Row
from pureplay.reports.page import fill
from pureplay.studies.business_mix_records import FIGURES, MEASURES, BusinessMixStudy, beside_published

__all__ = ["business_mix_gallery", "render_business_mix"]

_SHADES: Final = ("#0b5cad", "#5b9bd5", "#0f766e", "#c2570c", "#b6bcc6")


def render_business_mix(study: BusinessMixStudy, *, manifest: Mapping[str, Any]) -> str:
    """The page as HTML; it loads nothing from anywhere, and its own policy forbids the browser to try.

    manifest: what made the study (configuration, data hashes, versions, seed); it may nest. All text is escaped. The same arguments give
    the same page.
    """
    context: dict[str, Any] = {
        "title": study.name,
        "synthetic": wording.SYNTHETIC if study.synthetic else "",
        "synthetic_names": [],
        "lead": words.lead(study),
        "facts": words.facts(study),
        "windows": study.windows,
        "basis": words.basis(study),
        "not_comparable": "" if words.comparable(study) else words.NOT_COMPARABLE,
        "findings": tuple(_findings(study)),
        "tests": tuple(_tests(study)),
        "conclusion": words.conclusion(study),
        "heads": _HEADS,
        "thresholds": _thresholds(study),
        "correlations": _correlations(study),
        "left_out": tuple(_left_out(study)),
        "refusals": tuple((found, (Cell(count(found["count"])),)) for found in study.refused.to_dicts()),
        "notes": study.notes,
        "settings": {
            "Settings": flatten(study.settings),
            "Evaluation": flatten(study.evaluation),
            "Data": flatten(study.data),
            "Wall time, seconds": {stage: f"{spent:.2f}" for stage, spent in study.seconds.items()},
        },
        "changed": flatten(study.changed),
        "manifest": flatten(manifest),
        "glossary": words.terms(),
    }
    return fill("business_mix.html", business_mix_gallery(study), context)


def _findings(study: BusinessMixStudy) -> Iterator[dict[str, Any]]:
    """Rows of the source's table in its order: a group a measure, then for each figure ours, own_only's and the published one.

    The published one is withheld where horizon or grid differ from its own.
    """
    ours, own = beside_published(study).to_dicts(), beside_published(study, source="own_only").to_dicts()
    for place, (row, control) in enumerate(zip(ours, own, strict=True)):
        if place % len(FIGURES) == 0:
            yield {"group": row["measure"].capitalize(), "bought": "highest" if MEASURES[row["measure"]] > 0 else "lowest"}
        cells = [cell for window in study.windows for cell in (_cell(row, window), _cell(control, window))]
        yield {"group": "", "text": row["figure"], "cells": cells, "theirs": row["published"] if words.comparable(study) else DASH}


def _cell(row: Mapping[str, str], window: int) -> Cell:
    value, _, rest = row[f"{window} sessions"].partition(" [")
    return Cell(value, f"[{rest}" if rest else "")


def _tests(study: BusinessMixStudy) -> Iterator[tuple[str, str, str, str]]:
    """Name, value, detail and whether it passes, of the paired and nested tests."""
    judged = study.verdict
    if judged is None:
        return
    for each in judged.controls:
        value = "identical" if each.identical else f"t {signed(each.paired.t, 2)}"
        yield f"Against {each.name}, paired", value, f"its ICIR {signed(each.raw.icir)}", "" if each.identical else _passes(each.paired.t)
    if judged.nested is not None:
        nested = judged.nested
        yield "Beyond the controls, nested", f"t {signed(nested.test.t, 2)}", f"ICIR {signed(nested.icir)}", _passes(nested.test.t)


def _passes(t: float) -> str:
    return "passes" if t > CRITICAL_T else "fails" if t <= CRITICAL_T else "no figure"


_HEADS: Final = (
    *("Purity", "Pure plays", "Products", "Names", "Mean IC", "EWC t", "ICIR"),
    *("Return", "EWC t", "Sharpe", "Turnover", "Own product"),
)


def _thresholds(study: BusinessMixStudy) -> tuple[tuple[bool, tuple[str, ...]], ...]:
    """Rows under _HEADS, and whether each is that of the study's own purity."""
    return tuple((row["purity"] == study.settings["purity"], _threshold(row)) for row in study.thresholds.to_dicts())


def _threshold(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['purity']:g}",
        count(row["pure_plays"]),
        count(row["products"]),
        count(row["names"]),
        _percent(row["mean_ic"]),
        signed(row["ic_t"], 2),
        signed(row["icir"], 2),
        _percent(row["ls_return"]),
        signed(row["ls_t"], 2),
        signed(row["ls_sharpe"], 2),
        percent(row["turnover"]),
        percent(row["share_products"]),
    )


def _share_numbers(rows: list[dict[str, Any]]) -> Numbers:
    parts = {name: said for name, said in words.units().items() if any(row[name] is not None for row in rows)}
    cells = tuple((f"{row['purity']:g}", *(percent(row[name]) for name in parts)) for row in rows)
    return Numbers(("Purity", *(said.capitalize() for said in parts.values())), cells, words=1)


def _percent(value: float | None) -> str:
    return DASH if value is None else f"{signed(100 * value, 2)} %"


def _correlations(study: BusinessMixStudy) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """Heads and rows of the table of correlations; no rows without factors."""
    names = tuple(each for each in study.correlations.columns if each != "factor")
    rows = (Row(row["factor"], tuple(Cell(signed(row[name], 2)) for name in names)) for row in study.correlations.to_dicts())
    return names, tuple(rows)


def _left_out(study: BusinessMixStudy) -> Iterator[tuple[str, str]]:
    if study.not_evaluable:
        yield "verdict", study.not_evaluable
    for row in study.rows.to_dicts():
        if row["reason"]:
            yield f"{row['measure']}, {row['source']}, {row['window_sessions']}", row["reason"]
    for row in study.thresholds.to_dicts():
        if row["reason"]:
            yield f"purity {row['purity']:g}", row["reason"]


def business_mix_gallery(study: BusinessMixStudy) -> tuple[Chart, ...]:
    """ICIR by purity, and what answers the revenue at each; a chart without a point is left out."""
    rows = study.thresholds.to_dicts()
    note = f"Composite over {study.windows[0]} sessions. Bars: smallest to largest offset. Dotted: the purity used above."
    first = Chart(
        key="thresholds", title="ICIR by the purity that makes a pure play", note=note, figure=_icirs(rows, study.settings["purity"])
    )
    note = "Of the scored stocks, mean over stocks and dates; what nothing answers is left out of the implied return."
    second = Chart(key="shares", title="What answers a stock's revenue", note=note, figure=_shares(rows), numbers=_share_numbers(rows))
    return tuple(each for each in (first, second) if each.figure is not None)


def _icirs(rows: list[dict[str, Any]], usual: float) -> Any:
    figure, known = new_figure("share of revenue", "ICIR per period", height=300), [row for row in rows if row["icir"] is not None]
    figure.add_scatter(
        x=[row["purity"] for row in known],
        y=[row["icir"] for row in known],
        error_y={
            "type": "data",
            "array": [row["icir_max"] - row["icir"] for row in known],
            "arrayminus": [row["icir"] - row["icir_min"] for row in known],
            "thickness": 1.3,
            "width": 4,
        },
        customdata=[[signed(row["ic_t"], 2), _percent(row["ls_return"])] for row in known],
        mode="lines+markers",
        marker={"size": 9, "color": COLOURS[0]},
        line={"color": COLOURS[0], "width": 1.8},
        showlegend=False,
        hovertemplate="purity %{x:g}: ICIR %{y:+.3f}, t %{customdata[0]}, long-short %{customdata[1]}<extra></extra>",
    )
    figure.add_vline(x=usual, line={"color": MUTED, "width": 1, "dash": "dot"}, layer="below")
    figure.update_xaxes(tickvals=[row["purity"] for row in rows])
    figure.update_yaxes(rangemode="tozero")
    return drawn(figure)


def _shares(rows: list[dict[str, Any]]) -> Any:
    figure = new_figure("purity", "% of revenue", height=300)
    for shade, (name, said) in zip(_SHADES, words.units().items(), strict=True):
        values = [None if row[name] is None else 100 * row[name] for row in rows]
        if any(each is not None for each in values):
            figure.add_bar(
                x=[f"{row['purity']:g}" for row in rows],
                y=values,
                name=said,
                marker_color=shade,
                hovertemplate=f"{said} %{{y:.1f}} %<extra></extra>",
            )
    figure.update_layout(barmode="stack", bargap=0.45)
    figure.update_xaxes(type="category", showgrid=False)
    return drawn(figure)
