"""The lines that say why a lamp is lit, and from when that was known."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.graph.evidence import Evidence, evidence
from pureplay.graph.lamps import lamps_at
from pureplay.graph.settings import GraphSettings
from pureplay.graph.structure import load_structure
from tests.graph.naive_lamps import FIRST, day_of, labels, links, random_market, segments, small_axes, stakes, supply, taxonomy

AXES = small_axes(("X", "Y", "Z"))
LINES = ("product_peer", "deep_peer", "chain", "disclosed", "affiliate", "bid")
END = date(2019, 12, 31)
TABLES: dict[str, pl.DataFrame] = {
    "taxonomy": taxonomy(
        [("A", None, None, None), ("A1", "A", None, None), ("A11", "A1", date(2020, 2, 3), None), ("B", None, None, None)]
    ).with_columns(name_en=pl.Series(["Metals", "Copper", "Copper foil", None])),
    "segments": segments(
        [("X", END, date(2020, 3, 31), 0, {"A11": 60.0, "B": 40.0}), ("Y", END, date(2020, 4, 30), 0, {"A11": 25.0, "A1": 100.0})]
    ),
    "supply_edges": supply([("B", "A1", date(2020, 9, 1), None, True)]),
    "disclosed_links": links([("Y", "X", date(2020, 5, 6), "ongoing"), ("X", "Y", date(2020, 6, 1), "bid")]),
    "affiliates": stakes(
        [
            ("H", "G", FIRST, None, 0.7, "ownership"),
            ("G", "X", date(2020, 3, 3), None, 0.3, "ownership"),
            ("H", "Y", FIRST, None, None, "ownership"),
            ("P", "X", FIRST, None, None, "executive"),
            ("P", "Y", date(2020, 4, 1), None, None, "executive"),
        ]
    ),
    "assets": pl.DataFrame({"asset": ["X", "Y", "Z"], "issuer": ["one", "two", "one"]}),
    "industries": labels([("X", "coarse", FIRST, None, "metals"), ("Y", "coarse", date(2020, 2, 4), None, "metals")]),
}


def lines(one: str, other: str, day: date, tables: dict[str, pl.DataFrame] = TABLES, **settings: Any) -> dict[str, list[Evidence]]:
    structure = load_structure(Dataset(tables=tables, calendar="bars"), AXES, GraphSettings(**settings))
    row = int(AXES.sessions.first_at_or_after(np.array([day], dtype="datetime64[D]"))[0])
    found = evidence(structure, row, AXES.assets.index(one), AXES.assets.index(other))
    return {lamp: [each for each in found if each.lamp == lamp] for lamp in LINES}


def test_every_lit_lamp_says_what_lights_it_and_since_when() -> None:
    found = lines("Y", "X", date(2020, 10, 1), interlocks=True)
    filed = "period 2019-12-31, published 2020-03-31, usable 2020-04-30", "period 2019-12-31, published 2020-04-30, usable 2020-05-30"
    deep = f"both in A11 (Copper foil) at depth 3: X 60.0% ({filed[0]}), Y 25.0% ({filed[1]})"
    assert found["product_peer"] == [Evidence("product_peer", True, deep, date(2020, 5, 30))]
    assert found["deep_peer"] == [Evidence("deep_peer", True, deep, date(2020, 5, 30))]
    chain = f"B is an input of A1 (Copper): X 40.0% ({filed[0]}), Y 100.0% ({filed[1]})"
    assert found["chain"] == [Evidence("chain", True, chain, date(2020, 9, 1))]
    disclosed = "Y supplies X, amount 1,000, published 2020-05-06"
    assert found["disclosed"] == [Evidence("disclosed", True, disclosed, date(2020, 5, 6))]
    assert found["bid"] == [Evidence("bid", True, "X supplies Y, amount 1,000, published 2020-06-01", date(2020, 6, 1))]
    owner = "H holds 70.0% of G, which holds 30.0% of X; H holds a stake not stated of Y"
    assert set(found["affiliate"]) == {
        Evidence("affiliate", True, owner, date(2020, 3, 3)),
        Evidence("affiliate", True, "P is on both boards", date(2020, 4, 1)),
    }


def test_a_lamp_that_is_off_has_one_line() -> None:
    found = lines("Y", "Z", date(2020, 10, 1))
    assert {lamp: each[0].text for lamp, each in found.items()} == {
        "product_peer": "one of the two has no entry in the product tree",
        "deep_peer": "one of the two has no entry in the product tree",
        "chain": "no input edge between their products",
        "disclosed": "no report within the time that counts",
        "affiliate": "no stake, owner or issuer in common",
        "bid": "no bid",
    }
    assert not any(each.lit or each.known_since for facts in found.values() for each in facts)
    found = lines("X", "Y", date(2020, 10, 1), min_share=0.3)
    assert found["deep_peer"] == [Evidence("deep_peer", False, "the deepest common node is at depth 2", None)]
    without = {name: table for name, table in TABLES.items() if name not in ("supply_edges", "affiliates")}
    found = lines("X", "Y", date(2020, 10, 1), without)
    assert found["chain"][0].text == "the dataset has no supply_edges"
    assert found["affiliate"][0].text.startswith("the dataset has no affiliates")


def test_cosine_industries_and_issuers_have_words_too() -> None:
    found = lines("X", "Y", date(2020, 10, 1), deep_peer="cosine", min_cosine=0.1)
    cosine = 0.6 * 0.25 / (np.hypot(0.6, 0.4) * np.hypot(0.25, 0.75))
    text = f"cosine {cosine:.3f} of the reported shares, at least 0.1 is needed"
    assert found["deep_peer"] == [Evidence("deep_peer", True, text, date(2020, 5, 30))]
    off = lines("X", "Y", date(2020, 10, 1), deep_peer="cosine")["deep_peer"]
    assert off == [Evidence("deep_peer", False, f"the cosine of the reported shares is {cosine:.3f}", None)]
    assert lines("X", "Z", date(2020, 10, 1), deep_peer="cosine")["deep_peer"][0].text == "one of the two has no reported shares"
    found = lines("X", "Y", date(2020, 10, 1), products="industries:coarse")
    assert found["deep_peer"] == [Evidence("deep_peer", True, "same industry down to level 1 of coarse: metals", date(2020, 2, 4))]
    assert lines("X", "Z", date(2020, 10, 1))["affiliate"] == [Evidence("affiliate", True, "listings of one issuer, one", None)]


@pytest.mark.parametrize("changed", [{}, {"deep_peer": "cosine", "interlocks": True}, {"products": "industries:coarse,fine"}])
def test_lines_agree_with_the_lamps_and_every_fact_was_known(changed: dict[str, Any]) -> None:
    axes, data = small_axes(), random_market(6)
    structure = load_structure(data, axes, GraphSettings(**changed))
    a, b = (side.astype(np.int32) for side in np.triu_indices(len(axes.assets), 1))
    for row in (170, 420):
        today = day_of(axes, row)
        found = lamps_at(structure, row, a, b)
        cut = load_structure(data.as_of(today), axes, GraphSettings(**changed))
        for p in range(a.size):
            facts = evidence(structure, row, int(a[p]), int(b[p]))
            assert facts == evidence(cut, row, int(a[p]), int(b[p]))
            assert {each.lamp: each.lit for each in facts} == {lamp: bool(getattr(found, lamp)[p]) for lamp in LINES}
            for each in facts:
                assert each.text
                assert each.known_since is None or each.known_since <= today
                assert each.known_since is None if not each.lit else each.known_since is not None or "issuer" in each.text


def test_a_pair_of_one_is_refused() -> None:
    structure = load_structure(Dataset(tables=TABLES, calendar="bars"), AXES, GraphSettings())
    with pytest.raises(SettingError, match="two different columns"):
        evidence(structure, 5, 1, 1)
