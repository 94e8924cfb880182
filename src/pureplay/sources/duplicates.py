"""Rows that share a key: exact copies, conflicts, and what the map wants done about them."""

import polars as pl

from pureplay.errors import TableError
from pureplay.sources.maps import Duplicates, TableMap
from pureplay.sources.reading import ROW
from pureplay.sources.report import Entry
from pureplay.sources.rows import FILE

__all__ = ["resolve_duplicates", "resolve_overlap"]

_ROWS_SHOWN = 6


def resolve_duplicates(frame: pl.DataFrame, table: TableMap, entries: list[Entry]) -> pl.DataFrame:
    """`frame` with one row a key, by the policy of its map; TableError where that is `refuse`, or `identical` and rows differ.

    Rows with a null in the key are let through: the dataset puts them aside.
    """
    name = table.contract.name
    if table.distinct:
        distinct = frame.unique(subset=_data(frame), keep="first", maintain_order=True)
        if distinct.height < frame.height:
            detail = "repeated rows joined (distinct = true)"
            entries.append(Entry(table=name, kind="duplicates", count=frame.height - distinct.height, detail=detail))
        frame = distinct
    return _one_a_key(frame, table.contract.key, table.duplicates, name, entries)


def resolve_overlap(frame: pl.DataFrame, key: list[str], name: str, entries: list[Entry]) -> pl.DataFrame:
    """The same for several `[[table]]` blocks of one table: copies are dropped, conflicts refused."""
    return _one_a_key(frame, key, "identical", name, entries)


def _one_a_key(frame: pl.DataFrame, key: list[str], policy: Duplicates, name: str, entries: list[Entry]) -> pl.DataFrame:
    key = [each for each in key if each in frame.columns]
    if frame.select(pl.struct(key).n_unique()).item() == frame.height:
        return frame
    shared = frame.select(pl.struct(key).is_duplicated() & ~pl.any_horizontal(pl.col(each).is_null() for each in key)).to_series()
    if not shared.any():
        return frame
    among = frame.filter(shared)
    if policy == "refuse":
        raise _conflict(among, key, name, 'duplicates = "refuse"')
    if policy == "mean":
        resolved, how = _mean(among, key, name), "mean of numeric columns"
    elif policy == "identical":
        resolved, how = among.unique(subset=_data(among), keep="first", maintain_order=True), "exact copies dropped"
        differing = resolved.filter(pl.struct(key).is_duplicated())
        if differing.height:
            raise _conflict(differing, key, name, "they differ")
    else:
        resolved, how = among.unique(subset=key, keep=policy, maintain_order=True), f"{policy} row of each key kept"
    shown = tuple(" ".join(str(each) for each in row) for row in resolved.select(key).head(3).iter_rows())
    entries.append(Entry(table=name, kind="duplicates", count=among.height - resolved.height, detail=how, examples=shown))
    return pl.concat([frame.filter(~shared), resolved])


def _mean(among: pl.DataFrame, key: list[str], name: str) -> pl.DataFrame:
    numeric = [each for each in _data(among) if among[each].dtype.is_float() and each not in key]
    others = [each for each in _data(among) if each not in (*numeric, *key)]
    if others:
        unclear = among.filter(pl.any_horizontal(pl.col(each).n_unique().over(key) > 1 for each in others))
        if unclear.height:
            raise _conflict(unclear, key, name, f'duplicates = "mean" cannot average {", ".join(others)}')
    grouped = among.group_by(key, maintain_order=True).agg(pl.col(numeric).mean(), pl.col(FILE, ROW, *others).first())
    return grouped.select(among.columns)


def _conflict(among: pl.DataFrame, key: list[str], name: str, why: str) -> TableError:
    """Error that shows the first rows in question, by file and row."""
    first = among.sort(*key, maintain_order=True).head(_ROWS_SHOWN).rename({FILE: "file", ROW: "row"})
    rows = [", ".join(f"{column}={value}" for column, value in row.items() if value is not None) for row in first.iter_rows(named=True)]
    shown = "\n  ".join(rows)
    keys = among.select(pl.struct(key).n_unique()).item()
    return TableError(
        f"table '{name}': {among.height:,} rows share {keys:,} keys ({', '.join(key)}) and {why}:\n  {shown}\n"
        'correct the files, narrow them with `where`, or say which row counts with duplicates = "first", "last" or "mean"'
    )


def _data(frame: pl.DataFrame) -> list[str]:
    return [each for each in frame.columns if each not in (FILE, ROW)]
