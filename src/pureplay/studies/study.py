"""The whole study: constructions R and S, the robustness battery, the source's table, in one resumable run."""

import json
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset, file_sha256
from pureplay.errors import DatasetError, InsufficientDataError, TableError
from pureplay.evaluate.cell_figures import FIGURE_COLUMNS, BaseDays, battery_figures
from pureplay.evaluate.cells import Battery
from pureplay.evaluate.orthogonal import verdict
from pureplay.evaluate.robustness import delivery_invariance
from pureplay.factors.own import read_families
from pureplay.panel import FloatArray
from pureplay.parallel import source_digest
from pureplay.signals.residual import ResidualMarket
from pureplay.signals.settings import Construction, SignalSettings
from pureplay.studies.assembly import (
    BASE,
    INDUSTRIES,
    base_facts,
    base_figures,
    cell_frame,
    cells_of,
    joined_bases,
    read_factors,
    turnover_of,
    with_shuffles,
)
from pureplay.studies.clock import StageClock
from pureplay.studies.evaluation import Evaluation
from pureplay.studies.ground import Built, lay_ground, residual_frame
from pureplay.studies.headline import Findings, headline_frame, headline_rows
from pureplay.studies.momentum import data_facts, findings_frame, require_names
from pureplay.studies.records import ConstructionStudy, ProductStudy
from pureplay.studies.remote import BaseBlock, stage_bases
from pureplay.studies.settings import StudySettings
from pureplay.studies.sweep import Arrays, Piece, Sweep
from pureplay.studies.units import Unit, UnitResult, UnitStore, run_units

__all__ = ["StudySpec", "input_digest", "run_study"]

Progress = Callable[[str], None]
_AT_ONCE: Final = 2  # pieces side by side: one keeps the cores busy while the other is between its kernels; a third would want memory


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """Everything that decides a study, by path and value, so that a worker elsewhere can lay the same ground.

    data: dataset folder. factors: file of the user's own stack (Parquet or CSV); families: its file of families.
    """

    data: Path
    name: str = "product momentum"
    signal: SignalSettings = field(default_factory=SignalSettings)
    evaluation: Evaluation = field(default_factory=Evaluation)
    battery: Battery = field(default_factory=Battery)
    study: StudySettings = field(default_factory=StudySettings)
    factors: Path | None = None
    families: Path | None = None

    def settings(self) -> dict[str, Any]:
        """Settings as plain values; the construction stands with the study's."""
        signal = {name: value for name, value in self.signal.to_dict().items() if name != "construction"}
        parts = {"signal": signal, **{name: asdict(getattr(self, name)) for name in ("evaluation", "battery", "study")}}
        made: dict[str, Any] = json.loads(json.dumps(parts, default=str))
        return made

    def fingerprint(self, data: Dataset) -> dict[str, Any]:
        """What every unit of the study depends on."""
        files = [None if path is None else input_digest(path) for path in (self.factors, self.families)]
        return {"data": data.fingerprint(), "calendar": data.calendar, "files": files, "settings": self.settings(), "code": _code()}


def _code() -> dict[str, str]:
    """What worked the numbers out: this source and the libraries whose arithmetic it uses."""
    return {"pureplay": source_digest(), **{name: version(name) for name in ("numpy", "numba", "scipy", "polars")}}


def input_digest(path: Path) -> str:
    """SHA-256 of a file of the user; raises TableError where it cannot be read."""
    try:
        return file_sha256(path)
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror}): give the path of your file of factors or families") from error


def run_study(spec: StudySpec, *, work: Path, cluster: str | None = None, progress: Progress | None = None) -> ProductStudy:
    """The study of a dataset on disk.

    work: folder of finished units; a run that was killed goes on from there, and a run with other data, settings or code begins anew.
    cluster: address of a dask scheduler that takes the units, None = this process. Raises what the parts raise; a construction whose
    scores cannot be evaluated is told of in the result.
    """
    clock = StageClock(progress or (lambda _: None))
    data = Dataset.open(spec.data)
    with UnitStore(work, spec.fingerprint(data)) as store:
        notes: tuple[str, ...] = ()
        if store.discarded:
            notes = (f"{store.discarded} finished pieces of an earlier run belonged to other data, settings or code, and were removed",)
            clock.say(notes[0])
        sweep = _sweep(spec, data, clock)
        made = {each: _construction(sweep, spec, each, store, cluster, clock) for each in spec.study.constructions}
        if store.damaged:
            notes += (f"{store.damaged} finished pieces of an earlier run were damaged, and were worked out again",)
    ground = sweep.ground
    rows = [row for each, findings in made.values() for row in (headline_rows(findings) if findings is not None else [])]
    return ProductStudy(
        name=spec.name,
        synthetic=bool(data.notes.get("synthetic", False)),
        settings=spec.settings(),
        data=data_facts(data, ground.market),
        base=base_facts(ground),
        headline=headline_frame(rows),
        constructions={name: each for name, (each, _) in made.items()},
        refused=findings_frame(data),
        notes=(*ground.notes, *notes),
        seconds=clock.seconds,
    )


def _sweep(spec: StudySpec, data: Dataset, clock: StageClock) -> Sweep:
    with clock.stage("market, base factors, forward returns"):
        own = None if spec.factors is None else read_factors(spec.factors)
        families = None if spec.families is None else read_families(spec.families)
        ground = lay_ground(data, spec.evaluation, spec.study, own=own, families=families, say=clock.say)
    return Sweep(ground, spec.signal, spec.evaluation, spec.battery, spec.study, clock.say)


