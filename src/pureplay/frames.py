"""The border: any frame with an Arrow stream in, a polars frame of the contract's columns and types out."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast, runtime_checkable

import polars as pl

from pureplay.errors import TableError
from pureplay.tables import Contract, contract

__all__ = ["AnyFrame", "ArrowFrame", "Conformed", "conform", "require_sizes", "to_polars"]

_LARGEST: Final = 1e100
"""Beyond it, and below its inverse, the squares that a regression adds up are no numbers any more."""
_TEXT: Final = (pl.String, pl.Categorical, pl.Enum)
_BLANK: Final = r"[\s\x{200b}\x{feff}]+"  # white space, and what looks like nothing at all


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


@dataclass(frozen=True, slots=True)
class _Stream:
    """The Arrow stream of a frame and nothing else, so that polars takes no road of its own: for pandas it would lose the index."""

    frame: ArrowFrame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


def to_polars(frame: AnyFrame, name: str) -> pl.DataFrame:
    """Polars frame from any Arrow-capable frame; raises TableError for anything else, and for columns that Arrow cannot hold.

    The named levels of a pandas index become columns, as by its `reset_index`; an unnamed index is left out.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    given: object = frame
    if isinstance(given, pl.Series) or not isinstance(given, ArrowFrame):
        raise TableError(f"{name} is a {type(frame).__name__}, not a frame: pass polars, pandas, pyarrow or any frame with an Arrow stream")
    try:
        return _without_pandas_index(pl.DataFrame(_Stream(given)))
    except (ValueError, TypeError, NotImplementedError, pl.exceptions.PolarsError) as error:  # of pandas, pyarrow and polars, in this order
        raise TableError(
            f"{name}, a {type(frame).__module__.partition('.')[0]} {type(frame).__name__}, cannot be read as a table "
            f"({_first_line(error)}): give every column one name of its own and values of one type"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def _without_pandas_index(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop([column for column in frame.columns if column.startswith("__index_level_")])


def conform(name: str, frame: AnyFrame) -> Conformed:
    """Bring a frame to the contract `name`: required columns present, types exact, defaults filled, rows in key order.

    Text dates are parsed when every one is an ISO date. NaN in a number and blank text are missing values; spaces around text are
    removed; numbers of any width become Float64; moments of any time zone become UTC; columns outside the contract are left out (kept
    when the table is open-ended). Each of these is counted in `changes`. Raises TableError for an absent column, a type that cannot be
    read, moments without a time zone, or an empty table.
    """
    rules = contract(name)
    given = to_polars(frame, name)
    _require_columns(rules, given)
    if given.height == 0:
        raise TableError(f"{name} has no rows: leave the table out or fill it")
    changes: list[str] = []
    columns = _known_columns(rules, given, changes)
    typed = given.select([_typed(rules, given[column], changes) for column in columns])
    typed = _with_defaults(rules, typed, changes)
    return Conformed(_in_order(typed.select(_contract_order(rules, typed)), rules.key), tuple(changes))


def _require_columns(rules: Contract, given: pl.DataFrame) -> None:
    absent = [column for column in rules.required if column not in given.columns]
    if not absent:
        return
    spare = [column for column in given.columns if column not in rules.schema.columns()]
    hints = [f"'{column}'" + _near(column, spare) for column in absent]
    dates = "; where the source has no publish dates, the import map can take the legal deadlines" if "publish_date" in absent else ""
    raise TableError(
        f"{rules.name} lacks the column {', '.join(hints)}; it has {', '.join(given.columns) or 'none'}: "
        f"rename it, or map it with `pureplay import`{dates}"
    )


def _near(column: str, present: list[str]) -> str:
    folded = {_folded(each): each for each in present}
    close = [folded[each] for each in difflib.get_close_matches(_folded(column), folded, n=2, cutoff=0.6)]
    return f" (is it {' or '.join(repr(each) for each in close)}?)" if close else ""


def _folded(column: str) -> str:
    return column.casefold().replace(" ", "").replace("_", "")


def _known_columns(rules: Contract, given: pl.DataFrame, changes: list[str]) -> list[str]:
    known = rules.schema.columns()
    extra = [column for column in given.columns if column not in known]
    if rules.open_ended:
        if any(not column.strip() for column in extra):
            raise TableError(
                f"{rules.name} has a column without a name beside {', '.join(each for each in given.columns if each.strip())}: "
                "name it or leave it out (pandas writes its index so unless index=False)"
            )
        odd = [column for column in extra if not (given[column].dtype.is_numeric() or given[column].dtype in (pl.Boolean, pl.Null))]
        if odd:
            raise TableError(f"{rules.name} has non-numeric columns {', '.join(odd)}: encode them as numbers or leave them out")
        return list(given.columns)
    if extra:
        unused = [column for column in known if column not in given.columns]
        shown = [column + _near(column, unused) for column in extra]
        changes.append(f"columns outside the contract were left out: {', '.join(shown)}")
    return [column for column in given.columns if column in known]


def require_sizes(name: str, table: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raise TableError for finite values beyond 1e100, and for columns whose largest value is smaller than 1e-100 and not 0."""
    for column in columns:
        sizes = table[column].abs()
        sizes = sizes.filter(sizes.is_finite())
        beyond = sizes.filter(sizes > _LARGEST)
        if beyond.len():
            raise TableError(
                f"{name}.{column} has {beyond.len()} values beyond {_LARGEST:g} in size, such as {beyond[0]:g}, which cannot be squared: "
                "leave them empty where they stand for missing ones, else give the column in another unit"
            )
        largest = cast(float, sizes.max() or 0.0)
        if 0.0 < largest < 1.0 / _LARGEST:
            raise TableError(
                f"{name}.{column} has no value above {largest:g} in {sizes.len()} rows, and the squares of such values are 0: "
                "give the column in another unit"
            )


def _contract_order(rules: Contract, typed: pl.DataFrame) -> list[str]:
    first = [column for column in rules.schema.columns() if column in typed.columns]
    return first + [column for column in typed.columns if column not in first]


def _with_defaults(rules: Contract, typed: pl.DataFrame, changes: list[str]) -> pl.DataFrame:
    for column, value in rules.defaults.items():
        if column not in typed.columns:
            typed = typed.with_columns(pl.lit(value).cast(rules.schema.columns()[column].dtype).alias(column))
        elif missing := typed[column].null_count():
            changes.append(f"{column}: {missing} missing values taken as {value!r}")
            typed = typed.with_columns(pl.col(column).fill_null(value))
    return typed


def _in_order(frame: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Rows by key, nulls first, equal keys as they stood.

    polars' own sort by several columns takes thirteen seconds for a shuffled ten-year market; one whole number a key takes three.
    """
    ordered, tied = pl.lit(False), pl.lit(True)
    for each in key:
        ordered |= tied & (pl.col(each) > pl.col(each).shift(1))
        tied &= pl.col(each) == pl.col(each).shift(1)
    if frame.select(((ordered | tied).fill_null(False)).slice(1).all()).item():
        return frame
    place, room = pl.Series(dtype=pl.Int64), 1
    for each in key:
        code, width = _place(frame[each])
        room *= width
        if room >= 1 << 62:
            return frame.sort(key, maintain_order=True)
        place = code if room == width else place * width + code
    return frame[frame.select(pl.arg_sort_by(place, maintain_order=True)).to_series()]


def _place(values: pl.Series) -> tuple[pl.Series, int]:
    """Number of each value in the order of the values, from 1, 0 for null; and how many numbers there are."""
    if values.dtype == pl.String:
        known = values.unique().drop_nulls().sort()
        number, first, width = values.cast(pl.Enum(known)).to_physical().cast(pl.Int64), 0, known.len() + 1
    else:
        number = values.to_physical().cast(pl.Int64)
        first = cast(int, number.min() or 0)
        width = cast(int, number.max() or 0) - first + 2
    if width >= 1 << 62:
        return number, width
    return (number - first + 1).fill_null(0), width


def _typed(rules: Contract, values: pl.Series, changes: list[str]) -> pl.Series:
    definition = rules.schema.columns().get(values.name)
    wanted = pl.Float64() if definition is None else definition.dtype
    if values.dtype == pl.Null:
        return values.cast(wanted)
    if wanted == pl.Date:
        return _as_date(rules.name, values, changes)
    if isinstance(wanted, pl.Datetime):
        return _as_moment(rules.name, values, wanted, changes)
    if wanted == pl.String:
        return _as_text(rules.name, values, changes, nullable=definition is not None and definition.nullable)
    if wanted == pl.Float64 and definition is None and values.dtype == pl.Boolean:
        return values.cast(wanted)  # a flag among the user's own factors
    if wanted == pl.Float64:
        return _as_number(rules.name, values, changes)
    if wanted == pl.Int64:
        return _as_whole(rules.name, values, changes)
    if values.dtype != wanted:
        raise TableError(_wrong_type(rules.name, values, str(wanted)))
    return values


def _wrong_type(table: str, values: pl.Series, wanted: str) -> str:
    found = values.drop_nulls().head(3).to_list()
    return (
        f"{table}.{values.name} is {values.dtype} with values such as {found}, where {wanted} is needed: "
        "convert it, or use `pureplay import`"
    )


def _as_date(table: str, values: pl.Series, changes: list[str]) -> pl.Series:
    if values.dtype == pl.Date:
        return values
    if values.dtype.is_float() and values.is_finite().sum() == 0 and not values.is_infinite().any():
        return values.fill_nan(None).cast(pl.Int32).cast(pl.Date)  # pandas holds a column of missing dates as NaN
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
        text = _without_blank(values.cast(pl.String), changes)
        iso = text.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
        days = text.str.to_date("%Y-%m-%d", strict=False)
        bad = text.filter(text.is_not_null() & (days.is_null() | ~iso))
        if bad.len() == 0:
            return days
        raise TableError(
            f"{table}.{values.name} has {bad.len()} values that are not ISO dates, such as {bad.head(3).to_list()}: write YYYY-MM-DD"
        )
    raise TableError(_wrong_type(table, values, "a date"))


def _as_moment(table: str, values: pl.Series, wanted: pl.Datetime, changes: list[str]) -> pl.Series:
    """Moments in UTC; a moment without a time zone may be off by half a day, and the news of tomorrow would count for today."""
    if not isinstance(values.dtype, pl.Datetime):
        raise TableError(_wrong_type(table, values, "a moment with a time zone"))
    zone = values.dtype.time_zone
    if zone is None:
        raise TableError(
            f"{table}.{values.name} has moments without a time zone, such as {values.drop_nulls().head(1).to_list()}: say where they were "
            'taken, by .dt.replace_time_zone("Asia/Shanghai") or the like, or by timezone = "Asia/Shanghai" in the import map'
        )
    moments = values.dt.convert_time_zone("UTC").cast(wanted)
    if zone != "UTC":
        changes.append(f"{values.name}: {values.len() - values.null_count()} moments of the time zone {zone} were converted to UTC")
    return moments


def _as_text(table: str, values: pl.Series, changes: list[str], *, nullable: bool) -> pl.Series:
    if values.dtype not in _TEXT:
        hint = " (as a number it has lost its leading zeros)" if values.dtype.is_integer() else ""
        raise TableError(_wrong_type(table, values, f"text such as '600519.SH'{hint}"))
    text = values.cast(pl.String)
    around = text.str.contains(f"^{_BLANK}|{_BLANK}$").fill_null(False)
    if around.any():
        bare = text.str.replace(f"^{_BLANK}", "").str.replace(f"{_BLANK}$", "")
        changes.append(f"{values.name}: spaces around {int(around.sum())} values were removed, such as {text.filter(around)[0]!r}")
        text = bare
    return _without_blank(text, changes) if nullable else text


def _without_blank(text: pl.Series, changes: list[str]) -> pl.Series:
    """Blank text as null: an empty cell names no issuer, and must not make one of all who leave it empty."""
    blank = int((text == "").sum() or 0)
    if not blank:
        return text
    changes.append(f"{text.name}: {blank} blank values read as missing")
    return text.set(text == "", None)


def _as_number(table: str, values: pl.Series, changes: list[str]) -> pl.Series:
    if not values.dtype.is_numeric():
        raise TableError(_wrong_type(table, values, "a number"))
    return _without_nan(values.cast(pl.Float64), changes)


def _as_whole(table: str, values: pl.Series, changes: list[str]) -> pl.Series:
    if not values.dtype.is_numeric():
        raise TableError(_wrong_type(table, values, "a whole number"))
    given = _without_nan(values, changes) if values.dtype.is_float() else values
    whole = given.cast(pl.Int64, strict=False)
    odd = given.is_not_null() & (whole.is_null() | (whole.cast(pl.Float64) != given.cast(pl.Float64)))
    if odd.any():
        raise TableError(_wrong_type(table, given.filter(odd), "a whole number"))
    return whole


def _without_nan(number: pl.Series, changes: list[str]) -> pl.Series:
    missing = int(number.is_nan().sum() or 0)
    if not missing:
        return number
    changes.append(f"{number.name}: {missing} NaN read as missing")
    return number.fill_nan(None)
