"""The plan of a battery: which bases there are, in which order, and what it refuses."""

from itertools import pairwise
from typing import Any

import pytest

from pureplay.errors import SettingError
from pureplay.evaluate import BaseCell, Battery, plan_bases
from pureplay.stats.noise import noise_order

FAMILIES = {
    **dict.fromkeys(("size", "nlsize"), "size"),
    **dict.fromkeys(("beta", "nlbeta", "dbeta_252"), "beta"),
    "momentum": "momentum",
    **dict.fromkeys(("resvol", "ivol_20", "max_20"), "volatility"),
    **dict.fromkeys(("liquidity", "abturn_20", "amihud_20"), "liquidity"),
    **dict.fromkeys(("btop", "earnyld", "divyld"), "value"),
    "growth": "growth",
    "leverage": "leverage",
    "strev_20": "reversal",
    "asset_growth": "investment",
    **dict.fromkeys(("roe_ttm", "gpa_ttm", "d_at_yoy"), "quality"),
}
NAMES = (
    *("size", "nlsize", "beta", "nlbeta", "momentum", "resvol", "liquidity", "btop", "earnyld", "divyld", "growth", "leverage"),
    *("strev_20", "ivol_20", "max_20", "dbeta_252", "abturn_20", "amihud_20", "roe_ttm", "gpa_ttm", "d_at_yoy", "asset_growth"),
)
LADDER = (
    *("size", "beta", "momentum", "resvol", "liquidity", "nlsize", "nlbeta", "btop", "earnyld", "divyld", "growth", "leverage"),
    *NAMES[12:],
)
GROUPS = ["full", "without 13-15", "quality shuffle", "family drop", "base count", "base count, random order"]


def group(cells: tuple[BaseCell, ...], name: str) -> list[BaseCell]:
    """Cells of a group."""
    return [cell for cell in cells if cell.group == name]


def columns(cell: BaseCell, names: tuple[str, ...] = NAMES) -> set[str]:
    """Names of the columns of a cell."""
    return {names[position] for position in cell.columns}


def test_the_22_factors_have_56_bases() -> None:
    cells = plan_bases(NAMES, FAMILIES, LADDER, Battery(random_orders=0))
    assert len(cells) == 56
    assert [len(group(cells, name)) for name in GROUPS] == [1, 1, 25, 11, 18, 0]
    assert len(plan_bases(NAMES, FAMILIES, LADDER)) == 56 + 3 * 18
    assert list(dict.fromkeys(cell.group for cell in plan_bases(NAMES, FAMILIES, LADDER))) == GROUPS
    assert cells[0].columns == tuple(range(22))
    assert columns(group(cells, "without 13-15")[0]) == set(NAMES) - {"strev_20", "ivol_20", "max_20"}
    drops = {cell.label: columns(cell) for cell in group(cells, "family drop")}
    assert drops["without volatility"] == set(NAMES) - {"resvol", "ivol_20", "max_20"}
    assert len(drops) == 11


def test_the_ladder_adds_one_column_at_a_time() -> None:
    cells = group(plan_bases(NAMES, FAMILIES, LADDER), "base count")
    assert [cell.x for cell in cells] == list(range(5, 23))
    assert columns(cells[0]) == set(LADDER[:5])
    assert [columns(cell) for cell in cells] == [set(LADDER[: int(cell.x)]) for cell in cells]
    plain = group(plan_bases(NAMES), "base count")
    assert [cell.columns for cell in plain] == [tuple(range(count)) for count in range(5, 23)]
    randoms = group(plan_bases(NAMES), "base count, random order")
    for seed in range(3):
        run = [set(cell.columns) for cell in randoms if cell.seed == seed]
        assert [len(each) for each in run] == list(range(5, 23))
        assert all(a < b for a, b in pairwise(run))  # nested
    assert len({cell.columns for cell in randoms if cell.x == 11}) == 3


def test_noise_turns_rounded_counts_of_columns() -> None:
    cells = group(plan_bases(NAMES), "quality shuffle")
    assert [cell.noise for cell in cells[::5]] == [0, 6, 11, 16, 22]  # 5.5 and 16.5 to the even number
    assert [cell.seed for cell in cells] == [0, 1, 2, 3, 4] * 5
    streams = [cell.stream for cell in cells[:5]]
    assert len(set(streams)) == 5
    assert [cell.stream for cell in cells[5:10]] == streams  # a level adds to the one below
    assert len({tuple(noise_order(each, 22)[:6]) for each in streams}) == 5


