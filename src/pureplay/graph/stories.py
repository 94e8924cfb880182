"""The story of one pair and the neighbourhood of one stock at any day, from the inputs of a graph."""

from collections.abc import Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.arrays import Lamps
from pureplay.graph.comention import articles_of_pair, tender_pairs
from pureplay.graph.edges import GraphInputs, edges_of, substrate
from pureplay.graph.evidence import evidence
from pureplay.graph.feed import peer_lists
from pureplay.graph.lamps import lamps_at
from pureplay.graph.model import Model, predict, require_model
from pureplay.graph.story_records import ARTICLES, DAILY, EVIDENCE, LINKS, PEERS, SHUT, Neighbourhood, PairStory
from pureplay.panel import FloatArray, IndexArray
from pureplay.stats.correlation import panel_correlations, window
from pureplay.stats.given import is_whole_number
from pureplay.stats.lookahead import forward_correlations

__all__ = ["Neighbourhood", "PairStory", "column_of", "neighbourhood", "pair_story"]


def pair_story(
    inputs: GraphInputs,
    a: str,
    b: str,
    day: date,
    *,
    synthetic: bool,
    names: Mapping[str, str] | None = None,
    model: Model | None = None,
    holdout_start: date | None = None,
) -> PairStory:
    """Articles, lamps with evidence and both correlation windows of two stocks at the vintage of a day.

    The vintage is the last session on or before `day`. The pair need not be co-mentioned. All but the forward window is as known on the
    vintage. synthetic: whether the data are simulated (`Dataset.notes`). names: names by code, for display. holdout_start: at a vintage on
    or after it the forward window is left out, and a note says so. Raises SettingError for a code that the data do not have, twice the
    same one or a model of another graph or version, InsufficientDataError where the trailing window begins before the data.
    """
    if model is not None:
        require_model(model, inputs.settings)
    row = _vintage(inputs, day)
    first, second = sorted((column_of(inputs, a), column_of(inputs, b)))
    if first == second:
        raise SettingError(f"a pair is two different stocks, not {a!r} twice: name another one")
    columns = _pair(first, second)
    settings, known = inputs.settings, names or {}
    lamps = lamps_at(inputs.structure, row, *columns)
    strength, days = _mentions(inputs, row, first, second)
    confirmed = bool(lamps.confirmed(peer_confirms=settings.peer_confirms)[0])
    trailing, forward = _correlations(inputs, row, *columns)
    shut = holdout_start is not None and _day(inputs, row) >= holdout_start
    rows = {name: each for name, each in _windows(inputs, row).items() if name == "trailing" or not shut}
    codes = inputs.ground.axes.assets
    return PairStory(
        a=codes[first],
        b=codes[second],
        name_a=known.get(codes[first]),
        name_b=known.get(codes[second]),
        date=_day(inputs, row),
        synthetic=synthetic,
        confirmed=confirmed,
        dark=bool(strength) and not confirmed and bool(lamps.mapped[0]),
        mapped=bool(lamps.mapped[0]),
        articles=_articles(inputs, row, first, second),
        evidence=_evidence(inputs, row, first, second),
        trailing_corr=_known(trailing[0]),
        trailing_overlap=_overlap(inputs, rows["trailing"], first, second),
        forward_corr=None if shut else _known(forward[0]),
        forward_overlap=_overlap(inputs, rows["forward"], first, second) if "forward" in rows else None,
        expected_fwd_corr=_expected(model, _day(inputs, row), trailing, lamps, bool(strength) or strength is None),
        daily=_daily(inputs, rows, first, second),
        comention_strength=strength,
        comention_days=days,
        calendar_days=settings.comention_days,
        **{name: getattr(settings, name) for name in ("trailing_sessions", "forward_sessions", "measure", "returns", "timezone")},
        note=SHUT if shut else "",
    )


