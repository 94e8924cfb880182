"""Quantile legs: against a plain loop over dictionaries, by hand, and what a leg must never depend on."""

from dataclasses import replace
from itertools import product
from math import fsum, isfinite
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import InsufficientDataError, TableError
from pureplay.evaluate import turnover
from pureplay.evaluate.inputs import group_block, member_block
from pureplay.evaluate.portfolio.arrays import Targets
from pureplay.evaluate.portfolio.legs import leg_frame, quantile_targets
from pureplay.evaluate.portfolio.settings import PortfolioSettings
from pureplay.market import Market
from pureplay.panel import Axes, BoolArray, FloatArray, IndexArray
from pureplay.sessions import Sessions

Book = dict[int, tuple[int, dict[int, float]]]  # row -> (offset, weight by asset)
SMALL: dict[str, Any] = {"quantiles": 3, "grid_sessions": 4, "min_leg_names": 2}


def market_of(caps: FloatArray, *, first: int = 3, seed: int = 0) -> Market:
    """A market on consecutive weekdays whose ordinals start at `first`."""
    rng = np.random.default_rng(seed)
    days = np.busday_offset(np.datetime64("2020-01-01", "D"), np.arange(caps.shape[0]))
    axes = Axes(Sessions(days, np.arange(first, first + caps.shape[0]), "bars"), tuple(f"a{k:04d}" for k in range(caps.shape[1])))
    number = np.arange(caps.shape[1])
    returns = 0.05 * rng.standard_t(3, size=caps.shape).clip(-15, 15)
    return Market(axes=axes, returns=returns, caps=caps, float_caps=None, traded=np.isfinite(caps), listed_sessions=number, issuer=number)


