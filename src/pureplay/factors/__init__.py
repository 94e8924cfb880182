"""Risk factors: the base of 22 from bars, statements and dividends that a signal is judged against, and the user's own stack."""

from pureplay.factors.base import Base, base_factors
from pureplay.factors.own import own_factors, read_families

__all__ = ["Base", "base_factors", "own_factors", "read_families"]
