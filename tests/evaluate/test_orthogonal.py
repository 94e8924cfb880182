"""The verdict: base and industries taken out, controls beside it, paired and nested tests, delivery of the residual."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.errors import EvaluationError, InsufficientDataError
from pureplay.evaluate import Timing, neutralise, orthogonal_icir, rank_ic
from pureplay.evaluate.records import CRITICAL_T, FEWEST_SHUFFLES, OrthogonalICIR
from pureplay.stats.inference import ewc_test
from tests.evaluate.conftest import Panel

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

QUICK = Timing(null_draws=0)


def judge(panel: Panel, signal: pl.DataFrame | None = None, **changed: Any) -> OrthogonalICIR:
    """Verdict on the panel's signal, or another one, with some arguments changed."""
    arguments = {"forward_returns": panel.forward, "base_factors": panel.base, "timing": QUICK, **changed}
    return orthogonal_icir(panel.signal if signal is None else signal, **arguments)


def daily(made: OrthogonalICIR) -> np.ndarray[Any, Any]:
    """Daily orthogonal IC; NaN where skipped."""
    return made.orthogonal.daily["ic"].to_numpy()


def test_without_base_it_is_the_rank_ic(panel: Panel) -> None:
    made, plain = judge(panel, base_factors=None), rank_ic(panel.signal, panel.forward, timing=QUICK)
    np.testing.assert_allclose(daily(made), plain.daily["ic"], rtol=0, atol=1e-12)
    assert made.raw.icir == pytest.approx(plain.icir, rel=1e-9)
    assert made.raw.test.t == pytest.approx(plain.test.t, rel=1e-9)
    assert made.raw.skipped == plain.skipped
    assert (made.base, made.dropped) == ((), {})
    assert made.variance_left == pytest.approx(1.0)


def test_the_base_takes_its_share(panel: Panel) -> None:
    made = judge(panel)
    assert made.base == ("value", "size", "beta")
    # variance of the signal: 3 · .36 of factors, 1 of its own, .0625 of industries
    assert made.variance_left == pytest.approx((1 + 0.0625) / (1 + 0.0625 + 1.08), abs=0.04)
    assert made.variance_left_range[0] < made.variance_left < made.variance_left_range[1]
    assert judge(panel, industries=panel.industries).variance_left < made.variance_left
    assert made.icir != made.raw.icir


def test_a_base_that_contains_the_signal_is_an_error(panel: Panel) -> None:
    spiked = panel.base.join(panel.signal, on=["date", "asset"], how="left")
    with pytest.raises(
        EvaluationError, match=r"composite, orthogonal: the base contains the signal .* leave the signal, or what it is made of"
    ):
        judge(panel, base_factors=spiked)
    made_of = panel.signal.join(panel.base, on=["date", "asset"]).select(
        "date", "asset", composite=pl.col("value") - 2 * pl.col("beta") + 3
    )
    with pytest.raises(EvaluationError, match="the base contains the signal"):
        judge(panel, made_of)
    with pytest.raises(EvaluationError, match="nothing is left to deliver"):
        neutralise(made_of, panel.base)


def test_dates_on_which_the_base_contains_the_signal_are_counted(panel: Panel) -> None:
    part = pl.when(pl.col("date") < panel.days[10]).then(pl.col("composite"))
    spiked = (
        panel.base.join(panel.signal, on=["date", "asset"], how="left").with_columns(spy=part.fill_null(pl.col("value"))).drop("composite")
    )
    made = judge(panel, base_factors=spiked)
    assert made.orthogonal.skipped == {"on which the base contains the signal": 10}
    assert made.dropped == {"spy": 120}


def test_a_constant_signal_is_no_matter_of_the_base(panel: Panel) -> None:
    flat = panel.signal.with_columns(composite=pl.lit(1.5))
    for base in (None, panel.base):
        with pytest.raises(InsufficientDataError, match="a score that varies"):
            judge(panel, flat, base_factors=base)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_delivered_residual_has_the_verdict_of_its_score(panel: Panel, grouped: bool) -> None:
    industries = panel.industries if grouped else None
    delivered = neutralise(panel.signal, panel.base, industries=industries)
    assert delivered.columns == ["date", "asset", "residual"]
    first, second = judge(panel, industries=industries), judge(panel, delivered, industries=industries)
    assert second.icir == pytest.approx(first.icir, abs=1e-9)
    np.testing.assert_allclose(daily(second), daily(first), rtol=0, atol=1e-9)
    assert second.variance_left == pytest.approx(1.0)
    assert judge(panel, delivered, base_factors=None).icir == pytest.approx(first.icir, abs=1e-9)
    # and the score itself does not have it without its base
    assert judge(panel, base_factors=None).icir != pytest.approx(first.icir, abs=1e-3)


