"""Placebos: what is dealt out, what stays, and every score against a naive re-derivation."""

import math
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from statistics import stdev
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.market import Market, load_market
from pureplay.panel import Axes, FloatArray
from pureplay.signals import SignalSettings
from pureplay.signals.momentum import score_blocks
from pureplay.signals.residual import exposure_block, residual_market
from pureplay.signals.workshop import PeerWorkshop
from pureplay.studies.controls import main_labels, shuffle_source
from pureplay.studies.placebos import (
    LATE_SESSIONS,
    PLACEBOS,
    deal_baskets,
    permute_products,
    placebo_cells,
    placebo_scores,
    shift_late,
)
from tests.signals import naive
from tests.signals.markets import Tables, exposures, market

SMALL: dict[str, Any] = {"min_peers": 2, "window_sessions": 10, "min_valid_sessions": 5, "min_listed_sessions": 15}
SETTINGS = SignalSettings(**SMALL)
SEEDED = [name for name, each in PLACEBOS.items() if each.seeded]
Key = tuple[date, str]


@cache
def made(seed: int) -> tuple[Tables, Dataset, PeerWorkshop]:
    tables = market(seed, stocks=20, sessions=60)
    dataset = Dataset.from_frames(tables)
    return tables, dataset, PeerWorkshop(dataset, load_market(dataset))


def cells_of(axes: Axes, block: FloatArray) -> dict[Key, float]:
    days = axes.day_column(axes.sessions.dates).to_list()
    return {(days[t], axes.assets[i]): float(block[t, i]) for t, i in zip(*np.nonzero(np.isfinite(block)), strict=True)}


def assert_same(block: FloatArray, axes: Axes, slow: Mapping[Key, Mapping[str, Any]]) -> None:
    """Tolerances as in tests/signals/test_naive.py: 1e-10, and the rounding of a bad tick where one stands in the windows of the date.

    A stock whose filing has grown stale keeps a score in the block while its window lasts, and has no row.
    """
    fast = {key: value for key, value in cells_of(axes, block).items() if key in slow}
    wanted = {key: row for key, row in slow.items() if row["composite"] is not None}
    assert fast.keys() == wanted.keys()
    assert len(fast) > 150
    for key, row in wanted.items():
        assert fast[key] == pytest.approx(row["composite"], rel=1e-10, abs=1e-10 + 1e-14 * row["stretch"])


