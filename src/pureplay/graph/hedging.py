"""Hedging one stock with a basket: the ratio fitted up to a vintage, the variance left after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import SettingError
from pureplay.graph.hedge_kernels import cut_block, industry_sums, industry_turnover, list_turnover
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.given import require_whole

__all__ = ["INDEX", "INDUSTRY", "Hedges", "hedge"]

INDEX: Final = "index"
"""Name of the arm that hedges with the index."""
INDUSTRY: Final = "industry"
"""Name of the arm that hedges with the equal-weight basket of all other names of the industry."""

RowArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedges:
    """What each arm's hedge left of a stock's variance, by stock-month.

    arms: names, ranked lists first. counts: names in a basket, ascending. vintage, asset: of each stock-month (number of the vintage,
    column). cut: (arms, counts, stock-months), 1 - Var(own - ratio x basket) / Var(own) over the forward window; NaN where the list has
    fewer names, either window has too few days, a series does not vary, or the forward window passes the end of the data. ratio: the
    hedge ratios, known at the vintage. turnover: one-way turnover of the basket since the vintage before, NaN where there was none.
    Index and industry have the same figure at every count. has_forward: whether the forward window lies inside the data.
    """

    arms: tuple[str, ...]
    counts: tuple[int, ...]
    vintage: RowArray
    asset: RowArray
    cut: FloatArray
    ratio: FloatArray
    turnover: FloatArray
    has_forward: BoolArray

    @property
    def no_forward(self) -> int:
        """Stock-months whose forward window passes the end of the data; no table counts them."""
        return int((~self.has_forward).sum())

    def matched(self, names: int, *, arms: Sequence[str] | None = None) -> BoolArray:
        """Stock-months in which every one of the arms (default: all) has a figure with so many names."""
        return np.asarray(np.isfinite(self.cut[self._chosen(arms), self._position(names)]).all(axis=0))

    def table(self, *, arms: Sequence[str] | None = None, mask: BoolArray | None = None) -> pl.DataFrame:
        """One row an arm and count, over the stock-months that are matched at that count.

        arms: the arms to compare (default all); arms left out do not drop stock-months. mask: stock-months to use, such as the members
        of an index. Columns arm, names, variance_cut (mean), median_cut, beats_industry (share of the stock-months with a larger cut
        than the industry basket; null without that arm), turnover (mean over the stock-months that have one), stock_months, dropped
        (stock-months with a forward window that are not matched), complete (stock-months with a forward window for which this arm has a
        figure by itself: the arm with the fewest decides which months are compared).
        """
        chosen, inside = self._chosen(arms), self._mask(mask) & self.has_forward
        rows = [self._row(arm, names, inside & self.matched(names, arms=arms), inside) for arm in chosen for names in self.counts]
        return pl.DataFrame(rows, schema=_COLUMNS, orient="row")

    def sizes(
        self, size: FloatArray, *, names: int = 10, groups: int = 5, arms: Sequence[str] | None = None, mask: BoolArray | None = None
    ) -> pl.DataFrame:
        """The table at one count by `size_group`, 1 the smallest: equal groups of the vintage's stock-months in the mask, ties by code.

        size: of each stock-month as known at its vintage; stock-months without a size are in no group.
        """
        require_whole(groups, "groups", 1)
        if np.shape(size) != self.vintage.shape:
            raise SettingError(f"size has shape {np.shape(size)}, the hedges have {self.vintage.size} stock-months: give one size for each")
        at, group = self._position(names), _size_groups(size, self.vintage, self.asset, self._mask(mask), groups)
        rows = []
        for number in range(1, groups + 1):
            inside = (group == number) & self.has_forward
            kept = inside & self.matched(names, arms=arms)
            rows += [(number, *self._row(arm, self.counts[at], kept, inside)) for arm in self._chosen(arms)]
        return pl.DataFrame(rows, schema={"size_group": pl.Int64, **_COLUMNS}, orient="row")

    def _row(self, arm: int, names: int, kept: BoolArray, inside: BoolArray) -> tuple[object, ...]:
        at, used = self._position(names), int(kept.sum())
        cut, moved = self.cut[arm, at, kept], self.turnover[arm, at, kept]
        moved, beats = moved[np.isfinite(moved)], None
        if used and INDUSTRY in self.arms:
            other = self.cut[self.arms.index(INDUSTRY), at, kept]
            both = np.isfinite(other)
            beats = float((cut > other)[both].mean()) if both.any() and self.arms[arm] != INDUSTRY else None
        return (
            self.arms[arm],
            names,
            float(cut.mean()) if used else None,
            float(np.median(cut)) if used else None,
            beats,
            float(moved.mean()) if moved.size else None,
            used,
            int(inside.sum()) - used,
            int(np.isfinite(self.cut[arm, at, inside]).sum()),
        )

    def _chosen(self, arms: Sequence[str] | None) -> list[int]:
        unknown = [arm for arm in arms or () if arm not in self.arms]
        if unknown:
            raise SettingError(f"no arm is called {', '.join(unknown)}: take some of {', '.join(self.arms)}")
        return [self.arms.index(arm) for arm in (self.arms if arms is None else arms)]

    def _position(self, names: int) -> int:
        if names not in self.counts:
            raise SettingError(f"no basket of {names} names was made: take one of {', '.join(map(str, self.counts))}")
        return self.counts.index(names)

    def _mask(self, mask: BoolArray | None) -> BoolArray:
        if mask is None:
            return np.ones(self.vintage.size, dtype=np.bool_)
        if np.shape(mask) != self.vintage.shape or np.asarray(mask).dtype != np.bool_:
            raise SettingError(f"mask has shape {np.shape(mask)}: give true or false for each of {self.vintage.size} stock-months")
        return mask


_COLUMNS: Final = {
    "arm": pl.String,
    "names": pl.Int64,
    "variance_cut": pl.Float64,
    "median_cut": pl.Float64,
    "beats_industry": pl.Float64,
    "turnover": pl.Float64,
    "stock_months": pl.Int64,
    "dropped": pl.Int64,
    "complete": pl.Int64,
}


def hedge(
    returns: FloatArray,
    rows: RowArray,
    focal: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]],
    baskets: Mapping[str, IndexArray],
    *,
    counts: Sequence[int],
    index: FloatArray | None = None,
    industry: IndexArray | None = None,
    issuer: npt.NDArray[np.integer] | None = None,
    trailing: int = 90,
    forward: int = 60,
) -> Hedges:
    """Hedge each stock-month with the first N names of every ranked list, with the index and with its industry (METHODS §6).

    returns: (sessions, assets) total returns, NaN where a stock did not trade. rows: session of each vintage. focal: number of the vintage
    and column of each stock-month, each once. baskets: arm -> (stock-months, most names) columns of the peers, best first, -1 behind
    the last. counts: names in a basket. index: (sessions,) return of the index. industry: (vintages, assets) coarsest industry at
    the vintage, -1 where there is none; its basket holds the other names of the stock's industry that traded on half of the trailing
    window. issuer: (assets,) number of the issuer; other listings of the stock's own issuer are not in its industry basket either. None =
    each an issuer of its own. Ranked lists are taken as they come.

    A basket's return is the mean over those of its names that trade on the day, missing where none does: equal weights, rebalanced daily.
    The ratio is the slope of the own return on the basket's with an intercept, over the days of the trailing window (the vintage is its
    last) on which both are known; the cut is 1 - Var(own - ratio x basket) / Var(own) over such days of the forward window. Either needs
    half of its window. A series that moves by less than 1e-9 a day counts as constant and has no figure. Raises SettingError.
    """
    counts = _checked(returns, rows, focal, baskets, counts, trailing, forward)
    vintage, asset = (np.ascontiguousarray(each, dtype=np.int64) for each in focal)
    rows = np.asarray(rows, dtype=np.int64)
    series, own = _series_arms(returns, rows, index, industry), _issuers(issuer, returns.shape[1])
    twins = _twins(own)
    arms = (*baskets, *series)
    lists = np.full((len(baskets), vintage.size, counts[-1]), -1, dtype=np.int32)
    for number, each in enumerate(baskets.values()):
        width = min(counts[-1], each.shape[1])
        lists[number, :, :width] = each[:, :width]
    cut, ratio, turnover = (np.full((len(arms), len(counts), vintage.size), np.nan) for _ in range(3))
    by_asset = np.ascontiguousarray(returns.T)
    level = np.full(returns.shape[0], np.nan) if index is None else np.ascontiguousarray(index, dtype=np.float64)
    labels = np.full((rows.size, 1), -1, dtype=np.int32) if industry is None else np.ascontiguousarray(industry, dtype=np.int32)
    sums, members, labels = industry_sums(by_asset, rows, labels, trailing, forward)
    sizes = np.asarray(counts, dtype=np.int64)
    at = np.array([arms.index(name) if name in series else -1 for name in (INDEX, INDUSTRY)], dtype=np.int64)

    known = (by_asset, rows, vintage, asset, lists, sizes, level, sums, members, labels, twins, at, trailing, forward)
    over_blocks(lambda start, stop: cut_block(*known, cut, ratio, start, stop), vintage.size)
    before = _before(vintage, asset)
    over_blocks(lambda start, stop: list_turnover(lists, before, sizes, turnover, start, stop), vintage.size)
    if at[1] >= 0:
        over_blocks(lambda start, stop: industry_turnover(labels, own, vintage, asset, before, turnover[at[1]], start, stop), vintage.size)
    reaches = (rows + forward < returns.shape[0])[vintage]
    return Hedges(
        arms=arms, counts=counts, vintage=vintage, asset=asset, cut=cut, ratio=ratio, turnover=turnover, has_forward=np.asarray(reaches)
    )


def _issuers(issuer: npt.NDArray[np.integer] | None, assets: int) -> RowArray:
    if issuer is None:
        return np.arange(assets, dtype=np.int64)
    if np.shape(issuer) != (assets,):
        raise SettingError(f"issuer has shape {np.shape(issuer)}: give one number for each of {assets} assets")
    return np.ascontiguousarray(issuer, dtype=np.int64)


def _twins(issuer: RowArray) -> RowArray:
    """Other listings of each asset's issuer in order, -1 behind the last."""
    order = np.argsort(issuer, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(issuer[order])) + 1)
    out = np.full((issuer.size, max((run.size for run in runs), default=1)), -1, dtype=np.int64)
    for run in runs:
        for each in run if run.size > 1 else ():
            out[each, : run.size - 1] = run[run != each]
    return out


