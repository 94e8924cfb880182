"""Bars and factor columns of one chunk, as Arrow tables."""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.returns import STYLES, Closes
from pureplay.synthetic.settings import CHUNK, FloatArray

__all__ = ["WINDOW", "BarMaker", "FactorMaker"]

WINDOW: Final = 20
MINIMUM: Final = 15
CLIP: Final = 3 * 1.4826


class _Columns:
    """Turns (session, asset) arrays into Arrow columns of the traded cells, in the order date, asset."""

    def __init__(self, firms: Firms, days: NDArray[np.datetime64]) -> None:
        self._names = pa.array(firms.asset)
        self._days = days.astype("datetime64[D]").astype(np.int32)

    def head(self, closes: Closes) -> dict[str, pa.Array]:
        row, asset = np.nonzero(closes.traded)
        dates = pa.array(self._days[closes.first + row], type=pa.int32()).cast(pa.date32())
        return {"date": dates, "asset": pa.DictionaryArray.from_arrays(pa.array(asset, type=pa.int32()), self._names)}

    @staticmethod
    def body(closes: Closes, values: FloatArray, kind: pa.DataType) -> pa.Array:
        """NaN becomes null."""
        return pa.array(values[closes.traded], type=pa.float64(), from_pandas=True).cast(kind)


class BarMaker:
    """Fills the rest of a bar around its close; carries each stock's volume from session to session."""

    def __init__(self, firms: Firms, days: NDArray[np.datetime64]) -> None:
        self._firms = firms
        self._columns = _Columns(firms, days)
        self._activity = np.zeros(len(firms.asset))

    def make(self, rng: np.random.Generator, closes: Closes, ret: FloatArray) -> pa.Table:
        """Bars of the chunk; `ret` is NaN on a stock's first bar, which has no earlier close."""
        size = closes.close.shape[0]
        shape = (CHUNK, closes.close.shape[1])
        gap, busy = rng.standard_normal(shape)[:size], rng.standard_normal(shape)[:size]
        reach, dip = rng.random(shape)[:size], rng.random(shape)[:size]
        start = _within(closes, closes.previous + 0.4 * (closes.close - closes.previous) + 0.004 * gap * closes.previous)
        high = np.maximum(_within(closes, np.maximum(start, closes.close) * (1 + 0.02 * reach**2)), np.maximum(start, closes.close))
        low = np.minimum(_within(closes, np.minimum(start, closes.close) * (1 - 0.02 * dip**2)), np.minimum(start, closes.close))
        volume = self._draw_volume(busy, closes)
        price = closes.close / 100
        values = {
            "open": start / 100,
            "high": high / 100,
            "low": low / 100,
            "close": price,
            "ret": ret,
            "volume": volume,
            "amount": np.rint(volume * (start + high + low + closes.close) / 4) / 100,
            "float_cap": self._firms.float_shares * price,
            "total_cap": self._firms.shares * price,
            "limit_up": closes.up / 100,
            "limit_down": closes.down / 100,
        }
        body = {name: self._columns.body(closes, each, pa.float64()) for name, each in values.items()}
        return pa.table({**self._columns.head(closes), **body})

    def _draw_volume(self, busy: FloatArray, closes: Closes) -> FloatArray:
        level = np.empty_like(busy)
        for row in range(busy.shape[0]):
            self._activity = 0.9 * self._activity + 0.15 * busy[row]
            level[row] = self._activity
        size = np.abs(closes.close / closes.previous - 1)
        turnover = np.exp(self._firms.turnover + level + 0.25 * busy + np.minimum(8 * size, 2.0))
        volume: FloatArray = np.maximum(np.rint(self._firms.float_shares * np.minimum(turnover, 0.6) / 100) * 100, 100.0)
        return volume


def _within(closes: Closes, cents: FloatArray) -> FloatArray:
    return np.fmax(np.fmin(np.maximum(np.rint(cents), 1.0), closes.up), closes.down)


