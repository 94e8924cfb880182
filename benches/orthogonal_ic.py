"""Orthogonal IC: a signal less its 22 factors (and 31 industries), ranked against forward returns, every date and offset."""

import numpy as np
import pandas as pd
import skfolio
from measuring import Row, agree, best_of, gram_seconds, peak_mb, random_block, reset_peak, slice_of
from numpy.typing import NDArray
from scipy import stats
from skfolio.linear_model import CSLinearRegression
from threadpoolctl import threadpool_limits

from pureplay.evaluate.summary import Timing, summarise
from pureplay.sessions import sessions_between
from pureplay.stats.orthogonal import OrthogonalDays, forward_orders, orthogonal_days

BAR_SECONDS = 1.5
NAIVE = "numpy.linalg.lstsq on one BLAS thread and pandas ranks, date by date"
SLICE = 20
COLUMNS, INDUSTRIES = 22, 31

Block = NDArray[np.float64]
Labels = NDArray[np.int32]


def measure(stocks: int, sessions: int) -> Row:
    """Without industries."""
    return _measure("orthogonal_ic_22", stocks, sessions, industries=False)


def measure_industries(stocks: int, sessions: int) -> Row:
    """With industries, absorbed by demeaning here and as dummies in the other versions."""
    return _measure("orthogonal_ic_22_industries", stocks, sessions, industries=True)


def _measure(name: str, stocks: int, sessions: int, *, industries: bool) -> Row:
    rng = np.random.default_rng(0)
    base = random_block(rng, (sessions, COLUMNS, stocks))
    signal, forward = random_block(rng, (sessions, stocks)), random_block(rng, (sessions, stocks))
    labels = rng.integers(0, INDUSTRIES, size=(sessions, stocks)).astype(np.int32)
    groups = labels if industries else None
    calendar = sessions_between(np.busday_offset("2016-01-01", np.arange(sessions), roll="forward"), "bars")

    def verdict() -> OrthogonalDays:
        days = orthogonal_days(signal, base, forward_orders(forward[None]), groups=groups)
        summarise(name, calendar, days.ic[0], days.names[0], days.reason[0], horizon=20, timing=Timing(null_draws=0))
        return days

    orthogonal_days(signal[:2], base[:2], forward_orders(forward[None, :2]), groups=None if groups is None else groups[:2])  # compiles
    reset_peak()
    seconds = best_of(verdict)
    peak, part = peak_mb(), slice_of(sessions, SLICE)
    a_cell = seconds / signal.size
    inputs = (signal[part], base[part], forward[part], None if groups is None else groups[part])
    found = orthogonal_days(inputs[0], inputs[1], forward_orders(inputs[2][None]), groups=inputs[3]).ic[0]
    ratios = []
    for other, version in (("numpy", naive), ("skfolio", peer)):
        agree(version(*inputs), found, tolerance=1e-8, what=f"{name} against {other}")
        ratios.append(best_of(lambda version=version: version(*inputs), repeats=3) / signal[part].size / a_cell)
    return Row(
        name=name,
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=ratios[0],
        ratio_peer=ratios[1],
        ratio_limit=seconds / gram_seconds(base),
        cells_per_second=1 / a_cell,
        peer=f"skfolio {skfolio.__version__} CSLinearRegression, then scipy spearmanr",
        limit="GEMM of the same flops: one 22 x 22 Gram matrix a date with numpy",
        bar_seconds=BAR_SECONDS,
    )


def naive(signal: Block, base: Block, forward: Block, groups: Labels | None) -> Block:
    """One least-squares problem a date, dummies spelt out; more BLAS threads only make problems this small slower."""
    with threadpool_limits(1, user_api="blas"):
        return _naive(signal, base, forward, groups)


def _naive(signal: Block, base: Block, forward: Block, groups: Labels | None) -> Block:
    out = []
    for t in range(signal.shape[0]):
        use = np.isfinite(signal[t]) & np.isfinite(base[t]).all(axis=0)
        dummies = np.ones((use.sum(), 1)) if groups is None else pd.get_dummies(groups[t, use]).to_numpy(dtype=float)
        design = np.column_stack([base[t][:, use].T, dummies])
        weights = np.linalg.lstsq(design, signal[t, use], rcond=None)[0]
        both = pd.DataFrame({"x": signal[t, use] - design @ weights, "y": forward[t, use]}).dropna().rank()
        out.append(np.corrcoef(both["x"], both["y"])[0, 1])
    return np.array(out)


def peer(signal: Block, base: Block, forward: Block, groups: Labels | None) -> Block:
    """skfolio fits all dates of the slice at once; names with anything missing have weight 0."""
    use = np.isfinite(signal) & np.isfinite(base).all(axis=1)
    features = np.where(use[..., None], base.transpose(0, 2, 1), 0.0)
    if groups is not None:
        features = np.concatenate([features, groups[..., None] == np.arange(1, INDUSTRIES)], axis=2)
    target = np.where(use, signal, 0.0)
    model = CSLinearRegression(fit_intercept=True).fit(features, target, cs_weights=use.astype(float))
    residual = target - model.predict(features)
    known = use & np.isfinite(forward)
    return np.array([stats.spearmanr(residual[t, known[t]], forward[t, known[t]]).statistic for t in range(signal.shape[0])])