def _series_arms(returns: FloatArray, rows: RowArray, index: FloatArray | None, industry: IndexArray | None) -> tuple[str, ...]:
    if index is not None and np.shape(index) != returns.shape[:1]:
        raise SettingError(f"index has shape {np.shape(index)}: give one return for each of {returns.shape[0]} sessions")
    if industry is not None and np.shape(industry) != (rows.size, returns.shape[1]):
        raise SettingError(f"industry has shape {np.shape(industry)}: give a label for each of {rows.size} vintages x all assets")
    return tuple(name for name, given in ((INDEX, index), (INDUSTRY, industry)) if given is not None)


def _checked(
    returns: FloatArray,
    rows: RowArray,
    focal: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]],
    baskets: Mapping[str, IndexArray],
    counts: Sequence[int],
    trailing: int,
    forward: int,
) -> tuple[int, ...]:
    require_whole(trailing, "trailing", 4)
    require_whole(forward, "forward", 4)
    for each in counts:
        require_whole(each, "counts", 1)
    if not counts:
        raise SettingError("counts is empty: say how many names a basket has, such as (1, 5, 10)")
    vintage, asset = (np.asarray(each) for each in focal)
    for name, given, most in (
        ("rows", np.asarray(rows), returns.shape[0]),
        ("vintages", vintage, len(rows)),
        ("assets", asset, returns.shape[1]),
    ):
        if given.ndim != 1 or (given.size and (given.min() < 0 or given.max() >= most)):
            raise SettingError(f"{name} of the stock-months must be one series of numbers from 0 to {most - 1}: give positions")
    if vintage.size != asset.size or np.unique(np.stack([vintage, asset]), axis=1).shape[1] != vintage.size:
        raise SettingError(f"focal has {vintage.size} vintages and {asset.size} assets: give each stock-month once")
    for name, peers in baskets.items():
        _require_list(name, np.asarray(peers), asset, returns.shape[1])
    return tuple(sorted({int(each) for each in counts}))


