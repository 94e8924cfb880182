"""Variants that look back over the window with questions of today: the frozen mix and product-level residual volatility."""

import numpy as np

from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.products.baskets import Facts, Family, Int64Array, answer_entries, sum_baskets
from pureplay.signals.implied import COVERED_TOLERANCE, Peers, divide, facts_of, implied_of_date
from pureplay.stats.jit import kernel
from pureplay.stats.rolling import exact_spread

__all__ = ["frozen_window", "product_volatility", "weighted_market_return"]


def frozen_window(
    market: Market, peers: Peers, valid: BoolArray, *, window: int, minimum: int, ols: bool, level: bool
) -> tuple[FloatArray, FloatArray]:
    """Sum of gaps (of implied alone, if `level`) and residual sd over the window, all of it with the mix of its last session."""
    total, spread = np.full(market.axes.shape, np.nan), np.full(market.axes.shape, np.nan)
    facts, rule, covered, widest = facts_of(market, peers), peers.rules.packed, peers.rules.min_covered, peers.widest

    def block(start: int, stop: int) -> None:
        sizes = (widest, window, minimum)
        _frozen_block(peers.families, peers.maps, facts, valid, rule, covered, sizes, ols, level, total, spread, start, stop)

    over_blocks(block, market.axes.shape[0])
    return total, spread


@kernel
def _frozen_block(
    families: tuple[Family, ...],
    maps: tuple[IndexArray, ...],
    facts: Facts,
    valid: BoolArray,
    rule: tuple[int, bool, bool],
    min_covered: float,
    sizes: tuple[int, int, int],
    ols: bool,
    level: bool,
    total: FloatArray,
    spread: FloatArray,
    start: int,
    stop: int,
) -> None:
    returns, (widest, window, minimum) = facts[0], sizes
    assets = returns.shape[1]
    implied, own, counts = np.empty((window, assets)), np.empty((window, assets)), np.empty((window, assets), np.bool_)
    covered, peers, by_source = np.empty(assets), np.empty(assets, np.int32), np.empty((len(families) - 1, assets))
    answer, sums = np.empty(facts[3].size), np.empty((widest, 4))
    for t in range(start, stop):
        for w in range(window):
            u = t - window + 1 + w
            if u < 1:
                counts[w] = False
                continue
            implied_of_date(families, maps, t, u, facts, rule, answer, sums, implied[w], covered, peers, by_source)
            divide(implied[w], covered, min_covered)
            own[w] = returns[u]
            for i in range(assets):
                counts[w, i] = valid[u, i] and np.isfinite(implied[w, i]) and np.isfinite(own[w, i])
        for i in range(assets):
            n, gaps = 0, 0.0
            for w in range(window):
                if counts[w, i]:
                    n += 1
                    gaps += implied[w, i] if level else implied[w, i] - own[w, i]
            if n >= minimum:
                total[t, i] = gaps
                spread[t, i] = exact_spread(implied, own, counts, window - 1, i, window, ols)


def weighted_market_return(market: Market, weights: FloatArray) -> FloatArray:
    """Weighted mean return of all stocks that trade, by session; weights are those of the session before."""
    out = np.full(market.axes.shape[0], np.nan)
    counts = np.isfinite(market.returns[1:]) & np.isfinite(weights[:-1])
    # one stock after the other: a pairwise sum would change its last bits with the stocks that list later
    product = np.where(counts, weights[:-1] * market.returns[1:], 0.0).cumsum(axis=1)[:, -1]
    total = np.where(counts, weights[:-1], 0.0).cumsum(axis=1)[:, -1]
    out[1:] = np.divide(product, total, out=np.full(total.shape, np.nan), where=total > 0)
    return out


def product_volatility(market: Market, peers: Peers, reference: FloatArray, *, window: int, minimum: int, frozen: bool) -> FloatArray:
    """Revenue-weighted residual sd of the stock's product returns on the market over the window.

    For every product of today's mix: the leave-one-out basket return of each session (each day's own baskets, or today's if
    frozen), regressed on `reference` with an intercept, n - 2 degrees of freedom, `minimum` sessions needed; then averaged by revenue
    share over the products that have one. NaN where they carry less than min_covered of revenue.
    """
    out = np.full(market.axes.shape, np.nan)
    facts, rule, covered, widest = facts_of(market, peers), peers.rules.packed, peers.rules.min_covered, peers.widest

    def block(start: int, stop: int) -> None:
        _product_block(facts, reference, peers.families, rule, covered, widest, window, minimum, frozen, out, start, stop)

    over_blocks(block, market.axes.shape[0])
    return out


@kernel
def _product_block(
    facts: Facts,
    reference: FloatArray,
    families: tuple[Family, ...],
    rule: tuple[int, bool, bool],
    min_covered: float,
    widest: int,
    window: int,
    minimum: int,
    frozen: bool,
    out: FloatArray,
    start: int,
    stop: int,
) -> None:
    returns, traded, _, share = facts
    active, offsets = families[0][0], families[0][1]
    answer, sums, nothing = np.empty(share.size), np.empty((widest, 4)), np.empty(0, np.int32)
    total = (np.empty(returns.shape[1]), np.empty(returns.shape[1]), np.empty(returns.shape[1], np.int32))
    for t in range(max(start, 1), stop):
        asset, entry = _questions(active[t], traded[t], offsets)
        asked = asset.size
        series, against, counts = np.empty((window, asked)), np.empty((window, asked)), np.zeros((window, asked), np.bool_)
        for w in range(max(0, window - t), window):
            u = t - window + 1 + w
            row = t if frozen else u
            sum_baskets(families[0], row, u, returns, sums)
            answer_entries(families[0], t, families[0], row, False, nothing, u, traded[t], facts, rule, sums, answer, total)
            against[w] = reference[u]
            for q in range(asked):
                series[w, q] = answer[entry[q]]
                counts[w, q] = np.isfinite(series[w, q]) and np.isfinite(reference[u])
        _weigh(asset, entry, asked, share, minimum, min_covered, against, series, counts, out[t])


@kernel
def _questions(filing: IndexArray, trades: BoolArray, offsets: Int64Array) -> tuple[IndexArray, Int64Array]:
    """Asset and entry of every product of every trading stock."""
    size = 0
    for i in range(filing.size):
        if filing[i] >= 0 and trades[i]:
            size += offsets[filing[i] + 1] - offsets[filing[i]]
    asset, entry, n = np.empty(size, np.int32), np.empty(size, np.int64), 0
    for i in range(filing.size):
        if filing[i] >= 0 and trades[i]:
            for k in range(offsets[filing[i]], offsets[filing[i] + 1]):
                asset[n], entry[n] = i, k
                n += 1
    return asset, entry


@kernel
def _weigh(
    asset: IndexArray,
    entry: Int64Array,
    asked: int,
    share: FloatArray,
    minimum: int,
    min_covered: float,
    against: FloatArray,
    series: FloatArray,
    counts: BoolArray,
    out: FloatArray,
) -> None:
    """Average of the products' residual sds by revenue share, where enough revenue has one."""
    weighted, covered = np.zeros(out.size), np.zeros(out.size)
    for q in range(asked):
        if counts[:, q].sum() >= minimum:
            sd = exact_spread(against, series, counts, series.shape[0] - 1, q, series.shape[0], True)
            if np.isfinite(sd):
                weighted[asset[q]] += share[entry[q]] * sd
                covered[asset[q]] += share[entry[q]]
    for i in range(out.size):
        if covered[i] > 0 and covered[i] >= min_covered - COVERED_TOLERANCE:
            out[i] = weighted[i] / covered[i]
