"""Residual rank IC of all dates at once, against one least-squares problem a date."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from skfolio.linear_model import CSLinearRegression

from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.orthogonal import CONTAINED, FEW_NAMES, NO_NAMES, OK, OrthogonalDays, forward_orders, orthogonal_days

TOLERANCE = 1e-8  # the bar of the design; float64 least squares by two routes differ by 1e-12 here


def naive_day(
    signal: FloatArray, columns: FloatArray, forward: FloatArray, groups: IndexArray | None, eligible: BoolArray | None, min_names: int
) -> tuple[float, int, FloatArray]:
    """One date: numpy.linalg.lstsq on [1, columns, dummies], then scipy's Spearman. NaN where there are too few names."""
    use = np.isfinite(signal) & np.isfinite(columns).all(axis=0)
    if eligible is not None:
        use &= eligible
    if groups is not None:
        use &= groups >= 0
    residual = np.full(signal.size, np.nan)
    design = [columns[:, use].T]
    if groups is None:
        design.append(np.ones((int(use.sum()), 1)))
    else:
        design.append((groups[use][:, None] == np.unique(groups[use])[None, :]).astype(float))
    matrix = np.concatenate(design, axis=1)
    scale = np.abs(matrix).max(axis=0) if matrix.size else np.ones(matrix.shape[1])
    matrix = matrix / np.where(scale > 0, scale, 1)  # lstsq cuts off singular values below 1e-16 of the largest
    weights, _, rank, _ = np.linalg.lstsq(matrix, signal[use], rcond=1e-11)
    residual[use] = signal[use] - matrix @ weights
    known = np.isfinite(residual) & np.isfinite(forward)
    if known.sum() < max(min_names, 2 * rank):
        return np.nan, int(known.sum()), residual
    return float(scipy_stats.spearmanr(residual[known], forward[known]).statistic), int(known.sum()), residual


