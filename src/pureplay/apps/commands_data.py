"""Commands that make and check datasets: import, check, synthetic."""

from pathlib import Path
from typing import Annotated

import typer

from pureplay.apps.console import now, progress, tell
from pureplay.apps.options import Out

__all__ = ["check", "import_", "synthetic"]


def import_(
    map_file: Annotated[Path, typer.Option("--map", help="Column map (TOML), such as examples/maps/cn.toml.", show_default=False)],
    source: Annotated[Path, typer.Option("--source", help="Folder that the map's file patterns start from.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Dataset folder to write.", show_default=False)],
) -> None:
    """Turn your own CSV or Parquet files into a checked dataset."""
    with progress() as say:
        from pureplay.apps.pipeline import import_files

        imported, data = import_files(map_file, source, out, today=now().astimezone().date(), progress=say)
    tell(f"{imported.report}\n\nchecks\n{data.report}\n\ndataset: {out}   (rows set aside: {out / 'quarantine'})")


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
    with progress() as say:
        say("checking")
        report = check_folder(path, today=now().astimezone().date(), calendar=calendar)
    tell(str(report))
    verdicts = {0: "clean", 1: "bad rows were set aside; the rest can be used", 2: "refused: nothing was changed"}
    tell(verdicts[report.exit_code])
    raise typer.Exit(report.exit_code)


def synthetic(
    out: Out,
    stocks: Annotated[int, typer.Option(help="Stocks.")] = 1000,
    sessions: Annotated[int, typer.Option(help="Trading sessions, up to the end of 2025.")] = 2430,
    seed: Annotated[int, typer.Option(help="Same seed, same bits.")] = 7,
    underreaction: Annotated[
        float | None, typer.Option(help="Mean share of product news that is priced late; 0 = placebo. Default: the preset's, else 0.5.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Named settings: ashare aims at published figures of mainland China, comovement has news and links. Sizes stay your own."
        ),
    ] = None,
    links: Annotated[
        float | None,
        typer.Option(help="Multiplies planted correlations; 0 = placebo with the same tables. Default: the preset's, else none."),
    ] = None,
) -> None:
    """Write a synthetic market as a dataset."""
    with progress() as say:
        from pureplay.apps.pipeline import simulate

        settings: dict[str, float] = {"stocks": stocks, "sessions": sessions, "seed": seed}
        if underreaction is not None:
            settings["underreaction"] = underreaction
        if links is not None:
            settings["links"] = links
        made = simulate(out, settings=settings, preset=preset, progress=lambda done, total: say(f"simulating {done}/{total} sessions"))
    rows = {name: record["rows"] for name, record in made.files.items()}
    tell(f"dataset: {out} (synthetic; {', '.join(f'{name} {count}' for name, count in rows.items())})")
