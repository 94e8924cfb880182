"""Baskets to hedge one stock with: what the graph of a day says, and what it came to where the data go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError
from pureplay.graph.edges import GraphInputs, edges_of
from pureplay.graph.feed import vintage_rows
from pureplay.graph.hedge_arms import Scorer, Vintage, VintageEdges, ranked_peers
from pureplay.graph.hedging import INDEX, INDUSTRY, Hedges, hedge
from pureplay.graph.lamps import lamps_at, linked_pairs
from pureplay.graph.model import Model, predict, require_model
from pureplay.graph.stories import column_of
from pureplay.graph.story_records import SHUT
from pureplay.panel import FloatArray, IndexArray
from pureplay.stats.correlation import window

__all__ = ["OneHedge", "hedge_one"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHedge:
    """Hedge baskets of a stock at a vintage.

    baskets: arm, rank, peer, trailing_corr, in_graph, confirmed. figures: arm, names, ratio (CNY of the whole basket to sell for each held,
    equal weights), trailing_cut (share of the variance that the ratio took away over the trailing window that it was fitted on, known at
    the vintage), variance_cut (the same over the forward window: hindsight, null where it passes the end of the data, or the day
    lies in the holdout). note: what the reader must know of the figures, empty where nothing.
    """

    asset: str
    date: date
    names: int
    baskets: pl.DataFrame
    figures: pl.DataFrame
    note: str = ""


def hedge_one(
    inputs: GraphInputs, asset: str, day: date, *, names: int = 10, model: Model | None = None, holdout_start: date | None = None
) -> OneHedge:
    """Baskets of the first `names` peers by arm (graph, news_only, trailing, with a model expected) and their hedge ratios.

    Beside them the arms index, the equal-weight mean of all stocks, and industry, that of the others in the stock's industry; they have no
    basket of names. Other listings of the stock's issuer are in no arm but the index; a pair that is neither confirmed nor dark, since a
    firm has no entry in the product tree, is in neither graph nor news_only. The vintage is the last session on or before the day. Ratios
    are of the OLS with intercept over the trailing window. An arm with fewer peers is hedged with those that it has. There is no arm
    expected at a vintage whose outcome the model has seen.
    On or after holdout_start there is no variance_cut. Raises SettingError for an unknown code or a model of another graph or version,
    InsufficientDataError where no arm has a peer.
    """
    if model is not None:
        require_model(model, inputs.settings)
    row, own = int(vintage_rows(inputs, [day])[0]), column_of(inputs, asset)
    served: date = inputs.ground.axes.sessions.dates[row].astype("datetime64[D]").item()
    seen = model is not None and model.in_sample(served)
    known = None if seen else model
    found, codes = _vintage(inputs, row, known), pl.Series(inputs.ground.axes.assets, dtype=pl.String)
    most = min(names, len(inputs.ground.axes.assets))
    lists = ranked_peers(found, np.array([own]), most=most, scorer=_scorer(inputs, row, known))
    lists = {arm: peers for arm, peers in lists.items() if arm != "random_industry" and (peers >= 0).any()}
    if not lists:
        raise InsufficientDataError(
            f"{asset} has no peer on {served}: it, or every other stock, does not trade on that day or has no usable trailing window; "
            "take another day"
        )
    series = {INDEX: _mean(inputs.ground.market.returns), INDUSTRY: None}
    figures, baskets = [], []
    for arm, peers in lists.items():
        size = int((peers[0] >= 0).sum())
        made = _hedged(inputs, row, own, {arm: peers}, size)
        figures.append(_figures(inputs, row, own, made, arm, size, _mean(inputs.ground.market.returns[:, peers[0, :size]])))
        baskets.append(_basket(found, own, peers[0, :size], codes).select(pl.lit(arm).alias("arm"), pl.all()))
    made = _hedged(inputs, row, own, {}, 1, index=series[INDEX])
    others = _others(inputs, row, own)
    series[INDUSTRY] = _mean(inputs.ground.market.returns[:, others])
    for arm, basket in series.items():
        figures.append(_figures(inputs, row, own, made, arm, others.size if arm == INDUSTRY else None, basket))
    cuts = dict.fromkeys(("ratio", "trailing_cut", "variance_cut"), pl.Float64)
    table = pl.DataFrame(figures, schema={"arm": pl.String, "names": pl.Int64, **cuts}, orient="row")
    table = table.with_columns(pl.col(pl.Float64).fill_nan(None)).filter(pl.col("ratio").is_not_null() | ~pl.col("arm").is_in([INDUSTRY]))
    shut = holdout_start is not None and served >= holdout_start
    if shut:
        table = table.with_columns(variance_cut=pl.lit(None, dtype=pl.Float64))
    note = f"the model has seen what followed {served}, so there is no arm by its forecast" if seen else ""
    return OneHedge(
        asset=asset,
        date=served,
        names=names,
        baskets=pl.concat(baskets),
        figures=table,
        note="; ".join(each for each in (SHUT if shut else "", note) if each),
    )


def _scorer(inputs: GraphInputs, row: int, model: Model | None) -> Scorer | None:
    if model is None:
        return None
    return Scorer(
        lamps_at=lambda a, b: lamps_at(inputs.structure, row, a, b),
        predict=lambda trailing, lamps, news: predict(model, trailing, lamps, news),
    )


def _hedged(
    inputs: GraphInputs, row: int, own: int, baskets: Mapping[str, IndexArray], size: int, *, index: FloatArray | None = None
) -> Hedges:
    return hedge(
        inputs.ground.market.returns,
        np.array([row]),
        (np.zeros(1, dtype=np.int64), np.array([own])),
        baskets,
        counts=(size,),
        index=index,
        industry=None if index is None else inputs.ground.industry[[row]],
        issuer=inputs.ground.market.issuer,
        trailing=inputs.settings.trailing_sessions,
        forward=inputs.settings.forward_sessions,
    )


def _figures(
    inputs: GraphInputs, row: int, own: int, made: Hedges, arm: str, size: int | None, basket: FloatArray | None
) -> tuple[str, int | None, float, float, float]:
    at = made.arms.index(arm)
    ratio, cut = float(made.ratio[at, 0, 0]), float(made.cut[at, 0, 0])
    trailing = slice(row + 1 - inputs.settings.trailing_sessions, row + 1)
    before = float("nan") if basket is None else _explained(inputs.ground.market.returns[trailing, own], basket[trailing], ratio)
    return arm, size, ratio, before, cut


def _explained(own: FloatArray, basket: FloatArray, ratio: float) -> float:
    """1 - Var(own - ratio x basket) / Var(own) over the days on which both are known; NaN without a ratio."""
    both = np.isfinite(own) & np.isfinite(basket)
    if not np.isfinite(ratio) or not own[both].var() > 0:
        return float("nan")
    return float(1.0 - (own[both] - ratio * basket[both]).var() / own[both].var())


def _mean(returns: FloatArray) -> FloatArray:
    """Mean of each day over those that trade, NaN where none does; added up name by name, so absent names change no bit."""
    there = np.isfinite(returns)
    count = there.sum(axis=1)
    total = np.zeros(count.shape)
    for column in np.where(there, returns, 0.0).T:
        total += column
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def _others(inputs: GraphInputs, row: int, own: int) -> np.ndarray:
    """Names of other issuers in the stock's industry that traded on half of the trailing window."""
    industry, length = inputs.ground.industry[row], inputs.settings.trailing_sessions
    valid = np.isfinite(inputs.ground.market.returns[row + 1 - length : row + 1]).sum(axis=0)
    inside = (industry == industry[own]) & (industry[own] >= 0) & (2 * valid >= length)
    return np.flatnonzero(inside & (inputs.ground.market.issuer != inputs.ground.market.issuer[own]))


