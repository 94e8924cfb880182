"""Rules of the tables that link securities and need other rows or other tables: moments, the tree, who has bars, circles of owners."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

import polars as pl

from pureplay.findings import Tables
from pureplay.tables import contract

__all__ = ["check_links", "set_later_times_aside"]

_LINKS: Final = ("mentions", "disclosed_links", "affiliates")
_LAST_ZONE: Final = timezone(timedelta(hours=-12))  # where a day ends last
_CIRCLES_SHOWN: Final = 5


def set_later_times_aside(tables: Tables) -> None:
    """An article became public once: of its rows those with a later moment than the first are set aside.

    Messy feeds repeat an article with another time. The first one counts, since by then the text was out; the rows that say otherwise
    stay in quarantine. It comes before the rule of one row a key, which would refuse the table.
    """
    if "mentions" in tables.frames:
        later = pl.col("published_at") > pl.col("published_at").min().over("article")
        mask = tables.frames["mentions"].select(later=later.fill_null(False) & pl.col("article").is_not_null())["later"]
        tables.set_aside("mentions", {"published_again_later": mask})


def check_links(tables: Tables, today: date | None) -> None:
    """Links are public by today and name products of the tree; say which names have no bars and which owners own each other."""
    if today is not None:
        _set_future_aside(tables, today)
    _check_products(tables)
    _note_names_without_bars(tables)
    _note_circles(tables)


def _set_future_aside(tables: Tables, today: date) -> None:
    if "mentions" in tables.frames:
        over = datetime.combine(today + timedelta(days=1), time(0), tzinfo=_LAST_ZONE).astimezone(UTC)
        tables.set_aside("mentions", {"published_after_today": tables.frames["mentions"]["published_at"] >= over})
    if "disclosed_links" in tables.frames:
        tables.set_aside("disclosed_links", {"published_in_the_future": tables.frames["disclosed_links"]["publish_date"] > today})


def _check_products(tables: Tables) -> None:
    if "supply_edges" not in tables.frames:
        return
    edges = tables.frames["supply_edges"]
    if "taxonomy" not in tables.frames:
        remedy = "supply edges need a sound taxonomy table, and there is none: add it, or mend what is said of it above"
        tables.refuse("supply_edges", "no_taxonomy", edges.height, remedy)
        return
    nodes = tables.frames["taxonomy"]["product"].implode()
    known = edges["supplier_product"].is_in(nodes) & edges["customer_product"].is_in(nodes)
    tables.set_aside("supply_edges", {"edge_outside_taxonomy": ~known})


def _note_names_without_bars(tables: Tables) -> None:
    """Names of articles and links that never trade here are kept: a list of ten names stays a list of ten."""
    if "bars" not in tables.frames:
        return
    traded = tables.codes("bars").implode()
    for name in _LINKS:
        if name not in tables.frames:
            continue
        columns = contract(name).codes
        named = pl.concat([tables.frames[name].select(asset=column) for column in columns])
        lone = named.filter(~pl.col("asset").is_in(traded)).group_by("asset").agg(rows=pl.len())
        if lone.height == 0:
            continue
        none = lone["rows"].sum() == named.height
        remedy = (
            "not one of these names is in bars: are they written in another way?"
            if none
            else "these names have no bars, so no figure is computed for them; the rows stay: check for other spellings"
        )
        tables.note(name, "name_without_bars", lone.height, remedy, lone.sort("rows", "asset", descending=[True, False]))


def _note_circles(tables: Tables) -> None:
    """Owners that own each other: true of cross-holdings, and a sign of rows without a direction."""
    if "affiliates" not in tables.frames:
        return
    stakes = tables.frames["affiliates"].filter(pl.col("kind") == "ownership")
    count, shown = _circles(stakes)
    if count:
        remedy = (
            "owners in a circle own each other; the rows stay, and the graph follows each tie once. If the source has no direction, "
            "every tie makes a circle of two"
        )
        tables.note("affiliates", "ownership_circle", count, remedy, pl.DataFrame({"circle": shown}))


def _circles(stakes: pl.DataFrame) -> tuple[int, list[str]]:
    """How many ties close a circle on a walk along the owners in the order of their names, and the first of these circles."""
    grouped = stakes.select("owner", "owned").unique().sort("owner", "owned").group_by("owner", maintain_order=True).agg("owned")
    held: dict[str, list[str]] = dict(grouped.iter_rows())
    done: set[str] = set()
    count, shown = 0, []
    for start in held:
        if start in done:
            continue
        path, place, ahead = [start], {start: 0}, [iter(held[start])]
        while path:
            following = next(ahead[-1], None)
            if following is None:
                ahead.pop()
                done.add(path[-1])
                del place[path.pop()]
            elif following in place:
                count += 1
                if count <= _CIRCLES_SHOWN:
                    shown.append(" -> ".join([*path[place[following] :], following]))
            elif following not in done:
                place[following] = len(path)
                path.append(following)
                ahead.append(iter(held.get(following, ())))
    return count, shown
