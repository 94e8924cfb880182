"""Who is hedged at each vintage and with what: members of indices, the largest stocks, and the edges that a vintage knows."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from pureplay.errors import SettingError
from pureplay.graph.edges import edges_of
from pureplay.graph.model import predict
from pureplay.studies.comovement_hedges import (
    arms_with_baskets,
    hedge_frames,
    hedge_universe,
    mark_chosen,
    rank_peers,
    universes,
    vintage_edges,
)
from tests.graph.small_market import changed, data, day_of, inputs, panel, rows
from tests.studies.small_comovement import STUDY, shut, whole

EVERY = replace(STUDY, universes=None)


def naive_mean() -> list[float]:
    out = []
    for values in inputs().ground.market.returns.tolist():
        there = [each for each in values if not math.isnan(each)]
        out.append(sum(there) / len(there) if there else math.nan)
    return out


def test_members_are_those_of_the_day_the_last_one_included() -> None:
    found, notes = universes(data(), inputs(), panel()[0], EVERY)
    assert [each.name for each in found] == ["syn300", "syn500"]
    assert notes == []
    table = data().frame("index_members").to_dicts()
    for each in found:
        for v, row in enumerate(rows()):
            day = day_of(inputs(), row)
            wanted = {
                line["asset"]
                for line in table
                if line["index"] == each.name and line["start_date"] <= day and (line["end_date"] is None or day <= line["end_date"])
            }
            assert {inputs().ground.axes.assets[k] for k in np.flatnonzero(each.members[v])} == wanted & set(inputs().ground.axes.assets)
            assert wanted
    ends = set(data().frame("index_members")["end_date"])
    assert ends & {day_of(inputs(), row) for row in rows()}  # some membership ends on the very day of a vintage


def test_only_the_indices_asked_for_are_hedged() -> None:
    found, _ = universes(data(), inputs(), panel()[0], replace(STUDY, universes=("syn500", "syn300")))
    assert [each.name for each in found] == ["syn500", "syn300"]
    with pytest.raises(SettingError, match=r"universes name csi300, which index_members lacks; it has syn300, syn500"):
        universes(data(), inputs(), panel()[0], replace(STUDY, universes=("syn300", "csi300")))
    with pytest.raises(SettingError, match="it has none"):
        universes(changed(data(), index_members=None), inputs(), panel()[0], STUDY)


def test_an_index_is_its_own_return_or_that_of_its_closes() -> None:
    table = data().frame("benchmarks").sort("index", "date")
    days = [day.item() for day in inputs().ground.axes.sessions.dates]
    own = {(line["index"], line["date"]): line["ret"] for line in table.to_dicts()}
    found, _ = universes(data(), inputs(), panel()[0], EVERY)
    for each in found:
        assert each.index.tolist() == [own[each.name, day] for day in days]
    closes, _ = universes(changed(data(), benchmarks=table.drop("ret")), inputs(), panel()[0], EVERY)
    for each in closes:
        close = [line["close"] for line in table.to_dicts() if line["index"] == each.name]
        assert math.isnan(each.index[0])
        assert each.index[1:].tolist() == [now / before - 1 for before, now in pairwise(close)]
    holes = table.with_columns(ret=pl.when(pl.col("date") != days[7]).then("ret"))
    filled, _ = universes(changed(data(), benchmarks=holes), inputs(), panel()[0], EVERY)
    for each, step in zip(filled, closes, strict=True):
        assert each.index[7] == step.index[7]
        assert each.index[8] == own[each.name, days[8]]


@pytest.mark.parametrize("benchmarks", ["absent", "of another index"])
def test_without_a_benchmark_the_mean_of_all_stocks_stands_in(benchmarks: str) -> None:
    table = None if benchmarks == "absent" else data().frame("benchmarks").filter(pl.col("index") == "syn300")
    found, notes = universes(changed(data(), benchmarks=table), inputs(), panel()[0], EVERY)
    named = [note.split()[0] for note in notes]
    assert named == (["syn300", "syn500"] if table is None else ["syn500"])
    assert all("no benchmark" in note for note in notes)
    np.testing.assert_allclose(found[1].index, naive_mean(), rtol=1e-12, atol=1e-17)  # the same sums in another order


@pytest.mark.parametrize("count", [5, 500])
def test_where_there_is_no_index_the_largest_are_hedged(count: int) -> None:
    found, notes = universes(changed(data(), index_members=None), inputs(), panel()[0], replace(EVERY, largest=count))
    assert [each.name for each in found] == [f"largest {count}"]
    assert len(notes) == 1
    assert f"{count} largest stocks by cap" in notes[0]
    ground = inputs().ground
    for v, row in enumerate(rows()):
        sizes = [(-ground.size[row, k], k) for k in range(len(ground.axes.assets)) if ground.market.traded[row, k]]
        wanted = sorted(k for size, k in sorted(each for each in sizes if not math.isnan(each[0]))[:count])
        assert np.flatnonzero(found[0].members[v]).tolist() == wanted
    np.testing.assert_allclose(found[0].index, naive_mean(), rtol=1e-12, atol=1e-17)  # the same sums in another order


def test_edges_of_a_vintage_are_those_of_the_feed() -> None:
    made, _ = panel()
    model = shut()[1]
    expected = predict(model, made.trailing, made.lamps, made.news)
    for v in (0, 7):
        found = vintage_edges(made, v, expected, peer_confirms=False)
        frame = edges_of(inputs(), rows()[v], model=model, in_sample=True)
        codes = [[made.assets[k] for k in side] for side in (found.a, found.b)]
        kept = pl.DataFrame({"ts_a": codes[0], "ts_b": codes[1]}).join(frame, on=["ts_a", "ts_b"], maintain_order="left")
        assert kept.height == found.a.size > 50
        for name, values in (("trailing_corr", found.trailing), ("expected_fwd_corr", found.expected)):
            assert np.array_equal(kept[name].fill_null(float("nan")).to_numpy(), values, equal_nan=True)
        assert kept["comention_strength"].to_list() == found.strength.tolist()
        assert kept["confirmed"].to_list() == found.confirmed.tolist()
        lit = vintage_edges(made, v, expected, peer_confirms=True).confirmed
        assert lit.tolist() == (kept["confirmed"] | kept["lamp_product_peer"]).to_list() != found.confirmed.tolist()


def test_every_member_that_trades_is_hedged_and_the_tables_are_labelled() -> None:
    made, _ = panel()
    model = shut()[1]
    expected = predict(model, made.trailing, made.lamps, made.news)
    universe = universes(data(), inputs(), made, STUDY)[0][0]
    only = replace(universe, members=universe.members & (np.arange(made.rows.size) < 3)[:, None])
    peers = rank_peers(inputs(), made, only.members, expected, model, STUDY)
    hedges = hedge_universe(inputs(), made, only, peers, STUDY)
    wanted = [
        (v, k) for v in range(3) for k in range(len(made.assets)) if only.members[v, k] and inputs().ground.market.traded[rows()[v], k]
    ]
    assert list(zip(hedges.vintage.tolist(), hedges.asset.tolist(), strict=True)) == wanted
    mask = hedges.vintage < 2
    arms, lost = arms_with_baskets(hedges, mask)
    assert arms == ["graph", "news_only", "random_industry", "trailing", "expected", "index", "industry"]
    assert lost == []
    table, sizes, mix = hedge_frames(hedges, arms, inputs(), made, STUDY, mask, {"sample": "x", "universe": "u"})
    for frame in (table, sizes, mix):
        assert frame.columns[:2] == ["sample", "universe"]
        assert frame.select("sample", "universe").unique().rows() == [("x", "u")]
    assert table["arm"].unique(maintain_order=True).to_list() == arms
    assert table["names"].unique().sort().to_list() == [1, 3]
    assert sizes["size_group"].unique().sort().to_list() == [1, 2, 3, 4, 5]
    assert mix["weight"].to_list() == [0.0, 0.5]
    everything = hedge_frames(hedges, arms, inputs(), made, STUDY, np.ones_like(mask), {"sample": "x", "universe": "u"})[0]
    both = [frame.with_columns(every=pl.col("stock_months") + pl.col("dropped"))["every"].to_list() for frame in (table, everything)]
    assert set(both[0]) == {int(mask.sum())}
    assert set(both[1]) == {len(wanted)}
    without = hedge_frames(hedges, arms, inputs(), made, replace(STUDY, mix_weights=()), mask, {"sample": "x", "universe": "u"})
    assert without[2].height == 0


def test_the_weight_of_the_mix_is_that_of_develop_in_every_sample() -> None:
    """By universe; the holdout prefers others, and has no say. A universe without a figure on develop has no weight."""
    cuts = {
        ("develop", "u"): (0.1, 0.3, 0.2),
        ("holdout", "u"): (0.9, 0.1, 0.2),
        ("develop", "v"): (0.4, 0.3, 0.4),
        ("holdout", "v"): (0.1, 0.2, 0.3),
        ("develop", "w"): (None, None, None),
        ("holdout", "w"): (0.1, 0.2, 0.3),
    }
    rows = [(*key, weight, cut) for key, each in cuts.items() for weight, cut in zip((0.0, 0.5, 1.0), each, strict=True)]
    table = pl.DataFrame(rows, schema=["sample", "universe", "weight", "variance_cut"], orient="row")
    found = mark_chosen(table)
    assert found.drop("chosen").equals(table)
    chosen = found.filter("chosen").select("sample", "universe", "weight").rows()
    assert chosen == [("develop", "u", 0.5), ("holdout", "u", 0.5), ("develop", "v", 0.0), ("holdout", "v", 0.0)]
    assert mark_chosen(table.filter(pl.col("sample") == "holdout"))["chosen"].to_list() == [False] * 9
    assert mark_chosen(pl.DataFrame()).width == 0


def test_the_study_marks_the_weight_that_won_on_develop() -> None:
    made = whole()[0].mix
    assert made["sample"].unique().sort().to_list() == ["develop", "holdout"]
    develop = {row["weight"]: row["variance_cut"] for row in made.to_dicts() if row["sample"] == "develop"}
    assert made["chosen"].to_list() == [weight == max(develop, key=lambda each: develop[each]) for weight in made["weight"]]
