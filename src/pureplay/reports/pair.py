"""One pair of stocks on one page: what links them, which articles name both, and the days of which both correlations are made."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from pureplay.graph.story_records import PairStory
from pureplay.reports import pair_wording as words
from pureplay.reports import wording
from pureplay.reports.drawing import COLOURS, MUTED, new_figure
from pureplay.reports.formats import DASH, count, day, flatten, label, number, signed
from pureplay.reports.gallery import Chart, Numbers
from pureplay.reports.page import fill

__all__ = ["pair_gallery", "render_pair"]

_WINDOWS: Final = ("trailing", "forward")
_SHADES: Final = {"trailing": COLOURS[0], "forward": COLOURS[2]}
_LOUDEST: Final = 5


def render_pair(story: PairStory, *, manifest: Mapping[str, Any]) -> str:
    """The page as HTML; it loads nothing from anywhere, and its own policy forbids the browser to try.

    manifest: what made it (configuration, data hashes, versions); it may nest. All text is escaped; an article whose id is a web address
    is a link, which opens only on a click. The same arguments give the same page.
    """
    context: dict[str, Any] = {
        "title": f"{words.called(story, 'a')} and {words.called(story, 'b')}",
        "synthetic": wording.SYNTHETIC if story.synthetic else "",
        "synthetic_names": [],
        "lead": words.headline(story),
        "facts": words.facts(story),
        "warnings": tuple(words.warnings(story)),
        "basis": words.basis(story),
        "lamps": tuple(_lamps(story)),
        "articles": tuple(_articles(story)),
        "no_articles": words.no_articles(story),
        "timezone": story.timezone,
        "manifest": flatten(manifest),
        "glossary": words.terms(story),
    }
    return fill("pair.html", pair_gallery(story), context)


def pair_gallery(story: PairStory) -> tuple[Chart, ...]:
    """z-scores of both windows beside each other, and the days that make each correlation; a window without a correlation is left out."""
    daily = story.contributions()
    held = [name for name in _WINDOWS if getattr(story, f"{name}_corr") is not None]
    if not held:
        return ()
    reach = _reach(daily)
    scatters = tuple(_scatter(story, daily.filter(window=name), name, reach) for name in held)
    note = "Each common day adds the product of its two z-scores over the divisor; a line ends at the correlation of its window."
    figure = _cumulated(daily, held)
    made = Chart(
        key="days", shape="wide", title="Which days make the correlation", note=note, figure=figure, numbers=_loudest(story, daily, held)
    )
    return (*scatters, made)


def _lamps(story: PairStory) -> Iterator[dict[str, Any]]:
    before = ""
    for line in story.evidence.to_dicts():
        name = words.LAMPS.get(line["lamp"], line["lamp"])
        yield {**line, "name": "" if name == before else name, "since": day(line["known_since"]) if line["lit"] else DASH}
        before = name


def _articles(story: PairStory) -> Iterator[dict[str, str]]:
    local = pl.col("published_at").dt.convert_time_zone(story.timezone).dt.strftime("%Y-%m-%d %H:%M")
    for row in story.articles.with_columns(local=local).to_dicts():
        yield {
            "article": row["article"],
            "address": row["article"] if row["article"].lower().startswith(("https://", "http://")) else "",
            "published": row["local"],
            "session": day(row["session"]),
            "source": row["source"] or DASH,
            "names": count(row["names"]),
        }


def _reach(daily: pl.DataFrame) -> float:
    """Half the width of both scatters: one scale, so that the windows compare."""
    largest = daily.select(pl.max_horizontal(pl.col("z_a", "z_b").abs().max())).item()
    return 1.08 * max(float(largest or 0.0), 1.0)


def _scatter(story: PairStory, daily: pl.DataFrame, name: str, reach: float) -> Chart:
    points = daily.drop_nulls(["z_a", "z_b"])
    a, b = words.called(story, "a", short=True), words.called(story, "b", short=True)
    figure = new_figure(f"z-score of {label(a, 24)}", f"z-score of {label(b, 24)}", height=360)
    rho = getattr(story, f"{name}_corr")
    figure.add_scatter(
        x=[-reach, reach], y=[-reach * rho, reach * rho], mode="lines", line={"color": MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=points["z_a"].to_list(),
        y=points["z_b"].to_list(),
        customdata=[
            [day(row["date"]), signed(100 * row["ret_a"], 2), signed(100 * row["ret_b"], 2), signed(row["contribution"])]
            for row in points.to_dicts()
        ],
        mode="markers",
        marker={"size": 7, "color": _SHADES[name], "opacity": 0.75, "symbol": "circle" if name == "trailing" else "diamond"},
        hovertemplate=f"%{{customdata[0]}}<br>{label(a, 24)} %{{customdata[1]}} %, {label(b, 24)} %{{customdata[2]}} %"
        "<br>adds %{customdata[3]}<extra></extra>",
    )
    figure.update_xaxes(range=[-reach, reach], zeroline=True)
    figure.update_yaxes(range=[-reach, reach])
    figure.update_layout(showlegend=False, margin={"l": 52, "r": 14, "t": 10, "b": 44})
    sessions, overlap = getattr(story, f"{name}_sessions"), getattr(story, f"{name}_overlap")
    return Chart(
        key=name,
        title=f"{name.capitalize()}: {sessions} sessions, correlation {signed(rho)}",
        note=f"One dot a day on which both traded, {count(overlap)} of {count(sessions)}. Dotted: the slope of the correlation.",
        figure=figure,
        numbers=Numbers(
            ("Day", "Return A", "Return B", "z A", "z B", "Adds"), tuple(_numbers(row) for row in daily.sort("date").to_dicts()), words=1
        ),
    )


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    returns = tuple(DASH if row[each] is None else f"{signed(100 * row[each], 2)} %" for each in ("ret_a", "ret_b"))
    return (day(row["date"]), *returns, signed(row["z_a"], 2), signed(row["z_b"], 2), signed(row["contribution"]))


def _cumulated(daily: pl.DataFrame, held: list[str]) -> Any:
    figure = new_figure("", "sum of what the days add", height=340)
    for name in held:
        rows = daily.filter(window=name).sort("date")
        figure.add_scatter(
            x=[day(each) for each in rows["date"]],
            y=rows["contribution"].fill_null(0.0).cum_sum().to_list(),
            customdata=[signed(each) for each in rows["contribution"]],
            name=f"{name} window",
            mode="lines+markers",
            line={"color": _SHADES[name], "width": 1.8},
            marker={"size": 4, "symbol": "circle" if name == "trailing" else "diamond"},
            hovertemplate="%{x}: adds %{customdata}, sum %{y:.3f}<extra></extra>",
        )
    figure.update_xaxes(type="date", showgrid=False)
    return figure


def _loudest(story: PairStory, daily: pl.DataFrame, held: list[str]) -> Numbers:
    rows = []
    for name in held:
        known = daily.filter(window=name).drop_nulls("contribution")
        rho = getattr(story, f"{name}_corr")
        for row in known.sort(pl.col("contribution").abs(), "date", descending=[True, False]).head(_LOUDEST).to_dicts():
            share = DASH if not rho else f"{number(abs(row['contribution'] / rho) * 100, 0)} %"
            rows.append((name, *_numbers(row), share))
    return Numbers(("Window", "Day", "Return A", "Return B", "z A", "z B", "Adds", "Size, of the correlation"), tuple(rows), words=2)
