"""What links firms, with dates: the product tree, supply edges, disclosed links and stakes of a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.graph.firms import Firms, IndustryTree, ProductTree, load_industries, load_products
from pureplay.graph.lists import Int64Array, Lists, expand, lists_of
from pureplay.graph.owners import Owners, load_owners
from pureplay.graph.settings import GraphSettings
from pureplay.panel import Axes, FloatArray

__all__ = ["Edges", "Links", "Sight", "Structure", "load_structure"]

_SIGHTS: Final = 8
"""Sessions whose sight is kept."""
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "chain": ("segments", "taxonomy", "supply_edges"),
    "disclosed": ("disclosed_links",),
    "affiliate": ("affiliates",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Input edges between nodes of the product tree, in force on sessions [first, stop); begins: day from which each holds."""

    supplier: Int64Array
    customer: Int64Array
    first: Int64Array
    stop: Int64Array
    begins: npt.NDArray[np.datetime64]

    def both_ways(self, row: int, nodes: int) -> tuple[Int64Array, Int64Array]:
        """Offsets by node and the nodes at the other end of its edges in force."""
        now = (self.first <= row) & (row < self.stop)
        here = np.concatenate([self.supplier[now], self.customer[now]])
        there = np.concatenate([self.customer[now], self.supplier[now]])
        order = np.argsort(here, kind="stable")
        return np.concatenate([[0], np.cumsum(np.bincount(here, minlength=nodes))]).astype(np.int64), there[order]


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Reported relations of two assets, a < b, usable on sessions [first, stop); lines: the source rows, for the evidence."""

    a: Int64Array
    b: Int64Array
    first: Int64Array
    stop: Int64Array
    lines: pl.DataFrame

    def keys(self, row: int, assets: int) -> Int64Array:
        """a x assets + b of the pairs in force on a session, sorted."""
        now = (self.first <= row) & (row < self.stop)
        return np.unique(self.a[now] * assets + self.b[now])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is known on one session. firms: in the tree that measures depth. deep: depth that a deep peer needs.

    inputs: for every firm the nodes at the other end of an edge from a node that it is in; made: the nodes of the product tree that it
    is in. mix, norm: its reported shares and their length, where the cosine decides. ids: see `Owners.at`.
    """

    firms: Firms
    deep: int
    inputs: Lists | None
    made: Lists | None
    mix: Lists | None
    norm: FloatArray
    ids: Lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Everything that the lamps need, dated; its parts are None where the dataset lacks their tables.

    absent: why a lamp is off throughout, one reason a lamp.
    """

    axes: Axes
    settings: GraphSettings
    products: ProductTree | None
    industries: IndustryTree | None
    edges: Edges | None
    disclosed: Links | None
    bids: Links | None
    owners: Owners
    absent: tuple[str, ...]
    _sights: dict[int, Sight] = field(default_factory=dict, repr=False, compare=False)

    def at(self, row: int) -> Sight:
        """What is known on a session; raises SettingError where it is none of the axes."""
        if not 0 <= row < len(self.axes.sessions):
            raise SettingError(f"row must be a session of the data, 0 to {len(self.axes.sessions) - 1}, not {row}")
        sight = self._sights.get(row)
        if sight is None:
            sight = self._seen(row)
            # vintages are made side by side, and each asks several times
            for old in list(self._sights)[: 1 - _SIGHTS]:
                self._sights.pop(old, None)
            self._sights[row] = sight
        return sight

    def _seen(self, row: int) -> Sight:
        assets = len(self.axes.assets)
        made = None if self.products is None else self.products.at(row)
        firms = self.industries.at(row, assets) if self.industries is not None else made
        if firms is None:
            none = np.empty(0, dtype=np.int64)
            nodes = lists_of(none, none, np.empty(0), firms=assets, width=1)
            firms = Firms(nodes=nodes, mapped=np.zeros(assets, dtype=np.bool_), deepest=0)
        mix, norm = None, np.zeros(assets)
        if self.settings.deep_peer == "cosine" and self.products is not None:
            mix = self.products.shares(row, self.products.reported)
            norm = np.sqrt(np.bincount(mix.firm, weights=mix.values**2, minlength=assets))
        return Sight(
            firms=firms,
            deep=max(1, min(self.settings.deep_depth, firms.deepest)),
            inputs=None if made is None or self.edges is None else _ends(made.nodes, *self.edges.both_ways(row, made.nodes.width)),
            made=None if made is None else made.nodes,
            mix=mix,
            norm=norm,
            ids=self.owners.at(row),
        )


def load_structure(data: Dataset, axes: Axes, settings: GraphSettings) -> Structure:
    """Read what links the firms of a dataset.

    Tables that are absent turn their lamps off and are named in `Structure.absent`; rows on assets or products that the dataset does
    not know are left out. Raises SettingError where settings.products names industry schemes and the industries have none of them.
    """
    industries, absent = _industries(data, axes, settings)
    has_products = data.has("segments") and data.has("taxonomy")
    # before its first node begins the tree has no rows, which is no fault
    products = load_products(data, axes, settings) if has_products and data.frame("taxonomy", ["product"]).height else None
    if not has_products and not (settings.schemes and settings.deep_peer == "depth"):
        absent.append(_lack(data, "deep_peer", ("segments", "taxonomy")))
    owners = load_owners(data, axes, settings)
    absent += [_lack(data, lamp, tables) for lamp, tables in _NEEDS.items() if not all(data.has(each) for each in tables)]
    if not data.has("affiliates") and (owners.company >= 0).any():
        absent[-1] += ", so only listings of one issuer are affiliates"
    disclosed, bids = _links(data, axes, settings) if data.has("disclosed_links") else (None, None)
    return Structure(
        axes=axes,
        settings=settings,
        products=products,
        industries=industries,
        edges=None if products is None or not data.has("supply_edges") else _edges(data, axes, products, settings),
        disclosed=disclosed,
        bids=bids,
        owners=owners,
        absent=tuple(absent),
    )


def _lack(data: Dataset, lamp: str, tables: tuple[str, ...]) -> str:
    return f"{lamp}: the dataset has no {' and no '.join(each for each in tables if not data.has(each))}"


def _industries(data: Dataset, axes: Axes, settings: GraphSettings) -> tuple[IndustryTree | None, list[str]]:
    if not settings.schemes:
        return None, []
    if not data.has("industries"):
        return IndustryTree(schemes=settings.schemes, mixes=(None,) * len(settings.schemes)), [_lack(data, "deep_peer", ("industries",))]
    known = data.frame("industries", ["scheme"])["scheme"].unique().sort().to_list()
    lost = [each for each in settings.schemes if each not in known]
    if known and len(lost) == len(settings.schemes):
        raise SettingError(f"products names the industry schemes {', '.join(lost)}; the dataset has {', '.join(known)}: name some of them")
    said = [f"deep_peer: the dataset has no industry scheme {', '.join(lost)}"] if lost else []
    return load_industries(data, axes, settings.schemes), said


def _ends(nodes: Lists, starts: Int64Array, ends: Int64Array) -> Lists:
    entry, place = expand(starts, nodes.keys)
    key = ends[entry]
    return lists_of(nodes.firm[place], key, np.ones(key.size), firms=nodes.starts.size - 1, width=nodes.width)


def _edges(data: Dataset, axes: Axes, products: ProductTree, settings: GraphSettings) -> Edges:
    table = data.frame("supply_edges")
    if settings.core_only and "is_core" in table.columns:
        table = table.filter(pl.col("is_core").fill_null(True))
    supplier, customer = products.tree.node(table["supplier_product"]), products.tree.node(table["customer_product"])
    keep = (supplier >= 0) & (customer >= 0)
    begins = table["start_date"].to_numpy().astype("datetime64[D]")
    ends = table["end_date"].to_numpy().astype("datetime64[D]") if "end_date" in table.columns else np.full_like(begins, "NaT")
    return Edges(
        supplier=supplier[keep].astype(np.int64),
        customer=customer[keep].astype(np.int64),
        first=axes.sessions.first_at_or_after(begins)[keep],
        stop=axes.sessions.first_at_or_after(ends)[keep],
        begins=begins[keep],
    )


def _links(data: Dataset, axes: Axes, settings: GraphSettings) -> tuple[Links, Links]:
    table = data.frame("disclosed_links")
    if "kind" not in table.columns:
        table = table.with_columns(kind=pl.lit("ongoing"))
    one, other = axes.asset_index(table["supplier"]), axes.asset_index(table["customer"])
    table = table.with_columns(
        kind=pl.col("kind").fill_null("ongoing"),
        _a=pl.Series(np.minimum(one, other)),
        _b=pl.Series(np.maximum(one, other)),
        _ends=pl.col("publish_date").dt.offset_by(f"{settings.disclosed_years}y"),
    ).filter((pl.col("_a") >= 0) & (pl.col("_a") != pl.col("_b")))
    return _links_of(table.filter(pl.col("kind") == "ongoing"), axes), _links_of(table.filter(pl.col("kind") == "bid"), axes)


def _links_of(table: pl.DataFrame, axes: Axes) -> Links:
    return Links(
        a=table["_a"].to_numpy().astype(np.int64),
        b=table["_b"].to_numpy().astype(np.int64),
        first=axes.sessions.first_at_or_after(table["publish_date"].to_numpy().astype("datetime64[D]")),
        stop=axes.sessions.first_at_or_after(table["_ends"].to_numpy().astype("datetime64[D]")),
        lines=table,
    )
