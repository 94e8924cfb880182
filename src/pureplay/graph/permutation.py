"""How much of a lamp is only sector: one lamp at a time dealt out again among the pairs of one sector cell."""

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
from pureplay.stats.noise import draw_last, permutation

__all__ = ["sector_permutation"]

_FIRST: Final = 2  # terms before the lit ones: intercept and trailing
_BITS: Final = ((np.arange(2 ** len(LIT_TERMS))[:, None] >> np.arange(len(LIT_TERMS))) & 1).astype(np.float64)
_DEALT: Final = LIT_TERMS[:-1]  # dark follows from news and the lamps
_EQUAL: Final = 1e-10  # coefficients nearer than that differ by rounding


def sector_permutation(
    panel: PairPanel, vintages: npt.NDArray[np.int64], *, draws: int, seed: int, pairs: int | None = None
) -> pl.DataFrame:
    """Coefficients of the plain model against those with one term permuted among pairs of one vintage, sector pair and news flag.

    One term at a time: product_peer and each of the four lamps by itself is dealt out anew while the others keep their true values, and
    the model is fitted again. What the permuted term still earns is owed to the sectors (and to the news) that it is common in; the
    coefficient less that is beyond sectors. dark is not permuted: it is what news and the lamps leave over, so it cannot move while they
    stay. Pairs without a sector form a cell of their own. pairs: of each vintage that take part, drawn by the seed; None = all. Pairs are
    those of `forecast.fit`; a draw depends on seed, number of the draw, term, and the pairs of the vintage only.

    Columns: term; coefficient: mean over vintages as it is, on the pairs that take part; permuted_mean, permuted_sd (ddof 1, null for one
    draw): of the mean coefficient over the draws; p: share of the draws, the figure itself counted as one, (k + 1) / (draws + 1), at least
    as far from permuted_mean as the coefficient. Null for a term that could not be estimated, and but for the coefficient for dark. The
    draws are independent from pair to pair and vintage to vintage; forward windows overlap and pairs share names, so p is too small.
    Raises InsufficientDataError where no vintage has a regression.

    Permuting a term changes its own row of the sums of products alone: a draw costs a sum over the pairs that it is lit for, or not lit
    for where these are fewer, and a small system.
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
    """Coefficients (1 + draws, lit terms) of a vintage: as it is, then each term when it alone is permuted; NaN without a regression."""
    part = panel.vintage(number)
    day = int(panel.dates[number].astype("datetime64[D]").astype(np.int64))
    usable = panel.lamps.mapped[part] & np.isfinite(panel.trailing[part]) & np.isfinite(panel.forward[part])
    taken = part.start + np.flatnonzero(usable)
    if pairs is not None and taken.size > pairs:
        taken = taken[np.sort(permutation(seed, -1, day, taken.size)[:pairs])]
    out = np.full((draws + 1, len(LIT_TERMS)), np.nan)
    if taken.size <= _FIRST + len(LIT_TERMS):
        return out
    cell = (panel.sector[taken].astype(np.int64) + 1) * 2 + panel.news[taken]
    taken, cell = taken[order := np.argsort(cell, kind="stable")], cell[order]
    codes, begin = np.unique(cell, return_index=True)
    _, x = design(panel, variant="plain", where=taken)
    y = panel.forward[taken]
    gram, moment = x.T @ x, x.T @ y
    out[0] = least_squares(gram, moment)[_FIRST:]
    lit = (x[:, _FIRST:] @ 2.0 ** np.arange(len(LIT_TERMS))).astype(np.uint8)
    trailing, ends = np.ascontiguousarray(x[:, 1]), np.append(begin, taken.size)
    for k in range(len(_DEALT)):
        if np.isfinite(out[0, k]):
            sums = np.zeros((draws, _BITS.shape[0], 3))
            _permuted_sums(lit, k, trailing, y, ends, codes, seed, day, sums)
            total = sums.sum(axis=1)
            products = np.column_stack([total[:, :2], sums[:, :, 0] @ _BITS, total[:, 2]])
            out[1:, k] = _refitted(gram, moment, products, _FIRST + k)
    return out


def _refitted(gram: FloatArray, moment: FloatArray, sums: FloatArray, term: int) -> FloatArray:
    """Coefficient of a term in each draw. sums: of the products of the permuted term with every column as it is, and with the outcome."""
    gram, moment = gram.copy(), moment.copy()
    square = gram[term, term]  # a permuted term is lit as often
    out = np.empty(len(sums))
    for draw, each in enumerate(sums):
        gram[term] = gram[:, term] = each[:-1]
        gram[term, term], moment[term] = square, each[-1]
        out[draw] = least_squares(gram, moment)[term]
    return out


@kernel
def _permuted_sums(
    lit: npt.NDArray[np.uint8],
    term: int,
    trailing: FloatArray,
    forward: FloatArray,
    ends: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
    seed: int,
    day: int,
    sums: FloatArray,
) -> None:
    """Pairs that each draw lights, as many of each cell as are lit: number, trailing and forward by the set of their terms as they are."""
    place, whole = np.arange(lit.size), np.zeros(sums.shape[1:])
    for c in range(codes.size):
        first, last = ends[c], ends[c + 1]
        fewer = 0
        for k in range(first, last):
            fewer += (lit[k] >> term) & 1
        sign = 1.0
        if 2 * fewer > last - first:  # the unlit ones are drawn, and taken from all
            fewer, sign = last - first - fewer, -1.0
            for k in range(first, last):
                whole[lit[k], 0] += 1.0
                whole[lit[k], 1] += trailing[k]
                whole[lit[k], 2] += forward[k]
        for draw in range(sums.shape[0] if fewer else 0):
            draw_last(place[first:last], fewer, seed, ((draw << 3 | term) << 32) + codes[c], day)
            for k in range(last - fewer, last):
                j = place[k]
                sums[draw, lit[j], 0] += sign
                sums[draw, lit[j], 1] += sign * trailing[j]
                sums[draw, lit[j], 2] += sign * forward[j]
    sums += whole


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
