"""The whole study by the command line: both constructions, base of 22 factors, the whole battery, page and tables."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from measuring import Row, best_of

BAR_SECONDS = 180.0


def measure(stocks: int, sessions: int, folder: Path) -> Row:
    """Time one whole process after a first one on a small market has compiled the kernels; nothing to compare it with does the same."""
    with tempfile.TemporaryDirectory() as place:
        small = Path(place) / "small"
        command = [sys.executable, "-m", "pureplay"]
        _run([*command, "synthetic", "--out", str(small), "--stocks", "150", "--sessions", "760", "--seed", "1"])
        _run([*command, "study", "--data", str(small), "--out", str(Path(place) / "warm")])
        start = time.perf_counter()
        peak = _run([*command, "study", "--data", str(folder), "--out", str(Path(place) / "full")])
        seconds = time.perf_counter() - start
    return Row(
        name="study",
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=None,
        ratio_peer=None,
        ratio_limit=seconds / best_of(lambda: [pl.read_parquet(each) for each in sorted(folder.glob("*.parquet"))], repeats=3),
        cells_per_second=stocks * sessions / seconds,
        peer=None,
        limit="polars reading every table of the dataset once, nothing computed",
        bar_seconds=BAR_SECONDS,
    )


def _run(command: list[str]) -> float:
    """Run a command to its end; its peak of resident memory in MB, 0 where the system does not tell."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with process:
        stderr = process.stderr.read() if process.stderr else b""
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
        else:
            process.wait()
            peak = 0.0
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{stderr.decode(errors='replace')}")
    return peak
