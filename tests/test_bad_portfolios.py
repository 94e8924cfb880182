"""Bad portfolios at every public entrance: a clear error, or a correct result that says what is odd; nothing in between."""

from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.apps import cli
from pureplay.dataset import Dataset
from pureplay.errors import EvaluationError, InsufficientDataError, PureplayError, SettingError, TableError
from pureplay.evaluate.paper import paper_long_short
from pureplay.evaluate.portfolio import Desk, MarketRules, Portfolio, PortfolioSettings, backtest, quantile_portfolio, replay
from pureplay.market import Market, load_market
from pureplay.stats.inference import (
    automatic_block,
    deflated_sharpe,
    ewc_test,
    expected_max_sharpe,
    icir_interval,
    min_track_record,
    overfitting_probability,
    probabilistic_sharpe,
    purged_splits,
    stepwise_superior,
    superior_predictive_ability,
    years_to_decide,
)
from pureplay.synthetic import market

Deed = Callable[[], object]
Frame = pl.DataFrame
KEPT = ("bars", "assets", "industries", "index_members", "benchmarks")
LONG = "<script>" * 1250
PAPER = PortfolioSettings(min_leg_names=2, grid_sessions=10, shorting="paper")
AGAINST = PortfolioSettings(kind="long_only", min_leg_names=2, grid_sessions=10, benchmark="syn300")
OWN = PortfolioSettings(kind="long_only")
CAP = PortfolioSettings(min_leg_names=2, grid_sessions=10, shorting="paper", weighting="cap")


@cache
def tables() -> dict[str, Frame]:
    made = market(stocks=40, sessions=90, seed=5).tables
    return {name: made[name] for name in KEPT}


@cache
def dataset() -> Dataset:
    return Dataset.from_frames(tables())


def with_(**changed: Frame | None) -> Dataset:
    return Dataset.from_frames({name: frame for name, frame in {**tables(), **changed}.items() if frame is not None})


def bars(**columns: object) -> Dataset:
    return with_(bars=tables()["bars"].with_columns(**columns))


@cache
def scores() -> Frame:
    keys = tables()["bars"].select("date", "asset")
    return keys.with_columns(score=pl.Series(np.random.default_rng(0).normal(size=keys.height)))


def scored(**columns: object) -> Frame:
    return scores().with_columns(**columns)


@cache
def days() -> tuple[date, ...]:
    return tuple(tables()["bars"]["date"].unique().sort())


@cache
def stocks() -> tuple[str, ...]:
    return tuple(tables()["bars"]["asset"].unique().sort())


@cache
def weights() -> Frame:
    dates = days()[30::10]
    held = set.intersection(*(set(tables()["bars"].filter(pl.col("date") == each)["asset"]) for each in dates))
    rows = [(each, code, 0.25) for each in dates for code in sorted(held)[:4]]
    return pl.DataFrame(rows, schema=["date", "asset", "weight"], orient="row")


def weighed(**columns: object) -> Frame:
    return weights().with_columns(**columns)


def cut(frame: Frame | None = None, data: Dataset | None = None, settings: object = PAPER, **more: Any) -> Portfolio:
    return quantile_portfolio(scores() if frame is None else frame, data or dataset(), settings=settings, **more)  # type: ignore[arg-type]


def own(frame: object, settings: object = OWN) -> Portfolio:
    return backtest(frame, dataset(), settings=settings)  # type: ignore[arg-type]


def settings(**given: Any) -> PortfolioSettings:
    return PortfolioSettings(**{"min_leg_names": 2, "grid_sessions": 10, "shorting": "paper", **given})


def at(column: str, value: float, *, day: int = 45, table: str = "bars") -> Frame:
    """A table with one value of a column changed, on one day, of the first stock or index after it that has a row."""
    frame = tables()[table].with_row_index("n")
    first = frame.filter(pl.col("date") == days()[day])["n"][0]
    return frame.with_columns(pl.when(pl.col("n") == first).then(value).otherwise(column).alias(column)).drop("n")


def index(**columns: object) -> Dataset:
    return with_(benchmarks=tables()["benchmarks"].with_columns(**columns))


def levels(value: float) -> Dataset:
    return with_(benchmarks=at("close", value, table="benchmarks").drop("ret"))


def status(*rows: tuple[str, str, date, date | None]) -> Frame:
    schema = {"asset": pl.String, "kind": pl.String, "start_date": pl.Date, "end_date": pl.Date}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def only(where: pl.Expr) -> Dataset:
    return with_(bars=tables()["bars"].filter(where))


