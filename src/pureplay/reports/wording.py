"""What a study says in plain language: the verdict in a word, a paragraph from its figures, and what each figure means."""

import math
from collections.abc import Iterator
from typing import Final

from pureplay.evaluate.records import CRITICAL_T, ControlFigure, ICSummary, OrthogonalICIR
from pureplay.reports.formats import DASH, count, enumerate_words, extent, percent, probability, signed, span
from pureplay.studies.records import ConstructionStudy, MomentumStudy

__all__ = ["SYNTHETIC", "conclusion", "failed_bars", "glossary", "missing", "null_place", "paragraphs", "status"]

SYNTHETIC: Final = "Synthetic data: simulated market, not evidence about any real one"

_GLOSSARY: Final = (
    (
        "Rank IC",
        "The Spearman correlation, across stocks on one date, of the score with the return that follows it.",
    ),
    (
        "ICIR",
        "Mean of the rank IC over its standard deviation, on dates {grid} sessions apart: per period of {grid} sessions, not annualised.",
    ),
    (
        "Rebalance offsets",
        "A grid of {grid} sessions can start on any of {grid} days; the headline is the mean of all {grid} ICIRs, with the "
        "smallest and the largest.",
    ),
    (
        "Null band",
        "Where that headline falls 95 % of the time when the signal knows nothing: series simulated from the autocovariance "
        "of the daily IC, all offsets together.",
    ),
    (
        "Orthogonal",
        "After the score's linear dependence on the base factors is taken out, date by date.",
    ),
    (
        "Variance left",
        "The share of the score's variance across stocks that the base does not explain; a small share makes the orthogonal "
        "figure fragile.",
    ),
    (
        "EWC t",
        "The t statistic of the mean IC that allows for overlapping windows (equal-weighted cosines, 8 degrees of freedom): "
        "chance alone passes ±2.306 one time in twenty.",
    ),
    (
        "Newey–West t",
        "The usual t statistic for overlapping windows, printed for comparison; it rejects a true null too often.",
    ),
    (
        "Control own_only",
        "The identical score with the market in the place of product peers: it holds no product information, only the stock's own past.",
    ),
    (
        "Control industry",
        "The identical score with industry peers in the place of product peers.",
    ),
    (
        "Paired t",
        "The test of the daily difference in orthogonal IC, signal minus control, on the names that both have.",
    ),
    (
        "Nested test",
        "The signal's IC after the base and every control are taken out: what it adds to everything known without products.",
    ),
    (
        "Shuffles",
        "The study repeated with product mixes dealt out at random within industries; the signal must beat every one of them.",
    ),
    (
        "Settings tried",
        "Distinct signal settings that the log of trials holds for these data. The best of N that know nothing is expected at the "
        "standard deviation of the null times the expected largest of N standard normal draws.",
    ),
    (
        "More years",
        "An effect that stays the same gains t with the square root of the record, so a t of half its bar needs four times the years. "
        "A t below 0 never gets there.",
    ),
    (
        "√-deflated",
        "ICIR times √(grid / horizon) where windows overlap on the grid, so that long horizons do not look better than they are.",
    ),
    (
        "In and out of sample",
        "Before and after the split date; dates whose forward window crosses the split count in neither.",
    ),
)


def glossary(grid: int) -> tuple[tuple[str, str], ...]:
    """Each figure in one plain sentence. grid: sessions between rebalances."""
    return tuple((term, meaning.format(grid=grid)) for term, meaning in _GLOSSARY)


def status(study: MomentumStudy | ConstructionStudy) -> str:
    """The verdict in a few words."""
    return "Not evaluable" if study.verdict is None else f"Product information: {study.verdict.product_information}"


def paragraphs(study: MomentumStudy) -> tuple[str, ...]:
    """What was found, how sure it is and against what; why not, where the study cannot be evaluated."""
    verdict = study.verdict
    if verdict is None:
        return ("The scores of this study cannot be evaluated, so it has no verdict.", study.not_evaluable or "No reason was recorded.")
    against = [*_controls(verdict), *_nested(verdict)]
    return (conclusion(verdict), f"{_headline(verdict)} {null_place(verdict.orthogonal)}", " ".join(against))


