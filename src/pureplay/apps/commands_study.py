"""Commands of whole studies: study, battery, portfolio."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pureplay.apps.console import now, progress, tell, tell_tables
from pureplay.apps.options import Cluster, Config, Families, MaybeData, RunOut, Stack, Trials, Workers

__all__ = ["battery", "portfolio", "study"]


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
    trials: Trials = None,
) -> None:
    """The whole study: constructions R and S, the robustness battery, the source's table beside ours. A killed run is taken up again."""
    with progress() as say:
        from pureplay.apps.studies import Asked, run_page
        from pureplay.apps.trials import Logbook

        book = Logbook.open(trials, clock=now)
        asked = Asked(data=data, out=out, config=config, factors=factors, families=families, threads=threads, cluster=cluster)
        if preset is not None or sector_neutral:
            from pureplay.apps.business_mix import business_mix_tables, run_business_mix_page

            mixed = run_business_mix_page(asked, preset_name=preset, sector_neutral=sector_neutral, progress=say, trials=book)
            page, tables = "business_mix", business_mix_tables(mixed)
        else:
            from pureplay.apps.tables import study_tables

            page, tables = "study", study_tables(run_page(asked, page="study", progress=say, trials=book))
    _tell(tables, out, page, book)


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
    from pureplay.apps.tables import study_tables

    _tell(study_tables(made), out, "battery", book)


def portfolio(
    out: RunOut,
    data: MaybeData = None,
    config: Config = None,
    rules: Annotated[
        str | None, typer.Option("--rules", help="Market rules: cn, us, or a TOML file. Default: the configuration's.")
    ] = None,
    threads: Workers = None,
    trials: Trials = None,
) -> None:
    """Would it have made money: accounts of R, S and the business mix under dated rules and costs, beside controls, indices and luck."""
    with progress() as say:
        from pureplay.apps.portfolio import PortfolioAsked, run_portfolio_page
        from pureplay.apps.portfolio_tables import portfolio_tables
        from pureplay.apps.trials import Logbook

        book = Logbook.open(trials, clock=now)
        asked = PortfolioAsked(data=data, out=out, config=config, rules=rules, threads=threads)
        made = run_portfolio_page(asked, progress=say, trials=book)
    _tell(portfolio_tables(made), out, "portfolio", book)


def _tell(tables: Sequence[Any], out: Path, page: str, book: Any) -> None:
    tell_tables(tables)
    tell(f"report: {out / f'{page}.html'}   figures: {out / f'{page}.json'}")
    tell(book.line)
