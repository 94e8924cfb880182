"""Index members and benchmark levels, gathered while the market is generated."""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.returns import Closes
from pureplay.synthetic.settings import FloatArray, IntArray

__all__ = ["IndexTally"]

INDICES: Final = (("syn300", 300, 0.15), ("syn500", 500, 0.25))
"""Name, members at full size and largest share of all stocks; each index continues where the one before it ends."""
BASE_LEVEL: Final = 1000.0


class IndexTally:
    """Re-forms the indices at the first session of June and December from the caps of the session before.

    Each formation is an interval of its own, with the weights of that day. A member that delists leaves after its last bar;
    a suspended member keeps its cap and returns 0.
    """

    def __init__(self, firms: Firms, days: NDArray[np.datetime64]) -> None:
        self._firms, self._days = firms, days
        months = days.astype("datetime64[M]").astype(np.int64)
        fresh = np.concatenate([[True], months[1:] != months[:-1]]) & np.isin(months % 12, (5, 11))
        fresh[0] = True
        self._forms = fresh
        self._ends = np.append(np.flatnonzero(fresh)[1:] - 1, days.size)
        self._cap = firms.shares * firms.price
        self._members: list[IntArray] = []
        self._parts: list[pl.DataFrame] = []
        self._returns: list[list[float]] = []

    def add(self, closes: Closes, ret: FloatArray) -> None:
        """Take in one chunk."""
        for row in range(ret.shape[0]):
            session = closes.first + row
            if self._forms[session]:
                self._form(session)
            here = np.where(np.isfinite(ret[row]) & closes.traded[row], ret[row], 0.0)
            weights = [self._cap[who] * (self._firms.delisted_at[who] >= session) for who in self._members]
            self._returns.append([float((w * here[who]).sum() / w.sum()) for w, who in zip(weights, self._members, strict=True)])
            self._cap = np.where(closes.traded[row], self._firms.shares * closes.close[row] / 100, self._cap)

    def _form(self, session: int) -> None:
        firms = self._firms
        able = np.flatnonzero((firms.listed_at < session) & (firms.delisted_at >= session))
        ranked = able[np.argsort(-self._cap[able], kind="stable")]
        following = int(self._ends[len(self._parts) // len(INDICES)])
        self._members, taken = [], 0
        for name, most, share in INDICES:
            size = min(most, max(3, round(share * len(firms.asset))))
            who = np.sort(ranked[taken : taken + size])
            taken += size
            self._members.append(who)
            self._parts.append(self._interval(name, who, session, following))

    def _interval(self, name: str, who: IntArray, session: int, last: int) -> pl.DataFrame:
        firms, days = self._firms, self._days
        ends = np.minimum(firms.delisted_at[who], last)
        weight = self._cap[who] / self._cap[who].sum()
        return pl.DataFrame(
            {
                "index": [name] * who.size,
                "asset": np.array(firms.asset)[who],
                "start_date": pl.Series([days[session].item()] * who.size, dtype=pl.Date),
                "end_date": pl.Series([days[at].item() if at < days.size else None for at in ends.tolist()], dtype=pl.Date),
                "weight": weight,
            }
        )

    def members(self) -> pl.DataFrame:
        """Canonical index_members."""
        return pl.concat(self._parts).sort("index", "asset", "start_date")

    def benchmarks(self) -> pl.DataFrame:
        """Canonical benchmarks; the first session's return is paid on the base level of 1000."""
        returns = np.array(self._returns)
        frames = [
            pl.DataFrame(
                {
                    "index": [name] * self._days.size,
                    "date": pl.Series(self._days.tolist(), dtype=pl.Date),
                    "close": BASE_LEVEL * np.cumprod(1 + returns[:, k]),
                    "ret": returns[:, k],
                    "is_total_return": [True] * self._days.size,
                }
            )
            for k, (name, _, _) in enumerate(INDICES)
        ]
        return pl.concat(frames).sort("index", "date")
