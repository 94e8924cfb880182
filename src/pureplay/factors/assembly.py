"""From raw exposures to the columns of a base: composites, orthogonal factors, one scale, and what is missing filled and flagged."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pureplay.errors import TableError
from pureplay.factors.families import COMPOSITES, CUBES, ORTHOGONAL
from pureplay.factors.standardise import combine, standardise
from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel
from pureplay.stats.regression import weighted_fill, weighted_residuals

__all__ = ["Columns", "RawBlocks", "fill_missing", "root_caps", "standardised_columns"]

_SLAB: Final = 256
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
    _take_raw(columns, market, raw, winsorise_sd)
    for name in (each for each in names if each in ORTHOGONAL):
        for rows in _slabs(market):
            _settle(columns, market, name, _residual(columns, market, name, rows), winsorise_sd, rows)
    return columns


def _slabs(market: Market) -> Iterator[slice]:
    """The sessions in slabs: what is made on the way fits into memory that is at hand already, however long the market."""
    sessions = market.axes.shape[0]
    return (slice(first, min(first + _SLAB, sessions)) for first in range(0, sessions, _SLAB))


def _residual(columns: Columns, market: Market, name: str, rows: slice) -> FloatArray:
    """Residual of a composite, or of a cube, on the standardised factors that it is made orthogonal to."""
    here, place = columns.values[rows], columns.names.index
    block = np.ascontiguousarray(here[:, place(CUBES.get(name, name))])
    if name in CUBES:
        block = block * block * block
    against = np.ascontiguousarray(here[:, [place(each) for each in ORTHOGONAL[name]]])
    return weighted_residuals(block, against, root_caps(market.caps[rows]), market.traded[rows]).residual


def _take_raw(columns: Columns, market: Market, raw: RawBlocks, winsorise_sd: float | None) -> None:
    """Settle the columns that need no other one, and put the composites that are to be made orthogonal where they belong."""
    wanted = [name for name in columns.names if name not in CUBES]
    part_of = {part: name for name in wanted if name in COMPOSITES for part in COMPOSITES[name]}
    parts: dict[str, dict[str, FloatArray]] = {name: {} for name in wanted if name in COMPOSITES}
    settled = set(CUBES)
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
                columns.values[:, columns.names.index(name)] = summed
            else:
                _settle(columns, market, name, summed, winsorise_sd)
    absent = [name for name in columns.names if name not in settled]
    if absent:
        raise TableError(f"there are no raw exposures for {', '.join(absent)}, or not for all of their parts: add them or drop the names")


def _settle(columns: Columns, market: Market, name: str, block: FloatArray, winsorise_sd: float | None, rows: slice = slice(None)) -> None:
    """Standardise a block of some sessions into its column, where the column is in force."""
    values, in_force, traded, k = columns.values[rows], columns.in_force[rows], market.traded[rows], columns.names.index(name)
    scaled = standardise(block, traded, market.caps[rows], winsorise_sd=winsorise_sd)
    over_blocks(lambda start, stop: _settle_block(scaled, traded, values, in_force, k, start, stop), scaled.shape[0])


def root_caps(caps: FloatArray) -> FloatArray:
    """Weights of every cross-sectional regression here: √cap, NaN where the cap is unknown."""
    return np.sqrt(caps, out=np.full(caps.shape, np.nan), where=np.isfinite(caps) & (caps > 0))


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
    size. A stock whose industry is unknown, or has no stock with a value, gets the mean effect of the industries; where there are
    fewer stocks than that takes, and without industries, size alone is used. Size itself is never filled. Values are not
    standardised again.
    """
    filled = np.zeros(columns.values.shape, dtype=bool)
    for rows in _slabs(market):
        here = replace(columns, values=columns.values[rows], in_force=columns.in_force[rows])
        labels = None if groups is None else groups[rows]
        _fill_slab(here, market.traded[rows], root_caps(market.caps[rows]), labels, filled[rows])
    return filled


def _fill_slab(columns: Columns, traded: BoolArray, weights: FloatArray, groups: IndexArray | None, filled: BoolArray) -> None:
    size = np.ascontiguousarray(columns.values[:, columns.names.index("size")])
    sized = traded & np.isfinite(size)
    for k, name in enumerate(columns.names):
        target = np.ascontiguousarray(columns.values[:, k])
        wanted = sized & columns.in_force[:, k, None] & np.isnan(target)
        if name == "size" or not wanted.any():
            continue
        eligible = traded & columns.in_force[:, k, None]
        better = weighted_fill(target, size[:, None], weights, eligible, groups)
        if groups is not None and np.isnan(better[wanted]).any():
            better = np.where(np.isnan(better), weighted_fill(target, size[:, None], weights, eligible), better)
        filled[:, k] = wanted & np.isfinite(better)
        columns.values[:, k] = better
