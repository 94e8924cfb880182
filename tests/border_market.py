"""A small sound market for the tests of the border; every case breaks one thing of it."""

from datetime import date

import polars as pl

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]
STOCKS = ["000001.SZ", "600519.SH", "830799.BJ"]


def bars() -> pl.DataFrame:
    """Three stocks on six sessions; no two values of a column are equal."""
    rows = [(day, stock) for day in DAYS for stock in STOCKS]
    number = pl.int_range(len(rows), eager=True).cast(pl.Float64)
    return pl.DataFrame(
        {
            "date": [day for day, _ in rows],
            "asset": [stock for _, stock in rows],
            "close": 10 + number / 8,
            "ret": (number - 7) / 1024,
            "volume": 100 + number,
            "total_cap": 1e9 + number,
        }
    )


def taxonomy() -> pl.DataFrame:
    """Two branches: a over a1 and a2, b over b1."""
    return pl.DataFrame({"product": ["a", "a1", "a2", "b", "b1"], "parent": [None, "a", "a", None, "b"]})


def segments() -> pl.DataFrame:
    """Two lines of each of two filings a stock."""
    rows = [(stock, date(year, 12, 31), product) for stock in STOCKS for year in (2021, 2022) for product in ("a1", "b1")]
    return pl.DataFrame(
        {
            "asset": [row[0] for row in rows],
            "period_end": [row[1] for row in rows],
            "product": [row[2] for row in rows],
            "publish_date": [date(row[1].year + 1, 4, 20) for row in rows],
            "revenue": [40.0 + position for position in range(len(rows))],
        }
    )


def filings() -> pl.DataFrame:
    """The totals of the same filings."""
    return segments().group_by("asset", "period_end", "publish_date", maintain_order=True).agg(total_revenue=pl.lit(200.0))


def market() -> dict[str, pl.DataFrame]:
    """All four tables."""
    return {"bars": bars(), "taxonomy": taxonomy(), "segments": segments(), "filings": filings()}


def put(frame: pl.DataFrame, row: int, **values: object) -> pl.DataFrame:
    """The frame with other values in one row."""
    here = pl.int_range(pl.len()) == row
    return frame.with_columns(
        pl.when(here).then(pl.lit(value, dtype=frame.schema[name])).otherwise(pl.col(name)).alias(name) for name, value in values.items()
    )
