"""Stories of pairs and neighbourhoods against the tables, the feed rows and plain loops; and nothing of them is of a later day."""

from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import pureplay
from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.graph.edges import GraphInputs, edges_of, load_inputs
from pureplay.graph.model import Model, term_names
from pureplay.graph.settings import GraphSettings
from pureplay.graph.stories import Neighbourhood, PairStory, neighbourhood, pair_story
from pureplay.graph.story_records import ARTICLES, DAILY, EVIDENCE, LINKS, PEERS
from pureplay.reports.pair import render_pair
from pureplay.synthetic import market, preset

ROW = 250


@pytest.fixture(scope="module")
def data() -> Dataset:
    made = market(**{**preset("comovement"), "stocks": 150, "sessions": 330})
    return Dataset(tables=made.tables, calendar="bars")


@pytest.fixture(scope="module")
def inputs(data: Dataset) -> GraphInputs:
    return load_inputs(data)


def day_of(inputs: GraphInputs, row: int = ROW) -> date:
    found: date = inputs.ground.axes.sessions.dates[row].item()
    return found


@pytest.fixture(scope="module")
def busiest(inputs: GraphInputs) -> str:
    """The stock with most edges that has confirmed and dark ones."""
    edges = edges_of(inputs, ROW)
    ends = pl.concat([edges["ts_a"], edges["ts_b"]]).value_counts(sort=True).sort("count", "ts_a", descending=[True, False])
    return str(ends["ts_a"][0])


def model(day: date) -> Model:
    """A made-up one, known from a day on."""
    terms = dict(zip(term_names("plain"), (0.05, 0.6, 0.02, 0.2, 0.1, 0.05, 0.03, -0.01), strict=True))
    return Model(
        variant="plain",
        terms=terms,
        dropped=(),
        fit_start=day - timedelta(days=400),
        fit_end=day - timedelta(days=100),
        known_from=day,
        vintages=12,
        observations=1000,
        descriptive=True,
        mse={},
        settings={"graph": GraphSettings().to_dict()},
        fingerprint={},
        version=pureplay.__version__,
    )


def tell(inputs: GraphInputs, a: str, b: str, day: date | None = None, **more: Any) -> PairStory:
    return pair_story(inputs, a, b, day or day_of(inputs), synthetic=True, **more)


def surround(inputs: GraphInputs, asset: str, day: date | None = None, **more: Any) -> Neighbourhood:
    return neighbourhood(inputs, asset, day or day_of(inputs), synthetic=True, **more)


def falls(column: pl.Series) -> bool:
    """Whether values fall and what is missing stands last."""
    known = column.drop_nulls()
    return known.is_sorted(descending=True) and column.head(known.len()).null_count() == 0


def test_every_edge_of_the_stock_is_a_peer_in_rank_order(inputs: GraphInputs, busiest: str) -> None:
    edges = edges_of(inputs, ROW)
    wanted = {
        row["ts_b"] if row["ts_a"] == busiest else row["ts_a"]: row for row in edges.to_dicts() if busiest in (row["ts_a"], row["ts_b"])
    }
    story = surround(inputs, busiest, most=500, names={busiest: "Focal", next(iter(wanted)): "Peer"})
    assert story.total == len(wanted) == story.peers.height > 15
    assert story.peers.schema == PEERS
    assert (story.asset, story.name, story.date, story.has_news) == (busiest, "Focal", day_of(inputs), True)
    for row in story.peers.to_dicts():
        edge = wanted.pop(row["peer"])
        assert all(row[name] == edge[name] for name in PEERS.names() if name in edge)
        column = inputs.ground.axes.assets.index(row["peer"])
        assert row["industry"] == inputs.ground.industries[inputs.ground.industry[ROW, column]]
    assert story.peers["name"].drop_nulls().to_list() == ["Peer"]
    assert story.peers["rank"].to_list() == list(range(1, story.total + 1))
    assert story.peers["confirmed"].is_sorted(descending=True), "without a forecast confirmed peers come first"
    assert all(falls(part["trailing_corr"]) for part in story.peers.partition_by("confirmed"))
    assert story.peers["confirmed"].n_unique() == 2


