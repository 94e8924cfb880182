"""Planted links: tables, the pairs a point-in-time graph sees, and the correlation that is really there."""

import importlib
import json
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from pureplay.apps.cli import app
from pureplay.errors import SettingError
from pureplay.synthetic import SyntheticMarket, market, preset, write_market
from pureplay.synthetic.comovement import LEAST_EIGENVALUE, STEP
from pureplay.synthetic.planted import PLANTED
from pureplay.synthetic.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

SMALL: dict[str, Any] = {**preset("comovement"), "stocks": 150, "sessions": 400}
NEW = {"mentions", "supply_edges", "disclosed_links", "affiliates"}
PRICED = {"bars", "factors", "index_members", "benchmarks"}
draw_plan = importlib.import_module("pureplay.synthetic.market")._draw_plan


@pytest.fixture(scope="module")
def made() -> SyntheticMarket:
    return market(**SMALL)


@pytest.fixture(scope="module")
def placebo() -> SyntheticMarket:
    return market(**{**SMALL, "links": 0.0})


# ---------------------------------------------------------------- tables


def test_no_links_no_new_table_and_the_placebo_has_the_same_prices(made: SyntheticMarket, placebo: SyntheticMarket) -> None:
    plain = market(**{**SMALL, "links": None})
    assert not NEW & set(plain.tables)
    assert set(placebo.tables) == set(made.tables) == set(plain.tables) | NEW
    assert set(plain.truth) == set(placebo.truth) - {"links", "planted"}
    for name, frame in plain.tables.items():
        assert_frame_equal(frame, placebo.tables[name], check_exact=True)
        assert (name in PRICED) or frame.equals(made.tables[name]), name
    for name in NEW:
        assert_frame_equal(placebo.tables[name], made.tables[name], check_exact=True)
    assert not plain.tables["bars"].equals(made.tables["bars"])
    assert (placebo.truth["planted"]["correlation"] == 0).all()
    assert_frame_equal(placebo.truth["links"], made.truth["links"], check_exact=True)


def test_linked_markets_are_reproducible_whatever_the_block(made: SyntheticMarket, tmp_path: Path) -> None:
    again = market(**made.settings)  # type: ignore[arg-type]
    for name, frame in {**made.tables, **made.truth}.items():
        assert_frame_equal(frame, {**again.tables, **again.truth}[name], check_exact=True)
    write_market(tmp_path, **SMALL, block_sessions=60)
    for name, frame in made.tables.items():
        assert_frame_equal(pl.read_parquet(tmp_path / f"{name}.parquet").select(frame.columns), frame, check_exact=True)
    other = market(**{**SMALL, "seed": 8}).tables
    assert all(not other[name].equals(made.tables[name]) for name in NEW)


def test_the_tables_keep_their_columns_keys_and_kinds(made: SyntheticMarket) -> None:
    keys = {
        "mentions": ["article", "asset"],
        "supply_edges": ["supplier_product", "customer_product", "start_date"],
        "disclosed_links": ["supplier", "customer", "publish_date", "kind"],
        "affiliates": ["owner", "owned", "start_date"],
    }
    for name, key in keys.items():
        frame = made.tables[name]
        assert frame.height
        assert frame.select(key).is_duplicated().sum() == 0
        assert frame.select(key).null_count().sum_horizontal().item() == 0
    edges, links, stakes = (made.tables[name] for name in ("supply_edges", "disclosed_links", "affiliates"))
    assert edges.columns == [*keys["supply_edges"], "end_date", "is_core"]
    assert links.columns == ["supplier", "customer", "publish_date", "period_end", "amount", "kind"]
    assert stakes.columns == ["owner", "owned", "start_date", "end_date", "stake", "kind"]
    assert (edges["supplier_product"] != edges["customer_product"]).all()
    assert (links["supplier"] != links["customer"]).all()
    assert (stakes["owner"] != stakes["owned"]).all()
    assert set(links["kind"]) == {"ongoing", "bid"}
    assert (links["period_end"] < links["publish_date"]).all()
    for frame in (edges, stakes):
        assert (frame["end_date"] > frame["start_date"]).all()
        assert frame["end_date"].null_count() > 0.5 * frame.height
    assert 0 < edges["is_core"].sum() < edges.height
    assert stakes["stake"].drop_nulls().is_between(0, 1).all()
    assert (stakes["stake"] < 0.05).any()
    assert stakes["owner"].str.starts_with("H0").any()


