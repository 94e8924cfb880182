"""How much of a trailing correlation is left in the forward window, by what links the pair."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import SettingError
from pureplay.graph.arrays import PairPanel
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.correlation import PairMeasure, panel_correlations, window
from pureplay.stats.given import is_number, require_whole
from pureplay.stats.inference import ewc_test
from pureplay.stats.lookahead import forward_correlations

__all__ = ["PairPool", "linked_pool", "price_pool", "retention"]

CountArray = npt.NDArray[np.int64]
Pairs = tuple[IndexArray, IndexArray]

_BINS: Final = 1 << 20  # more bins than any width makes of a correlation, so that vintage and bin fit one key
_FINEST: Final = 1e-4
_ON_EDGE: Final = 1e-9
_COLUMNS: Final = {
    "group": pl.String,
    "bin": pl.Float64,
    "trailing": pl.Float64,
    "forward": pl.Float64,
    "retention": pl.Float64,
    "se": pl.Float64,
    "confirmed_retention": pl.Float64,
    "difference_t": pl.Float64,
    "pairs": pl.Int64,
    "vintages": pl.Int64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPool:
    """Pairs that no article names, chosen otherwise: columns a < b, number of the vintage, both correlations (NaN where not measured)."""

    vintage: CountArray
    a: IndexArray
    b: IndexArray
    trailing: FloatArray
    forward: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    """Pairs of one group by cell of vintage x bin: how many, and their mean correlations. Cells in order."""

    key: CountArray
    count: FloatArray
    trailing: FloatArray
    forward: FloatArray

    def take(self, where: npt.NDArray[np.generic]) -> "_Cells":
        """Some of the cells."""
        return _Cells(key=self.key[where], count=self.count[where], trailing=self.trailing[where], forward=self.forward[where])


@dataclass(frozen=True, slots=True)
class _Ratio:
    """Weighted mean forward over weighted mean trailing, and each vintage's part in its error (delta method), in order."""

    trailing: float
    forward: float
    value: float
    parts: FloatArray


def retention(
    panel: PairPanel,
    vintages: npt.NDArray[np.integer],
    pool: PairPool | None = None,
    linked: PairPool | None = None,
    *,
    bin_width: float = 0.05,
    lowest: float = 0.1,
    peer_confirms: bool = False,
    cosines: int = 4,
) -> pl.DataFrame:
    """Mean forward over mean trailing correlation of pairs matched on the trailing one (METHODS §6).

    vintages: numbers of the vintages of the panel (and pools) to use. lowest: pairs below this trailing correlation are left out, since a
    ratio of means near 0 says nothing. bin_width: width of the bins of trailing correlation. peer_confirms: see `GraphSettings`.

    Groups: confirmed (co-mentioned, a lamp lit), lamp_no_news (`linked`: a lamp lit, no article), shallow_peer (co-mentioned, no lamp,
    product peer), dark (co-mentioned, neither), price_only (`pool`). A pair of a group counts in the cells of vintage x bin in which a
    confirmed pair exists as well, with weights that give each cell the share that it has among the confirmed pairs. Columns group, bin
    (lower edge; null = all bins), trailing, forward (weighted means), retention (their ratio), se, confirmed_retention (of the confirmed
    pairs in the same cells), difference_t (of confirmed_retention - retention), pairs, vintages. Both errors are equal-weighted cosine
    ones over the vintages, of the ratio's linear part; null with 2 x cosines vintages or fewer. Groups without a common cell are absent.
    Raises SettingError.
    """
    _require_bins(bin_width, lowest)
    require_whole(cosines, "cosines", 1)
    groups = _groups(panel, vintages, {"lamp_no_news": linked, "price_only": pool}, peer_confirms)
    cells = {name: _cells(*each, bin_width=bin_width, lowest=lowest) for name, each in groups.items()}
    rows = [row for name in cells for row in _rows(name, cells[name], cells["confirmed"], bin_width, cosines)]
    return pl.DataFrame(rows, schema=_COLUMNS, orient="row")