def test_the_forecast_ranks_where_there_is_one(inputs: GraphInputs, busiest: str) -> None:
    story = surround(inputs, busiest, model=model(day_of(inputs)))
    assert falls(story.peers["expected_fwd_corr"])
    assert story.peers["expected_fwd_corr"].null_count() == story.peers["trailing_corr"].null_count() < 3
    assert not falls(story.peers["trailing_corr"])
    early = surround(inputs, busiest, model=model(day_of(inputs) + timedelta(days=1)))
    assert early.peers["expected_fwd_corr"].null_count() == early.peers.height, "its fit has seen this vintage's future"


def test_most_cuts_peers_and_links_but_not_the_total(inputs: GraphInputs, busiest: str) -> None:
    whole, short = surround(inputs, busiest, most=500), surround(inputs, busiest, most=7)
    assert_frame_equal(short.peers, whole.peers.head(7), check_exact=True)
    assert short.total == whole.total > 7
    held = set(short.peers["peer"])
    edges = edges_of(inputs, ROW).to_dicts()
    wanted = [
        {"a": row["ts_a"], "b": row["ts_b"], "trailing_corr": row["trailing_corr"], "confirmed": row["confirmed"], "dark": row["dark"]}
        for row in edges
        if row["ts_a"] in held and row["ts_b"] in held
    ]
    assert short.links.to_dicts() == wanted
    assert short.links.schema == LINKS
    assert whole.links.height > 10
    with pytest.raises(SettingError, match="most must be a whole number of at least 1 peer, not 0"):
        surround(inputs, busiest, most=0)


def test_a_stock_without_peers_has_an_empty_neighbourhood(inputs: GraphInputs) -> None:
    edges = edges_of(inputs, ROW)
    alone = sorted(set(inputs.ground.axes.assets) - set(edges["ts_a"]) - set(edges["ts_b"]))
    story = surround(inputs, alone[0])
    assert (story.total, story.peers.height, story.links.height) == (0, 0, 0)
    assert story.peers.schema == PEERS


def naive_z(returns: Any) -> list[float | None]:
    known = [float(each) for each in returns if np.isfinite(each)]
    mean = sum(known) / len(known)
    spread = (sum((each - mean) ** 2 for each in known) / len(known)) ** 0.5
    return [(float(each) - mean) / spread if np.isfinite(each) else None for each in returns]


def test_a_pair_tells_the_edge_and_both_windows(inputs: GraphInputs, busiest: str) -> None:
    peers = surround(inputs, busiest).peers
    for state in ("confirmed", "dark"):
        row = peers.filter(state).to_dicts()[0]
        story = tell(inputs, busiest, row["peer"], names={busiest: "Focal"}, model=model(day_of(inputs)))
        assert [story.a, story.b] == sorted([busiest, row["peer"]])
        assert {story.name_a, story.name_b} == {"Focal", None}
        assert (story.confirmed, story.dark, story.mapped) == (state == "confirmed", state == "dark", True)
        assert (story.comention_strength, story.comention_days) == (row["comention_strength"], row["comention_days"])
        assert story.trailing_corr == row["trailing_corr"], "the same bits as the feed"
        assert story.articles.height == row["comention_strength"]
        assert story.articles.schema == ARTICLES
        assert story.articles["session"].is_sorted(descending=True)
        assert story.evidence.schema == EVIDENCE
        lamps = ("lamp_deep_peer", "lamp_sam_chain", "lamp_disclosed", "lamp_affiliate")
        lit = dict(story.evidence.select("lamp", "lit").iter_rows())
        assert [lit[name] for name in ("deep_peer", "chain", "disclosed", "affiliate")] == [row[name] for name in lamps]
        with_model = surround(inputs, busiest, model=model(day_of(inputs))).peers.filter(peer=row["peer"])
        assert story.expected_fwd_corr == with_model["expected_fwd_corr"].item()
        check_windows(inputs, story)


def check_windows(inputs: GraphInputs, story: PairStory) -> None:
    columns = [inputs.ground.axes.assets.index(each) for each in (story.a, story.b)]
    assert story.daily.schema == DAILY
    assert story.daily.height == 150
    for name, rows in (("trailing", slice(ROW - 89, ROW + 1)), ("forward", slice(ROW + 1, ROW + 61))):
        held = story.daily.filter(window=name)
        assert held["date"].to_list() == [each.item() for each in inputs.ground.axes.sessions.dates[rows]]
        total, common = 0.0, 0
        one, other = (naive_z(inputs.ground.returns[rows, each]) for each in columns)
        for row, x, y in zip(held.to_dicts(), one, other, strict=True):
            assert (row["z_a"] is None) == (x is None)
            assert row["z_a"] == (None if x is None else pytest.approx(x, abs=1e-9))  # 90 additions of numbers near 1
            assert row["z_b"] == (None if y is None else pytest.approx(y, abs=1e-9))
            if x is not None and y is not None:
                total, common = total + x * y, common + 1
        rho = total / max(common, len(one) * 2 / 3)
        assert getattr(story, f"{name}_corr") == pytest.approx(rho, abs=1e-9)
        assert getattr(story, f"{name}_overlap") == common
        assert story.contributions().filter(window=name)["contribution"].sum() == pytest.approx(rho, abs=1e-9)


