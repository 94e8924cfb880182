"""Moments through a column map: every spelling to UTC, and what must be said about the time zone."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pureplay.errors import SettingError, TableError
from pureplay.sources.files import Imported

Run = Callable[..., Imported]

MENTIONS = """
[[table]]
table = "mentions"
files = ["news*"]
[table.columns]
article = "id"
asset = "code"
published_at = {{from = "at"{options}}}
"""
SHANGHAI = ', timezone = "Asia/Shanghai"'


def moments(run: Run, options: str, values: list[Any], kind: Any = None) -> Imported:
    frame = pl.DataFrame({"id": [f"n{i}" for i in range(len(values))], "code": "A", "at": pl.Series(values, dtype=kind)})
    return run(MENTIONS.format(options=options), {"news.parquet": frame})


def at(year: int, month: int, day: int, *clock: int) -> datetime:
    return datetime(year, month, day, *clock, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        (SHANGHAI, datetime(2024, 1, 3, 3, 30), at(2024, 1, 2, 19, 30)),
        (', timezone = "UTC"', datetime(2024, 1, 3, 3, 30), at(2024, 1, 3, 3, 30)),
        (', timezone = "America/New_York"', datetime(2024, 7, 3, 20, 0), at(2024, 7, 4)),  # summer time
        (', timezone = "America/New_York"', datetime(2024, 1, 3, 19, 0), at(2024, 1, 4)),
        ("", datetime(2024, 1, 3, 3, 30, tzinfo=ZoneInfo("Asia/Shanghai")), at(2024, 1, 2, 19, 30)),
        (SHANGHAI, "2024-01-03 03:30", at(2024, 1, 2, 19, 30)),
        (SHANGHAI, " 2024-01-03T03:30:01.25 ", at(2024, 1, 2, 19, 30, 1, 250_000)),
        ("", "2024-01-03T03:30:00Z", at(2024, 1, 3, 3, 30)),
        ("", "2024-01-03T03:30:00.5+08:00", at(2024, 1, 2, 19, 30, 0, 500_000)),
        ("", "2024-01-03 03:30 -0500", at(2024, 1, 3, 8, 30)),
        (SHANGHAI + ', format = "%Y%m%d%H%M%S"', "20240103033000", at(2024, 1, 2, 19, 30)),
        (SHANGHAI + ', format = "%Y%m%d%H%M%S"', 20240103033000, at(2024, 1, 2, 19, 30)),
        (', format = "%d/%m/%Y %H:%M %z"', "03/01/2024 03:30 +0800", at(2024, 1, 2, 19, 30)),
        (SHANGHAI + ', time_of_day = "23:59:59"', date(2024, 1, 3), at(2024, 1, 3, 15, 59, 59)),
        (SHANGHAI + ', time_of_day = "23:59"', "2024-01-03", at(2024, 1, 3, 15, 59)),
        (SHANGHAI + ', time_of_day = "23:59"', "2024-01-03 03:30", at(2024, 1, 2, 19, 30)),
        # 2024-11-03 01:30 comes twice in New York: the later one, so that nothing is known too early
        (', timezone = "America/New_York"', "2024-11-03 01:30", at(2024, 11, 3, 6, 30)),
    ],
)
def test_every_spelling_becomes_utc(run: Run, options: str, value: object, expected: datetime) -> None:
    table = moments(run, options, [value]).tables["mentions"]
    assert table.schema["published_at"] == pl.Datetime("us", "UTC")
    assert table["published_at"].to_list() == [expected]


@pytest.mark.parametrize(
    ("zone", "value"),
    [
        ("America/New_York", "2024-03-10 02:30"),  # the clocks skip it
        ("Asia/Shanghai", "2024-01-03"),
        ("Asia/Shanghai", "2024-13-03 03:30"),
        ("Asia/Shanghai", "2024-01-03 25:30"),
        ("Asia/Shanghai", "0024-01-03 03:30"),
        ("Asia/Shanghai", "yesterday"),
    ],
)
def test_what_is_no_moment_is_set_aside_with_its_text(run: Run, zone: str, value: str) -> None:
    result = moments(run, f', timezone = "{zone}"', [value, "2024-01-01 00:00"])
    assert result.tables["mentions"]["article"].to_list() == ["n1"]
    assert result.refused["mentions"].select("rule", "column", "published_at").rows() == [("not_a_moment", "published_at", value)]


def test_offsets_and_local_times_may_stand_in_one_column(run: Run) -> None:
    table = moments(run, SHANGHAI, ["2024-01-03 08:00", "2024-01-03 08:00Z", None]).tables["mentions"]
    assert table["published_at"].to_list() == [at(2024, 1, 3), at(2024, 1, 3, 8), None]


@pytest.mark.parametrize(
    ("options", "values", "message"),
    [
        ("", [datetime(2024, 1, 3)], r"carries no time zone.*add timezone = \"Asia/Shanghai\""),
        ("", ["2024-01-03 03:30"], r"carries no time zone.*add timezone = \"Asia/Shanghai\""),
        ("", ["2024-01-03 03:30", "2024-01-03 03:30Z"], "carries no time zone"),
        (', format = "%Y%m%d%H%M"', ["202401030330"], "carries no time zone"),
        (SHANGHAI, [datetime(2024, 1, 3, tzinfo=UTC)], r"carries the time zone UTC, so timezone = .* means nothing"),
        (SHANGHAI, ["2024-01-03 03:30Z"], "an offset in every value"),
        (SHANGHAI, [date(2024, 1, 3)], r"holds days, not moments: add time_of_day"),
        (', time_of_day = "23:59"', [date(2024, 1, 3)], "carries no time zone"),
        (SHANGHAI, [1704243000], "holds numbers"),
        (SHANGHAI, [True], "holds no moments"),
    ],
)
def test_a_column_that_leaves_the_moment_open_is_refused(run: Run, options: str, values: list[Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        moments(run, options, values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (', timezone = "Asia/Shangai"', r"timezone = \"Asia/Shangai\" is no time zone \(nearest: Asia/Shanghai"),
        (', format = "%Y%m%d"', r"lacks %Y, %m, %d, %H or %M: write the strptime pattern of a whole moment"),
        (', time_of_day = "24:30"', "is no time: write"),
        (", floor = true", "unknown key 'floor'"),
    ],
)
def test_faulty_options(run: Run, options: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        moments(run, options, [datetime(2024, 1, 3)])


def test_a_moment_is_no_constant(run: Run) -> None:
    text = MENTIONS.format(options="").replace('published_at = {from = "at"}\n', "[table.constants]\npublished_at = 2024-01-03T00:00:00\n")
    with pytest.raises(SettingError, match="moments differ from row to row"):
        run(text, {"news.csv": "id,code\nn,A\n"})


def test_the_report_says_how_moments_were_read(run: Run) -> None:
    [entry] = [each for each in moments(run, SHANGHAI, [datetime(2024, 1, 3, 8)]).report.entries if each.kind == "converted"]
    assert (entry.column, entry.count, entry.detail) == ("published_at", 1, "Datetime to moment in UTC, taken in Asia/Shanghai")
    assert entry.examples == ("2024-01-03 08:00:00 -> 2024-01-03 00:00:00+00:00",)


def test_rows_are_chosen_by_moment(run: Run) -> None:
    text = MENTIONS.format(options=SHANGHAI).replace(
        'files = ["news*"]', 'files = ["news*"]\nwhere = [{column = "at", min = 2017-01-01T00:00:00}]'
    )
    frame = pl.DataFrame({"id": ["a", "b"], "code": "A", "at": [datetime(1970, 1, 18), datetime(2024, 1, 3, 8)]})
    result = run(text, {"news.parquet": frame})
    assert result.tables["mentions"]["article"].to_list() == ["b"]
    assert result.report.count("left out") == 1