@cache
def blocks() -> tuple[Any, Market]:
    made = load_market(dataset())
    return np.random.default_rng(1).normal(size=made.axes.shape), made


def paper(scores: object = None, returns: object = None, *, traded: object = None, **more: Any) -> object:
    block, made = blocks()
    given = (block if scores is None else scores, made.returns if returns is None else returns, made.traded if traded is None else traded)
    return paper_long_short(*given, made.axes.sessions, **more)  # type: ignore[arg-type]


def refuses(error: type[PureplayError], words: str, deed: Deed) -> None:
    with pytest.raises(error) as caught:
        deed()
    said = str(caught.value)
    assert type(caught.value) is error
    assert words in said
    assert len(said) < 4000


# ---------------------------------------------------------------- portfolios that are refused


SUM = "weights must sum to 1 on every date, but on 6 of 6 dates they do not"
NOT_LEFT = "no score of 'score' is left on a date and stock of the bars"
REFUSED: dict[str, tuple[type[PureplayError], str, Deed]] = {
    "weights that do not sum": (TableError, SUM, lambda: own(weighed(weight=pl.col("weight") * 0.9))),
    "weights of 0": (TableError, SUM, lambda: own(weighed(weight=pl.lit(0.0)))),
    "weights without rows": (TableError, "weights have no rows", lambda: own(weights().clear())),
    "weights as text": (TableError, "non-numeric columns weight", lambda: own(weighed(weight=pl.lit("0.25")))),
    "weights missing": (TableError, "24 missing or infinite values", lambda: own(weighed(weight=pl.lit(None)))),
    "weights infinite": (TableError, "24 missing or infinite values", lambda: own(weighed(weight=pl.lit(np.inf)))),
    "weights twice": (TableError, "repeated keys", lambda: own(pl.concat([weights(), weights().head(1)]))),
    "weights on a holiday": (TableError, "no days of the bars", lambda: own(weighed(date=pl.lit(date(2025, 10, 4))).unique("asset"))),
    "weights with a time zone": (
        TableError,
        "carries the time zone Asia/Shanghai",
        lambda: own(weighed(date=pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Shanghai"))),
    ),
    "weights of a name without end": (
        TableError,
        "weights name 1 stocks of 1 without bars",
        lambda: own(weighed(asset=pl.lit(LONG)).unique("date")),
    ),
    "weights on the last day": (InsufficientDataError, "was opened", lambda: own(weighed(date=pl.lit(days()[-1])).unique("asset"))),
    "weights are a dict": (TableError, "is a dict, not a frame", lambda: own({"a": 1})),
    "settings are a dict": (SettingError, "settings must be PortfolioSettings, not a dict", lambda: own(weights(), {"quantiles": 5})),
    "no dataset": (TableError, "a str is not a dataset", lambda: quantile_portfolio(scores(), "folder")),  # type: ignore[arg-type]
    "no rules": (SettingError, "market rules 5 are neither", lambda: cut(rules=5)),
    "a column that is absent": (TableError, "the signal has no column 'other'", lambda: cut(column="other")),
    "the date as a score": (SettingError, "is its key, not a score", lambda: cut(column="date")),
    "the asset as a score": (SettingError, "is its key, not a score", lambda: cut(column="asset")),
    "a column without a name": (TableError, "the signal has no column ''", lambda: cut(column="")),
    "scores without rows": (TableError, "signal has no rows", lambda: cut(scores().clear())),
    "scores as text": (TableError, "non-numeric columns score", lambda: cut(scored(score=pl.lit("high")))),
    "scores twice": (TableError, "2 repeated keys", lambda: cut(pl.concat([scores(), scores().head(2)]))),
    "scores NaN": (TableError, f"{NOT_LEFT}, all are missing", lambda: cut(scored(score=pl.lit(np.nan)))),
    "scores infinite": (TableError, "3119 infinite scores count as missing", lambda: cut(scored(score=pl.lit(np.inf)))),
    "scores of other days": (TableError, "3119 of 3119 scores lie on dates", lambda: cut(scored(date=pl.col("date").dt.offset_by("-30y")))),
    "scores of other stocks": (TableError, "3119 of 3119 scores lie", lambda: cut(scored(asset=pl.lit("../x") + pl.col("asset")))),
    "scores of 1e300": (TableError, "cannot be squared", lambda: cut(scored(score=pl.col("score") * 1e300))),
    "scores all equal": (InsufficientDataError, "less those that tie across a border", lambda: cut(scored(score=pl.lit(1.0)))),
    "scores of two values": (
        InsufficientDataError,
        "less those that tie across a border",
        lambda: cut(scored(score=(pl.col("score") > 0).cast(pl.Float64))),
    ),
    "one name a quantile, ten asked for": (
        InsufficientDataError,
        "one name a quantile of 40",
        lambda: cut(settings=settings(quantiles=40, min_leg_names=10)),
    ),
    "more quantiles than names": (InsufficientDataError, "0 names a quantile", lambda: cut(settings=settings(quantiles=10**9))),
    "one stock": (InsufficientDataError, "0 names a quantile", lambda: cut(data=only(pl.col("asset") == stocks()[5]))),
    "one session": (InsufficientDataError, "within 1 sessions", lambda: cut(data=only(pl.col("date") == days()[0]))),
    "an offset that no session has": (
        InsufficientDataError,
        "0 of 0 sessions of the grid",
        lambda: cut(settings=settings(grid_sessions=10_000, offset=9_999)),
    ),
    "nothing trades": (
        InsufficientDataError,
        "see which stocks status calls suspended",
        lambda: cut(data=with_(status=status(*((each, "suspended", days()[0], None) for each in stocks())))),
    ),
    "a delay beyond the data": (InsufficientDataError, "within 90 sessions", lambda: cut(settings=settings(delay_sessions=500))),
    "short sales that are not allowed": (
        InsufficientDataError,
        "would have begun where short sales are not allowed",
        lambda: cut(settings=settings(shorting="rule")),
    ),
    "an unknown scheme": (SettingError, "it has syn_l1, syn_l2, syn_l3", lambda: cut(settings=settings(sector_scheme="<b>"))),
    "no industries": (SettingError, "it has none", lambda: cut(data=with_(industries=None), settings=settings(sector_scheme="x"))),
    "an unknown universe": (SettingError, "it has syn300, syn500", lambda: cut(settings=settings(universe="zz"))),
    "an unknown board": (
        TableError,
        "40 of 40 stocks belong to no board of market 'cn'",
        lambda: cut(data=with_(assets=tables()["assets"].with_columns(board=pl.lit("moon")))),
    ),
    "a code of no board": (
        TableError,
        "of 40 stocks belong to no board",
        lambda: cut(
            scored(asset=LONG + pl.col("asset")), Dataset.from_frames({"bars": tables()["bars"].with_columns(asset=LONG + pl.col("asset"))})
        ),
    ),
    "data before the rules": (
        SettingError,
        "begin on 2008-09-19, the data on 1985-08-20",
        lambda: cut(data=Dataset.from_frames({"bars": tables()["bars"].with_columns(pl.col("date").dt.offset_by("-40y"))})),
    ),
    "a return of 1e300": (TableError, "1 returns of the bars lie above 1e+06", lambda: cut(data=with_(bars=at("ret", 1e300)))),
    "market values of 1e308": (TableError, "cannot be added up", lambda: cut(data=bars(total_cap=pl.lit(1e308)), settings=CAP)),
    "market values of 0": (TableError, "cap_not_positive (3119)", lambda: bars(total_cap=pl.lit(0.0))),
    "market values below 0": (TableError, "cap_not_positive (3119)", lambda: bars(total_cap=-pl.col("total_cap"))),
    "market values missing": (
        InsufficientDataError,
        "at most 0 scored names",
        lambda: cut(data=bars(total_cap=pl.lit(None, dtype=pl.Float64)), settings=CAP),
    ),
    "amounts below 0": (TableError, "negative_volume (3119)", lambda: bars(amount=-pl.col("amount"))),
    "amounts of 1e308": (EvaluationError, "liquidity must be at least 0 and finite", lambda: cut(data=bars(amount=pl.lit(1e308)))),
    "a status that ends before it starts": (
        TableError,
        "status: ends_before_start (1)",
        lambda: with_(status=status((stocks()[5], "ST", days()[50], days()[40]))),
    ),
    "delisted before listed": (
        TableError,
        "delisted_before_listed (40)",
        lambda: with_(assets=tables()["assets"].with_columns(delist_date=pl.lit(date(1990, 1, 1)))),
    ),
    "no benchmarks": (TableError, "needs the table benchmarks", lambda: cut(data=with_(benchmarks=None), settings=AGAINST)),
    "a benchmark that is absent": (
        SettingError,
        "which has syn300, syn500",
        lambda: cut(settings=PortfolioSettings(kind="long_only", min_leg_names=2, grid_sessions=10, benchmark="<script>")),
    ),
    "a benchmark without a day": (
        TableError,
        "has no return on 1 of 88 sessions",
        lambda: cut(data=with_(benchmarks=tables()["benchmarks"].filter(pl.col("date") != days()[45])), settings=AGAINST),
    ),
    "a benchmark with a day twice": (
        TableError,
        "benchmarks: duplicate_key (1)",
        lambda: with_(benchmarks=pl.concat([tables()["benchmarks"], at("close", 5.0, table="benchmarks").filter(pl.col("close") == 5.0)])),
    ),
    "a benchmark of 0": (TableError, "has no return on 2 of 88 sessions", lambda: cut(data=levels(0.0), settings=AGAINST)),
    "a benchmark below 0": (TableError, "has no return on 2 of 88 sessions", lambda: cut(data=levels(-5.0), settings=AGAINST)),
    "a benchmark of 1e308": (TableError, "returns above 10", lambda: cut(data=levels(1e308), settings=AGAINST)),
    "a benchmark in per cent": (
        TableError,
        "give decimals, not per cent",
        lambda: cut(data=index(ret=pl.col("ret") * 100), settings=AGAINST),
    ),
}


@pytest.mark.parametrize(("error", "words", "deed"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_portfolio_is_refused(error: type[PureplayError], words: str, deed: Deed) -> None:
    refuses(error, words, deed)


# ---------------------------------------------------------------- portfolios that run and say what is odd


SOUND: dict[str, tuple[str, Callable[[], Portfolio]]] = {
    "one name a quantile": ("", lambda: cut(settings=settings(quantiles=30, min_leg_names=1))),
    "a wide buffer": ("", lambda: cut(settings=settings(buffer=0.499))),
    "a capital of 1e15": ("", lambda: cut(settings=settings(capital=1e15))),
    "a capital of 1": ("", lambda: cut(settings=settings(capital=1.0))),
    "a capital of 1e15, impact 100": ("", lambda: cut(settings=settings(capital=1e15, impact=100.0, participation=None))),
    "costs of a fifth a side": ("", lambda: cut(settings=settings(grid_sessions=1, commission_bps=1000.0, slippage_bps=1000.0))),
    "a grid beyond the data": ("", lambda: cut(settings=settings(grid_sessions=10**9))),
    "some scores infinite": (
        "infinite scores count as missing",
        lambda: cut(scored(score=pl.when(pl.col("asset") == stocks()[3]).then(np.inf).otherwise("score"))),
    ),
    "some scores of no session": (
        "3 of 3122 scores lie on dates or stocks without bars",
        lambda: cut(pl.concat([scores(), scores().head(3).with_columns(date=pl.lit(date(1999, 1, 1)))])),
    ),
    "dates of pandas": ("", lambda: cut(scores().to_pandas().assign(date=list(scores()["date"])))),
    "no amount": ("bars have no amount", lambda: cut(data=with_(bars=tables()["bars"].drop("amount")))),
    "amounts all missing": ("bars have no amount", lambda: cut(data=bars(amount=pl.lit(None, dtype=pl.Float64)))),
    "limits the wrong way round": (
        "stock-days have a limit_up or limit_down that is 0 or less, or",
        lambda: cut(data=bars(limit_up=pl.col("limit_down"), limit_down=pl.col("limit_up"))),
    ),
    "delisted, and trades on": (
        "1 stocks trade after their delist_date",
        lambda: cut(
            data=with_(assets=tables()["assets"].with_columns(delist_date=pl.when(pl.col("asset") == stocks()[5]).then(days()[30])))
        ),
    ),
    "two sessions": ("", lambda: cut(data=only(pl.col("date") <= days()[1]))),
}


@pytest.mark.parametrize(("words", "deed"), SOUND.values(), ids=SOUND.keys())
def test_an_odd_portfolio_says_what_is_odd(words: str, deed: Callable[[], Portfolio]) -> None:
    made = deed()
    assert any(words in note for note in made.notes) or not words, made.notes
    held = made.daily["net"].drop_nulls()
    assert held.is_finite().all()
    assert (held >= -1).all()


def test_limits_that_cannot_be_are_as_if_absent() -> None:
    wrong = bars(limit_up=pl.col("limit_down"), limit_down=pl.col("limit_up"))
    without = bars(limit_up=pl.lit(None, dtype=pl.Float64), limit_down=pl.lit(None, dtype=pl.Float64))
    assert cut(data=wrong).daily.equals(cut(data=without).daily)


def test_ties_across_a_border_are_no_matter_of_order() -> None:
    tied = scored(score=pl.col("score").round(1))
    assert cut(tied).daily.equals(cut(tied.reverse()).daily)


# ---------------------------------------------------------------- settings


ODD: tuple[Any, ...] = (np.nan, np.inf, -np.inf, "x", [1], 10**400, -1)
FIELDS = ("buffer", "capital", "impact", "gross_exposure", "quantiles", "participation", "offset", "grid_sessions", "commission_bps")


@pytest.mark.parametrize("name", [*FIELDS, "write_off_sessions", "liquidity_sessions", "retry_sessions", "kind", "weighting", "fees"])
@pytest.mark.parametrize("value", ODD, ids=[repr(each)[:8] for each in ODD])
def test_an_odd_setting_is_refused(name: str, value: Any) -> None:
    refuses(SettingError, f"{name} must be ", lambda: PortfolioSettings(**{name: value}))


# ---------------------------------------------------------------- rules


META = '[meta]\nname = "x"\ncurrency = "CNY"\ntick = 0.01\ntolerance = 0.001\nday_count = 365\n'
FEE = '[[fee]]\nname = "f"\nside = "buy"\nrate = 0.1\n'
DATED, SOURCED = "from = 2000-01-01\n", 'source = "s"\n'
RULES = {
    "empty": (b"", "lacks [meta]"),
    "binary": (bytes(range(256)), "is no TOML file"),
    "without a date": ((META + FEE + SOURCED).encode(), "has no date"),
    "without a source": ((META + FEE + DATED).encode(), "lacks 'source'"),
    "twice the same": ((META + 2 * (FEE + DATED + SOURCED)).encode(), "overlap"),
    "ends before it begins": ((META + FEE + DATED + "to = 1999-01-01\n" + SOURCED).encode(), "before it begins"),
    "a rate of NaN": ((META + FEE.replace("0.1", "nan") + DATED + SOURCED).encode(), "lies outside"),
    "nested without end": ((META + "x = " + "[" * 5000 + "]" * 5000).encode(), "is no TOML file"),
    "an unknown board": ((META + '[[price_limit]]\nboard = "q"\nkind = "normal"\n' + DATED + SOURCED).encode(), "board 'q'"),
}


@pytest.mark.parametrize(("content", "words"), RULES.values(), ids=RULES.keys())
def test_bad_rules_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes(content)
    refuses(SettingError, words, lambda: MarketRules.load(tmp_path / "m.toml"))


def test_rules_that_are_no_file(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    (tmp_path / "folder.toml").mkdir()
    for name in ("loop.toml", "folder.toml", "none.toml"):
        refuses(SettingError, "there is no file", lambda name=name: MarketRules.load(tmp_path / name))  # type: ignore[misc]
    refuses(SettingError, "cannot be read", lambda: MarketRules.load("a" * 10_000 + ".toml"))
    refuses(SettingError, "are neither one of cn, us", lambda: MarketRules.load(LONG))


# ---------------------------------------------------------------- inference


X = np.random.default_rng(2).normal(size=(120, 4))
RNG = np.random.default_rng
ONE: dict[str, Callable[[Any], object]] = {
    "deflated_sharpe": lambda x: deflated_sharpe(x, trials=10),
    "probabilistic_sharpe": probabilistic_sharpe,
    "icir_interval": lambda x: icir_interval(x, rng=RNG(0), mean_block=2.0, draws=50),
    "automatic_block": automatic_block,
    "ewc_test": ewc_test,
}
TABLE: dict[str, Callable[[Any], object]] = {
    "spa": lambda x: superior_predictive_ability(x, mean_block=2, draws=100),
    "stepm": lambda x: stepwise_superior(x, mean_block=2, draws=100),
    "pbo": lambda x: overfitting_probability(x, splits=4),
}
NO_SERIES: dict[str, Any] = {
    "text": np.array(["a", "b"]),
    "None": None,
    "complex": np.ones(5) * 1j,
    "1e200": X[:, 0] * 1e200,
    "1e-200": X[:, 0] * 1e-200,
    "three dimensions": X[None],
}


@pytest.mark.parametrize("value", NO_SERIES.values(), ids=NO_SERIES.keys())
@pytest.mark.parametrize("deed", [*ONE.values(), *TABLE.values()], ids=[*ONE, *TABLE])
def test_what_is_no_series_is_refused(deed: Callable[[Any], object], value: Any) -> None:
    refuses(SettingError, "numbers", lambda: deed(value))


@pytest.mark.parametrize(
    "deed", [each for name, each in ONE.items() if name != "ewc_test"], ids=[each for each in ONE if each != "ewc_test"]
)
@pytest.mark.parametrize("value", [[], np.full(50, np.nan), np.full(50, np.inf), np.ones(50)], ids=["empty", "NaN", "infinite", "constant"])
def test_a_series_that_says_nothing_is_refused(deed: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(InsufficientDataError):
        deed(value)


@pytest.mark.parametrize("deed", ONE.values(), ids=ONE.keys())
def test_any_sequence_of_numbers_is_a_series(deed: Callable[[Any], object]) -> None:
    wanted = str(deed(X[:, 0]))
    for value in (X[:, 0].tolist(), pl.Series(X[:, 0]), pl.Series(X[:, 0]).to_pandas()):
        assert str(deed(value)) == wanted


@pytest.mark.parametrize("deed", TABLE.values(), ids=TABLE.keys())
def test_any_table_of_numbers_is_one_of_variants(deed: Callable[[Any], object]) -> None:
    wanted = str(deed(X))
    for value in (X.tolist(), pl.DataFrame(X), pl.DataFrame(X).to_pandas()):
        assert str(deed(value)) == wanted
    for value in (X[:0], np.where(X > 9, X, np.nan)):
        with pytest.raises(InsufficientDataError):
            deed(value)


NUMBERS: dict[str, tuple[Callable[[Any], object], tuple[Any, ...]]] = {
    "trials": (lambda v: deflated_sharpe(X[:, 0], trials=v), (0, -1, 2.5, "x", None, True, 10**400)),
    "trial_sd": (lambda v: deflated_sharpe(X[:, 0], trials=5, trial_sd=v), (-1, np.nan, "x", 10**400)),
    "spread": (lambda v: expected_max_sharpe(v, 5), (-1, np.nan, "x", None, 10**400)),
    "splits": (lambda v: overfitting_probability(X, splits=v), (0, 3, 2.5, "x", None, True, 10**30)),
    "mean_block": (lambda v: superior_predictive_ability(X, mean_block=v, draws=100), (0, 2.5, "x", None, True, 10**400)),
    "draws": (lambda v: superior_predictive_ability(X, mean_block=2, draws=v), (0, 2.5, "x", None, True, 10**8, 10**400)),
    "seed": (lambda v: superior_predictive_ability(X, mean_block=2, draws=100, seed=v), (-1, 2.5, "x", True)),
    "level": (lambda v: stepwise_superior(X, mean_block=2, draws=100, level=v), (0, 1, np.nan, "x", None)),
    "folds": (lambda v: purged_splits(50, folds=v, horizon_sessions=1), (1, 2.5, "x", None, 10**400)),
    "horizon_sessions": (lambda v: purged_splits(50, folds=5, horizon_sessions=v), (0, "x", 10**30, 10**400)),
    "samples": (lambda v: purged_splits(v, folds=5, horizon_sessions=1), (0, -1, "x", None, 10**400, [0.5, 1, 2, 3, 4], [3, 2, 1])),
    "icir mean_block": (lambda v: icir_interval(X[:, 0], rng=RNG(0), mean_block=v), (0, np.nan, np.inf, "x", 10**400)),
    "icir draws": (lambda v: icir_interval(X[:, 0], rng=RNG(0), mean_block=2.0, draws=v), (0, 2.5, np.nan, "x", True, 10**400)),
    "icir rng": (lambda v: icir_interval(X[:, 0], rng=v, mean_block=2.0), (0, None, "x")),
    "sharpe": (lambda v: min_track_record(v), ("x", None, 10**400)),
    "kurtosis": (lambda v: min_track_record(0.1, kurtosis=v), (0.5, np.nan, "x", None, 10**400)),
    "confidence": (lambda v: min_track_record(0.1, confidence=v), (0, 1, np.nan, "x", None)),
    "t": (lambda v: years_to_decide(v, 3.0), ("x", None, 10**400)),
    "years": (lambda v: years_to_decide(1.0, v), (0, np.nan, "x", None, 10**400)),
    "power": (lambda v: years_to_decide(1.0, 3.0, power=v), (0, 1, np.nan, "x")),
}
EACH = [(name, deed, value) for name, (deed, values) in NUMBERS.items() for value in values]


@pytest.mark.parametrize(("name", "deed", "value"), EACH, ids=[f"{name} {value!r:.9}" for name, _, value in EACH])
def test_an_odd_number_is_refused(name: str, deed: Callable[[Any], object], value: Any) -> None:
    refuses(SettingError, "must ", lambda: deed(value))


# ---------------------------------------------------------------- the paper portfolio


BLOCKS: dict[str, tuple[type[PureplayError], str, Deed]] = {
    "scores of fewer names": (SettingError, "returns has the shape", lambda: paper(blocks()[0][:, :5])),
    "scores of fewer sessions": (SettingError, "scores has the shape", lambda: paper(blocks()[0][:5])),
    "one row": (SettingError, "scores must be a block", lambda: paper(blocks()[0][0])),
    "a frame": (SettingError, "scores must be a block", lambda: paper(scores())),
    "traded as numbers": (SettingError, "traded must be a block", lambda: paper(traded=blocks()[0])),
    "returns below -1": (SettingError, "returns must be decimals from -1", lambda: paper(None, np.full_like(blocks()[0], -2.0))),
    "returns of 1e200": (SettingError, "returns must be decimals from -1", lambda: paper(None, np.full_like(blocks()[0], 1e200))),
    "scores NaN": (InsufficientDataError, "give more scores", lambda: paper(np.full_like(blocks()[0], np.nan))),
    "scores all equal": (InsufficientDataError, "give more scores", lambda: paper(np.ones_like(blocks()[0]))),
    "quantiles of 1e30": (SettingError, "quantiles must be a whole number", lambda: paper(quantiles=10**30)),
    "a delay beyond the data": (InsufficientDataError, "give more scores", lambda: paper(delay_sessions=5000)),
}


@pytest.mark.parametrize(("error", "words", "deed"), BLOCKS.values(), ids=BLOCKS.keys())
def test_bad_blocks_are_refused(error: type[PureplayError], words: str, deed: Deed) -> None:
    refuses(error, words, deed)


def test_a_paper_grid_beyond_the_data_is_held_to_its_end() -> None:
    made = paper_long_short(blocks()[0], blocks()[1].returns, blocks()[1].traded, blocks()[1].axes.sessions, grid_sessions=10**9)
    assert made.offsets == made.rebalances - 2  # the last two are bought too late for two returns


# ---------------------------------------------------------------- replay, desk


HELD = {"date": [date(2025, 1, 2)], "asset": ["a"], "value": [1.0], "trade": [1.0], "cost": [0.0], "payout": [0.0]}
BOOK = {"date": [date(2025, 1, 2)], "value": [10.0], "cash": [9.0], "fees": [0.0], "impact": [0.0], "borrow": [0.0]}
RETURNS = {"date": [date(2025, 1, 2)], "asset": ["a"], "ret": [0.0]}


def replayed(capital: Any = 10.0, *, held: dict[str, Any] | None = None, book: dict[str, Any] | None = None) -> Frame:
    return replay(pl.DataFrame({**HELD, **(held or {})}), pl.DataFrame({**BOOK, **(book or {})}), pl.DataFrame(RETURNS), capital=capital)


@pytest.mark.parametrize("capital", [0, -1, np.nan, "x", None, 10**400])
def test_a_replay_needs_a_capital(capital: Any) -> None:
    refuses(SettingError, "capital must be above 0", lambda: replayed(capital))


def test_a_replay_of_odd_files() -> None:
    refuses(TableError, "has lists in value", lambda: replayed(held={"value": [[1.0]]}))
    refuses(TableError, "has dates of type", lambda: replayed(book={"date": [20250102]}))
    assert replayed(held={"asset": [LONG]})["gap"].to_list() == [0.0]
    assert replayed(book={"value": ["garbage"]})["gap"][0] == pytest.approx(10.0)
    assert replay(pl.DataFrame(HELD).clear(), pl.DataFrame(BOOK).clear(), pl.DataFrame(RETURNS), capital=1.0).is_empty()


def test_a_desk_and_what_does_not_belong_to_it() -> None:
    desk = Desk.open(dataset(), settings=PAPER)
    block = blocks()[0]
    refuses(SettingError, "open a desk with these settings", lambda: desk.trade(block, settings(fees=False)))
    refuses(TableError, "put them on the market's axes", lambda: desk.trade(block[:5], PAPER))
    refuses(TableError, "put them on the market's axes", lambda: desk.trade(block.tolist(), PAPER))
    refuses(SettingError, "record is 99", lambda: desk.trade(block, PAPER, record=99))
    refuses(TableError, "a int is not a market", lambda: Desk.open(dataset(), market=5))  # type: ignore[arg-type]
    other = load_market(only(pl.col("asset") != stocks()[5]))
    refuses(TableError, "make it with load_market of the same dataset", lambda: Desk.open(dataset(), market=other, settings=PAPER))


# ---------------------------------------------------------------- the commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("market") / "data"
    dataset().write(place)
    return place


Said = tuple[int, str]


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    def call(*words: object) -> Said:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["pureplay", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return call


TOML = {
    "an unknown key": ("[portfolio]\nquantile = 5\n", "unknown key 'quantile'"),
    "text for a number": ('[portfolio]\ncapital = "1e8"\n', "capital must be a number"),
    "true for a number": ("[portfolio]\nquantiles = true\n", "quantiles must be a whole number, not true"),
    "NaN": ("[portfolio]\nbuffer = nan\n", "buffer must be"),
    "infinity": ("[portfolio]\ncapital = inf\n", "capital must be"),
    "too large": ("[portfolio]\ngrid_sessions = 1000000000000\n", "grid_sessions must be"),
    "no table": ("portfolio = 5\n", "must be a table of settings"),
    "a score twice": ('[portfolio_study]\nscores = ["R", "R"]\n', "each once"),
    "no score": ("[portfolio_study]\nscores = []\n", "scores must name some of"),
    "an odd split": ("[portfolio_study]\nsplits = 5\n", "splits must be an even number"),
    "a capital of NaN": ("[portfolio_study]\ncapitals = [nan]\n", "capitals must be numbers"),
    "rules that are no text": ("rules = 5\n", "rules must be a text"),
    "rules that are absent": ('rules = "moon"\n', "are neither one of cn, us"),
    "a file that is no TOML": ("\x00\x01", "is not TOML"),
}


@pytest.mark.parametrize(("text", "words"), TOML.values(), ids=TOML.keys())
def test_a_bad_configuration_is_refused(text: str, words: str, say: Callable[..., Said], tmp_path: Path, folder: Path) -> None:
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    code, said = say("portfolio", "--data", folder, "--config", "c.toml", "--out", "out", "--trials", "none")
    assert code == 2
    assert said.startswith("error: ")
    assert words in said
    assert not (tmp_path / "out").exists()


COMMANDS = {
    "a preset that is absent": (("study", "--preset", "moon"), "moon"),
    "a market without segments": (("study", "--preset", "business_mix"), "segments"),
    "a portfolio without segments": (("portfolio",), "segments"),
    "rules in a folder": (("portfolio", "--rules", "folder.toml"), "there is no file"),
}


@pytest.mark.parametrize(("words", "said"), COMMANDS.values(), ids=COMMANDS.keys())
def test_a_bad_command_is_refused(words: tuple[str, ...], said: str, say: Callable[..., Said], tmp_path: Path, folder: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    code, found = say(*words, "--data", folder, "--out", "out", "--trials", "none")
    assert code == 2
    assert "error: " in found
    assert said in found
    assert "Traceback" not in found
    assert not (tmp_path / "out").exists()


def _loop(path: Path) -> None:
    path.symlink_to(path)


LOGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 40 + b"\n"), "was altered: line 1"),
    "another file": (lambda path: path.write_text("hello\n", encoding="utf-8"), "was altered: line 1"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "a link to itself": (_loop, "is a link"),
    "a line without end": (lambda path: path.write_bytes(b"x" * (1 << 21)), "is no log of pureplay"),
}


@pytest.mark.parametrize("command", [("trials",), ("portfolio", "--out", "out", "--data", "data")], ids=["trials", "portfolio"])
@pytest.mark.parametrize(("make", "words"), LOGS.values(), ids=LOGS.keys())
def test_a_bad_log_is_refused(
    make: Callable[[Path], object], words: str, command: tuple[str, ...], say: Callable[..., Said], tmp_path: Path
) -> None:
    make(tmp_path / "log.jsonl")
    before = {each.name for each in tmp_path.iterdir()}
    code, said = say(*command, "--trials", "log.jsonl")
    assert code == 2
    assert said.startswith("error: ")
    assert words in said
    assert {each.name for each in tmp_path.iterdir()} - {"log.jsonl.lock"} == before
