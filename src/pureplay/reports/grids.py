"""Tables of a report as plain records: rows of cells, one column a study."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pureplay.evaluate.records import ControlFigure, ICSummary, OrthogonalICIR, Period
from pureplay.reports.formats import DASH, count, extent, flatten, number, percent, probability, signed, span
from pureplay.studies.portfolio_records import PortfolioStudy
from pureplay.studies.records import ConstructionStudy, MomentumStudy, ProductStudy

__all__ = ["Cell", "Row", "headline", "refusals", "settings_rows", "skips", "universes"]

Studies: TypeAlias = Sequence[MomentumStudy]

_LEVELS: Final = {"refused": 0, "set_aside": 1, "notice": 2}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure and, dimmed beside it, what qualifies it."""

    value: str = DASH
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled row with a cell a study; without cells it heads the rows below. strong: a figure to see first."""

    label: str
    cells: tuple[Cell, ...] = ()
    strong: bool = False
    differs: bool = False


Reader: TypeAlias = Callable[[OrthogonalICIR], Cell | None]


def headline(studies: Studies) -> tuple[Row, ...]:
    """The figures of the verdicts, in groups; a dash where a study has none."""
    verdicts = [study.verdict for study in studies]

    def row(label: str, read: Reader, *, strong: bool = False) -> Row:
        cells = (None if verdict is None else read(verdict) for verdict in verdicts)
        return Row(label, tuple(cell or Cell() for cell in cells), strong)

    return (
        Row("Signal"),
        row("Raw ICIR", lambda v: _icir(v.raw)),
        row("Orthogonal ICIR", lambda v: _icir(v.orthogonal), strong=True),
        row("Offsets above 0", lambda v: Cell(count(v.orthogonal.n_positive), f"of {len(v.orthogonal.offsets)}")),
        row("Null band, 95 %", lambda v: _band(v.orthogonal)),
        row(
            "Mean orthogonal IC",
            lambda v: Cell(signed(v.orthogonal.mean, 4), f"sd {number(v.orthogonal.sd)}, {count(v.orthogonal.n_dates)} dates"),
        ),
        row("EWC t of the mean IC", lambda v: _test(v.orthogonal)),
        row("Newey–West t", lambda v: Cell(signed(v.orthogonal.newey_west_t, 2))),
        row("Variance left by the base", _left),
        *_control_rows(verdicts, row),
        Row("Beyond base and controls"),
        row("Nested ICIR", lambda v: _icir(v.nested)),
        row("Nested t", lambda v: None if v.nested is None else _test(v.nested), strong=True),
        row("Shuffles, nested t", lambda v: _shuffles(v.shuffled_t)),
        *_split_rows(verdicts, row),
        *_component_rows(studies),
    )


def _icir(found: ICSummary | Period | None) -> Cell | None:
    return None if found is None else Cell(signed(found.icir), span(found.icir_min, found.icir_max))


def _test(found: ICSummary) -> Cell:
    return Cell(signed(found.test.t, 2), f"p {probability(found.test.p)}")


def _band(found: ICSummary) -> Cell | None:
    if found.null is None:
        return None
    band = dict(found.null.quantiles)
    return Cell(span(band.get(0.025), band.get(0.975)), f"p {probability(found.null.p, found.null.draws)}")


def _left(verdict: OrthogonalICIR) -> Cell:
    low, high = verdict.variance_left_range
    return Cell(percent(verdict.variance_left), f"{percent(low)} to {percent(high)} on 90 % of dates")


def _shuffles(values: Sequence[float]) -> Cell | None:
    return Cell(span(*extent(values), 2), f"{len(values)} shuffles") if values else None


def _component_rows(studies: Studies) -> Iterable[Row]:
    components = [study.components if study.verdict is not None else {} for study in studies]
    names = dict.fromkeys(name for each in components for name in each)
    if names:
        yield Row("Components, raw ICIR")
    for name in names:
        found = (each.get(name) for each in components)
        yield Row(name, tuple(Cell() if each is None else Cell(signed(each.icir), f"t {signed(each.test.t, 2)}") for each in found))


def _control_rows(verdicts: Sequence[OrthogonalICIR | None], row: Callable[[str, Reader], Row]) -> Iterable[Row]:
    for name in dict.fromkeys(each.name for verdict in verdicts if verdict is not None for each in verdict.controls):
        yield Row(f"Control {name}")
        yield row("Raw ICIR", _of_control(name, lambda each: _icir(each.raw)))
        yield row("Orthogonal ICIR", _of_control(name, lambda each: _icir(each.orthogonal)))
        yield row("Signal − control, paired t", _of_control(name, _paired))


def _of_control(name: str, cell: Callable[[ControlFigure], Cell | None]) -> Reader:
    return lambda verdict: next((cell(each) for each in verdict.controls if each.name == name), None)


def _paired(control: ControlFigure) -> Cell:
    detail = "identical to the signal" if control.identical else f"mean IC {signed(control.paired.mean, 4)}"
    return Cell(signed(control.paired.t, 2), detail)


def _split_rows(verdicts: Sequence[OrthogonalICIR | None], row: Callable[[str, Reader], Row]) -> Iterable[Row]:
    labels = ("in sample", "out of sample")
    if not any(verdict.orthogonal.period(label) for verdict in verdicts if verdict is not None for label in labels):
        return
    yield Row("Split, orthogonal")
    for label in labels:
        yield row(f"ICIR {label}", _of_period(label, _icir))
        yield row(f"Mean IC {label}", _of_period(label, lambda each: Cell(signed(each.mean, 4), f"EWC t {signed(each.t_ewc, 2)}")))
        yield row(f"Dates {label}", _of_period(label, lambda each: Cell(count(each.n_dates), f"{each.first} to {each.last}")))


def _of_period(label: str, cell: Callable[[Period], Cell | None]) -> Reader:
    return lambda verdict: None if (found := verdict.orthogonal.period(label)) is None else cell(found)


def universes(studies: Studies) -> tuple[Row, ...]:
    """Orthogonal ICIR within each index, a row an index."""
    names = dict.fromkeys(name for study in studies for name in study.universes)
    return tuple(Row(name, tuple(_universe(study.universes.get(name)) for study in studies)) for name in names)


def _universe(found: ICSummary | None) -> Cell:
    if found is None:
        return Cell()
    return Cell(
        signed(found.icir), f"{span(found.icir_min, found.icir_max)}, EWC t {signed(found.test.t, 2)}, {count(found.n_dates)} dates"
    )


def skips(studies: Sequence[MomentumStudy | ConstructionStudy]) -> tuple[Row, ...]:
    """Dates without an orthogonal IC by reason, and dates on which a base column was left out."""
    reasons = [None if study.verdict is None else study.verdict.orthogonal.skipped for study in studies]
    columns = [None if study.verdict is None else study.verdict.dropped for study in studies]
    return (
        *_counts("Dates without an orthogonal IC", reasons),
        *_counts("Dates on which a base column was constant or redundant", columns),
    )


def _counts(title: str, found: Sequence[Mapping[str, int] | None]) -> Iterable[Row]:
    names = dict.fromkeys(name for each in found for name in each or {})
    if names:
        yield Row(title)
    for name in names:
        yield Row(name, tuple(Cell() if each is None else Cell(count(each.get(name, 0))) for each in found))


def refusals(studies: Sequence[MomentumStudy | ProductStudy | PortfolioStudy]) -> tuple[tuple[dict[str, str], tuple[Cell, ...]], ...]:
    """Findings of the data check, the gravest first: level, table, rule and remedy, with a count a study."""
    keys = ("level", "table", "rule", "remedy")
    counts = [{tuple(str(row[key]) for key in keys): row["count"] for row in study.refused.iter_rows(named=True)} for study in studies]
    found = sorted(dict.fromkeys(key for each in counts for key in each), key=lambda key: (_LEVELS.get(key[0], 3), key))
    return tuple((dict(zip(keys, key, strict=True)), tuple(Cell(count(each.get(key, 0))) for each in counts)) for key in found)


def settings_rows(mappings: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Settings by dotted name, a column a study; `differs` where the studies disagree."""
    flat = [flatten(each) for each in mappings]
    names = dict.fromkeys(name for each in flat for name in each)
    return tuple(
        Row(name, tuple(Cell(each.get(name, DASH)) for each in flat), differs=len({each.get(name) for each in flat}) > 1) for name in names
    )
