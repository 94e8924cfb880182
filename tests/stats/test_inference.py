"""Tests of a mean, the stationary bootstrap and the null of the multi-offset ICIR: re-derived, and judged by simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats as scipy_stats
from scipy.signal import lfilter

from pureplay.errors import SettingError
from pureplay.panel import FloatArray
from pureplay.stats import inference
from pureplay.stats.bootstrap import block_starts, drawn_icirs
from pureplay.stats.inference import FEWEST_ON_GRID, ewc_test, newey_west_t, offset_null, stationary_indices
from pureplay.stats.simulated import simulated_icirs

HORIZON = GRID = 20
PUBLIC = {
    *("FEWEST_ON_GRID", "MeanTest", "ewc_test", "newey_west_t"),
    *("OffsetNull", "offset_null", "IcirInterval", "automatic_block", "icir_interval", "offset_interval", "stationary_indices"),
    *("DeflatedSharpe", "deflated_from_moments", "deflated_sharpe", "expected_max_sharpe", "probabilistic_sharpe", "sharpe_ratio"),
    *("min_track_record", "sharpe_se", "years_to_decide"),
    *("SPAResult", "Stepwise", "stepwise_superior", "superior_predictive_ability"),
    *("Overfitting", "overfitting_probability", "purged_splits"),
}


def overlapping(rng: np.random.Generator, draws: int, length: int) -> FloatArray:
    """Moving sums of 20 shocks: what overlapping windows make of a mean of 0."""
    return sums(rng.normal(size=(draws, length + HORIZON - 1)))


def sums(values: FloatArray) -> FloatArray:
    """Sums of 20 neighbours along the last axis."""
    total = np.cumsum(np.concatenate([np.zeros((*values.shape[:-1], 1)), values], axis=-1), axis=-1)
    return total[..., HORIZON:] - total[..., :-HORIZON]


def autoregressive(rng: np.random.Generator, draws: int, length: int) -> FloatArray:
    """AR(1) at 0.9."""
    return lfilter([1.0], [1.0, -0.9], rng.normal(size=(draws, length + 200)), axis=1)[:, 200:]


def binomial_band(level: float, draws: int) -> tuple[float, float]:
    """Shares within which a true `level` falls in 99.9 % of simulations."""
    low, high = scipy_stats.binom.interval(0.999, draws, level)
    return low / draws, high / draws


def test_everything_of_the_page_can_be_imported_from_here() -> None:
    """docs/inference.md: the public names, each of which is there."""
    assert set(inference.__all__) == PUBLIC
    assert all(getattr(inference, name).__doc__ or name.isupper() for name in PUBLIC)


# ---------------------------------------------------------------- EWC


@pytest.mark.parametrize(("n", "cosines"), [(17, 8), (40, 8), (501, 8), (500, 4)])
def test_ewc_equals_its_formula(n: int, cosines: int) -> None:
    x = np.random.default_rng(n).normal(size=n).cumsum() * 0.1 + 0.3
    variance = 0.0
    for j in range(1, cosines + 1):
        transform = sum(np.sqrt(2 / n) * np.cos(np.pi * j * (t - 0.5) / n) * (x[t - 1] - x.mean()) for t in range(1, n + 1))
        variance += transform**2 / cosines
    t_value = x.mean() / np.sqrt(variance / n)
    found = ewc_test(x, cosines=cosines)
    assert (found.n, found.df) == (n, cosines)
    np.testing.assert_allclose(
        [found.mean, found.se, found.t, found.p],
        [x.mean(), np.sqrt(variance / n), t_value, 2 * scipy_stats.t(cosines).cdf(-abs(t_value))],
        rtol=1e-11,
    )


def test_ewc_leaves_missing_dates_out() -> None:
    x = np.random.default_rng(0).normal(size=100)
    holes = np.insert(x, [0, 3, 50, 100], [np.nan, np.inf, -np.inf, np.nan])
    assert ewc_test(holes) == ewc_test(x)


@pytest.mark.parametrize("x", [np.empty(0), np.full(30, np.nan), np.arange(16.0)], ids=["none", "unknown", "few"])
def test_ewc_says_nothing_of_too_few(x: FloatArray) -> None:
    found = ewc_test(x)
    assert np.isnan([found.se, found.t, found.p]).all()
    assert found.n == np.isfinite(x).sum()


def test_ewc_says_nothing_of_a_constant() -> None:
    found = ewc_test(np.ones(100))
    assert (found.mean, found.se) == (1.0, 0.0)
    assert np.isnan([found.t, found.p]).all()


@pytest.mark.parametrize("level", [0.1, -1e-9, 1e6])
def test_a_series_that_varies_by_rounding_alone_has_no_t(level: float) -> None:
    """The mean of equal numbers is not always that number, and windows of equal returns compound to what differs in the last digits."""
    noise = np.random.default_rng(4).choice([-1.0, 0.0, 1.0], 100) * 1e-15
    for x in (np.full(100, level), level * (1 + noise)):
        found = ewc_test(x)
        assert found.se == 0.0
        assert np.isnan([found.t, found.p]).all()
        assert np.isnan(newey_west_t(x, lags=3))
    varies = level * (1 + 1e6 * noise)
    assert np.isfinite([ewc_test(varies).t, newey_west_t(varies, lags=3)]).all()


def test_cosines_must_be_positive_and_matter() -> None:
    x = np.random.default_rng(1).normal(size=100)
    assert ewc_test(x, cosines=4).se != ewc_test(x, cosines=8).se
    with pytest.raises(SettingError, match="cosines must be at least 1, not 0"):
        ewc_test(x, cosines=0)


@pytest.mark.parametrize("null", [overlapping, autoregressive])
def test_ewc_rejects_a_true_null_about_as_often_as_it_says_and_newey_west_too_often(null) -> None:
    """METHODS §5: Newey–West rejects a true null of overlapping windows 10–12 % of the time at 5 %."""
    series = null(np.random.default_rng(2), 1000, 1000)
    ewc = np.mean([ewc_test(x).p < 0.05 for x in series])
    newey_west = np.mean([abs(newey_west_t(x, lags=HORIZON - 1)) > 1.96 for x in series])
    low, _ = binomial_band(0.05, 1000)
    _, high = binomial_band(0.06, 1000)  # eight cosines of a persistent series: 5 to 6 % by a long simulation
    assert low <= ewc <= high
    low, high = binomial_band(0.12 if null is overlapping else 0.15, 1000)
    assert low <= newey_west <= high


# ---------------------------------------------------------------- Newey–West


@pytest.mark.parametrize("lags", [0, 1, 19, 60])
def test_newey_west_equals_statsmodels(lags: int) -> None:
    x = autoregressive(np.random.default_rng(3), 1, 300)[0] + 0.5
    fit = sm.OLS(x, np.ones(300)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    assert newey_west_t(x, lags=lags) == pytest.approx(fit.tvalues[0], rel=1e-12)
    assert newey_west_t(np.insert(x, [0, 7], np.nan), lags=lags) == newey_west_t(x, lags=lags)


def test_newey_west_without_an_answer() -> None:
    assert np.isnan(newey_west_t(np.ones(50), lags=3))
    assert np.isnan(newey_west_t(np.arange(4.0), lags=3))
    assert np.isnan(newey_west_t(np.empty(0), lags=0))
    with pytest.raises(SettingError, match="lags must be at least 0, not -1"):
        newey_west_t(np.ones(5), lags=-1)


# ---------------------------------------------------------------- stationary bootstrap


@pytest.mark.parametrize("mean_block", [1.0, 4.0, 40.0])
def test_blocks_have_geometric_lengths_and_wrap_around(mean_block: float) -> None:
    length, draws = 400, 500
    rows = stationary_indices(length, draws, mean_block=mean_block, rng=np.random.default_rng(4))
    assert rows.shape == (draws, length)
    assert (rows.min(), rows.max()) == (0, length - 1)
    follows = rows[:, 1:] == (rows[:, :-1] + 1) % length
    # a block goes on with probability 1 - 1/b, and a fresh one begins there by chance with 1/length
    expected = (1 - 1 / mean_block) + 1 / mean_block / length
    assert follows.mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / follows.size) + 1e-4)
    assert (rows[:, 1:][rows[:, :-1] == length - 1] == 0).mean() == pytest.approx(expected, abs=0.12)  # around the end
    counts = np.bincount(rows.ravel(), minlength=length)
    # every index is equally likely; a block brings whole runs, so the spread is that of draws·length / mean_block runs
    assert counts.mean() == draws
    assert abs(counts - draws).max() < 6 * np.sqrt(draws * mean_block * 2)


def test_block_lengths_by_count() -> None:
    rows = stationary_indices(5000, 40, mean_block=10.0, rng=np.random.default_rng(5))
    breaks = rows[:, 1:] != (rows[:, :-1] + 1) % 5000
    lengths = np.concatenate([np.diff(np.flatnonzero(row)) for row in breaks])
    # geometric with mean 10 has sd 9.5; 20,000 blocks give an error of .07
    assert lengths.mean() == pytest.approx(10.0, abs=0.3)
    assert np.mean(lengths > 10) == pytest.approx(0.9**10, abs=0.02)


def test_blocks_shorter_than_one_are_refused() -> None:
    with pytest.raises(SettingError, match="mean_block must be at least 1"):
        stationary_indices(10, 2, mean_block=0.5, rng=np.random.default_rng(0))


# ---------------------------------------------------------------- the null of the ICIR over offsets


def icirs(series: FloatArray) -> FloatArray:
    """ICIR of each offset (rows) for each series (columns)."""
    offset = np.arange(series.shape[1]) % GRID
    grids = [series[:, offset == each] for each in range(GRID)]
    return np.stack([grid.mean(axis=1) / grid.std(axis=1, ddof=1) for grid in grids])


def uninformed(rng: np.random.Generator, draws: int, length: int, names: int = 60) -> FloatArray:
    """Daily IC of a signal that knows nothing: 20-session sums of noise against 20-session returns of noise."""
    out = np.empty((draws, length))
    for k in range(draws):
        signal = sums(rng.normal(size=(names, length + HORIZON - 1)))
        future = sums(rng.normal(size=(names, length + HORIZON - 1)))
        parts = [(each - each.mean(axis=0)) / each.std(axis=0) for each in (signal, future)]
        out[k] = (parts[0] * parts[1]).mean(axis=0)
    return out


def null_of(series: FloatArray, *, seed: int = 0, mean_block: float = 40, draws: int = 300, observed: float = 0.2):
    """The null of one series on the grid of 20."""
    return offset_null(series, np.arange(series.size) % GRID, observed, mean_block=mean_block, draws=draws, rng=np.random.default_rng(seed))


def test_the_null_is_decided_by_its_seed() -> None:
    series = uninformed(np.random.default_rng(6), 1, 800)[0]
    assert null_of(series) == null_of(series)
    assert null_of(series) != null_of(series, seed=1)


def test_the_null_is_centred_and_does_not_see_the_level_of_the_ic() -> None:
    series = uninformed(np.random.default_rng(7), 1, 800)[0]
    found, raised = null_of(series), null_of(series + 0.3)
    assert dict(found.quantiles)[0.5] == pytest.approx(0.0, abs=0.05)
    np.testing.assert_allclose([value for _, value in raised.quantiles], [value for _, value in found.quantiles], atol=1e-12)
    assert [level for level, _ in found.quantiles] == [0.025, 0.05, 0.5, 0.95, 0.975]


def test_the_band_widens_with_autocorrelation() -> None:
    rng = np.random.default_rng(8)
    widths = [
        np.mean([dict(null_of(row).quantiles)[0.975] for row in rows])
        for rows in (rng.normal(size=(10, 800)), uninformed(rng, 10, 800), overlapping(rng, 10, 800))
    ]
    # twenty independent offsets of 40 dates: sd 1/√800, so the 97.5 % point is .069 for white noise
    assert widths[0] == pytest.approx(1.96 / np.sqrt(800), rel=0.15)
    assert widths[1] > 2.5 * widths[0]
    assert widths[2] > widths[1]


def test_blocks_must_outlast_the_overlap() -> None:
    series = overlapping(np.random.default_rng(9), 1, 1200)[0]
    assert dict(null_of(series, mean_block=2).quantiles)[0.975] < 0.6 * dict(null_of(series, mean_block=40).quantiles)[0.975]


def test_twenty_of_twenty_positive_as_often_as_a_direct_simulation() -> None:
    """METHODS §5: P(20 of 20) ≈ 13 %, sd of the offset mean ≈ .13 for 3.3 years of a persistent signal without information."""
    series = uninformed(np.random.default_rng(10), 400, 800)
    direct = icirs(series)
    share, sd = (direct > 0).all(axis=0).mean(), direct.mean(axis=0).std()
    assert share == pytest.approx(0.13, abs=0.045)  # Monte-Carlo error .017
    assert sd == pytest.approx(0.13, abs=0.02)
    nulls = [null_of(row, draws=200) for row in series[:100]]
    # A null is estimated from one series, so its sd varies by about a fifth and its share by .05: means of 100 are known to 3 and 4 %.
    assert np.mean([each.sd for each in nulls]) / sd == pytest.approx(1.0, abs=0.12)  # the direct sd is known to 3.5 %
    assert np.mean([each.all_positive for each in nulls]) == pytest.approx(share, abs=0.05)


def test_quantiles_and_p_know_that_the_spread_is_estimated() -> None:
    """The record again, from the draws of its own generator."""
    series, rng = uninformed(np.random.default_rng(11), 1, 800)[0], np.random.default_rng(0)
    drawn = simulated_icirs(series, np.arange(800, dtype=np.int64) % GRID, GRID, reach=40, draws=300, fewest=3, rng=rng)
    figures = drawn.mean(axis=0)
    df = 800 / (1 + 2 * (20 + sum(((40 - k) / 20) ** 2 for k in range(21, 40))))
    scaled = figures / np.sqrt(rng.chisquare(df, 300) / df)
    found = null_of(series, observed=0.2)
    np.testing.assert_allclose([value for _, value in found.quantiles], np.quantile(scaled, [0.025, 0.05, 0.5, 0.95, 0.975]), rtol=1e-9)
    assert found.p == pytest.approx((np.sum(np.abs(scaled) >= 0.2) + 1) / 301, rel=1e-12)
    assert found.sd == pytest.approx(figures.std(), rel=1e-12)
    assert found.all_positive == (drawn > 0).all(axis=0).mean()


def test_a_stationary_bootstrap_in_its_place_would_be_too_narrow() -> None:
    """Why the null is simulated: blocks break the dependence, and the sample mean eats some more."""
    series = uninformed(np.random.default_rng(10), 60, 800)
    group = np.arange(800, dtype=np.int64) % GRID
    found = []
    for number, row in enumerate(series):
        fresh, start = block_starts(800, 200, mean_block=40, rng=np.random.default_rng(number))
        found.append(drawn_icirs(row - row.mean(), group, GRID, fresh, start, fewest=3).mean(axis=0).std())
    assert np.mean(found) < 0.92 * np.mean([null_of(row, draws=200).sd for row in series])


def test_monte_carlo_errors_are_those_of_repeated_nulls() -> None:
    series = uninformed(np.random.default_rng(11), 1, 800)[0]
    again = [null_of(series, seed=seed, draws=1000) for seed in range(40)]
    for stated, values in (
        (np.mean([each.quantile_se for each in again]), [dict(each.quantiles)[0.975] for each in again]),
        (np.mean([each.all_positive_se for each in again]), [each.all_positive for each in again]),
        (np.mean([each.p_se for each in again]), [each.p for each in again]),
    ):
        # the sd of 40 values is itself known to 11 %, the mean stated error to less
        assert stated == pytest.approx(np.std(values), rel=0.4)
    few = np.mean([null_of(series, seed=seed, draws=200).quantile_se for seed in range(20)])
    assert few == pytest.approx(np.sqrt(5) * np.mean([each.quantile_se for each in again]), rel=0.4)


def test_p_is_the_share_of_draws_at_least_as_far_from_zero() -> None:
    series = uninformed(np.random.default_rng(12), 1, 800)[0]
    assert null_of(series, observed=0.0).p == 1.0
    far = null_of(series, observed=-5.0)
    assert far.p == 1 / 301  # the observed figure counts as a draw
    assert far.p_se == pytest.approx(1 / 300)
    band = dict(null_of(series).quantiles)
    assert null_of(series, observed=max(band[0.975], -band[0.025])).p <= 0.05 < null_of(series, observed=0.5 * band[0.975]).p
    assert null_of(series, observed=0.1).p == null_of(series, observed=-0.1).p


def test_too_short_a_series_has_no_null() -> None:
    series = np.full(800, np.nan)
    series[:159] = np.random.default_rng(13).normal(size=159)
    assert null_of(series) is None
    series[159] = 0.0
    assert null_of(series) is not None


def test_skipped_dates_stay_skipped() -> None:
    series = uninformed(np.random.default_rng(14), 1, 800)[0]
    series[::3] = np.nan
    found = null_of(series)
    assert found is not None
    assert np.isfinite([value for _, value in found.quantiles]).all()


def test_sessions_before_the_first_ic_and_after_the_last_change_nothing() -> None:
    series = uninformed(np.random.default_rng(15), 1, 800)[0]
    framed = np.concatenate([np.full(40, np.nan), series, np.full(400, np.nan)])  # 40 sessions keep the offsets
    assert null_of(framed) == null_of(series)


def test_a_score_of_one_session_in_twenty_has_a_null_without_warnings() -> None:
    series = np.full(20 * 200, np.nan)
    series[::20] = np.random.default_rng(16).normal(size=200)
    found = null_of(series)
    assert np.isfinite([value for _, value in found.quantiles]).all()


def test_an_offset_of_a_draw_needs_the_dates_that_an_observed_one_needs() -> None:
    """Every session in twenty has an IC, and with two dates an offset the figure of a draw does not exist."""
    assert FEWEST_ON_GRID == 3
    rng = np.random.default_rng(17)
    ic, offset = rng.normal(size=400), np.arange(400) // FEWEST_ON_GRID  # three dates an offset
    assert offset_null(ic, offset, 0.1, mean_block=40, draws=50, rng=np.random.default_rng(0)) is not None
    assert offset_null(ic, np.arange(400) // 2, 0.1, mean_block=40, draws=50, rng=np.random.default_rng(0)) is None
