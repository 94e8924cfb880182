"""Retention of matched pairs: planted ratios, a plain loop over dictionaries, the pool of price-only pairs, and the settings."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pureplay.errors import SettingError
from pureplay.graph.arrays import Lamps, PairPanel
from pureplay.graph.retention import PairPool, linked_pool, price_pool, retention
from pureplay.stats.correlation import panel_correlations, window

GROUPS = ("confirmed", "shallow_peer", "dark")


def make(seed: int = 0, *, vintages: int = 12, each: int = 200, noise: float = 0.1, kept: tuple[float, ...] = (0.9, 0.8, 0.7)) -> PairPanel:
    """Substrate and random pairs; forward is a share of trailing that the group decides; dark pairs have the lower trailing figures."""
    rng = np.random.default_rng(seed)
    size = vintages * each
    kind = rng.integers(0, 3, size)
    trailing = rng.beta(2.0 + 2.0 * (kind == 0), 4.0, size) * 1.1 - 0.05
    forward = np.take(kept, kind) * trailing + noise * rng.normal(size=size)
    trailing[rng.random(size) < 0.05] = np.nan
    off = np.zeros(size, dtype=bool)
    lamps = Lamps(
        mapped=~off,
        peer_depth=np.zeros(size, dtype=np.int32),
        product_peer=(kind == 1) | (rng.random(size) < 0.2) & (kind == 0),
        deep_peer=(kind == 0) & (rng.random(size) < 0.5),
        chain=off,
        disclosed=off,
        affiliate=kind == 0,
        bid=rng.random(size) < 0.1,
    )
    starts = np.arange(vintages + 1, dtype=np.int64) * each
    forward[starts[-2] :] = np.nan  # the last vintage has no forward window
    return PairPanel(
        assets=tuple(f"s{i:03d}" for i in range(40)),
        rows=np.arange(vintages, dtype=np.int64) * 20 + 100,
        dates=np.datetime64("2020-01-31") + np.arange(vintages) * 30,
        starts=starts,
        a=np.zeros(size, dtype=np.int32),
        b=np.ones(size, dtype=np.int32),
        news=np.tile(np.arange(each) < each * 3 // 4, vintages),
        strength=np.ones(size),
        trailing=trailing,
        forward=forward,
        sector=np.zeros(size, dtype=np.int32),
        lamps=lamps,
    )


def make_pool(seed: int = 0) -> PairPool:
    rng = np.random.default_rng(seed)
    trailing = rng.beta(2, 4, 600)
    columns = np.zeros(600, dtype=np.int32)
    forward = 0.6 * trailing + 0.1 * rng.normal(size=600)
    return PairPool(vintage=np.repeat(np.arange(12), 50), a=columns, b=columns + 1, trailing=trailing, forward=forward)


ALL = np.arange(12)


def naive(
    panel: PairPanel, pool: PairPool | None, group: str, edge: float | None, *, width: float = 0.05, lowest: float = 0.1
) -> dict[str, float]:
    """Dictionaries of lists by (vintage, bin)."""
    cells: dict[str, dict[tuple[int, int], list[tuple[float, float]]]] = {name: {} for name in (*GROUPS, "price_only")}
    entries = []
    for p in range(panel.a.size):
        lit = any(getattr(panel.lamps, name)[p] for name in ("deep_peer", "chain", "disclosed", "affiliate"))
        name = "confirmed" if lit else "shallow_peer" if panel.lamps.product_peer[p] else "dark"
        if panel.news[p]:
            entries.append((name, int(panel.of[p]), panel.trailing[p], panel.forward[p]))
    for p in range(0 if pool is None else pool.vintage.size):
        entries.append(("price_only", int(pool.vintage[p]), pool.trailing[p], pool.forward[p]))
    for name, v, t, f in entries:
        if t >= lowest and math.isfinite(f):
            cells[name].setdefault((v, int(t / width + 1e-9)), []).append((t, f))
    common = [cell for cell in sorted(cells[group]) if cell in cells["confirmed"] and (edge is None or cell[1] == round(edge / width))]
    ratios, parts = [], []
    for name in (group, "confirmed"):
        by_vintage: dict[int, list[float]] = {}
        for cell in common:
            weight = len(cells["confirmed"][cell])
            sums = by_vintage.setdefault(cell[0], [0.0, 0.0])
            sums[0] += weight * sum(t for t, _ in cells[name][cell]) / len(cells[name][cell])
            sums[1] += weight * sum(f for _, f in cells[name][cell]) / len(cells[name][cell])
        total = [sum(each[k] for each in by_vintage.values()) for k in (0, 1)]
        ratios.append((total, total[1] / total[0]))
        parts.append(np.array([(f - total[1] / total[0] * t) / (total[0] / len(by_vintage)) for t, f in by_vintage.values()]))
    weight = sum(len(cells["confirmed"][cell]) for cell in common)
    return {
        "trailing": ratios[0][0][0] / weight,
        "forward": ratios[0][0][1] / weight,
        "retention": ratios[0][1],
        "se": cosine_se(parts[0]),
        "confirmed_retention": ratios[1][1],
        "difference_t": (ratios[1][1] - ratios[0][1]) / cosine_se(parts[1] - parts[0]) if group != "confirmed" else math.nan,
        "pairs": sum(len(cells[group][cell]) for cell in common),
        "vintages": len({cell[0] for cell in common}),
    }


def cosine_se(x: np.ndarray) -> float:
    """Equal-weighted cosine standard error of a mean with four cosines, from its definition."""
    n, total = x.size, 0.0
    if n <= 8:
        return math.nan
    for j in range(1, 5):
        total += (math.sqrt(2 / n) * sum(math.cos(math.pi * j * (t + 0.5) / n) * (x[t] - x.mean()) for t in range(n))) ** 2
    return math.sqrt(total / 4 / n)


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_against_a_plain_loop(seed: int) -> None:
    panel, pool = make(seed), make_pool(seed)
    found = retention(panel, ALL, pool)
    assert found["group"].unique(maintain_order=True).to_list() == [*GROUPS, "price_only"]
    assert found.filter(pl.col("bin").is_not_null()).height > 30
    for row in found.iter_rows(named=True):
        for name, value in naive(panel, pool, row["group"], row["bin"]).items():
            given = math.nan if row[name] is None else row[name]
            # order of sums; a t is a ratio of two such
            assert given == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), (row["group"], row["bin"], name)


def test_planted_ratios_without_noise_are_exact() -> None:
    found = retention(make(noise=0.0), ALL)
    for group, share in zip(GROUPS, (0.9, 0.8, 0.7), strict=True):
        np.testing.assert_allclose(found.filter(group=group)["retention"], share, rtol=1e-12)  # rounding
        np.testing.assert_allclose(found.filter(group=group)["confirmed_retention"], 0.9, rtol=1e-12)


def test_matching_compares_at_equal_trailing_correlation() -> None:
    """Forward = trailing - 0.2 whatever the group: unmatched ratios differ with the level, matched ones do not."""
    panel = make(each=4000)
    panel = replace(panel, forward=panel.trailing - 0.2)
    found = retention(panel, ALL).filter(pl.col("bin").is_null())
    dark, confirmed = found.filter(group="dark").row(0, named=True), found.filter(group="confirmed").row(0, named=True)
    assert dark["retention"] == pytest.approx(dark["confirmed_retention"], abs=0.01)  # what is left differs inside a bin of 0.05
    assert dark["trailing"] == pytest.approx(confirmed["trailing"], abs=0.01)
    lit = panel.lamps.confirmed()
    raw = [
        float(panel.forward[m].mean() / panel.trailing[m].mean())
        for m in (panel.news & (panel.trailing >= 0.1) & each for each in (lit, ~lit))
    ]
    assert raw[0] - raw[1] > 0.05


def test_the_standard_error_covers() -> None:
    """Independent vintages: the t of the true ratio follows Student's t with 4 degrees of freedom."""
    ts = []
    for seed in range(150):
        row = retention(make(seed, vintages=21, each=60), np.arange(21)).row(0, named=True)
        ts.append((row["retention"] - 0.9) / row["se"])
    covered = float(np.mean(np.abs(ts) < stats.t.ppf(0.95, 4)))
    assert abs(covered - 0.9) < 0.075  # three standard deviations of a share of 150 draws


