"""Market rules: every packaged row against hand-written values, on its first and last day, and every way to get a file wrong."""

import shutil
import tomllib
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pureplay.errors import SettingError
from pureplay.evaluate.portfolio.rules import MarketRules, Rule
from pureplay.evaluate.portfolio.ruletables import SECTIONS

DAY = timedelta(days=1)
CN, US = MarketRules.load("cn"), MarketRules.load("us")

# (board, kind, up and down, first day, last day); last day None = still holds
PRICE_LIMITS = [
    ("main", "normal", 0.10, "1996-12-16", None),
    ("main", "ST", 0.05, "1998-04-22", None),
    ("star", "normal", 0.20, "2019-07-22", None),
    ("star", "ST", 0.20, "2019-07-22", None),
    ("chinext", "normal", 0.10, "2009-10-30", "2020-08-23"),
    ("chinext", "normal", 0.20, "2020-08-24", None),
    ("chinext", "ST", 0.20, "2020-08-24", None),
    ("beijing", "normal", 0.30, "2021-11-15", None),
    ("beijing", "ST", 0.30, "2021-11-15", None),
]
# (board, first session, last session, up, down, first day of listing, last day of listing)
FIRST_DAYS = [
    ("main", 1, 1, None, None, "1996-12-16", "2013-12-31"),
    ("main", 1, 1, 0.44, 0.36, "2014-01-01", "2023-04-09"),
    ("main", 1, 5, None, None, "2023-04-10", None),
    ("star", 1, 5, None, None, "2019-07-22", None),
    ("chinext", 1, 1, None, None, "2009-10-30", "2013-12-31"),
    ("chinext", 1, 1, 0.44, 0.36, "2014-01-01", "2020-08-23"),
    ("chinext", 1, 5, None, None, "2020-08-24", None),
    ("beijing", 1, 1, None, None, "2021-11-15", None),
]
CN_FEES = [
    ("stamp_duty", "sell", 0.001, "2008-09-19", "2023-08-27"),
    ("stamp_duty", "sell", 0.0005, "2023-08-28", None),
    ("transfer", "both", 0.00002, "2015-08-01", "2022-04-28"),
    ("transfer", "both", 0.00001, "2022-04-29", None),
    ("handling", "both", 0.0000487, "2015-08-01", "2023-08-27"),
    ("handling", "both", 0.0000341, "2023-08-28", None),
    ("regulatory", "both", 0.00002, "2015-08-01", None),
]
US_FEES = [
    ("section_31", "sell", 22.1e-6, "2014-03-18", "2015-02-13"),
    ("section_31", "sell", 18.4e-6, "2015-02-14", "2016-02-15"),
    ("section_31", "sell", 21.8e-6, "2016-02-16", "2017-07-03"),
    ("section_31", "sell", 23.1e-6, "2017-07-04", "2018-05-21"),
    ("section_31", "sell", 13.0e-6, "2018-05-22", "2019-04-15"),
    ("section_31", "sell", 20.7e-6, "2019-04-16", "2020-02-17"),
    ("section_31", "sell", 22.1e-6, "2020-02-18", "2021-02-24"),
    ("section_31", "sell", 5.1e-6, "2021-02-25", "2022-05-13"),
    ("section_31", "sell", 22.9e-6, "2022-05-14", "2023-02-26"),
    ("section_31", "sell", 8.0e-6, "2023-02-27", "2024-05-21"),
    ("section_31", "sell", 27.8e-6, "2024-05-22", "2025-05-13"),
    ("section_31", "sell", 0.0, "2025-05-14", "2026-04-03"),
    ("section_31", "sell", 20.6e-6, "2026-04-04", None),
]
PACKAGED = [
    pytest.param(rule, id=f"{rules.name}-{section}-{number}")
    for rules in (CN, US)
    for section in SECTIONS
    for number, rule in enumerate(rules.rows(section), start=1)
    if rule.start is not None
]


