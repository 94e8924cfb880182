"""Charts of an amplifier study: ΔICIR beside rewired graphs, factor by factor, and over random configurations; each with its numbers."""

from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go

from pureplay.reports.comovement_rows import Record, known, ordered, rows
from pureplay.reports.drawing import COLOURS, INK, MUTED, drawn, new_figure
from pureplay.reports.formats import DASH, count, label, percent, signed, span
from pureplay.reports.gallery import Chart, Numbers
from pureplay.reports.study_bases import Drawn
from pureplay.studies.amplification_records import AmplifierStudy

__all__ = ["amplifier_gallery", "cell_name", "horizons", "main_horizon", "relations"]

_RELATIONS: Final = ("peer", "upstream", "downstream", "all")
_WIDEST: Final = 26


def relations(study: AmplifierStudy) -> list[str]:
    """Relations of the study, all of them together last."""
    return ordered((row.get("relation") for row in rows(study.rows) or rows(study.verdicts)), _RELATIONS)


def horizons(study: AmplifierStudy) -> list[int]:
    """Horizons of the study in sessions, ascending."""
    return sorted({row["horizon"] for row in rows(study.rows) or rows(study.verdicts) if known(row.get("horizon"))})


def main_horizon(study: AmplifierStudy) -> int | None:
    """The horizon of the published figure, or the one next to it."""
    wanted = study.published.get("horizon", 20)
    return min(horizons(study), key=lambda each: (abs(each - wanted), each), default=None)


def cell_name(relation: object, horizon: object) -> str:
    """A relation and a horizon."""
    return f"{str(relation).replace('_', ' ')}, {horizon} sessions"


def amplifier_gallery(study: AmplifierStudy) -> tuple[Chart, ...]:
    """Every chart that has something to draw: means, configurations, then factors by relation."""
    at, theirs = main_horizon(study), study.published.get("delta")
    note = "Dot: mean over factors. Box: band of rewired graphs; line in it: their mean. Same sessions for both."
    drafts = [("verdicts", "half", "Gain in ICIR beside rewired graphs", note, _verdicts(study))]
    note = "Random factor, base and strength. Thin: 5 to 95 %; thick: the middle half; dot: median."
    note += f" Hollow: published {signed(theirs)} (vendor page)." if known(theirs) else ""
    drafts.append(("configurations", "half", "Gain in ICIR over random configurations", note, _spread(study)))
    note = f"{at} sessions ahead. Dot: the graph. Grey: band of rewired graphs."
    for place, relation in enumerate(relations(study)):
        drafts.append((f"factors-{place}", "half", f"ΔICIR of each factor, {relation}", note, _factors(study, relation, at)))
    return tuple(
        Chart(key=key, shape=shape, title=title, note=said, figure=figure, numbers=numbers.pruned() if numbers.rows else None)
        for key, shape, title, said, (figure, numbers) in drafts
        if figure is not None
    )


def _named(title: str, names: Sequence[str], *, each: int) -> go.Figure:
    """A figure of a row a name, the first at the top at y = number of names."""
    figure, size = new_figure(title, "", height=90 + each * max(len(names), 2)), len(names)
    ticks = [label(name, _WIDEST) for name in names]
    figure.update_yaxes(tickvals=[size - k for k in range(size)], ticktext=ticks, tickfont_size=11, zeroline=False, showgrid=False)
    figure.update_yaxes(range=[0.4, size + 0.6])
    figure.update_xaxes(zeroline=True, zerolinecolor=MUTED, nticks=6, tickangle=0)
    return figure


def _segments(figure: go.Figure, spans: Sequence[tuple[float, float, int]], *, width: float, shade: str, name: str = "") -> None:
    """Flat lines from low to high at a height."""
    if not spans:
        return
    figure.add_scatter(
        x=[end for low, high, _ in spans for end in (low, high, None)],
        y=[end for _, _, at in spans for end in (at, at, None)],
        mode="lines",
        line={"width": width, "color": shade},
        name=name,
        showlegend=bool(name),
        hoverinfo="skip",
    )


def _dots(figure: go.Figure, points: Sequence[tuple[float, int]], look: dict[str, Any], name: str) -> None:
    if points:
        figure.add_scatter(
            x=[x for x, _ in points], y=[y for _, y in points], mode="markers", marker=look, name=name, hovertemplate="%{x:+.3f}"
        )


