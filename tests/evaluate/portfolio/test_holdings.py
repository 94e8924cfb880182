"""Holdings as a file and its replay: it ties, and what was altered is found on its date."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from pureplay.errors import SettingError, TableError
from pureplay.evaluate.portfolio.arrays import Books, Holdings
from pureplay.evaluate.portfolio.holdings import account_frame, holdings_frame, replay
from pureplay.panel import Axes, FloatArray, to_frame
from tests.evaluate.portfolio.ledger import Plan, axes, keep, market, random_accounts, weekdays

CAPITAL = 1000.0
HELD = ("value", "trade", "cost", "payout")
TIES = 1e-9 * CAPITAL  # some thousand sums of numbers near the capital: rounding stays below 1e-12 of it


def frames(books: Books, held: Holdings, returns: FloatArray, offset: int = 0) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes]:
    """Files of one account, and the returns as a frame."""
    on = axes(returns, weekdays(returns.shape[0]))
    return (
        holdings_frame(held, on, books, offset),
        account_frame(books, offset, on),
        to_frame(on, {"ret": returns}, np.isfinite(returns)),
        on,
    )


@pytest.fixture
def toy() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes]:
    returns = np.array([[0.5, 0.5], [0.1, np.nan], [0.2, -0.1], [np.nan, 0.0]])
    plan = Plan(rebalances={0: {0: 0.6, 1: 0.3}, 2: {0: 0.5}}, payouts={(3, 0): -0.4}, fee=0.01)
    return frames(*keep(returns, plan), returns)


def test_by_hand(toy: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes]) -> None:
    held, account, paid, _ = toy
    # day 0: 600 and 300 bought, 9 of fees, 91 of cash. Day 1: the first grows to 660, value 1051.
    # day 2: 792 + 270 + 91 = 1153 before trades; half is 576.5: 215.5 and 270 sold, fees 4.855, cash 571.645, value 1148.145
    # day 3: the first does not trade and is paid out at 60 %: 345.9; cash 917.545
    assert account["value"].to_list() == pytest.approx([991, 1051, 1148.145, 917.545])
    assert account["cash"].to_list() == pytest.approx([91, 91, 571.645, 917.545])
    assert account["pnl"].to_list() == pytest.approx([0, 60, 102, -230.6])
    assert held.rows() == [
        (date(2020, 1, 1), "S00", 600.0, pytest.approx(600 / 991), 600.0, 6.0, 0.0),
        (date(2020, 1, 1), "S01", 300.0, pytest.approx(300 / 991), 300.0, 3.0, 0.0),
        (date(2020, 1, 2), "S00", pytest.approx(660), pytest.approx(660 / 1051), 0.0, 0.0, 0.0),
        (date(2020, 1, 2), "S01", 300.0, pytest.approx(300 / 1051), 0.0, 0.0, 0.0),
        (date(2020, 1, 3), "S00", pytest.approx(576.5), pytest.approx(576.5 / 1148.145), pytest.approx(-215.5), pytest.approx(2.155), 0.0),
        (date(2020, 1, 3), "S01", 0.0, 0.0, pytest.approx(-270), pytest.approx(2.7), 0.0),
        (date(2020, 1, 6), "S00", 0.0, 0.0, 0.0, 0.0, pytest.approx(345.9)),
    ]
    made = replay(held, account, paid, capital=CAPITAL)
    assert made["value"].to_list() == pytest.approx([991, 1051, 1148.145, 917.545])
    assert made.schema == {
        "date": pl.Date,
        "value": pl.Float64,
        "difference": pl.Float64,
        "cash_difference": pl.Float64,
        "cost_difference": pl.Float64,
        "position_difference": pl.Float64,
        "asset": pl.String,
        "gap": pl.Float64,
    }
    assert made["gap"].max() < TIES


@pytest.mark.parametrize("long_only", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_random_accounts_tie(seed: int, long_only: bool) -> None:
    returns = market(seed)
    books, held = random_accounts(seed, returns=returns, long_only=long_only)
    assert books.delisted.sum() > 0
    for offset in range(5):
        positions, account, paid, _ = frames(books, held[offset], returns, offset)
        made = replay(positions, account, paid, capital=CAPITAL)
        assert made["date"].to_list() == account["date"].to_list()
        assert made["difference"].abs().max() < TIES
        assert made["gap"].max() < TIES


def test_a_file_written_as_text_ties(toy: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes]) -> None:
    held, account, paid, _ = (pl.read_csv(each.write_csv().encode()) if isinstance(each, pl.DataFrame) else each for each in toy)
    assert held["date"].dtype == pl.String
    assert replay(held, account, paid, capital=CAPITAL)["gap"].max() < TIES
    pandas = [each.to_pandas() for each in toy[:3]]
    assert replay(*pandas, capital=CAPITAL)["gap"].max() < TIES


@pytest.mark.parametrize(
    ("which", "column", "row", "said"),
    [
        (0, "trade", 4, "position_difference"),
        (0, "trade", 4, "cash_difference"),
        (0, "cost", 4, "cost_difference"),
        (0, "cost", 4, "difference"),
        (0, "value", 4, "position_difference"),
        (0, "payout", 6, "difference"),
        (1, "value", 2, "difference"),
        (1, "cash", 2, "cash_difference"),
        (1, "fees", 2, "cost_difference"),
        (1, "impact", 2, "cost_difference"),
        (1, "borrow", 2, "difference"),
        (2, "ret", 4, "difference"),
    ],
)
def test_what_was_altered_is_found_on_its_date(
    toy: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes], which: int, column: str, row: int, said: str
) -> None:
    parts = list(toy[:3])
    day = parts[which]["date"][row]
    values = parts[which][column].to_list()
    values[row] += 0.05
    parts[which] = parts[which].with_columns(pl.Series(column, values))
    made = replay(*parts, capital=CAPITAL)
    assert made.filter(pl.col("gap") > TIES)["date"][0] == day
    assert made.filter(pl.col(said).abs() > TIES)["date"][0] == day


def test_an_altered_trade_moves_the_value_from_the_next_return_on(toy: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes]) -> None:
    held, account, paid, _ = toy
    altered = held.with_columns(
        trade=pl.when(pl.col("date") == date(2020, 1, 1), pl.col("asset") == "S00").then(pl.col("trade") + 10).otherwise("trade")
    )
    made = replay(altered, account, paid, capital=CAPITAL)
    assert made["difference"][:3].to_list() == pytest.approx([0, 1, 3.2])  # ten more in a name that earns 10 %, then 20 %
    assert made["cash_difference"][:3].to_list() == pytest.approx([-10, -10, -10])
    assert made["position_difference"][:3].to_list() == pytest.approx([10, 11, 13.2])
    assert made["asset"][:3].to_list() == ["S00"] * 3


def test_missing_and_added_rows_are_found(toy: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes]) -> None:
    held, account, paid, _ = toy
    third = date(2020, 1, 3)
    gone = held.filter(~((pl.col("date") == date(2020, 1, 2)) & (pl.col("asset") == "S01")))
    made = replay(gone, account, paid, capital=CAPITAL)
    assert made["difference"].to_list()[1] == pytest.approx(-300)  # ends for nothing
    twice = pl.concat([held, held.filter(pl.col("date") == third)])
    assert replay(twice, account, paid, capital=CAPITAL).filter(pl.col("gap") > TIES)["date"][0] == third
    made = replay(held, account.filter(pl.col("date") != third), paid, capital=CAPITAL)
    assert made["date"].to_list() == toy[1]["date"].to_list()
    assert made["difference"].to_list()[2] is None
    assert made["gap"].max() < TIES  # nothing else hangs on the row
    elsewhere = held.with_columns(date=pl.when(pl.col("date") == third).then(pl.lit(date(2020, 1, 7))).otherwise("date"))
    assert replay(elsewhere, account, paid, capital=CAPITAL).filter(pl.col("gap") > TIES)["date"][0] == third


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "much"])
@pytest.mark.parametrize(("which", "column", "row"), [(0, "trade", 4), (0, "value", 4), (1, "cash", 2), (1, "value", 2), (2, "ret", 4)])
def test_what_is_no_number_is_found_on_its_date(
    toy: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes], which: int, column: str, row: int, value: object
) -> None:
    parts = list(toy[:3])
    day = parts[which]["date"][row]
    values: list[object] = parts[which][column].to_list()
    values[row] = value
    values = [str(each) for each in values] if isinstance(value, str) else values
    parts[which] = parts[which].with_columns(pl.Series(column, values))
    made = replay(*parts, capital=CAPITAL)
    assert made.filter(pl.col("gap") > TIES)["date"][0] == day
    assert made["gap"].is_finite().all()


def test_the_capital_matters(toy: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes]) -> None:
    assert replay(*toy[:3], capital=CAPITAL + 1)["difference"].to_list() == pytest.approx([1.0] * 4)
    for capital in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SettingError, match="capital must be above 0 and finite"):
            replay(*toy[:3], capital=capital)


def test_a_ruined_account_stays_at_nothing() -> None:
    returns = np.array([[0.0], [0.5], [0.8], [0.3]])
    books, held = keep(returns, Plan(rebalances={0: {0: -1.0}, 2: {0: -1.0}, 3: {0: -1.0}}, fee=0.0, borrow=0.001))
    assert books.value[0].tolist() == pytest.approx([1000, 499, 0, 0])  # -1500 + 2000 - 1, then -2700 + 1999 - 1.5
    positions, account, paid, _ = frames(books, held, returns)
    made = replay(positions, account, paid, capital=CAPITAL)
    assert made["value"].to_list() == pytest.approx([1000, 499, 0, 0])
    assert made["gap"].max() < TIES
    assert positions["weight"].to_list() == pytest.approx([-1, -1500 / 499])


def test_a_name_that_is_paid_out_at_nothing_is_gone_before_ruin_is_judged() -> None:
    returns = np.array([[0.0], [0.2], [1.5], [0.0]])
    books, held = keep(returns, Plan(rebalances={0: {0: -1.0}}, payouts={(2, 0): -1.0}, fee=0.0))
    assert books.value[0].tolist() == pytest.approx([1000, 800, 2000, 2000])  # 3000 short against 2000 of cash, and nothing to pay
    positions, account, paid, _ = frames(books, held, returns)
    assert positions.row(2)[2:] == (0.0, 0.0, 0.0, 0.0, 0.0)
    made = replay(positions, account, paid, capital=CAPITAL)
    assert made["value"].to_list() == pytest.approx([1000, 800, 2000, 2000])
    assert made["gap"].max() < TIES


def test_a_line_without_an_account_behind_it_has_no_weight() -> None:
    returns = np.array([[0.0], [0.5], [0.8]])
    books, held = keep(returns, Plan(rebalances={0: {0: -1.0}}, fee=0.0, borrow=0.001))
    closed = replace(held, row=np.array([0, 1, 2]), asset=np.zeros(3, np.int32), **{name: np.zeros(3) for name in HELD})
    assert frames(books, closed, returns)[0]["weight"].to_list() == [0.0, 0.0, None]


def test_later_rows_change_no_earlier_line() -> None:
    returns = market(4)
    books, held = random_accounts(4, returns=returns)
    positions, account, paid, _ = frames(books, held[2], returns, 2)
    whole, day = replay(positions, account, paid, capital=CAPITAL), account["date"][40]
    part = replay(*(each.filter(pl.col("date") <= day) for each in (positions, account, paid)), capital=CAPITAL)
    assert part.equals(whole.filter(pl.col("date") <= day))


def test_weights_sum_to_the_exposure_and_rows_are_in_order() -> None:
    returns = market(5)
    books, held = random_accounts(5, returns=returns)
    positions, account, _, _ = frames(books, held[1], returns, 1)
    assert positions.sort("date", "asset").equals(positions)
    sums = positions.group_by("date", maintain_order=True).agg(pl.col("weight").sum()).join(account, on="date")
    # cash and positions are the account
    assert (sums["weight"] + sums["cash"] / sums["value"]).to_list() == pytest.approx([1.0] * sums.height)


def test_an_account_without_a_position() -> None:
    returns = market(6)
    books, held = random_accounts(6, returns=returns)
    empty = replace(books, value=np.full_like(books.value, np.nan))
    nothing = Holdings(
        row=np.empty(0, np.int64),
        asset=np.empty(0, np.int32),
        value=np.empty(0),
        trade=np.empty(0),
        cost=np.empty(0),
        payout=np.empty(0),
    )
    positions, account, paid, _ = frames(empty, nothing, returns)
    full = frames(books, held[0], returns)
    assert (positions.height, account.height) == (0, 0)
    assert (positions.schema, account.schema) == (full[0].schema, full[1].schema)
    made = replay(positions, account, paid, capital=CAPITAL)
    assert made.height == 0
    assert made.schema == replay(*full[:3], capital=CAPITAL).schema
    idle = account_frame(books, 0, axes(returns, weekdays(90))).with_columns(
        pl.lit(CAPITAL).alias("value"), pl.lit(CAPITAL).alias("cash"), *(pl.lit(0.0).alias(name) for name in ("fees", "impact", "borrow"))
    )
    assert replay(positions, idle, paid, capital=CAPITAL)["gap"].to_list() == [0.0] * idle.height


def test_what_cannot_be_read_is_refused(toy: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Axes]) -> None:
    held, account, paid, on = toy
    with pytest.raises(TableError, match="holdings lacks cost, payout; it has date, asset"):
        replay(held.drop("cost", "payout"), account, paid, capital=CAPITAL)
    with pytest.raises(TableError, match="account lacks cash"):
        replay(held, account.drop("cash"), paid, capital=CAPITAL)
    with pytest.raises(TableError, match="returns lacks ret"):
        replay(held, account, paid.drop("ret"), capital=CAPITAL)
    with pytest.raises(TableError, match="account has dates of type Int64"):
        replay(held, account.with_columns(date=pl.lit(3, dtype=pl.Int64)), paid, capital=CAPITAL)
    books, rows = keep(np.zeros((4, 2)), Plan(rebalances={0: {0: 1.0}}))
    with pytest.raises(SettingError, match="offset 3 has no account; the offsets are 0"):
        holdings_frame(rows, on, books, 3)
    with pytest.raises(SettingError, match="offset 3 has no account"):
        account_frame(books, 3, on)
