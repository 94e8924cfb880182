"""The battery in pieces: what there is to run, what is left out with its reason, and each piece by another path."""

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pureplay.dataset import Dataset
from pureplay.evaluate.cell_figures import mean_icir
from pureplay.evaluate.cells import plan_bases
from pureplay.evaluate.orthogonal import Control, Evaluator, nested_t, verdict
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.signals.workshop import PeerWorkshop
from pureplay.stats.inference import ewc_test
from pureplay.studies import study as study_module
from pureplay.studies.controls import deal_within_industry, main_labels, schemes_by_depth, shuffle_source
from pureplay.studies.ground import lay_ground
from pureplay.studies.placebos import PLACEBOS
from pureplay.studies.study import run_study
from pureplay.studies.sweep import Piece, Sweep
from tests.studies import small


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.from_frames(small.tables(160), calendar="XSHG")


def sweep(data: Dataset, **changes: Any) -> Sweep:
    made = small.spec(Path(), evaluation={"split": None, "null_draws": 0, **changes.pop("evaluation", {})}, **changes)
    ground = lay_ground(data, made.evaluation, made.study, say=lambda _: None)
    return Sweep(ground, made.signal, made.evaluation, made.battery, made.study, lambda _: None)


@pytest.fixture(scope="module")
def plain(data: Dataset) -> Sweep:
    return sweep(data)


def test_pieces_of_a_construction(plain: Sweep) -> None:
    pieces, skipped = plain.pieces("S", beside=["own_only", "industry"])
    assert {each.construction for each in pieces} == {"S"}
    assert [(each.first, each.last) for each in pieces if each.kind == "bases"] == [(0, 100), (100, 160)]
    assert [each.name for each in pieces if each.kind == "variant"] == ["buffer days 0", "purity 0.8", "minimum peers 4", "level leaf"]
    assert [each.name for each in pieces if each.kind == "winsorising"] == ["signal", "own_only", "industry"]
    assert [each.name for each in pieces if each.kind == "placebo"] == [name for name in PLACEBOS if name != "year_late"]
    assert [(each.name, each.number) for each in pieces if each.kind == "shuffle"] == [("own_only industry", 0), ("own_only industry", 1)]
    assert [each.split(":")[0] for each in skipped] == ["level 60", "placebo signal of 250 sessions before"]
    assert len(set(pieces)) == len(pieces) == len({str(each) for each in pieces})


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"study": {"placebos": False}}, "placebo"),
        ({"evaluation": {"shuffles": 0}}, "shuffle"),
        ({"study": {"buffers_days": (), "purities": (), "min_peers": (), "levels": ()}}, "variant"),
    ],
)
def test_what_is_switched_off_has_no_piece(data: Dataset, plain: Sweep, changes: dict[str, Any], gone: str) -> None:
    kinds = {each.kind for each in sweep(data, **changes).pieces("R")[0]}
    assert kinds == {each.kind for each in plain.pieces("R")[0]} - {gone}


def test_the_plan_of_bases_is_that_of_the_battery(data: Dataset, plain: Sweep) -> None:
    assert plain.bases == plan_bases(("c0", "c1", "c2", "c3"), None, None, small.BATTERY)
    assert plain.bases[0].group == "full"  # its share of variance left stands beside the signal itself
    assert sweep(data, battery={"ladder_from": 17}).bases == sweep(data, battery={"ladder_from": 4}).bases  # a narrower base starts later


def test_without_industries_there_is_no_shuffle_and_no_industry_control() -> None:
    tables = {name: each for name, each in small.tables(160).items() if name != "industries"}
    bare = sweep(Dataset.from_frames(tables, calendar="XSHG"))
    pieces, skipped = bare.pieces("R")
    assert "shuffle" not in {each.kind for each in pieces}
    assert "within-industry shuffles: the dataset has no industries" in skipped
    assert [each.name for each in pieces if each.kind == "winsorising"] == ["signal", "own_only"]


def test_where_winsorising_is_off_the_cell_switches_it_on(data: Dataset, plain: Sweep) -> None:
    off = sweep(data, signal={"winsorise_mads": None})
    piece = Piece(construction="R", kind="winsorising", name="signal")
    on = off.run(piece)["ic"]
    settings = replace(small.SIGNAL, winsorise_mads=3.0)
    market = plain.ground.market
    wanted = score_blocks(market, product_peers(data, market, settings), settings).composite
    assert on.tobytes() == plain.ground.headline.days(wanted).ic[0].tobytes()
    assert on.tobytes() != plain.run(piece)["ic"].tobytes()


def test_pieces_do_not_depend_on_their_order(data: Dataset, plain: Sweep) -> None:
    """R and S in turn, and backwards: the bits of each piece stay."""
    pieces = [*plain.pieces("R", beside=["own_only"])[0], *plain.pieces("S", beside=["own_only"])[0]]
    chosen = [each for k, each in enumerate(pieces) if k % 5 == 0]
    first = {each: plain.run(each) for each in chosen}
    again = sweep(data)
    for each in [*chosen[::-2], *chosen[::2]]:
        found = again.run(each)
        assert {name: array.tobytes() for name, array in found.items()} == {name: array.tobytes() for name, array in first[each].items()}


