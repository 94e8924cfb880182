"""Names of the 22 factors, the family of each, the fixed ladder, and how the composites are put together (METHODS §4)."""

from types import MappingProxyType
from typing import Final

__all__ = ["COMPOSITES", "CUBES", "FAMILIES", "LADDER", "NAMES", "ORTHOGONAL", "PRICE_NAMES"]

FAMILIES: Final = MappingProxyType(
    {
        "size": "size",
        "nlsize": "size",
        "beta": "beta",
        "nlbeta": "beta",
        "momentum": "momentum",
        "resvol": "volatility",
        "liquidity": "liquidity",
        "btop": "value",
        "earnyld": "value",
        "divyld": "value",
        "growth": "growth",
        "leverage": "leverage",
        "strev_20": "reversal",
        "ivol_20": "volatility",
        "max_20": "volatility",
        "dbeta_252": "beta",
        "abturn_20": "liquidity",
        "amihud_20": "liquidity",
        "roe_ttm": "quality",
        "gpa_ttm": "quality",
        "d_at_yoy": "quality",
        "asset_growth": "investment",
    }
)
"""Family of each factor; the keys stand in the order of their numbers, 1 to 22."""

NAMES: Final = tuple(FAMILIES)
PRICE_NAMES: Final = NAMES[:7] + NAMES[12:18]
"""The price-only base: what needs no statement (1–7 and 13–18)."""

LADDER: Final = ("size", "beta", "momentum", "resvol", "liquidity", "nlsize", "nlbeta", *NAMES[7:])
"""Order in which the base widens from 5 to 22 columns; ours, and fixed."""

COMPOSITES: Final = MappingProxyType(
    {
        "resvol": MappingProxyType({"dastd": 0.74, "cmra": 0.16, "hsigma": 0.10}),
        "liquidity": MappingProxyType({"stom": 0.35, "stoq": 0.35, "stoa": 0.30}),
        "earnyld": MappingProxyType({"cetop": 0.656, "etop": 0.344}),
        "growth": MappingProxyType({"egro": 0.338, "sgro": 0.662}),
        "leverage": MappingProxyType({"mlev": 0.38, "dtoa": 0.35, "blev": 0.27}),
    }
)
"""Weights of the standardised parts of each composite."""

CUBES: Final = MappingProxyType({"nlsize": "size", "nlbeta": "beta"})
"""Factors that are the cube of another one, standardised."""

ORTHOGONAL: Final = MappingProxyType({"nlsize": ("size",), "nlbeta": ("beta",), "resvol": ("beta", "size"), "liquidity": ("size",)})
"""Standardised factors that a factor is made orthogonal to, by √cap-weighted least squares."""
