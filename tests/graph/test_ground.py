"""Vintages, sizes and adjusted returns, each against a plain loop."""

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, TableError
from pureplay.graph.ground import load_ground, month_ends
from pureplay.graph.settings import GraphSettings
from pureplay.panel import Axes
from pureplay.sessions import sessions_between
from tests.graph.small_market import changed, data

PLAIN = GraphSettings()
NAMES = ("A", "B", "C", "D", "E")


def axes(first: date, last: date, calendar: Any) -> Axes:
    if calendar == "XSHG":
        sessions = sessions_between(np.array([first, last], dtype="datetime64[D]"), "XSHG")
    else:
        days = [first + timedelta(days=k) for k in range((last - first).days + 1)]
        sessions = sessions_between(np.array([day for day in days if day.weekday() < 5], dtype="datetime64[D]"), "bars")
    return Axes(sessions, ("A",))


def bars(days: int = 75, **columns: Any) -> pl.DataFrame:
    """Five stocks on the weekdays from 2 January 2023; D is absent on every third day and E on all but two."""
    rng = np.random.default_rng(1)
    rows, day = [], date(2023, 1, 2)
    for k in range(days):
        while day.weekday() > 4:
            day += timedelta(days=1)
        for name in NAMES:
            if (name == "D" and k % 3 == 0) or (name == "E" and k not in (10, 40)):
                continue
            rows.append({"date": day, "asset": name, "ret": float(rng.normal(0, 0.02)), "amount": float(rng.integers(1, 100))})
        day += timedelta(days=1)
    made = pl.DataFrame(rows).with_columns(total_cap=pl.lit(None, dtype=pl.Float64), volume=pl.lit(1.0))
    return made.with_columns(**columns)


def labels() -> pl.DataFrame:
    """A and B in x; C moves from y to x; D in y; E nowhere."""
    turn = date(2023, 2, 20)
    rows = [("A", date(2022, 1, 1), None, "x"), ("B", date(2022, 1, 1), None, "x"), ("C", date(2022, 1, 1), turn, "y")]
    rows += [("C", turn, None, "x"), ("D", date(2022, 1, 1), None, "y")]
    kinds = {"asset": pl.String, "start_date": pl.Date, "end_date": pl.Date, "code": pl.String}
    return pl.DataFrame(rows, schema=kinds, orient="row").with_columns(scheme=pl.lit("one"))


def made(table: pl.DataFrame | None = None, **others: pl.DataFrame) -> Dataset:
    return Dataset(tables={"bars": bars() if table is None else table, **others}, calendar="bars")


# ---------------------------------------------------------------- vintages


def test_a_month_ends_where_the_next_one_is_in_the_data() -> None:
    found = axes(date(2024, 1, 2), date(2024, 4, 30), "bars")
    days = [found.sessions.dates[row].item() for row in month_ends(found, sessions=1)]
    assert days == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 29)]


@pytest.mark.parametrize(
    ("last", "ends"),
    [
        (date(2024, 4, 30), True),  # the last session of April: the exchange rests from 1 May
        (date(2024, 4, 29), False),
        (date(2024, 9, 30), True),
        (date(2024, 9, 27), False),  # a Friday; Monday the 30th is a session still
    ],
)
def test_the_exchange_says_whether_the_last_session_ends_its_month(last: date, ends: bool) -> None:
    found = axes(date(2024, 3, 1), last, "XSHG")
    rows = month_ends(found, sessions=1)
    assert (rows[-1] == len(found.sessions) - 1) == ends
    assert found.sessions.dates[-1].item() == last


def test_month_ends_of_the_exchange_are_those_of_a_loop() -> None:
    found = axes(date(2023, 1, 3), date(2024, 12, 31), "XSHG")
    days = [day.item() for day in found.sessions.dates]
    wanted = [k for k, day in enumerate(days) if k + 1 == len(days) or days[k + 1].month != day.month]
    assert month_ends(found, sessions=1).tolist() == wanted


@pytest.mark.parametrize("calendar", ["bars", "XSHG"])
def test_a_vintage_has_so_many_sessions_up_to_it(calendar: str) -> None:
    found = axes(date(2024, 1, 2), date(2024, 6, 14), calendar)
    every = month_ends(found, sessions=1)
    first = int(every[1])
    assert month_ends(found, sessions=first + 1).tolist() == every[1:].tolist()
    assert month_ends(found, sessions=first + 2).tolist() == every[2:].tolist()
    assert month_ends(found, sessions=10_000).tolist() == []


def test_a_day_beyond_the_known_calendar_ends_no_month() -> None:
    last = date(2026, 12, 31)
    found = axes(date(2026, 11, 2), last, "XSHG")
    rows = month_ends(found, sessions=1)
    assert rows[0] == 20  # November has 21 sessions
    assert rows[-1] == len(found.sessions) - 1  # nothing of December is left


# ---------------------------------------------------------------- sizes


def naive_volume(table: pl.DataFrame) -> dict[tuple[date, str], float]:
    days = sorted(set(table["date"]))
    known = {(row["date"], row["asset"]): row["amount"] for row in table.to_dicts()}
    out = {}
    for k, day in enumerate(days):
        for name in NAMES:
            past = [known.get((each, name)) for each in days[max(0, k - 59) : k + 1]]
            there = [each for each in past if each is not None]
            out[day, name] = sum(there) / len(there) if there and (day, name) in known else math.nan
    return out


