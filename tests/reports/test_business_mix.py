"""The page on the business-mix factors: self-contained, escaped, and its figures are those of the records."""

import re
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from plotly.offline import get_plotlyjs

from pureplay.reports.business_mix import business_mix_gallery, render_business_mix
from pureplay.reports.business_mix_wording import conclusion, lead, shares
from pureplay.reports.wording import SYNTHETIC
from pureplay.studies.business_mix_records import MEASURES, ROW_SCHEMA, BusinessMixStudy
from tests.reports.factory import HOSTILE, MANIFEST, REFUSED, verdict
from tests.reports.test_tearsheet import LOADING, Tags, text_of


def row(measure: str, source: str = "products", window: int = 20, purity: float | None = 0.8, **changes: Any) -> dict[str, Any]:
    """A row with every figure, a hypothetical one."""
    sign = MEASURES[measure]
    spread = {"mean_ic": sign * 0.0659, "icir": sign * 0.84, "win_rate": 0.68, "ls_return": 0.238, "ls_sharpe": 2.26}
    made: dict[str, Any] = {"measure": measure, "source": source, "window_sessions": window, "purity": purity, "sign": sign}
    made |= {f"{name}{end}": value + step for name, value in spread.items() for end, step in (("", 0.0), ("_min", -0.1), ("_max", 0.1))}
    made |= {"ic_t": sign * 3.3, "ls_t": 2.9, "turnover": 0.61, "turnover_annual": 7.4, "n_dates": 900, "names": 1234.0, "leg_names": 246.0}
    made |= {"coverage": 0.75, "pure_plays": 321, "products": 17, "share_products": 0.6, "share_parent": 0.25, "share_industry": 0.1}
    return {**dict.fromkeys(ROW_SCHEMA), **made, "share_synthetic": 0.0, "share_uncovered": 0.05, **changes}


def mix(**changes: Any) -> BusinessMixStudy:
    """A whole study."""
    rows = [row(measure, source, window) for source in ("products", "own_only") for window in (20, 60) for measure in MEASURES]
    swept = [row("composite", purity=each, icir=0.8 + each / 10, share_products=1.1 - each) for each in (0.5, 0.8, 0.9)]
    names = ("momentum, 20", "composite, 20")
    made = BusinessMixStudy(
        name="Business mix of a synthetic market",
        synthetic=True,
        settings={"purity": 0.8, "fallback": ("parent", "industry", "synthetic")},
        changed={"level": "leaf"},
        evaluation={"horizon_sessions": 20, "grid_sessions": 20},
        data={"first": "2021-06-01", "last": "2025-08-18", "sessions": 1100, "assets": 1017},
        windows=(20, 60),
        sector_scheme=None,
        rows=pl.DataFrame(rows, schema=ROW_SCHEMA),
        thresholds=pl.DataFrame(swept, schema=ROW_SCHEMA),
        correlations=pl.DataFrame({"factor": ["size"], names[0]: [-0.08], names[1]: [0.31]}),
        coverage=pl.DataFrame(),
        verdict=verdict(0.3, nested_t=1.1, shuffled_t=()),
        not_evaluable=None,
        notes=("a note on the data",),
        refused=pl.DataFrame([("notice", "bars", "not_a_session", 3, "correct the date")], schema=REFUSED, orient="row"),
        seconds={"scores": 1.25},
    )
    return replace(made, **changes)


def page_of(study: BusinessMixStudy, manifest: Any = MANIFEST) -> str:
    return render_business_mix(study, manifest=manifest).replace(get_plotlyjs(), "")


def test_nothing_is_loaded_and_the_page_is_the_same_every_time() -> None:
    page = render_business_mix(mix(), manifest=MANIFEST)
    assert page.count(get_plotlyjs()) == 1
    rest = page.replace(get_plotlyjs(), "")
    assert not [word for word in ("http://", "https://", "@import", "url(") if word in rest]
    for tag, attributes in Tags(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not set(LOADING) & set(attributes), (tag, attributes)
    assert page == render_business_mix(mix(), manifest=MANIFEST)


def test_sections_and_charts_stand_in_order() -> None:
    page = page_of(mix())
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        *("Beside the published figures", "Is it product information?", "How pure a pure play must be", "What the factors resemble"),
        *("What was left out, and why", "Settings, timings and manifest", "Glossary"),
    ]
    assert re.findall(r'data-chart="data-([\w-]+)"', page) == ["thresholds", "shares"]