def test_ownership_has_groups_a_control_chain_and_a_circle(made: SyntheticMarket) -> None:
    stakes = made.tables["affiliates"]
    outside = stakes.filter(pl.col("owner").str.starts_with("H"))
    # a stake of which the firm lists after the stake ends is never there
    assert outside.group_by("owner").len()["len"].is_between(1, 6).all()
    assert (outside.group_by("owner").len()["len"] >= 2).mean() > 0.8  # type: ignore[operator]
    assert outside["owned"].is_duplicated().sum() == 0, "no firm is in two groups"
    holds = set(stakes.select("owner", "owned").iter_rows())
    firms = {(a, b) for a, b in holds if not a.startswith("H")}
    assert any((b, c) in firms and (c, a) in firms for a, b in firms for c in {d for each, d in firms if each == b})
    assert any((owner, a) in holds and (owner, b) in holds for a, b in firms for owner in {each for each, d in holds if d == a} - {a, b})


# ---------------------------------------------------------------- which pairs are linked


def naive_members(tables: dict[str, pl.DataFrame], day: date) -> dict[str, dict[str, float]]:
    """Share of revenue at or below each node, of the report in use on a day, by asset; node codes name their ancestors."""
    best: dict[str, tuple[Any, ...]] = {}
    for row in tables["filings"].iter_rows(named=True):
        month = row["publish_date"].month - 1 + 18
        year = row["publish_date"].year + month // 12
        last = (date(year + (month % 12 == 11), month % 12 % 12 + 2 if month % 12 < 11 else 1, 1) - timedelta(days=1)).day
        expiry = date(year, month % 12 + 1, min(row["publish_date"].day, last))
        rank = (row["period_end"], row["publish_date"], row["revision"], row["total_revenue"])
        if row["publish_date"] + timedelta(days=30) <= day < expiry and rank > best.get(row["asset"], (date.min,)):
            best[row["asset"]] = rank
    shares: dict[str, dict[str, float]] = {asset: {} for asset in best}
    for row in tables["segments"].iter_rows(named=True):
        rank = best.get(row["asset"])
        if rank is not None and (row["period_end"], row["revision"]) == (rank[0], rank[2]):
            parts = row["product"].split(".")
            for depth in range(1, len(parts) + 1):
                node, own = ".".join(parts[:depth]), shares[row["asset"]]
                own[node] = own.get(node, 0.0) + row["revenue"] / rank[3]
    return shares


def holds(row: dict[str, Any], day: date) -> bool:
    """Whether an interval of a table holds on a day."""
    return bool(row["start_date"] <= day and (row["end_date"] is None or day < row["end_date"]))


def naive_chains(edges: pl.DataFrame, members: dict[str, set[str]], day: date) -> list[tuple[str, str]]:
    """Pairs joined by a core edge."""
    found = []
    for row in edges.iter_rows(named=True):
        if row["is_core"] and holds(row, day):
            sellers = [a for a in members if row["supplier_product"] in members[a]]
            found += [(a, b) for a in sellers for b in members if row["customer_product"] in members[b]]
    return found


def naive_affiliates(stakes: pl.DataFrame, assets: set[str], day: date) -> list[tuple[str, str]]:
    """Firms of which one holds the other, and firms with an owner in common."""
    held: dict[str, list[str]] = {}
    found = []
    for row in stakes.iter_rows(named=True):
        if holds(row, day) and (row["stake"] is None or row["stake"] >= 0.05):
            held.setdefault(row["owner"], []).append(row["owned"])
            if row["owner"] in assets:
                found.append((row["owner"], row["owned"]))
    return found + [pair for group in held.values() for pair in combinations(sorted(set(group)), 2)]


