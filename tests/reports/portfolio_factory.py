"""A portfolio study made by hand: hypothetical numbers, deterministic, with every part that the page draws."""

import math
from datetime import date, timedelta
from functools import cache
from typing import Any, Final

import polars as pl

from pureplay.evaluate.trials import TrialCount
from pureplay.studies.luck import FOLDS, LUCK, REALITY, VARIANTS
from pureplay.studies.portfolio_records import PortfolioStudy
from pureplay.studies.portfolio_tables import framed
from tests.reports.factory import FACTORS, REFUSED

INFORMED: Final = ("R", "S", "business_mix")
BLANK: Final = ("own_only", "industry", *(f"shuffle {k}" for k in range(1, 6)))
DESIGNS: Final = ("plain", "cap_weighted", "sector_neutral", "buffered")
KINDS: Final = ("long_short", "long_only")
FIRST: Final = date(2018, 1, 2)
END: Final = {"long_short": date(2024, 7, 11), "long_only": date(2026, 4, 30)}
INDICES: Final = ("CSI 300", "CSI 1000")
REASONS: Final = ("suspended", "limit_up", "limit_down", "not_enterable", "settlement", "participation")
_LEVEL: Final = dict(zip((*INFORMED, *BLANK), (0.062, 0.034, -0.021, 0.011, 0.018, 0.004, -0.012, 0.021, -0.004, 0.009), strict=True))


def net_of(score: str, design: str, kind: str) -> float:
    """The net return a year of an account."""
    return _LEVEL[score] + 0.007 * DESIGNS.index(design) + (0.031 if kind == "long_only" else 0.0)


def account(score: str, design: str, kind: str) -> dict[str, Any]:
    """Row of an account."""
    net, cost = net_of(score, design, kind), 0.047 if kind == "long_short" else 0.019
    paper = kind == "long_short" and design == "plain"
    return {
        "score": score,
        "design": design,
        "kind": kind,
        "is_control": score in BLANK,
        "gross": net + cost,
        "gross_min": net + cost - 0.02,
        "gross_max": net + cost + 0.023,
        "net": net,
        "net_min": net - 0.02,
        "net_max": net + 0.023,
        "volatility": 0.11,
        "sharpe_gross": (net + cost) / 0.11,
        "sharpe_net": net / 0.11,
        "sharpe_net_min": net / 0.11 - 0.2,
        "sharpe_net_max": net / 0.11 + 0.2,
        "t_net": net / 0.04,
        "max_drawdown": 0.18 - net,
        "turnover": 9.4,
        "cost": cost,
        "fees": 0.5 * cost,
        "impact": 0.3 * cost,
        "borrow": 0.2 * cost if kind == "long_short" else 0.0,
        "exposure": 1.97,
        "cash": 0.03,
        "names": 612.0,
        "blocked_share": 0.021,
        "delisted": 14.0,
        "accounts": 20,
        "first": FIRST,
        "last": END[kind],
        "paper": net + 0.09 if paper else None,
        "sharpe_paper": 1.4 if paper else None,
    }


def pairs() -> list[tuple[str, str, str]]:
    """Score, design and kind of every account."""
    return [
        (score, design, kind)
        for score in (*INFORMED, *BLANK)
        for kind in KINDS
        for design in (DESIGNS if score in INFORMED else DESIGNS[:1])
    ]


def active(score: str, design: str, index: str) -> dict[str, Any]:
    """Row beside an index."""
    made = net_of(score, design, "long_only") - (0.028 if index == INDICES[0] else 0.045)
    return {
        "score": score,
        "design": design,
        "kind": "long_only",
        "benchmark": index,
        "active": made,
        "tracking_error": 0.062,
        "information_ratio": made / 0.062,
        "t_active": made / 0.023,
        "beta": 0.97,
        "relative_drawdown": 0.143,
        "index_return": 0.028,
        "index_sharpe": 0.15,
        "is_total_return": index == INDICES[1],
    }


def days(kind: str, every: int = 1) -> list[date]:
    """Weekdays of a kind of account."""
    span = ((FIRST + timedelta(days=k)) for k in range((END[kind] - FIRST).days + 1))
    return [day for day in span if day.weekday() < 5][::every]


