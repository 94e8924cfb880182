"""Columns computed from other columns of the same table: returns from prices, traded value from price and volume."""

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from pureplay.errors import SettingError, TableError
from pureplay.sources.entries import near, only, texts, typed
from pureplay.sources.report import Entry
from pureplay.tables import Contract

__all__ = ["Derivation", "derive", "parse_derive", "require_sources"]

_FORMULAS: Final = ("simple_return_of", "product_of")


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """How one column of a contract follows from others of it.

    formula: "simple_return_of" a price, or "product_of" columns. longest_gap_days: calendar days between two traded bars beyond which
    the return is null, since a ticker that long away may name another company; 0 for a product.
    """

    target: str
    formula: str
    sources: tuple[str, ...]
    longest_gap_days: int = 0


def parse_derive(raw: dict[str, Any], table: Contract, place: str) -> tuple[Derivation, ...]:
    """The `[table.derive]` entries of a table of the map."""
    return tuple(_parse(target, entry, table, f"{place}: derive {target}") for target, entry in raw.items())


def _parse(target: str, entry: object, table: Contract, place: str) -> Derivation:
    if not isinstance(entry, dict):
        raise SettingError(f'{place} = {entry!r}: write {{simple_return_of = "close", longest_gap_days = 30}} or {{product_of = [...]}}')
    _require_number(target, table, place)
    only(entry, (*_FORMULAS, "longest_gap_days"), place)
    used = [each for each in _FORMULAS if each in entry]
    if len(used) != 1:
        raise SettingError(f"{place} needs exactly one of {', '.join(_FORMULAS)}, found {used}: write one formula")
    if used[0] == "product_of":
        sources = tuple(texts(entry, "product_of", place))
        if len(sources) < 2 or "longest_gap_days" in entry:
            raise SettingError(f"{place}: product_of takes two columns or more and no longest_gap_days: correct it")
        return Derivation(target=target, formula=used[0], sources=sources)
    if "date" not in table.key:
        raise TableError(f"{place}: '{table.name}' has no daily rows, so there is no return from one to the next: leave it out")
    gap = typed(entry, "longest_gap_days", int, place, default=None)
    if gap is None or gap < 1:
        raise SettingError(
            f"{place} needs longest_gap_days, the calendar days between two bars beyond which a ticker may name another company: add it, "
            "such as longest_gap_days = 30"
        )
    source = typed(entry, "simple_return_of", str, place)
    return Derivation(target=target, formula=used[0], sources=(source,), longest_gap_days=gap)


def _require_number(name: str, table: Contract, place: str) -> None:
    columns = table.schema.columns()
    if name in columns and not columns[name].dtype.is_float():
        raise TableError(f"{place}: '{name}' is {columns[name].dtype}, and only decimal numbers are computed: map it")
    if name not in columns and not table.open_ended:
        raise TableError(f"{place}: '{name}' is not a column of '{table.name}' ({near(name, columns)}): rename it")


def require_sources(derivations: tuple[Derivation, ...], stated: set[str], table: Contract, place: str) -> None:
    """Raise SettingError where a column to compute with is neither mapped nor a constant."""
    for each in derivations:
        for source in each.sources:
            _require_number(source, table, f"{place}: derive {each.target}")
            if source not in stated:
                raise SettingError(f"{place}: derive {each.target} needs {source}, which the map does not state: add it to [table.columns]")


def derive(frame: pl.DataFrame, derivations: tuple[Derivation, ...], table: Contract, entries: list[Entry]) -> pl.DataFrame:
    """`frame` with the derived columns, in the contract's order; rows keep theirs.

    A return is price over the last traded price of the same key, less 1: between the rows that have a price above 0 and, where the
    table says so, a volume other than 0. It is null on the first of them, on all others, and after too long a gap. Prices must be
    adjusted for splits, else a split counts as a loss; dividends count only where prices are adjusted for them.
    """
    if not derivations:
        return frame
    for each in derivations:
        if each.formula == "product_of":
            made, detail = _product(frame, each), "product of " + " and ".join(each.sources)
        else:
            made, detail = _returns(frame, each, table)
        frame = frame.with_columns(made.alias(each.target))
        count = frame.height - made.null_count()
        entries.append(Entry(table=table.name, kind="derived", column=each.target, count=count, detail=detail))
    known = list(table.schema.columns())
    before = next((at for at, name in enumerate(frame.columns) if name in known), 0)
    order = [name for name in known if name in frame.columns]
    lead = [name for name in frame.columns[:before] if name not in order]
    return frame.select(*lead, *order, *(name for name in frame.columns if name not in (*lead, *order)))


def _product(frame: pl.DataFrame, plan: Derivation) -> pl.Series:
    product = pl.lit(1.0)
    for each in plan.sources:
        product = product * pl.col(each)
    return frame.select(made=product)["made"]


def _returns(frame: pl.DataFrame, plan: Derivation, table: Contract) -> tuple[pl.Series, str]:
    price, by = plan.sources[0], [each for each in table.key if each != "date"]
    trades = pl.col(price) > 0
    if "volume" in frame.columns:
        trades &= pl.col("volume").is_null() | (pl.col("volume") != 0)
    keyed = pl.all_horizontal(pl.col(each).is_not_null() for each in table.key)
    bars = frame.with_row_index("_at").filter(trades & keyed).select("_at", *table.key, price).sort(*by, "date", maintain_order=True)
    gap = (pl.col("date") - pl.col("date").shift(1).over(by)).dt.total_days()
    made = bars.with_columns(_gap=gap, _ret=pl.col(price) / pl.col(price).shift(1).over(by) - 1)
    long = made.filter(pl.col("_gap") > plan.longest_gap_days)
    kept = made.filter(pl.col("_gap") <= plan.longest_gap_days)
    names = made.select(pl.struct(by).n_unique()).item() if made.height else 0
    shown = "; ".join(" ".join(str(part) for part in row) for row in long.select(*by, "date").head(3).iter_rows())
    detail = f"return of {price} since the last traded bar; null on the first bar of {names:,} and over {long.height:,} gaps of more than "
    detail += f"{plan.longest_gap_days} days" + (f", such as {shown}" if shown else "")
    found = frame.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("_at")).join(
        kept.select("_at", "_ret"), on="_at", how="left", maintain_order="left"
    )
    return found["_ret"], detail
