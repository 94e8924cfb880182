"""Product momentum once more, slow and obvious: plain Python over the rows of the raw tables, written from METHODS §1-3 and §12.

Nothing of pureplay is used here. Amounts and shares are exact fractions of the decimal numbers in the tables, so "above 50 %" and
"at least half" mean what they say; means are `math.fsum` quotients; regressions are two-pass, exact where a bad tick would cost digits.
"""

import calendar
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from statistics import median
from typing import Any

import polars as pl

Row = dict[str, Any]
UNMAPPED = "unmapped"
ROUNDING = Fraction(1, 1000)  # amounts that disagree by less are rounding
DEFAULTS: dict[str, Any] = {
    "level": 2,
    "products": "segments",
    "purity": 0.5,
    "purity_inclusive": False,
    "min_peers": 5,
    "min_peers_after_removal": True,
    "leave_one_out": True,
    "weighting": "cap",
    "min_covered": 0.5,
    "fallback": (),
    "fallback_scheme": None,
    "frozen": False,
    "half_year": "as_filed",
    "buffer_days": 30,
    "stale_months": 18,
    "window_sessions": 20,
    "min_valid_sessions": 15,
    "momentum": "gap",
    "resvol": "ols",
    "winsorise_mads": 3.0,
    "min_listed_sessions": 60,
}


def exact(number: float) -> Fraction:
    """The decimal number that was written, not the double beside it."""
    return Fraction(repr(float(number)))


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or the last day of that month where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def mean(weights: Sequence[float], values: Sequence[float]) -> float:
    """Weighted mean; of equal numbers it is that number."""
    if min(values) == max(values):
        return values[0]
    return math.fsum(w * v for w, v in zip(weights, values, strict=True)) / math.fsum(weights)


# ---------------------------------------------------------------- the product tree