def test_neutralise_looks_at_no_return_and_names_its_score(panel: Panel) -> None:
    two = panel.signal.with_columns(other=pl.col("composite") ** 3)
    plain, other = neutralise(two, panel.base), neutralise(two, panel.base, column="other")
    assert not plain.equals(other)
    assert neutralise(two, None)["residual"].std() == pytest.approx(panel.signal["composite"].std(), rel=0.01)
    assert neutralise(two, panel.base, calendar="XSHG").equals(plain)
    short = panel.base.filter(pl.col("asset") != panel.assets[3])
    assert panel.assets[3] not in neutralise(two, short)["asset"]


# ---------------------------------------------------------------- universe and industries


def test_only_names_of_the_universe_take_part(panel: Panel) -> None:
    made = judge(panel, universe=panel.universe)
    inside = panel.signal.filter(pl.col("asset").is_in(panel.assets[:45]) & (pl.col("date") <= panel.days[99]))
    cut = judge(panel, inside)
    np.testing.assert_array_equal(daily(made)[:100], daily(cut)[:100])
    assert np.isnan(daily(made)[100:]).all()  # the last day of the interval counts, the next does not
    assert made.orthogonal.n_dates == made.raw.n_dates == 100


def test_industries_hold_from_start_to_the_day_before_end(panel: Panel) -> None:
    switch = panel.days[50]
    first = panel.industries.with_columns(end_date=pl.lit(switch))
    second = panel.industries.with_columns(start_date=pl.lit(switch), code=pl.col("asset").str.slice(3, 1))
    moved, one, other = (daily(judge(panel, industries=table)) for table in (pl.concat([first, second]), panel.industries, second))
    np.testing.assert_array_equal(moved[:50], one[:50])
    np.testing.assert_array_equal(moved[50:], other[50:])
    assert np.isnan(other[:50]).all()  # a name without industry is out
    assert not np.array_equal(moved[50:], one[50:])


def test_industries_are_dummies(panel: Panel) -> None:
    dummy = panel.base.join(panel.industries.select("asset", second=(pl.col("code") == "c1").cast(pl.Float64)), on="asset")
    np.testing.assert_allclose(
        daily(judge(panel, base_factors=dummy)), daily(judge(panel, industries=panel.industries)), rtol=0, atol=1e-10
    )


# ---------------------------------------------------------------- controls


def test_a_control_has_the_figures_that_it_would_have_as_a_signal(panel: Panel) -> None:
    made = judge(panel, controls={"own_only": panel.control, "other": panel.control.with_columns(composite=pl.col("composite") ** 3)})
    assert [each.name for each in made.controls] == ["own_only", "other"]
    alone = judge(panel, panel.control)
    assert made.controls[0].orthogonal.to_dict() == alone.orthogonal.to_dict()
    assert made.controls[0].raw.to_dict() == alone.raw.to_dict()
    assert not made.controls[0].identical
    assert made.icir == judge(panel).icir


def test_the_paired_difference_is_on_common_names(panel: Panel) -> None:
    made = judge(panel, controls={"own_only": panel.control})
    common = panel.signal.join(panel.control.select("date", "asset"), on=["date", "asset"])
    reverse = panel.control.join(panel.signal.select("date", "asset"), on=["date", "asset"])
    difference = daily(judge(panel, common)) - daily(judge(panel, reverse))
    found, wanted = made.controls[0].paired, ewc_test(difference)
    assert (found.n, found.df) == (wanted.n, wanted.df)
    np.testing.assert_allclose([found.mean, found.se, found.t, found.p], [wanted.mean, wanted.se, wanted.t, wanted.p], rtol=1e-9)
    apart = daily(judge(panel)) - daily(judge(panel, panel.control))
    assert ewc_test(apart).t != pytest.approx(wanted.t, rel=1e-6)