def span(rule: Rule) -> tuple[str | None, str | None]:
    return tuple(None if day is None else day.isoformat() for day in (rule.start, rule.end))  # type: ignore[return-value]


def on(day: date) -> np.ndarray:
    return np.array([day], dtype="datetime64[D]")


# ---------------------------------------------------------------- what is packaged


def test_price_limits_are_those_of_the_method() -> None:
    rows = [(*(rule.values[name] for name in ("board", "kind", "up")), *span(rule)) for rule in CN.rows("price_limit")]
    assert rows == PRICE_LIMITS
    assert all(rule.values["down"] == rule.values["up"] for rule in CN.rows("price_limit"))
    assert US.rows("price_limit") == ()


def test_first_days_are_those_of_the_method() -> None:
    names = ("board", "first_session", "last_session", "up", "down")
    assert [(*(rule.values[name] for name in names), *span(rule)) for rule in CN.rows("first_days")] == FIRST_DAYS
    assert US.rows("first_days") == ()


@pytest.mark.parametrize(("rules", "expected"), [(CN, CN_FEES), (US, US_FEES)], ids=["cn", "us"])
def test_fees_are_those_of_the_notices(rules: MarketRules, expected: list[tuple[str, str, float, str, str | None]]) -> None:
    rows = [(*(rule.values[name] for name in ("name", "side", "rate")), *span(rule)) for rule in rules.rows("fee")]
    assert [row[:2] + row[3:] for row in rows] == [row[:2] + row[3:] for row in expected]
    assert [row[2] for row in rows] == pytest.approx([row[2] for row in expected], rel=1e-12)  # 20.7e-6 and 0.0000207 may differ by a bit


def test_the_rest_of_the_packaged_rules() -> None:
    assert [(rule.values["allowed"], rule.values["borrow_rate"], *span(rule)) for rule in CN.rows("shorting")] == [
        (True, 0.08, "2010-03-31", "2024-07-10"),
        (False, 0.08, "2024-07-11", None),
    ]
    assert [(rule.values["sessions"], *span(rule)) for rule in CN.rows("settlement")] == [(1, "1995-01-01", None)]
    assert [(rule.values["kind"], rule.values["days"], *span(rule)) for rule in CN.rows("no_entry")] == [
        ("ST", None, "1998-04-22", None),
        ("delisting", None, "2001-12-31", None),
        ("first_days", 5, "1990-12-19", None),
    ]
    assert (CN.tick, CN.tolerance, CN.day_count, CN.currency, CN.payout, CN.write_off_return) == (0.01, 0.002, 365, "CNY", 0.0, 0.0)
    assert [(rule.values["allowed"], rule.values["borrow_rate"]) for rule in US.rows("shorting")] == [(True, 0.003)]
    assert [rule.values["sessions"] for rule in US.rows("settlement")] == [0]
    assert US.rows("no_entry") == ()
    assert (US.day_count, US.currency, US.payout, US.write_off_return) == (360, "USD", -0.3, -0.3)


@pytest.mark.parametrize("rule", PACKAGED)
def test_a_row_holds_from_its_first_to_its_last_day(rule: Rule) -> None:
    assert rule.start is not None
    assert rule.holds(on(rule.start)).all()
    assert not rule.holds(on(rule.start - DAY)).any()
    if rule.end is not None:
        assert rule.holds(on(rule.end)).all()
        assert not rule.holds(on(rule.end + DAY)).any()
    else:
        assert rule.holds(on(date(2099, 12, 31))).all()
    assert not rule.holds(np.array(["NaT"], dtype="datetime64[D]")).any()


@pytest.mark.parametrize("rules", [CN, US], ids=["cn", "us"])
@pytest.mark.parametrize("section", SECTIONS)
def test_every_packaged_row_names_its_source(rules: MarketRules, section: str) -> None:
    assert all(len(rule.source) > 20 for rule in rules.rows(section))
    frame = rules.to_frame(section)
    assert frame.height == len(rules.rows(section))
    assert set(SECTIONS[section].columns) < set(frame.columns)
    assert ("from" in frame.columns) == SECTIONS[section].dated


