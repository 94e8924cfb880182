"""Fama-MacBeth: against linearmodels, statsmodels and plain loops; dyadic errors against all pairs of pairs; what degenerates."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from linearmodels import FamaMacBeth as Oracle

from pureplay.errors import SettingError
from pureplay.panel import FloatArray, IndexArray
from pureplay.parallel import workers
from pureplay.stats.fama_macbeth import FamaMacBeth, fama_macbeth, independent, least_squares
from pureplay.stats.inference import ewc_test, newey_west_t

NAMES = ("intercept", "trailing", "lamp", "rare")


def panel(
    seed: int, *, vintages: int = 14, pairs: int = 60, names: int = 18
) -> tuple[FloatArray, FloatArray, np.ndarray, IndexArray, IndexArray]:
    """Outcome, columns, starts and ends of vintages of unequal size, each pair once a vintage."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(pairs // 2, pairs, vintages)
    every = np.array([(i, j) for i in range(names) for j in range(i + 1, names)], dtype=np.int32)
    chosen = np.concatenate([every[np.sort(rng.choice(len(every), size, replace=False))] for size in sizes])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n = int(starts[-1])
    x = np.column_stack([np.ones(n), rng.normal(0.2, 0.2, n), rng.random(n) < 0.4, rng.random(n) < 0.2]).astype(np.float64)
    shock = rng.normal(size=(vintages, names))[np.repeat(np.arange(vintages), sizes)]
    rows = np.arange(n)
    y = x @ [0.1, 0.6, 0.05, 0.02] + 0.1 * (shock[rows, chosen[:, 0]] + shock[rows, chosen[:, 1]] + rng.normal(size=n))
    return y, x, starts, chosen[:, 0].copy(), chosen[:, 1].copy()


def fitted(seed: int = 0, **settings: object) -> FamaMacBeth:
    y, x, starts, a, b = panel(seed)
    return fama_macbeth(y, x, starts, names=NAMES, a=a, b=b, **settings)


def same(left: FamaMacBeth, right: FamaMacBeth) -> bool:
    """Bit by bit."""
    return all(
        np.array_equal(np.asarray(getattr(left, name)), np.asarray(getattr(right, name)), equal_nan=name not in ("names", "dropped"))
        for name in FamaMacBeth.__slots__
    )


def naive_dyadic(x: FloatArray, e: FloatArray, a: IndexArray, b: IndexArray) -> FloatArray:
    """Variances: double loop over pairs; those that share a name, itself included, enter the meat."""
    meat = np.zeros((x.shape[1], x.shape[1]))
    for p in range(len(e)):
        for q in range(len(e)):
            if {a[p], b[p]} & {a[q], b[q]}:
                meat += np.outer(x[p] * e[p], x[q] * e[q])
    bread = np.linalg.inv(x.T @ x)
    return np.diag(bread @ meat @ bread)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_coefficients_and_means_are_those_of_linearmodels(seed: int) -> None:
    y, x, starts, a, b = panel(seed)
    sizes = np.diff(starts)
    index = pd.MultiIndex.from_arrays([np.concatenate([np.arange(k) for k in sizes]), np.repeat(np.arange(sizes.size), sizes)])
    oracle = Oracle(pd.Series(y, index=index), pd.DataFrame(x, index=index, columns=list(NAMES))).fit()
    found = fama_macbeth(y, x, starts, names=NAMES, a=a, b=b)
    # least squares by two routes of float64, well conditioned
    assert np.allclose(found.coefficients, oracle.all_params.to_numpy(), rtol=0, atol=1e-10)
    assert np.allclose(found.mean, oracle.params.to_numpy(), rtol=0, atol=1e-10)
    assert found.observations.tolist() == sizes.tolist()
    assert found.left_out.sum() == 0
    assert not found.dropped
    assert found.skipped == 0


