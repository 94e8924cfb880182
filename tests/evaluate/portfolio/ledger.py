"""Accounts kept by hand: a plain loop over dictionaries that holds the identities of `Books` and `Holdings`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pureplay.evaluate.portfolio.arrays import BLOCKED, Books, Holdings
from pureplay.panel import Axes, FloatArray
from pureplay.sessions import Sessions

MONEY = ("value", "pnl", "fees", "impact", "borrow", "cash", "long_value", "short_value", "traded", "turned")
COUNTS = ("long_names", "short_names", "delisted", "written_off")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an account does: session → name → wanted share of the account, and what meets it on the way.

    late: trades in shares of the account on sessions that are no rebalance. payouts: (session, name) → return paid on the last value.
    undone: (session, reason) → money of one order not filled.
    """

    rebalances: Mapping[int, Mapping[int, float]]
    late: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    payouts: Mapping[tuple[int, int], float] = field(default_factory=dict)
    undone: Mapping[tuple[int, int], float] = field(default_factory=dict)
    fee: float = 0.001
    impact: float = 0.0
    borrow: float = 0.0
    exposure: float = 1.0
    closed_out: int = -1


def weekdays(count: int, *, start: str = "2020-01-01", first: int = 0) -> Sessions:
    """Consecutive weekdays, numbered from `first`."""
    return Sessions(np.busday_offset(np.datetime64(start, "D"), np.arange(count), roll="forward"), np.arange(first, first + count), "bars")


def keep(returns: FloatArray, plan: Plan, *, capital: float = 1000.0, offset: int = 0) -> tuple[Books, Holdings]:
    """Walk one account through the sessions."""
    sessions = returns.shape[0]
    rows = {name: np.full(sessions, np.nan if name in ("value", "pnl") else 0.0) for name in MONEY}
    counts = {name: np.zeros(sessions, dtype=np.int64) for name in COUNTS}
    rebalanced = np.zeros(sessions, dtype=bool)
    held: dict[int, float] = {}
    cash, opened, before = capital, False, capital
    lines: list[tuple[float, ...]] = []
    for s in range(sessions):
        short_before = -sum(v for v in held.values() if v < 0)
        paid: dict[int, float] = {}
        for i in list(held):
            held[i] *= 1 + (returns[s, i] if np.isfinite(returns[s, i]) else 0.0)
            if (s, i) in plan.payouts:
                paid[i] = held.pop(i) * (1 + plan.payouts[s, i])
                cash += paid[i]
                counts["delisted"][s] += 1
        rows["borrow"][s] = plan.borrow * short_before
        cash -= rows["borrow"][s]
        worth = cash + sum(held.values())
        if opened and worth <= 0:
            held, cash, worth = {}, 0.0, 0.0
        dead = opened and worth == 0
        orders: Mapping[int, float] = {}
        if not dead and s in plan.rebalances:
            rebalanced[s], opened = True, True
            wanted = plan.rebalances[s]
            orders = {i: wanted.get(i, 0.0) * worth - held.get(i, 0.0) for i in sorted({*wanted, *held}) if i not in paid}
        elif not dead and s in plan.late:
            orders = {i: share * worth for i, share in plan.late[s].items() if i not in paid}
        costs = {i: abs(d) * (plan.fee + plan.impact) for i, d in orders.items()}
        for i, d in orders.items():
            held[i] = held.get(i, 0.0) + d
            cash -= d + costs[i]
            if abs(held[i]) < 1e-9:
                del held[i]
        gross = sum(abs(d) for d in orders.values())
        rows["traded"][s], rows["fees"][s], rows["impact"][s] = gross, gross * plan.fee, gross * plan.impact
        rows["turned"][s] = 0.5 * gross / (plan.exposure * worth) if gross else 0.0
        if not opened:
            continue
        after = cash + sum(held.values())
        first = s == min(plan.rebalances)
        rows["value"][s] = after
        rows["pnl"][s] = 0.0 if first else after + rows["fees"][s] + rows["impact"][s] + rows["borrow"][s] - before
        before = after
        rows["cash"][s] = cash
        rows["long_value"][s] = sum(v for v in held.values() if v > 0)
        rows["short_value"][s] = -sum(v for v in held.values() if v < 0)
        counts["long_names"][s] = sum(v > 0 for v in held.values())
        counts["short_names"][s] = sum(v < 0 for v in held.values())
        lines += [
            (s, i, held.get(i, 0.0), orders.get(i, 0.0), costs.get(i, 0.0), paid.get(i, 0.0)) for i in sorted({*held, *orders, *paid})
        ]
    table = np.array(lines, dtype=np.float64).reshape(-1, 6)
    blocked = np.zeros((sessions, len(BLOCKED)), dtype=np.int64)
    undone = np.zeros((sessions, len(BLOCKED)))
    for (s, reason), money in plan.undone.items():
        blocked[s, reason] += 1
        undone[s, reason] += money
    books = Books(
        offsets=np.array([offset]),
        **{name: block[None] for name, block in {**rows, **counts}.items()},
        rebalanced=rebalanced[None],
        blocked=blocked[None],
        blocked_value=undone[None],
        closed_out=np.array([plan.closed_out]),
    )
    holdings = Holdings(
        row=table[:, 0].astype(np.int64),
        asset=table[:, 1].astype(np.int32),
        value=table[:, 2],
        trade=table[:, 3],
        cost=table[:, 4],
        payout=table[:, 5],
    )
    return books, holdings


