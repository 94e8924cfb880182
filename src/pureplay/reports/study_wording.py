"""What a study's page says in plain language: its base, its verdicts, its terms."""

import re
from statistics import fmean
from typing import Any, Final

from pureplay.evaluate.records import CRITICAL_T, OrthogonalICIR
from pureplay.reports import wording
from pureplay.reports.drawing import colour
from pureplay.reports.formats import DASH, NO_BREAK, count, day, extent, percent, signed, span
from pureplay.reports.opening import opening, others
from pureplay.reports.study_rows import OUT, View, known, title_of, views
from pureplay.studies.headline import published_split
from pureplay.studies.records import ProductStudy

__all__ = ["base_sentence", "cards", "lead", "openings", "source_note", "terms"]

_KINDS: Final = {
    "full": "the full base of {n} factors",
    "price": "the price-only base of {n} factors (no value, growth, leverage or quality)",
    "own": "the user's own base of {n} factors",
}
_IN_FORCE: Final = re.compile(r"(\S+) (\d{4}-\d{2}-\d{2}|never)(?=, |$)")

_TERMS: Final = (
    (
        "Construction R and S",
        "R averages the raw returns of product peers; S does so with returns from which the base was regressed out on every date.",
    ),
    (
        "Orth-K",
        "Orthogonal to a base of K factors: the part of the score that they do not explain.",
    ),
    (
        "K ladder",
        "The base grows column by column, in a fixed order and in random ones; a signal of its own stays up as K grows.",
    ),
    (
        "Quality shuffle",
        "A growing share of base columns is replaced by noise. At 100 % the base takes nothing out, so the figure nears "
        "the raw ICIR of the same dates.",
    ),
    (
        "Family drop",
        "The base without one family of factors; a large rise shows which family holds what the signal holds.",
    ),
    (
        "De-overlapped",
        "ICIR times √({grid} / horizon) beyond {grid} sessions, where windows overlap: long horizons then look no better than they are.",
    ),
    (
        "Placebo",
        "The same pipeline with its product information removed, replaced by noise, or spoilt; what it still shows is not about products.",
    ),
    (
        "Winsorising",
        "The two components of the score clipped, before z-scores, at some scaled median absolute deviations. A result that needs it, or "
        "dies of it, rests on few stocks.",
    ),
    (
        "Short-window factors (13–15)",
        "Reversal, idiosyncratic volatility and largest return of 20 sessions: they span the window in which the score is measured.",
    ),
    (
        "Turnover, cost drag",
        "One-way turnover of equal-weight extreme quantiles; drag = 2 × turnover × cost a side, in basis points a year.",
    ),
    (
        "Standard error",
        "Of an ICIR: the standard deviation of its null where one was simulated; of a year, and in whiskers (two of them), the EWC "
        "standard error of the mean daily IC over the standard deviation of the daily IC (delta method).",
    ),
    (
        "Filled",
        "Base values that a stock lacked and that its industry and size stood in for.",
    ),
)


def terms(grid: int) -> tuple[tuple[str, str], ...]:
    """Terms of a study first, then those of every page. grid: sessions between rebalances."""
    return (*((term, meaning.format(grid=grid)) for term, meaning in _TERMS), *wording.glossary(grid))


def lead(study: ProductStudy) -> str:
    """What was found, in one sentence."""
    judged = [(view.name, view.verdict) for view in views(study)]
    if not judged:
        return "No construction could be evaluated on these data, so there is no finding either way."
    claims = [
        f"{name}: product information {verdict.product_information} "
        f"(orthogonal ICIR {signed(verdict.icir)}, t {signed(verdict.orthogonal.test.t, 2)})"
        for name, verdict in judged
    ]
    lost = [f"{name}: not evaluable" for name, made in study.constructions.items() if made.verdict is None]
    return "; ".join([*claims, *lost]) + "."


def base_sentence(study: ProductStudy) -> str:
    """Kind of base, number of factors, when they came into force, what was filled in, in one sentence."""
    base = study.base
    names = [str(each) for each in base.get("names", ())]
    head = _KINDS.get(str(base.get("kind")), "a base of {n} factors").format(n=count(len(names)))
    parts = [head, *_in_force(base), *_filled(base)]
    scheme = base.get("industries")
    parts.append(f"industry dummies, where used, from {scheme}" if scheme else "no industry dummies")
    return f"Taken out: {'; '.join(parts)}."


def _in_force(base: Any) -> list[str]:
    note = next((str(each) for each in base.get("notes", ()) if str(each).startswith("in force from: ")), None)
    found = _IN_FORCE.findall(note.removeprefix("in force from: ")) if note is not None else []
    dates = sorted((date, name) for name, date in found if date != "never")
    never = [name for name, date in found if date == "never"]
    if not dates:
        return []
    first, (last, latest) = dates[0][0], dates[-1]
    said = f"in force from {first}" if first == last else f"in force from {first} (first) to {last} (last: {latest})"
    return [said + (f", never: {', '.join(never)}" if never else "")]


def _filled(base: Any) -> list[str]:
    shares = {str(name): float(share) for name, share in dict(base.get("filled", {})).items() if known(share)}
    if not shares:
        return []
    name, most = max(shares.items(), key=lambda each: each[1])
    return [f"values filled in: {percent(fmean(shares.values()))} on average" + (f", most in {name} ({percent(most)})" if most > 0 else "")]


