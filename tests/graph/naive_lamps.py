"""Random markets with links between their firms, and every lamp of a pair again in plain Python, straight from the definitions."""

import calendar
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.graph.settings import GraphSettings
from pureplay.panel import Axes
from pureplay.products.mix import filed_lines
from pureplay.sessions import sessions_between

FIRST, SESSIONS = date(2020, 1, 1), 700
NAMES = tuple(f"S{number:02d}" for number in range(18))
SCHEMES = ("coarse", "fine", "finest")
Row = dict[str, Any]


def small_axes(names: tuple[str, ...] = NAMES) -> Axes:
    """Weekdays from the first of 2020."""
    days = np.arange(np.datetime64(FIRST), np.datetime64(FIRST) + SESSIONS)
    return Axes(sessions_between(days[np.is_busday(days)], "bars"), names)


def day_of(axes: Axes, row: int) -> date:
    return axes.sessions.dates[row].astype(object)


def table(rows: list[Row], **schema: Any) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def dated(rng: np.random.Generator, *, empty: float = 0.4) -> tuple[date, date | None]:
    start = FIRST + timedelta(days=int(rng.integers(-200, SESSIONS)))
    return start, None if rng.random() < empty else start + timedelta(days=int(rng.integers(1, 400)))


def taxonomy(rows: list[tuple[str, str | None, date | None, date | None]]) -> pl.DataFrame:
    return table(
        [dict(zip(("product", "parent", "start_date", "end_date"), row, strict=True)) for row in rows],
        product=pl.String,
        parent=pl.String,
        start_date=pl.Date,
        end_date=pl.Date,
    )


def segments(rows: list[tuple[str, date, date, int, dict[str, float]]]) -> pl.DataFrame:
    """Of filings: asset, period_end, publish_date, revision, revenue by product."""
    return table(
        [
            {"asset": a, "period_end": end, "revision": number, "publish_date": day, "kind": "product", "product": node, "revenue": amount}
            for a, end, day, number, mix in rows
            for node, amount in mix.items()
        ],
        asset=pl.String,
        period_end=pl.Date,
        revision=pl.Int64,
        publish_date=pl.Date,
        kind=pl.String,
        product=pl.String,
        revenue=pl.Float64,
    )


def supply(rows: list[tuple[str, str, date, date | None, bool]]) -> pl.DataFrame:
    names = ("supplier_product", "customer_product", "start_date", "end_date", "is_core")
    kinds = (pl.String, pl.String, pl.Date, pl.Date, pl.Boolean)
    return table([dict(zip(names, row, strict=True)) for row in rows], **dict(zip(names, kinds, strict=True)))


def links(rows: list[tuple[str, str, date, str]]) -> pl.DataFrame:
    names = ("supplier", "customer", "publish_date", "kind")
    found = table(
        [dict(zip(names, row, strict=True)) for row in rows], supplier=pl.String, customer=pl.String, publish_date=pl.Date, kind=pl.String
    )
    return found.with_columns(period_end=pl.lit(None, dtype=pl.Date), amount=pl.lit(1000.0))


def stakes(rows: list[tuple[str, str, date, date | None, float | None, str]]) -> pl.DataFrame:
    names = ("owner", "owned", "start_date", "end_date", "stake", "kind")
    kinds = (pl.String, pl.String, pl.Date, pl.Date, pl.Float64, pl.String)
    return table([dict(zip(names, row, strict=True)) for row in rows], **dict(zip(names, kinds, strict=True)))


def labels(rows: list[tuple[str, str, date, date | None, str]]) -> pl.DataFrame:
    names = ("asset", "scheme", "start_date", "end_date", "code")
    kinds = (pl.String, pl.String, pl.Date, pl.Date, pl.String)
    return table([dict(zip(names, row, strict=True)) for row in rows], **dict(zip(names, kinds, strict=True)))


def random_tree(rng: np.random.Generator) -> pl.DataFrame:
    """Four levels; some nodes begin or end midway, some children before their parent."""
    rows: list[tuple[str, str | None, date | None, date | None]] = []
    level: list[str | None] = [None]
    for depth in range(4):
        below: list[str | None] = []
        for parent in level:
            for number in range(2 if depth else 3):
                node = f"{parent or 'N'}{number}"
                start, end = dated(rng)
                rows.append((node, parent, start if rng.random() < 0.15 else None, end if rng.random() < 0.1 else None))
                below.append(node)
        level = [each for each in below if rng.random() < 0.7]
    return taxonomy(rows)


