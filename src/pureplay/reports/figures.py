"""Charts of a study: pure functions from records to plotly figures, one colour and marker a study.

Every function takes the studies to overlay, in order, and returns None where none of them has anything to draw; a study without a
verdict takes part in coverage alone. Text that comes from a record is escaped for plotly. Titles stand beside a chart on the page, not
inside it: see `gallery`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from pureplay.evaluate.records import CRITICAL_T, OrthogonalICIR, Period
from pureplay.reports.drawing import COLOURS, INK, MUTED, box, colour, dot_rows, drawn, marks, new_figure, scaled, style, tick
from pureplay.reports.formats import count, extent, label
from pureplay.studies.records import MomentumStudy

__all__ = [
    "autocorrelation",
    "calendar_years",
    "coverage",
    "cumulative_ic",
    "factor_correlation",
    "horizons",
    "offset_strip",
    "quantile_curve",
    "shuffle_strip",
]

Studies: TypeAlias = Sequence[MomentumStudy]

_STAGES: Final = (  # of coverage, from the widest to what is scored
    ("traded", "#c3c9d2", "solid"),
    ("universe", "#8f97a3", "solid"),
    ("filed", "#5b6470", "dot"),
    ("covered", "#6aa5dc", "solid"),
    ("scored", COLOURS[0], "solid"),
)


def _judged(studies: Studies) -> Iterator[tuple[int, MomentumStudy, OrthogonalICIR]]:
    return ((index, study, study.verdict) for index, study in enumerate(studies) if study.verdict is not None)


def _correlations(table: pl.DataFrame) -> dict[Any, float]:
    """The known values of a table of key and rank_correlation."""
    return dict(table.filter(pl.col("rank_correlation").is_finite()).iter_rows()) if table.height else {}


def _is_year(period: Period) -> bool:
    return period.label.isdecimal() and len(period.label) == 4


def cumulative_ic(studies: Studies) -> go.Figure | None:
    """Running sum of the daily rank IC, orthogonal and (dimmed) raw; a dashed line where the out-of-sample period starts."""
    figure = new_figure("", "sum of daily rank IC", height=360)
    for index, study, verdict in _judged(studies):
        for summary, kind in ((verdict.raw, "raw"), (verdict.orthogonal, "orthogonal")):
            known = summary.daily.filter(pl.col("ic").is_finite()).sort("date")
            main = kind == "orthogonal"
            figure.add_scatter(
                x=known["date"].to_list(),
                y=known["ic"].cum_sum().round(4).to_list(),
                name=f"{label(study.name)}, {kind}",
                mode="lines",
                line={"color": colour(index), "width": 2 if main else 1.2},
                opacity=1 if main else 0.4,
                hovertemplate="%{x|%Y-%m-%d}: %{y:.1f}",
            )
    _mark_split(figure, studies)
    return drawn(figure)


def _mark_split(figure: go.Figure, studies: Studies) -> None:
    """A dashed line at each first day out of sample."""
    found = {later.first for _, _, verdict in _judged(studies) if (later := verdict.orthogonal.period("out of sample")) is not None}
    for first in sorted(found):
        figure.add_vline(x=first.isoformat(), line={"color": MUTED, "width": 1, "dash": "dash"})
        figure.add_annotation(
            x=first.isoformat(), y=1, yref="paper", text="out of sample →", showarrow=False, xanchor="left", yanchor="top", xshift=3,
            font={"size": 11, "color": MUTED},
        )  # fmt: skip


def offset_strip(studies: Studies) -> go.Figure | None:
    """Each rebalance offset's orthogonal ICIR as a dot (0 at the bottom of its row), their mean as a line, the null's 95 % shaded."""
    shown = [(index, study, verdict.orthogonal) for index, study, verdict in _judged(studies)]
    figure = dot_rows("ICIR per period", [(index, study.name, summary.icir) for index, study, summary in shown])
    for row, (index, study, summary) in enumerate(shown):
        base, grid = len(shown) - 1 - row, max(summary.grid_sessions - 1, 1)
        if summary.null is not None:
            band = dict(summary.null.quantiles)
            box(figure, band.get(0.025), band.get(0.975), base)
        tick(figure, summary.icir, base, colour(index))
        figure.add_scatter(
            x=[each.icir for each in summary.offsets],
            y=[base + 0.1 + 0.6 * each.offset / grid for each in summary.offsets],
            customdata=[[each.offset, each.n] for each in summary.offsets],
            name=label(study.name),
            hovertemplate="offset %{customdata[0]}: %{x:+.3f} (%{customdata[1]} dates)",
            **marks(index, size=8),
        )
    return drawn(figure)


def shuffle_strip(studies: Studies) -> go.Figure | None:
    """Nested t of every within-industry shuffle as a dot, the signal's own as a large mark, the 2.5 % bar dotted."""
    shown = [(index, study, verdict) for index, study, verdict in _judged(studies) if verdict.shuffled_t]
    figure = dot_rows(
        "nested t", [(index, study.name, verdict.nested.test.t if verdict.nested else None) for index, study, verdict in shown], digits=2
    )
    for row, (index, study, verdict) in enumerate(shown):
        base = len(shown) - 1 - row
        box(figure, *extent(verdict.shuffled_t), base)
        figure.add_scatter(
            x=list(verdict.shuffled_t),
            y=[base + 0.12 + 0.56 * ((0.618034 * k) % 1) for k in range(len(verdict.shuffled_t))],  # golden ratio: apart without chance
            name="shuffle",
            mode="markers",
            marker={"size": 7, "color": "#ffffff", "line": {"color": MUTED, "width": 1.2}},
            hovertemplate="shuffle: %{x:+.2f}",
        )
        if verdict.nested is not None:
            figure.add_scatter(
                x=[verdict.nested.test.t],
                y=[base + 0.4],
                name=label(study.name),
                hovertemplate="signal: %{x:+.2f}",
                **marks(index, size=15),
            )
    figure.add_vline(x=CRITICAL_T, line={"color": MUTED, "width": 1, "dash": "dot"})
    return drawn(figure)


