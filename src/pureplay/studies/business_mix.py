"""The older business-mix factors (source S4) as a study: their table beside the published one, and the purity threshold it advises."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate.orthogonal import Control, Evaluator, verdict
from pureplay.evaluate.records import OrthogonalICIR
from pureplay.factors.industry import coarsest_scheme, industry_block
from pureplay.market import Market, load_market
from pureplay.panel import BoolArray, FloatArray, IndexArray
from pureplay.products.mix import industry_mix, market_mix
from pureplay.signals.implied import Implied, Peers
from pureplay.signals.momentum import peers_from_mix
from pureplay.signals.neutral import sector_neutral
from pureplay.signals.presets import preset
from pureplay.signals.residual import signal_market
from pureplay.signals.settings import SignalSettings
from pureplay.signals.windows import WindowScores, window_scores
from pureplay.signals.workshop import PeerWorkshop
from pureplay.stats.lookahead import compound_forward
from pureplay.stats.orthogonal import forward_orders
from pureplay.studies.business_mix_figures import basket_counts, correlations_with, score_figures, source_shares
from pureplay.studies.business_mix_records import MEASURES, ROW_SCHEMA, BusinessMixStudy
from pureplay.studies.clock import StageClock
from pureplay.studies.controls import INDUSTRY, OWN_ONLY, industry_control
from pureplay.studies.evaluation import Evaluation
from pureplay.studies.momentum import Progress, data_facts, findings_frame, require_names

__all__ = ["run_business_mix"]

_THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.9)
_WINDOWS: Final = (20, 60)
_PURITY_EDGE: Final = 1e-12


def run_business_mix(
    data: Dataset,
    *,
    settings: SignalSettings | None = None,
    evaluation: Evaluation | None = None,
    windows_sessions: Sequence[int] = _WINDOWS,
    thresholds: Sequence[float] = _THRESHOLDS,
    sector_neutral: bool | str = False,
    quantiles: int = 5,
    name: str = "business mix",
    progress: Progress | None = None,
) -> BusinessMixStudy:
    """Momentum, residual volatility and their composite over each window, the composite at each purity, and what they are beside.

    data: bars, segments and taxonomy; industries where present (fallback, control, sectors), factors where present (correlations).
    settings: None = the preset; window_sessions and min_valid_sessions are those of windows_sessions, the first of which the threshold
    study and the verdict look at. evaluation: horizon, delay, grid, split, base (names of factors for the correlations), min_names,
    min_typical_names, null_draws and seed are used. thresholds: purities; that of the settings is added. sector_neutral: True demeans
    scores within the coarsest industry scheme of the day, a name within that scheme. quantiles: of the long-short portfolio and the
    turnover. progress: called with the name of each stage.

    A figure without enough data is absent with its reason. Raises SettingError for a scheme that the dataset lacks and for settings out of
    range, TableError for a table that is absent.
    """
    chosen, judged_by = settings or preset("business_mix"), evaluation or Evaluation()
    purities = _purities(chosen, thresholds)
    clock = StageClock(progress or (lambda _: None))
    with clock.stage("market and forward returns"):
        study, notes = _lay(data, chosen, judged_by, _windows(windows_sessions), quantiles, _scheme(data, sector_neutral))
    with clock.stage("product mix and baskets"):
        shop = PeerWorkshop(data, study.fed)
        peers = shop.peers(study.settings)
    with clock.stage("scores"):
        made = study.scores(peers, study.settings)
    with clock.stage("figures"):
        rows = study.rows("products", made)
        main = next(row for row in rows if row["measure"] == "composite")
        main |= study.described(made, peers)
    own_rows, more, beside = _beside(study, made, peers, clock)
    del made  # gigabytes at full size
    with clock.stage("thresholds"):
        swept = [main if each == chosen.purity else _at_purity(study, shop, each, clock.say) for each in purities]
    return BusinessMixStudy(
        name=name,
        synthetic=bool(data.notes.get("synthetic", False)),
        settings=study.settings.to_dict(),
        changed=_changed(study.settings),
        evaluation=asdict(judged_by),
        data=data_facts(data, study.market),
        windows=study.windows,
        sector_scheme=study.scheme,
        rows=pl.DataFrame([*rows, *own_rows], schema=ROW_SCHEMA),
        thresholds=pl.DataFrame(swept, schema=ROW_SCHEMA),
        correlations=beside.correlations,
        coverage=beside.coverage,
        verdict=beside.verdict,
        not_evaluable=beside.why,
        notes=(*notes, *more, *_assumed(data)),
        refused=findings_frame(data),
        seconds=clock.seconds,
    )


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands beside the figures of the scores."""

    correlations: pl.DataFrame
    coverage: pl.DataFrame
    verdict: OrthogonalICIR | None
    why: str | None


