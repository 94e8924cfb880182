"""The same tables in another dress give the same bits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.signals import product_momentum
from tests.signals.markets import Tables, market

SETTINGS: dict[str, Any] = {
    "min_peers": 2,
    "window_sessions": 10,
    "min_valid_sessions": 5,
    "min_listed_sessions": 15,
    "fallback": ("parent", "industry", "synthetic"),
    "half_year": "trailing_year",
}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return market(4, stocks=16, sessions=44)


@pytest.fixture(scope="module")
def scores(tables: Tables) -> pl.DataFrame:
    made = product_momentum(Dataset.from_frames(tables), **SETTINGS)
    assert made["composite"].is_not_null().sum() > 100
    return made


def through_csv(frame: pl.DataFrame, folder: Path) -> pl.DataFrame:
    frame.write_csv(folder / "table.csv")
    return pl.read_csv(folder / "table.csv", infer_schema_length=None)


DRESSES: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "lazy": lambda frame, _: frame.lazy(),
    "pandas": lambda frame, _: frame.to_pandas(),
    "pandas_with_an_index": lambda frame, _: frame.to_pandas().sample(frac=1, random_state=3),
    "arrow": lambda frame, _: frame.to_arrow(),
    "csv_with_text_dates": through_csv,
    "categorical_codes": lambda frame, _: frame.with_columns(pl.col("^asset$").cast(pl.Categorical)),
    "datetimes": lambda frame, _: frame.with_columns(pl.col(pl.Date).cast(pl.Datetime("us"))),
    "wider_and_reordered": lambda frame, _: frame.select(sorted(frame.columns, reverse=True)).with_columns(remark=pl.lit("x")),
    "nan_for_missing": lambda frame, _: frame.with_columns(pl.col(pl.Float64).fill_null(float("nan"))),
    "chunked": lambda frame, _: pl.concat([frame.head(7), frame.slice(7)], rechunk=False),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_any_kind_of_frame(dress: str, tables: Tables, scores: pl.DataFrame, tmp_path: Path) -> None:
    dressed = {name: DRESSES[dress](frame, tmp_path) for name, frame in tables.items()}
    assert_bits(product_momentum(Dataset.from_frames(dressed), **SETTINGS), scores)


def test_an_opened_folder(tables: Tables, scores: pl.DataFrame, tmp_path: Path) -> None:
    written = Dataset.from_frames(tables).write(tmp_path / "data")
    assert_bits(product_momentum(written, **SETTINGS), scores)
    assert_bits(product_momentum(Dataset.open(tmp_path / "data"), **SETTINGS), scores)


def test_a_second_run_gives_the_same_bits(tables: Tables, scores: pl.DataFrame) -> None:
    dataset = Dataset.from_frames(tables)
    for _ in range(3):
        assert_bits(product_momentum(dataset, **SETTINGS), scores)


def assert_bits(got: pl.DataFrame, wanted: pl.DataFrame) -> None:
    assert got.schema == wanted.schema
    assert got.equals(wanted, null_equal=True)
    numbers = wanted.select(pl.col(pl.Float64)).columns
    for name in numbers:
        assert got[name].fill_null(0.0).to_numpy().tobytes() == wanted[name].fill_null(0.0).to_numpy().tobytes()
