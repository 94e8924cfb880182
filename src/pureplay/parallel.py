"""The one place that hands work to others: blocks of dates to threads, units of work to a cluster."""

import importlib
import importlib.util
import os
import pickle
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from threadpoolctl import threadpool_limits

from pureplay.errors import PureplayError, SettingError

__all__ = ["Progress", "over_blocks", "over_units", "require_address", "source_digest", "worker_count", "workers"]

_BLOCKS_PER_WORKER: Final = 8  # uneven blocks even out, and the cost of handing one over stays small
_REACH_SECONDS: Final = 20.0  # until a cluster must have answered and have a worker
_SCHEMES: Final = ("tcp", "tls")
_THREADS: Final[ContextVar[int | None]] = ContextVar("threads", default=None)

U = TypeVar("U")
R = TypeVar("R")
Progress = Callable[[int, int, float | None], None]
"""Called with the units done, all units, and the seconds that the rest will take (None before the first)."""


def worker_count() -> int:
    """Threads to use: those of `workers`, else PUREPLAY_WORKERS, else the cores this process may run on.

    Raises SettingError where PUREPLAY_WORKERS is no count.
    """
    threads = _THREADS.get()
    if threads is not None:
        return threads
    asked = os.environ.get("PUREPLAY_WORKERS", "").strip()
    if asked:
        if not (asked.isascii() and asked.isdigit() and int(asked) > 0):
            raise SettingError(f"PUREPLAY_WORKERS is {asked!r}, not a number of threads: set it to 1 or more, or unset it")
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def workers(count: int | None) -> Iterator[None]:
    """Have `over_blocks` use so many threads inside the `with`, whatever PUREPLAY_WORKERS says; None changes nothing.

    Holds for the thread that entered it, so that two runs of one process do not disturb each other; `over_units` takes it along to the
    workers of a cluster.
    """
    if count is not None and (type(count) is not int or count < 1):
        raise SettingError(f"workers is {count!r}, not a number of threads: give 1 or more")
    before = _THREADS.set(_THREADS.get() if count is None else count)
    try:
        yield
    finally:
        _THREADS.reset(before)


