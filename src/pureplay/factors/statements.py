"""Statements and dividends as steps: what was known of each stock, session by session, replayed in the order of publication.

A session knows the rows with publish_date + buffer_days on or before it, and of every stock, item and period the version published
last (of one day's versions the highest revision). A period is the month it ends in: a fiscal year ends in December, and "a year
before" is the same month of the previous year. Whatever is taken from a period may be used until the end of the month stale_months
later. Filings are rare beside sessions, so figures are kept for the sessions on which something new became known and painted from there.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pureplay.errors import SettingError
from pureplay.factors.replay import FIGURES, FISCAL_YEARS, Int64Array, replay
from pureplay.panel import Axes, BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.sessions import DayArray
from pureplay.stats.jit import kernel
from pureplay.tables import STATEMENT_ITEMS

__all__ = ["Figure", "Steps", "dividend_steps", "statement_figures", "year_before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """When something new became known: steps [first[a], first[a + 1]) belong to asset a and start on `session`, ascending."""

    first: Int64Array
    session: Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure at every step, NaN where unknown, and the session on which it ceases to be used.

    Items at the end of a period (equity, assets, debt, shares) are those of the latest period known of the item; `…_before` is that of
    the period a year earlier. long_term: long-term debt plus the preferred equity of the same period, 0 where that is not reported.
    `…_ttm`: this period + last fiscal year - same period of last year, at the latest period for which all three are known.
    gross_ttm: revenue_ttm - cost_ttm at the latest period for which both are. turnover, turnover_before: revenue_ttm over the mean
    of assets now and a year before, at one period and at the one a year earlier, NaN where the mean is not positive; the period is the
    latest for which all of them are known. `…_growth`: slope of the figure per share on the year number over the last five fiscal
    years, over its mean absolute value; the shares are those of the same annual report, else the latest ones of an earlier period.
    """

    steps: Steps
    values: FloatArray
    until: Int64Array

    def block(self, traded: BoolArray) -> FloatArray:
        """The figure where the stock traded, NaN elsewhere."""
        out = np.empty(traded.shape)
        first, session = self.steps.first, self.steps.session
        over_blocks(lambda a, b: _paint(first, session, self.values, self.until, traded, out, a, b), traded.shape[0])
        return out


def statement_figures(
    statements: pl.DataFrame, axes: Axes, *, buffer_days: int = 0, stale_months: int | None = 18, min_years: int = 3
) -> dict[str, Figure]:
    """Every one of FIGURES from rows `asset, period_end, item, revision, publish_date, value`; stocks off the axes are left out.

    buffer_days: days from publication to use. stale_months: None uses a figure until a newer one comes. min_years: fiscal years
    of the last five that a growth figure needs.
    """
    _check_settings(buffer_days, stale_months, min_years)
    rows = _known_rows(statements, axes, buffer_days)
    column, session = rows["column"].to_numpy(), rows["session"].to_numpy()
    opens = np.ones(column.size, dtype=bool)  # a row that starts a step: another stock or session than the row before
    opens[1:] = (column[1:] != column[:-1]) | (session[1:] != session[:-1])
    steps = Steps(first=_offsets(column[opens], axes.shape[1]), session=session[opens])
    month, low, high = _months(rows["period_end"])
    until = _last_use(axes, np.arange(low, high + 1), stale_months)
    values = np.full((len(FIGURES), steps.session.size), np.nan)
    ends = np.zeros(values.shape, dtype=np.int64)
    code, value, row_first = rows["code"].to_numpy(), rows["value"].to_numpy(), _offsets(column, axes.shape[1])
    over_blocks(
        lambda a, b: replay(row_first, session, month - low, code, value, steps.first, until, low, min_years, values, ends, a, b),
        axes.shape[1],
    )
    return {name: Figure(steps=steps, values=values[k], until=ends[k]) for k, name in enumerate(FIGURES)}


def dividend_steps(dividends: pl.DataFrame, axes: Axes) -> Figure:
    """Cash per share with ex-date in (t - 12 calendar months, t], 0 where there is none, from rows `asset, ex_date, cash_per_share`.

    Unknown for every stock until the first ex-date of the whole table is 12 months old: an incomplete window would pass for a low yield.
    """
    column = axes.asset_index(dividends["asset"])
    days = dividends["ex_date"].to_numpy().astype("datetime64[D]")
    past = year_before(axes.sessions.dates)
    begin = int(np.searchsorted(past, days.min())) if days.size else axes.shape[0]
    start, stop = axes.sessions.first_at_or_after(days), np.searchsorted(past, days)
    held = (column >= 0) & (stop > begin) & (start < stop)
    order = np.lexsort((days[held], column[held]))
    column, start, stop = column[held][order], np.maximum(start[held][order], begin), stop[held][order]
    cash = dividends["cash_per_share"].to_numpy()[held][order]
    assets = np.arange(axes.shape[1])
    moves = pl.DataFrame({"a": np.r_[assets, column, column], "s": np.r_[np.full(assets.size, begin), start, stop]}).unique().sort("a", "s")
    steps = Steps(first=_offsets(moves["a"].to_numpy(), axes.shape[1]), session=moves["s"].to_numpy().astype(np.int64))
    sums = np.zeros(steps.session.size)
    _window_sums(_offsets(column, axes.shape[1]), start, stop, cash, steps.first, steps.session, sums)
    return Figure(steps=steps, values=sums, until=np.full(sums.size, axes.shape[0], dtype=np.int64))


