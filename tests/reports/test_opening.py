"""The paragraph that a page opens with, and the table under it: what they say comes from the record, whatever the verdict."""

import math
from dataclasses import replace
from itertools import product
from statistics import median
from typing import Any

import pytest

from pureplay.evaluate.deciding import record_years
from pureplay.evaluate.records import CRITICAL_T, OrthogonalICIR
from pureplay.evaluate.trials import TrialCount
from pureplay.reports.opening import opening, others
from pureplay.reports.study import render_study
from pureplay.reports.tearsheet import render
from tests.reports.factory import HOSTILE, NAN, bare, mean_test, offset_null, study, summary, verdict, weekdays
from tests.reports.study_factory import lost, whole_study

LUCK = tuple(-0.1 + 0.02 * k for k in range(20))
SHUFFLED = {"shuffled_icir": LUCK, "shuffled_raw_icir": tuple(each + 0.1 for each in LUCK), "shuffled_t": tuple(8 * each for each in LUCK)}


def trials(distinct: int = 14) -> TrialCount:
    return TrialCount(distinct=distinct, distinct_all=distinct + 5, recorded=distinct + 9, head="ab" * 32)


def said(made: OrthogonalICIR | None, counted: TrialCount | None = None, years: float | None = 4.0) -> str:
    return opening(made, counted, years).replace("\u00a0", " ")


def with_paired(made: OrthogonalICIR, own_only: float, industry: float) -> OrthogonalICIR:
    own, other = made.controls
    return replace(made, controls=(replace(own, paired=mean_test(own_only)), replace(other, paired=mean_test(industry))))


