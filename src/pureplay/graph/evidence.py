"""Why a lamp of one pair is lit or not: nodes with their shares, edges, reports and stakes, each with the day from which it was known."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np

from pureplay.graph.firms import IndustryTree, ProductTree
from pureplay.graph.lamps import lamps_at, pair_cosines
from pureplay.graph.lists import Lists
from pureplay.graph.owners import CONTROL, Owners
from pureplay.graph.structure import Edges, Links, Structure

__all__ = ["Evidence", "evidence"]


class Evidence(NamedTuple):
    """One line on one lamp: its name, whether it is lit, what was found, the first day on which that could be used (None: undated)."""

    lamp: str
    lit: bool
    text: str
    known_since: date | None


def evidence(structure: Structure, row: int, a: int, b: int) -> list[Evidence]:
    """What lights the lamps of assets `a` and `b` (columns) on session `row`: one line a fact, one line for a lamp that is off.

    Lamps: product_peer, deep_peer, chain, disclosed, affiliate, bid (of reports; tenders in the news are not known here). Product facts
    could be used from the eff_date of the later filing, or from when their node or edge began; a report from its publish_date; a stake
    from the start of the latest stake that it takes. Raises SettingError for a row or a pair that the data do not have.
    """
    a, b = min(a, b), max(a, b)
    lamps = lamps_at(structure, row, np.array([a], dtype=np.int32), np.array([b], dtype=np.int32))
    depth = int(lamps.peer_depth[0])
    found = {
        "product_peer": list(_common(structure, row, a, b, depth)) if lamps.product_peer[0] else [],
        "deep_peer": list(_deep(structure, row, a, b, depth)) if lamps.deep_peer[0] else [],
        "chain": list(_chain(structure, row, a, b)),
        "disclosed": list(_reported(structure.disclosed, row, a, b)),
        "affiliate": list(_affiliate(structure.owners, row, a, b)),
        "bid": list(_reported(structure.bids, row, a, b)),
    }
    out = []
    for lamp, facts in found.items():
        lit = bool(getattr(lamps, lamp)[0])
        facts = facts if lit else [(_why_off(structure, lamp, depth, _cosine(structure, row, a, b)), None)]
        out += [Evidence(lamp, lit, text, since) for text, since in facts]
    return out


Fact = tuple[str, date | None]


def _why_off(structure: Structure, lamp: str, depth: int, cosine: float) -> str:
    reasons = [each.partition(": ")[2] for each in structure.absent if each.startswith(f"{lamp}:")]
    if reasons:
        return "; ".join(reasons)
    if lamp == "deep_peer" and structure.settings.deep_peer == "cosine":
        return "one of the two has no reported shares" if np.isnan(cosine) else f"the cosine of the reported shares is {cosine:.3f}"
    if lamp in ("product_peer", "deep_peer"):
        return "one of the two has no entry in the product tree" if depth < 0 else f"the deepest common node is at depth {depth}"
    if lamp == "affiliate":
        return "no stake, owner or issuer in common"
    return {"chain": "no input edge between their products", "disclosed": "no report within the time that counts"}.get(lamp, "no bid")


def _common(structure: Structure, row: int, a: int, b: int, depth: int) -> Iterator[Fact]:
    if structure.industries is not None:
        yield _same_industry(structure.industries, row, a, b, depth)
    elif structure.products is not None:
        tree, nodes = structure.products, structure.at(row).firms.nodes
        for node in sorted(_keys(nodes, a) & _keys(nodes, b)):
            if tree.tree.level[node] == depth:
                days = [_began(tree, node), _filed_since(tree, row, a), _filed_since(tree, row, b)]
                text = f"both in {_name(tree, node)} at depth {depth}: {_firm(structure, tree, row, a, node)}, "
                yield text + _firm(structure, tree, row, b, node), _latest(days)


def _same_industry(tree: IndustryTree, row: int, a: int, b: int, depth: int) -> Fact:
    labels, days = [], []
    for mix in tree.mixes[:depth]:
        if mix is not None:
            filings = [int(mix.active[row, each]) for each in (a, b)]
            labels.append(mix.groups[mix.group[filings[0]]])
            days += [_day(mix.eff_date[each]) for each in filings]
    return f"same industry down to level {depth} of {', '.join(tree.schemes)}: {' / '.join(labels)}", _latest(days)


def _deep(structure: Structure, row: int, a: int, b: int, depth: int) -> Iterator[Fact]:
    if structure.settings.deep_peer == "depth":
        yield from _common(structure, row, a, b, depth)
    elif structure.products is not None:
        cosine = _cosine(structure, row, a, b)
        days = [_filed_since(structure.products, row, each) for each in (a, b)]
        yield f"cosine {cosine:.3f} of the reported shares, at least {structure.settings.min_cosine:g} is needed", _latest(days)


def _cosine(structure: Structure, row: int, a: int, b: int) -> float:
    return float(pair_cosines(structure, row, np.array([a], dtype=np.int32), np.array([b], dtype=np.int32))[0])


def _chain(structure: Structure, row: int, a: int, b: int) -> Iterator[Fact]:
    tree, edges, made = structure.products, structure.edges, structure.at(row).made
    if tree is None or edges is None or made is None:
        return
    for supplier, customer in ((a, b), (b, a)):
        for place in _edges_between(edges, row, _keys(made, supplier), _keys(made, customer)):
            up, down = int(edges.supplier[place]), int(edges.customer[place])
            days = [_day(edges.begins[place]), _began(tree, up), _began(tree, down), *(_filed_since(tree, row, each) for each in (a, b))]
            text = f"{_name(tree, up)} is an input of {_name(tree, down)}: {_firm(structure, tree, row, supplier, up)}, "
            yield text + _firm(structure, tree, row, customer, down), _latest(days)


def _edges_between(edges: Edges, row: int, up: set[int], down: set[int]) -> list[int]:
    now = (edges.first <= row) & (row < edges.stop) & np.isin(edges.supplier, sorted(up)) & np.isin(edges.customer, sorted(down))
    return [int(each) for each in np.flatnonzero(now)]


def _reported(links: Links | None, row: int, a: int, b: int) -> Iterator[Fact]:
    if links is None:
        return
    now = (links.first <= row) & (row < links.stop) & (links.a == a) & (links.b == b)
    for line in links.lines.filter(now).sort("publish_date", "supplier").to_dicts():
        amount = "" if line.get("amount") is None else f", amount {line['amount']:,.0f}"
        period = "" if line.get("period_end") is None else f", period to {line['period_end']}"
        yield f"{line['supplier']} supplies {line['customer']}{amount}{period}, published {line['publish_date']}", line["publish_date"]


def _affiliate(owners: Owners, row: int, a: int, b: int) -> Iterator[Fact]:
    lists = owners.at(row)
    for key in sorted(_keys(lists, a) & _keys(lists, b)):
        name = owners.ids[key]
        if name.startswith("\x01issuer:"):
            yield f"listings of one issuer, {name.partition(':')[2]}", None
        elif name.startswith("\x01person:"):
            seats = [place for each in (a, b) for place in _rows(owners, row, key, int(owners.own[each]), 0.0)]
            yield f"{name.partition(':')[2]} is on both boards", _latest([_begins(owners, place) for place in seats])
        else:
            paths = [_path(owners, row, key, int(owners.own[each])) for each in (a, b)]
            text = "; ".join(_told(owners, path) for path in paths if path)
            yield text, _latest([_begins(owners, place) for path in paths for place in path])


def _path(owners: Owners, row: int, top: int, company: int) -> list[int]:
    """Stakes from the top owner down to a company: control of each one on the way, then the stake itself; shortest way first."""
    if top == company:
        return []
    ways: list[list[int]] = [[]]
    seen: set[int] = set()
    while ways:
        way = ways.pop(0)
        held = int(owners.owner[way[0]]) if way else company
        least = CONTROL if way else owners.least
        for place in _rows(owners, row, None, held, least, above=bool(way)):
            up = int(owners.owner[place])
            if up == top:
                return [place, *way]
            if up not in seen:
                seen.add(up)
                ways.append([place, *way])
    return []


def _rows(owners: Owners, row: int, owner: int | None, owned: int, least: float, *, above: bool = False) -> list[int]:
    """Stakes in a company in force: large enough or not stated; above: larger than `least`, and stated."""
    person = owner is not None
    keep = owners.in_force(row) & (owners.owned == owned) & (owners.person == person)
    if person:
        keep &= owners.owner == owner
    else:
        keep &= (owners.stake > least) if above else np.isnan(owners.stake) | (owners.stake >= least)
    return [int(each) for each in np.flatnonzero(keep)]


def _told(owners: Owners, path: list[int]) -> str:
    steps = [f"{_stake(owners.stake[place])} of {owners.ids[owners.owned[place]]}" for place in path]
    return f"{owners.ids[owners.owner[path[0]]]} holds " + ", which holds ".join(steps)


def _stake(value: float) -> str:
    return "a stake not stated" if np.isnan(value) else f"{value:.1%}"


def _firm(structure: Structure, tree: ProductTree, row: int, firm: int, node: int) -> str:
    """A firm's share at or below a node and the filing that says so."""
    below = tree.shares(row, tree.below)
    part = slice(int(below.starts[firm]), int(below.starts[firm + 1]))
    share = float(below.values[part][below.keys[part] == node].sum())
    filing, mix = int(tree.active[row, firm]), tree.filings
    dates = f"period {mix.period_end[filing]}, published {mix.publish_date[filing]}, usable {mix.eff_date[filing]}"
    return f"{structure.axes.assets[firm]} {share:.1%} ({dates})"


def _keys(lists: Lists, firm: int) -> set[int]:
    return set(lists.keys[lists.starts[firm] : lists.starts[firm + 1]].tolist())


def _name(tree: ProductTree, node: int) -> str:
    name = tree.names[node] if tree.names else ""
    return f"{tree.tree.products[node]} ({name})" if name else tree.tree.products[node]


def _filed_since(tree: ProductTree, row: int, firm: int) -> date | None:
    return _day(tree.filings.eff_date[tree.active[row, firm]])


def _began(tree: ProductTree, node: int) -> date | None:
    began = tree.tree.start[node]
    return None if began <= np.datetime64("0001-01-01") else _day(began)


def _begins(owners: Owners, place: int) -> date | None:
    return _day(owners.begins[place])


def _day(day: np.datetime64) -> date | None:
    found = day.astype(object)
    return found if isinstance(found, date) else None


def _latest(days: list[date | None]) -> date | None:
    return max((each for each in days if each is not None), default=None)
