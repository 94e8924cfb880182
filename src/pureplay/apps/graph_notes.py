"""What a reader must know of figures of one stock or pair that a command prints: why something is missing or is not what was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pureplay.graph.edges import GraphInputs
from pureplay.graph.model import Model
from pureplay.graph.stories import Neighbourhood
from pureplay.studies.comovement_one import OneHedge

__all__ = ["Beside", "arm_notes", "late_notes", "peer_notes", "seen_notes"]

_ARMS = {
    "graph": "none of its pairs is confirmed and can be measured",
    "news_only": "none of its pairs is unconfirmed and can be measured",
    "trailing": "no stock has a trailing correlation with it",
    "expected": "no peer has a forecast",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Printed beside the figures: whether the data are simulated, and notes, a line each."""

    synthetic: bool = False
    notes: tuple[str, ...] = ()


def late_notes(inputs: GraphInputs, days: Sequence[date]) -> list[str]:
    """A line where a day lies after the last session of the data."""
    last: date = inputs.ground.axes.sessions.dates[-1].astype("datetime64[D]").item()
    late = sorted({each for each in days if each > last})
    return [f"the data end on {last}, before {', '.join(map(str, late))}: the last vintage serves"] if late else []


def seen_notes(model: Model | None, served: date) -> list[str]:
    """A line where a model is given that has seen what followed the vintage."""
    seen = model is not None and model.in_sample(served)
    return [f"the model has seen what followed {served}, so there is no forecast"] if seen else []


def peer_notes(inputs: GraphInputs, made: Neighbourhood) -> list[str]:
    """Why a stock has no peer, where it has none."""
    if made.total:
        return []
    settings = inputs.settings
    if inputs.news is None:
        return [
            "no lamp links it to another stock that trades on that day, has a size and an entry in the product tree; or it has none itself"
        ]
    return [
        f"no news of the {settings.comention_days} days up to {made.date} names it with another stock of the data; articles on one stock, "
        f"lists of more than {settings.most_names} and tenders do not count"
    ]


def arm_notes(made: OneHedge, *, forecast: bool) -> list[str]:
    """A line for each arm that is missing or has fewer names than asked for. forecast: whether there is one, which makes an arm."""
    sizes = dict(made.figures.select("arm", "names").iter_rows())
    out = []
    for arm, why in _ARMS.items():
        if arm == "expected" and not forecast:
            continue
        if arm not in sizes:
            out.append(f"there is no arm {arm}: {why} on {made.date}")
        elif sizes[arm] < made.names:
            out.append(f"the arm {arm} has {sizes[arm]} of the {made.names} names asked for: there are no more")
    return (
        out
        if "industry" in sizes
        else [*out, "there is no arm industry: no other stock of its industry traded enough, or it has no industry"]
    )
