"""Blocks of dates as files: back bit by bit, only the sessions of the block, and nothing damaged is read."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import DatasetError, SettingError
from pureplay.studies.partitions import Partition, stage

RNG = np.random.default_rng(1)


def some_arrays(sessions: int, assets: int = 5) -> dict[str, npt.NDArray[Any]]:
    wide = RNG.normal(size=(sessions, 3, assets))
    wide[RNG.random(wide.shape) < 0.2] = np.nan
    wide[0, 0, :2] = -0.0, np.inf
    wide.view(np.uint64)[0, 1, 0] = 0x7FF8_0000_0000_0123  # a NaN with a payload
    return {
        "base": wide,
        "forward": RNG.normal(size=(2, sessions, assets)),
        "signal": RNG.normal(size=(sessions, assets)),
        "small": RNG.normal(size=(sessions, assets)).astype(np.float32),
        "group": RNG.integers(-1, 31, (sessions, assets)).astype(np.int32),
        "large": RNG.integers(-(2**62), 2**62, (sessions, assets)),
        "eligible": RNG.random((sessions, assets)) > 0.5,
        "days": np.datetime64("2024-01-01") + np.arange(sessions),
        "none": np.empty((sessions, 0, assets)),
        "swapped": RNG.normal(size=(sessions, assets)).astype(">f8"),
        "columns first": np.asfortranarray(RNG.normal(size=(sessions, assets))),
        "no. 1/2": RNG.normal(size=(sessions, assets))[:, ::2],
    }


def assert_same_bits(got: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.tobytes() == expected.tobytes()  # NaN by its bits too


@pytest.mark.parametrize(("sessions", "block"), [(11, 4), (12, 4), (4, 9), (6, 1)])
def test_blocks_come_back_bit_by_bit(tmp_path: Path, sessions: int, block: int) -> None:
    arrays = some_arrays(sessions)
    made = stage(tmp_path / "new" / "blocks", sessions, block, arrays)
    assert [(each.first, each.last) for each in made] == [(a, min(a + block, sessions)) for a in range(0, sessions, block)]
    for each in made:
        read = each.read()
        assert list(read) == list(arrays)
        for name, array in arrays.items():
            expected = array[:, each.first : each.last] if name == "forward" else array[each.first : each.last]
            assert_same_bits(read[name], np.ascontiguousarray(expected))
            assert read[name].flags.c_contiguous
            assert read[name].flags.writeable
    assert sorted(path.name for path in (tmp_path / "new" / "blocks").iterdir()) == sorted(Path(each.path).name for each in made)


@given(st.integers(1, 9), st.integers(1, 10), st.integers(1, 4), st.integers(0, 2**32))
def test_all_blocks_together_are_the_array(
    tmp_path_factory: pytest.TempPathFactory, sessions: int, block: int, assets: int, seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 2**64, (sessions, assets), dtype=np.uint64).view(np.float64)  # any bits at all
    made = stage(tmp_path_factory.mktemp("blocks"), sessions, block, {"x": array})
    assert_same_bits(np.concatenate([each.read()["x"] for each in made]), array)


def test_only_the_named_arrays_are_read(tmp_path: Path) -> None:
    (block,) = stage(tmp_path, 3, 3, some_arrays(3), date_axis={"base": 0, "forward": 1})
    assert list(block.read(["signal", "none"])) == ["signal", "none"]
    with pytest.raises(SettingError, match=r"beta was not staged: .* has base, forward"):
        block.read(["beta"])


def test_which_axis_is_dates_must_be_said_where_both_could_be(tmp_path: Path) -> None:
    array = RNG.normal(size=(3, 3, 2))
    with pytest.raises(SettingError, match=r"shape \(3, 3, 2\), of which two are 3: say by date_axis"):
        stage(tmp_path, 3, 2, {"x": array})
    first, _ = stage(tmp_path, 3, 2, {"x": array}, date_axis={"x": 1})
    assert_same_bits(first.read()["x"], array[:, :2].copy())
    first, _ = stage(tmp_path, 3, 2, {"x": array}, date_axis={"x": 0})
    assert_same_bits(first.read()["x"], array[:2])


@pytest.mark.parametrize(
    ("array", "settings", "message"),
    [
        (np.zeros((2, 4)), {}, "3 sessions must lead"),
        (np.zeros((2, 3)), {}, "3 sessions must lead"),
        (np.zeros((3, 4)), {"date_axis": {"x": 1}}, "3 sessions must lead"),
        (np.zeros(()), {}, "3 sessions must lead"),
        (np.full((3, 2), None), {}, "dtype object: give numbers"),
        (np.zeros((3, 2), complex), {}, "dtype complex128: give numbers"),
        (np.zeros((3, 2)), {"date_axis": {"y": 0}}, "date_axis names y, which is none of the arrays"),
        (np.zeros((3, 2)), {"block_sessions": 0}, "block_sessions is 0: give 1 or more"),
        (np.zeros((3, 2)), {"axes_len": 0}, "axes_len is 0: give 1 or more"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_staged_is_refused(tmp_path: Path, array: npt.NDArray[Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        stage(tmp_path, **{"axes_len": 3, "block_sessions": 2, "arrays": {"x": array}, **settings})
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_or_absent_block_is_told(tmp_path: Path) -> None:
    (block,) = stage(tmp_path, 40, 40, {"x": RNG.normal(size=(40, 50))})
    path = Path(block.path)
    whole = path.read_bytes()
    for place in range(len(whole) // 10, len(whole) // 2, len(whole) // 10):  # inside the numbers
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DatasetError, match="stage the arrays again"):
            block.read()
    path.write_bytes(whole[:-20])
    with pytest.raises(DatasetError, match="stage the arrays again"):
        block.read()
    path.unlink()
    with pytest.raises(DatasetError, match="in a folder that every worker sees"):
        block.read()


def test_a_block_of_other_sessions_is_not_taken(tmp_path: Path) -> None:
    block, _ = stage(tmp_path, 4, 2, {"x": np.zeros((4, 2))})
    with pytest.raises(DatasetError, match="does not hold sessions 2 to 4"):
        Partition(block.path, 2, 4).read()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="free space or choose another folder"):
        stage(tmp_path / "file", 1, 1, {"x": np.zeros((1, 1))})
