"""Frames of the user: what is taken, and what is refused with a message that names the table."""

from collections.abc import Callable
from datetime import date, datetime
from io import BytesIO
from typing import Any

import pandas as pd
import polars as pl
import pytest

from pureplay.errors import PureplayError, SettingError, TableError
from pureplay.evaluate import Timing, orthogonal_icir
from tests.evaluate.conftest import Panel

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

QUICK = Timing(null_draws=20)


def judge(panel: Panel, convert: Callable[[pl.DataFrame], Any]) -> dict[str, Any]:
    """Verdict on the panel after every frame went through `convert`."""
    return orthogonal_icir(
        convert(panel.signal),
        convert(panel.forward),
        convert(panel.base),
        industries=convert(panel.industries),
        universe=convert(panel.universe),
        controls={"own_only": convert(panel.control)},
        timing=QUICK,
    ).to_dict()


def flat(value: Any) -> list[Any]:
    """Leaves of nested mappings and sequences, each with its path."""
    if isinstance(value, dict):
        return [(f"{key}/{path}", leaf) for key, each in value.items() for path, leaf in flat(each)]
    if isinstance(value, list | tuple):
        return [(f"{key}/{path}", leaf) for key, each in enumerate(value) for path, leaf in flat(each)]
    return [("", value)]


def as_csv(frame: pl.DataFrame) -> BytesIO:
    target = BytesIO()
    frame.write_csv(target)
    target.seek(0)
    return target


FORMS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "lazy": lambda frame: frame.lazy(),
    "shuffled": lambda frame: frame.sample(fraction=1, shuffle=True, seed=0),
    "arrow": lambda frame: frame.to_arrow(),
    "pandas with datetimes": lambda frame: frame.to_pandas(date_as_object=False),
    "pandas with date objects": lambda frame: frame.to_pandas(date_as_object=True),
    "pandas with an odd index": lambda frame: frame.to_pandas().set_index(pd.Index(range(5, 5 + frame.height))),
    "csv by polars": lambda frame: pl.read_csv(as_csv(frame)),
    "csv by polars with dates": lambda frame: pl.read_csv(as_csv(frame), try_parse_dates=True),
    "csv by pandas": lambda frame: pd.read_csv(as_csv(frame)),
    "datetimes at midnight": lambda frame: frame.with_columns(pl.selectors.date().cast(pl.Datetime("ms"))),
    "categorical codes": lambda frame: frame.with_columns(pl.col("asset").cast(pl.Categorical)),
    "32-bit dates and codes": lambda frame: frame.with_columns(pl.col("asset").cast(pl.Enum(sorted(frame["asset"].unique())))),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_frame_gives_the_same_verdict(panel: Panel, form: str) -> None:
    found, wanted = flat(judge(panel, FORMS[form])), flat(judge(panel, lambda frame: frame))
    assert [path for path, _ in found] == [path for path, _ in wanted]
    for (_, one), (path, other) in zip(found, wanted, strict=True):
        # ranks cannot differ; pandas reads the last digit of a number in CSV carelessly, which the share of variance shows
        assert one == (pytest.approx(other, rel=1e-9) if isinstance(other, float) else other), path


def test_the_callers_frames_are_untouched(panel: Panel) -> None:
    copies = [frame.clone() for frame in (panel.signal, panel.forward, panel.base, panel.industries)]
    judge(panel, lambda frame: frame)
    for before, after in zip(copies, (panel.signal, panel.forward, panel.base, panel.industries), strict=True):
        assert before.equals(after)


def refused(panel: Panel, kind: type[PureplayError], message: str, **changed: Any) -> None:
    """The verdict with some arguments changed must fail with this message."""
    arguments = {"signal": panel.signal, "forward_returns": panel.forward, "base_factors": panel.base, "timing": QUICK, **changed}
    with pytest.raises(kind, match=message):
        orthogonal_icir(**arguments)


TABLES = {"signal": "signal", "forward_returns": "forward", "base_factors": "base"}


