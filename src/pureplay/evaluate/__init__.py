"""Evaluation, blind to where scores come from: forward returns, rank IC, orthogonal ICIR with its controls."""

from pureplay.evaluate.ic import forward_returns, rank_ic
from pureplay.evaluate.orthogonal import neutralise, orthogonal_icir
from pureplay.evaluate.summary import Timing

__all__ = ["Timing", "forward_returns", "neutralise", "orthogonal_icir", "rank_ic"]
