"""A small market with news and links, what is known of it on a day, and the same market with another future."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.graph.edges import GraphInputs, build_panel, load_inputs
from pureplay.graph.ground import month_ends
from pureplay.graph.settings import GraphSettings
from pureplay.synthetic import market, preset

GRAPH = GraphSettings(trailing_sessions=40, forward_sessions=10)
NEW = "000000.SZ"
"""Code of a stock that lists after the day in `another_future`; it sorts before all others."""


@cache
def data() -> Dataset:
    """80 stocks over 400 sessions, through the checks of the border.

    Some bars are missing, a few boards share a person, and news names the two listings of an issuer.
    """
    made = dict(market(**{**preset("comovement"), "stocks": 80, "sessions": 400, "seed": 3}).tables)
    rng = np.random.default_rng(5)
    made["bars"] = made["bars"].filter(pl.Series(rng.random(made["bars"].height) > 0.03))
    names = made["assets"]["asset"].sort().to_list()
    seats = [(f"person {k % 20}", names[k], date(2020, 1, 1), None, None, "executive") for k in range(60)]
    made["affiliates"] = pl.concat([made["affiliates"], pl.DataFrame(seats, schema=made["affiliates"].schema, orient="row")])
    made["mentions"] = pl.concat([made["mentions"], _news_of_one_issuer(made)])
    tables = ("bars", "assets", "taxonomy", "filings", "segments", "industries", "supply_edges", "disclosed_links", "affiliates")
    news = ("mentions", "index_members", "benchmarks")
    return Dataset.from_frames({name: made[name] for name in (*tables, *news)}, calendar="XSHG", notes={"synthetic": True})


def _news_of_one_issuer(made: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Every 30 days an article that names the two listings of each issuer that has two."""
    twice = made["assets"].filter(pl.col("issuer").is_duplicated())
    moments = made["mentions"]["published_at"].unique().sort()
    rows = [
        {"article": f"twins {k} {line['issuer']}", "asset": line["asset"], "published_at": moments[0] + timedelta(days=30 * k)}
        for k in range(18)
        for line in twice.to_dicts()
    ]
    table = pl.DataFrame(rows, schema_overrides={"published_at": made["mentions"].schema["published_at"]})
    return table.with_columns(source=pl.lit("journal"), kind=pl.lit("news")).select(made["mentions"].columns)


@cache
def inputs(settings: GraphSettings = GRAPH) -> GraphInputs:
    """The whole market read with some settings."""
    return load_inputs(data(), settings)


@cache
def rows() -> tuple[int, ...]:
    """Vintages of the market."""
    return tuple(month_ends(inputs().ground.axes, sessions=GRAPH.trailing_sessions).tolist())


@cache
def panel(settings: GraphSettings = GRAPH, seed: int = 7) -> tuple[Any, pl.DataFrame]:
    """Panel and counts of all vintages."""
    return build_panel(inputs(settings), np.array(rows()), seed=seed)


def day_of(made: GraphInputs, row: int) -> date:
    """Day of a session."""
    day: date = made.ground.axes.sessions.dates[row].astype("datetime64[D]").item()
    return day


def changed(made: Dataset, **tables: pl.DataFrame | None) -> Dataset:
    """The dataset with other tables; None leaves one out. No check runs."""
    kept = {name: frame for name, frame in {**made.tables, **tables}.items() if frame is not None}
    return replace(made, tables=kept, files={})


def another_future(made: Dataset, day: date) -> Dataset:
    """The market as it was up to a day, with everything later made up otherwise: nothing is missing, nothing is the same."""
    old = {name: made.frame(name) for name in made.tables}
    late = day + timedelta(days=1)
    after = pl.col("date") > day
    bars = old["bars"].with_columns(
        ret=pl.when(after).then((pl.col("ret") * 10 + 0.01).clip(-0.9, 5.0)).otherwise("ret"),
        total_cap=pl.when(after).then(pl.col("total_cap") * (1 + pl.col("volume") % 7)).otherwise("total_cap"),
        amount=pl.when(after).then(pl.col("amount") * 9).otherwise("amount"),
    )
    some = old["bars"]["asset"].unique().sort().to_list()
    new = bars.filter(after & (pl.col("asset") == some[0])).with_columns(asset=pl.lit(NEW))
    tables: dict[str, pl.DataFrame | None] = {"bars": pl.concat([bars, new]).sort("date", "asset")}
    tables["mentions"] = _other_news(old["mentions"], day, some)
    lists = pl.col("asset").is_in(some[:10])
    tables["assets"] = old["assets"].with_columns(delist_date=pl.when(lists).then(pl.lit(late)).otherwise("delist_date"))
    tables["segments"] = old["segments"].with_columns(
        revenue=pl.when(pl.col("publish_date") > day).then(pl.col("revenue") * (1 + pl.int_range(pl.len()) % 5)).otherwise("revenue")
    )
    for name in ("supply_edges", "affiliates", "industries", "taxonomy", "index_members"):
        frame = old[name].filter(pl.col("start_date").is_null() | (pl.col("start_date") <= day))
        ends = pl.col("end_date").is_null() | (pl.col("end_date") > day)
        tables[name] = frame.with_columns(end_date=pl.when(ends).then(pl.lit(late)).otherwise("end_date"))
    tables["disclosed_links"] = pl.concat(
        [
            old["disclosed_links"].filter(pl.col("publish_date") <= day),
            pl.DataFrame(
                [(some[i], some[j], late, day, 1.0, kind) for i in range(12) for j in range(12) if i != j for kind in ("ongoing", "bid")],
                schema=old["disclosed_links"].schema,
                orient="row",
            ),
        ]
    )
    return changed(made, **tables)


def _other_news(old: pl.DataFrame, day: date, names: list[str]) -> pl.DataFrame:
    """Known articles name more stocks later, and the news of the next day names the first stocks in pairs."""
    moment = datetime.combine(day + timedelta(days=1), time(1), tzinfo=UTC)
    known = old.filter(pl.col("published_at") < datetime.combine(day + timedelta(days=1), time(0), tzinfo=UTC))
    again = known.unique("article").with_columns(asset=pl.lit(names[1]), published_at=pl.lit(moment, dtype=old.schema["published_at"]))
    again = again.join(known, on=["article", "asset"], how="anti")
    made = [{"article": f"later {i} {j}", "asset": names[k]} for i in range(12) for j in range(i) for k in (i, j)]
    fresh = pl.DataFrame(made).with_columns(
        published_at=pl.lit(moment, dtype=old.schema["published_at"]), source=pl.lit("later"), kind=pl.lit("news")
    )
    return pl.concat([known, again.select(old.columns), fresh.select(old.columns)])


def codes(made: GraphInputs, column: np.ndarray) -> list[str]:
    """Codes of columns: numbers of columns mean nothing in another cut of the data."""
    return [made.ground.axes.assets[each] for each in column.tolist()]


def same(one: Mapping[str, Any] | np.ndarray, other: Any) -> bool:
    """Whether arrays, or arrays by name, have the same type and the same bits."""
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())
    return set(one) == set(other) and all(same(value, other[name]) for name, value in one.items())
