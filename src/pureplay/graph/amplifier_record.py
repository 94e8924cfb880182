"""The amplifier's graph: who stands beside whom by product, vintage by vintage, as sparse operators and as the rows of its feed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import SettingError, TableError
from pureplay.frames import AnyFrame, to_polars
from pureplay.panel import FloatArray, IndexArray
from pureplay.sessions import DayArray

__all__ = ["FEED_SCHEMA", "RELATIONS", "AmplifierGraph", "Relation"]

Relation = Literal["peer", "upstream", "downstream"]
RELATIONS: Final[tuple[Relation, ...]] = get_args(Relation)
"""What the counterparty is to the focal stock."""

FEED_SCHEMA: Final = {
    "trade_date": pl.Date,
    "focal_ts": pl.String,
    "relation_type": pl.String,
    "counterparty_ts": pl.String,
    "weight": pl.Float64,
    "source_basis": pl.String,
    "source_rpt_date": pl.Date,
    "source_publish_date": pl.Date,
    "eff_date": pl.Date,
}
"""Columns of the feed (METHODS §7); the three last dates are the later ones of the two parties."""

_KEY: Final = ("trade_date", "focal_ts", "relation_type", "counterparty_ts")
_NEEDED: Final = (*_KEY, "weight", "eff_date")
_SOURCES: Final = ("source_basis", "source_rpt_date", "source_publish_date", "eff_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class AmplifierGraph:
    """Sparse operators of all vintages, end to end.

    assets: sorted codes. dates: day of each vintage, ascending. relations: in the order of RELATIONS. starts: (vintages, relations,
    assets + 1); the counterparties of focal i are entries starts[v, r, i]:starts[v, r, i + 1] of `counterparty` (asset number) and
    `weight`. basis: what the weights rest on. party: (3, vintages, assets) period end, publication and effective day of the filing in
    use of each stock; None where rows bring their dates along, which `told` then holds, row by row. issuer: number of each asset's
    issuer, None where every asset counts as its own.
    """

    assets: tuple[str, ...]
    dates: DayArray
    relations: tuple[Relation, ...]
    starts: npt.NDArray[np.int64]
    counterparty: IndexArray
    weight: FloatArray
    basis: str
    party: DayArray | None = None
    told: pl.DataFrame | None = None
    issuer: npt.NDArray[np.int64] | None = None

    @classmethod
    def from_frame(cls, frame: AnyFrame) -> "AmplifierGraph":
        """A graph of the user's own, in the columns of FEED_SCHEMA (sources but for eff_date may be absent or null), in any order.

        Raises TableError for absent columns, types that cannot be read, null keys, weights outside (0, 1], relations of another name,
        a stock beside itself, repeated keys, and rows that were not known on their trade_date (eff_date later, or null).
        """
        table = _sorted(_checked(_typed(to_polars(frame, "amplifier graph"))))
        assets = tuple(pl.concat([table["focal_ts"], table["counterparty_ts"].alias("focal_ts")]).unique().sort())
        dates = table["trade_date"].unique().sort()
        present = set(table["relation_type"])
        relations = tuple(each for each in RELATIONS if each in present)
        codes = pl.Enum(list(assets))
        focal = table["focal_ts"].cast(codes).to_physical().cast(pl.Int64).to_numpy()
        vintage = np.searchsorted(dates.to_numpy(), table["trade_date"].to_numpy())
        relation = table["relation_type"].cast(pl.Enum(list(relations))).to_physical().cast(pl.Int64).to_numpy()
        cell = (vintage * len(relations) + relation) * len(assets) + focal
        return cls(
            assets=assets,
            dates=dates.to_numpy().astype("datetime64[D]"),
            relations=relations,
            starts=row_starts(np.bincount(cell, minlength=dates.len() * len(relations) * len(assets)), len(relations), len(assets)),
            counterparty=table["counterparty_ts"].cast(codes).to_physical().cast(pl.Int32).to_numpy().copy(),
            weight=table["weight"].to_numpy().copy(),
            basis="as given",
            told=table.select(_SOURCES),
        )

    def to_frame(self, first: int = 0, last: int | None = None) -> pl.DataFrame:
        """Rows of vintages [first, last) in the columns of FEED_SCHEMA: by vintage, relation, focal and counterparty."""
        stop = self.dates.size if last is None else last
        if not 0 <= first <= stop <= self.dates.size:
            raise SettingError(f"vintages [{first}, {stop}) are not within [0, {self.dates.size}): give first and last in order, within it")
        if first == stop:
            return pl.DataFrame(schema=FEED_SCHEMA)
        starts = self.starts[first:stop]
        begin, end = int(starts[0, 0, 0]), int(starts[-1, -1, -1])
        cell = np.repeat(np.arange(starts[:, :, 1:].size), np.diff(starts, axis=2).reshape(-1))
        vintage, rest = np.divmod(cell, len(self.relations) * len(self.assets))
        relation, focal = np.divmod(rest, len(self.assets))
        other = self.counterparty[begin:end]
        names = pl.Series(self.assets, dtype=pl.String)
        frame = pl.DataFrame(
            {
                "trade_date": pl.Series(self.dates[first + vintage]).cast(pl.Date),
                "focal_ts": names.gather(focal),
                "relation_type": pl.Series(self.relations, dtype=pl.String).gather(relation),
                "counterparty_ts": names.gather(other),
                "weight": self.weight[begin:end],
            }
        )
        if self.told is not None:
            return pl.concat([frame, self.told[begin:end]], how="horizontal").select(*FEED_SCHEMA)
        return frame.with_columns(source_basis=pl.lit(self.basis), **self._later(first + vintage, focal, other)).select(*FEED_SCHEMA)

    def _later(self, vintage: npt.NDArray[np.int64], focal: npt.NDArray[np.int64], other: IndexArray) -> dict[str, pl.Series]:
        """The later of the two parties' dates, for each row."""
        if self.party is None:
            return {name: pl.Series(name, [None] * vintage.size, dtype=pl.Date) for name in _SOURCES[1:]}
        return {
            name: pl.Series(np.maximum(days[vintage, focal], days[vintage, other])).cast(pl.Date)
            for name, days in zip(_SOURCES[1:], self.party, strict=True)
        }

    def vintage_on(self, days: DayArray, *, longest_days: int) -> npt.NDArray[np.int64]:
        """Number of the vintage that holds on each day: the last one up to it, if no older than longest_days; else -1."""
        found = np.searchsorted(self.dates, days, side="right").astype(np.int64) - 1
        if not self.dates.size:
            return found
        age = (days - self.dates[np.maximum(found, 0)]).astype(np.int64)
        return np.where((found >= 0) & (age <= longest_days), found, -1)

    def numbers_of(self, relations: Sequence[str]) -> npt.NDArray[np.int64]:
        """Positions of relations; raises SettingError for one that the graph lacks, for repeats and for none."""
        absent = [each for each in relations if each not in self.relations]
        if absent or not relations or len(set(relations)) < len(relations):
            raise SettingError(
                f"relations must name one or more of {', '.join(self.relations) or '(the graph has none)'}, each once, not "
                f"{list(relations)}: upstream and downstream need the table supply_edges"
            )
        return np.array([self.relations.index(each) for each in relations], dtype=np.int64)


