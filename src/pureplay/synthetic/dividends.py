"""Cash dividends: a part of last year's net income, once a year, in early summer."""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.accounts import Accounts
from pureplay.synthetic.firms import Firms
from pureplay.synthetic.settings import FloatArray, IntArray

__all__ = ["dividend_table"]

PAYERS: Final = 0.82
"""More than the share that pays in a year: losses, late reports and issuers that stop take the rest."""
STOPS: Final = 0.02
"""Of the payers, every year, for good."""
PAYOUT: Final = (0.2, 0.5)
SEASON: Final = 123
"""Days from 1 May to 31 August."""
LARGEST: Final = 0.1
"""Of the first price: prices know nothing of statements, so a fallen price must not meet an old dividend."""


def dividend_table(rng: np.random.Generator, accounts: Accounts, firms: Firms, days: NDArray[np.datetime64]) -> pl.DataFrame:
    """Canonical dividends with ex dates on sessions of the sample, each after the annual report that it is paid from."""
    first, last = (int(day.astype("datetime64[Y]").astype(np.int64)) + 1970 for day in (days[0], days[-1]))
    size = (firms.issuers, last - first + 1)
    pays = (rng.random(firms.issuers) < PAYERS)[:, None] & (np.cumsum(rng.random(size) < STOPS, axis=1) == 0)
    payout = (rng.uniform(*PAYOUT, firms.issuers)[:, None] + 0.04 * rng.standard_normal(size)).clip(*PAYOUT)
    place = np.floor(rng.random(size) * SEASON).astype(np.int64)
    home = firms.homes
    parts = []
    for at, year in enumerate(range(first, last + 1)):
        session = _sessions(days, year, place[:, at])
        cash = payout[:, at] * accounts.annual("net_income", year - 1) / firms.shares[home]
        cash = np.rint(np.minimum(cash, LARGEST * firms.price[home]) * 1e4) / 1e4
        paid = pays[:, at] & (cash > 0) & (session >= 0)
        paid &= accounts.annual_publish(year - 1) < days[session]
        parts.append(_rows(firms, days, np.where(paid, session, -1), cash))
    return pl.concat(parts).sort("asset", "ex_date")


def _sessions(days: NDArray[np.datetime64], year: int, place: IntArray) -> IntArray:
    """First session of the sample on or after each drawn day of the season, the last one before where the season has none; else -1."""
    opens = np.datetime64(f"{year}-05-01")
    drawn, closes = opens + place.astype("timedelta64[D]"), np.datetime64(f"{year}-08-31")
    at = np.minimum(np.searchsorted(days, drawn), days.size - 1)
    at = np.where((days[at] > closes) & (at > 0), at - 1, at)
    fits = (drawn >= days[0]) & (drawn <= days[-1]) & (days[at] >= opens) & (days[at] <= closes)
    return np.where(fits, at, -1).astype(np.int64)


def _rows(firms: Firms, days: NDArray[np.datetime64], session: IntArray, cash: FloatArray) -> pl.DataFrame:
    """Both listings of an issuer are paid, while they are listed."""
    at = session[firms.issuer]
    asset = np.flatnonzero((at >= 0) & (firms.listed_at <= at) & (at <= firms.delisted_at))
    frame = pl.DataFrame({"asset": np.array(firms.asset)[asset], "ex_date": days[at[asset]], "cash_per_share": cash[firms.issuer[asset]]})
    return frame.with_columns(pl.col("ex_date").cast(pl.Date))
