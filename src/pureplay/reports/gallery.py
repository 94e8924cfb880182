"""The charts of a page in reading order, each with a title that says what is shown and a line on how to read it."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from pureplay.reports import figures
from pureplay.studies.records import MomentumStudy

__all__ = ["Chart", "gallery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure with its title and reading line. shape: "half" or "wide" of the page, or "tall", a half over two rows."""

    key: str
    title: str
    note: str
    figure: go.Figure
    shape: str = "half"


def gallery(studies: Sequence[MomentumStudy]) -> tuple[Chart, ...]:
    """Every chart that has something to draw; studies without a verdict take part in coverage alone."""
    judged = next((study.verdict for study in studies if study.verdict is not None), None)
    ahead = judged.orthogonal.horizon_sessions if judged is not None else 20
    grid = judged.orthogonal.grid_sessions if judged is not None else 20
    shuffles = max((len(study.verdict.shuffled_t) for study in studies if study.verdict is not None), default=0)
    made: tuple[tuple[str, str, str, str, go.Figure | None], ...] = (
        ("cumulative", "wide", "Cumulative daily rank IC", "Sum of the daily rank correlation of score and forward return; "
         f"each day looks {ahead} sessions ahead. Strong line: orthogonal to the base. Faint: raw.", figures.cumulative_ic(studies)),
        ("offsets", "half", f"Orthogonal ICIR at each of the {grid} rebalance offsets", "A dot an offset, the first at the bottom. Line: their mean. "
         "Shaded: 95 % of such means where the signal knows nothing.", figures.offset_strip(studies)),
        ("shuffles", "half", "Nested t against shuffled product mixes", f"Hollow: {shuffles} shuffles that deal product mixes out again within "
         f"industries. Large mark: the signal. Dotted: the bar of {figures.EWC_95}.", figures.shuffle_strip(studies)),
        ("years", "half", "Orthogonal ICIR by calendar year", "Months with data under each year (m); partial years are hatched. "
         "Whiskers: smallest to largest offset.", figures.calendar_years(studies)),
        ("horizons", "half", "Orthogonal ICIR by forecast horizon", f"Open: as measured. Filled: divided by √(horizon / {grid}) beyond "
         f"{grid} sessions, where windows overlap.", figures.horizons(studies)),
        ("quantiles", "half", "Mean forward return by score quantile", f"{ahead} sessions ahead, equal weight, raw score. Bars: 95 % intervals.",
         figures.quantile_curve(studies)),
        ("factors", "tall", "Correlation of the score with each base factor", "Mean over dates of the cross-sectional rank correlation.",
         figures.factor_correlation(studies)),
        ("autocorrelation", "half", "How long a score lasts", "Mean rank correlation of the score with itself some sessions before.",
         figures.autocorrelation(studies)),
        ("coverage", "wide", "Coverage: stocks a day, from traded to scored", "Universe: seasoned and trading. Filed: with a usable filing. Covered: "
         "with an implied return.", figures.coverage(studies)),
    )  # fmt: skip
    return tuple(Chart(key=key, title=title, note=note, figure=drawn, shape=shape) for key, shape, title, note, drawn in made if drawn is not None)
