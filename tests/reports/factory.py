"""Records made by hand: hypothetical numbers, deterministic, with every part that a report draws."""

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from pureplay.evaluate.records import ControlFigure, ICSummary, OffsetFigure, OrthogonalICIR, Period
from pureplay.stats.inference import MeanTest, OffsetNull
from pureplay.studies.records import MomentumStudy

NAN = float("nan")
FIRST = date(2021, 6, 1)
HOSTILE = "</script><script>alert(1)</script>"
REFUSED = {"level": pl.String, "table": pl.String, "rule": pl.String, "count": pl.Int64, "remedy": pl.String}
FACTORS = [
    *("size", "nlsize", "beta", "nlbeta", "momentum", "resvol", "liquidity", "btop", "earnyld", "divyld", "growth", "leverage", "strev_20"),
    *("ivol_20", "max_20", "dbeta_252", "abturn_20", "amihud_20", "roe_ttm", "gpa_ttm", "d_at_yoy", "asset_growth"),
]


def weekdays(length: int) -> list[date]:
    """That many weekdays from FIRST on."""
    days = (FIRST + timedelta(days=k) for k in range(length * 2))
    return [day for day in days if day.weekday() < 5][:length]


def mean_test(t: float, mean: float = 0.02) -> MeanTest:
    """A test with a given t."""
    return MeanTest(mean=mean, se=mean / t if t else NAN, t=t, p=math.exp(-abs(t)) if t == t else NAN, df=8, n=1000)


def offset_null(width: float = 0.25, p: float = 0.012) -> OffsetNull:
    """A null band symmetric about 0."""
    levels = ((0.025, -width), (0.05, -0.8 * width), (0.5, 0.0), (0.95, 0.8 * width), (0.975, width))
    return OffsetNull(
        draws=1000,
        mean_block=40.0,
        quantiles=levels,
        quantile_se=0.006,
        sd=width / 1.96,
        all_positive=0.13,
        all_positive_se=0.01,
        p=p,
        p_se=0.003,
    )


