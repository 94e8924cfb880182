"""The border: any frame with an Arrow stream in, a polars frame of the contract's columns and types out."""

import difflib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import polars as pl

from pureplay.errors import TableError
from pureplay.tables import Contract, contract

__all__ = ["AnyFrame", "ArrowFrame", "Conformed", "conform", "to_polars"]

_TEXT = (pl.String, pl.Categorical, pl.Enum)


@runtime_checkable
class ArrowFrame(Protocol):
    """A frame that exports an Arrow stream: polars, pandas, pyarrow, duckdb relations and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


AnyFrame = pl.DataFrame | pl.LazyFrame | ArrowFrame


@dataclass(frozen=True, slots=True)
class Conformed:
    """A frame in its contract's columns, types and order of rows, and what was changed to get there."""

    frame: pl.DataFrame
    changes: tuple[str, ...]


def to_polars(frame: AnyFrame, name: str) -> pl.DataFrame:
    """Polars frame from any Arrow-capable frame; raises TableError for anything else."""
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, ArrowFrame):
        return _without_pandas_index(pl.DataFrame(frame))
    raise TableError(f"{name} is a {type(frame).__name__}, not a frame: pass polars, pandas, pyarrow or any frame with an Arrow stream")


def _without_pandas_index(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop([column for column in frame.columns if column.startswith("__index_level_")])


def conform(name: str, frame: AnyFrame) -> Conformed:
    """Bring a frame to the contract `name`: required columns present, types exact, defaults filled, rows in key order.

    Text dates are parsed when every one is an ISO date; NaN in a nullable number becomes null; numbers of any width become
    Float64; columns outside the contract are left out (kept when the table is open-ended) and named in `changes`.
    Raises TableError for an absent column, a type that cannot be read, or an empty table.
    """
    rules = contract(name)
    given = to_polars(frame, name)
    _require_columns(rules, given)
    if given.height == 0:
        raise TableError(f"{name} has no rows: leave the table out or fill it")
    changes: list[str] = []
    columns = _known_columns(rules, given, changes)
    typed = given.select([_typed(rules, given[column], changes) for column in columns])
    typed = typed.with_columns(
        [pl.lit(value).cast(rules.schema.columns()[key].dtype).alias(key) for key, value in rules.defaults.items() if key not in columns]
    )
    typed = typed.with_columns([pl.col(key).fill_null(value) for key, value in rules.defaults.items()])
    return Conformed(typed.select(_contract_order(rules, typed)).sort(rules.key, maintain_order=True), tuple(changes))


def _require_columns(rules: Contract, given: pl.DataFrame) -> None:
    absent = [column for column in rules.required if column not in given.columns]
    if not absent:
        return
    hints = [f"'{column}'" + _near(column, given.columns) for column in absent]
    raise TableError(
        f"{rules.name} lacks the column {', '.join(hints)}; it has {', '.join(given.columns) or 'none'}: rename it, or map it with `pureplay import`"
    )


def _near(column: str, present: list[str]) -> str:
    close = difflib.get_close_matches(column, present, n=2, cutoff=0.5)
    return f" (is it {' or '.join(repr(each) for each in close)}?)" if close else ""


def _known_columns(rules: Contract, given: pl.DataFrame, changes: list[str]) -> list[str]:
    known = rules.schema.columns()
    extra = [column for column in given.columns if column not in known]
    if rules.open_ended:
        odd = [column for column in extra if not (given[column].dtype.is_numeric() or given[column].dtype == pl.Boolean)]
        if odd:
            raise TableError(f"{rules.name} has non-numeric columns {', '.join(odd)}: encode them as numbers or leave them out")
        return list(given.columns)
    if extra:
        changes.append(f"columns outside the contract were left out: {', '.join(extra)}")
    return [column for column in given.columns if column in known]


def _contract_order(rules: Contract, typed: pl.DataFrame) -> list[str]:
    first = [column for column in rules.schema.columns() if column in typed.columns]
    return first + [column for column in typed.columns if column not in first]


def _typed(rules: Contract, values: pl.Series, changes: list[str]) -> pl.Series:
    definition = rules.schema.columns().get(values.name)
    wanted = pl.Float64() if definition is None else definition.dtype
    if values.dtype == pl.Null:
        return values.cast(wanted)
    if wanted == pl.Date:
        return _as_date(rules.name, values)
    if wanted == pl.String:
        return _as_text(rules.name, values)
    if wanted in (pl.Float64, pl.Int64):
        return _as_number(rules.name, values, wanted, changes)
    if values.dtype != wanted:
        raise TableError(_wrong_type(rules.name, values, str(wanted)))
    return values


def _wrong_type(table: str, values: pl.Series, wanted: str) -> str:
    found = values.drop_nulls().head(3).to_list()
    return f"{table}.{values.name} is {values.dtype} with values such as {found}, where {wanted} is needed: convert it"


def _as_date(table: str, values: pl.Series) -> pl.Series:
    if values.dtype == pl.Date:
        return values
    if isinstance(values.dtype, pl.Datetime):
        if values.dtype.time_zone is not None:
            raise TableError(
                f"{table}.{values.name} carries the time zone {values.dtype.time_zone}: convert it to dates of the exchange's own time zone"
            )
        days = values.cast(pl.Date)
        timed = values.filter((values != days.cast(values.dtype)).fill_null(False))
        if timed.len():
            raise TableError(f"{table}.{values.name} has {timed.len()} values with a time of day, such as {timed[0]}: pass plain dates")
        return days
    if values.dtype in _TEXT:
        text = values.cast(pl.String)
        days = text.str.to_date("%Y-%m-%d", strict=False)
        bad = text.filter(days.is_null() & text.is_not_null())
        if bad.len() == 0:
            return days
        raise TableError(f"{table}.{values.name} has {bad.len()} values that are not ISO dates, such as {bad.head(3).to_list()}: write YYYY-MM-DD")
    raise TableError(_wrong_type(table, values, "a date"))


def _as_text(table: str, values: pl.Series) -> pl.Series:
    if values.dtype in _TEXT:
        return values.cast(pl.String)
    raise TableError(_wrong_type(table, values, "text (a code such as '600519.SH')"))


def _as_number(table: str, values: pl.Series, wanted: pl.DataType, changes: list[str]) -> pl.Series:
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise TableError(_wrong_type(table, values, "a number"))
    number = values.cast(wanted)
    if wanted == pl.Int64:
        if values.dtype.is_float() and (number.cast(pl.Float64) != values.cast(pl.Float64)).any():
            raise TableError(_wrong_type(table, values, "a whole number"))
        return number
    missing = int(number.is_nan().sum() or 0)
    if missing:
        changes.append(f"{values.name}: {missing} NaN read as missing")
        number = number.fill_nan(None)
    return number
