"""Beside the verdict: quantile curve, score persistence, correlation with each base factor."""

from typing import Final

import numpy as np
import polars as pl

from pureplay.errors import SettingError
from pureplay.panel import FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.crosssection import Workspace, order_equal_groups, rank_correlation, sort_finite, workspace
from pureplay.stats.inference import ewc_test
from pureplay.stats.jit import kernel

__all__ = ["factor_correlations", "quantile_curve", "score_autocorrelation"]

_BITS: Final = 11  # of a digit of the radix sort
_BUCKETS: Final = 1 << _BITS
_DROPPED: Final = 10  # last bits of a float32 that two digits leave out


def quantile_curve(score: FloatArray, forward: FloatArray, *, quantiles: int = 10) -> pl.DataFrame:
    """Mean forward return by score quantile, equal weight, averaged over dates.

    Columns: quantile (1 = lowest), forward_return, excess_return (over the mean of all scored names of the date), se (EWC standard
    error of excess_return over dates: the market's own moves are not in it), names (mean a date). Quantiles are cut over all scored
    names before forward returns are joined, so a name without a future stays in its quantile's count. What cannot be computed is
    null.
    """
    if quantiles < 2:
        raise SettingError(f"quantiles must be at least 2, not {quantiles}")
    means, names = np.full((quantiles, score.shape[0]), np.nan), np.zeros((quantiles, score.shape[0]))
    every = np.full(score.shape[0], np.nan)
    over_blocks(
        lambda a, b: _quantile_block(score, forward, quantiles, workspace(score.shape[1]), means, names, every, a, b), score.shape[0]
    )
    excess = [ewc_test(row) for row in means - every]
    some = names.sum(axis=0) > 0
    return pl.DataFrame(
        {
            "quantile": np.arange(1, quantiles + 1),
            "forward_return": pl.Series([ewc_test(row).mean for row in means]).fill_nan(None),
            "excess_return": pl.Series([each.mean for each in excess]).fill_nan(None),
            "se": pl.Series([each.se for each in excess]).fill_nan(None),
            "names": names[:, some].mean(axis=1) if some.any() else np.zeros(quantiles),
        }
    )


