"""ICIRs of bootstrap draws against a plain loop over the draws."""

import numpy as np
import pytest

from pureplay.parallel import workers
from pureplay.stats.bootstrap import drawn_icirs


def draws_of(rng: np.random.Generator, draws: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    fresh = rng.random((draws, length)) < 0.1
    fresh[:, 0] = True
    return fresh, rng.integers(0, length, (draws, length))


def naive(series: np.ndarray, group: np.ndarray, groups: int, fresh: np.ndarray, start: np.ndarray, fewest: int) -> np.ndarray:
    out = np.full((groups, fresh.shape[0]), np.nan)
    for draw in range(fresh.shape[0]):
        at, drawn = 0, []
        for t in range(series.size):
            at = start[draw, t] if fresh[draw, t] else (at + 1) % series.size
            drawn.append(series[at])
        for g in range(groups):
            values = np.array(drawn)[group == g]
            values = values[np.isfinite(values)]
            if values.size >= fewest and values.std() > 0:
                out[g, draw] = values.mean() / values.std(ddof=1)
    return out


@pytest.mark.parametrize("seed", range(4))
def test_every_draw_equals_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    series = rng.standard_normal(97) * 0.05
    series[rng.random(97) < 0.2] = np.nan
    group = rng.integers(0, 5, 97)
    fresh, start = draws_of(rng, 40, 97)
    found = drawn_icirs(series, group, 5, fresh, start, fewest=3)
    # the same numbers added up in another order
    np.testing.assert_allclose(found, naive(series, group, 5, fresh, start, 3), rtol=1e-11, atol=1e-13)
    assert np.isfinite(found).any()


def test_a_group_needs_its_fewest_values() -> None:
    rng = np.random.default_rng(0)
    fresh, start = draws_of(rng, 30, 12)
    group = np.array([0] * 9 + [1] * 3)
    few, many = (drawn_icirs(rng.standard_normal(12), group, 2, fresh, start, fewest=each) for each in (3, 4))
    assert np.isfinite(few[1]).all()
    assert np.isnan(many[1]).all()
    assert np.isfinite(many[0]).all()


def test_the_number_of_workers_changes_no_bit() -> None:
    rng = np.random.default_rng(1)
    series, group = rng.standard_normal(300), rng.integers(0, 20, 300)
    fresh, start = draws_of(rng, 64, 300)
    made = []
    for count in (1, 2, 3):
        with workers(count):
            made.append(drawn_icirs(series, group, 20, fresh, start, fewest=3))
    assert made[0].tobytes() == made[1].tobytes() == made[2].tobytes()
