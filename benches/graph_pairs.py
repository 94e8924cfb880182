"""Graph: trailing and forward correlation of the listed pairs of every vintage, z-scores of their windows included."""

import numpy as np
import pandas as pd
from measuring import Row, agree, best_of, copy_seconds, peak_mb, random_block, reset_peak
from numpy.typing import NDArray

from pureplay.panel import FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.correlation import panel_correlations
from pureplay.stats.lookahead import forward_correlations

BAR_SECONDS = 0.6
NAIVE = "pandas DataFrame.corr of one window of the first stocks, every pair over its common days, scaled to all stocks and windows"
TRAILING, FORWARD = 90, 60
VINTAGES, PAIRS = 110, 54_000
SLICE = 3
PANDAS_STOCKS = 400


def measure(stocks: int, sessions: int) -> Row:
    """Time both windows of all vintages; numpy works on the last few trailing windows, pandas on one of the first stocks only."""
    rng = np.random.default_rng(0)
    returns = random_block(rng, (sessions, stocks))
    trailing, forward = min(TRAILING, sessions // 3), min(FORWARD, sessions // 3)
    rows = np.linspace(trailing - 1, sessions - forward - 1, min(VINTAGES, sessions // 10)).astype(np.int64)
    starts, a, b = _pairs(rng, rows.size, stocks)

    def work() -> list[FloatArray]:
        return [
            panel_correlations(returns, rows, starts, a, b, sessions=trailing),
            forward_correlations(returns, rows, starts, a, b, sessions=forward),
        ]

    work()  # compiles
    reset_peak()
    seconds = best_of(work)
    peak = peak_mb()
    by_pandas = _pandas(returns, int(rows[-1]), trailing) * (stocks / min(stocks, PANDAS_STOCKS)) ** 2
    by_numpy = _numpy(rng, rows, starts, a, b, shape=(sessions, stocks), trailing=trailing)
    a_window = rows.size * (trailing + forward) / trailing  # the slower versions take one trailing window
    return Row(
        name="graph_pairs",
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=by_pandas * a_window / seconds,
        ratio_peer=by_numpy * a_window / seconds,
        ratio_limit=seconds / copy_seconds(8 * rows.size * (trailing + forward) * stocks),
        cells_per_second=returns.size / seconds,
        peer=f"numpy {np.__version__} corrcoef, the whole matrix of each window, vintages in threads, returns complete",
        limit="copy of every window in memory, once",
        bar_seconds=BAR_SECONDS,
    )


def _pairs(rng: np.random.Generator, vintages: int, stocks: int) -> tuple[NDArray[np.int64], IndexArray, IndexArray]:
    """Distinct pairs a < b of each vintage, sorted; fewer where there are not that many."""
    count = min(PAIRS, stocks * (stocks - 1) // 4)
    found = []
    for _ in range(vintages):
        drawn = np.unique(rng.integers(0, stocks * stocks, size=4 * count))
        drawn = drawn[drawn // stocks < drawn % stocks]
        found.append(np.sort(rng.choice(drawn, size=min(count, drawn.size), replace=False)))
    starts = np.concatenate([[0], np.cumsum([each.size for each in found])])
    whole = np.concatenate(found)
    return starts, (whole // stocks).astype(np.int32), (whole % stocks).astype(np.int32)


def _pandas(returns: FloatArray, row: int, trailing: int) -> float:
    """Seconds of one window of the first stocks; its numbers are those of the measure `pearson`."""
    frame = pd.DataFrame(returns[row - trailing + 1 : row + 1, :PANDAS_STOCKS])
    least = -(-trailing // 2)
    matrix = frame.corr(min_periods=least).to_numpy()
    a, b = (each.astype(np.int32) for each in np.triu_indices(frame.shape[1], 1))
    block, at = np.ascontiguousarray(returns[:, :PANDAS_STOCKS]), np.array([row])
    ours = panel_correlations(block, at, np.array([0, a.size]), a, b, sessions=trailing, measure="pearson")
    agree(matrix[a, b], ours, tolerance=1e-10, what="graph_pairs against pandas")
    return best_of(lambda: frame.corr(min_periods=least), repeats=3)


def _numpy(
    rng: np.random.Generator,
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    a: IndexArray,
    b: IndexArray,
    *,
    shape: tuple[int, int],
    trailing: int,
) -> float:
    """Seconds a window with numpy, which knows no missing day: on complete returns, where both measures are the plain correlation."""
    returns, last = random_block(rng, shape, missing=0.0), rows.size - min(SLICE, rows.size)
    bounds = starts[last:]
    part = slice(int(bounds[0]), int(bounds[-1]))
    found = np.empty(part.stop - part.start)

    def some(start: int, stop: int) -> None:
        for v in range(start, stop):
            row, span = int(rows[last + v]), slice(int(bounds[v]), int(bounds[v + 1]))
            matrix = np.corrcoef(returns[row - trailing + 1 : row + 1], rowvar=False)
            found[span.start - part.start : span.stop - part.start] = matrix[a[span], b[span]]

    seconds = best_of(lambda: over_blocks(some, rows.size - last, uses_blas=True), repeats=2)
    ours = panel_correlations(returns, rows[last:], bounds - bounds[0], a[part], b[part], sessions=trailing)
    agree(found, ours, tolerance=1e-12, what="graph_pairs against numpy")
    return seconds / (rows.size - last)
