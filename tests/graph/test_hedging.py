"""Hedging one stock: by hand, against plain loops, what each setting does, and nothing from after the vintage."""

import math
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest

from pureplay.errors import SettingError
from pureplay.graph.hedging import Hedges, hedge
from pureplay.panel import FloatArray, IndexArray
from pureplay.parallel import workers

TRAILING, FORWARD = 30, 20


@dataclass
class Case:
    """A small market with gaps, three vintages (the last without a forward window) and two ranked lists."""

    seed: int = 0
    sessions: int = 130
    assets: int = 14
    returns: FloatArray = field(init=False)
    rows: np.ndarray = field(init=False)
    focal: tuple[np.ndarray, np.ndarray] = field(init=False)
    lists: dict[str, IndexArray] = field(init=False)
    index: FloatArray = field(init=False)
    industry: IndexArray = field(init=False)
    issuer: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.returns = 0.01 * rng.normal(size=(self.sessions, 1)) + 0.02 * rng.normal(size=(self.sessions, self.assets))
        self.returns[rng.random(self.returns.shape) < 0.15] = np.nan
        self.returns[:, 3] = 0.0  # constant
        self.returns[60:, 5] = np.nan  # stops trading
        self.rows = np.array([40, 61, 82, 120])
        self.focal = (np.repeat(np.arange(4), 7), np.tile(np.arange(7), 4))
        self.lists = {"left": self._lists(rng, 5), "right": self._lists(rng, 7)}
        self.index = 0.01 * rng.normal(size=self.sessions)
        self.industry = rng.integers(-1, 3, (4, self.assets)).astype(np.int32)
        self.issuer = 50 - np.arange(self.assets)
        self.issuer[[4, 8, 9]] = self.issuer[[2, 1, 1]]
        self.industry[:, 8:10] = self.industry[:, 1:2]

    def _lists(self, rng: np.random.Generator, most: int) -> IndexArray:
        out = np.full((28, most), -1, dtype=np.int32)
        for s, own in enumerate(self.focal[1]):
            others = rng.permutation([i for i in range(self.assets) if i != own])
            n = int(rng.integers(2, most + 1))
            out[s, :n] = others[:n]
        return out

    def run(self, **changed: object) -> Hedges:
        given = {
            "counts": (1, 3, 5),
            "index": self.index,
            "industry": self.industry,
            "issuer": self.issuer,
            "trailing": TRAILING,
            "forward": FORWARD,
            **changed,
        }
        return hedge(self.returns, self.rows, self.focal, self.lists, **given)  # type: ignore[arg-type]


def naive_basket(returns: FloatArray, names: list[int], days: range) -> list[float]:
    """Mean of what traded, day by day."""
    out = []
    for day in days:
        known = [returns[day, i] for i in names if day < returns.shape[0] and math.isfinite(returns[day, i])]
        out.append(sum(known) / len(known) if known else math.nan)
    return out


def naive_figures(own: list[float], basket: list[float], trailing: int, forward: int) -> tuple[float, float]:
    """Ratio by least squares with an intercept, cut by variances with ddof 1."""
    fit = [d for d in range(trailing) if math.isfinite(own[d]) and math.isfinite(basket[d])]
    if 2 * len(fit) < trailing or np.std([basket[d] for d in fit]) < 1e-9:
        return math.nan, math.nan
    design = np.array([[1.0, basket[d]] for d in fit])
    ratio = float(np.linalg.lstsq(design, np.array([own[d] for d in fit]), rcond=None)[0][1])
    seen = [d for d in range(trailing, trailing + forward) if math.isfinite(own[d]) and math.isfinite(basket[d])]
    variance = np.var([own[d] for d in seen], ddof=1) if 2 * len(seen) >= forward else 0.0
    if variance < 1e-18:
        return ratio, math.nan
    return ratio, float(1 - np.var([own[d] - ratio * basket[d] for d in seen], ddof=1) / variance)