def _beside(study: "_Ground", made: "_Scored", peers: Peers, clock: StageClock) -> tuple[list[dict[str, Any]], tuple[str, ...], _Beside]:
    """Rows of own_only, notes on the controls, and the rest."""
    with clock.stage("controls"):
        controls, rows, notes = _controls(study, made)
    with clock.stage("verdict"):
        judged, why = _verdict(study, made, controls)
    with clock.stage("correlations"):
        found = correlations_with(study.data, study.market.axes, study.measures(made), study.evaluation.base)
    return rows, notes, _Beside(found, _coverage(study, made, peers), judged, why)


def _lay(
    data: Dataset, chosen: SignalSettings, evaluation: Evaluation, windows: tuple[int, ...], quantiles: int, scheme: str | None
) -> "tuple[_Ground, list[str]]":
    """What every score shares, and notes."""
    market = load_market(data)
    used, notes = _with_tables(data, chosen)
    ground = _Ground(
        data=data,
        market=market,
        fed=signal_market(data, market, used),
        settings=used,
        evaluation=evaluation,
        windows=windows,
        quantiles=quantiles,
        scheme=scheme,
        labels=None if scheme is None else industry_block(data, market.axes, scheme),
        judge=_evaluator(market, evaluation),
    )
    return ground, notes


