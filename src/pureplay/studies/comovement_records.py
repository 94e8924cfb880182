"""What the co-movement study found, as plain frames; the report and the command line read nothing else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

__all__ = ["ComovementStudy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComovementStudy:
    """Frames of the study. `sample` is "develop", "holdout" or "all"; figures of the holdout are absent while the lock box is shut.

    vintages: date, split (develop, embargo, holdout, no_forward), pairs, random, names, confirmed, dark, product_peer, deep_peer, chain,
    disclosed, affiliate, bid, unmapped (pairs left out because a name has no entry in the product tree), untraded (a stock does not
    trade), no_size (one that trades has no size),
    one_issuer (two listings of one issuer), widened, short, beyond_one (pairs whose trailing correlation exceeds 1 in size).
    articles: what became of the news: reason, count. fama_macbeth: sample, variant (plain, interactions, bids), term, coefficient, se, t, p
    (EWC), newey_west_t, dyadic_se (mean within-month standard error), vintages, observations, published, published_t.
    scores: sample, predictor, mse, rank_correlation, mz_intercept, mz_slope, dm_t, dm_p (against a + b trailing), observations.
    permutation: sample, term, coefficient, permuted_mean, permuted_sd, p (for dark the coefficient alone).
    calibration: sample, decile, predicted, realised, observations.
    retention: sample, group (confirmed, lamp_no_news, shallow_peer, dark, price_only), bin (null = matched over all bins), trailing,
    forward, retention, se, confirmed_retention (in the same cells), difference_t, pairs, vintages.
    hedge: sample, universe, arm, names, variance_cut (mean of 1 - Var residual / Var own), median_cut, beats_industry, turnover,
    stock_months, dropped, complete (stock-months with a figure of this arm by itself).
    hedge_sizes: the same at the main count, by `size_group` 1 (smallest) to 5. mix: sample, universe, weight (of
    structure beside trailing correlation), variance_cut, stock_months, chosen (in every sample the weight with the largest cut on develop).
    spillover: sample, relation, horizon, mean_ic, t, p, icir, dates.
    minimum_variance: sample, method, volatility (a year, of realised forward returns), t, p (of the difference in daily squared returns
    against the sample's own shrinkage), placebo_t (against random dark labels), gross, vintages, days.
    bids: sample, coefficient, t, p, verdict. openings: opened_at, asked_by, digest.
    coefficients: what `model_coefficients.json` holds. refused: part, reason of whatever could not be computed. notes: what a reader must
    know of the data.
    """

    name: str
    synthetic: bool
    opened: int
    holdout_start: str
    vintages: pl.DataFrame
    articles: pl.DataFrame
    fama_macbeth: pl.DataFrame
    scores: pl.DataFrame
    permutation: pl.DataFrame
    calibration: pl.DataFrame
    retention: pl.DataFrame
    hedge: pl.DataFrame
    hedge_sizes: pl.DataFrame
    mix: pl.DataFrame
    spillover: pl.DataFrame
    minimum_variance: pl.DataFrame
    bids: pl.DataFrame
    openings: pl.DataFrame
    refused: pl.DataFrame
    coefficients: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def frames(self) -> dict[str, pl.DataFrame]:
        """The tables by name."""
        return {name: value for name in self.__slots__ if isinstance(value := getattr(self, name), pl.DataFrame)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values: every frame as a list of rows."""
        plain = {name: value for name, value in asdict(self).items() if name not in self.frames()}
        return {**plain, **{name: frame.to_dicts() for name, frame in self.frames().items()}}
