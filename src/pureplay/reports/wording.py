"""What a study says in plain language: the verdict in a word, a paragraph from its figures, and what each figure means."""

from collections.abc import Iterator
from typing import Final

from pureplay.evaluate.records import ControlFigure, ICSummary, OrthogonalICIR
from pureplay.reports.figures import EWC_95
from pureplay.reports.formats import DASH, count, enumerate_words, percent, probability, signed, span
from pureplay.studies.records import MomentumStudy

__all__ = ["SYNTHETIC", "failed_bars", "glossary", "paragraph", "status"]

SYNTHETIC: Final = "Synthetic data: simulated market, not evidence about any real one"

_GLOSSARY: Final = (
    ("Rank IC", "The Spearman correlation, across stocks on one date, of the score with the return that follows it."),
    ("ICIR", "Mean of the rank IC over its standard deviation, on dates {grid} sessions apart: per period of {grid} sessions, not annualised."),
    ("Rebalance offsets", "A grid of {grid} sessions can start on any of {grid} days; the headline is the mean of all {grid} ICIRs, with the smallest and the largest."),
    ("Null band", "Where that headline falls 95 % of the time when the signal knows nothing: a block bootstrap of the demeaned daily IC, all offsets together."),
    ("Orthogonal", "After the score's linear dependence on the base factors is taken out, date by date."),
    ("Variance left", "The share of the score's variance across stocks that the base does not explain; a small share makes the orthogonal figure fragile."),
    ("EWC t", "The t statistic of the mean IC that allows for overlapping windows (equal-weighted cosines, 8 degrees of freedom): beyond ±2.306 is unusual at 5 %."),
    ("Newey–West t", "The usual t statistic for overlapping windows, printed for comparison; it rejects a true null too often."),
    ("Control own_only", "The identical score with the market in the place of product peers: it holds no product information, only the stock's own past."),
    ("Control industry", "The identical score with industry peers in the place of product peers."),
    ("Paired t", "The test of the daily difference in orthogonal IC, signal minus control, on the names that both have."),
    ("Nested test", "The signal's IC after the base and every control are taken out: what it adds to everything known without products."),
    ("Shuffles", "The study repeated with product mixes dealt out at random within industries; the signal must beat every one of them."),
    ("√-deflated", "ICIR times √(grid / horizon) where windows overlap on the grid, so that long horizons do not look better than they are."),
    ("In and out of sample", "Before and after the split date; dates whose forward window crosses the split count in neither."),
)  # fmt: skip


def glossary(grid: int) -> tuple[tuple[str, str], ...]:
    """Each figure in one plain sentence. grid: sessions between rebalances."""
    return tuple((term, meaning.format(grid=grid)) for term, meaning in _GLOSSARY)


def status(study: MomentumStudy) -> str:
    """The verdict in a few words."""
    return "Not evaluable" if study.verdict is None else f"Product information: {study.verdict.product_information}"


def paragraph(study: MomentumStudy) -> tuple[str, ...]:
    """Sentences that say what was found and how sure it is; why not, where the study cannot be evaluated."""
    verdict = study.verdict
    if verdict is None:
        return (f"This study has no verdict. {study.not_evaluable or 'No reason was recorded.'}",)
    return tuple([_headline(verdict), *_null(verdict.orthogonal), *_controls(verdict), *_nested(verdict), _conclusion(verdict)])


def _headline(verdict: OrthogonalICIR) -> str:
    found = verdict.orthogonal
    base = f"After {count(len(verdict.base))} base factors are taken out" if verdict.base else "With an empty base"
    return (
        f"{base}, the score's ICIR is {signed(found.icir)} per {found.grid_sessions} sessions, the mean of {len(found.offsets)} rebalance offsets "
        f"that span {span(found.icir_min, found.icir_max)}, {found.n_positive} of them positive, over {count(found.n_dates)} dates. "
        f"The raw score has {signed(verdict.raw.icir)}; the base leaves {percent(verdict.variance_left)} of its variance."
    )


def _null(found: ICSummary) -> Iterator[str]:
    if found.null is None:
        yield "There are too few dates, or no draws were asked for, to say where a signal that knows nothing would land."
        return
    band = dict(found.null.quantiles)
    low, high = band.get(0.025, float("nan")), band.get(0.975, float("nan"))
    place = f"{'inside' if low <= found.icir <= high else 'outside'} the band {span(low, high)}"
    yield f"That is {place} where 95 % of signals that know nothing would land (p {probability(found.null.p, found.null.draws)})."


def _controls(verdict: OrthogonalICIR) -> Iterator[str]:
    if not verdict.controls:
        yield "No control stands beside it, so nothing can be said about products in particular."
    for control in verdict.controls:
        yield _control(control)


def _control(control: ControlFigure) -> str:
    text = f"The control {control.name} reaches {signed(control.orthogonal.icir)} on the same base"
    if control.identical:
        return f"{text}; it is identical to the signal."
    return f"{text}; paired t of the signal against it {signed(control.paired.t, 2)}."


def _nested(verdict: OrthogonalICIR) -> Iterator[str]:
    if verdict.nested is not None:
        found = verdict.nested
        yield f"Beyond base and controls together the ICIR is {signed(found.icir)} with a nested t of {signed(found.test.t, 2)}."
    if verdict.shuffled_t:
        low, high = signed(min(verdict.shuffled_t), 2), signed(max(verdict.shuffled_t), 2)
        yield f"{len(verdict.shuffled_t)} shuffles of the product mixes within industries give nested t from {low} to {high}."


def failed_bars(verdict: OrthogonalICIR) -> tuple[str, ...]:
    """The bars of `product_information` that a decidable verdict does not clear; none where information was found."""
    failed = [
        f"the paired test against {each.name} (t {signed(each.paired.t, 2)})"
        for each in verdict.controls
        if not each.identical and not each.paired.t > EWC_95
    ]
    if verdict.nested is not None:
        nested = verdict.nested.test.t
        failed += [f"the nested test (t {signed(nested, 2)})"] if not nested > EWC_95 else []
        reached = sum(each >= nested for each in verdict.shuffled_t)
        failed += [f"the shuffles ({reached} of {len(verdict.shuffled_t)} do at least as well)"] if reached else []
    return tuple(failed)


def _conclusion(verdict: OrthogonalICIR) -> str:
    if verdict.product_information == "found":
        return f"Paired and nested t lie above {EWC_95} and the nested t above every shuffle: product information is found."
    if verdict.product_information == "not found":
        return f"Short of the bar of t {EWC_95} or of the shuffles: {enumerate_words(failed_bars(verdict)) or DASH}. Product information is not found."
    missing = [name for name, absent in (("controls", not verdict.controls), ("a nested test", verdict.nested is None)) if absent]
    missing += [] if verdict.shuffled_t else ["shuffles"]
    lacking = f"without {enumerate_words(missing)}" if missing else "with a test that has too few dates for a t statistic"
    return f"Whether products hold information cannot be decided {lacking}."
