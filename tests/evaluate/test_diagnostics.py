"""Quantile curve, persistence of the score, correlation with the base."""

import numpy as np
import pytest

from pureplay.errors import SettingError
from pureplay.evaluate.diagnostics import factor_correlations, quantile_curve, score_autocorrelation
from pureplay.stats.crosssection import rank_correlation
from pureplay.stats.inference import ewc_test


def test_quantile_means_by_hand() -> None:
    score = np.array([[5.0, 1, 4, 2, 3, np.nan], [1.0, 2, 3, 4, 5, 6]])
    forward = np.array([[0.5, 0.1, 0.4, 0.2, 0.3, 9.0], [0.1, 0.1, 0.2, 0.2, 0.6, 0.4]])
    made = quantile_curve(score, forward, quantiles=3)
    # first date: 5 names cut at 0, 1, 3, 5 → {.1} {.2 .3} {.4 .5}; second: {.1 .1} {.2 .2} {.6 .4}
    assert made["quantile"].to_list() == [1, 2, 3]
    np.testing.assert_allclose(made["forward_return"], [(0.1 + 0.1) / 2, (0.25 + 0.2) / 2, (0.45 + 0.5) / 2])
    np.testing.assert_allclose(made["names"], [1.5, 2.0, 2.0])
    first, second = (0.1 + 0.2 + 0.3 + 0.4 + 0.5) / 5, (0.1 + 0.1 + 0.2 + 0.2 + 0.6 + 0.4) / 6
    np.testing.assert_allclose(
        made["excess_return"], [(low - first + high - second) / 2 for low, high in ((0.1, 0.1), (0.25, 0.2), (0.45, 0.5))]
    )


def test_quantiles_are_cut_before_forward_returns_are_joined() -> None:
    rng = np.random.default_rng(0)
    score, forward = rng.normal(size=(2, 30, 100))
    gone = forward.copy()
    gone[score < np.quantile(score, 0.3, axis=1)[:, None]] = np.nan  # the lowest scores never get a return
    whole, less = quantile_curve(score, forward), quantile_curve(score, gone)
    assert whole["names"].to_list() == less["names"].to_list() == [10.0] * 10
    assert less["forward_return"][:3].to_list() == [None] * 3
    np.testing.assert_array_equal(less["forward_return"][3:], whole["forward_return"][3:])


def test_the_error_is_that_of_the_mean_over_dates() -> None:
    rng = np.random.default_rng(1)
    score, forward = rng.normal(size=(2, 60, 40))
    made = quantile_curve(score, forward, quantiles=2)
    low = np.array([row[np.argsort(scores)[:20]].mean() for row, scores in zip(forward, score, strict=True)])
    assert made["se"][0] == pytest.approx(ewc_test(low - forward.mean(axis=1)).se)
    assert made["forward_return"][0] == pytest.approx(low.mean())


def test_dates_with_fewer_names_than_quantiles_are_left_out() -> None:
    score = np.full((2, 12), np.nan)
    score[0, :9], score[1] = 1.0, np.arange(12.0)
    made = quantile_curve(score, np.ones((2, 12)))
    assert made["names"].to_list() == [1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 2.0]
    nothing = quantile_curve(np.full((2, 12), np.nan), np.ones((2, 12)))
    assert nothing["names"].sum() == 0
    assert nothing["forward_return"].is_null().all()
    assert nothing["se"].is_null().all()
    with pytest.raises(SettingError, match="quantiles must be at least 2, not 1"):
        quantile_curve(score, score, quantiles=1)


def test_autocorrelation_of_a_score() -> None:
    rng = np.random.default_rng(2)
    score = rng.normal(size=(30, 50)).cumsum(axis=0)
    made = score_autocorrelation(score, lags=(1, 5, 30))
    for row in made.head(2).iter_rows(named=True):
        lag = row["lag_sessions"]
        assert row["rank_correlation"] == pytest.approx(rank_correlation(score[lag:], score[:-lag])[0].mean())
    assert made["rank_correlation"][0] > made["rank_correlation"][1]
    assert made["rank_correlation"][2] is None


def test_correlation_with_each_factor() -> None:
    rng = np.random.default_rng(3)
    base = rng.normal(size=(10, 3, 40))
    base[:, 2] = 1.0
    made = factor_correlations(-2 * base[:, 0], base, ("a", "b", "c"))
    assert made["factor"].to_list() == ["a", "b", "c"]
    assert made["rank_correlation"][0] == pytest.approx(-1.0)
    assert made["rank_correlation"][1] == pytest.approx(rank_correlation(-base[:, 0], base[:, 1])[0].mean())
    assert made["rank_correlation"][2] is None
