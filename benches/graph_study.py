"""Graph: one vintage from news to edges, and the whole co-movement study, on a market with the news of the preset "comovement"."""

import tempfile
import time
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from measuring import Row, agree, best_of, copy_seconds, peak_mb, reset_peak

from pureplay.dataset import Dataset
from pureplay.graph.comention import News, co_mentions
from pureplay.graph.edges import GraphInputs, build_panel, edges_of, load_inputs
from pureplay.graph.ground import month_ends
from pureplay.graph.settings import GraphSettings
from pureplay.studies.comovement import Opening, run_comovement
from pureplay.synthetic import market, preset

NAIVE = "graph_vintage: pandas, a self-join of the window's articles and a groupby, against our pairs of the news alone"
VINTAGE_SECONDS = 3.0
STUDY_SECONDS = 180.0
STUDY_MB = 4000
REPEATS = 5


def measure_vintage(stocks: int, sessions: int, folder: Path) -> Row:
    """Time pairs, random pairs, lamps, both correlations and the edges of one vintage, each time another; pandas takes the news alone."""
    inputs = load_inputs(Dataset.open(folder), _settings(sessions))
    rows = month_ends(inputs.ground.axes, sessions=inputs.settings.trailing_sessions)
    rows = rows[rows + inputs.settings.forward_sessions < sessions][-REPEATS - 1 :]
    turn = cycle(rows)

    def work() -> None:
        row = next(turn)
        build_panel(inputs, np.array([row]), seed=1)
        edges_of(inputs, int(row))

    work()  # compiles
    reset_peak()
    seconds = best_of(work, repeats=REPEATS)
    peak = peak_mb()
    days = inputs.settings.trailing_sessions + inputs.settings.forward_sessions
    return Row(
        name="graph_vintage",
        seconds=seconds,
        peak_mb=peak,
        ratio_naive=_pandas(inputs, int(rows[-1])),
        ratio_peer=None,
        ratio_limit=seconds / copy_seconds(8 * days * stocks),
        cells_per_second=stocks * sessions / seconds,
        peer=None,
        limit="copy of both windows in memory, once",
        bar_seconds=VINTAGE_SECONDS,
    )


def measure_study(stocks: int, sessions: int, folder: Path) -> Row:
    """Time the study, tables read included, once, after one on a small market has compiled the kernels."""
    with tempfile.TemporaryDirectory() as place:
        small = market(**{**preset("comovement"), "stocks": 150, "sessions": 500, "seed": 1})
        _study(Dataset(tables=small.tables, calendar="XSHG", notes={"synthetic": True}).write(Path(place) / "small"), 500)
    reset_peak()
    start = time.perf_counter()
    _study(Dataset.open(folder), sessions)
    seconds = time.perf_counter() - start
    return Row(
        name="graph_study",
        seconds=seconds,
        peak_mb=peak_mb(),
        ratio_naive=None,
        ratio_peer=None,
        ratio_limit=seconds / best_of(lambda: [pl.read_parquet(each) for each in sorted(folder.glob("*.parquet"))], repeats=3),
        cells_per_second=stocks * sessions / seconds,
        peer=None,
        limit="polars reading every table of the dataset once, nothing computed",
        bar_seconds=STUDY_SECONDS,
    )


def _settings(sessions: int) -> GraphSettings:
    """The default windows; shorter ones where the data hold too few of them."""
    return GraphSettings(trailing_sessions=min(90, sessions // 8), forward_sessions=min(60, sessions // 8))


def _study(data: Dataset, sessions: int) -> None:
    run_comovement(data, _settings(sessions), opening=lambda _: Opening(count=1, records=()))


def _pandas(inputs: GraphInputs, row: int) -> float:
    """How many times longer than ours a self-join of the window's articles and a groupby take; pairs, articles and days must be ours."""
    news = inputs.news
    if news is None:
        raise SystemExit("graph_vintage: the market has no news")
    said = _said(inputs, news, row)

    def joined() -> pd.DataFrame:
        both = said.merge(said, on=["article", "session"])
        both = both[both["asset_x"] < both["asset_y"]]
        return both.groupby(["asset_x", "asset_y"]).agg(strength=("article", "size"), days=("session", "nunique")).reset_index()

    theirs, ours = joined(), co_mentions(news, row, inputs.settings)
    for name, values in (("asset_x", ours.a), ("asset_y", ours.b), ("strength", ours.strength), ("days", ours.days)):
        agree(theirs[name].to_numpy(dtype=np.float64), values.astype(np.float64), tolerance=0.0, what="graph_vintage against pandas")
    return best_of(joined, repeats=2) / best_of(lambda: co_mentions(news, row, inputs.settings))


def _said(inputs: GraphInputs, news: News, row: int) -> pd.DataFrame:
    """article, session, asset (column) of the articles of the window that name stocks with a bar by then."""
    dates = inputs.ground.axes.sessions.dates
    inside = (dates[news.session] <= dates[row]) & (dates[news.session] > dates[row] - np.timedelta64(inputs.settings.comention_days, "D"))
    article, ends = news.pairs.article, (news.pairs.a, news.pairs.b)
    frame = pd.DataFrame({"article": np.tile(article, 2), "asset": np.concatenate(ends)}).drop_duplicates()
    frame = frame[inside[frame["article"]] & (news.first_row[frame["asset"]] <= row)]
    return frame.assign(session=news.session[frame["article"]])
