"""Industry of the day: as it was known then, or carried back from a later reform of the scheme."""

from datetime import date
from typing import Final, Literal

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.industries import industry_schemes
from pureplay.panel import Axes, IndexArray, label_block

__all__ = ["LABELS", "SHENWAN_2021", "IndustryLabels", "coarsest_scheme", "industry_block"]

IndustryLabels = Literal["pit", "backcast"]
LABELS: Final[tuple[IndustryLabels, ...]] = ("pit", "backcast")
SHENWAN_2021: Final = date(2021, 7, 30)
"""First day of the Shenwan classification of 2021: 31 names at level 1, 28 before."""


def coarsest_scheme(data: Dataset) -> str | None:
    """Last scheme known at the start, of `pureplay.industries.industry_schemes`: the fewest distinct codes on the first session.

    None where there is no label.
    """
    known = industry_schemes(data)[0] if data.has("industries") else ()
    return known[-1] if known else None


def industry_block(
    data: Dataset, axes: Axes, scheme: str, *, mode: IndustryLabels = "pit", switch: date | None = SHENWAN_2021
) -> IndexArray:
    """Number of each stock's industry on each session, -1 where it has none; numbers follow the order of the codes.

    pit: the label that holds on the day, the one that started last where several do. backcast: from `switch` on the same; before it
    each stock carries the label that holds on `switch`, or else its first later one, so that one set of names runs throughout (what
    the source study does). A stock without a label from `switch` on has none before either. Backcast labels look ahead by
    construction: they are exempt from the time-travel test, and whatever uses them has to say so.

    Raises SettingError for a scheme that the table does not hold and for a backcast of sessions that all precede `switch`.
    """
    if mode not in LABELS:
        raise SettingError(f"industry labels must be one of {', '.join(LABELS)}, not {mode!r}")
    wanted = ["asset", "scheme", "start_date", "code", *[each for each in ("end_date",) if each in data.columns("industries")]]
    table = data.frame("industries", wanted)
    known = table["scheme"].unique().sort().to_list()
    if scheme not in known:
        raise SettingError(f"the dataset has no industry scheme {scheme!r}; it has {', '.join(known) or 'none'}: name one of them")
    held = table.filter(pl.col("scheme") == scheme)
    held = held.with_columns(label=pl.col("code").rank("dense").cast(pl.Int64) - 1)
    block = label_block(axes, held, held["label"], last_day_counts=False)
    return block if mode == "pit" else _carried_back(block, axes, held, _switch_day(axes, switch))


def _switch_day(axes: Axes, switch: date | None) -> date:
    if switch is None:
        raise SettingError("backcast labels need the day from which they are carried back: give switch=, or use pit labels")
    last = axes.sessions.dates[-1]
    if last < np.datetime64(switch):
        raise SettingError(
            f"backcast labels are those of {switch}, but the sessions end on {last}: use pit labels, or give switch= a day within them"
        )
    return switch


def _carried_back(block: IndexArray, axes: Axes, held: pl.DataFrame, switch: date) -> IndexArray:
    """The block with every session before `switch` replaced by the first label that counts from then on."""
    if "end_date" in held.columns:
        held = held.filter(pl.col("end_date").is_null() | (pl.col("end_date") > switch))
    if held.is_empty():
        raise SettingError(f"no label of the scheme holds on {switch} or starts later: use pit labels, or give another switch=")
    order = ["asset", "start_date", "label"]
    holding = held.filter(pl.col("start_date") <= switch).sort(order).unique("asset", keep="last", maintain_order=True)
    later = held.filter(pl.col("start_date") > switch).sort("asset", "start_date", -pl.col("label"))
    later = later.unique("asset", keep="first", maintain_order=True).join(holding, on="asset", how="anti")
    first = pl.concat([holding, later])
    column = axes.asset_index(first["asset"])
    label = np.full(axes.shape[1], -1, dtype=np.int32)
    label[column[column >= 0]] = first["label"].to_numpy()[column >= 0]
    block[: int(np.searchsorted(axes.sessions.dates, np.datetime64(switch)))] = label
    return block
