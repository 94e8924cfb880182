"""The indices beside long-only accounts, and the one that luck is judged against."""

import polars as pl

from pureplay.errors import SettingError, TableError
from pureplay.evaluate.portfolio.backtest import Account, Desk
from pureplay.evaluate.portfolio.benchmark import Benchmark, load_benchmark
from pureplay.studies.portfolio_beside import Found
from pureplay.studies.portfolio_settings import PortfolioStudySettings

__all__ = ["indices_beside", "main_index"]


def main_index(desk: Desk, study: PortfolioStudySettings, found: Found) -> str | None:
    """The index that every long-only account is judged against: one for all, so that variants can be compared.

    The first that is named; else the first by name that has a return on every session. None where there is none, which a note says.
    Raises TableError where an index is named and there is no table benchmarks, SettingError where the table lacks it.
    """
    known = desk.data.frame("benchmarks", ["index"])["index"].unique().sort().to_list() if desk.data.has("benchmarks") else []
    if study.benchmarks:
        if not known:
            raise TableError(f"benchmarks name {', '.join(study.benchmarks)}, but the dataset has no table benchmarks: import it")
        absent = [each for each in study.benchmarks if each not in known]
        if absent:
            raise SettingError(
                f"benchmarks name {', '.join(absent)}, which the dataset lacks; it has {', '.join(known)}: name some of them"
            )
        return study.benchmarks[0]
    if study.benchmarks is not None:
        return None
    sessions = desk.market.axes.sessions
    for name in known:
        try:
            load_benchmark(desk.data, name, sessions, 0, len(sessions) - 1)
        except TableError as error:
            found.notes.append(str(error))
            continue
        return str(name)
    if known:
        found.notes.append("no index has a return on every session, so luck judges the net returns of long-only accounts, not active ones")
    return None


def indices_beside(desk: Desk, account: Account, study: PortfolioStudySettings, main: str | None, found: Found) -> list[Benchmark]:
    """Indices over the life of an account, `main` first; one that was not asked for by name and has gaps is left out with a note.

    Without a main one there is none: active returns of one account would stand beside plain ones of another.
    """
    if main is None:
        return []
    names = study.benchmarks or desk.data.frame("benchmarks", ["index"])["index"].unique().sort().to_list()
    out = []
    for name in (main, *(each for each in names if each != main)):
        try:
            out.append(desk.beside(name, account))
        except TableError as error:
            if study.benchmarks is not None:
                raise
            if not any(note.startswith(f"benchmark '{name}'") for note in found.notes):
                found.notes.append(str(error))
    for each in out:
        days = pl.Series(desk.market.axes.sessions.dates.astype("datetime64[D]")).cast(pl.Date)
        rows = pl.DataFrame({"date": days, "ret": each.returns}).filter(pl.col("ret").is_finite())
        if each.name not in found.indices or rows.height > found.indices[each.name].height:
            found.indices[each.name] = rows.with_columns(wealth=(1 + pl.col("ret")).cum_prod())
    return out