def naive(case: Case, arm: str, names: int, s: int) -> tuple[float, float]:
    v, own = int(case.focal[0][s]), int(case.focal[1][s])
    days = range(int(case.rows[v]) - TRAILING + 1, int(case.rows[v]) + FORWARD + 1)
    inside = days.stop <= case.sessions
    mine = [case.returns[d, own] if d < case.sessions else math.nan for d in days]
    if arm == "index":
        basket = [case.index[d] if d < case.sessions else math.nan for d in days]
    elif arm == "industry":
        basket = naive_basket(case.returns, naive_industry(case, v, own), days)
    else:
        peers = [int(i) for i in case.lists[arm][s] if i >= 0]
        if len(peers) < names:
            return math.nan, math.nan
        basket = naive_basket(case.returns, peers[:names], days)
    ratio, cut = naive_figures(mine, basket, TRAILING, FORWARD)
    return ratio, cut if inside else math.nan


def naive_industry(case: Case, v: int, own: int) -> list[int]:
    window = case.returns[case.rows[v] - TRAILING + 1 : case.rows[v] + 1]
    usable = [i for i in range(case.assets) if case.industry[v, i] >= 0 and 2 * np.isfinite(window[:, i]).sum() >= TRAILING]
    return [i for i in usable if own in usable and case.issuer[i] != case.issuer[own] and case.industry[v, i] == case.industry[v, own]]


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_against_a_plain_loop(seed: int) -> None:
    case = Case(seed)
    found = case.run()
    assert found.arms == ("left", "right", "index", "industry")
    assert np.isfinite(found.cut).sum() > 100
    for a, arm in enumerate(found.arms):
        for k, names in enumerate(found.counts):
            expected = np.array([naive(case, arm, names, s) for s in range(28)])
            # another order of sums and a least-squares solver: rounding of numbers of order one
            np.testing.assert_allclose(found.ratio[a, k], expected[:, 0], rtol=0, atol=1e-10)
            np.testing.assert_allclose(found.cut[a, k], expected[:, 1], rtol=0, atol=1e-10)


def test_by_hand() -> None:
    """Own = 2 x basket + noise orthogonal to it, of known variance: ratio 2 and the cut 1 - noise / own exactly."""
    basket = np.array([1.0, -1.0, 1.0, -1.0] * 4) / 100
    noise = np.array([1.0, 1.0, -1.0, -1.0] * 4) / 100
    returns = np.stack([2 * basket + noise, basket + 0.01, basket - 0.01, np.zeros(16)], axis=1)
    found = hedge(
        returns, np.array([7]), (np.array([0]), np.array([0])), {"peers": np.array([[1, 2, 3]])}, counts=(2, 3), trailing=8, forward=8
    )
    # two peers: the offsets cancel in the mean. Three: a constant third name makes the basket two thirds as large, the ratio 3.
    np.testing.assert_allclose(found.ratio[0, :, 0], [2.0, 3.0], rtol=1e-12)  # rounding
    np.testing.assert_allclose(found.cut[0, :, 0], [0.8, 0.8], rtol=1e-12)


def test_an_uncorrelated_basket_that_was_correlated_adds_variance() -> None:
    """Ratio 1 from the trailing window, forward the basket is orthogonal noise of the same variance: the cut is -1."""
    one, two = np.array([1.0, -1.0] * 4) / 100, np.array([1.0, 1.0, -1.0, -1.0] * 2) / 100
    returns = np.stack([np.r_[one, one], np.r_[one, two]], axis=1)
    found = hedge(returns, np.array([7]), (np.array([0]), np.array([0])), {"peers": np.array([[1]])}, counts=(1,), trailing=8, forward=8)
    np.testing.assert_allclose(found.cut[0, 0, 0], -1.0, rtol=1e-12)  # rounding


