"""What every figure of a study stands on: market, base, forward returns, industries; and a signal built on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.evaluate.orthogonal import Control, Evaluator
from pureplay.factors.base import Base, base_factors
from pureplay.factors.industry import coarsest_scheme, industry_block
from pureplay.factors.own import own_factors
from pureplay.frames import AnyFrame
from pureplay.market import Market, load_market
from pureplay.panel import FloatArray, IndexArray
from pureplay.signals.momentum import score_blocks
from pureplay.signals.residual import ResidualMarket, residual_market
from pureplay.signals.settings import Construction, SignalSettings
from pureplay.signals.workshop import PeerWorkshop
from pureplay.stats.lookahead import compound_forward
from pureplay.stats.orthogonal import Orders, forward_orders
from pureplay.studies.controls import INDUSTRY, OWN_ONLY, control_score, industry_control, schemes_by_depth
from pureplay.studies.evaluation import Evaluation
from pureplay.studies.headline import published_split
from pureplay.studies.momentum import coverage
from pureplay.studies.settings import StudySettings

__all__ = ["Built", "Ground", "build_signal", "lay_ground", "residual_frame", "study_split"]

Progress = Callable[[str], None]
_YEAR: Final = 243  # sessions that a period needs on either side of a default split


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Market, base and everything a signal is judged against.

    evaluator: all horizons, the headline's first, without industries. headline: the same with the first horizon only.
    base: its flags of filled values are let go (a third of a gigabyte at full size); filled: their share by factor.
    industries: label of the day in the coarsest scheme, None where there is none; scheme: its name.
    """

    data: Dataset
    market: Market
    base: Base
    evaluator: Evaluator
    headline: Evaluator
    industries: IndexArray | None
    scheme: str | None
    notes: tuple[str, ...]
    filled: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One construction's score with its controls. market: whose returns feed it, residualised for S. coverage: names by date.

    Only what the battery needs is kept: the other blocks of the signal are a gigabyte at full size.
    """

    construction: Construction
    settings: SignalSettings
    market: Market
    workshop: PeerWorkshop
    composite: FloatArray
    coverage: pl.DataFrame
    controls: Mapping[str, Control]
    notes: tuple[str, ...]


def lay_ground(
    data: Dataset,
    evaluation: Evaluation,
    study: StudySettings,
    *,
    own: AnyFrame | None = None,
    families: Mapping[str, str] | None = None,
    say: Progress,
) -> Ground:
    """Load the market, build the base, compound forward returns of every horizon that fits into the data.

    own, families: a factor stack from outside the dataset, which makes the base. Raises SettingError where it is given beside a choice
    of base other than "auto" or "own", TableError where the chosen base lacks its tables.
    """
    say("market")
    market = load_market(data)
    say("base factors")
    base, notes = _base(data, market, evaluation, study, own, families)
    filled = _filled_shares(base)
    base = replace(base, filled=None)
    say("forward returns")
    horizons, forward, left_out = _forward(market, evaluation)
    notes += left_out
    scheme, industries = _industries(data, market, evaluation, study)
    if industries is None:
        notes += ("the dataset has no industries, so there is no figure with industry dummies",)
    elif study.industry_labels == "backcast":
        notes += (f"industry dummies of {scheme} are backcast: labels of the later dictionary stand on earlier dates, which looks ahead",)
    split, said = study_split(evaluation, market)
    evaluator = Evaluator(
        axes=market.axes,
        base=base.values,
        base_names=base.names,
        forward=forward,
        horizons=horizons,
        timing=replace(evaluation.timing, split=split),
        min_names=evaluation.min_names,
    )
    first = Orders(forward.values[:1], forward.order[:1], forward.count[:1])
    return Ground(
        data=data,
        market=market,
        base=base,
        evaluator=evaluator,
        headline=replace(evaluator, forward=first, horizons=horizons[:1]),
        industries=industries,
        scheme=scheme,
        notes=(*notes, *said, *base.notes),
        filled=filled,
    )


def _narrowest(base: Base, fewest: int) -> tuple[str, ...]:
    """Which factors keep most dates out: known for enough names on less than three quarters of the dates that the widest one has."""
    dates = np.array([int((np.isfinite(base.values[:, k]).sum(axis=1) >= fewest).sum()) for k in range(len(base.names))])
    narrow = [f"{name} ({count} dates)" for name, count in zip(base.names, dates.tolist(), strict=True) if 0 < count < 0.75 * dates.max()]
    if not narrow:
        return ()
    return (f"a date needs every factor, and these have {fewest} names on few of the {dates.max()} dates: {', '.join(narrow)}",)


def _filled_shares(base: Base) -> dict[str, float]:
    """Share of the known values of each factor that were filled in, column by column: the whole would be copied."""
    if base.filled is None:
        return {}
    shares = {}
    for k, name in enumerate(base.names):
        known = int(np.isfinite(base.values[:, k]).sum())
        shares[name] = int(base.filled[:, k].sum()) / max(known, 1)
    return shares


def _forward(market: Market, evaluation: Evaluation) -> tuple[tuple[int, ...], Orders, tuple[str, ...]]:
    """Horizons that fit into the data, the headline's first; their forward returns; notes on those that do not fit."""
    sessions, delay = market.axes.shape[0], evaluation.delay_sessions
    asked = dict.fromkeys((evaluation.horizon_sessions, *evaluation.horizons_sessions))
    horizons = tuple(each for each in asked if each + delay < sessions)
    if evaluation.horizon_sessions not in horizons:
        raise InsufficientDataError(
            f"the data hold {sessions} sessions, and a horizon of {evaluation.horizon_sessions} entered {delay} after the score does not "
            "fit: shorten horizon_sessions or give more bars"
        )
    values = np.empty((len(horizons), *market.axes.shape))
    for k, each in enumerate(horizons):
        values[k] = compound_forward(market.returns, market.traded, sessions=each, delay=delay)
    long = tuple(
        f"a horizon of {each} sessions does not fit into the {sessions} sessions of the data" for each in asked if each not in horizons
    )
    return horizons, forward_orders(values), long


