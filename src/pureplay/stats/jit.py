"""Typed entry to numba: kernels release the GIL, are cached on disk and keep IEEE arithmetic (no fastmath, x / 0 is not an error)."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

__all__ = ["kernel"]

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of arrays and numbers; blocks of dates run it side by side in threads."""
    return cast("Callable[P, R]", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