class Tree:
    """Nodes with parents and days in force."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = {row["product"]: row for row in rows}
        self.children: dict[str, list[str]] = {}
        for name, row in self.rows.items():
            if row["parent"] is not None:
                self.children.setdefault(row["parent"], []).append(name)

    def path(self, product: str) -> list[str]:
        """From the top node down to the product itself."""
        parent = self.rows[product]["parent"]
        return ([] if parent is None else self.path(parent)) + [product]

    def in_force(self, product: str, day: date) -> bool:
        start, end = self.rows[product].get("start_date"), self.rows[product].get("end_date")
        return (start is None or start <= day) and (end is None or day <= end)

    def is_leaf(self, product: str, day: date) -> bool:
        """Without any child up to that day."""
        starts = [self.rows[child].get("start_date") for child in self.children.get(product, [])]
        return all(start is not None and start > day for start in starts)

    def speaker(self, product: str, level: int | str, day: date) -> str | None:
        """Node that carries the revenue of a product at the level, None where it is unmapped."""
        path = self.path(product)
        if level != "leaf" and len(path) >= level:
            found = path[int(level) - 1]
        elif self.is_leaf(product, day):
            found = product
        else:
            return None
        return found if self.in_force(found, day) else None

    def parent(self, product: str, level: int | str) -> str | None:
        """Node of the level above. A leaf above the level stands for itself there as well: no other basket."""
        path = self.path(product)
        return path[-2] if len(path) > 1 and level in ("leaf", len(path)) else None


# ---------------------------------------------------------------- filings


@dataclass
class Filing:
    """One published version of a report."""

    period_end: date
    publish_date: date
    revision: int
    lines: dict[str, Fraction]
    total: Fraction
    eff_date: date = date.max
    expiry: date | None = None


def sound_filings(tables: Mapping[str, list[Row]], tree: Tree) -> dict[str, list[Filing]]:
    """Filings by asset whose rows are without fault, in lines that add up."""
    rows: dict[tuple[str, date, int], list[Row]] = {}
    for row in tables["segments"]:
        rows.setdefault((row["asset"], row["period_end"], row.get("revision") or 0), []).append(row)
    heads = {(row["asset"], row["period_end"], row.get("revision") or 0): row for row in tables.get("filings", [])}
    out: dict[str, list[Filing]] = {}
    for key, lines in rows.items():
        made = _one_filing(key, lines, heads.get(key), tree)
        if made is not None:
            out.setdefault(key[0], []).append(made)
    return out


def _one_filing(key: tuple[str, date, int], rows: list[Row], head: Row | None, tree: Tree) -> Filing | None:
    if any(_faulty(row, tree) for row in rows):
        return None
    if head is not None and (head["publish_date"] < head["period_end"] or (head["total_revenue"] or 0) < 0):
        return None
    used = [row for row in rows if (row.get("kind") or "product") == "product"]
    if not used:
        return None
    lines = without_parents({row["product"]: exact(row["revenue"]) for row in used}, tree)
    total = None if head is None or head["total_revenue"] is None else exact(head["total_revenue"])
    if total is not None and sum(lines.values()) > total * (1 + ROUNDING):
        lines = without_repeats(lines)
    mapped = sum(lines.values(), Fraction(0))
    if total is not None and mapped > total * (1 + ROUNDING):
        return None
    if (mapped if total is None else total) <= 0:
        return None
    published = max([row["publish_date"] for row in used] + ([head["publish_date"]] if head else []))
    return Filing(key[1], published, key[2], lines, max(mapped, total or Fraction(0)))


def _faulty(row: Row, tree: Tree) -> bool:
    if row["revenue"] is None or row["revenue"] < 0 or row["publish_date"] < row["period_end"]:
        return True
    if (row.get("kind") or "product") != "product" or row["product"] == UNMAPPED:
        return False
    node = tree.rows.get(row["product"])
    return node is None or (node.get("start_date") is not None and node["start_date"] > row["publish_date"])


def without_parents(lines: dict[str, Fraction], tree: Tree) -> dict[str, Fraction]:
    """A parent's amount includes its reported children: only the rest stays with it; where the children exceed it, they win."""
    inside: dict[str, Fraction] = {}  # what stands below each reported node
    kept: dict[str, Fraction] = {}
    known = [name for name in lines if name != UNMAPPED]
    for name in sorted(known, key=lambda each: -len(tree.path(each))):
        below = inside.get(name, Fraction(0))
        rest = lines[name] - below
        if below == 0 or rest > ROUNDING * lines[name]:
            kept[name] = rest
        above = [each for each in tree.path(name)[:-1] if each in lines]
        if above:
            inside[above[-1]] = inside.get(above[-1], Fraction(0)) + max(lines[name], below)
    if UNMAPPED in lines:
        kept[UNMAPPED] = lines[UNMAPPED]
    return kept


def without_repeats(lines: dict[str, Fraction]) -> dict[str, Fraction]:
    """The same positive amount under several names counts once, for the first name."""
    seen: set[Fraction] = set()
    kept = {}
    for name in sorted(lines):
        if lines[name] > 0 and lines[name] in seen:
            continue
        seen.add(lines[name])
        kept[name] = lines[name]
    return kept


def trailing_year(filings: list[Filing]) -> list[Filing]:
    """Annual reports as they are; interim ones as X + FY of the year before - X of the year before, from the day all three are known."""
    out = [each for each in filings if each.period_end.month == 12]
    for period in sorted({each.period_end for each in filings if each.period_end.month != 12}):
        annual, before = date(period.year - 1, 12, 31), date(period.year - 1, period.month, period.day)
        for number, day in enumerate(sorted({each.publish_date for each in filings if each.period_end in (period, annual, before)})):
            known = [_latest(filings, each, day) for each in (period, annual, before)]
            if None in known:
                continue
            now, whole, part = [each for each in known if each is not None]
            names = {*now.lines, *whole.lines, *part.lines}
            lines = {name: now.lines.get(name, 0) + whole.lines.get(name, 0) - part.lines.get(name, Fraction(0)) for name in names}
            total = now.total + whole.total - part.total
            if total > 0 and min(lines.values()) >= 0 and sum(lines.values()) <= total * (1 + ROUNDING):
                out.append(Filing(period, day, number, lines, max(total, sum(lines.values(), Fraction(0)))))
    return out


def _latest(filings: list[Filing], period_end: date, day: date) -> Filing | None:
    known = [each for each in filings if each.period_end == period_end and each.publish_date <= day]
    return max(known, key=lambda each: (each.publish_date, each.revision), default=None)


