"""Reports: what a study found, as one page that needs no network."""

from pureplay.reports.tearsheet import render, write

__all__ = ["render", "write"]
