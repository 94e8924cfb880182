"""The lock box of the holdout: shut by default, every opening recorded before anything is computed, counted, and hard to pass by."""

import hashlib
import json
import multiprocessing
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.apps import graph as graph_app
from pureplay.apps.lineage import marks_of
from pureplay.apps.lockbox import LockBox, accept_openings, lockbox_place, opened_before, openings_of
from pureplay.dataset import Dataset
from pureplay.errors import DatasetError, SettingError
from pureplay.graph.forecast import Split
from pureplay.ledger import Ledger
from pureplay.studies import comovement
from tests.apps import graph_small
from tests.apps.test_graph_commands import figures, refused
from tests.apps.test_study_commands import call

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
START = date(2025, 4, 30)


def parts_of(start: date = START, vintages: int = 6) -> Split:
    none = np.empty(0, dtype=np.int64)
    days = (start, start + timedelta(days=30 * (vintages - 1)))
    return Split(develop=none, embargo=none, holdout=np.arange(vintages), no_forward=none, holdout_start=start, holdout_days=days)


@cache
def returns(seed: int = 0) -> pl.DataFrame:
    """12 stocks on the working days of 2025."""
    days = [day for k in range(365) if (day := date(2025, 1, 1) + timedelta(days=k)).weekday() < 5]
    frame = pl.DataFrame({"date": days}).join(pl.DataFrame({"asset": [f"{k:06d}.SZ" for k in range(1, 13)]}), how="cross")
    return frame.with_columns(ret=pl.Series(np.random.default_rng(seed).normal(0, 0.02, frame.height)))


def bars(seed: int = 0, change: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame) -> Dataset:
    return Dataset(tables={"bars": change(returns(seed))}, calendar="bars")


def box(path: Path, asked_by: str = "me") -> LockBox:
    return LockBox(path, asked_by=asked_by, clock=lambda: NOON)


# ---------------------------------------------------------------- the log


def test_an_opening_says_who_when_and_how_often(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "box.jsonl"
    first = box(path).open(bars(), {"a": 1}, parts_of())
    second = box(path, " you ").open(bars(), {"a": 2}, parts_of())
    assert (first.count, second.count) == (1, 2)
    assert [each["asked_by"] for each in second.records] == ["me", "you"]
    assert {each["opened_at"] for each in second.records} == {"2026-03-04T12:00:00+00:00"}
    assert second.records[0]["digest"] != second.records[1]["digest"]
    found = openings_of(path)
    assert found["asked_by"].to_list() == ["me", "you"]
    assert found["holdout_start"].unique().to_list() == ["2025-04-30"]
    assert found["vintages"].to_list() == [6, 6]
    assert found["sound"].all()


ALTERED: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "a row less": lambda frame: frame.slice(1),
    "a month less": lambda frame: frame.filter(pl.col("date") < date(2025, 12, 1)),
    "a later first day": lambda frame: frame.filter(pl.col("date") > date(2025, 2, 10)),
    "half of the stocks": lambda frame: frame.filter(pl.col("asset") < "000007"),
    "another order": lambda frame: frame.sort("asset", "date", descending=True),
    "a return revised": lambda frame: frame.with_columns(ret=pl.when(pl.int_range(pl.len()) == 5).then(0.09).otherwise("ret")),
    "codes as categories": lambda frame: frame.with_columns(pl.col("asset").cast(pl.Categorical)),
    "noise in the last digits": lambda frame: frame.with_columns(pl.col("ret") + 1e-9),
    "more months": lambda frame: pl.concat([frame, frame.with_columns(pl.col("date").dt.offset_by("1y"))]),
}


@pytest.mark.parametrize("name", ALTERED)
def test_a_small_change_of_the_data_is_no_new_box(tmp_path: Path, name: str) -> None:
    assert box(tmp_path / "box.jsonl").open(bars(), {}, parts_of()).count == 1
    assert box(tmp_path / "box.jsonl").open(bars(change=ALTERED[name]), {}, parts_of()).count == 2
    assert openings_of(tmp_path / "box.jsonl")["lineage"].n_unique() == 1


