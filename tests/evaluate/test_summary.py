"""Daily ICs into figures: offsets of the market's calendar, ICIR by hand, periods, reasons."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from pureplay.errors import EvaluationError, InsufficientDataError, SettingError
from pureplay.evaluate.records import ICSummary, icir_error
from pureplay.evaluate.summary import Timing, summarise
from pureplay.panel import FloatArray
from pureplay.sessions import Sessions
from pureplay.stats.orthogonal import CONTAINED, FEW_NAMES, NO_NAMES, OK

# exchange_calendars 4.13 reads its time zones in a way that pandas 3.1 deprecates; pureplay cannot help it.
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")


def figures(sessions: Sessions, ic: FloatArray, *, horizon: int = 20, reason: int = NO_NAMES, timing: Timing | None = None) -> ICSummary:
    """Summary of a daily series; NaN dates are skipped for `reason`."""
    reasons = np.where(np.isfinite(ic), OK, reason)
    names = np.where(np.isfinite(ic), 100, 0)
    return summarise("toy", sessions, ic, names, reasons, horizon=horizon, timing=timing or Timing(null_draws=0))


def part(sessions: Sessions, first: int, last: int) -> Sessions:
    """Sessions [first, last) of a longer run, which keep their ordinals."""
    return Sessions(sessions.dates[first:last], sessions.ordinals[first:last], sessions.calendar)


def test_icir_by_hand() -> None:
    days = np.array(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], dtype="datetime64[D]")
    sessions = Sessions(days, np.arange(6), "bars")
    ic = np.array([0.1, -0.2, 0.3, -0.1, 0.2, -0.3])
    made = figures(sessions, ic, horizon=1, timing=Timing(grid_sessions=2, null_draws=0))
    # offset 0: .1 .3 .2, mean .2, sd .1; offset 1: -.2 -.1 -.3, mean -.2, sd .1
    assert [each.icir for each in made.offsets] == pytest.approx([2.0, -2.0])
    assert [(each.offset, each.n) for each in made.offsets] == [(0, 3), (1, 3)]
    assert (made.icir, made.icir_min, made.icir_max, made.n_positive) == pytest.approx((0.0, -2.0, 2.0, 1))
    assert (made.mean, made.sd, made.n_dates) == pytest.approx((0.0, ic.std(ddof=1), 6))


def test_offsets_are_ordinals_of_the_market(xshg: Sessions) -> None:
    ic = np.random.default_rng(0).normal(size=len(xshg))
    made = figures(xshg, ic)
    np.testing.assert_array_equal(made.daily["offset"], xshg.ordinals % 20)
    assert xshg.ordinals[0] % 20 != 0  # the sample does not start a count of its own
    for each in made.offsets:
        grid = ic[xshg.ordinals % 20 == each.offset]
        assert each.icir == pytest.approx(grid.mean() / grid.std(ddof=1))
    assert made.icir == pytest.approx(np.mean([each.icir for each in made.offsets]))


def test_offsets_do_not_restart_where_the_sample_is_cut(xshg: Sessions) -> None:
    ic = np.random.default_rng(1).normal(size=len(xshg))
    whole, cut = figures(xshg, ic), figures(part(xshg, 33, 400), ic[33:400])
    both = cut.daily.join(whole.daily, on="date", suffix="_whole")
    assert both.height == cut.daily.height == 367
    assert (both["offset"] == both["offset_whole"]).all()


def test_a_skipped_date_is_dropped_and_nothing_moves_up(xshg: Sessions) -> None:
    ic = np.random.default_rng(2).normal(size=len(xshg))
    holes = ic.copy()
    holes[[57, 58, 200]] = np.nan
    whole, less = figures(xshg, ic), figures(xshg, holes)
    gone = set((xshg.ordinals[[57, 58, 200]] % 20).tolist())
    for before, after in zip(whole.offsets, less.offsets, strict=True):
        assert after.n == before.n - sum(xshg.ordinals[k] % 20 == after.offset for k in (57, 58, 200))
        assert (after == before) == (after.offset not in gone)
    np.testing.assert_array_equal(whole.daily["offset"], less.daily["offset"])
    assert less.daily["ic"].null_count() == 3
    assert less.skipped == {"without a name that has both a score and a forward return": 3}


def test_an_offset_with_fewer_than_three_dates_has_no_icir(xshg: Sessions) -> None:
    made = figures(part(xshg, 0, 45), np.random.default_rng(3).normal(size=45))
    assert sorted(each.n for each in made.offsets) == [2] * 15 + [3] * 5
    assert sum(np.isfinite(each.icir) for each in made.offsets) == 5
    assert made.icir == pytest.approx(np.mean([each.icir for each in made.offsets if np.isfinite(each.icir)]))


@pytest.mark.parametrize(("delay", "horizon"), [(1, 20), (5, 20), (1, 60)])
def test_in_sample_ends_where_its_last_window_closes(xshg: Sessions, delay: int, horizon: int) -> None:
    ic = np.random.default_rng(4).normal(size=len(xshg))
    split = xshg.dates[300].astype(object)
    made = figures(xshg, ic, horizon=horizon, timing=Timing(split=split, delay_sessions=delay, null_draws=0))
    inside, outside = made.period("in sample"), made.period("out of sample")
    assert inside is not None
    assert outside is not None
    # session k enters at the close of k + delay and leaves at that of k + delay + horizon
    last = 300 - delay - horizon
    assert (inside.first, inside.last) == (xshg.dates[0].astype(object), xshg.dates[last].astype(object))
    assert inside.n_dates == last + 1
    assert inside.mean == pytest.approx(ic[: last + 1].mean())
    assert (outside.first, outside.n_dates) == (xshg.dates[301].astype(object), len(xshg) - 301)
    assert outside.mean == pytest.approx(ic[301:].mean())


def test_a_split_on_a_holiday(xshg: Sessions) -> None:
    ic = np.random.default_rng(5).normal(size=len(xshg))
    made = figures(xshg, ic, horizon=1, timing=Timing(split=date(2022, 12, 31), null_draws=0))
    inside, outside = made.period("in sample"), made.period("out of sample")
    assert inside is not None
    assert outside is not None
    in_2022 = int((xshg.dates < np.datetime64("2023-01-01")).sum())
    assert (inside.n_dates, outside.n_dates) == (in_2022 - 2, len(xshg) - in_2022)


def test_years_say_how_many_months_they_hold(xshg: Sessions) -> None:
    ic = np.random.default_rng(6).normal(size=len(xshg))
    ic[:60] = np.nan
    made = figures(xshg, ic)
    first = made.daily.filter(pl.col("ic").is_not_null())["date"].min()
    years = {each.label: each for each in made.periods}
    assert list(years) == ["2022", "2023"]
    assert isinstance(first, date)
    assert years["2022"].months == 13 - first.month
    assert years["2022"].first == first
    assert years["2023"].months == 12
    assert sum(each.n_dates for each in made.periods) == made.n_dates
    whole = made.to_frame()
    assert whole["label"].to_list() == ["all", "2022", "2023"]
    assert whole["months"].to_list() == [25 - first.month, 13 - first.month, 12]


def test_a_year_has_the_offsets_of_the_whole(xshg: Sessions) -> None:
    ic = np.random.default_rng(7).normal(size=len(xshg))
    year = figures(xshg, ic).period("2023")
    assert year is not None
    inside = xshg.dates >= np.datetime64("2023-01-01")
    grids = [ic[inside & (xshg.ordinals % 20 == k)] for k in range(20)]
    assert year.icir == pytest.approx(np.mean([grid.mean() / grid.std(ddof=1) for grid in grids]))
    assert year.n_offsets == 20
    assert figures(xshg, ic).period("2030") is None


def test_the_error_of_an_icir_is_that_of_the_mean_over_the_sd(xshg: Sessions) -> None:
    """Also where the mean, and so ICIR and t, are 0."""
    ic = np.random.default_rng(8).normal(size=len(xshg))
    inside = xshg.dates >= np.datetime64("2023-01-01")
    ic[inside] -= ic[inside].mean()
    made = figures(xshg, ic)
    year = made.period("2023")
    assert year is not None
    x = ic[inside]
    k = np.arange(1, 9)[:, None]
    waves = np.sqrt(2 / x.size) * np.cos(np.pi * k * (np.arange(x.size) + 0.5) / x.size)
    se = np.sqrt(np.mean((waves @ x) ** 2) / x.size)  # EWC by hand; rounding only
    assert year.se_mean == pytest.approx(se, rel=1e-10)
    assert year.sd == pytest.approx(x.std(ddof=1), rel=1e-12)
    assert icir_error(year.se_mean, year.sd) == pytest.approx(se / x.std(ddof=1), rel=1e-10)
    row = made.to_frame().row(2, named=True)
    assert (row["sd"], row["se_mean"]) == (year.sd, year.se_mean)
    assert made.to_frame().row(0, named=True)["se_mean"] == made.test.se


@pytest.mark.parametrize(("se", "sd"), [(None, 0.1), (0.01, None), (np.nan, 0.1), (0.01, np.nan), (0.01, 0.0)])
def test_no_error_of_an_icir_without_both(se: float | None, sd: float | None) -> None:
    assert icir_error(se, sd) is None


def test_long_horizons_are_deflated() -> None:
    sessions = Sessions(np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]"), np.arange(366), "bars")
    ic = np.random.default_rng(8).normal(size=366)
    assert figures(sessions, ic, horizon=60).icir_deflated == pytest.approx(figures(sessions, ic).icir / np.sqrt(3))
    assert figures(sessions, ic, horizon=5).icir_deflated == figures(sessions, ic, horizon=5).icir


def test_newey_west_uses_the_overlap(xshg: Sessions) -> None:
    from pureplay.stats.inference import newey_west_t

    ic = np.random.default_rng(9).normal(size=len(xshg)).cumsum()
    for horizon in (1, 20, 60):
        assert figures(xshg, ic, horizon=horizon).newey_west_t == newey_west_t(ic, lags=horizon - 1)


@pytest.mark.parametrize(
    "changed",
    [{"grid_sessions": 10}, {"delay_sessions": 7}, {"split": date(2023, 6, 1)}, {"null_draws": 0}, {"null_draws": 100}, {"seed": 1}],
    ids=str,
)
def test_every_setting_of_the_timing_matters(xshg: Sessions, changed: dict[str, object]) -> None:
    ic = np.random.default_rng(10).normal(size=len(xshg))
    settings: dict[str, object] = {"split": date(2023, 3, 1), "null_draws": 50}
    plain = figures(xshg, ic, timing=Timing(**settings))  # type: ignore[arg-type]
    other = figures(xshg, ic, timing=Timing(**{**settings, **changed}))  # type: ignore[arg-type]
    assert (plain.icir, plain.periods, plain.null) != (other.icir, other.periods, other.null)


def test_the_null_stands_beside_the_figure(xshg: Sessions) -> None:
    ic = np.random.default_rng(11).normal(size=len(xshg))
    made = figures(xshg, ic, timing=Timing(null_draws=200))
    assert made.null is not None
    assert (made.null.draws, made.null.mean_block) == (200, 40)
    assert "all offsets positive by chance" in str(made)
    assert figures(part(xshg, 0, 150), ic[:150], timing=Timing(null_draws=200)).null is None  # fewer than four blocks


@pytest.mark.parametrize(("grid", "block"), [(20, 25), (5, 25), (40, 45)])
def test_blocks_of_the_null_outlast_the_horizon_by_twenty_sessions(xshg: Sessions, grid: int, block: int) -> None:
    ic = np.random.default_rng(13).normal(size=len(xshg))
    made = figures(xshg, ic, horizon=5, timing=Timing(null_draws=20, grid_sessions=grid))
    assert made.null is not None
    assert made.null.mean_block == block


def test_a_session_that_the_sample_lacks_is_a_gap_of_the_null(xshg: Sessions) -> None:
    ic = np.random.default_rng(14).normal(size=len(xshg))
    ic[100:130] = np.nan
    held = np.isfinite(ic)
    thinned = Sessions(xshg.dates[held], xshg.ordinals[held], "XSHG")
    timing = Timing(null_draws=50)
    assert figures(thinned, ic[held], timing=timing).null == figures(xshg, ic, timing=timing).null is not None


@pytest.mark.parametrize(
    ("name", "least", "values"),
    [
        ("grid_sessions", 1, (0, -20, 2.5, True, "20", None)),
        ("delay_sessions", 0, (-1, 1.0, False)),
        ("null_draws", 0, (-1, 1e3, True)),
        ("seed", 0, (-1, 0.5, None)),
    ],
)
def test_a_timing_refuses_what_is_no_count(name: str, least: int, values: tuple[object, ...]) -> None:
    assert getattr(Timing(**{name: np.int64(least)}), name) == least  # type: ignore[arg-type]
    for value in values:
        with pytest.raises(SettingError, match=f"{name} must be a whole number of at least {least}, not {value!r}"):
            Timing(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["2023-01-01", 2023, datetime(2023, 1, 1, 15), np.datetime64("2023-01-01")])
def test_a_split_is_a_date(value: object) -> None:
    with pytest.raises(SettingError, match="split must be a date or None, not "):
        Timing(split=value)  # type: ignore[arg-type]


def test_a_series_without_any_value_is_an_error_with_its_reason(xshg: Sessions) -> None:
    nothing = np.full(len(xshg), np.nan)
    with pytest.raises(EvaluationError, match="toy: the base contains the signal"):
        figures(xshg, nothing, reason=CONTAINED)
    with pytest.raises(InsufficientDataError, match=rf"no date out of {len(xshg)} has enough names .*at most 0 on one date"):
        figures(xshg, nothing, reason=FEW_NAMES)


def test_reasons_are_counted(xshg: Sessions) -> None:
    ic = np.random.default_rng(12).normal(size=len(xshg))
    reason = np.full(len(xshg), OK)
    reason[:3], reason[3:5], reason[5] = NO_NAMES, FEW_NAMES, CONTAINED
    ic[:6] = np.nan
    made = summarise("toy", xshg, ic, np.full(len(xshg), 9), reason, horizon=20, timing=Timing(null_draws=0))
    assert list(made.skipped.values()) == [3, 2, 1]
    assert made.n_dates == len(xshg) - 6
    assert made.daily["reason"].null_count() == made.n_dates
    assert "skipped: 3 dates without a name" in str(made)
    assert made.to_dict()["skipped"] == made.skipped