def check(signal: FloatArray, base: FloatArray, forward: FloatArray, **settings: Any) -> OrthogonalDays:
    """Compare every date and horizon with the naive one; returns the kernel's answer."""
    made = orthogonal_days(signal, base, forward_orders(forward), keep_residual=True, **settings)
    extra, groups, eligible = (settings.get(name) for name in ("extra", "groups", "eligible"))
    columns = base if extra is None else np.concatenate([base, extra], axis=1)
    assert made.residual is not None
    for t in range(signal.shape[0]):
        for h in range(forward.shape[0]):
            value, names, residual = naive_day(
                signal[t],
                columns[t],
                forward[h, t],
                None if groups is None else groups[t],
                None if eligible is None else eligible[t],
                settings.get("min_names", 30),
            )
            assert made.names[h, t] == names
            np.testing.assert_allclose(made.ic[h, t], value, rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(made.residual[t], residual, rtol=0, atol=TOLERANCE)
            assert (made.reason[h, t] == OK) == np.isfinite(value)
    return made


class Market:
    """Random blocks: a signal that loads on its base and a forward return that loads on the signal."""

    def __init__(self, seed: int = 0, dates: int = 12, assets: int = 150, columns: int = 6, groups: int = 7, missing: float = 0.03) -> None:
        rng = np.random.default_rng(seed)
        self.base = rng.normal(size=(dates, columns, assets))
        self.signal = 0.5 * self.base.sum(axis=1) + rng.normal(size=(dates, assets))
        self.forward = np.stack([0.3 * self.signal + rng.standard_t(3, size=(dates, assets)) for _ in range(2)])
        self.groups = rng.integers(-1, groups, size=(dates, assets)).astype(np.int32)
        self.signal += 0.4 * self.groups
        self.eligible = rng.random((dates, assets)) < 0.85
        self.extra = rng.normal(size=(dates, 2, assets)) + self.signal[:, None]
        for block in (self.base, self.signal, self.forward):
            block[rng.random(block.shape) < missing / (columns if block is self.base else 1)] = np.nan
        self.base[rng.random(self.base.shape) < 0.001] = np.inf


@pytest.mark.parametrize("names", [(), ("groups",), ("extra",), ("eligible",), ("groups", "extra", "eligible")], ids=str)
def test_days_equal_least_squares_and_scipy(names: tuple[str, ...]) -> None:
    made = Market()
    found = check(made.signal, made.base, made.forward, **{name: getattr(made, name) for name in names})
    assert (found.reason == OK).all()
    plain = orthogonal_days(made.signal, made.base, forward_orders(made.forward))
    assert (not names) == np.array_equal(found.ic, plain.ic)  # every argument matters


def test_an_empty_base_gives_the_plain_rank_correlation() -> None:
    made = Market()
    check(made.signal, made.base[:, :0], made.forward)
    check(made.signal, made.base[:, :0], made.forward, groups=made.groups)


def test_residuals_are_orthogonal_to_base_and_groups() -> None:
    made = Market(1)
    found = check(made.signal, made.base, made.forward, groups=made.groups)
    assert found.residual is not None
    for t in range(made.signal.shape[0]):
        use = np.isfinite(found.residual[t])
        residual = found.residual[t, use]
        assert abs(made.base[t][:, use] @ residual).max() < 1e-11 * use.sum()
        assert abs(np.bincount(made.groups[t, use], weights=residual)).max() < 1e-11 * use.sum()
        assert found.fitted[t] == use.sum()
        within = (
            made.signal[t, use]
            - (np.bincount(made.groups[t, use], made.signal[t, use]) / np.bincount(made.groups[t, use]))[made.groups[t, use]]
        )
        assert found.left[t] == pytest.approx(residual @ residual / (within @ within), rel=1e-12)


def test_days_equal_skfolio() -> None:
    made = Market(2)
    use = np.isfinite(made.signal) & np.isfinite(made.base).all(axis=1)
    features = np.where(use[..., None], made.base.transpose(0, 2, 1), 0.0)
    target = np.where(use, made.signal, 0.0)
    model = CSLinearRegression(fit_intercept=True).fit(features, target, cs_weights=use.astype(float))
    wanted = np.where(use, target - model.predict(features), np.nan)
    found = orthogonal_days(made.signal, made.base, forward_orders(made.forward), keep_residual=True)
    np.testing.assert_allclose(found.residual, wanted, rtol=0, atol=1e-11)


def test_demeaning_within_groups_equals_dummies() -> None:
    made = Market(3, missing=0.0)
    made.base[~np.isfinite(made.base)] = 0.0
    made.groups = np.abs(made.groups)
    dummies = np.stack([made.groups == g for g in range(1, 7)], axis=1).astype(float)  # group 0 is the intercept
    by_demeaning = orthogonal_days(made.signal, made.base, forward_orders(made.forward), groups=made.groups, keep_residual=True)
    by_dummies = orthogonal_days(made.signal, made.base, forward_orders(made.forward), extra=dummies, keep_residual=True)
    np.testing.assert_allclose(by_demeaning.residual, by_dummies.residual, rtol=0, atol=1e-10)
    np.testing.assert_allclose(by_demeaning.ic, by_dummies.ic, rtol=0, atol=1e-10)


@pytest.mark.parametrize("grouped", [False, True])
def test_redundant_and_constant_columns_leave_the_base_and_are_reported(grouped: bool) -> None:
    made = Market(4)
    base = np.concatenate([made.base, np.empty((12, 3, 150))], axis=1)
    base[:, 6] = base[:, 0] - 3 * base[:, 2]
    base[:, 7] = 0.1
    base[:, 8] = made.base[:, 1]
    base[::2, 8] += np.random.default_rng(0).normal(size=(6, 150))  # redundant on odd dates only
    settings = {"groups": made.groups} if grouped else {}
    found = check(made.signal, base, made.forward, **settings)
    np.testing.assert_array_equal(found.dropped.sum(axis=0), [0, 0, 0, 0, 0, 0, 12, 12, 6])
    assert not found.dropped[::2, 8].any()


def test_a_column_constant_within_groups_is_redundant_beside_them() -> None:
    made = Market(5)
    made.base[:, 2] = made.groups * 0.7
    found = check(made.signal, made.base, made.forward, groups=made.groups)
    np.testing.assert_array_equal(found.dropped.sum(axis=0), [0, 0, 12, 0, 0, 0])


@pytest.mark.parametrize("scale", [1e-11, 1e11, 1e100])
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_badly_scaled_columns(scale: float, level: float) -> None:
    made = Market(6)
    made.base[:, 3] = scale * (level + made.base[:, 3])
    found = check(made.signal, made.base, made.forward, groups=made.groups)
    assert not found.dropped.any()


@pytest.mark.parametrize("level", [1e6, 1e8])
def test_columns_far_from_zero(level: float) -> None:
    made = Market(7)
    found = [
        orthogonal_days(made.signal, base, forward_orders(made.forward), keep_residual=True).residual
        for base in (made.base, made.base + level * (np.arange(6) == 3)[None, :, None])
    ]
    # adding the level itself rounds the column at 1e-16 of it, here 1e-8
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-16 * level * 20 + 1e-12)


