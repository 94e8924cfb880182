"""A market with planted effects: the embedded default data of pureplay and the ground of its end-to-end tests."""

from pureplay.synthetic.market import SyntheticMarket, market, write_market
from pureplay.synthetic.presets import PRESETS, preset

__all__ = ["PRESETS", "SyntheticMarket", "market", "preset", "write_market"]
