"""The battery: every base against a fresh least-squares run, figures against `summarise`, invariants, frames of the user, bad input."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from pureplay.errors import EvaluationError, InsufficientDataError, SettingError, TableError
from pureplay.evaluate import (
    BaseCell,
    BaseDays,
    Battery,
    Robustness,
    Timing,
    battery_figures,
    delivery_invariance,
    forward_returns,
    neutralise,
    orthogonal_icir,
    plan_bases,
    robustness,
    run_bases,
)
from pureplay.evaluate.cell_figures import offset_icirs
from pureplay.evaluate.orthogonal import Evaluator
from pureplay.evaluate.summary import summarise
from pureplay.panel import Axes, FloatArray
from pureplay.sessions import Sessions
from pureplay.stats.inference import newey_west_t
from pureplay.stats.noise import noise_order, permutation
from pureplay.stats.orthogonal import CONTAINED, NO_NAMES, OK, forward_orders
from tests.evaluate.conftest import Panel

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

QUICK = Timing(null_draws=0)
SMALL = Battery(noise_levels=(0.0, 0.5, 1.0), noise_seeds=2, ladder_from=1, random_orders=1, without=("size",))
NAMES = ("size", "beta", "value", "growth")
FAMILIES = {"size": "style", "beta": "style"}


def world(
    seed: int = 0,
    *,
    sessions: int = 24,
    assets: int = 60,
    columns: int = 4,
    horizons: int = 2,
    groups: bool = False,
    split: int | None = None,
) -> tuple[Evaluator, FloatArray]:
    """Evaluator and signal of a small market in which signal and factors predict, with gaps everywhere."""
    rng = np.random.default_rng(seed)
    days = np.busday_offset(np.datetime64("2021-03-01", "D"), np.arange(sessions))
    base = rng.normal(size=(sessions, columns, assets))
    own = rng.normal(size=(sessions, assets))
    signal = 0.5 * base.sum(axis=1) + own
    future = np.stack([0.3 * own + 0.2 * base[:, 0] + rng.standard_t(4, size=own.shape) for _ in range(horizons)])
    signal[rng.random(signal.shape) < 0.05] = np.nan
    base[rng.random(base.shape) < 0.02] = np.nan
    future[rng.random(future.shape) < 0.05] = np.nan
    group = rng.integers(-1, 3, size=signal.shape).astype(np.int32)
    timing = Timing(grid_sessions=4, null_draws=0, split=None if split is None else days[split].astype(object))
    made = Evaluator(
        axes=Axes(Sessions(days, np.arange(5, 5 + sessions), "bars"), tuple(f"a{k:03d}" for k in range(assets))),
        base=base,
        base_names=(*NAMES, *(f"f{k}" for k in range(columns)))[:columns],
        forward=forward_orders(future),
        horizons=(1, 8, 2, 3)[:horizons],
        timing=timing,
        groups=np.maximum(group, 0 if seed % 2 else -1).astype(np.int32) if groups else None,
        eligible=rng.random(signal.shape) < 0.95,
        min_names=20,
    )
    return made, signal


def naive_ic(evaluator: Evaluator, signal: FloatArray, cell: BaseCell, h: int, t: int) -> float:
    """One date of one base by lstsq with dummies and scipy's rank correlation, on the names of the whole base."""
    columns = evaluator.base.shape[1]
    among = np.isfinite(signal[t]) & np.isfinite(evaluator.base[t]).all(axis=0)
    among &= True if evaluator.eligible is None else evaluator.eligible[t]
    among &= True if evaluator.groups is None else evaluator.groups[t] >= 0
    at = np.flatnonzero(among)
    values = evaluator.base[t][:, at].copy()
    for column in noise_order(cell.stream, columns)[: cell.noise]:
        values[column] = values[column][permutation(cell.stream, int(column), t, at.size)]
    used = [values[k] for k in cell.columns]
    if evaluator.groups is None:
        used.append(np.ones(at.size))
    else:
        used += [(evaluator.groups[t][at] == code).astype(float) for code in np.unique(evaluator.groups[t][at])]
    design = np.column_stack(used)
    residual = signal[t][at] - design @ np.linalg.lstsq(design, signal[t][at], rcond=None)[0]
    future = evaluator.forward.values[h, t][at]
    both = np.isfinite(future)
    if both.sum() < max(evaluator.min_names, 2 * design.shape[1]):
        return float("nan")
    return float(spearmanr(residual[both], future[both]).statistic)


