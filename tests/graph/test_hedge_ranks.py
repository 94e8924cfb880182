"""Ranking within runs against scipy and plain sorting."""

import numpy as np
import pytest
from scipy.stats import rankdata

from pureplay.graph.hedge_ranks import average_ranks, best_first, run_starts

PLACE = np.repeat([0, 2, 3, 7], [5, 1, 40, 3]).astype(np.int64)


def scores(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 12, PLACE.size) / 4.0  # many ties


def test_runs_are_where_the_place_changes() -> None:
    assert run_starts(PLACE).tolist() == [0, 5, 6, 46, 49]
    assert run_starts(PLACE[:0]).tolist() == [0]


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_those_of_scipy_run_by_run(seed: int) -> None:
    values = scores(seed)
    wanted = np.concatenate([rankdata(values[place == PLACE]) for place in np.unique(PLACE)])
    assert np.array_equal(average_ranks(values, run_starts(PLACE)), wanted)  # halves of whole numbers are exact


@pytest.mark.parametrize("seed", range(3))
def test_the_best_come_first_equals_in_their_order_and_nan_not_at_all(seed: int) -> None:
    values, peer = scores(seed), np.random.default_rng(seed + 10).permutation(PLACE.size).astype(np.int64)
    values[::7] = np.nan
    found = best_first(PLACE, peer, values, run_starts(PLACE), size=9, most=4)
    for place in range(9):
        known = [k for k in range(PLACE.size) if PLACE[k] == place and not np.isnan(values[k])]
        wanted = [int(peer[k]) for k in sorted(known, key=lambda k: -values[k])][:4]  # sorted() is stable
        assert found[place].tolist() == wanted + [-1] * (4 - len(wanted))


def test_nothing_to_rank_gives_empty_lists() -> None:
    none = np.empty(0, dtype=np.int64)
    assert best_first(none, none, np.empty(0), run_starts(none), size=2, most=3).tolist() == [[-1] * 3] * 2
    assert average_ranks(np.empty(0), run_starts(none)).size == 0
