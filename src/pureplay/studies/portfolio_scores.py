"""The scores whose portfolios a study compares: constructions, the business mix, controls without product information, placebos."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, TableError
from pureplay.factors.base import Base, base_factors
from pureplay.factors.own import own_factors
from pureplay.market import Market
from pureplay.panel import BoolArray, FloatArray
from pureplay.signals.composite import composite_scores
from pureplay.signals.residual import residual_market
from pureplay.signals.settings import SignalSettings
from pureplay.signals.workshop import PeerWorkshop
from pureplay.studies.controls import (
    INDUSTRY,
    OWN_ONLY,
    control_score,
    deal_within_industry,
    industry_control,
    main_labels,
    schemes_by_depth,
    shuffle_source,
)
from pureplay.studies.portfolio_settings import PortfolioStudySettings

__all__ = ["Scored", "portfolio_base", "scored"]

Progress = Callable[[str], None]
SHUFFLE: Final = "shuffle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A score block on the axes of the market. settings: of its signal; informed: it holds product information."""

    name: str
    settings: SignalSettings
    composite: FloatArray
    informed: bool


def portfolio_base(data: Dataset, market: Market, study: PortfolioStudySettings) -> Base:
    """Factors that construction S takes out and that stand beside the portfolios; those without any value on these data are left out.

    Raises TableError where base is "own" and the dataset has no factors, InsufficientDataError where no factor has a value.
    """
    if study.base == "own":
        if not data.has("factors"):
            raise TableError('base = "own" needs the table factors in the dataset: import one, or take base = "auto"')
        made = own_factors(data.frame("factors"), market.axes)
    else:
        made = base_factors(data, market, kind=study.base)
    made = replace(made, filled=None)  # a third of a gigabyte at full size
    known = [name for k, name in enumerate(made.names) if np.isfinite(made.values[:, k]).any()]
    if not known:
        raise InsufficientDataError(f"none of the {len(made.names)} factors has a value on any session: give a longer history")
    return made if len(known) == len(made.names) else made.only(known)


def scored(
    data: Dataset,
    market: Market,
    base: Base,
    signal: SignalSettings,
    mix: SignalSettings,
    study: PortfolioStudySettings,
    *,
    say: Progress,
) -> Iterator[Scored]:
    """Scores of the study one after the other, the informed ones first, so that only one block need be held.

    signal: of R and S. mix: of business_mix. Controls and shuffles are those of the first score, on the dates and stocks that it scores:
    on others they would be compared with what it never saw.
    """
    shops = {"R": PeerWorkshop(data, market)}
    if "S" in study.scores:
        say("S: residual returns")
        shops["S"] = shops["R"].on(residual_market(market, base.values, base.names))
    known: BoolArray = np.ones(market.axes.shape, dtype=np.bool_)
    wanted = {"R": replace(signal, construction="R"), "S": replace(signal, construction="S"), "business_mix": mix}
    for name in study.scores:
        say(f"{name}: scores")
        shop = shops["S" if name == "S" else "R"]
        composite = composite_scores(shop.market, shop.peers(wanted[name]), wanted[name])
        if name == study.scores[0]:
            known = np.isfinite(composite)
        yield Scored(name=name, settings=wanted[name], composite=composite, informed=True)
    first = study.scores[0]
    for each in _uninformed(data, shops["S" if first == "S" else "R"], wanted[first], study, say):
        each.composite[~known] = np.nan
        yield each


def _uninformed(
    data: Dataset, shop: PeerWorkshop, settings: SignalSettings, study: PortfolioStudySettings, say: Progress
) -> Iterator[Scored]:
    market = shop.market
    scheme, _ = industry_control(data, settings)
    for name in (OWN_ONLY,) if scheme is None else (OWN_ONLY, INDUSTRY):
        say(f"control {name}: scores")
        yield Scored(name=name, settings=settings, composite=control_score(data, market, settings, name).composite, informed=False)
    schemes = schemes_by_depth(data)
    if settings.products != "segments" or not schemes or not study.shuffles:
        return
    peers = shop.peers(settings)
    labels, files = main_labels(data, market.axes, schemes[0]), np.asarray((peers.mix.active >= 0).any(axis=0))
    for number in range(study.shuffles):
        say(f"shuffle {number + 1} of {study.shuffles}: scores")
        dealt = deal_within_industry(peers, shuffle_source(labels, files, np.random.default_rng([study.seed, number])))
        composite = composite_scores(market, dealt, settings)
        yield Scored(name=f"{SHUFFLE} {number + 1}", settings=settings, composite=composite, informed=False)
