"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Cluster", "Config", "Data", "Families", "MaybeData", "Out", "RunOut", "Stack", "Trials", "Workers"]

Data = Annotated[Path, typer.Option("--data", help="Dataset folder.", show_default=False)]
MaybeData = Annotated[Path | None, typer.Option("--data", help="Dataset folder; default: the one that the configuration names.")]
Out = Annotated[Path, typer.Option("--out", help="Where to write.")]
RunOut = Annotated[Path, typer.Option("--out", help="Run folder to write.", show_default=False)]
Config = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings, such as one of examples/; default: the source study's.")
]
Stack = Annotated[Path | None, typer.Option("--factors", help="Your own base: date, asset, any columns (wide or long), .parquet or .csv.")]
Families = Annotated[Path | None, typer.Option("--families", help="Families of your columns: TOML or CSV of factor, family.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Threads; default: every core.")]
Cluster = Annotated[str | None, typer.Option("--cluster", help="Scheduler of a dask cluster, such as tcp://10.0.0.1:8786.")]
Trials = Annotated[
    str | None, typer.Option("--trials", help="Log of trials, none = no log. Default: PUREPLAY_TRIALS, else ~/.pureplay/trials.jsonl.")
]
