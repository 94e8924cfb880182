"""Noise of linked stocks that moves together: correlation matrix of a month, its root, and what the matrix can carry."""

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.mixes import Mixes, half_of
from pureplay.synthetic.planted import PLANTED, Days, Lit
from pureplay.synthetic.settings import FloatArray, IntArray, Settings

__all__ = ["STYLE_VOL", "TWIN_CORRELATION", "Comovement", "jump_size", "loudness"]

STYLE_VOL: Final = (0.0022, 0.0012, 0.0012, 0.0010, 0.0015)
JUMP_CHANCE: Final = 0.003
JUMP: Final = (0.03, 0.05)
"""Least size of a fall, and what a uniform number adds to it at most."""
TWIN_CORRELATION: Final = 0.8
LEAST_EIGENVALUE: Final = 0.02
MEASURED_LOSS: Final = 0.0073
"""Of an increment of correlation, what its estimate over n = 60 sessions loses on average: (1 - 3 rho^2) / 2n for normal returns, at a
correlation of 0.2. So much more is planted."""
STEP: Final = 0.97
"""Planted amounts shrink by this factor until every month's matrix is positive definite."""


def jump_size(chance: FloatArray) -> FloatArray:
    """Fall of log price where a uniform number lies in its last JUMP_CHANCE, else 0."""
    jump = np.maximum(chance - (1 - JUMP_CHANCE), 0.0) / JUMP_CHANCE
    return np.where(jump > 0, JUMP[0] + JUMP[1] * jump, 0.0)


def loudness(settings: Settings, firms: Firms, mixes: Mixes, half: int) -> FloatArray:
    """Standard deviation of a stock's whole daily return over that of its noise, from the settings and the mix of a half-year.

    Exact but for style exposures, which enter with their mean square of 1, and the temporary part of volatility.
    """
    persistence, wave = settings.volatility_persistence, settings.volatility_wave
    noise = firms.volatility**2 * np.exp(2 * wave**2 / (1 - persistence**2))
    share, unit = mixes.share[:, half], mixes.unit[:, half]
    same = unit[:, :, None] == unit[:, None, :]
    product = (same * share[:, :, None] * share[:, None, :]).sum(axis=(1, 2))[firms.issuer]
    common = (firms.beta * settings.market_vol) ** 2 + settings.style_vol**2 * sum(each**2 for each in STYLE_VOL)
    common = common + ((1 - firms.delayed) * settings.product_vol) ** 2 * product + settings.industry_vol**2 * product
    if settings.frictions:
        mean, square = JUMP[0] + JUMP[1] / 2, JUMP[0] ** 2 + JUMP[0] * JUMP[1] + JUMP[1] ** 2 / 3
        common = common + JUMP_CHANCE * square - (JUMP_CHANCE * mean) ** 2
    return np.asarray(np.sqrt(1 + common / np.maximum(noise, 1e-12)))


