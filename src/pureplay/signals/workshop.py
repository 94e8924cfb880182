"""Baskets of one dataset under many settings: filings are parsed once, and settings share what they do not change."""

import threading
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import TableError
from pureplay.industries import industry_schemes
from pureplay.market import Market
from pureplay.panel import FloatArray, IndexArray, paint
from pureplay.products.baskets import Family, Issuers, Weighting, basket_weights, family, issuers
from pureplay.products.mix import HalfYear, Mix, filed_lines, industry_mix, market_mix, revenue_mix
from pureplay.products.taxonomy import Level, Taxonomy
from pureplay.sessions import DayArray
from pureplay.signals.implied import BasketRules, Peers
from pureplay.signals.settings import SignalSettings

__all__ = ["PeerWorkshop", "finest_scheme", "peers_of_mix"]

_KEPT: Final = 2  # blocks of active filings kept: those of the first settings, which others come back to, and the latest

Key = tuple[HalfYear, Level, bool]
Dates = tuple[HalfYear, int, int | None]


def finest_scheme(data: Dataset) -> str | None:
    """First of `pureplay.industries.industry_schemes`: the scheme with the most distinct codes on the first session.

    None where there is no label yet; raises TableError where the dataset has no industries table.
    """
    known, _ = industry_schemes(data)
    return known[0] if known else None


def peers_of_mix(mix: Mix, settings: SignalSettings, weights: FloatArray, others: Issuers) -> Peers:
    """Pure-play baskets of a mix, without fallbacks, from weights of the settings' weighting."""
    return Peers(
        mix=mix,
        families=(family(mix, mix.pure(settings.purity, inclusive=settings.purity_inclusive), weights),),
        maps=(np.arange(len(mix.groups), dtype=np.int32),),
        labels=("products",),
        issuers=others,
        rules=BasketRules(
            min_peers=settings.min_peers,
            after_removal=settings.min_peers_after_removal,
            leave_one_out=settings.leave_one_out,
            min_covered=settings.min_covered,
        ),
    )


