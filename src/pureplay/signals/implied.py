"""What a stock's product peers did: the leave-one-out implied return of every stock and session.

implied_i(t) = sum over covered products p of s_ip R_p,-i(t) / sum over covered p of s_ip.
"""

from dataclasses import dataclass

import numpy as np

from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.products.baskets import Family, Int64Array, Issuers, basket_returns, is_member, list_entries, sum_baskets
from pureplay.products.mix import Mix
from pureplay.stats.jit import kernel

__all__ = [
    "BasketRules",
    "Facts",
    "Implied",
    "Lists",
    "Peers",
    "facts_of",
    "implied_of_date",
    "implied_returns",
    "list_session",
    "new_lists",
    "stand_in",
]

Facts = tuple[FloatArray, BoolArray, tuple[Int64Array, IndexArray], FloatArray]
"""Returns and trading by cell, other listings (offsets and assets), share of each entry of the mix."""

Lists = tuple[IndexArray, IndexArray, Int64Array, Int64Array, BoolArray, BoolArray, IndexArray, IndexArray, FloatArray]
"""Asset, group and entry of the members of each family and, last, of the questions; their numbers; scratch for answers."""

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

    implied and covered_share are NaN on the first session (no market value is known before it) and where the stock did not trade or
    has no usable filing; implied also where too little revenue is covered. n_peers
    adds up the members of the covered baskets after removal.
    """

    implied: FloatArray
    covered_share: FloatArray
    n_peers: IndexArray
    by_source: FloatArray


def facts_of(market: Market, peers: Peers) -> Facts:
    """What every kernel reads beside the baskets."""
    return market.returns, market.traded, (peers.issuers.offsets, peers.issuers.others), peers.mix.share


def implied_returns(market: Market, peers: Peers) -> Implied:
    """Implied return of every stock that trades on the session, from each day's own mix and baskets."""
    shape = market.axes.shape
    made = Implied(
        implied=np.full(shape, np.nan),
        covered_share=np.full(shape, np.nan),
        n_peers=np.zeros(shape, dtype=np.int32),
        by_source=np.full((len(peers.families) - 1, *shape), np.nan),
    )
    args = (peers.families, peers.maps, facts_of(market, peers))
    rules, covered, widest = peers.rules.packed, peers.rules.min_covered, peers.widest

    def block(start: int, stop: int) -> None:
        _implied_block(*args, rules, covered, widest, made.implied, made.covered_share, made.n_peers, made.by_source, start, stop)

    over_blocks(block, shape[0])
    return made


@kernel
def new_lists(families: tuple[Family, ...]) -> Lists:
    """Buffers large enough for the entries of any session in every family."""
    most = 1
    for f in range(len(families)):
        offsets, longest = families[f][1], 0
        for k in range(offsets.size - 1):
            longest = max(longest, offsets[k + 1] - offsets[k])
        most = max(most, longest * families[f][0].shape[1])
    count = len(families) + 1
    return (
        np.empty((count, most), np.int32),
        np.empty((count, most), np.int32),
        np.empty((count, most), np.int64),
        np.zeros(count, np.int64),
        np.empty(most, np.bool_),
        np.empty(most, np.bool_),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most),
    )


@kernel
def list_session(families: tuple[Family, ...], row: int, before: int, lists: Lists) -> None:
    """List the members of every family's baskets and, last, the questions: every (stock, product) of session `row`'s mix.

    before: the session whose lists the buffers hold, -1 for none; lists that have not changed since are kept.
    """
    asset, group, entry, counts, _, _, _, _, _ = lists
    for f in range(len(families)):
        if _same(families[f][7], before, row):
            continue
        counts[f] = list_entries(families[f], row, True, asset[f], group[f], entry[f])
        if f == 0:
            last = len(families)
            counts[last] = list_entries(families[0], row, False, asset[last], group[last], entry[last])


@kernel
def _same(changes: BoolArray, before: int, row: int) -> bool:
    return 0 <= before <= row and not changes[before + 1 : row + 1].any()


@kernel
def implied_of_date(
    families: tuple[Family, ...],
    maps: tuple[IndexArray, ...],
    row: int,
    t: int,
    facts: Facts,
    rule: tuple[int, bool, bool],
    lists: Lists,
    sums: FloatArray,
    implied: FloatArray,
    covered: FloatArray,
    peers: IndexArray,
    by_source: FloatArray,
) -> None:
    """Sum of share × basket return, covered share and peers of session t with the mix of session `row`; not yet divided.

    lists: as `list_session` leaves them for `row`. covered stays NaN for stocks without filing or trade.
    """
    returns, traded, leaving, share = facts
    asset, group, entry, counts, done, own, pending, left, answer = lists
    covered[:] = np.nan
    implied[:] = 0.0
    peers[:] = 0
    by_source[:] = np.nan
    mix_of, trades, return_of = families[0][0][row], traded[t], returns[t]
    for i in range(mix_of.size):
        if mix_of[i] >= 0 and trades[i]:
            covered[i] = 0.0
            for f in range(by_source.shape[0]):
                by_source[f, i] = 0.0
    last = len(families)
    asked_asset, asked_group, asked_entry, asked = asset[last], group[last], entry[last], counts[last]
    for f in range(last):
        active, offsets, groups, makes, _, _, weights, _ = families[f]
        filing, weight_of = active[row], weights[t - 1]
        for q in range(asked):
            i = asked_asset[q]
            if f == 0:
                done[q] = not trades[i]
                pending[q], own[q] = (-1 if done[q] else asked_group[q]), makes[asked_entry[q]]
            else:
                pending[q] = -1 if done[q] else stand_in(maps[f], asked_group[q], filing[i], offsets, groups)
                own[q] = pending[q] >= 0 and is_member(filing[i], offsets, groups, makes, pending[q], weight_of[i], return_of[i])
        sum_baskets(asset[f], group[f], counts[f], weight_of, return_of, sums)
        basket_returns(families[f], row, t, returns, leaving, rule, sums, asked_asset, pending, own, asked, answer, left)
        for q in range(asked):
            if pending[q] >= 0 and np.isfinite(answer[q]):
                done[q] = True
                i, weight = asked_asset[q], share[asked_entry[q]]
                implied[i] += weight * answer[q]
                covered[i] += weight
                peers[i] += left[q]
                if f > 0:
                    by_source[f - 1, i] += weight


@kernel
def stand_in(stands_for: IndexArray, group: int, filing: int, offsets: Int64Array, labels: IndexArray) -> int:
    """Group of a fallback family that answers for a group of the mix: by map, or the focal's own label; -1 where there is none."""
    if stands_for.size:
        return int(stands_for[group])
    return int(labels[offsets[filing]]) if filing >= 0 and offsets[filing] < offsets[filing + 1] else -1


@kernel
def _implied_block(
    families: tuple[Family, ...],
    maps: tuple[IndexArray, ...],
    facts: Facts,
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
    lists, sums = new_lists(families), np.empty((widest, 4))
    for t in range(max(start, 1), stop):
        list_session(families, t, t - 1 if t > max(start, 1) else -1, lists)
        implied_of_date(families, maps, t, t, facts, rule, lists, sums, implied[t], covered[t], peers[t], by_source[:, t])
        divide(implied[t], covered[t], min_covered)


@kernel
def divide(implied: FloatArray, covered: FloatArray, min_covered: float) -> None:
    """Turn sums into means; NaN where less than `min_covered` of revenue is covered."""
    for i in range(implied.size):
        implied[i] = implied[i] / covered[i] if covered[i] > 0 and covered[i] >= min_covered - COVERED_TOLERANCE else np.nan
