"""Fama-MacBeth regressions of pairs: one cross-section a vintage, coefficients averaged, errors that know what pairs and windows share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.given import require_whole
from pureplay.stats.inference import ewc_test, newey_west_t
from pureplay.stats.jit import kernel

__all__ = ["Design", "FamaMacBeth", "fama_macbeth", "independent", "least_squares"]

Design = FloatArray | Callable[[int], FloatArray]
"""Columns of all entries, or a function from the number of a vintage to those of its entries, which spares holding them all."""

_COLLINEAR: Final = 1e-10  # share of a column's sum of squares that the columns before it leave; rounding leaves 1e-14


@dataclass(frozen=True, slots=True, kw_only=True)
class FamaMacBeth:
    """Coefficients of every vintage and what their means are worth.

    names: of the terms. vintages: number of each vintage. coefficients, dyadic_se: (vintages, terms), NaN where the vintage has no
    regression or the term was dropped from it. mean: over the vintages that have the term, each counting once. se, t, p: of the mean by
    the cosine test (`inference.ewc_test`), NaN where vintages are too few. newey_west_t: (terms,). observations: entries of each vintage
    with everything finite. left_out: its other entries. dropped: vintages with a regression from which a term was left out because the
    columns before it (in the order of `names`) explain it or it is 0 throughout; terms never dropped are absent. skipped: vintages that
    have entries but no more than there are terms.
    """

    names: tuple[str, ...]
    vintages: npt.NDArray[np.int64]
    coefficients: FloatArray
    dyadic_se: FloatArray
    mean: FloatArray
    se: FloatArray
    t: FloatArray
    p: FloatArray
    newey_west_t: FloatArray
    observations: npt.NDArray[np.int64]
    left_out: npt.NDArray[np.int64]
    dropped: Mapping[str, int]
    skipped: int

    @property
    def fitted(self) -> BoolArray:
        """Vintages that have a regression."""
        return np.asarray(self.observations > len(self.names))

    @property
    def mean_dyadic_se(self) -> FloatArray:
        """Mean of the within-vintage standard errors of each term, over the vintages that have one."""
        return _mean(self.dyadic_se)


def fama_macbeth(
    y: FloatArray,
    x: Design,
    starts: npt.NDArray[np.int64],
    *,
    names: Sequence[str],
    a: IndexArray | None = None,
    b: IndexArray | None = None,
    vintages: npt.NDArray[np.int64] | None = None,
    cosines: int = 4,
    lags: int = 3,
) -> FamaMacBeth:
    """Least squares of y on x in each vintage and the mean of the coefficients (Fama & MacBeth 1973).

    y: outcome of each entry. x: (entries, terms), the intercept one of them, or see `Design`. starts: vintage v holds the entries
    starts[v]:starts[v + 1]. a, b: numbers of the two names of each entry, each pair once a vintage; without them dyadic_se is NaN.
    vintages: those that take part, in order of time (default all). Entries with a value that is not finite are left out and counted. A
    term that the ones before it explain is dropped from that vintage, and the others carry its share: a lamp lit for every pair is part
    of the intercept there. cosines, lags: of the cosine and the Newey-West test of the means.

    dyadic_se: pairs that share a name may have correlated errors (Fafchamps & Gubert 2007; Aronow, Samii & Assenova 2015;
    Tabord-Meehan 2019). With scores s_p = x_p e_p the meat is sum_i S_i S_i' - sum_p s_p s_p', S_i the sum of the scores of the pairs of
    name i: every product of pairs that share a name once. No small-sample factor. The meat need not be positive semi-definite; a term
    whose variance comes out negative has NaN.

    Raises SettingError where shapes do not fit.
    """
    names, starts = tuple(names), np.asarray(starts, dtype=np.int64)
    _require_fit(y, x, starts, len(names), a, b)
    require_whole(cosines, "cosines", 1)
    require_whole(lags, "lags", 0)
    numbers = np.arange(starts.size - 1, dtype=np.int64) if vintages is None else np.asarray(vintages, dtype=np.int64)
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < starts.size - 1):
        raise SettingError(f"vintages must lie between 0 and {starts.size - 2}, not {numbers.min()} to {numbers.max()}: give their numbers")
    coefficients, dyadic = np.full((2, numbers.size, len(names)), np.nan)
    counts = np.zeros((2, numbers.size), dtype=np.int64)

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            v = int(numbers[k])
            part = slice(int(starts[v]), int(starts[v + 1]))
            ends = None if a is None or b is None else (a[part], b[part])
            coefficients[k], dyadic[k], counts[0, k] = _cross_section(y[part], _columns(x, v, part, len(names)), ends)
            counts[1, k] = part.stop - part.start - counts[0, k]

    over_blocks(work, numbers.size, uses_blas=True)
    tests = [ewc_test(column, cosines=cosines) for column in coefficients.T]
    fitted = counts[0] > len(names)
    dropped = np.isnan(coefficients[fitted]).sum(axis=0)
    return FamaMacBeth(
        names=names,
        vintages=numbers,
        coefficients=coefficients,
        dyadic_se=dyadic,
        mean=_mean(coefficients),
        se=np.array([each.se for each in tests]),
        t=np.array([each.t for each in tests]),
        p=np.array([each.p for each in tests]),
        newey_west_t=np.array([newey_west_t(column, lags=lags) for column in coefficients.T]),
        observations=counts[0],
        left_out=counts[1],
        dropped={name: int(count) for name, count in zip(names, dropped, strict=True) if count},
        skipped=int(np.sum(~fitted & (counts.sum(axis=0) > 0))),
    )


@kernel
def independent(gram: FloatArray) -> BoolArray:
    """Columns that the ones before them do not explain, from their sums of products (columns, columns): pivots of a Cholesky factor."""
    size = gram.shape[0]
    factor, kept = np.zeros((size, size)), np.zeros(size, dtype=np.bool_)
    for j in range(size):
        if not gram[j, j] > 0.0:
            continue
        left = 1.0
        for i in range(j):
            if kept[i]:
                total = gram[i, j] / np.sqrt(gram[i, i] * gram[j, j])
                for k in range(i):
                    total -= factor[i, k] * factor[j, k]
                factor[j, i] = total / factor[i, i]
                left -= factor[j, i] ** 2
        if left > _COLLINEAR:
            factor[j, j] = np.sqrt(left)
            kept[j] = True
    return kept


def least_squares(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """Coefficients from the sums of products X'X and X'y; NaN for columns that the ones before them explain."""
    kept = np.flatnonzero(independent(np.ascontiguousarray(gram)))
    out = np.full(moment.shape, np.nan)
    out[kept] = _inverse(gram, kept) @ moment[kept]
    return out


def _inverse(gram: FloatArray, kept: npt.NDArray[np.int64]) -> FloatArray:
    """Inverse over the columns kept, each brought to length 1 first."""
    part = gram[np.ix_(kept, kept)]
    length = np.sqrt(np.diag(part))
    unit = np.outer(length, length)
    return np.asarray(np.linalg.inv(part / unit) / unit)


def _cross_section(y: FloatArray, x: FloatArray, ends: tuple[IndexArray, IndexArray] | None) -> tuple[FloatArray, FloatArray, int]:
    """Coefficients and dyadic standard errors of one vintage, and how many entries it has."""
    finite = np.isfinite(y) & np.isfinite(x).all(axis=1)
    n, terms = int(finite.sum()), x.shape[1]
    nothing = np.full(terms, np.nan)
    if n <= terms:
        return nothing, nothing, n
    if n < y.size:
        y, x = y[finite], x[finite]
        ends = None if ends is None else (ends[0][finite], ends[1][finite])
    gram = np.ascontiguousarray(x.T @ x)
    kept = np.flatnonzero(independent(gram))
    x = x if kept.size == terms else x[:, kept]
    inverse = _inverse(gram, kept)
    found = inverse @ (x.T @ y)
    found += inverse @ (x.T @ (y - x @ found))  # what rounding of the sums of products cost, given back
    coefficients, errors = nothing.copy(), nothing.copy()
    coefficients[kept] = found
    if ends is not None:
        errors[kept] = _dyadic_errors(np.multiply(x, (y - x @ found)[:, None], order="C"), inverse, *ends)
    return coefficients, errors, n


def _dyadic_errors(scores: FloatArray, inverse: FloatArray, a: IndexArray, b: IndexArray) -> FloatArray:
    of_name = np.zeros((int(max(a.max(), b.max())) + 1, scores.shape[1]))
    _add_to_names(scores, np.ascontiguousarray(a, dtype=np.int32), np.ascontiguousarray(b, dtype=np.int32), of_name)
    # names of no pair are left out: how a product over names is rounded depends on their count
    of_name = of_name[np.unique(np.concatenate([a, b]))]
    variance = np.diag(inverse @ (of_name.T @ of_name - scores.T @ scores) @ inverse)
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


@kernel
def _add_to_names(scores: FloatArray, a: IndexArray, b: IndexArray, of_name: FloatArray) -> None:
    for p in range(a.size):
        for k in range(scores.shape[1]):
            of_name[a[p], k] += scores[p, k]
            of_name[b[p], k] += scores[p, k]


def _columns(x: Design, number: int, part: slice, terms: int) -> FloatArray:
    if not callable(x):
        return x[part]
    made = x(number)
    if made.shape != (part.stop - part.start, terms):
        raise SettingError(
            f"the columns of vintage {number} have shape {made.shape}, where {part.stop - part.start} entries and {terms} terms are due: "
            "give one row an entry and one column a name"
        )
    return made


def _mean(values: FloatArray) -> FloatArray:
    """Mean of each column over its finite entries."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(values.shape[1], np.nan), where=count > 0))


def _require_fit(y: FloatArray, x: Design, starts: npt.NDArray[np.int64], terms: int, a: IndexArray | None, b: IndexArray | None) -> None:
    if starts.ndim != 1 or not starts.size or starts[0] != 0 or starts[-1] != y.size or (np.diff(starts) < 0).any():
        raise SettingError(f"starts must rise from 0 to the {y.size} entries, not {starts.tolist()[:5]}…: give where each vintage begins")
    if not terms:
        raise SettingError("names is empty: a regression needs at least one term")
    if not callable(x) and x.shape != (y.size, terms):
        raise SettingError(f"x has shape {x.shape}, where {y.size} entries and {terms} names are given: give one column a name")
    if (a is None) != (b is None):
        raise SettingError("a and b name the two ends of each pair: give both, or neither for no dyadic errors")
    if a is not None and b is not None and not a.shape == b.shape == y.shape:
        raise SettingError(f"a and b have shapes {a.shape} and {b.shape}, where {y.size} entries are given: give both ends of each pair")
