"""Industry schemes from the finest to the coarsest, by what is known when the data begin."""

import polars as pl

from pureplay.dataset import Dataset

__all__ = ["industry_schemes"]


def industry_schemes(data: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Schemes known at the start, and those that begin later; each from the most distinct codes to the fewest, then by name backwards.

    The start is the first session, or the day of the first label where no label is that old. Known schemes are ordered by the codes
    known then: later labels do not count, they would change the order in hindsight. Schemes that begin later are ordered by the day
    on which they do, then by their codes of that day. Both are empty where there is no label. Raises TableError without industries.
    """
    labels = data.frame("industries", ["scheme", "code", "start_date"])
    first = data.frame("bars", ["date"]).select(pl.col("date").min())
    start = pl.concat([first, labels.select(date=pl.col("start_date").min())])["date"].max()
    labels = labels.with_columns(begins=pl.max_horizontal(pl.col("start_date").min().over("scheme"), pl.lit(start, dtype=pl.Date)))
    codes = labels.filter(pl.col("start_date") <= pl.col("begins")).group_by("scheme", "begins").agg(pl.col("code").n_unique())
    return _ordered(codes.filter(pl.col("begins") <= start)), _ordered(codes.filter(pl.col("begins") > start))


def _ordered(codes: pl.DataFrame) -> tuple[str, ...]:
    """Schemes by the day on which they begin, where that is not the start, and from fine to coarse."""
    return tuple(codes.sort("begins", "code", "scheme", descending=[False, True, True])["scheme"])