def over_blocks(work: Callable[[int, int], None], total: int, *, uses_blas: bool = False) -> None:
    """Call `work(start, stop)` over consecutive blocks of range(total) in threads; the kernels inside release the GIL.

    uses_blas: hold BLAS to one thread meanwhile, with one worker too, so that the bits of a result do not depend on the number of
    workers. Plain threads serve here: a block takes milliseconds, about what a heavier pool takes to look for results.
    """
    count = worker_count()
    size = max(1, -(-total // (max(count, 2) * _BLOCKS_PER_WORKER)))
    blocks = [(start, min(start + size, total)) for start in range(0, total, size)]
    with threadpool_limits(1, user_api="blas") if uses_blas else nullcontext():
        if count == 1 or len(blocks) <= 1:
            for block in blocks:
                work(*block)
            return
        with ThreadPoolExecutor(count) as threads:
            for done in [threads.submit(work, *block) for block in blocks]:
                done.result()


def over_units(
    work: Callable[[U], R],
    units: Iterable[U],
    *,
    cluster: str | None = None,
    at_once: int = 1,
    keep: Callable[[int, R], None],
    progress: Progress | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Call `work(unit)` for every unit and `keep(index, result)` here, one at a time, as the results come (in any order).

    cluster: None = in this process, `at_once` units at a time in threads that share the cores (what a unit does between its kernels
    leaves cores idle). A unit's kernels use its threads through `over_blocks`; processes beside each other would each hold a copy of
    blocks of gigabytes. With at_once=1, inside a `joblib.parallel_config`
    of the caller, joblib's backend named there takes the units. "tcp://host:port" = the scheduler of a dask cluster; `work` is then a
    function at the top of a module that the workers can import, units and results can be pickled and are small: workers read data by
    path. A unit whose worker dies runs again on another.

    The first unit that raises ends the run: no further one begins, those under way are finished and kept, then its error is raised
    here with its own type. Raises SettingError where the cluster cannot be reached, has no worker or another version of pureplay, or
    where a unit ends every worker that it runs on; PureplayError where the scheduler is lost on the way.
    """
    todo, at_once = list(units), min(at_once, worker_count())
    tell = _teller(progress, len(todo), clock)
    # one limit around all: units that set and lift it beside each other would leave the other's kernels with more BLAS threads
    calm = threadpool_limits(1, user_api="blas") if cluster is None and at_once > 1 else nullcontext()
    with calm, nullcontext(None) if cluster is None else _cluster(cluster) as backend:
        calls = _calls_here(work, todo, at_once) if backend is None else _calls_there(work, todo)
        tell(0)
        fault: Exception | None = None
        done = 0
        stop = threading.Event()
        for index, result, error in _outcomes(backend, calls, stop, at_once) if calls else ():
            if error is not None:
                fault = fault or error
                stop.set()
                continue
            keep(index, result)
            done += 1
            tell(done)
    if fault is not None:
        raise fault


@lru_cache(maxsize=1)
def source_digest() -> str:
    """SHA-256 over the source files of the package: results of other code are other results."""
    here = Path(__file__).parent
    made = sha256()
    for file in sorted(here.rglob("*.py")):
        made.update(f"{file.relative_to(here).as_posix()}\0{sha256(file.read_bytes()).hexdigest()}\n".encode())
    return made.hexdigest()


Outcome = tuple[int, Any, Exception | None]
Call = tuple[Callable[..., "Outcome | bytes"], tuple[Any, ...], dict[str, Any]]


def _outcomes(backend: Any, calls: Sequence[Call], stop: threading.Event, at_once: int) -> Iterator[Outcome]:
    """Index, result and error of the calls as they end; none begins once `stop` is set."""
    import joblib

    def begun() -> Iterator[Call]:
        for call in calls:
            if stop.is_set():
                return
            yield call

    together = backend is not None or at_once > 1
    pool = joblib.parallel_config(backend=backend or "threading", n_jobs=at_once if backend is None else -1) if together else nullcontext()
    with pool:
        results = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")(begun())
    try:
        for each in results:
            yield pickle.loads(each) if isinstance(each, bytes) else each
    finally:
        with warnings.catch_warnings():  # joblib says that calls were cancelled: so they should be
            warnings.filterwarnings("ignore", message=".*tasks (have been successfully executed|which were still being processed)")
            results.close()


def _calls_here(work: Callable[[U], R], units: Sequence[U], at_once: int) -> list[Call]:
    threads = max(1, worker_count() // at_once) if at_once > 1 else _THREADS.get()
    return [(_attempt_here, (index, work, unit, threads), {}) for index, unit in enumerate(units)]


def _calls_there(work: Callable[[U], R], units: Sequence[U]) -> list[Call]:
    """Calls that travel as bytes: joblib would lay larger units in the memory of one worker, where they end with it."""
    threads = _THREADS.get()
    return [(_attempt_there, (index, _packed(work, unit), threads, source_digest()), {}) for index, unit in enumerate(units)]


def _packed(work: object, unit: object) -> bytes:
    try:
        if getattr(work, "__module__", "") == "__main__":
            raise pickle.PicklingError(f"{work!r} stands in the script that was started, which workers do not have")
        return pickle.dumps((work, unit))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise SettingError(
            f"a unit cannot be sent to a cluster ({error}): give a function at the top of a module and units of plain values, or no cluster"
        ) from error


def _attempt_here(index: int, work: Callable[[U], R], unit: U, threads: int | None) -> Outcome:
    try:
        with workers(threads):
            return index, work(unit), None
    except Exception as error:  # noqa: BLE001 - raised again by over_units
        return index, None, error


def _attempt_there(index: int, packed: bytes, threads: int | None, source: str) -> bytes:
    """Run on a worker: the outcome as bytes, so that whatever cannot be sent is known here and not on the way."""
    try:
        if source != source_digest():
            raise SettingError(f"the worker on {socket.gethostname()} runs another pureplay: install the same version there, restart it")
        work, unit = pickle.loads(packed)
        with workers(threads):
            return pickle.dumps((index, work(unit), None))
    except Exception as error:  # noqa: BLE001 - raised again by over_units
        error.add_note(f"in unit {index} on {socket.gethostname()}:\n{traceback.format_exc()}")
        return pickle.dumps((index, None, _sendable(error)))


def _sendable(error: Exception) -> Exception:
    """The error itself where it survives the way, else one that says what it was."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception as why:  # noqa: BLE001 - an error's own code decides what it raises
        other = RuntimeError(f"{type(error).__name__}: {error} (it cannot be sent itself: {why})")
        other.__notes__ = getattr(error, "__notes__", [])
        return other
    return error


def _teller(progress: Progress | None, total: int, clock: Callable[[], float]) -> Callable[[int], None]:
    begun = clock()

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, total, (clock() - begun) / done * (total - done) if done else None)

    return tell


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """A joblib backend on the dask cluster at this address."""
    require_address(address)
    if importlib.util.find_spec("distributed") is None:
        raise SettingError(f'cluster is {address}, and dask.distributed is not installed: pip install "pureplay[cluster]"')
    distributed: Any = importlib.import_module("distributed")  # a name without types, whether it is installed or not
    try:
        client = distributed.Client(address, timeout=_REACH_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingError(f"no dask scheduler answers at {address} ({error}): start one with `dask scheduler`, or correct it") from error
    try:
        try:
            client.wait_for_workers(1, timeout=_REACH_SECONDS)
        except TimeoutError as error:
            raise SettingError(f"the cluster at {address} has no worker: start some with `dask worker {address}`") from error
        yield _dask_backend(client)
    except distributed.client.FutureCancelledError as error:
        raise PureplayError(f"the dask scheduler at {address} was lost: start it again and repeat the run") from error
    finally:
        client.close()


def require_address(address: str) -> None:
    """Raise SettingError for anything that cannot be the address of a dask scheduler."""
    try:
        parts = urlsplit(address)
        known = parts.scheme in _SCHEMES and parts.hostname and parts.port
    except ValueError:  # a port that is no number
        known = False
    if not known:
        raise SettingError(f"cluster is {address!r}: give the address of a dask scheduler, such as tcp://127.0.0.1:8786")


def _dask_backend(client: Any) -> Any:
    """joblib's dask backend, which by itself waits for ever where dask gives a call up (joblib 1.6)."""
    from distributed import KilledWorker
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        """Hands on what dask says of a call that no worker could end, and uses a single worker too."""

        def effective_n_jobs(self, n_jobs: int) -> int:
            """Two at least: with one, joblib makes every call in this process."""
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def submit(self, func: Any, callback: Any = None) -> Any:
            """As in joblib, and a call that dask gave up counts as ended."""

            def ended(job: Future[Any]) -> None:
                error = job.exception()
                if isinstance(error, KilledWorker):
                    callback([(-1, None, _killed(error))])
                elif error is not None:
                    callback([(-1, None, error)])

            job = super().submit(func, callback)
            job.add_done_callback(ended)
            return job

    return Backend(client=client)


def _killed(error: Exception) -> SettingError:
    return SettingError(
        f"a unit ended every worker that it ran on ({error}): most often their memory is too small; take smaller blocks or larger workers"
    )
