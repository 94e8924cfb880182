"""The command on the log of trials."""

from pathlib import Path
from typing import Annotated

import typer

from pureplay.apps.console import now, tell, tell_tables
from pureplay.apps.options import Trials

__all__ = ["trials"]

_WHOLE = 1_000_000  # columns in a pipe: no line is broken


def trials(
    log: Trials = None,
    data: Annotated[Path | None, typer.Option("--data", help="Dataset folder: how many were tried on it.")] = None,
    verify: Annotated[Path | None, typer.Option("--verify", help="Run folder: is what its manifest says in the log?")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Take an altered log as it is from here on; the log says so for ever.")] = False,
) -> None:
    """Show every configuration that was evaluated, and how many distinct ones deflation counts."""
    from pureplay.apps.trials import accept_log, log_tables, open_log, verify_run

    if accept:
        tell(accept_log(log, time=now()))
    book = open_log(log)
    if verify is not None:
        tell(verify_run(book, verify))
    else:
        tell_tables(log_tables(book, data), width=_WHOLE)
