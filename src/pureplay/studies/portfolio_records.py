"""What a portfolio study yields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from pureplay.evaluate.trials import TrialCount

__all__ = ["PortfolioStudy"]

_PLAIN: Final = ("name", "synthetic", "approximate", "settings", "rules", "data", "facts", "not_evaluable", "seconds")
_FRAMES: Final = (
    *("accounts", "benchmarks", "years", "capacity", "correlations", "blocked", "luck", "reality", "variants", "folds", "refused"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioStudy:
    """Accounts of every score, design and kind, what they cost, and whether luck explains them. Returns and costs are decimals.

    score: R, S, business_mix, own_only, industry, or "shuffle 1" and so on. design: as in `PortfolioStudySettings`. kind: long_short,
    long_only. Figures are of the mean over the rebalance offsets; _min and _max are those of single offsets.

    accounts: a row a score, design and kind: gross, gross_min, gross_max, net, net_min, net_max (compound, a year), volatility,
    sharpe_gross, sharpe_net, sharpe_net_min, sharpe_net_max, t_net (EWC t of the mean daily net return), max_drawdown, turnover (one way,
    times a year), cost (a year, all of it), fees, impact, borrow, exposure (gross, over the account), cash, names (a leg), blocked_share
    (of the order value, at rebalances), delisted, accounts, first, last, is_control (no product information), paper (a year, not
    compounded, without costs or rules; long_short, plain, else null), sharpe_paper.
    benchmarks: a row a score, design, long-only account and index: active, tracking_error, information_ratio, t_active, beta,
    relative_drawdown, index_return, index_sharpe, is_total_return.
    years: score, design, kind, year, partial, months, gross, net, sharpe_net, max_drawdown, turnover.
    daily: score, kind, date, gross, net, wealth_gross, wealth_net; plain design. index_daily: benchmark, date, ret, wealth.
    capacity: score, kind, capital, gross, net, cost, impact, blocked_share. correlations: score, factor, rank (rank correlation of score
    and exposure, mean over every fifth session), returns (correlation of daily frictionless long-short returns); other scores count as
    factors.
    blocked: score, kind, reason, orders, retries, value_share; plain design.
    luck: score, kind, sharpe (a grid period, net; active against the first index for long_only), n, skew, kurtosis, trials, trial_sd,
    threshold, deflated (probability that the Sharpe ratio exceeds what the best of the trials would show by chance), undeflated (the
    same against 0), track_years (least record for 95 % confidence that it is above 0), years, more_years (of the same size until its t
    reaches 2.306). reality: kind, variants, n, p_lower, p_consistent, p_upper, best, pbo, slope, loss. variants: kind, score, design,
    sharpe, superior (StepM at 5 %). folds: kind, fold, first, last, chosen, train, test (Sharpe ratios a grid period), purged
    cross-validation of the choice.
    trials: None where no log is kept. not_evaluable: score and design (and kind, where another has one) → why there is no portfolio.
    """

    name: str
    synthetic: bool
    approximate: bool
    settings: Mapping[str, Any]
    rules: Mapping[str, Any]
    data: Mapping[str, Any]
    facts: Mapping[str, Any]
    accounts: pl.DataFrame
    benchmarks: pl.DataFrame
    years: pl.DataFrame
    daily: pl.DataFrame
    index_daily: pl.DataFrame
    capacity: pl.DataFrame
    correlations: pl.DataFrame
    blocked: pl.DataFrame
    luck: pl.DataFrame
    reality: pl.DataFrame
    variants: pl.DataFrame
    folds: pl.DataFrame
    trials: TrialCount | None
    not_evaluable: Mapping[str, str]
    refused: pl.DataFrame
    notes: tuple[str, ...]
    seconds: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, without the daily series, for portfolio.json."""
        out: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        out |= {name: getattr(self, name).to_dicts() for name in _FRAMES}
        trials = self.trials
        out["trials"] = None if trials is None else {"distinct": trials.distinct, "recorded": trials.recorded, "head": trials.head}
        out["notes"] = list(self.notes)
        return out