def year_before(days: DayArray) -> DayArray:
    """Each day twelve calendar months earlier, 28 February for 29 February."""
    return np.asarray(pl.Series(days).cast(pl.Date).dt.offset_by("-12mo").to_numpy().astype("datetime64[D]"))


def _check_settings(buffer_days: int, stale_months: int | None, min_years: int) -> None:
    if buffer_days < 0:
        raise SettingError(f"buffer_days must be at least 0, not {buffer_days}: a statement cannot be used before it is published")
    if stale_months is not None and stale_months < 1:
        raise SettingError(f"stale_months must be at least 1 month, or None for never, not {stale_months}")
    if not 2 <= min_years <= FISCAL_YEARS:
        raise SettingError(f"min_years must lie between 2 and {FISCAL_YEARS}, not {min_years}: growth is a slope over five fiscal years")


def _known_rows(statements: pl.DataFrame, axes: Axes, buffer_days: int) -> pl.DataFrame:
    """Rows that some session may use, stock by stock in the order in which they became known; `code` is the item's number."""
    usable = statements["publish_date"].dt.offset_by(f"{buffer_days}d").to_numpy().astype("datetime64[D]")
    session = axes.sessions.first_at_or_after(usable)
    code = statements["item"].cast(pl.Enum(STATEMENT_ITEMS)).to_physical().cast(pl.Int64)
    rows = statements.select("publish_date", "revision", "period_end", "value").with_columns(
        column=pl.Series(axes.asset_index(statements["asset"])), session=pl.Series(session), code=code
    )
    kept = rows.filter((pl.col("column") >= 0) & (pl.col("session") < axes.shape[0]))
    return kept.sort("column", "publish_date", "revision", "period_end")


def _offsets(column: Int64Array, assets: int) -> Int64Array:
    """Where the rows of each asset begin, for rows in asset order; one entry more than there are assets."""
    return np.searchsorted(column, np.arange(assets + 1)).astype(np.int64)


def _months(period_end: pl.Series) -> tuple[Int64Array, int, int]:
    """Months since January of the year 0 and their range."""
    month = (period_end.dt.year().cast(pl.Int64) * 12 + period_end.dt.month().cast(pl.Int64) - 1).to_numpy()
    return month, int(month.min()) if month.size else 0, int(month.max()) if month.size else 0


def _last_use(axes: Axes, months: Int64Array, stale_months: int | None) -> Int64Array:
    """Session from which on a period of each month is too old; the number of sessions where that never comes."""
    if stale_months is None:
        return np.full(months.size, axes.shape[0], dtype=np.int64)
    after = (months + stale_months + 1 - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]")
    return axes.sessions.first_at_or_after(after)


@kernel
def _paint(
    first: Int64Array,
    session: Int64Array,
    values: FloatArray,
    until: Int64Array,
    traded: BoolArray,
    out: FloatArray,
    start: int,
    stop: int,
) -> None:
    assets, never = out.shape[1], out.shape[0]
    step, coming, end = np.empty(assets, np.int64), np.empty(assets, np.int64), np.zeros(assets, np.int64)
    now = np.full(assets, np.nan)
    for a in range(assets):
        step[a] = first[a] + np.searchsorted(session[first[a] : first[a + 1]], start, side="right") - 1
        coming[a] = start  # so that the first session takes the step in force up
        if step[a] < first[a]:
            coming[a] = session[first[a]] if first[a] < first[a + 1] else never
    for t in range(start, stop):
        for a in range(assets):
            if t >= coming[a]:
                while step[a] + 1 < first[a + 1] and (step[a] < first[a] or session[step[a] + 1] <= t):
                    step[a] += 1
                now[a], end[a] = values[step[a]], until[step[a]]
                coming[a] = session[step[a] + 1] if step[a] + 1 < first[a + 1] else never
            out[t, a] = now[a] if traded[t, a] and t < end[a] else np.nan


@kernel
def _window_sums(
    row_first: Int64Array,
    start: Int64Array,
    stop: Int64Array,
    cash: FloatArray,
    step_first: Int64Array,
    session: Int64Array,
    sums: FloatArray,
) -> None:
    for a in range(row_first.size - 1):
        for step in range(step_first[a], step_first[a + 1]):
            for row in range(row_first[a], row_first[a + 1]):  # summed anew at each step: nothing is left over when a payment leaves
                if start[row] <= session[step] < stop[row]:
                    sums[step] += cash[row]