def test_ill_conditioned_columns_are_as_good_as_by_qr() -> None:
    y, x, starts, _, _ = panel(3, vintages=4)
    x[:, 3] = x[:, 1] + 1e-4 * x[:, 3]  # condition of the sums of products about 1e7
    found = fama_macbeth(y, x, starts, names=NAMES)
    for v in range(4):
        part = slice(starts[v], starts[v + 1])
        expected = np.linalg.lstsq(x[part], y[part])[0]
        assert np.allclose(found.coefficients[v], expected, rtol=1e-9)  # the condition costs seven of sixteen digits


def test_tests_of_the_mean_are_those_of_the_inference_module() -> None:
    found = fitted(cosines=3, lags=2)
    for k in range(len(NAMES)):
        test = ewc_test(found.coefficients[:, k], cosines=3)
        assert (found.se[k], found.t[k], found.p[k]) == (test.se, test.t, test.p)
        assert found.newey_west_t[k] == newey_west_t(found.coefficients[:, k], lags=2)
    oracle = sm.OLS(found.coefficients[:, 1], np.ones(14)).fit(cov_type="HAC", cov_kwds={"maxlags": 2, "use_correction": False})
    assert np.isclose(found.newey_west_t[1], oracle.tvalues[0], rtol=1e-10)  # the same formula in another order


@pytest.mark.parametrize("seed", [0, 1])
def test_dyadic_errors_are_those_of_all_pairs_that_share_a_name(seed: int) -> None:
    y, x, starts, a, b = panel(seed, vintages=4)
    found = fama_macbeth(y, x, starts, names=NAMES, a=a, b=b)
    for v in range(4):
        part = slice(starts[v], starts[v + 1])
        variance = naive_dyadic(x[part], y[part] - x[part] @ found.coefficients[v], a[part], b[part])
        assert np.allclose(found.dyadic_se[v] ** 2, np.where(variance >= 0, variance, np.nan), rtol=1e-9, equal_nan=True)
    assert np.allclose(found.mean_dyadic_se, np.nanmean(found.dyadic_se, axis=0), rtol=1e-14)


def test_dyadic_errors_see_what_pairs_of_one_name_share() -> None:
    rng = np.random.default_rng(5)
    a, b = (each.astype(np.int32) for each in np.triu_indices(25, 1))
    y = rng.normal(size=25)[a] * 2 + rng.normal(size=a.size)
    starts, x = np.array([0, a.size]), np.ones((a.size, 1))
    apart = np.arange(a.size, dtype=np.int32)
    shared = fama_macbeth(y, x, starts, names=["intercept"], a=a, b=b).dyadic_se[0, 0]
    alone = fama_macbeth(y, x, starts, names=["intercept"], a=2 * apart, b=2 * apart + 1).dyadic_se[0, 0]
    assert shared > 2 * alone
    assert np.isclose(alone, y.std() / np.sqrt(y.size), rtol=1e-12)  # no pair shares a name: the heteroskedastic error


def test_a_negative_variance_is_no_standard_error() -> None:
    a, b = np.array([0, 0, 1, 1], dtype=np.int32), np.array([2, 3, 2, 3], dtype=np.int32)  # the square 0-2-1-3
    y = np.array([1.0, -1.0, -1.0, 1.0])  # residuals cancel at each corner, so that every S is 0
    found = fama_macbeth(y, np.ones((4, 1)), np.array([0, 4]), names=["intercept"], a=a, b=b)
    assert naive_dyadic(np.ones((4, 1)), y, a, b)[0] < 0
    assert found.coefficients[0, 0] == 0.0
    assert np.isnan(found.dyadic_se[0, 0])
    assert np.isnan(found.mean_dyadic_se[0])


def test_entries_that_are_not_finite_are_left_out_and_counted() -> None:
    y, x, starts, a, b = panel(0)
    holed_y, holed_x = y.copy(), x.copy()
    holed_y[[0, 3]], holed_x[5, 1], holed_x[starts[2], 2] = np.nan, np.inf, np.nan
    keep = np.isfinite(holed_y) & np.isfinite(holed_x).all(axis=1)
    shorter = np.concatenate([[0], np.cumsum([keep[starts[v] : starts[v + 1]].sum() for v in range(14)])])
    found = fama_macbeth(holed_y, holed_x, starts, names=NAMES, a=a, b=b)
    expected = fama_macbeth(y[keep], x[keep], shorter, names=NAMES, a=a[keep], b=b[keep])
    assert np.array_equal(found.coefficients, expected.coefficients)
    assert np.array_equal(found.dyadic_se, expected.dyadic_se, equal_nan=True)
    assert found.left_out.tolist() == [3, 0, 1] + [0] * 11


