"""How figures are printed: one format a kind, a dash where there is no value, and labels that plotly cannot read as markup."""

import html
import json
import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

__all__ = [
    "DASH",
    "NO_BREAK",
    "count",
    "day",
    "enumerate_words",
    "extent",
    "flatten",
    "label",
    "number",
    "percent",
    "plain",
    "probability",
    "signed",
    "span",
]

DASH: Final = "–"
_MINUS: Final = "−"
NO_BREAK: Final = "\u00a0"


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def signed(value: float | None, digits: int = 3) -> str:
    """A figure with its sign, such as +0.352; a value that rounds to 0 has a plus."""
    if value is None or _missing(value):
        return DASH
    text = f"{abs(value):.{digits}f}"
    negative = value < 0 and float(text) > 0
    return f"{_MINUS if negative else '+'}{text}"


def number(value: float | None, digits: int = 3) -> str:
    """A figure that cannot be negative, without a sign."""
    return signed(value, digits).removeprefix("+")


def span(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval such as [+0.097, +0.589]; a dash where either end is missing."""
    if _missing(low) or _missing(high):
        return DASH
    return f"[{signed(low, digits)},{NO_BREAK}{signed(high, digits)}]"


def extent(values: Iterable[float]) -> tuple[float, float]:
    """Smallest and largest of the finite values, NaN where there is none."""
    finite = [each for each in values if math.isfinite(each)]
    return (min(finite), max(finite)) if finite else (math.nan, math.nan)


def percent(value: float | None, digits: int = 1) -> str:
    """A share as 2.1 %."""
    if value is None or _missing(value):
        return DASH
    return f"{100 * value:.{digits}f}{NO_BREAK}%".replace("-", _MINUS)


def count(value: float | None) -> str:
    """A whole number with separators, such as 5,500."""
    if value is None or _missing(value):
        return DASH
    return f"{value:,.0f}".replace("-", _MINUS)


def probability(p: float | None, draws: int | None = None) -> str:
    """A p-value with its sign of relation: "= 0.012", or "< 0.001" where no draw (or nothing printable) was as far out."""
    if p is None or _missing(p):
        return f"={NO_BREAK}{DASH}"
    floor = max(0.001, 1 / draws) if draws else 0.001
    return f"<{NO_BREAK}{floor:.3f}" if p < floor else f"={NO_BREAK}{p:.3f}"


def day(value: date | None) -> str:
    """A date as 2026-04-30."""
    return DASH if value is None else value.isoformat()[:10]


def plain(value: object) -> str:
    """Any setting as text: lists joined, nested values as JSON, nothing as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return ", ".join(json.dumps(each, default=str) if isinstance(each, Mapping) else plain(each) for each in items) or DASH
    return str(value)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings as dotted names with printable values."""
    out: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            out |= flatten(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = DASH if isinstance(value, Mapping) else plain(value)
    return out


def enumerate_words(words: Iterable[str]) -> str:
    """Words as "a", "a and b" or "a, b and c"."""
    found = list(words)
    return " and ".join(([", ".join(found[:-1])] if len(found) > 1 else []) + found[-1:])


def label(text: str, width: int = 32) -> str:
    """Text for a plotly label: on one line, clipped, and escaped, since plotly reads tags and %{...} in labels."""
    line = " ".join(text.split())
    clipped = line if len(line) <= width else f"{line[: width - 1]}…"
    return html.escape(clipped, quote=False).replace("%{", "%\u200b{")