def test_the_nested_test_adds_the_parts_of_every_control_to_the_base(panel: Panel) -> None:
    rng = np.random.default_rng(0)
    parts = panel.control.with_columns(
        biz_mom_z=pl.col("composite") + pl.Series(rng.normal(size=panel.control.height)),
        biz_resvol_z=pl.Series(rng.normal(size=panel.control.height)),
    )
    plain = panel.control.with_columns(composite=pl.col("composite") ** 2)
    made = judge(panel, controls={"own_only": parts, "industry": plain})
    wider = panel.base.join(parts.select("date", "asset", a="biz_mom_z", b="biz_resvol_z"), on=["date", "asset"], how="left")
    wider = wider.join(plain.select("date", "asset", c="composite"), on=["date", "asset"], how="left")
    wanted = judge(panel, base_factors=wider)
    assert made.nested is not None
    assert made.nested.icir == pytest.approx(wanted.icir, abs=1e-9)
    assert made.nested.test.t == pytest.approx(wanted.orthogonal.test.t, abs=1e-8)
    assert judge(panel).nested is None


def test_an_identical_control_is_flagged_and_left_out_of_the_nested_test(panel: Panel) -> None:
    fewer = panel.signal.filter(pl.col("asset") != panel.assets[0])
    made = judge(panel, controls={"twin": fewer})
    assert made.controls[0].identical
    assert np.isnan(made.controls[0].paired.t)
    assert made.nested is None
    assert made.product_information == "not decidable"
    assert "identical to the signal" in str(made)
    both = judge(panel, controls={"twin": fewer, "own_only": panel.control})
    only = judge(panel, controls={"own_only": panel.control})
    assert both.nested is not None
    assert only.nested is not None
    assert both.nested.to_dict() == only.nested.to_dict()


def test_product_information_is_claimed_only_where_every_test_holds(panel: Panel) -> None:
    other = panel.control.with_columns(composite=pl.col("composite").reverse())
    made = judge(panel, controls={"own_only": panel.control, "industry": other})
    assert made.nested is not None
    assert min(made.nested.test.t, *(each.paired.t for each in made.controls)) > CRITICAL_T
    assert made.product_information == "not decidable"  # no shuffle was made
    within, beyond = (replace(made, shuffled_t=(*[0.0] * 19, made.nested.test.t + step)) for step in (1.0, -1.0))
    assert (within.product_information, beyond.product_information) == ("not found", "found")
    weak = replace(made.controls[1], paired=replace(made.controls[1].paired, t=CRITICAL_T))
    assert replace(beyond, controls=(made.controls[0], weak)).product_information == "not found"
    assert replace(beyond, controls=made.controls[:1]).product_information == "not decidable"  # one control is absent


def test_product_information_needs_twenty_shuffles_and_all_that_were_asked_for(panel: Panel) -> None:
    other = panel.control.with_columns(composite=pl.col("composite").reverse())
    made = judge(panel, controls={"own_only": panel.control, "industry": other})
    assert made.nested is not None
    assert FEWEST_SHUFFLES == 20

    def claim(shuffled_t: list[float], asked: int) -> tuple[str, int]:
        found = replace(made, shuffled_t=tuple(shuffled_t), shuffles_asked=asked)
        assert found.to_dict()["shuffles_asked"] == asked
        return found.product_information, found.shuffles_missing

    nan = float("nan")
    assert claim([0.0] * 20, 20) == ("found", 0)
    assert claim([0.0] * 19, 19) == ("not decidable", 1)
    assert claim([0.0] * 19 + [nan], 20) == ("not decidable", 1)
    assert claim([0.0] * 25, 30) == ("not decidable", 5)
    assert claim([0.0, made.nested.test.t], 2) == ("not found", 18)  # one that does as well decides


