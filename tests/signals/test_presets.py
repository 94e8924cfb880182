"""The preset of the business-mix factors: what it is, which way its sign points, and scores apart from sectors."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.factors.industry import industry_block
from pureplay.market import load_market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.signals import SignalSettings, preset, product_momentum
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.signals.neutral import sector_neutral
from pureplay.signals.presets import PRESETS, window_settings
from pureplay.signals.windows import window_scores
from tests.signals.markets import market
from tests.signals.test_contract import toy, value


def test_the_preset_is_what_the_source_describes() -> None:
    made = preset("business_mix")
    changed = {name: each for name, each in made.to_dict().items() if each != SignalSettings().to_dict()[name]}
    assert changed == {"purity": 0.8, "purity_inclusive": True, "resvol": "diff_sd", "fallback": ("parent", "industry", "synthetic")}
    quarter = preset("business_mix", window_sessions=60)
    assert (quarter.window_sessions, quarter.min_valid_sessions) == (60, 45)
    assert replace(quarter, window_sessions=20, min_valid_sessions=15) == made


def test_unknown_presets_and_windows_are_refused() -> None:
    with pytest.raises(SettingError, match=r"there is no preset 'businessmix': is it business_mix\? known are business_mix"):
        preset("businessmix")
    with pytest.raises(SettingError, match="there is no preset 'x': known are business_mix"):
        preset("x")
    for window in (3, True, 20.0, "20"):
        with pytest.raises(SettingError, match="window_sessions must be a whole number of at least 4"):
            window_settings(SignalSettings(), window)  # type: ignore[arg-type]
    assert PRESETS == ("business_mix",)


def preset_toy(own: list[float], peers: list[float]) -> Dataset:
    """F has all its revenue from P, whose other pure plays all earn `peers`."""
    returns: dict[str, list[float | None]] = {"F": list(own), **{name: list(peers) for name in "ABCDEG"}}
    return Dataset.from_frames(toy(returns, {}, {name: {"P": 1.0} for name in returns}))


def test_a_stock_behind_its_products_scores_high() -> None:
    """The source writes actual - implied; the sign here is implied - actual, so that lagging peers is bullish (METHODS §3)."""
    settings: dict[str, Any] = {**preset("business_mix").to_dict(), "fallback": (), "level": 1, "min_listed_sessions": 1}
    settings |= {"window_sessions": 4, "min_valid_sessions": 3}
    up, flat = [0.0, 0.01, 0.02, 0.01, 0.02], [0.0] * 5
    behind, ahead = product_momentum(preset_toy(flat, up), **settings), product_momentum(preset_toy(up, flat), **settings)
    assert value(behind, "F", "biz_mom") == pytest.approx(0.06, rel=1e-14)
    assert value(ahead, "F", "biz_mom") == pytest.approx(-0.06, rel=1e-14)
    spread = float(np.std([0.01, 0.02, 0.01, 0.02], ddof=1))
    assert value(behind, "F", "biz_resvol") == pytest.approx(spread, rel=1e-12)
    assert value(ahead, "F", "biz_resvol") == pytest.approx(spread, rel=1e-12)
    assert value(behind, "F", "biz_mom_z") > 0 > value(ahead, "F", "biz_mom_z")


def test_every_setting_of_the_preset_matters() -> None:
    tables = market(2, stocks=16, sessions=48)
    data = Dataset.from_frames(tables)
    small: dict[str, Any] = {"min_peers": 1, "window_sessions": 10, "min_valid_sessions": 5, "min_listed_sessions": 15, "level": 3}
    usual: dict[str, Any] = {**preset("business_mix").to_dict(), **small}
    before = product_momentum(data, **usual)["composite"].to_numpy()
    for change in ({"purity": 0.5}, {"resvol": "ols"}, {"fallback": ()}, {"fallback": ("parent", "synthetic")}, {"window_sessions": 12}):
        after = product_momentum(data, **{**usual, **change})["composite"].to_numpy()
        assert not np.array_equal(before, after, equal_nan=True), change


def test_windows_have_the_bits_of_the_signal_itself() -> None:
    data = Dataset.from_frames(market(1, stocks=16, sessions=56))
    found = load_market(data)
    base = replace(preset("business_mix"), min_peers=2, level=3, min_listed_sessions=10)
    for settings in (base, replace(base, resvol="ols"), replace(base, frozen=True), replace(base, momentum="level")):
        peers = product_peers(data, found, settings)
        implied, universe, made = window_scores(found, peers, settings, (8, 20))
        for window, each in zip((8, 20), made, strict=True):
            whole = score_blocks(found, peers, window_settings(settings, window))
            assert each.settings == whole.settings
            for name in ("biz_mom_z", "biz_resvol_z", "composite"):
                assert getattr(each, name).tobytes() == getattr(whole, name).tobytes(), (name, window)
            assert implied.by_source.tobytes() == whole.by_source.tobytes()
            assert np.array_equal(universe, whole.universe)
        assert np.isfinite(made[0].composite).any()


# ---------------------------------------------------------------- sectors


def naive_neutral(scores: FloatArray, labels: IndexArray, universe: BoolArray) -> FloatArray:
    """Sector by sector and date by date, from the words of METHODS."""
    out = np.full(scores.shape, np.nan)
    for t in range(scores.shape[0]):
        taking = [i for i in range(scores.shape[1]) if universe[t, i] and labels[t, i] >= 0 and np.isfinite(scores[t, i])]
        left = {}
        for i in taking:
            peers = [scores[t, j] for j in taking if labels[t, j] == labels[t, i]]
            left[i] = scores[t, i] - sum(peers) / len(peers)
        mean = sum(left.values()) / max(len(left), 1)
        sd = (sum((x - mean) ** 2 for x in left.values()) / max(len(left), 1)) ** 0.5
        for i, x in left.items():
            out[t, i] = (x - mean) / sd if sd > 1e-12 else np.nan
    return out


def random_sectors(seed: int) -> tuple[FloatArray, IndexArray, BoolArray]:
    rng = np.random.default_rng(seed)
    shape = (12, 40)
    scores = rng.normal(size=shape) + rng.normal(size=4)[rng.integers(0, 4, shape)]
    scores[rng.random(shape) < 0.15] = np.nan
    labels = rng.integers(-1, 5, shape).astype(np.int32)
    return scores, labels, rng.random(shape) < 0.9


@pytest.mark.parametrize("seed", range(3))
def test_sector_neutral_scores_against_a_plain_loop(seed: int) -> None:
    scores, labels, universe = random_sectors(seed)
    made = sector_neutral(scores, labels, universe)
    # means of some tens of numbers of order 1
    np.testing.assert_allclose(made, naive_neutral(scores, labels, universe), rtol=0, atol=1e-13)
    for t in range(scores.shape[0]):
        for sector in range(5):
            assert abs(made[t, (labels[t] == sector) & np.isfinite(made[t])].sum()) < 1e-12
    assert np.nanstd(made, axis=1) == pytest.approx(1.0, abs=1e-13)
    assert not np.allclose(made, scores, equal_nan=True)


def test_what_a_sector_explains_wholly_leaves_no_score() -> None:
    labels = np.array([[0, 0, 0, 1, 1, 1, 2]], dtype=np.int32)
    flat = np.array([[0.1, 0.1, 0.1, 0.7, 0.7, 0.7, 0.3]])
    everyone = np.ones((1, 7), dtype=bool)
    assert np.isnan(sector_neutral(flat, labels, everyone)).all()
    alone = sector_neutral(np.array([[0.1, 0.2, 0.3, 0.7, 0.7, 0.7, 5.0]]), labels, everyone)
    assert alone[0, 6] == 0.0  # nobody to compare it with
    assert np.isnan(sector_neutral(flat, np.full((1, 7), -1, dtype=np.int32), everyone)).all()


def test_neutral_scores_of_the_preset_know_nothing_of_what_comes_later() -> None:
    data = Dataset.from_frames(market(3, stocks=16, sessions=48))

    def neutral(known: Dataset) -> tuple[FloatArray, tuple[str, ...]]:
        found = load_market(known)
        settings = replace(preset("business_mix"), min_peers=1, level=3, min_listed_sessions=10, min_valid_sessions=5, window_sessions=8)
        scores = score_blocks(found, product_peers(known, found, settings), settings)
        made = sector_neutral(scores.biz_mom_z, industry_block(known, found.axes, "l1"), scores.universe)
        return made, found.axes.assets

    whole, assets = neutral(data)
    days = data.frame("bars")["date"].unique().sort()
    seen = 0
    for row in (25, 33, 40):
        day: date = days[row]
        past, names = neutral(data.as_of(day))
        columns = [assets.index(each) for each in names]
        assert past.tobytes() == np.ascontiguousarray(whole[: past.shape[0], columns]).tobytes()
        seen += int(np.isfinite(past).sum())
    assert seen > 100


def test_fallbacks_say_how_much_they_answer() -> None:
    data = Dataset.from_frames(market(2, stocks=16, sessions=48))
    usual: dict[str, Any] = {**preset("business_mix").to_dict(), "level": 3, "min_peers": 2, "min_listed_sessions": 10}
    usual |= {"window_sessions": 10, "min_valid_sessions": 5}
    made = product_momentum(data, **usual).filter(pl.col("covered_share").is_not_null())
    parts = made.select("share_parent", "share_industry", "share_synthetic")
    assert (parts.sum_horizontal() <= made["covered_share"] + 1e-12).all()
    assert all(parts[name].max() > 0 for name in parts.columns)  # type: ignore[operator]