# ---------------------------------------------------------------- daily values


@pytest.mark.parametrize("groups", [False, True])
def test_every_base_equals_a_fresh_least_squares_run(groups: bool) -> None:
    evaluator, signal = world(groups=groups, sessions=8)
    cells = plan_bases(evaluator.base_names, FAMILIES, settings=SMALL)
    made = run_bases(evaluator, signal, cells)
    expected = np.array([[[naive_ic(evaluator, signal, cell, h, t) for t in range(8)] for h in range(2)] for cell in cells])
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(made.ic, expected, rtol=0, atol=1e-8)  # the bound; a rank correlation differs by 1e-5 or not at all
    assert ((made.reason == OK) == np.isfinite(expected)).all()
    assert len({row.tobytes() for row in made.ic}) > len(cells) / 2  # bases do differ


def test_the_full_base_is_the_orthogonal_ic() -> None:
    evaluator, signal = world(3, groups=True)
    made = run_bases(evaluator, signal, plan_bases(evaluator.base_names, settings=SMALL))
    plain = evaluator.days(signal)
    np.testing.assert_allclose(made.ic[0], plain.ic, rtol=0, atol=1e-10)
    np.testing.assert_allclose(made.left[0], plain.left, rtol=1e-10)
    np.testing.assert_array_equal(made.fitted, plain.fitted)


def test_equal_bases_are_equal_to_the_bit() -> None:
    evaluator, signal = world(1)
    cells = plan_bases(evaluator.base_names, {"size": "A", "beta": "B", "value": "C", "growth": "D"}, settings=SMALL)
    made = run_bases(evaluator, signal, cells)
    by_label = {(cell.group, cell.label, cell.seed): row for cell, row in zip(cells, made.ic, strict=True)}
    np.testing.assert_array_equal(by_label["quality shuffle", "0 % noise", 1], made.ic[0])
    np.testing.assert_array_equal(by_label["base count", "4 columns", None], made.ic[0])
    np.testing.assert_array_equal(by_label["family drop", "without A", None], by_label["without size", "without size", None])
    assert not np.array_equal(by_label["quality shuffle", "100 % noise", 0], by_label["quality shuffle", "100 % noise", 1])


def test_dropping_a_family_of_one_is_dropping_the_column() -> None:
    evaluator, signal = world(2)
    cells = plan_bases(evaluator.base_names, FAMILIES, settings=SMALL)
    made = run_bases(evaluator, signal, cells)
    number = next(k for k, cell in enumerate(cells) if cell.label == "without growth")
    # without the column, on the same names: those that have it
    has = np.isfinite(evaluator.base[:, 3])
    less = replace(evaluator, base=np.ascontiguousarray(evaluator.base[:, :3]))
    np.testing.assert_allclose(made.ic[number], less.days(signal, among=has).ic, rtol=0, atol=1e-10)
    assert not np.allclose(made.ic[number], less.days(signal).ic, rtol=0, atol=1e-10)  # the common names matter


