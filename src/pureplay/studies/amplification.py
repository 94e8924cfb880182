"""Whether a product graph amplifies the factors of a stack: ΔICIR by relation and horizon, random configurations, rewired graphs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError, TableError
from pureplay.factors.base import Base, base_factors
from pureplay.factors.own import own_factors
from pureplay.frames import AnyFrame
from pureplay.graph.amplifier import RELATIONS, AmplifierGraph, amplifier_graph, standardised
from pureplay.graph.rewiring import rewired
from pureplay.market import Market, load_market
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.lookahead import compound_forward
from pureplay.stats.orthogonal import Orders, forward_orders
from pureplay.studies.amplification_days import AmplifiedDays, Task, amplified_days
from pureplay.studies.amplification_figures import (
    configuration_frame,
    deltas,
    frame_of,
    placebo_frame,
    row_frame,
    spread_frame,
    verdict_frame,
    with_band,
)
from pureplay.studies.amplification_records import PLACEBO_SCHEMA, ROW_SCHEMA, AmplifierStudy
from pureplay.studies.amplification_settings import ALL, AmplificationSettings
from pureplay.studies.clock import StageClock
from pureplay.studies.momentum import data_facts

__all__ = ["run_amplification"]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lab:
    """What every figure stands on. sets: relations by name, and (sets, relations of the graph) which of them each adds up."""

    settings: AmplificationSettings
    market: Market
    names: tuple[str, ...]
    stack: FloatArray
    mixed: FloatArray
    forward: Orders
    horizons: tuple[int, ...]
    graph: AmplifierGraph
    column_of: npt.NDArray[np.int64]
    vintage: npt.NDArray[np.int64]
    relations: tuple[str, ...]
    sets: BoolArray

    def days(self, graph: AmplifierGraph, tasks: list[Task], *, among: BoolArray | None = None) -> AmplifiedDays:
        """Daily ICs of tasks on a graph, on all sessions or some."""
        return amplified_days(
            self.stack,
            self.mixed,
            self.forward,
            graph,
            column_of=self.column_of,
            vintage=self.vintage if among is None else np.where(among, self.vintage, -1),
            sets=self.sets,
            tasks=tuple(tasks),
            min_names=self.settings.min_names,
        )

    def rest(self, factor: int) -> tuple[int, ...]:
        """The stack without a factor."""
        return tuple(k for k in range(len(self.names)) if k != factor)

    def amplified_tasks(self) -> list[Task]:
        """Every factor through every relation on the rest of the stack."""
        reach, strength = range(len(self.relations)), self.settings.strength
        return [Task(k, r, strength, self.rest(k)) for k in range(len(self.names)) for r in reach]


def run_amplification(
    data: Dataset,
    settings: AmplificationSettings | None = None,
    *,
    factors: AnyFrame | None = None,
    graph: AmplifierGraph | None = None,
    name: str = "amplification",
    progress: Progress | None = None,
) -> AmplifierStudy:
    """ΔICIR of every factor of a stack through a product graph.

    data: bars, segments and taxonomy; supply_edges for upstream and downstream; filings, assets, statements and factors where present.
    factors: the user's own stack, as `own_factors` takes it; None = as settings.base says. graph: the user's own; None = `amplifier_graph`
    on the first session of each month. progress: called with the name of each stage.

    Each factor is judged on the rest of the stack, before and after it was amplified, on the same names (those with every factor) and dates
    (those with a graph in force). Raises SettingError for settings that contradict each other or ask for relations that the graph lacks,
    TableError for absent tables, InsufficientDataError where no factor has an IC on any date.
    """
    settings = settings or AmplificationSettings()
    clock = StageClock(progress or (lambda _: None))
    lab, refused, notes = _lay(data, settings, factors, graph, clock)
    with clock.stage("amplified factors"):
        rows = _rows(lab)
    if rows["delta"].null_count() == rows.height:
        raise InsufficientDataError(
            f"no factor has an orthogonal ICIR: at most {int(_fitted(lab))} names a date have all {len(lab.names)} factors and a date "
            f"needs {settings.min_names}, or twice the number of regressors, and a factor that the others contain has none: drop factors, "
            "widen the data or lower min_names"
        )
    with clock.stage("configurations"):
        configurations = _configurations(lab)
    with clock.stage("placebos"):
        placebos = _placebos(lab, clock.say)
    rows = with_band(rows, placebos, ["factor", "relation", "horizon"], settings.band).select(*ROW_SCHEMA)
    return AmplifierStudy(
        name=name,
        synthetic=bool(data.notes.get("synthetic", False)),
        rows=rows,
        verdicts=verdict_frame(rows, placebos, band=settings.band, orient=settings.orient),
        placebos=placebos,
        configurations=configurations,
        spread=spread_frame(configurations),
        refused=frame_of([*refused, *_without(rows)], {"part": pl.String, "reason": pl.String}),
        factors=lab.names,
        settings=settings.to_dict(),
        data=data_facts(data, lab.market),
        seconds=dict(clock.seconds),
        notes=notes,
    )


def _lay(
    data: Dataset, settings: AmplificationSettings, factors: AnyFrame | None, graph: AmplifierGraph | None, clock: StageClock
) -> tuple[_Lab, list[dict[str, Any]], tuple[str, ...]]:
    with clock.stage("market and factors"):
        market = load_market(data)
        base, notes = _stack(data, market, settings, factors)
        mixed = standardised(base.values) if settings.standardise else base.values
    with clock.stage("graph"):
        held = graph if graph is not None else _graph(data, settings)
        relations, sets, refused = _sets(held, settings)
    with clock.stage("forward returns"):
        horizons, forward, short = _forward(market, settings)
    return (
        _Lab(
            settings=settings,
            market=market,
            names=base.names,
            stack=base.values,
            mixed=mixed,
            forward=forward,
            horizons=horizons,
            graph=held,
            column_of=market.axes.asset_index(pl.Series(held.assets, dtype=pl.String)),
            vintage=held.vintage_on(market.axes.sessions.dates, longest_days=settings.longest_days),
            relations=relations,
            sets=sets,
        ),
        [*refused, *short],
        notes,
    )


def _stack(data: Dataset, market: Market, settings: AmplificationSettings, factors: AnyFrame | None) -> tuple[Base, tuple[str, ...]]:
    """The stack, less what has no value at all, and what is to be said of it."""
    if factors is not None and settings.base not in ("auto", "own"):
        raise SettingError(f'a factor stack is given, but base is {settings.base!r}: set base to "own" or leave the stack out')
    own = factors is not None or settings.base == "own" or (settings.base == "auto" and data.has("factors"))
    if own and factors is None and not data.has("factors"):
        raise TableError('base = "own" needs the table factors in the dataset, or a factor frame: give one, or take base = "auto"')
    if own:
        base = own_factors(data.frame("factors") if factors is None else factors, market.axes)
    else:
        base = base_factors(data, market, kind="auto" if settings.base == "own" else settings.base)
    base = replace(base, filled=None)
    known = [name for k, name in enumerate(base.names) if np.isfinite(base.values[:, k]).any()]
    if not known:
        raise InsufficientDataError(f"none of the {len(base.names)} factors has a value on any session: check dates and codes")
    never = [name for name in base.names if name not in known]
    said = (f"left out, for they have no value on these data: {', '.join(never)}",) if never else ()
    return base.only(known), (*base.notes, *said)


def _graph(data: Dataset, settings: AmplificationSettings) -> AmplifierGraph:
    asked = settings.relations
    wanted = None if asked is None or ALL in asked else tuple(each for each in RELATIONS if each in asked)
    return amplifier_graph(
        data,
        level=settings.level,
        min_share=settings.min_share,
        core_only=settings.core_only,
        buffer_days=settings.buffer_days,
        stale_months=settings.stale_months,
        relations=wanted,
    )


def _sets(graph: AmplifierGraph, settings: AmplificationSettings) -> tuple[tuple[str, ...], BoolArray, list[dict[str, Any]]]:
    """Relations to judge and what each adds up; those that the graph lacks are refused, or raised where they were asked for by name."""
    usual = (*graph.relations, ALL) if len(graph.relations) > 1 else graph.relations
    chosen: tuple[str, ...] = usual if settings.relations is None else settings.relations
    sets = np.zeros((len(chosen), len(graph.relations)), dtype=bool)
    for row, each in enumerate(chosen):
        sets[row, graph.numbers_of(graph.relations if each == ALL else (each,))] = True
    absent = [each for each in RELATIONS if each not in graph.relations and settings.relations is None]
    return chosen, sets, [{"part": each, "reason": "the graph has no such relation: it needs the table supply_edges"} for each in absent]


def _forward(market: Market, settings: AmplificationSettings) -> tuple[tuple[int, ...], Orders, list[dict[str, Any]]]:
    sessions, delay = market.axes.shape[0], settings.delay_sessions
    fit = tuple(each for each in settings.horizons_sessions if each + delay < sessions)
    if not fit:
        raise InsufficientDataError(
            f"no horizon of {', '.join(map(str, settings.horizons_sessions))} sessions fits into the {sessions} of the data: shorten them"
        )
    values = np.stack([compound_forward(market.returns, market.traded, sessions=each, delay=delay) for each in fit])
    short = [
        {"part": f"horizon {each}", "reason": f"it does not fit into the {sessions} sessions of the data"}
        for each in settings.horizons_sessions
        if each not in fit
    ]
    return fit, forward_orders(values), short


def _matched(lab: _Lab) -> BoolArray:
    """Sessions on which placebos are judged."""
    return np.asarray(lab.market.axes.sessions.ordinals % lab.settings.placebo_step_sessions == 0)


def _own(lab: _Lab) -> AmplifiedDays:
    return lab.days(lab.graph, [Task(k, -1, 0.0, lab.rest(k)) for k in range(len(lab.names))])


def _fitted(lab: _Lab) -> int:
    return int(_own(lab).fitted.max(initial=0))


def _rows(lab: _Lab) -> pl.DataFrame:
    tasks = lab.amplified_tasks()
    made, own = lab.days(lab.graph, tasks), _own(lab)
    horizons = range(len(lab.horizons))
    judged = made.fitted > 0
    heads = [
        {
            "factor": lab.names[task.factor],
            "relation": lab.relations[task.through],
            "horizon": lab.horizons[h],
            "coverage": float((made.near[n, judged] / made.fitted[judged]).mean()) if judged.any() else None,
        }
        for n, task in enumerate(tasks)
        for h in horizons
    ]
    before = own.ic[[task.factor for task in tasks]].reshape(len(heads), -1)
    after = made.ic.reshape(len(heads), -1)
    settings = lab.settings
    return row_frame(heads, before, after, lab.market.axes.sessions, settings.grid_sessions, _matched(lab), orient=settings.orient)


def _without(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows without a ΔICIR, and why."""
    return [
        {
            "part": f"{row['factor']}, {row['relation']}, {row['horizon']}",
            "reason": f"{row['dates']} dates have both ICs, too few for an ICIR; none where the rest of the stack contains the factor",
        }
        for row in rows.filter(pl.col("delta").is_null()).iter_rows(named=True)
    ]