def active(filings: list[Filing], day: date) -> Filing | None:
    """The usable filing with the latest period_end, then publish_date, then revision."""
    usable = [each for each in filings if each.eff_date <= day and (each.expiry is None or day < each.expiry)]
    return max(usable, key=lambda each: (each.period_end, each.publish_date, each.revision), default=None)


# ---------------------------------------------------------------- the market


class Market:
    """Bars by session number and asset."""

    def __init__(self, tables: Mapping[str, list[Row]], weighting: str) -> None:
        self.days = sorted({row["date"] for row in tables["bars"]})
        self.assets = sorted({row["asset"] for row in tables["bars"]})
        number = {day: t for t, day in enumerate(self.days)}
        self.bars: list[dict[str, Row]] = [{} for _ in self.days]
        for row in tables["bars"]:
            volume = row.get("volume")
            if (row["ret"] is not None) if volume is None else volume > 0:
                self.bars[number[row["date"]]][row["asset"]] = row
        self.about = {row["asset"]: row for row in tables.get("assets", [])}
        self.first: dict[str, int] = {}
        for t, bars in enumerate(self.bars):
            for asset in bars:
                self.first.setdefault(asset, t)
        self.member = [{asset: self._member(t, asset, weighting) for asset in self.bars[t]} for t in range(len(self.days))]

    def traded(self, t: int, asset: str) -> bool:
        return t >= 0 and asset in self.bars[t]

    def feed(self, returns: Mapping[tuple[int, str], float], weighting: str) -> None:
        """Replace returns by others, of which a stock that trades may have none; what traded, and at which value, stays."""
        for t, bars in enumerate(self.bars):
            for asset, row in bars.items():
                bars[asset] = {**row, "ret": returns.get((t, asset))}
            self.member[t] = {asset: self._member(t, asset, weighting) for asset in bars}

    def ret(self, t: int, asset: str) -> float | None:
        return self.bars[t][asset]["ret"] if asset in self.bars[t] else None

    def _member(self, t: int, asset: str, weighting: str) -> tuple[float, float] | None:
        """(weight, return) of a stock that may stand in a basket: it has a return today and had a market value on the session before."""
        ret = self.ret(t, asset)
        if ret is None or not self.traded(t - 1, asset):
            return None
        before = self.bars[t - 1][asset]
        cap, free = before["total_cap"], before.get("float_cap")
        if cap is None or (weighting == "float_cap" and free is None):
            return None
        weight = {"cap": cap, "float_cap": free, "equal": 1.0, "sqrt_cap": math.sqrt(cap)}[weighting]
        return weight, ret

    def issuer(self, asset: str) -> str:
        name = self.about.get(asset, {}).get("issuer")
        return f"asset {asset}" if name is None else f"issuer {name}"

    def seasoned(self, t: int, asset: str, sessions: int) -> bool:
        listed, first = self.about.get(asset, {}).get("list_date"), self.first[asset]
        if listed is None:
            return first == 0 or t - first + 1 >= sessions
        before = 0  # weekdays before the data stand in for sessions
        day = listed
        while day < self.days[0] and before < sessions:
            before += day.weekday() < 5
            day += timedelta(days=1)
        return before + sum(listed <= each for each in self.days[: t + 1]) >= sessions


# ---------------------------------------------------------------- baskets


