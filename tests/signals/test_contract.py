"""What the columns mean, on markets small enough to compute by hand, and what is refused."""

import math
import re
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.signals import SignalSettings, product_momentum
from tests.signals import naive
from tests.signals.markets import Tables, market

START = date(2022, 1, 3)
TOY: dict[str, Any] = {"level": 1, "min_peers": 2, "window_sessions": 4, "min_valid_sessions": 3, "min_listed_sessions": 1}


def toy(returns: dict[str, list[float | None]], caps: dict[str, float], products: dict[str, dict[str, float]]) -> Tables:
    """Bars from 3 January 2022, every calendar day; a return of None is a day without a row. Filings of 2020, long public."""
    bars = [
        {"date": START + timedelta(days=t), "asset": name, "ret": ret, "total_cap": caps.get(name, 100.0)}
        for name, series in returns.items()
        for t, ret in enumerate(series)
        if ret is not None
    ]
    filed = {"period_end": date(2020, 12, 31), "publish_date": date(2021, 4, 30)}
    segments = [
        {"asset": name, "product": product, "revenue": amount, **filed} for name, mix in products.items() for product, amount in mix.items()
    ]
    nodes = sorted({product for mix in products.values() for product in mix} - {"unmapped"})
    return {
        "bars": pl.DataFrame(bars),
        "segments": pl.DataFrame(segments),
        "taxonomy": pl.DataFrame({"product": nodes, "parent": [None] * len(nodes)}, schema={"product": pl.String, "parent": pl.String}),
    }


def scores(tables: Tables, **settings: Any) -> pl.DataFrame:
    return product_momentum(Dataset.from_frames(tables), **{**TOY, **settings})


def value(made: pl.DataFrame, asset: str, column: str, session: int = -1) -> Any:
    days = made["date"].unique().sort()
    return made.filter(pl.col("asset") == asset, pl.col("date") == days[session])[column].item()


THREE: Tables = toy(
    {"A": [0.0] * 4 + [0.01], "B": [0.0] * 4 + [0.02], "C": [0.0] * 4 + [0.04]},
    {"A": 100.0, "B": 200.0, "C": 300.0},
    {name: {"P": 1.0} for name in "ABC"},
)


def test_leave_one_out_by_hand() -> None:
    made = scores(THREE)
    assert value(made, "A", "implied") == pytest.approx((200 * 0.02 + 300 * 0.04) / 500, rel=1e-15)  # exact to the last digits
    assert value(made, "B", "implied") == pytest.approx((100 * 0.01 + 300 * 0.04) / 400, rel=1e-15)
    assert value(made, "C", "implied") == pytest.approx((100 * 0.01 + 200 * 0.02) / 300, rel=1e-15)
    assert made.filter(pl.col("date") == made["date"].max())["n_peers"].to_list() == [2, 2, 2]
    inside = scores(THREE, leave_one_out=False)
    assert value(inside, "A", "implied") == pytest.approx((100 * 0.01 + 200 * 0.02 + 300 * 0.04) / 600, rel=1e-15)
    assert value(inside, "A", "n_peers") == 3


def test_minimum_of_peers_before_and_after_removal_by_hand() -> None:
    assert value(scores(THREE, min_peers=3), "A", "implied") is None
    assert value(scores(THREE, min_peers=3), "A", "covered_share") == 0.0
    assert value(scores(THREE, min_peers=3, min_peers_after_removal=False), "A", "implied") == pytest.approx(0.032, rel=1e-15)
    assert value(scores(THREE, min_peers=4, min_peers_after_removal=False), "A", "implied") is None
    assert value(scores(THREE, min_peers=3, leave_one_out=False), "A", "implied") is not None


def test_a_focal_outside_the_basket_removes_nothing() -> None:
    """D earns a third of its revenue from P: it is no pure play, so all three members are its peers."""
    tables = toy(
        {"A": [0.01] * 5, "B": [0.02] * 5, "C": [0.04] * 5, "D": [0.0] * 5},
        {"A": 100.0, "B": 200.0, "C": 300.0},
        {**{name: {"P": 1.0} for name in "ABC"}, "D": {"P": 1.0, "Q": 2.0}},
    )
    made = scores(tables, min_covered=0.3)
    assert value(made, "D", "n_peers") == 3
    assert value(made, "D", "implied") == pytest.approx((1 + 4 + 12) / 600, rel=1e-15)
    assert value(made, "D", "covered_share") == pytest.approx(1 / 3, rel=1e-15)
    assert value(scores(tables), "D", "implied") is None  # a third is less than half


