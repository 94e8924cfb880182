"""The benchmarks: each bar of the design beside its peer and the limit of the machine, in the same run.

    python run.py bench [--only NAME] [--json FILE] [--stocks N] [--sessions N]

Every row runs in a process of its own, so that its memory peak is its own. Slower versions work on the last dates only; their numbers
must equal the kernel's there, and their time is scaled by the number of cells.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

STOCKS, SESSIONS = 5500, 2430


class Bench(NamedTuple):
    """Where a row is measured, and which market it needs on disk: "planted", "comovement", or "" for none."""

    module: str
    function: str
    market: str
    most_mb: str = "BAR_MB"


BENCHES = {
    "construction_r": Bench("construction_r", "measure", "planted"),
    "rank_ic": Bench("rank_ic", "measure", ""),
    "orthogonal_ic_22": Bench("orthogonal_ic", "measure", ""),
    "orthogonal_ic_22_industries": Bench("orthogonal_ic", "measure_industries", ""),
    "battery_56x7": Bench("battery", "measure", ""),
    "parquet_to_scores": Bench("parquet_to_scores", "measure", "planted"),
    "factors_22": Bench("factors_22", "measure", "planted"),
    "study": Bench("study", "measure", "planted"),
    "portfolio_books": Bench("portfolio_books", "measure", ""),
    "graph_pairs": Bench("graph_pairs", "measure", ""),
    "graph_vintage": Bench("graph_study", "measure_vintage", "comovement"),
    "graph_study": Bench("graph_study", "measure_study", "comovement", "STUDY_MB"),
}


def main(arguments: Sequence[str]) -> int:
    """Run the rows asked for, print the table, write the JSON file; returns the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.one:
        print(_measured(asked.one, asked.stocks, asked.sessions, asked.market).to_json())
        return 0
    unknown = [name for name in asked.only or () if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"bench: there is no row {unknown[0]!r}; the rows are {', '.join(BENCHES)}\n")
        return 2
    names = [name for name in BENCHES if not asked.only or name in asked.only]
    with tempfile.TemporaryDirectory(prefix="pureplay-bench-") as place:
        for market in sorted({BENCHES[name].market for name in names} - {""}):
            _say(f"Making a {market} market of {asked.stocks} stocks and {asked.sessions} sessions ...")
            _make_market(Path(place) / market, market, asked.stocks, asked.sessions)
        rows = [_row(name, asked.stocks, asked.sessions, place) for name in names]
    _print(rows, asked.stocks, asked.sessions)
    if asked.json:
        Path(asked.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Benchmarks of pureplay against their bars, peers and limits.")
    parser.add_argument("--only", metavar="NAME", action="append", help=f"only this row (may be repeated): {', '.join(BENCHES)}")
    parser.add_argument("--json", metavar="FILE", help="write the rows to this file")
    parser.add_argument("--stocks", type=int, default=STOCKS, help=f"default {STOCKS}; the bars hold for the default only")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help=f"default {SESSIONS}")
    parser.add_argument("--one", choices=BENCHES, help=argparse.SUPPRESS)  # a row measured in this very process
    parser.add_argument("--market", help=argparse.SUPPRESS)
    return parser


def _measured(name: str, stocks: int, sessions: int, market: str) -> Any:
    bench = BENCHES[name]
    measure = getattr(importlib.import_module(bench.module), bench.function)
    return measure(stocks, sessions, Path(market) / bench.market) if bench.market else measure(stocks, sessions)


def _make_market(folder: Path, name: str, stocks: int, sessions: int) -> None:
    from pureplay.dataset import adopt_folder
    from pureplay.synthetic import preset, write_market

    # news and links are drawn apart from returns, and planting correlation would take a root of 5,500 x 5,500 a month
    settings = {**preset("comovement"), "links": 0.0} if name == "comovement" else {}
    write_market(folder, **settings, stocks=stocks, sessions=sessions)
    adopt_folder(folder, calendar="XSHG", notes={"synthetic": True})


def _row(name: str, stocks: int, sessions: int, market: str) -> dict[str, Any]:
    _say(f"Measuring {name} ...")
    call = [sys.executable, __file__, "--one", name, "--stocks", str(stocks), "--sessions", str(sessions), "--market", market]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {name} failed with exit code {done.returncode}; what it wrote stands above")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(rows: Sequence[dict[str, Any]], stocks: int, sessions: int) -> None:
    from rich.console import Console
    from rich.table import Table

    full = (stocks, sessions) == (STOCKS, SESSIONS)
    table = Table(title=f"{stocks:,} stocks x {sessions:,} sessions, {os.cpu_count()} cores, best of five")
    for heading in ("row", "seconds", "bar", "Mcells/s", "peak MB", "naive", "peer", "limit"):
        table.add_column(heading, justify="left" if heading == "row" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['seconds']:.3f}",
            _bar(row) if full else "full size only",
            f"{row['cells_per_second'] / 1e6:.1f}",
            f"{row['peak_mb']:,.0f}",
            *(_times(row[key]) for key in ("ratio_naive", "ratio_peer", "ratio_limit")),
        )
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    console.print("naive, peer: how many times longer they take for the same numbers; limit: how many times longer the row takes than it.")
    for row in rows:
        naive = getattr(importlib.import_module(BENCHES[row["name"]].module), "NAIVE", None)
        console.print(f"{row['name']}: naive = {naive or 'none'}; peer = {row['peer'] or 'none does the same'}; limit = {row['limit']}.")


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:,.1f} x"


def _bar(row: dict[str, Any]) -> str:
    most = getattr(importlib.import_module(BENCHES[row["name"]].module), BENCHES[row["name"]].most_mb, None)
    met = row["seconds"] <= row["bar_seconds"] and (most is None or row["peak_mb"] <= most)
    bar = f"<= {row['bar_seconds']:g} s" + (f", {most / 1000:g} GB" if most else "")
    return f"[green]{bar} met[/green]" if met else f"[red]{bar} MISSED[/red]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
