"""One self-contained page on an amplifier study: what a product graph adds to each factor, beside what a rewired graph adds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pureplay.reports import wording
from pureplay.reports.amplifier_figures import amplifier_gallery, cell_name, horizons, main_horizon, relations
from pureplay.reports.comovement_rows import LEVEL, Record, known, rows
from pureplay.reports.formats import DASH, count, enumerate_words, flatten, percent, probability, signed, span
from pureplay.reports.grids import Cell
from pureplay.reports.page import fill
from pureplay.reports.portfolio_sheets import Line, Sheet
from pureplay.studies.amplification_records import AmplifierStudy

__all__ = ["amplifier_lead", "render_amplifier"]

_TERMS: Final = (
    (
        "ΔICIR",
        "Orthogonal ICIR of the amplified factor less that of the factor itself, on the same names and dates, given the rest of the stack.",
    ),
    ("Gain", "ΔICIR, its sign turned where the factor's own ICIR is below 0 (if the settings orient), so that factors can be averaged."),
    (
        "Amplified factor",
        "(1 − strength) times the factor plus strength times the weighted mean of the factor over counterparties in the graph.",
    ),
    (
        "Relation",
        "Peer: a common product. Upstream, downstream: products that enter one's own, and those that one's own enter. All: together.",
    ),
    (
        "Rewired graph",
        "A placebo: every name keeps its number of counterparties and weights, but not who they are. What it gives is smoothing over other "
        "names, not product information.",
    ),
    ("Same sessions", "Placebos are judged on every few sessions; the graph's own figure beside them is of those sessions too."),
    ("p", "Share of the rewired graphs that reach the graph's figure, the figure itself counted as one of them."),
    ("Configuration", "A random factor, a random set of the others as its base, and a random strength."),
    ("Coverage", "Share of the names with a counterparty that has a value; the others keep their own."),
    ("ICIR", "Mean of the rank IC over its standard deviation, on dates a grid apart, mean of all starts of the grid; not annualised."),
    ("EWC t", "Test of the mean difference of daily ICs that allows for overlapping windows."),
)


def render_amplifier(study: AmplifierStudy, *, manifest: Mapping[str, Any]) -> str:
    """The page as HTML; it loads nothing from anywhere, and its own policy forbids the browser to try.

    manifest: what made the study (configuration, data hashes, versions, seed); it may nest. All text is escaped. The same arguments give
    the same page. Frames without rows and missing figures leave their part out or print a dash.
    """
    context: dict[str, Any] = {
        "title": study.name,
        "synthetic": wording.SYNTHETIC if study.synthetic else "",
        "synthetic_names": [],
        "lead": amplifier_lead(study),
        "facts": _facts(study),
        "oriented": bool(study.settings.get("orient")),
        "said": str(study.published.get("said") or ""),
        "verdicts": _verdicts(study),
        "caution": _caution(study),
        "spread": _spread(study),
        "factors": {
            cell_name(relation, horizon): _factors(study, relation, horizon) for relation in relations(study) for horizon in horizons(study)
        },
        "refused": tuple((str(row.get("part") or DASH), str(row.get("reason") or DASH)) for row in rows(study.refused)),
        "notes": study.notes,
        "settings": {
            "Settings": flatten(study.settings),
            "Data": flatten(study.data),
            "Wall time, seconds": {stage: f"{spent:.2f}" for stage, spent in study.seconds.items()},
        },
        "manifest": flatten(manifest),
        "glossary": _TERMS,
    }
    return fill("amplifier.html", amplifier_gallery(study), context)


def amplifier_lead(study: AmplifierStudy) -> str:
    """Which relations lie above rewired graphs and by how much, and the published figure, from the figures alone."""
    held = [row for row in rows(study.verdicts) if known(row.get("mean_gain"))]
    if not held:
        return "No factor could be amplified and judged; the reasons stand below."
    at = main_horizon(study)
    first = [row for row in held if row.get("horizon") == at] or held
    means = enumerate_words(f"{signed(row['mean_gain'])} through {str(row.get('relation')).replace('_', ' ')}" for row in first)
    factors = count(max(row.get("factors") or 0 for row in first))
    said = [f"At {at} sessions ahead {factors} factors gain on average, in ICIR, {means}."]
    judged = [row for row in held if known(row.get("p"))]
    above = [row for row in judged if _above(row)]
    if not judged:
        said.append("No rewired graph was drawn, so nothing is said of product information.")
    elif above:
        said.append(f"Above what rewired graphs give: {_by_relation(above)}; {len(above)} of {len(judged)}.")
    else:
        said.append(f"None of {len(judged)} relations and horizons lies above what rewired graphs give: no product information is claimed.")
    theirs = study.published.get("delta")
    if known(theirs):
        said.append(f"Published: {signed(theirs)} ({study.published.get('source', 'its source')}; no evidence here).")
    return " ".join(said)


def _caution(study: AmplifierStudy) -> str:
    """How far a verdict can be trusted; nothing where none rests on rewired graphs."""
    judged = sum(known(row.get("p")) for row in rows(study.verdicts))
    if not judged:
        return ""
    return (
        f"{count(judged)} verdict{'s are' if judged > 1 else ' is'} read here, and the band is somewhat narrow: rewired graphs keep "
        "numbers of counterparties, not clusters. On a synthetic market whose input edges knew nothing, 2 of 12 verdicts lay above it "
        "at p = 1/21. One verdict alone is no evidence; read several together."
    )


def _by_relation(held: Sequence[Record]) -> str:
    """Relations with the horizons of their rows."""
    at: dict[str, list[int]] = {}
    for row in held:
        at.setdefault(str(row.get("relation")), []).append(row["horizon"])
    return ", ".join(f"{relation} at {enumerate_words(map(str, sorted(found)))} sessions" for relation, found in at.items())


def _above(row: Record) -> bool:
    high = row.get("placebo_high")
    return bool(known(row.get("matched_gain")) and known(high) and row["matched_gain"] > high and row["p"] <= LEVEL)


def _facts(study: AmplifierStudy) -> tuple[tuple[str, str], ...]:
    data = study.data
    made = (
        ("Dates", f"{data['first']} to {data['last']}" if data.get("first") and data.get("last") else DASH),
        ("Stocks", count(data["assets"]) if known(data.get("assets")) else DASH),
        ("Factors", count(len(study.factors)) if study.factors else DASH),
        ("Relations", ", ".join(relations(study)) or DASH),
        ("Horizons, sessions", ", ".join(map(str, horizons(study))) or DASH),
        ("Rewired graphs", count(_distinct(rows(study.placebos), "seed"))),
        ("Configurations", count(_distinct(rows(study.configurations), "configuration"))),
    )
    return tuple(each for each in made if each[1] != DASH)


def _distinct(held: Sequence[Record], name: str) -> int:
    return len({row.get(name) for row in held})


def _verdicts(study: AmplifierStudy) -> Sheet:
    """A row a relation and horizon with the study's own verdict; the published figure closes the table."""

    def lines() -> Iterator[Line]:
        for horizon in horizons(study):
            yield Line(f"{horizon} sessions")
            for relation in relations(study):
                yield from (Line(str(relation), _verdict(row)) for row in rows(study.verdicts, relation=relation, horizon=horizon))
        if study.verdicts.height and known(study.published.get("delta")):
            yield Line("Published")
            cells = (Cell(), Cell(signed(study.published["delta"])), *[Cell()] * 4, Cell("another base, other data: no evidence here"))
            yield Line(str(study.published.get("source", "its source")), cells, rule=True)

    heads = ("", "Mean gain", "Mean ΔICIR", "Factors that gain", "Same sessions", "Rewired graphs", "p", "Verdict")
    return Sheet(heads, tuple(lines()) if study.verdicts.height else ())


