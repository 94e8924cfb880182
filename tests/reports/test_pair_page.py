"""The pair page: self-contained, escaped, its figures are those of the record, and it warns where one day makes the correlation."""

import re
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from plotly.offline import get_plotlyjs

from pureplay.graph.story_records import PairStory
from pureplay.reports.pair import pair_gallery, render_pair
from pureplay.reports.pair_wording import headline, warnings
from pureplay.reports.wording import SYNTHETIC
from tests.reports.factory import HOSTILE, MANIFEST
from tests.reports.story_factory import daily, lines, pair, written
from tests.reports.test_tearsheet import LOADING, Tags, text_of


def page_of(story: PairStory, manifest: Any = MANIFEST) -> str:
    return render_pair(story, manifest=manifest).replace(get_plotlyjs(), "")


def dark_lines() -> pl.DataFrame:
    return lines().with_columns(lit=pl.lit(False), known_since=pl.lit(None, dtype=pl.Date))


def test_nothing_is_loaded_and_only_web_addresses_become_links() -> None:
    page = page_of(pair())
    assert not [word for word in ("@import", "url(") if word in page]
    for tag, attributes in Tags(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        held = set(LOADING) & set(attributes)
        assert held == ({"href"} if tag == "a" else set()), (tag, attributes)
    links = [attributes for tag, attributes in Tags(page).elements if tag == "a"]
    assert [each["href"] for each in links] == ["https://news.example/a?x=1&y=2"]
    assert links[0]["rel"] == "noopener noreferrer nofollow"
    assert 'href="https://news.example/a?x=1&amp;y=2"' in page
    assert "javascript:alert(1)" in text_of(page), "shown, not linked"
    assert render_pair(pair(), manifest=MANIFEST).count(get_plotlyjs()) == 1
    assert page_of(pair()) == page


@pytest.mark.parametrize(
    "hostile", [HOSTILE, "<img src=x onerror=alert(1)>", '"><b onload="x">', "{{ 7 * 7 }}", "<!--<script>", 'https://x/"onclick="y']
)
def test_hostile_text_is_text_everywhere(hostile: str) -> None:
    story = pair(
        name_a=hostile,
        name_b=hostile,
        articles=written().with_columns(pl.lit(hostile).alias("article"), pl.lit(hostile).alias("source")),
        evidence=lines().with_columns(text=pl.lit(hostile)),
    )
    page, plain = page_of(story, {hostile: hostile}), page_of(pair(), {"a": "b"})
    assert {tag for tag, _ in Tags(page).elements} <= {tag for tag, _ in Tags(plain).elements}
    assert page.count("<script") == plain.count("<script")
    assert not any(name.startswith("on") for _, attributes in Tags(page).elements for name in attributes)
    assert " ".join(hostile.split()) in text_of(page)


def test_the_figures_of_the_record_are_on_the_page() -> None:
    story = pair()
    text = text_of(page_of(story)).replace("\u00a0", " ")
    for wanted in (
        SYNTHETIC,
        "Copper Foil Holdings (600000.SH) and 贵州茅台 (600519.SH)",
        "Deep product peer ● lit both in P3 (Copper foil) at depth 5: 600000.SH 61.0% (…), 600519.SH 22.0% (…) 2024-04-30",
        "Input chain ○ off no input edge between their products –",
        "https://news.example/a?x=1&y=2 2024-06-27 16:30 2024-06-28 daily 3",
        "N0017 2024-06-03 09:00 2024-06-03 – 2",
        "Common days 88; 59",
        "Trailing: 90 sessions, correlation +0.276",
        "Forward: 60 sessions, correlation +0.321",
    ):
        assert wanted in text, wanted
    assert SYNTHETIC not in page_of(pair(synthetic=False))


def test_the_headline_says_what_links_them() -> None:
    assert headline(pair()).startswith(
        "Confirmed by a deep common product and a disclosed customer or supplier link. News names them together on 3 sessions of the 90 "
    )
    dark = pair(confirmed=False, dark=True, evidence=dark_lines())
    assert headline(dark).startswith("Dark: no structural link between the two is known. News names them")
    apart = pair(confirmed=False, comention_strength=0.0, comention_days=0, evidence=dark_lines(), articles=written().clear())
    assert headline(apart).startswith("Not co-mentioned: no article of the 90 days up to 2021-10-01 names both. No structural link")
    quiet = replace(apart, confirmed=True, evidence=lines())
    assert headline(quiet).startswith("Confirmed by a deep common product and a disclosed customer or supplier link. Not co-mentioned")
    bare = pair(confirmed=False, mapped=False, evidence=dark_lines())
    assert headline(bare).startswith("Neither confirmed nor dark: one of the two has no entry in the product tree.")
    linked = pair(comention_strength=None, comention_days=None, articles=written().clear())
    assert "The graph is made without news" in headline(linked)
    shallow = pair(evidence=lines().with_columns(lit=pl.col("lamp") == "product_peer"))
    assert headline(shallow).startswith("Confirmed by a shallow common product.")
    once = headline(pair(comention_days=1))
    assert "on 1 session of" in once


def test_no_article_is_said() -> None:
    story = pair(articles=written().clear(), comention_strength=0.0, comention_days=0)
    text = text_of(page_of(story))
    assert "No article of the 90 days up to 2021-10-01 names both." in text
    assert "Counts for the" not in text.split("How they moved")[0]


def test_a_forward_window_past_the_end_is_said_and_not_drawn() -> None:
    story = pair(daily=daily(forward=False))
    assert story.forward_corr is None
    assert "the data end before the next 60 do. The model expected +0.310." in headline(story)
    assert [each.key for each in pair_gallery(story)] == ["trailing", "days"]
    assert "Correlation forward, 60 –" in text_of(page_of(story))
    thin = pair(forward_corr=None)
    assert "over the next 60 it cannot be measured" in headline(thin)
    none = pair(trailing_corr=None, forward_corr=None)
    assert pair_gallery(none) == ()
    assert "Neither window has a correlation to draw." in text_of(page_of(none))
    assert "Plotly" not in page_of(none)


def test_contributions_add_up_to_the_correlation() -> None:
    story = pair()
    rows = story.daily.to_dicts()
    for name, sessions in (("trailing", 90), ("forward", 60)):
        held = [row for row in rows if row["window"] == name and row["z_a"] is not None and row["z_b"] is not None]
        wanted = sum(row["z_a"] * row["z_b"] for row in held) / max(len(held), sessions * 2 / 3)
        found = story.contributions().filter(window=name)["contribution"]
        assert found.sum() == pytest.approx(wanted, abs=1e-12)  # another order of 90 additions
        assert found.is_not_null().sum() == len(held)
    few = replace(story, daily=story.daily.with_columns(z_a=pl.when(pl.int_range(pl.len()).over("window") < 40).then("z_a")))
    assert few.contributions().filter(window="trailing")["contribution"].sum() == pytest.approx(
        sum(row["z_a"] * row["z_b"] for row in few.daily.filter(window="trailing").drop_nulls().to_dicts()) / 60, abs=1e-12
    ), "two thirds of 90"
    plain = replace(few, measure="pearson").contributions().filter(window="trailing")["contribution"].sum()
    assert plain == pytest.approx(few.contributions().filter(window="trailing")["contribution"].sum() * 60 / 38, abs=1e-12)


def test_a_day_that_makes_more_than_half_is_warned_of() -> None:
    loud = pair(daily=daily(loud=True))
    (said,) = [each for each in warnings(loud) if "One day" in each]
    day = loud.daily.sort("date")["date"][41]
    adds = 42 / 88
    assert said.startswith(f"One day makes more than half of the trailing correlation: {day} adds +{adds:.3f} of ")
    assert " ".join(said.split()) in text_of(page_of(loud))
    assert not list(warnings(pair()))
    turned = pair(daily=daily(loud=True).with_columns(z_b=-pl.col("z_b")))
    assert turned.trailing_corr is not None
    assert turned.trailing_corr < 0
    assert any(f"adds −{adds:.3f} of −" in each for each in warnings(turned)), "a negative correlation too"


def test_few_common_days_and_sizes_above_one_are_warned_of() -> None:
    few = pair(trailing_overlap=50)
    assert any("Both traded on only 50 of the 90 trailing sessions; the measure divides by two thirds" in each for each in warnings(few))
    assert any("so few days is uncertain" in each for each in warnings(replace(few, measure="pearson")))
    assert any("forward correlation of +1.040 exceeds 1" in each for each in warnings(pair(forward_corr=1.04)))
    assert not list(warnings(pair(trailing_overlap=60)))


def test_charts_draw_the_days_of_the_record() -> None:
    story = pair()
    first, second, days = pair_gallery(story)
    known = story.daily.filter(window="trailing").drop_nulls()
    assert list(first.figure.data[1].x) == known["z_a"].to_list()
    assert list(first.figure.data[1].y) == known["z_b"].to_list()
    assert first.figure.layout.xaxis.range == second.figure.layout.xaxis.range
    assert first.numbers is not None
    assert len(first.numbers.rows) == 90
    assert first.numbers.rows[10][1] == "–"
    assert [trace.y[-1] for trace in days.figure.data] == pytest.approx([story.trailing_corr, story.forward_corr], abs=1e-12)
    assert days.numbers is not None
    assert len(days.numbers.rows) == 10
    sizes = [abs(float(row[6].replace("−", "-"))) for row in days.numbers.rows[:5]]
    assert sizes == sorted(sizes, reverse=True)
    assert re.findall(r'data-chart="data-([\w-]+)"', page_of(story)) == ["trailing", "forward", "days"]
