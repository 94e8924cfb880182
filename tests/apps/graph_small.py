"""A small market with news and links, on disk and in memory, which every test of the graph commands shares."""

from functools import cache
from pathlib import Path

import polars as pl

from pureplay.dataset import Dataset
from pureplay.graph.settings import GraphSettings
from pureplay.synthetic import market, preset

CONFIG = """
name = "small"
[forecast]
permutations = 3
fewest_vintages = 3
[graph_study]
hedge_counts = [1, 3]
hedge_names = 3
mix_weights = [0.0, 0.5]
minimum_variance_names = 30
price_names = 60
spillover_horizons = [5]
[amplifier]
configurations = 1
placebos = 1
horizons_sessions = [5]
base = "own"
"""


@cache
def tables() -> dict[str, pl.DataFrame]:
    """100 stocks, 460 sessions."""
    return dict(market(**{**preset("comovement"), "stocks": 100, "sessions": 460, "seed": 11}).tables)


def in_memory(**changed: pl.DataFrame) -> Dataset:
    """The market with some tables exchanged."""
    return Dataset(tables={**tables(), **changed}, calendar="XSHG", notes={"synthetic": True})


def dataset(folder: Path, *, without: tuple[str, ...] = (), **changed: pl.DataFrame) -> Path:
    """The market as a folder, which is given back; two factors of its stack are enough here."""
    kept = {name: table for name, table in {**tables(), **changed}.items() if name not in without}
    if "factors" in kept:
        kept["factors"] = kept["factors"].select(
            "date", "asset", *[each for each in kept["factors"].columns if each not in ("date", "asset")][:2]
        )
    Dataset.from_frames(kept, calendar="XSHG", notes={"synthetic": True}).write(folder)
    return folder


SETTINGS = GraphSettings()
