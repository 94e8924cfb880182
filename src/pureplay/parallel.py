"""The one place that hands work to several cores: blocks of dates in threads, with BLAS held to one thread inside."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Final

from threadpoolctl import threadpool_limits

from pureplay.errors import SettingError

__all__ = ["over_blocks", "worker_count"]

_BLOCKS_PER_WORKER: Final = 8  # uneven blocks even out, and the cost of handing one over stays small


def worker_count() -> int:
    """Threads to use: PUREPLAY_WORKERS where set, else the cores this process may run on; raises SettingError where it is no count."""
    asked = os.environ.get("PUREPLAY_WORKERS", "").strip()
    if asked:
        if not (asked.isascii() and asked.isdigit() and int(asked) > 0):
            raise SettingError(f"PUREPLAY_WORKERS is {asked!r}, not a number of threads: set it to 1 or more, or unset it")
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_blocks(work: Callable[[int, int], None], total: int, *, uses_blas: bool = False) -> None:
    """Call `work(start, stop)` over consecutive blocks of range(total) in threads; the kernels inside release the GIL.

    uses_blas: hold BLAS to one thread meanwhile, with one worker too, so that the bits of a result do not depend on the number of
    workers. Plain threads serve here: a block takes milliseconds, about what a heavier pool takes to look for results.
    """
    workers = worker_count()
    size = max(1, -(-total // (max(workers, 2) * _BLOCKS_PER_WORKER)))
    blocks = [(start, min(start + size, total)) for start in range(0, total, size)]
    with threadpool_limits(1, user_api="blas") if uses_blas else nullcontext():
        if workers == 1 or len(blocks) <= 1:
            for block in blocks:
                work(*block)
            return
        with ThreadPoolExecutor(workers) as threads:
            for done in [threads.submit(work, *block) for block in blocks]:
                done.result()
