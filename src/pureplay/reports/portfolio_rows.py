"""Rows of a portfolio study as tables, charts and sentences read them: scores in order, controls behind them, shuffles as one."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Final, TypeAlias

import polars as pl

from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = [
    "KINDS",
    "Record",
    "controls",
    "first_score",
    "is_shuffle",
    "kind_title",
    "kinds",
    "known",
    "middle",
    "plain_design",
    "plain_rows",
    "score_title",
    "scores",
    "shuffled",
]

Record: TypeAlias = Mapping[str, Any]

KINDS: Final = {"long_only": "Long-only", "long_short": "Long-short"}
_TITLES: Final = {
    "R": "R, raw returns",
    "S": "S, residual returns",
    "business_mix": "Business mix",
    "own_only": "own_only (control)",
    "industry": "industry (control)",
}
_SHUFFLE: Final = re.compile(r"shuffle \d+")


def known(value: object) -> bool:
    """Whether there is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_shuffle(score: str) -> bool:
    """Whether the score is a placebo with dealt-out product mixes."""
    return _SHUFFLE.fullmatch(score) is not None


def score_title(score: str) -> str:
    """A score with what it is."""
    return _TITLES.get(score, f"{score} (placebo)" if is_shuffle(score) else score)


def kind_title(kind: str) -> str:
    """A kind of account in words."""
    return KINDS.get(kind, kind.replace("_", " "))


def plain_design(study: PortfolioStudy) -> str:
    """The design of the main tables: the portfolio as it was configured, which is the first that the study made."""
    asked = dict(study.settings.get("portfolio_study", {})).get("designs") or ()
    made = study.accounts["design"].unique(maintain_order=True).to_list()
    return str(next((each for each in asked if each in made), "plain" if "plain" in made or not made else made[0]))


def kinds(frame: pl.DataFrame) -> list[str]:
    """Kinds that a frame holds, long-only first: it is the form that stays possible where short sales are not."""
    held = frame["kind"].unique(maintain_order=True).to_list()
    return [*(each for each in KINDS if each in held), *(each for each in held if each not in KINDS)]


def scores(study: PortfolioStudy) -> list[str]:
    """Scores with product information, in order."""
    return _names(study, is_control=False)


def controls(study: PortfolioStudy) -> list[str]:
    """Scores without product information that are no shuffles, in order."""
    return [each for each in _names(study, is_control=True) if not is_shuffle(each)]


def _names(study: PortfolioStudy, *, is_control: bool) -> list[str]:
    found: list[str] = study.accounts.filter(pl.col("is_control") == is_control)["score"].unique(maintain_order=True).to_list()
    return found


def first_score(study: PortfolioStudy) -> str | None:
    """The score that the opening speaks of: the first one asked for that has a portfolio."""
    made = scores(study)
    asked = dict(study.settings.get("portfolio_study", {})).get("scores") or ()
    return next((str(each) for each in asked if each in made), made[0] if made else None)


def plain_rows(study: PortfolioStudy, table: str, kind: str) -> dict[str, Record]:
    """Rows of the plain design by score."""
    frame: pl.DataFrame = getattr(study, table)
    where = [pl.col("kind") == kind]
    if "design" in frame.columns:
        where.append(pl.col("design") == plain_design(study))
    return {row["score"]: row for row in frame.filter(*where).to_dicts()}


def shuffled(rows: Iterable[Record]) -> list[Record]:
    """Rows of the shuffles."""
    return [row for row in rows if is_shuffle(row["score"])]


def middle(rows: Sequence[Record], name: str) -> tuple[float, float, float] | None:
    """Median, least and largest of a figure over rows; None where none has it."""
    found = [float(row[name]) for row in rows if known(row[name])]
    return (median(found), min(found), max(found)) if found else None
