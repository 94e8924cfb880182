"""What a study says while it runs, and the wall time of its stages."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["StageClock"]


@dataclass(slots=True)
class StageClock:
    """say: called with the name of every stage. seconds: wall time by stage, added up where a stage comes again."""

    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name a stage and take its time."""
        self.say(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 3)

    def counted(self, name: str) -> Callable[[int, int, float | None], None]:
        """Progress of the pieces of a stage, with the time left."""

        def tell(done: int, total: int, left: float | None) -> None:
            rest = "" if left is None or done == total else f", about {_span(left)} left"
            self.say(f"{name}: {done} of {total}{rest}")

        return tell


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
