"""Pure-play baskets and their returns without the focal stock: one scatter a date, one gather a question.

A question is (focal asset, group); the answer is the weighted mean return of the group's members on the day, after the focal and
every other listing of its issuer have left. Sum minus own loses digits where the focal dominates, so such remainders are summed
again over the members.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pureplay.errors import SettingError, TableError
from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.products.mix import Mix
from pureplay.stats.jit import kernel

__all__ = [
    "WEIGHTINGS",
    "Facts",
    "Family",
    "Issuers",
    "Weighting",
    "answer_entries",
    "basket_weights",
    "family",
    "is_member",
    "issuers",
    "members_of",
    "stand_in",
    "sum_baskets",
]

Weighting = Literal["cap", "float_cap", "equal", "sqrt_cap"]
WEIGHTINGS: Final[tuple[Weighting, ...]] = ("cap", "float_cap", "equal", "sqrt_cap")

Int64Array = npt.NDArray[np.int64]
Family = tuple[IndexArray, Int64Array, IndexArray, BoolArray, Int64Array, Int64Array, FloatArray]
"""Active filing by cell, entry offsets, group of each entry, whether the entry makes a member, first and last session of each
group, weights by cell."""

Facts = tuple[FloatArray, BoolArray, tuple[Int64Array, IndexArray], FloatArray]
"""Returns and trading by cell, other listings (offsets and assets), share of each entry of the focal mix."""

_REMAINDER: Final = 1e-3  # below this share of the sum, the difference has lost too many digits


@dataclass(frozen=True, slots=True)
class Issuers:
    """Other listings of each asset's issuer: asset i has others[offsets[i]:offsets[i+1]]."""

    offsets: Int64Array
    others: IndexArray


def issuers(market: Market) -> Issuers:
    """Other listings of each asset's issuer."""
    groups: dict[int, list[int]] = {}
    for asset, issuer in enumerate(market.issuer.tolist()):
        groups.setdefault(issuer, []).append(asset)
    others = [[each for each in groups[issuer] if each != asset] for asset, issuer in enumerate(market.issuer.tolist())]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in others])]).astype(np.int64)
    return Issuers(offsets, np.array([each for row in others for each in row], dtype=np.int32))


def basket_weights(market: Market, weighting: Weighting) -> FloatArray:
    """Weight of each stock in the baskets of the session after, from values at the close; NaN where it cannot be a member.

    A member needs an observed total market value, whatever the weighting. Raises TableError where float caps are asked for and
    absent.
    """
    if weighting not in WEIGHTINGS:
        raise SettingError(f"weighting must be one of {', '.join(WEIGHTINGS)}, not {weighting!r}")
    known = np.isfinite(market.caps) & (market.caps > 0)
    if weighting == "cap":
        return np.where(known, market.caps, np.nan)
    if weighting == "sqrt_cap":
        return np.sqrt(np.where(known, market.caps, np.nan))
    if weighting == "equal":
        return np.where(known, 1.0, np.nan)
    if market.float_caps is None:
        raise TableError("weighting='float_cap' needs the column float_cap in bars: add it or weight by cap")
    return np.where(known & (market.float_caps > 0), market.float_caps, np.nan)


def family(mix: Mix, members: BoolArray, weights: FloatArray) -> Family:
    """Baskets of a mix: `members` says which entries make their stock a member of the entry's group."""
    return mix.active, mix.offsets, mix.group, members, mix.first, mix.last, weights


@kernel
def sum_baskets(baskets: Family, row: int, t: int, returns: FloatArray, sums: FloatArray) -> None:
    """Weighted return, weight, weighted absolute return and number of members of every basket on session t, mix of session `row`."""
    active, offsets, groups, makes, first, last, weights = baskets
    filing, weight_of, return_of = active[row], weights[t - 1], returns[t]
    dated = ((first > row) | (last < row)).any()
    sums[:] = 0.0
    for j in range(filing.size):
        f, weight = filing[j], weight_of[j]
        product = weight * return_of[j]
        if f < 0 or not (weight > 0.0 and product - product == 0.0):  # both finite
            continue
        for k in range(offsets[f], offsets[f + 1]):
            g = groups[k]
            if makes[k] and not (dated and not first[g] <= row <= last[g]):
                sums[g, 0] += product
                sums[g, 1] += weight
                sums[g, 2] += abs(product)
                sums[g, 3] += 1.0


