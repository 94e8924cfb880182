"""A graph on disk: one Parquet file a vintage; a vintage whose inputs are those it was built from is kept, not built again."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.apps.folders import replace_folder
from pureplay.apps.graph_notes import late_notes
from pureplay.apps.outputs import plain
from pureplay.dataset import MANIFEST, Dataset, file_sha256, write_json
from pureplay.graph.edges import GraphInputs, edges_of, load_inputs, substrate
from pureplay.graph.feed import EDGES, MODEL_FILE, PEERS, peer_lists, vintage_rows
from pureplay.graph.model import Model, require_model
from pureplay.graph.settings import GraphSettings
from pureplay.parallel import source_digest

__all__ = ["Built", "graph_fault", "write_graph"]

KIND: Final = "graph"
Progress = Callable[[str], None]
_TABLES: Final = ("segments", "filings", "taxonomy", "supply_edges", "disclosed_links", "affiliates", "assets", "industries")
_UNUSED: Final[Mapping[str, tuple[str, ...]]] = {
    "taxonomy": ("name_en", "name_zh"),
    "disclosed_links": ("period_end", "amount"),
    "assets": ("name_en", "name_zh", "exchange", "board", "delist_date"),
    "industries": ("name",),
}
"""Columns that no edge depends on."""
_KNOWN: Final = ("publish_date", "start_date", "list_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build did: vintages in the folder, how many were built anew, kept and removed as out of date, pairs of the last one, notes."""

    vintages: int
    built: int
    kept: int
    removed: int
    last: date
    pairs: int
    notes: tuple[str, ...] = ()


def graph_fault(folder: Path) -> str:
    """A graph is replaced only where its manifest says that it is one and names every file."""
    manifest = _manifest(folder)
    if manifest.get("kind") != KIND or not all(isinstance(manifest.get(each), dict) for each in ("vintages", "files")):
        return f"it is not a graph of pureplay (no {MANIFEST} of kind {KIND!r})"
    strange = list(_strange(folder, {MANIFEST, *manifest["files"]}))
    more = " and more" if len(strange) > 5 else ""
    return f"it holds {', '.join(strange[:5])}{more}, which its {MANIFEST} does not name" if strange else ""


def _strange(folder: Path, named: set[str]) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        known = name in (EDGES, PEERS) if path.is_dir() else name in named
        if path.is_symlink() or not known:
            yield name


def write_graph(
    out: Path,
    data: Dataset,
    settings: GraphSettings,
    *,
    manifest: Mapping[str, Any],
    dates: Sequence[date] | None = None,
    model: Model | None = None,
    in_sample: bool = False,
    progress: Progress,
) -> Built:
    """Write the vintages of a graph to a folder, which holds the old graph or the new one whatever happens.

    Vintages in the folder whose inputs, settings, model and code are the same are taken over by their hash, asked for or not. Those asked
    for that are not the same or not there are built; the others that are not the same are removed, and counted. The manifest names every
    file with its SHA-256. Raises SettingError for a model of another graph or version.
    """
    if model is not None:
        require_model(model, settings)
    progress("reading")
    inputs = load_inputs(data, settings)
    asked = vintage_rows(inputs, dates)
    old = _manifest(out).get("vintages", {}) if out.is_dir() and not graph_fault(out) else {}
    rows = np.union1d(asked, _held(inputs, old))
    wanted, own = frozenset(asked.tolist()), None if model is None else model.to_dict()
    progress("comparing with what the folder holds")
    seals = _seals(data, inputs, rows, {"settings": settings.to_dict(), "model": own, "in_sample": in_sample})
    made: dict[str, Any] = {}
    counts = {"built": 0, "kept": 0}

    def fill(folder: Path) -> None:
        for place in (EDGES, PEERS):
            (folder / place).mkdir()
        for number, (row, seal) in enumerate(zip(rows.tolist(), seals, strict=True)):
            day = str(inputs.ground.axes.sessions.dates[row].astype("datetime64[D]"))
            names = [f"{place}/T={day}.parquet" for place in (EDGES, PEERS)]
            if _same(out, old.get(day), seal, names):
                for name in names:
                    _take(out / name, folder / name)
                made[day] = old[day]
                counts["kept"] += 1
                continue
            if row not in wanted:
                continue
            progress(f"vintage {day}, {number + 1} of {rows.size}")
            made[day] = {"seal": seal, **_write(folder, names, edges_of(inputs, row, model=model, in_sample=in_sample))}
            counts["built"] += 1
        if model is not None:
            write_json(folder / MODEL_FILE, model.to_dict())
        files = dict(_hashes(folder, made))
        write_json(folder / MANIFEST, plain({"kind": KIND, **manifest, "settings": settings.to_dict(), "vintages": made, "files": files}))

    replace_folder(out, fill, fault=graph_fault)
    return _built(made, counts, removed=len(set(old) - set(made)), notes=late_notes(inputs, dates or ()))


def _built(made: Mapping[str, Any], counts: Mapping[str, int], *, removed: int, notes: Sequence[str]) -> Built:
    last = max(made)
    day, pairs = date.fromisoformat(last), made[last]["pairs"]
    return Built(vintages=len(made), last=day, pairs=pairs, removed=removed, notes=tuple(notes), **counts)


