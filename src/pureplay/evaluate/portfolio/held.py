"""The names of an account, in order, and the holdings written down from them (kernels)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pureplay.evaluate.portfolio.arrays import AssetArray, RowArray
from pureplay.panel import FloatArray
from pureplay.stats.jit import kernel

PlaceArray = npt.NDArray[np.uint32]  # an index without a sign needs no check for one

__all__ = ["Log", "Names", "add_up", "grow_names", "merge_names", "new_log", "new_names", "tidy_names", "write_log"]


class Names(NamedTuple):
    """Names held, or wanted and not yet bought, ascending.

    weight: wanted. order: unfilled, as in `Fill`. payout, paid: what it was paid out today, and
    how (0 = it was not).
    """

    asset: PlaceArray
    value: FloatArray
    weight: FloatArray
    order: RowArray
    trade: FloatArray
    cost: FloatArray
    payout: FloatArray
    paid: RowArray


class Log(NamedTuple):
    """`Holdings` while they grow: the first used[0] rows are written."""

    row: RowArray
    asset: AssetArray
    value: FloatArray
    trade: FloatArray
    cost: FloatArray
    payout: FloatArray
    used: RowArray


@kernel
def merge_names(names: Names, size: int, spare: Names, assets: AssetArray, weights: FloatArray) -> int:
    """Put the wanted names into the list, in order; earlier wishes and orders end."""
    for j in range(size):
        names.weight[j], names.order[j] = 0.0, 0
    a, b, n = 0, 0, 0
    while a < size or b < assets.size:
        if a < size and (b == assets.size or names.asset[a] <= assets[b]):
            _copy(names, a, spare, n)
            if b < assets.size and names.asset[a] == assets[b]:
                spare.weight[n] = weights[b]
                b += 1
            a += 1
        else:
            _blank(spare, n, assets[b], weights[b])
            b += 1
        if spare.weight[n] != 0.0 or spare.value[n] != 0.0 or spare.paid[n] > 0:
            n += 1
    return n


@kernel
def tidy_names(names: Names, size: int) -> int:
    """Forget the trades of the session and drop the names that are neither held nor on order."""
    n = 0
    for j in range(size):
        if names.value[j] != 0.0 or names.order[j] != 0:
            if n < j:
                _copy(names, j, names, n)
            names.trade[n], names.cost[n], names.payout[n], names.paid[n] = 0.0, 0.0, 0.0, 0
            n += 1
    return n


@kernel
def grow_names(names: Names, size: int, returns: FloatArray) -> None:
    """Let positions drift with the returns of a session; where there is none they stay."""
    for j in range(size):
        r = returns[names.asset[j]]
        names.value[j] *= 1.0 + r if r == r else 1.0


@kernel
def add_up(names: Names, size: int) -> tuple[float, float, int, int]:
    """Value of the long and of the short positions, and their numbers; four sums side by side, so that none waits for the last one."""
    value, even = names.value, size - size % 4
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(0, even, 4):
        v, w, x, y = value[j], value[j + 1], value[j + 2], value[j + 3]
        a += v if v > 0.0 else 0.0
        b += w if w > 0.0 else 0.0
        c += x if x > 0.0 else 0.0
        d += y if y > 0.0 else 0.0
        e -= v if v < 0.0 else 0.0
        f -= w if w < 0.0 else 0.0
        g -= x if x < 0.0 else 0.0
        h -= y if y < 0.0 else 0.0
    for j in range(even, size):
        a += max(value[j], 0.0)
        e -= min(value[j], 0.0)
    longs, shorts = 0, 0
    for j in range(size):
        longs += value[j] > 0.0
        shorts += value[j] < 0.0
    return (a + b) + (c + d), (e + f) + (g + h), longs, shorts


@kernel
def _copy(source: Names, j: int, target: Names, n: int) -> None:
    target.asset[n], target.value[n], target.weight[n], target.order[n] = (
        source.asset[j],
        source.value[j],
        source.weight[j],
        source.order[j],
    )
    target.trade[n], target.cost[n] = source.trade[j], source.cost[j]
    target.payout[n], target.paid[n] = source.payout[j], source.paid[j]


@kernel
def _blank(names: Names, n: int, asset: int, weight: float) -> None:
    names.asset[n], names.value[n], names.weight[n], names.order[n] = asset, 0.0, weight, 0
    names.trade[n], names.cost[n], names.payout[n], names.paid[n] = 0.0, 0.0, 0.0, 0


@kernel
def new_names(assets: int) -> Names:
    """Room for every asset."""
    return Names(
        np.zeros(assets, np.uint32),
        np.zeros(assets),
        np.zeros(assets),
        np.zeros(assets, np.int64),
        np.zeros(assets),
        np.zeros(assets),
        np.zeros(assets),
        np.zeros(assets, np.int64),
    )


@kernel
def new_log(rows: int) -> Log:
    """Room for so many rows, none written."""
    return Log(
        np.empty(rows, np.int64),
        np.empty(rows, np.int32),
        np.empty(rows),
        np.empty(rows),
        np.empty(rows),
        np.empty(rows),
        np.zeros(1, np.int64),
    )


@kernel
def write_log(log: Log, names: Names, size: int, s: int) -> Log:
    """Add the rows of a session."""
    n = log.used[0]
    if n + size > log.row.size:
        old, log = log, new_log(2 * (n + size))
        log.row[:n], log.asset[:n], log.value[:n], log.trade[:n] = old.row[:n], old.asset[:n], old.value[:n], old.trade[:n]
        log.cost[:n], log.payout[:n] = old.cost[:n], old.payout[:n]
    for j in range(size):
        if names.value[j] != 0.0 or names.trade[j] != 0.0 or names.paid[j] > 0:
            log.row[n], log.asset[n], log.value[n], log.trade[n] = s, names.asset[j], names.value[j], names.trade[j]
            log.cost[n], log.payout[n] = names.cost[j], names.payout[j]
            n += 1
    log.used[0] = n
    return log