def dealt_by(shop: PeerWorkshop, source: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> dict[str, str]:
    assets = shop.market.axes.assets
    return {asset: assets[source[i]] for i, asset in enumerate(assets)}


def test_the_market_as_the_only_basket_is_the_naive_one() -> None:
    tables, _, shop = made(1)

    class One(naive.Baskets):
        def filing(self, row: int, asset: str) -> naive.Filing:
            return naive.Filing(date.min, date.min, 0, {"market": naive.Fraction(1)}, naive.Fraction(1), date.min)

    slow = naive.product_momentum(tables, make=One, **SMALL, products="industries:one")
    assert_same(placebo_scores(shop, SETTINGS, "own_only"), shop.market.axes, slow)


def test_industry_baskets_are_the_naive_ones() -> None:
    tables, _, shop = made(1)
    slow = naive.product_momentum(tables, **SMALL, products="industries:l2")
    assert_same(placebo_scores(shop, SETTINGS, "industry_baskets"), shop.market.axes, slow)


def test_shuffled_industries_are_the_naive_ones() -> None:
    tables, dataset, shop = made(1)
    files = (shop.peers(SETTINGS).mix.active >= 0).any(axis=0)
    rng = np.random.default_rng([5, *b"industry_shuffle"])
    dealt = dealt_by(shop, shuffle_source(main_labels(dataset, shop.market.axes, "l2"), files, rng))
    assert sum(one != other for one, other in dealt.items()) > 5

    class Dealt(naive.Baskets):
        def filing(self, row: int, asset: str) -> naive.Filing | None:
            return super().filing(row, dealt[asset])

    slow = naive.product_momentum(tables, make=Dealt, **SMALL)
    assert_same(placebo_scores(shop, SETTINGS, "industry_shuffle", seed=5), shop.market.axes, slow)


@pytest.mark.parametrize(
    "settings", [{}, {"leave_one_out": False, "weighting": "equal"}, {"min_peers": 4, "min_peers_after_removal": False}]
)
def test_random_baskets_are_the_naive_ones(settings: dict[str, Any]) -> None:
    """Stock i stands in the baskets in which stock p(i) stood; everyone asks with the mix that it filed."""
    tables, _, shop = made(1)
    chosen = SignalSettings(**{**SMALL, **settings})
    rng = np.random.default_rng([3, *b"random_baskets"])
    active, moved = shop.peers(chosen).families[0][0], deal_baskets(shop.peers(chosen), rng).families[1][0]
    files = np.flatnonzero((active >= 0).any(axis=0))
    source = np.arange(active.shape[1])
    for i in files:
        source[i] = next(j for j in files if (moved[:, i] == active[:, j]).all())
    dealt = dealt_by(shop, source)
    assert sorted(dealt.values()) == sorted(dealt)
    assert sum(one != other for one, other in dealt.items()) > 12

    class Random(naive.Baskets):
        def _memberships(self, family: str, row: int, asset: str) -> list[str]:
            return super()._memberships(family, row, dealt[asset])

    slow = naive.product_momentum(tables, make=Random, **{**SMALL, **settings})
    assert_same(placebo_scores(shop, chosen, "random_baskets", seed=3), shop.market.axes, slow)


def test_random_baskets_keep_sizes_and_mixes() -> None:
    _, _, shop = made(2)
    peers = shop.peers(SETTINGS)
    dealt = deal_baskets(peers, np.random.default_rng(0))
    assert dealt.mix is peers.mix
    assert not dealt.families[0][3].any()
    for t in range(0, 60, 7):
        assert sizes(dealt.families[1], t) == sizes(peers.families[0], t)
    assert any(sizes(peers.families[0], t) for t in range(60))
    never = (peers.mix.active < 0).all(axis=0)
    assert never.any()
    assert (dealt.families[1][0][:, never] < 0).all()


def sizes(family: Any, t: int) -> dict[int, int]:
    """Pure plays with a usable filing by group, trading or not."""
    active, offsets, group, members = family[:4]
    held = [int(group[k]) for f in active[t] if f >= 0 for k in range(offsets[f], offsets[f + 1]) if members[k]]
    return {each: held.count(each) for each in sorted(set(held))}


def relabelling(shop: PeerWorkshop, settings: SignalSettings, rng: np.random.Generator) -> dict[tuple[str, str], str]:
    """(asset, product) -> product after the permutation, read off the filings before and after."""
    before, assets = shop.peers(settings).mix, shop.market.axes.assets
    after = permute_products(before, levels(shop, before.groups), rng)
    filing = np.repeat(np.arange(before.asset.size), np.diff(before.offsets))
    out: dict[tuple[str, str], str] = {}
    for k in range(before.group.size):
        key = (assets[before.asset[filing[k]]], before.groups[before.group[k]])
        assert out.setdefault(key, before.groups[after.group[k]]) == before.groups[after.group[k]]  # the same in all filings
    return out


def levels(shop: PeerWorkshop, groups: tuple[str, ...]) -> Any:
    return shop.taxonomy.level[shop.taxonomy.node(pl.Series(groups, dtype=pl.String))]


def test_permuted_products_are_the_naive_ones() -> None:
    tables, _, shop = made(1)
    moved = relabelling(shop, SETTINGS, np.random.default_rng([7, *b"permuted_taxonomy"]))

    class Permuted(naive.Baskets):
        def shares(self, row: int, asset: str) -> dict[str, Any]:
            filing, day = self.filing(row, asset), self.market.days[row]
            out: dict[str, Any] = {}
            for product, revenue in filing.lines.items() if filing else ():
                path = self.tree.path(product) if product != "unmapped" else []
                if len(path) < 2 and not (path and self.tree.is_leaf(product, date.min)):
                    continue
                group = moved.get((asset, path[1] if len(path) > 1 else product), "")
                if not group or not self.tree.in_force(group, day):
                    continue
                if len(self.tree.path(group)) == 2 or self.tree.is_leaf(group, day):
                    out[group] = out.get(group, 0) + revenue / filing.total  # type: ignore[union-attr]
            return out

    slow = naive.product_momentum(tables, make=Permuted, **SMALL)
    assert_same(placebo_scores(shop, SETTINGS, "permuted_taxonomy", seed=7), shop.market.axes, slow)


def test_a_permutation_keeps_shares_and_levels_and_differs_from_stock_to_stock() -> None:
    _, _, shop = made(2)
    mix = shop.peers(SETTINGS).mix
    after = permute_products(mix, levels(shop, mix.groups), np.random.default_rng(1))
    for name in ("share", "offsets", "active", "asset", "groups"):
        assert getattr(after, name) is getattr(mix, name)
    assert (levels(shop, mix.groups)[after.group] == levels(shop, mix.groups)[mix.group]).all()
    moved = relabelling(shop, SETTINGS, np.random.default_rng(1))
    for asset in {asset for asset, _ in moved}:
        targets = [target for (each, _), target in moved.items() if each == asset]
        assert len(set(targets)) == len(targets)  # two products of a stock never become one
    common = mix.groups[int(np.bincount(mix.group).argmax())]
    assert len({target for (_, product), target in moved.items() if product == common}) > 2


def test_own_return_and_own_volatility_are_the_naive_ones() -> None:
    tables, _, shop = made(1)
    loaded = shop.market
    block, names = exposure_block(exposures(tables, 1), loaded.axes)
    for current in (loaded, residual_market(loaded, block, names)):
        on, settings = shop.on(current), SETTINGS if current is loaded else SignalSettings(construction="S", **SMALL)
        for name, figure in (("own_return", lambda r: -math.fsum(r)), ("own_volatility", lambda r: -stdev(r))):
            fast = cells_of(loaded.axes, placebo_scores(on, settings, name))
            slow, stretch = own(current, tables, figure)
            assert fast.keys() == slow.keys()
            assert len(fast) > 200
            for key, wanted in slow.items():
                assert fast[key] == pytest.approx(wanted, rel=1e-10, abs=1e-10 + 1e-14 * stretch[key[0]])


def own(current: Market, tables: Tables, figure: Callable[[list[float]], float]) -> tuple[dict[Key, float], dict[date, float]]:
    """z-scores of a figure of each stock's own returns over ten sessions, five needed, by plain loops."""
    slow = naive.Market({name: frame.to_dicts() for name, frame in tables.items()}, "cap")
    out: dict[Key, float] = {}
    stretch: dict[date, float] = {}
    for t, day in enumerate(slow.days):
        found, largest = {}, 0.1
        for i, asset in enumerate(slow.assets):
            if slow.traded(t, asset) and slow.seasoned(t, asset, 15):
                window = [current.returns[s, i] for s in range(max(0, t - 9), t + 1) if slow.traded(s, asset) and slow.traded(s - 1, asset)]
                known = [float(each) for each in window if np.isfinite(each)]
                if len(known) >= 5:
                    found[asset], largest = figure(known), max(largest, *map(abs, known))
        z, sd = naive.zscores(found, 3.0)
        out |= {(day, asset): each for asset, each in z.items()}
        stretch[day] = largest / sd
    return out, stretch


def test_the_focal_in_its_own_baskets_is_the_naive_one() -> None:
    tables, _, shop = made(1)
    slow = naive.product_momentum(tables, **SMALL, leave_one_out=False)
    assert_same(placebo_scores(shop, SETTINGS, "focal_included"), shop.market.axes, slow)


def test_a_year_late_is_250_sessions_late_for_the_stocks_of_today() -> None:
    dataset = Dataset.from_frames(market(3, stocks=14, sessions=290))
    shop = PeerWorkshop(dataset, load_market(dataset))
    made_now = score_blocks(shop.market, shop.peers(SETTINGS), SETTINGS)
    late = placebo_scores(shop, SETTINGS, "year_late")
    assert LATE_SESSIONS == 250
    assert np.isnan(late[:250]).all()
    assert np.isfinite(late).sum() > 50
    for t in range(250, 290):
        wanted = np.where(made_now.universe[t], made_now.composite[t - 250], np.nan)
        np.testing.assert_array_equal(late[t], wanted)
    assert (np.isfinite(made_now.composite[:40]) & ~np.isfinite(late[250:])).any()  # who is away today has no score
    np.testing.assert_array_equal(shift_late(np.array([[1.0], [2.0], [3.0]]), 2), [[np.nan], [np.nan], [1.0]])


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_decides(name: str) -> None:
    _, _, shop = made(1)
    first, again, other = (placebo_scores(shop, SETTINGS, name, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other, equal_nan=True)


def test_placebos_without_chance_ignore_the_seed_and_are_not_the_signal() -> None:
    _, _, shop = made(1)
    signal = score_blocks(shop.market, shop.peers(SETTINGS), SETTINGS).composite
    for cell in placebo_cells(shop, SETTINGS):
        if cell.skip is None:
            block = placebo_scores(shop, SETTINGS, cell.name, seed=1)
            assert not np.array_equal(block, signal, equal_nan=True)
            if not cell.seeded:
                np.testing.assert_array_equal(block, placebo_scores(shop, SETTINGS, cell.name, seed=2))


@pytest.mark.parametrize("name", [name for name, each in PLACEBOS.items() if each.causal])
def test_causal_placebos_see_nothing_later(name: str) -> None:
    sessions = 280 if name == "year_late" else 60
    dataset = Dataset.from_frames(market(3, stocks=14, sessions=sessions))
    shop = PeerWorkshop(dataset, load_market(dataset))
    whole = placebo_scores(shop, SETTINGS, name)
    for back in (6, 13, 21):
        day = shop.market.axes.day_column(shop.market.axes.sessions.dates)[sessions - back]
        past = dataset.as_of(day)
        then = PeerWorkshop(past, load_market(past))
        found = placebo_scores(then, SETTINGS, name)
        columns = [shop.market.axes.assets.index(asset) for asset in then.market.axes.assets]
        assert found.shape[0] == sessions - back + 1
        assert np.isfinite(found).any()
        assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(whole[: found.shape[0]][:, columns]).tobytes()


def test_cells_say_what_cannot_be_made_and_why() -> None:
    _, dataset, shop = made(1)
    cells = {each.name: each for each in placebo_cells(shop, SETTINGS)}
    assert list(cells) == list(PLACEBOS)
    assert {name for name, each in cells.items() if each.product_information} == {"focal_included", "year_late"}
    assert [name for name, each in cells.items() if each.skip] == ["year_late"]
    bare = Dataset.from_frames({name: dataset.frame(name) for name in ("bars", "segments", "taxonomy")})
    without = PeerWorkshop(bare, load_market(bare))
    cases: list[tuple[PeerWorkshop, SignalSettings, str, str]] = [
        (shop, SETTINGS, "year_late", "the data hold 60 sessions; more than 250 are needed"),
        (without, SETTINGS, "industry_baskets", "the dataset has no industries"),
        (without, SETTINGS, "industry_shuffle", "the dataset has no industries"),
        (shop, SignalSettings(products="industries:l2"), "industry_baskets", "the products are l2 itself"),
        (shop, SignalSettings(products="industries:l1"), "industry_shuffle", "nothing to shuffle"),
        (shop, SignalSettings(resvol="product_agg"), "random_baskets", "resvol='product_agg'"),
        (shop, SignalSettings(leave_one_out=False), "focal_included", "keeps the focal stock"),
    ]
    for where, settings, name, why in cases:
        assert why in str({each.name: each for each in placebo_cells(where, settings)}[name].skip)
        with pytest.raises(SettingError, match="cannot be made"):
            placebo_scores(where, settings, name)
    with pytest.raises(SettingError, match="there is no placebo 'noise': choose one of own_only"):
        placebo_scores(shop, SETTINGS, "noise")


def test_industries_as_products_and_fallbacks_have_placebos_too() -> None:
    _, _, shop = made(1)
    for settings in (
        SignalSettings(**SMALL, products="industries:l1"),
        SignalSettings(**SMALL, fallback=("parent", "industry"), fallback_scheme="l1"),
    ):
        for name in ("own_only", "random_baskets", "permuted_taxonomy", "focal_included"):
            assert np.isfinite(placebo_scores(shop, settings, name)).sum() > 50