class FactorMaker:
    """Planted exposures beside strev_20 and ivol_20, which are computed from the returns of the bars.

    Both are delivered as a risk model delivers them: clipped at median ± 3 scaled median absolute deviations and z-scored over the
    stocks that traded. Raw ones would leave the tails of own return and own volatility in whatever is made orthogonal to them.

    strev_20 = minus the sum of ln(1 + ret) of the last 20 sessions. ivol_20 = residual standard deviation (ddof 2) of ret on
    the market and an intercept, same sessions. Both need 15 returns, otherwise null. The market is the return of the stocks
    that traded on the session and on the one before it, weighted by that session's total cap; the first session has none.
    """

    def __init__(self, firms: Firms, days: NDArray[np.datetime64]) -> None:
        self._firms = firms
        self._columns = _Columns(firms, days)
        self._returns = np.full((WINDOW - 1, len(firms.asset)), np.nan)
        self._market = np.full(WINDOW - 1, np.nan)
        self._cap = np.full(len(firms.asset), np.nan)

    def make(self, closes: Closes, ret: FloatArray) -> pa.Table:
        """Factor rows of the traded cells of the chunk."""
        cap = np.where(closes.traded, self._firms.shares * closes.close / 100, np.nan)
        market = self._weigh_market(cap, ret)
        returns, joint = np.concatenate([self._returns, ret]), np.concatenate([self._market, market])
        columns = self._expose(closes)
        columns["strev_20"] = _standardise(_reversal(returns), closes.traded)
        columns["ivol_20"] = _standardise(_residual_sd(returns, joint), closes.traded)
        self._returns, self._market = returns[-(WINDOW - 1) :], joint[-(WINDOW - 1) :]
        body = {name: self._columns.body(closes, each, pa.float32()) for name, each in columns.items()}
        return pa.table({**self._columns.head(closes), **body})

    def _expose(self, closes: Closes) -> dict[str, FloatArray]:
        shape = closes.close.shape
        columns = {"size": np.log(self._firms.shares * closes.close / 100), "beta": np.broadcast_to(self._firms.beta, shape)}
        for name, row in zip(STYLES[1:], closes.exposure[1:], strict=True):
            columns[name] = np.broadcast_to(row, shape)
        return columns

    def _weigh_market(self, cap: FloatArray, ret: FloatArray) -> FloatArray:
        before = np.concatenate([self._cap[None, :], cap[:-1]])
        self._cap = cap[-1]
        weight = np.where(np.isfinite(ret) & np.isfinite(before), before, 0.0)
        total = weight.sum(axis=1)
        held = (weight * np.where(weight > 0, ret, 0.0)).sum(axis=1)
        found: FloatArray = np.divide(held, total, out=np.full(total.size, np.nan), where=total > 0)
        return found


def _standardise(values: FloatArray, traded: NDArray[np.bool_]) -> FloatArray:
    out = np.full(values.shape, np.nan)
    for row in range(values.shape[0]):
        known = traded[row] & np.isfinite(values[row])
        found = values[row, known]
        if found.size:
            middle = np.median(found)
            reach = CLIP * np.median(np.abs(found - middle))
            found = np.clip(found, middle - reach, middle + reach) if reach > 0 else found
            spread = found.std()
            out[row, known] = (found - found.mean()) / spread if spread > 0 else np.nan
    return out


def _windowed(x: FloatArray) -> FloatArray:
    """Sums over WINDOW rows; the running sum spans two chunks at most, too few rows for digits to be lost."""
    total = np.cumsum(x, axis=0)
    out: FloatArray = total[WINDOW - 1 :].copy()
    out[1:] -= total[:-WINDOW]
    return out


def _reversal(returns: FloatArray) -> FloatArray:
    known = np.isfinite(returns)
    count = _windowed(known.astype(np.float64))
    return np.where(count >= MINIMUM, -_windowed(np.where(known, np.log1p(np.where(known, returns, 0.0)), 0.0)), np.nan)


def _residual_sd(returns: FloatArray, market: FloatArray) -> FloatArray:
    known = np.isfinite(returns) & np.isfinite(market)[:, None]
    y = np.where(known, returns, 0.0)
    x = np.where(known, np.where(np.isfinite(market), market, 0.0)[:, None], 0.0)
    n = _windowed(known.astype(np.float64))
    enough = n >= MINIMUM
    n = np.where(enough, n, MINIMUM)
    sx, sy = _windowed(x), _windowed(y)
    xx, yy, xy = _windowed(x * x) - sx * sx / n, _windowed(y * y) - sy * sy / n, _windowed(x * y) - sx * sy / n
    explained = np.divide(xy * xy, xx, out=np.zeros_like(xx), where=xx > 0)
    return np.where(enough, np.sqrt(np.maximum(yy - explained, 0.0) / (n - 2)), np.nan)
