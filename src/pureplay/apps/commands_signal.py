"""Commands on one signal: demo, run, signal, evaluate, explain."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pureplay.apps.console import console, now, progress, tell
from pureplay.apps.options import Data, Out, Trials

__all__ = ["demo", "evaluate", "explain", "run", "signal"]


def demo(
    out: Out = Path("runs/demo"),
    stocks: Annotated[int, typer.Option(help="Stocks in each synthetic market.")] = 1500,
    sessions: Annotated[int, typer.Option(help="Trading sessions.")] = 2430,
    seed: Annotated[int, typer.Option(help="Seed of markets, shuffles and null band.")] = 11,
    shuffles: Annotated[int, typer.Option(help="Within-industry shuffles a market.")] = 20,
    trials: Annotated[str, typer.Option("--trials", help="Log of trials; the demo keeps none unless one is named.")] = "none",
) -> None:
    """The whole study on two synthetic markets: under-reaction planted, and its placebo."""
    with progress() as say:
        from pureplay.apps.pipeline import run_demo
        from pureplay.apps.trials import Logbook

        book = Logbook.open(trials, clock=now)
        studies = run_demo(out, stocks=stocks, sessions=sessions, seed=seed, shuffles=shuffles, progress=say, trials=book)
    from pureplay.apps.tables import side_by_side

    shown = console(stderr=False)
    shown.print("\n[bold]Synthetic data:[/] two simulated markets, not evidence about any real one. Same seed, same shocks.")
    shown.print(side_by_side(studies))
    tell(f"report: {out / 'report.html'}   figures: {out / 'summary.json'}")


def run(
    config: Annotated[Path, typer.Argument(help="TOML file, such as examples/cn.toml.", show_default=False)],
    out: Out,
    data: Annotated[Path | None, typer.Option("--data", help="Dataset folder, instead of the one in the configuration.")] = None,
    trials: Trials = None,
) -> None:
    """Score a dataset, judge the scores and write a report."""
    with progress() as say:
        from pureplay.apps.config import read_config
        from pureplay.apps.pipeline import run_config
        from pureplay.apps.trials import Logbook

        book = Logbook.open(trials, clock=now)
        study = run_config(read_config(config), out, data_folder=data, progress=say, trials=book)
    from pureplay.apps.tables import describe_study

    tell(describe_study(study))
    tell(f"report: {out / 'report.html'}   scores: {out / 'scores.parquet'}")
    tell(book.line)


def signal(
    data: Data,
    out: Out = Path("scores.parquet"),
    config: Annotated[Path | None, typer.Option(help="TOML file whose section signal is used; default: construction R.")] = None,
) -> None:
    """Write product-momentum scores of a dataset as Parquet."""
    with progress() as say:
        from pureplay.apps.pipeline import write_signal

        rows = write_signal(data, _settings(config), out, progress=say)
    tell(f"{rows} rows: {out}")


def evaluate(
    scores: Annotated[Path, typer.Argument(help="Scores (date, asset, score) as .parquet or .csv.", show_default=False)],
    data: Data,
    column: Annotated[str | None, typer.Option(help="Score column; default composite, else the only one.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file whose sections evaluation and signal (for the controls) are used.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the verdict as JSON.")] = None,
    trials: Trials = None,
) -> None:
    """Judge any score file: orthogonal ICIR on the dataset's factors, with both controls."""
    from pureplay.apps.config import read_config
    from pureplay.studies.momentum import Evaluation

    chosen = read_config(config) if config else None
    with progress() as say:
        from pureplay.apps.folders import file_place
        from pureplay.apps.pipeline import evaluate_scores, save_verdict
        from pureplay.apps.trials import Logbook

        book = Logbook.open(trials, clock=now)
        if out is not None:
            file_place(out, inputs=[scores])
            book.require_outside(out)
        judged = evaluate_scores(
            data,
            scores,
            column=column,
            evaluation=chosen.evaluation if chosen else Evaluation(),
            settings=_settings(config),
            given=chosen.given if chosen else (),
            progress=say,
            trials=book,
        )
        if out is not None:
            save_verdict(judged, out, scores_file=scores, trials=book)
    tell(str(judged))
    tell(book.line)


def explain(
    asset: Annotated[str, typer.Argument(help="Code, such as 600519.SH.", show_default=False)],
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Session, such as 2022-06-30.", show_default=False)],
    data: Data,
    config: Annotated[Path | None, typer.Option(help="TOML file whose section signal is used; default: construction R.")] = None,
) -> None:
    """Take one score apart: filing, products, basket members, contributions, the gaps of the window."""
    with progress() as say:
        say("explaining")
        from pureplay.dataset import Dataset
        from pureplay.signals.explain import explain as explain_score

        found = explain_score(Dataset.open(data), asset, day.date(), _settings(config))
    tell(str(found))


def _settings(config: Path | None) -> Any:
    from pureplay.apps.config import read_config
    from pureplay.signals.settings import SignalSettings

    return read_config(config).signal if config else SignalSettings()
