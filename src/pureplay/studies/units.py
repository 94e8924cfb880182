"""Results of units of work on disk, one file a unit, so that a killed sweep goes on where it was."""

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np

from pureplay.errors import DatasetError, SettingError
from pureplay.parallel import Progress, over_units
from pureplay.storage import MANIFEST, only_writer, remove_partials, write_file, write_json

__all__ = ["Unit", "UnitResult", "UnitStore", "run_units"]

_KIND: Final = "units"
_FORMAT: Final = 1
_ENDING: Final = ".unit"
_MAGIC: Final = b"pureplay unit 1\n"
_NAME_LETTERS: Final = 60
_KINDS: Final = "biufcmMSU"  # of numpy arrays: all but objects and records


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A piece of work. name: for readers. description: everything the result depends on, as JSON values.

    given: what `work` needs beside that and that changes no result, such as the path of a partition; it is no part of the key.
    """

    name: str
    description: Mapping[str, Any]
    given: Any = None

    @property
    def key(self) -> str:
        """The name, as far as a file can bear it, and a digest of name and description; raises SettingError for other values."""
        digest = sha256(_canonical([self.name, self.description]).encode()).hexdigest()[:20]
        return f"{re.sub(r'[^A-Za-z0-9_.=+]+', '-', self.name).strip('.-')[:_NAME_LETTERS] or 'unit'}-{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """What a unit gives: arrays (not of objects) by name, and facts as JSON values; both come back from the disk as they were."""

    arrays: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)


class UnitStore:
    """Results of units in a folder. One writer at a time; close it, or use it in a `with`.

    fingerprint: what all results depend on, as JSON values: digest of the data, settings, `pureplay.parallel.source_digest()`. Opening
    a folder that was made with another one removes its units: `discarded` says how many. `damaged` counts files that were
    found truncated or changed; such a unit counts as absent. Raises DatasetError where the folder holds other things, cannot be
    written, or another process is writing it.
    """

    def __init__(self, folder: Path | str, fingerprint: Mapping[str, Any]) -> None:
        """Take the folder, made where absent, and remove what does not belong to the fingerprint."""
        self.folder = Path(folder)
        self.discarded = 0
        self._fingerprint = _canonical(fingerprint)
        self._damaged: set[str] = set()
        self._closed = False
        try:
            with ExitStack() as taken:
                _require_own(self.folder)
                self.folder.mkdir(parents=True, exist_ok=True)
                if taken.enter_context(only_writer(self.folder)):
                    remove_partials(self.folder)
                self._begin()
                self._held = taken.pop_all()
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> "UnitStore":
        """The store itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the folder."""
        self.close()

    def close(self) -> None:
        """Let go of the folder; a closed store takes nothing more."""
        self._held.close()
        self._closed = True

    @property
    def damaged(self) -> int:
        """Units whose file was found truncated or changed since the store was opened."""
        return len(self._damaged)

    def has(self, unit: Unit) -> bool:
        """Whether a whole result of the unit is there."""
        return self.get(unit) is not None

    def get(self, unit: Unit) -> UnitResult | None:
        """The result of a unit; None where it is absent or damaged."""
        try:
            content = self._file(unit).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatasetError(f"cannot read {self._file(unit)}: {error}: repair it or remove it") from error
        body = _checked(content, self._seal(unit))
        if body is None:
            self._damaged.add(unit.key)
            return None
        return _decoded(body)

    def put(self, unit: Unit, result: UnitResult) -> None:
        """Write the result of a unit, whole or not at all; an earlier one is replaced."""
        if self._closed:
            raise DatasetError(f"the store of {self.folder} is closed: open it again")
        body = _encoded(result)
        content = _MAGIC + sha256(self._seal(unit) + body).digest() + body
        try:
            write_file(self._file(unit), lambda out: out.write(content))
        except OSError as error:
            raise self._unwritable(error) from error

    def remaining(self, units: Iterable[Unit]) -> list[Unit]:
        """Those of the units that have no whole result yet, in their order."""
        return [unit for unit in units if not self.has(unit)]

    def clear(self) -> int:
        """Remove every unit; returns how many there were."""
        files = sorted(self.folder.glob(f"*{_ENDING}"))
        try:
            for file in files:
                file.unlink()
        except OSError as error:
            raise self._unwritable(error) from error
        return len(files)

    def _begin(self) -> None:
        manifest = _manifest(self.folder)
        if manifest is None or _canonical(manifest.get("fingerprint")) != self._fingerprint:
            self.discarded = self.clear()  # before the manifest is replaced: units never stand under another fingerprint
            write_json(self.folder / MANIFEST, {"kind": _KIND, "format": _FORMAT, "fingerprint": json.loads(self._fingerprint)})

    def _file(self, unit: Unit) -> Path:
        return self.folder / f"{unit.key}{_ENDING}"

    def _seal(self, unit: Unit) -> bytes:
        """What a file must have been written for: a file that was renamed or brought from elsewhere counts as damaged."""
        return f"{self._fingerprint}\n{unit.key}\n".encode()

    def _unwritable(self, error: OSError) -> DatasetError:
        return DatasetError(f"cannot write {self.folder}: {error}: free space or choose another folder; the units that are there stay")


def run_units(
    store: UnitStore,
    units: Sequence[Unit],
    work: Callable[[Unit], UnitResult],
    *,
    cluster: str | None = None,
    at_once: int = 1,
    progress: Progress | None = None,
) -> list[UnitResult]:
    """Results of all units in their order: those in the store are taken from there, the others are worked out and put there as they end.

    A run that was killed or raised goes on where it was when it is called again. cluster, and what raises: as in
    `pureplay.parallel.over_units`. progress counts the units taken from the store as done. at_once: units that this process works
    side by side.
    """
    if len({unit.key for unit in units}) < len(units):
        raise SettingError("two units have the same name and description: give each its own")
    found = {index: result for index, unit in enumerate(units) if (result := store.get(unit)) is not None}
    missing = [index for index in range(len(units)) if index not in found]
    before = len(found)

    def keep(position: int, result: UnitResult) -> None:
        store.put(units[missing[position]], result)
        found[missing[position]] = result

    def tell(done: int, total: int, left: float | None) -> None:
        if progress is not None:
            progress(before + done, before + total, left)

    over_units(work, [units[index] for index in missing], cluster=cluster, at_once=at_once, keep=keep, progress=tell)
    return [found[index] for index in range(len(units))]


def _encoded(result: UnitResult) -> bytes:
    if not isinstance(result, UnitResult):
        raise SettingError(f"a unit gave {type(result).__name__}, not UnitResult: return UnitResult(arrays=..., facts=...)")
    arrays = {name: np.asarray(array) for name, array in result.arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise SettingError(f"array {name!r} of a unit has dtype {array.dtype}, which cannot be stored: give numbers, bools or text")
    head = json.dumps([list(arrays), _plain(result.facts)]).encode()
    out = io.BytesIO()
    out.write(len(head).to_bytes(8, "little") + head)
    for array in arrays.values():
        np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def _decoded(body: bytes) -> UnitResult:
    source = io.BytesIO(body)
    names, facts = json.loads(source.read(int.from_bytes(source.read(8), "little")))
    return UnitResult(arrays={name: np.lib.format.read_array(source, allow_pickle=False) for name in names}, facts=facts)


def _checked(content: bytes, seal: bytes) -> bytes | None:
    """Body of a file; None where it is not what was written for this seal."""
    begin = len(_MAGIC) + 32
    body = content[begin:]
    good = content.startswith(_MAGIC) and content[len(_MAGIC) : begin] == sha256(seal + body).digest()
    return body if good else None


def _canonical(content: object) -> str:
    """JSON text of a value, the same for equal values; raises SettingError where reading it back would give another value."""
    return json.dumps(_plain(content), sort_keys=True)


def _plain(content: object) -> object:
    if isinstance(content, Mapping) and all(isinstance(key, str) for key in content):
        return {key: _plain(each) for key, each in content.items()}
    if isinstance(content, list):
        return [_plain(each) for each in content]
    if content is None or isinstance(content, str | int | float):
        return content
    raise SettingError(f"{content!r} is no JSON value: give dicts with text keys, lists, text, numbers, bools or None")


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    good = isinstance(manifest, dict) and manifest.get("kind") == _KIND and manifest.get("format") == _FORMAT
    return manifest if good else None


def _require_own(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder} is a file: give the folder for the units")
    begun = f".{MANIFEST}."  # a first opening that was killed
    if folder.is_dir() and _manifest(folder) is None and not all(path.name.startswith(begun) for path in folder.iterdir()):
        raise DatasetError(f"{folder} holds other files (no {MANIFEST} of units): choose an empty or new folder, nothing was written")
