"""Tables of a co-movement study as plain records: regression, forecasts, retention, hedges, control, returns and risk."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pureplay.reports.comovement_rows import (
    GROUPS,
    LAMPS,
    PUBLISHED,
    Record,
    arm_title,
    arms,
    group_title,
    in_sample,
    known,
    ordered,
    predictor_title,
    relation_title,
    rows,
    sample_title,
    samples,
    setting,
    term_title,
)
from pureplay.reports.formats import DASH, count, number, percent, probability, signed
from pureplay.reports.grids import Cell
from pureplay.reports.portfolio_sheets import Line, Sheet
from pureplay.studies.comovement_records import ComovementStudy

__all__ = [
    "OF_TERMS",
    "bids",
    "hedge",
    "hedge_sizes",
    "main_count",
    "minimum_variance",
    "mix",
    "mixes",
    "openings",
    "permutation",
    "regression",
    "retention",
    "scores",
    "spillover",
    "universes",
]

OF_TERMS: Final = ("coefficient", "EWC t", "Newey–West t", "dyadic se")
"""Figures of a term, in the order of `regression`."""

_TERMS: Final = ("intercept", "trailing", *LAMPS, "bid")
_METHODS: Final = {
    "shrunk": "shrunk sample (Ledoit–Wolf)",
    "discounted": "shrunk and discounted by the graph",
    "placebo": "the same discounts on other pairs (placebo)",
    "constant": "one correlation for all",
    "equal": "1/N",
}


def regression(study: ComovementStudy, variant: str) -> tuple[Line, ...]:
    """A row a term: OF_TERMS for each sample of `samples(study.fama_macbeth)`, then the published coefficient and t."""
    held = rows(study.fama_macbeth, variant=variant)
    terms = ordered((row.get("term") for row in held), _TERMS)
    return tuple(Line(term_title(term), (*_term(study, held, term), *_theirs(held, term))) for term in terms)


def _term(study: ComovementStudy, held: Sequence[Record], term: str) -> Iterator[Cell]:
    for sample in samples(study.fama_macbeth):
        row = next((row for row in held if row.get("sample") == sample and row.get("term") == term), {})
        yield Cell(signed(row.get("coefficient"), 4), f"se {number(row['se'], 4)}" if known(row.get("se")) else "")
        yield Cell(signed(row.get("t"), 2), f"p {probability(row['p'])}" if known(row.get("p")) else "")
        yield Cell(signed(row.get("newey_west_t"), 2))
        yield Cell(number(row.get("dyadic_se"), 4))


def _theirs(held: Sequence[Record], term: str) -> tuple[Cell, Cell]:
    row: Record = next((row for row in held if row.get("term") == term and known(row.get("published"))), {})
    return Cell(signed(row.get("published"), 3)), Cell(signed(row.get("published_t"), 1))


def scores(study: ComovementStudy, part: slice = slice(None)) -> Sheet:
    """A row a forecast, a group a sample, the best squared error first. part: of the samples."""
    heads = ("", "MSE", "of a + b trailing", "Rank correlation", "MZ intercept", "MZ slope", "DM t", "Pairs")
    return Sheet(heads, tuple(_grouped(study, "scores", _score_lines, part)))


def _score_lines(held: Sequence[Record]) -> Iterator[Line]:
    rival = next((row.get("mse") for row in held if row.get("predictor") == "regression"), None)
    for row in sorted(held, key=lambda row: row["mse"] if known(row.get("mse")) else float("inf")):
        relative = row["mse"] / rival if rival is not None and known(rival) and rival > 0 and known(row.get("mse")) else None
        yield Line(
            predictor_title(str(row.get("predictor"))) + in_sample(row.get("sample"), str(row.get("predictor"))),
            (
                Cell(number(row.get("mse"), 5)),
                Cell(percent(relative)),
                Cell(signed(row.get("rank_correlation"))),
                Cell(signed(row.get("mz_intercept"))),
                Cell(signed(row.get("mz_slope"), 2)),
                Cell(signed(row.get("dm_t"), 2), f"p {probability(row['dm_p'])}" if known(row.get("dm_p")) else ""),
                Cell(count(row.get("observations"))),
            ),
        )


def _grouped(
    study: ComovementStudy, table: str, lines: Callable[[Sequence[Record]], Iterator[Line]], part: slice = slice(None)
) -> Iterator[Line]:
    """Lines of each sample under its name. part: of the samples."""
    frame = getattr(study, table)
    for sample in samples(frame)[part]:
        yield Line(sample_title(study, sample))
        yield from lines(rows(frame, sample=sample))


def permutation(study: ComovementStudy, part: slice = slice(None)) -> Sheet:
    """Coefficients beside those of each lamp when it alone is dealt out again within sectors. part: of the samples."""

    def lines(held: Sequence[Record]) -> Iterator[Line]:
        for term in ordered((row.get("term") for row in held), _TERMS):
            row = next(row for row in held if row.get("term") == term)
            spread = f"sd {number(row['permuted_sd'], 4)}" if known(row.get("permuted_sd")) else ""
            left = row["coefficient"] - row["permuted_mean"] if known(row.get("coefficient")) and known(row.get("permuted_mean")) else None
            cells = (Cell(signed(row.get("coefficient"), 4)), Cell(signed(row.get("permuted_mean"), 4), spread), Cell(signed(left, 4)))
            yield Line(term_title(str(term)), (*cells, Cell(_p(row.get("p")))))

    return Sheet(("", "Coefficient", "Within sectors, permuted", "Beyond sectors", "p"), tuple(_grouped(study, "permutation", lines, part)))


def _p(value: float | None) -> str:
    return probability(value).removeprefix("=\u00a0") if known(value) else DASH


def retention(study: ComovementStudy) -> Sheet:
    """Matched totals by group; a published row closes the table."""

    def lines(held: Sequence[Record]) -> Iterator[Line]:
        totals = [row for row in held if row.get("bin") is None]
        for group in ordered((row.get("group") for row in totals), GROUPS):
            row = next(row for row in totals if row.get("group") == group)
            beside = "" if group == "confirmed" else percent(row.get("confirmed_retention"))
            yield Line(
                group_title(str(group)),
                (
                    Cell(percent(row.get("retention")), f"se {percent(row['se'])}" if known(row.get("se")) else ""),
                    Cell(beside or DASH, f"t {signed(row['difference_t'], 2)}" if beside and known(row.get("difference_t")) else ""),
                    Cell(signed(row.get("trailing"))),
                    Cell(signed(row.get("forward"))),
                    Cell(count(row.get("pairs"))),
                ),
            )

    made = tuple(_grouped(study, "retention", lines))
    heads = ("", "Retention", "Confirmed, same cells", "Trailing", "Forward", "Pairs")
    return Sheet(heads, (*made, *_beside("Published (the source, its own data)", _PUBLISHED_RETENTION, 5)) if made else ())


_PUBLISHED_RETENTION: Final = (
    ("confirmed", (percent(PUBLISHED["confirmed"], 0), DASH, DASH, DASH, DASH)),
    ("price alone", (percent(PUBLISHED["price_only"], 0), DASH, DASH, DASH, DASH)),
)
_PUBLISHED_HEDGE: Final = (
    (
        "graph peers, CSI 300",
        (percent(PUBLISHED["cut"], 0), DASH, percent(PUBLISHED["beats"], 0), DASH, count(PUBLISHED["stock_months"]), DASH),
    ),
    ("graph peers, CSI 1000", (DASH, DASH, percent(PUBLISHED["beats_small"], 0), DASH, DASH, DASH)),
    ("news only (vendor page)", (percent(PUBLISHED["news_only"], 0), DASH, DASH, DASH, DASH, DASH)),
)


def _beside(title: str, lines: Sequence[tuple[str, Sequence[str]]], width: int) -> Iterator[Line]:
    """Figures of the source under a rule."""
    yield Line(title)
    for name, values in lines:
        yield Line(name, tuple(Cell(each) for each in values[:width]), rule=name == lines[0][0])


def main_count(study: ComovementStudy) -> int | None:
    """Names in the basket of the tables: `hedge_names` of the settings, or 10; else the nearest that there is."""
    made = sorted({row["names"] for row in rows(study.hedge) if known(row.get("names"))})
    asked = setting(study, "hedge_names")
    wanted = int(asked) if asked.isdecimal() else 10
    return min(made, key=lambda each: (abs(each - wanted), each), default=None)


def universes(found: Sequence[Record]) -> list[Any]:
    """Universes that rows hold, as they come."""
    return ordered((row.get("universe") for row in found), ())


def hedge(study: ComovementStudy, part: slice = slice(None), *, published: bool = False) -> Sheet:
    """Every hedge at the main count, a group a sample and universe. part: of the samples. published: close with the source's figures."""
    made = []
    for sample in samples(study.hedge)[part]:
        held = rows(study.hedge, sample=sample, names=main_count(study))
        for universe in universes(held):
            made.append(Line(f"{sample_title(study, sample)}, {universe}"))
            inside = [row for row in held if row.get("universe") == universe]
            made += [_hedge_line(next(row for row in inside if row.get("arm") == arm)) for arm in arms(inside)]
    heads = ("", "Variance cut", "Median cut", "Beats industry", "Turnover", "Stock-months", "Dropped")
    theirs = _beside("Published (the source, its own data), 10 names", _PUBLISHED_HEDGE, 6) if made and published else ()
    return Sheet(heads, (*made, *theirs))