def test_only_the_vintages_asked_for_count() -> None:
    panel, pool = make(), make_pool()
    some = retention(panel, np.array([1, 3, 5]), pool)
    assert some.row(0, named=True)["vintages"] == 3
    kept = np.isin(panel.of, [1, 3, 5])
    blind = replace(panel, forward=np.where(kept, panel.forward, np.nan))
    pruned = replace(pool, forward=np.where(np.isin(pool.vintage, [1, 3, 5]), pool.forward, np.nan))
    assert some.equals(retention(blind, ALL, pruned))
    assert some["se"].null_count() == some.height  # three vintages give no error
    assert retention(panel, np.array([11]), pool).height == 0  # no forward window
    assert retention(panel, np.array([], dtype=int)).height == 0


@pytest.mark.parametrize("changed", [{"bin_width": 0.1}, {"lowest": 0.2}, {"peer_confirms": True}, {"cosines": 2}])
def test_every_setting_matters(changed: dict[str, object]) -> None:
    panel = make()
    assert not retention(panel, ALL, **changed).equals(retention(panel, ALL))  # type: ignore[arg-type]


def test_a_correlation_on_an_edge_belongs_to_the_bin_above() -> None:
    panel = make()
    found = retention(replace(panel, trailing=np.full(panel.a.size, 3 * 0.05)), ALL)
    assert found["bin"].unique().to_list() == [None, 0.15]