@pytest.mark.parametrize("kind", ["empty", "in the base"])
def test_a_control_without_figures_is_left_out_with_a_note(panel: Panel, kind: str) -> None:
    odd = (
        panel.control.filter(pl.col("asset") == panel.assets[0])
        if kind == "empty"
        else panel.base.select("date", "asset", composite="size")
    )
    made, only = judge(panel, controls={"own_only": panel.control, "industry": odd}), judge(panel, controls={"own_only": panel.control})
    assert [each.name for each in made.controls] == ["own_only"]
    assert made.not_evaluable == ("industry",)
    assert [note.partition(":")[0] for note in made.notes] == ["control industry is not evaluable"]
    assert ("at most 0 on one date" if kind == "empty" else "the base contains it") in made.notes[0]
    assert made.nested is not None
    assert only.nested is not None
    assert made.nested.to_dict() == only.nested.to_dict()
    assert made.to_dict()["not_evaluable"] == ["industry"]


def test_a_control_without_figures_leaves_the_claim_open(panel: Panel) -> None:
    other = panel.control.with_columns(composite=pl.col("composite").reverse())
    empty = panel.control.filter(pl.col("asset") == panel.assets[0])
    made = judge(panel, controls={"own_only": panel.control, "industry": other, "third": empty})
    whole = replace(made, shuffled_t=(0.0,) * 20)
    assert whole.product_information == "not decidable"
    assert replace(whole, not_evaluable=()).product_information == "found"
    assert replace(whole, shuffled_t=(99.0,)).product_information == "not found"


@pytest.mark.parametrize("slope", [2.0, -2.0])
def test_a_control_made_of_the_signal_leaves_no_nested_test(panel: Panel, slope: float) -> None:
    twin = panel.signal.with_columns(composite=slope * pl.col("composite") + 1)
    made = judge(panel, controls={"twin": twin, "own_only": panel.control})
    assert made.nested is None
    assert made.notes == ("there is no nested test: base and controls together contain the signal, so nothing of it is left beyond them",)
    assert np.isnan(made.controls[0].paired.t) == (slope > 0)  # rounding is no difference
    if slope > 0:
        assert made.product_information == "not decidable"


def test_controls_that_share_too_few_names_leave_no_nested_test(panel: Panel) -> None:
    halves = [panel.control.filter(pl.col("asset").is_in(part)) for part in (panel.assets[:40], panel.assets[20:])]
    made = judge(panel, controls={"own_only": halves[0], "industry": halves[1]})
    assert len(made.controls) == 2
    assert made.nested is None
    assert len(made.notes) == 1
    assert made.notes[0].startswith("there is no nested test: no date out of 130 has enough names")


def test_an_error_of_the_signal_itself_still_counts(panel: Panel) -> None:
    few = panel.signal.filter(pl.col("asset").is_in(panel.assets[:20]))
    with pytest.raises(InsufficientDataError, match="composite, raw: not evaluable"):
        judge(panel, few, controls={"own_only": panel.control})


# ---------------------------------------------------------------- names that the base loses


def test_names_without_a_factor_are_counted_and_noted(panel: Panel) -> None:
    made = judge(panel)
    known = made.raw.daily.filter(pl.col("ic").is_not_null())["names"]
    assert made.raw.median_names == known.median() == made.orthogonal.median_names
    assert made.to_dict()["orthogonal"]["median_names"] == made.orthogonal.median_names
    assert made.orthogonal.to_frame()["median_names"][0] == made.orthogonal.median_names
    assert f"{made.raw.median_names:.0f} names in the median" in str(made)
    thin = judge(panel, base_factors=panel.base.filter(~pl.col("asset").is_in(panel.assets[:9])))
    less, whole = thin.orthogonal.median_names, thin.raw.median_names
    assert less < 0.9 * whole
    assert thin.notes == (
        f"the base covers only {less:.0f} of {whole:.0f} names a date in the median: missing factors or industries keep the rest out",
    )
    assert judge(panel, base_factors=panel.base.filter(pl.col("asset") != panel.assets[0])).notes == ()
    assert judge(panel, industries=panel.industries.head(45)).notes != ()


# ---------------------------------------------------------------- delivery


