"""Cross-sectional kernels against ten-line numpy, scipy and their own symmetries."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.crosssection import MAD_TO_SD, average_ranks, rank_correlation, robust_zscore, sort_finite, workspace


def naive_zscore(row: FloatArray, eligible: BoolArray, mads: float | None) -> FloatArray:
    """METHODS §3: winsorise at median ± mads·1.4826·MAD, then subtract the mean and divide by the population sd."""
    out = np.full(row.size, np.nan)
    use = eligible & np.isfinite(row)
    base = row[use]
    if base.size == 0 or base.min() == base.max():
        return out
    if mads is not None:
        middle = np.median(base)
        spread = np.median(np.abs(base - middle))
        if spread > 0:
            base = np.clip(base, middle - mads * MAD_TO_SD * spread, middle + mads * MAD_TO_SD * spread)
    sd = base.std()
    if sd > 0:
        out[use] = (base - base.mean()) / sd
    return out


def zscore(row: FloatArray, eligible: BoolArray | None = None, mads: float | None = 3.0) -> FloatArray:
    """One row through the kernel."""
    who = np.ones(row.size, dtype=bool) if eligible is None else eligible
    return robust_zscore(row[None], who[None], winsorise_mads=mads)[0]


def heavy(rng: np.random.Generator, shape: tuple[int, ...], *, missing: float = 0.1) -> FloatArray:
    """Heavy-tailed numbers with NaN and both infinities among them."""
    values = rng.standard_t(2, size=shape)
    values[rng.random(shape) < missing] = np.nan
    values[rng.random(shape) < 0.01] = np.inf
    values[rng.random(shape) < 0.01] = -np.inf
    return values


# ---------------------------------------------------------------- z-score


@pytest.mark.parametrize("mads", [None, 0.5, 3.0, 5.0])
@pytest.mark.parametrize("assets", [2, 3, 10, 11, 300])
def test_zscore_equals_the_naive_one(mads: float | None, assets: int) -> None:
    rng = np.random.default_rng(assets)
    values = heavy(rng, (40, assets))
    values[:10] = np.round(values[:10])  # ties, and medians that are entries
    eligible = rng.random(values.shape) < 0.8
    wanted = np.stack([naive_zscore(row, who, mads) for row, who in zip(values, eligible, strict=True)])
    # sums in another order: a few units of the last place
    np.testing.assert_allclose(robust_zscore(values, eligible, winsorise_mads=mads), wanted, rtol=1e-12, atol=1e-12)


def test_zscore_by_hand() -> None:
    # median 3, MAD 1, so 3 ± 3·1.4826 clips 100 to 7.4478
    clipped = np.array([1.0, 2.0, 3.0, 4.0, 3 + 3 * 1.4826])
    wanted = (clipped - clipped.mean()) / clipped.std()
    np.testing.assert_allclose(zscore(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), wanted, rtol=1e-14)
    plain = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    np.testing.assert_allclose(zscore(plain, mads=None), (plain - 22) / plain.std(), rtol=1e-14)


def test_winsorising_matters() -> None:
    row = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    assert len({tuple(zscore(row, mads=mads)) for mads in (None, 1.0, 3.0)}) == 3


def test_a_mad_of_zero_clips_nothing() -> None:
    row = np.array([5.0] * 6 + [1.0, 2.0, 1000.0])
    np.testing.assert_allclose(zscore(row), (row - row.mean()) / row.std(), rtol=1e-13)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, -7.7, 1e-3, 1e5 + 0.1, 1e300, 5e-324])
@pytest.mark.parametrize("assets", [1, 2, 999, 5500])
@pytest.mark.parametrize("mads", [None, 3.0])
def test_a_constant_has_no_zscore_however_many_names(value: float, assets: int, mads: float | None) -> None:
    assert np.isnan(zscore(np.full(assets, value), mads=mads)).all()


def test_rounding_of_a_constant_is_no_variation() -> None:
    row = np.where(np.arange(4000) % 2, 0.3, 0.1 + 0.2)
    assert np.isnan(zscore(row, mads=None)).all()


def test_small_variation_on_a_large_level_is_variation() -> None:
    row = 1e6 + np.random.default_rng(0).normal(size=3000)
    # the spread is 1e-6 of the level, so ten digits of it are left
    np.testing.assert_allclose(zscore(row, mads=None), (row - row.mean()) / row.std(), atol=1e-9)


def test_no_one_and_one_name() -> None:
    row = np.array([1.0, 2.0, 3.0])
    assert np.isnan(zscore(row, np.zeros(3, dtype=bool))).all()
    assert np.isnan(zscore(row, np.array([False, True, False]))).all()
    assert robust_zscore(np.empty((0, 4)), np.empty((0, 4), dtype=bool), winsorise_mads=3.0).shape == (0, 4)
    assert robust_zscore(np.empty((2, 0)), np.empty((2, 0), dtype=bool), winsorise_mads=3.0).shape == (2, 0)


def test_the_input_is_untouched() -> None:
    values = heavy(np.random.default_rng(1), (5, 50))
    eligible, before = np.ones(values.shape, dtype=bool), values.copy()
    robust_zscore(values, eligible, winsorise_mads=1.0)
    np.testing.assert_array_equal(values, before)


ROWS = hnp.arrays(np.float64, st.integers(3, 60), elements=st.integers(-1000, 1000).map(lambda k: k / 8))


@given(row=ROWS, factor=st.sampled_from([1 / 1024, 0.1, 3.0, 4096.0]), shift=st.sampled_from([0.0, -1000.0, 0.7, 4096.0]))
def test_zscore_does_not_see_scale_and_shift(row: FloatArray, factor: float, shift: float) -> None:
    # |shift| / sd reaches 4096 / 0.01, so 1e-16 grows to about 1e-9
    np.testing.assert_allclose(zscore(factor * row + shift), zscore(row), atol=1e-8)


@given(row=ROWS, seed=st.integers(0, 2**16))
def test_zscore_follows_a_permutation(row: FloatArray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(row.size)
    np.testing.assert_allclose(zscore(row[order]), zscore(row)[order], atol=1e-10)


@given(row=ROWS, stranger=st.floats(allow_nan=True, allow_infinity=True), at=st.integers(0, 60))
def test_an_ineligible_asset_changes_nothing(row: FloatArray, stranger: float, at: int) -> None:
    place = min(at, row.size)
    wider, who = np.insert(row, place, stranger), np.insert(np.ones(row.size, dtype=bool), place, False)
    found = zscore(wider, who)
    assert np.isnan(found[place])
    np.testing.assert_array_equal(np.delete(found, place), zscore(row))


# ---------------------------------------------------------------- sorting

ADVERSARIAL: dict[str, FloatArray] = {
    "empty": np.array([]),
    "nothing finite": np.array([np.nan, np.inf, -np.inf]),
    "one": np.array([3.0]),
    "zeros of both signs": np.array([0.0, -0.0, 0.0, -0.0, 1.0, -1.0]),
    "denormals": np.array([5e-324, -5e-324, 0.0, -0.0, 1e-310, -1e-310, 1e-45, -1e-45, 2e-45]),
    "huge": np.array([1e300, -1e300, 1e308, -1e308, 3.4e38, 3.5e38, -3.5e38, 1.0, np.inf, np.nan]),
    "all equal": np.full(100, 2.5),
    "all equal and negative": np.full(100, -2.5),
    "equal in float32, more than the small group": 1 + np.random.default_rng(0).permutation(500) * 1e-12,
    "equal in float32, the small group": 1 + np.random.default_rng(0).permutation(20) * 1e-12,
    "equal in float32 and negative": -1 - np.random.default_rng(1).permutation(500) * 1e-12,
    "beyond float32": np.random.default_rng(2).permutation(np.r_[np.linspace(1e300, 2e300, 60), -np.linspace(1e300, 2e300, 60)]),
    "below float32": np.random.default_rng(3).permutation(np.r_[np.linspace(1e-310, 2e-310, 60), -np.linspace(1e-310, 2e-310, 60)]),
    "negative": -np.random.default_rng(4).random(1000),
    "mixed": np.random.default_rng(5).standard_cauchy(5000),
    "ties": np.random.default_rng(6).integers(-3, 4, 1000).astype(float),
}


def sorted_indices(values: FloatArray) -> NDArray[np.int32]:
    """Indices that the kernel gives; the rest of its buffer must stay untouched."""
    order = np.full(values.size, -7, dtype=np.int32)
    n = sort_finite(values, order, workspace(values.size))
    assert (order[n:] == -7).all()
    return order[:n]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_sorting_is_ascending_and_complete(name: str) -> None:
    values = ADVERSARIAL[name]
    order = sorted_indices(values)
    np.testing.assert_array_equal(np.sort(order), np.flatnonzero(np.isfinite(values)))
    np.testing.assert_array_equal(values[order], np.sort(values[np.isfinite(values)]))


@given(hnp.arrays(np.float64, st.integers(0, 200), elements=st.floats(width=64)))
@example(np.array([1.0, np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0)]))
def test_sorting_any_floats(values: FloatArray) -> None:
    order = sorted_indices(values)
    np.testing.assert_array_equal(np.sort(order), np.flatnonzero(np.isfinite(values)))
    np.testing.assert_array_equal(values[order], np.sort(values[np.isfinite(values)]))


# ---------------------------------------------------------------- ranks


@pytest.mark.parametrize("name", [name for name, values in ADVERSARIAL.items() if np.isfinite(values).any()])
def test_average_ranks_equal_scipy(name: str) -> None:
    values = ADVERSARIAL[name]
    rng = np.random.default_rng(0)
    for keep in (np.isfinite(values), np.isfinite(values) & (rng.random(values.size) < 0.6)):
        order, ranks = np.zeros(values.size, dtype=np.int32), np.full(values.size, np.nan)
        n = sort_finite(values, order, workspace(values.size))
        assert average_ranks(values, order, n, keep, ranks) == keep.sum()
        np.testing.assert_array_equal(ranks[keep], scipy_stats.rankdata(values[keep]))
        assert np.isnan(ranks[~keep]).all()


def test_rank_correlation_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    x, y = heavy(rng, (60, 200)), heavy(rng, (60, 200))
    y += 0.3 * np.nan_to_num(x, posinf=0, neginf=0)
    x[:20], y[10:30] = np.round(x[:20]), np.sign(y[10:30])  # ties on one side or both
    found, names = rank_correlation(x, y)
    for t in range(60):
        both = np.isfinite(x[t]) & np.isfinite(y[t])
        assert names[t] == both.sum()
        # scipy correlates ranks through another formula of the same sums
        assert found[t] == pytest.approx(scipy_stats.spearmanr(x[t, both], y[t, both]).statistic, abs=1e-13)


def test_rank_correlation_without_an_answer() -> None:
    nan = np.nan
    x = np.array([[1.0, 2, 3], [1, nan, nan], [nan, nan, nan], [1, 1, 1], [1, 2, nan], [1, 2, 3]])
    y = np.array([[1.0, 2, 4], [1, 2, 3], [1, 2, 3], [1, 2, 3], [nan, nan, 1], [0.0, -0.0, 0.0]])
    found, names = rank_correlation(x, y)
    np.testing.assert_array_equal(found, [1.0, nan, nan, nan, nan, nan])
    np.testing.assert_array_equal(names, [3, 1, 0, 3, 0, 3])


@given(row=ROWS, factor=st.sampled_from([0.1, 3.0, 1e6]), shift=st.sampled_from([0.0, -5.0, 1e6]), seed=st.integers(0, 99))
def test_rank_correlation_sees_order_only(row: FloatArray, factor: float, shift: float, seed: int) -> None:
    other = np.random.default_rng(seed).normal(size=row.size)
    plain = rank_correlation(row[None], other[None])[0][0]
    for changed in (factor * row + shift, np.cbrt(row), np.exp(row / 200)):
        np.testing.assert_equal(rank_correlation(changed[None], other[None])[0][0], plain)
    np.testing.assert_allclose(rank_correlation(-row[None], other[None])[0][0], -plain, atol=1e-15)