def random_market(seed: int) -> Dataset:
    """Every table of links, with rows on unknown assets and products, owners in a circle and labels that end."""
    rng = np.random.default_rng(seed)
    tree = random_tree(rng)
    nodes = tree["product"].to_list()
    filed = []
    for name in NAMES[:-1]:
        for end in (date(2019, 6, 30), date(2019, 12, 31), date(2020, 6, 30), date(2020, 12, 31)):
            for revision in range(int(rng.choice([0, 1, 2], p=[0.2, 0.6, 0.2]))):
                mix = {str(node): float(rng.choice([1, 3, 10, 30])) for node in rng.choice(nodes, 3)}
                filed.append((name, end, end + timedelta(days=int(rng.integers(20, 160))), revision, mix | {"unmapped": 5.0}))
    who = [*NAMES, "ELSEWHERE"]
    owners = [*NAMES[:8], "H1", "H2", "H3", "H4"]

    def pick(names: list[str]) -> str:
        return str(rng.choice(names))

    held = [
        (
            pick(owners),
            pick([*who, "H1", "H2"]),
            *dated(rng),
            None if rng.random() < 0.1 else float(rng.choice([0.02, 0.05, 0.2, 0.6, 1.4])),
        )
        for _ in range(40)
    ]
    boards = [(pick(["P1", "P2", "S01"]), pick(who), *dated(rng), None, "executive") for _ in range(10)]
    return Dataset(
        tables={
            "taxonomy": tree,
            "segments": segments(filed),
            "supply_edges": supply([(pick([*nodes, "NOWHERE"]), pick(nodes), *dated(rng), bool(rng.random() < 0.6)) for _ in range(12)]),
            "disclosed_links": links([(pick(who), pick(who), dated(rng)[0], pick(["ongoing", "bid"])) for _ in range(60)]),
            "affiliates": stakes([(*row, "ownership") for row in held] + boards),
            "assets": pl.DataFrame({"asset": NAMES, "issuer": ["one" if number in (3, 11) else None for number in range(len(NAMES))]}),
            "industries": labels([(pick(list(NAMES)), scheme, *dated(rng), pick(["x", "y"])) for scheme in SCHEMES for _ in range(120)]),
        },
        calendar="bars",
    )


