"""What a schema says of a column beside its type."""

from typing import Any

__all__ = ["facts"]


def facts(unit: str, en: str, zh: str, *, required: bool = False, default: object = None) -> dict[str, Any]:
    """Metadata of a column: unit, English and Chinese description, whether a table is refused without it, and what fills it if absent."""
    return {"unit": unit, "en": en, "zh": zh, "required": required, "default": default}
