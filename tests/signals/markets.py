"""Small random markets that hold everything a real one throws at the signal; the same seed gives the same tables."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

Tables = dict[str, pl.DataFrame]
START = date(2021, 4, 1)

# product, parent, start, end. C is a leaf above level 2; D is one until D1 appears; A3 and B3 come and go; A2 ends a branch early.
TREE: list[tuple[str, str | None, date | None, date | None]] = [
    ("A", None, None, None),
    ("A1", "A", None, None),
    ("A11", "A1", None, None),
    ("A12", "A1", None, None),
    ("A121", "A12", None, None),
    ("A122", "A12", None, None),
    ("A2", "A", None, None),
    ("A3", "A", date(2018, 1, 1), date(2021, 6, 15)),
    ("B", None, None, None),
    ("B1", "B", None, None),
    ("B11", "B1", None, date(2021, 5, 20)),
    ("B12", "B1", None, None),
    ("B2", "B", None, None),
    ("B3", "B", date(2021, 5, 3), None),
    ("C", None, None, None),
    ("D", None, None, None),
    ("D1", "D", date(2021, 5, 14), None),
]
THEMES = [("A11", "A12", "A1"), ("A121", "A122", "A11"), ("B11", "B12", "B1"), ("A2", "A3", "A"), ("C", "B2", "D"), ("D", "C", "B12")]
PERIODS = [
    date(2019, 3, 31),
    date(2019, 6, 30),
    date(2019, 12, 31),
    date(2020, 3, 31),
    date(2020, 6, 30),
    date(2020, 12, 31),
    date(2021, 3, 31),
]


def market(seed: int, *, stocks: int = 14, sessions: int = 56) -> Tables:
    """Tables bars, assets, taxonomy, filings, segments and industries."""
    rng = np.random.default_rng(seed)
    names = [f"S{k:03d}" for k in range(stocks)]
    themes = [int(rng.integers(0, min(len(THEMES), max(2, stocks // 6)))) + (k % 7 == 0) for k in range(stocks)]
    days = _days(rng, sessions)
    segments, filings = _reports(rng, names, [theme % len(THEMES) for theme in themes])
    return {
        "bars": _bars(rng, names, days),
        "assets": _assets(rng, names, days),
        "taxonomy": pl.DataFrame(
            TREE, schema={"product": pl.String, "parent": pl.String, "start_date": pl.Date, "end_date": pl.Date}, orient="row"
        ),
        "filings": filings,
        "segments": segments,
        "industries": _industries(rng, names, days),
    }


def exposures(tables: Tables, seed: int, *, factors: int = 3) -> pl.DataFrame:
    """Random exposures x0, x1, … by date and asset; some absent row by row, some value by value, one stock without any."""
    rng = np.random.default_rng([seed, 77])
    keys = tables["bars"].select("date", "asset").sort("date", "asset").filter(pl.col("asset") != "S006")
    values = {f"x{k}": pl.Series(np.where(rng.random(keys.height) < 0.02, np.nan, rng.normal(k, 1, keys.height))) for k in range(factors)}
    frame = keys.with_columns(**values).with_columns(pl.col("^x.*$").fill_nan(None))
    return frame.filter(pl.Series(rng.random(keys.height) > 0.02))


def _days(rng: np.random.Generator, sessions: int) -> list[date]:
    days, day = [], START
    while len(days) < sessions:
        if day.weekday() < 5 and rng.random() > 0.03:
            days.append(day)
        day += timedelta(days=1)
    return days


def _bars(rng: np.random.Generator, names: list[str], days: list[date]) -> pl.DataFrame:
    common = rng.normal(0, 0.01, (len(days), 3))
    rows: list[dict[str, Any]] = []
    for k, name in enumerate(names):
        ret = common[:, k % 3] + rng.normal(0, 0.015, len(days))
        if k % 11 == 4:
            ret = np.full(len(days), 2.0**-10)  # a constant return whose weighted mean has no rounding
        cap = float(np.exp(rng.normal(22, 1.2)))
        if k == 1:
            cap *= 10.0 ** rng.choice([4, 6, 9, 12])  # dominates every basket it is in
        first, last = 0, len(days)
        if k % 6 == 5:
            first = int(rng.integers(3, len(days) // 2))  # listed while the data run
        if k % 9 == 8:
            last = int(rng.integers(len(days) // 2, len(days)))
        off = _suspended(rng, len(days), k)
        for t in range(first, last):
            volume = None if k % 8 == 3 else float(rng.integers(100, 10_000))
            cap *= 1 + min(max(ret[t], -0.5), 0.5)
            row = {
                "date": days[t],
                "asset": name,
                "ret": float(ret[t]),
                "volume": volume,
                "total_cap": cap,
                "float_cap": cap * (0.2 + 0.05 * (k % 9)),
            }
            if t == first and first and k % 2:
                row["ret"] = None  # no return on the first day
            if t in off:
                if k % 2:
                    continue  # suspended: no row
                row |= {"volume": 0.0, "ret": 0.0}  # suspended: a row with volume 0
            for name_of, chance in (("total_cap", 0.02), ("float_cap", 0.02), ("ret", 0.01)):
                if rng.random() < chance:
                    row[name_of] = None
            rows.append(row)
    frame = pl.DataFrame(rows)
    return _ticks(rng, _ties(frame), names, days)


def _suspended(rng: np.random.Generator, sessions: int, k: int) -> set[int]:
    off = {t for t in range(sessions) if rng.random() < 0.02}
    if k % 5 == 2:
        at = int(rng.integers(0, sessions - 8))
        off |= set(range(at, at + int(rng.integers(2, 8))))
    return off


def _ties(bars: pl.DataFrame) -> pl.DataFrame:
    """S003 moves exactly as S000 wherever both have a bar."""
    twin = bars.filter(pl.col("asset") == "S000").select("date", twin="ret", asset=pl.lit("S003"))
    joined = bars.join(twin, on=["date", "asset"], how="left", maintain_order="left")
    moves = (pl.col("volume").is_null() | (pl.col("volume") > 0)) & pl.col("ret").is_not_null()
    return joined.with_columns(ret=pl.when(moves & pl.col("twin").is_not_null()).then("twin").otherwise("ret")).drop("twin")


def _ticks(rng: np.random.Generator, bars: pl.DataFrame, names: list[str], days: list[date]) -> pl.DataFrame:
    """One wrong return of 1e6, one of almost -1."""
    wild, dead = rng.choice(len(names), 2, replace=False)
    early = len(days) // 4
    for who, when, value in ((wild, early, 1e6), (dead, early + 5, -1 + 1e-9)):
        hit = (pl.col("asset") == names[who]) & (pl.col("date") == days[when]) & (pl.col("volume").fill_null(1) > 0)
        bars = bars.with_columns(ret=pl.when(hit).then(value).otherwise("ret"))
    return bars


def _assets(rng: np.random.Generator, names: list[str], days: list[date]) -> pl.DataFrame:
    rows = []
    for k, name in enumerate(names):
        if k % 10 == 9:
            continue  # nothing is known about it
        issuer = {0: "one", 6: "one", 7: name, 12: "two", 13: "two"}.get(k)
        listed: date | None = days[0] - timedelta(days=int(rng.integers(300, 4000)))
        if k % 4 == 1:
            listed = None
        if k % 7 == 2:
            listed = days[0] - timedelta(days=int(rng.integers(1, 40)))  # shortly before the data start
        if k % 12 == 5:
            listed = days[0] + timedelta(days=int(rng.integers(1, 5)))  # long before its first bar
        rows.append({"asset": name, "issuer": issuer, "list_date": listed, "delist_date": days[-1] if k % 9 == 8 else None})
    types = {"asset": pl.String, "issuer": pl.String, "list_date": pl.Date, "delist_date": pl.Date}
    return pl.DataFrame(rows, schema=types)


def _industries(rng: np.random.Generator, names: list[str], days: list[date]) -> pl.DataFrame:
    rows = []
    for k, name in enumerate(names):
        for scheme, codes in (("l1", 2), ("l2", 4)):
            code = f"{scheme}-{k % codes}"
            moved = days[int(rng.integers(2, len(days)))]
            if k % 5 == 3:  # changes its industry, with a gap of a day or an overlap
                end = [moved, moved - timedelta(days=1), None][int(rng.integers(0, 3))]
                rows.append((name, scheme, date(2010, 1, 1), end, code))
                rows.append((name, scheme, moved, None, f"{scheme}-{(k + 1) % codes}"))
            elif k % 13 != 11:
                rows.append((name, scheme, date(2010, 1, 1), None, code))
    types = {"asset": pl.String, "scheme": pl.String, "start_date": pl.Date, "end_date": pl.Date, "code": pl.String}
    return pl.DataFrame(rows, schema=types, orient="row")


# ---------------------------------------------------------------- reports


def _reports(rng: np.random.Generator, names: list[str], themes: list[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    lines: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    for k, name in enumerate([*names, "NOBARS"]):
        if k % 15 == 14:
            continue  # never filed
        theme = THEMES[themes[k % len(names)]]
        mix = _mix(rng, theme, k)
        scale = float(rng.integers(2, 50)) * 10
        for period in PERIODS:
            if k % 8 == 6 and period > date(2019, 6, 30):
                continue  # stopped filing: what it has grows stale
            months = 12 if period.month == 12 else period.month
            for revision, publish in _versions(rng, period, k):
                if rng.random() < 0.35:
                    mix = _drift(rng, mix, theme)
                _file(rng, lines, heads, (name, period, revision, publish), {node: share * scale * months for node, share in mix.items()})
    segments = pl.DataFrame(
        lines,
        schema={
            "asset": pl.String,
            "period_end": pl.Date,
            "revision": pl.Int64,
            "publish_date": pl.Date,
            "product": pl.String,
            "kind": pl.String,
            "revenue": pl.Float64,
        },
    )
    filings = pl.DataFrame(
        heads,
        schema={"asset": pl.String, "period_end": pl.Date, "revision": pl.Int64, "publish_date": pl.Date, "total_revenue": pl.Float64},
    )
    return segments, filings


def _mix(rng: np.random.Generator, theme: tuple[str, ...], k: int) -> dict[str, int]:
    """Shares in percent."""
    main = int(rng.choice([50, 51, 60, 70, 80, 90, 100]))
    mix = {theme[k % 2]: main}
    if main < 100:
        other = int(rng.choice([0, (100 - main) // 2, 100 - main]))
        mix[theme[1 - k % 2]] = other
        mix["unmapped"] = 100 - main - other
    return {node: share for node, share in mix.items() if share}


def _drift(rng: np.random.Generator, mix: dict[str, int], theme: tuple[str, ...]) -> dict[str, int]:
    largest = max(mix, key=lambda node: mix[node])
    move = int(rng.integers(0, mix[largest] // 3 + 1))
    into = str(rng.choice([*theme, "B2", "C"]))
    return {**mix, largest: mix[largest] - move, into: mix.get(into, 0) + move * (into != largest) + (move if into == largest else 0)}


def _versions(rng: np.random.Generator, period: date, k: int) -> list[tuple[int, date]]:
    """Revision and publish date: some late, some restated, some restated out of order or on the same day."""
    lag = int(rng.integers(20, 60))
    if k % 6 == 1 and period == date(2020, 12, 31):
        lag = int(rng.integers(110, 170))  # after the next quarter's report
    if k % 8 == 6:
        lag = int(rng.integers(100, 150))
    out = [(0, period + timedelta(days=lag))]
    if period >= date(2020, 3, 31) and rng.random() < 0.4:
        restated = date(2021, 3, 1) + timedelta(days=int(rng.integers(0, 90)))
        if restated > out[0][1]:
            out.append((1, restated))
            if rng.random() < 0.4:
                out.append((2, restated))
    return out


def _file(
    rng: np.random.Generator,
    lines: list[dict[str, Any]],
    heads: list[dict[str, Any]],
    key: tuple[str, date, int, date],
    amounts: Mapping[str, float],
) -> None:
    name, period, revision, publish = key
    amounts = {node: amount for node, amount in amounts.items() if node == "unmapped" or _known(node, publish)}
    if rng.random() < 0.2:
        amounts = {node: round(amount * 1.01, 2) for node, amount in amounts.items()}  # cents
    total = round(sum(amounts.values()), 2)
    extra: list[tuple[str, str, float]] = []
    what = rng.random()
    if what < 0.08:  # the parent beside the children, with a rest of its own
        parents = {"A11": "A1", "A12": "A1", "B11": "B1", "B12": "B1", "A121": "A12"}
        above = sorted({parents[node] for node in amounts if node in parents} - set(amounts))
        for parent in above[:1]:
            inside = sum(amount for node, amount in amounts.items() if parents.get(node) == parent)
            extra.append((parent, "product", round(inside + (total * 0.1 if rng.random() < 0.5 else 0), 2)))
            total = round(total + extra[-1][2] - inside, 2)
    elif what < 0.14:
        largest = max(amounts, key=lambda node: amounts[node])
        extra.append(("B2" if largest != "B2" else "C", "product", amounts[largest]))  # one amount under two names
        extra = [each for each in extra if each[0] not in amounts]
    elif what < 0.17:
        extra.append(("NODE", "product", 5.0))  # not in the taxonomy: the whole filing goes
    elif what < 0.25:
        extra.append(("east", "region", total))
    elif what < 0.30 and "C" not in amounts:
        extra.append(("C", "product", 0.0))
    rows = [(node, "product", amount) for node, amount in amounts.items()] + extra
    for node, kind, revenue in rows:
        lines.append(
            {
                "asset": name,
                "period_end": period,
                "revision": revision,
                "publish_date": publish,
                "product": node,
                "kind": kind,
                "revenue": revenue,
            }
        )
    stated: float | None = total
    if rng.random() < 0.15:
        stated = round(total * 1.3, 2)  # more than the segments say
    elif rng.random() < 0.1:
        stated = None
    if rng.random() > 0.05:
        heads.append({"asset": name, "period_end": period, "revision": revision, "publish_date": publish, "total_revenue": stated})


def _known(node: str, publish: date) -> bool:
    starts = {name: start for name, _, start, _ in TREE}
    return starts[node] is None or starts[node] <= publish  # type: ignore[operator]
