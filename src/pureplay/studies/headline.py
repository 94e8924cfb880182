"""The table of the source study's headline findings, row for row: our figures beside the published ones."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.evaluate.records import ICSummary, icir_error
from pureplay.evaluate.summary import Timing
from pureplay.evaluate.turnover import Turnover
from pureplay.panel import BoolArray, FloatArray
from pureplay.sessions import Sessions
from pureplay.stats.inference import OffsetNull, offset_null

__all__ = ["HEADLINE_SCHEMA", "Findings", "headline_frame", "headline_rows", "published", "published_split"]

HEADLINE_SCHEMA: Final = {
    "construction": pl.String,
    "row": pl.String,
    "finding": pl.String,
    "ours": pl.String,
    "published": pl.String,
    "reference": pl.String,
    "value": pl.Float64,
    "n": pl.Int64,
    "n_of": pl.String,
    "se": pl.Float64,
    "null_low": pl.Float64,
    "null_high": pl.Float64,
    "note": pl.String,
}
_FULL: Final = 12  # METHODS §5: a year with fewer months is not a year
_FEWEST_MONTHS: Final = 6  # where no year is full, the weakest and the strongest are among those with so many at least
_LONG: Final = 60
_REFERENCE: Final = {
    "canonical": "§4.1 / §5.1",
    "industry": "§4.5 / §5.5",
    "positive": "§4.2 / §5.2",
    "range": "§4.2 / §5.2",
    "years": "§4.4 / §5.4",
    "weakest": "§4.4 / §5.4",
    "strongest": "§4.4 / §5.4",
    "noise": "§6.1 / §7.1",
    "count": "§6.3 / §7.3",
    "long": "§6.4 / §7.4",
    "turnover": "§6.5 / §7.5",
    "delivery": "§6.6",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the table is made of, for one construction.

    orthogonal, with_industries: figures on the whole base, without and with industry dummies; None where there is no answer.
    figures: table of the battery (`evaluate.robustness`). series: daily IC of a cell of the battery by group, label and horizon.
    delivery: largest difference of ICIR between the score and its pre-orthogonalised delivery, NaN where unknown.
    """

    construction: str
    sessions: Sessions
    timing: Timing
    orthogonal: ICSummary
    with_industries: ICSummary | None
    figures: pl.DataFrame
    series: Callable[[str, str, int], FloatArray | None]
    turnover: Turnover | None
    delivery: float


def published(construction: str) -> Mapping[str, str]:
    """Figures of the source study for a construction, by row; empty where it has none."""
    found = _content().get(construction, {})
    return {str(name): str(value) for name, value in found.items()}


def published_split() -> date:
    """Last in-sample day of the source study."""
    split = _content()["split"]
    if not isinstance(split, date):
        raise TypeError("published.toml has no date as split")
    return split


def _content() -> dict[str, Any]:
    return tomllib.loads(files("pureplay.studies").joinpath("published.toml").read_text(encoding="utf-8"))


def headline_rows(found: Findings) -> list[dict[str, Any]]:
    """The rows of the source's table "Headline empirical findings", out of sample where there is a split, else on the whole sample."""
    period = "out of sample" if found.orthogonal.period("out of sample") is not None else "all"
    where = "OOS" if period == "out of sample" else "whole-sample"
    columns = int(_pick(found, "full", None, found.orthogonal.horizon_sessions, period, "k_columns") or 0)
    rows = [
        *_canonical(found, period, where, columns),
        *_years(found, columns),
        _noise(found, period, where),
        _count(found, period, where),
        _long(found, period, where),
        _turnover(found),
        _delivery(found),
    ]
    theirs = published(found.construction)
    blank = dict.fromkeys(HEADLINE_SCHEMA)
    return [
        {
            **blank,
            **row,
            "construction": found.construction,
            "published": theirs.get(row["row"], "–"),
            "reference": _REFERENCE[row["row"]],
        }
        for row in rows
    ]


def _row(row: str, finding: str, ours: str, value: float | None = None, **more: Any) -> dict[str, Any]:
    known = value if value is not None and np.isfinite(value) else None
    return {"row": row, "finding": finding, "ours": ours, "value": known, **more}


