"""A small market whose industry scheme is reformed on 2021-07-30: new codes sort in between the 28 old ones."""

from datetime import date
from functools import cache

import polars as pl

from tests.signals.markets import Tables, market

REFORM = date(2021, 7, 30)
STOCKS = 90


@cache
def tables() -> Tables:
    """Tables of `market` with labels of one scheme; a third of the stocks never has one."""
    rows = []
    for k in range(STOCKS):
        old = (k * 11) % 28
        if k % 3 == 1:
            continue
        moves = k % 4 == 0
        rows.append((f"S{k:03d}", "one", date(2010, 1, 1), REFORM if moves else None, f"c{old:02d}"))
        if moves:
            rows.append((f"S{k:03d}", "one", REFORM, None, f"c{(old * 5) % 28:02d}b"))
    types = {"asset": pl.String, "scheme": pl.String, "start_date": pl.Date, "end_date": pl.Date, "code": pl.String}
    return market(5, stocks=STOCKS, sessions=95) | {"industries": pl.DataFrame(rows, schema=types, orient="row")}
