"""Product momentum: what a stock's product peers did and the stock has not yet done.

gap_i = implied_i - r_i; biz_mom is its sum over the window, biz_resvol the residual sd of r_i on implied_i over the same sessions, and
composite = 0.5 z(biz_mom) - 0.5 z(biz_resvol). Higher predicts a higher forward return.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, TableError
from pureplay.market import Market, load_market
from pureplay.panel import BoolArray, FloatArray, IndexArray, to_frame
from pureplay.parallel import over_blocks
from pureplay.products.baskets import Weighting, basket_weights, family, issuers
from pureplay.products.mix import HalfYear, Mix, filed_lines, industry_mix, revenue_mix
from pureplay.products.taxonomy import Level, Taxonomy
from pureplay.signals.implied import BasketRules, Peers, implied_returns
from pureplay.signals.settings import Fallback, Momentum, ResidualVolatility, SignalSettings
from pureplay.signals.windowed import frozen_window, market_return, product_volatility
from pureplay.stats.crosssection import robust_zscore
from pureplay.stats.rolling import windowed_gap

__all__ = ["SignalBlocks", "finest_scheme", "peers_from_mix", "product_momentum", "product_peers", "score_blocks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalBlocks:
    """Product momentum as blocks (sessions, assets); NaN where a figure cannot be computed.

    universe: seasoned stocks that trade on the session; z-scores exist only there. by_source: share of revenue answered by each
    fallback, (fallbacks, sessions, assets). Everything else as `product_momentum` describes its columns.
    """

    market: Market
    mix: Mix
    settings: SignalSettings
    universe: BoolArray
    implied: FloatArray
    covered_share: FloatArray
    n_peers: IndexArray
    by_source: FloatArray
    biz_mom: FloatArray
    biz_resvol: FloatArray
    biz_mom_z: FloatArray
    biz_resvol_z: FloatArray
    composite: FloatArray

    def to_frame(self, *, first: int = 0, last: int | None = None) -> pl.DataFrame:
        """Rows of sessions [first, last): every stock of the universe that has a usable filing, in date then asset order."""
        stop = self.market.axes.shape[0] if last is None else last
        filing = self.mix.active
        keep = self.universe & (filing >= 0)
        blocks: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
            name: getattr(self, name)
            for name in ("implied", "biz_mom", "biz_resvol", "biz_mom_z", "biz_resvol_z", "composite", "covered_share", "n_peers")
        }
        out = to_frame(self.market.axes, blocks, keep, first=first, last=stop)
        rows = filing[first:stop][keep[first:stop]]
        dates = {name: pl.Series(getattr(self.mix, name)[rows]).cast(pl.Date) for name in ("period_end", "publish_date", "eff_date")}
        sources = {
            f"share_{name}": pl.Series(self.by_source[k, first:stop][keep[first:stop]]).fill_nan(None)
            for k, name in enumerate(self.settings.fallback)
        }
        return out.with_columns(**dates, **sources)


def product_momentum(
    dataset: Dataset,
    *,
    construction: str = "R",
    level: Level = 2,
    products: str = "segments",
    purity: float = 0.5,
    purity_inclusive: bool = False,
    min_peers: int = 5,
    min_peers_after_removal: bool = True,
    leave_one_out: bool = True,
    weighting: Weighting = "cap",
    min_covered: float = 0.5,
    fallback: tuple[Fallback, ...] = (),
    fallback_scheme: str | None = None,
    frozen: bool = False,
    half_year: HalfYear = "as_filed",
    buffer_days: int = 30,
    stale_months: int | None = 18,
    window_sessions: int = 20,
    min_valid_sessions: int = 15,
    momentum: Momentum = "gap",
    resvol: ResidualVolatility = "ols",
    winsorise_mads: float | None = 3.0,
    min_listed_sessions: int = 60,
) -> pl.DataFrame:
    """Product momentum of every scored stock and session (METHODS §1-3; S0 construction R).

    dataset: needs bars, segments and taxonomy (industries instead of the last two for `products="industries:SCHEME"`); uses
    filings and assets where present. Settings are explained at `SignalSettings`.

    Columns: date, asset; implied (decimal return of the session), biz_mom (sum of gaps over the window, decimal), biz_resvol (daily
    decimal), biz_mom_z, biz_resvol_z, composite; covered_share (decimal), n_peers (basket memberships behind implied); period_end,
    publish_date, eff_date of the filing in use (eff_date <= date in every row). One column `share_…` a fallback.

    Timing: a row uses bars up to the close of its date and filings whose eff_date has come. Rows are the stocks of the signal
    universe (seasoned, trading) with a usable filing; a figure that cannot be computed is null. Raises SettingError for a setting
    out of range, TableError for a table that is absent, InsufficientDataError where there are too few sessions for one window.
    """
    arguments = dict(locals())
    arguments.pop("dataset")
    settings = SignalSettings(**arguments)
    market = load_market(dataset)
    return score_blocks(market, product_peers(dataset, market, settings), settings).to_frame()


def finest_scheme(data: Dataset) -> str | None:
    """Industry scheme with the most distinct codes on the first session (by its first labels, where no label is that old).

    Later labels do not count: they would change the answer in hindsight. None where there is no label yet; raises TableError where
    the dataset has no industries table.
    """
    labels = data.frame("industries", ["scheme", "code", "start_date"])
    if labels.is_empty():
        return None
    first = data.frame("bars", ["date"]).select(pl.col("date").min())
    oldest = pl.concat([first, labels.select(date=pl.col("start_date").min())])["date"].max()
    known = labels.filter(pl.col("start_date") <= oldest)
    return str(known.group_by("scheme").agg(pl.col("code").n_unique()).sort("code", "scheme")["scheme"][-1])


def product_peers(data: Dataset, market: Market, settings: SignalSettings) -> Peers:
    """Mix, pure-play baskets and fallback baskets of a dataset under the settings."""
    if settings.products != "segments":
        return peers_from_mix(industry_mix(data, market.axes, settings.products.removeprefix("industries:")), market, settings)
    if not data.has("segments"):
        raise TableError("the dataset has no segments, so there are no product shares: import them, or use products='industries:SCHEME'")
    lines = filed_lines(data, half_year=settings.half_year)
    taxonomy = Taxonomy.from_table(data.frame("taxonomy"))
    mix = revenue_mix(
        lines, taxonomy, market.axes, level=settings.level, buffer_days=settings.buffer_days, stale_months=settings.stale_months
    )
    peers = peers_from_mix(mix, market, settings)
    families, maps = list(peers.families), list(peers.maps)
    for name in settings.fallback:
        weights = basket_weights(market, "equal" if name == "synthetic" else settings.weighting)
        if name == "industry":
            labels = industry_mix(data, market.axes, settings.fallback_scheme or finest_scheme(data))
            families.append(family(labels, np.ones(labels.share.size, dtype=bool), weights))
            maps.append(np.zeros(0, dtype=np.int32))
        elif name == "parent":
            up = revenue_mix(
                lines,
                taxonomy,
                market.axes,
                level=settings.level,
                above=True,
                buffer_days=settings.buffer_days,
                stale_months=settings.stale_months,
            )
            families.append(family(up, up.pure(settings.purity, inclusive=settings.purity_inclusive), weights))
            maps.append(_parents(mix, up, taxonomy, settings.level))
        else:
            families.append(family(mix, mix.share > 0, weights))
            maps.append(np.arange(len(mix.groups), dtype=np.int32))
    return Peers(
        mix=mix,
        families=tuple(families),
        maps=tuple(maps),
        labels=("products", *settings.fallback),
        issuers=peers.issuers,
        rules=peers.rules,
    )


def _parents(mix: Mix, up: Mix, taxonomy: Taxonomy, level: Level) -> IndexArray:
    """Group of `up` that contains each group of `mix`, -1 where there is none."""
    node = taxonomy.node(pl.Series(mix.groups, dtype=pl.String))
    parent = taxonomy.parent_of_group(level)[node]
    place = {name: number for number, name in enumerate(up.groups)}
    return np.array([place.get(taxonomy.products[each], -1) if each >= 0 else -1 for each in parent.tolist()], dtype=np.int32)


def peers_from_mix(mix: Mix, market: Market, settings: SignalSettings) -> Peers:
    """Pure-play baskets of any mix, without fallbacks: products, industries, or the market as one group."""
    members = mix.pure(settings.purity, inclusive=settings.purity_inclusive)
    return Peers(
        mix=mix,
        families=(family(mix, members, basket_weights(market, settings.weighting)),),
        maps=(np.arange(len(mix.groups), dtype=np.int32),),
        labels=("products",),
        issuers=issuers(market),
        rules=BasketRules(
            min_peers=settings.min_peers,
            after_removal=settings.min_peers_after_removal,
            leave_one_out=settings.leave_one_out,
            min_covered=settings.min_covered,
        ),
    )


def score_blocks(market: Market, peers: Peers, settings: SignalSettings) -> SignalBlocks:
    """Run the signal on given baskets; the same pipeline serves products, controls and placebos."""
    if market.axes.shape[0] <= settings.min_valid_sessions:
        raise InsufficientDataError(
            f"the data hold {market.axes.shape[0]} sessions, a score needs more than {settings.min_valid_sessions}: "
            "widen the data or lower min_valid_sessions"
        )
    made = implied_returns(market, peers)
    biz_mom, biz_resvol = _window_figures(market, peers, settings, made.implied)
    universe = market.seasoned(settings.min_listed_sessions) & market.traded
    momentum_z = robust_zscore(biz_mom, universe, winsorise_mads=settings.winsorise_mads)
    resvol_z = robust_zscore(biz_resvol, universe, winsorise_mads=settings.winsorise_mads)
    return SignalBlocks(
        market=market,
        mix=peers.mix,
        settings=settings,
        universe=universe,
        implied=made.implied,
        covered_share=made.covered_share,
        n_peers=made.n_peers,
        by_source=made.by_source,
        biz_mom=biz_mom,
        biz_resvol=biz_resvol,
        biz_mom_z=momentum_z,
        biz_resvol_z=resvol_z,
        composite=_composite(momentum_z, resvol_z),
    )


def _composite(momentum_z: FloatArray, resvol_z: FloatArray) -> FloatArray:
    """0.5 a - 0.5 b; halving is exact, so 0.5 (a - b) has the same bits."""
    out = np.empty_like(momentum_z)

    def block(start: int, stop: int) -> None:
        np.subtract(momentum_z[start:stop], resvol_z[start:stop], out=out[start:stop])
        out[start:stop] *= 0.5

    over_blocks(block, momentum_z.shape[0])
    return out


def _window_figures(market: Market, peers: Peers, settings: SignalSettings, implied: FloatArray) -> tuple[FloatArray, FloatArray]:
    window, minimum = settings.window_sessions, settings.min_valid_sessions
    valid, ols, level = market.fresh(), settings.resvol != "diff_sd", settings.momentum == "level"
    if settings.frozen:
        total, spread = frozen_window(market, peers, valid, window=window, minimum=minimum, ols=ols, level=level)
    else:
        total, spread = windowed_gap(implied, market.returns, valid, window=window, minimum=minimum, ols=ols)
        if level:
            total, _ = windowed_gap(implied, np.zeros_like(implied), valid & np.isfinite(market.returns), window=window, minimum=minimum)
    if settings.resvol == "product_agg":
        reference = market_return(market, basket_weights(market, settings.weighting))
        spread = product_volatility(market, peers, reference, window=window, minimum=minimum, frozen=settings.frozen)
    return total, spread
