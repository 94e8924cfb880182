"""Trading sessions and their place in the market's own calendar.

A rebalance offset is the ordinal of a session modulo the grid. Ordinals therefore belong to the market, not to a sample:
cutting the sample must not move a session to another offset.
"""

import warnings
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pureplay.errors import SettingError, TableError

__all__ = ["CALENDARS", "Calendar", "DayArray", "Sessions", "sessions_between", "sessions_per_year"]

Calendar = Literal["XSHG", "bars"]
CALENDARS: Final[tuple[Calendar, ...]] = ("XSHG", "bars")
DayArray = npt.NDArray[np.datetime64]

_DAYS_A_YEAR: Final = 365.25
_SESSIONS_A_YEAR: Final = 252.0  # of a sample of one session, which has no years between its ends
_XSHG_START: Final = "1991-01-01"
_XSHG_END: Final = "2026-12-31"  # the last day whose holidays are published


@dataclass(frozen=True, slots=True)
class Sessions:
    """Consecutive trading sessions.

    dates: days, ascending. ordinals: position of each day in the market's calendar; for calendar "bars" the position in the
    data itself, which is stable as long as the data keep their first day.
    """

    dates: DayArray
    ordinals: npt.NDArray[np.int64]
    calendar: Calendar

    def __len__(self) -> int:
        return int(self.dates.size)

    def first_at_or_after(self, days: DayArray) -> npt.NDArray[np.int64]:
        """Index of the first session on or after each day; len(self) where there is none. NaT gives len(self)."""
        found = np.searchsorted(self.dates, days, side="left").astype(np.int64)
        found[np.isnat(days)] = len(self)
        return found

    def count_before_start(self, days: DayArray) -> npt.NDArray[np.int64]:
        """Sessions from each day (inclusive) up to the first session (exclusive), 0 for later days.

        Exact where the market's calendar is known, XSHG from 1991 on; for calendar "bars" weekdays stand in for the unknown sessions.
        """
        first = self.dates[0]
        early = np.where(np.isnat(days) | (days > first), first, days)
        if self.calendar == "bars":
            return np.asarray(np.busday_count(early, first), dtype=np.int64)
        known = _xshg_dates()
        return np.asarray(np.searchsorted(known, first) - np.searchsorted(known, early), dtype=np.int64)


def sessions_between(bar_dates: DayArray, calendar: Calendar) -> Sessions:
    """Sessions from the first to the last of `bar_dates` (any order, repeats allowed).

    "XSHG": every session of the Shanghai exchange in between, traded in the data or not. "bars": the dates themselves.
    Raises TableError where there is no date or the calendar does not reach that far.
    """
    if calendar not in CALENDARS:
        raise SettingError(f"calendar must be one of {', '.join(CALENDARS)}, not {calendar!r}")
    if bar_dates.size == 0:
        raise TableError("bars have no rows, so there are no sessions: give at least one date")
    days = np.unique(bar_dates.astype("datetime64[D]"))
    if np.isnat(days[-1]):
        raise TableError("bars have rows without a date: fill the dates or leave the rows out")
    if calendar == "bars":
        return Sessions(days, np.arange(days.size, dtype=np.int64), calendar)
    if days[0] < np.datetime64(_XSHG_START) or days[-1] > np.datetime64(_XSHG_END):
        raise TableError(
            f"bars run from {days[0]} to {days[-1]}, but the XSHG calendar is known from {_XSHG_START} to {_XSHG_END}: use calendar='bars'"
        )
    known = _xshg_dates()
    first, last = np.searchsorted(known, days[0]), np.searchsorted(known, days[-1], side="right")
    if first == last:
        raise TableError(f"no XSHG session lies between {days[0]} and {days[-1]}: check the dates or use calendar='bars'")
    return Sessions(known[first:last], np.arange(first, last, dtype=np.int64), calendar)


_KNOWN: dict[str, DayArray] = {}


def _xshg_dates() -> DayArray:
    if "XSHG" not in _KNOWN:
        import exchange_calendars  # loads pandas: only when a calendar is needed

        with warnings.catch_warnings():  # 4.13 calls what pandas 3.1 announces to change; the dates are the same
            warnings.simplefilter("ignore", DeprecationWarning)
            calendar = exchange_calendars.get_calendar("XSHG", start=_XSHG_START, end=_XSHG_END)
        _KNOWN["XSHG"] = calendar.sessions.to_numpy().astype("datetime64[D]")
    return _KNOWN["XSHG"]


def sessions_per_year(sessions: Sessions) -> float:
    """Sessions of the market from the first to the last day over the calendar years between them; 252 for a single session."""
    days = int((sessions.dates[-1] - sessions.dates[0]).astype("timedelta64[D]").astype(np.int64))
    if days == 0:
        return _SESSIONS_A_YEAR
    return float(sessions.ordinals[-1] - sessions.ordinals[0]) / days * _DAYS_A_YEAR
