"""Figures of many daily IC series at once: a row for every base, horizon and period, the same bits as `summarise` gives."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import SettingError
from pureplay.evaluate.cells import BaseCell
from pureplay.evaluate.orthogonal import Evaluator
from pureplay.evaluate.summary import Timing, window_closes
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import DayArray, Sessions
from pureplay.stats.inference import FEWEST_ON_GRID, ewc_test, newey_west_t
from pureplay.stats.orthogonal import CONTAINED

__all__ = ["FIGURE_COLUMNS", "BaseDays", "battery_figures", "mean_icir", "offset_icirs"]

Int64Array = npt.NDArray[np.int64]

FIGURE_COLUMNS: Final[dict[str, type[pl.DataType]]] = {
    "group": pl.String,
    "label": pl.String,
    "x": pl.Float64,
    "seed": pl.Int64,
    "k_columns": pl.Int64,
    "horizon_sessions": pl.Int64,
    "period": pl.String,
    "icir": pl.Float64,
    "icir_deflated": pl.Float64,
    "icir_min": pl.Float64,
    "icir_max": pl.Float64,
    "n_positive": pl.Int64,
    "n_offsets": pl.Int64,
    "mean_ic": pl.Float64,
    "sd_ic": pl.Float64,
    "n_dates": pl.Int64,
    "se_mean": pl.Float64,
    "t_ewc": pl.Float64,
    "t_newey_west": pl.Float64,
    "variance_left": pl.Float64,
    "reason": pl.String,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDays:
    """Daily results of bases over sessions [first, last).

    ic, reason: (bases, horizons, sessions), reason 0 where ic is a number. names: (horizons, sessions). left: (bases, sessions), share of
    the signal's variance that a base leaves. fitted: (sessions,), names that every base is fitted on.
    """

    first: int
    last: int
    ic: FloatArray
    names: Int64Array
    reason: Int64Array
    left: FloatArray
    fitted: Int64Array

    @staticmethod
    def joined(parts: Sequence["BaseDays"]) -> "BaseDays":
        """The blocks put together, in any order; raises SettingError where they overlap or leave a gap."""
        ordered = sorted(parts, key=lambda part: part.first)
        wrong = [f"[{a.first}, {a.last}) and [{b.first}, {b.last})" for a, b in pairwise(ordered) if a.last != b.first]
        if wrong or not ordered:
            raise SettingError(f"blocks of sessions must follow on one another, not {'; '.join(wrong) or 'be none'}: run what is missing")
        if len({(part.ic.shape[:2]) for part in ordered}) > 1:
            raise SettingError("blocks of sessions must have the same bases and horizons: run them with one plan")
        return BaseDays(
            first=ordered[0].first,
            last=ordered[-1].last,
            ic=np.concatenate([part.ic for part in ordered], axis=2),
            names=np.concatenate([part.names for part in ordered], axis=1),
            reason=np.concatenate([part.reason for part in ordered], axis=2),
            left=np.concatenate([part.left for part in ordered], axis=1),
            fitted=np.concatenate([part.fitted for part in ordered]),
        )


def battery_figures(
    evaluator: Evaluator, cells: Sequence[BaseCell], days: BaseDays, *, closes: Sequence[DayArray | None] | None = None
) -> pl.DataFrame:
    """One row a base, horizon and period: all, and in sample and out of sample where the timing has a split.

    days: of all sessions. closes: for each horizon the day on which each session's window ends; default: the evaluator's for the first
    horizon, and None for the others = counted along the sessions. A row without an ICIR has a reason, and null figures. variance_left:
    mean over the period's dates; the other figures as in `BaseCell` and `ICSummary`, without a null band.
    """
    sessions, horizons, timing = evaluator.axes.sessions, evaluator.horizons, evaluator.timing
    if days.first != 0 or days.last != len(sessions):
        raise SettingError(f"figures need all {len(sessions)} sessions, not [{days.first}, {days.last}): join the blocks first")
    ends = [evaluator.closes, *[None] * (len(horizons) - 1)] if closes is None else closes
    if days.ic.shape[:2] != (len(cells), len(horizons)) or len(ends) != len(horizons):
        raise SettingError(
            f"{len(cells)} bases × {len(horizons)} horizons are asked for, but days hold {days.ic.shape[0]} × {days.ic.shape[1]} and "
            f"closes {len(ends)}: pass what belongs together"
        )
    rows: list[dict[str, Any]] = []
    for position, (horizon, end) in enumerate(zip(horizons, ends, strict=True)):
        periods = _periods(sessions, window_closes(sessions, horizon, timing) if end is None else end, timing)
        rows += _horizon_rows(evaluator, cells, days, position, periods)
    return _ordered(rows)


def _ordered(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows by base, then horizon, then period; NaN becomes null."""
    table = pl.DataFrame(rows, schema={"cell": pl.Int64, **FIGURE_COLUMNS}, orient="row")
    floats = [name for name, kind in FIGURE_COLUMNS.items() if kind == pl.Float64]
    return table.with_columns(pl.col(floats).fill_nan(None)).sort("cell", maintain_order=True).drop("cell")


