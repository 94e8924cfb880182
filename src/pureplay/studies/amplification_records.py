"""What a study of amplification found, as plain frames; reports and the command line read nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

__all__ = ["CONFIGURATION_SCHEMA", "PLACEBO_SCHEMA", "PUBLISHED", "ROW_SCHEMA", "SPREAD_SCHEMA", "VERDICT_SCHEMA", "AmplifierStudy"]

PUBLISHED: Final[Mapping[str, Any]] = {
    "source": "vendor page",
    "base": "22 factors",
    "horizon": 20,
    "delta": 0.148,
    "said": "vendor page: +0.148 at 20 sessions on a base of 22 factors; which factors, names and years is not said",
}
"""The one public figure of a product amplifier, printed beside ours. Nothing is computed from it."""

ROW_SCHEMA: Final = {
    "factor": pl.String,
    "relation": pl.String,
    "horizon": pl.Int64,
    "icir": pl.Float64,
    "amplified_icir": pl.Float64,
    "delta": pl.Float64,
    "gain": pl.Float64,
    "ic_difference": pl.Float64,
    "t": pl.Float64,
    "p": pl.Float64,
    "matched_delta": pl.Float64,
    "placebo_mean": pl.Float64,
    "placebo_low": pl.Float64,
    "placebo_high": pl.Float64,
    "coverage": pl.Float64,
    "dates": pl.Int64,
}
PLACEBO_SCHEMA: Final = {
    "seed": pl.Int64,
    "factor": pl.String,
    "relation": pl.String,
    "horizon": pl.Int64,
    "delta": pl.Float64,
}
CONFIGURATION_SCHEMA: Final = {
    "configuration": pl.Int64,
    "factor": pl.String,
    "base": pl.String,
    "base_factors": pl.Int64,
    "strength": pl.Float64,
    "relation": pl.String,
    "horizon": pl.Int64,
    "icir": pl.Float64,
    "amplified_icir": pl.Float64,
    "delta": pl.Float64,
    "gain": pl.Float64,
}
SPREAD_SCHEMA: Final = {
    "relation": pl.String,
    "horizon": pl.Int64,
    "configurations": pl.Int64,
    "mean": pl.Float64,
    "share_positive": pl.Float64,
    **dict.fromkeys(("q05", "q25", "median", "q75", "q95"), pl.Float64),
}
VERDICT_SCHEMA: Final = {
    "relation": pl.String,
    "horizon": pl.Int64,
    "factors": pl.Int64,
    "mean_delta": pl.Float64,
    "mean_gain": pl.Float64,
    "share_positive": pl.Float64,
    "matched_gain": pl.Float64,
    "placebo_mean": pl.Float64,
    "placebo_low": pl.Float64,
    "placebo_high": pl.Float64,
    "p": pl.Float64,
    "verdict": pl.String,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AmplifierStudy:
    """What a product graph adds to the factors of a stack. ΔICIR = orthogonal ICIR of the amplified factor − that of the factor itself.

    rows: a factor, relation and horizon each. The base is the rest of the stack: the factor itself is never in it. icir, amplified_icir:
    means over all rebalance offsets, on the same names and dates. gain: delta, with its sign turned where icir is below 0 (if the
    settings orient), so that factors that predict with either sign can be averaged. ic_difference, t, p: mean of the paired difference of
    daily ICs, EWC. matched_delta: delta on the sessions on which the placebos are judged; placebo_mean, _low, _high: delta of rewired
    graphs there, and their band. coverage: share of the names that have a counterparty with a value; the others keep their own. dates:
    with both ICs. verdicts: a relation and horizon each; means over factors, beside the mean gains of each placebo (with the signs of the
    rows); p: share of placebos that reach the real mean, which counts as one of them; share_positive: of gains. placebos: every one of
    them. configurations: random factor, base (factors joined by +) and strength; spread: distribution of their gains. refused: part,
    reason of whatever could not be computed. published: the vendor's figure.
    """

    name: str
    synthetic: bool
    rows: pl.DataFrame
    verdicts: pl.DataFrame
    placebos: pl.DataFrame
    configurations: pl.DataFrame
    spread: pl.DataFrame
    refused: pl.DataFrame
    factors: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=lambda: dict(PUBLISHED))
    notes: tuple[str, ...] = ()

    def frames(self) -> dict[str, pl.DataFrame]:
        """The tables by name."""
        return {name: value for name in self.__slots__ if isinstance(value := getattr(self, name), pl.DataFrame)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values: every frame as a list of rows."""
        frames = self.frames()
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in frames}
        return {**plain, **{name: frame.to_dicts() for name, frame in frames.items()}}
