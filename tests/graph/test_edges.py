"""Vintages of the graph: every column of a small market in plain Python, the schema of the feed, and the panel of the forecast."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest

import pureplay
from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.graph.arrays import LAMPS, Lamps, PairPanel
from pureplay.graph.edges import EDGE_COLUMNS, GraphInputs, build_panel, edges_of, load_inputs, substrate
from pureplay.graph.ground import month_ends
from pureplay.graph.lamps import lamps_at
from pureplay.graph.model import Model
from pureplay.graph.settings import GraphSettings
from pureplay.studies.comovement_notes import _unsized
from tests.graph.naive_lamps import NAMES, Naive, labels, random_market, small_axes
from tests.graph.small_market import GRAPH, changed, data, day_of, inputs, panel, rows

Row = dict[str, Any]
SMALL = GraphSettings(trailing_sessions=30, forward_sessions=15, most_names=5)
HIDDEN = NAMES[5]
"""Trades on too few days for a correlation."""
STILL = NAMES[6]
"""Does not move."""
LATE = NAMES[7]
"""Has no bar before the last quarter."""

SCHEMA = {
    "trade_date": pl.Date,
    "ts_a": pl.String,
    "ts_b": pl.String,
    "comention_strength": pl.Float64,
    "comention_days": pl.Int32,
    "trailing_corr": pl.Float64,
    "lamp_product_peer": pl.Boolean,
    "peer_depth": pl.Int32,
    "lamp_deep_peer": pl.Boolean,
    "lamp_sam_chain": pl.Boolean,
    "lamp_disclosed": pl.Boolean,
    "lamp_affiliate": pl.Boolean,
    "n_lamps": pl.Int32,
    "confirmed": pl.Boolean,
    "dark": pl.Boolean,
    "expected_fwd_corr": pl.Float64,
    "corr_delta": pl.Float64,
}

TERMS = {
    "intercept": 0.05,
    "trailing": 0.4,
    "product_peer": 0.02,
    "deep_peer": 0.07,
    "chain": 0.03,
    "disclosed": 0.11,
    "affiliate": 0.013,
    "dark": -0.09,
}


def model(known_from: date, graph: GraphSettings = GRAPH, **terms: float) -> Model:
    return Model(
        variant="plain",
        terms=terms or TERMS,
        dropped=(),
        fit_start=date(2000, 1, 1),
        fit_end=date(2000, 1, 1),
        known_from=known_from,
        vintages=1,
        observations=1,
        descriptive=True,
        mse={"plain": None, "interactions": None},
        settings={"graph": graph.to_dict()},
        fingerprint={},
        version=pureplay.__version__,
    )


@cache
def tiny(seed: int = 4) -> Dataset:
    """Links, labels and filings at random, with bars that have holes, and news of one to six names, some of them tenders."""
    rng = np.random.default_rng(seed)
    days = [day.item() for day in small_axes().sessions.dates]
    bars, news = [], []
    for k, day in enumerate(days):
        for name in NAMES:
            there = rng.random() > (0.6 if name == HIDDEN else 0.05)
            if there and not (name == LATE and k < 380):
                move = 0.0 if name == STILL else float(rng.normal(0, 0.02))
                bars.append((day, name, move, float(rng.integers(1, 50)) * 1e9, float(rng.random() > 0.04)))
    for number in range(900):
        moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=int(rng.integers(0, 700 * 24 * 60)))
        named = rng.choice([*NAMES, "UNKNOWN"], int(rng.choice([1, 2, 3, 5, 6])), replace=False)
        kind = "tender" if rng.random() < 0.1 else "news"
        news += [(f"n{number}", str(name), moment, "paper", kind) for name in named]
        if rng.random() < 0.1:
            news.append((f"n{number}", NAMES[0], moment + timedelta(days=3), "paper", kind))
    tables = dict(random_market(seed).tables)
    tables["bars"] = pl.DataFrame(bars, schema=["date", "asset", "ret", "total_cap", "volume"], orient="row")
    kinds = {"article": pl.String, "asset": pl.String, "published_at": pl.Datetime("us", "UTC"), "source": pl.String, "kind": pl.String}
    tables["mentions"] = pl.DataFrame(news, schema=kinds, orient="row").unique(["article", "asset"], keep="first", maintain_order=True)
    return Dataset(tables=tables, calendar="bars")


# ---------------------------------------------------------------- a vintage in plain Python


class Plain:
    """One vintage, straight from the definitions."""

    def __init__(self, given: Dataset, day: date, settings: GraphSettings) -> None:
        self.settings, self.day = settings, day
        self.links = Naive(given, day, settings)
        bars = given.frame("bars").to_dicts()
        self.days = sorted({row["date"] for row in bars})
        self.returns = {(row["date"], row["asset"]): row["ret"] for row in bars if row["volume"] > 0}
        self.first = {name: min(row["date"] for row in bars if row["asset"] == name) for name in NAMES}
        self.articles: dict[str, list[Row]] = {}
        for row in given.frame("mentions").to_dicts():
            self.articles.setdefault(row["article"], []).append(row)

    def counts_on(self, moment: datetime) -> date | None:
        """Session for which an article counts: of the Shanghai day, or of the next after 15:00; not before its day in UTC."""
        local = moment + timedelta(hours=8)
        after = (local.hour, local.minute, local.second, local.microsecond) > (15, 0, 0, 0)
        due = max(local.date() + timedelta(days=int(after)), moment.date())
        if local.date() < self.days[0]:
            return None
        return next((day for day in self.days if day >= due), None)

    def pairs(self, kind: str) -> dict[tuple[str, str], list[tuple[date, int]]]:
        found: dict[tuple[str, str], list[tuple[date, int]]] = {}
        for rows_of in self.articles.values():
            moment = min(row["published_at"] for row in rows_of)
            said = [row for row in rows_of if row["published_at"] == moment]
            named = {row["asset"] for row in said}
            session = self.counts_on(moment)
            inside = session is not None and self.day - timedelta(days=self.settings.comention_days) < session <= self.day
            if not inside or len(named) > self.settings.most_names or ("tender" if said[0]["kind"] == "tender" else "news") != kind:
                continue
            there = sorted(name for name in named if name in self.first and self.first[name] <= self.day)
            for pair in combinations(there, 2):
                found.setdefault(pair, []).append((session, len(named)))
        return found

    def scores(self, name: str, days: list[date]) -> dict[date, float] | None:
        known = {day: self.returns[day, name] for day in days if (day, name) in self.returns}
        if 2 * len(known) < len(days):
            return None
        mean = sum(known.values()) / len(known)
        variance = sum((value - mean) ** 2 for value in known.values()) / len(known)
        return {day: (value - mean) / math.sqrt(variance) for day, value in known.items()} if variance > 1e-20 else None

    def correlation(self, one: str, other: str, days: list[date]) -> float | None:
        mine, yours = self.scores(one, days), self.scores(other, days)
        both = [] if mine is None or yours is None else sorted(set(mine) & set(yours))
        if mine is None or yours is None or not both:
            return None
        return sum(mine[day] * yours[day] for day in both) / max(len(both), 2 / 3 * len(days))

    def rows(self, terms: dict[str, float]) -> list[Row]:
        last = self.days.index(self.day)
        window = self.days[last + 1 - self.settings.trailing_sessions : last + 1]
        return [self.row(pair, said, window, terms) for pair, said in sorted(self.pairs("news").items())]

    def row(self, pair: tuple[str, str], said: list[tuple[date, int]], window: list[date], terms: dict[str, float]) -> Row:
        depth = self.links.depth(*pair)
        mapped = depth >= 0
        lit = {
            "deep_peer": mapped and self.links.deep(*pair),
            "chain": self.links.chain(*pair),
            "disclosed": self.links.link(*pair, "ongoing"),
            "affiliate": self.links.affiliate(*pair),
        }
        shallow = depth >= self.settings.peer_depth
        confirmed = any(lit.values())
        trailing = self.correlation(*pair, window)
        known: dict[str, float] = {**lit, "intercept": 1.0, "product_peer": shallow, "dark": not confirmed, "trailing": trailing or 0.0}
        expected = None if trailing is None or not mapped else sum(value * known[name] for name, value in terms.items())
        return {
            "trade_date": self.day,
            "ts_a": pair[0],
            "ts_b": pair[1],
            "comention_strength": float(len(said)) if self.settings.strength == "articles" else sum(1 / (k - 1) for _, k in said),
            "comention_days": len({day for day, _ in said}),
            "trailing_corr": trailing,
            "lamp_product_peer": shallow,
            "peer_depth": depth if mapped else None,
            "lamp_deep_peer": lit["deep_peer"],
            "lamp_sam_chain": lit["chain"],
            "lamp_disclosed": lit["disclosed"],
            "lamp_affiliate": lit["affiliate"],
            "n_lamps": sum(lit.values()),
            "confirmed": confirmed,
            "dark": mapped and not confirmed,
            "expected_fwd_corr": expected,
            "corr_delta": None if expected is None or trailing is None else expected - trailing,
        }


@cache
def tiny_inputs(settings: GraphSettings = SMALL) -> GraphInputs:
    return load_inputs(tiny(), settings)


@pytest.mark.parametrize("row", [60, 240, 480])
@pytest.mark.parametrize("strength", ["articles", "shared"])
def test_every_column_is_that_of_plain_python(row: int, strength: Any) -> None:
    settings = replace(SMALL, strength=strength)
    made = tiny_inputs(settings)
    found = edges_of(made, row, model=model(date(2000, 1, 1), made.settings)).to_dicts()
    wanted = Plain(tiny(), day_of(made, row), settings).rows(TERMS)
    assert len(found) == len(wanted) > 50
    for mine, yours in zip(found, wanted, strict=True):
        assert list(mine) == list(yours)
        for name, value in yours.items():
            if isinstance(value, float):  # the same sums in another order
                assert mine[name] == pytest.approx(value, rel=1e-11, abs=1e-12), name
            else:
                assert mine[name] == value, name


def test_the_small_market_has_every_case() -> None:
    """Or else the comparison above would say little."""
    every = pl.concat([edges_of(tiny_inputs(), row, model=model(date(2000, 1, 1), SMALL)) for row in (60, 240, 480)])
    for name in ("lamp_product_peer", "lamp_deep_peer", "lamp_sam_chain", "lamp_disclosed", "lamp_affiliate", "confirmed", "dark"):
        assert 0 < every[name].sum() < every.height, name
    assert every["peer_depth"].null_count() > 0
    assert every["trailing_corr"].null_count() > 0
    assert every["n_lamps"].max() > 1
    assert set(every.filter(pl.col("trailing_corr").is_null()).select("ts_a", "ts_b").to_numpy().reshape(-1)) >= {HIDDEN, STILL}
    early = edges_of(tiny_inputs(), 240)
    assert LATE not in {*early["ts_a"], *early["ts_b"]}


# ---------------------------------------------------------------- the feed


def test_the_feed_has_the_columns_that_were_promised() -> None:
    assert tuple(SCHEMA) == EDGE_COLUMNS
    assert dict(edges_of(inputs(), rows()[3]).schema) == SCHEMA
    assert dict(edges_of(inputs(), rows()[3], model=model(date(2000, 1, 1))).schema) == SCHEMA
    marked = edges_of(inputs(), rows()[3], in_sample=True)
    assert dict(marked.schema) == SCHEMA | {"in_sample": pl.Boolean}


def test_edges_are_sorted_and_each_pair_is_there_once() -> None:
    found = edges_of(inputs(), rows()[-1])
    assert found.equals(found.sort("ts_a", "ts_b"))
    assert not found.select("ts_a", "ts_b").is_duplicated().any()
    assert (found["ts_a"] < found["ts_b"]).all()


@pytest.mark.parametrize("peer_confirms", [False, True])
def test_lamps_confirmed_and_dark_agree(peer_confirms: bool) -> None:
    for row in (60, 240, 480):
        found = edges_of(tiny_inputs(replace(SMALL, peer_confirms=peer_confirms)), row)
        lamps = found.select(
            pl.sum_horizontal(pl.col("lamp_deep_peer", "lamp_sam_chain", "lamp_disclosed", "lamp_affiliate").cast(pl.Int32))
        )
        assert found["n_lamps"].equals(lamps.to_series().rename("n_lamps"))
        assert (found["confirmed"] == ((found["n_lamps"] > 0) | (found["lamp_product_peer"] & peer_confirms))).all()
        assert (found["dark"] == (~found["confirmed"] & found["peer_depth"].is_not_null())).all()


def test_a_pair_outside_the_product_tree_is_not_dark_and_has_no_forecast() -> None:
    every = pl.concat([edges_of(tiny_inputs(), row, model=model(date(2000, 1, 1), SMALL)) for row in (60, 240, 480)])
    outside = every.filter(pl.col("peer_depth").is_null())
    assert outside.height
    assert not outside["dark"].any()
    assert not outside["lamp_product_peer"].any()
    assert outside["expected_fwd_corr"].null_count() == outside.height
    assert outside["corr_delta"].null_count() == outside.height
    assert outside["confirmed"].any()  # by what was disclosed or owned


def test_a_forecast_is_said_from_the_day_on_which_the_model_was_known() -> None:
    row = rows()[6]
    day = day_of(inputs(), row)
    on, after = model(day), model(day + timedelta(days=1))
    said = edges_of(inputs(), row, model=on)
    assert 0 < said["expected_fwd_corr"].count() == said["corr_delta"].count()
    silent = edges_of(inputs(), row, model=after)
    assert silent["expected_fwd_corr"].count() == silent["corr_delta"].count() == 0
    assert silent.equals(edges_of(inputs(), row))
    marked = edges_of(inputs(), row, model=after, in_sample=True)
    assert marked["in_sample"].all()
    assert marked.drop("in_sample").equals(said)
    fresh = edges_of(inputs(), row, model=on, in_sample=True)
    assert not fresh["in_sample"].any()
    assert not edges_of(inputs(), row, in_sample=True)["in_sample"].any()


def test_a_model_of_another_graph_or_version_is_refused() -> None:
    other = replace(GRAPH, min_share=0.2)
    with pytest.raises(SettingError, match=r"another graph \(min_share differ\)"):
        edges_of(inputs(), rows()[6], model=model(date(2000, 1, 1), other))
    with pytest.raises(SettingError, match=r"pureplay 0\.0\.0"):
        edges_of(inputs(), rows()[6], model=replace(model(date(2000, 1, 1)), version="0.0.0"))


def test_corr_delta_is_what_the_forecast_adds() -> None:
    found = edges_of(inputs(), rows()[6], model=model(date(2000, 1, 1))).drop_nulls("expected_fwd_corr")
    assert (found["corr_delta"] == found["expected_fwd_corr"] - found["trailing_corr"]).all()
    constant = edges_of(inputs(), rows()[6], model=model(date(2000, 1, 1), intercept=0.3)).drop_nulls("expected_fwd_corr")
    assert set(constant["expected_fwd_corr"]) == {0.3}
    assert constant.height > 0


def test_a_vintage_without_news_is_empty_with_the_same_columns() -> None:
    first = data().frame("mentions").with_columns(pl.col("published_at").max())
    made = load_inputs(changed(data(), mentions=first), GRAPH)
    found = edges_of(made, rows()[2], model=model(date(2000, 1, 1), made.settings))
    assert found.height == 0
    assert dict(found.schema) == SCHEMA
    assert dict(edges_of(made, rows()[2], in_sample=True).schema) == SCHEMA | {"in_sample": pl.Boolean}


def test_news_or_links_must_be_there() -> None:
    with pytest.raises(TableError, match="mentions"):
        load_inputs(changed(data(), mentions=None), GRAPH)
    made = load_inputs(changed(data(), mentions=None), replace(GRAPH, substrate="links"))
    found = edges_of(made, rows()[2])
    assert found["confirmed"].all()
    assert found.height > 50
    assert set(found["comention_strength"]) == {0.0}


@pytest.mark.parametrize("row", [-1, 400])
def test_a_row_outside_the_data_is_refused(row: int) -> None:
    with pytest.raises(SettingError):
        edges_of(inputs(), row)


# ---------------------------------------------------------------- the panel


@pytest.mark.parametrize("settings", [GRAPH, replace(GRAPH, substrate="links"), replace(GRAPH, peer_confirms=True)])
def test_the_panel_holds_the_eligible_pairs_of_the_feed(settings: GraphSettings) -> None:
    made, counts = panel(settings)
    given = inputs(settings)
    for v, row in enumerate(rows()):
        part = made.vintage(v)
        news = made.news[part]
        assert news.tolist() == sorted(news.tolist(), reverse=True)  # substrate pairs first
        frame = edges_of(given, row)
        eligible = {given.ground.axes.assets[each] for each in np.flatnonzero(given.eligible(row))}
        trading = frame.filter(pl.col("ts_a").is_in(eligible) & pl.col("ts_b").is_in(eligible))
        kept = trading.filter(pl.col("ts_a").replace_strict(issuers()) != pl.col("ts_b").replace_strict(issuers()))
        codes = [[given.ground.axes.assets[each] for each in side[part][news]] for side in (made.a, made.b)]
        assert codes == [kept["ts_a"].to_list(), kept["ts_b"].to_list()]
        assert np.array_equal(made.trailing[part][news], kept["trailing_corr"].fill_null(float("nan")).to_numpy(), equal_nan=True)
        assert np.array_equal(made.strength[part][news], kept["comention_strength"].to_numpy())
        assert np.array_equal(made.lamps.peer_depth[part][news], kept["peer_depth"].to_numpy())
        said = counts.row(v, named=True)
        names = {*kept["ts_a"], *kept["ts_b"]}
        tree = {name for name in given.ground.axes.assets if given.structure.at(row).firms.mapped[given.ground.axes.assets.index(name)]}
        known = frame.filter(pl.col("ts_a").is_in(tree) & pl.col("ts_b").is_in(tree))
        wanted = {
            "date": day_of(given, row),
            "pairs": kept.height,
            "random": int((~news).sum()),
            "names": len(names),
            "confirmed": kept["confirmed"].sum(),
            "dark": kept["dark"].sum(),
            "product_peer": kept["lamp_product_peer"].sum(),
            "deep_peer": kept["lamp_deep_peer"].sum(),
            "chain": kept["lamp_sam_chain"].sum(),
            "disclosed": kept["lamp_disclosed"].sum(),
            "affiliate": kept["lamp_affiliate"].sum(),
            "bid": int(made.lamps.bid[part][news].sum()),
            "unmapped": frame.height - known.height,
            "untraded": known.height - trading.height,
            "no_size": 0,
            "one_issuer": trading.height - kept.height,
            "beyond_one": int((np.abs(made.trailing[part]) > 1).sum()),
        }
        assert {name: said[name] for name in wanted} == wanted
        assert said["random"] + said["short"] == said["pairs"]
        assert 0 <= said["widened"] <= said["random"]
        assert set(said) == {*wanted, "widened", "short"}
    assert counts["untraded"].sum() > 0 or settings.substrate == "links"
    assert counts["one_issuer"].sum() > 0


def test_names_without_a_market_value_are_counted_apart() -> None:
    """One market value a session switches traded value off for all, so those without one have no size."""
    bars = data().frame("bars")
    few = bars["asset"].cast(pl.String).unique().sort().to_list()[::2]
    made = load_inputs(
        changed(data(), bars=bars.with_columns(total_cap=pl.when(pl.col("asset").cast(pl.String).is_in(few)).then("total_cap"))), GRAPH
    )
    found, counts = build_panel(made, np.array(rows()[4:6]), seed=7)
    _, before = build_panel(inputs(), np.array(rows()[4:6]), seed=7)
    assert counts["untraded"].equals(before["untraded"])
    left = counts["pairs"] + counts["one_issuer"] + counts["no_size"]
    assert left.to_list() == (before["pairs"] + before["one_issuer"]).to_list()
    assert (counts["no_size"] > 0).all()
    (note,) = _unsized(made, found)
    assert "have no size at their vintage" in note
    assert "drop it so that traded value stands in" in note
    assert _unsized(inputs(), found) == []


def issuers() -> dict[str, str]:
    """Issuer of every listing."""
    return dict(data().frame("assets").select("asset", "issuer").rows())


@pytest.mark.parametrize("substrate_name", ["news", "links"])
def test_random_pairs_are_never_of_the_substrate(substrate_name: Any) -> None:
    settings = replace(GRAPH, substrate=substrate_name)
    made, _ = panel(settings)
    given = inputs(settings)
    drawn = 0
    for v, row in enumerate(rows()):
        part = made.vintage(v)
        other = ~made.news[part]
        found = substrate(given, row)
        pairs = set(zip(found.a.tolist(), found.b.tolist(), strict=True))
        random = list(zip(made.a[part][other].tolist(), made.b[part][other].tolist(), strict=True))
        assert not pairs & set(random)
        assert len(set(random)) == len(random)
        assert all(a < b for a, b in random)
        eligible = given.eligible(row)
        assert all(eligible[a] and eligible[b] for a, b in random)
        names = given.ground.axes.assets
        assert all(issuers()[names[a]] != issuers()[names[b]] for a, b in random)
        assert (made.strength[part][other] == 0).all()
        drawn += len(random)
        if substrate_name == "links":  # every linked pair is of the substrate, so no random one has a lamp
            assert not made.lamps.take(part).confirmed()[other].any()
    assert drawn > 1000


def test_lamps_of_random_pairs_are_lit_too() -> None:
    made, _ = panel()
    v = 4
    part = made.vintage(v)
    wanted = lamps_at(inputs().structure, rows()[v], made.a[part], made.b[part])
    for name in ("mapped", "peer_depth", "product_peer", *LAMPS):
        assert np.array_equal(getattr(made.lamps, name)[part], getattr(wanted, name))
    assert made.lamps.confirmed()[~made.news].any()


def test_forward_windows_past_the_end_of_the_data_have_no_figure() -> None:
    made, _ = panel()
    sessions = len(inputs().ground.axes.sessions)
    for v, row in enumerate(rows()):
        forward = made.forward[made.vintage(v)]
        assert np.isfinite(forward).any() == (row + GRAPH.forward_sessions < sessions)
    assert rows()[-1] + GRAPH.forward_sessions >= sessions  # the last one has none


@pytest.mark.parametrize("v", [0, 8])
def test_correlations_of_the_panel_are_those_of_plain_python(v: int) -> None:
    made, _ = panel()
    part = slice(int(made.starts[v]), int(made.starts[v]) + 40)
    returns = inputs().ground.returns
    row = rows()[v]
    for values, window in (
        (made.trailing, returns[row + 1 - GRAPH.trailing_sessions : row + 1]),
        (made.forward, returns[row + 1 : row + 1 + GRAPH.forward_sessions]),
    ):
        wanted = [naive_correlation(window[:, a], window[:, b]) for a, b in zip(made.a[part], made.b[part], strict=True)]
        np.testing.assert_allclose(values[part], wanted, rtol=1e-11, atol=1e-12)  # the same sums in another order


def naive_correlation(one: np.ndarray, other: np.ndarray) -> float:
    length = one.size
    known = [np.isfinite(one), np.isfinite(other)]
    if any(2 * each.sum() < length for each in known):
        return math.nan
    z = [(x - x[there].mean()) / x[there].std() for x, there in zip((one, other), known, strict=True)]
    both = known[0] & known[1]
    return float((z[0][both] * z[1][both]).sum() / max(both.sum(), 2 / 3 * length)) if both.any() else math.nan


def test_sectors_tell_unordered_pairs_of_industries_apart() -> None:
    """Two entries share a sector where they join the same two industries, in either order; without an industry there is none."""
    table = data().frame("industries").filter(pl.col("asset") != inputs().ground.axes.assets[2])
    given = load_inputs(changed(data(), industries=table), GRAPH)
    made, _ = build_panel(given, np.array(rows()[:4]), seed=7)
    named: dict[int, set[Any]] = {}
    for k, v in enumerate(made.of.tolist()):
        pair = frozenset(int(given.ground.industry[rows()[v], side[k]]) for side in (made.a, made.b))
        if -1 in pair:
            assert made.sector[k] == -1
        else:
            named.setdefault(int(made.sector[k]), set()).add(pair)
    assert (made.sector == -1).any()
    assert -1 not in named
    assert all(len(each) == 1 for each in named.values())
    assert len({next(iter(each)) for each in named.values()}) == len(named) > 3


def test_the_seed_draws_other_random_pairs_and_nothing_else() -> None:
    one, other = panel()[0], panel(GRAPH, 8)[0]
    keep = [each.news for each in (one, other)]
    assert np.array_equal(one.trailing[keep[0]], other.trailing[keep[1]], equal_nan=True)
    assert not np.array_equal(one.a[~keep[0]], other.a[~keep[1]])
    again, _ = build_panel(inputs(), np.array(rows()), seed=7)
    assert all(np.array_equal(getattr(again, name), getattr(one, name)) for name in ("a", "b", "news", "starts"))


def test_a_vintage_is_the_same_whichever_others_are_built() -> None:
    alone, count = build_panel(inputs(), np.array(rows()[5:6]), seed=7)
    whole, counts = panel()
    part = whole.vintage(5)
    for name in ("a", "b", "news", "strength", "trailing", "forward", "sector"):
        assert np.array_equal(getattr(alone, name), getattr(whole, name)[part], equal_nan=name in ("trailing", "forward"))
    assert count.equals(counts[5:6])


def test_progress_counts_the_vintages() -> None:
    seen: list[str] = []
    build_panel(inputs(), np.array(rows()[:2]), seed=7, progress=seen.append)
    assert seen == ["vintage 1 of 2", "vintage 2 of 2", "correlations"]


def test_a_vintage_without_pairs_stands_between_others() -> None:
    news = data().frame("mentions")
    first, second = (day_of(inputs(), rows()[k]) for k in (2, 8))
    quiet = news.filter((pl.col("published_at").dt.date() < first) | (pl.col("published_at").dt.date() > second))
    given = load_inputs(changed(data(), mentions=quiet), replace(GRAPH, comention_days=20))
    made, counts = build_panel(given, np.array(rows()), seed=7)
    assert counts["pairs"].to_list().count(0) >= 5
    empty = [v for v in range(len(rows())) if made.starts[v] == made.starts[v + 1]]
    assert counts.filter(pl.col("pairs") == 0)["beyond_one"].sum() == 0
    assert empty == [v for v, each in enumerate(counts["pairs"]) if each == 0]


def test_without_vintages_or_pairs_there_is_no_panel() -> None:
    with pytest.raises(InsufficientDataError, match="no month ends"):
        build_panel(inputs(), np.array([], dtype=np.int64), seed=7)
    late = data().frame("mentions").with_columns(pl.col("published_at").max())
    with pytest.raises(InsufficientDataError, match="none of the 3 vintages has a pair"):
        build_panel(load_inputs(changed(data(), mentions=late), GRAPH), np.array(rows()[:3]), seed=7)


def test_correlations_beyond_one_are_counted() -> None:
    """Two stocks that trade together on the loud half of the window only."""
    days = [day.item() for day in small_axes().sessions.dates[:110]]
    rng = np.random.default_rng(2)
    bars = []
    for k, day in enumerate(days):
        loud = k % 3 > 0
        move = float(rng.normal(0, 0.05))
        if loud:
            bars += [(day, name, move, 1e9, 1.0) for name in ("X", "Y")]
        else:
            bars.append((day, "X" if k % 2 else "Y", 0.0, 1e9, 1.0))
        bars += [(day, name, float(rng.normal(0, 0.01)), 2e9, 1.0) for name in ("U", "V")]
    news = pl.DataFrame(
        [("n", name, datetime(2020, 5, 20, tzinfo=UTC), "s", "news") for name in ("X", "Y")],
        schema={"article": pl.String, "asset": pl.String, "published_at": pl.Datetime("us", "UTC"), "source": pl.String, "kind": pl.String},
        orient="row",
    )
    given = Dataset(
        tables={
            "bars": pl.DataFrame(bars, schema=["date", "asset", "ret", "total_cap", "volume"], orient="row"),
            "mentions": news,
            "industries": labels([(name, "one", date(2019, 1, 1), None, "i") for name in ("U", "V", "X", "Y")]),
        },
        calendar="bars",
    )
    settings = GraphSettings(products="industries:one", trailing_sessions=30, forward_sessions=10)
    made = load_inputs(given, settings)
    every, counts = build_panel(made, month_ends(made.ground.axes, sessions=30)[-1:], seed=1)
    assert isinstance(every, PairPanel)
    assert isinstance(every.lamps, Lamps)
    assert every.trailing[0] > 1
    assert counts["beyond_one"].to_list() == [1]
