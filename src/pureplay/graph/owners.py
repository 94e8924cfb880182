"""Who holds whom, session by session: direct stakes, stakes through control, boards that share a person, listings of one issuer."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.graph.lists import Int64Array, Lists, lists_of
from pureplay.graph.settings import GraphSettings
from pureplay.panel import Axes, BoolArray, FloatArray
from pureplay.stats.jit import kernel

__all__ = ["CONTROL", "Owners", "load_owners"]

CONTROL: Final = 0.5
"""A stake above it controls: what the owned company holds counts as held by the owner too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Every stake with its dates, sorted by the owned.

    ids: owners, owned companies, people and issuers, sorted; assets on the axes are among them. own: id of each asset of the axes.
    owner, owned: ids of each row. stake: NaN where it is not stated, which is enough to hold but not to control. first, stop: sessions
    [first, stop) on which the row is in force; begins: its first day. person: rows of a person on a board. company: id of each asset's
    issuer, -1 where it is an issuer of its own. least: smallest stake that counts. changes: sessions on which some row begins or ends.
    """

    ids: tuple[str, ...]
    own: Int64Array
    owner: Int64Array
    owned: Int64Array
    stake: FloatArray
    first: Int64Array
    stop: Int64Array
    begins: npt.NDArray[np.datetime64]
    person: BoolArray
    company: Int64Array
    least: float
    changes: Int64Array
    _cache: dict[int, Lists] = field(default_factory=dict, repr=False, compare=False)

    def at(self, row: int) -> Lists:
        """For every asset on a session what makes it an affiliate: itself, its issuer, its holders and theirs by control, its people.

        Two assets are affiliates where their lists meet. The lists change only where a row begins or ends.
        """
        version = int(np.searchsorted(self.changes, row, side="right"))
        lists = self._cache.get(version)
        if lists is None:
            lists = self._made(row)
            self._cache.clear()
            self._cache[version] = lists
        return lists

    def in_force(self, row: int) -> BoolArray:
        """Rows that hold on a session."""
        return np.asarray((self.first <= row) & (row < self.stop))

    def _made(self, row: int) -> Lists:
        now = self.in_force(row)
        enough = np.isnan(self.stake) | (self.stake >= self.least)
        holds = _by_owned(self.owner, self.owned, now & ~self.person & enough, len(self.ids))
        controls = _by_owned(self.owner, self.owned, now & ~self.person & (self.stake > CONTROL), len(self.ids))
        firm, key = _climb(self.own, *holds, *controls)
        asset = np.full(len(self.ids), -1, dtype=np.int64)
        asset[self.own] = np.arange(self.own.size)
        seats = np.flatnonzero(now & self.person & (asset[self.owned] >= 0))
        listed = np.flatnonzero(self.company >= 0)
        firm = np.concatenate([firm, asset[self.owned[seats]], listed])
        key = np.concatenate([key, self.owner[seats], self.company[listed]])
        order = np.lexsort((key, firm))
        return lists_of(firm[order], key[order], np.ones(key.size), firms=self.own.size, width=len(self.ids))


def load_owners(data: Dataset, axes: Axes, settings: GraphSettings) -> Owners:
    """Stakes of `affiliates` and issuers of `assets`, whichever there are.

    A company that owns itself is left out, and people on two boards unless settings.interlocks says that they count.
    """
    table = _stakes(data, settings)
    companies = _companies(data, axes)
    # people and issuers carry a mark in front of their names: none is taken for a company of the same name
    names = [table["owner"], table["owned"], pl.Series(axes.assets, dtype=pl.String).rename("own"), companies.drop_nulls()]
    ids = pl.concat([each.alias("id").cast(pl.String) for each in names]).unique().sort()

    def number(names: pl.Series) -> Int64Array:
        codes = names.cast(pl.Enum(ids), strict=False).to_physical().cast(pl.Int64)
        return np.asarray(codes.fill_null(-1).to_numpy(), dtype=np.int64)

    begins = table["start_date"].to_numpy().astype("datetime64[D]")
    first = axes.sessions.first_at_or_after(begins)
    stop = axes.sessions.first_at_or_after(table["end_date"].to_numpy().astype("datetime64[D]"))
    return Owners(
        ids=tuple(ids),
        own=number(pl.Series(axes.assets, dtype=pl.String)),
        owner=number(table["owner"]),
        owned=number(table["owned"]),
        stake=table["stake"].fill_null(float("nan")).to_numpy().astype(np.float64),
        first=first,
        stop=stop,
        begins=begins,
        person=table["person"].to_numpy().astype(np.bool_),
        company=number(companies),
        least=settings.min_stake,
        changes=np.unique(np.concatenate([first, stop])),
    )


def _stakes(data: Dataset, settings: GraphSettings) -> pl.DataFrame:
    if not data.has("affiliates"):
        schema = {"owner": pl.String, "owned": pl.String, "start_date": pl.Date, "end_date": pl.Date, "stake": pl.Float64}
        return pl.DataFrame(schema={**schema, "person": pl.Boolean})
    table = data.frame("affiliates")
    absent = {"end_date": pl.Date, "stake": pl.Float64, "kind": pl.String}
    table = table.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in absent.items() if name not in table.columns)
    table = table.with_columns(person=pl.col("kind").fill_null("ownership") == "executive", stake=pl.col("stake").cast(pl.Float64))
    table = table.filter((pl.col("owner") != pl.col("owned")) & (pl.lit(settings.interlocks) | ~pl.col("person")))
    owner = pl.when("person").then(pl.lit("\x01person:") + pl.col("owner")).otherwise("owner")
    return table.select(owner.alias("owner"), "owned", "start_date", "end_date", "stake", "person").sort(
        "owned", "owner", "start_date", "person"
    )


def _companies(data: Dataset, axes: Axes) -> pl.Series:
    """Issuer of every asset on the axes, null where the asset is an issuer of its own."""
    own = pl.DataFrame({"asset": pl.Series(axes.assets, dtype=pl.String)})
    if "issuer" not in data.columns("assets"):
        return pl.Series("issuer", [None] * own.height, dtype=pl.String)
    known = data.frame("assets", ["asset", "issuer"]).unique("asset", keep="first", maintain_order=True)
    return own.join(known, on="asset", how="left", maintain_order="left").select(pl.lit("\x01issuer:") + pl.col("issuer")).to_series()


def _by_owned(owner: Int64Array, owned: Int64Array, keep: BoolArray, ids: int) -> tuple[Int64Array, Int64Array]:
    """Owners of every id, end to end; the rows are sorted by the owned."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(owned[keep], minlength=ids))]).astype(np.int64)
    return starts, owner[keep]


