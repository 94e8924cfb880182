"""The composition root: what each command does, from files to files."""

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import polars as pl

from pureplay.apps.config import RunConfig
from pureplay.apps.folders import file_place, folder_place, replace_folder, require_apart, run_fault, synthetic_fault, write_file
from pureplay.apps.outputs import manifest_of, write_run, write_scores
from pureplay.apps.trials import NOT_LOGGED, Logbook, require_no_log, verdict_figures
from pureplay.dataset import Dataset, adopt_folder, file_sha256, write_json
from pureplay.errors import DatasetError, InsufficientDataError, SettingError, TableError
from pureplay.evaluate import forward_returns, orthogonal_icir
from pureplay.evaluate.records import OrthogonalICIR
from pureplay.market import load_market
from pureplay.sessions import Calendar
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.signals.residual import signal_market
from pureplay.signals.settings import SignalSettings
from pureplay.sources.files import Imported, load
from pureplay.studies.controls import control_scores, schemes_by_depth
from pureplay.studies.momentum import Evaluation, Progress, run_momentum
from pureplay.studies.records import MomentumStudy
from pureplay.synthetic import market as synthetic_market
from pureplay.synthetic import preset as synthetic_preset
from pureplay.synthetic import write_market

__all__ = ["DEMO_UNDERREACTION", "evaluate_scores", "import_files", "run_config", "run_demo", "simulate", "write_signal"]

DEMO_UNDERREACTION: Final = 0.6  # mean share of product news that is priced late in the planted market
_RUN_ONLY: Final = ("horizons_sessions", "universes", "shuffles", "quantiles")


def import_files(map_file: Path, source: Path, out: Path, *, today: date, progress: Progress) -> tuple[Imported, Dataset]:
    """Map the user's files, check them, write a dataset; rows refused by the map go to its quarantine beside those of the check."""
    require_no_log(out)
    imported = load(map_file, source=source, progress=progress)
    progress("checking tables")
    data = Dataset.from_frames(
        imported.tables,
        calendar=cast(Calendar, imported.calendar),
        notes={"name": imported.name, "notes": list(imported.notes), "synthetic": False},
        today=today,
    )
    refused = {f"import_{name}": frame for name, frame in imported.refused.items() if frame.height}
    data = replace(data, quarantine={**data.quarantine, **refused})
    progress("writing the dataset")
    written = data.write(out)
    _write_report(out, f"{imported.report}\n\nchecks\n{data.report}\n")
    return imported, replace(written, report=data.report)


def run_config(
    config: RunConfig, out: Path, *, data_folder: Path | None, progress: Progress, trials: Logbook = NOT_LOGGED
) -> MomentumStudy:
    """Score a dataset, judge the scores, record the trial and write the run folder."""
    folder = data_folder or config.data
    if folder is None:
        raise SettingError('the configuration names no data: add data = "FOLDER" or pass --data')
    require_apart(out, folder)
    folder_place(out, run_fault)  # now, not after minutes of work
    trials.require_outside(out)
    data = Dataset.open(folder)
    _require_known(data, config.evaluation)
    study, scores = run_momentum(data, config.signal, config.evaluation, name=config.name, progress=progress)
    trials.record("run", config.signal.to_dict(), data, verdict_figures(study.verdict), asdict(config.evaluation))
    study = replace(study, trials=trials.count)
    progress("writing the run")
    manifest = manifest_of(
        {"name": config.name, "signal": config.signal.to_dict(), "evaluation": asdict(config.evaluation)},
        {"data": data},
        config.evaluation.seed,
        trials=trials.manifest(),
    )
    write_run(out, title=config.name, studies=[study], scores={"scores": scores}, summary=study.to_dict(), manifest=manifest)
    return study


