"""CSCV against a plain re-derivation, and purged splits against skfolio and their own promise."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio.model_selection import CombinatorialPurgedCV

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.parallel import workers
from pureplay.stats.overfitting import overfitting_probability, purged_splits


def naive(x: np.ndarray, splits: int, statistic: str) -> list[tuple[float, float, float]]:
    """(in sample, out of sample, logit) of every halving, from the values themselves."""
    edges = [b * x.shape[0] // splits for b in range(splits + 1)]
    blocks = [np.arange(edges[b], edges[b + 1]) for b in range(splits)]
    out = []
    for pick in combinations(range(splits), splits // 2):
        inside = x[np.concatenate([blocks[b] for b in pick])]
        outside = x[np.concatenate([blocks[b] for b in range(splits) if b not in pick])]
        figures = []
        for half in (inside, outside):
            mean = half.mean(axis=0)
            if statistic == "sharpe":
                same = half.min(axis=0) == half.max(axis=0)
                mean = np.where(same, 0.0, mean / np.where(same, 1.0, half.std(axis=0, ddof=1)))
            figures.append(mean)
        best = int(np.argmax(figures[0]))
        mark = figures[1][best]
        rank = (figures[1] < mark).sum() + ((figures[1] == mark).sum() + 1) / 2
        relative = rank / (x.shape[1] + 1)
        out.append((figures[0][best], mark, np.log(relative / (1 - relative))))
    return out


@pytest.mark.parametrize(("n", "k", "splits"), [(48, 5, 6), (53, 2, 8), (40, 7, 2)])
@pytest.mark.parametrize("statistic", ["sharpe", "mean"])
def test_it_equals_a_plain_loop(n: int, k: int, splits: int, statistic: str) -> None:
    x = np.random.default_rng([n, k]).standard_t(4, size=(n, k)) * 0.03 + 0.01
    found = overfitting_probability(x, splits=splits, statistic=statistic)
    wanted = np.array(naive(x, splits, statistic))
    np.testing.assert_allclose(np.column_stack([found.in_sample, found.out_of_sample, found.logits]), wanted, rtol=1e-9, atol=1e-12)
    assert found.probability == np.mean(wanted[:, 2] <= 0)
    assert found.loss == np.mean(wanted[:, 1] < 0)
    slope, intercept = np.polyfit(wanted[:, 0], wanted[:, 1], 1)
    assert (found.slope, found.intercept) == (pytest.approx(slope, rel=1e-8), pytest.approx(intercept, rel=1e-8))
    assert (found.n, found.variants, found.splits) == (n, k, splits)


def test_all_halvings_of_sixteen_blocks() -> None:
    x = np.random.default_rng(1).normal(size=(64, 3))
    found = overfitting_probability(x)
    assert found.logits.size == 12870
    wanted = np.array(naive(x, 16, "sharpe")[::2000])
    np.testing.assert_allclose(found.logits[::2000], wanted[:, 2], rtol=1e-12)


def test_noise_is_overfitted_about_half_of_the_time() -> None:
    """What was best on one half is no better than the rest on the other; its own half is short of it, so a little above one half."""
    found = [overfitting_probability(np.random.default_rng([2, seed]).normal(size=(160, 50)), splits=10).probability for seed in range(40)]
    assert np.mean(found) == pytest.approx(0.53, abs=4 * np.std(found) / np.sqrt(40))
    slopes = [overfitting_probability(np.random.default_rng([2, seed]).normal(size=(160, 50)), splits=10).slope for seed in range(40)]
    assert np.mean(slopes) < 0  # the better it looked, the worse the other half


def test_a_dominant_variant_is_not_overfitted() -> None:
    x = np.random.default_rng(3).normal(size=(160, 50))
    x[:, 17] += 1.0
    found = overfitting_probability(x)
    assert found.probability < 0.001
    assert found.loss < 0.001
    assert found.logits.min() > 0


def test_variants_with_the_same_returns_share_their_rank() -> None:
    x = np.tile(np.random.default_rng(4).normal(size=(40, 1)), (1, 3))
    found = overfitting_probability(x, splits=4)
    np.testing.assert_array_equal(found.logits, 0.0)
    assert found.probability == 1.0


def test_a_half_that_does_not_vary_counts_zero() -> None:
    x = np.random.default_rng(5).normal(size=(40, 3)) - 3.0
    x[:20, 1] = 0.3  # constant in one half: 0 and so above the others
    found = overfitting_probability(x, splits=2)
    np.testing.assert_allclose(np.column_stack([found.in_sample, found.out_of_sample, found.logits]), naive(x, 2, "sharpe"), rtol=1e-9)
    assert found.in_sample[0] == 0.0


def test_statistic_and_splits_matter() -> None:
    x = np.random.default_rng(6).normal(size=(80, 8)) * np.linspace(1, 9, 8)
    assert overfitting_probability(x).probability != overfitting_probability(x, statistic="mean").probability
    assert overfitting_probability(x, splits=8).logits.size == 70


def test_gaps_are_left_out_and_counted() -> None:
    x = np.random.default_rng(7).normal(size=(50, 4))
    holed = np.insert(x, [3, 20], [np.nan, 1.0, 1.0, 1.0], axis=0)
    found, whole = overfitting_probability(holed, splits=4), overfitting_probability(x, splits=4)
    assert (found.n, found.dropped) == (50, 2)
    np.testing.assert_array_equal(found.logits, whole.logits)


def test_workers_leave_the_bits_alone() -> None:
    x = np.random.default_rng(8).normal(size=(100, 20))
    made = []
    for count in (1, 3):
        with workers(count):
            made.append(overfitting_probability(x, splits=10))
    np.testing.assert_array_equal(made[0].out_of_sample, made[1].out_of_sample)
    np.testing.assert_array_equal(made[0].logits, made[1].logits)


def test_bad_performance_is_refused() -> None:
    x = np.random.default_rng(9).normal(size=(40, 3))
    for splits in (0, 3, 22, True, 4.5):
        with pytest.raises(SettingError, match="splits must be an even number from 2 to 20"):
            overfitting_probability(x, splits=splits)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match='statistic must be "sharpe" or "mean"'):
        overfitting_probability(x, statistic="icir")  # type: ignore[arg-type]
    with pytest.raises(InsufficientDataError, match="with two variants or more is required"):
        overfitting_probability(x[:, :1])
    with pytest.raises(SettingError, match=r"performance must be a table of numbers \(periods, variants\), not an array of 1 dimensions"):
        overfitting_probability(x[:, 0])
    x[:9, 1] = np.nan
    with pytest.raises(InsufficientDataError, match="31 of 40 periods are known for all 3 variants; 32 are required for 16 blocks"):
        overfitting_probability(x)


# ---------------------------------------------------------------- purged splits


@given(
    sessions=st.lists(st.integers(0, 60), min_size=12, max_size=80),
    folds=st.integers(3, 6),
    test_folds=st.integers(1, 2),
    horizon=st.integers(1, 5),
    embargo=st.integers(0, 4),
)
def test_no_training_window_meets_a_test_window(sessions: list[int], folds: int, test_folds: int, horizon: int, embargo: int) -> None:
    at = np.array(sorted(sessions))
    if np.unique(at).size < folds:
        return
    try:
        splits = purged_splits(at, folds=folds, horizon_sessions=horizon, embargo_sessions=embargo, test_folds=test_folds)
    except InsufficientDataError:
        return
    tested = np.zeros(at.size)
    pieces = np.array_split(np.unique(at), folds)
    for (train, test), chosen in zip(splits, combinations(range(folds), test_folds), strict=True):
        tested[test] += 1
        labels = {s for i in test for s in range(at[i] + 1, at[i] + horizon + 1)}
        closes = [pieces[k][-1] + horizon for k in chosen]
        for i in range(at.size):
            window = set(range(at[i] + 1, at[i] + horizon + 1))
            in_test = any(pieces[k][0] <= at[i] <= pieces[k][-1] for k in chosen)
            # a window can lie in a gap of a test fold: sessions between its first window and its last count as met
            met = any(window & set(range(pieces[k][0] + 1, pieces[k][-1] + horizon + 1)) for k in chosen)
            embargoed = any(close <= at[i] < close + embargo for close in closes)
            assert (i in test) == in_test
            assert (i in train) == (not met and not embargoed and not in_test)
            if i in train:
                assert not window & labels
    assert (tested == (1 if test_folds == 1 else folds - 1)).all()  # every sample is tested, equally often


def test_horizon_and_embargo_by_hand() -> None:
    splits = purged_splits(12, folds=3, horizon_sessions=3, embargo_sessions=1)
    assert [test.tolist() for _, test in splits] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert [train.tolist() for train, _ in splits] == [[7, 8, 9, 10, 11], [0, 1, 11], [0, 1, 2, 3, 4, 5]]
    assert purged_splits(12, folds=3, horizon_sessions=1)[1][0].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]


@pytest.mark.parametrize(("horizon", "embargo"), [(1, 0), (1, 3), (5, 0), (4, 2)])
@pytest.mark.parametrize("test_folds", [2, 3])
def test_it_agrees_with_skfolio(horizon: int, embargo: int, test_folds: int) -> None:
    """skfolio counts what it removes on each side: windows of h sessions meet within h - 1."""
    theirs = CombinatorialPurgedCV(n_folds=6, n_test_folds=test_folds, purged_size=horizon - 1, embargo_size=embargo)
    ours = purged_splits(120, folds=6, horizon_sessions=horizon, embargo_sessions=embargo, test_folds=test_folds)
    for (train, test), (their_train, their_tests) in zip(ours, theirs.split(np.zeros((120, 1))), strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, np.sort(np.concatenate(their_tests)))


def test_samples_of_one_session_stay_together() -> None:
    at = np.repeat(np.arange(10), 7)
    for train, test in purged_splits(at, folds=3, horizon_sessions=1):
        assert not set(at[train]) & set(at[test])
        assert train.size + test.size == 70


def test_bad_splits_are_refused() -> None:
    for changed, message in (
        ({"folds": 1}, "folds must be a whole number of at least 2"),
        ({"horizon_sessions": 0}, "horizon_sessions must be a whole number of at least 1"),
        ({"embargo_sessions": -1}, "embargo_sessions must be a whole number of at least 0"),
        ({"test_folds": 1.5}, "test_folds must be a whole number of at least 1"),
        ({"test_folds": 4}, "test_folds must be below the 4 folds, not 4"),
    ):
        with pytest.raises(SettingError, match=message):
            purged_splits(40, **{"folds": 4, "horizon_sessions": 2, **changed})
    with pytest.raises(SettingError, match="does not decrease: sort the samples"):
        purged_splits(np.array([3, 2, 1]), folds=2, horizon_sessions=1)
    with pytest.raises(InsufficientDataError, match="3 sessions cannot be cut into 4 folds"):
        purged_splits(np.array([1, 1, 2, 3]), folds=4, horizon_sessions=1)
    with pytest.raises(InsufficientDataError, match="no training sample is left of 12 after purging 20 sessions and an embargo of 0"):
        purged_splits(12, folds=3, horizon_sessions=20)
