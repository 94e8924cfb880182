"""Signals: product momentum and what explains it."""

from pureplay.signals.momentum import product_momentum
from pureplay.signals.presets import preset
from pureplay.signals.settings import SignalSettings

__all__ = ["SignalSettings", "preset", "product_momentum"]
