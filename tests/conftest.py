"""Settings of every test: one BLAS thread, no network, one Hypothesis profile, and the folder of real data."""

import os

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS")
os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # before numpy: a BLAS reads them once; worker processes inherit them

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
LIMITS = threadpool_limits(1, user_api="blas")  # a plugin may have imported numpy before this file was read

settings.register_profile("ci", derandomize=False, deadline=None, max_examples=50, print_blob=True)
settings.register_profile("thorough", parent=settings.get_profile("ci"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def is_local(host: object) -> bool:
    """Whether a host is this machine: empty, localhost or a loopback address."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:
        return False


def refuse(host: object) -> None:
    """Fail the test that reaches out. A pytest failure is no Exception, so a broad `except` in the code cannot hide it."""
    if not is_local(host):
        pytest.fail(f"a test reached for the network ({host!r}): pass a recorded or loopback transport instead", pytrace=True)


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Let Python sockets reach only loopback and AF_UNIX; name look-ups count as network."""

    def guarded(method: str, address_at: int) -> Any:
        original = getattr(socket.socket, method)

        def call(self: socket.socket, *arguments: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse(arguments[address_at][0])
            return original(self, *arguments)

        return call

    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *arguments: Any, **named: Any) -> Any:
        refuse(host)
        return look_up(host, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        for method, address_at in (("connect", 0), ("connect_ex", 0), ("sendto", -1)):
            patch.setattr(socket.socket, method, guarded(method, address_at))
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A log of trials and a lock box for the tests alone, processes that they start included: the user's own are never touched."""
    path = tmp_path_factory.mktemp("trials") / "trials.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUREPLAY_TRIALS", str(path))
        patch.setenv("PUREPLAY_LOCKBOX", str(path.with_name("lockbox.jsonl")))
        yield path


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real data; a test that asks for it carries the mark `realdata` too."""
    named = os.environ.get("PUREPLAY_REALDATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "realdata"
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} is no folder (set PUREPLAY_REALDATA to where it lies)")
    return folder
