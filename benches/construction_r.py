"""Construction R, kernels only: implied returns, windowed gap and residual volatility, z-scores, on a market and peers at hand."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import Row, agree, best_of, copy_seconds, peak_mb, reset_peak
from numpy.typing import NDArray

from pureplay.dataset import Dataset
from pureplay.market import Market, load_market
from pureplay.signals.implied import Peers
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.signals.settings import SignalSettings

BAR_SECONDS = 0.5
NAIVE = "pandas merges and groupbys, date by date; windows and z-scores with numpy"
SLICE = 5

Block = NDArray[np.float64]


def measure(_stocks: int, sessions: int, folder: Path) -> Row:
    """Time the kernels on the planted market of the folder, then pandas on its last dates. There is no peer that does the same."""
    settings = SignalSettings()
    data = Dataset.open(folder)
    market = load_market(data)
    peers = product_peers(data, market, settings)
    score_blocks(market, peers, settings)  # compiles
    reset_peak()
    seconds = best_of(lambda: score_blocks(market, peers, settings))
    peak = peak_mb()
    made = score_blocks(market, peers, settings)
    dates = np.arange(sessions - SLICE, sessions)
    found, a_day = naive(market, peers, settings, dates)
    agree(found, made.composite[dates], tolerance=1e-9, what="construction_r against pandas")
    read = (market.returns, market.traded, peers.mix.active, peers.families[0][6])
    written = (
        made.implied,
        made.covered_share,
        made.n_peers,
        made.biz_mom,
        made.biz_resvol,
        made.biz_mom_z,
        made.biz_resvol_z,
        made.composite,
    )
    return Row(
        name="construction_r",
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=a_day * sessions / seconds,
        ratio_peer=None,
        ratio_limit=seconds / copy_seconds(sum(each.nbytes for each in (*read, *written)) // 2),
        cells_per_second=market.returns.size / seconds,
        peer=None,
        limit="memory copy that reads and writes as many bytes as the blocks in and out hold",
        bar_seconds=BAR_SECONDS,
    )


def naive(market: Market, peers: Peers, settings: SignalSettings, dates: NDArray[np.int64]) -> tuple[Block, float]:
    """Composite of some dates, and the seconds a date: one day of implied returns plus one window."""
    first = int(dates[0]) - settings.window_sessions + 1
    days = range(first, int(dates[-1]) + 1)
    start = time.perf_counter()
    implied = np.stack([naive_implied(market, peers, settings, t) for t in days])
    between = time.perf_counter()
    gap = np.where(market.traded[first - 1 : dates[-1]], implied - market.returns[first : dates[-1] + 1], np.nan)
    out = [naive_composite(market, settings, gap, implied, int(t), int(t) - first) for t in dates]
    return np.stack(out), (between - start) / len(days) + (time.perf_counter() - between) / len(dates)


def naive_implied(market: Market, peers: Peers, settings: SignalSettings, t: int) -> Block:
    """Leave-one-out implied return of session t by merges (METHODS §2)."""
    mix = peers.mix
    entries = pd.DataFrame({"filing": np.repeat(np.arange(mix.asset.size), np.diff(mix.offsets)), "product": mix.group, "share": mix.share})
    entries["pure"] = mix.pure(settings.purity, inclusive=settings.purity_inclusive)
    entries = entries[(mix.first[mix.group] <= t) & (t <= mix.last[mix.group])]
    day = pd.DataFrame({"filing": mix.active[t], "issuer": market.issuer, "ret": market.returns[t], "cap": market.caps[t - 1]})
    holds = day[market.traded[t]].rename_axis("asset").reset_index().merge(entries, on="filing")
    members = holds[holds["pure"] & holds["ret"].notna() & (holds["cap"] > 0)].assign(value=lambda each: each["cap"] * each["ret"], n=1)
    basket = members.groupby("product")[["value", "cap", "n"]].sum()
    own = members.groupby(["issuer", "product"])[["value", "cap", "n"]].sum()
    asked = holds[["asset", "issuer", "product", "share"]].merge(basket, on="product")
    asked = asked.merge(own, on=["issuer", "product"], how="left", suffixes=("", "_own")).fillna(0.0)
    asked = asked[asked["n"] - asked["n_own"] >= settings.min_peers]
    asked["told"] = asked["share"] * (asked["value"] - asked["value_own"]) / (asked["cap"] - asked["cap_own"])
    total = asked.groupby("asset")[["told", "share"]].sum().reindex(range(market.issuer.size))
    return np.where(total["share"] >= settings.min_covered - 1e-12, total["told"] / total["share"], np.nan)


def naive_composite(market: Market, settings: SignalSettings, gap: Block, implied: Block, t: int, row: int) -> Block:
    """Window sums, residual volatility and z-scores of session t (METHODS §3); `row` is its place in the blocks."""
    window = slice(row - settings.window_sessions + 1, row + 1)
    known = np.isfinite(gap[window])
    n = known.sum(axis=0)
    x = np.where(known, implied[window], np.nan)
    y = np.where(known, implied[window] - gap[window], np.nan)
    enough = n >= settings.min_valid_sessions
    total = np.where(enough, np.nansum(gap[window], axis=0), np.nan)
    x, y = x - np.nansum(x, axis=0) / np.maximum(n, 1), y - np.nansum(y, axis=0) / np.maximum(n, 1)
    slope = np.nansum(x * y, axis=0) / np.where(enough, np.nansum(x * x, axis=0), 1.0)
    spread = np.where(enough, np.sqrt(np.nansum((y - slope * x) ** 2, axis=0) / np.maximum(n - 2, 1)), np.nan)
    universe = market.traded[t] & (t + market.listed_sessions >= settings.min_listed_sessions)
    return 0.5 * naive_zscore(total, universe, settings) - 0.5 * naive_zscore(spread, universe, settings)


def naive_zscore(values: Block, universe: NDArray[np.bool_], settings: SignalSettings) -> Block:
    """Winsorised at median ± k·1.4826·MAD, population sd."""
    column = pd.Series(values).where(universe)
    middle = column.median()
    reach = (settings.winsorise_mads or np.inf) * 1.4826 * (column - middle).abs().median()
    clipped = column.clip(middle - reach, middle + reach)
    return ((clipped - clipped.mean()) / clipped.std(ddof=0)).to_numpy()
