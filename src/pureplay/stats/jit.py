"""Typed entry to numba: kernels release the GIL, are cached on disk and keep IEEE arithmetic (no fastmath, x / 0 is not an error).

numba renews a cached kernel when the file it stands in changes, not when a kernel of another file that it calls does. So the cache
lives in a folder named after the source of the whole package.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba

__all__ = ["cache_folder", "kernel", "source_digest"]

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE: Final = Path(__file__).parents[1]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of arrays and numbers; blocks of dates run it side by side in threads."""
    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(_folder())  # read when a function is declared, so the user's own kernels keep their place
    try:
        return cast("Callable[P, R]", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
    finally:
        settings.CACHE_DIR = before


def source_digest(package: Path) -> str:
    """Digest of the source of every module below a folder."""
    found = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        found.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def cache_folder(package: Path, fallback: Path) -> Path:
    """Folder of the compiled kernels of this source, beside the package where that is writable; those of other sources go."""
    beside = package / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
        root = beside if os.access(beside, os.W_OK) else fallback
    except OSError:
        root = fallback
    folder = root / f"kernels-{source_digest(package)}"
    if not folder.exists():
        for old in root.glob("kernels-*"):
            shutil.rmtree(old, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _folder() -> Path:
    user = getattr(os, "getuid", lambda: 0)()
    return cache_folder(_PACKAGE, Path(tempfile.gettempdir()) / f"pureplay-{user}")
