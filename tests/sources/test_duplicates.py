"""Rows that share a key, under each policy."""

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest

from pureplay.errors import TableError
from pureplay.sources.files import Imported

Run = Callable[..., Imported]

COPIES = "d,a,size,value\n2021-01-04,x,1,5\n2021-01-05,x,2,5\n2021-01-04,x,1,5\n"
CONFLICT = "d,a,size,value\n2021-01-04,x,1,5\n2021-01-05,x,2,5\n2021-01-04,x,3,\n"
TABLE = '[[table]]\ntable = "factors"\nfiles = ["f.csv"]\n{}\n[table.columns]\ndate = "d"\nasset = "a"\nsize = "size"\nvalue = "value"\n'


def test_exact_copies_are_dropped_and_counted(run: Run) -> None:
    result = run(TABLE.format(""), {"f.csv": COPIES})
    assert sorted(result.tables["factors"].rows()) == [(date(2021, 1, 4), "x", 1.0, 5.0), (date(2021, 1, 5), "x", 2.0, 5.0)]
    found = [each for each in result.report.entries if each.kind == "duplicates"]
    assert [(each.count, each.detail, each.examples) for each in found] == [(1, "exact copies dropped", ("2021-01-04 x",))]


@pytest.mark.parametrize(("options", "content"), [("", CONFLICT), ('duplicates = "refuse"', COPIES)])
def test_conflicts_stop_the_import_and_are_shown(run: Run, options: str, content: str) -> None:
    with pytest.raises(TableError) as caught:
        run(TABLE.format(options), {"f.csv": content})
    message = str(caught.value)
    assert "table 'factors': 2 rows share 1 keys (date, asset)" in message
    assert "file=f.csv, row=1, date=2021-01-04, asset=x, size=1.0, value=5.0" in message
    assert "file=f.csv, row=3" in message
    assert 'duplicates = "first", "last" or "mean"' in message


@pytest.mark.parametrize(("policy", "expected"), [("first", (1.0, 5.0)), ("last", (3.0, None)), ("mean", (2.0, 5.0))])
def test_policies(run: Run, policy: str, expected: tuple[float, float | None]) -> None:
    result = run(TABLE.format(f'duplicates = "{policy}"'), {"f.csv": CONFLICT})
    table = result.tables["factors"]
    assert table.height == 2
    assert table.filter(pl.col("date") == date(2021, 1, 4)).select("size", "value").row(0) == expected
    assert result.report.count("duplicates") == 1


def test_text_has_no_mean(run: Run) -> None:
    text = '[[table]]\ntable = "assets"\nfiles = ["a.csv"]\nduplicates = "mean"\n[table.columns]\nasset = "a"\nname_en = "n"\n'
    with pytest.raises(TableError, match='"mean" cannot average name_en'):
        run(text, {"a.csv": "a,n\nx,one\nx,two\n"})


def test_two_spellings_of_one_code_are_one_key(run: Run) -> None:
    text = '[[table]]\ntable = "assets"\nfiles = ["a.csv"]\n[table.columns]\nasset = {from = "a", code = "cn"}\nname_en = "n"\n'
    assert run(text, {"a.csv": "a,n\nSH600519,one\n600519,one\n"}).tables["assets"].rows() == [("600519.SH", "one")]
    with pytest.raises(TableError, match=r"asset=600519\.SH, name_en=one"):
        run(text, {"a.csv": "a,n\nSH600519,one\n600519,two\n"})


def test_rows_without_a_key_are_left_to_the_dataset(run: Run) -> None:
    text = '[[table]]\ntable = "assets"\nfiles = ["a.csv"]\n[table.columns]\nasset = "a"\nname_en = "n"\n'
    assert run(text, {"a.csv": "a,n\n,one\n,two\nx,three\n"}).tables["assets"].height == 3
