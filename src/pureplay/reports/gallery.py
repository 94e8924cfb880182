"""The charts of a page in reading order, each with a title that says what is shown and a line on how to read it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from pureplay.evaluate.records import CRITICAL_T
from pureplay.reports import figures
from pureplay.studies.records import MomentumStudy

__all__ = ["Chart", "Numbers", "gallery"]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A table of printed figures. words: how many columns from the left hold text."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 2

    def pruned(self) -> "Numbers":
        """Without the columns in which every figure is blank."""
        kept = [k for k in range(len(self.heads)) if k < self.words or any(row[k] for row in self.rows)]
        return Numbers(tuple(self.heads[k] for k in kept), tuple(tuple(row[k] for k in kept) for row in self.rows), self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure with its title and reading line. shape: "half" or "wide" of the page, or "tall", a half over two rows.

    numbers: what is drawn as a table, folded beneath the figure.
    """

    key: str
    title: str
    note: str
    figure: go.Figure
    shape: str = "half"
    numbers: Numbers | None = None


def gallery(studies: Sequence[MomentumStudy]) -> tuple[Chart, ...]:
    """Every chart that has something to draw; studies without a verdict take part in coverage alone."""
    return tuple(
        Chart(key=key, shape=shape, title=title, note=note, figure=figure)
        for key, (shape, title, note), figure in _drafts(studies)
        if figure is not None
    )


def _drafts(studies: Sequence[MomentumStudy]) -> Iterator[tuple[str, tuple[str, str, str], go.Figure | None]]:
    verdicts = [study.verdict for study in studies if study.verdict is not None]
    ahead = verdicts[0].orthogonal.horizon_sessions if verdicts else 20
    grid = verdicts[0].orthogonal.grid_sessions if verdicts else 20
    shuffles = max((len(each.shuffled_t) for each in verdicts), default=0)

    note = f"Sum of the daily rank correlation of score and return {ahead} sessions ahead. Strong: orthogonal to the base. Faint: raw."
    yield "cumulative", ("wide", "Cumulative daily rank IC", note), figures.cumulative_ic(studies)
    note = "A dot an offset, the first at the bottom. Line: their mean. Shaded: 95 % of such means where the signal knows nothing."
    yield "offsets", ("half", f"Orthogonal ICIR at each of the {grid} rebalance offsets", note), figures.offset_strip(studies)
    note = f"Hollow: {shuffles} shuffles of the product mixes within industries. Large mark: the signal. Dotted: the bar of {CRITICAL_T}."
    yield "shuffles", ("half", "Nested t against shuffled product mixes", note), figures.shuffle_strip(studies)
    note = "Months with data under each year (m); partial years are hatched. Whiskers: smallest to largest offset."
    yield "years", ("half", "Orthogonal ICIR by calendar year", note), figures.calendar_years(studies)
    note = f"Open: as measured. Filled: divided by √(horizon / {grid}) beyond {grid} sessions, where windows overlap."
    yield "horizons", ("half", "Orthogonal ICIR by forecast horizon", note), figures.horizons(studies)
    note = f"{ahead} sessions ahead, over the mean of all scored names; equal weight, raw score. Bars: 95 % intervals."
    yield "quantiles", ("half", "Excess return by score quantile", note), figures.quantile_curve(studies)
    note = "Mean over dates of the cross-sectional rank correlation."
    yield "factors", ("tall", "Correlation of the score with each base factor", note), figures.factor_correlation(studies)
    note = "Mean rank correlation of the score with itself some sessions before."
    yield "autocorrelation", ("half", "How long a score lasts", note), figures.autocorrelation(studies)
    note = "Universe: seasoned and trading. Filed: with a usable filing. Covered: with an implied return."
    yield "coverage", ("wide", "Coverage: stocks a day, from traded to scored", note), figures.coverage(studies)
