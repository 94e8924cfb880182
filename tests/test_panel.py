"""Frame ↔ block: nothing is lost or moved on the way, and intervals are painted as a naive loop would."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import TableError
from pureplay.panel import Axes, label_block, paint, to_frame
from pureplay.sessions import sessions_between

START = date(2024, 1, 1)
ASSETS = ("000001.SZ", "600519.SH", "830799.BJ", "T00018.SH")
OFFSETS = (0, 1, 2, 4, 7, 8, 9, 15)  # gaps, as of weekends and holidays
DAYS = [START + timedelta(days) for days in OFFSETS]
AXES = Axes(sessions_between(np.array(DAYS, dtype="datetime64[D]"), "bars"), ASSETS)

cells = st.tuples(st.sampled_from(DAYS), st.sampled_from(ASSETS))
numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=True, width=64))
frames = st.dictionaries(cells, st.tuples(numbers, st.integers(-(2**31), 2**31)), max_size=32)
some_day = st.integers(-5, 25).map(lambda days: START + timedelta(days))
intervals = st.lists(
    st.tuples(st.sampled_from([*ASSETS, "unknown"]), some_day, st.one_of(st.none(), some_day), st.integers(0, 9)), max_size=25
)


def long_frame(rows: dict[tuple[date, str], tuple[float | None, int]]) -> pl.DataFrame:
    data = [(day, asset, *values) for (day, asset), values in rows.items()]
    return pl.DataFrame(data, schema={"date": pl.Date, "asset": pl.String, "x": pl.Float64, "n": pl.Int64}, orient="row")


@given(frames)
def test_frame_to_block_and_back(rows: dict[tuple[date, str], tuple[float | None, int]]) -> None:
    frame = long_frame(rows)
    blocks = AXES.blocks(frame, ["x", "n"])
    for (day, asset), (x, n) in rows.items():
        cell = DAYS.index(day), ASSETS.index(asset)
        assert blocks["n"][cell] == n
        assert np.isnan(blocks["x"][cell]) if x is None else blocks["x"][cell] == x
    assert np.isfinite(blocks["n"]).sum() == len(rows)
    back = to_frame(AXES, blocks, np.isfinite(blocks["n"]))
    assert back.equals(frame.with_columns(pl.col("n").cast(pl.Float64)).sort("date", "asset"))


@given(frames, st.integers(0, 8), st.integers(0, 8))
def test_a_frame_written_block_by_block_is_the_whole_frame(
    rows: dict[tuple[date, str], tuple[float | None, int]], one: int, two: int
) -> None:
    blocks = AXES.blocks(long_frame(rows), ["x"])
    keep = np.random.default_rng(len(rows)).random(AXES.shape) < 0.5
    first, second = sorted((one, two))
    parts = [to_frame(AXES, blocks, keep, first=start, last=stop) for start, stop in ((0, first), (first, second), (second, None))]
    assert pl.concat(parts).equals(to_frame(AXES, blocks, keep))


def test_rows_off_the_axes_are_left_out() -> None:
    frame = pl.DataFrame(
        {"date": [DAYS[0], date(2024, 1, 4), DAYS[0], date(2030, 1, 1), None], "asset": [ASSETS[0], *ASSETS[:2], ASSETS[0], ASSETS[0]]}
    )
    frame = frame.vstack(pl.DataFrame({"date": [DAYS[1], DAYS[1]], "asset": ["unknown", None]}))
    assert AXES.locate(frame).tolist() == [0, -1, 1, -1, -1, -1, -1]
    block = AXES.block(AXES.locate(frame), pl.Series(range(7)))
    assert np.isfinite(block).sum() == 2


@pytest.mark.parametrize("codes", [pl.String, pl.Categorical, pl.Enum([*ASSETS, "unknown"])])
def test_codes_of_any_text_type(codes: pl.DataType) -> None:
    assert AXES.asset_index(pl.Series([ASSETS[2], "unknown", ASSETS[0]], dtype=codes)).tolist() == [2, -1, 0]


def test_moments_are_no_dates() -> None:
    frame = pl.DataFrame({"date": [datetime(2024, 1, 1)], "asset": [ASSETS[0]]})
    with pytest.raises(TableError, match=r"date is Datetime.*where Date is needed: cast it"):
        AXES.locate(frame)


def test_an_absent_column_is_named() -> None:
    with pytest.raises(TableError, match="lacks x; it has date, asset, n"):
        AXES.blocks(long_frame({}).drop("x"), ["x", "n"])


def test_missing_values_and_dates_become_null() -> None:
    keep = np.ones(AXES.shape, dtype=bool)
    when = np.full(AXES.shape, np.datetime64("NaT", "D"))
    when[0, 0] = np.datetime64("2023-04-20")
    blocks = {"x": np.full(AXES.shape, np.nan), "when": when, "flag": keep, "label": np.zeros(AXES.shape, dtype=np.int32)}
    made = to_frame(AXES, blocks, keep)
    assert made.schema == {"date": pl.Date, "asset": pl.String, "x": pl.Float64, "when": pl.Date, "flag": pl.Boolean, "label": pl.Int32}
    assert made["x"].null_count() == made.height
    assert made["when"].drop_nulls().to_list() == [date(2023, 4, 20)]
    assert to_frame(AXES, blocks, ~keep).height == 0


@given(intervals, st.booleans())
def test_labels_are_those_of_a_naive_loop(rows: list[tuple[str, date, date | None, int]], last_day_counts: bool) -> None:
    schema = {"asset": pl.String, "start_date": pl.Date, "end_date": pl.Date, "label": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    expected = np.full(AXES.shape, -1)
    for asset, start, end, label in sorted(rows, key=lambda row: (row[1], row[3])):
        for place, day in enumerate(DAYS):
            before_end = end is None or (day <= end if last_day_counts else day < end)
            if asset in ASSETS and day >= start and before_end:
                expected[place, ASSETS.index(asset)] = label
    made = label_block(AXES, frame.drop("label"), frame["label"], last_day_counts=last_day_counts)
    np.testing.assert_array_equal(made, expected)
    assert made.flags.c_contiguous


def test_labels_without_end_dates_hold() -> None:
    frame = pl.DataFrame({"asset": [ASSETS[1]], "start_date": [DAYS[3]]})
    made = label_block(AXES, frame, pl.Series([7]), last_day_counts=True)
    assert (made == 7).nonzero()[0].tolist() == [3, 4, 5, 6, 7]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8), st.integers(0, 9), st.integers(0, 99)), max_size=20))
def test_paint_covers_in_the_order_of_the_list(rows: list[tuple[int, int, int, int]]) -> None:
    expected = np.full(AXES.shape, -1)
    for column, start, stop, label in rows:
        expected[start:stop, column] = label
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    np.testing.assert_array_equal(paint(AXES, *table.T), expected)
