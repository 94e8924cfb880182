"""A small market on disk and a small study of it, which every test of the study shares."""

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.evaluate.cells import Battery
from pureplay.signals import SignalSettings
from pureplay.studies.evaluation import Evaluation
from pureplay.studies.settings import StudySettings
from pureplay.studies.study import StudySpec
from pureplay.synthetic import market

SPLIT = date(2025, 6, 30)
SIGNAL = SignalSettings(min_peers=2, min_listed_sessions=20)
EVALUATION = Evaluation(
    horizons_sessions=(5, 60), split=SPLIT, shuffles=2, null_draws=40, min_names=30, min_typical_names=20, quantiles=5, seed=3
)
BATTERY = Battery(noise_levels=(0.0, 1.0), noise_seeds=2, ladder_from=2, random_orders=1, without=("c1",), seed=4)
STUDY = StudySettings(
    base="own", buffers_days=(0, 30), purities=(0.5, 0.8), min_peers=(2, 4), levels=(2, "leaf", 60), placebos=True, block_sessions=100
)


@cache
def tables(sessions: int = 330) -> dict[str, pl.DataFrame]:
    """150 stocks up to the end of 2025, with four factors of which one has holes."""
    made = dict(market(stocks=150, sessions=sessions, seed=5).tables)
    keys = made["bars"].select("date", "asset").sort("date", "asset")
    rng = np.random.default_rng(8)
    values = rng.normal(size=(4, keys.height))
    values[1, rng.random(keys.height) < 0.05] = np.nan
    made["factors"] = keys.with_columns(**{f"c{k}": pl.Series(values[k]).fill_nan(None) for k in range(4)})
    return {name: made[name] for name in ("bars", "assets", "taxonomy", "filings", "segments", "industries", "factors")}


def dataset(folder: Path, *, sessions: int = 330) -> Path:
    """The market as a folder, which is given back."""
    Dataset.from_frames(tables(sessions), calendar="XSHG", notes={"synthetic": True}).write(folder)
    return folder


def spec(data: Path, **changes: Any) -> StudySpec:
    """The small study; changes: by name of a part, as a dict of settings."""
    parts = {"signal": SIGNAL, "evaluation": EVALUATION, "battery": BATTERY, "study": STUDY}
    made = {name: replace(part, **changes.pop(name, {})) for name, part in parts.items()}
    return StudySpec(data=data, **made, **changes)


def close(one: float | None, other: float | None, tolerance: float = 1e-10) -> bool:
    """Equal but for rounding (two paths add up the same numbers in another order), or both absent."""
    absent = [each is None or np.isnan(each) for each in (one, other)]
    return all(absent) or (not any(absent) and abs(float(one) - float(other)) <= tolerance * max(1.0, abs(float(other))))  # type: ignore[arg-type]
