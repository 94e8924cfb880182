"""The study finds what was planted, not what was not, and says what it cannot say."""

import math
from functools import cache

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.market import load_market
from pureplay.products.mix import industry_mix
from pureplay.signals import SignalSettings
from pureplay.signals.momentum import SignalBlocks, product_peers
from pureplay.studies.controls import build_controls, deal_within_industry, main_labels, schemes_by_depth, shuffle_source
from pureplay.studies.momentum import Evaluation, run_momentum
from pureplay.studies.records import MomentumStudy
from pureplay.synthetic import market

LIGHT = Evaluation(shuffles=2, null_draws=50, horizons_sessions=(5, 20), min_typical_names=40)


@cache
def dataset(stocks: int, sessions: int, seed: int, underreaction: float) -> Dataset:
    made = market(stocks=stocks, sessions=sessions, seed=seed, underreaction=underreaction)
    return Dataset.from_frames(made.tables, calendar="XSHG", notes={"synthetic": True})


@cache
def study(seed: int, underreaction: float) -> tuple[MomentumStudy, SignalBlocks]:
    return run_momentum(dataset(500, 1200, seed, underreaction), SignalSettings(), LIGHT)


def test_planted_effect_is_found_and_the_placebo_is_not_over_seeds() -> None:
    planted = [study(seed, 0.8)[0].verdict for seed in (1, 2, 3)]
    placebo = [study(seed, 0.0)[0].verdict for seed in (1, 2, 3)]
    found = [each.nested.test.t for each in planted if each is not None and each.nested is not None]
    absent = [each.nested.test.t for each in placebo if each is not None and each.nested is not None]
    assert len(found) == len(absent) == 3
    # Student t with 8 degrees of freedom has sd 1.15, the mean of three draws 0.67: 2 is three standard deviations.
    assert np.mean(found) > 2.0
    assert abs(np.mean(absent)) < 2.0
    assert np.mean(found) > np.mean(absent) + 2.0


def test_a_study_holds_everything_it_prints() -> None:
    made, scores = study(1, 0.8)
    assert made.synthetic
    assert made.verdict is not None
    assert {each.name for each in made.verdict.controls} == {"own_only", "industry"}
    assert len(made.verdict.shuffled_t) == len(made.verdict.shuffled_icir) == len(made.verdict.shuffled_raw_icir) == 2
    assert [each.horizon_sessions for each in made.horizons] == [5, 20]
    assert made.horizons[1].icir == pytest.approx(made.verdict.icir, abs=1e-12)
    assert set(made.universes) == {"syn300", "syn500"}
    assert {"composite", "biz_mom", "implied", "own_only", "industry"} <= set(made.components)
    assert made.quantiles.height == 10
    assert made.scored_rows == scores.to_frame()["composite"].is_not_null().sum()
    last = made.coverage.row(-1, named=True)
    assert last["traded"] >= last["universe"] >= last["filed"] >= last["covered"] >= last["scored"] > 0
    figures = made.to_dict()
    assert figures["icir"] == made.verdict.icir
    assert figures["nested_t"] == made.verdict.nested.test.t  # type: ignore[union-attr]


def test_same_seed_same_verdict_and_another_seed_other_shuffles() -> None:
    data = dataset(500, 1200, 1, 0.8)
    again, _ = run_momentum(data, SignalSettings(), LIGHT)
    first, _ = study(1, 0.8)
    assert again.verdict is not None
    assert first.verdict is not None
    assert again.verdict.to_dict() == first.verdict.to_dict()
    other, _ = run_momentum(
        data, SignalSettings(), Evaluation(shuffles=2, null_draws=50, horizons_sessions=(), seed=9, min_typical_names=40)
    )
    assert other.verdict is not None
    assert other.verdict.shuffled_t != first.verdict.shuffled_t
    assert other.verdict.icir == first.verdict.icir


