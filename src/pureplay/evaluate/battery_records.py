"""What a robustness battery says: frozen records that print well and turn into frames."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pureplay.evaluate.cells import Battery
from pureplay.evaluate.turnover import Turnover

__all__ = ["Delivery", "Robustness"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Orthogonal ICIR of a score, and of its residual on the same base, by horizon: they must agree but for rounding.

    daily_difference: largest difference of a daily IC; lost: dates with an IC of the one and none of the other.
    """

    horizons: tuple[int, ...]
    icir: tuple[float, ...]
    delivered: tuple[float, ...]
    daily_difference: float
    lost: int

    @property
    def difference(self) -> float:
        """Largest difference of the two ICIRs over the horizons that have both; NaN where none has."""
        both = [abs(a - b) for a, b in zip(self.icir, self.delivered, strict=True) if np.isfinite(a) and np.isfinite(b)]
        return max(both, default=float("nan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """The battery of a score.

    figures: a row a base, horizon and period (`battery_figures`). turnover: None without bars. delivery: the score against its own
    residual. base: columns. headline_horizon: the horizon that the text shows. median_names: names that all bases share on the
    median date, of median_scored with a score.
    """

    name: str
    base: tuple[str, ...]
    horizons: tuple[int, ...]
    headline_horizon: int
    median_names: float
    median_scored: float
    figures: pl.DataFrame
    turnover: Turnover | None
    delivery: Delivery
    settings: Battery
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pl.DataFrame:
        """One row a base, horizon and period."""
        return self.figures

    def to_dict(self) -> dict[str, Any]:
        """Everything by name, the figures as a list of rows."""
        return {
            "name": self.name,
            "base": list(self.base),
            "horizons": list(self.horizons),
            "headline_horizon": self.headline_horizon,
            "median_names": self.median_names,
            "median_scored": self.median_scored,
            "turnover": None if self.turnover is None else self.turnover.to_dict(),
            "delivery": {
                "horizons": list(self.delivery.horizons),
                "icir": list(self.delivery.icir),
                "delivered": list(self.delivery.delivered),
                "difference": self.delivery.difference,
                "daily_difference": self.delivery.daily_difference,
                "lost": self.delivery.lost,
            },
            "figures": self.figures.to_dicts(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.name}: robustness over {len(self.base)} base columns, orthogonal ICIR {self.headline_horizon} sessions ahead"]
        shown = self.figures.filter(period="all", horizon_sessions=self.headline_horizon)
        for group in shown["group"].unique(maintain_order=True).to_list():
            rows = shown.filter(pl.col("group") == group)
            labels = rows["label"].unique(maintain_order=True).to_list()
            lines += [f"  {group}", *(_line(label, rows.filter(pl.col("label") == label)) for label in labels)]
        horizons = self.figures.filter(group="full", period="all").sort("horizon_sessions")
        lines.append("  horizons, full base")
        lines += [_line(f"{row['horizon_sessions']} sessions", pl.DataFrame([row], schema=horizons.schema)) for row in horizons.to_dicts()]
        lines.append(f"  delivered residual: ICIR differs by {self.delivery.difference:.1e} at most")
        lines += [f"  {self.turnover}"] if self.turnover is not None else []
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def _line(label: str, rows: pl.DataFrame) -> str:
    """One base in the text; several draws of it as mean and range."""
    known = rows["icir"].drop_nulls()
    if known.is_empty():
        return f"    {label}: {rows['reason'][0]}"
    if rows.height > 1:
        values = known.to_numpy()
        return f"    {label}: {values.mean():+.3f} on average of {values.size} draws [{values.min():+.3f}, {values.max():+.3f}]"
    row = rows.row(0, named=True)
    deflated = f", deflated {row['icir_deflated']:+.3f}" if row["icir_deflated"] != row["icir"] else ""
    if row["t_ewc"] is None:
        return f"    {label}: {row['icir']:+.3f}{deflated}, {row['n_dates']} dates"
    return f"    {label}: {row['icir']:+.3f}{deflated}, EWC t {row['t_ewc']:+.2f}, {row['n_dates']} dates"