def _canonical(found: Findings, period: str, where: str, columns: int) -> list[dict[str, Any]]:
    titles = {
        "canonical": f"{where} multi-offset orth-{columns} ICIR (canonical)",
        "industry": f"{where} multi-offset orth-{columns}+industry ICIR",
        "positive": f"% positive offsets, {where}, orth-{columns}",
        "range": f"{where} per-offset ICIR range",
    }
    main = _figure(found.orthogonal, period)
    if main is None or not np.isfinite(main.icir):
        return [_row(name, title, "–", note="no rebalance offset has enough dates") for name, title in titles.items()]
    null = _null(found, _ic(found.orthogonal), main.icir, found.orthogonal.horizon_sessions, period)
    rows = [_row("canonical", titles["canonical"], f"{main.icir:+.3f}", main.icir, **_spread(main.n_dates, null))]
    beside = found.with_industries and _figure(found.with_industries, period)  # None: no such figure, or none in this period
    if beside is None or found.with_industries is None or not np.isfinite(beside.icir):
        rows.append(_row("industry", titles["industry"], "–", note="no industry labels, or too few names with them"))
    else:
        its = _null(found, _ic(found.with_industries), beside.icir, found.with_industries.horizon_sessions, period)
        rows.append(_row("industry", titles["industry"], f"{beside.icir:+.3f}", beside.icir, **_spread(beside.n_dates, its)))
    chance = "" if null is None else f"all positive by chance in {100 * null.all_positive:.0f} % ± {100 * null.all_positive_se:.0f} %"
    share = main.n_positive / main.n_offsets
    many = {"n": main.n_offsets, "n_of": "offsets"}
    said = f"{share:.0%} ({main.n_positive}/{main.n_offsets})"
    rows.append(_row("positive", titles["positive"], said, share, note=chance, **many))
    low_high = f"[{main.icir_min:+.3f}, {main.icir_max:+.3f}]"
    return [*rows, _row("range", titles["range"], low_high, main.icir_max - main.icir_min, **many)]


def _years(found: Findings, columns: int) -> list[dict[str, Any]]:
    years = [each for each in found.orthogonal.periods if each.label.isdigit() and np.isfinite(each.icir)]
    full = [each for each in years if each.months == _FULL]
    positive = sum(each.icir > 0 for each in full)
    partial = [f"{each.label} ({each.months} months, {_sign(each.icir)})" for each in years if each.months < _FULL]
    said = f"partial, not counted: {', '.join(partial)}" if partial else ""
    rate = _row(
        "years",
        f"Annual positive rate (mean orth-{columns} ICIR)",
        f"{positive} / {len(full)} years",
        positive / len(full) if full else None,
        n=len(full),
        n_of="years",
        note=said,
    )
    among = (
        f"of {len(full)} full year{'s' if len(full) > 1 else ''}"
        if full
        else f"no year is full: of those with at least {_FEWEST_MONTHS} months"
    )
    eligible = full or [each for each in years if each.months >= _FEWEST_MONTHS]
    if not eligible:
        none = f"no year has {_FEWEST_MONTHS} months"
        return [rate, *(_row(each, f"{each.capitalize()} year (mean orth-{columns})", "–", note=none) for each in ("weakest", "strongest"))]
    ends = {"weakest": min(eligible, key=lambda each: each.icir), "strongest": max(eligible, key=lambda each: each.icir)}
    return [
        rate,
        *(
            _row(
                name,
                f"{name.capitalize()} year (mean orth-{columns})",
                f"{each.label}: {each.icir:+.3f}",
                each.icir,
                n=each.n_dates,
                n_of="dates",
                se=icir_error(each.se_mean, each.sd),
                note=f"{each.months} months; {among}",
            )
            for name, each in ends.items()
        ),
    ]


def _sign(icir: float) -> str:
    return "positive" if icir > 0 else "not positive"


def _noise(found: Findings, period: str, where: str) -> dict[str, Any]:
    title = f"Standalone-alpha signature: 100%-noise ICIR, {where}"
    horizon = found.orthogonal.horizon_sessions
    known = _cells(found, "quality shuffle", horizon, period).filter((pl.col("x") == 1.0) & pl.col("icir").is_finite())
    if known.is_empty():
        return _row("noise", title, "–", note="no noise base has an answer")
    drawn = known["icir"].to_numpy()
    value = float(drawn.mean())
    null = _series_null(found, "quality shuffle", known["label"][0], horizon, value, period)
    span = f"mean of {known.height} seeds, {drawn.min():+.3f} to {drawn.max():+.3f}; n, standard error and null of the first seed"
    return _row("noise", title, f"{value:+.3f}", value, **_spread(int(known["n_dates"][0]), null), note=span)


def _count(found: Findings, period: str, where: str) -> dict[str, Any]:
    horizon = found.orthogonal.horizon_sessions
    ladder = _cells(found, "base count", horizon, period).filter(pl.col("icir").is_finite()).sort("x")
    if ladder.is_empty():
        return _row("count", f"Base count scaling, {where}", "–", note="no base of the ladder has an answer")
    first: Mapping[str, Any] = ladder.row(0, named=True)
    last: Mapping[str, Any] = ladder.row(-1, named=True)
    null = _series_null(found, "base count", str(first["label"]), horizon, float(first["icir"]), period)
    return _row(
        "count",
        f"Base count scaling: K={first['x']:.0f} → K={last['x']:.0f} ICIR, {where}",
        f"{first['icir']:+.3f} → {last['icir']:+.3f}",
        first["icir"],
        **_spread(int(first["n_dates"]), null),
        note="value, standard error and null of the first",
    )


