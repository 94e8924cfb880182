"""What `pureplay study` and `pureplay battery` do, from files to files; a killed run is taken up where it was."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, get_args

import polars as pl

from pureplay.apps.config import RunConfig, read_config
from pureplay.apps.folders import folder_place, replace_folder, require_apart, run_fault
from pureplay.apps.outputs import manifest_of, plain, seal
from pureplay.apps.trials import NOT_LOGGED, Logbook, verdict_figures
from pureplay.dataset import Dataset, write_json
from pureplay.errors import DatasetError, PureplayError, SettingError
from pureplay.parallel import require_address, workers
from pureplay.reports.study import render_study
from pureplay.signals.settings import Construction
from pureplay.storage import MANIFEST, only_writer
from pureplay.studies.records import ProductStudy
from pureplay.studies.study import StudySpec, input_digest, run_study

__all__ = ["Asked", "one_construction", "run_page"]

Progress = Callable[[str], None]
_WITHOUT_EFFECT: Final = ("universes", "quantiles")
_WORK: Final = ".{}.work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asked for. factors, families: files of the user's own stack. threads: None = every core."""

    data: Path | None
    out: Path
    config: Path | None = None
    factors: Path | None = None
    families: Path | None = None
    constructions: tuple[Construction, ...] | None = None
    threads: int | None = None
    cluster: str | None = None


def one_construction(name: str) -> tuple[Construction, ...]:
    """The construction asked for; raises SettingError for any other than R and S."""
    for each in get_args(Construction):
        if name == each:
            return (each,)
    raise SettingError(f"--construction must be R or S, not {name!r}")


def run_page(asked: Asked, *, page: str, progress: Progress, trials: Logbook = NOT_LOGGED) -> ProductStudy:
    """Run what is asked for and write the folder: <page>.json, <page>.html, tables as Parquet, manifest.json.

    Finished pieces wait beside the folder until it is written, so that a killed run goes on where it was. Raises DatasetError where the
    folder holds anything that is not of a run, and whatever the study raises.
    """
    config = read_config(asked.config) if asked.config else RunConfig.plain()
    folder = asked.data or config.data
    if folder is None:
        raise SettingError('there is no data: pass --data FOLDER, or add data = "FOLDER" to the configuration')
    require_apart(asked.out, folder)
    place = folder_place(asked.out, run_fault)  # now, not after minutes of work
    trials.require_outside(asked.out)
    if asked.cluster is not None:
        require_address(asked.cluster)
    if config.signal.construction != "R":
        raise SettingError(
            "[signal] construction has no use in study and battery: name constructions in [study], or pass --construction to the battery"
        )
    settings = config.study if asked.constructions is None else replace(config.study, constructions=asked.constructions)
    spec = StudySpec(
        data=folder.resolve(),
        name=config.name,
        signal=config.signal,
        evaluation=config.evaluation,
        battery=config.battery,
        study=settings,
        factors=asked.factors and asked.factors.resolve(),
        families=asked.families and asked.families.resolve(),
    )
    inputs = _inputs(spec)  # now: whoever changes a file meanwhile must not have it certified
    work = place.with_name(_WORK.format(place.name))
    try:
        with workers(asked.threads):
            made = run_study(spec, work=work, cluster=asked.cluster, progress=progress)
            idle = [each for each in _WITHOUT_EFFECT if each in config.given]
            if idle:
                made = replace(
                    made, notes=(*made.notes, f"{', '.join(idle)} of [evaluation] had no effect: only `pureplay run` knows them")
                )
            progress("writing the report")
            _record(made, spec, page, inputs, trials)
            made = replace(made, trials=trials.count)
            _write(asked.out, made, spec, page, inputs, trials)
    except PureplayError:
        if work.is_dir() and not any(work.glob("*.unit")):  # nothing that a second run could go on with
            _remove(work)
        raise
    _remove(work)
    return made


def _remove(work: Path) -> None:
    """Remove the finished pieces, for they have served, unless another run has taken them up."""
    try:
        with only_writer(work):
            for piece in work.iterdir():  # the manifest last: without it a kill would leave pieces that no run takes for its own
                if piece.is_dir():
                    shutil.rmtree(piece, ignore_errors=True)
                elif piece.name != MANIFEST:
                    piece.unlink(missing_ok=True)
            shutil.rmtree(work, ignore_errors=True)
    except (DatasetError, OSError):
        return


def _record(study: ProductStudy, spec: StudySpec, page: str, inputs: Mapping[str, Any], trials: Logbook) -> None:
    """One trial a construction; cells of the battery and placebos are diagnostics. The scores of S depend on the base as well."""
    data = Dataset.open(spec.data)
    own_base = spec.factors is not None or spec.study.base != "auto" or spec.evaluation.base is not None
    for name, made in study.constructions.items():
        signal = {**spec.signal.to_dict(), "construction": name}
        if name == "S" and own_base:
            file = inputs.get("factors", {}).get("sha256")
            signal["residual_base"] = {"kind": study.base["kind"], "names": study.base["names"], "file_sha256": file}
        trials.record(page, signal, data, verdict_figures(made.verdict), asdict(spec.evaluation))


def _write(out: Path, study: ProductStudy, spec: StudySpec, page: str, inputs: Mapping[str, Any], trials: Logbook) -> None:
    data = Dataset.open(spec.data)
    config = {"name": spec.name, **spec.settings(), "files": inputs}
    manifest = manifest_of(config, {"data": data}, spec.evaluation.seed, trials=trials.manifest())

    def fill(folder: Path) -> None:
        for name, frame in _tables(study).items():
            frame.write_parquet(folder / f"{name}.parquet")
        write_json(folder / f"{page}.json", plain(study.to_dict()))
        (folder / f"{page}.html").write_text(render_study(study, manifest=plain(manifest)), encoding="utf-8")
        seal(folder, manifest)

    replace_folder(out, fill, fault=run_fault)


def _tables(study: ProductStudy) -> dict[str, pl.DataFrame]:
    """Frames of the run folder by file stem."""
    out = {"headline": study.headline}
    each = study.constructions.values()
    out["battery"] = pl.concat([one.figures.with_columns(construction=pl.lit(one.construction)) for one in each], how="vertical_relaxed")
    out["cells"] = pl.concat([one.cells for one in each], how="vertical_relaxed")
    out |= {f"residualisation_{one.construction}": one.residualisation for one in each if one.residualisation is not None}
    return out


def _inputs(spec: StudySpec) -> Mapping[str, Any]:
    """Name and SHA-256 of the user's own files, by what they are for."""
    given = {"factors": spec.factors, "families": spec.families}
    return {use: {"file": path.name, "sha256": input_digest(path)} for use, path in given.items() if path is not None}