def test_rows_not_read_in_the_law_say_so() -> None:
    for section in SECTIONS:
        bare = [rule for rule in CN.rows(section) if not rule.note and not rule.source.startswith("House rule")]
        assert not bare, section
    narrow = next(rule for rule in CN.rows("price_limit") if rule.values["kind"] == "ST")
    assert "0.10 from 2026-07-06, which could not be confirmed" in narrow.note


def test_a_frame_has_the_day_on_which_a_row_ends() -> None:
    stamps = CN.to_frame("fee").filter(pl.col("name") == "stamp_duty")
    assert stamps.select("rate", "from", "to").rows() == [
        (0.001, date(2008, 9, 19), date(2023, 8, 27)),
        (0.0005, date(2023, 8, 28), None),
    ]
    assert stamps.schema["to"] == pl.Date
    assert US.to_frame("price_limit").schema["up"] == pl.Float64


@pytest.mark.parametrize(
    ("day", "buy", "sell"),
    [
        ("2015-08-01", 0.00002 + 0.0000487 + 0.00002, 0.001 + 0.00002 + 0.0000487 + 0.00002),
        ("2022-04-28", 0.00002 + 0.0000487 + 0.00002, 0.001 + 0.00002 + 0.0000487 + 0.00002),
        ("2022-04-29", 0.00001 + 0.0000487 + 0.00002, 0.001 + 0.00001 + 0.0000487 + 0.00002),
        ("2023-08-27", 0.00001 + 0.0000487 + 0.00002, 0.001 + 0.00001 + 0.0000487 + 0.00002),
        ("2023-08-28", 0.00001 + 0.0000341 + 0.00002, 0.0005 + 0.00001 + 0.0000341 + 0.00002),
    ],
)
def test_rates_of_a_side_on_a_day(day: str, buy: float, sell: float) -> None:
    days = on(date.fromisoformat(day))
    assert CN.rates("buy", days)[0] == pytest.approx(buy, rel=1e-12)  # sums of the same decimals in another order
    assert CN.rates("sell", days)[0] == pytest.approx(sell, rel=1e-12)


def test_rules_travel_with_the_package() -> None:
    root = Path(__file__).parents[3]
    packages = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    folder = Path(__file__).parents[3] / "src/pureplay/evaluate/portfolio/markets"
    assert packages == ["src/pureplay"], "everything below the package goes into the wheel, tables too"
    assert sorted(path.name for path in folder.iterdir()) == ["cn.toml", "us.toml"]


# ---------------------------------------------------------------- a user's own file

META = """
[meta]
name = "mine"
currency = "EUR"
tick = 0.01
tolerance = 0.001
day_count = 365
"""
BOARD = """
[[board]]
name = "all"
pattern = '.*'
source = "one board"
"""
LIMIT = """
[[price_limit]]
board = "all"
kind = "normal"
up = 0.1
down = 0.1
from = 2020-01-01
source = "a law"
"""
FEE = """
[[fee]]
name = "duty"
side = "sell"
rate = 0.001
from = 2020-01-01
source = "a law"
"""
FIRST = """
[[first_days]]
board = "all"
first_session = 2
last_session = 4
from = 2020-01-01
source = "a law"
"""
ENTRY = """
[[no_entry]]
kind = "first_days"
days = 5
from = 2020-01-01
source = "house rule"
"""


def load(tmp_path: Path, text: str) -> MarketRules:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return MarketRules.load(path)


def test_a_copy_of_a_packaged_file_is_the_same_market(tmp_path: Path) -> None:
    packaged = Path(__file__).parents[3] / "src/pureplay/evaluate/portfolio/markets/cn.toml"
    copy = shutil.copy(packaged, tmp_path / "copy.toml")
    assert MarketRules.load(copy) == CN
    assert MarketRules.load(str(copy)).digest() == CN.digest()


