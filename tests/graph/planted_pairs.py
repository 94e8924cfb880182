"""Panels of pairs whose forward correlation follows known coefficients."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from pureplay.graph.arrays import LAMPS, Lamps, PairPanel
from pureplay.panel import FloatArray
from pureplay.sessions import DayArray

FORWARD = 60
PLANTED = {
    "intercept": 0.05,
    "trailing": 0.5,
    "product_peer": 0.05,
    "deep_peer": 0.07,
    "chain": 0.03,
    "disclosed": 0.015,
    "affiliate": 0.01,
    "dark": 0.0,
}
INTERACTIONS = {**PLANTED, "trailing_x_deep_peer": 0.4, "trailing_x_chain": -0.3}
ONLY_PAIRS = ("a", "b", "news", "strength", "trailing", "forward", "sector")


def days(count: int) -> DayArray:
    """Consecutive weekdays from 2015-01-01 on."""
    return np.busday_offset(np.datetime64("2015-01-01", "D"), np.arange(count))


def sessions(vintages: int, *, spare: int = 10) -> DayArray:
    """Sessions of a panel of so many vintages: 21 apart, the first after 90, the last `spare` sessions before the end."""
    return days(90 + 21 * (vintages - 1) + 1 + spare)


def naive_terms(panel: PairPanel, entry: int) -> dict[str, float]:
    """Every term of one pair by name, written from the definition."""
    lit = {name: bool(getattr(panel.lamps, name)[entry]) for name in ("product_peer", *LAMPS, "bid")}
    lit["dark"] = bool(panel.news[entry]) and not any(lit[name] for name in LAMPS)
    trailing = float(panel.trailing[entry])
    out = {"intercept": 1.0, "trailing": trailing, **{name: float(value) for name, value in lit.items()}}
    return {**out, **{f"trailing_x_{name}": trailing * lit[name] for name in (*LAMPS, "dark")}}


def naive_sum(panel: PairPanel, coefficients: Mapping[str, float]) -> FloatArray:
    """Coefficient times term, pair by pair."""
    rows = (naive_terms(panel, entry) for entry in range(panel.a.size))
    return np.array([sum(coefficients[name] * row[name] for name in coefficients) for row in rows])


def planted(
    seed: int = 0,
    *,
    vintages: int = 30,
    pairs: int = 60,
    names: int = 24,
    noise: float = 0.05,
    coefficients: Mapping[str, float] = PLANTED,
    spare: int = 10,
) -> PairPanel:
    """`pairs` news pairs and as many random ones a vintage; a few unmapped, a few correlations missing."""
    rng = np.random.default_rng(seed)
    every = np.array([(i, j) for i in range(names) for j in range(i + 1, names)], dtype=np.int32)
    chosen = []
    for _ in range(vintages):
        drawn = rng.choice(len(every), 2 * pairs, replace=False)
        chosen += [every[np.sort(drawn[:pairs])], every[np.sort(drawn[pairs:])]]
    a, b = np.concatenate(chosen).T.copy()
    n = a.size
    news = np.tile(np.arange(2 * pairs) < pairs, vintages)
    deep = rng.random(n) < 0.2
    lamps = Lamps(
        mapped=rng.random(n) < 0.95,
        peer_depth=np.zeros(n, dtype=np.int32),
        product_peer=deep | (rng.random(n) < 0.2),
        deep_peer=deep,
        chain=rng.random(n) < 0.2,
        disclosed=rng.random(n) < 0.15,
        affiliate=rng.random(n) < 0.15,
        bid=rng.random(n) < 0.1,
    )
    dates = sessions(vintages, spare=spare)
    rows = 90 + 21 * np.arange(vintages, dtype=np.int64)
    panel = PairPanel(
        assets=tuple(f"S{k:02d}" for k in range(names)),
        rows=rows,
        dates=dates[rows],
        starts=np.arange(vintages + 1, dtype=np.int64) * 2 * pairs,
        a=a,
        b=b,
        news=news,
        strength=np.where(news, rng.integers(1, 9, n), 0).astype(np.float64),
        trailing=np.where(rng.random(n) < 0.03, np.nan, rng.normal(0.2, 0.2, n)),
        forward=np.zeros(n),
        sector=rng.integers(-1, 4, n).astype(np.int32),
        lamps=lamps,
    )
    forward = naive_sum(panel, coefficients) + noise * rng.normal(size=n)
    forward[(rng.random(n) < 0.03) | np.repeat(rows + FORWARD >= dates.size, 2 * pairs)] = np.nan
    return replace(panel, forward=forward)


def with_lamps(panel: PairPanel, **lamps: Any) -> PairPanel:
    """The panel with some lamps replaced."""
    return replace(panel, lamps=replace(panel.lamps, **lamps))


def cut(panel: PairPanel, vintages: int) -> PairPanel:
    """The first vintages alone, as if later ones had never been."""
    end = int(panel.starts[vintages])
    return replace(
        panel,
        rows=panel.rows[:vintages].copy(),
        dates=panel.dates[:vintages].copy(),
        starts=panel.starts[: vintages + 1].copy(),
        **{name: getattr(panel, name)[:end].copy() for name in ONLY_PAIRS},
        lamps=Lamps(**{each.name: getattr(panel.lamps, each.name)[:end].copy() for each in fields(Lamps)}),
    )


def without(panel: PairPanel, vintage: int) -> PairPanel:
    """The panel with one vintage emptied of pairs."""
    part = panel.vintage(vintage)
    keep = np.ones(panel.a.size, dtype=bool)
    keep[part] = False
    starts = panel.starts.copy()
    starts[vintage + 1 :] -= part.stop - part.start
    pairs = {name: getattr(panel, name)[keep] for name in ONLY_PAIRS}
    return replace(panel, starts=starts, **pairs, lamps=panel.lamps.take(keep))