def test_pearson_contributions_add_up_too(data: Dataset, busiest: str) -> None:
    inputs = load_inputs(data, GraphSettings(measure="pearson", trailing_sessions=60))
    gap = inputs.ground.returns[ROW - 59 : ROW + 1]
    holed = [each for each in surround(inputs, busiest).peers["peer"] if np.isnan(gap[:, inputs.ground.axes.assets.index(each)]).any()]
    stories = [tell(inputs, busiest, other) for other in [*holed, surround(inputs, busiest).peers["peer"][0]]]
    known = [each for each in stories if each.trailing_corr is not None and each.forward_corr is not None]
    assert any(each.trailing_overlap < 60 for each in known), "one with gaps"
    for story in known:
        assert story.trailing_sessions == 60
        found = story.contributions().group_by("window").agg(pl.col("contribution").sum())
        sums = dict(found.iter_rows())
        assert sums["trailing"] == pytest.approx(story.trailing_corr, abs=1e-9)
        assert sums["forward"] == pytest.approx(story.forward_corr, abs=1e-9)


def test_a_pair_that_no_article_names(inputs: GraphInputs, busiest: str) -> None:
    edges = edges_of(inputs, ROW)
    near = set(edges.filter(pl.col("ts_b") == busiest)["ts_a"]) | set(edges.filter(pl.col("ts_a") == busiest)["ts_b"])
    traded = np.flatnonzero(inputs.ground.market.traded[ROW])
    far = next(code for column in traded if (code := inputs.ground.axes.assets[column]) not in near | {busiest})
    story = tell(inputs, busiest, far, model=model(day_of(inputs)))
    assert (story.comention_strength, story.comention_days, story.dark, story.articles.height) == (0.0, 0, False, 0)
    assert story.trailing_corr is not None
    if not story.confirmed:
        terms = model(day_of(inputs)).terms
        lit = dict(story.evidence.select("lamp", "lit").iter_rows())["product_peer"]
        wanted = terms["intercept"] + terms["trailing"] * story.trailing_corr + terms["product_peer"] * lit
        assert story.expected_fwd_corr == pytest.approx(wanted, abs=1e-12), "dark counts for pairs in the news alone"


