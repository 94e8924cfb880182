"""Hedging, minimum variance and return spillover on the vintages of a panel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.graph.arrays import PairPanel
from pureplay.graph.edges import GraphInputs
from pureplay.graph.hedge_arms import Scorer, Vintage, VintageEdges, best_weight, mix_table, ranked_peers, stacked
from pureplay.graph.hedging import INDEX, INDUSTRY, Hedges, hedge
from pureplay.graph.lamps import lamps_at, linked_pairs
from pureplay.graph.model import Model, predict
from pureplay.panel import BoolArray, FloatArray, IndexArray, label_block
from pureplay.parallel import over_units, worker_count
from pureplay.stats.correlation import window
from pureplay.studies.comovement_settings import ComovementSettings

__all__ = [
    "RankedPeers",
    "Universe",
    "arms_with_baskets",
    "hedge_frames",
    "hedge_universe",
    "mark_chosen",
    "rank_peers",
    "universes",
    "vintage_edges",
]

RowArray = npt.NDArray[np.int64]

ARMS: Final = ("graph", "news_only", "random_industry", "trailing", "expected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """Stocks to hedge. members: (vintages, assets). index: daily return of what they are hedged with as "index", NaN where unknown."""

    name: str
    members: BoolArray
    index: FloatArray


def universes(data: Dataset, inputs: GraphInputs, panel: PairPanel, settings: ComovementSettings) -> tuple[list[Universe], list[str]]:
    """Members of every index asked for at each vintage, with the index itself, and notes on what stands in for what.

    An index without a benchmark is hedged with the equal-weight mean of all stocks; so are the largest stocks where there is no index.
    Raises SettingError for an index that index_members lacks.
    """
    market, mean = inputs.ground.market, _equal_weight(inputs)
    table = data.frame("index_members") if data.has("index_members") else pl.DataFrame(schema={"index": pl.String})
    known = table["index"].unique().sort().to_list()
    absent = [each for each in settings.universes or () if each not in known]
    if absent:
        raise SettingError(f"universes name {', '.join(absent)}, which index_members lacks; it has {', '.join(known) or 'none'}")
    out, notes = [], []
    for name in settings.universes if settings.universes is not None else known:
        rows = table.filter(pl.col("index") == name)
        inside = label_block(market.axes, rows, pl.Series(np.zeros(rows.height, dtype=np.int64)), last_day_counts=True) >= 0
        index = _benchmark(data, inputs, name)
        if index is None:
            notes.append(f"{name} has no benchmark, so its members are hedged with the equal-weight mean of all stocks")
        out.append(Universe(name=name, members=inside[panel.rows], index=mean if index is None else index))
    if not out:
        notes.append(
            f"there is no index, so the {settings.largest} largest stocks by {inputs.ground.size_is.replace('_', ' ')} are hedged, and the "
            "equal-weight mean of all stocks stands in for the index"
        )
        out.append(Universe(name=f"largest {settings.largest}", members=_largest(inputs, panel, settings.largest), index=mean))
    return out, notes


def vintage_edges(panel: PairPanel, number: int, expected: FloatArray, *, peer_confirms: bool) -> VintageEdges:
    """The co-mentioned pairs of a vintage of the panel. expected: forecast of each entry of the panel."""
    part = panel.vintage(number)
    news = panel.news[part]
    return VintageEdges(
        a=panel.a[part][news],
        b=panel.b[part][news],
        trailing=panel.trailing[part][news],
        expected=expected[part][news],
        strength=panel.strength[part][news],
        confirmed=panel.lamps.take(part).confirmed(peer_confirms=peer_confirms)[news],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedPeers:
    """Lists of peers of stock-months by arm, as of `ranked_peers`. vintage: number, ascending. asset: column."""

    vintage: RowArray
    asset: RowArray
    lists: Mapping[str, IndexArray]


def rank_peers(
    inputs: GraphInputs, panel: PairPanel, members: BoolArray, expected: FloatArray, model: Model, settings: ComovementSettings
) -> RankedPeers:
    """Peers of every member that trades on its vintage, by every arm. members: (vintages, assets), of any of the universes."""
    focal = {v: np.flatnonzero(members[v] & inputs.ground.market.traded[row]) for v, row in enumerate(panel.rows.tolist())}
    numbers = [v for v, found in focal.items() if found.size]
    made: dict[int, dict[str, IndexArray]] = {}
    over_units(
        lambda v: _ranked(inputs, panel, v, focal[v], expected, model, settings), numbers, at_once=worker_count(), keep=made.__setitem__
    )
    none = np.empty(0, dtype=np.int64)
    return RankedPeers(
        vintage=np.repeat(np.array(numbers, dtype=np.int64), [focal[v].size for v in numbers]),
        asset=np.concatenate([none, *(focal[v] for v in numbers)]),
        lists=stacked([made[place] for place in range(len(numbers))]),
    )


def hedge_universe(inputs: GraphInputs, panel: PairPanel, universe: Universe, peers: RankedPeers, settings: ComovementSettings) -> Hedges:
    """Hedge every member of a universe that has ranked peers with every arm."""
    here = universe.members[peers.vintage, peers.asset]
    return hedge(
        inputs.ground.market.returns,
        panel.rows,
        (peers.vintage[here], peers.asset[here]),
        {arm: each[here] for arm, each in peers.lists.items()},
        counts=settings.hedge_counts,
        index=universe.index,
        industry=inputs.ground.industry[panel.rows],
        issuer=inputs.ground.market.issuer,
        trailing=inputs.settings.trailing_sessions,
        forward=inputs.settings.forward_sessions,
    )


def _ranked(
    inputs: GraphInputs, panel: PairPanel, v: int, focal: RowArray, expected: FloatArray, model: Model, settings: ComovementSettings
) -> dict[str, IndexArray]:
    row, ground = int(panel.rows[v]), inputs.ground
    first = row + 1 - inputs.settings.trailing_sessions
    found = Vintage(
        day=panel.dates[v],
        assets=panel.assets,
        edges=vintage_edges(panel, v, expected, peer_confirms=inputs.settings.peer_confirms),
        window=window(ground.returns, first=first, last=row + 1),
        eligible=ground.market.traded[row],
        industry=ground.industry[row],
        issuer=ground.market.issuer,
        linked=linked_pairs(inputs.structure, row, inputs.eligible(row)),
    )
    scorer = Scorer(
        lamps_at=lambda a, b: lamps_at(inputs.structure, row, a, b),
        predict=lambda trailing, lamps, news: predict(model, trailing, lamps, news),
    )
    return ranked_peers(
        found,
        focal,
        most=max(settings.hedge_counts),
        seed=settings.seed,
        scorer=scorer,
        shortlist=settings.shortlist,
        weights=settings.mix_weights,
    )


def arms_with_baskets(hedges: Hedges, mask: BoolArray) -> tuple[list[str], list[str]]:
    """Arms that have a figure for some stock-month in the mask, at any count, and for each of the others a sentence that says so.

    A stock-month without a figure in one arm is dropped from all, so an arm that has none must not be compared with.
    """
    has = [bool(np.isfinite(each[:, mask]).any()) for each in hedges.cut]
    known = {arm: has[hedges.arms.index(arm)] for arm in (*ARMS, INDEX, INDUSTRY) if arm in hedges.arms}
    lost = [f"{arm} is left out: no stock-month has a basket of it with enough days" for arm, there in known.items() if not there]
    return [arm for arm, there in known.items() if there], lost


def hedge_frames(
    hedges: Hedges,
    arms: Sequence[str],
    inputs: GraphInputs,
    panel: PairPanel,
    settings: ComovementSettings,
    mask: BoolArray,
    labels: Mapping[str, str],
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Tables by arm and count, by size, and of the mixes, over the stock-months in the mask; labels: constant columns put in front."""
    front = [pl.lit(value).alias(name) for name, value in labels.items()]
    size = inputs.ground.size[panel.rows[hedges.vintage], hedges.asset]
    table = hedges.table(arms=arms, mask=mask)
    sizes = hedges.sizes(size, names=settings.hedge_names, arms=arms, mask=mask)
    mix = mix_table(hedges, names=settings.hedge_names, weights=settings.mix_weights, mask=mask) if settings.mix_weights else pl.DataFrame()
    return tuple(each.select(*front, pl.all()) if each.width else each for each in (table, sizes, mix))  # type: ignore[return-value]


