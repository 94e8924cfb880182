"""Intervals of an ICIR by stationary bootstrap of the daily IC (Politis & Romano 1994), on one grid or over all rebalance offsets."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.panel import FloatArray
from pureplay.stats.bootstrap import block_starts, drawn_icirs, quantile_se
from pureplay.stats.given import is_number, is_whole_number
from pureplay.stats.given import series as given_series

__all__ = ["FEWEST_ON_GRID", "IcirInterval", "automatic_block", "icir_interval", "offset_interval"]

FEWEST_ON_GRID: Final = 3  # dates that an offset needs for an ICIR
_MOST_DRAWS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IcirInterval:
    """An ICIR with the equal-tailed percentile interval of its bootstrap draws.

    low, high: the (1 ± level) / 2 quantiles. low_se, high_se: their Monte-Carlo errors. sd: of the draws. n: dates with an IC. draws:
    those that gave a figure. mean_block: mean length of a block, in entries of the series.
    """

    estimate: float
    low: float
    high: float
    level: float
    low_se: float
    high_se: float
    sd: float
    n: int
    draws: int
    mean_block: float


def icir_interval(
    ic: FloatArray, *, rng: np.random.Generator, mean_block: float | None = None, level: float = 0.95, draws: int = 1000
) -> IcirInterval:
    """Interval of mean / sd (ddof 1) of one series of ICs, such as those of a rebalance grid.

    ic: one entry a rebalance, NaN where skipped. mean_block: in entries; None = `automatic_block`. Raises InsufficientDataError where
    fewer than four blocks or three dates have an IC, or it does not vary.
    """
    ic = given_series(ic, "ic")
    return _interval(ic, np.zeros(ic.size, dtype=np.int64), rng, mean_block, level, draws)


def offset_interval(
    ic: FloatArray,
    offset: npt.NDArray[np.int64],
    *,
    rng: np.random.Generator,
    mean_block: float | None = None,
    level: float = 0.95,
    draws: int = 1000,
) -> IcirInterval:
    """Interval of the mean ICIR over rebalance offsets, all offsets drawn jointly from the daily IC.

    ic: daily IC, NaN where skipped; sessions before the first IC and after the last take no part. offset: of each session. mean_block:
    in sessions, at least the overlap of the windows; None = `automatic_block`. Blocks break the dependence, so the interval is
    somewhat too narrow: docs/inference.md has its measured coverage. Raises as `icir_interval`.
    """
    ic = given_series(ic, "ic")
    if offset.shape != ic.shape:
        raise SettingError(f"offset has shape {offset.shape}, the IC {ic.shape}: give the offset of every session")
    return _interval(ic, offset, rng, mean_block, level, draws)


def automatic_block(series: FloatArray) -> float:
    """Mean block of the stationary bootstrap that suits the mean of a series (Politis & White 2004, corrected 2009), at least 1.

    Computed by arch on the finite entries; for an ICIR it is a guide, not an optimum. Raises InsufficientDataError below 10 entries or
    where they do not vary.
    """
    known = given_series(series, "series")
    x = known[np.isfinite(known)]
    if x.size < 10 or x.min() == x.max():
        raise InsufficientDataError(f"{x.size} entries are known{_same(x)}; 10 that vary are required: give mean_block instead")
    from arch.bootstrap import optimal_block_length

    return max(float(optimal_block_length(x)["stationary"].iloc[0]), 1.0)


def _interval(
    ic: FloatArray, offset: npt.NDArray[np.int64], rng: np.random.Generator, mean_block: float | None, level: float, draws: int
) -> IcirInterval:
    if not isinstance(rng, np.random.Generator):
        raise SettingError(f"rng must be a generator such as numpy.random.default_rng(0), not a {type(rng).__name__}")
    if mean_block is not None and not (is_number(mean_block) and 1 <= mean_block < np.inf):
        raise SettingError(f"mean_block must be at least 1 and finite, not {mean_block!r}")
    if not (is_number(level) and 0 < level < 1):
        raise SettingError(f"level must lie between 0 and 1, not {level}")
    if not is_whole_number(draws, 1) or draws > _MOST_DRAWS:
        raise SettingError(f"draws must be at least 1, a whole number of at most {_MOST_DRAWS}, not {draws!r}")
    dates = np.flatnonzero(np.isfinite(ic))
    block = automatic_block(ic) if mean_block is None else mean_block
    needed = max(FEWEST_ON_GRID, 4 * block)
    if dates.size < needed or ic[dates].min() == ic[dates].max():
        raise InsufficientDataError(
            f"{dates.size} dates have an IC{_same(ic[dates])}; {needed:g} that vary are required for blocks of {block:g}: "
            "widen the period or shorten the blocks"
        )
    span = slice(dates[0], dates[-1] + 1)
    series, (grids, group) = ic[span], np.unique(offset[span], return_inverse=True)
    whole = np.arange(series.size)[None, :]
    shape = (group.astype(np.int64), grids.size)
    itself = drawn_icirs(series, *shape, whole == 0, whole * 0, fewest=FEWEST_ON_GRID)  # one block: the series as it is
    fresh, start = block_starts(series.size, draws, mean_block=block, rng=rng)
    drawn = drawn_icirs(series, *shape, fresh, start, fewest=FEWEST_ON_GRID)
    drawn = drawn[:, np.isfinite(drawn).any(axis=0)]
    if not np.isfinite(itself).any() or not drawn.shape[1]:
        raise InsufficientDataError(f"no offset has {FEWEST_ON_GRID} dates with an IC that varies: widen the period or the grid")
    means, tail = np.nanmean(drawn, axis=0), (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return IcirInterval(
        estimate=float(np.nanmean(itself)),
        low=float(low),
        high=float(high),
        level=level,
        low_se=quantile_se(means, tail),
        high_se=quantile_se(means, 1 - tail),
        sd=float(means.std()),
        n=dates.size,
        draws=means.size,
        mean_block=float(block),
    )


def _same(x: FloatArray) -> str:
    return ", all the same" if x.size and x.min() == x.max() else ""
