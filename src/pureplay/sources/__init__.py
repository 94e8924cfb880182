"""The outside world into the canonical tables."""

from pureplay.sources.files import Imported, load
from pureplay.sources.report import MappingReport

__all__ = ["Imported", "MappingReport", "load"]
