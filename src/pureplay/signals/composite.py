"""The composite alone, stretch by stretch of sessions: what a battery needs of a signal that is built anew fifty times."""

from typing import Final

import numpy as np

from pureplay.market import Market
from pureplay.panel import FloatArray
from pureplay.signals.implied import Peers, implied_returns
from pureplay.signals.momentum import require_matching, score_blocks
from pureplay.signals.settings import SignalSettings
from pureplay.stats.crosssection import robust_zscore
from pureplay.stats.rolling import windowed_gap

__all__ = ["composite_scores"]

_STRETCH: Final = 240  # sessions: blocks of ten megabytes at full size, which memory and caches hand out again and again


def composite_scores(market: Market, peers: Peers, settings: SignalSettings, *, stretch_sessions: int = _STRETCH) -> FloatArray:
    """Composite of `score_blocks`, to the bit, without its other blocks: a tenth of the memory.

    Stretches begin at whole windows, and each sees the window before it, so every windowed sum adds the same numbers in the same order.
    stretch_sessions: length of a stretch, rounded up to whole windows; changes no bit. Settings whose windows reach further (frozen
    mixes, product volatility, level) go through `score_blocks`. Raises what that raises.
    """
    if settings.frozen or settings.resvol == "product_agg" or settings.momentum == "level":
        return score_blocks(market, peers, settings).composite
    require_matching(market, settings)
    window, sessions = settings.window_sessions, market.axes.shape[0]
    step = -(-max(stretch_sessions, 1) // window) * window
    universe, valid = market.seasoned(settings.min_listed_sessions) & market.traded, market.fresh()
    out = np.empty(market.axes.shape)
    for first in range(0, sessions, step):
        last, before = min(first + step, sessions), max(first - window, 0)
        implied = implied_returns(market, peers, first=before, last=last).implied
        rows, kept = slice(before, last), slice(first - before, None)
        figures = windowed_gap(
            implied,
            market.returns[rows],
            valid[rows],
            window=window,
            minimum=settings.min_valid_sessions,
            ols=settings.resvol != "diff_sd",
        )
        momentum, resvol = (robust_zscore(each[kept], universe[first:last], winsorise_mads=settings.winsorise_mads) for each in figures)
        np.subtract(momentum, resvol, out=out[first:last])
        out[first:last] *= 0.5
    return out