class Baskets:
    """Pure plays, fallbacks, and what they returned without the focal stock."""

    def __init__(self, tables: Mapping[str, list[Row]], settings: Row) -> None:
        self.tables, self.set = tables, settings
        self.market = Market(tables, settings["weighting"])
        self.equal = Market(tables, "equal") if "synthetic" in settings["fallback"] else self.market
        self.tree = Tree(tables.get("taxonomy", []))
        self.filings: dict[str, list[Filing]] = {}
        self._labels: dict[tuple[str, str], list[Row]] = {}
        for each in tables.get("industries", []):
            self._labels.setdefault((each["asset"], each["scheme"]), []).append(each)
        if settings["products"] == "segments":
            self._read_filings()
        self._active: dict[tuple[int, str], Filing | None] = {}
        self._shares: dict[tuple[int, str], dict[str, Fraction]] = {}
        self._members: dict[tuple[str, int], dict[str, list[str]]] = {}
        self._answers: dict[tuple[str, str, str, int, int], tuple[float | None, int]] = {}

    def _read_filings(self) -> None:
        for asset, filings in sound_filings(self.tables, self.tree).items():
            made = trailing_year(filings) if self.set["half_year"] == "trailing_year" else filings
            for each in made:
                each.eff_date = each.publish_date + timedelta(days=self.set["buffer_days"])
                months = self.set["stale_months"]
                each.expiry = None if months is None else months_after(each.publish_date, months)
            self.filings[asset] = made

    def label(self, scheme: str, row: int, asset: str) -> Row | None:
        """Industry row in force, the one that started last."""
        day = self.market.days[row]
        rows = self._labels.get((asset, scheme), [])
        held = [each for each in rows if each["start_date"] <= day and (each.get("end_date") is None or day < each["end_date"])]
        return max(held, key=lambda each: each["start_date"], default=None)

    def scheme(self) -> str:
        """Scheme with the most codes among the labels known on the first session."""
        if self.set["fallback_scheme"] is not None:
            return str(self.set["fallback_scheme"])
        codes: dict[str, set[str]] = {}
        oldest = max(self.market.days[0], min(each["start_date"] for each in self.tables["industries"]))
        for each in self.tables["industries"]:
            if each["start_date"] <= oldest:
                codes.setdefault(each["scheme"], set()).add(each["code"])
        return max(codes, key=lambda name: (len(codes[name]), name))

    def filing(self, row: int, asset: str) -> Filing | None:
        """What speaks for the stock: its active filing, or its industry label where industries are the products."""
        if (row, asset) not in self._active:
            if self.set["products"] == "segments":
                found = active(self.filings.get(asset, []), self.market.days[row])
            else:
                label = self.label(self.set["products"].removeprefix("industries:"), row, asset)
                start = label["start_date"] if label else None
                found = Filing(start, start, 0, {label["code"]: Fraction(1)}, Fraction(1), start) if label else None
            self._active[row, asset] = found
        return self._active[row, asset]

    def shares(self, row: int, asset: str) -> dict[str, Fraction]:
        """Share of revenue by product of the level, of the mix known on session `row`."""
        if (row, asset) not in self._shares:
            filing = self.filing(row, asset)
            out: dict[str, Fraction] = {}
            for product, revenue in filing.lines.items() if filing else ():
                group = self._group(product, row)
                if group is not None and revenue > 0:
                    out[group] = out.get(group, Fraction(0)) + revenue / filing.total
            self._shares[row, asset] = out
        return self._shares[row, asset]

    def _group(self, product: str, row: int) -> str | None:
        if self.set["products"] != "segments":
            return product
        return None if product == UNMAPPED else self.tree.speaker(product, self.set["level"], self.market.days[row])

    def pure(self, share: Fraction) -> bool:
        bound = exact(self.set["purity"])
        return share >= bound if self.set["purity_inclusive"] else share > bound

    def members(self, family: str, row: int) -> dict[str, list[str]]:
        """Stocks of every basket of a family by the mix known on session `row`, trading or not."""
        if (family, row) not in self._members:
            out: dict[str, list[str]] = {}
            for asset in self.market.assets:
                for group in self._memberships(family, row, asset):
                    out.setdefault(group, []).append(asset)
            self._members[family, row] = out
        return self._members[family, row]

    def _memberships(self, family: str, row: int, asset: str) -> list[str]:
        if family == "industry":
            label = self.label(self.scheme(), row, asset)
            return [label["code"]] if label else []
        if family == "parent":
            return [node for node, share in self._at_or_below(row, asset).items() if self.pure(share)]
        shares = self.shares(row, asset)
        return [group for group, share in shares.items() if (share > 0 if family == "synthetic" else self.pure(share))]

    def _at_or_below(self, row: int, asset: str) -> dict[str, Fraction]:
        """Share of revenue at or below every node in force."""
        filing = self.filing(row, asset)
        out: dict[str, Fraction] = {}
        for product, revenue in filing.lines.items() if filing else ():
            for node in self.tree.path(product) if product != UNMAPPED else ():
                if self.tree.in_force(node, self.market.days[row]):
                    out[node] = out.get(node, Fraction(0)) + revenue / filing.total
        return out

    def question(self, family: str, row: int, asset: str, group: str) -> str | None:
        """Basket of the family that stands for a product of the stock."""
        if family == "parent":
            return self.tree.parent(group, self.set["level"])
        if family == "industry":
            label = self.label(self.scheme(), row, asset)
            return label["code"] if label else None
        return group

    def answer(self, family: str, group: str, asset: str, row: int, t: int) -> tuple[float | None, int]:
        """Basket return of session t without the focal's issuer, and its members after removal."""
        key = (family, group, self.market.issuer(asset) if self.set["leave_one_out"] else "", row, t)
        if key not in self._answers:
            self._answers[key] = self._answer(family, group, asset, row, t)
        return self._answers[key]

    def _answer(self, family: str, group: str, asset: str, row: int, t: int) -> tuple[float | None, int]:
        market = self.equal if family == "synthetic" else self.market
        there = [each for each in self.members(family, row).get(group, []) if market.member[t].get(each) is not None]
        issuer = market.issuer(asset)
        left = [each for each in there if not (self.set["leave_one_out"] and market.issuer(each) == issuer)]
        counted = left if self.set["min_peers_after_removal"] else there
        if len(counted) < self.set["min_peers"] or not left:
            return None, len(left)
        return mean([market.member[t][each][0] for each in left], [market.member[t][each][1] for each in left]), len(left)

    def product_return(self, group: str, asset: str, row: int, t: int) -> tuple[float | None, int, str]:
        """From the first family that has an answer; which one is named."""
        for family in ("products", *self.set["fallback"]):
            basket = self.question(family, row, asset, group)
            if basket is not None:
                value, peers = self.answer(family, basket, asset, row, t)
                if value is not None:
                    return value, peers, family
        return None, 0, ""

    def implied(self, asset: str, row: int, t: int) -> Row:
        """Implied return of session t by the mix of session `row`, and where it came from."""
        weights, values, peers = [], [], 0
        covered, by = Fraction(0), dict.fromkeys(("products", *self.set["fallback"]), Fraction(0))
        for group, share in self.shares(row, asset).items():
            if share == 0:
                continue
            value, count, family = self.product_return(group, asset, row, t)
            if value is not None:
                weights.append(float(share))
                values.append(value)
                peers += count
                covered += share
                by[family] += share
        enough = bool(values) and covered >= exact(self.set["min_covered"])
        return {"implied": mean(weights, values) if enough else None, "covered_share": covered, "n_peers": peers, "by": by}


