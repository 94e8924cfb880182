"""Named sets of settings, each a calibration to published figures and no evidence for them."""

from types import MappingProxyType
from typing import Final

from pureplay.errors import SettingError

__all__ = ["PRESETS", "preset"]

PRESETS: Final = MappingProxyType(
    {
        "ashare": MappingProxyType(
            {
                "underreaction": 0.6,
                "release_sessions": 80.0,
                "market_vol": 0.012,
                "industry_vol": 0.004,
                "idiosyncratic_vol": 0.022,
                "reversal_premium": 0.6,
                "volatility_premium": 0.6,
                "volatility_dispersion": 0.5,
                "volatility_persistence": 0.95,
                "volatility_wave": 0.04,
                "industry_switch": True,
            }
        ),
        "comovement": MappingProxyType(
            {
                "links": 1.0,
                "underreaction": 0.0,
                "market_vol": 0.006,
                "product_vol": 0.0,
                "industry_vol": 0.0,
                "style_vol": 0.0,
                "premia": 0.0,
                "volatility_dispersion": 0.2,
                "volatility_wave": 0.0,
                "frictions": False,
                "tail_degrees": 1000.0,
            }
        ),
    }
)
"""ashare: slow release, volatility that lasts, damped premia, and the industry list of mainland China. comovement: market and noise
alone, the noise of linked stocks correlated by known amounts. docs/synthetic.md says what comes out."""


def preset(name: str) -> dict[str, float | bool]:
    """Settings of a preset, without the sizes, to be put before one's own: `market(**{**preset("ashare"), "stocks": 500})`.

    Raises SettingError for an unknown name.
    """
    if name not in PRESETS:
        raise SettingError(f"preset must be one of {', '.join(PRESETS)}; found '{name}': leave it out for the default market")
    return dict(PRESETS[name])
