"""Random pairs: cells of size decile and industry, what is left out, cells that run dry, chance, and nothing but the order of names."""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from pureplay.graph.arrays import RandomPairs
from pureplay.graph.baseline import random_pairs, size_deciles

Pair = tuple[int, int]
Label = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Firms:
    """Size, industry and eligibility of the names of a small vintage."""

    size: np.ndarray
    industry: np.ndarray
    eligible: np.ndarray

    def labels(self) -> list[Label | None]:
        """(industry, decile) of every name, decile counted name by name."""
        there = [name for name in range(self.size.size) if self.eligible[name] and np.isfinite(self.size[name])]
        out: list[Label | None] = [None] * self.size.size
        for name in there:
            smaller = sum(self.size[other] < self.size[name] for other in there)
            out[name] = (int(self.industry[name]), 10 * smaller // len(there))
        return out


def firms(names: int, *, industries: int, seed: int, eligible: float = 1.0) -> Firms:
    rng = np.random.default_rng(seed)
    industry = rng.integers(-1, industries - 1, names).astype(np.int32)
    return Firms(size=np.round(np.exp(rng.normal(size=names)), 2), industry=industry, eligible=rng.random(names) < eligible)


def ladder(names: int = 20) -> Firms:
    """One industry, sizes that rise with the column."""
    return Firms(size=np.arange(names, dtype=np.float64), industry=np.zeros(names, dtype=np.int32), eligible=np.ones(names, dtype=bool))


def columns(pairs: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def draw(of: Firms, given: list[Pair], excluded: list[Pair], rng: int | np.random.Generator = 0) -> RandomPairs:
    a, b = columns(given)
    excluded_a, excluded_b = columns(excluded)
    return random_pairs(
        a,
        b,
        excluded_a=excluded_a,
        excluded_b=excluded_b,
        size=of.size,
        industry=of.industry,
        eligible=of.eligible,
        rng=np.random.default_rng(rng),
    )


def listed(drawn: RandomPairs) -> list[Pair]:
    return list(zip(drawn.a.tolist(), drawn.b.tolist(), strict=True))


def some_pairs(of: Firms, count: int, seed: int) -> list[Pair]:
    everyone = list(combinations(range(of.size.size), 2))
    picked = np.random.default_rng(seed).choice(len(everyone), count, replace=False)
    return sorted(everyone[each] for each in picked)


def cell_of(labels: list[Label | None], pair: Pair) -> tuple[Label, Label] | None:
    one, two = labels[pair[0]], labels[pair[1]]
    return None if one is None or two is None else (min(one, two), max(one, two))


def within(labels: list[Label | None], pair: Pair, cell: tuple[Label, Label], away: int) -> bool:
    """Whether the names of a pair fit the cell in one order or the other, deciles up to `away` off."""

    def fits(name: int, label: Label) -> bool:
        own = labels[name]
        return own is not None and own[0] == label[0] and abs(own[1] - label[1]) <= away

    x, y = pair
    return (fits(x, cell[0]) and fits(y, cell[1])) or (fits(y, cell[0]) and fits(x, cell[1]))


def naive(of: Firms, given: list[Pair], excluded: list[Pair], seed: int) -> tuple[list[Pair], int, int]:
    """The draw as plain loops over all pairs: cells one after the other, each over one decile more than before."""
    labels = of.labels()
    wanted = Counter(cell for pair in given if (cell := cell_of(labels, pair)) is not None)
    names = sorted((name for name in range(len(labels)) if labels[name] is not None), key=lambda name: (labels[name], name))
    left_out = {tuple(sorted(pair)) for pair in excluded}
    chance = iter(np.random.default_rng(seed).random(wanted.total()))
    drawn: list[Pair] = []
    widened = 0
    for away in range(10):
        for cell in sorted(wanted):
            free = [pair for pair in combinations(names, 2) if within(labels, pair, cell, away) and tuple(sorted(pair)) not in left_out]
            for k in range(min(wanted[cell], len(free))):
                pick = k + int(next(chance) * (len(free) - k))
                free[k], free[pick] = free[pick], free[k]
                drawn.append((min(free[k]), max(free[k])))
                left_out.add(drawn[-1])
                wanted[cell] -= 1
                widened += away > 0
    return sorted(drawn), widened, len(given) - len(drawn)


@pytest.mark.parametrize(
    ("names", "industries", "given", "eligible", "runs_dry"),
    [(60, 2, 40, 1.0, False), (60, 3, 300, 0.9, True), (25, 4, 150, 1.0, True), (40, 12, 200, 0.8, True), (12, 1, 66, 1.0, True)],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_draw_is_that_of_plain_loops(names: int, industries: int, given: int, eligible: float, runs_dry: bool, seed: int) -> None:
    of = firms(names, industries=industries, seed=seed, eligible=eligible)
    pairs = some_pairs(of, given, seed)
    drawn = draw(of, pairs, pairs, rng=seed)
    expected, widened, short = naive(of, pairs, pairs, seed)
    assert listed(drawn) == expected
    assert (drawn.widened, drawn.short) == (widened, short)
    assert (widened + short > 0) or not runs_dry


def test_cells_are_those_of_the_given_pairs_where_there_are_candidates() -> None:
    of = firms(300, industries=3, seed=5)
    pairs = some_pairs(of, 1500, 5)
    drawn = draw(of, pairs, pairs)
    labels = of.labels()
    assert (drawn.widened, drawn.short) == (0, 0)
    assert Counter(cell_of(labels, pair) for pair in listed(drawn)) == Counter(cell_of(labels, pair) for pair in pairs)


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_new_distinct_sorted_and_of_two_eligible_names(seed: int) -> None:
    of = firms(80, industries=3, seed=seed, eligible=0.9)
    pairs = some_pairs(of, 600, seed)
    drawn = draw(of, pairs, pairs, rng=seed)
    found = listed(drawn)
    assert drawn.widened > 0
    assert found == sorted(set(found))
    assert all(x < y for x, y in found)
    assert not set(found) & set(pairs)
    assert of.eligible[drawn.a].all()
    assert of.eligible[drawn.b].all()
    assert drawn.a.dtype == drawn.b.dtype == np.int32
    assert len(found) + drawn.short == len(pairs)


def test_given_pairs_may_be_drawn_unless_excluded_in_either_order() -> None:
    of = firms(40, industries=2, seed=3)
    everyone = list(combinations(range(40), 2))
    assert listed(draw(of, everyone, [])) == everyone
    for left_out in ([(3, 17)], [(17, 3)]):
        drawn = draw(of, everyone, left_out)
        assert listed(drawn) == [pair for pair in everyone if pair != (3, 17)]
        assert drawn.short == 1


@pytest.mark.parametrize("away", range(1, 10))
@pytest.mark.parametrize("given", [(0, 1), (10, 11), (4, 13)])
def test_a_cell_that_runs_dry_widens_by_one_decile_at_a_time(given: Pair, away: int) -> None:
    """20 names, two in a decile: all pairs that a narrower cell would have are excluded."""
    of = ladder()
    labels = of.labels()
    cell = cell_of(labels, given)
    assert cell is not None
    everyone = list(combinations(range(20), 2))
    excluded = [pair for pair in everyone if within(labels, pair, cell, away - 1)]
    candidates = {pair for pair in everyone if within(labels, pair, cell, away)} - set(excluded)
    rng = np.random.default_rng(away)
    draws = [draw(of, [given], excluded, rng) for _ in range(500 if candidates else 3)]
    assert all((each.widened, each.short) == ((1, 0) if candidates else (0, 1)) for each in draws)
    # at most 45 candidates: all of them turn up in 500 draws but for a chance of 45 * (44 / 45) ** 500 < 0.001, and the seed is fixed
    assert {pair for each in draws for pair in listed(each)} == candidates


@pytest.mark.parametrize("wanted", [3, 4, 7, 20, 60, 190, 200])
def test_one_cell_uses_up_the_narrow_candidates_first(wanted: int) -> None:
    of = ladder()
    labels = of.labels()
    given = (6, 9)  # deciles 3 and 4: four candidates
    drawn = draw(of, [given] * wanted, [])
    found = set(listed(drawn))
    everyone = list(combinations(range(20), 2))
    stages = [{pair for pair in everyone if within(labels, pair, ((0, 3), (0, 4)), away)} for away in range(10)]
    last = next((away for away, stage in enumerate(stages) if len(stage) >= wanted), 9)
    assert found <= stages[last]
    assert last == 0 or stages[last - 1] <= found
    assert len(found) == min(wanted, len(stages[9]))
    assert (drawn.widened, drawn.short) == (len(found) - min(wanted, 4), wanted - len(found))


def test_cells_draw_within_themselves_before_any_widens() -> None:
    """The cell of deciles (0, 0) has no candidate but must not take the only one of (0, 1) from it."""
    of = ladder()
    wide = set(combinations(range(6), 2)) - {(1, 2)}
    for seed in range(20):
        drawn = draw(of, [(0, 1), (0, 3)], sorted(wide), rng=seed)
        assert (1, 2) in listed(drawn)
        assert (drawn.widened, drawn.short) == (1, 0)


def test_names_alone_in_their_industry_have_no_other_partner() -> None:
    of = replace(ladder(10), industry=np.arange(10, dtype=np.int32))
    assert listed(draw(of, [(2, 5)], [])) == [(2, 5)]
    drawn = draw(of, [(2, 5)], [(2, 5)])
    assert (listed(drawn), drawn.widened, drawn.short) == ([], 0, 1)


def test_a_name_alone_in_its_decile_is_not_paired_with_itself() -> None:
    of = ladder(10)
    assert set(Counter(size_deciles(of.size, of.eligible).tolist()).values()) == {1}
    drawn = draw(of, [(2, 5)], [(2, 5)])
    assert (drawn.widened, drawn.short) == (1, 0)
    assert within(of.labels(), listed(drawn)[0], ((0, 2), (0, 5)), 1)


def test_no_industry_is_a_group_of_its_own() -> None:
    of = replace(ladder(), industry=np.repeat(np.array([-1, 4], dtype=np.int32), 10))
    everyone = list(combinations(range(20), 2))
    drawn = draw(of, [(0, 1)] * 100, [])
    assert listed(drawn) == [pair for pair in everyone if max(pair) < 10]
    assert drawn.short == 55


def test_industry_and_size_each_bind() -> None:
    of = firms(60, industries=2, seed=8)
    pairs = some_pairs(of, 60, 8)
    usual = listed(draw(of, pairs, pairs))
    assert usual != listed(draw(replace(of, industry=np.zeros(60, dtype=np.int32)), pairs, pairs))
    assert usual != listed(draw(replace(of, size=of.size[::-1].copy()), pairs, pairs))
    assert usual != listed(draw(of, pairs, []))


@pytest.mark.parametrize(("wanted", "excluded"), [(1, 0), (1, 5), (4, 3)])
def test_candidates_of_a_cell_are_equally_likely(wanted: int, excluded: int) -> None:
    """Deciles 2 and 7 of four names each; Pearson's statistic, corrected for draws without replacement, against chi-square."""
    of = ladder(40)
    cell = [(x, y) for x in range(8, 12) for y in range(28, 32)]
    candidates, repeats = cell[excluded:], 3000
    rng = np.random.default_rng(11)
    count = Counter(pair for _ in range(repeats) for pair in listed(draw(of, [(8, 28)] * wanted, cell[:excluded], rng)))
    assert set(count) == set(candidates)
    many = len(candidates)
    expected = repeats * wanted / many
    pearson = sum((seen - expected) ** 2 for seen in count.values()) / expected
    # each round draws `wanted` of `many`, so the statistic has the mean many - wanted instead of many - 1
    assert pearson * (many - 1) / (many - wanted) < stats.chi2.ppf(0.99, many - 1)


def test_the_seed_decides() -> None:
    of = firms(100, industries=2, seed=4)
    pairs = some_pairs(of, 100, 4)
    assert listed(draw(of, pairs, pairs, rng=1)) == listed(draw(of, pairs, pairs, rng=1))
    assert listed(draw(of, pairs, pairs, rng=1)) != listed(draw(of, pairs, pairs, rng=2))


def test_the_order_of_the_given_pairs_does_not_matter() -> None:
    of = firms(100, industries=2, seed=4)
    pairs = some_pairs(of, 300, 4)
    swapped = [(y, x) for x, y in reversed(pairs)]
    assert listed(draw(of, pairs, pairs)) == listed(draw(of, swapped, swapped))


@pytest.mark.parametrize("seed", range(3))
def test_names_that_are_not_eligible_and_industry_numbers_leave_no_trace(seed: int) -> None:
    """As if names had been listed later: other columns, other industry numbers, the same pairs."""
    of = firms(60, industries=4, seed=seed)
    pairs = some_pairs(of, 200, seed)
    column = np.sort(np.random.default_rng(seed).choice(95, 60, replace=False))
    others = firms(95, industries=9, seed=seed + 50)
    size, industry, eligible = others.size * 100, others.industry + 20, np.zeros(95, dtype=bool)
    size[column], eligible[column] = of.size, True
    industry[column] = np.where(of.industry < 0, -1, of.industry * 3 + 2)
    moved = [(int(column[x]), int(column[y])) for x, y in pairs]
    few = draw(of, pairs, pairs, rng=seed)
    many = draw(Firms(size=size, industry=industry, eligible=eligible), moved, moved, rng=seed)
    assert [(int(column[x]), int(column[y])) for x, y in listed(few)] == listed(many)
    assert (few.widened, few.short) == (many.widened, many.short)


def test_given_pairs_of_names_that_are_not_eligible_are_short_and_use_no_chance() -> None:
    of = ladder(40)
    of.eligible[39] = False
    of.size[38] = np.nan
    good = [(0, 5), (3, 9), (12, 30)]
    drawn = draw(of, [*good, (1, 39), (38, 39), (2, 38)], [], rng=6)
    assert (len(listed(drawn)), drawn.widened, drawn.short) == (3, 0, 3)
    assert listed(drawn) == listed(draw(of, good, [], rng=6))
    assert listed(draw(of, good, [(1, 39), (38, 39)], rng=6)) == listed(drawn)


def test_the_generator_moves_on_by_one_number_for_each_given_pair_of_eligible_names() -> None:
    of = ladder(21)
    of.eligible[20] = False
    rng, other = np.random.default_rng(2), np.random.default_rng(2)
    draw(of, [(0, 1)] * 300 + [(0, 20)], [], rng)  # 190 pairs there are
    other.random(300)
    assert rng.random() == other.random()


@pytest.mark.parametrize("names", [0, 5])
def test_nothing_given(names: int) -> None:
    drawn = draw(ladder(names), [], [])
    assert (drawn.a.size, drawn.b.size, drawn.widened, drawn.short) == (0, 0, 0, 0)
    assert drawn.a.dtype == drawn.b.dtype == np.int32


@pytest.mark.parametrize("unknown", [False, True])
def test_nobody_eligible(unknown: bool) -> None:
    of = ladder()
    of = replace(of, size=np.full(20, np.nan)) if unknown else replace(of, eligible=np.zeros(20, dtype=bool))
    drawn = draw(of, [(0, 1), (2, 3)], [(0, 1)])
    assert (listed(drawn), drawn.widened, drawn.short) == ([], 0, 2)


def test_input_is_left_as_it_was() -> None:
    of = firms(50, industries=2, seed=9, eligible=0.8)
    before = of.size.copy(), of.industry.copy(), of.eligible.copy()
    arrays = columns(some_pairs(of, 80, 9))
    kept = arrays[0].copy(), arrays[1].copy()
    random_pairs(
        *arrays,
        excluded_a=arrays[0],
        excluded_b=arrays[1],
        size=of.size,
        industry=of.industry,
        eligible=of.eligible,
        rng=np.random.default_rng(0),
    )
    for now, then in zip((of.size, of.industry, of.eligible, *arrays), (*before, *kept), strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (list(range(20)), [each // 2 for each in range(20)]),
        (list(range(5)), [0, 2, 4, 6, 8]),
        ([7.0] * 6, [0] * 6),
        ([1, 1, 2, 2, 2, 3, 3, 3, 3, 3], [0, 0, 2, 2, 2, 5, 5, 5, 5, 5]),
        ([4, float("nan"), 1, float("inf")], [5, -1, 0, -1]),
        ([], []),
    ],
)
def test_deciles(size: list[float], expected: list[int]) -> None:
    found = size_deciles(np.array(size, dtype=np.float64), np.ones(len(size), dtype=bool))
    assert found.tolist() == expected
    assert found.dtype == np.int32


def test_deciles_are_those_of_the_eligible_names_alone() -> None:
    of = firms(97, industries=1, seed=1, eligible=0.6)
    found = size_deciles(of.size, of.eligible)
    assert found.tolist() == [-1 if label is None else label[1] for label in of.labels()]
    assert (found[~of.eligible] == -1).all()
    assert size_deciles(of.size[of.eligible], np.ones(of.eligible.sum(), dtype=bool)).tolist() == found[of.eligible].tolist()
