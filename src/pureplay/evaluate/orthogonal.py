"""Orthogonal ICIR: what a signal still predicts once the user's own factors are taken out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from pureplay.errors import EvaluationError, InsufficientDataError, SettingError
from pureplay.evaluate.inputs import ForwardReturns, Scores, base_block, forward_input, group_block, member_block, score_input
from pureplay.evaluate.records import ControlFigure, ICSummary, OrthogonalICIR
from pureplay.evaluate.summary import Timing, summarise
from pureplay.frames import AnyFrame
from pureplay.panel import Axes, BoolArray, FloatArray, IndexArray, to_frame
from pureplay.sessions import Calendar, DayArray
from pureplay.stats.inference import FEWEST_ON_GRID, MeanTest, ewc_test
from pureplay.stats.orthogonal import Orders, OrthogonalDays, orthogonal_days

__all__ = ["Control", "Evaluator", "nested_t", "neutralise", "orthogonal_icir", "verdict"]

_COVERED: Final = 0.9  # share of the names below which the base is said to keep names out
_ROUNDING: Final = 1e-9  # a difference of two rank correlations below it is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A score without product information, on the evaluator's axes: the score itself and its z-scored parts for the nested test."""

    score: FloatArray
    parts: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """Everything a signal is judged against, as blocks on common axes, so that many signals share the work.

    base: (sessions, columns, assets). groups: industry of the day, -1 = none, or None. eligible: universe, or None for all.
    forward: forward returns with their order, one layer a horizon. closes: day on which each session's window ends, for the first
    horizon; None where the axes reach to the end of the data and say it themselves.
    """

    axes: Axes
    base: FloatArray
    base_names: tuple[str, ...]
    forward: Orders
    horizons: tuple[int, ...]
    timing: Timing
    groups: IndexArray | None = None
    eligible: BoolArray | None = None
    min_names: int = 30
    closes: DayArray | None = None

    def days(
        self, signal: FloatArray, *, extra: tuple[FloatArray, ...] = (), raw: bool = False, among: BoolArray | None = None
    ) -> OrthogonalDays:
        """Daily residual rank IC of a signal; raw = without base and groups; among = further restriction of the names."""
        shape = self.axes.shape
        base = np.empty((shape[0], 0, shape[1])) if raw else self.base
        more = np.stack(extra, axis=1) if extra else None
        eligible = among if self.eligible is None else self.eligible if among is None else self.eligible & among
        return orthogonal_days(
            signal, base, self.forward, extra=more, groups=None if raw else self.groups, eligible=eligible, min_names=self.min_names
        )

    def summary(self, name: str, made: OrthogonalDays, *, horizon: int = 0) -> ICSummary:
        """Figures of daily results at a horizon, by its position."""
        return summarise(
            name,
            self.axes.sessions,
            made.ic[horizon],
            made.names[horizon],
            made.reason[horizon],
            horizon=self.horizons[horizon],
            timing=self.timing,
            closes=self.closes if horizon == 0 else None,
        )


def verdict(
    evaluator: Evaluator, name: str, signal: FloatArray, controls: Mapping[str, Control], *, notes: tuple[str, ...] = ()
) -> OrthogonalICIR:
    """Judge a signal: raw, orthogonal, each control, paired differences on common names, and the nested test.

    A control, or a nested test, without an answer is left out with a note. Raises EvaluationError where the base contains the
    signal, InsufficientDataError where no date is evaluable.
    """
    raw = evaluator.summary(f"{name}, raw", evaluator.days(signal, raw=True))
    made = evaluator.days(signal)
    orthogonal = evaluator.summary(f"{name}, orthogonal", made)
    figures, missing = _control_figures(evaluator, signal, controls)
    nested, why = _nested(evaluator, name, signal, [controls[each.name] for each in figures if not each.identical])
    left = made.left[np.isfinite(made.left)]
    return OrthogonalICIR(
        raw=raw,
        orthogonal=orthogonal,
        base=evaluator.base_names,
        variance_left=float(left.mean()) if left.size else float("nan"),
        variance_left_range=(float(np.quantile(left, 0.05)), float(np.quantile(left, 0.95))) if left.size else (float("nan"), float("nan")),
        dropped={column: int(count) for column, count in zip(evaluator.base_names, made.dropped.sum(axis=0), strict=True) if count},
        controls=figures,
        nested=nested,
        not_evaluable=tuple(missing),
        notes=(*notes, *_names_lost(raw, orthogonal), *_few_dates(orthogonal), *missing.values(), *why),
    )


def _names_lost(raw: ICSummary, orthogonal: ICSummary) -> tuple[str, ...]:
    if orthogonal.median_names >= _COVERED * raw.median_names:
        return ()
    return (
        f"the base covers only {orthogonal.median_names:.0f} of {raw.median_names:.0f} names a date in the median: "
        "missing factors or industries keep the rest out",
    )


