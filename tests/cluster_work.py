"""Units of work at the top of a module, as the workers of a cluster need them."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pureplay.errors import InsufficientDataError
from pureplay.parallel import worker_count

if TYPE_CHECKING:  # importing studies takes a worker seconds
    from pureplay.studies.units import Unit, UnitResult


@contextmanager
def cluster_of_two() -> Iterator[Any]:
    """A cluster of two processes on this machine, reached over loopback."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50
    ) as cluster:
        yield cluster


class OddError(Exception):
    """Can be pickled, and cannot be read back."""

    def __init__(self, one: str, two: str) -> None:
        """Two arguments, of which Exception keeps one."""
        super().__init__(one + two)


def square(x: int) -> tuple[int, int, int]:
    time.sleep(0.005)
    return x * x, os.getpid(), worker_count()


def few_at_seven(x: int) -> int:
    time.sleep(0.005)
    if x == 7:
        raise InsufficientDataError("3 of 9 dates")
    return x


def odd(x: int) -> int:
    raise OddError("a", "b")


def not_to_be_sent(x: int) -> object:
    return lambda: x


def die(x: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(given: tuple[int, str]) -> int:
    """Kill the worker in the middle of a sweep, the first time only."""
    x, mark = given
    time.sleep(0.02)
    if x == 5 and not Path(mark).exists():
        Path(mark).touch()
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
        time.sleep(20)
    return x * 3


def orthogonal_of_block(unit: "Unit") -> "UnitResult":
    """Residual IC of one block of dates: reads the partition by its path and returns small arrays."""
    from pureplay.stats.orthogonal import forward_orders, orthogonal_days
    from pureplay.studies.units import UnitResult

    block = unit.given
    read = block.read()
    made = orthogonal_days(read["signal"] ** unit.description["power"], read["base"], forward_orders(read["forward"]))
    return UnitResult(
        arrays={"ic": made.ic, "reason": made.reason, "left": made.left, "dropped": made.dropped},
        facts={"first": block.first, "host": socket.gethostname()},
    )


def small_unit(unit: "Unit") -> "UnitResult":
    """A quick unit with chance from its description, for sweeps that are killed."""
    from pureplay.studies.units import UnitResult

    time.sleep(0.01)
    rng = np.random.default_rng(unit.description["seed"])
    return UnitResult(arrays={"x": rng.normal(size=5000)}, facts={"seed": unit.description["seed"], "名": "值"})
