"""What a stock's product peers did: the leave-one-out implied return of every stock and session.

implied_i(t) = sum over covered products p of s_ip R_p,-i(t) / sum over covered p of s_ip.
"""

from dataclasses import dataclass

import numpy as np

from pureplay.market import Market
from pureplay.panel import FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.products.baskets import Family, Int64Array, Issuers, basket_returns
from pureplay.products.mix import Mix
from pureplay.stats.jit import kernel

__all__ = ["BasketRules", "Implied", "Peers", "ask", "implied_of_date", "implied_returns"]

COVERED_TOLERANCE = 1e-12  # shares that add up to the threshold must not fail it by rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketRules:
    """min_peers, after_removal, leave_one_out and min_covered of the settings."""

    min_peers: int
    after_removal: bool
    leave_one_out: bool
    min_covered: float

    @property
    def packed(self) -> tuple[int, bool, bool]:
        """The part that the basket kernel reads."""
        return self.min_peers, self.after_removal, self.leave_one_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Where implied returns come from: the focal's mix, the baskets in the order in which they are tried, and the rules.

    families: the pure plays first, then fallbacks. maps: for each family the group that stands for each group of the mix, or an
    empty array where the focal's own group of that family does (its industry). labels: a name for each family.
    """

    mix: Mix
    families: tuple[Family, ...]
    maps: tuple[IndexArray, ...]
    labels: tuple[str, ...]
    issuers: Issuers
    rules: BasketRules

    @property
    def widest(self) -> int:
        """Most groups that any family has."""
        return max(int(each[4].size) for each in self.families)


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    """Blocks (sessions, assets): implied return, share of revenue covered, peers behind it; and the covered share by family.

    implied and covered_share are NaN where the stock did not trade or has no usable filing; implied also where too little revenue is covered. n_peers
    adds up the members of the covered baskets after removal.
    """

    implied: FloatArray
    covered_share: FloatArray
    n_peers: IndexArray
    by_source: FloatArray


def implied_returns(market: Market, peers: Peers) -> Implied:
    """Implied return of every stock that trades on the session, from each day's own mix and baskets."""
    shape = market.axes.shape
    made = Implied(
        implied=np.full(shape, np.nan),
        covered_share=np.full(shape, np.nan),
        n_peers=np.zeros(shape, dtype=np.int32),
        by_source=np.full((len(peers.families) - 1, *shape), np.nan),
    )
    args = (peers.families, peers.maps, market.returns, peers.issuers.offsets, peers.issuers.others, peers.mix.share)
    rules, covered, widest = peers.rules.packed, peers.rules.min_covered, peers.widest

    def block(start: int, stop: int) -> None:
        _implied_block(*args, rules, covered, widest, made.implied, made.covered_share, made.n_peers, made.by_source, start, stop)

    over_blocks(block, shape[0])
    return made


@kernel
def ask(
    baskets: Family, row: int, t: int, returns: FloatArray, asset: IndexArray, group: IndexArray, entry: Int64Array
) -> int:
    """List every (trading stock, product in force) of session `row`'s mix that trades on session t; returns their number."""
    active, offsets, groups, _, first, last, _ = baskets
    filing, return_of, asked = active[row], returns[t], 0
    for i in range(filing.size):
        f = filing[i]
        if f < 0 or not np.isfinite(return_of[i]):
            continue
        for k in range(offsets[f], offsets[f + 1]):
            if first[groups[k]] <= t <= last[groups[k]]:
                asset[asked], group[asked], entry[asked] = i, groups[k], k
                asked += 1
    return asked