def neighbourhood(
    inputs: GraphInputs,
    asset: str,
    day: date,
    *,
    synthetic: bool,
    most: int = 50,
    names: Mapping[str, str] | None = None,
    model: Model | None = None,
) -> Neighbourhood:
    """A stock, the first `most` of its peers at the vintage of a day in rank order, and the edges among these.

    Vintage, synthetic, names and errors: see `pair_story`. Raises SettingError also where `most` is below 1 or the model is of another
    graph or version.
    """
    if not is_whole_number(most, 1):
        raise SettingError(f"most must be a whole number of at least 1 peer, not {most!r}")
    row, column = _vintage(inputs, day), column_of(inputs, asset)
    axes = inputs.ground.axes
    code = axes.assets[column]
    edges = edges_of(inputs, row, model=model)
    ranked = _ranked(edges, code)
    shown = ranked.head(most)
    industry = inputs.ground.industry[row, axes.asset_index(shown["peer"])]
    labels = [inputs.ground.industries[each] if each >= 0 else None for each in industry.tolist()]
    known = names or {}
    called = [known.get(each) for each in shown["peer"].to_list()]
    peers = shown.with_columns(name=pl.Series(called, dtype=pl.String), industry=pl.Series(labels, dtype=pl.String))
    inside = pl.col("ts_a").is_in(shown["peer"].implode()) & pl.col("ts_b").is_in(shown["peer"].implode())
    return Neighbourhood(
        asset=code,
        name=known.get(code),
        date=_day(inputs, row),
        synthetic=synthetic,
        total=ranked.height,
        peers=peers.select(pl.col(name).cast(kind) for name, kind in PEERS.items()),
        links=edges.filter(inside).rename({"ts_a": "a", "ts_b": "b"}).select(pl.col(name).cast(kind) for name, kind in LINKS.items()),
        trailing_sessions=inputs.settings.trailing_sessions,
        has_news=inputs.news is not None,
    )


def _ranked(edges: pl.DataFrame, code: str) -> pl.DataFrame:
    """Edges of a stock in the order of the peers feed."""
    own = edges.filter((pl.col("ts_a") == code) | (pl.col("ts_b") == code))
    own = own.with_columns(peer=pl.when(pl.col("ts_a") == code).then("ts_b").otherwise("ts_a"))
    order = peer_lists(own).filter(pl.col("ts_code") == code).select("rank", "peer")
    return order.join(own, on="peer", maintain_order="left")


def _vintage(inputs: GraphInputs, day: date) -> int:
    dates, needed = inputs.ground.axes.sessions.dates, inputs.settings.trailing_sessions
    row = int(np.searchsorted(dates, np.datetime64(day, "D"), side="right")) - 1
    if row < needed - 1:
        start = f"the first such day is {dates[needed - 1]}" if dates.size >= needed else f"the data have {dates.size}"
        raise InsufficientDataError(f"{needed} sessions up to the day are needed, {day} has {row + 1}: {start}; name a later day")
    return row


def column_of(inputs: GraphInputs, code: str) -> int:
    """Column of a code; raises SettingError with the nearest codes where the data have no such stock."""
    assets = inputs.ground.axes.assets
    if code in assets:
        return assets.index(code)
    close = get_close_matches(str(code), assets, n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(close)}" if close else f"codes look like {', '.join(assets[:3])}"
    raise SettingError(f"{code!r} is none of the {len(assets)} stocks of the data; {hint}")


def _pair(first: int, second: int) -> tuple[IndexArray, IndexArray]:
    return np.array([first], dtype=np.int32), np.array([second], dtype=np.int32)


def _day(inputs: GraphInputs, row: int) -> date:
    found: date = inputs.ground.axes.sessions.dates[row].astype("datetime64[D]").item()
    return found


def _expected(model: Model | None, day: date, trailing: FloatArray, lamps: Lamps, news: bool) -> float | None:
    if model is None or model.in_sample(day):
        return None
    return _known(predict(model, trailing, lamps, np.array([news]))[0])


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mentions(inputs: GraphInputs, row: int, first: int, second: int) -> tuple[float | None, int | None]:
    if inputs.news is None:
        return None, None
    pairs = substrate(inputs, row)
    at = np.flatnonzero((pairs.a == first) & (pairs.b == second))
    return (float(pairs.strength[at[0]]), int(pairs.days[at[0]])) if at.size else (0.0, 0)


