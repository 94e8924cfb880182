"""Frame ↔ block: tables outside, dense date-major arrays inside."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import TableError
from pureplay.sessions import DayArray, Sessions

__all__ = ["Axes", "BoolArray", "FloatArray", "IndexArray", "label_block", "paint", "to_frame"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Axes:
    """The two axes of every block: sessions down, assets (sorted codes) across."""

    sessions: Sessions
    assets: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sessions and of assets."""
        return len(self.sessions), len(self.assets)

    def asset_index(self, codes: pl.Series) -> npt.NDArray[np.int64]:
        """Column of each code, -1 where it is not on the axis."""
        found = codes.cast(pl.Enum(list(self.assets)), strict=False).to_physical().cast(pl.Int64)
        return np.asarray(found.fill_null(-1).to_numpy())

    def date_index(self, days: pl.Series) -> npt.NDArray[np.int64]:
        """Row of each day, -1 where it is missing or not a session of the axis; raises TableError for anything but dates."""
        if days.dtype != pl.Date:
            raise TableError(f"{days.name} is {days.dtype}, where Date is needed: cast it, or bring the frame to its contract first")
        known = self.sessions.dates.astype(np.int64)
        number = days.to_physical().cast(pl.Int64).fill_null(int(known[0]) - 1).to_numpy()
        lookup = np.full(int(known[-1] - known[0]) + 1, -1, dtype=np.int64)
        lookup[known - known[0]] = np.arange(known.size)
        offset = number - known[0]
        inside = (offset >= 0) & (offset < lookup.size)
        return np.asarray(np.where(inside, lookup[np.where(inside, offset, 0)], -1))

    def locate(self, frame: pl.DataFrame) -> npt.NDArray[np.int64]:
        """Flat cell of each row of a frame with `date` and `asset`, -1 where the row lies outside the axes."""
        row, column = self.date_index(frame["date"]), self.asset_index(frame["asset"])
        return np.where((row < 0) | (column < 0), -1, row * len(self.assets) + column)

    def block(self, cells: npt.NDArray[np.int64], values: pl.Series) -> FloatArray:
        """Dense block of one column; NaN where there is no row or the value is null."""
        out = np.full(self.shape[0] * self.shape[1], np.nan)
        numbers = values.cast(pl.Float64).to_numpy()
        if cells.size and cells.min() < 0:
            inside = cells >= 0
            cells, numbers = cells[inside], numbers[inside]
        out[cells] = numbers
        return out.reshape(self.shape)

    def blocks(self, frame: pl.DataFrame, columns: list[str]) -> dict[str, FloatArray]:
        """Dense block of each named column of a frame keyed by date and asset."""
        absent = [column for column in columns if column not in frame.columns]
        if absent:
            raise TableError(f"the frame lacks {', '.join(absent)}; it has {', '.join(frame.columns)}: add them or leave them out")
        cells = self.locate(frame)
        return {column: self.block(cells, frame[column]) for column in columns}

    def day_column(self, days: DayArray) -> pl.Series:
        """Polars dates of session days."""
        return pl.Series(days.astype("datetime64[D]")).cast(pl.Date)


def paint(
    axes: Axes, column: npt.NDArray[np.int64], start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64], label: npt.NDArray[np.int64]
) -> IndexArray:
    """Block of labels from intervals [start, stop) of sessions; later intervals of the list cover earlier ones, -1 where none holds."""
    by_asset = np.full((axes.shape[1], axes.shape[0]), -1, dtype=np.int32)
    for asset, first, last, value in zip(column.tolist(), start.tolist(), stop.tolist(), label.tolist(), strict=True):
        if first < last:
            by_asset[asset, first:last] = value
    return np.ascontiguousarray(by_asset.T)


def label_block(axes: Axes, intervals: pl.DataFrame, labels: pl.Series, *, last_day_counts: bool) -> IndexArray:
    """Block of label numbers from a frame `asset, start_date[, end_date]`; the interval that started last wins.

    labels: a whole number for every row. last_day_counts: whether end_date is the last day of the interval or the first after it.
    """
    known = intervals.select("asset", "start_date", *[name for name in ("end_date",) if name in intervals.columns]).with_columns(
        _label=labels
    )
    if "end_date" not in known.columns:
        known = known.with_columns(end_date=pl.lit(None, dtype=pl.Date))
    known = known.with_columns(_column=pl.Series(axes.asset_index(known["asset"]))).filter(pl.col("_column") >= 0)
    known = known.sort("start_date", "_label")
    last = known["end_date"].dt.offset_by("1d") if last_day_counts else known["end_date"]
    end = last.to_numpy().astype("datetime64[D]")
    start = known["start_date"].to_numpy().astype("datetime64[D]")
    first, stop = axes.sessions.first_at_or_after(start), axes.sessions.first_at_or_after(end)
    return paint(axes, known["_column"].to_numpy(), first, stop, known["_label"].cast(pl.Int64).to_numpy())


def to_frame(
    axes: Axes, blocks: Mapping[str, npt.NDArray[np.generic]], keep: BoolArray, *, first: int = 0, last: int | None = None
) -> pl.DataFrame:
    """Long frame `date, asset, …` of the kept cells, in date then asset order; NaN becomes null, NaT a null date.

    first, last: sessions [first, last) only, so that a large result can be written block by block.
    """
    stop = axes.shape[0] if last is None else last
    rows, columns = np.nonzero(keep[first:stop])
    days = axes.day_column(axes.sessions.dates[first:stop])
    out = {"date": days.gather(rows), "asset": pl.Series(axes.assets, dtype=pl.String).gather(columns)}
    for name, values in blocks.items():
        column = pl.Series(values[first:stop][rows, columns])
        out[name] = column.fill_nan(None) if column.dtype.is_float() else column
        if values.dtype.kind == "M":
            out[name] = column.cast(pl.Date)
    return pl.DataFrame(out)
