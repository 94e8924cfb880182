"""Retention by what links the pairs: the groups that the news names, and those that it does not."""

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import InsufficientDataError
from pureplay.graph.arrays import PairPanel
from pureplay.graph.edges import GraphInputs, substrate
from pureplay.graph.lamps import linked_pairs
from pureplay.graph.retention import linked_pool, price_pool, retention
from pureplay.panel import BoolArray, IndexArray
from pureplay.studies.comovement_settings import ComovementSettings

__all__ = ["retention_frame"]

VintageArray = npt.NDArray[np.int64]


def retention_frame(
    inputs: GraphInputs, panel: PairPanel, numbers: VintageArray, settings: ComovementSettings, *, cosines: int
) -> pl.DataFrame:
    """Retention of every group over some vintages of the panel (see `graph.retention`), the groups without news drawn by the settings.

    Raises InsufficientDataError where no confirmed pair can be matched.
    """
    graph, ground = inputs.settings, inputs.ground
    eligible = np.stack([inputs.eligible(row) for row in panel.rows.tolist()])
    named = [substrate(inputs, row) for row in panel.rows[numbers].tolist()]
    mentioned = [(each.a, each.b) for each in named]
    pool = price_pool(
        ground.returns,
        panel,
        numbers,
        mentioned,
        eligible=eligible,
        issuer=ground.market.issuer,
        trailing=graph.trailing_sessions,
        forward=graph.forward_sessions,
        measure=graph.measure,
        names=settings.price_names,
        lowest=settings.lowest,
        peer_confirms=graph.peer_confirms,
        seed=settings.seed,
    )
    linked = linked_pool(
        ground.returns,
        panel,
        numbers,
        [_linked(inputs, row, eligible[v], settings) for v, row in zip(numbers.tolist(), panel.rows[numbers].tolist(), strict=True)],
        mentioned,
        issuer=ground.market.issuer,
        trailing=graph.trailing_sessions,
        forward=graph.forward_sessions,
        measure=graph.measure,
        lowest=settings.lowest,
        peer_confirms=graph.peer_confirms,
        seed=settings.seed,
    )
    found = retention(panel, numbers, pool, linked, lowest=settings.lowest, peer_confirms=graph.peer_confirms, cosines=cosines)
    if not found.height:
        raise InsufficientDataError(
            f"none of the {numbers.size} vintages has a confirmed pair with a trailing correlation of {settings.lowest} or more and a "
            "forward one: lower `lowest`"
        )
    return found


def _linked(inputs: GraphInputs, row: int, eligible: BoolArray, settings: ComovementSettings) -> tuple[IndexArray, IndexArray]:
    """Linked pairs among so many eligible stocks, drawn by seed and day where there are more."""
    day = int(inputs.ground.axes.sessions.dates[row].astype("datetime64[D]").astype(np.int64)) % 2**32
    some = np.random.default_rng([settings.seed, day, 1]).permutation(np.flatnonzero(eligible))[: settings.linked_names]
    chosen = np.zeros(eligible.size, dtype=np.bool_)
    chosen[some] = True
    return linked_pairs(inputs.structure, row, chosen)
