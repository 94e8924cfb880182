"""Charts of the signals that a study builds anew: settings, placebos, winsorising. Each comes with its numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pureplay.evaluate.records import ICSummary, Period, icir_error
from pureplay.reports.drawing import COLOURS, MUTED, drawn, marks, named_rows, new_figure
from pureplay.reports.formats import count, label, percent, signed, span
from pureplay.reports.gallery import Numbers
from pureplay.reports.study_bases import Drawn
from pureplay.reports.study_rows import Record, View, known

__all__ = ["GRIDS", "placebo_dots", "setting_grid", "setting_range", "winsorising_dots"]

GRIDS: Final = {
    "buffer days": ("Days from filing to use", "buffer days"),
    "purity": ("Purity that makes a pure play", "share of revenue"),
    "minimum peers": ("Fewest peers in a basket", "peers"),
    "level": ("Level of the product tree", "level"),
}
"""Title and axis of each grid of settings."""

_INFORMED, _BLANK = COLOURS[3], COLOURS[1]
_HEADS: Final = ("Orthogonal ICIR", "Over the offsets", "EWC t", "Raw ICIR", "Dates", "Names", "Variance left", "Why none")


def setting_range(views: Sequence[View]) -> tuple[float, float] | None:
    """A range of ICIR that holds the curves of all grids, so that they can be compared; None without any."""
    found = [each["icir"] for view in views for group in GRIDS for each in view.cells(group) if known(each["icir"])]
    if not found:
        return None
    low, high = min(0.0, *found), max(0.0, *found)
    room = 0.08 * (high - low) or 0.1
    return low - room, high + room


def setting_grid(views: Sequence[View], group: str, limits: tuple[float, float] | None) -> Drawn:
    """Orthogonal ICIR on one grid of settings; the default is marked."""
    figure, rows = new_figure(GRIDS[group][1], "ICIR per period", height=270), []
    every = [each for view in views for each in view.cells(group)]
    order = _in_order(every)
    for view in views:
        found = view.cells(group)
        points = sorted((each for each in found if known(each["icir"])), key=lambda each: order.index(each["label"]))
        style = view.marks(size=8)
        style["marker"] = {
            **style["marker"],
            "size": [12 if each["is_default"] else 7 for each in points],
            "opacity": 1,
            "line": {"width": 0},
        }
        figure.add_scatter(
            x=[order.index(each["label"]) for each in points],
            y=[each["icir"] for each in points],
            customdata=[[label(each["label"]), signed(each["t_ewc"], 2), signed(each["raw_icir"])] for each in points],
            name=label(view.name),
            hovertemplate="%{customdata[0]}: %{y:+.3f}, t %{customdata[1]}, raw %{customdata[2]}",
            **style,
        )
        rows += [(view.name, _default(each), *_cell(each)) for each in found or view.cells(group, period="all")]
    usual = [each["label"] for each in every if each["is_default"] and each["label"] in order]
    for name in dict.fromkeys(usual):
        figure.add_vline(x=order.index(name), line={"color": MUTED, "width": 1, "dash": "dot"}, layer="below")
    ticks = [f"<b>{label(each, 12)}</b>" if each in usual else label(each, 12) for each in order]
    figure.update_xaxes(tickvals=list(range(len(order))), ticktext=ticks, showgrid=False, range=[-0.4, max(len(order) - 0.6, 0.6)])
    if limits is not None:
        figure.update_yaxes(range=list(limits))
    return drawn(figure), Numbers(("", "Setting", *_HEADS), tuple(rows))


def _in_order(rows: Sequence[Record]) -> list[str]:
    """Labels of a grid by their number, those without one last, as they come."""
    place: dict[str, float] = {}
    for each in rows:
        if known(each["icir"]):
            place.setdefault(each["label"], each["x"] if known(each["x"]) else float("inf"))
    return sorted(place, key=lambda name: place[name])


def _default(row: Record) -> str:
    return f"{row['label']} (default)" if row["is_default"] else str(row["label"])


def _cell(row: Record) -> tuple[str, ...]:
    """A row of cells under _HEADS."""
    return (
        signed(row["icir"]),
        span(row["icir_min"], row["icir_max"]),
        signed(row["t_ewc"], 2),
        signed(row["raw_icir"]),
        count(row["n_dates"]),
        count(row["median_names"]),
        percent(row["variance_left"]),
        row["reason"] or "",
    )


@dataclass(frozen=True, slots=True)
class _Dot:
    """A figure on a row. se: standard error of the ICIR. marked: which of the two looks it has."""

    view: View
    row: str
    icir: float
    t: float | None
    se: float | None
    marked: bool


def placebo_dots(views: Sequence[View]) -> Drawn:
    """Orthogonal ICIR of the signal and, beneath it, of each placebo, with two standard errors either side."""
    dots = [dot for view in views for dot in _placebos(view)]
    names = list(dict.fromkeys(["the signal itself", *(each.row for each in dots)])) if dots else []
    figure = named_rows("ICIR per period", names, height=34 + 14 * max(len(views), 1))
    for view in views:
        for marked, said in ((True, "with product information"), (False, "without")):
            mine = [each for each in dots if each.view is view and each.marked is marked]
            shade = _INFORMED if marked else _BLANK
            style = marks(view.hue, size=10)
            style["marker"] = {**style["marker"], "color": shade}
            figure.add_scatter(
                x=[each.icir for each in mine],
                y=[_height(each, names, views) for each in mine],
                error_x={"type": "data", "array": [2 * (each.se or 0.0) for each in mine], "thickness": 1.3, "width": 3, "color": shade},
                customdata=[[signed(each.t, 2)] for each in mine],
                name=f"{label(view.name)}, {said}",
                hovertemplate="%{x:+.3f}, EWC t %{customdata[0]}",
                **style,
            )
    rows = tuple(row for view in views for row in _placebo_rows(view))
    return drawn(figure), Numbers(("", "Signal", "Products", *_HEADS), rows, words=3)


def _height(dot: _Dot, names: Sequence[str], views: Sequence[View]) -> float:
    """Where a dot lies: constructions under each other in their row."""
    step = 0.5 / max(len(views), 1)
    return len(names) - names.index(dot.row) - 0.55 - step * (list(views).index(dot.view))


def _placebos(view: View) -> Iterator[_Dot]:
    found = [each for each in view.cells("placebo") if known(each["icir"])]
    main = view.figure(view.verdict.orthogonal)
    if found and main is not None and known(main.icir):
        yield _Dot(view, "the signal itself", main.icir, _t(main), icir_error(_se_mean(main), main.sd), True)
    for each in found:
        yield _Dot(view, each["label"], each["icir"], each["t_ewc"], icir_error(each["se_mean"], each["sd_ic"]), bool(each["informed"]))


def _placebo_rows(view: View) -> Iterator[tuple[str, ...]]:
    main = view.figure(view.verdict.orthogonal)
    if main is not None:
        yield (view.name, "the signal itself", "yes", *_summary(main))
    for each in view.cells("placebo") or view.cells("placebo", period="all"):
        yield (view.name, each["label"], "yes" if each["informed"] else "no", *_cell(each))


def _t(found: ICSummary | Period) -> float:
    return found.test.t if isinstance(found, ICSummary) else found.t_ewc


def _se_mean(found: ICSummary | Period) -> float:
    return found.test.se if isinstance(found, ICSummary) else found.se_mean


def _summary(found: ICSummary | Period) -> tuple[str, ...]:
    """A summary under _HEADS; what it does not hold is left blank."""
    over = span(found.icir_min, found.icir_max)
    return (signed(found.icir), over, signed(_t(found), 2), "", count(found.n_dates), count(found.median_names), "", "")


def winsorising_dots(views: Sequence[View]) -> Drawn:
    """Orthogonal ICIR of the signal and its controls with the components of the score winsorised and not."""
    pairs = [(view, name, usual, other, off) for view in views for name, usual, other, off in _pairs(view)]
    names = [f"{view.name}: {name}" for view, name, *_ in pairs]
    figure = named_rows("ICIR per period", names, height=40)
    rows: list[tuple[str, ...]] = []
    for place, (view, name, usual, other, off) in enumerate(pairs):
        on_off = [usual.icir if usual is not None else None, other["icir"]][:: 1 if off else -1]
        known_ones = [each for each in on_off if known(each)]
        y = len(names) - place - 0.7
        figure.add_scatter(
            x=known_ones,
            y=[y] * len(known_ones),
            mode="lines",
            line={"color": view.shade, "width": 1.4},
            hoverinfo="skip",
            showlegend=False,
        )
        for value, said, open_ in ((on_off[0], "winsorised", False), (on_off[1], "not winsorised", True)):
            first = place == next(k for k, each in enumerate(pairs) if each[0] is view)
            figure.add_scatter(
                x=[value],
                y=[y],
                name=f"{label(view.name)}, {said}",
                showlegend=first,
                hovertemplate=f"{said}: %{{x:+.3f}}",
                **view.marks(size=10, mode="markers", open_=open_),
            )
        if usual is not None:
            rows.append((view.name, f"{name}, winsorising {'on' if off else 'off'}", *_summary(usual)))
        rows.append((view.name, str(other["label"]), *_cell(other)))
    return drawn(figure), Numbers(("", "Signal", *_HEADS), tuple(rows))


def _pairs(view: View) -> Iterator[tuple[str, ICSummary | Period | None, Record, bool]]:
    """Name, figures as the study has them, figures with winsorising switched, whether it was switched off."""
    usual = {"signal": view.verdict.orthogonal, **{each.name: each.orthogonal for each in view.verdict.controls}}
    for each in view.cells("winsorising"):
        name, _, switched = str(each["label"]).partition(", winsorising ")
        if known(each["icir"]):
            yield name, view.figure(usual[name]) if name in usual else None, each, switched != "on"
