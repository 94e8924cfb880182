"""Cross-sectional kernels: robust z-score, average ranks, rank correlation. One date a row, one asset a column."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = [
    "Workspace",
    "average_ranks",
    "order_equal_groups",
    "rank_correlation",
    "robust_zscore",
    "sort_finite",
    "spearman_of_orders",
    "workspace",
]

MAD_TO_SD: Final = 1.4826
_BITS: Final = 11
_BUCKETS: Final = 1 << _BITS
_SMALL_GROUP: Final = 24

UintArray = npt.NDArray[np.uint64]
Workspace = tuple[UintArray, UintArray, npt.NDArray[np.float32], npt.NDArray[np.int64]]


def robust_zscore(values: FloatArray, eligible: BoolArray, *, winsorise_mads: float | None) -> FloatArray:
    """Per date: clip at median ± winsorise_mads·1.4826·MAD, subtract the mean, divide by the population sd.

    Only eligible, finite entries take part and get a value; all others are NaN. None switches clipping off, and a date whose MAD
    is 0 (more than half the entries equal) is not clipped. A date without variation is NaN.
    """
    out = np.empty(values.shape)  # every cell is written
    mads = -1.0 if winsorise_mads is None else float(winsorise_mads)
    over_blocks(lambda start, stop: _zscore_block(values, eligible, mads, workspace(values.shape[1]), out, start, stop), values.shape[0])
    return out


@kernel
def _zscore_block(values: FloatArray, eligible: BoolArray, mads: float, scratch: Workspace, out: FloatArray, start: int, stop: int) -> None:
    assets = values.shape[1]
    found, ordered, order = np.empty(assets), np.empty(assets), np.empty(assets, np.int32)
    for t in range(start, stop):
        for i in range(assets):
            found[i] = values[t, i] if eligible[t, i] else np.nan
        low, high = -np.inf, np.inf
        if mads > 0:
            n = sort_finite(found, order, scratch)
            for k in range(n):
                ordered[k] = found[order[k]]
            middle, spread = _median_and_mad(ordered, n)
            if spread > 0:
                low, high = middle - mads * MAD_TO_SD * spread, middle + mads * MAD_TO_SD * spread
        n, total = 0, 0.0
        for i in range(assets):
            if np.isfinite(found[i]):
                found[i] = min(max(found[i], low), high)
                total += found[i]
                n += 1
        mean, sd = _mean_and_sd(found, total / max(n, 1), max(n, 1))
        if not sd > 1e-14 * abs(mean):  # rounding of a constant is not variation
            sd = np.nan
        for i in range(assets):
            out[t, i] = (found[i] - mean) / sd if np.isfinite(found[i]) else np.nan


@kernel
def _mean_and_sd(values: FloatArray, rough: float, n: int) -> tuple[float, float]:
    """Mean and population sd of the n finite values around a rough mean: a plain sum of thousands of equal numbers is not exact."""
    beyond, square = 0.0, 0.0
    for i in range(values.size):
        if np.isfinite(values[i]):
            beyond += values[i] - rough
            square += (values[i] - rough) ** 2
    return rough + beyond / n, np.sqrt(max(square - beyond * beyond / n, 0.0) / n)


@kernel
def _median_and_mad(ordered: FloatArray, n: int) -> tuple[float, float]:
    """Median and median absolute deviation of ascending values: the deviations are two sorted runs, merged to the middle."""
    if n == 0:
        return np.nan, np.nan
    middle = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
    right = np.searchsorted(ordered[:n], middle)
    left = right - 1
    before, current = 0.0, 0.0
    for _ in range(n // 2 + 1):
        before = current
        if right >= n or (left >= 0 and middle - ordered[left] <= ordered[right] - middle):
            current = middle - ordered[left]
            left -= 1
        else:
            current = ordered[right] - middle
            right += 1
    return middle, current if n % 2 else 0.5 * (before + current)


def workspace(assets: int) -> Workspace:
    """Scratch of `sort_finite` for rows of `assets` entries; one for each thread."""
    return np.empty(assets, np.uint64), np.empty(assets, np.uint64), np.empty(assets, np.float32), np.empty(3 * _BUCKETS, np.int64)


@kernel
def sort_finite(values: FloatArray, order: IndexArray, scratch: Workspace) -> int:
    """Write the indices of the finite entries to `order` in ascending order of value and return their number.

    Three radix passes over the bits of the value rounded to float32, which keeps order, then exact ordering inside the few
    groups that rounding made equal.
    """
    here, there, rounded, counts = scratch
    bits = rounded.view(np.uint32)
    n = 0
    counts[:] = 0
    for i in range(values.size):
        if np.isfinite(values[i]):
            rounded[n] = np.float32(values[i])
            word = bits[n]
            word = ~word if word >> np.uint32(31) else word | np.uint32(0x80000000)
            here[n] = (np.uint64(word) << np.uint64(32)) | np.uint64(i)
            counts[word & np.uint32(_BUCKETS - 1)] += 1
            counts[_BUCKETS + ((word >> np.uint32(_BITS)) & np.uint32(_BUCKETS - 1))] += 1
            counts[2 * _BUCKETS + (word >> np.uint32(2 * _BITS))] += 1
            n += 1
    for digit in range(3):
        place = 0
        for bucket in range(digit * _BUCKETS, (digit + 1) * _BUCKETS):
            held = counts[bucket]
            counts[bucket] = place
            place += held
        shift = np.uint64(32 + digit * _BITS)
        for k in range(n):
            slot = digit * _BUCKETS + np.int64((here[k] >> shift) & np.uint64(_BUCKETS - 1))
            there[counts[slot]] = here[k]
            counts[slot] += 1
        here, there = there, here
    for k in range(n):
        order[k] = np.int32(here[k] & np.uint64(0xFFFFFFFF))
    order_equal_groups(values, order, here, n)
    return n


@kernel
def order_equal_groups(values: FloatArray, order: IndexArray, keys: UintArray, n: int) -> None:
    """Put the first n entries of `order` in exact order of value where the upper halves of their ascending keys are equal."""
    first = 0
    while first < n:
        last = first + 1
        while last < n and keys[last] >> np.uint64(32) == keys[first] >> np.uint64(32):
            last += 1
        if last - first > _SMALL_GROUP:
            group = order[first:last].copy()
            order[first:last] = group[np.argsort(values[group], kind="mergesort")]
        else:
            for k in range(first + 1, last):
                held = order[k]
                j = k
                while j > first and values[order[j - 1]] > values[held]:
                    order[j] = order[j - 1]
                    j -= 1
                order[j] = held
        first = last


@kernel
def average_ranks(values: FloatArray, order: IndexArray, n: int, keep: BoolArray, ranks: FloatArray) -> int:
    """Ranks 1…m of the entries of `order[:n]` that `keep` admits, ties averaged; returns m."""
    m = 0
    k = 0
    while k < n:
        if not keep[order[k]]:
            k += 1
            continue
        value, held, last = values[order[k]], 0, k
        while last < n and (not keep[order[last]] or values[order[last]] == value):
            held += keep[order[last]]
            last += 1
        rank = m + 0.5 * (held + 1)
        for j in range(k, last):
            if keep[order[j]]:
                ranks[order[j]] = rank
        m += held
        k = last
    return m


@kernel
def spearman_of_orders(
    x: FloatArray,
    x_order: IndexArray,
    nx: int,
    y: FloatArray,
    y_order: IndexArray,
    ny: int,
    both: BoolArray,
    x_rank: FloatArray,
    y_rank: FloatArray,
) -> tuple[float, int]:
    """Spearman correlation over the entries finite in both, from orders sorted beforehand, and their number."""
    both[:] = False
    for k in range(nx):
        both[x_order[k]] = np.isfinite(y[x_order[k]])
    m = average_ranks(x, x_order, nx, both, x_rank)
    if m < 2:
        return np.nan, m
    average_ranks(y, y_order, ny, both, y_rank)
    mean = 0.5 * (m + 1)
    xy, xx, yy = 0.0, 0.0, 0.0
    for i in range(both.size):
        if both[i]:
            a, b = x_rank[i] - mean, y_rank[i] - mean
            xy += a * b
            xx += a * a
            yy += b * b
    if xx == 0.0 or yy == 0.0:
        return np.nan, m
    return xy / np.sqrt(xx * yy), m


def rank_correlation(x: FloatArray, y: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Spearman rank correlation (average ranks for ties) of each row of x and y over entries finite in both, and their number.

    NaN where fewer than two entries remain or one side is constant.
    """
    correlation, count = np.full(x.shape[0], np.nan), np.zeros(x.shape[0], dtype=np.int64)
    over_blocks(lambda start, stop: _rank_correlation_block(x, y, workspace(x.shape[1]), correlation, count, start, stop), x.shape[0])
    return correlation, count


@kernel
def _rank_correlation_block(
    x: FloatArray, y: FloatArray, scratch: Workspace, correlation: FloatArray, count: npt.NDArray[np.int64], start: int, stop: int
) -> None:
    assets = x.shape[1]
    x_order, y_order = np.empty(assets, np.int32), np.empty(assets, np.int32)
    both, x_rank, y_rank = np.empty(assets, np.bool_), np.empty(assets), np.empty(assets)
    for t in range(start, stop):
        nx = sort_finite(x[t], x_order, scratch)
        ny = sort_finite(y[t], y_order, scratch)
        correlation[t], count[t] = spearman_of_orders(x[t], x_order, nx, y[t], y_order, ny, both, x_rank, y_rank)
