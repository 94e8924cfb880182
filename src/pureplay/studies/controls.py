"""Controls and placebos: the identical pipeline without product information, or with product information dealt out anew."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.evaluate.orthogonal import Control
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
    "control_scores",
    "deal_within_industry",
    "main_labels",
    "schemes_by_depth",
    "shuffle_source",
]

OWN_ONLY: Final = "own_only"
INDUSTRY: Final = "industry"


def schemes_by_depth(data: Dataset) -> list[str]:
    """Industry schemes from the finest (most codes) to the coarsest; empty where the dataset has no industries."""
    if not data.has("industries"):
        return []
    codes = data.frame("industries", ["scheme", "code"]).group_by("scheme").agg(pl.col("code").n_unique())
    return codes.sort("code", "scheme", descending=True)["scheme"].to_list()


def control_scores(data: Dataset, market: Market, settings: SignalSettings) -> tuple[dict[str, SignalBlocks], tuple[str, ...]]:
    """Scores of both controls under the settings of the signal, and notes on what could not be built as meant.

    own_only: implied := leave-one-out weighted market return. industry: implied := leave-one-out return of the finest industry
    level at hand; where the products are that very level it would be the signal itself, so the next coarser one stands in.
    """
    plain = replace(settings, fallback=(), fallback_scheme=None)
    out = {OWN_ONLY: score_blocks(market, peers_from_mix(market_mix(market.axes), market, plain), plain)}
    schemes = schemes_by_depth(data)
    if not schemes:
        return out, ("the dataset has no industries, so there is no industry control and no shuffle",)
    notes: tuple[str, ...] = ()
    scheme = schemes[0]
    if settings.products == f"industries:{scheme}":
        if len(schemes) == 1:
            return out, (f"the products are {scheme}, the only industry level at hand, so there is no industry control",)
        notes = (f"the products are {scheme} itself, so the industry control uses the next coarser level, {schemes[1]}",)
        scheme = schemes[1]
    out[INDUSTRY] = score_blocks(market, peers_from_mix(industry_mix(data, market.axes, scheme), market, plain), plain)
    return out, notes


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
