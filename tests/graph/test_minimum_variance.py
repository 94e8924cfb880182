"""Minimum-variance portfolios: closed forms and an optimiser, holding periods by plain loops, settings, bad input, truncation."""

import numpy as np
import polars as pl
import pytest
from scipy import optimize
from sklearn.covariance import ledoit_wolf_shrinkage as oracle_shrinkage

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.hedge_arms import VintageEdges
from pureplay.graph.minimum_variance import METHODS, MinimumVariance, minimum_variance, portfolio_weights
from pureplay.panel import FloatArray
from pureplay.parallel import workers

SESSIONS, ASSETS = 200, 12
ROWS = np.array([50, 70, 85, 120, 141, 190])


def make(seed: int = 0) -> tuple[FloatArray, FloatArray, list[VintageEdges]]:
    rng = np.random.default_rng(seed)
    returns = 0.01 * rng.normal(size=(SESSIONS, 1)) + rng.uniform(0.01, 0.03, ASSETS) * rng.normal(size=(SESSIONS, ASSETS))
    returns[rng.random(returns.shape) < 0.002] = np.nan
    returns[:, 3] = 0.0  # constant
    size = rng.lognormal(size=(ROWS.size, ASSETS))
    size[:, 5] = np.nan
    edges = []
    for _ in ROWS:
        drawn = np.sort(rng.integers(0, ASSETS, (40, 2)), axis=1)
        drawn = np.unique(drawn[drawn[:, 0] < drawn[:, 1]], axis=0).astype(np.int32)
        a, b = np.ascontiguousarray(drawn.T)
        trailing = rng.uniform(0.1, 0.5, a.size)
        expected = np.where(rng.random(a.size) < 0.2, np.nan, trailing * rng.uniform(0.2, 1.5, a.size))
        edges.append(
            VintageEdges(a=a, b=b, trailing=trailing, expected=expected, strength=np.ones(a.size), confirmed=rng.random(a.size) < 0.5)
        )
    return returns, size, edges


SETTINGS = {"names": 7, "trailing": 40, "forward": 20}


def run(seed: int = 0, **changed: object) -> MinimumVariance:
    returns, size, edges = make(seed)
    return minimum_variance(returns, ROWS, size, edges, **{**SETTINGS, **changed})  # type: ignore[arg-type]


def window(seed: int, days: int, names: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    return 0.01 * rng.normal(size=(days, 1)) + rng.uniform(0.01, 0.03, names) * rng.normal(size=(days, names))


@pytest.mark.parametrize("seed", range(3))
def test_weights_have_the_least_variance_of_their_matrix(seed: int) -> None:
    given = window(seed, 60, 5)
    keep = np.triu(np.random.default_rng(seed).random((5, 5)) < 0.5, 1)
    factors = np.where(keep | keep.T, 0.5, 1.0)
    found = portfolio_weights(given, factors, factors)
    np.testing.assert_array_equal(found[:, 2], found[:, 1])
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-12)
    sd = given.std(axis=0)
    sample = np.corrcoef(given.T)
    intensity = oracle_shrinkage((given - given.mean(axis=0)) / sd)
    shrunk = (1 - intensity) * sample + intensity * np.eye(5)
    discounted = shrunk * np.where(np.eye(5) > 0, 1.0, factors)
    lowest, wanted = np.linalg.eigvalsh(discounted)[0], np.linalg.eigvalsh(shrunk)[0]
    blend = max(0.0, (wanted - lowest) / (1 - lowest))
    discounted = (1 - blend) * discounted + blend * np.eye(5)
    off = ~np.eye(5, dtype=bool)
    constant = np.where(off, sample[off].mean(), 1.0)
    for k, matrix in enumerate((shrunk, discounted, constant)):
        covariance = matrix * np.outer(sd, sd)
        best = optimize.minimize(
            lambda w, c=covariance: 1e4 * float(w @ c @ w),
            np.full(5, 0.2),
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 1000},
        )
        np.testing.assert_allclose(found[:, (0, 1, 3)[k]], best.x, atol=2e-5)  # what the optimiser reaches
    np.testing.assert_array_equal(found[:, 4], 0.2)


def test_by_hand_without_correlation() -> None:
    """Orthogonal series with variances 1 and 4: weights 4/5 and 1/5 in every minimum-variance method."""
    given = np.array([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [-1.0, -2.0]]) / 100
    np.testing.assert_allclose(
        portfolio_weights(given, np.ones((2, 2)), np.ones((2, 2)))[:, :4], np.repeat([[0.8], [0.2]], 4, axis=1), rtol=1e-12
    )