def run_demo(
    out: Path, *, stocks: int, sessions: int, seed: int, shuffles: int, progress: Progress, trials: Logbook = NOT_LOGGED
) -> dict[str, MomentumStudy]:
    """The same study on a synthetic market with under-reaction planted and on its placebo, side by side."""
    folder_place(out, run_fault)
    trials.require_outside(out)
    evaluation = Evaluation(shuffles=shuffles, seed=seed, null_draws=500)
    settings = SignalSettings()
    studies, scores, manifests = {}, {}, {}
    for name, underreaction in (("planted", DEMO_UNDERREACTION), ("placebo", 0.0)):
        say = _prefixed(progress, f"{name}: ")
        say("simulating the market")
        made = synthetic_market(stocks=stocks, sessions=sessions, seed=seed, underreaction=underreaction)
        data = Dataset.from_frames(
            made.tables, calendar="XSHG", notes={"synthetic": True, **{key: str(each) for key, each in made.settings.items()}}
        )
        studies[name], scores[f"scores_{name}"] = run_momentum(data, settings, evaluation, name=name, progress=say)
        manifests[name] = data
        trials.record("demo", settings.to_dict(), data, verdict_figures(studies[name].verdict), asdict(evaluation))
    progress("writing the run")
    manifest = manifest_of({"signal": settings.to_dict(), "evaluation": asdict(evaluation)}, manifests, seed, trials=trials.manifest())
    summary = {"synthetic": True, **{name: each.to_dict() for name, each in studies.items()}}
    write_run(
        out,
        title="Product momentum on a synthetic market",
        studies=list(studies.values()),
        scores=scores,
        summary=summary,
        manifest=manifest,
    )
    return studies


def write_signal(data_folder: Path, settings: SignalSettings, out: Path, *, progress: Progress) -> int:
    """Scores of a dataset as one Parquet file; returns the number of rows."""
    file_place(out)
    require_no_log(out)
    data = Dataset.open(data_folder)
    progress("market")
    market = signal_market(data, load_market(data), settings)
    progress("product mix and baskets")
    peers = product_peers(data, market, settings)
    progress("scores")
    scores = score_blocks(market, peers, settings)
    progress("writing scores")
    rows: list[int] = []
    write_file(out, lambda path: rows.append(write_scores(scores, path)))
    return rows[0]


def evaluate_scores(
    data_folder: Path,
    scores_file: Path,
    *,
    column: str | None,
    evaluation: Evaluation,
    settings: SignalSettings,
    given: Collection[str] = (),
    progress: Progress,
    trials: Logbook = NOT_LOGGED,
) -> OrthogonalICIR:
    """Judge any score file against a dataset's bars, factors and controls; the trial is its SHA-256 and column.

    given: evaluation settings that the user has set; those which only a run can honour are named in the notes of the verdict.
    """
    data = Dataset.open(data_folder)
    _require_known(data, evaluation)
    scores, sha256 = _read_scores(scores_file), file_sha256(scores_file)
    progress("forward returns")
    future = forward_returns(data, sessions=evaluation.horizon_sessions, delay=evaluation.delay_sessions)
    progress("controls")
    market = signal_market(data, load_market(data), settings)
    controls, notes = control_scores(data, market, settings)
    base = data.frame("factors") if data.has("factors") and evaluation.base != () else None
    if base is not None and evaluation.base is not None:
        base = data.frame("factors", ["date", "asset", *evaluation.base])
    industries = None
    if evaluation.industry_scheme is not None:
        industries = data.frame("industries").filter(pl.col("scheme") == evaluation.industry_scheme)
    progress("verdict")
    judged = orthogonal_icir(
        scores,
        future,
        base,
        industries=industries,
        controls={name: each.to_frame() for name, each in controls.items()},
        column=column,
        timing=evaluation.timing,
        min_names=evaluation.min_names,
        calendar=data.calendar,
    )
    judged_column = _score_column(scores, column)
    _require_names(scores, judged_column, evaluation.min_typical_names)
    signal = {"scores_sha256": sha256, "column": judged_column}
    trials.record("evaluate", signal, data, verdict_figures(judged), asdict(evaluation))
    return replace(judged, notes=(*judged.notes, *notes, *_not_honoured(given)))