def test_the_figures_of_the_records_are_on_the_page() -> None:
    text = text_of(page_of(mix()))
    for wanted in (
        SYNTHETIC,
        "Not as in the preset: level = leaf.",
        "Residual volatility: the lowest fifth is bought",
        "−6.59 % [−16.59 %, +3.41 %]",
        "win rate 68.0 % [58.0 %, 78.0 %] 68.0 % [58.0 %, 78.0 %] 68.0 % [58.0 %, 78.0 %] 68.0 % [58.0 %, 78.0 %] 76.5 %",
        "long-short return +23.80 %",
        "+30.77 %",
        "Against own_only, paired t +2.90 its ICIR +0.310 passes",
        "Beyond the controls, nested t +1.10 ICIR +0.264 fails",
        "0.9 321 17 1,234 +6.59 % +3.30 +0.89",
        "size −0.08 +0.31",
        "a note on the data",
        "Scored of the universe 75.0 %",
    ):
        assert wanted.replace("\u00a0", " ") in text.replace("\u00a0", " "), wanted


def test_charts_draw_the_numbers_of_the_thresholds() -> None:
    first, second = business_mix_gallery(mix())
    assert list(first.figure.data[0].x) == [0.5, 0.8, 0.9]
    assert list(first.figure.data[0].y) == pytest.approx([0.85, 0.88, 0.89])
    assert list(first.figure.data[0].error_y.array) == pytest.approx([0.94 - 0.85, 0.94 - 0.88, 0.94 - 0.89])
    bars = {trace.name: list(trace.y) for trace in second.figure.data}
    assert bars["pure plays"] == pytest.approx([60.0, 30.0, 20.0])
    assert bars["parent product"] == pytest.approx([25.0] * 3)
    assert second.numbers is not None
    assert second.numbers.rows[0][:2] == ("0.5", "60.0\u00a0%")
    none = mix(thresholds=mix().thresholds.with_columns(pl.lit(None, dtype=pl.Float64).alias("icir")))
    assert [each.key for each in business_mix_gallery(none)] == ["shares"]


def test_the_opening_says_what_was_found_and_what_was_not() -> None:
    said = lead(mix()).replace("\u00a0", " ")
    assert "mean rank IC of +6.59 % (t +3.30; published +9.29 %) and an ICIR of +0.84 (published +1.17)" in said
    assert "earned +23.80 % a year over its bottom fifth (published +30.77 %)" in said
    assert "Product information is not found to earn it: against own_only the paired t is +2.90" in said
    assert "answered by pure plays 60.0 %, parent product 25.0 %, industry 10.0 %, synthetic basket 0.0 % and nothing 5.0 %" in said
    assert conclusion(mix(verdict=verdict(0.3, shuffled_t=()))).startswith("Whether product information earns it is open")
    assert conclusion(mix(verdict=verdict(0.3))).startswith("Product information earns it")
    assert "not tested: too few" in conclusion(mix(verdict=None, not_evaluable="too few"))
    absent = mix().rows.with_columns(mean_ic=pl.lit(None, dtype=pl.Float64), reason=pl.lit("no names"))
    assert lead(mix(rows=absent)) == "The composite over 20 sessions cannot be evaluated: no names."
    assert shares({"share_products": None}) == "–"


@pytest.mark.parametrize(
    ("horizon", "grid", "words"),
    [
        (20, 5, "IC with the return over 20 sessions, rebalanced every 5 sessions:"),
        (1, 20, "IC with the return over 1 session, rebalanced every 20 sessions:"),
        (60, 60, "IC with the return over 60 sessions, rebalanced every 60 sessions:"),
    ],
)
def test_published_figures_are_monthly_and_stand_beside_monthly_ones_alone(horizon: int, grid: int, words: str) -> None:
    monthly, other = mix(), mix(evaluation={"horizon_sessions": horizon, "grid_sessions": grid})
    said, text = text_of(page_of(monthly)), text_of(page_of(other))
    assert "IC with the return over 20 sessions, rebalanced every 20 sessions:" in said
    assert words in text
    for figure in ("+30.77", "+9.29", "+1.17", "76.5"):
        assert figure in said
        assert figure not in text
        assert figure not in lead(other)
    assert "not comparable" not in said
    assert "Published: monthly, not comparable." in text
    assert "(published: monthly, not comparable)." in lead(other)
    assert "onthly figures" not in said + text


def test_what_is_absent_is_said() -> None:
    rows = mix().rows.with_columns(reason=pl.lit("too few names"), icir=pl.lit(None, dtype=pl.Float64))
    text = text_of(page_of(mix(rows=rows, verdict=None, not_evaluable="a median of 12 names", correlations=pl.DataFrame({"factor": []}))))
    assert "verdict a median of 12 names" in text
    assert "momentum, own_only, 60 too few names" in text
    assert "What the factors resemble" not in text


def test_text_of_others_is_escaped() -> None:
    page = page_of(mix(name=HOSTILE, notes=(HOSTILE,), changed={HOSTILE: HOSTILE}), manifest={HOSTILE: HOSTILE})
    assert HOSTILE not in page
    assert "<script>alert" not in page
