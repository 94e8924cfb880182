"""The product tree: levels, ancestors, and which node speaks for a reported product at a chosen level."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import SettingError, TableError
from pureplay.segments import parent_codes
from pureplay.sessions import DayArray

__all__ = ["Level", "Taxonomy"]

Level = int | Literal["leaf"]
NodeArray = npt.NDArray[np.int64]

_NEVER: Final = np.datetime64("9999-12-31")
_ALWAYS: Final = np.datetime64("0001-01-01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """A tree of product nodes in sorted order of code.

    parent: node number of the parent, -1 under the implicit root. level: distance from the root, top nodes 1. start, end: days in
    force, both inclusive. leaf_until: first day on which the node has a child; a node that never has one is a leaf for ever.
    """

    products: tuple[str, ...]
    parent: NodeArray
    level: NodeArray
    start: DayArray
    end: DayArray
    leaf_until: DayArray

    @classmethod
    def from_table(cls, table: pl.DataFrame) -> "Taxonomy":
        """Tree of a checked taxonomy table; raises TableError where it is not a tree."""
        table = table.sort("product")
        parent, _ = parent_codes(table, table["product"])
        level = np.ones(parent.size, dtype=np.int64)
        climbing = parent.copy()
        for _ in range(parent.size + 1):
            above = climbing >= 0
            if not above.any():
                break
            level[above] += 1
            climbing[above] = parent[climbing[above]]
        else:
            raise TableError("taxonomy has a cycle: run `pureplay check`, which names its nodes")
        start, end = _days(table, "start_date", _ALWAYS), _days(table, "end_date", _NEVER)
        leaf_until = np.full(parent.size, _NEVER)
        born = np.flatnonzero(parent >= 0)
        np.minimum.at(leaf_until, parent[born], start[born])
        return cls(products=tuple(table["product"]), parent=parent, level=level, start=start, end=end, leaf_until=leaf_until)

    def node(self, products: pl.Series) -> NodeArray:
        """Node number of each product, -1 where the tree lacks it."""
        codes = products.cast(pl.Enum(list(self.products)), strict=False).to_physical().cast(pl.Int64)
        return np.asarray(codes.fill_null(-1).to_numpy())

    def at_level(self, level: Level) -> NodeArray:
        """For every node, the node that carries its revenue at `level`, -1 where it is unmapped there.

        An ancestor-or-self at exactly that level; a shallower leaf stands for itself; revenue reported above the level at an inner
        node is unmapped. "leaf" keeps every leaf and drops inner nodes.
        """
        own = np.arange(self.parent.size, dtype=np.int64)
        leaf = self.leaf_until > _ALWAYS  # an inner node whose first child is yet to come is still a leaf until then
        if level == "leaf":
            return np.where(leaf, own, -1)
        if level < 1:
            raise SettingError(f"level must be 'leaf' or a whole number of at least 1 (the top nodes), not {level!r}")
        speaker = own.copy()
        for _ in range(int(self.level.max(initial=1))):
            deep = self.level[speaker] > level
            if not deep.any():
                break
            speaker[deep] = self.parent[speaker[deep]]
        return np.where((self.level[speaker] == level) | leaf, speaker, -1)

    def above(self, level: Level) -> tuple[NodeArray, NodeArray]:
        """Pairs of a node and a node at or above it on which groups at `level` fall back: the second counts the revenue of the first.

        For a whole number these are the nodes one level up. Leaves have parents at many depths, so that the revenue of one node may
        count for several of them.
        """
        target = np.zeros(self.parent.size, dtype=bool)
        if level == "leaf":
            target[self.parent[self.parent >= 0]] = True
        else:
            target = self.level == level - 1
        below, above = [], []
        own = climbing = np.arange(self.parent.size, dtype=np.int64)
        while climbing.size:
            below.append(own[target[climbing]])
            above.append(climbing[target[climbing]])
            own, climbing = own[self.parent[climbing] >= 0], self.parent[climbing][self.parent[climbing] >= 0]
        return np.concatenate(below), np.concatenate(above)

    def parent_of_group(self, level: Level) -> NodeArray:
        """For every node that is a group at `level`, the node of the level above that it falls back on, -1 where there is none."""
        if level == "leaf":
            return self.parent.copy()
        return np.where(self.level == level, self.parent, -1)

    def in_force(self, level: Level | None, days: DayArray) -> tuple[NodeArray, NodeArray]:
        """First and last position in `days` (ascending) on which each node may carry revenue at `level`.

        A leaf that stands for itself at a level below it stops on the day its first child appears; None: no such leaves.
        """
        if level is None:
            level = 0
        as_leaf = np.full(self.parent.size, True) if level == "leaf" else self.level < level
        end = np.where(as_leaf & (self.leaf_until <= self.end), self.leaf_until - np.timedelta64(1, "D"), self.end)
        first = np.searchsorted(days, self.start, side="left")
        last = np.searchsorted(days, end, side="right") - 1
        return first.astype(np.int64), last.astype(np.int64)


def _days(table: pl.DataFrame, column: str, missing: np.datetime64) -> DayArray:
    if column not in table.columns:
        return np.full(table.height, missing)
    days = table[column].to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(days), missing, days)
