"""Product momentum: what a stock's product peers did and the stock has not yet done.

gap_i = implied_i - r_i; biz_mom is its sum over the window, biz_resvol the residual sd of r_i on implied_i over the same sessions, and
composite = 0.5 z(biz_mom) - 0.5 z(biz_resvol). Higher predicts a higher forward return.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.frames import AnyFrame
from pureplay.market import Market, load_market
from pureplay.panel import BoolArray, FloatArray, IndexArray, to_frame
from pureplay.parallel import over_blocks
from pureplay.products.baskets import Weighting, basket_weights, issuers
from pureplay.products.mix import HalfYear, Mix
from pureplay.products.taxonomy import Level
from pureplay.signals.implied import Peers, implied_returns
from pureplay.signals.residual import ResidualMarket, signal_market
from pureplay.signals.settings import Construction, Fallback, Momentum, ResidualVolatility, SignalSettings
from pureplay.signals.windowed import frozen_window, product_volatility, weighted_market_return
from pureplay.signals.workshop import PeerWorkshop, finest_scheme, peers_of_mix
from pureplay.stats.crosssection import robust_zscore
from pureplay.stats.rolling import windowed_gap

__all__ = ["SignalBlocks", "finest_scheme", "peers_from_mix", "product_momentum", "product_peers", "require_matching", "score_blocks"]


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
    construction: Construction = "R",
    exposures: AnyFrame | None = None,
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
    """Product momentum of every scored stock and session (METHODS §1-3; S0 constructions R and S).

    dataset: needs bars, segments and taxonomy (industries instead of the last two for `products="industries:SCHEME"`); uses
    filings and assets where present. Settings are explained at `SignalSettings`. exposures: for construction S, any frame date,
    asset and numeric columns, as of the close of its date and used for the next session; None = the base of 22 factors.

    Columns: date, asset; implied (decimal return of the session), biz_mom (sum of gaps over the window, decimal), biz_resvol (daily
    decimal), biz_mom_z, biz_resvol_z, composite; covered_share (decimal), n_peers (basket memberships behind implied); period_end,
    publish_date, eff_date of the filing in use (eff_date <= date in every row). One column `share_…` a fallback.

    Timing: a row uses bars up to the close of its date and filings whose eff_date has come. Rows are the stocks of the signal
    universe (seasoned, trading) with a usable filing; a figure that cannot be computed is null. Raises SettingError for a setting
    out of range and for exposures without construction S, TableError for a table that is absent, InsufficientDataError where there
    are too few sessions for one window.
    """
    arguments = dict(locals())
    settings = SignalSettings(**{name: value for name, value in arguments.items() if name not in ("dataset", "exposures")})
    market = signal_market(dataset, load_market(dataset), settings, exposures)
    return score_blocks(market, product_peers(dataset, market, settings), settings).to_frame()


def product_peers(data: Dataset, market: Market, settings: SignalSettings) -> Peers:
    """Mix, pure-play baskets and fallback baskets of a dataset under the settings; `PeerWorkshop` serves many settings."""
    return PeerWorkshop(data, market).peers(settings)


def peers_from_mix(mix: Mix, market: Market, settings: SignalSettings) -> Peers:
    """Pure-play baskets of any mix, without fallbacks: products, industries, or the market as one group."""
    return peers_of_mix(mix, settings, basket_weights(market, settings.weighting), issuers(market))


def require_matching(market: Market, settings: SignalSettings) -> None:
    """Raise SettingError for a market of another construction, InsufficientDataError for one too short for a window."""
    if (settings.construction == "S") != isinstance(market, ResidualMarket):
        raise SettingError(
            f"construction {settings.construction!r} does not go with a {type(market).__name__}: pass signal_market(data, market, settings)"
        )
    if market.axes.shape[0] <= settings.min_valid_sessions:
        raise InsufficientDataError(
            f"the data hold {market.axes.shape[0]} sessions, a score needs more than {settings.min_valid_sessions}: "
            "widen the data or lower min_valid_sessions"
        )


def score_blocks(market: Market, peers: Peers, settings: SignalSettings) -> SignalBlocks:
    """Run the signal on given baskets; the same pipeline serves products, controls and placebos.

    market: a `ResidualMarket` for construction S, any other for R; raises SettingError where it is not.
    """
    require_matching(market, settings)
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
        reference = weighted_market_return(market, basket_weights(market, settings.weighting))
        spread = product_volatility(market, peers, reference, window=window, minimum=minimum, frozen=settings.frozen)
    return total, spread
