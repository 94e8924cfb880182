"""Weights of the user: read from any frame, scaled within rounding, and refused by name where they cannot stand."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.errors import SettingError, TableError
from pureplay.evaluate.portfolio.legs import leg_frame, quantile_targets
from pureplay.evaluate.portfolio.settings import PortfolioSettings
from pureplay.evaluate.portfolio.weights import weight_targets
from pureplay.market import Market
from pureplay.panel import Axes
from pureplay.sessions import Sessions, sessions_between

LONG = PortfolioSettings(kind="long_only")
BOTH = PortfolioSettings()
HELD = {"date": [date(2022, 3, 4)] * 3 + [date(2022, 3, 1)] * 2, "asset": ["c", "a", "b", "d", "b"], "weight": [0.5, 0.2, 0.3, 0.4, 0.6]}


def market(sessions: Sessions | None = None) -> Market:
    """Five stocks on the Shanghai sessions of February to April 2022 (or those given)."""
    days = sessions or sessions_between(np.array(["2022-02-07", "2022-04-29"], dtype="datetime64[D]"), "XSHG")
    shape = (len(days), 5)
    number = np.arange(5)
    return Market(
        axes=Axes(days, tuple("abcde")),
        returns=np.zeros(shape),
        caps=np.ones(shape),
        float_caps=None,
        traded=np.ones(shape, dtype=bool),
        listed_sessions=number,
        issuer=number,
    )


def refuse(frame: Any, match: str, settings: PortfolioSettings = LONG) -> None:
    """The frame is refused with these words."""
    with pytest.raises(TableError, match=match):
        weight_targets(frame, market(), settings, calendar="XSHG")


def changed(**columns: Any) -> pl.DataFrame:
    """The frame of HELD with other columns."""
    return pl.DataFrame({**HELD, **columns}, strict=False)


def test_every_date_is_a_rebalance() -> None:
    made = weight_targets(pl.DataFrame(HELD), market(), LONG, calendar="XSHG")
    days = market().axes.sessions.dates
    assert days[made.rows].tolist() == [date(2022, 3, 1), date(2022, 3, 4)]
    assert (made.offsets.tolist(), made.starts.tolist(), made.assets.tolist()) == ([0, 0], [0, 2, 5], [1, 3, 0, 1, 2])
    assert made.weights == pytest.approx([0.6, 0.4, 0.2, 0.3, 0.5], abs=1e-15)
    assert dict(made.skipped) == {}
    assert [each.dtype for each in (made.rows, made.offsets, made.starts, made.assets, made.weights)] == [
        np.int64,
        np.int64,
        np.int64,
        np.int32,
        np.float64,
    ]


def test_any_frame_in_any_order_gives_the_same() -> None:
    made = weight_targets(pl.DataFrame(HELD), market(), LONG, calendar="XSHG")
    text = {**HELD, "date": [str(day) for day in HELD["date"]]}
    beside = {**HELD, "name": list("vwxyz")}
    indexed = pd.DataFrame(HELD).astype({"date": "datetime64[ns]"}).set_index(["date", "asset"])
    for frame in (pd.DataFrame(HELD), indexed, pl.DataFrame(HELD)[::-1], pl.DataFrame(text), pl.DataFrame(beside), pl.LazyFrame(HELD)):
        other = weight_targets(frame, market(), LONG, calendar="XSHG")
        for name in ("rows", "offsets", "starts", "assets", "weights"):
            assert getattr(made, name).tobytes() == getattr(other, name).tobytes()


def test_both_legs() -> None:
    frame = changed(date=[date(2022, 3, 1)] * 5, asset=list("abcde"), weight=[0.25, -1, 0, 0.25, 0.5])
    made = weight_targets(frame, market(), BOTH, calendar="XSHG")
    assert dict(zip(made.assets.tolist(), made.weights.tolist(), strict=True)) == {0: 0.25, 1: -1.0, 3: 0.25, 4: 0.5}  # no name of weight 0


@pytest.mark.parametrize("off", [9e-7, -9e-7])
def test_sums_within_rounding_are_scaled(off: float) -> None:
    frame = changed(date=[date(2022, 3, 1)] * 5, asset=list("abcde"), weight=[0.6 + off, 0.4, -0.3, -0.3, -0.4 - off])
    made = weight_targets(frame, market(), BOTH, calendar="XSHG")
    assert made.weights[made.weights > 0].sum() == pytest.approx(1.0, abs=1e-15)
    assert made.weights[made.weights < 0].sum() == pytest.approx(-1.0, abs=1e-15)
    assert made.weights[0] / made.weights[1] == pytest.approx((0.6 + off) / 0.4, rel=1e-14)  # shares stay


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=4), st.floats(-9e-7, 9e-7), st.sampled_from([1.0, -1.0]))
def test_scaled_legs_sum_to_one(parts: list[float], off: float, sign: float) -> None:
    leg = [sign * (1 + off) * each / sum(parts) for each in parts]
    frame = pl.DataFrame({"asset": [*"abcd"[: len(leg)], "e"], "weight": [*leg, -sign]}).with_columns(date=date(2022, 3, 1))
    made = weight_targets(frame, market(), BOTH, calendar="XSHG")
    for side in (1, -1):
        assert abs(made.weights[np.sign(made.weights) == side].sum() - side) <= 1e-12  # five numbers: rounding is 1e-15


def test_later_rows_change_no_earlier_target() -> None:
    frame = pl.DataFrame(HELD)
    whole = weight_targets(frame, market(), LONG, calendar="XSHG")
    part = weight_targets(frame.filter(pl.col("date") < date(2022, 3, 4)), market(), LONG, calendar="XSHG")
    assert part.rows.tolist() == whole.rows.tolist()[:1]
    assert part.weights.tobytes() == whole.weights[:2].tobytes()
    assert part.assets.tobytes() == whole.assets[:2].tobytes()


def test_the_frame_of_targets_comes_back() -> None:
    rng = np.random.default_rng(1)
    held = market()
    scores = rng.normal(size=held.axes.shape)
    for kind in ("long_only", "long_short"):
        settings = PortfolioSettings(kind=kind, grid_sessions=5, offset=2, min_leg_names=1)
        made = quantile_targets(scores, held, settings)
        back = weight_targets(leg_frame(made, held.axes), held, settings, calendar="XSHG")
        assert (back.rows == made.rows).all()
        assert (back.assets == made.assets).all()
        assert back.weights == pytest.approx(made.weights, abs=1e-15)


def test_the_kind_matters() -> None:
    frame = pl.DataFrame(HELD)
    assert weight_targets(frame, market(), LONG, calendar="XSHG").rows.size == 2
    refuse(frame, "weights below 0 must sum to -1 on every date, but on 2 of 2 dates they do not: 0 on 2022-03-01", BOTH)


def test_weights_that_do_not_sum_are_refused() -> None:
    refuse(
        changed(weight=[0.5, 0.2, 0.2, 0.4, 0.6]),
        r"must sum to 1 on every date, but on 1 of 2 dates they do not: 0\.9 on 2022-03-04; divide those of each date by their sum$",
    )
    refuse(changed(weight=[0.5, 0.2, 0.3, 0.4, 0.600002]), r"1 of 2 dates they do not: 1\.000002 on 2022-03-01")
    refuse(changed(weight=[0.0] * 5), "on 2 of 2 dates they do not: 0 on 2022-03-01")
    halves = [0.3, 0.2, -0.5, 0.5, -0.5]  # gross exposure 1 is a setting, not a matter of weights
    refuse(
        changed(weight=halves),
        r"weights above 0 must sum to 1 on every date, but on 2 of 2 dates they do not: 0\.5 on 2022-03-01; "
        r"divide those of each date by their sum \(gross_exposure sets the size of the legs\)",
        BOTH,
    )
    refuse(changed(weight=[1, -0.5, -0.4, 1, -1]), r"below 0 .* on 1 of 2 .*: -0\.9 on 2022-03-04; divide .* by minus their sum", BOTH)
    refuse(
        changed(weight=[0.9, 0.2, -0.1, 0.4, 0.6]),
        "weights have 1 values below 0, such as -0.1 on 2022-03-04 b: a long_only account holds none; set them to 0",
    )


@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(bad: float | None) -> None:
    refuse(changed(weight=[0.5, bad, 0.3, 0.4, 0.6]), "weights have 1 missing or infinite values, such as on 2022-03-04 a: fill them")


def test_frames_that_are_no_weights_are_refused() -> None:
    refuse(pl.DataFrame(HELD).rename({"weight": "w"}), "weights lack weight; they have date, asset, w: rename or add")
    refuse(pl.DataFrame({"x": [1]}), "weights lack date, asset, weight; they have x")
    refuse(pl.DataFrame(HELD).clear(), "weights have no rows: give a date, an asset and a weight")
    refuse([1.0], "weights is a list, not a frame")
    refuse(changed(asset=["c", "a", "a", "d", "b"]), "weights have 2 rows with repeated keys, such as 2022-03-04 a: keep one row")
    refuse(changed(asset=["c", None, "b", "d", "b"]), "rows without date or asset")
    refuse(changed(date=[None, *HELD["date"][1:]]), "rows without date or asset")
    refuse(changed(asset=[1, 2, 3, 4, 5]), "weights.asset is Int64")
    refuse(changed(weight=["x"] * 5), "weights has non-numeric columns weight")


def test_stocks_without_bars_are_refused() -> None:
    refuse(
        changed(asset=["c", "z", "y", "d", "b"]), "weights name 2 stocks of 5 without bars, such as y: check the codes or leave them out"
    )


def test_dates_without_bars_are_refused() -> None:
    frame = pl.DataFrame(HELD)
    # 2022-03-05 is a Saturday; 2022-05-05 is a session, 2022-05-02 a holiday, both after the last bar
    closed = frame.with_columns(date=pl.when(pl.col("date") == date(2022, 3, 4)).then(date(2022, 3, 5)).otherwise(pl.col("date")))
    refuse(
        closed, "weights stand on 1 dates of 2 that are no sessions of the XSHG calendar, such as 2022-03-05: date each rebalance by the"
    )
    holiday = closed.with_columns(date=pl.col("date").replace(date(2022, 3, 5), date(2022, 5, 2)))
    refuse(holiday, "that are no sessions of the XSHG calendar, such as 2022-05-02")
    later = closed.with_columns(date=pl.col("date").replace(date(2022, 3, 5), date(2022, 5, 5)))
    refuse(later, "1 dates of 2 without bars, such as 2022-05-05: bars run from 2022-02-07 to 2022-04-29; leave the dates out or add bars")
    ancient = closed.with_columns(date=pl.col("date").replace(date(2022, 3, 5), date(1980, 5, 5)))
    refuse(ancient, "^weights and bars run from 1980-05-05 .* but the XSHG calendar is known from 1991-01-01")


def test_the_calendar_matters() -> None:
    later = pl.DataFrame({"date": [date(2022, 5, 5)], "asset": ["a"], "weight": [1.0]})
    days = market().axes.sessions.dates
    by_bars = market(Sessions(days, np.arange(days.size), "bars"))
    with pytest.raises(TableError, match="1 dates of 1 that are no days of the bars, such as 2022-05-05"):
        weight_targets(later, by_bars, LONG, calendar="bars")
    refuse(later, "without bars, such as 2022-05-05")
    with pytest.raises(SettingError, match="calendar must be one of XSHG, bars, not 'XNYS'"):
        weight_targets(later, market(), LONG, calendar="XNYS")  # type: ignore[arg-type]