def market(seed: int = 0) -> tuple[np.ndarray, PairPanel]:
    """Returns of 40 names and a panel of their pairs at three vintages, the last without a forward window."""
    rng = np.random.default_rng(seed)
    returns = 0.01 * rng.normal(size=(150, 1)) + 0.02 * rng.normal(size=(150, 40))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    rows = np.array([50, 80, 140])
    parts = []
    for row in rows:
        drawn = np.sort(rng.integers(0, 40, (120, 2)), axis=1)
        drawn = np.unique(drawn[drawn[:, 0] < drawn[:, 1]], axis=0).astype(np.int32)
        a, b = np.ascontiguousarray(drawn.T)
        parts.append((a, b, window(returns, first=row - 39, last=row + 1).pairs(a, b).rho))
    size = sum(part[0].size for part in parts)
    base = make(seed, vintages=1, each=size)
    panel = replace(
        base,
        rows=rows,
        dates=np.datetime64("2020-01-31") + 30 * np.arange(3),
        starts=np.cumsum([0, *(part[0].size for part in parts)]).astype(np.int64),
        a=np.concatenate([part[0] for part in parts]),
        b=np.concatenate([part[1] for part in parts]),
        trailing=np.concatenate([part[2] for part in parts]),
    )
    return returns, panel


POOL = {"trailing": 40, "forward": 30, "names": 25}
APART = np.arange(40)
Pairs = list[tuple[np.ndarray, np.ndarray]]


def mentioned(panel: PairPanel, vintages: np.ndarray) -> Pairs:
    """The co-mentioned pairs of the panel."""
    parts = [panel.vintage(v) for v in np.unique(vintages)]
    return [(panel.a[part][panel.news[part]], panel.b[part][panel.news[part]]) for part in parts]


def pooled(
    returns: np.ndarray,
    panel: PairPanel,
    vintages: np.ndarray,
    named: Pairs | None = None,
    *,
    issuer: np.ndarray = APART,
    **settings: object,
) -> PairPool:
    named = mentioned(panel, vintages) if named is None else named
    return price_pool(returns, panel, vintages, named, issuer=issuer, **settings)  # type: ignore[arg-type]


def with_lamp(
    returns: np.ndarray,
    panel: PairPanel,
    vintages: np.ndarray,
    linked: Pairs,
    named: Pairs | None = None,
    *,
    issuer: np.ndarray = APART,
    **settings: object,
) -> PairPool:
    named = mentioned(panel, vintages) if named is None else named
    return linked_pool(returns, panel, vintages, linked, named, issuer=issuer, **settings)  # type: ignore[arg-type]


