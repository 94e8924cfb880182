"""Results of units: back bit by bit, whole or not at all, of this fingerprint only, and the same after any number of kills."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import DatasetError, InsufficientDataError, SettingError
from pureplay.stats.orthogonal import forward_orders, orthogonal_days
from pureplay.studies.partitions import stage
from pureplay.studies.units import Unit, UnitResult, UnitStore, run_units
from tests import cluster_work

ROOT = Path(__file__).resolve().parents[2]
PRINT = {"data": "abc", "settings": {"min_names": 30}}
ONE = Unit(name="K=5, 2015-16", description={"columns": ["size", "beta"], "first": 0})


def result(seed: int = 0) -> UnitResult:
    rng = np.random.default_rng(seed)
    return UnitResult(arrays={"ic": rng.normal(size=(2, 9))}, facts={"n": seed})


def same(one: UnitResult | None, other: UnitResult) -> bool:
    assert one is not None
    assert list(one.arrays) == list(other.arrays)
    for name, array in other.arrays.items():
        assert one.arrays[name].dtype == array.dtype
        assert one.arrays[name].shape == array.shape
        assert one.arrays[name].tobytes() == array.tobytes()
    assert repr(one.facts) == repr(dict(other.facts))  # repr: NaN equals itself, 1 is not 1.0 and not True
    return True


@pytest.fixture
def store(tmp_path: Path) -> Iterator[UnitStore]:
    with UnitStore(tmp_path / "units", PRINT) as made:
        yield made


# ---------------------------------------------------------------- what is put comes back


def test_a_result_comes_back_bit_by_bit(store: UnitStore) -> None:
    odd = np.array([np.nan, -0.0, np.inf, 5e-324])
    odd.view(np.uint64)[0] = 0xFFF8_0000_0000_0123
    given = UnitResult(
        arrays={
            "odd": odd,
            "": np.float32([[1.5]]),
            "../up": np.arange(6, dtype=np.int8).reshape(2, 3).T,
            "flag": np.array([True, False]),
            "large": np.array([2**63 - 1, -(2**63)]),
            "empty": np.empty((0, 3)),
            "point": np.array(3.0),
            "days": np.array(["2024-01-02", "NaT"], "datetime64[D]"),
            "names": np.array(["ab", "名"]),
        },
        facts={
            "text": "名\n\ud800",
            "n": 1,
            "x": 0.1,
            "one": 1.0,
            "nan": float("nan"),
            "big": 2**70,
            "yes": True,
            "none": None,
            "in": {"a": [1, "b"]},
        },
    )
    assert store.get(ONE) is None
    assert not store.has(ONE)
    store.put(ONE, given)
    assert same(store.get(ONE), given)
    store.put(ONE, result(5))
    assert same(store.get(ONE), result(5))
    assert len(list(store.folder.iterdir())) == 2  # the manifest and one unit


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_facts_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, facts: dict[str, Any]) -> None:
    with UnitStore(tmp_path_factory.mktemp("store"), {}) as store:
        store.put(ONE, UnitResult(arrays={}, facts=facts))
        back = store.get(ONE)
    assert back is not None
    assert repr(back.facts) == repr(facts)


@pytest.mark.parametrize("facts", [{"a": (1, 2)}, {1: "a"}, {"a": {2: 3}}, {"a": np.int64(3)}, {"a": np.zeros(2)}, {"a": {1, 2}}])
def test_facts_that_would_come_back_otherwise_are_refused(store: UnitStore, facts: dict[Any, Any]) -> None:
    with pytest.raises(SettingError, match="is no JSON value: give dicts with text keys"):
        store.put(ONE, UnitResult(arrays={}, facts=facts))
    with pytest.raises(SettingError, match="is no JSON value"):
        store.has(Unit(name="a", description=facts))
    with pytest.raises(SettingError, match="is no JSON value"):
        UnitStore(store.folder.parent / "other", facts)


def test_arrays_of_objects_and_other_results_are_refused(store: UnitStore) -> None:
    with pytest.raises(SettingError, match="array 'x' of a unit has dtype object, which cannot be stored"):
        store.put(ONE, UnitResult(arrays={"x": np.array([None])}))
    with pytest.raises(SettingError, match="a unit gave dict, not UnitResult"):
        store.put(ONE, {"x": 1})  # type: ignore[arg-type]
    assert not store.has(ONE)


def test_the_key_is_of_name_and_description_and_not_of_what_is_given() -> None:
    same_key = Unit(name=ONE.name, description={"first": 0, "columns": ["size", "beta"]}, given=Path("elsewhere"))
    assert same_key.key == ONE.key
    assert ONE.key.startswith("K=5-2015-16-")
    others = [
        Unit(name=ONE.name, description={"columns": ["beta", "size"], "first": 0}),
        Unit(name=ONE.name, description={"columns": ["size", "beta"], "first": False}),
        Unit(name="K=5: 2015-16", description=ONE.description),
    ]
    assert len({ONE.key, *(each.key for each in others)}) == 4
    assert Unit(name="../..", description={}).key.startswith("unit-")
    assert len(Unit(name="x" * 500, description={}).key) < 100


# ---------------------------------------------------------------- what the folder takes and throws away


def test_another_fingerprint_discards_the_units_and_says_how_many(tmp_path: Path) -> None:
    with UnitStore(tmp_path, PRINT) as store:
        store.put(ONE, result())
        store.put(Unit(name="two", description={}), result(2))
    with UnitStore(tmp_path, {"settings": {"min_names": 30}, "data": "abc"}) as store:  # the same in another order
        assert store.discarded == 0
        assert same(store.get(ONE), result())
    with UnitStore(tmp_path, {**PRINT, "data": "abd"}) as store:
        assert store.discarded == 2
        assert store.remaining([ONE]) == [ONE]
        assert list(tmp_path.glob("*.unit")) == []
    with UnitStore(tmp_path, PRINT) as store:  # and back: nothing of the first comes up again
        assert store.discarded == 0
        assert not store.has(ONE)


def test_clear_removes_the_units_only(store: UnitStore) -> None:
    store.put(ONE, result())
    assert store.clear() == 1
    assert store.clear() == 0
    assert not store.has(ONE)
    store.put(ONE, result())
    assert store.has(ONE)


@pytest.mark.parametrize("change", ["cut", "bit", "empty", "magic", "renamed", "fingerprint"])
def test_a_damaged_unit_counts_as_absent(tmp_path: Path, change: str) -> None:
    with UnitStore(tmp_path / "a", PRINT) as store:
        store.put(ONE, result())
        (file,) = (tmp_path / "a").glob("*.unit")
        content = file.read_bytes()
        if change == "renamed":  # a good file of another unit
            store.put(Unit(name="two", description={}), result(2))
            (other,) = set((tmp_path / "a").glob("*.unit")) - {file}
            content = other.read_bytes()
        if change == "fingerprint":
            with UnitStore(tmp_path / "b", {}) as foreign:
                foreign.put(ONE, result())
            content = next((tmp_path / "b").glob("*.unit")).read_bytes()
        damage = {
            "cut": content[:-1],
            "bit": content[:-5] + bytes([content[-5] ^ 4]) + content[-4:],
            "empty": b"",
            "magic": b"x" + content[1:],
        }
        file.write_bytes(damage.get(change, content))
        assert store.damaged == 0
        assert store.get(ONE) is None
        assert store.remaining([ONE]) == [ONE]
        assert store.damaged == 1
        assert same(run_units(store, [ONE], lambda unit: result(7))[0], result(7))
        assert same(store.get(ONE), result(7))


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    with UnitStore(tmp_path, PRINT) as store:
        store.put(ONE, result())
    left = tmp_path / f".{ONE.key}.unit.{'0' * 32}.partial"
    left.write_bytes(b"half")
    mine = tmp_path / ".notes.partial"
    mine.touch()
    with UnitStore(tmp_path, PRINT) as store:
        assert not left.exists()
        assert mine.exists()
        assert store.has(ONE)


def test_a_first_opening_that_was_killed_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / f".manifest.json.{'a' * 32}.partial").write_text("{")
    with UnitStore(tmp_path, PRINT) as store:
        assert [path.name for path in store.folder.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("manifest", [None, "{", "[]", '{"schema_version": 1}', '{"kind": "units", "format": 2}'])
def test_a_folder_of_other_things_is_left_alone(tmp_path: Path, manifest: str | None) -> None:
    (tmp_path / "thesis.unit").write_text("mine")
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(DatasetError, match=r"holds other files .*choose an empty or new folder, nothing was written"):
        UnitStore(tmp_path, PRINT)
    assert (tmp_path / "thesis.unit").read_text() == "mine"
    with pytest.raises(DatasetError, match="is a file: give the folder"):
        UnitStore(tmp_path / "thesis.unit", PRINT)


def test_a_disk_that_is_full_is_told(store: UnitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(ONE, result())

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatasetError, match="No space left on device: free space"):
        store.put(ONE, result(1))
    monkeypatch.undo()
    assert same(store.get(ONE), result())
    assert not list(store.folder.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="no such lock there")
def test_a_second_writer_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    code = "import sys; from pureplay.studies.units import UnitStore\nUnitStore(sys.argv[1], {'other': 1})"
    with UnitStore(tmp_path, PRINT) as store:
        store.put(ONE, result())
        with pytest.raises(DatasetError, match="another process is writing"):
            UnitStore(tmp_path, {})
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
        assert "DatasetError: another process is writing" in done.stderr
        assert same(store.get(ONE), result())  # and nothing was discarded
    with pytest.raises(DatasetError, match="is closed: open it again"):
        store.put(ONE, result())
    with UnitStore(tmp_path, PRINT) as again:
        assert again.has(ONE)


# ---------------------------------------------------------------- sweeps


def units(count: int) -> list[Unit]:
    return [Unit(name=f"seed {seed}", description={"seed": seed}) for seed in range(count)]


def test_only_what_is_missing_is_worked_out(store: UnitStore) -> None:
    todo = units(5)
    store.put(todo[3], result(33))
    ran: list[str] = []
    told: list[tuple[int, int]] = []

    def work(unit: Unit) -> UnitResult:
        ran.append(unit.name)
        return result(unit.description["seed"])

    made = run_units(store, todo, work, progress=lambda done, total, left: told.append((done, total)))
    assert ran == ["seed 0", "seed 1", "seed 2", "seed 4"]
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert [each.facts["n"] for each in made] == [0, 1, 2, 33, 4]  # in the order of the units
    assert run_units(store, todo[::-1], lambda unit: pytest.fail("ran"))[0].facts["n"] == 4
    with pytest.raises(SettingError, match="two units have the same name and description"):
        run_units(store, [todo[0], todo[0]], work)


def test_a_sweep_that_raised_goes_on_after_the_finished(store: UnitStore) -> None:
    def work(unit: Unit) -> UnitResult:
        if unit.description["seed"] == 2:
            raise InsufficientDataError("few")
        return result()

    with pytest.raises(InsufficientDataError, match="few"):
        run_units(store, units(4), work)
    assert [unit.name for unit in store.remaining(units(4))] == ["seed 2", "seed 3"]


SWEEP = """
import sys
from pureplay.studies.units import Unit, UnitStore, run_units
from tests.cluster_work import small_unit
units = [Unit(name=f"seed {seed}", description={"seed": seed}) for seed in range(int(sys.argv[2]))]
with UnitStore(sys.argv[1], {"sweep": 1}) as store:
    run_units(store, units, small_unit, progress=lambda done, total, left: print(done, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_sweep_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    count, chance = 60, random.Random()  # the moment of a kill is chance anyway
    todo, done_before = units(count), 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", SWEEP, str(tmp_path), str(count)], stdout=subprocess.PIPE, cwd=ROOT) as sweep:
            assert sweep.stdout is not None
            assert int(sweep.stdout.readline()) == done_before  # it has begun, where the one before was killed
            time.sleep(chance.uniform(0.0, 0.2))
            sweep.kill()
        with UnitStore(tmp_path, {"sweep": 1}) as store:
            done = count - len(store.remaining(todo))
            assert store.damaged == 0  # whole units only
            assert store.discarded == 0
        assert done >= done_before  # what was done stays done
        done_before = done
    with UnitStore(tmp_path, {"sweep": 1}) as store:
        resumed = run_units(store, todo, cluster_work.small_unit)
    with UnitStore(tmp_path / "whole", {"sweep": 1}) as store:
        whole = run_units(store, todo, cluster_work.small_unit)
    assert all(same(one, other) for one, other in zip(resumed, whole, strict=True))


def test_a_kernel_on_partitions_gives_the_same_on_a_cluster_as_here(tmp_path: Path) -> None:
    sessions, assets = 24, 80
    rng = np.random.default_rng(4)
    arrays = {
        "signal": rng.normal(size=(sessions, assets)),
        "base": rng.normal(size=(sessions, 4, assets)),
        "forward": rng.normal(size=(2, sessions, assets)),
    }
    arrays["signal"][rng.random((sessions, assets)) < 0.1] = np.nan
    blocks = stage(tmp_path / "blocks", sessions, 7, arrays)
    todo = [
        Unit(name=f"power {power}, {block.first}", description={"power": power, "first": block.first}, given=block)
        for power in (1, 3)
        for block in blocks
    ]
    with UnitStore(tmp_path / "here", PRINT) as store:
        here = run_units(store, todo, cluster_work.orthogonal_of_block)
    with cluster_work.cluster_of_two() as cluster, UnitStore(tmp_path / "there", PRINT) as store:
        there = run_units(store, todo, cluster_work.orthogonal_of_block, cluster=cluster.scheduler_address)
        assert store.remaining(todo) == []
    assert all(same(one, other) for one, other in zip(there, here, strict=True))
    for power, part in ((1, there[: len(blocks)]), (3, there[len(blocks) :])):  # and the same as without partitions
        whole = orthogonal_days(arrays["signal"] ** power, arrays["base"], forward_orders(arrays["forward"]))
        assert np.isfinite(whole.ic).all()
        np.testing.assert_array_equal(np.concatenate([each.arrays["ic"] for each in part], axis=1), whole.ic)
        np.testing.assert_array_equal(np.concatenate([each.arrays["left"] for each in part]), whole.left)
