"""Evaluation, blind to where scores come from: forward returns, rank IC, orthogonal ICIR with its controls, robustness battery."""

from pureplay.evaluate.battery_records import Delivery, Robustness
from pureplay.evaluate.cell_figures import BaseDays, battery_figures
from pureplay.evaluate.cells import BaseCell, Battery, plan_bases
from pureplay.evaluate.ic import forward_returns, rank_ic
from pureplay.evaluate.orthogonal import neutralise, orthogonal_icir
from pureplay.evaluate.paper import PaperLongShort, paper_long_short
from pureplay.evaluate.robustness import delivery_invariance, robustness, run_bases
from pureplay.evaluate.summary import Timing
from pureplay.evaluate.turnover import Turnover, turnover

__all__ = [
    "BaseCell",
    "BaseDays",
    "Battery",
    "Delivery",
    "PaperLongShort",
    "Robustness",
    "Timing",
    "Turnover",
    "battery_figures",
    "delivery_invariance",
    "forward_returns",
    "neutralise",
    "orthogonal_icir",
    "paper_long_short",
    "plan_bases",
    "rank_ic",
    "robustness",
    "run_bases",
    "turnover",
]