def test_every_listing_of_the_issuer_leaves() -> None:
    tables = {**THREE, "assets": pl.DataFrame({"asset": ["A", "B", "C"], "issuer": ["one", "one", None]})}
    made = scores(tables, min_peers=1)
    assert value(made, "A", "implied") == value(made, "B", "implied") == 0.04
    assert value(made, "C", "n_peers") == 2
    assert value(scores(tables), "A", "implied") is None


def test_half_the_revenue_is_not_pure_and_is_enough_cover() -> None:
    """Above 0.5 strictly for a pure play, at least 0.5 for the covered share."""
    tables = toy(
        {name: [0.01] * 5 for name in "ABCDE"},
        {},
        {**{name: {"P": 1.0} for name in "ABC"}, "D": {"P": 5.0, "Q": 5.0}, "E": {"P": 51.0, "Q": 49.0}},
    )
    made = scores(tables)
    assert value(made, "A", "n_peers") == 3  # B, C and E
    assert value(made, "D", "covered_share") == 0.5
    assert value(made, "D", "implied") == pytest.approx(0.01, rel=1e-15)
    assert value(scores(tables, purity_inclusive=True), "A", "n_peers") == 4


@pytest.mark.parametrize(("lines", "purity", "inclusive", "pure"), [
    ((0.1, 0.7), 0.8, True, True),  # 0.1 + 0.7 is 0.7999999999999999 in doubles
    ((0.1, 0.2, 0.3), 0.6, False, False),  # 0.1 + 0.2 + 0.3 is 0.6000000000000001
])  # fmt: skip
def test_a_share_at_the_threshold_is_not_decided_by_rounding(lines: tuple[float, ...], purity: float, inclusive: bool, pure: bool) -> None:
    names = ("A", "B", "C", "D")
    tables = toy({name: [0.01] * 5 for name in names}, {}, {name: {"P": 1.0} for name in "ABC"})
    nodes = [("P", None), *[(f"P{k}", "P") for k in range(len(lines))]]
    tables["taxonomy"] = pl.DataFrame(nodes, schema={"product": pl.String, "parent": pl.String}, orient="row")
    filed = {"period_end": date(2020, 12, 31), "publish_date": date(2021, 4, 30)}
    rows = [{"asset": "D", "product": f"P{k}", "revenue": amount, **filed} for k, amount in enumerate(lines)]
    rest = {"asset": "D", "product": "unmapped", "revenue": round(1 - sum(lines), 3), **filed}
    tables["segments"] = pl.concat([tables["segments"], pl.DataFrame([*rows, rest]).select(tables["segments"].columns)])
    made = scores(tables, purity=purity, purity_inclusive=inclusive)
    assert value(made, "A", "n_peers") == 2 + pure


def test_peers_up_and_stock_flat_is_bullish() -> None:
    """Sign: implied - actual. F's peers rise and F does not; G's peers fall and G does not."""
    up, down = [0.02, 0.01, 0.03, 0.02, 0.01, 0.02], [-0.02, -0.01, -0.03, -0.02, -0.01, -0.02]
    noise = [0.001, -0.001, 0.002, -0.002, 0.001, -0.001]
    returns: dict[str, list[float | None]] = {f"U{k}": list(up) for k in range(3)} | {f"V{k}": list(down) for k in range(3)}
    returns |= {"F": list(noise), "G": list(noise)}
    mix = {name: {"P" if name[0] in "UF" else "Q": 1.0} for name in returns}
    made = scores(toy(returns, {}, mix))
    assert value(made, "F", "implied") == pytest.approx(0.02, rel=1e-14)
    assert value(made, "F", "biz_mom") == pytest.approx(sum(up[-4:]) - sum(noise[-4:]), rel=1e-12)
    assert value(made, "F", "biz_mom") > 0.05 > -0.05 > value(made, "G", "biz_mom")
    assert value(made, "F", "biz_mom_z") > 0 > value(made, "G", "biz_mom_z")
    assert value(made, "F", "composite") > value(made, "G", "composite")
    last = made.filter(pl.col("date") == made["date"].max())
    composed = 0.5 * last["biz_mom_z"] - 0.5 * last["biz_resvol_z"]
    assert (last["composite"] - composed).abs().max() == 0.0
    assert value(made, "F", "composite") > 0


