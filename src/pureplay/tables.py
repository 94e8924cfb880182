"""Contracts of the canonical tables: what each is called, its schema, what it needs, and a data dictionary.

The columns, units, keys and row rules stand in `pureplay.schemas` and `pureplay.schemas_links`; `describe` turns them into a data
dictionary. A column that is not `required` may be absent.
"""

from dataclasses import dataclass
from typing import Final

import dataframely as dy
import polars as pl

from pureplay.errors import TableError
from pureplay.schemas import (
    STATEMENT_ITEMS,
    STATUS_KINDS,
    UNMAPPED,
    Assets,
    Bars,
    Benchmarks,
    Dividends,
    Factors,
    Filings,
    IndexMembers,
    Industries,
    Scores,
    Segments,
    Statements,
    Status,
    Taxonomy,
)
from pureplay.schemas_links import (
    AFFILIATE_KINDS,
    LINK_KINDS,
    MENTION_KINDS,
    Affiliates,
    DisclosedLinks,
    Mentions,
    SupplyEdges,
)

__all__ = [
    "AFFILIATE_KINDS",
    "CONTRACTS",
    "LINK_KINDS",
    "MENTION_KINDS",
    "STATEMENT_ITEMS",
    "STATUS_KINDS",
    "UNMAPPED",
    "Contract",
    "contract",
    "describe",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A table's contract: its name, its dataframely schema, its columns of security codes, whether further numeric columns are welcome."""

    name: str
    schema: type[dy.Schema]
    codes: tuple[str, ...] = ("asset",)
    open_ended: bool = False

    @property
    def key(self) -> list[str]:
        """Columns that identify a row, in canonical sort order."""
        return self.schema.primary_key()

    @property
    def required(self) -> list[str]:
        """Columns without which the table is refused."""
        return [name for name, column in self.schema.columns().items() if (column.metadata or {})["required"]]

    @property
    def defaults(self) -> dict[str, object]:
        """Values of optional columns that must be filled where they are absent."""
        found = {name: (column.metadata or {})["default"] for name, column in self.schema.columns().items()}
        return {name: value for name, value in found.items() if value is not None}

    def row_rules(self) -> dict[str, pl.Expr]:
        """What every single row must satisfy: `rule` or `column|rule` → expression; null counts as satisfied.

        dataframely hands its rules out only together with the uniqueness of the key, which costs more than all of them and
        which the check has established by then from the order of the rows.
        """
        rules = self.schema._validation_rules(with_cast=False)
        return {name: rule.expr for name, rule in rules.items() if name != "primary_key"}


CONTRACTS: Final[dict[str, Contract]] = {
    each.name: each
    for each in (
        Contract(name="bars", schema=Bars),
        Contract(name="assets", schema=Assets),
        Contract(name="taxonomy", schema=Taxonomy),
        Contract(name="filings", schema=Filings),
        Contract(name="segments", schema=Segments),
        Contract(name="statements", schema=Statements),
        Contract(name="dividends", schema=Dividends),
        Contract(name="industries", schema=Industries),
        Contract(name="index_members", schema=IndexMembers),
        Contract(name="status", schema=Status),
        Contract(name="benchmarks", schema=Benchmarks),
        Contract(name="mentions", schema=Mentions),
        Contract(name="supply_edges", schema=SupplyEdges, codes=()),
        Contract(name="disclosed_links", schema=DisclosedLinks, codes=("supplier", "customer")),
        Contract(name="affiliates", schema=Affiliates, codes=("owned",)),
        Contract(name="factors", schema=Factors, open_ended=True),
        Contract(name="scores", schema=Scores, open_ended=True),
    )
}


def contract(name: str) -> Contract:
    """Contract of a canonical table; raises TableError with the known names for any other."""
    if name not in CONTRACTS:
        raise TableError(f"'{name}' is not a table of pureplay; the tables are {', '.join(CONTRACTS)}: rename it or leave it out")
    return CONTRACTS[name]


def describe(name: str) -> pl.DataFrame:
    """Data dictionary of a table: column, type, unit, required, key, english, chinese.

    >>> describe("segments").filter(pl.col("required"))["column"].to_list()
    ['asset', 'period_end', 'product', 'publish_date', 'revenue']
    """
    each = contract(name)
    rows = [
        {
            "column": column,
            "type": str(definition.dtype),
            "unit": (definition.metadata or {})["unit"],
            "required": column in each.required,
            "key": column in each.key,
            "english": (definition.metadata or {})["en"],
            "chinese": (definition.metadata or {})["zh"],
        }
        for column, definition in each.schema.columns().items()
    ]
    return pl.DataFrame(rows)
