"""Robustness of a score against the choice of base, horizon and period: what needs only signal, base and returns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate.battery_records import Delivery, Robustness
from pureplay.evaluate.cell_figures import BaseDays, battery_figures, offset_icirs
from pureplay.evaluate.cells import BaseCell, Battery, plan_bases
from pureplay.evaluate.horizons import Horizons, horizon_inputs
from pureplay.evaluate.inputs import base_block, group_block, member_block, score_input
from pureplay.evaluate.orthogonal import Evaluator
from pureplay.evaluate.summary import Timing, summarise
from pureplay.evaluate.turnover import Turnover, turnover
from pureplay.frames import AnyFrame
from pureplay.market import load_market
from pureplay.panel import FloatArray
from pureplay.sessions import Calendar
from pureplay.stats.orthogonal import NO_NAMES, orthogonal_days
from pureplay.stats.subsets import subset_days

__all__ = ["Delivery", "Robustness", "delivery_invariance", "robustness", "run_bases"]

_COVERED: Final = 0.9  # share of the scored names below which the base is said to keep names out


def run_bases(
    evaluator: Evaluator,
    signal: FloatArray,
    cells: Sequence[BaseCell],
    *,
    first: int = 0,
    last: int | None = None,
    numbered_from: int = 0,
) -> BaseDays:
    """Daily rank IC of a signal on every base of a plan, over sessions [first, last): one pass for all of them.

    All bases of a date use the same names: those with everything finite in the whole base. A block of sessions gives the bits that
    the whole run gives for it, so that blocks can be stored, and put together with `BaseDays.joined`. Equal bases are worked once.
    numbered_from: number of the evaluator's first session in the whole sample, where the evaluator holds a part of it only; the result
    then counts its sessions in the whole sample.
    """
    columns = evaluator.base.shape[1]
    plain, noisy = _distinct(cells, columns)
    stop = evaluator.axes.shape[0] if last is None else last
    subsets = np.zeros((len(plain), columns), dtype=bool)
    for row, held in enumerate(plain):
        subsets[row, list(held)] = True
    made = subset_days(
        signal,
        evaluator.base,
        evaluator.forward,
        subsets,
        noise=np.array(list(noisy), dtype=np.int64).reshape(-1, 2),
        groups=evaluator.groups,
        eligible=evaluator.eligible,
        min_names=evaluator.min_names,
        first=first,
        last=stop,
        numbered_from=numbered_from,
    )
    at = [len(plain) + noisy[cell.stream, cell.noise] if cell.noise else plain[cell.columns] for cell in cells]
    begin, end = first + numbered_from, stop + numbered_from
    out = BaseDays(first=begin, last=end, ic=made.ic[at], names=made.names, reason=made.reason[at], left=made.left[at], fitted=made.fitted)
    skipped = [number for number, cell in enumerate(cells) if cell.reason is not None]
    out.ic[skipped], out.reason[skipped], out.left[skipped] = np.nan, NO_NAMES, np.nan
    return out


def _distinct(cells: Sequence[BaseCell], columns: int) -> tuple[dict[tuple[int, ...], int], dict[tuple[int, int], int]]:
    """Every distinct base once with its number: plain ones by their columns, noisy ones by stream and count."""
    plain: dict[tuple[int, ...], int] = {}
    noisy: dict[tuple[int, int], int] = {}
    for cell in cells:
        beyond = [each for each in cell.columns if not 0 <= each < columns]
        if beyond or (cell.noise and len(cell.columns) != columns):
            raise SettingError(f"{cell.group}, {cell.label}: the plan is of a base with other columns than these {columns}: plan it anew")
        if cell.noise:
            noisy.setdefault((cell.stream, cell.noise), len(noisy))
        else:
            plain.setdefault(cell.columns, len(plain))
    return plain, noisy


def delivery_invariance(evaluator: Evaluator, signal: FloatArray) -> Delivery:
    """The score against its own residual as a customer gets it, on the same base: METHODS §5, pre-orthogonalised delivery."""
    own = orthogonal_days(
        signal,
        evaluator.base,
        evaluator.forward,
        groups=evaluator.groups,
        eligible=evaluator.eligible,
        min_names=evaluator.min_names,
        keep_residual=True,
    )
    residual = np.full(signal.shape, np.nan) if own.residual is None else own.residual
    again = evaluator.days(residual)
    offset = evaluator.axes.sessions.ordinals % evaluator.timing.grid_sessions
    gap = np.abs(own.ic - again.ic)
    return Delivery(
        horizons=evaluator.horizons,
        icir=_headlines(own.ic, offset),
        delivered=_headlines(again.ic, offset),
        daily_difference=float(np.nanmax(gap)) if np.isfinite(gap).any() else float("nan"),
        lost=int((np.isfinite(own.ic) != np.isfinite(again.ic)).sum()),
    )


def _headlines(ic: FloatArray, offset: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[float, ...]:
    icirs = [row[np.isfinite(row)] for row in offset_icirs(ic, offset)]
    return tuple(float(row.mean()) if row.size else float("nan") for row in icirs)


def robustness(
    signal: AnyFrame,
    forward_returns: Mapping[int, AnyFrame] | AnyFrame,
    base_factors: AnyFrame,
    *,
    families: Mapping[str, str] | None = None,
    ladder: Sequence[str] | None = None,
    industries: AnyFrame | None = None,
    universe: AnyFrame | None = None,
    bars: AnyFrame | Dataset | None = None,
    column: str | None = None,
    battery: Battery | None = None,
    timing: Timing | None = None,
    min_names: int = 30,
    calendar: Calendar = "bars",
) -> Robustness:
    """Battery of any score on any base: METHODS §5, the part that does not rebuild the signal.

    signal, base_factors, industries, universe, column, min_names, calendar: as in `orthogonal_icir`. forward_returns: horizon in sessions →
    frame of `forward_returns`, or one frame. families: column → family; ladder: all columns, the first to enter first; by default each
    column is its own family and enters where it stands. bars: for the turnover, None = none. battery: what runs; default: `Battery()`,
    with a ladder from fewer columns where the base has fewer than five.

    Every base, every horizon's fit included, uses the same names: those with a finite score and every factor. Raises SettingError for
    families or ladders that do not fit the base, EvaluationError where the base contains the signal, InsufficientDataError where no
    date is evaluable, TableError for malformed frames.
    """
    timing = timing or Timing(null_draws=0)
    future = horizon_inputs(forward_returns, calendar, delay=timing.delay_sessions)
    said: list[str] = []
    base, names = base_block(base_factors, future.future.axes, notes=said)
    if not names:
        raise SettingError("base_factors hold no factor: robustness compares bases, so give one column at least, or use rank_ic")
    settings = battery or Battery(ladder_from=min(Battery().ladder_from, len(names)))
    cells = plan_bases(names, families, ladder, settings)
    score = score_input(signal, future.future.axes, column)
    evaluator = _evaluator(future, base, names, industries, universe, timing, min_names)
    _require_answer(evaluator, score.name, run_bases(evaluator, score.values, cells[:1]))  # a plan of thousands of bases can take long
    days = run_bases(evaluator, score.values, cells)
    held, why = _turnover(signal, bars, column, settings, evaluator)
    fitted, scored = _typical(days.fitted), _typical(np.isfinite(score.values).sum(axis=1))
    return Robustness(
        name=score.name,
        base=names,
        horizons=future.sessions,
        headline_horizon=timing.grid_sessions if timing.grid_sessions in future.sessions else future.sessions[0],
        median_names=fitted,
        median_scored=scored,
        figures=battery_figures(evaluator, cells, days, closes=future.closes),
        turnover=held,
        delivery=delivery_invariance(evaluator, score.values),
        settings=settings,
        notes=(
            *score.notes,
            *said,
            *_names_lost(fitted, scored),
            *_redundant(evaluator, score.values),
            *[cell.reason for cell in cells if cell.reason],
            *why,
        ),
    )


def _evaluator(
    future: Horizons,
    base: FloatArray,
    names: tuple[str, ...],
    industries: AnyFrame | None,
    universe: AnyFrame | None,
    timing: Timing,
    min_names: int,
) -> Evaluator:
    """Evaluator of all horizons; `closes` of the first, as it has room for one."""
    return Evaluator(
        axes=future.future.axes,
        base=base,
        base_names=names,
        forward=future.future.orders,
        horizons=future.sessions,
        timing=replace(timing, delay_sessions=future.future.delay),
        groups=group_block(industries, future.future.axes),
        eligible=member_block(universe, future.future.axes),
        min_names=min_names,
        closes=future.closes[0],
    )


def _require_answer(evaluator: Evaluator, name: str, days: BaseDays) -> None:
    """Raise the error of `orthogonal_icir` where the full base, the first of the plan, has no IC at any horizon."""
    if np.isfinite(days.ic[0]).any():
        return
    summarise(
        f"{name}, orthogonal",
        evaluator.axes.sessions,
        days.ic[0, 0],
        days.names[0],
        days.reason[0, 0],
        horizon=evaluator.horizons[0],
        timing=evaluator.timing,
    )


def _typical(names: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    return float(np.median(names[names > 0])) if (names > 0).any() else 0.0


def _names_lost(fitted: float, scored: float) -> tuple[str, ...]:
    if fitted >= _COVERED * scored:
        return ()
    return (
        f"only {fitted:.0f} of {scored:.0f} scored names of the median date have every factor (and an industry, where given): "
        "all bases are judged on these",
    )


def _redundant(evaluator: Evaluator, signal: FloatArray) -> tuple[str, ...]:
    """A note on columns that left the whole base on some dates."""
    dropped = evaluator.days(signal).dropped.sum(axis=0)
    told = [f"{name} on {count}" for name, count in zip(evaluator.base_names, dropped, strict=True) if count]
    if not told:
        return ()
    more = f" and {len(told) - 10} more" if len(told) > 10 else ""
    return (f"columns that were constant or a combination of those before them, on dates: {', '.join(told[:10])}{more}",)


def _turnover(
    signal: AnyFrame, bars: AnyFrame | Dataset | None, column: str | None, settings: Battery, evaluator: Evaluator
) -> tuple[Turnover | None, tuple[str, ...]]:
    """Turnover of the score on the axes of the bars, or a note on why there is none."""
    if bars is None:
        return None, ("there is no turnover: it needs bars=",)
    data = bars if isinstance(bars, Dataset) else Dataset.from_frames({"bars": bars}, calendar=evaluator.axes.sessions.calendar)
    market = load_market(data)
    scores = score_input(signal, market.axes, column).values
    grid = evaluator.timing.grid_sessions
    try:
        made = turnover(
            scores,
            market.returns,
            market.traded,
            market.axes.sessions,
            grid_sessions=grid,
            quantiles=settings.quantiles,
            cost_bps=settings.cost_bps,
        )
    except InsufficientDataError as error:
        return None, (f"there is no turnover: {str(error).removeprefix('turnover: ')}",)
    return made, ()
