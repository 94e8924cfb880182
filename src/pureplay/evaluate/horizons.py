"""Forward returns of several horizons on common axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.evaluate.inputs import ForwardReturns, forward_input
from pureplay.evaluate.summary import is_whole
from pureplay.frames import AnyFrame, to_polars
from pureplay.panel import Axes, FloatArray
from pureplay.sessions import Calendar, DayArray, Sessions, sessions_between
from pureplay.stats.orthogonal import forward_orders

__all__ = ["Horizons", "horizon_inputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizons:
    """future: all horizons on common axes, one layer each, under the figures of the first. sessions, closes: of each, shortest first."""

    future: ForwardReturns
    sessions: tuple[int, ...]
    closes: tuple[DayArray | None, ...]


def horizon_inputs(frames: Mapping[int, AnyFrame] | AnyFrame, calendar: Calendar, *, delay: int = 1) -> Horizons:
    """Blocks of forward-return frames, one or a mapping horizon → frame, over every date and asset that one of them has.

    Raises SettingError for a horizon that its frame contradicts, InsufficientDataError for one without a row, TableError for
    frames that count dates or delays differently.
    """
    if not isinstance(frames, Mapping):
        alone = forward_input(frames, calendar, delay=delay)
        return Horizons(future=alone, sessions=(alone.sessions,), closes=(alone.closes,))
    wrong = [horizon for horizon in frames if not is_whole(horizon) or horizon < 1]
    if wrong or not frames:
        raise SettingError(
            f"forward_returns must map horizons in sessions, from 1 on, to frames, not {wrong or 'nothing'}: write {{20: frame}}"
        )
    order = sorted(frames)
    tables = {horizon: to_polars(frames[horizon], f"forward_returns[{horizon}]") for horizon in order}
    inputs = [_of_horizon(horizon, tables[horizon], calendar, delay) for horizon in order]
    if len({each.delay for each in inputs}) > 1:
        raise TableError(f"forward_returns are entered {sorted({each.delay for each in inputs})} sessions after the score: use one delay")
    axes = _common_axes(inputs, calendar, numbered=_numbered(tables))
    closes = tuple(None if each.closes is None else _moved_days(each.closes, each.axes, axes) for each in inputs)
    values = np.stack([_moved(each.orders.values[0], each.axes, axes) for each in inputs])
    future = ForwardReturns(axes=axes, orders=forward_orders(values), sessions=order[0], delay=inputs[0].delay, closes=closes[0])
    return Horizons(future=future, sessions=tuple(int(each) for each in order), closes=closes)


def _of_horizon(horizon: int, table: pl.DataFrame, calendar: Calendar, delay: int) -> ForwardReturns:
    if table.is_empty():
        raise InsufficientDataError(
            f"forward_returns[{horizon}] have no row: where {horizon} sessions do not fit into the sample, leave the horizon out"
        )
    try:
        made = forward_input(table, calendar, delay=delay)
    except TableError as error:
        raise TableError(f"horizon {horizon}: {error}") from error
    if "sessions" in table.columns and made.sessions != horizon:
        raise SettingError(f"forward_returns[{horizon}] hold windows of {made.sessions} sessions: file the frame under {made.sessions}")
    return made


def _numbered(tables: Mapping[int, pl.DataFrame]) -> bool:
    """Whether the frames bring ordinals along; raises TableError where only some do."""
    without = [str(horizon) for horizon, table in tables.items() if "ordinal" not in table.columns]
    if without and len(without) < len(tables):
        raise TableError(
            f"forward_returns of horizon {', '.join(without)} have no ordinal, the others have: number the sessions in all or none"
        )
    return not without


def _common_axes(inputs: Sequence[ForwardReturns], calendar: Calendar, *, numbered: bool) -> Axes:
    """Every date and asset of any horizon."""
    assets = tuple(sorted({asset for each in inputs for asset in each.axes.assets}))
    every = np.concatenate([each.axes.sessions.dates for each in inputs])
    if not numbered:
        return Axes(sessions_between(every, calendar), assets)
    dates, first, at = np.unique(every, return_index=True, return_inverse=True)
    ordinals = np.concatenate([each.axes.sessions.ordinals for each in inputs])
    known = ordinals[first]
    off = np.flatnonzero(known[at] != ordinals)
    if off.size or (np.diff(known) < 1).any():
        where = dates[at[off[0]]] if off.size else dates[int(np.argmax(np.diff(known) < 1)) + 1]
        raise TableError(f"forward_returns of several horizons number the session {where} differently: take the ordinals of one market")
    return Axes(Sessions(dates, known, inputs[0].axes.sessions.calendar), assets)


def _moved(block: FloatArray, old: Axes, new: Axes) -> FloatArray:
    out = np.full(new.shape, np.nan)
    out[np.ix_(np.searchsorted(new.sessions.dates, old.sessions.dates), np.searchsorted(new.assets, old.assets))] = block
    return out


def _moved_days(days: DayArray, old: Axes, new: Axes) -> DayArray:
    out = np.full(new.shape[0], np.datetime64("NaT"), dtype="datetime64[D]")
    out[np.searchsorted(new.sessions.dates, old.sessions.dates)] = days
    return out
