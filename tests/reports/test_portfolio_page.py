"""The page of a portfolio study: self-contained, escaped, its figures those of the record, controls never findings."""

import math
import re
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from plotly.offline import get_plotlyjs

from pureplay.reports.gallery import Chart
from pureplay.reports.portfolio import render_portfolios
from pureplay.reports.portfolio_gallery import portfolio_gallery
from pureplay.reports.portfolio_wording import APPROXIMATE, lead
from pureplay.reports.wording import SYNTHETIC
from pureplay.studies.luck import LUCK
from pureplay.studies.portfolio_records import PortfolioStudy
from tests.reports.factory import HOSTILE, MANIFEST, REFUSED
from tests.reports.portfolio_factory import FIRST, emptied, luck_rows, portfolios
from tests.reports.test_tearsheet import LOADING, Tags, text_of

KEYS = [
    *("wealth-0", "wealth-1", "losses-0", "losses-1", "years-0", "years-1"),
    *("capacity", "correlations", "costs", "folds-0", "folds-1"),
]
SECTIONS = [
    *("What the accounts earned", "Long-only against indices", "Charts", "Is it luck?", "What was blocked or left out, and why"),
    *("Settings, timings and manifest", "Glossary"),
]
OF_KIND = ("accounts", "years", "daily", "capacity", "blocked", "luck", "reality", "variants", "folds")
FRAMES = ("benchmarks", "years", "daily", "index_daily", "capacity", "correlations", "blocked", "luck", "reality", "variants", "folds")


@pytest.fixture(scope="module")
def whole() -> PortfolioStudy:
    """Everything."""
    return portfolios()


@pytest.fixture(scope="module")
def page(whole: PortfolioStudy) -> str:
    """Its page."""
    return render_portfolios(whole, manifest=MANIFEST)


@pytest.fixture(scope="module")
def text(page: str) -> str:
    """What a reader sees of it, with plain blanks."""
    return text_of(page.replace(get_plotlyjs(), "")).replace("\u00a0", " ")


def page_of(study: PortfolioStudy, manifest: Any = MANIFEST) -> str:
    """The page without the library, which tests would otherwise search in vain."""
    return render_portfolios(study, manifest=manifest).replace(get_plotlyjs(), "")


def shown(study: PortfolioStudy) -> str:
    """What a reader sees, with plain blanks."""
    return text_of(page_of(study)).replace("\u00a0", " ")


def charts_of(study: PortfolioStudy) -> dict[str, Chart]:
    """Charts by key."""
    return {chart.key: chart for chart in portfolio_gallery(study)}


def trace(chart: Chart, name: str) -> Any:
    """The first trace of a name."""
    return next(each for each in chart.figure.data if each.name == name)


def with_figure(study: PortfolioStudy, table: str, column: str, value: float | None, **where: str) -> PortfolioStudy:
    """The study with one figure changed in the rows where the columns have these values."""
    frame: pl.DataFrame = getattr(study, table)
    rows = pl.all_horizontal(*(pl.col(name) == each for name, each in where.items()))
    put = pl.when(rows).then(pl.lit(value, dtype=frame.schema[column])).otherwise(pl.col(column)).alias(column)
    assert frame.filter(rows).height
    return replace(study, **{table: frame.with_columns(put)})


def plain(**where: str) -> dict[str, str]:
    """Rows of R's plain design."""
    return {"score": "R", "design": "plain", "kind": "long_only"} | where


