"""What a stock's product peers did: the leave-one-out implied return of every stock and session.

implied_i(t) = sum over covered products p of s_ip R_p,-i(t) / sum over covered p of s_ip.
"""

from dataclasses import dataclass

import numpy as np

from pureplay.market import Market
from pureplay.panel import FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.products.baskets import Facts, Family, Issuers, answer_entries, sum_baskets
from pureplay.products.mix import Mix
from pureplay.stats.jit import kernel

__all__ = ["BasketRules", "Implied", "Peers", "divide", "facts_of", "implied_of_date", "implied_returns"]

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
    has no usable filing; implied also where too little revenue is covered. n_peers adds up the members of the covered baskets after
    removal.
    """

    implied: FloatArray
    covered_share: FloatArray
    n_peers: IndexArray
    by_source: FloatArray


def facts_of(market: Market, peers: Peers) -> Facts:
    """What every kernel reads beside the baskets."""
    return market.returns, market.traded, (peers.issuers.offsets, peers.issuers.others), peers.mix.share


def implied_returns(market: Market, peers: Peers, *, first: int = 0, last: int | None = None) -> Implied:
    """Implied return of every stock that trades on the session, from each day's own mix and baskets; sessions [first, last) only."""
    begin, end = first, market.axes.shape[0] if last is None else last
    shape = (end - begin, market.axes.shape[1])
    made = Implied(
        implied=np.empty(shape),  # every cell is written
        covered_share=np.empty(shape),
        n_peers=np.empty(shape, dtype=np.int32),
        by_source=np.empty((len(peers.families) - 1, *shape)),
    )
    args = (peers.families, peers.maps, facts_of(market, peers))
    rules, covered, widest = peers.rules.packed, peers.rules.min_covered, peers.widest

    def block(start: int, stop: int) -> None:
        _implied_block(
            *args,
            rules,
            covered,
            widest,
            made.implied,
            made.covered_share,
            made.n_peers,
            made.by_source,
            begin,
            begin + start,
            begin + stop,
        )

    over_blocks(block, shape[0])
    return made


@kernel
def implied_of_date(
    families: tuple[Family, ...],
    maps: tuple[IndexArray, ...],
    row: int,
    t: int,
    facts: Facts,
    rule: tuple[int, bool, bool],
    answer: FloatArray,
    sums: FloatArray,
    implied: FloatArray,
    covered: FloatArray,
    peers: IndexArray,
    by_source: FloatArray,
) -> None:
    """Sum of share × basket return, covered share and peers of session t with the mix of session `row`; not yet divided.

    answer, sums: scratch of one value an entry of the mix, and four a group. covered stays NaN for stocks without filing or trade.
    """
    implied[:] = 0.0
    covered[:] = 0.0
    peers[:] = 0
    for f in range(len(families)):
        if f > 0:
            by_source[f - 1] = -covered
        sum_baskets(families[f], row, t, facts[0], sums)
        answer_entries(
            families[0], row, families[f], row, f > 0, maps[f], t, facts[1][t], facts, rule, sums, answer, (implied, covered, peers)
        )
        if f > 0:
            by_source[f - 1] += covered
    filing, trades = families[0][0][row], facts[1][t]
    for i in range(filing.size):
        if filing[i] < 0 or not trades[i]:
            covered[i] = np.nan
            for f in range(by_source.shape[0]):
                by_source[f, i] = np.nan


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
    begin: int,
    start: int,
    stop: int,
) -> None:
    """Sessions [start, stop); the first row of the output is that of session `begin`."""
    answer, sums = np.empty(facts[3].size), np.empty((widest, 4))
    if start == 0:
        implied[0], covered[0], peers[0], by_source[:, 0] = np.nan, np.nan, 0, np.nan
    for t in range(max(start, 1), stop):
        at = t - begin
        implied_of_date(families, maps, t, t, facts, rule, answer, sums, implied[at], covered[at], peers[at], by_source[:, at])
        divide(implied[at], covered[at], min_covered)


@kernel
def divide(implied: FloatArray, covered: FloatArray, min_covered: float) -> None:
    """Turn sums into means; NaN where less than `min_covered` of revenue is covered."""
    for i in range(implied.size):
        implied[i] = implied[i] / covered[i] if covered[i] > 0 and covered[i] >= min_covered - COVERED_TOLERANCE else np.nan
