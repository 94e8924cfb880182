"""Entries of a TOML file read strictly: unknown keys, wrong types and unknown words are errors that say where and what is near."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pureplay.errors import SettingError

__all__ = ["near", "one_of", "only", "texts", "typed"]

_T = TypeVar("_T")


def near(name: str, known: Iterable[str]) -> str:
    """The names nearest to a wrong one, for an error message."""
    names = [str(each) for each in known]
    folded = {each.casefold(): each for each in names}
    close = [folded[each] for each in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    return f"nearest: {', '.join(close)}" if close else f"there are: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}"


def only(raw: Mapping[str, object], known: Iterable[str], place: str, remedy: str = "remove or rename it") -> None:
    """Refuse keys other than the known ones."""
    for key in raw:
        if key not in known:
            raise SettingError(f"{place} has the unknown key '{key}' ({near(key, known)}): {remedy}")


def one_of(value: object, known: Iterable[str], place: str) -> None:
    """Refuse a word other than the known ones."""
    if value not in list(known):
        raise SettingError(f"{place} = {value!r} is unknown: write one of {', '.join(known)}")


def texts(raw: Mapping[str, Any], key: str, place: str) -> list[str]:
    """A list of texts, empty where the key is absent."""
    values: list[Any] = typed(raw, key, list, place, default=[])
    if not all(isinstance(each, str) for each in values):
        raise SettingError(f"{place}: {key} = {values} holds other things than text: put each between quotes")
    return values


def typed(raw: Mapping[str, Any], key: str, kind: type[_T], place: str, *, required: bool = False, default: Any = None) -> Any:
    """The value of a key, refused where it is of another type; true and false are no integers."""
    if key not in raw:
        if required:
            raise SettingError(f"{place} lacks '{key}': add it")
        return default
    value = raw[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SettingError(f"{place}: {key} = {value!r} is of type {type(value).__name__}: write a {kind.__name__}")
    return value
