"""An explanation adds up to the stored score."""

import math
from dataclasses import replace
from datetime import date, datetime
from functools import cache

import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.signals import SignalSettings, product_momentum
from pureplay.signals.explain import explain
from pureplay.synthetic import market

SETTINGS = [
    SignalSettings(),
    SignalSettings(level=1, weighting="sqrt_cap", min_covered=0.2),
    SignalSettings(fallback=("parent", "industry", "synthetic"), min_peers=6),
    SignalSettings(frozen=True),
    SignalSettings(momentum="level"),
    SignalSettings(leave_one_out=False),
    SignalSettings(products="industries:syn_l2"),
]
TOLERANCE = 1e-12  # the explanation sums the same numbers in another order


@cache
def data() -> Dataset:
    return Dataset.from_frames(market(stocks=150, sessions=160, seed=3).tables, calendar="XSHG")


@pytest.mark.parametrize("settings", SETTINGS, ids=[str(number) for number in range(len(SETTINGS))])
def test_contributions_and_gaps_sum_to_the_stored_score(settings: SignalSettings) -> None:
    scores = product_momentum(data(), **settings.to_dict())
    rows = scores.filter(pl.col("biz_mom").is_not_null() & pl.col("implied").is_not_null()).sample(8, seed=1)
    assert rows.height == 8
    for row in rows.iter_rows(named=True):
        found = explain(data(), row["asset"], row["date"], settings)
        for name in ("implied", "biz_mom", "biz_resvol", "composite", "covered_share"):
            if row[name] is not None:
                assert found.score[name] == pytest.approx(row[name], abs=TOLERANCE)
        assert found.products["contribution"].sum() == pytest.approx(row["implied"], abs=TOLERANCE)
        counted = found.gaps.filter("counts")
        assert counted["gap"].sum() == pytest.approx(row["biz_mom"], abs=TOLERANCE)
        assert counted.height >= settings.min_valid_sessions
        for (product,), basket in found.members.group_by("product"):
            stated = found.products.filter(pl.col("product") == product)
            assert (basket["weight"] * basket["ret"]).sum() == pytest.approx(stated["basket_return"].item(), abs=TOLERANCE)
            assert basket["weight"].sum() == pytest.approx(1.0, abs=TOLERANCE)
            assert basket.height == stated["n_peers"].item()
            assert (row["asset"] in basket["asset"].to_list()) <= (not settings.leave_one_out)
        assert found.filing["eff_date"] == str(row["eff_date"])
        assert found.filing["in use since"] <= str(row["date"])
        assert row["asset"] in str(found)


def test_explaining_needs_a_known_stock_on_a_trading_day_with_a_filing() -> None:
    scores = product_momentum(data())
    row = scores.filter(pl.col("implied").is_not_null()).row(-1, named=True)
    with pytest.raises(SettingError, match=r"999999\.SH.*has no bars up to"):
        explain(data(), "999999.SH", row["date"])
    with pytest.raises(SettingError, match="2025-10-01 is not a session"):
        explain(data(), row["asset"], date(2025, 10, 1))
    bars = data().frame("bars")
    busy = bars.group_by("asset").len().filter(pl.col("len") > 100)["asset"].sort()
    days = bars["date"].unique().sort()
    for asset in busy:
        missing = days.filter(~days.is_in(bars.filter(pl.col("asset") == asset)["date"].implode()))
        first = bars.filter(pl.col("asset") == asset)["date"].min()
        away = missing.filter(missing > first)
        if away.len():
            with pytest.raises(InsufficientDataError, match="does not trade"):
                explain(data(), asset, away[0])
            break
    else:
        pytest.fail("the market has no suspended stock")
    without = replace(data(), tables={**data().tables, "segments": data().frame("segments").filter(pl.col("asset") != row["asset"])})
    with pytest.raises(InsufficientDataError, match="no usable filing"):
        explain(without, row["asset"], row["date"])
    assert math.isfinite(explain(data(), row["asset"], row["date"]).score["implied"])


def test_a_frozen_score_is_explained_by_the_groups_in_force_on_its_own_day() -> None:
    tables = dict(data().tables)
    settings = SignalSettings(frozen=True)
    scores = product_momentum(data(), **settings.to_dict()).drop_nulls("biz_mom")
    day = scores["date"].unique().sort()[-3]
    days = data().frame("bars")["date"].unique().sort()
    ended = days[days.index_of(day) - 5]
    segments = data().frame("segments")
    roots = segments.select("product").unique().join(data().frame("taxonomy"), on="product")
    parents = dict(data().frame("taxonomy").select("product", "parent").iter_rows())
    second = sorted({_second_level(product, parents) for product in roots["product"]} - {None})[::2]
    tree = (
        data()
        .frame("taxonomy")
        .with_columns(end_date=pl.when(pl.col("product").is_in(second)).then(pl.lit(ended)).otherwise(pl.col("end_date")))
    )
    dated = Dataset.from_frames({**tables, "taxonomy": tree}, calendar="XSHG")
    rows = product_momentum(dated, **settings.to_dict()).filter((pl.col("date") == day) & pl.col("biz_mom").is_not_null())
    assert rows.height > 5
    for row in rows.head(12).iter_rows(named=True):
        found = explain(dated, row["asset"], day, settings)
        assert found.gaps.filter("counts")["gap"].sum() == pytest.approx(row["biz_mom"], abs=TOLERANCE)


def _second_level(product: str, parents: dict[str, str | None]) -> str | None:
    path = [product]
    while parents[path[-1]] is not None:
        path.append(str(parents[path[-1]]))
    return path[-2] if len(path) > 1 else None


@pytest.mark.parametrize(("asset", "day"), [("600519.SH", "2025-06-30"), (5, date(2025, 6, 30)), ("600519.SH", datetime(2025, 6, 30, 9))])
def test_explaining_takes_a_code_and_a_date(asset: object, day: object) -> None:
    with pytest.raises(SettingError, match="explain takes a code and a date"):
        explain(data(), asset, day)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, {}, "folder"])
def test_what_is_no_dataset_is_told_so(given: object) -> None:
    with pytest.raises(TableError, match=r"is not a dataset: make one with Dataset\.from_frames"):
        product_momentum(given)  # type: ignore[arg-type]
    with pytest.raises(TableError, match="there is no table: give at least bars"):
        Dataset.from_frames({})
