"""What a whole product-momentum study yields."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import polars as pl

from pureplay.evaluate.records import ICSummary, OrthogonalICIR
from pureplay.evaluate.trials import TrialCount
from pureplay.evaluate.turnover import Turnover

__all__ = ["CELL_SCHEMA", "ConstructionStudy", "MomentumStudy", "ProductStudy"]

CELL_SCHEMA: Final = {
    "construction": pl.String,
    "group": pl.String,
    "label": pl.String,
    "x": pl.Float64,
    "is_default": pl.Boolean,
    "informed": pl.Boolean,
    "period": pl.String,
    "raw_icir": pl.Float64,
    "icir": pl.Float64,
    "icir_min": pl.Float64,
    "icir_max": pl.Float64,
    "n_positive": pl.Int64,
    "n_offsets": pl.Int64,
    "mean_ic": pl.Float64,
    "sd_ic": pl.Float64,
    "se_mean": pl.Float64,
    "t_ewc": pl.Float64,
    "n_dates": pl.Int64,
    "median_names": pl.Float64,
    "variance_left": pl.Float64,
    "reason": pl.String,
}
"""Table of the cells that build the signal anew. period: "all" or "out of sample". x: the setting, as a number. informed: whether the
cell still carries product information (a placebo does not). se_mean: EWC standard error of mean_ic, over sd_ic that of icir.
reason: why a cell has no figure, null where it has one."""


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
    trials: what the log of trials says of these data, this run included; None where no log is kept.
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
    trials: TrialCount | None = None

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
            "trials": None if self.trials is None else asdict(self.trials),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstructionStudy:
    """One construction of the study.

    verdict: signal, controls, paired and nested tests, shuffles; None where nothing can be evaluated, not_evaluable then says why.
    bases: orthogonal figures by name of the base: "base", "base + industries", "without 13-15", "without 13-15 + industries".
    figures: battery of bases and horizons, as `evaluate.robustness` makes it. cells: battery of rebuilt signals, by CELL_SCHEMA.
    turnover: of the top and bottom quantile, None without enough scores. delivery: largest difference of ICIR between the score and its
    pre-orthogonalised delivery. residualisation: date, r2, names, intercept and one factor return a column (construction S only).
    coverage: as in `MomentumStudy`. skipped: cells that were left out, with the reason.
    """

    construction: str
    verdict: OrthogonalICIR | None
    not_evaluable: str | None
    bases: Mapping[str, ICSummary]
    figures: pl.DataFrame
    cells: pl.DataFrame
    turnover: Turnover | None
    delivery: float
    residualisation: pl.DataFrame | None
    coverage: pl.DataFrame
    scored_rows: int
    skipped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, for study.json."""
        return {
            "construction": self.construction,
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            "not_evaluable": self.not_evaluable,
            "bases": {name: {**each.to_dict(), "periods": each.to_frame().to_dicts()} for name, each in self.bases.items()},
            "figures": self.figures.to_dicts(),
            "cells": self.cells.to_dicts(),
            "turnover": None if self.turnover is None else self.turnover.to_dict(),
            "delivery": self.delivery,
            "r2": None if self.residualisation is None else self.residualisation["r2"].mean(),
            "scored_rows": self.scored_rows,
            "skipped": list(self.skipped),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductStudy:
    """The whole study: both constructions beside the published figures.

    base: kind, names, families, filled (share of values filled in, by factor), notes. headline: rows of the source's table, columns as
    `studies.headline.HEADLINE_SCHEMA`. Everything else as in `MomentumStudy`.
    """

    name: str
    synthetic: bool
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    base: Mapping[str, Any]
    headline: pl.DataFrame
    constructions: Mapping[str, ConstructionStudy]
    refused: pl.DataFrame
    notes: tuple[str, ...]
    seconds: Mapping[str, float]
    trials: TrialCount | None = None

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, for study.json."""
        return {
            "name": self.name,
            "synthetic": self.synthetic,
            "settings": dict(self.settings),
            "data": dict(self.data),
            "base": dict(self.base),
            "headline": self.headline.to_dicts(),
            "constructions": {name: each.to_dict() for name, each in self.constructions.items()},
            "refused": self.refused.to_dicts(),
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
            "trials": None if self.trials is None else asdict(self.trials),
        }
