"""Fundamental factors cell by cell against a filter of the raw rows in plain Python; time travel; what every setting changes."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.factors import fundamentals
from pureplay.factors.fundamentals import MIN_GROUP_NAMES, Fundamentals, fundamental_factors, group_median
from pureplay.market import Market, load_market
from pureplay.panel import FloatArray, IndexArray
from tests.factors.firms import firms
from tests.factors.naive import Known, by_asset, dividend_yield, factors

KEYS = ["btop", "cetop", "etop", "divyld", "egro", "sgro", "mlev", "dtoa", "blev", "roe_ttm", "gpa_ttm", "d_at_yoy", "asset_growth"]
TOLERANCE = 1e-9  # polyfit takes another route to the slope; all else is the same arithmetic up to its order


def made(tables: dict[str, pl.DataFrame], **settings: Any) -> tuple[Dataset, Market, Fundamentals]:
    data = Dataset.from_frames(tables)
    market = load_market(data)
    return data, market, fundamental_factors(data, market, **settings)


def sessions(market: Market) -> list[date]:
    return [day.item() for day in market.axes.sessions.dates]


def groups_of(market: Market) -> IndexArray:
    """Two groups and none, some stocks moving between them halfway."""
    time, stocks = market.axes.shape
    out = np.tile(np.where(np.arange(stocks) % 7 == 6, -1, np.arange(stocks) % 2), (time, 1)).astype(np.int32)
    out[time // 2 :, 2] = 1
    return out


def assert_near(fast: float, slow: float, label: str) -> None:
    assert np.isnan(fast) == np.isnan(slow), label
    assert np.isnan(slow) or abs(fast - slow) <= TOLERANCE * max(1, abs(slow)), label


# ---------------------------------------------------------------- against the raw rows


@pytest.mark.parametrize(
    ("seed", "settings"),
    [
        (1, {}),
        (2, {}),
        (3, {"buffer_days": 30}),
        (4, {"stale_months": None, "min_years": 2}),
        (5, {"stale_months": 12, "min_years": 4}),
        (6, {"stale_months": 10, "buffer_days": 7}),
    ],
)
def test_every_factor_equals_a_filter_of_the_raw_rows(seed: int, settings: dict[str, Any]) -> None:
    data, market, result = made(firms(seed), **settings)
    assert list(result.raw) == KEYS
    raw = {name: result.raw[name] for name in KEYS}
    rows, days = by_asset(data.frame("statements")), sessions(market)
    bars = {(row["date"], row["asset"]): row for row in data.frame("bars").to_dicts()}
    rng = np.random.default_rng(seed)
    seen = dict.fromkeys(KEYS, 0)
    for t in np.sort(rng.choice(len(days), 60, replace=False)):
        for a, asset in enumerate(market.axes.assets):
            if not market.traded[t, a]:
                assert all(np.isnan(raw[name][t, a]) for name in KEYS)
                continue
            known = Known(rows[asset], days[t], **settings)
            expected = factors(known, market.caps[t, a])
            close = bars[days[t], asset]["close"]
            expected["divyld"] = dividend_yield(data.frame("dividends"), asset, days[t], close, market.caps[t, a], known.balance("shares"))
            for name in KEYS:
                assert_near(raw[name][t, a], expected[name], f"{name} of {asset} on {days[t]}")
                seen[name] += np.isfinite(expected[name])
    assert min(seen.values()) > 20, seen


def test_without_closes_the_price_is_cap_over_shares() -> None:
    data, market, result = made(firms(7, close=False))
    raw, days, rows = result.raw["divyld"], sessions(market), by_asset(data.frame("statements"))
    for t in range(0, len(days), 9):
        for a, asset in enumerate(market.axes.assets):
            if market.traded[t, a]:
                shares = Known(rows[asset], days[t]).balance("shares")
                assert_near(raw[t, a], dividend_yield(data.frame("dividends"), asset, days[t], None, market.caps[t, a], shares), asset)
    assert np.isfinite(raw).any()


def test_financials_take_the_median_of_their_group() -> None:
    tables = firms(8, stocks=16)
    data, market, plain = made(tables)
    groups = groups_of(market)
    result = fundamental_factors(data, market, groups=groups)
    own, filled, mask = plain.raw["gpa_ttm"], result.raw["gpa_ttm"], result.substituted["gpa_ttm"]
    assert not plain.substituted["gpa_ttm"].any()
    rows, days = by_asset(data.frame("statements")), sessions(market)
    for t in range(0, len(days), 7):
        for a, asset in enumerate(market.axes.assets):
            known = Known(rows[asset], days[t])
            lacks = np.isfinite(known.ttm("revenue")) and known.balance("total_assets") > 0 and np.isnan(known.ttm("cost_of_sales"))
            peers = [x for j, x in enumerate(own[t]) if groups[t, a] >= 0 and groups[t, j] == groups[t, a] and np.isfinite(x)]
            assert mask[t, a] == (market.traded[t, a] and lacks and len(peers) >= MIN_GROUP_NAMES)
            np.testing.assert_equal(filled[t, a], np.median(peers) if mask[t, a] else own[t, a])
    assert mask.any()
    assert (market.traded & ~mask & np.isnan(filled)).any()


def test_a_group_of_two_does_not_answer_and_nor_does_none() -> None:
    values = np.array([[1.0, 2.0, np.nan, 5.0, 7.0, 9.0, np.nan, np.nan]])
    groups = np.array([[0, 0, 0, 1, 1, 1, 1, -1]], dtype=np.int32)
    out, done = group_median(values, np.isnan(values), groups)
    np.testing.assert_equal(out, [[1, 2, np.nan, 5, 7, 9, 7, np.nan]])
    assert done.tolist() == [[False, False, False, False, False, False, True, False]]
    untouched, _ = group_median(values, np.zeros(values.shape, dtype=bool), groups)
    np.testing.assert_equal(untouched, values)


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("settings", [{}, {"buffer_days": 20, "stale_months": None}])
def test_nothing_published_later_changes_a_bit(settings: dict[str, Any]) -> None:
    data, market, whole = made(firms(9), **settings)
    groups = groups_of(market)
    whole = fundamental_factors(data, market, groups=groups, **settings)
    for t in (0, 3, 40, 90, 150):
        day = sessions(market)[t]
        tables = {name: data.frame(name) for name in ("bars", "statements", "dividends")}
        tables["statements"] = tables["statements"].filter(pl.col("publish_date") <= day)
        tables["dividends"] = tables["dividends"].filter(pl.col("ex_date") <= day)
        cut = fundamental_factors(Dataset(tables=tables), market, groups=groups, **settings)
        past = data.as_of(day)
        then = fundamental_factors(past, load_market(past), **settings)
        here = [market.axes.assets.index(asset) for asset in load_market(past).axes.assets]
        for name in KEYS:
            assert cut.raw[name][: t + 1].tobytes() == whole.raw[name][: t + 1].tobytes(), name
            if name != "gpa_ttm":
                np.testing.assert_array_equal(then.raw[name], whole.raw[name][: t + 1][:, here], name)
        assert (cut.substituted["gpa_ttm"] == whole.substituted["gpa_ttm"])[: t + 1].all()


def test_a_day_is_known_from_its_own_close() -> None:
    tables = firms(10, stocks=3)
    days = sorted(tables["bars"]["date"].unique())
    row = {"asset": "S002", "period_end": date(2017, 3, 31), "item": "book_equity", "revision": 0, "value": 5e7}
    for buffer, first in ((0, 50), (1, 51)):
        tables["statements"] = pl.DataFrame([{**row, "publish_date": days[50]}])
        _, market, result = made(tables, buffer_days=buffer)
        finite = np.isfinite(result.raw["btop"][:, 2])
        assert (finite == (market.traded[:, 2] & (np.arange(len(days)) >= first) & (np.array(days) <= date(2018, 9, 30)))).all()


@pytest.mark.parametrize("workers", ["1", "2", "3"])
def test_the_number_of_workers_changes_no_bit(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, market, one = made(firms(11, stocks=6))
    expected = {name: block.tobytes() for name, block in one.raw.items()}
    monkeypatch.setenv("PUREPLAY_WORKERS", workers)
    again = fundamental_factors(data, market)
    assert {name: block.tobytes() for name, block in again.raw.items()} == expected


def test_a_stock_is_the_same_alone_and_among_others() -> None:
    tables = firms(17, stocks=40, sessions=60)  # enough that one block of work holds several stocks
    data, market, result = made(tables)
    for asset in ("S003", "S004", "S017", "S039"):
        own = data.frame("statements").filter(pl.col("asset") == asset)
        alone = fundamental_factors(Dataset(tables={**data.tables, "statements": own}), market)
        a = market.axes.assets.index(asset)
        for name in set(KEYS) - {"divyld"}:
            np.testing.assert_array_equal(alone.raw[name][:, a], result.raw[name][:, a], name)
            assert np.isnan(np.delete(alone.raw[name], a, axis=1)).all()


# ---------------------------------------------------------------- settings and bad input


def differs(a: FloatArray, b: FloatArray) -> bool:
    return not np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize(
    ("settings", "touched"),
    [
        ({"buffer_days": 60}, set(KEYS) - {"divyld"}),
        ({"stale_months": 4}, set(KEYS) - {"divyld"}),
        ({"stale_months": None}, {"btop", "etop", "dtoa"}),
        ({"min_years": 5}, {"egro", "sgro"}),
    ],
)
def test_every_setting_matters(settings: dict[str, Any], touched: set[str]) -> None:
    data, market, plain = made(firms(12))
    other = fundamental_factors(data, market, **settings)
    changed = {name for name in KEYS if differs(plain.raw[name], other.raw[name])}
    assert touched <= changed
    if "min_years" in settings:
        assert changed == touched


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"buffer_days": -1}, "buffer_days must be at least 0, not -1"),
        ({"stale_months": 0}, "stale_months must be at least 1 month, or None"),
        ({"min_years": 1}, "min_years must lie between 2 and 5, not 1"),
        ({"min_years": 6}, "min_years must lie between 2 and 5, not 6"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        made(firms(13, stocks=2), **settings)


def test_groups_of_another_shape_or_kind_are_refused() -> None:
    data, market, _ = made(firms(13, stocks=2))
    time, stocks = market.axes.shape
    with pytest.raises(SettingError, match=rf"shape \({time}, 2\), not int32 of shape \(2, 2\): use `label_block`"):
        fundamental_factors(data, market, groups=np.zeros((2, 2), dtype=np.int32))
    with pytest.raises(SettingError, match=r"whole numbers .* not float64"):
        fundamental_factors(data, market, groups=np.zeros((time, stocks)))  # type: ignore[arg-type]


def test_what_the_dataset_lacks_is_told() -> None:
    tables = firms(14, stocks=4)
    assert made(tables)[2].notes == ()
    bare = {**tables, "statements": tables["statements"].filter(pl.col("item") != "shares")}
    del bare["dividends"]
    _, _, result = made(bare)
    assert result.notes == (
        "statements have no shares: what is computed from it is unknown",
        "the dataset has no table dividends: divyld is unknown",
    )
    assert all(np.isnan(result.raw[name]).all() for name in ("divyld", "egro", "sgro"))
    with pytest.raises(TableError, match="no table 'statements'"):
        made({"bars": tables["bars"]})


def test_statements_before_their_period_end_never_reach_a_factor() -> None:
    tables = firms(15, stocks=5)
    early = tables["statements"].filter(pl.col("revision") == 0)
    nine = pl.lit(9, dtype=pl.Int64)
    early = early.with_columns(publish_date=pl.col("period_end") - timedelta(days=1), revision=nine, value=pl.lit(7.0))
    data, market, result = made({**tables, "statements": pl.concat([tables["statements"], early])})
    assert data.quarantine["statements"]["rule"].unique().to_list() == ["published_before_period_end"]
    plain = made(tables)[2]
    assert all(np.array_equal(result.raw[name], plain.raw[name], equal_nan=True) for name in KEYS)
    assert market.traded.any()


def test_blocks_are_made_anew() -> None:
    _, _, result = made(firms(16, stocks=3))
    first = result.raw["btop"]
    first[:] = 0
    assert not np.array_equal(first, result.raw["btop"])
    assert len(result.raw) == 13


# ---------------------------------------------------------------- the formulas by hand


def arrays(*numbers: float) -> list[FloatArray]:
    return [np.array([number]) for number in numbers]


@pytest.mark.parametrize(
    ("formula", "given", "expected"),
    [
        ("over_cap", (-2.0, 4.0), -0.5),
        ("dividend_yield", (1.0, 20.0, 8.0, 2.0), 0.05),
        ("dividend_yield", (1.0, np.nan, 8.0, 2.0), 0.25),
        ("dividend_yield", (1.0, np.nan, 8.0, np.nan), np.nan),
        ("market_leverage", (4.0, 2.0), 1.5),
        ("debt_to_assets", (1.0, 4.0), 0.25),
        ("debt_to_assets", (1.0, 0.0), np.nan),
        ("book_leverage", (4.0, 2.0), 1.5),
        ("book_leverage", (0.0, 2.0), np.nan),
        ("book_leverage", (-4.0, 2.0), np.nan),
        ("return_on_equity", (-1.0, 3.0, 1.0), -0.5),
        ("return_on_equity", (1.0, 1.0, -1.0), np.nan),
        ("gross_profitability", (1.0, 0.0), np.nan),
        ("turnover_change", (1.5, 1.0), 0.5),
        ("asset_growth", (3.0, 2.0), 0.5),
        ("asset_growth", (3.0, 0.0), np.nan),
        ("asset_growth", (0.0, 2.0), -1.0),
    ],
)
def test_formulas(formula: str, given: tuple[float, ...], expected: float) -> None:
    np.testing.assert_equal(getattr(fundamentals, formula)(*arrays(*given))[0], expected)