def price_pool(
    returns: FloatArray,
    panel: PairPanel,
    vintages: npt.NDArray[np.integer],
    mentioned: Sequence[Pairs],
    *,
    eligible: BoolArray,
    issuer: npt.NDArray[np.integer],
    trailing: int = 90,
    forward: int = 60,
    measure: PairMeasure = "shrunk",
    names: int = 400,
    bin_width: float = 0.05,
    lowest: float = 0.1,
    peer_confirms: bool = False,
    seed: int = 7,
) -> PairPool:
    """Pairs that only their prices speak for: high trailing correlation, not co-mentioned in the vintage.

    returns: (sessions, assets) as for the panel. mentioned: for each of `vintages`, in ascending order, every co-mentioned pair (a, b);
    those of the panel are not enough, since it leaves some out. eligible: (vintages, assets). issuer: (assets,) number of the issuer; two
    listings of one are no pair. At each vintage `names` eligible stocks, drawn from (seed, day), are paired with all others; of the pairs
    at or above `lowest` in each bin as many are drawn as the vintage has confirmed pairs there, or all there are. measure: that of the
    panel; bins and the correlations returned are of it. Raises SettingError.
    """
    _require_bins(bin_width, lowest)
    require_whole(names, "names", 1)
    if np.shape(eligible) != (panel.rows.size, len(panel.assets)):
        raise SettingError(f"eligible has shape {np.shape(eligible)}: give true or false for {panel.rows.size} vintages x all assets")
    chosen, drawn = _given(vintages, mentioned=mentioned), []
    for v, named in zip(chosen.tolist(), mentioned, strict=True):
        rng, wanted = _matched(panel, v, seed, lowest, bin_width, peer_confirms)
        block = returns[max(int(panel.rows[v]) - trailing + 1, 0) : int(panel.rows[v]) + 1]
        keys, rho = _unmentioned(block, eligible[v], np.asarray(issuer), named, names, rng)
        rho = rho if measure == "shrunk" else _trailing(block, keys, measure)
        enough = rho >= lowest  # False where it is not known
        keys, rho = keys[enough], rho[enough]
        drawn.append(keys[_sample(_bin(rho, bin_width), wanted, rng)])
    return _pool(returns, panel, chosen, drawn, trailing, forward, measure)


def linked_pool(
    returns: FloatArray,
    panel: PairPanel,
    vintages: npt.NDArray[np.integer],
    linked: Sequence[Pairs],
    mentioned: Sequence[Pairs],
    *,
    issuer: npt.NDArray[np.integer],
    trailing: int = 90,
    forward: int = 60,
    measure: PairMeasure = "shrunk",
    bin_width: float = 0.05,
    lowest: float = 0.1,
    peer_confirms: bool = False,
    seed: int = 7,
) -> PairPool:
    """Pairs that a lamp links and no article names together.

    linked: for each of `vintages`, in ascending order, linked pairs (a, b) with a < b, of which those `mentioned` in the vintage and those
    of one issuer are left out. Of the others at or above `lowest` in each bin of trailing correlation as many are drawn, by (seed, day), as
    the vintage has confirmed pairs there, or all there are. All else as in `price_pool`. Raises SettingError.
    """
    _require_bins(bin_width, lowest)
    chosen, drawn, assets = _given(vintages, linked=linked, mentioned=mentioned), [], len(panel.assets)
    for v, (a, b), named in zip(chosen.tolist(), linked, mentioned, strict=True):
        rng, wanted = _matched(panel, v, seed, lowest, bin_width, peer_confirms)
        keys = (a.astype(np.int64) * assets + b)[np.asarray(issuer)[a] != np.asarray(issuer)[b]]
        keys = np.sort(keys[~np.isin(keys, named[0].astype(np.int64) * assets + named[1])])
        rho = _trailing(returns[int(panel.rows[v]) - trailing + 1 : int(panel.rows[v]) + 1], keys, measure)
        enough = rho >= lowest  # False where it is not known
        drawn.append(keys[enough][_sample(_bin(rho[enough], bin_width), wanted, rng)])
    return _pool(returns, panel, chosen, drawn, trailing, forward, measure)