def stack(parts: Sequence[Books]) -> Books:
    """Several accounts as one record."""
    return Books(**{name: np.concatenate([getattr(each, name) for each in parts]) for name in Books.__slots__})


def scaled(books: Books, by: float) -> Books:
    """The same account with all money times a number."""
    money = [*(name for name in MONEY if name != "turned"), "blocked_value"]
    return replace(books, **{name: by * getattr(books, name) for name in money})


def cut(books: Books, sessions: int) -> Books:
    """The first sessions alone."""
    keys = [name for name in Books.__slots__ if name not in ("offsets", "closed_out")]
    closed = np.where(books.closed_out < sessions, books.closed_out, -1)
    return replace(books, **{name: getattr(books, name)[:, :sessions] for name in keys}, closed_out=closed)


def market(seed: int, *, sessions: int = 90, assets: int = 8) -> FloatArray:
    """Returns with gaps."""
    rng = np.random.default_rng(seed)
    returns = 0.03 * rng.standard_t(4, size=(sessions, assets)).clip(-8, 8)
    returns[rng.random(returns.shape) < 0.1] = np.nan
    return returns


def random_accounts(
    seed: int, *, grid: int = 5, long_only: bool = False, returns: FloatArray | None = None
) -> tuple[Books, list[Holdings]]:
    """One account an offset, rebalanced to random weights, with retries, payouts, blocked orders and every kind of cost."""
    rng = np.random.default_rng(seed + 1000)
    returns = market(seed) if returns is None else returns
    sessions, assets = returns.shape
    books, holdings = [], []
    for offset in range(grid):
        days = [day for day in range(offset + 1, sessions, grid) if day < grid or rng.random() > 0.1]
        plans = {day: _weights(rng, assets, long_only=long_only) for day in days}
        late = {day + 1: {int(rng.integers(assets)): 0.01} for day in days if rng.random() < 0.5 and day + 1 not in plans}
        made = keep(
            returns,
            Plan(
                rebalances=plans,
                late=late,
                payouts={(int(rng.integers(sessions)), int(rng.integers(assets))): float(rng.choice([-1.0, -0.3])) for _ in range(20)},
                undone={(day + k, int(rng.integers(6))): float(rng.random()) for day in days[:-1] for k in range(2) if day + k < sessions},
                fee=0.0012,
                impact=0.0005,
                borrow=0.0 if long_only else 0.0002,
                exposure=1.0 if long_only else 2.0,
            ),
            offset=offset,
        )
        books.append(made[0])
        holdings.append(made[1])
    return stack(books), holdings


def _weights(rng: np.random.Generator, assets: int, *, long_only: bool) -> dict[int, float]:
    names = rng.permutation(assets)
    size = assets // 3
    wanted = {int(i): 0.95 / size for i in names[:size]}
    return wanted if long_only else {**wanted, **{int(i): -0.95 / size for i in names[-size:]}}


def axes(returns: FloatArray, sessions: Sessions) -> Axes:
    """Axes with made-up codes."""
    return Axes(sessions, tuple(f"S{k:02d}" for k in range(returns.shape[1])))