def _climb(
    own: Int64Array, hold_starts: Int64Array, holders: Int64Array, control_starts: Int64Array, controllers: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """Every asset with itself, with those that hold it and with whoever controls a holder, however far up."""
    none = np.empty(0, dtype=np.int64)
    counts = np.zeros(own.size + 1, dtype=np.int64)
    _climbed(own, hold_starts, holders, control_starts, controllers, counts, none)
    firm = np.repeat(np.arange(own.size, dtype=np.int64), counts[1:])
    key = np.empty(firm.size, dtype=np.int64)
    np.cumsum(counts, out=counts)
    _climbed(own, hold_starts, holders, control_starts, controllers, counts, key)
    return firm, key


@kernel
def _climbed(
    own: Int64Array,
    hold_starts: Int64Array,
    holders: Int64Array,
    control_starts: Int64Array,
    controllers: Int64Array,
    counts: Int64Array,
    out: Int64Array,
) -> None:
    ids = hold_starts.size - 1
    mark = np.full(ids, -1, np.int64)
    found = np.empty(ids, np.int64)
    for i in range(own.size):
        n = 0
        for k in range(hold_starts[own[i]], hold_starts[own[i] + 1]):
            if mark[holders[k]] != i:
                mark[holders[k]] = i
                found[n] = holders[k]
                n += 1
        m = 0
        while m < n:  # each id joins once, so that owners in a circle end the climb
            for k in range(control_starts[found[m]], control_starts[found[m] + 1]):
                if mark[controllers[k]] != i:
                    mark[controllers[k]] = i
                    found[n] = controllers[k]
                    n += 1
            m += 1
        if mark[own[i]] != i:
            found[n] = own[i]
            n += 1
        if out.size == 0:
            counts[i + 1] = n
        else:
            out[counts[i] : counts[i] + n] = found[:n]
