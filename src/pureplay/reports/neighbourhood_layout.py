"""Where everything of a neighbourhood stands: one spoke a peer at equal angles, sectors by kind of link, labels turned outward."""

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pureplay.graph.story_records import Neighbourhood

__all__ = [
    "DRAWN",
    "KINDS",
    "NARROW",
    "WIDE",
    "Canvas",
    "Drawing",
    "Kind",
    "Ring",
    "Sector",
    "Spoke",
    "arrange",
    "kinds_of",
    "measure_of",
    "shape",
]

DRAWN: Final = 50
"""Peers that are drawn at most; the table lists every one."""

_OPEN: Final = 16.0  # degrees left free at the top, for the figures of the rings
_BETWEEN: Final = 0.8  # of a slot, between two sectors
_STEPS: Final = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """What links a peer. column: of the peers, empty for one that is told from others. dash: of its lines, empty = solid."""

    key: str
    text: str
    column: str
    colour: str
    dash: str
    shape: str
    filled: bool = True


KINDS: Final = (
    Kind("deep", "Deep product peer", "lamp_deep_peer", "#0b5cad", "", "circle"),
    Kind("chain", "Input chain", "lamp_sam_chain", "#0f766e", "8 3", "square"),
    Kind("disclosed", "Disclosed customer or supplier", "lamp_disclosed", "#c2570c", "3 2", "triangle"),
    Kind("affiliate", "Affiliate", "lamp_affiliate", "#8b4fb3", "9 3 2 3", "diamond"),
    Kind("shallow", "Shallow product peer", "", "#4a90c8", "1 2", "circle", filled=False),
    Kind("dark", "Dark: nothing links them", "", "#4b5563", "1 4", "cross"),
    Kind("unmapped", "Not in the product tree", "", "#9aa3af", "1 4", "square", filled=False),
)
"""Colours stay apart for the colour-blind; every kind differs in dash and shape as well."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """Sizes of a square drawing: radii of the focal disc, of the largest and smallest correlation, of the sector arcs, of the labels."""

    name: str
    size: float
    focal: float
    inner: float
    outer: float
    arc: float
    text: float
    font: float
    glyph: float
    rings: int
    prefers_names: bool


WIDE: Final = Canvas("wide", 820, 54, 80, 246, 256, 263, 12, 5.2, 5, True)
NARROW: Final = Canvas("narrow", 368, 32, 42, 102, 107, 111, 10, 3.3, 3, False)


@dataclass(frozen=True, slots=True)
class Spoke:
    """One peer. number: its place among the peers from 0. strokes: (x1, y1, x2, y2, kind), one a lit lamp; leader: node to label;
    reach: where a finger finds it."""

    number: int
    kind: Kind
    x: float
    y: float
    strokes: tuple[tuple[float, float, float, float, Kind], ...]
    leader: tuple[float, float, float, float]
    reach: tuple[float, float, float, float]
    glyph: str
    label: str
    text_x: float
    text_y: float
    turn: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Ring:
    """A circle of one correlation and where its figure stands."""

    radius: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Sector:
    """Arc along the peers of one kind."""

    kind: Kind
    path: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything of one drawing, in its own units."""

    canvas: Canvas
    spokes: tuple[Spoke, ...]
    rings: tuple[Ring, ...]
    sectors: tuple[Sector, ...]
    focal: tuple[str, str]


def kinds_of(peer: Mapping[str, Any]) -> tuple[Kind, ...]:
    """Lit lamps of a peer in order; where none is lit, the one kind that says what it is instead."""
    lit = tuple(kind for kind in KINDS if kind.column and peer[kind.column])
    if lit:
        return lit
    key = "shallow" if peer["confirmed"] else "dark" if peer["dark"] else "unmapped"
    return tuple(kind for kind in KINDS if kind.key == key)


def measure_of(story: Neighbourhood) -> str:
    """Column that distance stands for: the expected correlation where there is any, else the trailing one."""
    return "expected_fwd_corr" if story.peers["expected_fwd_corr"].is_not_null().any() else "trailing_corr"


