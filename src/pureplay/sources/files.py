"""The user's own CSV and Parquet files through a column map (TOML) into the canonical tables.

    [dataset]
    name = "mine"
    calendar = "XSHG"

    [[table]]
    table = "bars"
    files = ["daily/*.parquet"]
    [table.columns]
    date = {from = "trade_date", format = "%Y%m%d"}
    asset = {from = "ts_code", code = "cn"}
    ret = {from = "pct_chg", unit = "percent"}
    total_cap = {from = "total_mv", unit = "ten_thousand"}

docs/importing.md holds the whole format. Nothing is guessed and nothing is dropped unseen: what cannot be converted is set aside
with a reason, and the report counts every change. The tables are not yet checked against their row rules; a dataset does that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pureplay.errors import TableError
from pureplay.sources.derive import derive
from pureplay.sources.duplicates import resolve_duplicates, resolve_overlap
from pureplay.sources.maps import TableMap, read_map
from pureplay.sources.reading import ROW, find_files
from pureplay.sources.report import Entry, MappingReport
from pureplay.sources.rows import FILE, KEY_PREFIX, import_file
from pureplay.tables import contract

__all__ = ["Imported", "load"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Tables in the contracts' names and types, and how they came about.

    tables: by table name; rows in file order, not yet checked row by row.
    calendar: "bars" or an exchange code. notes: what the map says about the data.
    """

    name: str
    calendar: str
    notes: tuple[str, ...]
    tables: dict[str, pl.DataFrame]
    report: MappingReport

    @property
    def refused(self) -> dict[str, pl.DataFrame]:
        """By table name the rows that could not be converted, as they stood in the file (see MappingReport)."""
        return self.report.refused


def load(map_file: Path, *, source: Path, progress: Callable[[str], None] | None = None) -> Imported:
    """Read the files below `source` as the column map says; `progress` is told each file before it is read.

    SettingError: the map is faulty. TableError: map, files and contracts do not fit (a missing column, conflicting duplicates, a table
    none of whose rows can be used). DatasetError: a file is missing, damaged or in another encoding.
    """
    plan = read_map(Path(map_file))
    tell = progress or (lambda _: None)
    entries: list[Entry] = []
    blocks: dict[str, list[tuple[pl.DataFrame, pl.DataFrame]]] = {}
    for block in plan.tables:
        blocks.setdefault(block.contract.name, []).append(_import_block(block, Path(source), tell, entries))
    stacked = {name: _stack(name, parts, entries) for name, parts in blocks.items()}
    refused = {name: aside for name, (_, aside) in stacked.items() if aside.height}
    report = MappingReport(name=plan.name, entries=tuple(entries), refused=refused)
    tables = {name: frame for name, (frame, _) in stacked.items()}
    return Imported(name=plan.name, calendar=plan.calendar, notes=plan.notes, tables=tables, report=report)


def _import_block(table: TableMap, source: Path, tell: Callable[[str], None], entries: list[Entry]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of one `[[table]]` in the contract's types, and the rows refused."""
    name = table.contract.name
    frames, refusals = [], []
    for path in find_files(source, table.files, table=name):
        label = path.relative_to(source).as_posix()
        tell(f"{name}: {label}")
        frame, aside = import_file(path, table, source, entries)
        frames.append(frame)
        refusals.append(aside)
    frame = pl.concat(frames)
    if frame.is_empty():
        raise TableError(f"table '{name}': no row of {', '.join(table.files)} can be used ({_reasons(entries, name)}): correct the map")
    frame = derive(resolve_duplicates(frame, table, entries), table.derive, table.contract, entries)
    return frame, pl.concat(refusals, how="diagonal")


def _reasons(entries: list[Entry], name: str) -> str:
    found = [each for each in entries if each.table == name and each.kind in ("refused", "left out")]
    said = (f"{each.count:,} {each.kind}: {each.column} {each.detail}, e.g. {', '.join(each.examples)}" for each in found[:5])
    return "; ".join(said) or "there are none"


def _stack(name: str, parts: list[tuple[pl.DataFrame, pl.DataFrame]], entries: list[Entry]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The blocks of one table as one; copies of a row in two blocks are dropped, conflicts refused."""
    frame, aside = parts[0]
    if len(parts) > 1:
        frame = pl.concat([each for each, _ in parts], how="diagonal")
        frame = resolve_overlap(frame, contract(name).key, name, entries)
        aside = pl.concat([each for _, each in parts], how="diagonal")
    if name == "segments" and aside.height:
        frame, aside = _refuse_whole_filings(frame, aside, entries)
    entries.append(Entry(table=name, kind="rows in table", count=frame.height))
    return frame.drop(FILE, ROW), aside.drop(each for each in aside.columns if each.startswith(KEY_PREFIX))


def _refuse_whole_filings(frame: pl.DataFrame, aside: pl.DataFrame, entries: list[Entry]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Put aside the other rows of a filing that lost one: its remaining shares would be too large."""
    filing = ["asset", "period_end", "revision"]
    broken = aside.select(pl.col(KEY_PREFIX + each).alias(each) for each in filing).drop_nulls().unique()
    rest = frame.join(broken, on=filing, how="semi", maintain_order="left")
    if rest.is_empty():
        return frame, aside
    rule = "filing_incomplete"
    filings = rest.select("asset", "period_end").unique(maintain_order=True).head(3)
    shown = tuple(f"{asset} {period}" for asset, period in filings.iter_rows())
    detail = f"{rule}: other rows of filings that lost one"
    entries.append(Entry(table="segments", kind="refused", count=rest.height, detail=detail, examples=shown))
    texts = [each for each in rest.columns if each in aside.columns]
    moved = rest.select(
        pl.col(FILE).cast(pl.String).alias("file"),
        pl.col(ROW).alias("row"),
        pl.lit(rule).alias("rule"),
        pl.col(texts).cast(pl.String),
    )
    return frame.join(broken, on=filing, how="anti", maintain_order="left"), pl.concat([aside, moved], how="diagonal")
