"""An amplifier study made by hand: hypothetical numbers, deterministic, with every part that the page draws."""

import math
from typing import Any, Final

import polars as pl

from pureplay.studies.amplification_figures import spread_frame, verdict_frame
from pureplay.studies.amplification_records import CONFIGURATION_SCHEMA, PLACEBO_SCHEMA, ROW_SCHEMA, AmplifierStudy
from tests.reports.factory import FACTORS

RELATIONS: Final = ("peer", "upstream", "downstream", "all")
HORIZONS: Final = (5, 20, 60)
PLACEBOS: Final = 20


def delta_of(place: int, relation: str, horizon: int) -> float:
    """ΔICIR of a factor; that of peers is the largest."""
    return 0.04 * math.sin(1.7 * place + horizon) + {"peer": 0.09, "upstream": 0.0, "downstream": -0.01, "all": 0.03}[relation]


def amplified(**changes: Any) -> AmplifierStudy:
    """A whole study; changes replace parts of it."""
    cells = [(k, name, r, h) for k, name in enumerate(FACTORS) for r in RELATIONS for h in HORIZONS]
    rows = pl.DataFrame(
        [
            {
                "factor": name,
                "relation": r,
                "horizon": h,
                "icir": 0.2,
                "amplified_icir": 0.2 + delta_of(k, r, h),
                "delta": delta_of(k, r, h),
                "gain": delta_of(k, r, h),
                "ic_difference": 0.1 * delta_of(k, r, h),
                "t": 30 * delta_of(k, r, h),
                "p": 0.04,
                "matched_delta": 0.9 * delta_of(k, r, h),
                "placebo_mean": 0.01,
                "placebo_low": -0.02,
                "placebo_high": 0.04,
                "coverage": 0.83,
                "dates": 1490,
            }
            for k, name, r, h in cells
        ],
        schema=ROW_SCHEMA,
    )
    placebos = pl.DataFrame(
        [
            {"seed": seed, "factor": name, "relation": r, "horizon": h, "delta": 0.01 + 0.03 * math.sin(seed + k)}
            for seed in range(7, 7 + PLACEBOS)
            for k, name, r, h in cells
        ],
        schema=PLACEBO_SCHEMA,
    )
    configurations = pl.DataFrame(
        [
            {
                "configuration": number,
                "factor": FACTORS[number % 22],
                "base": "size+beta",
                "base_factors": 2,
                "strength": 0.5,
                "relation": r,
                "horizon": h,
                "icir": 0.2,
                "amplified_icir": 0.2,
                "delta": 0.5 * delta_of(number, r, h) + 0.06 * math.sin(3.1 * number),
                "gain": 0.5 * delta_of(number, r, h) + 0.06 * math.sin(3.1 * number),
            }
            for number in range(100)
            for r in RELATIONS
            for h in HORIZONS
        ],
        schema=CONFIGURATION_SCHEMA,
    )
    made: dict[str, Any] = {
        "name": "Amplifier on a synthetic market",
        "synthetic": True,
        "rows": rows,
        "verdicts": verdict_frame(rows, placebos, band=0.05, orient=True),
        "placebos": placebos,
        "configurations": configurations,
        "spread": spread_frame(configurations),
        "refused": pl.DataFrame({"part": ["horizon 250"], "reason": ["it does not fit into the 200 sessions of the data"]}),
        "factors": tuple(FACTORS),
        "settings": {"orient": True, "strength": 0.5, "placebos": PLACEBOS, "horizons_sessions": HORIZONS},
        "data": {"first": "2018-01-02", "last": "2024-12-31", "sessions": 1700, "assets": 1017},
        "seconds": {"placebos": 12.5},
        "notes": ("left out, for they have no value on these data: divyld",),
    }
    return AmplifierStudy(**(made | changes))
