"""What the commands of `pureplay graph` do, from files to files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from pureplay.apps.config import RunConfig, read_config
from pureplay.apps.folders import file_place, folder_place, replace_folder, require_apart, run_fault, write_file
from pureplay.apps.graph_notes import Beside, arm_notes, late_notes, peer_notes, seen_notes
from pureplay.apps.graph_store import Built, graph_fault, write_graph
from pureplay.apps.lockbox import LockBox, opened_before
from pureplay.apps.outputs import manifest_of, plain, seal
from pureplay.apps.trials import require_no_log
from pureplay.dataset import Dataset, write_json
from pureplay.errors import SettingError
from pureplay.graph.amplifier import amplify
from pureplay.graph.amplifier_operator import amplifier_graph
from pureplay.graph.amplifier_record import AmplifierGraph
from pureplay.graph.edges import GraphInputs, load_inputs, substrate
from pureplay.graph.feed import MODEL_FILE, read_model
from pureplay.graph.model import Model, require_model
from pureplay.graph.stories import Neighbourhood, PairStory, neighbourhood, pair_story
from pureplay.parallel import workers
from pureplay.reports.amplifier import render_amplifier
from pureplay.reports.comovement import render_comovement
from pureplay.reports.neighbourhood import neighbourhood_part, render_neighbourhood
from pureplay.reports.pair import render_pair
from pureplay.studies.amplification import run_amplification
from pureplay.studies.amplification_records import AmplifierStudy
from pureplay.studies.amplification_settings import ALL, AmplificationSettings
from pureplay.studies.assembly import read_factors
from pureplay.studies.comovement import run_comovement
from pureplay.studies.comovement_one import OneHedge, hedge_one
from pureplay.studies.comovement_records import ComovementStudy

__all__ = ["GraphAsked", "build", "explain_pair", "hedge_stock", "run_amplifier", "show_peers", "study"]

Progress = Callable[[str], None]

_NO_STACK: Final = (
    "amplified.parquet is not written: there is neither --factors nor a table factors, and the base of the study is not a stack of yours"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphAsked:
    """What every command of the graph is asked with. model: file of model coefficients. threads: None = every core."""

    data: Path | None
    config: Path | None = None
    model: Path | None = None
    threads: int | None = None


def build(asked: GraphAsked, out: Path, *, dates: Sequence[date] | None = None, in_sample: bool = False, progress: Progress) -> Built:
    """Write the vintages of a graph to a folder; those that are there and have the same inputs are kept."""
    config, folder, data = _read(asked)
    require_apart(out, folder)
    folder_place(out, graph_fault)
    require_no_log(out)
    model = _model(asked, config)
    manifest = manifest_of({"name": config.name, "graph": config.graph.to_dict()}, {"data": data}, config.graph_study.seed)
    with workers(asked.threads):
        return write_graph(out, data, config.graph, manifest=manifest, dates=dates, model=model, in_sample=in_sample, progress=progress)


def study(asked: GraphAsked, out: Path, *, box: LockBox | None, log: Path, progress: Progress) -> ComovementStudy:
    """Run the co-movement study and write its folder: page, figures, tables as Parquet, model_coefficients.json, manifest.

    box: None = it stays shut. log: the file of the box, read for holdouts of these data that were opened before.
    """
    config, folder, data = _read(asked)
    require_apart(out, folder)
    folder_place(out, run_fault)
    require_no_log(out)
    settings = {"graph": config.graph.to_dict(), "forecast": config.forecast.to_dict(), "graph_study": config.graph_study.to_dict()}
    opening = None
    if box is not None:
        box.require_outside(out)
        opening = partial(box.open, data, settings)
    opened_from, fault = opened_before(log, data)
    with workers(asked.threads):
        progress("reading")
        inputs = load_inputs(data, config.graph)
        made, model = run_comovement(
            data,
            config.graph,
            config.forecast,
            config.graph_study,
            opening=opening,
            inputs=inputs,
            name=config.name,
            opened_from=opened_from,
            notes=[fault] if fault else [],
            progress=progress,
        )
        progress("writing the report")
        shown = _busiest(data, inputs, made)
    manifest = manifest_of({"name": config.name, **settings}, {"data": data}, config.graph_study.seed)

    def fill(place: Path) -> None:
        for name, frame in made.frames().items():
            if frame.width:
                frame.write_parquet(place / f"{name}.parquet")
        write_json(place / MODEL_FILE, model.to_dict())
        write_json(place / "comovement.json", plain(made.to_dict()))
        part = None if shown is None else neighbourhood_part(shown)
        (place / "comovement.html").write_text(render_comovement(made, manifest=plain(manifest), neighbourhood=part), encoding="utf-8")
        seal(place, manifest)

    replace_folder(out, fill, fault=run_fault)
    return made


def explain_pair(asked: GraphAsked, a: str, b: str, day: date, out: Path | None) -> tuple[PairStory, Beside]:
    """The story of one pair, what to print beside it, and its page where a file is named."""
    config, folder, data = _read(asked)
    model, inputs = _model(asked, config), load_inputs(data, config.graph)
    made = pair_story(
        inputs,
        a,
        b,
        day,
        names=_names(data),
        model=model,
        synthetic=_synthetic(data),
        holdout_start=config.forecast.holdout_start,
    )
    _page(out, folder, lambda: render_pair(made, manifest=_manifest(config, data)))
    return made, _beside(data, [*late_notes(inputs, [day]), *seen_notes(model, made.date)])


def show_peers(asked: GraphAsked, asset: str, day: date, out: Path | None, *, most: int) -> tuple[Neighbourhood, Beside]:
    """The neighbourhood of one stock, what to print beside it, and its page where a file is named."""
    config, folder, data = _read(asked)
    model, inputs = _model(asked, config), load_inputs(data, config.graph)
    most = min(most, len(inputs.ground.axes.assets))
    made = neighbourhood(inputs, asset, day, most=most, names=_names(data), model=model, synthetic=_synthetic(data))
    _page(out, folder, lambda: render_neighbourhood(made, manifest=_manifest(config, data)))
    return made, _beside(data, [*late_notes(inputs, [day]), *seen_notes(model, made.date), *peer_notes(inputs, made)])


def hedge_stock(asked: GraphAsked, asset: str, day: date, *, names: int) -> tuple[OneHedge, Beside]:
    """Baskets to hedge one stock with from a day on, and what to print beside them."""
    config, _, data = _read(asked)
    model, inputs = _model(asked, config), load_inputs(data, config.graph)
    made = hedge_one(inputs, asset, day, names=names, model=model, holdout_start=config.forecast.holdout_start)
    forecast = model is not None and not model.in_sample(made.date)
    return made, _beside(data, [*late_notes(inputs, [day]), *arm_notes(made, forecast=forecast)])


def run_amplifier(asked: GraphAsked, out: Path, *, factors: Path | None, progress: Progress) -> AmplifierStudy:
    """Study what the product graph adds to every factor, and write the folder: page, tables, the graph's feed, the amplified factors."""
    config, folder, data = _read(asked)
    require_apart(out, folder)
    folder_place(out, run_fault)
    require_no_log(out)
    own = None if factors is None else read_factors(factors)
    settings = config.amplifier
    with workers(asked.threads):
        progress("graph")
        graph = amplifier_graph(
            data,
            level=settings.level,
            min_share=settings.min_share,
            core_only=settings.core_only,
            buffer_days=settings.buffer_days,
            stale_months=settings.stale_months,
        )
        made = run_amplification(data, settings, factors=own, graph=graph, name=config.name, progress=progress)
        progress("writing the report")
    manifest = manifest_of({"name": config.name, "amplifier": asdict(settings)}, {"data": data}, settings.seed)
    stack = own if own is not None else data.frame("factors") if data.has("factors") else None
    if stack is None:
        made = replace(made, notes=(*made.notes, _NO_STACK))

    def fill(place: Path) -> None:
        for name, frame in _frames(made).items():
            frame.write_parquet(place / f"{name}.parquet")
        graph.to_frame().write_parquet(place / "amplifier_graph.parquet")
        if stack is not None:
            amplify(
                stack, graph, strength=settings.strength, relations=_through(settings, graph), standardise=settings.standardise,
                longest_days=settings.longest_days,
            ).write_parquet(place / "amplified.parquet")  # fmt: skip
        write_json(place / "amplifier.json", plain(made.to_dict()))
        (place / "amplifier.html").write_text(render_amplifier(made, manifest=plain(manifest)), encoding="utf-8")
        seal(place, manifest)

    replace_folder(out, fill, fault=run_fault)
    return made


