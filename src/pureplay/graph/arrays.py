"""The arrays that the parts of the graph hand to each other. Assets are columns of `Ground.axes`; a pair has a < b."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import BoolArray, FloatArray, IndexArray

__all__ = ["LAMPS", "CoMentions", "Lamps", "PairPanel", "RandomPairs"]

LAMPS: Final = ("deep_peer", "chain", "disclosed", "affiliate")
"""The four lamps; `product_peer`, the shallow base, and `bid`, the negative control, are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoMentions:
    """Pairs that the news of a vintage's window names together, sorted by (a, b), each once.

    strength: number of articles, or their sum of 1 / (names - 1). days: distinct sessions on which such an article counted.
    """

    a: IndexArray
    b: IndexArray
    strength: FloatArray
    days: IndexArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomPairs:
    """Baseline pairs of a vintage, drawn from the cells of the pairs given, sorted by (a, b). Cells: unordered size decile x industry pair.

    widened: pairs drawn from a cell whose deciles had to be widened. short: pairs for which no cell had any candidate left.
    """

    a: IndexArray
    b: IndexArray
    widened: int
    short: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamps:
    """What structurally links each pair, as known at the vintage. All arrays have one entry a pair.

    mapped: both firms have an entry in the product tree; where not, peer_depth is -1 and the product lamps are off.
    peer_depth: depth of the deepest common node in which both have at least the least share, 0 where only the root is common.
    bid: a tender bid names the two (negative control, never a lamp).
    """

    mapped: BoolArray
    peer_depth: IndexArray
    product_peer: BoolArray
    deep_peer: BoolArray
    chain: BoolArray
    disclosed: BoolArray
    affiliate: BoolArray
    bid: BoolArray

    @property
    def n_lamps(self) -> IndexArray:
        """How many of the four lamps are lit."""
        return np.asarray(sum(getattr(self, name).astype(np.int32) for name in LAMPS), dtype=np.int32)

    def confirmed(self, *, peer_confirms: bool = False) -> BoolArray:
        """Pairs with a lit lamp (or, if asked for, a shallow product peer); all others are dark."""
        lit = self.n_lamps > 0
        return np.asarray(lit | self.product_peer if peer_confirms else lit)

    def take(self, where: npt.NDArray[np.generic] | slice) -> "Lamps":
        """The lamps of some pairs, by mask, positions or slice."""
        return Lamps(**{each.name: getattr(self, each.name)[where] for each in fields(Lamps)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPanel:
    """Pairs of many vintages end to end: what the forecast is fitted on.

    assets: codes of the columns. rows: session of each vintage. dates: its day. starts: vintage v holds entries starts[v]:starts[v + 1],
    its substrate pairs first, then the random ones, each part sorted by (a, b). news: True for substrate pairs. strength: 0 for
    random pairs. trailing, forward: correlations, NaN where they cannot be measured; forward is all NaN in a vintage whose forward window
    passes the end of the data. sector: number of the unordered pair of coarsest industries, -1 where one has none.
    """

    assets: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    dates: npt.NDArray[np.datetime64]
    starts: npt.NDArray[np.int64]
    a: IndexArray
    b: IndexArray
    news: BoolArray
    strength: FloatArray
    trailing: FloatArray
    forward: FloatArray
    sector: IndexArray
    lamps: Lamps

    def vintage(self, number: int) -> slice:
        """Entries of a vintage."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    @property
    def of(self) -> npt.NDArray[np.int64]:
        """Number of the vintage of each entry."""
        return np.repeat(np.arange(self.rows.size, dtype=np.int64), np.diff(self.starts))
