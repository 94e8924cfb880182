"""Charts of a co-movement study: coefficients, calibration, forecast errors, retention, vintages. Each comes with its numbers."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import plotly.graph_objects as go

from pureplay.reports.comovement_rows import (
    GROUPS,
    LAMPS,
    Record,
    critical,
    group_title,
    in_sample,
    known,
    ordered,
    predictor_title,
    rows,
    sample_title,
    samples,
    term_title,
)
from pureplay.reports.drawing import INK, MUTED, drawn, marks, new_figure
from pureplay.reports.formats import count, label, percent, signed, span
from pureplay.reports.gallery import Numbers
from pureplay.reports.study_bases import Drawn
from pureplay.studies.comovement_records import ComovementStudy

__all__ = ["calibration", "coefficients", "errors", "over_time", "retention", "retention_totals"]

_HUES: Final = {"holdout": 0, "develop": 1, "all": 3}
_GROUP_HUES: Final = {"confirmed": 0, "lamp_no_news": 4, "shallow_peer": 3, "dark": 2, "price_only": 1}
_SHIFT: Final = 0.2


def coefficients(study: ComovementStudy) -> Drawn:
    """Coefficient of each lamp with its 95 % interval, a mark a sample; the published one hollow."""
    held = rows(study.fama_macbeth, variant="plain")
    terms = [term for term in LAMPS if any(row.get("term") == term for row in held)]
    figure, made = new_figure("additional forward correlation", "", height=110 + 52 * max(len(terms), 1)), []
    shown, size = samples(study.fama_macbeth), critical(study)
    for place, sample in enumerate(shown):
        found = [row for row in held if row.get("sample") == sample and row.get("term") in terms and known(row.get("coefficient"))]
        points = [(row["term"], row["coefficient"], size * row["se"] if known(row.get("se")) else 0.0) for row in found]
        _intervals(figure, terms, points, sample_title(study, sample), marks(_HUES.get(sample, 4), size=9), _SHIFT * (1 - place))
        made += [(sample_title(study, sample), term_title(term), signed(at, 4), span(at - off, at + off, 4)) for term, at, off in points]
    theirs = list(_published(held, terms))
    hollow: dict[str, Any] = {"mode": "markers", "marker": {"size": 9, "color": MUTED, "symbol": "diamond-open"}}
    _intervals(figure, terms, theirs, "Published", hollow, _SHIFT * (1 - len(shown)))
    made += [("Published", term_title(term), signed(at, 3), span(at - off, at + off, 3) if off else "") for term, at, off in theirs]
    names = [_broken(term_title(term)) for term in terms]
    figure.update_yaxes(tickvals=[len(terms) - k for k in range(len(terms))], ticktext=names, tickfont_size=11, zeroline=False)
    figure.update_yaxes(range=[0.4, len(terms) + 0.6], showgrid=False)
    figure.update_xaxes(zeroline=True, zerolinecolor=MUTED)
    return drawn(figure), Numbers(("", "Term", "Coefficient", "95 % interval"), tuple(made))


def _published(held: Sequence[Record], terms: Sequence[str]) -> Iterator[tuple[str, float, float]]:
    """Term, coefficient and half interval (1.96 standard errors) of the source."""
    for term in terms:
        row: Record = next((row for row in held if row.get("term") == term and known(row.get("published"))), {})
        if row:
            t = row.get("published_t")
            yield term, row["published"], 1.96 * abs(row["published"] / t) if t is not None and known(t) and t else 0.0


def _broken(name: str) -> str:
    return "<br>".join(
        label(each, 20)
        for each in name.replace(" customer", "\ncustomer").replace(" product peer", "\nproduct peer").replace(" (", "\n(").split("\n")
    )


def _intervals(
    figure: go.Figure, terms: Sequence[str], points: Sequence[tuple[str, float, float]], name: str, look: dict[str, Any], shift: float
) -> None:
    if not points:
        return
    figure.add_scatter(
        x=[round(at, 6) for _, at, _ in points],
        y=[len(terms) - list(terms).index(term) + shift for term, _, _ in points],
        error_x={"type": "data", "array": [round(off, 6) for _, _, off in points], "thickness": 1.4, "width": 3},
        customdata=[term_title(term) for term, _, _ in points],
        name=name,
        hovertemplate="%{customdata}: %{x:+.4f}",
        **look,
    )


def calibration(study: ComovementStudy) -> Drawn:
    """Realised against expected correlation by decile; the diagonal is a forecast that comes true."""
    figure, made, ends = new_figure("expected", "realised", height=330), [], []
    for sample in samples(study.calibration):
        found = [row for row in rows(study.calibration, sample=sample) if known(row.get("predicted")) and known(row.get("realised"))]
        ends += [row[name] for row in found for name in ("predicted", "realised")]
        figure.add_scatter(
            x=[round(row["predicted"], 5) for row in found],
            y=[round(row["realised"], 5) for row in found],
            customdata=[row.get("decile") for row in found],
            name=sample_title(study, sample) + in_sample(sample, "expected_fwd_corr"),
            hovertemplate="decile %{customdata}: %{x:.3f} expected, %{y:.3f} realised",
            **marks(_HUES.get(sample, 4), size=8, mode="lines+markers"),
        )
        figures = (
            (str(row.get("decile")), signed(row["predicted"]), signed(row["realised"]), count(row.get("observations"))) for row in found
        )
        made += [(sample_title(study, sample) + in_sample(sample, "expected_fwd_corr"), *each) for each in figures]
    if ends:
        low, high = min(ends), max(ends)
        figure.add_shape(type="line", x0=low, y0=low, x1=high, y1=high, line={"color": MUTED, "width": 1, "dash": "dot"}, layer="below")
    return drawn(figure), Numbers(("", "Decile", "Expected", "Realised", "Pairs"), tuple(made))


def errors(study: ComovementStudy) -> Drawn:
    """Squared error of each forecast in percent of that of a + b trailing, less 100."""
    held = rows(study.scores)
    names = ordered((row.get("predictor") for row in sorted(held, key=lambda row: row["mse"] if known(row.get("mse")) else 9e9)), ())
    figure, made = new_figure("against a + b trailing", "", height=110 + 30 * max(len(names), 1)), []
    for place, sample in enumerate(samples(study.scores)):
        own = {row.get("predictor"): row.get("mse") for row in rows(study.scores, sample=sample)}
        rival = own.get("regression")
        found = {
            name: 100 * (own[name] / rival - 1)
            for name in names
            if known(own.get(name)) and rival is not None and known(rival) and rival > 0
        }
        figure.add_scatter(
            x=[round(value, 3) for value in found.values()],
            y=[len(names) - names.index(name) + _SHIFT * (0.5 - place) for name in found],
            customdata=[predictor_title(str(name)) for name in found],
            name=sample_title(study, sample),
            hovertemplate="%{customdata}: %{x:+.2f} %",
            **marks(_HUES.get(sample, 4), size=9),
        )
        made += [
            (sample_title(study, sample), predictor_title(str(name)) + in_sample(sample, str(name)), f"{signed(value, 2)}\u00a0%")
            for name, value in found.items()
        ]
    ticks = [label(predictor_title(str(name)), 34) for name in names]
    figure.update_yaxes(tickvals=[len(names) - k for k in range(len(names))], ticktext=ticks, tickfont_size=11, zeroline=False)
    figure.update_yaxes(range=[0.4, len(names) + 0.6])
    figure.update_xaxes(zeroline=True, zerolinecolor=MUTED, ticksuffix=" %", nticks=5, tickangle=0)
    return drawn(figure), Numbers(("", "Forecast", "Against a + b trailing"), tuple(made))


def retention(study: ComovementStudy) -> Drawn:
    """Share of the trailing correlation that is left, by the bin of the trailing one; the headline sample."""
    shown = samples(study.retention)[:1]
    held = [row for sample in shown for row in rows(study.retention, sample=sample)]
    figure, made = new_figure("trailing correlation", "forward ÷ trailing, %", height=330), []
    for group in ordered((row.get("group") for row in held), GROUPS):
        points = [row for row in held if row.get("group") == group and known(row.get("bin")) and known(row.get("retention"))]
        figure.add_scatter(
            x=[round(row["trailing"] if known(row.get("trailing")) else row["bin"], 4) for row in points],
            y=[round(100 * row["retention"], 3) for row in points],
            error_y=_bars(points),
            name=group_title(str(group)),
            hovertemplate="%{x:.2f}: %{y:.1f} %",
            **marks(_GROUP_HUES.get(str(group), 4), size=7, mode="lines+markers"),
        )
        made += [
            (group_title(str(group)), signed(row["bin"], 2), percent(row["retention"]), percent(row.get("se")), count(row.get("pairs")))
            for row in points
        ]
    figure.update_yaxes(ticksuffix=" %", title_standoff=14)
    return drawn(figure), Numbers(("", "Bin from", "Retention", "se", "Pairs"), tuple(made), words=1)


def _bars(points: Sequence[Record]) -> dict[str, Any]:
    """One standard error either side where there is any."""
    found = [100 * row["se"] if known(row.get("se")) else 0.0 for row in points]
    return {"type": "data", "array": [round(each, 3) for each in found], "visible": any(found), "thickness": 1, "width": 2}


def retention_totals(study: ComovementStudy) -> Drawn:
    """Matched totals by group, a mark a sample, with two standard errors either side."""
    totals = [row for row in rows(study.retention) if row.get("bin") is None and known(row.get("retention"))]
    groups = ordered((row.get("group") for row in totals), GROUPS)
    shown = samples(study.retention)
    figure, made = new_figure("forward ÷ trailing, %", "", height=110 + 44 * max(len(groups), 1)), []
    for place, sample in enumerate(shown):
        found = [row for row in totals if row.get("sample") == sample]
        width = [200 * row["se"] if known(row.get("se")) else 0.0 for row in found]
        figure.add_scatter(
            x=[round(100 * row["retention"], 3) for row in found],
            y=[len(groups) - groups.index(row["group"]) + _SHIFT * (0.5 - place) for row in found],
            error_x={"type": "data", "array": width, "visible": any(width), "thickness": 1.4, "width": 3},
            customdata=[group_title(str(row["group"])) for row in found],
            name=sample_title(study, sample),
            hovertemplate="%{customdata}: %{x:.1f} %",
            **marks(_HUES.get(sample, 4), size=9),
        )
        made += [(sample_title(study, sample), group_title(str(row["group"])), percent(row["retention"])) for row in found]
    ticks = [label(group_title(str(group)), 22) for group in groups]
    figure.update_yaxes(tickvals=[len(groups) - k for k in range(len(groups))], ticktext=ticks, tickfont_size=11, zeroline=False)
    figure.update_yaxes(range=[0.4, len(groups) + 0.6])
    figure.update_xaxes(ticksuffix=" %", nticks=5, tickangle=0)
    return drawn(figure), Numbers(("", "Pairs", "Retention"), tuple(made))


def over_time(study: ComovementStudy) -> Drawn:
    """Pairs of each vintage, and how many of them are confirmed and dark."""
    held = sorted((row for row in rows(study.vintages) if row.get("date") is not None), key=lambda row: str(row["date"]))
    figure = new_figure("", "pairs", height=330)
    for name, said, hue in (("pairs", "pairs", INK), ("confirmed", "confirmed", "#0b5cad"), ("dark", "dark", "#c2570c")):
        figure.add_scatter(
            x=[row["date"] for row in held],
            y=[row.get(name) for row in held],
            name=said,
            mode="lines+markers" if len(held) < 13 else "lines",
            line={"color": hue, "width": 1.8},
            hovertemplate="%{x|%Y-%m-%d}: %{y:,}",
        )
    figure.update_yaxes(rangemode="tozero", separatethousands=True)
    _shade_splits(figure, held)
    made = tuple(
        (str(row["date"])[:10], str(row.get("split") or "").replace("_", " "), *(count(row.get(name)) for name in _COUNTS)) for row in held
    )
    return drawn(figure), Numbers(("Vintage", "Part", *(name.replace("_", " ").capitalize() for name in _COUNTS)), made)


_COUNTS: Final = (
    *("pairs", "random", "names", "confirmed", "dark", "product_peer", "deep_peer", "chain", "disclosed", "affiliate", "bid"),
    *("unmapped", "widened", "short", "beyond_one"),
)


def _shade_splits(figure: go.Figure, held: Sequence[Record]) -> None:
    """Shade the holdout, and write its name."""
    inside = [row["date"] for row in held if row.get("split") == "holdout"]
    if not inside or not isinstance(inside[0], date) or len(held) < 2:
        return
    figure.add_vrect(x0=inside[0].isoformat(), x1=inside[-1].isoformat(), fillcolor="#e6eaf0", opacity=0.6, line_width=0, layer="below")
    figure.add_annotation(
        x=inside[0].isoformat(), y=1, yref="paper", text="holdout", showarrow=False, xanchor="left", yanchor="top", xshift=3,
        font={"size": 11, "color": MUTED},
    )  # fmt: skip