# ---------------------------------------------------------------- construction S

Exposures = Mapping[tuple[date, str], Sequence[float | None]]


def residuals(market: Market, exposures: Exposures, factors: int) -> dict[tuple[int, str], float]:
    """Residual of each return on [1, exposures of the session before], sqrt of the cap of the session before times the square.

    Normal equations in exact fractions, so that nothing is lost beside a bad tick.
    """
    out: dict[tuple[int, str], float] = {}
    for t in range(1, len(market.days)):
        rows = []
        for asset, bar in market.bars[t].items():
            known = exposures.get((market.days[t - 1], asset), [None])
            cap = market.bars[t - 1].get(asset, {}).get("total_cap")
            if bar["ret"] is not None and cap is not None and None not in known:
                rows.append((asset, Fraction(math.sqrt(cap)), [Fraction(1), *map(Fraction, known)], Fraction(bar["ret"])))  # type: ignore[arg-type]
        if len(rows) > factors + 1:
            beta = _solved(
                [[sum(w * x[a] * x[b] for _, w, x, _ in rows) for b in range(factors + 1)] for a in range(factors + 1)],
                [sum(w * x[a] * y for _, w, x, y in rows) for a in range(factors + 1)],
            )
            out |= {(t, asset): float(y - sum(b * each for b, each in zip(beta, x, strict=True))) for asset, _, x, y in rows}
    return out


