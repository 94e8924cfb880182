"""Rank IC alone: Spearman correlation of a score with forward returns, every date."""

import numpy as np
import pandas as pd
import scipy
from measuring import Row, agree, best_of, copy_seconds, peak_mb, random_block, reset_peak, slice_of
from numpy.typing import NDArray
from scipy import stats

from pureplay.stats.crosssection import rank_correlation

BAR_SECONDS = 0.5
NAIVE = "pandas ranks and numpy.corrcoef, date by date"
SLICE = 40


def measure(stocks: int, sessions: int) -> Row:
    """Time the kernel, then pandas and scipy on the last dates."""
    rng = np.random.default_rng(0)
    score, forward = random_block(rng, (sessions, stocks)), random_block(rng, (sessions, stocks))
    rank_correlation(score[:2], forward[:2])  # compiles
    reset_peak()
    seconds = best_of(lambda: rank_correlation(score, forward))
    peak, part = peak_mb(), slice_of(sessions, SLICE)
    found, _ = rank_correlation(score[part], forward[part])
    a_cell = seconds / score.size
    ratios = []
    for name, version in (("pandas", naive), ("scipy", peer)):
        agree(version(score[part], forward[part]), found, tolerance=1e-12, what=f"rank_ic against {name}")
        ratios.append(best_of(lambda version=version: version(score[part], forward[part]), repeats=3) / score[part].size / a_cell)
    return Row(
        name="rank_ic",
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=ratios[0],
        ratio_peer=ratios[1],
        ratio_limit=seconds / copy_seconds(score.nbytes + forward.nbytes),
        cells_per_second=1 / a_cell,
        peer=f"scipy {scipy.__version__} spearmanr, date by date",
        limit="copy of both blocks in memory",
        bar_seconds=BAR_SECONDS,
    )


def naive(score: NDArray[np.float64], forward: NDArray[np.float64]) -> NDArray[np.float64]:
    """A frame a date, ranked where both are known."""
    out = []
    for x, y in zip(score, forward, strict=True):
        both = pd.DataFrame({"x": x, "y": y}).dropna().rank()
        out.append(np.corrcoef(both["x"], both["y"])[0, 1])
    return np.array(out)


def peer(score: NDArray[np.float64], forward: NDArray[np.float64]) -> NDArray[np.float64]:
    """scipy's Spearman correlation where both are known."""
    known = np.isfinite(score) & np.isfinite(forward)
    return np.array([stats.spearmanr(x[use], y[use]).statistic for x, y, use in zip(score, forward, known, strict=True)])