@kernel
def answer_entries(
    mix: Family,
    row: int,
    baskets: Family,
    basket_row: int,
    again: bool,
    stands_for: IndexArray,
    t: int,
    trades: BoolArray,
    facts: Facts,
    rule: tuple[int, bool, bool],
    sums: FloatArray,
    answer: FloatArray,
    total: tuple[FloatArray, FloatArray, IndexArray],
) -> None:
    """Basket return, without the focal and its issuer's other listings, for every entry of every asking stock's filing.

    mix, row, trades: whose entries ask. baskets, basket_row: who answers session t. again: the baskets are a fallback; only entries
    without an answer ask, in the group that `stands_for` theirs. sums: as `sum_baskets` leaves them for the baskets. rule: minimum
    number of peers, whether it is counted after removal, whether the focal is left out. answer: by entry, NaN where there are too few
    peers. total: by asset, share × return, share and peers are added up.
    """
    returns, _, (others_from, others), share = facts
    asking, spans, asked, _, first, last, _ = mix
    active, offsets, groups, makes, _, _, weights = baskets
    filing, weight_of, return_of = active[basket_row], weights[t - 1], returns[t]
    (minimum, after_removal, leave_out), dated = rule, ((first > row) | (last < row)).any()
    for i in range(filing.size):
        if asking[row, i] < 0 or not trades[i]:
            continue
        own = weight_of[i] * return_of[i]
        leaves = leave_out and weight_of[i] > 0.0 and own - own == 0.0
        alone = not again and row == basket_row and not (leave_out and others_from[i + 1] > others_from[i])
        for k in range(spans[asking[row, i]], spans[asking[row, i] + 1]):
            g = asked[k]
            if again:
                if np.isfinite(answer[k]):
                    continue
                g = stand_in(stands_for, g, filing[i], offsets, groups)
            answer[k] = np.nan
            if g < 0 or (dated and not first[asked[k]] <= row <= last[asked[k]]):
                continue
            value, weight, size, left = sums[g, 0], sums[g, 1], sums[g, 2], sums[g, 3]
            if not alone:
                value, weight, size, left = _after_removal(
                    filing, offsets, groups, makes, i, g, weight_of, return_of, others_from, others, leave_out, sums[g]
                )
            elif leaves and makes[k]:
                value, weight, size, left = value - own, weight - weight_of[i], size - abs(own), left - 1.0
            if left < 1.0 or (left if after_removal else sums[g, 3]) < minimum:
                continue
            if left < sums[g, 3] and (weight < _REMAINDER * sums[g, 1] or size < _REMAINDER * sums[g, 2]):
                value, weight = _sum_again(filing, offsets, groups, makes, i, g, weight_of, return_of, others_from, others)
            answer[k] = value / weight
            total[0][i] += share[k] * answer[k]
            total[1][i] += share[k]
            total[2][i] += np.int32(left)


@kernel
def _after_removal(
    filing: IndexArray,
    offsets: Int64Array,
    groups: IndexArray,
    makes: BoolArray,
    i: int,
    g: int,
    weight_of: FloatArray,
    return_of: FloatArray,
    others_from: Int64Array,
    others: IndexArray,
    leave_out: bool,
    before: FloatArray,
) -> tuple[float, float, float, float]:
    """The four sums of basket g after asset i and its issuer's other listings have left, as far as they are members."""
    value, weight, size, left = before[0], before[1], before[2], before[3]
    if leave_out:
        for o in range(others_from[i] - 1, others_from[i + 1]):
            j = i if o < others_from[i] else others[o]
            if is_member(filing[j], offsets, groups, makes, g, weight_of[j], return_of[j]):
                product = weight_of[j] * return_of[j]
                value, weight, size, left = value - product, weight - weight_of[j], size - abs(product), left - 1.0
    return value, weight, size, left


@kernel
def stand_in(stands_for: IndexArray, group: int, filing: int, offsets: Int64Array, labels: IndexArray) -> int:
    """Group of a fallback family that answers for a group of the mix: by map, or the focal's own label; -1 where there is none."""
    if stands_for.size:
        return int(stands_for[group])
    return int(labels[offsets[filing]]) if filing >= 0 and offsets[filing] < offsets[filing + 1] else -1


@kernel
def _sum_again(
    filing: IndexArray,
    offsets: Int64Array,
    groups: IndexArray,
    makes: BoolArray,
    i: int,
    g: int,
    weight_of: FloatArray,
    return_of: FloatArray,
    others_from: Int64Array,
    others: IndexArray,
) -> tuple[float, float]:
    """Weighted return and weight of basket g without asset i and its issuer's other listings, summed afresh."""
    value, weight = 0.0, 0.0
    for j in range(filing.size):
        if not is_member(filing[j], offsets, groups, makes, g, weight_of[j], return_of[j]):
            continue
        leaves = j == i
        for o in range(others_from[i], others_from[i + 1]):
            leaves |= others[o] == j
        if not leaves:
            value += weight_of[j] * return_of[j]
            weight += weight_of[j]
    return value, weight


@kernel
def is_member(filing: int, offsets: Int64Array, group: IndexArray, makes: BoolArray, g: int, weight: float, ret: float) -> bool:
    """Whether a stock with this filing, weight and return belongs to basket g on the day."""
    if filing < 0 or not (weight > 0 and np.isfinite(weight) and np.isfinite(ret)):
        return False
    found = False
    for k in range(offsets[filing], offsets[filing + 1]):
        found |= group[k] == g and makes[k]
    return found


def members_of(baskets: Family, row: int, t: int, returns: FloatArray, group: int) -> Int64Array:
    """Assets in the basket of `group` on session t with the mix of session `row`, before anything is removed."""
    active, offsets, groups, makes, first, last, weights = baskets
    if not first[group] <= row <= last[group]:
        return np.zeros(0, dtype=np.int64)
    found = [is_member(active[row, j], offsets, groups, makes, group, weights[t - 1, j], returns[t, j]) for j in range(returns.shape[1])]
    return np.flatnonzero(found).astype(np.int64)
