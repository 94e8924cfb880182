"""Charts of what construction S takes out of returns: fit by date and what the factors earned. Each comes with its numbers."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Final

import polars as pl

from pureplay.reports.drawing import COLOURS, drawn, new_figure
from pureplay.reports.formats import count, label, number, percent, signed
from pureplay.reports.gallery import Numbers
from pureplay.reports.study_bases import Drawn
from pureplay.studies.records import ConstructionStudy

__all__ = ["factor_returns", "fit_by_date"]

_ROLLING: Final = 60
_EVERY: Final = 5  # sessions between points of a cumulated line
_SHOWN: Final = 5  # lines to start with; the rest wait in the legend
_DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash")
_NOT_FACTORS: Final = ("date", "r2", "names", "intercept")


def _residualised(made: Sequence[ConstructionStudy]) -> pl.DataFrame | None:
    return next((each.residualisation for each in made if each.residualisation is not None and each.residualisation.height), None)


def fit_by_date(made: Sequence[ConstructionStudy]) -> Drawn:
    """R² of the daily cross-sectional regression, and its mean over 60 sessions."""
    figure, frame = new_figure("", "R²", height=300), _residualised(made)
    if frame is None:
        return None, Numbers((), ())
    daily = frame.filter(pl.col("r2").is_finite()).sort("date")
    dates = daily["date"].to_list()
    smooth = daily["r2"].rolling_mean(_ROLLING, min_samples=_ROLLING // 3)
    for values, name, line in (
        (daily["r2"], "by date", {"color": "#a9c8e6", "width": 1}),
        (smooth, f"mean of {_ROLLING} sessions", {"color": COLOURS[0], "width": 2}),
    ):
        y = [None if each is None else round(each, 4) for each in values.to_list()]
        figure.add_scatter(x=dates, y=y, name=name, mode="lines", line=line, hovertemplate="%{x|%Y-%m-%d}: %{y:.1%}")
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    yearly = daily.group_by(pl.col("date").dt.year().alias("year")).agg(
        pl.len(), *(getattr(pl.col("r2"), how)().alias(how) for how in ("mean", "min", "max")), pl.col("names").median()
    )
    rows = tuple(
        (str(year), count(dates), percent(mean), percent(low), percent(high), count(names))
        for year, dates, mean, low, high, names in yearly.sort("year").iter_rows()
    )
    return drawn(figure), Numbers(("Year", "Dates", "Mean R²", "Smallest", "Largest", "Names"), rows, words=1)


def factor_returns(made: Sequence[ConstructionStudy], ladder: Sequence[str]) -> Drawn:
    """Sum of the daily factor returns in percent; a few lines, the others a touch of the legend away. ladder: the order of the lines."""
    figure, frame = new_figure("", "sum of daily returns, %", height=460), _residualised(made)
    if frame is None:
        return None, Numbers((), ())
    found = [name for name in frame.columns if name not in _NOT_FACTORS]
    daily = frame.sort("date").with_columns(pl.col(found).cast(pl.Float64).fill_nan(None))
    start = next((k for k, row in enumerate(daily.select(found).iter_rows()) if any(each is not None for each in row)), daily.height)
    daily = daily.slice(start)  # lines start where the first factor does
    if not daily.height:
        return None, Numbers((), ())
    names = [*(each for each in ladder if each in found), *(each for each in found if each not in ladder)]
    picked = sorted({*range(0, daily.height, _EVERY), daily.height - 1})
    dates = daily["date"].gather(picked).to_list()
    rows: list[tuple[str, ...]] = []
    for place, name in enumerate(names):
        values = 100 * daily[name]
        summed = values.fill_null(0.0).cum_sum().gather(picked).round(2).to_list()
        figure.add_scatter(
            x=dates,
            y=summed if values.count() else [None] * len(dates),
            name=label(name, 18),
            visible=True if place < _SHOWN else "legendonly",
            mode="lines",
            line={"color": COLOURS[place % len(COLOURS)], "width": 1.6, "dash": _DASHES[place // len(COLOURS) % len(_DASHES)]},
            hovertemplate="%{x|%Y-%m-%d}: %{y:+.1f} %",
        )
        rows.append(_earned(name, values))
    figure.update_layout(legend={"itemclick": "toggle", "itemdoubleclick": "toggleothers", "y": -0.12, "yanchor": "top"}, margin_t=12)
    figure.update_yaxes(ticksuffix=" %")
    heads = ("Factor", "Dates", "Sum, %", "Mean a day, %", "SD a day, %", "t of the mean, plain")
    return drawn(figure), Numbers(heads, tuple(rows), words=1)


def _earned(name: str, values: pl.Series) -> tuple[str, ...]:
    """A factor's row of numbers; the plain t takes days as independent."""
    known = values.drop_nulls().to_list()
    mean = fmean(known) if known else None
    sd = stdev(known) if len(known) > 1 else None
    t = mean / sd * len(known) ** 0.5 if mean is not None and sd else None
    return (name, count(len(known)), signed(sum(known), 1), signed(mean, 4), number(sd), signed(t, 2))