def source_note(study: ProductStudy) -> str:
    """Whose figures the published ones are, and over which dates each side is."""
    starts = sorted({part.first for view in views(study) if (part := view.verdict.orthogonal.period(OUT)) is not None})
    ours = f"ours is out of sample from {' / '.join(map(day, starts))}" if starts else "ours has no split, so it is over the whole sample"
    return (
        "Published figures are those of the source document, on its own data and base: they are not ours, and nothing is computed from "
        f"them. Its out-of-sample period starts after {day(published_split())}; {ours}. "
        "s.e.: standard deviation of the null; of a year, EWC standard error of its mean IC over the sd of its daily IC."
    )


def openings(study: ProductStudy) -> tuple[dict[str, Any], ...]:
    """What the page opens with, a card a construction: the verdict in a plain paragraph, and what others would have got."""
    shades = {view.name: view.shade for view in views(study)}
    return tuple(
        {
            "name": title_of(name),
            "colour": shades.get(name, colour(1)),
            "status": wording.status(made),
            "found": made.verdict is not None and made.verdict.product_information == "found",
            "opening": opening(made.verdict, study.trials),
            "others": () if made.verdict is None else others(made.verdict),
            "why": "" if made.verdict is not None else made.not_evaluable or "No reason was recorded.",
        }
        for name, made in study.constructions.items()
    )


def cards(study: ProductStudy) -> tuple[dict[str, Any], ...]:
    """A verdict card a construction."""
    shown = {view.name: view for view in views(study)}
    return tuple(
        _card(shown[name]) if name in shown else _empty(name, place, made.not_evaluable)
        for place, (name, made) in enumerate(study.constructions.items())
    )


def _empty(name: str, place: int, why: str | None) -> dict[str, Any]:
    said = "The scores of this construction cannot be evaluated, so it has no verdict."
    card = {"name": title_of(name), "colour": colour(1), "status": "Not evaluable", "found": False, "figures": (), "conclusion": said}
    return {**card, "place": "", "bars": (), "notes": (why or "No reason was recorded.",), "order": place}


def _card(view: View) -> dict[str, Any]:
    verdict = view.verdict
    nested = DASH if verdict.nested is None else signed(verdict.nested.test.t, 2)
    return {
        "name": title_of(view.name),
        "colour": view.shade,
        "status": wording.status(view.made),
        "found": verdict.product_information == "found",
        "figures": ((f"orthogonal ICIR, t {signed(verdict.orthogonal.test.t, 2)}", signed(verdict.icir)), ("nested t", nested)),
        "conclusion": wording.conclusion(verdict),
        "place": wording.null_place(verdict.orthogonal),
        "bars": tuple(_bars(verdict)),
        "notes": verdict.notes,
        "order": view.place,
    }


def _bars(verdict: OrthogonalICIR) -> list[tuple[str, str, str, str]]:
    """Figure, value, what qualifies it, and whether it passes its bar ("" where it has none)."""
    low, high = verdict.variance_left_range
    rows = [
        ("Raw ICIR", signed(verdict.raw.icir), f"t {signed(verdict.raw.test.t, 2)}, {count(verdict.raw.n_dates)} dates", ""),
        (
            "Orthogonal ICIR",
            signed(verdict.icir),
            f"t {signed(verdict.orthogonal.test.t, 2)}, {count(verdict.orthogonal.n_dates)} dates",
            "",
        ),
    ]
    later = verdict.orthogonal.period(OUT)
    if later is not None:
        rows.append(("… out of sample", signed(later.icir), f"t {signed(later.t_ewc, 2)}, {count(later.n_dates)} dates", ""))
    rows.append(("Variance left", percent(verdict.variance_left), f"{percent(low)} to {percent(high)} on 90{NO_BREAK}% of dates", ""))
    for each in verdict.controls:
        value = "identical" if each.identical else f"t {signed(each.paired.t, 2)}"
        passed = "" if each.identical else _passes(each.paired.t)
        rows.append((f"Against {each.name}, paired", value, f"its ICIR {signed(each.orthogonal.icir)}", passed))
    if verdict.nested is not None:
        its = verdict.nested
        rows.append(("Beyond base and controls, nested", f"t {signed(its.test.t, 2)}", f"ICIR {signed(its.icir)}", _passes(its.test.t)))
    if verdict.shuffled_t:
        band, reached = span(*extent(verdict.shuffled_t), 2), _reached(verdict)
        said = f"{len(verdict.shuffled_t)} shuffles" + (f", {reached} do as well" if reached else "")
        rows.append(("Shuffles, nested t", band, said, "" if reached is None else "fails" if reached else "passes"))
    return rows


def _passes(t: float) -> str:
    return "no figure" if not known(t) else "passes" if t > CRITICAL_T else "fails"


def _reached(verdict: OrthogonalICIR) -> int | None:
    """Shuffles that do at least as well as the signal."""
    if verdict.nested is None or not known(verdict.nested.test.t):
        return None
    return sum(each >= verdict.nested.test.t for each in verdict.shuffled_t)
