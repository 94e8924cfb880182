"""What passes between the parts of a portfolio: wanted weights, the market as it lets one trade, the account day by day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pureplay.panel import BoolArray, FloatArray

__all__ = ["BLOCKED", "Books", "Holdings", "Tape", "Targets", "Terms"]

RowArray = npt.NDArray[np.int64]
AssetArray = npt.NDArray[np.int32]

BLOCKED: Final = ("suspended", "limit_up", "limit_down", "not_enterable", "settlement", "participation")
"""Why an order is not filled in full, in this order of precedence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Wanted weights at every rebalance, sparse.

    Rebalance k is decided at the close of session row `rows[k]` for the account of grid offset `offsets[k]`; its names are
    assets[starts[k]:starts[k + 1]], each once, ascending, with weights of the same positions.

    Weights above 0 belong to the long leg and sum to 1, weights below 0 to the short leg and sum to -1 (no short leg: none below 0). Rows
    ascend within an offset. skipped: decision rows that should have been a rebalance and were none, with the reason.
    """

    rows: RowArray
    offsets: RowArray
    starts: RowArray
    assets: AssetArray
    weights: FloatArray
    skipped: Mapping[str, RowArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """What the market gives and allows on each session; blocks (sessions, assets), series (sessions,).

    returns: total simple return, NaN where the stock did not trade. tradable: it traded. at_upper, at_lower: it closed at its upper (lower)
    price limit, so nothing can be bought (sold) there. enterable: a position may be opened or enlarged. shorting: short positions may be
    opened or enlarged. buy_rate, sell_rate: cost of a trade as a decimal of its value: fees, duty, commission and slippage. borrow_rate:
    decimal of the short value, a session. settlement: sessions that a bought share must be held. last_session: index of the last session
    before a name is paid out as delisted, at least `sessions` where it never is. payout: return that a delisted name pays on its last
    value. liquidity: mean traded value known before the session (0 = nothing can be traded under a limit on participation, and no impact
    without one), volatility: daily return volatility known before it. None switches limits on participation and impact off; so does NaN
    for a name, which a tape that was loaded has only on sessions before which nothing is known of any name.
    """

    returns: FloatArray
    tradable: BoolArray
    at_upper: BoolArray
    at_lower: BoolArray
    enterable: BoolArray
    shorting: BoolArray
    buy_rate: FloatArray
    sell_rate: FloatArray
    borrow_rate: FloatArray
    settlement: RowArray
    last_session: RowArray
    payout: FloatArray
    liquidity: FloatArray | None
    volatility: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Terms of an account; names as in `PortfolioSettings`. long_exposure, short_exposure: value of each leg over the account.

    participation: inf = no limit. write_off_sessions: 0 = never. write_off_return: what a written-off name pays on its last value.
    """

    capital: float
    long_exposure: float
    short_exposure: float
    delay_sessions: int
    spread_limit: float
    retry_sessions: int
    participation: float
    impact: float
    write_off_sessions: int
    write_off_return: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Accounts day by day, one a grid offset: blocks (accounts, sessions), money in the currency of the capital.

    offsets: (accounts,). value: of the account at the close after trades and costs, NaN before the account is opened, 0 from the day on
    which nothing is left. pnl: gain of the session before costs, NaN where value is, 0 on the day of opening. fees, impact, borrow: costs
    of the session. cash; long_value, short_value: positions at the close, the short one as a positive number; long_names, short_names: how
    many. traded: value bought plus sold. rebalanced: a rebalance was traded on the session. turned: one-way turnover of the session as a
    share of the exposure wanted, ½ × traded / (long + short exposure × value before trades); retries count. blocked: orders not filled in
    full on a session of a rebalance or retry, (accounts, sessions, len(BLOCKED)), and blocked_value what stayed undone. closed_out: session
    index on which a long-short account was wound up because shorting was no longer allowed, -1 where it was not. delisted, written_off:
    names paid out, (accounts, sessions).
    """

    offsets: RowArray
    value: FloatArray
    pnl: FloatArray
    fees: FloatArray
    impact: FloatArray
    borrow: FloatArray
    cash: FloatArray
    long_value: FloatArray
    short_value: FloatArray
    long_names: RowArray
    short_names: RowArray
    traded: FloatArray
    turned: FloatArray
    rebalanced: BoolArray
    blocked: RowArray
    blocked_value: FloatArray
    closed_out: RowArray
    delisted: RowArray
    written_off: RowArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """Positions of one account: rows by session then asset, where a position is held at the close or was traded on the session.

    row, asset: indices. value: signed, at the close after trades. trade: signed value bought (above 0) or sold on the session. cost: fees
    and impact of the trade. payout: paid into cash for a name that was delisted or written off on the session (0 elsewhere).
    """

    row: RowArray
    asset: AssetArray
    value: FloatArray
    trade: FloatArray
    cost: FloatArray
    payout: FloatArray