def world(seed: int, *, sessions: int = 40, assets: int = 37) -> tuple[FloatArray, Market, IndexArray, BoolArray]:
    """Persistent scores with ties and gaps, caps with gaps, sectors that names change and lack, members that come and go."""
    rng = np.random.default_rng(seed)
    shape = (sessions, assets)
    scores = np.round(0.25 * np.cumsum(rng.normal(size=shape), axis=0) + rng.normal(size=assets), 1)
    scores[rng.random(shape) < 0.1] = np.nan
    scores[rng.random(shape) < 0.01] = np.inf
    caps = np.exp(rng.normal(size=shape)) * 1e9
    caps[rng.random(shape) < 0.1] = np.nan
    sectors = np.tile(rng.integers(0, 3, size=assets), (sessions, 1)).astype(np.int32)
    sectors[:, :2] = 3  # a sector of two names never has a leg of three quantiles
    sectors[rng.random(shape) < 0.05] = -1
    sectors[sessions // 2 :, 5:8] = 1
    return scores, market_of(caps, seed=seed), sectors, np.asarray(rng.random(shape) < 0.9)


def naive_ranks(values: dict[int, float]) -> dict[int, float]:
    """Average rank by counting."""
    return {
        i: sum(other < own for other in values.values()) + (1 + sum(other == own for other in values.values())) / 2
        for i, own in values.items()
    }


def naive_candidates(
    scores: FloatArray, caps: FloatArray, sectors: IndexArray | None, members: BoolArray | None
) -> tuple[dict[int, float], dict[int, list[int]]]:
    """Candidates of a date with what each counts, and their names by sector."""
    worth: dict[int, float] = {}
    by_sector: dict[int, list[int]] = {}
    for i in range(scores.size):
        known = isfinite(scores[i]) and isfinite(caps[i]) and caps[i] > 0
        if known and (members is None or members[i]) and (sectors is None or sectors[i] >= 0):
            worth[i] = float(caps[i])
            by_sector.setdefault(0 if sectors is None else int(sectors[i]), []).append(i)
    return worth, by_sector


def naive_legs(scores: FloatArray, names: list[int], settings: PortfolioSettings, held: dict[int, set[int]]) -> dict[int, set[int]]:
    """Both legs of one sector: those that stay, then those that enter."""
    n, size = len(names), len(names) // settings.quantiles
    if size == 0:
        return {1: set(), -1: set()}
    rank, spare = naive_ranks({i: float(scores[i]) for i in names}), int(settings.buffer * n + 1e-9)
    top, near_top = ({i for i in names if rank[i] >= n + 1 - size - wide} for wide in (0, spare))
    bottom, near_bottom = ({i for i in names if rank[i] <= size + wide} for wide in (0, spare))
    stay_long, stay_short = near_top & held[1], near_bottom & held[-1]
    return {1: stay_long | (top - stay_short), -1: stay_short | (bottom - stay_long)}


def naive_weights(worth: dict[int, float], by_sector: dict[int, list[int]], legs: dict[int, dict[int, set[int]]]) -> dict[int, float]:
    """Share of the sector among those that the leg holds, times the share of the name among those held of its sector."""
    out: dict[int, float] = {}
    for sign, by in legs.items():
        whole = fsum(worth[i] for sector, names in by.items() if names for i in by_sector[sector])
        for sector, names in by.items():
            out |= {i: sign * fsum(worth[j] for j in by_sector[sector]) / whole * worth[i] / fsum(worth[j] for j in names) for i in names}
    return out


def naive(
    scores: FloatArray, market: Market, settings: PortfolioSettings, *, sectors: IndexArray | None = None, members: BoolArray | None = None
) -> tuple[Book, dict[str, list[int]]]:
    """The rule word by word, a date after the other, with the legs last built kept by offset."""
    out: Book = {}
    few, empty = [], []
    before: dict[int, dict[int, set[int]]] = {}
    offsets = [int(each) % settings.grid_sessions for each in market.axes.sessions.ordinals]
    scored = [t for t in range(scores.shape[0]) if np.isfinite(scores[t]).any()]
    caps = market.caps if settings.weighting == "cap" else np.ones(scores.shape)
    signs = (1, -1) if settings.kind == "long_short" else (1,)
    for t, offset in enumerate(offsets):
        if settings.offset not in ("all", offset):
            continue
        if t not in scored:
            mine = [s for s in scored if offsets[s] == offset]
            empty += [t] if mine and mine[0] < t < mine[-1] else []
            continue
        worth, by_sector = naive_candidates(
            scores[t], caps[t], None if sectors is None else sectors[t], None if members is None else members[t]
        )
        cuts = {
            sector: naive_legs(scores[t], names, settings, before.get(offset, {1: set(), -1: set()})) for sector, names in by_sector.items()
        }
        legs = {sign: {sector: cut[sign] for sector, cut in cuts.items()} for sign in signs}
        held = {1: set(), -1: set()} | {sign: {i for names in by.values() for i in names} for sign, by in legs.items()}
        if min(len(held[sign]) for sign in signs) < settings.min_leg_names:
            few.append(t)
            continue
        before[offset] = held
        out[t] = (offset, naive_weights(worth, by_sector, legs))
    reasons = {"no scores": empty, f"fewer than {settings.min_leg_names} names in a leg": few}
    return out, {reason: rows for reason, rows in reasons.items() if rows}


def book_of(targets: Targets) -> Book:
    """Targets as dictionaries."""
    out = {}
    for k in range(targets.rows.size):
        part = slice(targets.starts[k], targets.starts[k + 1])
        held = dict(zip(targets.assets[part].tolist(), targets.weights[part].tolist(), strict=True))
        out[int(targets.rows[k])] = (int(targets.offsets[k]), held)
    return out


def require_same(made: Targets, book: Book, skipped: dict[str, list[int]]) -> None:
    """Targets of the form that `Targets` promises, equal to the plain ones."""
    found = book_of(made)
    assert {row: (offset, sorted(held)) for row, (offset, held) in found.items()} == {
        row: (offset, sorted(held)) for row, (offset, held) in book.items()
    }
    for row, (_, held) in book.items():
        # weights of order .1 from sums of some thirty terms: rounding stays far below 1e-13
        assert found[row][1] == pytest.approx(held, abs=1e-13)
    assert {reason: rows.tolist() for reason, rows in made.skipped.items()} == skipped
    require_form(made)


def require_form(made: Targets) -> None:
    """What the docstring of `Targets` says of any targets."""
    assert (made.rows.dtype, made.offsets.dtype, made.starts.dtype) == (np.int64,) * 3
    assert (made.assets.dtype, made.weights.dtype) == (np.int32, np.float64)
    assert (np.diff(made.rows) > 0).all()
    assert made.starts[0] == 0
    assert made.starts[-1] == made.assets.size == made.weights.size
    for k in range(made.rows.size):
        part = slice(made.starts[k], made.starts[k + 1])
        assert (np.diff(made.assets[part]) > 0).all()
        for sign in (1, -1):
            leg = made.weights[part][np.sign(made.weights[part]) == sign]
            assert leg.size == 0 or abs(leg.sum() - sign) <= 1e-12


def same(one: Targets, other: Targets) -> bool:
    """Whether two targets agree bit by bit."""
    arrays = ("rows", "offsets", "starts", "assets", "weights")
    return (
        all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in arrays)
        and one.skipped.keys() == other.skipped.keys()
        and all((one.skipped[reason] == other.skipped[reason]).all() for reason in one.skipped)
    )


