"""Rows of a co-movement study as tables, charts and sentences read them: samples in order, names in words, the source's own figures."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import polars as pl

from pureplay.graph.settings import GraphSettings
from pureplay.reports.formats import DASH, count, day, enumerate_words, flatten, plain
from pureplay.studies.comovement_records import ComovementStudy

__all__ = [
    "ARMS",
    "FEWEST_VINTAGES",
    "GROUPS",
    "LAMPS",
    "LEVEL",
    "PUBLISHED",
    "Record",
    "arm_title",
    "arms",
    "critical",
    "group_title",
    "headline",
    "in_sample",
    "known",
    "lockbox",
    "ordered",
    "predictor_title",
    "relation_title",
    "rows",
    "sample_title",
    "samples",
    "setting",
    "term_title",
    "times",
    "vintages_of",
]

Record: TypeAlias = Mapping[str, Any]

LEVEL: Final = 0.05
"""Chance of a false alarm below which a figure is called different from 0."""
FEWEST_VINTAGES: Final = 24
"""With fewer vintages a regression describes them and tests nothing."""
LAMPS: Final = {
    "product_peer": "shallow product peer",
    "deep_peer": "deep product peer",
    "chain": "supply chain",
    "disclosed": "disclosed customer–supplier",
    "affiliate": "affiliate",
    "dark": "dark (news alone)",
}
"""Terms that say what links a pair, and their names."""
ARMS: Final = {
    "graph": "graph peers",
    "expected": "highest expected",
    "trailing": "highest trailing",
    "industry": "whole industry",
    "random_industry": "random industry",
    "news_only": "news only",
    "index": "index",
}
"""Hedges of a stock, the graph's first."""
GROUPS: Final = {
    "confirmed": "confirmed",
    "lamp_no_news": "lamp, no news",
    "shallow_peer": "shallow peer, no lamp",
    "dark": "dark",
    "price_only": "price alone",
}
"""Groups of pairs whose correlations are followed."""
PUBLISHED: Final[Mapping[str, float]] = {
    "confirmed": 0.92,
    "price_only": 0.75,
    "cut": 0.45,
    "beats": 0.76,
    "beats_small": 0.49,
    "stock_months": 11_262,
    "news_only": 0.15,
}
"""Figures of the source (holdout 2023 on, its own data), printed beside ours. Nothing is computed from them."""

_SAMPLES: Final = ("holdout", "develop", "all")
_PREDICTORS: Final = {
    "persistence": "trailing as it is",
    "regression": "a + b trailing",
    "industry_mean": "industry mean",
    "ledoit_wolf": "Ledoit–Wolf",
    "co_mention": "adding co-mention",
    "random_pairs": "fitted on random pairs",
    "expected_fwd_corr": "model with lamps",
}
_STUDENT: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)
_TIMES: Final = "trailing_x_"
_MIX: Final = "mix_"


