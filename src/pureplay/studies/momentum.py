"""Product momentum as a whole experiment: scores, controls, placebos, verdict and everything printed beside it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.evaluate.cell_figures import mean_icir
from pureplay.evaluate.diagnostics import factor_correlations, quantile_curve, score_autocorrelation
from pureplay.evaluate.inputs import base_block, group_block, member_block
from pureplay.evaluate.orthogonal import Control, Evaluator, nested_t, verdict
from pureplay.evaluate.records import ICSummary, OrthogonalICIR
from pureplay.market import Market, load_market
from pureplay.panel import FloatArray
from pureplay.signals.implied import Peers
from pureplay.signals.momentum import SignalBlocks, product_peers, score_blocks
from pureplay.signals.residual import signal_market
from pureplay.signals.settings import SignalSettings
from pureplay.stats.lookahead import compound_forward
from pureplay.stats.orthogonal import forward_orders
from pureplay.studies.clock import StageClock
from pureplay.studies.controls import build_controls, deal_within_industry, main_labels, schemes_by_depth, shuffle_source
from pureplay.studies.evaluation import Evaluation
from pureplay.studies.records import MomentumStudy

__all__ = ["Evaluation", "Progress", "coverage", "data_facts", "findings_frame", "require_names", "run_momentum"]

Progress = Callable[[str], None]


def run_momentum(
    data: Dataset, settings: SignalSettings, evaluation: Evaluation, *, name: str = "product momentum", progress: Progress | None = None
) -> tuple[MomentumStudy, SignalBlocks]:
    """Scores and the verdict on them.

    data: bars, and segments with taxonomy or industries; factors (the base), industries (control, shuffle), index_members
    (universes) where present. progress: called with the name of each stage. Scores that cannot be evaluated are still returned; the
    study then says why.
    """
    clock = StageClock(progress or (lambda _: None))
    with clock.stage("market"):
        market = load_market(data)
        fed = signal_market(data, market, settings)
    with clock.stage("product mix and baskets"):
        peers = product_peers(data, fed, settings)
    with clock.stage("scores"):
        scores = score_blocks(fed, peers, settings)
    with clock.stage("forward returns and base"):
        evaluator = _evaluator(data, market, evaluation, (evaluation.horizon_sessions,))
    with clock.stage("controls"):
        controls, control_scores, notes = build_controls(data, fed, settings)
    judged, why = None, None
    with clock.stage("verdict"):
        try:
            require_names(scores.composite, evaluation)
            judged = verdict(evaluator, "composite", scores.composite, controls, notes=notes + _notes(data, settings, evaluation))
        except InsufficientDataError as error:
            why = _not_evaluable(str(error), scores, peers)
    if judged is not None:
        with clock.stage("within-industry shuffles"):
            judged = _with_shuffles(judged, data, fed, peers, settings, evaluation, evaluator, controls, clock.say)
    left_out: list[str] = []
    with clock.stage("components, horizons, universes"):
        components = _components(evaluator, scores, control_scores, left_out)
        horizons = _horizons(market, evaluation, scores, evaluator, left_out) if judged else ()
        universes = _universes(data, evaluation, scores, evaluator, left_out) if judged else {}
    study = MomentumStudy(
        name=name,
        synthetic=bool(data.notes.get("synthetic", False)),
        settings=settings.to_dict(),
        evaluation=asdict(evaluation),
        data=data_facts(data, market),
        verdict=judged and replace(judged, notes=(*judged.notes, *(f"left out: {each}" for each in left_out))),
        not_evaluable=why,
        components=components,
        horizons=horizons,
        universes=universes,
        quantiles=quantile_curve(scores.composite, evaluator.forward.values[0], quantiles=evaluation.quantiles),
        coverage=coverage(market, scores),
        autocorrelation=score_autocorrelation(scores.composite),
        factor_correlation=factor_correlations(scores.composite, evaluator.base, evaluator.base_names),
        refused=findings_frame(data),
        scored_rows=int(np.isfinite(scores.composite).sum()),
        seconds=clock.seconds,
    )
    return study, scores


def _evaluator(data: Dataset, market: Market, evaluation: Evaluation, horizons: tuple[int, ...]) -> Evaluator:
    axes = market.axes
    columns = None if evaluation.base is None else ["date", "asset", *evaluation.base]
    factors = data.frame("factors", columns) if data.has("factors") and evaluation.base != () else None
    base, names = base_block(factors, axes)
    industries = None
    if evaluation.industry_scheme is not None:
        known = schemes_by_depth(data)
        if evaluation.industry_scheme not in known:
            raise SettingError(f"industry_scheme {evaluation.industry_scheme!r} is not in the dataset; it has {', '.join(known) or 'none'}")
        industries = data.frame("industries").filter(pl.col("scheme") == evaluation.industry_scheme)
    return Evaluator(
        axes=axes,
        base=base,
        base_names=names,
        forward=forward_orders(_forward(market, evaluation, horizons)),
        horizons=horizons,
        timing=evaluation.timing,
        groups=group_block(industries, axes),
        min_names=evaluation.min_names,
    )


def _forward(market: Market, evaluation: Evaluation, horizons: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.stack([compound_forward(market.returns, market.traded, sessions=each, delay=evaluation.delay_sessions) for each in horizons])


def _notes(data: Dataset, settings: SignalSettings, evaluation: Evaluation) -> tuple[str, ...]:
    out = []
    if not data.has("factors") or evaluation.base == ():
        out.append("there is no factors table in use, so the base is empty: the orthogonal figure is the raw one")
    if settings.products == "segments":
        assumed = data.frame("segments").filter(pl.col("known_at_source") == "assumed").height
        if assumed:
            out.append(f"{assumed} segment rows carry an assumed publish date, so they are not point in time at the source")
    return tuple(out)


def require_names(composite: FloatArray, evaluation: Evaluation) -> None:
    """Raise InsufficientDataError where too few names are scored for a verdict."""
    a_day = np.isfinite(composite).sum(axis=1)
    typical = float(np.median(a_day[a_day > 0])) if (a_day > 0).any() else 0.0
    if typical < evaluation.min_typical_names:
        raise InsufficientDataError(
            f"a date with scores has {typical:.0f} scored names in the median, {int(a_day.max())} at most; a verdict needs "
            f"{evaluation.min_typical_names}: loosen level, purity, min_peers or min_covered, or lower min_typical_names"
        )


def _not_evaluable(error: str, scores: SignalBlocks, peers: Peers) -> str:
    active, offsets, group, makes = peers.families[0][:4]
    filings = active[-1][active[-1] >= 0]
    members = np.concatenate(
        [group[offsets[f] : offsets[f + 1]][makes[offsets[f] : offsets[f + 1]]] for f in filings] or [np.empty(0, dtype=np.int32)]
    )
    sizes = np.bincount(members, minlength=1)
    wanted = scores.settings.min_peers + int(scores.settings.min_peers_after_removal)
    return (
        f"{error}. On the last session {filings.size} stocks have a usable filing, {members.size} are pure plays of "
        f"{int((sizes > 0).sum())} products, and {int((sizes >= wanted).sum())} products have the {wanted} pure plays that leave each "
        f"of them {scores.settings.min_peers} peers"
    )


def _with_shuffles(
    judged: OrthogonalICIR,
    data: Dataset,
    market: Market,
    peers: Peers,
    settings: SignalSettings,
    evaluation: Evaluation,
    evaluator: Evaluator,
    controls: Mapping[str, Control],
    say: Progress,
) -> OrthogonalICIR:
    """Nested t and ICIRs of the pipeline with mixes dealt out again within each finest-level industry, once a seed."""
    schemes = schemes_by_depth(data)
    if settings.products != "segments":
        return replace(judged, notes=(*judged.notes, "products are industry labels: there is nothing to shuffle within an industry"))
    if not schemes or evaluation.shuffles == 0:
        return judged
    used = {each.name for each in judged.controls if not each.identical}
    same = {name: control for name, control in controls.items() if name in used}  # the shuffles meet what the signal met
    labels = main_labels(data, market.axes, schemes[0])
    files = np.asarray((peers.mix.active >= 0).any(axis=0))
    found: list[float] = []
    raw: list[float] = []
    orthogonal: list[float] = []
    for number in range(evaluation.shuffles):
        say(f"within-industry shuffles {number + 1}/{evaluation.shuffles}")
        source = shuffle_source(labels, files, np.random.default_rng([evaluation.seed, number]))
        dealt = deal_within_industry(peers, source)
        score = score_blocks(market, dealt, settings).composite
        found.append(nested_t(evaluator, score, same))
        for held, alone in ((orthogonal, False), (raw, True)):
            days = evaluator.days(score, raw=alone).ic[0]
            held.append(mean_icir(days, evaluator.axes.sessions, evaluator.timing.grid_sessions))
    known, icirs, raws = (tuple(each for each in held if np.isfinite(each)) for held in (found, orthogonal, raw))
    notes = list(judged.notes)
    bare = int((files & (labels < 0)).sum())
    if bare:
        notes.append(f"{bare} stocks with filings carry no {schemes[0]} label: the shuffles leave them as they are")
    if len(known) < len(found):
        notes.append(f"{len(found) - len(known)} of {len(found)} shuffles gave no nested t")
    return replace(
        judged,
        shuffled_t=known,
        shuffled_icir=icirs,
        shuffled_raw_icir=raws,
        shuffles_asked=evaluation.shuffles,
        notes=tuple(notes),
    )


def _summaries(made: Mapping[str, Callable[[], ICSummary]], left_out: list[str]) -> dict[str, ICSummary]:
    """Figures by name; what cannot be computed is named in left_out with its reason."""
    out = {}
    for name, make in made.items():
        try:
            out[name] = make()
        except InsufficientDataError as error:
            left_out.append(str(error))
    return out


def _components(
    evaluator: Evaluator, scores: SignalBlocks, controls: Mapping[str, SignalBlocks], left_out: list[str]
) -> dict[str, ICSummary]:
    parts = {"composite": scores.composite, "biz_mom": scores.biz_mom, "implied": scores.implied, "minus biz_resvol": -scores.biz_resvol}
    for name, each in controls.items():
        parts |= {name: each.composite, f"{name} biz_mom": each.biz_mom}

    def raw(name: str, block: FloatArray) -> ICSummary:
        return evaluator.summary(f"{name}, raw", evaluator.days(np.where(scores.universe, block, np.nan), raw=True))

    return _summaries({name: partial(raw, name, block) for name, block in parts.items()}, left_out)


def _horizons(market: Market, evaluation: Evaluation, scores: SignalBlocks, main: Evaluator, left_out: list[str]) -> tuple[ICSummary, ...]:
    sessions = market.axes.shape[0]
    horizons = tuple(each for each in evaluation.horizons_sessions if each + evaluation.delay_sessions < sessions)
    long = [each for each in evaluation.horizons_sessions if each not in horizons]
    left_out += [f"a horizon of {each} sessions does not fit into the {sessions} sessions of the data" for each in long]
    if not horizons:
        return ()
    judge = replace(main, horizons=horizons, forward=forward_orders(_forward(market, evaluation, horizons)))
    made = judge.days(scores.composite)
    figures = {
        f"composite, {horizon} sessions": partial(judge.summary, f"composite, {horizon} sessions", made, horizon=position)
        for position, horizon in enumerate(horizons)
    }
    return tuple(_summaries(figures, left_out).values())


def _universes(data: Dataset, evaluation: Evaluation, scores: SignalBlocks, main: Evaluator, left_out: list[str]) -> dict[str, ICSummary]:
    if not evaluation.universes or not data.has("index_members"):
        return {}
    members = data.frame("index_members")

    def within(index: str) -> ICSummary:
        inside = member_block(members.filter(pl.col("index") == index), main.axes)
        return main.summary(f"composite within {index}", main.days(scores.composite, among=inside))

    return _summaries({index: partial(within, index) for index in members["index"].unique().sort()}, left_out)


def coverage(market: Market, scores: SignalBlocks) -> pl.DataFrame:
    """Names by date: traded, in the universe, with a usable filing, covered, scored."""
    filed = scores.universe & (scores.mix.active >= 0)
    counts = {
        "traded": market.traded,
        "universe": scores.universe,
        "filed": filed,
        "covered": filed & np.isfinite(scores.implied),
        "scored": np.isfinite(scores.composite),
    }
    days = pl.Series(market.axes.sessions.dates).cast(pl.Date)
    return pl.DataFrame({"date": days, **{name: block.sum(axis=1) for name, block in counts.items()}})


def data_facts(data: Dataset, market: Market) -> dict[str, Any]:
    """Size and span of a dataset, its tables and notes."""
    dates = market.axes.sessions.dates
    return {
        "sessions": int(dates.size),
        "assets": market.axes.shape[1],
        "first": str(dates[0]),
        "last": str(dates[-1]),
        "calendar": data.calendar,
        "tables": sorted(data.tables),
        "notes": dict(data.notes),
    }


def findings_frame(data: Dataset) -> pl.DataFrame:
    """Findings of the check of a dataset: level, table, rule, count, remedy."""
    if data.report is not None:
        return data.report.to_frame()
    return pl.DataFrame(
        list(data.findings), schema={"level": pl.String, "table": pl.String, "rule": pl.String, "count": pl.Int64, "remedy": pl.String}
    )
