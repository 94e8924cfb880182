"""Settings of the planted market, their limits, the seeds grown from them and the sessions they span."""

from dataclasses import dataclass, fields
from datetime import date
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pureplay.errors import SettingError
from pureplay.sessions import sessions_between

__all__ = ["CHUNK", "BoolArray", "FloatArray", "IntArray", "Seeds", "Settings", "grow_seeds", "last_sessions"]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

CHUNK: Final = 20
"""Sessions that share one seed and one set of slow exposures: fixed, so that results cannot depend on the block size."""

FIRST_SESSION: Final = date(1991, 1, 2)
LAST_KNOWN_SESSION: Final = date(2026, 12, 31)
RANGES: Final = (
    ("premia", 5.0, "1 is the default, 0 plants none"),
    ("reversal_premium", 5.0, "1 is the default, 0 plants none"),
    ("volatility_premium", 5.0, "1 is the default, 0 plants none"),
    ("volatility_dispersion", 0.8, "0.3 is the default, 0 makes all stocks alike"),
    ("volatility_persistence", 0.99, "0.8 is the default, 0 forgets at once"),
    ("volatility_wave", 0.3, "0.12 is the default, 0 keeps volatility constant"),
    ("style_vol", 5.0, "1 is the default, 0 leaves styles without common shocks"),
    ("links", 2.0, "1 is the full amount, 0 the placebo, None a market without news and links"),
)
"""Setting, largest value, remedy; the smallest value is 0."""
LEAST_LINKED_VOL: Final = 0.005
"""Below it the noise is too small a part of a return to carry correlations."""
FULL_SIZE_PRODUCTS: Final = 462
STOCKS_A_PRODUCT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides the market. Volatilities are daily decimals; `underreaction` is the mean delayed fraction.

    products: number of level-2 nodes; None takes one per 12 stocks, between 8 and 462.
    release_sessions: mean sessions that delayed news spends in the pool.
    premia: multiplies every planted style premium (reversal, volatility, value ...); 0 plants none.
    reversal_premium, volatility_premium: multiply the premium of past 20-session return and of low volatility once more.
    volatility_dispersion: cross-sectional standard deviation of log idiosyncratic volatility, for life.
    volatility_persistence: what remains after 20 sessions of a stock's temporary deviation of log volatility.
    volatility_wave: standard deviation of what is added to that deviation every 20 sessions.
    industry_switch: from 2021-07-30 the coarsest industries have more names than before, as 28 became 31.
    style_vol: multiplies the common shocks of styles; 0 leaves the market alone to move all stocks.
    frictions: price limits, suspensions, sudden falls and the fall before a delisting.
    tail_degrees: degrees of freedom of the t-distributed noise; 1000 is all but normal.
    links: multiplies the correlation planted on linked pairs; 0 writes the same tables and plants none; None writes no such table.
    """

    stocks: int = 1000
    sessions: int = 2430
    seed: int = 7
    underreaction: float = 0.5
    end: date = date(2025, 12, 31)
    products: int | None = None
    market_vol: float = 0.011
    product_vol: float = 0.009
    industry_vol: float = 0.003
    idiosyncratic_vol: float = 0.02
    release_sessions: float = 16.0
    premia: float = 1.0
    reversal_premium: float = 1.0
    volatility_premium: float = 1.0
    volatility_dispersion: float = 0.3
    volatility_persistence: float = 0.8
    volatility_wave: float = 0.12
    industry_switch: bool = False
    style_vol: float = 1.0
    frictions: bool = True
    tail_degrees: float = 5.0
    links: float | None = None

    def __post_init__(self) -> None:
        _require(20 <= self.stocks <= 20_000, "stocks must lie in 20..20000", self.stocks, "1000 is a good start, 5500 the full market")
        _require(self.sessions >= 60, "sessions must be at least 60", self.sessions, "take 250 for a year, 2430 for ten")
        _require(self.seed >= 0, "seed must not be negative", self.seed, "any whole number from 0 serves")
        _require(
            0 <= self.underreaction <= 0.9, "underreaction must lie in 0..0.9", self.underreaction, "0 is the placebo, 0.5 the default"
        )
        within = FIRST_SESSION < self.end <= LAST_KNOWN_SESSION
        _require(
            within, f"end must lie between {FIRST_SESSION} and {LAST_KNOWN_SESSION}", self.end, "Shanghai sessions are known there only"
        )
        fits = 8 <= self.product_count <= self.stocks // 2
        _require(fits, "products must lie between 8 and half the stocks", self.product_count, "leave it None for one per 12 stocks")
        for name in ("market_vol", "product_vol", "industry_vol", "idiosyncratic_vol"):
            value = getattr(self, name)
            _require(0 <= value <= 0.05, f"{name} must lie in 0..0.05 a day", value, "give a daily decimal such as 0.01")
        _require(1 <= self.release_sessions <= 250, "release_sessions must lie in 1..250", self.release_sessions, "16 is the default")
        _require(
            3 <= self.tail_degrees <= 1000, "tail_degrees must lie in 3..1000", self.tail_degrees, "5 is the default, 1000 all but normal"
        )
        quiet = bool(self.links) and self.idiosyncratic_vol < LEAST_LINKED_VOL
        _require(not quiet, f"idiosyncratic_vol must be at least {LEAST_LINKED_VOL} with links", self.idiosyncratic_vol, "or take links=0")
        for name, most, remedy in RANGES:
            value = getattr(self, name)
            _require(value is None or 0 <= value <= most, f"{name} must lie in 0..{most:g}", value, remedy)
        for name, usual in (("industry_switch", False), ("frictions", True)):
            value = getattr(self, name)
            _require(isinstance(value, bool), f"{name} must be True or False", value, f"{usual} is the default")

    @property
    def product_count(self) -> int:
        """Number of level-2 nodes of the taxonomy."""
        if self.products is not None:
            return self.products
        return max(8, min(FULL_SIZE_PRODUCTS, self.stocks // STOCKS_A_PRODUCT))


def _require(holds: bool, rule: str, value: object, remedy: str) -> None:
    # NaN fails every comparison, so it is refused here as well.
    if not holds:
        raise SettingError(f"{rule}; found {value}: {remedy}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """One seed for each part of the market, so that a change in one part leaves the draws of the others alone."""

    tree: np.random.SeedSequence
    firms: np.random.SeedSequence
    mixes: np.random.SeedSequence
    filings: np.random.SeedSequence
    industries: np.random.SeedSequence
    shocks: np.random.SeedSequence
    cells: np.random.SeedSequence
    statements: np.random.SeedSequence
    dividends: np.random.SeedSequence
    links: np.random.SeedSequence
    news: np.random.SeedSequence


def grow_seeds(seed: int) -> Seeds:
    """Spawn the seeds of all parts from one number; a new part comes last, since the order decides what each one gets."""
    names = [each.name for each in fields(Seeds)]
    return Seeds(**dict(zip(names, np.random.SeedSequence(seed).spawn(len(names)), strict=True)))


def last_sessions(settings: Settings) -> NDArray[np.datetime64]:
    """The last `sessions` Shanghai sessions no later than `end`, as datetime64[D]; SettingError when there are fewer."""
    span = np.array([FIRST_SESSION, settings.end], dtype="datetime64[D]")
    days = sessions_between(span, "XSHG").dates
    remedy = "take fewer sessions or a later end"
    _require(days.size >= settings.sessions, f"only {days.size} Shanghai sessions end at {settings.end}", settings.sessions, remedy)
    return days[-settings.sessions :]
