"""The only module that reads the future: forward returns and correlations, for evaluation and never for a signal."""

import numpy as np
import numpy.typing as npt

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.correlation import PairMeasure, windowed_correlations
from pureplay.stats.jit import kernel

__all__ = ["compound_forward", "forward_correlations"]

_TILE = 64


def compound_forward(returns: FloatArray, traded: BoolArray, *, sessions: int, delay: int = 1, same_close: bool = False) -> FloatArray:
    """Return from the close of session t + delay to the close of session t + delay + sessions, filed under t.

    returns, traded: blocks (sessions, assets); returns are NaN where the stock did not trade. NaN where the stock does not trade
    at entry, or where the window passes the end of the data. After entry a missing day counts 0, so a suspended stock waits and a
    delisted one sits in cash. delay 0 enters at the very close that the signal was computed from: it must be asked for with
    `same_close=True`. Raises SettingError otherwise.
    """
    if sessions < 1:
        raise SettingError(f"sessions must be at least 1, not {sessions}: it is the length of the forward window")
    if same_close and delay != 0:
        raise SettingError(f"same_close means delay 0, but delay is {delay}: leave one of the two out")
    if delay < 1 and not same_close:
        raise SettingError(
            f"delay must be at least 1 session, not {delay}: a signal of the close cannot be traded at it; same_close=True asks for it"
        )
    out = np.full(returns.shape, np.nan)
    tiles = -(-returns.shape[1] // _TILE)
    over_blocks(lambda start, stop: _compound_tiles(returns, traded, sessions, delay, out, start * _TILE, stop * _TILE), tiles)
    return out


def forward_correlations(
    returns: FloatArray,
    rows: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    a: IndexArray,
    b: IndexArray,
    *,
    sessions: int,
    measure: PairMeasure = "shrunk",
) -> FloatArray:
    """Correlation of each pair over the `sessions` rows after its vintage, METHODS §6: rows rows[v] + 1 .. rows[v] + sessions.

    Arguments, measures and missing values are those of `stats.correlation.panel_correlations`; the row of the vintage itself does not
    count. Every pair of a vintage whose window passes the end of the data is NaN.
    """
    firsts = np.asarray(rows, dtype=np.int64) + 1
    return windowed_correlations(returns, firsts, starts, a, b, sessions=sessions, measure=measure)


@kernel
def _compound_tiles(returns: FloatArray, traded: BoolArray, window: int, delay: int, out: FloatArray, first: int, last: int) -> None:
    """Windowed products from block suffixes times block prefixes, so that a total loss leaves no trace outside its windows."""
    total, last = returns.shape[0], min(last, returns.shape[1])
    growth = np.empty(last - first)
    suffix = np.ones((window + 1, last - first))
    for block in range(0, total, window):
        growth[:] = 1.0
        for u in range(block, min(block + window, total)):
            j = u - block + 1  # the window ends at u: suffix of the block before from j on, prefix of this one up to u
            t = u - window - delay
            for i in range(first, last):
                r = returns[u, i]
                if not np.isnan(r):
                    growth[i - first] *= 1.0 + r
                if t >= 0 and traded[t + delay, i]:
                    out[t, i] = suffix[j, i - first] * growth[i - first] - 1.0
        if block + window <= total:
            suffix[window, :] = 1.0
            for j in range(window - 1, -1, -1):
                for i in range(first, last):
                    r = returns[block + j, i]
                    suffix[j, i - first] = suffix[j + 1, i - first] * (1.0 if np.isnan(r) else 1.0 + r)
