"""The user's own stack: any number of columns, wide or long, from any library, and what is said of a bad one."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pureplay.errors import PureplayError, SettingError, TableError
from pureplay.factors.own import own_factors, read_families
from pureplay.panel import Axes
from pureplay.sessions import sessions_between

DAYS = [date(2024, 1, 2) + timedelta(days=k) for k in range(4)]
ASSETS = ("A", "B", "C")
AXES = Axes(sessions_between(np.array(DAYS, dtype="datetime64[D]"), "bars"), ASSETS)
NAMES = ("worth", "zeta", "alpha")


def wide(columns: tuple[str, ...] = NAMES) -> pl.DataFrame:
    """Exposures on every date and stock, no two alike, one of them missing."""
    rows = [(day, asset) for day in DAYS for asset in ASSETS]
    out = {"date": [row[0] for row in rows], "asset": [row[1] for row in rows]}
    numbers = {name: np.arange(len(rows)) / 8 + 100.0 * k for k, name in enumerate(columns)}
    return pl.DataFrame({**out, **numbers}).with_columns(
        pl.when((pl.col("asset") == "B") & (pl.col("date") == DAYS[1])).then(None).otherwise(pl.col(columns[0])).alias(columns[0])
    )


def long() -> pl.DataFrame:
    return wide().unpivot(index=["date", "asset"], variable_name="factor", value_name="value")


def test_a_wide_frame_stands_as_it_is() -> None:
    base = own_factors(wide(), AXES)
    assert base.names == base.ladder == NAMES
    assert base.kind == "own"
    assert base.notes == ()
    assert base.values.shape == (4, 3, 3)
    assert base.values.dtype == np.float64
    assert not base.filled.any()
    for t, day in enumerate(DAYS):
        for k, name in enumerate(NAMES):
            for i, asset in enumerate(ASSETS):
                given = wide().filter(date=day, asset=asset)[name][0]
                np.testing.assert_equal(base.values[t, k, i], np.nan if given is None else given)


def test_long_and_wide_are_the_same_stack() -> None:
    one, other = own_factors(wide(), AXES), own_factors(long(), AXES)
    assert other.names == tuple(sorted(NAMES))
    for name in NAMES:
        np.testing.assert_array_equal(one.values[:, one.names.index(name)], other.values[:, other.names.index(name)])
    ordered = long().with_columns(pl.col("factor").cast(pl.Enum([*NAMES, "unused"])))
    assert own_factors(ordered, AXES).names == NAMES
    assert own_factors(ordered, AXES).values.tobytes() == one.values.tobytes()


@pytest.mark.parametrize("make", [wide, long])
def test_pandas_pyarrow_lazy_and_shuffled_rows_give_the_same(make: Callable[[], pl.DataFrame]) -> None:
    wanted = own_factors(make(), AXES)
    frame = make()
    mixed = frame.sample(fraction=1.0, shuffle=True, seed=1)
    texts = frame.with_columns(pl.col("date").cast(pl.String))
    for each in (frame.to_pandas(), frame.to_pandas().set_index(["date", "asset"]), frame.to_arrow(), frame.lazy(), mixed, texts):
        found = own_factors(each, AXES)
        assert found.names == wanted.names
        assert found.values.tobytes() == wanted.values.tobytes()


@pytest.mark.parametrize("count", [1, 12, 22, 50])
def test_any_number_of_columns(count: int) -> None:
    names = tuple(f"f{k}" for k in range(count))
    base = own_factors(wide(names), AXES)
    assert base.names == names
    assert base.values.shape == (4, count, 3)
    assert base.values[2, count - 1, 1] == 7 / 8 + 100.0 * (count - 1)


def test_the_layout_is_found_or_forced() -> None:
    numbered = long().with_columns(factor=pl.col("factor").rank("dense"))  # a numeric column that is called factor
    assert own_factors(numbered.unique(["date", "asset"]), AXES).names == ("factor", "value")
    assert own_factors(long(), AXES, layout="long").names == tuple(sorted(NAMES))
    with pytest.raises(TableError, match="non-numeric columns factor"):
        own_factors(long().unique(["date", "asset"]), AXES, layout="wide")


def test_rows_outside_and_infinite_values_are_counted() -> None:
    more = pl.concat(
        [wide(), wide().with_columns(asset=pl.lit("Z")).unique(["date", "asset"]), wide()[:2].with_columns(date=date(2020, 1, 1))]
    )
    wild = more.with_columns(
        zeta=pl.when(pl.col("zeta") == 100.0).then(np.inf).when(pl.col("zeta") == 100.125).then(-np.inf).otherwise("zeta")
    )
    wild = wild.filter((pl.col("asset") != "A") | (pl.col("date") > date(2020, 1, 1)) | pl.col("zeta").is_finite())
    base = own_factors(wild, AXES)
    outside = wild.filter((pl.col("asset") == "Z") | (pl.col("date") == date(2020, 1, 1))).height
    assert base.notes[0].startswith(f"{outside} of {wild.height} rows of factors lie on dates or stocks outside the data")
    assert base.notes[1] == "2 infinite values of factors count as missing"
    assert np.isnan(base.values[0, 1, :2]).all()
    assert np.isfinite(base.values[:, 1]).sum() == 10


def test_a_column_without_any_value_is_named() -> None:
    base = own_factors(wide().with_columns(none=None, nan=np.nan), AXES)
    assert base.names == (*NAMES, "none", "nan")
    assert base.notes == ("factors without any value on these dates and stocks: none, nan",)


def test_flags_and_whole_numbers_are_exposures() -> None:
    base = own_factors(wide().with_columns(flag=pl.col("asset") == "A", whole=pl.int_range(pl.len())), AXES)
    assert base.values[1, 3].tolist() == [1.0, 0.0, 0.0]
    assert base.values[1, 4].tolist() == [3.0, 4.0, 5.0]


def test_families() -> None:
    base = own_factors(wide(), AXES, families={"zeta": "style", "alpha": "style"})
    assert base.families == {"worth": "worth", "zeta": "style", "alpha": "style"}
    assert base.notes == ("factors without a family stand for themselves: worth",)
    assert own_factors(wide(), AXES).families == {name: name for name in NAMES}


def test_an_exported_base_comes_back() -> None:
    base = own_factors(wide(), AXES)
    again = own_factors(base.to_frame(), AXES)
    assert again.names == base.names
    assert again.values.tobytes() == base.values.tobytes()
    assert "the column filled" in again.notes[0]


def repeated_columns() -> pd.DataFrame:
    frame = wide().to_pandas()
    frame.columns = pd.Index(["date", "asset", "worth", "zeta", "zeta"])
    return frame


BAD: dict[str, tuple[Callable[[], object], type[PureplayError], str]] = {
    "columns": (repeated_columns, TableError, r"Duplicate column names.*give every column one name of its own"),
    "rows": (lambda: pl.concat([wide(), wide()[3:5]]), TableError, r"2 repeated keys, such as 2024-01-03 A: keep one row"),
    "long_rows": (lambda: pl.concat([long(), long()[:1]]), TableError, r"1 repeated keys of worth, such as 2024-01-02 A: keep one"),
    "outside": (lambda: wide().with_columns(asset=pl.col("asset") + ".SZ"), TableError, r"none of the 12 rows .* check codes"),
    "dates": (lambda: wide().with_columns(date=pl.col("date").dt.offset_by("10y")), TableError, "none of the 12 rows"),
    "text": (lambda: wide().with_columns(zeta=pl.lit("x")), TableError, "non-numeric columns zeta: encode them"),
    "no_column": (lambda: wide().select("date", "asset"), TableError, "no column beside date, asset: add the exposures"),
    "no_row": (lambda: wide().clear(), TableError, "no rows"),
    "no_long_row": (lambda: long().clear(), TableError, "no rows"),
    "no_asset": (lambda: wide().drop("asset"), TableError, "lacks the column 'asset'"),
    "no_key": (lambda: wide().with_columns(asset=pl.lit(None, dtype=pl.String)), TableError, "12 rows without date or asset"),
    "no_name": (
        lambda: long().with_columns(factor=pl.when(pl.col("factor") == "zeta").then(pl.lit("")).otherwise("factor")),
        TableError,
        "12 rows without the name of a factor",
    ),
    "reserved": (lambda: long().with_columns(factor=pl.lit("asset")), TableError, "cannot be called asset"),
    "long_text": (lambda: long().with_columns(value=pl.lit("x")), TableError, "non-numeric columns alpha"),
    "no_frame": (lambda: [1, 2], TableError, "not a frame"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_stack_is_an_error_that_helps(name: str) -> None:
    make, error, says = BAD[name]
    with pytest.raises(error, match=says):
        own_factors(make(), AXES)  # type: ignore[arg-type]


def test_settings_out_of_range() -> None:
    with pytest.raises(SettingError, match="layout must be one of auto, wide, long, not 'tall'"):
        own_factors(wide(), AXES, layout="tall")  # type: ignore[arg-type]
    with pytest.raises(TableError, match="in the long layout lack factor, value; they have date, asset, worth, zeta, alpha"):
        own_factors(wide(), AXES, layout="long")
    with pytest.raises(TableError, match=r"factors\.factor is"):
        own_factors(long().with_columns(factor=pl.lit(1)), AXES, layout="long")
    with pytest.raises(
        TableError, match=r"2 factors that the table does not have: zetta, gone \(is it 'zeta'\?\); it has worth, zeta, alpha"
    ):
        own_factors(wide(), AXES, families={"zetta": "style", "gone": "style", "alpha": "x"})


# ---------------------------------------------------------------- families from a file

GOOD_FILES = {
    "a.toml": 'zeta = "style"\nalpha = " other "\n',
    "b.toml": '[families]\nzeta = "style"\nalpha = "other"\n',
    "c.csv": "factor,family\nzeta,style\nalpha , other\n",
    "d.CSV": "\ufefffamily,factor,why\nstyle,zeta,x\nother,alpha,y\nother,alpha,again\n",
}


@pytest.mark.parametrize("name", GOOD_FILES)
def test_families_from_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(GOOD_FILES[name], encoding="utf-8")
    assert read_families(tmp_path / name) == {"zeta": "style", "alpha": "other"}
    assert read_families(str(tmp_path / name)) == {"zeta": "style", "alpha": "other"}


BAD_FILES = {
    "a.toml": ("zeta = \n", TableError, "cannot be read"),
    "b.toml": ("zeta = 1\n", TableError, "1 factors without a family, such as zeta = 1: write zeta = "),
    "c.toml": ("", TableError, "names no factor"),
    "d.csv": ("name,family\nzeta,style\n", TableError, "has the columns name, family: factor and family are needed"),
    "e.csv": ("factor,family\nzeta,style\nzeta,other\n", TableError, "line 3: zeta is 'other' here and 'style' above"),
    "f.csv": ("factor,family\nzeta,\n", TableError, "line 2: factor 'zeta', family ''"),
    "g.csv": ("factor,family\nzeta\n", TableError, "line 2"),
    "h.json": ("{}", SettingError, "neither TOML nor CSV"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_an_error_that_helps(name: str, tmp_path: Path) -> None:
    text, error, says = BAD_FILES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(error, match=says):
        read_families(tmp_path / name)
    with pytest.raises(PureplayError):
        read_families(tmp_path / f"absent-{name}")