def simulate(out: Path, *, settings: Mapping[str, Any], preset: str | None = None, progress: Callable[[int, int], None]) -> Dataset:
    """Write a synthetic market as a dataset folder; `settings` win over those of the preset."""
    require_no_log(out)
    given = {**(synthetic_preset(preset) if preset else {}), **settings}

    def fill(folder: Path) -> None:
        made = write_market(folder, **given, progress=progress)
        said = {key: str(each) for key, each in made.items()}
        adopt_folder(folder, calendar="XSHG", notes={"synthetic": True, "preset": preset, **said})

    replace_folder(out, fill, fault=synthetic_fault)
    return Dataset.open(out)


def save_verdict(judged: OrthogonalICIR, out: Path, *, scores_file: Path, trials: Logbook = NOT_LOGGED) -> None:
    """Write a verdict as JSON; raises DatasetError where `out` is the score file or a log of trials, or cannot be written."""
    trials.require_outside(out)
    content = {**judged.to_dict(), "trials": trials.manifest()}
    write_file(out, lambda path: write_json(path, content), inputs=[scores_file])


def _write_report(folder: Path, text: str) -> None:
    """The report beside a dataset that stands already: a failure here must not read as if the data were lost."""
    report = folder / "import_report.txt"
    partial = folder / f".import_report.{uuid.uuid4().hex}.partial"
    try:
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(report)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"the dataset {folder} is written and complete, but {report} could not be: {error}: keep this copy\n{text}"
        ) from error


def _require_known(data: Dataset, evaluation: Evaluation) -> None:
    """What the settings name must be in the dataset, told before anything is computed."""
    columns = [each for each in data.columns("factors") if each not in ("date", "asset")]
    absent = [each for each in evaluation.base or () if each not in columns]
    if absent:
        raise SettingError(f"base names {', '.join(absent)}, which is not in the factors; known are {', '.join(columns) or 'none'}")
    known = schemes_by_depth(data)
    if evaluation.industry_scheme is not None and evaluation.industry_scheme not in known:
        raise SettingError(f"industry_scheme {evaluation.industry_scheme!r} is not in the dataset; known are {', '.join(known) or 'none'}")


def _score_column(scores: pl.DataFrame, column: str | None) -> str:
    """The column that the verdict was on: the named one, composite, or the only numeric one."""
    if column is not None or "composite" in scores.columns:
        return column or "composite"
    return scores.drop("date", "asset").select(pl.selectors.numeric()).columns[0]


def _require_names(scores: pl.DataFrame, column: str, fewest: int) -> None:
    scored = scores.filter(pl.col(column).cast(pl.Float64).is_finite())
    typical = float(np.median(scored.group_by("date").len()["len"].to_numpy())) if scored.height else 0.0
    if typical < fewest:
        raise InsufficientDataError(
            f"a date with scores has {typical:.0f} scored names in the median; a verdict needs {fewest}: score more stocks, or lower "
            "min_typical_names in [evaluation] of --config"
        )


def _not_honoured(given: Collection[str]) -> tuple[str, ...]:
    named = [each for each in _RUN_ONLY if each in given]
    if not named:
        return ()
    return (f"{', '.join(named)} of [evaluation] had no effect: `evaluate` judges one file of scores, only `pureplay run` does those",)


def _read_scores(path: Path) -> pl.DataFrame:
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": lambda file: pl.read_parquet(file, glob=False, hive_partitioning=False),
        ".csv": lambda file: pl.read_csv(file, infer_schema_length=None, glob=False),
    }
    if path.suffix.lower() not in readers:
        raise TableError(f"{path} is neither .parquet nor .csv: save the scores (date, asset and a score) as one of them")
    if not path.is_file():
        raise TableError(f"{path} is not a file: give the file of the scores, .parquet or .csv")
    try:
        return readers[path.suffix.lower()](path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().split("\n")[0]
        raise TableError(f"{path} cannot be read ({reason}): save the scores (date, asset and a score) again") from error


def _prefixed(progress: Progress, prefix: str) -> Progress:
    return lambda stage: progress(prefix + stage)
