"""Blocks of dates as files that workers of a cluster read by path.

One Parquet file a block: one row a session, one column of fixed-size lists an array. Parquet and not a memory-mapped format, because a
worker reads few arrays of a block over a network, once: a column is read without the others, every page has a checksum, whatever
else the site uses can read the files, and the arrays come as memory of the worker's own, which kernels need (numba compiles anew for
read-only views). A memory map would be about three times as fast on a local disk, where nobody needs partitions.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pureplay.errors import DatasetError, SettingError
from pureplay.storage import write_file

__all__ = ["Partition", "stage"]

_SHAPES: Final = b"pureplay"  # the key of the metadata
_NUMBERS_A_GROUP: Final = 1 << 24  # of the widest array: what is decoded at a time stays near 128 MB
_KINDS: Final = "biufmM"

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Partition:
    """Sessions [first, last) of staged arrays, in a file that every worker sees under this path."""

    path: str
    first: int
    last: int

    def read(self, names: Iterable[str] | None = None) -> dict[str, Array]:
        """The arrays, or those named, with the sessions of this block only: writable, C order, bit by bit what was staged.

        Raises DatasetError where the file is absent, damaged or of another block; SettingError for a name that was not staged.
        """
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                kept = json.loads((file.schema_arrow.metadata or {}).get(_SHAPES, b"{}"))
                if kept.get("block") != [self.first, self.last]:
                    raise DatasetError(f"{self.path} does not hold sessions {self.first} to {self.last}: stage the arrays again")
                wanted = list(kept["arrays"]) if names is None else list(names)
                unknown = [name for name in wanted if name not in kept["arrays"]]
                if unknown:
                    raise SettingError(f"{', '.join(unknown)} was not staged: {self.path} has {', '.join(kept['arrays'])}")
                columns = [str(list(kept["arrays"]).index(name)) for name in wanted]
                stored = [each for each in columns if each in file.schema_arrow.names]
                table = file.read(columns=stored)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(
                f"cannot read {self.path}: {error}: stage the arrays again, in a folder that every worker sees under the same path"
            ) from error
        return {
            name: _array(table[column] if column in stored else None, self.last - self.first, **kept["arrays"][name])
            for name, column in zip(wanted, columns, strict=True)
        }


def stage(
    folder: Path | str,
    axes_len: int,
    block_sessions: int,
    arrays: Mapping[str, Array],
    *,
    date_axis: Mapping[str, int] | None = None,
) -> list[Partition]:
    """Write arrays as blocks of `block_sessions` sessions; the last block may be shorter. Returns the blocks in their order.

    axes_len: sessions of the axes. arrays: numbers or bools; sessions lead, as in (T,), (T, N) and (T, K, N), or come second, as in
    forward returns (H, T, N). date_axis: 0 or 1 by name, needed only where both axes have that length. Each file appears whole or not
    at all; files of an earlier staging with the same blocks are replaced.
    """
    for name, value in (("axes_len", axes_len), ("block_sessions", block_sessions)):
        if value < 1:
            raise SettingError(f"{name} is {value}: give 1 or more")
    axes = {name: _date_axis(name, array, axes_len, (date_axis or {}).get(name)) for name, array in arrays.items()}
    unknown = sorted(set(date_axis or {}) - set(arrays))
    if unknown:
        raise SettingError(f"date_axis names {', '.join(unknown)}, which is none of the arrays: drop it")
    place = Path(folder).resolve()
    made = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for first in range(0, axes_len, block_sessions):
            last = min(first + block_sessions, axes_len)
            block = Partition(str(place / f"sessions-{first:06d}-{last:06d}.parquet"), first, last)
            _write(block, arrays, axes)
            made.append(block)
    except OSError as error:
        raise DatasetError(f"cannot write {place}: {error}: free space or choose another folder") from error
    return made


def _date_axis(name: str, array: Array, sessions: int, asked: int | None) -> int:
    if array.dtype.kind not in _KINDS or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        raise SettingError(f"array {name!r} has dtype {array.dtype}: give numbers of up to 64 bits or bools")
    fits = [axis for axis in (0, 1) if axis < array.ndim and array.shape[axis] == sessions]
    if asked is not None:
        fits = [axis for axis in fits if axis == asked]
    elif array.ndim < 3:
        fits = [axis for axis in fits if axis == 0]
    if not fits:
        raise SettingError(f"array {name!r} has shape {array.shape}: {sessions} sessions must lead, or come second in three dimensions")
    if len(fits) > 1:
        raise SettingError(f"array {name!r} has shape {array.shape}, of which two are {sessions}: say by date_axis which are the sessions")
    return fits[0]


def _write(block: Partition, arrays: Mapping[str, Array], axes: Mapping[str, int]) -> None:
    columns, shapes = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        axis = axes[name]
        part = np.ascontiguousarray(np.moveaxis(array, axis, 0)[block.first : block.last])
        shapes[name] = {"dtype": array.dtype.str, "rest": part.shape[1:], "axis": axis}
        if part[:1].size:
            columns[str(number)] = _lists(part)
    about = {"block": [block.first, block.last], "arrays": shapes}
    table = pa.table(columns).replace_schema_metadata({_SHAPES: json.dumps(about).encode()})
    write_file(Path(block.path), lambda out: _write_table(table, out))


def _write_table(table: pa.Table, out: BinaryIO) -> None:
    floats = [f"{field.name}.list.element" for field in table.schema if pa.types.is_floating(field.type.value_type)]
    widest = max((field.type.list_size for field in table.schema), default=1)
    pq.write_table(
        table,
        out,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        use_byte_stream_split=floats or False,  # the bytes of one place of all numbers side by side: smaller and faster to read
        write_statistics=False,
        write_page_checksum=True,
        row_group_size=max(1, _NUMBERS_A_GROUP // widest),
    )


def _lists(part: Array) -> pa.Array:
    """One list a session; bools and times as the integers that they are in memory."""
    if part.dtype.kind in "bmM":
        plain: Array = part.view(np.uint8 if part.dtype.kind == "b" else np.int64)
    else:
        plain = part.astype(part.dtype.newbyteorder("="), copy=False)
    return pa.FixedSizeListArray.from_arrays(pa.array(plain.reshape(-1)), part[0].size)


def _array(column: pa.ChunkedArray | None, sessions: int, *, dtype: str, rest: Sequence[int], axis: int) -> Array:
    """The array of a column; None stands for one without any number."""
    kind = np.dtype(dtype)
    made = np.empty((sessions, *rest), dtype=kind)
    if column is not None:
        flat, at = made.reshape(-1), 0
        for chunk in column.chunks:
            values = chunk.flatten().to_numpy(zero_copy_only=True)
            flat[at : at + values.size] = values.view(kind) if kind.kind in "bmM" else values
            at += values.size
    return np.ascontiguousarray(np.moveaxis(made, 0, axis))