@cache
def daily() -> pl.DataFrame:
    """Wealth that grows at the account's rate, with a wave of its own."""
    parts = []
    for kind in KINDS:
        dates = days(kind)
        for place, score in enumerate((*INFORMED, *BLANK)):
            made = account(score, "plain", kind)
            wealth = {
                column: [
                    (1 + made[name]) ** (k / 250) * math.exp(0.07 * math.sin(k / 90 + place) + 0.015 * math.sin(k / 7 + 2 * place))
                    for k in range(len(dates))
                ]
                for column, name in (("wealth_gross", "gross"), ("wealth_net", "net"))
            }
            frame = pl.DataFrame({"score": score, "kind": kind, "date": dates, **wealth})
            change = (pl.col("wealth_gross").pct_change().alias("gross"), pl.col("wealth_net").pct_change().alias("net"))
            parts.append(frame.with_columns(*change))
    names = framed("daily", []).columns
    return pl.concat([framed("daily", []), *(part.select(names) for part in parts)])


@cache
def index_daily() -> pl.DataFrame:
    """The indices from a month before the accounts on."""
    parts = []
    for place, name in enumerate(INDICES):
        dates = [FIRST - timedelta(days=k) for k in range(30, 0, -1)] + days("long_only")
        wealth = [1.4 * math.exp(0.0001 * k + 0.12 * math.sin(k / 160 + place)) for k in range(len(dates))]
        parts.append(pl.DataFrame({"benchmark": name, "date": dates, "wealth": wealth}).with_columns(ret=pl.col("wealth").pct_change()))
    return pl.concat([framed("index_daily", []), *(part.select("benchmark", "date", "ret", "wealth") for part in parts)])


def years() -> list[dict[str, Any]]:
    """Rows of the years of every account."""
    out = []
    for score, design, kind in pairs():
        for year in range(FIRST.year, END[kind].year + 1):
            net = net_of(score, design, kind) + 0.09 * math.sin(2.1 * year + len(score))
            months = END[kind].month if year == END[kind].year else 12
            out.append(
                {
                    "score": score,
                    "design": design,
                    "kind": kind,
                    "year": year,
                    "partial": months < 12,
                    "months": months,
                    "gross": net + 0.03,
                    "net": net,
                    "sharpe_net": net / 0.1,
                    "max_drawdown": 0.06,
                    "turnover": 9.4,
                }
            )
    return out


def luck_rows(trials: int | None = 34) -> list[dict[str, Any]]:
    """Rows of luck."""
    return [
        {
            "score": score,
            "kind": kind,
            "sharpe": 0.11 - 0.05 * place,
            "n": 78,
            "skew": -0.3,
            "kurtosis": 4.1,
            "trials": trials,
            "trial_sd": 0.09,
            "threshold": 0.191,
            "deflated": 0.24 - 0.1 * place,
            "undeflated": 0.83 - 0.2 * place,
            "track_years": 18.4 + 10 * place,
            "years": 6.5,
            "more_years": 12.3 if score != "business_mix" else math.inf,
        }
        for place, score in enumerate(INFORMED)
        for kind in KINDS
    ]


def fold_rows() -> list[dict[str, Any]]:
    """Rows of purged cross-validation."""
    return [
        {
            "kind": kind,
            "fold": k + 1,
            "first": date(2018 + k, 1, 2),
            "last": date(2018 + k, 12, 28),
            "chosen": "R, sector_neutral" if k % 2 else "business_mix, buffered",
            "train": 0.2 + 0.02 * k,
            "test": 0.11 * math.sin(3 * k),
        }
        for kind in KINDS
        for k in range(6)
    ]


def correlation_rows() -> list[dict[str, Any]]:
    """Rows of correlations; of other scores the returns alone."""
    out: list[dict[str, Any]] = []
    for place, score in enumerate(INFORMED):
        out += [
            {"score": score, "factor": name, "rank": 0.3 * math.sin(k + place), "returns": 0.5 * math.cos(k + place)}
            for k, name in enumerate(FACTORS)
        ]
        others = [each for each in (*INFORMED, *BLANK) if each != score]
        out += [{"score": score, "factor": name, "rank": None, "returns": 0.4 - 0.05 * k} for k, name in enumerate(others)]
    return out


