"""Latent returns and traded closes, session by session: market, products, styles, noise, delayed news and price limits."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pureplay.synthetic.comovement import STYLE_VOL, TWIN_CORRELATION, Comovement, jump_size
from pureplay.synthetic.firms import FREE_SESSIONS, Firms, limit_percent
from pureplay.synthetic.mixes import Mixes, half_of
from pureplay.synthetic.settings import CHUNK, BoolArray, FloatArray, IntArray, Settings
from pureplay.synthetic.tree import Tree

__all__ = ["STYLES", "Closes", "Shocks", "Simulation", "draw_shocks"]

STYLES: Final = ("size", "value", "growth", "quality", "liquidity")
STYLE_PREMIUM: Final = (-0.00008, 0.00012, 0.00008, 0.00010, -0.00012)
"""Expected daily return of one standard deviation of exposure; twenty sessions of 0.0001 give a rank IC near .02."""
REVERSAL_PREMIUM: Final = 0.00055
VOLATILITY_PREMIUM: Final = 0.0003
REVERSAL_SESSIONS: Final = 20
DRIFT: Final = 0.0001
SUSPENSION_CHANCE: Final = 0.0013
LONG_SUSPENSION: Final = 0.05
DISTRESS_SESSIONS: Final = 60
DISTRESS_DRIFT: Final = -0.008
LOW_LOG_PRICE: Final = float(np.log(2.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shocks:
    """Common shocks by session: market (session), products and their level-1 branch (session, unit), styles (session, style)."""

    market: FloatArray
    product: FloatArray
    branch: FloatArray
    style: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Closes:
    """Traded closes of one chunk, (session, asset), in cents; `previous` is the last traded close before the session.

    up, down: price limits in cents, NaN where there are none. opened: the stock has traded before the session.
    exposure: (style, asset), in the order of STYLES.
    """

    first: int
    traded: BoolArray
    opened: BoolArray
    close: FloatArray
    previous: FloatArray
    up: FloatArray
    down: FloatArray
    exposure: FloatArray


def draw_shocks(rng: np.random.Generator, settings: Settings, tree: Tree) -> Shocks:
    """Draw every common shock; session-major, so that the draws of a session do not depend on later ones."""
    days, units, tops = settings.sessions, tree.unit_node.size, int((tree.level == 1).sum())
    draws = rng.standard_normal((days, 1 + units + tops + len(STYLES)))
    style = np.array(STYLE_PREMIUM) * settings.premia + settings.style_vol * np.array(STYLE_VOL) * draws[:, 1 + units + tops :]
    return Shocks(
        market=settings.market_vol * draws[:, 0],
        product=settings.product_vol * draws[:, 1 : 1 + units],
        branch=settings.industry_vol * draws[:, 1 + units : 1 + units + tops][:, tree.top],
        style=style,
    )


class Simulation:
    """State carried from session to session; `advance` must be called once for each chunk, in order."""

    def __init__(
        self,
        settings: Settings,
        firms: Firms,
        mixes: Mixes,
        shocks: Shocks,
        days: NDArray[np.datetime64],
        comovement: Comovement | None = None,
    ) -> None:
        self._comovement = comovement
        self._settings, self._firms, self._mixes, self._shocks, self._days = settings, firms, mixes, shocks, days
        count = len(firms.asset)
        self._half = half_of(days, mixes.first_year)
        self._start_log = np.log(firms.price)
        self._log_price = self._start_log.copy()
        self._close = np.rint(firms.price * 100)
        self._opened = firms.listed_at < 0
        self._suspended = np.zeros(count, dtype=np.int64)
        self._pool = np.zeros(count)
        self._recent = np.zeros((REVERSAL_SESSIONS, count))
        self._volatility_rank = _standardise(np.log(firms.volatility), np.ones(count, dtype=np.bool_))
        self._slow = np.zeros((len(STYLES), count))
        self._wave = np.zeros(count)

    def advance(self, rng: np.random.Generator, first: int, size: int) -> Closes:
        """Simulate sessions first .. first + size - 1."""
        firms, count = self._firms, len(self._firms.asset)
        self._age_exposures(rng, first)
        exposure = self._expose()
        # A full chunk is drawn even for the last, shorter one: the draws of a session never depend on the sample's end.
        chance = rng.random((CHUNK, count))[:size]
        noise = self._draw_noise(rng, first)[:size]
        sessions = np.arange(first, first + size)
        news = self._product_news(sessions)
        base = self._price_at_once(sessions, exposure, noise, chance) + (1 - firms.delayed) * news
        shape = (size, count)
        out = Closes(
            first=first,
            traded=np.zeros(shape, dtype=np.bool_),
            opened=np.zeros(shape, dtype=np.bool_),
            close=np.empty(shape),
            previous=np.empty(shape),
            up=np.full(shape, np.nan),
            down=np.full(shape, np.nan),
            exposure=exposure,
        )
        for row, session in enumerate(sessions.tolist()):
            self._drift(session, base[row], news[row])
            self._suspend(session, chance[row])
            self._trade(session, row, out)
        return out

    def _age_exposures(self, rng: np.random.Generator, first: int) -> None:
        keep = 0.96 if first else 0.0
        fresh = rng.standard_normal((len(STYLES) + 1, self._pool.size))
        self._slow = keep * self._slow + (1 - keep**2) ** 0.5 * fresh[:-1]
        self._wave = self._settings.volatility_persistence * self._wave + self._settings.volatility_wave * fresh[-1]

    def _expose(self) -> FloatArray:
        """Style exposures that hold for the chunk: slow processes, cheapness in value, cap in size, turnover in liquidity."""
        firms, everyone = self._firms, np.ones(self._pool.size, dtype=np.bool_)
        exposure = self._slow.copy()
        exposure[0] = np.log(firms.shares * self._close)
        exposure[1] -= 0.7 * (self._log_price - self._start_log)
        exposure[4] = firms.turnover + 0.25 * self._slow[4]
        return np.stack([_standardise(row, everyone) for row in exposure])

    def _draw_noise(self, rng: np.random.Generator, first: int) -> FloatArray:
        firms = self._firms
        degrees = self._settings.tail_degrees
        raw = rng.standard_t(degrees, (CHUNK, self._pool.size)) * (1 - 2 / degrees) ** 0.5
        if self._comovement is not None and self._settings.links:
            raw = self._comovement.mix(raw, first)
        else:
            second = np.flatnonzero(firms.twin != np.arange(firms.twin.size))
            raw[:, second] = TWIN_CORRELATION * raw[:, firms.twin[second]] + (1 - TWIN_CORRELATION**2) ** 0.5 * raw[:, second]
        noise: FloatArray = raw * (firms.volatility * np.exp(self._wave))
        return noise

    def _product_news(self, sessions: IntArray) -> FloatArray:
        """Revenue-weighted product shock of each stock, from the mix in force on the session."""
        return self._weigh(self._shocks.product, sessions)

    def _weigh(self, shock: FloatArray, sessions: IntArray) -> FloatArray:
        out = np.empty((sessions.size, self._pool.size))
        for half in np.unique(self._half[sessions]).tolist():
            at = np.flatnonzero(self._half[sessions] == half)
            unit, share = self._mixes.unit[:, half], self._mixes.share[:, half]
            by_issuer = np.zeros((at.size, share.shape[0]))
            for slot in range(share.shape[1]):
                by_issuer += shock[sessions[at]][:, unit[:, slot]] * share[:, slot]
            out[at] = by_issuer[:, self._firms.issuer]
        return out

    def _price_at_once(self, sessions: IntArray, exposure: FloatArray, noise: FloatArray, chance: FloatArray) -> FloatArray:
        firms, shocks = self._firms, self._shocks
        total = self._weigh(shocks.branch, sessions)
        total += noise
        total += shocks.market[sessions][:, None] * firms.beta
        # Not a matrix product: a BLAS may add in another order on another machine.
        for style, row in zip(shocks.style[sessions].T, exposure, strict=True):
            total += style[:, None] * row
        total += DRIFT - VOLATILITY_PREMIUM * self._settings.premia * self._settings.volatility_premium * self._volatility_rank
        if self._settings.frictions:
            total -= jump_size(chance)
            dying = sessions[:, None] > (firms.delisted_at - DISTRESS_SESSIONS)[None, :]
            total += DISTRESS_DRIFT * (dying & (firms.delisted_at < self._days.size))
        return total

    def _drift(self, session: int, base: FloatArray, news: FloatArray) -> None:
        firms = self._firms
        listed = (firms.listed_at <= session) & (session <= firms.delisted_at)
        past = _standardise(self._recent.sum(axis=0), listed & self._opened).clip(-3, 3)
        release = self._pool / self._settings.release_sessions
        # Below a few yuan the tick of 0.01 would swamp returns, so very low prices find a floor.
        support = 0.01 * np.maximum(LOW_LOG_PRICE - self._log_price, 0.0)
        pull = REVERSAL_PREMIUM * self._settings.premia * self._settings.reversal_premium
        step = base + release - pull * past + support
        self._pool += firms.delayed * news - release
        self._log_price += np.where(listed, step, 0.0)

    def _suspend(self, session: int, chance: FloatArray) -> None:
        firms = self._firms
        self._suspended = np.maximum(self._suspended - 1, 0)
        begins = (chance < SUSPENSION_CHANCE) & (self._suspended == 0) & self._settings.frictions
        begins &= self._opened & (session - firms.listed_at > FREE_SESSIONS)
        # What is left of the uniform number, rescaled, decides the length: geometric with mean 5, or a long spell.
        left = chance[begins] / SUSPENSION_CHANCE
        short = np.floor(np.log1p(-np.minimum(left / (1 - LONG_SUSPENSION), 1 - 1e-9)) / np.log(0.8)) + 1
        self._suspended[begins] = np.where(left > 1 - LONG_SUSPENSION, 60, short).astype(np.int64)

    def _trade(self, session: int, row: int, out: Closes) -> None:
        """Set the closes of one session; what the limit cuts off stays in the latent price and returns the next day."""
        firms = self._firms
        listed = (firms.listed_at <= session) & (session <= firms.delisted_at)
        traded = listed & ((self._suspended == 0) | (session == firms.delisted_at))
        percent = limit_percent(firms.board, self._days[session].item()) * self._settings.frictions
        bound = (percent > 0) & ((firms.listed_at < 0) | (session - firms.listed_at >= FREE_SESSIONS))
        # Whole cents and percents keep the half-up rounding of the exchange exact.
        up = np.where(bound, np.floor((self._close * (100 + percent) + 50) / 100), np.nan)
        down = np.where(bound, np.maximum(np.floor((self._close * (100 - percent) + 50) / 100), 1.0), np.nan)
        wanted = np.maximum(np.rint(np.exp(self._log_price) * 100), 1.0)
        close = np.fmax(np.fmin(wanted, up), down)
        out.traded[row], out.opened[row], out.previous[row] = traded, self._opened, self._close
        out.up[row], out.down[row], out.close[row] = up, down, np.where(traded, close, self._close)
        moved = traded & self._opened
        self._recent[session % REVERSAL_SESSIONS] = np.where(moved, np.log(out.close[row] / self._close), 0.0)
        self._close = out.close[row].copy()
        self._opened = self._opened | traded


def _standardise(x: FloatArray, eligible: BoolArray) -> FloatArray:
    """Distance from the mean in standard deviations, both over the eligible entries; 0 where there is no spread."""
    base = x[eligible]
    spread = base.std() if base.size else 0.0
    return (x - base.mean()) / spread if spread > 0 else np.zeros_like(x)
