"""A co-movement study made by hand: hypothetical numbers, deterministic, with every part that the page draws."""

import math
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from pureplay.studies.comovement_records import ComovementStudy

PUBLISHED: Final = {
    "product_peer": (0.049, None),
    "deep_peer": (0.065, 22.0),
    "chain": (0.028, 9.0),
    "disclosed": (0.013, 2.6),
    "affiliate": (0.005, 2.2),
    "dark": (-0.005, -1.2),
}
COEFFICIENTS: Final = {
    "intercept": (0.091, 0.006),
    "trailing": (0.612, 0.011),
    "product_peer": (0.0412, 0.0041),
    "deep_peer": (0.0587, 0.0052),
    "chain": (0.0263, 0.0048),
    "disclosed": (0.0121, 0.0071),
    "affiliate": (0.0049, 0.0033),
    "dark": (-0.0038, 0.0029),
}
ARM_CUTS: Final = {
    "graph": 0.412,
    "news_only": 0.151,
    "random_industry": 0.263,
    "trailing": 0.437,
    "expected": 0.446,
    "mix_0": 0.437,
    "mix_0.5": 0.451,
    "index": 0.241,
    "industry": 0.338,
}
COUNTS: Final = (1, 2, 5, 10, 20, 50)
UNIVERSES: Final = ("CSI 300", "CSI 1000")
SPLIT: Final = ("develop", "holdout")


