"""What a study stands on: base, forward returns, industries, split; and that nothing of it sees the future."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.evaluate import forward_returns
from pureplay.factors import base_factors
from pureplay.factors.industry import industry_block
from pureplay.market import load_market
from pureplay.panel import to_frame
from pureplay.signals import product_momentum
from pureplay.studies.controls import schemes_by_depth
from pureplay.studies.evaluation import Evaluation
from pureplay.studies.ground import Ground, build_signal, lay_ground, study_split
from pureplay.studies.settings import StudySettings
from pureplay.synthetic import market
from tests.studies import small


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.from_frames(small.tables(), calendar="XSHG")


@pytest.fixture(scope="module")
def rich() -> Dataset:
    """With statements, dividends and an industry list that changes on 2021-07-30."""
    made = market(stocks=100, sessions=150, seed=2, end=date(2021, 10, 29), industry_switch=True).tables
    return Dataset.from_frames({name: each for name, each in made.items() if name != "factors"}, calendar="XSHG")


def laid(data: Dataset, *, evaluation: dict[str, Any] | None = None, study: dict[str, Any] | None = None, **more: Any) -> Ground:
    settings = replace(small.EVALUATION, **(evaluation or {}))
    return lay_ground(data, settings, replace(small.STUDY, **(study or {})), say=lambda _: None, **more)


def test_forward_returns_are_raw_and_of_every_horizon(data: Dataset) -> None:
    ground = laid(data)
    assert ground.evaluator.horizons == (20, 5, 60)
    assert ground.headline.horizons == (20,)
    for k, horizon in enumerate((20, 5, 60)):
        wanted = forward_returns(data, sessions=horizon).select("date", "asset", "forward_return")
        block = ground.evaluator.forward.values[k]
        found = to_frame(ground.market.axes, {"forward_return": block}, np.isfinite(block))
        assert found.sort("date", "asset")["forward_return"].to_list() == wanted.sort("date", "asset")["forward_return"].to_list()
    assert ground.headline.forward.values.base is not None  # a view: blocks of gigabytes are not copied
    assert np.shares_memory(ground.headline.forward.values, ground.evaluator.forward.values)


def test_a_horizon_that_does_not_fit_is_told() -> None:
    data = Dataset.from_frames(small.tables(70), calendar="XSHG")
    ground = laid(data, evaluation={"horizons_sessions": (5, 68, 69, 120)})
    assert ground.evaluator.horizons == (20, 5, 68)
    assert [note for note in ground.notes if "does not fit" in note] == [
        "a horizon of 69 sessions does not fit into the 70 sessions of the data",
        "a horizon of 120 sessions does not fit into the 70 sessions of the data",
    ]
    with pytest.raises(InsufficientDataError, match="a horizon of 69 entered 1 after"):
        laid(data, evaluation={"horizon_sessions": 69})


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        ("2021-01-04", "2024-12-31", date(2022, 12, 31)),
        ("2022-06-01", "2024-12-31", None),  # less than a year before
        ("2021-01-04", "2023-10-31", None),  # less than a year after
    ],
)
def test_the_split_of_the_source_where_a_year_lies_on_either_side(first: str, last: str, found: date | None) -> None:
    from pureplay.sessions import sessions_between

    sessions = sessions_between(np.array([first, last], dtype="datetime64[D]"), "XSHG")

    class Market:
        axes = type("Axes", (), {"sessions": sessions})

    split, notes = study_split(Evaluation(), Market)  # type: ignore[arg-type]
    assert split == found
    assert ("nothing is split" in "".join(notes)) == (found is None)
    assert study_split(Evaluation(split=date(2023, 1, 5)), Market) == (date(2023, 1, 5), ())  # type: ignore[arg-type]


def test_the_kind_of_base(data: Dataset, rich: Dataset) -> None:
    assert laid(data, study={"base": "own"}).base.names == ("c0", "c1", "c2", "c3")
    price = laid(data, study={"base": "auto"})  # no statements; the factors table is the user's, and "own" asks for it
    assert price.base.kind == "price"
    assert any("price-only base of 13 factors (the dataset has no statements)" in note for note in price.notes)
    assert np.array_equal(price.base.values, base_factors(data).only(price.base.names).values, equal_nan=True)
    full = laid(rich, study={"base": "auto"}, evaluation={"split": None})
    assert full.base.kind == "full"
    assert set(full.base.names) > {"size", "btop"}
    assert laid(rich, study={"base": "price"}, evaluation={"split": None}).base.kind == "price"
    with pytest.raises(TableError, match="the full base needs the table statements"):
        laid(data, study={"base": "full"})
    with pytest.raises(TableError, match='base = "own" needs the table factors'):
        laid(rich, study={"base": "own"})


def test_columns_that_never_come_into_force_leave_the_base(data: Dataset, rich: Dataset) -> None:
    full = laid(rich, study={"base": "full"}, evaluation={"split": None})
    assert "momentum" not in full.base.names  # 252 observations and a lag: more than the 150 sessions
    assert set(full.base.names) == set(full.base.ladder) == set(full.base.families)
    assert np.isfinite(full.evaluator.base).any(axis=(0, 2)).all()
    assert any(note.startswith("left out of the base, for they never come into force") and "momentum" in note for note in full.notes)
    nothing = data.frame("factors").with_columns(pl.lit(None, pl.Float64).alias(f"c{k}") for k in range(4))
    with pytest.raises(InsufficientDataError, match="none of the 4 factors of the base has a value"):
        laid(data, own=nothing)


def test_a_stack_from_outside_and_its_families(data: Dataset) -> None:
    stack = data.frame("factors").rename({"c0": "mine"})
    ground = laid(data, study={"base": "auto"}, own=stack, families={"mine": "a", "c1": "a"})
    assert ground.base.names == ("mine", "c1", "c2", "c3")
    assert ground.base.families == {"mine": "a", "c1": "a", "c2": "c2", "c3": "c3"}
    for base in ("full", "price"):
        with pytest.raises(SettingError, match="a factor stack is given, but base is"):
            laid(data, study={"base": base}, own=stack)
    with pytest.raises(SettingError, match="families are given without a factor stack"):
        laid(data, study={"base": "auto"}, families={"c0": "a"})
    assert laid(data, families={"c0": "a", "c1": "a"}).base.families["c1"] == "a"  # the table of the dataset is a stack too
    with pytest.raises(TableError, match="absent"):
        laid(data, families={"absent": "a"})


def test_a_base_cut_down(data: Dataset) -> None:
    ground = laid(data, evaluation={"base": ("c2", "c0")})
    assert ground.base.names == ground.evaluator.base_names == ("c0", "c2")
    assert ground.evaluator.base.shape[1] == 2
    assert "the base is cut down to 2 of 4 factors, as asked" in ground.notes
    with pytest.raises(SettingError, match="the base lacks absent; it has c0, c1, c2, c3"):
        laid(data, evaluation={"base": ("absent",)})
    with pytest.raises(SettingError, match=r"base = \(\) names no factor"):
        laid(data, evaluation={"base": ()})


def test_industries(data: Dataset, rich: Dataset) -> None:
    coarsest, finest = schemes_by_depth(rich)[-1], schemes_by_depth(rich)[0]
    axes = load_market(rich).axes
    plain = {"base": "price"}
    for labels in ("pit", "backcast"):
        ground = laid(rich, study={**plain, "industry_labels": labels}, evaluation={"split": None})
        assert ground.scheme == coarsest
        assert np.array_equal(ground.industries, industry_block(rich, axes, coarsest, mode=labels))  # type: ignore[arg-type]
        assert any("backcast" in note and "looks ahead" in note for note in ground.notes) == (labels == "backcast")
    pit, later = (
        laid(rich, study={**plain, "industry_labels": each}, evaluation={"split": None}).industries for each in ("pit", "backcast")
    )
    assert pit is not None
    assert later is not None
    assert (pit != later).any()
    assert laid(rich, study=plain, evaluation={"split": None, "industry_scheme": finest}).scheme == finest
    with pytest.raises(SettingError, match="industry_scheme 'absent' is not in the dataset; it has"):
        laid(rich, study=plain, evaluation={"industry_scheme": "absent"})
    bare = Dataset.from_frames({name: each for name, each in small.tables().items() if name != "industries"}, calendar="XSHG")
    ground = laid(bare)
    assert ground.industries is None
    assert ground.scheme is None
    assert any("the dataset has no industries" in note for note in ground.notes)


def test_the_flags_of_filled_values_are_let_go_and_their_shares_kept(rich: Dataset) -> None:
    ground = laid(rich, study={"base": "price"})
    assert ground.base.filled is None
    assert "filled" not in ground.base.to_frame(0, 1).columns
    flagged = base_factors(rich, kind="price")
    assert flagged.filled is not None
    assert any(share > 0 for share in ground.filled.values())
    for name, share in ground.filled.items():
        k = flagged.names.index(name)
        assert share == flagged.filled[:, k].sum() / np.isfinite(flagged.values[:, k]).sum()


@pytest.mark.parametrize("base", ["own", "price"])
def test_the_signal_is_that_of_the_public_function(data: Dataset, base: str) -> None:
    ground = laid(data, study={"base": base})
    settings = {name: value for name, value in small.SIGNAL.to_dict().items() if name != "construction"}
    for construction, exposures in (("R", None), ("S", ground.base.to_frame().drop("filled", strict=False))):
        built = build_signal(ground, construction, small.SIGNAL, say=lambda _: None)  # type: ignore[arg-type]
        wanted = product_momentum(data, construction=construction, exposures=exposures, **settings)  # type: ignore[arg-type]
        assert built.settings.construction == construction
        found = to_frame(ground.market.axes, {"composite": built.composite}, np.isfinite(built.composite))
        assert found.equals(wanted.select("date", "asset", "composite").drop_nulls(), null_equal=True)
        assert set(built.controls) == {"own_only", "industry"}


def cut(tables: dict[str, pl.DataFrame], day: date) -> dict[str, pl.DataFrame]:
    """The tables as they stood at the close of a day (METHODS §12)."""
    out = {}
    for name, frame in tables.items():
        kept = frame
        for column in ("date", "publish_date", "start_date", "ex_date", "list_date"):
            if column in frame.columns and not (column == "list_date" and name != "assets"):
                kept = kept.filter(pl.col(column).is_null() | (pl.col(column) <= day))
        for column in ("end_date", "delist_date"):
            if column in frame.columns:
                kept = kept.with_columns(pl.when(pl.col(column) <= day).then(pl.col(column)).alias(column))
        out[name] = kept
    return out


@pytest.mark.parametrize(("base", "at"), [("own", 200), ("price", 300), ("price", 110)])
def test_construction_s_does_not_see_the_future(data: Dataset, base: str, at: int) -> None:
    """The base of a cut dataset feeds the same residuals, to the bit; at 110 sessions fewer columns have come into force at all."""
    day = load_market(data).axes.sessions.dates[at].astype(object)
    settings = {name: value for name, value in small.SIGNAL.to_dict().items() if name != "construction"}
    found = []
    for tables in (small.tables(), cut(small.tables(), day)):
        made = Dataset.from_frames(tables, calendar="XSHG")
        ground = laid(made, study={"base": base})
        frame = product_momentum(made, construction="S", exposures=ground.base.to_frame().drop("filled", strict=False), **settings)  # type: ignore[arg-type]
        found.append((frame.filter(pl.col("date") <= day).with_columns(pl.col("asset").cast(pl.String)), ground.base.names))
    assert found[0][0].equals(found[1][0], null_equal=True)
    assert found[0][0]["composite"].is_not_null().sum() > 1000
    assert (found[0][1] != found[1][1]) == (at == 110)


def test_settings_of_the_study_reach_the_ground_by_their_names() -> None:
    assert StudySettings().industry_labels == "pit"
    assert StudySettings().constructions == ("R", "S")
    assert StudySettings().block_sessions == 250