@pytest.mark.parametrize("count", [1, 4, 12, 50])
def test_any_number_of_columns(count: int) -> None:
    names = tuple(f"f{k}" for k in range(count))
    start = min(5, count)
    cells = plan_bases(names, settings=Battery(ladder_from=start, random_orders=2))
    assert len(cells) == 1 + 1 + 25 + count + 3 * (count - start + 1)
    assert all(0 <= position < count for cell in cells for position in cell.columns)
    assert group(cells, "without 13-15")[0].reason == "the base has none of strev_20, ivol_20, max_20"
    drops = group(cells, "family drop")
    assert [cell.label for cell in drops] == [f"without {name}" for name in names]
    assert [set(range(count)) - set(cell.columns) for cell in drops] == [{k} for k in range(count)]


def test_a_base_with_some_of_the_columns_in_question() -> None:
    names = ("size", "ivol_20", "max_20", "beta", "value")
    cell = group(plan_bases(names), "without 13-15")[0]
    assert (cell.label, cell.reason, columns(cell, names)) == ("without ivol_20, max_20", None, {"size", "beta", "value"})
    other = plan_bases(names, settings=Battery(without=("beta",)))[1]
    assert (other.group, columns(other, names)) == ("without beta", set(names) - {"beta"})


def test_a_column_outside_the_families_is_its_own() -> None:
    cells = group(plan_bases(NAMES[:6], {"size": "S", "nlsize": "S"}), "family drop")
    assert [cell.label for cell in cells] == ["without S", "without beta", "without nlbeta", "without momentum", "without resvol"]


@pytest.mark.parametrize(
    "changed",
    [
        {"noise_levels": (0.0, 0.5)},
        {"noise_seeds": 2},
        {"ladder_from": 6},
        {"random_orders": 1},
        {"without": ("size",)},
        {"without": ()},
        {"seed": 1},
    ],
)
def test_every_setting_of_the_plan_matters(changed: dict[str, Any]) -> None:
    assert plan_bases(NAMES, settings=Battery(**changed)) != plan_bases(NAMES)


def test_seeds_repeat() -> None:
    assert plan_bases(NAMES, settings=Battery(seed=3)) == plan_bases(NAMES, settings=Battery(seed=3))
    one, other = (plan_bases(NAMES, settings=Battery(seed=seed)) for seed in (0, 1))
    streams = [{cell.stream for cell in group(cells, "quality shuffle")} for cells in (one, other)]
    assert not streams[0] & streams[1]
    orders = [[cell.columns for cell in group(cells, GROUPS[-1])] for cells in (one, other)]
    assert orders[0] != orders[1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"noise_levels": (0.0, 1.5)}, r"noise_levels must be a tuple of finite numbers from 0 to 1, not \(0.0, 1.5\)"),
        ({"noise_levels": (float("nan"),)}, "noise_levels must be"),
        ({"noise_levels": 0.5}, "noise_levels must be a tuple"),
        ({"noise_levels": (0.5, 0.5)}, "noise_levels names 0.5 more than once"),
        ({"noise_seeds": -1}, "noise_seeds must be a whole number of at least 0, not -1"),
        ({"ladder_from": 0}, "ladder_from must be a whole number of at least 1, not 0"),
        ({"ladder_from": 2.0}, "ladder_from must be a whole number"),
        ({"random_orders": True}, "random_orders must be a whole number"),
        ({"quantiles": 1}, "quantiles must be a whole number of at least 2"),
        ({"seed": -1}, "seed must be"),
        ({"cost_bps": (-1,)}, "cost_bps must be a tuple of finite numbers of at least 0"),
        ({"cost_bps": (float("inf"),)}, "cost_bps must be"),
        ({"cost_bps": (True,)}, "cost_bps must be"),
        ({"without": "size"}, r"without must be a tuple of column names, not 'size': write \(name,\) for one"),
        ({"without": ("size", "size")}, "without names size more than once"),
    ],
)
def test_settings_outside_the_method_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Battery(**changed)


def test_plans_that_do_not_fit_the_base_are_refused() -> None:
    with pytest.raises(SettingError, match=r"ladder_from is 5, but the base has 3 columns: the ladder starts at 1 to 3"):
        plan_bases(("a", "b", "c"))
    with pytest.raises(SettingError, match="families name sise, vlaue, which the base of"):
        plan_bases(NAMES, {"sise": "size", "vlaue": "value", "beta": "beta"})
    with pytest.raises(SettingError, match=r"the ladder names sise, which the base lacks and leaves out size: it must name every column"):
        plan_bases(NAMES, None, ("sise", *LADDER[1:]))
    with pytest.raises(SettingError, match="the ladder names size more than once"):
        plan_bases(NAMES, None, (*LADDER, "size"))
    with pytest.raises(SettingError, match="the base names a more than once"):
        plan_bases(("a", "a"), settings=Battery(ladder_from=1))
