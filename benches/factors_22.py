"""The base of 22 from raw tables: a dataset folder to standardised exposures with what is missing filled and flagged."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import Row, agree, best_of, copy_seconds, peak_mb, reset_peak
from numpy.typing import NDArray

from pureplay.dataset import Dataset
from pureplay.factors import Base, base_factors
from pureplay.factors.prices import market_return
from pureplay.factors.volatility import ivol_20
from pureplay.market import load_market

BAR_SECONDS = 30.0
NAIVE = "pandas rolling windows, for ivol_20 alone and on some stocks, against the kernel of ivol_20"
STOCKS = 20
REPEATS = 2
"""Runs of half a minute, of which the faster counts; the first compiles."""


def measure(stocks: int, sessions: int, folder: Path) -> Row:
    """Time from the folder to the base, tables read anew each time. There is no peer that does the same."""
    base = made(folder)
    size, names = base.values.nbytes + base.filled.nbytes, len(base.names)
    if names != 22:
        raise SystemExit(f"factors_22: the planted market gives {names} factors")
    del base
    reset_peak()
    seconds = best_of(lambda: made(folder), repeats=REPEATS)
    peak = peak_mb()
    return Row(
        name="factors_22",
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=against_pandas(folder),
        ratio_peer=None,
        ratio_limit=seconds / copy_seconds(size),
        cells_per_second=stocks * sessions / seconds,
        peer=None,
        limit="memory copy of the base that comes out",
        bar_seconds=BAR_SECONDS,
    )


def made(folder: Path) -> Base:
    """What is timed."""
    return base_factors(Dataset.open(folder))


def against_pandas(folder: Path) -> float:
    """How many times longer pandas takes, per cell, for the idiosyncratic volatility of 20 sessions."""
    market = load_market(Dataset.open(folder))
    index = market_return(market)
    ivol_20(market.returns, index)
    kernel = best_of(lambda: ivol_20(market.returns, index))
    chosen = np.linspace(0, market.axes.shape[1] - 1, min(STOCKS, market.axes.shape[1])).astype(int)
    start = time.perf_counter()
    found = naive_ivol(market.returns[:, chosen], index)
    slow = time.perf_counter() - start
    agree(found, ivol_20(market.returns, index)[:, chosen], tolerance=1e-9, what="factors_22 against pandas")
    return slow / chosen.size * market.axes.shape[1] / kernel


def naive_ivol(returns: NDArray[np.float64], index: NDArray[np.float64]) -> NDArray[np.float64]:
    """Residual sd of 20-session regressions on the market, stock by stock (METHODS §4, 14)."""
    out = np.empty(returns.shape)
    for a in range(returns.shape[1]):
        both = pd.DataFrame({"r": returns[:, a], "m": index}).where(lambda x: x.notna().all(axis=1))
        windows = both.rolling(20, min_periods=15)
        n, shared = windows["r"].count(), windows["r"].cov(both["m"])
        rest = windows["r"].var() - shared**2 / windows["m"].var()
        out[:, a] = np.sqrt(np.maximum(rest, 0) * (n - 1) / (n - 2))
    return out
