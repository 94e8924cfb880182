"""One scale for all: against a plain loop from METHODS §4, and what the scale promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError
from pureplay.factors.standardise import combine, standardise
from pureplay.panel import BoolArray, FloatArray

SHAPE = (12, 60)


def block(seed: int) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Values with heavy tails, holes, an infinite and a constant date; caps with holes."""
    rng = np.random.default_rng(seed)
    values = rng.standard_t(2, SHAPE) * 10.0 ** rng.integers(-3, 4) + rng.normal(0, 5)
    values[rng.random(SHAPE) < 0.1] = np.nan
    values[2, 3] = np.inf
    values[5] = 0.1
    caps = np.exp(rng.normal(22, 1.5, SHAPE))
    caps[rng.random(SHAPE) < 0.1] = np.nan
    caps[3, 4] = 0.0
    return values, rng.random(SHAPE) < 0.9, caps


def naive(values: FloatArray, eligible: BoolArray, caps: FloatArray, limit: float | None) -> FloatArray:
    out = np.full(values.shape, np.nan)
    for t in range(values.shape[0]):
        use = [i for i in range(values.shape[1]) if eligible[t, i] and np.isfinite(values[t, i])]
        x = values[t, use]
        if limit is not None and x.size:
            x = np.clip(x, x.mean() - limit * x.std(), x.mean() + limit * x.std())
        if x.size == 0 or np.ptp(x) == 0:
            continue
        weigh = np.isfinite(caps[t, use]) & (caps[t, use] > 0)
        if not weigh.any():
            continue
        mean = np.average(x[weigh], weights=caps[t, use][weigh])
        out[t, use] = (x - mean) / np.sqrt(np.mean((x - x.mean()) ** 2))
    return out


@pytest.mark.parametrize("limit", [3.0, 1.5, None])
@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_equals_a_plain_loop(seed: int, limit: float | None) -> None:
    values, eligible, caps = block(seed)
    found = standardise(values, eligible, caps, winsorise_sd=limit)
    wanted = naive(values, eligible, caps, limit)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11)  # two orders of summation of 60 numbers of sd 1, far from 0 at most
    assert np.isnan(found[5]).all()
    assert np.isfinite(found).sum() > 400


def test_the_scale_is_cap_weighted_mean_0_and_sd_1() -> None:
    values, eligible, caps = block(1)
    found = standardise(values, eligible, caps)
    for t in set(range(SHAPE[0])) - {5}:
        known = np.isfinite(found[t])
        weigh = known & np.isfinite(caps[t])
        assert abs(np.average(found[t, weigh], weights=caps[t, weigh])) < 1e-12  # rounding of a mean of numbers of sd 1
        assert abs(found[t, known].std() - 1) < 1e-12
        assert np.isnan(found[t, ~eligible[t]]).all()


def test_a_stock_without_a_cap_gets_a_value_and_moves_no_mean() -> None:
    values, eligible, caps = block(2)
    eligible[:], values[0] = True, np.linspace(-1, 1, SHAPE[1])
    bare = caps.copy()
    bare[0, 7] = np.nan
    found = standardise(values, eligible, bare)
    assert np.isfinite(found[0, 7])
    others = np.delete(np.arange(SHAPE[1]), 7)
    weigh = others[np.isfinite(bare[0, others])]
    assert abs(np.average(found[0, weigh], weights=bare[0, weigh])) < 1e-12
    bare[0] = np.nan
    assert np.isnan(standardise(values, eligible, bare)[0]).all()  # no cap at all: there is no such mean


def test_winsorising_matters_and_is_about_the_clipped_sample() -> None:
    values, eligible, caps = np.zeros((1, 50)), np.ones((1, 50), dtype=bool), np.ones((1, 50))
    values[0, :49], values[0, 49] = np.linspace(-1, 1, 49), 10.0
    clipped, wild = standardise(values, eligible, caps), standardise(values, eligible, caps, winsorise_sd=None)
    assert clipped[0, 49] < wild[0, 49] - 0.1
    assert abs(clipped.std() - 1) < 1e-12


@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50))
def test_unit_and_origin_do_not_matter(seed: int, unit: float, origin: float) -> None:
    values, eligible, caps = block(seed % 7)
    values[5] = np.nan  # rounding may tell a scaled constant from itself
    values[2, 3] = np.nan
    scale = np.nanstd(values)
    one, other = standardise(values, eligible, caps), standardise(values * unit + origin * scale * unit, eligible, caps)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)  # the shift costs two digits, heavy tails up to two more


@given(st.integers(0, 10_000))
def test_a_stock_that_is_not_eligible_and_other_dates_change_nothing(seed: int) -> None:
    values, eligible, caps = block(seed % 7)
    found = standardise(values, eligible, caps)
    rng = np.random.default_rng(seed)
    other = np.where(eligible, values, rng.normal(0, 1e6, SHAPE))
    assert standardise(other, eligible, caps).tobytes() == found.tobytes()
    t = int(rng.integers(1, SHAPE[0]))
    assert standardise(values[:t], eligible[:t], caps[:t]).tobytes() == found[:t].tobytes()


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan, np.inf])
def test_a_limit_out_of_range_is_refused(limit: float) -> None:
    values, eligible, caps = block(0)
    with pytest.raises(SettingError, match="winsorise_sd must be a number of sds above 0"):
        standardise(values, eligible, caps, winsorise_sd=limit)


@pytest.mark.parametrize("workers", ["2", "3"])
def test_the_bits_do_not_depend_on_the_workers(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values, eligible, caps = block(3)

    def both() -> bytes:
        scaled = standardise(values, eligible, caps)
        return scaled.tobytes() + combine([(scaled, 0.3), (caps, 0.7)]).tobytes()

    monkeypatch.setenv("PUREPLAY_WORKERS", "1")
    one = both()
    monkeypatch.setenv("PUREPLAY_WORKERS", workers)
    assert both() == one


def test_a_sum_rescales_the_weights_of_what_is_there_and_needs_half_of_them() -> None:
    nan = np.nan
    first = np.array([[1.0, nan, 1.0, nan, nan]])
    second = np.array([[2.0, 2.0, nan, 2.0, nan]])
    third = np.array([[4.0, 4.0, 4.0, nan, nan]])
    found = combine(iter([(first, 0.35), (second, 0.35), (third, 0.30)]))
    wanted = [[0.35 + 0.7 + 1.2, (0.7 + 1.2) / 0.65, (0.35 + 1.2) / 0.65, nan, nan]]
    np.testing.assert_allclose(found, wanted, rtol=1e-15)  # the same few operations
    half = combine([(first, 0.5), (third, 0.5)])
    np.testing.assert_allclose(half, [[2.5, 4.0, 2.5, nan, nan]], rtol=1e-15)  # exactly half is enough
    assert np.isnan(combine([(first, 0.49), (third, 0.51)])[0, 3])
    assert np.isnan(combine([(first, 0.6), (third, 0.4)])[0, 1])
    assert combine([(first, 0.6), (third, 0.4)], least_weight=0.3)[0, 1] == 4.0
