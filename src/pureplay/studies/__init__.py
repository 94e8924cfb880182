"""Whole experiments that compose signals, controls and evaluation."""

from pureplay.studies.records import MomentumStudy

__all__ = ["MomentumStudy"]
