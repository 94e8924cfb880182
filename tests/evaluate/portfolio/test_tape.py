"""The tape: limits to the cent, every rule on its first and last day, plain loops beside the kernels, time travel, what is missing."""

import tomllib
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.evaluate.portfolio.arrays import Tape
from pureplay.evaluate.portfolio.rules import MarketRules
from pureplay.evaluate.portfolio.settings import PortfolioSettings
from pureplay.evaluate.portfolio.tape import TapeFacts, load_tape
from pureplay.market import load_market

DAY = timedelta(days=1)
CN, US = MarketRules.load("cn"), MarketRules.load("us")
CN_FILE = Path(__file__).parents[3] / "src/pureplay/evaluate/portfolio/markets/cn.toml"
CN_RAW = tomllib.loads(CN_FILE.read_text(encoding="utf-8"))
FREE = PortfolioSettings(kind="long_only", fees=False, commission_bps=0.0, slippage_bps=0.0)
OLD = date(1995, 1, 5)  # a listing long before every test


def weekdays(first: date, count: int) -> list[date]:
    found: list[date] = []
    while len(found) < count:
        if first.weekday() < 5:
            found.append(first)
        first += DAY
    return found


def bars_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Bars with any of their columns; total_cap where a row does not state it."""
    kinds = dict.fromkeys(("close", "ret", "volume", "amount", "limit_up", "limit_down", "total_cap"), pl.Float64)
    used = {name for row in rows for name in row}
    schema = {"date": pl.Date, "asset": pl.String} | {name: kind for name, kind in kinds.items() if name in {*used, "ret", "total_cap"}}
    return pl.DataFrame([{"total_cap": 1e9, **row} for row in rows], schema=schema)


def dataset(
    rows: list[dict[str, Any]],
    assets: list[dict[str, Any]] | None = None,
    status: list[dict[str, Any]] | None = None,
    dividends: list[tuple[str, date, float]] | None = None,
) -> Dataset:
    tables = {"bars": bars_of(rows)}
    if assets is not None:
        schema = {"asset": pl.String, "board": pl.String, "list_date": pl.Date, "delist_date": pl.Date}
        tables["assets"] = pl.DataFrame(assets, schema=schema)
    if status is not None:
        tables["status"] = pl.DataFrame(status, schema={"asset": pl.String, "start_date": pl.Date, "end_date": pl.Date, "kind": pl.String})
    if dividends is not None:
        schema = {"asset": pl.String, "ex_date": pl.Date, "cash_per_share": pl.Float64}
        tables["dividends"] = pl.DataFrame(dividends, schema=schema, orient="row")
    made = Dataset.from_frames(tables)
    assert made.quarantine == {}, "a test whose rows are set aside would say nothing"
    return made


def tape_of(data: Dataset, rules: MarketRules = CN, settings: PortfolioSettings = FREE) -> tuple[Tape, TapeFacts]:
    return load_tape(data, load_market(data), rules, settings)


# ---------------------------------------------------------------- limits to the cent


def half_up(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def closes(prices: Mapping[str, tuple[str, str]], board: str = "main") -> Dataset:
    """One session; stock → (reference, close), and as many stocks (~) that hardly move: half of all moves above 30 % would be refused."""
    day = date(2022, 3, 1)
    prices = {**prices, **{f"~{code}": ("10.00", "10.01") for code in prices}}
    rows = [{"date": day, "asset": code, "close": float(now), "ret": float(now) / float(was) - 1} for code, (was, now) in prices.items()]
    return dataset(rows, [{"asset": code, "board": board, "list_date": OLD} for code in prices])


@pytest.mark.parametrize(
    ("reference", "board", "upper", "lower"),
    [
        ("10.05", "main", "11.06", "9.05"),  # 11.055 and 9.045: half a tick goes up
        ("10.00", "main", "11.00", "9.00"),
        ("3.33", "main", "3.66", "3.00"),  # 3.663, 2.997
        ("4.15", "main", "4.57", "3.74"),  # 4.565 and 3.735, both below their decimal value in binary
        ("1.05", "main", "1.16", "0.95"),  # 1.155, 0.945
        ("2.675", "star", "3.22", "2.14"),  # the reference itself is rounded first: 2.68
        ("33.33", "chinext", "40.00", "26.66"),  # 39.996, 26.664
        ("7.77", "beijing", "10.10", "5.44"),  # 10.101, 5.439
    ],
)
def test_limits_are_rounded_half_up_to_the_tick(reference: str, board: str, upper: str, lower: str) -> None:
    tick = Decimal("0.01")
    now = {"A": upper, "B": str(Decimal(upper) - tick), "C": lower, "D": str(Decimal(lower) + tick)}
    tape, facts = tape_of(closes({code: (reference, price) for code, price in now.items()}, board))
    assert tape.at_upper.tolist() == [[True, False, False, False] + [False] * 4]
    assert tape.at_lower.tolist() == [[False, False, True, False] + [False] * 4]
    assert (facts.computed, facts.given, facts.inferred, facts.unlimited, facts.unknown) == (8, 0, 0, 0, 0)
    assert not facts.approximate


@pytest.mark.parametrize(("board", "share"), [("main", "0.1"), ("star", "0.2"), ("beijing", "0.3")])
def test_every_cent_agrees_with_decimal_arithmetic(board: str, share: str) -> None:
    tick, prices, expected = Decimal("0.01"), {}, {}
    for cents in range(100, 1500, 5 if board == "main" else 7):
        was = Decimal(cents) / 100
        for sign in (1, -1):
            limit = half_up(was * (1 + sign * Decimal(share)))
            for step in (-1, 0, 1):
                code, now = f"{cents:05d}{sign:+d}{step:+d}", limit + step * tick
                prices[code] = (str(was), str(now))
                expected[code] = (sign == 1 and step >= 0, sign == -1 and step <= 0)
    tape, _ = tape_of(closes(prices, board))
    found = zip(tape.at_upper[0].tolist(), tape.at_lower[0].tolist(), strict=True)
    assert dict(zip(sorted(prices), found, strict=False)) == expected
    assert not tape.at_upper[0, len(prices) :].any()


# ---------------------------------------------------------------- each price limit on its first and last day

STEPS = (0.05, 0.10, 0.20, 0.30, 0.36, 0.44)


def widest(day: date, board: str, *, special: bool = False, listed: date = OLD) -> tuple[float | None, float | None]:
    """The up and down limit that hold for a board on a day, found by closing at each step from 100; None = none."""
    moves = [sign * step for step in STEPS for sign in (1, -1)]
    codes = [f"S{number:02d}" for number in range(len(moves))]
    data = dataset(
        [{"date": day, "asset": code, "close": 100 * (1 + move), "ret": move} for code, move in zip(codes, moves, strict=True)],
        [{"asset": code, "board": board, "list_date": listed} for code in codes],
        [{"asset": code, "start_date": OLD, "kind": "ST"} for code in codes] if special else None,
    )
    tape, _ = tape_of(data)
    up = [move for move, hit in zip(moves, tape.at_upper[0], strict=True) if hit]
    down = [-move for move, hit in zip(moves, tape.at_lower[0], strict=True) if hit]
    return min(up, default=None), min(down, default=None)


@pytest.mark.parametrize(
    ("board", "special", "day", "limit"),
    [
        ("main", False, "1996-12-15", None),
        ("main", False, "1996-12-16", 0.10),
        ("main", True, "1998-04-21", 0.10),  # without a row of its own special treatment keeps the normal limit
        ("main", True, "1998-04-22", 0.05),
        ("main", True, "2026-07-06", 0.05),  # ±10 % from then on is not confirmed
        ("main", False, "2026-07-06", 0.10),
        ("star", False, "2019-07-21", None),
        ("star", False, "2019-07-22", 0.20),
        ("star", True, "2019-07-22", 0.20),
        ("chinext", False, "2009-10-29", None),
        ("chinext", False, "2009-10-30", 0.10),
        ("chinext", False, "2020-08-23", 0.10),
        ("chinext", True, "2020-08-23", 0.10),
        ("chinext", False, "2020-08-24", 0.20),
        ("chinext", True, "2020-08-24", 0.20),
        ("beijing", False, "2021-11-14", None),
        ("beijing", False, "2021-11-15", 0.30),
        ("beijing", True, "2021-11-15", 0.30),
    ],
)
def test_a_price_limit_on_its_first_and_last_day(board: str, special: bool, day: str, limit: float | None) -> None:
    assert widest(date.fromisoformat(day), board, special=special) == (limit, limit)


LISTINGS = [  # (board, listing day, limits on sessions 1, 2, 5, 6)
    ("main", "2013-12-31", (None, None), (0.1, 0.1), (0.1, 0.1), (0.1, 0.1)),
    ("main", "2014-01-01", (0.44, 0.36), (0.1, 0.1), (0.1, 0.1), (0.1, 0.1)),
    ("main", "2023-04-07", (0.44, 0.36), (0.1, 0.1), (0.1, 0.1), (0.1, 0.1)),
    ("main", "2023-04-10", (None, None), (None, None), (None, None), (0.1, 0.1)),
    ("star", "2019-07-22", (None, None), (None, None), (None, None), (0.2, 0.2)),
    ("chinext", "2013-12-31", (None, None), (0.1, 0.1), (0.1, 0.1), (0.1, 0.1)),
    ("chinext", "2020-08-21", (0.44, 0.36), (0.2, 0.2), (0.2, 0.2), (0.2, 0.2)),  # session 2 is 2020-08-24
    ("chinext", "2020-08-24", (None, None), (None, None), (None, None), (0.2, 0.2)),
    ("beijing", "2021-11-15", (None, None), (0.3, 0.3), (0.3, 0.3), (0.3, 0.3)),
]


@pytest.mark.parametrize(("board", "listed", "one", "two", "five", "six"), LISTINGS)
def test_the_first_sessions_go_by_the_day_of_listing(board: str, listed: str, one: object, two: object, five: object, six: object) -> None:
    first = date.fromisoformat(listed)
    days = weekdays(first, 6)
    found = [widest(day, board, listed=first) for day in (days[0], days[1], days[4], days[5])]
    assert found == [one, two, five, six]


def test_a_first_bar_is_the_listing_where_no_day_is_stated() -> None:
    days = weekdays(date(2023, 4, 10), 8)
    rows = [{"date": day, "asset": "600001.SH", "close": 10.0, "ret": 0.0} for day in days]
    rows += [{"date": day, "asset": "600005.SH", "close": 11.0, "ret": 0.1} for day in days[1:]]
    tape, facts = tape_of(dataset(rows))
    assert tape.at_upper[:, 1].tolist() == [False] * 6 + [True] * 2  # five sessions without limit from the second day on
    assert tape.enterable[:, 1].tolist() == [False] * 6 + [True] * 2  # session 0 is none yet, then five house-rule sessions
    assert tape.enterable[:, 0].all()
    assert any(note.startswith("2 of 2 stocks have no list_date") for note in facts.notes)


# ---------------------------------------------------------------- where the limits come from


def test_limits_of_the_bars_come_before_the_rule() -> None:
    day = date(2021, 3, 1)
    rows = [
        {"date": day, "asset": "600000.SH", "close": 10.50, "ret": 0.05, "limit_up": 10.50, "limit_down": 9.50},
        {"date": day, "asset": "600001.SH", "close": 10.504, "ret": 0.05, "limit_up": 10.51, "limit_down": 9.50},  # more than half a tick
        {"date": day, "asset": "600003.SH", "close": 9.0, "ret": -0.1, "limit_up": 11.0, "limit_down": 0.0},  # 0 is no limit: computed
        {"date": day, "asset": "600004.SH", "close": 11.0, "ret": 0.1},
        {"date": day, "asset": "600005.SH", "close": None, "ret": 0.0985, "limit_up": 11.0, "limit_down": 9.0},
        {"date": day, "asset": "600006.SH", "close": 9.0, "ret": None, "volume": 5.0},
        {"date": day, "asset": "600007.SH", "close": 9.0, "ret": None, "volume": 5.0, "limit_up": 11.0, "limit_down": 9.0},
        {"date": day, "asset": "688001.SH", "close": 99.0, "ret": 0.9},
        {"date": day, "asset": "600009.SH", "close": 11.0, "ret": 0.1, "volume": 0.0},
    ]
    volumes = [{"volume": 1.0, **row} for row in rows]
    data = dataset(volumes, [{"asset": "688001.SH", "board": "star", "list_date": day}])
    tape, facts = tape_of(data)
    codes = dict(zip(load_market(data).axes.assets, zip(tape.at_upper[0].tolist(), tape.at_lower[0].tolist(), strict=True), strict=True))
    assert codes == {
        "600000.SH": (True, False),
        "600001.SH": (False, False),
        "600003.SH": (False, True),
        "600004.SH": (True, False),
        "600005.SH": (True, False),
        "600006.SH": (False, False),
        "600007.SH": (False, True),
        "600009.SH": (False, False),
        "688001.SH": (False, False),
    }
    assert (facts.given, facts.computed, facts.inferred, facts.unlimited, facts.unknown) == (3, 2, 1, 1, 1)
    assert (facts.at_upper, facts.at_lower, facts.approximate) == (3, 2, True)
    assert facts.boards == {"main": 8, "star": 1, "chinext": 0, "beijing": 0}
    assert "price limits of 1 of 8 stock-days are approximate: bars have no close there" in " ".join(facts.notes)
    assert "whether 1 of 8 stock-days closed at a limit is unknown" in " ".join(facts.notes)


@pytest.mark.parametrize(
    ("change", "upper", "lower"), [(0.0981, True, False), (0.0979, False, False), (-0.0981, False, True), (-0.0979, False, False)]
)
def test_without_a_close_the_return_decides_within_the_tolerance(change: float, upper: bool, lower: bool) -> None:
    tape, facts = tape_of(dataset([{"date": date(2021, 3, 1), "asset": "600000.SH", "ret": change}]))
    assert (tape.at_upper.item(), tape.at_lower.item()) == (upper, lower)
    assert (facts.inferred, facts.approximate) == (1, True)


@pytest.mark.parametrize(("bare", "approximate"), [(1, False), (3, True)])
def test_a_few_inferred_limits_are_noted_and_do_not_make_figures_approximate(bare: int, approximate: bool) -> None:
    """Up to one in a thousand stock-days: 1 and 3 of 2,400."""
    days = (date(2021, 3, 1), date(2021, 3, 2))
    rows = [
        {"date": day, "asset": f"{600000 + stock}.SH", "ret": 0.0, "close": None if day == days[0] and stock < bare else 10.0}
        for day in days
        for stock in range(1000)
    ]
    rows += [{"date": day, "asset": f"{2000 + stock:06}.SZ", "ret": 0.0, "close": 10.0} for day in days for stock in range(200)]
    facts = tape_of(dataset(rows))[1]
    assert (facts.inferred, facts.approximate) == (bare, approximate)
    assert f"price limits of {bare} of 2400 stock-days are approximate" in " ".join(facts.notes)


def test_a_one_sided_rule_limits_one_side(tmp_path: Path) -> None:
    text = CN_FILE.read_text(encoding="utf-8").replace("up = 0.10\ndown = 0.10\nfrom = 1996-12-16", "down = 0.10\nfrom = 1996-12-16")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    day = date(2021, 3, 1)
    rows = {"600001.SH": {"close": 11.0, "ret": 0.1}, "600003.SH": {"close": 9.0, "ret": -0.1}}
    data = dataset([{"date": day, "asset": code, **row} for code, row in rows.items()])
    tape, facts = tape_of(data, MarketRules.load(tmp_path / "mine.toml"))
    assert tape.at_upper.tolist() == [[False, False]]
    assert tape.at_lower.tolist() == [[False, True]]
    assert facts.computed == 2


# ---------------------------------------------------------------- ex-dates

EX_DATES = [("10", "0.05"), ("10", "0.1"), ("10", "0.5"), ("50", "0.5"), ("1500", "22")]


def around(was: str, closes: Mapping[str, tuple[Decimal, float]], paid: float | None = None, gap: int = 0) -> Dataset:
    """Code → close and return on the session after one that closed at `was`; `gap`: sessions between that were not traded."""
    days = weekdays(date(2022, 3, 1), 2 + gap)
    quiet_one = [{"date": day, "asset": f"~{code}", "close": 10.0, "ret": 0.0} for day in days for code in closes]
    rows = [{"date": days[0], "asset": code, "close": float(was), "ret": 0.0} for code in closes]
    rows += [{"date": days[-1], "asset": code, "close": float(now), "ret": change} for code, (now, change) in closes.items()]
    stated = None if paid is None else [(code, days[1], paid) for code in closes]
    return dataset(
        rows + quiet_one,
        [{"asset": code, "board": "main", "list_date": OLD} for row in closes for code in (row, f"~{row}")],
        dividends=stated,
    )


def sides_of(tape: Tape, names: int) -> list[tuple[bool, bool]]:
    return list(zip(tape.at_upper[-1, :names].tolist(), tape.at_lower[-1, :names].tolist(), strict=True))


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize(
    ("was", "cash", "stated"), [(*each, stated) for each in EX_DATES for stated in (True, False)] + [("10", "0.005", True)]
)
def test_a_close_at_the_limit_of_an_ex_date_is_seen(was: str, cash: str, stated: bool, gap: int) -> None:
    """Limits are reckoned from the previous close less the cash, rounded: an exchange's own arithmetic, in decimals."""
    before, paid, tick = Decimal(was), Decimal(cash), Decimal("0.01")
    upper, lower = (half_up(half_up(before - paid) * (1 + sign * Decimal("0.1"))) for sign in (1, -1))
    now = {"A": upper, "B": upper - tick, "C": lower, "D": lower + tick}
    moved = {code: (price, float((price + paid) / before - 1)) for code, price in now.items()}
    tape, facts = tape_of(around(was, moved, float(paid) if stated else None, gap))
    assert sides_of(tape, 4) == [(True, False), (False, False), (False, True), (False, False)]
    inferred = 0 if stated else 4
    assert (facts.inferred, facts.approximate) == (inferred, inferred > 0)
    assert facts.computed == 4 + 4 * (2 + gap) + 4 - inferred
    said = [note for note in facts.notes if note.startswith("price limits of ")]
    assert len(said) == (inferred > 0)
    assert not said or said[0].startswith(
        f"price limits of 4 of {16 + 4 * gap} stock-days are approximate: close and return show an ex-date"
    )