def _through(settings: AmplificationSettings, graph: AmplifierGraph) -> tuple[str, ...]:
    """Relations through which the written factors go: those asked for, or every one of the graph."""
    asked = settings.relations
    return tuple(each for each in graph.relations if asked is None or ALL in asked or each in asked)


def _frames(made: AmplifierStudy) -> dict[str, pl.DataFrame]:
    return {name: value for name in made.__slots__ if isinstance(value := getattr(made, name), pl.DataFrame) and value.width}


def _read(asked: GraphAsked) -> tuple[RunConfig, Path, Dataset]:
    config = read_config(asked.config) if asked.config else replace(RunConfig.plain(), name="co-movement graph")
    folder = asked.data or config.data
    if folder is None:
        raise SettingError('there is no data: pass --data FOLDER, or add data = "FOLDER" to the configuration')
    return config, folder, Dataset.open(folder)


def _model(asked: GraphAsked, config: RunConfig) -> Model | None:
    if asked.model is None:
        return None
    model = read_model(asked.model)
    require_model(model, config.graph)
    return model


def _beside(data: Dataset, notes: Sequence[str]) -> Beside:
    return Beside(synthetic=_synthetic(data), notes=tuple(notes))


def _synthetic(data: Dataset) -> bool:
    return data.notes.get("synthetic") is True


