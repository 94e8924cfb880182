"""Named settings of signals that other documents describe."""

import difflib
from dataclasses import replace
from typing import Final

from pureplay.errors import SettingError
from pureplay.signals.settings import SignalSettings

__all__ = ["PRESETS", "preset", "window_settings"]

PRESETS: Final = ("business_mix",)
"""business_mix: the business-mix factors of source S4 (METHODS §3)."""


def preset(name: str, *, window_sessions: int = 20) -> SignalSettings:
    """Settings of a named preset, over a window of 20 sessions (a month) or any other, such as 60 (a quarter).

    business_mix: a pure play earns at least 80 % of its revenue from the product; residual volatility is the sd (ddof 1) of own - implied;
    a product without pure plays falls back to its parent, then to the focal's industry, then to an equal-weight basket of every stock
    with any revenue from it. Three quarters of the window must hold a gap. The gap is implied - own, so that a higher score predicts a
    higher return: the source writes actual - implied, but reports the sign of implied - actual.

    Raises SettingError for an unknown name and for a window too short.
    """
    if name not in PRESETS:
        close = difflib.get_close_matches(str(name), PRESETS, n=1)
        hint = f"is it {close[0]}? " if close else ""
        raise SettingError(f"there is no preset {name!r}: {hint}known are {', '.join(PRESETS)}")
    plain = SignalSettings(purity=0.8, purity_inclusive=True, resvol="diff_sd", fallback=("parent", "industry", "synthetic"))
    return window_settings(plain, window_sessions)


def window_settings(settings: SignalSettings, window_sessions: int) -> SignalSettings:
    """The settings over a window of so many sessions, three quarters of which must hold a gap: 15 of 20, 45 of 60.

    Raises SettingError for a window of fewer than 4 sessions.
    """
    given: object = window_sessions
    if not isinstance(given, int) or isinstance(given, bool) or given < 4:
        raise SettingError(f"window_sessions must be a whole number of at least 4, not {window_sessions!r}")
    return replace(settings, window_sessions=window_sessions, min_valid_sessions=3 * window_sessions // 4)
