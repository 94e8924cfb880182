"""What decides a verdict: its tests with the hardest first, the best that chance would reach, and the years until a test would pass."""

import math
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from pureplay.evaluate.records import CRITICAL_T, ICSummary, OrthogonalICIR
from pureplay.stats.inference import MeanTest
from pureplay.stats.sharpe import expected_max_sharpe, years_to_decide

__all__ = ["ClaimTest", "best_of_chance", "claim_tests", "more_years", "record_years"]

_DAYS_A_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTest:
    """A test that the claim rests on. control: what a paired test sets the signal against, None for the nested test.

    t: EWC t, NaN where there are too few dates. luck: one-sided p, the share of signals without an effect that do as well; NaN with t.
    """

    control: str | None
    t: float
    luck: float


def claim_tests(verdict: OrthogonalICIR) -> tuple[ClaimTest, ...]:
    """Paired tests of the controls that differ from the signal and the nested test: smallest t first, those without a t last."""
    made = [_test(each.name, each.paired) for each in verdict.controls if not each.identical]
    made += [_test(None, verdict.nested.test)] if verdict.nested is not None else []
    return tuple(sorted(made, key=lambda each: math.inf if math.isnan(each.t) else each.t))


def _test(control: str | None, found: MeanTest) -> ClaimTest:
    return ClaimTest(control=control, t=found.t, luck=found.p / 2 if found.t > 0 else 1 - found.p / 2)


def best_of_chance(found: ICSummary, trials: int) -> float:
    """ICIR that the best of `trials` independent signals without information is expected to reach; NaN without a simulated null."""
    return math.nan if found.null is None else expected_max_sharpe(found.null.sd, trials)


def record_years(verdict: OrthogonalICIR) -> float:
    """Calendar years from the first to the last date with an orthogonal IC; NaN without one."""
    days = verdict.orthogonal.daily.filter(pl.col("ic").is_not_null())["date"]
    first, last = days.min(), days.max()
    return (last - first).days / _DAYS_A_YEAR if isinstance(first, date) and isinstance(last, date) else math.nan


def more_years(t: float, years: float) -> float:
    """Years beyond a record of `years` until an effect of the same size passes CRITICAL_T; 0 where it does, inf for t <= 0, NaN unknown."""
    return math.nan if math.isnan(t) or math.isnan(years) else years_to_decide(t, years, critical=CRITICAL_T)