def _base(
    data: Dataset,
    market: Market,
    evaluation: Evaluation,
    study: StudySettings,
    own: AnyFrame | None,
    families: Mapping[str, str] | None,
) -> tuple[Base, tuple[str, ...]]:
    if own is not None and study.base not in ("auto", "own"):
        raise SettingError(f'a factor stack is given, but base is {study.base!r}: set base to "own" or leave the stack out')
    if own is None and families is not None and study.base != "own":
        raise SettingError("families are given without a factor stack: give the stack too, or leave the families out")
    if own is None and study.base == "own":
        if not data.has("factors"):
            raise TableError('base = "own" needs the table factors in the dataset, or a factor file: give one, or take base = "auto"')
        own = data.frame("factors")
    if own is not None:
        made = own_factors(own, market.axes, families=families)
    else:
        made = base_factors(data, market, kind="auto" if study.base == "own" else study.base)
    notes: tuple[str, ...] = ()
    if evaluation.base == ():
        raise SettingError("base = () names no factor, and a study compares bases: name some of them, or leave base out for all")
    if evaluation.base is not None:
        notes = (f"the base is cut down to {len(evaluation.base)} of {len(made.names)} factors, as asked",)
        made = made.only(evaluation.base)
    known = [name for k, name in enumerate(made.names) if np.isfinite(made.values[:, k]).any()]
    if not known:
        raise InsufficientDataError(
            f"none of the {len(made.names)} factors of the base has a value on any session: give a longer history, or factors of your own"
        )
    notes += _narrowest(made, evaluation.min_names)
    if len(known) < len(made.names):  # else no name would have every factor, and no date a figure
        never = [name for name in made.names if name not in known]
        notes += (f"left out of the base, for they never come into force on these data: {', '.join(never)}",)
        made = made.only(known)
    return made, notes


def _industries(data: Dataset, market: Market, evaluation: Evaluation, study: StudySettings) -> tuple[str | None, IndexArray | None]:
    schemes = schemes_by_depth(data)
    if evaluation.industry_scheme is not None and evaluation.industry_scheme not in schemes:
        raise SettingError(f"industry_scheme {evaluation.industry_scheme!r} is not in the dataset; it has {', '.join(schemes) or 'none'}")
    if not schemes:
        return None, None
    scheme = evaluation.industry_scheme or str(coarsest_scheme(data))
    return scheme, industry_block(data, market.axes, scheme, mode=study.industry_labels)


def study_split(evaluation: Evaluation, market: Market) -> tuple[date | None, tuple[str, ...]]:
    """The split asked for; else that of the source study where at least a year of sessions lies on either side; else none, and a note."""
    usual, dates = published_split(), market.axes.sessions.dates
    if evaluation.split is not None:
        inside = dates[0] <= np.datetime64(evaluation.split, "D") < dates[-1]
        outside = f"the split {evaluation.split} does not lie between {dates[0]} and {dates[-1]}, so one of its sides has no session"
        return evaluation.split, () if inside else (outside,)
    before = int((dates <= np.datetime64(usual, "D")).sum())
    if min(before, dates.size - before) >= _YEAR:
        return usual, ()
    return None, (f"fewer than {_YEAR} sessions lie before or after {usual}, so nothing is split: figures are of the whole sample",)


def build_signal(ground: Ground, construction: Construction, settings: SignalSettings, *, say: Progress) -> Built:
    """Scores and controls of one construction."""
    settings = replace(settings, construction=construction)
    market: Market = ground.market
    if construction == "S":
        say("S: residual returns")
        market = residual_market(ground.market, ground.base.values, ground.base.names)
    say(f"{construction}: product mix and baskets")
    workshop = PeerWorkshop(ground.data, market)
    say(f"{construction}: scores")
    scores = score_blocks(market, workshop.peers(settings), settings)
    say(f"{construction}: controls")
    composite, names = scores.composite, coverage(ground.market, scores)
    del scores  # a gigabyte at full size
    controls, notes = _controls(ground.data, market, settings)
    return Built(
        construction=construction,
        settings=settings,
        market=market,
        workshop=workshop,
        composite=composite,
        coverage=names,
        controls=controls,
        notes=notes,
    )


def _controls(data: Dataset, market: Market, settings: SignalSettings) -> tuple[dict[str, Control], tuple[str, ...]]:
    """Both controls as the evaluation takes them, built one after the other, and notes."""
    scheme, notes = industry_control(data, settings)
    made = {}
    for name in (OWN_ONLY,) if scheme is None else (OWN_ONLY, INDUSTRY):
        each = control_score(data, market, settings, name)
        made[name] = Control(score=each.composite, parts=(each.biz_mom_z, each.biz_resvol_z))
    return made, notes


def residual_frame(residual: ResidualMarket) -> pl.DataFrame:
    """date, r2, names, intercept and one factor return a column (daily decimals)."""
    returns: FloatArray = residual.factor_returns
    columns = {name: pl.Series(returns[:, k]).fill_nan(None) for k, name in enumerate(residual.names)}
    return pl.DataFrame(
        {
            "date": residual.axes.day_column(residual.axes.sessions.dates),
            "r2": pl.Series(residual.r2).fill_nan(None),
            "names": residual.fitted,
            "intercept": pl.Series(residual.intercept).fill_nan(None),
            **columns,
        }
    )
