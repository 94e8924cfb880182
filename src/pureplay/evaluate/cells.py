"""The bases that a robustness battery judges a signal against: which columns stay, which turn to noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pureplay.errors import SettingError
from pureplay.evaluate.summary import is_whole

__all__ = ["BaseCell", "Battery", "families_of", "ladder_of", "plan_bases"]

_SHORT_WINDOW: Final = ("strev_20", "ivol_20", "max_20")  # numbers 13-15 of METHODS §4


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """What the battery runs.

    noise_levels: shares q of the columns that turn to noise, round(q × K) of them (a half to the even number). noise_seeds: draws a
    level; a seed adds columns as q grows, it never swaps them. ladder_from: narrowest base of the ladder. random_orders: random ladders
    beside the fixed one. without: columns whose part in the base is in question, () = no such base. cost_bps: cost per side in basis
    points. quantiles: the legs of the turnover are the highest and lowest 1/quantiles. seed: of every draw. Raises SettingError for
    what cannot be run.
    """

    noise_levels: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    noise_seeds: int = 5
    ladder_from: int = 5
    random_orders: int = 3
    without: tuple[str, ...] = _SHORT_WINDOW
    cost_bps: tuple[float, ...] = (10.0, 30.0)
    quantiles: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("noise_seeds", 0), ("ladder_from", 1), ("random_orders", 0), ("quantiles", 2), ("seed", 0)):
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise SettingError(f"{name} must be a whole number of at least {least}, not {value!r}")
        for name, most in (("noise_levels", 1.0), ("cost_bps", np.inf)):
            _check_numbers(name, getattr(self, name), most)
        without: object = self.without
        if not isinstance(without, tuple | list) or not all(isinstance(each, str) for each in without):
            raise SettingError(f"without must be a tuple of column names, not {without!r}: write (name,) for one")
        _check_distinct("without", self.without)
        for name in ("noise_levels", "cost_bps", "without"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


def _check_numbers(name: str, values: object, most: float) -> None:
    """Distinct finite numbers from 0 to `most`."""
    limit = "of at least 0" if most == np.inf else f"from 0 to {most:g}"
    if not isinstance(values, tuple | list) or not all(_is_number(each) and 0 <= each <= most for each in values):
        raise SettingError(f"{name} must be a tuple of finite numbers {limit}, not {values!r}")
    _check_distinct(name, values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool) and bool(np.isfinite(value))


def _check_distinct(name: str, values: Sequence[object]) -> None:
    repeated = [each for position, each in enumerate(values) if each in values[:position]]
    if repeated:
        raise SettingError(f"{name} names {', '.join(map(str, repeated))} more than once: name each once")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCell:
    """One base of the battery.

    group, label: where it belongs and what it is called there. x: its place on the axis of the group - columns left, or the share of
    noise. columns: positions of the columns in it. noise: how many of them are noise, under the seed `stream` (`stats.noise`). seed:
    number of the draw, None where nothing is drawn. reason: why it cannot be judged, None where it can.
    """

    group: str
    label: str
    x: float
    columns: tuple[int, ...]
    noise: int = 0
    stream: int = 0
    seed: int | None = None
    reason: str | None = None


def plan_bases(
    names: Sequence[str],
    families: Mapping[str, str] | None = None,
    ladder: Sequence[str] | None = None,
    settings: Battery | None = None,
) -> tuple[BaseCell, ...]:
    """Every base of the battery, in the order of the report.

    names: columns of the base. families: column → family; a column that it does not name is a family of its own. ladder: all columns,
    the first to enter first; default: as they stand. With the 22 factors and no random orders there are 56: 1 full, 1 without 13-15,
    25 of noise (5 levels × 5 seeds), 11 without one family, 18 of the ladder.

    Raises SettingError for repeated columns, families or ladders that do not fit the columns, and a ladder that starts above their number.

    >>> [cell.label for cell in plan_bases(("a", "b", "c"), settings=Battery(ladder_from=2, random_orders=0)) if cell.group == "base count"]
    ['2 columns', '3 columns']
    """
    settings, names = settings or Battery(), tuple(names)
    _check_distinct("the base", names)
    if settings.ladder_from > len(names):
        raise SettingError(
            f"ladder_from is {settings.ladder_from}, but the base has {len(names)} columns: the ladder starts at 1 to {len(names)}"
        )
    order = [names.index(each) for each in ladder_of(names, ladder)]
    full = BaseCell(group="full", label=f"all {len(names)} columns", x=len(names), columns=tuple(range(len(names))))
    return (
        full,
        *_without(names, settings.without),
        *_noise(len(names), settings),
        *_family_drops(names, families_of(names, families)),
        *_ladder("base count", order, settings, seed=None),
        *_random_ladders(len(names), settings),
    )


def families_of(names: Sequence[str], families: Mapping[str, str] | None) -> dict[str, str]:
    """Family of every column; raises SettingError where a family file names columns that the base lacks."""
    families = families or {}
    absent = [name for name in families if name not in names]
    if absent:
        raise SettingError(f"families name {', '.join(absent)}, which the base of {', '.join(names)} lacks: correct or remove them")
    return {name: families.get(name, name) for name in names}


def ladder_of(names: Sequence[str], ladder: Sequence[str] | None) -> tuple[str, ...]:
    """The columns in the order in which they enter; raises SettingError where it is not an order of all of them."""
    if ladder is None:
        return tuple(names)
    _check_distinct("the ladder", ladder)
    absent, missing = [name for name in ladder if name not in names], [name for name in names if name not in ladder]
    if absent or missing:
        told = [f"names {', '.join(absent)}, which the base lacks"] if absent else []
        told += [f"leaves out {', '.join(missing)}"] if missing else []
        raise SettingError(f"the ladder {' and '.join(told)}: it must name every column of the base once")
    return tuple(ladder)


def _without(names: tuple[str, ...], without: tuple[str, ...]) -> tuple[BaseCell, ...]:
    if not without:
        return ()
    group = "without 13-15" if without == _SHORT_WINDOW else f"without {', '.join(without)}"
    held = [name for name in without if name in names]
    left = tuple(position for position, name in enumerate(names) if name not in without)
    label, reason = (f"without {', '.join(held)}", None) if held else (group, f"the base has none of {', '.join(without)}")
    return (BaseCell(group=group, label=label, x=len(left), columns=left, reason=reason),)


def _noise(columns: int, settings: Battery) -> tuple[BaseCell, ...]:
    """Levels × seeds; the order in which columns turn to noise belongs to the seed, so a level adds to the one below it."""
    streams = [int(np.random.SeedSequence([settings.seed, seed]).generate_state(1)[0]) for seed in range(settings.noise_seeds)]
    return tuple(
        BaseCell(
            group="quality shuffle",
            label=f"{100 * level:g} % noise",
            x=float(level),
            columns=tuple(range(columns)),
            noise=round(level * columns),
            stream=stream,
            seed=seed,
        )
        for level in settings.noise_levels
        for seed, stream in enumerate(streams)
    )


def _family_drops(names: tuple[str, ...], families: Mapping[str, str]) -> tuple[BaseCell, ...]:
    cells = []
    for family in dict.fromkeys(families[name] for name in names):
        left = tuple(position for position, name in enumerate(names) if families[name] != family)
        cells.append(BaseCell(group="family drop", label=f"without {family}", x=len(left), columns=left))
    return tuple(cells)


def _ladder(group: str, order: Sequence[int], settings: Battery, *, seed: int | None) -> tuple[BaseCell, ...]:
    return tuple(
        BaseCell(group=group, label=f"{count} columns", x=count, columns=tuple(sorted(order[:count])), seed=seed)
        for count in range(settings.ladder_from, len(order) + 1)
    )


def _random_ladders(columns: int, settings: Battery) -> tuple[BaseCell, ...]:
    cells: list[BaseCell] = []
    for number in range(settings.random_orders):
        order = np.random.default_rng([settings.seed, number, columns]).permutation(columns).tolist()  # three numbers: not a draw of noise
        cells += _ladder("base count, random order", order, settings, seed=number)
    return tuple(cells)