def _solved(matrix: list[list[Any]], right: list[Any]) -> list[Fraction]:
    """Gauss-Jordan on fractions; every pivot of a positive definite matrix is positive."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for c in range(len(rows)):
        rows[c] = [each / rows[c][c] for each in rows[c]]
        for r in range(len(rows)):
            if r != c:
                rows[r] = [a - rows[r][c] * b for a, b in zip(rows[r], rows[c], strict=True)]
    return [row[-1] for row in rows]


class ResidualBaskets(Baskets):
    """Baskets of a market whose returns are residuals."""

    def __init__(self, tables: Mapping[str, list[Row]], settings: Row, exposures: Exposures, factors: int) -> None:
        super().__init__(tables, settings)
        found = residuals(self.market, exposures, factors)
        self.market.feed(found, settings["weighting"])
        if self.equal is not self.market:
            self.equal.feed(found, "equal")


# ---------------------------------------------------------------- windows


def residual_sd(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Residual sd of y on x with intercept, n - 2; None where x does not vary."""
    if min(x) == max(x):
        return None
    large = max(map(abs, [*x, *y])) > 10  # a bad tick: exact fractions keep the digits
    xs: Sequence[Any] = [Fraction(each) for each in x] if large else x
    ys: Sequence[Any] = [Fraction(each) for each in y] if large else y
    total: Callable[[Iterable[Any]], Any] = sum if large else math.fsum
    n = len(xs)
    mx, my = total(xs) / n, total(ys) / n
    slope = total((a - mx) * (b - my) for a, b in zip(xs, ys, strict=True)) / total((a - mx) ** 2 for a in xs)
    return math.sqrt(total((b - my - slope * (a - mx)) ** 2 for a, b in zip(xs, ys, strict=True)) / (n - 2))


def sample_sd(x: Sequence[float], y: Sequence[float]) -> float:
    """Standard deviation of y - x with n - 1."""
    large = max(map(abs, [*x, *y])) > 10
    gaps: list[Any] = [Fraction(b) - Fraction(a) if large else b - a for a, b in zip(x, y, strict=True)]
    total: Callable[[Iterable[Any]], Any] = sum if large else math.fsum
    centre = total(gaps) / len(gaps)
    return math.sqrt(total((each - centre) ** 2 for each in gaps) / (len(gaps) - 1))


def zscores(values: dict[str, float], mads: float | None) -> tuple[dict[str, float], float]:
    """Clip at median ± mads·1.4826·MAD, subtract the mean, divide by the population sd (given too); empty where nothing varies."""
    if not values:
        return {}, 1.0
    if mads is not None:
        middle = median(values.values())
        reach = mads * 1.4826 * median(abs(each - middle) for each in values.values())
        if reach > 0:
            values = {name: min(max(each, middle - reach), middle + reach) for name, each in values.items()}
    if min(values.values()) == max(values.values()):
        return {}, 1.0
    centre = math.fsum(values.values()) / len(values)
    sd = math.sqrt(math.fsum((each - centre) ** 2 for each in values.values()) / len(values))
    return {name: (each - centre) / sd for name, each in values.items()}, sd


