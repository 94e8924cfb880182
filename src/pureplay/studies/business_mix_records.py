"""What the study of the business-mix factors yields, and its figures beside the published ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from pureplay.evaluate.records import OrthogonalICIR
from pureplay.studies.headline import published

__all__ = ["FIGURES", "MEASURES", "ROW_SCHEMA", "BusinessMixStudy", "beside_published"]

MEASURES: Final[Mapping[str, int]] = {"momentum": 1, "residual volatility": -1, "composite": 1}
"""Measures of the source, and which end of each is bought: the highest (1) or the lowest (-1)."""

FIGURES: Final = ("mean IC", "EWC t of the IC", "ICIR", "win rate", "long-short return", "EWC t of the return", "Sharpe", "turnover")

_SPREAD: Final = ("mean_ic", "icir", "win_rate", "ls_return", "ls_sharpe")

ROW_SCHEMA: Final = {
    "measure": pl.String,
    "source": pl.String,
    "window_sessions": pl.Int64,
    "purity": pl.Float64,
    "sign": pl.Int64,
    **{f"{name}{end}": pl.Float64 for name in _SPREAD for end in ("", "_min", "_max")},
    "ic_t": pl.Float64,
    "null_low": pl.Float64,
    "null_high": pl.Float64,
    "ls_t": pl.Float64,
    "turnover": pl.Float64,
    "turnover_annual": pl.Float64,
    "n_dates": pl.Int64,
    "names": pl.Float64,
    "leg_names": pl.Float64,
    "coverage": pl.Float64,
    "pure_plays": pl.Int64,
    "products": pl.Int64,
    "share_products": pl.Float64,
    "share_parent": pl.Float64,
    "share_industry": pl.Float64,
    "share_synthetic": pl.Float64,
    "share_uncovered": pl.Float64,
    "reason": pl.String,
}
"""A score a row. measure: of MEASURES; source: "products", or "own_only", the same pipeline with the market in place of the products, on
the names and dates that the products score.

sign: which end is bought. mean_ic, icir: of the measure as the source signs it, so that those of the residual volatility are negative
where it works; _min and _max: of the rebalance offsets. win_rate: share of an offset's dates on which sign × IC is above 0. ic_t: EWC t
of the mean IC; null_low, null_high: 95 % of ICIRs of a signal that knows nothing. ls_…: `evaluate.paper.paper_long_short` on sign ×
score; ls_t its EWC t. turnover: one way, share of a leg a rebalance, mean of both legs; turnover_annual: times a year. names: median a
date with an IC; leg_names: of a leg. coverage: scored over stocks of the universe, mean over dates with scores. pure_plays, products: on
the last session, pure plays, and products with enough of them for a basket. share_…: of the revenue of scored stocks answered by pure
plays of the product, by each fallback, and by nothing (left out of the implied return); null for a fallback that is off. reason: why
figures are absent, null where none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessMixStudy:
    """The business-mix factors on one dataset, beside the source's figures.

    settings: of the signal; changed: those that differ from the preset. sector_scheme: scheme within which scores are demeaned, None = they
    are not. rows: by ROW_SCHEMA, every measure and window, and the same of own_only. thresholds: by ROW_SCHEMA, the composite of the first
    window at each purity. correlations: factor, then the mean rank correlation of each measure and window (measure as in the source, not
    turned) with each factor of the dataset. verdict: the composite of the first window against both controls on an empty base; None where
    there are too few names, not_evaluable then says why. coverage: date, traded, universe, filed, covered, scored. notes: what a
    reader should know. seconds: wall time by stage.
    """

    name: str
    synthetic: bool
    settings: Mapping[str, Any]
    changed: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    data: Mapping[str, Any]
    windows: tuple[int, ...]
    sector_scheme: str | None
    rows: pl.DataFrame
    thresholds: pl.DataFrame
    correlations: pl.DataFrame
    coverage: pl.DataFrame
    verdict: OrthogonalICIR | None
    not_evaluable: str | None
    notes: tuple[str, ...]
    refused: pl.DataFrame
    seconds: Mapping[str, float]

    def row(self, measure: str, window_sessions: int, source: str = "products") -> dict[str, Any]:
        """Figures of one score."""
        chosen = (pl.col("measure") == measure) & (pl.col("window_sessions") == window_sessions) & (pl.col("source") == source)
        return self.rows.row(by_predicate=chosen, named=True)

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, for business_mix.json."""
        return {
            "name": self.name,
            "synthetic": self.synthetic,
            "settings": dict(self.settings),
            "changed": dict(self.changed),
            "evaluation": dict(self.evaluation),
            "data": dict(self.data),
            "windows": list(self.windows),
            "sector_scheme": self.sector_scheme,
            "published": dict(published("business_mix")),
            "rows": self.rows.to_dicts(),
            "thresholds": self.thresholds.to_dicts(),
            "correlations": self.correlations.to_dicts(),
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            "not_evaluable": self.not_evaluable,
            "notes": list(self.notes),
            "refused": self.refused.to_dicts(),
            "seconds": dict(self.seconds),
        }


def beside_published(study: BusinessMixStudy, *, source: str = "products") -> pl.DataFrame:
    """Ours beside the source's: measure, figure, published, one column of text a window (such as "20 sessions").

    A figure that is absent is a dash. In brackets: smallest and largest of the rebalance offsets.
    """
    theirs, rows = published("business_mix"), []
    for measure in MEASURES:
        found = {window: study.row(measure, window, source) for window in study.windows}
        for figure in FIGURES:
            ours = {f"{window} sessions": _text(figure, row) for window, row in found.items()}
            rows.append({"measure": measure, "figure": figure, "published": theirs.get(f"{measure} {figure}", "–"), **ours})
    return pl.DataFrame(rows)


def _text(figure: str, row: Mapping[str, Any]) -> str:
    percent = {"mean IC": ("mean_ic", 2, True), "win rate": ("win_rate", 1, False), "long-short return": ("ls_return", 2, True)}
    if figure in percent:
        column, digits, signed = percent[figure]
        return _with_range(row, column, lambda value: _number(100 * value, digits, signed) + " %")
    if figure.startswith("EWC t"):
        value = row["ic_t" if figure == "EWC t of the IC" else "ls_t"]
        return "–" if _absent(value) else _number(value, 2, True)
    if figure == "turnover":
        return "–" if _absent(row["turnover"]) else f"{100 * row['turnover']:.1f} %"
    return _with_range(row, {"ICIR": "icir", "Sharpe": "ls_sharpe"}[figure], lambda value: _number(value, 2, True))


def _with_range(row: Mapping[str, Any], column: str, say: Any) -> str:
    if _absent(row[column]):
        return "–"
    return f"{say(row[column])} [{say(row[f'{column}_min'])}, {say(row[f'{column}_max'])}]"


def _number(value: float, digits: int, signed: bool) -> str:
    text = f"{abs(value):.{digits}f}"
    return ("−" if value < 0 and float(text) > 0 else "+" if signed else "") + text


def _absent(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
