"""Portfolios of scores, or of one's own weights, traded under the dated rules of a market."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.evaluate.inputs import group_block, member_block, score_input
from pureplay.evaluate.portfolio.accounts import account_returns
from pureplay.evaluate.portfolio.arrays import Books, Holdings, Tape, Targets, Terms
from pureplay.evaluate.portfolio.benchmark import Benchmark, load_benchmark
from pureplay.evaluate.portfolio.book import simulate
from pureplay.evaluate.portfolio.frames import portfolio_record
from pureplay.evaluate.portfolio.legs import quantile_targets
from pureplay.evaluate.portfolio.records import Portfolio
from pureplay.evaluate.portfolio.rules import MarketRules
from pureplay.evaluate.portfolio.settings import PortfolioSettings
from pureplay.evaluate.portfolio.tape import TapeFacts, load_tape
from pureplay.evaluate.portfolio.weights import weight_targets
from pureplay.frames import AnyFrame
from pureplay.market import Market, load_market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.sessions import Sessions

__all__ = ["Account", "Desk", "backtest", "quantile_portfolio", "terms_of"]

_OF_THE_TAPE: Final = ("fees", "commission_bps", "slippage_bps", "liquidity_sessions")
_FILLED: Final = 0.5  # of the places in the grid of the accounts: with fewer scored, rebalances are far from regular


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a desk made of scores: targets, books by day, and, where asked for, the positions of one offset."""

    settings: PortfolioSettings
    targets: Targets
    books: Books
    holdings: Holdings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A market made ready for many portfolios: blocks, dated rules, what they allow on each session.

    settings: those that the tape was made with; a portfolio may differ from them in anything but fees, commission_bps, slippage_bps,
    liquidity_sessions and, for a long-short one, shorting. facts: where the tape comes from and what it could not know.
    """

    data: Dataset
    market: Market
    rules: MarketRules
    settings: PortfolioSettings
    tape: Tape
    facts: TapeFacts

    @classmethod
    def open(
        cls,
        data: Dataset,
        *,
        market: Market | None = None,
        rules: MarketRules | str | Path = "cn",
        settings: PortfolioSettings | None = None,
    ) -> "Desk":
        """Load market, rules and tape; raises SettingError and TableError as they do."""
        settings = _settings(settings, PortfolioSettings())
        if market is not None and not isinstance(market, Market):
            raise TableError(f"a {type(market).__name__} is not a market: make one with load_market of the same dataset")
        known = rules if isinstance(rules, MarketRules) else MarketRules.load(rules)
        market = market or load_market(data)
        tape, facts = load_tape(data, market, known, settings)
        return cls(data=data, market=market, rules=known, settings=settings, tape=tape, facts=facts)

    def trade(self, scores: FloatArray, settings: PortfolioSettings, *, record: int | None = None) -> Account:
        """Accounts of a score block on the market's axes. record: offset whose positions are kept."""
        sectors = None if settings.sector_scheme is None else self._sectors(settings.sector_scheme)
        members = None if settings.universe is None else self._members(settings.universe)
        targets = quantile_targets(scores, self.market, settings, sectors=sectors, members=members)
        return self.carry(targets, settings, record=record)

    def carry(self, targets: Targets, settings: PortfolioSettings, *, record: int | None = None) -> Account:
        """Accounts of wanted weights."""
        self._require_same_tape(settings)
        books, holdings = simulate(targets, self.tape, terms_of(settings, self.rules), record=record)
        return Account(settings=settings, targets=targets, books=books, holdings=holdings)

    def report(self, account: Account, *, name: str, benchmark: Benchmark | None = None) -> Portfolio:
        """Figures and tables of accounts. benchmark: as `beside` gives it."""
        settings = account.settings
        made = portfolio_record(
            name,
            account.books,
            self.market.axes.sessions,
            capital=settings.capital,
            grid_sessions=settings.grid_sessions,
            retry_sessions=settings.retry_sessions,
            settings=settings.to_dict(),
            rules=(self.rules.name, self.rules.digest()),
            approximate=self.facts.approximate,
            benchmark=benchmark,
            skipped={reason: int(rows.size) for reason, rows in account.targets.skipped.items()},
            notes=self.facts.notes,
        )
        return replace(made, notes=(*made.notes, *_write_off_notes(made, settings, self.rules)))

    def beside(self, index: str, account: Account) -> Benchmark:
        """Returns of an index over the life of the accounts; raises TableError where it lacks a session of it."""
        if not self.data.has("benchmarks"):
            raise TableError(f"benchmark {index!r} needs the table benchmarks: import it, or leave the benchmark out")
        settings = account.settings
        first, last = account_returns(account.books, capital=settings.capital, retry_sessions=settings.retry_sessions).span
        return load_benchmark(self.data, index, self.market.axes.sessions, first, last)

    def _sectors(self, scheme: str) -> IndexArray | None:
        known = self.data.frame("industries") if self.data.has("industries") else pl.DataFrame({"scheme": []}, schema={"scheme": pl.String})
        rows = known.filter(pl.col("scheme") == scheme)
        if rows.is_empty():
            have = ", ".join(known["scheme"].unique().sort()) or "none"
            raise SettingError(f"sector_scheme {scheme!r} is not in the industries of the dataset; it has {have}: name one of them")
        return group_block(rows, self.market.axes)

    def _members(self, index: str) -> BoolArray | None:
        known = self.data.frame("index_members") if self.data.has("index_members") else pl.DataFrame(schema={"index": pl.String})
        rows = known.filter(pl.col("index") == index)
        if rows.is_empty():
            have = ", ".join(known["index"].unique().sort()) or "none"
            raise SettingError(f"universe {index!r} is not in the index_members of the dataset; it has {have}: name one of them")
        return member_block(rows, self.market.axes)

    def _require_same_tape(self, settings: PortfolioSettings) -> None:
        short = settings.kind == "long_short"
        for name in (*_OF_THE_TAPE, *(("kind", "shorting") if short else ())):
            here, there = getattr(self.settings, name), getattr(settings, name)
            if here != there:
                raise SettingError(f"{name} is {there!r}, but the desk was opened with {here!r}: open a desk with these settings")