def test_the_pool_is_correlated_not_mentioned_and_matched_in_number() -> None:
    returns, panel = market()
    eligible = np.ones((3, 40), dtype=bool)
    eligible[1, 7] = False
    pool = pooled(returns, panel, np.arange(3), eligible=eligible, **POOL)
    assert (pool.a < pool.b).all()
    assert np.isnan(pool.forward[pool.vintage == 2]).all()
    assert np.isfinite(pool.forward[pool.vintage < 2]).all()
    assert not ((pool.vintage == 1) & ((pool.a == 7) | (pool.b == 7))).any()
    for v in range(3):
        part, mine = panel.vintage(v), pool.vintage == v
        drawn = set(zip(pool.a[mine].tolist(), pool.b[mine].tolist(), strict=True))
        news = panel.news[part]
        assert drawn
        assert len(drawn) == mine.sum()
        assert not drawn & set(zip(panel.a[part][news].tolist(), panel.b[part][news].tolist(), strict=True))
        seen = window(returns, first=int(panel.rows[v]) - 39, last=int(panel.rows[v]) + 1)
        np.testing.assert_array_equal(seen.pairs(pool.a[mine], pool.b[mine]).rho, pool.trailing[mine])
        lit = panel.lamps.confirmed()[part] & news & (panel.trailing[part] >= 0.1)
        wanted = np.bincount((panel.trailing[part][lit] / 0.05 + 1e-9).astype(int), minlength=40)
        found = np.bincount((pool.trailing[mine] / 0.05 + 1e-9).astype(int), minlength=40)
        assert (found <= wanted).all()
        assert (found[4:8] == wanted[4:8]).all()  # where unmentioned pairs abound


def test_with_all_names_and_much_to_draw_the_pool_is_every_unmentioned_pair() -> None:
    returns, panel = market()
    plenty = replace(panel, trailing=np.full(panel.a.size, 0.42), news=np.ones(panel.a.size, dtype=bool))
    pool = pooled(returns, plenty, np.array([0]), eligible=np.ones((3, 40), dtype=bool), **{**POOL, "names": 40})
    part = plenty.vintage(0)
    mentioned = set(zip(plenty.a[part].tolist(), plenty.b[part].tolist(), strict=True))
    others = np.array([(a, b) for a in range(40) for b in range(a + 1, 40) if (a, b) not in mentioned], dtype=np.int32)
    rho = window(returns, first=11, last=51).pairs(*np.ascontiguousarray(others.T)).rho
    right = others[(rho >= 0.4) & (rho < 0.45)]
    assert len(right) > 3
    lit = int((plenty.lamps.confirmed()[part]).sum())
    assert pool.a.size == min(len(right), lit)
    assert set(zip(pool.a.tolist(), pool.b.tolist(), strict=True)) <= {tuple(each) for each in right.tolist()}


