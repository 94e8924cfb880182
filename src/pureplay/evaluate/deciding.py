"""What decides a verdict: its tests with the hardest first, what chance does as well, and the years until a test would pass."""

import math
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from pureplay.evaluate.records import CRITICAL_T, ICSummary, OrthogonalICIR
from pureplay.stats.inference import MeanTest
from pureplay.stats.sharpe import years_to_decide

__all__ = ["ClaimTest", "beats_chance", "claim_tests", "is_bound", "luck_of_best", "more_years", "record_years"]

_LEVEL: Final = 0.025  # one-sided, as that of CRITICAL_T
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


def luck_of_best(found: ICSummary, trials: int) -> float:
    """Chance that the best of `trials` signals that know nothing, independent of each other, has an ICIR at least as high as this one.

    1 - (1 - p)^trials with p the one-sided p of the simulated null: half of its two-sided p where the ICIR is above 0, else 1 less that
    half. NaN without a null or an ICIR. An upper bound where `is_bound`.
    """
    if found.null is None or math.isnan(found.icir):
        return math.nan
    alone = found.null.p / 2 if found.icir > 0 else 1 - found.null.p / 2
    return -math.expm1(trials * math.log1p(-alone))


def is_bound(found: ICSummary) -> bool:
    """Whether no draw of the null lies as far from 0 as the ICIR, so that its p is the least that so many draws can show."""
    return found.null is not None and found.null.p < 1.5 / (found.null.draws + 1)


def beats_chance(found: ICSummary, trials: int) -> bool | None:
    """Whether the ICIR is more than the best of `trials` signals that know nothing shows, one-sided at 2.5 %, and outside the null's 95 %.

    None where that cannot be told: the ICIR is above 0, but there is no null, or one with too few draws for so many trials.
    """
    if not found.icir > 0:
        return None if math.isnan(found.icir) else False
    if found.null is None:
        return None
    if found.icir <= dict(found.null.quantiles).get(1 - _LEVEL, -math.inf):
        return False
    if luck_of_best(found, trials) <= _LEVEL:
        return True
    return None if is_bound(found) else False


def record_years(verdict: OrthogonalICIR) -> float:
    """Calendar years from the first to the last date with an orthogonal IC; NaN without one."""
    days = verdict.orthogonal.daily.filter(pl.col("ic").is_not_null())["date"]
    first, last = days.min(), days.max()
    return (last - first).days / _DAYS_A_YEAR if isinstance(first, date) and isinstance(last, date) else math.nan


def more_years(t: float, years: float) -> float:
    """Years beyond a record of `years` until an effect of the same size passes CRITICAL_T; 0 where it does, inf for t <= 0, NaN unknown."""
    return math.nan if math.isnan(t) or math.isnan(years) else years_to_decide(t, years, critical=CRITICAL_T)
