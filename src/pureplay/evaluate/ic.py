"""Forward returns and plain rank IC."""

from dataclasses import replace

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate.inputs import forward_input, score_input
from pureplay.evaluate.records import ICSummary
from pureplay.evaluate.summary import Timing, is_whole, summarise
from pureplay.frames import AnyFrame
from pureplay.market import load_market
from pureplay.panel import to_frame
from pureplay.sessions import Calendar
from pureplay.stats.crosssection import rank_correlation
from pureplay.stats.lookahead import compound_forward
from pureplay.stats.orthogonal import FEW_NAMES, NO_NAMES, OK

__all__ = ["forward_returns", "rank_ic"]


def forward_returns(
    bars: AnyFrame | Dataset, *, sessions: int = 20, delay: int = 1, same_close: bool = False, calendar: Calendar | None = None
) -> pl.DataFrame:
    """Return from the close of t + delay to the close of t + delay + sessions, filed under t.

    bars: a bars table of any kind (date, asset, ret, total_cap) under `calendar` (default "bars"), or a dataset under its own.
    Columns: date, asset, forward_return (decimal), sessions, delay, ordinal (of the session in the market's calendar, from which the
    rebalance offset follows however the frame is cut) and exit_date (close of the window). One row for every stock that trades at
    entry and whose window lies inside the data. After entry a missing day counts 0; a delisted stock keeps its last price and sits in
    cash. delay=0 must be asked for with same_close=True. Raises SettingError, TableError, and InsufficientDataError where no window
    fits into the data.
    """
    for name, value in (("sessions", sessions), ("delay", delay)):
        if not is_whole(value):
            raise SettingError(f"{name} must be a whole number of sessions, not {value!r}")
    if isinstance(bars, Dataset) and calendar not in (None, bars.calendar):
        raise SettingError(f"the dataset has the calendar {bars.calendar!r}, which counts, not {calendar!r}: leave calendar out")
    data = bars if isinstance(bars, Dataset) else Dataset.from_frames({"bars": bars}, calendar=calendar or "bars")
    market = load_market(data)
    known = market.axes.sessions
    if sessions + delay >= len(known):
        raise InsufficientDataError(
            f"the bars have {len(known)} sessions, and a window of {sessions} sessions entered {delay} after the score needs "
            f"{sessions + delay + 1}: shorten the window or give more bars"
        )
    made = compound_forward(market.returns, market.traded, sessions=sessions, delay=delay, same_close=same_close)
    frame = to_frame(market.axes, {"forward_return": made}, np.isfinite(made))
    windows = len(known) - sessions - delay
    by_date = pl.DataFrame(
        {
            "date": market.axes.day_column(known.dates[:windows]),
            "ordinal": pl.Series(known.ordinals[:windows], dtype=pl.Int32),
            "exit_date": market.axes.day_column(known.dates[sessions + delay :]),
        }
    )
    frame = frame.with_columns(sessions=pl.lit(sessions, dtype=pl.Int32), delay=pl.lit(delay, dtype=pl.Int32))
    return frame.join(by_date, on="date", how="left", maintain_order="left")


def rank_ic(
    signal: AnyFrame,
    forward_returns: AnyFrame,
    *,
    column: str | None = None,
    timing: Timing | None = None,
    min_names: int = 30,
    calendar: Calendar = "bars",
) -> ICSummary:
    """Spearman IC of a score by date, and its ICIR over all rebalance offsets; arguments as `orthogonal_icir`.

    Raises InsufficientDataError where no date has `min_names` names with a score and a forward return.
    """
    timing = timing or Timing()
    future = forward_input(forward_returns, calendar, delay=timing.delay_sessions)
    score = score_input(signal, future.axes, column)
    correlation, names = rank_correlation(score.values, future.orders.values[0])
    enough = np.isfinite(correlation) & (names >= min_names)
    reason = np.where(enough, OK, np.where(names == 0, NO_NAMES, FEW_NAMES))
    ic, timing = np.where(enough, correlation, np.nan), replace(timing, delay_sessions=future.delay)
    return summarise(score.name, future.axes.sessions, ic, names, reason, horizon=future.sessions, timing=timing, closes=future.closes)
