"""Bootstrap intervals of an ICIR against arch's stationary bootstrap of the same statistic."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.stats.intervals import automatic_block, icir_interval, offset_interval

GRID = 20


def ics(seed: int, length: int, level: float = 0.02) -> np.ndarray:
    """Daily ICs with overlapping windows."""
    shocks = np.random.default_rng(seed).normal(size=length + GRID - 1)
    return level + 0.02 * np.convolve(shocks, np.ones(GRID), "valid") / np.sqrt(GRID) + 0.01 * shocks[:length]


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def icir(x: np.ndarray) -> float:
    return x.mean() / x.std(ddof=1)


def offset_mean(x: np.ndarray) -> float:
    return float(np.mean([icir(x[start::GRID]) for start in range(GRID)]))


def test_one_grid_agrees_with_arch() -> None:
    x, draws = ics(1, 800)[::GRID], 4000
    found = icir_interval(x, rng=chance(), mean_block=3.0, draws=draws)
    theirs = StationaryBootstrap(3, x, seed=1).apply(lambda v: np.array([icir(v)]), draws)[:, 0]
    assert found.estimate == pytest.approx(icir(x), rel=1e-12)
    for ours, se, level in ((found.low, found.low_se, 0.025), (found.high, found.high_se, 0.975)):
        assert ours == pytest.approx(np.quantile(theirs, level), abs=4 * np.sqrt(2) * se)  # four sd of the difference
        assert se < 0.07 * found.sd  # else the line above says little
    assert found.sd == pytest.approx(theirs.std(), rel=0.08)  # each sd of 4000 fat-tailed draws is known to 2 %
    assert (found.n, found.draws, found.level, found.mean_block) == (40, draws, 0.95, 3.0)


def test_the_offset_mean_agrees_with_arch() -> None:
    x, draws = ics(2, 800), 1500
    found = offset_interval(x, np.arange(800) % GRID, rng=chance(), mean_block=40, draws=draws)
    theirs = StationaryBootstrap(40, x, seed=1).apply(lambda v: np.array([offset_mean(v)]), draws)[:, 0]
    assert found.estimate == pytest.approx(offset_mean(x), rel=1e-12)
    for ours, se, level in ((found.low, found.low_se, 0.025), (found.high, found.high_se, 0.975)):
        assert ours == pytest.approx(np.quantile(theirs, level), abs=4 * np.sqrt(2) * se)
        assert se < 0.1 * found.sd
    assert found.sd == pytest.approx(theirs.std(), rel=0.1)


def test_the_interval_follows_the_level_of_the_ic() -> None:
    """Not the null: the series keeps its mean."""
    offset = np.arange(800) % GRID
    low, high = (offset_interval(ics(3, 800, level), offset, rng=chance(), mean_block=40, draws=300) for level in (0.0, 0.1))
    assert high.low > low.high


def test_settings_matter() -> None:
    x, offset = ics(4, 800), np.arange(800) % GRID
    one = offset_interval(x, offset, rng=chance(), mean_block=40, draws=300)
    assert one == offset_interval(x, offset, rng=chance(), mean_block=40, draws=300)
    assert one != offset_interval(x, offset, rng=chance(1), mean_block=40, draws=300)
    assert offset_interval(x, offset, rng=chance(), mean_block=40, draws=300, level=0.8).high < one.high
    assert offset_interval(x, offset, rng=chance(), mean_block=2, draws=300).sd < 0.7 * one.sd
    assert offset_interval(x, np.zeros(800, dtype=np.int64), rng=chance(), mean_block=40, draws=300) == icir_interval(
        x, rng=chance(), mean_block=40, draws=300
    )


def test_the_automatic_block_is_archs() -> None:
    x = ics(5, 800)
    wanted = float(optimal_block_length(x)["stationary"].iloc[0])
    assert automatic_block(np.insert(x, [0, 9], np.nan)) == wanted > 10
    assert automatic_block(np.tile([1.0, -1.0], 100) + 0.1 * ics(6, 200)) >= 1.0
    assert icir_interval(x, rng=chance(), draws=50).mean_block == wanted


def test_missing_dates() -> None:
    x = ics(7, 800)
    framed = np.concatenate([np.full(40, np.nan), x, np.full(13, np.nan)])
    offset = np.arange(853) % GRID
    found = offset_interval(framed, offset, rng=chance(), mean_block=40, draws=100)
    assert found == offset_interval(x, offset[:800], rng=chance(), mean_block=40, draws=100)
    x[::3] = np.nan
    assert offset_interval(x, offset[:800], rng=chance(), mean_block=40, draws=100).n == 533


def test_bad_input_is_refused() -> None:
    x = ics(8, 100)
    with pytest.raises(InsufficientDataError, match="100 dates have an IC; 160 that vary are required for blocks of 40"):
        icir_interval(x, rng=chance(), mean_block=40)
    with pytest.raises(InsufficientDataError, match="100 dates have an IC, all the same"):
        icir_interval(np.ones(100), rng=chance(), mean_block=4)
    with pytest.raises(InsufficientDataError, match="no offset has 3 dates"):
        offset_interval(x, np.arange(100) // 2, rng=chance(), mean_block=4)
    with pytest.raises(InsufficientDataError, match="0 entries are known; 10 that vary"):
        automatic_block(np.full(20, np.nan))
    with pytest.raises(InsufficientDataError, match="20 entries are known, all the same"):
        automatic_block(np.ones(20))
    with pytest.raises(SettingError, match=r"offset has shape \(99,\), the IC \(100,\)"):
        offset_interval(x, np.arange(99), rng=chance(), mean_block=4)
    with pytest.raises(SettingError, match="level must lie between 0 and 1, not 95"):
        icir_interval(x, rng=chance(), level=95)
    with pytest.raises(SettingError, match="draws must be at least 1"):
        icir_interval(x, rng=chance(), draws=0)
    with pytest.raises(SettingError, match="mean_block must be at least 1"):
        icir_interval(x, rng=chance(), mean_block=0.5)
