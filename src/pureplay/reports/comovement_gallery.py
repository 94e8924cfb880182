"""The charts of a co-movement study by the section that they stand in, each with its title, its reading line and its numbers."""

from collections.abc import Iterator, Mapping

from pureplay.reports import comovement_figures as figures
from pureplay.reports import comovement_hedges as hedges
from pureplay.reports.comovement_rows import sample_title, samples
from pureplay.reports.gallery import Chart
from pureplay.reports.study_bases import Drawn
from pureplay.studies.comovement_records import ComovementStudy

__all__ = ["comovement_gallery"]

Draft = tuple[str, str, tuple[str, str, str], Drawn]


def comovement_gallery(study: ComovementStudy) -> Mapping[str, tuple[Chart, ...]]:
    """Charts that have something to draw, by section: regression, forecasts, retention, hedging, vintages."""
    made: dict[str, tuple[Chart, ...]] = dict.fromkeys(("regression", "forecasts", "retention", "hedging", "vintages"), ())
    for section, key, (shape, title, note), (figure, numbers) in _drafts(study):
        if figure is not None:
            chart = Chart(key=key, shape=shape, title=title, note=note, figure=figure, numbers=numbers.pruned() if numbers.rows else None)
            made[section] = (*made[section], chart)
    return made


def _drafts(study: ComovementStudy) -> Iterator[Draft]:
    note = "Bars: 95 % intervals. Hollow: the published figure on the data of its source, which is no evidence here."
    yield "regression", "coefficients", ("wide", "What a lamp adds to the forward correlation", note), figures.coefficients(study)
    note = "Left of 0: a smaller error than a + b trailing, which any forecast with structure has to beat."
    yield "forecasts", "errors", ("half", "Squared error of the forecasts", note), figures.errors(study)
    note = "Deciles of the expected forward correlation, cut within each vintage. Dotted: what was expected came true."
    yield "forecasts", "calibration", ("half", "Expected and realised correlation", note), figures.calibration(study)
    which = _first(study, "retention")
    note = "Matched on trailing correlation within each vintage, all bins together. Bars: two standard errors either side."
    yield "retention", "retention-totals", ("half", "How much correlation is kept", note), figures.retention_totals(study)
    note = f"{which}. Bars: one standard error either side, where there are vintages enough."
    yield "retention", "retention-bins", ("half", "The same by trailing correlation", note), figures.retention(study)
    yield from _hedging(study)
    note = "Co-mentioned pairs of each vintage. Shaded: the holdout."
    yield "vintages", "vintages", ("wide", "Pairs of each vintage", note), figures.over_time(study)


def _hedging(study: ComovementStudy) -> Iterator[Draft]:
    held, which = hedges.drawn_universes(study), _first(study, "hedge")
    for place, universe in enumerate(held):
        note = f"{which}; only stock-months in which every hedge has that many names."
        title = f"Variance cut by names in the basket, {universe}"
        yield "hedging", f"hedge-{place}", ("half", title, note), hedges.curve(study, universe)
    note = f"{_first(study, 'hedge_sizes')}; equal groups of the stock-months of each vintage."
    yield "hedging", "sizes", ("half", "Variance cut by size of the stock", note), hedges.by_size(study)
    note = "0: trailing correlation alone. 1: what lamps and news add alone. Large: the weight that won on develop."
    yield "hedging", "mix", ("half", "Mix of structure and trailing correlation", note), hedges.weights(study)


def _first(study: ComovementStudy, table: str) -> str:
    return next((sample_title(study, each) for each in samples(getattr(study, table))), "")