@pytest.mark.parametrize(
    ("weighting", "sectored", "buffer", "membered", "kind"),
    list(product(("equal", "cap"), (False, True), (0.0, 0.1), (False, True), ("long_short", "long_only"))),
)
def test_against_a_plain_loop(weighting: Any, sectored: bool, buffer: float, membered: bool, kind: Any) -> None:
    for seed in range(3):
        scores, market, sectors, members = world(seed)
        scores[[8, 12, 13]] = np.nan  # row 12 lies on the offset of row 8: the memory outlives two gaps
        settings = PortfolioSettings(weighting=weighting, buffer=buffer, kind=kind, **{**SMALL, "min_leg_names": 7})
        blocks = {"sectors": sectors if sectored else None, "members": members if membered else None}
        book, skipped = naive(scores, market, settings, **blocks)
        assert len(book) >= 5  # the comparison is of something
        require_same(quantile_targets(scores, market, settings, **blocks), book, skipped)


@pytest.mark.parametrize(("quantiles", "buffer"), [(2, 0.45), (2, 0.1), (3, 0.4), (7, 0.29)])
@pytest.mark.parametrize("sectored", [False, True])
def test_wide_buffers_against_a_plain_loop(quantiles: int, buffer: float, sectored: bool) -> None:
    # where quantile and buffer of one end reach into the other end's quantile, a name that stays in a leg cannot enter the other
    for seed in range(3):
        scores, market, sectors, _ = world(seed)
        settings = PortfolioSettings(quantiles=quantiles, buffer=buffer, grid_sessions=4, min_leg_names=1)
        blocks = {"sectors": sectors if sectored else None}
        require_same(quantile_targets(scores, market, settings, **blocks), *naive(scores, market, settings, **blocks))


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.sampled_from([0.0, 0.07, 0.2]), st.integers(1, 5), st.integers(1, 4))
def test_any_small_world_against_a_plain_loop(seed: int, quantiles: int, buffer: float, grid: int, least: int) -> None:
    scores, market, sectors, members = world(seed, sessions=12, assets=11)
    settings = PortfolioSettings(quantiles=quantiles, buffer=buffer, grid_sessions=grid, min_leg_names=least, weighting="cap")
    book, skipped = naive(scores, market, settings, sectors=sectors, members=members)
    if book:
        require_same(quantile_targets(scores, market, settings, sectors=sectors, members=members), book, skipped)
    else:
        with pytest.raises(InsufficientDataError, match="no session is a rebalance"):
            quantile_targets(scores, market, settings, sectors=sectors, members=members)


def plain(scores: FloatArray, *, first: int = 0) -> Market:
    """A market of equal caps."""
    return market_of(np.full(scores.shape, 5.0), first=first)


ONE_BY_ONE: dict[str, Any] = {"grid_sessions": 1, "min_leg_names": 1}


def test_by_hand() -> None:
    scores = np.array([np.arange(10.0), [0, 0, 2, 3, 4, 5, 6, 8, 8, 9], [0, 1, 1, 3, 4, 5, 6, 9, 9, 9]])
    assert book_of(quantile_targets(scores, plain(scores), PortfolioSettings(**ONE_BY_ONE))) == {
        0: (0, {9: 0.5, 8: 0.5, 0: -0.5, 1: -0.5}),
        1: (0, {9: 1.0, 0: -0.5, 1: -0.5}),  # 7 and 8 have rank 8.5, outside the border of 9
        2: (0, {7: 1 / 3, 8: 1 / 3, 9: 1 / 3, 0: -1.0}),  # three names of rank 9 on it, two of rank 2.5 outside the border of 2
    }


