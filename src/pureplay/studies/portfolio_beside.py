"""What a portfolio study gathers on its way, and what stands beside its accounts: frictionless returns and correlations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError
from pureplay.evaluate.diagnostics import factor_correlations
from pureplay.evaluate.paper import PaperLongShort, paper_long_short
from pureplay.evaluate.portfolio.backtest import Account, Desk
from pureplay.evaluate.portfolio.settings import PortfolioSettings
from pureplay.factors.base import Base
from pureplay.panel import FloatArray
from pureplay.studies.portfolio_scores import Progress, Scored

__all__ = ["Found", "correlate", "factor_returns", "paper_series"]

_STRIDE: Final = 5  # sessions between those whose correlations are averaged: neighbours say the same


@dataclass(slots=True)
class Found:
    """What a study has found so far. net: daily series by kind and (score, design); paper: frictionless daily series by name.
    main_index: what the long-only series in net are active against, None where they are net."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    daily: list[pl.DataFrame] = field(default_factory=list)
    net: dict[str, dict[tuple[str, str], pl.DataFrame]] = field(default_factory=dict)
    paper: dict[str, pl.DataFrame] = field(default_factory=dict)
    indices: dict[str, pl.DataFrame] = field(default_factory=dict)
    kept: dict[str, Account] = field(default_factory=dict)
    not_evaluable: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    main_index: str | None = None

    def has(self, score: str, kind: str | None = None) -> bool:
        """Whether the score has any account, of a kind or at all."""
        return any(row["score"] == score and kind in (None, row["kind"]) for row in self.rows.get("accounts", []))

    def lose(self, name: str, why: Mapping[str, str], *, of: Sequence[str]) -> None:
        """Note what has no portfolio: why by kind of account; one line where none of the kinds has one, and for one reason."""
        if len(why) == len(of) and len(set(why.values())) == 1:
            why = {"": next(iter(why.values()))}
        for kind, reason in why.items():
            self.not_evaluable[f"{name}, {kind}" if kind else name] = reason

    def add(self, table: str, *rows: dict[str, Any]) -> None:
        """Rows for a table; empty ones are no rows."""
        self.rows.setdefault(table, []).extend(row for row in rows if row)


def paper_series(name: str, scores: FloatArray, desk: Desk, settings: PortfolioSettings, found: Found) -> PaperLongShort | None:
    """Frictionless long-short of a score, its daily returns kept under the name; None where no date gives a leg."""
    try:
        made = paper_long_short(
            scores,
            desk.market.returns,
            desk.market.traded,
            desk.market.axes.sessions,
            quantiles=settings.quantiles,
            grid_sessions=settings.grid_sessions,
            delay_sessions=settings.delay_sessions,
        )
    except InsufficientDataError:
        return None
    found.paper[name] = made.daily.select("date", "ret")
    return made


def correlate(each: Scored, desk: Desk, base: Base, plain: PortfolioSettings, found: Found) -> None:
    """Rank correlation of an informed score with every factor of the base, on every fifth session."""
    if not each.informed or not found.has(each.name):
        return
    if each.name not in found.paper:
        paper_series(each.name, each.composite, desk, plain, found)
    ranks = factor_correlations(np.ascontiguousarray(each.composite[::_STRIDE]), np.ascontiguousarray(base.values[::_STRIDE]), base.names)
    value = next(name for name in ranks.columns if name != "factor" and ranks[name].dtype.is_float())
    found.add("correlations", *({"score": each.name, "factor": row["factor"], "rank": row[value]} for row in ranks.to_dicts()))


def factor_returns(desk: Desk, base: Base, plain: PortfolioSettings, found: Found, say: Progress) -> None:
    """Frictionless long-short returns of every factor, and how the scores' own move with them and with one another."""
    scores = [name for name in found.paper if any(row["score"] == name for row in found.rows.get("correlations", []))]
    if not scores:
        return
    for k, name in enumerate(base.names):
        say(f"frictionless factors {k + 1}/{len(base.names)}")
        paper_series(f"factor {name}", np.ascontiguousarray(base.values[:, k]), desk, plain, found)
    for row in found.rows["correlations"]:
        row["returns"] = _moves_with(found.paper[row["score"]], found.paper.get(f"factor {row['factor']}"))
    for score in scores:
        others = [name for name in found.paper if name != score and not name.startswith("factor ")]
        found.add(
            "correlations",
            *({"score": score, "factor": each, "returns": _moves_with(found.paper[score], found.paper[each])} for each in others),
        )


def _moves_with(one: pl.DataFrame, other: pl.DataFrame | None) -> float | None:
    """Correlation of two daily series on their common dates, None where there are too few."""
    if other is None:
        return None
    both = one.join(other, on="date", suffix="_other").drop_nulls()
    found = both.select(pl.corr("ret", "ret_other")).item() if both.height > 2 else None
    return None if found is None else float(found)
