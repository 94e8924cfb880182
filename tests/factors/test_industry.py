"""Industry labels: as known on the day, or carried back from a reform; checked against a loop over stocks and days."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.factors.industry import SHENWAN_2021, coarsest_scheme, industry_block
from pureplay.industries import industry_schemes
from pureplay.panel import Axes, IndexArray
from pureplay.sessions import sessions_between
from pureplay.signals.workshop import finest_scheme
from pureplay.studies.controls import schemes_by_depth

SWITCH = date(2021, 7, 30)
FIRST = date(2021, 7, 20)
DAYS = [FIRST + timedelta(days=k) for k in range(30) if (FIRST + timedelta(days=k)).weekday() < 5]
ROWS: list[tuple[str, str, date, date | None, str]] = [
    ("A", "l1", date(2010, 1, 1), SWITCH, "old-x"),
    ("A", "l1", SWITCH, None, "new-x"),
    ("B", "l1", date(2010, 1, 1), None, "kept"),  # holds on the switch
    ("C", "l1", date(2010, 1, 1), SWITCH, "old-y"),
    ("C", "l1", date(2021, 8, 4), date(2021, 8, 10), "new-y"),  # first later label, with a gap before
    ("C", "l1", date(2021, 8, 10), None, "new-x"),
    ("D", "l1", date(2010, 1, 1), SWITCH, "old-x"),  # ends with the old classification
    ("E", "l1", date(2021, 7, 1), None, "kept"),  # two hold on the switch: the later one
    ("E", "l1", date(2021, 7, 26), None, "new-y"),
    ("A", "l2", date(2010, 1, 1), None, "fine-1"),
    ("B", "l2", date(2010, 1, 1), None, "fine-2"),
    ("C", "l2", date(2010, 1, 1), None, "fine-3"),
    ("D", "l2", date(2010, 1, 1), None, "fine-4"),
]
TYPES = {"asset": pl.String, "scheme": pl.String, "start_date": pl.Date, "end_date": pl.Date, "code": pl.String}


def dataset(rows: list[Any] = ROWS, days: list[date] = DAYS) -> Dataset:
    bars = pl.DataFrame([{"date": day, "asset": name, "ret": 0.0, "total_cap": 1.0} for day in days for name in "ABCDEF"])
    tables = {"bars": bars, "industries": pl.DataFrame(rows, schema=TYPES, orient="row")}
    return Dataset(tables=tables)


def axes(days: list[date] = DAYS) -> Axes:
    return Axes(sessions_between(np.array(days, dtype="datetime64[D]"), "bars"), tuple("ABCDEF"))


def codes(block: IndexArray, scheme: str = "l1") -> list[list[str | None]]:
    """Labels by name, one list a session."""
    names = sorted({row[4] for row in ROWS if row[1] == scheme})
    return [[None if number < 0 else names[number] for number in day] for day in block.tolist()]


def holds(asset: str, day: date) -> str | None:
    """The label of the day by METHODS: of the intervals [start, end) that hold, the one that started last."""
    held = [row for row in ROWS if row[0] == asset and row[1] == "l1" and row[2] <= day and (row[3] is None or day < row[3])]
    return max(held, key=lambda row: row[2])[4] if held else None


def carried(asset: str, day: date, switch: date) -> str | None:
    """The label of the day, or before the switch the first label on or after it."""
    if day >= switch:
        return holds(asset, day)
    later = sorted(row[2] for row in ROWS if row[0] == asset and row[1] == "l1" and row[2] > switch)
    return holds(asset, switch) or (holds(asset, later[0]) if later else None)


def test_pit_labels_are_those_of_the_day() -> None:
    found = codes(industry_block(dataset(), axes(), "l1"))
    assert found == [[holds(name, day) for name in "ABCDEF"] for day in DAYS]
    before, after = {each for day in found[:8] for each in day}, {each for day in found[8:] for each in day}
    assert DAYS[8] == SWITCH
    assert before == {"old-x", "old-y", "kept", "new-y", None}
    assert after == {"new-x", "new-y", "kept", None}


@pytest.mark.parametrize("switch", [SWITCH, date(2021, 8, 4), date(2021, 8, 7), FIRST, date(2021, 7, 1)])
def test_backcast_carries_the_first_later_label_back(switch: date) -> None:
    found = codes(industry_block(dataset(), axes(), "l1", mode="backcast", switch=switch))
    assert found == [[carried(name, day, switch) for name in "ABCDEF"] for day in DAYS]


def test_backcast_has_one_set_of_names_throughout() -> None:
    found = codes(industry_block(dataset(), axes(), "l1", mode="backcast"))
    assert SHENWAN_2021 == SWITCH
    assert found[0] == ["new-x", "kept", "new-y", None, "new-y", None]
    assert {each for day in found for each in day} == {"new-x", "new-y", "kept", None}


def test_mode_and_scheme_matter() -> None:
    pit = industry_block(dataset(), axes(), "l1")
    assert not np.array_equal(pit, industry_block(dataset(), axes(), "l1", mode="backcast"))
    assert not np.array_equal(pit, industry_block(dataset(), axes(), "l2"))
    early = industry_block(dataset(), axes(), "l1", mode="backcast", switch=date(2021, 7, 22))
    assert not np.array_equal(early, industry_block(dataset(), axes(), "l1", mode="backcast"))


def test_pit_labels_know_nothing_of_what_comes_later() -> None:
    whole = codes(industry_block(dataset(), axes(), "l1"))
    for k in range(1, len(DAYS)):
        past = dataset().as_of(DAYS[k])
        names = past.frame("industries").filter(scheme="l1")["code"].unique().sort().to_list()
        block = industry_block(past, axes(DAYS[: k + 1]), "l1")
        assert [[None if each < 0 else names[each] for each in day] for day in block.tolist()] == whole[: k + 1]


def test_the_order_of_rows_does_not_matter() -> None:
    for mode in ("pit", "backcast"):
        one = industry_block(dataset(), axes(), "l1", mode=mode)
        assert np.array_equal(one, industry_block(dataset(ROWS[::-1]), axes(), "l1", mode=mode))


def test_a_table_without_end_dates_is_open_ended() -> None:
    data = dataset([row for row in ROWS if row[0] == "B"])
    bare = Dataset(tables={**data.tables, "industries": data.frame("industries").drop("end_date")})
    for mode in ("pit", "backcast"):
        assert np.array_equal(industry_block(bare, axes(), "l1", mode=mode), industry_block(data, axes(), "l1", mode=mode))


def test_questions_without_an_answer_are_errors_that_help() -> None:
    early = DAYS[:5]
    with pytest.raises(SettingError, match=r"labels are those of 2021-07-30, but the sessions end on 2021-07-26: use pit labels"):
        industry_block(dataset(days=early), axes(early), "l1", mode="backcast")
    with pytest.raises(SettingError, match="no industry scheme 'sw'; it has l1, l2"):
        industry_block(dataset(), axes(), "sw")
    with pytest.raises(SettingError, match="one of pit, backcast, not 'back'"):
        industry_block(dataset(), axes(), "l1", mode="back")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="give switch="):
        industry_block(dataset(), axes(), "l1", mode="backcast", switch=None)
    ended = [row for row in ROWS if row[0] == "D" and row[1] == "l1"]
    with pytest.raises(SettingError, match="no label of the scheme holds on 2021-07-30 or starts later"):
        industry_block(dataset(ended), axes(), "l1", mode="backcast")
    with pytest.raises(TableError, match="no table 'industries'"):
        industry_block(Dataset(tables={"bars": dataset().frame("bars")}), axes(), "l1")


def test_the_coarsest_scheme_is_chosen_by_what_was_known_at_the_start() -> None:
    assert coarsest_scheme(dataset()) == "l1"  # five codes in all, but three before the data begin, where l2 has four
    assert coarsest_scheme(dataset([row for row in ROWS if row[4] not in ("fine-3", "fine-4")])) == "l2"
    assert coarsest_scheme(Dataset(tables={"bars": dataset().frame("bars")})) is None
    assert coarsest_scheme(dataset([])) is None
    later = [*ROWS, *((name, "one", DAYS[3], None, "all") for name in "ABC")]
    assert coarsest_scheme(dataset(later)) == "l1"


def test_finest_and_coarsest_follow_one_order_of_what_was_known_at_the_start() -> None:
    later = [("A", "new", DAYS[5], None, "a"), ("A", "now", DAYS[3], None, "a"), ("B", "now", DAYS[4], None, "b")]
    data = dataset([*ROWS, *later])  # l1 has five codes in all and l2 four, but three of l1 are known at the start
    assert industry_schemes(data) == (("l2", "l1"), ("now", "new"))
    assert schemes_by_depth(data) == ["l2", "l1", "now", "new"]
    assert (finest_scheme(data), coarsest_scheme(data)) == ("l2", "l1")
    for day in DAYS[:3]:
        assert schemes_by_depth(data.as_of(day)) == ["l2", "l1"]
    assert schemes_by_depth(data.as_of(DAYS[3])) == ["l2", "l1", "now"]
    assert schemes_by_depth(dataset(later)) == ["now", "new"]  # no label is as old as the first session: the start is that of the labels
    assert schemes_by_depth(Dataset(tables={"bars": data.frame("bars")})) == []
    assert industry_schemes(dataset([])) == ((), ())
