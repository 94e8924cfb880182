"""Terminal tables of the graph commands."""

import polars as pl
from rich.table import Table

from pureplay.apps.graph_tables import study_tables
from tests.reports.comovement_factory import comovement


def test_hedges_show_how_many_stock_months_were_dropped() -> None:
    study = comovement(settings={"study": {"hedge_names": 10}})
    tables = [each for each in study_tables(study) if isinstance(each, Table)]
    columns = next(
        found for each in tables if "beats_industry" in (found := {column.header: list(column.cells) for column in each.columns})
    )
    held = study.hedge.filter(pl.col("names") == 10)
    assert [str(each) for each in columns["dropped"]] == [str(each) for each in held["dropped"]]
    assert [str(each) for each in columns["stock_months"]] == [str(each) for each in held["stock_months"]]