class Comovement:
    """Turns independent noise into noise that is correlated among linked stocks, month by month.

    C = twins + factor * links * 1.0073 * sum over lamps of s_k L_k * (tot_i tot_j) / (sigma_i sigma_j), so that each link adds
    factor * links * s_k to the correlation of whole returns as it is measured over 60 sessions. Second listings keep their correlation
    of 0.8 with the first. Noise = root(C) z with the Cholesky root of first listings before second ones; it is recomputed only when C
    changes. `factor` is 1 unless C is not positive definite (smallest eigenvalue 0.02) in some month.
    """

    def __init__(self, settings: Settings, firms: Firms, mixes: Mixes, lit: Lit, days: Days) -> None:
        self._settings, self._firms, self._mixes, self._lit = settings, firms, mixes, lit
        self._opens = days[lit.months.opens].astype("datetime64[D]")
        self._half = half_of(self._opens, mixes.first_year)
        own = firms.twin == np.arange(firms.twin.size)
        self._order = np.concatenate([np.flatnonzero(own), np.flatnonzero(~own)])
        self._state = self._number_states()
        self._held: tuple[int, FloatArray] | None = None
        self.factor = self._fit_factor() if settings.links else 1.0

    def mix(self, raw: FloatArray, first: int) -> FloatArray:
        """Correlated noise of sessions first, first + 1, ... from independent noise (session, asset) of unit variance."""
        if not self._settings.links:
            return raw
        month = self._lit.months.of[np.minimum(first + np.arange(raw.shape[0]), self._lit.months.of.size - 1)]
        out = np.empty_like(raw)
        for each in np.unique(month).tolist():
            out[np.ix_(month == each, self._order)] = raw[np.ix_(month == each, self._order)] @ self._root(each).T
        return out

    def planted(self) -> pl.DataFrame:
        """What was planted: lamp, start_date and end_date (null but for bids), correlation, population, factor.

        correlation: added to one measured over 60 sessions, on average. population: added in truth. factor: by which all were shrunk.
        """
        links = self._settings.links or 0.0
        turn = self._turn()
        rows: list[tuple[str, object, object, float]] = [(lamp, None, None, size) for lamp, size in PLANTED.items() if lamp != "bid"]
        rows += [("dark", None, None, 0.0), ("bid", None, turn, PLANTED["bid"]), ("bid", turn, None, -PLANTED["bid"])]
        schema = {"lamp": pl.String, "start_date": pl.Date, "end_date": pl.Date, "correlation": pl.Float64}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        amount = pl.col("correlation") * links * self.factor
        return frame.with_columns(correlation=amount, population=amount * (1 + MEASURED_LOSS), factor=pl.lit(self.factor))

    def _turn(self) -> object:
        months = self._lit.months
        later = np.flatnonzero(months.later)
        return self._opens[later[0]].item() if later.size else None

    def _number_states(self) -> IntArray:
        """Number of each month's matrix; months with the same links and loudness share one."""
        state = np.zeros(len(self._lit.pairs), dtype=np.int64)
        later = self._lit.months.later
        for month in range(1, state.size):
            here, before = self._lit.pairs[month], self._lit.pairs[month - 1]
            same = all(np.array_equal(here[lamp], before[lamp]) for lamp in PLANTED) and later[month] == later[month - 1]
            state[month] = state[month - 1] + (not (same and self._half[month] == self._half[month - 1]))
        return state

    def _matrix(self, month: int, factor: float, kind: type[np.float64] | type[np.float32]) -> NDArray[Any]:
        firms, size = self._firms, self._lit.assets
        loud = loudness(self._settings, firms, self._mixes, int(self._half[month]))
        matrix = np.zeros((size, size), dtype=kind)
        for lamp, keys in self._lit.pairs[month].items():
            sign = -1.0 if lamp == "bid" and self._lit.months.later[month] else 1.0
            a, b = keys // size, keys % size
            amount = sign * factor * (self._settings.links or 0.0) * PLANTED[lamp] * (1 + MEASURED_LOSS)
            matrix[a, b] += (amount * loud[a] * loud[b]).astype(kind)
        matrix += matrix.T
        second = np.flatnonzero(firms.twin != np.arange(size))
        matrix[second, firms.twin[second]] = matrix[firms.twin[second], second] = TWIN_CORRELATION
        matrix[np.arange(size), np.arange(size)] = 1.0
        return np.asarray(matrix[np.ix_(self._order, self._order)])

    def _root(self, month: int) -> FloatArray:
        if self._held is None or self._held[0] != self._state[month]:
            self._held = (int(self._state[month]), np.linalg.cholesky(self._matrix(month, self.factor, np.float64)))
        return self._held[1]

    def _fit_factor(self) -> float:
        factor = 1.0
        for month in np.unique(self._state, return_index=True)[1].tolist():
            while not self._carries(month, factor):
                factor *= STEP
        return factor

    def _carries(self, month: int, factor: float) -> bool:
        # single precision is enough against a margin of 0.02 and costs half
        matrix = self._matrix(month, factor, np.float32)
        matrix[np.diag_indices_from(matrix)] -= np.float32(LEAST_EIGENVALUE)
        try:
            np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            return False
        return True
