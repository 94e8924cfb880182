"""Frames of the user as blocks on common axes: forward returns, scores, base factors, industries, universe."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.frames import AnyFrame, conform, require_sizes, to_polars
from pureplay.panel import Axes, BoolArray, FloatArray, IndexArray, label_block
from pureplay.sessions import Calendar, DayArray, sessions_between
from pureplay.stats.orthogonal import Orders, forward_orders

__all__ = ["ForwardReturns", "Scores", "base_block", "forward_input", "group_block", "member_block", "score_input"]

_PARTS = ("biz_mom_z", "biz_resvol_z")
_DELIVERY_DATES = ("period_end", "publish_date", "eff_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardReturns:
    """Forward returns of one horizon, sorted once. closes: day on which each session's window ends, None where the frame is silent."""

    axes: Axes
    orders: Orders
    sessions: int
    delay: int
    closes: DayArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A score as a block, with the z-scored parts that its frame carries."""

    name: str
    axes: Axes
    values: FloatArray
    parts: tuple[FloatArray, ...]
    notes: tuple[str, ...]


def forward_input(frame: AnyFrame, calendar: Calendar, *, delay: int = 1) -> ForwardReturns:
    """Block of a forward-return frame: date, asset, forward_return and, if present, sessions, delay, ordinal and exit_date.

    sessions is 20 and `delay` and `calendar` count where the frame does not say; an `ordinal` is the session's place in the market.
    """
    given = to_polars(frame, "forward_returns")
    table = _keyed(given, "forward_returns", beside=(*_DELIVERY_DATES, "exit_date"))
    if "forward_return" not in table.columns:
        raise TableError(f"forward_returns lacks the column forward_return; it has {', '.join(table.columns)}: rename it")
    axes = _axes(table, calendar) if "ordinal" not in table.columns else _numbered_axes(table)
    values = axes.blocks(table, ["forward_return"])["forward_return"]
    return ForwardReturns(
        axes=axes,
        orders=forward_orders(values[None]),
        sessions=_constant(table, "sessions", 20, least=1),
        delay=_constant(table, "delay", delay, least=0),
        closes=_closes(given, axes) if "exit_date" in given.columns else None,
    )


def score_input(
    frame: AnyFrame, on: Axes | None, column: str | None, *, calendar: Calendar = "bars", of: str = "forward returns"
) -> Scores:
    """Block of a score frame on given axes, or on its own; rows outside the axes are counted in notes. of: what the axes are those of."""
    table = _keyed(frame, "signal")
    chosen = _only_score(table) if column is None else column
    if chosen not in table.columns:
        raise TableError(f"the signal has no column {chosen!r}; it has {', '.join(table.columns)}: name another with column=")
    axes = _axes(table, calendar) if on is None else on
    if chosen in ("date", "asset"):
        raise SettingError(f"the column {chosen!r} of the signal is its key, not a score: name another with column=")
    parts = [name for name in _PARTS if name in table.columns and name != chosen]
    require_sizes("the signal", table, [chosen, *parts])
    blocks = axes.blocks(table, [chosen, *parts])
    outside = int((axes.locate(table) < 0).sum())
    infinite = int(table[chosen].is_infinite().sum() or 0)
    notes = [f"{outside} of {table.height} scores lie on dates or stocks without {of}"] if outside else []
    notes += [f"{infinite} infinite scores count as missing"] if infinite else []
    return Scores(name=chosen, axes=axes, values=blocks[chosen], parts=tuple(blocks[name] for name in parts), notes=tuple(notes))


def base_block(frame: AnyFrame | None, axes: Axes, *, notes: list[str] | None = None) -> tuple[FloatArray, tuple[str, ...]]:
    """Factor panel as (sessions, columns, assets), with the names of its columns; no columns for None.

    notes: what lies outside the axes and what is infinite is counted there. Raises InsufficientDataError for a column without any
    value on the axes, since no name would have every factor.
    """
    if frame is None:
        return np.empty((axes.shape[0], 0, axes.shape[1])), ()
    table = _keyed(frame, "base_factors")
    names = tuple(name for name in table.columns if name not in ("date", "asset"))
    require_sizes("base_factors", table, names)
    cells = axes.locate(table)
    inside = cells >= 0
    if not inside.any():
        raise TableError("base_factors share no date and stock with the forward returns: check codes and dates")
    block = np.full((axes.shape[0], len(names), axes.shape[1]), np.nan)
    row, asset = np.divmod(cells[inside], axes.shape[1])
    for position, name in enumerate(names):
        block[row, position, asset] = table[name].cast(pl.Float64).to_numpy()[inside]
    _require_values(block, names)
    if notes is not None:
        notes += _base_notes(table, names, int((~inside).sum()))
    return block, names


def _require_values(block: FloatArray, names: tuple[str, ...]) -> None:
    never = [name for position, name in enumerate(names) if not np.isfinite(block[:, position]).any()]
    if never:
        raise InsufficientDataError(
            f"base_factors hold no value of {', '.join(never[:5])}{' and more' if len(never) > 5 else ''} ({len(never)} of {len(names)} "
            f"columns) on these {block.shape[0]} dates and {block.shape[2]} stocks, so no name has every factor: fill or leave them out"
        )


def _base_notes(table: pl.DataFrame, names: tuple[str, ...], outside: int) -> list[str]:
    infinite = sum(int(table[name].is_infinite().sum() or 0) for name in names)
    out = [f"{outside} of {table.height} rows of the base lie on dates or stocks without forward returns"] if outside else []
    return [*out, *([f"{infinite} infinite values of the base count as missing"] if infinite else [])]


def group_block(frame: AnyFrame | None, axes: Axes) -> IndexArray | None:
    """Industry number of the day from intervals asset, start_date, end_date (first day after), code; None for None."""
    if frame is None:
        return None
    table = to_polars(frame, "industries")
    if "scheme" in table.columns and table["scheme"].n_unique() > 1:
        raise SettingError(f"industries hold the schemes {', '.join(table['scheme'].unique().sort())}: pass the rows of one of them")
    known = _intervals(table, "industries", ("asset", "start_date", "code"))
    return label_block(axes, known, known["code"].rank("dense").cast(pl.Int64) - 1, last_day_counts=False)


def member_block(frame: AnyFrame | None, axes: Axes) -> BoolArray | None:
    """Members of a universe from intervals asset, start_date, end_date (last day); None for None."""
    if frame is None:
        return None
    known = _intervals(to_polars(frame, "universe"), "universe", ("asset", "start_date"))
    return label_block(axes, known, pl.Series(np.zeros(known.height, dtype=np.int64)), last_day_counts=True) >= 0


def _intervals(table: pl.DataFrame, name: str, needed: tuple[str, ...]) -> pl.DataFrame:
    """Columns asset, start_date, end_date and code of intervals, with dates read from whatever form they have."""
    absent = [each for each in needed if each not in table.columns]
    if absent:
        raise TableError(f"{name} lacks {', '.join(absent)}; it has {', '.join(table.columns)}: rename or add what is absent")
    ends = table["end_date"] if "end_date" in table.columns else pl.Series(dtype=pl.Null)
    open_ended = ends.is_empty() or (ends.dtype.is_float() and not ends.is_finite().any())  # pandas reads an empty column as NaN
    end = pl.lit(None, dtype=pl.Date) if open_ended else pl.col("end_date")
    code = pl.col("code").cast(pl.String) if "code" in needed else pl.lit("member")
    plain = table.select("asset", "start_date", end_date=end, code=code, scheme=pl.lit(name))
    known = _conformed(plain, name, "industries")
    empty = known.filter(pl.any_horizontal(pl.col("asset", "start_date", "code").is_null())).height
    if empty:
        raise TableError(f"{name} has {empty} rows without {', '.join(needed)}: fill them or leave the rows out")
    return known


def _conformed(table: pl.DataFrame, name: str, rules: str) -> pl.DataFrame:
    """The table by the contract `rules`, with errors that speak of it by its own name."""
    try:
        return conform(rules, table).frame
    except TableError as error:
        raise TableError(str(error).replace(rules, name, 1)) from error


def _keyed(frame: AnyFrame, name: str, *, beside: tuple[str, ...] = _DELIVERY_DATES) -> pl.DataFrame:
    """Rows by date and asset, without the date columns `beside` that are no figures."""
    table = to_polars(frame, name)
    conformed = _conformed(table.drop([each for each in beside if each in table.columns]), name, "factors")
    repeats = (pl.col("date") == pl.col("date").shift(1)) & (pl.col("asset") == pl.col("asset").shift(1))
    again = conformed.filter(repeats.fill_null(False))
    if again.height:
        first = again.row(0, named=True)
        raise TableError(
            f"{name} has {again.height} repeated keys, such as {first['date']} {first['asset']}: keep one row a date and asset"
        )
    if conformed["date"].null_count() or conformed["asset"].null_count():
        raise TableError(f"{name} has rows without date or asset: fill them or leave the rows out")
    return conformed


def _axes(table: pl.DataFrame, calendar: Calendar) -> Axes:
    sessions = sessions_between(table["date"].unique().to_numpy(), calendar)
    return Axes(sessions, tuple(table["asset"].unique().sort()))


def _numbered_axes(table: pl.DataFrame) -> Axes:
    """Axes of the dates of a forward-return frame under the ordinals that it brings along."""
    axes, numbers = _axes(table, "bars"), _one_a_date(table, "ordinal")["ordinal"].to_numpy()
    if (numbers != np.round(numbers)).any() or (numbers < 0).any():
        wrong = numbers[(numbers != np.round(numbers)) | (numbers < 0)][0]
        raise TableError(f"forward_returns.ordinal must be whole numbers from 0 on, not {wrong:g}: number the sessions of the market")
    steps, days = np.diff(numbers), np.diff(axes.sessions.dates.astype(np.int64))
    if ((steps < 1) | (steps > days)).any():
        at = int(np.argmax((steps < 1) | (steps > days)))
        raise TableError(
            f"forward_returns.ordinal goes from {numbers[at]:.0f} on {axes.sessions.dates[at]} to {numbers[at + 1]:.0f} on "
            f"{axes.sessions.dates[at + 1]}, but it must rise from date to date, by one a day at most: number the market's sessions"
        )
    return replace(axes, sessions=replace(axes.sessions, ordinals=numbers.astype(np.int64)))


def _closes(given: pl.DataFrame, axes: Axes) -> DayArray:
    """Day on which the window of each session closes, NaT for sessions without a row."""
    by_date, label = given.select("date", "exit_date").unique(), pl.lit("any")
    plain = by_date.select(asset=label, start_date="date", end_date="exit_date", code=label, scheme=label)
    try:
        typed = _conformed(plain, "forward_returns", "industries")
    except TableError as error:
        raise TableError(str(error).replace("end_date", "exit_date")) from error
    known = _one_a_date(typed.select(date="start_date", exit_date="end_date"), "exit_date")
    early = known.filter(pl.col("exit_date") <= pl.col("date"))
    if early.height:
        raise TableError(
            f"forward_returns has {early.height} dates whose exit_date does not lie after them, such as {early['date'][0]}: "
            "give the day on which the window closes"
        )
    closes = np.full(axes.shape[0], np.datetime64("NaT"), dtype="datetime64[D]")
    closes[axes.date_index(known["date"])] = known["exit_date"].to_numpy().astype("datetime64[D]")
    return closes


def _one_a_date(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Date and the one value that a column has on it, in date order."""
    held = table.select("date", name).unique().sort("date", name)
    if held[name].null_count():
        raise TableError(f"forward_returns has rows without {name}: fill the column or leave it out")
    again = held.filter(pl.col("date").is_duplicated())
    if again.height:
        values = ", ".join(str(each) for each in again.filter(pl.col("date") == again["date"][0])[name])
        raise TableError(f"forward_returns hold several values of {name} on {again['date'][0]} ({values}): a date has one")
    return held


def _constant(table: pl.DataFrame, name: str, default: int, *, least: int) -> int:
    if name not in table.columns:
        return default
    if table[name].null_count():
        raise TableError(f"forward_returns has {table[name].null_count()} rows without {name}: fill the column or leave it out")
    values = table[name].unique()
    if values.len() != 1:
        raise TableError(f"forward_returns hold several values of {name}: {values.sort().head(5).to_list()}: pass one horizon at a time")
    if not float(values[0]).is_integer() or values[0] < least:
        raise TableError(f"forward_returns.{name} must be a whole number from {least} on, not {values[0]:g}: give it in sessions")
    return int(values[0])


def _only_score(table: pl.DataFrame) -> str:
    if "composite" in table.columns:
        return "composite"
    scores = [name for name in table.columns if name not in ("date", "asset")]
    if len(scores) != 1:
        raise SettingError(f"the signal has the columns {', '.join(scores) or 'none'}: name the score with column=")
    return scores[0]