def _hedge_line(row: Record) -> Line:
    return Line(
        arm_title(str(row.get("arm"))) + in_sample(row.get("sample"), str(row.get("arm"))),
        (
            Cell(percent(row.get("variance_cut"))),
            Cell(percent(row.get("median_cut"))),
            Cell(percent(row.get("beats_industry"))),
            Cell(percent(row.get("turnover"))),
            Cell(count(row.get("stock_months"))),
            Cell(count(row.get("dropped"))),
        ),
    )


def hedge_sizes(study: ComovementStudy) -> Sheet:
    """Variance cut by size group, a row a hedge; beneath each figure how often it beats the industry. Stock-months close each group."""
    groups = sorted({row["size_group"] for row in rows(study.hedge_sizes) if known(row.get("size_group"))})
    made = []
    for sample in samples(study.hedge_sizes):
        held = rows(study.hedge_sizes, sample=sample)
        for universe in universes(held) or [None]:
            inside = [row for row in held if row.get("universe") == universe]
            made.append(Line(sample_title(study, sample) + (f", {universe}" if universe else "")))
            made += [
                Line(arm_title(arm) + in_sample(sample, arm), tuple(_size_cell(inside, arm, group) for group in groups))
                for arm in arms(inside)
            ]
            made.append(Line("stock-months", tuple(_size_count(inside, group) for group in groups), rule=True))
    names = {1: "Smallest fifth", len(groups): "Largest fifth"} if len(groups) == 5 else {}
    return Sheet(("", *(names.get(group, f"Group {group}") for group in groups)), tuple(made))


