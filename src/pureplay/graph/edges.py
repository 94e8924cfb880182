"""Vintages of the graph: its pairs with their lamps and trailing correlation, as rows of the feed or as the panel of the forecast."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError
from pureplay.graph.arrays import LAMPS, CoMentions, Lamps, PairPanel
from pureplay.graph.baseline import random_pairs
from pureplay.graph.comention import News, co_mentions, load_news, tender_pairs
from pureplay.graph.ground import Ground, load_ground
from pureplay.graph.lamps import lamps_at, linked_pairs
from pureplay.graph.model import Model, predict, require_model
from pureplay.graph.settings import GraphSettings
from pureplay.graph.structure import Structure, load_structure
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_units, worker_count
from pureplay.stats.correlation import panel_correlations
from pureplay.stats.lookahead import forward_correlations

__all__ = ["EDGE_COLUMNS", "GraphInputs", "build_panel", "edges_of", "load_inputs", "substrate"]

Progress = Callable[[str], None]
Pairs = tuple[IndexArray, IndexArray]

EDGE_COLUMNS: Final = (
    *("trade_date", "ts_a", "ts_b", "comention_strength", "comention_days", "trailing_corr", "lamp_product_peer", "peer_depth"),
    *("lamp_deep_peer", "lamp_sam_chain", "lamp_disclosed", "lamp_affiliate", "n_lamps", "confirmed", "dark"),
    *("expected_fwd_corr", "corr_delta"),
)
"""Columns of the feed, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphInputs:
    """What a graph is made from, read once: blocks, dated links, and the news, which is None for the substrate "links"."""

    settings: GraphSettings
    ground: Ground
    structure: Structure
    news: News | None

    def eligible(self, row: int) -> BoolArray:
        """Stocks that trade on the session, have a size and an entry in the product tree: those that enter the forecast."""
        mapped = self.structure.at(row).firms.mapped
        return np.asarray(self.ground.market.traded[row] & np.isfinite(self.ground.size[row]) & mapped)


def load_inputs(data: Dataset, settings: GraphSettings | None = None) -> GraphInputs:
    """Read a dataset; raises TableError where bars, or mentions for the substrate "news", are absent."""
    settings = settings or GraphSettings()
    ground = load_ground(data, settings)
    news = load_news(data, ground.axes, settings) if settings.substrate == "news" else None
    return GraphInputs(settings=settings, ground=ground, structure=load_structure(data, ground.axes, settings), news=news)


def substrate(inputs: GraphInputs, row: int) -> CoMentions:
    """Pairs of a vintage: those that the news names together, or every linked pair of stocks that trade on the session."""
    if inputs.news is not None:
        return co_mentions(inputs.news, row, inputs.settings)
    a, b = linked_pairs(inputs.structure, row, inputs.eligible(row))
    return CoMentions(a=a, b=b, strength=np.zeros(a.size), days=np.zeros(a.size, dtype=np.int32))


def edges_of(inputs: GraphInputs, row: int, *, model: Model | None = None, in_sample: bool = False) -> pl.DataFrame:
    """Edges of one vintage in the schema of the feed, sorted by ts_a and ts_b; nothing in them is of a later session.

    Columns are EDGE_COLUMNS. trade_date: the vintage. comention_strength, comention_days: articles of the window and the sessions on which
    they counted. trailing_corr: null where a stock traded on less than half of the window or did not move. peer_depth: null where a firm
    has no entry in the product tree; such a pair is neither confirmed by products nor dark. expected_fwd_corr: forecast of the model, null
    without one, and in vintages that its fit has seen the future of, unless in_sample asks for them: a column `in_sample` then marks them.
    Raises SettingError for a model of other graph settings or of another version.
    """
    if model is not None:
        require_model(model, inputs.settings)
    axes = inputs.ground.axes
    pairs = substrate(inputs, row)
    lamps = lamps_at(inputs.structure, row, pairs.a, pairs.b, bids=_bids(inputs, row))
    trailing = _trailing(inputs, row, pairs.a, pairs.b)
    day = axes.sessions.dates[row]
    forecast, seen = np.full(trailing.shape, np.nan), model is not None and day < np.datetime64(model.known_from)
    if model is not None and (in_sample or not seen):
        forecast = predict(model, trailing, lamps, np.ones(trailing.size, dtype=np.bool_))
        forecast[~lamps.mapped] = np.nan
    codes = pl.Series(axes.assets, dtype=pl.String)
    confirmed = lamps.confirmed(peer_confirms=inputs.settings.peer_confirms)
    frame = pl.DataFrame(
        {
            "trade_date": axes.day_column(np.repeat(day, trailing.size)),
            "ts_a": codes.gather(pairs.a),
            "ts_b": codes.gather(pairs.b),
            "comention_strength": pairs.strength,
            "comention_days": pairs.days,
            "trailing_corr": trailing,
            "lamp_product_peer": lamps.product_peer,
            "peer_depth": lamps.peer_depth,
            "lamp_deep_peer": lamps.deep_peer,
            "lamp_sam_chain": lamps.chain,
            "lamp_disclosed": lamps.disclosed,
            "lamp_affiliate": lamps.affiliate,
            "n_lamps": lamps.n_lamps,
            "confirmed": confirmed,
            "dark": ~confirmed & lamps.mapped,
            "expected_fwd_corr": forecast,
            "corr_delta": forecast - trailing,
        }
    )
    frame = frame.with_columns(pl.col(pl.Float64).fill_nan(None), pl.col("peer_depth").replace(-1, None))
    return frame.with_columns(in_sample=pl.lit(bool(seen))) if in_sample else frame