class _Scores:
    def __init__(self, baskets: Baskets) -> None:
        self.baskets, self.set, self.market = baskets, baskets.set, baskets.market
        self._implied: dict[tuple[str, int, int], Row] = {}
        self._reference: dict[int, float | None] = {}
        self.size: dict[tuple[int, str], float] = {}  # largest return behind the figures of a window

    def implied(self, asset: str, row: int, t: int) -> Row:
        if (asset, row, t) not in self._implied:
            self._implied[asset, row, t] = self.baskets.implied(asset, row, t)
        return self._implied[asset, row, t]

    def figures(self, asset: str, t: int) -> tuple[float | None, float | None]:
        """biz_mom and biz_resvol of the window that ends at t."""
        self.size[t, asset] = 0.1
        pairs = []
        for s in self.window(t):
            ret = self.market.ret(s, asset)
            if ret is None or not self.market.traded(s - 1, asset):  # no gap on the first day back
                continue
            implied = self.implied(asset, t if self.set["frozen"] else s, s)["implied"]
            if implied is not None:
                pairs.append((implied, ret))
        if self.set["resvol"] == "product_agg":
            spread = self.product_spread(asset, t)
        if len(pairs) < self.set["min_valid_sessions"]:
            return None, (spread if self.set["resvol"] == "product_agg" else None)
        x, y = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        self.size[t, asset] = max(0.1, *map(abs, [*x, *y]))
        own = [] if self.set["momentum"] == "level" else [-each for each in y]
        if self.set["resvol"] == "ols":
            spread = residual_sd(x, y)
        elif self.set["resvol"] == "diff_sd":
            spread = sample_sd(x, y)
        return math.fsum([*x, *own]), spread

    def window(self, t: int) -> range:
        return range(max(0, t - self.set["window_sessions"] + 1), t + 1)

    def reference(self, t: int) -> float | None:
        """Weighted return of all stocks that trade."""
        if t not in self._reference:
            pairs = [each for each in self.market.member[t].values() if each is not None]
            self._reference[t] = mean([each[0] for each in pairs], [each[1] for each in pairs]) if pairs else None
        return self._reference[t]

    def product_spread(self, asset: str, t: int) -> float | None:
        """Revenue-weighted residual sd of the stock's product returns on the market."""
        covered, weights, values = Fraction(0), [], []
        for group, share in self.baskets.shares(t, asset).items():
            pairs = []
            for s in self.window(t):
                value, _ = self.baskets.answer("products", group, asset, t if self.set["frozen"] else s, s)
                if value is not None and self.reference(s) is not None:
                    pairs.append((self.reference(s), value))
            if share == 0 or len(pairs) < self.set["min_valid_sessions"]:
                continue
            spread = residual_sd([pair[0] for pair in pairs], [pair[1] for pair in pairs])
            if spread is not None:
                covered += share
                weights.append(float(share))
                values.append(spread)
        return mean(weights, values) if values and covered >= exact(self.set["min_covered"]) else None


def product_momentum(
    tables: Mapping[str, pl.DataFrame], *, make: Callable[[Mapping[str, list[Row]], Row], Baskets] = Baskets, **settings: Any
) -> dict[tuple[date, str], Row]:
    """Every row that `pureplay.signals.product_momentum` must return, by (date, asset).

    make: what stands in for `Baskets`, such as baskets of residual returns, or of a placebo.

    Also `size`, the largest return behind the figures of the window, and `stretch`, the largest such return of the date over the sd of
    its figures: what the rounding of a return grows to in a z-score.
    """
    chosen = {**DEFAULTS, **settings}
    baskets = make({name: frame.to_dicts() for name, frame in tables.items()}, chosen)
    market, scores = baskets.market, _Scores(baskets)
    out: dict[tuple[date, str], Row] = {}
    for t, day in enumerate(market.days):
        universe = [each for each in market.assets if market.traded(t, each) and market.seasoned(t, each, chosen["min_listed_sessions"])]
        figures = {each: scores.figures(each, t) for each in universe}
        z = [
            zscores({each: found[k] for each, found in figures.items() if found[k] is not None}, chosen["winsorise_mads"])  # type: ignore[misc]
            for k in (0, 1)
        ]
        for asset in universe:
            filing = baskets.filing(t, asset)
            if filing is None:
                continue
            made = scores.implied(asset, t, t)
            momentum, resvol = z[0][0].get(asset), z[1][0].get(asset)
            out[day, asset] = {
                "implied": made["implied"],
                "biz_mom": figures[asset][0],
                "biz_resvol": figures[asset][1],
                "biz_mom_z": momentum,
                "biz_resvol_z": resvol,
                "composite": None if momentum is None or resvol is None else 0.5 * momentum - 0.5 * resvol,
                "covered_share": float(made["covered_share"]) if t else None,  # no market value is known before the first session
                "n_peers": made["n_peers"],
                "size": scores.size[t, asset],
                "stretch": max(scores.size[t, each] for each in universe) / min(z[0][1], z[1][1]),
                "period_end": filing.period_end,
                "publish_date": filing.publish_date,
                "eff_date": filing.eff_date,
                **{f"share_{name}": float(made["by"][name]) if t else None for name in chosen["fallback"]},
            }
    return out
