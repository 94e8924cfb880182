"""Portfolios from frames: an account by hand, settings that matter, rules, what is refused, and that nothing sees the future."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.evaluate import portfolio
from pureplay.evaluate.portfolio import Desk, MarketRules, Portfolio, PortfolioSettings, backtest, quantile_portfolio, replay
from pureplay.evaluate.portfolio import rules as rules_module
from pureplay.evaluate.portfolio.arrays import Books
from pureplay.evaluate.portfolio.backtest import terms_of
from pureplay.evaluate.portfolio.holdings import account_frame, holdings_frame
from pureplay.evaluate.portfolio.legs import leg_frame
from pureplay.evaluate.portfolio.weights import weight_targets
from pureplay.sessions import sessions_between
from tests.evaluate.portfolio import toy_account as toy

STOCKS = 36
CODES = [f"{600100 + k}.SH" for k in range(STOCKS)]
FIRST, LAST = date(2024, 3, 1), date(2024, 8, 30)
SMALL = PortfolioSettings(quantiles=3, min_leg_names=3, grid_sessions=5, capital=1e6)
LONG = replace(SMALL, kind="long_only")


def test_public_names() -> None:
    assert sorted(portfolio.__all__) == [
        *("Desk", "MarketRules", "Portfolio", "PortfolioSettings", "backtest", "quantile_portfolio", "replay"),
    ]
    assert all(getattr(portfolio, name).__doc__ for name in portfolio.__all__)


# ---------------------------------------------------------------- an account by hand


@pytest.mark.parametrize(("commission_bps", "slippage_bps"), [(0.0, 0.0), (2.5, 5.0)])
def test_account_by_hand_to_the_cent(commission_bps: float, slippage_bps: float) -> None:
    data, settings = toy.dataset(), toy.settings(commission_bps=commission_bps, slippage_bps=slippage_bps)
    made = backtest(toy.weights(), data, settings=settings)
    wanted = toy.values((Decimal(str(commission_bps)) + Decimal(str(slippage_bps))) / 10_000)
    assert made.daily["date"].to_list() == list(wanted)
    for row in made.daily.to_dicts():
        assert round(1e6 * row["wealth_net"], 2) == float(round(wanted[row["date"]], 2)), row["date"]
    figures = made.figures
    assert figures.blocked_orders == {**dict.fromkeys(figures.blocked_orders, 0), "suspended": 1, "limit_up": 1}
    assert (figures.delisted.mean, figures.written_off.mean, figures.n_accounts) == (1, 0, 1)
    assert made.approximate is False
    assert made.rules == ("cn", MarketRules.load("cn").digest())

    desk = Desk.open(data, settings=settings)
    account = desk.carry(weight_targets(toy.weights(), desk.market, settings, calendar=data.calendar), settings, record=0)
    assert account.holdings is not None
    held = holdings_frame(account.holdings, desk.market.axes, account.books, 0)
    book = account_frame(account.books, 0, desk.market.axes)
    again = replay(held, book, data.frame("bars", ["date", "asset", "ret"]), capital=1e6)
    assert again["gap"].max() < 1e-6  # money; sums of six sessions round
    assert [round(each, 2) for each in again["value"]] == [float(round(each, 2)) for each in wanted.values()]
    trades = {(row["date"], row["asset"]) for row in held.filter(pl.col("trade") != 0).to_dicts()}
    assert (toy.DAYS[1], toy.C) not in trades  # at its limit
    assert (toy.DAYS[2], toy.C) in trades
    assert (toy.DAYS[3], toy.B) not in trades  # suspended
    assert (toy.DAYS[4], toy.B) in trades
    assert held.filter(pl.col("payout") != 0).select("date", "asset").rows() == [(toy.DAYS[4], toy.D)]


def test_the_cut_of_the_duty_is_worth_what_it_says(tmp_path: Path) -> None:
    settings = toy.settings(commission_bps=0.0, slippage_bps=0.0)
    text = packaged("cn")
    assert text.count("rate = 0.0005\n") == 1
    dear = tmp_path / "dear.toml"
    dear.write_text(text.replace("rate = 0.0005\n", "rate = 0.001\n"), encoding="utf-8")
    plain, more = (backtest(toy.weights(), toy.dataset(), settings=settings, rules=each).daily for each in ("cn", dear))
    assert plain["net"][:2].to_list() == more["net"][:2].to_list()
    assert plain["fees"][2] < more["fees"][2]  # 28 August, the first day of the lower duty


# ---------------------------------------------------------------- a market of everything


def days() -> list[date]:
    found = sessions_between(np.array([FIRST, LAST], dtype="datetime64[D]"), "XSHG")
    return [each for each in found.dates.astype(object).tolist() if FIRST <= each <= LAST]


@cache
def tables() -> Mapping[str, pl.DataFrame]:
    """36 stocks on the main board over half a year: limits, suspensions, ST, a delisting, a stock that stops for good."""
    rng, all_days = np.random.default_rng(3), days()
    shape = (len(all_days), STOCKS)
    returns = (0.03 * rng.standard_t(4, size=shape)).clip(-0.1, 0.1)
    closes = np.round(20 * np.cumprod(1 + returns, axis=0), 2)
    returns[1:] = closes[1:] / closes[:-1] - 1
    traded = rng.random(shape) > 0.03
    traded[0] = True
    traded[60:72, 3] = False
    traded[50:, 4] = False  # stops for good, and no date says so
    traded[80:, 5] = False  # delisted
    rows, columns = np.nonzero(traded)
    bars = pl.DataFrame(
        {
            "date": pl.Series(all_days, dtype=pl.Date).gather(rows),
            "asset": pl.Series(CODES).gather(columns),
            "ret": returns[rows, columns],
            "close": closes[rows, columns],
            "amount": (1e6 * rng.lognormal(0, 1, size=shape) * (1 + np.arange(STOCKS)))[rows, columns],
            "total_cap": (closes * 1e7 * (1 + np.arange(STOCKS) % 7))[rows, columns],
        }
    )
    assets = pl.DataFrame(
        {"asset": CODES, "list_date": [date(2011, 1, 4)] * STOCKS, "delist_date": [all_days[79] if k == 5 else None for k in range(STOCKS)]}
    )
    status = pl.DataFrame(
        {"asset": [CODES[7], CODES[8]], "kind": ["ST", "ST"], "start_date": [all_days[20], all_days[60]], "end_date": [all_days[90], None]}
    )
    labels = {"start_date": [FIRST] * STOCKS, "end_date": [None] * STOCKS}
    industries = pl.DataFrame({"asset": CODES, "scheme": ["two"] * STOCKS, "code": [f"g{k % 2}" for k in range(STOCKS)], **labels})
    members = pl.DataFrame(
        {
            "index": ["half"] * STOCKS,
            "asset": CODES,
            "start_date": [FIRST if k % 3 else all_days[70] for k in range(STOCKS)],
            "end_date": [all_days[75] if k % 3 == 1 else None for k in range(STOCKS)],
        }
    )
    moves = 0.01 * rng.normal(size=len(all_days))
    index = {"date": all_days, "close": 1000 * np.cumprod(1 + moves), "is_total_return": [True] * len(all_days)}
    benchmarks = pl.concat([pl.DataFrame({"index": [name] * len(all_days), **index}) for name in ("whole", "torn")])
    torn = (pl.col("index") == "torn") & (pl.col("date") == all_days[60])
    date_type = pl.col("end_date").cast(pl.Date)
    return {
        "bars": bars,
        "assets": assets,
        "status": status,
        "industries": industries.with_columns(date_type),
        "index_members": members,
        "benchmarks": benchmarks.filter(~torn),
    }


@cache
def data() -> Dataset:
    return Dataset.from_frames(tables(), calendar="XSHG")


@cache
def scores() -> pl.DataFrame:
    rng = np.random.default_rng(4)
    keys = pl.DataFrame({"date": days()}).join(pl.DataFrame({"asset": CODES}), how="cross")
    return keys.with_columns(score=pl.Series(rng.normal(size=keys.height)))


def made_of(settings: PortfolioSettings, **others: Any) -> Portfolio:
    return quantile_portfolio(scores(), data(), settings=settings, **others)


def essence(made: Portfolio) -> dict[str, Any]:
    """Everything but the settings."""
    return {**made.to_dict(), "settings": None, "daily": made.daily.to_dicts()}


def packaged(name: str) -> str:
    return (Path(rules_module.__file__).parent / "markets" / f"{name}.toml").read_text(encoding="utf-8")


# ---------------------------------------------------------------- frames


def test_pandas_and_polars_say_the_same() -> None:
    plain = essence(made_of(SMALL))
    frame = scores().to_pandas()
    for other in (frame, frame.set_index(["date", "asset"]), scores().lazy(), scores()[::-1]):
        assert essence(quantile_portfolio(other, data(), settings=SMALL)) == plain
    own = toy.weights()
    free = toy.settings(commission_bps=0.0, slippage_bps=0.0)
    assert essence(backtest(own.to_pandas(), toy.dataset(), settings=free)) == essence(backtest(own, toy.dataset(), settings=free))


def test_quantiles_are_the_weights_that_they_name() -> None:
    """The account of one offset is that of its legs given as one's own weights."""
    settings = replace(SMALL, offset=2)
    desk = Desk.open(data(), settings=settings)
    named = made_of(settings)
    read = scores().sort("date", "asset")["score"].to_numpy().reshape(len(days()), STOCKS)
    legs = leg_frame(desk.trade(read, settings).targets, desk.market.axes)
    own = backtest(legs, data(), settings=settings)
    np.testing.assert_allclose(
        own.daily["net"], named.daily["net"], rtol=0, atol=1e-14
    )  # own weights are scaled to their sum, which rounds
    assert (own.name, named.name) == ("own weights", "score")


