"""Weighted regressions of all dates at once, against statsmodels, skfolio and one least-squares problem a date."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from skfolio.linear_model import CSLinearRegression

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.regression import CrossSection, weighted_fill, weighted_residuals

TOLERANCE = 1e-10  # the bar of the design; both routes are float64 least squares and differ by 1e-13 here


class Sample:
    """A target that loads on three columns and a group, with weights over six orders of size; some entries are missing."""

    def __init__(self, seed: int = 0, dates: int = 6, assets: int = 90, missing: float = 0.05) -> None:
        rng = np.random.default_rng(seed)
        self.columns = rng.normal(size=(dates, 3, assets)) + np.array([0.0, 5.0, -1.0])[:, None]
        self.groups = rng.integers(-1, 5, size=(dates, assets)).astype(np.int32)
        self.target = self.columns.sum(axis=1) + 0.3 * self.groups + rng.normal(size=(dates, assets))
        self.weights = np.exp(3 * rng.normal(size=(dates, assets)))
        self.eligible = rng.random((dates, assets)) < 0.9
        for block, value in (
            (self.target, np.nan),
            (self.weights, np.nan),
            (self.weights, 0.0),
            (self.weights, -1.0),
            (self.target, np.inf),
        ):
            block[rng.random(block.shape) < missing] = value
        self.columns[rng.random(self.columns.shape) < missing / 3] = np.nan

    def fit(self, *, grouped: bool = False) -> CrossSection:
        return weighted_residuals(self.target, self.columns, self.weights, self.eligible, groups=self.groups if grouped else None)

    def fill(self, *, grouped: bool = False) -> FloatArray:
        return weighted_fill(self.target, self.columns, self.weights, self.eligible, self.groups if grouped else None)


def names_of(sample: Sample, t: int, *, grouped: bool) -> BoolArray:
    use = sample.eligible[t] & np.isfinite(sample.target[t]) & np.isfinite(sample.columns[t]).all(axis=0)
    use &= np.isfinite(sample.weights[t]) & (sample.weights[t] > 0)
    return use & (sample.groups[t] >= 0) if grouped else use


def design_of(columns: FloatArray, groups: IndexArray | None) -> FloatArray:
    """Columns, then the intercept or one dummy a group."""
    dummies = np.ones((columns.shape[1], 1)) if groups is None else (groups[:, None] == np.unique(groups)).astype(float)
    return np.concatenate([columns.T, dummies], axis=1)


@pytest.mark.parametrize("grouped", [False, True])
def test_each_date_equals_statsmodels(grouped: bool) -> None:
    sample = Sample()
    found = sample.fit(grouped=grouped)
    for t in range(6):
        use = names_of(sample, t, grouped=grouped)
        target, weights = sample.target[t, use], sample.weights[t, use]
        design = design_of(sample.columns[t][:, use], sample.groups[t, use] if grouped else None)
        fit = sm.WLS(target, design, weights=weights).fit()
        np.testing.assert_allclose(found.residual[t, use], fit.resid, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(found.coefficients[t], fit.params[:3], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(found.r2[t], fit.rsquared, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(found.intercept[t], np.nan if grouped else fit.params[3], rtol=0, atol=TOLERANCE)
        assert found.fitted[t] == use.sum()
        assert np.isnan(found.residual[t, ~use]).all()
    assert not found.dropped.any()


def test_all_dates_equal_skfolio() -> None:
    sample = Sample(1)
    use = np.array([names_of(sample, t, grouped=False) for t in range(6)])
    features = np.where(use[..., None], sample.columns.transpose(0, 2, 1), 0.0)
    target, weights = np.where(use, sample.target, 0.0), np.where(use, sample.weights, 0.0)
    model = CSLinearRegression(fit_intercept=True).fit(features, target, cs_weights=weights)
    wanted = np.where(use, target - model.predict(features), np.nan)
    np.testing.assert_allclose(sample.fit().residual, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["weights", "eligible", "groups", "columns"])
def test_every_argument_matters(name: str) -> None:
    sample, other = Sample(2), Sample(3)
    plain = sample.fit(grouped=True)
    setattr(sample, name, getattr(other, name))
    changed = sample.fit(grouped=True)
    assert not np.array_equal(plain.residual, changed.residual, equal_nan=True)


def test_equal_weights_are_plain_least_squares() -> None:
    sample = Sample(4)
    sample.weights[:] = 7.0
    found = sample.fit()
    for t in range(6):
        use = names_of(sample, t, grouped=False)
        design = design_of(sample.columns[t][:, use], None)
        wanted = np.linalg.lstsq(design, sample.target[t, use], rcond=None)[0]
        np.testing.assert_allclose(found.coefficients[t], wanted[:3], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("grouped", [False, True])
def test_redundant_and_constant_columns_have_coefficient_0(grouped: bool) -> None:
    sample = Sample(5)
    plain = sample.fit(grouped=grouped)
    more = [sample.columns[:, 0] - 2 * sample.columns[:, 2], np.full_like(sample.target, 0.1)]
    more.append(sample.groups * 1.0 if grouped else np.full_like(sample.target, 1e9))
    more[0] = np.where(np.isfinite(more[0]), more[0], 0.0)
    sample.columns = np.concatenate([sample.columns, np.stack(more, axis=1)], axis=1)
    found = sample.fit(grouped=grouped)
    np.testing.assert_array_equal(found.dropped, np.tile([False] * 3 + [True] * 3, (6, 1)))
    np.testing.assert_array_equal(found.coefficients[:, 3:], 0.0)
    np.testing.assert_allclose(found.coefficients[:, :3], plain.coefficients, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.residual, plain.residual, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.intercept, plain.intercept, rtol=0, atol=1e-12)


@pytest.mark.parametrize("level", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1e-11, 1.0, 1e11])
def test_badly_scaled_columns(scale: float, level: float) -> None:
    sample = Sample(6)
    plain = sample.fit()
    sample.columns[:, 1] = scale * (level + sample.columns[:, 1])
    sample.weights *= 1e12  # market values
    found = sample.fit()
    # adding the level rounds the column at 1e-16 of it
    np.testing.assert_allclose(found.residual, plain.residual, rtol=0, atol=1e-16 * level * 100 + 1e-11)
    np.testing.assert_allclose(found.coefficients[:, 1] * scale, plain.coefficients[:, 1], rtol=0, atol=1e-16 * level * 100 + 1e-11)


@pytest.mark.parametrize("groups", [0, 4])
def test_a_date_needs_one_name_more_than_regressors_and_one(groups: int) -> None:
    sample = Sample(7, dates=2, missing=0.0)
    sample.eligible[:] = False
    needed = 3 + max(groups, 1) + 1
    sample.eligible[0, :needed], sample.eligible[1, : needed - 1] = True, True
    sample.groups = (np.arange(90, dtype=np.int32) % max(groups, 1))[None].repeat(2, axis=0)
    found = sample.fit(grouped=groups > 0)
    np.testing.assert_array_equal(found.fitted, [needed, 0])
    assert np.isfinite(found.residual[0]).sum() == needed
    assert np.isfinite(found.r2[0])
    assert np.isnan(found.residual[1]).all()
    assert np.isnan(found.coefficients[1]).all()
    assert np.isnan(found.r2[1])
    assert np.isnan(found.intercept[1])


def test_without_columns_the_residual_is_what_the_mean_leaves() -> None:
    sample = Sample(8)
    sample.columns = sample.columns[:, :0]
    found = sample.fit()
    use = names_of(sample, 0, grouped=False)
    mean = np.average(sample.target[0, use], weights=sample.weights[0, use])
    np.testing.assert_allclose(found.residual[0, use], sample.target[0, use] - mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.intercept[0], mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.r2, 0.0, rtol=0, atol=1e-12)


def test_a_constant_target_has_no_r2() -> None:
    sample = Sample(9, missing=0.0)
    sample.target[:] = 0.1
    found = sample.fit()
    assert np.isnan(found.r2).all()
    np.testing.assert_allclose(found.residual[names_all(sample)], 0.0, rtol=0, atol=1e-15)


def names_all(sample: Sample) -> BoolArray:
    return np.array([names_of(sample, t, grouped=False) for t in range(sample.target.shape[0])])


def test_nothing_later_changes_a_date() -> None:
    sample = Sample(10)
    whole = sample.fit(grouped=True)
    part = weighted_residuals(sample.target[:3], sample.columns[:3], sample.weights[:3], sample.eligible[:3], groups=sample.groups[:3])
    for name in ("residual", "coefficients", "intercept", "r2", "fitted", "dropped"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[:3])


@given(seed=st.integers(0, 100), grouped=st.booleans())
def test_the_residual_of_a_residual_is_itself(seed: int, grouped: bool) -> None:
    sample = Sample(seed, dates=2)
    once = sample.fit(grouped=grouped)
    sample.target = once.residual
    twice = sample.fit(grouped=grouped)
    np.testing.assert_allclose(twice.residual, once.residual, rtol=0, atol=1e-11)
    np.testing.assert_allclose(twice.coefficients, 0.0, rtol=0, atol=1e-11)


# ---------------------------------------------------------------- missing values


@pytest.mark.parametrize("grouped", [False, True])
def test_missing_values_are_what_the_regression_gives(grouped: bool) -> None:
    sample = Sample(11)
    found = sample.fill(grouped=grouped)
    filled = 0
    for t in range(6):
        use = names_of(sample, t, grouped=grouped)
        design = design_of(sample.columns[t][:, use], sample.groups[t, use] if grouped else None)
        root = np.sqrt(sample.weights[t, use])
        solution = np.linalg.lstsq(design * root[:, None], sample.target[t, use] * root, rcond=None)[0]
        effects = dict(zip(np.unique(sample.groups[t, use]) if grouped else [0], solution[3:], strict=True))
        labels = sample.groups[t] if grouped else np.zeros(90, dtype=int)
        overall = np.average([effects[g] for g in labels[use]], weights=sample.weights[t, use])
        for i in range(90):
            if np.isfinite(sample.target[t, i]):
                assert found[t, i] == sample.target[t, i]
            elif sample.eligible[t, i] and np.isfinite(sample.columns[t, :, i]).all():
                wanted = effects.get(labels[i], overall) + solution[:3] @ sample.columns[t, :, i]
                assert found[t, i] == pytest.approx(wanted, abs=TOLERANCE)
                filled += 1
            else:
                assert np.isnan(found[t, i])
    assert filled > 20


def test_a_group_without_a_target_gets_the_mean_effect_of_the_others() -> None:
    sample = Sample(12, missing=0.0)
    sample.target[sample.groups == 4] = np.nan
    found = sample.fill(grouped=True)
    fit = sample.fit(grouped=True)
    for t in range(6):
        use = names_of(sample, t, grouped=True)
        effect = sample.target[t, use] - fit.residual[t, use] - fit.coefficients[t] @ sample.columns[t][:, use]
        overall = np.average(effect, weights=sample.weights[t, use])
        alone = (sample.groups[t] == 4) & sample.eligible[t]
        np.testing.assert_allclose(found[t, alone], overall + fit.coefficients[t] @ sample.columns[t][:, alone], rtol=0, atol=TOLERANCE)
        assert alone.any()
        assert np.isnan(found[t, (sample.groups[t] == 4) & ~sample.eligible[t]]).all()


def test_a_fill_needs_no_weight_and_a_date_without_a_fit_stays() -> None:
    sample = Sample(13, dates=2, missing=0.0)
    sample.target[:, 0], sample.weights[:, 0], sample.eligible[:, 0] = np.nan, np.nan, True
    sample.target[1, 4:] = np.nan
    found = sample.fill()
    assert np.isfinite(found[0, 0])
    np.testing.assert_array_equal(found[1], sample.target[1])


@pytest.mark.parametrize("groups", [1, 7, 28])
def test_the_numbers_of_groups_change_no_bit(groups: int) -> None:
    """Other numbers, and numbers that no name of the date has: what codes that start later bring."""
    sample = Sample(15, dates=20, assets=120)
    rng = np.random.default_rng(16)
    sample.groups = rng.integers(-1, groups, size=sample.target.shape).astype(np.int32)
    fit, filled = sample.fit(grouped=True), sample.fill(grouped=True)
    number = rng.permutation(groups + 9)[:groups].astype(np.int32)
    sample.groups = np.where(sample.groups < 0, np.int32(-1), number[sample.groups])
    again = sample.fit(grouped=True)
    assert fit.residual.tobytes() == again.residual.tobytes()
    assert fit.coefficients.tobytes() == again.coefficients.tobytes()
    assert fit.r2.tobytes() == again.r2.tobytes()
    assert filled.tobytes() == sample.fill(grouped=True).tobytes()


@pytest.mark.parametrize("name", ["weights", "eligible", "groups", "columns"])
def test_blocks_of_other_axes_are_refused(name: str) -> None:
    sample = Sample(14)
    setattr(sample, name, getattr(sample, name)[..., :-1])
    arguments: dict[str, Any] = {"groups": sample.groups}
    with pytest.raises(SettingError, match=rf"{name} cover \(6, 89\) .* the target \(6, 90\)"):
        weighted_residuals(sample.target, sample.columns, sample.weights, sample.eligible, **arguments)
