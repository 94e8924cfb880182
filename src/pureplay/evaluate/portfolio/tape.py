"""The market as it lets one trade: limits, suspensions, fees, short sales, delistings and liquidity, session by session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pureplay.dataset import Dataset
from pureplay.errors import TableError
from pureplay.evaluate.portfolio.arrays import Tape
from pureplay.evaluate.portfolio.boards import board_numbers, last_sessions, listing_days, status_days
from pureplay.evaluate.portfolio.limits import BASES, Prices, at_limits
from pureplay.evaluate.portfolio.liquidity import mean_amount, return_spread
from pureplay.evaluate.portfolio.references import cash_dividends
from pureplay.evaluate.portfolio.rules import MarketRules
from pureplay.evaluate.portfolio.settings import PortfolioSettings
from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import DayArray

__all__ = ["TapeFacts", "load_tape"]

_SHOWN: Final = 3
_NEGLIGIBLE: Final = 0.001  # share of inferred limits up to which figures are not called approximate; the notes count them all the same
_MOST_RETURN: Final = 1e6

NumberArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFacts:
    """Where a tape comes from and what it could not know.

    rules, digest: name of the market rules and SHA-256 of what they say. The traded stock-days by how their price limits are known:
    given: from limit_up and limit_down of the bars; computed: from close, return, stated dividends and the dated rule; inferred: from the
    return alone, or from a reference that an ex-date or other adjustment leaves uncertain; unlimited: no limit held; unknown: a limit
    held, but neither bars nor return tell whether it was reached (taken as not reached). approximate: whether more than one in a thousand
    is inferred. at_upper, at_lower: stock-days that closed at a limit. boards: stocks of each board. notes: what the data lack and what
    was assumed in their place.
    """

    rules: str
    digest: str
    given: int
    computed: int
    inferred: int
    unlimited: int
    unknown: int
    approximate: bool
    at_upper: int
    at_lower: int
    boards: Mapping[str, int]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Facts by name, for a manifest."""
        names = ("rules", "digest", *BASES, "approximate", "at_upper", "at_lower")
        return {name: getattr(self, name) for name in names} | {"boards": dict(self.boards), "notes": list(self.notes)}


def load_tape(data: Dataset, market: Market, rules: MarketRules, settings: PortfolioSettings) -> tuple[Tape, TapeFacts]:
    """What the market gives and allows on each session of `market`, the blocks of the same dataset.

    tradable: it traded, `status` calls it suspended on no such day, and its `assets.delist_date` is not over. Limits: see `at_limits`.
    enterable: False where a no_entry row of the rules holds. buy_rate, sell_rate: the dated fees (unless settings.fees is off) plus
    commission and slippage. borrow_rate: the rate a year × calendar days since the session before / day_count. shorting: by the rules, or
    always with settings.shorting "paper". last_session: `assets.delist_date`; returns: NaN after it, even where bars go on. liquidity:
    mean amount over the sessions traded among the liquidity_sessions sessions before; over a longer suspension the last such mean, 0 for
    a stock that has not traded yet. volatility: sd of the returns of the 60 sessions before; with too few the stock's last one, or the
    median of the session. Both None where bars have no amount.
    Every value at a session uses what was known at its close; liquidity and volatility what was known before it.

    Raises TableError for stocks of an unknown board or a market of other data, SettingError where the fees, the settlement or, for a
    long_short account, the shorting rules begin after the data.
    """
    bars, days = _Bars(data, market), market.axes.sessions.dates
    _require_returns(market)
    for section, needed in (("fee", settings.fees), ("settlement", True), ("shorting", settings.kind == "long_short")):
        if needed:
            rules.require_from(section, days[0].item())
    board, names = board_numbers(data, market.axes, rules)
    special, suspended = (status_days(data, market.axes, kind) for kind in ("ST", "suspended"))
    listed = listing_days(data, market)
    prices, crossed = _sound_limits(bars.prices())
    limits = at_limits(
        market, prices, rules, board=board, boards=names, listed=listed, special=special, cash=cash_dividends(data, market.axes)
    )
    last, late = last_sessions(data, market)
    gone = np.flatnonzero(late.any(axis=0))
    amount = bars.block("amount")
    extra = (settings.commission_bps + settings.slippage_bps) / 1e4
    tape = Tape(
        returns=np.where(late, np.nan, market.returns) if gone.size else market.returns,
        tradable=market.traded & ~(late if suspended is None else late | suspended),
        at_upper=limits.at_upper,
        at_lower=limits.at_lower,
        enterable=_enterable(data, market, rules, special),
        shorting=_shorting(rules, settings, days),
        buy_rate=extra + rules.rates("buy", days) * settings.fees,
        sell_rate=extra + rules.rates("sell", days) * settings.fees,
        borrow_rate=_borrow(rules, days),
        settlement=rules.series("settlement", "sessions", days, default=0.0).astype(np.int64),
        last_session=last,
        payout=np.full(market.axes.shape[1], rules.payout),
        liquidity=None if amount.size == 0 else mean_amount(amount, market.traded, settings.liquidity_sessions),
        volatility=None if amount.size == 0 else return_spread(market.returns),
    )
    counts = dict(zip(BASES, limits.counts.tolist(), strict=True))
    lone = 0 if suspended is None else int((market.traded & suspended).sum())
    facts = TapeFacts(
        rules=rules.name,
        digest=rules.digest(),
        **counts,
        approximate=counts["inferred"] > _NEGLIGIBLE * sum(counts.values()),
        at_upper=int(limits.at_upper.sum()),
        at_lower=int(limits.at_lower.sum()),
        boards={name: int((board == number).sum()) for number, name in enumerate(names)},
        notes=(
            *_data_notes(data, market, rules, settings),
            *_limit_notes(rules, counts, limits.adjusted, crossed),
            *_trade_notes(market, gone, int(late.sum()), lone),
        ),
    )
    return tape, facts


