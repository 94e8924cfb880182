"""The SPA test and StepM against arch itself and against Hansen's test re-derived with its own draws."""

import numpy as np
import pytest
from arch.bootstrap import SPA, StepM

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.stats.bootstrap import stationary_indices
from pureplay.stats.reality import long_run_sd, stepwise_superior, superior_predictive_ability


def variants(seed: int, n: int = 120, k: int = 6, best: float = 0.0) -> np.ndarray:
    """Dependent variants of different scales; the third has mean `best` in its own sd."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)) + 0.5 * rng.normal(size=(n, 1))
    x[1:] += 0.3 * x[:-1]
    x -= x.mean(axis=0)
    x[:, 2] += best
    return (x - np.linspace(0.0, 0.1, k)) * np.linspace(1.0, 5.0, k)


def naive_sd(x: np.ndarray, block: float) -> np.ndarray:
    """Hansen 2005, p. 372: autocovariances with the weights of the stationary bootstrap."""
    n, q, out = x.shape[0], 1.0 / block, []
    for column in x.T:
        u = column - column.mean()
        total = u @ u / n
        for i in range(1, n):
            weight = (n - i) / n * (1 - q) ** i + i / n * (1 - q) ** (n - i)
            total += 2 * weight * (u[:-i] @ u[i:]) / n
        out.append(np.sqrt(total))
    return np.array(out)


def naive_spa(x: np.ndarray, block: float, draws: int, seed: int) -> tuple[float, float, float, float]:
    """Statistic and the three p-values of Hansen 2005, loop over draws."""
    n = x.shape[0]
    sd, mean = naive_sd(x, block), x.mean(axis=0)
    statistic = max(np.sqrt(n) * max(mean / sd), 0.0)
    near = np.sqrt(n) * mean / sd >= -np.sqrt(2 * np.log(np.log(n)))
    centres = [np.maximum(mean, 0.0), np.where(near, mean, 0.0), mean]
    above = np.zeros(3)
    for rows in stationary_indices(n, draws, mean_block=block, rng=np.random.default_rng(seed)):
        drawn = x[rows].mean(axis=0)
        for j, centre in enumerate(centres):
            largest = max(np.sqrt(n) * max((drawn - centre) / sd), 0.0)
            above[j] += largest > statistic if statistic > 0 else largest >= statistic  # a floor that is met is no evidence
    return statistic, *(above / draws)


@pytest.mark.parametrize("block", [1, 5, 12])
def test_the_long_run_sd_equals_its_formula(block: int) -> None:
    x = variants(1)
    np.testing.assert_allclose(long_run_sd(x, block), naive_sd(x, block), rtol=1e-10)


def test_the_long_run_sd_is_that_of_bootstrap_means() -> None:
    x = variants(2)
    rows = stationary_indices(120, 4000, mean_block=5, rng=np.random.default_rng(0))
    drawn = x[rows].mean(axis=1).std(axis=0) * np.sqrt(120)
    np.testing.assert_allclose(long_run_sd(x, 5), drawn, rtol=0.05)  # an sd of 4000 draws is known to 1.1 %


@pytest.mark.parametrize("best", [0.0, 0.25])
def test_spa_equals_hansens_test_re_derived(best: float) -> None:
    x, draws = variants(3, best=best), 2000
    found = superior_predictive_ability(x, mean_block=5, draws=draws, seed=1)
    statistic, *p = naive_spa(x, 5, draws, seed=2)
    assert found.statistic == pytest.approx(statistic, rel=1e-10)
    assert found.best == np.argmax(x.mean(axis=0) / naive_sd(x, 5))
    for ours, theirs in zip((found.p_lower, found.p_consistent, found.p_upper), p, strict=True):
        # two independent sets of draws: four Monte-Carlo sd of their difference
        assert ours == pytest.approx(theirs, abs=4 * np.sqrt(2 * max(theirs * (1 - theirs), 0.002) / draws))
    assert found.p_lower <= found.p_consistent <= found.p_upper


def test_spa_equals_arch_called_directly() -> None:
    x = variants(4, best=0.2)
    test = SPA(np.zeros(120), -x / naive_sd(x, 5), block_size=5, reps=300, bootstrap="stationary", seed=7)
    test.compute()
    found = superior_predictive_ability(x, mean_block=5, draws=300, seed=7)
    np.testing.assert_allclose([found.p_lower, found.p_consistent, found.p_upper], (300 * test.pvalues.to_numpy() + 1) / 301, rtol=1e-12)
    passed = StepM(np.zeros(120), -x / naive_sd(x, 5), size=0.2, block_size=5, reps=300, seed=7)
    passed.compute()
    assert stepwise_superior(x, mean_block=5, level=0.2, draws=300, seed=7).superior == tuple(passed.superior_models)


def test_where_every_variant_is_bad_nothing_is_found_and_every_p_is_one() -> None:
    """Hansen 2005 floors the statistic at 0; arch by itself sets bad variants against each other."""
    x = variants(3) - 20.0
    found = superior_predictive_ability(x, mean_block=5, draws=200, seed=1)
    _, *p = naive_spa(x, 5, 200, seed=2)
    assert (found.p_lower, found.p_consistent, found.p_upper) == tuple(p) == (1.0, 1.0, 1.0)
    assert found.statistic == 0.0
    assert found.best == np.argmax(x.mean(axis=0) / naive_sd(x, 5))
    test = SPA(np.zeros(120), -x / naive_sd(x, 5), block_size=5, reps=200, bootstrap="stationary", seed=1)
    test.compute()
    assert 0.2 < test.pvalues["consistent"] < 0.8
    barely = x - x.mean(axis=0).max() + 1e-6
    assert superior_predictive_ability(barely, mean_block=5, draws=200, seed=1).p_consistent < 1.0


def test_the_scale_of_a_variant_does_not_matter() -> None:
    """arch by itself compares plain means, so that the wildest variant decides."""
    x = variants(5, best=0.3)
    scaled = x * np.array([1.0, 2.0, 0.01, 100.0, 1.0, 1.0])
    assert superior_predictive_ability(scaled, mean_block=5, draws=200).p_consistent == pytest.approx(
        superior_predictive_ability(x, mean_block=5, draws=200).p_consistent
    )


def test_a_good_variant_is_found_and_bad_company_costs_power_only_with_the_upper_p() -> None:
    x = variants(6, best=0.5)
    found = superior_predictive_ability(x, mean_block=5, draws=500)
    assert found.p_consistent < 0.02
    assert found.best == 2
    bad = np.hstack([x, variants(7, k=6) - 50.0])
    crowded = superior_predictive_ability(bad, mean_block=5, draws=500)
    assert crowded.p_upper > crowded.p_lower
    assert crowded.p_consistent < 0.05


def test_seed_draws_and_block_matter() -> None:
    x = variants(8, best=0.15)
    one = superior_predictive_ability(x, mean_block=5, draws=200, seed=0)
    assert one == superior_predictive_ability(x, mean_block=5, draws=200, seed=0)
    assert one.p_consistent != superior_predictive_ability(x, mean_block=5, draws=200, seed=1).p_consistent
    assert one.statistic != superior_predictive_ability(x, mean_block=1, draws=200, seed=0).statistic
    assert superior_predictive_ability(x + 9.0, mean_block=5, draws=400).p_consistent == 1 / 401  # the observed one is a draw


def test_periods_that_a_variant_lacks_are_left_out_and_counted() -> None:
    x = variants(9, best=0.2)
    holed = np.insert(x, [0, 50], np.nan, axis=0)
    holed[0, 1:] = 3.0  # only one variant is missing
    found, whole = (superior_predictive_ability(each, mean_block=5, draws=100) for each in (holed, x))
    assert (found.n, found.dropped, found.variants) == (120, 2, 6)
    assert (found.p_consistent, whole.dropped) == (whole.p_consistent, 0)
    assert stepwise_superior(holed, mean_block=5, draws=100).dropped == 2


# ---------------------------------------------------------------- which variants


def test_stepwise_names_the_good_ones_and_takes_more_steps_than_one() -> None:
    rng = np.random.default_rng(10)
    x = rng.normal(size=(200, 8))
    x -= x.mean(axis=0)
    x[:, 1] += 1.0
    x[:, 4] += 0.5
    x[:, 6] += 0.19
    found = stepwise_superior(x, mean_block=1, draws=999)
    assert found.superior[:2] == (1, 4)
    assert found.rounds >= 2
    assert stepwise_superior(x, mean_block=1, level=0.5, draws=999).superior == (1, 4, 6)
    assert stepwise_superior(x - 5.0, mean_block=1, draws=200).superior == ()


def test_stepwise_ends_where_every_variant_has_passed() -> None:
    """Two steps that take all: arch's own loop fails there, having none left to look at."""
    rng = np.random.default_rng(11)
    shared = rng.normal(size=(300, 1))
    x = np.hstack([rng.normal(size=(300, 12)) - 0.02, shared])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    x[:, :12] += 0.5
    x[:, 12] += 0.145
    found = stepwise_superior(x, mean_block=1, draws=999)
    assert found.superior == tuple(range(13))
    assert found.rounds == 2


