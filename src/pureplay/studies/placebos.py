"""Placebos: the pipeline of the signal with its product information taken away, replaced by noise, or spoilt on purpose.

Whatever is drawn at random is drawn once for the whole history, never date by date: a placebo then persists as the signal does, and
the spread of its figures over seeds is that of a signal without information.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import SettingError
from pureplay.panel import FloatArray
from pureplay.products.mix import Mix
from pureplay.signals.composite import composite_scores
from pureplay.signals.implied import Peers
from pureplay.signals.settings import SignalSettings
from pureplay.signals.workshop import PeerWorkshop, finest_scheme
from pureplay.stats.crosssection import robust_zscore
from pureplay.stats.rolling import windowed_gap
from pureplay.studies.controls import deal_within_industry, main_labels, shuffle_source

__all__ = [
    "LATE_SESSIONS",
    "PLACEBOS",
    "Placebo",
    "PlaceboCell",
    "deal_baskets",
    "permute_products",
    "placebo_cells",
    "placebo_scores",
    "shift_late",
]

LATE_SESSIONS: Final = 250
"""About a year of trading."""

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placebo:
    """A way to spoil the signal. label: for a table. product_information: whether the result still holds what products say beyond
    industries. seeded: whether chance has a part in it. causal: whether scores up to a date stay the same without all that came
    later; what is dealt out over a whole history is not.
    """

    label: str
    product_information: bool
    seeded: bool
    causal: bool
    make: Callable[[PeerWorkshop, SignalSettings, np.random.Generator], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceboCell:
    """A placebo as it applies to a dataset and settings. skip: why it cannot be made, or None; everything else as in `Placebo`."""

    name: str
    label: str
    product_information: bool
    seeded: bool
    causal: bool
    skip: str | None


def placebo_cells(workshop: PeerWorkshop, settings: SignalSettings) -> tuple[PlaceboCell, ...]:
    """Every placebo, with the reason why it cannot be made where that is so."""
    return tuple(
        PlaceboCell(
            name=name,
            label=each.label,
            product_information=each.product_information,
            seeded=each.seeded,
            causal=each.causal,
            skip=_why_not(workshop, settings, name),
        )
        for name, each in PLACEBOS.items()
    )


def placebo_scores(workshop: PeerWorkshop, settings: SignalSettings, name: str, *, seed: int = 0) -> FloatArray:
    """Score block (sessions, assets) of a placebo; higher predicts a higher return, as for the signal.

    workshop: on the residual market for construction S. seed: of the placebos that chance has a part in; each has a stream of its
    own. Placebos that replace baskets run without fallbacks, as the controls do. Raises SettingError for an unknown name and for a
    placebo that cannot be made, with the reason that `placebo_cells` gives.
    """
    if name not in PLACEBOS:
        raise SettingError(f"there is no placebo {name!r}: choose one of {', '.join(PLACEBOS)}")
    why = _why_not(workshop, settings, name)
    if why is not None:
        raise SettingError(f"the placebo {name!r} cannot be made: {why}")
    return PLACEBOS[name].make(workshop, settings, np.random.default_rng([seed, *name.encode()]))


def deal_baskets(peers: Peers, rng: np.random.Generator) -> Peers:
    """Random baskets of the same size: the histories of pure plays are dealt out among all stocks that ever file; mixes stay.

    Stock i takes the place in the baskets of stock p(i), for one permutation p of the whole history, whatever their industries; the
    focal asks with its own mix, and leaves a basket in which it has been put. So every basket has as many stocks with a usable filing
    on every session as before (as many members, where all of them trade). peers: without fallbacks.
    """
    active, offsets, group, members, first, last, weights = peers.families[0]
    source = _deal(np.asarray((active >= 0).any(axis=0)), rng)
    asks = (active, offsets, group, np.zeros_like(members), first, last, weights)  # no pure plays of their own, so all fall back ...
    dealt = (np.ascontiguousarray(active[:, source]), offsets, group, members, first, last, weights)  # ... on the random baskets
    same = np.arange(len(peers.mix.groups), dtype=np.int32)
    return replace(peers, families=(asks, dealt), maps=(same, same), labels=("products", "random"))


def permute_products(mix: Mix, classes: Int64Array, rng: np.random.Generator) -> Mix:
    """Permuted taxonomy: every stock's products are relabelled by a permutation of its own, in all its filings.

    One permutation for all stocks would change nothing, for baskets only ask who shares a product. Each filing keeps its shares, so
    stocks stay pure plays of something; products move within their class only (their level), so basket sizes even out. Revenue that
    lands on a product not in force is uncovered for that time. classes: class of each group of the mix.
    """
    filing = np.repeat(np.arange(mix.asset.size), np.diff(mix.offsets))
    stock = mix.asset[filing] if mix.group.size else np.empty(0, dtype=np.int32)
    order = np.argsort(stock, kind="stable")
    bounds = np.searchsorted(stock[order], np.arange(mix.active.shape[1] + 1))
    places = [np.flatnonzero(classes == each) for each in np.unique(classes)]
    group, moved = mix.group.copy(), np.arange(classes.size, dtype=np.int32)
    for asset in range(mix.active.shape[1]):
        mine = order[bounds[asset] : bounds[asset + 1]]
        if mine.size:
            for place in places:
                moved[place] = rng.permutation(place)
            group[mine] = moved[mix.group[mine]]
    return replace(mix, group=group)


def shift_late(scores: FloatArray, sessions: int) -> FloatArray:
    """The block `sessions` sessions later, NaN before."""
    out = np.full(scores.shape, np.nan)
    out[sessions:] = scores[: scores.shape[0] - sessions]
    return out


def _deal(takes_part: npt.NDArray[np.bool_], rng: np.random.Generator) -> Int64Array:
    source = np.arange(takes_part.size, dtype=np.int64)
    members = np.flatnonzero(takes_part)
    source[members] = rng.permutation(members)
    return source


def _plain(settings: SignalSettings) -> SignalSettings:
    return replace(settings, fallback=(), fallback_scheme=None)


def _why_not(workshop: PeerWorkshop, settings: SignalSettings, name: str) -> str | None:
    data, sessions = workshop.data, workshop.market.axes.shape[0]
    scheme = finest_scheme(data) if name in ("industry_baskets", "industry_shuffle") and data.has("industries") else None
    if name in ("industry_baskets", "industry_shuffle") and scheme is None:
        return "the dataset has no industries"
    if name == "industry_baskets" and settings.products == f"industries:{scheme}":
        return f"the products are {scheme} itself, so it would be the signal"
    if name == "industry_shuffle" and settings.products != "segments":
        return "products are industry labels, so there is nothing to shuffle within an industry"
    if name == "random_baskets" and settings.resvol == "product_agg":
        return "resvol='product_agg' reads the returns of the pure plays themselves, which random baskets replace"
    if name == "focal_included" and not settings.leave_one_out:
        return "the signal itself keeps the focal stock in its baskets"
    if name == "year_late" and sessions <= LATE_SESSIONS:
        return f"the data hold {sessions} sessions; more than {LATE_SESSIONS} are needed"
    return None


def _own_only(workshop: PeerWorkshop, settings: SignalSettings, _: np.random.Generator) -> FloatArray:
    plain = _plain(settings)
    return composite_scores(workshop.market, workshop.peers_of(workshop.market_as_one(), plain), plain)


def _industry_baskets(workshop: PeerWorkshop, settings: SignalSettings, _: np.random.Generator) -> FloatArray:
    plain = _plain(settings)
    labels = workshop.industries(finest_scheme(workshop.data))
    return composite_scores(workshop.market, workshop.peers_of(labels, plain), plain)


def _industry_shuffle(workshop: PeerWorkshop, settings: SignalSettings, rng: np.random.Generator) -> FloatArray:
    peers = workshop.peers(settings)
    labels = main_labels(workshop.data, workshop.market.axes, str(finest_scheme(workshop.data)))
    source = shuffle_source(labels, np.asarray((peers.mix.active >= 0).any(axis=0)), rng)
    return composite_scores(workshop.market, deal_within_industry(peers, source), settings)


def _random_baskets(workshop: PeerWorkshop, settings: SignalSettings, rng: np.random.Generator) -> FloatArray:
    plain = _plain(settings)
    return composite_scores(workshop.market, deal_baskets(workshop.peers(plain), rng), plain)


def _permuted_taxonomy(workshop: PeerWorkshop, settings: SignalSettings, rng: np.random.Generator) -> FloatArray:
    plain = _plain(settings)
    mix = workshop.peers(plain).mix
    classes = np.zeros(len(mix.groups), dtype=np.int64)
    if settings.products == "segments":
        classes = workshop.taxonomy.level[workshop.taxonomy.node(pl.Series(mix.groups, dtype=pl.String))]
    return composite_scores(workshop.market, workshop.peers_of(permute_products(mix, classes, rng), plain), plain)


def _own_return(workshop: PeerWorkshop, settings: SignalSettings, _: np.random.Generator) -> FloatArray:
    """z-score of minus the sum of the stock's own returns over the window: the signal with an implied return of 0."""
    return _own_figure(workshop, settings, volatility=False)