def months() -> list[date]:
    """Vintages."""
    return [date(2018 + k // 12, k % 12 + 1, 28) for k in range(84)]


def vintages() -> pl.DataFrame:
    """Rows of the vintages: develop, two in the embargo, holdout, two without a forward window."""
    made = []
    for k, day in enumerate(months()):
        pairs = 41_000 + 150 * k + round(4000 * math.sin(k / 3))
        part = "develop" if k < 53 else "embargo" if k < 55 else "holdout" if k < 82 else "no_forward"
        made.append(
            {
                "date": day,
                "split": part,
                "pairs": pairs,
                "random": pairs - 90,
                "names": 4100 + 9 * k,
                "confirmed": round(0.63 * pairs),
                "dark": pairs - round(0.63 * pairs),
                "product_peer": round(0.5 * pairs),
                "deep_peer": round(0.3 * pairs),
                "chain": round(0.4 * pairs),
                "disclosed": round(0.06 * pairs),
                "affiliate": round(0.05 * pairs),
                "bid": 310 + k,
                "unmapped": 820,
                "widened": 1210,
                "short": 90,
                "beyond_one": 12,
            }
        )
    return pl.DataFrame(made)


def regression(sample: str, variant: str, vintages_held: int) -> list[dict[str, Any]]:
    """Rows of a regression."""
    more = {"bids": {"bid": (0.011 if sample == "develop" else -0.012, 0.004)}}
    more["interactions"] = {f"trailing_x_{name}": (0.03, 0.012) for name in ("deep_peer", "chain", "disclosed", "affiliate", "dark")}
    shift = 0.004 if sample == "develop" else 0.0
    made = []
    for term, (value, se) in (COEFFICIENTS | more.get(variant, {})).items():
        value, t = value + shift, (value + shift) / se
        theirs = PUBLISHED.get(term, (None, None)) if variant == "plain" else (None, None)
        made.append(
            {
                "sample": sample,
                "variant": variant,
                "term": term,
                "coefficient": value,
                "se": se,
                "t": t,
                "p": math.exp(-abs(t)),
                "newey_west_t": 1.3 * t,
                "dyadic_se": 2 * se,
                "vintages": vintages_held,
                "observations": 80_000 * vintages_held,
                "published": theirs[0],
                "published_t": theirs[1],
            }
        )
    return made


def retention_rows(sample: str) -> list[dict[str, Any]]:
    """Rows of retention: matched totals and bins."""
    made = []
    for place, (group, kept) in enumerate({"confirmed": 0.918, "shallow_peer": 0.861, "dark": 0.79, "price_only": 0.752}.items()):
        for each in (None, *(round(0.1 + 0.05 * k, 2) for k in range(12))):
            trailing = 0.34 if each is None else each + 0.025
            held = kept + (0.015 if sample == "develop" else 0.0) + (0.0 if each is None else 0.05 * math.sin(9 * each + place))
            made.append(
                {
                    "sample": sample,
                    "group": group,
                    "bin": each,
                    "trailing": trailing,
                    "forward": held * trailing,
                    "retention": held,
                    "se": 0.012,
                    "confirmed_retention": 0.921,
                    "difference_t": None if group == "confirmed" else 1.1 + 1.3 * place,
                    "pairs": 812_400 if each is None else 61_000,
                }
            )
    return made


def hedge_row(arm: str, names: int, scale: float) -> dict[str, Any]:
    """Figures of a hedge."""
    flat = arm in ("index", "industry")
    cut = scale * ARM_CUTS[arm] * (1.0 if flat else 1.1 - 0.35 / names**0.5 - 0.0012 * names)
    return {
        "arm": arm,
        "names": names,
        "variance_cut": cut,
        "median_cut": cut + 0.013,
        "beats_industry": None if arm == "industry" else 0.5 + (cut - scale * 0.338) * 2,
        "turnover": None if arm == "index" else 0.18 + 0.1 * (arm == "news_only"),
        "stock_months": 7421 - 40 * names,
        "dropped": 1203 + 40 * names,
        "complete": 8000 - 579 * (arm == "news_only") - 40 * names,
    }


def hedge_frame() -> pl.DataFrame:
    """Hedges by sample, universe, arm and count."""
    return pl.DataFrame(
        [
            {"sample": sample, "universe": universe, **hedge_row(arm, names, 1 - 0.2 * place)}
            for sample in SPLIT
            for place, universe in enumerate(UNIVERSES)
            for arm in ARM_CUTS
            for names in COUNTS
        ]
    )


def size_frame() -> pl.DataFrame:
    """Hedges by size group."""
    return pl.DataFrame(
        [
            {"sample": sample, "universe": "all", "size_group": group, **hedge_row(arm, 10, 0.6 + 0.08 * group)}
            for sample in SPLIT
            for group in range(1, 6)
            for arm in ARM_CUTS
        ]
    )


def score_rows(sample: str) -> list[dict[str, Any]]:
    """Rows of the scores."""
    errors = {
        "persistence": 0.0412,
        "regression": 0.0301,
        "industry_mean": 0.0388,
        "ledoit_wolf": 0.0371,
        "co_mention": 0.03005,
        "random_pairs": 0.0309,
        "expected_fwd_corr": 0.0289,
    }
    return [
        {
            "sample": sample,
            "predictor": name,
            "mse": value * (1.04 if sample == "develop" and name != "regression" else 1.0),
            "rank_correlation": 0.9 - 7 * value,
            "mz_intercept": 0.01,
            "mz_slope": 0.98 if value < 0.031 else 0.61,
            "dm_t": None if name == "regression" else 4000 * (0.0301 - value),
            "dm_p": None if name == "regression" else math.exp(-4000 * abs(0.0301 - value)),
            "observations": 2_140_312,
        }
        for name, value in errors.items()
    ]


def comovement(**changes: Any) -> ComovementStudy:
    """A whole study; changes replace parts of it."""
    cells = [(sample, 26 if sample == "holdout" else 53) for sample in SPLIT]
    lamps = list(COEFFICIENTS)[2:]
    made: dict[str, Any] = {
        "name": "Co-movement of a synthetic market",
        "synthetic": True,
        "opened": 2,
        "holdout_start": "2022-08-01",
        "vintages": vintages(),
        "articles": pl.DataFrame({"reason": ["articles", "single_name", "list", "unknown_names"], "count": [912_044, 401_200, 9120, 512]}),
        "fama_macbeth": pl.DataFrame(
            [row for variant in ("plain", "interactions", "bids") for each in cells for row in regression(each[0], variant, each[1])],
            infer_schema_length=None,
        ),
        "scores": pl.DataFrame([row for sample in SPLIT for row in score_rows(sample)]),
        "permutation": pl.DataFrame(
            [
                {
                    "sample": sample,
                    "term": term,
                    "coefficient": COEFFICIENTS[term][0],
                    "permuted_mean": 0.6 * COEFFICIENTS[term][0],
                    "permuted_sd": 0.0006,
                    "p": 0.0099,
                }
                for sample in SPLIT
                for term in lamps
            ]
        ),
        "calibration": pl.DataFrame(
            [
                {
                    "sample": sample,
                    "decile": k,
                    "predicted": 0.1 + 0.05 * k,
                    "realised": 0.11 + (0.047 if sample == "holdout" else 0.051) * k,
                    "observations": 214_031,
                }
                for sample in SPLIT
                for k in range(1, 11)
            ]
        ),
        "retention": pl.DataFrame([row for sample in SPLIT for row in retention_rows(sample)], infer_schema_length=None),
        "hedge": hedge_frame(),
        "hedge_sizes": size_frame(),
        "mix": pl.DataFrame(
            [
                {
                    "sample": sample,
                    "universe": universe,
                    "weight": k / 10,
                    "variance_cut": (0.437 if sample == "holdout" else 0.449) - 0.07 * place + 0.05 * (k / 10) - 0.06 * (k / 10) ** 2,
                    "stock_months": 7021,
                    "chosen": k == 4,
                }
                for sample in SPLIT
                for place, universe in enumerate(UNIVERSES)
                for k in range(11)
            ]
        ),
        "spillover": pl.DataFrame(
            [
                {
                    "sample": sample,
                    "relation": relation,
                    "horizon": horizon,
                    "mean_ic": mean,
                    "t": mean / 0.006,
                    "p": math.exp(-abs(mean / 0.006)),
                    "icir": mean * 9,
                    "dates": 590,
                }
                for sample in SPLIT
                for relation, mean in (("confirmed", 0.003), ("dark", -0.004), ("all", 0.001))
                for horizon in (1, 5, 20)
            ]
        ),
        "minimum_variance": pl.DataFrame(
            [
                {"sample": sample, "method": method, "volatility": volatility, "t": t, "placebo_t": other, "vintages": 26}
                for sample in SPLIT
                for method, volatility, t, other in (
                    ("shrunk", 0.1342, None, 0.9),
                    ("discounted", 0.1339, -0.41, 0.31),
                    ("placebo", 0.1338, -0.87, None),
                    ("constant", 0.1391, 1.8, 2.1),
                    ("equal", 0.2211, 6.1, 6.2),
                )
            ]
        ),
        "bids": pl.DataFrame(
            [
                {
                    "sample": "develop",
                    "coefficient": 0.011,
                    "t": 2.9,
                    "p": 0.044,
                    "verdict": "rejected",
                },
                {
                    "sample": "holdout",
                    "coefficient": -0.012,
                    "t": -3.1,
                    "p": 0.036,
                    "verdict": "rejected",
                },
            ]
        ),
        "openings": pl.DataFrame(
            [
                {"opened_at": datetime(2025, 1, 14, 9, 30), "asked_by": "a. reader", "digest": "9f2c" * 16},
                {"opened_at": datetime(2025, 2, 3, 17, 5), "asked_by": "b. writer", "digest": "77ab" * 16},
            ]
        ),
        "refused": pl.DataFrame({"part": ["hedging, index"], "reason": ["the table benchmarks has no rows: give index returns"]}),
        "coefficients": {"variant": "interactions", "fit_start": "2018-01-28", "terms": {"deep_peer": 0.0627}},
        "settings": {
            "graph": {"forward_sessions": 60, "trailing_sessions": 90},
            "forecast": {"cosines": 4, "variant": "best"},
            "study": {"hedge_names": 10},
        },
        "data": {"first": "2017-06-01", "last": "2024-12-31", "sessions": 1842, "assets": 5211},
        "seconds": {"panel": 41.25, "hedging": 63.5},
        "notes": ("affiliates are known by name alone before 2019",),
    }
    return ComovementStudy(**(made | changes))


def emptied(*names: str, columns: bool = True, **changes: Any) -> ComovementStudy:
    """A study in which these frames have no row, or not even columns."""
    whole = comovement()
    return comovement(**{name: getattr(whole, name).clear() if columns else pl.DataFrame() for name in names}, **changes)
