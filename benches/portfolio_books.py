"""Portfolio accounts: 20 long-short accounts under limits, costs, participation, impact and retries, day by day."""

import numpy as np
from measuring import Row, agree, best_of, copy_seconds, peak_mb, random_block, reset_peak, slice_of
from numpy.typing import NDArray

from pureplay.evaluate.portfolio.arrays import Tape, Targets, Terms
from pureplay.evaluate.portfolio.book import simulate

BAR_SECONDS = 1.5
NAIVE = "numpy, every account's dense weights times 1 + r each session, beside the kernel without limits, costs, retries or payouts too"
SLICE = 400
GRID = 20

Block = NDArray[np.float64]


def measure(stocks: int, sessions: int) -> Row:
    """Time the accounts with every rule on; the naive version holds the same accounts in a market without any."""
    rng = np.random.default_rng(0)
    returns = random_block(rng, (sessions, stocks), missing=0.02)
    returns *= 0.02
    np.clip(returns, -0.5, 0.5, out=returns)
    targets = _targets(rng, stocks, sessions)
    tape, terms = _tape(rng, returns), _terms(limits=True)
    simulate(targets, tape, terms)  # compiles
    reset_peak()
    seconds = best_of(lambda: simulate(targets, tape, terms))
    peak, part = peak_mb(), slice_of(sessions, SLICE)
    some = _targets(rng, stocks, returns[part].shape[0])
    free, plain = _free(returns[part]), _terms(limits=False)
    agree(naive(returns[part], some), simulate(some, free, plain)[0].value, tolerance=1e-6, what="portfolio_books against numpy")
    alike = best_of(lambda: simulate(some, free, plain), repeats=3)
    a_cell = seconds / returns.size
    return Row(
        name="portfolio_books",
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=best_of(lambda: naive(returns[part], some), repeats=3) / alike,
        ratio_peer=None,
        ratio_limit=seconds / copy_seconds(returns.nbytes),
        cells_per_second=1 / a_cell,
        peer=None,
        limit="copy of the block of returns in memory, which 20 accounts read once each",
        bar_seconds=BAR_SECONDS,
    )


def naive(returns: Block, targets: Targets) -> Block:
    """Value of each account: all of its row drifts, at a rebalance it is the wanted weights times the value."""
    growth = np.where(np.isfinite(returns), returns, 0.0)
    growth += 1.0
    wanted = {(int(row) + 1, int(offset)): k for k, (row, offset) in enumerate(zip(targets.rows, targets.offsets, strict=True))}
    out = np.full((GRID, returns.shape[0]), np.nan)
    for offset in range(GRID):
        held, cash = np.zeros(returns.shape[1]), np.nan
        for s, day in enumerate(growth):
            held *= day
            k = wanted.get((s, offset))
            if k is not None:
                value = 1e8 if np.isnan(cash) else cash + held.sum()
                span = slice(targets.starts[k], targets.starts[k + 1])
                held[:] = 0.0
                held[targets.assets[span]] = value * targets.weights[span]
                cash = value - held.sum()
            out[offset, s] = cash + held.sum()
    return out


def _targets(rng: np.random.Generator, stocks: int, sessions: int) -> Targets:
    """A rebalance of one of the offsets every session: a fifth of the stocks long and a fifth short, four in five the same as last time."""
    leg, order = stocks // 5, [rng.permutation(stocks) for _ in range(GRID)]
    assets, weights = np.empty((sessions, 2 * leg), np.int32), np.empty((sessions, 2 * leg))
    for row in range(sessions):
        mine, moved = order[row % GRID], rng.choice(stocks, leg, replace=False)
        mine[moved] = mine[rng.permutation(moved)]
        signs = np.zeros(stocks)
        signs[mine[:leg]], signs[mine[-leg:]] = 1.0, -1.0
        assets[row] = np.flatnonzero(signs)
        weights[row] = signs[assets[row]] / leg
    rows = np.arange(sessions)
    return Targets(
        rows=rows, offsets=rows % GRID, starts=np.arange(sessions + 1) * 2 * leg, assets=assets.ravel(), weights=weights.ravel(), skipped={}
    )


def _free(returns: Block) -> Tape:
    """A market without limits or costs; what has no return on a session is traded at its last price."""
    sessions, stocks = returns.shape
    never, nothing = np.zeros(returns.shape, dtype=bool), np.zeros(sessions)
    return Tape(
        returns=returns,
        tradable=~never,
        at_upper=never,
        at_lower=never,
        enterable=~never,
        shorting=np.ones(sessions, dtype=bool),
        buy_rate=nothing,
        sell_rate=nothing,
        borrow_rate=nothing,
        settlement=np.ones(sessions, dtype=np.int64),
        last_session=np.full(stocks, sessions),
        payout=np.zeros(stocks),
        liquidity=None,
        volatility=None,
    )


def _tape(rng: np.random.Generator, returns: Block) -> Tape:
    """Suspensions where there is no return, a limit for one stock in fifty, one delisting in a hundred stocks, costs and liquidity."""
    sessions, stocks = returns.shape
    liquidity = np.empty(returns.shape)
    for day in liquidity:
        day[:] = rng.lognormal(13.0, 1.5, size=stocks)
    return Tape(
        returns=returns,
        tradable=np.isfinite(returns),
        at_upper=returns > 0.046,
        at_lower=returns < -0.046,
        enterable=np.isfinite(returns),
        shorting=np.ones(sessions, dtype=bool),
        buy_rate=np.full(sessions, 0.0008),
        sell_rate=np.full(sessions, 0.0018),
        borrow_rate=np.full(sessions, 0.0003),
        settlement=np.ones(sessions, dtype=np.int64),
        last_session=np.where(rng.random(stocks) < 0.01, rng.integers(0, sessions, size=stocks), sessions),
        payout=np.full(stocks, -0.5),
        liquidity=liquidity,
        volatility=np.full(returns.shape, 0.02),
    )


def _terms(*, limits: bool) -> Terms:
    return Terms(
        capital=1e8,
        long_exposure=1.0,
        short_exposure=1.0,
        delay_sessions=1,
        spread_limit=1.25,
        retry_sessions=5 if limits else 0,
        participation=0.1 if limits else float("inf"),
        impact=1.0 if limits else 0.0,
        write_off_sessions=250 if limits else 0,
        write_off_return=-1.0,
    )
