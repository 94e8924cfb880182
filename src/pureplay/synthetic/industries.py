"""Industry labels at three nested levels, taken from the main product with noise and revised every July."""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.mixes import Mixes
from pureplay.synthetic.settings import FloatArray, IntArray
from pureplay.synthetic.tree import Tree

__all__ = ["industry_table"]

MISLABELLED: Final = 0.10
RELABELLED: Final = 0.03
NEIGHBOURHOOD: Final = 4.0
"""Spread, in products, by which products wander in the order that is cut into industries: neighbours mix across branches."""
SWITCH: Final = np.datetime64("2021-07-30")
"""First day of the longer list of coarsest industries, where the market has one."""
SPLIT_IN: Final = 10
"""One in so many of the coarsest industries is made by splitting another: 28 names become 31."""


def industry_table(
    rng: np.random.Generator, tree: Tree, firms: Firms, mixes: Mixes, days: NDArray[np.datetime64], *, switch: bool = False
) -> pl.DataFrame:
    """Canonical industries in the schemes syn_l1, syn_l2 and syn_l3; each finer level nests in the coarser one.

    With `switch`, in a market that reaches 2021-07-30, syn_l1 has fewer names before that day: pairs of today's, under the first's code.
    """
    levels = _cut_levels(rng, tree)
    label, reviews = _label_products(rng, tree, mixes, days)
    label = label[firms.issuer]
    codes, dates = [level[label] for level in levels], [reviews] * 3
    if switch and days[-1] >= SWITCH:
        codes[0], dates[0] = _merge_before(codes[0], reviews, int(levels[0].max()) + 1)
    tables = [_intervals(firms, codes[k], dates[k], f"syn_l{k + 1}") for k in range(3)]
    return pl.concat(tables).sort("asset", "scheme", "start_date")


def _cut_levels(rng: np.random.Generator, tree: Tree) -> tuple[IntArray, IntArray, IntArray]:
    units, tops = tree.unit_node.size, int((tree.level == 1).sum())
    place: FloatArray = np.arange(units) + NEIGHBOURHOOD * rng.standard_normal(units)
    rank = np.argsort(np.argsort(place))
    finest = max(tops, round(units / 3))
    middle = max(tops, round(0.5 * finest))
    third = rank * finest // units
    second = third * middle // finest
    return second * tops // middle, second, third


def _label_products(
    rng: np.random.Generator, tree: Tree, mixes: Mixes, days: NDArray[np.datetime64]
) -> tuple[IntArray, NDArray[np.datetime64]]:
    """Unit that decides the label, by issuer and review; a review follows each first of July and uses the year before."""
    main = mixes.main_unit()
    issuers, halves = int(main.shape[0]), int(main.shape[1])
    years = mixes.first_year + np.arange(halves // 2)
    reviews = (years - 1970 + 1).astype("datetime64[Y]").astype("datetime64[M]") + np.timedelta64(6, "M")
    label = main[:, 1::2].copy()
    other = rng.integers(0, tree.unit_node.size, issuers)
    label = np.where((rng.random(issuers) < MISLABELLED)[:, None], other[:, None], label)
    moved, whither = rng.random(issuers) < RELABELLED, rng.integers(0, tree.unit_node.size, issuers)
    when = rng.integers(1, max(2, label.shape[1]), issuers)
    later = moved[:, None] & (np.arange(label.shape[1])[None, :] >= when[:, None])
    dates = reviews.astype("datetime64[D]")
    known = dates <= days[-1]
    return np.where(later, whither[:, None], label)[:, known], dates[known]


def _merge_before(code: IntArray, reviews: NDArray[np.datetime64], names: int) -> tuple[IntArray, NDArray[np.datetime64]]:
    """One review more, on the day of the switch; before it the second of each pair bears the code of the first."""
    merged = np.arange(names)
    second = np.linspace(1, names - 1, max(1, round(names / SPLIT_IN)) + 2)[1:-1].astype(np.int64)
    merged[second] = second - 1
    at = int(np.searchsorted(reviews, SWITCH))
    # The first review holds from listing on, so there is always one to carry on from.
    held = max(at - 1, 0)
    after = np.concatenate([code[:, held : held + 1], code[:, at:]], axis=1)
    before = merged[code[:, :at]] if at else merged[code[:, :1]]
    first = reviews[:at] if at else np.array([np.datetime64("1990-12-19")])
    return np.concatenate([before, after], axis=1), np.concatenate([first, [SWITCH], reviews[at:]])


def _intervals(firms: Firms, code: IntArray, reviews: NDArray[np.datetime64], scheme: str) -> pl.DataFrame:
    begins = np.maximum(reviews[None, :], firms.list_date[:, None])
    begins[:, 0] = firms.list_date
    # A review before listing gives way to the last one that precedes it.
    alive = np.concatenate([begins[:, 1:] > begins[:, :-1], np.ones((code.shape[0], 1), dtype=np.bool_)], axis=1)
    asset, review = np.nonzero(alive)
    frame = pl.DataFrame(
        {"asset": np.array(firms.asset)[asset], "start_date": begins[asset, review], "number": code[asset, review]}
    ).with_columns(pl.col("start_date").cast(pl.Date))
    same = (pl.col("asset") == pl.col("asset").shift(1)) & (pl.col("number") == pl.col("number").shift(1))
    kept = frame.filter(~same.fill_null(value=False))
    following = pl.col("start_date").shift(-1).over("asset")
    return kept.select(
        "asset",
        pl.lit(scheme).alias("scheme"),
        "start_date",
        following.alias("end_date"),
        pl.format("{}.{}", pl.lit(scheme[-2:].upper()), pl.col("number").cast(pl.String).str.zfill(3)).alias("code"),
        pl.format("Industry {} {}", pl.lit(scheme[-2:].upper()), pl.col("number").cast(pl.String).str.zfill(3)).alias("name"),
    )
