"""The discounted matrix: published nearest correlation matrices, what happens to each kind of pair, frames of every kind, bad input."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from statsmodels.stats.correlation_tools import corr_nearest
from statsmodels.tools.sm_exceptions import IterationLimitWarning

from pureplay.errors import SettingError, TableError
from pureplay.graph.discount import discount, discount_factors
from pureplay.graph.nearest_correlation import nearest_correlation
from pureplay.panel import FloatArray

NAMES = ["a1", "b2", "c3", "d4"]
FIRM = np.array([[1.0, 0.5, 0.4, 0.3], [0.5, 1.0, 0.2, -0.1], [0.4, 0.2, 1.0, 0.6], [0.3, -0.1, 0.6, 1.0]])
EDGES = pl.DataFrame(
    {
        "ts_a": ["a1", "a1", "c3", "b2", "a1", "b2"],
        "ts_b": ["b2", "c3", "d4", "zz", "d4", "d4"],
        "dark": [True, False, True, True, True, True],
        "trailing_corr": [0.5, 0.4, 0.6, 0.9, 0.04, -0.1],
        "expected_fwd_corr": [0.3, 0.1, None, 0.1, 0.03, 0.2],
    }
)


def random_correlation(seed: int, names: int, days: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(days, 1)) + rng.normal(size=(days, names))
    found = np.corrcoef(z.T)
    return (found + found.T) / 2


def test_published_nearest_correlation_matrices() -> None:
    """Higham (2002), section 4, and the example of NAG's g02aa, both printed to four decimals."""
    small = nearest_correlation(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]), tolerance=1e-9, iterations=500)
    np.testing.assert_allclose(small, [[1, 0.7607, 0.1573], [0.7607, 1, 0.7607], [0.1573, 0.7607, 1]], atol=5e-5)
    chain = 2 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1)
    published = [[1, -0.8084, 0.1916, 0.1068], [-0.8084, 1, -0.6562, 0.1916], [0.1916, -0.6562, 1, -0.8084], [0.1068, 0.1916, -0.8084, 1]]
    np.testing.assert_allclose(nearest_correlation(chain, tolerance=1e-9, iterations=500), published, atol=5e-5)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_correlation_matrix_is_nearer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given = random_correlation(seed, 12, 8)
    given = np.where(np.triu(rng.random((12, 12)) < 0.3, 1), given * 0.3, given)
    given = np.triu(given) + np.triu(given, 1).T
    found = nearest_correlation(given, tolerance=1e-9, iterations=2000)
    distance = np.linalg.norm(found - given)
    assert np.linalg.eigvalsh(given)[0] < -0.01
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IterationLimitWarning)  # it goes on until no eigenvalue at all is below the threshold
        oracle = corr_nearest(given, threshold=0, n_fact=200)
    np.testing.assert_allclose(found, oracle, rtol=0, atol=1e-6)  # both searches converge linearly, here to some 1e-8
    for _ in range(300):  # other correlation matrices, near and far
        other = random_correlation(int(rng.integers(1 << 30)), 12, int(rng.integers(2, 40)))
        mixed = (1 - step) * found + step * other if (step := float(rng.random() ** 3)) else found
        assert np.linalg.norm(mixed - given) >= distance - 1e-6  # the search ends at 1e-9 an entry; a convex set has no local minimum


@pytest.mark.parametrize("iterations", [1, 3, 40])
def test_the_result_is_a_correlation_matrix_however_early_the_search_ends(iterations: int) -> None:
    rng = np.random.default_rng(0)
    keep = np.triu(rng.random((80, 80)) < 0.3, 1)
    given = random_correlation(0, 80, 30) * np.where(keep | keep.T, 0.5, 1.0)
    found = nearest_correlation(given, iterations=iterations)
    assert np.linalg.eigvalsh(found)[0] >= -1e-10
    np.testing.assert_array_equal(found, found.T)
    assert (np.diag(found) == 1).all()
    assert np.abs(found).max() <= 1 + 1e-12


def test_tolerance_and_iterations_matter() -> None:
    given = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    assert not np.array_equal(nearest_correlation(given, tolerance=1e-2), nearest_correlation(given))
    assert not np.array_equal(nearest_correlation(given, iterations=2), nearest_correlation(given))


