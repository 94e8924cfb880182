"""Nothing that was published, traded or effective later moves an earlier exposure by a single bit, in any of the 22 columns."""

from datetime import date, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.factors import Base, base_factors
from tests import industry_reform
from tests.factors.base_market import Tables, dataset, tables

KNOWN_WHEN = ("date", "publish_date", "start_date", "list_date", "ex_date")
LATER_ENDS = ("end_date", "delist_date")
DAYS_BACK = (1, 3, 17, 40, 95, 170, 260, 400, 555, 700)


@cache
def whole() -> Base:
    return base_factors(dataset())


def truncated(given: Tables, day: date) -> Tables:
    """METHODS §12, on the raw tables."""
    out = {}
    for name, frame in given.items():
        for column in set(KNOWN_WHEN) & set(frame.columns):
            frame = frame.filter(pl.col(column).is_null() | (pl.col(column) <= day))
        ends = [pl.when(pl.col(column) <= day).then(column).alias(column) for column in LATER_ENDS if column in frame.columns]
        out[name] = frame.with_columns(ends)
    return {name: frame for name, frame in out.items() if frame.height}


def assert_same_past(past: Base) -> None:
    """Same bits for every session and stock that the past knows; stocks that it does not know had no value."""
    full, sessions = whole(), past.axes.shape[0]
    assert past.names == full.names
    assert past.axes.sessions.dates.tolist() == full.axes.sessions.dates[:sessions].tolist()
    column = [full.axes.assets.index(asset) for asset in past.axes.assets]
    for k, name in enumerate(full.names):
        assert np.ascontiguousarray(full.values[:sessions, k][:, column]).tobytes() == past.values[:, k].tobytes(), name
        assert np.array_equal(full.filled[:sessions, k][:, column], past.filled[:, k]), name
    listed_later = np.setdiff1d(np.arange(full.axes.shape[1]), column)
    assert not np.isfinite(full.values[:sessions][:, :, listed_later]).any()


@pytest.mark.parametrize("back", DAYS_BACK)
def test_tables_cut_at_a_day_give_the_base_of_that_day(back: int) -> None:
    last = dataset().frame("bars")["date"].max()
    assert isinstance(last, date)
    day = last - timedelta(days=back)
    assert_same_past(base_factors(Dataset.from_frames(truncated(tables(), day))))
    assert_same_past(base_factors(dataset().as_of(day)))


def test_the_travels_meet_what_could_leak() -> None:
    """Restatements, late statements, new labels and dividends lie after the days; exposures of all columns exist before."""
    statements, last = tables()["statements"], dataset().frame("bars")["date"].max()
    assert isinstance(last, date)
    for back in DAYS_BACK[5:]:
        later = statements.filter(pl.col("publish_date") > last - timedelta(days=back))
        assert (later["revision"] > 0).any()
        assert (tables()["dividends"]["ex_date"] > last - timedelta(days=back)).any()
    full = whole()
    first = [int(np.isfinite(full.values[:, k]).any(axis=1).argmax()) for k in range(22)]
    days = full.axes.sessions.dates
    reached = sum(all(days[each] <= np.datetime64(last - timedelta(days=back)) for each in first) for back in DAYS_BACK)
    assert reached >= 4


def test_the_order_of_rows_and_untouched_input() -> None:
    mixed = {name: frame.sample(fraction=1.0, shuffle=True, seed=1) for name, frame in tables().items()}
    kept = {name: frame.clone() for name, frame in mixed.items()}
    assert base_factors(Dataset.from_frames(mixed)).values.tobytes() == whole().values.tobytes()
    assert all(frame.equals(mixed[name], null_equal=True) for name, frame in kept.items())


def test_a_scheme_that_is_coarser_later_changes_nothing_before() -> None:
    days = dataset().frame("bars")["date"].unique().sort()
    one = pl.DataFrame({"asset": tables()["assets"]["asset"], "scheme": "one", "start_date": days[500], "code": "all"})
    more = {**tables(), "industries": pl.concat([tables()["industries"], one], how="diagonal")}
    assert base_factors(Dataset.from_frames(more)).values.tobytes() == whole().values.tobytes()


def test_industry_codes_that_start_later_change_no_filled_value() -> None:
    """They number the older codes anew; stocks without a label are filled with the mean over all groups."""
    given = Dataset.from_frames(industry_reform.tables())
    full = base_factors(given)
    labels = given.frame("industries")
    for day in (industry_reform.REFORM - timedelta(days=1), industry_reform.REFORM - timedelta(days=20)):
        past = base_factors(given.as_of(day))
        sessions, column = past.axes.shape[0], [full.axes.assets.index(asset) for asset in past.axes.assets]
        assert full.values[:sessions][:, :, column].tobytes() == past.values.tobytes()
        bare = ~np.isin(past.axes.assets, labels["asset"].to_numpy())
        assert past.filled[:, :, bare].sum() > 50
        assert given.as_of(day).frame("industries")["code"].n_unique() == 28 < labels["code"].n_unique()