def _verdict(row: Record) -> tuple[Cell, ...]:
    band = span(row.get("placebo_low"), row.get("placebo_high"))
    return (
        Cell(signed(row.get("mean_gain"))),
        Cell(signed(row.get("mean_delta"))),
        Cell(percent(row.get("share_positive"), 0), f"of {count(row.get('factors'))}"),
        Cell(signed(row.get("matched_gain"))),
        Cell(signed(row.get("placebo_mean")), "" if band == DASH else band),
        Cell(_p(row.get("p"))),
        Cell(str(row.get("verdict") or DASH).rsplit("]: ", 1)[-1]),
    )


def _p(value: float | None) -> str:
    return probability(value).removeprefix("=\u00a0")


def _spread(study: AmplifierStudy) -> Sheet:
    """Distribution over random configurations."""
    names, lines = ("mean", "q05", "q25", "median", "q75", "q95"), []
    for horizon in horizons(study) if study.spread.height else []:
        lines.append(Line(f"{horizon} sessions"))
        for relation in relations(study):
            for row in rows(study.spread, relation=relation, horizon=horizon):
                figures = (count(row.get("configurations")), *(signed(row.get(name)) for name in names), percent(row.get("share_positive")))
                lines.append(Line(str(relation), tuple(Cell(each) for each in figures)))
    return Sheet(("", "Configurations", "Mean", "5 %", "25 %", "Median", "75 %", "95 %", "Above 0"), tuple(lines))


def _factors(study: AmplifierStudy, relation: str, horizon: int) -> Sheet:
    """A row a factor through a relation at a horizon."""
    heads = (
        "Factor",
        "ICIR",
        "Amplified",
        "ΔICIR",
        "Gain",
        "IC difference",
        "EWC t",
        "Same sessions",
        "Rewired graphs",
        "Coverage",
        "Dates",
    )
    lines = tuple(Line(str(row.get("factor")), _factor(row)) for row in rows(study.rows, relation=relation, horizon=horizon))
    return Sheet(heads, lines)


def _factor(row: Record) -> tuple[Cell, ...]:
    band = span(row.get("placebo_low"), row.get("placebo_high"))
    return (
        Cell(signed(row.get("icir"))),
        Cell(signed(row.get("amplified_icir"))),
        Cell(signed(row.get("delta"))),
        Cell(signed(row.get("gain"))),
        Cell(signed(row.get("ic_difference"), 4)),
        Cell(signed(row.get("t"), 2), f"p {probability(row['p'])}" if known(row.get("p")) else ""),
        Cell(signed(row.get("matched_delta"))),
        Cell(signed(row.get("placebo_mean")), "" if band == DASH else band),
        Cell(percent(row.get("coverage"))),
        Cell(count(row.get("dates"))),
    )