def test_the_residual_volatility_of_four_points_by_hand() -> None:
    """implied 1, 2, 3, 4 %, own 1, 3, 2, 4 %: slope 0.8, residuals -.3, .9, -.9, .3 %, so sqrt(1.8 / 2) %."""
    x, y = [0.0, 0.01, 0.02, 0.03, 0.04], [0.0, 0.01, 0.03, 0.02, 0.04]
    tables = toy({"A": list(y), "B": list(x), "C": list(x)}, {}, {name: {"P": 1.0} for name in "ABC"})
    made = scores(tables)
    assert value(made, "A", "biz_resvol") == pytest.approx(math.sqrt(1.8 / 2) / 100, rel=1e-12)
    gaps = [0.0, 0.01, -0.01, 0.0]  # own - implied, ddof 1
    assert value(scores(tables, resvol="diff_sd"), "A", "biz_resvol") == pytest.approx(
        math.sqrt(sum(each**2 for each in gaps) / 3), rel=1e-12
    )


def test_winsorisation_by_hand() -> None:
    """Gaps of 1, 2, 3, 4 and 100 steps: median 3, MAD 1, so the last is clipped at 3 + 3 · 1.4826."""
    steps = (1.0, 2.0, 3.0, 4.0, 100.0)
    flat: list[float | None] = [0.0, 0.0, 0.0, 0.0, 0.0]
    returns: dict[str, list[float | None]] = {f"Z{k}": list(flat) for k in range(3)}
    returns |= {f"S{k}": [0.0, 0.0, 0.0, 0.0, -step / 1000] for k, step in enumerate(steps)}
    mix: dict[str, dict[str, float]] = {name: {"P": 1.0} for name in returns if name[0] == "Z"}
    mix |= {name: {"P": 1.0, "unmapped": 1.0} for name in returns if name[0] == "S"}  # half: covered, yet no pure play
    tables = toy(returns, {}, mix)
    made = scores(tables, min_peers=2)
    last = made.filter(pl.col("date") == made["date"].max()).sort("asset")
    raw = [each / 1000 for each in (0.0, 0.0, 0.0)] + [step / 1000 for step in steps]
    assert last.sort("biz_mom")["biz_mom"].to_list() == pytest.approx(sorted(raw), abs=1e-15)
    ordered = sorted(raw)
    middle = (ordered[3] + ordered[4]) / 2
    spread = sorted(abs(each - middle) for each in raw)
    reach = 3 * 1.4826 * (spread[3] + spread[4]) / 2
    clipped = [min(max(each, middle - reach), middle + reach) for each in raw]
    mean = sum(clipped) / 8
    sd = math.sqrt(sum((each - mean) ** 2 for each in clipped) / 8)
    assert value(made, "S4", "biz_mom_z") == pytest.approx((middle + reach - mean) / sd, rel=1e-12)
    plain = scores(tables, winsorise_mads=None)
    assert value(plain, "S4", "biz_mom_z") > value(made, "S4", "biz_mom_z")


def test_a_suspended_stock_has_no_row_and_no_gap_when_it_returns() -> None:
    returns: dict[str, list[float | None]] = {name: [0.01] * 8 for name in "ABC"}
    returns["D"] = [0.0, 0.0, 0.0, 0.0, None, 0.5, 0.0, 0.0]
    tables = toy(returns, {}, {name: {"P": 1.0} for name in "ABCD"})
    made = scores(tables)
    days = sorted(made["date"].unique())
    assert set(days) - set(made.filter(pl.col("asset") == "D")["date"]) == {days[4]}
    assert value(made, "D", "implied", 5) == pytest.approx(0.01, rel=1e-14)
    assert value(made, "D", "biz_mom", 5) is None  # two gaps: neither of the missing day nor of the first day back
    assert value(made, "A", "n_peers", 4) == value(made, "A", "n_peers", 5) == 2  # D is away, then on its first day back
    assert value(made, "A", "n_peers", 6) == 3
    volumes = tables["bars"].with_columns(volume=pl.lit(10.0))
    away = pl.DataFrame({"date": [days[4]], "asset": ["D"], "ret": [0.0], "total_cap": [100.0], "volume": [0.0]})
    marked = scores({**tables, "bars": pl.concat([volumes, away.select(volumes.columns)])})
    assert marked.equals(made, null_equal=True)


