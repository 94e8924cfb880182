"""Controls and placebos: the identical pipeline without product information, or with product information dealt out anew."""

from dataclasses import replace
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.evaluate.orthogonal import Control
from pureplay.industries import industry_schemes
from pureplay.market import Market
from pureplay.panel import Axes, BoolArray, label_block
from pureplay.products.mix import industry_mix, market_mix
from pureplay.signals.implied import Peers
from pureplay.signals.momentum import SignalBlocks, peers_from_mix, score_blocks
from pureplay.signals.settings import SignalSettings

__all__ = [
    "INDUSTRY",
    "OWN_ONLY",
    "build_controls",
    "control_score",
    "control_scores",
    "deal_within_industry",
    "industry_control",
    "main_labels",
    "schemes_by_depth",
    "shuffle_source",
]

OWN_ONLY: Final = "own_only"
INDUSTRY: Final = "industry"


def schemes_by_depth(data: Dataset) -> list[str]:
    """Industry schemes from the finest to the coarsest on the first session, then those that begin later; empty without industries.

    See `pureplay.industries.industry_schemes`. The coarsest is `pureplay.factors.industry.coarsest_scheme`, not always the last.
    """
    return list(chain(*industry_schemes(data))) if data.has("industries") else []


def control_scores(data: Dataset, market: Market, settings: SignalSettings) -> tuple[dict[str, SignalBlocks], tuple[str, ...]]:
    """Scores of both controls under the settings of the signal, and notes on what could not be built as meant.

    own_only: implied := leave-one-out weighted market return. industry: implied := leave-one-out return of the finest industry
    level at hand; where the products are that very level it would be the signal itself, so the next coarser one stands in.
    """
    scheme, notes = industry_control(data, settings)
    names = (OWN_ONLY,) if scheme is None else (OWN_ONLY, INDUSTRY)
    return {name: control_score(data, market, settings, name) for name in names}, notes


def control_score(data: Dataset, market: Market, settings: SignalSettings, name: str) -> SignalBlocks:
    """Scores of one control; raises SettingError where the dataset allows none of that name."""
    plain = replace(settings, fallback=(), fallback_scheme=None)
    if name == OWN_ONLY:
        return score_blocks(market, peers_from_mix(market_mix(market.axes), market, plain), plain)
    scheme, notes = industry_control(data, settings)
    if name != INDUSTRY or scheme is None:
        raise SettingError(f"there is no control {name!r} ({'; '.join(notes) or f'the controls are {OWN_ONLY} and {INDUSTRY}'})")
    return score_blocks(market, peers_from_mix(industry_mix(data, market.axes, scheme), market, plain), plain)


def industry_control(data: Dataset, settings: SignalSettings) -> tuple[str | None, tuple[str, ...]]:
    """Scheme of the industry control, None where there can be none, and notes on why it is not the finest."""
    schemes = schemes_by_depth(data)
    if not schemes:
        return None, ("the dataset has no industries, so there is no industry control and no shuffle",)
    if settings.products != f"industries:{schemes[0]}":
        return schemes[0], ()
    if len(schemes) == 1:
        return None, (f"the products are {schemes[0]}, the only industry level at hand, so there is no industry control",)
    return schemes[1], (f"the products are {schemes[0]} itself, so the industry control uses the next coarser level, {schemes[1]}",)


def build_controls(
    data: Dataset, market: Market, settings: SignalSettings
) -> tuple[dict[str, Control], dict[str, SignalBlocks], tuple[str, ...]]:
    """Both controls as the evaluation takes them, their scores, and notes."""
    scores, notes = control_scores(data, market, settings)
    controls = {name: Control(score=each.composite, parts=(each.biz_mom_z, each.biz_resvol_z)) for name, each in scores.items()}
    return controls, scores, notes


def main_labels(data: Dataset, axes: Axes, scheme: str) -> npt.NDArray[np.int64]:
    """For every asset the number of the industry label that it carries on most sessions, -1 where it never has one."""
    table = data.frame("industries").filter(pl.col("scheme") == scheme)
    labels = label_block(axes, table, table["code"].rank("dense").cast(pl.Int64) - 1, last_day_counts=False)
    return np.array([np.bincount(column[column >= 0]).argmax() if (column >= 0).any() else -1 for column in labels.T])


def shuffle_source(labels: npt.NDArray[np.int64], files: BoolArray, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """For every asset, the asset of its own industry whose filings it is dealt; for the whole history at once.

    labels: as `main_labels` gives them. files: assets that ever have a usable filing. Assets that never file, or never carry a label,
    keep what they have.
    """
    source = np.arange(labels.size, dtype=np.int64)
    for label in np.unique(labels[files & (labels >= 0)]):
        members = np.flatnonzero(files & (labels == label))
        source[members] = rng.permutation(members)
    return source


def deal_within_industry(peers: Peers, source: npt.NDArray[np.int64]) -> Peers:
    """Baskets and mixes after asset i has received the filings of asset source[i]; industry fallbacks stay as they are."""
    families = tuple(
        each if label == INDUSTRY else (np.ascontiguousarray(each[0][:, source]), *each[1:])
        for label, each in zip(peers.labels, peers.families, strict=True)
    )
    return replace(peers, mix=peers.mix.dealt(source), families=families)
