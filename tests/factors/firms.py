"""Small random markets with statements and dividends that hold everything real ones throw at a factor; same seed, same tables."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from pureplay.tables import STATEMENT_ITEMS

START = date(2017, 1, 3)
FLOWS = ("revenue", "cost_of_sales", "net_income", "operating_cash_flow")


def firms(seed: int, *, stocks: int = 10, sessions: int = 170, close: bool = True) -> dict[str, pl.DataFrame]:
    """Tables bars, statements and dividends; sessions lie about a week apart so that five fiscal years and stale periods fit in."""
    rng = np.random.default_rng(seed)
    names = [f"S{k:03d}" for k in range(stocks)]
    days = [START + timedelta(days=int(k)) for k in np.cumsum(rng.integers(1, 16, sessions))]
    return {
        "bars": _bars(rng, names, days, close=close),
        "statements": statements(rng, names, days[-1]),
        "dividends": _paid(rng, names, days),
    }


def _bars(rng: np.random.Generator, names: list[str], days: list[date], *, close: bool) -> pl.DataFrame:
    rows = []
    for k, name in enumerate(names):
        cap = 1e9 * rng.uniform(0.5, 2)
        for t, day in enumerate(days):
            cap *= np.exp(rng.normal(0, 0.05))
            if rng.random() < 0.1 or (k == 0 and t < 60) or (k == 1 and t > 110):
                continue  # suspended, not yet listed, delisted
            price = None if rng.random() < 0.05 else round(cap / 1e8, 2)
            rows.append((day, name, rng.normal(0, 0.02), cap, 0.0 if rng.random() < 0.03 else 1e6, price))
    frame = pl.DataFrame(rows, schema=["date", "asset", "ret", "total_cap", "volume", "close"], orient="row")
    return frame if close else frame.drop("close")


def _ends(first: int, last: int) -> list[date]:
    quarters = [(3, 31), (6, 30), (9, 30), (12, 31)]
    return [date(year, month, day) for year in range(first, last + 1) for month, day in quarters]


def statements(rng: np.random.Generator, names: list[str], last: date) -> pl.DataFrame:
    """Quarterly items with lags, restatements (also on the same day), late and missing reports, losses, negative equity, zero assets."""
    rows: list[tuple[str, date, str, int, date, float]] = []
    for k, name in enumerate(names):
        lacks = {"cost_of_sales"} if k % 4 == 2 else {"preferred_equity"} if k % 4 == 3 else set()
        for end in _ends(2011, last.year):
            if rng.random() < 0.06 or (k == 4 and end > date(2018, 9, 30)):
                continue  # a missing quarter; S004 stops reporting
            lag = int(rng.integers(10, 120)) + (int(rng.integers(200, 900)) if rng.random() < 0.06 else 0)
            for item in STATEMENT_ITEMS:
                if item in lacks or rng.random() < 0.05:
                    continue
                published = end + timedelta(days=lag + (int(rng.integers(0, 40)) if rng.random() < 0.1 else 0))
                rows += _versions(rng, (name, end, item), published, k)
    schema = {
        "asset": pl.String,
        "period_end": pl.Date,
        "item": pl.String,
        "revision": pl.Int64,
        "publish_date": pl.Date,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").sample(fraction=1, shuffle=True, seed=int(rng.integers(1 << 30)))


def _versions(
    rng: np.random.Generator, key: tuple[str, date, str], published: date, k: int
) -> list[tuple[str, date, str, int, date, float]]:
    """One to three versions; a later revision may come on the same day, and once in a while is dated before the one it mends."""
    _, end, item = key
    growth = 1.1 ** (end.year - 2011)
    rows = []
    for revision in range(1 + (rng.random() < 0.15) + (rng.random() < 0.05)):
        value = growth * rng.uniform(0.8, 1.2) * 1e8
        if item in FLOWS:
            value *= end.month / 12 * (rng.choice([-1, 1], p=[0.25, 0.75]) if item in FLOWS[2:] else 1)
        elif item == "shares":
            value = 1e8 * rng.uniform(0.9, 1.1)
        elif item == "book_equity" and k == 5:
            value *= rng.choice([-1, 1])
        elif item == "total_assets" and k == 6 and rng.random() < 0.3:
            value = 0.0
        rows.append((*key, revision, published, value))
        published += timedelta(days=int(rng.choice([0, 5, 100, -3 if (published - end).days > 3 else 1])))
    return rows


def _paid(rng: np.random.Generator, names: list[str], days: list[date]) -> pl.DataFrame:
    """Dividends on any day, sessions or not, twice on some years; two stocks never pay; one payer has no bars."""
    rows = [("GONE", days[0] - timedelta(days=100), 0.1)]
    for name in names[2:]:
        for year in range(days[0].year, days[-1].year + 1):
            for _ in range(int(rng.integers(0, 3))):
                rows.append((name, date(year, 1, 1) + timedelta(days=int(rng.integers(0, 365))), round(float(rng.uniform(0, 1)), 3)))
    frame = pl.DataFrame(rows, schema={"asset": pl.String, "ex_date": pl.Date, "cash_per_share": pl.Float64}, orient="row")
    return frame.unique(["asset", "ex_date"], maintain_order=True)
