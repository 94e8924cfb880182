"""Exposures on one scale: winsorised, cap-weighted mean 0, equal-weighted sd 1, date by date; and weighted sums of such parts."""

from collections.abc import Iterable

import numpy as np

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["combine", "standardise"]


def standardise(values: FloatArray, eligible: BoolArray, caps: FloatArray, *, winsorise_sd: float | None = 3.0) -> FloatArray:
    """Per date: clip at mean ± winsorise_sd population sds, subtract the cap-weighted mean, divide by the population sd of the clipped.

    Only eligible, finite entries take part and get a value; all others are NaN. An entry without a finite, positive cap gets a value
    but does not weigh in the mean. None switches clipping off. A date without variation, or without any cap, is NaN: on it the factor
    says nothing. METHODS §4; the scale is that of Barra's CNE5 descriptors.
    """
    if winsorise_sd is not None and not (np.isfinite(winsorise_sd) and winsorise_sd > 0):
        raise SettingError(f"winsorise_sd must be a number of sds above 0, or None for no clipping, not {winsorise_sd!r}")
    out = np.empty(values.shape)  # every cell is written
    limit = np.inf if winsorise_sd is None else float(winsorise_sd)
    over_blocks(lambda start, stop: _standardise_block(values, eligible, caps, limit, out, start, stop), values.shape[0])
    return out


@kernel
def _standardise_block(
    values: FloatArray, eligible: BoolArray, caps: FloatArray, limit: float, out: FloatArray, start: int, stop: int
) -> None:
    assets = values.shape[1]
    found = np.empty(assets)
    for t in range(start, stop):
        for i in range(assets):
            found[i] = values[t, i] if eligible[t, i] and np.isfinite(values[t, i]) else np.nan
        mean, sd = _mean_and_sd(found)
        if limit < np.inf:
            low, high = mean - limit * sd, mean + limit * sd
            for i in range(assets):
                if np.isfinite(found[i]):
                    found[i] = min(max(found[i], low), high)
            mean, sd = _mean_and_sd(found)
        weight, beyond = 0.0, 0.0
        for i in range(assets):
            if np.isfinite(found[i]) and np.isfinite(caps[t, i]) and caps[t, i] > 0:
                weight += caps[t, i]
                beyond += caps[t, i] * (found[i] - mean)
        if not (sd > 1e-14 * abs(mean) and weight > 0):  # rounding of a constant is not variation
            sd = np.nan
        centre = beyond / weight
        for i in range(assets):
            out[t, i] = (found[i] - mean - centre) / sd


@kernel
def _mean_and_sd(values: FloatArray) -> tuple[float, float]:
    """Mean and population sd of the finite entries, around a rough mean: a plain sum of thousands of equal numbers is not exact."""
    n, total = 0, 0.0
    for i in range(values.size):
        if np.isfinite(values[i]):
            n += 1
            total += values[i]
    if n == 0:
        return np.nan, np.nan
    rough, beyond, square = total / n, 0.0, 0.0
    for i in range(values.size):
        if np.isfinite(values[i]):
            beyond += values[i] - rough
            square += (values[i] - rough) ** 2
    return rough + beyond / n, np.sqrt(max(square - beyond * beyond / n, 0.0) / n)


def combine(parts: Iterable[tuple[FloatArray, float]], *, least_weight: float = 0.5) -> FloatArray:
    """Sum of weight · part over the finite parts of each cell, its weights rescaled to sum to 1.

    A cell whose finite parts bring less than `least_weight` of all the weight is NaN. Parts are taken one at a time, so an iterator
    need not hold them all.
    """
    total, mass, whole = np.empty((0, 0)), np.empty((0, 0)), 0.0
    for part, weight in parts:
        if not total.size:
            total, mass = np.zeros(part.shape), np.zeros(part.shape)
        whole += weight
        _add(part, weight, total, mass)
    least = least_weight * whole - 1e-12  # half the weight, whatever the rounding of its sum
    over_blocks(lambda start, stop: _rescale_block(total, mass, least, start, stop), total.shape[0])
    return total


def _add(part: FloatArray, weight: float, total: FloatArray, mass: FloatArray) -> None:
    over_blocks(lambda start, stop: _add_block(part, weight, total, mass, start, stop), part.shape[0])


@kernel
def _add_block(part: FloatArray, weight: float, total: FloatArray, mass: FloatArray, start: int, stop: int) -> None:
    for t in range(start, stop):
        for i in range(part.shape[1]):
            if np.isfinite(part[t, i]):
                total[t, i] += weight * part[t, i]
                mass[t, i] += weight


@kernel
def _rescale_block(total: FloatArray, mass: FloatArray, least: float, start: int, stop: int) -> None:
    for t in range(start, stop):
        for i in range(total.shape[1]):
            total[t, i] = total[t, i] / mass[t, i] if mass[t, i] >= least and mass[t, i] > 0 else np.nan