def test_the_digest_is_of_what_the_file_says(tmp_path: Path) -> None:
    plain = load(tmp_path, META + BOARD + LIMIT + FEE).digest()
    swapped = LIMIT.replace('kind = "normal"\nup = 0.1', 'up = 0.1  # ten\nkind = "normal"')
    assert load(tmp_path, "# a comment\n" + META + FEE + BOARD + swapped).digest() == plain
    assert load(tmp_path, META + BOARD + LIMIT + FEE.replace("0.001", "0.002")).digest() != plain
    assert load(tmp_path, META + BOARD + LIMIT + FEE.replace("2020-01-01", "2020-01-02")).digest() != plain
    assert len(plain) == 64


def test_a_table_that_is_left_out_is_no_rule(tmp_path: Path) -> None:
    rules = load(tmp_path, META)
    assert all(rules.rows(section) == () for section in SECTIONS)
    assert (rules.payout, rules.write_off_return) == (0.0, 0.0)
    assert rules.rates("sell", on(date(2020, 1, 1))).tolist() == [0.0]
    rules.require_from("fee", date(1900, 1, 1))


def test_a_row_gives_way_to_the_next_of_its_kind(tmp_path: Path) -> None:
    later = FEE.replace("2020-01-01", "2022-06-01").replace("0.001", "0.003")
    for text in (META + FEE + later, META + later + FEE):  # the order of rows does not count
        rules = load(tmp_path, text)
        days = np.array(["2019-12-31", "2020-01-01", "2022-05-31", "2022-06-01"], dtype="datetime64[D]")
        assert rules.rates("sell", days).tolist() == [0.0, 0.001, 0.001, 0.003]
        assert rules.rates("buy", days).tolist() == [0.0] * 4
    closed = load(tmp_path, META + FEE.replace("source", "to = 2021-01-31\nsource") + later)
    days = np.array(["2021-01-31", "2021-02-01", "2022-06-01"], dtype="datetime64[D]")
    assert closed.rates("sell", days).tolist() == [0.001, 0.0, 0.003]


def test_fees_of_two_names_add_up(tmp_path: Path) -> None:
    rules = load(tmp_path, META + FEE + FEE.replace("duty", "levy").replace("sell", "both").replace("0.001", "0.0002"))
    assert rules.rates("sell", on(date(2021, 1, 1))) == pytest.approx([0.0012])
    assert rules.rates("buy", on(date(2021, 1, 1))).tolist() == [0.0002]


def test_first_days_about_other_sessions_stand_side_by_side(tmp_path: Path) -> None:
    other = FIRST.replace("first_session = 2", "first_session = 1").replace("last_session = 4", "last_session = 1")
    rules = load(tmp_path, META + BOARD + FIRST + other.replace("2020-01-01", "2021-01-01"))
    assert [rule.end for rule in rules.rows("first_days")] == [None, None]
    wider = FIRST.replace("first_session = 2", "first_session = 1").replace("2020-01-01", "2021-01-01")
    rules = load(tmp_path, META + BOARD + FIRST + wider)
    assert [rule.end for rule in rules.rows("first_days")] == [date(2020, 12, 31), None]


def test_whole_numbers_serve_as_decimals(tmp_path: Path) -> None:
    rules = load(tmp_path, META + BOARD + LIMIT.replace("down = 0.1", "down = 1"))
    assert rules.rows("price_limit")[0].values["down"] == 1.0
    assert isinstance(rules.rows("price_limit")[0].values["down"], float)


def test_rules_that_begin_after_the_data_are_named(tmp_path: Path) -> None:
    rules = load(tmp_path, META + FEE + FEE.replace("duty", "levy").replace("2020-01-01", "2021-05-03"))
    rules.require_from("fee", date(2021, 5, 3))
    said = r"market 'mine' for fee 'levy' begin on 2021-05-03, the data on 2021-05-02: give them a row with an earlier `from`"
    with pytest.raises(SettingError, match=said):
        rules.require_from("fee", date(2021, 5, 2))


