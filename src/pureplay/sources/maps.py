"""The column map (TOML): what stands in which file, checked against the table contracts before any file is opened.

docs/importing.md describes the format; `pureplay.sources.files` shows a short example.
"""

import codecs
import re
import tomllib
import zoneinfo
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any, Final, Literal, cast

import polars as pl

from pureplay.errors import DatasetError, SettingError, TableError
from pureplay.sources.dates import STATUTORY
from pureplay.sources.derive import Derivation, parse_derive, require_sources
from pureplay.sources.entries import near, one_of, only, texts, typed
from pureplay.sources.lookup import Lookup, parse_lookup
from pureplay.tables import Contract, contract

__all__ = ["UNITS", "ColumnMap", "Condition", "DatasetMap", "Duplicates", "TableMap", "read_map"]

UNITS: Final[dict[str, float]] = {
    "percent": 1e-2, "bp": 1e-4, "lot": 1e2, "thousand": 1e3, "ten_thousand": 1e4, "million": 1e6, "hundred_million": 1e8, "billion": 1e9,
}  # fmt: skip
"""Factor of each unit a column may be in; `lot` is 100 shares, `ten_thousand` 万, `hundred_million` 亿."""

Duplicates = Literal["refuse", "identical", "first", "last", "mean"]
_DUPLICATES: Final = ("refuse", "identical", "first", "last", "mean")
_OPERATORS: Final = ("equals", "not_equals", "in", "not_in", "min", "max", "is_null")
_OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "number": ("unit", "scale", "thousands"),
    "date": ("format", "timezone_to", "floor"),
    "moment": ("format", "timezone", "time_of_day"),
    "text": ("join", "lookup", "code", "prefix", "map", "others"),
    "flag": ("map", "others"),
}
_TABLE_KEYS: Final = (
    "table", "files", "columns", "constants", "nulls", "derive", "statutory", "where", "distinct", "duplicates", "null_values", "encoding",
    "separator", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """How one column of a contract comes out of one column of a file."""

    target: str
    source: str
    dtype: pl.DataType
    optional: bool = False
    factor: float | None = None
    unit: str = ""
    thousands: str = ""
    format: str | None = None
    timezone_to: str | None = None
    floor: bool = False
    timezone: str | None = None
    time_of_day: time | None = None
    join: tuple[str, ...] = ()
    lookup: Lookup | None = None
    code: str | None = None
    prefix: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    others: str = "keep"

    @property
    def sources(self) -> tuple[str, ...]:
        """Columns of the file that it reads."""
        return (self.source, *self.join)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Rows of a file that are wanted: `column` compared with `value`; a null fails every comparison."""

    column: str
    operator: str
    value: Any

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMap:
    """One `[[table]]` of the map."""

    contract: Contract
    files: tuple[str, ...]
    columns: tuple[ColumnMap, ...]
    constants: dict[str, Any]
    nulls: tuple[str, ...]
    derive: tuple[Derivation, ...]
    statutory: bool
    where: tuple[Condition, ...]
    distinct: bool
    duplicates: Duplicates
    null_values: tuple[str, ...]
    encoding: str
    separator: str
    note: str

    @property
    def dates_stated(self) -> bool:
        """Whether the map, not the file, says when the rows became known or what they are about."""
        return "publish_date" in self.contract.schema.columns() and bool({"publish_date", "period_end"} & set(self.constants))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetMap:
    """A whole map: name, calendar, notes and the tables in the order of the file."""

    name: str
    calendar: str
    notes: tuple[str, ...]
    tables: tuple[TableMap, ...]


def read_map(path: Path) -> DatasetMap:
    """The checked map in `path`; SettingError for a fault of the map itself, TableError for one against a contract."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"there is no map file {path}: give the path of a TOML column map (examples/maps holds one)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SettingError(f"{path.name} is not valid TOML ({fault}): correct the line it names") from None
    only(raw, ("dataset", "table"), path.name)
    head = typed(raw, "dataset", dict, path.name, required=True)
    only(head, ("name", "calendar", "note"), "[dataset]")
    tables = typed(raw, "table", list, path.name, required=True)
    calendar = typed(head, "calendar", str, "[dataset]", default="bars")
    if calendar != "bars" and not re.fullmatch(r"[A-Z]{4}", calendar):
        raise SettingError(f'[dataset] calendar = "{calendar}" is no calendar: write "bars" or an exchange code such as "XSHG"')
    parsed = tuple(_table(each, position) for position, each in enumerate(tables, start=1))
    notes = [typed(head, "note", str, "[dataset]", default=""), *(each.note for each in parsed)]
    name = typed(head, "name", str, "[dataset]", required=True)
    return DatasetMap(name=name, calendar=calendar, notes=tuple(each for each in notes if each), tables=parsed)


def _table(raw: dict[str, Any], position: int) -> TableMap:
    place = f"[[table]] no. {position}"
    only(raw, _TABLE_KEYS, place)
    target = contract(typed(raw, "table", str, place, required=True))
    place = f"table '{target.name}' (no. {position})"
    duplicates = typed(raw, "duplicates", str, place, default="identical")
    one_of(duplicates, _DUPLICATES, f"{place}: duplicates")
    encoding = typed(raw, "encoding", str, place, default="utf-8")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise SettingError(f'{place}: encoding "{encoding}" is unknown: write "utf-8" or "gb18030"') from None
    columns = typed(raw, "columns", dict, place, default={})
    constants = typed(raw, "constants", dict, place, default={})
    statutory = typed(raw, "statutory", dict, place, default={})
    only(statutory, ("publish_date",), f"{place}: statutory")
    for market in statutory.values():
        one_of(market, STATUTORY, f"{place}: statutory publish_date")
    separator = typed(raw, "separator", str, place, default=",")
    if len(separator) != 1 or not separator.isascii():
        raise SettingError(f'{place}: separator = {separator!r} is not one plain character: write ",", ";" or "\\t"')
    files = raw.get("files")
    patterns = [files] if isinstance(files, str) else texts(raw, "files", place)
    if not patterns:
        raise SettingError(f'{place} names no files: add files = ["name_*.parquet"], relative to the source folder')
    result = TableMap(
        contract=target,
        files=tuple(patterns),
        columns=tuple(_column(name, value, target, place) for name, value in columns.items()),
        constants={name: _constant(name, value, target, place) for name, value in constants.items()},
        nulls=tuple(texts(raw, "nulls", place)),
        derive=parse_derive(typed(raw, "derive", dict, place, default={}), target, place),
        statutory=bool(statutory),
        where=tuple(_condition(each, place) for each in typed(raw, "where", list, place, default=[])),
        distinct=typed(raw, "distinct", bool, place, default=False),
        duplicates=cast(Duplicates, duplicates),
        null_values=tuple(texts(raw, "null_values", place)),
        encoding=encoding,
        separator=separator,
        note=typed(raw, "note", str, place, default=""),
    )
    _check_complete(result, place)
    return result


def _check_complete(table: TableMap, place: str) -> None:
    """Every required column stated once, and dates stated honestly."""
    mapped = [each.target for each in table.columns]
    for name in table.nulls:
        _dtype(name, table.contract, place)
    derived = [each.target for each in table.derive]
    stated = [*mapped, *table.constants, *table.nulls, *derived]
    twice = sorted({name for name in stated if stated.count(name) > 1})
    if twice:
        raise SettingError(f"{place} states {', '.join(twice)} more than once among columns, constants, nulls and derive: keep one of them")
    require_sources(table.derive, {*mapped, *table.constants}, table.contract, place)
    if table.statutory and "publish_date" in [*table.constants, *table.nulls]:
        raise SettingError(f"{place} states publish_date and a statutory deadline: keep one of them")
    given = {*stated, *(["publish_date"] if table.statutory else [])}
    if "publish_date" in table.contract.required and ("publish_date" not in given or "publish_date" in table.nulls):
        raise TableError(
            f"{place} says nowhere when its rows became public, and undated facts may not enter a study: map a publish_date column, "
            'state one under [table.constants], or take the legal deadline with [table.statutory] publish_date = "cn"'
        )
    missing = [name for name in table.contract.required if name not in given]
    if missing:
        raise TableError(
            f"{place} leaves out {', '.join(missing)}, which the contract requires: add to [table.columns] or [table.constants], "
            "or list under nulls = [...] what is unknown throughout"
        )
    if table.dates_stated and ("known_at_source" in mapped or table.constants.get("known_at_source", "assumed") != "assumed"):
        raise SettingError(f'{place} states its dates itself, so its rows are known_at_source = "assumed": remove the other statement')


def _column(target: str, raw: object, table: Contract, place: str) -> ColumnMap:
    place = f"{place}: column {target}"
    dtype = _dtype(target, table, place)
    if isinstance(raw, str):
        return ColumnMap(target=target, source=raw, dtype=dtype)
    if not isinstance(raw, dict):
        raise SettingError(f'{place} = {raw!r} is neither a column name nor {{from = "..."}}: constants go under [table.constants]')
    options = _OPTIONS[_family(dtype, place)]
    only(raw, ("from", "optional", *options), place, remedy=f"a {dtype} column takes from, optional, {', '.join(options)}")
    factor, unit = _factor(raw, place)
    code = typed(raw, "code", str, place, default=None)
    if code is not None:
        one_of(code, ("cn",), f"{place}: code")
    prefix = typed(raw, "prefix", int, place, default=None)
    if prefix is not None and prefix < 1:
        raise SettingError(f"{place}: prefix = {prefix} keeps nothing: write the number of characters to keep")
    _check_words(raw, dtype, place)
    others = typed(raw, "others", str, place, default="keep")
    one_of(others, ("keep", "refuse"), f"{place}: others")
    return ColumnMap(
        target=target,
        source=typed(raw, "from", str, place, required=True),
        dtype=dtype,
        optional=typed(raw, "optional", bool, place, default=False),
        factor=factor,
        unit=unit,
        thousands=typed(raw, "thousands", str, place, default=""),
        format=typed(raw, "format", str, place, default=None),
        timezone_to=typed(raw, "timezone_to", str, place, default=None),
        floor=typed(raw, "floor", bool, place, default=False),
        timezone=typed(raw, "timezone", str, place, default=None),
        time_of_day=_time_of_day(raw, place),
        join=tuple(texts(raw, "join", place)),
        lookup=parse_lookup(raw, place),
        code=code,
        prefix=prefix,
        values=typed(raw, "map", dict, place, default={}),
        others=others,
    )


def _check_words(raw: dict[str, Any], dtype: pl.DataType, place: str) -> None:
    """Refuse replacements of another type, and time zones and date patterns that mean nothing."""
    kind = bool if dtype == pl.Boolean else str
    for key, value in typed(raw, "map", dict, place, default={}).items():
        if not isinstance(value, kind):
            raise SettingError(f"{place}: map {key} = {value!r} is no {dtype}: write a {kind.__name__}")
    for key in ("timezone_to", "timezone"):
        zone = typed(raw, key, str, place, default=None)
        if zone is not None and zone not in zoneinfo.available_timezones():
            raise SettingError(
                f'{place}: {key} = "{zone}" is no time zone ({near(zone, sorted(zoneinfo.available_timezones()))}): correct it'
            )
    pattern = typed(raw, "format", str, place, default=None)
    parts: tuple[str, ...] = ("%Y", "%m", "%d")
    what = 'date, such as "%Y%m%d"'
    if isinstance(dtype, pl.Datetime):
        parts, what = ("%Y", "%m", "%d", "%H", "%M"), 'moment, such as "%Y%m%d%H%M%S"'
    if pattern is not None and not all(part in pattern for part in parts):
        lacks = f"{', '.join(parts[:-1])} or {parts[-1]}"
        raise SettingError(f'{place}: format = "{pattern}" lacks {lacks}: write the strptime pattern of a whole {what}')


def _time_of_day(raw: dict[str, Any], place: str) -> time | None:
    text = typed(raw, "time_of_day", str, place, default=None)
    if text is None:
        return None
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise SettingError(f'{place}: time_of_day = "{text}" is no time: write "23:59:59" or the like') from None


def _factor(raw: dict[str, Any], place: str) -> tuple[float | None, str]:
    if "unit" in raw and "scale" in raw:
        raise SettingError(f"{place} has both unit and scale: keep one of them")
    if "unit" in raw:
        one_of(raw["unit"], UNITS, f"{place}: unit")
        return UNITS[raw["unit"]], f"{raw['unit']} × {UNITS[raw['unit']]:g}"
    if "scale" in raw:
        scale = raw["scale"]
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < abs(scale) < float("inf"):
            raise SettingError(f"{place}: scale = {scale!r} is not a finite number other than 0: write what one unit of the file is worth")
        return float(scale), f"× {scale:g}"
    return None, ""


def _constant(name: str, value: object, table: Contract, place: str) -> Any:
    dtype = _dtype(name, table, place)
    expected: dict[str, tuple[type, ...]] = {"number": (int, float), "date": (date,), "text": (str,), "flag": (bool,)}
    family = _family(dtype, place)
    if family == "moment":
        raise SettingError(f"{place}: constant {name} = {value!r}: moments differ from row to row, map a column")
    if not isinstance(value, expected[family]) or (isinstance(value, bool) and family != "flag"):
        example = " such as 2021-10-01, without quotes" if family == "date" else ""
        raise SettingError(f"{place}: constant {name} = {value!r} is no {dtype}: write a {family}{example}")
    return value


def _condition(raw: object, place: str) -> Condition:
    if not isinstance(raw, dict):
        raise SettingError(f'{place}: where holds {raw!r}: write {{column = "...", equals = ...}}')
    only(raw, ("column", *_OPERATORS), f"{place}: where")
    used = [each for each in _OPERATORS if each in raw]
    if len(used) != 1:
        raise SettingError(f"{place}: where needs exactly one of {', '.join(_OPERATORS)}, found {used}: write one condition for each")
    expected: type = list if used[0] in ("in", "not_in") else bool if used[0] == "is_null" else object
    value = typed(raw, used[0], expected, f"{place}: where")
    return Condition(column=typed(raw, "column", str, f"{place}: where", required=True), operator=used[0], value=value)


def _dtype(name: str, table: Contract, place: str) -> pl.DataType:
    columns = table.schema.columns()
    if name in columns:
        return columns[name].dtype
    if table.open_ended:
        return pl.Float64()
    raise TableError(f"{place}: '{name}' is not a column of '{table.name}' ({near(name, columns)}): rename the key on the left")


def _family(dtype: pl.DataType, place: str) -> str:
    if dtype.is_numeric():
        return "number"
    if isinstance(dtype, pl.Datetime):
        return "moment"
    for family, type_ in (("date", pl.Date), ("text", pl.String), ("flag", pl.Boolean)):
        if dtype == type_:
            return family
    raise TableError(f"{place} is of type {dtype}, which files cannot fill yet: leave it out")
