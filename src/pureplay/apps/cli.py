"""The command line. Heavy libraries are loaded inside the commands, so that help is instant."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pureplay.errors import PureplayError

__all__ = ["app", "main"]

_WIDE = 150
_SILENCE_SECONDS = 10.0

app = typer.Typer(
    name="pureplay",
    help="Product-level equity research: product momentum from filings, bars and your own factors, and an honest verdict on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[Path, typer.Option("--data", help="Dataset folder.", show_default=False)]
MaybeData = Annotated[Path | None, typer.Option("--data", help="Dataset folder; default: the one that the configuration names.")]
Out = Annotated[Path, typer.Option("--out", help="Where to write.")]
RunOut = Annotated[Path, typer.Option("--out", help="Run folder to write.", show_default=False)]
Config = Annotated[
    Path | None, typer.Option("--config", help="TOML file: [signal], [evaluation], [battery], [study]; default: the source study's.")
]
Stack = Annotated[Path | None, typer.Option("--factors", help="Your own base: date, asset, any columns (wide or long), .parquet or .csv.")]
Families = Annotated[Path | None, typer.Option("--families", help="Families of your columns: TOML or CSV of factor, family.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Threads; default: every core.")]
Cluster = Annotated[str | None, typer.Option("--cluster", help="Scheduler of a dask cluster, such as tcp://10.0.0.1:8786.")]


def main() -> None:
    """Run the command line; errors of pureplay are one readable message and exit code 2."""
    try:
        app()
    except PureplayError as error:
        _console().print(f"[bold red]error:[/] {_escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        _console().print("stopped; nothing half-written is left behind")
        sys.exit(130)


@app.command()
def demo(
    out: Out = Path("runs/demo"),
    stocks: Annotated[int, typer.Option(help="Stocks in each synthetic market.")] = 1500,
    sessions: Annotated[int, typer.Option(help="Trading sessions.")] = 2430,
    seed: Annotated[int, typer.Option(help="Seed of markets, shuffles and bootstrap.")] = 11,
    shuffles: Annotated[int, typer.Option(help="Within-industry shuffles a market.")] = 20,
) -> None:
    """The whole study on two synthetic markets: under-reaction planted, and its placebo."""
    with _progress() as say:
        from pureplay.apps.pipeline import run_demo

        studies = run_demo(out, stocks=stocks, sessions=sessions, seed=seed, shuffles=shuffles, progress=say)
    from pureplay.apps.tables import side_by_side

    console = _console(stderr=False)
    console.print("\n[bold]Synthetic data:[/] two simulated markets, not evidence about any real one. Same seed, same shocks.")
    console.print(side_by_side(studies))
    console.print(f"report: {out / 'report.html'}   figures: {out / 'summary.json'}", soft_wrap=True)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="TOML file, such as examples/cn.toml.", show_default=False)],
    out: Out,
    data: Annotated[Path | None, typer.Option("--data", help="Dataset folder, instead of the one in the configuration.")] = None,
) -> None:
    """Score a dataset, judge the scores and write a report."""
    with _progress() as say:
        from pureplay.apps.config import read_config
        from pureplay.apps.pipeline import run_config

        study = run_config(read_config(config), out, data_folder=data, progress=say)
    from pureplay.apps.tables import describe_study

    _console(stderr=False).print(describe_study(study), soft_wrap=True, markup=False, highlight=False)
    _console(stderr=False).print(f"report: {out / 'report.html'}   scores: {out / 'scores.parquet'}", soft_wrap=True)


@app.command("import")
def import_(
    map_file: Annotated[Path, typer.Option("--map", help="Column map (TOML), such as examples/maps/cn.toml.", show_default=False)],
    source: Annotated[Path, typer.Option("--source", help="Folder that the map's file patterns start from.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Dataset folder to write.", show_default=False)],
) -> None:
    """Turn your own CSV or Parquet files into a checked dataset."""
    with _progress() as say:
        from pureplay.apps.pipeline import import_files

        imported, data = import_files(map_file, source, out, today=date.today(), progress=say)
    console = _console(stderr=False)
    console.print(str(imported.report), soft_wrap=True, markup=False, highlight=False)
    console.print(f"\nchecks\n{data.report}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"\ndataset: {out}   (rows set aside: {out / 'quarantine'})", soft_wrap=True)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="Dataset folder, or a folder of <table>.parquet files.", show_default=False)],
    calendar: Annotated[str | None, typer.Option(help="XSHG or bars; default: what the manifest says, else bars.")] = None,
) -> None:
    """Tell every broken rule with count, rows and remedy; move bad rows to quarantine. Exit code 0 clean, 1 rows set aside, 2 refused."""
    from pureplay.dataset import check_folder
    from pureplay.errors import SettingError
    from pureplay.sessions import CALENDARS

    if calendar is not None and calendar not in CALENDARS:
        raise SettingError(f"--calendar must be one of {', '.join(CALENDARS)}, not {calendar!r}")
    with _progress() as say:
        say("checking")
        report = check_folder(path, today=date.today(), calendar=calendar)
    _console(stderr=False).print(str(report), soft_wrap=True, markup=False, highlight=False)
    verdicts = {0: "clean", 1: "bad rows were set aside; the rest can be used", 2: "refused: nothing was changed"}
    _console(stderr=False).print(verdicts[report.exit_code])
    raise typer.Exit(report.exit_code)


@app.command()
def signal(
    data: Data,
    out: Out = Path("scores.parquet"),
    config: Annotated[Path | None, typer.Option(help="TOML file whose [signal] is used; default: construction R.")] = None,
) -> None:
    """Write product-momentum scores of a dataset as Parquet."""
    with _progress() as say:
        from pureplay.apps.pipeline import write_signal

        rows = write_signal(data, _settings(config), out, progress=say)
    _console(stderr=False).print(f"{rows} rows: {out}", soft_wrap=True)


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Argument(help="Scores (date, asset, score) as .parquet or .csv.", show_default=False)],
    data: Data,
    column: Annotated[str | None, typer.Option(help="Score column; default composite, else the only one.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file whose [evaluation] and [signal] (for the controls) are used.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the verdict as JSON.")] = None,
) -> None:
    """Judge any score file: orthogonal ICIR on the dataset's factors, with both controls."""
    from pureplay.apps.config import read_config
    from pureplay.studies.momentum import Evaluation

    chosen = read_config(config) if config else None
    with _progress() as say:
        from pureplay.apps.folders import file_place
        from pureplay.apps.pipeline import evaluate_scores, save_verdict

        if out is not None:
            file_place(out, inputs=[scores])
        judged = evaluate_scores(
            data,
            scores,
            column=column,
            evaluation=chosen.evaluation if chosen else Evaluation(),
            settings=_settings(config),
            given=chosen.given if chosen else (),
            progress=say,
        )
        if out is not None:
            save_verdict(judged, out, scores_file=scores)
    _console(stderr=False).print(str(judged), soft_wrap=True, markup=False, highlight=False)