# ---------------------------------------------------------------- what is refused

ALL = META + BOARD + LIMIT + FEE + FIRST + ENTRY
SHORT = '\n[[shorting]]\nallowed = true\nborrow_rate = 0.1\nfrom = 2020-01-01\nsource = "a law"\n'
BAD = {
    "no_date": (ALL.replace("rate = 0.001\nfrom = 2020-01-01", "rate = 0.001"), r"\[\[fee\]\] row 1 has no date: add from"),
    "text_date": (
        ALL.replace("rate = 0.001\nfrom = 2020-01-01", 'rate = 0.001\nfrom = "2020-01-01"'),
        r"row 1: from = '2020-01-01' is no date",
    ),
    "moment": (ALL.replace("rate = 0.001\nfrom = 2020-01-01", "rate = 0.001\nfrom = 2020-01-01T09:00:00"), r"from = datetime.* is no date"),
    "no_source": (
        ALL.replace('days = 5\nfrom = 2020-01-01\nsource = "house rule"', "days = 5\nfrom = 2020-01-01"),
        r"\[\[no_entry\]\] row 1 lacks 'source'",
    ),
    "empty_source": (ALL.replace('source = "house rule"', 'source = " "'), r"\[\[no_entry\]\] row 1: source is empty"),
    "to_before_from": (
        ALL.replace("rate = 0.001", "to = 2019-12-31\nrate = 0.001"),
        r"row 1 ends on 2019-12-31 \(to\), before it begins on 2020-01-01",
    ),
    "overlap": (
        META + FEE.replace("source", "to = 2020-03-01\nsource") + FEE.replace("2020-01-01", "2020-03-01"),
        r"\[\[fee\]\] rows 1 and 2 overlap: the one from 2020-01-01 still holds on 2020-03-01",
    ),
    "same_day": (META + FEE + FEE, r"\[\[fee\]\] rows 1 and 2 overlap"),
    "same_sessions": (
        META + BOARD + FIRST + FIRST.replace("first_session = 2", "first_session = 4"),
        r"\[\[first_days\]\] rows 1 and 2 overlap",
    ),
    "two_regimes": (META + SHORT + SHORT, r"\[\[shorting\]\] rows 1 and 2 overlap"),
    "unknown_key": (ALL.replace("rate = 0.001", "rat = 0.001"), r"row 1 has the unknown key 'rat' \(nearest: rate"),
    "unknown_table": (ALL + '\n[[fees]]\nname = "x"\n', r"unknown table 'fees' \(nearest: fee"),
    "unknown_meta": (ALL.replace("tick = 0.01", "tick = 0.01\nticks = 0.1"), r"\[meta\] has the unknown key 'ticks' \(nearest: tick"),
    "missing_number": (ALL.replace("rate = 0.001\n", ""), r"\[\[fee\]\] row 1 lacks 'rate': add it"),
    "percent": (ALL.replace("rate = 0.001", "rate = 1.0"), r"rate = 1\.0 lies outside 0 to 0\.5: write a decimal such as 0\.1 for 10 %"),
    "negative_rate": (ALL.replace("rate = 0.001", "rate = -0.001"), r"rate = -0\.001 lies outside"),
    "nan": (ALL.replace("rate = 0.001", "rate = nan"), r"rate = nan lies outside"),
    "infinite": (ALL.replace("up = 0.1", "up = inf"), r"up = inf lies outside"),
    "huge": (ALL.replace("up = 0.1", "up = 1" + "0" * 400), r"up = 10+ lies outside"),
    "zero_limit": (ALL.replace("up = 0.1", "up = 0.0"), r"up = 0\.0 lies outside"),
    "fine_limit": (ALL.replace("up = 0.1", "up = 0.12345678"), r"up = 0\.12345678 has more than six decimals: round it"),
    "text_number": (ALL.replace("rate = 0.001", 'rate = "0.001"'), r"rate = '0\.001' is of type str: write a number"),
    "flag_number": (ALL.replace("rate = 0.001", "rate = true"), r"rate = True is of type bool: write a number"),
    "part_session": (ALL.replace("last_session = 4", "last_session = 4.5"), r"last_session = 4\.5 is of type float: write a whole number"),
    "session_zero": (
        ALL.replace("first_session = 2", "first_session = 0"),
        r"first_session = 0 lies outside 1 to 10000: write a whole number",
    ),
    "sessions_swapped": (ALL.replace("first_session = 2", "first_session = 9"), r"last_session = 4 lies before first_session = 9"),
    "flag": (META + SHORT.replace("true", '"yes"'), r"allowed = 'yes' is of type str: write true or false"),
    "word": (ALL.replace('side = "sell"', 'side = "sale"'), r"side = 'sale' is unknown: write one of buy, sell, both"),
    "kind": (ALL.replace('kind = "normal"', 'kind = "st"'), r"kind = 'st' is unknown: write one of normal, ST"),
    "unknown_board": (
        ALL.replace('board = "all"\nkind', 'board = "al"\nkind'),
        r"\[\[price_limit\]\] row 1 is about board 'al', which no \[\[board\]\] names \(nearest: all\)",
    ),
    "no_board": (META + FIRST, r"\[\[first_days\]\] row 1 is about board 'all', which no \[\[board\]\] names \(there are: none\)"),
    "pattern": (ALL.replace("'.*'", "'60[0'"), r"\[\[board\]\] row 1: pattern = '60\[0' is no regular expression"),
    "days_missing": (ALL.replace("days = 5\n", ""), r"days = None with kind 'first_days'"),
    "days_elsewhere": (
        ALL.replace('kind = "first_days"', 'kind = "ST"'),
        r"days = 5 with kind 'ST': it goes with kind 'first_days', and only there",
    ),
    "no_meta": (FEE, r"lacks \[meta\] with name, currency, tick, tolerance and day_count"),
    "meta_rows": (ALL.replace("[meta]", "[[meta]]"), r"\[meta\] is written as list: write one table"),
    "table_not_rows": (META + FEE.replace("[[fee]]", "[fee]"), r"fee is no list of rows: write each row under \[\[fee\]\]"),
    "undated_delisting": (META + "[delisting]\npayout = 0.0\nwrite_off_return = 0.0\n", r"\[delisting\] lacks 'source'"),
    "lost_more_than_all": (
        META + '[delisting]\npayout = -1.5\nwrite_off_return = 0.0\nsource = "x"\n',
        r"payout = -1\.5 lies outside -1 to 10",
    ),
    "tick": (ALL.replace("tick = 0.01", "tick = 0"), r"\[meta\]: tick = 0 lies outside"),
    "no_toml": ("fee = [", r"mine\.toml is no TOML file"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_file_is_refused_with_place_and_remedy(case: str, tmp_path: Path) -> None:
    text, said = BAD[case]
    with pytest.raises(SettingError, match=said) as error:
        load(tmp_path, text)
    assert "mine.toml" in str(error.value)


def test_the_file_that_the_faults_are_put_into_is_sound(tmp_path: Path) -> None:
    rules = load(tmp_path, ALL + SHORT)
    assert {section for section in SECTIONS if rules.rows(section)} == set(SECTIONS) - {"settlement"}


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match=r"bytes\.toml is no TOML file"):
        MarketRules.load(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("uk", r"market rules 'uk' are neither one of cn, us nor the path of a \.toml file"),
        ("absent.toml", r"there is no file absent\.toml: give the path of market rules, or one of cn, us"),
        (None, r"market rules None are neither"),
    ],
)
def test_an_unknown_market_is_refused(name: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        MarketRules.load(name)


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(SettingError, match=r"'fees' is no table of market rules \(nearest: fee"):
        CN.rows("fees")
