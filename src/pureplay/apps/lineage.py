"""By which bars a dataset is known again after it has grown, shrunk or been written anew: a few marks of every month."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset

__all__ = ["marks_of", "same_lineage"]

_KEPT: Final = 4  # marks of a month
_LEAST: Final = 0.25  # share of the months in common that must have a mark in common


def marks_of(data: Dataset) -> dict[str, list[str]]:
    """Marks of each month (YYYY-MM) of the bars: the smallest hashes of day, code and return to four decimals, 0 and null left out.

    Which bars a hash picks has nothing to do with what they say, so other data of the same market pick the same ones: rows, days or
    months more or less, another first day or another order change few marks. The hash is written out here, so it stays what it is.
    """
    bars = data.frame("bars", ["date", "asset", "ret"]).filter((pl.col("ret") * 1e4).round().cast(pl.Float64).is_finite())
    bars = bars.with_columns(pl.col("asset").cast(pl.String), step=(pl.col("ret") * 1e4).round()).filter(pl.col("step").abs() > 0)
    codes = bars["asset"].unique()
    numbers = [int.from_bytes(hashlib.blake2b(code.encode(), digest_size=8).digest(), "big") for code in codes]
    code = bars.select("asset").join(
        pl.DataFrame({"asset": codes, "code": pl.Series(numbers, dtype=pl.UInt64)}), on="asset", how="left", maintain_order="left"
    )["code"]
    day = bars["date"].cast(pl.Int32).cast(pl.Int64).to_numpy().astype(np.uint64)
    step = bars["step"].clip(-1e9, 1e9).cast(pl.Int64).to_numpy().astype(np.uint64)
    mixed = _mix(_mix(_mix(code.to_numpy()) ^ day) ^ step) >> np.uint64(32)
    table = pl.DataFrame({"month": bars["date"].dt.strftime("%Y-%m"), "mark": mixed}).group_by("month").agg(pl.col("mark").bottom_k(_KEPT))
    return {month: [f"{mark:08x}" for mark in sorted(found)] for month, found in table.sort("month").iter_rows()}


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    out = values + np.uint64(0x9E3779B97F4A7C15)
    out = (out ^ (out >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    out = (out ^ (out >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(out ^ (out >> np.uint64(31)))


def same_lineage(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a quarter of the months that both have share a mark; False where they have no month in common.

    Stocks or months may have come or gone, and single bars may have been revised. Simulated markets of another seed share marks by
    chance alone; a small part of the stocks, or returns that are all other ones, are another lineage.
    """
    common = [month for month in one if month in other]
    shared = sum(bool({*one[month]} & {*other[month]}) for month in common)
    return shared > 0 and shared >= _LEAST * len(common)