@pytest.mark.parametrize("stated", [True, False])
def test_a_return_on_the_reference_itself_is_recognised(stated: bool) -> None:
    """Some sources take the return of an ex-date as close / (previous - cash) - 1."""
    moved = {"A": (Decimal("10.45"), 0.1), "B": (Decimal("10.30"), 10.30 / 9.5 - 1), "C": (Decimal("8.55"), -0.1)}
    tape, facts = tape_of(around("10", moved, 0.5 if stated else None))
    assert sides_of(tape, 3) == [(True, False), (False, False), (False, True)]
    assert facts.inferred == (0 if stated else 3)


@pytest.mark.parametrize("stated", [True, False])
def test_shares_issued_with_cash_leave_a_limit_uncertain(stated: bool) -> None:
    """10 shares get 10 more and 5 yuan: 20 becomes (20 - 0.5) / 2 = 9.75, with limits at 10.73 and 8.78."""
    moved = {
        code: (Decimal(price), (2 * float(price) + 0.5) / 20 - 1)
        for code, price in (("A", "10.73"), ("B", "10.40"), ("C", "8.78"), ("D", "9.10"))
    }
    tape, facts = tape_of(around("20", moved, 0.5 if stated else None))
    assert sides_of(tape, 4) == [(True, False), (False, False), (False, True), (False, False)]
    assert facts.inferred == 4