def portfolios(**changes: Any) -> PortfolioStudy:
    """A whole study; changes replace parts of it."""
    capitals = (1e7, 1e8, 1e9, 1e10)
    made: dict[str, Any] = {
        "name": "Portfolios of product momentum",
        "synthetic": True,
        "approximate": True,
        "settings": {
            "signal": {"products": "segments", "horizon": 20},
            "portfolio": {"kind": "long_short", "quantiles": 5, "shorting": "rule"},
            "portfolio_study": {"scores": INFORMED, "designs": DESIGNS, "kinds": KINDS, "capitals": capitals},
        },
        "rules": {"name": "cn", "digest": "9f2c" * 16},
        "data": {"first": "2017-01-03", "last": "2026-04-30", "sessions": 2264, "assets": 5412, "tables": ["bars", "assets"]},
        "facts": {
            "main_index": "CSI 300",
            "rules": "cn",
            "digest": "9f2c" * 16,
            "given": 0,
            "computed": 0,
            "inferred": 8_120_442,
            "unlimited": 31_118,
            "unknown": 902,
            "approximate": True,
            "at_upper": 90_112,
            "at_lower": 40_871,
            "boards": {"main": 3190, "chinext": 1360, "star": 610},
            "notes": ["no limit columns"],
            "base": FACTORS,
        },
        "accounts": framed("accounts", [account(*each) for each in pairs()]),
        "benchmarks": framed("benchmarks", [active(s, d, index) for s, d, kind in pairs() if kind == "long_only" for index in INDICES]),
        "years": framed("years", years()),
        "daily": daily(),
        "index_daily": index_daily(),
        "capacity": framed(
            "capacity",
            [
                {
                    "score": "R",
                    "kind": kind,
                    "capital": size,
                    "gross": 0.109 - 0.004 * k - 0.03 * place,
                    "net": 0.07 - 0.03 * k - 0.02 * place,
                    "cost": 0.039 + 0.026 * k - 0.01 * place,
                    "impact": 0.026 * k,
                    "blocked_share": 0.01 * k,
                }
                for place, kind in enumerate(KINDS)
                for k, size in enumerate(capitals)
            ],
        ),
        "correlations": framed("correlations", correlation_rows()),
        "blocked": framed(
            "blocked",
            [
                {
                    "score": score,
                    "kind": kind,
                    "reason": reason,
                    "orders": 4100 - 700 * k,
                    "retries": 900 - 100 * k,
                    "value_share": 0.008 - 0.001 * k,
                }
                for score in (*INFORMED, *BLANK)
                for kind in KINDS
                for k, reason in enumerate(REASONS)
            ],
        ),
        "luck": pl.DataFrame(luck_rows(), schema=LUCK),
        "reality": pl.DataFrame(
            [
                {
                    "kind": kind,
                    "variants": 12,
                    "n": 1590,
                    "p_lower": 0.118,
                    "p_consistent": 0.143,
                    "p_upper": 0.167,
                    "best": "R, sector_neutral",
                    "pbo": 0.41,
                    "slope": -0.22,
                    "loss": 0.37,
                }
                for kind in KINDS
            ],
            schema=REALITY,
        ),
        "variants": pl.DataFrame(
            [
                {"kind": kind, "score": score, "design": design, "sharpe": 0.1 - 0.02 * k, "superior": kind == "long_only" and k == 0}
                for kind in KINDS
                for k, (score, design) in enumerate((s, d) for s in INFORMED for d in DESIGNS)
            ],
            schema=VARIANTS,
        ),
        "folds": pl.DataFrame(fold_rows(), schema=FOLDS),
        "trials": TrialCount(distinct=34, distinct_all=41, recorded=57, head="ab" * 32),
        "not_evaluable": {},
        "refused": pl.DataFrame([("set_aside", "bars", "price_above_zero", 12, "check the source")], schema=REFUSED, orient="row"),
        "notes": ("the bars have no limit_up and limit_down",),
        "seconds": {"accounts": 412.25, "luck": 31.5},
    }
    return PortfolioStudy(**(made | changes))


def emptied(*names: str, **changes: Any) -> PortfolioStudy:
    """A study in which these frames have no row."""
    whole = portfolios()
    return portfolios(**{name: getattr(whole, name).clear() for name in names}, **changes)