@app.command()
def explain(
    asset: Annotated[str, typer.Argument(help="Code, such as 600519.SH.", show_default=False)],
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Session, such as 2022-06-30.", show_default=False)],
    data: Data,
    config: Annotated[Path | None, typer.Option(help="TOML file whose [signal] is used; default: construction R.")] = None,
) -> None:
    """Take one score apart: filing, products, basket members, contributions, the gaps of the window."""
    with _progress() as say:
        say("explaining")
        from pureplay.dataset import Dataset
        from pureplay.signals.explain import explain as explain_score

        found = explain_score(Dataset.open(data), asset, day.date(), _settings(config))
    _console(stderr=False).print(str(found), soft_wrap=True, markup=False, highlight=False)


@app.command()
def study(
    out: RunOut,
    data: MaybeData = None,
    config: Config = None,
    factors: Stack = None,
    families: Families = None,
    threads: Workers = None,
    cluster: Cluster = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="business_mix: the older factors of the business mix, instead of the whole study.")
    ] = None,
    sector_neutral: Annotated[bool, typer.Option("--sector-neutral", help="With --preset: scores within the coarsest industries.")] = False,
) -> None:
    """The whole study: constructions R and S, the robustness battery, the source's table beside ours. A killed run is taken up again."""
    with _progress() as say:
        from pureplay.apps.studies import Asked, run_page

        asked = Asked(data=data, out=out, config=config, factors=factors, families=families, threads=threads, cluster=cluster)
        if preset is not None or sector_neutral:
            from pureplay.apps.business_mix import business_mix_tables, run_business_mix_page

            tables = business_mix_tables(run_business_mix_page(asked, preset_name=preset, sector_neutral=sector_neutral, progress=say))
        else:
            from pureplay.apps.tables import study_tables

            tables = study_tables(run_page(asked, page="study", progress=say))
    _tell(tables, out, "business_mix" if preset is not None else "study")


