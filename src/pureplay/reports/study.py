"""One self-contained page on a whole study: the source's table, verdicts, bases, charts, what was left out, settings, glossary."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pureplay.reports import grids, study_tables, study_wording, wording
from pureplay.reports.formats import DASH, count, day, flatten
from pureplay.reports.page import fill
from pureplay.reports.study_gallery import study_gallery
from pureplay.reports.study_rows import OUT, title_of, views
from pureplay.studies.records import ProductStudy

__all__ = ["render_study"]


def render_study(study: ProductStudy, *, manifest: Mapping[str, Any]) -> str:
    """The page as HTML; it loads nothing from anywhere, and its own policy forbids the browser to try.

    manifest: what made the study (configuration, data hashes, versions, seed); it may nest. All text is escaped. The same arguments
    give the same page. A construction that cannot be evaluated is told of, and stays out of the charts.
    """
    shown = views(study)
    timing = [{stage: f"{spent:.2f}" for stage, spent in study.seconds.items()}]
    context = {
        "title": study.name,
        "synthetic": wording.SYNTHETIC if study.synthetic else "",
        "synthetic_names": [],
        "lead": study_wording.lead(study),
        "facts": _facts(study),
        "base": study_wording.base_sentence(study),
        "openings": study_wording.openings(study),
        "constructions": list(study.constructions),
        "findings": study_tables.findings(study),
        "source_note": study_wording.source_note(study),
        "cards": study_wording.cards(study),
        "names": [title_of(view.name) for view in shown],
        "colours": [view.shade for view in shown],
        "bases": study_tables.bases(shown),
        "years": study_tables.years(shown),
        "turnovers": study_tables.turnovers(shown),
        "left_out": study_tables.left_out(study),
        "skips": grids.skips([view.made for view in shown]),
        "refusals": grids.refusals([study]),
        "notes": study.notes,
        "settings": {
            "Settings": grids.settings_rows([study.settings]),
            "Base": grids.settings_rows([study.base]),
            "Data": grids.settings_rows([study.data]),
            "Wall time, seconds": grids.settings_rows(timing),
        },
        "manifest": flatten(manifest),
        "glossary": study_wording.terms(shown[0].verdict.orthogonal.grid_sessions if shown else 20),
    }
    return fill("study.html", study_gallery(study), context)


def _facts(study: ProductStudy) -> tuple[tuple[str, str], ...]:
    """Size and span of the data."""
    data = study.data
    scored = [f"{name} {count(_most(made.coverage))}" for name, made in study.constructions.items() if _most(made.coverage) is not None]
    splits = {day(part.first) for view in views(study) if (part := view.verdict.orthogonal.period(OUT)) is not None}
    facts = (
        ("Dates", f"{data['first']} to {data['last']}" if data.get("first") and data.get("last") else DASH),
        ("Sessions", _count(data.get("sessions"))),
        ("Stocks", _count(data.get("assets"))),
        ("Stocks scored a day, at most", " / ".join(scored) or DASH),
        ("Out of sample from", " / ".join(sorted(splits)) or "no split"),
    )
    return tuple((name, value) for name, value in facts if value != DASH)


def _count(value: object) -> str:
    return count(value) if isinstance(value, int | float) else DASH


def _most(coverage: pl.DataFrame) -> float | None:
    found = coverage["scored"].max() if "scored" in coverage.columns and coverage.height else None
    return float(found) if isinstance(found, int | float) else None
