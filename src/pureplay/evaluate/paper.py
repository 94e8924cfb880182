"""The frictionless long-short portfolio that a score asks for: what source studies report, before costs, limits and short-sale bans."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.sessions import Sessions, sessions_per_year
from pureplay.stats.crosssection import Workspace, average_ranks, sort_finite, workspace
from pureplay.stats.given import require_whole
from pureplay.stats.inference import MeanTest, ewc_test
from pureplay.stats.jit import kernel

__all__ = ["PaperLongShort", "paper_long_short"]

_MOST_RETURN: Final = 1e6
_LEAST: Final = {"quantiles": 2, "grid_sessions": 1, "delay_sessions": 1}

RowArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLongShort:
    """Equal-weight top less bottom quantile, 1 of capital long and 1 short (gross exposure 2), without any cost.

    annual_return: mean daily return × sessions a year, not compounded, mean over rebalance offsets; _min and _max: of the offsets.
    sharpe: mean / sd (ddof 1) of an offset's daily returns × √(sessions a year), likewise. test: EWC test of the mean daily return of all
    offsets held side by side. names: of a leg, median over rebalances and legs. rebalances: counted over offsets. daily: date, ret (mean
    over the offsets that hold something, null without any), offsets (how many do).
    """

    annual_return: float
    annual_return_min: float
    annual_return_max: float
    sharpe: float
    sharpe_min: float
    sharpe_max: float
    test: MeanTest
    sessions_per_year: float
    quantiles: int
    grid_sessions: int
    delay_sessions: int
    names: float
    rebalances: int
    offsets: int
    daily: pl.DataFrame
    gross_exposure: float = 2.0

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, without the daily returns."""
        plain = ("annual_return", "annual_return_min", "annual_return_max", "sharpe", "sharpe_min", "sharpe_max", "sessions_per_year")
        more = ("quantiles", "grid_sessions", "delay_sessions", "names", "rebalances", "offsets", "gross_exposure")
        return {name: getattr(self, name) for name in (*plain, *more)} | {"t_ewc": self.test.t, "p_ewc": self.test.p}

    def __str__(self) -> str:
        return (
            f"long-short on paper, gross exposure {self.gross_exposure:g}, no costs: {100 * self.annual_return:+.2f} % a year "
            f"[{100 * self.annual_return_min:+.2f}, {100 * self.annual_return_max:+.2f}] over {self.offsets} offsets, Sharpe "
            f"{self.sharpe:+.2f} [{self.sharpe_min:+.2f}, {self.sharpe_max:+.2f}], EWC t {self.test.t:+.2f}, {self.names:.0f} names a leg"
        )


def paper_long_short(
    scores: FloatArray,
    returns: FloatArray,
    traded: BoolArray,
    sessions: Sessions,
    *,
    quantiles: int = 5,
    grid_sessions: int = 20,
    delay_sessions: int = 1,
) -> PaperLongShort:
    """Return of the outer quantiles of a score block, METHODS §5, as a diagnostic: no fee, no price limit, no ban on short sales.

    scores, returns, traded: blocks (sessions, assets) on the same axes. Legs are cut on the sessions t whose ordinal modulo grid_sessions
    is the offset: the n // quantiles names with the highest (lowest) average rank among the n with a finite score, ties in together or
    not at all, before any return is looked at. Of these, the names that trade at the close of t + delay_sessions are bought (sold) there
    in equal weights and held for grid_sessions sessions, or to the next rebalance of the offset where sessions are absent. Weights drift
    with the returns of days on which a name trades; any other day counts 0. A session's return is that of the long leg less that of the
    short one, both brought back to the capital at each close; a leg that has lost everything earns 0. Where a leg has no name there is
    no rebalance, and the offset is out of the market until its next one: such sessions are left out, not 0.

    Raises SettingError, and InsufficientDataError where no offset has two sessions with a return.
    """
    for name, value in (("quantiles", quantiles), ("grid_sessions", grid_sessions), ("delay_sessions", delay_sessions)):
        require_whole(value, name, _LEAST[name])
    rows, assets = _require_blocks(scores, returns, traded, sessions)
    gained, held = np.full((rows, min(grid_sessions, rows)), np.nan), np.zeros((rows, 2), dtype=np.int64)
    over_blocks(lambda a, b: _held_block(scores, returns, traded, quantiles, delay_sessions, workspace(assets), gained, held, a, b), rows)
    built = np.asarray((held > 0).all(axis=1))
    by_offset = _by_offset(gained, built, sessions.ordinals % grid_sessions, delay_sessions)
    by_offset = by_offset[np.isfinite(by_offset).sum(axis=1) >= 2]
    if not by_offset.size:
        raise InsufficientDataError(
            f"long-short on paper: no rebalance offset has two sessions with a return ({int(built.sum())} of {rows} "
            f"sessions have names in both outer {quantiles}-quantiles that trade {delay_sessions} later): give more scores"
        )
    return _figures(by_offset, held, sessions, quantiles=quantiles, grid=grid_sessions, delay=delay_sessions)