def periods(icir: float, days: list[date]) -> tuple[Period, ...]:
    """Calendar years of the days, the first and last partial, and the two sides of a split."""
    out = []
    half = days[len(days) // 2]
    sides = [("in sample", [day for day in days if day <= half][:-21]), ("out of sample", [day for day in days if day > half])]
    for k, (label, held) in enumerate(
        [*((str(year), [day for day in days if day.year == year]) for year in sorted({day.year for day in days})), *sides]
    ):
        if held:
            level = icir + 0.11 * math.sin(2.3 * k)
            months = len({(day.year, day.month) for day in held})
            out.append(
                Period(
                    label=label,
                    first=held[0],
                    last=held[-1],
                    months=months,
                    n_dates=len(held),
                    median_names=900.0,
                    mean=0.07 * level,
                    sd=0.07,
                    se_mean=0.015,
                    icir=level,
                    icir_min=level - 0.3,
                    icir_max=level + 0.34,
                    n_positive=15,
                    n_offsets=20,
                    t_ewc=4 * level,
                )
            )
    return tuple(out)


def summary(
    name: str = "composite",
    icir: float = 0.352,
    *,
    t: float | None = None,
    horizon: int = 20,
    length: int = 1100,
    null: OffsetNull | None = None,
) -> ICSummary:
    """Figures of a daily IC around a level."""
    days = weekdays(length)
    ic = [None if k % 97 == 0 else 0.07 * icir + 0.06 * math.sin(0.11 * k + icir) + 0.03 * math.cos(1.7 * k) for k in range(length)]
    spread = [icir + 0.22 * math.sin(0.9 * k + icir) for k in range(20)]
    return ICSummary(
        name=name,
        horizon_sessions=horizon,
        grid_sessions=20,
        icir=icir,
        icir_min=min(spread),
        icir_max=max(spread),
        n_positive=sum(each > 0 for each in spread),
        offsets=tuple(OffsetFigure(offset=k, icir=each, mean=0.02, sd=0.06, n=length // 20) for k, each in enumerate(spread)),
        mean=0.07 * icir,
        sd=0.0712,
        n_dates=length - length // 97,
        median_names=900.0,
        test=mean_test(8 * icir if t is None else t, 0.07 * icir),
        newey_west_t=9.5 * icir,
        skipped={"with too few names, or without variation": length // 97},
        periods=periods(icir, days),
        null=null,
        daily=pl.DataFrame(
            {"date": days, "offset": [k % 20 for k in range(length)], "ic": ic, "names": [900] * length, "reason": [None] * length},
            schema={"date": pl.Date, "offset": pl.Int64, "ic": pl.Float64, "names": pl.Int64, "reason": pl.String},
        ),
    )  # fmt: skip


def verdict(icir: float = 0.352, *, nested_t: float = 3.1, paired_t: float = 2.9, length: int = 1100, **changes: Any) -> OrthogonalICIR:
    """A full verdict: two controls, nested test, 20 shuffles."""
    made = OrthogonalICIR(
        raw=summary("composite, raw", icir + 0.1, length=length),
        orthogonal=summary("composite, orthogonal", icir, length=length, null=offset_null()),
        base=tuple(FACTORS),
        variance_left=0.216,
        variance_left_range=(0.151, 0.263),
        dropped={"divyld": 12},
        controls=tuple(
            ControlFigure(
                name=name, raw=summary(f"{name}, raw", 0.31), orthogonal=summary(name, level), paired=mean_test(paired_t), identical=False
            )
            for name, level in (("own_only", 0.114), ("industry", 0.187))
        ),
        nested=summary("composite, beyond base and controls", 0.264, t=nested_t, length=length),
        shuffled_t=tuple(0.4 + 1.4 * math.sin(2.1 * k) for k in range(20)),
    )
    return replace(made, **changes)


def study(name: str = "planted", *, icir: float = 0.352, length: int = 1100, synthetic: bool = True, **changes: Any) -> MomentumStudy:
    """A whole study, evaluable unless changed."""
    days = weekdays(length)
    traded = [990 + k % 7 for k in range(length)]
    made = MomentumStudy(
        name=name,
        synthetic=synthetic,
        settings={"level": 2, "purity": 0.5, "fallback": (), "winsorise_mads": 3.0, "stale_months": None},
        evaluation={"grid_sessions": 20, "split": date(2023, 7, 10), "null_draws": 1000, "seed": 0},
        data={"synthetic": synthetic, "assets": 1017, "market": {"stocks": 1000, "underreaction": 0.5 if icir > 0.2 else 0.0}},
        verdict=verdict(icir, length=length) if icir > 0.2 else verdict(icir, nested_t=0.4, paired_t=0.7, length=length),
        not_evaluable=None,
        components={
            each: summary(each, icir + shift)
            for each, shift in (("composite", 0.1), ("biz_mom", 0.04), ("implied", -0.1), ("-biz_resvol", 0.07))
        },
        horizons=tuple(summary(f"h{h}", icir * (0.4 + 0.22 * math.log(h)), horizon=h) for h in (1, 5, 10, 20, 40, 60, 120)),
        universes={"CSI300": summary("CSI300", icir - 0.12), "CSI500": summary("CSI500", icir + 0.02)},
        quantiles=pl.DataFrame(
            {
                "quantile": list(range(1, 11)),
                "forward_return": [0.008 + icir * 0.004 * (q - 5) for q in range(1, 11)],
                "excess_return": [icir * 0.004 * (q - 5.5) for q in range(1, 11)],
                "se": [0.0016] * 10,
                "names": [90.0] * 10,
            }
        ),
        coverage=pl.DataFrame(
            {
                "date": days,
                "traded": traded,
                "universe": [each - 12 for each in traded],
                "filed": [each - 40 for each in traded],
                "covered": [int(0.82 * each + 30 * math.sin(k / 90)) for k, each in enumerate(traded)],
                "scored": [0 if k < 20 else int(0.8 * each + 30 * math.sin(k / 90)) for k, each in enumerate(traded)],
            }
        ),
        autocorrelation=pl.DataFrame({"lag_sessions": [1, 5, 20, 60], "rank_correlation": [0.957, 0.79, 0.21 + icir / 9, 0.03]}),
        factor_correlation=pl.DataFrame(
            {"factor": FACTORS, "rank_correlation": [0.5 * math.sin(1.3 * k + icir) / (1 + k / 7) for k in range(len(FACTORS))]}
        ),
        refused=pl.DataFrame(
            [
                (
                    "set_aside",
                    "segments",
                    "mapped_above_total",
                    7,
                    "segment revenue exceeds total revenue (a share above 1): correct either amount",
                ),
                ("notice", "bars", "not_a_session", 3, "the exchange was closed: correct the date or use calendar='bars'"),
            ],
            schema=REFUSED,
            orient="row",
        ),
        scored_rows=880_000,
        seconds={"scores": 0.412, "evaluation": 1.2034},
    )
    return replace(made, **changes)


def bare(**changes: Any) -> MomentumStudy:
    """A study that cannot be evaluated and whose frames have no rows."""
    made = study("bare")
    empty = {each: getattr(made, each).clear() for each in ("quantiles", "coverage", "autocorrelation", "factor_correlation", "refused")}
    nothing = {"verdict": None, "components": {}, "horizons": (), "universes": {}, "scored_rows": 0}
    reason = "not evaluable: no date out of 300 has enough names: widen the data"
    return replace(made, **(nothing | empty | {"not_evaluable": reason} | changes))


MANIFEST = {
    "config": {"out": "report", "seed": 7},
    "data": {"bars.parquet": {"sha256": "9f2c" * 16, "rows": 2_430_000}},
    "versions": {"pureplay": "0.1.0", "polars": "2.1.0"},
    "seed": 7,
}
