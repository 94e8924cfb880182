"""Raw segment tables made fit to add up: one kind, no parent beside its child, no amount under two names.

What cannot be mended is a fault of the whole filing: with one wrong row every other share of it would be wrong too.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["FILING", "TOTAL_TOLERANCE", "Tidy", "nearest_reported_ancestor", "parent_codes", "tidy"]

FILING: Final = ["asset", "period_end", "revision"]
TOTAL_TOLERANCE: Final = 1e-3
"""Relative excess of mapped over total revenue that still counts as rounding."""

_LONGEST_PATH: Final = 64


@dataclass(frozen=True, slots=True)
class Tidy:
    """Segment lines that add up.

    lines: asset, period_end, revision, publish_date, product, revenue, total — every line of a sound filing. total is the
    filing's total revenue, or the sum of its lines where no filings table gives one.
    dropped: the source rows that were left out or reduced, with `rule` and the `kept` amount.
    faults: asset, period_end, revision, rule — filings that cannot be used.
    """

    lines: pl.DataFrame
    dropped: pl.DataFrame
    faults: pl.DataFrame


def tidy(segments: pl.DataFrame, filings: pl.DataFrame | None, taxonomy: pl.DataFrame) -> Tidy:
    """Resolve kinds, parents beside children and repeated amounts; find filings whose amounts cannot be right.

    segments, filings, taxonomy: conformed tables. A parent's amount includes its reported children, so only the remainder
    stays with the parent; where the children exceed it, the finer lines win. Equal amounts under two names are merged only in
    filings that would otherwise exceed their total. The publish date is the latest that any row of the filing carries.
    """
    product = segments.filter(pl.col("kind") == "product")
    dropped = [segments.filter(pl.col("kind") != "product").with_columns(kept=pl.lit(0.0), rule=pl.lit("other_kind"))]
    product, reduced = _without_parents(product, taxonomy)
    dropped.append(reduced)
    product = _with_total(product, filings)
    product, repeated = _without_repeats(product)
    dropped.append(repeated)
    lines = product.with_columns(_mapped=pl.col("revenue").sum().over(FILING))
    total = pl.max_horizontal(pl.col("total").fill_null(pl.col("_mapped")), "_mapped")
    lines = lines.with_columns(_rule=_fault()).with_columns(total=total)
    faults = lines.filter(pl.col("_rule").is_not_null()).select(*FILING, rule="_rule").unique(FILING, maintain_order=True)
    sound = lines.filter(pl.col("_rule").is_null())
    columns = [*FILING, "publish_date", "product", "revenue", "total"]
    return Tidy(sound.select(columns).sort([*FILING, "product"]), pl.concat(dropped, how="diagonal"), faults)


def _fault() -> pl.Expr:
    total, mapped = pl.col("total"), pl.col("_mapped")
    return (
        pl.when(total.is_not_null() & (mapped > total * (1 + TOTAL_TOLERANCE)))
        .then(pl.lit("mapped_above_total"))
        .when(total.fill_null(mapped) <= 0)
        .then(pl.lit("no_revenue"))
        .otherwise(None)
    )


def _with_total(product: pl.DataFrame, filings: pl.DataFrame | None) -> pl.DataFrame:
    latest = product.with_columns(publish_date=pl.col("publish_date").max().over(FILING))
    if filings is None:
        return latest.with_columns(total=pl.lit(None, dtype=pl.Float64))
    known = filings.select(*FILING, total="total_revenue", _published="publish_date")
    joined = latest.join(known, on=FILING, how="left")
    return joined.with_columns(publish_date=pl.max_horizontal("publish_date", "_published")).drop("_published")


def _without_repeats(product: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    too_much = pl.col("revenue").sum().over(FILING) > pl.col("total") * (1 + TOTAL_TOLERANCE)
    again = pl.int_range(pl.len()).over([*FILING, "revenue"]) > 0
    marked = product.sort([*FILING, "product"]).with_columns(_again=(too_much & again & (pl.col("revenue") > 0)).fill_null(False))
    repeated = marked.filter("_again").drop("_again", "total").with_columns(kept=pl.lit(0.0), rule=pl.lit("same_amount_two_names"))
    return marked.filter(~pl.col("_again")).drop("_again"), repeated


def _without_parents(product: pl.DataFrame, taxonomy: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    parents, codes = parent_codes(taxonomy, product["product"])
    filing = product.select(pl.struct(FILING).rank("dense")).to_series().cast(pl.Int64).to_numpy()
    above = nearest_reported_ancestor(filing, codes, parents)
    amounts = product["revenue"].to_numpy()
    children = _amounts_below(amounts, above)
    is_parent = np.zeros(product.height, dtype=bool)
    is_parent[above[above >= 0]] = True
    if not is_parent.any():
        return product, product.clear().with_columns(kept=pl.lit(0.0), rule=pl.lit(""))
    rest = amounts - children
    kept = np.where(rest > TOTAL_TOLERANCE * amounts, rest, 0.0)
    rule = np.where(rest < -TOTAL_TOLERANCE * amounts, "children_exceed_parent", "parent_of_reported_children")
    marked = product.with_columns(kept=pl.Series(np.where(is_parent, kept, amounts)), rule=pl.Series(rule), _parent=pl.Series(is_parent))
    clean = marked.filter(~pl.col("_parent") | (pl.col("kept") > 0)).with_columns(revenue="kept").drop("kept", "rule", "_parent")
    return clean, marked.filter("_parent").drop("_parent")


def _amounts_below(amounts: npt.NDArray[np.float64], above: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """What the reported nodes right below each row bring: their own amount, or what is below them where that is more."""
    has = above >= 0
    below = np.zeros(amounts.size)
    for _ in range(_LONGEST_PATH):
        before, below = below, np.zeros(amounts.size)
        np.add.at(below, above[has], np.maximum(amounts, before)[has])
        if np.array_equal(below, before):
            break
    return below


def parent_codes(taxonomy: pl.DataFrame, products: pl.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Parent of each taxonomy row as a row number (-1 at the top), and the row number of each product (-1 if unknown)."""
    nodes = pl.Enum(taxonomy["product"].to_list())
    parents = taxonomy["parent"].cast(nodes, strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    codes = products.cast(nodes, strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    return parents, codes


def nearest_reported_ancestor(
    filing: npt.NDArray[np.int64], codes: npt.NDArray[np.int64], parents: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Row of the closest ancestor that the same filing also reports, -1 where there is none.

    filing: number of the filing of each row. codes: taxonomy row of its product, -1 = none. parents: parent row of each node.
    """
    width = parents.size + 1
    keys = filing * width + codes
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    out = np.full(codes.size, -1, dtype=np.int64)
    up = np.where(codes >= 0, parents[codes], -1) if parents.size else np.full(codes.size, -1)
    for _ in range(_LONGEST_PATH):
        open_rows = np.flatnonzero((up >= 0) & (out < 0))
        if open_rows.size == 0:
            break
        wanted = filing[open_rows] * width + up[open_rows]
        place = np.minimum(np.searchsorted(ordered, wanted), ordered.size - 1)
        hit = ordered[place] == wanted
        out[open_rows[hit]] = order[place[hit]]
        up[open_rows] = parents[up[open_rows]]
    return out
