"""Whether the graph helps a whole portfolio: minimum variance with and without its discount, held and measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.discount import DiscountMethod, pair_factors
from pureplay.graph.hedge_arms import VintageEdges
from pureplay.graph.nearest_correlation import nearest_correlation
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.correlation import ledoit_wolf_shrinkage
from pureplay.stats.given import is_number, require_whole
from pureplay.stats.inference import ewc_test

__all__ = ["METHODS", "MinimumVariance", "minimum_variance", "portfolio_weights"]

METHODS: Final = ("shrunk", "discounted", "placebo", "constant", "equal")
"""Ledoit-Wolf correlations; the same discounted by the graph; the same with the graph's factors dealt out anew among its pairs; one
correlation for all pairs; 1/N without any. Smaller correlations change the risk whichever pairs they are of: only what
"discounted" gains over "placebo" is owed to the graph."""

RowArray = npt.NDArray[np.int64]

_CONSTANT: Final = 1e-18  # variance of a series that moves by less than 1e-9 a day
_RIDGE: Final = 1e-8  # smallest eigenvalue that any correlation matrix is brought to


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumVariance:
    """Realised risk of the portfolios.

    table: method, volatility (annualised standard deviation of daily returns), t, p (difference of its squared daily returns from those
    of "shrunk", equal-weighted cosine test: below 0 = less risk), placebo_t (the same against "placebo"), gross (mean sum of absolute
    weights), vintages, days. daily: (days, methods) returns, in the order of METHODS. rows: session of each day. names: mean number
    of stocks held. no_forward: vintages whose holding period passes the end of the data. no_names: vintages in which no stock has a
    size and a complete trailing window.
    """

    table: pl.DataFrame
    daily: FloatArray
    rows: RowArray
    names: float
    no_forward: int
    no_names: int


def minimum_variance(
    returns: FloatArray,
    rows: RowArray,
    size: FloatArray,
    edges: Sequence[VintageEdges],
    *,
    names: int = 200,
    trailing: int = 90,
    forward: int = 20,
    method: DiscountMethod = "retention",
    dark_factor: float = 0.8,
    largest_ratio: float = 1.2,
    sessions_per_year: float = 252.0,
    cosines: int = 8,
    seed: int = 7,
) -> MinimumVariance:
    """Minimum-variance portfolios of the largest stocks, made at each vintage and held to the next, at most `forward` sessions.

    returns: (sessions, assets) total returns, NaN = did not trade. rows: session of each vintage, ascending. size: (vintages, assets) as
    known at the vintage, NaN = not eligible. edges: of each vintage. names: the largest stocks that traded on every session of the
    trailing window and moved. Weights sum to 1, short positions are allowed; rebalanced daily, a day without a return counts 0. A
    vintage counts only if `forward` sessions follow it. method, dark_factor, largest_ratio: as in `discount`. seed: the placebo of a
    vintage is drawn from it and the vintage's row. Raises SettingError; InsufficientDataError where no vintage can be held.
    """
    _require(returns, rows, size, edges, sessions_per_year)
    for name, value, least in (
        ("names", names, 1),
        ("trailing", trailing, 4),
        ("forward", forward, 1),
        ("cosines", cosines, 1),
        ("seed", seed, 0),
    ):
        require_whole(value, name, least)
    reached = np.flatnonzero((rows + forward < returns.shape[0]) & (rows - trailing + 1 >= 0))
    held = [_largest(returns[rows[v] - trailing + 1 : rows[v] + 1], size[v], names) for v in reached]
    used = [(v, columns) for v, columns in zip(reached.tolist(), held, strict=True) if columns.size]
    if not used:
        raise InsufficientDataError(
            f"no portfolio can be held: of {rows.size} vintages {reached.size} have {trailing} sessions before and {forward} after, "
            "and in none a stock has a size and a return on every one: shorten trailing or forward"
        )
    ends = np.minimum(rows + forward, np.append(rows[1:], returns.shape[0]))
    grade = partial(pair_factors, method=method, dark_factor=dark_factor, largest_ratio=largest_ratio)
    parts = _held(returns, rows, ends, used, edges, grade, trailing, seed)
    daily = np.concatenate([part[0] for part in parts])
    gross = np.stack([part[1] for part in parts]).mean(axis=0)
    return MinimumVariance(
        table=_table(daily, gross, len(used), sessions_per_year, cosines),
        daily=daily,
        rows=np.concatenate([np.arange(rows[v] + 1, ends[v] + 1) for v, _ in used]),
        names=float(np.mean([columns.size for _, columns in used])),
        no_forward=int((rows + forward >= returns.shape[0]).sum()),
        no_names=int(reached.size - len(used)),
    )


def _held(
    returns: FloatArray,
    rows: RowArray,
    ends: RowArray,
    used: Sequence[tuple[int, RowArray]],
    edges: Sequence[VintageEdges],
    grade: Callable[[BoolArray, FloatArray, FloatArray], FloatArray],
    trailing: int,
    seed: int,
) -> list[tuple[FloatArray, FloatArray]]:
    """Daily returns (days, methods) and gross weights of the portfolios of each vintage used, with its columns."""
    parts = [(np.empty(0), np.empty(0))] * len(used)

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            v, columns = used[k]
            one, two, inside = _pairs(edges[v], columns, returns.shape[1])
            factors = grade(~edges[v].confirmed[inside], edges[v].trailing[inside], edges[v].expected[inside])
            dealt = np.random.default_rng([seed, int(rows[v])]).permutation(factors)
            window = returns[rows[v] - trailing + 1 : rows[v] + 1, columns]
            weights = portfolio_weights(window, *(_matrix(columns.size, one, two, each) for each in (factors, dealt)))
            parts[k] = (np.nan_to_num(returns[rows[v] + 1 : ends[v] + 1, columns]) @ weights, np.abs(weights).sum(axis=0))

    over_blocks(work, len(used), uses_blas=True)
    return parts


def portfolio_weights(window: FloatArray, factors: FloatArray, placebo: FloatArray) -> FloatArray:
    """Weights (names, methods) in the order of METHODS from a complete (sessions, names) window of returns that move.

    factors, placebo: (names, names), what each correlation is multiplied by. Minimum variance: inverse covariance times ones, scaled to sum
    1. shrunk: sample correlations moved towards 0 by the Ledoit-Wolf intensity. discounted, placebo: these times the factors, nearest
    correlation matrix, then moved towards the identity until its smallest eigenvalue is that of shrunk, so that all are
    equally well conditioned. constant: the mean correlation for all pairs. Variances are those of the sample everywhere.
    """
    sd, count = window.std(axis=0), window.shape[1]
    z = (window - window.mean(axis=0)) / sd
    sample = z.T @ z / z.shape[0]
    sample = (sample + sample.T) / 2
    np.fill_diagonal(sample, 1.0)
    shrunk = _conditioned(sample * (1 - ledoit_wolf_shrinkage(np.ascontiguousarray(z.T))), _RIDGE)
    least = float(np.linalg.eigvalsh(shrunk)[0])
    graded = [_conditioned(nearest_correlation(shrunk * each), least) for each in (factors, placebo)]
    mean = (sample.sum() - count) / max(count * (count - 1), 1)
    constant = _conditioned(np.full((count, count), mean), _RIDGE)
    return np.stack([*(_least_variance(each, sd) for each in (shrunk, *graded, constant)), np.full(count, 1.0 / count)], axis=1)


def _conditioned(correlation: FloatArray, least: float) -> FloatArray:
    """The matrix with a unit diagonal, moved towards the identity until no eigenvalue is below `least`."""
    out = correlation.copy()
    np.fill_diagonal(out, 1.0)
    lowest = float(np.linalg.eigvalsh(out)[0])
    if lowest < least < 1:
        out *= (1 - least) / (1 - lowest)
        np.fill_diagonal(out, 1.0)
    return out


def _least_variance(correlation: FloatArray, sd: FloatArray) -> FloatArray:
    raw = np.linalg.solve(correlation, 1.0 / sd) / sd
    return np.asarray(raw / raw.sum())


def _largest(window: FloatArray, size: FloatArray, names: int) -> RowArray:
    able = np.flatnonzero(np.isfinite(size) & np.isfinite(window).all(axis=0))
    able = able[window[:, able].var(axis=0) > _CONSTANT]
    return np.sort(able[np.argsort(-size[able], kind="stable")[:names]])


def _pairs(edges: VintageEdges, columns: RowArray, assets: int) -> tuple[RowArray, RowArray, RowArray]:
    """Places in the portfolio of both ends of the edges inside it, and which edges these are."""
    place = np.full(assets, -1, dtype=np.int64)
    place[columns] = np.arange(columns.size)
    inside = np.flatnonzero((place[edges.a] >= 0) & (place[edges.b] >= 0))
    return place[edges.a[inside]], place[edges.b[inside]], inside


def _matrix(names: int, one: RowArray, two: RowArray, factors: FloatArray) -> FloatArray:
    out = np.ones((names, names))
    out[one, two] = out[two, one] = factors
    return out


def _table(daily: FloatArray, gross: FloatArray, vintages: int, sessions_per_year: float, cosines: int) -> pl.DataFrame:
    rows = []
    beside = METHODS.index("placebo")
    for k, name in enumerate(METHODS):
        volatility = float(daily[:, k].std(ddof=1) * np.sqrt(sessions_per_year)) if daily.shape[0] > 1 else None
        test, against = (ewc_test(daily[:, k] ** 2 - daily[:, other] ** 2, cosines=cosines) for other in (0, beside))
        t, p, placebo_t = (value if np.isfinite(value) else None for value in (test.t, test.p, against.t))
        rows.append((name, volatility, t, p, placebo_t, float(gross[k]), vintages, daily.shape[0]))
    floats = dict.fromkeys(("volatility", "t", "p", "placebo_t", "gross"), pl.Float64)
    return pl.DataFrame(rows, schema={"method": pl.String, **floats, "vintages": pl.Int64, "days": pl.Int64}, orient="row")


def _require(returns: FloatArray, rows: RowArray, size: FloatArray, edges: Sequence[VintageEdges], sessions_per_year: float) -> None:
    if np.ndim(rows) != 1 or (np.diff(rows) <= 0).any() or (len(rows) and not (rows[0] >= 0 and rows[-1] < returns.shape[0])):
        raise SettingError(f"rows must be ascending rows of a block of {returns.shape[0]} sessions: give each vintage once, in order")
    if np.shape(size) != (len(rows), returns.shape[1]) or len(edges) != len(rows):
        raise SettingError(
            f"size has shape {np.shape(size)} and there are edges of {len(edges)} vintages: give both for {len(rows)} vintages, "
            f"with a size for each of {returns.shape[1]} assets"
        )
    if not (is_number(sessions_per_year) and 0 < sessions_per_year < np.inf):
        raise SettingError(f"sessions_per_year must be above 0, not {sessions_per_year!r}: 252 is usual")
