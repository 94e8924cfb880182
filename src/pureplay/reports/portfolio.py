"""One self-contained page on a portfolio study: what was earned after costs, against which index, what was blocked, is it luck."""

from collections.abc import Mapping
from typing import Any

from pureplay.reports import grids, portfolio_sheets, portfolio_wording, wording
from pureplay.reports.formats import DASH, count, flatten
from pureplay.reports.page import fill
from pureplay.reports.portfolio_gallery import portfolio_gallery
from pureplay.reports.portfolio_rows import scores
from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = ["render_portfolios"]


def render_portfolios(study: PortfolioStudy, *, manifest: Mapping[str, Any]) -> str:
    """The page as HTML; it loads nothing from anywhere, and its own policy forbids the browser to try.

    manifest: what made the study (configuration, data hashes, versions, seed); it may nest. All text is escaped. The same arguments
    give the same page. A table without rows and a chart without points are left out.
    """
    timing = [{stage: f"{spent:.2f}" for stage, spent in study.seconds.items()}]
    context = {
        "title": study.name,
        "synthetic": wording.SYNTHETIC if study.synthetic else "",
        "synthetic_names": [],
        "approximate": portfolio_wording.APPROXIMATE if study.approximate else "",
        "lead": portfolio_wording.lead(study),
        "facts": _facts(study),
        **{
            name: getattr(portfolio_sheets, name)(study)
            for name in ("accounts", "designs", "indices", "luck", "reality", "variants", "blocked")
        },
        "every_index": portfolio_sheets.indices(study, every=True),
        "trials": portfolio_wording.trials_text(study),
        "luck_read": portfolio_wording.LUCK_READ,
        "reality_read": portfolio_wording.REALITY_READ,
        "not_evaluable": portfolio_wording.not_evaluable(study),
        "tape": portfolio_wording.facts_of_tape(study),
        "refusals": grids.refusals([study]),
        "notes": study.notes,
        "settings": {
            "Settings": grids.settings_rows([study.settings]),
            "Market rules": grids.settings_rows([study.rules]),
            "Tape": grids.settings_rows([study.facts]),
            "Data": grids.settings_rows([study.data]),
            "Wall time, seconds": grids.settings_rows(timing),
        },
        "manifest": flatten(manifest),
        "glossary": portfolio_wording.TERMS,
    }
    return fill("portfolio.html", portfolio_gallery(study), context)


def _facts(study: PortfolioStudy) -> tuple[tuple[str, str], ...]:
    """Size and span of the data, and of the study."""
    data = study.data
    trials = study.trials
    facts = (
        ("Dates", f"{data['first']} to {data['last']}" if data.get("first") and data.get("last") else DASH),
        ("Sessions", _count(data.get("sessions"))),
        ("Stocks", _count(data.get("assets"))),
        ("Market rules", str(study.rules.get("name") or DASH)),
        ("Scores", count(len(scores(study)))),
        ("Accounts a portfolio", _count(study.accounts["accounts"].max())),
        ("Trials", "not logged" if trials is None else count(trials.distinct)),
    )
    return tuple((name, value) for name, value in facts if value != DASH)


def _count(value: object) -> str:
    return count(value) if isinstance(value, int | float) else DASH