def _long(found: Findings, period: str, where: str) -> dict[str, Any]:
    title = f"Multi-horizon {_LONG}-day {where} ICIR (raw / de-overlapped)"
    cell = _cells(found, "full", _LONG, period).filter(pl.col("icir").is_finite())
    if cell.is_empty():
        return _row("long", title, "–", note=f"no {_LONG}-session horizon is asked for, or none fits")
    row = cell.row(0, named=True)
    null = _series_null(found, "full", row["label"], _LONG, row["icir"], period)
    both = f"{row['icir']:+.3f} / {row['icir_deflated']:+.2f}"
    return _row("long", title, both, row["icir"], **_spread(int(row["n_dates"]), null), note=f"EWC t {row['t_ewc']:+.2f}")


def _turnover(found: Findings) -> dict[str, Any]:
    held = found.turnover
    if held is None:
        return _row("turnover", "Annualized portfolio turnover", "–", note="too few scores for the quantiles asked for")
    legs = f"equal-weight top and bottom {100 / held.quantiles:.3g} %"
    drag = ", ".join(f"{each:g} bp a side: {cost:.0f} bp a year" for each, cost in held.cost_drag_bps.items())
    return _row(
        "turnover",
        "Annualized portfolio turnover",
        f"{held.annual:.2f}×",
        held.annual,
        note=f"one way, {legs}; offsets {held.annual_min:.2f} to {held.annual_max:.2f}; {drag}",
    )


def _delivery(found: Findings) -> dict[str, Any]:
    gap = found.delivery
    title = "Pre-orthogonalized delivery available"
    if not np.isfinite(gap):
        return _row("delivery", title, "–")
    return _row("delivery", title, "Yes (ICIR invariant)" if gap <= 1e-8 else "No", gap, note=f"largest difference of ICIR {gap:.0e}")


@dataclass(frozen=True, slots=True)
class _Main:
    """Headline figures of a period, or of the whole sample."""

    icir: float
    icir_min: float
    icir_max: float
    n_positive: int
    n_offsets: int
    n_dates: int


def _figure(summary: ICSummary, label: str) -> _Main | None:
    part = summary.period(label)
    if part is None and label != "all":
        return None  # and never the whole sample in its place
    offsets = len(summary.offsets) if part is None else part.n_offsets
    each = summary if part is None else part
    return _Main(each.icir, each.icir_min, each.icir_max, each.n_positive, offsets, each.n_dates)


def _cells(found: Findings, group: str, horizon: int, period: str) -> pl.DataFrame:
    chosen = (pl.col("group") == group) & (pl.col("horizon_sessions") == horizon) & (pl.col("period") == period)
    return found.figures.filter(chosen)


def _pick(found: Findings, group: str, label: str | None, horizon: int, period: str, column: str) -> float | None:
    cells = _cells(found, group, horizon, period)
    if label is not None:
        cells = cells.filter(pl.col("label") == label)
    return None if cells.is_empty() else float(cells[column][0])


def _ic(summary: ICSummary) -> FloatArray:
    return np.asarray(summary.daily["ic"].fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _series_null(found: Findings, group: str, label: str, horizon: int, observed: float, period: str) -> OffsetNull | None:
    ic = found.series(group, label, horizon)
    return None if ic is None else _null(found, ic, observed, horizon, period)


def _null(found: Findings, ic: FloatArray, observed: float, horizon: int, period: str) -> OffsetNull | None:
    """Null of a period's ICIR, simulated from its daily IC; None where it is too short, or no draws are asked for."""
    timing = found.timing
    if not timing.null_draws or not np.isfinite(observed):
        return None
    ic = np.where(_inside(found, period), ic, np.nan)
    place = found.sessions.ordinals - found.sessions.ordinals[0]
    series = np.full(int(place[-1]) + 1, np.nan)
    series[place] = ic
    offset = (found.sessions.ordinals[0] + np.arange(series.size)) % timing.grid_sessions
    rng = np.random.default_rng(timing.seed)
    return offset_null(series, offset, observed, mean_block=horizon + max(20, timing.grid_sessions), draws=timing.null_draws, rng=rng)


def _inside(found: Findings, period: str) -> BoolArray:
    dates = found.sessions.dates
    if period != "out of sample" or found.timing.split is None:
        return np.ones(dates.size, dtype=bool)
    return np.asarray(dates > np.datetime64(found.timing.split, "D"))


def _spread(n: int, null: OffsetNull | None) -> dict[str, Any]:
    if null is None:
        return {"n": n, "n_of": "dates"}
    band = dict(null.quantiles)
    return {"n": n, "n_of": "dates", "se": null.sd, "null_low": band[0.025], "null_high": band[0.975]}


def headline_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of one or several constructions as a frame."""
    return pl.DataFrame(list(rows), schema=HEADLINE_SCHEMA)
