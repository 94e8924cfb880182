"""Weighted cross-sectional regressions, date by date."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pureplay.panel import BoolArray, FloatArray, IndexArray

__all__ = ["CrossSection", "weighted_residuals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossSection:
    """Residuals and coefficients of every date."""

    residual: FloatArray
    coefficients: FloatArray
    intercept: FloatArray
    r2: FloatArray
    fitted: npt.NDArray[np.int64]
    dropped: BoolArray


def weighted_residuals(
    target: FloatArray, columns: FloatArray, weights: FloatArray, eligible: BoolArray, *, groups: IndexArray | None = None
) -> CrossSection:
    """Weighted least squares of each row of target on an intercept and its columns."""
    if groups is not None:
        raise NotImplementedError
    sessions, assets = target.shape
    count = columns.shape[1]
    made = CrossSection(
        residual=np.full((sessions, assets), np.nan),
        coefficients=np.full((sessions, count), np.nan),
        intercept=np.full(sessions, np.nan),
        r2=np.full(sessions, np.nan),
        fitted=np.zeros(sessions, dtype=np.int64),
        dropped=np.zeros((sessions, count), dtype=bool),
    )
    for t in range(sessions):
        use = eligible[t] & np.isfinite(target[t]) & np.isfinite(weights[t]) & np.isfinite(columns[t]).all(axis=0)
        made.fitted[t] = use.sum()
        if use.any():
            _fit(target[t, use], columns[t][:, use], weights[t, use], use, t, made)
    return made


def _fit(y: FloatArray, x: FloatArray, w: FloatArray, use: BoolArray, t: int, made: CrossSection) -> None:
    root, middle, centre = np.sqrt(w), (x @ w) / w.sum(), (y @ w) / w.sum()
    left = (x - middle[:, None]) * root
    kept: list[int] = []
    basis = np.empty((0, y.size))
    for c in range(x.shape[0]):
        rest = left[c] - basis.T @ (basis @ left[c])
        rest = rest - basis.T @ (basis @ rest)
        if rest @ rest > 1e-10 * (left[c] @ left[c]) and rest @ rest > 1e-24 * ((x[c] * root) @ (x[c] * root)):
            kept.append(c)
            basis = np.vstack([basis, rest / np.sqrt(rest @ rest)])
    made.dropped[t] = ~np.isin(np.arange(x.shape[0]), kept)
    beta = np.zeros(x.shape[0])
    aim = (y - centre) * root
    beta[kept] = np.linalg.lstsq(left[kept].T, aim, rcond=None)[0]
    made.coefficients[t], made.intercept[t] = beta, centre - beta @ middle
    made.residual[t, use] = (y - centre) - beta @ (x - middle[:, None])
    gone = made.residual[t, use] * root
    made.r2[t] = 1 - (gone @ gone) / (aim @ aim) if aim @ aim > 0 else np.nan
