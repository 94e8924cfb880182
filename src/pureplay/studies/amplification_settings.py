"""What a study of amplification computes: one frozen record, every rule checked when it is made."""

from dataclasses import asdict, dataclass
from typing import Any, Final, get_args

from pureplay.errors import SettingError
from pureplay.graph.amplifier import LONGEST_DAYS, RELATIONS
from pureplay.products.taxonomy import Level
from pureplay.stats.given import is_number, is_whole_number
from pureplay.studies.settings import BaseChoice

__all__ = ["ALL", "AmplificationSettings"]

ALL: Final = "all"
_WHOLE: Final = {
    "delay_sessions": 1,
    "grid_sessions": 1,
    "min_names": 3,
    "longest_days": 0,
    "configurations": 0,
    "placebos": 0,
    "placebo_step_sessions": 1,
    "placebo_swaps": 1,
    "seed": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AmplificationSettings:
    """What a study of amplification computes.

    level, min_share, core_only, buffer_days, stale_months: of the graph, see `amplifier_graph`. strength, standardise, longest_days: see
    `amplify`; a name without a counterparty keeps its own value. relations: "peer", "upstream", "downstream", and "all" for the three
    together; None = what the graph has, and all where that is more than one.
    base: the user's own stack ("own"), the 22 factors ("full"), the price-only ones ("price"), or "auto": factors where they are given or
    in the dataset, else the 22 (without statements the price-only ones).
    horizons_sessions, delay_sessions, grid_sessions, min_names: of the orthogonal ICIR.
    configurations: random draws of a factor, a base and a strength (of `strengths`). placebos: rewired graphs; placebo_step_sessions: they
    are judged on every so many sessions, a divisor of the grid, and so is what stands beside them; placebo_swaps: see `rewired`.
    orient: means over factors, and the spread of configurations, count a ΔICIR with its sign turned where the factor's own ICIR is below 0:
    many factors of a stack predict with a negative sign, and a stronger one has a lower ICIR; False = all as they are.
    band: quantile at either end of the placebos. seed: of configurations and placebos.
    """

    level: Level = 2
    min_share: float = 0.05
    core_only: bool = True
    buffer_days: int = 30
    stale_months: int | None = 18
    strength: float = 0.5
    standardise: bool = False
    longest_days: int = LONGEST_DAYS
    relations: tuple[str, ...] | None = None
    base: BaseChoice = "auto"
    horizons_sessions: tuple[int, ...] = (5, 20, 60)
    delay_sessions: int = 1
    grid_sessions: int = 20
    min_names: int = 30
    configurations: int = 100
    strengths: tuple[float, ...] = (0.25, 0.5, 0.75)
    placebos: int = 20
    placebo_step_sessions: int = 5
    placebo_swaps: int = 10
    orient: bool = True
    band: float = 0.05
    seed: int = 7

    def __post_init__(self) -> None:
        for name in ("relations", "horizons_sessions", "strengths"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            _require(is_whole_number(value, least), name, f"a whole number of at least {least}", value)
        horizons = self.horizons_sessions
        whole = bool(horizons) and all(is_whole_number(each, 1) for each in horizons)
        _require(whole and len(set(horizons)) == len(horizons), "horizons_sessions", "whole numbers from 1 on, each once", horizons)
        for value in (self.strength, *self.strengths):
            _require(is_number(value) and 0 < value <= 1, "strength", "a number above 0 and at most 1", value)
        _require(bool(self.strengths), "strengths", "one number at least", self.strengths)
        _require(is_number(self.band) and 0 <= self.band < 0.5, "band", "a quantile from 0 to below 0.5", self.band)
        for name in ("standardise", "orient"):
            _require(isinstance(getattr(self, name), bool), name, "true or false", getattr(self, name))
        _require(self.base in get_args(BaseChoice), "base", f"one of {', '.join(get_args(BaseChoice))}", self.base)
        _require(self.grid_sessions % self.placebo_step_sessions == 0, "placebo_step_sessions", "a divisor of grid_sessions", self._step)
        asked = self.relations
        known = asked is None or (bool(asked) and all(each in (*RELATIONS, ALL) for each in asked) and len(set(asked)) == len(asked))
        _require(known, "relations", f"None or some of {', '.join((*RELATIONS, ALL))}, each once", asked)

    @property
    def _step(self) -> str:
        return f"{self.placebo_step_sessions} of {self.grid_sessions}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, for manifests."""
        return asdict(self)


def _require(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise SettingError(f"{name} must be {rule}, not {value!r}")
