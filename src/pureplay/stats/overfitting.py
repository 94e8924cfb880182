"""Does the choice of the best variant carry over: probability of overfitting, and splits whose training labels do not see the test.

Sources: Bailey, Borwein, López de Prado & Zhu, "The probability of backtest overfitting" (Journal of Computational Finance 20, 2017);
López de Prado, "Advances in financial machine learning" (2018), chapters 7 and 12.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.panel import FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.given import require_whole, series, variants
from pureplay.stats.jit import kernel

__all__ = ["Overfitting", "overfitting_probability", "purged_splits"]

Int64Array = npt.NDArray[np.int64]

_MOST_SPLITS: Final = 20  # 184,756 ways to halve
_CONSTANT: Final = 1e-12  # variance, as a share of the mean square about the variant's mean, below which values are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """How the variant that is best on one half of the periods does on the other half, over all ways to halve the blocks.

    probability: share of the halvings whose winner is no better than the median of the other half (logit <= 0). logits: log odds of the
    winner's relative rank there, one entry a halving; in_sample, out_of_sample: its figure on the two halves. slope, intercept: of
    the line out_of_sample = intercept + slope × in_sample; a slope below 0 means that the better a winner looked, the worse it did.
    loss: share of halvings whose winner is below 0 on the other half. n: periods used, dropped: left out because a variant lacks them.
    """

    probability: float
    logits: FloatArray
    in_sample: FloatArray
    out_of_sample: FloatArray
    slope: float
    intercept: float
    loss: float
    splits: int
    variants: int
    n: int
    dropped: int


def overfitting_probability(performance: FloatArray, *, splits: int = 16, statistic: Literal["sharpe", "mean"] = "sharpe") -> Overfitting:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation (CSCV).

    performance: (periods, variants) at the frequency of the rebalances, such as the returns of each variant or its ICs on the grid, so
    that blocks share no windows; a period that a variant lacks (NaN) is left out for all. The periods are cut into `splits`
    consecutive blocks, as even as they can be, and every choice of half of them is once the sample that a winner is picked from.
    statistic: "sharpe" is mean / sd (ddof 1), of ICs the ICIR, and counts 0 where the values of a half do not vary; "mean" the mean. Ties
    in rank are shared. Raises SettingError for an odd number of splits or one outside 2 to 20, InsufficientDataError where fewer than
    two variants or two periods a block exist.
    """
    if isinstance(splits, bool) or splits not in range(2, _MOST_SPLITS + 1, 2):
        raise SettingError(f"splits must be an even number from 2 to {_MOST_SPLITS}, not {splits!r}: half of the blocks are chosen from")
    if statistic not in ("sharpe", "mean"):
        raise SettingError(f'statistic must be "sharpe" or "mean", not {statistic!r}')
    performance = variants(performance, "performance")
    if performance.shape[1] < 2:
        raise InsufficientDataError(f"performance has shape {performance.shape}; (periods, variants) with two variants or more is required")
    kept = performance[np.isfinite(performance).all(axis=1)]
    if kept.shape[0] < 2 * splits:
        raise InsufficientDataError(
            f"{kept.shape[0]} of {performance.shape[0]} periods are known for all {kept.shape[1]} variants; {2 * splits} are required "
            f"for {splits} blocks: use fewer splits, a longer period or leave out the variants with gaps"
        )
    chosen, rank = _halvings(kept, splits, statistic == "sharpe")
    relative = rank / (kept.shape[1] + 1.0)
    inside, outside = chosen
    slope, intercept = _line(inside, outside)
    logits = np.log(relative / (1.0 - relative))
    return Overfitting(
        probability=float((logits <= 0).mean()),
        logits=logits,
        in_sample=inside,
        out_of_sample=outside,
        slope=slope,
        intercept=intercept,
        loss=float((outside < 0).mean()),
        splits=splits,
        variants=kept.shape[1],
        n=kept.shape[0],
        dropped=performance.shape[0] - kept.shape[0],
    )


