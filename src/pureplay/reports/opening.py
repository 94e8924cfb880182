"""What a page opens with: one plain paragraph on the verdict, and a table of what others would have got."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from pureplay.evaluate.deciding import ClaimTest, beats_chance, claim_tests, is_bound, luck_of_best, more_years, record_years
from pureplay.evaluate.records import CRITICAL_T, ControlFigure, ICSummary, OrthogonalICIR
from pureplay.evaluate.trials import TrialCount
from pureplay.reports.formats import DASH, NO_BREAK, count, enumerate_words, extent, number, signed, span
from pureplay.reports.grids import Cell
from pureplay.reports.wording import missing

__all__ = ["Other", "opening", "others"]

_LONGEST = 1000.0  # years beyond which a number would say no more


@dataclass(frozen=True, slots=True)
class Other:
    """A row of "what others would have got": raw and orthogonal ICIR, and the t that it is compared by. own: the signal itself."""

    name: str
    raw: Cell
    orthogonal: Cell
    t: Cell
    own: bool = False


def opening(verdict: OrthogonalICIR | None, trials: TrialCount | None, years: float | None = None) -> str:
    """The verdict in one plain paragraph of at most 150 words, as text without markup.

    Found, not found or not decidable, and where found whether the score itself earns more than chance; the hardest test with its t and
    one-sided p; the ICIR and where chance signals land; how many settings were tried, and how often the best of as many signals that know
    nothing does as well; what shuffles and `own_only` get; how many more years an effect of this size would take to pass.

    verdict: None where nothing can be evaluated. trials: None where no log is kept. years: length of the record in
    calendar years, None = `record_years` of the verdict.
    """
    if verdict is None:
        said = ("Not decidable: these scores cannot be judged, for the reason below.", _tried(trials, None))
        return " ".join((*said, "More years would help only if they bring enough names or dates."))
    tests = claim_tests(verdict)
    span_years = record_years(verdict) if years is None else years
    earns = beats_chance(verdict.orthogonal, 1 if trials is None else max(trials.distinct, 1))
    parts = (_claim(verdict, earns), _confidence(tests), _level(verdict), _tried(trials, verdict.orthogonal), _placebos(verdict))
    years_said = _more_years(verdict, tests, span_years)
    if verdict.product_information == "found":
        years_said = "No more years are needed." if earns else _own_years(verdict, span_years)
    return " ".join(each for each in (*parts, years_said) if each)


_FOUND: Final = {
    True: "Found: product information is what earns this score its result.",
    False: "Found: product information adds to the score, but the score itself earns nothing that chance does not.",
    None: "Found: product information adds to the score; whether the score itself beats chance cannot be told.",
}


def _claim(verdict: OrthogonalICIR, earns: bool | None) -> str:
    if verdict.product_information == "found":
        return _FOUND[earns]
    if verdict.product_information == "not found":
        return "Not found: nothing shows that product information earns this score its result."
    lacks = enumerate_words(missing(verdict)) or DASH
    return f"Not decidable: the study lacks {lacks} to judge product information."


def _confidence(claimed: Sequence[ClaimTest]) -> str:
    """How the tests against scores without products end, and the one that decides."""
    tests = [each for each in claimed if not math.isnan(each.t)]
    if not tests:
        return "No test against the same score without products could be made."
    passed, hardest = sum(each.t > CRITICAL_T for each in tests), tests[0]
    if len(tests) == 1:
        head = f"The only test against the same score without products ({_name(hardest)}) {'passes' if passed else 'fails'}: it"
    else:
        many = "all pass" if passed == len(tests) else "1 passes" if passed == 1 else f"{passed or 'none'} pass"
        head = f"Of {len(tests)} tests against the same score without products {many}; the hardest ({_name(hardest)})"
    bar = f"t{NO_BREAK}{signed(hardest.t, 2)} (needed: {CRITICAL_T})"
    return f"{head} has {bar}: luck alone does as well in {_share(hardest.luck)} of cases (one-sided p)."


def _name(test: ClaimTest) -> str:
    return "nested: what factors and controls leave" if test.control is None else f"paired day by day with {test.control}"


def _share(luck: float) -> str:
    if math.isnan(luck):
        return DASH
    if luck > 0.999:
        return f"over 99.9{NO_BREAK}%"
    return f"under 0.1{NO_BREAK}%" if luck < 0.001 else f"{100 * luck:.1f}{NO_BREAK}%"


def _level(verdict: OrthogonalICIR) -> str:
    found = verdict.orthogonal
    taken = f"{count(len(verdict.base))} factors taken out" if verdict.base else "no factors taken out"
    if math.isnan(found.icir):
        return f"With {taken}, it has no ICIR (mean over spread of its rank correlation with later returns): too few dates."
    head = f"With {taken}, its ICIR (mean over spread of its rank correlation with later returns) is {signed(found.icir)}"
    if found.null is None:
        return f"{head}; where chance signals land was not simulated."
    band = dict(found.null.quantiles)
    low, high = band.get(0.025, math.nan), band.get(0.975, math.nan)
    place = "inside" if low <= found.icir <= high else "outside"
    return f"{head}, {place} the {span(low, high)} where 95{NO_BREAK}% of chance signals land."


def _tried(trials: TrialCount | None, found: ICSummary | None) -> str:
    """How many settings were tried, and how often the best of as many signals that know nothing does as well."""
    if trials is None:
        return "The trial log was switched off, so how many settings were tried is unknown."
    if trials.distinct <= 1:
        return "One signal setting was tried on these data."
    tried = f"{count(trials.distinct)} signal settings were tried"
    luck = math.nan if found is None else luck_of_best(found, trials.distinct)
    if found is None or math.isnan(luck):
        return f"{tried}."
    most = "at most " if is_bound(found) and luck >= 0.001 and found.icir > 0 else ""
    return f"{tried}; the best of as many chance signals does as well in {most}{_share(luck)} of cases (simulated null)."


def _placebos(verdict: OrthogonalICIR) -> str:
    """What shuffles and own_only get, in the unit of the signal, and whether a shuffle does as well in the nested test."""
    own = next((each for each in verdict.controls if each.name == "own_only"), None)
    parts = [
        *_shuffled(verdict),
        *([f"the market in place of peers (own_only) gives {signed(own.orthogonal.icir)}"] if own is not None else []),
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _shuffled(verdict: OrthogonalICIR) -> Iterator[str]:
    known = [each for each in verdict.shuffled_icir if math.isfinite(each)]
    if known:
        low, high = extent(known)
        yield f"shuffling products within industries gives {signed(median(known))} in the median ({signed(low)} to {signed(high)})"
    reached = _reached(verdict)
    if reached is not None:
        yield f"{reached or 'not one'} of {len(verdict.shuffled_t)} shuffles {'do' if reached > 1 else 'does'} as well in the nested test"


def _reached(verdict: OrthogonalICIR) -> int | None:
    """Shuffles whose nested t is at least the signal's; None where one of them is absent."""
    if verdict.nested is None or math.isnan(verdict.nested.test.t) or not verdict.shuffled_t:
        return None
    return sum(each >= verdict.nested.test.t for each in verdict.shuffled_t)


