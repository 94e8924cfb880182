"""A small panel in frames: 130 Shanghai sessions, 60 stocks, three factors, two industries, a signal that predicts."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
import pytest

from pureplay.panel import FloatArray
from pureplay.sessions import Sessions, sessions_between


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Frames of the user, and the blocks that they were made from."""

    days: list[date]
    assets: list[str]
    sessions: Sessions
    signal_block: FloatArray
    forward_block: FloatArray
    signal: pl.DataFrame
    forward: pl.DataFrame
    base: pl.DataFrame
    control: pl.DataFrame
    industries: pl.DataFrame
    universe: pl.DataFrame

    def long(self, **blocks: FloatArray) -> pl.DataFrame:
        """Long frame of blocks (sessions, assets); NaN cells of the first block are left out."""
        keep = ~np.isnan(next(iter(blocks.values())))
        rows, columns = np.nonzero(keep)
        values = {name: block[rows, columns] for name, block in blocks.items()}
        days = pl.Series(self.days, dtype=pl.Date).gather(rows)
        return pl.DataFrame({"date": days, "asset": pl.Series(self.assets).gather(columns), **values})


@pytest.fixture(scope="session")
def xshg() -> Sessions:
    """Sessions of 2022 and 2023 with their ordinals in the Shanghai calendar."""
    return sessions_between(np.array(["2022-01-01", "2023-12-31"], dtype="datetime64[D]"), "XSHG")


@pytest.fixture(scope="session")
def panel(xshg: Sessions) -> Panel:
    rng = np.random.default_rng(42)
    shape = (130, 60)
    days = xshg.dates[180 : 180 + shape[0]].astype(object).tolist()
    assets = [f"{600000 + 7 * k}.SH" for k in range(shape[1])]
    factors = rng.normal(size=(3, *shape))
    group = np.arange(shape[1]) % 2
    own = rng.normal(size=shape)
    signal = 0.6 * factors.sum(axis=0) + own + 0.5 * group
    control = 0.5 * own + rng.normal(size=shape)
    forward = 0.02 * (0.4 * own + 0.3 * factors[0] + rng.standard_t(4, size=shape))
    signal[rng.random(shape) < 0.05] = np.nan
    control[rng.random(shape) < 0.05] = np.nan
    forward[rng.random(shape) < 0.05] = np.nan
    empty = pl.DataFrame()
    made = Panel(
        days=days,
        assets=assets,
        sessions=Sessions(xshg.dates[180:310], xshg.ordinals[180:310], "XSHG"),
        signal_block=signal,
        forward_block=forward,
        signal=empty,
        forward=empty,
        base=empty,
        control=empty,
        industries=pl.DataFrame(
            {"asset": assets, "start_date": [days[0]] * 60, "end_date": [None] * 60, "code": [f"c{g}" for g in group]}
        ).with_columns(pl.col("end_date").cast(pl.Date)),
        universe=pl.DataFrame({"asset": assets[:45], "start_date": [days[0]] * 45, "end_date": [days[99]] * 45}),
    )
    frames = {
        "signal": made.long(composite=signal),
        "forward": made.long(forward_return=forward),
        "base": made.long(value=factors[0], size=factors[1], beta=factors[2]),
        "control": made.long(composite=control),
    }
    for name, frame in frames.items():
        object.__setattr__(made, name, frame)
    return made