def test_which_column_and_which_name() -> None:
    two = scores().with_columns(other=-pl.col("score"))
    assert essence(quantile_portfolio(two, data(), settings=SMALL, column="score")) == essence(made_of(SMALL))
    assert quantile_portfolio(two, data(), settings=SMALL, column="other", name="mine").name == "mine"
    with pytest.raises(SettingError, match="the signal has the columns score, other: name the score with column="):
        quantile_portfolio(two, data(), settings=SMALL)
    with pytest.raises(TableError, match="not a dataset"):
        quantile_portfolio(scores(), {"bars": scores()}, settings=SMALL)  # type: ignore[arg-type]
    with pytest.raises(InsufficientDataError, match="no session is a rebalance"):
        made_of(replace(SMALL, min_leg_names=20))


# ---------------------------------------------------------------- settings

MATTERS: dict[str, tuple[PortfolioSettings, Any]] = {
    "kind": (SMALL, "long_only"),
    "quantiles": (SMALL, 4),
    "weighting": (SMALL, "cap"),
    "sector_scheme": (SMALL, "two"),
    "universe": (SMALL, "half"),
    "buffer": (SMALL, 0.1),
    "grid_sessions": (SMALL, 6),
    "offset": (SMALL, 3),
    "delay_sessions": (SMALL, 2),
    "gross_exposure": (SMALL, 1.0),
    "capital": (SMALL, 5e6),
    "spread_limit": (SMALL, 1.0),
    "retry_sessions": (SMALL, 0),
    "participation": (replace(SMALL, capital=1e8), None),
    "impact": (SMALL, 0.0),
    "liquidity_sessions": (SMALL, 5),
    "commission_bps": (SMALL, 5.0),
    "slippage_bps": (SMALL, 0.0),
    "fees": (SMALL, False),
    "shorting": (SMALL, "paper"),
    "write_off_sessions": (replace(LONG, buffer=0.4), 8),
    "benchmark": (LONG, "whole"),
    "min_leg_names": (replace(SMALL, universe="half"), 10),
}


