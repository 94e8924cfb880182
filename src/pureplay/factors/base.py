"""The base of 22 factors of a dataset, or its price-only part, point in time and on one scale."""

from itertools import chain
from typing import Final, Literal

import numpy as np

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.factors.assembly import Columns, fill_missing, standardised_columns
from pureplay.factors.families import FAMILIES, LADDER, NAMES, PRICE_NAMES
from pureplay.factors.fundamentals import fundamental_factors
from pureplay.factors.industry import LABELS, IndustryLabels, coarsest_scheme, industry_block
from pureplay.factors.prices import each_price_factor, load_prices
from pureplay.factors.record import Base
from pureplay.market import Market, load_market
from pureplay.panel import BoolArray, IndexArray

__all__ = ["Base", "Kind", "base_factors"]

Kind = Literal["auto", "full", "price"]
_KINDS: Final[tuple[Kind, ...]] = ("auto", "full", "price")


def base_factors(
    data: Dataset,
    market: Market | None = None,
    *,
    kind: Kind = "auto",
    industry_scheme: str | None = None,
    industry_labels: IndustryLabels = "pit",
    winsorise_sd: float | None = 3.0,
    fill: bool = True,
) -> Base:
    """Exposures of METHODS §4 on every session of the dataset: 22 columns with statements, the 13 of prices without.

    data: bars; for the full base statements and, for divyld, dividends (21 columns without them); industries where there are any.
    market: the market of `data` where it is loaded already. kind: "auto" takes the full base where there are statements.
    industry_scheme: labels of the regression that fills what is missing, None = the coarsest; industry_labels: "pit", or "backcast",
    which looks ahead and is labelled in the notes. winsorise_sd: None = no clipping. fill: False leaves missing values missing.

    Values at a session use prices to its close and statements published by then; a stock that did not trade has none. Notes say the
    kind, when each column came into force, on how many dates it fell out again and how much of it was filled. Raises TableError for
    kind "full" without statements, SettingError for settings out of their range.
    """
    names, notes = _chosen(data, kind, industry_labels)
    market = load_market(data) if market is None else market
    groups, said = _groups(data, market, industry_scheme, industry_labels)
    prices = each_price_factor(market, load_prices(data, market))
    full = None if names == PRICE_NAMES else fundamental_factors(data, market, groups=groups)
    raw = prices if full is None else chain(prices, full.raw.items())
    columns = standardised_columns(market, raw, names, winsorise_sd=winsorise_sd)
    filled = fill_missing(columns, market, groups) if fill else np.zeros(columns.values.shape, dtype=bool)
    for name, where in full.substituted.items() if full is not None else ():
        filled[:, names.index(name)] |= where & np.isfinite(columns.values[:, names.index(name)])
    lacking = () if full is None else full.notes
    return Base(
        axes=market.axes,
        names=names,
        values=columns.values,
        filled=filled,
        families={name: FAMILIES[name] for name in names},
        ladder=tuple(name for name in LADDER if name in names),
        kind="price" if names == PRICE_NAMES else "full",
        notes=(*notes, *lacking, *said, *_told(columns, filled, market)),
    )


def _chosen(data: Dataset, kind: Kind, labels: IndustryLabels) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns of the base, and why it is not all 22."""
    if kind not in _KINDS:
        raise SettingError(f"kind must be one of {', '.join(_KINDS)}, not {kind!r}")
    if labels not in LABELS:
        raise SettingError(f"industry_labels must be one of {', '.join(LABELS)}, not {labels!r}")
    if kind == "full" and not data.has("statements"):
        raise TableError(f"the full base needs the table statements; the dataset has {', '.join(data.tables)}: add it, or use kind='price'")
    if kind == "price" or not data.has("statements"):
        why = "as asked" if kind == "price" else "the dataset has no statements"
        return PRICE_NAMES, (
            f"price-only base of {len(PRICE_NAMES)} factors ({why}): value, growth, leverage, quality and the like are absent",
        )
    if data.has("dividends"):
        return NAMES, (f"full base of {len(NAMES)} factors",)
    names = tuple(name for name in NAMES if name != "divyld")
    return names, (f"full base of {len(names)} factors, without divyld",)


def _groups(data: Dataset, market: Market, scheme: str | None, labels: IndustryLabels) -> tuple[IndexArray | None, tuple[str, ...]]:
    chosen = scheme or coarsest_scheme(data)
    if chosen is None:
        return None, ("no industries: missing exposures are filled by size alone",)
    said = f"missing exposures are filled by industry ({chosen}, {labels}) and size"
    ahead = " (carried back from a later classification: looks ahead)" if labels == "backcast" else ""
    return industry_block(data, market.axes, chosen, mode=labels), (said + ahead,)


def _told(columns: Columns, filled: BoolArray, market: Market) -> tuple[str, ...]:
    """When each column came into force, on how many later dates it was out, and the share of it that was filled."""
    starts, gaps, shares = [], [], []
    open_days: BoolArray = np.asarray(market.traded.any(axis=1))
    for k, name in enumerate(columns.names):
        force = columns.in_force[:, k]
        if not force.any():
            starts.append(f"{name} never")
            continue
        first = int(np.argmax(force))
        starts.append(f"{name} {market.axes.sessions.dates[first]}")
        out = int((open_days[first:] & ~force[first:]).sum())
        if out:
            gaps.append(f"{name} on {out}")
        known = int(np.isfinite(columns.values[:, k]).sum())
        shares.append(f"{name} {int(filled[:, k].sum()) / max(known, 1):.2%}")
    notes = [f"in force from: {', '.join(starts)}"]
    if gaps:
        notes.append(f"dates out of force since then (fewer than half of the stocks that traded have a value): {', '.join(gaps)}")
    return (*notes, f"share of values filled: {', '.join(shares)}")
