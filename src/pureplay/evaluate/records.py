"""What an evaluation says: frozen records that print well and turn into frames."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from pureplay.stats.inference import MeanTest, OffsetNull

__all__ = ["CRITICAL_T", "FEWEST_SHUFFLES", "ControlFigure", "ICSummary", "OffsetFigure", "OrthogonalICIR", "Period", "icir_error"]

CRITICAL_T: Final = 2.306  # Student t with the 8 degrees of freedom of the EWC test, one-sided 2.5 %
FEWEST_SHUFFLES: Final = 20  # METHODS §5: below it the largest of them says little


def icir_error(se_mean: float | None, sd_ic: float | None) -> float | None:
    """Standard error of an ICIR by the delta method, se_mean / sd_ic; None where either is unknown or the IC does not vary.

    se_mean: EWC standard error of the mean daily IC. sd_ic: of the daily IC, taken as known: its own error counts little where the
    mean is small beside it.
    """
    if se_mean is None or sd_ic is None or not math.isfinite(se_mean) or not sd_ic > 0:
        return None
    return se_mean / sd_ic


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFigure:
    """ICIR of one rebalance offset: mean / sd (ddof 1) of the IC on its grid dates, per period, not annualised."""

    offset: int
    icir: float
    mean: float
    sd: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Figures of a stretch of dates: a calendar year, in sample, out of sample.

    months: calendar months with an IC in it. median_names: names of the median date with an IC. mean, sd: of the daily IC; se_mean:
    EWC standard error of that mean.
    """

    label: str
    first: date
    last: date
    months: int
    n_dates: int
    median_names: float
    mean: float
    sd: float
    se_mean: float
    icir: float
    icir_min: float
    icir_max: float
    n_positive: int
    n_offsets: int
    t_ewc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ICSummary:
    """Rank IC of one score at one horizon over all rebalance offsets.

    icir: mean of the offsets' ICIRs (the headline), with its smallest and largest and the number above 0. mean, sd, n_dates: of the
    daily IC; median_names: names of the median date with an IC. test: EWC test of the mean IC; newey_west_t stands beside it.
    skipped: dates without an IC, by reason. null: where icir falls when the signal knows nothing. daily: date, offset, ic, names, reason.
    """

    name: str
    horizon_sessions: int
    grid_sessions: int
    icir: float
    icir_min: float
    icir_max: float
    n_positive: int
    offsets: tuple[OffsetFigure, ...]
    mean: float
    sd: float
    n_dates: int
    median_names: float
    test: MeanTest
    newey_west_t: float
    skipped: Mapping[str, int]
    periods: tuple[Period, ...]
    null: OffsetNull | None
    daily: pl.DataFrame

    @property
    def icir_deflated(self) -> float:
        """icir × √(grid / horizon) where windows overlap on the grid, else icir."""
        return self.icir * math.sqrt(min(1.0, self.grid_sessions / self.horizon_sessions))

    def period(self, label: str) -> Period | None:
        """Figures of a period by label, None where it has no dates."""
        return next((each for each in self.periods if each.label == label), None)

    def to_dict(self) -> dict[str, Any]:
        """Headline figures by name, without the daily series."""
        return {
            "icir": self.icir,
            "icir_min": self.icir_min,
            "icir_max": self.icir_max,
            "n_positive": self.n_positive,
            "n_offsets": len(self.offsets),
            "mean_ic": self.mean,
            "sd_ic": self.sd,
            "n_dates": self.n_dates,
            "median_names": self.median_names,
            "t_ewc": self.test.t,
            "p_ewc": self.test.p,
            "t_newey_west": self.newey_west_t,
            "horizon_sessions": self.horizon_sessions,
            "skipped": dict(self.skipped),
            "null_p": None if self.null is None else self.null.p,
        }

    def to_frame(self) -> pl.DataFrame:
        """One row a period, the whole first."""
        whole = {
            "label": "all",
            "first": self.daily["date"].min(),
            "last": self.daily["date"].max(),
            "n_dates": self.n_dates,
            "median_names": self.median_names,
            "mean": self.mean,
            "sd": self.sd,
            "se_mean": self.test.se,
            "icir": self.icir,
            "icir_min": self.icir_min,
            "icir_max": self.icir_max,
            "n_positive": self.n_positive,
            "n_offsets": len(self.offsets),
            "t_ewc": self.test.t,
            "months": self.daily.filter(pl.col("ic").is_not_null())["date"].dt.truncate("1mo").n_unique(),
        }
        rows = [whole, *({name: getattr(each, name) for name in whole} for each in self.periods)]
        return pl.DataFrame(rows, infer_schema_length=None)

    def __str__(self) -> str:
        head = (
            f"{self.name}: ICIR {self.icir:+.3f} [{self.icir_min:+.3f}, {self.icir_max:+.3f}] over {len(self.offsets)} offsets, "
            f"{self.n_positive} positive; mean IC {self.mean:+.4f}, EWC t {self.test.t:+.2f} (Newey-West {self.newey_west_t:+.2f}), "
            f"{self.n_dates} dates, {self.median_names:.0f} names in the median, {self.horizon_sessions} sessions ahead"
        )
        if self.null is not None:
            band = dict(self.null.quantiles)
            head += (
                f"\n  null of the ICIR: 95 % within [{band[0.025]:+.3f}, {band[0.975]:+.3f}] "
                f"(Monte-Carlo error {self.null.quantile_se:.3f}), "
                f"p = {self.null.p:.3f} ± {self.null.p_se:.3f}; all offsets positive by chance in {100 * self.null.all_positive:.0f} %"
            )
        if self.skipped:
            head += "\n  skipped: " + ", ".join(f"{count} dates {reason}" for reason, count in self.skipped.items())
        return head


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFigure:
    """A control beside the signal: its own figures, and the paired difference of daily IC (signal - control) on common names."""

    name: str
    raw: ICSummary
    orthogonal: ICSummary
    paired: MeanTest
    identical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthogonalICIR:
    """The verdict on a signal against a base.

    raw, orthogonal: figures before and after the base. variance_left: mean share of the signal's cross-sectional variance that the
    base leaves, with its 5 % and 95 % dates. dropped: dates on which a base column was constant or redundant, by column. controls:
    figures of the controls. nested: the signal orthogonal to base plus the z-scores of all controls, None without controls.
    not_evaluable: controls without figures, for reasons that stand in the notes. shuffled_t: nested t of each within-industry shuffle
    that has one; shuffles_asked: how many were asked for. shuffled_icir, shuffled_raw_icir: orthogonal and raw ICIR of each shuffle that
    has one, worked out as the signal's own. notes: what the reader should know.
    """

    raw: ICSummary
    orthogonal: ICSummary
    base: tuple[str, ...]
    variance_left: float
    variance_left_range: tuple[float, float]
    dropped: Mapping[str, int]
    controls: tuple[ControlFigure, ...]
    nested: ICSummary | None
    not_evaluable: tuple[str, ...] = ()
    shuffled_t: tuple[float, ...] = ()
    shuffles_asked: int = 0
    notes: tuple[str, ...] = ()
    shuffled_icir: tuple[float, ...] = ()
    shuffled_raw_icir: tuple[float, ...] = ()

    @property
    def icir(self) -> float:
        """The headline: mean orthogonal ICIR over all offsets."""
        return self.orthogonal.icir

    @property
    def product_information(self) -> str:
        """The claim: "found", "not found" or "not decidable".

        Found: paired and nested tests hold against every control, one-sided at 2.5 % (EWC t above 2.306, 8 degrees of freedom), and
        the nested t lies above that of every one of at least 20 within-industry shuffles. Not found: one of them fails. Not decidable:
        none fails, but a control, a test, or some of the shuffles are absent.
        """
        paired = [each.paired.t for each in self.controls if not each.identical]
        tests = [*paired, *([] if self.nested is None else [self.nested.test.t])]
        known = [value for value in tests if not math.isnan(value)]
        beaten = self.nested is not None and any(self.nested.test.t <= each for each in self.shuffled_t)
        if beaten or any(value <= CRITICAL_T for value in known):
            return "not found"
        complete = self.nested is not None and len(paired) >= 2 and len(known) == len(tests) and not self.not_evaluable
        return "found" if complete and not self.shuffles_missing else "not decidable"

    @property
    def shuffles_missing(self) -> int:
        """Shuffles with a nested t that a claim still needs: of those asked for, and of FEWEST_SHUFFLES at least."""
        return max(0, max(FEWEST_SHUFFLES, self.shuffles_asked) - sum(math.isfinite(each) for each in self.shuffled_t))

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, for summary.json."""
        return {
            "icir": self.icir,
            "raw": self.raw.to_dict(),
            "orthogonal": self.orthogonal.to_dict(),
            "base": list(self.base),
            "variance_left": self.variance_left,
            "dropped": dict(self.dropped),
            "controls": {
                each.name: {
                    "raw_icir": each.raw.icir,
                    "raw_t": each.raw.test.t,
                    "icir": each.orthogonal.icir,
                    "t_ewc": each.orthogonal.test.t,
                    "paired_mean": each.paired.mean,
                    "paired_t": each.paired.t,
                    "identical": each.identical,
                }
                for each in self.controls
            },
            "nested_icir": None if self.nested is None else self.nested.icir,
            "nested_t": None if self.nested is None else self.nested.test.t,
            "not_evaluable": list(self.not_evaluable),
            "shuffled_t": list(self.shuffled_t),
            "shuffled_icir": list(self.shuffled_icir),
            "shuffled_raw_icir": list(self.shuffled_raw_icir),
            "shuffles_asked": self.shuffles_asked,
            "product_information": self.product_information,
            "notes": list(self.notes),
        }

    def to_frame(self) -> pl.DataFrame:
        """One row a figure: raw, orthogonal, nested and each control."""
        rows = [("signal, raw", self.raw), ("signal, orthogonal", self.orthogonal)]
        rows += [("signal, orthogonal to base and controls", self.nested)] if self.nested is not None else []
        for each in self.controls:
            rows += [(f"{each.name}, raw", each.raw), (f"{each.name}, orthogonal", each.orthogonal)]
        return pl.DataFrame([{"figure": name, **{k: v for k, v in each.to_dict().items() if k != "skipped"}} for name, each in rows])

    def __str__(self) -> str:
        lines = [
            str(self.raw),
            str(self.orthogonal),
            f"  the base of {len(self.base)} leaves {100 * self.variance_left:.1f} % of the signal's variance",
        ]
        for each in self.controls:
            paired = "identical to the signal" if each.identical else f"signal - control t {each.paired.t:+.2f}"
            lines.append(f"  control {each.name}: raw ICIR {each.raw.icir:+.3f}, orthogonal {each.orthogonal.icir:+.3f}; {paired}")
        if self.nested is not None:
            lines.append(f"  beyond base and controls: ICIR {self.nested.icir:+.3f}, EWC t {self.nested.test.t:+.2f}")
        if self.shuffled_t:
            lines.append(
                f"  {len(self.shuffled_t)} within-industry shuffles: nested t {min(self.shuffled_t):+.2f} to {max(self.shuffled_t):+.2f}"
            )
        lines.append(f"  product information: {self.product_information}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])
