"""Contracts: every column described, every rule with a remedy, required columns as the design says."""

import polars as pl
import pytest

from pureplay.checks import check_tables
from pureplay.errors import TableError
from pureplay.findings import _REMEDIES
from pureplay.tables import CONTRACTS, contract, describe
from tests.border_market import bars

KEYS = {
    "bars": ["date", "asset"],
    "assets": ["asset"],
    "taxonomy": ["product"],
    "filings": ["asset", "period_end", "revision"],
    "segments": ["asset", "period_end", "product", "revision", "kind"],
    "statements": ["asset", "period_end", "item", "revision"],
    "dividends": ["asset", "ex_date"],
    "industries": ["asset", "scheme", "start_date"],
    "index_members": ["index", "asset", "start_date"],
    "status": ["asset", "start_date", "kind"],
    "benchmarks": ["index", "date"],
    "mentions": ["article", "asset"],
    "supply_edges": ["supplier_product", "customer_product", "start_date"],
    "disclosed_links": ["supplier", "customer", "publish_date", "kind"],
    "affiliates": ["owner", "owned", "start_date"],
    "factors": ["date", "asset"],
    "scores": ["date", "asset"],
}


SOUND = {
    pl.Date: pl.date(2024, 1, 2),
    pl.String: "product",
    pl.Datetime: pl.datetime(2024, 1, 2, time_zone="UTC"),
    pl.Boolean: True,
}


def test_keys() -> None:
    assert {name: each.key for name, each in CONTRACTS.items()} == KEYS


def test_bars_need_no_more_than_return_and_cap() -> None:
    assert contract("bars").required == ["date", "asset", "ret", "total_cap"]


def test_what_is_absent_is_filled_where_it_must_be() -> None:
    assert contract("filings").defaults == {"revision": 0}
    assert contract("statements").defaults == {"revision": 0}
    assert contract("segments").defaults == {"revision": 0, "kind": "product", "known_at_source": "filed"}


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_column_is_described_in_both_languages(name: str) -> None:
    dictionary = describe(name)
    assert dictionary.columns == ["column", "type", "unit", "required", "key", "english", "chinese"]
    for column in ("type", "unit", "english", "chinese"):
        assert (dictionary[column].str.len_chars() > 0).all()
    assert dictionary["english"].str.contains(r"^[ -~]+$").all()
    assert dictionary["chinese"].str.contains(r"\p{Han}").all()
    assert dictionary.filter("key")["column"].to_list() == KEYS[name]
    absent_ok = dictionary.filter(pl.col("key") & ~pl.col("required"))["column"].to_list()
    assert set(absent_ok) <= set(contract(name).defaults), "a key that may be absent needs a default"


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_rule_of_a_row_has_a_remedy(name: str) -> None:
    rules = contract(name).row_rules()
    assert "primary_key" not in rules
    untold = {rule.split("|")[-1] for rule in rules} - set(_REMEDIES)
    assert untold <= {"nan"}, "NaN becomes a missing value before any rule is asked"
    empty = contract(name).schema.create_empty()
    assert empty.select(expr.alias(rule) for rule, expr in rules.items()).width == len(rules), "every rule can be evaluated"


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_row_without_optional_values_is_sound(name: str) -> None:
    """Null in a nullable column breaks no rule."""
    rules = contract(name)
    row = {
        column: None if definition.nullable else SOUND.get(type(definition.dtype), 1)
        for column, definition in rules.schema.columns().items()
    }
    frame = pl.select(**{name: pl.lit(value) if not isinstance(value, pl.Expr) else value for name, value in row.items()})
    if name == "segments":
        frame = frame.with_columns(known_at_source=pl.lit("filed"))
    if name == "statements":
        frame = frame.with_columns(item=pl.lit("revenue"))
    if name == "status":
        frame = frame.with_columns(kind=pl.lit("ST"))
    first = {"supply_edges": "supplier_product", "disclosed_links": "supplier", "affiliates": "owner"}.get(name)
    if first is not None:
        frame = frame.with_columns(pl.lit("other").alias(first))
    if name in ("mentions", "disclosed_links", "affiliates"):
        frame = frame.with_columns(kind=pl.lit(contract(name).defaults["kind"]))
    sound, aside, report = check_tables(
        {"taxonomy": pl.DataFrame({"product": ["product", "other"], "parent": [None, None]}), name: frame}, calendar="bars"
    )
    assert aside == {}
    assert report.refused == ()
    assert sound[name].height == 1


def test_an_unknown_table_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TableError, match=r"'price' is not a table of pureplay; the tables are bars, assets.*: rename it or leave it out"):
        contract("price")


@pytest.mark.parametrize(
    ("column", "value", "sound"),
    [
        ("ret", -1.0, True),
        ("ret", -1.0000001, False),
        ("volume", 0.0, True),
        ("volume", -1.0, False),
        ("close", 5e-324, True),
        ("close", -0.0, False),
        ("total_cap", float("-inf"), False),
    ],
)
def test_edges_of_row_rules(column: str, value: float, sound: bool) -> None:
    frame = bars().with_columns(pl.when(pl.int_range(pl.len()) == 5).then(value).otherwise(pl.col(column)).alias(column))
    _, aside, _ = check_tables({"bars": frame}, calendar="bars")
    assert ("bars" not in aside) == sound