class _Bars:
    """Columns of the bars as blocks on the axes of the market, read one at a time."""

    def __init__(self, data: Dataset, market: Market) -> None:
        if not isinstance(data, Dataset):
            raise TableError(f"a {type(data).__name__} is not a dataset: make one with Dataset.from_frames or Dataset.open")
        self._data, self._axes = data, market.axes
        self._cells = market.axes.locate(data.frame("bars", ["date", "asset"]))
        lost = int((self._cells < 0).sum())
        if lost:
            raise TableError(
                f"{lost} rows of bars lie outside the sessions and stocks of the market: make it with load_market of the same dataset"
            )

    def block(self, name: str) -> FloatArray:
        """Block of a column; of no rows where bars lack it."""
        if name not in self._data.columns("bars"):
            return np.zeros((0, 0))
        return self._axes.block(self._cells, self._data.frame("bars", [name])[name])

    def prices(self) -> Prices:
        """What the price limits need."""
        return Prices(close=self.block("close"), limit_up=self.block("limit_up"), limit_down=self.block("limit_down"))


def _require_returns(market: Market) -> None:
    """Raise TableError for returns with which no account can be computed."""
    largest = float(np.fmax.reduce(market.returns, axis=None, initial=0.0))
    if largest > _MOST_RETURN:
        row, column = (int(each) for each in np.argwhere(market.returns == largest)[0])
        raise TableError(
            f"{int((market.returns > _MOST_RETURN).sum())} returns of the bars lie above {_MOST_RETURN:g}, such as {largest:g} of "
            f"{market.axes.assets[column][:60]} on {market.axes.sessions.dates[row]}: correct them, or leave them empty"
        )


def _sound_limits(prices: Prices) -> tuple[Prices, int]:
    """The prices without limits that cannot be, and on how many stock-days there were such."""
    up, down = prices.limit_up, prices.limit_down
    wrong = np.zeros((0, 0), dtype=bool)
    for block in (up, down):
        if block.size:
            wrong = block <= 0 if not wrong.size else wrong | (block <= 0)
    if up.size and down.size:
        wrong |= up <= down
    if not wrong.any():
        return prices, 0
    up, down = (np.where(wrong, np.nan, block) if block.size else block for block in (up, down))
    return Prices(close=prices.close, limit_up=up, limit_down=down), int(wrong.sum())


def _enterable(data: Dataset, market: Market, rules: MarketRules, special: BoolArray | None) -> BoolArray:
    """False where a row of no_entry holds: by status, or by the sessions since listing."""
    out = np.ones(market.axes.shape, dtype=bool)
    delisting = status_days(data, market.axes, "delisting")
    for rule in rules.rows("no_entry"):
        kind, held = rule.values["kind"], rule.holds(market.axes.sessions.dates)
        if kind == "first_days":
            barred: BoolArray | None = ~market.seasoned(rule.values["days"] + 1)
        else:
            barred = special if kind == "ST" else delisting
        if barred is not None:
            out[held] &= ~barred[held]
    return out