def calendar_years(studies: Studies) -> go.Figure | None:
    """Orthogonal ICIR by calendar year; hatched where the year is partial, whiskers from the smallest to the largest offset."""
    figure = new_figure("", "ICIR per period", height=320)
    found = [(index, study, [each for each in verdict.orthogonal.periods if _is_year(each)]) for index, study, verdict in _judged(studies)]
    months: dict[str, set[int]] = {}
    for each in sorted((year for _, _, years in found for year in years), key=lambda each: each.label):
        months.setdefault(each.label, set()).add(each.months)
    ticks = {year: f"{year}<br>{'/'.join(str(each) for each in sorted(span))} m" for year, span in months.items()}
    for index, study, years in found:
        entry = {"size": 12, "color": colour(index), "symbol": "square"}  # the legend's own: that of a bar takes on the hatching
        figure.add_scatter(x=[None], y=[None], name=label(study.name), mode="markers", marker=entry)
        figure.add_bar(
            x=[ticks[each.label] for each in years],
            y=[each.icir for each in years],
            name=label(study.name),
            showlegend=False,
            marker={
                "color": colour(index),
                "pattern": {
                    "shape": ["/" if each.months < 12 else "" for each in years],
                    "fillmode": "overlay",
                    "fgcolor": "#ffffff",
                    "size": 6,
                },
            },
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [each.icir_max - each.icir for each in years],
                "arrayminus": [each.icir - each.icir_min for each in years],
                "color": "#9aa2ad",
                "thickness": 1,
                "width": 2,
            },
            hovertemplate="%{x}: %{y:+.3f}",
        )
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(ticks.values()), showgrid=False)
    figure.update_layout(bargap=0.35, bargroupgap=0.08)
    return drawn(figure)


def horizons(studies: Studies) -> go.Figure | None:
    """Orthogonal ICIR by horizon: as measured (open, dotted) and deflated for overlap by √(horizon / grid) (filled)."""
    figure = new_figure("sessions ahead", "ICIR per period", height=320)
    ticks: set[int] = set()
    for index, study, _ in _judged(studies):
        made = sorted(study.horizons, key=lambda each: each.horizon_sessions)
        ticks |= {each.horizon_sessions for each in made}
        for kind, values in (("as measured", [each.icir for each in made]), ("deflated", [each.icir_deflated for each in made])):
            measured = kind == "as measured"
            style = marks(index, size=8, mode="lines+markers")
            style["line"] = {"color": colour(index), "width": 1 if measured else 1.8, "dash": "dot" if measured else "solid"}
            if measured:
                style["marker"] = {**style["marker"], "symbol": f"{style['marker']['symbol']}-open", "size": 10}
            figure.add_scatter(
                x=[each.horizon_sessions for each in made],
                y=values,
                name=f"{label(study.name)}, {kind}",
                hovertemplate="%{x} sessions: %{y:+.3f}",
                **style,
            )
    figure.update_xaxes(type="log", tickvals=sorted(ticks), ticktext=[count(each) for each in sorted(ticks)], showgrid=False)
    figure.update_yaxes(rangemode="tozero")
    return drawn(figure)


