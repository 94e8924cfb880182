"""A portfolio study as terminal tables."""

from collections.abc import Iterator
from typing import Final

from rich.table import Table
from rich.text import Text

from pureplay.evaluate.portfolio.arrays import BLOCKED
from pureplay.reports import portfolio_sheets, portfolio_wording, wording
from pureplay.reports.formats import DASH
from pureplay.reports.grids import Cell
from pureplay.reports.portfolio_sheets import Line, Sheet
from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = ["portfolio_tables"]

_LABEL: Final = 20  # columns that a label has at least
_WORDS: Final = 16  # longest figure that keeps its line; words fold


def portfolio_tables(study: PortfolioStudy) -> list[Table | str]:
    """What the first score made after costs, accounts, indices, luck and reality checks, and what a reader should know.

    Figures are those of the page. A table without rows is left out; what is not evaluable is told of with its reason.
    """
    out: list[Table | str] = []
    if study.synthetic:
        out.append(f"{wording.SYNTHETIC}.")
    if study.approximate:
        out.append(f"{portfolio_wording.APPROXIMATE}.")
    out.append(portfolio_wording.lead(study))
    out += _tables(study)
    if study.luck.height:
        out.append(portfolio_wording.trials_text(study))
    out += [f"{name} is not evaluable: {why}" for name, why in portfolio_wording.not_evaluable(study)]
    out += [f"note: {note}" for note in study.notes]
    return out


def _tables(study: PortfolioStudy) -> Iterator[Table]:
    for title, sheet, details in (
        ("Accounts, plain design; below the line the same rules without product information", portfolio_sheets.accounts(study), 1),
        ("Net less the index, plain design", portfolio_sheets.indices(study), 1),
        ("Is it luck: one score at a time", portfolio_sheets.luck(study), 0),
        ("Is it luck: all variants together", portfolio_sheets.reality(study), 0),
        ("Blocked: share of the order value, orders + later tries", portfolio_sheets.blocked(study), len(BLOCKED)),
    ):
        for heading, rows in _groups(sheet):
            if not rows:
                continue
            yield _table(f"{heading}. {title}" if heading else title, sheet.heads, rows, details)


def _groups(sheet: Sheet) -> list[tuple[str, list[Line]]]:
    """Rows under each heading among them; "" where there is none."""
    out: list[tuple[str, list[Line]]] = []
    for row in sheet.rows:
        if not row.cells:
            out.append((row.label, []))
        elif out:
            out[-1][1].append(row)
        else:
            out.append(("", [row]))
    return out


def _table(title: str, heads: tuple[str, ...], rows: list[Line], details: int) -> Table:
    """Rows under a title; no text of them is markup. details: in how many columns what qualifies a figure stands beneath it."""
    table = Table(title=Text(title), title_justify="left")
    table.add_column(Text(heads[0]), min_width=min(_LABEL, max(len(row.label) for row in rows)))
    held = [place for place in range(len(heads) - 1) if any(row.cells[place].value != DASH for row in rows)]
    for place in held:
        longest = max(len(_figure(row.cells[place], place < details)) for row in rows)
        table.add_column(Text(heads[place + 1]), justify="right", min_width=min(longest, _WORDS))
    for row in rows:
        if row.rule:
            table.add_section()
        label = Text(f"{row.label}\n{row.detail}" if row.detail else row.label)
        table.add_row(label, *(_text(row.cells[place], place < details) for place in held))
    return table


def _figure(cell: Cell, detailed: bool) -> str:
    """The longer line of a cell."""
    return max(cell.value, cell.detail if detailed else "", key=len)


def _text(cell: Cell, detailed: bool) -> Text:
    return Text(f"{cell.value}\n{cell.detail}" if cell.detail and detailed else cell.value)