def naive_links(tables: dict[str, pl.DataFrame], day: date, alive: set[str]) -> dict[str, set[tuple[str, str]]]:
    """Every lamp by plain loops over the tables that are delivered."""
    issuer = dict(tables["assets"].select("asset", "issuer").iter_rows())
    members = {a: {node for node, share in own.items() if share >= 0.05} for a, own in naive_members(tables, day).items()}
    found: dict[str, set[tuple[str, str]]] = {lamp: set() for lamp in PLANTED}

    def add(lamp: str, a: str, b: str) -> None:
        if a in alive and b in alive and issuer[a] != issuer[b]:
            found[lamp].add((min(a, b), max(a, b)))

    for a, b in combinations(sorted(members), 2):
        depth = max((node.count(".") + 1 for node in members[a] & members[b]), default=0)
        if depth >= 2:
            add("product_peer", a, b)
        if depth >= 4:
            add("deep_peer", a, b)
    for a, b in naive_chains(tables["supply_edges"], members, day):
        add("chain", a, b)
    for row in tables["disclosed_links"].iter_rows(named=True):
        at = row["publish_date"]
        if at <= day < date(at.year + 2, at.month, 28 if (at.month, at.day) == (2, 29) else at.day):
            add("bid" if row["kind"] == "bid" else "disclosed", row["supplier"], row["customer"])
    for a, b in naive_affiliates(tables["affiliates"], set(issuer), day):
        add("affiliate", a, b)
    return found


@pytest.mark.parametrize("place", [0, 9, 19])
def test_linked_pairs_are_those_of_a_plain_reading_of_the_tables(made: SyntheticMarket, place: int) -> None:
    days = made.tables["bars"]["date"].unique().sort()
    opens = days.to_frame().group_by_dynamic("date", every="1mo").agg(first=pl.col("date").first(), last=pl.col("date").last())
    first, last = opens["first"][place], opens["last"][place]
    known = days.filter(days < first)[-1] if place else days[0]
    life = made.tables["assets"].filter(
        (pl.col("list_date") <= last) & (pl.col("delist_date").is_null() | (pl.col("delist_date") >= first))
    )
    expected = naive_links(made.tables, known, set(life["asset"]))
    links = made.truth["links"].filter((pl.col("start_date") <= first) & (pl.col("end_date").is_null() | (pl.col("end_date") > first)))
    for lamp, pairs in expected.items():
        assert set(links.filter(pl.col("lamp") == lamp).select("a", "b").iter_rows()) == pairs, lamp
        assert pairs or lamp == "bid"
    assert (links["a"] < links["b"]).all()


def test_runs_of_a_pair_do_not_touch(made: SyntheticMarket) -> None:
    links = made.truth["links"].sort("lamp", "a", "b", "start_date")
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in ("lamp", "a", "b"))
    assert links.filter(same & (pl.col("end_date").is_null() | (pl.col("end_date") >= pl.col("start_date").shift(-1)))).height == 0


# ---------------------------------------------------------------- the correlation matrix


def plan_of(**more: Any) -> Any:
    return draw_plan(Settings(**{**SMALL, **more}))


def naive_increments(plan: Any, month: int) -> np.ndarray[Any, Any]:
    """What the linked pairs of a month should add to the true correlation of returns."""
    planted = plan.comovement.planted()
    opens = plan.days[plan.lit.months.opens[month]].item()
    size = plan.lit.assets
    out = np.zeros((size, size))
    number = {code: k for k, code in enumerate(plan.firms.asset)}
    for row in plan.lit.runs(plan.firms, plan.days).iter_rows(named=True):
        if row["start_date"] <= opens and (row["end_date"] is None or opens < row["end_date"]):
            for amount in planted.filter(pl.col("lamp") == row["lamp"]).iter_rows(named=True):
                after = amount["start_date"] is None or amount["start_date"] <= opens
                if after and (amount["end_date"] is None or opens < amount["end_date"]):
                    a, b = number[row["a"]], number[row["b"]]
                    out[a, b] += amount["population"]
                    out[b, a] += amount["population"]
    return out