def test_a_column_that_others_explain_is_dropped_and_named() -> None:
    y, x, starts, a, b = panel(0)
    first, second = slice(0, starts[1]), slice(starts[1], starts[2])
    x[first, 3] = 0.0  # never lit
    x[second, 2] = 1.0  # the intercept again
    x[second, 3] = 2 * x[second, 1] - 0.3  # a combination of the ones before it
    found = fama_macbeth(y, x, starts, names=NAMES, a=a, b=b)
    assert dict(found.dropped) == {"lamp": 1, "rare": 2}
    assert np.isnan(found.coefficients).nonzero()[0].tolist() == [0, 1, 1]
    assert np.isnan(found.coefficients).nonzero()[1].tolist() == [3, 2, 3]
    assert np.allclose(found.coefficients[0, :3], np.linalg.lstsq(x[first, :3], y[first])[0], atol=1e-12)
    assert np.allclose(found.coefficients[1, :2], np.linalg.lstsq(x[second, :2], y[second])[0], atol=1e-12)
    assert np.isfinite(found.dyadic_se[0, :3]).any()
    assert np.isnan(found.dyadic_se[0, 3])
    assert np.isclose(found.mean[3], found.coefficients[2:, 3].mean(), rtol=1e-14)


def test_a_rare_or_nearly_constant_column_is_not_dropped() -> None:
    n = 100_000
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(n), np.ones(n), np.zeros(n)])
    x[7, 1], x[11, 2] = 0.0, 1.0  # one pair unlit, one pair lit
    found = fama_macbeth(rng.normal(size=n), x, np.array([0, n]), names=["intercept", "nearly", "rare"])
    assert not found.dropped
    assert np.isfinite(found.coefficients).all()


def test_independent_columns_are_those_that_raise_the_rank() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        x = rng.integers(-1, 2, (12, 7)).astype(np.float64)
        x[:, 4] = x[:, 0] - x[:, 2]
        rank = [int(np.linalg.matrix_rank(x[:, : k + 1])) for k in range(7)]
        assert independent(x.T @ x).tolist() == [bool(now > before) for before, now in zip([0, *rank], rank, strict=False)]
    y = rng.normal(size=12)
    kept = independent(x.T @ x)
    solved = least_squares(x.T @ x, x.T @ y)
    assert np.isnan(solved).tolist() == (~kept).tolist()
    assert np.allclose(solved[kept], np.linalg.lstsq(x[:, kept], y)[0], atol=1e-11)


def test_columns_made_vintage_by_vintage_are_those_given_at_once() -> None:
    y, x, starts, a, b = panel(0)
    whole = fama_macbeth(y, x, starts, names=NAMES, a=a, b=b)
    pieces = fama_macbeth(y, lambda v: x[starts[v] : starts[v + 1]], starts, names=NAMES, a=a, b=b)
    assert same(whole, pieces)
    columns_first = fama_macbeth(y, lambda v: np.asfortranarray(x[starts[v] : starts[v + 1]]), starts, names=NAMES, a=a, b=b)
    assert np.allclose(columns_first.coefficients, whole.coefficients, rtol=1e-12)


def test_some_vintages_are_the_rows_of_all() -> None:
    chosen = np.array([1, 4, 5, 9], dtype=np.int64)
    some, every = fitted(vintages=chosen), fitted()
    assert some.vintages.tolist() == chosen.tolist()
    assert np.array_equal(some.coefficients, every.coefficients[chosen])
    assert np.array_equal(some.observations, every.observations[chosen])
    assert np.allclose(some.mean, every.coefficients[chosen].mean(axis=0), rtol=1e-14)