def terms_of(settings: PortfolioSettings, rules: MarketRules) -> Terms:
    """Terms of an account under settings and rules."""
    long_only = settings.kind == "long_only"
    return Terms(
        capital=settings.capital,
        long_exposure=1.0 if long_only else settings.gross_exposure / 2,
        short_exposure=0.0 if long_only else settings.gross_exposure / 2,
        delay_sessions=settings.delay_sessions,
        spread_limit=settings.spread_limit,
        retry_sessions=settings.retry_sessions,
        participation=math.inf if settings.participation is None else settings.participation,
        impact=settings.impact,
        write_off_sessions=settings.write_off_sessions or 0,
        write_off_return=rules.write_off_return,
    )


def quantile_portfolio(
    scores: AnyFrame,
    data: Dataset,
    *,
    column: str | None = None,
    settings: PortfolioSettings | None = None,
    rules: MarketRules | str | Path = "cn",
    name: str | None = None,
) -> Portfolio:
    """The portfolio that scores ask for, after the market's rules and costs (METHODS §5, §8).

    scores: date, asset and a score, any frame; higher is better. column: which one, `composite` or the only one by default. data: bars,
    with amount for impact and participation, close or limit columns for exact price limits; assets with board, list_date and delist_date,
    status for ST and suspended days, industries for sector_scheme, index_members for universe and benchmarks for benchmark where asked
    for. rules: "cn", "us", or the path of a TOML file of the same form.

    Timing: decided at the close of a date, traded at the close `delay_sessions` later. Quantiles are cut over the names scored, whether
    or not they can be traded later; what cannot be traded is counted in `blocked`. A date belongs to the account of its place in the
    grid; scores that leave most places of their accounts empty, such as those of month ends, get a note. Raises TableError for frames
    that do not fit, SettingError for settings and rules, InsufficientDataError where no date gives a portfolio.
    """
    settings = _settings(settings, PortfolioSettings())
    desk = Desk.open(data, rules=rules, settings=settings)
    read = score_input(scores, desk.market.axes, column, of="bars")
    scored: BoolArray = np.asarray(np.isfinite(read.values).any(axis=1))
    if not scored.any():
        why = f": {'; '.join(read.notes)}" if read.notes else ", all are missing"
        raise TableError(f"no score of {read.name!r} is left on a date and stock of the bars{why}: check codes, dates and values")
    notes = (*read.notes, *_gap_notes(scored, desk.market.axes.sessions, settings))
    return _reported(desk, desk.trade(read.values, settings), name or read.name, notes)


