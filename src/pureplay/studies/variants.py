"""Grids over the settings of the signal: buffer days, purity, minimum peers, taxonomy level. One setting moves, the others stay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pureplay.dataset import Dataset
from pureplay.errors import SettingError
from pureplay.products.taxonomy import Level, Taxonomy
from pureplay.signals.momentum import SignalBlocks, score_blocks
from pureplay.signals.settings import SignalSettings
from pureplay.signals.workshop import PeerWorkshop

__all__ = ["GROUPS", "SignalCell", "VariantGroup", "variant_cells", "variant_scores"]

VariantGroup = Literal["buffer days", "purity", "minimum peers", "level"]
GROUPS: Final[dict[VariantGroup, str]] = {
    "buffer days": "buffer_days",
    "purity": "purity",
    "minimum peers": "min_peers",
    "level": "level",
}
"""Name of each grid and the setting that it moves."""

_NOT_OF_INDUSTRIES: Final[dict[VariantGroup, str]] = {
    "buffer days": "an industry label has no filing to wait for",
    "purity": "a stock lies wholly in its industry, so every share is 1",
    "level": "an industry scheme is not a level of the product tree",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalCell:
    """One point of a grid.

    label: for a table. x: the value itself. settings: what makes the cell, None where it cannot be made. is_default: whether these
    are the settings of the signal itself, so that its scores need not be computed again. skip: why the cell cannot be made, or None.
    A grid that means nothing for the products at hand is one cell with x None and a reason.
    """

    group: VariantGroup
    label: str
    x: float | str | None
    settings: SignalSettings | None
    is_default: bool
    skip: str | None


def variant_cells(
    settings: SignalSettings,
    data: Dataset,
    *,
    buffers: Sequence[int] = (0, 15, 30, 45, 60, 90),
    purities: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9),
    min_peers: Sequence[int] = (3, 5, 8, 12, 20),
    levels: Sequence[Level] = (1, 2, 3, "leaf"),
) -> tuple[SignalCell, ...]:
    """Cells of the four grids around `settings`, grid after grid, in ascending order of the value, "leaf" last.

    The settings' own value joins each grid that lacks it, so that every curve passes through the signal itself; an empty grid is
    left out. Raises SettingError for a value that the settings refuse.
    """
    grids: dict[VariantGroup, Sequence[float | str]] = {
        "buffer days": buffers,
        "purity": purities,
        "minimum peers": min_peers,
        "level": levels,
    }
    deepest = _deepest(data) if settings.products == "segments" else 0
    cells: list[SignalCell] = []
    for group, values in grids.items():
        if not values:
            continue
        if settings.products != "segments" and group in _NOT_OF_INDUSTRIES:
            cells.append(_skipped(group, None, f"products are industries: {_NOT_OF_INDUSTRIES[group]}"))
            continue
        cells += [_cell(settings, group, value, deepest) for value in _with_own(values, getattr(settings, GROUPS[group]))]
    return tuple(cells)


def variant_scores(workshop: PeerWorkshop, cell: SignalCell) -> SignalBlocks:
    """Scores of a cell on the market of the workshop; raises SettingError where the cell cannot be made."""
    if cell.settings is None:
        raise SettingError(f"the cell {cell.label!r} of {cell.group} cannot be made: {cell.skip}")
    return score_blocks(workshop.market, workshop.peers(cell.settings), cell.settings)


def _with_own(values: Sequence[float | str], own: float | str) -> list[float | str]:
    """Distinct values and the settings' own in ascending order, texts last."""
    return sorted({*values, own}, key=lambda each: (isinstance(each, str), each if not isinstance(each, str) else 0.0, str(each)))


def _cell(settings: SignalSettings, group: VariantGroup, value: float | str, deepest: int) -> SignalCell:
    if group == "level" and isinstance(value, int) and value > deepest:
        return _skipped(group, value, f"the product tree has {deepest} levels, so level {value} is empty: 'leaf' stands for the deepest")
    moved: dict[str, Any] = {GROUPS[group]: value}
    changed = replace(settings, **moved)
    return SignalCell(group=group, label=_label(value), x=value, settings=changed, is_default=changed == settings, skip=None)


def _skipped(group: VariantGroup, value: float | str | None, why: str) -> SignalCell:
    label = "all" if value is None else _label(value)
    return SignalCell(group=group, label=label, x=value, settings=None, is_default=False, skip=why)


def _label(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _deepest(data: Dataset) -> int:
    return int(Taxonomy.from_table(data.frame("taxonomy")).level.max(initial=0))
