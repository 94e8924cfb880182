"""Split, fit and choice of the model: planted coefficients come back, nothing of the holdout enters, what degenerates says so."""

import json
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.arrays import LAMPS, PairPanel
from pureplay.graph.forecast import ForecastSettings, Split, coefficient_frame, fit, fit_model, outcome, split
from pureplay.graph.model import Model, design, term_names
from pureplay.graph.settings import GraphSettings
from tests.graph.planted_pairs import FORWARD, INTERACTIONS, PLANTED, cut, naive_terms, planted, sessions, with_lamps, without

GRAPH = GraphSettings()
SETTINGS = ForecastSettings()


def parts(panel: PairPanel, *, start: date | None = None, forward: int = FORWARD) -> Split:
    return split(panel, holdout_start=start, forward_sessions=forward, sessions=sessions(panel.rows.size))


def modelled(panel: PairPanel, develop: Any, settings: ForecastSettings = SETTINGS, **others: Any) -> Model:
    given = {"graph": GRAPH, "sessions": sessions(panel.rows.size), "fingerprint": {"bars": "12"}, **others}
    return fit_model(panel, develop, settings, **given)


# ---------------------------------------------------------------- the split


@pytest.mark.parametrize("start", [None, date(2016, 3, 1), date(2016, 3, 5), date(2010, 1, 1), date(2030, 1, 1)])  # a day, a Saturday
@pytest.mark.parametrize("forward", [5, 21, 60, 90])
def test_no_develop_window_reaches_the_holdout(start: date | None, forward: int) -> None:
    panel = planted(vintages=30, pairs=2)
    found, known = parts(panel, start=start, forward=forward), sessions(30)
    assert found.holdout_start is not None
    first_day = np.datetime64(found.holdout_start)
    for v in range(30):
        window = range(int(panel.rows[v]) + 1, int(panel.rows[v]) + forward + 1)
        if window[-1] >= known.size:
            part = "no_forward"
        elif panel.dates[v] >= first_day:
            part = "holdout"
        else:
            part = "embargo" if any(known[row] >= first_day for row in window) else "develop"
        assert found.labels[v] == part
        assert v in getattr(found, part)
    assert sum(getattr(found, part).size for part in ("develop", "embargo", "holdout", "no_forward")) == 30


def test_by_default_the_holdout_starts_at_two_thirds_of_measured_vintages() -> None:
    panel = planted(vintages=30, pairs=2)
    found = parts(panel)
    measured = [v for v in range(30) if panel.rows[v] + FORWARD < sessions(30).size]
    assert len(measured) == 27
    assert found.holdout_start == panel.dates[measured[18]].item()
    assert found.holdout.tolist() == measured[18:]
    assert found.develop[-1] == 15  # 60 sessions reach beyond two vintages, not three