def _given(vintages: npt.NDArray[np.integer], **pairs: Sequence[Pairs]) -> CountArray:
    """The vintages in order; there must be pairs of each."""
    chosen = np.unique(np.asarray(vintages, dtype=np.int64))
    for name, given in pairs.items():
        if len(given) != chosen.size:
            raise SettingError(f"{name} has pairs of {len(given)} vintages, {chosen.size} are asked for: give those of each vintage")
    return chosen


def _trailing(block: FloatArray, keys: CountArray, measure: PairMeasure) -> FloatArray:
    """Correlation of pairs, keys a x assets + b, over all rows of a block."""
    days, assets = block.shape
    a, b = (each.astype(np.int32) for each in np.divmod(keys, assets))
    starts = np.array([0, keys.size], dtype=np.int64)
    return panel_correlations(block, np.array([days - 1]), starts, a, b, sessions=days, measure=measure)


def _matched(
    panel: PairPanel, v: int, seed: int, lowest: float, bin_width: float, peer_confirms: bool
) -> tuple[np.random.Generator, CountArray]:
    """Generator of a vintage, and the bin of every confirmed pair that counts."""
    part = panel.vintage(v)
    news, confirmed = panel.news[part], panel.lamps.take(part).confirmed(peer_confirms=peer_confirms)
    rng = np.random.default_rng([seed, int(panel.dates[v].astype("datetime64[D]").astype(np.int64)) % 2**32])
    wanted = news & confirmed & (panel.trailing[part] >= lowest)
    return rng, _bin(panel.trailing[part][wanted], bin_width)


def _pool(
    returns: FloatArray,
    panel: PairPanel,
    chosen: CountArray,
    drawn: Sequence[CountArray],
    trailing: int,
    forward: int,
    measure: PairMeasure,
) -> PairPool:
    """Both correlations of the pairs drawn at each chosen vintage, as keys a x assets + b."""
    sizes = np.array([each.size for each in drawn], dtype=np.int64)
    keys = np.concatenate([np.empty(0, dtype=np.int64), *(np.sort(each) for each in drawn)])
    a, b = (each.astype(np.int32) for each in np.divmod(keys, len(panel.assets)))
    starts, rows = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), panel.rows[chosen]
    return PairPool(
        vintage=np.repeat(chosen, sizes),
        a=a,
        b=b,
        trailing=panel_correlations(returns, rows, starts, a, b, sessions=trailing, measure=measure),
        forward=forward_correlations(returns, rows, starts, a, b, sessions=forward, measure=measure),
    )


def _require_bins(bin_width: float, lowest: float) -> None:
    if not (is_number(bin_width) and _FINEST <= bin_width <= 1):
        raise SettingError(f"bin_width must lie between {_FINEST:g} and 1, not {bin_width!r}: 0.05 is usual")
    if not (is_number(lowest) and 0 < lowest < 1):
        raise SettingError(f"lowest must lie above 0 and below 1, not {lowest!r}: a ratio of correlations near 0 says nothing")


