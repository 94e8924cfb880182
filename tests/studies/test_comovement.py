"""The co-movement study as a whole: the lock box, what every setting changes, what is refused, and the record."""

import json
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.graph.edges import load_inputs
from pureplay.graph.forecast import ForecastSettings, Split
from pureplay.parallel import workers
from pureplay.studies import comovement
from pureplay.studies.comovement import Opening, run_comovement, stands
from pureplay.studies.comovement_records import ComovementStudy
from pureplay.studies.comovement_settings import ComovementSettings
from tests.graph.small_market import GRAPH, another_future, changed, data
from tests.studies.small_comovement import FORECAST, RECORD, STUDY, differing, opened, shut, study, whole

SAMPLED = (
    "fama_macbeth",
    "scores",
    "permutation",
    "calibration",
    "retention",
    "hedge",
    "hedge_sizes",
    "mix",
    "spillover",
    "minimum_variance",
)


def plain(made: ComovementStudy) -> dict[str, Any]:
    """Everything but the clock."""
    return {name: value for name, value in made.to_dict().items() if name != "seconds"}


def same(one: ComovementStudy, other: ComovementStudy) -> bool:
    mine, yours = ({k: v for k, v in plain(each).items() if k not in each.frames()} for each in (one, other))
    return not differing(one, other) and json.dumps(mine, default=str) == json.dumps(yours, default=str)


# ---------------------------------------------------------------- the lock box


def test_while_the_box_is_shut_there_is_no_figure_of_the_holdout() -> None:
    made, _ = shut()
    for name in (*SAMPLED, "bids"):
        frame = getattr(made, name)
        assert frame.height, name
        assert set(frame["sample"]) == {"develop"}, name
    assert made.opened == 0
    assert made.openings.height == 0
    assert set(made.bids["verdict"]) == {"not decided: the lock box is shut"}
    assert {"develop", "holdout", "no_forward"} == set(made.vintages["split"])


def test_an_open_box_adds_the_holdout_and_changes_nothing_of_develop() -> None:
    one, first = shut()
    both, second = whole()
    assert first == second
    for name in SAMPLED:
        frame = getattr(both, name)
        assert set(frame["sample"]) == {"develop", "holdout"}, name
        assert frame.filter(pl.col("sample") == "develop").equals(getattr(one, name), null_equal=True), name
        develop, holdout = (frame.filter(pl.col("sample") == each).drop("sample") for each in ("develop", "holdout"))
        assert not develop.equals(holdout)
    assert both.opened == 2
    assert both.openings.to_dicts() == [RECORD, RECORD]
    assert both.vintages.equals(one.vintages)


@pytest.mark.parametrize("horizons", [(3,), (20, 60)])
def test_returns_of_the_holdout_move_no_figure_of_develop(horizons: tuple[int, ...]) -> None:
    """Another future from the first session of the holdout on: every frame of develop keeps its bits, long horizons included."""
    start = date.fromisoformat(shut()[0].holdout_start)
    chosen = {"forecast": {"holdout_start": start}, "settings": {"spillover_horizons": horizons}}
    one, first = study(**chosen)
    poisoned = another_future(data(), start - timedelta(days=1))
    other, second = study(poisoned, **chosen)
    assert one.spillover.height
    assert differing(one, other, [*SAMPLED, "bids", "refused"]) == []
    assert replace(first, fingerprint={}) == replace(second, fingerprint={})
    numbers = one.vintages["split"].to_list().index("holdout")
    assert one.vintages[:numbers].equals(other.vintages[:numbers])
    assert not one.vintages[numbers:].equals(other.vintages[numbers:])


def test_the_box_is_opened_once_and_before_any_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Any]] = []

    def opening(parts: Split) -> Opening:
        calls.append(("opened", parts))
        return opened(parts)

    for name in ("fit", "score", "calibration", "sector_permutation", "retention_frame", "minimum_variance", "spillover", "hedge_universe"):
        original = getattr(comovement, name)

        def seen(*given: Any, _name: str = name, _original: Any = original, **named: Any) -> Any:
            calls.append((_name, None))
            return _original(*given, **named)

        monkeypatch.setattr(comovement, name, seen)
    study(opening=opening)
    assert [name for name, _ in calls].count("opened") == 1
    assert calls[0][0] == "opened"
    assert len({name for name, _ in calls}) == 9
    assert calls[0][1].holdout.size


