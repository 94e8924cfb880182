"""What the rules need to know of each stock: its board, the day of its listing, its last session, the days of each status."""

import re
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import TableError
from pureplay.evaluate.portfolio.rules import MarketRules
from pureplay.market import Market
from pureplay.panel import Axes, BoolArray
from pureplay.sessions import DayArray

__all__ = ["board_numbers", "last_sessions", "listing_days", "status_days"]

_SHOWN: Final = 5

NumberArray = npt.NDArray[np.int64]


def board_numbers(data: Dataset, axes: Axes, rules: MarketRules) -> tuple[NumberArray, tuple[str, ...]]:
    """Number of each stock's board, and the names that the numbers stand for.

    `assets.board` counts where it is given, the first pattern of the rules that fits the whole code otherwise. Rules without boards put
    every stock on one without a name, rules with a single board every stock that it fits on that, whatever `assets.board` calls it.
    Raises TableError for a stock that belongs to no board of the rules.
    """
    rows = [(rule.values["name"], re.compile(rule.values["pattern"])) for rule in rules.rows("board")]
    if not rows:
        return np.zeros(axes.shape[1], dtype=np.int64), ("",)
    names = tuple(dict.fromkeys(name for name, _ in rows))
    stated: dict[str, str] = {}
    if len(names) > 1 and "board" in data.columns("assets"):
        known = data.frame("assets", ["asset", "board"]).filter(pl.col("board").is_not_null())
        stated = dict(known.iter_rows())
    found = [stated.get(code) or next((name for name, pattern in rows if pattern.fullmatch(code)), None) for code in axes.assets]
    lost = [
        code[:60] if name is None else f"{code[:60]} ({name[:60]})"
        for code, name in zip(axes.assets, found, strict=True)
        if name not in names
    ]
    if lost:
        raise TableError(
            f"{len(lost)} of {len(found)} stocks belong to no board of market '{rules.name}' ({', '.join(names)}): "
            f"{', '.join(lost[:_SHOWN])}{' …' if len(lost) > _SHOWN else ''}; name one of them in assets.board, give the rules a [[board]] "
            "with a pattern for these codes, or leave them out"
        )
    number = {name: position for position, name in enumerate(names)}
    return np.array([number[str(name)] for name in found], dtype=np.int64), names


def listing_days(data: Dataset, market: Market) -> DayArray:
    """Day of listing of each stock: `assets.list_date`, else its first trade in the data; NaT where it never traded."""
    days = np.full(market.axes.shape[1], np.datetime64("NaT"), dtype="datetime64[D]")
    traded = market.traded.any(axis=0)
    days[traded] = market.axes.sessions.dates[np.argmax(market.traded[:, traded], axis=0)]
    column, stated = _asset_days(data, market.axes, "list_date")
    days[column] = stated
    return days


def last_sessions(data: Dataset, market: Market) -> tuple[NumberArray, BoolArray]:
    """Index of each stock's last session, the number of sessions where it has none; and where a stock trades after it.

    The last session is that of delist_date, or the one before where delist_date is none; -1 where it lies before the data. A trade after
    it does not move it, since it was not known on that day. A delist_date after the last session of the data is not known yet and counts
    as none.
    """
    sessions, assets = market.axes.shape
    out = np.full(assets, sessions, dtype=np.int64)
    column, stated = _asset_days(data, market.axes, "delist_date")
    dates = market.axes.sessions.dates
    column, stated = column[stated <= dates[-1]], stated[stated <= dates[-1]]
    out[column] = np.searchsorted(dates, stated, side="right").astype(np.int64) - 1
    return out, market.traded & (np.arange(sessions)[:, None] > out)


def status_days(data: Dataset, axes: Axes, kind: str) -> BoolArray | None:
    """Block of the sessions on which a stock has a status, first and last day included; None where no row says so."""
    if not data.has("status"):
        return None
    rows = data.frame("status").filter(pl.col("kind") == kind)
    if "end_date" not in rows.columns:
        rows = rows.with_columns(end_date=pl.lit(None, dtype=pl.Date))
    column = axes.asset_index(rows["asset"])
    start = axes.sessions.first_at_or_after(rows["start_date"].to_numpy().astype("datetime64[D]"))
    after = rows["end_date"].dt.offset_by("1d").to_numpy().astype("datetime64[D]")
    stop = axes.sessions.first_at_or_after(after)
    held = (column >= 0) & (start < stop)
    if not held.any():
        return None
    out = np.zeros(axes.shape, dtype=bool)
    for asset, first, last in zip(column[held].tolist(), start[held].tolist(), stop[held].tolist(), strict=True):
        out[first:last, asset] = True
    return out


def _asset_days(data: Dataset, axes: Axes, name: str) -> tuple[NumberArray, DayArray]:
    """Column and day of every stock of the axes whose `assets` row states the day."""
    if name not in data.columns("assets"):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype="datetime64[D]")
    known = data.frame("assets", ["asset", name]).filter(pl.col(name).is_not_null())
    column = axes.asset_index(known["asset"])
    return column[column >= 0], known[name].to_numpy().astype("datetime64[D]")[column >= 0]
