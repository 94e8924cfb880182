"""What chance does as well as a score, by itself and as the best of many."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pureplay.evaluate.deciding import beats_chance, is_bound, luck_of_best
from pureplay.evaluate.records import ICSummary
from tests.reports.factory import NAN, offset_null, summary


def found(icir: float, p: float, width: float = 0.25) -> ICSummary:
    return replace(summary(), icir=icir, null=offset_null(width, p))


@pytest.mark.parametrize("trials", [1, 2, 14])
@pytest.mark.parametrize("icir", [0.2, -0.2])
def test_the_luck_of_the_best_is_that_of_a_simulation(icir: float, trials: int) -> None:
    """Draws of a normal null: how often the best of them lies at or above the figure."""
    rng = np.random.default_rng(trials)
    draws = rng.normal(scale=0.15, size=200_000)
    p = float((np.abs(draws) >= abs(icir)).mean())
    best = rng.normal(scale=0.15, size=(20_000, trials)).max(axis=1)
    # a share of 20,000 is known to 0.35 points at worst: four of them, and two of the p of 200,000 draws, 14 times over
    assert luck_of_best(found(icir, p), trials) == pytest.approx((best >= icir).mean(), abs=0.02)


def test_the_luck_of_a_worthless_best_is_even() -> None:
    """That is what makes it a p: for the best of 14 that know nothing it lies below each level as often as the level says."""
    rng, inside = np.random.default_rng(0), 0
    draws = np.sort(np.abs(rng.normal(size=20_000)))
    for best in rng.normal(size=(500, 14)).max(axis=1):
        p = (draws.size - np.searchsorted(draws, abs(best)) + 1) / (draws.size + 1)
        inside += luck_of_best(found(float(best), float(p)), 14) <= 0.2
    assert 64 <= inside <= 136  # binomial(500, 0.2): four sd either side


@pytest.mark.parametrize(
    ("icir", "p", "trials", "beats"),
    [
        (0.352, 0.004, 1, True),
        (0.352, 0.004, 12, True),
        (0.352, 0.004, 13, False),  # 1 - 0.998^13 = 2.6 %
        (0.24, 0.004, 1, False),  # inside the band
        (-0.352, 0.004, 1, False),
        (0.0, 1.0, 1, False),
        (0.352, 1 / 1001, 14, True),
        (0.352, 1 / 1001, 1000, None),  # 1000 draws cannot tell
        (NAN, 0.004, 1, None),
    ],
)
def test_a_score_beats_chance_or_not_or_it_cannot_be_told(icir: float, p: float, trials: int, beats: bool | None) -> None:
    assert beats_chance(found(icir, p), trials) is beats


def test_without_a_null_only_the_sign_tells() -> None:
    unknown = replace(summary(), null=None)
    assert beats_chance(unknown, 1) is None
    assert beats_chance(replace(unknown, icir=-0.1), 1) is False
    assert math.isnan(luck_of_best(unknown, 5))
    assert not is_bound(unknown)
    assert is_bound(found(0.352, 1 / 1001))
    assert not is_bound(found(0.352, 2 / 1001))