def _held(inputs: GraphInputs, old: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    """Sessions of the vintages that a folder holds, without those that the data no longer have or that lack a whole window."""
    dates = inputs.ground.axes.sessions.dates.astype("datetime64[D]")
    rows: npt.NDArray[np.int64] = np.flatnonzero(np.isin(dates.astype(str), list(old))).astype(np.int64)
    return rows[rows + 1 >= inputs.settings.trailing_sessions]


def _write(folder: Path, names: Sequence[str], edges: pl.DataFrame) -> dict[str, Any]:
    for name, frame in zip(names, (edges, peer_lists(edges)), strict=True):
        frame.write_parquet(folder / name, compression="zstd", compression_level=1)
    hashes = [file_sha256(folder / name) for name in names]
    return {"edges_sha256": hashes[0], "peers_sha256": hashes[1], "pairs": edges.height}


def _hashes(folder: Path, made: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """SHA-256 of every file of the graph by its name in the folder."""
    if (folder / MODEL_FILE).is_file():
        yield MODEL_FILE, file_sha256(folder / MODEL_FILE)
    for day, record in made.items():
        yield f"{EDGES}/T={day}.parquet", record["edges_sha256"]
        yield f"{PEERS}/T={day}.parquet", record["peers_sha256"]


def _same(out: Path, record: Any, seal: str, names: Sequence[str]) -> bool:
    if not isinstance(record, dict) or record.get("seal") != seal:
        return False
    hashes = (record.get("edges_sha256"), record.get("peers_sha256"))
    return all((out / name).is_file() and file_sha256(out / name) == wanted for name, wanted in zip(names, hashes, strict=True))


def _take(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _seals(data: Dataset, inputs: GraphInputs, rows: npt.NDArray[np.int64], common: Mapping[str, Any]) -> list[str]:
    """Digest of everything that a vintage is made of: settings, code, returns of the window, pairs of the news, links known by then."""
    made_by = {"code": source_digest(), **{name: version(name) for name in ("polars", "numpy", "numba")}}
    base = json.dumps({**common, **made_by}, sort_keys=True, default=str).encode()
    axes, length = inputs.ground.axes, inputs.settings.trailing_sessions
    known = _known_sums(data, inputs.settings, axes.sessions.dates[rows].astype("datetime64[D]"))
    codes = pl.Series(axes.assets, dtype=pl.String)
    out = []
    for row, facts in zip(rows.tolist(), known, strict=True):
        block = inputs.ground.returns[row + 1 - length : row + 1]
        there = np.isfinite(block).any(axis=0)
        days = axes.sessions.dates[row + 1 - length : row + 1].astype("datetime64[D]").astype(np.int64)
        parts = [_names(codes, np.flatnonzero(there)), days.tobytes(), np.ascontiguousarray(block[:, there]).tobytes()]
        pairs = substrate(inputs, row)
        parts += [_names(codes, pairs.a), _names(codes, pairs.b), pairs.strength.tobytes(), pairs.days.tobytes(), repr(facts).encode()]
        seal = hashlib.sha256(base)
        for part in parts:
            seal.update(len(part).to_bytes(8, "big") + part)
        out.append(seal.hexdigest())
    return out


def _names(codes: pl.Series, columns: npt.NDArray[np.integer]) -> bytes:
    """Codes and not their numbers or fixed-width text: both change once other stocks are listed."""
    return "\n".join(codes.gather(columns)).encode()


def _known_sums(data: Dataset, settings: GraphSettings, days: npt.NDArray[np.datetime64]) -> list[tuple[str | int, ...]]:
    """For each day a checksum of the rows of every table of links that were known by then, whatever their order.

    A row counts from its last date of knowledge on, an end date from that date on: a later one is not known yet.
    """
    columns: list[tuple[str, npt.NDArray[np.uint64]]] = []
    for name in _TABLES:
        if not data.has(name) or (name == "industries" and not settings.schemes):  # else they act through returns alone
            continue
        frame = data.frame(name, sorted({*data.columns(name)} - {*_UNUSED.get(name, ())}))
        # text, since the number behind a category is another one in another process
        frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
        dates = [pl.col(each) for each in _KNOWN if each in frame.columns]
        known = frame.select(pl.max_horizontal(dates) if dates else pl.lit(None, dtype=pl.Date)).to_series()
        columns.append((name, _running(known, frame.drop("end_date", strict=False).hash_rows(seed=1), days)))
        if "end_date" in frame.columns:
            columns.append((f"{name} that ended", _running(frame["end_date"], frame.hash_rows(seed=2), days, ends=True)))
    return [tuple(part for name, column in columns for part in (name, int(column[k]))) for k in range(days.size)]


def _running(known: pl.Series, hashes: pl.Series, days: npt.NDArray[np.datetime64], *, ends: bool = False) -> npt.NDArray[np.uint64]:
    """Sum (modulo 2^64) of the hashes of rows dated no later than each day; rows without a date count from the start, ends never."""
    dates = known.to_numpy().astype("datetime64[D]")
    keep = ~np.isnat(dates) if ends else np.ones(dates.size, dtype=np.bool_)
    dates = np.where(np.isnat(dates), np.datetime64("0001-01-01"), dates)[keep]
    order = np.argsort(dates, kind="stable")
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(hashes.to_numpy()[keep][order], dtype=np.uint64)])
    found: npt.NDArray[np.uint64] = total[np.searchsorted(dates[order], days, side="right")]
    return found


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
