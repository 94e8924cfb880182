"""Terminal tables of studies."""

import io
from dataclasses import replace

from rich.console import Console

from pureplay.apps.tables import side_by_side
from tests.reports.factory import study


def test_every_row_of_every_study_is_shown() -> None:
    judged = study()
    without = replace(judged, verdict=None, not_evaluable="too few")
    for studies in ({"one": judged, "two": without}, {"two": without, "one": judged}):
        console = Console(width=160, record=True, file=io.StringIO())
        console.print(side_by_side(studies))
        text = console.export_text()
        assert "too few" in text
        assert "raw ICIR" in text
        assert "nested t" in text
        assert "–" in text
