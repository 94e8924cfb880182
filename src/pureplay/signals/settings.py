"""Settings of product momentum, checked when they are made."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from pureplay.errors import SettingError
from pureplay.products.baskets import WEIGHTINGS, Weighting
from pureplay.products.mix import HalfYear
from pureplay.products.taxonomy import Level
from pureplay.stats.rolling import check_window

__all__ = ["FALLBACKS", "Fallback", "Momentum", "ResidualVolatility", "SignalSettings"]

Fallback = Literal["parent", "industry", "synthetic"]
Momentum = Literal["gap", "level"]
ResidualVolatility = Literal["ols", "diff_sd", "product_agg"]
FALLBACKS: Final[tuple[Fallback, ...]] = get_args(Fallback)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings:
    """How product momentum is built; the defaults are construction R of the source study.

    construction: "R", raw returns.
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

    construction: Literal["R"] = "R"
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
        _require(self.construction == "R", "construction", "'R' (raw returns)", self.construction)
        _require(0 <= self.purity <= 1, "purity", "between 0 and 1", self.purity)
        _require(self.min_peers >= 1, "min_peers", "at least 1", self.min_peers)
        _require(self.weighting in WEIGHTINGS, "weighting", f"one of {', '.join(WEIGHTINGS)}", self.weighting)
        _require(0 < self.min_covered <= 1, "min_covered", "above 0 and at most 1", self.min_covered)
        _require(set(self.fallback) <= set(FALLBACKS), "fallback", f"made of {', '.join(FALLBACKS)}", self.fallback)
        _require(len(set(self.fallback)) == len(self.fallback), "fallback", "without repeats", self.fallback)
        _require(self.momentum in get_args(Momentum), "momentum", "'gap' or 'level'", self.momentum)
        _require(self.resvol in get_args(ResidualVolatility), "resvol", "'ols', 'diff_sd' or 'product_agg'", self.resvol)
        _require(self.winsorise_mads is None or self.winsorise_mads > 0, "winsorise_mads", "above 0, or None for off", self.winsorise_mads)
        _require(self.min_listed_sessions >= 1, "min_listed_sessions", "at least 1", self.min_listed_sessions)
        named = self.products == "segments" or self.products.startswith("industries:")
        _require(named, "products", "'segments' or 'industries:SCHEME'", self.products)
        numbered = isinstance(self.level, int) and self.level >= 1
        _require(self.level == "leaf" or numbered, "level", "'leaf' or a whole number of at least 1", self.level)
        if self.products != "segments":
            self._require_defaults("level", "fallback", "fallback_scheme", "half_year", "buffer_days", "stale_months")
        check_window(self.window_sessions, self.min_valid_sessions)

    def _require_defaults(self, *names: str) -> None:
        """An industry label has no level, filing or fallback: a setting for them would change nothing."""
        for each in fields(self):
            if each.name in names:
                rule = f"left at {each.default!r} where products are industries"
                _require(getattr(self, each.name) == each.default, each.name, rule, getattr(self, each.name))

    def to_dict(self) -> dict[str, Any]:
        """Settings by name, for a manifest."""
        return asdict(self)


def _require(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise SettingError(f"{name} must be {rule}, not {value!r}")
