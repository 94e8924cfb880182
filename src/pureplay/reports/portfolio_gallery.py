"""The charts of a portfolio study in reading order, each with its title, its reading line and its numbers."""

from collections.abc import Iterator

from pureplay.reports import portfolio_curves, portfolio_dots
from pureplay.reports.gallery import Chart
from pureplay.reports.portfolio_rows import first_score, kind_title, kinds, score_title
from pureplay.reports.study_bases import Drawn
from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = ["portfolio_gallery"]


def portfolio_gallery(study: PortfolioStudy) -> tuple[Chart, ...]:
    """Every chart that has something to draw."""
    return tuple(
        Chart(key=key, shape=shape, title=title, note=note, figure=figure, numbers=numbers.pruned() if numbers.rows else None)
        for key, (shape, title, note), (figure, numbers) in (*_over_time(study), *_by_size_and_factor(study))
        if figure is not None
    )


Draft = tuple[str, tuple[str, str, str], Drawn]


def _over_time(study: PortfolioStudy) -> Iterator[Draft]:
    for place, kind in enumerate(kinds(study.daily)):
        note = "Plain design, log axis. Solid: net. Dashed, same colour: gross. Grey: controls; band: range of the shuffles."
        note += " Dotted: index." if kind == "long_only" and study.index_daily.height else ""
        yield f"wealth-{place}", ("wide", f"{kind_title(kind)}: growth of 1", note), portfolio_curves.wealth(study, kind)
    for place, kind in enumerate(kinds(study.daily)):
        note = "Net wealth, mean of the offsets, below its earlier peak; deepest of each five sessions."
        yield f"losses-{place}", ("half", f"{kind_title(kind)}: losses from the peak", note), portfolio_curves.losses(study, kind)
    for place, kind in enumerate(kinds(study.years)):
        note = "Net return of each calendar year, plain design. Partial years are hatched."
        yield f"years-{place}", ("half", f"{kind_title(kind)}: years, net", note), portfolio_curves.years(study, kind)


def _by_size_and_factor(study: PortfolioStudy) -> Iterator[Draft]:
    first = first_score(study)
    note = "Solid: net. Dashed: gross. Dotted: cost. Larger accounts move prices more and are blocked more often."
    title = f"Capacity{'' if first is None else f' of {score_title(first)}'}"
    yield "capacity", ("half", title, note), portfolio_curves.capacity(study)
    note = "Filled: rank correlation of the scores, mean over dates. Open: correlation of daily paper long-short returns."
    yield "correlations", ("tall", "What the scores move with", note), portfolio_dots.correlations(study)
    note = "A year, plain design, mean of the offsets."
    yield "costs", ("half", "Where costs come from", note), portfolio_dots.costs(study)
    for place, kind in enumerate(kinds(study.folds)):
        note = (
            "Above each row: the fold, and the variant that the other folds would have chosen. Open: its figure there. Filled: on the fold."
        )
        yield f"folds-{place}", ("half", f"{kind_title(kind)}: choice by purged cross-validation", note), portfolio_dots.folds(study, kind)
