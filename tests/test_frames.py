"""The border: any frame of any library comes in as the same polars frame, or is refused in words."""

import decimal
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import TableError
from pureplay.frames import _in_order, conform, to_polars
from tests.border_market import bars, filings, put


def pandas_bars(unit: str = "ns") -> pd.DataFrame:
    frame = pd.DataFrame(bars().to_dict(as_series=False))
    return frame.assign(date=pd.to_datetime(frame["date"]).astype(f"datetime64[{unit}]"))


INPUTS = {
    "polars": bars,
    "lazy": lambda: bars().lazy(),
    "many chunks": lambda: pl.concat([bars()[row] for row in range(18)], rechunk=False),
    "pandas, nanoseconds": pandas_bars,
    "pandas, seconds": lambda: pandas_bars("s"),
    "pandas, dates as objects": lambda: pandas_bars().assign(date=bars()["date"].to_list()),
    "pandas, index of date and asset": lambda: pandas_bars().set_index(["date", "asset"]),
    "pandas, index of dates": lambda: pandas_bars().set_index("date"),
    "pandas, unnamed index": lambda: pandas_bars().set_axis(range(18, 0, -1)),
    "pandas, category": lambda: pandas_bars().astype({"asset": "category"}),
    "pandas, arrow types": lambda: pandas_bars().convert_dtypes(dtype_backend="pyarrow"),
    "pyarrow": lambda: bars().to_arrow(),
    "pyarrow, dictionary": lambda: bars().with_columns(pl.col("asset").cast(pl.Categorical)).to_arrow(),
    "pyarrow, large text": lambda: bars().to_arrow().cast(bars().to_arrow().schema.set(1, pa.field("asset", pa.large_string()))),
    "pyarrow, batches": lambda: bars().to_arrow().to_reader(max_chunksize=4),
    "duckdb": lambda: duckdb.from_arrow(bars().to_arrow()),
    "categorical": lambda: bars().with_columns(pl.col("asset").cast(pl.Categorical)),
    "enum": lambda: bars().with_columns(pl.col("asset").cast(pl.Enum(bars()["asset"].unique()))),
    "dates as text": lambda: bars().with_columns(pl.col("date").cast(pl.String)),
    "dates as categories": lambda: bars().with_columns(pl.col("date").cast(pl.String).cast(pl.Categorical)),
    "midnights": lambda: bars().with_columns(pl.col("date").cast(pl.Datetime("ns"))),
    "decimals": lambda: bars().with_columns(pl.col("ret").cast(pl.Decimal(20, 12))),
    "decimal objects": lambda: pandas_bars().assign(ret=[decimal.Decimal(each) for each in bars()["ret"]]),
    "whole numbers": lambda: bars().with_columns(pl.col("total_cap", "volume").cast(pl.UInt32)),
    "reversed": lambda: bars().reverse(),
    "other order of columns": lambda: bars().select(reversed(bars().columns)),
}


@pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS.keys())
def test_frames_of_every_kind_come_in_alike(make: object) -> None:
    made = conform("bars", make())
    assert made.frame.equals(conform("bars", bars()).frame)
    assert made.changes == ()


def test_the_input_is_left_as_it_was() -> None:
    given_frame, copy = bars().reverse(), bars().reverse()
    conform("bars", given_frame)
    assert given_frame.equals(copy)


