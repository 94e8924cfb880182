"""Work in threads: every unit once, in order, with the right number of threads, and errors that come through."""

import threading

import numpy as np
import pytest
import threadpoolctl
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError
from pureplay.parallel import over_blocks, over_units, worker_count


@pytest.fixture(params=["1", "2", "5"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("PUREPLAY_WORKERS", request.param)
    return int(request.param)


@given(st.integers(0, 300), st.integers(1, 7))
def test_blocks_cover_every_place_once(total: int, workers: int) -> None:
    seen = np.zeros(total, dtype=int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUREPLAY_WORKERS", str(workers))

        def work(start: int, stop: int) -> None:
            assert start < stop
            seen[start:stop] += 1

        over_blocks(work, total)
    assert (seen == 1).all()


def test_results_come_in_the_order_of_the_units(workers: int) -> None:
    calls: list[tuple[int, int]] = []
    found = over_units(lambda unit: unit * 2, range(40), progress=lambda done, total: calls.append((done, total)))
    assert found == [2 * unit for unit in range(40)]
    assert calls == [(done, 40) for done in range(1, 41)]
    assert over_units(lambda unit: unit, []) == []


def test_work_is_spread_and_blas_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", "2")
    both = threading.Barrier(2, timeout=20)

    def work(unit: int) -> int:
        both.wait()  # passes only where two units run at a time
        return max((each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"), default=1)

    assert over_units(work, range(4)) == [1] * 4


@pytest.mark.parametrize("at", [0, 7])
def test_an_error_in_a_unit_comes_through(workers: int, at: int) -> None:
    def work(unit: int) -> int:
        if unit == at:
            raise ZeroDivisionError(f"unit {unit}")
        return unit

    with pytest.raises(ZeroDivisionError, match=f"unit {at}"):
        over_units(work, range(8))


def test_progress_may_stop_the_work(workers: int) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        over_units(lambda unit: unit, range(8), progress=stop)


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