def test_bits_do_not_depend_on_workers() -> None:
    with workers(1):
        one = fitted()
    with workers(3):
        assert same(one, fitted())


def test_later_vintages_change_nothing_earlier() -> None:
    y, x, starts, a, b = panel(0)
    end = starts[6]
    early = fama_macbeth(y[:end], x[:end], starts[:7], names=NAMES, a=a[:end], b=b[:end])
    every = fitted()
    assert np.array_equal(early.coefficients, every.coefficients[:6])
    assert np.array_equal(early.dyadic_se, every.dyadic_se[:6], equal_nan=True)


def test_one_vintage_has_coefficients_and_no_test() -> None:
    y, x, starts, a, b = panel(0, vintages=1)
    found = fama_macbeth(y, x, starts, names=NAMES, a=a, b=b)
    assert np.array_equal(found.mean, found.coefficients[0])
    assert np.isfinite(found.mean).all()
    assert np.isnan([found.se, found.t, found.p, found.newey_west_t]).all()


def test_vintages_with_too_few_entries_are_skipped_and_counted() -> None:
    y, x, starts, _, _ = panel(0)
    starts = np.array([0, 4, 4, 9, int(starts[-1])])  # no more entries than terms; none; five; the rest
    found = fama_macbeth(y, x, starts, names=NAMES)
    assert found.fitted.tolist() == [False, False, True, True]
    assert found.skipped == 1
    assert np.isnan(found.coefficients[:2]).all()
    assert found.observations.tolist() == [4, 0, 5, y.size - 9]
    assert np.isnan(found.dyadic_se).all()


def test_no_outcome_gives_no_figure() -> None:
    _, x, starts, a, b = panel(0)
    found = fama_macbeth(np.full(x.shape[0], np.nan), x, starts, names=NAMES, a=a, b=b)
    assert np.isnan(found.mean).all()
    assert np.isnan(found.t).all()
    assert not found.observations.any()
    assert found.left_out.sum() == x.shape[0]
    assert found.skipped == 14
    empty = fama_macbeth(np.empty(0), np.empty((0, 4)), np.array([0]), names=NAMES)
    assert empty.coefficients.shape == (0, 4)
    assert np.isnan(empty.mean).all()


def test_settings_of_the_tests_matter() -> None:
    base = fitted()
    assert not np.allclose(base.t, fitted(cosines=5).t)
    assert np.array_equal(base.newey_west_t, fitted(cosines=5).newey_west_t)
    assert not np.allclose(base.newey_west_t, fitted(lags=1).newey_west_t)
    assert np.array_equal(base.t, fitted(lags=1).t)
    assert np.isnan(fitted(cosines=7).t).all()  # 14 vintages are no more than twice the cosines
    assert np.isfinite(fitted(cosines=6).t).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"starts": np.array([0, 5])}, "starts must rise"),
        ({"starts": np.array([0, 9, 5, 20])}, "starts must rise"),
        ({"starts": np.array([], dtype=np.int64)}, "starts must rise"),
        ({"names": ("one",)}, "x has shape"),
        ({"names": ()}, "names is empty"),
        ({"b": None}, "give both"),
        ({"a": np.zeros(3, np.int32)}, "a and b have shapes"),
        ({"x": lambda v: np.ones((2, 4))}, "the columns of vintage 0 have shape"),
        ({"vintages": np.array([3])}, "vintages must lie between"),
        ({"vintages": np.array([-1])}, "vintages must lie between"),
        ({"cosines": 0}, "cosines"),
        ({"lags": -1}, "lags"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    ends = np.arange(20, dtype=np.int32)
    given = {"y": np.zeros(20), "x": np.ones((20, 4)), "starts": np.array([0, 10, 20]), "names": NAMES, "a": ends, "b": ends + 1, **change}
    y, x, starts = given.pop("y"), given.pop("x"), given.pop("starts")
    with pytest.raises(SettingError, match=message):
        fama_macbeth(y, x, starts, **given)