def test_by_hand_with_caps_and_sectors() -> None:
    scores = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 9.5]])
    sectors = np.array([[0, 0, 1, 1, 1, 1, 2, -1, 0, 0]], dtype=np.int32)  # sector 2 has one name, name 7 none
    market = market_of(np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, np.nan]]))
    by_number = quantile_targets(scores, market, PortfolioSettings(quantiles=2, **ONE_BY_ONE), sectors=sectors)
    assert book_of(by_number)[0][1] == {8: 0.25, 9: 0.25, 4: 0.25, 5: 0.25, 0: -0.25, 1: -0.25, 2: -0.25, 3: -0.25}
    by_cap = quantile_targets(scores, market, PortfolioSettings(quantiles=2, weighting="cap", **ONE_BY_ONE), sectors=sectors)
    # name 9 has no cap; sector 0 is names 0, 1, 8 worth 12 with one name a half, sector 1 is names 2 to 5 worth 18
    wanted = {8: 12 / 30, 4: 18 / 30 * 5 / 11, 5: 18 / 30 * 6 / 11, 0: -12 / 30, 2: -18 / 30 * 3 / 7, 3: -18 / 30 * 4 / 7}
    assert book_of(by_cap)[0][1] == pytest.approx(wanted, abs=1e-15)


def test_the_buffer_by_hand() -> None:
    scores = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 2, 3, 4, 5, 6, 7, 9, 8, 10], [1, 2, 3, 4, 5, 6, 9, 10, 8, 7]])
    settings = PortfolioSettings(buffer=0.1, kind="long_only", **ONE_BY_ONE)
    made = book_of(quantile_targets(scores, plain(scores), settings))
    assert {row: set(held) for row, (_, held) in made.items()} == {
        0: {8, 9},
        1: {7, 8, 9},  # name 8 fell to rank 8, one below the border
        2: {6, 7, 8},  # name 9 fell to rank 7, two below
    }
    halves = replace(settings, grid_sessions=2)  # each row against the row before the last
    made = book_of(quantile_targets(scores, plain(scores), halves))
    assert {row: (offset, set(held)) for row, (offset, held) in made.items()} == {0: (0, {8, 9}), 1: (1, {7, 9}), 2: (0, {6, 7, 8})}


def test_a_buffer_counts_names_without_rounding_faults() -> None:
    # .29 × 100 is 28.999999999999996 in floating point; the buffer is 29 names
    scores = np.stack([np.arange(100.0), np.roll(np.arange(100.0), 29)])
    made = quantile_targets(scores, plain(scores), PortfolioSettings(buffer=0.29, kind="long_only", **ONE_BY_ONE))
    assert 0.29 * 100 < 29
    # the names held, 80 to 99, fall to the ranks 52 to 71, and the border of those that stay is 81 - 29 = 52
    assert set(book_of(made)[1][1]) == {*range(9, 29), *range(80, 100)}


def test_a_name_that_stays_cannot_enter_the_other_leg() -> None:
    scores = np.array([np.arange(10.0), [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]])  # names 4 and 5 change places at the middle
    halves = PortfolioSettings(quantiles=2, buffer=0.1, **ONE_BY_ONE)
    held = book_of(quantile_targets(scores, plain(scores), halves))[1][1]
    assert {i for i in held if held[i] > 0} == {5, 6, 7, 8, 9}
    moved = book_of(quantile_targets(scores, plain(scores), replace(halves, buffer=0.0)))[1][1]
    assert {i for i in moved if moved[i] > 0} == {4, 6, 7, 8, 9}


