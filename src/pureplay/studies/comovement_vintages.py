"""Which month ends of the data are vintages of the co-movement study, and whether any can teach the model."""

import numpy as np

from pureplay.errors import InsufficientDataError
from pureplay.graph.edges import GraphInputs
from pureplay.graph.forecast import Split
from pureplay.graph.ground import month_ends
from pureplay.graph.settings import GraphSettings
from pureplay.studies.comovement_settings import ComovementSettings

__all__ = ["require_develop", "vintage_rows"]


def vintage_rows(inputs: GraphInputs, settings: ComovementSettings) -> tuple[np.ndarray, int]:
    """Rows of the month ends asked for, and the row up to which the graph of the last one serves: the next month end, or the last session.

    Raises InsufficientDataError where the settings leave none of those that the data have.
    """
    axes = inputs.ground.axes
    every = month_ends(axes, sessions=inputs.settings.trailing_sessions)
    days = axes.sessions.dates[every]
    first, last = settings.first_vintage, settings.last_vintage
    inside = np.ones(every.size, dtype=np.bool_)
    if first is not None:
        inside &= days >= np.datetime64(first, "D")
    if last is not None:
        inside &= days <= np.datetime64(last, "D")
    rows = every[inside]
    if every.size and not rows.size:
        raise InsufficientDataError(
            f"none of the {every.size} month ends from {days[0]} to {days[-1]} is a vintage with first_vintage {first} and last_vintage "
            f"{last}: widen them (a vintage needs {inputs.settings.trailing_sessions} sessions up to it)"
        )
    later = every[every > rows.max(initial=-1)]
    return rows, int(later[0]) if later.size else len(axes.sessions)


def require_develop(parts: Split, graph: GraphSettings) -> None:
    """Raise InsufficientDataError where no vintage can teach the model, with the count of each other part."""
    if not parts.develop.size:
        raise InsufficientDataError(
            f"no vintage has a forward window of {graph.forward_sessions} sessions that ends before the holdout, which starts on "
            f"{parts.holdout_start}: {parts.embargo.size} vintages reach into it, {parts.holdout.size} lie in it, and the windows of "
            f"{parts.no_forward.size} pass the end of the data. Give a later holdout_start, a shorter forward window, or more bars"
        )