def _headline(verdict: OrthogonalICIR) -> str:
    found = verdict.orthogonal
    base = f"With {count(len(verdict.base))} base factors taken out" if verdict.base else "With an empty base"
    return (
        f"{base}, the score has an ICIR of {signed(found.icir)} per {found.grid_sessions} sessions: the mean of "
        f"{len(found.offsets)} rebalance offsets, {found.n_positive} of them positive, over {count(found.n_dates)} dates. "
        f"The raw score has {signed(verdict.raw.icir)}; the base leaves {percent(verdict.variance_left)} of its variance."
    )


def null_place(found: ICSummary) -> str:
    """Where the figure lies against signals that know nothing, in a sentence."""
    if found.null is None:
        return "Where a signal that knows nothing would land was not simulated, or there are too few dates for it."
    band = dict(found.null.quantiles)
    low, high = band.get(0.025, float("nan")), band.get(0.975, float("nan"))
    place = "inside" if low <= found.icir <= high else "outside"
    p = probability(found.null.p, found.null.draws)
    return f"95 % of signals that know nothing would land in {span(low, high)}; this one lies {place} (p\u00a0{p})."


def _controls(verdict: OrthogonalICIR) -> Iterator[str]:
    if not verdict.controls:
        yield "No control stands beside it."
    for control in verdict.controls:
        yield _control(control)


def _control(control: ControlFigure) -> str:
    text = f"On the same base the control {control.name} has an ICIR of {signed(control.orthogonal.icir)}"
    if control.identical:
        return f"{text}; it is identical to the signal."
    return f"{text}; the signal against it has a paired t of {signed(control.paired.t, 2)}."


def _nested(verdict: OrthogonalICIR) -> Iterator[str]:
    if verdict.nested is not None:
        found = verdict.nested
        yield f"With base and controls taken out together, {signed(found.icir)} is left, at a nested t of {signed(found.test.t, 2)}."
    if verdict.shuffled_t:
        low, high = (signed(each, 2) for each in extent(verdict.shuffled_t))
        yield f"{len(verdict.shuffled_t)} shuffles of the product mixes within industries reach nested t from {low} to {high}."


def failed_bars(verdict: OrthogonalICIR) -> tuple[str, ...]:
    """The bars of `product_information` that the signal fails, in words; empty unless it is "not found"."""
    failed = [
        f"the paired test against {each.name} (t\u00a0{signed(each.paired.t, 2)})"
        for each in verdict.controls
        if not each.identical and each.paired.t <= CRITICAL_T
    ]
    if verdict.nested is not None:
        nested = verdict.nested.test.t
        failed += [f"the nested test (t\u00a0{signed(nested, 2)})"] if nested <= CRITICAL_T else []
        reached = sum(each >= nested for each in verdict.shuffled_t)
        failed += [f"the shuffles ({reached} of {len(verdict.shuffled_t)} do at least as well)"] if reached else []
    return tuple(failed)


def conclusion(verdict: OrthogonalICIR) -> str:
    """Whether products hold information, in a sentence with the bars that decide it."""
    if verdict.product_information == "found":
        bars = f"paired and nested t lie above {CRITICAL_T}, and no shuffle of the product mixes does as well"
        return f"The score holds product information: {bars}."
    if verdict.product_information == "not found":
        failed = enumerate_words(failed_bars(verdict)) or DASH
        return f"No product information is found: the score fails {failed}. Each t has to exceed {CRITICAL_T}."
    return f"Whether products hold information cannot be decided: the study lacks {enumerate_words(missing(verdict)) or DASH}."


def missing(verdict: OrthogonalICIR) -> Iterator[str]:
    """What a study that is not decidable lacks, in words."""
    different = [each for each in verdict.controls if not each.identical]
    if len(different) < 2:
        yield "a second control that differs from the signal" if different else "a control that differs from the signal"
    if verdict.nested is None:
        yield "a nested test"
    tests = [each.paired.t for each in different] + ([] if verdict.nested is None else [verdict.nested.test.t])
    if any(math.isnan(value) for value in tests):
        yield "a t statistic on enough dates"
    yield from (f"figures of the control {each}" for each in verdict.not_evaluable)
    if not verdict.shuffled_t:
        yield "shuffles"
    elif verdict.shuffles_missing:
        yield f"{count(verdict.shuffles_missing)} more shuffles with a nested t"
