"""Is the best of many variants better than nothing: Hansen's test of superior predictive ability, and which variants pass it.

The bootstrap is arch's (`arch.bootstrap.SPA`). arch compares plain means, so the columns are divided beforehand by the standard
deviation of their mean, which makes the statistic the studentised one of Hansen (2005, JBES 23, 365-380).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pureplay.errors import InsufficientDataError, SettingError
from pureplay.panel import FloatArray
from pureplay.stats.given import is_number, require_whole, variants

__all__ = ["SPAResult", "Stepwise", "long_run_sd", "stepwise_superior", "superior_predictive_ability"]

_MOST_DRAWS: Final = 1_000_000
_FEWEST: Final = 10  # log(log(n)) and a bootstrap of blocks mean little below


@dataclass(frozen=True, slots=True, kw_only=True)
class SPAResult:
    """Test that no variant has a mean above 0, against that the best has.

    p_lower, p_consistent, p_upper: the three re-centrings of Hansen; the consistent one is the test, the others bound it, and the upper
    one is White's reality check, studentised. Each is (k + 1) / (draws + 1), never 0. statistic: largest mean / se, 0 where no mean is
    above 0 (Hansen's floor): every p is 1 then. best: column of the largest mean / se.
    n: periods that all variants have. dropped: periods left out because a variant lacks them. variants: columns. p_se: Monte-Carlo
    error of p_consistent.
    """

    p_lower: float
    p_consistent: float
    p_upper: float
    p_se: float
    statistic: float
    best: int
    n: int
    dropped: int
    variants: int
    mean_block: int
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepwise:
    """Variants with a mean above 0 while the chance of a single wrong one is `level` (StepM of Romano & Wolf 2005).

    superior: column numbers, ascending. rounds: steps until nothing more passed. n, dropped: periods used and left out.
    """

    superior: tuple[int, ...]
    level: float
    rounds: int
    n: int
    dropped: int


def superior_predictive_ability(differences: FloatArray, *, mean_block: int, draws: int = 1000, seed: int = 0) -> SPAResult:
    """SPA test over variants (Hansen 2005) by stationary bootstrap of whole periods.

    differences: (periods, variants), what each variant earned above its benchmark; a period that a variant lacks (NaN) is left out for
    all. mean_block: of the bootstrap, in periods; 1 where periods are independent, the overlap and more for daily figures of
    overlapping windows. Raises InsufficientDataError where fewer than 10 common periods or four blocks remain, or a variant does not
    vary.
    """
    kept, dropped = _common(differences, mean_block, draws)
    sd = long_run_sd(kept, mean_block)
    scores = kept.mean(axis=0) / sd * np.sqrt(kept.shape[0])
    test = _computed(kept / sd, mean_block, draws, seed)
    statistic = max(float(scores.max()), 0.0)  # arch has no floor, and sets bad variants against each other
    shares = test.pvalues if statistic > 0 else (1.0, 1.0, 1.0)
    lower, consistent, upper = ((round(float(p) * draws) + 1) / (draws + 1) for p in shares)
    return SPAResult(
        p_lower=lower,
        p_consistent=consistent,
        p_upper=upper,
        p_se=float(np.sqrt(max(consistent * (1 - consistent), 1 / draws) / draws)),
        statistic=statistic,
        best=int(scores.argmax()),
        n=kept.shape[0],
        dropped=dropped,
        variants=kept.shape[1],
        mean_block=mean_block,
        draws=draws,
    )


def stepwise_superior(differences: FloatArray, *, mean_block: int, level: float = 0.05, draws: int = 1000, seed: int = 0) -> Stepwise:
    """Which variants have a mean above 0, by repeated SPA tests of those that have not passed yet (Romano & Wolf 2005).

    differences, mean_block, draws, seed, errors: as of `superior_predictive_ability`. level: chance that any variant named is wrong.
    """
    if not (is_number(level) and 0 < level < 1):
        raise SettingError(f"level must lie between 0 and 1, not {level}")
    kept, dropped = _common(differences, mean_block, draws)
    test = _computed(kept / long_run_sd(kept, mean_block), mean_block, draws, seed)
    left, rounds = np.ones(kept.shape[1], dtype=bool), 1
    while (better := test.better_models(level)).size:
        left[better] = False
        if not left.any():
            break
        test.subset(left)
        test.compute()
        rounds += 1
    return Stepwise(superior=tuple(map(int, np.flatnonzero(~left))), level=level, rounds=rounds, n=kept.shape[0], dropped=dropped)


def long_run_sd(values: FloatArray, mean_block: float) -> FloatArray:
    """Root of n × the variance of a column's mean under the stationary bootstrap (Politis & Romano 1994, lemma 1); (columns,).

    values: (periods, columns), finite.
    """
    n = values.shape[0]
    lag = np.arange(n) / n
    stays = 1.0 - 1.0 / mean_block
    kappa = (1.0 - lag) * stays ** np.arange(n) + lag * stays ** (n - np.arange(n))
    size = 2 * n
    power = np.abs(np.fft.rfft(values - values.mean(axis=0), size, axis=0)) ** 2
    autocovariance = np.fft.irfft(power, size, axis=0)[:n] / n
    return np.asarray(np.sqrt(np.maximum(autocovariance[0] + 2.0 * (kappa[1:] @ autocovariance[1:]), 0.0)))


def _computed(studentised: FloatArray, mean_block: int, draws: int, seed: int) -> Any:
    require_whole(seed, "seed", 0)
    from arch.bootstrap import SPA

    test = SPA(np.zeros(studentised.shape[0]), -studentised, block_size=mean_block, reps=draws, bootstrap="stationary", seed=seed)
    test.compute()
    return test


def _common(differences: FloatArray, mean_block: int, draws: int) -> tuple[FloatArray, int]:
    """Periods on which every variant has a value, and how many others there are."""
    differences = variants(differences, "differences")
    if not differences.shape[1]:
        raise SettingError(f"differences must be (periods, variants), not an array of shape {differences.shape}")
    for name, value in (("mean_block", mean_block), ("draws", draws)):
        require_whole(value, name, 1)
    if draws > _MOST_DRAWS:
        raise SettingError(f"draws must be at most {_MOST_DRAWS}, not {draws}: the error of p falls with their root alone")
    kept = differences[np.isfinite(differences).all(axis=1)]
    needed = max(_FEWEST, 4 * mean_block)
    if kept.shape[0] < needed:
        raise InsufficientDataError(
            f"{kept.shape[0]} of {differences.shape[0]} periods are known for all {differences.shape[1]} variants; {needed} are required "
            f"for blocks of {mean_block}: leave out the variants with gaps, widen the period or shorten the blocks"
        )
    flat = np.flatnonzero(kept.min(axis=0) == kept.max(axis=0))
    if flat.size:
        raise InsufficientDataError(
            f"variants {flat[:5].tolist()} (of {flat.size}) do not vary over {kept.shape[0]} periods: leave them out"
        )
    return np.ascontiguousarray(kept), differences.shape[0] - kept.shape[0]
