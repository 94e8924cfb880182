"""A-share codes in vendors' spellings."""

import polars as pl
import pytest

from pureplay.sources.codes import normalise_cn

READABLE = {
    "600519.SH": "600519.SH",
    "SH600519": "600519.SH",
    "sh600519": "600519.SH",
    "sh.600519": "600519.SH",
    "600519.XSHG": "600519.SH",
    "600519.SS": "600519.SH",
    "600519.ss": "600519.SH",
    "600519": "600519.SH",
    " 600519 ": "600519.SH",
    "688981": "688981.SH",
    "689009": "689009.SH",
    "900957": "900957.SH",
    "000001.XSHE": "000001.SZ",
    "SZ000001": "000001.SZ",
    "1": "000001.SZ",
    "000001": "000001.SZ",
    "2594": "002594.SZ",
    "300750": "300750.SZ",
    "200011": "200011.SZ",
    "430047.BJ": "430047.BJ",
    "BJ430047": "430047.BJ",
    "bj.430047": "430047.BJ",
    "832000": "832000.BJ",
    "920002": "920002.BJ",
    "920002.BJSE": "920002.BJ",
    "T00018.SH": "T00018.SH",
    "510300.SH": "510300.SH",
}
UNREADABLE = [
    "AAPL",
    "700.HK",
    "00700.HK",
    "600519.SZ",
    "SZ600519",
    "000300.SH",
    "1234567",
    "60051.SH",
    "700001",
    "510300",
    "",
    "600519.XNYS",
    "贵州茅台",
]


@pytest.mark.parametrize(("spelled", "expected"), READABLE.items())
def test_reads_the_usual_spellings_and_is_idempotent(spelled: str, expected: str) -> None:
    once = normalise_cn(pl.Series([spelled]))
    assert once.to_list() == [expected]
    assert normalise_cn(once).to_list() == [expected]


@pytest.mark.parametrize("spelled", UNREADABLE)
def test_leaves_null_what_is_no_share_or_contradicts_itself(spelled: str) -> None:
    assert normalise_cn(pl.Series([spelled, None])).to_list() == [None, None]


def test_keeps_order_nulls_and_repeats() -> None:
    assert normalise_cn(pl.Series(["SZ000001", None, "6", "SZ000001", "600000"])).to_list() == [
        "000001.SZ",
        None,
        "000006.SZ",
        "000001.SZ",
        "600000.SH",
    ]