def _require_list(name: str, peers: npt.NDArray[np.integer], asset: npt.NDArray[np.integer], assets: int) -> None:
    if name in (INDEX, INDUSTRY):
        raise SettingError(f"an arm of ranked names may not be called {name}: that is the name of another arm")
    if peers.ndim != 2 or peers.shape[0] != asset.size:
        raise SettingError(f"arm {name} has shape {peers.shape}: give one row of ranked peers for each of {asset.size} stock-months")
    some = peers >= 0
    if peers.size and (peers.max() >= assets or peers.min() < -1 or (some[:, 1:] & ~some[:, :-1]).any()):
        raise SettingError(f"arm {name}: peers must be columns from 0 to {assets - 1}, best first, and -1 only behind the last")
    ordered = np.sort(peers, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    own = (peers == asset[:, None]).any(axis=1)
    if twice.any() or own.any():
        raise SettingError(
            f"arm {name}: {int(twice.sum())} stock-months list a peer twice and {int(own.sum())} list the stock itself: list others, once"
        )


def _before(vintage: RowArray, asset: RowArray) -> RowArray:
    """Position of the same stock one vintage earlier, -1 where it is none of the stock-months."""
    where = {each: place for place, each in enumerate(zip(vintage.tolist(), asset.tolist(), strict=True))}
    return np.array([where.get((v - 1, i), -1) for v, i in where], dtype=np.int64)


def _size_groups(size: FloatArray, vintage: RowArray, asset: RowArray, mask: BoolArray, groups: int) -> RowArray:
    """Number of the size group of each stock-month, 0 where it has no size or lies outside the mask."""
    out = np.zeros(vintage.size, dtype=np.int64)
    known = np.flatnonzero(np.isfinite(size) & mask)
    ordered = known[np.lexsort((asset[known], size[known], vintage[known]))]
    first = np.searchsorted(vintage[ordered], vintage[ordered], side="left")
    last = np.searchsorted(vintage[ordered], vintage[ordered], side="right")
    out[ordered] = (np.arange(ordered.size) - first) * groups // np.maximum(last - first, 1) + 1
    return out