@app.command()
def battery(
    out: RunOut,
    data: MaybeData = None,
    construction: Annotated[str, typer.Option(help="R (raw returns) or S (residual returns).")] = "R",
    config: Config = None,
    factors: Stack = None,
    families: Families = None,
    threads: Workers = None,
    cluster: Cluster = None,
) -> None:
    """The robustness battery of one construction: noise, families, base counts, horizons, turnover, settings, placebos."""
    with _progress() as say:
        from pureplay.apps.studies import Asked, one_construction, run_page

        asked = Asked(
            data=data,
            out=out,
            config=config,
            factors=factors,
            families=families,
            constructions=one_construction(construction),
            threads=threads,
            cluster=cluster,
        )
        made = run_page(asked, page="battery", progress=say)
    from pureplay.apps.tables import study_tables

    _tell(study_tables(made), out, "battery")


@app.command()
def synthetic(
    out: Out,
    stocks: Annotated[int, typer.Option(help="Stocks.")] = 1000,
    sessions: Annotated[int, typer.Option(help="Trading sessions, up to the end of 2025.")] = 2430,
    seed: Annotated[int, typer.Option(help="Same seed, same bits.")] = 7,
    underreaction: Annotated[
        float | None, typer.Option(help="Mean share of product news that is priced late; 0 = placebo. Default: the preset's, else 0.5.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Named settings: ashare aims at published figures of mainland China. Sizes stay your own.")
    ] = None,
) -> None:
    """Write a synthetic market as a dataset."""
    with _progress() as say:
        from pureplay.apps.pipeline import simulate

        settings: dict[str, float] = {"stocks": stocks, "sessions": sessions, "seed": seed}
        if underreaction is not None:
            settings["underreaction"] = underreaction
        made = simulate(out, settings=settings, preset=preset, progress=lambda done, total: say(f"simulating {done}/{total} sessions"))
    rows = {name: record["rows"] for name, record in made.files.items()}
    _console(stderr=False).print(
        f"dataset: {out} (synthetic; {', '.join(f'{name} {count}' for name, count in rows.items())})", soft_wrap=True
    )


def _tell(tables: Iterable[Any], out: Path, page: str) -> None:
    console = _console(stderr=False)
    if not console.is_terminal:
        console.width = _WIDE  # a pipe has no width of its own: the table keeps its lines whole there
    for each in tables:
        console.print(each, soft_wrap=isinstance(each, str), highlight=False, markup=False)
    console.print(f"report: {out / f'{page}.html'}   figures: {out / f'{page}.json'}", soft_wrap=True, highlight=False)


def _settings(config: Path | None) -> Any:
    from pureplay.apps.config import read_config
    from pureplay.signals.settings import SignalSettings

    return read_config(config).signal if config else SignalSettings()


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _console(*, stderr: bool = True) -> Any:
    from rich.console import Console

    return Console(stderr=stderr)


def _now_and_then(console: Any) -> Callable[[str], None]:
    """A line every ten seconds at most: a log shows that a long run lives, and short ones stay silent."""
    last = time.monotonic()

    def say(stage: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _SILENCE_SECONDS:
            last = time.monotonic()
            console.print(stage, soft_wrap=True, highlight=False, markup=False)

    return say


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A spinner with the current stage and the time spent; plain lines where the output is no terminal."""
    console = _console()
    if not console.is_terminal:
        yield _now_and_then(console)
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("starting (the first run compiles kernels)")
        yield lambda stage: bar.update(task, description=stage)
