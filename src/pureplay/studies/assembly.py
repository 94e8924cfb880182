"""From daily results of the battery to its tables: cells of rebuilt signals, bases, shuffles, what the report says of the base."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pureplay.errors import EvaluationError, InsufficientDataError, TableError
from pureplay.evaluate.cell_figures import BaseDays, mean_icir, offset_icirs
from pureplay.evaluate.cells import BaseCell, Battery
from pureplay.evaluate.orthogonal import Evaluator
from pureplay.evaluate.records import ICSummary, OrthogonalICIR, Period
from pureplay.evaluate.robustness import run_bases
from pureplay.evaluate.summary import summarise
from pureplay.evaluate.turnover import Turnover, turnover
from pureplay.panel import FloatArray
from pureplay.stats.inference import ewc_test
from pureplay.studies.ground import Built, Ground
from pureplay.studies.placebos import PLACEBOS
from pureplay.studies.records import CELL_SCHEMA
from pureplay.studies.sweep import Arrays, Piece, Sweep, variant_name

__all__ = [
    "base_facts",
    "base_figures",
    "cell_frame",
    "cell_rows",
    "cells_of",
    "joined_bases",
    "read_factors",
    "turnover_of",
    "with_shuffles",
]

BASE, INDUSTRIES = "base", " + industries"


def base_figures(ground: Ground, whole: ICSummary, cells: Sequence[BaseCell], days: BaseDays, score: FloatArray) -> dict[str, ICSummary]:
    """Orthogonal figures on the whole base and without the short-window factors, each without and with industry dummies.

    cells, days: plan of the battery and its daily results, without industries. A base without an answer is left out.
    """
    at = [k for k, cell in enumerate(cells) if (cell.group == "full" or cell.group.startswith("without ")) and cell.reason is None]
    names = [BASE if cells[k].group == "full" else cells[k].group for k in at]
    out = {BASE: whole}
    for k, name in zip(at[1:], names[1:], strict=True):
        _add(out, name, ground.headline, days, k)
    if ground.industries is not None:
        judge = replace(ground.headline, groups=ground.industries)
        made = run_bases(judge, score, [cells[k] for k in at])
        for k, name in enumerate(names):
            _add(out, name + INDUSTRIES, judge, made, k)
    return out


def _add(out: dict[str, ICSummary], name: str, judge: Evaluator, days: BaseDays, number: int) -> None:
    """Figures of a base by its number; its horizons begin with the headline's."""
    try:
        out[name] = summarise(
            name,
            judge.axes.sessions,
            days.ic[number, 0],
            days.names[0],
            days.reason[number, 0],
            horizon=judge.horizons[0],
            timing=judge.timing,
            closes=judge.closes,
        )
    except EvaluationError:
        return


def turnover_of(ground: Ground, score: FloatArray, battery: Battery) -> Turnover | None:
    """Turnover of the score's top and bottom quantile, None where there are too few scores."""
    market = ground.market
    try:
        return turnover(
            score,
            market.returns,
            market.traded,
            market.axes.sessions,
            grid_sessions=ground.headline.timing.grid_sessions,
            quantiles=battery.quantiles,
            cost_bps=battery.cost_bps,
        )
    except InsufficientDataError:
        return None


def joined_bases(pieces: Sequence[Piece], results: Sequence[Arrays]) -> BaseDays:
    """Blocks of the base battery put together."""
    blocks = [(piece, made) for piece, made in zip(pieces, results, strict=True) if piece.kind == "bases"]
    return BaseDays.joined([BaseDays(first=piece.first, last=piece.last, **made) for piece, made in blocks])


def with_shuffles(judged: OrthogonalICIR, asked: int, dealt: Sequence[Arrays], judge: Evaluator) -> OrthogonalICIR:
    """The verdict with the nested t, the orthogonal and the raw ICIR of each within-industry shuffle, from the arrays of its piece."""
    found = [ewc_test(each["ic"]).t for each in dealt]
    grid = judge.timing.grid_sessions
    icirs = {name: [mean_icir(each[name], judge.axes.sessions, grid) for each in dealt] for name in ("orthogonal", "raw")}
    known = tuple(each for each in found if np.isfinite(each))
    notes = (
        judged.notes
        if len(known) == len(found)
        else (*judged.notes, f"{len(found) - len(known)} of {len(found)} shuffles gave no nested t")
    )
    return replace(
        judged,
        shuffled_t=known,
        shuffled_icir=tuple(each for each in icirs["orthogonal"] if np.isfinite(each)),
        shuffled_raw_icir=tuple(each for each in icirs["raw"] if np.isfinite(each)),
        shuffles_asked=asked if dealt else 0,
        notes=notes,
    )


