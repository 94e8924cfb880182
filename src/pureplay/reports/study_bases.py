"""Charts of a study's bases: how many columns, how good they are, which family, how far ahead. Each comes with its numbers."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any, TypeAlias

import plotly.graph_objects as go

from pureplay.reports.drawing import drawn, new_figure, ribbon
from pureplay.reports.formats import DASH, count, label, signed, span
from pureplay.reports.gallery import Numbers
from pureplay.reports.study_rows import Record, View, known

__all__ = ["Drawn", "base_ladder", "family_drop", "horizon_curve", "quality_shuffle"]

Drawn: TypeAlias = tuple[go.Figure | None, Numbers]

_HEADS = ("ICIR", "Over the offsets", "EWC t", "Dates", "Whole sample", "Why none")


def base_ladder(views: Sequence[View]) -> Drawn:
    """Orthogonal ICIR against the number of base columns: the fixed order as a line, random orders as mean and range."""
    figure = new_figure("base columns, K", "ICIR per period", height=320)
    rows: list[tuple[str, ...]] = []
    for view in views:
        fixed, drawn_orders = view.battery("base count"), view.battery("base count, random order")
        _mean_and_range(figure, view, drawn_orders, 1.0, "random orders", dash="dot")
        points = sorted((each for each in fixed if known(each["icir"])), key=lambda each: each["x"])
        figure.add_scatter(
            x=[each["x"] for each in points],
            y=[each["icir"] for each in points],
            customdata=[[signed(each["t_ewc"], 2), span(each["icir_min"], each["icir_max"])] for each in points],
            name=f"{label(view.name)}, fixed order",
            hovertemplate="K = %{x}: %{y:+.3f}, t %{customdata[0]}, offsets %{customdata[1]}",
            **view.marks(size=7),
        )
        rows += _base_rows(view, "base count", "fixed order")
        rows += _base_rows(view, "base count, random order", "random order")
    return drawn(figure), Numbers(("", "Order", "Base", *_HEADS), tuple(rows), words=3)


def quality_shuffle(views: Sequence[View]) -> Drawn:
    """Orthogonal ICIR against the share of base columns that are noise: mean of the seeds and their range."""
    figure = new_figure("share of the base that is noise, %", "ICIR per period", height=320)
    rows: list[tuple[str, ...]] = []
    for view in views:
        _mean_and_range(figure, view, view.battery("quality shuffle"), 100.0, "mean of the seeds")
        rows += _base_rows(view, "quality shuffle", "seed")
    figure.update_xaxes(ticksuffix=" %", showgrid=False)
    return drawn(figure), Numbers(("", "Draw", "Base", *_HEADS), tuple(rows), words=3)


def _mean_and_range(figure: go.Figure, view: View, rows: Sequence[Record], scale: float, what: str, dash: str = "solid") -> None:
    """Draws at each x as their mean, smallest and largest."""
    at: dict[float, list[float]] = {}
    for each in rows:
        if known(each["icir"]) and known(each["x"]):
            at.setdefault(scale * each["x"], []).append(each["icir"])
    x = sorted(at)
    if not x:
        return
    ribbon(figure, x, [min(at[each]) for each in x], [max(at[each]) for each in x], view.shade)
    style = view.marks(size=5 if dash == "dot" else 8)
    style["line"] = {**style["line"], "dash": dash, "width": 1.4 if dash == "dot" else 1.8}
    figure.add_scatter(
        x=x,
        y=[fmean(at[each]) for each in x],
        customdata=[[len(at[each]), span(min(at[each]), max(at[each]))] for each in x],
        name=f"{label(view.name)}, {what}",
        hovertemplate="%{x}: %{y:+.3f}, %{customdata[0]} draws %{customdata[1]}",
        **style,
    )


def family_drop(views: Sequence[View]) -> Drawn:
    """Change of the orthogonal ICIR where a family leaves the base, against the whole base."""
    changes = [(view, _changes(view)) for view in views]
    order = list(dict.fromkeys(name for _, found in changes for name in found))
    first = {name: next(found[name][0] for _, found in changes if name in found) for name in order}
    order.sort(key=lambda name: -first[name])
    figure = new_figure("change of the ICIR", "", height=120 + (18 + 12 * max(len(views), 1)) * max(len(order), 3))
    rows: list[tuple[str, ...]] = []
    for view, found in changes:
        names = [name for name in order if name in found]
        figure.add_bar(
            x=[found[name][0] for name in names],
            y=[order.index(name) for name in names],
            customdata=[[label(name), signed(found[name][1]["icir"])] for name in names],
            orientation="h",
            name=label(view.name),
            marker={"color": view.shade},
            hovertemplate="%{customdata[0]}: %{x:+.3f} (ICIR %{customdata[1]})",
        )
        rows += [(view.name, name, signed(found[name][0]), *_figures(view, found[name][1], "family drop")) for name in names]
    places = list(range(len(order)))
    figure.update_yaxes(
        tickvals=places,
        ticktext=[label(each.removeprefix("without "), 16) for each in order],
        zeroline=False,
        showgrid=False,
        autorange="reversed",
    )
    figure.update_xaxes(zeroline=True, zerolinecolor="#b6bcc6")
    figure.update_layout(bargap=0.3, bargroupgap=0.05)
    return drawn(figure), Numbers(("", "Base", "Change", *_HEADS), tuple(rows))


def _changes(view: View) -> dict[str, tuple[float, Record]]:
    """Difference to the full base by label, with the row."""
    full = next((each["icir"] for each in view.battery("full") if known(each["icir"])), None)
    rows = [each for each in view.battery("family drop") if known(each["icir"])]
    return {} if full is None else {each["label"]: (each["icir"] - full, each) for each in rows}


def horizon_curve(views: Sequence[View]) -> Drawn:
    """Orthogonal ICIR by horizon on the full base: as measured and de-overlapped."""
    figure, rows = new_figure("sessions ahead", "ICIR per period", height=320), []
    ticks: set[int] = set()
    for view in views:
        made = sorted(view.battery("full", horizon=0), key=lambda each: each["horizon_sessions"])
        points = [each for each in made if known(each["icir"])]
        ticks |= {each["horizon_sessions"] for each in points}
        for kind, column in (("as measured", "icir"), ("de-overlapped", "icir_deflated")):
            measured = column == "icir"
            style: dict[str, Any] = view.marks(size=10 if measured else 8, open_=measured)
            style["line"] = {"color": view.shade, "width": 1 if measured else 1.8, "dash": "dot" if measured else "solid"}
            figure.add_scatter(
                x=[each["horizon_sessions"] for each in points],
                y=[each[column] for each in points],
                customdata=[[signed(each["t_ewc"], 2)] for each in points],
                name=f"{label(view.name)}, {kind}",
                hovertemplate="%{x} sessions: %{y:+.3f}, EWC t %{customdata[0]}",
                **style,
            )
        rows += [
            (
                view.name,
                count(each["horizon_sessions"]),
                signed(each["icir"]),
                signed(each["icir_deflated"]),
                span(each["icir_min"], each["icir_max"]),
                signed(each["t_ewc"], 2),
                signed(each["t_newey_west"], 2),
                count(each["n_dates"]),
                each["reason"] or "",
            )
            for each in made
        ]
    figure.update_xaxes(type="log", tickvals=sorted(ticks), ticktext=[count(each) for each in sorted(ticks)], showgrid=False)
    figure.update_yaxes(rangemode="tozero")
    heads = ("", "Sessions", "As measured", "De-overlapped", "Over the offsets", "EWC t", "Newey–West t", "Dates", "Why none")
    return drawn(figure), Numbers(heads, tuple(rows), words=1)


def _base_rows(view: View, group: str, kind: str) -> Iterator[tuple[str, ...]]:
    for each in view.battery(group):
        drawn_as = kind if each["seed"] is None else f"{kind} {each['seed'] + 1}"
        yield (view.name, drawn_as, each["label"], *_figures(view, each, group))


def _figures(view: View, row: Record, group: str) -> tuple[str, ...]:
    """A row of the battery under _HEADS."""
    whole = ""
    if view.period != "all":
        same = [each for each in view.battery(group, period="all") if (each["label"], each["seed"]) == (row["label"], row["seed"])]
        whole = signed(same[0]["icir"]) if same else DASH
    return (
        signed(row["icir"]),
        span(row["icir_min"], row["icir_max"]),
        signed(row["t_ewc"], 2),
        count(row["n_dates"]),
        whole,
        row["reason"] or "",
    )