def test_shares_issued_without_cash_do_not_hide_a_limit() -> None:
    moved = {
        code: (Decimal(price), 2 * float(price) / 20 - 1) for code, price in (("A", "11.00"), ("B", "10.70"), ("C", "9.00"), ("D", "9.30"))
    }
    tape, facts = tape_of(around("20", moved))
    assert sides_of(tape, 4) == [(True, False), (False, False), (False, True), (False, False)]
    assert facts.inferred == 4


def test_an_ordinary_day_is_known_whatever_other_days_were() -> None:
    """A dividend before the data, one of another stock and one on the day before leave a session as it was."""
    moved = {"A": (Decimal("11.00"), 0.1), "B": (Decimal("10.99"), 0.099)}
    data = around("10", moved)
    days = data.frame("bars")["date"].unique().sort().to_list()
    told = pl.DataFrame(
        [("A", days[0] - 5 * DAY, 0.5), ("~A", days[1], 0.5), ("A", days[0], 0.5), ("X", days[1], 0.5), ("A", days[1] + DAY, 0.5)],
        schema={"asset": pl.String, "ex_date": pl.Date, "cash_per_share": pl.Float64},
        orient="row",
    )
    tables = {name: data.frame(name) for name in ("bars", "assets")}
    tape, facts = tape_of(Dataset.from_frames({**tables, "dividends": told}))
    assert sides_of(tape, 2) == [(True, False), (False, False)]
    assert facts.inferred == 2  # A on the first session, whose close before is unknown, and ~A, whose return has no dividend in it
    assert tape_of(data)[1].inferred == 0


