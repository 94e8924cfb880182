"""From daily rank ICs to figures: all rebalance offsets, periods, tests and the null."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import EvaluationError, InsufficientDataError, SettingError
from pureplay.evaluate.records import ICSummary, OffsetFigure, Period
from pureplay.panel import FloatArray
from pureplay.sessions import DayArray, Sessions
from pureplay.stats.inference import FEWEST_ON_GRID, OffsetNull, ewc_test, newey_west_t, offset_null
from pureplay.stats.orthogonal import CONTAINED, FEW_NAMES, NO_NAMES

__all__ = ["Timing", "is_whole", "summarise", "window_closes"]

_REASONS: Final[Mapping[int, str]] = {
    NO_NAMES: "without a name that has both a score and a forward return",
    FEW_NAMES: "with too few names, or without variation",
    CONTAINED: "on which the base contains the signal",
}
_SHORTEST_STEP: Final = 20  # METHODS §5: blocks of the null last the horizon and 20 sessions at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How daily ICs become figures.

    grid_sessions: sessions between rebalances, so the number of offsets. delay_sessions: from score to entry, where the forward returns
    do not say it themselves. split: last day of the in-sample period, on which its last window has closed; None = no split.
    null_draws: simulated draws of the null, 0 = none. seed: of these draws. Raises SettingError for anything else.
    """

    grid_sessions: int = 20
    delay_sessions: int = 1
    split: date | None = None
    null_draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("grid_sessions", 1), ("delay_sessions", 0), ("null_draws", 0), ("seed", 0)):
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise SettingError(f"{name} must be a whole number of at least {least}, not {value!r}")
        split: object = self.split
        if split is not None and (not isinstance(split, date) or isinstance(split, datetime)):
            raise SettingError(f"split must be a date or None, not {split!r}: give the last in-sample day as datetime.date")


def is_whole(value: object) -> bool:
    """Whether a setting is an integer; a truth value is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def summarise(
    name: str,
    sessions: Sessions,
    ic: FloatArray,
    names: npt.NDArray[np.int64],
    reason: npt.NDArray[np.int64],
    *,
    horizon: int,
    timing: Timing,
    closes: DayArray | None = None,
) -> ICSummary:
    """Figures of a daily IC series; raises where it has no value at all.

    ic: by session, NaN where skipped for `reason`. The offset of a date is its ordinal in the market's calendar modulo the grid.
    closes: day on which each session's window ends; None = counted along `sessions`, where a window past their end has not closed.
    Raises EvaluationError where the base contains the signal on every date, InsufficientDataError where no date has an IC.
    """
    known = np.isfinite(ic)
    skipped = {text: int((reason[~known] == code).sum()) for code, text in _REASONS.items() if (reason[~known] == code).any()}
    if not known.any():
        raise _nothing_to_summarise(name, names, reason)
    offset = sessions.ordinals % timing.grid_sessions
    offsets = _offsets(ic, offset)
    icirs = np.array([each.icir for each in offsets if np.isfinite(each.icir)])
    headline = float(icirs.mean()) if icirs.size else float("nan")
    return ICSummary(
        name=name,
        horizon_sessions=horizon,
        grid_sessions=timing.grid_sessions,
        icir=headline,
        icir_min=float(icirs.min()) if icirs.size else float("nan"),
        icir_max=float(icirs.max()) if icirs.size else float("nan"),
        n_positive=int((icirs > 0).sum()),
        offsets=offsets,
        mean=float(ic[known].mean()),
        sd=float(ic[known].std(ddof=1)) if known.sum() > 1 else float("nan"),
        n_dates=int(known.sum()),
        median_names=float(np.median(names[known])),
        test=ewc_test(ic),
        newey_west_t=newey_west_t(ic, lags=horizon - 1),
        skipped=skipped,
        periods=_periods(sessions, ic, names, offset, window_closes(sessions, horizon, timing) if closes is None else closes, timing),
        null=_null(sessions, ic, headline, horizon, timing),
        daily=pl.DataFrame(
            {
                "date": pl.Series(sessions.dates).cast(pl.Date),
                "offset": offset,
                "ic": pl.Series(ic).fill_nan(None),
                "names": names,
                "reason": [None if done else _REASONS.get(int(code), "") for done, code in zip(known, reason, strict=True)],
            }
        ),
    )


def _null(sessions: Sessions, ic: FloatArray, headline: float, horizon: int, timing: Timing) -> OffsetNull | None:
    """Null of the headline over every session of the market, so that a session which the sample lacks stays a gap."""
    if not timing.null_draws or not np.isfinite(headline):
        return None
    place = sessions.ordinals - sessions.ordinals[0]
    series = np.full(int(place[-1]) + 1, np.nan)
    series[place] = ic
    offset = (sessions.ordinals[0] + np.arange(series.size)) % timing.grid_sessions
    block = horizon + max(_SHORTEST_STEP, timing.grid_sessions)
    return offset_null(series, offset, headline, mean_block=block, draws=timing.null_draws, rng=np.random.default_rng(timing.seed))


def window_closes(sessions: Sessions, horizon: int, timing: Timing) -> DayArray:
    """Day on which each session's window ends, counted along `sessions`; NaT where it passes their end."""
    end = np.arange(len(sessions)) + timing.delay_sessions + horizon
    known = np.append(sessions.dates.astype("datetime64[D]"), np.datetime64("NaT", "D"))
    return known[np.minimum(end, len(sessions))]


