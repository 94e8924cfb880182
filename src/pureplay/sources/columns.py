"""One column of a file into one column of a contract: null words, replacements, codes, units, dates, types.

Every step that changes or refuses a value counts it; a value that cannot be read is null here and marks its row as refused.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from pureplay.errors import TableError
from pureplay.sources.codes import normalise_cn
from pureplay.sources.dates import read_dates
from pureplay.sources.lookup import translate
from pureplay.sources.maps import ColumnMap
from pureplay.sources.moments import read_moments

__all__ = ["Converted", "as_text", "convert", "examples"]

_FLAGS: Final = dict.fromkeys(("true", "t", "yes", "y", "1"), True) | dict.fromkeys(("false", "f", "no", "n", "0"), False)
_Changes = list[tuple[str, int, tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """`values` in the contract's type, `failed` where a value was there and could not be read, `rule` what it broke.

    changes: what was done, how often, with examples.
    """

    values: pl.Series
    failed: pl.Series
    rule: str
    changes: _Changes


def convert(raw: pl.Series, spec: ColumnMap, *, null_values: tuple[str, ...], label: str, pairs: pl.DataFrame | None = None) -> Converted:
    """`raw` as the column `spec` describes, through the `pairs` of its lookup where it has one.

    `label` names file and column in the TableError for a type that cannot serve.
    """
    changes: _Changes = []
    if isinstance(raw.dtype, pl.Categorical | pl.Enum):
        raw = raw.cast(pl.String)
    if raw.dtype == pl.Null:
        values = pl.Series(spec.target, [None] * raw.len(), dtype=spec.dtype)
        return Converted(values=values, failed=values.is_not_null(), rule="", changes=changes)
    if raw.dtype == pl.String:
        raw = _without_null_words(raw, null_values, changes)
    if spec.dtype.is_numeric():
        values, rule = _number(raw, spec, label, changes), "not_a_number"
    elif spec.dtype == pl.Date:
        values, rule = _date(raw, spec, label, changes), "not_a_date"
    elif isinstance(spec.dtype, pl.Datetime):
        values, rule = _moment(raw, spec, label, changes), "not_a_moment"
    elif spec.dtype == pl.Boolean:
        values, rule = _flag(raw, spec, label, changes), "not_a_flag"
    else:
        values, rule = _text(raw, spec, label, changes, pairs)
    absent = raw.is_nan() | raw.is_null() if raw.dtype.is_float() else raw.is_null()
    if raw.dtype == pl.String and spec.dtype.is_float():
        absent |= raw.str.strip_chars().str.to_lowercase() == "nan"
    return Converted(values=values.alias(spec.target), failed=values.is_null() & ~absent.fill_null(True), rule=rule, changes=changes)


def examples(values: pl.Series, *, at_most: int = 3) -> tuple[str, ...]:
    """The first distinct values, as text."""
    return tuple(_shown(each) for each in values.drop_nulls().head(1000).unique(maintain_order=True).head(at_most))


def _shown(value: object) -> str:
    """A value on one line, spaces at its ends visible."""
    text = str(value)
    return text if text.isprintable() and text == text.strip() else repr(text)


def _note(changes: _Changes, what: str, where: pl.Series, before: pl.Series, after: pl.Series | None = None) -> None:
    count = int(where.sum() or 0)
    if not count:
        return
    pairs = pl.DataFrame({"a": before.filter(where).head(1000)})
    if after is None:
        shown = examples(pairs["a"])
    else:
        pairs = pairs.with_columns(b=after.filter(where).head(1000)).unique(maintain_order=True)
        shown = tuple(f"{_shown(a)} -> {_shown(b)}" for a, b in pairs.head(3).iter_rows())
    changes.append((what, count, shown))


def _without_null_words(raw: pl.Series, words: tuple[str, ...], changes: _Changes) -> pl.Series:
    blank = raw.str.strip_chars() == ""
    named = raw.str.strip_chars().is_in(list(words)) if words else pl.repeat(False, raw.len(), eager=True)
    _note(changes, "blank text read as null", blank, raw)
    _note(changes, "null_values read as null", named, raw)
    if not (blank | named).any():
        return raw
    return pl.select(pl.when(~pl.lit(blank | named)).then(pl.lit(raw))).to_series()


def _number(raw: pl.Series, spec: ColumnMap, label: str, changes: _Changes) -> pl.Series:
    if raw.dtype == pl.String:
        text = raw.str.strip_chars()
        if spec.thousands:
            text = text.str.replace_all(spec.thousands, "", literal=True)
            _note(changes, f"thousands mark '{spec.thousands}' removed", raw != text, raw, text)
        values = text.cast(pl.Float64, strict=False)
    elif raw.dtype.is_numeric():
        values = raw.cast(pl.Float64)
    else:
        raise TableError(f"{label} is of type {raw.dtype}, not a number: map another column")
    _note(changes, "NaN read as null", values.is_nan().fill_null(False), raw)
    values = values.fill_nan(None)
    if spec.factor is not None:
        scaled = values * spec.factor
        _note(changes, f"unit: {spec.unit}", values.is_not_null(), values, scaled)
        values = scaled
    if spec.dtype.is_integer():
        whole = values.cast(spec.dtype, strict=False)
        return pl.select(pl.when(pl.lit(whole).cast(pl.Float64) == pl.lit(values)).then(pl.lit(whole))).to_series()
    return values.cast(spec.dtype)


def _date(raw: pl.Series, spec: ColumnMap, label: str, changes: _Changes) -> pl.Series:
    values = read_dates(raw, pattern=spec.format, timezone_to=spec.timezone_to, floor=spec.floor, label=label)
    if raw.dtype != pl.Date:
        how = f"{raw.dtype.base_type()} to date"
        how += f", format {spec.format}" if spec.format else ""
        how += ", time of day cut" if spec.floor else ""
        _note(changes, how, values.is_not_null(), raw, values)
    return values


def _moment(raw: pl.Series, spec: ColumnMap, label: str, changes: _Changes) -> pl.Series:
    values = read_moments(raw, pattern=spec.format, zone=spec.timezone, time_of_day=spec.time_of_day, label=label)
    how = f"{raw.dtype.base_type()} to moment in UTC"
    how += f", format {spec.format}" if spec.format else ""
    how += f", taken in {spec.timezone}" if spec.timezone else ""
    how += f", days at {spec.time_of_day}" if spec.time_of_day else ""
    _note(changes, how, values.is_not_null(), raw, values)
    return values


def _flag(raw: pl.Series, spec: ColumnMap, label: str, changes: _Changes) -> pl.Series:
    if raw.dtype == pl.Boolean:
        return raw
    if not raw.dtype.is_integer() and raw.dtype != pl.String:
        raise TableError(f"{label} is of type {raw.dtype}, not a flag: map a boolean, 0/1 or yes/no column")
    known = {key.casefold(): value for key, value in spec.values.items()} or _FLAGS
    values = raw.cast(pl.String).str.strip_chars().str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.Boolean)
    _note(changes, f"{raw.dtype} to flag", values.is_not_null(), raw, values)
    return values


def _text(raw: pl.Series, spec: ColumnMap, label: str, changes: _Changes, pairs: pl.DataFrame | None) -> tuple[pl.Series, str]:
    text = as_text(raw, label)
    trimmed = text.str.strip_chars()
    _note(changes, "spaces around text removed", text != trimmed, text)
    values, rule = trimmed, "not_text"
    if spec.values:
        default = trimmed if spec.others == "keep" else None
        values, rule = trimmed.replace_strict(spec.values, default=default, return_dtype=pl.String), "not_in_map"
        _note(changes, "replaced by map", (values != trimmed).fill_null(False), trimmed, values)
    if spec.lookup is not None and pairs is not None:
        before = values
        values, rule = translate(before, pairs, others=spec.lookup.others), "not_in_lookup"
        _note(changes, f"looked up in {spec.lookup.file}", (values != before).fill_null(False), before, values)
        if spec.lookup.others == "keep":
            lone = ~before.is_in(pairs["key"].implode())
            _note(changes, f"kept: absent from {spec.lookup.file}", lone.fill_null(False), before)
    if spec.code == "cn":
        before = values
        values, rule = normalise_cn(before), "unreadable_code"
        _note(changes, "code to A-share form", (values != before).fill_null(False), before, values)
    if spec.prefix is not None:
        before = values
        values, rule = _prefix(before, spec.prefix), f"shorter_than_{spec.prefix}"
        _note(changes, f"first {spec.prefix} characters", (values != before).fill_null(False), before, values)
    return values, rule


def _prefix(values: pl.Series, length: int) -> pl.Series:
    return pl.select(pl.when(pl.lit(values).str.len_chars() >= length).then(pl.lit(values).str.head(length))).to_series()


def as_text(raw: pl.Series, label: str) -> pl.Series:
    """Text as it is; whole numbers as digits, also where a missing value turned them into floats."""
    if raw.dtype == pl.String:
        return raw
    if raw.dtype.is_integer():
        return raw.cast(pl.String)
    if raw.dtype.is_float() and (raw.fill_nan(None).drop_nulls() % 1 == 0).all():
        return raw.fill_nan(None).cast(pl.Int64, strict=False).cast(pl.String)
    raise TableError(f"{label} is of type {raw.dtype}, not text: map another column")
