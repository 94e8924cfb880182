"""Stories made by hand: hypothetical pairs and neighbourhoods, deterministic."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from pureplay.graph.story_records import ARTICLES, DAILY, EVIDENCE, LINKS, PEERS, Neighbourhood, PairStory
from tests.reports.factory import weekdays

NAMES = ("Copper Foil Holdings", "贵州茅台", "Ningbo Precision Casting and Forging Group", None, "中国平安保险", "Lithium One")


def peer(n: int, **changes: Any) -> dict[str, Any]:
    """The peer of rank n + 1: lamps in turn, every seventh with two, every fifth dark, a few without an entry in the tree."""
    lamps = [False] * 4
    kind = n % 5
    if kind < 4:
        lamps[kind] = True
        lamps[(kind + 1) % 4] |= n % 7 == 0
    lit, mapped = any(lamps), n % 20 != 19
    made: dict[str, Any] = dict(zip(("lamp_deep_peer", "lamp_sam_chain", "lamp_disclosed", "lamp_affiliate"), lamps, strict=True))
    made |= {"peer": f"{600000 + 7 * n}.SH", "name": NAMES[n % len(NAMES)], "rank": n + 1, "trailing_corr": 0.72 - 0.9 * n / (n + 30)}
    made |= {"expected_fwd_corr": 0.6 - 0.7 * n / (n + 40), "comention_strength": float(1 + n % 9), "comention_days": 1 + n % 6}
    made |= {"peer_depth": (5 if lamps[0] else n % 4) if mapped else None, "lamp_product_peer": lamps[0], "industry": f"sector {n % 6}"}
    made |= {"confirmed": lit, "dark": not lit and mapped}
    return {**made, **changes}


def around(number: int = 50, **changes: Any) -> Neighbourhood:
    """A stock with that many peers, each linked with a few others."""
    frame = pl.DataFrame([peer(n) for n in range(number)], schema=PEERS)
    codes = frame["peer"].to_list()
    rows = [
        {"a": codes[i], "b": codes[j], "trailing_corr": 0.2, "confirmed": (i + j) % 2 == 0, "dark": (i + j) % 2 == 1}
        for i in range(number)
        for j in range(i + 1, number)
        if (i * j) % 17 == 3
    ]
    made = Neighbourhood(
        asset="600519.SH",
        name="贵州茅台酒",
        date=date(2024, 6, 28),
        synthetic=True,
        total=number,
        peers=frame,
        links=pl.DataFrame(rows, schema=LINKS),
    )
    return replace(made, **changes)


def daily(*, loud: bool = False, forward: bool = True) -> pl.DataFrame:
    """90 trailing and 60 forward sessions of standardised waves; on one trailing day both jump where `loud`."""
    days = weekdays(150)
    rows = []
    for k, day in enumerate(days if forward else days[:90]):
        a, b = math.sin(1.7 * k), 0.6 * math.sin(1.7 * k) + 0.8 * math.cos(2.3 * k)
        if loud and k < 90:
            a, b = (7.0, 6.0) if k == 41 else (0.2 * a, 0.2 * math.cos(2.3 * k))
        gap = k in (10, 11, 100)
        rows.append(
            {"date": day, "window": "trailing" if k < 90 else "forward", "z_a": None if gap else a, "z_b": b}
            | {"ret_a": None if gap else 0.02 * a, "ret_b": 0.015 * b}
        )
    return pl.DataFrame(rows, schema=DAILY)


def lines() -> pl.DataFrame:
    """Evidence on every lamp, two of them lit."""
    rows = [
        ("product_peer", True, "both in P3 (Copper foil) at depth 5: 600000.SH 61.0% (…), 600519.SH 22.0% (…)", date(2024, 4, 30)),
        ("deep_peer", True, "both in P3 (Copper foil) at depth 5: 600000.SH 61.0% (…), 600519.SH 22.0% (…)", date(2024, 4, 30)),
        ("chain", False, "no input edge between their products", None),
        (
            "disclosed",
            True,
            "600000.SH supplies 600519.SH, amount 1,200,000, period to 2023-12-31, published 2024-03-28",
            date(2024, 3, 28),
        ),
        ("affiliate", False, "no stake, owner or issuer in common", None),
        ("bid", False, "no bid", None),
    ]
    return pl.DataFrame(rows, schema=EVIDENCE, orient="row")


def written() -> pl.DataFrame:
    """Three articles, the first with an address."""
    rows = [
        ("https://news.example/a?x=1&y=2", datetime(2024, 6, 27, 8, 30, tzinfo=UTC), "daily", date(2024, 6, 28), 3),
        ("N0017", datetime(2024, 6, 3, 1, 0, tzinfo=UTC), None, date(2024, 6, 3), 2),
        ("javascript:alert(1)", datetime(2024, 5, 6, 1, 0, tzinfo=UTC), "portal", date(2024, 5, 6), 12),
    ]
    return pl.DataFrame(rows, schema=ARTICLES, orient="row")


def pair(**changes: Any) -> PairStory:
    """A confirmed pair with both windows."""
    made = PairStory(
        a="600000.SH",
        b="600519.SH",
        name_a="Copper Foil Holdings",
        name_b="贵州茅台",
        date=date(2021, 10, 1),
        synthetic=True,
        confirmed=True,
        dark=False,
        mapped=True,
        articles=written(),
        evidence=lines(),
        trailing_corr=None,
        trailing_overlap=88,
        forward_corr=None,
        forward_overlap=59,
        expected_fwd_corr=0.31,
        daily=daily(),
        comention_strength=3.0,
        comention_days=3,
    )
    made = replace(made, **changes)
    sums = dict(made.contributions().group_by("window").agg(pl.col("contribution").sum()).iter_rows())
    figures = {"trailing_corr": sums["trailing"], "forward_corr": sums.get("forward")}
    if "forward" not in sums:
        figures["forward_overlap"] = None
    return replace(made, **{**figures, **changes})