@pytest.mark.parametrize(
    "change",
    [
        {"horizon_sessions": 5},
        {"delay_sessions": 2},
        {"grid_sessions": 10},
        {"base": ("size", "beta")},
        {"base": ()},
        {"industry_scheme": "syn_l1"},
        {"min_names": 300},
    ],
    ids=str,
)
def test_every_evaluation_setting_moves_the_headline(change: dict[str, object]) -> None:
    plain = {"shuffles": 0, "null_draws": 0, "horizons_sessions": (), "universes": False, "min_typical_names": 40}
    made, _ = run_momentum(dataset(500, 1200, 1, 0.8), SignalSettings(), Evaluation(**{**plain, **change}))  # type: ignore[arg-type]
    before, _ = study(1, 0.8)
    assert made.verdict is not None
    assert before.verdict is not None
    assert made.verdict.icir != before.verdict.icir


def test_settings_that_add_or_leave_out_parts() -> None:
    data = dataset(500, 1200, 1, 0.8)
    made, _ = run_momentum(
        data,
        SignalSettings(),
        Evaluation(
            shuffles=0,
            null_draws=0,
            horizons_sessions=(10,),
            universes=False,
            quantiles=5,
            split=data.frame("bars")["date"].sort()[100000],
            min_typical_names=40,
        ),
    )
    assert made.verdict is not None
    assert made.universes == {}
    assert made.verdict.shuffled_t == ()
    assert made.verdict.orthogonal.null is None
    assert made.quantiles.height == 5
    assert made.verdict.orthogonal.period("in sample") is not None
    assert made.verdict.orthogonal.period("out of sample") is not None


def test_too_few_names_are_not_evaluable_and_scores_come_all_the_same() -> None:
    made, scores = run_momentum(
        dataset(500, 1200, 1, 0.8),
        SignalSettings(min_peers=25),
        Evaluation(shuffles=0, null_draws=0, horizons_sessions=(), min_typical_names=100),
    )
    assert made.verdict is None
    assert made.not_evaluable is not None
    assert "a verdict needs 100" in made.not_evaluable
    assert "products have the 26 pure plays" in made.not_evaluable
    assert scores.to_frame().height > 0


def test_products_that_are_the_finest_industries_get_a_coarser_control() -> None:
    made, _ = run_momentum(
        dataset(500, 1200, 1, 0.8),
        SignalSettings(products="industries:syn_l3", min_peers=3),
        Evaluation(shuffles=3, null_draws=0, horizons_sessions=(), min_typical_names=40),
    )
    assert made.verdict is not None
    notes = " ".join(made.verdict.notes)
    assert "next coarser level, syn_l2" in notes
    assert "nothing to shuffle" in notes
    assert made.verdict.product_information in ("not found", "not decidable")


def test_without_factors_and_industries_the_study_says_so() -> None:
    full = dataset(500, 1200, 1, 0.8)
    bare = Dataset.from_frames({name: full.frame(name) for name in ("bars", "assets", "taxonomy", "filings", "segments")}, calendar="XSHG")
    made, _ = run_momentum(bare, SignalSettings(), Evaluation(shuffles=2, null_draws=0, horizons_sessions=(), min_typical_names=40))
    assert made.verdict is not None
    assert made.verdict.base == ()
    assert made.verdict.icir == pytest.approx(made.verdict.raw.icir, abs=1e-12)
    assert [each.name for each in made.verdict.controls] == ["own_only"]
    assert any("no industries" in note for note in made.verdict.notes)
    assert any("base is empty" in note for note in made.verdict.notes)
    with pytest.raises(SettingError, match="industry_scheme 'x' is not in the dataset"):
        run_momentum(bare, SignalSettings(), Evaluation(industry_scheme="x"))


def test_own_only_control_is_the_market_without_the_stock() -> None:
    data = dataset(60, 120, 5, 0.5)
    loaded = load_market(data)
    _, scores, _ = build_controls(data, loaded, SignalSettings())
    rng = np.random.default_rng(0)
    caps, ret, issuer = loaded.caps, loaded.returns, loaded.issuer
    checked = 0
    for t, i in zip(rng.integers(1, 120, 60), rng.integers(0, 60, 60), strict=True):
        if not loaded.traded[t, i] or not np.isfinite(ret[t, i]):
            continue
        others = [j for j in range(60) if issuer[j] != issuer[i] and np.isfinite(ret[t, j]) and np.isfinite(caps[t - 1, j])]
        expected = sum(caps[t - 1, j] * ret[t, j] for j in others) / sum(caps[t - 1, j] for j in others)
        assert scores["own_only"].implied[t, i] == pytest.approx(expected, abs=1e-12)
        checked += 1
    assert checked > 30