def arrange(story: Neighbourhood, canvas: Canvas) -> Drawing:
    """The drawing of the first peers of a neighbourhood; the same story gives the same drawing.

    Peers stand by kind of link (the first lit lamp), then by rank, clockwise from the top; a peer without a correlation stands outermost.
    """
    peers = story.peers.head(DRAWN).to_dicts()
    labels = [_label(canvas, peer) for peer in peers]
    canvas = _widened(canvas, labels)
    measure = measure_of(story)
    low, high, step = _scale([peer[measure] for peer in peers], canvas.rings)
    groups = [(kind, [n for n, peer in enumerate(peers) if kinds_of(peer)[0] is kind]) for kind in KINDS]
    groups = [(kind, held) for kind, held in groups if held]
    angles, width = _angles([len(held) for _, held in groups])
    order = [n for _, held in groups for n in held]
    spokes = []
    for n, angle in zip(order, angles, strict=True):
        value = peers[n][measure]
        share = 0.0 if value is None else (min(max(value, low), high) - low) / (high - low)
        spokes.append(_spoke(canvas, n, peers[n], labels[n], angle, canvas.outer - share * (canvas.outer - canvas.inner)))
    return Drawing(
        canvas=canvas,
        spokes=tuple(sorted(spokes, key=lambda each: each.number)),
        rings=tuple(_rings(canvas, low, high, step)) if peers else (),
        sectors=tuple(_sectors(canvas, groups, angles, width)),
        focal=_focal(story, canvas),
    )


def _widened(canvas: Canvas, labels: Sequence[str]) -> Canvas:
    """The canvas with circles as large as the longest label lets them be."""
    longest = max((_width(each, canvas.font) for each in labels), default=0.0)
    more = float(int(max(canvas.size / 2 - canvas.text - 2 - max(longest, 4 * canvas.font), 0.0)))
    return replace(canvas, outer=canvas.outer + more, arc=canvas.arc + more, text=canvas.text + more)


def _scale(values: Sequence[float | None], rings: int) -> tuple[float, float, float]:
    known = [each for each in values if each is not None and math.isfinite(each)] or [0.0, 1.0]
    for step in _STEPS:
        low, high = math.floor(min(known) / step + 1e-9) * step, math.ceil(max(known) / step - 1e-9) * step
        high = max(high, low + step)
        if round((high - low) / step) <= rings:
            break
    return low, high, step


def _angles(sizes: Sequence[int]) -> tuple[list[float], float]:
    """Angle of every spoke in degrees, clockwise from the right, and the width of a slot."""
    total = sum(sizes)
    if total <= 2:
        return [0.0, 180.0][:total], 30.0
    width = (360 - _OPEN) / (total + _BETWEEN * (len(sizes) - 1))
    out, at = [], -90 + _OPEN / 2
    for size in sizes:
        out += [at + (k + 0.5) * width for k in range(size)]
        at += (size + _BETWEEN) * width
    return out, width


def _spoke(canvas: Canvas, number: int, peer: Mapping[str, Any], label: str, angle: float, radius: float) -> Spoke:
    kinds = kinds_of(peer)
    x, y = _at(canvas, angle, radius)
    strokes = []
    for k, kind in enumerate(kinds):
        aside = (k - (len(kinds) - 1) / 2) * canvas.glyph * 0.5
        strokes.append((*_at(canvas, angle, canvas.focal, aside), *_at(canvas, angle, radius, aside), kind))
    turned = 90 < angle % 360 < 270
    text_x, text_y = _at(canvas, angle, canvas.text)
    return Spoke(
        number=number,
        kind=kinds[0],
        x=x,
        y=y,
        strokes=tuple(strokes),
        leader=(x, y, *_at(canvas, angle, canvas.arc - 3)),
        reach=(*_at(canvas, angle, (canvas.inner + canvas.outer) / 2), *_at(canvas, angle, canvas.size / 2 - 8)),
        glyph=shape(kinds[0].shape, x, y, canvas.glyph),
        label=label,
        text_x=text_x,
        text_y=text_y,
        turn=round(angle - 180 if turned else angle, 2),
        anchor="end" if turned else "start",
    )


