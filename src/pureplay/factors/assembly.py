"""From raw exposures to the columns of a base: composites, orthogonal factors, one scale, and what is missing filled and flagged."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pureplay.errors import TableError
from pureplay.factors.families import COMPOSITES, CUBES, ORTHOGONAL
from pureplay.factors.standardise import combine, standardise
from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel
from pureplay.stats.regression import weighted_fill, weighted_residuals

__all__ = ["Columns", "RawBlocks", "fill_missing", "standardised_columns"]

RawBlocks = Iterable[tuple[str, FloatArray]]
"""Raw exposures and parts of composites by name, one after the other, so that no more than a few blocks are held at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Standardised exposures: values (sessions, columns, assets), and (sessions, columns) whether the column is in force on the date."""

    names: tuple[str, ...]
    values: FloatArray
    in_force: BoolArray


def standardised_columns(market: Market, raw: RawBlocks, names: tuple[str, ...], *, winsorise_sd: float | None) -> Columns:
    """Columns `names`, each on the scale of `standardise`, NaN where the stock did not trade or the factor is unknown.

    Composites are weighted sums of their standardised parts (half of the weight has to be there), cubes are those of the standardised
    factor; orthogonal factors are √cap-weighted residuals on the standardised ones, which leaves out stocks without a cap. A column is in
    force on a date when at least half of the stocks that traded have a value of their own, so that warm-up ends by itself; on any
    other date it is NaN. Raises TableError where `raw` lacks a name or a part of one.
    """
    columns = Columns(
        names=names,
        values=np.empty((market.axes.shape[0], len(names), market.axes.shape[1])),
        in_force=np.zeros((market.axes.shape[0], len(names)), dtype=bool),
    )
    given = _take_raw(columns, market, raw, winsorise_sd)
    weights = root_caps(market)
    for name in (each for each in names if each in ORTHOGONAL):
        if name in CUBES:
            cubed = np.ascontiguousarray(columns.values[:, names.index(CUBES[name])])
            block = cubed * cubed * cubed
        else:
            block = given.pop(name)
        against = columns.values[:, [names.index(each) for each in ORTHOGONAL[name]]]
        _settle(columns, market, name, weighted_residuals(block, against, weights, market.traded).residual, winsorise_sd)
    return columns


def _take_raw(columns: Columns, market: Market, raw: RawBlocks, winsorise_sd: float | None) -> dict[str, FloatArray]:
    """Settle the columns that need no other one; returns the composites that are still to be made orthogonal."""
    wanted = [name for name in columns.names if name not in CUBES]
    part_of = {part: name for name in wanted if name in COMPOSITES for part in COMPOSITES[name]}
    parts: dict[str, dict[str, FloatArray]] = {name: {} for name in wanted if name in COMPOSITES}
    settled, open_ended = set(CUBES), dict[str, FloatArray]()
    for key, block in raw:
        if key in wanted:
            _settle(columns, market, key, block, winsorise_sd)
            settled.add(key)
        elif key in part_of:
            name = part_of[key]
            parts[name][key] = standardise(block, market.traded, market.caps, winsorise_sd=winsorise_sd)
            if len(parts[name]) < len(COMPOSITES[name]):
                continue
            held = parts.pop(name)
            summed = combine((held[part], weight) for part, weight in COMPOSITES[name].items())
            settled.add(name)
            if name in ORTHOGONAL:
                open_ended[name] = summed
            else:
                _settle(columns, market, name, summed, winsorise_sd)
    absent = [name for name in columns.names if name not in settled]
    if absent:
        raise TableError(f"there are no raw exposures for {', '.join(absent)}, or not for all of their parts: add them or drop the names")
    return open_ended


def _settle(columns: Columns, market: Market, name: str, block: FloatArray, winsorise_sd: float | None) -> None:
    """Standardise a block into its column, where the column is in force."""
    scaled, k = standardise(block, market.traded, market.caps, winsorise_sd=winsorise_sd), columns.names.index(name)
    over_blocks(lambda start, stop: _settle_block(scaled, market.traded, columns.values, columns.in_force, k, start, stop), scaled.shape[0])


def root_caps(market: Market) -> FloatArray:
    """Weights of every cross-sectional regression here: √cap, NaN where the cap is unknown."""
    out = np.full(market.caps.shape, np.nan)
    return np.sqrt(market.caps, out=out, where=np.isfinite(market.caps) & (market.caps > 0))


@kernel
def _settle_block(scaled: FloatArray, traded: BoolArray, values: FloatArray, in_force: BoolArray, k: int, start: int, stop: int) -> None:
    for t in range(start, stop):
        known, trades = 0, 0
        for i in range(scaled.shape[1]):
            trades += traded[t, i]
            known += np.isfinite(scaled[t, i])
        in_force[t, k] = known > 0 and 2 * known >= trades
        for i in range(scaled.shape[1]):
            values[t, k, i] = scaled[t, i] if in_force[t, k] else np.nan


def fill_missing(columns: Columns, market: Market, groups: IndexArray | None) -> BoolArray:
    """Put an estimate in place of every missing exposure of a traded stock with a cap, and return where that was done.

    On dates on which a column is in force: the fit of the √cap-weighted regression of the standardised column on industry dummies and
    size; on size alone for stocks whose industry is unknown or has no stock with a value, and without industries. Size itself is
    never filled. Values are not standardised again.
    """
    filled = np.zeros(columns.values.shape, dtype=bool)
    weights = root_caps(market)
    size = np.ascontiguousarray(columns.values[:, columns.names.index("size")])
    for k, name in enumerate(columns.names):
        target = np.ascontiguousarray(columns.values[:, k])
        eligible = market.traded & columns.in_force[:, k, None]
        if name == "size" or not (eligible & np.isnan(target) & np.isfinite(size)).any():
            continue
        better = target
        for labels in (groups, None) if groups is not None else (None,):
            estimate = weighted_fill(target, size[:, None], weights, eligible, groups=labels)
            better = np.where(np.isnan(better), estimate, better)
            if not (eligible & np.isnan(better) & np.isfinite(size)).any():
                break
        filled[:, k] = np.isnan(target) & np.isfinite(better)
        columns.values[:, k] = better
    return filled
