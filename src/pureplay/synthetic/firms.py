"""Issuers and their listings: boards, codes, listing and delisting, price limits, and what stays with a stock for life."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.settings import FloatArray, IntArray, Settings

__all__ = ["FREE_SESSIONS", "Firms", "assets_table", "draw_firms", "limit_percent"]

BOARDS: Final = ("main", "star", "chinext", "beijing")
OPENED: Final = np.array(["1990-12-19", "2019-07-22", "2009-10-30", "2021-11-15"], dtype="datetime64[D]")
LISTING_WEIGHT: Final = (0.50, 0.22, 0.22, 0.06)
LIMITS: Final = (
    (0, date(1996, 12, 16), 10),
    (1, date(2019, 7, 22), 20),
    (2, date(2009, 10, 30), 10),
    (2, date(2020, 8, 24), 20),
    (3, date(2021, 11, 15), 30),
)
"""(board, from, percent) of METHODS section 8, without ST and the special rules of the first day."""
FREE_SESSIONS: Final = 5
"""Sessions after listing without a price limit."""
SECOND_LISTINGS: Final = 0.02
LISTED_IN_SAMPLE: Final = 0.35
DELISTED: Final = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Firms:
    """Arrays over assets in order of their codes, except where the name says issuer.

    listed_at: session of the first bar, -1 for stocks listed before the sample; delisted_at: session of the last bar, or the
    number of sessions. twin: the first listing of a second listing, otherwise the asset itself.
    """

    asset: list[str]
    issuer: IntArray
    issuers: int
    board: IntArray
    twin: IntArray
    list_date: NDArray[np.datetime64]
    listed_at: IntArray
    delisted_at: IntArray
    price: FloatArray
    shares: FloatArray
    float_shares: FloatArray
    beta: FloatArray
    volatility: FloatArray
    turnover: FloatArray
    delayed: FloatArray

    @property
    def homes(self) -> IntArray:
        """First listing of each issuer, as a number of an asset."""
        first = np.flatnonzero(self.twin == np.arange(self.twin.size))
        home = np.empty(self.issuers, dtype=np.int64)
        home[self.issuer[first]] = first
        return home


def draw_firms(rng: np.random.Generator, settings: Settings, days: NDArray[np.datetime64]) -> Firms:
    """Draw all securities; second listings belong to seasoned issuers that stay listed."""
    second = round(SECOND_LISTINGS * settings.stocks)
    issuers = settings.stocks - second
    list_date, listed_at = _draw_listings(rng, issuers, second, days)
    delisted_at = _draw_delistings(rng, listed_at, second, days.size)
    board = _draw_boards(rng, list_date, second)
    issuer = np.concatenate([np.arange(issuers), np.arange(second)])
    codes = _code_assets(board, second)
    order = np.argsort(np.array(codes))
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    cap, price = _draw_caps(rng, listed_at, issuer)
    shares = np.maximum(np.rint(cap / price / 100) * 100, 100.0)
    lasting = _draw_lasting(rng, settings, issuer)
    free = rng.uniform(0.3, 1.0, settings.stocks)
    return Firms(
        asset=[codes[k] for k in order.tolist()],
        issuer=issuer[order],
        issuers=issuers,
        board=board[issuer[order]],
        twin=rank[issuer[order]],
        list_date=list_date[issuer[order]],
        listed_at=listed_at[issuer[order]],
        delisted_at=delisted_at[issuer[order]],
        price=price[order],
        shares=shares[order],
        float_shares=np.maximum(np.rint(shares * free / 100) * 100, 100.0)[order],
        beta=lasting[0][order],
        volatility=lasting[1][order],
        turnover=lasting[2][order],
        delayed=lasting[3][order],
    )


def _draw_listings(
    rng: np.random.Generator, issuers: int, second: int, days: NDArray[np.datetime64]
) -> tuple[NDArray[np.datetime64], IntArray]:
    seasoned = days[0] - np.rint(rng.uniform(200, 6000, issuers)).astype("timedelta64[D]")
    seasoned = np.maximum(seasoned, np.datetime64("1990-12-19"))
    at = rng.integers(1, days.size - 10, issuers)
    # The chance is raised by the issuers that cannot list in the sample, so that the share over all stocks is kept.
    fresh = rng.random(issuers) < LISTED_IN_SAMPLE * (issuers + second) / (issuers - second)
    fresh[:second] = False
    return np.where(fresh, days[at], seasoned), np.where(fresh, at, -1)


def _draw_delistings(rng: np.random.Generator, listed_at: IntArray, second: int, sessions: int) -> IntArray:
    first = np.maximum(listed_at, 0) + min(120, sessions // 4)
    room = sessions - 2 - first
    able = np.flatnonzero((room > 0) & (np.arange(listed_at.size) >= second))
    count = min(able.size, max(1, round(DELISTED * listed_at.size)))
    chosen = rng.choice(able, count, replace=False)
    ends = np.full(listed_at.size, sessions)
    ends[chosen] = first[chosen] + (rng.random(count) * room[chosen]).astype(np.int64)
    return ends


def _draw_boards(rng: np.random.Generator, list_date: NDArray[np.datetime64], second: int) -> IntArray:
    weight = np.array(LISTING_WEIGHT)[None, :] * (list_date[:, None] >= OPENED[None, :])
    edges = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
    board: IntArray = (rng.random(list_date.size)[:, None] > edges).sum(axis=1).clip(0, 3).astype(np.int64)
    board[:second] = 0
    return board


def _code_assets(board: IntArray, second: int) -> list[str]:
    counts = dict.fromkeys(("SH", "SZ", "star", "chinext", "beijing"), 0)
    first = {"SH": 600000, "SZ": 1, "star": 688001, "chinext": 300001, "beijing": 830001}
    suffix = {"SH": "SH", "SZ": "SZ", "star": "SH", "chinext": "SZ", "beijing": "BJ"}
    codes: list[str] = []
    for number, which in enumerate(board.tolist()):
        kind = ("SH", "SZ")[number % 2] if which == 0 else BOARDS[which]
        codes.append(f"{first[kind] + counts[kind]:06d}.{suffix[kind]}")
        counts[kind] += 1
    return codes + [f"{(900901 if k % 2 == 0 else 200001) + k:06d}.{'SH' if k % 2 == 0 else 'SZ'}" for k in range(second)]


def _draw_caps(rng: np.random.Generator, listed_at: IntArray, issuer: IntArray) -> tuple[FloatArray, FloatArray]:
    log_cap = np.log(6e9) + 1.1 * rng.standard_normal(issuer.size) - 0.4 * (listed_at[issuer] >= 0)
    price = np.rint(np.exp(2.9 + 0.5 * rng.standard_normal(issuer.size)) * 100) / 100
    return np.exp(log_cap), price


def _draw_lasting(rng: np.random.Generator, settings: Settings, issuer: IntArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    beta = (1.0 + 0.25 * rng.standard_normal(issuer.size)).clip(0.2, 2.0)
    volatility = settings.idiosyncratic_vol * np.exp(settings.volatility_dispersion * rng.standard_normal(issuer.size))
    turnover = np.log(0.012) + 0.6 * rng.standard_normal(issuer.size)
    # The uniform draw is scaled, not redrawn: markets that differ in `underreaction` only share every random number.
    delayed = np.minimum(2 * settings.underreaction * rng.random(issuer.size), 0.9)
    return beta, volatility, turnover, delayed


def limit_percent(board: IntArray, day: date) -> IntArray:
    """Daily price limit of each board member on a day, in percent; 0 where none applies."""
    percent = np.zeros(len(BOARDS), dtype=np.int64)
    for which, since, value in LIMITS:
        if day >= since:
            percent[which] = value
    found: IntArray = percent[board]
    return found


def assets_table(firms: Firms, days: NDArray[np.datetime64]) -> pl.DataFrame:
    """Canonical assets."""
    ends = [days[at].item() if at < days.size else None for at in firms.delisted_at.tolist()]
    suffix = [code[-2:] for code in firms.asset]
    return pl.DataFrame(
        {
            "asset": firms.asset,
            "issuer": [f"I{number:05d}" for number in firms.issuer.tolist()],
            "name_en": [f"Company {number:05d}" for number in firms.issuer.tolist()],
            "name_zh": [f"公司 {number:05d}" for number in firms.issuer.tolist()],
            "exchange": [{"SH": "SSE", "SZ": "SZSE", "BJ": "BSE"}[each] for each in suffix],
            "board": [BOARDS[which] for which in firms.board.tolist()],
            "list_date": pl.Series(firms.list_date.astype("datetime64[D]").tolist(), dtype=pl.Date),
            "delist_date": pl.Series(ends, dtype=pl.Date),
        }
    )
