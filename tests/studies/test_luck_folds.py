"""Cross-validated choice among variants, against a plain loop."""

import numpy as np
import pytest

from pureplay.studies.luck import _folds


def naive(periods: np.ndarray, folds: int) -> list[tuple[int, float, float]]:
    """Choice, Sharpe ratio inside and outside by fold: the period before a test and the period after it are left out."""
    out, size = [], len(periods) // folds
    for fold in range(folds):
        first, last = fold * size, (fold + 1) * size - 1
        train = [t for t in range(len(periods)) if t < first - 1 or t > last + 1]
        ratios = [periods[train, k].mean() / periods[train, k].std(ddof=1) for k in range(periods.shape[1])]
        best = int(np.argmax(ratios))
        test = periods[first : last + 1, best]
        out.append((best, ratios[best], test.mean() / test.std(ddof=1)))
    return out


def test_one_period_is_left_out_on_either_side_of_a_test() -> None:
    periods = np.random.default_rng(1).normal(size=(20, 3))
    dates = np.datetime64("2024-01-01") + np.arange(40)
    rows = _folds("long_only", periods, dates, ["0", "1", "2"], 2, 5)
    assert [int(str(row["chosen"])) for row in rows] == [best for best, _, _ in naive(periods, 5)]
    for row, (_, inside, outside) in zip(rows, naive(periods, 5), strict=True):
        assert row["train"] == pytest.approx(inside, rel=1e-12)
        assert row["test"] == pytest.approx(outside, rel=1e-12)
    assert str(rows[1]["first"]) == "2024-01-09"
    assert str(rows[1]["last"]) == "2024-01-16"


def test_what_lies_next_to_a_test_decides_nothing() -> None:
    periods = np.random.default_rng(2).normal(size=(20, 2))
    dates = np.datetime64("2024-01-01") + np.arange(20)
    changed = periods.copy()
    changed[[7, 12]] = 50.0  # next to the third of five tests, 8 to 11
    before, after = (_folds("long_only", each, dates, ["0", "1"], 1, 5) for each in (periods, changed))
    assert before[2] == after[2]
    assert before[0] != after[0]
