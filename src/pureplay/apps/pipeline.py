"""The composition root: what each command does, from files to files."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

import polars as pl

from pureplay.apps.config import RunConfig
from pureplay.apps.outputs import manifest_of, replace_folder, write_run, write_scores
from pureplay.checks import CheckReport
from pureplay.dataset import Dataset, adopt_folder, write_json
from pureplay.errors import SettingError, TableError
from pureplay.evaluate import forward_returns, orthogonal_icir
from pureplay.evaluate.records import OrthogonalICIR
from pureplay.market import load_market
from pureplay.sessions import Calendar
from pureplay.signals.momentum import product_peers, score_blocks
from pureplay.signals.settings import SignalSettings
from pureplay.sources.files import Imported, load
from pureplay.studies.controls import control_scores
from pureplay.studies.momentum import Evaluation, Progress, run_momentum
from pureplay.studies.records import MomentumStudy
from pureplay.synthetic import market as synthetic_market
from pureplay.synthetic import write_market

__all__ = ["DEMO", "evaluate_scores", "import_files", "run_config", "run_demo", "simulate", "write_signal"]

DEMO: Final[Mapping[str, int]] = {"stocks": 900, "sessions": 2430, "seed": 11}


def import_files(map_file: Path, source: Path, out: Path, *, today: date, progress: Progress) -> tuple[Imported, Dataset]:
    """Map the user's files, check them, write a dataset; rows refused by the map go to its quarantine beside those of the check."""
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
    (out / "import_report.txt").write_text(f"{imported.report}\n\nchecks\n{data.report}\n", encoding="utf-8")
    return imported, replace(written, report=data.report)


def run_config(config: RunConfig, out: Path, *, data_folder: Path | None, progress: Progress) -> MomentumStudy:
    """Score a dataset, judge the scores and write the run folder."""
    folder = data_folder or config.data
    if folder is None:
        raise SettingError('the configuration names no data: add data = "FOLDER" or pass --data')
    data = Dataset.open(folder)
    study, scores = run_momentum(data, config.signal, config.evaluation, name=config.name, progress=progress)
    progress("writing the run")
    manifest = manifest_of(
        {"name": config.name, "signal": config.signal.to_dict(), "evaluation": asdict(config.evaluation)},
        {"data": data},
        config.evaluation.seed,
    )
    write_run(out, title=config.name, studies=[study], scores={"scores": scores}, summary=study.to_dict(), manifest=manifest)
    return study


def run_demo(out: Path, *, stocks: int, sessions: int, seed: int, shuffles: int, progress: Progress) -> dict[str, MomentumStudy]:
    """The same study on a synthetic market with under-reaction planted and on its placebo, side by side."""
    evaluation = Evaluation(shuffles=shuffles, seed=seed, null_draws=500)
    settings = SignalSettings()
    studies, scores, manifests = {}, {}, {}
    for name, underreaction in (("planted", 0.5), ("placebo", 0.0)):
        say = _prefixed(progress, f"{name}: ")
        say("simulating the market")
        made = synthetic_market(stocks=stocks, sessions=sessions, seed=seed, underreaction=underreaction)
        data = Dataset.from_frames(
            made.tables, calendar="XSHG", notes={"synthetic": True, **{key: str(each) for key, each in made.settings.items()}}
        )
        studies[name], scores[f"scores_{name}"] = run_momentum(data, settings, evaluation, name=name, progress=say)
        manifests[name] = data
    progress("writing the run")
    manifest = manifest_of({"signal": settings.to_dict(), "evaluation": asdict(evaluation)}, manifests, seed)
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
    data = Dataset.open(data_folder)
    progress("market")
    market = load_market(data)
    progress("product mix and baskets")
    peers = product_peers(data, market, settings)
    progress("scores")
    scores = score_blocks(market, peers, settings)
    progress("writing scores")
    partial = out.with_name(f".{out.name}.partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(partial.unlink, missing_ok=True)
        rows = write_scores(scores, partial)
        partial.replace(out)
    return rows


def evaluate_scores(
    data_folder: Path, scores_file: Path, *, column: str | None, evaluation: Evaluation, settings: SignalSettings, progress: Progress
) -> OrthogonalICIR:
    """Judge any score file against a dataset's bars, factors and controls."""
    data = Dataset.open(data_folder)
    scores = _read_scores(scores_file)
    progress("forward returns")
    future = forward_returns(data, sessions=evaluation.horizon_sessions, delay=evaluation.delay_sessions)
    progress("controls")
    market = load_market(data)
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
    return replace(judged, notes=judged.notes + notes)


def simulate(out: Path, *, settings: Mapping[str, Any], progress: Callable[[int, int], None]) -> Dataset:
    """Write a synthetic market as a dataset folder."""

    def fill(folder: Path) -> None:
        made = write_market(folder, **settings, progress=progress)
        adopt_folder(folder, calendar="XSHG", notes={"synthetic": True, **{key: str(each) for key, each in made.items()}})

    replace_folder(out, fill)
    return Dataset.open(out)


def save_verdict(judged: OrthogonalICIR, out: Path) -> None:
    """Write a verdict as JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, judged.to_dict())


def describe_report(report: CheckReport | None) -> str:
    """Text of a check report."""
    return "" if report is None else str(report)


def _read_scores(path: Path) -> pl.DataFrame:
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".csv": lambda file: pl.read_csv(file, infer_schema_length=None),
    }
    if path.suffix not in readers:
        raise TableError(f"{path} is neither .parquet nor .csv: save the scores (date, asset and a score) as one of them")
    try:
        return readers[path.suffix](path)
    except (OSError, pl.exceptions.ComputeError) as error:
        raise TableError(f"{path} cannot be read: {error}") from error


def _prefixed(progress: Progress, prefix: str) -> Progress:
    return lambda stage: progress(prefix + stage)
