"""Luck: each figure against the function that it comes from or a loop by hand, and what is said where the data are too short."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.errors import InsufficientDataError
from pureplay.evaluate.trials import TrialCount
from pureplay.panel import FloatArray
from pureplay.stats.inference import ewc_test
from pureplay.stats.overfitting import overfitting_probability
from pureplay.stats.reality import stepwise_superior, superior_predictive_ability
from pureplay.stats.sharpe import deflated_sharpe, min_track_record, sharpe_ratio, years_to_decide
from pureplay.studies.luck import FOLDS, LUCK, REALITY, VARIANTS, Series, grid_series, luck_row, reality

DAYS = np.arange(np.datetime64("2020-01-01", "D"), np.datetime64("2020-01-01", "D") + 600)
COUNT = TrialCount(distinct=25, distinct_all=70, recorded=90, head="a" * 64)
NAMES = (("R", "plain"), ("R", "buffered"), ("S", "plain"), ("S", "buffered"))
HOW: dict[str, Any] = {"grid_sessions": 5, "draws": 200, "splits": 8, "folds": 3, "seed": 1}


def draw(sessions: int = 600, variants: int = 4, *, seed: int = 0, mean: float = 0.001) -> FloatArray:
    return 0.01 * np.random.default_rng(seed).normal(size=(sessions, variants)) + mean


def series(values: FloatArray, names: tuple[tuple[str, str], ...] = NAMES) -> Series:
    return Series(dates=DAYS[: values.shape[0]], names=names[: values.shape[1]], values=values)


def by_hand(daily: FloatArray, grid: int) -> list[float]:
    out = []
    for start in range(0, daily.size - grid + 1, grid):
        wealth = 1.0
        for k in range(grid):
            wealth *= 1.0 + daily[start + k]
        out.append(wealth - 1.0)
    return out


@pytest.mark.parametrize(("sessions", "grid"), [(20, 5), (23, 5), (4, 5), (7, 1), (0, 3)])
def test_grid_series_by_hand(sessions: int, grid: int) -> None:
    daily = draw(sessions, 2)
    found = grid_series(daily, grid)
    assert found.shape == (sessions // grid, 2)
    for k in range(2):
        assert found[:, k] == pytest.approx(by_hand(daily[:, k], grid), abs=1e-15)
        assert grid_series(daily[:, k], grid).tolist() == found[:, k].tolist()


def test_a_day_without_return_leaves_its_period_without_one() -> None:
    daily = draw(20, 1)[:, 0]
    daily[7] = np.nan
    assert np.isnan(grid_series(daily, 5)).tolist() == [False, True, False, False]


# ---------------------------------------------------------------- one series


@pytest.mark.parametrize(("trials", "spread"), [(COUNT, 0.2), (COUNT, None), (None, None), (None, 0.2)])
def test_luck_row_is_what_its_parts_say(trials: TrialCount | None, spread: float | None) -> None:
    daily = draw()[:, 0]
    daily[[3, 40]] = np.nan
    row = luck_row(daily, grid_sessions=5, a_year=250.0, trials=trials, trial_sd=spread)
    assert list(row) == [name for name in LUCK if name not in ("score", "kind")]
    known = daily[np.isfinite(daily)]
    periods = np.array(by_hand(known, 5))
    count = 1 if trials is None else 25
    found, alone = deflated_sharpe(periods, trials=count, trial_sd=spread), deflated_sharpe(periods, trials=1)
    wanted = {
        "sharpe": sharpe_ratio(periods),
        "n": 119,
        "skew": found.skew,
        "kurtosis": found.kurtosis,
        "trials": None if trials is None else 25,
        "trial_sd": spread or 1 / math.sqrt(118),
        "threshold": found.threshold,
        "deflated": found.probability,
        "undeflated": alone.probability,
        "track_years": min_track_record(found.sharpe, skew=found.skew, kurtosis=found.kurtosis) * 5 / 250,
        "years": 598 / 250,
        "more_years": years_to_decide(ewc_test(known).t, 598 / 250),
    }
    for name, value in wanted.items():
        assert row[name] == (value if value is None else pytest.approx(value, rel=1e-12)), name  # the loop rounds otherwise
    assert (row["threshold"] > 0) == (trials is not None)  # type: ignore[operator]
    assert (row["deflated"] < row["undeflated"]) == (trials is not None)  # type: ignore[operator]


def test_an_empty_log_counts_as_one_trial() -> None:
    none = TrialCount(distinct=0, distinct_all=0, recorded=0, head="0" * 64)
    row = luck_row(draw()[:, 0], grid_sessions=5, a_year=250.0, trials=none, trial_sd=None)
    assert (row["trials"], row["threshold"]) == (1, 0.0)


@pytest.mark.parametrize("daily", [draw(12)[:, 0], np.zeros(0), np.full(300, np.nan), np.zeros(300)], ids=["short", "none", "nan", "still"])
def test_a_series_too_short_has_no_row(daily: FloatArray) -> None:
    with pytest.raises(InsufficientDataError, match="a Sharpe ratio needs a longer series or a shorter grid"):
        luck_row(daily, grid_sessions=5, a_year=250.0, trials=None, trial_sd=None)


# ---------------------------------------------------------------- many of them


def test_reality_is_what_its_parts_say() -> None:
    values = draw() + np.array([0.004, 0.0, 0.0, -0.001])
    values[:4, 1] = np.nan  # a variant that lives later: the others are compared from then on
    frames, notes = reality("long_only", series(values), **HOW)
    known = values[4:]
    assert notes == ()
    assert {name: frame.schema for name, frame in frames.items()} == {
        "reality": pl.Schema(REALITY),
        "variants": pl.Schema(VARIANTS),
        "folds": pl.Schema(FOLDS),
    }
    found = superior_predictive_ability(known, mean_block=5, draws=200, seed=1)
    periods = np.stack([by_hand(known[:, k], 5) for k in range(4)], axis=1)
    fit = overfitting_probability(periods, splits=8)
    row = frames["reality"].row(0, named=True)
    assert (row["kind"], row["variants"], row["n"], row["best"]) == ("long_only", 4, 596, "R, plain")
    assert (row["p_lower"], row["p_consistent"], row["p_upper"]) == (found.p_lower, found.p_consistent, found.p_upper)
    assert (row["pbo"], row["slope"], row["loss"]) == pytest.approx(
        (fit.probability, fit.slope, fit.loss), rel=1e-9
    )  # the loop rounds otherwise
    superior = stepwise_superior(known, mean_block=5, draws=200, seed=1).superior
    assert 0 in superior
    variants = frames["variants"]
    assert variants.select("score", "design").rows() == list(NAMES)
    assert variants["superior"].to_list() == [k in superior for k in range(4)]
    own = [sharpe_ratio(by_hand(values[np.isfinite(values[:, k]), k], 5)) for k in range(4)]  # over its own life
    assert variants["sharpe"].to_list() == pytest.approx(own, rel=1e-9)


def test_folds_by_hand() -> None:
    """118 periods in three folds; the period on either side of the tested ones trains nothing."""
    values = draw(593)
    folds = reality("long_short", series(values), **HOW)[0]["folds"]
    periods = np.stack([by_hand(values[:, k], 5) for k in range(4)], axis=1)
    tests = np.array_split(np.arange(118), 3)
    assert folds["fold"].to_list() == [1, 2, 3]
    for row, test in zip(folds.to_dicts(), tests, strict=True):
        assert row["first"] == DAYS[test[0] * 5].item()
        assert row["last"] == DAYS[test[-1] * 5 + 4].item()
        best = [", ".join(each) for each in NAMES].index(row["chosen"])
        assert row["test"] == pytest.approx(sharpe_ratio(periods[test, best]), rel=1e-9)
        trained = [k for k in range(118) if k < test[0] - 1 or k > test[-1] + 1]
        inside = [sharpe_ratio(periods[trained, k]) for k in range(4)]
        assert best == int(np.argmax(inside))
        assert row["train"] == pytest.approx(inside[best], rel=1e-9)


@pytest.mark.parametrize(
    "change", [{"grid_sessions": 6}, {"draws": 300}, {"splits": 6}, {"folds": 4}, {"seed": 2}], ids=lambda each: next(iter(each))
)
def test_every_setting_of_reality_matters(change: dict[str, int]) -> None:
    plain, other = (reality("long_only", series(draw(mean=0.0)), **{**HOW, **each})[0] for each in ({}, change))
    assert any(not plain[name].equals(other[name]) for name in plain)
    again = reality("long_only", series(draw(mean=0.0)), **HOW)[0]
    assert all(plain[name].equals(again[name]) for name in plain)


@pytest.mark.parametrize(
    ("sessions", "words", "figures"),
    [
        (12, ("12 of 12 periods are known for all 4 variants; 20 are required", "2 grid periods allow 0 blocks"), (False, False, 0)),
        (40, ("8 grid periods allow 4 blocks of cross-validation, not 8",), (True, True, 0)),
        (600, (), (True, True, 3)),
    ],
)
def test_what_is_too_short_is_said(sessions: int, words: tuple[str, ...], figures: tuple[bool, bool, int]) -> None:
    frames, notes = reality("long_only", series(draw(sessions)), **HOW)
    assert len(notes) == len(words)
    assert all(said.startswith("long_only: ") and word in said for said, word in zip(notes, words, strict=True))
    row = frames["reality"].row(0, named=True)
    assert (row["p_consistent"] is not None, row["pbo"] is not None, frames["folds"].height) == figures
    assert (row["variants"], row["n"], frames["variants"].height) == (4, sessions, 4)


def test_one_variant_alone() -> None:
    frames, notes = reality("long_only", series(draw(600, 1)), **HOW)
    row = frames["reality"].row(0, named=True)
    assert len(notes) == 1
    assert "no probability of overfitting" in notes[0]
    assert (row["pbo"], row["best"], row["variants"]) == (None, "R, plain", 1)
    assert 0 <= row["p_consistent"] <= 1
    assert frames["folds"]["chosen"].unique().to_list() == ["R, plain"]


def test_a_variant_without_any_return_is_left_out() -> None:
    values = draw()
    gone = values.copy()
    gone[:, 2] = np.nan
    frames, notes = reality("long_only", series(gone), **HOW)
    assert notes == ("long_only: not compared with the others, living on too few of their sessions: S, plain",)
    kept = (NAMES[0], NAMES[1], NAMES[3])
    alone, _ = reality("long_only", series(values[:, [0, 1, 3]], kept), **HOW)
    assert all(frames[name].equals(alone[name]) for name in frames)
    with pytest.raises(InsufficientDataError, match="long_only: none of 4 variants has a return"):
        reality("long_only", series(np.full((600, 4), np.nan)), **HOW)


def test_variants_that_do_not_vary() -> None:
    still = draw()
    still[:, 1] = 0.0
    frames, notes = reality("long_only", series(still), **HOW)
    assert "do not vary" in notes[0]
    assert np.isnan(frames["variants"]["sharpe"][1])
    assert "R, buffered" not in frames["folds"]["chosen"].to_list()
    none, _ = reality("long_only", series(np.zeros((600, 2))), **HOW)
    assert none["folds"].is_empty()
