"""The page of a whole study: self-contained, escaped, complete, and the figures of its charts are those of the records."""

import re
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import polars as pl
import pytest
from plotly.offline import get_plotlyjs

from pureplay.reports.drawing import COLOURS
from pureplay.reports.gallery import Chart
from pureplay.reports.study import render_study
from pureplay.reports.study_gallery import study_gallery
from pureplay.reports.study_wording import base_sentence, lead
from pureplay.reports.wording import SYNTHETIC
from pureplay.studies.records import ConstructionStudy, ProductStudy
from tests.reports.factory import HOSTILE, MANIFEST, NAN, REFUSED, verdict
from tests.reports.study_factory import battery, cells, construction, headline, lost, whole_study
from tests.reports.test_tearsheet import LOADING, Tags, text_of

KEYS = [
    *("ladder", "noise", "families", "horizons", "winsorising", "buffer-days", "purity", "minimum-peers", "level"),
    *("placebos", "fit", "factor-returns"),
]
SECTIONS = [
    "In plain words",
    *("Headline empirical findings", "Verdict", "Bases", "Years", "Charts", "Turnover and cost"),
    *("What was left out, and why", "Settings, timings and manifest", "Glossary"),
]


@pytest.fixture(scope="module")
def whole() -> ProductStudy:
    """Both constructions with everything."""
    return whole_study()


@pytest.fixture(scope="module")
def page(whole: ProductStudy) -> str:
    """Its page."""
    return render_study(whole, manifest=MANIFEST)


def page_of(study: ProductStudy, manifest: Any = MANIFEST) -> str:
    """The page without the library, which tests would otherwise search in vain."""
    return render_study(study, manifest=manifest).replace(get_plotlyjs(), "")


def only(*made: ConstructionStudy, **changes: Any) -> ProductStudy:
    """A study of these constructions; those without a verdict have no row in the source's table."""
    judged = tuple(each.construction for each in made if each.verdict is not None)
    return whole_study(**({"constructions": {each.construction: each for each in made}, "headline": headline(judged)} | changes))


def charts_of(study: ProductStudy) -> dict[str, Chart]:
    """Charts by key."""
    return {chart.key: chart for chart in study_gallery(study)}


def trace(figure: go.Figure, name: str) -> Any:
    """The trace of a name."""
    (found,) = (each for each in figure.data if each.name == name)
    return found