def test_blocks_of_sessions_give_the_bits_of_the_whole() -> None:
    evaluator, signal = world(4, groups=True)
    cells = plan_bases(evaluator.base_names, settings=SMALL)
    whole = run_bases(evaluator, signal, cells)
    parts = [run_bases(evaluator, signal, cells, first=a, last=b) for a, b in ((9, 20), (0, 9), (20, None))]
    joined = BaseDays.joined(parts)
    for name in ("first", "last", "ic", "names", "reason", "left", "fitted"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    with pytest.raises(SettingError, match=r"must follow on one another, not \[0, 9\) and \[20, 24\): run what is missing"):
        BaseDays.joined([parts[1], parts[2]])
    with pytest.raises(SettingError, match="not be none"):
        BaseDays.joined([])
    with pytest.raises(SettingError, match="same bases and horizons"):
        BaseDays.joined([parts[1], run_bases(evaluator, signal, cells[:3], first=9)])
    with pytest.raises(SettingError, match=r"figures need all 24 sessions, not \[0, 9\)"):
        battery_figures(evaluator, cells, parts[1])


def test_nothing_sees_the_future() -> None:
    evaluator, signal = world(5)
    cells = plan_bases(evaluator.base_names, settings=SMALL)
    cut = replace(
        evaluator,
        axes=replace(evaluator.axes, sessions=Sessions(evaluator.axes.sessions.dates[:10], evaluator.axes.sessions.ordinals[:10], "bars")),
        base=evaluator.base[:10].copy(),
        forward=forward_orders(evaluator.forward.values[:, :10].copy()),
        eligible=None if evaluator.eligible is None else evaluator.eligible[:10],
    )
    np.testing.assert_array_equal(run_bases(cut, signal[:10].copy(), cells).ic, run_bases(evaluator, signal, cells).ic[:, :, :10])


def test_a_plan_of_another_base_is_refused() -> None:
    evaluator, signal = world()
    with pytest.raises(SettingError, match="the plan is of a base with other columns than these 4: plan it anew"):
        run_bases(evaluator, signal, plan_bases(("a", "b", "c", "d", "e")))
    cells = plan_bases(("a", "b", "c"), settings=Battery(ladder_from=1))
    with pytest.raises(SettingError, match="plan it anew"):
        run_bases(evaluator, signal, [cell for cell in cells if cell.noise])
    with pytest.raises(SettingError, match=r"1 bases × 2 horizons are asked for, but days hold 2 × 2"):
        battery_figures(evaluator, cells[:1], run_bases(evaluator, signal, plan_bases(NAMES, settings=SMALL)[:2]))


# ---------------------------------------------------------------- figures


def series(seed: int, count: int, sessions: int) -> FloatArray:
    """Daily series with common and own gaps, one without variation, one short, one empty."""
    rng = np.random.default_rng(seed)
    made = 0.05 * rng.normal(size=(count, sessions)) + 0.01
    made[:, rng.random(sessions) < 0.1] = np.nan
    made[1, 5:40] = np.nan
    made[2] = 0.25
    made[3, 7:] = np.nan
    made[4] = np.nan
    return made


@pytest.mark.parametrize("split", [None, 160])
def test_figures_equal_the_summary_of_the_same_series(split: int | None) -> None:
    evaluator, _ = world(sessions=300, assets=2, columns=1, split=split)
    ic = np.stack([series(h, 9, 300) for h in range(2)], axis=1)
    cells = [BaseCell(group="g", label=str(k), x=k / 2, columns=(0,), seed=k or None) for k in range(9)]
    reason = np.where(np.isfinite(ic), OK, NO_NAMES)
    left = np.random.default_rng(5).random((9, 300))
    names = np.full((2, 300), 50)
    days = BaseDays(first=0, last=300, ic=ic, names=names, reason=reason, left=left, fitted=names[0])
    table = battery_figures(evaluator, cells, days)
    assert table.height == 9 * 2 * (1 if split is None else 3)
    for row in table.iter_rows(named=True):
        k, h = int(row["label"]), evaluator.horizons.index(row["horizon_sessions"])
        if k == 4:
            assert row["icir"] is None
            assert row["reason"] == "no date has enough names with a forward return (at most 50 on one)"
            continue
        whole = summarise(
            "x", evaluator.axes.sessions, ic[k, h], names[h], reason[k, h], horizon=row["horizon_sessions"], timing=evaluator.timing
        )
        _same(row, whole, split)
        assert row["x"] == k / 2
        assert row["seed"] == (k or None)


def _same(row: dict[str, Any], whole: Any, split: int | None) -> None:
    """A row against ICSummary and its Period, to the last bit."""
    part = whole if row["period"] == "all" else whole.period(row["period"])
    if part is None:
        assert row["n_dates"] == 0
        assert row["icir"] is None
        return
    expected = {name: getattr(part, name) for name in ("icir", "icir_min", "icir_max", "n_positive", "n_dates")} | {"mean_ic": part.mean}
    if row["period"] == "all":
        expected |= {"sd_ic": whole.sd, "se_mean": whole.test.se, "t_ewc": whole.test.t, "t_newey_west": whole.newey_west_t}
        expected |= {"icir_deflated": whole.icir_deflated, "n_offsets": len(whole.offsets)}
    else:
        expected |= {"sd_ic": part.sd, "se_mean": part.se_mean, "t_ewc": part.t_ewc, "n_offsets": part.n_offsets}
    found = {name: row[name] for name in expected}
    assert found == {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in expected.items()}
    assert (row["reason"] is None) == (row["icir"] is not None)


def test_in_and_out_of_sample_figures_by_hand() -> None:
    evaluator, _ = world(sessions=300, assets=2, columns=1, horizons=2, split=160)
    ic = 0.05 * np.random.default_rng(0).normal(size=(1, 2, 300))
    left = np.random.default_rng(1).random((1, 300))
    ones = np.full((2, 300), 50)
    days = BaseDays(first=0, last=300, ic=ic, names=ones, reason=np.zeros_like(ic, dtype=np.int64), left=left, fitted=ones[0])
    table = battery_figures(evaluator, plan_bases(("a",), settings=Battery(ladder_from=1))[:1], days)
    # delay 1, horizon 8: the window of session 151 closes on the split, session 160
    row = table.row(by_predicate=(pl.col("period") == "in sample") & (pl.col("horizon_sessions") == 8), named=True)
    assert row["n_dates"] == 152
    inside = ic[0, 1, :152]
    assert row["sd_ic"] == pytest.approx(inside.std(ddof=1))
    assert row["t_newey_west"] == pytest.approx(newey_west_t(inside, lags=7))
    assert row["variance_left"] == pytest.approx(left[0, :152].mean())
    assert row["icir_deflated"] == pytest.approx(row["icir"] * np.sqrt(4 / 8))
    out = table.row(by_predicate=(pl.col("period") == "out of sample") & (pl.col("horizon_sessions") == 1), named=True)
    assert (out["n_dates"], out["icir_deflated"]) == (139, out["icir"])
    closes = [evaluator.axes.sessions.dates, evaluator.axes.sessions.dates]
    told = battery_figures(evaluator, plan_bases(("a",), settings=Battery(ladder_from=1))[:1], days, closes=closes)
    assert told.filter(period="in sample")["n_dates"].to_list() == [161, 161]


def test_offset_icirs_with_gaps_of_their_own() -> None:
    made, offset = series(3, 9, 300), np.arange(300) % 7
    found = offset_icirs(made, offset)
    for row, values in zip(found, made, strict=True):
        for grid in range(7):
            held = values[(offset == grid) & np.isfinite(values)]
            expected = held.mean() / held.std(ddof=1) if held.size >= 3 and held.std(ddof=1) > 0 else np.nan
            assert row[grid] == expected or (np.isnan(row[grid]) and np.isnan(expected))


def test_a_base_that_cannot_be_judged_has_a_row_with_a_reason() -> None:
    evaluator, signal = world(sessions=60)
    plain = plan_bases(NAMES, settings=replace(SMALL, without=("ivol_20",)))
    table = battery_figures(evaluator, plain, run_bases(evaluator, signal, plain)).filter(group="without ivol_20")
    assert table["reason"].unique().to_list() == ["the base has none of ivol_20"]
    assert table.select("icir", "mean_ic", "variance_left").null_count().row(0) == (2, 2, 2)
    evaluator.base[:, 1] = signal  # base count 1 does not hold it, the other bases do
    table = battery_figures(evaluator, plain, run_bases(evaluator, signal, plain)).filter(group="base count", horizon_sessions=1)
    assert table["icir"].is_not_null().to_list() == [True, False, False, False]
    assert "the base contains the signal on the 60 dates with enough names" in table["reason"].to_list()
    assert (run_bases(evaluator, signal, plain).reason[0] == CONTAINED).any()
    short, few = world(sessions=8)
    rows = battery_figures(short, plain[:1], run_bases(short, few, plain[:1]))
    assert rows["reason"].unique().to_list() == ["no rebalance offset has 3 dates whose IC varies (8 dates in all)"]


# ---------------------------------------------------------------- invariants


def test_the_residual_of_the_residual_is_itself(panel: Panel) -> None:
    once = neutralise(panel.signal, panel.base, industries=panel.industries)
    twice = neutralise(once, panel.base, industries=panel.industries)
    assert twice.select("date", "asset").equals(once.select("date", "asset"))
    np.testing.assert_allclose(twice["residual"], once["residual"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [False, True])
def test_delivery_has_the_figures_of_the_score(groups: bool) -> None:
    evaluator, signal = world(7, groups=groups, sessions=60)
    made = delivery_invariance(evaluator, signal)
    assert made.horizons == (1, 8)
    assert made.difference <= 1e-10
    assert made.daily_difference <= 1e-10
    assert made.lost == 0
    plain = [row[np.isfinite(row)].mean() for row in offset_icirs(evaluator.days(signal).ic, evaluator.axes.sessions.ordinals % 4)]
    assert made.icir == pytest.approx(plain)
    # it would show: a residual of another base is not invariant
    other = replace(evaluator, base=np.ascontiguousarray(evaluator.base[:, :2]))
    assert abs(delivery_invariance(other, signal).icir[0] - made.icir[0]) > 1e-3


def test_pure_noise_gives_the_raw_icir_back() -> None:
    evaluator, signal = world(11, sessions=120, assets=120, horizons=1)
    settings = Battery(noise_levels=(1.0,), noise_seeds=20, ladder_from=4, random_orders=0, without=())
    cells = plan_bases(NAMES, settings=settings)
    table = battery_figures(evaluator, cells, run_bases(evaluator, signal, cells))
    noise = table.filter(group="quality shuffle")["icir"].to_numpy()
    empty = BaseCell(group="raw", label="raw", x=0.0, columns=())
    raw = battery_figures(evaluator, [empty], run_bases(evaluator, signal, [empty]))["icir"][0]
    # Twenty independent draws: their mean has the standard error s / √20, and 3.3 of them hold 99.9 % of normal draws. Besides, four
    # useless regressors take 4 / 103 of the signal's variance with them at random, which costs the IC that share twice at most: 2 %.
    tolerance = 3.3 * noise.std(ddof=1) / np.sqrt(20) + 0.02 * abs(raw)
    assert abs(noise.mean() - raw) < tolerance
    full = table.filter(group="full")["icir"][0]
    assert abs(full - raw) > 2 * tolerance  # and the factors themselves do not


def test_industries_by_demeaning_equal_dummies() -> None:
    evaluator, signal = world(1, groups=True)
    assert evaluator.groups is not None
    held = np.where(evaluator.groups < 0, np.nan, 0.0)
    dummies = np.stack([np.where(evaluator.groups == code, 1.0, held) for code in (1, 2)], axis=1)
    plain = replace(evaluator, groups=None, base=np.concatenate([evaluator.base, dummies], axis=1))
    full = [BaseCell(group="full", label="", x=0.0, columns=tuple(range(count))) for count in (4, 6)]
    np.testing.assert_allclose(
        run_bases(evaluator, signal, full[:1]).ic, run_bases(plain, signal, full[1:]).ic, rtol=0, atol=1e-10, equal_nan=True
    )
    assert not np.allclose(run_bases(evaluator, signal, full[:1]).ic, run_bases(plain, signal, full[:1]).ic)


# ---------------------------------------------------------------- frames of the user


def judge(panel: Panel, **changed: Any) -> Robustness:
    """Battery of the panel's signal with some arguments changed."""
    arguments = {
        "signal": panel.signal,
        "forward_returns": panel.forward,
        "base_factors": panel.base,
        "battery": replace(SMALL, ladder_from=2),
        "timing": QUICK,
        **changed,
    }
    return robustness(**arguments)


def full(made: Robustness) -> dict[str, Any]:
    """First row of the figures: the full base, all dates, shortest horizon."""
    return made.figures.row(0, named=True)


def test_the_headline_is_that_of_the_orthogonal_icir(panel: Panel) -> None:
    split = Timing(null_draws=0, split=panel.days[70], grid_sessions=5)
    made = judge(panel, timing=split, industries=panel.industries, universe=panel.universe)
    plain = orthogonal_icir(
        panel.signal, panel.forward, panel.base, timing=split, industries=panel.industries, universe=panel.universe
    ).orthogonal
    assert full(made)["icir"] == pytest.approx(plain.icir, abs=1e-10)
    assert full(made)["t_ewc"] == pytest.approx(plain.test.t, abs=1e-9)
    parts = made.figures.filter(group="full", period="out of sample")
    assert parts["icir"][0] == pytest.approx(plain.periods[-1].icir, abs=1e-10)
    assert made.base == ("value", "size", "beta")
    assert made.delivery.difference <= 1e-10
    assert (made.turnover, made.horizons, made.headline_horizon) == (None, (20,), 20)
    assert "there is no turnover: it needs bars=" in made.notes


def test_every_argument_matters(panel: Panel) -> None:
    plain = judge(panel)
    for changed in (
        {"industries": panel.industries},
        {"universe": panel.universe},
        {"timing": Timing(null_draws=0, grid_sessions=7)},
        {"min_names": 55},
        {"battery": replace(SMALL, ladder_from=1)},
        {"families": {"value": "a", "size": "a"}},
        {"ladder": ("beta", "size", "value")},
        {"signal": panel.signal.with_columns(other=pl.col("composite") ** 3), "column": "other"},
    ):
        assert not judge(panel, **changed).figures.equals(plain.figures), changed
    assert judge(panel, battery=None).figures.filter(group="base count")["k_columns"].to_list() == [3]  # a narrow base starts where it ends
    ordinals = panel.forward.join(pl.DataFrame({"date": panel.days, "ordinal": panel.sessions.ordinals}), on="date")
    assert judge(panel, calendar="XSHG").figures.equals(judge(panel, forward_returns=ordinals).figures)
    assert judge(panel, calendar="XSHG", timing=Timing(null_draws=0, grid_sessions=7)).figures.height == plain.figures.height


def test_pandas_and_polars_give_the_same(panel: Panel) -> None:
    frames = {name: getattr(panel, name).to_pandas() for name in ("signal", "forward", "base")}
    made = judge(panel, signal=frames["signal"], forward_returns={20: frames["forward"]}, base_factors=frames["base"])
    assert made.figures.equals(judge(panel).figures)


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """Bars of 40 stocks over 150 weekdays."""
    rng = np.random.default_rng(8)
    days = np.busday_offset(np.datetime64("2022-01-03", "D"), np.arange(150)).astype(object).tolist()
    names = [f"{600000 + k}.SH" for k in range(40)]
    grid = pl.DataFrame({"date": days}).join(pl.DataFrame({"asset": names}), how="cross")
    return grid.with_columns(ret=pl.Series(0.02 * rng.normal(size=grid.height)), total_cap=pl.lit(1e10))


def scored(bars: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Random columns on the keys of bars."""
    rng = np.random.default_rng(len(columns))
    return bars.select("date", "asset").with_columns(**{name: pl.Series(rng.normal(size=bars.height)) for name in columns})


def test_horizons_share_their_axes(bars: pl.DataFrame) -> None:
    signal, base = scored(bars, ["score"]), scored(bars, ["a", "b"])
    frames = {h: forward_returns(bars, sessions=h) for h in (40, 1, 20)}
    timing = Timing(null_draws=0, split=date(2022, 4, 29))
    made = robustness(signal, frames, base, timing=timing, bars=bars)
    assert (made.horizons, made.headline_horizon) == ((1, 20, 40), 20)
    for horizon, frame in frames.items():
        alone = orthogonal_icir(signal, frame, base, timing=timing).orthogonal
        rows = made.figures.filter(group="full", horizon_sessions=horizon)
        assert rows["period"].to_list() == ["all", "in sample", "out of sample"]
        expected = [alone.icir, *(None if part is None else part.icir for part in map(alone.period, ("in sample", "out of sample")))]
        for found, value in zip(rows["icir"], expected, strict=True):
            assert found == (None if value is None or np.isnan(value) else pytest.approx(value, abs=1e-10))
        assert rows["n_dates"][0] == alone.n_dates
        assert rows["icir_deflated"][0] == pytest.approx(alone.icir_deflated, abs=1e-10)
    assert made.turnover is not None
    assert made.turnover.rebalances == 130  # every session but the first of each of 20 offsets, forward window or not
    assert made.to_dict()["turnover"]["annual"] == made.turnover.annual
    told = str(made)
    for part in ("quality shuffle", "40 sessions", "bp a year at 30 bp per side", "delivered residual", "on average of 5 draws"):
        assert part in told
    assert made.to_frame().equals(made.figures)
    assert len(made.to_dict()["figures"]) == made.figures.height
    other = robustness(signal, frames, base, timing=timing, bars=bars, battery=Battery(ladder_from=1, quantiles=3, cost_bps=(7,)))
    assert other.turnover is not None
    assert other.turnover.annual != made.turnover.annual
    assert dict(other.turnover.cost_drag_bps) == {7.0: 14 * other.turnover.annual}


@pytest.mark.parametrize("told", [True, False])
def test_windows_close_when_the_frames_say_so(bars: pl.DataFrame, told: bool) -> None:
    signal, base = scored(bars, ["score"]), scored(bars, ["a", "b"])
    frames = {h: forward_returns(bars, sessions=h, delay=3).filter(pl.col("ordinal") % 2 == 0) for h in (2, 10)}
    if not told:
        frames = {h: frame.drop("exit_date") for h, frame in frames.items()}  # counted along the dates of the frames, with their delay
    timing = Timing(null_draws=0, split=date(2022, 4, 29), grid_sessions=4)
    made = robustness(signal, frames, base, timing=timing).figures.filter(group="full", period="in sample")
    # even ordinals whose window, delay and horizon on, has closed by the split; places of the frame are two sessions each
    last = bars["date"].unique().sort().to_list().index(date(2022, 4, 29))
    step = 1 if told else 2
    expected = [len([k for k in range(0, last + 1, 2) if k + step * (3 + horizon) <= last]) for horizon in (2, 10)]
    assert made["n_dates"].to_list() == expected


def test_frames_that_do_not_fit_together_are_refused(bars: pl.DataFrame) -> None:
    signal, base = scored(bars, ["score"]), scored(bars, ["a", "b"])
    one, twenty = forward_returns(bars, sessions=1), forward_returns(bars, sessions=20)
    with pytest.raises(SettingError, match=r"forward_returns\[5\] hold windows of 1 sessions: file the frame under 1"):
        robustness(signal, {5: one}, base)
    with pytest.raises(SettingError, match="must map horizons in sessions, from 1 on, to frames, not nothing"):
        robustness(signal, {}, base)
    with pytest.raises(SettingError, match=r"not \['20'\]"):
        robustness(signal, {"20": twenty}, base)  # type: ignore[dict-item]
    with pytest.raises(TableError, match=r"entered \[1, 2\] sessions after the score: use one delay"):
        robustness(signal, {1: one, 20: forward_returns(bars, sessions=20, delay=2)}, base)
    with pytest.raises(TableError, match="horizon 20 have no ordinal, the others have: number the sessions in all or none"):
        robustness(signal, {1: one, 20: twenty.drop("ordinal")}, base)
    with pytest.raises(TableError, match="number the session 2022-01-03 differently: take the ordinals of one market"):
        robustness(signal, {1: one, 20: twenty.with_columns(pl.col("ordinal") + 3)}, base)
    with pytest.raises(
        InsufficientDataError, match=r"forward_returns\[120\] have no row: where 120 sessions do not fit .* leave the horizon out"
    ):
        robustness(signal, {1: one, 120: twenty.clear()}, base)
    with pytest.raises(TableError, match="horizon 1: forward_returns lacks the column forward_return"):
        robustness(signal, {1: signal}, base)
    with pytest.raises(SettingError, match="base_factors hold no factor"):
        robustness(signal, one, base.select("date", "asset"))
    with pytest.raises(SettingError, match="families name size, which the base of a, b lacks"):
        robustness(signal, one, base, families={"size": "size"})
    with pytest.raises(SettingError, match="ladder_from is 5, but the base has 2 columns"):
        robustness(signal, one, base, battery=Battery())
    plain = robustness(signal, {1: one.drop("ordinal"), 20: twenty.drop("ordinal")}, base)
    assert plain.figures.equals(robustness(signal, {1: one, 20: twenty}, base).figures)
    short = bars.filter(pl.col("date") < date(2022, 1, 20))
    made = robustness(signal, one, base, bars=short)
    assert made.turnover is None
    assert any(note.startswith("there is no turnover: no rebalance offset has two sessions") for note in made.notes)


def test_a_battery_without_an_answer_is_an_error(panel: Panel) -> None:
    spiked = panel.base.join(panel.signal, on=["date", "asset"], how="left")
    with pytest.raises(EvaluationError, match=r"composite, orthogonal: the base contains the signal"):
        judge(panel, base_factors=spiked)
    with pytest.raises(InsufficientDataError, match="no date out of 130 has enough names"):
        judge(panel, min_names=61)


def test_names_that_the_base_keeps_out_are_told(panel: Panel) -> None:
    half = panel.base.with_columns(beta=pl.when(pl.col("asset").is_in(panel.assets[:40])).then("beta"))
    made = judge(panel, base_factors=half)
    assert any("scored names of the median date have every factor" in note for note in made.notes)
    assert made.median_names < 0.75 * made.median_scored
    assert not any("every factor" in note for note in judge(panel).notes)


def test_collinear_and_constant_factors_change_nothing(panel: Panel) -> None:
    more = panel.base.with_columns(twin=pl.col("size") * 2 - 1, flat=pl.lit(3.0))
    made, plain = judge(panel, base_factors=more), judge(panel)
    assert full(made)["icir"] == pytest.approx(full(plain)["icir"], abs=1e-9)
    rows = made.figures.filter(group="without size")
    assert rows["icir"][0] == pytest.approx(full(plain)["icir"], abs=1e-9)  # the twin stands for it
    assert made.figures["icir"].is_not_null().all()


def test_a_date_on_which_factors_are_missing_is_skipped_for_every_base(panel: Panel) -> None:
    gap = pl.col("date") == panel.days[60]
    plain = judge(panel).figures
    for value in (None, float("inf"), float("nan")):
        holed = panel.base.with_columns(pl.when(gap).then(pl.lit(value, dtype=pl.Float64)).otherwise(pl.col("size", "beta")).name.keep())
        made = judge(panel, base_factors=holed).figures
        assert (plain["n_dates"] - made["n_dates"]).to_list() == [1] * made.height


def test_fewer_names_than_factors_is_an_error(panel: Panel) -> None:
    rng = np.random.default_rng(0)
    many = panel.base.with_columns(**{f"f{k}": pl.Series(rng.normal(size=panel.base.height)) for k in range(60)})
    with pytest.raises(InsufficientDataError, match="no date out of 130 has enough names"):
        judge(panel, base_factors=many)


def test_a_panel_of_unknown_codes_or_dates_is_an_error(panel: Panel) -> None:
    with pytest.raises(TableError, match="base_factors share no date and stock with the forward returns: check codes and dates"):
        judge(panel, base_factors=panel.base.with_columns(pl.col("asset") + "X"))
    with pytest.raises(TableError, match="base_factors share no date and stock"):
        judge(panel, base_factors=panel.base.with_columns(pl.col("date").dt.offset_by("10y")))