def test_tenders_are_told_and_light_nothing(inputs: GraphInputs, data: Dataset, busiest: str) -> None:
    day = day_of(inputs)
    rows = data.frame("mentions").head(2).with_columns(
        article=pl.lit("T1"), asset=pl.Series(["600000.SH", busiest]), kind=pl.lit("tender"),
        published_at=pl.lit(day - timedelta(days=9)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    )  # fmt: skip
    other = next(each for each in inputs.ground.axes.assets if each != busiest)
    rows = rows.with_columns(asset=pl.Series([other, busiest]))
    told = load_inputs(replace(data, tables={**data.tables, "mentions": pl.concat([data.frame("mentions"), rows])}))
    before, after = tell(inputs, busiest, other), tell(told, busiest, other)
    bid = after.evidence.filter(lamp="bid").row(-1, named=True)
    assert bid == {"lamp": "bid", "lit": True, "text": "a tender announcement of the last 90 days names both", "known_since": None}
    assert after.confirmed == before.confirmed
    assert after.articles.equals(before.articles)


def test_the_vintage_is_the_last_session_on_or_before_the_day(inputs: GraphInputs, busiest: str) -> None:
    dates = inputs.ground.axes.sessions.dates
    row = next(k for k in range(200, 300) if dates[k + 1] - dates[k] > np.timedelta64(2, "D"))
    saturday = dates[row].item() + timedelta(days=1)
    assert surround(inputs, busiest, saturday).date == dates[row].item()
    late = surround(inputs, busiest, date(2100, 1, 1))
    assert late.date == dates[-1].item()


def test_a_window_past_the_end_is_none(inputs: GraphInputs, busiest: str) -> None:
    other = surround(inputs, busiest).peers["peer"][0]
    dates = inputs.ground.axes.sessions.dates
    last, short = tell(inputs, busiest, other, dates[-61].item()), tell(inputs, busiest, other, dates[-60].item())
    assert last.forward_corr is not None
    assert (short.forward_corr, short.forward_overlap) == (None, None)
    assert short.daily["window"].unique().to_list() == ["trailing"]


def test_nothing_but_the_forward_window_is_of_a_later_day(data: Dataset, inputs: GraphInputs, busiest: str) -> None:
    day = day_of(inputs)
    then = load_inputs(data.as_of(day))
    now, past = surround(inputs, busiest), surround(then, busiest)
    assert_frame_equal(now.peers, past.peers, check_exact=True)
    assert_frame_equal(now.links, past.links, check_exact=True)
    for other in (now.peers["peer"][0], now.peers["peer"][-1]):
        one, two = tell(inputs, busiest, other), tell(then, busiest, other)
        for each in fields(PairStory):
            if not each.name.startswith("forward_") and each.name != "daily":
                left, right = getattr(one, each.name), getattr(two, each.name)
                assert left.equals(right) if isinstance(left, pl.DataFrame) else left == right, each.name
        assert one.daily.filter(window="trailing").equals(two.daily)
        assert two.forward_corr is None


def test_links_stand_in_for_news(data: Dataset, busiest: str) -> None:
    inputs = load_inputs(data, GraphSettings(substrate="links"))
    story = surround(inputs, busiest)
    assert not story.has_news
    assert story.peers["confirmed"].all()
    told = tell(inputs, busiest, story.peers["peer"][0])
    assert (told.comention_strength, told.comention_days, told.articles.height, told.dark) == (None, None, 0, False)


def test_questions_without_an_answer_say_why(inputs: GraphInputs, busiest: str) -> None:
    wrong = f"{busiest[:-1]}X"
    with pytest.raises(SettingError, match=rf"'{wrong}' is none of the \d+ stocks of the data; nearest: .*{busiest}"):
        surround(inputs, wrong)
    with pytest.raises(SettingError, match=r"'\?' is none of the \d+ stocks of the data; codes look like"):
        tell(inputs, busiest, "?")
    with pytest.raises(SettingError, match="a pair is two different stocks"):
        tell(inputs, busiest, busiest)
    first = inputs.ground.axes.sessions.dates[89].item()
    assert tell(inputs, *inputs.ground.axes.assets[:2], first).date == first
    with pytest.raises(InsufficientDataError, match=rf"90 sessions up to the day are needed, .* has 89: the first such day is {first}"):
        tell(inputs, *inputs.ground.axes.assets[:2], first - timedelta(days=1))
    with pytest.raises(InsufficientDataError, match="has 0"):
        surround(inputs, busiest, date(1990, 1, 1))


def test_a_model_of_another_graph_is_refused(inputs: GraphInputs, busiest: str) -> None:
    other = replace(model(day_of(inputs)), settings={"graph": replace(inputs.settings, min_share=0.2).to_dict()})
    peer = surround(inputs, busiest).peers["peer"][0]
    with pytest.raises(SettingError, match="another graph"):
        surround(inputs, busiest, model=other)
    with pytest.raises(SettingError, match="another graph"):
        tell(inputs, busiest, peer, model=other)


def test_a_pair_of_the_holdout_has_no_forward_figure(inputs: GraphInputs, busiest: str) -> None:
    peer, day = surround(inputs, busiest).peers["peer"][0], day_of(inputs)
    whole = tell(inputs, busiest, peer)
    later = tell(inputs, busiest, peer, holdout_start=day + timedelta(days=1))
    assert whole.forward_corr is not None
    assert (later.forward_corr, later.note) == (whole.forward_corr, "")
    shut = tell(inputs, busiest, peer, holdout_start=day)
    assert (shut.forward_corr, shut.forward_overlap) == (None, None)
    assert shut.daily["window"].unique().to_list() == ["trailing"]
    assert shut.trailing_corr == whole.trailing_corr
    assert "the lock box is shut for single pairs too" in shut.note
    page = render_pair(shut, manifest={})
    assert "the lock box is shut for single pairs too" in page
    assert "the data end before" not in page
