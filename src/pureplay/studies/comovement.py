"""The co-movement study: does structure say which correlations will last, and what is that worth?"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib.resources import files
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError
from pureplay.graph.arrays import PairPanel
from pureplay.graph.edges import GraphInputs, build_panel, load_inputs
from pureplay.graph.forecast import ForecastSettings, Split, coefficient_frame, fit, fit_model, split
from pureplay.graph.minimum_variance import minimum_variance
from pureplay.graph.model import Model, Variant, predict
from pureplay.graph.permutation import sector_permutation
from pureplay.graph.scores import baselines, calibration, score
from pureplay.graph.settings import GraphSettings
from pureplay.panel import FloatArray
from pureplay.sessions import sessions_per_year
from pureplay.stats.correlation import ledoit_wolf_shrinkage
from pureplay.studies.clock import StageClock
from pureplay.studies.comovement_hedges import (
    arms_with_baskets,
    hedge_frames,
    hedge_universe,
    mark_chosen,
    rank_peers,
    universes,
    vintage_edges,
)
from pureplay.studies.comovement_notes import articles_frame, held_before, study_notes
from pureplay.studies.comovement_records import ComovementStudy
from pureplay.studies.comovement_retention import retention_frame
from pureplay.studies.comovement_settings import ComovementSettings
from pureplay.studies.comovement_spillover import spillover
from pureplay.studies.comovement_vintages import require_develop, vintage_rows

__all__ = ["Opening", "published", "run_comovement", "stands"]

Progress = Callable[[str], None]
_CRITICAL_P = 0.05
_HELD = 20  # sessions for which a minimum-variance portfolio is held at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The lock box as it stands once this run has opened it: how often it was, and by whom. records: opened_at, asked_by, digest."""

    count: int
    records: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class _Found:
    """Tables by name as they come in, sample by sample, and what could not be computed."""

    tables: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, make: Callable[[], pl.DataFrame], **labels: str) -> None:
        """Add a table with constant columns in front, or the reason why there is none."""
        try:
            frame = make()
        except InsufficientDataError as error:
            self.refused.append((", ".join([name, *labels.values()]), str(error)))
            return
        self.tables.setdefault(name, []).append(frame.select(*(pl.lit(value).alias(key) for key, value in labels.items()), pl.all()))

    def table(self, name: str) -> pl.DataFrame:
        """All parts of a table; empty where there is none."""
        return pl.concat(self.tables.get(name) or [pl.DataFrame()], how="diagonal_relaxed")


