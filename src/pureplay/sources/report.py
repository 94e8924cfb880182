"""What an import did, row by row and column by column, so that nothing changes or disappears unseen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import polars as pl

__all__ = ["Entry", "Kind", "MappingReport"]

Kind = Literal[
    "rows read", "left out", "refused", "rows usable", "duplicates", "rows in table", "column", "converted", "derived", "assumed", "unused",
]  # fmt: skip
_ORDER: Final[tuple[Kind, ...]] = get_args(Kind)
_EXAMPLES_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened to one table: where, to which column, how often, and what exactly."""

    table: str
    kind: Kind
    file: str = ""
    column: str = ""
    count: int = 0
    detail: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingReport:
    """Everything an import read, renamed, converted, assumed, left out or refused; `str()` gives a page, `to_frame` all entries.

    refused: per table the rows that could not be converted: every mapped column as it stood in the file, with `file`, `row`
        (1 = first data row), `rule` and, where one column is to blame, `column`.
    """

    name: str
    entries: tuple[Entry, ...]
    refused: dict[str, pl.DataFrame] = field(default_factory=dict)

    def count(self, kind: Kind, *, table: str | None = None, column: str | None = None) -> int:
        """Sum of the counts of the entries of a kind, of one table or column where given."""
        found = (each for each in self.entries if each.kind == kind)
        return sum(each.count for each in found if table in (None, each.table) and column in (None, each.column))

    def to_frame(self) -> pl.DataFrame:
        """All entries, one row each, file by file: table, file, kind, column, count, detail, examples (joined by `; `)."""
        return pl.DataFrame(
            [(e.table, e.file, e.kind, e.column, e.count, e.detail, "; ".join(e.examples)) for e in self.entries],
            schema={
                "table": pl.String, "file": pl.String, "kind": pl.String, "column": pl.String,
                "count": pl.Int64, "detail": pl.String, "examples": pl.String,
            },
            orient="row",
        )  # fmt: skip

    def __str__(self) -> str:
        lines = [f"import of '{self.name}'"]
        for table in dict.fromkeys(each.table for each in self.entries):
            lines += ["", *_page([each for each in self.entries if each.table == table])]
        return "\n".join(lines)


def _page(entries: list[Entry]) -> Iterator[str]:
    """Lines of one table, with equal entries of several files added up."""
    files = list(dict.fromkeys(each.file for each in entries if each.file))
    if len(files) > 1:
        yield f"{entries[0].table}  ({len(files)} files: {files[0]} … {files[-1]})"
    else:
        yield f"{entries[0].table}  ({files[0]})" if files else entries[0].table
    merged: dict[tuple[Kind, str, str], tuple[int, list[str]]] = {}
    for each in sorted(entries, key=lambda one: _ORDER.index(one.kind)):
        count, examples = merged.get((each.kind, each.column, each.detail), (0, []))
        fresh = [text for text in each.examples if text not in examples]
        merged[each.kind, each.column, each.detail] = (count + each.count, (examples + fresh)[:_EXAMPLES_AT_MOST])
    width = max((len(column) for _, column, _ in merged), default=0)
    for (kind, column, detail), (count, examples) in merged.items():
        shown = f"  e.g. {'; '.join(examples)}" if examples else ""
        number = "" if kind in ("column", "unused") else f"{count:,}"
        yield f"  {kind:<13}  {number:>10}  {column:<{width}}  {detail}{shown}".rstrip()
