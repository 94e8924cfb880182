"""Bad factors, statements and settings at every public entrance: a clear error, or a sound result with a note; nothing in between."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pureplay.apps import cli
from pureplay.apps.config import read_config
from pureplay.dataset import Dataset
from pureplay.errors import EvaluationError, InsufficientDataError, PureplayError, SettingError, TableError
from pureplay.evaluate import Battery, Timing, forward_returns, orthogonal_icir, robustness
from pureplay.factors.base import base_factors
from pureplay.factors.own import own_factors, read_families
from pureplay.market import load_market
from pureplay.signals import product_momentum
from pureplay.signals.residual import residual_returns
from pureplay.synthetic import market

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

KEY = ["date", "asset"]
TIMING = Timing(null_draws=0)
BATTERY = Battery(noise_levels=(0.0, 1.0), noise_seeds=1, random_orders=0, ladder_from=1, without=())
Frame = Callable[[], object]
Errors = type[PureplayError] | None


@cache
def tables() -> dict[str, pl.DataFrame]:
    return dict(market(stocks=80, sessions=160, seed=5).tables)


@cache
def dataset() -> Dataset:
    return Dataset.from_frames(tables())


@cache
def stack() -> pl.DataFrame:
    """Three factors of chance on every bar."""
    keys = tables()["bars"].select(KEY)
    rng = np.random.default_rng(0)
    return keys.with_columns(**{name: pl.Series(rng.normal(size=keys.height)) for name in "abc"})


@cache
def score() -> pl.DataFrame:
    noise = pl.Series(np.random.default_rng(1).normal(size=stack().height))
    return stack().select(*KEY, score=noise + 0.5 * pl.col("a"))


@cache
def future() -> pl.DataFrame:
    return forward_returns(dataset(), sessions=5)


def days() -> list[date]:
    return stack()["date"].unique().sort().to_list()


def stocks() -> list[str]:
    return stack()["asset"].unique().sort().to_list()


def with_(**columns: object) -> Frame:
    return lambda: stack().with_columns(**columns)


def noise(columns: int) -> pl.DataFrame:
    rng = np.random.default_rng(2)
    made = {f"f{k}": pl.Series(rng.normal(size=stack().height).astype(np.float32)) for k in range(columns)}
    return stack().select(KEY).with_columns(**made)


def repeated_names() -> pd.DataFrame:
    frame = stack().to_pandas()
    frame.columns = pd.Index([*KEY, "a", "b", "b"])
    return frame


def with_rows(**moved: object) -> Frame:
    """Fifty rows more, which lie elsewhere."""
    return lambda: pl.concat([stack(), stack().head(50).with_columns(**moved).unique(KEY)])


def gone(names: str, where: pl.Expr) -> Frame:
    return lambda: stack().with_columns(pl.when(where).then(None).otherwise(name).alias(name) for name in names)


# ---------------------------------------------------------------- factor panels


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A stack, and what each entrance says of it: an error with words, or a result (None) with words among its notes."""

    frame: Frame
    judged: tuple[Errors, str] = (None, "")
    own: tuple[Errors, str] = (None, "")
    residual: tuple[Errors, str] = (None, "")


def refused(words: str) -> dict[str, tuple[Errors, str]]:
    return {"judged": (TableError, words), "own": (TableError, words), "residual": (TableError, words)}


