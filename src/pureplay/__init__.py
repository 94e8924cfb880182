"""pureplay: product-level equity research. Point-in-time product mixes, product momentum, and an honest verdict on them."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pureplay.dataset import Dataset, check_folder
    from pureplay.signals import SignalSettings, product_momentum

__version__ = "0.1.0"

_WHERE: Final = {
    "Dataset": "pureplay.dataset",
    "SignalSettings": "pureplay.signals",
    "check_folder": "pureplay.dataset",
    "product_momentum": "pureplay.signals",
}

__all__ = ["Dataset", "SignalSettings", "check_folder", "product_momentum"]


def __getattr__(name: str) -> object:
    """Load a public name when it is first used, so that `import pureplay` stays instant."""
    if name not in _WHERE:
        raise AttributeError(f"module 'pureplay' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
