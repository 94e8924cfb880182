"""Work in threads: every unit once, in order, with the right number of threads, and errors that come through."""

import threading

import numpy as np
import pytest
import threadpoolctl
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError
from pureplay.parallel import over_blocks, worker_count


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
def test_an_error_in_a_block_comes_through(workers: int, at: int) -> None:
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
