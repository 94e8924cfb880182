"""A whole study made by hand: hypothetical numbers, deterministic, with every group that a page draws."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from pureplay.evaluate.cell_figures import FIGURE_COLUMNS
from pureplay.evaluate.cells import plan_bases
from pureplay.evaluate.records import ICSummary, OrthogonalICIR
from pureplay.evaluate.turnover import Turnover
from pureplay.factors.families import FAMILIES, LADDER
from pureplay.studies.headline import HEADLINE_SCHEMA, published
from pureplay.studies.placebos import PLACEBOS
from pureplay.studies.records import CELL_SCHEMA, ConstructionStudy, ProductStudy
from tests.reports.factory import FACTORS, NAN, REFUSED, mean_test, offset_null, study, summary, verdict, weekdays

HORIZONS = (1, 5, 10, 20, 40, 60, 120)
LENGTH = 1100
GRIDS: Mapping[str, tuple[tuple[str, float | None], ...]] = {
    "buffer days": tuple((f"{each}", float(each)) for each in (0, 15, 30, 45, 60, 90)),
    "purity": tuple((f"{each:g}", each) for each in (0.5, 0.6, 0.7, 0.8, 0.9)),
    "minimum peers": tuple((f"{each}", float(each)) for each in (3, 5, 8, 12, 20)),
    "level": (("1", 1.0), ("2", 2.0), ("leaf", None)),
}
DEFAULTS = {"buffer days": "0", "purity": "0.5", "minimum peers": "5", "level": "2"}


def whole_study(icir: float = 0.352, *, split: bool = True, **changes: Any) -> ProductStudy:
    """Constructions R and S with everything in place; R as good as `icir`, S without product information."""
    made = {"R": construction("R", icir, split=split), "S": construction("S", 0.08, split=split, residuals=True)}
    base = {
        "kind": "full",
        "names": FACTORS,
        "families": dict(FAMILIES),
        "ladder": list(LADDER),
        "filled": {name: 0.002 * k for k, name in enumerate(FACTORS)},
        "industries": "sw1",
        "notes": ["full base of 22 factors", "in force from: size 2016-01-04, beta 2017-01-12, growth 2018-06-01"],
    }
    whole = ProductStudy(
        name="Product momentum on a synthetic market",
        synthetic=True,
        settings={"signal": {"purity": 0.5, "level": 2}, "battery": {"noise_levels": [0.0, 0.25, 0.5, 0.75, 1.0]}},
        data={"sessions": LENGTH, "assets": 1017, "first": "2021-06-01", "last": "2025-08-18", "tables": ["bars", "segments"], "notes": {}},
        base=base,
        headline=headline(tuple(made), icir),
        constructions=made,
        refused=pl.DataFrame([("notice", "bars", "not_a_session", 3, "correct the date")], schema=REFUSED, orient="row"),
        notes=("a horizon of 250 sessions does not fit into the 1100 sessions of the data", *map(str, base["notes"])),
        seconds={"market, base factors, forward returns": 41.2, "R: battery": 312.25},
    )
    return replace(whole, **changes)


def headline(names: tuple[str, ...], icir: float = 0.352) -> pl.DataFrame:
    """Two rows of the source's table for each construction."""
    rows: list[dict[str, Any]] = []
    for name in names:
        for key, text, ours in (
            ("canonical", "OOS multi-offset orth-22 ICIR (canonical)", f"{icir:+.3f}"),
            ("positive", "% positive offsets, OOS, orth-22", "85% (17/20)"),
            ("range", "OOS per-offset ICIR range", "[-0.097, +0.489]"),
            ("weakest", "Weakest year (mean orth-22)", "2022: -0.039"),
            ("noise", "Standalone-alpha signature: 100%-noise ICIR, OOS", "+0.611"),
            ("turnover", "Annualized portfolio turnover", "5.31×"),
        ):
            row = dict.fromkeys(HEADLINE_SCHEMA) | {"construction": name, "row": key, "finding": text, "ours": ours}
            row |= {"published": published(name)[key], "reference": "§4.1 / §5.1", "note": "a note" if key == "positive" else None}
            spread = {"value": icir, "n": 540, "n_of": "dates", "se": 0.121, "null_low": -0.24, "null_high": 0.238}
            rows.append(row | spread if key in ("canonical", "noise") else row)
    return pl.DataFrame(rows, schema=HEADLINE_SCHEMA)


def construction(name: str, icir: float = 0.352, *, split: bool = True, residuals: bool = False, **changes: Any) -> ConstructionStudy:
    """One construction that has an answer to everything."""
    judged = _verdict(icir, split=split)
    days = weekdays(LENGTH)
    made = ConstructionStudy(
        construction=name,
        verdict=judged,
        not_evaluable=None,
        bases={
            "base": judged.orthogonal,
            **{
                each: _cut(summary(each, icir + more), split=split)
                for each, more in (("base + industries", 0.06), ("without 13-15", 0.15), ("without 13-15 + industries", 0.11))
            },
        },
        figures=battery(icir, split=split),
        cells=cells(name, icir, split=split),
        turnover=Turnover(
            per_rebalance=0.41,
            annual=4.98,
            annual_min=4.7,
            annual_max=5.2,
            sessions_per_year=243.0,
            cost_drag_bps={10.0: 99.6, 30.0: 298.8},
            grid_sessions=20,
            quantiles=5,
            rebalances=1040,
        ),
        delivery=1e-14,
        residualisation=_residuals(days) if residuals else None,
        coverage=study().coverage,
        scored_rows=880_000,
        skipped=("level 3: the product tree has 2 levels, so level 3 is empty",),
    )
    return replace(made, **changes)