def test_the_construction_before_is_let_go(plain: Sweep) -> None:
    import gc
    import weakref

    held = weakref.ref(plain.built("R").composite)
    assert plain.built("R").composite is held()
    plain.built("S")
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("beside", [(), ("own_only",), ("own_only", "industry")])
def test_a_shuffle_meets_the_controls_that_the_signal_met(data: Dataset, plain: Sweep, beside: tuple[str, ...]) -> None:
    pieces, _ = plain.pieces("R", beside=beside)
    for piece in (each for each in pieces if each.kind == "shuffle"):
        built, market = plain.built("R"), plain.ground.market
        peers = product_peers(data, market, small.SIGNAL)
        labels = main_labels(data, market.axes, schemes_by_depth(data)[0])
        source = shuffle_source(labels, (peers.mix.active >= 0).any(axis=0), np.random.default_rng([3, piece.number]))
        dealt = score_blocks(market, deal_within_industry(peers, source), small.SIGNAL).composite
        wanted = nested_t(plain.ground.headline, dealt, {name: built.controls[name] for name in beside})
        found, judge = plain.run(piece), plain.ground.headline
        assert ewc_test(found["ic"]).t == pytest.approx(wanted, rel=1e-12)
        for name, raw in (("orthogonal", False), ("raw", True)):
            whole = judge.summary(name, judge.days(dealt, raw=raw)).icir
            offset = judge.axes.sessions.ordinals % judge.timing.grid_sessions
            grids = [found[name][(offset == each) & np.isfinite(found[name])] for each in np.unique(offset)]
            plainly = [values.mean() / values.std(ddof=1) for values in grids if values.size >= 3]
            assert np.mean(plainly) == pytest.approx(whole, rel=1e-12)  # sums in another order
            assert mean_icir(found[name], judge.axes.sessions, judge.timing.grid_sessions) == pytest.approx(whole, rel=1e-12)


def test_a_control_without_an_answer_stays_out_of_the_shuffles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `run_momentum`: a control that no date can judge, or that is the signal itself, would take the names or the signal away."""
    folder = small.dataset(tmp_path / "data", sessions=160)

    def blind(make: Callable[..., Any]) -> Callable[..., Any]:
        def changed(judge: Evaluator, name: str, score: Any, controls: dict[str, Control], **more: Any) -> Any:
            return make(judge, name, score, {**controls, "industry": Control(score=np.full_like(score, np.nan), parts=())}, **more)

        return changed

    monkeypatch.setattr(study_module, "verdict", blind(verdict))
    asked: list[str] = []
    run = Sweep.run
    monkeypatch.setattr(Sweep, "run", lambda self, piece: asked.append(piece.name if piece.kind == "shuffle" else "") or run(self, piece))
    quick = {"constructions": ("R",), "placebos": False, "buffers_days": (), "purities": (), "min_peers": (), "levels": ()}
    made = run_study(small.spec(folder, study=quick, evaluation={"split": None, "null_draws": 0}), work=tmp_path / "work")
    judged = made.constructions["R"].verdict
    assert judged is not None
    assert judged.not_evaluable == ("industry",)
    assert [each for each in asked if each] == ["own_only", "own_only"]
    assert len(judged.shuffled_t) == 2


def test_rows_of_a_cell_that_cannot_be_judged(tmp_path: Path) -> None:
    """Too few names for a figure are told in the row; the study goes on."""
    folder = small.dataset(tmp_path / "data", sessions=160)
    quick = {"constructions": ("R",), "placebos": False, "buffers_days": (), "purities": (0.97,), "min_peers": (40,), "levels": ()}
    made = run_study(small.spec(folder, study=quick, evaluation={"split": None, "shuffles": 0}), work=tmp_path / "work")
    cells = made.constructions["R"].cells
    (row,) = cells.filter(pl.col("label") == "40").to_dicts()
    assert "not evaluable: no date out of 160 has enough names" in row["reason"]
    assert row["icir"] is None
    assert cells.filter(pl.col("is_default"))["icir"].null_count() == 0


def test_pieces_side_by_side_share_one_workshop(data: Dataset, plain: Sweep) -> None:
    """Threads that ask for other filing dates in turn: none may drop a block that another is about to use."""
    shop = PeerWorkshop(data, plain.ground.market)
    cells = [replace(small.SIGNAL, buffer_days=days) for days in range(0, 60, 5)]
    wanted = [shop.mix(each).active.copy() for each in cells]
    faults: list[object] = []

    def work(start: int) -> None:
        try:
            for at in [*range(start, len(cells), 2), *range(start, len(cells), 2)] * 20:
                if not np.array_equal(shop.mix(cells[at]).active, wanted[at]):
                    faults.append(at)
        except KeyError as error:
            faults.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert faults == []