def quantile_curve(studies: Studies) -> go.Figure | None:
    """Mean excess forward return by score quantile in percent, with 95 % intervals from EWC standard errors."""
    figure = new_figure("score quantile (1 = lowest)", "mean excess return, %", height=320)
    for index, study, _ in _judged(studies):
        if study.quantiles.height == 0:
            continue
        figure.add_scatter(
            x=[each + 0.08 * index for each in study.quantiles["quantile"].to_list()],
            y=scaled(study.quantiles["excess_return"], 100),
            error_y={"type": "data", "array": scaled(study.quantiles["se"], 100 * CRITICAL_T), "thickness": 1.2, "width": 3},
            customdata=study.quantiles["quantile"].to_list(),
            name=label(study.name),
            hovertemplate="quantile %{customdata}: %{y:+.2f} %",
            **marks(index, size=8, mode="lines+markers"),
        )
    figure.update_xaxes(tickmode="linear", tick0=1, dtick=1, showgrid=False)
    figure.update_yaxes(ticksuffix=" %")
    return drawn(figure)


def coverage(studies: Studies) -> go.Figure | None:
    """Stocks a day from traded to scored, one panel a study on a common time axis."""
    shown = [study for study in studies if study.coverage.height]
    panels = max(len(shown), 1)
    titles = [label(study.name, 60) for study in shown] if len(shown) > 1 else None
    figure = make_subplots(rows=panels, cols=1, shared_xaxes=True, vertical_spacing=0.16 / panels, subplot_titles=titles)
    style(figure, height=110 + 190 * panels)
    for panel, study in enumerate(shown, start=1):
        daily = study.coverage.sort("date")
        for stage, shade, dash in _STAGES:
            figure.add_scatter(
                x=daily["date"].to_list(),
                y=daily[stage].to_list(),
                name=stage,
                legendgroup=stage,
                showlegend=panel == 1,
                mode="lines",
                line={"color": shade, "width": 2 if stage == "scored" else 1.4, "dash": dash},
                hovertemplate="%{x|%Y-%m-%d}: %{y:,}",
                row=panel,
                col=1,
            )
    if titles:
        figure.update_layout(margin_t=62, legend_y=1 + 0.14 / panels)
    figure.update_yaxes(title="stocks", rangemode="tozero", separatethousands=True)
    figure.update_annotations(font={"size": 12, "color": INK}, x=0, xanchor="left")
    return drawn(figure)


def autocorrelation(studies: Studies) -> go.Figure | None:
    """Rank correlation of the composite with itself some sessions before."""
    figure = new_figure("lag, sessions", "rank correlation", height=290)
    lags: set[int] = set()
    for index, study, _ in _judged(studies):
        known = _correlations(study.autocorrelation)
        lags |= set(known)
        figure.add_scatter(
            x=[str(each) for each in known],
            y=list(known.values()),
            name=label(study.name),
            hovertemplate="lag %{x}: %{y:+.3f}",
            **marks(index, size=8, mode="lines+markers"),
        )
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=[str(each) for each in sorted(lags)], showgrid=False)
    figure.update_yaxes(rangemode="tozero")
    return drawn(figure)


def factor_correlation(studies: Studies) -> go.Figure | None:
    """Mean rank correlation of the composite with each base factor, the strongest at the top."""
    known = [(index, study, _correlations(study.factor_correlation)) for index, study, _ in _judged(studies)]
    strength: dict[str, float] = {}
    for _, _, values in known:
        for factor, value in values.items():
            strength.setdefault(factor, abs(value))
    order = sorted(strength, key=lambda factor: strength[factor])
    figure = new_figure("mean rank correlation", "", height=max(430, 110 + 26 * len(order)))
    for index, study, values in known:
        names = [factor for factor in order if factor in values]
        figure.add_scatter(
            x=[values[factor] for factor in names],
            y=[label(factor, 18) for factor in names],
            name=label(study.name),
            hovertemplate="%{y}: %{x:+.3f}",
            **marks(index, size=9),
        )
    figure.update_xaxes(zeroline=True, zerolinecolor=MUTED)
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=[label(each, 18) for each in order], gridcolor="#f0f2f5")
    return drawn(figure)
