"""The price that a session's limits are reckoned from, also where a dividend or a share issue has moved it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.dataset import Dataset
from pureplay.panel import Axes, FloatArray
from pureplay.stats.jit import kernel

__all__ = ["Cash", "cash_dividends", "reference_ticks"]

_MOST_TICKS: Final = 4e11  # beyond it the whole-number arithmetic of limits would overflow
_MOST_CASH: Final = 0.2  # share of the price that a dividend may have been where no table states it; beyond lie share issues
_BINARY: Final = 1e-6  # of a tick: what 10 - 0.005 lacks of 9.995 in binary must not decide the rounding

NumberArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cash:
    """Cash dividends, sorted by stock and session: those of stock i are first[i] to first[i + 1]. session: first session at or after the
    ex-date; amount: CNY a share, before tax."""

    first: NumberArray
    session: NumberArray
    amount: FloatArray


def cash_dividends(data: Dataset, axes: Axes) -> Cash:
    """Cash dividends of the table `dividends` with an ex-date within the sessions; none where the dataset lacks the table."""
    column, session = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    amount = np.zeros(0)
    if data.has("dividends"):
        rows = data.frame("dividends", ["asset", "ex_date", "cash_per_share"])
        days = rows["ex_date"].to_numpy().astype("datetime64[D]")
        column, session = axes.asset_index(rows["asset"]).astype(np.int64), np.searchsorted(axes.sessions.dates, days).astype(np.int64)
        held = (column >= 0) & (days >= axes.sessions.dates[0]) & (session < axes.shape[0])
        order = np.lexsort((session[held], column[held]))
        column, session = column[held][order], session[held][order]
        amount = rows["cash_per_share"].to_numpy()[held][order]
    first = np.searchsorted(column, np.arange(axes.shape[1] + 1)).astype(np.int64)
    return Cash(first=first, session=session, amount=np.asarray(amount, dtype=np.float64))


@kernel
def reference_ticks(close: float, change: float, previous: float, cash: float, tick: float) -> tuple[int, bool]:
    """Reference price of a session in whole ticks (-1 = too large), and whether it is known exactly.

    close, change: of the session, above 0 and above -1. previous: raw close of the stock's last traded session, NaN = unknown. cash:
    dividends with an ex-date since then.

    Ordinary session (close / (1 + change) within a tick of previous, or previous unknown, and no cash): close / (1 + change).
    Ex-date of the table: previous - cash, exact where the total return (close + cash) / previous - 1, or close / (previous - cash) - 1,
    agrees with it to a tick. Otherwise shares were issued as well, or no table states the cash: with y = cash / previous, a return of
    (shares after × close + cash) / previous - 1 makes the reference close × (1 - y) / (1 + change - y), and the larger y, the nearer the
    close is to the limit on its side. So the largest plausible y is taken: the stated one, or else what the two closes leave if no share
    was issued, 0.2 at most. A close that reaches the limit so reckoned may have been at it; one that does not was not.
    """
    plain = close / (1.0 + change)
    exact, share, slack = True, 0.0, _BINARY
    reference = plain
    if cash > 0.0:
        known = previous > 0.0
        before = previous if known else (close + cash) / (1.0 + change)
        reference = before - cash
        exact = known and reference > 0.0 and min(abs(before * (1.0 + change) - close - cash), abs(plain - reference)) <= tick
        share = 0.0 if exact else cash / before
    elif previous > 0.0 and abs(np.floor(plain / tick + 0.5) - np.floor(previous / tick + 0.5)) > 1.0:
        exact, share = False, min(max(1.0 + change - close / previous, 0.0), _MOST_CASH)
    else:
        slack = 0.0
    if not exact:
        reference = close * (1.0 - share) / (1.0 + change - share) if share < min(1.0, 1.0 + change) else plain
    ticks = np.floor(reference / tick + 0.5 + slack)
    return (int(ticks) if ticks < _MOST_TICKS else -1), exact
