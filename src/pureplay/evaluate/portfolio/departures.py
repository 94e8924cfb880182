"""Sessions on which a name that is held is paid out: facts of the market, found once for all accounts."""

import numpy as np

from pureplay.evaluate.portfolio.arrays import RowArray, Tape
from pureplay.panel import BoolArray
from pureplay.parallel import over_blocks
from pureplay.stats.jit import kernel

__all__ = ["departures"]


def departures(tape: Tape, write_off_sessions: int) -> tuple[RowArray, RowArray]:
    """Assets by session, (sessions + 1,) starts and the assets, ascending within a session.

    An asset is there on the session after its last one, and on each session that is the last of exactly write_off_sessions (0 = never)
    on which it did not trade. What is bought later has traded by then, so a position is paid out on one of these sessions or never.
    """
    sessions = tape.returns.shape[0]
    ended = np.flatnonzero(tape.last_session < sessions - 1)
    row, asset = tape.last_session[ended].astype(np.int64) + 1, ended.astype(np.int64)
    if 0 < write_off_sessions <= sessions:
        idle, idle_asset = _idle(np.ascontiguousarray(tape.tradable), write_off_sessions)
        row, asset = np.concatenate([row, idle]), np.concatenate([asset, idle_asset])
    order = np.lexsort((asset, row))
    return np.searchsorted(row[order], np.arange(sessions + 1)).astype(np.int64), asset[order]


def _idle(tradable: BoolArray, longest: int) -> tuple[RowArray, RowArray]:
    """Session and asset wherever the number of sessions without trade reaches the longest one."""
    count = np.zeros(tradable.shape[1], dtype=np.int64)
    over_blocks(lambda start, stop: _count_idle(tradable, longest, count, start, stop), count.size)
    row = np.empty(int(count.sum()), dtype=np.int64)
    starts = np.cumsum(count) - count
    over_blocks(lambda start, stop: _find_idle(tradable, longest, count, starts, row, start, stop), count.size)
    return row, np.repeat(np.arange(count.size), count)


@kernel
def _count_idle(tradable: BoolArray, longest: int, count: RowArray, start: int, stop: int) -> None:
    """How often each asset gets there; row by row, as the block lies in memory."""
    run = np.zeros(stop - start, np.int64)
    for s in range(tradable.shape[0]):
        for i in range(stop - start):
            run[i] = 0 if tradable[s, start + i] else run[i] + 1
            count[start + i] += run[i] == longest


@kernel
def _find_idle(tradable: BoolArray, longest: int, count: RowArray, starts: RowArray, row: RowArray, start: int, stop: int) -> None:
    """The sessions of those that do."""
    for i in range(start, stop):
        place, run = starts[i], 0
        for s in range(tradable.shape[0] if count[i] > 0 else 0):
            run = 0 if tradable[s, i] else run + 1
            if run == longest:
                row[place] = s
                place += 1