def test_nothing_is_loaded_and_the_library_is_there_once(page: str) -> None:
    rest = page.replace(get_plotlyjs(), "")
    assert page.count(get_plotlyjs()) == 1
    assert not [word for word in ("http://", "https://", "@import", "url(") if word in rest]
    for tag, attributes in Tags(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not set(LOADING) & set(attributes), (tag, attributes)
    (policy,) = (each["content"] for _, each in Tags(page).elements if each.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.count("'sha256-") == 2


def test_the_page_is_the_same_every_time(page: str) -> None:
    assert render_study(whole_study(), manifest=MANIFEST) == page


def test_sections_and_charts_stand_in_order(page: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", page) == SECTIONS
    assert re.findall(r'data-chart="data-([\w-]+)"', page) == KEYS


def test_the_figures_of_the_records_are_on_the_page(page: str) -> None:
    text = text_of(page)
    for wanted in (
        "R: product information found (orthogonal ICIR +0.352, t +2.82); S: product information not found",
        "Raw ICIR +0.452 t +3.62, 1,089 dates Orthogonal ICIR +0.352 t +2.82, 1,089 dates … out of sample +0.456",
        "OOS multi-offset orth-22 ICIR (canonical) +0.352 s.e. 0.121; null 95 % [−0.240, +0.238]; n = 540 dates +0.352",
        "+0.307 §4.1 / §5.1",
        "those of the source document",
        "Dates 2021-06-01 to 2025-08-18 Sessions 1,100 Stocks 1,017",
        "the full base of 22 factors; in force from 2016-01-04 (first) to 2018-06-01 (last: growth); values filled in: 2.1 % on average",
        "Against own_only, paired t +2.90 its ICIR +0.114 passes",
        "Against industry, paired t +0.70 its ICIR +0.187 fails",
        "Shuffles, nested t [−0.87, +1.61] 20 shuffles passes",
        "Shuffles, nested t [−0.87, +1.61] 20 shuffles, 14 do as well fails",
        "2021, 7 months (partial)",
        "without 13-15 + industries +0.462 [+0.249, +0.679], t +3.70, n 1,089",
        "Turnover a year, one way, top and bottom 20 % 4.98× 4.70 to 5.20 over the offsets",
        "Cost drag at 30 bp a side 299 bp a year",
        "R level 3: the product tree has 2 levels, so level 3 is empty",
        "R: battery 312.25",
        "battery.noise_levels 0.0, 0.25, 0.5, 0.75, 1.0",
        f"data.bars.parquet.sha256 {'9f2c' * 16}",
        "K ladder",
    ):
        assert wanted in text, wanted


def test_published_figures_are_set_apart(page: str) -> None:
    assert re.findall(r'<td class="theirs" data-name="S published">(.*?)</td>', page)[0] == "+0.307"
    assert page.count(">S published<") == 1


def test_the_banner_stands_on_synthetic_pages_alone(page: str) -> None:
    real = page_of(whole_study(synthetic=False))
    assert SYNTHETIC not in real
    assert "[Synthetic]" not in real
    assert page.count(SYNTHETIC) == 2  # banner and footer


@pytest.mark.parametrize("hostile", [HOSTILE, '"><b onload="x">', "{{ 7 * 7 }}<!--<script>", "x" * 300 + "<i>"])
def test_hostile_text_is_text_everywhere(hostile: str) -> None:
    plain = whole_study()
    bad = pl.lit(hostile)
    made = construction(
        "R",
        verdict=verdict(notes=(hostile,), dropped={hostile: 1}),
        bases={hostile: plain.constructions["R"].bases["base"]},
        figures=battery(0.3).with_columns(label=bad, reason=bad),
        cells=cells("R", 0.3).with_columns(label=bad, reason=bad),
        skipped=(hostile,),
    )
    told = whole_study(
        name=hostile,
        constructions={hostile: made, "S": replace(lost(reason=hostile), residualisation=plain.constructions["S"].residualisation)},
        headline=headline(("R",)).with_columns(construction=bad, finding=bad, ours=bad, published=bad, reference=bad, note=bad, n_of=bad),
        refused=pl.DataFrame([("refused", hostile, hostile, 1, hostile)], schema=REFUSED, orient="row"),
        notes=(hostile,),
        seconds={hostile: 1.0},
        settings={hostile: hostile},
        base={
            "kind": hostile,
            "names": [hostile],
            "ladder": [hostile],
            "filled": {hostile: 0.1},
            "industries": hostile,
            "notes": [hostile],
        },
    )
    page = page_of(told, {hostile: {hostile: hostile}})
    usual = [tag for tag, _ in Tags(page_of(plain)).elements]
    tags = [tag for tag, _ in Tags(page).elements]
    if "<" in hostile:
        assert hostile not in page
    assert set(tags) <= set(usual)
    charts = page.count("application/json")
    assert tags.count("script") == charts + 2
    assert not any(name.startswith("on") for _, attributes in Tags(page).elements for name in attributes)
    assert " ".join(hostile.split()) in text_of(page)
    for chart in study_gallery(told):
        assert hostile[:30] not in chart.figure.to_json() or "<" not in hostile[:30]


def test_a_construction_without_a_verdict_is_told_of_and_hides_nothing() -> None:
    page = page_of(only(construction("R", 0.05), lost(reason="no date has enough names: widen the data")))
    text = text_of(page)
    assert "R: product information not found" in text
    assert "S: not evaluable." in text
    assert "S the whole construction: no date has enough names: widen the data" in text
    assert "– not evaluable +0.307" in text  # the published figure stays
    assert re.findall(r'data-chart="data-([\w-]+)"', page) == [key for key in KEYS if key not in ("fit", "factor-returns")]


def test_a_study_that_cannot_be_evaluated_has_no_chart_and_says_so() -> None:
    page = page_of(only(lost("R"), lost("S")))
    assert "data-chart" not in page
    assert "application/json" not in page
    assert len(page) < 60_000
    text = text_of(page)
    assert "there is no finding either way" in text
    assert "so the table has no row" in text


def test_a_single_construction_without_a_split_shows_the_whole_sample() -> None:
    page = page_of(only(construction("R", split=False)))
    assert re.findall(r"<th scope=\"col\"[^>]*>(\w ours)</th>", page) == ["R ours"]
    charts = charts_of(only(construction("R", split=False)))
    assert all(chart.note.startswith("Whole sample.") for chart in charts.values())
    assert "ours has no split" in text_of(page)
    assert "Out of sample</th>" not in page
    split = charts_of(only(construction("R")))
    assert all(chart.note.startswith("Out of sample.") for chart in split.values())


@pytest.mark.parametrize(
    ("group", "gone"),
    [
        ("base count", None),
        ("base count, random order", None),
        ("quality shuffle", "noise"),
        ("family drop", "families"),
        ("full", "horizons"),
        ("placebo", "placebos"),
        ("winsorising", "winsorising"),
        ("level", "level"),
    ],
)
def test_a_group_that_is_absent_leaves_its_chart_out(group: str, gone: str | None) -> None:
    made = construction("R")
    kept = pl.col("group") != group
    charts = charts_of(only(replace(made, figures=made.figures.filter(kept), cells=made.cells.filter(kept))))
    without = {gone, "families"} if group == "full" else {gone}  # the change is against the full base
    assert list(charts) == [key for key in KEYS if key not in {*without, "fit", "factor-returns"}]


@pytest.mark.parametrize("value", [None, NAN])
def test_figures_without_a_value_give_their_reason(value: float | None) -> None:
    made = construction("R")
    numbers = ["icir", "icir_min", "icir_max", "t_ewc", "mean_ic", "se_mean", "variance_left"]
    blank = [pl.lit(value, dtype=pl.Float64).alias(name) for name in numbers]
    whole = only(
        replace(
            made,
            figures=made.figures.with_columns(*blank, icir_deflated=pl.lit(value, dtype=pl.Float64), reason=pl.lit("too few dates")),
            cells=made.cells.with_columns(*blank, reason=pl.lit("it cannot be built")),
            turnover=None,
        )
    )
    assert not charts_of(whole)
    text = text_of(page_of(whole))
    assert "too few dates" in text
    assert "placebo market without the stock as the only basket (control)" in text
    assert "it cannot be built" in text
    assert "turnover: too few scores" in text
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)


def test_every_chart_has_its_numbers(whole: ProductStudy, page: str) -> None:
    assert page.count('<details class="numbers">') == len(KEYS)
    for chart in study_gallery(whole):
        assert chart.numbers is not None, chart.key
        assert {len(row) for row in chart.numbers.rows} == {len(chart.numbers.heads)}, chart.key
    buffers = charts_of(whole)["buffer-days"].numbers
    assert buffers is not None
    assert buffers.rows[0][:3] == ("R", "0 (default)", "+0.352")
    assert "Why none" not in buffers.heads  # each has an answer


def test_numbers_show_both_periods_only_where_there_are_two() -> None:
    for split in (True, False):
        made = only(construction("R", split=split))
        for key in ("ladder", "noise", "families"):
            numbers = charts_of(made)[key].numbers
            assert numbers is not None
            assert ("Whole sample" in numbers.heads) is split
    frame = only(construction("R")).constructions["R"].figures.filter(group="base count", horizon_sessions=20, period="all")
    numbers = charts_of(only(construction("R")))["ladder"].numbers
    assert numbers is not None
    assert float(numbers.rows[0][numbers.heads.index("Whole sample")]) == round(frame["icir"][0], 3)


def test_the_ladder_and_its_random_orders(whole: ProductStudy) -> None:
    figure = charts_of(whole)["ladder"].figure
    frame = whole.constructions["R"].figures.filter(period="out of sample", horizon_sessions=20)
    fixed = {row["x"]: row["icir"] for row in frame.filter(group="base count").to_dicts()}
    line = trace(figure, "R, fixed order")
    assert dict(zip(line.x, line.y, strict=True)) == fixed
    assert len(fixed) == 18
    drawn: dict[float, list[float]] = {}
    for row in frame.filter(group="base count, random order").to_dicts():
        drawn.setdefault(row["x"], []).append(row["icir"])
    mean = trace(figure, "R, random orders")
    assert list(mean.y) == pytest.approx([sum(drawn[x]) / 3 for x in mean.x], abs=1e-15)  # three orders; sums round differently
    low, high = figure.data[0], figure.data[1]
    assert (list(low.y), list(high.y)) == ([min(drawn[x]) for x in mean.x], [max(drawn[x]) for x in mean.x])
    assert high.fill == "tonexty"


def test_noise_families_and_horizons(whole: ProductStudy) -> None:
    charts, frame = charts_of(whole), whole.constructions["S"].figures.filter(period="out of sample")
    noise = trace(charts["noise"].figure, "S, mean of the seeds")
    assert list(noise.x) == [0, 25, 50, 75, 100]
    last = frame.filter(group="quality shuffle", horizon_sessions=20, x=1.0)["icir"].to_list()
    assert noise.y[-1] == pytest.approx(sum(last) / 5, abs=1e-15)  # five seeds
    full = frame.filter(group="full", horizon_sessions=20)["icir"].item()
    bars = trace(charts["families"].figure, "S")
    names = charts["families"].figure.layout.yaxis.ticktext
    for row in frame.filter(group="family drop", horizon_sessions=20).to_dicts():
        place = names.index(row["label"].removeprefix("without "))
        assert bars.x[list(bars.y).index(place)] == row["icir"] - full
    curve = trace(charts["horizons"].figure, "S, de-overlapped")
    by_horizon = frame.filter(group="full").sort("horizon_sessions")
    assert list(curve.y) == by_horizon["icir_deflated"].to_list()
    assert curve.customdata[0][0] == f"{by_horizon['t_ewc'][0]:+.2f}".replace("-", "−")


def test_families_with_names_that_look_alike_stay_apart() -> None:
    long = "without " + "a" * 40
    made = construction("R")
    frame = made.figures.with_columns(
        label=pl.when(group="family drop").then(pl.concat_str(pl.lit(long), pl.col("label"))).otherwise(pl.col("label"))
    )
    bars = trace(charts_of(only(replace(made, figures=frame)))["families"].figure, "R")
    assert len(set(bars.y)) == 11


def test_placebos_have_whiskers_and_colours(whole: ProductStudy) -> None:
    figure = charts_of(whole)["placebos"].figure
    judged = whole.constructions["R"].verdict
    assert judged is not None
    later = judged.orthogonal.period("out of sample")
    assert later is not None
    informed, blank = trace(figure, "R, with product information"), trace(figure, "R, without")
    assert informed.x[0] == later.icir
    assert informed.error_x.array[0] == pytest.approx(2 * later.se_mean / later.sd)
    assert list(blank.error_x.array) == pytest.approx([2 * 0.01 / 0.08] * 7)  # even where the ICIR, and so its t, is 0
    assert max(informed.y) > max(blank.y)  # the signal stands first
    assert (len(informed.x), len(blank.x)) == (3, 7)
    assert (informed.marker.color, blank.marker.color) == (COLOURS[3], COLOURS[1])


def test_settings_mark_the_default_on_a_common_scale(whole: ProductStudy) -> None:
    charts = charts_of(whole)
    ranges = {tuple(charts[key].figure.layout.yaxis.range) for key in ("buffer-days", "purity", "minimum-peers", "level")}
    assert len(ranges) == 1
    level = charts["level"].figure
    assert list(level.layout.xaxis.ticktext) == ["1", "<b>2</b>", "leaf"]  # level 3 has no figure
    assert level.layout.shapes[0].x0 == 1
    assert list(trace(level, "R").marker.size) == [7, 12, 7]


def test_winsorising_pairs_the_signal_with_its_other_self() -> None:
    made = construction("R")
    figure = charts_of(only(made))["winsorising"].figure
    on, off = (next(each for each in figure.data if each.name == f"R, {said}") for said in ("winsorised", "not winsorised"))
    assert made.verdict is not None
    later = made.verdict.orthogonal.period("out of sample")
    assert later is not None
    assert on.x[0] == later.icir
    assert off.x[0] == made.cells.filter(label="signal, winsorising off", period="out of sample")["icir"].item()
    turned = made.cells.with_columns(pl.col("label").str.replace("winsorising off", "winsorising on"))
    swapped = charts_of(only(replace(made, cells=turned)))["winsorising"].figure
    assert next(each for each in swapped.data if each.name == "R, not winsorised").x[0] == later.icir


def test_factor_returns_are_summed_and_most_wait_in_the_legend(whole: ProductStudy) -> None:
    figure = charts_of(whole)["factor-returns"].figure
    frame = whole.constructions["S"].residualisation
    assert frame is not None
    size = trace(figure, "size")
    assert size.y[-1] == pytest.approx(100 * frame["size"].sum(), abs=0.005)  # printed to two digits
    assert [each.name for each in figure.data if each.visible is True] == ["size", "beta", "momentum", "resvol", "liquidity"]
    assert size.x[0] == frame["date"][60]  # the first date with a return
    assert figure.layout.legend.itemclick == "toggle"
    assert len(figure.data) == 22


def test_the_base_in_one_sentence() -> None:
    whole = whole_study()
    own = replace(whole, base={"kind": "own", "names": ["a", "b"], "filled": {}, "industries": None, "notes": []})
    assert base_sentence(own) == "Taken out: the user's own base of 2 factors; no industry dummies."
    assert base_sentence(replace(whole, base={})).startswith("Taken out: a base of 0 factors")
    once = dict(whole.base) | {"kind": "price", "notes": ["in force from: size 2016-01-04, beta never"]}
    assert "price-only base" in base_sentence(replace(whole, base=once))
    assert "in force from 2016-01-04, never: beta" in base_sentence(replace(whole, base=once))


def test_the_lead_tells_a_null_plainly() -> None:
    assert lead(only(construction("R", 0.05))).startswith("R: product information not found")
