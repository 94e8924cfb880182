"""The rows of one file under one `[[table]]`: which are wanted, what becomes of each column, and which cannot be used."""

import functools
import operator
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from pureplay.errors import TableError
from pureplay.sources.columns import as_text, convert, examples
from pureplay.sources.dates import statutory_deadline
from pureplay.sources.entries import near
from pureplay.sources.lookup import read_pairs
from pureplay.sources.maps import ColumnMap, Condition, TableMap
from pureplay.sources.reading import ROW, header, read_rows
from pureplay.sources.report import Entry

__all__ = ["FILE", "JOINED_BY", "KEY_PREFIX", "import_file"]

FILE: Final = "__file__"
"""Column of an imported frame that names the file of a row."""
JOINED_BY: Final = "/"
"""What stands between the parts of a joined value."""
_ASSUMED: Final = "__assumed__"
KEY_PREFIX: Final = "__key__"
"""Prefix under which refused rows carry those converted key columns that could be read."""


_Failure = tuple[str, str, pl.Series]
"""A rule, the column that breaks it, and the rows that do."""


def import_file(path: Path, table: TableMap, source: Path, entries: list[Entry]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of a file as (usable, refused), both with file and row.

    usable: FILE, ROW and the columns of the contract that the map states, in the contract's order and types.
    refused: file, row, rule, column, the mapped columns by target name as the file's text, and converted keys under KEY_PREFIX.
    """
    name, label = table.contract.name, path.relative_to(source).as_posix()
    names, content = header(path, encoding=table.encoding, separator=table.separator)
    present = [each for each in table.columns if set(each.sources) <= set(names) or not each.optional]
    wanted = list(dict.fromkeys([*(one for each in present for one in each.sources), *(each.column for each in table.where)]))
    _require(wanted, names, label, name)
    raw = read_rows(path, wanted, content, separator=table.separator)
    entries.append(Entry(table=name, file=label, kind="rows read", count=raw.height))
    unused = [each for each in names if each not in wanted]
    if unused:
        entries.append(Entry(table=name, file=label, kind="unused", count=len(unused), detail="columns not mapped: " + ", ".join(unused)))
    raw = _wanted(raw, table, label, entries)
    values, failures = _convert_all(raw, present, table, source, label, entries)
    frame = _complete(pl.DataFrame(values, height=raw.height), table, label, entries)
    if "publish_date" in table.contract.required:
        failures.append(("no_publish_date", "publish_date", frame["publish_date"].is_null()))
    aside, refusals = _set_aside(raw, frame, failures, {each.target: each.source for each in present}, table, label)
    entries += refusals
    kept = frame.with_columns(raw[ROW], pl.lit(label, dtype=pl.Categorical).alias(FILE))
    if aside.height:
        kept = kept.filter(~_any(failures))
    entries.append(Entry(table=name, file=label, kind="rows usable", count=kept.height))
    return kept.select(FILE, ROW, *frame.columns), aside


def _require(wanted: list[str], names: list[str], label: str, table: str) -> None:
    for each in wanted:
        if each not in names:
            nearest = near(each, names)
            raise TableError(f"table '{table}': {label} has no column '{each}' ({nearest}): correct the map, or mark it optional = true")


def _wanted(raw: pl.DataFrame, table: TableMap, label: str, entries: list[Entry]) -> pl.DataFrame:
    for condition in table.where:
        try:
            meets = raw.select(_predicate(raw[condition.column], condition)).to_series().fill_null(False)
        except (pl.exceptions.PolarsError, TypeError) as fault:
            reason = str(fault).split("\n")[0]
            raise TableError(
                f"table '{table.contract.name}': where {condition} does not fit column {condition.column} of {label}, "
                f"which is {raw[condition.column].dtype} ({reason}): write values of that type; CSV columns are text"
            ) from None
        left_out = raw.height - int(meets.sum())
        if left_out:
            entries.append(
                Entry(
                    table=table.contract.name,
                    file=label,
                    kind="left out",
                    column=condition.column,
                    count=left_out,
                    detail=f"not where {condition}",
                    examples=examples(raw[condition.column].filter(~meets)),
                )
            )
        raw = raw.filter(meets)
    return raw


def _predicate(values: pl.Series, condition: Condition) -> pl.Expr:
    column, value = pl.col(condition.column), condition.value
    asked = value if isinstance(value, list) else [value]
    if condition.operator != "is_null":
        _check_types(values, asked)
    predicates: dict[str, Callable[[], pl.Expr]] = {
        "equals": lambda: column.eq(value),
        "not_equals": lambda: column.ne(value),
        "in": lambda: column.is_in(asked),
        "not_in": lambda: column.is_in(asked).not_(),
        "min": lambda: column.ge(value),
        "max": lambda: column.le(value),
        "is_null": lambda: column.is_null().eq(value),
    }
    return predicates[condition.operator]()


def _check_types(values: pl.Series, asked: list[Any]) -> None:
    kind = values.dtype
    fits: tuple[type, ...] = (str,)
    if kind == pl.Boolean:
        fits = (bool,)
    elif kind.is_numeric():
        fits = (int, float)
    elif kind.is_temporal():
        fits = (date, datetime)
    for each in asked:
        if not isinstance(each, fits) or (isinstance(each, bool) and kind != pl.Boolean):
            raise TypeError(f"{each!r} is a {type(each).__name__}")


def _convert_all(
    raw: pl.DataFrame, present: list[ColumnMap], table: TableMap, source: Path, label: str, entries: list[Entry]
) -> tuple[dict[str, pl.Series], list[_Failure]]:
    values: dict[str, pl.Series] = {}
    failures: list[_Failure] = []
    name = table.contract.name
    for spec in table.columns:
        if spec not in present:
            values[spec.target] = pl.Series(spec.target, [None] * raw.height, dtype=spec.dtype)
            absent = f"absent from the file ({spec.source}), read as null"
            entries.append(Entry(table=name, file=label, kind="column", column=spec.target, count=raw.height, detail=absent))
            continue
        place = f"table '{name}': column '{spec.source}' of {label}"
        pairs = None
        if spec.lookup is not None:
            pairs = read_pairs(spec.lookup, source, table=name, encoding=table.encoding, separator=table.separator)
        done = convert(_joined(raw, spec, place), spec, null_values=table.null_values, label=place, pairs=pairs)
        values[spec.target] = done.values
        entries.append(
            Entry(table=name, file=label, kind="column", column=spec.target, count=raw.height, detail=f"from {' / '.join(spec.sources)}")
        )
        for what, count, shown in done.changes:
            entries.append(Entry(table=name, file=label, kind="converted", column=spec.target, count=count, detail=what, examples=shown))
        failures.append((done.rule, spec.target, done.failed))
    return values, failures


def _joined(raw: pl.DataFrame, spec: ColumnMap, place: str) -> pl.Series:
    """The column of the file, or several written one after the other as `a/b/c`; null where one of them is."""
    if not spec.join:
        return raw[spec.source]
    parts = [as_text(raw[each], place).str.strip_chars() for each in spec.sources]
    return pl.select(pl.concat_str(parts, separator=JOINED_BY, ignore_nulls=False)).to_series()


def _complete(frame: pl.DataFrame, table: TableMap, label: str, entries: list[Entry]) -> pl.DataFrame:
    """Constants, stated nulls, statutory dates and the contract's defaults; assumed dates are marked where the table can."""
    schema = {name: column.dtype for name, column in table.contract.schema.columns().items()}
    frame = frame.with_columns(
        *(pl.lit(value).cast(schema.get(name, pl.Float64())).alias(name) for name, value in table.constants.items()),
        *(pl.lit(None, dtype=schema[name]).alias(name) for name in table.nulls),
    )
    undated = pl.col("publish_date").is_null() if "publish_date" in frame.columns else pl.lit(True)
    frame = frame.with_columns((pl.lit(table.dates_stated) | (pl.lit(table.statutory) & undated)).alias(_ASSUMED))
    if table.statutory:
        deadline = statutory_deadline(pl.col("period_end"))
        known = pl.coalesce("publish_date", deadline) if "publish_date" in frame.columns else deadline
        frame = frame.with_columns(publish_date=known)
    frame = frame.with_columns(
        pl.lit(value).cast(schema[name]).alias(name) for name, value in table.contract.defaults.items() if name not in frame.columns
    )
    frame = _mark_assumed(frame, table, label, entries)
    order = [name for name in schema if name in frame.columns]
    return frame.select(*order, *(name for name in frame.columns if name not in order))


def _mark_assumed(frame: pl.DataFrame, table: TableMap, label: str, entries: list[Entry]) -> pl.DataFrame:
    assumed = frame[_ASSUMED]
    frame = frame.drop(_ASSUMED)
    count = int(assumed.sum())
    if not count:
        return frame
    stated = ", ".join(f"{name} = {table.constants[name]}" for name in ("period_end", "publish_date") if name in table.constants)
    how = "; ".join(each for each in (stated, "publish_date = statutory deadline" if table.statutory else "") if each)
    marked = "known_at_source" in frame.columns
    detail = how + ("; rows marked known_at_source = assumed" if marked else "; the table has no column to mark it")
    entries.append(Entry(table=table.contract.name, file=label, kind="assumed", column="publish_date", count=count, detail=detail))
    if not marked:
        return frame
    return frame.with_columns(known_at_source=pl.when(pl.lit(assumed)).then(pl.lit("assumed")).otherwise("known_at_source"))


def _any(failures: list[_Failure]) -> pl.Series:
    return functools.reduce(operator.or_, (failed for _, _, failed in failures))


def _set_aside(
    raw: pl.DataFrame, frame: pl.DataFrame, failures: list[_Failure], sources: dict[str, str], table: TableMap, label: str
) -> tuple[pl.DataFrame, list[Entry]]:
    """Refused rows with the first rule that each breaks. `sources`: column of the file for each mapped column."""
    pieces, entries = [], []
    free = pl.repeat(True, raw.height, eager=True)
    for rule, column, failed in failures:
        here = failed & free
        free &= ~failed
        count = int(here.sum())
        if not count:
            continue
        rows, read = raw.filter(here), frame.filter(here)
        shown = examples(rows[sources[column]]) if column in sources else ()
        name = table.contract.name
        entries.append(Entry(table=name, file=label, kind="refused", column=column, count=count, detail=rule, examples=shown))
        parts = [
            rows.select(pl.lit(label).alias("file"), pl.col(ROW).alias("row"), pl.lit(rule).alias("rule"), pl.lit(column).alias("column")),
            rows.select(pl.col(source).cast(pl.String).alias(target) for target, source in sources.items()),
            read.select(pl.col(key).alias(KEY_PREFIX + key) for key in table.contract.key if key in read.columns),
        ]
        pieces.append(pl.concat(parts, how="horizontal"))
    return (pl.concat(pieces).sort("row") if pieces else pl.DataFrame()), entries
