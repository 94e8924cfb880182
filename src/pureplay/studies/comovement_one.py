"""Baskets to hedge one stock with: what the graph of a day says, and what it came to where the data go on."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError
from pureplay.graph.edges import GraphInputs, edges_of
from pureplay.graph.feed import vintage_rows
from pureplay.graph.hedge_arms import Scorer, Vintage, VintageEdges, ranked_peers
from pureplay.graph.hedging import hedge
from pureplay.graph.lamps import lamps_at, linked_pairs
from pureplay.graph.model import Model, predict
from pureplay.graph.stories import column_of
from pureplay.stats.correlation import window

__all__ = ["OneHedge", "hedge_one"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHedge:
    """Hedge baskets of a stock at a vintage.

    baskets: arm, rank, peer, trailing_corr, in_graph, confirmed. figures: arm, names, ratio (CNY of the whole basket to sell for each held,
    equal weights), variance_cut (over the forward window: hindsight, null where it passes the end of the data).
    """

    asset: str
    date: date
    names: int
    baskets: pl.DataFrame
    figures: pl.DataFrame


def hedge_one(inputs: GraphInputs, asset: str, day: date, *, names: int = 10, model: Model | None = None) -> OneHedge:
    """Baskets of the first `names` peers by arm (graph, news_only, trailing, with a model expected) and their hedge ratios.

    The vintage is the last session on or before the day. Ratios are of the OLS with intercept over the trailing window. An arm with fewer
    peers is hedged with those that it has. Raises SettingError for an unknown code, InsufficientDataError where no arm has a peer.
    """
    row, own = int(vintage_rows(inputs, [day])[0]), column_of(inputs, asset)
    found, codes = _vintage(inputs, row, model), pl.Series(inputs.ground.axes.assets, dtype=pl.String)
    scorer = None
    if model is not None:
        scorer = Scorer(
            lamps_at=lambda a, b: lamps_at(inputs.structure, row, a, b),
            predict=lambda trailing, lamps, news: predict(model, trailing, lamps, news),
        )
    lists = ranked_peers(found, np.array([own]), most=names, scorer=scorer)
    lists = {arm: peers for arm, peers in lists.items() if arm != "random_industry" and (peers >= 0).any()}
    if not lists:
        raise InsufficientDataError(f"{asset} has no peer on {day}: no stock with a usable window of returns stands beside it")
    baskets, figures = [], []
    for arm, peers in lists.items():
        size = int((peers[0] >= 0).sum())
        made = hedge(
            inputs.ground.market.returns,
            np.array([row]),
            (np.zeros(1, dtype=np.int64), np.array([own])),
            {arm: peers},
            counts=(size,),
            trailing=inputs.settings.trailing_sessions,
            forward=inputs.settings.forward_sessions,
        )
        figures.append((arm, size, float(made.ratio[0, 0, 0]), float(made.cut[0, 0, 0])))
        baskets.append(_basket(found, own, peers[0, :size], codes).select(pl.lit(arm).alias("arm"), pl.all()))
    schema = {"arm": pl.String, "names": pl.Int64, "ratio": pl.Float64, "variance_cut": pl.Float64}
    served = inputs.ground.axes.sessions.dates[row].astype("datetime64[D]").item()
    table = pl.DataFrame(figures, schema=schema, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))
    return OneHedge(asset=asset, date=served, names=names, baskets=pl.concat(baskets), figures=table)


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
        ),
        window=window(inputs.ground.returns, first=row + 1 - inputs.settings.trailing_sessions, last=row + 1),
        eligible=inputs.ground.market.traded[row],
        industry=inputs.ground.industry[row],
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
