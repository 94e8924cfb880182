"""Work in threads: every unit once, in order, with the right number of threads, and errors that come through."""

import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import threadpoolctl
from hypothesis import given
from hypothesis import strategies as st

from pureplay import errors, parallel
from pureplay.errors import InsufficientDataError, PureplayError, SettingError
from pureplay.parallel import over_blocks, over_units, source_digest, worker_count, workers
from tests import cluster_work


@pytest.fixture(params=["1", "2", "5"])
def asked_workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("PUREPLAY_WORKERS", request.param)
    return int(request.param)


@given(st.integers(0, 300), st.integers(1, 7))
def test_blocks_cover_every_place_once(total: int, count: int) -> None:
    seen = np.zeros(total, dtype=int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUREPLAY_WORKERS", str(count))

        def work(start: int, stop: int) -> None:
            assert start < stop
            seen[start:stop] += 1

        over_blocks(work, total)
    assert (seen == 1).all()


def test_work_is_spread_and_blas_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", "2")
    both = threading.Barrier(2, timeout=20)
    seen: list[int] = []

    def work(start: int, stop: int) -> None:
        both.wait()  # passes only where two blocks run at a time
        seen.append(max((each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"), default=1))

    over_blocks(work, 4, uses_blas=True)
    assert seen == [1] * 4


def test_blas_is_held_with_one_worker_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", "1")
    seen: list[int] = []
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        over_blocks(lambda start, stop: seen.extend(_blas_threads()), 4, uses_blas=True)
        assert set(_blas_threads()) == {2}
    assert set(seen) == {1}


def _blas_threads() -> list[int]:
    return [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]


@pytest.mark.parametrize("at", [0, 7])
def test_an_error_in_a_block_comes_through(asked_workers: int, at: int) -> None:
    def work(start: int, stop: int) -> None:
        if start <= at < stop:
            raise ZeroDivisionError(f"place {at}")

    with pytest.raises(ZeroDivisionError, match=f"place {at}"):
        over_blocks(work, 8)


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5", "²", "٣"])
def test_a_count_that_is_none_is_refused(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", asked)
    with pytest.raises(SettingError, match=r"PUREPLAY_WORKERS is .*not a number of threads: set it to 1 or more"):
        worker_count()


def test_the_count_is_the_setting_or_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", " 3 ")
    assert worker_count() == 3
    monkeypatch.delenv("PUREPLAY_WORKERS")
    assert worker_count() >= 1


# ---------------------------------------------------------------- the number of threads of one run


def test_workers_of_a_run_stand_above_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", "3")
    with workers(2):
        assert worker_count() == 2
        with workers(None):
            assert worker_count() == 2
        with workers(5):
            assert worker_count() == 5
        assert worker_count() == 2
    with pytest.raises(ZeroDivisionError), workers(4):
        raise ZeroDivisionError
    assert worker_count() == 3


def test_over_blocks_uses_the_workers_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", "1")
    names: set[str] = set()
    both = threading.Barrier(2, timeout=20)

    def work(start: int, stop: int) -> None:
        both.wait()
        names.add(threading.current_thread().name)

    with workers(2):
        over_blocks(work, 2)
    assert len(names) == 2


def test_two_runs_of_one_process_do_not_disturb_each_other() -> None:
    seen: dict[int, int] = {}
    both = threading.Barrier(2, timeout=20)

    def run(count: int) -> None:
        with workers(count):
            both.wait()
            seen[count] = worker_count()
            both.wait()

    threads = [threading.Thread(target=run, args=(count,)) for count in (2, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {2: 2, 7: 7}


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True])
def test_workers_that_are_no_count_are_refused(count: Any) -> None:
    with pytest.raises(SettingError, match=r"workers is .*not a number of threads: give 1 or more"), workers(count):
        pass


# ---------------------------------------------------------------- units in this process


def test_units_run_here_in_order_and_are_kept_one_by_one() -> None:
    log: list[object] = []

    def work(x: int) -> int:
        log.append(x)
        return x + 1

    over_units(work, iter([5, 6, 7]), keep=lambda index, result: log.append((index, result)))
    assert log == [5, (0, 6), 6, (1, 7), 7, (2, 8)]  # kept before the next begins: a kill loses one unit


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (2, 2), (4, 2)])
def test_units_side_by_side_share_the_threads(threads: int, most: int) -> None:
    """Never more units at a time than threads, and no unit with more threads than its share."""
    inside: list[int] = []
    peak: list[int] = []
    shares: list[int] = []
    lock = threading.Lock()

    def work(unit: int) -> int:
        with lock:
            inside.append(unit)
            peak.append(len(inside))
            shares.append(worker_count())
        time.sleep(0.02)
        with lock:
            inside.remove(unit)
        return unit

    kept: dict[int, int] = {}
    with workers(threads):
        over_units(work, range(8), at_once=2, keep=kept.__setitem__)
    assert kept == {index: index for index in range(8)}
    assert max(peak) == most
    assert set(shares) == {max(1, threads // most)}


def test_no_units_are_no_work() -> None:
    told: list[object] = []
    over_units(cluster_work.square, [], keep=lambda *kept: told.append(kept), progress=lambda *each: told.append(each))
    assert told == [(0, 0, None)]


def test_progress_says_what_is_left_at_the_rate_so_far() -> None:
    ticks = iter([100.0, 104.0, 110.0])
    told: list[object] = []
    over_units(cluster_work.square, [1, 2], keep=lambda *_: None, progress=lambda *each: told.append(each), clock=lambda: next(ticks))
    assert told == [(0, 2, None), (1, 2, 4.0), (2, 2, 0.0)]  # one unit took 4 s and one is left; then none


def test_an_error_ends_the_run_after_the_finished_were_kept() -> None:
    kept: list[int] = []
    with pytest.raises(InsufficientDataError, match="3 of 9"):
        over_units(cluster_work.few_at_seven, range(20), keep=lambda index, result: kept.append(result))
    assert kept == list(range(7))


def test_an_error_in_keep_comes_through() -> None:
    def keep(index: int, result: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        over_units(cluster_work.square, range(3), keep=keep)


def test_a_backend_that_the_caller_named_takes_the_units() -> None:
    here: set[int] = set()
    both = threading.Barrier(2, timeout=20)

    def work(x: int) -> int:
        both.wait()  # passes only where two units run at a time
        here.add(threading.get_ident())
        return x

    kept: dict[int, int] = {}
    with joblib.parallel_config(backend="threading", n_jobs=2):
        over_units(work, range(4), keep=kept.__setitem__)
    assert kept == {x: x for x in range(4)}
    assert len(here) == 2


@pytest.mark.parametrize("name", errors.__all__)
def test_errors_survive_the_way(name: str) -> None:
    error = getattr(errors, name)("12 of 30: widen the window")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)


def test_the_source_digest_is_one_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(source_digest()) == 64
    digests = []
    for text in ("a = 1", "a = 2"):
        (tmp_path / "parallel.py").write_text(text)
        monkeypatch.setattr(parallel, "__file__", str(tmp_path / "parallel.py"))
        digests.append(source_digest.__wrapped__())
    assert len({*digests, source_digest()}) == 3


# ---------------------------------------------------------------- units on a cluster


@pytest.fixture(scope="module")
def two() -> Iterator[Any]:
    with cluster_work.cluster_of_two() as made:
        yield made


@pytest.fixture
def cluster(two: Any) -> str:
    until = time.monotonic() + 60
    while len(two.scheduler.workers) < 2:  # a test before may have killed one
        assert time.monotonic() < until
        time.sleep(0.05)
    return str(two.scheduler_address)


def test_a_cluster_gives_what_this_process_gives(cluster: str) -> None:
    kept: dict[int, tuple[int, int, int]] = {}
    told: list[tuple[int, int, float | None]] = []
    with workers(3):
        over_units(cluster_work.square, range(20), cluster=cluster, keep=kept.__setitem__, progress=lambda *each: told.append(each))
    assert {index: result[0] for index, result in kept.items()} == {x: x * x for x in range(20)}
    pids = {result[1] for result in kept.values()}
    assert os.getpid() not in pids
    assert len(pids) == 2
    assert {result[2] for result in kept.values()} == {3}  # the threads of the run travel with it
    assert [each[:2] for each in told] == [(done, 20) for done in range(21)]
    assert told[0][2] is None
    assert all(each[2] is not None and each[2] >= 0 for each in told[1:])


def test_an_error_on_a_worker_has_its_own_type_here(cluster: str) -> None:
    kept: list[int] = []
    with pytest.raises(InsufficientDataError, match="3 of 9") as caught:
        over_units(cluster_work.few_at_seven, range(200), cluster=cluster, keep=lambda index, result: kept.append(result))
    assert set(range(4)) <= set(kept) <= set(range(200)) - {7}  # four are handed out at a time: those before were done
    assert len(kept) < 50  # and few began after it
    assert "in unit 7 on " in caught.value.__notes__[0]
    assert "few_at_seven" in caught.value.__notes__[0]


def test_what_cannot_be_sent_back_is_told(cluster: str) -> None:
    with pytest.raises(RuntimeError, match=r"OddError: ab \(it cannot be sent itself"):
        over_units(cluster_work.odd, [1], cluster=cluster, keep=lambda *_: None)
    with pytest.raises(AttributeError, match=r"Can't (pickle|get) local object"):
        over_units(cluster_work.not_to_be_sent, [1], cluster=cluster, keep=lambda *_: None)


def test_an_error_in_keep_leaves_the_cluster_usable(cluster: str) -> None:
    def keep(index: int, result: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        over_units(cluster_work.square, range(20), cluster=cluster, keep=keep)
    kept: dict[int, Any] = {}
    over_units(cluster_work.square, range(3), cluster=cluster, keep=kept.__setitem__)
    assert len(kept) == 3


def test_a_worker_with_other_source_is_refused(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "source_digest", lambda: "0" * 64)
    with pytest.raises(SettingError, match="runs another pureplay: install the same version there"):
        over_units(cluster_work.square, range(3), cluster=cluster, keep=lambda *_: None)


@pytest.mark.parametrize(
    ("work", "unit"),
    [(lambda x: x, 1), (cluster_work.square, threading.Lock()), (cluster_work.square, lambda: 1)],
    ids=["work", "unit", "function"],
)
def test_what_cannot_be_sent_is_refused_before_anything_runs(cluster: str, work: Any, unit: object) -> None:
    with pytest.raises(SettingError, match=r"a unit cannot be sent to a cluster .*: give a function at the top of a module"):
        over_units(work, [1, unit], cluster=cluster, keep=lambda *_: pytest.fail("a unit ran"))


def test_a_function_of_the_script_itself_is_refused(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_work.square, "__module__", "__main__")
    with pytest.raises(SettingError, match="stands in the script that was started"):
        over_units(cluster_work.square, [1], cluster=cluster, keep=lambda *_: None)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_worker_that_dies_loses_nothing(two: Any, cluster: str, tmp_path: Path) -> None:
    units = [(x, str(tmp_path / "killed")) for x in range(30)]
    kept: list[tuple[int, int]] = []
    before = set(two.scheduler.workers)
    over_units(cluster_work.die_once, units, cluster=cluster, keep=lambda *each: kept.append(each))
    assert (tmp_path / "killed").exists()
    assert before - set(two.scheduler.workers)  # one of the two is gone
    assert sorted(kept) == [(x, x * 3) for x in range(30)]  # each once


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_unit_that_ends_every_worker_is_told(two: Any, cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two.scheduler, "allowed_failures", 0)
    with pytest.raises(SettingError, match=r"a unit ended every worker that it ran on .*smaller blocks or larger workers"):
        over_units(cluster_work.die, [1], cluster=cluster, keep=lambda *_: None)


def test_a_single_worker_thread_is_used_too(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from joblib._dask import DaskDistributedBackend

    monkeypatch.setattr(DaskDistributedBackend, "effective_n_jobs", lambda self, n_jobs: 1)  # as on a cluster with one
    pids: set[int] = set()
    over_units(cluster_work.square, range(3), cluster=cluster, keep=lambda index, result: pids.add(result[1]))
    assert os.getpid() not in pids


def test_a_scheduler_that_is_lost_is_told() -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50
    ) as lost:
        kept: list[int] = []

        def keep(index: int, result: object) -> None:
            kept.append(index)
            if len(kept) == 3:
                lost.close()

        with pytest.raises(PureplayError, match=r"the dask scheduler at tcp://.* was lost: start it again and repeat the run"):
            over_units(cluster_work.square, range(500), cluster=lost.scheduler_address, keep=keep)
    assert 3 <= len(kept) < 500


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8786", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tcp://127.0.0.1:port", "tcp://:8786"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SettingError, match="give the address of a dask scheduler, such as tcp://"):
        over_units(cluster_work.square, [1], cluster=address, keep=lambda *_: None)


def test_a_cluster_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_REACH_SECONDS", 0.3)
    with pytest.raises(SettingError, match=r"no dask scheduler answers at tcp://127.0.0.1:1 .*start one with `dask scheduler`"):
        over_units(cluster_work.square, [1], cluster="tcp://127.0.0.1:1", keep=lambda *_: None)


def test_a_cluster_without_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(parallel, "_REACH_SECONDS", 0.3)
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50) as empty,
        pytest.raises(SettingError, match="has no worker: start some with `dask worker tcp://"),
    ):
        over_units(cluster_work.square, [1], cluster=empty.scheduler_address, keep=lambda *_: None)


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r'pip install "pureplay\[cluster\]"'):
        over_units(cluster_work.square, [1], cluster="tcp://127.0.0.1:8786", keep=lambda *_: None)