def _shorting(rules: MarketRules, settings: PortfolioSettings, days: DayArray) -> BoolArray:
    """Whether short positions may be opened; a market without rules on it allows them."""
    if settings.shorting == "paper" or not rules.rows("shorting"):
        return np.ones(days.size, dtype=bool)
    return rules.series("shorting", "allowed", days, default=0.0) > 0


def _borrow(rules: MarketRules, days: DayArray) -> FloatArray:
    """Cost of a borrowed value a session: the rate a year for every calendar day since the session before, one day on the first."""
    gaps = np.diff(days, prepend=days[:1] - 1) / np.timedelta64(1, "D")
    return np.asarray(rules.series("shorting", "borrow_rate", days, default=0.0) * gaps / rules.day_count)


def _data_notes(data: Dataset, market: Market, rules: MarketRules, settings: PortfolioSettings) -> list[str]:
    """What the tables lack, and what stands in."""
    notes, assets = [], market.axes.shape[1]
    if not data.has("status") and any(
        rule.values["kind"] in ("ST", "delisting") for rule in (*rules.rows("price_limit"), *rules.rows("no_entry"))
    ):
        notes.append(
            "there is no status table: which stocks were under special treatment or delisting is unknown; all get the normal rules"
        )
    if "amount" not in data.columns("bars") or data.frame("bars", ["amount"])["amount"].count() == 0:
        notes.append("bars have no amount: neither a participation limit nor price impact can be applied")
    stated = 0
    if "list_date" in data.columns("assets"):
        known = data.frame("assets", ["asset", "list_date"]).drop_nulls()
        stated = int((market.axes.asset_index(known["asset"]) >= 0).sum())
    if stated < assets and (rules.rows("first_days") or rules.rows("no_entry")):
        notes.append(
            f"{assets - stated} of {assets} stocks have no list_date: their first bar counts as their listing, and one that trades on the "
            "first session of the data as long listed"
        )
    ends = 0 if "delist_date" not in data.columns("assets") else data.frame("assets", ["delist_date"])["delist_date"].count()
    if ends == 0:
        late = (
            f"are written off after {settings.write_off_sessions} sessions, at a return of {rules.write_off_return:.0%} on their last value"
        )
        after = "keep their last value" if settings.write_off_sessions is None else late
        notes.append(f"no stock has a delist_date: holdings that stop trading {after}")
    if not settings.fees:
        notes.append("the dated fees and duties of the market are left out: fees is False")
    if settings.shorting == "paper":
        notes.append("short sales go on where the rules do not allow them: shorting is 'paper'")
    return notes


def _limit_notes(rules: MarketRules, counts: Mapping[str, int], adjusted: int, crossed: int) -> list[str]:
    notes, total = [], sum(counts.values())
    blank = counts["inferred"] - adjusted
    if crossed:
        notes.append(
            f"{crossed} stock-days have a limit_up or limit_down that is 0 or less, or a limit_up not above the limit_down: both are left "
            "aside there, and the dated rule counts"
        )
    if blank:
        notes.append(
            f"price limits of {blank} of {total} stock-days are approximate: bars have no close there, so a return within "
            f"{rules.tolerance:g} of the limit counts as having reached it"
        )
    if adjusted:
        notes.append(
            f"price limits of {adjusted} of {total} stock-days are approximate: close and return show an ex-date or other adjustment whose "
            "reference price is not exactly known (cash that no row of dividends states, or shares issued), so a close that may have been "
            "at its limit counts as having reached it"
        )
    if counts["unknown"]:
        notes.append(f"whether {counts['unknown']} of {total} stock-days closed at a limit is unknown: they have no return; taken as no")
    return notes


def _trade_notes(market: Market, late: NumberArray, bars: int, suspended: int) -> list[str]:
    notes = []
    if late.size:
        more = " …" if late.size > _SHOWN else ""
        codes = ", ".join(market.axes.assets[column] for column in late[:_SHOWN])
        notes.append(
            f"{late.size} stocks trade after their delist_date ({codes}{more}): they are paid out at that day, and {bars} later stock-days "
            "are left aside; correct the date or the bars"
        )
    if suspended:
        notes.append(f"{suspended} stock-days have a trade, but status calls them suspended: no order is filled there")
    return notes
