"""Turnover of the portfolio that a score asks for, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate.summary import is_whole
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.sessions import Sessions, sessions_per_year
from pureplay.stats.crosssection import Workspace, average_ranks, sort_finite, workspace
from pureplay.stats.jit import kernel

__all__ = ["Turnover", "turnover"]


LegArray = npt.NDArray[np.int8]
RowArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnover:
    """One-way turnover of the equal-weight top and bottom quantile, mean of the two legs, mean over rebalance offsets.

    per_rebalance: share of a leg that changes hands at a rebalance. annual: per_rebalance × sessions_per_year / grid; annual_min and
    annual_max: of the offsets. cost_drag_bps: cost per side in basis points → 2 × annual × that cost, a year. rebalances: counted
    over offsets, the first build of each left out.
    """

    per_rebalance: float
    annual: float
    annual_min: float
    annual_max: float
    sessions_per_year: float
    cost_drag_bps: Mapping[float, float]
    grid_sessions: int
    quantiles: int
    rebalances: int

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return {
            "per_rebalance": self.per_rebalance,
            "annual": self.annual,
            "annual_min": self.annual_min,
            "annual_max": self.annual_max,
            "sessions_per_year": self.sessions_per_year,
            "cost_drag_bps": {f"{cost:g}": drag for cost, drag in self.cost_drag_bps.items()},
            "grid_sessions": self.grid_sessions,
            "quantiles": self.quantiles,
            "rebalances": self.rebalances,
        }

    def __str__(self) -> str:
        drag = ", ".join(f"{value:.0f} bp a year at {cost:g} bp per side" for cost, value in self.cost_drag_bps.items())
        return (
            f"turnover, one way: {self.annual:.2f} times a year [{self.annual_min:.2f}, {self.annual_max:.2f}] over the offsets, "
            f"{100 * self.per_rebalance:.1f} % a rebalance every {self.grid_sessions} sessions" + (f"; cost drag {drag}" if drag else "")
        )


def turnover(
    scores: FloatArray,
    returns: FloatArray,
    traded: BoolArray,
    sessions: Sessions,
    *,
    grid_sessions: int = 20,
    quantiles: int = 5,
    cost_bps: Sequence[float] = (10.0, 30.0),
) -> Turnover:
    """Turnover of a score block, METHODS §5.

    scores, returns, traded: blocks (sessions, assets) on the same axes. A rebalance of an offset falls on the sessions whose ordinal modulo
    grid_sessions it is, at the close. A leg holds the n // quantiles names with the highest (lowest) average rank among the n with a
    finite score, in equal weights; names that tie are in together or not at all. In between, weights drift with the returns of
    days on which the name traded; any other day counts 0. One-way turnover = ½ Σ |new - drifted weight|. A session without a leg
    to build is no rebalance: what is held drifts on. Raises SettingError, and InsufficientDataError where no offset has two rebalances.
    """
    for name, value, least in (("grid_sessions", grid_sessions, 1), ("quantiles", quantiles, 2)):
        if not is_whole(value) or value < least:
            raise SettingError(f"{name} must be a whole number of at least {least}, not {value!r}")
    legs, held = np.zeros(scores.shape, dtype=np.int8), np.zeros((2, scores.shape[0]), dtype=np.int64)
    over_blocks(lambda a, b: _leg_block(scores, quantiles, workspace(scores.shape[1]), legs, held, a, b), scores.shape[0])
    offset = sessions.ordinals % grid_sessions
    before = np.stack([_previous(row > 0, offset) for row in held])
    changed = np.full(held.shape, np.nan)
    over_blocks(lambda a, b: _change_block(legs, held, before, returns, traded, changed, a, b), scores.shape[0])
    by_offset = _by_offset(changed, offset)
    if not by_offset.size:
        raise InsufficientDataError(
            f"turnover: no rebalance offset has two sessions with {quantiles} scores or more, {grid_sessions} sessions apart "
            f"({int((held > 0).any(axis=0).sum())} of {scores.shape[0]} sessions have them): give a longer sample or a shorter grid"
        )
    yearly = sessions_per_year(sessions)
    annual = by_offset * yearly / grid_sessions
    mean = float(annual.mean())
    return Turnover(
        per_rebalance=float(by_offset.mean()),
        annual=mean,
        annual_min=float(annual.min()),
        annual_max=float(annual.max()),
        sessions_per_year=yearly,
        cost_drag_bps={float(cost): 2 * mean * float(cost) for cost in cost_bps},
        grid_sessions=grid_sessions,
        quantiles=quantiles,
        rebalances=int(np.isfinite(changed).any(axis=0).sum()),
    )


def _previous(built: BoolArray, offset: RowArray) -> RowArray:
    """Row of the rebalance before each one on the same offset, -1 where there is none."""
    out = np.full(built.size, -1, dtype=np.int64)
    for each in np.unique(offset[built]):
        rows = np.flatnonzero(built & (offset == each))
        out[rows[1:]] = rows[:-1]
    return out


def _by_offset(changed: FloatArray, offset: RowArray) -> FloatArray:
    """Mean one-way turnover of each offset that has some: over the rebalances of a leg, then over the legs."""
    found = []
    for each in np.unique(offset):
        legs = [row[(offset == each) & np.isfinite(row)] for row in changed]
        means = [leg.mean() for leg in legs if leg.size]
        if means:
            found.append(np.mean(means))
    return np.array(found)


@kernel
def _leg_block(scores: FloatArray, quantiles: int, scratch: Workspace, legs: LegArray, held: RowArray, start: int, stop: int) -> None:
    assets = scores.shape[1]
    order, ranks, keep = np.empty(assets, np.int32), np.empty(assets), np.ones(assets, np.bool_)
    for t in range(start, stop):
        n = sort_finite(scores[t], order, scratch)
        average_ranks(scores[t], order, n, keep, ranks)
        size = n // quantiles
        for k in range(n):
            i = order[k]
            if ranks[i] >= n + 1 - size:
                legs[t, i] = 1
                held[0, t] += 1
            elif ranks[i] <= size:
                legs[t, i] = 2
                held[1, t] += 1


@kernel
def _change_block(
    legs: LegArray, held: RowArray, before: RowArray, returns: FloatArray, traded: BoolArray, changed: FloatArray, start: int, stop: int
) -> None:
    """One-way turnover of the rebalance on each date against the drifted portfolio of the one before."""
    assets = legs.shape[1]
    worth, member = np.empty(assets), np.empty(assets, np.int64)
    for t in range(start, stop):
        for leg in range(2):
            first = before[leg, t]
            if first < 0:
                continue
            n = 0
            for i in range(assets):
                worth[i] = 0.0
                if legs[first, i] == leg + 1:
                    worth[i] = 1.0
                    member[n] = i
                    n += 1
            for s in range(first + 1, t + 1):
                for k in range(n):
                    i = member[k]
                    if traded[s, i] and np.isfinite(returns[s, i]):
                        worth[i] *= 1.0 + returns[s, i]
            total = 0.0
            for k in range(n):
                total += worth[member[k]]
            scale, new, moved = 1.0 / total if total > 0.0 else 0.0, 1.0 / held[leg, t], 0.0
            for i in range(assets):
                moved += abs((new if legs[t, i] == leg + 1 else 0.0) - worth[i] * scale)
            changed[leg, t] = 0.5 * moved
