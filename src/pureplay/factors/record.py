"""The record of a base: exposures as blocks, which of them were filled, families, ladder, and what is to be known about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from pureplay.panel import Axes, BoolArray, FloatArray, to_frame

__all__ = ["Base"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Factor exposures on the axes of a market, known at the close of each session.

    values: (sessions, columns, assets), NaN = unknown. filled: True where a value is an estimate put in place of a missing one.
    families: name → family. ladder: the names in the order in which a base is widened. kind: "full" or "price" for the base of 22,
    "own" for the user's stack. notes: what a report has to say beside figures that rest on this base.
    """

    axes: Axes
    names: tuple[str, ...]
    values: FloatArray
    filled: BoolArray
    families: Mapping[str, str]
    ladder: tuple[str, ...]
    kind: Literal["full", "price", "own"]
    notes: tuple[str, ...]

    def to_frame(self, first: int = 0, last: int | None = None) -> pl.DataFrame:
        """Long frame of sessions [first, last): date, asset, one column a factor (null = unknown), filled (how many of them are).

        Cells without any exposure have no row.
        """
        rows = slice(first, last)
        known = np.zeros(self.axes.shape, dtype=bool)
        count = np.zeros(self.axes.shape, dtype=np.int16)
        known[rows] = np.isfinite(self.values[rows]).any(axis=1)
        count[rows] = self.filled[rows].sum(axis=1)
        columns = {name: self.values[:, k] for k, name in enumerate(self.names)}
        return to_frame(self.axes, {**columns, "filled": count}, known, first=first, last=last)
