"""What a whole study computes beside the verdict: bases, constructions, grids, placebos."""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from pureplay.errors import SettingError
from pureplay.evaluate.summary import is_whole
from pureplay.products.taxonomy import Level
from pureplay.signals.settings import Construction, SignalSettings

__all__ = ["BaseChoice", "StudySettings"]

BaseChoice = Literal["auto", "full", "price", "own"]
_CONSTRUCTIONS: Final[tuple[Construction, ...]] = get_args(Construction)
_LABELS: Final = ("pit", "backcast")
_GRIDS: Final = {"buffers_days": "buffer_days", "purities": "purity", "min_peers": "min_peers", "levels": "level"}  # setting each moves


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """What a study computes.

    constructions: "R" (raw returns), "S" (returns residualised on the base), or both.
    base: "auto" takes the 22 factors where the dataset has statements, else the price-only base; "full" and "price" insist on one;
    "own" takes the factors table of the dataset, or the file given beside it.
    industry_labels: "pit", the labels of the day, or "backcast", those of the later dictionary throughout (looks ahead, and says so).
    buffers_days, purities, min_peers, levels: grids on which the signal is built anew; () leaves a grid out.
    placebos: whether placebos run. block_sessions: sessions in one resumable piece of the base battery.
    """

    constructions: tuple[Construction, ...] = _CONSTRUCTIONS
    base: BaseChoice = "auto"
    industry_labels: Literal["pit", "backcast"] = "pit"
    buffers_days: tuple[int, ...] = (0, 15, 30, 45, 60, 90)
    purities: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9)
    min_peers: tuple[int, ...] = (3, 5, 8, 12, 20)
    levels: tuple[Level, ...] = (1, 2, 3, "leaf")
    placebos: bool = True
    block_sessions: int = 250

    def __post_init__(self) -> None:
        for name in ("constructions", *_GRIDS):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = [each for each in self.constructions if each not in _CONSTRUCTIONS]
        if unknown or not self.constructions or len(set(self.constructions)) < len(self.constructions):
            raise SettingError(f'constructions must name "R", "S" or both once, not {list(self.constructions)}')
        if self.base not in get_args(BaseChoice):
            raise SettingError(f"base must be one of {', '.join(get_args(BaseChoice))}, not {self.base!r}")
        if self.industry_labels not in _LABELS:
            raise SettingError(f"industry_labels must be one of {', '.join(_LABELS)}, not {self.industry_labels!r}")
        if not is_whole(self.block_sessions) or self.block_sessions < 1:
            raise SettingError(f"block_sessions must be a whole number of at least 1, not {self.block_sessions!r}")
        for name in _GRIDS:
            self._require_grid(name)

    def _require_grid(self, name: str) -> None:
        """Values that a signal can take, told now and not after minutes of work."""
        grid = getattr(self, name)
        if len(set(grid)) < len(grid):
            raise SettingError(f"{name} must name every value once, not {list(grid)}")
        for value in grid:
            moved: dict[str, Any] = {_GRIDS[name]: value, "purity_inclusive": True}  # no share exceeds 1, but one may reach it
            try:
                SignalSettings(**moved)
            except SettingError as error:
                raise SettingError(f"{name}: {error}") from error