def run_comovement(
    data: Dataset,
    graph: GraphSettings | None = None,
    forecast: ForecastSettings | None = None,
    settings: ComovementSettings | None = None,
    *,
    opening: Callable[[Split], Opening] | None = None,
    inputs: GraphInputs | None = None,
    name: str = "co-movement",
    opened_from: date | None = None,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[ComovementStudy, Model]:
    """Build every vintage, fit the forecast on develop, and judge it; figures of the holdout only where the lock box is opened.

    data: bars; mentions for the substrate "news"; segments, taxonomy, supply_edges, disclosed_links, affiliates, industries, index_members
    and benchmarks where present. opening: called once before any figure of the holdout is computed, and records that it was; None = the
    box stays shut. inputs: of these data and settings, where they were read before. opened_from: start of the earliest holdout of these
    data that was ever opened; a note counts the develop vintages from then on. notes: more of them. Returns the study and the model that
    `model_coefficients.json` holds.

    Raises TableError for absent tables, SettingError for settings that do not fit the data, InsufficientDataError where there is no vintage
    with pairs, or develop holds no regression; a part that cannot be computed is named in `refused` with its reason.
    """
    graph, forecast, settings = graph or GraphSettings(), forecast or ForecastSettings(), settings or ComovementSettings()
    clock, found = StageClock(progress or (lambda _: None)), _Found()
    with clock.stage("reading"):
        inputs = inputs or load_inputs(data, graph)
    with clock.stage("vintages"):
        rows, until = vintage_rows(inputs, settings)
        panel, vintages = build_panel(inputs, rows, seed=settings.seed, progress=clock.say)
    days = inputs.ground.axes.sessions.dates
    parts = split(panel, holdout_start=forecast.holdout_start, forward_sessions=graph.forward_sessions, sessions=days)
    require_develop(parts, graph)
    with clock.stage("model"):
        model = fit_model(panel, parts.develop, forecast, graph=graph, sessions=days, fingerprint=data.fingerprint())
        expected = predict(model, panel.trailing, panel.lamps, panel.news)
    opened = None if opening is None or not parts.holdout.size else opening(parts)
    paired = np.diff(panel.starts) > 0
    samples = {"develop": parts.develop, **({"holdout": parts.holdout} if opened is not None else {})}
    samples = {sample: numbers[paired[numbers]] for sample, numbers in samples.items()}
    lab = _Lab(data, inputs, panel, until, parts, model, expected, forecast, settings)
    for sample, numbers in samples.items():
        _sample(lab, found, sample, numbers, clock)
    with clock.stage("hedges"):
        notes = [*notes, *held_before(panel, parts, opened_from), *_hedges(lab, found, samples, clock.say)]
    found.tables["bids"] = [_verdict(found.table("fama_macbeth"))]
    study = _record(lab, found, vintages, opened, name, clock, notes)
    return study, model


_TABLES = (
    *("fama_macbeth", "scores", "permutation", "calibration", "retention", "hedge", "hedge_sizes", "mix", "spillover"),
    *("minimum_variance", "bids"),
)


_VARIANTS: Final[tuple[tuple[str, Variant, bool], ...]] = (
    ("plain", "plain", False),
    ("interactions", "interactions", False),
    ("bids", "plain", True),
)


@dataclass(frozen=True, slots=True)
class _Lab:
    data: Dataset
    inputs: GraphInputs
    panel: PairPanel
    until: int
    parts: Split
    model: Model
    expected: FloatArray
    forecast: ForecastSettings
    settings: ComovementSettings


def _record(
    lab: _Lab, found: _Found, vintages: pl.DataFrame, opened: Opening | None, name: str, clock: StageClock, notes: Sequence[str]
) -> ComovementStudy:
    days = lab.inputs.ground.axes.sessions.dates
    return ComovementStudy(
        name=name,
        synthetic=lab.data.notes.get("synthetic") is True,
        opened=0 if opened is None else opened.count,
        holdout_start="" if lab.parts.holdout_start is None else lab.parts.holdout_start.isoformat(),
        vintages=vintages.insert_column(1, pl.Series("split", lab.parts.labels)),
        articles=articles_frame(lab.inputs),
        openings=pl.DataFrame([dict(each) for each in opened.records] if opened is not None else []),
        refused=pl.DataFrame(found.refused, schema={"part": pl.String, "reason": pl.String}, orient="row"),
        coefficients=lab.model.to_dict(),
        settings={"graph": lab.inputs.settings.to_dict(), "forecast": lab.forecast.to_dict(), "study": lab.settings.to_dict()},
        data={
            "sessions": len(days),
            "first": str(days[0]),
            "last": str(days[-1]),
            "stocks": len(lab.panel.assets),
            "size": lab.inputs.ground.size_is,
        },
        seconds=clock.seconds,
        notes=(*study_notes(lab.data, lab.inputs, lab.panel, lab.model, lab.parts, lab.forecast), *notes),
        **{each: found.table(each) for each in _TABLES},
    )


def _sample(lab: _Lab, found: _Found, sample: str, numbers: np.ndarray, clock: StageClock) -> None:
    with clock.stage(f"regressions, {sample}"):
        _regressions(lab, found, sample, numbers)
    with clock.stage(f"retention, {sample}"):
        make = partial(retention_frame, lab.inputs, lab.panel, numbers, lab.settings, cosines=lab.forecast.cosines)
        found.add("retention", make, sample=sample)
    with clock.stage(f"spillover, {sample}"):
        _spillover(lab, found, sample, numbers)
    with clock.stage(f"minimum variance, {sample}"):
        if lab.settings.minimum_variance_names:
            found.add("minimum_variance", partial(_minimum_variance, lab, numbers), sample=sample)


def _regressions(lab: _Lab, found: _Found, sample: str, numbers: np.ndarray) -> None:
    panel, forecast = lab.panel, lab.forecast
    for shown, variant, bids in _VARIANTS:
        found.add("fama_macbeth", partial(_regression, lab, numbers, shown, variant, bids), sample=sample)
    rivals = baselines(panel, lab.parts.develop, _shrinkage(lab))
    predictions = {"expected_fwd_corr": lab.expected, **rivals}
    found.add("scores", lambda: score(panel, numbers, predictions, cosines=forecast.cosines), sample=sample)
    found.add("calibration", lambda: calibration(panel, numbers, lab.expected), sample=sample)
    found.add(
        "permutation",
        lambda: sector_permutation(panel, numbers, draws=forecast.permutations, seed=forecast.seed, pairs=forecast.permutation_pairs),
        sample=sample,
    )


def _regression(lab: _Lab, numbers: np.ndarray, shown: str, variant: Variant, bids: bool) -> pl.DataFrame:
    found = fit(lab.panel, numbers, variant=variant, bids=bids, settings=lab.forecast)
    return _beside(coefficient_frame(found, shown), published() if shown == "plain" else {})


def _beside(frame: pl.DataFrame, published: Mapping[str, tuple[float | None, float | None]]) -> pl.DataFrame:
    rows = [published.get(term, (None, None)) for term in frame["term"]]
    value, t = ([each[place] for each in rows] for place in (0, 1))
    return frame.with_columns(published=pl.Series(value, dtype=pl.Float64), published_t=pl.Series(t, dtype=pl.Float64))


def _shrinkage(lab: _Lab) -> FloatArray:
    """Ledoit-Wolf intensity of each vintage over the stocks with a complete trailing window, NaN where fewer than two have one."""
    out = np.full(lab.panel.rows.size, np.nan)
    length = lab.inputs.settings.trailing_sessions
    for v, row in enumerate(lab.panel.rows.tolist()):
        block = lab.inputs.ground.returns[row + 1 - length : row + 1]
        block = block[:, np.isfinite(block).all(axis=0)]
        sd = block.std(axis=0)
        moved = sd > 1e-12 * np.abs(block).max(axis=0, initial=0.0)
        if moved.sum() > 1:
            z = (block[:, moved] - block[:, moved].mean(axis=0)) / sd[moved]
            out[v] = ledoit_wolf_shrinkage(np.ascontiguousarray(z.T))
    return out


def _spillover(lab: _Lab, found: _Found, sample: str, numbers: np.ndarray) -> None:
    settings, start = lab.settings, lab.parts.holdout_start
    held = None if start is None else int(np.searchsorted(lab.inputs.ground.axes.sessions.dates, np.datetime64(start)))
    table, why = spillover(
        lab.inputs,
        lab.panel,
        numbers,
        horizons=settings.spillover_horizons,
        sessions=settings.spillover_sessions,
        until=lab.until,
        before=held if sample == "develop" else None,
        peer_confirms=lab.inputs.settings.peer_confirms,
    )
    found.refused.extend((f"spillover, {sample}", each) for each in why)
    found.add("spillover", lambda: table, sample=sample)


def _minimum_variance(lab: _Lab, numbers: np.ndarray) -> pl.DataFrame:
    ground, panel, graph = lab.inputs.ground, lab.panel, lab.inputs.settings
    rows = panel.rows[numbers]
    edges = [vintage_edges(panel, v, lab.expected, peer_confirms=graph.peer_confirms) for v in numbers.tolist()]
    if all(each.confirmed.all() for each in edges):
        raise InsufficientDataError(
            f"none of the {len(edges)} vintages has a dark pair, and the discount takes down dark pairs only: it needs a news substrate"
        )
    return minimum_variance(
        ground.market.returns,
        rows,
        np.where(ground.market.traded[rows], ground.size[rows], np.nan),
        edges,
        names=lab.settings.minimum_variance_names,
        trailing=graph.trailing_sessions,
        # no longer than the forward window, which for develop ends before the holdout
        forward=min(_HELD, graph.forward_sessions),
        sessions_per_year=sessions_per_year(ground.axes.sessions),
        seed=lab.settings.seed,
    ).table


def _hedges(lab: _Lab, found: _Found, samples: Mapping[str, np.ndarray], say: Progress) -> list[str]:
    every, notes = universes(lab.data, lab.inputs, lab.panel, lab.settings)
    panel = lab.panel
    shown = np.isin(np.arange(panel.rows.size), np.concatenate(list(samples.values())))[:, None]
    some = [each for each in every if (each.members & shown).any()]
    found.refused.extend((f"hedge, {each.name}", "it has no member at any vintage of the samples") for each in every if each not in some)
    if not some:
        return notes
    say("peers of the members")
    members = shown & np.logical_or.reduce([each.members for each in some])
    peers = rank_peers(lab.inputs, panel, members, lab.expected, lab.model, lab.settings)
    for universe in some:
        say(f"hedges of {universe.name}")
        hedges = hedge_universe(lab.inputs, panel, universe, peers, lab.settings)
        for sample, numbers in samples.items():
            labels = {"sample": sample, "universe": universe.name}
            mask = np.isin(hedges.vintage, numbers)
            arms, lost = arms_with_baskets(hedges, mask)
            found.refused += [(f"hedge, {universe.name}, {sample}", why) for why in lost]
            frames = hedge_frames(hedges, arms, lab.inputs, panel, lab.settings, mask, labels)
            for name, frame in zip(("hedge", "hedge_sizes", "mix"), frames, strict=True):
                found.tables.setdefault(name, []).append(frame)
    found.tables["mix"] = [mark_chosen(found.table("mix"))]
    return notes


def _verdict(regressions: pl.DataFrame) -> pl.DataFrame:
    """The negative control by the rule of develop and holdout: an effect stands where both have it, with one sign."""
    schema = {"sample": pl.String, **dict.fromkeys(("coefficient", "t", "p"), pl.Float64), "verdict": pl.String}
    if not regressions.width:
        return pl.DataFrame(schema=schema)
    rows = (
        regressions.filter((pl.col("variant") == "bids") & (pl.col("term") == "bid")).select("sample", "coefficient", "t", "p").to_dicts()
    )
    known = {row["sample"]: row for row in rows if row["coefficient"] is not None}
    if set(known) < {"develop", "holdout"}:
        shut = "develop" in known and not any(regressions["sample"] == "holdout")
        verdict = "not decided: the lock box is shut" if shut else "not decided: a sample has no bids"
    elif any(row["p"] is None for row in known.values()):
        verdict = "not decided: too few vintages for a test"
    else:
        verdict = "accepted" if stands(known["develop"], known["holdout"]) else "rejected"
    return pl.DataFrame([{**row, "verdict": verdict} for row in rows], schema=schema)


def stands(develop: Mapping[str, Any], holdout: Mapping[str, Any]) -> bool:
    """Whether an effect of develop is there in the holdout: both at 5 %, with one sign."""
    sure = all(each["p"] is not None and each["p"] < _CRITICAL_P for each in (develop, holdout))
    return bool(sure and develop["coefficient"] * holdout["coefficient"] > 0)


def published() -> Mapping[str, tuple[float | None, float | None]]:
    """Coefficient and t of each term as the source reports them, on its own data; "none" where it gives no t."""
    content = tomllib.loads(files("pureplay.studies").joinpath("published_comovement.toml").read_text(encoding="utf-8"))
    return {term: (float(value), None if t == "none" else float(t)) for term, (value, t) in content["fama_macbeth"].items()}
