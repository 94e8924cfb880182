"""Point-in-time revenue mix: which filing speaks for a stock on a session, and the shares it reports.

Filings change rarely, so a mix is stored as filings with their shares plus one block that says which filing is active. The block is
painted filing by filing in ascending priority: latest period_end, then latest publish_date, then latest revision.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.panel import Axes, FloatArray, IndexArray, paint
from pureplay.products.taxonomy import Level, Taxonomy
from pureplay.products.trailing import trailing_year
from pureplay.segments import tidy
from pureplay.sessions import DayArray

__all__ = ["HalfYear", "Mix", "filed_lines", "industry_mix", "market_mix", "revenue_mix"]

HalfYear = Literal["as_filed", "trailing_year"]

SHARE_TOLERANCE: Final = 1e-12
"""What rounding may add to or take from a share: 10 % + 70 % is 80 %."""

_NAT: Final = np.datetime64("NaT", "D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Filings and their shares at one level.

    groups: what the shares are of (product nodes with any revenue, industries). Filing f covers entries offsets[f]:offsets[f+1] of
    `group` and
    `share` (shares of total revenue, at most 1 in sum). asset: column of each filing. active: block (sessions, assets) with the
    number of the filing in use, -1 where there is none. period_end, publish_date, eff_date: of each filing, NaT where it has none.
    first, last: positions of the sessions on which each group may be used.
    """

    groups: tuple[str, ...]
    offsets: npt.NDArray[np.int64]
    group: IndexArray
    share: FloatArray
    asset: IndexArray
    active: IndexArray
    period_end: DayArray
    publish_date: DayArray
    eff_date: DayArray
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]

    def pure(self, purity: float, *, inclusive: bool) -> npt.NDArray[np.bool_]:
        """Entries that make their stock a pure play of the group: share above `purity` (at or above it, if inclusive)."""
        return np.asarray(self.share >= purity - SHARE_TOLERANCE if inclusive else self.share > purity + SHARE_TOLERANCE)

    def dealt(self, source: npt.NDArray[np.int64]) -> "Mix":
        """The mix with histories dealt out anew: asset i gets the filings of asset source[i]. For placebos."""
        return replace(self, active=np.ascontiguousarray(self.active[:, source]))


def filed_lines(data: Dataset, *, half_year: HalfYear = "as_filed") -> pl.DataFrame:
    """Segment lines that add up, of every filing: asset, period_end, revision, publish_date, product, revenue, total.

    half_year: shares of the report as filed (cumulative half-year amounts), or of the trailing twelve months, see
    `products.trailing`. Raises TableError where the dataset lacks segments or taxonomy.
    """
    if half_year not in ("as_filed", "trailing_year"):
        raise SettingError(f"half_year must be 'as_filed' or 'trailing_year', not {half_year!r}")
    filings = data.frame("filings") if data.has("filings") else None
    lines = tidy(data.frame("segments"), filings, data.frame("taxonomy")).lines
    return trailing_year(lines) if half_year == "trailing_year" else lines


def revenue_mix(
    lines: pl.DataFrame,
    taxonomy: Taxonomy,
    axes: Axes,
    *,
    level: Level = 2,
    above: bool = False,
    buffer_days: int = 30,
    stale_months: int | None = 18,
) -> Mix:
    """Shares of revenue by product node at `level`, usable from publish_date + buffer_days until stale_months after publish_date.

    lines: as `filed_lines` gives them. above: take the level above instead, on which products fall back. Every filing stays, whatever
    the level leaves of it, so mixes of several levels built from the same lines number their filings alike. Stocks that are not on
    the axes are left out.
    """
    if buffer_days < 0:
        raise SettingError(f"buffer_days must be at least 0, not {buffer_days}: a filing cannot be used before it is published")
    if stale_months is not None and stale_months < 1:
        raise SettingError(f"stale_months must be at least 1 month, or None for never, not {stale_months}")
    column = axes.asset_index(lines["asset"])
    lines = lines.with_columns(_column=pl.Series(column)).filter(pl.col("_column") >= 0)
    expiry = pl.lit(None, dtype=pl.Date) if stale_months is None else pl.col("publish_date").dt.offset_by(f"{stale_months}mo")
    lines = lines.with_columns(eff_date=pl.col("publish_date").dt.offset_by(f"{buffer_days}d"), _expiry=expiry)
    # reports of one period side by side: they are in use at the same time, so a session reads its shares from few cache lines
    key = ["period_end", "_column", "publish_date", "revision"]
    filings = lines.select(*key, "eff_date", "_expiry").unique(key).sort(key).with_row_index("_filing")
    own, speaker = taxonomy.above(level) if above else (np.arange(len(taxonomy.products), dtype=np.int64), taxonomy.at_level(level))
    carriers = pl.DataFrame({"_own": own, "_node": speaker}).filter(pl.col("_node") >= 0)
    lines = lines.with_columns(_own=pl.Series(taxonomy.node(lines["product"]))).join(carriers, on="_own", maintain_order="left")
    entries = (
        lines.join(filings.select(*key, "_filing"), on=key)
        .group_by("_filing", "_node")
        .agg(share=pl.col("revenue").sum() / pl.col("total").first())
        .filter(pl.col("share") > 0)
        .sort("_filing", "_node")
    )
    used = entries["_node"].unique().sort()
    entries = entries.with_columns(pl.Series("_node", np.searchsorted(used.to_numpy(), entries["_node"].to_numpy())))
    first, last = taxonomy.in_force(None if above else level, axes.sessions.dates)
    groups = tuple(taxonomy.products[node] for node in used)
    return _assemble(axes, filings, entries, groups, (first[used.to_numpy()], last[used.to_numpy()]))


