"""Findings over tables: books that balance, causes told apart, nothing counted twice, and speed of the right kind."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pureplay.checks import check_tables
from pureplay.findings import CheckReport, Finding
from tests.border_market import DAYS, STOCKS, bars, filings, market, put, segments, taxonomy


def found(report: CheckReport) -> list[tuple[str, str, str, int]]:
    return [(each.level, each.table, each.rule, each.count) for each in report.findings]


def test_a_row_that_breaks_several_rules_is_set_aside_once() -> None:
    frame = put(put(bars(), 3, close=-1.0, total_cap=-1.0, ret=-2.0), 4, close=-1.0)
    sound, aside, report = check_tables({"bars": frame}, calendar="bars")
    assert found(report) == [
        ("set_aside", "bars", "price_not_positive", 2),
        ("set_aside", "bars", "cap_not_positive", 1),
        ("set_aside", "bars", "return_below_minus_one", 1),
    ]
    assert aside["bars"]["rule"].to_list() == ["price_not_positive; cap_not_positive; return_below_minus_one", "price_not_positive"]
    assert sound["bars"].height + aside["bars"].height == bars().height


def test_columns_of_the_user_survive_a_fault_in_another_row() -> None:
    own = bars().select("date", "asset", alpha="ret", beta="volume")
    sound, aside, report = check_tables({"factors": put(put(own, 0, asset=""), 1, beta=float("inf"))}, calendar="bars")
    assert sound["factors"].columns == ["date", "asset", "alpha", "beta"]
    assert sound["factors"].rows() == own[2:].rows()
    assert sorted(aside["factors"]["rule"]) == ["asset|min_length", "beta|inf"]
    assert report.rows_kept == {"factors": 16}


def test_the_offending_row_is_told_from_the_rest_of_its_filing() -> None:
    sound, aside, report = check_tables({**market(), "segments": put(segments(), 3, product="zz")}, calendar="bars")
    assert found(report) == [
        ("set_aside", "segments", "unknown_product", 1),
        ("set_aside", "segments", "other_row_of_the_filing", 1),
        ("set_aside", "filings", "other_row_of_the_filing", 1),
    ]
    assert sorted(aside["segments"].select("product", "rule").rows()) == [("a1", "other_row_of_the_filing"), ("zz", "unknown_product")]
    assert (sound["segments"].height, sound["filings"].height) == (10, 5)


def test_a_copy_is_no_fault_of_its_filing() -> None:
    sound, _, report = check_tables({**market(), "segments": pl.concat([segments(), segments()[3]])}, calendar="bars")
    assert found(report) == [("set_aside", "segments", "duplicate_row", 1)]
    assert (sound["segments"].height, sound["filings"].height) == (12, 6)


def test_another_revision_of_a_broken_filing_stays() -> None:
    both = pl.concat([segments().with_columns(revision=pl.lit(revision)) for revision in (0, 1)])
    totals = pl.concat([filings().with_columns(revision=pl.lit(revision)) for revision in (0, 1)])
    sound, _, _ = check_tables({**market(), "segments": put(both, 12, revenue=-1.0), "filings": totals}, calendar="bars")
    assert sound["segments"].group_by("revision").len().sort("revision").rows() == [(0, 12), (1, 10)]
    assert sound["filings"].group_by("revision").len().sort("revision").rows() == [(0, 6), (1, 5)]


def test_regions_may_name_what_is_no_product() -> None:
    extra = segments().head(2).with_columns(kind=pl.lit("region"), product=pl.Series(["east", "west"]))
    both = pl.concat([segments().with_columns(kind=pl.lit("product")), extra.select([*segments().columns, "kind"])])
    _, aside, report = check_tables({**market(), "segments": both}, calendar="bars")
    assert aside == {}
    assert found(report) == [("notice", "segments", "other_kind", 2)]


def test_a_node_that_starts_after_the_filing() -> None:
    tree = taxonomy().with_columns(start_date=pl.Series([None, date(2022, 4, 21), None, None, date(2022, 4, 20)]))
    sound, aside, report = check_tables({**market(), "taxonomy": tree}, calendar="bars")
    assert ("set_aside", "segments", "product_not_yet_in_taxonomy", 3) in found(report)
    assert sound["segments"]["period_end"].unique().to_list() == [date(2022, 12, 31)]
    assert aside["filings"].height == 3


def test_filings_without_a_total_are_named() -> None:
    lacking = put(filings(), 0, total_revenue=None).filter(pl.int_range(pl.len()) != 1)
    sound, aside, report = check_tables({**market(), "filings": lacking}, calendar="bars")
    assert found(report) == [("notice", "segments", "no_total_revenue", 2)]
    assert report.findings[0].rows["period_end"].to_list() == [date(2021, 12, 31), date(2022, 12, 31)]
    assert aside == {}
    assert sound["segments"].height == 12


def test_percent_is_found_before_losses_are_set_aside() -> None:
    percent = bars().with_columns(ret=pl.when(pl.int_range(pl.len()) % 2 == 0).then(-1.4).otherwise(1.2))
    _, aside, report = check_tables({"bars": percent}, calendar="bars")
    assert found(report) == [("refused", "bars", "returns_in_percent", 18)]
    assert aside == {}


def test_large_moves_of_a_few_stocks_are_no_percent() -> None:
    wild = bars().with_columns(ret=pl.when(pl.col("asset") == STOCKS[0]).then(4.0).otherwise("ret"))
    assert check_tables({"bars": wild}, calendar="bars")[2].findings == ()


def test_sessions_without_bars_are_named() -> None:
    _, _, report = check_tables({"bars": bars().filter(pl.col("date") != DAYS[2])}, calendar="XSHG")
    assert found(report) == [("notice", "bars", "sessions_without_bars", 1)]
    assert report.findings[0].rows["date"].to_list() == [DAYS[2]]


@pytest.mark.parametrize(
    ("codes", "mixed"),
    [
        (["600519.SH", "000001.SZ", "830799.BJ"], False),
        (["600519.SS", "000001.SZ"], False),
        (["600519.SS", "600519.SH"], True),
        (["600519.XSHG", "000001.XSHE"], False),
        (["600519.XSHG", "000001.SZ"], True),
        (["600519", "000001"], False),
        (["600519", "1"], False),
        (["000001", "1"], True),
        (["SH600519", "SZ000001"], False),
        (["SH600519", "sz000001"], True),
        (["sh.600519", "sh600519"], True),
        (["AAPL", "600519.SH", "T00018.SH", "0700.HK"], False),
        (["６００５１９.SH", "600519"], False),
    ],
)
def test_spellings_of_codes(codes: list[str], mixed: bool) -> None:
    frames = {
        "bars": pl.DataFrame({"date": DAYS[0], "asset": codes, "ret": 0.01, "total_cap": 1.0}),
        "assets": pl.DataFrame({"asset": codes}),
    }
    split = {"bars": frames["bars"].head(1), "assets": frames["assets"].slice(1)}
    for given_frames in (frames, split):
        assert ("mixed_code_formats" in {each.rule for each in check_tables(given_frames, calendar="bars")[2].findings}) == mixed


def test_codes_that_differ_in_case_are_named() -> None:
    frames = {
        "bars": pl.DataFrame({"date": DAYS[:2], "asset": "AAPL", "ret": 0.01, "total_cap": 1.0}),
        "assets": pl.DataFrame({"asset": ["aapl", "MSFT"]}),
    }
    _, _, report = check_tables(frames, calendar="bars")
    [finding] = report.findings
    assert (finding.rule, finding.count, finding.rows.rows()) == ("codes_differ_in_case", 2, [("AAPL", "bars"), ("aapl", "assets")])


@given(st.lists(st.one_of(st.none(), st.integers(0, 11)), min_size=12, max_size=12))
def test_cycles_are_the_nodes_that_reach_themselves(parents: list[int | None]) -> None:
    names = [f"n{place}" for place in range(12)]
    expected = set()
    for start in range(12):
        node = parents[start]
        for _ in range(12):
            if node is None or node == start:
                break
            node = parents[node]
        if node == start:
            expected.add(names[start])
    tree = pl.DataFrame(
        {"product": names, "parent": [None if each is None else names[each] for each in parents]},
        schema={"product": pl.String, "parent": pl.String},
    )
    sound, _, report = check_tables({"taxonomy": tree}, calendar="bars")
    assert ("taxonomy" in sound) == (not expected)
    if expected:
        [finding] = report.findings
        assert finding.count == len(expected)
        assert set(finding.rows["product"]) <= expected


hits = st.lists(
    st.tuples(
        st.sampled_from(["bars", "segments", "filings"]),
        st.integers(0, 17),
        st.sampled_from(["negative", "infinite", "nothing", "late", "copy", "unknown"]),
    ),
    max_size=6,
)


@given(hits, st.permutations(["bars", "taxonomy", "segments", "filings"]))
def test_books_balance_whatever_is_broken(broken: list[tuple[str, int, str]], order: list[str]) -> None:
    tables = market()
    value = {"bars": "total_cap", "segments": "revenue", "filings": "total_revenue"}
    for name, row, how in broken:
        frame, at = tables[name], row % market()[name].height
        if how == "copy":
            tables[name] = pl.concat([frame, frame[at]])
        elif how == "unknown":
            tables[name] = put(frame, at, **({"product": "zz"} if name == "segments" else {"asset": ""}))
        elif how == "late" and name != "bars":
            tables[name] = put(frame, at, publish_date=date(2031, 1, 1))
        elif how in ("negative", "infinite", "nothing"):
            tables[name] = put(frame, at, **{value[name]: {"negative": -5.0, "infinite": float("inf"), "nothing": None}[how]})
    sound, aside, report = check_tables({name: tables[name] for name in order}, calendar="bars", today=date(2025, 1, 1))
    assert set(report.rows_read) == set(order)
    refused = {each.table for each in report.refused}
    for name in order:
        assert report.rows_read[name] == tables[name].height
        if name not in refused:
            assert sound[name].height + (aside[name].height if name in aside else 0) == tables[name].height
    assert report.exit_code == (2 if refused else 1 if aside else 0)
    told = {(each.table, rule) for each in report.set_aside for rule in [each.rule]}
    assert {(name, rule) for name, rows in aside.items() for text in rows["rule"] for rule in text.split("; ")} == told
    if not refused:
        again = check_tables(sound, calendar="bars", today=date(2025, 1, 1))
        assert again[1] == {}, "what a check lets through is sound"
        assert all(again[0][name].equals(sound[name]) for name in sound)
        faulty = {
            key
            for name in ("segments", "filings")
            if name in aside
            for key in aside[name].filter(pl.col("rule") != "duplicate_row").select("asset", "period_end").rows()
        }
        for name in ("segments", "filings"):
            assert faulty.isdisjoint(sound[name].select("asset", "period_end").rows())


def test_report_in_words_and_as_a_frame() -> None:
    _, _, report = check_tables({**market(), "bars": put(bars(), 3, close=0.0)}, calendar="bars")
    assert str(report).splitlines()[0] == "  bars: 18 rows read, 17 kept"
    assert "  set_aside: bars: price_not_positive (1): give positive prices or leave them missing" in str(report)
    assert "      date=2024-01-03, asset=000001.SZ, close=0.0, ret=" in str(report)
    assert report.to_frame().rows() == [("set_aside", "bars", "price_not_positive", 1, "give positive prices or leave them missing")]
    assert check_tables(market(), calendar="bars")[2].to_frame().height == 0


def test_a_finding_stays_on_its_lines() -> None:
    rows = pl.DataFrame({"a": ["x\r\ny"], "b": [None]})
    text = str(Finding(level="notice", table="bars", rule="r", count=1, remedy="do", rows=rows))
    assert text == "notice: bars: r (1): do\n      a=x y"


def test_no_table_at_all() -> None:
    sound, aside, report = check_tables({}, calendar="bars")
    assert (sound, aside, report.findings, report.exit_code) == ({}, {}, (), 0)


def test_two_million_rows_cost_no_more_than_a_copy_of_them() -> None:
    """Memory and answers only; how long it takes is measured elsewhere."""
    sessions, stocks = 1000, 2000
    rng = np.random.default_rng(0)
    days = np.busday_offset("2016-01-01", np.arange(sessions), roll="forward").astype("datetime64[D]")
    codes = pl.Series([f"{600000 + place}.SH" for place in range(stocks)])
    frame = pl.DataFrame(
        {
            "date": pl.Series(np.repeat(days, stocks)),
            "asset": codes[np.tile(np.arange(stocks), sessions)],
            "ret": rng.normal(0, 0.02, sessions * stocks),
            "total_cap": rng.uniform(1, 2, sessions * stocks),
        }
    )
    sound, aside, report = check_tables({"bars": frame}, calendar="bars")
    assert report.findings == ()
    assert aside == {}
    assert sound["bars"].equals(frame)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    assert check_tables({"bars": shuffled}, calendar="bars")[0]["bars"].equals(frame)


def test_a_filing_with_two_publish_dates_is_set_aside_whole() -> None:
    later = put(segments(), 3, publish_date=segments()["publish_date"][3].replace(day=1, month=12))
    sound, _, report = check_tables({**market(), "segments": later}, calendar="bars")
    assert ("set_aside", "segments", "publish_dates_differ", 2) in found(report)
    assert ("set_aside", "filings", "publish_dates_differ", 1) in found(report)
    assert (sound["segments"].height, sound["filings"].height) == (10, 5)
    filed = put(filings(), 0, publish_date=filings()["publish_date"][0].replace(day=1, month=12))
    sound, _, report = check_tables({**market(), "filings": filed}, calendar="bars")
    assert "publish_dates_differ" in {rule for _, _, rule, _ in found(report)}
    assert (sound["segments"].height, sound["filings"].height) == (10, 5)


def test_bars_before_the_listing_are_set_aside() -> None:
    first = bars().filter(pl.col("asset") == STOCKS[0])["date"].sort()
    listed = pl.DataFrame(
        {"asset": list(STOCKS), "list_date": [first[1], *[None] * (len(STOCKS) - 1)]}, schema_overrides={"list_date": pl.Date}
    )
    sound, aside, report = check_tables({"bars": bars(), "assets": listed}, calendar="bars")
    assert found(report) == [("set_aside", "bars", "traded_before_listing", 1)]
    assert aside["bars"].select("date", "asset").rows() == [(first[0], STOCKS[0])]
    assert sound["bars"].height == bars().height - 1
    assert "leave it missing" in str(report)