def test_the_forward_window_past_the_end_is_null_and_not_counted() -> None:
    found = Case().run()
    late = found.vintage == 3
    assert np.isnan(found.cut[:, :, late]).all()
    assert np.isfinite(found.ratio[:, :, late]).any()
    assert found.no_forward == 7
    table = found.table()
    assert (table["stock_months"] + table["dropped"] == 21).all()


@pytest.mark.parametrize("row", [61, 82])
def test_ratios_and_turnover_do_not_change_when_later_data_go(row: int) -> None:
    case = Case()
    whole = case.run()
    case.returns, case.index, case.sessions = case.returns[: row + 1], case.index[: row + 1], row + 1
    kept = np.flatnonzero(case.rows <= row)
    case.rows, case.industry = case.rows[kept], case.industry[kept]
    inside = case.focal[0] < kept.size
    case.focal = (case.focal[0][inside], case.focal[1][inside])
    case.lists = {name: each[inside] for name, each in case.lists.items()}
    cut = case.run()
    np.testing.assert_array_equal(cut.ratio, whole.ratio[:, :, inside])
    np.testing.assert_array_equal(cut.turnover, whole.turnover[:, :, inside])
    reached = case.rows[case.focal[0]] + FORWARD <= row
    np.testing.assert_array_equal(cut.cut[:, :, reached], whole.cut[:, :, inside][:, :, reached])
    assert np.isnan(cut.cut[:, :, ~reached]).all()


def test_one_worker_and_many_give_the_same_bits() -> None:
    case = Case()
    with workers(1):
        one = case.run()
    with workers(3):
        many = case.run()
    for name in ("cut", "ratio", "turnover"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


def test_the_table_compares_like_with_like() -> None:
    case = Case(1)
    found = case.run()
    table = found.table()
    for k, names in enumerate(found.counts):
        both = [s for s in range(28) if np.isfinite(found.cut[:, k, s]).all()]
        enough = [s for s in both if all((case.lists[arm][s] >= 0).sum() >= names for arm in case.lists)]
        assert both == enough  # no stock-month with a shorter list is left in any arm
        for a, arm in enumerate(found.arms):
            row = table.row(by_predicate=(pl.col("arm") == arm) & (pl.col("names") == names), named=True)
            cuts = [float(found.cut[a, k, s]) for s in both]
            assert row["stock_months"] == len(both)
            assert row["dropped"] == 21 - len(both)
            assert row["complete"] == sum(bool(np.isfinite(found.cut[a, k, s])) for s in range(28))
            assert row["variance_cut"] == pytest.approx(sum(cuts) / len(cuts), abs=1e-14)  # order of the sum
            assert row["median_cut"] == pytest.approx(float(np.median(cuts)), abs=1e-14)
            beaten = [found.cut[a, k, s] > found.cut[3, k, s] for s in both]
            assert row["beats_industry"] == (None if arm == "industry" else pytest.approx(sum(beaten) / len(beaten)))


def test_fewer_arms_drop_fewer_stock_months_and_a_mask_selects() -> None:
    found = Case(1).run()
    all_arms, some = found.table(), found.table(arms=["right", "index"])
    assert some["arm"].unique().sort().to_list() == ["index", "right"]
    assert some.filter(names=5)["stock_months"][0] > all_arms.filter(names=5)["stock_months"][0]
    mask = found.asset % 2 == 0
    masked = found.table(mask=mask).filter(names=1, arm="left").row(0, named=True)
    kept = found.matched(1) & mask
    assert masked["stock_months"] == kept.sum()
    assert masked["variance_cut"] == pytest.approx(found.cut[0, 0, kept].mean(), abs=1e-14)
    empty = found.table(mask=np.zeros(28, dtype=bool))
    assert empty["variance_cut"].null_count() == empty.height
    assert empty["stock_months"].sum() == 0


def test_turnover_by_hand() -> None:
    returns = np.random.default_rng(0).normal(size=(60, 6))
    lists = np.array([[1, 2, 3], [3, 1, 4], [4, 5, -1], [1, 2, 3]], dtype=np.int32)
    focal = (np.array([0, 1, 2, 2]), np.array([0, 0, 0, 5]))
    industry = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]], dtype=np.int32)
    lists[3] = [1, 2, 3]
    found = hedge(returns, np.array([20, 30, 40]), focal, {"peers": lists}, counts=(1, 2, 3), industry=industry, trailing=10, forward=10)
    np.testing.assert_array_equal(np.isnan(found.turnover[0]), [[True, False, False, True]] * 2 + [[True, False, True, True]])
    np.testing.assert_allclose(found.turnover[0, :, 1], [1.0, 1 / 2, 1 / 3], rtol=1e-15)  # rounding
    np.testing.assert_allclose(found.turnover[0, :2, 2], [1.0, 1.0], rtol=1e-15)
    # the industry basket of stock 0 goes from {1, 2, 3} to {1, 2}: half of (2 x 1/6 + 1/3); then it has no name left
    np.testing.assert_allclose(found.turnover[1, :, 1], 1 / 3, rtol=1e-15)
    assert np.isnan(found.turnover[1, :, 2]).all()
    assert found.table().filter(arm="peers", names=2)["turnover"].item() == 0.5  # vintage 2: no industry basket, so not matched
    assert found.table(arms=["peers"]).filter(names=2)["turnover"].item() == pytest.approx(0.75)