@pytest.mark.parametrize("month", [0, 8, 18])
def test_the_root_of_the_noise_gives_the_promised_correlations(month: int) -> None:
    plan = plan_of(frictions=True)
    sigma = plan.firms.volatility
    # variance of a fall of .03 to .08 with chance .003, written out anew
    falls = 0.003 * np.mean((0.03 + 0.05 * (np.arange(100_000) + 0.5) / 100_000) ** 2) - (0.003 * 0.055) ** 2
    total = np.sqrt(sigma**2 + (plan.firms.beta * plan.settings.market_vol) ** 2 + falls)
    session = int(plan.lit.months.opens[month])
    root = np.stack([plan.comovement.mix(row[None, :], session)[0] for row in np.eye(plan.lit.assets)])
    noise = root.T @ root
    added = noise * np.outer(sigma, sigma) / np.outer(total, total)
    twins = plan.firms.issuer[:, None] == plan.firms.issuer[None, :]
    expected = naive_increments(plan, month)
    assert np.abs(added - expected)[~twins].max() < 1e-7  # the falls by quadrature; rounding is far smaller
    assert np.abs(noise[twins & ~np.eye(twins.shape[0], dtype=bool)] - 0.8).max() < 1e-12
    assert np.abs(np.diag(noise) - 1).max() < 1e-12
    assert (expected > 0.18).any()


def test_amounts_that_no_matrix_can_carry_are_shrunk_and_the_truth_says_so() -> None:
    plan = plan_of(links=2.0, sessions=120)
    factor = plan.comovement.factor
    assert factor < 1
    planted = {row["lamp"]: row for row in plan.comovement.planted().iter_rows(named=True)}
    assert planted["chain"]["correlation"] == pytest.approx(2 * factor * 0.05, rel=1e-12)
    assert planted["chain"]["factor"] == factor
    # (1 - 3 rho^2) / 2n at a correlation of 0.2 and 60 sessions, to two digits
    assert planted["chain"]["population"] == pytest.approx(planted["chain"]["correlation"] * (1 + (1 - 3 * 0.2**2) / 120), rel=1e-4)
    months = range(len(plan.lit.pairs))
    least = [min(np.linalg.eigvalsh(plan.comovement._matrix(m, f, np.float64))[0] for m in months) for f in (factor, factor / STEP)]
    # single precision decides, hence a margin of 1e-5
    assert least[0] > LEAST_EIGENVALUE - 1e-5
    assert least[1] < LEAST_EIGENVALUE + 1e-5


def test_planted_amounts_are_ordered_and_bids_turn_over() -> None:
    planted = plan_of().comovement.planted()
    amounts = dict(planted.filter(pl.col("lamp") != "bid").select("lamp", "correlation").iter_rows())
    assert amounts["deep_peer"] > amounts["chain"] > amounts["disclosed"] > amounts["affiliate"] > amounts["dark"] == 0
    bids = planted.filter(pl.col("lamp") == "bid").sort("correlation", descending=True)
    assert bids["correlation"][0] == -bids["correlation"][1] > 0
    assert bids["end_date"][0] == bids["start_date"][1] is not None


# ---------------------------------------------------------------- what returns show


def lamp_slopes(made: SyntheticMarket, window: int = 60) -> np.ndarray[Any, Any]:
    """Regression of correlations in each window on the share of its sessions in which each lamp was planted: (windows, lamps).

    What the market alone gives a pair is taken away: it is known, and with few stocks it differs between linked and other pairs by luck.
    """
    wide = made.tables["bars"].pivot("asset", index="date", values="ret").sort("date")
    days = wide["date"]
    names = sorted(made.tables["assets"].unique("issuer", keep="first", maintain_order=True)["asset"])
    returns = wide.select(names).to_numpy()
    number = {code: k for k, code in enumerate(names)}
    stocks = pl.DataFrame({"asset": names}).join(made.truth["stocks"], on="asset", how="left", maintain_order="left")
    market_part = stocks["beta"].to_numpy() * float(made.settings["market_vol"])  # type: ignore[arg-type]
    market_part /= np.sqrt(stocks["idiosyncratic_vol"].to_numpy() ** 2 + market_part**2)
    links = made.truth["links"].filter(pl.col("a").is_in(names) & pl.col("b").is_in(names))
    a, b = (links[side].replace_strict(number, return_dtype=pl.Int64).to_numpy() for side in ("a", "b"))
    begins = np.searchsorted(days.to_numpy(), links["start_date"].to_numpy())
    ends = np.where(
        links["end_date"].is_null(), days.len(), np.searchsorted(days.to_numpy(), links["end_date"].fill_null(days[-1]).to_numpy())
    )
    lamps = [lamp for lamp in PLANTED if lamp != "bid"]
    out = []
    for first in range(0, days.len() - window + 1, window):
        block = returns[first : first + window]
        full = np.flatnonzero(np.isfinite(block).all(axis=0))
        rho = np.corrcoef(block[:, full].T) - np.outer(market_part[full], market_part[full])
        upper = np.triu_indices(full.size, 1)
        columns = [np.ones(upper[0].size)]
        for lamp in lamps:
            lit = np.zeros((len(names), len(names)))
            at = (links["lamp"] == lamp).to_numpy()
            inside = np.minimum(ends[at], first + window) - np.maximum(begins[at], first)
            np.add.at(lit, (a[at], b[at]), np.maximum(inside, 0) / window)
            columns.append((lit + lit.T)[np.ix_(full, full)][upper])
        x = np.stack(columns)
        out.append(np.linalg.solve(x @ x.T, x @ rho[upper])[1:])
    return np.array(out)


