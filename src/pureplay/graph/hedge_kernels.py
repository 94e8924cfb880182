"""The loops behind `graph.hedging`: baskets by running sums over their names, ratios, variances, turnover."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["cut_block", "industry_sums", "industry_turnover", "list_turnover"]

RowArray = npt.NDArray[np.int64]

_CONSTANT: Final = 1e-18  # variance of a series that moves by less than 1e-9 a day: rounding, no movement


def industry_sums(
    by_asset: FloatArray, rows: RowArray, labels: IndexArray, trailing: int, forward: int
) -> tuple[FloatArray, FloatArray, IndexArray]:
    """Sum and number of returns of each industry on the days of each vintage's two windows, and the labels of those that count.

    by_asset: (assets, sessions). labels: (vintages, assets). A name counts whose returns are known on half of the trailing window. Days
    outside the data stay 0. Shapes (vintages, industries, trailing + forward).
    """
    kinds = int(labels.max(initial=-1)) + 1
    sums, members = (np.zeros((rows.size, kinds, trailing + forward)) for _ in range(2))
    labels = labels.copy()
    over_blocks(
        lambda start, stop: _industry_block(by_asset, rows, labels, trailing, sums, members, start, stop), rows.size if kinds else 0
    )
    return sums, members, labels


@kernel
def _industry_block(
    by_asset: FloatArray, rows: RowArray, labels: IndexArray, trailing: int, sums: FloatArray, members: FloatArray, start: int, stop: int
) -> None:
    sessions, days = by_asset.shape[1], sums.shape[2]
    for v in range(start, stop):
        first = rows[v] - trailing + 1
        for i in range(labels.shape[1]):
            if labels[v, i] < 0 or first < 0:
                labels[v, i] = -1
                continue
            n = 0
            for d in range(trailing):
                if np.isfinite(by_asset[i, first + d]):
                    n += 1
            if 2 * n < trailing:
                labels[v, i] = -1
                continue
            for d in range(min(days, sessions - first)):
                value = by_asset[i, first + d]
                if np.isfinite(value):
                    sums[v, labels[v, i], d] += value
                    members[v, labels[v, i], d] += 1.0


@kernel
def _slope(own: FloatArray, basket: FloatArray, first: int, last: int) -> float:
    """Slope of own on basket over the days both are known; NaN with fewer than half of them, or a constant basket."""
    n, sum_x, sum_y = 0, 0.0, 0.0
    for d in range(first, last):
        if np.isfinite(own[d]) and np.isfinite(basket[d]):
            n += 1
            sum_x += basket[d]
            sum_y += own[d]
    if 2 * n < last - first:
        return np.nan
    mean_x, mean_y, xx, xy = sum_x / n, sum_y / n, 0.0, 0.0
    for d in range(first, last):
        if np.isfinite(own[d]) and np.isfinite(basket[d]):
            x = basket[d] - mean_x
            xx += x * x
            xy += x * (own[d] - mean_y)
    return xy / xx if xx > _CONSTANT * n else np.nan


@kernel
def _cut(own: FloatArray, basket: FloatArray, ratio: float, first: int, last: int) -> float:
    """1 - Var(own - ratio x basket) / Var(own) over the days both are known; NaN with fewer than half of them, or a constant stock."""
    n, sum_own, sum_rest = 0, 0.0, 0.0
    for d in range(first, last):
        if np.isfinite(own[d]) and np.isfinite(basket[d]):
            n += 1
            sum_own += own[d]
            sum_rest += own[d] - ratio * basket[d]
    if 2 * n < last - first:
        return np.nan
    mean_own, mean_rest, var_own, var_rest = sum_own / n, sum_rest / n, 0.0, 0.0
    for d in range(first, last):
        if np.isfinite(own[d]) and np.isfinite(basket[d]):
            var_own += (own[d] - mean_own) ** 2
            var_rest += (own[d] - ratio * basket[d] - mean_rest) ** 2
    return 1.0 - var_rest / var_own if var_own > _CONSTANT * n else np.nan


@kernel
def _judge(own: FloatArray, basket: FloatArray, trailing: int, reaches: bool, cut: FloatArray, ratio: FloatArray, k: int, s: int) -> None:
    ratio[k, s] = _slope(own, basket, 0, trailing)
    if reaches and np.isfinite(ratio[k, s]):
        cut[k, s] = _cut(own, basket, ratio[k, s], trailing, own.size)


@kernel
def _judge_list(
    by_asset: FloatArray,
    own: FloatArray,
    peers: IndexArray,
    first: int,
    there: int,
    counts: RowArray,
    trailing: int,
    cut: FloatArray,
    ratio: FloatArray,
    s: int,
) -> None:
    """Every count of one ranked list in one pass: the sums over its names run on from count to count."""
    days, k = own.size, 0
    basket, total, held = np.empty(days), np.zeros(days), np.zeros(days)
    for place in range(peers.size):
        if peers[place] < 0:
            break
        for d in range(there):
            value = by_asset[peers[place], first + d]
            if np.isfinite(value):
                total[d] += value
                held[d] += 1.0
        if counts[k] == place + 1:
            for d in range(days):
                basket[d] = total[d] / held[d] if held[d] > 0.0 else np.nan
            _judge(own, basket, trailing, there == days, cut, ratio, k, s)
            k += 1


@kernel
def _rest_of(
    by_asset: FloatArray,
    asset: int,
    twins: RowArray,
    labels: IndexArray,
    first: int,
    sums: FloatArray,
    members: FloatArray,
    basket: FloatArray,
) -> None:
    """Mean return of an industry without one of its names and the other listings of its issuer."""
    for d in range(basket.size):
        total, n = sums[d], members[d]
        if n > 0.0:
            own = by_asset[asset, first + d]
            if np.isfinite(own):
                total -= own
                n -= 1.0
            for twin in twins:
                if twin >= 0 and labels[twin] == labels[asset] and np.isfinite(by_asset[twin, first + d]):
                    total -= by_asset[twin, first + d]
                    n -= 1.0
        basket[d] = total / n if n > 0.0 else np.nan


@kernel
def cut_block(
    by_asset: FloatArray,
    rows: RowArray,
    vintage: RowArray,
    asset: RowArray,
    lists: IndexArray,
    counts: RowArray,
    index: FloatArray,
    sums: FloatArray,
    members: FloatArray,
    labels: IndexArray,
    twins: RowArray,
    at: RowArray,
    trailing: int,
    forward: int,
    cut: FloatArray,
    ratio: FloatArray,
    start: int,
    stop: int,
) -> None:
    """Ratios and variance cuts of stock-months [start, stop); `at` holds the arms of index and industry, -1 where there is none."""
    sessions, days = by_asset.shape[1], trailing + forward
    own, basket = np.empty(days), np.empty(days)
    for s in range(start, stop):
        v, first = vintage[s], rows[vintage[s]] - trailing + 1
        if first < 0:
            continue
        there = min(days, sessions - first)
        own[:] = np.nan
        own[:there] = by_asset[asset[s], first : first + there]
        for arm in range(lists.shape[0]):
            _judge_list(by_asset, own, lists[arm, s], first, there, counts, trailing, cut[arm], ratio[arm], s)
        if at[0] >= 0:
            basket[:] = np.nan
            basket[:there] = index[first : first + there]
            _judge(own, basket, trailing, there == days, cut[at[0]], ratio[at[0]], 0, s)
        if at[1] >= 0 and labels[v, asset[s]] >= 0:
            kind = labels[v, asset[s]]
            _rest_of(by_asset, asset[s], twins[asset[s]], labels[v], first, sums[v, kind], members[v, kind], basket)
            _judge(own, basket, trailing, there == days, cut[at[1]], ratio[at[1]], 0, s)
        for each in at[at >= 0]:
            cut[each, 1:, s] = cut[each, 0, s]
            ratio[each, 1:, s] = ratio[each, 0, s]


@kernel
def list_turnover(lists: IndexArray, before: RowArray, counts: RowArray, turnover: FloatArray, start: int, stop: int) -> None:
    """One-way turnover of each list of N names against that of the vintage before: the share of names that are new."""
    most = lists.shape[2]
    common = np.empty(most, np.int64)
    for s in range(start, stop):
        old = before[s]
        if old < 0:
            continue
        for arm in range(lists.shape[0]):
            common[:] = 0
            for i in range(most):
                for j in range(most):
                    if lists[arm, s, i] >= 0 and lists[arm, s, i] == lists[arm, old, j]:
                        common[max(i, j)] += 1
            both, place = 0, 0
            for k in range(counts.size):
                n = counts[k]
                while place < n:
                    both += common[place]
                    place += 1
                if lists[arm, s, n - 1] >= 0 and lists[arm, old, n - 1] >= 0:
                    turnover[arm, k, s] = 1.0 - both / n


@kernel
def industry_turnover(
    labels: IndexArray, issuer: RowArray, vintage: RowArray, asset: RowArray, before: RowArray, turnover: FloatArray, start: int, stop: int
) -> None:
    """One-way turnover of the industry basket of each stock-month against that of the vintage before."""
    for s in range(start, stop):
        if before[s] < 0:
            continue
        new, old = labels[vintage[s]], labels[vintage[before[s]]]
        label, label_old = new[asset[s]], old[asset[s]]
        if label < 0 or label_old < 0:
            continue
        n, m, both = 0, 0, 0
        for i in range(new.size):
            if issuer[i] != issuer[asset[s]]:
                now, then = new[i] == label, old[i] == label_old
                n += 1 if now else 0
                m += 1 if then else 0
                both += 1 if now and then else 0
        if n > 0 and m > 0:
            moved = both * abs(1.0 / n - 1.0 / m) + (n - both) / n + (m - both) / m
            for k in range(turnover.shape[0]):
                turnover[k, s] = 0.5 * moved
