"""How a co-movement graph is built: one frozen record, every rule checked when it is made."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pureplay.errors import SettingError
from pureplay.stats.given import is_number, is_whole_number

__all__ = ["DeepPeer", "GraphSettings", "Measure", "Returns", "Strength", "Substrate"]

Substrate = Literal["news", "links"]
Strength = Literal["articles", "shared"]
Measure = Literal["shrunk", "pearson"]
Returns = Literal["raw", "market", "industry"]
DeepPeer = Literal["depth", "cosine"]

_WHOLE: Final = (
    ("comention_days", 1),
    ("most_names", 2),
    ("trailing_sessions", 10),
    ("forward_sessions", 5),
    ("peer_depth", 1),
    ("deep_depth", 1),
    ("disclosed_years", 1),
    ("buffer_days", 0),
)
_CHOICES: Final = (("substrate", Substrate), ("strength", Strength), ("measure", Measure), ("returns", Returns), ("deep_peer", DeepPeer))
_CLOCK: Final = re.compile("(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_SWITCHES: Final = ("core_only", "interlocks", "peer_confirms")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSettings:
    """What enters a vintage, how co-movement is measured, and which structural links light a lamp. Defaults are those of the source.

    substrate: "news", pairs co-mentioned in the window; "links", every pair with a lit lamp, for data without news.
    comention_days: calendar days up to the vintage in which an article counts. most_names: an article on more stocks is a list and is
    skipped. strength: "articles", number of articles; "shared", each article counts 1 / (names - 1). close, timezone: when the session
    ends (HH:MM) and where; an article after it counts for the next session.
    trailing_sessions, forward_sessions: windows of the correlation. measure: "shrunk", the inner product of z-scores over
    max(overlap, two thirds of the window); "pearson", on the overlap. returns: "raw"; "market", less the equal-weight mean of the day;
    "industry", less the mean of the coarsest industry of the day.
    products: "segments", the product tree and filings; "industries:A,B,C", schemes from coarse to fine as the levels of a tree, each
    stock wholly in its label of the day. min_share: of revenue at or below a node for a firm to count as in it. peer_depth: depth of
    the deepest common node that makes a (shallow) product peer. deep_depth: depth of a deep peer; where the tree is shallower, its own
    deepest level. deep_peer: "depth"; "cosine", the cosine of the two mixes at leaves is at least min_cosine.
    core_only: only core input edges make a chain. disclosed_years: how long a disclosed link counts after its publication.
    min_stake: smallest stake that makes an affiliate; a stake that is not stated counts. interlocks: people on two boards count as
    affiliates too. peer_confirms: whether a shallow product peer counts as confirmed: in the columns confirmed and dark of
    the feed, the arms of hedges and the groups of retention; the term dark of the regression and the substrate "links" stay as they are.
    buffer_days, stale_months: see `products.mix`.
    """

    substrate: Substrate = "news"
    comention_days: int = 90
    most_names: int = 20
    strength: Strength = "articles"
    close: str = "15:00"
    timezone: str = "Asia/Shanghai"
    trailing_sessions: int = 90
    forward_sessions: int = 60
    measure: Measure = "shrunk"
    returns: Returns = "raw"
    products: str = "segments"
    min_share: float = 0.05
    peer_depth: int = 2
    deep_depth: int = 4
    deep_peer: DeepPeer = "depth"
    min_cosine: float = 0.5
    core_only: bool = True
    disclosed_years: int = 2
    min_stake: float = 0.05
    interlocks: bool = False
    peer_confirms: bool = False
    buffer_days: int = 30
    stale_months: int | None = 18

    def __post_init__(self) -> None:
        for name, choices in _CHOICES:
            known = get_args(choices)
            _require(getattr(self, name) in known, name, f"one of {', '.join(known)}", getattr(self, name))
        for name, least in _WHOLE:
            _require(is_whole_number(getattr(self, name), least), name, f"a whole number of at least {least}", getattr(self, name))
        for name in _SWITCHES:
            _require(isinstance(getattr(self, name), bool), name, "true or false", getattr(self, name))
        for name in ("min_share", "min_cosine", "min_stake"):
            value = getattr(self, name)
            _require(is_number(value) and 0 < value <= 1, name, "a share above 0 and at most 1", value)
        months = self.stale_months
        _require(months is None or is_whole_number(months, 1), "stale_months", "at least 1 month, or None for never", months)
        _require(self.deep_depth >= self.peer_depth, "deep_depth", f"at least peer_depth, which is {self.peer_depth}", self.deep_depth)
        _require(self.products == "segments" or bool(self.schemes), "products", "'segments' or 'industries:SCHEME,…'", self.products)
        _require(bool(_CLOCK.fullmatch(str(self.close))), "close", "hours and minutes such as '15:00'", self.close)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise SettingError(f"timezone must name a place of the tz database, such as 'Asia/Shanghai', not {self.timezone!r}") from error

    @property
    def schemes(self) -> tuple[str, ...]:
        """Industry schemes from coarse to fine that stand for the product tree; empty where products are segments."""
        head, _, rest = str(self.products).partition(":")
        names = tuple(each.strip() for each in rest.split(","))
        return names if head == "industries" and "" not in names else ()

    @property
    def close_minute(self) -> int:
        """Minute of the local day at which the session ends."""
        hour, _, minute = self.close.partition(":")
        return int(hour) * 60 + int(minute)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, for manifests."""
        return asdict(self)


def _require(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise SettingError(f"{name} must be {rule}, not {value!r}")
