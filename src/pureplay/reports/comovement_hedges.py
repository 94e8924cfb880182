"""Charts of hedging: variance cut against names, by size and by weight of structure. Each comes with its numbers."""

from collections.abc import Sequence
from typing import Final

from pureplay.reports.comovement_rows import ARMS, Record, arm_title, arms, in_sample, known, rows, sample_title, samples
from pureplay.reports.comovement_tables import mixes, universes
from pureplay.reports.drawing import colour, drawn, marks, new_figure
from pureplay.reports.formats import count, label, percent
from pureplay.reports.gallery import Numbers
from pureplay.reports.study_bases import Drawn
from pureplay.studies.comovement_records import ComovementStudy

__all__ = ["by_size", "curve", "drawn_universes", "weights"]

_SHADES: Final = dict(zip(ARMS, ("#0b5cad", "#8b4fb3", "#c2570c", "#737b87", "#0f766e", "#b7791f", "#9aa2ad"), strict=True))
_SYMBOLS: Final = dict(zip(ARMS, ("circle", "square", "triangle-up", "line-ew", "diamond", "x", "line-ew"), strict=True))
_FLAT: Final = ("industry", "index")


def drawn_universes(study: ComovementStudy) -> list[str]:
    """Universes of the headline sample of the hedging study."""
    return [each for sample in samples(study.hedge)[:1] for each in universes(rows(study.hedge, sample=sample))]


def curve(study: ComovementStudy, universe: str) -> Drawn:
    """Variance cut against names in the basket, log axis, a line a hedge; index and industry do not depend on it."""
    held = [row for sample in samples(study.hedge)[:1] for row in rows(study.hedge, sample=sample, universe=universe)]
    figure, made = new_figure("names in the basket", "variance cut, %", height=380), []
    counts = sorted({row["names"] for row in held if known(row.get("names"))})
    for arm in arms(held):
        points = _by_count([row for row in held if row.get("arm") == arm])
        flat = arm in _FLAT
        figure.add_scatter(
            x=[row["names"] for row in points],
            y=[round(100 * row["variance_cut"], 3) for row in points],
            name=label(arm_title(arm) + in_sample(held[0].get("sample"), arm), 40),
            mode="lines" if flat and len(points) > 1 else "lines+markers",
            marker={"size": 7, "color": _SHADES.get(arm, colour(4)), "symbol": "diamond" if flat else _SYMBOLS.get(arm, "circle")},
            line={"color": _SHADES.get(arm, colour(4)), "width": 2.2 if arm == "graph" else 1.5, "dash": "dot" if flat else "solid"},
            hovertemplate="%{x} names: %{y:.1f} %",
        )
        made += [
            (
                arm_title(arm) + in_sample(row.get("sample"), arm),
                count(row["names"]),
                percent(row["variance_cut"]),
                percent(row.get("beats_industry")),
                count(row.get("stock_months")),
            )
            for row in points
        ]
    figure.update_xaxes(type="log", tickvals=counts, ticktext=[count(each) for each in counts], showgrid=False)
    figure.update_yaxes(ticksuffix=" %", title_standoff=14)
    return drawn(figure), Numbers(("", "Names", "Variance cut", "Beats industry", "Stock-months"), tuple(made), words=1)


def _by_count(held: Sequence[Record]) -> list[Record]:
    found = [row for row in held if known(row.get("names")) and known(row.get("variance_cut"))]
    return sorted(found, key=lambda row: row["names"])


def by_size(study: ComovementStudy) -> Drawn:
    """Variance cut at the main count by size group, a line a hedge; the headline sample and its first universe."""
    held = [row for sample in samples(study.hedge_sizes)[:1] for row in rows(study.hedge_sizes, sample=sample)]
    first = universes(held)[:1]
    held = [row for row in held if not first or row.get("universe") == first[0]]
    figure, made = new_figure("size group (1 = smallest)", "variance cut, %", height=380), []
    for arm in arms(held):
        points = [row for row in held if row.get("arm") == arm and known(row.get("size_group")) and known(row.get("variance_cut"))]
        points.sort(key=lambda row: row["size_group"])
        figure.add_scatter(
            x=[row["size_group"] for row in points],
            y=[round(100 * row["variance_cut"], 3) for row in points],
            name=label(arm_title(arm) + in_sample(held[0].get("sample"), arm), 40),
            mode="lines+markers",
            marker={"size": 7, "color": _SHADES.get(arm, colour(4)), "symbol": "diamond" if arm in _FLAT else _SYMBOLS.get(arm, "circle")},
            line={
                "color": _SHADES.get(arm, colour(4)),
                "width": 2.2 if arm == "graph" else 1.5,
                "dash": "dot" if arm in _FLAT else "solid",
            },
            hovertemplate="group %{x}: %{y:.1f} %",
        )
        made += [
            (
                arm_title(arm) + in_sample(row.get("sample"), arm),
                count(row["size_group"]),
                percent(row["variance_cut"]),
                count(row.get("stock_months")),
            )
            for row in points
        ]
    figure.update_xaxes(tickmode="linear", tick0=1, dtick=1, showgrid=False)
    figure.update_yaxes(ticksuffix=" %", title_standoff=14)
    return drawn(figure), Numbers(("", "Group", "Variance cut", "Stock-months"), tuple(made), words=1)


def weights(study: ComovementStudy) -> Drawn:
    """Variance cut against the weight of structure beside trailing correlation, a line a sample and universe.

    The point at the weight that won on develop is larger.
    """
    figure, made = new_figure("weight of structure", "variance cut, %", height=330), []
    several = len({universe for _, universe in mixes(study)}) > 1
    for place, (sample, universe) in enumerate(mixes(study)):
        points = rows(study.mix, sample=sample, universe=universe)
        points = sorted(
            (row for row in points if known(row.get("weight")) and known(row.get("variance_cut"))), key=lambda row: row["weight"]
        )
        name = sample_title(study, sample) + in_sample(sample, "mix_") + (f", {universe}" if several else "")
        drawn_as = marks(place, size=7, mode="lines+markers")
        drawn_as["marker"]["size"] = [13 if row.get("chosen") else 7 for row in points]
        figure.add_scatter(
            x=[row["weight"] for row in points],
            y=[round(100 * row["variance_cut"], 3) for row in points],
            name=label(name, 40),
            hovertemplate="weight %{x:g}: %{y:.2f} %",
            **drawn_as,
        )
        made += [(name, f"{row['weight']:g}", percent(row["variance_cut"], 2), "yes" if row.get("chosen") else "") for row in points]
    figure.update_yaxes(ticksuffix=" %", title_standoff=14)
    return drawn(figure), Numbers(("", "Weight", "Variance cut", "Won on develop"), tuple(made), words=1)
