"""What a run leaves behind, written so that a crash leaves the old folder or the new one."""

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

import pureplay
from pureplay.apps.folders import RUN, replace_folder, run_fault
from pureplay.dataset import MANIFEST, Dataset, file_sha256, write_json
from pureplay.reports.tearsheet import render
from pureplay.signals.momentum import SignalBlocks
from pureplay.studies.records import MomentumStudy

__all__ = ["daily_ics", "manifest_of", "plain", "seal", "write_run", "write_scores"]

_PACKAGES: Final = ("numpy", "numba", "polars", "scipy", "pyarrow", "pandas", "exchange_calendars")
_SCORE_BLOCK_ROWS: Final = 1_500_000


def write_scores(scores: SignalBlocks, path: Path) -> int:
    """Write scores as Parquet in blocks of sessions, date then asset ascending; returns the number of rows."""
    sessions, assets = scores.market.axes.shape
    step = max(1, _SCORE_BLOCK_ROWS // assets)
    rows, writer, pending = 0, None, None
    with ThreadPoolExecutor(1) as beside:
        try:
            for first in range(0, sessions, step):
                block = scores.to_frame(first=first, last=min(first + step, sessions))
                arrow = block.with_columns(pl.col("asset").cast(pl.Categorical)).to_arrow()
                if writer is None:
                    repeated = [name for name, kind in block.schema.items() if not kind.is_float()]
                    writer = pq.ParquetWriter(path, arrow.schema, compression="zstd", compression_level=1, use_dictionary=repeated)
                if pending is not None:
                    pending.result()
                pending = beside.submit(writer.write_table, arrow.cast(writer.schema))
                rows += block.height
            if pending is not None:
                pending.result()
        finally:
            if writer is not None:
                writer.close()
    return rows


def daily_ics(study: MomentumStudy) -> pl.DataFrame:
    """Daily ICs of a study: figure, horizon_sessions, date, offset, ic, names, reason."""
    series = [*study.components.values(), *study.horizons, *study.universes.values()]
    if study.verdict is not None:
        series += [study.verdict.orthogonal, *([study.verdict.nested] if study.verdict.nested is not None else [])]
        series += [each.orthogonal for each in study.verdict.controls]
    frames = [
        each.daily.select(
            figure=pl.lit(each.name), horizon_sessions=pl.lit(each.horizon_sessions), **{c: pl.col(c) for c in each.daily.columns}
        )
        for each in series
    ]
    empty = {
        "figure": pl.String,
        "horizon_sessions": pl.Int32,
        "date": pl.Date,
        "offset": pl.Int64,
        "ic": pl.Float64,
        "names": pl.Int64,
        "reason": pl.String,
    }
    return pl.concat(frames, how="vertical_relaxed") if frames else pl.DataFrame(schema=empty)


def manifest_of(
    config: Mapping[str, Any], data: Mapping[str, Dataset], seed: int, *, trials: Mapping[str, Any] | str = "not logged"
) -> dict[str, Any]:
    """What made a number: configuration, SHA-256 of every input table, versions, seed, and where the log of trials stood."""
    versions = {"pureplay": pureplay.__version__, "python": sys.version.split()[0], "platform": platform.platform(terse=True)}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "config": dict(config),
        "seed": seed,
        "versions": versions,
        "data": {name: {"sha256": each.fingerprint(), "notes": dict(each.notes)} for name, each in data.items()},
        "trials": dict(trials) if isinstance(trials, Mapping) else trials,
    }


def write_run(
    out: Path,
    *,
    title: str,
    studies: Sequence[MomentumStudy],
    scores: Mapping[str, SignalBlocks],
    summary: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> None:
    """Write summary.json, scores, daily ICs, manifest.json and report.html to `out`, replacing an earlier run there as a whole.

    scores: file stem → scores. Raises DatasetError where the folder holds anything that is not of a run, or cannot be written.
    """

    def fill(folder: Path) -> None:
        for stem, each in scores.items():
            write_scores(each, folder / f"{stem}.parquet")
        daily = [daily_ics(each).with_columns(run=pl.lit(each.name)) for each in studies]
        pl.concat(daily, how="vertical_relaxed").write_parquet(folder / "ic_daily.parquet")
        write_json(folder / "summary.json", plain(summary))
        (folder / "report.html").write_text(render(studies, title=title, manifest=plain(manifest)), encoding="utf-8")
        seal(folder, manifest)

    replace_folder(out, fill, fault=run_fault)


def seal(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a run: what made it, and the SHA-256 of every file that stands in its folder."""
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    write_json(folder / MANIFEST, plain({"kind": RUN, **manifest, "files": files}))


def plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """JSON-ready copy: dates as text, NaN as null."""
    text = json.dumps(_finite(content), default=str, ensure_ascii=False)
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
