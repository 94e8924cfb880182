"""How often each test finds something in signals that know nothing: persistent scores against returns that they had no part in.

    python benches/null_signals.py [--signals 500] [--markets 50] [--stocks 250] [--sessions 900] [--draws 300] [--seed 5]

A signal is the cross-sectional rank of an AR(1) for each stock, with a half-life of 20 to 60 sessions. Returns have a common factor and
fat tails and are drawn without the signals. The daily rank IC against forward 20-session returns, and the returns of a long-short
portfolio of quintiles that is held for 20 sessions without overlap, then go through every test at 5 %. The 99 % binomial band says how
far chance alone may take the count. Exit code 1 where a test that is claimed to hold its level lies outside its band.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.signal import lfilter

from pureplay.panel import FloatArray
from pureplay.stats.crosssection import rank_correlation
from pureplay.stats.inference import ewc_test, newey_west_t, offset_interval, offset_null
from pureplay.stats.lookahead import compound_forward
from pureplay.stats.reality import superior_predictive_ability
from pureplay.stats.sharpe import deflated_sharpe, sharpe_ratio

LEVEL, BAND = 0.05, 0.99
HORIZON = GRID = 20
BLOCK = 10  # signals that a search chooses from


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the experiment is.

    markets: sets of returns that the signals share, the first `signals / markets` of them the first and so on; many, because signals
    against the same returns err together. draws: of the null of each signal and of each SPA.
    """

    signals: int = 500
    markets: int = 50
    stocks: int = 250
    sessions: int = 900
    draws: int = 300
    seed: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One test: rejections among `of`, the rate it promises, the band of the count, whether it must lie in it, and whether it does.

    claim: "two-sided" (inside the band), "one-sided" (not above it) or "shown" (nothing is claimed).
    """

    test: str
    count: int
    of: int
    rate: float
    band: tuple[int, int]
    claim: str

    @property
    def holds(self) -> bool:
        """Whether the count is where the claim says."""
        low, high = self.band
        return self.claim == "shown" or (self.count <= high and (self.claim == "one-sided" or self.count >= low))


def market_returns(rng: np.random.Generator, sessions: int, stocks: int) -> FloatArray:
    """Daily returns: a common factor with a loading for each stock, and its own noise from Student's t with four degrees of freedom."""
    common = 0.012 * stats.t.rvs(5, size=(sessions, 1), random_state=rng) / np.sqrt(5 / 3)
    own = rng.uniform(0.01, 0.03, stocks) * stats.t.rvs(4, size=(sessions, stocks), random_state=rng) / np.sqrt(2.0)
    return np.asarray(np.clip(rng.normal(1.0, 0.3, stocks) * common + own, -0.5, 1.0))


def persistent_signal(rng: np.random.Generator, sessions: int, stocks: int) -> FloatArray:
    """AR(1) for each stock, begun at its stationary law; the rank correlation makes ranks of it."""
    carry = 0.5 ** (1.0 / rng.uniform(20.0, 60.0))
    shocks = rng.standard_normal((sessions, stocks))
    shocks[0] /= np.sqrt(1.0 - carry**2)
    return np.asarray(lfilter([1.0], [1.0, -carry], shocks, axis=0))


def long_short(signal: FloatArray, forward: FloatArray) -> FloatArray:
    """Returns of the top quintile less the bottom one, entered on every 20th session: non-overlapping."""
    rows = np.arange(0, signal.shape[0] - HORIZON - 1, GRID)
    order, fifth = np.argsort(signal[rows], axis=1), signal.shape[1] // 5
    sorted_forward = np.take_along_axis(forward[rows], order, axis=1)
    return np.asarray(sorted_forward[:, -fifth:].mean(axis=1) - sorted_forward[:, :fifth].mean(axis=1))


def series_of(size: Size) -> tuple[FloatArray, FloatArray]:
    """Daily IC (signals, sessions) and long-short returns on the grid (signals, dates)."""
    ics, spreads = [], []
    for number, share in enumerate(np.array_split(np.arange(size.signals), size.markets)):
        rng = np.random.default_rng([size.seed, number])
        returns = market_returns(rng, size.sessions, size.stocks)
        forward = compound_forward(returns, np.ones(returns.shape, dtype=bool), sessions=HORIZON)
        for _ in share:
            signal = persistent_signal(rng, size.sessions, size.stocks)
            ics.append(rank_correlation(signal, forward)[0])
            spreads.append(long_short(signal, forward))
    return np.array(ics), np.array(spreads)


def judge(size: Size) -> list[Row]:
    """Every test on every signal."""
    ic, spread = series_of(size)
    return [*_single(ic, spread), *_offsets(ic, size), *_searches(ic, spread, size)]