def _assemble(
    axes: Axes,
    filings: pl.DataFrame,
    entries: pl.DataFrame,
    groups: tuple[str, ...],
    in_force: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> Mix:
    eff = filings["eff_date"].to_numpy().astype("datetime64[D]")
    expiry = filings["_expiry"].to_numpy().astype("datetime64[D]")
    column = filings["_column"].to_numpy().astype(np.int32)
    counts = np.bincount(entries["_filing"].to_numpy(), minlength=filings.height)
    return Mix(
        groups=groups,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        group=entries["_node"].to_numpy().astype(np.int32),
        share=entries["share"].to_numpy().astype(np.float64),
        asset=column,
        active=paint(
            axes,
            column.astype(np.int64),
            axes.sessions.first_at_or_after(eff),
            axes.sessions.first_at_or_after(expiry),
            np.arange(column.size),
        ),
        period_end=filings["period_end"].to_numpy().astype("datetime64[D]"),
        publish_date=filings["publish_date"].to_numpy().astype("datetime64[D]"),
        eff_date=eff,
        first=in_force[0],
        last=in_force[1],
    )


def industry_mix(data: Dataset, axes: Axes, scheme: str | None) -> Mix:
    """Every stock wholly in its industry of the day; labels overlap → the one that started last.

    An industries table without rows, as it is before the first label, gives a mix without filings. Raises SettingError where the
    table has rows but no such scheme.
    """
    table = data.frame(
        "industries", ["asset", "scheme", "start_date", "end_date", "code"] if "end_date" in data.columns("industries") else None
    )
    known = table["scheme"].unique().sort().to_list()
    if known and scheme not in known:
        raise SettingError(f"the dataset has no industry scheme {scheme!r}; it has {', '.join(known)}")
    column = axes.asset_index(table["asset"])
    table = table.with_columns(_column=pl.Series(column)).filter(pl.col("scheme").eq_missing(pl.lit(scheme)) & (pl.col("_column") >= 0))
    end = pl.col("end_date") if "end_date" in table.columns else pl.lit(None, dtype=pl.Date)
    filings = table.select(
        "_column", period_end="start_date", publish_date="start_date", eff_date="start_date", _expiry=end, code="code"
    ).sort("_column", "eff_date", "code")
    groups = filings["code"].unique().sort()
    entries = filings.select(
        _filing=pl.int_range(pl.len(), dtype=pl.UInt32),
        _node=pl.col("code").cast(pl.Enum(groups)).to_physical().cast(pl.Int64),
        share=pl.lit(1.0),
    )
    return _assemble(axes, filings, entries, tuple(groups), _for_ever(len(groups), axes))


def market_mix(axes: Axes) -> Mix:
    """Every stock wholly in one group, the market: no product information."""
    assets = axes.shape[1]
    return Mix(
        groups=("market",),
        offsets=np.arange(assets + 1, dtype=np.int64),
        group=np.zeros(assets, dtype=np.int32),
        share=np.ones(assets),
        asset=np.arange(assets, dtype=np.int32),
        active=np.tile(np.arange(assets, dtype=np.int32), (axes.shape[0], 1)),
        period_end=np.full(assets, _NAT),
        publish_date=np.full(assets, _NAT),
        eff_date=np.full(assets, _NAT),
        first=_for_ever(1, axes)[0],
        last=_for_ever(1, axes)[1],
    )


def _for_ever(groups: int, axes: Axes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return np.zeros(groups, dtype=np.int64), np.full(groups, len(axes.sessions), dtype=np.int64)
