"""From daily ICs of amplified factors to the tables of the study."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.evaluate.cell_figures import offset_icirs
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import Sessions
from pureplay.stats.inference import ewc_test
from pureplay.studies.amplification_records import (
    CONFIGURATION_SCHEMA,
    PLACEBO_SCHEMA,
    ROW_SCHEMA,
    SPREAD_SCHEMA,
    VERDICT_SCHEMA,
)

__all__ = ["configuration_frame", "deltas", "frame_of", "placebo_frame", "row_frame", "spread_frame", "verdict_frame", "with_band"]

_ROUNDING: Final = 1e-9  # a difference of two rank correlations below it is none
_LEVEL: Final = 0.05
_QUANTILES: Final = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
_BAND: Final = ("placebo_mean", "placebo_low", "placebo_high")


def frame_of(rows: Sequence[dict[str, Any]], schema: dict[str, Any]) -> pl.DataFrame:
    """Rows as a frame; NaN becomes null."""
    floats = [name for name, kind in schema.items() if kind == pl.Float64]
    return pl.DataFrame(list(rows), schema=schema, orient="row").with_columns(pl.col(floats).fill_nan(None))


def deltas(own: FloatArray, amplified: FloatArray, sessions: Sessions, grid: int, among: BoolArray) -> tuple[FloatArray, FloatArray]:
    """ICIR of each series of `own` and of `amplified` (series, sessions), over the sessions of `among` on which both have an IC."""
    common = np.isfinite(own) & np.isfinite(amplified) & among
    offset = sessions.ordinals % grid
    return _headline(np.where(common, own, np.nan), offset), _headline(np.where(common, amplified, np.nan), offset)


def _headline(ic: FloatArray, offset: npt.NDArray[np.int64]) -> FloatArray:
    """Mean of the ICIRs over the rebalance offsets that have one."""
    icirs = offset_icirs(ic, offset)
    known = np.isfinite(icirs)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, icirs, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _signs(icir: FloatArray, orient: bool) -> FloatArray:
    """-1 where a factor predicts with a negative sign, else 1."""
    return np.where(icir < 0, -1.0, 1.0) if orient else np.ones(icir.size)


def row_frame(
    heads: Sequence[dict[str, Any]],
    own: FloatArray,
    amplified: FloatArray,
    sessions: Sessions,
    grid: int,
    matched: BoolArray,
    *,
    orient: bool,
) -> pl.DataFrame:
    """ROW_SCHEMA without its placebos. heads: factor, relation, horizon and coverage of each series."""
    everywhere = np.ones(len(sessions), dtype=bool)
    before, after = deltas(own, amplified, sessions, grid, everywhere)
    one, other = deltas(own, amplified, sessions, grid, matched)
    rows, sign = [], _signs(before, orient)
    for k, head in enumerate(heads):
        difference = amplified[k] - own[k]
        test = ewc_test(np.where(np.abs(difference) < _ROUNDING, 0.0, difference))
        rows.append(
            {
                **dict.fromkeys(ROW_SCHEMA),
                **head,
                "icir": before[k],
                "amplified_icir": after[k],
                "delta": after[k] - before[k],
                "gain": sign[k] * (after[k] - before[k]),
                "ic_difference": test.mean,
                "t": test.t,
                "p": test.p,
                "matched_delta": other[k] - one[k],
                "dates": int(np.isfinite(difference).sum()),
            }
        )
    return frame_of(rows, ROW_SCHEMA)


def placebo_frame(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All placebos under one another."""
    return pl.concat([pl.DataFrame(schema=PLACEBO_SCHEMA), *parts])


def with_band(rows: pl.DataFrame, placebos: pl.DataFrame, key: list[str], band: float) -> pl.DataFrame:
    """Rows with mean and band of the placebos of the same key."""
    delta = pl.col("delta")
    spread = placebos.group_by(key).agg(
        placebo_mean=delta.mean(), placebo_low=delta.quantile(band, "linear"), placebo_high=delta.quantile(1 - band, "linear")
    )
    return rows.drop(_BAND, strict=False).join(spread, on=key, how="left", maintain_order="left")


