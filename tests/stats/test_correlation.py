"""Co-movement of pairs: a plain loop written from METHODS §6, numpy, scipy and scikit-learn beside the kernels; bits, edges, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError
from scipy import stats
from sklearn import covariance

from pureplay import parallel
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.panel import FloatArray, IndexArray
from pureplay.stats.correlation import PairMeasure, ledoit_wolf_shrinkage, panel_correlations, window, windowed_correlations
from pureplay.stats.jit import kernel
from pureplay.stats.lanes import row_product
from pureplay.stats.lookahead import forward_correlations

NAN = float("nan")
MEASURES: tuple[PairMeasure, ...] = ("shrunk", "pearson")


def drawn(seed: int, rows: int, assets: int, *, missing: float = 0.15) -> FloatArray:
    """Heavy-tailed returns with a common part, suspensions, late listings, delistings and constant stocks."""
    rng = np.random.default_rng(seed)
    returns = 0.02 * (rng.standard_t(3, size=(rows, assets)) + rng.standard_normal((rows, 1)))
    returns[rng.random(returns.shape) < missing * rng.random(assets) * 3] = NAN
    for i in range(0, assets, 5):
        returns[: rng.integers(0, rows), i] = NAN
    for i in range(1, assets, 5):
        returns[rng.integers(0, rows) :, i] = NAN
    returns[:, 2], returns[:, 3] = 0.01, 0.0
    returns[rng.random(rows) < 0.2, 2] = NAN
    return returns


def all_pairs(assets: int) -> tuple[IndexArray, IndexArray]:
    """Every pair of columns with a < b, in order."""
    a, b = np.triu_indices(assets, 1)
    return a.astype(np.int32), b.astype(np.int32)


def panel_of(vintages: int, assets: int) -> tuple[np.ndarray, IndexArray, IndexArray]:
    """starts, a, b of a panel that holds every pair at every vintage."""
    a, b = all_pairs(assets)
    return np.arange(vintages + 1) * a.size, np.tile(a, vintages), np.tile(b, vintages)


def naive_pair(x: FloatArray, y: FloatArray, measure: str) -> float:
    """METHODS §6 for two columns of one window, in plain Python with exact sums."""
    size = len(x)
    scores = []
    for series in (x, y):
        known = {t: v for t, v in enumerate(series.tolist()) if not math.isnan(v)}
        if 2 * len(known) < size:
            return NAN
        mean = math.fsum(known.values()) / len(known)
        sd = math.sqrt(math.fsum((v - mean) ** 2 for v in known.values()) / len(known))
        if sd <= 1e-12 * max(abs(v) for v in known.values()):
            return NAN
        scores.append({t: (v - mean) / sd for t, v in known.items()})
    both = [t for t in scores[0] if t in scores[1]]
    if measure == "shrunk":
        return math.fsum(scores[0][t] * scores[1][t] for t in both) / max(len(both), 2 * size / 3) if both else NAN
    if 2 * len(both) < size:
        return NAN
    u, v = ([float(series[t]) for t in both] for series in (x, y))
    mu, mv = math.fsum(u) / len(u), math.fsum(v) / len(v)
    uu, vv = math.fsum((s - mu) ** 2 for s in u), math.fsum((s - mv) ** 2 for s in v)
    if uu == 0.0 or vv == 0.0:
        return NAN
    return math.fsum((s - mu) * (w - mv) for s, w in zip(u, v, strict=True)) / math.sqrt(uu * vv)


def naive(returns: FloatArray, firsts: list[int], sessions: int, measure: str) -> FloatArray:
    """Every pair of every window, NaN for a window that is not wholly inside."""
    a, b = all_pairs(returns.shape[1])
    out = []
    for first in firsts:
        inside = first >= 0 and first + sessions <= returns.shape[0]
        span = slice(first, first + sessions)
        out += [naive_pair(returns[span, i], returns[span, j], measure) if inside else NAN for i, j in zip(a, b, strict=True)]
    return np.array(out)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("sessions", [5, 8, 60, 90, 131])  # shorter, longer and no multiple of the eight sums; one to three words of days
def test_against_a_plain_loop(sessions: int, measure: PairMeasure) -> None:
    returns, rows = drawn(sessions, 230, 37), np.array([sessions - 2, sessions - 1, 150, 229])  # more assets than a tile
    starts, a, b = panel_of(rows.size, 37)
    found = panel_correlations(returns, rows, starts, a, b, sessions=sessions, measure=measure)
    wanted = naive(returns, [int(row) - sessions + 1 for row in rows], sessions, measure)
    # 131 products of order 1 to 50 over n: rounding stays below 1e-13
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    assert np.isnan(found[: a.size // rows.size]).all()  # one row short at the start
    assert 0.2 < np.isfinite(found).mean() < 0.75


@pytest.mark.parametrize("measure", MEASURES)
def test_forward_against_a_plain_loop(measure: PairMeasure) -> None:
    returns, rows = drawn(1, 120, 12), np.array([0, 40, 59, 60, 119])
    starts, a, b = panel_of(rows.size, 12)
    found = forward_correlations(returns, rows, starts, a, b, sessions=60, measure=measure)
    np.testing.assert_allclose(found, naive(returns, [1, 41, 60, 61, 120], 60, measure), rtol=0, atol=1e-12)  # as above
    by_vintage = np.isfinite(found.reshape(5, -1)).any(axis=1)
    assert by_vintage.tolist() == [True, True, True, False, False]  # row 59 is the last one with 60 rows after it


def test_complete_data_against_numpy_and_scipy() -> None:
    returns = np.random.default_rng(0).standard_t(3, size=(90, 20))
    a, b = all_pairs(20)
    matrix = np.corrcoef(returns.T)[a, b]
    for measure in MEASURES:  # without missing days the two measures are one
        found = panel_correlations(returns, np.array([89]), np.array([0, a.size]), a, b, sessions=90, measure=measure)
        np.testing.assert_allclose(found, matrix, rtol=0, atol=1e-14)  # sums of 90 products over 90
    by_scipy = [stats.pearsonr(returns[:, i], returns[:, j]).statistic for i, j in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, by_scipy, rtol=0, atol=1e-14)


def test_pearson_with_gaps_against_numpy() -> None:
    returns = np.random.default_rng(3).standard_t(3, size=(90, 2))
    returns[:20, 0], returns[70:, 1] = NAN, NAN
    one = {"sessions": 90, "rows": np.array([89]), "starts": np.array([0, 1]), "a": np.array([0], np.int32), "b": np.array([1], np.int32)}
    found = panel_correlations(returns, measure="pearson", **one)  # type: ignore[arg-type]
    assert found[0] == pytest.approx(np.corrcoef(returns[20:70].T)[0, 1], abs=1e-14)
    assert panel_correlations(returns, measure="shrunk", **one)[0] != pytest.approx(found[0], abs=1e-3)  # type: ignore[arg-type]


@kernel
def products(block: FloatArray, out: FloatArray) -> None:
    """Every row with every row."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = row_product(block, i, j)


