"""A small market and a small co-movement study of it, which the tests of the study share."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pureplay.dataset import Dataset
from pureplay.graph.forecast import ForecastSettings, Split
from pureplay.graph.model import Model
from pureplay.graph.settings import GraphSettings
from pureplay.studies.comovement import Opening, run_comovement
from pureplay.studies.comovement_records import ComovementStudy
from pureplay.studies.comovement_settings import ComovementSettings
from tests.graph.small_market import GRAPH, data

FORECAST = ForecastSettings(permutations=2, cosines=2, lags=1)
STUDY = ComovementSettings(
    largest=15,
    hedge_counts=(1, 3),
    hedge_names=3,
    mix_weights=(0.0, 0.5),
    shortlist=6,
    price_names=30,
    minimum_variance_names=20,
    spillover_horizons=(3,),
    spillover_sessions=5,
    universes=("syn500",),
)
RECORD = {"opened_at": "2026-01-01T00:00:00+00:00", "asked_by": "test", "digest": "0"}


def opened(_: Split) -> Opening:
    """The lock box, opened for the second time."""
    return Opening(count=2, records=(RECORD, RECORD))


def study(
    given: Dataset | None = None,
    *,
    graph: GraphSettings = GRAPH,
    forecast: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    opening: Callable[[Split], Opening] | None = None,
) -> tuple[ComovementStudy, Model]:
    """The small study with some settings changed."""
    return run_comovement(
        given or data(), graph, replace(FORECAST, **(forecast or {})), replace(STUDY, **(settings or {})), opening=opening, name="small"
    )


@cache
def shut() -> tuple[ComovementStudy, Model]:
    """The study with the lock box shut."""
    return study()


@cache
def whole() -> tuple[ComovementStudy, Model]:
    """The study with the lock box open."""
    return study(opening=opened)


def differing(one: ComovementStudy, other: ComovementStudy, names: Sequence[str] | None = None) -> list[str]:
    """Frames that are not bit for bit the same."""
    frames, beside = one.frames(), other.frames()
    return [name for name in names or frames if not frames[name].equals(beside[name], null_equal=True)]