def backtest(
    weights: AnyFrame,
    data: Dataset,
    *,
    settings: PortfolioSettings | None = None,
    rules: MarketRules | str | Path = "cn",
    name: str = "own weights",
) -> Portfolio:
    """One's own target weights, traded as `quantile_portfolio` trades quantiles: one account, a rebalance at every date of the frame.

    weights: date, asset, weight; they sum to 1 on each date (long_only), or to 1 above and -1 below 0 (long_short). What settings say on
    quantiles and grids has no use here. Raises as `quantile_portfolio` does, and TableError
    for weights that do not sum.
    """
    settings = _settings(settings, PortfolioSettings(kind="long_only"))
    desk = Desk.open(data, rules=rules, settings=settings)
    targets = weight_targets(weights, desk.market, settings, calendar=data.calendar)
    return _reported(desk, desk.carry(targets, settings), name, ())


def _settings(given: object, plain: PortfolioSettings) -> PortfolioSettings:
    """The settings, or the plain ones for None; raises SettingError for anything else."""
    if given is None:
        return plain
    if not isinstance(given, PortfolioSettings):
        raise SettingError(f"settings must be PortfolioSettings, not a {type(given).__name__}: write PortfolioSettings(quantiles=5, …)")
    return given


def _reported(desk: Desk, account: Account, name: str, notes: tuple[str, ...]) -> Portfolio:
    index = account.settings.benchmark
    made = desk.report(account, name=name, benchmark=None if index is None else desk.beside(index, account))
    return replace(made, notes=(*made.notes, *notes))


def _gap_notes(scored: BoolArray, sessions: Sessions, settings: PortfolioSettings) -> tuple[str, ...]:
    """A note where the scored sessions fill less than half of the places in the grid of the accounts that they make."""
    offsets = sessions.ordinals % settings.grid_sessions
    if settings.offset != "all":
        scored = scored & (offsets == settings.offset)
    dated = np.flatnonzero(scored)
    if not dated.size:
        return ()
    first, last = int(dated[0]), int(dated[-1])
    made = np.unique(offsets[dated])
    places = int(np.isin(offsets[first : last + 1], made).sum())
    if dated.size >= _FILLED * places:
        return ()
    return (
        f"scores on {dated.size} of the {places} sessions from {sessions.dates[first]} to {sessions.dates[last]} on which the accounts "
        f"(grid_sessions {settings.grid_sessions}, {made.size} offsets with scores) could be rebalanced: each goes without a rebalance for "
        "most of its grid, and for how long depends on the account; score every session, set offset to a start of the grid that is scored, "
        "or give backtest your own weights on these dates",
    )


def _write_off_notes(made: Portfolio, settings: PortfolioSettings, rules: MarketRules) -> tuple[str, ...]:
    """A note where names were written off: how many, and at what return."""
    count = int(made.by_offset["written_off"].sum())
    if not count:
        return ()
    accounts = int((made.by_offset["written_off"] > 0).sum())
    return (
        f"{count} positions in {accounts} of {made.by_offset.height} accounts were written off after {settings.write_off_sessions} "
        f"sessions without a trade, at a return of {100 * rules.write_off_return:+g} % on their last value: rules with another "
        "write_off_return set another",
    )
