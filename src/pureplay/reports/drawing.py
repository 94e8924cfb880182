"""What every chart shares: colours, axes, markers, and rows of dots. Light theme, no chart junk, colour-blind-safe."""

import math
from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go
import polars as pl

from pureplay.reports.formats import label, signed

__all__ = [
    "BAND",
    "COLOURS",
    "INK",
    "MUTED",
    "RULE",
    "box",
    "colour",
    "dot_rows",
    "drawn",
    "marks",
    "named_rows",
    "new_figure",
    "ribbon",
    "scaled",
    "style",
    "tick",
]

COLOURS: Final = ("#0b5cad", "#737b87", "#c2570c", "#0f766e", "#8b4fb3")
"""Of the studies in order: the accent, then neutral, then hues that stay apart for the colour-blind; they repeat after five."""

INK: Final = "#374151"
MUTED: Final = "#6b7280"
RULE: Final = "#e5e7eb"
BAND: Final = "#e6eaf0"

_SYMBOLS: Final = ("circle", "diamond", "square", "triangle-up", "x")
_FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", "Noto Sans CJK SC", sans-serif'


def colour(index: int) -> str:
    """Of the study at a position."""
    return COLOURS[index % len(COLOURS)]


def marks(index: int, *, size: int, mode: str = "markers") -> dict[str, Any]:
    """Marker and line of the study at a position: apart by colour and by shape."""
    marker = {"size": size, "color": colour(index), "symbol": _SYMBOLS[index % len(_SYMBOLS)]}
    return {"mode": mode, "marker": marker, **({"line": {"color": colour(index), "width": 1.8}} if "lines" in mode else {})}


def new_figure(x_title: str, y_title: str, *, height: int) -> go.Figure:
    """An empty figure in the house style; the width is the reader's."""
    figure = go.Figure()
    style(figure, height=height)
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(title=y_title)
    return figure


def style(figure: go.Figure, *, height: int) -> None:
    """Give a figure fonts, margins, legend and axes. Dragging is off, so that a page scrolls under a finger."""
    figure.update_layout(
        template="none",
        height=height,
        font={"family": _FONT, "size": 12, "color": INK},
        margin={"l": 52, "r": 14, "t": 34, "b": 44},
        paper_bgcolor="#ffffff",
        plot_bgcolor="#ffffff",
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        hoverlabel={"bgcolor": "#ffffff", "bordercolor": RULE, "font": {"color": INK}, "namelength": 40},
        dragmode=False,
    )
    axis = {"gridcolor": RULE, "zerolinecolor": "#b6bcc6", "linecolor": RULE, "tickcolor": RULE, "automargin": True, "fixedrange": True}
    figure.update_xaxes(title_font_size=12, zeroline=False, **axis)
    figure.update_yaxes(title_font_size=12, title_standoff=8, zeroline=True, **axis)


def drawn(figure: go.Figure) -> go.Figure | None:
    """The figure, or None where no trace of it holds a point."""
    held = (zip(trace.x or (), trace.y or (), strict=True) for trace in figure.data)
    return figure if any(_is_number(x) and _is_number(y) for points in held for x, y in points) else None


def _is_number(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def scaled(column: pl.Series, factor: float) -> list[float | None]:
    """Values of a column times a factor, None where missing."""
    return [None if value is None or not math.isfinite(value) else factor * value for value in column.to_list()]


def dot_rows(x_title: str, names: Sequence[tuple[int, str, float | None]], *, digits: int = 3) -> go.Figure:
    """A figure of one row a study, each under its name and headline figure; row k from the bottom spans y = k to k + 1."""
    figure = new_figure(x_title, "", height=90 + 150 * max(len(names), 1))
    for row, (index, name, value) in enumerate(names):
        figure.add_annotation(
            x=0, xref="paper", xanchor="left", y=len(names) - row - 0.04, yanchor="top", showarrow=False,
            text=f"<b>{label(name)}</b>  {signed(value, digits)}", font={"size": 12, "color": colour(index)}, bgcolor="#ffffff",
        )  # fmt: skip
    figure.update_yaxes(range=[0, max(len(names), 1)], visible=False)
    figure.update_xaxes(zeroline=True, zerolinecolor=MUTED)
    figure.update_layout(showlegend=False, margin={"l": 14, "r": 14, "t": 8, "b": 44})
    return figure


def box(figure: go.Figure, low: float | None, high: float | None, base: int) -> None:
    """Shade an interval of a row, behind its dots."""
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        figure.add_shape(type="rect", x0=low, x1=high, y0=base + 0.04, y1=base + 0.76, fillcolor=BAND, line_width=0, layer="below")


def tick(figure: go.Figure, value: float, base: int, shade: str) -> None:
    """Mark a value of a row by an upright line."""
    if math.isfinite(value):
        figure.add_shape(type="line", x0=value, x1=value, y0=base + 0.04, y1=base + 0.76, line={"color": shade, "width": 2})


def ribbon(figure: go.Figure, x: Sequence[float], low: Sequence[float], high: Sequence[float], shade: str) -> None:
    """Shade what lies between two curves."""
    red, green, blue = (int(shade[at : at + 2], 16) for at in (1, 3, 5))
    hidden = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=list(x), y=list(low), **hidden)
    figure.add_scatter(x=list(x), y=list(high), fill="tonexty", fillcolor=f"rgba({red},{green},{blue},0.14)", **hidden)
    figure.update_layout(legend_traceorder="normal")  # a filled trace would turn it round


def named_rows(x_title: str, names: Sequence[str], *, height: int = 46) -> go.Figure:
    """A figure of one row a name, which stands above its dots; row k from the top has its dots near y = n - k - 0.7."""
    figure = new_figure(x_title, "", height=96 + height * max(len(names), 1))
    for row, name in enumerate(names):
        figure.add_annotation(
            x=0, xref="paper", xanchor="left", y=len(names) - row - 0.02, yanchor="top", showarrow=False, borderpad=0,
            text=label(name, 58), font={"size": 11.5, "color": INK}, bgcolor="#ffffff",
        )  # fmt: skip
    figure.update_yaxes(range=[0, max(len(names), 1)], visible=False)
    figure.update_xaxes(zeroline=True, zerolinecolor=MUTED)
    figure.update_layout(margin={"l": 14, "r": 14, "t": 40, "b": 44})
    return figure