FOUND = verdict(**SHUFFLED)
SHAPES: dict[str, tuple[OrthogonalICIR | None, str]] = {
    "found": (FOUND, "Found:"),
    "not found by paired": (with_paired(FOUND, 2.9, 1.3), "Not found:"),
    "not found by nested": (verdict(nested_t=1.9, **SHUFFLED), "Not found:"),
    "not found by shuffles": (verdict(**SHUFFLED | {"shuffled_t": (3.4, 3.5, *[0.0] * 18)}), "Not found:"),
    "no controls": (verdict(controls=(), nested=None, **SHUFFLED), "Not decidable:"),
    "no shuffles": (verdict(shuffled_t=()), "Not decidable:"),
    "too few dates": (with_paired(verdict(nested_t=NAN, **SHUFFLED), NAN, NAN), "Not decidable:"),
    "nothing evaluable": (None, "Not decidable:"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("counted", [None, trials(1), trials(1234)], ids=["no log", "one", "many"])
def test_every_verdict_opens_with_its_word_in_at_most_150_words(shape: str, counted: TrialCount | None) -> None:
    made, start = SHAPES[shape]
    text = opening(made, counted, 4.0)
    assert text.startswith(start)
    if made is not None:
        assert text.lower().startswith(f"{made.product_information}:")
    assert len(text.split()) <= 150
    assert not any(word in text for word in ("nan", "inf ", "None", "\n"))
    assert ("The trial log was switched off" in text) == (counted is None)


@pytest.mark.parametrize(("paired", "nested"), list(product([5.0, 1.0, -1.0, NAN], [5.0, 1.0, -1.0, NAN])))
def test_the_first_word_agrees_with_the_record_for_any_tests(paired: float, nested: float) -> None:
    made = with_paired(verdict(nested_t=nested, **SHUFFLED), paired, 4.0)
    text = said(made, trials())
    assert text.lower().startswith(f"{made.product_information}:")
    assert len(text.split()) <= 150


def test_the_hardest_test_decides_and_its_figures_are_those_of_the_record() -> None:
    text = said(with_paired(FOUND, 2.9, 2.6))
    assert "Of 3 tests against the same score without products all pass; the hardest (paired day by day with industry) has t +2.60" in text
    assert f"has t +2.60 (needed: {CRITICAL_T}): luck" in text
    failed = said(with_paired(FOUND, 2.9, 1.3))
    assert "2 pass; the hardest (paired day by day with industry) has t +1.30" in failed
    nested = said(verdict(nested_t=0.5, paired_t=1.0, **SHUFFLED))
    assert "none pass; the hardest (nested: what factors and controls leave) has t +0.50" in nested
    alone = said(replace(FOUND, controls=()))
    assert "The only test against the same score without products (nested: what factors and controls leave) passes: it has t +3.10" in alone


def test_an_identical_control_is_no_test() -> None:
    own, other = FOUND.controls
    text = said(replace(FOUND, controls=(replace(own, identical=True, paired=mean_test(NAN)), other)))
    assert "Of 2 tests" in text
    assert "lacks a second control that differs from the signal" in text


@pytest.mark.parametrize(
    ("t", "p", "words"),
    [(2.9, 0.02, "in 1.0 % of cases"), (-2.9, 0.02, "in 99.0 % of cases"), (9.0, 1e-5, "in under 0.1 % of cases"), (2.9, NAN, "in – of")],
)
def test_luck_is_the_one_sided_p_of_the_record(t: float, p: float, words: str) -> None:
    own, other = verdict(nested_t=9.5).controls
    tested = replace(mean_test(t), p=p)
    made = verdict(nested_t=9.5, controls=(replace(own, paired=tested), replace(other, paired=mean_test(9.9))), **SHUFFLED)
    assert words in said(made)


def test_the_level_and_its_null_band_are_those_of_the_record() -> None:
    assert "is +0.352, outside the [−0.250, +0.250] where 95 % of chance signals land" in said(FOUND)
    wide = replace(FOUND, orthogonal=replace(FOUND.orthogonal, null=offset_null(0.5)))
    assert "is +0.352, inside the [−0.500, +0.500]" in said(wide)
    bare_base = replace(FOUND, base=(), orthogonal=replace(FOUND.orthogonal, icir=0.111, null=None))
    assert "With no factors taken out, its ICIR" in said(bare_base)
    assert "is +0.111; where chance signals land was not simulated" in said(bare_base)
    assert "it has no ICIR" in said(replace(FOUND, orthogonal=replace(FOUND.orthogonal, icir=NAN)))


def with_level(icir: float, p: float = 0.002, width: float = 0.25, t: float = 2.9) -> OrthogonalICIR:
    """A verdict "found" at this ICIR of the score itself."""
    return replace(FOUND, orthogonal=replace(FOUND.orthogonal, icir=icir, null=offset_null(width, p), test=mean_test(t)))


def test_trials_come_with_the_chance_that_the_best_of_them_does_as_well() -> None:
    text = said(FOUND, trials(14))
    chance = 1 - 0.994**14  # 0.012 two-sided
    assert chance == pytest.approx(0.081, abs=0.0005)
    assert "14 signal settings were tried; the best of as many chance signals does as well in 8.1 % of cases (simulated null)." in text
    assert "passes" not in text.split("settings were tried")[1]
    assert "does as well in 99.8 % of cases" in said(FOUND, trials(1000))
    assert "does as well in over 99.9 % of cases" in said(with_level(-0.3), trials(14))
    assert "does as well in at most 0.7 % of cases" in said(with_level(0.5, p=1 / 1001), trials(14))
    assert "One signal setting was tried on these data." in said(FOUND, trials(1))
    assert "does as well in" in said(FOUND, trials(1)).split("One signal setting")[0]
    assert "simulated null" not in said(FOUND, trials(1))
    unknown = replace(FOUND, orthogonal=replace(FOUND.orthogonal, null=None))
    assert "14 signal settings were tried." in said(unknown, trials(14))


EARNS = "Found: product information is what earns this score its result."
ADDS = "Found: product information adds to the score, but the score itself earns nothing that chance does not."


@pytest.mark.parametrize(
    ("made", "counted", "head", "end"),
    [
        (with_level(0.5), trials(14), EARNS, "No more years are needed."),
        (with_level(0.5), None, EARNS, "No more years are needed."),
        (
            with_level(-0.3, t=-2.9),
            trials(1),
            ADDS,
            "No number of years would lift the score itself above chance if the estimate is right.",
        ),
        (with_level(0.05, p=0.7, t=2.306 / 2), None, ADDS, "The score's own mean would pass after about 12 more years."),
        (with_level(0.352, p=0.012), trials(14), ADDS, "(own_only) gives +0.114."),
    ],
    ids=["earns", "no log", "negative", "inside the band", "best of 14"],
)
def test_found_is_qualified_where_the_score_itself_earns_nothing(
    made: OrthogonalICIR, counted: TrialCount | None, head: str, end: str
) -> None:
    assert made.product_information == "found"
    text = said(made, counted)
    assert text.startswith(head)
    assert text.endswith(end)
    assert ("No more years are needed" in text) == (head == EARNS)
    assert len(text.split()) <= 150


@pytest.mark.parametrize(
    "made",
    [replace(FOUND, orthogonal=replace(FOUND.orthogonal, null=None)), with_level(0.5, p=1 / 1001), with_level(NAN)],
    ids=["no null", "too few draws", "no ICIR"],
)
def test_found_says_where_chance_is_not_known(made: OrthogonalICIR) -> None:
    text = said(made, trials(1000))
    assert text.startswith("Found: product information adds to the score; whether the score itself beats chance cannot be told.")
    assert "No more years are needed" not in text


def test_placebos_stand_in_the_unit_of_the_signal() -> None:
    assert median(LUCK) == pytest.approx(0.09)
    text = said(FOUND)
    assert "Shuffling products within industries gives +0.090 in the median (−0.100 to +0.280)" in text
    assert "not one of 20 shuffles does as well in the nested test; the market in place of peers (own_only) gives +0.114." in text
    moved = replace(FOUND, shuffled_icir=tuple(each + 0.5 for each in LUCK), shuffled_t=(3.1, *[0.0] * 19))
    assert "gives +0.590 in the median (+0.400 to +0.780); 1 of 20 shuffles does as well" in said(moved)
    assert "own_only" not in said(replace(FOUND, controls=FOUND.controls[1:]))
    assert "Shuffling" not in said(verdict())


@pytest.mark.parametrize(
    ("own_only", "words"),
    [
        (2.306 / 2**0.5, "after about 4.0 more years."),  # twice the record in all
        (2.306 / 2, "after about 12 more years."),
        (0.01, "after over 1,000 more years."),
        (0.0, "No number of years would do if the estimate is right."),
        (-1.0, "No number of years would do if the estimate is right."),
    ],
)
def test_years_come_from_the_hardest_test_and_the_record(own_only: float, words: str) -> None:
    made = with_paired(FOUND, own_only, 2.9)
    if own_only == 0.0:  # the factory has no test of exactly 0
        own, other = FOUND.controls
        made = replace(FOUND, controls=(replace(own, paired=replace(mean_test(1.0), t=0.0, p=1.0)), other))
    assert words in said(made, years=4.0)


def test_years_are_said_as_they_apply() -> None:
    failed = with_paired(FOUND, 1.3, 2.9)
    assert said(with_level(0.5)).endswith("No more years are needed.")
    assert said(failed, years=8.0) != said(failed, years=4.0)
    assert "years" not in said(failed, years=NAN)
    assert said(SHAPES["not found by shuffles"][0]).endswith("More years alone would not settle it, since the shuffles would gain too.")
    both = replace(failed, shuffled_t=(9.9, *[0.0] * 19))
    assert said(both).endswith("more years if the shuffles fall behind.")
    assert said(SHAPES["no shuffles"][0]).endswith("More years are not what is lacking.")
    assert said(SHAPES["too few dates"][0]).endswith("Years to decide cannot be told without every t.")


def test_the_record_is_as_long_as_its_dates_with_an_ic() -> None:
    days = [day for k, day in enumerate(weekdays(1100)) if k % 97]
    assert record_years(FOUND) == pytest.approx((days[-1] - days[0]).days / 365.25)
    failed = with_paired(FOUND, 1.3, 2.9)
    assert opening(failed, None) == opening(failed, None, record_years(failed))
    empty = replace(FOUND, orthogonal=replace(FOUND.orthogonal, daily=FOUND.orthogonal.daily.clear()))
    assert math.isnan(record_years(empty))


def test_others_stand_in_one_table() -> None:
    rows = others(replace(FOUND, not_evaluable=("third",)))
    assert [row.name for row in rows] == ["signal", "own_only", "industry", "third", "20 shuffles, median"]
    cells = {row.name: [(cell.value, cell.detail) for cell in (row.raw, row.orthogonal, row.t)] for row in rows}
    assert cells["signal"] == [("+0.452", ""), ("+0.352", ""), ("+3.10", "nested")]
    assert cells["own_only"] == [("+0.310", ""), ("+0.114", ""), ("+2.90", "paired")]
    assert cells["third"] == [("–", "not evaluable"), ("–", ""), ("–", "")]
    assert cells["20 shuffles, median"] == [("+0.190", "+0.000 to +0.380"), ("+0.090", "−0.100 to +0.280"), ("+0.72", "−0.80 to +2.24")]
    assert [row.own for row in rows] == [True, False, False, False, False]


def test_others_leave_out_what_is_not_there() -> None:
    plain = verdict(controls=(), nested=None, shuffled_t=())
    assert [row.name for row in others(plain)] == ["signal"]
    assert others(plain)[0].t.value == "–"
    (_, own, *_), _ = others(replace(FOUND, controls=(replace(FOUND.controls[0], identical=True),))), None
    assert own.t.value == "identical"
    old = others(verdict())[-1]
    assert (old.raw.value, old.orthogonal.value) == ("–", "–")
    part = others(verdict(shuffled_icir=(NAN, 0.2)))[-1]
    assert (part.orthogonal.value, part.orthogonal.detail) == ("+0.200", "+0.200 to +0.200")


def page(made: Any) -> str:
    return render([made], title="A study", manifest={}).replace("\u00a0", " ")


def test_both_pages_open_with_the_paragraph_and_the_table() -> None:
    made = study(verdict=FOUND, trials=trials())
    sheet = page(made)
    assert sheet.index(said(FOUND, trials(), None)) < sheet.index("What others would have got") < sheet.index("The score holds")
    whole = whole_study(trials=trials())
    text = render_study(whole, manifest={}).replace("\u00a0", " ")
    for each in whole.constructions.values():
        assert said(each.verdict, trials(), None).replace("'", "&#39;") in text
    assert text.index("What others would have got") < text.index("Headline empirical findings")


def test_a_page_without_a_verdict_opens_with_why() -> None:
    assert "Not decidable: these scores cannot be judged" in page(bare())
    assert "What others would have got" not in page(bare())
    whole = whole_study(constructions={"S": lost("S")})
    text = render_study(whole, manifest={})
    assert text.index("Not decidable: these scores cannot be judged") < text.index(lost("S").not_evaluable or "")


def test_hostile_names_are_text() -> None:
    own, other = FOUND.controls
    made = replace(FOUND, controls=(replace(own, name=HOSTILE, paired=mean_test(1.0)), other), not_evaluable=(HOSTILE,))
    assert HOSTILE in said(made)
    assert HOSTILE not in page(study(verdict=made))
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page(study(verdict=made))


def test_counts_of_trials_are_kept_with_the_study() -> None:
    counted = {"distinct": 14, "distinct_all": 19, "recorded": 23, "head": "ab" * 32}
    assert study(trials=trials()).to_dict()["trials"] == counted
    assert whole_study(trials=trials()).to_dict()["trials"] == counted
    assert study().to_dict()["trials"] is None
    kept = FOUND.to_dict()
    assert (kept["shuffled_icir"], kept["shuffled_raw_icir"]) == (list(LUCK), list(SHUFFLED["shuffled_raw_icir"]))
    assert summary().null is None
