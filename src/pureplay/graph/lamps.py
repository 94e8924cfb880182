"""The four lamps of a pair: deep product peer, input chain, disclosed customer or supplier, affiliate."""

import numpy as np
import numpy.typing as npt

from pureplay.errors import SettingError
from pureplay.graph.arrays import Lamps
from pureplay.graph.lists import Int64Array, deepest_common, dot_products, meeting_pairs, meets, overlapping_pairs
from pureplay.graph.structure import Links, Sight, Structure
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.products.mix import SHARE_TOLERANCE

__all__ = ["lamps_at", "linked_pairs", "pair_cosines"]

Pairs = tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]


def lamps_at(structure: Structure, row: int, a: IndexArray, b: IndexArray, *, bids: Pairs | None = None) -> Lamps:
    """Lamps of pairs of assets as known on session `row`.

    A firm is in a node where its active filing gives at least min_share of total revenue to it and everything below. A deep peer shares
    a node at deep_depth, or at the depth of the deepest node in force where the whole tree is shallower; or, with deep_peer "cosine",
    has a cosine of the reported shares of at least min_cosine, whatever the depth. Listings of one issuer are affiliates.
    bids: pairs of columns that a tender names; like reported bids they are marked and light nothing. Pairs of any order, each with two
    different assets; raises SettingError otherwise, or where row is no session.
    """
    a, b = _columns(structure, a, b)
    sight = structure.at(row)
    mapped = sight.firms.mapped[a] & sight.firms.mapped[b]
    depth = np.where(mapped, deepest_common(sight.firms.nodes, a, b), -1).astype(np.int32)
    assets = len(structure.axes.assets)
    key = np.minimum(a, b).astype(np.int64) * assets + np.maximum(a, b)
    return Lamps(
        mapped=mapped,
        peer_depth=depth,
        product_peer=depth >= structure.settings.peer_depth,
        deep_peer=_deep(structure, sight, depth, a, b),
        chain=np.zeros(a.size, dtype=np.bool_) if sight.inputs is None or sight.made is None else meets(sight.inputs, sight.made, a, b),
        disclosed=_listed(structure.disclosed, row, assets, key),
        affiliate=meets(sight.ids, sight.ids, a, b),
        bid=_listed(structure.bids, row, assets, key) | _named(bids, assets, key),
    )


def linked_pairs(structure: Structure, row: int, eligible: BoolArray) -> tuple[IndexArray, IndexArray]:
    """Every pair a < b of eligible assets with at least one of the four lamps lit on session `row`, sorted by (a, b)."""
    assets = len(structure.axes.assets)
    if eligible.shape != (assets,):
        raise SettingError(f"eligible has the shape {eligible.shape}: give one entry for each of the {assets} assets")
    sight = structure.at(row)
    found = [_keys(meeting_pairs(sight.ids, sight.ids, eligible), assets)]
    if sight.inputs is not None and sight.made is not None:
        found.append(_keys(meeting_pairs(sight.inputs, sight.made, eligible), assets))
    if structure.disclosed is not None:
        known = structure.disclosed.keys(row, assets)
        found.append(known[eligible[known // assets] & eligible[known % assets]])
    if structure.settings.deep_peer == "depth":
        deep = sight.firms.nodes.where(sight.firms.nodes.values >= sight.deep)
        found.append(_keys(meeting_pairs(deep, deep, eligible), assets))
    elif sight.mix is not None:
        found.append(_keys(overlapping_pairs(sight.mix, sight.norm, _least_cosine(structure), eligible), assets))
    every = np.unique(np.concatenate(found))
    return (every // assets).astype(np.int32), (every % assets).astype(np.int32)


def pair_cosines(structure: Structure, row: int, a: IndexArray, b: IndexArray) -> FloatArray:
    """Cosine of the reported shares of both firms on session `row`, NaN where one has none or the settings do not ask for it."""
    a, b = _columns(structure, a, b)
    sight = structure.at(row)
    if sight.mix is None:
        return np.full(a.size, np.nan)
    size = sight.norm[a] * sight.norm[b]
    return np.asarray(np.divide(dot_products(sight.mix, a, b), size, out=np.full(a.size, np.nan), where=size > 0))


def _deep(structure: Structure, sight: Sight, depth: IndexArray, a: IndexArray, b: IndexArray) -> BoolArray:
    if structure.settings.deep_peer == "depth":
        return np.asarray(depth >= sight.deep)
    if sight.mix is None:
        return np.zeros(a.size, dtype=np.bool_)
    dots = dot_products(sight.mix, a, b)
    return np.asarray((dots > 0) & (dots >= _least_cosine(structure) * (sight.norm[a] * sight.norm[b])))


def _least_cosine(structure: Structure) -> float:
    return structure.settings.min_cosine - SHARE_TOLERANCE


def _columns(structure: Structure, a: IndexArray, b: IndexArray) -> tuple[IndexArray, IndexArray]:
    assets = len(structure.axes.assets)
    if a.shape != b.shape or a.ndim != 1:
        raise SettingError(f"a and b have the shapes {a.shape} and {b.shape}: give two columns of one length")
    wrong = np.flatnonzero((np.minimum(a, b) < 0) | (np.maximum(a, b) >= assets) | (a == b))
    if wrong.size:
        p = int(wrong[0])
        raise SettingError(f"pair {p} is ({a[p]}, {b[p]}): a pair is two different columns of the {assets} assets")
    return np.ascontiguousarray(a, dtype=np.int32), np.ascontiguousarray(b, dtype=np.int32)


def _listed(links: Links | None, row: int, assets: int, key: Int64Array) -> BoolArray:
    return np.zeros(key.size, dtype=np.bool_) if links is None else np.isin(key, links.keys(row, assets))


def _named(bids: Pairs | None, assets: int, key: Int64Array) -> BoolArray:
    if bids is None:
        return np.zeros(key.size, dtype=np.bool_)
    one, other = np.asarray(bids[0], dtype=np.int64), np.asarray(bids[1], dtype=np.int64)
    return np.isin(key, np.minimum(one, other) * assets + np.maximum(one, other))


def _keys(pairs: tuple[Int64Array, Int64Array], assets: int) -> Int64Array:
    return pairs[0] * assets + pairs[1]
