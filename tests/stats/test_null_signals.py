"""The tests of `benches/null_signals.py` on signals that know nothing: its experiment, smaller, and the parts it is made of."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats as scipy_stats

SCRIPT = Path(__file__).resolve().parents[2] / "benches" / "null_signals.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("null_signals", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_every_test_holds_its_level_on_signals_that_know_nothing(bench: ModuleType) -> None:
    rows = {row.test: row for row in bench.judge(bench.Size(signals=200, markets=20, stocks=100, sessions=800, draws=200, seed=5))}
    claimed = {name: row.claim for name, row in rows.items() if row.claim != "shown"}
    assert claimed == {
        "EWC t of the mean IC (headline), two-sided": "two-sided",
        "DSR of a long-short series, 1 trial": "one-sided",
        "null of the offset mean, p, two-sided": "two-sided",
        "20 of 20 offsets positive": "two-sided",
        "20 of 20 offsets negative": "two-sided",
        "DSR of the best of 10, 10 trials": "one-sided",
        "SPA of 10 long-short series": "one-sided",
    }
    for row in rows.values():
        assert row.holds, row
    newey_west = rows["Newey-West t, 19 lags, two-sided"]
    assert newey_west.count > newey_west.band[1]  # its oversize, shown
    assert 0.12 < rows["20 of 20 offsets positive"].rate < 0.35  # nothing unusual, as METHODS says
    naive = rows["best of 10 as if it were the only one (DSR, 1 trial)"]
    assert naive.count > naive.band[1]  # what the deflation is for
    assert {row.of for row in rows.values()} == {200, 20}


def test_the_signals_persist_and_know_nothing(bench: ModuleType) -> None:
    rng = np.random.default_rng(1)
    signal = bench.persistent_signal(rng, 600, 300)
    carry = np.mean(signal[1:] * signal[:-1]) / np.mean(signal**2)
    assert 20 < np.log(0.5) / np.log(carry) < 62  # half-lives of 20 to 60 sessions
    assert signal[0].std() == pytest.approx(signal[-1].std(), rel=0.2)  # stationary from the start
    returns = bench.market_returns(rng, 600, 300)
    assert 0.05 < np.corrcoef(returns.T)[np.triu_indices(300, 1)].mean() < 0.6  # a common factor
    assert scipy_stats.kurtosis(returns.ravel()) > 1  # fat tails


def test_the_long_short_series_equals_a_plain_loop(bench: ModuleType) -> None:
    rng = np.random.default_rng(2)
    signal, forward = rng.normal(size=(62, 25)), rng.normal(size=(62, 25))
    wanted = []
    for t in (0, 20, 40):
        names = sorted(range(25), key=lambda i: signal[t, i])
        wanted.append(np.mean([forward[t, i] for i in names[-5:]]) - np.mean([forward[t, i] for i in names[:5]]))
    np.testing.assert_allclose(bench.long_short(signal, forward), wanted, rtol=1e-12)


def test_a_row_can_fail(bench: ModuleType) -> None:
    make = bench._row
    assert [make("a", count, 500, 0.05, "two-sided").holds for count in (12, 13, 38, 39)] == [False, True, True, False]
    assert [make("a", count, 500, 0.05, "one-sided").holds for count in (0, 37, 38)] == [True, True, False]
    assert make("a", 400, 500, 0.05, "shown").holds
    assert make("a", 25, 500, 0.05, "two-sided").band == tuple(scipy_stats.binom.ppf([0.005, 0.995], 500, 0.05))


def test_the_script_prints_its_table(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--signals", "20", "--markets", "2", "--stocks", "40", "--sessions", "420", "--draws", "40", "--seed", "1"]
    code = bench.main(arguments)
    out = capsys.readouterr().out
    assert code == (1 if "FAILS" in out else 0)
    assert out.count("\n") == 12
    assert "promised" in out
    assert bench.main([*arguments[:-1], "2"]) in (0, 1)
    assert capsys.readouterr().out != out  # the seed matters