REFUSED = {
    "pandas, mixed codes": (lambda: pandas_bars().assign(asset=[600519] + ["600519.SH"] * 17), "asset.*give every column one name"),
    "pandas, mixed numbers": (lambda: pandas_bars().assign(ret=pd.Series([0.1] + ["x"] * 17, dtype=object)), "ret"),
    "pandas, a column twice": (
        lambda: pd.concat([pandas_bars(), pandas_bars()[["ret"]]], axis=1),
        "Duplicate column names.*one name of its own",
    ),
    "pandas, months": (lambda: pandas_bars().assign(date=pd.PeriodIndex(["2024-01"] * 18, freq="M")), "where a date is needed"),
    "pandas, time zone": (
        lambda: pandas_bars().assign(date=pandas_bars()["date"].dt.tz_localize("Asia/Shanghai")),
        "time zone Asia/Shanghai",
    ),
    "pandas series": (lambda: pandas_bars()["ret"], "a pandas Series, cannot be read as a table"),
    "polars series": (lambda: bars()["ret"], "bars is a Series, not a frame"),
    "pyarrow column": (lambda: pa.chunked_array([[1, 2]]), "ChunkedArray, cannot be read as a table"),
    "numpy": (lambda: np.zeros((3, 3)), "bars is a ndarray, not a frame"),
    "nothing": (lambda: None, "bars is a NoneType, not a frame"),
    "lists": (lambda: bars().with_columns(pl.concat_list("ret")), r"List\(Float64\) with values such as \[\[.*a number is needed"),
    "bytes": (lambda: bars().with_columns(pl.col("asset").cast(pl.Binary)), "Binary with values such as .*text such as"),
    "short ISO dates": (lambda: bars().with_columns(date=pl.lit("2024-1-2")), r"18 values that are not ISO dates, such as \['2024-1-2'"),
    "impossible dates": (lambda: bars().with_columns(date=pl.lit("2023-02-29")), "not ISO dates.*2023-02-29"),
    "ISO moments": (lambda: bars().with_columns(date=pl.lit("2024-01-02T00:00:00")), "not ISO dates"),
    "signed dates": (lambda: bars().with_columns(date=pl.lit("+2024-01-02")), "not ISO dates"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_in_words(make: object, words: str) -> None:
    with pytest.raises(TableError, match=rf"(?s)^bars.*{words.removeprefix('bars')}"):
        conform("bars", make())


def test_upper_case_names_are_recognised() -> None:
    with pytest.raises(TableError, match=r"'date' \(is it 'DATE'\?\), 'ret' \(is it 'Ret'\?\)"):
        conform("bars", bars().rename({"date": "DATE", "ret": "Ret"}))


def test_nan_and_null_are_the_same_and_counted() -> None:
    nan, null = put(bars(), 2, ret=float("nan")), put(bars(), 2, ret=None)
    made = conform("bars", nan)
    assert made.frame.equals(conform("bars", null).frame)
    assert made.changes == ("ret: 1 NaN read as missing",)


def test_blank_text_is_missing_and_spaces_go() -> None:
    """Stocks whose issuer is left empty are no one group of companies."""
    assets = pl.DataFrame({"asset": [" a", "b\t", "c"], "issuer": ["", " ", "x "], "list_date": ["", "2020-01-01", None]})
    made = conform("assets", assets)
    assert made.frame.rows() == [("a", None, None), ("b", None, date(2020, 1, 1)), ("c", "x", None)]
    assert made.changes == (
        "asset: spaces around 2 values were removed, such as ' a'",
        "issuer: spaces around 2 values were removed, such as ' '",
        "issuer: 2 blank values read as missing",
        "list_date: 1 blank values read as missing",
    )


def test_invisible_characters_go() -> None:
    made = conform("bars", put(bars(), 0, asset="\ufeff000001.SZ\u200b"))
    assert made.frame.equals(conform("bars", bars()).frame)


def test_columns_outside_the_contract_are_named() -> None:
    made = conform("bars", bars().rename({"close": "Close"}).with_columns(sector=pl.lit(1)))
    assert made.frame.columns == ["date", "asset", "ret", "volume", "total_cap"]
    assert made.changes == ("columns outside the contract were left out: Close (is it 'close'?), sector",)


def test_open_ended_tables_keep_numbers_flags_and_empty_columns() -> None:
    own = bars().select("date", "asset", whole=pl.lit(3), flag=pl.lit(True), nothing=pl.lit(None), _place="ret", rule="ret")
    made = conform("factors", own.reverse())
    assert made.frame.select("whole", "flag", "nothing").row(0) == (3.0, 1.0, None)
    assert set(made.frame.dtypes[2:]) == {pl.Float64}
    assert made.frame["_place"].to_list() == bars()["ret"].to_list()
    with pytest.raises(TableError, match="non-numeric columns word, day: encode them as numbers"):
        conform("factors", own.with_columns(word=pl.lit("a"), day=pl.col("date")))


@pytest.mark.parametrize(
    ("revision", "result"),
    [
        (pl.Series([0.0, 1.0, float("nan"), 3.0, 4.0, 5.0]), [0, 1, 0, 3, 4, 5]),
        (pl.Series([None, 1, 2, 3, 4, 5], dtype=pl.Int8), [0, 1, 2, 3, 4, 5]),
        (pl.Series([2**53 + 1] * 6), [2**53 + 1] * 6),
        (pl.Series([decimal.Decimal("2.0")] * 6), [2] * 6),
        (pl.Series([0.5] * 6), "a whole number"),
        (pl.Series([float("inf")] * 6), "a whole number"),
        (pl.Series([1e30] * 6), "a whole number"),
        (pl.Series([2**64 - 1] * 6, dtype=pl.UInt64), "a whole number"),
        (pl.Series([2**100] * 6, dtype=pl.Int128), "a whole number"),
        (pl.Series([decimal.Decimal("1.5")] * 6), "a whole number"),
        (pl.Series([True] * 6), "a whole number"),
    ],
)
def test_whole_numbers(revision: pl.Series, result: list[int] | str) -> None:
    frame = filings().with_columns(revision.alias("revision"))
    if isinstance(result, str):
        with pytest.raises(TableError, match=f"filings.revision is .*{result} is needed: convert it"):
            conform("filings", frame)
        return
    made = conform("filings", frame)
    assert made.frame["revision"].to_list() == result
    if revision.null_count() or (revision.dtype.is_float() and revision.is_nan().any()):
        assert "revision: 1 missing values taken as 0" in made.changes


rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.dates(date(1900, 1, 1), date(2100, 1, 1))),
        st.one_of(st.none(), st.text("aAbBéñ茅台\U0001f600 .0", max_size=4)),
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    ),
    max_size=30,
)