@pytest.mark.parametrize("argument", TABLES)
class TestFaultyTables:
    """Each fault in each of the three keyed tables."""

    def test_repeated_keys(self, panel: Panel, argument: str) -> None:
        frame = getattr(panel, TABLES[argument])
        again = pl.concat([frame, frame.slice(4, 2)])
        refused(
            panel, TableError, rf"^{argument} has 2 repeated keys, such as {panel.days[0]} 6000\d\d.SH: keep one row", **{argument: again}
        )

    @pytest.mark.parametrize("column", ["date", "asset"])
    def test_an_absent_key(self, panel: Panel, argument: str, column: str) -> None:
        refused(panel, TableError, f"^{argument} lacks the column '{column}'", **{argument: getattr(panel, TABLES[argument]).drop(column)})

    @pytest.mark.parametrize("column", ["date", "asset"])
    def test_a_null_key(self, panel: Panel, argument: str, column: str) -> None:
        frame = getattr(panel, TABLES[argument])
        holed = frame.with_columns(pl.when(pl.int_range(pl.len()) != 3).then(pl.col(column)))
        refused(panel, TableError, f"^{argument} has rows without date or asset", **{argument: holed})

    def test_dates_with_a_time_zone(self, panel: Panel, argument: str) -> None:
        zoned = getattr(panel, TABLES[argument]).with_columns(pl.col("date").cast(pl.Datetime).dt.replace_time_zone("Asia/Shanghai"))
        refused(panel, TableError, f"^{argument}.date carries the time zone Asia/Shanghai", **{argument: zoned})

    def test_dates_with_a_time_of_day(self, panel: Panel, argument: str) -> None:
        timed = getattr(panel, TABLES[argument]).with_columns(pl.col("date").cast(pl.Datetime).dt.offset_by("15h"))
        refused(panel, TableError, f"^{argument}.date has .* values with a time of day", **{argument: timed})

    def test_text_among_the_numbers(self, panel: Panel, argument: str) -> None:
        named = getattr(panel, TABLES[argument]).with_columns(name=pl.lit("Moutai"))
        refused(panel, TableError, f"^{argument} has non-numeric columns name", **{argument: named})

    def test_no_rows(self, panel: Panel, argument: str) -> None:
        refused(panel, TableError, f"^{argument} has no rows", **{argument: getattr(panel, TABLES[argument]).clear()})

    def test_not_a_frame(self, panel: Panel, argument: str) -> None:
        refused(panel, TableError, f"^{argument} is a list, not a frame", **{argument: [1, 2]})


def test_forward_returns_of_one_horizon_only(panel: Panel) -> None:
    two = panel.forward.with_columns(sessions=pl.when(pl.int_range(pl.len()) < 50).then(5).otherwise(20))
    refused(panel, TableError, r"several values of sessions: \[5.0, 20.0\]: pass one horizon at a time", forward_returns=two)
    delays = panel.forward.with_columns(delay=pl.when(pl.int_range(pl.len()) < 50).then(1).otherwise(2))
    refused(panel, TableError, "several values of delay", forward_returns=delays)
    refused(
        panel, TableError, "forward_returns lacks the column forward_return", forward_returns=panel.forward.rename({"forward_return": "y"})
    )


@pytest.mark.parametrize("name", ["sessions", "delay"])
def test_a_horizon_has_no_gaps_and_is_whole(panel: Panel, name: str) -> None:
    holed = panel.forward.with_columns(pl.when(pl.int_range(pl.len()) != 3).then(20).alias(name))
    refused(panel, TableError, f"forward_returns has 1 rows without {name}: fill", forward_returns=holed)
    refused(panel, TableError, "has .* rows without", forward_returns=panel.forward.with_columns(pl.lit(None, dtype=pl.Int32).alias(name)))
    for value in (2.5, -1):
        wrong = panel.forward.with_columns(pl.lit(value).alias(name))
        refused(panel, TableError, rf"forward_returns.{name} must be a whole number from [01] on, not {value}", forward_returns=wrong)


def numbered(panel: Panel) -> pl.DataFrame:
    """Forward returns with the ordinal of each date and the day on which its window closes."""
    days = panel.days
    place = pl.DataFrame({"date": days, "ordinal": panel.sessions.ordinals, "exit_date": [*days[21:], *[date(2030, 1, 1)] * 21]})
    return panel.forward.join(place, on="date", how="left", maintain_order="left")


@pytest.mark.parametrize("form", FORMS)
def test_ordinals_and_closes_are_read_from_every_kind_of_frame(panel: Panel, form: str) -> None:
    timing = Timing(null_draws=0, split=panel.days[100])
    found = orthogonal_icir(panel.signal, FORMS[form](numbered(panel)), None, timing=timing).raw
    assert found.daily["offset"].to_list() == (panel.sessions.ordinals % 20).tolist()
    inside = found.period("in sample")
    assert inside is not None
    assert inside.last == panel.days[79]


