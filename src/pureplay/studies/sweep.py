"""The battery in pieces: blocks of dates under all bases, and signals built anew. A piece gives arrays that can be kept."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from pureplay.evaluate.cells import BaseCell, Battery, plan_bases
from pureplay.evaluate.orthogonal import Evaluator
from pureplay.evaluate.robustness import run_bases
from pureplay.panel import FloatArray
from pureplay.signals.composite import composite_scores
from pureplay.signals.settings import Construction, SignalSettings
from pureplay.signals.workshop import PeerWorkshop, finest_scheme
from pureplay.stats.orthogonal import orthogonal_days
from pureplay.stats.subsets import subset_days
from pureplay.studies.controls import (
    INDUSTRY,
    OWN_ONLY,
    control_score,
    deal_within_industry,
    industry_control,
    main_labels,
    schemes_by_depth,
    shuffle_source,
)
from pureplay.studies.evaluation import Evaluation
from pureplay.studies.ground import Built, Ground, build_signal
from pureplay.studies.placebos import placebo_cells, placebo_scores
from pureplay.studies.settings import StudySettings
from pureplay.studies.variants import SignalCell, variant_cells

__all__ = ["Arrays", "Piece", "Sweep", "variant_name"]

Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
Kind = Literal["bases", "signal", "variant", "winsorising", "placebo", "shuffle"]
_USUAL_MADS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of the battery.

    name: cell of its kind; for a shuffle the controls beside it, a space between. first, last: sessions (bases only). number: of the draw
    (shuffles only).
    """

    construction: Construction
    kind: Kind
    name: str = ""
    first: int = 0
    last: int = 0
    number: int = 0

    def __str__(self) -> str:
        part = {"bases": f"sessions {self.first} to {self.last}", "shuffle": f"{self.number + 1}"}.get(self.kind, self.name)
        return f"{self.construction}: {self.kind} {part}".rstrip()


