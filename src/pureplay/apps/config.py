"""The configuration of a run: a TOML file, checked field by field."""

import difflib
import tomllib
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pureplay.errors import SettingError
from pureplay.evaluate.cells import Battery
from pureplay.evaluate.portfolio.settings import PortfolioSettings
from pureplay.graph.forecast import ForecastSettings
from pureplay.graph.settings import GraphSettings
from pureplay.signals.settings import SignalSettings
from pureplay.studies.amplification_settings import AmplificationSettings
from pureplay.studies.comovement_settings import ComovementSettings
from pureplay.studies.evaluation import Evaluation
from pureplay.studies.portfolio_settings import PortfolioStudySettings
from pureplay.studies.settings import StudySettings

__all__ = ["RunConfig", "read_config"]

T = TypeVar("T")
_SECTIONS: Final[dict[str, type]] = {
    "signal": SignalSettings,
    "evaluation": Evaluation,
    "battery": Battery,
    "study": StudySettings,
    "portfolio": PortfolioSettings,
    "portfolio_study": PortfolioStudySettings,
    "graph": GraphSettings,
    "forecast": ForecastSettings,
    "graph_study": ComovementSettings,
    "amplifier": AmplificationSettings,
}
"""Tables of a configuration file and what each is read into."""
_KINDS: Final = {bool: "true or false", int: "a whole number", float: "a number", date: "a date", str: "a text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """name: of the run. data: dataset folder, relative to the current directory. signal to amplifier: settings.

    rules: name of market rules, or the path of their TOML file. given, signal_given: settings of [evaluation] and [signal] that stand in
    the file; the others are defaults.
    """

    name: str
    data: Path | None
    signal: SignalSettings
    evaluation: Evaluation
    battery: Battery = field(default_factory=Battery)
    study: StudySettings = field(default_factory=StudySettings)
    portfolio: PortfolioSettings = field(default_factory=PortfolioSettings)
    portfolio_study: PortfolioStudySettings = field(default_factory=PortfolioStudySettings)
    graph: GraphSettings = field(default_factory=GraphSettings)
    forecast: ForecastSettings = field(default_factory=ForecastSettings)
    graph_study: ComovementSettings = field(default_factory=ComovementSettings)
    amplifier: AmplificationSettings = field(default_factory=AmplificationSettings)
    rules: str = "cn"
    given: tuple[str, ...] = ()
    signal_given: tuple[str, ...] = ()

    @classmethod
    def plain(cls) -> "RunConfig":
        """Defaults throughout."""
        return cls(name="product momentum", data=None, signal=SignalSettings(), evaluation=Evaluation())


def read_config(path: Path) -> RunConfig:
    """Read a run configuration; raises SettingError that names the file, the key and the nearest known one."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingError(f"there is no configuration {path}: give the path of a TOML file such as examples/cn.toml") from error
    except OSError as error:
        raise SettingError(f"{path} cannot be read ({error.strerror}): give the path of a TOML file such as examples/cn.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not TOML in UTF-8: {error}") from error
    _known(content, ["name", "data", "rules", *_SECTIONS], str(path))
    for key in ("name", "data", "rules"):
        if key in content and not (isinstance(content[key], str) and content[key].strip()):
            raise SettingError(f'{path}: {key} must be a text such as {key} = "cn", not {content[key]!r}')
    sections: dict[str, Any] = {name: _section(kind, content.get(name, {}), f"{path} [{name}]") for name, kind in _SECTIONS.items()}
    return RunConfig(
        name=content.get("name", path.stem),
        data=Path(content["data"]) if "data" in content else None,
        rules=content.get("rules", "cn"),
        given=tuple(content.get("evaluation", {})),
        signal_given=tuple(content.get("signal", {})),
        **sections,
    )


def _known(given: dict[str, Any], names: list[str], where: str) -> None:
    for key in given:
        if key not in names:
            close = difflib.get_close_matches(key, names, n=1)
            hint = f"is it {close[0]}?" if close else f"known are {', '.join(names)}"
            raise SettingError(f"{where} has the unknown key {key!r}: {hint}")


def _require_kind(what: str, hint: Any, value: Any) -> None:
    """pydantic would take true for 1, 1 for true and "5" for 5."""
    leaves = _leaves(hint)
    kinds = {leaf for leaf in leaves if isinstance(leaf, type)} - {type(None)}
    named = {leaf for leaf in leaves if not isinstance(leaf, type)}
    wanted = " or ".join([text for kind, text in _KINDS.items() if kind in kinds] + sorted(map(repr, named))) or "of its kind"
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, bool):
            fits = bool in kinds
        elif isinstance(each, int | float):
            fits = not kinds or bool(kinds & {int, float})
        else:
            fits = not isinstance(each, str) or not kinds or bool(kinds - {bool, int, float}) or each in named
        if not fits:
            raise SettingError(f"{what} must be {wanted}, not {str(each).lower() if isinstance(each, bool) else repr(each)}")


def _leaves(hint: Any) -> set[Any]:
    """Types at the ends of a hint; the values themselves of a literal."""
    if hint is Ellipsis:
        return set()
    parts = get_args(hint)
    return set(parts) if get_origin(hint) is Literal else set().union(*map(_leaves, parts)) if parts else {hint}


def _section(kind: type[T], given: Any, where: str) -> T:
    if not isinstance(given, dict):
        raise SettingError(f"{where} must be a table of settings, not {given!r}")
    _known(given, [each.name for each in fields(kind)], where)  # type: ignore[arg-type]
    # TOML has no null: the text "none" switches an optional setting off
    cleaned = {key: None if value == "none" else value for key, value in given.items()}
    hints = get_type_hints(kind)
    for key, value in cleaned.items():
        _require_kind(f"{where}: {key}", hints[key], value)
    try:
        return TypeAdapter(kind).validate_python(cleaned)
    except ValidationError as error:
        first = error.errors()[0]
        refused = first.get("ctx", {}).get("error")
        if isinstance(refused, ValueError):  # a rule of the settings themselves; pydantic would add all of them to the message
            raise SettingError(f"{where}: {refused}") from error
        place = ".".join(str(each) for each in first["loc"]) or "settings"
        raise SettingError(f"{where}: {place}: {first['msg']}, not {first['input']!r}") from error
    except (ValueError, TypeError) as error:
        raise SettingError(f"{where}: {error}") from error