def _unmentioned(
    block: FloatArray,
    eligible: BoolArray,
    issuer: npt.NDArray[np.integer],
    mentioned: Pairs,
    names: int,
    rng: np.random.Generator,
) -> tuple[CountArray, FloatArray]:
    """Keys a x assets + b of the pairs of sampled names that are of two issuers and not mentioned, and their shrunk correlation."""
    assets, seen = block.shape[1], window(block, first=0, last=block.shape[0])
    own = np.sort(rng.permutation(np.flatnonzero(eligible & seen.usable))[:names])
    place = np.full(assets, -1, dtype=np.int64)
    place[own] = np.arange(own.size)
    rho = seen.rows(own)
    for left, right in (mentioned, mentioned[::-1]):
        some = place[left] >= 0
        rho[place[left[some]], right[some]] = np.nan
    rho[:, ~eligible] = np.nan
    rho[issuer[own][:, None] == issuer] = np.nan
    rho[:, own] = np.where(own[None, :] > own[:, None], rho[:, own], np.nan)  # pairs of two sampled names once
    flat = np.flatnonzero(np.isfinite(rho))
    first, second = own[flat // assets], flat % assets
    return np.minimum(first, second) * assets + np.maximum(first, second), rho.ravel()[flat]


def _sample(bins: CountArray, wanted: CountArray, rng: np.random.Generator) -> CountArray:
    """Positions drawn without replacement: in each bin as many as are wanted there, at most all."""
    narrow, out = bins.astype(np.int16), [np.empty(0, dtype=np.int64)]
    for number, count in zip(*np.unique(wanted, return_counts=True), strict=True):
        there = np.flatnonzero(narrow == number)
        out.append(there[rng.choice(there.size, min(int(count), there.size), replace=False, shuffle=False)])
    return np.concatenate(out)


def _bin(trailing: FloatArray, width: float) -> CountArray:
    """Number of the bin; a correlation that lies on an edge but for rounding belongs to the bin above it."""
    return np.floor(trailing / width + _ON_EDGE).astype(np.int64)


def _groups(
    panel: PairPanel, vintages: npt.NDArray[np.integer], pools: Mapping[str, PairPool | None], peer_confirms: bool
) -> dict[str, tuple[CountArray, FloatArray, FloatArray]]:
    of, lit = panel.of, panel.lamps.confirmed(peer_confirms=peer_confirms)
    inside = panel.news & np.isin(of, vintages)
    masks = {"confirmed": lit, "shallow_peer": ~lit & panel.lamps.product_peer, "dark": ~lit & ~panel.lamps.product_peer}
    out = {name: (of[inside & mask], panel.trailing[inside & mask], panel.forward[inside & mask]) for name, mask in masks.items()}
    for name, pool in pools.items():
        if pool is not None:
            used = np.isin(pool.vintage, vintages)
            out[name] = (pool.vintage[used], pool.trailing[used], pool.forward[used])
    return out


def _cells(vintage: CountArray, trailing: FloatArray, forward: FloatArray, *, bin_width: float, lowest: float) -> _Cells:
    keep = np.isfinite(trailing) & np.isfinite(forward) & (trailing >= lowest)
    vintage, trailing, forward = vintage[keep], trailing[keep], forward[keep]
    key, inverse, count = np.unique(vintage * _BINS + _bin(trailing, bin_width), return_inverse=True, return_counts=True)
    sums = (np.bincount(inverse, weights=each, minlength=key.size) for each in (trailing, forward))
    mean_trailing, mean_forward = (each / count for each in sums)
    return _Cells(key=key, count=count.astype(np.float64), trailing=mean_trailing, forward=mean_forward)


def _rows(name: str, group: _Cells, confirmed: _Cells, width: float, cosines: int) -> Iterator[tuple[object, ...]]:
    common, mine, theirs = np.intersect1d(group.key, confirmed.key, return_indices=True)
    group, confirmed, bins = group.take(mine), confirmed.take(theirs), common % _BINS
    for number in (None, *np.unique(bins).tolist()) if common.size else ():
        some = np.flatnonzero(bins == number) if number is not None else np.arange(common.size)
        weight = confirmed.count[some]
        ratio, beside = _ratio(group.take(some), weight), _ratio(confirmed.take(some), weight)
        off = ewc_test(beside.parts - ratio.parts, cosines=cosines).se
        yield (
            name,
            None if number is None else round(number * width, 9),
            ratio.trailing,
            ratio.forward,
            ratio.value,
            _known(ewc_test(ratio.parts, cosines=cosines).se),
            beside.value,
            (beside.value - ratio.value) / off if off > 0 else None,
            int(group.count[some].sum()),
            ratio.parts.size,
        )


def _ratio(cells: _Cells, weight: FloatArray) -> _Ratio:
    _, vintage = np.unique(cells.key // _BINS, return_inverse=True)
    trailing, forward = (np.bincount(vintage, weights=weight * each) for each in (cells.trailing, cells.forward))
    total, value = weight.sum(), float(forward.sum() / trailing.sum())
    parts = (forward - value * trailing) / trailing.mean()
    return _Ratio(float(trailing.sum() / total), float(forward.sum() / total), value, parts)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