@kernel
def implied_of_date(
    families: tuple[Family, ...],
    maps: tuple[IndexArray, ...],
    row: int,
    t: int,
    returns: FloatArray,
    others_from: Int64Array,
    others: IndexArray,
    share: FloatArray,
    rule: tuple[int, bool, bool],
    scratch: tuple[IndexArray, IndexArray, Int64Array, IndexArray, IndexArray, Int64Array, FloatArray, IndexArray, FloatArray],
    implied: FloatArray,
    covered: FloatArray,
    peers: IndexArray,
    by_source: FloatArray,
) -> None:
    """Sum of share × basket return, covered share and peers of one session, for every stock; not yet divided.

    covered stays NaN for stocks that were not asked about.
    """
    asset, group, entry, sub_asset, sub_group, sub_of, answer, members, sums = scratch
    covered[:] = np.nan
    implied[:] = 0.0
    peers[:] = 0
    by_source[:] = np.nan
    mix_of, return_of = families[0][0][row], returns[t]
    for i in range(mix_of.size):
        if mix_of[i] >= 0 and np.isfinite(return_of[i]):
            covered[i] = 0.0
            by_source[:, i] = 0.0
    asked = ask(families[0], row, t, returns, asset, group, entry)
    for f in range(len(families)):
        active, offsets, labels, _, _, _, _ = families[f]
        n = _pending(active[row], offsets, labels, maps[f], asset, group, entry, asked, sub_asset, sub_group, sub_of)
        basket_returns(families[f], row, t, returns, others_from, others, sub_asset, sub_group, n, rule, sums, answer, members)
        for s in range(n):
            if np.isfinite(answer[s]):
                q, i = sub_of[s], sub_asset[s]
                weight = share[entry[q]]
                implied[i] += weight * answer[s]
                covered[i] += weight
                peers[i] += members[s]
                if f > 0:
                    by_source[f - 1, i] += weight
                entry[q] = -1


@kernel
def _pending(
    filing: IndexArray,
    offsets: Int64Array,
    labels: IndexArray,
    stands_for: IndexArray,
    asset: IndexArray,
    group: IndexArray,
    entry: Int64Array,
    asked: int,
    sub_asset: IndexArray,
    sub_group: IndexArray,
    sub_of: Int64Array,
) -> int:
    """Questions that no earlier family has answered, in the groups of this family; an answered one has entry -1."""
    n = 0
    for q in range(asked):
        if entry[q] < 0:
            continue
        g = -1
        if stands_for.size:
            g = stands_for[group[q]]
        elif filing[asset[q]] >= 0 and offsets[filing[asset[q]]] < offsets[filing[asset[q]] + 1]:
            g = labels[offsets[filing[asset[q]]]]
        if g >= 0:
            sub_asset[n], sub_group[n], sub_of[n] = asset[q], g, q
            n += 1
    return n


@kernel
def date_scratch(
    families: tuple[Family, ...], row: int, assets: int, widest: int
) -> tuple[IndexArray, IndexArray, Int64Array, IndexArray, IndexArray, Int64Array, FloatArray, IndexArray, FloatArray]:
    """Buffers large enough for every question of session `row`."""
    filing, offsets = families[0][0][row], families[0][1]
    size = 0
    for i in range(assets):
        if filing[i] >= 0:
            size += offsets[filing[i] + 1] - offsets[filing[i]]
    return (
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.int64),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.int64),
        np.empty(size, np.float64),
        np.empty(size, np.int32),
        np.empty((4, widest), np.float64),
    )


@kernel
def _implied_block(
    families: tuple[Family, ...],
    maps: tuple[IndexArray, ...],
    returns: FloatArray,
    others_from: Int64Array,
    others: IndexArray,
    share: FloatArray,
    rule: tuple[int, bool, bool],
    min_covered: float,
    widest: int,
    implied: FloatArray,
    covered: FloatArray,
    peers: IndexArray,
    by_source: FloatArray,
    start: int,
    stop: int,
) -> None:
    for t in range(max(start, 1), stop):
        scratch = date_scratch(families, t, returns.shape[1], widest)
        implied_of_date(
            families, maps, t, t, returns, others_from, others, share, rule, scratch, implied[t], covered[t], peers[t], by_source[:, t]
        )
        divide(implied[t], covered[t], min_covered)


@kernel
def divide(implied: FloatArray, covered: FloatArray, min_covered: float) -> None:
    """Turn sums into means; NaN where less than `min_covered` of revenue is covered."""
    for i in range(implied.size):
        implied[i] = implied[i] / covered[i] if covered[i] > 0 and covered[i] >= min_covered - COVERED_TOLERANCE else np.nan