def months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class Naive:
    """All that is known on one day, in dictionaries and sets."""

    def __init__(self, data: Dataset, day: date, settings: GraphSettings) -> None:
        self.data, self.day, self.settings = data, day, settings
        self.parent = {row["product"]: row["parent"] for row in data.frame("taxonomy").to_dicts()}
        self.dates = {row["product"]: (row["start_date"], row["end_date"]) for row in data.frame("taxonomy").to_dicts()}
        self.filings: dict[tuple[Any, ...], list[Row]] = {}
        for line in filed_lines(data).to_dicts():
            key = (line["asset"], line["period_end"], line["publish_date"], line["revision"])
            self.filings.setdefault(key, []).append(line)

    def up(self, node: str | None) -> Iterator[str]:
        """The node and all above it."""
        while node is not None:
            yield node
            node = self.parent[node]

    def begun(self, node: str, day: date) -> bool:
        return all((self.dates[each][0] or date.min) <= day for each in self.up(node))

    def counts(self, node: str) -> bool:
        return self.begun(node, self.day) and self.day <= (self.dates[node][1] or date.max)

    def active(self, asset: str) -> tuple[Any, ...] | None:
        usable = []
        for key in self.filings:
            _, end, published, revision = key
            fresh = self.settings.stale_months is None or self.day < months_later(published, self.settings.stale_months)
            if key[0] == asset and published + timedelta(days=self.settings.buffer_days) <= self.day and fresh:
                usable.append((end, published, revision, key))
        return max(usable)[3] if usable else None

    @cache  # noqa: B019 - lives as long as one test
    def reported(self, asset: str) -> dict[str, float]:
        """Shares at the nodes of the lines."""
        key = self.active(asset)
        lines = [] if key is None else self.filings[key]
        known = [line for line in lines if line["product"] in self.parent and self.begun(line["product"], line["publish_date"])]
        return {line["product"]: line["revenue"] / line["total"] for line in known}

    @cache  # noqa: B019 - lives as long as one test
    def shares(self, asset: str) -> dict[str, float]:
        """Share at or below every node that counts."""
        out: dict[str, float] = {}
        for node, share in self.reported(asset).items():
            for each in self.up(node):
                out[each] = out.get(each, 0.0) + share
        return {node: share for node, share in out.items() if self.counts(node)}

    @cache  # noqa: B019 - lives as long as one test
    def nodes(self, asset: str) -> set[str]:
        return {node for node, share in self.shares(asset).items() if share >= self.settings.min_share - 1e-12}

    @cache  # noqa: B019 - lives as long as one test
    def label(self, asset: str, scheme: str) -> str | None:
        found = [
            (row["start_date"], row["code"])
            for row in self.data.frame("industries").to_dicts()
            if row["asset"] == asset and row["scheme"] == scheme and row["start_date"] <= self.day < (row["end_date"] or date.max)
        ]
        return max(found)[1] if found else None

    def depth(self, one: str, other: str) -> int:
        if self.settings.schemes:
            mine, yours = ([self.label(name, scheme) for scheme in self.settings.schemes] for name in (one, other))
            if mine[0] is None or yours[0] is None:
                return -1
            agree = [x is not None and x == y for x, y in zip(mine, yours, strict=True)]
            return agree.index(False) if False in agree else len(agree)
        if not self.shares(one) or not self.shares(other):
            return -1
        return max((len(list(self.up(node))) for node in self.nodes(one) & self.nodes(other)), default=0)

    @cache  # noqa: B019 - lives as long as one test
    def deepest(self) -> int:
        if self.settings.schemes:
            return len(self.settings.schemes)
        return max((len(list(self.up(node))) for node in self.parent if self.counts(node)), default=0)

    def cosine(self, one: str, other: str) -> float:
        mine, yours = ({node: x for node, x in self.reported(name).items() if self.counts(node)} for name in (one, other))
        size = sum(x * x for x in mine.values()) ** 0.5 * sum(x * x for x in yours.values()) ** 0.5
        return sum(x * yours.get(node, 0.0) for node, x in mine.items()) / size if size > 0 else 0.0

    def deep(self, one: str, other: str) -> bool:
        if self.settings.deep_peer == "cosine":
            return self.cosine(one, other) >= self.settings.min_cosine - 1e-12
        return self.depth(one, other) >= max(1, min(self.settings.deep_depth, self.deepest()))

    def chain(self, one: str, other: str) -> bool:
        mine, yours = self.nodes(one), self.nodes(other)
        for row in self.data.frame("supply_edges").to_dicts():
            up, down = row["supplier_product"], row["customer_product"]
            if (
                self.now(row)
                and (row["is_core"] or not self.settings.core_only)
                and ((up in mine and down in yours) or (up in yours and down in mine))
            ):
                return True
        return False

    def now(self, row: Mapping[str, Any]) -> bool:
        return row["start_date"] <= self.day < (row["end_date"] or date.max)

    def link(self, one: str, other: str, kind: str) -> bool:
        return any(
            {row["supplier"], row["customer"]} == {one, other}
            and row["kind"] == kind
            and row["publish_date"] <= self.day < months_later(row["publish_date"], 12 * self.settings.disclosed_years)
            for row in self.data.frame("disclosed_links").to_dicts()
        )

    @cache  # noqa: B019 - lives as long as one test
    def holdings(self, owner: str) -> set[str]:
        """What an owner holds itself or through the companies that it controls, however many lie between."""
        rows = [
            row
            for row in self.data.frame("affiliates").to_dicts()
            if self.now(row) and row["kind"] == "ownership" and row["owner"] != row["owned"]
        ]
        group = {owner}
        for _ in rows:
            group |= {row["owned"] for row in rows if row["owner"] in group and row["stake"] is not None and row["stake"] > 0.5}
        return {row["owned"] for row in rows if row["owner"] in group and (row["stake"] is None or row["stake"] >= self.settings.min_stake)}

    def affiliate(self, one: str, other: str) -> bool:
        rows = self.data.frame("affiliates").to_dicts()
        if other in self.holdings(one) or one in self.holdings(other):
            return True
        if any({one, other} <= self.holdings(owner) for owner in {row["owner"] for row in rows}):
            return True
        seats = {(row["owner"], row["owned"]) for row in rows if row["kind"] == "executive" and self.now(row)}
        if self.settings.interlocks and any((person, one) in seats and (person, other) in seats for person, _ in seats):
            return True
        issuer = dict(self.data.frame("assets").iter_rows())
        return issuer[one] is not None and issuer[one] == issuer[other]
