"""Rows of a portfolio study from the records of its portfolios."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from pureplay.evaluate.paper import PaperLongShort
from pureplay.evaluate.portfolio.benchmark import Benchmark
from pureplay.evaluate.portfolio.records import Portfolio, Spread

__all__ = ["account_row", "active_row", "blocked_rows", "capacity_row", "daily_rows", "framed", "year_rows"]

_TEXT, _REAL, _WHOLE, _DAY, _FLAG = pl.String, pl.Float64, pl.Int64, pl.Date, pl.Boolean
_KEY: Final = {"score": _TEXT, "design": _TEXT, "kind": _TEXT}
SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "accounts": {
        **_KEY,
        **dict.fromkeys(("gross", "gross_min", "gross_max", "net", "net_min", "net_max", "volatility", "sharpe_gross"), _REAL),
        **dict.fromkeys(("sharpe_net", "sharpe_net_min", "sharpe_net_max", "t_net", "max_drawdown", "turnover", "cost", "fees"), _REAL),
        **dict.fromkeys(("impact", "borrow", "exposure", "cash", "names", "blocked_share", "delisted"), _REAL),
        "accounts": _WHOLE,
        "first": _DAY,
        "last": _DAY,
        "is_control": _FLAG,
        "paper": _REAL,
        "sharpe_paper": _REAL,
    },
    "benchmarks": {
        **_KEY,
        "benchmark": _TEXT,
        **dict.fromkeys(("active", "tracking_error", "information_ratio", "t_active", "beta", "relative_drawdown"), _REAL),
        "index_return": _REAL,
        "index_sharpe": _REAL,
        "is_total_return": _FLAG,
    },
    "years": {
        **_KEY,
        "year": _WHOLE,
        "partial": _FLAG,
        "months": _WHOLE,
        **dict.fromkeys(("gross", "net", "sharpe_net", "max_drawdown", "turnover"), _REAL),
    },
    "daily": {"score": _TEXT, "kind": _TEXT, "date": _DAY, **dict.fromkeys(("gross", "net", "wealth_gross", "wealth_net"), _REAL)},
    "index_daily": {"benchmark": _TEXT, "date": _DAY, "ret": _REAL, "wealth": _REAL},
    "capacity": {
        "score": _TEXT,
        "kind": _TEXT,
        **dict.fromkeys(("capital", "gross", "net", "cost", "impact", "blocked_share"), _REAL),
    },
    "correlations": {"score": _TEXT, "factor": _TEXT, "rank": _REAL, "returns": _REAL},
    "blocked": {"score": _TEXT, "kind": _TEXT, "reason": _TEXT, "orders": _WHOLE, "retries": _WHOLE, "value_share": _REAL},
}
"""Columns of the frames of `PortfolioStudy`."""


def framed(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as the frame of that name, NaN as null."""
    made = pl.DataFrame(rows, schema=dict(SCHEMAS[name]), infer_schema_length=None, orient="row")
    return made.with_columns(pl.selectors.float().fill_nan(None))


def account_row(score: str, design: str, kind: str, made: Portfolio, *, is_control: bool, paper: PaperLongShort | None) -> dict[str, Any]:
    """Row of `accounts`."""
    found = made.figures
    gross, net = found.gross, found.net
    return {
        "score": score,
        "design": design,
        "kind": kind,
        "is_control": is_control,
        **_spread("gross", gross["annual_return"]),
        **_spread("net", net["annual_return"]),
        **_spread("sharpe_net", net["sharpe"]),
        "sharpe_gross": gross["sharpe"].mean,
        "volatility": net["volatility"].mean,
        "t_net": found.together_net.t_ewc,
        "max_drawdown": net["max_drawdown"].mean,
        "turnover": found.turnover.mean,
        "cost": found.fees.mean + found.impact.mean + found.borrow.mean,
        **{each: getattr(found, each).mean for each in ("fees", "impact", "borrow", "exposure", "cash", "delisted")},
        "names": found.long_names.mean,
        "blocked_share": sum(found.blocked_share.values()),
        "accounts": found.n_accounts,
        "first": found.first,
        "last": found.last,
        "paper": None if paper is None else paper.annual_return,
        "sharpe_paper": None if paper is None else paper.sharpe,
    }


def active_row(score: str, design: str, made: Portfolio, index: Benchmark) -> dict[str, Any]:
    """Row of `benchmarks` for a long-only portfolio that was reported beside the index."""
    active, own = made.figures.active, made.figures.benchmark
    if active is None or own is None or made.figures.together_active is None:
        return {}
    return {
        "score": score,
        "design": design,
        "kind": "long_only",
        "benchmark": index.name,
        "active": active["active_return"].mean,
        "tracking_error": active["tracking_error"].mean,
        "information_ratio": active["information_ratio"].mean,
        "t_active": made.figures.together_active.t_ewc,
        "beta": active["beta"].mean,
        "relative_drawdown": active["max_drawdown"].mean,
        "index_return": own.annual_return,
        "index_sharpe": own.sharpe,
        "is_total_return": index.is_total_return,
    }


def year_rows(score: str, design: str, kind: str, made: Portfolio) -> list[dict[str, Any]]:
    """Rows of `years`."""
    names = [name for name in SCHEMAS["years"] if name not in _KEY]
    return [{"score": score, "design": design, "kind": kind, **row} for row in made.years.select(names).to_dicts()]


def daily_rows(score: str, kind: str, made: Portfolio) -> pl.DataFrame:
    """Frame of `daily`."""
    schema = SCHEMAS["daily"]
    return made.daily.select(score=pl.lit(score), kind=pl.lit(kind), **{name: pl.col(name) for name in list(schema)[2:]})


def blocked_rows(score: str, kind: str, made: Portfolio) -> list[dict[str, Any]]:
    """Rows of `blocked`."""
    names = ("reason", "orders", "retries", "value_share")
    return [{"score": score, "kind": kind, **row} for row in made.blocked.select(names).to_dicts()]


def capacity_row(score: str, kind: str, capital: float, made: Portfolio) -> dict[str, Any]:
    """Row of `capacity`."""
    found = made.figures
    return {
        "score": score,
        "kind": kind,
        "capital": capital,
        "gross": found.gross["annual_return"].mean,
        "net": found.net["annual_return"].mean,
        "cost": found.fees.mean + found.impact.mean + found.borrow.mean,
        "impact": found.impact.mean,
        "blocked_share": sum(found.blocked_share.values()),
    }


def _spread(name: str, spread: Spread) -> dict[str, float]:
    return {name: spread.mean, f"{name}_min": spread.min, f"{name}_max": spread.max}
