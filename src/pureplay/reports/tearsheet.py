"""One self-contained page on one or more studies: verdict, figures, charts, what was left out, settings, glossary."""

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from pureplay.errors import SettingError
from pureplay.reports import grids, wording
from pureplay.reports.drawing import colour
from pureplay.reports.formats import DASH, count, day, flatten, signed
from pureplay.reports.gallery import gallery
from pureplay.reports.opening import opening, others
from pureplay.reports.page import fill
from pureplay.studies.records import MomentumStudy

__all__ = ["render", "write"]


def render(studies: Sequence[MomentumStudy], *, title: str, manifest: Mapping[str, Any]) -> str:
    """The page as HTML; it loads nothing from anywhere, and its own policy forbids the browser to try.

    studies: one, or several to lay side by side in this order. manifest: what made them (configuration, data hashes, versions, seed);
    it may nest. All text is escaped. The same arguments give the same page. Raises SettingError without a study.
    """
    if not studies:
        raise SettingError("a report needs at least one study, and there is none: pass the study as [study]")
    judged = [study.verdict for study in studies if study.verdict is not None]
    mixed = [study.name for study in studies if study.synthetic]
    context = {
        "title": title,
        "synthetic": wording.SYNTHETIC if mixed else "",
        "synthetic_names": mixed if 0 < len(mixed) < len(studies) else [],
        "facts": _facts(studies),
        "cards": [_card(index, study) for index, study in enumerate(studies)],
        "names": [study.name for study in studies],
        "colours": [colour(index) for index in range(len(studies))],
        "headline": grids.headline(studies) if judged else (),
        "skips": grids.skips(studies),
        "refusals": grids.refusals(studies),
        "universes": grids.universes(studies),
        "settings": _settings(studies),
        "manifest": flatten(manifest),
        "glossary": wording.glossary(judged[0].orthogonal.grid_sessions if judged else 20),
    }
    return fill("report.html", gallery(studies), context)


def write(path: str | Path, studies: Sequence[MomentumStudy], *, title: str, manifest: Mapping[str, Any]) -> Path:
    """Write the page of `render` and return its path: a reader sees the old page or the new one, never a part.

    The folder must exist. Raises what `render` raises, before the old page is touched.
    """
    target = Path(path)
    page = render(studies, title=title, manifest=manifest)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("x", encoding="utf-8", newline="\n") as out:
            out.write(page)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _facts(studies: Sequence[MomentumStudy]) -> tuple[tuple[str, str], ...]:
    """Size of the data: dates, sessions, stocks; each once where the studies agree. `assets` of a study's data is its number of stocks."""
    held = [study.coverage for study in studies if study.coverage.height]
    days = [(_date(frame["date"].min()), _date(frame["date"].max())) for frame in held]
    facts = (
        ("Dates", _agreed(f"{day(first)} to {day(last)}" for first, last in days)),
        ("Sessions", _agreed(count(frame.height) for frame in held)),
        ("Stocks", _agreed(count(_number(study.data.get("assets"))) for study in studies)),
        ("Stocks traded a day, at most", _agreed(count(_number(frame["traded"].max())) for frame in held)),
        ("Stocks scored a day, at most", _agreed(count(_number(frame["scored"].max())) for frame in held)),
    )
    return tuple((name, value) for name, value in facts if value != DASH)


def _agreed(values: Iterable[str]) -> str:
    return " / ".join(dict.fromkeys(values)) or DASH


def _date(value: object) -> date | None:
    return value if isinstance(value, date) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _card(index: int, study: MomentumStudy) -> dict[str, Any]:
    verdict = study.verdict
    nested = verdict.nested if verdict is not None else None
    return {
        "name": study.name,
        "colour": colour(index),
        "synthetic": study.synthetic,
        "status": wording.status(study),
        "found": verdict is not None and verdict.product_information == "found",
        "opening": opening(verdict, study.trials),
        "others": () if verdict is None else others(verdict),
        "paragraphs": wording.paragraphs(study),
        "notes": verdict.notes if verdict is not None else (),
        "figures": ()
        if verdict is None
        else (("orthogonal ICIR", signed(verdict.icir)), ("nested t", signed(nested.test.t, 2) if nested is not None else DASH)),
    }


def _settings(studies: Sequence[MomentumStudy]) -> tuple[tuple[str, tuple[grids.Row, ...]], ...]:
    seconds = grids.settings_rows([{stage: f"{spent:.2f}" for stage, spent in study.seconds.items()} for study in studies])
    return (
        ("Signal settings", grids.settings_rows([study.settings for study in studies])),
        ("Evaluation settings", grids.settings_rows([study.evaluation for study in studies])),
        ("Data", grids.settings_rows([study.data for study in studies])),
        ("Wall time, seconds", tuple(replace(row, differs=False) for row in seconds)),  # it always does
    )
