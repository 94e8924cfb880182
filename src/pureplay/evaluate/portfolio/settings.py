"""Settings of a portfolio built from scores, checked when they are made."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from pureplay.errors import SettingError
from pureplay.stats.given import MOST, is_number, is_whole_number

__all__ = ["Kind", "PortfolioSettings", "Shorting", "Weighting"]

Kind = Literal["long_short", "long_only"]
Weighting = Literal["equal", "cap"]
Shorting = Literal["rule", "paper"]

_LEAST: Final = {
    "quantiles": 2,
    "grid_sessions": 1,
    "delay_sessions": 1,
    "min_leg_names": 1,
    "retry_sessions": 0,
    "liquidity_sessions": 1,
    "write_off_sessions": 1,
}
_FINITE: Final = {  # (least, most, in words)
    "buffer": (0.0, 0.5, "at least 0 and below 0.5, a share of the names"),
    "gross_exposure": (0.01, 10.0, "between 0.01 and 10 times the capital"),
    "capital": (1.0, 1e15, "at least 1 and at most 1e15, in the currency of the bars"),
    "spread_limit": (1.0, 100.0, "at least 1 (blocked money stays cash) and at most 100"),
    "commission_bps": (0.0, 1000.0, "between 0 and 1000 basis points a side"),
    "slippage_bps": (0.0, 1000.0, "between 0 and 1000 basis points a side"),
    "impact": (0.0, 100.0, "between 0 (none) and 100"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioSettings:
    """How scores become a portfolio, METHODS §5.

    kind: "long_short" holds the top quantile against the bottom one, "long_only" the top one. quantiles: number of groups, cut by average
    rank among the names scored on the date, before any return is joined; names that tie are in together or out together.
    weighting: "equal", or "cap" for market value at the close of the score. sector_scheme: industry scheme within which quantiles are
    cut, so that each leg holds every sector with the weight that it has among the scored names; None = across the market. universe:
    index whose members alone are held; None = every scored name. buffer: a name held stays until it leaves its quantile by more than
    this share of the names. min_leg_names: a leg with fewer names is not built, and the date is no rebalance.

    grid_sessions: sessions between rebalances. offset: "all" for the mean over every start of the grid, or one of them.
    delay_sessions: from the score's close to the close at which it is traded.

    gross_exposure: long_short only, long plus short value over the account; half of it each. capital: at the start. spread_limit: what
    blocked orders leave over goes to the leg's other names, up to this multiple of their weight; 1 leaves it as cash. retry_sessions: how
    long an order that could not be filled is tried again, a session at a time. participation: largest share of a name's mean traded
    value that is traded in a session; None = no limit. impact: price impact of a trade is impact × daily volatility × √(trade / mean
    traded value); 0 = none. liquidity_sessions: window of that mean. commission_bps, slippage_bps: a side, on top of the dated fees.
    fees: whether the market's dated fees and duties are charged. shorting: "rule" closes a long-short account where the market does not
    allow short sales, at its next rebalance on or after the ban (without one it keeps its positions to the end of the data); "paper" goes
    on as if they were allowed. write_off_sessions: a held name that has not traded for so many sessions is paid out as
    a delisting; None = never. benchmark: index of the benchmarks table beside a long_only account; None = none.
    """

    kind: Kind = "long_short"
    quantiles: int = 5
    weighting: Weighting = "equal"
    sector_scheme: str | None = None
    universe: str | None = None
    buffer: float = 0.0
    min_leg_names: int = 10
    grid_sessions: int = 20
    offset: int | Literal["all"] = "all"
    delay_sessions: int = 1
    gross_exposure: float = 2.0
    capital: float = 1e8
    spread_limit: float = 1.25
    retry_sessions: int = 5
    participation: float | None = 0.1
    impact: float = 1.0
    liquidity_sessions: int = 20
    commission_bps: float = 2.5
    slippage_bps: float = 5.0
    fees: bool = True
    shorting: Shorting = "rule"
    write_off_sessions: int | None = 250
    benchmark: str | None = None

    def __post_init__(self) -> None:
        _require(self.kind in get_args(Kind), "kind", "'long_short' or 'long_only'", self.kind)
        _require(self.weighting in get_args(Weighting), "weighting", "'equal' or 'cap'", self.weighting)
        _require(self.shorting in get_args(Shorting), "shorting", "'rule' or 'paper'", self.shorting)
        _require(isinstance(self.fees, bool), "fees", "True or False", self.fees)
        for name in ("sector_scheme", "universe", "benchmark"):
            value = getattr(self, name)
            _require(value is None or (isinstance(value, str) and bool(value.strip())), name, "a text, or None", value)
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if name == "write_off_sessions" and value is None:
                continue
            _require(is_whole_number(value, least), name, f"a whole number of at least {least} (and at most {MOST:g})", value)
        for name, (low, high, words) in _FINITE.items():
            value = getattr(self, name)
            _require(_is_number(value) and low <= value <= high, name, words, value)
        _require(self.buffer < 0.5, "buffer", _FINITE["buffer"][2], self.buffer)
        shared = self.participation
        _require(shared is None or (_is_number(shared) and 0 < shared <= 1), "participation", "above 0 and at most 1, or None", shared)
        inside = self.offset == "all" or (_is_whole(self.offset) and 0 <= int(self.offset) < self.grid_sessions)
        _require(inside, "offset", f"'all' or a whole number from 0 to {self.grid_sessions - 1}", self.offset)
        if self.kind == "long_only":
            _require(self.gross_exposure == 2.0, "gross_exposure", "left at 2.0 with long_only", self.gross_exposure)
            _require(self.shorting == "rule", "shorting", "left at 'rule' with long_only", self.shorting)
        else:
            _require(self.benchmark is None, "benchmark", "None with long_short, which has no market to beat", self.benchmark)

    def to_dict(self) -> dict[str, Any]:
        """Settings by name, for a manifest."""
        return asdict(self)


def _require(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        found = repr(value)
        raise SettingError(f"{name} must be {rule}, not {found if len(found) <= 60 else found[:60] + '…'}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and is_number(value) and math.isfinite(value)
