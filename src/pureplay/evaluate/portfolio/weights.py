"""Target weights that the user brings along, checked once."""

from typing import Final

import numpy as np
import polars as pl

from pureplay.errors import TableError
from pureplay.evaluate.portfolio.arrays import Targets
from pureplay.evaluate.portfolio.settings import Kind, PortfolioSettings
from pureplay.frames import AnyFrame, conform, to_polars
from pureplay.market import Market
from pureplay.panel import Axes, FloatArray
from pureplay.sessions import Calendar, DayArray, sessions_between

__all__ = ["weight_targets"]

_TOLERANCE: Final = 1e-6
_COLUMNS: Final = ("date", "asset", "weight")


def weight_targets(weights: AnyFrame, market: Market, settings: PortfolioSettings, *, calendar: Calendar) -> Targets:
    """The user's own weights as targets of one account (offset 0): every date of the frame is a rebalance decided at its close.

    weights: date, asset, weight (a share of the leg), one row a date and asset; names that are absent or weigh 0 are not held, other
    columns are left aside. kind "long_only": no weight below 0 and each date sums to 1; "long_short": the weights above 0 sum to 1 and
    those below to -1. Sums within 1e-6 are scaled to fit. No other setting counts here. calendar: of the dates; it tells a day without
    trading from a session outside the bars.

    Raises TableError for a frame without rows or one of the columns, repeated keys, missing or infinite weights, dates that are no
    session of the market, unknown stocks, and weights that do not sum.
    """
    table = _read(weights)
    _require_sessions(table, market.axes, calendar)
    _require_assets(table, market.axes)
    cells = market.axes.locate(table)
    order = np.argsort(cells)
    row, asset = np.divmod(cells[order], market.axes.shape[1])
    values = table["weight"].to_numpy()[order]
    rows, first = np.unique(row, return_index=True)
    sums = np.stack([np.add.reduceat(np.maximum(values, 0.0), first), np.add.reduceat(np.minimum(values, 0.0), first)])
    _require_sums(table, market.axes.sessions.dates[rows], sums, settings.kind)
    held = values != 0.0
    rebalance = np.repeat(np.arange(rows.size), np.diff(first, append=row.size))[held]
    values = values[held]
    return Targets(
        rows=rows,
        offsets=np.zeros(rows.size, dtype=np.int64),
        starts=np.searchsorted(rebalance, np.arange(rows.size + 1)).astype(np.int64),
        assets=asset[held].astype(np.int32),
        weights=values / np.where(values > 0.0, sums[0, rebalance], -sums[1, rebalance]),
        skipped={},
    )


def _read(weights: AnyFrame) -> pl.DataFrame:
    """Columns date, asset, weight with every value present, each key once."""
    given = to_polars(weights, "weights")
    absent = [name for name in _COLUMNS if name not in given.columns]
    if absent:
        raise TableError(
            f"weights lack {', '.join(absent)}; they have {', '.join(given.columns) or 'no column'}: rename or add what is absent"
        )
    if given.is_empty():
        raise TableError("weights have no rows: give a date, an asset and a weight for each name held")
    try:
        table = conform("factors", given.select(_COLUMNS)).frame
    except TableError as error:
        raise TableError(str(error).replace("factors", "weights", 1)) from error
    if table["date"].null_count() or table["asset"].null_count():
        raise TableError("weights have rows without date or asset: fill them or leave the rows out")
    again = table.filter(pl.struct("date", "asset").is_duplicated())
    if again.height:
        raise TableError(f"weights have {again.height} rows with repeated keys, such as {_key(again)}: keep one row a date and asset")
    odd = table.filter(~pl.col("weight").is_finite().fill_null(False))
    if odd.height:
        raise TableError(f"weights have {odd.height} missing or infinite values, such as on {_key(odd)}: fill them or leave the rows out")
    return table


def _key(table: pl.DataFrame) -> str:
    return f"{table['date'][0]} {table['asset'][0]}"


def _require_sessions(table: pl.DataFrame, axes: Axes, calendar: Calendar) -> None:
    days = table["date"].unique().sort()
    lost = days.filter(axes.date_index(days) < 0)
    if lost.is_empty():
        return
    first, last = axes.sessions.dates[0], axes.sessions.dates[-1]
    closed = lost
    if calendar != "bars":
        ends = np.concatenate([lost.to_numpy().astype("datetime64[D]"), [first, last]])
        try:
            known = sessions_between(ends, calendar)
        except TableError as error:
            raise TableError(str(error).replace("bars run", "weights and bars run", 1)) from error
        closed = lost.filter(~np.isin(lost.to_numpy().astype("datetime64[D]"), known.dates))
    if closed.len():
        what = "days of the bars" if calendar == "bars" else f"sessions of the {calendar} calendar"
        raise TableError(
            f"weights stand on {closed.len()} dates of {days.len()} that are no {what}, such as {closed[0]}: "
            "date each rebalance by the session at whose close it is decided"
        )
    raise TableError(
        f"weights stand on {lost.len()} dates of {days.len()} without bars, such as {lost[0]}: bars run from {first} to {last}; "
        "leave the dates out or add bars"
    )


def _require_assets(table: pl.DataFrame, axes: Axes) -> None:
    codes = table["asset"].unique().sort()
    lost = codes.filter(axes.asset_index(codes) < 0)
    if lost.len():
        raise TableError(
            f"weights name {lost.len()} stocks of {codes.len()} without bars, such as {lost[0][:60]}: check the codes or leave them out"
        )


def _require_sums(table: pl.DataFrame, days: DayArray, sums: FloatArray, kind: Kind) -> None:
    """Raise TableError where a leg does not sum to 1 in size; sums: of the weights above 0, and below, on each of the days."""
    below = table.filter(pl.col("weight") < 0)
    if kind == "long_only" and below.height:
        raise TableError(
            f"weights have {below.height} values below 0, such as {below['weight'][0]:g} on {_key(below)}: a long_only account holds none; "
            "set them to 0 and let each date sum to 1, or take kind='long_short'"
        )
    for found, wanted in zip(sums, (1.0, -1.0) if kind == "long_short" else (1.0,), strict=False):
        off = np.flatnonzero(np.abs(found - wanted) > _TOLERANCE)
        if off.size:
            which = "" if kind == "long_only" else " above 0" if wanted > 0 else " below 0"
            raise TableError(
                f"weights{which} must sum to {wanted:g} on every date, but on {off.size} of {days.size} dates they do not: "
                f"{found[off[0]]:.9g} on {days[off[0]]}; divide those of each date by {'' if wanted > 0 else 'minus '}their sum"
                + (" (gross_exposure sets the size of the legs)" if kind == "long_short" else "")
            )
