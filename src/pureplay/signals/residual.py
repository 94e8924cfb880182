"""Construction S: returns of which the day's cross-section explains nothing any more, for the pipeline that construction R feeds with
raw ones.

e_i(t) is the residual of the regression of r(t) on exposures known at t - 1, over the stocks that trade on t, with an intercept;
sqrt(cap(t - 1)) multiplies the squared residual.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.frames import AnyFrame, conform, require_sizes, to_polars
from pureplay.market import Market, load_market
from pureplay.panel import Axes, BoolArray, FloatArray, to_frame
from pureplay.parallel import over_blocks
from pureplay.products.baskets import basket_weights
from pureplay.signals.settings import SignalSettings
from pureplay.stats.regression import CrossSection, weighted_residuals

__all__ = ["ResidualMarket", "ResidualReturns", "exposure_block", "residual_market", "residual_returns", "signal_market"]

_DAILY: Final = ("date", "intercept", "r2", "names")
"""Columns of the table of factor returns that are no factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualMarket(Market):
    """A market whose `returns` are the residuals e; caps, trading, seasons and issuers are those of the raw one.

    A stock without a residual (no exposure or no market value on the session before) is no basket member and has no gap that day.
    names: the factors. factor_returns: (sessions, factors), NaN where a factor was constant, a combination of those before it, or
    known of too few stocks (not yet in force, say): of no more than there are factors with any, and one.
    intercept, r2 (weighted, about the weighted mean), fitted (stocks in the regression): by session. The first session, and one
    with no more stocks than factors and intercept, has no residual, factor return, intercept or r2, and fitted 0.
    """

    names: tuple[str, ...]
    factor_returns: FloatArray
    intercept: FloatArray
    r2: FloatArray
    fitted: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualReturns:
    """Construction S as tables.

    residuals: date, asset, residual (decimal; stocks that trade, null where there is none). factor_returns: date, one column a
    factor (return of a unit of exposure, decimal), intercept, r2, names (stocks in the regression); every session, null where
    there is none.
    """

    residuals: pl.DataFrame
    factor_returns: pl.DataFrame


def residual_market(market: Market, exposures: FloatArray, names: tuple[str, ...]) -> ResidualMarket:
    """The market with its returns replaced by their cross-sectional residuals.

    exposures: (sessions, factors, assets), each as of the close of its own session; it explains the returns of the next. Raises
    TableError where their shape does not fit, or there is no factor.
    """
    sessions, assets = market.axes.shape
    if not names or exposures.shape != (sessions, len(names), assets):
        raise TableError(
            f"exposures of shape {exposures.shape} do not fit {sessions} sessions, {len(names)} names and {assets} assets: "
            "pass (sessions, factors, assets) with at least one factor"
        )
    weights = basket_weights(market, "sqrt_cap")[:-1]
    fit = _fitted(market.returns[1:], exposures[:-1], weights, market.traded[1:] & np.isfinite(weights))
    return ResidualMarket(
        axes=market.axes,
        returns=_after_first(fit.residual),
        caps=market.caps,
        float_caps=market.float_caps,
        traded=market.traded,
        listed_sessions=market.listed_sessions,
        issuer=market.issuer,
        names=names,
        factor_returns=_after_first(np.where(fit.dropped, np.nan, fit.coefficients)),
        intercept=_after_first(fit.intercept),
        r2=_after_first(fit.r2),
        fitted=np.concatenate([np.zeros(1, dtype=np.int64), fit.fitted]),
    )