@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_a_column_whose_squares_overflow_is_dropped_not_silently_wrong(size: float, at: int) -> None:
    made = Market(8)
    made.base[:, at] *= size
    found = orthogonal_days(made.signal, made.base, forward_orders(made.forward))
    others = orthogonal_days(
        made.signal, np.delete(made.base, at, axis=1), forward_orders(made.forward), eligible=np.isfinite(made.base[:, at])
    )
    assert found.dropped[:, at].all()
    np.testing.assert_allclose(found.ic, others.ic, rtol=0, atol=1e-12)


def test_the_fit_does_not_look_at_forward_returns() -> None:
    made = Market(9)
    few = made.forward.copy()
    few[:, :, 40:] = np.nan
    whole = orthogonal_days(made.signal, made.base, forward_orders(made.forward), keep_residual=True)
    part = orthogonal_days(made.signal, made.base, forward_orders(few), keep_residual=True)
    np.testing.assert_array_equal(whole.residual, part.residual)
    np.testing.assert_array_equal(whole.left, part.left)
    np.testing.assert_array_equal(whole.fitted, part.fitted)
    assert (part.names <= 40).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_residual_of_a_residual_is_itself(seed: int) -> None:
    made = Market(seed)
    once = orthogonal_days(made.signal, made.base, forward_orders(made.forward), groups=made.groups, keep_residual=True)
    assert once.residual is not None
    twice = orthogonal_days(once.residual, made.base, forward_orders(made.forward), groups=made.groups, keep_residual=True)
    np.testing.assert_allclose(twice.residual, once.residual, rtol=0, atol=1e-13)
    np.testing.assert_allclose(twice.ic, once.ic, rtol=0, atol=1e-12)
    np.testing.assert_allclose(twice.left, 1.0, rtol=1e-12)


def test_a_base_of_noise_gives_the_raw_ic_back_on_average() -> None:
    differences, levels = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        signal = rng.normal(size=(40, 300))
        forward = forward_orders((0.2 * signal + rng.normal(size=(40, 300)))[None])
        raw = orthogonal_days(signal, np.empty((40, 0, 300)), forward).ic
        noise = orthogonal_days(signal, rng.normal(size=(40, 22, 300)), forward).ic
        differences.append((noise - raw).mean())
        levels.append(raw.mean())
    # a residual on 22 columns of noise keeps 1 - 22/300 of the signal, so the raw IC comes back times √(1 - 22/300): 4 % lower.
    # The mean difference over 40 dates has sd .002 a draw, over twenty draws .0005; four of those are allowed.
    expected = (np.sqrt(1 - 22 / 300) - 1) * np.mean(levels)
    assert np.mean(differences) == pytest.approx(expected, abs=0.002)


def test_permuting_assets_permutes_residuals() -> None:
    made = Market(10)
    order = np.random.default_rng(0).permutation(150)
    plain = orthogonal_days(made.signal, made.base, forward_orders(made.forward), groups=made.groups, keep_residual=True)
    moved = orthogonal_days(
        made.signal[:, order],
        made.base[:, :, order],
        forward_orders(made.forward[:, :, order]),
        groups=made.groups[:, order],
        keep_residual=True,
    )
    assert plain.residual is not None
    np.testing.assert_allclose(moved.residual, plain.residual[:, order], rtol=0, atol=1e-12)
    np.testing.assert_allclose(moved.ic, plain.ic, rtol=0, atol=1e-12)


@given(scale=st.sampled_from([0.01, 7.0, 1e6]), shift=st.sampled_from([0.0, -3.0]), seed=st.integers(0, 50))
def test_ic_sees_neither_scale_nor_shift_nor_what_the_base_explains(scale: float, shift: float, seed: int) -> None:
    made = Market(seed, dates=2, missing=0.0)
    made.base[~np.isfinite(made.base)] = 0.0
    plain = orthogonal_days(made.signal, made.base, forward_orders(made.forward)).ic
    changed = scale * made.signal + shift + 2 * scale * made.base[:, 1]
    # rounding may swap two neighbours among 150 ranks: 2 · 6 / 150³ = 4e-6 at most, in practice nothing
    np.testing.assert_allclose(orthogonal_days(changed, made.base, forward_orders(made.forward)).ic, plain, rtol=0, atol=4e-6)


# ---------------------------------------------------------------- dates without an IC


