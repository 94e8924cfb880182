"""ICIRs of many bootstrap draws at once, one pass over the series a draw."""

import numpy as np
import numpy.typing as npt

from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["drawn_icirs"]

Int64Array = npt.NDArray[np.int64]


def drawn_icirs(series: FloatArray, group: Int64Array, groups: int, fresh: BoolArray, start: Int64Array, *, fewest: int) -> FloatArray:
    """Mean / sd (ddof 1) of a resampled series within each group of positions: (groups, draws).

    series: values, NaN = none. group: of each position, 0 to groups - 1. fresh, start: (draws, positions); where fresh, a block begins
    at the index `start`, elsewhere it goes on, wrapped around the end (the stationary bootstrap of Politis & Romano 1994). NaN where
    fewer than `fewest` values fall into a group, or they do not vary.
    """
    out = np.empty((groups, fresh.shape[0]))
    over_blocks(lambda first, last: _draw_block(series, group, fresh, start, fewest, out, first, last), fresh.shape[0])
    return out


@kernel
def _draw_block(
    series: FloatArray, group: Int64Array, fresh: BoolArray, start: Int64Array, fewest: int, out: FloatArray, first: int, last: int
) -> None:
    count, mean, square, drawn = np.empty(out.shape[0]), np.empty(out.shape[0]), np.empty(out.shape[0]), np.empty(series.size)
    for draw in range(first, last):
        count[:], mean[:], square[:] = 0.0, 0.0, 0.0
        at = 0
        for t in range(series.size):
            at = start[draw, t] if fresh[draw, t] else at + 1
            if at == series.size:
                at = 0
            drawn[t] = series[at]
            if np.isfinite(drawn[t]):
                count[group[t]] += 1.0
                mean[group[t]] += drawn[t]
        mean /= np.maximum(count, 1.0)
        for t in range(series.size):
            if np.isfinite(drawn[t]):
                square[group[t]] += (drawn[t] - mean[group[t]]) ** 2
        for g in range(out.shape[0]):
            sd = np.sqrt(square[g] / max(count[g] - 1.0, 1.0))
            out[g, draw] = mean[g] / sd if count[g] >= fewest and sd > 0.0 else np.nan
