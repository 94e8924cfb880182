"""Figures of one score in the source's form, what its baskets are made of, and what it resembles."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError
from pureplay.evaluate.diagnostics import factor_correlations
from pureplay.evaluate.orthogonal import Evaluator
from pureplay.evaluate.paper import paper_long_short
from pureplay.evaluate.records import ICSummary
from pureplay.evaluate.turnover import turnover
from pureplay.market import Market
from pureplay.panel import Axes, BoolArray, FloatArray
from pureplay.signals.implied import Implied, Peers
from pureplay.stats.inference import FEWEST_ON_GRID

__all__ = ["basket_counts", "correlations_with", "score_figures", "source_shares", "win_rates"]

_EVERY: Final = 5  # sessions: correlations last for weeks, and all of them would cost more than the rest of the study


def score_figures(judge: Evaluator, market: Market, score: FloatArray, *, sign: int, quantiles: int) -> dict[str, Any]:
    """IC, win rate, long-short return and turnover of a measure, by the names of ROW_SCHEMA; figures without enough data are absent.

    score: as the source signs it. sign: 1 where its highest values are bought, -1 where its lowest are. market: what portfolios earn.
    """
    out: dict[str, Any] = {"sign": sign}
    reasons = []
    bought, grid = (score if sign > 0 else -score), judge.timing.grid_sessions
    try:
        out |= _ic_figures(judge.summary("score", judge.days(score, raw=True)), sign)
    except InsufficientDataError as error:
        reasons.append(str(error))
    try:
        held = paper_long_short(
            bought,
            market.returns,
            market.traded,
            market.axes.sessions,
            quantiles=quantiles,
            grid_sessions=grid,
            delay_sessions=judge.timing.delay_sessions,
        )
        plain = {"ls_return": "annual_return", "ls_sharpe": "sharpe"}
        out |= {f"{name}{end}": getattr(held, f"{own}{end}") for name, own in plain.items() for end in ("", "_min", "_max")}
        out |= {"ls_t": held.test.t, "leg_names": held.names}
    except InsufficientDataError as error:
        reasons.append(str(error))
    try:
        turned = turnover(bought, market.returns, market.traded, market.axes.sessions, grid_sessions=grid, quantiles=quantiles, cost_bps=())
        out |= {"turnover": turned.per_rebalance, "turnover_annual": turned.annual}
    except InsufficientDataError as error:
        reasons.append(str(error))
    known = {name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in out.items()}
    return known | {"reason": "; ".join(reasons) or None}


def _ic_figures(found: ICSummary, sign: int) -> dict[str, Any]:
    means = [each.mean for each in found.offsets if each.n >= FEWEST_ON_GRID]
    wins = win_rates(found, sign)
    band = dict(found.null.quantiles) if found.null is not None else {}
    return {
        "mean_ic": found.mean,
        "mean_ic_min": min(means, default=None),
        "mean_ic_max": max(means, default=None),
        "icir": found.icir,
        "icir_min": found.icir_min,
        "icir_max": found.icir_max,
        "win_rate": float(wins.mean()) if wins.size else None,
        "win_rate_min": float(wins.min()) if wins.size else None,
        "win_rate_max": float(wins.max()) if wins.size else None,
        "ic_t": found.test.t,
        "null_low": band.get(0.025),
        "null_high": band.get(0.975),
        "n_dates": found.n_dates,
        "names": found.median_names,
    }


def win_rates(found: ICSummary, sign: int) -> FloatArray:
    """For each rebalance offset with dates enough for an ICIR, the share of its dates on which sign × IC is above 0."""
    known = found.daily.filter(pl.col("ic").is_not_null()).group_by("offset").agg(win=(sign * pl.col("ic") > 0).mean(), dates=pl.len())
    return np.asarray(known.filter(pl.col("dates") >= FEWEST_ON_GRID).sort("offset")["win"].to_numpy(), dtype=np.float64)


def source_shares(made: Implied, scored: BoolArray, labels: tuple[str, ...]) -> dict[str, float | None]:
    """Mean share of revenue of scored cells by what answered it: share_products, share_<fallback>, share_uncovered; sums to 1.

    None of them has a value without a scored cell.
    """
    if not scored.any():
        return {}
    covered = float(made.covered_share[scored].mean())
    fallbacks = {f"share_{name}": float(made.by_source[place][scored].mean()) for place, name in enumerate(labels[1:])}
    return {"share_products": covered - sum(fallbacks.values()), **fallbacks, "share_uncovered": 1.0 - covered}


def basket_counts(peers: Peers) -> tuple[int, int]:
    """On the last session, pure plays over all products, and products with enough of them to leave each min_peers peers."""
    active, offsets, group, makes = peers.families[0][:4]
    filings = active[-1][active[-1] >= 0]
    members = [group[offsets[f] : offsets[f + 1]][makes[offsets[f] : offsets[f + 1]]] for f in filings]
    sizes = np.bincount(np.concatenate([np.empty(0, dtype=np.int32), *members]), minlength=1)
    wanted = peers.rules.min_peers + int(peers.rules.after_removal and peers.rules.leave_one_out)
    return int(sizes.sum()), int((sizes >= wanted).sum())


def correlations_with(data: Dataset, axes: Axes, scores: Mapping[str, FloatArray], base: tuple[str, ...] | None) -> pl.DataFrame:
    """Mean rank correlation of each score with each factor of the dataset, on one session in five: factor, then a column a score.

    base: columns of the factors table, None = all. Empty where there is no factors table, or base is ().
    """
    columns = [each for each in data.columns("factors") if each not in ("date", "asset")] if base is None else list(base)
    schema = {"factor": pl.String, **dict.fromkeys(scores, pl.Float64)}
    if not data.has("factors") or not columns:
        return pl.DataFrame(schema=schema)
    cells, assets = axes.locate(data.frame("factors", ["date", "asset"])), axes.shape[1]
    wanted = (cells >= 0) & (cells // assets % _EVERY == 0)
    place = cells[wanted] // assets // _EVERY * assets + cells[wanted] % assets
    thin = {name: np.ascontiguousarray(score[::_EVERY]) for name, score in scores.items()}
    rows = []
    for column in columns:
        block = np.full(-(-axes.shape[0] // _EVERY) * assets, np.nan)
        block[place] = data.frame("factors", [column])[column].cast(pl.Float64).to_numpy()[wanted]
        layer = block.reshape(-1, 1, assets)
        found = {name: factor_correlations(score, layer, (column,))["rank_correlation"][0] for name, score in thin.items()}
        rows.append({"factor": column, **found})
    return pl.DataFrame(rows, schema=schema)
