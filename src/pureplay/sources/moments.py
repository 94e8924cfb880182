"""Moments as files hold them, read strictly and brought to UTC."""

from datetime import time
from typing import Final

import polars as pl

from pureplay.errors import TableError

__all__ = ["read_moments"]

_ISO: Final = r"^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6}\d*)?)?) ?(Z|[+-]\d{2}:?\d{2})?$"
_DAY: Final = r"^\d{4}-\d{2}-\d{2}$"
_YEARS: Final = (1900, 2200)
_UTC: Final = pl.Datetime("us", "UTC")


def read_moments(raw: pl.Series, *, pattern: str | None, zone: str | None, time_of_day: time | None, label: str) -> pl.Series:
    """`raw` as Datetime("us", "UTC"), null where a value cannot be read, or where it has no time of day and none is assumed.

    zone: where moments that carry no zone of their own were taken; a TableError where such a moment meets none, and where it is stated
    for a column that carries one throughout. time_of_day: taken for days without a time. Text is ISO, with `Z` or `+08:00` or without,
    unless a strptime `pattern` is given; integers need one. A local time that a clock change repeats is taken as the later of the two,
    one that it leaves out is null. Years outside 1900…2200 are not read. `label` names file and column in errors.
    """
    kind = raw.dtype
    if isinstance(kind, pl.Datetime):
        return _plausible(_placed(raw, kind.time_zone, zone, label))
    if kind == pl.Date:
        if time_of_day is None:
            raise TableError(f'{label} holds days, not moments: add time_of_day = "23:59:59" or the like, late enough to be safe')
        return _plausible(_placed(_at(raw, time_of_day), None, zone, label))
    if kind.is_integer():
        if pattern is None:
            raise TableError(f'{label} holds numbers ({raw.drop_nulls().head(1).to_list()}): add format = "%Y%m%d%H%M%S" or the like')
        raw = raw.cast(pl.String)
    elif kind != pl.String:
        raise TableError(f"{label} is of type {kind}, which holds no moments: map another column")
    text = raw.str.strip_chars()
    return _plausible(_from_iso(text, zone, time_of_day, label) if pattern is None else _from_pattern(text, pattern, zone, label))


def _placed(moments: pl.Series, carried: str | None, zone: str | None, label: str) -> pl.Series:
    if carried is not None:
        if zone is not None:
            raise TableError(f'{label} carries the time zone {carried}, so timezone = "{zone}" means nothing: leave it out')
        return moments.dt.convert_time_zone("UTC").cast(_UTC)
    if zone is None:
        raise TableError(
            f'{label} carries no time zone, such as {moments.drop_nulls().head(1).to_list()}: add timezone = "Asia/Shanghai" or the like'
        )
    return moments.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null").dt.convert_time_zone("UTC").cast(_UTC)


def _from_iso(text: pl.Series, zone: str | None, time_of_day: time | None, label: str) -> pl.Series:
    column = pl.lit(text)
    clock = column.str.extract(_ISO, 2)
    local = column.str.extract(_ISO, 1) + "T" + pl.when(clock.str.len_chars() == 5).then(clock + ":00").otherwise(clock)
    offset = column.str.extract(_ISO, 3).str.replace("Z", "+00:00").str.replace(":", "")
    read = pl.select(
        aware=(local + offset).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False).dt.convert_time_zone("UTC"),
        naive=pl.when(offset.is_null()).then(local).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False),
        day=pl.when(column.str.contains(_DAY)).then(column).str.to_date("%Y-%m-%d", strict=False),
    )
    naive = read["naive"]
    if time_of_day is not None:
        naive = naive.zip_with(naive.is_not_null(), _at(read["day"], time_of_day))
    if naive.null_count() < naive.len():
        placed = _placed(naive, None, zone, label)
    elif zone is not None and read["aware"].null_count() < text.len():
        raise TableError(f'{label} carries an offset in every value, so timezone = "{zone}" means nothing: leave it out')
    else:
        placed = naive.dt.replace_time_zone("UTC")
    return read["aware"].zip_with(read["aware"].is_not_null(), placed)


def _from_pattern(text: pl.Series, pattern: str, zone: str | None, label: str) -> pl.Series:
    read = text.str.to_datetime(pattern, time_unit="us", strict=False)
    carried = read.dtype.time_zone if isinstance(read.dtype, pl.Datetime) else None
    return _placed(read, carried, zone, label)


def _at(days: pl.Series, time_of_day: time) -> pl.Series:
    return pl.select(pl.lit(days).dt.combine(time_of_day, time_unit="us")).to_series()


def _plausible(moments: pl.Series) -> pl.Series:
    year = pl.lit(moments).dt.year()
    return pl.select(pl.when(year.is_between(*_YEARS)).then(pl.lit(moments))).to_series()