def test_realised_correlations_hold_what_was_planted_and_nothing_in_the_placebo() -> None:
    sizes = {"stocks": 240, "sessions": 960}
    found: dict[float, list[np.ndarray[Any, Any]]] = {1.0: [], 0.0: []}
    expected = np.array([PLANTED[lamp] for lamp in PLANTED if lamp != "bid"])
    for links in found:
        for seed in (1, 2, 3):
            made = market(**{**preset("comovement"), **sizes, "seed": seed, "links": links})
            factor = made.truth["planted"]["factor"][0]
            found[links].append(lamp_slopes(made) / factor)
    for links, parts in found.items():
        slopes = np.concatenate(parts)
        error = slopes.std(axis=0, ddof=1) / len(slopes) ** 0.5
        # 48 windows without overlap; 3.5 standard errors, since ten means are looked at
        assert (np.abs(slopes.mean(axis=0) - links * expected) < 3.5 * error).all(), (links, slopes.mean(axis=0), error)
        assert error.max() < 0.008
    assert np.concatenate(found[1.0]).mean(axis=0)[1] > 0.08, "deep peers stand out"


# ---------------------------------------------------------------- settings


def test_frictions_styles_and_tails_change_prices() -> None:
    small = {**SMALL, "sessions": 120}
    changes: list[dict[str, Any]] = [{}, {"frictions": True}, {"style_vol": 1.0}, {"tail_degrees": 3.5}]
    calm, rough, styled, wild = (market(**{**small, **more}) for more in changes)
    returns = [each.tables["bars"]["ret"].drop_nulls().to_numpy() for each in (calm, wild)]
    fourth = [np.mean(each**4) / np.mean(each**2) ** 2 for each in returns]
    assert fourth[1] > 1.5 * fourth[0], "heavier tails"
    assert calm.tables["bars"]["limit_up"].null_count() == calm.tables["bars"].height
    assert rough.tables["bars"]["limit_up"].null_count() < 0.1 * rough.tables["bars"].height
    assert rough.tables["bars"].height < calm.tables["bars"].height, "suspensions"
    assert not styled.tables["bars"].equals(calm.tables["bars"])
    with pytest.raises(SettingError, match="frictions must be True or False"):
        Settings(frictions=1)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"idiosyncratic_vol must be at least 0\.005 with links"):
        Settings(links=1.0, idiosyncratic_vol=0.004)
    for bad in (2.9, 1001.0, float("nan")):
        with pytest.raises(SettingError, match="tail_degrees must lie in"):
            Settings(tail_degrees=bad)
    for bad in (-0.1, 2.1, float("nan")):
        with pytest.raises(SettingError, match="links must lie in"):
            Settings(links=bad)
        with pytest.raises(SettingError, match="style_vol must lie in"):
            Settings(style_vol=bad * 3)


def test_a_tiny_market_has_links_too() -> None:
    tiny = market(stocks=20, sessions=60, seed=2, links=1.0)
    assert tiny.tables["affiliates"].height
    assert tiny.tables["mentions"].height


def test_the_command_plants_links_and_the_dataset_says_so(tmp_path: Path) -> None:
    sizes = ["--stocks", "40", "--sessions", "60"]
    for name, more in {"0.5": ["--links", "0.5"], "0.0": ["--preset", "comovement", "--links", "0"], "None": []}.items():
        result = CliRunner().invoke(app, ["synthetic", "--out", str(tmp_path / name), *sizes, *more], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert json.loads((tmp_path / name / "manifest.json").read_text(encoding="utf-8"))["notes"]["links"] == name
