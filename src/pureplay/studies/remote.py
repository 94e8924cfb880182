"""The study on a cluster: date blocks of the base battery lie in files that workers read by path; rebuilt signals lay their own ground."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pureplay.evaluate.cells import BaseCell
from pureplay.evaluate.orthogonal import Evaluator
from pureplay.evaluate.robustness import run_bases
from pureplay.evaluate.summary import Timing
from pureplay.panel import Axes, FloatArray
from pureplay.sessions import Sessions
from pureplay.stats.orthogonal import Orders
from pureplay.studies.ground import Ground
from pureplay.studies.partitions import Partition, stage
from pureplay.studies.sweep import Arrays

__all__ = ["BaseBlock", "stage_bases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBlock:
    """A date block of the base battery, as it travels: where its arrays lie, and what to do with them."""

    partition: Partition
    cells: tuple[BaseCell, ...]
    names: tuple[str, ...]
    horizons: tuple[int, ...]
    min_names: int

    def run(self) -> Arrays:
        """Daily results of all bases, the bits of a run on the whole sample."""
        held = self.partition.read()
        sessions = Sessions(held["dates"].astype("datetime64[D]"), held["ordinals"], "bars")
        judge = Evaluator(
            axes=Axes(sessions, tuple(str(k) for k in range(held["score"].shape[1]))),
            base=held["base"],
            base_names=self.names,
            forward=Orders(held["forward"], held["order"], np.ascontiguousarray(held["count"].T)),
            horizons=self.horizons,
            timing=Timing(null_draws=0),
            min_names=self.min_names,
        )
        made = run_bases(judge, held["score"], self.cells, numbered_from=self.partition.first)
        return {"ic": made.ic, "names": made.names, "reason": made.reason, "left": made.left, "fitted": made.fitted}


def stage_bases(folder: Path, ground: Ground, score: FloatArray, cells: tuple[BaseCell, ...], block_sessions: int) -> dict[int, BaseBlock]:
    """Write score, base and forward returns as date blocks below a folder that all workers see; returns the blocks by first session."""
    judge = ground.evaluator
    arrays: dict[str, npt.NDArray[Any]] = {
        "score": score,
        "base": judge.base,
        "forward": judge.forward.values,
        "order": judge.forward.order,
        "count": judge.forward.count.T,
        "dates": judge.axes.sessions.dates.astype("datetime64[D]").astype("int64"),
        "ordinals": judge.axes.sessions.ordinals,
    }
    axis = {"score": 0, "base": 0, "forward": 1, "order": 1, "count": 0, "dates": 0, "ordinals": 0}
    made = stage(folder, judge.axes.shape[0], block_sessions, arrays, date_axis=axis)
    return {
        each.first: BaseBlock(partition=each, cells=cells, names=judge.base_names, horizons=judge.horizons, min_names=judge.min_names)
        for each in made
    }