def test_without_a_holdout_the_box_is_not_opened() -> None:
    def opening(_: Split) -> Opening:
        raise AssertionError("there is nothing to open it for")

    made, _ = study(forecast={"holdout_start": date(2030, 1, 1)}, opening=opening)
    assert made.opened == 0
    assert "holdout" not in set(made.vintages["split"])


# ---------------------------------------------------------------- settings


FORECAST_MATTERS: dict[str, Any] = {
    "holdout_start": date(2025, 3, 3),
    "variant": None,
    "cosines": 3,
    "lags": 4,
    "permutations": 3,
    "permutation_pairs": 100,
    "seed": 8,
    "fewest_vintages": 2,
}
STUDY_MATTERS: dict[str, Any] = {
    "first_vintage": date(2024, 9, 2),
    "last_vintage": date(2025, 9, 30),
    "universes": ("syn300",),
    "largest": 10,
    "hedge_counts": (2, 3),
    "hedge_names": 1,
    "mix_weights": (0.0, 0.2),
    "shortlist": 3,
    "price_names": 20,
    "linked_names": 20,
    "lowest": 0.3,
    "minimum_variance_names": 10,
    "spillover_horizons": (4,),
    "spillover_sessions": 6,
    "seed": 8,
}
WHERE = {
    "first_vintage": {"vintages", "fama_macbeth"},
    "last_vintage": {"vintages", "fama_macbeth"},
    "universes": {"hedge"},
    "largest": {"hedge"},
    "hedge_counts": {"hedge"},
    "hedge_names": {"hedge_sizes", "mix"},
    "mix_weights": {"mix"},
    "shortlist": {"hedge", "mix"},
    "price_names": {"retention"},
    "linked_names": {"retention"},
    "lowest": {"retention"},
    "minimum_variance_names": {"minimum_variance"},
    "spillover_horizons": {"spillover"},
    "spillover_sessions": {"spillover"},
    "seed": {"fama_macbeth", "hedge"},
    "holdout_start": {"fama_macbeth"},
    "cosines": {"fama_macbeth", "scores"},
    "lags": {"fama_macbeth"},
    "permutations": {"permutation"},
    "permutation_pairs": {"permutation"},
}


def test_every_setting_has_a_case() -> None:
    assert set(FORECAST_MATTERS) == {each.name for each in fields(ForecastSettings)}
    assert set(STUDY_MATTERS) == {each.name for each in fields(ComovementSettings)}


@pytest.mark.parametrize("name", [each.name for each in fields(ComovementSettings)])
def test_every_setting_of_the_study_matters(name: str) -> None:
    given = changed(data(), index_members=None) if name == "largest" else data()
    alone = {"universes": None} if name == "largest" else {}
    usual = study(given, settings=alone)[0] if alone else shut()[0]
    made, _ = study(given, settings={**alone, name: STUDY_MATTERS[name]})
    assert set(differing(usual, made)) >= WHERE[name]
    assert made.settings["study"][name] == replace(STUDY, **{name: STUDY_MATTERS[name]}).to_dict()[name]


@pytest.mark.parametrize("name", [each.name for each in fields(ForecastSettings)])
def test_every_setting_of_the_forecast_matters(name: str) -> None:
    usual, model = shut()
    other = ("interactions" if model.variant == "plain" else "plain") if name == "variant" else FORECAST_MATTERS[name]
    made, fitted = study(forecast={name: other})
    if name == "variant":
        assert fitted.variant == other != model.variant
        assert "scores" in differing(usual, made)
    elif name == "fewest_vintages":
        assert any("they do not decide" in note for note in usual.notes)
        assert not any("they do not decide" in note for note in made.notes)
    else:
        moved = WHERE[name] if name != "seed" else {"permutation"}
        assert set(differing(usual, made)) >= moved


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("largest", 1),
        ("hedge_names", 0),
        ("hedge_names", 7),
        ("hedge_counts", ()),
        ("hedge_counts", (0, 10)),
        ("hedge_counts", (1.5, 10)),
        ("mix_weights", (1.1,)),
        ("mix_weights", (float("nan"),)),
        ("shortlist", 0),
        ("price_names", 1),
        ("lowest", 0),
        ("lowest", 1.0),
        ("lowest", float("nan")),
        ("minimum_variance_names", -1),
        ("spillover_horizons", (0,)),
        ("spillover_sessions", 0),
        ("seed", -1),
        ("seed", 1.5),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=name):
        ComovementSettings(**{name: value})


