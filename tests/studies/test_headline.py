"""The source's table: each of its twelve rows once more from the record, by hand, and what it says where a figure is absent."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.evaluate.records import ICSummary
from pureplay.evaluate.summary import Timing, summarise
from pureplay.panel import FloatArray
from pureplay.sessions import Sessions, sessions_between
from pureplay.stats.inference import ewc_test, offset_null
from pureplay.studies.headline import HEADLINE_SCHEMA, Findings, headline_frame, headline_rows, published, published_split
from pureplay.studies.records import ConstructionStudy, ProductStudy
from pureplay.studies.study import run_study
from tests.studies import small

ROWS = [
    "canonical",
    "industry",
    "positive",
    "range",
    "years",
    "weakest",
    "strongest",
    "noise",
    "count",
    "long",
    "turnover",
    "delivery",
]
LATE = "out of sample"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.dataset(tmp_path_factory.mktemp("headline") / "data")


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ProductStudy:
    quick = {"buffers_days": (), "purities": (), "min_peers": (), "levels": (), "placebos": False}
    return run_study(small.spec(folder, study=quick, evaluation={"shuffles": 0}), work=tmp_path_factory.mktemp("work"))


@pytest.fixture(params=["R", "S"])
def one(request: pytest.FixtureRequest, made: ProductStudy) -> ConstructionStudy:
    return made.constructions[request.param]


def rows(made: ProductStudy, one: ConstructionStudy) -> dict[str, dict[str, Any]]:
    return {row["row"]: row for row in made.headline.filter(construction=one.construction).to_dicts()}


def late_ics(summary: ICSummary) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.int64]]]:
    """Daily IC and offset after the split; sessions before it are cut off."""
    daily = summary.daily.filter(pl.col("date") > small.SPLIT)
    return daily["ic"].fill_null(np.nan).to_numpy(), daily["offset"].to_numpy()


def by_hand(ic: FloatArray, offset: np.ndarray[Any, np.dtype[np.int64]]) -> list[float]:
    """ICIR of each of the 20 offsets, as METHODS §5 says."""
    out = []
    for each in range(20):
        values = [float(v) for v, o in zip(ic, offset, strict=True) if o == each and np.isfinite(v)]
        if len(values) >= 3:
            mean = sum(values) / len(values)
            sd = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
            out.append(mean / sd)
    return out


def test_the_rows_are_those_of_the_source_in_its_order(made: ProductStudy, one: ConstructionStudy) -> None:
    table = made.headline.filter(construction=one.construction)
    assert table["row"].to_list() == ROWS
    assert dict(table.schema) == HEADLINE_SCHEMA
    assert table["published"].to_list() == [published(one.construction)[row] for row in ROWS]
    assert table["reference"].null_count() == 0
    assert table["published"][0] == {"R": "+0.352", "S": "+0.307"}[one.construction]
    assert published_split() == date(2022, 12, 31)
    assert published("T") == {}


def test_canonical_positive_and_range(made: ProductStudy, one: ConstructionStudy) -> None:
    ic, offset = late_ics(one.bases["base"])
    icirs, table = by_hand(ic, offset), rows(made, one)
    assert len(icirs) == 20
    value = sum(icirs) / 20
    assert table["canonical"]["value"] == pytest.approx(value, rel=1e-12)
    assert table["canonical"]["ours"] == f"{value:+.3f}"
    assert table["canonical"]["finding"] == "OOS multi-offset orth-4 ICIR (canonical)"
    assert (table["canonical"]["n"], table["canonical"]["n_of"]) == (int(np.isfinite(ic).sum()), "dates")
    positive = sum(each > 0 for each in icirs)
    assert table["positive"]["value"] == positive / 20
    assert table["positive"]["ours"] == f"{100 * positive / 20:.0f}% ({positive}/20)"
    assert table["range"]["ours"] == f"[{min(icirs):+.3f}, {max(icirs):+.3f}]"
    assert table["range"]["value"] == pytest.approx(max(icirs) - min(icirs), rel=1e-12)
    # 105 dates hold fewer than four blocks of the null, so there is no band and no standard error
    assert np.isfinite(ic).sum() > 4 * 40 or table["canonical"]["se"] is None


def test_industry(made: ProductStudy, one: ConstructionStudy) -> None:
    ic, offset = late_ics(one.bases["base + industries"])
    icirs, row = by_hand(ic, offset), rows(made, one)["industry"]
    assert row["value"] == pytest.approx(sum(icirs) / 20, rel=1e-12)
    assert row["finding"] == "OOS multi-offset orth-4+industry ICIR"
    assert row["value"] != rows(made, one)["canonical"]["value"]


def test_years(made: ProductStudy, one: ConstructionStudy) -> None:
    """2024 has four months with an IC: named with its sign, and neither counted nor the weakest or the strongest."""
    daily = one.bases["base"].daily.drop_nulls("ic")
    years = {}
    for year in (2024, 2025):
        part = daily.filter(pl.col("date").dt.year() == year)
        icirs = by_hand(part["ic"].to_numpy(), part["offset"].to_numpy())
        years[year] = (sum(icirs) / len(icirs), part["date"].dt.month().n_unique(), part.height)
    assert years[2024][1] < 6
    table = rows(made, one)
    assert years[2025][1] == 12
    positive = int(years[2025][0] > 0)
    assert table["years"]["ours"] == f"{positive} / 1 years"
    assert table["years"]["value"] == positive
    sign = "positive" if years[2024][0] > 0 else "not positive"
    assert table["years"]["note"] == f"partial, not counted: 2024 ({years[2024][1]} months, {sign})"
    for name in ("weakest", "strongest"):
        assert table[name]["note"] == "12 months; of 1 full year"
        assert table[name]["ours"] == f"2025: {years[2025][0]:+.3f}"
        assert table[name]["value"] == pytest.approx(years[2025][0], rel=1e-12)
        assert table[name]["n"] == years[2025][2]
        ic = daily.filter(pl.col("date").dt.year() == 2025)["ic"].to_numpy()
        assert table[name]["se"] == pytest.approx(ewc_test(ic).se / ic.std(ddof=1), rel=1e-12)


def test_noise_count_and_long(made: ProductStudy, one: ConstructionStudy) -> None:
    late = one.figures.filter(period=LATE)
    table = rows(made, one)
    noisy = late.filter(group="quality shuffle", label="100 % noise", horizon_sessions=20)["icir"].to_list()
    assert len(noisy) == 2
    assert table["noise"]["value"] == pytest.approx(sum(noisy) / 2, rel=1e-12)
    assert table["noise"]["note"] == (
        f"mean of 2 seeds, {min(noisy):+.3f} to {max(noisy):+.3f}; n, standard error and null of the first seed"
    )
    ladder = {row["x"]: row["icir"] for row in late.filter(group="base count", horizon_sessions=20).to_dicts()}
    assert sorted(ladder) == [2, 3, 4]
    assert table["count"]["ours"] == f"{ladder[2]:+.3f} → {ladder[4]:+.3f}"
    assert table["count"]["finding"] == "Base count scaling: K=2 → K=4 ICIR, OOS"
    assert table["count"]["value"] == ladder[2]
    (row,) = late.filter(group="full", horizon_sessions=60).to_dicts()
    assert table["long"]["value"] == row["icir"]
    assert table["long"]["ours"] == f"{row['icir']:+.3f} / {row['icir'] / 3**0.5:+.2f}"
    assert table["long"]["note"] == f"EWC t {row['t_ewc']:+.2f}"
    assert table["long"]["n"] == row["n_dates"]


def test_turnover_and_delivery(made: ProductStudy, one: ConstructionStudy) -> None:
    table, held = rows(made, one), one.turnover
    assert held is not None
    assert table["turnover"]["ours"] == f"{held.annual:.2f}×"
    assert table["turnover"]["value"] == held.annual
    for bp in (10, 30):  # METHODS §5: cost drag = 2 × turnover × cost per side
        assert f"{bp} bp a side: {2 * held.annual * bp:.0f} bp a year" in table["turnover"]["note"]
    assert table["delivery"]["ours"] == "Yes (ICIR invariant)"
    assert table["delivery"]["value"] == one.delivery <= 1e-8


@pytest.mark.parametrize(("quantiles", "share"), [(5, "20 %"), (10, "10 %"), (3, "33.3 %")])
def test_turnover_says_which_part_is_held(one: ConstructionStudy, quantiles: int, share: str) -> None:
    assert one.turnover is not None
    row = table(findings(turnover=replace(one.turnover, quantiles=quantiles)))["turnover"]
    assert row["note"].startswith(f"one way, equal-weight top and bottom {share}; ")


# ---------------------------------------------------------------- made by hand


def findings(
    days: tuple[date, date] = (date(2019, 10, 8), date(2023, 3, 31)), *, split: date | None = date(2021, 12, 31), **changes: Any
) -> Findings:
    """Findings of random daily ICs over sessions of several years, with cells of the figures that rows ask for."""
    sessions = sessions_between(np.array(days, dtype="datetime64[D]"), "XSHG")
    timing = Timing(split=split, null_draws=200, seed=2)
    rng = np.random.default_rng(1)
    ic = rng.normal(0.03, 0.1, len(sessions))
    ic[:15] = np.nan
    summary = judged(sessions, ic, timing)
    values = {"figures": cells(summary), "series": lambda group, label, horizon: ic}
    base: dict[str, Any] = {
        "construction": "R",
        "sessions": sessions,
        "timing": timing,
        "orthogonal": summary,
        "with_industries": judged(sessions, ic + 0.01, timing),
        "turnover": None,
        "delivery": 1e-12,
        **values,
    }
    return Findings(**{**base, **changes})


def judged(sessions: Sessions, ic: FloatArray, timing: Timing, horizon: int = 20) -> ICSummary:
    names, reason = np.full(ic.size, 100), np.where(np.isfinite(ic), 0, 1)
    return summarise("x", sessions, ic, names, reason, horizon=horizon, timing=timing)


def cells(summary: ICSummary) -> pl.DataFrame:
    """Whole sample and out of sample of the bases that rows ask for, at 20 and 60 sessions."""
    known = ["all", *[each.label for each in summary.periods if each.label == LATE]]
    out = []
    for k, (group, label, x, horizon) in enumerate(
        [
            ("full", "all 22 columns", 22.0, 20),
            ("full", "all 22 columns", 22.0, 60),
            ("quality shuffle", "100 % noise", 1.0, 20),
            ("quality shuffle", "100 % noise", 1.0, 20),
            ("quality shuffle", "50 % noise", 0.5, 20),
            ("base count", "3 columns", 3.0, 20),
            ("base count", "22 columns", 22.0, 20),
        ]
    ):
        for period in known:
            icir = 0.1 * (k + 1) + (0.01 if period == LATE else 0.0)
            out.append(
                {
                    "group": group,
                    "label": label,
                    "x": x,
                    "k_columns": 22,
                    "horizon_sessions": horizon,
                    "period": period,
                    "icir": icir,
                    "icir_deflated": icir * (20 / horizon) ** 0.5,
                    "n_dates": 50 + k,
                    "t_ewc": 2.0,
                }
            )
    return pl.DataFrame(out)


def table(found: Findings) -> dict[str, dict[str, Any]]:
    made = headline_frame(headline_rows(found))
    assert made["row"].to_list() == ROWS
    assert not any("nan" in str(each) for each in made["ours"])
    return {row["row"]: row for row in made.to_dicts()}


def test_without_a_split_the_whole_sample_stands() -> None:
    found = findings(split=None)
    made = table(found)
    assert made["canonical"]["value"] == found.orthogonal.icir
    assert made["canonical"]["finding"].startswith("whole-sample")
    assert made["noise"]["value"] == pytest.approx((0.3 + 0.4) / 2)
    assert made["count"]["ours"] == "+0.600 → +0.700"
    assert made["long"]["ours"] == f"+0.200 / {0.2 / 3**0.5:+.2f}"
    null = found.orthogonal.null  # the same draws as the summary's own
    assert null is not None
    assert (made["canonical"]["null_low"], made["canonical"]["null_high"]) == (dict(null.quantiles)[0.025], dict(null.quantiles)[0.975])
    assert made["canonical"]["se"] == null.sd


def test_the_null_out_of_sample_is_that_of_the_days_after_the_split() -> None:
    found = findings()
    made = table(found)
    days = found.sessions.dates > np.datetime64("2021-12-31")
    ic = found.orthogonal.daily["ic"].fill_null(np.nan).to_numpy()
    wanted = offset_null(
        np.where(days, ic, np.nan),
        found.sessions.ordinals % 20,
        0.0,
        mean_block=40,
        draws=200,
        rng=np.random.default_rng(2),
    )
    assert wanted is not None
    assert made["canonical"]["se"] == wanted.sd
    assert made["canonical"]["null_low"] == dict(wanted.quantiles)[0.025]
    assert made["canonical"]["se"] != table(findings(split=None))["canonical"]["se"]
    assert made["canonical"]["value"] == found.orthogonal.period(LATE).icir  # type: ignore[union-attr]
    assert made["noise"]["value"] == pytest.approx((0.31 + 0.41) / 2)


@pytest.mark.parametrize("first", [date(2019, 10, 8), date(2019, 4, 1)])
def test_partial_years_are_told_and_never_the_extremes(first: date) -> None:
    """2019 has three months or nine and 2023 three: made the strongest and the weakest, they are named in the note alone."""
    found = findings((first, date(2023, 3, 31)))
    ic = found.orthogonal.daily["ic"].fill_null(np.nan).to_numpy().copy()
    year = found.sessions.dates.astype("datetime64[Y]").astype(int) + 1970
    ic[year == 2019] += 0.5
    ic[year == 2023] -= 0.5
    summary = judged(found.sessions, ic, found.timing)
    made = table(replace(found, orthogonal=summary))
    whole = {each.label: each.icir for each in summary.periods if each.label in ("2020", "2021", "2022")}
    assert made["weakest"]["ours"].split(":")[0] == min(whole, key=lambda each: whole[each])
    assert made["strongest"]["ours"].split(":")[0] == max(whole, key=lambda each: whole[each])
    months = {each.label: each.months for each in summary.periods}
    assert months["2019"] == (9 if first.month == 4 else 3)
    said = f"2019 ({months['2019']} months, positive), 2023 ({months['2023']} months, not positive)"
    assert made["years"]["note"] == f"partial, not counted: {said}"
    assert made["years"]["ours"] == f"{sum(each > 0 for each in whole.values())} / 3 years"
    assert made["years"]["n"] == 3
    assert made["weakest"]["note"] == made["strongest"]["note"] == "12 months; of 3 full years"
    short = table(findings((date(2022, 1, 4), date(2022, 5, 10)), split=None))
    assert short["weakest"]["ours"] == short["strongest"]["ours"] == "–"
    assert short["weakest"]["note"] == "no year has 6 months"


def test_without_a_full_year_the_extremes_are_of_six_months_at_least() -> None:
    found = findings((date(2020, 3, 2), date(2021, 10, 29)), split=None)
    icirs = {each.label: each.icir for each in found.orthogonal.periods}
    made = table(found)
    assert (made["years"]["ours"], made["years"]["value"], made["years"]["n"]) == ("0 / 0 years", None, 0)
    assert made["weakest"]["ours"][:4] == min(icirs, key=lambda each: icirs[each])
    assert made["strongest"]["ours"][:4] == max(icirs, key=lambda each: icirs[each])
    assert {made[name]["note"] for name in ("weakest", "strongest")} == {
        f"{each.months} months; no year is full: of those with at least 6 months" for each in found.orthogonal.periods
    }


def without(group: str, horizon: int | None = None) -> Callable[[pl.DataFrame], pl.DataFrame]:
    gone = pl.col("group") == group
    return lambda frame: frame.filter(~(gone if horizon is None else gone & (pl.col("horizon_sessions") == horizon)))


@pytest.mark.parametrize(
    ("row", "change", "note"),
    [
        ("industry", {"with_industries": None}, "no industry labels, or too few names with them"),
        ("noise", {"figures": without("quality shuffle")}, "no noise base has an answer"),
        ("count", {"figures": without("base count")}, "no base of the ladder has an answer"),
        ("long", {"figures": without("full", 60)}, "no 60-session horizon is asked for, or none fits"),
        ("turnover", {"turnover": None}, "too few scores for the quantiles asked for"),
        ("delivery", {"delivery": float("nan")}, None),
    ],
)
def test_what_is_absent_is_a_dash_with_its_reason(row: str, change: dict[str, Any], note: str | None) -> None:
    found = findings()
    made = table(replace(found, **{name: each(found.figures) if callable(each) else each for name, each in change.items()}))
    assert made[row]["ours"] == "–"
    assert made[row]["value"] is None
    assert made[row]["note"] == note
    assert made["canonical"]["ours"] == table(found)["canonical"]["ours"]


def test_industries_known_before_the_split_only_have_no_figure_after_it() -> None:
    """The whole sample must not stand where the title says OOS."""
    found = findings()
    ic = found.orthogonal.daily["ic"].fill_null(np.nan).to_numpy().copy()
    ic[found.sessions.dates > np.datetime64("2021-12-31")] = np.nan
    made = table(replace(found, with_industries=judged(found.sessions, ic, found.timing)))
    assert made["industry"]["ours"] == "–"
    assert made["industry"]["n"] is None


def test_too_few_dates_for_any_offset_are_told() -> None:
    made = table(findings((date(2022, 1, 4), date(2022, 3, 10)), split=None))
    for row in ROWS[:4]:
        assert made[row]["ours"] == "–"
        assert made[row]["note"] == "no rebalance offset has enough dates"
    assert made["years"]["ours"] == "0 / 0 years"


def test_delivery_that_changes_the_icir_is_not_invariant() -> None:
    assert table(findings(delivery=1e-6))["delivery"]["ours"] == "No"
    assert table(findings(delivery=1e-9))["delivery"]["ours"] == "Yes (ICIR invariant)"


def test_without_draws_there_is_no_band() -> None:
    found = findings()
    made = table(replace(found, timing=replace(found.timing, null_draws=0)))
    assert {row["se"] for name, row in made.items() if name not in ("weakest", "strongest")} == {None}
    assert made["positive"]["note"] == ""


def test_fewer_columns_than_the_ladder_starts_with(folder: Path, tmp_path: Path) -> None:
    """K < 5: the default ladder of five starts at all columns there are, and a base without 13-15 says that it has none."""
    data = Dataset.open(folder)
    path = tmp_path / "own.parquet"
    data.frame("factors").drop("c3").write_parquet(path)
    quick = {"constructions": ("R",), "buffers_days": (), "purities": (), "min_peers": (), "levels": (), "placebos": False}
    spec = small.spec(
        folder,
        study=quick,
        evaluation={"shuffles": 0, "horizons_sessions": ()},
        battery={"ladder_from": 5, "without": ("strev_20", "ivol_20", "max_20")},
        factors=path,
    )
    made = run_study(spec, work=tmp_path / "work")
    found = rows(made, made.constructions["R"])
    assert "K=3 → K=3" in found["count"]["finding"]
    assert found["canonical"]["finding"].startswith("OOS multi-offset orth-3 ")
    assert found["long"]["ours"] == "–"
    assert set(made.constructions["R"].bases) == {"base", "base + industries"}
    assert any("without 13-15: the base has none of strev_20, ivol_20, max_20" in each for each in made.constructions["R"].skipped)


def test_the_ladder_of_the_price_base(folder: Path, tmp_path: Path) -> None:
    """13 columns in the fixed order; without 13-15 in the group of that name."""
    quick = {"buffers_days": (), "purities": (), "min_peers": (), "levels": (), "placebos": False}
    spec = small.spec(
        folder,
        study={"base": "price", "constructions": ("R",), **quick},
        evaluation={
            "shuffles": 0,
            "horizons_sessions": (),
            "null_draws": 0,
            "split": None,
            "grid_sessions": 5,
        },  # momentum needs 273 sessions
        battery={"ladder_from": 5, "without": ("strev_20", "ivol_20", "max_20"), "noise_levels": (), "random_orders": 0},
    )
    made = run_study(spec, work=tmp_path / "work")
    one = made.constructions["R"]
    assert made.base["kind"] == "price"
    assert made.base["ladder"] == [
        *("size", "beta", "momentum", "resvol", "liquidity", "nlsize", "nlbeta"),
        *("strev_20", "ivol_20", "max_20", "dbeta_252", "abturn_20", "amihud_20"),
    ]
    ladder = one.figures.filter(group="base count", period="all")
    assert ladder["x"].to_list() == list(range(5, 14))
    found = rows(made, one)
    assert "K=5 → K=13 ICIR, whole-sample" in found["count"]["finding"]
    assert found["count"]["value"] == ladder["icir"][0]
    assert ladder["icir"][-1] == pytest.approx(found["canonical"]["value"], rel=1e-9)
    assert {"without 13-15", "without 13-15 + industries"} <= set(one.bases)
    assert one.figures.filter(group="family drop", period="all")["label"].to_list() == [
        f"without {name}" for name in ("size", "beta", "momentum", "volatility", "liquidity", "reversal")
    ]
    assert found["noise"]["ours"] == "–"
    assert any("nothing is split" in note for note in made.notes)
