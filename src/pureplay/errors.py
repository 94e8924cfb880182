"""The error tree: one base, few classes; every message says the rule, the value found and the way out."""

__all__ = [
    "DatasetError",
    "EvaluationError",
    "InsufficientDataError",
    "PureplayError",
    "SettingError",
    "TableError",
]


class PureplayError(Exception):
    """Base of every error that pureplay raises on purpose; catching it never hides a programming fault."""


class SettingError(PureplayError, ValueError):
    """A setting lies outside what the method allows, or two settings contradict each other."""


class TableError(PureplayError):
    """A table breaks its contract in a way that cannot be set aside row by row (column, type, key, unit)."""


class DatasetError(PureplayError):
    """A dataset folder cannot be read or written as a whole."""


class EvaluationError(PureplayError):
    """The question put to the evaluation has no answer, such as a base that contains the signal."""


class InsufficientDataError(EvaluationError):
    """Too few names, dates or peers for the figure asked for."""
