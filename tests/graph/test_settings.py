"""Settings of the graph: each matters from the tables to the feed or the panel, and each refuses what makes no sense."""

import json
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest

from pureplay.errors import SettingError
from pureplay.graph.edges import edges_of
from pureplay.graph.settings import GraphSettings
from tests.graph.small_market import GRAPH, inputs, panel, rows

COSINE = replace(GRAPH, deep_peer="cosine", min_cosine=0.5)

MATTERS: dict[str, tuple[GraphSettings, Any]] = {
    "substrate": (GRAPH, "links"),
    "comention_days": (GRAPH, 30),
    "most_names": (GRAPH, 3),
    "strength": (GRAPH, "shared"),
    "close": (GRAPH, "08:00"),
    "timezone": (GRAPH, "America/New_York"),
    "trailing_sessions": (GRAPH, 50),
    "forward_sessions": (GRAPH, 8),
    "measure": (GRAPH, "pearson"),
    "returns": (GRAPH, "market"),
    "products": (GRAPH, "industries:syn_l1,syn_l2"),
    "min_share": (GRAPH, 0.4),
    "peer_depth": (GRAPH, 3),
    "deep_depth": (GRAPH, 3),
    "deep_peer": (GRAPH, "cosine"),
    "min_cosine": (COSINE, 0.95),
    "core_only": (GRAPH, False),
    "disclosed_years": (GRAPH, 1),
    "min_stake": (GRAPH, 0.4),
    "interlocks": (GRAPH, True),
    "peer_confirms": (GRAPH, True),
    "buffer_days": (GRAPH, 120),
    "stale_months": (GRAPH, 5),
}

BAD: dict[str, tuple[Any, ...]] = {
    "substrate": ("tweets", None, 1),
    "comention_days": (0, 1.5, True, "90", None, -3),
    "most_names": (1, 2.5, float("nan")),
    "strength": ("count", ""),
    "close": (
        *("15:00:30", "15:00+08:00", "15:00Z", "15", "1500", "T15:00", "24:00", "15:60", "3:00", " 15:00", "15:00\n", ""),
        *("15:0", "１５:００", None, 15),
    ),
    "timezone": ("Asia/Nowhere", "", "Europe", "/etc/passwd", None, 8),
    "trailing_sessions": (9, 90.0, None),
    "forward_sessions": (4, "60", True),
    "measure": ("spearman", None),
    "returns": ("excess", "Raw"),
    "products": ("industries", "industries:", "industries:a,,b", "segments:a", "", None, 3),
    "min_share": (0, -0.1, 1.1, float("nan"), "0.05", True, None),
    "peer_depth": (0, 1.0, None),
    "deep_depth": (0, 1, None),
    "deep_peer": ("angle", None),
    "min_cosine": (0.0, 1.5, float("inf"), None),
    "core_only": (1, "true", None),
    "disclosed_years": (0, 2.5, None),
    "min_stake": (0, 2, float("nan")),
    "interlocks": (0, None, "no"),
    "peer_confirms": (1, None),
    "buffer_days": (-1, 30.5, None),
    "stale_months": (0, 1.5, "18", True),
}


def names() -> list[str]:
    return [each.name for each in fields(GraphSettings)]


def test_every_setting_has_its_cases() -> None:
    assert sorted(MATTERS) == sorted(BAD) == sorted(names())


@pytest.mark.parametrize("name", names())
def test_every_setting_matters_from_the_tables_to_the_feed(name: str) -> None:
    usual, other = MATTERS[name]
    changed = replace(usual, **{name: other})
    if name == "forward_sessions":
        assert not np.array_equal(panel(usual)[0].forward, panel(changed)[0].forward, equal_nan=True)
        return
    late = rows()[-3:]
    assert any(not edges_of(inputs(usual), row).equals(edges_of(inputs(changed), row)) for row in late)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_what_makes_no_sense_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"^{name} must"):
        GraphSettings(**{name: value})


def test_a_deep_peer_lies_no_higher_than_a_shallow_one() -> None:
    with pytest.raises(SettingError, match=r"^deep_depth must be at least peer_depth, which is 5, not 4$"):
        GraphSettings(peer_depth=5)
    assert GraphSettings(peer_depth=4).deep_depth == 4


@pytest.mark.parametrize(("close", "minute"), [("00:00", 0), ("09:30", 570), ("15:00", 900), ("23:59", 1439)])
def test_the_close_is_a_minute_of_the_day(close: str, minute: int) -> None:
    assert GraphSettings(close=close).close_minute == minute


def test_schemes_are_read_from_coarse_to_fine() -> None:
    assert GraphSettings().schemes == ()
    assert GraphSettings(products="industries:a, b,c").schemes == ("a", "b", "c")


def test_settings_go_into_a_manifest_and_come_back() -> None:
    made = GraphSettings(products="industries:a", stale_months=None, interlocks=True)
    plain = json.loads(json.dumps(made.to_dict()))
    assert plain == asdict(made)
    assert GraphSettings(**plain) == made
