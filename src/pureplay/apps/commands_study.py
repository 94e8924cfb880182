"""Commands of the whole study: study, battery."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pureplay.apps.console import now, progress, tell, tell_tables
from pureplay.apps.options import Cluster, Config, Families, MaybeData, RunOut, Stack, Trials, Workers

__all__ = ["battery", "study"]


def study(
    out: RunOut,
    data: MaybeData = None,
    config: Config = None,
    factors: Stack = None,
    families: Families = None,
    threads: Workers = None,
    cluster: Cluster = None,
    trials: Trials = None,
) -> None:
    """The whole study: constructions R and S, the robustness battery, the source's table beside ours. A killed run is taken up again."""
    with progress() as say:
        from pureplay.apps.studies import Asked, run_page
        from pureplay.apps.trials import Logbook

        book = Logbook.open(trials, clock=now)
        asked = Asked(data=data, out=out, config=config, factors=factors, families=families, threads=threads, cluster=cluster)
        made = run_page(asked, page="study", progress=say, trials=book)
    _tell(made, out, "study", book)


def battery(
    out: RunOut,
    data: MaybeData = None,
    construction: Annotated[str, typer.Option(help="R (raw returns) or S (residual returns).")] = "R",
    config: Config = None,
    factors: Stack = None,
    families: Families = None,
    threads: Workers = None,
    cluster: Cluster = None,
    trials: Trials = None,
) -> None:
    """The robustness battery of one construction: noise, families, base counts, horizons, turnover, settings, placebos."""
    with progress() as say:
        from pureplay.apps.studies import Asked, one_construction, run_page
        from pureplay.apps.trials import Logbook

        book = Logbook.open(trials, clock=now)
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
        made = run_page(asked, page="battery", progress=say, trials=book)
    _tell(made, out, "battery", book)


def _tell(made: Any, out: Path, page: str, book: Any) -> None:
    from pureplay.apps.tables import study_tables

    tell_tables(study_tables(made))
    tell(f"report: {out / f'{page}.html'}   figures: {out / f'{page}.json'}")
    tell(book.line)