def test_factors_of_one_change_nothing_and_the_discount_does() -> None:
    given = window(1, 50, 8)
    none = np.ones((8, 8))
    one = portfolio_weights(given, none, none)
    np.testing.assert_allclose(one[:, 1], one[:, 0], rtol=1e-9)  # a rounding in the smallest eigenvalue
    less = portfolio_weights(given, np.where(np.eye(8) > 0, 1.0, 0.5), none)
    assert np.abs(less[:, 1] - one[:, 0]).max() > 0.01
    np.testing.assert_array_equal(less[:, [0, 2, 3, 4]], one[:, [0, 2, 3, 4]])
    # less correlation, less to hedge: the weights are nearer to those of inverse variances
    inverse = 1 / given.var(axis=0) / (1 / given.var(axis=0)).sum()
    assert np.abs(less[:, 1] - inverse).sum() < np.abs(one[:, 0] - inverse).sum()


@pytest.mark.parametrize(("days", "names"), [(10, 40), (6, 3), (30, 1)])
def test_singular_windows_and_one_name_have_weights(days: int, names: int) -> None:
    given = window(2, days, names)
    given[:, -1] = given[:, 0]  # the same stock twice (or once)
    found = portfolio_weights(given, np.full((names, names), 0.7), np.full((names, names), 0.9))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-9)
    if names == 1:
        np.testing.assert_allclose(found, 1.0, rtol=1e-12)


@pytest.mark.parametrize("seed", range(2))
def test_the_holding_periods_against_a_plain_loop(seed: int) -> None:
    returns, size, edges = make(seed)
    found = run(seed)
    daily, rows, held = [], [], []
    for v, row in enumerate(ROWS[:5]):  # the sixth has no 20 sessions after it
        able = [i for i in range(ASSETS) if np.isfinite(size[v, i]) and np.isfinite(returns[row - 39 : row + 1, i]).all() and i != 3]
        columns = sorted(sorted(able, key=lambda i: -size[v, i])[:7])
        factors, placebo = np.ones((len(columns), len(columns))), np.ones((len(columns), len(columns)))
        inside = [e for e in range(edges[v].a.size) if edges[v].a[e] in columns and edges[v].b[e] in columns]
        dealt = np.random.default_rng([7, row]).permutation([1.0 if edges[v].confirmed[e] else 0.8 for e in inside])
        for e, other in zip(inside, dealt, strict=True):
            i, j = columns.index(edges[v].a[e]), columns.index(edges[v].b[e])
            factors[i, j] = factors[j, i] = 1.0 if edges[v].confirmed[e] else 0.8
            placebo[i, j] = placebo[j, i] = other
        weights = portfolio_weights(returns[row - 39 : row + 1, columns], factors, placebo)
        held.append(len(columns))
        for day in range(row + 1, min(row + 20, ROWS[v + 1]) + 1):
            value = [0.0 if np.isnan(returns[day, i]) else returns[day, i] for i in columns]
            daily.append([sum(w * r for w, r in zip(weights[:, k], value, strict=True)) for k in range(5)])
            rows.append(day)
    np.testing.assert_allclose(found.daily, daily, rtol=0, atol=1e-14)  # order of the sum
    assert found.rows.tolist() == rows
    assert len(set(rows)) == len(rows)  # no day twice
    assert found.names == np.mean(held)
    assert found.no_forward == 1
    for k, row in enumerate(found.table.iter_rows(named=True)):
        assert row["method"] == METHODS[k]
        assert row["volatility"] == pytest.approx(np.std([each[k] for each in daily], ddof=1) * np.sqrt(252), rel=1e-10)
        assert row["days"] == len(rows)
        assert row["vintages"] == 5
        assert row["gross"] >= 1 - 1e-12
    assert found.table["t"].null_count() == 1
    assert found.table["placebo_t"].null_count() == 1


def test_the_planted_discount_lowers_risk_and_a_wrong_one_does_not() -> None:
    """Two stocks were correlated and are no longer: who discounts that pair bears less risk, who discounts the lasting pair more."""
    rng = np.random.default_rng(0)
    vintages, rows = 26, 40 + 50 * np.arange(26)  # so far apart that what is held is no trailing window of the next
    common, market = rng.normal(size=(1400, 1)), rng.normal(size=(1400, 1))
    returns = 0.01 * np.concatenate([market + 0.4 * rng.normal(size=(1400, 2)), 1.2 * rng.normal(size=(1400, 2))], axis=1)
    for row in rows:
        returns[row - 20 : row + 1, 2:] = 0.01 * (1.2 * common[row - 20 : row + 1] + np.array([0.1, 0.6]) * rng.normal(size=(21, 2)))
    held = []
    for right in (True, False):
        confirmed = np.array([right, not right])
        edge = VintageEdges(
            a=np.array([0, 2], np.int32),
            b=np.array([1, 3], np.int32),
            trailing=np.array([0.9, 0.5]),
            expected=np.full(2, np.nan),
            strength=np.ones(2),
            confirmed=confirmed,
        )
        held.append(minimum_variance(returns, rows, np.ones((26, 4)), [edge] * vintages, trailing=20, forward=20, dark_factor=0.2).table)
    good, bad = (each.row(by_predicate=pl.col("method") == "discounted", named=True) for each in held)
    assert good["t"] < -2
    assert good["volatility"] < held[0]["volatility"][0]
    assert bad["volatility"] > good["volatility"]
    assert good["placebo_t"] < -2