@pytest.mark.parametrize("name", [each.name for each in fields(PortfolioSettings)])
def test_every_setting_matters(name: str) -> None:
    settings, value = MATTERS[name]
    plain, changed = made_of(settings), made_of(replace(settings, **{name: value}))
    assert essence(plain) != essence(changed)
    assert changed.settings[name] == value
    one, other = plain.figures, changed.figures
    told = {
        "kind": other.short_names.mean == 0 < one.short_names.mean,
        "quantiles": other.long_names.mean < one.long_names.mean,
        "universe": other.long_names.mean < one.long_names.mean,
        "buffer": other.turnover.mean < one.turnover.mean,
        "offset": (one.n_accounts, other.n_accounts) == (5, 1),
        "grid_sessions": (one.n_accounts, other.n_accounts) == (5, 6),
        "delay_sessions": other.first > one.first,
        "gross_exposure": other.exposure.mean == pytest.approx(one.exposure.mean / 2, rel=0.05),  # drift and blocked orders differ
        "capital": other.impact.mean > one.impact.mean,
        "spread_limit": other.cash.mean > one.cash.mean,
        "participation": one.blocked_orders["participation"] > 0 == other.blocked_orders["participation"],
        "impact": other.impact.mean == 0 < one.impact.mean,
        "commission_bps": other.fees.mean > one.fees.mean,
        "slippage_bps": other.fees.mean < one.fees.mean,
        "fees": other.fees.mean < one.fees.mean,
        "shorting": len(one.closed_out) == 5 > len(other.closed_out) == 0 and one.rebalances < other.rebalances,
        "write_off_sessions": one.written_off.max == 0 < other.written_off.max,
        "benchmark": one.benchmark is None and other.benchmark_name == "whole",
        "min_leg_names": not plain.skipped and changed.skipped.get("fewer than 10 names in a leg", 0) > 0,
    }
    assert told.get(name, True)