@pytest.mark.parametrize("grouped", [False, True])
def test_a_date_with_too_few_names_is_not_delivered(panel: Panel, grouped: bool) -> None:
    few = panel.signal.filter((pl.col("date") != panel.days[3]) | pl.col("asset").is_in(panel.assets[:20]))
    industries = panel.industries if grouped else None
    dates = neutralise(few, panel.base, industries=industries)["date"].unique()
    assert panel.days[3] not in dates
    assert len(dates) == 129
    assert panel.days[3] in neutralise(few, panel.base, industries=industries, min_names=10)["date"]
    per_stock = panel.industries.with_columns(code=pl.col("asset"))  # 60 dummies for 60 names
    with pytest.raises(InsufficientDataError, match=r"no date out of 130 has enough names .*at most 60 on one date; 30 and twice"):
        neutralise(panel.signal, panel.base, industries=per_stock)


def test_two_names_do_not_blame_the_base(panel: Panel) -> None:
    two = panel.signal.filter(pl.col("asset").is_in(panel.assets[:2]))
    with pytest.raises(InsufficientDataError, match=r"at most 2 on one date; 30 and") as caught:
        neutralise(two, panel.base)
    assert "contains" not in str(caught.value)
    with pytest.raises(InsufficientDataError, match="at most 0 on one date"):
        neutralise(panel.signal.filter(pl.col("asset") == panel.assets[0]), panel.base)
    with pytest.raises(InsufficientDataError, match="the score is the same for all names on each of 130 dates"):
        neutralise(panel.signal.with_columns(composite=pl.lit(1.0)), panel.base)


# ---------------------------------------------------------------- notes, settings, printing


def test_rows_outside_are_counted_in_the_notes(panel: Panel) -> None:
    known = panel.forward.filter((pl.col("date") >= panel.days[20]) & pl.col("asset").is_in(panel.assets[:50]))
    made = judge(panel, forward_returns=known)
    lost = panel.signal.filter((pl.col("date") < panel.days[20]) | ~pl.col("asset").is_in(panel.assets[:50])).height
    factors = panel.base.filter((pl.col("date") < panel.days[20]) | ~pl.col("asset").is_in(panel.assets[:50])).height
    assert made.notes == (
        f"{lost} of {panel.signal.height} scores lie on dates or stocks without forward returns",
        f"{factors} of {panel.base.height} rows of the base lie on dates or stocks without forward returns",
    )
    assert all(note in str(made) for note in made.notes)
    assert judge(panel).notes == ()


@pytest.mark.parametrize("name", ["base_factors", "industries", "controls", "universe", "column", "timing", "min_names", "calendar"])
def test_every_setting_matters(panel: Panel, name: str) -> None:
    signal = panel.signal.with_columns(other=pl.col("composite") ** 2)
    changed: dict[str, Any] = {
        "base_factors": panel.base.drop("size"),
        "industries": panel.industries,
        "controls": {"own_only": panel.control},
        "universe": panel.universe,
        "column": "other",
        "timing": Timing(null_draws=0, grid_sessions=10),
        "min_names": 55,
        "calendar": "XSHG",
    }
    plain, other = judge(panel, signal), judge(panel, signal, **{name: changed[name]})
    assert (plain.to_dict(), plain.orthogonal.offsets) != (other.to_dict(), other.orthogonal.offsets)


def test_a_date_also_needs_twice_as_many_names_as_regressors(panel: Panel) -> None:
    rng = np.random.default_rng(1)
    wide = panel.base.with_columns(**{f"x{k}": rng.normal(size=panel.base.height) for k in range(24)})  # 28 regressors: 56 names
    made = judge(panel, base_factors=wide)
    both = (np.isfinite(panel.signal_block) & np.isfinite(panel.forward_block)).sum(axis=1)
    np.testing.assert_array_equal(np.isfinite(daily(made)), both >= 56)
    assert made.orthogonal.skipped == {"with too few names, or without variation": int((both < 56).sum())}


def test_frames_and_words(panel: Panel) -> None:
    made = judge(panel, controls={"own_only": panel.control})
    frame = made.to_frame()
    assert frame["figure"].to_list() == [
        "signal, raw",
        "signal, orthogonal",
        "signal, orthogonal to base and controls",
        "own_only, raw",
        "own_only, orthogonal",
    ]
    assert frame["icir"][1] == made.icir
    text = str(made)
    assert "the base of 3 leaves" in text
    assert "control own_only: raw ICIR" in text
    assert "signal - control t" in text
    assert "product information: not decidable" in text
    assert made.to_dict()["controls"]["own_only"]["paired_t"] == made.controls[0].paired.t