def _single(ic: FloatArray, spread: FloatArray) -> list[Row]:
    ewc = sum(ewc_test(each).p < LEVEL for each in ic)
    newey_west = sum(abs(newey_west_t(each, lags=HORIZON - 1)) > stats.norm.isf(LEVEL / 2) for each in ic)
    deflated = sum(deflated_sharpe(each, trials=1).probability > 1 - LEVEL for each in spread)
    return [
        _row("EWC t of the mean IC (headline), two-sided", ewc, len(ic), LEVEL, "two-sided"),
        _row("Newey-West t, 19 lags, two-sided", newey_west, len(ic), LEVEL, "shown"),
        _row("DSR of a long-short series, 1 trial", deflated, len(ic), LEVEL, "one-sided"),
    ]


def _offsets(ic: FloatArray, size: Size) -> list[Row]:
    offset = np.arange(ic.shape[1]) % GRID
    grids = np.array([[grid.mean() / grid.std(ddof=1) for grid in _grids(each)] for each in ic])
    nulls, uncovered = [], 0
    for number, (each, figure) in enumerate(zip(ic, grids.mean(axis=1), strict=True)):
        rng = np.random.default_rng([size.seed, 1, number])
        null = offset_null(each, offset, float(figure), mean_block=HORIZON + GRID, draws=size.draws, rng=rng)
        if null is None:
            raise SystemExit("too few sessions for the null of the offsets: give more --sessions")
        nulls.append(null)
        interval = offset_interval(each, offset, mean_block=HORIZON + GRID, draws=size.draws, rng=rng)
        uncovered += not interval.low <= 0.0 <= interval.high
    printed = float(np.mean([null.all_positive for null in nulls]))
    outside = sum(null.p < LEVEL for null in nulls)
    return [
        _row("null of the offset mean, p, two-sided", outside, len(ic), LEVEL, "two-sided"),
        _row("95 % bootstrap interval of the offset mean misses 0", uncovered, len(ic), LEVEL, "shown"),
        _row("20 of 20 offsets positive", int((grids > 0).all(axis=1).sum()), len(ic), printed, "two-sided"),
        _row("20 of 20 offsets negative", int((grids < 0).all(axis=1).sum()), len(ic), printed, "two-sided"),
    ]


def _grids(ic: FloatArray) -> list[FloatArray]:
    return [ic[start::GRID][np.isfinite(ic[start::GRID])] for start in range(GRID)]


def _searches(ic: FloatArray, spread: FloatArray, size: Size) -> list[Row]:
    """The best of each block of signals, deflated, and the SPA test of the block."""
    blocks = [slice(first, first + BLOCK) for first in range(0, len(ic) - BLOCK + 1, BLOCK)]
    naive, deflated, on_grid, daily = 0, 0, 0, 0
    for number, block in enumerate(blocks):
        sharpes = np.array([sharpe_ratio(each) for each in spread[block]])
        best, spread_of_trials = spread[block][sharpes.argmax()], float(sharpes.std(ddof=1))
        naive += deflated_sharpe(best, trials=1).probability > 1 - LEVEL
        deflated += deflated_sharpe(best, trials=BLOCK, trial_sd=spread_of_trials).probability > 1 - LEVEL
        seed = 1000 * size.seed + number
        on_grid += superior_predictive_ability(spread[block].T, mean_block=1, draws=size.draws, seed=seed).p_consistent < LEVEL
        daily += superior_predictive_ability(ic[block].T, mean_block=40, draws=size.draws, seed=seed).p_consistent < LEVEL
    return [
        _row("best of 10 as if it were the only one (DSR, 1 trial)", naive, len(blocks), LEVEL, "shown"),
        _row("DSR of the best of 10, 10 trials", deflated, len(blocks), LEVEL, "one-sided"),
        _row("SPA of 10 long-short series", on_grid, len(blocks), LEVEL, "one-sided"),
        _row("SPA of 10 daily ICs, blocks of 40", daily, len(blocks), LEVEL, "shown"),
    ]


def _row(test: str, count: int, of: int, rate: float, claim: str) -> Row:
    low, high = stats.binom.ppf([(1 - BAND) / 2, (1 + BAND) / 2], of, rate)
    if claim == "one-sided":
        low, high = 0, stats.binom.ppf(BAND, of, rate)
    return Row(test=test, count=int(count), of=of, rate=rate, band=(int(low), int(high)), claim=claim)


def main(arguments: Sequence[str]) -> int:
    """Run, print the table; exit code 1 where a claim does not hold."""
    asked = _parser().parse_args(arguments)
    rows = judge(Size(**vars(asked)))
    print(f"{'test':<54}{'found':>6}{'of':>6}{'rate':>8}{'promised':>10}{'99 % band':>12}  verdict")
    for row in rows:
        verdict = row.claim if row.claim == "shown" else "holds" if row.holds else "FAILS"
        band = f"{row.band[0]}-{row.band[1]}"
        print(f"{row.test:<54}{row.count:>6}{row.of:>6}{row.count / row.of:>8.3f}{row.rate:>10.3f}{band:>12}  {verdict}")
    return 0 if all(row.holds for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in Size.__dataclass_fields__:
        parser.add_argument(f"--{name}", type=int, default=getattr(Size(), name))
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