def test_without_limits_and_costs_net_is_gross() -> None:
    free = replace(LONG, fees=False, commission_bps=0.0, slippage_bps=0.0, impact=0.0)
    made = made_of(free)
    assert made.figures.fees.max == made.figures.impact.max == made.figures.borrow.max == 0
    gross, net = made.daily["gross"].to_numpy(), made.daily["net"].to_numpy()
    np.testing.assert_allclose(net, gross, atol=1e-12)  # two ways to the same return, which round
    assert made.figures.net["annual_return"].mean != 0


# ---------------------------------------------------------------- rules


def test_rules_by_name_by_path_and_as_made(tmp_path: Path) -> None:
    plain = made_of(LONG)
    copy = tmp_path / "mine.toml"
    copy.write_text(packaged("cn"), encoding="utf-8")
    for given in (copy, str(copy), MarketRules.load("cn")):
        assert essence(made_of(LONG, rules=given)) == essence(plain)
    copy.write_text(packaged("cn").replace("payout = 0.0", "payout = -0.5"), encoding="utf-8")
    assert made_of(LONG, rules=copy).rules[1] != plain.rules[1]
    assert essence(made_of(LONG, rules=copy)) != essence(plain)
    with pytest.raises(SettingError, match="neither one of cn, us nor"):
        made_of(LONG, rules="uk")


def test_american_rules_know_no_limit() -> None:
    table = {name: frame for name, frame in tables().items() if name != "status"}
    found = {}
    for rules in ("cn", "us"):
        made = quantile_portfolio(scores(), Dataset.from_frames(table, calendar="XSHG"), settings=SMALL, rules=rules)
        found[rules] = made.figures
        assert made.rules[0] == rules
    assert found["cn"].blocked_orders["limit_up"] > 0
    assert found["us"].blocked_orders["limit_up"] == found["us"].blocked_orders["limit_down"] == 0
    assert found["cn"].closed_out
    assert not found["us"].closed_out


def test_special_treatment_is_not_bought() -> None:
    assert made_of(LONG).figures.blocked_orders["not_enterable"] > 0
    plain = {name: frame for name, frame in tables().items() if name != "status"}
    free = quantile_portfolio(scores(), Dataset.from_frames(plain, calendar="XSHG"), settings=LONG)
    assert free.figures.blocked_orders["not_enterable"] == 0


# ---------------------------------------------------------------- a desk


@pytest.mark.parametrize(
    "change",
    [{"fees": False}, {"commission_bps": 1.0}, {"slippage_bps": 1.0}, {"liquidity_sessions": 5}, {"shorting": "paper"}],
    ids=lambda change: next(iter(change)),
)
def test_a_desk_refuses_settings_of_another_tape(change: dict[str, Any]) -> None:
    desk = Desk.open(data(), settings=SMALL)
    block = np.random.default_rng(1).normal(size=desk.market.axes.shape)
    name = next(iter(change))
    with pytest.raises(SettingError, match=f"{name} is .* but the desk was opened with .*open a desk with these settings"):
        desk.trade(block, replace(SMALL, **change))


def test_a_desk_serves_every_other_setting() -> None:
    desk = Desk.open(data(), settings=SMALL)
    read = scores().sort("date", "asset")["score"].to_numpy().reshape(desk.market.axes.shape)
    others = [replace(settings, **{name: value}) for name, (settings, value) in MATTERS.items()]
    tape = ("fees", "commission_bps", "slippage_bps", "liquidity_sessions", "shorting")
    for settings in others:
        if any(getattr(settings, name) != getattr(SMALL, name) for name in tape):
            continue
        account = desk.trade(read, settings)
        index = None if settings.benchmark is None else desk.beside(settings.benchmark, account)
        assert essence(desk.report(account, name="score", benchmark=index)) == essence(made_of(settings))
    with pytest.raises(SettingError, match="kind is 'long_short', but the desk was opened with 'long_only'"):
        Desk.open(data(), settings=LONG).trade(read, SMALL)  # nobody has asked whether short sales are known that far back


