"""Small random markets and targets for the tests of portfolios."""

from dataclasses import replace
from typing import Any

import numpy as np

from pureplay.evaluate.portfolio.arrays import Tape, Targets, Terms
from pureplay.panel import FloatArray

CAPITAL = 1e6
FREE = Terms(
    capital=CAPITAL,
    long_exposure=1.0,
    short_exposure=0.0,
    delay_sessions=1,
    spread_limit=1.0,
    retry_sessions=0,
    participation=np.inf,
    impact=0.0,
    write_off_sessions=0,
    write_off_return=-1.0,
)


def open_tape(returns: FloatArray, **changes: Any) -> Tape:
    """A market without limits or costs, where a name trades on the days with a return; `changes` replaces its arrays."""
    sessions, assets = returns.shape
    tape = Tape(
        returns=returns,
        tradable=np.isfinite(returns),
        at_upper=np.zeros(returns.shape, dtype=bool),
        at_lower=np.zeros(returns.shape, dtype=bool),
        enterable=np.ones(returns.shape, dtype=bool),
        shorting=np.ones(sessions, dtype=bool),
        buy_rate=np.zeros(sessions),
        sell_rate=np.zeros(sessions),
        borrow_rate=np.zeros(sessions),
        settlement=np.ones(sessions, dtype=np.int64),
        last_session=np.full(assets, sessions, dtype=np.int64),
        payout=np.zeros(assets),
        liquidity=None,
        volatility=None,
    )
    return replace(tape, **changes)


def targets_of(weights: dict[tuple[int, int], dict[int, float]]) -> Targets:
    """Targets from {(row, offset): {asset: weight}}, given by row."""
    names = [sorted(each.items()) for each in weights.values()]
    return Targets(
        rows=np.array([row for row, _ in weights], dtype=np.int64),
        offsets=np.array([offset for _, offset in weights], dtype=np.int64),
        starts=np.concatenate([[0], np.cumsum([len(each) for each in names])]).astype(np.int64),
        assets=np.array([i for each in names for i, _ in each], dtype=np.int32),
        weights=np.array([w for each in names for _, w in each], dtype=np.float64),
        skipped={},
    )


def random_targets(rng: np.random.Generator, sessions: int, assets: int, grid: int, *, short: bool) -> Targets:
    """A rebalance on every session, offsets in turn; random names in random weights, now and then a leg that is left out."""
    weights = {}
    for row in range(sessions):
        order, chosen = rng.permutation(assets), {}
        for sign, names in ((1, order[: rng.integers(1, 5)]), (-1, order[5 : 5 + rng.integers(1, 5)])):
            if (sign > 0 or short) and rng.random() < 0.95:
                shares = rng.random(len(names)) + 0.1
                chosen |= {int(i): sign * float(w) for i, w in zip(names, shares / shares.sum(), strict=True)}
        weights[row, row % grid] = chosen
    return targets_of(weights)


def random_tape(rng: np.random.Generator, sessions: int, assets: int) -> Tape:
    """Suspensions in runs, limits, bans, delistings, dated rates and settlement, thin trading."""
    returns = 0.04 * rng.standard_t(3, size=(sessions, assets)).clip(-12, 12)
    for i in rng.integers(0, assets, size=assets):
        start = rng.integers(0, sessions)
        returns[start : start + rng.integers(1, 12), i] = np.nan
    returns[rng.random(returns.shape) < 0.03] = np.nan
    tradable = np.isfinite(returns) & (rng.random(returns.shape) < 0.95)
    last = np.where(rng.random(assets) < 0.25, rng.integers(0, sessions, size=assets), sessions)
    liquidity = CAPITAL * rng.lognormal(1.0, 1.0, size=returns.shape)
    liquidity[rng.random(returns.shape) < 0.1] = np.nan
    volatility = rng.uniform(0.01, 0.05, size=returns.shape)
    volatility[rng.random(returns.shape) < 0.1] = np.nan
    return open_tape(
        returns,
        tradable=tradable,
        at_upper=rng.random(returns.shape) < 0.06,
        at_lower=rng.random(returns.shape) < 0.06,
        enterable=rng.random(returns.shape) < 0.9,
        shorting=rng.random(sessions) < 0.97,
        buy_rate=rng.uniform(0.0, 0.002, size=sessions),
        sell_rate=rng.uniform(0.001, 0.004, size=sessions),
        borrow_rate=rng.uniform(0.0, 0.0005, size=sessions),
        settlement=rng.choice([0, 1, 2, 3], size=sessions),
        last_session=last,
        payout=rng.choice([-1.0, -0.3, 0.1], size=assets),
        liquidity=liquidity,
        volatility=volatility,
    )


def random_case(seed: int, *, sessions: int = 40, assets: int = 12) -> tuple[Targets, Tape, Terms]:
    """A market with everything, and terms whose every choice occurs over a few seeds; every second one is long-short."""
    rng = np.random.default_rng(seed)
    short = seed % 2 == 1
    tape = random_tape(rng, sessions, assets)
    targets = random_targets(rng, sessions, assets, int(rng.integers(3, 6)), short=short)
    if seed % 5 == 0:
        tape = replace(tape, liquidity=None, volatility=None)
    terms = Terms(
        capital=CAPITAL,
        long_exposure=float(rng.choice([0.5, 1.0])) if short else 1.0,
        short_exposure=float(rng.choice([0.5, 1.0])) if short else 0.0,
        delay_sessions=int(rng.choice([1, 2])),
        spread_limit=float(rng.choice([1.0, 1.25, 5.0])),
        retry_sessions=int(rng.choice([0, 2, 5])),
        participation=float(rng.choice([0.05, 0.3, np.inf])),
        impact=float(rng.choice([0.0, 0.5])),
        write_off_sessions=int(rng.choice([0, 3, 6])),
        write_off_return=float(rng.choice([-1.0, -0.5])),
    )
    return targets, tape, terms
