"""Amplify any factor through a product graph: its own value mixed with the weighted mean over counterparties (METHODS §7)."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

import numpy as np
import polars as pl

from pureplay.errors import SettingError, TableError
from pureplay.factors.own import own_factors
from pureplay.frames import AnyFrame, conform, to_polars
from pureplay.graph.amplifier_kernels import amplify_sessions
from pureplay.graph.amplifier_operator import amplifier_graph, month_starts
from pureplay.graph.amplifier_record import FEED_SCHEMA, RELATIONS, AmplifierGraph, Relation
from pureplay.panel import Axes, FloatArray
from pureplay.parallel import over_blocks
from pureplay.sessions import sessions_between
from pureplay.stats.crosssection import robust_zscore
from pureplay.stats.given import is_number, is_whole_number

__all__ = [
    "FEED_SCHEMA",
    "LONGEST_DAYS",
    "RELATIONS",
    "AmplifierGraph",
    "Lonely",
    "Relation",
    "amplifier_graph",
    "amplify",
    "amplify_block",
    "month_starts",
    "standardised",
]

Lonely = Literal["own", "null"]
LONGEST_DAYS: Final = 45
"""Calendar days that a vintage holds at most: monthly ones follow on one another without a gap."""
_MADS: Final = 3.0


def amplify(
    factors: AnyFrame,
    graph: AmplifierGraph,
    *,
    strength: float = 0.5,
    relations: Sequence[str] = ("peer",),
    fewest_counterparties: int = 1,
    lonely: Lonely = "own",
    standardise: bool = False,
    longest_days: int = LONGEST_DAYS,
) -> pl.DataFrame:
    """amplified_i = (1 - strength) · f_i + strength · Σ_j w_ij f_j / Σ_j w_ij, of every factor on every date.

    factors: date, asset and numeric columns (wide), or date, asset, factor, value (long), known at the close of date. The result has one
    row for each date and asset given, in that order, and the same factors, wide. j runs over the counterparties of `relations` together
    (weights of one that stands in several are added) that have a value on the date; missing ones are left out of both sums.
    strength: 0 gives the factor back, 1 the mean over counterparties. fewest_counterparties: with values, below which a name counts as
    lonely (one that stands in two relations counts twice). lonely: what such a name gets; "own", its own value, so that the ranking keeps
    all names; "null", nothing. standardise: each factor is first clipped at median ± 3·1.4826·MAD and z-scored over the names of the date.
    longest_days: calendar days that a vintage holds, if no later one comes. A date without a graph in force is null throughout, and so is
    a name without the factor itself. A value at t uses the factors of t and the last vintage up to t.

    Raises SettingError for settings out of range and relations that the graph lacks, TableError for a malformed factor frame.
    """
    table = to_polars(factors, "factors")
    absent = [each for each in ("date", "asset") if each not in table.columns]
    if absent or table.is_empty():
        raise TableError(f"factors lack {', '.join(absent) or 'rows'}: give date, asset and one numeric column a factor")
    keys = conform("factors", table.select("date", "asset").unique()).frame
    axes = Axes(sessions_between(keys["date"].drop_nulls().to_numpy(), "bars"), tuple(keys["asset"].drop_nulls().unique().sort()))
    base = own_factors(table, axes)
    values = standardised(base.values) if standardise else base.values
    made = amplify_block(
        values,
        axes,
        graph,
        strength=strength,
        relations=relations,
        fewest_counterparties=fewest_counterparties,
        lonely=lonely,
        longest_days=longest_days,
    )
    row, column = np.divmod(axes.locate(keys), axes.shape[1])
    return keys.with_columns([pl.Series(name, made[row, k, column]).fill_nan(None) for k, name in enumerate(base.names)])


def amplify_block(
    values: FloatArray,
    axes: Axes,
    graph: AmplifierGraph,
    *,
    strength: float = 0.5,
    relations: Sequence[str] = ("peer",),
    fewest_counterparties: int = 1,
    lonely: Lonely = "own",
    longest_days: int = LONGEST_DAYS,
) -> FloatArray:
    """`amplify` on a block (sessions, factors, assets); infinite values count as missing, the result is NaN where `amplify` has null."""
    _check(strength, fewest_counterparties, lonely, longest_days)
    numbers = graph.numbers_of(relations)
    column_of = axes.asset_index(pl.Series(graph.assets, dtype=pl.String))
    vintage = graph.vintage_on(axes.sessions.dates, longest_days=longest_days)
    given = np.where(np.isfinite(values), values, np.nan)
    out = np.empty(values.shape)  # every cell is written
    arrays = (graph.starts, graph.counterparty, graph.weight)
    own = lonely == "own"

    def block(start: int, stop: int) -> None:
        amplify_sessions(given, column_of, vintage, arrays, numbers, float(strength), int(fewest_counterparties), own, out, start, stop)

    over_blocks(block, values.shape[0])
    return out


def standardised(values: FloatArray) -> FloatArray:
    """Every factor of a block (sessions, factors, assets) clipped at median ± 3·1.4826·MAD and z-scored over the names of the date."""
    out = np.empty(values.shape)
    for k in range(values.shape[1]):
        column = np.ascontiguousarray(values[:, k])
        out[:, k] = robust_zscore(column, np.isfinite(column), winsorise_mads=_MADS)
    return out


def _check(strength: float, fewest: int, lonely: str, longest: int) -> None:
    if not (is_number(strength) and 0 <= strength <= 1):
        raise SettingError(f"strength must lie in 0..1, not {strength!r}: it is the weight of the counterparties' mean")
    if not is_whole_number(fewest, 1):
        raise SettingError(f"fewest_counterparties must be a whole number of at least 1, not {fewest!r}")
    if lonely not in get_args(Lonely):
        raise SettingError(f"lonely must be one of {', '.join(get_args(Lonely))}, not {lonely!r}")
    if not is_whole_number(longest, 0):
        raise SettingError(f"longest_days must be a whole number of calendar days from 0 on, not {longest!r}")
