"""Scores, baselines, calibration and the permutation within sectors: against plain loops, scipy and statsmodels."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy.stats import spearmanr

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.arrays import LAMPS, PairPanel
from pureplay.graph.forecast import ForecastSettings, fit, outcome
from pureplay.graph.model import design
from pureplay.graph.permutation import sector_permutation
from pureplay.graph.scores import baselines, calibration, score
from pureplay.panel import FloatArray
from pureplay.parallel import workers
from pureplay.stats.inference import ewc_test
from tests.graph.planted_pairs import PLANTED, cut, naive_sum, planted, with_lamps, without

DEVELOP = np.arange(18)
LATER = np.arange(20, 27)
TERMS = ("product_peer", *LAMPS, "dark")


def shrinkages(panel: PairPanel) -> FloatArray:
    return np.linspace(0.1, 0.5, panel.rows.size)


def forecasts(panel: PairPanel) -> dict[str, FloatArray]:
    """The truth, the rival and one that misses some pairs and is tied."""
    rival = 0.1 + 0.5 * panel.trailing
    rough = np.round(rival + 0.01 * np.random.default_rng(1).normal(size=rival.size), 1)
    rough[::17] = np.nan
    return {"truth": naive_sum(panel, PLANTED), "regression": rival, "rough": rough}


def common(panel: PairPanel, v: int, made: dict[str, FloatArray]) -> list[int]:
    entries = range(panel.starts[v], panel.starts[v + 1])
    return [k for k in entries if panel.lamps.mapped[k] and np.isfinite([panel.forward[k], *(each[k] for each in made.values())]).all()]


# ---------------------------------------------------------------- scores


def test_scores_are_those_of_a_plain_loop() -> None:
    panel = planted(vintages=30)
    made = forecasts(panel)
    found = score(panel, LATER, made)
    assert found["predictor"].to_list() == list(made)
    mse: dict[str, list[float]] = {name: [] for name in made}
    rank: dict[str, list[float]] = {name: [] for name in made}
    line: dict[str, list[FloatArray]] = {name: [] for name in made}
    entries = 0
    for v in LATER:
        known = common(panel, v, made)
        entries += len(known)
        y = panel.forward[known]
        for name, each in made.items():
            mse[name].append(sum((y[k] - each[known][k]) ** 2 for k in range(len(known))) / len(known))
            rank[name].append(spearmanr(y, each[known]).statistic)
            line[name].append(sm.OLS(y, sm.add_constant(each[known])).fit().params)
    for row in found.iter_rows(named=True):
        name = row["predictor"]
        assert np.isclose(row["mse"], np.mean(mse[name]), rtol=1e-12)
        assert np.isclose(row["rank_correlation"], np.mean(rank[name]), rtol=1e-12)
        assert np.allclose([row["mz_intercept"], row["mz_slope"]], np.mean(line[name], axis=0), atol=1e-11)
        assert row["observations"] == entries
    assert found["dm_t"].null_count() == 3  # seven vintages are no more than twice four cosines
    narrow = score(panel, LATER, made, cosines=3)
    for row in narrow.filter(pl.col("predictor") != "regression").iter_rows(named=True):
        test = ewc_test(np.array(mse["regression"]) - np.array(mse[row["predictor"]]), cosines=3)
        assert np.isclose(row["dm_t"], test.t, rtol=1e-8)  # differences of nearly equal errors
        assert np.isclose(row["dm_p"], test.p, rtol=1e-8)
    assert narrow["dm_t"].is_null().to_list() == [False, True, False]
    assert not np.isclose(narrow["dm_t"][0], score(panel, LATER, made, cosines=2)["dm_t"][0])


def test_a_positive_diebold_mariano_is_better_than_regression() -> None:
    panel = planted(vintages=30)
    found = score(panel, np.arange(27), {**forecasts(panel), "worse": 1.0 + panel.trailing})
    t = dict(zip(found["predictor"], found["dm_t"], strict=True))
    assert t["truth"] > 3
    assert t["worse"] < -3
    assert found["mse"][0] < found["mse"][1] < found["mse"][3]
    assert found["rank_correlation"][0] > found["rank_correlation"][1]
    assert abs(found["mz_slope"][0] - 1) < 0.05


def test_a_forecast_missing_anywhere_takes_the_pair_from_all() -> None:
    panel = planted(vintages=30)
    made = forecasts(panel)
    fewer = score(panel, LATER, made)
    more = score(panel, LATER, {name: made[name] for name in ("truth", "regression")})
    assert more["observations"][0] > fewer["observations"][0]
    assert more["mse"][0] != fewer["mse"][0]


def test_each_vintage_counts_once() -> None:
    panel = planted(vintages=30)
    thin = replace(panel, forward=np.where((panel.of == 20) & (np.arange(panel.a.size) % 10 > 0), np.nan, panel.forward))
    made = {"regression": 0.1 + 0.5 * panel.trailing}
    alone = [score(thin, np.array([v]), made)["mse"][0] for v in LATER]
    assert np.isclose(score(thin, LATER, made)["mse"][0], np.mean(alone), rtol=1e-14)


def test_vintages_without_pairs_or_outcome_are_passed_over() -> None:
    panel = planted(vintages=30)
    made = {"regression": 0.1 + 0.5 * panel.trailing}
    base = score(panel, np.array([20, 22]), made)
    assert score(panel, np.array([20, 22, 28, 29]), made).equals(base)  # the last two have no forward window
    holed = without(panel, 21)
    assert score(holed, np.array([20, 21, 22]), {"regression": 0.1 + 0.5 * holed.trailing}).equals(base)


def test_a_constant_forecast_has_an_error_and_no_slope() -> None:
    panel = planted(vintages=30)
    found = score(panel, LATER, {"regression": 0.5 * panel.trailing, "flat": np.full(panel.a.size, 0.1)})
    assert found["mse"].null_count() == 0
    assert found["mz_slope"].is_null().to_list() == [False, True]
    assert found["mz_intercept"].is_null().to_list() == [False, True]
    assert found["rank_correlation"].is_null().to_list() == [False, True]


def test_scores_do_not_depend_on_workers() -> None:
    panel = planted(vintages=30)
    with workers(1):
        one = score(panel, LATER, forecasts(panel))
    with workers(3):
        assert score(panel, LATER, forecasts(panel)).equals(one)


@pytest.mark.parametrize("of", [score, lambda panel, vintages, made: calibration(panel, vintages, made["regression"])])
def test_no_common_pair_is_an_error(of: Callable[..., pl.DataFrame]) -> None:
    panel = planted(vintages=30)
    for vintages in (np.array([28, 29]), np.array([], dtype=np.int64)):
        with pytest.raises(InsufficientDataError, match=f"none of the {vintages.size} vintages has a pair"):
            of(panel, vintages, {"regression": panel.trailing})


def test_forecasts_that_do_not_fit_are_refused() -> None:
    panel = planted(vintages=30)
    with pytest.raises(SettingError, match="must have 'regression'"):
        score(panel, LATER, {"truth": panel.trailing})
    with pytest.raises(SettingError, match=r"'short' has shape \(5,\)"):
        score(panel, LATER, {"regression": panel.trailing, "short": np.zeros(5)})
    with pytest.raises(SettingError, match=r"has shape \(5,\)"):
        calibration(panel, LATER, np.zeros(5))


# ---------------------------------------------------------------- baselines


def averaged(panel: PairPanel, vintages: np.ndarray, columns: Callable[[int], list[float]], among: Callable[[int], bool]) -> FloatArray:
    """Mean over vintages of least squares coefficients."""
    each = []
    for v in vintages:
        y = outcome(panel)
        known = [k for k in range(panel.starts[v], panel.starts[v + 1]) if np.isfinite(y[k] + panel.trailing[k]) and among(k)]
        each.append(np.linalg.lstsq(np.array([columns(k) for k in known]), y[known])[0])
    return np.mean(each, axis=0)


def test_baselines_are_those_of_a_plain_loop() -> None:
    panel = planted(vintages=24)
    made, shrinkage, trailing = baselines(panel, DEVELOP, shrinkages(panel)), shrinkages(panel), panel.trailing
    assert set(made) == {"persistence", "regression", "industry_mean", "ledoit_wolf", "co_mention", "random_pairs"}

    def line(k: int) -> list[float]:
        return [1.0, trailing[k]]

    def attention(k: int) -> list[float]:
        return [1.0, trailing[k], float(panel.news[k]), float(np.log1p(panel.strength[k]))]

    regression = averaged(panel, DEVELOP, line, lambda k: True)
    random = averaged(panel, DEVELOP, line, lambda k: not panel.news[k])
    mention = averaged(panel, DEVELOP, attention, lambda k: True)
    assert abs(random[0] - regression[0]) > 1e-4
    for k in range(panel.a.size):
        v = panel.of[k]
        cell = [
            trailing[j]
            for j in range(panel.starts[v], panel.starts[v + 1])
            if panel.lamps.mapped[j] and np.isfinite(trailing[j]) and (panel.sector[k] < 0 or panel.sector[j] == panel.sector[k])
        ]
        naive = {
            "persistence": trailing[k],
            "ledoit_wolf": (1 - shrinkage[v]) * trailing[k],
            "regression": regression @ line(k),
            "random_pairs": random @ line(k),
            "co_mention": mention @ attention(k),
            "industry_mean": np.mean(cell),
        }
        for name, value in naive.items():
            assert np.isclose(made[name][k], value, rtol=0, atol=1e-12, equal_nan=True)  # numbers below 1, two routes of float64


def test_no_baseline_sees_the_holdout() -> None:
    panel = planted(vintages=24)
    base = baselines(panel, DEVELOP, shrinkages(panel))
    spoiled = replace(panel, forward=np.where(panel.of > DEVELOP[-1], 0.9, panel.forward))
    for name, values in baselines(spoiled, DEVELOP, shrinkages(panel)).items():
        assert np.array_equal(values, base[name], equal_nan=True)
    early = cut(panel, 20)
    for name, values in baselines(early, DEVELOP, shrinkages(panel)[:20]).items():
        assert np.array_equal(values, base[name][: values.size], equal_nan=True)
    touched = replace(panel, forward=np.where((panel.of == 3) & ~panel.news, panel.forward + 0.1, panel.forward))
    for name in ("regression", "co_mention", "random_pairs"):
        assert not np.array_equal(baselines(touched, DEVELOP, shrinkages(panel))[name], base[name], equal_nan=True)


def test_a_baseline_that_develop_cannot_fit_is_absent() -> None:
    panel = planted(vintages=24)
    only_news = replace(panel, news=np.ones_like(panel.news))
    made = baselines(only_news, DEVELOP, shrinkages(panel))
    assert "random_pairs" not in made
    assert np.isfinite(made["co_mention"][np.isfinite(panel.trailing)]).all()  # the dummy is the intercept there, and counts as 0
    blank = baselines(replace(panel, forward=np.full(panel.a.size, np.nan)), DEVELOP, shrinkages(panel))
    assert set(blank) == {"persistence", "industry_mean", "ledoit_wolf"}


def test_a_vintage_without_pairs_has_no_baseline_and_spoils_none() -> None:
    panel = planted(vintages=24)
    holed = without(panel, 4)
    made = baselines(holed, np.delete(DEVELOP, 4), shrinkages(panel))
    base = baselines(panel, np.delete(DEVELOP, 4), shrinkages(panel))
    for name, values in made.items():
        assert np.array_equal(values, base[name][panel.of != 4], equal_nan=True)


def test_shrinkage_is_one_number_a_vintage() -> None:
    panel = planted(vintages=24)
    with pytest.raises(SettingError, match=r"shrinkage has shape \(3,\), where the panel has 24 vintages"):
        baselines(panel, DEVELOP, np.zeros(3))


# ---------------------------------------------------------------- calibration


def test_deciles_are_those_of_a_plain_loop() -> None:
    panel = planted(vintages=30)
    made = np.round(naive_sum(panel, PLANTED), 2)  # ties
    found = calibration(panel, LATER, made)
    means: list[list[list[float]]] = [[[], []] for _ in range(10)]
    sizes = [0] * 10
    for v in LATER:
        known = common(panel, v, {"made": made})
        cells: list[list[int]] = [[] for _ in range(10)]
        for k in known:
            below = sum(made[j] < made[k] for j in known)
            equal = sum(made[j] == made[k] for j in known)
            cells[int((below + equal / 2) / len(known) * 10)].append(k)
        for decile, cell in enumerate(cells):
            sizes[decile] += len(cell)
            if cell:
                means[decile][0].append(float(made[cell].mean()))
                means[decile][1].append(float(panel.forward[cell].mean()))
    assert found["decile"].to_list() == list(range(1, 11))
    assert found["observations"].to_list() == sizes
    assert np.allclose(found["predicted"], [np.mean(each[0]) for each in means], atol=1e-13)
    assert np.allclose(found["realised"], [np.mean(each[1]) for each in means], atol=1e-13)
    assert found["realised"].is_sorted()


def test_one_forecast_for_all_is_one_decile() -> None:
    panel = planted(vintages=30)
    found = calibration(panel, LATER, np.full(panel.a.size, 0.3))
    assert found["decile"].to_list() == [6]
    assert np.isclose(found["predicted"][0], 0.3, rtol=1e-13)


# ---------------------------------------------------------------- permutation within sectors


def test_the_coefficient_is_that_of_the_fit() -> None:
    panel = planted(vintages=30)
    found = sector_permutation(panel, np.arange(30), draws=3, seed=7)
    fitted = fit(panel, np.arange(30), variant="plain", settings=ForecastSettings())
    assert found["term"].to_list() == list(TERMS)
    assert np.allclose(found["coefficient"], fitted.mean[2:], atol=1e-12)  # without the step that gives rounding back


def small() -> PairPanel:
    """One vintage of 12 pairs in four cells of three, so that every permutation can be listed."""
    panel = cut(planted(seed=11, vintages=4, pairs=6, noise=0.2), 1)
    on = np.ones(12, dtype=bool)
    lit = np.random.default_rng(3).random((5, 12)) < 0.35
    panel = replace(panel, trailing=np.linspace(-0.2, 0.5, 12) ** 2, forward=np.nan_to_num(panel.forward, nan=0.3))
    lamps = dict(zip(("product_peer", *LAMPS), lit, strict=True))
    return with_lamps(replace(panel, sector=np.array([0, 0, 0, 1, 1, 1] * 2, dtype=np.int32)), mapped=on, **lamps)


def test_draws_are_permutations_of_one_term_within_cells() -> None:
    panel = small()
    cells = [[k for k in range(12) if (panel.sector[k], panel.news[k]) == key] for key in ((0, True), (1, True), (0, False), (1, False))]
    assert [len(cell) for cell in cells] == [3] * 4
    drawn = pl.concat(sector_permutation(panel, np.array([0]), draws=1, seed=seed) for seed in range(300))
    _, x = design(panel, variant="plain")
    own = np.linalg.lstsq(x, panel.forward)[0]
    for k, term in enumerate(TERMS[:-1], start=2):
        orders = (np.concatenate(order) for order in product(*(permutations(cell) for cell in cells)))
        listed, place = [], np.concatenate(cells)
        for column, often in Counter(tuple(x[order, k]) for order in orders).items():
            dealt = x.copy()
            dealt[place, k] = column
            kept = [j for j in range(8) if np.linalg.matrix_rank(dealt[:, : j + 1]) > np.linalg.matrix_rank(dealt[:, :j])]
            if k in kept:  # a column that those before it explain is left out
                listed += [np.linalg.lstsq(dealt[:, kept], panel.forward)[0][kept.index(k)]] * often
        every = np.array(listed)
        rows = drawn.filter((pl.col("term") == term) & pl.col("permuted_mean").is_not_null())
        found = rows["permuted_mean"].to_numpy()
        assert np.allclose(rows["coefficient"], own[k], atol=1e-9)
        distance = np.abs(found[:, None] - np.unique(np.round(every, 10))[None]).min(axis=1)
        assert distance.max() < 1e-7  # every draw is one of the permutations listed; the small system is badly conditioned
        assert np.isin(np.round(np.unique(every), 6), np.round(found, 6)).mean() > 0.9  # at most 81 columns, and 300 draws
        middle = np.median(every)  # heavy tails: the share of draws below the middle, binomial around that of all permutations
        assert abs((found < middle - 1e-9).mean() - (every < middle - 1e-9).mean()) < 4 * 0.5 / np.sqrt(len(found)) + 0.01


def test_a_lamp_that_is_lit_mostly_is_dealt_out_by_where_it_is_not() -> None:
    panel = planted(vintages=12)
    often = with_lamps(panel, chain=~panel.lamps.chain)
    seldom = sector_permutation(panel, np.arange(9), draws=5, seed=7)
    found = sector_permutation(often, np.arange(9), draws=5, seed=7)
    dark = panel.news & ~panel.lamps.confirmed()
    assert dark.mean() > 0.05
    # dark differs, so the terms do; without a dark pair in either they are each other's negatives
    quiet, loud = (
        sector_permutation(replace(each, news=np.zeros_like(panel.news)), np.arange(9), draws=5, seed=7) for each in (panel, often)
    )
    assert np.allclose(quiet["permuted_mean"][2], -loud["permuted_mean"][2], atol=1e-12)
    assert quiet["p"][2] == loud["p"][2]
    assert seldom["permuted_mean"][2] != found["permuted_mean"][2]


def test_a_lamp_without_effect_earns_nothing_when_permuted() -> None:
    rng = np.random.default_rng(5)
    panel = planted(1, vintages=30)
    panel = replace(panel, sector=np.zeros_like(panel.sector))  # one cell: no sector to earn anything
    n = panel.news.size
    panel = with_lamps(panel, **{name: getattr(panel.lamps, name) & panel.news for name in ("product_peer", *LAMPS)})  # random pairs: unlit
    lamps = panel.lamps
    forward = 0.1 + 0.3 * lamps.deep_peer + 0.02 * lamps.affiliate + 0.03 * rng.standard_normal(n)
    found = sector_permutation(replace(panel, forward=forward), np.arange(27), draws=99, seed=7)
    by = {row["term"]: row for row in found.iter_rows(named=True)}
    for term in ("product_peer", "chain", "disclosed"):  # nothing was planted
        assert abs(by[term]["permuted_mean"]) < 0.004
        assert abs(by[term]["coefficient"]) < 0.006
        assert by[term]["p"] > 0.05
    for term, planted_amount in (("deep_peer", 0.3), ("affiliate", 0.02)):
        beyond = by[term]["coefficient"] - by[term]["permuted_mean"]
        assert by[term]["p"] == 0.01
        assert beyond > 0.5 * planted_amount
    assert by["dark"]["permuted_mean"] is None
    assert by["dark"]["p"] is None
    assert abs(by["dark"]["coefficient"]) < 0.01


def test_a_lamp_that_is_only_its_sector_has_nothing_beyond_it() -> None:
    panel = planted(vintages=30, coefficients={"intercept": 0.05, "trailing": 0.5})
    inside = panel.sector == 2
    panel = replace(with_lamps(panel, chain=inside), forward=panel.forward + 0.2 * inside)
    chain = sector_permutation(panel, np.arange(27), draws=19, seed=7).row(2, named=True)
    assert chain["coefficient"] > 0.15
    assert np.isclose(chain["permuted_mean"], chain["coefficient"], atol=1e-12)
    assert chain["p"] == 1.0


def test_figures_are_those_of_the_draws() -> None:
    panel = planted(vintages=12)
    vintages = np.arange(9)
    found = sector_permutation(panel, vintages, draws=40, seed=7)
    # a draw depends on its number alone: the mean of the first n + 1 draws and that of the first n give draw n
    means = [sector_permutation(panel, vintages, draws=n, seed=7)["permuted_mean"].cast(float).to_numpy() for n in range(1, 41)]
    draws = np.array([means[0]] + [(n + 1) * means[n] - n * means[n - 1] for n in range(1, 40)])
    own = np.array(found["coefficient"])
    assert np.allclose(found["permuted_mean"][:-1], draws.mean(axis=0)[:-1], atol=1e-12)
    assert np.allclose(found["permuted_sd"][:-1], draws.std(axis=0, ddof=1)[:-1], rtol=1e-8)
    beyond = (np.abs(draws - draws.mean(axis=0)) >= np.abs(own - draws.mean(axis=0))).sum(axis=0)
    assert found["p"].to_list() == [*((beyond + 1) / 41).tolist()[:-1], None]
    assert (draws.std(axis=0)[:-1] > 0).all()


def test_what_structure_earns_permuted_lamps_do_not() -> None:
    panel = planted(vintages=30)
    found = sector_permutation(panel, np.arange(27), draws=99, seed=7)
    deep = found.row(1, named=True)
    assert deep["p"] == 0.01
    assert abs(deep["permuted_mean"]) < 4 * deep["permuted_sd"]


@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_sector_earns_the_permuted_lamp_earns_too(seed: int) -> None:
    panel = planted(seed, vintages=30, coefficients={"intercept": 0.05, "trailing": 0.5})
    inside = panel.sector == 2
    # lit in one sector only, where correlations rise whether it is lit or not
    panel = with_lamps(panel, chain=inside & (np.random.default_rng(0).random(inside.size) < 0.7))
    panel = replace(panel, forward=panel.forward + 0.2 * inside)
    chain = sector_permutation(panel, np.arange(27), draws=99, seed=7).row(2, named=True)
    assert chain["coefficient"] > 0.1
    assert abs(chain["coefficient"] - chain["permuted_mean"]) < 4 * chain["permuted_sd"]
    assert chain["p"] > 0.01


def test_seed_pairs_and_draws_matter() -> None:
    panel = planted(vintages=12)
    vintages = np.arange(9)
    base = sector_permutation(panel, vintages, draws=20, seed=7)
    assert sector_permutation(panel, vintages, draws=20, seed=7).equals(base)
    other = sector_permutation(panel, vintages, draws=20, seed=8)
    assert other["coefficient"].equals(base["coefficient"])
    assert not np.isclose(other["permuted_mean"][:-1], base["permuted_mean"][:-1]).any()
    assert sector_permutation(panel, vintages, draws=20, seed=7, pairs=10_000).equals(base)
    fewer = sector_permutation(panel, vintages, draws=20, seed=7, pairs=60)
    assert not np.isclose(fewer["coefficient"], base["coefficient"]).any()
    assert not fewer["coefficient"].equals(sector_permutation(panel, vintages, draws=20, seed=9, pairs=60)["coefficient"])
    assert (sector_permutation(panel, vintages, draws=30, seed=7)["permuted_mean"] != base["permuted_mean"])[:-1].all()
    assert sector_permutation(panel, vintages, draws=1, seed=7)["permuted_sd"].null_count() == 6


def test_draws_know_neither_workers_nor_later_vintages() -> None:
    panel = planted(vintages=12)
    with workers(1):
        one = sector_permutation(panel, np.arange(6), draws=10, seed=7, pairs=80)
    with workers(3):
        assert sector_permutation(panel, np.arange(6), draws=10, seed=7, pairs=80).equals(one)
    assert sector_permutation(cut(panel, 7), np.arange(6), draws=10, seed=7, pairs=80).equals(one)


def test_a_pair_alone_in_its_cell_keeps_its_lamps() -> None:
    panel = planted(vintages=12)
    apart = replace(panel, sector=np.arange(panel.a.size, dtype=np.int32))
    found = sector_permutation(apart, np.arange(9), draws=10, seed=7)
    assert np.allclose(found["coefficient"][:-1], found["permuted_mean"][:-1], atol=1e-12)
    assert found["p"].to_list() == [1.0] * 5 + [None]


def test_lamps_never_lit_have_no_figures() -> None:
    panel = planted(vintages=12)
    found = sector_permutation(with_lamps(panel, affiliate=np.zeros_like(panel.news)), np.arange(9), draws=5, seed=7)
    assert found.select(pl.col("coefficient", "permuted_mean", "permuted_sd", "p").is_null().cast(int)).row(4) == (1, 1, 1, 1)
    assert found["p"].null_count() == 2  # and dark


def test_no_vintage_to_permute_is_an_error() -> None:
    panel = planted(vintages=12)
    for poor, vintages in ((panel, np.array([10, 11])), (planted(vintages=6, pairs=4), np.arange(3)), (panel, np.arange(0))):
        with pytest.raises(InsufficientDataError, match="enough pairs for a regression"):
            sector_permutation(poor, vintages, draws=5, seed=7)
    for setting in ({"draws": 0}, {"seed": -1}, {"pairs": 0}):
        with pytest.raises(SettingError, match=next(iter(setting))):
            sector_permutation(panel, np.arange(9), **{"draws": 5, "seed": 7, **setting})
