"""What every row shares: the record, the clock, the memory peak, and the limits that the machine itself sets."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pureplay.parallel import over_blocks

REPEATS = 5
_COPY_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table; the names of its fields are the keys of the JSON file.

    seconds: best of five. peak_mb: resident memory of the row's own process while it was timed, data included. ratio_naive,
    ratio_peer: how many times longer they take, per cell, for the same numbers. ratio_limit: how many times longer the row takes than
    `limit`.
    """

    name: str
    seconds: float
    peak_mb: float
    ratio_naive: float | None
    ratio_peer: float | None
    ratio_limit: float | None
    cells_per_second: float
    peer: str | None
    limit: str | None
    bar_seconds: float

    def to_json(self) -> str:
        """The row as one line of JSON."""
        return json.dumps(asdict(self))


def best_of(work: Callable[[], object], *, repeats: int = REPEATS) -> float:
    """Shortest wall time of several runs, in seconds; results are let go between runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def reset_peak() -> None:
    """Start the memory peak of this process afresh where the system can (Linux); elsewhere it counts from the start."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB of 1,000,000 bytes."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def copy_seconds(size: int) -> float:
    """Time to copy `size` bytes in memory, in as many threads as the kernels use."""
    source = np.ones(max(1, min(size, _COPY_BYTES) // 8))
    target = np.ones(source.size)
    rounds = max(1, round(size / source.nbytes))

    def copy(start: int, stop: int) -> None:
        np.copyto(target[start:stop], source[start:stop])

    return best_of(lambda: [over_blocks(copy, source.size) for _ in range(rounds)])


def gram_seconds(blocks: NDArray[np.float64]) -> float:
    """Time for numpy to multiply each date's (columns, assets) block with its own transpose, dates in threads."""

    def multiply(start: int, stop: int) -> None:
        for t in range(start, stop):
            np.dot(blocks[t], blocks[t].T)

    return best_of(lambda: over_blocks(multiply, blocks.shape[0]))


def agree(found: NDArray[np.float64], wanted: NDArray[np.float64], *, tolerance: float, what: str) -> None:
    """Stop the bench where two versions do not give the same numbers: a ratio between different answers means nothing."""
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=0, atol=tolerance, equal_nan=True):
        raise SystemExit(f"{what}: the numbers differ by more than {tolerance}; no ratio can be stated")
    if not np.isfinite(wanted).any():
        raise SystemExit(f"{what}: nothing but missing values; use more stocks")


def random_block(rng: np.random.Generator, shape: tuple[int, ...], *, missing: float = 0.05) -> NDArray[np.float64]:
    """Normal numbers, some missing, drawn date by date so that nothing larger than a date exists twice."""
    out = np.empty(shape)
    for day in out:
        rng.standard_normal(out=day)
        day[..., rng.random(shape[-1]) < missing] = np.nan  # the name as a whole, whatever the columns
    return out


def slice_of(sessions: int, dates: int) -> slice:
    """The last dates of a sample: what the slower versions work on."""
    return slice(max(0, sessions - dates), sessions)
