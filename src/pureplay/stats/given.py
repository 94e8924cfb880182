"""What users hand to the estimators, checked at the door: series, tables of variants, numbers."""

from typing import Any, Final

import numpy as np

from pureplay.errors import SettingError
from pureplay.panel import FloatArray

__all__ = ["MOST", "is_number", "is_whole_number", "require_number", "require_whole", "series", "variants"]

MOST: Final = 1_000_000_000
"""Largest count that any setting may have: what is beyond fits no array."""

_LARGEST: Final = 1e100  # beyond it, and below its inverse, squares are no numbers any more


def series(values: Any, name: str) -> FloatArray:
    """Float64 copy or view of one series, NaN where a value is missing; any sequence, array or Series of numbers.

    Raises SettingError for anything else, and for finite values whose squares overflow or vanish.
    """
    return _numbers(values, name, 1, "one series of numbers")


def variants(values: Any, name: str) -> FloatArray:
    """Float64 copy or view of a table (periods, variants); raises as `series`."""
    return _numbers(values, name, 2, "a table of numbers (periods, variants)")


def _numbers(values: Any, name: str, dimensions: int, wanted: str) -> FloatArray:
    try:
        given = np.asarray(values)
        if given.dtype.kind not in "fiubO":
            raise TypeError(f"it holds {given.dtype}")
        out = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise SettingError(f"{name} must be {wanted}, not a {type(values).__name__} ({error}): convert it") from error
    if out.ndim != dimensions:
        one = "give one column" if dimensions == 1 else "give a column a variant"
        raise SettingError(f"{name} must be {wanted}, not an array of {out.ndim} dimensions, of shape {out.shape}: {one}")
    sizes = np.abs(out[np.isfinite(out)])
    largest = float(sizes.max(initial=0.0))
    if largest > _LARGEST or 0.0 < largest < 1.0 / _LARGEST:
        raise SettingError(
            f"{name} has {sizes.size} values of which the largest is {largest:g} in size, and the squares of such values are no "
            "numbers: give it in another unit, and what is missing as NaN"
        )
    return out


def is_number(value: object) -> bool:
    """Whether a value is a real number that a float can hold; NaN and infinity are, True is not."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return not isinstance(value, int) or abs(value) <= 10**300


def is_whole_number(value: object, least: int) -> bool:
    """Whether a value is a whole number from `least` to `MOST`; True is not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(least <= value <= MOST)


def require_whole(value: object, name: str, least: int) -> None:
    """Raise SettingError unless the value is a whole number from `least` to `MOST`."""
    if not is_whole_number(value, least):
        raise SettingError(f"{name} must be a whole number of at least {least} (and at most {MOST:g}), not {_shown(value)}")


def require_number(value: object, name: str) -> None:
    """Raise SettingError unless the value is a number; NaN and infinity are."""
    if not is_number(value):
        raise SettingError(f"{name} must be a number, not {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
