"""The account day by day: by hand to the cent, against plain loops, its identities, its settings, its bad input."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pureplay.errors import EvaluationError, SettingError
from pureplay.evaluate.portfolio.arrays import BLOCKED, Books, Holdings, Tape, Targets, Terms
from pureplay.evaluate.portfolio.book import simulate
from pureplay.parallel import workers
from tests.evaluate.portfolio.markets import CAPITAL, FREE, open_tape, random_case, targets_of
from tests.evaluate.portfolio.naive_book import naive_account

NAN = float("nan")


def figures(books: Books) -> dict[str, Any]:
    """Arrays of the books by name."""
    return {each.name: getattr(books, each.name) for each in fields(books)}


def same(one: Books, other: Books) -> bool:
    """Whether two books agree to the last bit."""
    return all(np.array_equal(a, figures(other)[name], equal_nan=a.dtype.kind == "f") for name, a in figures(one).items())


def cents(value: Decimal | str) -> Any:
    """Half a cent is the tolerance of figures worked out by hand."""
    return pytest.approx(float(value), abs=0.005)


# ---------------------------------------------------------------- by hand


def test_long_only_by_hand() -> None:
    # names A B C D E; A .4, B .3, C .3 traded on session 1; C delisted after session 2 at -50 %; a quarter each of A B D E on session 4,
    # when B is suspended and D at its upper limit; both are back on session 5. Buying 10 bp, selling 20 bp, from session 4 on 15 bp.
    returns = np.array(
        [
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.3, 0.3, 0.3, 0.3, 0.3],
            [0.1, -0.05, 0.0, 0.7, 0.7],
            [0.0, 0.2, NAN, 0.0, 0.0],
            [-0.1, NAN, NAN, 0.1, 0.0],
            [0.0, -0.1, NAN, 0.05, 0.02],
        ]
    )
    upper = np.zeros(returns.shape, dtype=bool)
    upper[4, 3] = True
    tape = open_tape(
        returns,
        at_upper=upper,
        buy_rate=np.full(6, 0.001),
        sell_rate=np.array([0.002] * 4 + [0.0015] * 2),
        last_session=np.array([6, 6, 2, 6, 6]),
        payout=np.full(5, -0.5),
    )
    targets = targets_of({(0, 0): {0: 0.4, 1: 0.3, 2: 0.3}, (3, 0): {0: 0.25, 1: 0.25, 3: 0.25, 4: 0.25}})
    books, held = simulate(targets, tape, replace(FREE, spread_limit=1.25, retry_sessions=1), record=0)
    # session 1: V' = 1,000,000 - 0.001 V'
    built = Decimal(1_000_000) / Decimal("1.001")
    a, b, c = built * Decimal("0.4"), built * Decimal("0.3"), built * Decimal("0.3")
    assert books.value[0, 1] == cents(built) == cents("999000.999")
    assert books.fees[0, 1] == cents("999.001")
    assert books.pnl[0, 1] == 0
    # session 2: A + 10 %, B - 5 %
    a, b = a * Decimal("1.1"), b * Decimal("0.95")
    assert books.value[0, 2] == cents(a + b + c) == cents("1023976.02398")
    # session 3: B + 20 %, C is paid out at half
    b, cash = b * Decimal("1.2"), c / 2
    assert books.value[0, 3] == cents(a + b + cash) == cents("931068.93107")
    assert books.cash[0, 3] == cents("149850.14985")
    assert books.delisted[0].tolist() == [0, 0, 0, 1, 0, 0]
    # session 4: A - 10 %; B stays, D cannot be bought, A and E share the rest: k / 4 = (V' - B) / 2, k below 1.25 V'
    # V' = V - .0015 (A - (V' - B) / 2) - .001 (V' - B) / 2, so V' (1 - .00025) = V - .0015 A - .00025 B
    a = a * Decimal("0.9")
    value = (a + b + cash - Decimal("0.0015") * a - Decimal("0.00025") * b) / Decimal("0.99975")
    share = (value - b) / 2
    assert books.value[0, 4] == cents(value) == cents("886655.72987")
    assert books.fees[0, 4] == cents(Decimal("0.0015") * (a - share) + Decimal("0.001") * share)
    assert books.cash[0, 4] == cents("0")
    assert books.blocked[0, 4].tolist() == [1, 1, 0, 0, 0, 0]
    assert books.blocked_value[0, 4, 0] == cents(b - value / 4)
    assert books.blocked_value[0, 4, 1] == cents(value / 4)
    assert books.turned[0, 4] == pytest.approx(float((a - share + share) / 2 / (a + b + cash)), abs=1e-9)
    # session 5: B - 10 %, E + 2 %; B is sold down to V' / 4, D gets what room there is: V' - A - E - V' / 4
    # V' = V - .0015 (B - V' / 4) - .001 (.75 V' - A - E), so V' (1 + .00075 - .000375) = V - .0015 B + .001 (A + E)
    a, e, b = share, share * Decimal("1.02"), b * Decimal("0.9")
    last = (a + e + b - Decimal("0.0015") * b + Decimal("0.001") * (a + e)) / Decimal("1.000375")
    assert books.value[0, 5] == cents(last) == cents("857707.43789")
    assert books.traded[0, 5] == cents((b - last / 4) + (last * Decimal("0.75") - a - e))
    assert not books.blocked[0, 5].any()
    assert held is not None
    day = held.row == 5
    assert held.asset[day].tolist() == [0, 1, 3, 4]
    assert held.value[day] == pytest.approx([float(x) for x in (a, last / 4, last * Decimal("0.75") - a - e, e)], abs=0.005)
    assert held.payout[held.row == 3].tolist() == pytest.approx([0.0, 0.0, 149850.14985], abs=0.005)


def test_long_short_by_hand() -> None:
    # A, B long and C, D short by halves on session 1; D is delisted worthless after session 2; on session 4 A against C and E, with B
    # suspended and E at its lower limit, where it cannot be sold; shorting ends on session 5. Buying 10 bp, selling 20 bp, borrowing 2 bp.
    returns = np.array(
        [
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.2, 0.2, 0.2, 0.2, 0.2],
            [0.1, -0.02, 0.04, -0.1, 0.0],
            [0.0, NAN, 0.0, NAN, 0.0],
            [0.0, NAN, 0.0, NAN, -0.1],
            [-0.01, NAN, 0.0, NAN, 0.0],
        ]
    )
    lower = np.zeros(returns.shape, dtype=bool)
    lower[4, 4] = True
    tape = open_tape(
        returns,
        at_lower=lower,
        shorting=np.array([True] * 5 + [False]),
        buy_rate=np.full(6, 0.001),
        sell_rate=np.full(6, 0.002),
        borrow_rate=np.full(6, 0.0002),
        last_session=np.array([6, 6, 6, 2, 6]),
        payout=np.full(5, -1.0),
    )
    targets = targets_of(
        {(0, 0): {0: 0.5, 1: 0.5, 2: -0.5, 3: -0.5}, (3, 0): {0: 1.0, 2: -0.5, 4: -0.5}, (4, 0): {0: 1.0, 2: -0.5, 4: -0.5}}
    )
    books, _ = simulate(targets, tape, replace(FREE, short_exposure=1.0))
    # session 1: V' = 1,000,000 - .001 V' - .002 V'
    unit = Decimal(1_000_000) / Decimal("1.003")
    assert books.value[0, 1] == cents(unit) == cents("997008.97308")
    assert books.cash[0, 1] == cents(unit)
    # session 2: A .55, B .49, C -.52, D -.45; borrowed for .0002 × 1
    assert books.borrow[0, 2] == cents(unit * Decimal("0.0002"))
    assert books.value[0, 2] == cents(unit * (Decimal("0.9998") + Decimal("0.07"))) == cents("1066600.19940")
    # session 3: the short position in D ends at 0, a gain of .45; borrowed for .0002 × .97
    assert books.value[0, 3] == cents(unit * Decimal("1.519606")) == cents("1515060.81755")
    assert books.pnl[0, 3] == cents(unit * Decimal("0.45"))
    # session 4: borrowed for .0002 × .52, V = 1.519502; B stays at .49, A = V' - .49, C = -V' / 2, E is not sold, its half stays cash
    # V' = V - .001 (V' - .49 - .55) - .002 (V' / 2 - .52), so 1.002 V' = V + .00104 + .00104
    value = unit * (Decimal("1.519502") + Decimal("0.00208")) / Decimal("1.002")
    assert books.value[0, 4] == cents(value) == cents("1514002.90148")
    assert books.long_value[0, 4] == cents(value)
    assert books.short_value[0, 4] == cents(value / 2)
    assert books.blocked[0, 4].tolist() == [1, 0, 1, 0, 0, 0]
    assert books.blocked_value[0, 4, 2] == cents(value / 2)
    # session 5: A - 1 %, then everything but B is closed: A sold at 20 bp, C bought back at 10 bp
    a, c, b = (value - unit * Decimal("0.49")) * Decimal("0.99"), value / 2, unit * Decimal("0.49")
    borrow = c * Decimal("0.0002")
    last = value - a / Decimal("0.99") * Decimal("0.01") - borrow - a * Decimal("0.002") - c * Decimal("0.001")
    assert books.value[0, 5] == cents(last) == cents("1500809.38705")
    assert books.cash[0, 5] == cents(last - b)
    assert (books.long_names[0, 5], books.short_names[0, 5], books.closed_out[0]) == (1, 0, 5)


# ---------------------------------------------------------------- against the plain loop


@pytest.mark.parametrize("seed", range(40))
def test_equal_to_a_plain_loop(seed: int) -> None:
    targets, tape, terms = random_case(seed)
    for account, offset in enumerate(np.unique(targets.offsets)):
        books, held = simulate(targets, tape, terms, record=int(offset))
        days, rows, blocked, closed_out = naive_account(targets, tape, terms, int(offset))
        assert books.closed_out[account] == closed_out
        for name in days[0]:
            # 1e-9 of the figure, or of the capital for one near 0: other orders of addition
            unit = 1.0 if name in ("turned", "rebalanced", "delisted", "written_off", "long_names", "short_names") else CAPITAL
            wanted = np.array([day[name] for day in days])
            np.testing.assert_allclose(getattr(books, name)[account].astype(float), wanted, rtol=1e-9, atol=1e-9 * unit, err_msg=name)
        counts, values = np.zeros((len(days), len(BLOCKED)), dtype=int), np.zeros((len(days), len(BLOCKED)))
        for s, orders in enumerate(blocked):
            for reason, undone in orders:
                counts[s, reason] += 1
                values[s, reason] += undone
        np.testing.assert_array_equal(books.blocked[account], counts)
        np.testing.assert_allclose(books.blocked_value[account], values, rtol=1e-9, atol=1e-9 * CAPITAL)
        assert held is not None
        table = np.array(rows, dtype=float).reshape(-1, 6)
        for column, name in enumerate(("row", "asset", "value", "trade", "cost", "payout")):
            np.testing.assert_allclose(getattr(held, name), table[:, column], rtol=1e-9, atol=1e-9 * CAPITAL, err_msg=name)


def test_the_random_markets_meet_every_rule() -> None:
    """What the comparison above would otherwise not cover."""
    every = [simulate(*random_case(seed))[0] for seed in range(40)]
    assert (sum(books.blocked.sum(axis=(0, 1)) for books in every) > 20).all()
    for name in ("delisted", "written_off", "borrow", "impact", "fees"):
        assert sum(getattr(books, name).sum() for books in every) > 0, name
    assert sum((books.closed_out >= 0).sum() for books in every) > 5
    assert sum((books.traded[~books.rebalanced] > 0).sum() for books in every) > 50  # retries


# ---------------------------------------------------------------- identities


def replayed(held: Holdings, books: Books, tape: Tape, account: int) -> np.ndarray:
    """Value of an account from nothing but its holdings, the returns and what borrowing cost."""
    out, position, cash = np.full(tape.returns.shape[0], NAN), np.zeros(tape.returns.shape[1]), CAPITAL
    opened = np.flatnonzero(np.isfinite(books.value[account]))
    for s in opened:
        mine = held.row == s
        names = held.asset[mine]
        position *= 1 + np.where(np.isfinite(tape.returns[s]), tape.returns[s], 0.0)
        gone = names[(held.value[mine] == 0) & (held.trade[mine] == 0)]
        position[gone] = 0.0
        position[names] += held.trade[mine]
        cash += held.payout[mine].sum() - held.trade[mine].sum() - held.cost[mine].sum() - books.borrow[account, s]
        out[s] = position.sum() + cash
    return out


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_books_add_up(seed: int) -> None:
    targets, tape, terms = random_case(seed)
    offset = int(targets.offsets[0])
    books, held = simulate(targets, tape, terms, record=offset)
    assert held is not None
    value, tolerance = books.value, 1e-9 * CAPITAL  # additions in another order
    live = np.isfinite(value)
    np.testing.assert_allclose(value[live], (books.cash + books.long_value - books.short_value)[live], atol=tolerance)
    costs = books.fees + books.impact + books.borrow
    for a in range(value.shape[0]):
        days = np.flatnonzero(live[a])
        if not days.size:
            continue
        first = days[0]
        assert (days == np.arange(first, value.shape[1])).all()
        assert books.pnl[a, first] == 0
        assert value[a, first] == pytest.approx(terms.capital - costs[a, first], abs=tolerance)
        np.testing.assert_allclose(np.diff(value[a, first:]), (books.pnl - costs)[a, first + 1 :], atol=tolerance)
    assert (books.turned[live] >= 0).all()
    if terms.short_exposure == 0:
        assert (books.cash[live] >= -1e-6 * value[live] - 1e-9).all()
        assert (books.long_value[live] <= value[live] * (1 + 1e-9) + 1e-6).all()
    account = int(np.flatnonzero(books.offsets == offset)[0])
    alive = np.isfinite(value[account]) & (value[account] > 0)
    np.testing.assert_allclose(replayed(held, books, tape, account)[alive], value[account, alive], rtol=1e-9, atol=tolerance)


@pytest.mark.parametrize("seed", [1, 4, 7])
def test_workers_do_not_change_a_bit(seed: int) -> None:
    made = []
    for count in (1, 2, 3):
        with workers(count):
            made.append(simulate(*random_case(seed))[0])
    assert same(made[0], made[1])
    assert same(made[0], made[2])


def cut(targets: Targets, tape: Tape, rows: int) -> tuple[Targets, Tape]:
    """What was known on the first `rows` sessions."""
    keep = int((targets.rows < rows).sum())  # rows ascend over all offsets in these markets
    names = targets.starts[keep]
    known = replace(
        targets,
        rows=targets.rows[:keep],
        offsets=targets.offsets[:keep],
        starts=targets.starts[: keep + 1],
        assets=targets.assets[:names],
        weights=targets.weights[:names],
    )
    arrays = {each.name: getattr(tape, each.name) for each in fields(tape)}
    shorter = {name: a[:rows] for name, a in arrays.items() if a is not None and name not in ("last_session", "payout")}
    never = tape.last_session >= rows - 1  # a delisting to come is not known
    return known, replace(tape, **shorter, last_session=np.where(never, rows, tape.last_session))


@pytest.mark.parametrize("seed", range(8))
def test_the_past_does_not_depend_on_the_future(seed: int) -> None:
    targets, tape, terms = random_case(seed)
    whole = figures(simulate(targets, tape, terms)[0])
    for rows in (9, 20, 33):
        for name, part in figures(simulate(*cut(targets, tape, rows), terms)[0]).items():
            if name == "closed_out":
                wanted = np.where(whole[name] < rows, whole[name], -1)
            else:
                wanted = whole[name] if name == "offsets" else whole[name][:, :rows]
            assert np.array_equal(part, wanted, equal_nan=part.dtype.kind == "f"), name


# ---------------------------------------------------------------- every field matters


def differs(seed: int, change: Any) -> bool:
    targets, tape, terms = random_case(seed)
    base = simulate(targets, tape, terms)[0]
    return not same(base, simulate(*change(targets, tape, terms))[0])


TERM_CHANGES = {
    "capital": 2 * CAPITAL,
    "long_exposure": 0.7,
    "short_exposure": 0.7,
    "delay_sessions": 3,
    "spread_limit": 2.0,
    "retry_sessions": 1,
    "participation": 0.01,
    "impact": 0.9,
    "write_off_sessions": 2,
    "write_off_return": -0.2,
}


@pytest.mark.parametrize("name", [each.name for each in fields(Terms)])
def test_every_term_matters(name: str) -> None:
    assert any(differs(seed, lambda t, p, m: (t, p, replace(m, **{name: TERM_CHANGES[name]}))) for seed in (1, 3, 7, 9, 11, 13))


def turned(tape: Tape, name: str) -> Tape:
    """The tape with one array changed."""
    values = getattr(tape, name)
    if name in ("shorting", "at_upper", "at_lower", "enterable", "tradable"):
        return replace(tape, **{name: ~values})
    if name == "settlement":
        return replace(tape, settlement=np.full_like(values, 12))
    if name == "last_session":
        return replace(tape, last_session=np.full_like(values, 15))
    if name in ("liquidity", "volatility"):
        return replace(tape, **{name: None})
    return replace(tape, **{name: values * 0.5})


@pytest.mark.parametrize("name", [each.name for each in fields(Tape)])
def test_every_array_of_the_tape_matters(name: str) -> None:
    assert any(differs(seed, lambda t, p, m: (t, turned(p, name), m)) for seed in (1, 3, 7, 9, 11, 13))


# ---------------------------------------------------------------- single rules

FLAT = np.zeros((8, 3))


def blocked_once(tape: Tape, terms: Terms, wanted: dict[tuple[int, int], dict[int, float]]) -> list[str]:
    """Reasons that were counted."""
    books = simulate(targets_of(wanted), tape, terms)[0]
    return [BLOCKED[k] for k in np.flatnonzero(books.blocked.sum(axis=(0, 1)))]


def flag(value: bool, *cells: tuple[int, int]) -> np.ndarray:
    """A block of flags, `value` at the cells."""
    out = np.full(FLAT.shape, not value)
    for cell in cells:
        out[cell] = value
    return out


@pytest.mark.parametrize(
    ("reason", "tape", "terms"),
    [
        ("suspended", {"tradable": flag(False, (4, 1))}, {}),
        ("limit_up", {"at_upper": flag(True, (4, 1))}, {}),
        ("limit_down", {"at_lower": flag(True, (4, 0))}, {}),
        ("not_enterable", {"enterable": flag(False, (4, 1))}, {}),
        ("settlement", {"settlement": np.full(8, 4)}, {}),
        ("participation", {"liquidity": np.full(FLAT.shape, 7 * CAPITAL)}, {"participation": 0.1}),
    ],
)
def test_each_reason_is_counted(reason: str, tape: dict[str, Any], terms: dict[str, Any]) -> None:
    wanted = {(0, 0): {0: 1.0}, (3, 0): {1: 1.0}}
    assert blocked_once(open_tape(FLAT), FREE, wanted) == []
    assert blocked_once(open_tape(FLAT, **tape), replace(FREE, **terms), wanted) == [reason]


def test_a_reason_applies_on_its_own_sessions_only() -> None:
    wanted = {(0, 0): {0: 1.0}, (3, 0): {1: 1.0}}
    for session in (3, 5):  # the day before and the day after the trade
        assert blocked_once(open_tape(FLAT, at_upper=flag(True, (session, 1))), FREE, wanted) == []
    for settlement, found in ((3, []), (4, ["settlement"])):  # bought on session 1, sold on session 4
        assert blocked_once(open_tape(FLAT, settlement=np.full(8, settlement)), FREE, wanted) == found


def test_blocked_money_is_spread_up_to_the_limit() -> None:
    tape = open_tape(FLAT, at_upper=flag(True, (1, 2)))
    targets = targets_of({(0, 0): {0: 0.25, 1: 0.25, 2: 0.5}})
    for limit, long in ((1.0, 0.5), (1.25, 0.625), (5.0, 1.0)):
        books = simulate(targets, tape, replace(FREE, spread_limit=limit))[0]
        assert books.long_value[0, 1] == pytest.approx(long * CAPITAL, rel=1e-12)


def test_nothing_can_be_traded_on_a_rebalance() -> None:
    shut = np.ones(FLAT.shape, dtype=bool)
    shut[3:5] = False
    targets = targets_of({(0, 0): {0: 0.5, 1: 0.5}, (2, 0): {1: 0.5, 2: 0.5}})
    for retries, last in ((1, [0.5, 0.5, 0.0]), (2, [0.0, 0.5, 0.5])):  # open again two sessions after the rebalance
        books, held = simulate(targets, open_tape(FLAT, tradable=shut), replace(FREE, retry_sessions=retries), record=0)
        assert held is not None
        assert books.traded[0, 3] == 0
        assert books.rebalanced[0, 3]
        assert books.blocked[0, 3].tolist() == [2, 0, 0, 0, 0, 0]
        final = np.zeros(3)
        final[held.asset[held.row == 7]] = held.value[held.row == 7]
        assert final == pytest.approx(np.array(last) * CAPITAL, rel=1e-12)


def test_a_sale_tried_again_ends_at_its_weight() -> None:
    # name 0 doubles to 2/3 of the account, is suspended on the rebalance to halves and back a session later
    returns = np.zeros((6, 2))
    returns[2, 0] = 1.0
    tape = open_tape(returns, tradable=~np.array([[False, False]] * 3 + [[True, False]] + [[False, False]] * 2))
    targets = targets_of({(0, 0): {0: 0.5, 1: 0.5}, (2, 0): {0: 0.5, 1: 0.5}})
    _, held = simulate(targets, tape, replace(FREE, retry_sessions=1), record=0)
    assert held is not None
    assert held.value[held.row == 4] == pytest.approx([0.75 * CAPITAL, 0.5 * CAPITAL], rel=1e-12)


def test_ruin_ends_an_account() -> None:
    returns = np.zeros((6, 2))
    returns[3, 1] = 1.5
    targets = targets_of({(0, 0): {0: 1.0, 1: -1.0}, (3, 0): {0: 1.0, 1: -1.0}})
    books, held = simulate(targets, open_tape(returns), replace(FREE, short_exposure=1.0), record=0)
    assert held is not None
    assert books.value[0, 1:].tolist() == [CAPITAL, CAPITAL, 0, 0, 0]
    assert books.pnl[0, 1:].tolist() == [0, 0, -CAPITAL, 0, 0]
    assert not books.traded[0, 2:].any()
    assert held.payout[held.row == 3] == pytest.approx([CAPITAL, -2.5 * CAPITAL], rel=1e-12)
    assert held.row.max() == 3


def test_an_account_is_not_opened_where_shorting_is_not_allowed() -> None:
    shorting = np.array([False] * 3 + [True] * 5)
    targets = targets_of({(0, 0): {0: 1.0, 1: -1.0}, (4, 0): {0: 1.0, 1: -1.0}})
    books, held = simulate(targets, open_tape(FLAT, shorting=shorting), replace(FREE, short_exposure=1.0), record=0)
    assert np.isnan(books.value).all()
    assert books.closed_out[0] == -1
    assert held is not None
    assert held.row.size == 0
    alone = simulate(targets_of({(0, 0): {0: 1.0}}), open_tape(FLAT, shorting=shorting), FREE)[0]
    assert np.isfinite(alone.value[0, 1:]).all()


def test_empty_targets_and_one_name() -> None:
    books, held = simulate(targets_of({}), open_tape(FLAT), FREE)
    assert books.value.shape == (0, 8)
    assert held is None
    sold = simulate(targets_of({(0, 3): {1: 1.0}, (3, 3): {}}), open_tape(FLAT), FREE)[0]
    assert sold.offsets.tolist() == [3]
    assert sold.long_names[0].tolist() == [0, 1, 1, 1, 0, 0, 0, 0]
    late = simulate(targets_of({(7, 0): {1: 1.0}}), open_tape(FLAT), FREE)[0]
    assert np.isnan(late.value).all()


# ---------------------------------------------------------------- bad input


def bad(array: np.ndarray, cell: Any, value: float) -> np.ndarray:
    """A copy with one entry changed."""
    out = array.copy()
    out[cell] = value
    return out


GOOD = targets_of({(0, 0): {0: 0.5, 1: 0.5}, (3, 0): {1: 1.0}})


@pytest.mark.parametrize(
    ("tape", "message"),
    [
        ({"returns": bad(FLAT, (2, 1), -1.01)}, r"returns must be at least -1 .*not -1.01 \(first at row 2, asset 1; on 1 sessions\)"),
        ({"returns": bad(FLAT, (2, 1), np.inf)}, "returns must be at least -1 and finite"),
        ({"tradable": np.ones((8, 2), dtype=bool)}, r"tradable must have the shape \(8, 3\) and hold bool values, not \(8, 2\)"),
        ({"shorting": np.ones(8)}, "shorting must have the shape .*float64"),
        ({"buy_rate": np.full(8, 30.0)}, r"buy_rate must be finite, at least 0 and a decimal .*not 30.0 \(first at index 0; 8 of 8\)"),
        ({"borrow_rate": np.full(8, NAN)}, "borrow_rate must be finite"),
        ({"settlement": np.full(8, -1)}, "settlement must be a number of sessions"),
        ({"last_session": np.full(3, 2), "payout": np.full(3, NAN)}, "payout must be finite and at least -1 for a delisted name, not nan"),
        ({"liquidity": np.full((8, 3), -1.0)}, "liquidity must be at least 0"),
        ({"volatility": np.full((8, 3), np.inf)}, "volatility must be at least 0 and finite"),
    ],
)
def test_a_bad_tape_is_refused(tape: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        simulate(GOOD, replace(open_tape(FLAT), **tape), FREE)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (replace(GOOD, weights=np.array([0.5, 0.4, 1.0])), r"long leg must sum to \+1, not 0.9 \(rebalance 0 at row 0, offset 0; 1 of 2"),
        (replace(GOOD, weights=np.array([0.5, NAN, 1.0])), r"weights must be finite, not nan \(first at index 1, rebalance 0 at row 0"),
        (replace(GOOD, weights=np.array([0.5, 0.5, -1.0])), "weights must be at least 0 without a short leg, not -1.0"),
        (replace(GOOD, weights=np.ones(2)), r"weights must have the shape \(3,\)"),
        (replace(GOOD, assets=np.array([0, 3, 1], dtype=np.int32)), "assets must be an asset index from 0 to 2, not 3"),
        (replace(GOOD, assets=np.array([1, 1, 1], dtype=np.int32)), "assets must be ascending within a rebalance, each once, not 1"),
        (replace(GOOD, rows=np.array([3, 0])), "rows of offset 0 must be ascending, each once, not 0"),
        (replace(GOOD, rows=np.array([0, 8])), "rows must be a session index from 0 to 7, not 8"),
        (replace(GOOD, starts=np.array([0, 4, 3])), "starts must be ascending from 0, not 3"),
    ],
)
def test_bad_targets_are_refused(targets: Targets, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        simulate(targets, open_tape(FLAT), FREE)


def test_a_short_leg_sums_to_minus_one() -> None:
    with pytest.raises(EvaluationError, match=r"short leg must sum to -1, not -0\.5"):
        simulate(targets_of({(0, 0): {0: 1.0, 1: -0.5}}), open_tape(FLAT), replace(FREE, short_exposure=1.0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("capital", 0.0),
        ("long_exposure", NAN),
        ("short_exposure", -1.0),
        ("delay_sessions", -1),
        ("spread_limit", 0.9),
        ("retry_sessions", 1.5),
        ("participation", 0.0),
        ("impact", -1.0),
        ("write_off_sessions", True),
        ("write_off_return", -1.1),
    ],
)
def test_bad_terms_are_refused(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"{name} must be .*not {value}"):
        simulate(GOOD, open_tape(FLAT), replace(FREE, **{name: value}))
    with pytest.raises(SettingError, match="both 0"):
        simulate(GOOD, open_tape(FLAT), replace(FREE, long_exposure=0.0))
    with pytest.raises(SettingError, match="record is 4, and the targets have no rebalance of that offset"):
        simulate(GOOD, open_tape(FLAT), FREE, record=4)
