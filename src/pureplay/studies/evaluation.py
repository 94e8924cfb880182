"""How a study judges its scores."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from pureplay.errors import SettingError
from pureplay.evaluate.summary import Timing, is_whole

__all__ = ["Evaluation"]

_LEAST: Final = {
    "horizon_sessions": 1,
    "delay_sessions": 1,
    "shuffles": 0,
    "min_names": 3,
    "min_typical_names": 1,
    "quantiles": 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a study judges its scores.

    horizon_sessions: of the headline. horizons_sessions: further ones beside it. delay_sessions: from score to entry.
    grid_sessions: between rebalances. split: last in-sample day. base: columns of the factors table to take out, None = all of them;
    () = none. industry_scheme: labels absorbed as dummies. universes: whether to repeat the figure within each index.
    shuffles: within-industry shuffles. null_draws: draws of the null. min_names: fewest names a date. min_typical_names: median of
    scored names a date below which there is no verdict: a rank correlation of some thirty names from a handful of baskets is
    noise, whatever its t. quantiles: of the curve. seed: of shuffles and null.
    """

    horizon_sessions: int = 20
    horizons_sessions: tuple[int, ...] = (1, 5, 10, 20, 40, 60, 120)
    delay_sessions: int = 1
    grid_sessions: int = 20
    split: date | None = None
    base: tuple[str, ...] | None = None
    industry_scheme: str | None = None
    universes: bool = True
    shuffles: int = 20
    null_draws: int = 1000
    min_names: int = 30
    min_typical_names: int = 100
    quantiles: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise SettingError(f"{name} must be a whole number of at least {least}, not {value!r}")
        for value in self.horizons_sessions:
            if not is_whole(value) or value < 1:
                raise SettingError(f"horizons_sessions must be whole numbers of at least 1, not {value!r}")
        twice = [name for name in dict.fromkeys(self.base or ()) if (self.base or ()).count(name) > 1]
        if twice:
            raise SettingError(f"base must name every column once, not {', '.join(twice)} twice: leave out the repeat")
        _ = self.timing  # checks grid, split, draws and seed

    @property
    def timing(self) -> Timing:
        """The part that the evaluation reads."""
        return Timing(
            grid_sessions=self.grid_sessions,
            delay_sessions=self.delay_sessions,
            split=self.split,
            null_draws=self.null_draws,
            seed=self.seed,
        )