def test_terms() -> None:
    rules = MarketRules.load("cn")
    terms = terms_of(replace(SMALL, gross_exposure=3.0, participation=None, write_off_sessions=None), rules)
    assert (terms.long_exposure, terms.short_exposure, terms.participation, terms.write_off_sessions) == (1.5, 1.5, np.inf, 0)
    alone = terms_of(LONG, rules)
    assert (alone.long_exposure, alone.short_exposure, alone.participation, alone.write_off_sessions) == (1.0, 0.0, 0.1, 250)
    same = ("capital", "delay_sessions", "spread_limit", "retry_sessions", "impact")
    assert [getattr(alone, name) for name in same] == [getattr(LONG, name) for name in same]


# ---------------------------------------------------------------- benchmark, universe, sectors


def test_the_benchmark_stands_beside() -> None:
    made = made_of(replace(LONG, benchmark="whole"))
    level = tables()["benchmarks"].filter(index="whole")
    moves = dict(level.select("date", pl.col("close").pct_change()).rows())
    assert made.daily["date"].len() > 100
    last = made.daily.row(-1, named=True)
    assert last["benchmark"] == pytest.approx(moves[last["date"]], rel=1e-12)
    assert made.daily["active"].to_list() == (made.daily["net"] - made.daily["benchmark"]).to_list()
    with pytest.raises(SettingError, match="benchmark 'hole' is not in the benchmarks table, which has torn, whole"):
        made_of(replace(LONG, benchmark="hole"))
    with pytest.raises(TableError, match="benchmark 'torn' has no return on 2 of"):
        made_of(replace(LONG, benchmark="torn"))
    bare = Dataset.from_frames({name: frame for name, frame in tables().items() if name != "benchmarks"}, calendar="XSHG")
    with pytest.raises(TableError, match="benchmark 'whole' needs the table benchmarks"):
        quantile_portfolio(scores(), bare, settings=replace(LONG, benchmark="whole"))


def test_only_members_are_held_and_only_while_they_are() -> None:
    settings = replace(LONG, universe="half")
    desk = Desk.open(data(), settings=settings)
    read = scores().sort("date", "asset")["score"].to_numpy().reshape(desk.market.axes.shape)
    legs = leg_frame(desk.trade(read, settings).targets, desk.market.axes)
    terms = tables()["index_members"].join(legs, on="asset").filter(pl.col("weight") > 0)
    outside = terms.filter((pl.col("date") < pl.col("start_date")) | (pl.col("date") > pl.col("end_date")).fill_null(value=False))
    assert outside.is_empty()
    assert legs["asset"].n_unique() > STOCKS / 2


def test_sectors_hold_their_share() -> None:
    settings = replace(SMALL, sector_scheme="two")
    desk = Desk.open(data(), settings=settings)
    read = scores().sort("date", "asset")["score"].to_numpy().reshape(desk.market.axes.shape)
    legs = leg_frame(desk.trade(read, settings).targets, desk.market.axes).join(tables()["industries"].select("asset", "code"), on="asset")
    share = legs.filter(pl.col("weight") > 0).group_by("date", "code").agg(pl.col("weight").sum())["weight"].to_numpy()
    np.testing.assert_allclose(share, 0.5, atol=1e-12)  # each sector has half of the names; sums of weights round


@pytest.mark.parametrize(
    ("change", "words", "table"),
    [
        ({"sector_scheme": "tow"}, "sector_scheme 'tow' is not in the industries of the dataset; it has two", "industries"),
        ({"universe": "haf"}, "universe 'haf' is not in the index_members of the dataset; it has half", "index_members"),
    ],
)
def test_an_unknown_scheme_or_universe_is_named(change: dict[str, Any], words: str, table: str) -> None:
    with pytest.raises(SettingError, match=words):
        made_of(replace(SMALL, **change))
    bare = Dataset.from_frames({name: frame for name, frame in tables().items() if name != table}, calendar="XSHG")
    with pytest.raises(SettingError, match="it has none"):
        quantile_portfolio(scores(), bare, settings=replace(SMALL, **change))


# ---------------------------------------------------------------- nothing sees the future