def block(found: Any, values: dict[tuple[date, str], float]) -> np.ndarray:
    days = [day.item() for day in found.axes.sessions.dates]
    return np.array([[values[day, name] for name in found.axes.assets] for day in days])


def test_without_market_values_size_is_the_mean_traded_value_of_60_sessions() -> None:
    table = bars().with_columns(amount=pl.when(pl.col("amount") < 20).then(None).otherwise("amount"))
    found = load_ground(made(table), PLAIN)
    assert found.size_is == "dollar_volume"
    np.testing.assert_allclose(found.size, block(found, naive_volume(table)), rtol=1e-12)  # the same sums in another order
    assert np.isfinite(found.size[:, 4]).sum() == 2  # E has a size where it trades


def test_market_values_are_taken_where_they_are() -> None:
    table = bars(total_cap=pl.col("amount") * 1e6)
    found = load_ground(made(table), PLAIN)
    assert found.size_is == "cap"
    assert np.nanmax(np.abs(found.size / 1e6 - np.round(found.size / 1e6))) == 0
    assert np.array_equal(np.isfinite(found.size), found.market.traded)


def test_sessions_before_the_first_market_value_keep_the_traded_value() -> None:
    turn = date(2023, 3, 1)
    table = bars().with_columns(total_cap=pl.when((pl.col("date") >= turn) & (pl.col("asset") == "A")).then(pl.lit(7e9)))
    found = load_ground(made(table), PLAIN)
    before = found.axes.sessions.dates < np.datetime64(turn)
    np.testing.assert_allclose(found.size[before], block(found, naive_volume(table))[before], rtol=1e-12)  # the same sums in another order
    assert (found.size[~before, 0] == 7e9).all()
    assert np.isnan(found.size[~before, 1:]).all()
    assert found.size_is == "cap"


def test_without_any_size_there_is_no_graph() -> None:
    with pytest.raises(InsufficientDataError, match="neither total_cap nor amount"):
        load_ground(made(bars().drop("amount")), PLAIN)
    assert load_ground(made(bars(total_cap=pl.lit(5.0)).drop("amount")), PLAIN).size_is == "cap"


def test_bars_must_be_there() -> None:
    with pytest.raises(TableError, match="bars"):
        load_ground(Dataset(tables={"assets": pl.DataFrame({"asset": ["A"]})}, calendar="bars"), PLAIN)


# ---------------------------------------------------------------- returns


def naive_returns(table: pl.DataFrame, kind: str) -> dict[tuple[date, str], float]:
    label = {row["asset"]: row["code"] for row in labels().to_dicts()}
    out = {}
    for day in sorted(set(table["date"])):
        here = {row["asset"]: row["ret"] for row in table.to_dicts() if row["date"] == day}
        for name in NAMES:
            mine = "y" if name == "C" and day < date(2023, 2, 20) else label.get(name)
            if kind == "raw":
                out[day, name] = here.get(name, math.nan)
                continue
            group = [
                value
                for other, value in here.items()
                if kind == "market" or ("y" if other == "C" and day < date(2023, 2, 20) else label.get(other)) == mine
            ]
            alone = len(group) < 2 or (kind == "industry" and mine is None)
            out[day, name] = math.nan if alone or name not in here else here[name] - sum(group) / len(group)
    return out


@pytest.mark.parametrize("kind", ["raw", "market", "industry"])
def test_returns_less_the_mean_of_market_or_industry(kind: Any) -> None:
    table = bars()
    found = load_ground(made(table, industries=labels()), replace(PLAIN, returns=kind))
    wanted = block(found, naive_returns(table, kind))
    np.testing.assert_allclose(found.returns, wanted, rtol=1e-12, atol=1e-16)  # the same sums in another order
    assert np.isnan(found.returns).any()
    assert np.array_equal(np.isfinite(found.market.returns), found.market.traded)  # these stay as they were
    if kind == "industry":
        days = found.axes.sessions.dates
        assert np.isnan(found.returns[:, 4]).all()  # E has no industry
        alone = (days >= np.datetime64("2023-02-20")) & found.market.traded[:, 3]
        assert alone.any()
        assert np.isnan(found.returns[alone, 3]).all()  # D is alone once C has left


def test_without_industries_there_is_no_label() -> None:
    found = load_ground(made(), PLAIN)
    assert found.industries == ()
    assert (found.industry == -1).all()
    with pytest.raises(InsufficientDataError, match="returns = 'industry' needs the industry"):
        load_ground(made(), replace(PLAIN, returns="industry"))
    empty = load_ground(made(industries=labels().clear()), PLAIN)
    assert empty.industries == ()


def test_a_label_ends_on_the_day_before_its_end_date() -> None:
    found = load_ground(made(industries=labels()), PLAIN)
    days = found.axes.sessions.dates
    assert found.industries == ("x", "y")
    assert found.industry[days < np.datetime64("2023-02-20"), 2].tolist() == [1] * int((days < np.datetime64("2023-02-20")).sum())
    assert (found.industry[days >= np.datetime64("2023-02-20"), 2] == 0).all()
    assert (found.industry[:, 4] == -1).all()


def test_the_planted_market_passes_its_checks() -> None:
    """What the check finds on the tables of news and links: a circle of owners, which is allowed, and nothing set aside."""
    report = data().report
    assert report is not None
    assert data().quarantine == {}
    assert {(each.level, each.table, each.rule) for each in report.findings} == {("notice", "affiliates", "ownership_circle")}
    assert load_ground(changed(data(), industries=None), PLAIN).industries == ()