def _few_dates(figure: ICSummary) -> tuple[str, ...]:
    """A note where there are dates with an IC, but too few for an ICIR."""
    if np.isfinite(figure.icir):
        return ()
    return (
        f"there is no ICIR: {figure.n_dates} dates have an IC, and no rebalance offset of {figure.grid_sessions} sessions has "
        f"{FEWEST_ON_GRID} of them with different values: widen the data or shorten grid_sessions",
    )


def _nested(evaluator: Evaluator, name: str, signal: FloatArray, controls: Sequence[Control]) -> tuple[ICSummary | None, tuple[str, ...]]:
    """Figures beyond base and controls, or a note on why there are none; neither without controls."""
    if not controls:
        return None, ()
    label = f"{name}, beyond base and controls"
    made = evaluator.days(signal, extra=tuple(part for control in controls for part in control.parts))
    try:
        return evaluator.summary(label, made), ()
    except InsufficientDataError as error:
        return None, (f"there is no nested test: {_reason(error, label)}",)
    except EvaluationError:
        return None, ("there is no nested test: base and controls together contain the signal, so nothing of it is left beyond them",)


def _control_figures(
    evaluator: Evaluator, signal: FloatArray, controls: Mapping[str, Control]
) -> tuple[tuple[ControlFigure, ...], dict[str, str]]:
    """Figures of the controls that have some, and a note by name on each that has none."""
    figures, missing = [], {}
    for name, control in controls.items():
        try:
            figures.append(_control_figure(evaluator, name, signal, control))
        except InsufficientDataError as error:
            missing[name] = f"control {name} is not evaluable: {_reason(error, f'{name}, raw', f'{name}, orthogonal')}"
        except EvaluationError:
            missing[name] = f"control {name} is not evaluable: the base contains it, so nothing of it is left"
    return tuple(figures), missing


def _reason(error: EvaluationError, *labels: str) -> str:
    """Text of an error without the name of the figure that it begins with."""
    text = str(error)
    for label in labels:
        text = text.removeprefix(f"{label}: ")
    return text.removeprefix("not evaluable: ")


def nested_t(evaluator: Evaluator, signal: FloatArray, controls: Mapping[str, Control]) -> float:
    """EWC t of the signal's IC orthogonal to the base and to the parts of all controls."""
    parts = tuple(part for control in controls.values() for part in control.parts)
    return ewc_test(evaluator.days(signal, extra=parts).ic[0]).t


def _control_figure(evaluator: Evaluator, name: str, signal: FloatArray, control: Control) -> ControlFigure:
    common = np.isfinite(signal) & np.isfinite(control.score)
    identical = bool(common.any()) and bool((signal[common] == control.score[common]).all())
    if identical:
        paired = MeanTest(mean=0.0, se=float("nan"), t=float("nan"), p=float("nan"), df=0, n=int(common.any(axis=1).sum()))
    else:
        difference = evaluator.days(signal, among=common).ic[0] - evaluator.days(control.score, among=common).ic[0]
        paired = ewc_test(np.where(np.abs(difference) < _ROUNDING, 0.0, difference))
    return ControlFigure(
        name=name,
        raw=evaluator.summary(f"{name}, raw", evaluator.days(control.score, raw=True)),
        orthogonal=evaluator.summary(f"{name}, orthogonal", evaluator.days(control.score)),
        paired=paired,
        identical=identical,
    )


def orthogonal_icir(
    signal: AnyFrame,
    forward_returns: AnyFrame,
    base_factors: AnyFrame | None,
    *,
    industries: AnyFrame | None = None,
    controls: Mapping[str, AnyFrame] | None = None,
    universe: AnyFrame | None = None,
    column: str | None = None,
    timing: Timing | None = None,
    min_names: int = 30,
    calendar: Calendar = "bars",
) -> OrthogonalICIR:
    """Orthogonal ICIR of any score on any base: METHODS §5, S0's headline.

    signal: date, asset and a score; `column` names it (default: "composite", else the only numeric column).
    forward_returns: as `forward_returns` makes them (date, asset, forward_return and, if known, sessions, delay, ordinal, exit_date);
    calendar: numbers the dates of a frame without ordinal.
    base_factors: date, asset and any numeric columns known at the close of date; None = an empty base, the raw IC.
    industries: asset, start_date, end_date (first day after), code of one scheme, absorbed as dummies.
    controls: name → frame date, asset, composite (or one score) and the parts biz_mom_z and biz_resvol_z where it has them.
    universe: asset, start_date, end_date (last day): only names inside take part. timing: grid, split, null draws, seed.
    min_names: fewest names a date; a date also needs twice as many names as regressors. A control, or a nested test, that has no
    answer is left out with a note.

    Per date: least squares of the signal on [1, base, industries] over names with everything finite - the fit never looks at which
    forward returns exist - and the Spearman correlation of the residual with the forward return. Infinite and missing values keep a
    name out for the day. Raises TableError for malformed frames, EvaluationError where the base contains the signal,
    InsufficientDataError where no date is evaluable.
    """
    timing = timing or Timing()
    future = forward_input(forward_returns, calendar, delay=timing.delay_sessions)
    score = score_input(signal, future.axes, column)
    notes = list(score.notes)
    evaluator = _evaluator(future, base_factors, industries, universe, replace(timing, delay_sessions=future.delay), min_names, notes)
    blocks = {name: _control(score_input(frame, future.axes, None)) for name, frame in (controls or {}).items()}
    return verdict(evaluator, score.name, score.values, blocks, notes=tuple(notes))


