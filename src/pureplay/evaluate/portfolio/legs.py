"""Quantile legs: scores of a date in, wanted weights out. Nothing here looks at a return."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError, TableError
from pureplay.evaluate.portfolio.arrays import RowArray, Targets
from pureplay.evaluate.portfolio.leg_kernels import FlagArray, leg_block, weight_block, zone_block
from pureplay.evaluate.portfolio.settings import PortfolioSettings
from pureplay.market import Market
from pureplay.panel import Axes, BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.crosssection import workspace

__all__ = ["leg_frame", "quantile_targets"]

_MOST_CAP: Final = 1e100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """Arrays and numbers that the kernels share; an empty block stands for a rule that is off."""

    rows: RowArray
    offsets: RowArray
    scores: FloatArray
    caps: FloatArray
    sectors: IndexArray
    members: BoolArray
    groups: int


def quantile_targets(
    scores: FloatArray,
    market: Market,
    settings: PortfolioSettings,
    *,
    sectors: IndexArray | None = None,
    members: BoolArray | None = None,
) -> Targets:
    """Outer quantiles of a score block as wanted weights, METHODS §5; rebalances in order of their rows.

    scores: (sessions, assets) on the market's axes, decided on at the close of the row; what is not finite is no score. sectors: number
    of each name's sector on the day, -1 = none; None = quantiles across the market. members: where a name may be held; None = everywhere.
    A row belongs to the one offset that its session's ordinal modulo grid_sessions gives; settings.offset picks one of them or all.

    Candidates of a row are the members with a score; with sectors those that have one; with weighting "cap" those with a market value
    above 0 on the day. With n candidates the top leg holds the n // quantiles names of highest average rank, the bottom leg those of
    lowest; names that tie are in together or out together, by their average rank. A name held by the last rebalance of the same offset
    stays in its leg while its rank is within floor(buffer × n) of the border, and cannot meanwhile enter the other leg. With sectors all
    of this happens within each sector by its own n; a sector with fewer candidates than quantiles gives none.

    Weights of a leg sum to ±1. Each sector weighs in it what it weighs among the candidates of the sectors that the leg holds: their
    number, or with "cap" their market value; within the sector names weigh the same, or by market value.

    A row whose leg (either one for long_short) has fewer than min_leg_names names is no rebalance, nor is one without any score: what
    was held stays, for the buffer too. Both are listed in `skipped`, the latter between the first and the last scored row of its offset.
    Raises TableError where a block does not fit the axes, InsufficientDataError where no row is a rebalance.
    """
    cut = _cut(scores, market, settings, sectors, members)
    zones = np.zeros((cut.rows.size, market.axes.shape[1]), dtype=np.uint8)
    scored, largest = np.zeros(cut.rows.size, dtype=np.int64), np.zeros(cut.rows.size, dtype=np.int64)
    over_blocks(lambda a, b: _zones_of(cut, settings, zones, scored, largest, a, b), cut.rows.size)
    legs, sizes = np.zeros(zones.shape, dtype=np.int8), np.zeros((2, cut.rows.size), dtype=np.int64)
    built = np.zeros(cut.rows.size, dtype=np.bool_)
    place = np.argsort(cut.offsets, kind="stable")
    bounds = np.append(np.flatnonzero(np.diff(cut.offsets[place], prepend=-1)), place.size)
    short, least = settings.kind == "long_short", settings.min_leg_names
    over_blocks(lambda a, b: leg_block(zones, place, bounds, short, least, legs, sizes, built, a, b), bounds.size - 1)
    if not built.any():
        raise InsufficientDataError(_none_built(settings, scored, sizes if short else sizes[:1], largest, cut.groups > 1))
    chosen = np.flatnonzero(built)
    starts = np.concatenate([[0], np.cumsum(sizes[:, chosen].sum(axis=0))])
    assets, weights = np.empty(starts[-1], dtype=np.int32), np.empty(starts[-1])
    by_cap = settings.weighting == "cap"
    over_blocks(
        lambda a, b: weight_block(zones, legs, chosen, cut.rows, cut.caps, cut.sectors, by_cap, cut.groups, starts, assets, weights, a, b),
        chosen.size,
    )
    return Targets(
        rows=cut.rows[chosen],
        offsets=cut.offsets[chosen],
        starts=starts,
        assets=assets,
        weights=weights,
        skipped=_skipped(cut, scored > 0, built, least),
    )


def leg_frame(targets: Targets, axes: Axes) -> pl.DataFrame:
    """Wanted weights as a frame date (of the decision), offset, asset, weight: in order of rebalances, then assets."""
    names = np.diff(targets.starts)
    return pl.DataFrame(
        {
            "date": axes.day_column(axes.sessions.dates).gather(np.repeat(targets.rows, names)),
            "offset": np.repeat(targets.offsets, names),
            "asset": pl.Series(axes.assets, dtype=pl.String).gather(targets.assets),
            "weight": targets.weights,
        }
    )


def _cut(scores: FloatArray, market: Market, settings: PortfolioSettings, sectors: IndexArray | None, members: BoolArray | None) -> _Cut:
    for name, block in (("scores", scores), ("sectors", sectors), ("members", members)):
        found = getattr(block, "shape", f"of a {type(block).__name__}")
        if block is not None and found != market.axes.shape:
            raise TableError(
                f"{name} are a block of shape {found}, but the market has {market.axes.shape} sessions and assets: "
                "put them on the market's axes"
            )
    if settings.weighting == "cap" and (market.caps > _MOST_CAP).any():
        raise TableError(
            f"{int((market.caps > _MOST_CAP).sum())} market values of the bars lie beyond {_MOST_CAP:g}, such as "
            f"{market.caps[market.caps > _MOST_CAP][0]:g}, and cannot be added up: leave them empty, or give them in another unit"
        )
    offsets = market.axes.sessions.ordinals % settings.grid_sessions
    rows = np.flatnonzero(offsets == settings.offset) if settings.offset != "all" else np.arange(offsets.size)
    return _Cut(
        rows=rows,
        offsets=offsets[rows],
        scores=np.ascontiguousarray(scores, dtype=np.float64),
        caps=np.ascontiguousarray(market.caps) if settings.weighting == "cap" else np.empty((0, 0)),
        sectors=np.empty((0, 0), dtype=np.int32) if sectors is None else np.ascontiguousarray(sectors, dtype=np.int32),
        members=np.empty((0, 0), dtype=np.bool_) if members is None else np.ascontiguousarray(members),
        groups=1 if sectors is None else max(int(sectors.max(initial=0)) + 1, 1),
    )


def _skipped(cut: _Cut, scored: BoolArray, built: BoolArray, least: int) -> dict[str, RowArray]:
    """Rows that are no rebalance by reason; a reason that never held is absent."""
    inside = np.zeros(scored.size, dtype=np.bool_)
    for each in np.unique(cut.offsets[scored]):
        mine = cut.offsets == each
        some = np.flatnonzero(mine & scored)
        inside[some[0] : some[-1]] |= mine[some[0] : some[-1]]
    found = {"no scores": inside & ~scored, f"fewer than {least} names in a leg": scored & ~built}
    return {reason: cut.rows[where] for reason, where in found.items() if where.any()}


def _none_built(settings: PortfolioSettings, scored: RowArray, sizes: RowArray, largest: RowArray, by_sector: bool) -> str:
    """What stood in the way of every rebalance."""
    names, leg = (int(each.max(initial=0)) for each in (largest, sizes.min(axis=0)))
    each = names // settings.quantiles
    where = " of one sector" if by_sector else ""
    ties = ", less those that tie across a border" if each >= settings.min_leg_names > leg else ""
    return (
        f"no session is a rebalance: {int((scored > 0).sum())} of {scored.size} sessions of the grid have scores, at most {names} scored "
        f"names{where} may be held, {'one name' if each == 1 else f'{each} names'} a quantile of {settings.quantiles}{ties}, and the "
        f"smaller leg never has more than {leg} of the {settings.min_leg_names} names needed: score more stocks, or take fewer quantiles "
        "or a smaller min_leg_names"
    )


def _zones_of(cut: _Cut, settings: PortfolioSettings, zones: FlagArray, scored: RowArray, largest: RowArray, start: int, stop: int) -> None:
    scratch = workspace(cut.scores.shape[1])
    zone_block(
        cut.scores,
        cut.caps,
        cut.sectors,
        cut.members,
        cut.rows,
        cut.groups,
        settings.quantiles,
        float(settings.buffer),
        scratch,
        zones,
        scored,
        largest,
        start,
        stop,
    )
