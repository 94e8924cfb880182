"""Forward returns against a plain loop: entry, suspension, delisting, total loss, end of data."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.lookahead import compound_forward


def naive_forward(returns: FloatArray, traded: BoolArray, sessions: int, delay: int) -> FloatArray:
    """METHODS §5: enter at the close of t + delay, hold `sessions`, a missing day counts 0."""
    out = np.full(returns.shape, np.nan)
    for t in range(returns.shape[0] - delay - sessions):
        inside = returns[t + delay + 1 : t + delay + sessions + 1]
        grown = np.prod(1 + np.where(np.isnan(inside), 0.0, inside), axis=0) - 1
        out[t] = np.where(traded[t + delay], grown, np.nan)
    return out


def drawn(seed: int, rows: int, assets: int) -> tuple[FloatArray, BoolArray]:
    """Returns with suspensions, late listings and delistings."""
    rng = np.random.default_rng(seed)
    returns = np.maximum(0.03 * rng.standard_t(3, size=(rows, assets)), -1)
    returns[rng.random(returns.shape) < 0.05] = np.nan
    for i in range(0, assets, 4):
        returns[: rng.integers(0, rows), i] = np.nan
    for i in range(1, assets, 4):
        returns[rng.integers(0, rows) :, i] = np.nan
    return returns, np.isfinite(returns)


@pytest.mark.parametrize(("sessions", "delay"), [(1, 1), (5, 1), (20, 1), (20, 3), (60, 1), (20, 0), (99, 1), (200, 1)])
def test_forward_equals_the_loop(sessions: int, delay: int) -> None:
    returns, traded = drawn(sessions, 100, 70)
    found = compound_forward(returns, traded, sessions=sessions, delay=delay, same_close=delay == 0)
    # products in another order, twenty factors near 1
    np.testing.assert_allclose(found, naive_forward(returns, traded, sessions, delay), rtol=1e-11, atol=1e-14)
    assert np.isnan(found[max(0, 100 - delay - sessions) :]).all()


def one(returns: list[float], sessions: int, **more: Any) -> FloatArray:
    """Forward returns of one stock that trades wherever it has a return."""
    block = np.array(returns)[:, None]
    return compound_forward(block, np.isfinite(block), sessions=sessions, **more)[:, 0]


def test_by_hand() -> None:
    nan = np.nan
    # filed under t: enter at the close of t + 1, so the return of t + 2 is the first one earned
    np.testing.assert_allclose(one([0.5, 0.5, 0.1, 0.2], 2), [1.1 * 1.2 - 1, nan, nan, nan])
    np.testing.assert_allclose(one([0.5, 0.5, 0.1, 0.2], 1), [0.1, 0.2, nan, nan])
    np.testing.assert_allclose(one([0.5, 0.5, 0.1, 0.2], 1, delay=0, same_close=True), [0.5, 0.1, 0.2, nan])
    np.testing.assert_allclose(one([0.5, 0.5, 0.1, 0.2], 1, delay=2), [0.2, nan, nan, nan])


def test_a_suspension_waits_and_entry_in_it_is_impossible() -> None:
    nan = np.nan
    # sessions 2 and 3 suspended; the return of session 4 spans the gap
    found = one([0.0, 0.1, nan, nan, 0.3, 0.1], 3)
    np.testing.assert_allclose(found, [0.3, nan, nan, nan, nan, nan])  # t = 1 would enter on session 2
    np.testing.assert_allclose(one([0.0, 0.1, nan, nan, 0.3, 0.1], 2), [0.0] + [nan] * 5)


def test_a_delisted_stock_is_paid_its_last_price_and_sits_in_cash() -> None:
    nan = np.nan
    found = one([0.0, 0.0, -0.2, -0.5, nan, nan, nan, nan], 4)
    np.testing.assert_allclose(found, [0.8 * 0.5 - 1, -0.5, 0.0, nan, nan, nan, nan, nan])


def test_a_total_loss_is_for_ever_inside_its_window_and_nowhere_else() -> None:
    returns = [0.1] * 30
    returns[12] = -1.0
    found = one(returns, 5)
    hit = np.arange(12 - 6, 12 - 1)  # windows t + 2 … t + 6 that hold session 12
    np.testing.assert_array_equal(found[hit], -1.0)
    clear = np.setdiff1d(np.arange(24), hit)
    np.testing.assert_allclose(found[clear], 1.1**5 - 1, rtol=1e-13)


def test_a_bar_without_a_return_can_be_entered() -> None:
    returns = np.array([[0.0], [np.nan], [0.1], [0.1]])
    traded = np.array([[True], [True], [True], [True]])  # the first day after listing has no return
    assert compound_forward(returns, traded, sessions=1)[0, 0] == pytest.approx(0.1)


@given(seed=st.integers(0, 2**16), cut=st.integers(30, 79))
def test_only_the_window_counts(seed: int, cut: int) -> None:
    returns, traded = drawn(seed, 80, 5)
    whole = compound_forward(returns, traded, sessions=7)
    part = compound_forward(returns[:cut], traded[:cut], sessions=7)
    np.testing.assert_array_equal(part[: cut - 8], whole[: cut - 8])
    assert np.isnan(part[cut - 8 :]).all()
    later = compound_forward(returns[10:], traded[10:], sessions=7)
    np.testing.assert_allclose(later, whole[10:], rtol=1e-12, atol=1e-14)  # blocks of the product start elsewhere


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sessions": 0}, "sessions must be at least 1"),
        ({"sessions": 5, "delay": 0}, "same_close=True asks for it"),
        ({"sessions": 5, "delay": -1}, "delay must be at least 1"),
        ({"sessions": 5, "delay": -1, "same_close": True}, "same_close means delay 0"),
        ({"sessions": 5, "same_close": True}, "same_close means delay 0, but delay is 1"),
    ],
)
def test_a_look_at_the_future_must_be_asked_for(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        compound_forward(np.zeros((9, 1)), np.ones((9, 1), dtype=bool), **settings)
