"""The amplifier's graph from revenue mixes and input edges, point in time."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.graph.amplifier_kernels import counterparties
from pureplay.graph.amplifier_record import RELATIONS, AmplifierGraph, Relation, row_starts
from pureplay.graph.firms import begun, known_nodes
from pureplay.market import Market, load_market
from pureplay.panel import Axes, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.products.mix import Mix, filed_lines, revenue_mix
from pureplay.products.taxonomy import Level, Taxonomy
from pureplay.sessions import DayArray
from pureplay.stats.given import is_number

__all__ = ["amplifier_graph", "month_starts"]

Int64Array = npt.NDArray[np.int64]
_NEVER: Final = np.datetime64("9999-12-31")


def amplifier_graph(
    data: Dataset,
    *,
    dates: Sequence[date] | DayArray | None = None,
    level: Level = 2,
    min_share: float = 0.05,
    core_only: bool = True,
    buffer_days: int = 30,
    stale_months: int | None = 18,
    relations: Sequence[Relation] | None = None,
) -> AmplifierGraph:
    """Who stands beside whom by product on each of `dates`: METHODS §7.

    A counterparty j is *in* product p where it has at least `min_share` of its revenue there. The weight of j for the focal i is the
    share of i's revenue that lies in products which (peer) j is in, (upstream) take an input from a product that j is in, or
    (downstream) are an input of a product that j is in. It is a share of the focal's revenue, so it need not be the same the other way
    round: a conglomerate is wholly beside its small rival's product, the rival only beside a part of it. Other listings of the issuer, the
    focal itself, and names that have not yet traded or are delisted are left out. Weights are rounded to 6 decimals;
    one that rounds to 0 has no row.

    data: bars, segments, taxonomy; filings and assets where present; supply_edges for upstream and downstream. dates: sessions; None =
    the first of each month, which needs no look ahead to be told. level: of the product tree at which mixes are compared. An edge
    between deeper products counts for the products of the level above them, one between products higher up for all below; one
    that joins a product of the level with itself says nothing at that level and is left out. A product counts once it and all above it
    have begun, in filings published from then on, and an edge once both of its products have. core_only: only core edges. buffer_days,
    stale_months: see `products.mix`. relations: None = peer, and the others where there are supply edges.

    Every row rests on what both parties had filed by then: eff_date, the later of the two, is never after trade_date. Raises SettingError
    for settings out of range and dates that are no sessions, TableError for absent tables.
    """
    _check(min_share, core_only)
    chosen = _relations(data, relations)
    market = load_market(data)
    rows = _rows(market.axes, dates)
    table = data.frame("taxonomy").sort("product")
    taxonomy = begun(Taxonomy.from_table(table), table)
    lines = known_nodes(filed_lines(data), taxonomy)
    mix = revenue_mix(lines, taxonomy, market.axes, level=level, buffer_days=buffer_days, stale_months=stale_months)
    links = _links(data, taxonomy, mix, level, core_only) if set(chosen) - {"peer"} else None
    active = _active(data, market, mix, rows)
    parts: list[tuple[Int64Array, IndexArray, FloatArray] | None] = [None] * (rows.size * len(chosen))

    def block(start: int, stop: int) -> None:
        for v in range(start, stop):
            usable = (mix.first <= rows[v]) & (mix.last >= rows[v])
            for r, relation in enumerate(chosen):
                reach = _reach(relation, links, market.axes.sessions.dates[rows[v]], len(mix.groups))
                parts[v * len(chosen) + r] = counterparties(
                    active[v], mix.offsets, mix.group, mix.share, usable, reach, market.issuer, float(min_share)
                )

    over_blocks(block, rows.size)
    done = [each for each in parts if each is not None]
    counts = np.concatenate([each[0] for each in done]) if done else np.empty(0, dtype=np.int64)
    return AmplifierGraph(
        assets=market.axes.assets,
        dates=market.axes.sessions.dates[rows].astype("datetime64[D]"),
        relations=chosen,
        starts=row_starts(counts, len(chosen), len(market.axes.assets)),
        counterparty=np.concatenate([each[1] for each in done]) if done else np.empty(0, dtype=np.int32),
        weight=np.concatenate([each[2] for each in done]) if done else np.empty(0),
        basis=f"segments {'leaf' if level == 'leaf' else f'L{level}'}",
        party=_party(mix, active),
        issuer=market.issuer,
    )


def month_starts(axes: Axes) -> Int64Array:
    """Rows of the first session of each month that the data see begin; the data's own first session counts as one."""
    months = axes.sessions.dates.astype("datetime64[M]")
    return np.flatnonzero(np.append(True, months[1:] != months[:-1])).astype(np.int64)


def _check(min_share: float, core_only: bool) -> None:
    if not (is_number(min_share) and 0 < min_share <= 1):
        raise SettingError(f"min_share must be a share above 0 and at most 1, not {min_share!r}")
    if not isinstance(core_only, bool):
        raise SettingError(f"core_only must be true or false, not {core_only!r}")


def _relations(data: Dataset, asked: Sequence[Relation] | None) -> tuple[Relation, ...]:
    if asked is None:
        return RELATIONS if data.has("supply_edges") else ("peer",)
    unknown = [each for each in asked if each not in RELATIONS]
    if unknown or not asked or len(set(asked)) < len(asked):
        raise SettingError(f"relations must name one or more of {', '.join(RELATIONS)}, each once, not {list(asked)}")
    if set(asked) - {"peer"} and not data.has("supply_edges"):
        raise TableError(f"upstream and downstream need the table supply_edges; the dataset has {', '.join(data.tables)}: add it")
    return tuple(each for each in RELATIONS if each in asked)


