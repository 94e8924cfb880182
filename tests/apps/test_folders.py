"""Nothing but an old result of ours is ever replaced, and never by a part of a new one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pureplay.apps.folders import file_place, folder_place, replace_folder, require_apart, run_fault, synthetic_fault, write_file
from pureplay.apps.pipeline import import_files, run_config, run_demo, simulate, write_signal
from pureplay.dataset import Dataset
from pureplay.errors import DatasetError
from pureplay.signals.settings import SignalSettings


def fill(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "summary.json").write_text(text, encoding="utf-8")
        (folder / "manifest.json").write_text(json.dumps({"kind": "run", "files": {"summary.json": ""}}), encoding="utf-8")

    return write


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def never(_: Path) -> None:
    pytest.fail("nothing may be written")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A small synthetic dataset."""
    out = tmp_path / "data"
    simulate(out, settings={"stocks": 40, "sessions": 60, "seed": 3}, progress=lambda done, total: None)
    return out


def real(folder: Path) -> None:
    """Make the dataset one that does not say it is synthetic."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["notes"]["synthetic"] = False
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_run_is_replaced_by_the_next(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    replace_folder(out, fill("old"), fault=run_fault)
    replace_folder(out, fill("new"), fault=run_fault)
    assert (out / "summary.json").read_text(encoding="utf-8") == "new"
    assert [path.name for path in out.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), pl.exceptions.ComputeError("No space left on device")])
def test_a_run_that_fails_half_way_leaves_the_old_one(tmp_path: Path, error: Exception) -> None:
    out = tmp_path / "run"

    def fails(folder: Path) -> None:
        fill("new")(folder)
        raise error

    replace_folder(out, fill("old"), fault=run_fault)
    with pytest.raises(DatasetError, match=r"No space left.*unchanged"):
        replace_folder(out, fails, fault=run_fault)
    assert (out / "summary.json").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_that_is_stopped_between_the_two_renames_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    replace_folder(out, fill("old"), fault=run_fault)
    rename = Path.rename

    def stopped(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        replace_folder(out, fill("new"), fault=run_fault)
    assert (out / "summary.json").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_file_put_there_while_the_run_was_made_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    replace_folder(out, fill("old"), fault=run_fault)

    def meanwhile(folder: Path) -> None:
        fill("new")(folder)
        (out / "thesis.txt").write_text("x", encoding="utf-8")

    with pytest.raises(DatasetError, match=r"holds thesis\.txt"):
        replace_folder(out, meanwhile, fault=run_fault)
    assert {path.name for path in out.iterdir()} == {"summary.json", "manifest.json", "thesis.txt"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"thesis.txt": "x"}, "not a run of pureplay"),
        ({"manifest.json": '{"manifest_version": 3, "name": "a browser extension"}', "background.js": "x"}, "not a run of pureplay"),
        ({"manifest.json": '{"kind": "run"}', "x.txt": "x"}, "not a run of pureplay"),
        ({"manifest.json": '["run"]'}, "not a run of pureplay"),
        ({"manifest.json": "{"}, "not a run of pureplay"),
        ({"manifest.json": '{"kind": "run", "files": {"a": ""}}', "a": "x", "notes.md": "mine"}, "holds notes.md, which its manifest.json"),
        ({"manifest.json": '{"kind": "run", "files": {"a": ""}}', "a": "x", "sub/b": "mine"}, "holds sub, sub/b, which"),
        ({"manifest.json": '{"kind": "run", "files": {"quarantine/b": ""}}', "quarantine/c": "mine"}, "holds quarantine/c, which"),
    ],
)
def test_a_folder_that_is_not_a_run_is_never_replaced(tmp_path: Path, files: dict[str, str], message: str) -> None:
    out = tmp_path / "precious"
    for name, text in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
    before = snapshot(out)
    with pytest.raises(DatasetError, match=message + r"[^$]*choose another --out"):
        replace_folder(out, never, fault=run_fault)
    with pytest.raises(DatasetError, match=message):
        run_demo(out, stocks=60, sessions=60, seed=1, shuffles=0, progress=lambda stage: pytest.fail("too late"))
    assert snapshot(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_run_whose_file_is_a_link_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    replace_folder(out, fill("old"), fault=run_fault)
    (out / "summary.json").rename(tmp_path / "kept.json")
    (out / "summary.json").symlink_to(tmp_path / "kept.json")
    with pytest.raises(DatasetError, match=r"holds summary\.json"):
        replace_folder(out, never, fault=run_fault)


def test_a_dataset_is_never_replaced_by_a_run(dataset: Path) -> None:
    before = snapshot(dataset)
    for out in (dataset, dataset / ".", dataset.parent / "x" / ".." / "data"):
        with pytest.raises(DatasetError, match="not a run of pureplay"):
            replace_folder(out, never, fault=run_fault)
    assert snapshot(dataset) == before


def test_a_run_is_written_apart_from_its_data(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pureplay.apps.config import read_config

    config = tmp_path / "c.toml"
    config.write_text("", encoding="utf-8")
    (tmp_path / "link").symlink_to(dataset)
    monkeypatch.chdir(dataset)
    before = snapshot(dataset)
    for out, message in (
        (dataset, "is the dataset"),
        (Path(), "is the dataset"),
        (tmp_path / "link", "is the dataset"),
        (dataset / "runs" / "one", "lies inside the dataset"),
        (tmp_path / "link" / "one", "lies inside the dataset"),
        (dataset.parent, "holds the dataset"),
        (Path(".."), "holds the dataset"),
    ):
        with pytest.raises(DatasetError, match=message + r".*choose.*nothing was written"):
            run_config(read_config(config), out, data_folder=dataset, progress=lambda stage: pytest.fail("too late"))
    assert snapshot(dataset) == before
    require_apart(tmp_path / "data2", dataset)


def test_a_synthetic_dataset_is_replaced_by_the_next(dataset: Path) -> None:
    (dataset / ".writing").touch()
    simulate(dataset, settings={"stocks": 30, "sessions": 60, "seed": 4}, progress=lambda done, total: None)
    assert Dataset.open(dataset).frame("bars")["asset"].n_unique() <= 30
    assert [path.name for path in dataset.parent.iterdir()] == ["data"]


def mine(folder: Path) -> None:
    (folder / "notes.md").write_text("mine", encoding="utf-8")


def mine_aside(folder: Path) -> None:
    (folder / "quarantine").mkdir()
    (folder / "quarantine" / "notes.md").write_text("mine", encoding="utf-8")


def own_bars(folder: Path) -> None:
    pl.DataFrame({"mine": [1]}).write_parquet(folder / "bars.parquet")


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def damaged(folder: Path) -> None:
    (folder / "manifest.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (real, "its manifest does not say so"),
        (mine, r"holds notes\.md"),
        (mine_aside, r"holds quarantine, quarantine/notes\.md"),
        (own_bars, r"bars\.parquet is no longer what the manifest says"),
        (no_manifest, "it is not a synthetic dataset"),
        (damaged, "it is not a synthetic dataset"),
    ],
)
def test_any_other_dataset_is_never_replaced_by_a_synthetic_one(dataset: Path, change: Callable[[Path], None], message: str) -> None:
    change(dataset)
    before = snapshot(dataset)
    with pytest.raises(DatasetError, match=message):
        simulate(dataset, settings={}, progress=lambda done, total: pytest.fail("too late"))
    assert snapshot(dataset) == before


def test_a_run_is_never_replaced_by_a_dataset(tmp_path: Path) -> None:
    replace_folder(tmp_path / "run", fill("old"), fault=run_fault)
    with pytest.raises(DatasetError, match="not a synthetic dataset"):
        replace_folder(tmp_path / "run", never, fault=synthetic_fault)


def test_a_folder_below_a_file_or_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(DatasetError, match="is a file: give --out a folder"):
        folder_place(tmp_path / "file", run_fault)
    with pytest.raises(DatasetError, match=r"lies below .*file, which is a file: choose another --out"):
        folder_place(tmp_path / "file" / "a" / "b", run_fault)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(DatasetError, match="is not writable: choose another --out"):
        folder_place(tmp_path / "new", run_fault)
    with pytest.raises(DatasetError, match="is not writable: choose another --out"):
        file_place(tmp_path / "new.parquet")


def test_the_folder_one_stands_in_keeps_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "run" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    with pytest.raises(DatasetError, match=r"is the folder you stand in: give --out a folder in it, such as run"):
        replace_folder(Path(), never, fault=run_fault)
    replace_folder(Path("run"), fill("new"), fault=run_fault)
    assert (inner / "run" / "summary.json").exists()


def test_a_link_that_bites_its_tail_says_so(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DatasetError, match="cannot be followed"):
        folder_place(tmp_path / "loop" / "run", run_fault)


def test_scores_are_never_written_into_a_dataset_or_a_run(dataset: Path, tmp_path: Path) -> None:
    replace_folder(tmp_path / "run", fill("old"), fault=run_fault)
    before = snapshot(tmp_path)
    for out in (dataset / "bars.parquet", dataset / "new.parquet", dataset / "quarantine" / "deep" / "s.parquet", tmp_path / "run" / "s"):
        with pytest.raises(DatasetError, match=r"holds a manifest\.json \(a dataset or a run\): choose a place outside"):
            write_signal(dataset, SignalSettings(), out, progress=lambda stage: pytest.fail("too late"))
    with pytest.raises(DatasetError, match="is a folder: give --out the name of a file"):
        write_signal(dataset, SignalSettings(), dataset.parent, progress=lambda stage: pytest.fail("too late"))
    assert snapshot(tmp_path) == before


def test_a_file_is_old_or_new(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "s.txt"

    def sound(path: Path) -> None:
        path.write_text("old", encoding="utf-8")

    def fails(path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    write_file(out, sound)
    with pytest.raises(DatasetError, match=r"No space left.*free space or choose another --out"):
        write_file(out, fails)
    assert out.read_text(encoding="utf-8") == "old"
    assert [path.name for path in out.parent.iterdir()] == ["s.txt"]
    with pytest.raises(DatasetError, match="is what is being read"):
        write_file(out, never, inputs=[out])
    with pytest.raises(DatasetError, match="lies below"):
        write_file(out / "below", never)


def test_a_report_that_cannot_be_written_does_not_lose_the_dataset(tmp_path: Path) -> None:
    from datetime import date

    (tmp_path / "bars.csv").write_text("day,code,pct,cap\n2024-01-02,A,1.5,10\n2024-01-03,A,2,10\n", encoding="utf-8")
    (tmp_path / "map.toml").write_text(
        '[dataset]\nname = "mine"\ncalendar = "bars"\n[[table]]\ntable = "bars"\nfiles = ["bars.csv"]\n[table.columns]\ndate = "day"\n'
        'asset = "code"\nret = {from = "pct", unit = "percent"}\ntotal_cap = "cap"\n',
        encoding="utf-8",
    )

    def again() -> None:
        import_files(tmp_path / "map.toml", tmp_path, tmp_path / "data", today=date(2025, 1, 1), progress=lambda stage: None)

    again()
    (tmp_path / "data" / "import_report.txt").unlink()
    (tmp_path / "data" / "import_report.txt").mkdir()
    with pytest.raises(
        DatasetError, match=r"is written and complete, but .*import_report\.txt could not be.*keep this copy\n(?s:.)*checks"
    ):
        again()
    assert Dataset.open(tmp_path / "data").frame("bars").height == 2
    assert not list((tmp_path / "data").glob(".import_report*"))


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    """A folder half written goes; one moved aside comes back; those of a living process and of others stay."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    mark = "0" * 32
    half, aside = tmp_path / f".run.{dead.pid}-{mark}.new", tmp_path / f".run.{dead.pid}-{mark}.old"
    alive, other = tmp_path / f".run.{os.getpid()}-{mark}.new", tmp_path / f".running.{dead.pid}-{mark}.new"
    for each in (half, aside, alive, other):
        each.mkdir()
    (aside / "kept").write_text("old", encoding="utf-8")
    (aside / "manifest.json").write_text(json.dumps({"kind": "run", "files": {"kept": ""}}), encoding="utf-8")

    def fail(folder: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(DatasetError, match="disk full"):
        replace_folder(tmp_path / "run", fail, fault=run_fault)
    assert (tmp_path / "run" / "kept").read_text(encoding="utf-8") == "old"
    assert not half.exists()
    assert not aside.exists()
    assert alive.exists()
    assert other.exists()


def test_a_file_inside_a_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "graph" / "comovement_edges").mkdir(parents=True)
    (tmp_path / "graph" / "manifest.json").write_text('{"kind": "graph"}', encoding="utf-8")
    with pytest.raises(DatasetError, match="lies inside"):
        file_place(tmp_path / "graph" / "comovement_edges" / "page.html")
