"""The record of a base: exposures as blocks, which of them were filled, families, ladder, and what is to be known about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from pureplay.errors import SettingError
from pureplay.panel import Axes, BoolArray, FloatArray, to_frame

__all__ = ["Base"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Factor exposures on the axes of a market, known at the close of each session.

    values: (sessions, columns, assets), NaN = unknown. filled: True where a value is an estimate put in place of a missing one, None
    where these flags were let go. families: name → family. ladder: the names in the order in which a base is widened. kind: "full" or
    "price" for the base of 22, "own" for the user's stack. notes: what a report has to say beside figures that rest on this base.
    """

    axes: Axes
    names: tuple[str, ...]
    values: FloatArray
    filled: BoolArray | None
    families: Mapping[str, str]
    ladder: tuple[str, ...]
    kind: Literal["full", "price", "own"]
    notes: tuple[str, ...]

    def only(self, names: Sequence[str]) -> "Base":
        """The same base with these columns, in the order of the base; raises SettingError for names that it lacks."""
        absent = [each for each in names if each not in self.names]
        if absent or not names:
            raise SettingError(f"the base lacks {', '.join(absent) or 'names to keep'}; it has {', '.join(self.names)}: name some of them")
        kept = [k for k, name in enumerate(self.names) if name in names]
        return replace(
            self,
            names=tuple(self.names[k] for k in kept),
            values=np.ascontiguousarray(self.values[:, kept]),
            filled=None if self.filled is None else np.ascontiguousarray(self.filled[:, kept]),
            families={name: family for name, family in self.families.items() if name in names},
            ladder=tuple(name for name in self.ladder if name in names),
        )

    def to_frame(self, first: int = 0, last: int | None = None) -> pl.DataFrame:
        """Long frame of sessions [first, last): date, asset, one column a factor (null = unknown), filled (how many of them are).

        Cells without any exposure have no row. Without flags there is no column filled.
        """
        rows = slice(first, last)
        known = np.zeros(self.axes.shape, dtype=bool)
        known[rows] = np.isfinite(self.values[rows]).any(axis=1)
        columns = {name: self.values[:, k] for k, name in enumerate(self.names)}
        if self.filled is not None:
            columns["filled"] = np.zeros(self.axes.shape, dtype=np.int16)
            columns["filled"][rows] = self.filled[rows].sum(axis=1)
        return to_frame(self.axes, columns, known, first=first, last=last)
