"""What a reader of the co-movement study must know of its data, and what became of the news."""

from datetime import date
from typing import Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.graph.arrays import LAMPS, PairPanel
from pureplay.graph.edges import GraphInputs
from pureplay.graph.forecast import ForecastSettings, Split
from pureplay.graph.model import Model

__all__ = ["articles_frame", "held_before", "study_notes"]

_FEW: Final = 30  # pairs of a vintage below which one lamp's coefficient is a matter of single pairs

_UNSIZED: Final = 0.05  # share of names without a size above which a note says so


def articles_frame(inputs: GraphInputs) -> pl.DataFrame:
    """Frame reason, count: what became of the articles; empty where there is no news substrate."""
    counts = {} if inputs.news is None else inputs.news.counts
    return pl.DataFrame({"reason": list(counts), "count": list(counts.values())}, schema={"reason": pl.String, "count": pl.Int64})


def study_notes(data: Dataset, inputs: GraphInputs, panel: PairPanel, model: Model, parts: Split, forecast: ForecastSettings) -> list[str]:
    """Notes of the import first, then what is off, stands in for something else, or is too little to decide, one sentence each."""
    graph, lacks = inputs.settings, inputs.structure.absent
    out = [*(str(each) for each in data.notes.get("notes", [])), *(f"a lamp is off: {each}" for each in lacks)]
    if inputs.ground.size_is != "cap":
        out.append("the data have no market values: size is the mean traded value of 60 sessions")
    out += _unsized(inputs, panel)
    if graph.returns != "raw":
        out.append(f"correlations are of returns less the equal-weight mean of the {graph.returns} of the day; hedges are of whole returns")
    if graph.substrate == "links":
        out.append("there is no news substrate: the pairs are those with a lit lamp, so there is no dark pair and no news-only arm")
    empty = panel.dates[np.diff(panel.starts) == 0]
    if empty.size:
        out.append(f"{empty.size} vintages between {empty[0]} and {empty[-1]} have no pair and enter no figure")
    if model.descriptive:
        out.append(f"the model rests on {model.vintages} vintages: its tests describe, they do not decide")
    if forecast.variant == "best" and None in model.mse.values():
        out.append("develop has too few vintages to compare the variants out of the fit, so the plain one serves")
    if model.dropped:
        out.append(f"terms that develop could not tell apart count as 0: {', '.join(model.dropped)}")
    out += _scarce(panel, model)
    if not parts.holdout.size:
        out.append("no vintage with a forward window lies in the holdout")
    if parts.no_forward.size:
        out.append(f"the forward window of the last {parts.no_forward.size} vintages passes the end of the data: these have no outcome")
    return out


def held_before(panel: PairPanel, parts: Split, opened_from: date | None) -> list[str]:
    """A note on the develop vintages on or after the start of the earliest holdout that was opened; empty where there is none."""
    late = 0 if opened_from is None else int((panel.dates[parts.develop] >= np.datetime64(opened_from, "D")).sum())
    if not late:
        return []
    return [f"{late} develop vintages were holdout before: from {opened_from} on the holdout of these data has been opened in the past"]


def _unsized(inputs: GraphInputs, panel: PairPanel) -> list[str]:
    """A note where stocks that trade and are in the product tree lack a size, and so a part in the study."""
    lack = total = 0
    for row in panel.rows.tolist():
        there = inputs.ground.market.traded[row] & inputs.structure.at(row).firms.mapped
        total += int(there.sum())
        lack += int((there & ~np.isfinite(inputs.ground.size[row])).sum())
    if lack <= _UNSIZED * total:
        return []
    return [
        f"{100 * lack / total:.0f} % of the stocks that trade and are in the product tree have no size at their vintage "
        "and take no part: a "
        "session with any market value takes size from market values alone. Complete total_cap, or drop it so that traded value stands in"
    ]


def _scarce(panel: PairPanel, model: Model) -> list[str]:
    """A sentence on each lamp of the model that few pairs of a vintage of the fit have."""
    inside = (panel.dates >= np.datetime64(model.fit_start)) & (panel.dates <= np.datetime64(model.fit_end))
    entries = inside[panel.of] & np.isfinite(panel.forward) & np.isfinite(panel.trailing)
    vintages = max(model.vintages, 1)
    mean = {lamp: float((entries & getattr(panel.lamps, lamp)).sum()) / vintages for lamp in LAMPS if lamp in model.terms}
    return [
        f"{lamp} is lit for {number:.1f} pairs of a develop vintage on average: its coefficient and what rests on it are loose"
        for lamp, number in mean.items()
        if number < _FEW
    ]
