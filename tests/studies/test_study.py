"""The whole study: every figure against another path to it, every setting, and runs that are taken up again."""

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import DatasetError, InsufficientDataError, PureplayError, SettingError, TableError
from pureplay.evaluate import forward_returns, orthogonal_icir
from pureplay.evaluate.records import ICSummary, OrthogonalICIR
from pureplay.evaluate.summary import Timing
from pureplay.market import load_market
from pureplay.panel import FloatArray, to_frame
from pureplay.signals import SignalSettings, product_momentum
from pureplay.signals.residual import residual_market, residual_returns
from pureplay.signals.workshop import PeerWorkshop
from pureplay.studies import study as study_module
from pureplay.studies.controls import control_scores, schemes_by_depth
from pureplay.studies.ground import lay_ground
from pureplay.studies.momentum import run_momentum
from pureplay.studies.placebos import LATE_SESSIONS, PLACEBOS, placebo_cells, placebo_scores
from pureplay.studies.records import ConstructionStudy, ProductStudy
from pureplay.studies.settings import StudySettings
from pureplay.studies.study import StudySpec, run_study
from pureplay.studies.sweep import Piece
from pureplay.studies.units import Unit, UnitStore
from tests.studies import small

TIMING = Timing(split=small.SPLIT, null_draws=0, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.dataset(tmp_path_factory.mktemp("study") / "data")


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def made(folder: Path, told: list[str], work: Path) -> ProductStudy:
    return run_study(small.spec(folder), work=work, progress=told.append)


@pytest.fixture(scope="module")
def future(data: Dataset) -> pl.DataFrame:
    return forward_returns(data, sessions=20)


@pytest.fixture(params=["R", "S"])
def one(request: pytest.FixtureRequest, made: ProductStudy) -> ConstructionStudy:
    return made.constructions[request.param]


def factors(data: Dataset) -> pl.DataFrame:
    return data.frame("factors")


def coarsest(data: Dataset) -> pl.DataFrame:
    return data.frame("industries").filter(pl.col("scheme") == schemes_by_depth(data)[-1])


def scores(data: Dataset, construction: str, **changes: Any) -> pl.DataFrame:
    """Scores by the public function, from the tables."""
    settings = {name: value for name, value in replace(small.SIGNAL, **changes).to_dict().items() if name != "construction"}
    given = {"exposures": factors(data)} if construction == "S" else {}
    return product_momentum(data, construction=construction, **settings, **given)  # type: ignore[arg-type]


def judged(frame: pl.DataFrame, future: pl.DataFrame, base: pl.DataFrame | None, **more: Any) -> OrthogonalICIR:
    return orthogonal_icir(frame, future, base, column="composite", timing=TIMING, calendar="XSHG", **more)


def in_cells(one: ConstructionStudy, group: str, label: str, period: str = "all") -> dict[str, Any]:
    (row,) = one.cells.filter(group=group, label=label, period=period).to_dicts()
    return row


def variance_left(frame: pl.DataFrame, base: pl.DataFrame, after: date = date.min) -> float:
    """Mean share of a score's variance that least squares on the base leaves, over all dates on which it varies."""
    columns = [name for name in base.columns if name not in ("date", "asset")]
    both = frame.select("date", "asset", "composite").join(base, on=["date", "asset"]).drop_nulls().filter(pl.col("date") > after)
    shares = []
    for (_,), day in both.group_by(["date"]):
        if day["composite"].n_unique() > 1:
            y, x = day["composite"].to_numpy(), np.column_stack([np.ones(day.height), day.select(columns).to_numpy()])
            shares.append(np.var(y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) / np.var(y))
    return float(np.mean(shares))


def raw_beside(frame: pl.DataFrame, future: pl.DataFrame, base: pl.DataFrame) -> ICSummary:
    """Raw figures on the names of the orthogonal ones, those with every factor."""
    return judged(frame.join(base.drop_nulls().select("date", "asset"), on=["date", "asset"], how="semi"), future, None).raw


def assert_cell(one: ConstructionStudy, group: str, label: str, frame: pl.DataFrame, future: pl.DataFrame, base: pl.DataFrame) -> None:
    """A cell of rebuilt signals against the evaluation of frames, over the whole sample and out of sample."""
    wanted, beside = judged(frame, future, base), raw_beside(frame, future, base)
    row = in_cells(one, group, label)
    assert small.close(row["icir"], wanted.orthogonal.icir)
    assert small.close(row["raw_icir"], beside.icir)
    assert small.close(row["icir_min"], wanted.orthogonal.icir_min)
    assert small.close(row["icir_max"], wanted.orthogonal.icir_max)
    assert small.close(row["mean_ic"], wanted.orthogonal.mean)
    assert small.close(row["t_ewc"], wanted.orthogonal.test.t)
    assert small.close(row["se_mean"], wanted.orthogonal.test.se)
    assert small.close(row["sd_ic"], wanted.orthogonal.sd)
    assert small.close(row["variance_left"], variance_left(frame, base))
    assert (row["n_dates"], row["n_positive"]) == (wanted.orthogonal.n_dates, wanted.orthogonal.n_positive)
    assert row["median_names"] == wanted.orthogonal.median_names
    late, other = in_cells(one, group, label, "out of sample"), wanted.orthogonal.period("out of sample")
    raw = beside.period("out of sample")
    assert other is not None
    assert raw is not None
    assert small.close(late["icir"], other.icir)
    assert small.close(late["raw_icir"], raw.icir)
    assert small.close(late["t_ewc"], other.t_ewc)
    assert small.close(late["se_mean"], other.se_mean)
    assert small.close(late["sd_ic"], other.sd)
    assert (late["n_dates"], late["n_positive"], late["n_offsets"]) == (other.n_dates, other.n_positive, other.n_offsets)
    assert small.close(late["variance_left"], variance_left(frame, base, small.SPLIT))
    assert late["icir"] != row["icir"]


def block_frame(data: Dataset, block: FloatArray) -> pl.DataFrame:
    return to_frame(load_market(data).axes, {"composite": block}, np.isfinite(block))


# ---------------------------------------------------------------- figures


def test_the_verdict_is_that_of_the_public_functions(data: Dataset, one: ConstructionStudy, future: pl.DataFrame) -> None:
    """Residual returns feed S only; what it is judged by are raw forward returns."""
    wanted = judged(scores(data, one.construction), future, factors(data))
    found = one.verdict
    assert found is not None
    assert small.close(found.icir, wanted.icir)
    assert small.close(found.raw.icir, wanted.raw.icir)
    assert small.close(found.variance_left, variance_left(scores(data, one.construction), factors(data)))
    assert found.orthogonal.median_names == wanted.orthogonal.median_names
    for mine, other in zip(found.orthogonal.periods, wanted.orthogonal.periods, strict=True):
        assert (mine.label, mine.n_dates, mine.months, mine.first, mine.last) == (
            other.label,
            other.n_dates,
            other.months,
            other.first,
            other.last,
        )
        assert small.close(mine.icir, other.icir)
    assert found.orthogonal.null is not None
    assert found.orthogonal.null.draws == 40
    assert one.scored_rows == scores(data, one.construction)["composite"].is_not_null().sum()


def test_controls_and_nested_test_are_those_of_frames(data: Dataset, one: ConstructionStudy, future: pl.DataFrame) -> None:
    settings = replace(small.SIGNAL, construction=one.construction)
    market = load_market(data)
    if one.construction == "S":
        ground = lay_ground(data, small.EVALUATION, small.STUDY, say=lambda _: None)
        market = residual_market(market, ground.base.values, ground.base.names)
    made, _ = control_scores(data, market, settings)
    wanted = judged(scores(data, one.construction), future, factors(data), controls={name: each.to_frame() for name, each in made.items()})
    assert one.verdict is not None
    assert one.verdict.nested is not None
    assert wanted.nested is not None
    assert [each.name for each in one.verdict.controls] == ["own_only", "industry"]
    # the public path leaves out controls of stocks without a filing: here every scored stock has one
    assert small.close(one.verdict.nested.test.t, wanted.nested.test.t, 1e-8)
    for mine, other in zip(one.verdict.controls, wanted.controls, strict=True):
        assert small.close(mine.paired.t, other.paired.t, 1e-8)


def test_shuffles_are_those_of_run_momentum(data: Dataset, made: ProductStudy) -> None:
    study, _ = run_momentum(data, small.SIGNAL, small.EVALUATION)
    mine = made.constructions["R"].verdict
    assert study.verdict is not None
    assert mine is not None
    assert len(mine.shuffled_t) == mine.shuffles_asked == study.verdict.shuffles_asked == 2
    assert mine.shuffled_t == pytest.approx(study.verdict.shuffled_t, rel=1e-9)
    assert mine.shuffled_icir == pytest.approx(study.verdict.shuffled_icir, rel=1e-9)
    assert mine.shuffled_raw_icir == pytest.approx(study.verdict.shuffled_raw_icir, rel=1e-9)
    assert mine.shuffled_icir != mine.shuffled_raw_icir
    assert len(mine.shuffled_icir) == len(mine.shuffled_raw_icir) == 2
    assert mine.nested is not None
    assert study.verdict.nested is not None
    assert mine.nested.test.t == pytest.approx(study.verdict.nested.test.t, rel=1e-9)
    assert made.constructions["S"].verdict.shuffled_t != mine.shuffled_t  # type: ignore[union-attr]


def test_bases_with_and_without_industries_and_columns(data: Dataset, one: ConstructionStudy, future: pl.DataFrame) -> None:
    """A narrower base keeps the names of the whole one, so that the figures differ by the columns alone."""
    whole, narrow = factors(data), factors(data).drop("c1")
    frame = scores(data, one.construction)
    common = frame.join(whole.drop_nulls().select("date", "asset"), on=["date", "asset"], how="semi")
    assert common.height < frame.height
    wanted = {
        "base": judged(frame, future, whole),
        "base + industries": judged(frame, future, whole, industries=coarsest(data)),
        "without c1": judged(common, future, narrow),
        "without c1 + industries": judged(common, future, narrow, industries=coarsest(data)),
    }
    assert set(one.bases) == set(wanted)
    for name, other in wanted.items():
        assert small.close(one.bases[name].icir, other.icir), name
        late, its = one.bases[name].period("out of sample"), other.orthogonal.period("out of sample")
        assert late is not None
        assert its is not None
        assert small.close(late.icir, its.icir), name
    assert len({one.bases[name].icir for name in wanted}) == 4


def test_cells_of_the_base_battery(data: Dataset, one: ConstructionStudy) -> None:
    whole = factors(data)
    frame = scores(data, one.construction)
    common = frame.join(whole.drop_nulls().select("date", "asset"), on=["date", "asset"], how="semi")
    for horizon in (20, 5, 60):
        ahead = forward_returns(data, sessions=horizon)
        columns = {"full": ["c0", "c1", "c2", "c3"], "without c1": ["c0", "c2", "c3"]}
        for group, kept in columns.items():
            wanted = judged(common, ahead, whole.select("date", "asset", *kept)).orthogonal
            rows = {row["period"]: row for row in one.figures.filter(group=group, horizon_sessions=horizon).to_dicts()}
            assert set(rows) == {"all", "in sample", "out of sample"}
            assert small.close(rows["all"]["icir"], wanted.icir)
            assert small.close(rows["all"]["icir_deflated"], wanted.icir * math.sqrt(min(1, 20 / horizon)))
            assert rows["all"]["k_columns"] == len(kept)
            for label in ("in sample", "out of sample"):
                part = wanted.period(label)
                assert part is not None
                assert rows[label]["n_dates"] == part.n_dates
                assert small.close(rows[label]["icir"], part.icir)
    for label, kept in (("2 columns", ["c0", "c1"]), ("3 columns", ["c0", "c1", "c2"])):
        ladder = one.figures.filter(group="base count", label=label, horizon_sessions=20, period="all")
        wanted = judged(common, forward_returns(data, sessions=20), whole.select("date", "asset", *kept)).orthogonal
        assert small.close(ladder["icir"][0], wanted.icir)
    assert one.figures.filter(group="family drop")["label"].unique().len() == 4  # without families each column is its own
    quiet = one.figures.filter(group="quality shuffle", label="0 % noise", horizon_sessions=20, period="all")["icir"]
    assert quiet.to_list() == pytest.approx([one.bases["base"].icir] * 2, rel=1e-9)


def test_out_of_sample_is_what_frames_cut_by_hand_give(data: Dataset, one: ConstructionStudy) -> None:
    """Score and returns from the day after the split on, evaluated as a sample of its own."""
    frame, future = scores(data, one.construction), forward_returns(data, sessions=20)
    late = future.filter(pl.col("date") > small.SPLIT)
    wanted = orthogonal_icir(
        frame.filter(pl.col("date") > small.SPLIT),
        late,
        factors(data),
        column="composite",
        timing=Timing(null_draws=0),
        calendar="XSHG",
    ).orthogonal
    row = one.figures.filter(group="full", horizon_sessions=20, period="out of sample").row(0, named=True)
    assert small.close(row["icir"], wanted.icir)
    assert (row["n_dates"], row["n_positive"]) == (wanted.n_dates, wanted.n_positive)
    early = future.filter(pl.col("exit_date") <= small.SPLIT)  # windows that have closed on the split
    wanted = orthogonal_icir(frame, early, factors(data), column="composite", timing=Timing(null_draws=0), calendar="XSHG").orthogonal
    row = one.figures.filter(group="full", horizon_sessions=20, period="in sample").row(0, named=True)
    assert small.close(row["icir"], wanted.icir)
    assert row["n_dates"] == wanted.n_dates


@pytest.mark.parametrize(
    ("group", "label", "changes"),
    [
        ("buffer days", "0", {"buffer_days": 0}),
        ("buffer days", "30", {}),
        ("purity", "0.8", {"purity": 0.8}),
        ("minimum peers", "4", {"min_peers": 4}),
        ("level", "leaf", {"level": "leaf"}),
        ("level", "2", {}),
        ("winsorising", "signal, winsorising off", {"winsorise_mads": None}),
    ],
)
def test_rebuilt_signals_are_those_of_the_public_function(
    data: Dataset, one: ConstructionStudy, future: pl.DataFrame, group: str, label: str, changes: dict[str, Any]
) -> None:
    frame = scores(data, one.construction, **changes)
    assert_cell(one, group, label, frame, future, factors(data))
    assert in_cells(one, group, label)["is_default"] == (not changes)
    assert in_cells(one, group, label)["informed"]


def test_a_level_that_the_tree_lacks_is_told(one: ConstructionStudy) -> None:
    row = in_cells(one, "level", "60")
    assert "level 60 is empty" in row["reason"]
    assert row["icir"] is None
    assert any("level 60" in each for each in one.skipped)


@pytest.mark.parametrize("name", ["own_only", "industry"])
def test_controls_without_winsorising(data: Dataset, one: ConstructionStudy, future: pl.DataFrame, name: str) -> None:
    settings = replace(small.SIGNAL, construction=one.construction, winsorise_mads=None)
    made, _ = control_scores(data, workshop(data, one.construction).market, settings)
    frame = block_frame(data, made[name].composite)
    assert_cell(one, "winsorising", f"{name}, winsorising off", frame, future, factors(data))
    assert not in_cells(one, "winsorising", f"{name}, winsorising off")["informed"]


def workshop(data: Dataset, construction: str) -> PeerWorkshop:
    """Baskets on the market that feeds a construction, from the exposures of frames."""
    market = load_market(data)
    if construction == "S":
        from pureplay.signals.residual import exposure_block

        market = residual_market(market, *exposure_block(factors(data), market.axes))
    return PeerWorkshop(data, market)


def test_placebos_are_their_own_scores(data: Dataset, one: ConstructionStudy, future: pl.DataFrame) -> None:
    shop, settings = workshop(data, one.construction), replace(small.SIGNAL, construction=one.construction)
    found = one.cells.filter(group="placebo", period="all")
    assert found["label"].to_list() == [each.label for each in PLACEBOS.values()]
    for cell in placebo_cells(shop, settings):
        frame = block_frame(data, placebo_scores(shop, settings, cell.name, seed=3))
        wanted = judged(frame, future, factors(data))
        row = in_cells(one, "placebo", cell.label)
        assert small.close(row["icir"], wanted.icir), cell.name
        assert small.close(row["raw_icir"], raw_beside(frame, future, factors(data)).icir), cell.name
        assert row["informed"] == cell.product_information
    assert LATE_SESSIONS < 330  # so that the signal of a year before has a figure as well


def test_residualisation_is_that_of_residual_returns(data: Dataset, made: ProductStudy) -> None:
    table = made.constructions["S"].residualisation
    wanted = residual_returns(data, factors(data)).factor_returns
    assert table is not None
    assert made.constructions["R"].residualisation is None
    assert table.columns == ["date", "r2", "names", "intercept", "c0", "c1", "c2", "c3"]
    for name in table.columns:
        assert table[name].to_list() == wanted[name].to_list()
    assert table["r2"].drop_nulls().len() > 300


def test_what_the_record_says_of_the_base_and_of_time(made: ProductStudy, told: list[str]) -> None:
    assert made.synthetic
    assert made.base["kind"] == "own"
    assert made.base["names"] == ["c0", "c1", "c2", "c3"]
    assert set(made.base["filled"].values()) == {0.0}
    assert made.settings["study"]["base"] == "own"
    assert made.headline.height == 24
    assert any(each.startswith("R: battery: 1 of ") and each.endswith(" left") for each in told)
    counted = [each for each in told if each.startswith("S: battery: ")]
    total = int(counted[-1].split()[-1])
    assert [int(each.split()[2]) for each in counted] == list(range(total + 1))
    assert "left" not in counted[-1]
    assert {"R: battery", "S: battery", "R: verdict"} <= set(made.seconds)


# ---------------------------------------------------------------- settings


QUICK: dict[str, dict[str, Any]] = {
    "study": {"constructions": ("R",), "buffers_days": (), "purities": (), "min_peers": (), "levels": (), "placebos": False},
    "evaluation": {"shuffles": 0, "null_draws": 0},
}


def quick(folder: Path, work: Path, **changes: Any) -> ProductStudy:
    """A study of R without grids, placebos and shuffles, and what is changed in it."""
    parts = dict(QUICK)
    for name, each in changes.items():
        parts[name] = {**parts.get(name, {}), **each}
    return run_study(small.spec(folder, **parts), work=work)


def figures(made: ProductStudy) -> dict[str, Any]:
    """Everything but the time taken and the settings."""
    kept = {name: value for name, value in made.to_dict().items() if name not in ("seconds", "settings")}
    return json.loads(json.dumps(kept, default=str))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def plain(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return figures(quick(folder, tmp_path_factory.mktemp("plain")))


@pytest.mark.parametrize(
    "changes",
    [
        {"study": {"constructions": ("S",)}},
        {"study": {"base": "price"}},
        {"study": {"buffers_days": (0,)}},
        {"study": {"purities": (0.9,)}},
        {"study": {"min_peers": (7,)}},
        {"study": {"levels": (3,)}},
        {"study": {"placebos": True}},
        {"battery": {"noise_levels": (0.5,)}},
        {"battery": {"noise_seeds": 3}},
        {"battery": {"ladder_from": 3}},
        {"battery": {"random_orders": 0}},
        {"battery": {"without": ("c2",)}},
        {"battery": {"cost_bps": (5.0,)}},
        {"battery": {"quantiles": 3}},
        {"battery": {"seed": 5}},
        {"evaluation": {"horizon_sessions": 10}},
        {"evaluation": {"horizons_sessions": (5,)}},
        {"evaluation": {"delay_sessions": 2}},
        {"evaluation": {"grid_sessions": 10}},
        {"evaluation": {"split": date(2025, 5, 30)}},
        {"evaluation": {"base": ("c0", "c2")}},
        {"evaluation": {"industry_scheme": "finest"}},
        {"evaluation": {"shuffles": 1}},
        {"evaluation": {"null_draws": 30}},
        {"evaluation": {"min_names": 142}},
        {"evaluation": {"min_typical_names": 149}},
        {"signal": {"window_sessions": 30}},
    ],
    ids=str,
)
def test_every_setting_matters(
    data: Dataset, folder: Path, plain: dict[str, Any], tmp_path: Path, changes: dict[str, dict[str, Any]]
) -> None:
    if changes.get("evaluation", {}).get("industry_scheme"):
        changes = {"evaluation": {"industry_scheme": schemes_by_depth(data)[0]}}
    assert figures(quick(folder, tmp_path, **changes)) != plain


def test_the_seed_of_the_evaluation_decides_placebos_shuffles_and_null(folder: Path, tmp_path: Path) -> None:
    on: dict[str, dict[str, Any]] = {"study": {"placebos": True}, "evaluation": {"shuffles": 1, "null_draws": 300}}
    one = figures(quick(folder, tmp_path / "one", **on))
    other = figures(quick(folder, tmp_path / "other", **{**on, "evaluation": {**on["evaluation"], "seed": 9}}))
    mine, its = one["constructions"]["R"], other["constructions"]["R"]
    assert mine["verdict"]["shuffled_t"] != its["verdict"]["shuffled_t"]
    assert mine["bases"]["base"]["null_p"] != its["bases"]["base"]["null_p"]
    labels = {each.label for each in PLACEBOS.values() if each.seeded}
    for row, same in zip(mine["cells"], its["cells"], strict=True):
        assert (row["icir"] != same["icir"]) == (row["label"] in labels), row["label"]
    assert mine["figures"] == its["figures"]  # of the battery's own seed


@pytest.mark.parametrize("block", [1000, 57])
def test_the_size_of_blocks_changes_no_bit(folder: Path, plain: dict[str, Any], tmp_path: Path, block: int) -> None:
    assert figures(quick(folder, tmp_path, study={"block_sessions": block})) == plain


def test_the_number_of_workers_changes_no_bit(folder: Path, made: ProductStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", "3")
    assert figures(run_study(small.spec(folder), work=tmp_path)) == figures(made)


def test_the_order_of_units_changes_no_bit(folder: Path, made: ProductStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done backwards, the results are the same: no piece leans on one before it."""
    run = study_module.run_units

    def backwards(store: UnitStore, units: list[Unit], work: Any, **more: Any) -> list[Any]:
        run(store, units[::-1], work, cluster=None)
        return run(store, units, work, **more)

    monkeypatch.setattr(study_module, "run_units", backwards)
    assert figures(run_study(small.spec(folder), work=tmp_path)) == figures(made)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"constructions": ()}, "constructions must name"),
        ({"constructions": ("R", "R")}, "constructions must name"),
        ({"constructions": ("T",)}, "constructions must name"),
        ({"base": "other"}, "base must be one of auto, full, price, own"),
        ({"industry_labels": "later"}, "industry_labels must be one of pit, backcast"),
        ({"block_sessions": 0}, "block_sessions must be a whole number of at least 1"),
        ({"block_sessions": True}, "block_sessions must be a whole number of at least 1"),
        ({"buffers_days": (-1,)}, "buffers_days: buffer_days must be at least 0"),
        ({"purities": (0.5, 1.5)}, "purities: purity must be between 0 and 1"),
        ({"min_peers": (0,)}, "min_peers: min_peers must be at least 1"),
        ({"levels": ("top",)}, "levels: level must be"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused_before_any_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        StudySettings(**changes)


def test_lists_become_tuples_so_that_a_study_can_be_a_key() -> None:
    made = StudySettings(constructions=["R"], buffers_days=[0, 30], levels=[1, "leaf"])  # type: ignore[arg-type]
    assert made == StudySettings(constructions=("R",), buffers_days=(0, 30), levels=(1, "leaf"))
    assert len({made, made}) == 1


def test_full_purity_may_be_asked_for_where_it_can_be_reached() -> None:
    assert StudySettings(purities=(1.0,)).purities == (1.0,)


# ---------------------------------------------------------------- not evaluable


def test_constructions_without_an_answer_are_told(folder: Path, tmp_path: Path) -> None:
    made = run_study(small.spec(folder, evaluation={"min_typical_names": 10_000}), work=tmp_path)
    for each in made.constructions.values():
        assert each.verdict is None
        assert "a verdict needs 10000" in str(each.not_evaluable)
        assert each.figures.height == 0
        assert "icir" in each.figures.columns
        assert each.coverage["scored"].max() > 0  # type: ignore[operator]
    assert made.headline.height == 0
    assert made.constructions["S"].residualisation is not None


def test_a_short_sample_says_which_horizon_does_not_fit(tmp_path: Path) -> None:
    spec = small.spec(small.dataset(tmp_path / "data", sessions=70), evaluation={"horizon_sessions": 69, "split": None})
    with pytest.raises(InsufficientDataError, match="a horizon of 69 entered 1 after the score does not fit"):
        run_study(spec, work=tmp_path / "work")


def test_products_that_are_industries_have_no_shuffle_and_say_so(data: Dataset, folder: Path, tmp_path: Path) -> None:
    finest = schemes_by_depth(data)[0]
    made = quick(folder, tmp_path, signal={"products": f"industries:{finest}"}, evaluation={"shuffles": 2})
    one = made.constructions["R"]
    assert one.verdict is not None
    assert one.verdict.shuffled_t == ()
    assert one.verdict.shuffles_asked == 0
    assert any("nothing to shuffle within an industry" in each for each in one.skipped)


# ---------------------------------------------------------------- taken up again


class Killed(Exception):
    """Stands for a kill."""


def stopping_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let the run end with an error once so many pieces are kept."""
    put, done = UnitStore.put, iter(range(10_000))

    def counted(self: UnitStore, unit: Unit, result: Any) -> None:
        put(self, unit, result)
        if next(done) + 1 == count:
            raise Killed

    monkeypatch.setattr(UnitStore, "put", counted)


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pieces that are worked out."""
    names: list[str] = []
    put = UnitStore.put

    def noted(self: UnitStore, unit: Unit, result: Any) -> None:
        names.append(unit.name)
        put(self, unit, result)

    monkeypatch.setattr(UnitStore, "put", noted)
    return names


@pytest.mark.parametrize("count", [1, 25])
def test_a_run_that_ended_goes_on_and_gives_the_same(folder: Path, made: ProductStudy, work: Path, tmp_path: Path, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stopping_after(patch, count)
        with pytest.raises(Killed):
            run_study(small.spec(folder), work=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        worked = counting(patch)
        assert figures(run_study(small.spec(folder), work=tmp_path)) == figures(made)
    assert len(worked) == len(set(worked)) == len(list(work.glob("*.unit"))) - count


def test_damaged_pieces_are_worked_out_again(folder: Path, made: ProductStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(small.spec(folder), work=tmp_path)
    files = sorted(tmp_path.glob("*.unit"))
    bases = next(each for each in files if "bases" in each.name)
    placebo = next(each for each in files if "placebo" in each.name)
    content = bytearray(bases.read_bytes())
    content[-9] ^= 1
    bases.write_bytes(content)
    placebo.write_bytes(placebo.read_bytes()[:-5])
    worked = counting(monkeypatch)
    again = run_study(small.spec(folder), work=tmp_path)
    assert again.notes[-1] == "2 finished pieces of an earlier run were damaged, and were worked out again"
    assert figures(replace(again, notes=again.notes[:-1])) == figures(made)
    assert len(worked) == 2


@pytest.mark.parametrize("change", ["settings", "data", "factors", "families"])
def test_pieces_of_another_study_are_removed(data: Dataset, folder: Path, tmp_path: Path, change: str) -> None:
    """No piece of the first run is in the second, which equals one that never saw it."""
    folder = Path(shutil.copytree(folder, tmp_path / "data"))
    stack, families = tmp_path / "own.parquet", tmp_path / "own.toml"
    factors(data).write_parquet(stack)
    families.write_text('c0 = "a"\nc1 = "a"\n', encoding="utf-8")
    base: dict[str, Any] = {**QUICK, "factors": stack, "families": families}
    run_study(small.spec(folder, **base), work=tmp_path / "work")
    other = dict(base)
    if change == "settings":
        other["signal"] = {"window_sessions": 25}
    elif change == "data":
        tables = dict(small.tables())
        tables["bars"] = tables["bars"].with_columns(ret=pl.col("ret") * 0.5)
        Dataset.from_frames(tables, calendar="XSHG", notes={"synthetic": True}).write(folder)
    elif change == "factors":
        factors(data).with_columns(c0=-pl.col("c0") + 0.1 * pl.col("c2").sin()).write_parquet(stack)
    else:
        families.write_text('c0 = "a"\nc1 = "b"\nc2 = "a"\n', encoding="utf-8")
    said: list[str] = []
    found = run_study(small.spec(folder, **other), work=tmp_path / "work", progress=said.append)
    told = [each for each in found.notes if "finished pieces of an earlier run belonged to other data, settings or code" in each]
    assert len(told) == 1
    assert told[0] in said
    found = replace(found, notes=tuple(each for each in found.notes if each not in told))
    assert figures(found) == figures(run_study(small.spec(folder, **other), work=tmp_path / "fresh"))


def test_the_name_of_a_run_and_its_folder_decide_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(folder, tmp_path / "work")
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    worked = counting(monkeypatch)
    spec = small.spec(moved, **QUICK, name="another")
    assert run_study(spec, work=tmp_path / "work").name == "another"
    assert worked == []


def test_a_folder_that_another_run_holds_is_refused(data: Dataset, folder: Path, tmp_path: Path) -> None:
    spec = small.spec(folder)
    with (
        UnitStore(tmp_path / "work", spec.fingerprint(data)),
        pytest.raises(DatasetError, match=r"another process is writing .*: wait for it, or choose another folder"),
    ):
        run_study(spec, work=tmp_path / "work")


def test_pieces_have_distinct_names() -> None:
    made = [Piece(construction="R", kind="shuffle", name="own_only industry", number=k) for k in range(3)]
    made += [Piece(construction="R", kind="bases", first=a, last=a + 5) for a in (0, 5)]
    made += [Piece(construction=c, kind="placebo", name="own_return") for c in ("R", "S")]  # type: ignore[arg-type]
    assert len({str(each) for each in made}) == len(made)
    assert str(made[0]) == "R: shuffle 1"
    assert str(made[3]) == "R: bases sessions 0 to 5"


@pytest.fixture(autouse=True)
def _no_sweep_is_left() -> Iterator[None]:
    yield
    assert study_module._THERE == {}  # only workers of a cluster keep a ground


def test_files_that_cannot_be_read_are_told(folder: Path, tmp_path: Path) -> None:
    for name, content, kind in (("own.txt", "x", TableError), ("own.csv", "", TableError), ("own.parquet", "no", TableError)):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        with pytest.raises(kind, match=f"{name}.*: save the factors"):
            run_study(small.spec(folder, factors=path), work=tmp_path / "work")
    with pytest.raises(PureplayError):
        run_study(StudySpec(data=tmp_path / "absent", signal=SignalSettings()), work=tmp_path / "other")
