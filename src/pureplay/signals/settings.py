"""Settings of product momentum, checked when they are made."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from pureplay.errors import SettingError
from pureplay.products.baskets import WEIGHTINGS, Weighting
from pureplay.products.mix import HalfYear
from pureplay.products.taxonomy import Level
from pureplay.stats.rolling import check_window

__all__ = ["FALLBACKS", "Construction", "Fallback", "Momentum", "ResidualVolatility", "SignalSettings"]

Construction = Literal["R", "S"]
Fallback = Literal["parent", "industry", "synthetic"]
Momentum = Literal["gap", "level"]
ResidualVolatility = Literal["ols", "diff_sd", "product_agg"]
FALLBACKS: Final[tuple[Fallback, ...]] = get_args(Fallback)

_FLAGS: Final = ("purity_inclusive", "min_peers_after_removal", "leave_one_out", "frozen")
_WHOLE: Final = {  # what the later check says as well
    "min_peers": "at least 1",
    "buffer_days": "at least 0",
    "stale_months": "at least 1 month, or None for never",
    "window_sessions": "at least 3",
    "min_valid_sessions": "at least 3",
    "min_listed_sessions": "at least 1",
}
_NUMBERS: Final = {"purity": "between 0 and 1", "min_covered": "above 0 and at most 1", "winsorise_mads": "above 0, or None for off"}
_TEXTS: Final = ("construction", "products", "weighting", "fallback_scheme", "half_year", "momentum", "resvol")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings:
    """How product momentum is built; the defaults are construction R of the source study.

    construction: "R", raw returns; "S", residuals of the daily cross-section on exposures of the session before (`signals.residual`).
    level: taxonomy level of the products, or "leaf". products: "segments", or "industries:SCHEME" to take the labels of an industry
    scheme as the products of the day.
    purity, purity_inclusive: a pure play's share must exceed (or reach) purity. min_peers: basket members needed, counted after the
    focal left, or before it where min_peers_after_removal is off. leave_one_out: whether the focal's issuer leaves its baskets.
    weighting: of basket members, by their value at the close before. min_covered: share of revenue that needs a basket return.
    fallback: what stands in for an uncovered product, in order: its parent node, the focal's industry, an equal-weight basket of
    every stock with any revenue from it. fallback_scheme: industry scheme for it, None = the finest.
    frozen: use today's mix for the whole window instead of each day's own. half_year, buffer_days, stale_months: see
    `products.mix`.
    window_sessions, min_valid_sessions: length of the window and gaps needed in it. momentum: "gap", implied - own, or "level",
    implied alone. resvol: "ols", residual sd of own on implied; "diff_sd", sd of own - implied; "product_agg", revenue-weighted
    residual sd of product returns on the market.
    winsorise_mads: clipping of both components before the z-score, in scaled median absolute deviations; None = off.
    min_listed_sessions: sessions since listing before a stock is scored.
    """

    construction: Construction = "R"
    level: Level = 2
    products: str = "segments"
    purity: float = 0.5
    purity_inclusive: bool = False
    min_peers: int = 5
    min_peers_after_removal: bool = True
    leave_one_out: bool = True
    weighting: Weighting = "cap"
    min_covered: float = 0.5
    fallback: tuple[Fallback, ...] = ()
    fallback_scheme: str | None = None
    frozen: bool = False
    half_year: HalfYear = "as_filed"
    buffer_days: int = 30
    stale_months: int | None = 18
    window_sessions: int = 20
    min_valid_sessions: int = 15
    momentum: Momentum = "gap"
    resvol: ResidualVolatility = "ols"
    winsorise_mads: float | None = 3.0
    min_listed_sessions: int = 60

    def __post_init__(self) -> None:
        if isinstance(self.fallback, list):
            object.__setattr__(self, "fallback", tuple(self.fallback))
        self._require_kinds()
        self._require_baskets()
        self._require_mix()
        _require(self.momentum in get_args(Momentum), "momentum", "'gap' or 'level'", self.momentum)
        _require(self.resvol in get_args(ResidualVolatility), "resvol", "'ols', 'diff_sd' or 'product_agg'", self.resvol)
        _require(self.winsorise_mads is None or self.winsorise_mads > 0, "winsorise_mads", "above 0, or None for off", self.winsorise_mads)
        _require(self.min_listed_sessions >= 1, "min_listed_sessions", "at least 1", self.min_listed_sessions)
        if self.products != "segments":
            self._require_defaults(
                "a filing or a level", "level", "fallback", "fallback_scheme", "half_year", "buffer_days", "stale_months"
            )
            self._require_defaults("a share below 1", "purity", "purity_inclusive", "min_covered")
        check_window(self.window_sessions, self.min_valid_sessions)

    def _require_kinds(self) -> None:
        """Types first, so that a comparison below never fails or takes True for 1."""
        for name in _FLAGS:
            value = getattr(self, name)
            _require(isinstance(value, bool), name, "True or False", value)
        for name, rule in _WHOLE.items():
            value = getattr(self, name)
            _require(_is_whole(value) or (name == "stale_months" and value is None), name, f"{rule}, a whole number", value)
        for name, rule in _NUMBERS.items():
            value = getattr(self, name)
            absent = name == "winsorise_mads" and value is None
            _require(absent or (_is_number(value) and math.isfinite(value)), name, f"{rule}, a finite number", value)
        for name in _TEXTS:
            value = getattr(self, name)
            _require(isinstance(value, str) or (name == "fallback_scheme" and value is None), name, "a text", value)
        names: object = self.fallback
        named = isinstance(names, tuple) and all(isinstance(each, str) for each in names)
        _require(named, "fallback", "a tuple of names", self.fallback)

    def _require_baskets(self) -> None:
        _require(self.construction in get_args(Construction), "construction", "'R' (raw returns) or 'S' (residuals)", self.construction)
        _require(0 <= self.purity <= 1, "purity", "between 0 and 1", self.purity)
        reached = self.purity < 1 or self.purity_inclusive
        _require(reached, "purity", "below 1 where purity_inclusive is off, since no share exceeds 1", self.purity)
        _require(self.min_peers >= 1, "min_peers", "at least 1", self.min_peers)
        _require(self.weighting in WEIGHTINGS, "weighting", f"one of {', '.join(WEIGHTINGS)}", self.weighting)
        _require(0 < self.min_covered <= 1, "min_covered", "above 0 and at most 1", self.min_covered)
        _require(set(self.fallback) <= set(FALLBACKS), "fallback", f"made of {', '.join(FALLBACKS)}", self.fallback)
        _require(len(set(self.fallback)) == len(self.fallback), "fallback", "without repeats", self.fallback)
        used = self.fallback_scheme is None or "industry" in self.fallback
        _require(used or self.products != "segments", "fallback_scheme", "None where fallback has no 'industry'", self.fallback_scheme)

    def _require_mix(self) -> None:
        named = self.products == "segments" or (self.products.startswith("industries:") and self.products != "industries:")
        _require(named, "products", "'segments' or 'industries:SCHEME'", self.products)
        numbered = isinstance(self.level, int) and not isinstance(self.level, bool) and self.level >= 1
        _require(self.level == "leaf" or numbered, "level", "'leaf' or a whole number of at least 1", self.level)
        _require(self.half_year in get_args(HalfYear), "half_year", "'as_filed' or 'trailing_year'", self.half_year)
        _require(self.buffer_days >= 0, "buffer_days", "at least 0: no filing is used before it is published", self.buffer_days)
        _require(
            self.stale_months is None or self.stale_months >= 1, "stale_months", "at least 1 month, or None for never", self.stale_months
        )

    def _require_defaults(self, absent: str, *names: str) -> None:
        """An industry label has no filing or level, and its share is 1: a setting for them would change nothing."""
        for each in fields(self):
            if each.name in names:
                rule = f"left at {each.default!r} where products are industries, which do not have {absent}"
                _require(getattr(self, each.name) == each.default, each.name, rule, getattr(self, each.name))

    def to_dict(self) -> dict[str, Any]:
        """Settings by name, for a manifest."""
        return asdict(self)


def _require(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise SettingError(f"{name} must be {rule}, not {value!r}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