def test_the_industry_basket_turns_over_without_the_twin() -> None:
    """Of {1, 2, 3} and {1, 2} name 1 is a listing of stock 0's issuer, so the basket goes from {2, 3} to {2}."""
    returns = np.random.default_rng(0).normal(size=(60, 4))
    industry = np.array([[0, 0, 0, 0], [0, 0, 0, 1]], dtype=np.int32)
    lists = {"peers": np.full((2, 1), 2, dtype=np.int32)}
    focal, settings = (np.array([0, 1]), np.array([0, 0])), {"counts": (1,), "industry": industry, "trailing": 10, "forward": 10}
    found = hedge(returns, np.array([20, 30]), focal, lists, issuer=np.array([7, 7, 1, 2]), **settings)  # type: ignore[arg-type]
    assert found.turnover[1, 0, 1] == 0.5
    # only name 2 is left, which is the list; the others are taken off its industry's sum, which rounds
    assert found.ratio[1, 0, 1] == pytest.approx(found.ratio[0, 0, 1], rel=1e-12)
    alone = hedge(returns, np.array([20, 30]), focal, lists, issuer=np.array([7, 7, 7, 2]), **settings)  # type: ignore[arg-type]
    assert np.isnan(alone.ratio[1, 0, 1])


def test_size_groups_are_ranks_within_the_vintage() -> None:
    case = Case(2)
    found = case.run()
    rng = np.random.default_rng(5)
    size = rng.lognormal(size=28) * 10.0**found.vintage
    size[3] = np.nan
    table = found.sizes(size, names=3, groups=3)
    kept = found.matched(3)
    for group in (1, 2, 3):
        members = []
        for v in range(3):
            ranked = sorted((size[s], s) for s in range(28) if found.vintage[s] == v and np.isfinite(size[s]))
            members += [s for place, (_, s) in enumerate(ranked) if place * 3 // len(ranked) + 1 == group]
        row = table.filter(size_group=group, arm="left").row(0, named=True)
        assert row["stock_months"] == sum(kept[s] for s in members)
        assert row["stock_months"] + row["dropped"] == len(members)
    assert table.columns == ["size_group", *found.table().columns]
    assert table["size_group"].n_unique() == 3


@pytest.mark.parametrize("changed", [{"trailing": 25}, {"forward": 15}, {"counts": (2, 4)}, {"index": -np.ones(130)}, {"issuer": None}])
def test_every_setting_matters(changed: dict[str, object]) -> None:
    case = Case()
    before, after = case.run(), case.run(**changed)
    assert not np.array_equal(before.cut[:, 0], after.cut[:, 0], equal_nan=True)


def test_without_industry_or_index_the_arms_are_absent() -> None:
    found = Case().run(index=None, industry=None)
    assert found.arms == ("left", "right")
    assert found.table()["beats_industry"].null_count() == found.table().height
    assert found.table()["stock_months"].max() > 0


def test_a_market_of_one_name_has_no_basket() -> None:
    returns = np.random.default_rng(1).normal(size=(60, 1))
    none = np.full((1, 3), -1, dtype=np.int32)
    found = hedge(
        returns,
        np.array([30]),
        (np.array([0]), np.array([0])),
        {"peers": none},
        counts=(1,),
        industry=np.zeros((1, 1), np.int32),
        trailing=20,
        forward=20,
    )
    assert np.isnan(found.cut).all()
    assert found.table()["dropped"].to_list() == [1, 1]


def test_a_window_before_the_data_is_null() -> None:
    case = Case()
    found = case.run(trailing=60)
    assert np.isnan(found.ratio[:, :, found.vintage == 0]).all()
    assert np.isfinite(found.ratio[:, :, found.vintage == 1]).any()


GOOD = {"rows": np.array([30]), "focal": (np.array([0]), np.array([0])), "peers": np.array([[1, 2, -1]], dtype=np.int32)}


@pytest.mark.parametrize(
    ("changed", "settings", "message"),
    [
        ({}, {"counts": ()}, "counts is empty"),
        ({}, {"counts": (0,)}, "counts must be"),
        ({}, {"trailing": 2}, "trailing must be"),
        ({}, {"forward": 1.5}, "forward must be"),
        ({"rows": np.array([60])}, {}, "rows of the stock-months"),
        ({"focal": (np.array([1]), np.array([0]))}, {}, "vintages of the stock-months"),
        ({"focal": (np.array([0]), np.array([-1]))}, {}, "assets of the stock-months"),
        ({"focal": (np.array([0, 0]), np.array([0, 0]))}, {}, "each stock-month once"),
        ({"peers": np.array([[1, 1]])}, {}, "list a peer twice"),
        ({"peers": np.array([[1, 0]])}, {}, "list the stock itself"),
        ({"peers": np.array([[-1, 1]])}, {}, "-1 only behind the last"),
        ({"peers": np.array([[7]])}, {}, "columns from 0 to 2"),
        ({"peers": np.array([[1], [2]])}, {}, "one row of ranked peers"),
        ({}, {"index": np.zeros(3)}, "index has shape"),
        ({}, {"industry": np.zeros((2, 3), np.int32)}, "industry has shape"),
        ({}, {"issuer": np.zeros(2, np.int64)}, "issuer has shape"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, object], settings: dict[str, object], message: str) -> None:
    returns = np.random.default_rng(1).normal(size=(60, 3))
    given = {**GOOD, **changed}
    with pytest.raises(SettingError, match=message):
        hedge(
            returns, given["rows"], given["focal"], {"peers": given["peers"]}, **{"counts": (1,), "trailing": 20, "forward": 20, **settings}
        )  # type: ignore[arg-type]


def test_a_reserved_arm_or_an_unknown_choice_is_refused() -> None:
    case = Case()
    found = case.run()
    case.lists = {"index": case.lists["left"]}
    with pytest.raises(SettingError, match="may not be called index"):
        case.run()
    with pytest.raises(SettingError, match="no arm is called up"):
        found.table(arms=["up"])
    with pytest.raises(SettingError, match="no basket of 4 names"):
        found.matched(4)
    with pytest.raises(SettingError, match="mask has shape"):
        found.table(mask=np.ones(3, dtype=bool))
    with pytest.raises(SettingError, match="size has shape"):
        found.sizes(np.ones(3), names=3)