def _beside(title: str, held: Sequence[Record], names: Sequence[str], *, each: int) -> go.Figure:
    """Matched figure of rows over the band of their placebos; the figure on all sessions where there is no placebo."""
    figure, size = _named(title, names, each=each), len(names)
    bands = [(k, row) for k, row in enumerate(held) if known(row.get("placebo_low")) and known(row.get("placebo_high"))]
    _segments(
        figure, [(row["placebo_low"], row["placebo_high"], size - k) for k, row in bands], width=9, shade="#d5dae2", name="rewired graphs"
    )
    means = [(row["placebo_mean"], size - k) for k, row in bands if known(row.get("placebo_mean"))]
    look = {"size": 11, "symbol": "line-ns", "line": {"width": 2, "color": MUTED}, "color": MUTED}
    _dots(figure, means, look, "their mean")
    found = [(value, size - k) for k, row in enumerate(held) if (value := _own(row)) is not None]
    _dots(figure, found, {"size": 9, "color": COLOURS[0]}, "the graph")
    return figure


def _padded(figure: go.Figure) -> go.Figure:
    """The figure with air left and right of what is drawn, and 0 inside."""
    held = [0.0, *(each for trace in figure.data for each in trace.x if known(each))]
    air = 0.05 * (max(held) - min(held)) or 0.01
    figure.update_xaxes(range=[min(held) - air, max(held) + air])
    return figure


def _own(row: Record) -> float | None:
    """Mean gain or ΔICIR on the sessions of the placebos, or on all where there are none."""
    return next((row[name] for name in ("matched_gain", "mean_gain", "matched_delta", "delta") if known(row.get(name))), None)


def _verdicts(study: AmplifierStudy) -> Drawn:
    order = relations(study)
    held = sorted(
        rows(study.verdicts),
        key=lambda row: (order.index(row["relation"]) if row.get("relation") in order else 99, row.get("horizon") or 0),
    )
    figure = _beside("mean gain in ICIR", held, [f"{row.get('relation')}, {row.get('horizon')}" for row in held], each=30)
    made = tuple((cell_name(row.get("relation"), row.get("horizon")), *_figures(row)) for row in held)
    return drawn(_padded(figure)), Numbers(("", "Mean gain", "Rewired, mean", "Band"), made, words=1)


def _figures(row: Record) -> tuple[str, str, str]:
    return signed(_own(row)), signed(row.get("placebo_mean")), span(row.get("placebo_low"), row.get("placebo_high"))


def _factors(study: AmplifierStudy, relation: str, horizon: int | None) -> Drawn:
    held = [row for row in rows(study.rows, relation=relation, horizon=horizon) if _own(row) is not None]
    held.sort(key=lambda row: -(_own(row) or 0.0))
    figure = _beside("ΔICIR", held, [str(row.get("factor")) for row in held], each=22)
    made = tuple((str(row.get("factor")), *_figures(row)) for row in held)
    return drawn(_padded(figure)), Numbers(("Factor", "ΔICIR", "Rewired, mean", "Band"), made, words=1)


def _spread(study: AmplifierStudy) -> Drawn:
    order = relations(study)
    held = sorted(
        rows(study.spread), key=lambda row: (order.index(row["relation"]) if row.get("relation") in order else 99, row.get("horizon") or 0)
    )
    names = [f"{row.get('relation')}, {row.get('horizon')}" for row in held]
    figure, size = _named("ΔICIR", names, each=30), len(held)
    for low, high, width, shade in (("q05", "q95", 2, INK), ("q25", "q75", 9, "#9cc3ea")):
        spans = [(row[low], row[high], size - k) for k, row in enumerate(held) if known(row.get(low)) and known(row.get(high))]
        _segments(figure, spans, width=width, shade=shade)
    middles = [(row["median"], size - k) for k, row in enumerate(held) if known(row.get("median"))]
    _dots(figure, middles, {"size": 9, "color": COLOURS[0]}, "median")
    theirs = study.published.get("delta")
    same = [k for k, row in enumerate(held) if row.get("horizon") == study.published.get("horizon")]
    at = [(float(theirs), size - k) for k in same] if theirs is not None and known(theirs) else []
    _dots(figure, at, {"size": 9, "color": MUTED, "symbol": "diamond-open"}, "published (vendor page)")
    return drawn(_padded(figure)), Numbers(
        ("", "Configurations", "Median", "5 to 95 %", "Above 0"), tuple(_spread_row(row) for row in held), words=1
    )


def _spread_row(row: Record) -> tuple[str, ...]:
    ends = span(row.get("q05"), row.get("q95"))
    name = cell_name(row.get("relation", DASH), row.get("horizon", DASH))
    return name, count(row.get("configurations")), signed(row.get("median")), ends, percent(row.get("share_positive"))