def build_panel(
    inputs: GraphInputs, rows: npt.NDArray[np.int64], *, seed: int, progress: Progress | None = None
) -> tuple[PairPanel, pl.DataFrame]:
    """Pairs and random pairs of many vintages with trailing and forward correlation, and a count of each vintage.

    rows: sessions of the vintages, ascending. Only pairs of stocks that trade on the session, have a size and an entry in the product tree
    take part; the others are counted. Two listings of one issuer are no pair of firms: their correlation would pass for that of
    affiliates, so they are left out as well, and never drawn as a random pair. The count: date, pairs, random, names, confirmed, dark,
    product_peer, the four lamps, bid, unmapped (pairs left out because a firm has no entry in the tree), untraded (left out because a
    stock does not trade), no_size (because
    one that trades has no size), one_issuer (left out as two listings of one), widened, short, beyond_one. Raises
    InsufficientDataError where
    there is no vintage, or no pair in any.
    """
    if not rows.size:
        raise InsufficientDataError(
            f"no month ends in the data has {inputs.settings.trailing_sessions} sessions up to it: give more bars or shorten the window"
        )
    listings = _one_issuer(inputs.structure.owners.company)
    made: dict[int, tuple[_Part, dict[str, object]]] = {}

    def keep(number: int, found: tuple[_Part, dict[str, object]]) -> None:
        made[number] = found
        if progress is not None:
            progress(f"vintage {len(made)} of {rows.size}")

    over_units(lambda row: _part(inputs, row, seed, listings), rows.tolist(), at_once=worker_count(), keep=keep)
    parts, counts = [made[number][0] for number in range(rows.size)], [made[number][1] for number in range(rows.size)]
    starts = np.concatenate([[0], np.cumsum([part.a.size for part in parts])]).astype(np.int64)
    if not starts[-1]:
        left_out = ("unmapped", "untraded", "no_size")
        unmapped, untraded, no_size = (sum(int(str(count[name])) for count in counts) for name in left_out)
        raise InsufficientDataError(
            f"none of the {rows.size} vintages has a pair: {unmapped} were left out because a stock has no entry in the product tree "
            f"(products = {inputs.settings.products!r}), {untraded} because one does not trade and {no_size} because one has no size. "
            f"Give news or links of "
            "the months that the bars cover, on stocks that segments or industries describe"
        )
    a, b = np.concatenate([part.a for part in parts]), np.concatenate([part.b for part in parts])
    settings, returns = inputs.settings, inputs.ground.returns
    if progress is not None:
        progress("correlations")
    trailing = panel_correlations(returns, rows, starts, a, b, sessions=settings.trailing_sessions, measure=settings.measure)
    forward = forward_correlations(returns, rows, starts, a, b, sessions=settings.forward_sessions, measure=settings.measure)
    names = Lamps.__slots__
    panel = PairPanel(
        assets=inputs.ground.axes.assets,
        rows=rows,
        dates=inputs.ground.axes.sessions.dates[rows],
        starts=starts,
        a=a,
        b=b,
        news=np.concatenate([part.news for part in parts]),
        strength=np.concatenate([part.strength for part in parts]),
        trailing=trailing,
        forward=forward,
        sector=_sectors(inputs, rows, starts, a, b),
        lamps=Lamps(**{name: np.concatenate([getattr(part.lamps, name) for part in parts]) for name in names}),
    )
    beyond = np.add.reduceat(np.append(np.abs(trailing) > 1, False), starts[:-1]) * (np.diff(starts) > 0)
    return panel, pl.DataFrame(counts).with_columns(beyond_one=pl.Series(beyond.astype(np.int64)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    a: IndexArray
    b: IndexArray
    news: BoolArray
    strength: FloatArray
    lamps: Lamps


def _part(inputs: GraphInputs, row: int, seed: int, listings: Pairs) -> tuple[_Part, dict[str, object]]:
    ground, found = inputs.ground, substrate(inputs, row)
    eligible, mapped = inputs.eligible(row), inputs.structure.at(row).firms.mapped
    company = inputs.structure.owners.company
    trading, twins = eligible[found.a] & eligible[found.b], (company[found.a] >= 0) & (company[found.a] == company[found.b])
    taken = trading & ~twins
    known, traded = mapped[found.a] & mapped[found.b], ground.market.traded[row]
    there = known & traded[found.a] & traded[found.b]
    a, b = found.a[taken], found.b[taken]
    day = ground.axes.sessions.dates[row]
    drawn = random_pairs(
        a,
        b,
        excluded_a=np.concatenate([found.a, listings[0]]),
        excluded_b=np.concatenate([found.b, listings[1]]),
        size=ground.size[row],
        industry=ground.industry[row],
        eligible=eligible,
        rng=np.random.default_rng([seed, int(day.astype("datetime64[D]").astype(np.int64))]),
    )
    lamps = lamps_at(inputs.structure, row, np.concatenate([a, drawn.a]), np.concatenate([b, drawn.b]), bids=_bids(inputs, row))
    own = lamps.take(slice(0, a.size))
    confirmed = own.confirmed(peer_confirms=inputs.settings.peer_confirms)
    count: dict[str, object] = {
        "date": day.astype("datetime64[D]").item(),
        "pairs": a.size,
        "random": drawn.a.size,
        "names": np.unique(np.concatenate([a, b])).size,
        "confirmed": int(confirmed.sum()),
        "dark": int((~confirmed).sum()),
        **{name: int(getattr(own, name).sum()) for name in ("product_peer", *LAMPS, "bid")},
        "unmapped": int((~known).sum()),
        "untraded": int((known & ~there).sum()),
        "no_size": int((there & ~trading).sum()),
        "one_issuer": int((trading & twins).sum()),
        "widened": drawn.widened,
        "short": drawn.short,
    }
    part = _Part(
        a=np.concatenate([a, drawn.a]),
        b=np.concatenate([b, drawn.b]),
        news=np.repeat([True, False], [a.size, drawn.a.size]),
        strength=np.concatenate([found.strength[taken], np.zeros(drawn.a.size)]),
        lamps=lamps,
    )
    return part, count


def _one_issuer(company: npt.NDArray[np.int64]) -> Pairs:
    """Every pair of listings of one issuer. company: issuer of each asset, -1 where it is an issuer of its own."""
    there = np.flatnonzero(company >= 0)
    group = np.searchsorted(np.unique(company[there]), company[there])
    order = np.argsort(group, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(group))]).astype(np.int64)
    members = there[order].astype(np.int32)
    size = np.diff(starts)
    found = [np.stack(np.triu_indices(int(n), 1)) + first for n, first in zip(size, starts, strict=False) if n > 1]
    one, other = np.concatenate(found, axis=1) if found else np.empty((2, 0), dtype=np.int64)
    return members[one], members[other]


def _bids(inputs: GraphInputs, row: int) -> Pairs | None:
    return None if inputs.news is None else tender_pairs(inputs.news, row, inputs.settings)


def _trailing(inputs: GraphInputs, row: int, a: IndexArray, b: IndexArray) -> FloatArray:
    settings = inputs.settings
    starts = np.array([0, a.size], dtype=np.int64)
    return panel_correlations(
        inputs.ground.returns, np.array([row]), starts, a, b, sessions=settings.trailing_sessions, measure=settings.measure
    )


def _sectors(inputs: GraphInputs, rows: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], a: IndexArray, b: IndexArray) -> IndexArray:
    row = np.repeat(rows, np.diff(starts))
    one, other = inputs.ground.industry[row, a], inputs.ground.industry[row, b]
    number = np.minimum(one, other).astype(np.int64) * (len(inputs.ground.industries) + 1) + np.maximum(one, other)
    return np.where((one < 0) | (other < 0), -1, number).astype(np.int32)
