"""Robustness battery: 56 bases cut from 22 factors, each leaving a residual signal that is ranked against 7 horizons, every date."""

import numpy as np
import pandas as pd
import skfolio
from measuring import Row, agree, best_of, peak_mb, random_block, reset_peak, slice_of
from numpy.typing import NDArray
from scipy import stats
from skfolio.linear_model import CSLinearRegression
from threadpoolctl import threadpool_limits

from pureplay.parallel import over_blocks
from pureplay.stats.noise import noise_order, permutation
from pureplay.stats.orthogonal import forward_orders
from pureplay.stats.subsets import subset_days

BAR_SECONDS = 25.0
NAIVE = "numpy.linalg.lstsq on one BLAS thread and pandas ranks, date by date and base by base"
SLICE = 4  # 224 regressions
COLUMNS, HORIZONS, SEEDS = 22, 7, 5
FAMILIES = ((0, 1), (2, 3, 15), (4,), (5, 13, 14), (6, 16, 17), (7, 8, 9), (10,), (11,), (12,), (18, 19, 20), (21,))

Block = NDArray[np.float64]
Mask = NDArray[np.bool_]


def measure(stocks: int, sessions: int) -> Row:
    """All columns, all but three, 25 shuffles, 11 families dropped and the first 5 to 22 columns: 56 bases, one date after another."""
    name, rng = "battery_56x7", np.random.default_rng(0)
    base = random_block(rng, (sessions, COLUMNS, stocks))
    signal = random_block(rng, (sessions, stocks))
    forward = np.empty((HORIZONS, sessions, stocks))
    for h in range(HORIZONS):
        forward[h] = random_block(rng, (sessions, stocks), missing=0.0)
    forward[:, rng.random((sessions, stocks)) < 0.03] = np.nan  # entry decides, whatever the horizon
    subsets = bases()
    orders = forward_orders(forward)
    subset_days(signal[:2], base[:2], forward_orders(forward[:, :2]), subsets, noise=NOISE)  # compiles
    reset_peak()
    seconds = best_of(lambda: subset_days(signal, base, orders, subsets, noise=NOISE))
    peak, part = peak_mb(), slice_of(sessions, SLICE)
    a_cell = seconds / signal.size
    found = subset_days(signal, base, orders, subsets, noise=NOISE, first=part.start).ic
    inputs = (signal[part], base[part], forward[:, part], subsets, part.start)
    ratios = []
    for other, version in (("numpy", naive), ("skfolio", peer)):
        agree(version(*inputs), found, tolerance=1e-8, what=f"{name} against {other}")
        ratios.append(best_of(lambda version=version: version(*inputs), repeats=1) / signal[part].size / a_cell)
    return Row(
        name=name,
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=ratios[0],
        ratio_peer=ratios[1],
        ratio_limit=seconds / product_seconds(base),
        cells_per_second=1 / a_cell,
        peer=f"skfolio {skfolio.__version__} CSLinearRegression for each base, then scipy spearmanr",
        limit="the matrix products alone, with numpy: Gram matrices of a date (one, and one for each seed of noise) and the residuals",
        bar_seconds=BAR_SECONDS,
    )


def bases() -> Mask:
    """The 31 bases without noise, by the columns that are in them."""
    wanted = np.ones((13 + 18, COLUMNS), dtype=bool)
    wanted[1, 12:15] = False
    for row, family in enumerate(FAMILIES, start=2):
        wanted[row, list(family)] = False
    for row, count in enumerate(range(5, COLUMNS + 1), start=13):
        wanted[row, count:] = False
    return wanted


NOISE = np.array([(seed, round(level * COLUMNS)) for seed in range(SEEDS) for level in (0, 0.25, 0.5, 0.75, 1)])


def product_seconds(base: Block) -> float:
    """Time for numpy to multiply random rows of the shapes that one date needs, for all dates."""
    rows = np.random.default_rng(0).normal(size=(2 * COLUMNS + 1, base.shape[2]))
    plain, noisy = np.ones((13 + 18, COLUMNS + 1)), np.ones((len(NOISE) // SEEDS, 2 * COLUMNS + 1))

    def multiply(start: int, stop: int) -> None:
        for _ in range(start, stop):
            np.dot(rows[: COLUMNS + 1], rows[: COLUMNS + 1].T)
            np.dot(plain, rows[: COLUMNS + 1])
            for _ in range(SEEDS):
                np.dot(rows[COLUMNS + 1 :], rows.T)
                np.dot(noisy, rows)

    return best_of(lambda: over_blocks(multiply, base.shape[0], uses_blas=True), repeats=3)


def columns_of(base: Block, use: Mask, subsets: Mask, date: int) -> list[Block]:
    """The columns of every base for the names of one date, spelt out."""
    known = base[:, use]
    made = [known[row] for row in subsets]
    for seed, count in NOISE:
        noisy = known.copy()
        for column in noise_order(int(seed), COLUMNS)[:count]:
            noisy[column] = known[column, permutation(int(seed), int(column), date, known.shape[1])]
        made.append(noisy)
    return made


def naive(signal: Block, base: Block, forward: Block, subsets: Mask, first: int) -> Block:
    """One least-squares problem and seven rank correlations a date and base."""
    out = np.empty((len(subsets) + len(NOISE), forward.shape[0], signal.shape[0]))
    with threadpool_limits(1, user_api="blas"):
        for t in range(signal.shape[0]):
            use = np.isfinite(signal[t]) & np.isfinite(base[t]).all(axis=0)
            for b, columns in enumerate(columns_of(base[t], use, subsets, first + t)):
                design = np.column_stack([columns.T, np.ones(columns.shape[1])])
                residual = signal[t, use] - design @ np.linalg.lstsq(design, signal[t, use], rcond=None)[0]
                for h in range(forward.shape[0]):
                    both = pd.DataFrame({"x": residual, "y": forward[h, t, use]}).dropna().rank()
                    out[b, h, t] = np.corrcoef(both["x"], both["y"])[0, 1]
    return out


def peer(signal: Block, base: Block, forward: Block, subsets: Mask, first: int) -> Block:
    """skfolio fits the names of a date, base by base, with all seven horizons ranked by scipy."""
    out = np.empty((len(subsets) + len(NOISE), forward.shape[0], signal.shape[0]))
    for t in range(signal.shape[0]):
        use = np.isfinite(signal[t]) & np.isfinite(base[t]).all(axis=0)
        target = signal[t, use][None]
        for b, columns in enumerate(columns_of(base[t], use, subsets, first + t)):
            features = columns.T[None]
            model = CSLinearRegression(fit_intercept=True).fit(features, target, cs_weights=np.ones(target.shape))
            residual = (target - model.predict(features))[0]
            for h in range(forward.shape[0]):
                known = np.isfinite(forward[h, t, use])
                out[b, h, t] = stats.spearmanr(residual[known], forward[h, t, use][known]).statistic
    return out
