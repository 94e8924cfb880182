"""One self-contained page on a co-movement study: what lamps forecast, what correlations keep, what a hedge cuts, what stays open."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pureplay.reports import comovement_tables as tables
from pureplay.reports import comovement_wording as words
from pureplay.reports import wording
from pureplay.reports.comovement_gallery import comovement_gallery
from pureplay.reports.comovement_rows import headline, lockbox, ordered, rows, sample_title, samples
from pureplay.reports.formats import DASH, count, flatten
from pureplay.reports.neighbourhood import neighbourhood_script
from pureplay.reports.page import fill
from pureplay.studies.comovement_records import ComovementStudy

__all__ = ["render_comovement"]

_SHEETS = ("retention", "hedge_sizes", "mix", "bids", "spillover", "minimum_variance")
_FIRST, _OTHERS = slice(1), slice(1, None)  # samples: that of the sentences, and those that stand folded


def render_comovement(study: ComovementStudy, *, manifest: Mapping[str, Any], neighbourhood: Markup | None = None) -> str:
    """The page as HTML; it loads nothing from anywhere, and its own policy forbids the browser to try.

    manifest: what made the study (configuration, data hashes, versions, seed); it may nest. neighbourhood: a ready piece of HTML on one
    stock, as `neighbourhood_part` makes it, already escaped; its script comes with it. All other text is escaped. The same arguments
    give the same page. Frames without rows, absent columns and missing figures leave their part out or print a dash.
    """
    charts = comovement_gallery(study)
    context: dict[str, Any] = {
        "title": study.name,
        "synthetic": wording.SYNTHETIC if study.synthetic else "",
        "synthetic_names": [],
        "lead": words.lead(study),
        "which": words.which(study),
        "facts": words.facts(study),
        "lockbox": lockbox(study) if _has_holdout(study) else "",
        "samples": [sample_title(study, each) for each in samples(study.fama_macbeth)],
        "of_terms": tables.OF_TERMS,
        "variants": {str(each): tables.regression(study, str(each)) for each in _variants(study)},
        "descriptive": words.descriptive(study),
        **{name: getattr(tables, name)(study) for name in _SHEETS},
        "scores": tables.scores(study, _FIRST),
        "permutation": tables.permutation(study, _FIRST),
        "hedge": tables.hedge(study, _FIRST, published=True),
        "others": {name: getattr(tables, name)(study, _OTHERS) for name in ("scores", "permutation", "hedge")},
        "said": _said(study),
        "main_count": tables.main_count(study),
        "articles": _articles(study),
        "openings": tables.openings(study),
        "shown": charts,
        "neighbourhood": neighbourhood,
        "refused": tuple((str(row.get("part") or DASH), str(row.get("reason") or DASH)) for row in rows(study.refused)),
        "notes": study.notes,
        "settings": {
            "Settings": flatten(study.settings),
            "Model coefficients": flatten(study.coefficients),
            "Data": flatten(study.data),
            "Wall time, seconds": {stage: f"{spent:.2f}" for stage, spent in study.seconds.items()},
        },
        "manifest": flatten(manifest),
        "glossary": words.TERMS,
    }
    scripts = [] if neighbourhood is None else [neighbourhood_script()]
    return fill("comovement.html", [chart for section in charts.values() for chart in section], context, scripts=scripts)


def _has_holdout(study: ComovementStudy) -> bool:
    return headline(study) == "holdout"


def _variants(study: ComovementStudy) -> list[Any]:
    return ordered((row.get("variant") for row in rows(study.fama_macbeth)), ("plain", "interactions", "bids"))


def _said(study: ComovementStudy) -> dict[str, Any]:
    """Sentences of the sections by name; empty where nothing can be said."""
    return {
        "retention": words.retention_text(study),
        "forecasts": words.forecast_text(study),
        "hedging": words.hedge_text(study),
        "bids": words.status(study),
        "returns": words.returns_text(study),
        "risk": words.risk_text(study),
    }


def _articles(study: ComovementStudy) -> tuple[tuple[str, str], ...]:
    return tuple((str(row.get("reason")).replace("_", " "), count(row.get("count"))) for row in rows(study.articles))