@kernel
def _quantile_block(
    score: FloatArray,
    forward: FloatArray,
    quantiles: int,
    scratch: Workspace,
    means: FloatArray,
    names: FloatArray,
    every: FloatArray,
    start: int,
    stop: int,
) -> None:
    order = np.empty(score.shape[1], np.int32)
    for t in range(start, stop):
        n = sort_finite(score[t], order, scratch)
        if n < quantiles:
            continue
        whole, known = 0.0, 0
        for q in range(quantiles):
            total, count = 0.0, 0
            for k in range(q * n // quantiles, (q + 1) * n // quantiles):
                if np.isfinite(forward[t, order[k]]):
                    total += forward[t, order[k]]
                    count += 1
            names[q, t] = (q + 1) * n // quantiles - q * n // quantiles
            whole += total
            known += count
            if count > 0:
                means[q, t] = total / count
        if known > 0:
            every[t] = whole / known


def score_autocorrelation(score: FloatArray, *, lags: tuple[int, ...] = (1, 5, 20, 60)) -> pl.DataFrame:
    """Mean rank correlation of a score with itself `lag` sessions before: lag_sessions, rank_correlation."""
    rows = []
    for lag in lags:
        found = rank_correlation(score[lag:], score[:-lag])[0] if lag < score.shape[0] else np.empty(0)
        known = found[np.isfinite(found)]
        rows.append({"lag_sessions": lag, "rank_correlation": float(known.mean()) if known.size else None})
    return pl.DataFrame(rows, schema={"lag_sessions": pl.Int64, "rank_correlation": pl.Float64})


def factor_correlations(score: FloatArray, base: FloatArray, names: tuple[str, ...]) -> pl.DataFrame:
    """Mean cross-sectional rank correlation of a score with each base factor: factor, rank_correlation."""
    found = np.full((score.shape[0], len(names)), np.nan)
    over_blocks(lambda a, b: _factor_block(score, base, workspace(score.shape[1]), found, a, b), score.shape[0])
    means = [float(known.mean()) if (known := column[np.isfinite(column)]).size else None for column in np.ascontiguousarray(found.T)]
    return pl.DataFrame({"factor": list(names), "rank_correlation": means}, schema={"factor": pl.String, "rank_correlation": pl.Float64})


@kernel
def _factor_block(score: FloatArray, base: FloatArray, scratch: Workspace, found: FloatArray, start: int, stop: int) -> None:
    """Rank correlation of the score with each factor, date by date.

    The names of a date are put in the order of the score once, so that the rank of a name is its place but where scores are equal. Sums
    of products of ranks, halves of whole numbers, are exact: they do not depend on the order of addition.
    """
    assets = score.shape[1]
    order, places = np.empty(assets, np.int32), np.empty(assets, np.int32)
    scores, values, ranks = np.empty(assets), np.empty(assets), np.empty(assets)
    for t in range(start, stop):
        n = sort_finite(score[t], order, scratch)
        ties = False
        for k in range(1, n):
            ties |= score[t, order[k]] == score[t, order[k - 1]]
        for f in range(found.shape[1]):
            m = _keep_known(base[t, f], score[t], order[:n], values, scores if ties else scores[:0], scratch)
            if m < 2:
                continue
            _sort_places(values, m, places, scratch)
            xx = float(m) * (float(m) * m - 1.0) / 12.0
            if ties:
                xx = _tied_ranks(scores, m, ranks)
            xy, yy = _products(values, places, m, ranks, ties)
            if xx != 0.0 and yy != 0.0:
                found[t, f] = xy / np.sqrt(xx * yy)


@kernel
def _keep_known(y: FloatArray, x: FloatArray, order: IndexArray, values: FloatArray, scores: FloatArray, scratch: Workspace) -> int:
    """Values of y where they are finite, in the order given, and the scores where there is room for them; sorting keys, their counts."""
    here, _, rounded, counts = scratch
    bits, m, mask = rounded.view(np.uint32), 0, np.uint32(_BUCKETS - 1)
    counts[:] = 0
    for k in range(order.size):
        v = y[order[k]]
        if np.isfinite(v):
            values[m], rounded[m] = v, np.float32(v)
            if scores.size > 0:
                scores[m] = x[order[k]]
            word = bits[m]
            word = (~word if word >> np.uint32(31) else word | np.uint32(0x80000000)) >> np.uint32(_DROPPED)
            here[m] = (np.uint64(word) << np.uint64(32)) | np.uint64(m)
            counts[word & mask] += 1
            counts[_BUCKETS + (word >> np.uint32(_BITS))] += 1
            m += 1
    return m


@kernel
def _sort_places(values: FloatArray, m: int, places: IndexArray, scratch: Workspace) -> None:
    """Places of the values, ascending: two radix passes over the leading bits, then exact order where these are equal."""
    here, there, _, counts = scratch
    for digit in range(2):
        place = 0
        for bucket in range(digit * _BUCKETS, (digit + 1) * _BUCKETS):
            held = counts[bucket]
            counts[bucket] = place
            place += held
        shift = np.uint64(32 + digit * _BITS)
        for k in range(m):
            slot = digit * _BUCKETS + np.int64((here[k] >> shift) & np.uint64(_BUCKETS - 1))
            there[counts[slot]] = here[k]
            counts[slot] += 1
        here, there = there, here
    for k in range(m):
        places[k] = np.int32(here[k] & np.uint64(0xFFFFFFFF))
    order_equal_groups(values, places, here, m)


@kernel
def _tied_ranks(scores: FloatArray, m: int, ranks: FloatArray) -> float:
    """Average ranks of ascending scores less their mean, and the sum of their squares."""
    first, square = 0, 0.0
    while first < m:
        last = first + 1
        while last < m and scores[last] == scores[first]:
            last += 1
        ranks[first:last] = 0.5 * (first + last + 1) - 0.5 * (m + 1)
        square += (last - first) * ranks[first] * ranks[first]
        first = last
    return square


@kernel
def _products(values: FloatArray, places: IndexArray, m: int, ranks: FloatArray, ties: bool) -> tuple[float, float]:
    """Sums over the names of the product of both ranks less their mean, and of the square of that of the values."""
    first, xy, yy, mean = 0, 0.0, 0.0, 0.5 * (m + 1)
    while first < m:
        last, other = first, 0.0
        while last < m and values[places[last]] == values[places[first]]:
            other += ranks[places[last]] if ties else places[last] + 1 - mean
            last += 1
        rank = 0.5 * (first + last + 1) - mean
        xy += rank * other
        yy += (last - first) * rank * rank
        first = last
    return xy, yy
