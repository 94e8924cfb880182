"""Rows of a study's tables as charts and tables read them: one construction, one group, one period at a time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import polars as pl

from pureplay.evaluate.records import ICSummary, OrthogonalICIR, Period
from pureplay.reports.drawing import colour, marks
from pureplay.studies.records import ConstructionStudy, ProductStudy

__all__ = ["OUT", "Record", "View", "known", "period_of", "title_of", "views"]

Record: TypeAlias = Mapping[str, Any]

OUT: Final = "out of sample"
_TITLES: Final = {"R": "R, raw returns", "S": "S, residual returns"}
_HUES: Final = (0, 2, 3, 4)  # accent, orange, ...: neutral grey stands for what is set beside a study, not for a construction


def known(value: float | None) -> bool:
    """Whether there is a number."""
    return value is not None and math.isfinite(value)


def title_of(construction: str) -> str:
    """A construction with what it means."""
    return _TITLES.get(construction, construction)


def period_of(study: ProductStudy) -> str:
    """What charts show: out of sample where the study has a split, else all."""
    judged = [each.verdict for each in study.constructions.values() if each.verdict is not None]
    return OUT if any(each.orthogonal.period(OUT) is not None for each in judged) else "all"


@dataclass(frozen=True, slots=True)
class View:
    """A construction that has a verdict. place: its position in the study. period: that charts show."""

    name: str
    place: int
    made: ConstructionStudy
    verdict: OrthogonalICIR
    period: str

    @property
    def hue(self) -> int:
        """Its index of colour and marker."""
        return _HUES[self.place % len(_HUES)]

    @property
    def shade(self) -> str:
        """Its colour."""
        return colour(self.hue)

    def marks(self, *, size: int = 8, mode: str = "lines+markers", open_: bool = False) -> dict[str, Any]:
        """Its marker and line."""
        style = marks(self.hue, size=size, mode=mode)
        if open_:
            style["marker"] = {**style["marker"], "symbol": f"{style['marker']['symbol']}-open"}
        return style

    def battery(self, group: str, *, horizon: int | None = None, period: str | None = None) -> list[Record]:
        """Rows of a group of bases in the order of the battery. horizon: default that of the headline; 0 = all."""
        ahead = self.verdict.orthogonal.horizon_sessions if horizon is None else horizon
        where = {"group": group, "period": period or self.period, **({"horizon_sessions": ahead} if ahead else {})}
        return _rows(self.made.figures, where)

    def cells(self, group: str, *, period: str | None = None) -> list[Record]:
        """Rows of a group of rebuilt signals."""
        return _rows(self.made.cells, {"group": group, "period": period or self.period})

    def figure(self, summary: ICSummary, period: str | None = None) -> ICSummary | Period | None:
        """A summary's figures over the period, None where it has no dates there."""
        shown = period or self.period
        return summary if shown == "all" else summary.period(shown)


def views(study: ProductStudy) -> tuple[View, ...]:
    """Every construction that has a verdict, in order."""
    period = period_of(study)
    return tuple(
        View(name, place, made, made.verdict, period)
        for place, (name, made) in enumerate(study.constructions.items())
        if made.verdict is not None
    )


def _rows(frame: pl.DataFrame, where: Mapping[str, Any]) -> list[Record]:
    if not set(where) <= set(frame.columns):
        return []  # nothing was judged, so the frame has no columns
    found: list[dict[str, Any]] = frame.filter(pl.all_horizontal(*(pl.col(name) == value for name, value in where.items()))).to_dicts()
    return [*found]
