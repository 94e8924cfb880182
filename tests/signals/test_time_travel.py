"""Nothing that was published, traded or effective later moves an earlier score by a single bit."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.signals import preset, product_momentum
from tests import industry_reform
from tests.signals.markets import Tables, exposures, market

SMALL: dict[str, Any] = {"min_peers": 2, "window_sessions": 10, "min_valid_sessions": 5, "min_listed_sessions": 15}
SETTINGS: dict[str, dict[str, Any]] = {
    "small": {},
    "no_buffer": {"buffer_days": 0},
    "leaf": {"level": "leaf", "fallback": ("parent",), "buffer_days": 0},
    "fallback": {"level": 3, "fallback": ("parent", "industry", "synthetic"), "buffer_days": 5},
    "frozen": {"frozen": True, "buffer_days": 0, "fallback": ("industry",)},
    "trailing_year": {"half_year": "trailing_year", "buffer_days": 0},
    "industries": {"products": "industries:l1", "resvol": "diff_sd"},
    "product_agg": {"resvol": "product_agg", "buffer_days": 0},
    "product_agg_frozen": {"resvol": "product_agg", "frozen": True, "stale_months": 6},
    "business_mix": {
        name: value
        for name, value in preset("business_mix").to_dict().items()
        if name in ("purity", "purity_inclusive", "resvol", "fallback")
    },
    "residual": {"construction": "S", "buffer_days": 0},
    "residual_fallback": {"construction": "S", "level": 3, "fallback": ("parent", "industry", "synthetic"), "resvol": "product_agg"},
}
SEEDS = (1, 2, 3)
DAYS_EACH = 6
KNOWN_WHEN = ("date", "publish_date", "start_date", "list_date")
LATER_ENDS = ("end_date", "delist_date")


@cache
def made(seed: int) -> tuple[Tables, Dataset]:
    tables = market(seed, stocks=16, sessions=48)
    return tables, Dataset.from_frames(tables)


@cache
def full(seed: int, name: str) -> pl.DataFrame:
    return scores_of(made(seed)[1], seed, name)


def scores_of(dataset: Dataset, seed: int, name: str, last: date = date.max) -> pl.DataFrame:
    """Scores under a case; construction S gets the exposures of dates up to `last`."""
    settings = {**SMALL, **SETTINGS[name]}
    if settings.get("construction") == "S":
        settings["exposures"] = exposures(made(seed)[0], seed).filter(pl.col("date") <= last)
    return product_momentum(dataset, **settings)


def random_days(seed: int, name: str) -> Iterator[date]:
    """Random days, sessions or not, late enough for a score to exist."""
    days = made(seed)[0]["bars"]["date"].unique().sort()
    rng = np.random.default_rng([seed, *name.encode()])
    for back in rng.integers(0, (days[-1] - days[12]).days, DAYS_EACH):
        yield days[-1] - timedelta(days=int(back))


def assert_bits(scores: pl.DataFrame, wanted: pl.DataFrame) -> None:
    """Same rows, same order, same bits: -0.0 is not 0.0 here."""
    assert scores.schema == wanted.schema
    for name in wanted.columns:
        one, other = scores[name], wanted[name]
        assert one.equals(other, null_equal=True), f"{name} differs"
        if one.dtype == pl.Float64:
            assert one.fill_null(0.0).to_numpy().tobytes() == other.fill_null(0.0).to_numpy().tobytes(), f"{name} differs in bits"


def truncated(tables: Tables, day: date) -> Tables:
    """METHODS §12, on the raw tables."""
    out = {}
    for name, frame in tables.items():
        for column in set(KNOWN_WHEN) & set(frame.columns):
            frame = frame.filter(pl.col(column).is_null() | (pl.col(column) <= day))
        ends = [pl.when(pl.col(column) <= day).then(column).alias(column) for column in LATER_ENDS if column in frame.columns]
        out[name] = frame.with_columns(ends)
    return out


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_known_on_a_day_gives_the_scores_of_that_day(seed: int, name: str) -> None:
    _, dataset = made(seed)
    for day in random_days(seed, name):
        past = scores_of(dataset.as_of(day), seed, name, day)
        assert_bits(past, full(seed, name).filter(pl.col("date") <= day))


@pytest.mark.parametrize("name", SETTINGS)
def test_raw_tables_cut_first_and_checked_afterwards_give_the_same(name: str) -> None:
    for seed in SEEDS[:2]:
        tables, _ = made(seed)
        for day in list(random_days(seed, name))[:2]:
            past = scores_of(Dataset.from_frames(truncated(tables, day)), seed, name, day)
            assert_bits(past, full(seed, name).filter(pl.col("date") <= day))


def test_the_travels_meet_what_could_leak() -> None:
    """Late publications, restatements, new nodes, new labels and ends lie after many of the days, and scores exist before."""
    days, restated, published = 0, 0, 0
    for seed in SEEDS:
        tables, _ = made(seed)
        last = tables["bars"]["date"].max()
        for name in SETTINGS:
            for day in random_days(seed, name):
                days += 1
                later = tables["segments"].filter(pl.col("publish_date") > day, pl.col("publish_date") <= last)
                published += later.height > 0
                restated += later.filter(pl.col("revision") > 0).height > 0
    assert days >= 150
    assert min(restated, published) >= 50
    assert all(full(seed, name)["composite"].is_not_null().sum() > 50 for seed in SEEDS for name in SETTINGS)


def test_a_scheme_that_grows_finer_later_changes_nothing_before() -> None:
    """Which industry scheme is the finest is decided by what was known when the data begin."""
    tables = dict(made(2)[0])
    day = tables["bars"]["date"].unique().sort()[30]
    new = pl.DataFrame(
        {"asset": [f"S{k:03d}" for k in range(16)], "scheme": "l1", "start_date": day, "code": [f"new-{k}" for k in range(16)]}
    )
    tables["industries"] = pl.concat([tables["industries"], new.select(tables["industries"].drop("end_date").columns)], how="diagonal")
    settings = {**SMALL, "fallback": ("industry",), "min_covered": 0.8}
    dataset = Dataset.from_frames(tables)
    before = day - timedelta(days=1)
    scores = product_momentum(dataset, **settings)
    assert_bits(product_momentum(dataset.as_of(before), **settings), scores.filter(pl.col("date") <= before))
    assert scores["share_industry"].max() > 0  # type: ignore[operator]


@pytest.mark.parametrize("seed", SEEDS)
def test_later_sessions_change_no_earlier_score(seed: int) -> None:
    """Bars alone cut off: the filings stay, the block of sessions ends elsewhere."""
    tables, _ = made(seed)
    days = tables["bars"]["date"].unique().sort()
    for last in (25, 31, 40):
        short = {**tables, "bars": tables["bars"].filter(pl.col("date") <= days[last])}
        assert_bits(product_momentum(Dataset.from_frames(short), **SMALL), full(seed, "small").filter(pl.col("date") <= days[last]))


@pytest.mark.parametrize("name", ["small", "fallback", "trailing_year", "industries", "frozen", "residual"])
def test_the_order_of_rows_does_not_matter(name: str) -> None:
    tables, _ = made(1)
    for seed in (0, 1):
        mixed = {each: frame.sample(fraction=1.0, shuffle=True, seed=seed) for each, frame in tables.items()}
        assert_bits(scores_of(Dataset.from_frames(mixed), 1, name), full(1, name))


def test_the_input_is_untouched() -> None:
    tables, _ = made(2)
    kept = {name: frame.clone() for name, frame in tables.items()}
    dataset = Dataset.from_frames(tables)
    inside = {name: dataset.frame(name).clone() for name in dataset.tables}
    print_before = dataset.fingerprint()
    for name in SETTINGS:
        scores_of(dataset, 2, name)
    for name, frame in kept.items():
        assert frame.equals(tables[name], null_equal=True)
        assert inside[name].equals(dataset.frame(name), null_equal=True)
    assert dataset.fingerprint() == print_before


@pytest.mark.parametrize("name", ["small", "leaf", "trailing_year", "frozen"])
def test_a_stock_without_filings_changes_nothing(name: str) -> None:
    """It has no products: no basket, no row, and no place among the z-scores."""
    tables, _ = made(3)
    twin = tables["bars"].filter(pl.col("asset") == "S002").with_columns(asset=pl.lit("S0000"), ret=pl.col("ret") * 3)
    more = {**tables, "bars": pl.concat([tables["bars"], twin])}
    assert_bits(product_momentum(Dataset.from_frames(more), **{**SMALL, **SETTINGS[name]}), full(3, name))


@pytest.mark.parametrize("settings", [{"fallback": ("industry",), "min_covered": 0.2}, {"products": "industries:l1"}], ids=str)
def test_before_the_first_industry_label_there_is_simply_none(settings: dict[str, Any]) -> None:
    tables, _ = made(1)
    days = tables["bars"]["date"].unique().sort()
    late = {**tables, "industries": tables["industries"].with_columns(start_date=pl.lit(days[36]), end_date=pl.lit(None, dtype=pl.Date))}
    late["industries"] = late["industries"].unique(["asset", "scheme"], keep="first", maintain_order=True)
    data = Dataset.from_frames(late)
    whole = product_momentum(data, **{**SMALL, **settings})
    for day in (days[30], days[35], days[40]):
        assert_bits(product_momentum(data.as_of(day), **{**SMALL, **settings}), whole.filter(pl.col("date") <= day))


def test_residuals_on_the_base_of_the_dataset_see_nothing_later() -> None:
    dataset = Dataset.from_frames(market(4, stocks=40, sessions=300))
    days = dataset.frame("bars")["date"].unique().sort()
    whole = product_momentum(dataset, construction="S", **SMALL)
    assert whole["composite"].is_not_null().sum() > 50
    for day in (days[285], days[292]):
        assert_bits(product_momentum(dataset.as_of(day), construction="S", **SMALL), whole.filter(pl.col("date") <= day))


def test_residuals_on_the_base_of_the_dataset_see_no_later_industry_code() -> None:
    dataset = Dataset.from_frames(industry_reform.tables())
    whole = product_momentum(dataset, construction="S", **SMALL)
    before = industry_reform.REFORM - timedelta(days=1)
    past = whole.filter(pl.col("date") <= before)
    assert past["composite"].is_not_null().sum() > 50
    assert_bits(product_momentum(dataset.as_of(before), construction="S", **SMALL), past)