def _more_years(verdict: OrthogonalICIR, tests: Sequence[ClaimTest], years: float) -> str:
    """How many more years of the same effect would decide the question, from the hardest test; for a verdict that is not "found"."""
    lost = verdict.nested is None or any(math.isnan(each.t) for each in tests)
    if verdict.product_information == "not decidable":
        return "Years to decide cannot be told without every t." if lost else "More years are not what is lacking."
    more = more_years(tests[0].t, years) if tests else math.nan
    if math.isnan(more):
        return ""
    if math.isinf(more):
        return "No number of years would do if the estimate is right."
    if more > 0:
        also = " if the shuffles fall behind" if _reached(verdict) else ""
        return f"This effect would pass after {_span_of(more)} more years{also}."
    return "More years alone would not settle it, since the shuffles would gain too."


def _own_years(verdict: OrthogonalICIR, years: float) -> str:
    """How many more years the score's own mean IC would take to pass; nothing where it passes or is unknown."""
    more = more_years(verdict.orthogonal.test.t, years)
    if math.isinf(more):
        return "No number of years would lift the score itself above chance if the estimate is right."
    return f"The score's own mean would pass after {_span_of(more)} more years." if more > 0 else ""


def _span_of(more: float) -> str:
    if more > _LONGEST:
        return f"over {count(_LONGEST)}"
    return f"about {number(more, 1) if more < 10 else count(more)}"


def others(verdict: OrthogonalICIR) -> tuple[Other, ...]:
    """The signal, each control and the shuffles, in one unit; a dash where there is no figure.

    t: nested for the signal and the shuffles; for a control the paired one, signal against control.
    """
    nested = Cell() if verdict.nested is None else Cell(signed(verdict.nested.test.t, 2), "nested")
    own = Other("signal", Cell(signed(verdict.raw.icir)), Cell(signed(verdict.icir)), nested, own=True)
    lost = (Other(name, Cell(DASH, "not evaluable"), Cell(), Cell()) for name in verdict.not_evaluable)
    return (own, *(_control(each) for each in verdict.controls), *lost, *_shuffles(verdict))


def _control(found: ControlFigure) -> Other:
    t = Cell("identical") if found.identical else Cell(signed(found.paired.t, 2), "paired")
    return Other(found.name, Cell(signed(found.raw.icir)), Cell(signed(found.orthogonal.icir)), t)


def _shuffles(verdict: OrthogonalICIR) -> Iterator[Other]:
    figures = (verdict.shuffled_raw_icir, verdict.shuffled_icir, verdict.shuffled_t)
    if any(figures):
        raw, orthogonal, t = (_middle(each, digits) for each, digits in zip(figures, (3, 3, 2), strict=True))
        yield Other(f"{max(map(len, figures))} shuffles, median", raw, orthogonal, t)


def _middle(values: Sequence[float], digits: int) -> Cell:
    known = [each for each in values if math.isfinite(each)]
    if not known:
        return Cell()
    low, high = extent(known)
    return Cell(signed(median(known), digits), f"{signed(low, digits)} to {signed(high, digits)}")