def test_vintages_without_pairs_do_not_move_the_default_holdout() -> None:
    panel = planted(vintages=30, pairs=2)
    bare = panel
    for vintage in range(9):
        bare = without(bare, vintage)
    assert (np.diff(bare.starts)[:9] == 0).all()
    measured = [v for v in range(9, 30) if panel.rows[v] + FORWARD < sessions(30).size]
    assert parts(bare).holdout_start == panel.dates[measured[2 * len(measured) // 3]].item() != parts(panel).holdout_start


def test_a_sample_without_forward_windows_has_no_holdout() -> None:
    panel = planted(vintages=2, pairs=2)
    found = parts(panel)
    assert found.labels == ["no_forward"] * 2
    assert found.holdout_start is None


def test_holdout_start_matters() -> None:
    panel = planted(pairs=2)
    early, late = parts(panel, start=date(2016, 1, 4)), parts(panel, start=date(2016, 9, 1))
    assert early.develop.size < late.develop.size
    assert early.holdout.size > late.holdout.size


def test_the_develop_part_stays_when_later_vintages_go() -> None:
    panel = planted(pairs=2)
    start = date(2016, 6, 1)
    every, early = parts(panel, start=start), split(cut(panel, 25), holdout_start=start, forward_sessions=FORWARD, sessions=sessions(25))
    assert early.develop.tolist() == every.develop.tolist()


# ---------------------------------------------------------------- the fit


@pytest.mark.parametrize(("variant", "planted_terms"), [("plain", PLANTED), ("interactions", INTERACTIONS)])
def test_planted_coefficients_come_back(variant: Any, planted_terms: dict[str, float]) -> None:
    panel = planted(seed=4, vintages=40, pairs=120, coefficients=planted_terms)
    found = fit(panel, np.arange(40), variant=variant, settings=SETTINGS)
    spread = np.nanstd(found.coefficients, axis=0, ddof=1) / np.sqrt(np.isfinite(found.coefficients).sum(axis=0))
    for k, name in enumerate(found.names):
        assert abs(found.mean[k] - planted_terms.get(name, 0.0)) < 4 * spread[k]  # 13 means of independent vintages
    exact = fit(planted(vintages=5, noise=0.0, coefficients=planted_terms), np.arange(2), variant=variant, settings=SETTINGS)
    assert np.allclose(exact.mean, [planted_terms.get(name, 0.0) for name in exact.names], atol=1e-12)  # no noise: an identity


@pytest.mark.parametrize("bids", [False, True])
def test_only_mapped_pairs_with_both_correlations_take_part(bids: bool) -> None:
    panel = planted(vintages=6)
    found = fit(panel, np.arange(6), variant="plain", bids=bids, settings=SETTINGS)
    names = term_names("plain", bids=bids)
    for v in range(6):
        rows, y = [], []
        for entry in range(panel.starts[v], panel.starts[v + 1]):
            if panel.lamps.mapped[entry] and np.isfinite(panel.trailing[entry]) and np.isfinite(panel.forward[entry]):
                rows.append([naive_terms(panel, entry)[name] for name in names])
                y.append(panel.forward[entry])
        assert found.observations[v] == len(y) < (120 if y else 1)
        if y:
            assert np.allclose(found.coefficients[v], np.linalg.lstsq(np.array(rows), np.array(y))[0], atol=1e-11)
    assert np.isnan(outcome(panel)[~panel.lamps.mapped]).all()
    assert ("bid" in found.names) is bids


def test_without_dark_pairs_the_column_is_dropped_and_named() -> None:
    panel = planted(vintages=10)
    panel = with_lamps(panel, chain=panel.lamps.chain | (panel.news & (panel.lamps.n_lamps == 0)))
    found = fit(panel, np.arange(6), variant="plain", settings=SETTINGS)
    assert dict(found.dropped) == {"dark": 6}
    assert np.isnan(found.mean[7])
    assert np.isfinite(found.mean[:7]).all()
    made = modelled(panel, np.arange(6))
    assert "dark" in made.dropped
    assert "dark" not in made.terms
    assert Model.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_the_frame_of_coefficients_holds_the_fit() -> None:
    panel = planted(vintages=30)
    found = fit(panel, np.arange(30), variant="plain", settings=SETTINGS)
    frame = coefficient_frame(found, "plain")
    assert frame["term"].to_list() == list(term_names("plain"))
    assert frame["variant"].unique().to_list() == ["plain"]
    for column, values in (("coefficient", found.mean), ("se", found.se), ("t", found.t), ("p", found.p)):
        assert frame[column].to_list() == values.tolist()
    assert frame["dyadic_se"].to_list() == found.mean_dyadic_se.tolist()
    assert frame["newey_west_t"].to_list() == found.newey_west_t.tolist()
    assert frame["vintages"].to_list() == [27] * 8
    assert frame["observations"].to_list() == [int(found.observations.sum())] * 8
    lone = coefficient_frame(fit(panel, np.arange(1), variant="plain", settings=SETTINGS), "plain")
    assert lone["t"].null_count() == lone["newey_west_t"].null_count() == 8
    assert lone["coefficient"].null_count() == 0


def test_cosines_and_lags_matter_and_reach_the_tests() -> None:
    panel = planted(vintages=30)
    base = fit(panel, np.arange(27), variant="plain", settings=SETTINGS)
    other = fit(panel, np.arange(27), variant="plain", settings=ForecastSettings(cosines=6, lags=1))
    assert (base.mean == other.mean).all()
    assert not np.isclose(base.t, other.t).any()
    assert not np.isclose(base.newey_west_t, other.newey_west_t).any()
    assert np.allclose(other.p, 2 * stats.t.sf(np.abs(other.t), 6))


# ---------------------------------------------------------------- the model


def test_the_model_is_the_mean_over_develop() -> None:
    panel = planted()
    develop = parts(panel).develop
    made = modelled(panel, develop, ForecastSettings(variant="plain"))
    found = fit(panel, develop, variant="plain", settings=SETTINGS)
    assert made.terms == dict(zip(found.names, found.mean.tolist(), strict=True))
    assert made.variant == "plain"
    assert (made.fit_start, made.fit_end) == (panel.dates[develop[0]].item(), panel.dates[develop[-1]].item())
    assert made.known_from == sessions(30)[panel.rows[develop[-1]] + FORWARD].item()
    assert made.vintages == develop.size
    assert made.observations == found.observations.sum()
    assert made.fingerprint == {"bars": "12"}
    assert made.settings["graph"] == GRAPH.to_dict()
    assert made.settings["forecast"]["variant"] == "plain"
    assert made.dropped == ()
    assert Model.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_the_first_holdout_vintage_is_out_of_sample() -> None:
    panel = planted()
    found = parts(panel)
    made = modelled(panel, found.develop)
    assert all(made.in_sample(panel.dates[v].item()) for v in found.develop)
    assert not any(made.in_sample(panel.dates[v].item()) for v in found.holdout)


def test_nothing_outside_develop_enters_the_model() -> None:
    panel = planted()
    found = parts(panel)
    base = modelled(panel, found.develop)
    later = panel.of > found.develop[-1]
    rng = np.random.default_rng(0)
    spoiled = replace(
        panel,
        forward=np.where(later, rng.normal(size=panel.a.size), panel.forward),
        trailing=np.where(later, rng.normal(size=panel.a.size), panel.trailing),
    )
    assert modelled(spoiled, found.develop).to_dict() == base.to_dict()
    last = int(found.develop[-1]) + 3  # the vintages that the last develop window needs the sessions of
    early = cut(panel, last + 1)
    assert modelled(early, found.develop, sessions=sessions(30)[: panel.rows[last] + 1]).to_dict() == base.to_dict()
    touched = replace(panel, forward=np.where(panel.of == found.develop[-1], panel.forward + 0.01, panel.forward))
    assert modelled(touched, found.develop).terms != base.terms


def naive_left_out(panel: PairPanel, develop: Any, variant: Any, forward: int) -> float:
    """Blocked leave-out, vintage by vintage: fit by lstsq, mean of coefficients, squared error of each vintage left out."""
    each, columns, ys = [], [], []
    for v in develop:
        _, x = design(panel, variant=variant, where=panel.vintage(int(v)))
        y = outcome(panel)[panel.vintage(int(v))]
        keep = np.isfinite(y) & np.isfinite(x).all(axis=1)
        columns.append(x[keep])
        ys.append(y[keep])
        each.append(np.linalg.lstsq(x[keep], y[keep])[0])
    gap = -(-forward // 20) + 1
    errors = []
    for block in np.array_split(np.arange(len(develop)), 5):
        near = {int(develop[k]) + step for k in block for step in range(-gap, gap + 1)}
        kept = [each[k] for k in range(len(develop)) if int(develop[k]) not in near]
        if kept:
            errors += [np.mean((ys[k] - columns[k] @ np.mean(kept, axis=0)) ** 2) for k in block]
    return float(np.mean(errors))


@pytest.mark.parametrize("forward", [20, 60])
@pytest.mark.parametrize(("terms", "winner"), [(PLANTED, "plain"), (INTERACTIONS, "interactions")])
def test_best_is_the_lower_error_of_blocks_left_out(terms: dict[str, float], winner: str, forward: int) -> None:
    panel = planted(seed=2, coefficients=terms, vintages=32)
    develop = np.concatenate([np.arange(3, 14), np.arange(16, 28)])  # a hole, so that positions and numbers differ
    made = modelled(panel, develop, graph=GraphSettings(forward_sessions=forward))
    for variant in ("plain", "interactions"):
        assert np.isclose(made.mse[variant] or 0.0, naive_left_out(panel, develop, variant, forward), rtol=1e-11)
    assert made.variant == winner
    other = "plain" if winner == "interactions" else "interactions"
    forced = modelled(panel, develop, ForecastSettings(variant=other), graph=GraphSettings(forward_sessions=forward))  # type: ignore[arg-type]
    assert forced.variant == other
    assert forced.mse == made.mse
    assert set(forced.terms) != set(made.terms)


def test_too_few_vintages_to_leave_any_out_give_plain() -> None:
    panel = planted(coefficients=INTERACTIONS, vintages=8)
    made = modelled(panel, np.arange(4))
    assert made.mse == {"plain": None, "interactions": None}
    assert made.variant == "plain"
    assert made.descriptive


def test_a_tie_gives_plain() -> None:
    panel = planted(vintages=24)
    flat = replace(panel, forward=np.where(np.isfinite(panel.forward), 0.0, np.nan))
    made = modelled(flat, np.arange(20))
    assert made.mse == {"plain": 0.0, "interactions": 0.0}
    assert made.variant == "plain"
    assert all(value == 0.0 for value in made.terms.values())


def test_few_vintages_make_the_model_descriptive() -> None:
    panel = planted(vintages=30)
    for fewest, descriptive in ((24, True), (20, False), (21, True)):
        assert modelled(panel, np.arange(20), ForecastSettings(fewest_vintages=fewest)).descriptive is descriptive


# ---------------------------------------------------------------- what degenerates


def test_one_vintage_is_enough_for_a_model() -> None:
    panel = planted(vintages=5)
    made = modelled(panel, np.array([1]))
    assert made.fit_start == made.fit_end == panel.dates[1].item()
    assert made.vintages == 1


def test_a_vintage_without_pairs_changes_nothing() -> None:
    panel = planted(vintages=20)
    holed = without(panel, 5)
    develop = np.arange(15)
    found = fit(holed, develop, variant="plain", settings=SETTINGS)
    assert found.observations[5] == 0
    assert found.skipped == 0
    made = modelled(holed, develop)
    assert made.vintages == 14
    assert made.terms == modelled(panel, np.delete(develop, 5)).terms
    assert modelled(without(panel, 14), develop).fit_end == panel.dates[13].item()


def test_no_forward_correlation_gives_no_model() -> None:
    panel = planted(vintages=6)
    blank = replace(panel, forward=np.full(panel.a.size, np.nan))
    with pytest.raises(InsufficientDataError, match=r"none of the 3 develop vintages has more than 8 pairs.*give a later holdout_start"):
        modelled(blank, np.arange(3))
    with pytest.raises(InsufficientDataError, match="none of the 0 develop vintages"):
        modelled(panel, np.arange(0))


def test_fewer_pairs_than_terms_give_no_model() -> None:
    panel = planted(vintages=6, pairs=4)
    found = fit(panel, np.arange(3), variant="plain", settings=SETTINGS)
    assert found.skipped == 3
    assert not found.fitted.any()
    with pytest.raises(InsufficientDataError, match="product tree"):
        modelled(panel, np.arange(3))


def test_constant_columns_are_dropped_and_the_model_says_so() -> None:
    panel = planted(vintages=24)
    off, on = np.zeros(panel.a.size, dtype=bool), np.ones(panel.a.size, dtype=bool)
    made = modelled(with_lamps(panel, disclosed=off), np.arange(20))
    assert "disclosed" in made.dropped
    lit = modelled(with_lamps(panel, affiliate=on), np.arange(20), ForecastSettings(variant="plain"))
    assert lit.dropped == ("affiliate", "dark")  # always lit is the intercept, and nothing is dark then
    flat = modelled(replace(panel, trailing=np.full(panel.a.size, 0.3)), np.arange(20), ForecastSettings(variant="interactions"))
    assert flat.dropped == ("trailing", *(f"trailing_x_{name}" for name in (*LAMPS, "dark")))


def test_sessions_that_do_not_reach_the_window_are_refused() -> None:
    panel = planted()
    with pytest.raises(SettingError, match="the last forward window of the fit ends on session 360 of 360"):
        modelled(panel, np.arange(11), sessions=sessions(30)[:360])
    with pytest.raises(SettingError, match="forward_sessions"):
        split(panel, holdout_start=None, forward_sessions=0, sessions=sessions(30))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"holdout_start": "2020-01-01"}, "holdout_start"),
        ({"holdout_start": datetime(2020, 1, 1)}, "holdout_start"),
        ({"variant": "all"}, "variant must be one of best, plain, interactions"),
        ({"cosines": 0}, "cosines"),
        ({"lags": -1}, "lags"),
        ({"permutations": 0}, "permutations"),
        ({"permutation_pairs": 0}, "permutation_pairs"),
        ({"seed": -1}, "seed"),
        ({"fewest_vintages": 0}, "fewest_vintages"),
        ({"cosines": True}, "cosines"),
    ],
)
def test_settings_outside_the_method_are_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        ForecastSettings(**setting)


def test_settings_are_plain_values() -> None:
    plain = ForecastSettings(holdout_start=date(2023, 1, 3), permutation_pairs=5000).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["holdout_start"] == "2023-01-03"
    assert set(plain) == set(ForecastSettings.__slots__)
