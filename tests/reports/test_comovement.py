"""The page of a co-movement study: self-contained, escaped, its figures those of the record, null results told as such."""

import re
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pureplay.apps import graph_tables
from pureplay.reports import comovement_tables as tables
from pureplay.reports.comovement import render_comovement
from pureplay.reports.comovement_gallery import comovement_gallery
from pureplay.reports.comovement_rows import critical, headline, lockbox, rows, setting, term_title
from pureplay.reports.comovement_wording import (
    descriptive,
    forecast_text,
    hedge_text,
    lead,
    retention_text,
    returns_text,
    risk_text,
    status,
    which,
)
from pureplay.reports.gallery import Chart
from pureplay.reports.neighbourhood import neighbourhood_script
from pureplay.reports.wording import SYNTHETIC
from pureplay.studies.comovement_records import ComovementStudy
from tests.reports.comovement_factory import comovement, emptied, hedge_frame, months
from tests.reports.factory import HOSTILE, MANIFEST
from tests.reports.test_tearsheet import LOADING, Tags, text_of

SECTIONS = [
    *("Does a lamp forecast correlation?", "How good are the forecasts?", "How much correlation is kept?", "Hedging one stock"),
    *("Tender bids, the negative control", "Risk, not alpha?", "Vintages and news", "What could not be computed, and what to know"),
    *("Settings, timings and manifest", "Glossary"),
]
KEYS = [
    *("coefficients", "errors", "calibration", "retention-totals", "retention-bins"),
    *("hedge-0", "hedge-1", "sizes", "mix", "vintages"),
]
OPENED = "Holdout opened 2 times, by a. reader and b. writer, last on 2025-02-03"
EMPTY = re.compile(r"\b(nan|NaN|None|inf)\b")
FRAMES = tuple(comovement().frames())


