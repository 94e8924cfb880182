"""The user's own factor stack: any number of columns, wide or long, with an optional file of families."""

import csv
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl

from pureplay.errors import SettingError, TableError
from pureplay.factors.record import Base
from pureplay.frames import AnyFrame, conform, require_sizes, to_polars
from pureplay.panel import Axes, FloatArray

__all__ = ["LAYOUTS", "Layout", "own_factors", "read_families"]

Layout = Literal["auto", "wide", "long"]
LAYOUTS: Final[tuple[Layout, ...]] = ("auto", "wide", "long")
_KEY: Final = ("date", "asset")
_COUNT: Final = "filled"  # a column that Base.to_frame writes beside the factors


def own_factors(frame: AnyFrame, axes: Axes, *, families: Mapping[str, str] | None = None, layout: Layout = "auto") -> Base:
    """Base of the user's own exposures, as they stand: nothing is standardised, filled or made orthogonal.

    frame: date, asset and numeric columns (wide), or date, asset, factor, value (long); the exposures are known at the close of `date`.
    families: factor → family; a factor without one stands for itself. Columns keep the order of the frame, which is also the ladder;
    in the long layout that is the order of the names (of the categories of an Enum). Infinite values count as missing. Notes count
    what lies outside the axes, infinite values, columns without any value and factors without a family.

    Raises TableError for repeated columns or keys, missing keys, non-numeric columns, a frame without factors or without a row on the
    axes, values beyond 1e100, and for families of factors that the frame does not have; SettingError for an unknown layout.
    """
    if layout not in LAYOUTS:
        raise SettingError(f"layout must be one of {', '.join(LAYOUTS)}, not {layout!r}")
    given = to_polars(frame, "factors")
    notes: list[str] = []
    tables = _tables_of_long(given, notes) if _is_long(given, layout) else _tables_of_wide(given, notes)
    names, values = _filled_block(tables, axes, notes)
    own = _families(names, families, notes)
    return Base(
        axes=axes,
        names=names,
        values=values,
        filled=np.zeros(values.shape, dtype=bool),
        families=own,
        ladder=names,
        kind="own",
        notes=tuple(notes),
    )


def read_families(path: Path | str) -> dict[str, str]:
    """Families of the user's factors from a file: TOML (factor = "family", at the top or under [families]) or CSV (factor,family).

    Raises TableError where the file cannot be read, has another form, or gives one factor two families.
    """
    place = Path(path)
    readers = {".toml": _families_of_toml, ".csv": _families_of_csv}
    if place.suffix.lower() not in readers:
        raise SettingError(f"families file {place.name} is neither TOML nor CSV: name it *.toml or *.csv")
    try:
        found = readers[place.suffix.lower()](place)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error) as error:
        raise TableError(f"families file {place} cannot be read ({error}): give a file of factor and family") from error
    if not found:
        raise TableError(f"families file {place} names no factor: write one line a factor, or leave the file out")
    return found


def _families_of_toml(place: Path) -> dict[str, str]:
    held = tomllib.loads(place.read_text(encoding="utf-8-sig"))
    table = held["families"] if isinstance(held.get("families"), dict) else held
    odd = {factor: family for factor, family in table.items() if not (isinstance(family, str) and family.strip())}
    if odd:
        factor, family = next(iter(odd.items()))
        raise TableError(
            f'families file {place} has {len(odd)} factors without a family, such as {factor} = {family!r}: write {factor} = "style"'
        )
    return {factor: family.strip() for factor, family in table.items()}


def _families_of_csv(place: Path) -> dict[str, str]:
    with place.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        heading = tuple(reader.fieldnames or ())
        if not {"factor", "family"} <= set(heading):
            raise TableError(f"families file {place} has the columns {', '.join(heading) or 'none'}: factor and family are needed")
        rows = []
        for line, row in enumerate(reader, start=2):
            if None in row:
                raise TableError(f"families file {place}, line {line} has more cells than the heading: put names with a comma in quotes")
            rows.append(((row["factor"] or "").strip(), (row["family"] or "").strip()))
    found: dict[str, str] = {}
    for line, (factor, family) in enumerate(rows, start=2):
        if not (factor and family):
            raise TableError(f"families file {place}, line {line}: factor {factor!r}, family {family!r}: fill both or leave the line out")
        if found.setdefault(factor, family) != family:
            raise TableError(f"families file {place}, line {line}: {factor} is {family!r} here and {found[factor]!r} above: keep one")
    return found


def _is_long(given: pl.DataFrame, layout: Layout) -> bool:
    missing = [each for each in (*_KEY, "factor", "value") if each not in given.columns]
    if layout == "long" and missing:
        raise TableError(f"factors in the long layout lack {', '.join(missing)}; they have {', '.join(given.columns)}: rename or add them")
    named = not missing and given["factor"].dtype in (pl.String, pl.Categorical, pl.Enum)
    if layout == "long" and not named:
        raise TableError(f"factors.factor is {given['factor'].dtype}, where names are needed: write them as text")
    return named if layout == "auto" else layout == "long"