def _configurations(lab: _Lab) -> pl.DataFrame:
    """Random factor, base and strength, the same for every relation."""
    rng, size = np.random.default_rng(lab.settings.seed), len(lab.names)
    own, amplified, heads = [], [], []
    for number in range(lab.settings.configurations):
        factor, strength = int(rng.integers(size)), float(rng.choice(lab.settings.strengths))
        rest = np.array(lab.rest(factor), dtype=np.int64)
        held = np.sort(rng.choice(rest, size=int(rng.integers(1, rest.size + 1)), replace=False)) if rest.size else rest
        base = tuple(int(each) for each in held)
        own.append(Task(factor, -1, 0.0, base))
        head = {"configuration": number, "factor": lab.names[factor], "base": "+".join(lab.names[k] for k in base)}
        for r, relation in enumerate(lab.relations):
            amplified.append(Task(factor, r, strength, base))
            more = {"base_factors": len(base), "strength": strength, "relation": relation}
            heads += [{**head, **more, "horizon": horizon} for horizon in lab.horizons]
    made = lab.days(lab.graph, [*own, *amplified]).ic
    sessions = lab.market.axes.shape[0]
    before = np.repeat(made[: len(own)], len(lab.relations), axis=0).reshape(-1, sessions)
    after = made[len(own) :].reshape(-1, sessions)
    settings = lab.settings
    return configuration_frame(heads, before, after, lab.market.axes.sessions, settings.grid_sessions, orient=settings.orient)