def row_starts(counts: npt.NDArray[np.int64], relations: int, assets: int) -> npt.NDArray[np.int64]:
    """`starts` of an AmplifierGraph from the number of entries of each (vintage, relation, focal)."""
    ends = np.cumsum(counts, dtype=np.int64)
    begins = ends - counts
    vintages = counts.size // max(relations * assets, 1)
    out = np.empty((vintages, relations, assets + 1), dtype=np.int64)
    out[:, :, :-1] = begins.reshape(vintages, relations, assets)
    out[:, :, -1] = ends.reshape(vintages, relations, assets)[:, :, -1]
    return out


def _sorted(table: pl.DataFrame) -> pl.DataFrame:
    order = pl.col("relation_type").replace_strict(list(RELATIONS), list(range(len(RELATIONS))), return_dtype=pl.Int8)
    return table.sort("trade_date", order, "focal_ts", "counterparty_ts")


def _typed(given: pl.DataFrame) -> pl.DataFrame:
    absent = [each for each in _NEEDED if each not in given.columns]
    if absent:
        raise TableError(f"amplifier graph lacks {', '.join(absent)}; it has {', '.join(given.columns)}: rename or add what is absent")
    if given.is_empty():
        raise TableError("amplifier graph has no rows: give at least one, or leave the graph out")
    columns = []
    for name, kind in FEED_SCHEMA.items():
        held = given[name] if name in given.columns else pl.Series(name, [None] * given.height, dtype=kind)
        try:
            columns.append(held.str.to_date("%Y-%m-%d") if kind == pl.Date and held.dtype == pl.String else held.cast(kind))
        except pl.exceptions.PolarsError as error:
            raise TableError(
                f"amplifier graph.{name} is {held.dtype} with values such as {held.drop_nulls().head(2).to_list()}, where {kind} is "
                "needed: convert it"
            ) from error
    return pl.DataFrame(columns)


def _checked(table: pl.DataFrame) -> pl.DataFrame:
    _refuse(table, pl.any_horizontal(pl.col(_KEY).is_null()), f"without {', '.join(_KEY)}", "fill them or leave the rows out")
    inside = (pl.col("weight") > 0) & (pl.col("weight") <= 1)  # NaN is larger than any number
    _refuse(table, ~inside.fill_null(False), "with a weight outside (0, 1]", "give the share of the focal's revenue")
    known = pl.col("relation_type").is_in(RELATIONS)
    _refuse(table, ~known, f"with a relation_type other than {', '.join(RELATIONS)}", "rename it or leave the rows out")
    _refuse(table, pl.col("focal_ts") == pl.col("counterparty_ts"), "that put a stock beside itself", "leave them out")
    _refuse(table, pl.struct(_KEY).is_duplicated(), "with a repeated key", "keep one row a date, focal, relation and counterparty")
    known_by = (pl.col("eff_date") <= pl.col("trade_date")).fill_null(False)
    _refuse(table, ~known_by, "with eff_date after trade_date, or none", "a row may be used from its eff_date on only")
    return table


def _refuse(table: pl.DataFrame, wrong: pl.Expr, what: str, remedy: str) -> None:
    rows = table.filter(wrong)
    if rows.height:
        first = rows.row(0, named=True)
        shown = ", ".join(f"{name} {first[name]}" for name in _NEEDED)
        raise TableError(f"amplifier graph has {rows.height} of {table.height} rows {what}, such as {shown}: {remedy}")