def test_legs_are_those_of_the_turnover() -> None:
    scores, market, _, _ = world(1, sessions=60)
    settings = PortfolioSettings(grid_sessions=4, min_leg_names=1)
    made = book_of(quantile_targets(scores, market, settings))
    per_offset = []
    for offset in range(4):
        changes: dict[int, list[float]] = {1: [], -1: []}
        for leg, found in changes.items():
            held: dict[int, float] = {}
            for t in range(60):
                held = {i: w * (1 + market.returns[t, i]) if market.traded[t, i] else w for i, w in held.items()}
                if t not in made or made[t][0] != offset:
                    continue
                new = {i: leg * w for i, w in made[t][1].items() if leg * w > 0}
                if held:
                    total = sum(held.values())
                    found.append(sum(abs(new.get(i, 0.0) - held.get(i, 0.0) / total) for i in {*new, *held}) / 2)
                held = new
        per_offset.append(np.mean([np.mean(each) for each in changes.values()]))
    known = turnover(scores, market.returns, market.traded, market.axes.sessions, grid_sessions=4)
    # the same sums of some thirty terms in another order
    assert np.mean(per_offset) == pytest.approx(known.per_rebalance, abs=1e-12)


@pytest.mark.parametrize("changed", ["returns", "traded", "float_caps"])
def test_the_cut_sees_neither_returns_nor_trades(changed: str) -> None:
    scores, market, sectors, members = world(4)
    settings = PortfolioSettings(weighting="cap", buffer=0.1, **SMALL)
    made = quantile_targets(scores, market, settings, sectors=sectors, members=members)
    rng = np.random.default_rng(5)
    other = (
        rng.random(scores.shape) < 0.5
        if changed == "traded"
        else np.where(rng.random(scores.shape) < 0.5, np.nan, rng.random(scores.shape))
    )
    assert same(made, quantile_targets(scores, replace(market, **{changed: other}), settings, sectors=sectors, members=members))


@given(st.integers(0, 2**32 - 1))
def test_random_returns_change_nothing(seed: int) -> None:
    scores, market, _, _ = world(seed % 7, sessions=12, assets=11)
    rng = np.random.default_rng(seed)
    returns = np.where(rng.random(scores.shape) < 0.3, np.nan, rng.standard_cauchy(scores.shape))
    settings = PortfolioSettings(buffer=0.1, **SMALL)
    assert same(quantile_targets(scores, market, settings), quantile_targets(scores, replace(market, returns=returns), settings))


def cut_off(market: Market, stop: int) -> Market:
    """The market as it was known at the close of row stop - 1."""
    dates, ordinals = market.axes.sessions.dates[:stop], market.axes.sessions.ordinals[:stop]
    return replace(
        market,
        axes=Axes(Sessions(dates, ordinals, "bars"), market.axes.assets),
        returns=market.returns[:stop],
        caps=market.caps[:stop],
        traded=market.traded[:stop],
    )


@pytest.mark.parametrize("stop", [11, 22, 23, 39])
@pytest.mark.parametrize("weighting", ["equal", "cap"])
def test_time_travel(stop: int, weighting: Any) -> None:
    scores, market, sectors, members = world(6)
    scores[[9, 21, 22]] = np.nan
    settings = PortfolioSettings(weighting=weighting, buffer=0.1, **SMALL)
    whole = quantile_targets(scores, market, settings, sectors=sectors, members=members)
    part = quantile_targets(scores[:stop], cut_off(market, stop), settings, sectors=sectors[:stop], members=members[:stop])
    count = int((whole.rows < stop).sum())
    assert count == part.rows.size > 3
    cells = whole.starts[count]
    for name, length in {"rows": count, "offsets": count, "starts": count + 1, "assets": cells, "weights": cells}.items():
        assert getattr(whole, name)[:length].tobytes() == getattr(part, name).tobytes()
    few = "fewer than 2 names in a leg"
    assert [t for t in whole.skipped.get(few, ()) if t < stop] == list(part.skipped.get(few, ()))


def test_permuting_the_assets_permutes_the_targets() -> None:
    scores, market, sectors, members = world(7)
    order = np.random.default_rng(8).permutation(scores.shape[1])
    settings = PortfolioSettings(weighting="cap", buffer=0.1, **SMALL)
    made = book_of(quantile_targets(scores, market, settings, sectors=sectors, members=members))
    moved = book_of(
        quantile_targets(
            scores[:, order], replace(market, caps=market.caps[:, order]), settings, sectors=sectors[:, order], members=members[:, order]
        )
    )
    assert moved.keys() == made.keys()
    for row, (offset, held) in moved.items():
        assert offset == made[row][0]
        # caps are summed in another order
        assert {int(order[i]): weight for i, weight in held.items()} == pytest.approx(made[row][1], rel=1e-13)


