"""The charts of a whole study in reading order, each with its title, its reading line and its numbers."""

from collections.abc import Iterator

from pureplay.reports import study_bases, study_cells, study_factors
from pureplay.reports.gallery import Chart
from pureplay.reports.study_bases import Drawn
from pureplay.reports.study_rows import period_of, views
from pureplay.studies.records import ProductStudy

__all__ = ["study_gallery"]


def study_gallery(study: ProductStudy) -> tuple[Chart, ...]:
    """Every chart that has something to draw."""
    return tuple(
        Chart(key=key, shape=shape, title=title, note=note, figure=figure, numbers=numbers.pruned() if numbers.rows else None)
        for key, (shape, title, note), (figure, numbers) in _drafts(study)
        if figure is not None
    )


def _drafts(study: ProductStudy) -> Iterator[tuple[str, tuple[str, str, str], Drawn]]:
    shown = views(study)
    when = "Out of sample." if period_of(study) != "all" else "Whole sample."
    grid = shown[0].verdict.orthogonal.grid_sessions if shown else 20

    note = f"{when} Line: columns enter in a fixed order. Dotted and shaded: mean and range of random orders."
    yield "ladder", ("half", "Orthogonal ICIR by number of base factors", note), study_bases.base_ladder(shown)
    note = f"{when} Columns turn to noise step by step; at 100 % nothing is taken out. Shaded: range of the seeds."
    yield "noise", ("half", "Quality shuffle: how good is the base", note), study_bases.quality_shuffle(shown)
    note = f"{when} Right: the signal gains when the family leaves the base, so the family holds part of it."
    yield "families", ("tall", "The base without one family", note), study_bases.family_drop(shown)
    note = f"{when} Open: as measured. Filled: times √({grid} / horizon) where windows overlap. Touch a point for its EWC t."
    yield "horizons", ("half", "Orthogonal ICIR by forecast horizon", note), study_bases.horizon_curve(shown)
    note = f"{when} Filled: outliers of the two components clipped. Open: not. A long line: few stocks carry the result."
    yield "winsorising", ("half", "Winsorising on and off", note), study_cells.winsorising_dots(shown)
    limits = study_cells.setting_range(shown)
    for group, (title, _) in study_cells.GRIDS.items():
        note = f"{when} Dotted: the default. One setting moves; all four share the scale."
        yield group.replace(" ", "-"), ("half", title, note), study_cells.setting_grid(shown, group, limits)
    note = f"{when} Orthogonal ICIR with two standard errors either side. Green: carries product information; grey: does not."
    yield "placebos", ("wide", "The signal and its placebos", note), study_cells.placebo_dots(shown)
    made, ladder = tuple(study.constructions.values()), [str(each) for each in study.base.get("ladder", ())]
    note = "Share of the variance of daily returns across stocks that the base explains, date by date."
    yield "fit", ("wide", "Construction S: fit of the daily regression", note), study_factors.fit_by_date(made)
    note = "Sum of the daily returns of each factor. Touch a name to show or hide its line."
    yield "factor-returns", ("wide", "Construction S: what the factors earned", note), study_factors.factor_returns(made, ladder)
