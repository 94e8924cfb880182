"""Rank IC of many bases at many horizons, against one least-squares problem and one rank correlation for each of them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.noise import noise_order, permutation
from pureplay.stats.orthogonal import CONTAINED, FEW_NAMES, NO_NAMES, OK, forward_orders, orthogonal_days
from pureplay.stats.subset_fits import fit_subsets
from pureplay.stats.subsets import SubsetDays, subset_days

TOLERANCE = 1e-8  # the bar of the design; float64 least squares by two routes differ by 1e-12 here
FROZEN = [5, 2, 9, 11, 4, 1, 0, 8, 6, 7, 3, 10]  # permutation(7, 3, 100, 12)


class Sample:
    """Random blocks: a signal that loads on its base, forward returns of three horizons, the last with other names than the first two."""

    def __init__(self, seed: int = 0, dates: int = 5, assets: int = 140, columns: int = 6, missing: float = 0.03) -> None:
        rng = np.random.default_rng(seed)
        self.base = rng.normal(size=(dates, columns, assets))
        self.signal = 0.5 * self.base.sum(axis=1) + rng.normal(size=(dates, assets))
        self.forward = 0.3 * self.signal + rng.standard_t(3, size=(3, dates, assets))
        self.groups = rng.integers(-1, 5, size=(dates, assets)).astype(np.int32)
        self.signal += 0.4 * self.groups
        self.eligible = rng.random((dates, assets)) < 0.85
        self.base[rng.random(self.base.shape) < missing / columns] = np.nan
        self.signal[rng.random(self.signal.shape) < missing] = np.nan
        self.forward[:, rng.random((dates, assets)) < missing] = np.nan
        self.forward[2, rng.random((dates, assets)) < missing] = np.inf
        self.subsets = rng.random((7, columns)) < 0.5
        self.subsets[0], self.subsets[1] = True, False


def names_of(
    signal: FloatArray, base: FloatArray, groups: IndexArray | None, eligible: BoolArray | None
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    use = np.isfinite(signal) & np.isfinite(base).all(axis=0)
    if eligible is not None:
        use &= eligible
    if groups is not None:
        use &= groups >= 0
    return use


def naive(
    signal: FloatArray, columns: FloatArray, forward: FloatArray, groups: IndexArray | None, min_names: int = 30
) -> tuple[float, int, float, int]:
    """IC, names, share left and rank of one date and base: numpy.linalg.lstsq on columns and dummies, scipy's Spearman."""
    ones = np.ones((signal.size, 1)) if groups is None else (groups[:, None] == np.unique(groups)).astype(float)
    matrix = np.concatenate([columns.T, ones], axis=1)
    length = np.sqrt((matrix**2).sum(axis=0))
    matrix = matrix / np.where(length > 0, length, 1)
    rank = np.linalg.lstsq(matrix, signal, rcond=1e-11)[2]
    residual = signal - matrix @ np.linalg.lstsq(matrix, signal, rcond=1e-11)[0]
    raw = signal - ones @ np.linalg.lstsq(ones, signal, rcond=None)[0]
    known = np.isfinite(forward)
    left = float(residual @ residual / (raw @ raw))
    if known.sum() < max(min_names, 2 * rank):
        return np.nan, int(known.sum()), left, int(rank)
    return float(scipy_stats.spearmanr(residual[known], forward[known]).statistic), int(known.sum()), left, int(rank)


def noise_base(base: FloatArray, seed: int, count: int, date: int) -> FloatArray:
    """The first `count` columns in the order of the seed, each permuted by its own permutation."""
    made = base.copy()
    for c in noise_order(seed, base.shape[0])[:count]:
        made[c] = base[c, permutation(seed, int(c), date, base.shape[1])]
    return made


