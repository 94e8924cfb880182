"""Which names a stock is hedged with at one vintage: a ranked list for every arm of the hedging study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.arrays import Lamps
from pureplay.graph.hedge_ranks import average_ranks, best_first, run_starts
from pureplay.graph.hedging import Hedges
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.correlation import Window
from pureplay.stats.given import require_whole

__all__ = ["WEIGHTS", "Scorer", "Vintage", "VintageEdges", "best_weight", "mix_arm", "mix_table", "ranked_peers", "stacked"]

WEIGHTS: Final = tuple(round(0.1 * each, 1) for each in range(11))
"""Weights of structure beside trailing correlation that the study tries."""

_NEAR: Final = 1e-9  # what the matrix product may be off by, with room: names this near the last of a short list are measured pair by pair

Ranked = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]
"""Place of the focal stock, column of the peer, trailing correlation; by place, then highest correlation, then column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VintageEdges:
    """Co-mentioned pairs of a vintage, sorted by (a, b) with a < b, each once; NaN where a correlation is not known.

    expected: `expected_fwd_corr`. strength: of the co-mention. confirmed: whether a structural link explains the pair. dark: whether none
    does although both firms are in the product tree; None where all are, so that every pair is the one or the other.
    """

    a: IndexArray
    b: IndexArray
    trailing: FloatArray
    expected: FloatArray
    strength: FloatArray
    confirmed: BoolArray
    dark: BoolArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintage:
    """What a vintage knows of its names; arrays run over the columns of `assets`.

    window: of the trailing returns, the vintage its last session. eligible: names that traded on the vintage. industry: coarsest
    industry, -1 where there is none. issuer: number of the issuer, equal for listings of one. linked: every pair (a, b) with a lit lamp;
    may be empty.
    """

    day: np.datetime64
    assets: tuple[str, ...]
    edges: VintageEdges
    window: Window
    eligible: BoolArray
    industry: IndexArray
    issuer: npt.NDArray[np.integer]
    linked: tuple[IndexArray, IndexArray]

    @property
    def usable(self) -> BoolArray:
        """Names that can be in a basket: eligible, with a usable trailing window."""
        return np.asarray(self.eligible & self.window.usable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """How any pair of the vintage is scored. lamps_at(a, b) -> lamps; predict(trailing, lamps, news) -> expected forward correlation."""

    lamps_at: Callable[[IndexArray, IndexArray], Lamps]
    predict: Callable[[FloatArray, Lamps, BoolArray], FloatArray]


def ranked_peers(
    vintage: Vintage,
    focal: npt.NDArray[np.integer],
    *,
    most: int = 50,
    seed: int = 7,
    scorer: Scorer | None = None,
    shortlist: int = 200,
    weights: Sequence[float] = (),
) -> dict[str, IndexArray]:
    """Ranked peers of the focal columns by arm, each (focal, most), best first, -1 behind the last.

    graph: confirmed co-mentioned names by expected correlation, by the trailing one where that is null. news_only: dark co-mentioned names
    by strength, then trailing correlation. random_industry: names of the industry in an order drawn from (seed, day, code of the
    focal stock). trailing: names of the highest trailing correlation. With a scorer also
    expected: by expected correlation over the `shortlist` names of the highest trailing correlation and every linked or co-mentioned one;
    mix_W for each weight W: the same names by W x z(rank of the structural part) + (1 - W) x z(trailing), z over the focal stock's
    names; the structural part is what the forecast adds for lamps and news to that of a pair without either. Pairs without a forecast,
    of which a name has no entry in the product tree, are in neither.

    Ties go to the higher trailing correlation, then to the code that sorts first. Only usable names of other issuers are listed, and a
    focal stock that is not usable has none. Nothing depends on names that are not eligible. Raises SettingError.
    """
    require_whole(most, "most", 1)
    require_whole(shortlist, "shortlist", 1)
    wrong = [each for each in weights if not 0 <= each <= 1]
    if wrong or (weights and scorer is None):
        raise SettingError(f"weights of a mix lie between 0 and 1 and need a scorer, not {list(weights)}: correct them or give a scorer")
    columns, edges = np.asarray(focal, dtype=np.int64), vintage.edges
    dark = ~edges.confirmed if edges.dark is None else edges.dark
    nearest = _nearest(vintage, columns, max(most, shortlist if scorer else 1))
    out = {
        "graph": _from_edges(vintage, columns, edges.confirmed, (_known(edges),), most),
        "news_only": _from_edges(vintage, columns, dark, (edges.strength,), most),
        "random_industry": _random_industry(vintage, columns, most, seed),
        "trailing": _filled(nearest, columns.size, most),
    }
    if scorer is not None:
        out |= _scored(vintage, columns, nearest, scorer, most=most, shortlist=shortlist, weights=weights)
    return out


def mix_arm(weight: float) -> str:
    """Name of the arm of a mix."""
    return f"mix_{weight:g}"


def mix_table(hedges: Hedges, *, names: int = 10, weights: Sequence[float] = WEIGHTS, mask: BoolArray | None = None) -> pl.DataFrame:
    """Frame weight, variance_cut, stock_months of the mixes at one count, over the stock-months that all of them have."""
    table = hedges.table(arms=[mix_arm(each) for each in weights], mask=mask).filter(pl.col("names") == names)
    if not table.height:
        raise SettingError(f"no basket of {names} names was made: take one of {', '.join(map(str, hedges.counts))}")
    return table.select(pl.Series("weight", list(weights), dtype=pl.Float64), "variance_cut", "stock_months")


def best_weight(develop: pl.DataFrame) -> float:
    """Weight with the largest variance cut in a `mix_table` of develop vintages, the smallest of equals; it may be used after them.

    Raises InsufficientDataError where no weight has a figure.
    """
    known = develop.drop_nulls("variance_cut").sort(["variance_cut", "weight"], descending=[True, False])
    if not known.height:
        raise InsufficientDataError(f"none of {develop.height} weights has a variance cut on develop: take fewer names or more vintages")
    return float(known["weight"][0])


def stacked(parts: Sequence[Mapping[str, IndexArray]]) -> dict[str, IndexArray]:
    """The lists of consecutive vintages end to end; all must have the same arms."""
    if any(set(each) != set(parts[0]) for each in parts):
        raise SettingError(f"the vintages have arms {sorted({', '.join(sorted(each)) for each in parts})}: rank all with the same settings")
    return {name: np.concatenate([each[name] for each in parts]) for name in (parts[0] if parts else ())}


def _known(edges: VintageEdges) -> FloatArray:
    return np.where(np.isfinite(edges.expected), edges.expected, edges.trailing)


def _nearest(vintage: Vintage, focal: npt.NDArray[np.int64], count: int) -> Ranked:
    """The `count` usable names of other issuers with the highest trailing correlation; ties at the end are measured pair by pair."""
    usable = vintage.usable
    near = vintage.window.rows(focal)
    near[:, ~usable] = np.nan
    near[~usable[focal]] = np.nan
    near[vintage.issuer[focal][:, None] == vintage.issuer] = np.nan  # itself and its other listings
    near = np.where(np.isfinite(near), near, -np.inf)
    kth = near.shape[1] - min(count, near.shape[1])
    least = np.partition(near, kth, axis=1)[:, kth] if focal.size else np.empty(0)
    place, peer = np.nonzero((near >= least[:, None] - _NEAR) & np.isfinite(near))
    rho = _measured(vintage, focal[place], peer)
    order = np.lexsort((peer, -rho, place))
    place, peer, rho = place[order], peer[order], rho[order]
    keep = _rank_within(place) < count
    return place[keep], peer[keep], rho[keep]


def _measured(vintage: Vintage, own: npt.NDArray[np.int64], peer: npt.NDArray[np.int64]) -> FloatArray:
    return vintage.window.pairs(np.minimum(own, peer).astype(np.int32), np.maximum(own, peer).astype(np.int32)).rho


def _rank_within(place: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """0, 1, … within each run of equal places."""
    return np.arange(place.size) - np.searchsorted(place, place, side="left")


def _filled(ranked: Ranked, size: int, most: int) -> IndexArray:
    place, peer, _ = ranked
    rank = _rank_within(place)
    keep = rank < most
    out = np.full((size, most), -1, dtype=np.int32)
    out[place[keep], rank[keep]] = peer[keep]
    return out


def _towards(
    vintage: Vintage, focal: npt.NDArray[np.int64], a: IndexArray, b: IndexArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Place of the focal stock, peer and pair for every pair of two issuers that names a focal stock, both usable.

    A pair of two focal stocks counts for each.
    """
    where = np.full(len(vintage.assets), -1, dtype=np.int64)
    where[focal] = np.arange(focal.size)
    usable = vintage.usable
    pair = np.tile(np.flatnonzero(usable[a] & usable[b] & (vintage.issuer[a] != vintage.issuer[b])), 2)
    half = pair.size // 2
    own, peer = np.r_[a[pair[:half]], b[pair[half:]]], np.r_[b[pair[:half]], a[pair[half:]]].astype(np.int64)
    keep = where[own] >= 0
    return where[own][keep], peer[keep], pair[keep]


def _from_edges(vintage: Vintage, focal: npt.NDArray[np.int64], chosen: BoolArray, keys: tuple[FloatArray, ...], most: int) -> IndexArray:
    edges = vintage.edges
    place, peer, pair = _towards(vintage, focal, edges.a, edges.b)
    keep = chosen[pair] & np.isfinite(edges.trailing[pair])
    place, peer, pair = place[keep], peer[keep], pair[keep]
    order = np.lexsort((peer, -edges.trailing[pair], *(-key[pair] for key in reversed(keys)), place))
    return _filled((place[order], peer[order], edges.trailing[pair][order]), focal.size, most)


def _random_industry(vintage: Vintage, focal: npt.NDArray[np.int64], most: int, seed: int) -> IndexArray:
    usable, out = vintage.usable, np.full((focal.size, most), -1, dtype=np.int32)
    day = int(vintage.day.astype("datetime64[D]").astype(np.int64)) % 2**32
    members = {
        int(label): np.flatnonzero(usable & (vintage.industry == label)) for label in np.unique(vintage.industry[focal]) if label >= 0
    }
    for place, own in enumerate(focal.tolist()):
        if usable[own] and vintage.industry[own] >= 0:
            others = members[int(vintage.industry[own])]
            others = others[vintage.issuer[others] != vintage.issuer[own]]
            rng = np.random.default_rng([seed, day, *vintage.assets[own].encode()])
            drawn = rng.permutation(others)[:most]
            out[place, : drawn.size] = drawn
    return out


def _scored(
    vintage: Vintage,
    focal: npt.NDArray[np.int64],
    nearest: Ranked,
    scorer: Scorer,
    *,
    most: int,
    shortlist: int,
    weights: Sequence[float],
) -> dict[str, IndexArray]:
    place, peer = _candidates(vintage, focal, nearest, shortlist)
    rho = _measured(vintage, focal[place], peer)
    keep = np.isfinite(rho)
    order = np.lexsort((peer[keep], -rho[keep], place[keep]))
    place, peer, rho = place[keep][order], peer[keep][order], rho[keep][order]
    a, b = np.minimum(focal[place], peer).astype(np.int32), np.maximum(focal[place], peer).astype(np.int32)
    total, edges = len(vintage.assets), vintage.edges
    news = np.isin(a.astype(np.int64) * total + b, edges.a.astype(np.int64) * total + edges.b)
    lamps = scorer.lamps_at(a, b)
    expected = scorer.predict(rho, lamps, news)
    structure = expected - scorer.predict(rho, _unlit(lamps), np.zeros_like(news))
    starts = run_starts(place)
    by_score = partial(best_first, place, peer, starts=starts, size=focal.size, most=most)
    out = {"expected": by_score(expected)}
    z_rank, z_rho = np.full(rho.size, np.nan), np.full(rho.size, np.nan)
    if weights:
        scored = np.isfinite(structure)
        own = run_starts(place[scored])
        z_rank[scored], z_rho[scored] = _z(average_ranks(structure[scored], own), own), _z(rho[scored], own)
    for weight in weights:
        out[mix_arm(weight)] = by_score(weight * z_rank + (1 - weight) * z_rho)
    return out


def _candidates(
    vintage: Vintage, focal: npt.NDArray[np.int64], nearest: Ranked, shortlist: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    near = _rank_within(nearest[0]) < shortlist
    linked, edges = _towards(vintage, focal, *vintage.linked), _towards(vintage, focal, vintage.edges.a, vintage.edges.b)
    total = len(vintage.assets)
    keys = [nearest[0][near] * total + nearest[1][near], linked[0] * total + linked[1], edges[0] * total + edges[1]]
    place, peer = np.divmod(np.unique(np.concatenate(keys)), total)
    return place, peer


def _z(values: FloatArray, starts: npt.NDArray[np.int64]) -> FloatArray:
    """Distance from the mean of the run in standard deviations, 0 where there is no spread."""
    out = np.zeros_like(values)
    for start, stop in pairwise(starts.tolist()):
        run = values[start:stop]
        sd = run.std()
        if sd > 0:
            out[start:stop] = (run - run.mean()) / sd
    return out


def _unlit(lamps: Lamps) -> Lamps:
    off = np.zeros_like(lamps.mapped)
    return replace(lamps, product_peer=off, deep_peer=off, chain=off, disclosed=off, affiliate=off, bid=off)