# ---------------------------------------------------------------- a plain loop beside the kernels

BOARDS = {"main": 6, "star": 3, "chinext": 5, "beijing": 3}


def random_market(seed: int, first: date, sessions: int = 90) -> Dataset:
    """Stocks of every board, old and newly listed, with limit hits, gaps, suspensions, missing values and special treatment."""
    rng = np.random.default_rng(seed)
    days = weekdays(first, sessions)
    rows, assets, status, dividends = [], [], [], []
    for board, count in BOARDS.items():
        for number in range(count):
            code = f"{board}{number}"
            start = 0 if number < 2 else int(rng.integers(5, 60))
            listed = OLD if number == 0 else None if number == 1 else days[start]
            end = days[int(rng.integers(70, 85))] if number == 2 else None
            late = 3 * DAY if board == "main" else 0 * DAY  # bars that go on after the delisting
            assets.append({"asset": code, "board": board, "list_date": listed, "delist_date": end})
            if number in (0, 3):
                begun = int(rng.integers(10, 30))
                status.append({"asset": code, "start_date": days[begun], "end_date": days[begun + 25] if number else None, "kind": "ST"})
            if number == 1:
                status += [
                    {"asset": code, "start_date": days[40], "end_date": days[43], "kind": "suspended"},
                    {"asset": code, "start_date": days[60], "end_date": None, "kind": "delisting"},
                ]
            price = Decimal(int(rng.integers(150, 4000))) / 100
            for t in range(start, sessions):
                if rng.random() < 0.06 or (end is not None and days[t] > end + late):
                    continue
                paid, shares = Decimal(0), 1
                if rng.random() < 0.08:
                    paid = half_up(price * Decimal(str(round(0.06 * rng.random(), 4))))
                    shares = int(rng.choice([1, 1, 2]))
                    if rng.random() < 0.6:
                        dividends.append((code, days[t], float(paid)))
                old, price = price, half_up((price - paid) / shares)
                share = Decimal(str(rng.choice(["0.05", "0.1", "0.2", "0.3", "0.44", "0.36"])))
                hit = half_up(price * (1 + int(rng.choice([-1, 1])) * share)) + Decimal(int(rng.integers(-1, 2))) / 100
                new = hit if rng.random() < 0.4 else half_up(price * Decimal(str(round(1 + 0.03 * rng.normal(), 4))))
                new = min(max(new, Decimal("1.00")), Decimal("90.00"))
                row: dict[str, Any] = {"date": days[t], "asset": code, "close": float(new), "ret": float((shares * new + paid) / old) - 1}
                row |= {"volume": 0.0 if rng.random() < 0.05 else 100.0, "amount": float(np.exp(12 + rng.normal()))}
                if rng.random() < 0.3:
                    row |= {"limit_up": float(half_up(price * Decimal("1.1"))), "limit_down": float(half_up(price * Decimal("0.9")))}
                for name, rate in (("close", 0.1), ("ret", 0.05), ("amount", 0.1), ("limit_up", 0.3)):
                    if rng.random() < rate:
                        row[name] = None
                rows.append(row)
                price = new
    return dataset(rows, assets, status, dividends)


def in_force(section: str, day: date, **key: object) -> dict[str, Any] | None:
    """The row of the packaged file that holds on a day: the latest begun of its key, unless it has ended."""
    rows = [row for row in CN_RAW[section] if all(row[name] == value for name, value in key.items()) and row["from"] <= day]
    latest = max(rows, key=lambda row: row["from"], default=None)
    return None if latest is None or latest.get("to", day) < day else latest


def naive_reference(close: float, change: float, before: float | None, cash: float) -> tuple[Decimal, bool]:
    """Reference and whether it is known: of an ordinary day, of a stated ex-date, of another adjustment."""
    plain = half_up(Decimal(close / (1 + change)))
    part = 0.0
    if cash > 0:
        if before is not None and (abs(before * (1 + change) - close - cash) <= 0.01 or abs(close / (1 + change) - before + cash) <= 0.01):
            return half_up(Decimal(round(before - cash, 8))), True
        part = cash / (before or (close + cash) / (1 + change))
    elif before is None or abs(plain - half_up(Decimal(before))) <= Decimal("0.01"):
        return plain, True
    else:
        part = min(max(1 + change - close / before, 0.0), 0.2)
    return half_up(Decimal(round(close * (1 - part) / (1 + change - part), 8))), False


def naive_side(row: Mapping[str, Any], side: str, share: float | None, before: float | None, cash: float) -> tuple[bool, str]:
    sign = 1 if side == "up" else -1
    if row["close"] is not None and row[f"limit_{side}"] is not None:
        return sign * (row["close"] - row[f"limit_{side}"]) >= -0.005, "given"
    if share is None:
        return False, "unlimited"
    if row["ret"] is None:
        return False, "unknown"
    if row["close"] is not None:
        was, known = naive_reference(row["close"], row["ret"], before, cash)
        limit = half_up(was * (1 + sign * Decimal(str(share))))
        return sign * (row["close"] - float(limit)) >= -0.005, "computed" if known else "inferred"
    return sign * row["ret"] >= share - CN_RAW["meta"]["tolerance"], "inferred"


