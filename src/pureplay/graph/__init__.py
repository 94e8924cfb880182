"""The co-movement graph: which pairs the news mentions together, what links them, and which correlations will last."""

from pureplay.graph.settings import GraphSettings

__all__ = ["GraphSettings"]