class Sweep:
    """Ground and settings of a study, and the construction that was built last: pieces of one construction should follow each other."""

    def __init__(
        self,
        ground: Ground,
        signal: SignalSettings,
        evaluation: Evaluation,
        battery: Battery,
        study: StudySettings,
        say: Callable[[str], None],
    ) -> None:
        self.ground, self.signal, self.evaluation, self.study = ground, signal, evaluation, study
        self.bases: tuple[BaseCell, ...] = plan_bases(
            ground.base.names,
            ground.base.families,
            ground.base.ladder,
            replace(battery, ladder_from=min(battery.ladder_from, len(ground.base.names))),
        )
        self._ladder_from = battery.ladder_from
        self._say = say
        self._built: Built | None = None
        self._labels: np.ndarray[Any, np.dtype[np.int64]] | None = None
        self._stacked: tuple[tuple[Construction, str], FloatArray] | None = None
        self._alone = threading.Lock()

    def built(self, construction: Construction) -> Built:
        """The signal of a construction; the one before is let go."""
        if self._built is None or self._built.construction != construction:
            self._built = self._stacked = None
            self._built = build_signal(self.ground, construction, self.signal, say=self._say)
        return self._built

    def pieces(self, construction: Construction, *, beside: Sequence[str] = ()) -> tuple[list[Piece], list[str]]:
        """Everything to run for a construction, and what is left out with the reason.

        beside: controls of the nested test that the signal met, which its shuffles meet too.
        """
        settings = replace(self.signal, construction=construction)
        sessions, step = self.ground.market.axes.shape[0], self.study.block_sessions
        pieces = [
            Piece(construction=construction, kind="bases", first=at, last=min(at + step, sessions)) for at in range(0, sessions, step)
        ]
        pieces.append(Piece(construction=construction, kind="signal"))
        skipped = [f"{cell.group}: {cell.reason}" for cell in self.bases if cell.reason is not None]
        columns = len(self.ground.base.names)
        if self._ladder_from > columns:
            skipped.append(f"ladder from {self._ladder_from} columns: the base has {columns}, so there is only the whole base")
        for cell in self.variants(settings):
            if cell.skip is not None:
                skipped.append(f"{cell.group} {cell.label}: {cell.skip}")
            elif not cell.is_default:
                pieces.append(Piece(construction=construction, kind="variant", name=variant_name(cell)))
        scored = ("signal", OWN_ONLY, *([] if industry_control(self.ground.data, settings)[0] is None else [INDUSTRY]))
        pieces += [Piece(construction=construction, kind="winsorising", name=each) for each in scored]
        if self.study.placebos:
            for placebo in placebo_cells(PeerWorkshop(self.ground.data, self.ground.market), settings):
                if placebo.skip is None:
                    pieces.append(Piece(construction=construction, kind="placebo", name=placebo.name))
                else:
                    skipped.append(f"placebo {placebo.label}: {placebo.skip}")
        why = self._no_shuffle(settings)
        if why is not None:
            skipped.append(f"within-industry shuffles: {why}")
            return pieces, skipped
        draws, known = range(self.evaluation.shuffles), " ".join(beside)
        pieces += [Piece(construction=construction, kind="shuffle", name=known, number=number) for number in draws]
        return pieces, skipped

    def _no_shuffle(self, settings: SignalSettings) -> str | None:
        if settings.products != "segments":
            return "products are industry labels, so there is nothing to shuffle within an industry"
        return None if schemes_by_depth(self.ground.data) else "the dataset has no industries"

    def variants(self, settings: SignalSettings) -> tuple[SignalCell, ...]:
        """Cells of the settings grids."""
        study = self.study
        return variant_cells(
            settings, self.ground.data, buffers=study.buffers_days, purities=study.purities, min_peers=study.min_peers, levels=study.levels
        )

    def run(self, piece: Piece) -> Arrays:
        """Daily results of a piece."""
        built = self.built(piece.construction)
        if piece.kind == "bases":
            made = run_bases(self.ground.evaluator, built.composite, self.bases, first=piece.first, last=piece.last)
            return {"ic": made.ic, "names": made.names, "reason": made.reason, "left": made.left, "fitted": made.fitted}
        if piece.kind == "shuffle":
            return self._shuffle(built, piece)
        return _days_of(self.ground.headline, self._score(built, piece))

    def _score(self, built: Built, piece: Piece) -> FloatArray:
        if piece.kind == "placebo":
            control = self._control_of(piece.name, built.settings)
            if control in built.controls:
                return built.controls[control].score
            return placebo_scores(built.workshop, built.settings, piece.name, seed=self.evaluation.seed)
        if piece.kind == "signal":
            return built.composite
        if piece.kind == "winsorising":
            mads = None if built.settings.winsorise_mads is not None else _USUAL_MADS
            changed = replace(built.settings, winsorise_mads=mads)
            if piece.name == "signal":
                return composite_scores(built.market, built.workshop.peers(changed), changed)
            return control_score(self.ground.data, built.market, changed, piece.name).composite
        cell = next(each for each in self.variants(built.settings) if variant_name(each) == piece.name)
        changed = built.settings if cell.settings is None else cell.settings  # a cell that cannot be made has no piece
        return composite_scores(built.market, built.workshop.peers(changed), changed)

    def _control_of(self, placebo: str, settings: SignalSettings) -> str:
        """Name of the control that is the placebo itself, empty where none is."""
        finest, _ = industry_control(self.ground.data, settings)
        same = placebo == "industry_baskets" and finest is not None and finest == finest_scheme(self.ground.data)
        return OWN_ONLY if placebo == OWN_ONLY else INDUSTRY if same else ""

    def _shuffle(self, built: Built, piece: Piece) -> Arrays:
        """The pipeline with mixes dealt out again within each finest-level industry: its IC beyond base and the piece's controls (ic),
        beyond the base (orthogonal), and as it is (raw)."""
        peers = built.workshop.peers(built.settings)
        if self._labels is None:
            self._labels = main_labels(self.ground.data, self.ground.market.axes, schemes_by_depth(self.ground.data)[0])
        files = np.asarray((peers.mix.active >= 0).any(axis=0))
        source = shuffle_source(self._labels, files, np.random.default_rng([self.evaluation.seed, piece.number]))
        dealt = composite_scores(built.market, deal_within_industry(peers, source), built.settings)
        judge = self.ground.headline
        made = orthogonal_days(dealt, judge.base, judge.forward, extra=self._parts(built, piece.name), min_names=judge.min_names)
        return {"ic": made.ic[0], "orthogonal": judge.days(dealt).ic[0], "raw": judge.days(dealt, raw=True).ic[0]}

    def _parts(self, built: Built, names: str) -> FloatArray | None:
        """z-scores of some controls as one block, kept for all shuffles of a construction; None for no control."""
        if not names:
            return None
        key = (built.construction, names)
        with self._alone:  # pieces run side by side, and the block is of half a gigabyte at full size
            if self._stacked is None or self._stacked[0] != key:
                parts = [part for name in names.split() for part in built.controls[name].parts]
                self._stacked = (key, np.stack(parts, axis=1))
            return self._stacked[1]


def variant_name(cell: SignalCell) -> str:
    """Name of a grid cell's piece."""
    return f"{cell.group} {cell.label}"


def _days_of(judge: Evaluator, score: FloatArray) -> Arrays:
    """Orthogonal to the base, and as it is, on the same names: those with every factor."""
    columns = judge.base.shape[1]
    both = np.array([[True] * columns, [False] * columns])
    made = subset_days(score, judge.base, judge.forward, both, groups=judge.groups, eligible=judge.eligible, min_names=judge.min_names)
    return {"ic": made.ic[0, 0], "names": made.names[0], "reason": made.reason[0, 0], "left": made.left[0], "raw": made.ic[1, 0]}
