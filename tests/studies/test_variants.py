"""Grids over the settings of the signal, and the workshop that makes their baskets from shared parts."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.market import load_market
from pureplay.signals import SignalSettings
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.signals.workshop import PeerWorkshop
from pureplay.studies.variants import GROUPS, SignalCell, variant_cells, variant_scores
from tests.signals.markets import market

SMALL: dict[str, Any] = {"min_peers": 2, "window_sessions": 10, "min_valid_sessions": 5, "min_listed_sessions": 15}
GRIDS: dict[str, Any] = {
    "buffers": (0, 30, 60, 90),
    "purities": (0.5, 0.7, 0.9),
    "min_peers": (1, 2, 3, 5),
    "levels": (1, 2, 3, 9, "leaf"),
}


@cache
def dataset() -> Dataset:
    return Dataset.from_frames(market(2, stocks=20, sessions=60))


def of(cells: tuple[SignalCell, ...], group: str) -> list[SignalCell]:
    return [each for each in cells if each.group == group]


def test_the_grids_of_the_battery() -> None:
    cells = variant_cells(SignalSettings(), dataset())
    assert [each.label for each in of(cells, "buffer days")] == ["0", "15", "30", "45", "60", "90"]
    assert [each.x for each in of(cells, "purity")] == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert [each.x for each in of(cells, "minimum peers")] == [3, 5, 8, 12, 20]
    assert [each.x for each in of(cells, "level")] == [1, 2, 3, "leaf"]
    assert [(each.group, each.x) for each in cells if each.is_default] == [
        ("buffer days", 30),
        ("purity", 0.5),
        ("minimum peers", 5),
        ("level", 2),
    ]
    plain = SignalSettings().to_dict()
    for cell in cells:
        assert cell.settings is not None
        changed = {name for name, value in cell.settings.to_dict().items() if value != plain[name]}
        assert changed == (set() if cell.is_default else {GROUPS[cell.group]})
        assert getattr(cell.settings, GROUPS[cell.group]) == cell.x


def test_the_settings_own_value_joins_its_grid() -> None:
    cells = variant_cells(SignalSettings(min_peers=4, purity=0.65, level="leaf"), dataset(), levels=(2, 1), buffers=())
    assert [each.x for each in of(cells, "minimum peers")] == [3, 4, 5, 8, 12, 20]
    assert [each.x for each in of(cells, "level")] == [1, 2, "leaf"]
    assert [each.x for each in cells if each.is_default] == [0.65, 4, "leaf"]
    assert of(cells, "buffer days") == []


def test_grids_that_mean_nothing_are_left_out_with_a_reason() -> None:
    cells = variant_cells(SignalSettings(products="industries:l1", min_peers=3), dataset())
    for group, why in (("buffer days", "no filing to wait for"), ("purity", "every share is 1"), ("level", "not a level")):
        (cell,) = of(cells, group)
        assert cell.settings is None
        assert why in str(cell.skip)
        with pytest.raises(SettingError, match="cannot be made"):
            variant_scores(PeerWorkshop(dataset(), load_market(dataset())), cell)
    assert [each.x for each in of(cells, "minimum peers") if each.skip is None] == [3, 5, 8, 12, 20]
    deep = of(variant_cells(SignalSettings(), dataset(), levels=(2, 4, 5)), "level")
    assert [(each.x, each.skip is None) for each in deep] == [(2, True), (4, True), (5, False)]
    assert "has 4 levels, so level 5 is empty" in str(deep[-1].skip)


def test_a_value_that_the_settings_refuse_is_refused() -> None:
    with pytest.raises(SettingError, match="buffer_days must be at least 0"):
        variant_cells(SignalSettings(), dataset(), buffers=(-5,))


def test_cells_equal_the_signal_made_from_the_tables_and_move_it() -> None:
    """Out of shared parts, in any order, bit for bit what fresh parts give."""
    shop = PeerWorkshop(dataset(), load_market(dataset()))
    cells = [each for each in variant_cells(SignalSettings(**SMALL), dataset(), **GRIDS) if each.skip is None]
    assert len(cells) == 4 + 3 + 4 + 4
    default = variant_scores(shop, next(each for each in cells if each.is_default)).composite
    rng = np.random.default_rng(0)
    for number in [*rng.permutation(len(cells)), *rng.permutation(len(cells))[:5]]:
        cell = cells[number]
        assert cell.settings is not None
        found = variant_scores(shop, cell)
        fresh_market = load_market(dataset())
        fresh = score_blocks(fresh_market, product_peers(dataset(), fresh_market, cell.settings), cell.settings)
        for name in ("composite", "implied", "n_peers"):
            assert getattr(found, name).tobytes() == getattr(fresh, name).tobytes(), cell
        assert found.to_frame().equals(fresh.to_frame(), null_equal=True)  # with the dates of the filings
        assert np.array_equal(found.composite, default, equal_nan=True) == cell.is_default


MIXED: list[dict[str, Any]] = [
    {"fallback": ("parent", "industry", "synthetic"), "level": 3},
    {"fallback": ("parent",), "level": 3, "buffer_days": 0},
    {"half_year": "trailing_year", "level": 3},
    {"half_year": "trailing_year", "stale_months": None},
    {"stale_months": 6},
    {"stale_months": None, "buffer_days": 90},
    {"weighting": "equal", "fallback": ("industry",), "fallback_scheme": "l1"},
    {"products": "industries:l2"},
]


def test_a_workshop_serves_any_settings_in_any_order() -> None:
    loaded = load_market(dataset())
    shop = PeerWorkshop(dataset(), loaded)
    for settings in (SignalSettings(**SMALL, **each) for each in [*MIXED, *MIXED[::-1]]):
        found = score_blocks(loaded, shop.peers(settings), settings)
        fresh = score_blocks(loaded, product_peers(dataset(), loaded, settings), settings)
        assert found.to_frame().equals(fresh.to_frame(), null_equal=True)


def test_a_workshop_makes_shared_parts_once_and_keeps_few_blocks() -> None:
    shop = PeerWorkshop(dataset(), load_market(dataset()))
    first = shop.peers(SignalSettings(**SMALL))
    pure = shop.peers(SignalSettings(**{**SMALL, "purity": 0.8, "min_peers": 4}))
    assert pure.mix.share is first.mix.share
    assert pure.mix.active is first.mix.active
    assert pure.families[0][6] is first.families[0][6]
    assert pure.families[0][3].sum() < first.families[0][3].sum()
    later = shop.peers(SignalSettings(**{**SMALL, "buffer_days": 60}))
    assert later.mix.share is first.mix.share
    assert (later.mix.active != first.mix.active).any()
    deeper = shop.peers(SignalSettings(**SMALL, level=3))
    assert deeper.mix.active is first.mix.active  # filings are numbered alike at every level
    for buffer in range(10, 20):
        shop.peers(SignalSettings(**SMALL, buffer_days=buffer))
    assert len(shop._active) == 2
    assert shop.peers(SignalSettings(**SMALL)).mix.active is first.mix.active


def test_a_workshop_without_segments_says_so() -> None:
    bare = Dataset.from_frames({"bars": dataset().frame("bars"), "industries": dataset().frame("industries")})
    shop = PeerWorkshop(bare, load_market(bare))
    with pytest.raises(TableError, match="no segments"):
        shop.peers(SignalSettings(**SMALL))
    assert shop.peers(SignalSettings(**SMALL, products="industries:l1")).mix.groups == ("l1-0", "l1-1")