@pytest.mark.parametrize("length", [0, 8, 16, 96])
def test_sums_are_added_in_the_stated_order(length: int) -> None:
    block, found = np.random.default_rng(length).standard_normal((5, length)), np.empty((5, 5))
    products(block, found)
    for i in range(5):
        for j in range(5):
            sums = [0.0] * 8
            for t in range(length):
                sums[t % 8] += float(block[i, t] * block[j, t])
            s = [x + y for x, y in zip(sums[:4], sums[4:], strict=True)]
            assert found[i, j] == (s[0] + s[2]) + (s[1] + s[3])  # to the bit: no fused or reordered additions on any machine


def test_only_rows_that_lie_in_one_piece_are_multiplied() -> None:
    with pytest.raises(TypingError):
        products(np.zeros((8, 3)).T, np.empty((3, 3)))


def test_by_hand() -> None:
    # window of 6; z of x: (1, 2, 3, 4) on days 0..3 -> (-3, -1, 1, 3) / sqrt(5); z of y: (4, 3, 2, 1) on days 2..5, the other way round
    x = np.array([1.0, 2, 3, 4, NAN, NAN])
    y = np.array([NAN, NAN, 4.0, 3, 2, 1])
    made = window(np.stack([x, y], axis=1), first=0, last=6).pairs(np.array([0], np.int32), np.array([1], np.int32))
    assert made.overlap.tolist() == [2]
    assert made.rho[0] == pytest.approx((1 * 3 + 3 * 1) / 5 / 4, abs=1e-15)  # two common days, but two thirds of the window are 4


