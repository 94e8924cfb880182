"""The stationary bootstrap of Politis & Romano (1994), and the ICIRs of many of its draws at once, one pass over the series a draw."""

import numpy as np
import numpy.typing as npt

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["block_starts", "drawn_icirs", "quantile_se", "stationary_indices"]

Int64Array = npt.NDArray[np.int64]


def stationary_indices(length: int, draws: int, *, mean_block: float, rng: np.random.Generator) -> Int64Array:
    """Index rows of the stationary bootstrap (Politis & Romano 1994): blocks of geometric length, wrapped around the end."""
    fresh, start = block_starts(length, draws, mean_block=mean_block, rng=rng)
    position = np.arange(length)
    anchor = np.maximum.accumulate(np.where(fresh, position, 0), axis=1)
    return np.asarray((np.take_along_axis(start, anchor, axis=1) + position - anchor) % length)


def block_starts(length: int, draws: int, *, mean_block: float, rng: np.random.Generator) -> tuple[BoolArray, Int64Array]:
    """Where a block begins, and at which index, for every draw and position: two arrays (draws, length).

    Raises SettingError where mean_block is below 1.
    """
    if not mean_block >= 1:
        raise SettingError(f"mean_block must be at least 1, not {mean_block}")
    fresh = rng.random((draws, length)) < 1.0 / mean_block
    fresh[:, 0] = True
    return fresh, rng.integers(0, length, size=(draws, length))


def quantile_se(values: FloatArray, level: float) -> float:
    """Monte-Carlo error of a quantile: half the distance between the quantiles one binomial sd either side."""
    step = np.sqrt(level * (1 - level) / values.size)
    low, high = np.quantile(values, [max(0.0, level - step), min(1.0, level + step)])
    return float((high - low) / 2)


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