def _periods(sessions: Sessions, closes: DayArray, timing: Timing) -> list[tuple[str, BoolArray]]:
    out = [("all", np.ones(len(sessions), dtype=bool))]
    if timing.split is not None:
        last = np.datetime64(timing.split, "D")
        out += [("in sample", closes <= last), ("out of sample", sessions.dates > last)]
    return out


def _horizon_rows(
    evaluator: Evaluator, cells: Sequence[BaseCell], days: BaseDays, position: int, periods: Sequence[tuple[str, BoolArray]]
) -> list[dict[str, Any]]:
    timing, horizon = evaluator.timing, evaluator.horizons[position]
    offset = evaluator.axes.sessions.ordinals % timing.grid_sessions
    rows: list[dict[str, Any]] = []
    for label, mask in periods:
        series = np.where(mask, days.ic[:, position], np.nan)
        icirs = offset_icirs(series, offset)
        for number, cell in enumerate(cells):
            head = {
                "cell": number,
                "group": cell.group,
                "label": cell.label,
                "x": cell.x,
                "seed": cell.seed,
                "k_columns": len(cell.columns),
                "horizon_sessions": horizon,
                "period": label,
            }
            figures = _figures(series[number], icirs[number], horizon, timing)
            if label == "all":
                figures["n_offsets"] = icirs.shape[1]
            left = days.left[number, mask]
            left = left[np.isfinite(left)]
            reason = cell.reason or _reason(figures, days.reason[number, position], days.names[position], mask)
            rows.append({**head, **figures, "variance_left": float(left.mean()) if left.size else None, "reason": reason})
    return rows


def offset_icirs(series: FloatArray, offset: Int64Array) -> FloatArray:
    """ICIR of each series (rows) on each rebalance offset (columns): mean / sd, NaN where fewer than three dates or no variation."""
    known = np.isfinite(series)
    grids = np.unique(offset)
    out = np.full((series.shape[0], grids.size), np.nan)
    patterns: dict[bytes, list[int]] = {}  # bases share their dates, so there are few
    for number, row in enumerate(known):
        patterns.setdefault(row.tobytes(), []).append(number)
    for held in patterns.values():
        rows, pattern = np.array(held), known[held[0]]
        for column, grid in enumerate(grids):
            dates = np.flatnonzero(pattern & (offset == grid))
            if dates.size < FEWEST_ON_GRID:
                continue
            values = np.ascontiguousarray(series[np.ix_(rows, dates)])  # row by row: the sums of `summarise`, to the bit
            mean, sd = values.mean(axis=1), values.std(axis=1, ddof=1)
            out[rows, column] = np.where(sd > 0, mean / np.where(sd > 0, sd, 1.0), np.nan)
    return out


def mean_icir(ic: FloatArray, sessions: Sessions, grid_sessions: int) -> float:
    """The headline of one daily series: mean of its ICIRs over the rebalance offsets that have one, NaN where none has.

    ic: by session, NaN where skipped. The same value as `summarise` gives.
    """
    found = offset_icirs(ic[None], sessions.ordinals % grid_sessions)[0]
    found = found[np.isfinite(found)]
    return float(found.mean()) if found.size else math.nan


def _figures(ic: FloatArray, icirs: FloatArray, horizon: int, timing: Timing) -> dict[str, Any]:
    """Figures of one series; NaN where there is none."""
    values, found = ic[np.isfinite(ic)], icirs[np.isfinite(icirs)]
    icir = float(found.mean()) if found.size else math.nan
    test = ewc_test(ic)
    return {
        "icir": icir,
        "icir_deflated": icir * math.sqrt(min(1.0, timing.grid_sessions / horizon)),
        "icir_min": float(found.min()) if found.size else math.nan,
        "icir_max": float(found.max()) if found.size else math.nan,
        "n_positive": int((found > 0).sum()),
        "n_offsets": int(found.size),
        "mean_ic": test.mean,
        "sd_ic": float(values.std(ddof=1)) if values.size > 1 else math.nan,
        "n_dates": int(values.size),
        "se_mean": test.se,
        "t_ewc": test.t,
        "t_newey_west": newey_west_t(ic, lags=horizon - 1),
    }


def _reason(figures: dict[str, Any], reason: Int64Array, names: Int64Array, mask: BoolArray) -> str | None:
    """Why a row has no ICIR, None where it has one."""
    if not figures["n_dates"]:
        contained = int((reason[mask] == CONTAINED).sum())
        if contained:
            return f"the base contains the signal on the {contained} dates with enough names"
        return f"no date has enough names with a forward return (at most {int(names[mask].max(initial=0))} on one)"
    if math.isnan(figures["icir"]):
        return f"no rebalance offset has {FEWEST_ON_GRID} dates whose IC varies ({figures['n_dates']} dates in all)"
    return None
