"""How much of a lamp is only sector: the lamps dealt out again among the pairs of one sector cell."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import InsufficientDataError
from pureplay.graph.arrays import PairPanel
from pureplay.graph.model import LIT_TERMS, design
from pureplay.panel import FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.fama_macbeth import least_squares
from pureplay.stats.given import require_whole
from pureplay.stats.jit import kernel
from pureplay.stats.noise import permutation, shuffle

__all__ = ["sector_permutation"]

_FIRST: Final = 2  # terms before those that are dealt out: intercept and trailing
_BITS: Final = ((np.arange(2 ** len(LIT_TERMS))[:, None] >> np.arange(len(LIT_TERMS))) & 1).astype(np.float64)
_EQUAL: Final = 1e-10  # coefficients nearer than that differ by rounding


def sector_permutation(
    panel: PairPanel, vintages: npt.NDArray[np.int64], *, draws: int, seed: int, pairs: int | None = None
) -> pl.DataFrame:
    """Coefficients of the plain model against those with lamps permuted among pairs of one vintage, sector pair and news flag.

    A pair hands on all its lamps together: product_peer, the four lamps and dark. Pairs without a sector form a cell of their own. What a
    permuted lamp still earns is owed to the sectors (and to the news) it is common in. pairs: of each vintage that take part, drawn by the
    seed; None = all. Pairs are those of `forecast.fit`; a draw depends on seed, number of the draw, day of the vintage and cell only.

    Columns: term; coefficient: mean over vintages as it is, on the pairs that take part; permuted_mean, permuted_sd (ddof 1, null for one
    draw): of the mean coefficient over the draws; p: share of the draws, the figure itself counted as one, (k + 1) / (draws + 1), at least
    as far from permuted_mean as the coefficient. Null for a term that could not be estimated. Raises InsufficientDataError where no
    vintage has a regression.

    Permuting changes only the products of lamps with trailing and forward, so a draw costs two sums over the pairs and a small system.
    """
    require_whole(draws, "draws", 1)
    require_whole(seed, "seed", 0)
    if pairs is not None:
        require_whole(pairs, "pairs", 1)
    found = np.full((len(vintages), draws + 1, len(LIT_TERMS)), np.nan)

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            found[k] = _vintage(panel, int(vintages[k]), draws, seed, pairs)

    over_blocks(work, len(vintages), uses_blas=True)
    if not np.isfinite(found).any():
        raise InsufficientDataError(f"none of the {len(vintages)} vintages has enough pairs for a regression with lamps: give more data")
    return _frame(found, draws)


def _vintage(panel: PairPanel, number: int, draws: int, seed: int, pairs: int | None) -> FloatArray:
    """Coefficients (1 + draws, lit terms) of a vintage: as it is, then permuted; NaN where it has no regression."""
    part = panel.vintage(number)
    day = int(panel.dates[number].astype("datetime64[D]").astype(np.int64))
    usable = panel.lamps.mapped[part] & np.isfinite(panel.trailing[part]) & np.isfinite(panel.forward[part])
    taken = part.start + np.flatnonzero(usable)
    if pairs is not None and taken.size > pairs:
        taken = taken[np.sort(permutation(seed, -1, day, taken.size)[:pairs])]
    if taken.size <= _FIRST + len(LIT_TERMS):
        return np.full((draws + 1, len(LIT_TERMS)), np.nan)
    cell = (panel.sector[taken].astype(np.int64) + 1) * 2 + panel.news[taken]
    taken, cell = taken[order := np.argsort(cell, kind="stable")], cell[order]
    codes, begin = np.unique(cell, return_index=True)
    _, x = design(panel, variant="plain", where=taken)
    y = panel.forward[taken]
    lit = (x[:, _FIRST:] @ 2.0 ** np.arange(len(LIT_TERMS))).astype(np.uint8)
    sums = np.zeros((draws, _BITS.shape[0], 2))
    _permuted_sums(lit, np.ascontiguousarray(x[:, 1]), y, np.append(begin, taken.size), codes, seed, day, sums)
    gram, moment = x.T @ x, x.T @ y
    out = [least_squares(gram, moment)]
    for each in np.einsum("dpk,pl->dkl", sums, _BITS):
        gram[1, _FIRST:] = gram[_FIRST:, 1] = each[0]
        moment[_FIRST:] = each[1]
        out.append(least_squares(gram, moment))
    return np.array(out)[:, _FIRST:]


@kernel
def _permuted_sums(
    lit: npt.NDArray[np.uint8],
    trailing: FloatArray,
    forward: FloatArray,
    begin: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
    seed: int,
    day: int,
    sums: FloatArray,
) -> None:
    """Sums of trailing and forward by the set of lamps that each draw deals to a pair: (draws, sets, 2)."""
    dealt = np.empty_like(lit)
    for draw in range(sums.shape[0]):
        dealt[:] = lit
        for c in range(codes.size):
            shuffle(dealt[begin[c] : begin[c + 1]], seed, (draw << 32) + codes[c], day)
        for k in range(lit.size):
            sums[draw, dealt[k], 0] += trailing[k]
            sums[draw, dealt[k], 1] += forward[k]


def _frame(found: FloatArray, draws: int) -> pl.DataFrame:
    there = np.isfinite(found)
    count = there.sum(axis=0)
    means = np.divide(np.where(there, found, 0.0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)
    own, permuted = means[0], means[1:]
    centre = permuted.mean(axis=0)
    beyond = np.sum(np.abs(permuted - centre) >= np.abs(own - centre) - _EQUAL, axis=0)
    columns = {
        "coefficient": own,
        "permuted_mean": centre,
        "permuted_sd": permuted.std(axis=0, ddof=1) if draws > 1 else np.full(own.shape, np.nan),
        "p": np.where(np.isfinite(own - centre), (beyond + 1) / (draws + 1), np.nan),
    }
    return pl.DataFrame({"term": list(LIT_TERMS), **columns}).with_columns(pl.col(*columns).fill_nan(None))