def _evaluator(market: Market, asked: Evaluation) -> Evaluator:
    """The judge of raw scores: an empty base."""
    shape = market.axes.shape
    forward = compound_forward(market.returns, market.traded, sessions=asked.horizon_sessions, delay=asked.delay_sessions)
    return Evaluator(
        axes=market.axes,
        base=np.empty((shape[0], 0, shape[1])),
        base_names=(),
        forward=forward_orders(forward[None]),
        horizons=(asked.horizon_sessions,),
        timing=asked.timing,
        min_names=asked.min_names,
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    """Scores of one set of baskets over every window."""

    implied: Implied
    universe: BoolArray
    windows: tuple[WindowScores, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What every score of the study shares. market: raw returns, which portfolios earn; fed: what the signal is made of."""

    data: Dataset
    market: Market
    fed: Market
    settings: SignalSettings
    evaluation: Evaluation
    windows: tuple[int, ...]
    quantiles: int
    scheme: str | None
    labels: IndexArray | None
    judge: Evaluator

    def scores(self, peers: Peers, settings: SignalSettings, *, windows: tuple[int, ...] | None = None) -> _Scored:
        """Scores over every window, neutral to sectors where that is asked for."""
        implied, universe, found = window_scores(self.fed, peers, settings, windows or self.windows)
        return _Scored(implied, universe, tuple(self._neutral(each, universe) for each in found))

    def _neutral(self, scores: WindowScores, universe: BoolArray) -> WindowScores:
        if self.labels is None:
            return scores
        momentum, resvol = (sector_neutral(each, self.labels, universe) for each in (scores.biz_mom_z, scores.biz_resvol_z))
        return replace(scores, biz_mom_z=momentum, biz_resvol_z=resvol, composite=0.5 * (momentum - resvol))

    def measures(self, made: _Scored) -> dict[str, FloatArray]:
        """Every measure and window by name."""
        return {f"{name}, {each.settings.window_sessions}": block for each in made.windows for name, block in _blocks(each).items()}

    def rows(self, source: str, made: _Scored, *, names: Sequence[str] = tuple(MEASURES)) -> list[dict[str, Any]]:
        """Rows of the table for some measures over every window."""
        out = []
        for each in made.windows:
            for name, block in _blocks(each).items():
                if name in names:
                    found = score_figures(self.judge, self.market, block, sign=MEASURES[name], quantiles=self.quantiles)
                    key = {"measure": name, "source": source, "window_sessions": each.settings.window_sessions}
                    out.append({**key, "purity": self.settings.purity if source == "products" else None, **found})
        return out

    def described(self, made: _Scored, peers: Peers) -> dict[str, Any]:
        """Where the composite of the first window comes from: coverage, baskets, shares of revenue by source."""
        scored = np.isfinite(made.windows[0].composite)
        days = scored.any(axis=1)
        share = scored.sum(axis=1)[days] / np.maximum(made.universe.sum(axis=1)[days], 1)
        plays, products = basket_counts(peers)
        covered = {"coverage": float(share.mean()) if share.size else None, "pure_plays": plays, "products": products}
        return covered | source_shares(made.implied, scored, peers.labels)


def _blocks(scores: WindowScores) -> dict[str, FloatArray]:
    return dict(zip(MEASURES, (scores.biz_mom_z, scores.biz_resvol_z, scores.composite), strict=True))


def _windows(windows: Sequence[int]) -> tuple[int, ...]:
    if not windows or len(set(windows)) < len(windows):
        raise SettingError(f"windows_sessions must name one window or several, each once, not {list(windows)}")
    return tuple(windows)


def _purities(settings: SignalSettings, thresholds: Sequence[float]) -> list[float]:
    """The thresholds and the purity of the settings, ascending; each is checked as a setting."""
    for each in thresholds:
        replace(settings, purity=each)
    apart = [each for each in thresholds if abs(each - settings.purity) > _PURITY_EDGE]
    return sorted({*apart, settings.purity})


def _scheme(data: Dataset, asked: bool | str) -> str | None:
    if asked is False:
        return None
    found = coarsest_scheme(data) if asked is True else asked
    if found is None or not data.has("industries"):
        raise SettingError("sector_neutral needs industry labels that hold when the data begin: add industries, or leave it out")
    return found


def _with_tables(data: Dataset, settings: SignalSettings) -> tuple[SignalSettings, list[str]]:
    """The settings without an industry fallback where there is no industry."""
    if "industry" not in settings.fallback or coarsest_scheme(data) is not None or settings.fallback_scheme is not None:
        return settings, []
    kept = tuple(each for each in settings.fallback if each != "industry")
    return replace(settings, fallback=kept), ["there are no industry labels, so no product falls back to its industry"]


def _changed(settings: SignalSettings) -> dict[str, Any]:
    usual = preset("business_mix")
    apart = [each.name for each in fields(SignalSettings) if each.name not in ("window_sessions", "min_valid_sessions")]
    return {name: getattr(settings, name) for name in apart if getattr(settings, name) != getattr(usual, name)}


def _assumed(data: Dataset) -> tuple[str, ...]:
    if "known_at_source" not in data.columns("segments"):
        return ()
    rows = data.frame("segments", ["known_at_source"]).filter(pl.col("known_at_source") == "assumed").height
    return (f"{rows} segment rows carry an assumed publish date, so they are not point in time at the source",) if rows else ()


def _controls(study: _Ground, made: _Scored) -> tuple[dict[str, Control], list[dict[str, Any]], tuple[str, ...]]:
    """Controls as the verdict takes them, rows of own_only on the names and dates that the signal scores, and notes."""
    plain = replace(study.settings, fallback=(), fallback_scheme=None)
    scheme, notes = industry_control(study.data, study.settings)
    own = study.scores(peers_from_mix(market_mix(study.fed.axes), study.fed, plain), plain)
    same = tuple(_where(each, np.isfinite(ours.composite)) for each, ours in zip(own.windows, made.windows, strict=True))
    rows, controls = study.rows(OWN_ONLY, replace(own, windows=same)), {OWN_ONLY: _control(own)}
    if scheme is not None:
        mix = industry_mix(study.data, study.fed.axes, scheme)
        controls[INDUSTRY] = _control(study.scores(peers_from_mix(mix, study.fed, plain), plain, windows=study.windows[:1]))
    return controls, rows, notes


def _where(scores: WindowScores, kept: BoolArray) -> WindowScores:
    momentum, resvol, both = (np.where(kept, each, np.nan) for each in (scores.biz_mom_z, scores.biz_resvol_z, scores.composite))
    return replace(scores, biz_mom_z=momentum, biz_resvol_z=resvol, composite=both)


def _control(made: _Scored) -> Control:
    first = made.windows[0]
    return Control(score=first.composite, parts=(first.biz_mom_z, first.biz_resvol_z))


def _verdict(study: _Ground, made: _Scored, controls: dict[str, Control]) -> tuple[OrthogonalICIR | None, str | None]:
    score = made.windows[0].composite
    try:
        require_names(score, study.evaluation)
        return verdict(study.judge, f"composite, {study.windows[0]} sessions", score, controls), None
    except InsufficientDataError as error:
        return None, str(error)


def _coverage(study: _Ground, made: _Scored, peers: Peers) -> pl.DataFrame:
    filed = made.universe & (peers.mix.active >= 0)
    counts = {
        "traded": study.market.traded,
        "universe": made.universe,
        "filed": filed,
        "covered": filed & np.isfinite(made.implied.implied),
        "scored": np.isfinite(made.windows[0].composite),
    }
    days = pl.Series(study.market.axes.sessions.dates).cast(pl.Date)
    return pl.DataFrame({"date": days, **{name: block.sum(axis=1) for name, block in counts.items()}})


def _at_purity(study: _Ground, shop: PeerWorkshop, purity: float, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"thresholds: purity {purity:g}")
    settings = replace(study.settings, purity=purity)
    peers = shop.peers(settings)
    made = study.scores(peers, settings, windows=study.windows[:1])
    (row,) = study.rows("products", made, names=("composite",))
    return row | {"purity": purity} | study.described(made, peers)