def test_a_correlation_matrix_comes_back_as_it_is() -> None:
    given = random_correlation(1, 30, 100)
    np.fill_diagonal(given, 1.0)
    np.testing.assert_array_equal(nearest_correlation(given), given)
    np.testing.assert_array_equal(nearest_correlation(np.ones((1, 1))), np.ones((1, 1)))
    np.testing.assert_array_equal(nearest_correlation(np.ones((0, 0))), np.ones((0, 0)))


@pytest.mark.parametrize(
    ("matrix", "settings", "message"),
    [
        (np.array([[1.0, 0.2], [0.3, 1.0]]), {}, "symmetric"),
        (np.full((2, 2), np.nan), {}, "symmetric"),
        (np.ones(3), {}, "symmetric"),
        (np.eye(2), {"tolerance": 0.0}, "tolerance"),
        (np.eye(2), {"iterations": 0}, "iterations"),
    ],
)
def test_bad_matrices_and_settings_are_refused(matrix: FloatArray, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        nearest_correlation(matrix, **settings)  # type: ignore[arg-type]


def test_each_kind_of_pair() -> None:
    found = discount(FIRM, EDGES, assets=NAMES)
    expected = FIRM.copy()
    for i, j in ((0, 1), (2, 3), (0, 3), (1, 3)):  # dark
        expected[i, j] = expected[j, i] = 0.8 * FIRM[i, j]
    np.testing.assert_allclose(found, expected, rtol=1e-15)  # confirmed (a1, c3) and unlisted (b2, c3) pairs as they were


def test_expected_ratios() -> None:
    found = discount(FIRM, EDGES, assets=NAMES, method="expected")
    assert found[0, 1] == pytest.approx(0.5 * 0.3 / 0.5)
    assert found[0, 2] == 0.4  # confirmed, whatever is expected
    assert found[2, 3] == pytest.approx(0.6 * 0.8)  # nothing expected
    assert found[0, 3] == pytest.approx(0.3 * 0.8)  # trailing correlation too near 0
    assert found[1, 3] == 0.0  # another sign is expected
    up = EDGES.with_columns(expected_fwd_corr=pl.lit(0.9))
    assert discount(FIRM, up, assets=NAMES, method="expected")[0, 1] == pytest.approx(0.5 * 1.2)
    assert discount(FIRM, up, assets=NAMES, method="expected", largest_ratio=1.5)[0, 1] == pytest.approx(0.5 * 1.5)


def test_settings_of_the_factors() -> None:
    assert discount(FIRM, EDGES, assets=NAMES, dark_factor=0.5)[0, 1] == 0.25
    assert discount(FIRM, EDGES, assets=NAMES, unlisted_factor=0.5)[1, 2] == pytest.approx(0.1)
    half = discount(FIRM, EDGES, assets=NAMES, dark_factor=0.5, strength=0.5)
    assert half[0, 1] == pytest.approx(0.5 * 0.75)
    np.testing.assert_array_equal(discount(FIRM, EDGES, assets=NAMES, strength=0.0), FIRM)
    assert (np.diag(discount_factors(NAMES, EDGES, unlisted_factor=0.0)) == 1).all()


def test_no_edge_of_these_assets_changes_nothing() -> None:
    np.testing.assert_array_equal(discount(FIRM, EDGES.filter(ts_b="zz"), assets=NAMES), FIRM)
    np.testing.assert_array_equal(discount(np.ones((1, 1)), EDGES, assets=["a1"]), np.ones((1, 1)))


def test_a_frame_comes_back_as_its_own_kind() -> None:
    expected = discount(FIRM, EDGES, assets=NAMES)
    wide = pl.DataFrame(FIRM, schema=NAMES).with_columns(asset=pl.Series(NAMES)).select("asset", "d4", "b2", "a1", "c3")
    found = discount(wide, EDGES)
    assert found.columns == wide.columns
    assert found["asset"].to_list() == NAMES
    np.testing.assert_array_equal(found.select(NAMES).to_numpy(), expected)
    frame = pd.DataFrame(FIRM, index=NAMES, columns=NAMES)
    pd.testing.assert_frame_equal(discount(frame, EDGES), pd.DataFrame(expected, index=NAMES, columns=NAMES))
    np.testing.assert_array_equal(wide.select(NAMES).to_numpy(), FIRM)  # what was given is as it was
    rows = [(NAMES[j], NAMES[i], float(FIRM[i, j])) for i in range(4) for j in range(i + 1, 4)]
    long = pl.DataFrame(rows, schema=["a", "b", "correlation"], orient="row").with_columns(note=pl.lit("x"))
    out = discount(long, EDGES)
    assert out.select("a", "b", "note").equals(long.select("a", "b", "note"))
    assert out["correlation"].to_list() == [expected[NAMES.index(b), NAMES.index(a)] for a, b, _ in rows]
    both = pl.concat([long, long.select(pl.col("b").alias("a"), pl.col("a").alias("b"), "correlation", "note")])
    assert discount(both, EDGES)["correlation"].to_list() == out["correlation"].to_list() * 2


def test_a_singular_matrix_becomes_positive_semi_definite() -> None:
    names = [f"s{i:02d}" for i in range(60)]
    given = random_correlation(3, 60, 20)
    np.fill_diagonal(given, 1.0)
    rng = np.random.default_rng(0)
    pairs = [(i, j) for i in range(60) for j in range(i + 1, 60) if rng.random() < 0.3]
    edges = pl.DataFrame({"ts_a": [names[i] for i, _ in pairs], "ts_b": [names[j] for _, j in pairs], "dark": [True] * len(pairs)})
    assert np.linalg.eigvalsh(given * discount_factors(names, edges))[0] < -0.01
    found = discount(given, edges, assets=names)
    assert np.linalg.eigvalsh(found)[0] >= -1e-10
    shrunk = 0.5 * given + 0.5 * np.eye(60)
    np.testing.assert_array_equal(discount(shrunk, edges, assets=names), shrunk * discount_factors(names, edges))


def changed(row: int, column: int, value: float) -> FloatArray:
    out = FIRM.copy()
    out[row, column] = value
    return out


@pytest.mark.parametrize(
    ("matrix", "assets", "message"),
    [
        (changed(0, 1, 0.7), NAMES, "2 correlations differ from the one across the diagonal, first a1 with b2 .0.7.: give a symmetric"),
        (changed(2, 2, 1.1), NAMES, "1 correlations on the diagonal are not 1, first c3 with c3"),
        (changed(1, 3, np.nan), NAMES, "1 correlations are missing or not finite, first b2 with d4"),
        (np.where(FIRM == 0.5, 1.5, FIRM), NAMES, "2 correlations lie beyond 1"),
        (FIRM, ["a1", "b2", "b2", "d4"], "1 assets appear more than once, such as b2"),
        (FIRM[:3], NAMES, "shape .3, 4. for 4 assets"),
        (FIRM.astype(str).astype(object) + "x", NAMES, "other than numbers"),
        (pl.DataFrame(FIRM, schema=NAMES), None, "no column asset"),
        (pl.DataFrame(FIRM, schema=NAMES).with_columns(asset=pl.Series(["a1", "b2", "c3", "e5"])), None, "2 assets have a row or a column"),
        (pl.DataFrame(FIRM, schema=NAMES).with_columns(asset=pl.Series(["a1", "b2", "c3", "c3"])), None, "have a row or a column alone"),
        (pl.DataFrame({"a": ["x", "x"], "b": ["y", "y"], "correlation": [0.1, 0.2]}), None, "1 rows repeat a pair"),
        (pl.DataFrame({"a": ["x", "y"], "b": ["y", "z"], "correlation": [0.1, 0.2]}), None, "2 correlations are missing"),
        (pl.DataFrame({"a": ["x", "y"], "b": ["y", "x"], "correlation": [0.1, 0.2]}), None, "differ from the one across"),
        (pl.DataFrame({"a": ["x", None], "b": ["y", "x"], "correlation": [0.1, 0.2]}), None, "1 rows of the matrix name no asset"),
        (pl.DataFrame({"a": ["x", "x"], "b": ["y", "x"], "correlation": [0.1, None]}), None, "1 correlations are missing"),
        (pd.DataFrame(FIRM, columns=NAMES), None, "the index .4. and the columns .4. differ"),
    ],
)
def test_a_bad_matrix_is_refused(matrix: object, assets: list[str] | None, message: str) -> None:
    with pytest.raises(TableError, match=message):
        discount(matrix, EDGES, assets=assets)


@pytest.mark.parametrize(
    ("matrix", "settings", "message"),
    [
        (FIRM, {}, "give assets="),
        (pd.DataFrame(FIRM, index=NAMES, columns=NAMES), {"assets": NAMES}, "leave assets out"),
        ([[1.0]], {}, "not a list"),
        (FIRM, {"assets": NAMES, "method": "x"}, "method must"),
        (FIRM, {"assets": NAMES, "dark_factor": 1.5}, "dark_factor must"),
        (FIRM, {"assets": NAMES, "unlisted_factor": -0.1}, "unlisted_factor must"),
        (FIRM, {"assets": NAMES, "strength": np.nan}, "strength must"),
        (FIRM, {"assets": NAMES, "largest_ratio": 0.0}, "largest_ratio must"),
    ],
)
def test_a_bad_setting_is_refused(matrix: object, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        discount(matrix, EDGES, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edges", "settings", "message"),
    [
        (EDGES.drop("dark"), {}, "edges lack dark"),
        (EDGES.drop("expected_fwd_corr"), {"method": "expected"}, "edges lack expected_fwd_corr"),
        (EDGES.with_columns(dark=pl.lit(1)), {}, "dark is Int32"),
        (EDGES.with_columns(dark=pl.lit(None, dtype=pl.Boolean)), {}, "dark is Boolean with 6 nulls"),
        (pl.concat([EDGES, EDGES[:1].with_columns(ts_a=pl.lit("b2"), ts_b=pl.lit("a1"))]), {}, "list 1 pairs twice"),
        (EDGES.with_columns(ts_b=pl.col("ts_a")).unique("ts_a"), {}, "3 names with themselves"),
    ],
)
def test_bad_edges_are_refused(edges: pl.DataFrame, settings: dict[str, object], message: str) -> None:
    with pytest.raises(TableError, match=message):
        discount(FIRM, edges, assets=NAMES, **settings)  # type: ignore[arg-type]


def test_pandas_is_not_loaded_for_it() -> None:
    code = "import sys, pureplay.graph.discount; raise SystemExit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


def test_edges_are_a_frame_of_any_kind() -> None:
    expected = discount(FIRM, EDGES, assets=NAMES, method="expected")
    for edges in (EDGES.to_pandas(), EDGES.to_arrow(), EDGES.lazy(), EDGES.with_columns(pl.col("ts_a", "ts_b").cast(pl.Categorical))):
        assert np.array_equal(discount(FIRM, edges, assets=NAMES, method="expected"), expected)
    with pytest.raises(TableError, match="edges is a list, not a frame"):
        discount(FIRM, [1], assets=NAMES)  # type: ignore[arg-type]


@pytest.mark.parametrize("indexed", [False, True])
def test_a_pandas_frame_of_pairs_comes_back_as_one(indexed: bool) -> None:
    rows = [(NAMES[i], NAMES[j], FIRM[i, j]) for i in range(4) for j in range(i)]
    long = pd.DataFrame(rows, columns=["a", "b", "correlation"], index=range(10, 16))
    long = long.set_index(["a", "b"]) if indexed else long.assign(days=90)
    found = discount(long, EDGES)
    same = discount(pl.DataFrame(rows, schema=["a", "b", "correlation"], orient="row"), EDGES)
    assert found["correlation"].tolist() == same["correlation"].to_list()
    assert found["correlation"].tolist() != long["correlation"].tolist()
    pd.testing.assert_frame_equal(found.assign(correlation=0.0), long.assign(correlation=0.0))


def test_a_matrix_whose_assets_are_called_a_b_and_correlation_is_a_matrix() -> None:
    names = ["a", "b", "correlation"]
    wide = pd.DataFrame(FIRM[:3, :3], index=names, columns=names)
    edges = EDGES.head(1).with_columns(ts_a=pl.lit("a"), ts_b=pl.lit("b"))
    assert discount(wide, edges).loc["a", "b"] == pytest.approx(0.4)


def test_codes_that_are_no_text_or_not_in_the_graph_are_refused() -> None:
    numbers = [1, 2, 3, 4]
    for given, named in ((pd.DataFrame(FIRM, index=numbers, columns=numbers), None), (FIRM, numbers)):
        with pytest.raises(TableError, match="4 of the 4 assets are no text, such as 1"):
            discount(given, EDGES, assets=named)  # type: ignore[arg-type]
    others = ["600519.XSHG", "000001.XSHE", "000002.XSHE", "000004.XSHE"]
    with pytest.raises(TableError, match="none of the 4 assets is in the graph of this vintage"):
        discount(FIRM, EDGES, assets=others)
    with pytest.raises(TableError, match="none of the 4 assets is in the graph of this vintage"):
        discount(FIRM, EDGES.clear(), assets=NAMES)
    one = discount(FIRM, EDGES, assets=["zz", *others[1:]])  # known, though no pair of these is
    assert np.array_equal(one, FIRM)
