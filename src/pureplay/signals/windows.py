"""One set of implied returns, scored over windows of several lengths: what a table of windows needs of a signal."""

from collections.abc import Sequence
from dataclasses import dataclass

from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray
from pureplay.signals.implied import Implied, Peers, implied_returns
from pureplay.signals.momentum import require_matching, score_blocks
from pureplay.signals.presets import window_settings
from pureplay.signals.settings import SignalSettings
from pureplay.stats.crosssection import robust_zscore
from pureplay.stats.rolling import windowed_gap

__all__ = ["WindowScores", "window_scores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowScores:
    """Blocks (sessions, assets) of one window, as in `SignalBlocks`: both components as z-scores and their composite."""

    settings: SignalSettings
    biz_mom_z: FloatArray
    biz_resvol_z: FloatArray
    composite: FloatArray


def window_scores(
    market: Market, peers: Peers, settings: SignalSettings, windows: Sequence[int]
) -> tuple[Implied, BoolArray, tuple[WindowScores, ...]]:
    """Implied returns, the signal universe, and the scores of each window; to the bit what `score_blocks` gives for each.

    windows: sessions; three quarters of each must hold a gap. Raises what `score_blocks` and `window_settings` raise.
    """
    chosen = [window_settings(settings, each) for each in windows]
    for each in chosen:
        require_matching(market, each)
    universe = market.seasoned(settings.min_listed_sessions) & market.traded
    made = implied_returns(market, peers)
    return made, universe, tuple(_scores(market, peers, each, made, universe) for each in chosen)


def _scores(market: Market, peers: Peers, settings: SignalSettings, made: Implied, universe: BoolArray) -> WindowScores:
    if settings.frozen or settings.resvol == "product_agg" or settings.momentum == "level":  # these look at more than implied returns
        found = score_blocks(market, peers, settings)
        return WindowScores(settings=settings, biz_mom_z=found.biz_mom_z, biz_resvol_z=found.biz_resvol_z, composite=found.composite)
    figures = windowed_gap(
        made.implied,
        market.returns,
        market.fresh(),
        window=settings.window_sessions,
        minimum=settings.min_valid_sessions,
        ols=settings.resvol != "diff_sd",
    )
    momentum, resvol = (robust_zscore(each, universe, winsorise_mads=settings.winsorise_mads) for each in figures)
    return WindowScores(settings=settings, biz_mom_z=momentum, biz_resvol_z=resvol, composite=0.5 * (momentum - resvol))
