"""Parquet to scores on disk: a fresh process opens a dataset, computes product momentum and writes it in blocks."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from measuring import REPEATS, Row, best_of, peak_mb

from pureplay.apps.outputs import write_scores
from pureplay.dataset import Dataset
from pureplay.market import load_market
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.signals.settings import SignalSettings

BAR_SECONDS = 10.0
BAR_MB = 3000.0
COLUMNS = ["date", "asset", "ret", "total_cap", "float_cap", "volume"]


def measure(stocks: int, sessions: int, folder: Path) -> Row:
    """Time whole processes, interpreter start included; files are in the page cache after the first. No peer does the same."""
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "scores.parquet"
        times, peaks = [], []
        for _ in range(REPEATS + 1):  # the first may still compile
            start = time.perf_counter()
            done = subprocess.run([sys.executable, __file__, str(folder), str(target)], capture_output=True, text=True, check=False)
            times.append(time.perf_counter() - start)
            if done.returncode:
                raise SystemExit(f"parquet_to_scores failed:\n{done.stderr}")
            peaks.append(float(done.stdout))
        scores = pl.read_parquet(target)
        bars = folder / Dataset.open(folder).files["bars"]["file"]
        limit = best_of(lambda: _read_and_write(bars, scores, target), repeats=3)
    return Row(
        name="parquet_to_scores",
        seconds=min(times[1:]),
        peak_mb=max(peaks),
        ratio_naive=None,
        ratio_peer=None,
        ratio_limit=min(times[1:]) / limit,
        cells_per_second=stocks * sessions / min(times[1:]),
        peer=None,
        limit="polars reading the same columns and writing the same scores, nothing computed",
        bar_seconds=BAR_SECONDS,
    )


def _read_and_write(bars: Path, scores: pl.DataFrame, target: Path) -> None:
    pl.read_parquet(bars, columns=COLUMNS)
    scores.write_parquet(target, compression="zstd", compression_level=1)


def compute(folder: Path, target: Path) -> None:
    """What the timed process does."""
    settings = SignalSettings()
    data = Dataset.open(folder)
    market = load_market(data)
    write_scores(score_blocks(market, product_peers(data, market, settings), settings), target)


if __name__ == "__main__":
    compute(Path(sys.argv[1]), Path(sys.argv[2]))
    print(peak_mb())