def test_nothing_is_loaded_and_the_library_is_there_once(page: str) -> None:
    rest = page.replace(get_plotlyjs(), "")
    assert page.count(get_plotlyjs()) == 1
    assert not [word for word in ("http://", "https://", "@import", "url(") if word in rest]
    for tag, attributes in Tags(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not set(LOADING) & set(attributes), (tag, attributes)


def test_the_page_is_the_same_every_time(page: str) -> None:
    assert render_portfolios(portfolios(), manifest=MANIFEST) == page


def test_sections_and_charts_stand_in_order(page: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", page) == SECTIONS
    assert re.findall(r'data-chart="data-([\w-]+)"', page) == KEYS


def test_the_figures_of_the_record_are_on_the_page(text: str) -> None:
    for wanted in (
        "Long-only, 2018-01-02 to 2026-04-30 R, raw returns +9.3 % [+7.3, +11.6] +11.2 % [+9.2, +13.5] – +0.85 [+0.65, +1.05] +2.32 8.7 %",
        "Long-short, 2018-01-02 to 2024-07-11 R, raw returns +6.2 %",
        "5 shuffles (placebo) median [range] +3.5 % [+1.9, +5.2]",
        "R, raw returns, sector neutral",
        "shuffle 3 (placebo), plain",
        "Against CSI 300 (price index: dividends are not in it) R, raw returns +6.5 % 6.2 % +1.05 +2.83 0.97 14.3 % +2.8 % +0.15",
        "Against CSI 1000 (total return, dividends are in it)",
        "The log holds 34 distinct settings tried on these data, in 57 records",
        "Long-only, net, active against CSI 300 R, raw returns +0.110 78 34 +0.191 24.0 % 83.0 % 6.5 18.4 12.3",
        "Business mix +0.010 78 34 +0.191 4.0 % 43.0 % 6.5 38.4 no length",
        "Long-only net, active against CSI 300 12 1,590 R, sector neutral 0.118 0.143 0.167 1 41.0 % −0.22 37.0 %",
        "R, raw returns, plain +0.100 passes",
        "R, raw returns 0.80 % 4,100 + 900 0.70 % 3,400 + 800",
        "Limits inferred from the return alone 8,120,442 stock-days, 99.6 %",
        "Stocks by board main 3,190, chinext 1,360, star 610",
        "the bars have no limit_up and limit_down",
        "set aside bars price above zero 12 check the source",
        "portfolio.quantiles 5",
        "accounts 412.25",
        f"data.bars.parquet.sha256 {'9f2c' * 16}",
        "Purged cross-validation",
    ):
        assert wanted in text, wanted


@pytest.mark.parametrize(
    ("table", "column", "value", "where", "wanted"),
    [
        ("accounts", "net", 0.4567, plain(), "+45.7 % [+7.3, +11.6]"),
        ("accounts", "cost", 0.3217, plain(kind="long_short"), "32.2 %"),
        ("accounts", "paper", 0.7771, plain(kind="long_short"), "+77.7 %"),
        ("accounts", "sharpe_net", 3.333, plain(score="S", design="buffered"), "+3.33"),
        ("accounts", "net", 0.6543, plain(score="shuffle 2"), "[+2.7, +65.4]"),
        ("benchmarks", "active", -0.2468, plain(benchmark="CSI 1000"), "−24.7 %"),
        ("luck", "deflated", 0.9712, {"score": "S", "kind": "long_only"}, "97.1 %"),
        ("reality", "p_consistent", 0.017, {"kind": "long_short"}, "0.118 0.017 0.167"),
        ("variants", "sharpe", 0.555, {"kind": "long_only", "score": "S", "design": "buffered"}, "+0.555"),
        ("blocked", "value_share", 0.0777, {"score": "R", "kind": "long_only", "reason": "limit_up"}, "7.77 %"),
        ("capacity", "net", 0.5151, {"kind": "long_short"}, "+51.5 %"),
        ("correlations", "rank", 0.8642, {"score": "S", "factor": "size"}, "+0.864"),
        ("folds", "test", 0.7531, {"kind": "long_short"}, "+0.753"),
        ("years", "net", 0.9191, {**plain(), "kind": "long_short"}, "+91.9 %"),
    ],
)
def test_a_changed_record_changes_the_text(
    whole: PortfolioStudy, text: str, table: str, column: str, value: float, where: dict[str, str], wanted: str
) -> None:
    assert wanted not in text
    assert wanted in shown(with_figure(whole, table, column, value, **where))


def test_the_opening_answers_the_question(whole: PortfolioStudy) -> None:
    said = lead(whole).replace("\u00a0", " ")
    assert said == (
        "R long-only made money after costs (+9.3 % a year net, t +2.32; +6.5 %, t +2.83, against CSI 300 without dividends). "
        "R long-short, until its short positions had to be closed (accounts end 2024-07-11), made money after costs, "
        "but no more than chance explains (+6.2 % a year net, t +1.55). "
        "Under the same rules, long-only and long-short, the control own_only made +4.2 % and +1.1 %; "
        "the median of 5 shuffles +3.5 % (+1.9 % to +5.2 %) and +0.4 % (−1.2 % to +2.1 %). "
        "After 34 trials the deflated Sharpe probability is 24.0 % and 24.0 %, below the 95 % needed. "
        "More years needed to tell: 12 and 12."
    )
    assert len(said.split()) <= 120


@pytest.mark.parametrize(
    ("net", "t", "wanted"),
    [
        (0.05, 2.31, "R long-only made money after costs ("),
        (0.05, 2.30, "made money after costs, but no more than chance explains ("),
        (0.05, None, "made money after costs, but no more than chance explains ("),
        (-0.05, 3.0, "R long-only lost money after costs ("),
        (0.0, 3.0, "R long-only lost money after costs ("),
        (None, None, "R long-only has no net figure ("),
    ],
)
def test_money_is_claimed_only_where_it_is(whole: PortfolioStudy, net: float | None, t: float | None, wanted: str) -> None:
    made = with_figure(with_figure(whole, "accounts", "net", net, **plain()), "accounts", "t_net", t, **plain())
    assert wanted in lead(made)


def test_the_opening_says_what_passes_and_how_long_it_takes(whole: PortfolioStudy) -> None:
    one = with_figure(whole, "luck", "deflated", 0.96, score="R", kind="long_only")
    assert "is 96.0 % and 24.0 %; only long-only passes 95 %" in lead(one).replace("\u00a0", " ")
    both = with_figure(one, "luck", "deflated", 0.95, score="R", kind="long_short")
    assert "is 96.0 % and 95.0 %, which passes 95 %" in lead(both).replace("\u00a0", " ")
    never = with_figure(whole, "luck", "more_years", math.inf, score="R", kind="long_only")
    never = with_figure(never, "luck", "more_years", 0.0, score="R", kind="long_short")
    assert "More years needed to tell: no length would do and none." in lead(never)
    unlogged = replace(whole, trials=None, luck=pl.DataFrame(luck_rows(None), schema=LUCK))
    assert "No log of trials was kept; for one trial the deflated Sharpe probability is" in lead(unlogged)
    assert "not logged" in shown(unlogged)
    assert "which flatters them" in shown(unlogged)


def test_short_sales_that_never_end_are_no_restriction(whole: PortfolioStudy) -> None:
    until = replace(whole, data=dict(whole.data) | {"last": "2024-07-11"})
    assert "R long-short made" in lead(until)
    paper = replace(whole, settings={"portfolio": {"shorting": "paper"}})
    assert "R long-short, as if short sales were always allowed, made" in lead(paper)


@pytest.mark.parametrize("worst", [-1.0, None])
def test_a_ruined_account_did_not_end_with_the_ban(whole: PortfolioStudy, worst: float | None) -> None:
    made = with_figure(whole, "accounts", "net_min", worst, **plain() | {"kind": "long_short"})
    assert "R long-short, until 2024-07-11, made money" in lead(made)
    assert "had to be closed" not in lead(made)


def test_what_is_not_evaluable_is_told_with_its_reason(whole: PortfolioStudy) -> None:
    told = replace(whole, not_evaluable={"S": "too few names"})
    assert lead(told).endswith("Not evaluable: S (too few names).")
    long = replace(whole, not_evaluable={"S": "a reason of many words " * 20})
    assert lead(long).endswith("Not evaluable, reasons below: S.")
    assert len(lead(long).split()) <= 120
    assert "Not evaluable: a reason of many words" in shown(long)


def test_a_first_score_without_a_portfolio_is_not_passed_over(whole: PortfolioStudy) -> None:
    kept = pl.col("score") != "R"
    told = replace(whole, accounts=whole.accounts.filter(kept), not_evaluable={"R": "no leg has 10 names"})
    assert lead(told).startswith("R has no portfolio; S is shown in its place. S long-only")
    alone = replace(whole, accounts=whole.accounts.filter(pl.col("is_control")))
    assert lead(alone) == "No score with product information has a portfolio, so there is no finding either way."
    assert "own_only (control)" in shown(alone)


def test_controls_are_set_apart_and_never_findings(whole: PortfolioStudy, page: str) -> None:
    table = page[page.index('<table class="sheet">') : page.index("</table>")]
    ruled = re.findall(r'<tr class="rule"><th scope="row">(.*?)<', table)
    assert ruled == ["own_only (control)", "own_only (control)"]
    labels = re.findall(r'<th scope="row">(.*?)<', table)
    assert labels[:6] == [
        "R, raw returns",
        "S, residual returns",
        "Business mix",
        "own_only (control)",
        "industry (control)",
        "5 shuffles (placebo)",
    ]
    rich = with_figure(whole, "accounts", "net", 0.9, **plain(score="own_only"))
    rich = with_figure(rich, "accounts", "t_net", 9.0, **plain(score="own_only"))
    said = lead(rich)
    assert "own_only made +90.0" in said
    assert not re.search(r"(own_only|industry|shuffle \d) long-(only|short)", said)
    assert "own_only" not in text_of(page[page.index("Is it luck?") : page.index("What was blocked")])
    for name in ("own_only", "industry", *(f"shuffle {k}" for k in range(1, 6))):
        assert not re.search(rf'<th scope="row">{name}[ ,]*(plain)?<', page), name


def test_banners_stand_where_they_belong(whole: PortfolioStudy, page: str) -> None:
    assert page.count(SYNTHETIC) == 2  # banner and footer
    assert page.count(APPROXIMATE) == 1
    real = page_of(replace(whole, synthetic=False, approximate=False))
    assert SYNTHETIC not in real
    assert APPROXIMATE not in real
    assert "[Synthetic]" not in real
    assert "costs are not deducted" not in text_of(real)


@pytest.mark.parametrize("hostile", [HOSTILE, '"><b onload="x">', "{{ 7 * 7 }}<!--<script>", "x" * 300 + "<i>"])
def test_hostile_text_is_text_everywhere(hostile: str, whole: PortfolioStudy) -> None:
    bad, swap = pl.lit(hostile), {"R": hostile, "business_mix": f"{hostile} mix"}
    told = replace(
        whole,
        name=hostile,
        settings={hostile: hostile, "portfolio_study": {"scores": (hostile,), "designs": ("plain",)}},
        rules={"name": hostile, "digest": hostile},
        data={hostile: hostile, "first": hostile, "last": hostile},
        facts={"given": 3, "boards": {hostile: 3}},
        accounts=whole.accounts.with_columns(pl.col("score").replace(swap)),
        benchmarks=whole.benchmarks.with_columns(pl.col("score").replace(swap), benchmark=bad),
        years=whole.years.with_columns(pl.col("score").replace(swap)),
        daily=whole.daily.with_columns(pl.col("score").replace(swap)),
        index_daily=whole.index_daily.filter(benchmark="CSI 300").with_columns(benchmark=bad),
        correlations=whole.correlations.with_columns(pl.col("score").replace(swap), pl.col("factor").replace({"size": hostile})),
        blocked=whole.blocked.with_columns(pl.col("score").replace(swap), pl.col("reason").replace({"suspended": hostile})),
        luck=whole.luck.with_columns(pl.col("score").replace(swap)),
        reality=whole.reality.with_columns(best=bad),
        variants=whole.variants.with_columns(pl.col("score").replace(swap), design=bad),
        folds=whole.folds.with_columns(chosen=bad),
        not_evaluable={hostile: hostile},
        refused=pl.DataFrame([("refused", hostile, hostile, 1, hostile)], schema=REFUSED, orient="row"),
        notes=(hostile,),
        seconds={hostile: 1.0},
    )
    page = page_of(told, {hostile: {hostile: hostile}})
    tags = [tag for tag, _ in Tags(page).elements]
    if "<" in hostile:
        assert hostile not in page
    assert set(tags) <= {tag for tag, _ in Tags(page_of(whole)).elements}
    assert tags.count("script") == page.count("application/json") + 2
    assert not any(name.startswith("on") for _, attributes in Tags(page).elements for name in attributes)
    assert " ".join(hostile.split()) in text_of(page)
    for chart in portfolio_gallery(told):
        assert hostile[:30] not in chart.figure.to_json() or "<" not in hostile[:30], chart.key


def test_frames_without_rows_leave_their_part_out() -> None:
    bare = emptied(*FRAMES, trials=None, refused=pl.DataFrame(schema=REFUSED), notes=(), seconds={}, settings={}, facts={}, data={})
    page = page_of(bare, {})
    text = text_of(page)
    assert re.findall(r'data-chart="data-([\w-]+)"', page) == ["costs"]
    for wanted in ("No index stands beside the accounts", "No record is long enough", "No order was blocked", "no index beside it"):
        assert wanted in text, wanted
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)


@pytest.mark.parametrize("frame", FRAMES)
def test_each_frame_can_be_empty_by_itself(frame: str) -> None:
    gone = {
        "years": ["years-0", "years-1"],
        "daily": KEYS[:4],
        "capacity": ["capacity"],
        "correlations": ["correlations"],
        "folds": KEYS[-2:],
    }
    study = emptied(frame)
    assert list(charts_of(study)) == [key for key in KEYS if key not in gone.get(frame, [])]
    assert not re.search(r"\b(nan|NaN|None|inf)\b", shown(study))


@pytest.mark.parametrize("kind", ["long_only", "long_short"])
def test_one_kind_alone(whole: PortfolioStudy, kind: str) -> None:
    held = {
        name: getattr(whole, name).filter(kind=kind)
        for name in ("accounts", "years", "daily", "capacity", "blocked", "luck", "reality", "variants", "folds")
    }
    study = replace(whole, **held, **({} if kind == "long_only" else {"benchmarks": whole.benchmarks.clear()}))
    other = "Long-short" if kind == "long_only" else "Long-only"
    assert [key for key in charts_of(study) if key.endswith("-1")] == []
    text = shown(study)
    assert f"{other}, 2018" not in text
    assert f"R {'long-only' if kind == 'long_short' else 'long-short'}" not in lead(study)
    assert "Under the same rules, the control own_only made" in lead(study)


def test_figures_without_a_value_are_dashes(whole: PortfolioStudy) -> None:
    blank = {name: getattr(whole, name).with_columns(pl.selectors.float() * None) for name in ("accounts", *FRAMES)}
    study = replace(whole, **blank)
    assert not charts_of(study)
    assert not re.search(r"\b(nan|NaN|None|inf)\b", shown(study))


def test_every_chart_has_its_numbers(whole: PortfolioStudy, page: str) -> None:
    assert page.count('<details class="numbers">') == len(KEYS)
    for chart in portfolio_gallery(whole):
        assert chart.numbers is not None, chart.key
        assert {len(row) for row in chart.numbers.rows} == {len(chart.numbers.heads)}, chart.key


def test_wealth_is_drawn_as_recorded_beside_the_index(whole: PortfolioStudy) -> None:
    chart = charts_of(whole)["wealth-0"]
    held = whole.daily.filter(score="R", kind="long_only").sort("date")
    net, gross = trace(chart, "R"), trace(chart, "R, gross")
    assert chart.figure.layout.yaxis.type == "log"
    assert (net.x[-1], net.y[-1]) == (held["date"][-1], round(held["wealth_net"][-1], 4))
    assert gross.y[-1] == round(held["wealth_gross"][-1], 4)
    index = trace(chart, "CSI 300")
    line = whole.index_daily.filter(benchmark="CSI 300").sort("date")
    assert (index.x[0], index.y[0]) == (FIRST, 1.0)  # from the first day of the accounts on
    assert index.y[-1] == round(line["wealth"][-1] / line.filter(date=FIRST)["wealth"][0], 4)
    assert not [each.name for each in charts_of(whole)["wealth-1"].figure.data if each.name == "CSI 300"]


def test_losses_are_from_the_peak_the_start_included(whole: PortfolioStudy) -> None:
    chart = charts_of(whole)["losses-1"]
    wealth = whole.daily.filter(score="business_mix", kind="long_short").sort("date")["wealth_net"].to_list()
    peak, lowest = 1.0, 0.0
    for each in wealth:
        peak = max(peak, each)
        lowest = min(lowest, each / peak - 1)
    assert min(trace(chart, "business_mix").y) == round(100 * lowest, 2)


def test_capacity_costs_correlations_and_folds(whole: PortfolioStudy) -> None:
    charts = charts_of(whole)
    net = trace(charts["capacity"], "Long-only, net")
    rows = whole.capacity.filter(kind="long_only").sort("capital")
    assert list(net.x) == rows["capital"].to_list()
    assert list(net.y) == [round(100 * each, 3) for each in rows["net"]]
    assert list(charts["capacity"].figure.layout.xaxis.ticktext) == ["10\u00a0m", "100\u00a0m", "1\u00a0bn", "10\u00a0bn"]
    fees, impact = trace(charts["costs"], "fees and duties"), trace(charts["costs"], "impact")
    first = whole.accounts.filter(score="R", kind="long_only", design="plain").row(0, named=True)
    assert (fees.x[0], impact.x[0]) == (round(100 * first["fees"], 4), round(100 * first["impact"], 4))
    ranks, returns = trace(charts["correlations"], "S, ranks"), trace(charts["correlations"], "S, returns")
    row = whole.correlations.filter(score="S", factor="size").row(0, named=True)
    assert ranks.x[list(ranks.customdata).index("size")] == round(row["rank"], 4)
    assert returns.x[list(returns.customdata).index("size")] == round(row["returns"], 4)
    assert "R" in returns.customdata
    assert "R" not in ranks.customdata
    held = whole.folds.filter(kind="long_short").sort("fold")
    assert list(trace(charts["folds-1"], "on the fold").x) == [round(each, 4) for each in held["test"]]


def test_the_first_design_asked_for_is_the_plain_one(whole: PortfolioStudy) -> None:
    swap = pl.col("design").replace({"plain": "buffered", "buffered": "plain"})
    changed = {name: getattr(whole, name).with_columns(swap) for name in ("accounts", "benchmarks", "years", "variants")}
    study = replace(whole, **changed, settings={"portfolio_study": {"scores": ("R",), "designs": ("buffered", "plain")}})
    assert lead(study).split(". ")[0] == lead(whole).split(". ")[0]
