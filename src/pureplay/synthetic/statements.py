"""The table of statements: who published what by when, with a few reports missing."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.accounts import ITEMS, PROSPECTUS_ITEMS, Accounts
from pureplay.synthetic.filings import HISTORY
from pureplay.synthetic.firms import Firms
from pureplay.synthetic.settings import BoolArray

__all__ = ["statement_table"]


def statement_table(accounts: Accounts, firms: Firms, days: NDArray[np.datetime64]) -> pl.DataFrame:
    """Canonical statements known by the last session; both listings of an issuer carry the same."""
    ends = np.append(days, days[-1])[firms.delisted_at]
    value = accounts.value[firms.issuer]
    publish = accounts.publish[firms.issuer]
    keep = np.isfinite(value) & _stated(accounts, firms)[:, :, :, None] & (publish <= ends[:, None, None])[:, :, None, :]
    keep[:, :, :, 1] &= accounts.restated[firms.issuer][:, :, None]
    # Codes, periods, items and revisions all ascend, so the rows come in the order of the key.
    asset, period, item, revision = np.nonzero(keep)
    return pl.DataFrame(
        {
            "asset": pl.Series(firms.asset).gather(asset),
            "period_end": accounts.period[period],
            "item": pl.Series(ITEMS).gather(item),
            "revision": revision.astype(np.int64),
            "publish_date": publish[asset, period, revision],
            "value": value[keep],
        }
    ).with_columns(pl.col("period_end", "publish_date").cast(pl.Date))


def _stated(accounts: Accounts, firms: Firms) -> BoolArray:
    """Whether an asset states an item of a period at all: (asset, period, item)."""
    period = accounts.period[None, :]
    fresh = (firms.listed_at >= 0)[:, None]
    full = np.where(fresh, period >= (firms.list_date - HISTORY)[:, None], period >= accounts.opening)
    full[:, : accounts.early] = False
    annual = period.astype("datetime64[M]").astype(np.int64) % 12 == 11
    history = ~fresh & annual & ~full
    brief = np.isin(ITEMS, PROSPECTUS_ITEMS)
    stated: BoolArray = full[:, :, None] | (history[:, :, None] & brief)
    return stated & ~accounts.missing[firms.issuer][:, :, None]
