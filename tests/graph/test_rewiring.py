"""Rewired graphs: degrees and weights are kept, names are not, and the placebo is as steady as the graph."""

from collections import Counter
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.graph.amplifier import AmplifierGraph, amplifier_graph
from pureplay.graph.rewiring import rewired
from pureplay.parallel import workers
from pureplay.synthetic import market


@cache
def graph() -> AmplifierGraph:
    """Peers and upstream of 150 stocks in 40 products over 14 months."""
    made = market(stocks=150, sessions=280, products=40, seed=4)
    nodes = made.tables["taxonomy"].filter(pl.col("product").str.len_chars() == 6)["product"].sort().to_list()
    edges = [{"supplier_product": a, "customer_product": b, "start_date": date(2020, 1, 1)} for a, b in pairwise(nodes)]
    tables = {name: made.tables[name] for name in ("bars", "assets", "taxonomy", "filings", "segments")}
    return amplifier_graph(Dataset(tables={**tables, "supply_edges": pl.DataFrame(edges)}, calendar="XSHG"))


def edges(held: AmplifierGraph, vintage: int, relation: int) -> list[tuple[int, int]]:
    """Edges of a vintage as (focal, counterparty)."""
    starts = held.starts[vintage, relation]
    return [(i, int(j)) for i in range(len(held.assets)) for j in held.counterparty[starts[i] : starts[i + 1]]]


def every() -> list[tuple[int, int]]:
    """All vintages and relations."""
    return [(v, r) for v in range(graph().dates.size) for r in range(len(graph().relations))]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_degrees_are_kept_and_no_edge_is_doubled(seed: int) -> None:
    real, made = graph(), rewired(graph(), seed=seed)
    assert np.array_equal(made.starts, real.starts)
    assert np.array_equal(made.weight, real.weight)  # with the focal, in its places
    assert real.issuer is not None
    for vintage, relation in every():
        before, after = edges(real, vintage, relation), edges(made, vintage, relation)
        assert Counter(i for i, _ in before) == Counter(i for i, _ in after)
        assert Counter(j for _, j in before) == Counter(j for _, j in after)
        assert len(set(after)) == len(after)
        assert all(real.issuer[i] != real.issuer[j] for i, j in after)
    assert np.unique(real.issuer).size < real.issuer.size  # there is an issuer of two listings


def overlap(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> float:
    """Share of the edges of one that the other has."""
    return len(set(one) & set(other)) / len(one)


def test_names_are_mixed() -> None:
    made = rewired(graph(), seed=3)
    for vintage, relation in every():
        before = edges(graph(), vintage, relation)
        out, back = Counter(i for i, _ in before), Counter(j for _, j in before)
        # without memory of the real graph i stands beside j with probability about d_i d_j / edges, at most 1
        chance = float(np.mean([min(1.0, out[i] * back[j] / len(before)) for i, j in before]))
        assert overlap(before, edges(made, vintage, relation)) < chance + 0.08
        assert chance < 0.3


def test_later_vintages_come_no_nearer_to_the_real_graph_than_fresh_draws() -> None:
    """Carried over without further swaps, the last vintage had .23 to .24 of the real edges; drawn alone it has .18."""
    real, last = graph(), graph().dates.size - 1
    alone = replace(real, dates=real.dates[last:], starts=real.starts[last:])
    for relation in range(len(real.relations)):
        own = edges(real, last, relation)
        carried = np.mean([overlap(own, edges(rewired(real, seed=seed), last, relation)) for seed in range(4)])
        fresh = np.mean([overlap(own, edges(rewired(alone, seed=seed), 0, relation)) for seed in range(4)])
        assert abs(carried - fresh) < 0.02  # some 4,000 edges and 4 seeds: standard errors below .005


def test_placebo_is_as_steady_as_the_graph() -> None:
    made = rewired(graph(), seed=3)
    for relation in range(len(graph().relations)):
        for v, w in pairwise(range(graph().dates.size)):
            steady = overlap(edges(graph(), v, relation), edges(graph(), w, relation))
            assert overlap(edges(made, v, relation), edges(made, w, relation)) > steady - 0.2
        mean = [
            np.mean([overlap(edges(each, v, relation), edges(each, v + 1, relation)) for v in range(graph().dates.size - 1)])
            for each in (graph(), made)
        ]
        assert mean[1] > mean[0] - 0.06


def test_seeds_swaps_and_workers() -> None:
    usual = rewired(graph(), seed=5)
    with workers(3):
        assert np.array_equal(rewired(graph(), seed=5).counterparty, usual.counterparty)
    assert not np.array_equal(rewired(graph(), seed=6).counterparty, usual.counterparty)
    assert not np.array_equal(rewired(graph(), seed=5, swaps=1).counterparty, usual.counterparty)
    few = overlap(edges(graph(), 0, 0), edges(rewired(graph(), seed=5, swaps=1), 0, 0))
    assert few > overlap(edges(graph(), 0, 0), edges(usual, 0, 0)) + 0.05


def test_a_graph_that_cannot_be_rewired_stays() -> None:
    """Three stocks that are all beside one another have one graph only."""
    table = pl.DataFrame(
        {
            "trade_date": ["2024-01-02", "2024-02-01"] * 6,
            "focal_ts": [a for a in "aabbcc" for _ in range(2)],
            "relation_type": "peer",
            "counterparty_ts": [b for b in "bcacab" for _ in range(2)],
            "weight": 0.5,
            "eff_date": "2023-01-01",
        }
    )
    whole = AmplifierGraph.from_frame(table)
    assert np.array_equal(rewired(whole, seed=1).counterparty, whole.counterparty)


def test_bad_settings() -> None:
    with pytest.raises(SettingError, match="seed"):
        rewired(graph(), seed=-1)
    with pytest.raises(SettingError, match="swaps"):
        rewired(graph(), seed=1, swaps=0)
