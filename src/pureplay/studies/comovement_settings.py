"""Settings of the co-movement study beside those of the graph and of the forecast."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from pureplay.errors import SettingError
from pureplay.stats.given import is_number, require_whole

__all__ = ["ComovementSettings"]

_WHOLE: Final = (
    *(("largest", 2), ("hedge_names", 1), ("shortlist", 1), ("price_names", 2), ("linked_names", 0), ("minimum_variance_names", 0)),
    *(("spillover_sessions", 1), ("seed", 0)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComovementSettings:
    """How the graph is put to use in the study.

    first_vintage, last_vintage: days from and up to which month ends are vintages, both included; None = no limit. For data that hold news
    or links of some years only; the correlations before and after still come from all bars.
    universes: indices whose members are hedged; None = every index of index_members. largest: where there is no index, so many of the
    largest stocks of each vintage are hedged against the equal-weight mean of all. hedge_counts: names of a hedge basket; hedge_names: the
    count that tables by size and mixes use, one of them. mix_weights: of structure beside trailing correlation. shortlist: names of the
    highest trailing correlation that the arms "expected" and mixes choose from, beside every linked one. price_names: stocks a vintage
    whose pairs may be drawn as chosen by price alone. linked_names: stocks a vintage among which pairs with a lamp and no article are
    sought, 0 = none. lowest: trailing correlation from which pairs are matched for retention.
    minimum_variance_names: largest stocks of the minimum-variance test, 0 = leave it out. spillover_horizons: sessions of the return that
    peers' past return is to forecast. spillover_sessions: of the past return. seed: of everything drawn.
    """

    first_vintage: date | None = None
    last_vintage: date | None = None
    universes: tuple[str, ...] | None = None
    largest: int = 300
    hedge_counts: tuple[int, ...] = (1, 2, 3, 5, 8, 10, 15, 20, 30, 50)
    hedge_names: int = 10
    mix_weights: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    shortlist: int = 200
    price_names: int = 400
    linked_names: int = 1500
    lowest: float = 0.1
    minimum_variance_names: int = 200
    spillover_horizons: tuple[int, ...] = (5, 20)
    spillover_sessions: int = 20
    seed: int = 7

    def __post_init__(self) -> None:
        for name in ("universes", "hedge_counts", "mix_weights", "spillover_horizons"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, least in _WHOLE:
            require_whole(getattr(self, name), name, least)
        self._require_days()
        for name in ("hedge_counts", "spillover_horizons"):
            for each in getattr(self, name):
                require_whole(each, name, 1)
        if self.hedge_names not in self.hedge_counts:
            raise SettingError(f"hedge_names is {self.hedge_names}, which hedge_counts {self.hedge_counts} lacks: add it there")
        wrong = [each for each in self.mix_weights if not (is_number(each) and 0 <= each <= 1)]
        if wrong:
            raise SettingError(f"mix_weights must lie between 0 and 1, not {wrong}: correct them")
        if not (is_number(self.lowest) and 0 < self.lowest < 1):
            raise SettingError(f"lowest must lie above 0 and below 1, not {self.lowest!r}")

    def _require_days(self) -> None:
        for name in ("first_vintage", "last_vintage"):
            day = getattr(self, name)
            if day is not None and type(day) is not date:  # a datetime is no day
                raise SettingError(f"{name} must be a day, or None for no limit, not {day!r}: give a datetime.date")
        if self.first_vintage and self.last_vintage and self.first_vintage > self.last_vintage:
            raise SettingError(f"first_vintage, {self.first_vintage}, lies after last_vintage, {self.last_vintage}: exchange them")

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, for manifests; days as YYYY-MM-DD."""
        days = {name: None if (day := getattr(self, name)) is None else day.isoformat() for name in ("first_vintage", "last_vintage")}
        return {**asdict(self), **days}