def check(sample: Sample, *, noise: list[tuple[int, int]] | None = None, **settings: Any) -> SubsetDays:
    """Compare every base, horizon and date with the naive one; returns the kernel's answer."""
    found = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets, noise=noise, **settings)
    groups, eligible = settings.get("groups"), settings.get("eligible")
    for t in range(sample.signal.shape[0]):
        label = None if groups is None else groups[t]
        use = names_of(sample.signal[t], sample.base[t], label, None if eligible is None else eligible[t])
        base = sample.base[t][:, use]
        bases = [base[row] for row in sample.subsets] + [noise_base(base, *row, t) for row in noise or []]
        assert found.fitted[t] == use.sum()
        for b, columns in enumerate(bases):
            for h in range(sample.forward.shape[0]):
                future = sample.forward[h, t, use]
                value, names, left, _ = naive(
                    sample.signal[t, use], columns, future, None if label is None else label[use], settings.get("min_names", 30)
                )
                np.testing.assert_allclose(found.ic[b, h, t], value, rtol=0, atol=TOLERANCE)
                np.testing.assert_allclose(found.left[b, t], left, rtol=0, atol=1e-10)
                assert found.names[h, t] == names
                assert (found.reason[b, h, t] == OK) == np.isfinite(value)
    return found


@pytest.mark.parametrize("names", [(), ("groups",), ("eligible",), ("groups", "eligible")], ids=str)
def test_every_base_equals_least_squares_and_scipy(names: tuple[str, ...]) -> None:
    sample = Sample()
    noise = [(3, 6), (3, 2), (8, 4), (8, 0)]
    found = check(sample, noise=noise, **{name: getattr(sample, name) for name in names})
    assert (found.reason == OK).all()
    plain = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets, noise=noise)
    assert (not names) == np.array_equal(found.ic, plain.ic)  # every argument matters
    np.testing.assert_array_equal(found.ic[10], found.ic[0])  # nothing turned to noise: the whole base


