"""What each issuer earns and owns, quarter by quarter, around the revenue of its half-yearly reports."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pureplay.synthetic.filings import Reports
from pureplay.synthetic.firms import Firms
from pureplay.synthetic.mixes import Mixes
from pureplay.synthetic.settings import BoolArray, FloatArray, IntArray
from pureplay.synthetic.tree import Tree

__all__ = ["ITEMS", "PROSPECTUS_ITEMS", "Accounts", "draw_accounts"]

ITEMS: Final = (
    "book_equity",
    "cost_of_sales",
    "long_term_debt",
    "net_income",
    "operating_cash_flow",
    "preferred_equity",
    "revenue",
    "shares",
    "total_assets",
    "total_debt",
)
"""In the order of the table's key."""
FLOWS: Final = ("cost_of_sales", "net_income", "operating_cash_flow")
PROSPECTUS_ITEMS: Final = ("net_income", "revenue", "shares")
"""Annual figures known of the fiscal years before the first full statement."""
PROSPECTUS_YEARS: Final = 5
LATE: Final = 0.02
RESTATED: Final = 0.03
MISSING: Final = 0.01
"""Of first- and third-quarter reports."""
CASH_SEASON: Final = (-0.06, -0.01, 0.0, 0.07)
"""Cash comes in late in the year: shares of the quarter's revenue beside net income."""
NEGATIVE_EQUITY: Final = 0.005
PREFERRED: Final = 0.02
MANY_BRANCHES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Statements of issuers: values (issuer, period, item, revision), NaN where nothing is said; publish dates (issuer, period, revision).

    period: last days; `early` fiscal years of prospectus history come first, then every quarter. opening: first period that a
    listed issuer reports in full. restated, missing: (issuer, period); banks: issuers without cost of sales and long-term debt.
    """

    period: NDArray[np.datetime64]
    early: int
    opening: np.datetime64
    value: FloatArray
    publish: NDArray[np.datetime64]
    restated: BoolArray
    missing: BoolArray
    banks: BoolArray

    def annual(self, item: str, year: int) -> FloatArray:
        """First published annual figure of every issuer."""
        at = int(np.flatnonzero(self.period == np.datetime64(f"{year}-12-31"))[0])
        found: FloatArray = self.value[:, at, ITEMS.index(item), 0]
        return found

    def annual_publish(self, year: int) -> NDArray[np.datetime64]:
        """Day on which every issuer first published its annual figures."""
        found: NDArray[np.datetime64] = self.publish[:, int(np.flatnonzero(self.period == np.datetime64(f"{year}-12-31"))[0]), 0]
        return found


def draw_accounts(
    rng: np.random.Generator, tree: Tree, firms: Firms, mixes: Mixes, reports: Reports, days: NDArray[np.datetime64]
) -> Accounts:
    """Draw the statements of every issuer over the years of the mixes, and the prospectus history before them."""
    first = int(days[0].astype("datetime64[Y]").astype(np.int64)) + 1970
    early = np.arange(first - 1 - PROSPECTUS_YEARS, mixes.first_year)
    quarters = _quarter_ends(mixes)
    banks = _pick_banks(tree, mixes)
    revenue, ratio = _draw_revenue(rng, reports)
    margin, quarter = _draw_margins(rng, firms, mixes, revenue, days)
    items = {"revenue": revenue, **_draw_flows(rng, revenue, margin, quarter), **_draw_balance(rng, firms, mixes, days)}
    items["cost_of_sales"][banks] = np.nan
    items["long_term_debt"][banks] = np.nan
    stated = np.stack([items[name] for name in ITEMS], axis=2)
    value = np.stack([stated, _restate(rng, stated, ratio)], axis=3)
    past = _draw_past(rng, items, margin, early.size)
    publish, restated = _draw_dates(rng, reports, quarters)
    missing = rng.random(restated.shape) < MISSING
    missing[:, 1::2] = False
    ends = np.array([np.datetime64(f"{year}-12-31") for year in early], dtype="datetime64[D]")
    none = np.zeros((firms.issuers, early.size), dtype=np.bool_)
    before = np.repeat((ends + _days(_skew(rng, 20, 120, (firms.issuers, early.size))))[:, :, None], 2, axis=2)
    return Accounts(
        period=np.concatenate([ends, quarters]),
        early=early.size,
        opening=np.datetime64(f"{first - 1}-12-31"),
        value=np.concatenate([past, value], axis=1),
        publish=np.concatenate([before, publish], axis=1),
        restated=np.concatenate([none, restated], axis=1),
        missing=np.concatenate([none, missing], axis=1),
        banks=banks,
    )


def _days(count: IntArray | FloatArray) -> NDArray[np.timedelta64]:
    return np.asarray(count).astype("timedelta64[D]")


def _cents(amount: FloatArray) -> FloatArray:
    return np.rint(amount * 100) / 100


def _skew(rng: np.random.Generator, shortest: int, longest: int, shape: tuple[int, ...]) -> IntArray:
    """Days of a lag; most reports come in the last weeks before the deadline."""
    drawn: FloatArray = np.floor(rng.beta(4.0, 1.5, shape) * (longest - shortest + 1))
    lag: IntArray = np.minimum(shortest + drawn.astype(np.int64), longest)
    return lag


def _quarter_ends(mixes: Mixes) -> NDArray[np.datetime64]:
    months = (mixes.first_year - 1970) * 12 + 3 * (np.arange(2 * mixes.halves) + 1)
    begins = months.astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(begins - np.timedelta64(1, "D"), dtype="datetime64[D]")


def _pick_banks(tree: Tree, mixes: Mixes) -> BoolArray:
    """Issuers of the smallest level-1 branches that are home to anybody: one branch, or two in a large tree."""
    branch = tree.top[mixes.unit[:, 0, 0]]
    home, size = np.unique(branch, return_counts=True)
    count = 2 if home.size >= MANY_BRANCHES else 1
    able = size >= min(max(2, round(0.005 * branch.size)), int(size.max()))
    ranked = home[able][np.argsort(size[able], kind="stable")]
    return np.isin(branch, ranked[:count])


def _draw_revenue(rng: np.random.Generator, reports: Reports) -> tuple[FloatArray, FloatArray]:
    """Cumulative revenue by quarter, half-years as filed, and its restated multiple."""
    issuers, halves = reports.total[0].shape
    half, full = reports.total[0][:, 0::2], reports.total[0][:, 1::2]
    pattern = 0.05 * rng.standard_normal((issuers, 2))
    noise = 0.03 * rng.standard_normal((issuers, halves // 2, 2))
    split = (0.48 + pattern[:, None, :] + noise).clip(0.2, 0.8)
    one, three = _cents(half * split[:, :, 0]), _cents(half + (full - half) * split[:, :, 1])
    revenue = np.stack([one, half, three, full], axis=2).reshape(issuers, 2 * halves)
    ratio = np.exp(0.12 * rng.standard_normal(revenue.shape))
    ratio[:, 1::2] = reports.total[1] / reports.total[0]
    return revenue, ratio


def _wander(rng: np.random.Generator, shape: tuple[int, int], keep: float) -> FloatArray:
    """Stationary first-order autoregression of unit variance along the quarters."""
    path = rng.standard_normal(shape)
    for at in range(1, shape[1]):
        path[:, at] = keep * path[:, at - 1] + (1 - keep**2) ** 0.5 * path[:, at]
    return path


def _anchor(firms: Firms, mixes: Mixes, days: NDArray[np.datetime64]) -> IntArray:
    """Quarter whose accounts fit the first price: the last one ended before the first session, or before listing."""
    home = firms.homes
    when: IntArray = np.maximum(firms.list_date[home], days[0]).astype("datetime64[M]").astype(np.int64)
    anchor: IntArray = (when - (mixes.first_year - 1970) * 12) // 3 - 1
    return anchor


def _first_caps(firms: Firms) -> FloatArray:
    home = firms.homes
    caps: FloatArray = firms.shares[home] * firms.price[home]
    return caps


def _draw_margins(
    rng: np.random.Generator, firms: Firms, mixes: Mixes, revenue: FloatArray, days: NDArray[np.datetime64]
) -> tuple[FloatArray, FloatArray]:
    """Net margin for life, such that the return on a usual book equity is plausible, and the margin of every quarter."""
    anchor = _anchor(firms, mixes, days)
    yearly = np.take_along_axis(revenue, (anchor // 4 * 4 + 3)[:, None], axis=1)[:, 0]
    earned = (0.08 + 0.08 * rng.standard_normal(firms.issuers)).clip(-0.2, 0.3) * 0.4 * _first_caps(firms)
    margin = (earned / yearly).clip(-0.3, 0.35)
    reach = 0.01 + 0.25 * np.abs(margin)
    path = margin[:, None] + reach[:, None] * _wander(rng, (revenue.shape[0], revenue.shape[1]), 0.85)
    season = 0.6 * reach[:, None] * rng.standard_normal((firms.issuers, 4))
    return margin, path + np.tile(season - season.mean(axis=1, keepdims=True), revenue.shape[1] // 4)


def _draw_flows(rng: np.random.Generator, revenue: FloatArray, margin: FloatArray, quarter: FloatArray) -> dict[str, FloatArray]:
    """Cumulative amounts of the other items of income and cash."""
    issuers, size = revenue.shape
    yearly = revenue.reshape(issuers, size // 4, 4)
    single = np.diff(yearly, axis=2, prepend=0.0).reshape(revenue.shape)
    gross: FloatArray = np.maximum((0.3 + 0.12 * rng.standard_normal((issuers,))).clip(0.05, 0.85), margin + 0.05)
    costs = 1 - np.clip(gross[:, None] + 0.02 * _wander(rng, (issuers, size), 0.85), 0.01, 0.95)
    cash = 1.1 * quarter + np.tile(np.array(CASH_SEASON), size // 4) + 0.04 * rng.standard_normal(revenue.shape)
    shares = {"cost_of_sales": costs, "net_income": quarter, "operating_cash_flow": cash}
    return {name: _cents((single * share).reshape(yearly.shape).cumsum(axis=2).reshape(revenue.shape)) for name, share in shares.items()}


def _draw_balance(rng: np.random.Generator, firms: Firms, mixes: Mixes, days: NDArray[np.datetime64]) -> dict[str, FloatArray]:
    """What is owned and owed at each quarter's end, grown from a book equity that fits the first market value."""
    issuers, size = firms.issuers, 2 * mixes.halves
    anchor = _anchor(firms, mixes, days)
    start = np.log(_first_caps(firms) * (0.4 * np.exp(0.5 * rng.standard_normal(issuers))).clip(0.05, 2.0))
    growth = 0.06 + 0.05 * rng.standard_normal(issuers)
    path = 0.08 * _wander(rng, (issuers, size), 0.9)
    path -= np.take_along_axis(path, anchor[:, None], axis=1)
    equity = np.exp(start[:, None] + growth[:, None] * (np.arange(size)[None, :] - anchor[:, None]) / 4 + path)
    owed = (0.2 + 0.5 * rng.beta(2.0, 2.0, issuers))[:, None] + 0.03 * _wander(rng, (issuers, size), 0.9)
    assets = equity / (1 - owed.clip(0.05, 0.85))
    debt = (rng.beta(2.0, 3.0, issuers)[:, None] + 0.03 * _wander(rng, (issuers, size), 0.9)).clip(0.0, 0.95) * (assets - equity)
    long_term = (rng.beta(2.0, 3.0, issuers)[:, None] + 0.03 * _wander(rng, (issuers, size), 0.9)).clip(0.0, 0.95) * debt
    preferred = np.where((rng.random(issuers) < PREFERRED)[:, None], 0.05 * equity, np.nan)
    items = {"total_debt": debt, "long_term_debt": long_term, "preferred_equity": preferred, "total_assets": assets}
    items["book_equity"] = _wipe_out(rng, equity, anchor)
    rounded = {name: _cents(amount) for name, amount in items.items()}
    return {**rounded, "shares": np.repeat(firms.shares[firms.homes][:, None], size, axis=1)}


