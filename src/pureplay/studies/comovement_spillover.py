"""Whether returns spill over the graph as well: "risk, not alpha" as a claim that the study checks."""

import numpy as np
import polars as pl

from pureplay.errors import InsufficientDataError
from pureplay.evaluate.summary import Timing, summarise
from pureplay.graph.arrays import PairPanel
from pureplay.graph.edges import GraphInputs
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.crosssection import rank_correlation
from pureplay.stats.lookahead import compound_forward
from pureplay.stats.orthogonal import FEW_NAMES, NO_NAMES, OK

__all__ = ["spill_scores", "spillover"]

_COLUMNS = {"relation": pl.String, "horizon": pl.Int64, **dict.fromkeys(("mean_ic", "t", "p", "icir"), pl.Float64), "dates": pl.Int64}
_FEWEST = 30


def spillover(
    inputs: GraphInputs,
    panel: PairPanel,
    vintages: np.ndarray,
    *,
    horizons: tuple[int, ...],
    sessions: int,
    until: int | None = None,
    before: int | None = None,
    peer_confirms: bool = False,
) -> tuple[pl.DataFrame, list[str]]:
    """Rank IC of peers' past return against a stock's own later return, and why a figure is missing.

    A stock's score on a day is the mean past return over `sessions` of its peers in the graph of the vintage before, less what its own
    past return explains that day (OLS): relations confirmed, dark and all. Forward returns enter one session later. A vintage's graph
    serves until the next one, that of the last vintage of the panel until row `until` (None = the end). before: row that no forward
    return may reach, such as the first of the holdout. Columns: relation, horizon, mean_ic, t, p (EWC), icir (mean over offsets of 20
    sessions), dates.
    """
    market, rows, why = inputs.ground.market, [], []
    lit = panel.lamps.confirmed(peer_confirms=peer_confirms)
    past = _past(market.returns, sessions)
    later = {each: compound_forward(market.returns, market.traded, sessions=each) for each in horizons}
    for relation, chosen in (("confirmed", panel.news & lit), ("dark", panel.news & ~lit), ("all", panel.news)):
        if not any(chosen[panel.vintage(v)].any() for v in vintages.tolist()):
            why.append(f"{relation}: these vintages have no such pair")
            continue
        score = spill_scores(past, panel, vintages, chosen, until=until)
        for horizon, forward in later.items():
            correlation, names = rank_correlation(score, forward)
            enough = np.isfinite(correlation) & (names >= _FEWEST)
            reason = np.where(enough, OK, np.where(names == 0, NO_NAMES, FEW_NAMES))
            try:
                ic = np.where(enough, correlation, np.nan)
                if before is not None:
                    ic[max(before - horizon - 1, 0) :] = np.nan
                found = summarise(relation, market.axes.sessions, ic, names, reason, horizon=horizon, timing=Timing(null_draws=0))
            except InsufficientDataError as error:
                why.append(f"{relation}, {horizon} sessions: {error}")
                continue
            rows.append((relation, horizon, found.mean, found.test.t, found.test.p, found.icir, found.n_dates))
    return pl.DataFrame(rows, schema=_COLUMNS, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None)), why


def spill_scores(past: FloatArray, panel: PairPanel, vintages: np.ndarray, chosen: BoolArray, *, until: int | None = None) -> FloatArray:
    """Mean past return of each stock's peers, less what its own explains, on the sessions that a vintage serves; NaN elsewhere.

    past: (sessions, assets) past returns. vintages: numbers of vintages of the panel; each serves from its own session to the next
    vintage of the panel, the last to row `until` (None = the end). chosen: entries of the panel that count as links.
    """
    from scipy import sparse

    out = np.full(past.shape, np.nan)
    for v in vintages.tolist():
        part = panel.vintage(v)
        keep = chosen[part]
        a, b = panel.a[part][keep], panel.b[part][keep]
        first = int(panel.rows[v])
        last = int(panel.rows[v + 1]) if v + 1 < panel.rows.size else past.shape[0] if until is None else until
        links = sparse.csr_matrix((np.ones(2 * a.size), (np.r_[a, b], np.r_[b, a])), shape=(past.shape[1],) * 2)
        block = past[first:last]
        there = np.isfinite(block)
        total, count = (links @ np.where(there, block, 0.0).T).T, (links @ there.astype(np.float64).T).T
        mean = np.divide(total, count, out=np.full(block.shape, np.nan), where=count > 0)
        for day in range(block.shape[0]):
            out[first + day] = _less_own(mean[day], block[day])
    return out


def _less_own(score: FloatArray, own: FloatArray) -> FloatArray:
    both = np.isfinite(score) & np.isfinite(own)
    rest = np.full(score.shape, np.nan)
    if both.sum() > 2:
        x, y = own[both] - own[both].mean(), score[both] - score[both].mean()
        scale = float(x @ x)
        rest[both] = y - x * (float(x @ y) / scale if scale > 0 else 0.0)
    return rest


def _past(returns: FloatArray, sessions: int) -> FloatArray:
    """Log return over the last sessions, from at least half of them; summed anew for every window."""
    logs = np.log1p(np.maximum(returns, -1 + 1e-9))
    there = np.isfinite(logs)
    lead = ((sessions - 1, 0), (0, 0))
    view = np.lib.stride_tricks.sliding_window_view
    total = view(np.pad(np.where(there, logs, 0.0), lead), sessions, axis=0).sum(axis=-1)
    days = view(np.pad(there.astype(np.int64), lead), sessions, axis=0).sum(axis=-1)
    return np.where((days * 2 >= sessions) & there, total, np.nan)
