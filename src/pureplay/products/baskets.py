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
    "Family",
    "Issuers",
    "Weighting",
    "basket_returns",
    "basket_weights",
    "family",
    "is_member",
    "issuers",
    "list_entries",
    "members_of",
    "sum_baskets",
]

Weighting = Literal["cap", "float_cap", "equal", "sqrt_cap"]
WEIGHTINGS: Final[tuple[Weighting, ...]] = ("cap", "float_cap", "equal", "sqrt_cap")

Int64Array = npt.NDArray[np.int64]
Family = tuple[IndexArray, Int64Array, IndexArray, BoolArray, Int64Array, Int64Array, FloatArray, BoolArray]
"""active filing by cell, entry offsets, group of each entry, whether the entry makes a member, first and last session of each
group, weights by cell, sessions on which any of this differs from the session before."""

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
    changes = np.ones(mix.active.shape[0], dtype=bool)
    for t in range(1, changes.size):
        changes[t] = not np.array_equal(mix.active[t], mix.active[t - 1])
    for edge in (mix.first, mix.last + 1):
        changes[edge[(edge >= 0) & (edge < changes.size)]] = True
    return mix.active, mix.offsets, mix.group, members, mix.first, mix.last, weights, changes


@kernel
def list_entries(baskets: Family, row: int, only_members: bool, asset: IndexArray, group: IndexArray, entry: Int64Array) -> int:
    """List the entries of session `row`'s mix whose group is in force, by asset; returns their number."""
    active, offsets, groups, makes, first, last, _, _ = baskets
    filing, n = active[row], 0
    for i in range(filing.size):
        f = filing[i]
        if f < 0:
            continue
        for k in range(offsets[f], offsets[f + 1]):
            g = groups[k]
            if (makes[k] or not only_members) and first[g] <= row <= last[g]:
                asset[n], group[n], entry[n] = i, g, k
                n += 1
    return n


@kernel
def sum_baskets(asset: IndexArray, group: IndexArray, n: int, weight_of: FloatArray, return_of: FloatArray, sums: FloatArray) -> None:
    """Weighted return, weight, weighted absolute return and number of the members of every group, over the listed entries."""
    sums[:] = 0.0
    for m in range(n):
        weight, g = weight_of[asset[m]], group[m]
        product = weight * return_of[asset[m]]
        if weight > 0.0 and product - product == 0.0:  # both finite
            sums[g, 0] += product
            sums[g, 1] += weight
            sums[g, 2] += abs(product)
            sums[g, 3] += 1.0


@kernel
def basket_returns(
    baskets: Family,
    row: int,
    t: int,
    returns: FloatArray,
    leaving: tuple[Int64Array, IndexArray],
    rule: tuple[int, bool, bool],
    sums: FloatArray,
    asset: IndexArray,
    group: IndexArray,
    own: BoolArray,
    asked: int,
    answer: FloatArray,
    left: IndexArray,
) -> None:
    """Return of basket group[q] without focal asset[q] and its issuer's other listings, for the first `asked` questions.

    A group of -1 is no question. The mix is that of session `row`, returns and weights are those of session t. leaving: other
    listings of each issuer. own: whether the focal's filing makes it a member of the group. sums: as `sum_baskets` leaves them. rule:
    minimum number of peers, whether it is counted after removal, whether the focal is left out. answer: NaN where there are too few
    peers. left: peers after removal.
    """
    active, offsets, groups, makes, _, _, weights, _ = baskets
    filing, weight_of, return_of, (others_from, others) = active[row], weights[t - 1], returns[t], leaving
    minimum, after_removal, leave_out = rule
    for q in range(asked):
        i, g = asset[q], group[q]
        answer[q], left[q] = np.nan, 0
        if g < 0:
            continue
        value, weight, size, before = sums[g, 0], sums[g, 1], sums[g, 2], sums[g, 3]
        count = before
        if leave_out and count > 0:
            product = weight_of[i] * return_of[i]
            if own[q] and weight_of[i] > 0.0 and product - product == 0.0:
                value -= product
                weight -= weight_of[i]
                size -= abs(product)
                count -= 1.0
            for o in range(others_from[i], others_from[i + 1]):
                j = others[o]
                if is_member(filing[j], offsets, groups, makes, g, weight_of[j], return_of[j]):
                    value -= weight_of[j] * return_of[j]
                    weight -= weight_of[j]
                    size -= abs(weight_of[j] * return_of[j])
                    count -= 1.0
        left[q] = np.int32(count)
        if count < 1 or (count if after_removal else before) < minimum:
            continue
        if count < before and (weight < _REMAINDER * sums[g, 1] or size < _REMAINDER * sums[g, 2]):
            answer[q] = _sum_again(filing, offsets, groups, makes, i, g, weight_of, return_of, others_from, others)
        else:
            answer[q] = value / weight


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
) -> float:
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
    return value / weight


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
    active, offsets, groups, makes, first, last, weights, _ = baskets
    if not first[group] <= row <= last[group]:
        return np.zeros(0, dtype=np.int64)
    found = [is_member(active[row, j], offsets, groups, makes, group, weights[t - 1, j], returns[t, j]) for j in range(returns.shape[1])]
    return np.flatnonzero(found).astype(np.int64)