def _placebos(lab: _Lab, say: Progress) -> pl.DataFrame:
    """ΔICIR of every factor, relation and horizon through each rewired graph, on every few sessions."""
    settings, sessions, matched = lab.settings, lab.market.axes.sessions, _matched(lab)
    if not settings.placebos:
        return placebo_frame([])
    tasks, parts = lab.amplified_tasks(), []
    own = lab.days(lab.graph, [Task(k, -1, 0.0, lab.rest(k)) for k in range(len(lab.names))], among=matched).ic
    before = own[[task.factor for task in tasks]].reshape(-1, len(sessions))
    for seed in range(settings.seed, settings.seed + settings.placebos):
        say(f"placebos: {seed - settings.seed + 1} of {settings.placebos}")
        made = lab.days(rewired(lab.graph, seed=seed, swaps=settings.placebo_swaps), tasks, among=matched).ic
        one, other = deltas(before, made.reshape(before.shape), sessions, settings.grid_sessions, matched)
        heads = [(lab.names[task.factor], lab.relations[task.through], horizon) for task in tasks for horizon in lab.horizons]
        found = (other - one).tolist()
        rows = [dict(zip(PLACEBO_SCHEMA, (seed, *head, delta), strict=True)) for head, delta in zip(heads, found, strict=True)]
        parts.append(frame_of(rows, PLACEBO_SCHEMA))
    return placebo_frame(parts)
