"""Five stocks over six sessions around the cut of the stamp duty on 2023-08-28, and their account worked out in decimals.

Two trades meet something: C closes at its upper limit on the day on which it is to be bought, B does not trade on the day on which it is
to be reduced. Both are tried again a session later. D is delisted with 28 August as its last day.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, localcontext
from typing import Final

import polars as pl

from pureplay.dataset import Dataset
from pureplay.evaluate.portfolio.settings import PortfolioSettings

A, B, C, D, E = (f"60000{k}.SH" for k in range(5))
DAYS: Final = (date(2023, 8, 23), date(2023, 8, 24), date(2023, 8, 25), date(2023, 8, 28), date(2023, 8, 29), date(2023, 8, 30))
RETURNS: Final[Mapping[str, tuple[str | None, ...]]] = {
    A: ("0.004", "0.01", "-0.02", "0.005", "0.01", "-0.03"),
    B: ("-0.01", "0.02", "-0.015", None, "0.03", "0.01"),
    C: ("0", "0.10", "0.02", "-0.04", "0.01", "0.02"),
    D: ("0.01", "-0.005", "-0.01", "-0.06", None, None),
    E: ("0.02", "0.01", "0.03", "-0.01", "0.02", "0.015"),
}
WEIGHTS: Final = {0: {A: 0.3, B: 0.3, C: 0.2, D: 0.2}, 2: {A: 0.2, B: 0.2, D: 0.2, E: 0.4}, 4: {A: 0.5, E: 0.5}}
ONE: Final = Decimal(1)


def dataset() -> Dataset:
    """Bars without limits of their own, so that close, return and the dated rule of the main board say where a limit was reached."""
    rows = []
    for name, returns in RETURNS.items():
        price = Decimal(10)
        for day, change in zip(DAYS, returns, strict=True):
            if change is None:
                continue
            price *= ONE + Decimal(change)
            rows.append(
                {"date": day, "asset": name, "ret": float(change), "close": float(round(price, 2)), "total_cap": float(price) * 1e8}
            )
    assets = {
        "asset": list(RETURNS),
        "list_date": [date(2010, 3, 1)] * 5,
        "delist_date": [date(2023, 8, 28) if name == D else None for name in RETURNS],
    }
    return Dataset.from_frames({"bars": pl.DataFrame(rows), "assets": pl.DataFrame(assets)}, calendar="XSHG")


def weights() -> pl.DataFrame:
    rows = [(DAYS[row], name, share) for row, wanted in WEIGHTS.items() for name, share in wanted.items()]
    return pl.DataFrame(rows, schema=["date", "asset", "weight"], orient="row")


def settings(*, commission_bps: float, slippage_bps: float) -> PortfolioSettings:
    return PortfolioSettings(
        kind="long_only",
        capital=1e6,
        min_leg_names=1,
        impact=0.0,
        participation=None,
        spread_limit=1.0,
        retry_sessions=1,
        commission_bps=commission_bps,
        slippage_bps=slippage_bps,
    )


def values(extra: Decimal) -> dict[date, Decimal]:
    """The account at every close from the first trade on. extra: commission and slippage a side.

    Rates, by the notices that the rules cite: transfer 0.001 %, handling 0.00487 % and from 28 August 0.00341 %, regulatory 0.002 %, on
    both sides; stamp duty on sales 0.1 %, from 28 August 0.05 %.
    """
    with localcontext() as context:
        context.prec = 40
        return _values(extra)


def _values(extra: Decimal) -> dict[date, Decimal]:
    grow = {name: [ONE + Decimal(each or "0") for each in returns] for name, returns in RETURNS.items()}
    buy_old = extra + Decimal("0.00001") + Decimal("0.0000487") + Decimal("0.00002")
    buy = extra + Decimal("0.00001") + Decimal("0.0000341") + Decimal("0.00002")
    sell = buy + Decimal("0.0005")
    out = {}

    # 24 August: bought from cash, but for C at its limit. What the weights share is the account after costs: X = 1 000 000 - cost,
    # cost = rate × 0.8 X.
    x = Decimal(1_000_000) / (ONE + buy_old * Decimal("0.8"))
    a, b, d = Decimal("0.3") * x, Decimal("0.3") * x, Decimal("0.2") * x
    cash = Decimal("0.2") * x  # the room of C; nothing is spread, spread_limit being 1
    out[DAYS[1]] = a + b + d + cash

    # 25 August: C is bought, one fifth of the account after costs: c = 0.2 (V - rate × c), which the cash can pay, the others being down.
    a, b, d = a * grow[A][2], b * grow[B][2], d * grow[D][2]
    worth = a + b + d + cash
    c = Decimal("0.2") * worth / (ONE + Decimal("0.2") * buy_old)
    assert c * (ONE + buy_old) < cash
    cash -= c * (ONE + buy_old)
    out[DAYS[2]] = a + b + c + d + cash

    # 28 August: B does not trade and keeps its value, more than its fifth. The other weights, 0.8 in all, share what it leaves: 0.8 k =
    # V - cost - b, with sales of A, C and D and a purchase of E: cost = sell × (a - 0.2 k + c + d - 0.2 k) + buy × 0.4 k.
    a, c, d = a * grow[A][3], c * grow[C][3], d * grow[D][3]
    worth = a + b + c + d + cash
    k = (worth - b - sell * (a + c + d)) / (Decimal("0.8") + Decimal("0.4") * buy - Decimal("0.4") * sell)
    fifth, two = Decimal("0.2") * k, Decimal("0.4") * k
    assert a > fifth
    assert d > fifth
    after = worth - sell * (a + c + d - 2 * fifth) - buy * two
    assert b > Decimal("0.2") * after
    a, c, d, e = fifth, Decimal(0), fifth, two
    cash = after - a - b - d - e  # 0 but for the last digits
    out[DAYS[3]] = after

    # 29 August: D is paid out at its last value. B trades again and is reduced to its weight of the account after costs, which the cash of
    # D leaves room for: p = 0.2 (V - sell × (b - p)).
    share = Decimal("0.2")
    cash += d
    a, b, e = a * grow[A][4], b * grow[B][4], e * grow[E][4]
    worth = a + b + e + cash
    p = share * (worth - sell * b) / (ONE - share * sell)
    assert p < b
    cash += (b - p) * (ONE - sell)
    b = p
    out[DAYS[4]] = a + b + e + cash

    # 30 August: half A, half E, from the cash and the rest of B: X = V - sell × b - buy × (X - a - e).
    a, b, e = a * grow[A][5], b * grow[B][5], e * grow[E][5]
    x = (a + b + e + cash - sell * b + buy * (a + e)) / (ONE + buy)
    assert x / 2 > a
    assert x / 2 > e
    out[DAYS[5]] = x
    return out
