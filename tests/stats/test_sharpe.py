"""Sharpe ratios, their deflation and track record lengths against the published examples and re-derivations."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.stats.sharpe import (
    deflated_from_moments,
    deflated_sharpe,
    expected_max_sharpe,
    min_track_record,
    probabilistic_sharpe,
    sharpe_ratio,
    sharpe_se,
    years_to_decide,
)


def fat(seed: int, n: int = 60) -> np.ndarray:
    return 0.01 + 0.05 * np.random.default_rng(seed).standard_t(5, size=n)


# ---------------------------------------------------------------- published


def test_the_worked_example_of_the_deflated_sharpe_ratio() -> None:
    """Bailey & López de Prado 2014: annualised 2.5 over five years of 250 days, 100 trials with annualised variance 1/2."""
    found = deflated_from_moments(2.5 / math.sqrt(250), 1250, skew=-3.0, kurtosis=10.0, trials=100, trial_sd=math.sqrt(0.5 / 250))
    assert found.threshold == pytest.approx(0.1132, abs=5e-5)  # as printed
    assert found.probability == pytest.approx(0.9004, abs=5e-5)
    fewer = deflated_from_moments(2.5 / math.sqrt(250), 1250, skew=-3.0, kurtosis=10.0, trials=46, trial_sd=math.sqrt(0.5 / 250))
    assert fewer.probability == pytest.approx(0.9505, abs=5e-5)  # the paper: 46 trials would have passed


def test_the_worked_example_of_the_probabilistic_sharpe_ratio() -> None:
    """Bailey & López de Prado 2012: 24 months at 0.458 a month pass at 0.982 if normal, at 0.913 with their skew and kurtosis."""
    normal, skewed = sharpe_se(0.458, 24, skew=0.0, kurtosis=3.0), sharpe_se(0.458, 24, skew=-2.448, kurtosis=10.164)
    assert scipy_stats.norm.cdf(0.458 / normal) == pytest.approx(0.982, abs=5e-4)
    assert scipy_stats.norm.cdf(0.458 / skewed) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("per_year", "skew", "kurtosis", "years"), [(250, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)]
)
def test_the_published_track_record_lengths(per_year: int, skew: float, kurtosis: float, years: float) -> None:
    """Bailey & López de Prado 2012: years until an annualised 2 exceeds 1 at 95 %, daily, weekly, monthly, and monthly hedge funds."""
    each = math.sqrt(per_year)
    periods = min_track_record(2 / each, benchmark=1 / each, skew=skew, kurtosis=kurtosis)
    assert periods / per_year == pytest.approx(years, abs=0.006)  # printed to two digits


# ---------------------------------------------------------------- re-derived


def test_the_probability_equals_a_plain_derivation() -> None:
    x = fat(1)
    n, mean = x.size, sum(x) / x.size
    sd = math.sqrt(sum((v - mean) ** 2 for v in x) / (n - 1))
    sharpe = mean / sd
    skew, kurtosis = scipy_stats.skew(x), scipy_stats.kurtosis(x, fisher=False)
    for benchmark in (0.0, 0.1):
        z = (sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2)
        assert probabilistic_sharpe(x, benchmark) == pytest.approx(scipy_stats.norm.cdf(z), rel=1e-12)
    assert sharpe_ratio(x) == pytest.approx(sharpe, rel=1e-12)
    one = deflated_sharpe(x, trials=1)
    assert one.threshold == 0.0
    assert one.probability == pytest.approx(probabilistic_sharpe(x), rel=1e-12)
    assert (one.n, one.trials) == (60, 1)
    assert (one.skew, one.kurtosis) == (pytest.approx(skew), pytest.approx(kurtosis))


def test_missing_returns_are_left_out() -> None:
    x = fat(2)
    assert deflated_sharpe(np.insert(x, [0, 5], np.nan), trials=5) == deflated_sharpe(x, trials=5)


@pytest.mark.parametrize("trials", [10, 100, 1000])
def test_the_expected_best_is_that_of_a_simulation(trials: int) -> None:
    draws = np.random.default_rng(trials).normal(scale=0.3, size=(4000, trials)).max(axis=1)
    # the formula is an asymptotic one: within 2 % from ten trials on; error of the simulation below 0.01 × 0.3
    assert expected_max_sharpe(0.3, trials) == pytest.approx(draws.mean(), rel=0.025)


def test_trials_and_their_spread_matter_and_the_spread_has_a_default() -> None:
    x = fat(3)
    chances = [deflated_sharpe(x, trials=trials).probability for trials in (1, 2, 10, 1000)]
    assert chances == sorted(chances, reverse=True)
    assert len(set(chances)) == 4
    assert deflated_sharpe(x, trials=10).trial_sd == pytest.approx(1 / math.sqrt(59))
    assert deflated_sharpe(x, trials=10, trial_sd=0.5).probability < deflated_sharpe(x, trials=10, trial_sd=0.1).probability


def test_the_default_spread_is_that_of_worthless_trials() -> None:
    x = np.random.default_rng(4).normal(size=(4000, 60))
    sharpes = x.mean(axis=1) / x.std(axis=1, ddof=1)
    # sd of t(59) / √60 over 4000 draws is known to 1.1 %; 1/√59 is its approximation to 2 %
    assert sharpes.std() == pytest.approx(1 / math.sqrt(59), rel=0.05)


def test_track_record_and_probability_agree() -> None:
    """At its minimum length a record has just the confidence asked for."""
    for confidence in (0.9, 0.95):
        n = min_track_record(0.3, skew=-0.5, kurtosis=5.0, benchmark=0.1, confidence=confidence)
        se = sharpe_se(0.3, 2, skew=-0.5, kurtosis=5.0) / math.sqrt(n - 1)
        assert scipy_stats.norm.cdf(0.2 / se) == pytest.approx(confidence, rel=1e-12)
    assert min_track_record(0.1, benchmark=0.1) == math.inf


def test_years_to_decide() -> None:
    assert years_to_decide(1.153, 5.0) == pytest.approx(15.0)  # half of the critical value: four times the years
    assert years_to_decide(3.0, 5.0) == 0.0
    assert years_to_decide(0.0, 5.0) == years_to_decide(-1.0, 5.0) == math.inf
    assert math.isnan(years_to_decide(math.nan, 5.0))
    assert years_to_decide(1.0, 4.0, critical=2.0) == pytest.approx(12.0)
    assert years_to_decide(1.0, 4.0, critical=2.0, power=0.5) == pytest.approx(12.0)
    assert years_to_decide(1.0, 4.0, critical=2.0, power=0.8) == pytest.approx(4 * (2 + scipy_stats.norm.ppf(0.8)) ** 2 - 4)
    assert scipy_stats.t.isf(0.025, 8) == pytest.approx(2.306, abs=5e-4)  # the default


def test_half_of_all_futures_pass_after_the_years_to_decide() -> None:
    rng, years = np.random.default_rng(5), 4
    needed = years + years_to_decide(1.0, years, critical=2.0)  # 16
    t = (1.0 / math.sqrt(years) * needed + rng.normal(scale=math.sqrt(needed), size=4000)) / math.sqrt(needed)
    assert np.mean(t > 2.0) == pytest.approx(0.5, abs=0.04)  # five binomial sd
    more = years + years_to_decide(1.0, years, critical=2.0, power=0.9)
    t = (1.0 / math.sqrt(years) * more + rng.normal(scale=math.sqrt(more), size=4000)) / math.sqrt(more)
    assert np.mean(t > 2.0) == pytest.approx(0.9, abs=0.025)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("x", [np.empty(0), np.full(9, np.nan), np.array([0.1, 0.2, 0.1])], ids=["none", "unknown", "few"])
def test_too_few_returns_are_refused(x: np.ndarray) -> None:
    with pytest.raises(InsufficientDataError, match=r"returns are known, 4 are required"):
        deflated_sharpe(x, trials=3)


def test_returns_that_do_not_vary_have_no_sharpe_ratio() -> None:
    assert math.isnan(sharpe_ratio(np.full(10, 0.1)))
    assert math.isnan(sharpe_ratio(np.array([0.1])))
    noise = np.random.default_rng(4).choice([-1.0, 0.0, 1.0], 100) * 1e-15
    assert math.isnan(sharpe_ratio(0.1 * (1 + noise)))
    assert sharpe_ratio(0.1 * (1 + 1e6 * noise)) > 1e8  # small, but more than rounding
    with pytest.raises(InsufficientDataError, match="100 returns are known, which do not vary"):
        probabilistic_sharpe(0.1 * (1 + noise))
    with pytest.raises(InsufficientDataError, match="10 returns are known, which do not vary"):
        probabilistic_sharpe(np.full(10, 0.1))


@pytest.mark.parametrize("trials", [0, -1, 1.5, True, math.nan])
def test_trials_are_counted(trials: float) -> None:
    with pytest.raises(SettingError, match="trials must be a whole number of at least 1"):
        deflated_sharpe(fat(6), trials=trials)  # type: ignore[arg-type]


def test_bad_settings_are_refused() -> None:
    for spread in (-0.1, math.nan, math.inf):
        with pytest.raises(SettingError, match="the spread of the trials"):
            expected_max_sharpe(spread, 10)
    with pytest.raises(SettingError, match=r"kurtosis must be at least skew² \+ 1 = 10"):
        sharpe_se(0.1, 60, skew=-3.0, kurtosis=0.0)
    with pytest.raises(SettingError, match="n must be at least 2, not 1"):
        sharpe_se(0.1, 1, skew=0.0, kurtosis=3.0)
    with pytest.raises(SettingError, match="confidence must lie between 0 and 1, not 95"):
        min_track_record(0.1, confidence=95)
    with pytest.raises(SettingError, match="power must lie between 0 and 1"):
        years_to_decide(1.0, 5.0, power=1.0)
    with pytest.raises(SettingError, match="years must be above 0"):
        years_to_decide(1.0, 0.0)
    with pytest.raises(SettingError, match="critical must be above 0"):
        years_to_decide(1.0, 1.0, critical=-1.0)
    with pytest.raises(SettingError, match="returns must be one series of numbers, not an array of 2"):
        sharpe_ratio(np.ones((3, 2)))
