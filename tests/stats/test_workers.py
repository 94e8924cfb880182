"""The bits of a result do not depend on the number of workers, whatever BLAS would like to do by itself."""

import os
import subprocess
import sys

PROGRAM = """
import hashlib
import numpy as np
from pureplay.stats.crosssection import rank_correlation, robust_zscore
from pureplay.stats.orthogonal import forward_orders, orthogonal_days
from pureplay.stats.rolling import windowed_gap

rng = np.random.default_rng(0)
base, signal, future = rng.normal(size=(6, 22, 5500)), rng.normal(size=(6, 5500)), rng.normal(size=(1, 6, 5500))
made = orthogonal_days(signal, base, forward_orders(future), keep_residual=True)
blocks = [made.residual, made.left, made.ic, rank_correlation(signal, future[0])[0]]
blocks.append(robust_zscore(signal, np.ones(signal.shape, bool), winsorise_mads=3.0))
x, y = rng.normal(size=(2, 60, 700))
blocks += windowed_gap(x, y, np.ones(x.shape, bool), window=20, minimum=15)
print(hashlib.sha256(b"".join(block.tobytes() for block in blocks)).hexdigest())
"""


def digest(workers: int) -> str:
    free = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**free, "PUREPLAY_WORKERS": str(workers)}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_one_two_and_three_workers_give_the_same_bits() -> None:
    assert len(digest(1)) == 64
    assert digest(1) == digest(2) == digest(3)
