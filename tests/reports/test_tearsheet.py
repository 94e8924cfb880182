"""The page: self-contained, escaped, complete, honest about synthetic data, and written whole or not at all."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from plotly.offline import get_plotlyjs

from pureplay.errors import SettingError
from pureplay.reports import render, write
from pureplay.reports.wording import SYNTHETIC
from pureplay.studies.records import MomentumStudy
from tests.reports.factory import HOSTILE, MANIFEST, NAN, REFUSED, bare, offset_null, study, verdict

LOADING = ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "background")


class Tags(HTMLParser):
    """Elements with their attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside = ""
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data


def page_of(*studies: MomentumStudy, **changes: Any) -> str:
    """The page without the library, which tests would otherwise search in vain."""
    page = render(studies, **({"title": "A study", "manifest": MANIFEST} | changes))
    return page.replace(get_plotlyjs(), "")


def text_of(page: str) -> str:
    """What a reader sees of a page, on one line."""
    shown = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", shown)).split())


def test_nothing_is_loaded_from_anywhere() -> None:
    page = render([study(), study("placebo", icir=0.04)], title="A study", manifest=MANIFEST)
    rest = page.replace(get_plotlyjs(), "")
    assert "http://" not in rest
    assert "https://" not in rest
    assert "@import" not in rest
    assert "url(" not in rest
    for tag, attributes in Tags(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not set(LOADING) & set(attributes), (tag, attributes)


def test_the_library_is_there_once_and_its_digest_is_allowed() -> None:
    page = render([study(), study("placebo", icir=0.04)], title="A study", manifest=MANIFEST)
    assert page.count(get_plotlyjs()) == 1
    assert page.count("* plotly.js v") == 1
    run = [attributes for tag, attributes in Tags(page).elements if tag == "script" and "type" not in attributes]
    (policy,) = (
        attributes["content"] for tag, attributes in Tags(page).elements if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert len(run) == 2
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.count("'sha256-") == 2


def test_the_library_and_the_charts_stay_out_where_nothing_can_be_drawn() -> None:
    page = render([bare()], title="A study", manifest={})
    assert "plotly.js v" not in page
    assert "data-chart" not in page
    assert len(page) < 50_000


def test_the_same_studies_give_the_same_page() -> None:
    assert page_of(study()) == page_of(study())


@pytest.mark.parametrize("hostile", [HOSTILE, "<img src=x onerror=alert(1)>", '"><b onload="x">', "{{ 7 * 7 }}", "<!--<script>"])
def test_hostile_text_is_text_everywhere(hostile: str) -> None:
    finding = pl.DataFrame([("refused", hostile, hostile, 1, hostile)], schema=REFUSED, orient="row")
    made = study(
        hostile,
        refused=finding,
        settings={hostile: hostile},
        data={"nested": {hostile: [hostile]}},
        universes={hostile: study().universes["CSI300"]},
        components={hostile: study().components["composite"]},
        factor_correlation=pl.DataFrame({"factor": [hostile], "rank_correlation": [0.1]}),
        verdict=verdict(notes=(hostile,), dropped={hostile: 1}),
        seconds={hostile: 1.0},
    )
    page = page_of(made, bare(name=hostile, not_evaluable=hostile), title=hostile, manifest={hostile: {hostile: hostile}})
    plain = page_of(study(), bare(), manifest={"a": {"b": "c"}})
    tags = [tag for tag, _ in Tags(page).elements]
    if "<" in hostile:
        assert hostile not in page
    assert set(tags) <= {tag for tag, _ in Tags(plain).elements}
    assert tags.count("script") == [tag for tag, _ in Tags(plain).elements].count("script")
    assert not any(name.startswith("on") for _, attributes in Tags(page).elements for name in attributes)
    assert " ".join(hostile.split()) in text_of(page)


def test_the_banner_stands_on_synthetic_pages_alone() -> None:
    real = study("real", synthetic=False)
    assert SYNTHETIC not in page_of(real)
    assert "[Synthetic]" not in page_of(real)
    assert page_of(study()).count(SYNTHETIC) == 2  # banner and footer
    assert "Applies to" not in page_of(study())
    mixed = text_of(page_of(real, study("simulated")))
    assert f"{SYNTHETIC} Applies to: simulated" in mixed


def test_the_figures_of_the_records_are_on_the_page() -> None:
    text = text_of(page_of(study(), study("placebo", icir=0.04)))
    for figure in (
        "+0.352",
        "+0.452",
        "21.6 %",
        "+0.0246",
        "+2.82",
        "+3.34",
        "+3.10",
        "+0.40",
        "+2.90",
        "+0.264",
        "[−0.250, +0.250]",
        "p = 0.012",
    ):
        assert figure in text, figure
    assert "Product information: found" in text
    assert "Product information: not found" in text
    assert "CSI300 +0.232" in text
    assert "in sample" in text
    assert "set aside segments mapped above total 7 7" in text
    assert "with too few names, or without variation 11 11" in text
    assert f"data.bars.parquet.sha256 {'9f2c' * 16}" in text
    assert "Dates 2021-06-01 to 2025-08-18 Sessions 1,100 Stocks 1,017 Stocks traded a day, at most 996" in text


def test_settings_that_differ_are_marked() -> None:
    page = page_of(study(), study("placebo", icir=0.04))
    marked = re.findall(r'<tr class="differs"><th scope="row">(.*?)</th>', page)
    assert marked == ["market.underreaction"]
    assert 'class="differs"' not in page_of(study())
    assert 'class="differs"' not in page_of(study(), study("later", seconds={"scores": 9.0}))


def test_a_study_that_cannot_be_evaluated_says_why_and_shows_coverage() -> None:
    made = study(verdict=None, not_evaluable="too few names: widen the data", horizons=(), universes={})
    page = page_of(made)
    assert "Not evaluable" in text_of(page)
    assert "too few names: widen the data" in text_of(page)
    assert re.findall(r'data-chart="data-(\w+)"', page) == ["coverage"]
    assert "Headline figures" not in page
    assert "Within each index" not in page
    assert "mapped above total" in page


def test_one_study_without_a_verdict_does_not_hide_the_other() -> None:
    page = page_of(bare(), study())
    assert "Not evaluable" in text_of(page)
    assert "Orthogonal ICIR – +0.352" in text_of(page)
    assert 'data-chart="data-shuffles"' in page


def test_what_is_absent_is_left_out_or_dashed() -> None:
    thin = verdict(
        controls=(), nested=None, shuffled_t=(), dropped={}, orthogonal=replace(verdict().orthogonal, null=None, periods=(), skipped={})
    )
    made = study(verdict=thin, horizons=(), universes={}, components={})
    page, text = page_of(made), text_of(page_of(made))
    assert "Product information: not decidable" in text
    assert "the study lacks a control that differs from the signal, a nested test and shuffles" in text
    assert "Null band, 95 % –" in text
    assert "No date was skipped" in text
    assert not {"shuffles", "years", "horizons"} & set(re.findall(r'data-chart="data-(\w+)"', page))


def test_missing_numbers_print_as_dashes() -> None:
    lost = replace(
        verdict().orthogonal, icir=NAN, icir_min=NAN, icir_max=NAN, mean=NAN, sd=NAN, newey_west_t=NAN, null=replace(offset_null(), p=NAN)
    )
    page = page_of(
        study(verdict=verdict(orthogonal=lost, variance_left=NAN, variance_left_range=(NAN, NAN)), settings={"a": None, "b": NAN})
    )
    text = text_of(page)
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)
    assert "Orthogonal ICIR –" in text
    assert "Newey–West t –" in text
    assert "NaN" not in "".join(Tags(page).scripts)


def test_a_report_needs_a_study() -> None:
    with pytest.raises(SettingError, match="at least one study"):
        render([], title="A study", manifest={})


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert write(path, [study()], title="A study", manifest=MANIFEST) == path
    assert path.read_text(encoding="utf-8") == render([study()], title="A study", manifest=MANIFEST)
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("broken", ["pathlib.Path.replace", "os.fsync"])
def test_an_interrupted_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(broken, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(path, [study()], title="A study", manifest=MANIFEST)
    assert path.read_text(encoding="utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(SettingError):
        write(path, [], title="A study", manifest={})
    assert path.read_text(encoding="utf-8") == "old"
