"""Values of one column translated through a file of pairs, such as company numbers to tickers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pureplay.errors import TableError
from pureplay.sources.entries import near, one_of, only, typed
from pureplay.sources.reading import find_files, header, read_rows

__all__ = ["Lookup", "parse_lookup", "read_pairs", "translate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A file below the source folder whose column `key` holds the values of the mapped column and whose column `value` replaces them.

    others: "refuse" sets the rows of values without a partner aside, "keep" leaves these values as they are.
    """

    file: str
    key: str
    value: str
    others: str


def parse_lookup(raw: dict[str, Any], place: str) -> Lookup | None:
    """The `lookup` entry of a column of the map; None where there is none."""
    entry = typed(raw, "lookup", dict, place, default=None)
    if entry is None:
        return None
    place = f"{place}: lookup"
    only(entry, ("file", "key", "value", "others"), place)
    others = typed(entry, "others", str, place, default="refuse")
    one_of(others, ("keep", "refuse"), f"{place}: others")
    file, key, value = (typed(entry, each, str, place, required=True) for each in ("file", "key", "value"))
    return Lookup(file=file, key=key, value=value, others=others)


def read_pairs(lookup: Lookup, source: Path, *, table: str, encoding: str, separator: str) -> pl.DataFrame:
    """The pairs as text columns key and value, each key once; pairs with an empty half are left out.

    Raises DatasetError where the file is absent or damaged, TableError where it lacks a column or gives a key two values.
    """
    paths = find_files(source, (lookup.file,), table=table)
    if len(paths) != 1:
        raise TableError(f"table '{table}': lookup file \"{lookup.file}\" names {len(paths)} files: name one")
    names, content = header(paths[0], encoding=encoding, separator=separator)
    for each in (lookup.key, lookup.value):
        if each not in names:
            raise TableError(f"table '{table}': lookup file {lookup.file} has no column '{each}' ({near(each, names)}): correct the map")
    rows = read_rows(paths[0], list(dict.fromkeys([lookup.key, lookup.value])), content, separator=separator)
    text = (rows[each].cast(pl.String).str.strip_chars().replace({"": None}) for each in (lookup.key, lookup.value))
    pairs = pl.DataFrame(dict(zip(("key", "value"), text, strict=True))).drop_nulls().unique(maintain_order=True)
    twice = pairs.filter(pl.col("key").is_duplicated()).sort("key", maintain_order=True)
    if twice.height:
        shown = "; ".join(f"{key} -> {value}" for key, value in twice.head(4).iter_rows())
        raise TableError(
            f"table '{table}': lookup file {lookup.file} gives {twice['key'].n_unique():,} keys several values, such as {shown}: "
            "leave one value for each key"
        )
    return pairs


def translate(values: pl.Series, pairs: pl.DataFrame, *, others: str) -> pl.Series:
    """`values` (text) through the pairs; without a partner null, or the value itself where `others` is "keep"."""
    default = values if others == "keep" else None
    return values.replace_strict(pairs["key"], pairs["value"], default=default, return_dtype=pl.String)