def test_the_chance_of_one_wrong_name_is_the_level() -> None:
    wrong = 0
    for seed in range(100):
        x = np.random.default_rng([12, seed]).normal(size=(200, 5))
        wrong += bool(stepwise_superior(x, mean_block=1, level=0.1, draws=99, seed=seed).superior)
    assert 2 <= wrong <= 20  # binomial(100, 0.1): 99.9 % within 2 to 21


# ---------------------------------------------------------------- bad input


def test_too_few_common_periods_are_refused() -> None:
    x = variants(13, n=50)
    x[::2, 0] = np.nan
    x[1:40:2, 5] = np.nan
    with pytest.raises(InsufficientDataError, match="5 of 50 periods are known for all 6 variants; 10 are required for blocks of 1"):
        superior_predictive_ability(x, mean_block=1)
    with pytest.raises(InsufficientDataError, match=r"120 of 120 .* 124 are required for blocks of 31"):
        stepwise_superior(variants(13), mean_block=31)


def test_variants_that_do_not_vary_are_refused() -> None:
    x = variants(14)
    x[:, 3] = 0.0
    with pytest.raises(InsufficientDataError, match=r"variants \[3\] \(of 1\) do not vary over 120 periods"):
        superior_predictive_ability(x, mean_block=5)


def test_bad_settings_are_refused() -> None:
    x = variants(15)
    for block in (0, 1.5, True):
        with pytest.raises(SettingError, match="mean_block must be a whole number of at least 1"):
            superior_predictive_ability(x, mean_block=block)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="draws must be a whole number"):
        superior_predictive_ability(x, mean_block=1, draws=0)
    with pytest.raises(
        SettingError, match=r"differences must be a table of numbers \(periods, variants\), not an array of 1 dimensions, of shape \(120,\)"
    ):
        superior_predictive_ability(x[:, 0], mean_block=1)
    with pytest.raises(SettingError, match="level must lie between 0 and 1"):
        stepwise_superior(x, mean_block=1, level=5)