def test_ordinals_are_those_of_sessions(panel: Panel) -> None:
    frame = numbered(panel)
    first = pl.int_range(pl.len()) == 0
    for changed, message in (
        (pl.when(~first).then("ordinal"), "rows without ordinal: fill the column or leave it out"),
        (pl.when(first).then(7).otherwise("ordinal"), rf"several values of ordinal on {panel.days[0]}"),
        (pl.col("ordinal") + 0.5, "ordinal must be whole numbers from 0 on, not .*5: number the sessions"),
        (-pl.col("ordinal"), "ordinal must be whole numbers from 0 on, not -"),
        (pl.lit(3), rf"ordinal goes from 3 on {panel.days[0]} to 3 on {panel.days[1]}, but it must rise"),
        (pl.col("ordinal") * 10, "but it must rise from date to date, by one a day at most"),
    ):
        refused(panel, TableError, message, forward_returns=frame.with_columns(ordinal=changed))


def test_a_window_closes_once_and_after_its_date(panel: Panel) -> None:
    frame = numbered(panel)
    first = pl.int_range(pl.len()) == 0
    for changed, message in (
        (pl.when(~first).then("exit_date"), "rows without exit_date: fill the column or leave it out"),
        (pl.when(first).then(date(2029, 1, 1)).otherwise("exit_date"), rf"several values of exit_date on {panel.days[0]} \(.*2029-01-01"),
        (pl.col("date"), f"130 dates whose exit_date does not lie after them, such as {panel.days[0]}"),
        (pl.lit("soon"), r"^forward_returns.exit_date has .* not ISO dates"),
    ):
        refused(panel, TableError, message, forward_returns=frame.with_columns(exit_date=changed))


def test_tables_without_common_stocks_or_dates(panel: Panel) -> None:
    strangers = panel.base.with_columns(asset=pl.lit("X") + pl.col("asset"))
    refused(panel, TableError, "base_factors share no date and stock", base_factors=strangers)
    later = panel.base.with_columns(pl.col("date").dt.offset_by("10y"))
    refused(panel, TableError, "base_factors share no date and stock", base_factors=later)
    refused(
        panel, PureplayError, "no date out of 130 has enough names", signal=panel.signal.with_columns(asset=pl.lit("X") + pl.col("asset"))
    )


def test_industries_of_one_scheme_and_with_all_they_need(panel: Panel) -> None:
    two = pl.concat([panel.industries.with_columns(scheme=pl.lit(name)) for name in ("sw_l1", "sw_l2")])
    refused(panel, SettingError, "industries hold the schemes sw_l1, sw_l2: pass the rows of one", industries=two)
    refused(panel, TableError, "industries lacks code; it has asset, start_date, end_date", industries=panel.industries.drop("code"))
    refused(
        panel, TableError, "industries has 60 rows without", industries=panel.industries.with_columns(code=pl.lit(None, dtype=pl.String))
    )
    refused(panel, TableError, "universe lacks start_date", universe=panel.universe.drop("start_date"))
    refused(panel, TableError, "^universe.start_date has .* not ISO dates", universe=panel.universe.with_columns(start_date=pl.lit("soon")))


def test_intervals_may_leave_out_end_dates_and_number_their_codes(panel: Panel) -> None:
    numbered = panel.industries.select("asset", "start_date", code=pl.col("code").str.slice(1).cast(pl.Int64))
    arguments: dict[str, Any] = {"timing": QUICK}
    plain = orthogonal_icir(panel.signal, panel.forward, panel.base, industries=panel.industries, **arguments)
    assert orthogonal_icir(panel.signal, panel.forward, panel.base, industries=numbered, **arguments).to_dict() == plain.to_dict()


def test_infinite_and_missing_values_keep_a_name_out(panel: Panel) -> None:
    at = panel.days[5]
    odd = panel.base.with_columns(
        value=pl.when((pl.col("date") == at) & (pl.int_range(pl.len()) % 7 == 0)).then(float("inf")).otherwise(pl.col("value")),
        size=pl.when((pl.col("date") == at) & (pl.int_range(pl.len()) % 7 == 1)).then(None).otherwise(pl.col("size")),
    )
    gone = odd.filter((pl.col("date") != at) | (pl.col("value").is_finite() & pl.col("size").is_not_null()))
    found, wanted = (orthogonal_icir(panel.signal, panel.forward, base, timing=QUICK).orthogonal.daily for base in (odd, gone))
    assert found.equals(wanted)
    assert found["names"][5] < found["names"][4]


def test_dates_may_be_datetimes_of_pandas_with_nanoseconds(panel: Panel) -> None:
    frame = panel.signal.to_pandas(date_as_object=False)
    frame["date"] = frame["date"].astype("datetime64[ns]")
    assert (
        orthogonal_icir(frame, panel.forward, None, timing=QUICK).icir
        == orthogonal_icir(panel.signal, panel.forward, None, timing=QUICK).icir
    )
    assert frame["date"].iloc[0] == datetime.combine(panel.days[0], datetime.min.time())
    assert isinstance(panel.days[0], date)
