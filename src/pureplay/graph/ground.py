"""What every part of the graph stands on: returns, sizes and industries as blocks, and the vintages."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError
from pureplay.graph.settings import GraphSettings
from pureplay.industries import industry_schemes
from pureplay.market import Market, load_market
from pureplay.panel import Axes, FloatArray, IndexArray, label_block

__all__ = ["Ground", "load_ground", "month_ends"]

_VOLUME_SESSIONS = 60  # of the dollar volume that stands in for size where market values are missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Blocks of shape (sessions, assets).

    market: returns as they were, values, who traded. returns: what correlations are taken of (raw, or less the mean of market or
    industry), NaN where the stock did not trade. size: total market value at the close, and on sessions before the first with any market
    value the mean traded value of 60 sessions; NaN where unknown. size_is: "cap", or "dollar_volume" where no session has a market value.
    industry: number of the coarsest industry of the day, -1 where there is none. industries: their codes.
    """

    market: Market
    returns: FloatArray
    size: FloatArray
    size_is: str
    industry: IndexArray
    industries: tuple[str, ...]

    @property
    def axes(self) -> Axes:
        """Sessions and assets."""
        return self.market.axes


def load_ground(data: Dataset, settings: GraphSettings) -> Ground:
    """Blocks of a dataset.

    Raises TableError where bars are absent, InsufficientDataError where they have neither values nor volumes, or settings ask for returns
    less those of an industry that no stock has.
    """
    market = load_market(data)
    size, size_is = _size(data, market)
    labels, codes = _industry(data, market.axes)
    if settings.returns == "industry" and not (labels >= 0).any():
        raise InsufficientDataError(
            "returns = 'industry' needs the industry of some stock on some session: give industries, or take 'market'"
        )
    return Ground(
        market=market, returns=_less_mean(market.returns, labels, settings), size=size, size_is=size_is, industry=labels, industries=codes
    )


def month_ends(axes: Axes, *, sessions: int) -> npt.NDArray[np.int64]:
    """Rows of the last session of each month that has `sessions` sessions up to it; the last month counts once a later session is there.

    With calendar "XSHG" a month whose last session is the last of the data counts as well, since the exchange says so.
    """
    months = axes.sessions.dates.astype("datetime64[M]")
    last = np.flatnonzero(months[1:] != months[:-1])
    if axes.sessions.calendar != "bars" and len(axes.sessions) and _closes_month(axes):
        last = np.append(last, len(axes.sessions) - 1)
    return np.asarray(last[last >= sessions - 1], dtype=np.int64)


def _closes_month(axes: Axes) -> bool:
    """Whether no session of the exchange follows the last one in its month; False where the calendar is not known that far."""
    from pureplay.errors import TableError
    from pureplay.sessions import sessions_between

    last = axes.sessions.dates[-1]
    end = (last.astype("datetime64[M]") + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    try:
        return bool(sessions_between(np.array([last, end]), axes.sessions.calendar).dates[-1] == last)
    except TableError:
        return False


def _size(data: Dataset, market: Market) -> tuple[FloatArray, str]:
    valued = np.isfinite(market.caps).any(axis=1)
    # sessions before the first value had no other size then, so that values which begin later change nothing
    first = int(np.argmax(valued)) if valued.any() else market.caps.shape[0]
    if "amount" not in data.columns("bars"):
        if not valued.any():
            raise InsufficientDataError("bars have neither total_cap nor amount, so stocks have no size: add one of them")
        return market.caps, "cap"
    if first == 0:
        return market.caps, "cap"
    volume = _dollar_volume(data, market)
    return np.concatenate([volume[:first], market.caps[first:]]), "cap" if valued.any() else "dollar_volume"


def _dollar_volume(data: Dataset, market: Market) -> FloatArray:
    bars = data.frame("bars", ["date", "asset", "amount"])
    amount = market.axes.block(market.axes.locate(bars), bars["amount"])
    filled, count = np.nan_to_num(amount), np.isfinite(amount).astype(np.float64)
    window = np.lib.stride_tricks.sliding_window_view
    lead = ((_VOLUME_SESSIONS - 1, 0), (0, 0))
    # summed anew for every window: a running sum would carry one absurd volume for ever
    total = window(np.pad(filled, lead), _VOLUME_SESSIONS, axis=0).sum(axis=-1)
    days = window(np.pad(count, lead), _VOLUME_SESSIONS, axis=0).sum(axis=-1)
    mean = np.divide(total, days, out=np.full(total.shape, np.nan), where=days > 0)
    return np.where(market.traded, mean, np.nan)


def _industry(data: Dataset, axes: Axes) -> tuple[IndexArray, tuple[str, ...]]:
    none = np.full(axes.shape, -1, dtype=np.int32)
    if not data.has("industries"):
        return none, ()
    known, later = industry_schemes(data)
    if not (known or later):
        return none, ()
    scheme = (known or later)[-1]
    table = data.frame("industries").filter(pl.col("scheme") == scheme)
    codes = table["code"].unique().sort()
    labels = table["code"].cast(pl.Enum(codes)).to_physical().cast(pl.Int64)
    return label_block(axes, table, labels, last_day_counts=False), tuple(codes)


def _less_mean(returns: FloatArray, labels: IndexArray, settings: GraphSettings) -> FloatArray:
    if settings.returns == "raw":
        return returns
    out = np.full(returns.shape, np.nan)
    for row, values in enumerate(returns):
        there = np.flatnonzero(np.isfinite(values))
        group = np.zeros(there.size, dtype=np.int64) if settings.returns == "market" else labels[row, there].astype(np.int64) + 1
        count = np.bincount(group)
        mean = np.bincount(group, weights=values[there]) / np.maximum(count, 1)
        rest = values[there] - mean[group]
        rest[(count[group] < 2) | ((settings.returns == "industry") & (group == 0))] = np.nan
        out[row, there] = rest
    return out
