"""Windowed sums and regressions against plain loops."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.rolling import windowed_gap


def naive_gap(
    x: FloatArray, y: FloatArray, valid: BoolArray, window: int, minimum: int, *, ols: bool = True
) -> tuple[FloatArray, FloatArray]:
    """One series, one window at a time, two passes."""
    total, spread = np.full(x.size, np.nan), np.full(x.size, np.nan)
    use = valid & np.isfinite(x) & np.isfinite(y)
    for t in range(x.size):
        past = slice(max(0, t - window + 1), t + 1)
        a, b = x[past][use[past]], y[past][use[past]]
        if a.size < minimum:
            continue
        total[t] = (a - b).sum()
        if not ols:
            spread[t] = (b - a).std(ddof=1)
        elif a.min() < a.max():
            dx, dy = a - a.mean(), b - b.mean()
            slope = (dx @ dy) / (dx @ dx)
            spread[t] = np.sqrt(((dy - slope * dx) ** 2).sum() / (a.size - 2))
    return total, spread


def both(
    x: FloatArray, y: FloatArray, window: int = 20, minimum: int = 15, *, valid: BoolArray | None = None, ols: bool = True
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """Kernel and loop on the same blocks."""
    who = np.ones(x.shape, dtype=bool) if valid is None else valid
    columns = [naive_gap(x[:, i], y[:, i], who[:, i], window, minimum, ols=ols) for i in range(x.shape[1])]
    wanted = np.stack([each[0] for each in columns], axis=1), np.stack([each[1] for each in columns], axis=1)
    return windowed_gap(x, y, who, window=window, minimum=minimum, ols=ols), wanted


@pytest.mark.parametrize("ols", [True, False])
@pytest.mark.parametrize(
    ("rows", "assets", "window", "minimum"), [(97, 5, 20, 15), (60, 130, 20, 3), (200, 3, 60, 40), (19, 4, 20, 15), (41, 2, 3, 3)]
)
def test_gap_equals_the_loop(rows: int, assets: int, window: int, minimum: int, ols: bool) -> None:
    rng = np.random.default_rng(rows)
    x, y = 0.02 * rng.normal(size=(2, rows, assets))
    y += 0.5 * x
    x[rng.random(x.shape) < 0.1], y[rng.random(x.shape) < 0.1] = np.nan, np.inf
    valid = rng.random(x.shape) < 0.95
    (total, spread), wanted = both(x, y, window, minimum, valid=valid, ols=ols)
    np.testing.assert_allclose(total, wanted[0], rtol=0, atol=1e-14)  # sums of numbers near 0.02
    np.testing.assert_allclose(spread, wanted[1], rtol=1e-9)  # sums of squares keep 1e-6 of themselves at least


def test_regression_equals_statsmodels() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 25, 1))
    _, spread = windowed_gap(x, y, np.ones(x.shape, dtype=bool), window=20, minimum=15)
    fit = sm.OLS(y[5:, 0], sm.add_constant(x[5:, 0])).fit()
    assert spread[-1, 0] == pytest.approx(np.sqrt(fit.mse_resid), rel=1e-12)


def test_the_sum_is_not_rescaled_and_needs_its_minimum() -> None:
    x, y = np.full((20, 2), 0.01), np.zeros((20, 2))
    x += 0.001 * np.arange(20)[:, None] % 0.002
    y[:5, 0], y[:6, 1] = np.nan, np.nan
    (total, _), _ = both(x, y)
    assert total[19, 0] == pytest.approx(x[5:, 0].sum())  # 15 of 20 are enough, and add up to what they are
    assert np.isnan(total[19, 1])  # 14 are not
    assert np.isnan(total[:19]).all()


def test_nearly_collinear_series() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 4))
    y = 2 * x + 1 + 1e-7 * rng.normal(size=x.shape)
    y[:, 3] = 3 * x[:, 3]
    (_, spread), (_, wanted) = both(x, y)
    np.testing.assert_allclose(spread[:, :3], wanted[:, :3], rtol=1e-7)  # 1e-16 of y against residuals of 1e-7
    assert np.nanmax(spread[:, 3]) < 1e-14  # exact, but for rounding


@pytest.mark.parametrize("value", [0.0, 0.1, 1e5 + 0.1])
def test_a_constant_explains_nothing_and_gives_no_regression(value: float) -> None:
    y = np.random.default_rng(2).normal(size=(40, 2))
    x = np.full(y.shape, value)
    total, spread = windowed_gap(x, y, np.ones(x.shape, dtype=bool), window=20, minimum=15)
    assert np.isfinite(total[14:]).all()
    assert np.isnan(spread).all()
    _, sd = windowed_gap(x, y, np.ones(x.shape, dtype=bool), window=20, minimum=15, ols=False)
    np.testing.assert_allclose(sd[25], (y[6:26] - x[6:26]).std(axis=0, ddof=1), rtol=1e-9)


def test_nearly_constant_x_on_a_level() -> None:
    rng = np.random.default_rng(3)
    x = 1.0 + 1e-9 * rng.normal(size=(50, 2))
    y = rng.normal(size=x.shape)
    (_, spread), (_, wanted) = both(x, y)
    np.testing.assert_allclose(spread, wanted, rtol=1e-6)  # x keeps seven digits of its variation


@pytest.mark.parametrize("ols", [True, False])
@pytest.mark.parametrize("tick", [1e6, 1e12, -1e6])
def test_a_bad_tick_leaves_no_trace_once_it_has_left(tick: float, ols: bool) -> None:
    rng = np.random.default_rng(4)
    x, y = 0.02 * rng.normal(size=(2, 120, 3))
    clean = windowed_gap(x, y, np.ones(x.shape, dtype=bool), window=20, minimum=15, ols=ols)
    y[37, 1] = tick
    spoilt, wanted = both(x, y, ols=ols)
    for found, before, naive in zip(spoilt, clean, wanted, strict=True):
        np.testing.assert_array_equal(found[57:], before[57:])  # bit for bit
        np.testing.assert_array_equal(found[:, [0, 2]], before[:, [0, 2]])
        np.testing.assert_allclose(found[37:57, 1], naive[37:57, 1], rtol=1e-9)


@given(st.integers(0, 2**16), st.sampled_from([0.01, 1.0, 128.0]))
def test_scale_and_later_rows(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 70, 2))
    valid = rng.random(x.shape) < 0.9
    total, spread = windowed_gap(x, y, valid, window=20, minimum=12)
    scaled = windowed_gap(factor * x, factor * y, valid, window=20, minimum=12)
    np.testing.assert_allclose(scaled[0], factor * total, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(scaled[1], factor * spread, rtol=1e-9)
    cut = windowed_gap(x[:45], y[:45], valid[:45], window=20, minimum=12)
    np.testing.assert_array_equal(cut[0], total[:45])
    np.testing.assert_array_equal(cut[1], spread[:45])


@pytest.mark.parametrize(("window", "minimum"), [(20, 2), (20, 21), (2, 3)])
def test_windows_that_cannot_hold_a_regression_are_refused(window: int, minimum: int) -> None:
    with pytest.raises(SettingError, match="must lie between 3 and window_sessions"):
        windowed_gap(np.zeros((5, 1)), np.zeros((5, 1)), np.ones((5, 1), dtype=bool), window=window, minimum=minimum)


@pytest.mark.parametrize("changed", [{"window": 19}, {"minimum": 16}, {"ols": False}])
def test_every_setting_matters(changed: dict[str, int | bool]) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 40, 3))
    y[20:24] = np.nan
    settings: dict[str, int | bool] = {"window": 20, "minimum": 15, "ols": True}
    valid = np.ones(x.shape, dtype=bool)
    plain = np.stack(windowed_gap(x, y, valid, **settings))  # type: ignore[arg-type]
    other = np.stack(windowed_gap(x, y, valid, **{**settings, **changed}))  # type: ignore[arg-type]
    assert not np.array_equal(plain, other, equal_nan=True)
