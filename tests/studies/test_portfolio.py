"""The portfolio study: its tables, its controls, what it records, settings that matter, and scores without a portfolio."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.evaluate.portfolio import Desk, PortfolioSettings, replay
from pureplay.evaluate.portfolio.backtest import Account
from pureplay.evaluate.portfolio.holdings import account_frame, holdings_frame
from pureplay.evaluate.trials import TrialCount
from pureplay.signals import SignalSettings, preset
from pureplay.signals.composite import composite_scores
from pureplay.signals.workshop import PeerWorkshop
from pureplay.stats.inference import ewc_test
from pureplay.stats.sharpe import sharpe_ratio
from pureplay.studies.luck import grid_series
from pureplay.studies.portfolio import run_portfolios
from pureplay.studies.portfolio_beside import Found
from pureplay.studies.portfolio_records import PortfolioStudy
from pureplay.studies.portfolio_settings import DESIGNS, PortfolioStudySettings
from pureplay.studies.portfolio_tables import SCHEMAS
from pureplay.synthetic import market

SIGNAL = SignalSettings(min_peers=2, min_listed_sessions=20)
MIX = replace(preset("business_mix"), min_peers=2, min_listed_sessions=20)
PLAIN = PortfolioSettings(grid_sessions=10, min_leg_names=5)
STUDY = PortfolioStudySettings(base="own", capitals=(1e7, 1e9), shuffles=1, draws=100, splits=8, folds=3)
BRIEF = replace(STUDY, scores=("R",), designs=("plain",), kinds=("long_only",), capitals=(), shuffles=0)
SCORES = ("R", "S", "business_mix")
CONTROLS = ("own_only", "industry", "shuffle 1")
KINDS = ("long_short", "long_only")
Made = tuple[PortfolioStudy, Desk, Mapping[str, Account]]


@cache
def tables() -> dict[str, pl.DataFrame]:
    """120 stocks over 500 sessions up to the end of 2025: short sales end half-way, on 2024-07-11. Factors are noise."""
    made = dict(market(stocks=120, sessions=500, seed=5).tables)
    keys = made["bars"].select("date", "asset").sort("date", "asset")
    rng = np.random.default_rng(8)
    made["factors"] = keys.with_columns(**{f"c{k}": pl.Series(rng.normal(size=keys.height)) for k in range(3)})
    names = ("bars", "assets", "taxonomy", "filings", "segments", "industries", "benchmarks", "factors")
    return {name: made[name] for name in names}


@cache
def data() -> Dataset:
    return Dataset.from_frames(tables(), calendar="XSHG", notes={"synthetic": True})


def without(*names: str, **others: pl.DataFrame) -> Dataset:
    """The market without some tables, or with others."""
    kept = {name: frame for name, frame in tables().items() if name not in names}
    return Dataset.from_frames({**kept, **others}, calendar="XSHG", notes={"synthetic": True})


@dataclass
class FakeLog:
    """A log that keeps what it is told, and has seen 40 trials before."""

    told: list[tuple[Mapping[str, Any], Mapping[str, float | int | None]]] = field(default_factory=list)

    def record(self, signal: Mapping[str, Any], figures: Mapping[str, float | int | None]) -> None:
        self.told.append((signal, figures))

    def count(self) -> TrialCount:
        return TrialCount(distinct=40 + len(self.told), distinct_all=99, recorded=120, head="f" * 64)

    def spread(self, figure: str) -> float:
        return {"sharpe_long_short_10": 0.9, "sharpe_long_only_10_above_syn300": 0.01}[figure]


def run(study: PortfolioStudySettings = BRIEF, plain: PortfolioSettings = PLAIN, given: Dataset | None = None, **others: Any) -> Made:
    return run_portfolios(given or data(), SIGNAL, MIX, plain, study, **others)


@cache
def once(study: PortfolioStudySettings) -> PortfolioStudy:
    """The study with everything else as it stands, run once."""
    return run(study)[0]


@pytest.fixture(scope="module")
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture(scope="module")
def made(log: FakeLog) -> Made:
    return run(STUDY, log=log, name="small")


@pytest.fixture(scope="module")
def brief() -> PortfolioStudy:
    return once(BRIEF)


def figures(study: PortfolioStudy) -> dict[str, Any]:
    """Everything of a study but its settings and the time that it took."""
    return {
        **study.to_dict(),
        "daily": study.daily.to_dicts(),
        "index_daily": study.index_daily.to_dicts(),
        "seconds": None,
        "settings": None,
    }


# ---------------------------------------------------------------- tables


def test_a_row_for_every_score_design_and_kind(made: Made) -> None:
    study = made[0]
    wanted = [(score, design, kind) for score in SCORES for design in DESIGNS for kind in KINDS]
    wanted += [(score, design, kind) for score in CONTROLS for design in ("plain", "orthogonal") for kind in KINDS]
    assert study.accounts.select("score", "design", "kind").rows() == wanted
    for name, schema in SCHEMAS.items():
        assert getattr(study, name).schema == pl.Schema(schema), name
    long = [row for row in wanted if row[2] == "long_only"]
    assert study.benchmarks.select("score", "design", "kind").rows() == [row for row in long for _ in range(2)]
    assert set(study.benchmarks["benchmark"]) == {"syn300", "syn500"}
    years = study.years.group_by("score", "design", "kind", maintain_order=True).agg(pl.col("year"))
    assert years.select("score", "design", "kind").rows() == wanted
    assert years.filter(kind="long_only")["year"].to_list() == [[2024, 2025]] * len(long)
    assert study.daily.select("score", "kind").unique(maintain_order=True).rows() == [
        (score, kind) for score in (*SCORES, *CONTROLS) for kind in KINDS
    ]
    assert study.capacity.select("score", "kind", "capital").rows() == [("R", kind, capital) for kind in KINDS for capital in (1e7, 1e9)]
    assert study.variants.select("kind", "score", "design").rows() == [(k, s, d) for k in KINDS for s in SCORES for d in DESIGNS]
    assert study.luck.select("score", "kind").rows() == [(score, kind) for kind in KINDS for score in SCORES]
    assert study.reality.select("kind", "variants").rows() == [(kind, 15) for kind in KINDS]
    assert study.folds.select("kind", "fold").rows() == [(kind, fold) for kind in KINDS for fold in (1, 2, 3)]
    pairs = study.correlations.select("score", "factor").rows()
    assert pairs[:9] == [(score, factor) for score in SCORES for factor in ("c0", "c1", "c2")]
    assert set(pairs[9:]) == {(a, b) for a in SCORES for b in (*SCORES, *CONTROLS) if a != b}
    assert not study.not_evaluable
    assert study.name == "small"
    assert study.synthetic
    assert study.facts["base"] == ["c0", "c1", "c2"]
    assert study.rules["digest"] == made[1].rules.digest()
    assert study.settings["portfolio_study"]["capitals"] == (1e7, 1e9)


def test_costs_are_taken_and_add_up(made: Made) -> None:
    accounts = made[0].accounts
    assert (accounts["gross"] > accounts["net"]).all()
    assert (accounts["net_min"] <= accounts["net"]).all()
    assert (accounts["net"] <= accounts["net_max"]).all()
    assert (accounts["cost"] - accounts["fees"] - accounts["impact"] - accounts["borrow"]).abs().max() < 1e-12  # sums of the same three
    assert (accounts.filter(kind="long_only")["borrow"] == 0).all()
    assert (accounts.filter(kind="long_short")["borrow"] > 0).all()
    capacity = made[0].capacity.filter(kind="long_only")
    assert capacity["impact"].is_sorted()
    assert capacity["net"].to_list() == sorted(capacity["net"], reverse=True)


def test_short_sales_end_with_the_rule(made: Made) -> None:
    accounts = made[0].accounts
    assert (accounts.filter(kind="long_only")["last"] == date(2025, 12, 31)).all()
    assert (accounts.filter(kind="long_short")["last"] < date(2025, 12, 31)).all()
    paper = accounts.select("design", "kind", known=pl.col("paper").is_not_null()).unique()
    assert set(paper.filter("known").select("design", "kind").rows()) == {("plain", "long_short")}


def test_controls_are_flagged(made: Made) -> None:
    accounts = made[0].accounts
    assert set(accounts.filter("is_control")["score"]) == set(CONTROLS)
    assert set(accounts.filter(~pl.col("is_control"))["score"]) == set(SCORES)
    assert not set(CONTROLS) & set(made[0].luck["score"])


def test_accounts_are_those_of_the_public_parts(made: Made) -> None:
    study, desk, _ = made
    peers = PeerWorkshop(data(), desk.market).peers(SIGNAL)
    block = composite_scores(desk.market, peers, SIGNAL)
    for design, kind, change in (
        ("plain", "long_short", {}),
        ("cap_weighted", "long_only", {"weighting": "cap"}),
        ("buffered", "long_only", {"buffer": 0.1}),
    ):
        account = desk.trade(block, replace(PLAIN, kind=kind, **change))
        report = desk.report(account, name="R")
        row = study.accounts.row(
            by_predicate=(pl.col("score") == "R") & (pl.col("design") == design) & (pl.col("kind") == kind), named=True
        )
        assert row["net"] == report.figures.net["annual_return"].mean
        assert row["turnover"] == report.figures.turnover.mean
        if design == "plain":
            daily = study.daily.filter(score="R", kind=kind)
            assert daily["net"].to_list() == report.daily["net"].to_list()


def test_the_holdings_of_the_first_score_replay(made: Made) -> None:
    study, desk, kept = made
    assert list(kept) == ["long_short", "long_only"]
    returns = data().frame("bars", ["date", "asset", "ret"])
    for kind, account in kept.items():
        assert account.settings.kind == kind
        assert account.holdings is not None
        held, book = holdings_frame(account.holdings, desk.market.axes, account.books, 0), account_frame(account.books, 0, desk.market.axes)
        assert held.height > 1000
        found = replay(held, book, returns, capital=PLAIN.capital)
        assert found["gap"].max() < 1e-9 * PLAIN.capital  # sums of the same numbers in another order
        assert found["value"].len() == book.height
    assert study.accounts["accounts"].unique().to_list() == [10]


# ---------------------------------------------------------------- luck and the log


def test_one_trial_a_score_is_recorded(made: Made, log: FakeLog) -> None:
    residual = {"kind": "own", "names": made[0].facts["base"], "file_sha256": None}
    wanted = [replace(SIGNAL, construction="R").to_dict(), replace(SIGNAL, construction="S").to_dict() | {"residual_base": residual}]
    assert [signal for signal, _ in log.told] == [*wanted, MIX.to_dict()]
    daily = made[0].daily.filter(score="R", kind="long_short")["net"].to_numpy()
    periods = grid_series(daily, 10)
    told = log.told[0][1]
    assert set(told) == {"sharpe_long_short_10", "t_long_short", "sharpe_long_only_10_above_syn300", "t_long_only"}
    assert (told["sharpe_long_short_10"], told["t_long_short"]) == (sharpe_ratio(periods), ewc_test(daily).t)
    assert made[0].trials == log.count()
    assert log.count().distinct == 43
    assert made[0].luck["trials"].unique().to_list() == [43]
    spread = {row["kind"]: row for row in made[0].luck.to_dicts()}
    assert spread["long_short"]["trial_sd"] == 0.9
    least = 1 / np.sqrt(spread["long_only"]["n"] - 1)  # what estimation alone gives: a log of trials that are alike does not go below
    assert spread["long_only"]["trial_sd"] == pytest.approx(least, rel=1e-12)
    assert (made[0].luck["deflated"] < made[0].luck["undeflated"]).all()
    beside = once(BRIEF)
    assert beside.trials is None
    assert beside.luck["trials"].to_list() == [None]


def test_a_long_only_score_is_judged_against_the_first_index(made: Made) -> None:
    study = made[0]
    row = study.luck.row(by_predicate=(pl.col("score") == "R") & (pl.col("kind") == "long_only"), named=True)
    daily = study.daily.filter(score="R", kind="long_only").join(study.index_daily.filter(benchmark="syn300"), on="date", how="left")
    assert row["n"] == daily.height // 10
    bare = run(given=without("benchmarks"))[0]
    alone = bare.luck.row(0, named=True)
    assert alone["sharpe"] == pytest.approx(sharpe_ratio(grid_series(bare.daily.filter(score="R")["net"].to_numpy(), 10)), rel=1e-12)
    assert alone["sharpe"] != row["sharpe"]
    assert bare.benchmarks.is_empty()
    assert bare.index_daily.is_empty()


def test_seeds_make_a_study_repeatable() -> None:
    study = replace(SHUFFLED, designs=("plain", "orthogonal"), kinds=KINDS)
    assert figures(run(study)[0]) == figures(run(study)[0])


# ---------------------------------------------------------------- settings

SHUFFLED = replace(BRIEF, shuffles=1)
TWO = replace(BRIEF, designs=("plain", "buffered"))
MATTERS: dict[str, tuple[PortfolioStudySettings, Any]] = {
    "scores": (BRIEF, ("business_mix",)),
    "designs": (BRIEF, ("plain", "buffered")),
    "kinds": (BRIEF, ("long_short",)),
    "base": (BRIEF, "price"),
    "benchmarks": (BRIEF, ("syn500",)),
    "capitals": (BRIEF, (1e8,)),
    "shuffles": (BRIEF, 1),
    "draws": (TWO, 150),
    "splits": (TWO, 6),
    "folds": (TWO, 4),
    "seed": (replace(TWO, shuffles=1), 1),
}


@pytest.mark.parametrize("name", [each.name for each in fields(PortfolioStudySettings)])
def test_every_setting_matters(name: str) -> None:
    study, value = MATTERS[name]
    one, other = once(study), once(replace(study, **{name: value}))
    assert figures(one) != figures(other)
    assert other.settings["portfolio_study"][name] == value
    told = {
        "scores": set(other.accounts.filter(~pl.col("is_control"))["score"]) == {"business_mix"},
        "designs": other.accounts.filter(score="R")["design"].to_list() == ["plain", "buffered"],
        "kinds": other.accounts["kind"].unique().to_list() == ["long_short"],
        "base": one.facts["base"] == ["c0", "c1", "c2"] != other.facts["base"] and one.accounts.equals(other.accounts, null_equal=True),
        "benchmarks": set(other.benchmarks["benchmark"]) == {"syn500"} < set(one.benchmarks["benchmark"]),
        "capitals": other.capacity["capital"].to_list() == [1e8] and one.capacity.is_empty(),
        "shuffles": "shuffle 1" in other.accounts["score"] and "shuffle 1" not in one.accounts["score"],
        "draws": one.reality["p_consistent"].item() != other.reality["p_consistent"].item()
        and one.reality["pbo"].equals(other.reality["pbo"]),
        "splits": one.reality["slope"].item() != other.reality["slope"].item() and one.folds.equals(other.folds),
        "folds": (one.folds.height, other.folds.height) == (3, 4),
        "seed": differ(one, other) == {"shuffle 1"} and one.reality["p_consistent"].item() != other.reality["p_consistent"].item(),
    }
    assert told[name]


def differ(one: PortfolioStudy, other: PortfolioStudy) -> set[str]:
    """Scores whose accounts differ."""
    names = one.accounts["score"].unique()
    return {name for name in names if not one.accounts.filter(score=name).equals(other.accounts.filter(score=name), null_equal=True)}


@pytest.mark.parametrize("kinds", [("long_only",), ("long_short",), ("long_only", "long_short")])
def test_kinds_alone_and_in_any_order(kinds: Any, made: Made) -> None:
    study, _, kept = run(replace(BRIEF, kinds=kinds))
    assert study.accounts.filter(score="R")["kind"].to_list() == list(kept) == list(kinds)
    for kind in kinds:
        mine, all_of = (each.accounts.filter(score="R", design="plain", kind=kind) for each in (study, made[0]))
        assert mine.equals(all_of, null_equal=True)


def test_the_study_sets_kind_and_benchmark(brief: PortfolioStudy) -> None:
    with pytest.raises(SettingError, match=r"\[portfolio\] benchmark has no use in a study: name benchmarks in \[portfolio_study\]"):
        run(plain=replace(PLAIN, kind="long_only", benchmark="syn500"))
    other = run(plain=replace(PLAIN, kind="long_only"))[0]
    assert other.accounts.equals(brief.accounts, null_equal=True)
    assert set(other.benchmarks["benchmark"]) == {"syn300", "syn500"}
    paper = run(replace(BRIEF, kinds=KINDS), replace(PLAIN, shorting="paper", gross_exposure=1.0))[0]
    assert (paper.accounts["last"] == date(2025, 12, 31)).all()
    assert paper.accounts.filter(kind="long_only").equals(brief.accounts, null_equal=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": ()}, r"scores must name some of R, S, business_mix, each once, not \[\]"),
        ({"scores": ("R", "R")}, "each once"),
        ({"scores": ("X",)}, "scores must name some of"),
        ({"designs": ("round",)}, "designs must name some of plain"),
        ({"kinds": ("short_only",)}, "kinds must name some of long_short, long_only"),
        ({"base": "some"}, "base must be one of"),
        ({"capitals": (0.0,)}, "capitals must be numbers from 1 to 1e15"),
        ({"capitals": (True,)}, "capitals must be numbers from 1 to 1e15"),
        ({"shuffles": -1}, "shuffles must be a whole number of at least 0, not -1"),
        ({"draws": 99}, "draws must be a whole number of at least 100, not 99"),
        ({"splits": 5}, "splits must be an even number from 4 to 20, not 5"),
        ({"splits": 22}, "splits must be an even number"),
        ({"splits": 2}, "splits must be a whole number of at least 4"),
        ({"folds": 1}, "folds must be a whole number of at least 2"),
        ({"seed": 0.5}, "seed must be a whole number of at least 0"),
    ],
)
def test_settings_outside_their_range_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        PortfolioStudySettings(**change)
    assert PortfolioStudySettings(scores=["R"], capitals=[1e6]).scores == ("R",)  # type: ignore[arg-type]


def test_a_design_that_changes_nothing_is_left_out() -> None:
    every = PortfolioStudySettings()
    assert every.designed("cap_weighted", replace(PLAIN, weighting="cap"), scheme="s") is None
    assert every.designed("buffered", replace(PLAIN, buffer=0.2), scheme="s") is None
    assert every.designed("sector_neutral", PLAIN, scheme=None) is None
    assert every.designed("sector_neutral", replace(PLAIN, sector_scheme="s"), scheme="s") is None
    assert every.designed("sector_neutral", PLAIN, scheme="s") == replace(PLAIN, sector_scheme="s")
    assert every.designed("orthogonal", PLAIN, scheme=None) == PLAIN
    bare = run(replace(BRIEF, designs=("plain", "sector_neutral")), given=without("industries"))[0]
    assert bare.accounts.select("score", "design").rows() == [("R", "plain"), ("own_only", "plain")]


# ---------------------------------------------------------------- what is absent


def test_a_score_that_is_not_evaluable_is_told_and_the_others_go_on() -> None:
    """Scores of business_mix ask for more peers than there are; R goes on."""
    asked = replace(BRIEF, scores=("business_mix", "R"), capitals=(1e7,))
    study, _, kept = run_portfolios(data(), SIGNAL, replace(MIX, min_peers=119, fallback=()), PLAIN, asked)
    assert next(iter(study.not_evaluable)) == "business_mix, plain"
    assert "no session is a rebalance" in study.not_evaluable["business_mix, plain"]
    assert study.accounts.filter(score="R").height == 1
    assert set(study.correlations["score"]) == {"R"}
    assert study.capacity.is_empty()  # it is that of the first score
    assert kept["long_only"].holdings is not None
    with pytest.raises(InsufficientDataError, match=r"no score has a portfolio \(R, plain: no session is a rebalance"):
        run(plain=replace(PLAIN, min_leg_names=60))


def test_where_no_short_sale_is_allowed_the_long_only_accounts_go_on() -> None:
    """From 2024-07-11 on no long-short account can be opened."""
    late = tables()["bars"].filter(pl.col("date") > date(2024, 7, 15))
    log = FakeLog()
    study, _, kept = run(replace(BRIEF, kinds=KINDS, capitals=(1e7,)), given=without(bars=late), log=log)
    assert study.accounts.filter(score="R")["kind"].to_list() == list(kept) == ["long_only"]
    assert list(study.not_evaluable) == [f"{name}, plain, long_short" for name in ("R", "own_only", "industry")]
    assert "none of 10 accounts was opened" in study.not_evaluable["R, plain, long_short"]
    assert study.capacity["kind"].to_list() == ["long_only"]
    assert study.correlations["factor"].to_list()[:3] == ["c0", "c1", "c2"]
    assert [signal["construction"] for signal, _ in log.told] == ["R"]
    assert set(study.reality["kind"]) == {"long_only"}


def test_reasons_are_one_line_where_they_are_one() -> None:
    found = Found()
    found.lose("R, plain", {}, of=KINDS)
    found.lose("S, plain", {"long_short": "why", "long_only": "why"}, of=KINDS)
    found.lose("S, buffered", {"long_short": "why", "long_only": "else"}, of=KINDS)
    found.lose("T, plain", {"long_only": "why"}, of=KINDS)
    assert found.not_evaluable == {
        "S, plain": "why",
        "S, buffered, long_short": "why",
        "S, buffered, long_only": "else",
        "T, plain, long_only": "why",
    }


def test_an_index_with_a_gap_is_an_error_only_where_it_was_named() -> None:
    index = tables()["benchmarks"]
    gap = without(benchmarks=index.filter(~((pl.col("index") == "syn300") & (pl.col("date") == date(2025, 3, 3)))))
    study = run(given=gap)[0]
    assert set(study.benchmarks["benchmark"]) == {"syn500"}
    told = [note for note in study.notes if "benchmark 'syn300' has no return on" in note]
    assert len(told) == 1
    with pytest.raises(TableError, match="benchmark 'syn300' has no return on"):
        run(replace(BRIEF, benchmarks=("syn300",)), given=gap)
    with pytest.raises(SettingError, match="benchmarks name syn3000, which the dataset lacks; it has syn300, syn500: name some of them"):
        run(replace(BRIEF, benchmarks=("syn3000",)), given=gap)
    with pytest.raises(TableError, match="benchmarks name syn300, but the dataset has no table benchmarks: import it"):
        run(replace(BRIEF, benchmarks=("syn300",)), given=without("benchmarks"))


def test_one_base_of_ones_own_needs_factors() -> None:
    with pytest.raises(TableError, match='base = "own" needs the table factors in the dataset: import one, or take base = "auto"'):
        run(given=without("factors"))
    hollow = tables()["factors"].with_columns(c1=pl.lit(None, dtype=pl.Float64))
    assert run(given=without(factors=hollow))[0].facts["base"] == ["c0", "c2"]
    with pytest.raises(InsufficientDataError, match="none of the 3 factors has a value"):
        run(given=without(factors=hollow.with_columns(c0=pl.col("c1"), c2=pl.col("c1"))))


def test_progress_says_what_is_at_hand() -> None:
    heard: list[str] = []
    run(progress=heard.append)
    assert any("R: plain, long only" in each for each in heard)
    assert any("control own_only" in each for each in heard)
