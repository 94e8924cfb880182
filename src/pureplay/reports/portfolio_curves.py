"""Charts of a portfolio study over time and over account size: wealth, losses, years, capacity. Each comes with its numbers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go
import polars as pl

from pureplay.reports.drawing import INK, MUTED, colour, drawn, new_figure, ribbon
from pureplay.reports.formats import DASH, count, day, label, number, percent, signed
from pureplay.reports.gallery import Numbers
from pureplay.reports.portfolio_rows import Record, controls, is_shuffle, kind_title, kinds, known, plain_design, score_title, scores
from pureplay.reports.portfolio_sheets import share
from pureplay.reports.study_bases import Drawn
from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = ["capacity", "losses", "money", "shade", "wealth", "years"]

_HUES: Final = (0, 2, 3, 4)
_EVERY: Final = 5  # sessions between the points of a line
_DASHES: Final = ("dot", "dashdot", "longdash")
_GROSS: Final = "4px,3px"
_GREY: Final = "#8d95a1"
_BAND: Final = "#4b5563"
_TICKS: Final = (
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    1.0,
    1.2,
    1.4,
    1.7,
    2.0,
    2.5,
    3.0,
    4.0,
    5.0,
    7.0,
    10.0,
    15.0,
    20.0,
    30.0,
    50.0,
    100.0,
)
_MOST_TICKS: Final = 9


def shade(study: PortfolioStudy, score: str) -> str:
    """Colour of a score; grey where it holds no product information."""
    informed = scores(study)
    return colour(_HUES[informed.index(score) % len(_HUES)]) if score in informed else _GREY


def _series(study: PortfolioStudy, kind: str, score: str) -> pl.DataFrame:
    return study.daily.filter(kind=kind, score=score).sort("date")


def _thin(frame: pl.DataFrame) -> pl.DataFrame:
    """Every so many rows, and the last one."""
    picked = sorted({*range(0, frame.height, _EVERY), frame.height - 1}) if frame.height else []
    return frame[picked]


def _points(column: pl.Series, factor: float = 1.0, digits: int = 4) -> list[float | None]:
    return [round(factor * each, digits) if known(each) else None for each in column.to_list()]


def _shuffles(study: PortfolioStudy, kind: str) -> pl.DataFrame:
    """Least and largest net wealth of the shuffles by date."""
    names = [each for each in study.daily["score"].unique(maintain_order=True) if is_shuffle(each)]
    held = study.daily.filter((pl.col("kind") == kind) & pl.col("score").is_in(names) & pl.col("wealth_net").is_finite())
    return held.group_by("date").agg(low=pl.col("wealth_net").min(), high=pl.col("wealth_net").max(), names=pl.len()).sort("date")


def wealth(study: PortfolioStudy, kind: str) -> Drawn:
    """Net and gross wealth of the plain design on a log axis, with controls, the range of the shuffles, and the indices long-only."""
    figure = new_figure("", "growth of 1", height=400)
    rows: list[tuple[str, ...]] = []
    band = _thin(_shuffles(study, kind))
    if band.height:
        ribbon(figure, band["date"].to_list(), _figures(band["low"]), _figures(band["high"]), _BAND)
        figure.data[-1].update(name="shuffles, net", showlegend=True)
    for score in (*scores(study), *controls(study)):
        held = _series(study, kind, score)
        rows += _year_ends(score_title(score), held, ("wealth_net", "wealth_gross"))
        hue, informed = shade(study, score), score in scores(study)
        dash = "solid" if informed or score == next(iter(controls(study)), None) else "6px,3px"
        _line(figure, _thin(held), "wealth_net", label(score), {"color": hue, "width": 2 if informed else 1.4, "dash": dash})
        if informed:
            _line(figure, _thin(held), "wealth_gross", f"{label(score)}, gross", {"color": hue, "width": 1, "dash": _GROSS}, named=False)
    for place, (name, held) in enumerate(_indices(study, kind)):
        rows += _year_ends(name, held, ("wealth",))
        _line(figure, _thin(held), "wealth", label(name), {"color": INK, "width": 1.4, "dash": _DASHES[place % len(_DASHES)]})
    _log_axis(figure)
    return drawn(figure), Numbers(("", "Date", "Net", "Gross"), tuple(rows))


def _figures(column: pl.Series) -> list[float]:
    return [round(float(each), 4) for each in column.to_list()]


def _line(figure: go.Figure, held: pl.DataFrame, column: str, name: str, line: Mapping[str, Any], *, named: bool = True) -> None:
    if not held.height:
        return
    figure.add_scatter(
        x=held["date"].to_list(),
        y=_points(held[column]),
        name=name,
        mode="lines",
        line=dict(line),
        showlegend=named,
        hovertemplate="%{x|%Y-%m-%d}: %{y:.3f}",
    )


def _indices(study: PortfolioStudy, kind: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Indices from the first day of the accounts on, where they start at 1; long-only alone."""
    opened = study.daily.filter(kind=kind)["date"].min()
    if kind != "long_only" or opened is None:
        return
    for name in study.index_daily["benchmark"].unique(maintain_order=True):
        held = study.index_daily.filter((pl.col("benchmark") == name) & (pl.col("date") >= opened)).sort("date")
        if held.height and known(held["wealth"][0]) and held["wealth"][0] > 0:
            yield name, held.with_columns(wealth=pl.col("wealth") / held["wealth"][0])