def test_a_stock_that_trades_without_a_return_keeps_its_implied_one() -> None:
    tables = toy({name: [0.01] * 6 for name in "ABCD"}, {}, {name: {"P": 1.0} for name in "ABCD"})
    days = tables["bars"]["date"].unique().sort()
    lost = (pl.col("asset") == "A") & (pl.col("date") == days[-1])
    tables["bars"] = tables["bars"].with_columns(volume=pl.lit(1.0), ret=pl.when(lost).then(None).otherwise("ret"))
    made = scores(tables)
    assert value(made, "A", "implied") == pytest.approx(0.01, rel=1e-14)
    assert value(made, "A", "covered_share") == 1.0
    assert value(made, "A", "n_peers") == 3
    assert value(made, "B", "n_peers") == 2  # without A, which has no return


def test_the_frozen_mix_is_that_of_the_last_session_alone() -> None:
    """P ends on the fifth day. From the sixth on no mix of the day has it, so a frozen window is empty, however old most of it is."""
    tables = toy({name: [0.01, 0.02] * 5 for name in "ABC"}, {}, {name: {"P": 1.0} for name in "ABC"})
    tables["taxonomy"] = tables["taxonomy"].with_columns(end_date=pl.lit(START + timedelta(days=4)))
    frozen, daily = scores(tables, frozen=True), scores(tables)
    assert value(frozen, "A", "biz_mom", 4) == value(daily, "A", "biz_mom", 4) is not None
    assert value(daily, "A", "biz_mom", 5) is not None  # three days of the window still had their own mix
    assert value(frozen, "A", "biz_mom", 5) is None
    agg = scores(tables, frozen=True, resvol="product_agg")
    assert value(agg, "A", "biz_resvol", 5) is None


def test_no_row_looks_ahead_and_rows_are_in_order() -> None:
    for seed in (1, 2):
        made = product_momentum(
            Dataset.from_frames(market(seed)), min_peers=2, min_listed_sessions=1, window_sessions=10, min_valid_sessions=5
        )
        assert made.filter(pl.col("eff_date") > pl.col("date")).is_empty()
        assert made.filter(pl.col("eff_date") != pl.col("publish_date") + pl.duration(days=30)).is_empty()
        assert made.filter(pl.col("period_end") > pl.col("publish_date")).is_empty()
        assert made.equals(made.sort("date", "asset"))
        assert not made.select("date", "asset").is_duplicated().any()
        assert not made.select(pl.col(pl.Float64).is_nan().any()).row(0).count(True)
        assert made.filter((pl.col("covered_share") > 1 + 1e-12) | (pl.col("covered_share") < 0)).is_empty()


def test_business_mix_preset() -> None:
    """S4: purity of at least 0.8, sd of own - implied, sixty sessions."""
    settings: dict[str, Any] = {
        "purity": 0.8,
        "purity_inclusive": True,
        "resvol": "diff_sd",
        "window_sessions": 60,
        "min_valid_sessions": 40,
        "min_peers": 2,
    }
    tables = market(31, stocks=18, sessions=75)
    made = product_momentum(Dataset.from_frames(tables), **settings)
    wanted = naive.product_momentum(tables, **settings)
    assert made.height == len(wanted)
    scored = made.filter(pl.col("biz_resvol").is_not_null())
    assert scored.height > 50
    for row in scored.iter_rows(named=True):
        other = wanted[row["date"], row["asset"]]
        assert row["biz_resvol"] == pytest.approx(other["biz_resvol"], rel=1e-10, abs=1e-10)  # two orders of adding 60 gaps
        assert row["biz_mom"] == pytest.approx(other["biz_mom"], rel=1e-10, abs=1e-10)