def test_it_can_pass_one_and_is_not_clipped() -> None:
    # calm where the other is missing, loud on the 60 common days: there both z have a mean square of 75 / 60
    loud = np.tile([1.0, -1.0], 30)
    x, y = np.full(90, NAN), np.full(90, NAN)
    x[:60], y[:60] = loud, loud
    x[60:75], y[75:] = 0.0, 0.0
    a, b = np.array([0], np.int32), np.array([1], np.int32)
    block = np.stack([x, y], axis=1)
    assert window(block, first=0, last=90).pairs(a, b).rho[0] == pytest.approx(75 / 60, abs=1e-14)
    pearson = panel_correlations(block, np.array([89]), np.array([0, 1]), a, b, sessions=90, measure="pearson")
    assert pearson[0] == pytest.approx(1.0, abs=1e-14)


def test_half_of_the_window_is_needed_and_enough() -> None:
    rng = np.random.default_rng(5)
    block = rng.standard_normal((90, 5))
    block[45:, 0] = NAN  # 45 of 90: enough
    block[44:, 1] = NAN  # one fewer
    block[:45, 2] = NAN  # enough, but no day in common with column 0
    block[:1, 3] = NAN  # 44 days in common with column 0
    a, b = all_pairs(5)
    made = window(block, first=0, last=90)
    assert made.usable.tolist() == [True, False, True, True, True]
    rho = dict(zip(zip(a.tolist(), b.tolist(), strict=True), made.pairs(a, b).rho.tolist(), strict=True))
    assert {pair for pair, value in rho.items() if math.isnan(value)} == {(0, 1), (0, 2), (1, 2), (1, 3), (1, 4)}
    pearson = panel_correlations(block, np.array([89]), np.array([0, a.size]), a, b, sessions=90, measure="pearson")
    assert {pair for pair, value in zip(rho, pearson.tolist(), strict=True) if math.isnan(value)} == {
        *((0, 1), (0, 2), (1, 2), (1, 3), (1, 4)),
        (0, 3),  # 44 common days give no ordinary correlation
    }


@pytest.mark.parametrize("level", [0.0, 0.01, 0.1 + 0.2, -1e-9, 1e6])
@pytest.mark.parametrize("days", [90, 67])
def test_a_constant_return_has_no_correlation_whatever_rounding_leaves(level: float, days: int) -> None:
    block = np.random.default_rng(6).standard_normal((90, 3))
    block[:, 0] = NAN
    block[:days, 0] = level
    block[:, 2] = level + 1e-9 * abs(level) * block[:, 2] if level else 1e-300 * block[:, 2]  # hardly varies, but does
    a, b = all_pairs(3)
    made = window(block, first=0, last=90)
    assert made.usable.tolist() == [False, True, level != 0.0]  # squares of 1e-300 are 0
    for measure in MEASURES:
        found = panel_correlations(block, np.array([89]), np.array([0, 3]), a, b, sessions=90, measure=measure)
        assert np.isnan(found[:2]).all()


def test_pearson_is_null_where_one_is_constant_over_the_common_days() -> None:
    block = np.random.default_rng(7).standard_normal((90, 2))
    block[:60, 0] = 0.01  # varies over its own days, not over the common ones
    block[60:, 1] = NAN
    a, b = np.array([0], np.int32), np.array([1], np.int32)
    one = np.array([89]), np.array([0, 1]), a, b
    assert np.isnan(panel_correlations(block, *one, sessions=90, measure="pearson")[0])
    assert np.isfinite(panel_correlations(block, *one, sessions=90)[0])