def _vintage(inputs: GraphInputs, row: int, model: Model | None) -> Vintage:
    edges, axes = edges_of(inputs, row, model=model), inputs.ground.axes
    return Vintage(
        day=axes.sessions.dates[row],
        assets=axes.assets,
        edges=VintageEdges(
            a=axes.asset_index(edges["ts_a"]).astype(np.int32),
            b=axes.asset_index(edges["ts_b"]).astype(np.int32),
            trailing=edges["trailing_corr"].fill_null(np.nan).to_numpy(),
            expected=edges["expected_fwd_corr"].fill_null(np.nan).to_numpy(),
            strength=edges["comention_strength"].to_numpy(),
            confirmed=edges["confirmed"].to_numpy(),
            dark=edges["dark"].to_numpy(),
        ),
        window=window(inputs.ground.returns, first=row + 1 - inputs.settings.trailing_sessions, last=row + 1),
        eligible=inputs.ground.market.traded[row],
        industry=inputs.ground.industry[row],
        issuer=inputs.ground.market.issuer,
        linked=linked_pairs(inputs.structure, row, inputs.eligible(row)),
    )


def _basket(found: Vintage, own: int, peers: np.ndarray, codes: pl.Series) -> pl.DataFrame:
    a, b = np.minimum(own, peers).astype(np.int32), np.maximum(own, peers).astype(np.int32)
    listed = {(int(x), int(y)): bool(lit) for x, y, lit in zip(found.edges.a, found.edges.b, found.edges.confirmed, strict=True)}
    said = [listed.get((int(x), int(y))) for x, y in zip(a, b, strict=True)]
    return pl.DataFrame(
        {
            "rank": np.arange(1, peers.size + 1),
            "peer": codes.gather(peers),
            "trailing_corr": found.window.pairs(a, b).rho,
            "in_graph": pl.Series([each is not None for each in said], dtype=pl.Boolean),
            "confirmed": pl.Series(said, dtype=pl.Boolean),
        }
    ).with_columns(pl.col("trailing_corr").fill_nan(None))