BAD: list[tuple[dict[str, Any], str, str]] = [  # settings, the rule named, the value named
    ({"construction": "T"}, "construction must be 'R' (raw returns) or 'S' (residuals)", "'T'"),
    ({"level": 0}, "level must be 'leaf' or a whole number of at least 1", "0"),
    ({"level": "deep"}, "level must be 'leaf' or a whole number of at least 1", "'deep'"),
    ({"level": 1.5}, "level must be 'leaf' or a whole number of at least 1", "1.5"),
    ({"products": "sectors"}, "products must be 'segments' or 'industries:SCHEME'", "'sectors'"),
    ({"products": "industries:none"}, "no industry scheme", "'none'"),
    ({"purity": 1.2}, "purity must be between 0 and 1", "1.2"),
    ({"purity": float("nan")}, "purity must be between 0 and 1", "nan"),
    ({"min_peers": 0}, "min_peers must be at least 1", "0"),
    ({"weighting": "price"}, "weighting must be one of cap, float_cap, equal, sqrt_cap", "'price'"),
    ({"min_covered": 0.0}, "min_covered must be above 0 and at most 1", "0.0"),
    ({"min_covered": 1.1}, "min_covered must be above 0 and at most 1", "1.1"),
    ({"fallback": ("sector",)}, "fallback must be made of parent, industry, synthetic", "sector"),
    ({"fallback": ("parent", "parent")}, "fallback must be without repeats", "parent"),
    ({"fallback": ("parent",), "products": "industries:l1"}, "fallback must be left at () where products are industries", "parent"),
    ({"level": 3, "products": "industries:l1"}, "level must be left at 2 where products are industries", "3"),
    ({"buffer_days": 0, "products": "industries:l1"}, "buffer_days must be left at 30 where products are industries", "0"),
    ({"stale_months": None, "products": "industries:l1"}, "stale_months must be left at 18 where products are industries", "None"),
    (
        {"half_year": "trailing_year", "products": "industries:l1"},
        "half_year must be left at 'as_filed' where products are industries",
        "year",
    ),
    ({"fallback": ("industry",), "fallback_scheme": "none"}, "no industry scheme", "'none'"),
    ({"half_year": "quarterly"}, "half_year must be 'as_filed' or 'trailing_year'", "'quarterly'"),
    ({"buffer_days": -1}, "buffer_days must be at least 0", "-1"),
    ({"stale_months": 0}, "stale_months must be at least 1 month, or None", "0"),
    ({"window_sessions": 10}, "min_valid_sessions must lie between 3 and window_sessions (10)", "15"),
    ({"min_valid_sessions": 2}, "min_valid_sessions must lie between 3 and window_sessions (20)", "2"),
    ({"momentum": "sum"}, "momentum must be 'gap' or 'level'", "'sum'"),
    ({"resvol": "garch"}, "resvol must be 'ols', 'diff_sd' or 'product_agg'", "'garch'"),
    ({"winsorise_mads": 0.0}, "winsorise_mads must be above 0, or None", "0.0"),
    ({"winsorise_mads": float("nan")}, "winsorise_mads must be above 0, or None", "nan"),
    ({"min_listed_sessions": 0}, "min_listed_sessions must be at least 1", "0"),
    ({"purity": 1.0}, "purity must be below 1 where purity_inclusive is off", "1.0"),
    ({"purity": True}, "purity must be between 0 and 1, a finite number", "True"),
    ({"purity": "half"}, "purity must be between 0 and 1, a finite number", "'half'"),
    ({"winsorise_mads": float("inf")}, "winsorise_mads must be above 0, or None for off, a finite number", "inf"),
    ({"min_peers": 2.0}, "min_peers must be at least 1, a whole number", "2.0"),
    ({"min_peers": True}, "min_peers must be at least 1, a whole number", "True"),
    ({"buffer_days": None}, "buffer_days must be at least 0, a whole number", "None"),
    ({"stale_months": 1.5}, "stale_months must be at least 1 month, or None for never, a whole number", "1.5"),
    ({"window_sessions": 20.0}, "window_sessions must be at least 3, a whole number", "20.0"),
    ({"level": True}, "level must be 'leaf' or a whole number of at least 1", "True"),
    ({"purity_inclusive": 1}, "purity_inclusive must be True or False", "1"),
    ({"min_peers_after_removal": None}, "min_peers_after_removal must be True or False", "None"),
    ({"leave_one_out": "no"}, "leave_one_out must be True or False", "'no'"),
    ({"frozen": 0}, "frozen must be True or False", "0"),
    ({"products": None}, "products must be a text", "None"),
    ({"products": "industries:"}, "products must be 'segments' or 'industries:SCHEME'", "'industries:'"),
    ({"fallback": "parent"}, "fallback must be a tuple of names", "'parent'"),
    ({"fallback": (1,)}, "fallback must be a tuple of names", "(1,)"),
    ({"fallback": ("parent",), "fallback_scheme": "l1"}, "fallback_scheme must be None where fallback has no 'industry'", "'l1'"),
    ({"fallback_scheme": "l1"}, "fallback_scheme must be None where fallback has no 'industry'", "'l1'"),
    ({"fallback_scheme": 1, "fallback": ("industry",)}, "fallback_scheme must be a text", "1"),
    ({"purity": 0.8, "products": "industries:l1"}, "purity must be left at 0.5 where products are industries", "0.8"),
    ({"purity_inclusive": True, "products": "industries:l1"}, "purity_inclusive must be left at False where products are", "True"),
    ({"min_covered": 0.2, "products": "industries:l1"}, "min_covered must be left at 0.5 where products are industries", "0.2"),
]
UNKNOWN_SCHEME = "no industry scheme"  # only the dataset knows


