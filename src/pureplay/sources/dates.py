"""Dates as files hold them, read strictly, and the statutory disclosure deadlines for files that hold none."""

from typing import Final

import polars as pl

from pureplay.errors import TableError

__all__ = ["STATUTORY", "read_dates", "statutory_deadline"]

STATUTORY: Final = ("cn",)
"""Markets whose statutory disclosure deadlines are known."""

_ISO: Final = r"^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?$"
_MIDNIGHT: Final = r"^[0:.]+$"
_YEARS: Final = (1900, 2200)


def statutory_deadline(period_end: pl.Expr) -> pl.Expr:
    """Last day on which an A-share issuer may publish the report of a fiscal period; null where it is no quarter end.

    Annual and first-quarter reports 30 April, half-year 31 August, third quarter 31 October (rules of the two exchanges).
    """
    year, month = period_end.dt.year(), period_end.dt.month()
    ends_quarter = (period_end == period_end.dt.month_end()) & (month % 3 == 0)
    return (
        pl.when(ends_quarter & (month == 12)).then(pl.date(year + 1, 4, 30))
        .when(ends_quarter & (month == 3)).then(pl.date(year, 4, 30))
        .when(ends_quarter & (month == 6)).then(pl.date(year, 8, 31))
        .when(ends_quarter & (month == 9)).then(pl.date(year, 10, 31))
    )  # fmt: skip


def read_dates(raw: pl.Series, *, pattern: str | None, timezone_to: str | None, floor: bool, label: str) -> pl.Series:
    """`raw` as dates, null where a value cannot be read or, unless `floor`, carries a time of day.

    Text is ISO unless a strptime `pattern` is given; integers need one; moments with a time zone need `timezone_to`. `label` names
    file and column in errors. Years outside 1900…2200 are not read: they come from a wrong format.
    """
    kind = raw.dtype
    if kind == pl.Date:
        return raw
    if isinstance(kind, pl.Datetime):
        return _from_moments(raw, kind.time_zone, timezone_to, floor, label)
    if kind.is_numeric():
        if pattern is None:
            raise TableError(f'{label} holds numbers ({raw.drop_nulls().head(1).to_list()}), not dates: add format = "%Y%m%d" or the like')
        if kind.is_float():
            raw = pl.select(pl.when(pl.lit(raw) == pl.lit(raw).floor()).then(pl.lit(raw))).to_series()
        return _plausible(raw.cast(pl.Int64, strict=False).cast(pl.String).str.to_date(pattern, strict=False))
    if kind == pl.String:
        return _plausible(raw.str.strip_chars().str.to_date(pattern, strict=False) if pattern else _from_iso(raw, floor))
    raise TableError(f"{label} is of type {kind}, which holds no dates: map another column")


def _from_moments(raw: pl.Series, zone: str | None, timezone_to: str | None, floor: bool, label: str) -> pl.Series:
    if zone is not None:
        if timezone_to is None:
            raise TableError(f'{label} carries the time zone {zone}, so its day is unclear: add timezone_to = "Asia/Shanghai" or the like')
        raw = raw.dt.convert_time_zone(timezone_to).dt.replace_time_zone(None)
    elif timezone_to is not None:
        raise TableError(f'{label} carries no time zone, so timezone_to = "{timezone_to}" means nothing: leave it out')
    days = raw.dt.date()
    if floor:
        return days
    return pl.select(pl.when(pl.lit(days).cast(raw.dtype) == pl.lit(raw)).then(pl.lit(days))).to_series()


def _from_iso(raw: pl.Series, floor: bool) -> pl.Series:
    text = pl.lit(raw).str.strip_chars()
    time = text.str.extract(_ISO, 2)
    day = text.str.extract(_ISO, 1).str.to_date("%Y-%m-%d", strict=False)
    return pl.select(pl.when(time.is_null() | time.str.contains(_MIDNIGHT) | floor).then(day)).to_series()


def _plausible(days: pl.Series) -> pl.Series:
    year = pl.lit(days).dt.year()
    return pl.select(pl.when(year.is_between(*_YEARS)).then(pl.lit(days))).to_series()