def verdict_frame(rows: pl.DataFrame, placebos: pl.DataFrame, *, band: float, orient: bool) -> pl.DataFrame:
    """VERDICT_SCHEMA: the mean over factors of each relation and horizon, beside that of each placebo, all with the signs of the rows."""
    key = ["relation", "horizon"]
    sign = pl.when(pl.lit(orient) & (pl.col("icir") < 0)).then(-1.0).otherwise(1.0)
    known = rows.filter(pl.col("delta").is_not_null()).with_columns(sign=sign)
    means = known.group_by(key, maintain_order=True).agg(
        factors=pl.len().cast(pl.Int64),
        mean_delta=pl.col("delta").mean(),
        mean_gain=pl.col("gain").mean(),
        share_positive=(pl.col("gain") > 0).mean(),
        matched_gain=(pl.col("sign") * pl.col("matched_delta")).mean(),
    )
    signed = placebos.join(known.select("factor", *key, "sign"), on=["factor", *key])
    drawn = signed.group_by("seed", *key).agg(delta=(pl.col("sign") * pl.col("delta")).mean())
    out = []
    for row in with_band(means, drawn, key, band).iter_rows(named=True):
        same = drawn.filter((pl.col("relation") == row["relation"]) & (pl.col("horizon") == row["horizon"]))["delta"].drop_nulls()
        real = row["matched_gain"]
        p = None if real is None or not same.len() else (int((same >= real).sum()) + 1) / (same.len() + 1)
        out.append({**row, "p": p, "verdict": _verdict(row, p, same.len())})
    return frame_of([{name: row[name] for name in VERDICT_SCHEMA} for row in out], VERDICT_SCHEMA)


def _verdict(row: dict[str, Any], p: float | None, drawn: int) -> str:
    """What the figures allow to be said."""
    if p is None:
        return f"mean gain in ICIR {row['mean_gain']:+.3f}; no placebo, so nothing is said of product information"
    head = f"mean gain in ICIR {row['mean_gain']:+.3f}; {row['matched_gain']:+.3f} on the placebos' sessions, rewired graphs "
    head += f"{row['placebo_mean']:+.3f} [{row['placebo_low']:+.3f}, {row['placebo_high']:+.3f}]"
    if row["matched_gain"] > row["placebo_high"] and p <= _LEVEL:
        helps = "" if row["mean_gain"] > 0 else ", although it does not raise the ICIR itself"
        return f"{head}: above what smoothing over other names gives{helps} (p {p:.3f}, {drawn} placebos)"
    if row["matched_gain"] < row["placebo_low"]:
        return f"{head}: below what smoothing over other names gives"
    return f"{head}: within what smoothing over other names gives, so no product information is claimed (p {p:.3f}, {drawn} placebos)"


def configuration_frame(
    heads: Sequence[dict[str, Any]], own: FloatArray, amplified: FloatArray, sessions: Sessions, grid: int, *, orient: bool
) -> pl.DataFrame:
    """CONFIGURATION_SCHEMA. heads: its columns but for the figures, of each series."""
    before, after = deltas(own, amplified, sessions, grid, np.ones(len(sessions), dtype=bool))
    delta = after - before
    gain = _signs(before, orient) * delta
    figures = zip(before.tolist(), after.tolist(), delta.tolist(), gain.tolist(), strict=True)
    names = ("icir", "amplified_icir", "delta", "gain")
    rows = [{**head, **dict(zip(names, each, strict=True))} for head, each in zip(heads, figures, strict=True)]
    return frame_of(rows, CONFIGURATION_SCHEMA)


def spread_frame(configurations: pl.DataFrame) -> pl.DataFrame:
    """SPREAD_SCHEMA: distribution of the gains of all configurations, by relation and horizon."""
    gain = pl.col("gain")
    quantiles = {name: gain.quantile(level, "linear") for name, level in _QUANTILES.items()}
    return (
        configurations.filter(gain.is_not_null())
        .group_by("relation", "horizon", maintain_order=True)
        .agg(configurations=pl.len().cast(pl.Int64), mean=gain.mean(), share_positive=(gain > 0).mean(), **quantiles)
        .select(*SPREAD_SCHEMA)
    )
