"""A graph as its users hold it: vintages of edges in memory or in a folder, peers of a stock, a discounted correlation matrix."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import DatasetError, InsufficientDataError, SettingError
from pureplay.graph.discount import DiscountMethod, discount
from pureplay.graph.edges import GraphInputs, edges_of, load_inputs
from pureplay.graph.ground import month_ends
from pureplay.graph.model import Model, require_model
from pureplay.graph.settings import GraphSettings
from pureplay.stats.given import require_whole
from pureplay.storage import file_sha256

__all__ = ["EDGES", "MODEL_FILE", "PEERS", "Graph", "build_graph", "peer_lists", "read_model", "vintage_rows"]

EDGES: Final = "comovement_edges"
PEERS: Final = "comovement_peers"
_SAID: Final = ("expected_fwd_corr", "trailing_corr", "n_lamps", "confirmed", "dark", "comention_strength")
MODEL_FILE: Final = "model_coefficients.json"
_BUILD: Final = "build one with `pureplay graph build`"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Vintages of a co-movement graph, the last one on or before a day serving that day.

    settings: what it was built with. frames: edges by vintage; or files by vintage, which are read when they are asked for and compared
    with the hash that the manifest states.
    """

    settings: Mapping[str, Any]
    frames: Mapping[date, pl.DataFrame] = field(default_factory=dict)
    files: Mapping[date, tuple[Path, str]] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path | str) -> "Graph":
        """A folder that `pureplay graph build` wrote; raises DatasetError where it is none, or files are missing."""
        root = Path(folder)
        try:
            manifest = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{root} is no graph (no manifest.json can be read: {error}): {_BUILD}") from error
        if not isinstance(manifest, dict) or manifest.get("kind") != "graph":
            raise DatasetError(f"{root} is no graph (its manifest.json does not say so): {_BUILD}")
        try:
            settings = dict(manifest["settings"])
            files = {
                date.fromisoformat(day): (root / EDGES / f"T={day}.parquet", str(record["edges_sha256"]))
                for day, record in manifest["vintages"].items()
            }
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise DatasetError(f"the manifest.json of {root} does not say what a graph's says ({error!r}): build it again") from error
        absent = [path.name for path, _ in files.values() if not path.is_file()]
        if absent:
            raise DatasetError(f"{root} lacks {len(absent)} vintages that its manifest names, such as {absent[0]}: build it again")
        return cls(settings=settings, files=files)

    @property
    def dates(self) -> tuple[date, ...]:
        """Days of the vintages, ascending."""
        return tuple(sorted({*self.frames, *self.files}))

    def edges(self, day: date) -> pl.DataFrame:
        """Edges of the vintage that serves a day: the last one on or before it. Columns of `graph.edges_of`.

        day: a date, or a moment, which counts as the date that it states. Raises SettingError for anything else, InsufficientDataError
        where no vintage is that old, DatasetError where its file was changed or has gone.
        """
        day = _date(day)
        known = [each for each in self.dates if each <= day]
        if not known:
            first = self.dates[0] if self.dates else "none"
            raise InsufficientDataError(f"the graph has no vintage on or before {day}, its first is {first}: take a later day")
        if known[-1] in self.frames:
            return self.frames[known[-1]]
        path, digest = self.files[known[-1]]
        if not path.is_file():
            raise DatasetError(f"{path} has gone since the graph was opened: build the graph again")
        if file_sha256(path) != digest:
            raise DatasetError(f"{path} is not the file that the manifest names (SHA-256 differs): build the graph again")
        return pl.read_parquet(path)

    def peers(self, asset: str, day: date, *, names: int | None = None) -> pl.DataFrame:
        """Ranked peers of a stock on a day: rank, peer and what the feed says of the pair; columns of `peer_lists`.

        names: how many, at least 1; None = all. Raises SettingError for a stock without a pair in the vintage.
        """
        if names is not None:
            require_whole(names, "names", 1)
        found = peer_lists(self.edges(day)).filter(pl.col("ts_code") == asset)
        if not found.height:
            raise SettingError(f"{asset} has no pair on {day}: check the code, or name a stock that the news names with others")
        return found if names is None else found.head(names)

    def discount(
        self,
        correlation: Any,
        day: date,
        *,
        assets: Sequence[str] | None = None,
        method: DiscountMethod = "retention",
        dark_factor: float = 0.8,
        unlisted_factor: float = 1.0,
        largest_ratio: float = 1.2,
        strength: float = 1.0,
    ) -> Any:
        """The user's own correlation matrix with dark pairs discounted, positive semi-definite; see `graph.discount`."""
        named = None if assets is None else tuple(assets)
        return discount(
            correlation,
            self.edges(day),
            assets=named,
            method=method,
            dark_factor=dark_factor,
            unlisted_factor=unlisted_factor,
            largest_ratio=largest_ratio,
            strength=strength,
        )