_THERE: dict[tuple[StudySpec, str], Sweep] = {}  # of one study at a time: a ground is large
_ALONE = threading.Lock()  # a worker may have several threads, and a sweep holds one construction at a time


def _sweep_there(spec: StudySpec, wanted: str) -> Sweep:
    """The ground as a worker of a cluster lays it, once for all units of a study; raises DatasetError where it finds other data."""
    if (spec, wanted) not in _THERE:
        _THERE.clear()
        data = Dataset.open(spec.data)
        if json.dumps(spec.fingerprint(data)) != wanted:
            raise DatasetError(
                f"on {socket.gethostname()}, {spec.data} or a file of factors beside it is not what the run was started with: give every "
                "worker the same files under the same paths, and start again"
            )
        _THERE[spec, wanted] = _sweep(spec, data, StageClock(lambda _: None))
    return _THERE[spec, wanted]


def run_piece_there(unit: Unit) -> UnitResult:
    """A unit on a worker of a cluster: a date block reads its own file, a signal built anew reads the dataset, once for all its units."""
    spec, piece, block, wanted = unit.given
    if block is not None:
        return UnitResult(arrays=block.run())
    with _ALONE:
        return UnitResult(arrays=_sweep_there(spec, wanted).run(piece))


def _construction(
    sweep: Sweep, spec: StudySpec, name: Construction, store: UnitStore, cluster: str | None, clock: StageClock
) -> tuple[ConstructionStudy, Findings | None]:
    with clock.stage(f"{name}: scores and controls"):
        built = sweep.built(name)
    ground = sweep.ground
    blank = _blank(built)
    try:
        require_names(built.composite, spec.evaluation)
        with clock.stage(f"{name}: verdict"):
            judged = verdict(ground.headline, f"{name} composite", built.composite, built.controls, notes=built.notes)
    except InsufficientDataError as error:
        return replace(blank, not_evaluable=str(error)), None
    score = built.composite
    with clock.stage(f"{name}: turnover, delivery"):
        held = turnover_of(ground, score, spec.battery)
        delivery = delivery_invariance(ground.headline, score).difference
    pieces, skipped = sweep.pieces(name, beside=[each.name for each in judged.controls if not each.identical])
    arrays = _run_pieces(sweep, spec, name, pieces, store, cluster, clock)
    days = joined_bases(pieces, arrays)
    with clock.stage(f"{name}: bases with industries"):
        bases = base_figures(ground, judged.orthogonal, sweep.bases, days, score)
    figures = battery_figures(ground.evaluator, sweep.bases, days)
    dealt = [made for piece, made in zip(pieces, arrays, strict=True) if piece.kind == "shuffle"]
    judged = with_shuffles(judged, spec.evaluation.shuffles, dealt, ground.headline)
    done = replace(
        blank,
        verdict=judged,
        bases=bases,
        figures=figures,
        cells=cells_of(sweep, built, pieces, arrays),
        turnover=held,
        delivery=delivery,
        skipped=tuple(skipped),
    )
    findings = Findings(
        construction=name,
        sessions=ground.market.axes.sessions,
        timing=ground.evaluator.timing,
        orthogonal=judged.orthogonal,
        with_industries=bases.get(BASE + INDUSTRIES),
        figures=figures,
        series=_series_of(sweep, days),
        turnover=held,
        delivery=delivery,
    )
    return done, findings


def _blank(built: Built) -> ConstructionStudy:
    """A construction without figures: what is left where nothing can be evaluated."""
    return ConstructionStudy(
        construction=built.construction,
        verdict=None,
        not_evaluable=None,
        bases={},
        figures=pl.DataFrame(schema=FIGURE_COLUMNS),
        cells=cell_frame([]),
        turnover=None,
        delivery=float("nan"),
        residualisation=residual_frame(built.market) if isinstance(built.market, ResidualMarket) else None,
        coverage=built.coverage,
        scored_rows=int(np.isfinite(built.composite).sum()),
    )


def _run_pieces(
    sweep: Sweep, spec: StudySpec, name: Construction, pieces: Sequence[Piece], store: UnitStore, cluster: str | None, clock: StageClock
) -> list[Arrays]:
    """Daily results of all pieces in their order; those that an earlier run has finished come from the store."""
    blocks: dict[int, BaseBlock] = {}
    if cluster is not None:
        with clock.stage(f"{name}: date blocks for the cluster"):
            place = store.folder / f"blocks-{name}"
            blocks = stage_bases(place, sweep.ground, sweep.built(name).composite, sweep.bases, spec.study.block_sessions)
    wanted = "" if cluster is None else json.dumps(spec.fingerprint(sweep.ground.data))
    units = [
        Unit(name=str(each), description=asdict(each), given=(spec, each, blocks.get(each.first) if each.kind == "bases" else None, wanted))
        for each in pieces
    ]
    do = run_piece_there if cluster is not None else lambda unit: UnitResult(arrays=sweep.run(unit.given[1]))
    with clock.stage(f"{name}: battery"):
        results = run_units(store, units, do, cluster=cluster, at_once=_AT_ONCE, progress=clock.counted(f"{name}: battery"))
    return [each.arrays for each in results]


def _series_of(sweep: Sweep, days: BaseDays) -> Callable[[str, str, int], FloatArray | None]:
    """Daily IC of a base by group, label and horizon; the first draw where there are several."""
    horizons = sweep.ground.evaluator.horizons

    def series(group: str, label: str, horizon: int) -> FloatArray | None:
        at = [k for k, cell in enumerate(sweep.bases) if (cell.group, cell.label) == (group, label)]
        return days.ic[at[0], horizons.index(horizon)] if at and horizon in horizons else None

    return series
