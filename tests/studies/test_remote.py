"""The study on a cluster of two processes: the figures of a serial run, date blocks read by path, and a worker that is killed."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import DatasetError
from pureplay.evaluate.robustness import run_bases
from pureplay.studies import study as study_module
from pureplay.studies.ground import build_signal, lay_ground
from pureplay.studies.records import ProductStudy
from pureplay.studies.remote import stage_bases
from pureplay.studies.study import StudySpec, run_piece_there, run_study
from pureplay.studies.sweep import Piece, Sweep
from pureplay.studies.units import Unit, UnitStore
from tests import cluster_work
from tests.studies import small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.dataset(tmp_path_factory.mktemp("remote") / "data", sessions=200)


def spec(folder: Path, **more: Any) -> StudySpec:
    evaluation = {"split": None, "null_draws": 0, **more.pop("evaluation", {})}
    return small.spec(folder, evaluation=evaluation, study={"block_sessions": 70, **more.pop("study", {})}, **more)


def figures(made: ProductStudy) -> dict[str, Any]:
    kept = {name: value for name, value in made.to_dict().items() if name not in ("seconds", "settings")}
    return json.loads(json.dumps(kept, default=str))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def serial(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return figures(run_study(spec(folder), work=tmp_path_factory.mktemp("serial")))


@pytest.fixture(scope="module")
def two() -> Iterator[Any]:
    with cluster_work.cluster_of_two() as made:
        yield made


def test_a_date_block_read_by_path_has_the_bits_of_the_whole_run(folder: Path, tmp_path: Path) -> None:
    made = spec(folder)
    ground = lay_ground(Dataset.open(folder), made.evaluation, made.study, say=lambda _: None)
    sweep = Sweep(ground, made.signal, made.evaluation, made.battery, made.study, lambda _: None)
    score = build_signal(ground, "R", made.signal, say=lambda _: None).composite
    whole = run_bases(ground.evaluator, score, sweep.bases)
    blocks = stage_bases(tmp_path, ground, score, sweep.bases, 70)
    assert list(blocks) == [0, 70, 140]
    assert len(list(tmp_path.iterdir())) == 3
    for first, block in blocks.items():
        rows = slice(first, min(first + 70, 200))
        found = block.run()
        assert found["ic"].tobytes() == np.ascontiguousarray(whole.ic[:, :, rows]).tobytes()
        assert found["left"].tobytes() == np.ascontiguousarray(whole.left[:, rows]).tobytes()
        assert (found["names"] == whole.names[:, rows]).all()
        assert (found["reason"] == whole.reason[:, :, rows]).all()
        assert (found["fitted"] == whole.fitted[rows]).all()
    assert np.isfinite(whole.ic).sum() > 1000
    noisy = [cell.noise > 0 for cell in sweep.bases]  # noise is drawn by the number of the session in the whole sample
    assert np.isfinite(whole.ic[noisy, :, 70:]).any()
    Path(blocks[70].partition.path).unlink()
    with pytest.raises(DatasetError, match="cannot read"):
        blocks[70].run()


def test_a_cluster_gives_the_figures_of_a_serial_run(folder: Path, serial: dict[str, Any], two: Any, tmp_path: Path) -> None:
    said: list[str] = []
    made = run_study(spec(folder), work=tmp_path / "work", cluster=two.scheduler_address, progress=said.append)
    assert figures(made) == serial
    assert any(each.endswith("date blocks for the cluster") for each in said)
    assert len(list((tmp_path / "work" / "blocks-R").glob("*.parquet"))) == 3
    there = two.scheduler_address  # a second run finds every piece done
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UnitStore, "put", lambda *_: pytest.fail("a piece was worked out again"))
        assert figures(run_study(spec(folder), work=tmp_path / "work", cluster=there)) == serial


def test_other_data_under_the_same_path_are_not_mixed_with_the_old(folder: Path, two: Any, tmp_path: Path) -> None:
    """Workers live longer than a study: what one of them holds of the old data must not answer for the new."""
    moved = Path(shutil.copytree(folder, tmp_path / "data"))
    quick = {"constructions": ("R",), "placebos": False, "buffers_days": (0,), "purities": (), "min_peers": (), "levels": ()}
    light = {"study": quick, "evaluation": {"shuffles": 1}}
    run_study(spec(moved, **light), work=tmp_path / "one", cluster=two.scheduler_address)
    tables = dict(small.tables(200))
    tables["bars"] = tables["bars"].with_columns(ret=pl.col("ret") * (1 + 0.3 * (pl.col("asset").cast(pl.String).hash() % 3)))
    Dataset.from_frames(tables, calendar="XSHG", notes={"synthetic": True}).write(moved)
    there = figures(run_study(spec(moved, **light), work=tmp_path / "two", cluster=two.scheduler_address))
    here = figures(run_study(spec(moved, **light), work=tmp_path / "three"))
    assert there == here


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_worker_that_is_killed_loses_nothing(folder: Path, serial: dict[str, Any], two: Any, tmp_path: Path) -> None:
    """Killed after the fifth piece, in the middle of whatever it does then."""
    pids = sorted(worker.pid for worker in two.workers.values())
    killed = threading.Event()
    kept: list[str] = []

    def say(text: str) -> None:
        kept.append(text)
        if text.startswith("R: battery: 5 of ") and not killed.is_set():
            os.kill(pids[0], signal.SIGKILL)
            killed.set()

    made = run_study(spec(folder), work=tmp_path, cluster=two.scheduler_address, progress=say)
    assert killed.is_set()
    assert figures(made) == serial
    until = time.monotonic() + 30
    while sorted(worker.pid for worker in two.workers.values() if worker.pid) == pids and time.monotonic() < until:
        time.sleep(0.05)


# ---------------------------------------------------------------- what a worker holds


@pytest.fixture
def _clean() -> Iterator[None]:
    study_module._THERE.clear()
    yield
    study_module._THERE.clear()


def unit(made: StudySpec, piece: Piece) -> Unit:
    wanted = json.dumps(made.fingerprint(Dataset.open(made.data)))
    return Unit(name=str(piece), description=asdict(piece), given=(made, piece, None, wanted))


@pytest.mark.usefixtures("_clean")
def test_a_worker_holds_the_ground_of_one_study(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[int] = []
    lay = study_module.lay_ground
    monkeypatch.setattr(study_module, "lay_ground", lambda *a, **k: laid.append(1) or lay(*a, **k))
    one, other = spec(folder), spec(folder, signal={"window_sessions": 30})
    piece = Piece(construction="R", kind="placebo", name="own_return")
    for made in (one, one, other, other, one):
        run_piece_there(unit(made, piece))
        assert len(study_module._THERE) == 1
    assert len(laid) == 3


@pytest.mark.usefixtures("_clean")
def test_a_worker_with_other_data_says_so(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / "data"))
    given = unit(spec(moved), Piece(construction="R", kind="placebo", name="own_return"))
    tables = dict(small.tables(200))
    tables["bars"] = tables["bars"].with_columns(ret=pl.col("ret") * 0.5)
    Dataset.from_frames(tables, calendar="XSHG").write(moved)
    with pytest.raises(DatasetError, match="is not what the run was started with: give every worker the same files"):
        run_piece_there(given)


@pytest.mark.usefixtures("_clean")
def test_threads_of_one_worker_take_turns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep holds one construction at a time: two threads inside would take R from under S."""
    inside, most = [0], [0]

    def run(self: Sweep, piece: Piece) -> dict[str, Any]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.05)
        inside[0] -= 1
        return {}

    monkeypatch.setattr(Sweep, "run", run)
    made = spec(folder)
    pieces = [Piece(construction=c, kind="placebo", name="own_return") for c in ("R", "S", "R", "S")]  # type: ignore[arg-type]
    threads = [threading.Thread(target=run_piece_there, args=(unit(made, each),)) for each in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