def _require_blocks(scores: FloatArray, returns: FloatArray, traded: BoolArray, sessions: Sessions) -> tuple[int, int]:
    """Shape of the blocks; raises SettingError where they do not fit one another or hold what no return can be."""
    for name, block, kinds in (("scores", scores, "fiu"), ("returns", returns, "fiu"), ("traded", traded, "b")):
        given: object = block
        if not isinstance(given, np.ndarray) or given.ndim != 2 or given.dtype.kind not in kinds:
            found = f"{given.dtype} of shape {given.shape}" if isinstance(given, np.ndarray) else f"a {type(given).__name__}"
            raise SettingError(f"{name} must be a block (sessions, assets) of {'flags' if kinds == 'b' else 'numbers'}, not {found}")
        if block.shape != (len(sessions), scores.shape[1]):
            raise SettingError(
                f"{name} has the shape {block.shape}, but there are {len(sessions)} sessions and scores of {scores.shape[1]} assets: "
                "put all blocks on the same axes"
            )
    odd = np.isfinite(returns) & ((returns < -1.0) | (returns > _MOST_RETURN))
    if odd.any():
        raise SettingError(
            f"returns must be decimals from -1 to {_MOST_RETURN:g}, but {int(odd.sum())} are not, such as {returns[odd][0]:g}: correct "
            "them, or set them to NaN"
        )
    return len(sessions), int(scores.shape[1])


def _figures(by_offset: FloatArray, held: RowArray, sessions: Sessions, *, quantiles: int, grid: int, delay: int) -> PaperLongShort:
    yearly = sessions_per_year(sessions)
    means = np.array([row[np.isfinite(row)].mean() for row in by_offset])
    sds = np.array([row[np.isfinite(row)].std(ddof=1) for row in by_offset])
    annual = means * yearly
    sharpes = (means / np.where(sds > 0, sds, np.nan) * math.sqrt(yearly))[sds > 0]
    some = np.isfinite(by_offset)
    counts = some.sum(axis=0)
    daily = np.divide(np.where(some, by_offset, 0.0).sum(axis=0), counts, out=np.full(counts.size, np.nan), where=counts > 0)
    built = (held > 0).all(axis=1)
    return PaperLongShort(
        annual_return=float(annual.mean()),
        annual_return_min=float(annual.min()),
        annual_return_max=float(annual.max()),
        sharpe=float(sharpes.mean()) if sharpes.size else math.nan,
        sharpe_min=float(sharpes.min()) if sharpes.size else math.nan,
        sharpe_max=float(sharpes.max()) if sharpes.size else math.nan,
        test=ewc_test(daily),
        sessions_per_year=yearly,
        quantiles=quantiles,
        grid_sessions=grid,
        delay_sessions=delay,
        names=float(np.median(held[built])),
        rebalances=int(built.sum()),
        offsets=int(by_offset.shape[0]),
        daily=pl.DataFrame({"date": pl.Series(sessions.dates).cast(pl.Date), "ret": pl.Series(daily).fill_nan(None), "offsets": counts}),
    )


def _by_offset(gained: FloatArray, built: BoolArray, offset: RowArray, delay: int) -> FloatArray:
    """Daily returns by offset and session; NaN where an offset holds nothing."""
    every = np.unique(offset)
    rows, grid = gained.shape
    out = np.full((every.size, rows), np.nan)
    for place, each in enumerate(every):
        starts = np.flatnonzero(built & (offset == each))
        for start, following in zip(starts, np.append(starts, rows)[1:], strict=True):
            last = min(start + delay + grid, following + delay, rows - 1)
            first = start + delay + 1
            out[place, first : last + 1] = gained[start, : last + 1 - first]
    return out


@kernel
def _held_block(
    scores: FloatArray,
    returns: FloatArray,
    traded: BoolArray,
    quantiles: int,
    delay: int,
    scratch: Workspace,
    gained: FloatArray,
    held: RowArray,
    start: int,
    stop: int,
) -> None:
    """Names bought on each rebalance, and the long-short return of each session after it."""
    rows, assets = scores.shape
    order, ranks, keep = np.empty(assets, np.int32), np.empty(assets), np.ones(assets, np.bool_)
    member, worth, total = np.empty((2, assets), np.int64), np.empty((2, assets)), np.empty(2)
    for t in range(start, min(stop, rows - delay)):
        n = sort_finite(scores[t], order, scratch)
        average_ranks(scores[t], order, n, keep, ranks)
        size = n // quantiles
        for k in range(n):
            i = order[k]
            leg = 0 if ranks[i] >= n + 1 - size else 1 if ranks[i] <= size else -1
            if leg >= 0 and traded[t + delay, i]:
                member[leg, held[t, leg]] = i
                held[t, leg] += 1
        if held[t, 0] == 0 or held[t, 1] == 0:
            continue
        for leg in range(2):
            worth[leg, : held[t, leg]] = 1.0
            total[leg] = held[t, leg]
        for s in range(t + delay + 1, min(t + delay + 1 + gained.shape[1], rows)):
            gained[t, s - t - delay - 1] = _earn(0, member, worth, total, held[t, 0], returns[s], traded[s]) - _earn(
                1, member, worth, total, held[t, 1], returns[s], traded[s]
            )


@kernel
def _earn(leg: int, member: RowArray, worth: FloatArray, total: FloatArray, names: int, returns: FloatArray, traded: BoolArray) -> float:
    """Return of a leg in a session; its names' worth and their sum move on."""
    before, now = total[leg], 0.0
    for k in range(names):
        i = member[leg, k]
        if traded[i] and np.isfinite(returns[i]):
            worth[leg, k] *= 1.0 + returns[i]
        now += worth[leg, k]
    total[leg] = now
    return now / before - 1.0 if before > 0.0 else 0.0
