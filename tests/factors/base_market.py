"""A small synthetic market with what real data throw at the base: gaps, suspensions, missing figures, stocks without labels."""

from datetime import date
from functools import cache

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.synthetic import market

STOCKS, SESSIONS = 40, 600
Tables = dict[str, pl.DataFrame]


@cache
def tables(seed: int = 3) -> Tables:
    """Tables bars, assets, industries, statements and dividends."""
    made = market(stocks=STOCKS, sessions=SESSIONS, seed=seed, industry_switch=True, end=date(2022, 6, 30)).tables
    out = {name: made[name] for name in ("bars", "assets", "industries", "statements", "dividends")}
    rng = np.random.default_rng([seed, 1])
    out["bars"] = _holes(rng, out["bars"])
    codes = out["bars"]["asset"].unique().sort().to_list()
    finer = (pl.col("scheme") == "syn_l3") & pl.col("asset").is_in(codes[::2])  # a market this small has one level
    code = pl.when(finer).then(pl.col("code") + "b").otherwise("code").alias("code")
    out["industries"] = out["industries"].filter(~pl.col("asset").is_in(codes[5:7])).with_columns(code)
    silent = pl.col("asset").is_in(codes[8:11]) & pl.col("item").is_in(["book_equity", "operating_cash_flow"])
    bare = (pl.col("asset") == codes[11]) & (pl.col("item") == "total_assets")
    out["statements"] = out["statements"].filter(~silent & ~bare)
    return out


def _holes(rng: np.random.Generator, bars: pl.DataFrame) -> pl.DataFrame:
    draw = pl.Series(rng.random(bars.height))
    codes = bars["asset"].unique().sort().to_list()
    long = bars["asset"].is_in(codes[12:14]) & bars["date"].is_between(*_span(bars))  # suspended for months
    bars = bars.filter(~long & (draw > 0.01))
    draw = rng.random(bars.height)
    for low, column in ((0.01, "total_cap"), (0.03, "float_cap"), (0.05, "close"), (0.07, "amount"), (0.09, "ret")):
        bars = bars.with_columns(pl.when(pl.Series((draw > low) & (draw < low + 0.01))).then(None).otherwise(column).alias(column))
    halted = pl.Series((draw > 0.11) & (draw < 0.12))
    return bars.with_columns(volume=pl.when(halted).then(0.0).otherwise("volume"))


def _span(bars: pl.DataFrame) -> tuple[date, date]:
    days = bars["date"].unique().sort()
    return days[200], days[320]


@cache
def dataset(seed: int = 3) -> Dataset:
    """The market behind the border."""
    return Dataset.from_frames(tables(seed))
