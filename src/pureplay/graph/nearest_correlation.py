"""The correlation matrix nearest to a symmetric one (Higham 2002), by alternating projections with Dykstra's correction."""

from typing import Final

import numpy as np

from pureplay.errors import SettingError
from pureplay.panel import FloatArray
from pureplay.stats.given import is_number, require_whole

__all__ = ["nearest_correlation"]

_LEAST: Final = 1e-14  # eigenvalues above minus this, times the size of the matrix, are 0 but for rounding


def nearest_correlation(matrix: FloatArray, *, tolerance: float = 1e-5, iterations: int = 40) -> FloatArray:
    """Symmetric, unit diagonal, positive semi-definite to rounding, and close to the matrix given in the Frobenius norm.

    A matrix that has these properties already comes back as it is. tolerance: largest change of an entry between two rounds at which the
    search ends. It also ends after `iterations` rounds; what is left of negative eigenvalues is then set to 0 and the diagonal
    scaled back to 1, which is a correlation matrix near the nearest one. Raises SettingError for a matrix that is not symmetric.
    """
    require_whole(iterations, "iterations", 1)
    if not (is_number(tolerance) and tolerance > 0):
        raise SettingError(f"tolerance must be above 0, not {tolerance!r}")
    given = np.array(matrix, dtype=np.float64)
    if given.ndim != 2 or not np.array_equal(given, given.T):
        raise SettingError(f"only a symmetric matrix of numbers has a nearest correlation matrix, not one of shape {given.shape}")
    np.fill_diagonal(given, 1.0)
    current, correction = given, np.zeros_like(given)
    for _ in range(iterations):
        shifted = current - correction
        positive = _positive_part(shifted)
        if positive is shifted and current is given:
            return given
        correction = positive - shifted
        before, current = current, positive.copy()
        np.fill_diagonal(current, 1.0)
        if np.abs(current - before).max() <= tolerance:
            break
    return _scaled(_positive_part(current))


def _positive_part(matrix: FloatArray) -> FloatArray:
    """The matrix without its negative eigenvalues, the same object where it has none."""
    values, vectors = np.linalg.eigh(matrix)
    below = values < -_LEAST * matrix.shape[0]
    if not below.any():
        return matrix
    without = matrix - (vectors[:, below] * values[below]) @ vectors[:, below].T
    return np.asarray((without + without.T) / 2)


def _scaled(matrix: FloatArray) -> FloatArray:
    root = np.sqrt(np.diag(matrix))
    out = matrix / np.outer(root, root)
    out = (out + out.T) / 2
    np.fill_diagonal(out, 1.0)
    return np.asarray(out)
