"""Sessions and their ordinals: exact for Shanghai, never restarted by a cut, honest about what is unknown."""

import warnings
from datetime import date

import exchange_calendars
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError, TableError
from pureplay.sessions import Sessions, sessions_between


def days(*text: str) -> np.ndarray:
    return np.array(text, dtype="datetime64[D]")


FULL = sessions_between(days("2010-01-04", "2026-12-31"), "XSHG")
SOME_DAYS = st.dates(date(2010, 1, 4), date(2026, 12, 31))


def test_xshg_is_the_exchange_calendar() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # exchange_calendars 4.13 with pandas 3.1
        known = exchange_calendars.get_calendar("XSHG", start="2010-01-04", end="2026-12-31").sessions
    np.testing.assert_array_equal(FULL.dates, known.to_numpy().astype("datetime64[D]"))


def test_known_holidays() -> None:
    """The prolonged Spring Festival of 2020, a working Saturday (no session), the days around New Year 2024."""
    for closed in ("2020-01-31", "2020-02-02", "2021-02-20", "2024-01-01", "2024-02-09"):
        assert np.datetime64(closed) not in FULL.dates
    for traded in ("2020-01-23", "2020-02-03", "2024-01-02", "2024-02-08"):
        assert np.datetime64(traded) in FULL.dates


def test_ordinals_are_those_of_the_market() -> None:
    assert sessions_between(days("1991-01-02"), "XSHG").ordinals.tolist() == [0]
    np.testing.assert_array_equal(np.diff(FULL.ordinals), 1)


@given(SOME_DAYS, SOME_DAYS)
def test_a_cut_moves_no_session_to_another_ordinal(one: date, other: date) -> None:
    first, last = sorted((one, other))
    inside = (FULL.dates >= np.datetime64(first)) & (FULL.dates <= np.datetime64(last))
    if not inside.any():
        with pytest.raises(TableError, match="no XSHG session lies between"):
            sessions_between(days(str(first), str(last)), "XSHG")
        return
    part = sessions_between(days(str(last), str(first), str(last)), "XSHG")
    np.testing.assert_array_equal(part.dates, FULL.dates[inside])
    np.testing.assert_array_equal(part.ordinals, FULL.ordinals[inside])


@given(st.lists(SOME_DAYS, min_size=1, max_size=20))
def test_bars_are_their_own_sessions(traded: list[date]) -> None:
    made = sessions_between(np.array(traded, dtype="datetime64[D]"), "bars")
    assert made.dates.tolist() == sorted(set(traded))
    assert made.ordinals.tolist() == list(range(len(made)))


@given(st.lists(SOME_DAYS, min_size=1, max_size=20), SOME_DAYS)
def test_first_at_or_after(traded: list[date], asked: date) -> None:
    made = sessions_between(np.array(traded, dtype="datetime64[D]"), "bars")
    later = [place for place, day in enumerate(made.dates.tolist()) if day >= asked]
    assert made.first_at_or_after(days(str(asked), "NaT")).tolist() == [later[0] if later else len(made), len(made)]


@given(SOME_DAYS, SOME_DAYS)
def test_count_before_start_counts_sessions(start: date, day: date) -> None:
    made = sessions_between(days(str(start), "2026-12-31"), "XSHG")
    first = made.dates[0]
    expected = int(((FULL.dates >= np.datetime64(day)) & (FULL.dates < first)).sum())
    assert made.count_before_start(days(str(day), "NaT")).tolist() == [expected, 0]


def test_count_before_start_of_unknown_sessions_takes_weekdays() -> None:
    made = sessions_between(days("2024-01-08", "2024-01-09"), "bars")
    assert made.count_before_start(days("2024-01-01", "2024-01-05", "2024-01-06", "2024-01-08", "2024-02-01")).tolist() == [5, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("given_days", "calendar", "error", "words"),
    [
        (days(), "bars", TableError, "bars have no rows"),
        (days("2024-01-02", "NaT"), "bars", TableError, "without a date"),
        (days("2024-01-02", "NaT"), "XSHG", TableError, "without a date"),
        (days("1990-12-31"), "XSHG", TableError, "known from 1991-01-01 to 2026-12-31: use calendar='bars'"),
        (days("2027-01-04"), "XSHG", TableError, "2027-01-04"),
        (days("2024-01-06"), "XSHG", TableError, "no XSHG session lies between 2024-01-06"),
        (days("2024-01-02"), "NYSE", SettingError, "XSHG, bars, not 'NYSE'"),
    ],
)
def test_refusals(given_days: np.ndarray, calendar: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")):
        sessions_between(given_days, calendar)  # type: ignore[arg-type]


def test_length() -> None:
    assert len(Sessions(days("2024-01-02", "2024-01-03"), np.array([5, 6]), "XSHG")) == 2
