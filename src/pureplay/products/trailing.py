"""Trailing-twelve-month revenue by product from cumulative reports: X_t + FY_{t-1} - X_{t-1}."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from pureplay.segments import FILING, TOTAL_TOLERANCE

__all__ = ["trailing_year"]

_ROUNDING = 1e-12  # amounts that cancel leave this share of what they were made of


@dataclass(frozen=True, slots=True)
class _Version:
    period_end: date
    publish_date: date
    revision: int
    total: float
    revenue: dict[str, float]


def trailing_year(lines: pl.DataFrame) -> pl.DataFrame:
    """Replace each interim filing by the trailing twelve months it completes; annual filings stay as they are.

    lines: as `segments.tidy` gives them; the result has the same columns. An interim filing needs the annual report of the year
    before and the interim one of the same day of that year, each in the latest version public by then; whenever one of the three is
    restated a new version is published on that day. A trailing amount below zero, in total, for a product or for the revenue outside
    the lines, refuses the version: the filing before stays in force.
    """
    parts = []
    for (asset,), group in lines.group_by("asset", maintain_order=True):
        versions = _versions(group)
        made = [version for version in versions if version.period_end.month == 12]
        interim = sorted({version.period_end for version in versions if version.period_end.month != 12})
        made += [ready for period_end in interim for ready in _completed(period_end, versions)]
        parts.extend(_rows(str(asset), _numbered(made)))
    return pl.DataFrame(parts, schema=lines.schema, orient="row").sort([*FILING, "product"])


def _versions(group: pl.DataFrame) -> list[_Version]:
    out = []
    for (period_end, revision), rows in group.group_by("period_end", "revision", maintain_order=True):
        revenue = dict(zip(rows["product"], rows["revenue"], strict=True))
        assert isinstance(period_end, date) and isinstance(revision, int)  # noqa: PT018 - narrows types of a checked table
        out.append(_Version(period_end, rows["publish_date"][0], revision, rows["total"][0], revenue))
    return out


def _completed(period_end: date, versions: list[_Version]) -> list[_Version]:
    year = period_end.year - 1
    current = [each for each in versions if each.period_end == period_end]
    annual = [each for each in versions if (each.period_end.year, each.period_end.month) == (year, 12)]
    before = [each for each in versions if (each.period_end.year, each.period_end.month) == (year, period_end.month)]
    out = []
    for day in sorted({each.publish_date for each in current + annual + before}):
        now, whole, part = _latest(current, day), _latest(annual, day), _latest(before, day)
        if now is None or whole is None or part is None:
            continue
        names = sorted({*now.revenue, *whole.revenue, *part.revenue})
        revenue = {name: now.revenue.get(name, 0.0) + whole.revenue.get(name, 0.0) - part.revenue.get(name, 0.0) for name in names}
        total, mapped = now.total + whole.total - part.total, sum(revenue.values())
        rounding = _ROUNDING * (now.total + whole.total)
        if total > rounding and min(revenue.values()) >= -rounding and mapped <= total * (1 + TOTAL_TOLERANCE):
            sound = {name: amount if amount > rounding else 0.0 for name, amount in revenue.items()}
            out.append(_Version(period_end, day, now.revision, max(total, mapped), sound))
    return out


def _latest(versions: list[_Version], day: date) -> _Version | None:
    public = [each for each in versions if each.publish_date <= day]
    return max(public, key=lambda each: (each.publish_date, each.revision), default=None)


def _numbered(versions: list[_Version]) -> list[tuple[int, _Version]]:
    """Revision numbers that are unique within a period and rise with the publish date."""
    ordered = sorted(versions, key=lambda each: (each.period_end, each.publish_date, each.revision))
    counts: dict[date, int] = {}
    out = []
    for version in ordered:
        counts[version.period_end] = counts.get(version.period_end, -1) + 1
        out.append((counts[version.period_end], version))
    return out


def _rows(asset: str, versions: list[tuple[int, _Version]]) -> list[tuple[object, ...]]:
    return [
        (asset, each.period_end, number, each.publish_date, product, amount, each.total)
        for number, each in versions
        for product, amount in each.revenue.items()
    ]