def _correlations(inputs: GraphInputs, row: int, a: IndexArray, b: IndexArray) -> tuple[FloatArray, FloatArray]:
    settings, returns = inputs.settings, inputs.ground.returns
    given = (returns, np.array([row], dtype=np.int64), np.array([0, 1], dtype=np.int64), a, b)
    return (
        panel_correlations(*given, sessions=settings.trailing_sessions, measure=settings.measure),
        forward_correlations(*given, sessions=settings.forward_sessions, measure=settings.measure),
    )


def _windows(inputs: GraphInputs, row: int) -> dict[str, slice]:
    """Rows of each window that lies inside the data."""
    settings = inputs.settings
    made = {
        "trailing": slice(row + 1 - settings.trailing_sessions, row + 1),
        "forward": slice(row + 1, row + 1 + settings.forward_sessions),
    }
    return {name: rows for name, rows in made.items() if rows.stop <= inputs.ground.returns.shape[0]}


def _overlap(inputs: GraphInputs, rows: slice, first: int, second: int) -> int:
    return int(np.isfinite(inputs.ground.returns[rows][:, [first, second]]).all(axis=1).sum())


def _daily(inputs: GraphInputs, windows: dict[str, slice], first: int, second: int) -> pl.DataFrame:
    parts = []
    for name, rows in windows.items():
        returns = inputs.ground.returns[rows][:, [first, second]]
        z = _z_scores(returns, common=inputs.settings.measure == "pearson")
        block = {"z_a": z[:, 0], "z_b": z[:, 1], "ret_a": returns[:, 0], "ret_b": returns[:, 1]}
        days = inputs.ground.axes.day_column(inputs.ground.axes.sessions.dates[rows])
        parts.append(pl.DataFrame({"date": days, "window": [name] * days.len(), **block}, schema=DAILY))
    return pl.concat(parts).with_columns(pl.col(pl.Float64).fill_nan(None))


def _z_scores(returns: FloatArray, *, common: bool) -> FloatArray:
    """z-scores over each one's own days, or over the common days; NaN where a stock has none or cannot be used."""
    usable = window(returns, first=0, last=returns.shape[0]).usable
    base = np.where(np.isfinite(returns).all(axis=1, keepdims=True), returns, np.nan) if common else returns
    valid = np.isfinite(base)
    out = np.full(returns.shape, np.nan)
    for k in range(2):
        x = base[valid[:, k], k]
        if usable[k] and x.size and x.std() > 0:
            out[valid[:, k], k] = (x - x.mean()) / x.std()
    return out


def _evidence(inputs: GraphInputs, row: int, first: int, second: int) -> pl.DataFrame:
    return pl.DataFrame(list(_facts(inputs, row, first, second)), schema=EVIDENCE, orient="row")


def _facts(inputs: GraphInputs, row: int, first: int, second: int) -> Iterator[tuple[Any, ...]]:
    named = False
    if inputs.news is not None:
        a, b = tender_pairs(inputs.news, row, inputs.settings)
        named = bool(np.any((a == first) & (b == second)))
    for line in evidence(inputs.structure, row, first, second):
        if not (named and line.lamp == "bid" and not line.lit):
            yield tuple(line)
    if named:
        yield "bid", True, f"a tender announcement of the last {inputs.settings.comention_days} days names both", None


def _articles(inputs: GraphInputs, row: int, first: int, second: int) -> pl.DataFrame:
    if inputs.news is None:
        return pl.DataFrame(schema=ARTICLES)
    found = articles_of_pair(inputs.news, first, second, row, inputs.settings).select(
        pl.col(name).cast(kind) for name, kind in ARTICLES.items()
    )
    return found.sort("session", "published_at", "article", descending=[True, True, False])