@pytest.mark.parametrize("measure", MEASURES)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100.0), shift=st.floats(-1.0, 1.0))
def test_units_do_not_matter(measure: PairMeasure, seed: int, scale: float, shift: float) -> None:
    returns = np.random.default_rng(seed).standard_normal((40, 4))
    returns[np.random.default_rng(seed + 1).random(returns.shape) < 0.2] = NAN
    starts, a, b = panel_of(1, 4)
    plain = panel_correlations(returns, np.array([39]), starts, a, b, sessions=40, measure=measure)
    other = panel_correlations(scale * returns + shift, np.array([39]), starts, a, b, sessions=40, measure=measure)
    # a shift of up to 100 times the spread costs two digits and a half
    np.testing.assert_allclose(other, plain, rtol=0, atol=1e-12)
    turned = panel_correlations(-returns, np.array([39]), starts, a, b, sessions=40, measure=measure)
    np.testing.assert_array_equal(turned, plain)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_pair_has_the_same_bits_whatever_else_is_in_the_call(measure: PairMeasure) -> None:
    returns, rows = drawn(8, 150, 70), np.array([95, 149])
    starts, a, b = panel_of(2, 70)
    whole = panel_correlations(returns, rows, starts, a, b, sessions=90, measure=measure)
    assert np.isfinite(whole).any()
    np.testing.assert_array_equal(panel_correlations(returns, rows, starts, b, a, sessions=90, measure=measure), whole)  # symmetric
    some = np.sort(np.random.default_rng(1).choice(a.size, 50, replace=False))
    part = panel_correlations(
        returns, rows, np.searchsorted(some, starts), a[some], b[some], sessions=90, measure=measure
    )  # other pairs of both vintages
    np.testing.assert_array_equal(part, whole[some])
    order = np.random.default_rng(2).permutation(70)
    place = np.argsort(order).astype(np.int32)
    moved = panel_correlations(returns[:, order], rows, starts, place[a], place[b], sessions=90, measure=measure)
    np.testing.assert_array_equal(moved, whole)
    two = returns[:, [11, 57]]  # no asset but the two
    pair = np.flatnonzero((a == 11) & (b == 57))
    alone = panel_correlations(two, rows, np.arange(3), np.zeros(2, np.int32), np.ones(2, np.int32), sessions=90, measure=measure)
    np.testing.assert_array_equal(alone, whole[pair])
    np.testing.assert_array_equal(  # date-major or not
        panel_correlations(np.asfortranarray(returns), rows, starts, a, b, sessions=90, measure=measure), whole
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_appended_rows_change_no_earlier_vintage(measure: PairMeasure) -> None:
    returns, rows = drawn(9, 200, 20), np.array([89, 120, 140])
    starts, a, b = panel_of(3, 20)
    whole = panel_correlations(returns, rows, starts, a, b, sessions=90, measure=measure)
    cut = panel_correlations(returns[:141], rows, starts, a, b, sessions=90, measure=measure)
    np.testing.assert_array_equal(cut, whole)
    later = returns.copy()
    later[141:] = np.random.default_rng(1).standard_normal((59, 20))
    np.testing.assert_array_equal(panel_correlations(later, rows, starts, a, b, sessions=90, measure=measure), whole)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_windows_hold_exactly_their_rows(measure: PairMeasure) -> None:
    returns = np.random.default_rng(10).standard_normal((300, 4))
    starts, a, b = panel_of(1, 4)
    row = np.array([150])

    def both(block: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (
            panel_correlations(block, row, starts, a, b, sessions=90, measure=measure),
            forward_correlations(block, row, starts, a, b, sessions=60, measure=measure),
        )

    trailing, forward = both(returns)
    for spike, in_trailing, in_forward in ((60, 0, 0), (61, 1, 0), (150, 1, 0), (151, 0, 1), (210, 0, 1), (211, 0, 0)):
        loud = returns.copy()
        loud[spike] = 1e3 * np.arange(1.0, 5.0)
        found = both(loud)
        assert (found[0] != trailing).all() == (found[0] != trailing).any() == bool(in_trailing), spike
        assert (found[1] != forward).all() == (found[1] != forward).any() == bool(in_forward), spike


def test_sessions_and_measure_matter() -> None:
    returns, rows = drawn(11, 150, 12), np.array([149])
    starts, a, b = panel_of(1, 12)
    for correlations in (panel_correlations, forward_correlations):
        at = rows if correlations is panel_correlations else np.array([0])
        plain = correlations(returns, at, starts, a, b, sessions=90)
        usable = np.isfinite(plain)
        for other in (
            correlations(returns, at, starts, a, b, sessions=80),
            correlations(returns, at, starts, a, b, sessions=90, measure="pearson"),
        ):
            assert not np.allclose(other[usable], plain[usable], atol=1e-6, equal_nan=True)


def test_the_number_of_workers_changes_no_bit() -> None:
    returns, rows = drawn(12, 260, 40), np.arange(89, 260, 7)
    starts, a, b = panel_of(rows.size, 40)
    made = []
    for count in (1, 2, 3):
        with parallel.workers(count):
            seen = window(returns, first=10, last=100)
            made.append(
                [panel_correlations(returns, rows, starts, a, b, sessions=90, measure=measure) for measure in MEASURES]
                + [seen.z, seen.pairs(a, b).rho]
            )
    for one, two, three in zip(*made, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_one_window_has_the_bits_of_the_panel_and_the_numbers_of_its_rows(missing: float) -> None:
    returns = drawn(13, 130, 40, missing=missing) if missing else np.random.default_rng(13).standard_normal((130, 40))
    a, b = all_pairs(40)
    seen = window(returns, first=20, last=110)
    made = seen.pairs(a, b)
    found = panel_correlations(returns, np.array([109]), np.array([0, a.size]), a, b, sessions=90)
    np.testing.assert_array_equal(made.rho, found)
    valid = np.isfinite(returns[20:110])
    assert made.overlap.tolist() == (valid[:, a] & valid[:, b]).sum(axis=0).tolist()
    assert seen.z.shape == (40, 90)
    assert seen.z.flags.c_contiguous
    assert not seen.z[~valid.T].any()
    assert not seen.z[~seen.usable].any()
    np.testing.assert_allclose(seen.z[seen.usable].sum(axis=1), 0.0, atol=1e-12)  # sums of at most 90 numbers of order 1
    np.testing.assert_allclose((seen.z[seen.usable] ** 2).sum(axis=1), valid.sum(axis=0)[seen.usable], rtol=1e-13)
    asked = np.array([39, 4, 17])
    rows = seen.rows(asked)
    table = np.full((40, 40), NAN)
    table[a, b] = table[b, a] = made.rho
    off = ~np.eye(40, dtype=bool)[asked]
    np.testing.assert_allclose(rows[off], table[asked][off], rtol=0, atol=1e-12)  # the same sums in another order
    own = np.where(seen.usable, valid.sum(axis=0) / np.maximum(valid.sum(axis=0), 60.0), NAN)
    np.testing.assert_allclose(rows[~off], own[asked], rtol=0, atol=1e-13)


def test_pairs_need_not_be_sorted_and_may_repeat() -> None:
    returns = drawn(14, 90, 15, missing=0.1)
    a, b = all_pairs(15)
    order = np.random.default_rng(0).integers(0, a.size, 300)
    seen = window(returns, first=0, last=90)
    np.testing.assert_array_equal(seen.pairs(a[order], b[order]).rho, seen.pairs(a, b).rho[order])


def test_nothing_asked_is_nothing_found() -> None:
    none, returns = np.zeros(0, np.int32), drawn(15, 90, 5)
    assert panel_correlations(returns, np.array([89]), np.array([0, 0]), none, none, sessions=90).size == 0
    assert panel_correlations(returns, np.zeros(0, np.int64), np.array([0]), none, none, sessions=90).size == 0
    assert window(returns, first=0, last=90).pairs(none, none).rho.size == 0


def test_the_input_stays_as_it_was() -> None:
    returns = drawn(16, 90, 6)
    before, (starts, a, b) = returns.copy(), panel_of(1, 6)
    for measure in MEASURES:
        panel_correlations(returns, np.array([89]), starts, a, b, sessions=90, measure=measure)
    window(returns, first=0, last=90).pairs(a, b)
    np.testing.assert_array_equal(returns, before)


def test_what_cannot_be_run_is_refused() -> None:
    returns = drawn(17, 100, 6)
    starts, a, b = panel_of(1, 6)
    row = np.array([95])
    for first, last in ((-1, 50), (20, 101), (30, 30), (40, 30)):
        with pytest.raises(SettingError, match=rf"rows {first} to {last} of a block of 100 rows: it must lie inside"):
            window(returns, first=first, last=last)
    with pytest.raises(SettingError, match="at least 2 sessions, not 1"):
        window(returns, first=5, last=6)
    with pytest.raises(SettingError, match="at least 2 sessions, not 0"):
        panel_correlations(returns, row, starts, a, b, sessions=0)
    with pytest.raises(SettingError, match="measure must be one of shrunk, pearson, not 'kendall'"):
        windowed_correlations(returns, row, starts, a, b, sessions=5, measure="kendall")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="b holds columns 1 to 6; those of the block are 0 to 5"):
        panel_correlations(returns, row, starts, a, b + np.int32(b == 5), sessions=90)
    with pytest.raises(SettingError, match="a holds columns -1 to 4"):
        window(returns, first=0, last=90).pairs(np.where(a == 0, -1, a).astype(np.int32), b)
    with pytest.raises(SettingError, match="two lists of one length"):
        panel_correlations(returns, row, starts, a[1:], b, sessions=90)
    for wrong in (np.array([0]), np.array([0, a.size - 1]), np.array([1, a.size]), np.array([0, a.size, a.size])):
        with pytest.raises(SettingError, match="starts must rise from 0 to the number of pairs"):
            panel_correlations(returns, row, wrong, a, b, sessions=90)
    with pytest.raises(SettingError, match="starts must rise"):
        panel_correlations(returns, np.array([95, 96]), np.array([0, a.size + 1, a.size]), a, b, sessions=90)


@pytest.mark.parametrize(("names", "days"), [(1, 60), (2, 60), (30, 60), (60, 60), (300, 60), (5, 2)])
def test_shrinkage_against_scikit_learn(names: int, days: int) -> None:
    rng = np.random.default_rng(names)
    z = rng.standard_normal((names, days)) + 0.7 * rng.standard_normal(days)
    # the same sums over the other Gram matrix
    assert ledoit_wolf_shrinkage(z) == pytest.approx(covariance.ledoit_wolf_shrinkage(z.T), abs=1e-12)
    assert ledoit_wolf_shrinkage(3.0 * z + 1.0) == pytest.approx(ledoit_wolf_shrinkage(z), abs=1e-11)


def test_shrinkage_against_explicit_loops() -> None:
    z = np.random.default_rng(2).standard_normal((4, 7)) * np.array([[1.0], [2.0], [0.5], [1.5]])
    x = z - z.mean(axis=1, keepdims=True)
    p, n = x.shape
    cov = x @ x.T / n
    mean = np.trace(cov) / p
    d2 = sum((cov[i, j] - mean * (i == j)) ** 2 for i in range(p) for j in range(p)) / p
    b2 = sum((x[i, t] * x[j, t] - cov[i, j]) ** 2 for t in range(n) for i in range(p) for j in range(p)) / p / n**2
    assert 0 < b2 / d2 < 1
    assert ledoit_wolf_shrinkage(z) == pytest.approx(b2 / d2, rel=1e-12)  # some hundred products of order 1


def test_shrinkage_refuses_what_it_cannot_use() -> None:
    z = np.ones((3, 5))
    z[1, 2], z[2, 2] = NAN, NAN
    with pytest.raises(SettingError, match="complete series; 2 numbers are missing: leave those names out"):
        ledoit_wolf_shrinkage(z)
    for shape in ((3, 1), (0, 5), (5,)):
        with pytest.raises(InsufficientDataError, match="at least 1 name and 2 days"):
            ledoit_wolf_shrinkage(np.zeros(shape))
    assert ledoit_wolf_shrinkage(np.ones((3, 5))) == 0.0  # nothing varies: nothing to shrink