def test_pairs_of_one_issuer_and_pairs_that_the_panel_leaves_out_are_in_no_pool() -> None:
    """The panel has neither twins nor pairs with a name that does not trade, though articles name both."""
    returns, panel = market()
    returns[:, 1::2] = returns[:, ::2] + 0.01 * np.random.default_rng(1).normal(size=(150, 20))  # twins side by side, much alike
    trailing = panel_correlations(returns, panel.rows, panel.starts, panel.a, panel.b, sessions=40)
    panel = replace(panel, trailing=trailing, news=panel.a // 2 != panel.b // 2)
    issuer, vintages = APART // 2, np.arange(3)
    settings = {**POOL, "names": 40, "eligible": np.ones((3, 40), dtype=bool), "bin_width": 1.0}
    for make_pool_of in (
        lambda named, of: pooled(returns, panel, vintages, named, issuer=of, **settings),
        lambda named, of: with_lamp(returns, panel, vintages, [every_pair(40)] * 3, named, issuer=of, **{**LINKED_POOL, "bin_width": 1.0}),
    ):
        every, found = make_pool_of(None, APART), make_pool_of(None, issuer)
        assert (issuer[every.a] == issuer[every.b]).any()
        assert found.a.size > 50
        assert not (issuer[found.a] == issuer[found.b]).any()
    # articles name some pairs that the pool held: they are gone from it, and so from the other
    plain = {0: pooled(returns, panel, vintages, issuer=issuer, **settings)}
    plain[1] = with_lamp(returns, panel, vintages, [every_pair(40)] * 3, issuer=issuer, **{**LINKED_POOL, "bin_width": 1.0})
    for number, pool in plain.items():
        held = [(pool.a[pool.vintage == v], pool.b[pool.vintage == v]) for v in vintages]
        more = [(np.append(a, x), np.append(b, y)) for (a, b), (x, y) in zip(mentioned(panel, vintages), held, strict=True)]
        if number == 0:
            again = pooled(returns, panel, vintages, more, issuer=issuer, **settings)
        else:
            again = with_lamp(returns, panel, vintages, [every_pair(40)] * 3, more, issuer=issuer, **{**LINKED_POOL, "bin_width": 1.0})
        keys = [set(zip(each.vintage.tolist(), each.a.tolist(), each.b.tolist(), strict=True)) for each in (pool, again)]
        assert keys[1]
        assert not keys[0] & keys[1]
    with pytest.raises(SettingError, match="mentioned has pairs of 1 vintages, 3 are asked for"):
        pooled(returns, panel, vintages, mentioned(panel, vintages[:1]), **settings)


def test_bins_of_pearson_are_those_of_the_panel() -> None:
    returns, panel = market(1)
    returns[np.random.default_rng(2).random(returns.shape) < 0.2] = np.nan  # thin pairs, which the two measures tell apart
    trailing = panel_correlations(returns, panel.rows, panel.starts, panel.a, panel.b, sessions=40, measure="pearson")
    panel, eligible = replace(panel, trailing=trailing), np.ones((3, 40), dtype=bool)
    vintages, linked = np.arange(3), [every_pair(40)] * 3
    pools = (
        pooled(returns, panel, vintages, eligible=eligible, measure="pearson", **POOL),
        with_lamp(returns, panel, vintages, linked, measure="pearson", **LINKED_POOL),
    )
    for pool in pools:
        assert pool.a.size > 20
        assert (pool.trailing >= 0.1).all()
        for v in vintages:
            part = panel.vintage(v)
            lit = panel.lamps.confirmed()[part] & panel.news[part] & (panel.trailing[part] >= 0.1)
            wanted = np.bincount((panel.trailing[part][lit] / 0.05 + 1e-9).astype(int), minlength=40)
            found = np.bincount((pool.trailing[pool.vintage == v] / 0.05 + 1e-9).astype(int), minlength=40)
            assert (found <= wanted).all()


def test_the_pool_is_drawn_from_seed_and_day_and_its_choice_sees_no_future() -> None:
    returns, panel = market()
    eligible = np.ones((3, 40), dtype=bool)
    first = pooled(returns, panel, np.arange(3), eligible=eligible, **POOL)
    again = pooled(returns[:81], replace(panel, rows=panel.rows), np.array([1]), eligible=eligible, **POOL)
    mine = first.vintage == 1
    for name in ("a", "b", "trailing"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name)[mine])
    assert np.isnan(again.forward).all()
    other = pooled(returns, panel, np.arange(3), eligible=eligible, **POOL, seed=8)
    assert not np.array_equal(other.a, first.a)


@pytest.mark.parametrize(
    "changed",
    [
        {"names": 10},
        {"trailing": 30},
        {"forward": 20},
        {"measure": "pearson"},
        {"bin_width": 0.2},
        {"lowest": 0.3},
        {"peer_confirms": True},
    ],
)
def test_every_setting_of_the_pool_matters(changed: dict[str, object]) -> None:
    returns, panel = market()
    eligible = np.ones((3, 40), dtype=bool)
    usual = pooled(returns, panel, np.arange(3), eligible=eligible, **POOL)
    other = pooled(returns, panel, np.arange(3), eligible=eligible, **{**POOL, **changed})  # type: ignore[arg-type]
    same = all(np.array_equal(getattr(usual, name), getattr(other, name), equal_nan=True) for name in ("a", "trailing", "forward"))
    assert not same