def _tables_of_wide(given: pl.DataFrame, notes: list[str]) -> Iterator[pl.DataFrame]:
    """The one table of a wide frame."""
    if _COUNT in given.columns:
        given = given.drop(_COUNT)
        notes.append("the column filled counts filled cells of an exported base and was left out")
    if not set(given.columns) - set(_KEY):
        raise TableError(f"factors have no column beside {', '.join(given.columns)}: add the exposures, one numeric column a factor")
    yield conform("factors", given).frame


def _tables_of_long(given: pl.DataFrame, notes: list[str]) -> Iterator[pl.DataFrame]:
    """One table a factor, in the order of the names; held one at a time, since a long frame is large."""
    beside = [each for each in given.columns if each not in (*_KEY, "factor", "value")]
    if beside:
        notes.append(f"columns beside date, asset, factor and value were left out: {', '.join(beside)}")
    if given.height == 0:
        raise TableError("factors have no rows: fill the table")
    factor = given["factor"]
    blank = int((factor.is_null() | (factor.cast(pl.String) == "")).sum())
    if blank:
        raise TableError(f"factors have {blank} rows without the name of a factor: fill it or leave the rows out")
    used = factor.unique().cast(pl.String)
    order = factor.dtype.categories if isinstance(factor.dtype, pl.Enum) else used.sort()
    names = [each for each in order if each in set(used)]
    reserved = [each for each in names if each in (*_KEY, _COUNT)]
    if reserved:
        raise TableError(f"a factor cannot be called {', '.join(reserved)}: that is a column of every factor table; rename it")
    for name in names:
        part = given.filter(factor.cast(pl.String) == name)
        yield conform("factors", part.select(*_KEY, pl.col("value").alias(name))).frame


def _filled_block(tables: Iterator[pl.DataFrame], axes: Axes, notes: list[str]) -> tuple[tuple[str, ...], FloatArray]:
    """Names and (sessions, columns, assets) block of the tables; counts what lies outside the axes and what is no number."""
    names: list[str] = []
    columns: list[FloatArray] = []
    rows, outside, infinite = 0, 0, 0
    for table in tables:
        _require_keys(table)
        require_sizes("factors", table, [name for name in table.columns if name not in _KEY])
        cells = axes.locate(table)
        rows, outside = rows + table.height, outside + int((cells < 0).sum())
        for name in table.columns:
            if name in _KEY:
                continue
            column = axes.block(cells, table[name])
            wrong = np.isinf(column)
            infinite += int(wrong.sum())
            column[wrong] = np.nan
            names.append(name)
            columns.append(column)
    if outside == rows:
        raise TableError(f"none of the {rows} rows of factors lies on a date and stock of the data: check codes (600519.SH) and dates")
    if outside:
        notes.append(f"{outside} of {rows} rows of factors lie on dates or stocks outside the data and were left out")
    if infinite:
        notes.append(f"{infinite} infinite values of factors count as missing")
    empty = [name for name, column in zip(names, columns, strict=True) if not np.isfinite(column).any()]
    if empty:
        notes.append(f"factors without any value on these dates and stocks: {', '.join(empty)}")
    return tuple(names), _stacked(columns)


def _stacked(columns: list[FloatArray]) -> FloatArray:
    """Columns side by side; each is let go once it is copied."""
    out = np.empty((columns[0].shape[0], len(columns), columns[0].shape[1]))
    for k in range(len(columns)):
        out[:, k] = columns[k]
        columns[k] = out[:0, k]
    return out


def _require_keys(table: pl.DataFrame) -> None:
    """One row a date and asset; rows stand in key order."""
    bare = table.filter(pl.col("date").is_null() | pl.col("asset").is_null() | (pl.col("asset") == "")).height
    if bare:
        raise TableError(f"factors have {bare} rows without date or asset: fill them or leave the rows out")
    again = table.filter((pl.col("date") == pl.col("date").shift(1)) & (pl.col("asset") == pl.col("asset").shift(1)))
    if again.height:
        first = again.row(0, named=True)
        what = f" of {table.columns[2]}" if table.width == 3 else ""
        raise TableError(
            f"factors have {again.height} repeated keys{what}, such as {first['date']} {first['asset']}: keep one row a date and asset"
        )


def _families(names: tuple[str, ...], families: Mapping[str, str] | None, notes: list[str]) -> dict[str, str]:
    """Family of every factor; its own name where none is given."""
    given = dict(families or {})
    absent = [each for each in given if each not in names]
    if absent:
        close = get_close_matches(absent[0], names, n=1)
        hint = f" (is it {close[0]!r}?)" if close else ""
        raise TableError(
            f"families name {len(absent)} factors that the table does not have: {', '.join(absent[:5])}{hint}; "
            f"it has {', '.join(names[:30])}: rename them or leave them out"
        )
    alone = [name for name in names if name not in given]
    if given and alone:
        notes.append(f"factors without a family stand for themselves: {', '.join(alone)}")
    return {name: given.get(name, name) for name in names}