def _names(data: Dataset) -> Mapping[str, str]:
    """Name of every stock that has one: the English one, else the Chinese one."""
    known = [each for each in ("name_en", "name_zh") if each in data.columns("assets")]
    if not known:
        return {}
    table = data.frame("assets", ["asset", *known]).select("asset", name=pl.coalesce(known)).drop_nulls()
    return dict(zip(table["asset"], table["name"], strict=True))


def _page(out: Path | None, folder: Path, render: Callable[[], str]) -> None:
    if out is None:
        return
    require_no_log(out)
    file_place(out, inputs=[folder])
    text = render()
    write_file(out, lambda path: _write_text(path, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _manifest(config: RunConfig, data: Dataset) -> dict[str, Any]:
    return plain(manifest_of({"name": config.name, "graph": config.graph.to_dict()}, {"data": data}, config.graph_study.seed))


def _busiest(data: Dataset, inputs: GraphInputs, made: ComovementStudy) -> Neighbourhood | None:
    """The stock with most pairs in the last vintage that has any, as an example of a neighbourhood."""
    known = made.vintages.filter(pl.col("pairs") > 0)
    if not known.height:
        return None
    day = known["date"][-1]
    row = int(np.searchsorted(inputs.ground.axes.sessions.dates, np.datetime64(day)))
    pairs = substrate(inputs, row)
    busiest = np.bincount(np.concatenate([pairs.a, pairs.b]), minlength=len(inputs.ground.axes.assets)).argmax()
    return neighbourhood(inputs, inputs.ground.axes.assets[int(busiest)], day, names=_names(data), synthetic=made.synthetic)