@given(rows)
def test_the_fast_sort_is_the_sort_of_polars(data: list[tuple[date | None, str | None, int | None]]) -> None:
    """Also with equal keys, missing ones, characters beyond ASCII and spans too wide for one number."""
    frame = pl.DataFrame(data + data[:5], schema={"d": pl.Date, "s": pl.String, "i": pl.Int64}, orient="row").with_row_index("at")
    for key in (["d", "s"], ["s", "d"], ["d", "i"], ["s"], ["d", "s", "i"]):
        assert _in_order(frame, key).equals(frame.sort(key, maintain_order=True))


@given(st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_does_not_matter(random: object) -> None:
    order = list(range(18))
    columns = list(bars().columns)
    random.shuffle(order)
    random.shuffle(columns)
    assert conform("bars", bars()[order].select(columns)).frame.equals(conform("bars", bars()).frame)


@given(st.integers(0, 17), st.integers(1, 4))
def test_conforming_twice_changes_nothing(row: int, spaces: int) -> None:
    once = conform("bars", put(bars(), row, asset=" " * spaces + "T00018.SH", ret=float("nan")))
    again = conform("bars", once.frame)
    assert again.changes == ()
    assert again.frame.equals(once.frame)


def test_named_levels_of_an_index_are_columns() -> None:
    assert to_polars(pandas_bars().set_index(["date", "asset"]), "bars").columns[-2:] == ["date", "asset"]
    assert "__index_level_0__" not in to_polars(pandas_bars().set_axis([f"row {i}" for i in range(18)]), "bars").columns


def test_a_pandas_column_of_missing_dates_is_read_as_missing() -> None:
    import pandas as pd

    listed = pd.DataFrame({"asset": ["a", "b"], "delist_date": [float("nan"), float("nan")]})
    made = conform("assets", listed).frame
    assert made["delist_date"].dtype == pl.Date
    assert made["delist_date"].null_count() == 2
    numbers = pd.DataFrame({"asset": ["a", "b"], "delist_date": [20240102.0, float("nan")]})
    with pytest.raises(TableError, match="delist_date"):
        conform("assets", numbers)