def _halvings(kept: FloatArray, splits: int, studentised: bool) -> tuple[FloatArray, FloatArray]:
    """Figures of the winner inside and outside (2, halvings), and its rank outside, 1 = worst; halvings in lexicographic order."""
    level = kept.mean(axis=0)
    centred = kept - level
    edges = np.arange(splits + 1) * kept.shape[0] // splits
    counts = np.diff(edges).astype(np.float64)
    sums, squares = (np.add.reduceat(each, edges[:-1], axis=0) for each in (centred, centred**2))
    picks = np.array(list(combinations(range(splits), splits // 2)), dtype=np.int64)
    figures, rank = np.empty((2, len(picks))), np.empty(len(picks))
    over_blocks(
        lambda a, b: _halving_block(sums, squares, counts, level, picks, studentised, figures, rank, a, b), comb(splits, splits // 2) // 2
    )
    return figures, rank


@kernel
def _halving_block(
    sums: FloatArray,
    squares: FloatArray,
    counts: FloatArray,
    level: FloatArray,
    picks: Int64Array,
    studentised: bool,
    figures: FloatArray,
    rank: FloatArray,
    start: int,
    stop: int,
) -> None:
    """Both halves of a choice at once: the complement of choice k, in lexicographic order, is the k-th from the end."""
    inside, outside, last = np.empty(level.size), np.empty(level.size), picks.shape[0] - 1
    for k in range(start, stop):
        _figures_of(sums, squares, counts, level, picks[k], studentised, inside)
        _figures_of(sums, squares, counts, level, picks[last - k], studentised, outside)
        _judge(inside, outside, figures, rank, k)
        _judge(outside, inside, figures, rank, last - k)


@kernel
def _figures_of(
    sums: FloatArray, squares: FloatArray, counts: FloatArray, level: FloatArray, pick: Int64Array, studentised: bool, out: FloatArray
) -> None:
    square = np.zeros(level.size)
    out[:] = 0.0
    n = 0.0
    for b in pick:
        n += counts[b]
        for v in range(level.size):
            out[v] += sums[b, v]
            square[v] += squares[b, v]
    for v in range(level.size):
        mean = out[v] / n
        variance = square[v] / n - mean * mean
        out[v] = level[v] + mean
        if studentised:
            varies = variance > _CONSTANT * square[v] / n
            out[v] = out[v] / np.sqrt(variance * n / (n - 1.0)) if varies else 0.0


@kernel
def _judge(inside: FloatArray, outside: FloatArray, figures: FloatArray, rank: FloatArray, k: int) -> None:
    best = 0
    for v in range(1, inside.size):
        if inside[v] > inside[best]:
            best = v
    below, equal = 0.0, 0.0
    for v in range(outside.size):
        below += outside[v] < outside[best]
        equal += outside[v] == outside[best]
    figures[0, k], figures[1, k], rank[k] = inside[best], outside[best], below + (equal + 1.0) / 2.0


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Least-squares slope and intercept; NaN where x does not vary."""
    u = x - x.mean()
    square = float(u @ u)
    slope = float(u @ y) / square if square > 0 else float("nan")
    return slope, float(y.mean() - slope * x.mean())


def purged_splits(
    samples: int | Int64Array, *, folds: int, horizon_sessions: int, embargo_sessions: int = 0, test_folds: int = 1
) -> list[tuple[Int64Array, Int64Array]]:
    """Cross-validation splits (train, test) as positions of samples; no label window of a training sample meets one of a test sample.

    samples: their number, one a session, or the session ordinal of each (not decreasing; samples of one session stay together).
    The label of a sample of session t covers the sessions t + 1 to t + horizon_sessions; an entry delay counts into the horizon. Folds are
    consecutive and as even in sessions as they can be. A training sample is purged where its window meets that of a test sample, and
    embargoed where it comes less than `embargo_sessions` after the last test window of a fold has closed. test_folds: folds that are
    tested together; above 1 it is combinatorial purged cross-validation, every choice of that many folds in lexicographic order.
    Raises SettingError, and InsufficientDataError where a split keeps no training sample.
    """
    for name, value, least in (
        ("folds", folds, 2),
        ("horizon_sessions", horizon_sessions, 1),
        ("embargo_sessions", embargo_sessions, 0),
        ("test_folds", test_folds, 1),
    ):
        require_whole(value, name, least)
    if test_folds >= folds:
        raise SettingError(f"test_folds must be below the {folds} folds, not {test_folds}: something must be left to train on")
    at = _ordinals(samples)
    if (np.diff(at) < 0).any():
        raise SettingError("samples must be one list of session ordinals that does not decrease: sort the samples by session")
    sessions = np.unique(at)
    if sessions.size < folds:
        raise InsufficientDataError(f"{sessions.size} sessions cannot be cut into {folds} folds: use fewer folds or a longer period")
    pieces = np.array_split(sessions, folds)
    return [
        _split(at, [pieces[k] for k in tested], horizon_sessions, embargo_sessions) for tested in combinations(range(folds), test_folds)
    ]


def _ordinals(samples: int | Int64Array) -> Int64Array:
    """Session of each sample as a whole number."""
    if isinstance(samples, int | np.integer):
        require_whole(samples, "samples", 1)
        return np.arange(samples)
    given = series(samples, "samples")
    odd = given[~(np.isfinite(given) & (given == np.round(given)))]
    if odd.size:
        raise SettingError(
            f"samples must be whole session ordinals, but {odd.size} of {given.size} are not, such as {odd[0]:g}: number them"
        )
    return given.astype(np.int64)


def _split(at: Int64Array, tested: list[Int64Array], horizon: int, embargo: int) -> tuple[Int64Array, Int64Array]:
    test, out = np.zeros(at.size, dtype=bool), np.zeros(at.size, dtype=bool)
    for piece in tested:
        first, last = piece[0], piece[-1]
        test |= (at >= first) & (at <= last)
        out |= (at > first - horizon) & (at < last + horizon + embargo)
    train = np.flatnonzero(~out)
    if not train.size:
        raise InsufficientDataError(
            f"no training sample is left of {at.size} after purging {horizon} sessions and an embargo of {embargo} around sessions "
            f"{tested[0][0]} to {tested[-1][-1]}: use more folds, a shorter horizon or a longer period"
        )
    return train, np.flatnonzero(test)
