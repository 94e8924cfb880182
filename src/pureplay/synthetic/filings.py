"""Half-yearly reports of the true mixes: statutory, late, out-of-order and restated, with revenue that maps nowhere."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.mixes import Mixes
from pureplay.synthetic.settings import BoolArray, FloatArray, IntArray
from pureplay.synthetic.tree import Tree

__all__ = ["HISTORY", "Reports", "draw_reports", "filing_tables"]

LATE: Final = 0.02
OUT_OF_ORDER: Final = 0.02
"""Of annual reports, hence one report in a hundred."""
RESTATED: Final = 0.03
UNMAPPED: Final = 0.30
ABOVE: Final = 0.115
"""Some draws find no level-1 node outside the issuer's own branches; about a tenth of filings remain."""
HISTORY: Final = np.timedelta64(730, "D")
"""How far before its listing the reports of a new issuer reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Reports of issuers: publish dates (issuer, half-year), amounts (issuer, half-year, slot + 1) and totals, by revision."""

    period: NDArray[np.datetime64]
    publish: tuple[NDArray[np.datetime64], NDArray[np.datetime64]]
    amount: tuple[FloatArray, FloatArray]
    total: tuple[FloatArray, FloatArray]
    restated: BoolArray
    node: IntArray


def filing_tables(reports: Reports, tree: Tree, firms: Firms, days: NDArray[np.datetime64]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Canonical filings and segments known by the last session; both listings of an issuer carry the same reports."""
    period = reports.period
    ends = np.append(days, days[-1])[firms.delisted_at]
    fresh = firms.listed_at >= 0
    codes = np.array([tree.code[k] for k in range(len(tree.code))])
    filings, segments = [], []
    for revision in (0, 1):
        publish = reports.publish[revision][firms.issuer]
        keep = publish <= ends[:, None]
        keep &= ~fresh[:, None] | (period[None, :] >= (firms.list_date - HISTORY)[:, None])
        if revision:
            keep &= reports.restated[firms.issuer]
        asset, half = np.nonzero(keep)
        issuer = firms.issuer[asset]
        head = {
            "asset": np.array(firms.asset)[asset],
            "period_end": period[half],
            "revision": np.full(asset.size, revision, dtype=np.int64),
            "publish_date": publish[asset, half],
        }
        filings.append(pl.DataFrame({**head, "total_revenue": reports.total[revision][issuer, half]}))
        row, slot = np.nonzero(reports.amount[revision][issuer, half] > 0)
        part = {name: column[row] for name, column in head.items()}
        part["product"] = codes[reports.node[issuer, half][row, slot]]
        part["revenue"] = reports.amount[revision][issuer, half][row, slot]
        segments.append(pl.DataFrame(part))
    return _finish_filings(filings), _finish_segments(segments)


def _finish_filings(parts: list[pl.DataFrame]) -> pl.DataFrame:
    key = ["asset", "period_end", "revision"]
    return pl.concat(parts).with_columns(pl.col("period_end", "publish_date").cast(pl.Date)).sort(key)


def _finish_segments(parts: list[pl.DataFrame]) -> pl.DataFrame:
    columns = ["asset", "period_end", "product", "revision", "kind", "publish_date", "revenue", "known_at_source"]
    said = pl.lit("product").alias("kind"), pl.lit("filed").alias("known_at_source")
    dated = pl.concat(parts).with_columns(pl.col("period_end", "publish_date").cast(pl.Date), *said)
    return dated.select(columns).sort(columns[:5])


def _periods(mixes: Mixes) -> NDArray[np.datetime64]:
    months = (mixes.first_year - 1970) * 12 + 6 * (np.arange(mixes.halves) + 1)
    begins: NDArray[np.datetime64] = months.astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(begins - np.timedelta64(1, "D"), dtype="datetime64[D]")


def draw_reports(rng: np.random.Generator, tree: Tree, mixes: Mixes) -> Reports:
    """Draw the half-yearly reports of every issuer over the years of the mixes."""
    period = _periods(mixes)
    publish, odd = _draw_dates(rng, mixes, period)
    restated = (rng.random(publish.shape) < RESTATED / (1 - LATE - OUT_OF_ORDER / 2)) & ~odd
    again = publish + _days(rng.integers(60, 240, publish.shape))
    mapped, node, unmapped = _draw_amounts(rng, tree, mixes)
    changed = np.rint(mapped * np.exp(0.12 * rng.standard_normal(mapped.shape)) * 100) / 100
    totals = [np.rint((amount.sum(axis=2) + unmapped) * 100) / 100 for amount in (mapped, changed)]
    total = (totals[0], totals[1])
    return Reports(period=period, publish=(publish, again), amount=(mapped, changed), total=total, restated=restated, node=node)


def _days(count: IntArray | FloatArray) -> NDArray[np.timedelta64]:
    return np.asarray(count).astype("timedelta64[D]")


def _draw_dates(rng: np.random.Generator, mixes: Mixes, period: NDArray[np.datetime64]) -> tuple[NDArray[np.datetime64], BoolArray]:
    shape = mixes.share.shape[:2]
    interim = np.arange(mixes.halves) % 2 == 0
    year = period.astype("datetime64[Y]")
    opens = np.where(interim, year + np.timedelta64(6, "M"), year + np.timedelta64(12, "M")).astype("datetime64[D]")
    opens = opens + _days(np.where(interim, 14, 19))
    deadline = np.where(
        interim, year.astype("datetime64[M]") + np.timedelta64(8, "M"), year.astype("datetime64[M]") + np.timedelta64(16, "M")
    )
    deadline = deadline.astype("datetime64[D]") - np.timedelta64(1, "D")
    # Most reports come in the last weeks before the deadline.
    publish = opens[None, :] + _days(np.floor(rng.beta(4.0, 1.5, shape) * ((deadline - opens).astype(np.int64) + 1)[None, :]))
    late = rng.random(shape) < LATE
    publish = np.where(late, deadline[None, :] + _days(rng.integers(1, 241, shape)), publish)
    overtaken = (rng.random(shape) < OUT_OF_ORDER) & ~interim[None, :] & ~late
    overtaken[:, -1] = False
    overtaken[:, :-1] &= ~late[:, 1:]
    after = np.roll(publish, -1, axis=1) + _days(rng.integers(3, 31, shape))
    return np.where(overtaken, after, publish), late | overtaken


def _draw_amounts(rng: np.random.Generator, tree: Tree, mixes: Mixes) -> tuple[FloatArray, IntArray, FloatArray]:
    """Cumulative amounts by slot, with a last slot for revenue above level 2; the nodes of the slots; unmapped revenue."""
    issuers, halves = mixes.share.shape[:2]
    growth = 0.07 + 0.15 * rng.standard_normal((issuers, halves // 2))
    size = np.log(1.5e9) + 1.2 * rng.standard_normal(issuers)
    yearly = np.exp(size[:, None] + np.cumsum(growth, axis=1))
    first = mixes.share[:, 0::2] * yearly[:, :, None] / 2
    second = mixes.share[:, 1::2] * yearly[:, :, None] / 2
    full = np.stack([first, first + second], axis=2).reshape(mixes.share.shape)
    lost = np.where(rng.random((issuers, halves)) < UNMAPPED, rng.uniform(0.01, 0.12, (issuers, halves)), 0.0)
    above, found = _draw_above(rng, tree, mixes)
    vague = np.where((rng.random((issuers, halves)) < ABOVE) & found, rng.uniform(0.02, 0.12, (issuers, halves)), 0.0)
    total = full.sum(axis=2)
    parts = np.concatenate([full * (1 - lost - vague)[:, :, None], (total * vague)[:, :, None]], axis=2)
    node = np.concatenate([mixes.node, above[:, :, None]], axis=2)
    return np.rint(parts * 100) / 100, node, total * lost


def _draw_above(rng: np.random.Generator, tree: Tree, mixes: Mixes) -> tuple[IntArray, BoolArray]:
    """A level-1 node of other branches than the issuer's own, since a filing must not hold a parent beside its child."""
    own = tree.top[mixes.unit]
    chosen = np.zeros(own.shape[:2], dtype=np.int64)
    found = np.zeros(own.shape[:2], dtype=np.bool_)
    offset = rng.integers(0, tree.inner_tops.size, own.shape[:2])
    for shift in range(min(6, tree.inner_tops.size)):
        candidate = tree.inner_tops[(offset + shift) % tree.inner_tops.size]
        free = ~found & (own != candidate[:, :, None]).all(axis=2)
        chosen[free], found = candidate[free], found | free
    return chosen, found
