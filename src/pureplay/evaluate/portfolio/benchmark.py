"""Daily returns of an index from the benchmarks table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import SettingError, TableError
from pureplay.panel import FloatArray
from pureplay.sessions import Sessions

__all__ = ["Benchmark", "load_benchmark"]

_SHOWN: Final = 5
_MOST: Final = 10.0  # a return in a session
_JUMP: Final = 1e-4  # largest gap between a stated return and that of the levels which rounding of levels explains


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """An index beside a portfolio.

    returns: decimals, by session, NaN outside the span asked for. is_total_return: dividends are reinvested; None where the table does
    not say. notes: what the reader should know.
    """

    name: str
    returns: FloatArray
    is_total_return: bool | None
    notes: tuple[str, ...]


def load_benchmark(data: Dataset, index: str, sessions: Sessions, first: int, last: int) -> Benchmark:
    """Returns of an index on the sessions after `first` up to `last`, so from the close of one to the close of the other.

    index: code in the benchmarks table. first, last: rows of `sessions`. A return is the table's `ret`, or, where that is absent, the
    change of `close` from the session before; a close is never carried over a missing session. Rows on days that are no session are
    left out. The notes say where dividends are not in it, how many returns were taken from levels, and how many rows disagree with
    their own levels. Raises SettingError for an unknown index or a span outside the sessions, TableError without a benchmarks table, for a
    return of -1 or less, and where a session of the span has no return.
    """
    if not 0 <= first <= last < len(sessions):
        raise SettingError(f"the span must lie within rows 0 to {len(sessions) - 1}, first before last, not {first} to {last}")
    optional = [name for name in ("ret", "is_total_return") if name in data.columns("benchmarks")]
    table = data.frame("benchmarks", ["index", "date", "close", *optional])
    rows = table.filter(pl.col("index") == index)
    if rows.height == 0:
        known = ", ".join(sorted(table["index"].unique().to_list()))
        raise SettingError(f"benchmark '{index}' is not in the benchmarks table, which has {known}: name one of them, or add its rows")
    rows = rows.filter(pl.col("date").is_in(pl.Series(sessions.dates.astype("datetime64[D]")).cast(pl.Date).implode()))
    level, stated = (_series(rows, name, sessions) for name in ("close", "ret"))
    implied = np.full(len(sessions), np.nan)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        implied[1:] = level[1:] / level[:-1] - 1.0
    returns = np.where(np.isfinite(stated), stated, implied)
    returns[: first + 1] = returns[last + 1 :] = np.nan
    _require_whole(index, returns, sessions, first, last)
    span = slice(first + 1, last + 1)
    total = _is_total(rows)
    notes = _notes(index, total, stated[span], implied[span])
    return Benchmark(name=index, returns=returns, is_total_return=total, notes=tuple(notes))


def _series(rows: pl.DataFrame, column: str, sessions: Sessions) -> FloatArray:
    out = np.full(len(sessions), np.nan)
    if column in rows.columns and rows.height:
        at = np.searchsorted(sessions.dates, rows["date"].to_numpy().astype("datetime64[D]"))
        out[at] = rows[column].cast(pl.Float64).to_numpy()
    return out


def _require_whole(index: str, returns: FloatArray, sessions: Sessions, first: int, last: int) -> None:
    span = np.arange(first + 1, last + 1)
    missing = span[~np.isfinite(returns[span])]
    if missing.size:
        shown = ", ".join(str(sessions.dates[at]) for at in missing[:_SHOWN]) + (", …" if missing.size > _SHOWN else "")
        raise TableError(
            f"benchmark '{index}' has no return on {missing.size} of {span.size} sessions between {sessions.dates[first]} and "
            f"{sessions.dates[last]} ({shown}); a return needs `ret`, or `close` on the session and on the one before: "
            "add the missing rows, choose another benchmark, or shorten the span"
        )
    high = span[returns[span] > _MOST]
    if high.size:
        raise TableError(
            f"benchmark '{index}' has {high.size} returns above {_MOST:g} (first {returns[high[0]]:g} on {sessions.dates[high[0]]}); no "
            "index grows so in a session: correct the rows, or give decimals, not per cent"
        )
    low = span[returns[span] <= -1.0]
    if low.size:
        raise TableError(
            f"benchmark '{index}' has {low.size} returns of -1 or less (first {returns[low[0]]:g} on {sessions.dates[low[0]]}); an index "
            "keeps something: give decimals, not per cent, or leave `ret` out so that it is taken from `close`"
        )


def _is_total(rows: pl.DataFrame) -> bool | None:
    """Whether dividends are in the index: True only where every row says so, None where none says anything."""
    if "is_total_return" not in rows.columns or rows["is_total_return"].is_null().all():
        return None
    return bool(rows["is_total_return"].fill_null(False).all())


def _notes(index: str, total: bool | None, stated: FloatArray, implied: FloatArray) -> Iterator[str]:
    if total is False:
        yield f"{index} is a price index: its dividends are not in it, those of the portfolio are, which flatters the portfolio"
    elif total is None:
        yield f"{index} does not say whether its dividends are in it; if it is a price index, the comparison flatters the portfolio"
    levels = int((~np.isfinite(stated)).sum())
    if 0 < levels < stated.size:
        yield f"{index}: {levels} of {stated.size} returns are changes of its level, the others are as stated"
    apart = int((np.abs(stated - implied) > _JUMP).sum())
    if apart:
        yield f"{index}: {apart} of {stated.size} stated returns differ from the change of its level by more than {1e4 * _JUMP:g} bp"