def test_scores_count_by_rank_alone() -> None:
    scores, market, sectors, _ = world(9)
    settings = PortfolioSettings(buffer=0.1, **SMALL)
    made = quantile_targets(scores, market, settings, sectors=sectors)
    assert same(made, quantile_targets(4.0 * scores + 3.0, market, settings, sectors=sectors))
    turned = book_of(quantile_targets(-scores, market, settings, sectors=sectors))
    assert turned == {row: (offset, {i: -w for i, w in held.items()}) for row, (offset, held) in book_of(made).items()}


def test_every_setting_matters() -> None:
    scores, market, sectors, members = world(2)
    base = PortfolioSettings(**SMALL)
    plain_targets = quantile_targets(scores, market, base)
    for change in (
        {"kind": "long_only"},
        {"quantiles": 4},
        {"weighting": "cap"},
        {"buffer": 0.1},
        {"min_leg_names": 12},
        {"grid_sessions": 5},
        {"offset": 2},
    ):
        assert not same(plain_targets, quantile_targets(scores, market, replace(base, **change))), change
    assert not same(plain_targets, quantile_targets(scores, market, base, sectors=sectors))
    assert not same(plain_targets, quantile_targets(scores, market, base, members=members))


def test_one_offset_is_its_part_of_all() -> None:
    scores, market, sectors, members = world(10)
    settings = PortfolioSettings(buffer=0.1, **SMALL)
    every = book_of(quantile_targets(scores, market, settings, sectors=sectors, members=members))
    for offset in range(4):
        one = quantile_targets(scores, market, replace(settings, offset=offset), sectors=sectors, members=members)
        assert book_of(one) == {row: entry for row, entry in every.items() if entry[0] == offset}
    ordinals = market.axes.sessions.ordinals
    assert all(ordinals[row] % 4 == offset for row, (offset, _) in every.items())


def test_a_gap_keeps_what_was_held() -> None:
    up = np.arange(20.0)
    fallen = up.copy()
    fallen[19] = 14.5  # from rank 20 to rank 16: inside a buffer of one name only if it was held before
    scores = np.stack([up, np.full(20, np.nan), np.where(up < 3, up, np.nan), fallen])
    settings = PortfolioSettings(buffer=0.05, quantiles=5, grid_sessions=1, min_leg_names=2)
    made = quantile_targets(scores, plain(scores), settings)
    assert made.rows.tolist() == [0, 3]
    assert 19 in book_of(made)[3][1]
    assert 19 not in book_of(quantile_targets(scores[2:], plain(scores[2:]), settings))[1][1]
    assert {reason: rows.tolist() for reason, rows in made.skipped.items()} == {"no scores": [1], "fewer than 2 names in a leg": [2]}


def test_rows_without_scores_count_between_the_ends_of_their_offset_alone() -> None:
    scores = np.tile(np.arange(10.0), (9, 1))
    scores[[0, 1, 3, 4, 8]] = np.nan  # even rows: scores on 2 and 6, odd rows: on 5 and 7
    made = quantile_targets(scores, plain(scores), PortfolioSettings(grid_sessions=2, min_leg_names=1))
    assert made.rows.tolist() == [2, 5, 6, 7]
    assert {reason: rows.tolist() for reason, rows in made.skipped.items()} == {"no scores": [4]}


def test_one_leg_too_small_is_no_rebalance_of_a_long_short_account() -> None:
    scores = np.array([[0.0, 1, 2, 3, 4, 5, 6, 9, 9, 9], [0, 0, 0, 3, 4, 5, 6, 7, 8, 9]])
    both = PortfolioSettings(grid_sessions=1, min_leg_names=3)
    with pytest.raises(InsufficientDataError, match="the smaller leg never has more than 2 of the 3 names needed"):
        quantile_targets(scores, plain(scores), both)
    made = quantile_targets(scores, plain(scores), replace(both, kind="long_only"))
    assert book_of(made) == {0: (0, {7: 1 / 3, 8: 1 / 3, 9: 1 / 3})}
    assert made.skipped["fewer than 3 names in a leg"].tolist() == [1]


