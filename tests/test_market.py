"""The market as blocks: what did not trade is missing, values are never carried on, listing days and issuers are right."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import TableError
from pureplay.market import load_market
from tests.border_market import DAYS, STOCKS, bars, market, put


def loaded(frame: pl.DataFrame, assets: pl.DataFrame | None = None, calendar: str = "bars") -> object:
    tables = {"bars": frame} | ({} if assets is None else {"assets": assets})
    return load_market(Dataset.from_frames(tables, calendar=calendar))


def test_blocks_are_the_bars() -> None:
    made = loaded(bars().reverse())
    assert made.axes.assets == tuple(STOCKS)
    assert made.axes.sessions.dates.tolist() == DAYS
    np.testing.assert_array_equal(made.returns, bars()["ret"].to_numpy().reshape(6, 3))
    np.testing.assert_array_equal(made.caps, bars()["total_cap"].to_numpy().reshape(6, 3))
    assert made.traded.all()
    assert made.float_caps is None


@pytest.mark.parametrize("how", [{"volume": 0.0}, {"volume": None, "ret": None}])
def test_a_suspended_day_has_no_return_and_no_cap(how: dict[str, float | None]) -> None:
    made = loaded(put(bars(), 4, **how))
    assert not made.traded[1, 1]
    assert np.isnan(made.returns[1, 1])
    assert np.isnan(made.caps[1, 1])
    assert made.traded.sum() == 17
    np.testing.assert_array_equal(made.fresh()[:3, 1], [False, False, False])
    assert made.fresh()[3:, 1].all()


def test_an_absent_row_is_a_suspended_day() -> None:
    made = loaded(bars().filter(pl.int_range(pl.len()) != 4))
    assert not made.traded[1, 1]
    assert made.traded.sum() == 17


def test_a_session_without_any_bar_is_still_a_session() -> None:
    made = loaded(bars().filter(pl.col("date") != DAYS[2]), calendar="XSHG")
    assert made.axes.sessions.dates.tolist() == DAYS
    assert not made.traded[2].any()


def test_without_volume_a_return_says_that_it_traded() -> None:
    made = loaded(put(bars().drop("volume"), 4, ret=None))
    assert made.traded.sum() == 17
    assert not made.traded[1, 1]


def test_listing_days() -> None:
    assets = pl.DataFrame({"asset": STOCKS, "list_date": [date(2023, 12, 28), DAYS[2], None]})
    made = loaded(bars().filter((pl.col("asset") != STOCKS[2]) | (pl.col("date") > DAYS[0])), assets, calendar="XSHG")
    # two sessions before the data (28 and 29 December), the third session of the data, the first bar
    seen = [[int(made.seasoned(sessions)[day, stock]) for day in range(6)] for stock in range(3) for sessions in (1, 3, 4)]
    assert seen[:3] == [[1] * 6, [1] * 6, [0, 1, 1, 1, 1, 1]]
    assert seen[3:6] == [[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 1]]
    assert seen[6:] == [[0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1]]


def test_issuers() -> None:
    assets = pl.DataFrame({"asset": [STOCKS[0], STOCKS[1]], "issuer": [STOCKS[2], STOCKS[2]]})
    made = loaded(bars(), assets)
    assert made.issuer[0] == made.issuer[1]
    assert made.issuer[2] != made.issuer[0], "an issuer's name is no code"


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_stocks_without_an_issuer_are_their_own(blank: str | None) -> None:
    made = loaded(bars(), pl.DataFrame({"asset": STOCKS, "issuer": [blank] * 3}, schema_overrides={"issuer": pl.String}))
    assert len(set(made.issuer.tolist())) == 3


def test_bars_are_needed() -> None:
    with pytest.raises(TableError, match="no table 'bars'"):
        load_market(Dataset.from_frames({"taxonomy": market()["taxonomy"]}))
