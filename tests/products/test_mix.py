"""Which filing speaks for a stock on a session, and the shares it gives."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.market import load_market
from pureplay.panel import Axes
from pureplay.products.mix import Mix, filed_lines, industry_mix, market_mix, revenue_mix
from pureplay.products.taxonomy import Taxonomy

FIRST = date(2021, 1, 1)
TREE: list[tuple[str, str | None, date | None, date | None]] = [
    ("A", None, None, None),
    ("A1", "A", None, None),
    ("A11", "A1", None, None),
    ("A12", "A1", None, None),
    ("A2", "A", None, date(2021, 3, 10)),
    ("B", None, None, None),
    ("C", None, None, None),
    ("C1", "C", date(2021, 2, 10), None),
]
Filed = tuple[date, date, dict[str, float]]  # period_end, publish_date, revenue


def dataset(
    filed: Sequence[Filed], *, days: int = 100, totals: Sequence[float | None] | None = None, revisions: Sequence[int] | None = None
) -> Dataset:
    """One stock with a bar on every calendar day from 2021-01-01, and a second one without filings."""
    numbers = revisions or [0] * len(filed)
    bars = [
        {"date": FIRST + timedelta(days=t), "asset": name, "ret": 0.01 * (t % 3), "total_cap": 1.0}
        for name in ("S", "T")
        for t in range(days)
    ]
    segments = [
        {"asset": "S", "period_end": period, "publish_date": day, "revision": number, "product": product, "revenue": amount}
        for (period, day, mix), number in zip(filed, numbers, strict=True)
        for product, amount in mix.items()
    ]
    tables = {
        "bars": pl.DataFrame(bars),
        "segments": pl.DataFrame(segments),
        "taxonomy": pl.DataFrame(
            TREE, schema={"product": pl.String, "parent": pl.String, "start_date": pl.Date, "end_date": pl.Date}, orient="row"
        ),
    }
    if totals is not None:
        heads = [
            {"asset": "S", "period_end": period, "publish_date": day, "revision": number, "total_revenue": total}
            for (period, day, _), number, total in zip(filed, numbers, totals, strict=True)
        ]
        tables["filings"] = pl.DataFrame(heads, schema_overrides={"total_revenue": pl.Float64})
    return Dataset.from_frames(tables)


def mix_of(data: Dataset, **settings: Any) -> tuple[Mix, Axes]:
    axes = load_market(data).axes
    return revenue_mix(filed_lines(data), Taxonomy.from_table(data.frame("taxonomy")), axes, **settings), axes


def period_on(mix: Mix, axes: Axes, day: date, asset: str = "S") -> date | None:
    f = mix.active[(day - FIRST).days, axes.assets.index(asset)]
    return None if f < 0 else mix.period_end[f].astype(date)


def shares_on(mix: Mix, axes: Axes, day: date) -> dict[str, float]:
    t = (day - FIRST).days
    f = mix.active[t, axes.assets.index("S")]
    entries = range(mix.offsets[f], mix.offsets[f + 1])
    return {mix.groups[mix.group[k]]: float(mix.share[k]) for k in entries if mix.first[mix.group[k]] <= t <= mix.last[mix.group[k]]}


FY, HALF, OLD_FY = date(2020, 12, 31), date(2020, 6, 30), date(2019, 12, 31)


def test_a_filing_is_used_from_its_publish_date_plus_the_buffer() -> None:
    data = dataset([(FY, date(2021, 1, 20), {"A1": 1.0})])
    for buffer in (0, 30, 45):
        mix, axes = mix_of(data, buffer_days=buffer)
        effective = date(2021, 1, 20) + timedelta(days=buffer)
        assert period_on(mix, axes, effective - timedelta(days=1)) is None
        assert period_on(mix, axes, effective) == FY
        assert mix.eff_date.tolist() == [effective]
    assert period_on(*mix_of(data), date(2021, 4, 1), "T") is None


def test_a_session_that_the_effective_day_skips_is_the_first_to_use_it() -> None:
    """Bars on every second day only: the filing waits for the next session."""
    data = dataset([(FY, date(2021, 1, 20), {"A1": 1.0})])
    odd = {name: data.frame(name) for name in data.tables}
    odd["bars"] = odd["bars"].filter(pl.col("date").dt.ordinal_day() % 2 == 0)
    mix, axes = mix_of(Dataset.from_frames(odd), buffer_days=0)
    used = axes.sessions.dates[mix.active[:, 0] >= 0]
    assert used[0] == np.datetime64("2021-01-20")
    mix, axes = mix_of(Dataset.from_frames(odd), buffer_days=1)
    assert axes.sessions.dates[mix.active[:, 0] >= 0][0] == np.datetime64("2021-01-22")


@pytest.mark.parametrize(
    ("published", "months", "expiry"),
    [
        (date(2019, 8, 15), 18, date(2021, 2, 15)),
        (date(2019, 8, 31), 18, date(2021, 2, 28)),  # February has no 31st
        (date(2020, 8, 31), 6, date(2021, 2, 28)),
        (date(2020, 11, 30), 3, date(2021, 2, 28)),
        (date(2020, 12, 1), 1, date(2021, 1, 1)),
    ],
)
def test_a_filing_is_no_longer_used_on_the_day_it_grows_stale(published: date, months: int, expiry: date) -> None:
    data = dataset([(date(2019, 6, 30), published, {"A1": 1.0})])
    mix, axes = mix_of(data, stale_months=months, buffer_days=0)
    if expiry > FIRST:
        assert period_on(mix, axes, expiry - timedelta(days=1)) == date(2019, 6, 30)
    assert period_on(mix, axes, expiry) is None
    assert period_on(*mix_of(data, stale_months=None, buffer_days=0), FIRST + timedelta(days=99)) == date(2019, 6, 30)


def test_a_late_filer_of_an_old_period_does_not_roll_the_stock_back() -> None:
    data = dataset([(FY, date(2021, 1, 20), {"A1": 1.0}), (HALF, date(2021, 2, 20), {"B": 1.0})])
    mix, axes = mix_of(data, buffer_days=0)
    assert {period_on(mix, axes, FIRST + timedelta(days=t)) for t in range(19, 100)} == {FY}


def test_an_old_period_speaks_again_where_the_newer_filing_is_stale() -> None:
    """Both usable: the latest period; the latest period stale: the one that still is not."""
    data = dataset([(HALF, date(2020, 9, 1), {"A1": 1.0}), (OLD_FY, date(2020, 12, 1), {"B": 1.0})])
    mix, axes = mix_of(data, buffer_days=0, stale_months=6)
    assert period_on(mix, axes, date(2021, 2, 28)) == HALF
    assert period_on(mix, axes, date(2021, 3, 1)) == OLD_FY


def test_ties_go_to_the_latest_publish_date_then_the_latest_revision() -> None:
    first, again, more = (FY, date(2021, 1, 10), {"A1": 1.0}), (FY, date(2021, 1, 20), {"B": 1.0}), (FY, date(2021, 1, 20), {"A2": 1.0})
    mix, axes = mix_of(dataset([first, again, more], revisions=[3, 0, 1]), buffer_days=0)
    assert shares_on(mix, axes, date(2021, 1, 19)) == {"A1": 1.0}
    assert shares_on(mix, axes, date(2021, 1, 20)) == {"A2": 1.0}
    mix, axes = mix_of(dataset([first, again, more], revisions=[3, 1, 0]), buffer_days=0)
    assert shares_on(mix, axes, date(2021, 1, 20)) == {"B": 1.0}


def test_shares_are_of_total_revenue_and_revenue_above_the_level_is_unmapped() -> None:
    amounts = {"A": 10.0, "A11": 20.0, "A12": 30.0, "B": 15.0, "unmapped": 5.0}
    filed: list[Filed] = [(FY, date(2021, 1, 1), amounts)]
    data = dataset(filed, totals=[100.0])
    wanted = {
        1: {"A": 0.5, "B": 0.15},  # A includes what is reported below it
        2: {"A1": 0.5, "B": 0.15},
        3: {"A11": 0.2, "A12": 0.3, "B": 0.15},
        "leaf": {"A11": 0.2, "A12": 0.3, "B": 0.15},
    }
    for level, shares in wanted.items():
        assert shares_on(*mix_of(data, level=level, buffer_days=0), date(2021, 2, 1)) == pytest.approx(shares, rel=1e-15)  # one division
    filed = [(FY, date(2021, 1, 1), {**amounts, "A": 60.0})]  # its children bring 50, so 10 stay at A
    made = shares_on(*mix_of(dataset(filed, totals=[None]), level=1, buffer_days=0), date(2021, 2, 1))
    assert made == pytest.approx({"A": 60 / 80, "B": 15 / 80}, rel=1e-15)


def test_a_product_without_revenue_is_no_product_of_the_stock() -> None:
    mix, axes = mix_of(dataset([(FY, date(2021, 1, 1), {"A1": 1.0, "B": 0.0})]), buffer_days=0)
    assert shares_on(mix, axes, date(2021, 2, 1)) == {"A1": 1.0}
    assert not mix.pure(0.0, inclusive=True)[1:].any()


def test_nodes_that_end_or_get_children() -> None:
    mix, axes = mix_of(dataset([(FY, date(2021, 1, 1), {"A2": 1.0, "C": 3.0})]), buffer_days=0)
    assert shares_on(mix, axes, date(2021, 2, 9)) == {"A2": 0.25, "C": 0.75}
    assert shares_on(mix, axes, date(2021, 2, 10)) == {"A2": 0.25}  # C is an inner node now: unmapped, still in the total
    assert shares_on(mix, axes, date(2021, 3, 10)) == {"A2": 0.25}  # the last day counts
    assert shares_on(mix, axes, date(2021, 3, 11)) == {}
    assert period_on(mix, axes, date(2021, 3, 11)) == FY


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ({"A1": 1.0, "ZZ": 1.0}, "unknown_product"),
        ({"A1": 1.0, "B": -1.0}, "negative_revenue"),
        ({"A1": 1.0, "C1": 1.0}, "product_not_yet_in_taxonomy"),
        ({"A1": 1.0, "B": 9.0}, "mapped_above_total"),
    ],
)
def test_a_fault_in_one_row_puts_the_whole_filing_aside(bad: dict[str, float], rule: str) -> None:
    data = dataset([(HALF, date(2020, 9, 1), {"B": 1.0}), (FY, date(2021, 1, 20), bad)], totals=[1.0, 2.0])
    mix, axes = mix_of(data, buffer_days=0)
    assert period_on(mix, axes, date(2021, 3, 1)) == HALF
    assert data.report is not None
    assert rule in {each.rule.split("|")[-1] for each in data.report.set_aside}


def test_restated_half_years_complete_the_year() -> None:
    """Trailing year through the dataset: 30 + 100 - 20 of A1, 20 + 60 - 30 of B, of a total of 60 + 160 - 60."""
    filed: list[Filed] = [
        (date(2018, 12, 31), date(2019, 4, 1), {"A1": 1.0}),
        (date(2019, 6, 30), date(2019, 8, 1), {"A1": 20.0, "B": 30.0}),
        (OLD_FY, date(2020, 4, 1), {"A1": 100.0, "B": 60.0}),
        (HALF, date(2020, 8, 1), {"A1": 30.0, "B": 20.0}),
        (OLD_FY, date(2021, 2, 1), {"A1": 90.0, "B": 60.0}),
    ]
    data = dataset(filed, totals=[1.0, 60.0, 160.0, 60.0, 150.0], revisions=[0, 0, 0, 0, 1])
    axes = load_market(data).axes
    lines = filed_lines(data, half_year="trailing_year")
    mix = revenue_mix(lines, Taxonomy.from_table(data.frame("taxonomy")), axes, buffer_days=0)
    assert shares_on(mix, axes, date(2021, 1, 31)) == pytest.approx({"A1": 110 / 160, "B": 50 / 160}, rel=1e-15)
    assert shares_on(mix, axes, date(2021, 2, 1)) == pytest.approx({"A1": 100 / 150, "B": 50 / 150}, rel=1e-15)
    assert period_on(mix, axes, date(2021, 2, 1)) == HALF


@pytest.mark.parametrize(("settings", "message"), [({"buffer_days": -5}, "buffer_days.*-5"), ({"stale_months": 0}, "stale_months.*0")])
def test_bad_settings(settings: dict[str, int], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        mix_of(dataset([(FY, date(2021, 1, 1), {"A1": 1.0})]), **settings)


def test_industry_labels_are_half_open_and_the_last_to_start_wins() -> None:
    data = dataset([(FY, date(2021, 1, 1), {"A1": 1.0})])
    labels = [
        ("S", "l1", date(2015, 1, 1), date(2021, 2, 1), "old"),
        ("S", "l1", date(2021, 2, 5), None, "new"),
        ("S", "l1", date(2021, 2, 10), date(2021, 2, 12), "short"),
        ("S", "l2", date(2015, 1, 1), None, "other"),
    ]
    types = {"asset": pl.String, "scheme": pl.String, "start_date": pl.Date, "end_date": pl.Date, "code": pl.String}
    more = Dataset.from_frames(
        {**{name: data.frame(name) for name in data.tables}, "industries": pl.DataFrame(labels, schema=types, orient="row")}
    )
    axes = load_market(more).axes
    mix = industry_mix(more, axes, "l1")
    wanted = {1: "old", 31: "old", 32: None, 35: None, 36: "new", 40: "new", 41: "short", 42: "short", 43: "new", 100: "new"}
    for day, code in wanted.items():
        f = mix.active[day - 1, 0]
        assert (None if f < 0 else mix.groups[mix.group[mix.offsets[f]]]) == code
    assert (mix.active[:, 1] == -1).all()
    with pytest.raises(SettingError, match=r"'l9'.*l1, l2"):
        industry_mix(more, axes, "l9")
    assert (market_mix(axes).active == [[0, 1]] * 100).all()


@st.composite
def filing_lists(draw: st.DrawFn) -> list[tuple[date, date, int]]:
    periods = [OLD_FY, HALF, FY]
    keys = draw(st.lists(st.tuples(st.sampled_from(periods), st.integers(0, 3)), min_size=1, max_size=6, unique=True))
    return [(period, period + timedelta(days=draw(st.integers(0, 420))), revision) for period, revision in keys]


@given(filing_lists(), st.integers(0, 60), st.one_of(st.none(), st.integers(1, 18)))
def test_the_active_filing_is_the_largest_usable_one(filings: list[tuple[date, date, int]], buffer: int, months: int | None) -> None:
    """On every session: the maximum of (period_end, publish_date, revision) over the filings that are effective and not stale."""
    data = dataset([(period, day, {"A1": 1.0}) for period, day, _ in filings], revisions=[number for *_, number in filings])
    mix, _ = mix_of(data, buffer_days=buffer, stale_months=months)
    stale = pl.DataFrame({"day": [day for _, day, _ in filings]}).select(pl.col("day").dt.offset_by(f"{months or 0}mo"))["day"].to_list()
    for t in range(0, 100, 7):
        today = FIRST + timedelta(days=t)
        usable = [
            (period, day)
            for (period, day, _), expiry in zip(filings, stale, strict=True)
            if day + timedelta(days=buffer) <= today and (months is None or today < expiry)
        ]
        f = mix.active[t, 0]
        got = None if f < 0 else (mix.period_end[f].astype(date), mix.publish_date[f].astype(date))
        assert got == max(usable, default=None)