def mark_chosen(mix: pl.DataFrame) -> pl.DataFrame:
    """The mixes of all samples and universes with a column `chosen`: true at the weight that won on develop, in every sample.

    A universe without a figure on develop has no such weight.
    """
    if not mix.width:
        return mix
    known = mix.filter(pl.col("sample") == "develop").drop_nulls("variance_cut")
    best = {each: best_weight(known.filter(pl.col("universe") == each)) for each in known["universe"].unique()}
    won = pl.col("universe").replace_strict(best, default=None, return_dtype=pl.Float64)
    return mix.with_columns(chosen=(pl.col("weight") == won).fill_null(value=False))


def _equal_weight(inputs: GraphInputs) -> FloatArray:
    returns = inputs.ground.market.returns
    out = np.full(returns.shape[0], np.nan)
    for row, values in enumerate(returns):
        # taken together first: a sum along the whole row would be rounded by how many columns it has
        there = values[np.isfinite(values)]
        if there.size:
            out[row] = there.sum() / there.size
    return out


def _benchmark(data: Dataset, inputs: GraphInputs, name: str) -> FloatArray | None:
    """Daily return of an index: its own column, or from one close to the next; None where there is none."""
    if not data.has("benchmarks"):
        return None
    rows = data.frame("benchmarks").filter(pl.col("index") == name).sort("date")
    if not rows.height:
        return None
    step = pl.col("close") / pl.col("close").shift(1) - 1 if "close" in rows.columns else pl.lit(None, dtype=pl.Float64)
    rows = rows.with_columns(_ret=pl.coalesce("ret", step) if "ret" in rows.columns else step)
    at = inputs.ground.axes.date_index(rows["date"])
    out = np.full(len(inputs.ground.axes.sessions), np.nan)
    out[at[at >= 0]] = rows["_ret"].to_numpy()[at >= 0]
    return out if np.isfinite(out).any() else None


def _largest(inputs: GraphInputs, panel: PairPanel, count: int) -> BoolArray:
    out = np.zeros((panel.rows.size, len(panel.assets)), dtype=np.bool_)
    for v, row in enumerate(panel.rows.tolist()):
        size = np.where(inputs.ground.market.traded[row], inputs.ground.size[row], np.nan)
        known = np.flatnonzero(np.isfinite(size))
        out[v, known[np.argsort(-size[known], kind="stable")[:count]]] = True
    return out