def _own_volatility(workshop: PeerWorkshop, settings: SignalSettings, _: np.random.Generator) -> FloatArray:
    """Minus the z-score of the standard deviation (n - 1) of the stock's own returns over the window."""
    return -_own_figure(workshop, settings, volatility=True)


def _own_figure(workshop: PeerWorkshop, settings: SignalSettings, *, volatility: bool) -> FloatArray:
    market, nothing = workshop.market, np.zeros(workshop.market.axes.shape)
    window, minimum = settings.window_sessions, settings.min_valid_sessions
    # against nothing: minus the sum of returns, and their standard deviation
    made = windowed_gap(-market.returns, nothing, market.fresh(), window=window, minimum=minimum, ols=False)
    universe = market.seasoned(settings.min_listed_sessions) & market.traded
    return robust_zscore(made[int(volatility)], universe, winsorise_mads=settings.winsorise_mads)


def _focal_included(workshop: PeerWorkshop, settings: SignalSettings, _: np.random.Generator) -> FloatArray:
    kept = replace(settings, leave_one_out=False)
    return composite_scores(workshop.market, workshop.peers(kept), kept)


def _year_late(workshop: PeerWorkshop, settings: SignalSettings, _: np.random.Generator) -> FloatArray:
    """The score of 250 sessions earlier, for the stocks that the signal's universe holds today."""
    made = composite_scores(workshop.market, workshop.peers(settings), settings)
    universe = workshop.market.seasoned(settings.min_listed_sessions) & workshop.market.traded
    return np.where(universe, shift_late(made, LATE_SESSIONS), np.nan)


def _placebo(
    label: str,
    make: Callable[[PeerWorkshop, SignalSettings, np.random.Generator], FloatArray],
    *,
    products: bool = False,
    seeded: bool = False,
) -> Placebo:
    return Placebo(label=label, product_information=products, seeded=seeded, causal=not seeded, make=make)


PLACEBOS: Final[dict[str, Placebo]] = {
    "own_only": _placebo("market without the stock as the only basket (control)", _own_only),
    "industry_baskets": _placebo("finest industries as products (control)", _industry_baskets),
    "industry_shuffle": _placebo("mixes dealt out within industries", _industry_shuffle, seeded=True),
    "random_baskets": _placebo("random baskets of the same size", _random_baskets, seeded=True),
    "permuted_taxonomy": _placebo("products permuted stock by stock", _permuted_taxonomy, seeded=True),
    "own_return": _placebo("own return only", _own_return),
    "own_volatility": _placebo("own volatility only", _own_volatility),
    "focal_included": _placebo("focal stock stays in its baskets", _focal_included, products=True),
    "year_late": _placebo(f"signal of {LATE_SESSIONS} sessions before", _year_late, products=True),
}
"""Every placebo by name; the controls first."""