def known(value: object) -> bool:
    """Whether there is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def rows(frame: pl.DataFrame, /, **where: object) -> list[Record]:
    """Rows of a frame that hold these values; a column that the frame lacks holds nothing."""
    return [row for row in frame.to_dicts() if all(row.get(name) == value for name, value in where.items())]


def ordered(found: Iterable[Any], first: Iterable[Any]) -> list[Any]:
    """Each value once: those of `first` in its order, then the others as they come."""
    held = list(dict.fromkeys(each for each in found if each is not None))
    return [*(each for each in first if each in held), *(each for each in held if each not in set(first))]


def samples(frame: pl.DataFrame) -> list[str]:
    """Samples that a frame holds, the holdout first."""
    return ordered((row.get("sample") for row in rows(frame)), _SAMPLES)


def headline(study: ComovementStudy) -> str:
    """The sample that sentences speak of: the holdout once it has been opened, else develop."""
    held = [each for name, frame in study.frames().items() if name not in ("vintages", "openings") for each in samples(frame)]
    return str(next(iter(ordered(held, _SAMPLES)), "develop"))


_FITTED: Final = ("expected_fwd_corr", "regression", "co_mention", "random_pairs")  # forecasts whose coefficients come from develop
_BY_FORECAST: Final = ("graph", "expected", "discounted", "placebo")  # arms and methods that rank or discount by the model's forecast


def in_sample(sample: object, name: str) -> str:
    """Mark of a develop figure of a forecast, a hedge or a portfolio that was fitted on develop; empty for all others."""
    return " (in sample)" if sample == "develop" and (name in (*_FITTED, *_BY_FORECAST) or name.startswith(_MIX)) else ""


def sample_title(study: ComovementStudy, sample: str) -> str:
    """A sample in words; the holdout with how often it was opened."""
    return f"Holdout ({times(study.opened)})" if sample == "holdout" else {"all": "All vintages"}.get(sample, sample.capitalize())


def times(opened: int) -> str:
    """How often the lock box was opened."""
    return "not opened" if not opened else "opened once" if opened == 1 else f"opened {opened} times"


def lockbox(study: ComovementStudy) -> str:
    """What stands beside every figure of the holdout: how often it was opened, by whom and when last."""
    asked = Counter(str(row.get("asked_by") or "someone who left no name") for row in rows(study.openings))
    who = enumerate_words(f"{name} ({number})" if number > 1 else name for name, number in asked.items())
    when = [row["opened_at"] for row in rows(study.openings) if row.get("opened_at") is not None]
    last = f", last on {day(max(when)) if hasattr(when[0], 'isoformat') else max(map(str, when))[:10]!s}" if when else ""
    return f"Holdout {times(study.opened)}{f', by {who}' if who else ''}{last}"


def vintages_of(study: ComovementStudy, sample: str) -> int | None:
    """Vintages that the regression of a sample has at most."""
    found = [row["vintages"] for row in rows(study.fama_macbeth, sample=sample) if known(row.get("vintages"))]
    return max(found, default=None)


def term_title(term: str) -> str:
    """A term of the regression in words."""
    if term.startswith(_TIMES):
        return f"trailing × {term_title(term.removeprefix(_TIMES))}"
    return LAMPS.get(term, {"bid": "tender bid (negative control)"}.get(term, term.replace("_", " ")))


def arm_title(arm: str) -> str:
    """A hedge in words."""
    return ARMS.get(arm, arm.replace("_", " "))


def arms(found: Iterable[Record]) -> list[str]:
    """Hedges that rows hold, without mixes, which have a table of their own."""
    return [each for each in ordered((row.get("arm") for row in found), ARMS) if not str(each).startswith(_MIX)]


def group_title(group: str) -> str:
    """A group of pairs in words."""
    return GROUPS.get(group, group.replace("_", " "))


def predictor_title(predictor: str) -> str:
    """A forecast in words."""
    return _PREDICTORS.get(predictor, predictor.replace("_", " "))


def relation_title(row: Record, between: str = ", ") -> str:
    """Relation and horizon of a row of the spillover test."""
    horizon = row.get("horizon")
    return f"{str(row.get('relation') or DASH).replace('_', ' ')}{between}{count(horizon)} session{'s' * (horizon != 1)}"


def setting(study: ComovementStudy, name: str) -> str:
    """A setting by its last name wherever it stands; that of the graph's defaults where the study does not say."""
    found = [value for key, value in flatten(study.settings).items() if key.rsplit(".", 1)[-1] == name]
    return found[0] if found else plain(getattr(GraphSettings(), name, None))


def critical(study: ComovementStudy) -> float:
    """Size that a t statistic of the regression passes one time in twenty by chance, from its number of cosines."""
    cosines = setting(study, "cosines")
    place = int(cosines) if cosines.isdecimal() and cosines != "0" else 4
    return _STUDENT[min(place, len(_STUDENT)) - 1]
