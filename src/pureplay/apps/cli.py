"""The command line, put together. Heavy libraries are loaded inside the commands, so that help is instant."""

import sys

import typer

from pureplay.apps import commands_data, commands_graph, commands_signal, commands_study, commands_trials
from pureplay.apps.console import console, escape
from pureplay.errors import PureplayError

__all__ = ["app", "main"]

app = typer.Typer(
    name="pureplay",
    help="Product-level equity research: product momentum from filings, bars and your own factors, and an honest verdict on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(commands_signal.demo)
app.command()(commands_signal.run)
app.command("import")(commands_data.import_)
app.command()(commands_data.check)
app.command()(commands_signal.signal)
app.command()(commands_signal.evaluate)
app.command()(commands_signal.explain)
app.command()(commands_study.study)
app.command()(commands_study.battery)
app.command()(commands_study.portfolio)
app.add_typer(commands_graph.graph)
app.command()(commands_trials.trials)
app.command()(commands_data.synthetic)


def main() -> None:
    """Run the command line; errors of pureplay are one readable message and exit code 2."""
    try:
        app()
    except PureplayError as error:
        console().print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        console().print("stopped; nothing half-written is left behind")
        sys.exit(130)
