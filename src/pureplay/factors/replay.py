"""The replay of statements: rows enter one by one as they became public, and the figures of the stock follow.

`pureplay.factors.statements.Figure` tells what each figure is.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import FloatArray
from pureplay.stats.jit import kernel
from pureplay.tables import STATEMENT_ITEMS

__all__ = ["FIGURES", "FISCAL_YEARS", "Int64Array", "replay"]

Int64Array = npt.NDArray[np.int64]

FIGURES: Final = (
    "equity", "equity_before", "assets", "assets_before", "debt", "long_term", "shares", "revenue_ttm", "cost_ttm", "income_ttm",
    "cash_ttm", "gross_ttm", "turnover", "turnover_before", "income_growth", "revenue_growth",
)  # fmt: skip
"""Figures of a stock, in the order in which they are written."""

FISCAL_YEARS: Final = 5
"""Fiscal years over which growth is measured."""

_REVENUE, _COST, _INCOME, _CASH, _ASSETS, _EQUITY, _DEBT, _LONG, _PREFERRED, _SHARES = range(len(STATEMENT_ITEMS))
_ITEMS: Final = len(STATEMENT_ITEMS)


@kernel
def replay(
    row_first: Int64Array,
    session: Int64Array,
    month: Int64Array,
    code: Int64Array,
    value: FloatArray,
    step_first: Int64Array,
    until: Int64Array,
    low: int,
    min_years: int,
    values: FloatArray,
    ends: Int64Array,
    start: int,
    stop: int,
) -> None:
    """Enter the rows of assets [start, stop) step by step and write their figures after each step.

    Rows and steps of asset a are [row_first[a], row_first[a + 1]) and [step_first[a], step_first[a + 1]); month counts from `low`, months
    since January of the year 0; until: session from which on a period of each month is too old. values, ends: (figures, steps), `values`
    NaN before.
    """
    grid = np.full((_ITEMS, until.size), np.nan)
    latest = np.full(_ITEMS, -1)
    for a in range(start, stop):
        row = row_first[a]
        for step in range(step_first[a], step_first[a + 1]):
            now = session[row]
            while row < row_first[a + 1] and session[row] == now:
                grid[code[row], month[row]] = value[row]
                latest[code[row]] = max(latest[code[row]], month[row])
                row += 1
            _standing(grid, latest, until, values[:, step], ends[:, step])
            _flowing(grid, latest, until, low, values[:, step], ends[:, step])
            _growing(grid, latest, until, low, min_years, values[:, step], ends[:, step])
        for k in range(row_first[a], row):
            grid[code[k], month[k]] = np.nan
        latest[:] = -1


@kernel
def _standing(grid: FloatArray, latest: Int64Array, until: Int64Array, values: FloatArray, ends: Int64Array) -> None:
    """Figures 0 to 6: what stands in the latest balance sheets."""
    for item, place in ((_EQUITY, 0), (_ASSETS, 2), (_DEBT, 4), (_LONG, 5), (_SHARES, 6)):
        at = latest[item]
        if at >= 0:
            values[place], ends[place] = grid[item, at], until[at]
            if place < 4:
                values[place + 1], ends[place + 1] = _at(grid[item], at - 12), until[at]
            elif item == _LONG and not np.isnan(grid[_PREFERRED, at]):
                values[place] += grid[_PREFERRED, at]


@kernel
def _flowing(grid: FloatArray, latest: Int64Array, until: Int64Array, low: int, values: FloatArray, ends: Int64Array) -> None:
    """Figures 7 to 13: what flowed in the trailing twelve months."""
    for item, place in ((_REVENUE, 7), (_COST, 8), (_INCOME, 9), (_CASH, 10)):
        at = latest[item]
        while at >= 0 and np.isnan(_ttm(grid[item], at, low)):
            at -= 1
        if at >= 0:
            values[place], ends[place] = _ttm(grid[item], at, low), until[at]
    at = min(latest[_REVENUE], latest[_COST])
    while at >= 0 and np.isnan(_ttm(grid[_REVENUE], at, low) - _ttm(grid[_COST], at, low)):
        at -= 1
    if at >= 0:
        values[11], ends[11] = _ttm(grid[_REVENUE], at, low) - _ttm(grid[_COST], at, low), until[at]
    at = min(latest[_REVENUE], latest[_ASSETS])
    while at >= 0 and np.isnan(_mean_assets(grid, at) + _mean_assets(grid, at - 12) + _ttm_sum(grid, at, low)):
        at -= 1
    if at >= 0:
        for place, period in ((12, at), (13, at - 12)):
            mean = _mean_assets(grid, period)
            values[place], ends[place] = (_ttm(grid[_REVENUE], period, low) / mean if mean > 0 else np.nan), until[at]


@kernel
def _growing(
    grid: FloatArray, latest: Int64Array, until: Int64Array, low: int, min_years: int, values: FloatArray, ends: Int64Array
) -> None:
    """Figures 14 and 15: growth per share over the last fiscal years."""
    for item, place in ((_INCOME, 14), (_REVENUE, 15)):
        at = latest[item]
        while at >= 0 and (np.isnan(grid[item, at]) or (low + at) % 12 != 11):
            at -= 1
        if at >= 0:
            values[place], ends[place] = _growth(grid[item], grid[_SHARES], at, min_years), until[at]


@kernel
def _at(row: FloatArray, month: int) -> float:
    return row[month] if month >= 0 else np.nan


@kernel
def _ttm(row: FloatArray, month: int, low: int) -> float:
    """Trailing twelve months of a cumulative item at a period, NaN where one of its three parts is unknown."""
    into_year = (low + month) % 12 + 1
    return _at(row, month) if into_year == 12 else _at(row, month) + _at(row, month - into_year) - _at(row, month - 12)


@kernel
def _ttm_sum(grid: FloatArray, month: int, low: int) -> float:
    return _ttm(grid[_REVENUE], month, low) + _ttm(grid[_REVENUE], month - 12, low)


@kernel
def _mean_assets(grid: FloatArray, month: int) -> float:
    return 0.5 * (_at(grid[_ASSETS], month) + _at(grid[_ASSETS], month - 12))


@kernel
def _growth(figures: FloatArray, shares: FloatArray, last: int, min_years: int) -> float:
    """Σ (k - mean k) x / Σ (k - mean k)² over mean |x|, for x = figure per share of the fiscal years known among the last five."""
    per_share = np.full(FISCAL_YEARS, np.nan)
    for k in range(FISCAL_YEARS):
        month = last - 12 * k
        if month >= 0 and not np.isnan(figures[month]):
            at = month
            while at >= 0 and np.isnan(shares[at]):
                at -= 1
            per_share[FISCAL_YEARS - 1 - k] = figures[month] / _at(shares, at)
    known = ~np.isnan(per_share)
    if known.sum() < min_years:
        return np.nan
    year, x = np.arange(FISCAL_YEARS)[known], per_share[known]
    centred, size = year - year.mean(), np.abs(x).mean()
    return (centred * x).sum() / (centred * centred).sum() / size if size > 0 else np.nan
