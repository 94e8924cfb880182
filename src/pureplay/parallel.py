"""The one place that hands work to several cores, with BLAS held to one thread inside: threads for blocks, joblib for units."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Final, TypeVar

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from pureplay.errors import SettingError

__all__ = ["over_blocks", "over_units", "worker_count"]

T = TypeVar("T")

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
    workers. Plain threads serve here: blocks take milliseconds, as long as joblib takes to look for results.
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


def over_units(
    work: Callable[[object], T] | Callable[..., T], units: Sequence[object], *, progress: Callable[[int, int], None] | None = None
) -> list[T]:
    """Results of `work(unit)` in the order of `units`, computed in threads.

    progress: called with (done, total) as results arrive in order.
    """
    with threadpool_limits(1, user_api="blas"):
        if len(units) <= 1 or worker_count() == 1:
            stream: Iterable[T] = (work(unit) for unit in units)
            return _collect(stream, len(units), progress)
        stream = Parallel(n_jobs=worker_count(), prefer="threads", return_as="generator")(delayed(work)(unit) for unit in units)
        return _collect(stream, len(units), progress)


def _collect(stream: Iterable[T], total: int, progress: Callable[[int, int], None] | None) -> list[T]:
    out = []
    for result in stream:
        out.append(result)
        if progress is not None:
            progress(len(out), total)
    return out