def _at(canvas: Canvas, angle: float, radius: float, aside: float = 0.0) -> tuple[float, float]:
    turn, middle = math.radians(angle), canvas.size / 2
    x = middle + radius * math.cos(turn) - aside * math.sin(turn)
    return round(x, 1), round(middle + radius * math.sin(turn) + aside * math.cos(turn), 1)


def _rings(canvas: Canvas, low: float, high: float, step: float) -> Iterator[Ring]:
    count = round((high - low) / step)
    for k in range(count + 1):
        radius = canvas.outer - k / count * (canvas.outer - canvas.inner)
        value = low + k * step
        text = f"{0.0 if abs(value) < 1e-9 else value:.2f}".replace("-", "−")
        yield Ring(round(radius, 1), round(canvas.size / 2 - radius, 1), text)


def _sectors(canvas: Canvas, groups: Sequence[tuple[Kind, list[int]]], angles: Sequence[float], width: float) -> Iterator[Sector]:
    first = 0
    for kind, held in groups:
        start, stop = angles[first] - width / 2, angles[first + len(held) - 1] + width / 2
        first += len(held)
        (x1, y1), (x2, y2) = _at(canvas, start, canvas.arc), _at(canvas, stop, canvas.arc)
        yield Sector(kind, f"M{x1} {y1}A{canvas.arc} {canvas.arc} 0 {int(stop - start > 180)} 1 {x2} {y2}")


def shape(name: str, x: float, y: float, r: float) -> str:
    """Path of a mark of about radius `r`: circle, square, triangle, diamond or cross."""
    if name == "circle":
        return f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r:.1f} 0a{r} {r} 0 1 0 {-2 * r:.1f} 0z"
    s = r * 0.9
    points = {
        "square": [(-s, -s), (s, -s), (s, s), (-s, s)],
        "triangle": [(0, -1.25 * r), (1.15 * r, 0.85 * r), (-1.15 * r, 0.85 * r)],
        "diamond": [(0, -1.35 * r), (1.35 * r, 0), (0, 1.35 * r), (-1.35 * r, 0)],
        "cross": [
            *((-1, -0.6), (-0.6, -1), (0, -0.4), (0.6, -1), (1, -0.6), (0.4, 0)),
            *((1, 0.6), (0.6, 1), (0, 0.4), (-0.6, 1), (-1, 0.6), (-0.4, 0)),
        ],
    }[name]
    scale = r if name == "cross" else 1.0
    return "M" + "L".join(f"{x + dx * scale:.1f} {y + dy * scale:.1f}" for dx, dy in points) + "z"


def _focal(story: Neighbourhood, canvas: Canvas) -> tuple[str, str]:
    space = 2 * canvas.focal - 6
    return _clip(story.asset, space, canvas.font), _clip(_clean(story.name or ""), space, canvas.font - 1)


def _label(canvas: Canvas, peer: Mapping[str, Any]) -> str:
    """Wide: name and code where both fit, else the name. Narrow: the name if it fits whole, else the code."""
    space = canvas.size / 2 - canvas.text - 2
    code, name = _clean(peer["peer"]), _clean(peer["name"] or "")
    if not name or name == code:
        return _clip(code, space, canvas.font)
    both = f"{name} {code}"
    if canvas.prefers_names:
        return both if _width(both, canvas.font) <= space else _clip(name, space, canvas.font)
    return name if _width(name, canvas.font) <= space else _clip(code, space, canvas.font)


def _clean(text: str) -> str:
    """On one line, without characters that steer the direction or the flow of text."""
    line = "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text)
    return " ".join("".join(each for each in line if unicodedata.category(each) not in ("Cf", "Cs")).split())


def _width(text: str, font: float) -> float:
    """Upper guess at the width of a text, whatever sans-serif font the reader has."""
    return font * sum(1.0 if unicodedata.east_asian_width(each) in "WF" else 0.78 if each in "MWmw@%" else 0.64 for each in text)


def _clip(text: str, space: float, font: float) -> str:
    if _width(text, font) <= space:
        return text
    kept = text
    while kept and _width(f"{kept}…", font) > space:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"