def test_lists_become_tuples() -> None:
    made = ComovementSettings(hedge_counts=[10, 20], mix_weights=[0.5], universes=["x"], spillover_horizons=[5])  # type: ignore[arg-type]
    assert (made.hedge_counts, made.mix_weights, made.universes, made.spillover_horizons) == ((10, 20), (0.5,), ("x",), (5,))


# ---------------------------------------------------------------- what cannot be computed


def test_parts_that_cannot_be_computed_are_named_and_the_rest_stands() -> None:
    """No market index, no industries, no filings of the tail: what is left is computed, and what is missing says why."""
    bare = changed(data(), industries=None, index_members=None, benchmarks=None, affiliates=None, disclosed_links=None, supply_edges=None)
    made, _ = study(bare, settings={"universes": None, "largest": 10})
    assert made.scores.height
    assert made.hedge.height
    assert any("there is no index" in note for note in made.notes)
    assert sum(note.startswith("a lamp is off") for note in made.notes) >= 3


def test_too_few_names_for_a_rank_correlation_is_a_reason() -> None:
    some = data().frame("bars")["asset"].unique().sort()[:25].implode()
    given = changed(data(), bars=data().frame("bars").filter(pl.col("asset").is_in(some)))
    made, _ = study(given, settings={"minimum_variance_names": 500})
    parts = set(made.refused["part"])
    assert "spillover, develop" in parts
    assert made.spillover.height == 0
    assert made.refused["reason"].str.len_chars().min() > 20
    assert made.scores.height


def test_without_lasting_outcomes_there_is_no_study() -> None:
    with pytest.raises(InsufficientDataError, match="Give a later holdout_start"):
        study(forecast={"holdout_start": date(2010, 1, 1)})
    with pytest.raises(TableError, match="mentions"):
        study(changed(data(), mentions=None))


def test_links_alone_make_a_study() -> None:
    made, model = study(changed(data(), mentions=None), graph=replace(GRAPH, substrate="links"))
    assert made.articles.height == 0
    assert "dark" in model.dropped
    assert any("no news substrate" in note for note in made.notes)
    assert made.vintages["dark"].sum() == 0


def test_minimum_variance_is_left_out_on_request() -> None:
    made, _ = study(settings={"minimum_variance_names": 0})
    assert made.minimum_variance.height == 0
    assert not made.refused.height


# ---------------------------------------------------------------- the verdict


def side(coefficient: float, p: float | None) -> dict[str, Any]:
    return {"coefficient": coefficient, "t": 1.0, "p": p}


@pytest.mark.parametrize(
    ("develop", "holdout", "verdict"),
    [
        (side(0.1, 0.01), side(0.2, 0.049), True),
        (side(-0.1, 0.01), side(-0.2, 0.01), True),
        (side(0.1, 0.01), side(-0.2, 0.01), False),
        (side(0.1, 0.05), side(0.2, 0.01), False),
        (side(0.1, 0.01), side(0.2, 0.2), False),
        (side(0.1, None), side(0.2, 0.01), False),
        (side(0.1, 0.01), side(0.2, None), False),
        (side(0.0, 0.01), side(0.2, 0.01), False),
    ],
)
def test_an_effect_stands_where_both_samples_have_it_with_one_sign(develop: dict[str, Any], holdout: dict[str, Any], verdict: bool) -> None:
    assert stands(develop, holdout) is verdict
    frame = regressions(develop=develop, holdout=holdout)
    decided = {"accepted" if verdict else "rejected"}
    if None in (develop["p"], holdout["p"]):
        decided = {"not decided: too few vintages for a test"}
    assert set(comovement._verdict(frame)["verdict"]) == decided


def regressions(**samples: dict[str, Any]) -> pl.DataFrame:
    kinds = {"sample": pl.String, "variant": pl.String, "term": pl.String, "coefficient": pl.Float64, "t": pl.Float64, "p": pl.Float64}
    rows = [{"sample": sample, "variant": "bids", "term": "bid", **figures} for sample, figures in samples.items()]
    rows += [{"sample": sample, "variant": "plain", "term": "chain", "coefficient": 9.0, "t": 9.0, "p": 0.0} for sample in samples]
    return pl.DataFrame(rows, schema=kinds)


