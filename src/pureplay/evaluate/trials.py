"""What a log of trials says of one dataset."""

from dataclasses import dataclass

__all__ = ["TrialCount"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCount:
    """What the log of trials says of one dataset.

    distinct: distinct signal settings tried on this data, the number that deflation takes. distinct_all: distinct pairs of signal
    settings and data in the whole log. recorded: trials recorded, repeats included. head: hash of the last record, 64 hex digits.
    """

    distinct: int
    distinct_all: int
    recorded: int
    head: str