def _wipe_out(rng: np.random.Generator, equity: FloatArray, anchor: IntArray) -> FloatArray:
    """A few issuers, one at least, owe more than they own for one to three years."""
    issuers, size = equity.shape
    chosen = np.zeros(issuers, dtype=np.bool_)
    chosen[rng.permutation(issuers)[: max(1, round(NEGATIVE_EQUITY * issuers))]] = True
    begins: IntArray = anchor + 1 + (rng.random(issuers) * np.maximum(size - anchor - 4, 1)).astype(np.int64)
    lasts, depth = rng.integers(4, 13, (issuers, 1)), rng.uniform(0.05, 0.3, (issuers, 1))
    since = np.arange(size)[None, :] - begins[:, None]
    return np.where(chosen[:, None] & (since >= 0) & (since < lasts), -depth * equity, equity)


def _restate(rng: np.random.Generator, stated: FloatArray, ratio: FloatArray) -> FloatArray:
    """Values of the second version: revenue by its ratio, other flows near it, the balance sheet by a factor of its own."""
    again = stated * np.exp(0.05 * rng.standard_normal(ratio.shape))[:, :, None]
    for name in ("revenue", *FLOWS):
        at = ITEMS.index(name)
        own = 0.0 if name == "revenue" else 0.03
        again[:, :, at] = stated[:, :, at] * ratio * np.exp(own * rng.standard_normal(ratio.shape))
    again[:, :, ITEMS.index("shares")] = stated[:, :, ITEMS.index("shares")]
    return _cents(again)


