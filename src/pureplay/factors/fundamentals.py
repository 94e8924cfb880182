"""Factors 8-12 and 19-22 of the base, and the parts of the composite ones: raw values from statements, dividends and market value.

The small functions hold the formulas and take arrays of any shape, NaN where unknown. `fundamental_factors` feeds them with what was
public on each session.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.factors.replay import Int64Array
from pureplay.factors.statements import Figure, dividend_steps, statement_figures
from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = [
    "MIN_GROUP_NAMES",
    "Fundamentals",
    "Lazy",
    "asset_growth",
    "book_leverage",
    "debt_to_assets",
    "dividend_yield",
    "fundamental_factors",
    "gross_profitability",
    "group_median",
    "market_leverage",
    "over_cap",
    "return_on_equity",
    "turnover_change",
]

MIN_GROUP_NAMES = 3
"""Names with gross profitability of their own that a group needs to answer for those without."""

A = TypeVar("A")


class Lazy(Mapping[str, A], Generic[A]):
    """Blocks by name, each made anew whenever it is asked for: thirteen of a whole market would not be held at once."""

    def __init__(self, makers: Mapping[str, Callable[[], A]]) -> None:
        self._makers = dict(makers)

    def __getitem__(self, name: str) -> A:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fundamentals:
    """Raw fundamental factors as blocks (sessions, assets), NaN where unknown or where the stock did not trade.

    raw: btop, cetop, etop, divyld, egro, sgro, mlev, dtoa, blev, roe_ttm, gpa_ttm, d_at_yoy, asset_growth. substituted: where gpa_ttm is
    the median of the stock's group. Both make a block whenever it is asked for. notes: what the dataset lacks for a factor.
    """

    raw: Mapping[str, FloatArray]
    substituted: Mapping[str, BoolArray]
    notes: tuple[str, ...]


def fundamental_factors(
    data: Dataset,
    market: Market,
    *,
    groups: IndexArray | None = None,
    buffer_days: int = 0,
    stale_months: int | None = 18,
    min_years: int = 3,
) -> Fundamentals:
    """Raw values of the fundamental factors on the market's axes, from what was public at the close of each session (METHODS §4).

    data: needs statements; without dividends divyld is unknown. groups: industry of each stock and session, -1 = none; with it, names
    that report revenue and assets but no costs, as banks do, take the median gpa_ttm of their group. buffer_days: calendar days from
    publication to use. stale_months: a period older than that is not used; None = never too old. min_years: fiscal years of the last
    five that egro and sgro need. Raises TableError without statements, SettingError for a setting out of range.
    """
    if groups is not None and (groups.shape != market.axes.shape or not np.issubdtype(groups.dtype, np.integer)):
        raise SettingError(
            f"groups must be whole numbers of shape {market.axes.shape}, not {groups.dtype} of shape {groups.shape}: use `label_block`"
        )
    columns = ["asset", "period_end", "item", "revision", "publish_date", "value"]
    statements = data.frame("statements", columns)
    figures = statement_figures(statements, market.axes, buffer_days=buffer_days, stale_months=stale_months, min_years=min_years)
    absent = [item for item in ("cost_of_sales", "long_term_debt", "shares") if not (statements["item"] == item).any()]
    notes = [f"statements have no {item}: what is computed from it is unknown" for item in absent]
    if not data.has("dividends"):
        notes.append("the dataset has no table dividends: divyld is unknown")
    source = _Source(data=data, market=market, groups=groups, figures=figures)
    return Fundamentals(
        raw=Lazy[FloatArray](source.makers()), substituted=Lazy[BoolArray]({"gpa_ttm": source.substituted}), notes=tuple(notes)
    )


def over_cap(amount: FloatArray, cap: FloatArray) -> FloatArray:
    """amount / cap: book-to-price and the two earnings yields (Barra CNE5: BTOP, CETOP, ETOP); a negative amount stays negative."""
    return amount / cap


def dividend_yield(cash: FloatArray, close: FloatArray, cap: FloatArray, shares: FloatArray) -> FloatArray:
    """cash / price (METHODS §4, 10), price = raw close, or cap / shares where there is no close.

    Cash and price are as they were paid and quoted: after a bonus issue within the year the yield is too high by its ratio.
    """
    return cash / np.where(np.isnan(close), cap / shares, close)


def market_leverage(cap: FloatArray, long_term: FloatArray) -> FloatArray:
    """(cap + preferred equity + long-term debt) / cap (Barra CNE5: MLEV)."""
    return (cap + long_term) / cap


def debt_to_assets(debt: FloatArray, assets: FloatArray) -> FloatArray:
    """total debt / total assets (Barra CNE5: DTOA), unknown without assets above 0."""
    return _over_positive(debt, assets)


def book_leverage(equity: FloatArray, long_term: FloatArray) -> FloatArray:
    """(book equity + preferred equity + long-term debt) / book equity (Barra CNE5: BLEV), unknown for book equity of 0 and below."""
    return _over_positive(equity + long_term, equity)


def return_on_equity(income_ttm: FloatArray, equity: FloatArray, equity_before: FloatArray) -> FloatArray:
    """Net income of twelve months / mean of book equity now and a year before; unknown where that mean is not positive."""
    return _over_positive(income_ttm, 0.5 * (equity + equity_before))


def gross_profitability(gross_ttm: FloatArray, assets: FloatArray) -> FloatArray:
    """(revenue - cost of sales) of twelve months / total assets (Novy-Marx 2013), unknown without assets above 0."""
    return _over_positive(gross_ttm, assets)


def turnover_change(turnover: FloatArray, turnover_before: FloatArray) -> FloatArray:
    """Asset turnover less that of a year earlier (METHODS §4, 21), turnover = revenue of twelve months / mean assets."""
    return turnover - turnover_before


def asset_growth(assets: FloatArray, assets_before: FloatArray) -> FloatArray:
    """total assets / total assets a year before - 1 (Cooper, Gulen & Schill 2008), unknown where those were not positive."""
    return _over_positive(assets, assets_before) - 1


def group_median(values: FloatArray, wanted: BoolArray, groups: IndexArray) -> tuple[FloatArray, BoolArray]:
    """`values` with the median of the group's own values of the session put in where wanted, and where that was done.

    A group answers with at least MIN_GROUP_NAMES values of its own; group -1 never does.
    """
    out, done = values.copy(), np.zeros(values.shape, dtype=bool)
    count = int(groups.max(initial=-1)) + 1
    over_blocks(lambda a, b: _medians(values, wanted, groups, count, out, done, a, b), values.shape[0])
    return out, done


def _over_positive(above: FloatArray, below: FloatArray) -> FloatArray:
    return above / np.where(below > 0, below, np.nan)


@kernel
def _medians(
    values: FloatArray, wanted: BoolArray, groups: IndexArray, count: int, out: FloatArray, done: BoolArray, start: int, stop: int
) -> None:
    held, place = np.empty(values.shape[1]), np.empty(count + 1, np.int64)
    for t in range(start, stop):
        if not wanted[t].any():
            continue
        place[:] = 0
        for a in range(values.shape[1]):
            if groups[t, a] >= 0 and not np.isnan(values[t, a]):
                place[groups[t, a] + 1] += 1
        place[:] = np.cumsum(place)
        filled = place[:-1].copy()
        for a in range(values.shape[1]):
            if groups[t, a] >= 0 and not np.isnan(values[t, a]):
                held[filled[groups[t, a]]] = values[t, a]
                filled[groups[t, a]] += 1
        medians = np.full(count, np.nan)
        for a in range(values.shape[1]):
            g = groups[t, a]
            if wanted[t, a] and g >= 0 and place[g + 1] - place[g] >= MIN_GROUP_NAMES:
                if np.isnan(medians[g]):
                    medians[g] = np.median(held[place[g] : place[g + 1]])
                out[t, a], done[t, a] = medians[g], True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What the factors are made from."""

    data: Dataset
    market: Market
    groups: npt.NDArray[np.int32] | None
    figures: Mapping[str, Figure]

    def makers(self) -> dict[str, Callable[[], FloatArray]]:
        """Name → function that makes the block, in the order of the base."""
        own, cap = self._own, self.market.caps
        return {
            "btop": lambda: over_cap(own(_same, "equity"), cap),
            "cetop": lambda: over_cap(own(_same, "cash_ttm"), cap),
            "etop": lambda: over_cap(own(_same, "income_ttm"), cap),
            "divyld": self._dividend_yield,
            "egro": partial(own, _same, "income_growth"),
            "sgro": partial(own, _same, "revenue_growth"),
            "mlev": lambda: market_leverage(cap, own(_same, "long_term")),
            "dtoa": partial(own, debt_to_assets, "debt", "assets"),
            "blev": partial(own, book_leverage, "equity", "long_term"),
            "roe_ttm": partial(own, return_on_equity, "income_ttm", "equity", "equity_before"),
            "gpa_ttm": lambda: self._profitability()[0],
            "d_at_yoy": partial(own, turnover_change, "turnover", "turnover_before"),
            "asset_growth": partial(own, asset_growth, "assets", "assets_before"),
        }

    def substituted(self) -> BoolArray:
        """Where gpa_ttm is the median of the group."""
        return self._profitability()[1]

    def _own(self, formula: Callable[..., FloatArray], *names: str) -> FloatArray:
        """Block of a formula of figures: computed at the steps, in use as long as each of its figures is."""
        used = [self.figures[name] for name in names]
        until: Int64Array = np.min([each.until for each in used], axis=0)
        return Figure(steps=used[0].steps, values=formula(*[each.values for each in used]), until=until).block(self.market.traded)

    def _profitability(self) -> tuple[FloatArray, BoolArray]:
        values = self._own(gross_profitability, "gross_ttm", "assets")
        if self.groups is None:
            return values, np.zeros(values.shape, dtype=bool)
        wanted = ~np.isnan(self._own(_over_positive, "revenue_ttm", "assets"))
        wanted &= np.isnan(self._own(_same, "cost_ttm"))
        return group_median(values, wanted, self.groups)

    def _dividend_yield(self) -> FloatArray:
        market = self.market
        if not self.data.has("dividends"):
            return np.full(market.axes.shape, np.nan)
        if "close" in self.data.columns("bars"):
            bars = self.data.frame("bars", ["date", "asset", "close"])
            close = market.axes.block(market.axes.locate(bars), bars["close"])
        else:
            close = np.full(market.axes.shape, np.nan)
        cash = dividend_steps(self.data.frame("dividends"), market.axes).block(market.traded)
        return dividend_yield(cash, close, market.caps, self._own(_same, "shares"))


def _same(values: FloatArray) -> FloatArray:
    return values