def test_a_base_equals_statsmodels() -> None:
    sample = Sample(1)
    found = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets)
    for t in range(5):
        use = names_of(sample.signal[t], sample.base[t], None, None)
        for b in (0, 2, 3):
            design = sm.add_constant(sample.base[t][sample.subsets[b]][:, use].T)
            fit = sm.OLS(sample.signal[t, use], design).fit()
            known = np.isfinite(sample.forward[0, t, use])
            wanted = scipy_stats.spearmanr(fit.resid[known], sample.forward[0, t, use][known]).statistic
            np.testing.assert_allclose(found.ic[b, 0, t], wanted, rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(found.left[b, t], 1 - fit.rsquared, rtol=0, atol=1e-12)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_whole_base_equals_one_base_by_itself(grouped: bool) -> None:
    sample = Sample(2)
    groups = sample.groups if grouped else None
    forward = forward_orders(sample.forward)
    many = subset_days(sample.signal, sample.base, forward, sample.subsets, groups=groups, eligible=sample.eligible)
    one = orthogonal_days(sample.signal, sample.base, forward, groups=groups, eligible=sample.eligible)
    # both rank residuals that differ by 1e-15, so the ranks are the same unless two residuals are that near
    np.testing.assert_allclose(many.ic[0], one.ic, rtol=0, atol=1e-12)
    np.testing.assert_allclose(many.left[0], one.left, rtol=1e-12)
    np.testing.assert_array_equal(many.names, one.names)
    np.testing.assert_array_equal(many.reason[0], one.reason)
    np.testing.assert_array_equal(many.fitted, one.fitted)


@pytest.mark.parametrize("crowd", [0.0, 1e-9])
def test_ties_and_values_that_crowd_around_two_levels(crowd: float) -> None:
    """Ties in signal and returns; with `crowd`, 400 values so near to each other that their upper bits are the same."""
    sample = Sample(3, dates=3, assets=400)
    rng = np.random.default_rng(0)
    sample.subsets = np.array([[False] * 6, [True] * 6])
    sample.signal = np.where(rng.random((3, 400)) < 0.5, -5.0, 5.0) + crowd * rng.normal(size=(3, 400))
    sample.forward = np.round(sample.forward, 1)
    found = check(sample)
    assert (found.reason == OK).all()


def test_all_bases_use_the_names_with_every_column() -> None:
    sample = Sample(4, missing=0.0)
    sample.base[:, 5, :40] = np.nan
    found = check(sample)
    np.testing.assert_array_equal(found.fitted, 100)
    full = sample.base.copy()
    full[:, 5, :40] = 0.0
    other = subset_days(sample.signal, full, forward_orders(sample.forward), sample.subsets)
    assert (found.ic[1] != other.ic[1]).all()  # the raw signal too, though it has no column


@pytest.mark.parametrize("grouped", [False, True])
def test_redundant_and_constant_columns(grouped: bool) -> None:
    sample = Sample(5, columns=8)
    sample.base[:, 5] = sample.base[:, 0] - 3 * sample.base[:, 2]
    sample.base[:, 6] = 0.1
    sample.base[:, 7] = 1e9 * sample.base[:, 1]
    check(sample, noise=[(0, 3), (0, 8)], **({"groups": sample.groups} if grouped else {}))


@pytest.mark.parametrize("angle", [1e-2, 1e-4])
def test_nearly_collinear_columns_are_solved_as_exactly_as_by_lstsq(angle: float) -> None:
    sample = Sample(6)
    sample.base[:, 3] = sample.base[:, 2] + angle * sample.base[:, 3]
    sample.signal = sample.signal + 5 * sample.base[:, 3] / angle
    sample.subsets[2:, 2:4] = True
    check(sample)


@pytest.mark.parametrize("refined_where", ["a pivot is small", "little is left"])
def test_residuals_are_refined_where_one_solution_is_not_enough(refined_where: str) -> None:
    """Without a second step the product of residual and base is 2e-9 and 6e-9 of their lengths, with it 1e-15."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, 400))
    if refined_where == "a pivot is small":
        rows[3] = rows[2] + 3e-5 * rows[3]
        rows[4] += 10 * (rows[3] - rows[2]) / 3e-5
    else:
        rows[4] = rows[:4].sum(axis=0) + 1e-6 * rows[4]
    rows -= rows.mean(axis=1, keepdims=True)
    residual, left, kept = np.empty((1, 400)), np.empty(1), np.empty(1, dtype=np.int64)
    fit_subsets(rows, 4, rows @ rows.T, np.arange(4)[None], residual, left, kept)
    basis = np.linalg.qr(rows[:4].T)[0]
    wanted = rows[4] - basis @ (basis.T @ rows[4])
    wanted -= basis @ (basis.T @ wanted)
    length = np.sqrt(wanted @ wanted)
    assert kept[0] == 4
    # parts of the signal 1e6 times as long as the residual cancel: 1e-16 · 1e6
    np.testing.assert_allclose(residual[0] / length, wanted / length, rtol=0, atol=1e-9)
    np.testing.assert_allclose(rows[:4] @ residual[0] / length, 0.0, rtol=0, atol=1e-13)


def test_a_base_that_contains_the_signal() -> None:
    sample = Sample(7)
    sample.signal = 2 * sample.base[:, 0] - sample.base[:, 4] + 5
    sample.subsets[2] = [True, False, True, False, True, False]
    sample.subsets[3] = [True, True, True, True, False, True]
    found = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets, noise=[(0, 6)])
    assert (found.reason[[0, 2]] == CONTAINED).all()
    assert (found.reason[[1, 3, 7]] == OK).all()
    assert np.isnan(found.ic[[0, 2]]).all()
    assert (found.left[[0, 2]] < 1e-12).all()


def test_reasons_are_told_apart() -> None:
    sample = Sample(8, missing=0.0)
    sample.signal[0] = np.nan
    sample.forward[:, 1] = np.nan
    sample.forward[:2, 2, 20:] = np.nan
    sample.signal[3] = 0.1
    found = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets)
    np.testing.assert_array_equal(found.reason[0, 0], [NO_NAMES, NO_NAMES, FEW_NAMES, FEW_NAMES, OK])
    np.testing.assert_array_equal(found.reason[0, 2], [NO_NAMES, NO_NAMES, OK, FEW_NAMES, OK])
    np.testing.assert_array_equal(found.names[0], [0, 0, 20, 140, 140])
    np.testing.assert_array_equal(found.fitted, [0, 140, 140, 140, 140])
    np.testing.assert_array_equal(np.isnan(found.left[0]), [True, False, False, True, False])
    assert (np.isfinite(found.ic) == (found.reason == OK)).all()


def test_a_base_needs_twice_its_own_regressors() -> None:
    """30 names: enough for 14 columns and the intercept, not for 15; redundant columns do not count."""
    sample = Sample(9, dates=1, assets=120, columns=20, missing=0.0)
    sample.base[:, 19] = sample.base[:, 0]
    sample.forward[:, :, 30:] = np.nan
    sample.subsets = np.zeros((4, 20), dtype=bool)
    sample.subsets[0, :14], sample.subsets[1, :15], sample.subsets[2, :14], sample.subsets[2, 19] = True, True, True, True
    found = check(sample)
    np.testing.assert_array_equal(found.reason[:, 0, 0], [OK, FEW_NAMES, OK, OK])
    assert (check(sample, min_names=31).reason[:, 0, 0] == FEW_NAMES).all()  # the setting matters


def test_fewer_names_than_factors() -> None:
    sample = Sample(10, dates=2, assets=5)
    found = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets, noise=[(1, 3)], min_names=3)
    assert (found.reason[0] == FEW_NAMES).all()
    assert np.isnan(found.ic[0]).all()


def test_a_base_of_pure_noise_gives_the_raw_ic_back_on_average() -> None:
    differences, levels = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        base = rng.normal(size=(40, 22, 300))
        signal = base.sum(axis=1) / np.sqrt(22) + rng.normal(size=(40, 300))
        forward = forward_orders((0.2 * signal + rng.normal(size=(40, 300)))[None])
        found = subset_days(signal, base, forward, np.zeros((1, 22), dtype=bool), noise=[(seed, 22)])
        differences.append((found.ic[1] - found.ic[0]).mean())
        levels.append(found.ic[0].mean())
        assert found.left[1].mean() == pytest.approx(1 - 22 / 299, abs=0.02)  # sd of the mean of 40 dates about .003
    # the residual keeps √(1 - 22/300) of the raw IC (4 % lower); twenty means of 40 dates have an sd of about .0005, four are allowed
    assert np.mean(differences) == pytest.approx((np.sqrt(1 - 22 / 300) - 1) * np.mean(levels), abs=0.002)


# ---------------------------------------------------------------- permutations


def test_a_permutation_depends_on_seed_column_and_date() -> None:
    plain = permutation(1, 2, 3, 50)
    np.testing.assert_array_equal(np.sort(plain), np.arange(50))
    np.testing.assert_array_equal(plain, permutation(1, 2, 3, 50))
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4), (2, 1, 3), (3, 2, 1), (-1, 2, 3)):
        assert not np.array_equal(plain, permutation(*other, 50))
    assert permutation(0, 0, 0, 0).size == 0
    np.testing.assert_array_equal(permutation(0, 0, 0, 1), [0])


def test_frozen_permutation() -> None:
    """Written down once, so that the noise of a published figure is the same on every machine and in every release."""
    np.testing.assert_array_equal(permutation(7, 3, 100, 12), FROZEN)


def test_the_rule_is_splitmix64_and_fisher_yates() -> None:
    bits = (1 << 64) - 1

    def mix(word: int) -> int:
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & bits
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & bits
        return word ^ (word >> 31)

    for seed, column, date in ((0, 0, 0), (7, 3, 100), (2**40, 21, 2429), (-5, 1, 1)):
        row, state = list(range(40)), mix((mix((mix(seed & bits) + column) & bits) + date) & bits)
        for k in range(39, 0, -1):
            state = (state + 0x9E3779B97F4A7C15) & bits
            j = ((mix(state) >> 32) * (k + 1)) >> 32
            row[k], row[j] = row[j], row[k]
        np.testing.assert_array_equal(permutation(seed, column, date, 40), row)


def test_every_order_is_equally_likely() -> None:
    seen = [tuple(permutation(seed, column, date, 4)) for seed in range(10) for column in range(12) for date in range(20)]
    counts = np.unique([sum(name * 4**k for k, name in enumerate(order)) for order in seen], return_counts=True)[1]
    assert counts.size == 24
    assert scipy_stats.chisquare(counts).pvalue > 0.001  # deterministic: no chance of a failure now and then


def test_columns_turn_to_noise_one_after_another() -> None:
    orders = np.array([noise_order(seed, 22) for seed in range(200)])
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(22), (200, 1)))
    assert abs(orders[:, 0].mean() - 10.5) < 4 * np.sqrt((22**2 - 1) / 12 / 200)  # four standard errors
    assert len({tuple(order) for order in orders}) == 200


# ---------------------------------------------------------------- blocks, workers, the future


def test_a_block_of_dates_has_the_bits_of_the_whole() -> None:
    sample = Sample(11, dates=9)
    forward, noise = forward_orders(sample.forward), [(1, 6), (5, 3)]
    settings: dict[str, Any] = {"noise": noise, "groups": sample.groups, "eligible": sample.eligible}
    whole = subset_days(sample.signal, sample.base, forward, sample.subsets, **settings)
    for first, last in ((0, 4), (4, 9), (3, 3), (8, None)):
        part = subset_days(sample.signal, sample.base, forward, sample.subsets, first=first, last=last, **settings)
        for name in ("ic", "names", "reason", "left", "fitted"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[..., first:last])


def test_nothing_later_changes_a_date() -> None:
    sample = Sample(12, dates=8)
    noise = [(1, 6), (5, 3)]
    whole = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets, noise=noise, groups=sample.groups)
    cut = subset_days(
        sample.signal[:5],
        sample.base[:5],
        forward_orders(sample.forward[:, :5]),
        sample.subsets,
        noise=noise,
        groups=np.minimum(sample.groups[:5], 2),
    )
    same = subset_days(
        sample.signal,
        sample.base,
        forward_orders(sample.forward),
        sample.subsets,
        noise=noise,
        groups=np.where(np.arange(8)[:, None] < 5, np.minimum(sample.groups, 2), sample.groups + 3).astype(np.int32),
    )
    assert not np.array_equal(whole.ic[..., :5], cut.ic)
    np.testing.assert_array_equal(same.ic[..., :5], cut.ic)


def test_one_horizon_or_base_more_leaves_the_others() -> None:
    sample = Sample(13)
    noise = [(1, 6), (5, 3), (1, 2)]
    whole = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets, noise=noise)
    for h in range(3):
        one = subset_days(sample.signal, sample.base, forward_orders(sample.forward[h : h + 1]), sample.subsets, noise=noise)
        np.testing.assert_array_equal(one.ic[:, 0], whole.ic[:, h])
    few = subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets[2:4], noise=noise[::-1])
    # a matrix product of another shape may round another way, which ranks do not see here
    np.testing.assert_allclose(few.ic, whole.ic[[2, 3, 9, 8, 7]], rtol=0, atol=1e-12)


PROGRAM = """
import hashlib
import numpy as np
from pureplay.stats.orthogonal import forward_orders
from pureplay.stats.regression import weighted_residuals
from pureplay.stats.subsets import subset_days

rng = np.random.default_rng(0)
base, signal, future = rng.normal(size=(7, 22, 1500)), rng.normal(size=(7, 1500)), rng.normal(size=(2, 7, 1500))
made = subset_days(signal, base, forward_orders(future), rng.random((9, 22)) < 0.6, noise=[(1, 22), (2, 5)])
fit = weighted_residuals(signal, base, np.exp(rng.normal(size=signal.shape)), signal < 2)
blocks = [made.ic, made.left, fit.residual, fit.coefficients, fit.r2, fit.intercept]
print(hashlib.sha256(b"".join(block.tobytes() for block in blocks)).hexdigest())
"""


def test_one_two_and_three_workers_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    digests = []
    for workers in "123":
        monkeypatch.setenv("PUREPLAY_WORKERS", workers)
        done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=Path.cwd(), capture_output=True, text=True, check=True)
        digests.append(done.stdout.strip())
    assert len(digests[0]) == 64
    assert len(set(digests)) == 1


# ---------------------------------------------------------------- properties and edges


@given(seed=st.integers(0, 30), scale=st.sampled_from([0.01, 7.0, 1e6]), shift=st.sampled_from([0.0, -3.0]))
def test_ic_sees_neither_scale_nor_shift_nor_what_the_base_explains(seed: int, scale: float, shift: float) -> None:
    sample = Sample(seed, dates=2, missing=0.0)
    sample.subsets[:, 1] = True
    forward = forward_orders(sample.forward)
    plain = subset_days(sample.signal, sample.base, forward, sample.subsets)
    changed = subset_days(scale * sample.signal + shift + 2 * scale * sample.base[:, 1], sample.base, forward, sample.subsets)
    # rounding may swap two neighbours among 140 ranks: 12 · 140 / 140³ = 6e-4 at most, in practice nothing
    np.testing.assert_allclose(changed.ic, plain.ic, rtol=0, atol=4e-6)


@given(seed=st.integers(0, 30))
def test_the_base_leaves_all_of_a_residual(seed: int) -> None:
    sample = Sample(seed, dates=2)
    forward = forward_orders(sample.forward)
    once = orthogonal_days(sample.signal, sample.base, forward, keep_residual=True)
    assert once.residual is not None
    twice = subset_days(once.residual, sample.base, forward, sample.subsets)
    np.testing.assert_allclose(twice.left, 1.0, rtol=1e-12)  # every subset, the raw signal and the whole base alike
    np.testing.assert_allclose(twice.ic, np.broadcast_to(once.ic, twice.ic.shape), rtol=0, atol=1e-12)


def test_inputs_stay_as_they_are() -> None:
    sample = Sample(14)
    before = sample.base.copy(), sample.signal.copy()
    subset_days(sample.signal, sample.base, forward_orders(sample.forward), sample.subsets, noise=[(1, 6)], groups=sample.groups)
    np.testing.assert_array_equal(sample.base, before[0])
    np.testing.assert_array_equal(sample.signal, before[1])


def test_no_columns_no_bases_no_dates() -> None:
    sample = Sample(15)
    forward = forward_orders(sample.forward)
    empty = subset_days(sample.signal, sample.base[:, :0], forward, np.zeros((1, 0), dtype=bool))
    np.testing.assert_allclose(empty.ic[0], orthogonal_days(sample.signal, sample.base[:, :0], forward).ic, rtol=0, atol=1e-12)
    noise = subset_days(sample.signal, sample.base, forward, sample.subsets[:0], noise=[(1, 6)])
    np.testing.assert_allclose(
        noise.ic[0], subset_days(sample.signal, sample.base, forward, sample.subsets, noise=[(1, 6)]).ic[7], rtol=0, atol=1e-12
    )
    assert subset_days(sample.signal, sample.base, forward, sample.subsets[:0]).ic.shape == (0, 3, 5)
    assert subset_days(sample.signal, sample.base, forward, sample.subsets, first=2, last=2).ic.shape == (7, 3, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"subsets": np.ones((2, 5), dtype=bool)}, r"shape \(2, 5\): give booleans \(bases, 6\)"),
        ({"subsets": np.ones((2, 6))}, "subsets are float64"),
        ({"noise": [(1, 7)]}, "asks for 7 of 6 columns in 1 rows"),
        ({"noise": [(1, -1)]}, "asks for -1 of 6"),
        ({"noise": [1, 2]}, "rows of"),
        ({"first": 3, "last": 2}, r"sessions \[3, 2\) are not within \[0, 5\)"),
        ({"last": 6}, r"sessions \[0, 6\)"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    sample = Sample(16)
    with pytest.raises(SettingError, match=message):
        subset_days(sample.signal, sample.base, forward_orders(sample.forward), **{"subsets": sample.subsets, **settings})
