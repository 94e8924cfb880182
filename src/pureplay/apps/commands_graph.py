"""Commands of the co-movement graph: build, study, openings, hedge, explain, peers, amplify."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from pureplay.apps.console import now, progress, tell, tell_tables
from pureplay.apps.options import Config, MaybeData, RunOut, Stack, Workers

__all__ = ["graph"]

graph = typer.Typer(
    name="graph",
    help="Which correlations will still be there next quarter: pairs that the news names together, graded by structural links.",
    no_args_is_help=True,
)

Coefficients = Annotated[Path | None, typer.Option("--model", help="model_coefficients.json of a study; default: no forecast.")]
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Day, such as 2022-06-30; the last session on or before it counts.")]
Code = Annotated[str, typer.Argument(help="Code, such as 600519.SH.", show_default=False)]
Box = Annotated[
    Path | None, typer.Option("--lockbox", help="Record of openings. Default: PUREPLAY_LOCKBOX, else ~/.pureplay/lockbox.jsonl.")
]
_WHOLE = 1_000_000  # columns in a pipe: no line is broken
Page = Annotated[Path | None, typer.Option("--out", help="HTML file of the page; default: figures in the terminal alone.")]


@graph.command()
def build(
    out: Annotated[Path, typer.Option("--out", help="Graph folder to write; all vintages in it that are up to date are kept.")],
    data: MaybeData = None,
    config: Config = None,
    model: Coefficients = None,
    in_sample: Annotated[
        bool, typer.Option("--in-sample", help="Forecast vintages that lie before the model's known_from as well, marked.")
    ] = False,
    date: Annotated[
        list[datetime] | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Vintage to build; repeat it. Default: every month end.")
    ] = None,
    threads: Workers = None,
) -> None:
    """Write the vintages of a graph as feed files: comovement_edges/T=….parquet and comovement_peers/T=….parquet."""
    with progress() as say:
        from pureplay.apps.graph import GraphAsked
        from pureplay.apps.graph import build as build_folder
        from pureplay.errors import SettingError

        if in_sample and model is None:
            raise SettingError("--in-sample has no use without --model: add it, or leave both out")
        asked = GraphAsked(data=data, config=config, model=model, threads=threads)
        made = build_folder(asked, out, dates=[each.date() for each in date] if date else None, in_sample=in_sample, progress=say)
    did = f"{made.built} built, {made.kept} kept, {made.removed} removed as out of date"
    tell(f"graph: {out}   {made.vintages} vintages ({did}), {made.pairs:,} pairs on {made.last}")
    for each in made.notes:
        tell(f"note: {each}")


@graph.command()
def study(
    out: RunOut,
    data: MaybeData = None,
    config: Config = None,
    open_holdout: Annotated[bool, typer.Option("--open-holdout", help="Open the lock box: holdout figures, and a record of it.")] = False,
    asked_by: Annotated[str, typer.Option("--asked-by", help="Who asks for the holdout; recorded with each opening.")] = "",
    lockbox: Box = None,
    threads: Workers = None,
) -> None:
    """Forecast regressions, retention, hedging and checks on every vintage; the holdout stays shut unless asked for."""
    with progress() as say:
        from pureplay.apps.graph import GraphAsked
        from pureplay.apps.graph import study as run_study
        from pureplay.apps.graph_tables import study_tables
        from pureplay.apps.lockbox import LockBox, lockbox_place
        from pureplay.errors import SettingError

        if asked_by and not open_holdout:
            raise SettingError("--asked-by has no use without --open-holdout: add it, or leave both out")
        log = lockbox_place(lockbox)
        box = LockBox(log, asked_by=asked_by, clock=now) if open_holdout else None
        made = run_study(GraphAsked(data=data, config=config, threads=threads), out, box=box, log=log, progress=say)
    tell_tables(study_tables(made), width=_WHOLE)
    if box is not None:
        nothing = "not opened: no vintage lies in the holdout, so there is nothing to open and nothing was recorded"
        tell(f"opening recorded in {box.path}" if made.opened else nothing)
    tell(f"report: {out / 'comovement.html'}   figures: {out / 'comovement.json'}   model: {out / 'model_coefficients.json'}")


@graph.command()
def openings(
    lockbox: Box = None,
    accept: Annotated[bool, typer.Option("--accept", help="Take an altered record as it is from here on; it says so for ever.")] = False,
) -> None:
    """List who opened the holdout of which data, and when."""
    from pureplay.apps.graph_tables import opening_tables
    from pureplay.apps.lockbox import accept_openings, lockbox_place, openings_of

    path = lockbox_place(lockbox)
    if accept:
        tell(accept_openings(path, time=now()))
    tell_tables(opening_tables(openings_of(path), path), width=_WHOLE)


@graph.command()
def hedge(
    asset: Code,
    day: Day,
    data: MaybeData = None,
    config: Config = None,
    model: Coefficients = None,
    names: Annotated[int, typer.Option("--names", min=1, help="Names of a basket.")] = 10,
) -> None:
    """Baskets to hedge one stock with, as known on the day, with their ratios."""
    with progress() as say:
        say("graph")
        from pureplay.apps.graph import GraphAsked, hedge_stock
        from pureplay.apps.graph_tables import hedge_tables

        made, beside = hedge_stock(GraphAsked(data=data, config=config, model=model), asset, day.date(), names=names)
    tell_tables(hedge_tables(made, beside), width=_WHOLE)


@graph.command()
def explain(
    one: Code,
    other: Code,
    day: Day,
    data: MaybeData = None,
    config: Config = None,
    model: Coefficients = None,
    out: Page = None,
) -> None:
    """Why two stocks are linked, or are not: articles, lamps with evidence, both correlation windows."""
    with progress() as say:
        say("explaining")
        from pureplay.apps.graph import GraphAsked, explain_pair
        from pureplay.apps.graph_tables import pair_tables

        made, beside = explain_pair(GraphAsked(data=data, config=config, model=model), one, other, day.date(), out)
    tell_tables(pair_tables(made, beside), width=_WHOLE)
    if out is not None:
        tell(f"page: {out}")


@graph.command()
def peers(
    asset: Code,
    day: Day,
    data: MaybeData = None,
    config: Config = None,
    model: Coefficients = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Peers to show.")] = 50,
    out: Page = None,
) -> None:
    """Ranked peers of one stock, and its neighbourhood as a page that works offline."""
    with progress() as say:
        say("graph")
        from pureplay.apps.graph import GraphAsked, show_peers
        from pureplay.apps.graph_tables import peer_tables

        made, beside = show_peers(GraphAsked(data=data, config=config, model=model), asset, day.date(), out, most=most)
    tell_tables(peer_tables(made, beside), width=_WHOLE)
    if out is not None:
        tell(f"page: {out}")


@graph.command()
def amplify(out: RunOut, data: MaybeData = None, config: Config = None, factors: Stack = None, threads: Workers = None) -> None:
    """Pass every factor of a stack through the product graph: what it adds to the orthogonal ICIR, beside rewired graphs."""
    with progress() as say:
        from pureplay.apps.graph import GraphAsked, run_amplifier
        from pureplay.apps.graph_tables import amplifier_tables

        made = run_amplifier(GraphAsked(data=data, config=config, threads=threads), out, factors=factors, progress=say)
    tell_tables(amplifier_tables(made), width=_WHOLE)
    tell(f"report: {out / 'amplifier.html'}   figures: {out / 'amplifier.json'}   graph: {out / 'amplifier_graph.parquet'}")
