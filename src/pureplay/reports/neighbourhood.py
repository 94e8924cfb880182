"""One stock and its peers as a page that works offline: a drawing with filters, and a table that says the same without any script."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from pureplay.graph.story_records import Neighbourhood
from pureplay.reports import wording
from pureplay.reports.formats import DASH, count, day, enumerate_words, flatten, number, signed
from pureplay.reports.neighbourhood_layout import DRAWN, KINDS, NARROW, WIDE, Kind, arrange, kinds_of, measure_of, shape
from pureplay.reports.page import fill, part, script

__all__ = ["neighbourhood_part", "neighbourhood_script", "render_neighbourhood"]

_MEASURES: Final = {"expected_fwd_corr": "expected correlation", "trailing_corr": "trailing correlation"}


def render_neighbourhood(story: Neighbourhood, *, manifest: Mapping[str, Any]) -> str:
    """The page as HTML; it loads nothing from anywhere, and its own policy forbids the browser to try.

    manifest: what made it (configuration, data hashes, versions); it may nest. All text is escaped. The same arguments give the same page.
    """
    title = f"Neighbourhood of {_called(story)}"
    context: dict[str, Any] = {
        "title": title,
        "synthetic": wording.SYNTHETIC if story.synthetic else "",
        "synthetic_names": [],
        "lead": _lead(story),
        "facts": _facts(story),
        "body": neighbourhood_part(story),
        "manifest": flatten(manifest),
    }
    return fill("neighbourhood.html", (), context, scripts=[neighbourhood_script()])


def neighbourhood_part(story: Neighbourhood) -> Markup:
    """Drawing, filters and table as a piece of another page; that page gives `neighbourhood_script()` to `fill`, once.

    Without the script the drawing and the table stand as they are. Several such pieces may stand on one page.
    """
    peers = story.peers.to_dicts()
    measure = measure_of(story)
    places = {peer["peer"]: n for n, peer in enumerate(peers)}
    links = [(places[each["a"]], places[each["b"]], each) for each in story.links.to_dicts() if {each["a"], each["b"]} <= places.keys()]
    values = [peer[measure] for peer in peers if peer[measure] is not None]
    context = {
        "asset": story.asset,
        "called": _called(story),
        "drawings": [arrange(story, canvas) for canvas in (WIDE, NARROW)] if peers else [],
        "kinds": _legend(peers[:DRAWN]),
        "reading": _reading(story, measure),
        "rows": _rows(peers, measure, Counter(each for a, b, _ in links for each in (a, b))),
        "links": " ".join(f"{a}-{b}-{'d' if each['dark'] else 'c'}" for a, b, each in links if max(a, b) < DRAWN),
        "measure": _MEASURES[measure],
        "least": _tenth(min(values, default=0.0), down=True),
        "largest": _tenth(max(values, default=0.0), down=False),
        "has_news": story.has_news,
        "sessions": story.trailing_sessions,
    }
    return part("neighbourhood_part.html", context)


def neighbourhood_script() -> str:
    """The script of the drawing, the same for every page."""
    return script("neighbourhood.js")


def _called(story: Neighbourhood) -> str:
    return f"{story.name} ({story.asset})" if story.name else story.asset


def _lead(story: Neighbourhood) -> str:
    if not story.total:
        reason = (
            "No article of the window names it with another stock" if story.has_news else "No structural link joins it to another stock"
        )
        return f"{_called(story)} has no peer on {day(story.date)}. {reason}."
    confirmed, dark = (story.peers.filter(each).height for each in ("confirmed", "dark"))
    shown = f"the first {count(story.peers.height)} of its {count(story.total)} peers" if story.total > story.peers.height else "its peers"
    parts = [f"{count(confirmed)} confirmed by a structural link", f"{count(dark)} dark"]
    rest = story.peers.height - confirmed - dark
    parts += [f"{count(rest)} without an entry in the product tree"] if rest else []
    joined = "that the news names together with it" if story.has_news else "that a structural link joins to it"
    return f"The stocks {joined}, as known on {day(story.date)}. Of {shown}: {enumerate_words(parts)}."


def _facts(story: Neighbourhood) -> tuple[tuple[str, str], ...]:
    first = story.peers.row(0, named=True) if story.peers.height else None
    return (
        ("Vintage", day(story.date)),
        ("Peers", count(story.total)),
        ("Shown", count(story.peers.height)),
        ("Confirmed", count(story.peers.filter("confirmed").height)),
        ("Dark", count(story.peers.filter("dark").height)),
        ("First peer", DASH if first is None else first["name"] or first["peer"]),
    )


def _reading(story: Neighbourhood, measure: str) -> str:
    drawn = min(story.peers.height, DRAWN)
    of = f"The first {drawn} of {count(story.total)} peers are drawn. " if story.total > drawn else ""
    blank = " A peer without that figure stands on the outermost ring." if story.peers.head(DRAWN)[measure].null_count() else ""
    return (
        f"{of}The nearer to the centre, the higher the {_MEASURES[measure]}; rings carry its figures.{blank} Peers stand by their first "
        "lit lamp, then by rank, clockwise from the top; a peer with several lamps has as many lines."
    )


def _legend(peers: list[dict[str, Any]]) -> list[tuple[Kind, str, int]]:
    """Each kind that is there, its mark, and how many peers have it; one peer may have several."""
    held = Counter(kind.key for peer in peers for kind in kinds_of(peer))
    return [(kind, shape(kind.shape, 35, 8, 4.6), held[kind.key]) for kind in KINDS if held[kind.key]]


def _rows(peers: list[dict[str, Any]], measure: str, links: Mapping[int, int]) -> list[dict[str, Any]]:
    return [
        {
            "number": n,
            "drawn": n < DRAWN,
            "rank": peer["rank"],
            "name": peer["name"] or peer["peer"],
            "code": peer["peer"] if peer["name"] else "",
            "kinds": kinds_of(peer),
            "value": "" if peer[measure] is None else f"{peer[measure]:.6f}",
            "find": f"{peer['name'] or ''} {peer['peer']} {peer['industry'] or ''}".lower(),
            "cells": (
                ("Trailing", signed(peer["trailing_corr"])),
                ("Expected", signed(peer["expected_fwd_corr"])),
                ("Articles", _strength(peer["comention_strength"])),
                ("Days", count(peer["comention_days"])),
                ("Depth", count(peer["peer_depth"])),
                ("Links", count(links.get(n, 0))),
            ),
            "industry": peer["industry"] or DASH,
        }
        for n, peer in enumerate(peers)
    ]


def _strength(value: float | None) -> str:
    return count(value) if value is None or value == int(value) else number(value, 2)


def _tenth(value: float, *, down: bool) -> str:
    """The next twentieth below or above, as the steps of the slider are."""
    steps = value * 20
    whole = int(steps // 1) if down else -int(-steps // 1)
    return f"{whole / 20:.2f}"
