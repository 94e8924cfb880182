"""Whether the co-movement regressions find the correlation that is planted, and their intervals hold it: many synthetic markets.

    python benches/graph_seeds.py [--seeds 20] [--stocks 600] [--sessions 1500] [--json FILE]

Every seed gives two markets that share all random numbers: the preset "comovement", and its placebo without links. On each, forward
correlation is regressed month by month (variant "plain") over all vintages with a forward window. A lamp that adds s to a correlation must
get s (1 - b), b the coefficient of the trailing correlation, which holds the rest already. The rules, three Monte-Carlo standard errors
each: every lamp's mean over the seeds lies at what was planted, `dark` and all lamps of the placebo at 0; and in order of size
deep peer, chain, disclosed, affiliate. The negative control, bids that add in the first half and take away in the second, must fail the
rule of develop and holdout in every seed. Coverage is shown, not judged. Markets that are done are kept in the JSON file, so that a run
which was stopped goes on.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from pureplay.parallel import source_digest

LAMPS = ("product_peer", "deep_peer", "chain", "disclosed", "affiliate", "dark")
ORDER = ("deep_peer", "chain", "disclosed", "affiliate")
BOUND = 3.0
LEVEL = 0.95
COSINES = 4

Market = dict[str, Any]


def market(task: tuple[int, float, int, int]) -> Market:
    """Coefficients of one market with their standard errors, what was planted, and the negative control on both samples."""
    seed, links, stocks, sessions = task
    from pureplay.dataset import Dataset
    from pureplay.graph.edges import build_panel, load_inputs
    from pureplay.graph.forecast import ForecastSettings, fit, split
    from pureplay.graph.ground import month_ends
    from pureplay.studies.comovement import stands
    from pureplay.synthetic import market as simulate
    from pureplay.synthetic import preset

    made = simulate(**{**preset("comovement"), "stocks": stocks, "sessions": sessions, "seed": seed, "links": links})
    inputs = load_inputs(Dataset(tables=made.tables, calendar="XSHG", notes={"synthetic": True}))
    graph, settings, axes = inputs.settings, ForecastSettings(cosines=COSINES), inputs.ground.axes
    panel, _ = build_panel(inputs, month_ends(axes, sessions=graph.trailing_sessions), seed=seed)
    parts = split(panel, holdout_start=None, forward_sessions=graph.forward_sessions, sessions=axes.sessions.dates)
    measured = np.setdiff1d(np.arange(panel.rows.size), parts.no_forward)
    found = fit(panel, measured, variant="plain", settings=settings)
    columns = {
        "mean": found.mean,
        "se": found.se,
        "newey_west_se": np.abs(found.mean / found.newey_west_t),
        "dyadic_se": found.mean_dyadic_se / np.sqrt(found.fitted.sum()),
    }
    bids = {}
    for sample in ("develop", "holdout"):
        one = fit(panel, getattr(parts, sample), variant="plain", bids=True, settings=settings)
        bids[sample] = {"coefficient": float(one.mean[-1]), "p": float(one.p[-1])}
    planted = made.truth["planted"]
    return {
        "seed": seed,
        "links": links,
        "planted": dict(zip(planted["lamp"], planted["correlation"], strict=True)),
        "terms": {name: {key: float(value[k]) for key, value in columns.items()} for k, name in enumerate(found.names)},
        "bids": bids,
        "stands": stands(bids["develop"], bids["holdout"]),
        "pairs": int(found.observations.sum()),
        "vintages": int(found.fitted.sum()),
    }


def judge(markets: Sequence[Market]) -> tuple[list[dict[str, Any]], list[str]]:
    """One row a lamp over markets of different seeds, and what breaks a rule.

    Rows: lamp, target (mean planted s (1 - b)), mean, error (mean less target), mc_se, z, and the share of seeds whose interval holds
    the target: ewc (t with as many degrees as cosines), newey_west, dyadic (vintages taken as independent; both normal).
    """
    rows, wrong = [], []
    for lamp in LAMPS:
        aim = np.array([each["planted"][lamp] * (1 - each["terms"]["trailing"]["mean"]) for each in markets])
        mean = _column(markets, lamp, "mean")
        error = mean - aim
        mc = float(error.std(ddof=1) / np.sqrt(error.size))
        wide = stats.t.ppf((1 + LEVEL) / 2, COSINES), stats.norm.ppf((1 + LEVEL) / 2)
        held = {
            shown: float(np.mean(np.abs(error) <= factor * _column(markets, lamp, key)))
            for shown, key, factor in (("ewc", "se", wide[0]), ("newey_west", "newey_west_se", wide[1]), ("dyadic", "dyadic_se", wide[1]))
        }
        z = float(error.mean()) / mc
        rows.append({"lamp": lamp, "target": aim.mean(), "mean": mean.mean(), "error": error.mean(), "mc_se": mc, "z": z, **held})
        if abs(z) > BOUND:
            wrong.append(f"{lamp} is {error.mean():+.5f} off, {abs(z):.1f} Monte-Carlo standard errors")
    return rows, wrong


def _column(markets: Sequence[Market], lamp: str, key: str) -> np.ndarray:
    return np.array([each["terms"][lamp][key] for each in markets])


def main(arguments: Sequence[str]) -> int:
    """Run what is missing, print the tables; exit code 1 where a rule is broken."""
    asked = _parser().parse_args(arguments)
    made = {"stocks": asked.stocks, "sessions": asked.sessions, "code": source_digest()}
    held = json.loads(asked.json.read_text()) if asked.json and asked.json.exists() else {"made": made, "markets": []}
    if held["made"] != made:
        raise SystemExit(f"{asked.json} holds markets of other sizes or other code: give another file")
    done: list[Market] = [each for each in held["markets"] if each["seed"] < asked.seeds]
    have = {(each["seed"], each["links"]) for each in done}
    tasks = [(seed, links, asked.stocks, asked.sessions) for seed in range(asked.seeds) for links in (1.0, 0.0)]
    tasks = [each for each in tasks if each[:2] not in have]
    os.environ.update(PUREPLAY_WORKERS="1", OPENBLAS_NUM_THREADS="1")
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for number, each in enumerate(processes.map(market, tasks), start=1):
            done.append(each)
            if asked.json:
                partial = asked.json.with_suffix(".partial")
                partial.write_text(json.dumps({"made": made, "markets": done}) + "\n")
                partial.replace(asked.json)
            if number % 10 == 0:
                sys.stderr.write(f"{number} of {len(tasks)} markets\n")
    return _tell([each for each in done if each["links"]], [each for each in done if not each["links"]])


def _tell(planted: list[Market], placebo: list[Market]) -> int:
    broken = []
    for title, markets in (("planted", planted), ("placebo", placebo)):
        rows, wrong = judge(markets)
        broken += [f"{title}: {each}" for each in wrong]
        pairs = sum(each["pairs"] for each in markets) / sum(each["vintages"] for each in markets)
        trailing = _column(markets, "trailing", "mean")
        print(f"{title}: {len(markets)} seeds, {pairs:,.0f} pairs a vintage, coefficient of trailing {trailing.mean():.4f}")
        print(f"{'lamp':<14}{'s(1-b)':>10}{'mean':>10}{'error':>10}{'MC se':>10}{'z':>7}{'EWC':>7}{'NW':>7}{'dyadic':>8}")
        for row in rows:
            figures = "".join(f"{row[key]:>10.5f}" for key in ("target", "mean", "error", "mc_se"))
            print(f"{row['lamp']:<14}{figures}{row['z']:>7.2f}{row['ewc']:>7.0%}{row['newey_west']:>7.0%}{row['dyadic']:>8.0%}")
    mean = {lamp: float(_column(planted, lamp, "mean").mean()) for lamp in ORDER}
    if sorted(ORDER, key=lambda lamp: -mean[lamp]) != list(ORDER):
        broken.append(f"the order of the lamps is {' > '.join(sorted(ORDER, key=lambda lamp: -mean[lamp]))}")
    broken += _bids(planted)
    for each in broken:
        print(f"RULE BROKEN: {each}")
    return 1 if broken else 0


def _bids(planted: Sequence[Mapping[str, Any]]) -> list[str]:
    accepted = [each["seed"] for each in planted if each["stands"]]
    print(f"bids: {len(planted) - len(accepted)} of {len(planted)} rejected by the rule of develop and holdout")
    for sample in ("develop", "holdout"):
        known = np.array([each["bids"][sample]["coefficient"] for each in planted])
        sure = sum(each["bids"][sample]["p"] < 1 - LEVEL for each in planted)
        print(f"  {sample}: mean coefficient {known.mean():+.4f}, significant at {1 - LEVEL:.0%} in {sure}")
    return [f"bids stand on develop and holdout in seeds {', '.join(map(str, accepted))}"] if accepted else []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--stocks", type=int, default=600)
    parser.add_argument("--sessions", type=int, default=1500)
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