@pytest.mark.parametrize(("columns", "groups", "needed"), [(3, 0, 30), (14, 0, 30), (15, 0, 32), (22, 0, 46), (10, 7, 34)])
def test_a_date_needs_max_30_or_twice_its_regressors(columns: int, groups: int, needed: int) -> None:
    """Regressors are the base columns and the intercept, or one dummy a group."""
    made = Market(11, dates=2, assets=120, columns=columns, missing=0.0)
    made.base[~np.isfinite(made.base)] = 0.0
    label = (np.arange(120, dtype=np.int32) % groups)[None].repeat(2, axis=0) if groups else None
    made.forward[:, 0, needed:], made.forward[:, 1, needed - 1 :] = np.nan, np.nan
    found = check(made.signal, made.base, made.forward, groups=label)
    np.testing.assert_array_equal(found.names, [[needed, needed - 1]] * 2)
    np.testing.assert_array_equal(found.reason, [[OK, FEW_NAMES]] * 2)


def test_dropped_columns_are_no_regressors() -> None:
    made = Market(12, dates=1, assets=120, columns=22, missing=0.0)
    made.base[~np.isfinite(made.base)] = 0.0
    made.base[:, 10:] = 1.0
    made.forward[:, :, 30:] = np.nan
    assert (check(made.signal, made.base, made.forward).reason == OK).all()


def test_min_names_matters() -> None:
    made = Market(13, dates=1, assets=60, columns=2)
    assert check(made.signal, made.base, made.forward, min_names=20).reason[0, 0] == OK
    assert check(made.signal, made.base, made.forward, min_names=61).reason[0, 0] == FEW_NAMES


def test_reasons_are_told_apart() -> None:
    made = Market(14, dates=5)
    made.signal[0] = np.nan
    made.forward[:, 1] = np.nan
    made.forward[:, 2, 20:] = np.nan
    made.signal[3] = 2 * made.base[3, 0] - made.base[3, 4] + 5
    made.signal[4] = 0.1
    found = orthogonal_days(made.signal, made.base, forward_orders(made.forward), keep_residual=True)
    np.testing.assert_array_equal(found.reason[0], [NO_NAMES, NO_NAMES, FEW_NAMES, CONTAINED, FEW_NAMES])
    assert np.isnan(found.ic).all()
    assert found.left[3] < 1e-25
    assert np.isnan(found.left[[0, 4]]).all()
    assert found.residual is not None
    assert np.isnan(found.residual[[0, 3, 4]]).all()


def test_a_constant_signal_is_not_contained_in_an_empty_base() -> None:
    found = orthogonal_days(np.ones((1, 50)), np.empty((1, 0, 50)), forward_orders(np.random.default_rng(0).normal(size=(1, 1, 50))))
    assert found.reason[0, 0] == FEW_NAMES


def test_groups_that_explain_the_signal_contain_it() -> None:
    made = Market(15)
    signal = made.groups * 2.0
    found = orthogonal_days(signal, made.base, forward_orders(made.forward), groups=made.groups)
    assert (found.reason == CONTAINED).all()


def test_a_base_that_saturates_the_date_leaves_nothing() -> None:
    rng = np.random.default_rng(16)
    found = orthogonal_days(
        rng.normal(size=(3, 20)), rng.normal(size=(3, 22, 20)), forward_orders(rng.normal(size=(1, 3, 20))), min_names=1
    )
    assert np.isnan(found.ic).all()
    assert (found.reason == FEW_NAMES).all()  # the names are too few, not the base too rich


def test_no_dates_and_no_horizons() -> None:
    made = Market(17)
    empty = orthogonal_days(made.signal[:0], made.base[:0], forward_orders(made.forward[:, :0]))
    assert empty.ic.shape == (2, 0)
    nothing = orthogonal_days(made.signal, made.base, forward_orders(made.forward[:0]), keep_residual=True)
    assert nothing.ic.shape == (0, 12)
    assert nothing.residual is not None
    assert np.isfinite(nothing.residual).any()


def test_inputs_are_untouched() -> None:
    made = Market(18)
    before = [block.copy() for block in (made.signal, made.base, made.forward)]
    orthogonal_days(made.signal, made.base, forward_orders(made.forward), groups=made.groups)
    for block, old in zip((made.signal, made.base, made.forward), before, strict=True):
        np.testing.assert_array_equal(block, old)


@pytest.mark.parametrize("groups", [1, 7])
def test_the_numbers_of_groups_change_no_bit(groups: int) -> None:
    """Other numbers, and numbers that no name of the date has: what codes that start later bring."""
    m = Market(31, groups=groups)
    nothing = np.empty((0, *m.signal.shape))
    number = np.random.default_rng(32).permutation(groups + 9)[:groups].astype(np.int32)
    renamed = np.where(m.groups < 0, np.int32(-1), number[m.groups])
    found = [
        orthogonal_days(m.signal, m.base, forward_orders(nothing), groups=each, keep_residual=True).residual for each in (m.groups, renamed)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].tobytes() == found[1].tobytes()
