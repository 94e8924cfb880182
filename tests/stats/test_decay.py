"""Decayed windows, and windows recomputed afresh, against plain loops and outside estimators."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError
from pureplay.panel import FloatArray
from pureplay.stats.decay import decayed_mean, decayed_regression, decayed_spread, decayed_sum
from pureplay.stats.windows import cumulative_range, downside_slope, mean_of_three_largest

MAKERS: dict[str, Callable[..., FloatArray]] = {  # every figure as a function of y and x, so that one test serves all
    "mean": lambda y, x, **s: decayed_mean(y, **{"window": 20, "minimum": 12, "half_life": 5, **s}),
    "sum": lambda y, x, **s: decayed_sum(y, **{"window": 20, "minimum": 12, "half_life": 5, **s}),
    "spread": lambda y, x, **s: decayed_spread(y, **{"window": 20, "minimum": 12, "half_life": 5, **s}),
    "line": lambda y, x, **s: np.stack(decayed_regression(y, x, **{"window": 20, "minimum": 12, "half_life": 5, **s})),
    "range": lambda y, x, **s: cumulative_range(y, **{"steps": 4, "step_rows": 5, "minimum": 12, **s}),
    "largest": lambda y, x, **s: mean_of_three_largest(y, **{"window": 20, "minimum": 12, **s}),
    "downside": lambda y, x, **s: downside_slope(y, x, **{"window": 20, "minimum": 5, **s}),
}


def naive_window(name: str, y: FloatArray, x: FloatArray, half_life: float | None = 5) -> Any:
    """One figure of one window of 20 rows at most, oldest first, and None where it has too few observations."""
    age = np.arange(y.size)[::-1]
    weight = np.ones(y.size) if half_life is None else 0.5 ** (age / half_life)
    if name == "range":
        logs = np.concatenate([np.zeros(20 - y.size), np.where(np.isfinite(y), y, 0.0)])
        sums = [logs[-5 * m :].sum() for m in range(1, 5)]
        return max(sums) - min(sums) if np.isfinite(y).sum() >= 12 else None
    use, least = np.isfinite(y), 12
    if name == "line":
        use = use & np.isfinite(x)
    if name == "downside":
        known = np.isfinite(x)
        low = np.array([bool(k) and value < x[known].mean() for k, value in zip(known, x, strict=True)])
        use, weight, least = use & low, np.ones(y.size), 5
    if use.sum() < least:
        return None
    y, x, w = y[use], x[use], weight[use]
    if name == "mean":
        return (w * y).sum() / w.sum()
    if name == "sum":
        return (w * y).sum()
    if name == "spread":
        return np.sqrt((w * (y - (w * y).sum() / w.sum()) ** 2).sum() / w.sum())
    if name == "largest":
        return np.sort(y)[-3:].mean()
    if x.max() == x.min():
        return None
    dx, dy = x - (w * x).sum() / w.sum(), y - (w * y).sum() / w.sum()
    slope = (w * dx * dy).sum() / (w * dx * dx).sum()
    if name == "downside":
        return slope
    return slope, np.sqrt((w * (dy - slope * dx) ** 2).sum() / w.sum())


def naive(name: str, y: FloatArray, x: FloatArray, half_life: float | None = 5) -> FloatArray:
    """Window after window, column after column."""
    out = np.full((2, *y.shape) if name == "line" else y.shape, np.nan)
    for t in range(y.shape[0]):
        for i in range(y.shape[1]):
            made = naive_window(name, y[max(0, t - 19) : t + 1, i], x[max(0, t - 19) : t + 1], half_life)
            if made is not None:
                out[..., t, i] = made
    return out


def rough(seed: int, rows: int, columns: int) -> tuple[FloatArray, FloatArray]:
    """Related series with gaps, an infinity, a late start, an early end, a constant and a run of zeros."""
    rng = np.random.default_rng(seed)
    x = 0.01 * rng.normal(size=rows)
    y = 0.02 * rng.normal(size=(rows, columns)) + 0.8 * x[:, None]
    y[rng.random(y.shape) < 0.15] = np.nan
    x[rng.random(rows) < 0.05] = np.nan
    y[: rows // 3, 0], y[rows // 2 :, 1], y[rows // 2, 2] = np.nan, np.nan, np.inf
    y[:, 3], y[10:50, 4] = 0.1, 0.0
    return y, x


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("rows", "columns"), [(97, 5), (60, 70), (20, 5), (19, 5), (11, 5), (121, 6)])
def test_every_figure_equals_the_loop(name: str, rows: int, columns: int) -> None:
    y, x = rough(rows, rows, columns)
    # sums of squares keep 1e-4 of themselves or are recomputed, so 12 digits stay; a constant of 0.1 has rounding of 1e-15, its slope
    # on an x near 0.01 of 1e-13
    rounding = 1e-13 if name in ("line", "downside") else 1e-15
    np.testing.assert_allclose(MAKERS[name](y, x), naive(name, y, x), rtol=1e-11, atol=rounding)


@pytest.mark.parametrize("name", ["mean", "sum", "spread", "line"])
def test_equal_weights(name: str) -> None:
    y, x = rough(1, 70, 6)
    wanted = naive(name, y, x, None)
    np.testing.assert_allclose(
        MAKERS[name](y, x, half_life=None), wanted, rtol=1e-11, atol=1e-13
    )  # slopes of a constant: 0 but for rounding
    assert np.isfinite(wanted).sum() > 100


def test_mean_equals_pandas() -> None:
    y, x = rough(2, 60, 5)
    y[~np.isfinite(y)] = np.nan
    for t in (19, 30, 44):
        wanted = pd.DataFrame(y[t - 19 : t + 1]).ewm(halflife=5, ignore_na=False).mean().to_numpy()[-1]
        made = MAKERS["mean"](y, x, minimum=1)[t]
        known = np.isfinite(made)  # pandas carries the mean over a window without any row of its own
        assert known.any()
        np.testing.assert_allclose(made[known], wanted[known], rtol=1e-12)


def test_spread_equals_numpy() -> None:
    y = np.random.default_rng(3).normal(size=(33, 2))
    weight = 0.5 ** (np.arange(20)[::-1] / 5)
    mean = np.average(y[13:], axis=0, weights=weight)
    wanted = np.sqrt(np.average((y[13:] - mean) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose(decayed_spread(y, window=20, minimum=12, half_life=5)[-1], wanted, rtol=1e-12)


def test_regressions_equal_statsmodels() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=33), rng.normal(size=(33, 1))
    weight = 0.5 ** (np.arange(20)[::-1] / 5)
    fit = sm.WLS(y[13:, 0], sm.add_constant(x[13:]), weights=weight).fit()
    slope, spread = decayed_regression(y, x, window=20, minimum=12, half_life=5)
    assert slope[-1, 0] == pytest.approx(fit.params[1], rel=1e-11)
    assert spread[-1, 0] == pytest.approx(np.sqrt((weight * fit.resid**2).sum() / weight.sum()), rel=1e-11)
    plain = sm.OLS(y[13:, 0], sm.add_constant(x[13:])).fit()
    slope, spread = decayed_regression(y, x, window=20, minimum=12, ddof=2)
    assert slope[-1, 0] == pytest.approx(plain.params[1], rel=1e-11)
    assert spread[-1, 0] == pytest.approx(np.sqrt(plain.mse_resid), rel=1e-11)
    low = x[13:] < x[13:].mean()
    down = sm.OLS(y[13:, 0][low], sm.add_constant(x[13:][low])).fit()
    assert downside_slope(y, x, window=20, minimum=5)[-1, 0] == pytest.approx(down.params[1], rel=1e-11)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("tick", [1e6, 1e12, -1e6])
def test_a_bad_tick_leaves_no_trace_once_it_has_left(name: str, tick: float) -> None:
    rng = np.random.default_rng(5)
    x, y = 0.02 * rng.normal(size=110), 0.02 * rng.normal(size=(110, 3))
    clean = MAKERS[name](y, x)
    y[37, 1] = tick
    spoilt = MAKERS[name](y, x)
    np.testing.assert_array_equal(spoilt[..., 57:, :], clean[..., 57:, :])  # bit for bit
    np.testing.assert_array_equal(spoilt[..., :37, :], clean[..., :37, :])
    np.testing.assert_array_equal(spoilt[..., [0, 2]], clean[..., [0, 2]])
    wanted = naive(name, y, x)[..., 37:57, 1]
    np.testing.assert_allclose(spoilt[..., 37:57, 1], wanted, rtol=1e-9, atol=1e-13 * abs(tick))  # digits below those of the tick are lost
    assert (spoilt[..., 37:57, 1] != clean[..., 37:57, 1]).any()


@pytest.mark.parametrize("name", ["line", "downside"])
def test_a_bad_tick_of_the_market_leaves_no_trace(name: str) -> None:
    rng = np.random.default_rng(6)
    x, y = 0.02 * rng.normal(size=110), 0.02 * rng.normal(size=(110, 3))
    clean = MAKERS[name](y, x)
    x[37] = 1e6
    np.testing.assert_array_equal(MAKERS[name](y, x)[..., 57:, :], clean[..., 57:, :])  # bit for bit


@pytest.mark.parametrize("value", [0.0, 0.1, 1e5 + 0.1])
def test_a_constant_explains_nothing_and_gives_no_regression(value: float) -> None:
    y, x = np.random.default_rng(7).normal(size=(50, 2)), np.full(50, value)
    assert np.isnan(MAKERS["line"](y, x)).all()
    x[::2] = value + 1  # what lies below the mean is constant
    assert np.isnan(MAKERS["downside"](y, x)).all()
    assert np.isfinite(MAKERS["line"](y, x)[:, 20:]).all()


@pytest.mark.parametrize(("level", "sd"), [(1.0, 1e-3), (1.0, 1e-6), (1e5, 1e-6)])
def test_spreads_on_a_level_do_not_cancel(level: float, sd: float) -> None:
    rng = np.random.default_rng(8)
    x, y = level + sd * rng.normal(size=60), level + sd * rng.normal(size=(60, 3))
    for name in ("spread", "line", "downside"):
        made, wanted = MAKERS[name](y, x), naive(name, y, x)
        # a mean is exact to 1e-16 of the level, a difference from it to as much over the sd; squared sums would lose the square of that
        np.testing.assert_allclose(made, wanted, rtol=1e-14 * level / sd, atol=1e-15 * level / sd)
    np.testing.assert_array_equal(MAKERS["spread"](np.full((40, 2), 2.0), x)[20:], 0.0)


def test_an_exact_line_has_no_residual() -> None:
    x = np.random.default_rng(9).normal(size=50)
    slope, spread = MAKERS["line"](3 * x[:, None] + 1, x)
    np.testing.assert_allclose(slope[20:], 3, rtol=1e-12)
    assert np.nanmax(spread) < 1e-14  # rounding of numbers near 3


def test_ages_are_sessions() -> None:
    y = np.full((25, 1), np.nan)
    y[5], y[15], y[24] = 1.0, 10.0, 100.0  # ages 19, 9 and 0 at the last row
    weight = 0.5 ** (np.array([19, 9, 0]) / 5)
    assert decayed_mean(y, window=20, minimum=3, half_life=5)[-1, 0] == pytest.approx(weight @ [1, 10, 100] / weight.sum(), rel=1e-14)
    assert np.isnan(decayed_mean(y, window=19, minimum=3, half_life=5)[-1, 0])


def test_figures_by_hand() -> None:
    y = np.array([[0.1], [-0.3], [0.2], [0.4], [-0.1], [0.0]])
    sums = [-0.1, 0.5]  # last two rows; last four
    assert cumulative_range(y, steps=2, step_rows=2, minimum=1)[-1, 0] == pytest.approx(max(sums) - min(sums))
    assert mean_of_three_largest(y, window=5, minimum=3)[-1, 0] == pytest.approx((0.4 + 0.2 + 0.0) / 3)


@given(st.integers(0, 2**16), st.integers(1, 69), st.sampled_from(list(MAKERS)))
def test_later_rows_and_other_columns_change_nothing(seed: int, rows: int, name: str) -> None:
    y, x = rough(seed, 70, 6)
    made = MAKERS[name](y, x)
    np.testing.assert_array_equal(MAKERS[name](y[:rows], x[:rows]), made[..., :rows, :])  # bit for bit
    order = np.random.default_rng(seed).permutation(6)
    np.testing.assert_array_equal(MAKERS[name](np.asfortranarray(y[:, order]), x), made[..., order])


def test_the_input_is_untouched() -> None:
    y, x = rough(10, 45, 5)
    before = y.copy(), x.copy()
    for make in MAKERS.values():
        make(y, x)
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(x, before[1])


SETTINGS = [
    *(
        (name, {key: value})
        for name in ("mean", "sum", "spread", "line")
        for key, value in (("window", 19), ("minimum", 13), ("half_life", 6))
    ),
    *(("line", {"ddof": 1}), ("range", {"steps": 3}), ("range", {"step_rows": 6}), ("range", {"minimum": 13})),
    *((name, {key: value}) for name in ("largest", "downside") for key, value in (("window", 19), ("minimum", 13))),
]


@pytest.mark.parametrize(("name", "changed"), SETTINGS)
def test_every_setting_matters(name: str, changed: dict[str, int]) -> None:
    y, x = rough(11, 60, 6)
    assert not np.array_equal(MAKERS[name](y, x), MAKERS[name](y, x, **changed), equal_nan=True)


@pytest.mark.parametrize(
    ("name", "wrong", "rule"),
    [
        ("mean", {"minimum": 0}, "ask for 1 to 20"),
        ("sum", {"minimum": 21}, "ask for 1 to 20"),
        ("spread", {"minimum": 1}, "ask for 2 to 20"),
        ("line", {"minimum": 2}, "ask for 3 to 20"),
        ("line", {"half_life": 0}, "half_life is 0"),
        ("mean", {"half_life": float("nan")}, "half_life is nan"),
        ("range", {"minimum": 21}, "ask for 1 to 20"),
        ("range", {"steps": 1, "minimum": 1}, "one sum has no range"),
        ("largest", {"minimum": 2}, "ask for 3 to 20"),
        ("downside", {"minimum": 2}, "ask for 3 to 20"),
    ],
)
def test_settings_without_an_answer_are_refused(name: str, wrong: dict[str, float], rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        MAKERS[name](np.zeros((5, 1)), np.zeros(5), **wrong)