def test_openings_count_by_lineage_and_overlap(tmp_path: Path) -> None:
    path, day = tmp_path / "box.jsonl", timedelta(days=1)
    counts = [
        box(path).open(*given).count
        for given in (
            (bars(), {}, parts_of()),
            (bars(), {}, parts_of(START + day)),  # moved by a day
            (bars(1), {}, parts_of()),  # other returns of the same stocks and days
            (bars(), {"other": 1}, parts_of(START + 60 * day)),
            (bars(), {}, parts_of(START - 60 * day, 1)),  # ends before all others begin
            (bars(), {}, parts_of(START + 400 * day, 1)),  # begins after they end
            (bars(), {}, parts_of(START - 60 * day, 30)),  # spans them all
        )
    ]
    assert counts == [1, 2, 1, 3, 1, 1, 6]
    found = openings_of(path)
    assert found["lineage"].n_unique() == 2
    assert found.select("first", "last").row(0) == ("2025-04-30", "2025-09-27")


def test_marks_are_those_of_a_loop() -> None:
    """The hash is part of the file format, so it must never change."""
    word = 1 << 64

    def mix(value: int) -> int:
        out = (value + 0x9E3779B97F4A7C15) % word
        out = (out ^ (out >> 30)) * 0xBF58476D1CE4E5B9 % word
        out = (out ^ (out >> 27)) * 0x94D049BB133111EB % word
        return out ^ (out >> 31)

    table = returns().head(300).with_columns(ret=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise("ret"))
    found: dict[str, list[str]] = {}
    for day, asset, ret in table.drop_nulls().iter_rows():
        code = int.from_bytes(hashlib.blake2b(asset.encode(), digest_size=8).digest(), "big")
        if step := round(ret * 1e4):
            mark = mix(mix(mix(code) ^ (day - date(1970, 1, 1)).days) ^ step % word) >> 32
            found.setdefault(f"{day:%Y-%m}", []).append(f"{mark:08x}")
    assert marks_of(bars(change=lambda _: table)) == {month: sorted(marks)[:4] for month, marks in found.items()}


def test_the_first_holdout_that_was_opened_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "box.jsonl"
    assert opened_before(path, bars()) == (None, "")
    assert not path.exists()
    box(path).open(bars(), {}, parts_of(date(2025, 6, 30)))
    box(path).open(bars(), {}, parts_of())
    box(path).open(bars(1), {}, parts_of(date(2024, 6, 30)))
    assert opened_before(path, bars(change=ALTERED["more months"])) == (START, "")
    assert opened_before(path, bars(2)) == (None, "")
    path.write_bytes(path.read_bytes().replace(b'"asked_by":"me"', b'"asked_by":"he"', 1))
    known, fault = opened_before(path, bars())
    assert known is None
    assert "cannot be told" in fault
    assert "was altered" in fault


def test_a_record_without_marks_counts_with_every_holdout(tmp_path: Path) -> None:
    path = tmp_path / "box.jsonl"
    Ledger(path).append("opening", {"asked_by": "me", "box": "0", "holdout_start": "2020-01-31"})
    assert box(path).open(bars(), {}, parts_of()).count == 2
    assert openings_of(path)["lineage"].to_list()[0] is None


