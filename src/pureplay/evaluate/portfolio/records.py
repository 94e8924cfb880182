"""What a portfolio says: frozen records that print well and turn into a summary."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl

__all__ = ["APPROXIMATE", "AccountFigures", "ActiveFigures", "Performance", "Portfolio", "PortfolioFigures", "Spread"]

APPROXIMATE: Final = "limits inferred from returns: approximate"
"""Said of a portfolio whose price limits were not read from prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over the accounts: mean, least and largest; NaN where no account has it. Accounts without it are left out."""

    mean: float
    min: float
    max: float

    @classmethod
    def of(cls, values: "list[float] | tuple[float, ...]") -> "Spread":
        """Spread of the finite values."""
        known = np.array([each for each in values if math.isfinite(each)], dtype=np.float64)
        if not known.size:
            return cls(mean=math.nan, min=math.nan, max=math.nan)
        return cls(mean=float(known.mean()), min=float(known.min()), max=float(known.max()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Figures of a series of daily returns, decimals.

    annual_return: compound, total growth ^ (sessions_per_year / n_sessions) - 1. annual_mean: mean daily return × sessions_per_year.
    volatility: sd (ddof 1) × √sessions_per_year. sharpe: annual_mean / volatility, against cash that earns nothing. max_drawdown: largest
    loss of wealth from an earlier peak, at least 0, the money at the start being a peak; peak is the session of that peak (the first
    session for the start) and trough that of the low, both None without a loss. hit_rate: share of grid periods with a return above 0,
    n_periods of them. t_ewc: of the mean daily return, EWC test. skew and kurtosis: third and fourth central moment over sd³ and sd⁴
    (ddof 0), 0 and 3 for a normal series. NaN where the series is too short, or does not vary.
    """

    annual_return: float
    annual_mean: float
    volatility: float
    sharpe: float
    max_drawdown: float
    peak: date | None
    trough: date | None
    hit_rate: float
    n_periods: int
    n_sessions: int
    t_ewc: float
    skew: float
    kurtosis: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveFigures:
    """Figures of a portfolio beside its benchmark, decimals.

    active_return: mean of net - benchmark × sessions_per_year. tracking_error: its sd (ddof 1) × √sessions_per_year. information_ratio:
    one over the other. t_ewc: of the mean daily difference. beta: covariance of net and benchmark over the benchmark's variance.
    max_drawdown: of net wealth over the benchmark's, positive.
    """

    active_return: float
    tracking_error: float
    information_ratio: float
    t_ewc: float
    beta: float
    max_drawdown: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """Figures of one account, from the session on which it is opened to its last one.

    opened: session of the first trade; last; both None where there was none. Without an end `last` is the end of the data; an account that
    was wound up ends when it holds nothing any more, or with the last session on which its orders are tried again; a ruined one on the
    day of its ruin. per_rebalance: mean one-way turnover of a rebalance with its retries, the first build (the rebalance whose orders
    opened the account) and the closing out left apart; rebalances: how many; rebalance_sessions: mean number of market sessions between
    two, from the first build to the last of them, the grid where none was skipped; turnover: per_rebalance × sessions_per_year /
    rebalance_sessions, NaN without a rebalance. fees, impact, borrow: mean daily cost over the account's value at the close before ×
    sessions_per_year. exposure: mean of (long + short value) / account value; cash: likewise. long_names, short_names: mean number held.
    delisted, written_off: names paid out. final_value: money.
    """

    offset: int
    opened: date | None
    last: date | None
    closed_out: date | None
    ruined: date | None
    gross: Performance
    net: Performance
    active: ActiveFigures | None
    per_rebalance: float
    rebalance_sessions: float
    turnover: float
    rebalances: int
    fees: float
    impact: float
    borrow: float
    exposure: float
    cash: float
    long_names: float
    short_names: float
    delisted: int
    written_off: int
    final_value: float

    def to_row(self) -> dict[str, Any]:
        """One flat row: figures of `gross`, `net` and `active` with their name in front."""
        row: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            kind = {"gross": Performance, "net": Performance, "active": ActiveFigures}.get(each.name)
            if kind is None:
                row[each.name] = value
                continue
            for inner in fields(kind):
                row[f"{each.name}_{inner.name}"] = getattr(value, inner.name) if value is not None else None
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioFigures:
    """Figures of a portfolio over its accounts, one an offset of the rebalance grid.

    gross, net: spread over the accounts of each number of `Performance`, by name; gross is before all costs. together_gross,
    together_net: the same figures of one series, the mean daily return of the accounts that live on the day, which is steadier than
    any of them. active: spread of `ActiveFigures`, together_active: of the mean series, benchmark: the index itself from the close of the
    first opening on; None without a benchmark. turnover to short_names: as in `AccountFigures`. blocked_orders: orders on sessions of a
    rebalance that were not filled in full, by reason, all accounts; blocked_share: their unfilled value over all value wanted on these
    sessions (filled and unfilled). closed_out: offset → day on which a long-short account was closed because short sales were no
    longer allowed. ruined: offset → day on which nothing was left. never_opened: offsets without any trade.
    """

    first: date
    last: date
    sessions_per_year: float
    grid_sessions: int
    n_accounts: int
    gross: Mapping[str, Spread]
    net: Mapping[str, Spread]
    together_gross: Performance
    together_net: Performance
    benchmark_name: str | None
    benchmark: Performance | None
    active: Mapping[str, Spread] | None
    together_active: ActiveFigures | None
    per_rebalance: Spread
    rebalance_sessions: Spread
    turnover: Spread
    rebalances: int
    fees: Spread
    impact: Spread
    borrow: Spread
    exposure: Spread
    cash: Spread
    long_names: Spread
    short_names: Spread
    delisted: Spread
    written_off: Spread
    blocked_orders: Mapping[str, int]
    blocked_share: Mapping[str, float]
    closed_out: Mapping[int, date]
    ruined: Mapping[int, date]
    never_opened: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, dates as ISO text, unknown numbers as None."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    def __str__(self) -> str:
        gross, net = self.gross, self.net
        lines = [
            f"{self.first} to {self.last}, {_counted(self.n_accounts, 'account')} rebalanced every {self._apart()} sessions "
            "(mean [least, largest] of them)",
            _line("gross of costs", gross),
            _line("net of costs", net)
            + f"; largest drawdown {_percent(net['max_drawdown'])}, EWC t of the mean account {self.together_net.t_ewc:+.2f}",
            f"costs a year: fees {_percent(self.fees)}, impact {_percent(self.impact)}, borrowing {_percent(self.borrow)}",
            f"turnover, one way: {_times(self.turnover)} a year, {100 * self.per_rebalance.mean:.1f} % a rebalance",
            f"gross exposure held {_times(self.exposure)} the account, cash {_percent(self.cash)}; "
            f"{self.long_names.mean:.0f} names long, {self.short_names.mean:.0f} short",
            *self._benchmark_lines(),
            self._blocked_line(),
            *self._endings(),
        ]
        return "\n".join(lines)

    def _apart(self) -> str:
        """Sessions between rebalances: the grid where all keep to it, else what they were."""
        made = self.rebalance_sessions
        if math.isnan(made.mean) or made.min == made.max == self.grid_sessions:
            return str(self.grid_sessions)
        return f"{made.mean:.1f} [{made.min:.1f}, {made.max:.1f}]"

    def _benchmark_lines(self) -> list[str]:
        if self.active is None or self.benchmark is None:
            return []
        active = self.active
        return [
            f"benchmark {self.benchmark_name}: {100 * self.benchmark.annual_return:+.1f} % a year, Sharpe {self.benchmark.sharpe:+.2f}, "
            f"largest drawdown {100 * self.benchmark.max_drawdown:.1f} %",
            f"active return {_percent(active['active_return'], sign=True)} a year, tracking error {_percent(active['tracking_error'])}, "
            f"information ratio {_plain_spread(active['information_ratio'])}, beta {active['beta'].mean:.2f}, "
            f"largest drawdown against it {_percent(active['max_drawdown'])}",
        ]

    def _blocked_line(self) -> str:
        parts = [
            f"{name.replace('_', ' ')} {count} ({100 * self.blocked_share[name]:.2f} % of the value)"
            for name, count in self.blocked_orders.items()
            if count
        ]
        return "orders not filled in full at a rebalance: " + (", ".join(parts) or "none")

    def _endings(self) -> list[str]:
        lines = []
        if self.delisted.max > 0 or self.written_off.max > 0:
            lines.append(f"names paid out an account: {self.delisted.mean:.1f} delisted, {self.written_off.mean:.1f} written off")
        if self.closed_out:
            accounts, first = _counted(len(self.closed_out), "account"), min(self.closed_out.values())
            lines.append(f"{accounts} closed out because short sales were no longer allowed, the first on {first}; figures end there")
        if self.ruined:
            lines.append(f"{_counted(len(self.ruined), 'account')} ruined, the first on {min(self.ruined.values())}")
        if self.never_opened:
            lines.append(f"{_counted(len(self.never_opened), 'account')} never opened")
        return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """A portfolio over time with what it was made of.

    settings: by name. rules: name and digest of the market's rules. approximate: price limits were inferred from returns. skipped:
    rebalance dates that were none, by reason. notes: what the reader should know. figures: all accounts. Frames as told in
    `portfolio_frames`: daily, by_offset, years, blocked, grid_returns.
    """

    name: str
    settings: Mapping[str, Any]
    rules: tuple[str, str]
    approximate: bool
    figures: PortfolioFigures
    daily: pl.DataFrame
    by_offset: pl.DataFrame
    years: pl.DataFrame
    blocked: pl.DataFrame
    grid_returns: pl.DataFrame
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Settings, rules and figures by name, with the years; without the daily series. Fit for JSON: unknown numbers are None."""
        return {
            "name": self.name,
            "settings": _plain(dict(self.settings)),
            "rules": {"name": self.rules[0], "digest": self.rules[1]},
            "approximate": self.approximate,
            "figures": self.figures.to_dict(),
            "years": _plain(self.years.to_dicts()),
            "skipped": dict(self.skipped),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.name} (rules {self.rules[0]} {self.rules[1][:12]})", *str(self.figures).split("\n")]
        lines += [f"skipped: {count} rebalances, {reason}" for reason, count in self.skipped.items()]
        lines += [APPROXIMATE] if self.approximate else []
        lines += [f"note: {note}" for note in self.notes]
        return "\n  ".join(lines)


def _plain(value: Any) -> Any:
    """Value in the types that JSON has."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _line(head: str, spreads: Mapping[str, Spread]) -> str:
    annual, risk = _percent(spreads["annual_return"], sign=True), _percent(spreads["volatility"])
    return f"{head}: {annual} a year, volatility {risk}, Sharpe {_plain_spread(spreads['sharpe'])}"


def _percent(spread: Spread, *, sign: bool = False) -> str:
    form = "+.1f" if sign else ".1f"
    return f"{100 * spread.mean:{form}} % [{100 * spread.min:{form}}, {100 * spread.max:{form}}]"


def _times(spread: Spread) -> str:
    return f"{spread.mean:.2f} [{spread.min:.2f}, {spread.max:.2f}] times"


def _plain_spread(spread: Spread) -> str:
    return f"{spread.mean:+.2f} [{spread.min:+.2f}, {spread.max:+.2f}]"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