def intervals(market: Market, asset: int, first: int, last: int) -> dict[str, Any]:
    """Asset and the days of two rows."""
    days = market.axes.sessions.dates.astype(object)
    return {"asset": [market.axes.assets[asset]], "start_date": [days[first]], "end_date": [days[last]]}


def test_members_count_from_their_first_to_their_last_day() -> None:
    scores = np.tile(np.arange(12.0), (9, 1))
    market = plain(scores)
    rest = pl.DataFrame({"asset": market.axes.assets[:11], "start_date": [market.axes.sessions.dates[0].astype(object)] * 11})
    best = pl.DataFrame(intervals(market, 11, 3, 6))
    members = member_block(pl.concat([rest, best], how="diagonal"), market.axes)
    made = book_of(quantile_targets(scores, market, PortfolioSettings(buffer=0.2, **ONE_BY_ONE), members=members))
    assert [row for row, (_, held) in made.items() if 11 in held] == [3, 4, 5, 6]
    assert all(10 in held for _, held in made.values())


def test_sectors_count_from_their_first_to_before_their_end() -> None:
    scores = np.tile(np.arange(12.0), (9, 1))
    market = plain(scores)
    start = market.axes.sessions.dates[0].astype(object)
    rest = pl.DataFrame({"asset": market.axes.assets[:11], "start_date": [start] * 11, "code": ["x"] * 5 + ["y"] * 6})
    best = pl.DataFrame({**intervals(market, 11, 3, 6), "code": ["x"]})
    sectors = group_block(pl.concat([rest, best], how="diagonal"), market.axes)
    made = book_of(quantile_targets(scores, market, PortfolioSettings(quantiles=3, **ONE_BY_ONE), sectors=sectors))
    assert [row for row, (_, held) in made.items() if 11 in held] == [3, 4, 5]  # the end is the first day after
    # five names of x (one a third) and six of y (two a third); with the best name six and six
    assert made[2][1] == pytest.approx({4: 5 / 11, 10: 3 / 11, 9: 3 / 11, 0: -5 / 11, 5: -3 / 11, 6: -3 / 11}, abs=1e-15)
    assert made[3][1] == pytest.approx(dict.fromkeys([4, 11, 9, 10], 0.25) | dict.fromkeys([0, 1, 5, 6], -0.25), abs=1e-15)


def test_a_buffer_lowers_turnover_of_persistent_noisy_scores() -> None:
    rng = np.random.default_rng(12)
    scores = rng.normal(size=200) + 0.3 * rng.normal(size=(41, 200))
    entered = []
    for buffer in (0.0, 0.05, 0.1, 0.2):
        made = book_of(quantile_targets(scores, plain(scores), PortfolioSettings(buffer=buffer, **ONE_BY_ONE)))
        entered.append(sum(len(set(made[t][1]) - set(made[t - 1][1])) for t in range(1, 41)))
    assert entered[0] > entered[1] > entered[2] > entered[3]
    assert entered[0] > 2 * entered[3]


def test_one_name_a_quantile() -> None:
    scores = np.tile(np.arange(5.0), (3, 1))
    made = quantile_targets(scores, plain(scores), PortfolioSettings(**ONE_BY_ONE))
    assert book_of(made)[0][1] == {4: 1.0, 0: -1.0}
    with pytest.raises(
        InsufficientDataError, match=r"3 of 3 sessions .* at most 5 scored names may be held, one name a quantile of 5, and"
    ):
        quantile_targets(scores, plain(scores), PortfolioSettings(grid_sessions=1))


