"""A portfolio study in the terminal: the figures of the record, synthetic said, nothing taken for markup."""

import io
from dataclasses import replace

import polars as pl
import pytest
from rich.console import Console

from pureplay.apps.portfolio_tables import portfolio_tables
from pureplay.reports.wording import SYNTHETIC
from pureplay.studies.portfolio_records import PortfolioStudy
from tests.reports.portfolio_factory import emptied, portfolios


def printed(study: PortfolioStudy, width: int = 220) -> str:
    """What a console shows, on lines without runs of blanks."""
    console = Console(width=width, record=True, file=io.StringIO())
    for each in portfolio_tables(study):
        console.print(each, soft_wrap=isinstance(each, str), markup=False, highlight=False)
    return "\n".join(" ".join(line.split()) for line in console.export_text().split("\n"))


@pytest.fixture(scope="module")
def whole() -> PortfolioStudy:
    """Everything."""
    return portfolios()


def test_every_part_is_shown_with_its_figures(whole: PortfolioStudy) -> None:
    text = printed(whole)
    assert text.startswith(f"{SYNTHETIC}.\nPrice limits inferred from returns: approximate.\nR long-only made money after costs")
    for wanted in (
        "│ R, raw returns │ +9.3 % │ +11.2 % │ +0.85 │ +2.32 │",
        "│ R, raw returns │ +6.2 % │ +10.9 % │ +15.2 % │ +0.56 │ +1.55 │",
        "│ median [range] │ [+1.9, +5.2] │",
        "Against CSI 300 (price index: dividends are not in it)",
        "│ R, raw returns │ +6.5 % │ 6.2 % │ +1.05 │ +2.83 │ 0.97 │",
        "│ R, raw returns │ +0.110 │ 78 │ 34 │ +0.191 │ 24.0 % │ 83.0 % │ 6.5 │ 18.4 │ 12.3 │",
        "│ Long-only │ 12 │ 1,590 │ R, sector neutral │ 0.118 │ 0.143 │ 0.167 │ 1 │ 41.0 % │ −0.22 │ 37.0 % │",
        "The log holds 34 distinct settings tried on these data",
        "note: the bars have no limit_up and limit_down",
    ):
        assert wanted in text, wanted


def test_figures_follow_the_record(whole: PortfolioStudy) -> None:
    row = (pl.col("score") == "R") & (pl.col("kind") == "long_only") & (pl.col("design") == "plain")
    changed = replace(whole, accounts=whole.accounts.with_columns(net=pl.when(row).then(-0.1234).otherwise("net")))
    assert "−12.3 %" not in printed(whole)
    assert "R long-only lost money after costs (−12.3 %" in printed(changed)
    assert "│ R, raw returns │ −12.3 % │" in printed(changed)


def test_frames_without_rows_leave_their_table_out() -> None:
    text = printed(emptied("benchmarks", "luck", "reality", "variants", "blocked", synthetic=False, approximate=False))
    assert "Accounts, plain design" in text
    for gone in ("less the index", "Is it luck", "Blocked:", SYNTHETIC, "inferred", "None", "nan"):
        assert gone not in text, gone


def test_what_is_not_evaluable_is_told_of_and_brackets_stay() -> None:
    text = printed(portfolios(not_evaluable={"S": "no leg has [bold]10[/bold] names"}, notes=("see [red]here[/red]",)))
    assert "S is not evaluable: no leg has [bold]10[/bold] names" in text
    assert "note: see [red]here[/red]" in text


def test_a_pipe_of_the_usual_width_cuts_no_figure(whole: PortfolioStudy) -> None:
    text = printed(whole, width=150)
    assert "…" not in text.replace("abababababab…", "")
    for row in ("│ R, raw returns │ +9.3 % │ +11.2 % │", "│ median [range] │ [+1.9, +5.2] │", "│ │ [+7.3, +11.6] │"):
        assert row in text, row