def build_graph(
    data: Dataset,
    settings: GraphSettings | None = None,
    *,
    dates: Sequence[date] | None = None,
    model: Model | None = None,
    in_sample: bool = False,
    progress: Progress | None = None,
) -> Graph:
    """Build vintages in memory: by default one at the last session of every month that has a whole trailing window.

    dates: vintages to build, at least one, each on its last session on or before the day. model, in_sample: see `graph.edges_of`.
    Raises SettingError for settings or days that are none and for a model of another graph or version, TableError for absent tables,
    InsufficientDataError for a day without enough sessions before it.
    """
    if settings is not None and not isinstance(settings, GraphSettings):
        raise SettingError(f"settings must be GraphSettings, not a {type(settings).__name__}: give GraphSettings(…)")
    settings = settings or GraphSettings()
    if model is not None:
        require_model(model, settings)
    inputs = load_inputs(data, settings)
    frames: dict[date, pl.DataFrame] = {}
    rows = vintage_rows(inputs, dates).tolist()
    for number, row in enumerate(rows):
        if progress is not None:
            progress(f"vintage {number + 1} of {len(rows)}")
        day = inputs.ground.axes.sessions.dates[row].astype("datetime64[D]").item()
        frames[day] = edges_of(inputs, row, model=model, in_sample=in_sample)
    return Graph(settings=settings.to_dict(), frames=frames)


def vintage_rows(inputs: GraphInputs, dates: Sequence[date] | None) -> npt.NDArray[np.int64]:
    """Sessions of the vintages asked for, ascending: of month ends, or the last on or before each day.

    Raises InsufficientDataError for a day without enough sessions before it, SettingError for an empty list and for what is no day.
    """
    axes, needed = inputs.ground.axes, inputs.settings.trailing_sessions
    if dates is None:
        rows = month_ends(axes, sessions=needed)
        if not rows.size:
            raise InsufficientDataError(f"no month ends with {needed} sessions up to it: give more bars, name dates, or shorten the window")
        return rows
    dates = [_date(day) for day in dates]
    if not dates:
        raise SettingError("no day is named: give at least one, or None for every month end")
    rows = np.array([int(np.searchsorted(axes.sessions.dates, np.datetime64(day), side="right")) - 1 for day in dates], dtype=np.int64)
    early = [day.isoformat() for day, row in zip(dates, rows.tolist(), strict=True) if row + 1 < needed]
    if early:
        raise InsufficientDataError(f"{', '.join(early)} has fewer than {needed} sessions up to it in the data: take a later day")
    return np.unique(rows)


def peer_lists(edges: pl.DataFrame) -> pl.DataFrame:
    """Ranked peers of every stock of a vintage, the `comovement_peers` feed.

    Columns trade_date, ts_code, rank (1 = best), peer, expected_fwd_corr, trailing_corr, n_lamps, confirmed, dark, comention_strength;
    in_sample where the edges have it (a forecast that has seen its outcome).

    By expected_fwd_corr; pairs without one, which are all where there is no model, by whether they are confirmed, then by trailing_corr,
    strength and code; null comes last. Sorted by ts_code and rank.
    """
    said = (*_SAID, *(["in_sample"] if "in_sample" in edges.columns else []))
    both = pl.concat(
        [
            edges.select("trade_date", pl.col(one).alias("ts_code"), pl.col(other).alias("peer"), *said)
            for one, other in (("ts_a", "ts_b"), ("ts_b", "ts_a"))
        ]
    )
    keys = ["ts_code", "expected_fwd_corr", "confirmed", "trailing_corr", "comention_strength", "peer"]
    order = both.sort(keys, descending=[False, True, True, True, True, False], nulls_last=True)
    ranked = order.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("ts_code"))
    return ranked.select("trade_date", "ts_code", "rank", "peer", *said)


def _date(day: object) -> date:
    """The day itself; a moment is the day that it states."""
    if isinstance(day, datetime):
        return day.date()
    if not isinstance(day, date):
        raise SettingError(f"a day must be a datetime.date, not {day!r}: give date(2022, 6, 30)")
    return day


def read_model(path: Path | str) -> Model:
    """The model in a JSON file; raises DatasetError where it cannot be read or is none."""
    try:
        return Model.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} holds no model coefficients ({error}): give the {MODEL_FILE} of `pureplay graph study`") from error