class PeerWorkshop:
    """Makes the `Peers` of any settings on one dataset and market; what several settings share is made once.

    Parsed filings are shared by all settings of one half_year, shares by all of one level, the block of active filings by all of one
    buffer and staleness. Purity, min_peers and the rules of the basket cost next to nothing. Several threads may use it: they make the
    shared blocks one after the other.
    """

    def __init__(self, data: Dataset, market: Market) -> None:
        self.data = data
        self.market = market
        self._taxonomy: Taxonomy | None = None
        self._issuers: Issuers | None = None
        self._lines: dict[HalfYear, pl.DataFrame] = {}
        self._shares: dict[Key, Mix] = {}
        self._active: dict[Dates, tuple[IndexArray, DayArray]] = {}
        self._industries: dict[str | None, Mix] = {}
        self._weights: dict[Weighting, FloatArray] = {}
        self._turn = threading.RLock()  # another thread must not drop a block between its making and its use

    def on(self, market: Market) -> "PeerWorkshop":
        """The same workshop on a market with other returns, such as the residual one, sharing everything made so far.

        Raises TableError where the market has other market values, listings or issuers, on which baskets depend.
        """
        mine, other = self.market, market
        shared = (mine.caps is other.caps, mine.float_caps is other.float_caps, mine.issuer is other.issuer, mine.axes is other.axes)
        if not all(shared):
            raise TableError("the other market has its own market values or issuers: make a workshop of its own for it")
        out = PeerWorkshop(self.data, market)
        for name in ("_turn", "_taxonomy", "_issuers", "_lines", "_shares", "_active", "_industries", "_weights"):
            setattr(out, name, getattr(self, name))
        return out

    @property
    def taxonomy(self) -> Taxonomy:
        """Tree of the dataset's products."""
        if self._taxonomy is None:
            self._taxonomy = Taxonomy.from_table(self.data.frame("taxonomy"))
        return self._taxonomy

    def peers(self, settings: SignalSettings) -> Peers:
        """Mix, pure-play baskets and fallback baskets under the settings.

        Raises TableError where a table that they need is absent, SettingError where the dataset lacks the industry scheme named.
        """
        if settings.products != "segments":
            return self.peers_of(self.industries(settings.products.removeprefix("industries:")), settings)
        mix = self.mix(settings)
        peers = self.peers_of(mix, settings)
        families, maps = list(peers.families), list(peers.maps)
        for name in settings.fallback:
            stands_for, made = self._fallback(name, mix, settings)
            families.append(made)
            maps.append(stands_for)
        return replace(peers, families=tuple(families), maps=tuple(maps), labels=("products", *settings.fallback))

    def peers_of(self, mix: Mix, settings: SignalSettings) -> Peers:
        """Pure-play baskets of any mix, without fallbacks: products, industries, or the market as one group."""
        if self._issuers is None:
            self._issuers = issuers(self.market)
        return peers_of_mix(mix, settings, self.weights(settings.weighting), self._issuers)

    def mix(self, settings: SignalSettings, *, above: bool = False) -> Mix:
        """Shares by product node of the settings' level, or of the level above; raises TableError where there are no segments."""
        if not self.data.has("segments"):
            raise TableError(
                "the dataset has no segments, so there are no product shares: import them, or use products='industries:SCHEME'"
            )
        with self._turn:
            return self._shared_mix(settings, above)

    def _shared_mix(self, settings: SignalSettings, above: bool) -> Mix:
        key: Key = (settings.half_year, settings.level, above)
        dates: Dates = (settings.half_year, settings.buffer_days, settings.stale_months)
        if key not in self._shares:
            made = self._new_mix(settings, above)
            self._shares[key] = made
            self._keep(dates, made.active, made.eff_date)
        shares = self._shares[key]
        if dates not in self._active:
            self._keep(dates, *_in_use(shares, self.market, settings.buffer_days, settings.stale_months))
        active, eff_date = self._active[dates]  # filings are numbered alike at every level
        made = replace(shares, active=active, eff_date=eff_date)
        self._shares[key] = made  # so that a block that is no longer kept is not held on to here
        return made

    def industries(self, scheme: str | None) -> Mix:
        """Every stock wholly in its industry of the day."""
        if scheme not in self._industries:
            self._industries[scheme] = industry_mix(self.data, self.market.axes, scheme)
        return self._industries[scheme]

    def market_as_one(self) -> Mix:
        """Every stock wholly in one group, the market."""
        return market_mix(self.market.axes)

    def weights(self, weighting: Weighting) -> FloatArray:
        """Weight of each stock in the baskets of the session after."""
        if weighting not in self._weights:
            self._weights[weighting] = basket_weights(self.market, weighting)
        return self._weights[weighting]

    def _new_mix(self, settings: SignalSettings, above: bool) -> Mix:
        if settings.half_year not in self._lines:
            self._lines[settings.half_year] = filed_lines(self.data, half_year=settings.half_year)
        return revenue_mix(
            self._lines[settings.half_year],
            self.taxonomy,
            self.market.axes,
            level=settings.level,
            above=above,
            buffer_days=settings.buffer_days,
            stale_months=settings.stale_months,
        )

    def _keep(self, dates: Dates, active: IndexArray, eff_date: DayArray) -> None:
        self._active.setdefault(dates, (active, eff_date))
        for each in [each for each in list(self._active)[1:] if each != dates][: max(0, len(self._active) - _KEPT)]:
            del self._active[each]

    def _fallback(self, name: str, mix: Mix, settings: SignalSettings) -> tuple[IndexArray, Family]:
        weights = self.weights("equal" if name == "synthetic" else settings.weighting)
        if name == "industry":
            labels = self.industries(settings.fallback_scheme or finest_scheme(self.data))
            return np.zeros(0, dtype=np.int32), family(labels, np.ones(labels.share.size, dtype=bool), weights)
        if name == "parent":
            up = self.mix(settings, above=True)
            pure = up.pure(settings.purity, inclusive=settings.purity_inclusive)
            return _parents(mix, up, self.taxonomy, settings.level), family(up, pure, weights)
        return np.arange(len(mix.groups), dtype=np.int32), family(mix, mix.share > 0, weights)


def _in_use(mix: Mix, market: Market, buffer_days: int, stale_months: int | None) -> tuple[IndexArray, DayArray]:
    """Block of active filings, and the eff_date of each filing, of a mix under another buffer and staleness."""
    published = pl.Series(mix.publish_date).cast(pl.Date)
    eff = mix.publish_date + np.timedelta64(buffer_days, "D")
    stop: npt.NDArray[np.int64] = np.full(eff.size, len(market.axes.sessions), dtype=np.int64)
    if stale_months is not None:
        expiry = published.dt.offset_by(f"{stale_months}mo").to_numpy().astype("datetime64[D]")
        stop = market.axes.sessions.first_at_or_after(expiry)
    start = market.axes.sessions.first_at_or_after(eff)
    return paint(market.axes, mix.asset.astype(np.int64), start, stop, np.arange(eff.size)), eff


def _parents(mix: Mix, up: Mix, taxonomy: Taxonomy, level: Level) -> IndexArray:
    """Group of `up` that contains each group of `mix`, -1 where there is none."""
    node = taxonomy.node(pl.Series(mix.groups, dtype=pl.String))
    parent = taxonomy.parent_of_group(level)[node]
    place = {name: number for number, name in enumerate(up.groups)}
    return np.array([place.get(taxonomy.products[each], -1) if each >= 0 else -1 for each in parent.tolist()], dtype=np.int32)