SHARED = "453 of 10733 rows of the base lie on dates or stocks without forward returns"
FEW = "twice the number of regressors are needed"
EMPTY_COLUMN = r"hold no value of d \(1 of 4 columns\) on these 154 dates and 80 stocks"
ELSEWHERE = {
    "judged": (TableError, "share no date and stock with the forward returns: check codes and dates"),
    "own": (TableError, "none of the 10733 rows of factors lies on a date and stock of the data: check codes"),
    "residual": (TableError, "none of the 10733 rows of exposures lies on a date and stock of the bars: check codes"),
}
PANELS = {
    "collinear": Panel(frame=lambda: stack().with_columns(d=pl.col("a") + 2 * pl.col("b")), judged=(None, "d on 154")),
    "nearly collinear": Panel(frame=lambda: stack().with_columns(d=pl.col("a") + 1e-9 * pl.col("b")), judged=(None, "d on 154")),
    "constant": Panel(frame=with_(d=pl.lit(3.0)), judged=(None, "d on 154")),
    "constant on some dates": Panel(
        frame=lambda: stack().with_columns(a=pl.when(pl.col("date").is_in(days()[:20])).then(1.5).otherwise("a")), judged=(None, "a on 20")
    ),
    "all constant": Panel(frame=with_(a=pl.lit(1.0), b=pl.lit(1.0), c=pl.lit(0.0)), judged=(None, "a on 154, b on 154, c on 154")),
    "the signal": Panel(frame=lambda: stack().with_columns(d=score()["score"]), judged=(EvaluationError, "the base contains the signal")),
    "the signal and others": Panel(
        frame=lambda: stack().with_columns(d=0.3 * score()["score"] + pl.col("a") - pl.col("b")),
        judged=(EvaluationError, "leave the signal, or what it is made of, out of the base"),
    ),
    "more factors than names": Panel(
        frame=lambda: noise(100), judged=(InsufficientDataError, FEW), residual=(InsufficientDataError, "100 factors and an intercept")
    ),
    "half as many factors as names": Panel(frame=lambda: noise(40), judged=(InsufficientDataError, FEW)),
    "a thousand columns": Panel(
        frame=lambda: noise(1000), judged=(InsufficientDataError, FEW), residual=(InsufficientDataError, "1000 factors and an intercept")
    ),
    "half the factors missing on a date": Panel(frame=gone("ab", pl.col("date") == pl.lit(date(2025, 9, 10))), judged=(None, "")),
    "half the names missing on a date": Panel(
        frame=lambda: gone("ab", (pl.col("date") == days()[80]) & pl.col("asset").is_in(stocks()[::2]))(), judged=(None, "")
    ),
    "half the names missing": Panel(
        frame=lambda: gone("a", pl.col("asset").is_in(stocks()[::2]))(), judged=(None, "scored names of the median date have every factor")
    ),
    "some unknown codes": Panel(
        frame=with_rows(asset=pl.lit("999999.XX")),
        judged=(None, "454 of 10734 rows of the base"),
        own=(None, "1 of 10734 rows of factors lie on dates or stocks outside the data"),
    ),
    "unknown codes": Panel(frame=with_(asset=pl.col("asset") + ".XX"), **ELSEWHERE),
    "some unknown dates": Panel(
        frame=with_rows(date=pl.lit(date(1999, 1, 1))),
        judged=(None, "503 of 10783 rows of the base"),
        own=(None, "50 of 10783 rows of factors lie on dates or stocks outside the data"),
    ),
    "unknown dates": Panel(frame=with_(date=pl.col("date").dt.offset_by("-30y")), **ELSEWHERE),
    "columns of one name": Panel(frame=repeated_names, **refused("give every column one name of its own")),
    "rows twice": Panel(
        frame=lambda: pl.concat([stack(), stack().head(3)]), **refused("3 repeated keys, such as 2025-05-13 000001.SZ: keep one row")
    ),
    "infinite values": Panel(
        frame=lambda: stack().with_columns(a=pl.when(pl.col("asset") == stocks()[3]).then(-np.inf).otherwise("a")),
        judged=(None, "155 infinite values of the base count as missing"),
        own=(None, "155 infinite values of factors count as missing"),
        residual=(TableError, r"infinite in a \(155 rows\): leave such values empty"),
    ),
    "an infinite column": Panel(
        frame=with_(d=pl.lit(np.inf)),
        judged=(InsufficientDataError, EMPTY_COLUMN),
        own=(None, "factors without any value on these dates and stocks: d"),
        residual=(TableError, r"infinite in d \(10733 rows\)"),
    ),
    "a column of NaN": Panel(
        frame=with_(d=pl.lit(np.nan)), judged=(InsufficientDataError, EMPTY_COLUMN), own=(None, "factors without any value")
    ),
    "a column of nothing": Panel(
        frame=with_(d=pl.lit(None)), judged=(InsufficientDataError, EMPTY_COLUMN), own=(None, "factors without any value")
    ),
    "a column of text": Panel(frame=with_(sector=pl.lit("bank")), **refused("non-numeric columns sector: encode them as numbers")),
    "a column without a name": Panel(
        frame=lambda: stack().rename({"a": " "}), **refused("a column without a name beside date, asset, b, c: name it or leave it out")
    ),
    "no rows": Panel(frame=lambda: stack().clear(), **refused("has no rows")),
    "no frame": Panel(frame=lambda: {"date": [1]}, **refused("is a dict, not a frame: pass polars")),
    "a time zone": Panel(
        frame=with_(date=pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Shanghai")),
        **refused("carries the time zone Asia/Shanghai: convert it to dates of the exchange's own time zone"),
    ),
    "dates as text": Panel(frame=with_(date=pl.col("date").cast(pl.String)), judged=(None, "")),
    "dates as other text": Panel(
        frame=with_(date=pl.col("date").dt.strftime("%d/%m/%Y")), **refused("10733 values that are not ISO dates")
    ),
    "values of 1e300": Panel(
        frame=with_(a=pl.col("a") * 1e300), **refused("a has 10733 values beyond 1e.100 in size, such as .*another unit")
    ),
    "one value of 1e300": Panel(
        frame=lambda: stack().with_columns(a=pl.when(pl.int_range(pl.len()) == 7).then(-1e300).otherwise("a")),
        **refused("a has 1 values beyond 1e.100 in size, such as 1e.300.*leave them empty where they stand for missing ones"),
    ),
    "values of 1e-200": Panel(frame=with_(a=pl.col("a") * 1e-200), **refused("a has no value above .*e-200 in 10733 rows")),
    "whole numbers and flags": Panel(frame=with_(whole=pl.int_range(pl.len()) % 7, flag=pl.col("c") > 0), judged=(None, "")),
}


def outcome(entrance: Callable[[object], tuple[str, ...]], panel: Panel, expected: tuple[Errors, str]) -> None:
    error, words = expected
    if error is not None:
        with pytest.raises(error, match=words) as caught:
            entrance(panel.frame())
        assert type(caught.value) is error
        assert ":" in str(caught.value)
        return
    notes = entrance(panel.frame())
    assert any(words in note for note in notes) or not words, notes


def judged_icir(frame: object) -> tuple[str, ...]:
    made = orthogonal_icir(score(), future(), frame, timing=TIMING)
    assert np.isfinite([made.icir, made.variance_left, made.orthogonal.test.t]).all()
    told = tuple(f"{name} on {count}" for name, count in made.dropped.items())
    return (*made.notes, ", ".join(told), "scored names of the median date have every factor" if "covers only" in str(made.notes) else "")


def judged_battery(frame: object) -> tuple[str, ...]:
    made = robustness(score(), future(), frame, timing=TIMING, battery=BATTERY)
    shown = made.figures.filter(pl.col("reason").is_null())
    assert shown.height == made.figures.height
    assert shown["icir"].is_finite().all()
    assert shown["variance_left"].is_between(0, 1).all()
    return made.notes


def taken_as_own(frame: object) -> tuple[str, ...]:
    base = own_factors(frame, load_market(dataset()).axes)
    assert not np.isinf(base.values).any()
    return base.notes


def residualised(frame: object) -> tuple[str, ...]:
    made = residual_returns(dataset(), frame)
    assert made.residuals["residual"].drop_nulls().is_finite().all()
    assert made.residuals["residual"].null_count() < 0.55 * made.residuals.height  # one panel knows half of the names only
    assert made.factor_returns["r2"].drop_nulls().is_between(-1e-12, 1).all()  # rounding, where nothing is explained
    return ()


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
@pytest.mark.parametrize("entrance", [judged_icir, judged_battery])
def test_a_bad_panel_at_the_evaluation(panel: Panel, entrance: Callable[[object], tuple[str, ...]]) -> None:
    outcome(entrance, panel, panel.judged)


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
def test_a_bad_panel_as_a_stack(panel: Panel) -> None:
    outcome(taken_as_own, panel, panel.own)


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
def test_a_bad_panel_as_exposures(panel: Panel) -> None:
    outcome(residualised, panel, panel.residual)


@pytest.mark.parametrize("name", ["more factors than names", "no rows", "values of 1e300", "rows twice", "collinear", "a column of NaN"])
def test_a_bad_panel_under_construction_s(name: str) -> None:
    def entrance(frame: object) -> tuple[str, ...]:
        made = product_momentum(dataset(), construction="S", exposures=frame, min_listed_sessions=20)
        assert made["composite"].drop_nulls().is_finite().all()
        assert made["composite"].drop_nulls().len() > 5000
        return ()

    outcome(entrance, PANELS[name], PANELS[name].residual)


def test_notes_of_a_sound_panel() -> None:
    """Only what the forward returns cannot hold: the last sessions."""
    assert judged_icir(stack())[:2] == ("453 of 10733 scores lie on dates or stocks without forward returns", SHARED)


def test_scale_does_not_matter_within_reason() -> None:
    plain = orthogonal_icir(score(), future(), stack(), timing=TIMING)
    scaled = orthogonal_icir(
        score(), future(), stack().with_columns(pl.col("a") * 1e-12, pl.col("b") * 1e12, pl.col("c") * 1e99), timing=TIMING
    )
    assert scaled.icir == pytest.approx(plain.icir, abs=1e-6)  # ranks may swap where residuals differ by rounding
    assert scaled.dropped == {}


def test_a_single_date_has_no_icir_and_says_so() -> None:
    one = stack().filter(pl.col("date") == days()[80])
    made = orthogonal_icir(score(), future(), one, timing=TIMING)
    assert any("there is no ICIR: 1 dates have an IC" in note for note in made.notes)
    assert np.isfinite(made.orthogonal.mean)
    figures = robustness(score(), future(), one, timing=TIMING, battery=BATTERY).figures
    assert figures["reason"].null_count() == 0
    assert residual_returns(dataset(), one).factor_returns["names"].to_list().count(0) == 159


def test_no_factor_at_all() -> None:
    bare = stack().select(KEY)
    with pytest.raises(SettingError, match="hold no factor: robustness compares bases, so give one column"):
        robustness(score(), future(), bare, timing=TIMING)
    with pytest.raises(TableError, match="no column beside date, asset: add the exposures"):
        own_factors(bare, load_market(dataset()).axes)
    with pytest.raises(TableError, match="no factor: give every factor a column"):
        residual_returns(dataset(), bare)


@pytest.mark.parametrize("size", [1e300, 1e-200])
def test_a_score_beyond_squares(size: float) -> None:
    with pytest.raises(TableError, match=r"the signal\.score has .*another unit"):
        orthogonal_icir(score().with_columns(pl.col("score") * size), future(), stack(), timing=TIMING)


# ---------------------------------------------------------------- settings


BAD_SETTINGS = {
    "ladder 0": (lambda: Battery(ladder_from=0), "ladder_from must be a whole number of at least 1, not 0"),
    "ladder -2": (lambda: Battery(ladder_from=-2), "at least 1, not -2"),
    "ladder 2.5": (lambda: Battery(ladder_from=2.5), "at least 1, not 2.5"),
    "ladder true": (lambda: Battery(ladder_from=True), "at least 1, not True"),
    "ladder beyond": (
        lambda: robustness(score(), future(), stack(), timing=TIMING, battery=Battery(ladder_from=4)),
        "ladder_from is 4, but the base has 3 columns: the ladder starts at 1 to 3",
    ),
    "noise 1.5": (lambda: Battery(noise_levels=(0.0, 1.5)), "finite numbers from 0 to 1"),
    "noise -0.1": (lambda: Battery(noise_levels=(-0.1,)), "finite numbers from 0 to 1"),
    "noise nan": (lambda: Battery(noise_levels=(np.nan,)), "finite numbers from 0 to 1"),
    "families": (
        lambda: robustness(score(), future(), stack(), families={"z": "style"}, timing=TIMING),
        "families name z, which the base of a, b, c lacks",
    ),
    "exposures under R": (lambda: product_momentum(dataset(), exposures=stack()), "exposures have no use under construction 'R'"),
    "construction": (lambda: product_momentum(dataset(), construction="X"), "construction must be 'R'"),
    "kind": (lambda: base_factors(dataset(), kind="some"), "kind must be one of auto, full, price, not 'some'"),
    "labels": (lambda: base_factors(dataset(), industry_labels="now"), "industry_labels must be one of"),
}


@pytest.mark.parametrize(("deed", "words"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_a_setting_out_of_range(deed: Callable[[], object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        deed()


CONFIGS = {
    "[battery]\nnoise_seed = 1": "unknown key 'noise_seed': is it noise_seeds",
    "[study]\nplacebo = true": "unknown key 'placebo': is it placebos",
    "[batery]": "unknown key 'batery': is it battery",
    "[battery]\nladder_from = 0": "ladder_from must be a whole number of at least 1, not 0",
    "[battery]\nladder_from = 2.5": "ladder_from: .*not 2.5",
    '[battery]\nladder_from = "5"': "ladder_from must be a whole number, not '5'",
    "[battery]\nladder_from = true": "ladder_from must be a whole number, not true",
    "[battery]\nnoise_levels = [0.5, 1.5]": "noise_levels must be a tuple of finite numbers from 0 to 1",
    "[battery]\nnoise_levels = [true]": "noise_levels must be a number, not true",
    '[battery]\nnoise_levels = ["0.5"]': "noise_levels must be a number, not '0.5'",
    "[battery]\nnoise_levels = 0.5": "noise_levels: .*tuple, not 0.5",
    "[battery]\nwithout = [5]": "without must be a text, not 5",
    "[study]\nplacebos = 1": "placebos must be true or false, not 1",
    '[study]\nplacebos = "yes"': "placebos must be true or false, not 'yes'",
    "[study]\nbuffers_days = [true]": "buffers_days must be a whole number, not true",
    "[study]\nbuffers_days = [-1]": "buffers_days: buffer_days must be at least 0",
    "[study]\nbuffers_days = [30, 30]": r"buffers_days must name every value once, not \[30, 30\]",
    "[study]\npurities = [1.5]": "purities: purity must be between 0 and 1",
    "[study]\npurities = [nan]": "purities: purity must be between 0 and 1, a finite number",
    "[study]\nmin_peers = [0]": "min_peers: min_peers must be at least 1",
    "[study]\nlevels = [true]": "levels must be a whole number or 'leaf', not true",
    '[study]\nlevels = ["2"]': "levels must be a whole number or 'leaf', not '2'",
    '[study]\nconstructions = ["X"]': "'R' or 'S'",
    "[study]\nconstructions = []": "constructions must name",
    '[study]\nbase = "some"': "'auto', 'full', 'price' or 'own'",
    "[study]\nblock_sessions = 0": "block_sessions must be a whole number of at least 1",
    "study = 5": r"\[study\] must be a table of settings",
    "[evaluation]\nsplit = 5": "split must be a date, not 5",
}


@pytest.mark.parametrize(("text", "words"), CONFIGS.items())
def test_a_configuration_with_a_fault(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=words) as caught:
        read_config(tmp_path / "c.toml")
    assert "c.toml" in str(caught.value)


def test_a_configuration_keeps_its_kinds(tmp_path: Path) -> None:
    text = """
        [battery]
        noise_levels = [0, 0.5]
        without = ["a"]
        [evaluation]
        split = 2025-08-01
        base = "none"
        [study]
        levels = [2, "leaf"]
        purities = [1, 0.5]
        placebos = false
        [signal]
        purity_inclusive = true
        stale_months = "none"
    """
    (tmp_path / "c.toml").write_text(text.replace("purities = [1, 0.5]", "purities = [0.5]"), encoding="utf-8")
    made = read_config(tmp_path / "c.toml")
    assert made.study.levels == (2, "leaf")
    assert made.battery.noise_levels == (0.0, 0.5)
    assert made.evaluation.split == date(2025, 8, 1)
    assert made.signal.stale_months is None
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    assert read_config(tmp_path / "c.toml").study.purities == (1.0, 0.5)  # 1 serves where purity_inclusive is on


# ---------------------------------------------------------------- families


FAMILIES = {
    "a.toml": {
        b'a = "x"\na = "y"\n': "cannot be read",
        b"": "names no factor: write one line a factor, or leave the file out",
        b"hello": "cannot be read",
        b"a = 5\n": 'has 1 factors without a family, such as a = 5: write a = "style"',
        b'a = "\xff\xfe"\n': "cannot be read .*codec",
    },
    "a.csv": {
        b"factor,family\na,x\na,y\n": "line 3: a is 'y' here and 'x' above: keep one",
        b"": "has the columns none: factor and family are needed",
        b"factor,family\n": "names no factor",
        b"x;y\n1;2\n": "has the columns x;y: factor and family are needed",
        b"factor,family\na\n": "line 2: factor 'a', family '': fill both",
        b"factor,family\na,x,y\n": "line 2 has more cells than the heading: put names with a comma in quotes",
        b"factor,family\na,\xff\n": "cannot be read .*codec",
    },
}


@pytest.mark.parametrize(("name", "content"), [(name, each) for name, held in FAMILIES.items() for each in held])
def test_a_families_file_with_a_fault(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=FAMILIES[name][content]):
        read_families(tmp_path / name)


def test_families_files_that_are_none(tmp_path: Path) -> None:
    for each, error, words in ((tmp_path / "a.txt", SettingError, "TOML nor CSV"), (tmp_path / "a.csv", TableError, "cannot be read")):
        with pytest.raises(error, match=words):
            read_families(each)
    with pytest.raises(TableError, match=r"families name 1 factors that the table does not have: aa \(is it 'a'"):
        own_factors(stack(), load_market(dataset()).axes, families={"aa": "style"})


# ---------------------------------------------------------------- statements and datasets


def changed(name: str, **columns: object) -> dict[str, pl.DataFrame]:
    return {**tables(), name: tables()[name].with_columns(**columns)}


def of(item: str) -> pl.Expr:
    return (pl.col("item") == item) & (pl.col("asset") < "000015.SZ")


def instead(value: pl.Expr | float, where: pl.Expr) -> pl.Expr:
    return pl.when(where).then(value).otherwise("value")


STATEMENTS: dict[str, tuple[Callable[[], dict[str, pl.DataFrame]], str, str]] = {
    "published before the period's end": (
        lambda: changed("statements", publish_date=pl.when(of("shares")).then(pl.date(2000, 1, 1)).otherwise("publish_date")),
        "published_before_period_end",
        "set_aside",
    ),
    "negative equity": (
        lambda: changed("statements", value=instead(-pl.col("value").abs(), of("book_equity"))),
        "negative_equity",
        "notice",
    ),
    "zero assets": (lambda: changed("statements", value=instead(0.0, of("total_assets"))), "zero_assets", "notice"),
    "negative assets": (lambda: changed("statements", value=instead(-1.0, of("total_assets"))), "negative_amount", "set_aside"),
    "negative shares": (lambda: changed("statements", value=instead(-1.0, of("shares"))), "shares_not_positive", "set_aside"),
    "unknown item": (
        lambda: changed("statements", item=pl.when(of("shares")).then(pl.lit("goodwill")).otherwise("item")),
        "unknown_item",
        "set_aside",
    ),
    "negative dividends": (
        lambda: changed("dividends", cash_per_share=pl.when(pl.col("asset") < "000015.SZ").then(-1.0).otherwise("cash_per_share")),
        "negative_dividend",
        "set_aside",
    ),
}


@pytest.mark.parametrize(("given", "rule", "level"), STATEMENTS.values(), ids=STATEMENTS.keys())
def test_statements_with_a_fault(given: Callable[[], dict[str, pl.DataFrame]], rule: str, level: str) -> None:
    data = Dataset.from_frames(given())
    found = [each for each in data.report.findings if each.rule == rule]
    assert [each.level for each in found] == [level]
    assert found[0].count > 0
    base = base_factors(data)
    assert len(base.names) == 22
    assert not np.isinf(base.values).any()
    assert any(note.startswith("in force from") for note in base.notes)


def kept(*names: str) -> dict[str, pl.DataFrame]:
    return {name: tables()[name] for name in names}


def cut(where: pl.Expr, column: str) -> dict[str, pl.DataFrame]:
    """Rows of the tables that have the column."""
    return {name: frame.filter(where) if column in frame.columns else frame for name, frame in tables().items()}


def test_datasets_that_lack_tables() -> None:
    bare = Dataset.from_frames(kept("bars"))
    assert base_factors(bare).kind == "price"
    assert any("no industries" in note for note in base_factors(bare).notes)
    with pytest.raises(TableError, match="the full base needs the table statements; the dataset has bars: add it"):
        base_factors(bare, kind="full")
    with pytest.raises(TableError, match="no segments"):
        product_momentum(bare)


def test_datasets_that_are_too_small() -> None:
    few = tables()["bars"].filter(pl.col("asset").is_in(stocks()[:3]))
    base = base_factors(Dataset.from_frames({"bars": few}))
    assert not np.isinf(base.values).any()
    with pytest.raises(InsufficientDataError, match="factors and an intercept need more stocks"):
        residual_returns(Dataset.from_frames({"bars": few}))
    short = tables()["bars"].filter(pl.col("date").is_in(days()[-10:]))
    with pytest.raises(InsufficientDataError, match="10 sessions, a score needs more than 15: widen the data"):
        product_momentum(Dataset.from_frames({**tables(), "bars": short}))


# ---------------------------------------------------------------- the commands


PLAIN = """
[signal]
min_listed_sessions = 20
[evaluation]
horizon_sessions = 5
horizons_sessions = [5, 500]
shuffles = 0
null_draws = 20
min_typical_names = 10
min_names = 20
[battery]
noise_levels = [1.0]
noise_seeds = 1
ladder_from = 2
random_orders = 0
[study]
buffers_days = []
purities = []
min_peers = []
levels = []
placebos = false
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders data (all tables), bars (bars only) and files of factors."""
    out = tmp_path_factory.mktemp("bad")
    dataset().write(out / "data")
    Dataset.from_frames(kept("bars")).write(out / "bars")
    Dataset.from_frames({name: frame for name, frame in tables().items() if name not in ("statements", "factors")}).write(out / "poor")
    Dataset.from_frames(cut(pl.col("asset").is_in(stocks()[:3]), "asset")).write(out / "three")
    Dataset.from_frames(cut(pl.col("date").is_in(days()[-25:]), "date")).write(out / "short")
    stack().write_parquet(out / "f.parquet")
    stack().with_columns(score()["score"]).head(100).write_csv(out / "part.csv")
    rows = b"2025-05-13,000001.SZ,1,2\n2025-05-14,000001.SZ,1,2\n"
    (out / "twice.csv").write_bytes(b"date,asset,a,a\n" + rows)
    (out / "index.csv").write_bytes(b",date,asset,a\n0,2025-05-13,000001.SZ,1\n")
    (out / "text.csv").write_bytes(b"date,asset,a\n2025-05-13,000001.SZ,x\n")
    (out / "latin.csv").write_bytes(b"date,asset,\xe9\n2025-05-13,000001.SZ,1\n")
    (out / "empty.csv").write_bytes(b"")
    (out / "cut.parquet").write_bytes(b"PAR1 none")
    (out / "f.xlsx").write_bytes(b"x")
    (out / "families.toml").write_text('zz = "style"\n', encoding="utf-8")
    (out / "other").mkdir()
    (out / "other" / "mine.txt").write_text("mine", encoding="utf-8")
    return out


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, and the words of its refusal. factors: None = no stack. change: (old, new) in the configuration."""

    words: str
    data: str = "data"
    factors: str | None = "f.parquet"
    out: str = "out"
    change: tuple[str, str] = ("", "")
    more: tuple[str, ...] = ()
    name: str = "battery"


COMMANDS = {
    "workers 0": Command(more=("--workers", "0"), words="workers is 0, not a number of threads: give 1 or more"),
    "workers -1": Command(more=("--workers", "-1"), words="workers is -1"),
    "cluster garbage": Command(more=("--cluster", "garbage"), words="cluster is 'garbage': give the address of a dask scheduler"),
    "cluster of another scheme": Command(more=("--cluster", "http://127.0.0.1:80"), words="give the address of a dask scheduler"),
    "cluster without a port": Command(more=("--cluster", "tcp://127.0.0.1"), words="give the address of a dask scheduler"),
    "construction X": Command(more=("--construction", "X"), words="--construction must be R or S, not 'X'"),
    "out a file": Command(out="f.xlsx", words="is a file: give --out a folder"),
    "out the dataset": Command(out="data", words="is the dataset"),
    "out in the dataset": Command(out="data/run", words="lies inside the dataset"),
    "out a folder of other things": Command(out="other", words="is not replaced: it is not a run of pureplay"),
    "families absent": Command(more=("--families", "families.toml"), words="families name 1 factors that the table does not have: zz"),
    "families gone": Command(more=("--families", "gone.toml"), words="gone.toml cannot be read (No such file or directory)"),
    "families a folder": Command(more=("--families", "data"), words="data cannot be read (Is a directory)"),
    "families alone": Command(factors=None, more=("--families", "families.toml"), words="families are given without a factor stack"),
    "factors gone": Command(factors="gone.parquet", words="gone.parquet cannot be read (No such file or directory)"),
    "factors a folder": Command(factors="data", words="data cannot be read (Is a directory)"),
    "factors cut short": Command(factors="cut.parquet", words="cut.parquet cannot be read"),
    "factors empty": Command(factors="empty.csv", words="empty.csv cannot be read"),
    "factors of another kind": Command(factors="f.xlsx", words="neither .parquet nor .csv"),
    "factors not UTF-8": Command(factors="latin.csv", words="latin.csv cannot be read ('utf-8' codec"),
    "factors with a column twice": Command(factors="twice.csv", words="has several columns named 'a': give every column a name of its own"),
    "factors with the index of pandas": Command(factors="index.csv", words="a column without a name beside date, asset, a"),
    "factors of text": Command(factors="text.csv", words="non-numeric columns a"),
    "factors and base full": Command(change=("[study]", '[study]\nbase = "full"'), words="a factor stack is given, but base is 'full'"),
    "base full without statements": Command(
        data="poor", factors=None, change=("[study]", '[study]\nbase = "full"'), words="the full base needs the table statements"
    ),
    "base own without factors": Command(
        data="poor", factors=None, change=("[study]", '[study]\nbase = "own"'), words='base = "own" needs the table factors'
    ),
    "a headline horizon beyond the data": Command(
        change=("horizon_sessions = 5\n", "horizon_sessions = 400\n"), words="the data hold 160 sessions, and a horizon of 400"
    ),
    "bars only": Command(data="bars", words="the dataset has no segments"),
    "study, true for 1": Command(name="study", change=("ladder_from = 2", "ladder_from = true"), words="must be a whole number, not true"),
    "study, no data": Command(name="study", data="gone", words="gone"),
}


Run = Callable[[Command], tuple[int, str]]


@pytest.fixture
def run(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; its exit code and everything it said, on one line."""
    if "pureplay.reports.study" not in sys.modules:
        page = ModuleType("pureplay.reports.study")
        page.render_study = lambda study, manifest: "<html></html>"  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pureplay.reports.study", page)

    def call(case: Command) -> tuple[int, str]:
        old, new = case.change
        assert old in PLAIN
        (tmp_path / "c.toml").write_text(PLAIN.replace(old, new) if old else PLAIN, encoding="utf-8")
        out = place / case.out if (place / case.out).exists() or "/" in case.out else tmp_path / case.out
        asked = [case.name, "--config", tmp_path / "c.toml", "--data", place / case.data, "--out", out]
        asked += ["--factors", place / case.factors] if case.factors else []
        asked += [place / each if each.endswith(".toml") or each == "data" else each for each in case.more]
        monkeypatch.setattr("sys.argv", ["pureplay", *map(str, asked)])
        code = 0
        try:
            cli.main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return call


def held(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_is_refused_in_one_message(case: Command, run: Run, place: Path, tmp_path: Path) -> None:
    before = held(place)
    code, said = run(case)
    assert code == 2
    assert said.startswith("error: ")
    assert case.words in said
    assert "Traceback" not in said
    assert held(place) == before
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"], "nothing half-written is left"


SOUND = {
    "a ladder beyond the columns": Command(change=("ladder_from = 2", "ladder_from = 9"), words="ladder from 9 columns: the base has 3"),
    "one horizon beyond the data": Command(words="a horizon of 500 sessions does not fit into the 160 sessions of the data"),
    "a split before the data": Command(
        change=("shuffles = 0", "shuffles = 0\nsplit = 1999-01-01"), words="the split 1999-01-01 does not lie between 2025-05-13 and"
    ),
    "a split after the data": Command(
        change=("shuffles = 0", "shuffles = 0\nsplit = 2099-01-01"), words="the split 2099-01-01 does not lie"
    ),
    "a stack for a part": Command(factors="part.csv", words="is not evaluable"),
    "three stocks": Command(data="three", factors=None, words="is not evaluable: a date with scores has 0 scored names"),
    "twenty-five sessions": Command(data="short", factors=None, words="left out of the base, for they never come into force"),
    "no statements": Command(data="poor", factors=None, words="price-only base of 13 factors"),
}


@pytest.mark.parametrize("case", SOUND.values(), ids=SOUND.keys())
def test_a_command_that_runs_says_what_is_odd(case: Command, run: Run, tmp_path: Path) -> None:
    code, said = run(case)
    assert code == 0, said
    assert case.words in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.toml", "out"]
    assert (tmp_path / "out" / "manifest.json").exists()


def test_a_cluster_that_does_not_answer(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("pureplay.parallel._REACH_SECONDS", 0.2)
    code, said = run(Command(more=("--cluster", "tcp://127.0.0.1:1"), words=""))
    assert code == 2
    assert "error: no dask scheduler answers at tcp://127.0.0.1:1" in said
    assert "start one with `dask scheduler`, or correct it" in said
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]
