"""The base of 22 end to end: every column against a plain re-derivation, its scale, what is filled, and what every setting does."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.factors import Base, base_factors
from pureplay.factors.assembly import fill_missing, root_caps, standardised_columns
from pureplay.factors.families import COMPOSITES, CUBES, FAMILIES, LADDER, NAMES, ORTHOGONAL, PRICE_NAMES
from pureplay.factors.industry import coarsest_scheme, industry_block
from pureplay.market import Market, load_market
from tests.factors.base_market import dataset
from tests.factors.naive_base import ORDER, NaiveBase

DATES = (25, 100, 150, 250, 310, 420, 515, 560, 580, 599)


@cache
def made(**settings: Any) -> Base:
    return base_factors(dataset(), **settings)


@cache
def naive() -> tuple[NaiveBase, str]:
    scheme = coarsest_scheme(dataset())
    assert scheme == "syn_l1"
    sound = {name: dataset().frame(name) for name in dataset().tables}
    return NaiveBase(sound, load_market(dataset()).axes.sessions.dates.astype(object).tolist()), scheme


@cache
def naive_on(t: int, sd: float | None = 3.0, fill: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    plain, scheme = naive()
    return plain.on(t, scheme=scheme, sd=sd, fill=fill)


def kept(base: Base, name: str) -> Any:
    return base.values[:, base.names.index(name)]


@pytest.mark.parametrize("name", ORDER)
def test_each_column_equals_a_plain_re_derivation(name: str) -> None:
    base = made()
    known, filled = 0, 0
    for t in DATES:
        values, flags = naive_on(t)
        # sums of up to 504 terms in another order, a cube of up to 3 sds and two regressions behind numbers of sd 1
        np.testing.assert_allclose(kept(base, name)[t], values[name], rtol=0, atol=1e-8, err_msg=f"{name} on session {t}")
        np.testing.assert_array_equal(base.filled[t, base.names.index(name)], flags[name], err_msg=f"{name} on session {t}")
        known, filled = known + np.isfinite(values[name]).sum(), filled + flags[name].sum()
    assert known > 60, "too little to compare"
    assert name in ("size", "nlsize", "divyld") or filled > 0, "nothing to fill"  # these are known wherever the cap and the close are


@pytest.mark.parametrize("settings", [{"winsorise_sd": 1.0}, {"winsorise_sd": None}, {"fill": False}], ids=str)
def test_each_column_equals_the_re_derivation_with_other_settings(settings: dict[str, Any]) -> None:
    base = made(**settings)
    t = DATES[-1]
    values, flags = naive_on(t, settings.get("winsorise_sd", 3.0), settings.get("fill", True))
    for k, name in enumerate(base.names):
        np.testing.assert_allclose(base.values[t, k], values[name], rtol=0, atol=1e-8, err_msg=name)
        np.testing.assert_array_equal(base.filled[t, k], flags[name], err_msg=name)


def test_before_filling_every_column_has_the_scale() -> None:
    base, caps = made(fill=False), load_market(dataset()).caps
    substitutes = base.filled[:, base.names.index("gpa_ttm")].sum()
    assert base.filled.sum() == substitutes > 0  # medians of the industry are no fill of ours, and flagged all the same
    for k, name in enumerate(base.names):
        x = base.values[:, k]
        known = np.isfinite(x)
        weight = np.where(known & np.isfinite(caps), caps, 0.0)
        use = known.any(axis=1)
        assert use.sum() > 50, name
        mean = (weight * np.nan_to_num(x)).sum(axis=1)[use] / weight.sum(axis=1)[use]
        assert np.abs(mean).max() < 1e-11, name  # rounding of sums of 40 numbers of sd 1
        assert np.abs(np.nanstd(x[use], axis=1) - 1).max() < 1e-11, name


def test_orthogonal_factors_are_orthogonal_where_nothing_was_clipped() -> None:
    base, weights = made(fill=False, winsorise_sd=None), root_caps(load_market(dataset()).caps)
    for name, against in ORTHOGONAL.items():
        x = kept(base, name)
        for other in against:
            use = np.isfinite(x) & np.isfinite(kept(base, other)) & np.isfinite(weights)
            w = np.where(use, weights, 0.0)
            days = use.sum(axis=1) > 10
            assert days.sum() > 50
            centred = np.nan_to_num(x) - ((w * np.nan_to_num(x)).sum(1) / np.maximum(w.sum(1), 1e-300))[:, None]
            share = (w * centred * np.nan_to_num(kept(base, other))).sum(1) / np.maximum(w.sum(1), 1e-300)
            assert np.abs(share[days]).max() < 1e-9  # residuals of a regression, up to rounding


def test_names_families_and_ladder_are_complete() -> None:
    base = made()
    assert base.names == NAMES == ORDER
    assert tuple(base.families) == NAMES
    assert sorted(base.ladder) == sorted(base.names)
    assert set(base.families.values()) == {
        *("size", "beta", "momentum", "volatility", "liquidity", "value", "growth", "leverage", "reversal", "quality", "investment")
    }
    assert LADDER[:8] == ("size", "beta", "momentum", "resvol", "liquidity", "nlsize", "nlbeta", "btop")
    assert LADDER[7:12] == NAMES[7:12]
    assert LADDER[12:] == NAMES[12:]
    assert [FAMILIES[name] for name in ("nlsize", "resvol", "divyld", "dbeta_252", "amihud_20", "d_at_yoy")] == [
        *("size", "volatility", "value", "beta", "liquidity", "quality")
    ]
    assert all(sum(weights.values()) == pytest.approx(1, abs=1e-12) for weights in COMPOSITES.values())
    assert set(COMPOSITES) | set(CUBES) | set(ORTHOGONAL) <= set(NAMES)
    assert base.kind == "full"
    assert base.notes[:2] == ("full base of 22 factors", "missing exposures are filled by industry (syn_l1, pit) and size")


def without(*names: str) -> Dataset:
    return replace(dataset(), tables={name: frame for name, frame in dataset().tables.items() if name not in names})


def test_the_price_only_base_is_the_same_columns_and_says_so() -> None:
    full, price = made(), base_factors(without("statements", "dividends"))
    assert price.names == PRICE_NAMES
    assert price.kind == "price"
    assert len(price.names) == 13
    assert price.ladder == tuple(name for name in LADDER if name in PRICE_NAMES)
    assert price.notes[0].startswith("price-only base of 13 factors (the dataset has no statements)")
    for name in PRICE_NAMES:
        assert kept(price, name).tobytes() == kept(full, name).tobytes()
    asked = base_factors(dataset(), kind="price")
    assert asked.values.tobytes() == price.values.tobytes()
    assert asked.notes[0].startswith("price-only base of 13 factors (as asked)")


def test_without_dividends_there_are_21_columns() -> None:
    base = base_factors(without("dividends"))
    assert base.names == tuple(name for name in NAMES if name != "divyld")
    assert base.notes[0] == "full base of 21 factors, without divyld"
    assert kept(base, "btop").tobytes() == kept(made(), "btop").tobytes()
    assert base.ladder == tuple(name for name in LADDER if name != "divyld")


def test_without_industries_size_alone_fills() -> None:
    base, market = base_factors(without("industries")), load_market(dataset())
    assert "no industries: missing exposures are filled by size alone" in base.notes
    k, t = base.names.index("beta"), 420
    x, size, root = base.values[t, k], base.values[t, 0], market.caps[t] ** 0.25
    own = np.isfinite(x) & ~base.filled[t, k] & np.isfinite(size)
    line = np.linalg.lstsq(np.column_stack([np.ones(own.sum()), size[own]]) * root[own, None], x[own] * root[own], rcond=None)[0]
    put = base.filled[t, k]
    assert put.any()
    np.testing.assert_allclose(x[put], line[0] + line[1] * size[put], rtol=0, atol=1e-10)  # one regression of 40 names


def test_a_stock_without_a_cap_keeps_what_is_known_and_is_never_filled() -> None:
    base, market = made(), load_market(dataset())
    bare = market.traded & ~np.isfinite(market.caps)
    assert bare.sum() > 50
    filled = base.filled.copy()
    filled[:, base.names.index("gpa_ttm")] = False  # may hold the median of the industry, which needs no cap
    assert not (filled & bare[:, None]).any()
    assert np.isfinite(kept(base, "momentum")[bare]).any()
    assert np.isnan(kept(base, "size")[bare]).all()
    assert np.isnan(base.values[~np.broadcast_to(market.traded[:, None], base.values.shape)]).all()


def test_every_setting_matters() -> None:
    plain = made().values
    for settings in ({"winsorise_sd": 2.0}, {"winsorise_sd": None}, {"fill": False}, {"industry_scheme": "syn_l3"}):
        assert not np.array_equal(made(**settings).values, plain, equal_nan=True), settings
    pit, back = made(), made(industry_labels="backcast")
    assert not np.array_equal(pit.values, back.values, equal_nan=True)
    assert any("looks ahead" in note for note in back.notes)
    assert not any("looks ahead" in note for note in pit.notes)


def test_settings_out_of_range() -> None:
    with pytest.raises(SettingError, match="kind must be one of auto, full, price, not 'all'"):
        base_factors(dataset(), kind="all")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="industry_labels must be one of pit, backcast, not 'now'"):
        base_factors(dataset(), industry_labels="now")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="no industry scheme 'sw'"):
        base_factors(dataset(), industry_scheme="sw")
    with pytest.raises(TableError, match="the full base needs the table statements; the dataset has bars"):
        base_factors(without("statements"), kind="full")
    with pytest.raises(SettingError, match="winsorise_sd must be"):
        base_factors(dataset(), winsorise_sd=0.0)


def test_the_frame_holds_every_known_cell() -> None:
    base = made()
    frame = base.to_frame()
    assert frame.columns == ["date", "asset", *NAMES, "filled"]
    assert frame.height == np.isfinite(base.values).any(axis=1).sum()
    assert frame["filled"].sum() == base.filled.sum()
    for name in ("size", "d_at_yoy"):
        assert frame[name].count() == np.isfinite(kept(base, name)).sum()
    assert frame.equals(pl.concat([base.to_frame(0, 250), base.to_frame(250, 251), base.to_frame(251)]), null_equal=True)
    row = frame.row(5000, named=True)
    t, a = base.axes.sessions.dates.tolist().index(row["date"]), base.axes.assets.index(row["asset"])
    np.testing.assert_equal([np.nan if row[name] is None else row[name] for name in NAMES], base.values[t, :, a].tolist())


def test_without_flags_nothing_is_said_of_what_was_filled() -> None:
    """Not even that nothing was."""
    base = made()
    bare = replace(base, filled=None)
    assert bare.to_frame(0, 300).equals(base.to_frame(0, 300).drop("filled"), null_equal=True)
    assert base.only(["beta"]).filled is not None
    cut = bare.only(["beta", "size"])
    assert cut.filled is None
    assert cut.to_frame(0, 300).columns == ["date", "asset", "size", "beta"]


def test_a_market_that_is_loaded_already_is_used() -> None:
    assert base_factors(dataset(), load_market(dataset())).values.tobytes() == made().values.tobytes()


@pytest.mark.parametrize("workers", ["1", "3"])
def test_the_bits_do_not_depend_on_the_workers(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_WORKERS", "2")
    two = base_factors(dataset())
    monkeypatch.setenv("PUREPLAY_WORKERS", workers)
    other = base_factors(dataset())
    assert other.values.tobytes() == two.values.tobytes()
    assert other.filled.tobytes() == two.filled.tobytes()


# ---------------------------------------------------------------- warm-up and dates out of force, on blocks made by hand


def small(seed: int = 0) -> tuple[Market, list[tuple[str, Any]]]:
    """A market of 30 stocks on 8 sessions, and raw blocks of a size and a factor."""
    rng = np.random.default_rng(seed)
    whole = load_market(dataset())
    axes = replace(whole.axes, sessions=replace(whole.axes.sessions, dates=whole.axes.sessions.dates[:8]), assets=whole.axes.assets[:30])
    caps = np.exp(rng.normal(22, 1, (8, 30)))
    market = replace(whole, axes=axes, returns=caps * 0, caps=caps, float_caps=None, traded=np.ones((8, 30), dtype=bool))
    return market, [("size", np.log(caps)), ("btop", rng.normal(0, 1, (8, 30)))]


def test_a_column_is_in_force_while_half_of_the_stocks_have_it() -> None:
    market, raw = small()
    raw[1][1][0, 14:] = np.nan  # 14 of 30
    raw[1][1][1, 15:] = np.nan  # 15 of 30
    raw[1][1][5, 3:] = np.nan  # half are missing later on
    raw[1][1][6] = 7.0  # a constant says nothing
    columns = standardised_columns(market, iter(raw), ("size", "btop"), winsorise_sd=3.0)
    assert columns.in_force[:, 0].all()
    assert columns.in_force[:, 1].tolist() == [False, True, True, True, True, False, False, True]
    filled = fill_missing(columns, market, None)
    assert np.isnan(columns.values[[0, 5, 6], 1]).all()
    assert np.isfinite(columns.values[[1, 2, 3, 4, 7]]).all()
    assert filled[1, 1].tolist() == [False] * 15 + [True] * 15
    assert filled.sum() == 15
    market.traded[0, 20:] = False  # 14 of the 20 that traded
    assert standardised_columns(market, iter(raw), ("size", "btop"), winsorise_sd=3.0).in_force[0, 1]


def test_the_order_of_raw_blocks_does_not_matter_and_all_are_needed() -> None:
    market, _ = small()
    rng = np.random.default_rng(1)
    raw = [("size", np.log(market.caps)), *((part, rng.normal(0, 1, (8, 30))) for part in ("beta", *COMPOSITES["resvol"]))]
    names = ("size", "beta", "nlbeta", "resvol")
    one = standardised_columns(market, raw, names, winsorise_sd=3.0)
    other = standardised_columns(market, raw[::-1], names, winsorise_sd=3.0)
    assert one.values.tobytes() == other.values.tobytes()
    with pytest.raises(TableError, match="no raw exposures for resvol, or not for all of their parts"):
        standardised_columns(market, raw[:-1], names, winsorise_sd=3.0)
    with pytest.raises(TableError, match="no raw exposures for beta"):
        standardised_columns(market, [raw[0], *raw[2:]], names, winsorise_sd=3.0)


def test_too_few_names_for_the_industries_are_filled_by_size() -> None:
    market, raw = small()
    raw[1][1][:, 16:] = np.nan
    alone = np.broadcast_to(np.arange(30, dtype=np.int32), (8, 30)).copy()  # an industry for every stock: more than can be estimated
    columns = standardised_columns(market, raw, ("size", "btop"), winsorise_sd=None)
    by_size = replace(columns, values=columns.values.copy())
    assert fill_missing(columns, market, alone)[:, 1, 16:].all()
    fill_missing(by_size, market, None)
    assert columns.values.tobytes() == by_size.values.tobytes()


def test_notes_tell_when_columns_came_and_went() -> None:
    notes = made().notes
    days = load_market(dataset()).axes.sessions.dates
    starts = next(note for note in notes if note.startswith("in force from: "))
    told = dict(part.split(" ") for part in starts.removeprefix("in force from: ").split(", "))
    assert list(told) == list(NAMES)
    for k, name in enumerate(NAMES):
        assert told[name] == str(days[np.isfinite(made().values[:, k]).any(axis=1).argmax()])
    assert told["size"] == str(days[0])
    assert told["beta"] > str(days[120])
    shares = next(note for note in notes if note.startswith("share of values filled: "))
    assert "size 0.00%" in shares
    k = NAMES.index("beta")
    assert f"beta {made().filled[:, k].sum() / np.isfinite(made().values[:, k]).sum():.2%}" in shares


def test_a_date_on_which_half_of_a_factor_is_missing_is_counted() -> None:
    bars = dataset().frame("bars")
    day = bars["date"].unique().sort()[500]
    codes = bars["asset"].unique().sort()[:30].to_list()
    hit = (pl.col("date") == day) & pl.col("asset").is_in(codes)
    base = base_factors(
        replace(dataset(), tables={**dataset().tables, "bars": bars.with_columns(total_cap=pl.when(~hit).then("total_cap"))})
    )
    note = next(note for note in base.notes if note.startswith("dates out of force since then"))
    assert "size on 1" in note
    assert "btop on 1" in note
    assert "momentum" not in note
    assert np.isnan(kept(base, "size")[500]).all()


def test_the_industries_of_the_base_are_those_of_the_block() -> None:
    """A filled value is the effect of the stock's own industry: moving one stock to another moves its filled value."""
    base, market = made(), load_market(dataset())
    groups = industry_block(dataset(), market.axes, "syn_l1")
    t, k = 420, base.names.index("beta")
    put = np.flatnonzero(base.filled[t, k] & (groups[t] >= 0))
    other = dataset().frame("industries").filter(pl.col("asset") != market.axes.assets[put[0]])
    changed = base_factors(replace(dataset(), tables={**dataset().tables, "industries": other}))
    assert changed.values[t, k, put[0]] != base.values[t, k, put[0]]
