"""Rank correlation of what MANY bases leave of a signal, at many horizons: one pass over the data for all of them.

The bases are subsets of the columns of one base, and the same with some columns turned to noise. Per date there is one set of names,
one Gram matrix of base and signal (and one more for each seed of noise), of which the normal equations of every base are a part. One
matrix product makes all residuals; each is ranked once for all horizons whose forward returns exist for the same names.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that numba calls: loaded here, it can be held to one thread from the start

from pureplay.errors import SettingError
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.parallel import over_blocks
from pureplay.stats.crosssection import Workspace, workspace
from pureplay.stats.jit import kernel
from pureplay.stats.least_squares import center, gram_of
from pureplay.stats.noise import noise_order, shuffle
from pureplay.stats.orthogonal import (
    CONTAINED,
    FEW_NAMES,
    LEFT,
    NO_NAMES,
    OK,
    Int64Array,
    Orders,
    gather,
    names_of_date,
)
from pureplay.stats.subset_fits import correlate_ranks, fit_subsets, rank_future

__all__ = ["SubsetDays", "subset_days"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetDays:
    """Daily results of all bases: the rows of `subsets`, then those of `noise`.

    ic, reason: (bases, horizons, sessions); reason 0 where ic is a number. names: (horizons, sessions), names with a residual and a
    forward return. left: (bases, sessions), share of the signal's variance (within groups) that the base leaves, NaN where the signal
    does not vary. fitted: (sessions,), names in the regressions. The last two say nothing about forward returns.
    """

    ic: FloatArray
    names: Int64Array
    reason: Int64Array
    left: FloatArray
    fitted: Int64Array


class _Bases(NamedTuple):
    subsets: BoolArray
    seeds: Int64Array  # each once
    place: Int64Array  # (seeds, columns): when the column turns to noise
    seed_of: Int64Array  # of each base of noise: number of its seed
    turned: Int64Array  # of each base of noise: columns that have


class _Future(NamedTuple):
    """What `rank_future` writes of one date."""

    ranks: FloatArray
    square: FloatArray
    has: BoolArray
    number: Int64Array
    same_as: Int64Array


def subset_days(
    signal: FloatArray,
    base: FloatArray,
    forward: Orders,
    subsets: BoolArray,
    *,
    noise: npt.ArrayLike | None = None,
    groups: IndexArray | None = None,
    eligible: BoolArray | None = None,
    min_names: int = 30,
    first: int = 0,
    last: int | None = None,
    numbered_from: int = 0,
) -> SubsetDays:
    """Residual rank IC of every base, horizon and session of [first, last).

    signal: (sessions, assets). base: (sessions, columns, assets). subsets: (bases, columns), True = in the base; a row without any is
    the raw signal. noise: rows of (seed, count): all columns, of which the first `count` in `noise_order(seed, columns)` have their
    values permuted among the names of the date (`noise.permutation`; before groups are absorbed). groups: group number, -1 = none,
    absorbed in every base. eligible: names that may take part. numbered_from: number of the first session of the blocks in the whole
    sample, where they are a part of it: noise knows a date by its number.

    All bases of a date use the same names: eligible, in a group, finite in the signal and in EVERY column, so that figures differ by
    the base alone. A base needs max(min_names, 2 × its regressors) names with a forward return. Raises SettingError where `subsets`,
    `noise` or the range do not fit the base.
    """
    sessions, columns, assets = base.shape
    stop_at = sessions if last is None else last
    bases = _bases(subsets, noise, columns)
    if not 0 <= first <= stop_at <= sessions:
        raise SettingError(f"sessions [{first}, {stop_at}) are not within [0, {sessions}): give first and last in order, within it")
    total, horizons, length = subsets.shape[0] + bases.turned.size, forward.values.shape[0], stop_at - first
    made = SubsetDays(
        ic=np.full((total, horizons, length), np.nan),
        names=np.zeros((horizons, length), dtype=np.int64),
        reason=np.full((total, horizons, length), NO_NAMES),
        left=np.full((total, length), np.nan),
        fitted=np.zeros(length, dtype=np.int64),
    )
    group = np.empty((sessions, 0), dtype=np.int32) if groups is None else groups
    may = np.empty((sessions, 0), dtype=bool) if eligible is None else eligible
    n_groups = max(int(groups.max(initial=0)) + 1, 2) if groups is not None else 1  # 1 is no groups: more may come later
    future = (forward.values, forward.order, forward.count)
    out = (made.ic, made.names, made.reason, made.left, made.fitted)

    def block(start: int, stop: int) -> None:
        _subset_block(
            signal, base, group, n_groups, may, future, bases, min_names, workspace(assets), out, first, numbered_from, start, stop
        )

    over_blocks(block, length, uses_blas=True)
    return made


def _bases(subsets: BoolArray, noise: npt.ArrayLike | None, columns: int) -> _Bases:
    rows = np.empty((0, 2), dtype=np.int64) if noise is None else np.asarray(noise, dtype=np.int64)
    if subsets.ndim != 2 or subsets.shape[1] != columns or subsets.dtype != np.bool_:
        raise SettingError(f"subsets are {subsets.dtype} of shape {subsets.shape}: give booleans (bases, {columns}), one for each column")
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise SettingError(f"noise has the shape {rows.shape}: give rows of (seed, count)")
    wrong = rows[(rows[:, 1] < 0) | (rows[:, 1] > columns)]
    if len(wrong):
        raise SettingError(f"noise asks for {wrong[0, 1]} of {columns} columns in {len(wrong)} rows: counts go from 0 to {columns}")
    seeds, seed_of = np.unique(rows[:, 0], return_inverse=True)
    place = np.zeros((seeds.size, columns), dtype=np.int64)
    for s, seed in enumerate(seeds):
        place[s, noise_order(int(seed), columns)] = np.arange(columns)
    return _Bases(np.ascontiguousarray(subsets), seeds, place, seed_of.astype(np.int64), np.ascontiguousarray(rows[:, 1]))


@kernel
def _subset_block(
    signal: FloatArray,
    base: FloatArray,
    groups: IndexArray,
    n_groups: int,
    eligible: BoolArray,
    forward: tuple[FloatArray, IndexArray, Int64Array],
    bases: _Bases,
    min_names: int,
    scratch: Workspace,
    out: tuple[FloatArray, Int64Array, Int64Array, FloatArray, Int64Array],
    first: int,
    numbered_from: int,
    start: int,
    stop: int,
) -> None:
    ic, names, reason, left, fitted = out
    returns, order, count = forward
    columns, assets, horizons = base.shape[1], signal.shape[1], returns.shape[0]
    seeds, blended = bases.seeds.size, n_groups > 1 and bases.seeds.size > 0
    z, raw = np.empty((2 * columns + 1 if seeds else columns + 1) * assets), np.empty(columns * assets if blended else 0)
    index, label, finite = np.empty(assets, np.int32), np.zeros(assets, np.int32), np.empty(assets, np.bool_)
    ranks, has, nothing = np.empty(horizons * assets), np.empty(horizons * assets, np.bool_), np.empty((0, assets))
    room, gram = np.empty(max(bases.subsets.shape[0], bases.turned.size) * assets), np.zeros((2 * columns + 1, 2 * columns + 1))
    plain, pick = np.arange(bases.subsets.shape[0]), _pick_plain(bases)
    for at in range(start, stop):
        t = first + at
        n = names_of_date(signal[t], base[t], nothing, groups[t], eligible[t], finite, index, label)
        if n < 2:
            continue
        rows = z[: (columns + 1) * n].reshape((columns + 1, n))
        gather(signal[t], base[t], nothing, index, rows)
        values = raw[: columns * n].reshape((columns, n)) if blended else rows[:columns]  # without groups, centred ones serve as well
        if blended:
            values[:] = rows[:columns]
        flat = rows[columns].min() == rows[columns].max()
        used = center(rows, label, n_groups)
        future = _future_of_date(returns[:, t], order[:, t], count[:, t], index[:n], ranks, has)
        names[:, at], fitted[at] = future.number, n
        gram[: columns + 1, : columns + 1] = gram_of(rows)
        day = (ic[:, :, at], reason[:, :, at], left[:, at])
        _batch(rows, columns, gram, pick, plain, flat, used, min_names, future, room, scratch, day)
        for s in range(seeds):
            some = np.nonzero(bases.seed_of == s)[0]
            turned = bases.turned[some].max()
            whole = z[: (columns + 1 + turned) * n].reshape((columns + 1 + turned, n))
            _turn(values, bases.place[s], bases.seeds[s], numbered_from + t, label, n_groups, whole[columns + 1 :], blended)
            _extend(gram, whole, columns + 1)
            _batch(whole, columns, gram, _pick_noise(bases, s, some), plain.size + some, flat, used, min_names, future, room, scratch, day)


@kernel
def _future_of_date(
    returns: FloatArray, order: IndexArray, count: Int64Array, index: IndexArray, ranks: FloatArray, has: BoolArray
) -> _Future:
    horizons, n = returns.shape[0], index.size
    size = horizons * n
    made = _Future(
        ranks[:size].reshape((horizons, n)),
        np.zeros(horizons),
        has[:size].reshape((horizons, n)),
        np.zeros(horizons, np.int64),
        np.zeros(horizons, np.int64),
    )
    rank_future(returns, order, count, index, made.ranks, made.square, made.has, made.number, made.same_as)
    return made


@kernel
def _pick_plain(bases: _Bases) -> Int64Array:
    """Row of each column of the bases without noise, -1 = not in the base."""
    pick = np.empty((bases.subsets.shape[0], bases.subsets.shape[1]), np.int64)
    for b in range(pick.shape[0]):
        for c in range(pick.shape[1]):
            pick[b, c] = c if bases.subsets[b, c] else -1
    return pick


@kernel
def _pick_noise(bases: _Bases, seed: int, some: Int64Array) -> Int64Array:
    """Row of each column of some bases of noise: its own, or behind the signal that of its permuted values."""
    columns = bases.place.shape[1]
    pick = np.empty((some.size, columns), np.int64)
    for b in range(some.size):
        for c in range(columns):
            place = bases.place[seed, c]
            pick[b, c] = columns + 1 + place if place < bases.turned[some[b]] else c
    return pick


@kernel
def _turn(
    values: FloatArray, place: Int64Array, seed: int, date: int, label: IndexArray, n_groups: int, turned: FloatArray, blended: bool
) -> None:
    """Write the permuted columns in the order in which they turn to noise; means of groups change, a mean of all names does not."""
    for c in range(place.size):
        if place[c] < turned.shape[0]:
            turned[place[c]] = values[c]
            shuffle(turned[place[c]], seed, c, date)
    if blended:
        center(turned, label, n_groups)


@kernel
def _extend(gram: FloatArray, rows: FloatArray, known: int) -> None:
    """Fill in the products of the rows from number `known` on."""
    cross, size = np.dot(rows[known:], rows.T), rows.shape[0]
    gram[known:size, :size] = cross
    gram[:known, known:size] = cross[:, :known].T


@kernel
def _batch(
    rows: FloatArray,
    target: int,
    gram: FloatArray,
    pick: Int64Array,
    numbers: Int64Array,
    flat: bool,
    used_groups: int,
    min_names: int,
    future: _Future,
    room: FloatArray,
    scratch: Workspace,
    day: tuple[FloatArray, Int64Array, FloatArray],
) -> None:
    """Residuals and correlations of some bases of one date; numbers: their places in the output."""
    ic, reason, left = day
    bases, n, horizons = pick.shape[0], rows.shape[1], future.number.size
    residual, share, kept = room[: bases * n].reshape((bases, n)), np.empty(bases), np.empty(bases, np.int64)
    order, ascending, own, value = np.empty((2, n), np.int32), np.empty((2, n)), np.empty(n), np.empty(horizons)
    fit_subsets(rows, target, gram, pick, residual, share, kept)
    for b in range(bases):
        to, needed = numbers[b], max(min_names, 2 * (kept[b] + used_groups))
        left[to] = np.nan if flat else share[b]
        if flat or not share[b] > LEFT:
            reason[to] = FEW_NAMES if flat or n < needed else CONTAINED  # a fit through too few names leaves nothing either
            continue
        correlate_ranks(
            residual[b],
            future.ranks,
            future.square,
            future.has,
            future.number,
            future.same_as,
            order,
            ascending,
            own,
            scratch,
            value,
        )
        for h in range(horizons):
            m = future.number[h]
            enough = m >= needed and np.isfinite(value[h])
            ic[to, h] = value[h] if enough else np.nan
            reason[to, h] = OK if enough else (FEW_NAMES if m > 0 else NO_NAMES)