def test_a_discount_of_random_pairs_gains_nothing_on_the_placebo() -> None:
    """Pairs that are dark for no reason: the discount shrinks as the placebo does, and both differ from the sample's own."""
    ts = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        returns = 0.01 * rng.normal(size=(900, 1)) + 0.02 * rng.normal(size=(900, 15))
        a, b = (each.astype(np.int32) for each in np.triu_indices(15, 1))
        nothing = np.full(a.size, np.nan)
        rows = 60 + 20 * np.arange(40)
        lit = [rng.random(a.size) < 0.5 for _ in rows]
        edges = [VintageEdges(a=a, b=b, trailing=nothing, expected=nothing, strength=np.ones(a.size), confirmed=each) for each in lit]
        table = minimum_variance(returns, rows, np.ones((40, 15)), edges, trailing=40, dark_factor=0.0).table
        ts.append(table["placebo_t"][1])
    assert abs(float(np.mean(ts))) < 3 * 1.15 / np.sqrt(12)  # three standard errors; t with 8 degrees of freedom has sd 1.15
    assert np.std(ts) > 0.3


@pytest.mark.parametrize(
    "changed",
    [
        {"names": 5},
        {"trailing": 30},
        {"forward": 10},
        {"dark_factor": 0.3},
        {"method": "expected"},
        {"sessions_per_year": 244.0},
        {"cosines": 4},
        {"seed": 8},
    ],
)
def test_every_setting_matters(changed: dict[str, object]) -> None:
    assert not run(**changed).table.equals(run().table)


def test_the_largest_ratio_matters_where_it_is_reached() -> None:
    one, two = (run(method="expected", largest_ratio=most).table for most in (1.0, 1.4))
    assert one["volatility"][1] != two["volatility"][1]
    assert one["volatility"][0] == two["volatility"][0]


def test_returns_up_to_a_day_do_not_change_when_later_data_go() -> None:
    returns, size, edges = make()
    whole = run()
    cut = minimum_variance(returns[:141], ROWS[:4], size[:4], edges[:4], **SETTINGS)  # type: ignore[arg-type]
    np.testing.assert_array_equal(cut.daily, whole.daily[: cut.daily.shape[0]])
    assert cut.rows.tolist() == whole.rows.tolist()[: cut.rows.size]
    assert cut.rows[-1] == 140


def test_one_worker_and_many_give_the_same_bits() -> None:
    with workers(1):
        one = run()
    with workers(3):
        many = run()
    np.testing.assert_array_equal(one.daily, many.daily)
    assert one.table.equals(many.table)


def test_a_vintage_without_names_is_skipped_and_counted() -> None:
    returns, size, edges = make()
    size[1] = np.nan
    found = minimum_variance(returns, ROWS, size, edges, **SETTINGS)  # type: ignore[arg-type]
    assert found.no_names == 1
    assert not set(range(71, 86)) & set(found.rows.tolist())
    with pytest.raises(InsufficientDataError, match="of 6 vintages 5 have 40 sessions before and 20 after"):
        minimum_variance(returns, ROWS, np.full_like(size, np.nan), edges, **SETTINGS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "settings", "message"),
    [
        ({"rows": ROWS[::-1]}, {}, "rows must be ascending"),
        ({"rows": ROWS + 20}, {}, "rows must be ascending"),
        ({"size": np.ones((2, ASSETS))}, {}, "size has shape"),
        ({"edges": []}, {}, "edges of 0 vintages"),
        ({}, {"names": 0}, "names must"),
        ({}, {"trailing": 3}, "trailing must"),
        ({}, {"forward": 0}, "forward must"),
        ({}, {"cosines": 0}, "cosines must"),
        ({}, {"sessions_per_year": 0.0}, "sessions_per_year must"),
        ({}, {"method": "x"}, "method must"),
        ({}, {"dark_factor": 2.0}, "dark_factor must"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, object], settings: dict[str, object], message: str) -> None:
    returns, size, edges = make()
    given = {"rows": ROWS, "size": size, "edges": edges, **changed}
    with pytest.raises(SettingError, match=message):
        minimum_variance(returns, given["rows"], given["size"], given["edges"], **{**SETTINGS, **settings})  # type: ignore[arg-type]
