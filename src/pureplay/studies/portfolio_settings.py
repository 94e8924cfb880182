"""What the portfolio study computes: which scores, which designs, against which indices, at which sizes."""

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from pureplay.errors import SettingError
from pureplay.evaluate.portfolio.settings import Kind, PortfolioSettings
from pureplay.evaluate.summary import is_whole
from pureplay.studies.settings import BaseChoice

__all__ = ["DESIGNS", "Design", "PortfolioStudySettings", "ScoreName"]

ScoreName = Literal["R", "S", "business_mix"]
Design = Literal["plain", "orthogonal", "cap_weighted", "sector_neutral", "buffered"]
DESIGNS: Final[tuple[Design, ...]] = get_args(Design)
BUFFER: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioStudySettings:
    """What a portfolio study computes.

    scores: "R" and "S", the two constructions, and "business_mix", the older factors; each once. designs: "plain" is [portfolio] as it
    stands; "orthogonal" takes the base out of the score first; "cap_weighted", "sector_neutral" (in the coarsest industry scheme) and
    "buffered" (a tenth of the names either side) change one thing of the portfolio. kinds: "long_short", "long_only". base: whose
    exposures construction S and the orthogonal design take out and whose factors stand beside the portfolios, as in `StudySettings`.
    benchmarks: indices beside the long-only accounts; None = every one in the dataset. capitals: account sizes of the capacity curve,
    () = none. shuffles: placebos, the first score with mixes dealt out within industries. draws: of the bootstrap behind the reality
    checks. splits: blocks of the cross-validated probability of overfitting. folds: of the purged cross-validation. seed: of shuffles and
    bootstrap.
    """

    scores: tuple[ScoreName, ...] = get_args(ScoreName)
    designs: tuple[Design, ...] = DESIGNS
    kinds: tuple[Kind, ...] = get_args(Kind)
    base: BaseChoice = "auto"
    benchmarks: tuple[str, ...] | None = None
    capitals: tuple[float, ...] = (1e7, 1e8, 1e9, 1e10)
    shuffles: int = 5
    draws: int = 1000
    splits: int = 16
    folds: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("scores", "designs", "kinds", "benchmarks", "capitals"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, known in (("scores", get_args(ScoreName)), ("designs", DESIGNS), ("kinds", get_args(Kind))):
            value = getattr(self, name)
            if not value or not set(value) <= set(known) or len(set(value)) < len(value):
                raise SettingError(f"{name} must name some of {', '.join(known)}, each once, not {list(value)}")
        if self.base not in get_args(BaseChoice):
            raise SettingError(f"base must be one of {', '.join(get_args(BaseChoice))}, not {self.base!r}")
        if any(isinstance(each, bool) or not 1 <= each <= 1e15 for each in self.capitals):
            raise SettingError(f"capitals must be numbers from 1 to 1e15 in the currency of the bars, not {list(self.capitals)}")
        for name, least in (("shuffles", 0), ("draws", 100), ("splits", 4), ("folds", 2), ("seed", 0)):
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise SettingError(f"{name} must be a whole number of at least {least}, not {value!r}")
        if self.splits % 2 or self.splits > 20:
            raise SettingError(f"splits must be an even number from 4 to 20, not {self.splits}: half of the blocks train, half test")

    def designed(self, design: Design, plain: PortfolioSettings, *, scheme: str | None) -> PortfolioSettings | None:
        """Settings of a design; None where it is [portfolio] as it stands, or no industries are at hand."""
        if design in ("plain", "orthogonal"):
            return plain
        if design == "cap_weighted":
            return None if plain.weighting == "cap" else replace(plain, weighting="cap")
        if design == "buffered":
            return None if plain.buffer else replace(plain, buffer=BUFFER)
        return None if scheme is None or plain.sector_scheme else replace(plain, sector_scheme=scheme)