RICH = replace(SMALL, sector_scheme="two", universe="half", buffer=0.1, weighting="cap", min_leg_names=2, capital=1e7, write_off_sessions=9)


def books_until(known: Dataset, settings: PortfolioSettings, last: date) -> tuple[list[Any], dict[str, bytes]]:
    """Decisions and every money series up to a day, of scores up to it."""
    desk = Desk.open(known, settings=settings)
    assert desk.market.axes.assets == tuple(CODES)
    dates = desk.market.axes.sessions.dates.astype(object).tolist()
    count = sum(each <= last for each in dates)
    read = scores().sort("date", "asset").filter(pl.col("date") <= dates[-1])["score"].to_numpy().reshape(desk.market.axes.shape)
    account = desk.trade(read, settings)
    legs = leg_frame(account.targets, desk.market.axes).filter(pl.col("date") <= last)
    series = [each.name for each in fields(Books) if each.name not in ("offsets", "closed_out")]
    return legs.rows(), {name: np.ascontiguousarray(getattr(account.books, name)[:, :count]).tobytes() for name in series}


@pytest.mark.parametrize("kind", ["long_short", "long_only"])
@pytest.mark.parametrize("at", [45, 65, 72, 78, 79, 80, 100])
def test_nothing_sees_the_future(kind: str, at: int) -> None:
    """Bars, statuses, delistings, members and scores that come after a day change no decision and no account up to it, in any bit."""
    settings, last = replace(RICH, kind=kind), days()[at]
    known = data().as_of(last)
    assert known.frame("bars")["date"].max() == last
    if at < 79:
        assert known.frame("assets")["delist_date"].null_count() == STOCKS
    assert books_until(known, settings, last) == books_until(data(), settings, last)


def test_the_future_is_there_to_be_seen() -> None:
    """The same comparison finds a day that did change."""
    last = days()[79]
    other = dict(tables())
    other["bars"] = other["bars"].with_columns(ret=pl.when(pl.col("date") == last).then(pl.col("ret") / 2).otherwise(pl.col("ret")))
    changed = books_until(Dataset.from_frames(other, calendar="XSHG"), RICH, last)
    plain = books_until(data(), RICH, last)
    assert changed[0] == plain[0]
    assert changed[1] != plain[1]


# ---------------------------------------------------------------- what a record tells


def test_sparse_scores_are_told() -> None:
    settings = replace(LONG, grid_sessions=20)
    ends = scores().filter(pl.col("date").is_in(scores().group_by(pl.col("date").dt.month()).agg(pl.col("date").max())["date"].implode()))
    made = quantile_portfolio(ends, data(), settings=settings)
    (note,) = [each for each in made.notes if each.startswith("scores on ")]
    assert note.startswith(f"scores on 6 of the {note.split()[5]} sessions from {ends['date'].min()} to {ends['date'].max()}")
    assert f"grid_sessions 20, {made.figures.n_accounts} offsets with scores" in note
    assert "give backtest your own weights" in note
    grid = scores().filter(pl.col("date").is_in(days()[::20]))
    for whole, how in ((scores(), settings), (grid, settings), (grid, replace(settings, grid_sessions=5, offset="all"))):
        told = [each for each in quantile_portfolio(whole, data(), settings=how).notes if each.startswith("scores on ")]
        assert bool(told) == (how.grid_sessions == 5)
    one = quantile_portfolio(scores(), data(), settings=replace(settings, offset=3))
    assert not any(each.startswith("scores on ") for each in one.notes)


def test_write_offs_are_told(tmp_path: Path) -> None:
    settings = replace(LONG, buffer=0.4, write_off_sessions=8)
    made = made_of(settings)
    count, accounts = int(made.by_offset["written_off"].sum()), int((made.by_offset["written_off"] > 0).sum())
    assert count > 0
    assert (
        f"{count} positions in {accounts} of 5 accounts were written off after 8 sessions without a trade, at a return of +0 % on their "
        "last value: rules with another write_off_return set another"
    ) in made.notes
    text = packaged("cn")
    assert text.count("write_off_return = 0.0\n") == 1
    dear = tmp_path / "dear.toml"
    dear.write_text(text.replace("write_off_return = 0.0\n", "write_off_return = -0.5\n"), encoding="utf-8")
    assert any("at a return of -50 % on their last value" in each for each in made_of(settings, rules=dear).notes)
    assert not any("written off" in each for each in made_of(replace(settings, write_off_sessions=None)).notes)
