"""Ranked peers of each arm: against plain loops over dictionaries, the settings, and independence of later names."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.arrays import Lamps
from pureplay.graph.hedge_arms import WEIGHTS, Scorer, Vintage, VintageEdges, best_weight, mix_arm, mix_table, ranked_peers, stacked
from pureplay.graph.hedging import hedge
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.stats.correlation import window

SESSIONS, ASSETS = 40, 30


def pairs(rng: np.random.Generator, count: int, assets: int = ASSETS) -> tuple[IndexArray, IndexArray]:
    """Random pairs a < b, sorted, each once."""
    drawn = np.sort(rng.integers(0, assets, (count, 2)), axis=1)
    drawn = np.unique(drawn[drawn[:, 0] < drawn[:, 1]], axis=0).astype(np.int32)
    return np.ascontiguousarray(drawn[:, 0]), np.ascontiguousarray(drawn[:, 1])


def make(seed: int = 0) -> Vintage:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 4, ASSETS)
    returns = 0.01 * rng.normal(size=(SESSIONS, 4))[:, groups] + 0.02 * rng.normal(size=(SESSIONS, ASSETS))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    returns[:, 4] = 0.01  # constant: not usable
    returns[5:, 6] = np.nan  # too few days
    returns[:, 9] = returns[:, 8]  # equal correlations with everything
    seen = window(returns, first=0, last=SESSIONS)
    a, b = pairs(rng, 250)
    trailing = seen.pairs(a, b).rho
    confirmed = rng.random(a.size) < 0.5
    edges = VintageEdges(
        a=a,
        b=b,
        trailing=trailing,
        expected=np.where(rng.random(a.size) < 0.3, np.nan, np.round(0.5 * trailing + 0.1 * rng.random(a.size), 2)),
        strength=rng.integers(1, 4, a.size).astype(float),
        confirmed=confirmed,
        dark=~confirmed & ((a + b) % 4 > 0),  # some pairs are neither
    )
    issuer = np.arange(ASSETS) + 100
    issuer[[9, 13, 14]] = issuer[[8, 12, 12]]
    eligible = rng.random(ASSETS) < 0.9
    eligible[:3] = True
    return Vintage(
        day=np.datetime64("2020-01-31"),
        assets=tuple(f"s{i:02d}" for i in range(ASSETS)),
        edges=edges,
        window=seen,
        eligible=eligible,
        industry=(groups - (groups == 3) * 4).astype(np.int32),
        issuer=issuer,
        linked=pairs(rng, 40),
    )


def lamps_at(a: IndexArray, b: IndexArray) -> Lamps:
    mixed = (a.astype(np.int64) * 31 + b * 17) % 7
    names = ("mapped", "product_peer", "deep_peer", "chain", "disclosed", "affiliate", "bid")
    return Lamps(peer_depth=mixed.astype(np.int32), **{name: mixed == k for k, name in enumerate(names)})


def predict(trailing: FloatArray, lamps: Lamps, news: BoolArray) -> FloatArray:
    return 0.1 + 0.5 * trailing + 0.1 * lamps.deep_peer + 0.05 * lamps.chain * trailing - 0.05 * (news & ~lamps.confirmed())


SCORER = Scorer(lamps_at=lamps_at, predict=predict)
FOCAL = np.array([0, 1, 2, 4, 8, 9, 12, 20])


def padded(names: list[int], most: int) -> list[int]:
    return (names + [-1] * most)[:most]


def one(vintage: Vintage, i: int, j: int) -> float:
    return float(vintage.window.pairs(np.array([min(i, j)], np.int32), np.array([max(i, j)], np.int32)).rho[0])


def good(vintage: Vintage) -> list[int]:
    return [i for i in range(ASSETS) if vintage.eligible[i] and vintage.window.usable[i]]


def other(vintage: Vintage, own: int) -> list[int]:
    """Usable names of other issuers."""
    return [i for i in good(vintage) if vintage.issuer[i] != vintage.issuer[own]]


def naive_trailing(vintage: Vintage, own: int, most: int) -> list[int]:
    names = other(vintage, own) if own in good(vintage) else []
    return sorted(names, key=lambda i: (-one(vintage, own, i), i))[:most]


def naive_edges(vintage: Vintage, own: int, most: int, *, confirmed: bool) -> list[int]:
    edges, found = vintage.edges, []
    for p in range(edges.a.size):
        both = (int(edges.a[p]), int(edges.b[p]))
        said = edges.confirmed if confirmed or edges.dark is None else edges.dark
        peer = both[0] if both[1] == own else both[1]
        if own not in both or not said[p] or own not in good(vintage) or peer not in other(vintage, own):
            continue
        first = edges.strength[p] if not confirmed else edges.expected[p] if np.isfinite(edges.expected[p]) else edges.trailing[p]
        found.append((-first, -edges.trailing[p], peer))
    return [peer for _, _, peer in sorted(found)][:most]


def naive_scored(vintage: Vintage, own: int, most: int, shortlist: int, weight: float | None) -> list[int]:
    if own not in good(vintage):
        return []
    names = set(naive_trailing(vintage, own, shortlist))
    edged = set(zip(vintage.edges.a.tolist(), vintage.edges.b.tolist(), strict=True))
    for a, b in edged | set(zip(*(each.tolist() for each in vintage.linked), strict=True)):
        names |= {b} if a == own else {a} if b == own else set()
    names = sorted(i for i in names if i in other(vintage, own))
    rho = np.array([one(vintage, own, i) for i in names])
    a, b = np.minimum(own, names).astype(np.int32), np.maximum(own, names).astype(np.int32)
    news, lamps, off = np.array([(x, y) in edged for x, y in zip(a, b, strict=True)]), lamps_at(a, b), np.zeros(a.size, dtype=bool)
    expected = predict(rho, lamps, news)
    unlit = Lamps(
        mapped=off, peer_depth=lamps.peer_depth, product_peer=off, deep_peer=off, chain=off, disclosed=off, affiliate=off, bid=off
    )
    structure = expected - predict(rho, unlit, off)
    if weight is not None:
        rank = np.array([(structure < x).sum() + (1 + (structure == x).sum()) / 2 for x in structure])
        expected = weight * (rank - rank.mean()) / rank.std() + (1 - weight) * (rho - rho.mean()) / rho.std()
    return [i for _, _, i in sorted(zip(np.round(-expected, 12), -rho, names, strict=True))][:most]


@pytest.mark.parametrize("seed", range(3))
def test_every_arm_against_plain_loops(seed: int) -> None:
    vintage = make(seed)
    found = ranked_peers(vintage, FOCAL, most=6, scorer=SCORER, shortlist=8, weights=(0.0, 0.3, 1.0))
    assert list(found) == ["graph", "news_only", "random_industry", "trailing", "expected", "mix_0", "mix_0.3", "mix_1"]
    for place, own in enumerate(FOCAL.tolist()):
        assert found["trailing"][place].tolist() == padded(naive_trailing(vintage, own, 6), 6)
        assert found["graph"][place].tolist() == padded(naive_edges(vintage, own, 6, confirmed=True), 6)
        assert found["news_only"][place].tolist() == padded(naive_edges(vintage, own, 6, confirmed=False), 6)
        assert found["expected"][place].tolist() == padded(naive_scored(vintage, own, 6, 8, None), 6)
        assert found["mix_0.3"][place].tolist() == padded(naive_scored(vintage, own, 6, 8, 0.3), 6)
    np.testing.assert_array_equal(found["mix_0"], found["trailing"])  # no structure: the same candidates, ranked by correlation
    assert not np.array_equal(found["mix_1"], found["expected"])
    assert (found["trailing"][3] == -1).all()  # a constant stock has no peers


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_mix_leaves_out_pairs_without_a_forecast_and_still_ranks_the_others_by_structure(weight: float) -> None:
    vintage, unmapped = make(), 12

    def some(trailing: FloatArray, lamps: Lamps, news: BoolArray) -> FloatArray:
        return np.where(lamps.mapped, predict(trailing, lamps, news), np.nan)

    def known(a: IndexArray, b: IndexArray) -> Lamps:
        return replace(lamps_at(a, b), mapped=(a != unmapped) & (b != unmapped))

    found = ranked_peers(vintage, FOCAL, most=6, scorer=Scorer(lamps_at=known, predict=some), shortlist=ASSETS, weights=(weight,))
    assert vintage.usable[unmapped]
    without = replace(vintage, eligible=vintage.eligible & (np.arange(ASSETS) != unmapped))
    expected = ranked_peers(without, FOCAL, most=6, scorer=SCORER, shortlist=ASSETS, weights=(weight,))
    np.testing.assert_array_equal(found[mix_arm(weight)], expected[mix_arm(weight)])
    assert (weight == 0) == (found[mix_arm(weight)].tolist() == ranked_peers(without, FOCAL, most=6)["trailing"].tolist())


def test_no_arm_holds_another_listing_of_the_issuer() -> None:
    """Twins are named together, linked, of one industry and the nearest by price; where they are of two issuers every arm holds them."""
    made, first = make(), np.array([8, 9], dtype=np.int32)
    a, b = first[:1], first[1:]
    edges = VintageEdges(a=a, b=b, trailing=np.ones(1), expected=np.ones(1), strength=np.ones(1), confirmed=np.ones(1, dtype=bool))
    one = {"eligible": np.ones(ASSETS, dtype=bool), "industry": np.zeros(ASSETS, dtype=np.int32)}
    twins = replace(made, edges=edges, linked=(a, b), **one)  # type: ignore[arg-type]
    single = replace(twins, issuer=np.arange(ASSETS))
    dark = replace(edges, confirmed=np.zeros(1, dtype=bool))
    settings = {"most": ASSETS, "scorer": SCORER, "shortlist": ASSETS, "weights": (0.5,)}
    for graph in (edges, dark):
        found = ranked_peers(replace(twins, edges=graph), first, **settings)  # type: ignore[arg-type]
        held = ranked_peers(replace(single, edges=graph), first, **settings)  # type: ignore[arg-type]
        for arm, lists in found.items():
            assert not (lists[0] == 9).any(), arm
            assert not (lists[1] == 8).any(), arm
        arms = {arm for arm, lists in held.items() if (lists[0] == 9).any()}
        assert arms == set(held) - ({"news_only"} if graph is edges else {"graph"})


def test_a_pair_that_is_neither_confirmed_nor_dark_is_in_no_arm_of_the_news() -> None:
    vintage = make()
    focal, edges = np.arange(ASSETS), vintage.edges
    assert edges.dark is not None
    neither = ~edges.confirmed & ~edges.dark
    gone = VintageEdges(**{name: getattr(edges, name)[~neither] for name in ("a", "b", "trailing", "expected", "strength", "confirmed")})
    found, wanted = (ranked_peers(each, focal, most=6) for each in (vintage, replace(vintage, edges=gone)))
    for arm, lists in wanted.items():
        np.testing.assert_array_equal(found[arm], lists)
    every = ranked_peers(replace(vintage, edges=replace(edges, dark=None)), focal, most=6)
    assert not np.array_equal(every["news_only"], found["news_only"])


def test_random_industry_names() -> None:
    vintage = make()
    found = ranked_peers(vintage, FOCAL, most=4)["random_industry"]
    for place, own in enumerate(FOCAL.tolist()):
        same = {i for i in other(vintage, own) if vintage.industry[i] == vintage.industry[own]}
        drawn = [i for i in found[place].tolist() if i >= 0]
        if vintage.industry[own] < 0 or own not in good(vintage):
            assert not drawn
        else:
            assert set(drawn) <= same
            assert len(drawn) == min(4, len(same))
    again = ranked_peers(vintage, FOCAL[::-1], most=4)["random_industry"]
    np.testing.assert_array_equal(again[::-1], found)  # the order of the focal stocks does not matter
    assert not np.array_equal(ranked_peers(vintage, FOCAL, most=4, seed=8)["random_industry"], found)
    later = replace(vintage, day=np.datetime64("2020-02-28"))
    assert not np.array_equal(ranked_peers(later, FOCAL, most=4)["random_industry"], found)


def test_random_names_are_drawn_evenly() -> None:
    vintage = replace(make(), industry=np.zeros(ASSETS, dtype=np.int32))
    names = [i for i in good(vintage) if i != 0]
    first = [ranked_peers(vintage, np.array([0]), most=1, seed=seed)["random_industry"][0, 0] for seed in range(600)]
    share = np.bincount(first, minlength=ASSETS)[names] / 600
    # six standard deviations of a share of 600 draws
    assert np.abs(share - 1 / len(names)).max() < 6 * np.sqrt(1 / len(names) / 600)


def test_names_listed_later_change_nothing() -> None:
    """Columns between the others that are not there yet: the same codes are listed in the same order."""
    vintage = make(1)
    few = ranked_peers(vintage, FOCAL, most=6, scorer=SCORER, shortlist=8, weights=(0.3,))
    place = np.sort(np.random.default_rng(3).permutation(ASSETS + 9)[:ASSETS])  # where the old columns go
    wide_codes = [f"t{i:02d}" for i in range(ASSETS + 9)]
    for old, new in enumerate(place):
        wide_codes[new] = vintage.assets[old]
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 4, ASSETS)
    returns = 0.01 * rng.normal(size=(SESSIONS, 4))[:, groups] + 0.02 * rng.normal(size=(SESSIONS, ASSETS))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    returns[:, 4], returns[5:, 6], returns[:, 9] = 0.01, np.nan, returns[:, 8]
    block = np.full((SESSIONS, ASSETS + 9), np.nan)
    block[:, place] = returns
    eligible, industry, issuer = np.zeros(ASSETS + 9, dtype=bool), np.full(ASSETS + 9, -1, dtype=np.int32), np.arange(ASSETS + 9)
    eligible[place], industry[place], issuer[place] = vintage.eligible, vintage.industry, vintage.issuer
    moved = place.astype(np.int32)
    back = np.full(ASSETS + 9, -1, dtype=np.int32)
    back[place] = np.arange(ASSETS)
    wide = replace(
        vintage,
        assets=tuple(wide_codes),
        edges=replace(vintage.edges, a=moved[vintage.edges.a], b=moved[vintage.edges.b]),
        window=window(block, first=0, last=SESSIONS),
        eligible=eligible,
        industry=industry,
        issuer=issuer,
        linked=(moved[vintage.linked[0]], moved[vintage.linked[1]]),
    )
    scorer = Scorer(lamps_at=lambda a, b: lamps_at(back[a], back[b]), predict=predict)
    many = ranked_peers(wide, place[FOCAL], most=6, scorer=scorer, shortlist=8, weights=(0.3,))
    for arm, lists in few.items():
        np.testing.assert_array_equal(np.where(many[arm] >= 0, back[many[arm]], -1), lists, err_msg=arm)


@pytest.mark.parametrize("changed", [{"shortlist": 1}, {"shortlist": 20}])
def test_the_shortlist_matters(changed: dict[str, int]) -> None:
    vintage = make()
    usual = ranked_peers(vintage, FOCAL, most=6, scorer=SCORER, shortlist=8)["expected"]
    assert not np.array_equal(ranked_peers(vintage, FOCAL, most=6, scorer=SCORER, **changed)["expected"], usual)


def test_without_edges_links_or_other_names_lists_are_empty() -> None:
    vintage = make()
    none = np.empty(0, dtype=np.int32)
    empty = VintageEdges(
        a=none, b=none, trailing=np.empty(0), expected=np.empty(0), strength=np.empty(0), confirmed=np.empty(0, dtype=bool)
    )
    bare = replace(vintage, edges=empty, linked=(none, none))
    found = ranked_peers(bare, FOCAL, most=3, scorer=SCORER, weights=(0.5,))
    assert (found["graph"] == -1).all()
    assert (found["news_only"] == -1).all()
    assert (found["expected"][0] >= 0).all()
    lonely = replace(bare, eligible=np.arange(ASSETS) == 0)
    assert all((each == -1).all() for each in ranked_peers(lonely, FOCAL, most=3, scorer=SCORER, weights=(0.5,)).values())
    assert ranked_peers(bare, np.empty(0, dtype=np.int64), most=3)["trailing"].shape == (0, 3)


def test_the_lists_go_into_the_hedge_and_the_best_weight_comes_out() -> None:
    rng = np.random.default_rng(0)
    returns = 0.01 * rng.normal(size=(100, 1)) + 0.02 * rng.normal(size=(100, ASSETS))
    vintage = replace(make(), window=window(returns, first=20, last=60), eligible=np.ones(ASSETS, dtype=bool))
    part = ranked_peers(vintage, FOCAL, most=5, scorer=SCORER, weights=WEIGHTS)
    lists = stacked([part, part])
    focal = (np.repeat([0, 1], FOCAL.size), np.tile(FOCAL, 2))
    found = hedge(returns, np.array([59, 60]), focal, lists, counts=(5,), trailing=40, forward=30)
    table = mix_table(found, names=5)
    assert table["weight"].to_list() == list(WEIGHTS)
    assert table["stock_months"].unique().to_list() == [2 * FOCAL.size]
    best = best_weight(table)
    assert table.filter(weight=best)["variance_cut"][0] == table["variance_cut"].max()
    assert mix_arm(best) in found.arms
    with pytest.raises(SettingError, match="no basket of 7 names"):
        mix_table(found, names=7)
    with pytest.raises(SettingError, match="same settings"):
        stacked([part, {}])


def test_equal_weights_give_the_smallest_and_none_is_an_error() -> None:
    table = pl.DataFrame({"weight": [0.0, 0.4, 0.2], "variance_cut": [0.1, 0.3, 0.3], "stock_months": [5, 5, 5]})
    assert best_weight(table) == 0.2
    with pytest.raises(InsufficientDataError, match="none of 3 weights"):
        best_weight(table.with_columns(variance_cut=pl.lit(None, dtype=pl.Float64)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"most": 0}, "most must be"),
        ({"shortlist": 0}, "shortlist must be"),
        ({"weights": (1.5,), "scorer": SCORER}, "between 0 and 1"),
        ({"weights": (0.5,)}, "need a scorer"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        ranked_peers(make(), FOCAL, **settings)  # type: ignore[arg-type]