def _year_ends(name: str, held: pl.DataFrame, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    last = held.group_by(pl.col("date").dt.year().alias("year"), maintain_order=True).last()
    for row in last.to_dicts():
        yield (name, day(row["date"]), *(number(row[column], 3) for column in columns), *([""] * (2 - len(columns))))


def _log_axis(figure: go.Figure) -> None:
    """A log axis with round ticks over what is drawn."""
    held = [y for trace in figure.data for y in trace.y or () if known(y) and y > 0]
    if not held:
        return
    low, high = min(held), max(held)
    ticks = [each for each in _TICKS if low / 1.1 <= each <= high * 1.1]
    while len(ticks) > _MOST_TICKS:
        ticks = [each for k, each in enumerate(reversed(ticks)) if k % 2 == 0][::-1]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{each:g}" for each in ticks], zeroline=False)
    figure.update_yaxes(range=[math.log10(low / 1.06), math.log10(high * 1.06)])


def losses(study: PortfolioStudy, kind: str) -> Drawn:
    """Net wealth below its earlier peak, the money at the start being a peak."""
    figure, rows = new_figure("", "below the peak, %", height=320), []
    for score in (*scores(study), *controls(study)[:1]):
        held = _series(study, kind, score).filter(pl.col("wealth_net").is_finite())
        if not held.height:
            continue
        deep = held.select("date", below=pl.col("wealth_net") / pl.max_horizontal(pl.lit(1.0), pl.col("wealth_net").cum_max()) - 1)
        worst = deep.sort("below", maintain_order=True).row(0, named=True)
        rows.append((score_title(score), percent(worst["below"]), day(worst["date"]), percent(deep["below"][-1])))
        blocks = (
            deep.with_row_index("at")
            .group_by(pl.col("at") // _EVERY, maintain_order=True)
            .agg(pl.col("date").last(), pl.col("below").min())
        )
        figure.add_scatter(
            x=blocks["date"].to_list(),
            y=_points(blocks["below"], 100, 2),
            name=label(score),
            mode="lines",
            line={"color": shade(study, score), "width": 1.6 if score in scores(study) else 1.2},
            hovertemplate="%{x|%Y-%m-%d}: %{y:.1f} %",
        )
    figure.update_yaxes(ticksuffix=" %", zeroline=True)
    return drawn(figure), Numbers(("", "Lowest", "On", "At the end"), tuple(rows), words=1)


def years(study: PortfolioStudy, kind: str) -> Drawn:
    """Net return of each calendar year by score; partial years are hatched."""
    figure, rows = new_figure("", "net return, %", height=320), []
    for score in (*scores(study), *controls(study)[:1]):
        held = study.years.filter(kind=kind, score=score, design=plain_design(study)).sort("year").to_dicts()
        rows += [_year_row(each) for each in held]
        figure.add_bar(
            x=[each["year"] for each in held],
            y=[round(100 * each["net"], 3) if known(each["net"]) else None for each in held],
            name=label(score),
            marker={"color": shade(study, score), "pattern": {"shape": ["/" if each["partial"] else "" for each in held]}},
            hovertemplate="%{x}: %{y:+.1f} %",
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_xaxes(dtick=1, showgrid=False, tickformat="d")
    figure.update_yaxes(ticksuffix=" %")
    return drawn(figure), Numbers(("", "Year", "Months", "Net", "Gross", "Sharpe, net", "Largest loss", "Turnover"), tuple(rows))


def _year_row(row: Record) -> tuple[str, ...]:
    when = f"{row['year']}{' (partial)' if row['partial'] else ''}"
    figures = (share(row["net"]), share(row["gross"]), signed(row["sharpe_net"], 2), percent(row["max_drawdown"]))
    return (
        score_title(row["score"]),
        when,
        count(row["months"]),
        *figures,
        DASH if not known(row["turnover"]) else f"{row['turnover']:.1f}×",
    )


def money(value: float | None) -> str:
    """An account size such as 10 m or 1 bn."""
    if value is None or not known(value):
        return DASH
    for size, unit in ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}\u00a0{unit}"
    return f"{value:g}"


def capacity(study: PortfolioStudy) -> Drawn:
    """Gross, net and cost a year against the capital of the account, log axis."""
    figure, rows = new_figure("capital at the start, currency of the bars", "a year, %", height=360), []
    sizes = sorted({each for each in study.capacity["capital"].to_list() if known(each)})
    for place, kind in enumerate(kinds(study.capacity)):
        held = study.capacity.filter(kind=kind).sort("capital").to_dicts()
        hue = colour(_HUES[place % len(_HUES)])
        for name, dash, width in (("net", "solid", 2.0), ("gross", _GROSS, 1.2), ("cost", "dot", 1.6)):
            figure.add_scatter(
                x=[each["capital"] for each in held],
                y=[round(100 * each[name], 3) if known(each[name]) else None for each in held],
                name=f"{kind_title(kind)}, {name}",
                mode="lines+markers",
                marker={"size": 6 if name == "net" else 4, "color": hue},
                line={"color": hue, "dash": dash, "width": width},
                hovertemplate="%{x:,.0f}: %{y:+.2f} %",
            )
        rows += [
            (
                *(kind_title(kind), money(each["capital"])),
                *(share(each[name]) for name in ("net", "gross")),
                *(percent(each[name]) for name in ("cost", "impact", "blocked_share")),
            )
            for each in held
        ]
    figure.update_xaxes(type="log", tickvals=sizes, ticktext=[money(each) for each in sizes])
    figure.update_yaxes(ticksuffix=" %", zerolinecolor=MUTED)
    return drawn(figure), Numbers(("", "Capital", "Net", "Gross", "Cost", "Impact", "Blocked"), tuple(rows))
