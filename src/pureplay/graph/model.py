"""The terms of the correlation forecast and the fitted model: what `model_coefficients.json` holds."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

import pureplay
from pureplay.errors import DatasetError, SettingError
from pureplay.graph.arrays import LAMPS, Lamps, PairPanel
from pureplay.graph.settings import GraphSettings
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.given import is_number, is_whole_number

__all__ = ["LIT_TERMS", "Model", "Variant", "design", "expected", "predict", "require_model", "term_names"]

Variant = Literal["plain", "interactions"]

LIT_TERMS: Final = ("product_peer", *LAMPS, "dark")
"""Terms that are 1 or 0 for each pair."""

_TIMES: Final = "trailing_x_"
_INTERACTED: Final = (*LAMPS, "dark")


def term_names(variant: Variant, *, bids: bool = False) -> tuple[str, ...]:
    """Names of the terms, in the order of the columns.

    intercept, trailing, product_peer, the four lamps, dark; with `bids` the negative control bid; with variant "interactions" trailing
    times each lamp and dark. Raises SettingError for another variant.
    """
    if variant not in get_args(Variant):
        raise SettingError(f"variant must be one of {', '.join(get_args(Variant))}, not {variant!r}")
    products = tuple(_TIMES + name for name in _INTERACTED) if variant == "interactions" else ()
    return ("intercept", "trailing", *LIT_TERMS, *(("bid",) if bids else ()), *products)


def design(
    panel: PairPanel, *, variant: Variant, bids: bool = False, where: slice | npt.NDArray[np.generic] = slice(None)
) -> tuple[tuple[str, ...], FloatArray]:
    """Names of the terms and their columns (entries, terms), one column beside the other in memory.

    where: entries asked for, by slice, mask or positions; a vintage at a time spares memory. dark is 1 for a news pair without any of the
    four lamps and 0 for every random pair.
    """
    names = term_names(variant, bids=bids)
    trailing, news, lamps = panel.trailing[where], panel.news[where], panel.lamps.take(where)
    out = np.empty((trailing.size, len(names)), order="F")
    dark = news & ~lamps.confirmed()
    for k, name in enumerate(names):
        out[:, k] = _column(name, trailing, lamps, dark)
    return names, out


def expected(terms: Mapping[str, float], trailing: FloatArray, lamps: Lamps, news: BoolArray) -> FloatArray:
    """Sum of coefficient times term for each pair; NaN where a name has no entry in the product tree or trailing is not finite.

    Added up term by term, so the bits of a pair do not depend on the pairs beside it.
    """
    out, dark = np.zeros(trailing.shape), news & ~lamps.confirmed()
    for name, coefficient in terms.items():
        out += coefficient * _column(name, trailing, lamps, dark)
    out[~(lamps.mapped & np.isfinite(trailing))] = np.nan
    return out


def _column(name: str, trailing: FloatArray, lamps: Lamps, dark: BoolArray) -> FloatArray:
    if name == "intercept":
        return np.ones(trailing.shape)
    if name == "trailing":
        return trailing
    if name.startswith(_TIMES):
        return np.asarray(trailing * _column(name.removeprefix(_TIMES), trailing, lamps, dark))
    lit: BoolArray = dark if name == "dark" else getattr(lamps, name)
    return lit.astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Coefficients fitted on develop vintages, and what they may be used for.

    terms: coefficient of each term, the mean over the vintages. dropped: terms that no develop vintage could tell apart from the others;
    they count as 0. fit_start, fit_end: first and last vintage of the fit. known_from: the session on which the forward window of fit_end
    ends; forecasts of vintages before it are in sample. vintages, observations: of the fit. descriptive: fewer vintages than a test of
    the means asks for. mse: of each variant on the develop vintages left out of its fit (see `forecast.fit_model`), None where there were
    too few. settings: of the graph and of the forecast. fingerprint: of the data. version: of pureplay.
    """

    variant: Variant
    terms: Mapping[str, float]
    dropped: tuple[str, ...]
    fit_start: date
    fit_end: date
    known_from: date
    vintages: int
    observations: int
    descriptive: bool
    mse: Mapping[str, float | None]
    settings: Mapping[str, Any]
    fingerprint: Mapping[str, str]
    version: str

    def in_sample(self, day: date) -> bool:
        """Whether a forecast of the vintage of this day would look back on outcomes that the model has seen."""
        return day < self.known_from

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON holds exactly; days as YYYY-MM-DD."""
        plain = asdict(self)
        return {
            **plain,
            "dropped": list(self.dropped),
            **{name: plain[name].isoformat() for name in _DAYS},
        }

    @classmethod
    def from_dict(cls, plain: object) -> "Model":
        """The model that `to_dict` wrote; raises DatasetError for anything else, naming the field."""
        names = {each.name for each in fields(cls)}
        if not isinstance(plain, Mapping):
            raise DatasetError(f"a model must be fields by name, not a {type(plain).__name__}: {_REMEDY}")
        if set(plain) != names:
            given = set(plain)
            raise DatasetError(
                f"a model has the fields {', '.join(sorted(names))}; lacking: {', '.join(sorted(names - given)) or 'none'}; "
                f"not known: {', '.join(sorted(map(str, given - names))) or 'none'}: {_REMEDY}"
            )
        for name, (holds, rule) in _RULES.items():
            if not holds(plain[name]):
                raise DatasetError(f"{name} of a model must be {rule}, not {plain[name]!r}: {_REMEDY}")
        known = set(term_names(plain["variant"]))
        strange = sorted({*plain["terms"], *plain["dropped"]} - known)
        if strange or {*plain["terms"]} & {*plain["dropped"]} or {*plain["terms"], *plain["dropped"]} != known:
            raise DatasetError(
                f"terms and dropped of a model of variant {plain['variant']!r} must hold each of {', '.join(sorted(known))} once; "
                f"not known: {', '.join(strange) or 'none'}: {_REMEDY}"
            )
        days = {name: date.fromisoformat(plain[name]) for name in _DAYS}
        terms = {name: float(plain["terms"][name]) for name in term_names(plain["variant"]) if name in plain["terms"]}
        return cls(**{**plain, **days, "dropped": tuple(plain["dropped"]), "terms": terms})


def require_model(model: Model, settings: GraphSettings) -> None:
    """Raise SettingError where a model was fitted on a graph of other settings, or by another version of pureplay."""
    given, wanted = model.settings.get("graph"), settings.to_dict()
    if given != wanted:
        known = given if isinstance(given, Mapping) else {}
        differ = ", ".join(sorted(name for name in {*known, *wanted} if known.get(name) != wanted.get(name)))
        raise SettingError(f"the model was fitted on another graph ({differ} differ): take its settings, or run the study on these")
    if model.version != pureplay.__version__:
        raise SettingError(f"the model was fitted by pureplay {model.version}, this is {pureplay.__version__}: run the study again")


def predict(model: Model, trailing: FloatArray, lamps: Lamps, news: BoolArray) -> FloatArray:
    """Expected forward correlation of each pair; NaN where trailing is, or where a name has no entry in the product tree.

    The caller leaves out vintages for which `Model.in_sample` holds, or marks them.
    """
    return expected(model.terms, trailing, lamps, news)


_DAYS: Final = ("fit_start", "fit_end", "known_from")
_REMEDY: Final = "have the study write model_coefficients.json anew"


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_mapping(value: object, holds: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) and holds(item) for key, item in value.items())


def _is_finite(value: object) -> bool:
    return is_number(value) and math.isfinite(value)  # type: ignore[arg-type]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_RULES: Final[Mapping[str, tuple[Any, str]]] = {
    "variant": (lambda value: value in get_args(Variant), f"one of {', '.join(get_args(Variant))}"),
    "terms": (lambda value: _is_mapping(value, _is_finite), "finite numbers by term"),
    "dropped": (lambda value: isinstance(value, list | tuple) and all(map(_is_text, value)), "a list of terms"),
    **dict.fromkeys(_DAYS, (_is_day, "a day such as '2022-06-30'")),
    "vintages": (lambda value: is_whole_number(value, 1), "a whole number of at least 1"),
    "observations": (lambda value: is_whole_number(value, 1), "a whole number of at least 1"),
    "descriptive": (lambda value: isinstance(value, bool), "true or false"),
    "mse": (lambda value: _is_mapping(value, lambda item: item is None or _is_finite(item)), "numbers or null by variant"),
    "settings": (lambda value: _is_mapping(value, lambda _: True), "settings by name"),
    "fingerprint": (lambda value: _is_mapping(value, _is_text), "digests by table"),
    "version": (_is_text, "text"),
}