def naive(data: Dataset) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Limits, purchases, liquidity and volatility from the rows, stock by stock and day by day."""
    order = ["unlimited", "given", "computed", "inferred", "unknown"]
    days = data.frame("bars")["date"].unique().sort().to_list()
    codes = data.frame("bars")["asset"].unique().sort().to_list()
    bars = {(row["asset"], row["date"]): row for row in data.frame("bars").iter_rows(named=True)}
    assets = {row["asset"]: row for row in data.frame("assets").iter_rows(named=True)}
    status, paid = data.frame("status").to_dicts(), data.frame("dividends").to_dicts()
    shape = (len(days), len(codes))
    out = {name: np.zeros(shape, dtype=bool) for name in ("at_upper", "at_lower", "tradable")} | {"enterable": np.ones(shape, dtype=bool)}
    out |= {name: np.full(shape, np.nan) for name in ("liquidity", "volatility")}
    fresh_spread = np.full(shape, np.nan)
    counts = dict.fromkeys(order, 0)
    for i, code in enumerate(codes):
        trades = [(code, day) in bars and bars[code, day]["volume"] > 0 for day in days]
        board, stated = assets[code]["board"], assets[code]["list_date"]
        before, cash = None, 0.0
        listed = stated or (None if trades[0] else days[trades.index(True)])
        for t, day in enumerate(days):
            kinds = {row["kind"] for row in status if row["asset"] == code and row["start_date"] <= day <= (row["end_date"] or day)}
            age = 10**6 if listed in (None, OLD) else sum(listed <= each <= day for each in days)
            over = assets[code]["delist_date"] is not None and day > assets[code]["delist_date"]
            out["tradable"][t, i] = trades[t] and "suspended" not in kinds and not over
            out["enterable"][t, i] = not (kinds & {"ST", "delisting"}) and age > 5
            past = [bars[code, days[u]] for u in range(max(0, t - 20), t) if trades[u]]
            known = [row["amount"] for row in past if row["amount"] is not None]
            out["liquidity"][t, i] = np.mean(known) if known else out["liquidity"][t - 1, i] if t else np.nan
            past = [bars[code, days[u]] for u in range(max(0, t - 60), t) if trades[u]]
            known = [row["ret"] for row in past if row["ret"] is not None]
            fresh_spread[t, i] = np.std(known, ddof=1) if len(known) >= 20 else np.nan
            out["volatility"][t, i] = fresh_spread[t, i] if len(known) >= 20 else out["volatility"][t - 1, i] if t else np.nan
            cash += sum(row["cash_per_share"] for row in paid if row["asset"] == code and row["ex_date"] == day)
            if not trades[t]:
                continue
            rule = in_force("price_limit", day, board=board, kind="normal")
            if "ST" in kinds:
                rule = in_force("price_limit", day, board=board, kind="ST") or rule
            fresh = None if listed in (None, OLD) else in_force("first_days", listed, board=board)
            if fresh is not None and fresh["first_session"] <= age <= fresh["last_session"]:
                rule = fresh
            row = bars[code, day]
            sides = {side: naive_side(row, side, (rule or {}).get(side), before, cash) for side in ("up", "down")}
            before, cash = row["close"], 0.0
            out["at_upper"][t, i], out["at_lower"][t, i] = sides["up"][0], sides["down"][0]
            counts[max((basis for _, basis in sides.values()), key=order.index)] += 1
    for t in range(len(days)):
        if not np.isnan(out["liquidity"][t]).all():
            out["liquidity"][t, np.isnan(out["liquidity"][t])] = 0.0
        able = [row for row in fresh_spread[: t + 1] if not np.isnan(row).all()]
        if able:
            out["volatility"][t, np.isnan(out["volatility"][t])] = np.nanmedian(able[-1])
    return out, counts


@pytest.mark.parametrize("first", [date(2020, 6, 29), date(2023, 2, 20), date(2026, 5, 25)])
def test_the_tape_is_that_of_a_plain_loop(first: date) -> None:
    data = random_market(first.year, first)
    tape, facts = tape_of(data)
    expected, counts = naive(data)
    for name in ("at_upper", "at_lower", "tradable", "enterable"):
        np.testing.assert_array_equal(getattr(tape, name), expected[name], err_msg=name)
    for name in ("liquidity", "volatility"):  # sums of at most 60 numbers in another order
        np.testing.assert_allclose(getattr(tape, name), expected[name], rtol=1e-12, err_msg=name)
    assert {name: getattr(facts, name) for name in counts} == counts
    assert all(counts.values()), "every way to know a limit occurs"
    assert (facts.at_upper, facts.at_lower) == (int(expected["at_upper"].sum()), int(expected["at_lower"].sum()))
    assert min(facts.at_upper, facts.at_lower) > 50


def test_a_large_trade_leaves_the_window_without_a_trace() -> None:
    days = weekdays(date(2021, 1, 4), 90)
    odd = [{"ret": 1e6, "amount": 1e16} if t == 3 else {"ret": 0.01 * (-1) ** t, "amount": 7.0} for t in range(90)]
    tape, _ = tape_of(dataset([{"date": day, "asset": "600000.SH", **row} for day, row in zip(days, odd, strict=True)]))
    assert tape.liquidity is not None
    assert tape.volatility is not None
    assert tape.liquidity[24:, 0].tolist() == [7.0] * 66
    assert tape.volatility[64:, 0] == pytest.approx([0.01 * (60 / 59) ** 0.5] * 26, rel=1e-12)  # a mean of 0 up to rounding
    assert np.isnan(tape.volatility[:20]).all()
    assert np.isfinite(tape.volatility[20:]).all()


def test_a_stock_back_from_a_suspension_has_its_last_liquidity_and_volatility() -> None:
    """Three stocks: one that always trades, one suspended for 70 sessions, one listed on session 100 (and traded two sessions later)."""
    days = weekdays(date(2021, 1, 4), 110)
    rows = []
    for t, day in enumerate(days):
        size = 0.01 * (-1) ** t
        rows.append({"date": day, "asset": "600000.SH", "ret": size, "amount": 100.0})
        if not 30 <= t < 100:
            rows.append({"date": day, "asset": "600001.SH", "ret": 3 * size, "amount": float(t + 1)})
        if t >= 102:
            rows.append({"date": day, "asset": "600003.SH", "ret": size, "amount": 9.0})
    data = dataset(rows, [{"asset": "600003.SH", "list_date": days[100]}])
    tape, _ = tape_of(data)
    assert tape.liquidity is not None
    assert tape.volatility is not None
    assert tape.liquidity[30, 1] == pytest.approx(np.mean(np.arange(11, 31)))
    assert tape.liquidity[49:101, 1].tolist() == [30.0] * 52  # the window has left all but the last trade behind, then that one too
    assert tape.liquidity[101, 1] == 101.0
    assert np.isnan(tape.liquidity[0]).all()  # nothing is known of anyone
    assert tape.liquidity[1:103, 2].tolist() == [0.0] * 102
    assert tape.liquidity[103:, 2].tolist() == [9.0] * 7
    assert np.isnan(tape.volatility[:20]).all()
    assert tape.volatility[20:, 1] == pytest.approx(0.03, rel=0.05)
    assert len(set(tape.volatility[71:, 1].tolist())) == 1  # with 19 and fewer returns left, and until it has 20 again
    assert tape.volatility[20, 2] == (tape.volatility[20, 0] + tape.volatility[20, 1]) / 2
    assert tape.volatility[105:, 2].tolist() == tape.volatility[105:, 0].tolist()  # the only one with returns of its own


def test_a_market_whose_stocks_all_rest_keeps_its_median() -> None:
    days = weekdays(date(2021, 1, 4), 130)
    rows = [{"date": day, "asset": "600000.SH", "ret": 0.01 * (-1) ** t, "amount": 100.0} for t, day in enumerate(days) if t < 30]
    rows += [
        {"date": day, "asset": "600001.SH", "ret": 0.0 if t % 10 == 0 else None, "amount": 1.0} for t, day in enumerate(days) if t > 29
    ]
    tape, _ = tape_of(dataset(rows))
    assert tape.volatility is not None
    assert tape.volatility[100] == pytest.approx([0.01] * 2, rel=0.05)


# ---------------------------------------------------------------- time travel


@pytest.mark.parametrize("seed", [1, 2])
def test_what_came_later_changes_no_earlier_row(seed: int) -> None:
    data = random_market(seed, date(2020, 6, 29))
    whole = load_market(data)
    tape, _ = load_tape(data, whole, CN, PortfolioSettings())
    for stop in (12, 38, 41, 77, 89):
        past = data.as_of(whole.axes.sessions.dates[stop].item())
        market = load_market(past)
        early, _ = load_tape(past, market, CN, PortfolioSettings())
        same = [whole.axes.assets.index(code) for code in market.axes.assets]
        rows = market.axes.shape[0]
        assert rows == stop + 1
        for name in ("returns", "tradable", "at_upper", "at_lower", "enterable", "liquidity", "volatility"):
            np.testing.assert_array_equal(getattr(early, name), getattr(tape, name)[:rows, same], err_msg=name)
        for name in ("shorting", "buy_rate", "sell_rate", "borrow_rate", "settlement"):
            np.testing.assert_array_equal(getattr(early, name), getattr(tape, name)[:rows], err_msg=name)
        np.testing.assert_array_equal(np.minimum(early.last_session, stop), np.minimum(tape.last_session[same], stop))
        absent = [column for column in range(whole.axes.shape[1]) if column not in same]
        assert not tape.tradable[:rows, absent].any()


# ---------------------------------------------------------------- status, listing, delisting


def quiet(days: list[date], code: str = "600000.SH", change: float = 0.0) -> list[dict[str, Any]]:
    return [{"date": day, "asset": code, "close": 20.0, "ret": change, "volume": 1.0} for day in days]


def test_a_status_holds_on_its_first_and_its_last_day() -> None:
    days = weekdays(date(2021, 3, 1), 8)
    rows = [*quiet(days, change=0.05), *quiet(days, "600001.SH"), *quiet(days, "600005.SH")]
    status = [
        {"asset": "600000.SH", "start_date": days[2], "end_date": days[4], "kind": "ST"},
        {"asset": "600001.SH", "start_date": days[3], "end_date": days[3], "kind": "suspended"},
        {"asset": "600005.SH", "start_date": days[6], "end_date": None, "kind": "delisting"},
        {"asset": "600005.SH", "start_date": days[0], "end_date": None, "kind": "code_change"},
        {"asset": "999999.XX", "start_date": days[0], "end_date": None, "kind": "ST"},
    ]
    tape, facts = tape_of(dataset(rows, status=status))
    inside = [False, False, True, True, True, False, False, False]
    assert tape.at_upper[:, 0].tolist() == inside
    assert tape.enterable[:, 0].tolist() == [not held for held in inside]
    assert tape.tradable[:, 1].tolist() == [t != 3 for t in range(8)]
    assert np.isfinite(tape.returns[:, 1]).all()
    assert tape.enterable[:, 2].tolist() == [t < 6 for t in range(8)]
    assert tape.at_upper[:, 1:].sum() == 0
    assert "1 stock-days have a trade, but status calls them suspended: no order is filled there" in facts.notes
    assert not any("no status table" in note for note in facts.notes)


def test_the_sessions_after_a_listing_may_not_be_bought() -> None:
    days = weekdays(date(2021, 3, 1), 8)
    data = dataset([*quiet(days), *quiet(days[1:], "600001.SH")], [{"asset": "600001.SH", "list_date": days[1]}])
    tape, _ = tape_of(data)
    assert tape.enterable[:, 1].tolist() == [False] * 6 + [True] * 2
    assert tape_of(data, US)[0].enterable.all()


def test_a_stock_is_paid_out_after_its_last_session() -> None:
    days = weekdays(date(2021, 3, 1), 8)
    stops = {"600000.SH": 8, "600001.SH": 5, "600003.SH": 4, "600004.SH": 8, "600005.SH": 8, "600006.SH": 6}
    rows = [row for code, stop in stops.items() for row in quiet(days[:stop], code)]
    assets = [
        {"asset": "600001.SH", "delist_date": days[4]},  # with its last trade
        {"asset": "600003.SH", "delist_date": date(2021, 3, 7)},  # a Sunday: the Friday before, row 4, though it last traded on row 3
        {"asset": "600004.SH", "delist_date": days[-1] + 30 * DAY},  # not known yet
        {"asset": "600005.SH", "delist_date": days[-1]},
        {"asset": "600006.SH", "delist_date": days[2]},  # but has bars until row 5
    ]
    data = dataset(rows, assets)
    tape, facts = tape_of(data, US, PortfolioSettings(kind="long_only"))
    assert tape.last_session.tolist() == [8, 4, 4, 8, 7, 2]
    assert tape.payout.tolist() == [-0.3] * 6
    assert tape.tradable[:, 5].tolist() == [True] * 3 + [False] * 5
    assert np.isfinite(tape.returns[:, 5]).tolist() == [True] * 3 + [False] * 5
    said = "1 stocks trade after their delist_date (600006.SH): they are paid out at that day, and 3 later stock-days are left aside"
    assert any(note.startswith(said) for note in facts.notes)
    assert tape_of(data)[0].payout.tolist() == [0.0] * 6
    early, _ = tape_of(data.as_of(days[3]), US, PortfolioSettings(kind="long_only"))
    assert early.last_session[5] == 2, "a bar that comes later moves nothing"


def test_a_delisting_before_the_data_leaves_nothing_to_trade() -> None:
    days = weekdays(date(2021, 3, 1), 3)
    tape, _ = tape_of(dataset(quiet(days), [{"asset": "600000.SH", "delist_date": days[0] - 7 * DAY}]))
    assert tape.last_session.tolist() == [-1]
    assert not tape.tradable.any()


# ---------------------------------------------------------------- fees, short sales, settlement


@pytest.mark.parametrize(
    ("change", "buy", "sell"),
    [
        ("2022-04-29", (8.87e-5, 7.87e-5), (108.87e-5, 107.87e-5)),
        ("2023-08-28", (7.87e-5, 6.41e-5), (107.87e-5, 56.41e-5)),
    ],
)
def test_fees_change_on_their_day(change: str, buy: tuple[float, float], sell: tuple[float, float]) -> None:
    day = date.fromisoformat(change)
    data = dataset(quiet([day - 3 * DAY, day - DAY, day, day + DAY]))
    tape, _ = tape_of(data, settings=PortfolioSettings(kind="long_only", commission_bps=0.0, slippage_bps=0.0))
    assert tape.buy_rate == pytest.approx([buy[0]] * 2 + [buy[1]] * 2, rel=1e-12)  # sums of decimals
    assert tape.sell_rate == pytest.approx([sell[0]] * 2 + [sell[1]] * 2, rel=1e-12)


def test_commission_and_slippage_come_on_top_and_fees_can_be_left_out() -> None:
    data = dataset(quiet(weekdays(date(2021, 3, 1), 3)))

    def rates(**settings: Any) -> tuple[float, float]:
        tape, _ = tape_of(data, settings=PortfolioSettings(kind="long_only", **settings))
        return tape.buy_rate[1], tape.sell_rate[1]

    assert rates() == pytest.approx((7.5e-4 + 8.87e-5, 7.5e-4 + 108.87e-5), rel=1e-12)
    assert rates(fees=False) == pytest.approx((7.5e-4, 7.5e-4), rel=1e-12)
    assert rates(fees=False, commission_bps=10.0) == pytest.approx((1.5e-3, 1.5e-3), rel=1e-12)
    assert rates(fees=False, slippage_bps=0.0) == pytest.approx((2.5e-4, 2.5e-4), rel=1e-12)
    facts = tape_of(data, settings=PortfolioSettings(kind="long_only", fees=False))[1]
    assert "the dated fees and duties of the market are left out: fees is False" in facts.notes


def test_short_sales_end_on_their_day() -> None:
    data = dataset(quiet([date(2024, 7, 9), date(2024, 7, 10), date(2024, 7, 11), date(2024, 7, 15)]))
    tape, _ = tape_of(data, settings=PortfolioSettings())
    assert tape.shorting.tolist() == [True, True, False, False]
    assert tape.borrow_rate == pytest.approx([0.08 / 365] * 3 + [4 * 0.08 / 365], rel=1e-12)  # a rate a day, over a weekend too
    tape, facts = tape_of(data, settings=PortfolioSettings(shorting="paper"))
    assert tape.shorting.all()
    assert "short sales go on where the rules do not allow them: shorting is 'paper'" in facts.notes
    tape, _ = tape_of(data, US, PortfolioSettings())
    assert tape.shorting.all()
    assert tape.borrow_rate[0] == pytest.approx(0.003 / 360, rel=1e-12)


def test_settlement_by_market() -> None:
    data = dataset(quiet(weekdays(date(2021, 3, 1), 2)))
    assert tape_of(data)[0].settlement.tolist() == [1, 1]
    assert tape_of(data, US)[0].settlement.tolist() == [0, 0]
    assert tape_of(data)[0].settlement.dtype == np.int64


@pytest.mark.parametrize(
    ("day", "settings", "said"),
    [
        (date(2015, 7, 31), PortfolioSettings(kind="long_only"), r"for fee 'transfer' begin on 2015-08-01, the data on 2015-07-31"),
        (date(2010, 3, 30), PortfolioSettings(fees=False), r"for shorting begin on 2010-03-31, the data on 2010-03-30"),
        (date(1994, 12, 30), FREE, r"for settlement begin on 1995-01-01, the data on 1994-12-30"),
    ],
)
def test_rules_that_begin_after_the_data_are_refused(day: date, settings: PortfolioSettings, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        tape_of(dataset(quiet([day, date(2021, 3, 1)])), settings=settings)


def test_rules_that_are_not_needed_may_begin_later() -> None:
    tape_of(dataset(quiet([date(2015, 8, 1), date(2021, 3, 1)])), settings=PortfolioSettings())
    tape_of(dataset(quiet([date(2010, 3, 30), date(2021, 3, 1)])), settings=FREE)


# ---------------------------------------------------------------- boards


@pytest.mark.parametrize(
    ("code", "board"),
    [
        *((f"{head}123.SH", "main") for head in ("600", "601", "603", "605", "900")),
        *((f"{head}123.SZ", "main") for head in ("000", "001", "002", "003", "004", "200", "201")),
        ("688001.SH", "star"),
        ("689009.SH", "star"),
        *((f"{head}123.SZ", "chinext") for head in ("300", "301", "302")),
        *((f"{head}0123.BJ", "beijing") for head in ("43", "83", "87", "88", "92")),
        ("123456.BJ", "beijing"),
    ],
)
def test_a_code_has_its_board(code: str, board: str) -> None:
    _, facts = tape_of(dataset(quiet([date(2021, 3, 1)], code)))
    assert {name for name, count in facts.boards.items() if count} == {board}


def test_a_stated_board_comes_before_the_pattern() -> None:
    data = dataset(quiet([date(2021, 3, 1)]), [{"asset": "600000.SH", "board": "star"}])
    assert tape_of(data)[1].boards["star"] == 1


def test_unknown_boards_are_refused_with_count_and_codes() -> None:
    codes = [f"{number}.HK" for number in range(100, 107)]
    data = dataset([row for code in codes for row in quiet([date(2021, 3, 1)], code)])
    said = (
        r"7 of 7 stocks belong to no board of market 'cn' \(main, star, chinext, beijing\): "
        r"100\.HK, 101\.HK, 102\.HK, 103\.HK, 104\.HK …; name one of them in assets\.board"
    )
    with pytest.raises(TableError, match=said):
        tape_of(data)
    named = dataset(quiet([date(2021, 3, 1)]), [{"asset": "600000.SH", "board": "主板"}])
    with pytest.raises(TableError, match=r"1 of 1 stocks .*: 600000\.SH \(主板\); name one"):
        tape_of(named)


def test_rules_without_boards_know_no_limits(tmp_path: Path) -> None:
    meta = '[meta]\nname = "bare"\ncurrency = "EUR"\ntick = 0.01\ntolerance = 0.0\nday_count = 365\n'
    (tmp_path / "bare.toml").write_text(meta, encoding="utf-8")
    tape, facts = tape_of(
        dataset(quiet([date(2021, 3, 1)], "X", change=0.29)), MarketRules.load(tmp_path / "bare.toml"), PortfolioSettings()
    )
    assert (facts.unlimited, facts.boards) == (1, {"": 1})
    assert tape.shorting.all()
    assert tape.enterable.all()
    assert (tape.borrow_rate[0], tape.settlement[0], tape.payout[0]) == (0.0, 0, 0.0)


# ---------------------------------------------------------------- a user's own table


@pytest.mark.parametrize(
    ("old", "new", "read", "before", "after"),
    [
        ("rate = 0.001\n", "rate = 0.003\n", lambda tape: round(tape.sell_rate[0], 6), 0.001089, 0.003089),
        ("up = 0.10\n", "up = 0.05\n", lambda tape: tape.at_upper.any(), False, True),
        ("sessions = 1\n", "sessions = 3\n", lambda tape: tape.settlement[0], 1, 3),
        ("payout = 0.0\n", "payout = -0.5\n", lambda tape: tape.payout[0], 0.0, -0.5),
        ("allowed = true", "allowed = false", lambda tape: tape.shorting[0], True, False),
        ("borrow_rate = 0.08", "borrow_rate = 0.365", lambda tape: round(tape.borrow_rate[0], 6), 0.000219, 0.001),
        ("days = 5\n", "days = 9\n", lambda tape: tape.enterable[5, 0], True, False),
        ("tick = 0.01 ", "tick = 5.0 ", lambda tape: tape.at_upper.any(), False, True),
        ("day_count = 365", "day_count = 73", lambda tape: round(tape.borrow_rate[0], 6), 0.000219, 0.001096),
    ],
)  # fmt: skip
def test_a_changed_file_changes_the_tape(
    old: str, new: str, read: Callable[[Tape], object], before: object, after: object, tmp_path: Path
) -> None:
    days = weekdays(date(2021, 3, 1), 8)
    data = dataset(quiet(days, change=0.06), [{"asset": "600000.SH", "list_date": days[0]}])
    settings = PortfolioSettings(commission_bps=0.0, slippage_bps=0.0)
    text = CN_FILE.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    tape, facts = tape_of(data, settings=settings)
    other, changed = tape_of(data, MarketRules.load(tmp_path / "mine.toml"), settings)
    assert (read(tape), read(other)) == (before, after)
    assert facts.digest == CN.digest() != changed.digest


def test_the_tolerance_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        CN_FILE.read_text(encoding="utf-8").replace("tolerance = 0.002", "tolerance = 0.01"), encoding="utf-8"
    )
    data = dataset([{"date": date(2021, 3, 1), "asset": "600000.SH", "ret": 0.095}])
    assert not tape_of(data)[0].at_upper.any()
    assert tape_of(data, MarketRules.load(tmp_path / "mine.toml"))[0].at_upper.all()


# ---------------------------------------------------------------- settings and what is missing


def test_the_window_of_liquidity_is_a_setting() -> None:
    days = weekdays(date(2021, 3, 1), 6)
    data = dataset([{**row, "amount": float(10**t)} for t, row in enumerate(quiet(days))])
    two = tape_of(data, settings=PortfolioSettings(kind="long_only", liquidity_sessions=2))[0].liquidity
    three = tape_of(data, settings=PortfolioSettings(kind="long_only", liquidity_sessions=3))[0].liquidity
    assert two is not None
    assert three is not None
    assert two[:, 0].tolist()[1:] == [1.0, 5.5, 55.0, 550.0, 5500.0]
    assert three[:, 0].tolist()[1:] == [1.0, 5.5, 37.0, 370.0, 3700.0]
    assert np.isnan(two[0, 0])


def test_what_is_missing_is_said() -> None:
    data = dataset(quiet(weekdays(date(2021, 3, 1), 3)))
    tape, facts = tape_of(data, settings=PortfolioSettings(kind="long_only"))
    assert tape.liquidity is None
    assert tape.volatility is None
    assert [note.split(":")[0] for note in facts.notes] == [
        "there is no status table",
        "bars have no amount",
        "1 of 1 stocks have no list_date",
        "no stock has a delist_date",
    ]
    assert facts.notes[-1].endswith("are written off after 250 sessions, at a return of 0% on their last value")
    kept = tape_of(data, settings=PortfolioSettings(kind="long_only", write_off_sessions=None))[1]
    assert kept.notes[-1].endswith("holdings that stop trading keep their last value")
    foreign = tape_of(data, US)[1]
    assert not any("status" in note or "no list_date" in note for note in foreign.notes)
    assert "return of -30% on" in " ".join(foreign.notes)


def test_facts_go_into_a_manifest() -> None:
    _, facts = tape_of(random_market(5, date(2020, 6, 29)))
    told = facts.to_dict()
    assert told["rules"] == "cn"
    assert told["digest"] == CN.digest()
    assert told["boards"] == BOARDS
    assert told["notes"] == list(facts.notes)
    assert {"given", "computed", "inferred", "unlimited", "unknown", "approximate", "at_upper", "at_lower"} < set(told)


def test_data_and_market_belong_together() -> None:
    days = weekdays(date(2021, 3, 1), 4)
    data, part = dataset(quiet(days)), dataset(quiet(days[:3]))
    with pytest.raises(TableError, match=r"1 rows of bars lie outside the sessions and stocks of the market: make it with load_market"):
        load_tape(data, load_market(part), CN, FREE)
    with pytest.raises(TableError, match=r"a dict is not a dataset"):
        load_tape({}, load_market(part), CN, FREE)
