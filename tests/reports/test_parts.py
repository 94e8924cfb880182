"""Formats, sentences and figures by themselves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import plotly.graph_objects as go
import polars as pl
import pytest

from pureplay.evaluate.records import CRITICAL_T
from pureplay.reports import figures
from pureplay.reports.formats import DASH, count, day, enumerate_words, flatten, label, percent, plain, probability, signed, span
from pureplay.reports.gallery import gallery
from pureplay.reports.wording import failed_bars, paragraphs
from tests.reports.factory import HOSTILE, NAN, bare, mean_test, study, verdict

DRAWN = [getattr(figures, name) for name in figures.__all__]
ALL_KEYS = ["cumulative", "offsets", "shuffles", "years", "horizons", "quantiles", "factors", "autocorrelation", "coverage"]


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (signed(0.352), "+0.352"),
        (signed(-0.0004), "+0.000"),
        (signed(-1.5, 2), "−1.50"),
        (signed(NAN), DASH),
        (signed(None), DASH),
        (signed(float("inf")), DASH),
        (span(-0.1, 0.2), "[−0.100,\u00a0+0.200]"),
        (span(NAN, 0.2), DASH),
        (percent(0.0213), "2.1\u00a0%"),
        (percent(None), DASH),
        (count(5500), "5,500"),
        (count(NAN), DASH),
        (probability(0.0, 1000), "<\u00a00.001"),
        (probability(0.0, 100), "<\u00a00.010"),
        (probability(0.0213), "=\u00a00.021"),
        (probability(NAN), f"=\u00a0{DASH}"),
        (day(date(2026, 4, 30)), "2026-04-30"),
        (day(None), DASH),
        (plain([1, None, {"a": date(2020, 1, 1)}]), f'1, {DASH}, {{"a": "2020-01-01"}}'),
        (plain({"b", "a"}), "a, b"),
        (plain(()), DASH),
        (plain(False), "no"),
        (enumerate_words(["a", "b", "c"]), "a, b and c"),
        (enumerate_words([]), ""),
        (flatten({"a": {"b": 1, "c": {}}, "d": None}), {"a.b": "1", "a.c": DASH, "d": DASH}),
        (label("<b>a</b>\n%{x}"), "&lt;b&gt;a&lt;/b&gt; %\u200b{x}"),
        (label("abcdef", 4), "abc…"),
    ],
)
def test_formats(made: object, wanted: object) -> None:
    assert made == wanted


@pytest.mark.parametrize("nested_t", [3.1, CRITICAL_T, 1.7, 1.0, NAN])
@pytest.mark.parametrize("paired_t", [2.9, CRITICAL_T, 0.7, NAN])
@pytest.mark.parametrize("changes", [{}, {"controls": ()}, {"shuffled_t": ()}, {"nested": None}, {"shuffles_asked": 40}], ids=str)
def test_the_sentence_agrees_with_the_verdict(nested_t: float, paired_t: float, changes: dict[str, Any]) -> None:
    made = verdict(nested_t=nested_t, paired_t=paired_t, **changes)
    first = paragraphs(study(verdict=made))[0]
    assert (failed_bars(made) != ()) == (made.product_information == "not found")
    start = {"found": "The score holds", "not found": "No product information", "not decidable": "Whether products"}[
        made.product_information
    ]
    assert first.startswith(start)
    assert "–" not in first


def test_a_failed_bar_is_named() -> None:
    failed = " ".join(paragraphs(study(verdict=verdict(nested_t=1.0, paired_t=2.0)))).replace("\u00a0", " ")
    for part in (
        "No product information is found",
        "own_only (t +2.00)",
        "industry (t +2.00)",
        "the nested test (t +1.00)",
        "do at least as well",
    ):
        assert part in failed


def test_an_identical_control_is_said_to_be_identical() -> None:
    made = verdict()
    same = replace(made.controls[0], identical=True, paired=mean_test(NAN))
    text = " ".join(paragraphs(study(verdict=replace(made, controls=(same, made.controls[1])))))
    assert "it is identical to the signal" in text
    assert "cannot be decided: the study lacks a second control that differs from the signal" in text


def test_too_few_dates_leave_the_question_open() -> None:
    text = " ".join(paragraphs(study(verdict=verdict(nested_t=NAN, shuffled_t=()))))
    assert "cannot be decided: the study lacks a t statistic on enough dates and shuffles" in text


def test_what_a_claim_still_needs_is_said() -> None:
    few = verdict(shuffled_t=(0.1, 0.2))
    assert few.product_information == "not decidable"
    assert "the study lacks 18 more shuffles with a nested t." in paragraphs(study(verdict=few))[0]
    failed = verdict(shuffles_asked=30)
    assert "the study lacks 10 more shuffles with a nested t." in paragraphs(study(verdict=failed))[0]
    empty = verdict(not_evaluable=("third",))
    assert empty.product_information == "not decidable"
    assert "the study lacks figures of the control third." in paragraphs(study(verdict=empty))[0]


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_a_figure_draws_every_study_or_is_absent(draw: Callable[..., go.Figure | None]) -> None:
    one, two = draw([study()]), draw([study(), study("placebo", icir=0.04)])
    assert one is not None
    assert two is not None
    assert len(two.data) == 2 * len(one.data)
    assert draw([bare()]) is None
    assert draw([]) is None
    unjudged = draw([study(verdict=None, not_evaluable="too few names")])
    assert (unjudged is None) == (draw is not figures.coverage)


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_a_figure_holds_no_markup_of_a_name(draw: Callable[..., go.Figure | None]) -> None:
    made = draw([study(HOSTILE), study("<i>other</i>", icir=0.04)])
    assert made is not None
    assert "<script" not in made.to_json()
    assert "<i>" not in made.to_json()


def test_charts_come_in_reading_order_and_only_where_they_hold_something() -> None:
    assert [chart.key for chart in gallery([study()])] == ALL_KEYS
    assert gallery([bare()]) == ()
    assert [chart.key for chart in gallery([bare(coverage=study().coverage)])] == ["coverage"]


def test_a_partial_year_is_hatched_and_names_its_months() -> None:
    made = figures.calendar_years([study()])
    assert made is not None
    (bars,) = (trace for trace in made.data if trace.type == "bar")
    assert list(bars.x) == ["2021<br>7 m", "2022<br>12 m", "2023<br>12 m", "2024<br>12 m", "2025<br>8 m"]
    assert list(bars.marker.pattern.shape) == ["/", "", "", "", "/"]


def test_the_cumulative_line_ends_at_the_sum_and_passes_over_missing_dates() -> None:
    made = figures.cumulative_ic([study()])
    assert made is not None
    daily = study().verdict.orthogonal.daily.drop_nulls("ic")  # type: ignore[union-attr]
    line = next(trace for trace in made.data if trace.name == "planted, orthogonal")
    assert len(line.x) == daily.height
    assert line.y[-1] == pytest.approx(daily["ic"].sum(), abs=1e-4)  # the line is rounded to four decimals
    assert [shape.x0 for shape in made.layout.shapes] == [study().verdict.orthogonal.period("out of sample").first.isoformat()]  # type: ignore[union-attr]


def test_horizons_beyond_the_grid_are_deflated() -> None:
    made = figures.horizons([study()])
    assert made is not None
    measured, deflated = made.data
    ratio = [low / high for high, low in zip(measured.y, deflated.y, strict=True)]
    assert ratio == pytest.approx([1, 1, 1, 1, 0.5**0.5, (1 / 3) ** 0.5, (1 / 6) ** 0.5])


def test_strips_hold_every_offset_and_every_shuffle() -> None:
    offsets, shuffles = figures.offset_strip([study()]), figures.shuffle_strip([study()])
    assert offsets is not None
    assert shuffles is not None
    assert len(offsets.data[0].x) == 20
    assert [(shape.x0, shape.x1) for shape in offsets.layout.shapes] == [(-0.25, 0.25), (0.352, 0.352)]
    assert len(shuffles.data[0].x) == 20
    assert list(shuffles.data[1].x) == [3.1]


def test_figures_pass_over_missing_values() -> None:
    lost = study(
        quantiles=study().quantiles.with_columns(pl.lit(None, dtype=pl.Float64).alias("excess_return")),
        autocorrelation=study().autocorrelation.with_columns(pl.lit(None, dtype=pl.Float64).alias("rank_correlation")),
        verdict=verdict(shuffled_t=(0.1, NAN)),
    )
    assert figures.quantile_curve([lost]) is None
    assert figures.autocorrelation([lost]) is None
    assert figures.shuffle_strip([lost]) is not None