LINKED_POOL = {"trailing": 40, "forward": 30}


def every_pair(count: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.triu_indices(count, 1)
    return a.astype(np.int32), b.astype(np.int32)


def test_linked_pairs_without_an_article_are_matched_in_number() -> None:
    returns, panel = market()
    linked = [every_pair(40)] * 3
    pool = with_lamp(returns, panel, np.arange(3), linked, **LINKED_POOL)
    assert pool.a.size > 20
    for v in range(3):
        part, mine = panel.vintage(v), pool.vintage == v
        news = panel.news[part]
        drawn = set(zip(pool.a[mine].tolist(), pool.b[mine].tolist(), strict=True))
        assert len(drawn) == mine.sum()
        assert not drawn & set(zip(panel.a[part][news].tolist(), panel.b[part][news].tolist(), strict=True))
        seen = window(returns, first=int(panel.rows[v]) - 39, last=int(panel.rows[v]) + 1)
        np.testing.assert_array_equal(seen.pairs(pool.a[mine], pool.b[mine]).rho, pool.trailing[mine])
        lit = panel.lamps.confirmed()[part] & news & (panel.trailing[part] >= 0.1)
        wanted = np.bincount((panel.trailing[part][lit] / 0.05 + 1e-9).astype(int), minlength=40)
        found = np.bincount((pool.trailing[mine] / 0.05 + 1e-9).astype(int), minlength=40)
        assert (found <= wanted).all()
    few = every_pair(9)
    some = with_lamp(returns, panel, np.arange(3), [few] * 3, **LINKED_POOL)
    assert 0 < some.a.size < pool.a.size
    assert some.b.max() < 9


def test_linked_pairs_are_a_group_of_their_own() -> None:
    returns, panel = market()
    panel = replace(panel, forward=0.8 * panel.trailing)
    vintages = np.array([0, 1])
    pool = with_lamp(returns, panel, vintages, [every_pair(40)] * 2, **LINKED_POOL)
    found = retention(panel, vintages, None, pool)
    assert "lamp_no_news" in found["group"].to_list()
    assert "lamp_no_news" not in retention(panel, vintages)["group"].to_list()
    other = with_lamp(returns, panel, vintages, [every_pair(40)] * 2, **LINKED_POOL, seed=8)
    assert not np.array_equal(other.a, pool.a)
    cut = with_lamp(returns[: int(panel.rows[0]) + 1], panel, vintages[:1], [every_pair(40)], **LINKED_POOL)
    for name in ("a", "b", "trailing"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(pool, name)[pool.vintage == 0])
    with pytest.raises(SettingError, match="pairs of 1 vintages, 2 are asked for"):
        with_lamp(returns, panel, vintages, [every_pair(40)], **LINKED_POOL)


def test_a_vintage_without_names_has_no_pool() -> None:
    returns, panel = market()
    assert pooled(returns, panel, np.arange(3), eligible=np.zeros((3, 40), dtype=bool), **POOL).a.size == 0
    assert pooled(returns, panel, np.array([], dtype=int), eligible=np.ones((3, 40), dtype=bool), **POOL).a.size == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bin_width": 0.0}, "bin_width must"),
        ({"bin_width": "x"}, "bin_width must"),
        ({"lowest": 0.0}, "lowest must"),
        ({"cosines": 0}, "cosines must"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        retention(make(), ALL, **settings)  # type: ignore[arg-type]


def test_a_pool_needs_the_names_of_every_vintage() -> None:
    returns, panel = market()
    with pytest.raises(SettingError, match="eligible has shape"):
        pooled(returns, panel, np.arange(3), eligible=np.ones(40, dtype=bool), **POOL)
    with pytest.raises(SettingError, match="names must"):
        pooled(returns, panel, np.arange(3), eligible=np.ones((3, 40), dtype=bool), **{**POOL, "names": 0})
