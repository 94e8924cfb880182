"""Scores apart from the sectors they are in."""

import numpy as np

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.crosssection import robust_zscore
from pureplay.stats.jit import kernel

__all__ = ["sector_neutral"]


def sector_neutral(scores: FloatArray, labels: IndexArray, universe: BoolArray) -> FloatArray:
    """Scores less the mean of their sector on the day, divided by the population sd of what is left; mean 0 over the universe.

    scores: block (sessions, assets), winsorised already: nothing is clipped here. labels: number of each stock's sector on each session,
    -1 where it has none. universe: who takes part. NaN outside the universe, without a score and without a sector; 0 for a name that is
    alone in its sector; NaN on a date on which nothing varies within sectors.
    """
    within = np.empty(scores.shape)  # every cell is written
    sectors = int(labels.max(initial=-1)) + 1
    over_blocks(lambda start, stop: _demean_block(scores, labels, universe, sectors, within, start, stop), scores.shape[0])
    return robust_zscore(within, universe, winsorise_mads=None)


@kernel
def _demean_block(
    scores: FloatArray, labels: IndexArray, universe: BoolArray, sectors: int, within: FloatArray, start: int, stop: int
) -> None:
    total, beyond, names = np.empty(sectors), np.empty(sectors), np.empty(sectors)
    for t in range(start, stop):
        total[:], beyond[:], names[:] = 0.0, 0.0, 0.0
        for i in range(scores.shape[1]):
            within[t, i] = scores[t, i] if universe[t, i] and labels[t, i] >= 0 and np.isfinite(scores[t, i]) else np.nan
            if np.isfinite(within[t, i]):
                total[labels[t, i]] += within[t, i]
                names[labels[t, i]] += 1.0
        for i in range(scores.shape[1]):  # a second pass: the plain mean of equal scores is off by rounding, which is not variation
            if np.isfinite(within[t, i]):
                within[t, i] -= total[labels[t, i]] / names[labels[t, i]]
                beyond[labels[t, i]] += within[t, i]
        for i in range(scores.shape[1]):
            if np.isfinite(within[t, i]):
                within[t, i] -= beyond[labels[t, i]] / names[labels[t, i]]
                if abs(within[t, i]) < 1e-14 * abs(scores[t, i]):
                    within[t, i] = 0.0