def test_a_verdict_that_cannot_be_given_says_why() -> None:
    shut_box = comovement._verdict(regressions(develop=side(0.1, 0.01)))
    assert shut_box.to_dicts() == [
        {"sample": "develop", "coefficient": 0.1, "t": 1.0, "p": 0.01, "verdict": "not decided: the lock box is shut"}
    ]
    absent = {"coefficient": None, "t": None, "p": None}
    for samples in ({"develop": absent}, {"develop": side(0.1, 0.01), "holdout": absent}, {"develop": absent, "holdout": side(0.1, 0.01)}):
        assert set(comovement._verdict(regressions(**samples))["verdict"]) == {"not decided: a sample has no bids"}
    assert comovement._verdict(pl.DataFrame()).height == 0


def test_the_rule_is_applied_to_the_regressions_of_the_study() -> None:
    made, _ = whole()
    found = made.fama_macbeth.filter((pl.col("variant") == "bids") & (pl.col("term") == "bid"))
    assert made.bids.drop("verdict").equals(found.select("sample", "coefficient", "t", "p"), null_equal=True)
    assert made.bids["verdict"].n_unique() == 1


# ---------------------------------------------------------------- the record


def test_published_figures_stand_beside_and_enter_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, model = shut()
    monkeypatch.setattr(comovement, "published", lambda: {"chain": (1e9, -1e9)})
    made, other = study()
    assert other == model
    assert differing(usual, made) == ["fama_macbeth"]
    beside = ["published", "published_t"]
    assert made.fama_macbeth.drop(beside).equals(usual.fama_macbeth.drop(beside), null_equal=True)
    there = usual.fama_macbeth.drop_nulls("published")
    assert set(there["variant"]) == {"plain"}
    assert dict(there.select("term", "published").rows()) == {
        "product_peer": 0.049,
        "deep_peer": 0.065,
        "chain": 0.028,
        "disclosed": 0.013,
        "affiliate": 0.005,
        "dark": -0.005,
    }


def test_the_record_is_plain_and_says_what_it_was_made_from() -> None:
    made, model = shut()
    text = json.dumps(made.to_dict(), default=date.isoformat, allow_nan=False)  # a day is the only thing that JSON does not know
    assert json.loads(text)["name"] == "small"
    assert made.synthetic
    assert made.coefficients == model.to_dict()
    assert made.settings == {"graph": GRAPH.to_dict(), "forecast": FORECAST.to_dict(), "study": STUDY.to_dict()}
    sessions = data().frame("bars")["date"].unique().sort()
    assert made.data["sessions"] == sessions.len() == 400
    assert (made.data["first"], made.data["last"]) == (str(sessions[0]), str(sessions[-1]))
    assert made.data["size"] == "cap"
    assert made.articles.filter(pl.col("reason") == "articles")["count"].item() == data().frame("mentions")["article"].n_unique()
    assert set(made.frames()) == {*SAMPLED, "bids", "vintages", "articles", "openings", "refused"}


@pytest.mark.parametrize("count", [1, 2])
def test_the_bits_do_not_depend_on_workers_nor_on_the_run(count: int) -> None:
    with workers(count):
        made, model = study(opening=opened)
    assert model == whole()[1]
    assert same(made, whole()[0])


def test_progress_names_the_stages() -> None:
    said: list[str] = []
    run_comovement(data(), GRAPH, FORECAST, STUDY, progress=said.append)
    assert any("vintage 1 of" in each for each in said)
    assert any("hedges" in each for each in said)
    assert not any("holdout" in each for each in said)
    assert np.all([value >= 0 for value in shut()[0].seconds.values()])
    assert {"reading", "vintages", "model", "hedges"} <= set(shut()[0].seconds)


def test_inputs_read_before_are_used_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    read, (usual, usual_model) = load_inputs(data(), GRAPH), shut()
    monkeypatch.setattr("pureplay.studies.comovement.load_inputs", lambda *_: pytest.fail("the inputs are read again"))
    again, model = run_comovement(data(), GRAPH, FORECAST, STUDY, inputs=read, name="small")
    assert differing(again, usual) == []
    assert model == usual_model