def _nothing_to_summarise(name: str, names: npt.NDArray[np.int64], reason: npt.NDArray[np.int64]) -> EvaluationError:
    contained = int((reason == CONTAINED).sum())
    if contained:
        return EvaluationError(
            f"{name}: the base contains the signal (nothing of its variance is left on the {contained} dates with enough names), so an "
            "orthogonal IC does not exist: leave the signal, or what it is made of, out of the base"
        )
    most = int(names.max()) if names.size else 0
    return InsufficientDataError(
        f"{name}: not evaluable: no date out of {names.size} has enough names with a forward return, a score that varies and every factor "
        f"of the base (at most {most} on one date; min_names and twice the number of regressors are needed): loosen the settings of the "
        "signal, widen the data, drop factors, or lower min_names"
    )


def _offsets(ic: FloatArray, offset: npt.NDArray[np.int64]) -> tuple[OffsetFigure, ...]:
    out = []
    for each in np.unique(offset):
        values = ic[(offset == each) & np.isfinite(ic)]
        mean = float(values.mean()) if values.size else float("nan")
        sd = float(values.std(ddof=1)) if values.size > 1 else float("nan")
        icir = mean / sd if values.size >= FEWEST_ON_GRID and sd > 0 else float("nan")
        out.append(OffsetFigure(offset=int(each), icir=icir, mean=mean, sd=sd, n=int(values.size)))
    return tuple(out)


def _periods(
    sessions: Sessions,
    ic: FloatArray,
    names: npt.NDArray[np.int64],
    offset: npt.NDArray[np.int64],
    closes: DayArray,
    timing: Timing,
) -> tuple[Period, ...]:
    years = sessions.dates.astype("datetime64[Y]")
    masks = [(str(year), years == year) for year in np.unique(years)]
    if timing.split is not None:
        last = np.datetime64(timing.split, "D")
        masks += [("in sample", closes <= last), ("out of sample", sessions.dates > last)]
    made = (_period(label, mask & np.isfinite(ic), sessions, ic, names, offset) for label, mask in masks)
    return tuple(each for each in made if each is not None)


def _period(
    label: str,
    mask: npt.NDArray[np.bool_],
    sessions: Sessions,
    ic: FloatArray,
    names: npt.NDArray[np.int64],
    offset: npt.NDArray[np.int64],
) -> Period | None:
    if not mask.any():
        return None
    icirs = np.array([each.icir for each in _offsets(np.where(mask, ic, np.nan), offset) if np.isfinite(each.icir)])
    days = sessions.dates[mask]
    some = icirs.size > 0
    test = ewc_test(np.where(mask, ic, np.nan))
    return Period(
        label=label,
        first=days[0].astype(object),
        last=days[-1].astype(object),
        months=int(np.unique(days.astype("datetime64[M]")).size),
        n_dates=int(mask.sum()),
        median_names=float(np.median(names[mask])),
        mean=float(ic[mask].mean()),
        sd=float(ic[mask].std(ddof=1)) if mask.sum() > 1 else float("nan"),
        se_mean=test.se,
        icir=float(icirs.mean()) if some else float("nan"),
        icir_min=float(icirs.min()) if some else float("nan"),
        icir_max=float(icirs.max()) if some else float("nan"),
        n_positive=int((icirs > 0).sum()),
        n_offsets=int(icirs.size),
        t_ewc=test.t,
    )