@pytest.mark.parametrize(("settings", "rule", "given"), BAD)
def test_a_bad_setting_is_refused_with_its_rule_and_value(settings: dict[str, Any], rule: str, given: str) -> None:
    with pytest.raises(SettingError, match=re.escape(rule)) as error:
        product_momentum(Dataset.from_frames(market(1)), **settings)
    assert given in str(error.value)


@pytest.mark.parametrize(("settings", "rule", "given"), [each for each in BAD if each[1] != UNKNOWN_SCHEME])
def test_a_bad_setting_is_refused_when_it_is_made(settings: dict[str, Any], rule: str, given: str) -> None:
    with pytest.raises(SettingError, match=re.escape(rule)) as error:
        SignalSettings(**settings)
    assert given in str(error.value)


def test_every_setting_can_be_refused() -> None:
    assert {name for settings, _, _ in BAD for name in settings} == SignalSettings().to_dict().keys()


def test_settings_at_the_edge_are_taken() -> None:
    assert SignalSettings(purity=1, purity_inclusive=True, buffer_days=0, stale_months=1).purity == 1
    assert SignalSettings(fallback=["industry"], fallback_scheme="l1").fallback == ("industry",)  # type: ignore[arg-type]


def test_one_date_is_not_enough() -> None:
    tables = market(1)
    tables["bars"] = tables["bars"].filter(pl.col("date") == tables["bars"]["date"].min())
    with pytest.raises(InsufficientDataError, match=r"1 sessions.*more than 15.*widen the data"):
        product_momentum(Dataset.from_frames(tables))


@pytest.mark.parametrize(
    ("absent", "settings", "message"),
    [
        ("segments", {}, "no segments"),
        ("industries", {"products": "industries:l1"}, "no table 'industries'"),
        ("industries", {"fallback": ("industry",)}, "no table 'industries'"),
        ("bars", {}, "bars"),
    ],
)
def test_an_absent_table_is_named(absent: str, settings: dict[str, Any], message: str) -> None:
    tables = {name: frame for name, frame in market(1).items() if name != absent}
    with pytest.raises(TableError, match=message):
        product_momentum(Dataset.from_frames(tables), **settings)


def test_float_caps_are_asked_for_by_name() -> None:
    tables = market(1)
    tables["bars"] = tables["bars"].drop("float_cap")
    with pytest.raises(TableError, match="float_cap"):
        product_momentum(Dataset.from_frames(tables), weighting="float_cap")