def cells_of(sweep: Sweep, built: Built, pieces: Sequence[Piece], results: Sequence[Arrays]) -> pl.DataFrame:
    """Table of the cells that build the signal anew, in the order of the report."""
    judge, rows = sweep.ground.headline, []
    made = {(piece.kind, piece.name): arrays for piece, arrays in zip(pieces, results, strict=True)}
    itself = made["signal", ""]
    for cell in sweep.variants(built.settings):
        x = float(cell.x) if isinstance(cell.x, int | float) else None
        head = _head(built.construction, cell.group, cell.label, x=x, is_default=cell.is_default)
        if cell.skip is not None:
            rows.append({**dict.fromkeys(CELL_SCHEMA), **head, "period": "all", "reason": cell.skip})
        else:
            rows += cell_rows(judge, head, itself if cell.is_default else made["variant", variant_name(cell)])
    off = "off" if built.settings.winsorise_mads is not None else "on"
    for (kind, name), arrays in made.items():
        if kind == "winsorising":
            rows += cell_rows(judge, _head(built.construction, kind, f"{name}, winsorising {off}", informed=name == "signal"), arrays)
        elif kind == "placebo":
            placebo = PLACEBOS[name]
            rows += cell_rows(judge, _head(built.construction, kind, placebo.label, informed=placebo.product_information), arrays)
    return cell_frame(rows)


def _head(
    construction: str, group: str, label: str, *, x: float | None = None, is_default: bool = False, informed: bool = True
) -> dict[str, Any]:
    return {"construction": construction, "group": group, "label": label, "x": x, "is_default": is_default, "informed": informed}


def cell_rows(judge: Evaluator, head: Mapping[str, Any], made: Arrays) -> list[dict[str, Any]]:
    """Rows of CELL_SCHEMA for a cell: the whole sample and, where there is a split, out of sample.

    head: construction, group, label, x, is_default, informed. A cell without figures has one row with the reason.
    """
    blank = {**dict.fromkeys(CELL_SCHEMA), **head, "period": "all"}
    try:
        whole = summarise(
            str(head["label"]),
            judge.axes.sessions,
            made["ic"],
            made["names"],
            made["reason"],
            horizon=judge.horizons[0],
            timing=replace(judge.timing, null_draws=0),
            closes=judge.closes,
        )
    except EvaluationError as error:
        return [{**blank, "reason": str(error)}]
    offset = judge.axes.sessions.ordinals % judge.timing.grid_sessions
    split = judge.timing.split
    late = np.zeros(offset.size, dtype=bool) if split is None else judge.axes.sessions.dates > np.datetime64(split, "D")
    rows = []
    for period, mask in (("all", np.ones(offset.size, dtype=bool)), ("out of sample", late)):
        figure: ICSummary | Period | None = whole if period == "all" else whole.period(period)
        if figure is None:
            continue
        se, t, offsets = (
            (figure.test.se, figure.test.t, len(figure.offsets))
            if isinstance(figure, ICSummary)
            else (figure.se_mean, figure.t_ewc, figure.n_offsets)
        )
        raw = offset_icirs(np.where(mask, made["raw"], np.nan)[None], offset)[0]
        left = made["left"][mask & np.isfinite(made["left"])]
        rows.append(
            {
                **blank,
                "period": period,
                "raw_icir": float(raw[np.isfinite(raw)].mean()) if np.isfinite(raw).any() else None,
                "icir": figure.icir,
                "icir_min": figure.icir_min,
                "icir_max": figure.icir_max,
                "n_positive": figure.n_positive,
                "n_offsets": offsets,
                "mean_ic": figure.mean,
                "sd_ic": figure.sd,
                "se_mean": se,
                "t_ewc": t,
                "n_dates": figure.n_dates,
                "median_names": figure.median_names,
                "variance_left": float(left.mean()) if left.size else None,
            }
        )
    return rows


def cell_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame; NaN becomes null."""
    floats = [name for name, kind in CELL_SCHEMA.items() if kind == pl.Float64]
    return pl.DataFrame(rows, schema=CELL_SCHEMA, orient="row").with_columns(pl.col(floats).fill_nan(None))


def base_facts(ground: Ground) -> dict[str, Any]:
    """Kind, columns, families and notes of the base, and the share of values that were filled in."""
    return {
        "kind": ground.base.kind,
        "names": list(ground.base.names),
        "families": dict(ground.base.families),
        "ladder": list(ground.base.ladder),
        "filled": dict(ground.filled),
        "industries": ground.scheme,
        "notes": list(ground.base.notes),
    }


def _require_heading(path: Path) -> None:
    """polars gives the second of two columns of one name another one."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        heading = next(csv.reader(lines), [])
    twice = [each for each in dict.fromkeys(heading) if heading.count(each) > 1]
    if twice:
        raise TableError(f"{path} has several columns named {', '.join(map(repr, twice))}: give every column a name of its own")


def read_factors(path: Path) -> pl.DataFrame:
    """The user's own stack from a Parquet or CSV file; raises TableError where it cannot be read or names a column twice."""
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise TableError(f"{path} is neither .parquet nor .csv: save the factors (date, asset and numbers) as one of them")
    try:
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(path, glob=False)
        _require_heading(path)
        return pl.read_csv(path, infer_schema_length=None, glob=False)
    except (OSError, UnicodeDecodeError, csv.Error, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().split("\n")[0]
        raise TableError(f"{path} cannot be read ({reason}): save the factors (date, asset and numbers) again") from error
