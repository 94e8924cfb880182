"""The study of the business-mix factors: what it holds, that its settings matter, and that it finds what was planted."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.evaluate import forward_returns, paper_long_short, rank_ic
from pureplay.evaluate.records import ICSummary, OrthogonalICIR
from pureplay.evaluate.summary import Timing
from pureplay.market import load_market
from pureplay.signals import preset
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.studies.business_mix import run_business_mix
from pureplay.studies.business_mix_figures import win_rates
from pureplay.studies.business_mix_records import FIGURES, MEASURES, ROW_SCHEMA, BusinessMixStudy, beside_published
from pureplay.studies.evaluation import Evaluation
from pureplay.synthetic import market
from tests.studies import small

SETTINGS = replace(preset("business_mix"), min_peers=2, min_listed_sessions=20)
EVALUATION = Evaluation(null_draws=20, min_names=30, min_typical_names=20, seed=3)


@cache
def data() -> Dataset:
    """The small market with a coarser scheme of two sectors: those of its own have the same five."""
    tables = small.tables(220)
    labels = tables["industries"].filter(scheme="syn_l1")
    half = labels.with_columns(scheme=pl.lit("half"), code=pl.col("code").is_in(["L1.000", "L1.001"]).cast(pl.String))
    tables = {**tables, "industries": pl.concat([tables["industries"], half.cast(dict(tables["industries"].schema))])}  # type: ignore[arg-type]
    return Dataset.from_frames(tables, calendar="XSHG", notes={"synthetic": True})


def run(**changes: Any) -> BusinessMixStudy:
    plain: dict[str, Any] = {"settings": SETTINGS, "evaluation": EVALUATION, "thresholds": (), "windows_sessions": (20,)}
    return run_business_mix(data(), **{**plain, **changes})


@cache
def whole() -> BusinessMixStudy:
    return run(thresholds=(0.5, 0.8, 0.9), windows_sessions=(20, 60))


@cache
def plain() -> BusinessMixStudy:
    return run()


def test_a_study_holds_every_measure_window_and_purity() -> None:
    made = whole()
    keys = made.rows.select("measure", "source", "window_sessions").rows()
    assert sorted(keys) == sorted((m, s, w) for m in MEASURES for s in ("products", "own_only") for w in (20, 60))
    assert made.rows.schema == made.thresholds.schema == pl.Schema(ROW_SCHEMA)
    assert made.thresholds["purity"].to_list() == [0.5, 0.8, 0.9]
    assert made.thresholds["measure"].unique().to_list() == ["composite"]
    assert made.thresholds["pure_plays"].is_sorted(descending=True)
    assert made.synthetic
    assert made.changed == {"min_peers": 2, "min_listed_sessions": 20}
    assert made.correlations["factor"].to_list() == ["c0", "c1", "c2", "c3"]
    assert made.verdict is not None
    assert {each.name for each in made.verdict.controls} == {"own_only", "industry"}
    row = made.row("composite", 20)
    assert made.thresholds.row(1, named=True) == row
    parts = [row[f"share_{name}"] for name in ("products", "parent", "industry", "synthetic", "uncovered")]
    assert sum(parts) == pytest.approx(1.0, abs=1e-12)
    assert 0 < row["coverage"] <= 1
    assert row["reason"] is None


def test_figures_are_those_of_the_public_functions() -> None:
    found = load_market(data())
    scores = score_blocks(found, product_peers(data(), found, SETTINGS), SETTINGS)
    future = forward_returns(data())
    for name, block in (("momentum", scores.biz_mom_z), ("residual volatility", scores.biz_resvol_z), ("composite", scores.composite)):
        row, sign = plain().row(name, 20), MEASURES[name]
        rows, columns = np.nonzero(np.isfinite(block))
        frame = pl.DataFrame(
            {
                "date": found.axes.day_column(found.axes.sessions.dates).gather(rows),
                "asset": pl.Series(found.axes.assets).gather(columns),
                "score": block[rows, columns],
            }
        )
        judged = rank_ic(frame, future, column="score", timing=Timing(null_draws=0), calendar="XSHG")
        # the same sums over the same numbers; the axes of the frame may differ, so rounding may
        assert row["icir"] == pytest.approx(judged.icir, rel=1e-10)
        assert row["mean_ic"] == pytest.approx(judged.mean, rel=1e-10)
        assert row["ic_t"] == pytest.approx(judged.test.t, rel=1e-10)
        assert row["win_rate"] == pytest.approx(naive_win_rate(judged, sign), rel=1e-12)
        held = paper_long_short(sign * block, found.returns, found.traded, found.axes.sessions)
        assert (row["ls_return"], row["ls_sharpe_max"], row["ls_t"]) == (held.annual_return, held.sharpe_max, held.test.t)
        assert row["sign"] == sign


def naive_win_rate(found: ICSummary, sign: int) -> float:
    """Share of dates with the profitable sign, offset by offset, then over offsets with three dates."""
    rates = []
    for offset in range(20):
        ics = [row["ic"] for row in found.daily.to_dicts() if row["offset"] == offset and row["ic"] is not None]
        if len(ics) >= 3:
            rates.append(sum(sign * ic > 0 for ic in ics) / len(ics))
    assert len(win_rates(found, sign)) == len(rates) > 0
    return sum(rates) / len(rates)


def test_the_control_is_judged_on_the_names_of_the_signal() -> None:
    made = run(settings=replace(SETTINGS, fallback=()))
    assert made.row("composite", 20, "own_only")["names"] == made.row("composite", 20)["names"]
    assert made.row("composite", 20)["names"] < plain().row("composite", 20)["names"]
    assert made.row("composite", 20)["share_parent"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"settings": replace(SETTINGS, purity=0.6)},
        {"settings": replace(SETTINGS, resvol="ols")},
        {"evaluation": replace(EVALUATION, horizon_sessions=5)},
        {"evaluation": replace(EVALUATION, delay_sessions=2)},
        {"evaluation": replace(EVALUATION, grid_sessions=10)},
        {"evaluation": replace(EVALUATION, min_names=110)},
        {"windows_sessions": (25,)},
        {"quantiles": 4},
        {"sector_neutral": True},
        {"sector_neutral": "syn_l2"},
    ],
    ids=str,
)
def test_every_setting_matters(change: dict[str, Any]) -> None:
    row = run(**change).rows.filter(measure="composite", source="products").row(0, named=True)
    before = plain().row("composite", 20)
    assert (row["icir"], row["ls_return"], row["n_dates"]) != (before["icir"], before["ls_return"], before["n_dates"])


def test_settings_that_leave_parts_out() -> None:
    assert run(evaluation=replace(EVALUATION, base=())).correlations.is_empty()
    assert run(evaluation=replace(EVALUATION, base=("c2",))).correlations["factor"].to_list() == ["c2"]
    assert run(evaluation=replace(EVALUATION, null_draws=0)).row("composite", 20)["null_low"] is None
    few = run(evaluation=replace(EVALUATION, min_typical_names=1000))
    assert few.verdict is None
    assert "a verdict needs 1000" in str(few.not_evaluable)
    neutral = run(sector_neutral=True)
    assert neutral.sector_scheme == "half"
    assert run(sector_neutral="syn_l2").row("momentum", 20)["icir"] != neutral.row("momentum", 20)["icir"]


def test_a_dataset_without_industries_falls_back_without_them() -> None:
    tables = {name: frame for name, frame in small.tables(220).items() if name not in ("industries", "factors")}
    made = run_business_mix(
        Dataset.from_frames(tables, calendar="XSHG"), settings=SETTINGS, evaluation=EVALUATION, thresholds=(), windows_sessions=(20,)
    )
    assert "no product falls back to its industry" in made.notes[0]
    assert made.settings["fallback"] == ("parent", "synthetic")
    assert made.row("composite", 20)["share_industry"] is None
    with pytest.raises(SettingError, match="sector_neutral needs industry labels"):
        run_business_mix(Dataset.from_frames(tables, calendar="XSHG"), settings=SETTINGS, sector_neutral=True)


def test_too_few_names_are_a_reason_and_not_a_figure() -> None:
    made = run(evaluation=replace(EVALUATION, min_names=500))
    row = made.row("composite", 20)
    assert row["icir"] is None
    assert row["ls_return"] is not None
    assert "no date out of 220 has enough names" in row["reason"]
    assert beside_published(made)["20 sessions"][1] == "–"


def test_what_cannot_be_run_is_refused() -> None:
    for windows in ((), (20, 20)):
        with pytest.raises(SettingError, match="windows_sessions must name one window or several, each once"):
            run(windows_sessions=windows)
    with pytest.raises(SettingError, match="purity must be between 0 and 1"):
        run(thresholds=(0.5, 1.5))
    with pytest.raises(SettingError, match="no industry scheme 'sw9'"):
        run(sector_neutral="sw9")


def test_ours_stands_beside_the_published_figures() -> None:
    table = beside_published(whole())
    assert table.height == len(MEASURES) * len(FIGURES)
    assert table.columns == ["measure", "figure", "published", "20 sessions", "60 sessions"]
    published = {(row["measure"], row["figure"]): row["published"] for row in table.to_dicts()}
    assert published["momentum", "mean IC"] == "+6.59 %"
    assert published["residual volatility", "ICIR"] == "−1.07"
    assert published["composite", "Sharpe"] == "~ +2.9"
    assert published["residual volatility", "win rate"] == "–"
    row = whole().row("composite", 60)
    shown = table.filter(measure="composite", figure="ICIR")["60 sessions"].item()
    assert shown.startswith(f"{row['icir']:+.2f}".replace("-", "−"))


@cache
def judged(seed: int, underreaction: float) -> OrthogonalICIR:
    """Verdict on the composite of a larger market."""
    made = market(stocks=500, sessions=1200, seed=seed, underreaction=underreaction)
    found = run_business_mix(
        Dataset.from_frames(made.tables, calendar="XSHG"),
        settings=preset("business_mix"),
        evaluation=Evaluation(null_draws=0, base=()),
        windows_sessions=(20,),
        thresholds=(),
    ).verdict
    assert found is not None
    return found


@pytest.mark.slow
def test_tests_against_controls_tell_planted_from_placebo_where_the_raw_figure_does_not() -> None:
    """Reversal and own volatility pay in both markets alike, so the raw figure is high in both; product news is late in one of them."""
    planted, placebo = ([judged(seed, share) for seed in (1, 2, 3)] for share in (0.8, 0.0))
    assert min(each.raw.test.t for each in placebo) > 5.0
    assert [each.product_information for each in placebo] == ["not found"] * 3
    paired, nested = [], []
    for group in (planted, placebo):
        paired.append(np.mean([each.controls[0].paired.t for each in group]))
        nested.append(np.mean([each.nested.test.t for each in group if each.nested is not None]))
    assert planted[0].controls[0].name == "own_only"
    # Student t with 8 degrees of freedom has sd 1.15, a mean of three 0.67, a difference of two such means 0.94 at most
    assert paired[0] > paired[1] + 2.0
    assert nested[0] > nested[1] + 2.0
    assert max(paired[1], nested[1]) < 2.0