def test_what_gives_no_rebalance_says_why() -> None:
    scores, market, sectors, _ = world(3)
    with pytest.raises(InsufficientDataError, match="0 of 40 sessions of the grid have scores, at most 0 scored names may be held"):
        quantile_targets(np.full_like(scores, np.nan), market, PortfolioSettings())
    with pytest.raises(InsufficientDataError, match="0 of 0 sessions of the grid"):
        quantile_targets(scores, market, PortfolioSettings(grid_sessions=100, offset=70))
    with pytest.raises(InsufficientDataError, match=r"at most \d+ scored names of one sector may be held, .* or a smaller min_leg_names"):
        quantile_targets(scores, market, PortfolioSettings(min_leg_names=30), sectors=sectors)
    with pytest.raises(
        InsufficientDataError, match="may be held, 0 names a quantile of 5, and the smaller leg never has more than 0 of the 1"
    ):
        quantile_targets(scores, market, PortfolioSettings(min_leg_names=1), sectors=np.full_like(sectors, -1))
    with pytest.raises(InsufficientDataError, match="at most 0 scored names"):
        quantile_targets(scores, market, PortfolioSettings(min_leg_names=1), members=np.zeros(scores.shape, dtype=bool))
    flat = np.zeros((3, 10))
    with pytest.raises(
        InsufficientDataError, match="2 names a quantile of 5, less those that tie across a border, and the smaller leg never"
    ):
        quantile_targets(flat, plain(flat), PortfolioSettings(**ONE_BY_ONE))


@pytest.mark.parametrize("bad", [-1.0, 0.0, np.nan])
def test_names_without_a_cap_are_no_candidates_under_cap_weights_alone(bad: float) -> None:
    scores = np.arange(10.0)[None]
    caps = np.arange(1.0, 11.0)[None]
    caps[0, 9] = bad
    settings = PortfolioSettings(weighting="cap", **ONE_BY_ONE)
    assert book_of(quantile_targets(scores, market_of(caps), settings))[0][1] == pytest.approx({8: 1.0, 0: -1.0}, abs=1e-15)
    equal = quantile_targets(scores, market_of(caps), replace(settings, weighting="equal"))
    assert set(book_of(equal)[0][1]) == {0, 1, 8, 9}


@pytest.mark.parametrize("name", ["scores", "sectors", "members"])
def test_blocks_of_another_shape_are_refused(name: str) -> None:
    scores, market, sectors, members = world(3)
    blocks = {"scores": scores, "sectors": sectors, "members": members}
    blocks[name] = blocks[name][:, 1:]
    with pytest.raises(TableError, match=rf"{name} are a block of shape \(40, 36\), but the market has \(40, 37\) sessions and assets"):
        quantile_targets(blocks["scores"], market, PortfolioSettings(), sectors=blocks["sectors"], members=blocks["members"])


def test_inputs_stay_as_they_are_and_views_serve() -> None:
    scores, market, sectors, members = world(11)
    settings = PortfolioSettings(weighting="cap", buffer=0.1, **SMALL)
    before = [each.copy() for each in (scores, sectors, members, market.caps)]
    made = quantile_targets(scores, market, settings, sectors=sectors, members=members)
    for was, now in zip(before, (scores, sectors, members, market.caps), strict=True):
        np.testing.assert_array_equal(was, now)
    fortran = [np.asfortranarray(each) for each in before]
    other = quantile_targets(fortran[0], replace(market, caps=fortran[3]), settings, sectors=fortran[1], members=fortran[2])
    assert same(made, other)


def test_the_number_of_workers_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, market, sectors, members = world(13)
    made = []
    for workers in ("1", "2", "3"):
        monkeypatch.setenv("PUREPLAY_WORKERS", workers)
        settings = PortfolioSettings(weighting="cap", buffer=0.1, **SMALL)
        made.append(quantile_targets(scores, market, settings, sectors=sectors, members=members))
    assert same(made[0], made[1])
    assert same(made[0], made[2])


def test_the_frame_of_targets() -> None:
    scores, market, _, _ = world(14)
    made = quantile_targets(scores, market, PortfolioSettings(**SMALL))
    frame = leg_frame(made, market.axes)
    assert dict(frame.schema) == {"date": pl.Date, "offset": pl.Int64, "asset": pl.String, "weight": pl.Float64}
    days = market.axes.sessions.dates.astype(object)
    rows = [
        (days[row], offset, market.axes.assets[i], weight)
        for row, (offset, held) in book_of(made).items()
        for i, weight in sorted(held.items())
    ]
    assert frame.rows() == rows
