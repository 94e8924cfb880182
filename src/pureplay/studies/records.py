"""What a whole product-momentum study yields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pureplay.evaluate.records import ICSummary, OrthogonalICIR

__all__ = ["MomentumStudy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentumStudy:
    """One signal on one dataset: scores' coverage, the verdict and everything printed beside it.

    name: of the run. synthetic: whether the data were simulated. settings, evaluation: settings that made it, by name.
    verdict: None where the scores cannot be evaluated; not_evaluable then says why.
    components: raw rank IC of composite, biz_mom, implied and minus biz_resvol, by name.
    horizons: the composite orthogonal to the base at each horizon. universes: likewise within each index.
    quantiles: as `evaluate.diagnostics.quantile_curve` makes them.
    coverage: date, traded, universe (seasoned and trading), filed (with a usable filing), covered (with an implied return), scored.
    autocorrelation: lag_sessions, rank_correlation (mean over dates).
    factor_correlation: factor, rank_correlation (mean over dates) of the composite with each base factor.
    refused: level, table, rule, count, remedy of every finding of the data check.
    scored_rows: rows of the score table. seconds: wall time by stage.
    """

    name: str
    synthetic: bool
    settings: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    data: Mapping[str, Any]
    verdict: OrthogonalICIR | None
    not_evaluable: str | None
    components: Mapping[str, ICSummary]
    horizons: tuple[ICSummary, ...]
    universes: Mapping[str, ICSummary]
    quantiles: pl.DataFrame
    coverage: pl.DataFrame
    autocorrelation: pl.DataFrame
    factor_correlation: pl.DataFrame
    refused: pl.DataFrame
    scored_rows: int
    seconds: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, for summary.json."""
        covered = self.coverage.filter(pl.col("scored") > 0)
        return {
            "name": self.name,
            "synthetic": self.synthetic,
            "settings": dict(self.settings),
            "evaluation": dict(self.evaluation),
            "data": dict(self.data),
            "icir": None if self.verdict is None else self.verdict.icir,
            "nested_t": None if self.verdict is None or self.verdict.nested is None else self.verdict.nested.test.t,
            "not_evaluable": self.not_evaluable,
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            "components": {name: each.to_dict() for name, each in self.components.items()},
            "horizons": [each.to_dict() for each in self.horizons],
            "universes": {name: each.to_dict() for name, each in self.universes.items()},
            "quantiles": self.quantiles.to_dicts(),
            "coverage": {
                "dates_with_scores": covered.height,
                "first": covered["date"].min(),
                "last": covered["date"].max(),
                "median_scored": covered["scored"].median(),
                "median_traded": covered["traded"].median(),
                "scored_rows": self.scored_rows,
            },
            "autocorrelation": self.autocorrelation.to_dicts(),
            "factor_correlation": self.factor_correlation.to_dicts(),
            "refused": self.refused.to_dicts(),
            "seconds": dict(self.seconds),
        }
