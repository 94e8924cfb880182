"""The market as blocks: what traded, what it returned, what it was worth, who issued it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import TableError
from pureplay.panel import Axes, BoolArray, FloatArray
from pureplay.sessions import sessions_between

__all__ = ["Market", "load_market"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Blocks of shape (sessions, assets).

    returns: total simple return, NaN where the stock did not trade. caps: total market value at the close in CNY, NaN where the
    stock did not trade: values are never carried over a suspension. float_caps: free float likewise, None where bars lack it.
    traded: a bar with volume above 0 (with a return, where volume is unknown). listed_sessions: per asset, what to add to a
    session's index to count the sessions since its listing day, which is session 1. issuer: number of the issuer of each asset.
    """

    axes: Axes
    returns: FloatArray
    caps: FloatArray
    float_caps: FloatArray | None
    traded: BoolArray
    listed_sessions: npt.NDArray[np.int64]
    issuer: npt.NDArray[np.int64]

    def seasoned(self, sessions: int) -> BoolArray:
        """Where a stock has been listed for at least `sessions` sessions, its first trading day being session 1."""
        first = sessions - self.listed_sessions
        return np.asarray(np.arange(self.axes.shape[0], dtype=np.int64)[:, None] >= first[None, :])

    def fresh(self) -> BoolArray:
        """Where a stock traded on the session and on the one before: its return then spans one session."""
        out = self.traded.copy()
        out[0] = False
        out[1:] &= self.traded[:-1]
        return out


def load_market(data: Dataset) -> Market:
    """Blocks of a dataset's bars (and assets, where it has them); raises TableError where bars are absent."""
    if not isinstance(data, Dataset):
        raise TableError(f"a {type(data).__name__} is not a dataset: make one with Dataset.from_frames or Dataset.open")
    wanted: list[str] = [name for name in ("date", "asset", "ret", "total_cap", "float_cap", "volume") if name in data.columns("bars")]
    bars = data.frame("bars", wanted)
    sessions = sessions_between(bars["date"].unique().to_numpy(), data.calendar)
    axes = Axes(sessions, tuple(bars["asset"].unique().cast(pl.String).sort()))
    cells = axes.locate(bars)
    returns, caps = axes.block(cells, bars["ret"]), axes.block(cells, bars["total_cap"])
    traded = np.zeros(axes.shape, dtype=bool)
    has_return = bars["ret"].is_not_null()
    trades = (bars["volume"] > 0).fill_null(has_return) if "volume" in wanted else has_return
    traded.reshape(-1)[cells[cells >= 0]] = trades.to_numpy()[cells >= 0]
    returns[~traded] = np.nan
    caps[~traded] = np.nan
    floats = axes.block(cells, bars["float_cap"]) if "float_cap" in wanted else None
    return Market(
        axes=axes,
        returns=returns,
        caps=caps,
        float_caps=floats,
        traded=traded,
        listed_sessions=_listed_before(data, axes, traded),
        issuer=_issuers(data, axes),
    )


def _listed_before(data: Dataset, axes: Axes, traded: BoolArray) -> npt.NDArray[np.int64]:
    """Number to add to a session's index so that the listing day counts 1.

    Without a list_date the first bar is session 1, and a stock that trades on the first session of the data is seasoned.
    """
    sessions, first = axes.shape[0], np.argmax(traded, axis=0).astype(np.int64)
    out = np.where(first == 0, np.int64(1) << 40, 1 - first)
    if "list_date" not in data.columns("assets"):
        return out
    known = data.frame("assets", ["asset", "list_date"]).filter(pl.col("list_date").is_not_null())
    column = axes.asset_index(known["asset"])
    days = known["list_date"].to_numpy().astype("datetime64[D]")[column >= 0]
    column = column[column >= 0]
    start = axes.sessions.first_at_or_after(days)
    before = axes.sessions.count_before_start(days)
    out[column] = np.where(before > 0, before + 1, np.where(start < sessions, 1 - start, -np.int64(sessions)))
    return out


def _issuers(data: Dataset, axes: Axes) -> npt.NDArray[np.int64]:
    own = pl.DataFrame({"asset": list(axes.assets)})
    if "issuer" not in data.columns("assets"):
        return np.arange(own.height, dtype=np.int64)
    known = own.join(data.frame("assets", ["asset", "issuer"]), on="asset", how="left", maintain_order="left")
    # an issuer's name must not collide with a code that stands for itself
    label = pl.when(pl.col("issuer").is_null()).then(pl.format("asset {}", "asset")).otherwise(pl.format("issuer {}", "issuer"))
    return known.select(label.rank("dense")).to_series().cast(pl.Int64).to_numpy()