def _fitted(target: FloatArray, columns: FloatArray, weights: FloatArray, eligible: BoolArray) -> CrossSection:
    """Regressions of all dates, each on the factors that enough of its stocks have; the others are dropped that day.

    Of the factors that any stock has, one counts if more stocks have it than that number of factors and one: with fewer it would
    leave the date without a regression, however many stocks have the others.
    """
    have = np.empty(columns.shape[:2], dtype=bool)

    def block(start: int, stop: int) -> None:
        for t in range(start, stop):
            may = eligible[t] & np.isfinite(target[t]) & (weights[t] > 0.0)
            stocks = (np.isfinite(columns[t]) & may).sum(axis=1)
            have[t] = stocks > (stocks > 0).sum() + 1

    over_blocks(block, target.shape[0])
    changes = np.flatnonzero((have[1:] != have[:-1]).any(axis=1)) + 1
    parts = []
    for start, stop in pairwise([0, *changes.tolist(), target.shape[0]]):
        days, known = slice(start, stop), have[start]
        part = weighted_residuals(target[days], columns[days] if known.all() else columns[days, known], weights[days], eligible[days])
        coefficients, dropped = np.zeros((stop - start, known.size)), np.ones((stop - start, known.size), dtype=bool)
        coefficients[:, known], dropped[:, known] = part.coefficients, part.dropped
        if not known.any():  # an intercept alone explains nothing
            part.residual[:], part.intercept[:], part.r2[:], part.fitted[:] = np.nan, np.nan, np.nan, 0
        parts.append(replace(part, coefficients=coefficients, dropped=dropped))
    names = ("residual", "coefficients", "intercept", "r2", "fitted", "dropped")
    return CrossSection(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _after_first(values: FloatArray) -> FloatArray:
    return np.concatenate([np.full((1, *values.shape[1:]), np.nan), values])


def exposure_block(frame: AnyFrame, axes: Axes) -> tuple[FloatArray, tuple[str, ...]]:
    """Exposures of a frame `date, asset` and numeric columns as (sessions, factors, assets), and the names of the factors.

    Rows on other dates or stocks than those of the axes have no effect. Raises TableError for text columns, repeated keys, infinite
    values, a factor named like a column of the result, and a frame that shares nothing with the axes.
    """
    given = to_polars(frame, "exposures")
    try:
        table = conform("factors", given).frame
    except TableError as error:
        raise TableError(str(error).replace("factors", "exposures", 1)) from error
    names = tuple(name for name in table.columns if name not in ("date", "asset"))
    taken = [name for name in names if name in _DAILY]
    if taken or not names:
        fault = f"columns named {', '.join(taken)}" if taken else "no factor"
        raise TableError(f"exposures have {fault}: give every factor a column with a name of its own")
    infinite = {name: int(table[name].is_infinite().sum() or 0) for name in names}
    if any(infinite.values()):
        told = ", ".join(f"{name} ({count} rows)" for name, count in infinite.items() if count)
        raise TableError(f"exposures are infinite in {told}: leave such values empty")
    require_sizes("exposures", table, names)
    cells = axes.locate(table)
    inside = cells >= 0
    if not inside.any():
        raise TableError(f"none of the {table.height} rows of exposures lies on a date and stock of the bars: check codes and dates")
    again = table.filter((pl.col("date") == pl.col("date").shift(1)) & (pl.col("asset") == pl.col("asset").shift(1)))
    if again.height:
        first = f"{again['date'][0]} {again['asset'][0]}"
        raise TableError(f"exposures have {again.height} repeated keys, such as {first}: keep one row a date and asset")
    block = np.full((axes.shape[0], len(names), axes.shape[1]), np.nan)
    row, asset = np.divmod(cells[inside], axes.shape[1])
    for place, name in enumerate(names):
        block[row, place, asset] = table[name].to_numpy()[inside]
    return block, names


def signal_market(data: Dataset, market: Market, settings: SignalSettings, exposures: AnyFrame | None = None) -> Market:
    """What the signal reads under its construction: the market itself (R) or the residual one (S).

    exposures: for construction S, any frame date, asset and numeric columns; None = the base of 22 factors of the dataset. Raises
    SettingError where exposures come with construction R. Forward returns are those of the raw market in either case.
    """
    if settings.construction == "S":
        return _with_residuals(market, *_exposures(data, market, exposures))
    if exposures is not None:
        raise SettingError("exposures have no use under construction 'R' (raw returns): leave them out or set construction='S'")
    return market


def residual_returns(dataset: Dataset, exposures: AnyFrame | None = None) -> ResidualReturns:
    """Residual returns of construction S with the factor returns behind them (METHODS §3).

    dataset: bars with total_cap; for the base of 22 also statements and dividends, where present. exposures: any frame date, asset
    and numeric columns, as of the close of its date and used for the next session; None = the base of 22 factors.

    Timing: a residual of session t uses returns of t, and exposures and market values of the session before.
    """
    market = load_market(dataset)
    made = _with_residuals(market, *_exposures(dataset, market, exposures))
    daily = {"date": market.axes.day_column(market.axes.sessions.dates)}
    daily |= {name: pl.Series(made.factor_returns[:, k]).fill_nan(None) for k, name in enumerate(made.names)}
    daily |= {"intercept": pl.Series(made.intercept).fill_nan(None), "r2": pl.Series(made.r2).fill_nan(None)}
    return ResidualReturns(
        residuals=to_frame(market.axes, {"residual": made.returns}, market.traded),
        factor_returns=pl.DataFrame(daily | {"names": pl.Series(made.fitted)}),
    )


def _with_residuals(market: Market, exposures: FloatArray, names: tuple[str, ...]) -> ResidualMarket:
    """The residual market; raises InsufficientDataError where no session has a residual."""
    made = residual_market(market, exposures, names)
    if not made.fitted.any():
        full = np.zeros(market.axes.shape[0], dtype=np.int64)
        for t in range(full.size):
            known = np.isfinite(exposures[t])
            full[t] = known[known.any(axis=1)].all(axis=0).sum() if known.any() else 0
        raise InsufficientDataError(
            f"no session of {full.size} has a residual return: {len(names)} factors and an intercept need more stocks than that which "
            f"trade, have a market value and every factor on the session before (at most {full.max(initial=0)} stocks have every factor): "
            "give fewer factors, fill them, or widen the data"
        )
    return made


def _exposures(data: Dataset, market: Market, frame: AnyFrame | None) -> tuple[FloatArray, tuple[str, ...]]:
    if frame is not None:
        return exposure_block(frame, market.axes)
    from pureplay.factors import base_factors  # only here: construction R needs none of it

    base = base_factors(data, market)
    return base.values, base.names
