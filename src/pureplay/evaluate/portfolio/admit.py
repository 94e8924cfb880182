"""Checks of what comes to an account from outside: terms, tape, targets."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pureplay.errors import EvaluationError, SettingError
from pureplay.evaluate.portfolio.arrays import AssetArray, RowArray, Tape, Targets, Terms
from pureplay.panel import FloatArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["require_tape", "require_targets", "require_terms"]

_SUM: Final = 1e-9  # by which the weights of a leg may miss 1
_RANGES: Final[Mapping[str, tuple[float, float, str]]] = {
    "capital": (5e-324, 1.7e308, "above 0"),
    "long_exposure": (0.0, 1.7e308, "at least 0 and finite"),
    "short_exposure": (0.0, 1.7e308, "at least 0 and finite"),
    "spread_limit": (1.0, 1.7e308, "at least 1 and finite"),
    "participation": (5e-324, math.inf, "above 0, inf for no limit"),
    "impact": (0.0, 1.7e308, "at least 0 and finite"),
    "write_off_return": (-1.0, 1.7e308, "at least -1 and finite"),
    "delay_sessions": (0, 2**31, "a whole number of at least 0"),
    "retry_sessions": (0, 2**31, "a whole number of at least 0"),
    "write_off_sessions": (0, 2**31, "a whole number of at least 0 (0 = never)"),
}


def require_terms(terms: Terms) -> None:
    """Raise SettingError for a number outside its range, or an account without exposure."""
    for name, (least, most, words) in _RANGES.items():
        value = getattr(terms, name)
        kind = (int, np.integer) if isinstance(least, int) else (int, float, np.integer, np.floating)
        if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
            raise SettingError(f"{name} must be {words}, not {value!r}")
    if terms.long_exposure + terms.short_exposure <= 0:
        raise SettingError("long_exposure and short_exposure are both 0, so nothing would ever be held: give one of them")


def require_tape(tape: Tape) -> None:
    """Raise EvaluationError where arrays disagree in shape or hold what cannot be."""
    if tape.returns.ndim != 2 or not tape.returns.shape[0]:
        raise EvaluationError(f"returns have the shape {tape.returns.shape}, not (sessions, assets) with a session: give a block")
    sessions, assets = tape.returns.shape
    for name in ("tradable", "at_upper", "at_lower", "enterable"):
        _require_array(name, getattr(tape, name), (sessions, assets), np.bool_)
    _require_array("shorting", tape.shorting, (sessions,), np.bool_)
    _require_array("settlement", tape.settlement, (sessions,), np.integer)
    _require_array("last_session", tape.last_session, (assets,), np.integer)
    for name, shape in (("buy_rate", sessions), ("sell_rate", sessions), ("borrow_rate", sessions), ("payout", assets)):
        _require_array(name, getattr(tape, name), (shape,), np.floating)
    _require_array("returns", tape.returns, (sessions, assets), np.floating)
    _require_block("returns", tape.returns, -1.0, "at least -1 and finite, or NaN where the stock did not trade")
    for name in ("liquidity", "volatility"):
        block = getattr(tape, name)
        if block is not None:
            _require_array(name, block, (sessions, assets), np.floating)
            _require_block(name, block, 0.0, "at least 0 and finite, or NaN where it is not known")
    for name, top in (("buy_rate", 1.0), ("sell_rate", 1.0), ("borrow_rate", math.inf)):
        rate = getattr(tape, name)
        _require_each(name, rate, np.isfinite(rate) & (rate >= 0) & (rate < top), "finite, at least 0 and a decimal (30 bp = 0.003)")
    _require_each("settlement", tape.settlement, tape.settlement >= 0, "a number of sessions, at least 0")
    paid = tape.last_session < sessions
    _require_each("last_session", tape.last_session, tape.last_session >= -1, "a session index of at least -1")
    _require_each(
        "payout", tape.payout, ~paid | (np.isfinite(tape.payout) & (tape.payout >= -1)), "finite and at least -1 for a delisted name"
    )


def require_targets(targets: Targets, shape: tuple[int, ...], *, short: bool) -> None:
    """Raise EvaluationError for targets that disagree in shape, name assets out of range or twice, or whose legs do not sum to ±1."""
    count = targets.rows.size
    for name, size, kind in (("rows", count, np.integer), ("offsets", count, np.integer), ("starts", count + 1, np.integer)):
        _require_array(name, getattr(targets, name), (size,), kind)
    names = int(targets.starts[-1])
    _require_array("assets", targets.assets, (names,), np.integer)
    _require_array("weights", targets.weights, (names,), np.floating)
    _require_each("starts", targets.starts, np.diff(targets.starts, prepend=0) >= 0, "ascending from 0")
    _require_each("rows", targets.rows, (targets.rows >= 0) & (targets.rows < shape[0]), f"a session index from 0 to {shape[0] - 1}")
    _require_names(targets, shape[1], short)
    for offset in np.unique(targets.offsets):
        mine = targets.rows[targets.offsets == offset]
        _require_each(f"rows of offset {offset}", mine, np.diff(mine, prepend=-1) > 0, "ascending, each once")


def _require_names(targets: Targets, assets: int, short: bool) -> None:
    """Names and weights of every rebalance."""
    places, totals = np.full((4, targets.rows.size), -1, dtype=np.int64), np.zeros((2, targets.rows.size))
    over_blocks(
        lambda start, stop: _name_block(targets.starts, targets.assets, targets.weights, assets, short, places, totals, start, stop),
        targets.rows.size,
    )
    rules = (
        f"an asset index from 0 to {assets - 1}",
        "ascending within a rebalance, each once",
        "finite",
        "at least 0 without a short leg",
    )
    for which, (name, rule) in enumerate(zip(("assets", "assets", "weights", "weights"), rules, strict=True)):
        wrong = np.flatnonzero(places[which] >= 0)
        if wrong.size:
            k, j = int(wrong[0]), int(places[which, wrong[0]])
            raise EvaluationError(
                f"{name} must be {rule}, not {getattr(targets, name)[j]} (first at index {j}, {_where(targets, k)}; {wrong.size} of "
                f"{targets.rows.size} rebalances): correct them, or leave them out"
            )
    for total, leg, sign in zip(totals, ("long", "short"), (1, -1), strict=True):
        wrong = np.flatnonzero((total != 0) & (np.abs(total - sign) > _SUM))
        if wrong.size:
            k = int(wrong[0])
            raise EvaluationError(
                f"weights of the {leg} leg must sum to {sign:+d}, not {total[k]:.12g} ({_where(targets, k)}; {wrong.size} of "
                f"{targets.rows.size} rebalances): divide them by the size of their sum"
            )


def _where(targets: Targets, k: int) -> str:
    return f"rebalance {k} at row {targets.rows[k]}, offset {targets.offsets[k]}"


@kernel
def _name_block(
    starts: RowArray,
    names: AssetArray,
    weights: FloatArray,
    assets: int,
    short: bool,
    places: RowArray,
    totals: FloatArray,
    start: int,
    stop: int,
) -> None:
    """Sums of the legs of each rebalance, and the last place that breaks each rule."""
    for k in range(start, stop):
        for j in range(starts[k], starts[k + 1]):
            i, w = names[j], weights[j]
            if i < 0 or i >= assets:
                places[0, k] = j
            if j > starts[k] and i <= names[j - 1]:
                places[1, k] = j
            if not math.isfinite(w):
                places[2, k] = j
            elif w < 0.0 and not short:
                places[3, k] = j
            totals[0 if w > 0.0 else 1, k] += w


def _require_array(name: str, array: npt.NDArray[Any], shape: tuple[int, ...], kind: type) -> None:
    if array.shape != shape or not np.issubdtype(array.dtype, kind):
        raise EvaluationError(
            f"{name} must have the shape {shape} and hold {kind.__name__.strip('_')} values, not {array.shape} of {array.dtype}: "
            "build all arrays on the same sessions and assets"
        )


def _require_each(name: str, values: npt.NDArray[Any], holds: npt.NDArray[np.bool_], rule: str) -> None:
    if not holds.all():
        wrong = np.flatnonzero(~holds)
        raise EvaluationError(
            f"{name} must be {rule}, not {values[wrong[0]]} (first at index {wrong[0]}; {wrong.size} of {holds.size}): "
            "correct them, or leave them out"
        )


def _require_block(name: str, block: FloatArray, least: float, rule: str) -> None:
    wrong = np.full(block.shape[0], -1, dtype=np.int64)
    over_blocks(lambda start, stop: _first_wrong(block, least, wrong, start, stop), block.shape[0])
    rows = np.flatnonzero(wrong >= 0)
    if rows.size:
        s, i = int(rows[0]), int(wrong[rows[0]])
        raise EvaluationError(
            f"{name} must be {rule}, not {block[s, i]} (first at row {s}, asset {i}; on {rows.size} sessions): "
            "correct the data, or set it to NaN"
        )


@kernel
def _first_wrong(block: FloatArray, least: float, wrong: RowArray, start: int, stop: int) -> None:
    """First asset of each session with a value below the least one or infinite; NaN is neither."""
    for s in range(start, stop):
        for i in range(block.shape[1]):
            if block[s, i] < least or block[s, i] == np.inf:
                wrong[s] = i
                break
