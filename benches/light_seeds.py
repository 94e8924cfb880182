"""How often the nested test errs, and how often it finds what is planted: many small synthetic markets, with and without the effect.

    python benches/light_seeds.py [--seeds 200] [--stocks 500] [--sessions 800] [--underreaction 0.6] [--json FILE]

Every seed gives two markets that share all random numbers: under-reaction planted, and its placebo. On each, construction R is judged on
the market's own eight factors; the nested test (beyond base and both controls) is taken two-sided at 5 %. On placebos the share of
rejections should be 5 %: the 99 % binomial band says how far chance alone may take it. Markets that are done are kept in the JSON file, so
that a run which was stopped goes on.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from scipy import stats

from pureplay.parallel import source_digest

LEVEL = 0.05


def market(task: tuple[int, float, int, int]) -> dict[str, float]:
    """Raw and orthogonal ICIR and the nested test of one market."""
    seed, underreaction, stocks, sessions = task
    from pureplay.dataset import Dataset
    from pureplay.signals.settings import SignalSettings
    from pureplay.studies.evaluation import Evaluation
    from pureplay.studies.momentum import run_momentum
    from pureplay.synthetic import market as simulate

    made = simulate(stocks=stocks, sessions=sessions, seed=seed, underreaction=underreaction)
    data = Dataset.from_frames(made.tables, calendar="XSHG", notes={"synthetic": True})
    evaluation = Evaluation(shuffles=0, null_draws=0, horizons_sessions=(20,), universes=False)
    study, _ = run_momentum(data, SignalSettings(), evaluation, name=f"seed {seed}")
    judged = study.verdict
    if judged is None or judged.nested is None:
        raise RuntimeError(f"seed {seed}: {study.not_evaluable or 'no nested test'}")
    test = judged.nested.test
    paired = [each.paired.t for each in judged.controls]
    return {"seed": seed, "underreaction": underreaction, "icir": judged.icir, "t": test.t, "p": test.p, "paired": min(paired)}


def main(arguments: Sequence[str]) -> int:
    """Run what is missing, print the rates; exit code 1 where the false positives lie outside the band."""
    asked = _parser().parse_args(arguments)
    made = {"stocks": asked.stocks, "sessions": asked.sessions, "code": source_digest()}
    held = json.loads(asked.json.read_text()) if asked.json and asked.json.exists() else {"made": made, "markets": []}
    if held["made"] != made:
        raise SystemExit(f"{asked.json} holds markets of other sizes or other code: give another file")
    done = [each for each in held["markets"] if each["seed"] < asked.seeds]
    have = {(each["seed"], each["underreaction"]) for each in done}
    tasks = [(seed, u, asked.stocks, asked.sessions) for seed in range(asked.seeds) for u in (0.0, asked.underreaction)]
    tasks = [each for each in tasks if each[:2] not in have]
    os.environ.update(PUREPLAY_WORKERS="1", OPENBLAS_NUM_THREADS="1")
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for number, each in enumerate(processes.map(market, tasks), start=1):
            done.append(each)
            if asked.json:
                partial = asked.json.with_suffix(".partial")
                partial.write_text(json.dumps({"made": made, "markets": done}) + "\n")
                partial.replace(asked.json)
            if number % 20 == 0:
                sys.stderr.write(f"{number} of {len(tasks)} markets\n")
    return _tell(done, asked.underreaction)


def _tell(done: list[dict[str, float]], underreaction: float) -> int:
    placebo = [each for each in done if each["underreaction"] == 0.0]
    planted = [each for each in done if each["underreaction"] == underreaction]
    wrong = sum(each["p"] < LEVEL for each in placebo)
    low, high = stats.binom.ppf([0.005, 0.995], len(placebo), LEVEL)
    found = sum(each["p"] < LEVEL and each["t"] > 0 for each in planted)
    upper = sum(each["p"] < LEVEL and each["t"] > 0 for each in placebo)
    print(
        f"placebo: {wrong} of {len(placebo)} reject at {LEVEL:.0%} (two-sided; {upper} of them upwards); 99 % band {low:.0f} to {high:.0f}"
    )
    print(f"planted (under-reaction {underreaction:g}): {found} of {len(planted)} found")
    mean = [sum(each["icir"] for each in group) / max(len(group), 1) for group in (placebo, planted)]
    print(f"mean orthogonal ICIR: placebo {mean[0]:+.3f}, planted {mean[1]:+.3f}")
    return 0 if low <= wrong <= high else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--stocks", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=800)
    parser.add_argument("--underreaction", type=float, default=0.6)
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
