"""The example maps and runs on the collected A-share data, in place."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pureplay.apps.config import read_config
from pureplay.apps.pipeline import import_files, run_config

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.realdata
@pytest.mark.slow
def test_leaf_products_are_not_evaluable_and_say_why(realdata: Path, tmp_path: Path) -> None:
    _, data = import_files(
        EXAMPLES / "maps" / "cn.toml", realdata / "cn", tmp_path / "data", today=date(2026, 11, 20), progress=lambda _: None
    )
    assert data.frame("segments")["known_at_source"].unique().to_list() == ["assumed"]
    assert data.frame("bars").height > 4_000_000
    study = run_config(read_config(EXAMPLES / "cn.toml"), tmp_path / "run", data_folder=tmp_path / "data", progress=lambda _: None)
    assert study.verdict is None
    assert study.not_evaluable is not None
    assert "a verdict needs 100" in study.not_evaluable
    assert "products have the 6 pure plays" in study.not_evaluable
    assert {"composite", "biz_mom", "implied", "own_only", "industry"} <= set(study.components)
    scores = pl.read_parquet(tmp_path / "run" / "scores.parquet")
    assert scores["composite"].is_not_null().sum() == study.scored_rows > 0
    # a snapshot published on 2021-10-01 may be used from 2021-11-01 only
    assert scores["date"].min() == date(2021, 11, 1)
    assert (scores["eff_date"] <= scores["date"]).all()