def _rows(axes: Axes, dates: Sequence[date] | DayArray | None) -> Int64Array:
    if dates is None:
        return month_starts(axes)
    days = np.unique(np.asarray(dates, dtype="datetime64[D]"))
    rows = np.searchsorted(axes.sessions.dates, days).astype(np.int64)
    wrong = days[(rows == len(axes.sessions)) | (axes.sessions.dates[np.minimum(rows, len(axes.sessions) - 1)] != days)]
    if wrong.size or not days.size:
        raise SettingError(
            f"dates must be sessions from {axes.sessions.dates[0]} to {axes.sessions.dates[-1]}, not "
            f"{', '.join(str(each) for each in wrong[:3]) or 'none'}: leave out the {wrong.size} others"
        )
    return rows


def _active(data: Dataset, market: Market, mix: Mix, rows: Int64Array) -> IndexArray:
    """Filing in use of each stock at each vintage, -1 where it has none, has not traded yet, or is delisted by then."""
    first = np.where(market.traded.any(axis=0), market.traded.argmax(axis=0), market.axes.shape[0])
    listed = (first[None, :] <= rows[:, None]) & (market.axes.sessions.dates[rows][:, None] < _delisted(data, market.axes)[None, :])
    return np.where(listed, mix.active[rows], -1).astype(np.int32)


def _delisted(data: Dataset, axes: Axes) -> DayArray:
    """Last trading day of each stock that is known to have one; else never."""
    out = np.full(len(axes.assets), _NEVER)
    if "delist_date" in data.columns("assets"):
        known = data.frame("assets", ["asset", "delist_date"]).drop_nulls()
        column = axes.asset_index(known["asset"])
        out[column[column >= 0]] = known["delist_date"].to_numpy().astype("datetime64[D]")[column >= 0]
    return out


def _party(mix: Mix, active: IndexArray) -> DayArray:
    never = np.datetime64("NaT", "D")
    days = [np.append(each, never)[active] for each in (mix.period_end, mix.publish_date, mix.eff_date)]  # -1 = the last
    return np.stack(days).astype("datetime64[D]")


def _links(data: Dataset, taxonomy: Taxonomy, mix: Mix, level: Level, core_only: bool) -> pl.DataFrame:
    """Edges between groups of the mix: supplier, customer (numbers of groups), start, end.

    A node that is yet to begin is not in the tree as it was known before, so an edge starts no earlier than its two nodes.
    """
    held = data.columns("supply_edges")
    edges = data.frame("supply_edges")
    if core_only and "is_core" in held:
        edges = edges.filter(pl.col("is_core").fill_null(True))
    end = pl.col("end_date") if "end_date" in held else pl.lit(None, dtype=pl.Date)
    supplier, customer = taxonomy.node(edges["supplier_product"]), taxonomy.node(edges["customer_product"])
    start = np.append(taxonomy.start, _NEVER)  # -1, a node that the tree lacks, reads the last
    begins = pl.Series(np.maximum(start[supplier], start[customer])).cast(pl.Date)
    edges = edges.select(
        start=pl.max_horizontal(pl.col("start_date"), begins),
        end=end,
        _supplier=pl.Series(supplier, dtype=pl.Int64),
        _customer=pl.Series(customer, dtype=pl.Int64),
    )
    stands_for = _stands_for(taxonomy, mix, level)
    for end_of in ("supplier", "customer"):
        edges = edges.join(stands_for.rename({"group": end_of}), left_on=f"_{end_of}", right_on="node")
    return edges.filter(pl.col("supplier") != pl.col("customer")).select("supplier", "customer", "start", "end")


def _stands_for(taxonomy: Taxonomy, mix: Mix, level: Level) -> pl.DataFrame:
    """Groups of the mix that each node speaks of: its own at the level, and for a node higher up all groups below it."""
    nodes = np.searchsorted(np.array(taxonomy.products), np.array(mix.groups)) if mix.groups else np.empty(0, dtype=np.int64)
    number = np.full(len(taxonomy.products) + 1, -1, dtype=np.int64)
    number[nodes] = np.arange(nodes.size)
    speaker = taxonomy.at_level(level)
    pairs = {(n, int(g)) for n, g in enumerate(number[speaker].tolist()) if g >= 0}  # speaker -1 reads the last, which is -1
    for g, node in enumerate(nodes.tolist()):
        above = int(taxonomy.parent[node])
        while above >= 0:
            pairs.add((above, g))
            above = int(taxonomy.parent[above])
    found = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return pl.DataFrame({"node": found[:, 0], "group": found[:, 1]})


def _reach(relation: Relation, links: pl.DataFrame | None, day: np.datetime64, groups: int) -> tuple[Int64Array, Int64Array]:
    """For every group of a focal the groups in which its counterparties are, as (starts, groups): CSR."""
    if relation == "peer" or links is None:
        return np.arange(groups + 1, dtype=np.int64), np.arange(groups, dtype=np.int64)
    today = pl.lit(day.astype(object))
    held = links.filter((pl.col("start") <= today) & (pl.col("end").is_null() | (today < pl.col("end"))))
    own, other = ("customer", "supplier") if relation == "upstream" else ("supplier", "customer")
    pairs = held.select(own, other).unique().sort(own, other)
    starts = np.concatenate([[0], np.cumsum(np.bincount(pairs[own].to_numpy(), minlength=groups))]).astype(np.int64)
    return starts, pairs[other].to_numpy().astype(np.int64)