def lost(name: str = "S", reason: str = "not evaluable: no date out of 300 has enough names: widen the data") -> ConstructionStudy:
    """A construction without a verdict, as the study makes it: the table of the battery has not even columns."""
    made = construction(name)
    empty: dict[str, Any] = {"figures": pl.DataFrame(), "cells": made.cells.clear(), "coverage": made.coverage.clear(), "bases": {}}
    return replace(made, verdict=None, not_evaluable=reason, turnover=None, delivery=NAN, scored_rows=0, skipped=(), **empty)


def _verdict(icir: float, *, split: bool) -> OrthogonalICIR:
    made = verdict(icir) if icir > 0.2 else verdict(icir, nested_t=0.4, paired_t=0.7)
    return replace(made, orthogonal=_cut(made.orthogonal, split=split))


def _cut(made: ICSummary, *, split: bool) -> ICSummary:
    """Without a split only calendar years are left."""
    return made if split else replace(made, periods=tuple(each for each in made.periods if each.label.isdecimal()))


def periods(split: bool) -> tuple[str, ...]:
    """Periods of the tables."""
    return ("all", "in sample", "out of sample") if split else ("all",)


def battery(icir: float, *, split: bool = True) -> pl.DataFrame:
    """Rows of the whole plan of bases."""
    rows = []
    for number, cell in enumerate(plan_bases(FACTORS, FAMILIES, LADDER)):
        for horizon in HORIZONS:
            for shift, period in enumerate(periods(split)):
                level = icir * (0.4 + 0.2 * math.log(horizon)) + 0.02 * math.sin(1.7 * number) - 0.03 * shift
                level += 0.5 * cell.x if cell.group == "quality shuffle" else 0.02 * (22 - cell.x) if "count" in cell.group else 0.0
                head = {"group": cell.group, "label": cell.label, "x": cell.x, "seed": cell.seed, "k_columns": len(cell.columns)}
                rows.append(head | _row(level) | {"horizon_sessions": horizon, "period": period, **_deflated(level, horizon)})
    return pl.DataFrame(rows, schema=FIGURE_COLUMNS)


def _deflated(level: float, horizon: int) -> dict[str, float]:
    return {"icir_deflated": level * min(1.0, math.sqrt(20 / horizon)), "t_newey_west": 9 * level}


def _row(level: float) -> dict[str, Any]:
    return {
        "icir": level,
        "icir_min": level - 0.25,
        "icir_max": level + 0.27,
        "n_positive": 17,
        "n_offsets": 20,
        "mean_ic": 0.07 * level,
        "sd_ic": 0.08,
        "n_dates": 540,
        "se_mean": 0.01,
        "t_ewc": 7 * level,
        "variance_left": 0.216,
        "reason": None,
    }


def cells(name: str, icir: float, *, split: bool = True) -> pl.DataFrame:
    """Rows of every group of rebuilt signals."""
    kept = [each for each in periods(split) if each != "in sample"]
    rows = [dict.fromkeys(CELL_SCHEMA) | head | _cell(level) | {"construction": name, "period": each}
            for head, level in _heads(icir) for each in kept]  # fmt: skip
    skipped = {"construction": name, "group": "level", "label": "3", "x": 3.0, "period": "all", "is_default": False, "informed": True}
    reason = {"reason": "the product tree has 2 levels, so level 3 is empty"}
    return pl.DataFrame([*rows, dict.fromkeys(CELL_SCHEMA) | skipped | reason], schema=CELL_SCHEMA)


def _cell(level: float) -> dict[str, Any]:
    return {"raw_icir": level + 0.1, "median_names": 900.0, **_row(level)}


def _heads(icir: float) -> Iterator[tuple[dict[str, Any], float]]:
    for group, values in GRIDS.items():
        for k, (text, x) in enumerate(values):
            head = {"group": group, "label": text, "x": x, "is_default": DEFAULTS[group] == text, "informed": True}
            yield head, icir + 0.04 * math.sin(k) * (text != DEFAULTS[group])
    usual = {"x": None, "is_default": False}
    for k, who in enumerate(("signal", "own_only", "industry")):
        yield {"group": "winsorising", "label": f"{who}, winsorising off", "informed": who == "signal", **usual}, icir * (0.8 - 0.3 * k)
    for k, each in enumerate(PLACEBOS.values()):
        yield {"group": "placebo", "label": each.label, "informed": each.product_information, **usual}, icir * 0.6 * math.sin(k) ** 2


def _residuals(days: list[Any]) -> pl.DataFrame:
    r2 = [None if k < 60 else 0.2 + 0.08 * math.sin(k / 50) + 0.05 * math.sin(2.9 * k) for k in range(len(days))]
    returns = {name: [None if k < 60 else 0.0004 * math.sin(j) + 0.003 * math.sin(1.3 * k + j) for k in range(len(days))]
               for j, name in enumerate(FACTORS)}  # fmt: skip
    return pl.DataFrame({"date": days, "r2": r2, "names": [900] * len(days), "intercept": [0.0] * len(days), **returns})


__all__ = ["battery", "cells", "construction", "headline", "lost", "mean_test", "offset_null", "whole_study"]