def _size_cell(held: Sequence[Record], arm: str, group: Any) -> Cell:
    row: Record = next((row for row in held if row.get("arm") == arm and row.get("size_group") == group), {})
    return Cell(percent(row.get("variance_cut")), f"beats {percent(row['beats_industry'], 0)}" if known(row.get("beats_industry")) else "")


def _size_count(held: Sequence[Record], group: Any) -> Cell:
    """Stock-months of a size group: the same for every hedge."""
    row: Record = next((row for row in held if row.get("size_group") == group), {})
    return Cell(count(row.get("stock_months")), f"{count(row['dropped'])} dropped" if known(row.get("dropped")) else "")


def mixes(study: ComovementStudy) -> list[tuple[str, Any]]:
    """Sample and universe of each mix; None where the frame knows no universes."""
    return [(sample, each) for sample in samples(study.mix) for each in universes(rows(study.mix, sample=sample)) or [None]]


def mix(study: ComovementStudy) -> Sheet:
    """Variance cut at the weight that won on develop, of either part alone, and by weight; a column a sample and universe.

    Stock-months stand beneath. The first three rows are absent where no weight is marked as chosen.
    """
    weights = sorted({row["weight"] for row in rows(study.mix) if known(row.get("weight"))})
    lines = list(_chosen_lines(study))
    for weight in weights:
        cells = []
        for sample, universe in mixes(study):
            row = next(iter(rows(study.mix, sample=sample, universe=universe, weight=weight)), {})
            cells.append(
                Cell(
                    percent(row.get("variance_cut"), 2),
                    f"{count(row['stock_months'])} stock-months" if known(row.get("stock_months")) else "",
                )
            )
        lines.append(Line(f"{weight:g}", tuple(cells)))
    heads = (
        sample_title(study, sample) + in_sample(sample, "mix_") + (f", {universe}" if universe else "") for sample, universe in mixes(study)
    )
    return Sheet(("Weight of structure", *heads), tuple(lines))


