"""The benchmarks run at a tiny size, agree with their slower versions and write the rows that the loop of work reads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[1] / "benches" / "run.py"
KEYS = {
    "name",
    "seconds",
    "peak_mb",
    "ratio_naive",
    "ratio_peer",
    "ratio_limit",
    "cells_per_second",
    "peer",
    "limit",
    "bar_seconds",
}
BARS = {
    "construction_r": 0.5,
    "rank_ic": 0.5,
    "orthogonal_ic_22": 1.5,
    "orthogonal_ic_22_industries": 1.5,
    "battery_56x7": 25.0,
    "parquet_to_scores": 10.0,
    "factors_22": 30.0,
    "study": 180.0,
    "portfolio_books": 1.5,
    "graph_pairs": 0.6,
    "graph_vintage": 3.0,
    "graph_study": 180.0,
}


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks from a folder that is not the repository's."""
    return subprocess.run([sys.executable, str(RUN), *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.slow
def test_every_row_runs_small_and_its_slower_versions_agree(tmp_path: Path) -> None:
    """A slower version whose numbers differ ends the bench with an error, so an exit code of 0 says that they agree."""
    done = bench(tmp_path, "--stocks", "300", "--sessions", "120", "--json", "rows.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in rows] == list(BARS)
    for row in rows:
        assert set(row) == KEYS
        assert row["bar_seconds"] == BARS[row["name"]]
        assert row["seconds"] > 0
        assert row["peak_mb"] > 50  # an interpreter with numpy is larger
        assert row["cells_per_second"] == pytest.approx(300 * 120 / row["seconds"])
        assert row["ratio_limit"] > 0
        assert row["limit"]
        assert (row["ratio_naive"] is None) == (row["name"] in ("parquet_to_scores", "study", "graph_study"))
        alone = row["name"] in ("graph_vintage", "graph_study") or row["name"] in (
            "construction_r",
            "parquet_to_scores",
            "factors_22",
            "study",
            "portfolio_books",
            "graph_vintage",
            "graph_study",
        )
        assert (row["ratio_peer"] is None) == (row["peer"] is None) == alone
        assert row["name"][:14] in done.stdout
    assert "full size only" in done.stdout  # a bar of the full size is neither met nor missed here


def test_one_row_can_be_chosen(tmp_path: Path) -> None:
    done = bench(tmp_path, "--only", "rank_ic", "--stocks", "60", "--sessions", "45", "--json", "rows.json")
    assert done.returncode == 0, done.stderr
    assert [row["name"] for row in json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))] == ["rank_ic"]
    assert "planted market" not in done.stderr


def test_an_unknown_row_is_an_error_that_lists_the_rows(tmp_path: Path) -> None:
    done = bench(tmp_path, "--only", "rank_icc", "--json", "rows.json")
    assert done.returncode == 2
    assert f"there is no row 'rank_icc'; the rows are {', '.join(BARS)}" in done.stderr
    assert not (tmp_path / "rows.json").exists()


def test_numbers_that_differ_end_the_bench() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np, measuring\n"
        "measuring.agree(np.ones(3), np.ones(3), tolerance=1e-9, what='same')\n"
        "measuring.agree(np.array([1.0, 2.0]), np.array([1.0, 2.1]), tolerance=1e-9, what='toy')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(RUN.parent)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("toy: the numbers differ")
