"""Simulated ICIRs: the tapered autocovariance against a plain loop, and the simulated series against it."""

import numpy as np
import pytest
from scipy.signal import lfilter

from pureplay.parallel import workers
from pureplay.stats.simulated import long_run_df, simulated_icirs, tapered_autocovariance


def persistent(seed: int, length: int, carry: float = 0.8) -> np.ndarray:
    return lfilter([1.0], [1.0, -carry], np.random.default_rng(seed).normal(size=length + 100))[100:]


def naive(series: np.ndarray, reach: int) -> tuple[np.ndarray, float]:
    """Tapered autocovariances and degrees of freedom, pair by pair; the bias of the mean solved by iteration."""
    x = series - np.nanmean(series)
    n = np.isfinite(x).sum()
    raw, weight, pairs = np.zeros(reach), np.zeros(reach), np.zeros(reach)
    for k in range(reach):
        products = [x[t] * x[t + k] for t in range(x.size - k) if np.isfinite(x[t] * x[t + k])]
        pairs[k] = len(products)
        if products:
            raw[k] = np.mean(products)
            weight[k] = 1.0 if k <= reach / 2 else (reach - k) / (reach / 2)
    two = np.array([1.0] + [2.0] * (reach - 1))
    bias = 0.0
    for _ in range(500):
        bias = max(sum(two * weight * pairs * (raw + bias)) / n**2, 0.0)
    return weight * (raw + bias), n / sum(two * weight**2)


@pytest.mark.parametrize("gaps", ["none", "some", "one in five"])
def test_the_autocovariance_equals_a_plain_loop(gaps: str) -> None:
    series = persistent(1, 200) + 3.0
    if gaps == "some":
        series[np.random.default_rng(2).random(200) < 0.3] = np.nan
    elif gaps == "one in five":
        series[np.arange(200) % 5 != 0] = np.nan
    wanted, df = naive(series, 20)
    np.testing.assert_allclose(tapered_autocovariance(series, reach=20), wanted, rtol=1e-9, atol=1e-12)
    assert long_run_df(series, reach=20) == pytest.approx(df, rel=1e-12)


def test_the_long_run_variance_is_right_on_average() -> None:
    """AR(1) at 0.8: 25. Without the correction of the mean it would be 12 % short at 240 entries."""
    found = []
    for seed in range(400):
        covariance = tapered_autocovariance(persistent([3, seed], 240), reach=40)
        found.append(covariance[0] + 2 * covariance[1:].sum())
    # the sd of one is √(2 / 4.4) = 67 %, of the mean of 400 then 3.4 %; the window leaves 1 % out
    assert np.mean(found) == pytest.approx(25.0, rel=0.09)
    assert np.std(found) / np.mean(found) == pytest.approx(np.sqrt(2 / long_run_df(np.ones(240), reach=40)), rel=0.25)


def test_draws_have_the_autocovariance_of_the_series() -> None:
    """Groups of one block of 50: the variance of the mean of a block, over its mean square, as the autocovariance says."""
    series = persistent(4, 2000)
    covariance = tapered_autocovariance(series, reach=20)
    group = np.arange(2000, dtype=np.int64) // 50
    icirs = simulated_icirs(series, group, 40, reach=20, draws=300, fewest=3, rng=np.random.default_rng(5))
    lags = np.abs(np.subtract.outer(np.arange(50), np.arange(50)))
    full = np.append(covariance, np.zeros(50))[lags]
    of_mean = full.mean()
    inside = (np.trace(full) - 50 * of_mean) / 49  # expected variance within a block
    # a ratio of a mean to an sd: right to a few per cent for blocks of 50
    assert icirs.std() == pytest.approx(np.sqrt(of_mean / inside), rel=0.08)
    assert abs(icirs.mean()) < 0.03


def test_missing_dates_stay_missing_and_few_give_nothing() -> None:
    series = persistent(6, 200)
    series[np.arange(200) % 4 == 1] = np.nan
    series[::4][2:] = np.nan  # group 0 keeps two
    group = np.arange(200, dtype=np.int64) % 4
    icirs = simulated_icirs(series, group, 4, reach=10, draws=5, fewest=3, rng=np.random.default_rng(7))
    assert np.isnan(icirs[:2]).all()
    assert np.isfinite(icirs[2:]).all()
    assert np.isfinite(simulated_icirs(series, group, 4, reach=10, draws=5, fewest=2, rng=np.random.default_rng(7))[0]).all()


def test_workers_and_batches_leave_the_bits_alone_and_reach_matters() -> None:
    shocks = np.random.default_rng(8).normal(size=1219)
    series, group = np.convolve(shocks, np.ones(20), "valid"), np.arange(1200, dtype=np.int64) % 20
    made = []
    for count in (1, 2, 5):
        with workers(count):
            made.append(simulated_icirs(series, group, 20, reach=40, draws=230, fewest=3, rng=np.random.default_rng(9)))
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])
    first = simulated_icirs(series, group, 20, reach=40, draws=100, fewest=3, rng=np.random.default_rng(9))
    np.testing.assert_array_equal(made[0][:, :100], first)
    short = simulated_icirs(series, group, 20, reach=4, draws=230, fewest=3, rng=np.random.default_rng(9))
    assert short.mean(axis=0).std() < 0.8 * made[0].mean(axis=0).std()