@pytest.fixture(autouse=True)
def short_library(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A stand-in for the charts' library where it is not what is tested: it makes up nearly all of a page."""
    if "nothing_is_loaded" not in request.node.name:
        monkeypatch.setattr("pureplay.reports.page.get_plotlyjs", lambda: "0;")


@pytest.fixture(scope="module")
def whole() -> ComovementStudy:
    """Everything, the lock box opened."""
    return comovement()


@pytest.fixture(scope="module")
def text(whole: ComovementStudy) -> str:
    """What a reader sees of its page."""
    return shown(whole)


def page_of(study: ComovementStudy, manifest: Any = MANIFEST) -> str:
    """The page without the library, which tests would otherwise search in vain."""
    return render_comovement(study, manifest=manifest).replace(get_plotlyjs(), "")


def shown(study: ComovementStudy) -> str:
    """What a reader sees, with plain blanks."""
    return text_of(page_of(study)).replace("\u00a0", " ")


def charts_of(study: ComovementStudy) -> dict[str, Chart]:
    """Charts by key."""
    return {chart.key: chart for section in comovement_gallery(study).values() for chart in section}


def trace(chart: Chart, name: str) -> Any:
    """The trace of a chart by its name."""
    return next(each for each in chart.figure.data if each.name == name)


def only(study: ComovementStudy, sample: str) -> ComovementStudy:
    """The study with one sample alone."""
    held = {name: frame.filter(sample=sample) for name, frame in study.frames().items() if "sample" in frame.columns}
    return replace(study, **held)


def with_figure(study: ComovementStudy, table: str, column: str, value: float | None, **where: Any) -> ComovementStudy:
    """The study with a figure of some rows replaced."""
    frame: pl.DataFrame = getattr(study, table)
    held = pl.all_horizontal(pl.col(name).eq_missing(each) for name, each in where.items())
    changed = frame.with_columns(pl.when(held).then(pl.lit(value, pl.Float64)).otherwise(pl.col(column)).alias(column))
    assert frame.filter(held).height
    return replace(study, **{table: changed})


def test_nothing_is_loaded_and_the_page_is_the_same_every_time(whole: ComovementStudy) -> None:
    page = render_comovement(whole, manifest=MANIFEST)
    assert page.count(get_plotlyjs()) == 1
    rest = page.replace(get_plotlyjs(), "")
    assert not [word for word in ("http://", "https://", "@import", "url(") if word in rest]
    for tag, attributes in Tags(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not set(LOADING) & set(attributes), (tag, attributes)
    assert render_comovement(comovement(), manifest=MANIFEST) == page


def test_sections_and_charts_stand_in_order(whole: ComovementStudy) -> None:
    page = page_of(whole)
    assert re.findall(r"<h2>(.*?)</h2>", page) == SECTIONS
    assert re.findall(r'data-chart="data-([\w-]+)"', page) == KEYS
    assert page.count('<details class="numbers">') == len(KEYS)
    for chart in charts_of(whole).values():
        assert chart.numbers is not None
        assert {len(row) for row in chart.numbers.rows} == {len(chart.numbers.heads)}, chart.key


def test_the_figures_of_the_record_are_on_the_page(text: str) -> None:
    for wanted in (
        SYNTHETIC,
        "Vintages 84, 2018-01 to 2024-12 Pairs a vintage 47,496 Names a vintage 4,474 Confirmed 63.0 % Dark 37.0 %",
        "Holdout from 2022-08-01 Lock box opened 2 times",
        "deep product peer +0.0587 se 0.0052 +11.29 p < 0.001 +14.68 0.0104 +0.0627 se 0.0052",
        "0.0104 +0.065 +22.0 supply chain",
        "trailing × deep product peer +0.0300",
        "tender bid (negative control) −0.0120",
        "deep product peer +0.0587 +0.0352 sd 0.0006 +0.0235 0.010",
        "model with lamps 0.02890 96.0 % +0.698 +0.010 +0.98 +4.80 p = 0.008 2,140,312",
        "confirmed 91.8 % se 1.2 % – +0.340 +0.312 812,400",
        "price alone 75.2 % se 1.2 % 92.1 % t +5.00",
        "Published (the source, its own data) confirmed 92 %",
        "Holdout (opened 2 times), CSI 300 graph peers 40.3 % 41.6 % 62.9 % 18.0 % 7,021",
        "Published (the source, its own data), 10 names graph peers, CSI 300 45 % – 76 % – 11,262 – graph peers, CSI 1000 – – 49 %",
        "Smallest fifth Group 2 Group 3 Group 4 Largest fifth",
        "Holdout (opened 2 times), CSI 300 Holdout (opened 2 times), CSI 1000 "
        "Develop (in sample), CSI 300 Develop (in sample), CSI 1000 Weight that won on develop 44.74 % weight 0.4",
        "By weight 0 43.70 % 7,021",
        "Tender bids: rejected, for no effect of one sign stands in both develop and holdout",
        "confirmed, 1 session +0.0030 +0.50 0.607 +0.027 590",
        "shrunk and discounted by the graph 13.39 % −0.41 +0.31 26",
        "the same discounts on other pairs (placebo) 13.38 % −0.87 – 26",
        "unknown names 512",
        "hedging, index the table benchmarks has no rows: give index returns",
        "affiliates are known by name alone before 2019",
        "2025-01-14 09:30:00 a. reader 9f2c9f2c",
        "terms.deep_peer 0.0627",
        "graph.forward_sessions 60",
        "panel 41.25",
        f"data.bars.parquet.sha256 {'9f2c' * 16}",
    ):
        assert wanted in text, wanted


@pytest.mark.parametrize(
    ("table", "column", "value", "where", "wanted"),
    [
        ("fama_macbeth", "coefficient", 0.0777, {"sample": "holdout", "variant": "plain", "term": "chain"}, "supply chain +0.0777"),
        ("fama_macbeth", "newey_west_t", 55.5, {"sample": "develop", "variant": "plain", "term": "chain"}, "+55.50"),
        ("fama_macbeth", "dyadic_se", 0.0999, {"sample": "holdout", "variant": "bids", "term": "bid"}, "0.0999"),
        ("fama_macbeth", "published", 0.123, {"variant": "plain", "term": "chain"}, "+0.123 +9.0"),
        ("scores", "mz_slope", 0.4321, {"sample": "holdout", "predictor": "expected_fwd_corr"}, "+0.43 +4.80"),
        ("permutation", "permuted_mean", 0.0213, {"sample": "holdout", "term": "chain"}, "+0.0263 +0.0213 sd 0.0006 +0.0050"),
        ("calibration", "realised", 0.5432, {"sample": "holdout", "decile": 3}, "3 +0.250 +0.543"),
        ("retention", "retention", 0.6543, {"sample": "holdout", "group": "dark", "bin": 0.2}, "dark +0.20 65.4 %"),
        ("hedge", "variance_cut", 0.5555, {"sample": "develop", "universe": "CSI 1000", "arm": "index", "names": 10}, "index 55.5 %"),
        ("hedge_sizes", "beats_industry", 0.9111, {"sample": "holdout", "size_group": 2, "arm": "graph"}, "beats 91 %"),
        ("mix", "variance_cut", 0.5678, {"sample": "holdout", "universe": "CSI 1000", "weight": 0.3}, "56.78 %"),
        ("spillover", "mean_ic", 0.0432, {"sample": "holdout", "relation": "dark", "horizon": 5}, "dark, 5 sessions +0.0432"),
        ("minimum_variance", "volatility", 0.2468, {"sample": "develop", "method": "equal"}, "1/N 24.68 %"),
        ("bids", "coefficient", 0.0888, {"sample": "holdout"}, "+0.0888"),
    ],
)
def test_a_changed_record_changes_the_text(
    whole: ComovementStudy, text: str, table: str, column: str, value: float, where: dict[str, Any], wanted: str
) -> None:
    assert wanted not in text
    assert wanted in shown(with_figure(whole, table, column, value, **where))


def test_the_opening_is_made_of_the_figures(whole: ComovementStudy) -> None:
    assert lead(whole).replace("\u00a0", " ") == (
        "Confirmed pairs keep 92 % of their correlation over the next 60 sessions, against 75 % for pairs picked by price alone "
        "(t of the difference +5.00). "
        "Shallow product peer (+0.041), deep product peer (+0.059) and supply chain (+0.026) add to future correlation beyond the trailing "
        "one; disclosed customer–supplier, affiliate and dark (news alone) are not different from 0. "
        "In CSI 300 a hedge of 10 graph peers cuts 40.3 % of the forward variance and beats the industry basket in 63 % of cases, in 7,021 "
        "of 8,624 stock-months; peers by highest expected correlation cut 43.6 % and peers by highest trailing correlation cut 42.7 %."
    )


def test_a_comparison_on_few_months_says_so_and_names_the_arm_that_lacks_names(whole: ComovementStudy, text: str) -> None:
    few = replace(whole, hedge=whole.hedge.with_columns(stock_months=pl.lit(206), dropped=pl.lit(994)))
    said = lead(few).replace("\u00a0", " ")
    assert (
        "in 206 of 1,200 stock-months (the comparison rests on few months, since the hedge “news only” lacks names in the others); peers"
        in said
    )
    other = pl.when(pl.col("arm") == "graph").then(pl.lit(5)).otherwise(pl.col("complete")).alias("complete")
    assert "since the hedge “graph peers” lacks" in lead(replace(few, hedge=few.hedge.with_columns(other)))
    assert "few months);" in lead(replace(few, hedge=few.hedge.drop("complete")))
    assert "in 206 stock-months;" in lead(replace(few, hedge=few.hedge.drop("dropped", "complete"))).replace("\u00a0", " ")
    assert "few months" not in lead(whole)  # 1,603 of 8,624 are dropped
    assert "Stock-months Dropped" in text
    assert "7,021 1,603" in text
    assert "7,021 1,603 dropped" in text  # by size


def test_intervals_are_said_to_be_too_narrow_below_the_first_regression(whole: ComovementStudy, text: str) -> None:
    assert text.count("Intervals are too narrow: in planted markets") == 1
    assert "in 80 to 95 % of them" in text
    bare = replace(whole, fama_macbeth=whole.fama_macbeth[:0])
    assert "Intervals are too narrow" not in shown(bare)


def test_holdout_figures_are_never_without_their_openings(whole: ComovementStudy) -> None:
    page, develop = page_of(whole), page_of(only(whole, "develop"))
    assert which(whole) == f"Holdout figures from 2022-08-01 on unless said otherwise. {OPENED}."
    assert page.count(f'<p class="lockbox">{OPENED}</p>') == 6  # regression, forecasts, retention, hedging, bids, returns and risk
    assert "lockbox" not in re.sub(r"<style>.*?</style>", "", develop, flags=re.DOTALL)
    assert "Holdout (opened" not in develop
    assert which(only(whole, "develop")).endswith("is not in them (lock box opened 2 times).")
    assert which(replace(only(whole, "develop"), opened=0)).endswith("(lock box not opened).")
    assert headline(only(whole, "develop")) == "develop"
    assert "without a holdout" in which(only(with_sample(whole, "all"), "all"))


def with_sample(study: ComovementStudy, name: str) -> ComovementStudy:
    """The holdout under another name."""
    column = pl.when(pl.col("sample") == "holdout").then(pl.lit(name)).otherwise(pl.col("sample")).alias("sample")
    return replace(study, **{key: frame.with_columns(column) for key, frame in study.frames().items() if "sample" in frame.columns})


def test_who_opened_the_box_is_counted(whole: ComovementStudy) -> None:
    twice = pl.concat([whole.openings, whole.openings[:1].with_columns(asked_by=pl.lit(None, pl.String)), whole.openings[:1]])
    said = lockbox(replace(whole, openings=twice, opened=4))
    assert said == "Holdout opened 4 times, by a. reader (2), b. writer and someone who left no name, last on 2025-02-03"
    assert lockbox(replace(whole, openings=pl.DataFrame(), opened=1)) == "Holdout opened once"
    text_days = whole.openings.with_columns(pl.col("opened_at").dt.to_string("iso"))
    assert lockbox(replace(whole, openings=text_days)) == OPENED


def test_lamps_that_are_not_different_from_0_are_said_to_be_so(whole: ComovementStudy) -> None:
    none = replace(whole, fama_macbeth=whole.fama_macbeth.with_columns(p=pl.lit(0.4)))
    said = lead(none)
    assert "affiliate and dark (news alone) are not different from 0." in said
    assert "add" not in said.split(". ")[1]
    where = {"sample": "holdout", "variant": "plain", "term": "dark"}
    less = with_figure(none, "fama_macbeth", "p", 0.01, **where)
    assert "No lamp adds to future correlation; dark (news alone) (−0.004) takes away; shallow product peer," in lead(less)
    untested = replace(whole, fama_macbeth=whole.fama_macbeth.with_columns(p=pl.lit(None, pl.Float64)))
    assert "Too few vintages to test whether lamps add to future correlation." in lead(untested)


def test_few_vintages_are_descriptive(whole: ComovementStudy) -> None:
    assert descriptive(whole) == ""
    few = replace(whole, fama_macbeth=whole.fama_macbeth.with_columns(vintages=pl.lit(23)))
    assert descriptive(few) == "Descriptive: under 24 vintages in holdout (23) and develop (23), so t and p say little."
    assert descriptive(few) in shown(few)
    assert "(descriptive: 23 vintages)" in lead(few)
    edge = replace(whole, fama_macbeth=whole.fama_macbeth.with_columns(vintages=pl.lit(24)))
    assert descriptive(edge) == ""


@pytest.mark.parametrize(
    ("t", "wanted"),
    [
        (2.7, "for pairs picked by price alone, a difference that chance explains (t +2.70)."),
        (2.8, "for pairs picked by price alone (t of the difference +2.80)."),
        (None, "for pairs picked by price alone (no test: too few vintages)."),
    ],
)
def test_a_difference_of_retention_is_claimed_only_where_it_is(whole: ComovementStudy, t: float | None, wanted: str) -> None:
    where = {"sample": "holdout", "group": "price_only", "bin": None}
    assert wanted in retention_text(with_figure(whole, "retention", "difference_t", t, **where))


def test_retention_turned_round_and_alone(whole: ComovementStudy) -> None:
    where = {"sample": "holdout", "group": "price_only", "bin": None}
    more = with_figure(with_figure(whole, "retention", "retention", 0.99, **where), "retention", "difference_t", -3.3, **where)
    assert retention_text(more).endswith("so they keep less (t −3.30).")
    held = whole.retention.filter(pl.col("group") != "price_only").drop("se", "confirmed_retention", "difference_t")
    bare = replace(whole, retention=held)
    assert "against 79 % for dark pairs." in retention_text(bare).replace("\u00a0", " ")
    assert "se 1.2" not in shown(bare)
    assert not any(each.error_y.visible for each in charts_of(bare)["retention-bins"].figure.data)
    alone = replace(whole, retention=held.filter(group="confirmed"))
    assert "no other pairs can be set beside them" in retention_text(alone)


def test_hedges_that_beat_the_graph_are_named(whole: ComovementStudy) -> None:
    best = with_figure(whole, "hedge", "variance_cut", 0.9, sample="holdout", universe="CSI 300", arm="graph", names=10)
    assert "no other hedge cuts more (highest expected 43.6 %)" in hedge_text(best)[0].replace("\u00a0", " ")
    none = with_figure(whole, "hedge", "variance_cut", None, sample="holdout", universe="CSI 300", arm="graph", names=10)
    assert hedge_text(none)[0] == "In CSI 300 no stock-month has 10 graph peers."
    five = replace(whole, hedge=hedge_frame().filter(pl.col("names") <= 5))
    assert "a hedge of 5 graph peers" in hedge_text(five)[0]


def test_forecasts_returns_and_risk_are_judged_by_their_tests(whole: ComovementStudy) -> None:
    best = "The smallest squared error is that of “model with lamps”, and better than a + b trailing (DM t +4.80)."
    assert forecast_text(whole) == best
    open_ = with_figure(whole, "scores", "dm_p", 0.2, sample="holdout", predictor="expected_fwd_corr")
    assert "but not surely better than a + b trailing" in forecast_text(open_)
    worse = with_figure(whole, "scores", "mse", 0.001, sample="holdout", predictor="regression")
    assert "structure is not found to improve it" in forecast_text(worse)
    assert returns_text(whole) == "Returns are not found to spill over along the graph: none of 9 mean rank ICs is different from 0."
    where = {"sample": "holdout", "relation": "confirmed", "horizon": 5}
    alpha = with_figure(whole, "spillover", "p", 0.001, **where)
    assert "above 0: confirmed at 5 sessions (+0.0030)" in returns_text(alpha)
    assert "“risk, not alpha” is not confirmed here" in returns_text(alpha)
    down = with_figure(with_figure(alpha, "spillover", "mean_ic", -0.01, **where), "spillover", "t", -3.0, **where)
    assert "below 0: confirmed at 5 sessions (−0.0100)" in returns_text(down)
    assert "no return to earn" in returns_text(down)
    assert "so the edge washes out in a whole portfolio" in risk_text(whole)
    less = with_figure(whole, "minimum_variance", "t", -3.1, sample="holdout", method="discounted")
    assert risk_text(less).endswith("but no less than with the same discounts on other pairs (t +0.31): it is not owed to the graph.")
    owed = with_figure(less, "minimum_variance", "placebo_t", -2.5, sample="holdout", method="discounted")
    assert risk_text(owed).endswith("less risk (t −3.10), and less than with the same discounts on other pairs (t −2.50).")
    more = with_figure(whole, "minimum_variance", "t", 3.1, sample="holdout", method="discounted")
    assert risk_text(more).endswith("more risk (t +3.10).")


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [
        ("accepted", "which a negative control should not have."),
        ("rejected", "as it should be for a negative control."),
        ("not decided: the lock box is shut", "Tender bids: not decided: the lock box is shut."),
    ],
)
def test_the_negative_control_is_told_as_it_is(whole: ComovementStudy, verdict: str, wanted: str) -> None:
    study = replace(whole, bids=whole.bids.with_columns(verdict=pl.lit(verdict)))
    assert status(study).endswith(wanted)
    assert wanted in shown(study)


def test_charts_draw_the_figures_of_the_record(whole: ComovementStudy) -> None:
    charts = charts_of(whole)
    holdout = trace(charts["coefficients"], "Holdout (opened 2 times)")
    assert holdout.x[list(holdout.customdata).index("deep product peer")] == 0.0587
    # Student's t with 4 degrees of freedom (four cosines), from a table
    assert holdout.error_x.array[list(holdout.customdata).index("deep product peer")] == pytest.approx(2.776 * 0.0052, abs=1e-6)
    theirs = trace(charts["coefficients"], "Published")
    assert list(theirs.x) == [0.049, 0.065, 0.028, 0.013, 0.005, -0.005]
    assert theirs.error_x.array[1] == pytest.approx(1.96 * 0.065 / 22, abs=1e-6)
    errors = trace(charts["errors"], "Holdout (opened 2 times)")
    assert errors.x[list(errors.customdata).index("model with lamps")] == pytest.approx(100 * (0.0289 / 0.0301 - 1), abs=1e-3)
    curve = trace(charts["hedge-1"], "graph peers")
    held = sorted(rows(whole.hedge, sample="holdout", universe="CSI 1000", arm="graph"), key=lambda row: row["names"])
    assert list(curve.x) == [1, 2, 5, 10, 20, 50]
    assert list(curve.y) == [round(100 * row["variance_cut"], 3) for row in held]
    assert charts["hedge-1"].figure.layout.xaxis.type == "log"
    assert not [each.name for each in charts["hedge-0"].figure.data if "mix" in each.name]
    bins = trace(charts["retention-bins"], "dark")
    assert bins.error_y.array[0] == 1.2
    assert trace(charts["calibration"], "Develop (in sample)").y[0] == pytest.approx(0.161)
    assert list(trace(charts["mix"], "Develop (in sample), CSI 1000").x)[-1] == 1.0
    sizes = trace(charts["mix"], "Develop (in sample), CSI 1000").marker.size
    assert [k for k, each in enumerate(sizes) if each == max(sizes)] == [4]
    pairs = trace(charts["vintages"], "dark")
    assert (len(pairs.x), pairs.y[0]) == (84, whole.vintages["dark"][0])
    assert len(charts["vintages"].figure.layout.shapes) == 1


def test_settings_are_found_wherever_they_stand(whole: ComovementStudy) -> None:
    assert setting(replace(whole, settings={"forward_sessions": 20}), "forward_sessions") == "20"
    assert "over the next 20 sessions" in lead(replace(whole, settings={"a": {"b": {"forward_sessions": 20}}}))
    assert setting(replace(whole, settings={}), "forward_sessions") == "60"
    assert critical(replace(whole, settings={"cosines": 8})) == 2.306
    assert critical(replace(whole, settings={})) == 2.776
    assert term_title("trailing_x_dark") == "trailing × dark (news alone)"


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("frame", FRAMES)
def test_each_frame_can_be_empty_by_itself(frame: str, columns: bool) -> None:
    study = emptied(frame, columns=columns)
    gone = {
        "fama_macbeth": KEYS[:1],
        "scores": ["errors"],
        "calibration": ["calibration"],
        "retention": ["retention-totals", "retention-bins"],
        "hedge": ["hedge-0", "hedge-1"],
        "hedge_sizes": ["sizes"],
        "mix": ["mix"],
        "vintages": ["vintages"],
    }
    assert list(charts_of(study)) == [key for key in KEYS if key not in gone.get(frame, [])]
    assert not EMPTY.search(shown(study))


@pytest.mark.parametrize("columns", [True, False])
def test_a_study_without_any_figure_says_so(columns: bool) -> None:
    study = emptied(*FRAMES, columns=columns, notes=(), settings={}, data={}, seconds={}, coefficients={}, opened=0, holdout_start="")
    text = text_of(page_of(study, {}))
    for wanted in (
        *("No figure could be computed", "No regression could be run", "No forecast could be scored", "No correlation could be followed"),
        *("No stock could be hedged", "There are no tender bids", "Whether returns spill over was not tested", "Nothing was refused"),
        "No opening of the holdout is on record",
    ):
        assert wanted in text, wanted
    assert "data-chart" not in page_of(study, {})
    assert not EMPTY.search(text)


def test_figures_without_a_value_are_dashes(whole: ComovementStudy) -> None:
    blank = {name: frame.with_columns(pl.selectors.float() * None) for name, frame in whole.frames().items()}
    study = replace(whole, **blank)
    assert not set(charts_of(study)) - {"vintages"}
    assert not EMPTY.search(shown(study))
    lost = {name: frame.with_columns(pl.selectors.float() * float("nan")) for name, frame in whole.frames().items()}
    assert not EMPTY.search(shown(replace(whole, **lost)))


def test_one_vintage_is_enough_for_a_page(whole: ComovementStudy) -> None:
    untested = whole.fama_macbeth.with_columns(
        pl.lit(1).alias("vintages"), *(pl.lit(None, pl.Float64).alias(name) for name in ("se", "t", "p", "newey_west_t"))
    )
    study = replace(whole, vintages=whole.vintages[:1], fama_macbeth=untested)
    assert f"1, {months()[0]:%Y-%m} to {months()[0]:%Y-%m}" in shown(study)
    assert "Descriptive: under 24 vintages" in shown(study)
    assert {"vintages", "coefficients"} <= set(charts_of(study))
    assert not EMPTY.search(shown(study))


def test_text_of_others_is_escaped(whole: ComovementStudy) -> None:
    texts = {
        name: frame.with_columns(pl.lit(HOSTILE).alias(column))
        for name, column in (
            *(("hedge", "universe"), ("scores", "predictor"), ("retention", "group"), ("fama_macbeth", "term"), ("bids", "verdict")),
            *(("spillover", "relation"), ("minimum_variance", "method"), ("openings", "asked_by"), ("refused", "reason")),
            *(("articles", "reason"), ("permutation", "term"), ("hedge_sizes", "arm"), ("vintages", "split")),
        )
        for frame in [getattr(whole, name)]
    }
    study = replace(whole, **texts, name=HOSTILE, notes=(HOSTILE,), holdout_start=HOSTILE, settings={HOSTILE: HOSTILE})
    page = page_of(study, {HOSTILE: HOSTILE})
    assert HOSTILE not in page
    assert "<script>alert" not in page
    for chart in charts_of(study).values():
        assert "<script>" not in chart.figure.to_json().replace("\\u003c", "<"), chart.key


def test_a_neighbourhood_stands_where_it_is_given(whole: ComovementStudy) -> None:
    page = render_comovement(whole, manifest={}, neighbourhood=Markup("<svg><title>one stock</title></svg>"))
    assert "<h2>One stock and its neighbours</h2>\n<svg><title>one stock</title></svg>" in page
    assert page.count(neighbourhood_script()) == 1
    without = page_of(whole)
    assert "One stock and its neighbours" not in without
    assert neighbourhood_script() not in without
    allowed = [re.findall(r"sha256-[\w+/=]+", each.split("<style>")[0]) for each in (page, without)]
    assert len(allowed[0]) == len(allowed[1]) + 1 == 3  # the policy lets that script run, and no other


def test_a_real_market_has_no_banner(whole: ComovementStudy) -> None:
    real = page_of(replace(whole, synthetic=False))
    assert SYNTHETIC not in real
    assert "[Synthetic]" not in real
    assert page_of(whole).count(SYNTHETIC) == 2


def test_develop_figures_that_use_the_forecast_say_so(whole: ComovementStudy) -> None:
    develop, holdout = (only(whole, sample) for sample in ("develop", "holdout"))
    assert "are in sample: its coefficients were fitted on these vintages" in lead(develop)
    assert "in sample" not in lead(holdout)
    for table in (tables.scores, tables.hedge, tables.hedge_sizes, tables.minimum_variance):
        marked = {line.label for line in table(develop).rows if line.label.endswith(" (in sample)")}
        assert marked, table
        assert not marked & {"graph peers", "highest trailing (in sample)", "whole industry (in sample)", "trailing as it is (in sample)"}
        assert not any("in sample" in line.label for line in table(holdout).rows)
    assert "Develop (in sample)" in {each.name for each in charts_of(develop)["calibration"].figure.data}
    assert "in sample" not in " ".join(str(each.name) for each in charts_of(holdout)["calibration"].figure.data)
    assert "in sample" in tables.mix(develop).heads[1]


def test_the_terminal_marks_them_too(whole: ComovementStudy) -> None:
    marked = graph_tables._marked(whole.scores, "predictor")
    said = set(marked.filter(pl.col("predictor").str.contains("in sample")).select("sample", "predictor").rows())
    assert ("develop", "expected_fwd_corr (in sample)") in said
    assert {sample for sample, _ in said} == {"develop"}
    assert any(isinstance(each, str) and "are in sample" in each for each in graph_tables.study_tables(whole))


def test_the_mix_is_shown_at_the_weight_that_won_on_develop(whole: ComovementStudy) -> None:
    """The best of the holdout is another weight, and is not what the first row says."""
    weight, holdout = pl.col("weight"), pl.col("sample") == "holdout"
    cut = pl.when(holdout).then(0.2 + 0.1 * weight).otherwise(0.4 - weight * 0.1)
    chosen = pl.when(pl.col("universe") == "CSI 1000").then(weight == 0.3).otherwise(weight == 0.0)
    study = replace(whole, mix=whole.mix.with_columns(variance_cut=cut, chosen=chosen))
    sheet = tables.mix(study)
    at = [k for k, (sample, _) in enumerate(tables.mixes(study)) if sample == "holdout"]
    told = {line.label: [(line.cells[k].value.replace("\u00a0", " "), line.cells[k].detail) for k in at] for line in sheet.rows[:3]}
    assert told == {
        "Weight that won on develop": [("20.00 %", "weight 0"), ("23.00 %", "weight 0.3")],
        "Trailing correlation alone": [("20.00 %", "weight 0")] * 2,
        "Structure alone": [("30.00 %", "weight 1")] * 2,
    }
    assert sheet.rows[3].label == "By weight"
    assert [line.label for line in tables.mix(replace(study, mix=study.mix.drop("chosen"))).rows][:2] == ["0", "0.1"]


def test_linked_pairs_without_news_have_a_row_and_a_point_of_their_own(whole: ComovementStudy) -> None:
    added = whole.retention.filter(pl.col("group") == "dark").with_columns(group=pl.lit("lamp_no_news"), retention=pl.lit(0.8765))
    study = replace(whole, retention=pl.concat([whole.retention, added]))
    lines = [line for line in tables.retention(study).rows if line.label == "lamp, no news"]
    assert [line.cells[0].value.replace("\u00a0", " ") for line in lines] == ["87.6 %"] * 2  # holdout and develop
    charts = charts_of(study)
    for key in ("retention-totals", "retention-bins"):
        numbers = charts[key].numbers
        assert numbers is not None
        assert any("lamp, no news" in row for row in numbers.rows), key
    assert 87.65 in list(trace(charts["retention-bins"], "lamp, no news").y)
