"""Terminal tables of studies."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from pureplay.apps.tables import side_by_side, study_tables
from pureplay.studies.records import ProductStudy
from pureplay.studies.study import run_study
from tests.reports.factory import study
from tests.studies import small


def test_every_row_of_every_study_is_shown() -> None:
    judged = study()
    without = replace(judged, verdict=None, not_evaluable="too few")
    for studies in ({"one": judged, "two": without}, {"two": without, "one": judged}):
        console = Console(width=160, record=True, file=io.StringIO())
        console.print(side_by_side(studies))
        text = console.export_text()
        assert "too few" in text
        assert "raw ICIR" in text
        assert "nested t" in text
        assert "–" in text


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ProductStudy:
    folder = small.dataset(tmp_path_factory.mktemp("tables") / "data", sessions=120)
    quick = {"buffers_days": (), "purities": (), "min_peers": (), "levels": (60,), "placebos": False}
    made = small.spec(folder, study=quick, evaluation={"split": None, "shuffles": 1, "null_draws": 20, "horizons_sessions": (5,)})
    return run_study(made, work=tmp_path_factory.mktemp("work"))


def printed(study: ProductStudy) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    for each in study_tables(study):
        console.print(each)
    return console.export_text()


def test_a_study_is_shown_with_the_published_figures_beside(whole: ProductStudy) -> None:
    text = printed(whole)
    assert text.startswith("Synthetic data: a simulated market, not evidence about any real one.")
    for name, published in (("R", "+0.352"), ("S", "+0.307")):
        assert f"Construction {name}, base of 4 factors (own)" in text
        assert published in text
    lines = text.split("\n")
    for row in whole.headline.to_dicts():
        found = [line for line in lines if row["finding"] in line and row["ours"] in line and row["published"] in line]
        assert found, row["row"]
        if row["se"] is not None:
            assert any(f"{row['se']:.3f}" in line for line in found)
        if row["n"] is not None:
            assert any(f"{row['n']} {row['n_of']}" in line for line in found)
    for each in whole.constructions.values():
        assert each.verdict is not None
        assert f"the base leaves {100 * each.verdict.variance_left:.1f} % of the signal's variance" in text
        assert each.verdict.nested is not None
        assert f"{each.verdict.nested.test.t:+.2f}" in text
        for name, figure in each.bases.items():
            assert f"{name}: ICIR {figure.icir:+.3f}, EWC t {figure.test.t:+.2f}" in text
    assert "left out: level 60: the product tree has" in text
    assert all(f"note: {note}"[:100] in text for note in whole.notes)


def test_a_construction_without_an_answer_is_named(whole: ProductStudy) -> None:
    without = replace(whole.constructions["S"], verdict=None, not_evaluable="too few names")
    made = replace(whole, synthetic=False, constructions={**whole.constructions, "S": without}, notes=("a note",))
    text = printed(made)
    assert "Construction S is not evaluable: too few names" in text
    assert "Construction S, base" not in text
    assert "Construction R, base of 4 factors" in text
    assert "note: a note" in text
    assert "Synthetic" not in text
