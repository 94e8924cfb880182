"""The page of an amplifier study: self-contained, escaped, its figures those of the record, no claim without rewired graphs."""

import re
from dataclasses import replace

import polars as pl
import pytest
from plotly.offline import get_plotlyjs

from pureplay.reports.amplifier import amplifier_lead, render_amplifier
from pureplay.reports.amplifier_figures import amplifier_gallery, main_horizon
from pureplay.reports.gallery import Chart
from pureplay.reports.wording import SYNTHETIC
from pureplay.studies.amplification_figures import verdict_frame
from pureplay.studies.amplification_records import AmplifierStudy
from tests.reports.amplifier_factory import amplified
from tests.reports.factory import HOSTILE, MANIFEST
from tests.reports.test_tearsheet import LOADING, Tags, text_of

KEYS = ["verdicts", "configurations", "factors-0", "factors-1", "factors-2", "factors-3"]
EMPTY = re.compile(r"\b(nan|NaN|None|inf)\b")


@pytest.fixture(autouse=True)
def short_library(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A stand-in for the charts' library where it is not what is tested: it makes up nearly all of a page."""
    if "nothing_is_loaded" not in request.node.name:
        monkeypatch.setattr("pureplay.reports.page.get_plotlyjs", lambda: "0;")


@pytest.fixture(scope="module")
def whole() -> AmplifierStudy:
    """Everything."""
    return amplified()


def page_of(study: AmplifierStudy) -> str:
    """The page without the library."""
    return render_amplifier(study, manifest=MANIFEST).replace(get_plotlyjs(), "")


def shown(study: AmplifierStudy) -> str:
    """What a reader sees, with plain blanks."""
    return text_of(page_of(study)).replace("\u00a0", " ")


def charts_of(study: AmplifierStudy) -> dict[str, Chart]:
    """Charts by key."""
    return {chart.key: chart for chart in amplifier_gallery(study)}


def test_nothing_is_loaded_and_the_page_is_the_same_every_time(whole: AmplifierStudy) -> None:
    page = render_amplifier(whole, manifest=MANIFEST)
    assert page.count(get_plotlyjs()) == 1
    rest = page.replace(get_plotlyjs(), "")
    assert not [word for word in ("http://", "https://", "@import", "url(") if word in rest]
    for tag, attributes in Tags(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not set(LOADING) & set(attributes), (tag, attributes)
    assert render_amplifier(amplified(), manifest=MANIFEST) == page
    assert re.findall(r'data-chart="data-([\w-]+)"', rest) == KEYS


def test_the_figures_of_the_record_are_on_the_page(whole: AmplifierStudy) -> None:
    text = shown(whole)
    row = whole.verdicts.filter(relation="all", horizon=20).row(0, named=True)
    figures = f"all +{row['mean_gain']:.3f} +{row['mean_delta']:.3f} 77 % of 22 +{row['matched_gain']:.3f} +{row['placebo_mean']:.3f}"
    for wanted in (
        SYNTHETIC,
        "Factors 22 Relations peer, upstream, downstream, all Horizons, sessions 5, 20, 60 Rewired graphs 20 Configurations 100",
        figures,
        "above what smoothing over other names gives (p 0.048, 20 placebos)",
        "vendor page – +0.148 – – – – another base, other data: no evidence here",
        "vendor page: +0.148 at 20 sessions on a base of 22 factors",
        "horizon 250 it does not fit into the 200 sessions of the data",
        "left out, for they have no value on these data: divyld",
        "size +0.200 +0.3",
        "strength 0.5",
    ):
        assert wanted in text, wanted
    spread = whole.spread.filter(relation="peer", horizon=5).row(0, named=True)
    assert f"peer 100 +{spread['mean']:.3f}" in text


def test_the_opening_claims_what_lies_above_rewired_graphs(whole: AmplifierStudy) -> None:
    said = amplifier_lead(whole)
    assert "+0.090 through peer, +0.000 through upstream, −0.010 through downstream and +0.030 through all" in said
    assert "Above what rewired graphs give: peer at 5, 20 and 60 sessions, all at 5, 20 and 60 sessions; 6 of 12." in said
    assert said.endswith("Published: +0.148 (vendor page; no evidence here).")
    high = replace(whole, verdicts=whole.verdicts.with_columns(placebo_high=pl.lit(0.5)))
    assert "None of 12 relations and horizons lies above what rewired graphs give: no product information is claimed." in amplifier_lead(
        high
    )
    unsure = replace(whole, verdicts=whole.verdicts.with_columns(p=pl.lit(0.06)))
    assert "None of 12" in amplifier_lead(unsure)


def test_without_placebos_nothing_is_claimed(whole: AmplifierStudy) -> None:
    bare = whole.placebos.clear()
    held = whole.rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("placebo_mean", "placebo_low", "placebo_high"))
    study = replace(whole, placebos=bare, rows=held, verdicts=verdict_frame(held, bare, band=0.05, orient=True))
    assert "No rewired graph was drawn, so nothing is said of product information." in amplifier_lead(study)
    assert not [trace.name for trace in charts_of(study)["verdicts"].figure.data if trace.name == "rewired graphs"]
    assert not EMPTY.search(shown(study))


def test_charts_draw_the_figures_of_the_record(whole: AmplifierStudy) -> None:
    charts = charts_of(whole)
    own = next(trace for trace in charts["verdicts"].figure.data if trace.name == "the graph")
    first = whole.verdicts.filter(relation="peer", horizon=5).row(0, named=True)
    assert (own.x[0], own.y[0]) == (first["matched_gain"], 12)
    band = next(trace for trace in charts["verdicts"].figure.data if trace.name == "rewired graphs")
    assert band.x[:2] == (first["placebo_low"], first["placebo_high"])
    median = next(trace for trace in charts["configurations"].figure.data if trace.name == "median")
    assert median.x[0] == whole.spread.filter(relation="peer", horizon=5)["median"][0]
    theirs = next(trace for trace in charts["configurations"].figure.data if trace.name == "published (vendor page)")
    assert set(theirs.x) == {0.148}
    assert len(theirs.x) == 4  # once a relation, at 20 sessions alone
    factors = next(trace for trace in charts["factors-1"].figure.data if trace.name == "the graph")
    held = whole.rows.filter(relation="upstream", horizon=20).sort("matched_delta", descending=True)
    assert list(factors.x) == held["matched_delta"].to_list()


def test_the_horizon_next_to_the_published_one_is_drawn(whole: AmplifierStudy) -> None:
    assert main_horizon(whole) == 20
    other = replace(whole, rows=whole.rows.filter(pl.col("horizon") != 20), verdicts=whole.verdicts.filter(pl.col("horizon") != 20))
    assert main_horizon(other) == 5
    assert amplifier_lead(other).startswith("At 5 sessions ahead")


@pytest.mark.parametrize("frame", [*amplified().frames(), "all of them"])
def test_each_frame_can_be_empty_by_itself(whole: AmplifierStudy, frame: str) -> None:
    names = list(whole.frames()) if frame == "all of them" else [frame]
    study = replace(whole, **{name: getattr(whole, name).clear() for name in names})
    gone = {"rows": KEYS[2:], "verdicts": KEYS[:1], "spread": KEYS[1:2], "all of them": KEYS}.get(frame, [])
    assert list(charts_of(study)) == [key for key in KEYS if key not in gone]
    assert not EMPTY.search(shown(study))


def test_figures_without_a_value_are_dashes(whole: AmplifierStudy) -> None:
    blank = {name: frame.with_columns(pl.selectors.float() * None) for name, frame in whole.frames().items()}
    study = replace(whole, **blank)
    assert not EMPTY.search(shown(study))
    assert "No factor could be amplified and judged" in amplifier_lead(study)


def test_text_of_others_is_escaped(whole: AmplifierStudy) -> None:
    hostile = {name: getattr(whole, name).with_columns(factor=pl.lit(HOSTILE)) for name in ("rows", "configurations")}
    verdicts = whole.verdicts.with_columns(verdict=pl.lit(HOSTILE))
    study = replace(whole, **hostile, verdicts=verdicts, name=HOSTILE, notes=(HOSTILE,), settings={HOSTILE: HOSTILE})
    page = page_of(study)
    assert HOSTILE not in page
    assert "<script>alert" not in page
    for chart in charts_of(study).values():
        assert "<script>" not in chart.figure.to_json().replace("\\u003c", "<"), chart.key


def test_false_verdicts_of_a_null_market_stand_beside_the_verdicts(whole: AmplifierStudy) -> None:
    page = page_of(whole)
    judged = whole.verdicts["p"].is_not_null().sum()
    assert f"{judged} verdicts are read here" in page
    assert "2 of 12 verdicts lay above it at p = 1/21" in page
    assert "2 of 12" not in page_of(replace(whole, verdicts=whole.verdicts.with_columns(p=pl.lit(None, pl.Float64))))
