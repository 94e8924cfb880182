"""What the commands print with: a console, progress that suits terminal and log, tables that stay whole in a pipe."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

__all__ = ["console", "escape", "now", "progress", "tell", "tell_tables"]

_WIDE = 150
_SILENCE_SECONDS = 10.0


def escape(text: str) -> str:
    """Text in which no bracket is markup."""
    from rich import markup

    return markup.escape(text)


def console(*, stderr: bool = True) -> Any:
    """A rich console."""
    from rich.console import Console

    return Console(stderr=stderr)


def now() -> datetime:
    """The time of day, which commands hand down: nothing below them asks for it."""
    return datetime.now(UTC)


def tell(text: str) -> None:
    """Print a result as it is, its lines as long as they are."""
    console(stderr=False).print(text, soft_wrap=True, markup=False, highlight=False)


def tell_tables(parts: Sequence[Any], *, width: int = _WIDE) -> None:
    """Print tables and texts. A pipe has no width of its own: there the tables have `width` columns, and keep their lines whole."""
    out = console(stderr=False)
    if not out.is_terminal:
        out.width = width
    for each in parts:
        out.print(each, soft_wrap=isinstance(each, str), highlight=False, markup=False)


def _now_and_then(out: Any) -> Callable[[str], None]:
    """A line every ten seconds at most: a log shows that a long run lives, and short ones stay silent."""
    last = time.monotonic()

    def say(stage: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _SILENCE_SECONDS:
            last = time.monotonic()
            out.print(stage, soft_wrap=True, highlight=False, markup=False)

    return say


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A spinner with the current stage and the time spent; plain lines where the output is no terminal."""
    out = console()
    if not out.is_terminal:
        yield _now_and_then(out)
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=out, transient=True) as bar:
        task = bar.add_task("starting (the first run compiles kernels)")
        yield lambda stage: bar.update(task, description=stage)