def test_industry_control_is_the_finest_industry_without_the_stock() -> None:
    data = dataset(60, 120, 5, 0.5)
    loaded = load_market(data)
    settings = SignalSettings(min_peers=1)
    _, scores, _ = build_controls(data, loaded, settings)
    finest = schemes_by_depth(data)[0]
    assert finest == "syn_l3"
    mix = industry_mix(data, loaded.axes, finest)
    t = 100
    label = [mix.group[mix.offsets[f]] if f >= 0 else -1 for f in mix.active[t]]
    checked = 0
    for i in range(60):
        others = [
            j
            for j in range(60)
            if label[j] == label[i]
            and loaded.issuer[j] != loaded.issuer[i]
            and np.isfinite(loaded.returns[t, j])
            and np.isfinite(loaded.caps[t - 1, j])
        ]
        if others and loaded.traded[t, i]:
            weights = np.array([loaded.caps[t - 1, j] for j in others])
            expected = (weights * np.array([loaded.returns[t, j] for j in others])).sum() / weights.sum()
            assert scores["industry"].implied[t, i] == pytest.approx(expected, abs=1e-12)
            checked += 1
    assert checked > 10


def test_a_shuffle_deals_whole_histories_within_one_industry() -> None:
    data = dataset(500, 1200, 1, 0.8)
    loaded = load_market(data)
    peers = product_peers(data, loaded, SignalSettings(fallback=("parent", "industry")))
    labels_of = main_labels(data, loaded.axes, "syn_l3")
    files = (peers.mix.active >= 0).any(axis=0)
    source = shuffle_source(labels_of, files, np.random.default_rng(4))
    bare = labels_of.copy()
    bare[:200] = -1
    assert (shuffle_source(bare, files, np.random.default_rng(4))[:200] == np.arange(200)).all()
    assert sorted(source) == list(range(500))
    assert (source != np.arange(500)).sum() > 100
    labels = data.frame("industries").filter(pl.col("scheme") == "syn_l3").group_by("asset").agg(pl.col("code"))
    codes = {asset: set(found) for asset, found in labels.iter_rows()}
    assert all(codes[loaded.axes.assets[i]] & codes[loaded.axes.assets[j]] for i, j in enumerate(source))
    dealt = deal_within_industry(peers, source)
    assert (dealt.mix.active == peers.mix.active[:, source]).all()
    assert (dealt.families[1][0] == peers.families[1][0][:, source]).all()
    assert dealt.families[2][0] is peers.families[2][0]


def test_evaluation_refuses_settings_out_of_range() -> None:
    with pytest.raises(SettingError, match="delay_sessions must be a whole number of at least 1, not 0"):
        Evaluation(delay_sessions=0)
    with pytest.raises(SettingError, match="quantiles must be a whole number of at least 2, not 1"):
        Evaluation(quantiles=1)
    assert math.isclose(Evaluation(grid_sessions=10).timing.grid_sessions, 10)


def test_a_study_with_fallbacks_and_their_scheme_has_controls_without_them() -> None:
    settings = SignalSettings(fallback=("parent", "industry"), fallback_scheme="syn_l1")
    light = Evaluation(shuffles=1, null_draws=0, horizons_sessions=(), universes=False, min_typical_names=40)
    made, scores = run_momentum(dataset(500, 1200, 1, 0.8), settings, light)
    assert made.verdict is not None
    assert {each.name for each in made.verdict.controls} == {"own_only", "industry"}
    assert scores.by_source.shape[0] == 2
    assert np.nansum(scores.by_source[1]) > 0
