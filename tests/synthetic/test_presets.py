"""Presets, and the industry list that changes in July 2021."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from pureplay.apps.cli import app
from pureplay.errors import SettingError
from pureplay.synthetic import PRESETS, market, preset
from pureplay.synthetic.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

SWITCH = date(2021, 7, 30)
LONG: dict[str, Any] = {"stocks": 300, "sessions": 320, "end": date(2022, 6, 30)}


def labels(industries: pl.DataFrame, day: date) -> pl.DataFrame:
    """Label of every asset on a day, one column a scheme."""
    held = industries.filter((pl.col("start_date") <= day) & (pl.col("end_date").is_null() | (pl.col("end_date") > day)))
    return held.pivot("scheme", index="asset", values="code")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_holds_settings_that_are_not_the_defaults(name: str) -> None:
    settings = preset(name)
    made, plain = Settings(**settings), Settings()  # type: ignore[arg-type]
    assert not set(settings) & {"stocks", "sessions", "seed", "end"}, "sizes are the user's"
    assert any(getattr(made, key) != getattr(plain, key) for key in settings)
    settings["underreaction"] = 0.9
    assert preset(name)["underreaction"] != 0.9, "a caller's change must not reach the preset"


def test_the_preset_makes_another_market_and_own_settings_win() -> None:
    small: dict[str, Any] = {"stocks": 60, "sessions": 60}
    one = market(**{**preset("ashare"), **small})
    assert not one.tables["bars"].equals(market(**small).tables["bars"])
    own = market(**{**preset("ashare"), **small, "release_sessions": 5.0})
    assert own.settings == {**one.settings, "release_sessions": 5.0}


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingError, match=r"preset must be one of ashare, comovement; found 'us'"):
        preset("us")


def notes_of(folder: Path) -> dict[str, Any]:
    """Notes in the manifest of a dataset."""
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["notes"]
    return found


def test_the_command_takes_a_preset_and_the_dataset_says_so(tmp_path: Path) -> None:
    sizes = ["--stocks", "40", "--sessions", "60", "--seed", "3"]
    made = {}
    for name, more in {"plain": [], "preset": ["--preset", "ashare"], "own": ["--preset", "ashare", "--underreaction", "0.2"]}.items():
        result = CliRunner().invoke(app, ["synthetic", "--out", str(tmp_path / name), *sizes, *more], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        made[name] = notes_of(tmp_path / name)
    assert [made[name]["preset"] for name in made] == [None, "ashare", "ashare"]
    for name, settings in (
        ("plain", Settings(stocks=40, sessions=60, seed=3)),
        ("preset", Settings(stocks=40, sessions=60, seed=3, **preset("ashare"))),
    ):  # type: ignore[arg-type]
        for key in Settings.__dataclass_fields__:
            assert made[name][key] == str(getattr(settings, key)), key
    assert made["own"] == {**made["preset"], "underreaction": "0.2"}
    bars = [(tmp_path / name / "bars.parquet").read_bytes() for name in made]
    assert len(set(bars)) == 3
    with pytest.raises(SettingError, match="preset must be one of"):
        CliRunner().invoke(app, ["synthetic", "--out", str(tmp_path / "none"), "--preset", "us"], catch_exceptions=False)
    assert not (tmp_path / "none").exists()


def test_the_coarsest_industries_have_fewer_names_before_the_switch() -> None:
    plain, switched = (market(**LONG, industry_switch=on) for on in (False, True))
    before, after = (labels(switched.tables["industries"], day) for day in (date(2021, 7, 29), SWITCH))
    old, new = set(before["syn_l1"]), set(after["syn_l1"])
    assert old < new
    split = max(1, round(len(new) / 10))
    assert len(old) == len(new) - split
    # Only one direction: a label of the later list lies within one of the earlier list.
    both = before.join(after, on="asset", suffix="_new")
    assert both.group_by("syn_l1_new").agg(pl.col("syn_l1").n_unique())["syn_l1"].max() == 1
    moved = both.filter(pl.col("syn_l1") != pl.col("syn_l1_new"))
    assert moved.height
    assert moved["syn_l1_new"].n_unique() == split
    for day in (date(2021, 3, 1), date(2021, 7, 29), SWITCH, date(2022, 6, 30)):
        held, unswitched = (labels(each.tables["industries"], day) for each in (switched, plain))
        for fine, coarse in (("syn_l3", "syn_l2"), ("syn_l2", "syn_l1")):
            assert held.group_by(fine).agg(pl.col(coarse).n_unique())[coarse].max() == 1
        assert (held.sort("asset").drop("syn_l1")).equals(unswitched.sort("asset").drop("syn_l1"))
        assert (held.sort("asset")["syn_l1"] == unswitched.sort("asset")["syn_l1"]).all() == (day >= SWITCH)


def test_the_switch_changes_the_coarsest_industries_of_markets_that_reach_it_and_nothing_else() -> None:
    plain, switched = (market(**LONG, industry_switch=on).tables for on in (False, True))
    for name, frame in plain.items():
        if name != "industries":
            assert_frame_equal(frame, switched[name], check_exact=True)
    table = switched["industries"].sort("asset", "scheme", "start_date")
    same = (table["asset"] == table["asset"].shift(-1)) & (table["scheme"] == table["scheme"].shift(-1)).fill_null(False)
    assert table.filter(same)["end_date"].equals(table["start_date"].shift(-1).filter(same).alias("end_date"))
    repeated = same & (table["code"] == table["code"].shift(-1))
    assert not repeated.any(), "a label that stays is one interval"
    early: dict[str, Any] = {"stocks": 80, "sessions": 60, "end": date(2021, 7, 29)}
    assert_frame_equal(*(market(**early, industry_switch=on).tables["industries"] for on in (False, True)), check_exact=True)


@pytest.mark.parametrize("end", [SWITCH, date(2021, 8, 31), date(2025, 12, 31)])
def test_the_switch_is_sound_wherever_the_sample_lies(end: date) -> None:
    table = market(stocks=80, sessions=60, end=end, industry_switch=True).tables["industries"]
    for day in (date(2021, 7, 29), SWITCH):
        held = labels(table, day)
        assert held.select(pl.col("syn_l1").is_not_null().all()).item()
    assert len(set(labels(table, date(2021, 7, 29))["syn_l1"])) < len(set(labels(table, end)["syn_l1"]))
