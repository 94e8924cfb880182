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

__all__ = ["WEIGHTINGS", "Family", "Issuers", "Weighting", "basket_returns", "basket_weights", "family", "issuers", "members_of"]

Weighting = Literal["cap", "float_cap", "equal", "sqrt_cap"]
WEIGHTINGS: Final[tuple[Weighting, ...]] = ("cap", "float_cap", "equal", "sqrt_cap")

Int64Array = npt.NDArray[np.int64]
Family = tuple[IndexArray, Int64Array, IndexArray, BoolArray, Int64Array, Int64Array, FloatArray]
"""active filing by cell, entry offsets, group of each entry, whether the entry makes a member, first and last session of each
group, weights by cell."""

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
def basket_returns(
    baskets: Family,
    row: int,
    t: int,
    returns: FloatArray,
    others_from: Int64Array,
    others: IndexArray,
    asked_asset: IndexArray,
    asked_group: IndexArray,
    asked: int,
    rule: tuple[int, bool, bool],
    sums: FloatArray,
    answer: FloatArray,
    peers: IndexArray,
) -> None:
    """Answer the first `asked` questions for session t with the mix of session `row`.

    rule: minimum number of peers, whether it is counted after removal, whether the focal is left out. sums: scratch (4, groups).
    answer: basket return, NaN where there are too few peers. peers: members after removal.
    """
    active, offsets, group, makes, first, last, weights = baskets
    filing, weight_of, return_of = active[row], weights[t - 1], returns[t]
    minimum, after_removal, leave_out = rule
    sums[:] = 0.0
    for j in range(filing.size):
        weight, ret = weight_of[j], return_of[j]
        if filing[j] < 0 or not (weight > 0 and np.isfinite(weight) and np.isfinite(ret)):
            continue
        for k in range(offsets[filing[j]], offsets[filing[j] + 1]):
            g = group[k]
            if makes[k] and first[g] <= t <= last[g]:
                sums[0, g] += weight * ret
                sums[1, g] += weight
                sums[2, g] += abs(weight * ret)
                sums[3, g] += 1.0
    for q in range(asked):
        i, g = asked_asset[q], asked_group[q]
        value, weight, size, count = sums[0, g], sums[1, g], sums[2, g], sums[3, g]
        before = count
        if leave_out and count > 0:
            for o in range(others_from[i] - 1, others_from[i + 1]):
                j = i if o < others_from[i] else others[o]
                if _is_member(filing[j], offsets, group, makes, g, weight_of[j], return_of[j]):
                    own = weight_of[j]
                    value -= own * return_of[j]
                    weight -= own
                    size -= abs(own * return_of[j])
                    count -= 1.0
        peers[q] = np.int32(count)
        answer[q] = np.nan
        if count < 1 or (count if after_removal else before) < minimum:
            continue
        if count < before and (weight < _REMAINDER * sums[1, g] or size < _REMAINDER * sums[2, g]):
            value, weight = 0.0, 0.0
            for j in range(filing.size):
                if not _is_member(filing[j], offsets, group, makes, g, weight_of[j], return_of[j]):
                    continue
                leaves = j == i
                for o in range(others_from[i], others_from[i + 1]):
                    leaves |= others[o] == j
                if not leaves:
                    value += weight_of[j] * return_of[j]
                    weight += weight_of[j]
        answer[q] = value / weight


@kernel
def _is_member(filing: int, offsets: Int64Array, group: IndexArray, makes: BoolArray, g: int, weight: float, ret: float) -> bool:
    if filing < 0 or not (weight > 0 and np.isfinite(weight) and np.isfinite(ret)):
        return False
    for k in range(offsets[filing], offsets[filing + 1]):
        if group[k] == g and makes[k]:
            return True
    return False


def members_of(baskets: Family, row: int, t: int, returns: FloatArray, group: int) -> Int64Array:
    """Assets in the basket of `group` on session t with the mix of session `row`, before anything is removed."""
    active, offsets, groups, makes, first, last, weights = baskets
    if not first[group] <= t <= last[group]:
        return np.zeros(0, dtype=np.int64)
    found = [
        _is_member(active[row, j], offsets, groups, makes, group, weights[t - 1, j], returns[t, j]) for j in range(returns.shape[1])
    ]
    return np.flatnonzero(found).astype(np.int64)