def test_who_asks_must_be_said(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--asked-by NAME"):
        box(tmp_path / "box.jsonl", "  ")
    assert not (tmp_path / "box.jsonl").exists()


def test_a_tampered_log_is_refused_until_it_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "box.jsonl"
    box(path).open(bars(), {}, parts_of())
    box(path).open(bars(), {}, parts_of())
    path.write_bytes(path.read_bytes().replace(b'"asked_by":"me"', b'"asked_by":"he"', 1))
    with pytest.raises(DatasetError, match=r"the lock box .* was altered: line 1 .*pureplay graph openings --accept"):
        box(path)
    with pytest.raises(DatasetError, match="was altered"):
        openings_of(path)
    assert "accepted" in accept_openings(path, time=NOON)
    assert openings_of(path)["sound"].to_list() == [False, True]
    assert box(path).open(bars(), {}, parts_of()).count == 3


def test_a_shortened_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "box.jsonl"
    box(path).open(bars(), {}, parts_of())
    box(path).open(bars(), {}, parts_of())
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(DatasetError, match="lines were removed"):
        box(path)
    path.unlink()
    with pytest.raises(DatasetError, match="removed"):
        box(path)


def test_a_place_that_cannot_hold_a_log_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no log", encoding="utf-8")
    for path in (tmp_path, tmp_path / "file" / "box.jsonl", tmp_path / "file"):
        with pytest.raises(DatasetError, match=r"lock box|is a folder") as caught:
            box(path)
        assert "--trials" not in str(caught.value)


def test_the_log_may_not_lie_in_what_a_run_replaces(tmp_path: Path) -> None:
    for path in (tmp_path / "out" / "box.jsonl", tmp_path / "out"):
        with pytest.raises(DatasetError, match="which a run replaces"):
            box(path).require_outside(tmp_path / "out")
    box(tmp_path / "box.jsonl").require_outside(tmp_path / "out")


def test_where_the_log_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREPLAY_LOCKBOX", str(tmp_path / "named.jsonl"))
    assert lockbox_place(tmp_path / "given.jsonl") == tmp_path / "given.jsonl"
    assert lockbox_place(None) == tmp_path / "named.jsonl"
    monkeypatch.delenv("PUREPLAY_LOCKBOX")
    assert lockbox_place(None) == Path.home() / ".pureplay" / "lockbox.jsonl"


def _open_often(path: Path, name: str) -> None:
    for _ in range(5):
        box(path, name).open(bars(), {}, parts_of())


def test_processes_at_once_lose_no_opening(tmp_path: Path) -> None:
    path, context = tmp_path / "box.jsonl", multiprocessing.get_context("spawn")
    both = [context.Process(target=_open_often, args=(path, name)) for name in ("one", "two")]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [each.exitcode for each in both] == [0, 0]
    assert openings_of(path)["asked_by"].value_counts().sort("asked_by").rows() == [("one", 5), ("two", 5)]
    assert box(path).open(bars(), {}, parts_of()).count == 11


# ---------------------------------------------------------------- the study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graph_small.dataset(tmp_path_factory.mktemp("lockbox") / "data")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(graph_small.CONFIG, encoding="utf-8")
    return path


def samples(out: Path) -> set[str]:
    tables = [pl.read_parquet(path) for path in out.glob("*.parquet")]
    return {each for table in tables if "sample" in table.columns for each in table["sample"].unique()}


OWN = ("seconds", "vintages", "coefficients")  # time; counts of what was known at each vintage; beside terms the digest of the data


def test_shut_by_default_and_nothing_of_the_holdout_is_written(
    folder: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUREPLAY_LOCKBOX", str(tmp_path / "box.jsonl"))
    assert call("graph", "study", "--data", folder, "--config", config, "--out", tmp_path / "one") == 0
    assert "is shut: --open-holdout --asked-by NAME" in capsys.readouterr().out
    assert not (tmp_path / "box.jsonl").exists()
    one = figures(tmp_path / "one")
    assert one["opened"] == 0
    assert samples(tmp_path / "one") == {"develop"}
    start = date.fromisoformat(one["holdout_start"])
    # other returns from the holdout on: every figure stays, so none is of the holdout
    table = graph_small.tables()["bars"]
    noise = pl.Series(np.random.default_rng(1).normal(0, 0.02, table.height))
    other = table.with_columns(ret=pl.when((pl.col("date") >= start) & pl.col("ret").is_not_null()).then(noise).otherwise("ret"))
    changed = graph_small.dataset(tmp_path / "changed", bars=other)
    assert call("graph", "study", "--data", changed, "--config", config, "--out", tmp_path / "two") == 0
    two = figures(tmp_path / "two")
    assert one["coefficients"]["terms"] == two["coefficients"]["terms"]
    assert {key: each for key, each in one.items() if key not in OWN} == {key: each for key, each in two.items() if key not in OWN}
    known = [{key: each for key, each in row.items() if key != "beyond_one"} for row in one["vintages"]]
    assert known == [{key: each for key, each in row.items() if key != "beyond_one"} for row in two["vintages"]]
    assert {row["split"] for row in known} == {"develop", "embargo", "holdout", "no_forward"}


def test_openings_are_counted_wherever_figures_stand(
    folder: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("graph", "study", "--data", folder, "--config", config, "--out", tmp_path / "run", "--lockbox", tmp_path / "box.jsonl")
    for count, said in ((1, "opened once"), (2, "opened 2 times")):
        assert call(*given, "--open-holdout", "--asked-by", "Ada") == 0
        assert said in capsys.readouterr().out
        found = figures(tmp_path / "run")
        assert found["opened"] == count
        assert [each["asked_by"] for each in found["openings"]] == ["Ada"] * count
        page = (tmp_path / "run" / "comovement.html").read_text(encoding="utf-8")
        assert ("opened once" in page or "opened 1 time" in page) if count == 1 else ("2 times" in page or "twice" in page)
        assert samples(tmp_path / "run") == {"develop", "holdout"}
    assert call("graph", "openings", "--lockbox", tmp_path / "box.jsonl") == 0
    said = capsys.readouterr().out
    assert said.count("Ada") == 2
    assert found["holdout_start"] in said
    # a later start makes develop of what was holdout, and every place says so though the box is shut
    late = tmp_path / "late.toml"
    late.write_text(graph_small.CONFIG.replace("[forecast]", "[forecast]\nholdout_start = 2099-01-01"), encoding="utf-8")
    again = ("graph", "study", "--data", folder, "--config", late, "--out", tmp_path / "late")
    assert call(*again, "--lockbox", tmp_path / "box.jsonl") == 0
    start = date.fromisoformat(found["holdout_start"])
    listed = pl.read_parquet(tmp_path / "late" / "vintages.parquet").filter(pl.col("split") == "develop", pl.col("date") >= start)
    note = f"{listed.height} develop vintages were holdout before: from {start} on"
    assert listed.height
    assert note in capsys.readouterr().out
    assert note in (tmp_path / "late" / "comovement.html").read_text(encoding="utf-8")
    assert any(note in each for each in figures(tmp_path / "late")["notes"])
    assert not any("holdout before" in each for each in found["notes"])
    assert openings_of(tmp_path / "box.jsonl").height == 2


def test_a_crash_after_the_opening_still_counts(folder: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def crash(*_: Any) -> None:
        seen.append(openings_of(tmp_path / "box.jsonl").height)
        raise RuntimeError("power cut")

    monkeypatch.setattr(comovement, "_regressions", crash)  # the first step that sees an outcome after the model
    given = ("graph", "study", "--data", folder, "--config", config, "--out", tmp_path / "run", "--lockbox", tmp_path / "box.jsonl")
    with pytest.raises(RuntimeError, match="power cut"):
        call(*given, "--open-holdout", "--asked-by", "Ada")
    assert seen == [1]
    assert openings_of(tmp_path / "box.jsonl").height == 1
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_recorded_is_refused_before_any_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any, **__: Any) -> None:
        pytest.fail("something was computed")

    monkeypatch.setattr(graph_app, "run_comovement", work)
    path, given = tmp_path / "box.jsonl", ("study", "--data", folder, "--out", tmp_path / "run")
    assert "--asked-by NAME" in refused(capsys, *given, "--open-holdout", "--lockbox", path)
    assert "no use without --open-holdout" in refused(capsys, *given, "--asked-by", "Ada")
    opened = (*given, "--open-holdout", "--asked-by", "Ada", "--lockbox")
    assert "which a run replaces" in refused(capsys, *opened, tmp_path / "run" / "box.jsonl")
    assert "is a folder" in refused(capsys, *opened, tmp_path)
    box(path).open(bars(), {}, parts_of())
    path.write_bytes(path.read_bytes().replace(b'"me"', b'"he"'))
    assert "was altered" in refused(capsys, *opened, path)
    assert "was altered" in refused(capsys, "openings", "--lockbox", path)
    assert json.loads(path.with_name("box.jsonl.head").read_text(encoding="utf-8"))["count"] == 1


def test_no_holdout_no_opening(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "late.toml"
    config.write_text(graph_small.CONFIG.replace("[forecast]", "[forecast]\nholdout_start = 2025-12-30"), encoding="utf-8")
    given = ("graph", "study", "--data", folder, "--config", config, "--out", tmp_path / "run", "--lockbox", tmp_path / "box.jsonl")
    assert call(*given, "--open-holdout", "--asked-by", "Ada") == 0
    assert "nothing was recorded" in capsys.readouterr().out
    assert not (tmp_path / "box.jsonl").exists()
    assert call("graph", "openings", "--lockbox", tmp_path / "box.jsonl") == 0
    assert "no opening is recorded" in capsys.readouterr().out
