"""From raw exposures to the columns of a base: composites, orthogonal factors, one scale, and what is missing filled and flagged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pureplay.factors.families import COMPOSITES, CUBES, ORTHOGONAL
from pureplay.factors.standardise import combine, standardise
from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel
from pureplay.stats.regression import weighted_fill, weighted_residuals

__all__ = ["Columns", "RawBlocks", "fill_missing", "standardised_columns"]

RawBlocks = Mapping[str, FloatArray | Callable[[], FloatArray]]
"""Raw exposures by name, as blocks or as what makes them when they are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Standardised exposures: values (sessions, columns, assets), and (sessions, columns) whether the column is in force on the date."""

    names: tuple[str, ...]
    values: FloatArray
    in_force: BoolArray


def standardised_columns(market: Market, raw: RawBlocks, names: tuple[str, ...], *, winsorise_sd: float | None) -> Columns:
    """Columns `names`, each on the scale of `standardise`, NaN where the stock did not trade or the factor is unknown.

    Composites are weighted sums of their standardised parts (half of the weight has to be there), cubes are those of the standardised
    factor; orthogonal factors are √cap-weighted residuals on the standardised ones, which leaves out stocks without a cap. `raw` is
    asked for one block at a time. A column is in force on a date when at least half of the stocks that traded have a value of
    their own, so that warm-up ends by itself; on any other date it is NaN.
    """
    columns = Columns(
        names=names,
        values=np.empty((market.axes.shape[0], len(names), market.axes.shape[1])),
        in_force=np.zeros((market.axes.shape[0], len(names)), dtype=bool),
    )
    weights = root_caps(market)
    for k, name in enumerate(names):
        block = _unscaled(columns, market, raw, name, winsorise_sd)
        if name in ORTHOGONAL:
            against = columns.values[:, [names.index(each) for each in ORTHOGONAL[name]]]
            block = weighted_residuals(block, against, weights, market.traded).residual
        scaled = standardise(block, market.traded, market.caps, winsorise_sd=winsorise_sd)
        over_blocks(_settling(scaled, market.traded, columns, k), scaled.shape[0])
    return columns


def root_caps(market: Market) -> FloatArray:
    """Weights of every cross-sectional regression here: √cap, NaN where the cap is unknown."""
    out = np.full(market.caps.shape, np.nan)
    return np.sqrt(market.caps, out=out, where=np.isfinite(market.caps) & (market.caps > 0))


def _unscaled(columns: Columns, market: Market, raw: RawBlocks, name: str, winsorise_sd: float | None) -> FloatArray:
    if name in CUBES:
        given = np.ascontiguousarray(columns.values[:, columns.names.index(CUBES[name])])
        return given * given * given
    if name not in COMPOSITES:
        return _made(raw, name)
    parts = COMPOSITES[name].items()
    return combine((standardise(_made(raw, part), market.traded, market.caps, winsorise_sd=winsorise_sd), weight) for part, weight in parts)


def _made(raw: RawBlocks, name: str) -> FloatArray:
    block = raw[name]
    return block() if callable(block) else block


def _settling(scaled: FloatArray, traded: BoolArray, columns: Columns, k: int) -> Callable[[int, int], None]:
    return lambda start, stop: _settle_block(scaled, traded, columns.values, columns.in_force, k, start, stop)


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