def neutralise(
    signal: AnyFrame,
    base_factors: AnyFrame | None,
    *,
    industries: AnyFrame | None = None,
    column: str | None = None,
    min_names: int = 30,
    calendar: Calendar = "bars",
) -> pl.DataFrame:
    """The score with the base taken out, date by date: date, asset, residual. For delivery; looks at no return.

    Names with any factor missing on a date have no row, nor has a date with fewer than `min_names` names, or fewer than twice as many
    as regressors. Its orthogonal ICIR on the same base equals that of the score itself. Raises InsufficientDataError where no date has
    enough names, EvaluationError where the base leaves nothing on any.
    """
    score = score_input(signal, None, column, calendar=calendar)
    base, _ = base_block(base_factors, score.axes)
    residual = neutral_block(score.values, base, groups=group_block(industries, score.axes), min_names=min_names, name=score.name)
    return to_frame(score.axes, {"residual": residual}, np.isfinite(residual))


def neutral_block(
    score: FloatArray, base: FloatArray, *, groups: IndexArray | None = None, min_names: int = 30, name: str = "the score"
) -> FloatArray:
    """`neutralise` on blocks: score (sessions, assets), base (sessions, columns, assets) -> residual, NaN where there is none."""
    shape = score.shape
    nothing = Orders(np.empty((0, *shape)), np.empty((0, *shape), dtype=np.int32), np.empty((0, shape[0]), dtype=np.int64))
    made = orthogonal_days(score, base, nothing, groups=groups, min_names=min_names, keep_residual=True)
    if made.residual is None:
        raise SettingError("no residual was kept")
    enough = _enough_names(score, base, groups, made, min_names)
    residual: FloatArray = np.where(enough[:, None] & np.isfinite(made.residual), made.residual, np.nan)
    if not np.isfinite(residual).any():
        raise _nothing_to_deliver(name, made, enough, min_names)
    return residual


def _enough_names(signal: FloatArray, base: FloatArray, groups: IndexArray | None, made: OrthogonalDays, min_names: int) -> BoolArray:
    """Dates with max(min_names, 2 × regressors) names in the fit, as the evaluation asks for."""
    regressors = base.shape[1] - made.dropped.sum(axis=1) + 1
    if groups is not None:
        fitted = np.isfinite(signal) & (groups >= 0)
        for column in range(base.shape[1]):
            fitted &= np.isfinite(base[:, column])
        regressors = regressors - 1 + np.array([np.unique(row[known]).size for row, known in zip(groups, fitted, strict=True)])
    return np.asarray(made.fitted >= np.maximum(min_names, 2 * regressors))


def _nothing_to_deliver(name: str, made: OrthogonalDays, enough: BoolArray, min_names: int) -> EvaluationError:
    contained = int((enough & np.isfinite(made.left)).sum())
    if contained:
        return EvaluationError(
            f"{name}: nothing is left to deliver: on {contained} of {enough.size} dates the base contains the score, and no "
            "other date has enough names that differ: leave out of the base what the score is made of"
        )
    if enough.any():
        return InsufficientDataError(f"{name}: nothing to deliver: the score is the same for all names on each of {enough.size} dates")
    return InsufficientDataError(
        f"{name}: nothing to deliver: no date out of {enough.size} has enough names with a score, every factor and an industry where "
        f"industries are given (at most {int(made.fitted.max(initial=0))} on one date; {min_names} and twice the number of regressors are "
        "needed): widen the data, drop sparse factors, check codes and dates, or lower min_names"
    )


def _evaluator(
    future: ForwardReturns,
    base_factors: AnyFrame | None,
    industries: AnyFrame | None,
    universe: AnyFrame | None,
    timing: Timing,
    min_names: int,
    notes: list[str],
) -> Evaluator:
    base, names = base_block(base_factors, future.axes, notes=notes)
    return Evaluator(
        axes=future.axes,
        base=base,
        base_names=names,
        forward=future.orders,
        horizons=(future.sessions,),
        timing=timing,
        groups=group_block(industries, future.axes),
        eligible=member_block(universe, future.axes),
        min_names=min_names,
        closes=future.closes,
    )


def _control(score: Scores) -> Control:
    return Control(score=score.values, parts=score.parts or (score.values,))