def _chosen_lines(study: ComovementStudy) -> Iterator[Line]:
    if not any(row.get("chosen") for row in rows(study.mix)):
        return
    for name, wanted in (
        ("Weight that won on develop", {"chosen": True}),
        ("Trailing correlation alone", {"weight": 0.0}),
        ("Structure alone", {"weight": 1.0}),
    ):
        held = [next(iter(rows(study.mix, sample=sample, universe=each, **wanted)), {}) for sample, each in mixes(study)]
        if any(held):
            beneath = [f"weight {row['weight']:g}" if known(row.get("weight")) else "" for row in held]
            yield Line(name, tuple(Cell(percent(row.get("variance_cut"), 2), said) for row, said in zip(held, beneath, strict=True)))
    yield Line("By weight")


def bids(study: ComovementStudy) -> Sheet:
    """The negative control by sample, with its verdict."""
    lines = tuple(
        Line(
            sample_title(study, str(row.get("sample"))),
            (
                Cell(signed(row.get("coefficient"), 4)),
                Cell(signed(row.get("t"), 2)),
                Cell(_p(row.get("p"))),
                Cell(str(row.get("verdict") or DASH).replace("_", " ")),
            ),
        )
        for sample in samples(study.bids)
        for row in rows(study.bids, sample=sample)
    )
    return Sheet(("", "Coefficient", "EWC t", "p", "Verdict"), lines)


def spillover(study: ComovementStudy) -> Sheet:
    """Rank IC of what a stock's neighbours did with what the stock does next."""

    def lines(held: Sequence[Record]) -> Iterator[Line]:
        for row in held:
            figures = (signed(row.get("mean_ic"), 4), signed(row.get("t"), 2), _p(row.get("p")), signed(row.get("icir")))
            name = relation_title(row)
            yield Line(name, tuple(Cell(each) for each in (*figures, count(row.get("dates")))))

    return Sheet(("", "Mean rank IC", "EWC t", "p", "ICIR", "Dates"), tuple(_grouped(study, "spillover", lines)))


def minimum_variance(study: ComovementStudy) -> Sheet:
    """Realised volatility of minimum-variance portfolios by how correlations were estimated."""

    def lines(held: Sequence[Record]) -> Iterator[Line]:
        for row in held:
            method = str(row.get("method"))
            tests = (Cell(signed(row.get(name), 2)) for name in ("t", "placebo_t"))
            yield Line(
                _METHODS.get(method, method.replace("_", " ")) + in_sample(row.get("sample"), method),
                (Cell(percent(row.get("volatility"), 2)), *tests, Cell(count(row.get("vintages")))),
            )

    heads = ("", "Volatility a year", "t against shrunk", "t against placebo", "Vintages")
    return Sheet(heads, tuple(_grouped(study, "minimum_variance", lines)))


def openings(study: ComovementStudy) -> tuple[tuple[str, str, str], ...]:
    """When the lock box was opened, by whom, and the digest of what was asked."""
    names = ("opened_at", "asked_by", "digest")
    held = ([DASH if row.get(name) is None else str(row[name])[:19] for name in names] for row in rows(study.openings))
    return tuple((opened, asked, digest) for opened, asked, digest in held)