def _draw_past(rng: np.random.Generator, items: dict[str, FloatArray], margin: FloatArray, years: int) -> FloatArray:
    """Annual revenue, net income and shares of the years before the first quarter; nothing else is known of them."""
    issuers = margin.size
    growth = 0.07 + 0.15 * rng.standard_normal((issuers, years))
    # From the last year backwards.
    revenue = items["revenue"][:, 3:4] * np.exp(-np.cumsum(growth[:, ::-1], axis=1))[:, ::-1]
    reach = 0.01 + 0.2 * np.abs(margin)
    income = revenue * (margin[:, None] + reach[:, None] * rng.standard_normal(revenue.shape))
    out = np.full((issuers, years, len(ITEMS), 2), np.nan)
    out[:, :, ITEMS.index("revenue"), 0], out[:, :, ITEMS.index("net_income"), 0] = _cents(revenue), _cents(income)
    out[:, :, ITEMS.index("shares"), 0] = items["shares"][:, :1]
    return out


def _draw_dates(rng: np.random.Generator, reports: Reports, quarters: NDArray[np.datetime64]) -> tuple[NDArray[np.datetime64], BoolArray]:
    """Publish dates (issuer, quarter, revision) and restated reports; half-years as filed."""
    issuers, size = reports.publish[0].shape[0], quarters.size
    deadline = np.tile(np.array([30, 0, 31, 0]), size // 4)[None, :]
    lag = np.minimum(_skew(rng, 8, 31, (issuers, size)), deadline)
    late = rng.random((issuers, size)) < LATE
    publish = quarters[None, :] + _days(np.where(late, deadline + rng.integers(1, 181, lag.shape), lag))
    first = publish[:, 4::4]
    annual = reports.publish[0][:, 1:-1:2]
    # The first quarter never comes before the year that precedes it, unless that year is late.
    publish[:, 4::4] = np.where(annual <= quarters[None, 4::4] + np.timedelta64(30, "D"), np.maximum(first, annual), first)
    restated = (rng.random((issuers, size)) < RESTATED / (1 - LATE)) & ~late
    again = publish + _days(rng.integers(60, 240, publish.shape))
    publish[:, 1::2], again[:, 1::2], restated[:, 1::2] = *reports.publish, reports.restated
    return np.stack([publish, again], axis=2), restated
