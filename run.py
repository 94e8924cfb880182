#!/usr/bin/env python3
"""Tasks of pureplay for a machine that has nothing but Python: makes .venv, installs the pinned packages, runs the task in it.

    python run.py demo | test | check | bench | setup

Standard library only. Everything that starts a process goes through a `Runner`, so that a test can pass a fake one.
The syntax above the version check, and the shape of the whole file, parse on Python 3.6: an old Python gets a message, not a traceback.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

OLDEST_PYTHON = (3, 11)


def python_fault(version: tuple) -> str:
    """Say why this Python cannot be used; empty when it can."""
    if tuple(version[:2]) >= OLDEST_PYTHON:
        return ""
    return (
        f"pureplay needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer, and this is {version[0]}.{version[1]}: "
        "run it with a newer one (`python3.11 run.py ...`, on Windows `py -3.11 run.py ...`)."
    )


if python_fault(sys.version_info):
    sys.stderr.write(python_fault(sys.version_info) + "\n")
    sys.exit(2)


ROOT = Path(__file__).resolve().parent
GRACE_SECONDS = 10.0
TAIL_LINES = 25
PIP_SETTINGS = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONSTRAINT": "constraints.txt", "PIP_BUILD_CONSTRAINT": "constraints.txt"}
"""The constraints again as variables: pip hands them to the isolated build (the first up to pip 25.2, the second from 25.3)."""


class Step(NamedTuple):
    """One process: arguments for the environment's Python; it succeeds with exit code 0."""

    name: str
    arguments: tuple[str, ...]


class Command(NamedTuple):
    """A task. `needs` are extras it cannot run without, `extras` may be left out.

    Further arguments go to the step when `passes_on`. With `in_root` the step runs in the repository root, otherwise where
    the user is, so that paths the user gives mean what they say.
    """

    about: str
    steps: tuple[Step, ...] = ()
    needs: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    passes_on: bool = True
    in_root: bool = True


CHECKS = (
    Step("lint", ("-m", "ruff", "check", ".")),
    Step("format", ("-m", "ruff", "format", "--check", ".")),
    Step("types", ("-m", "mypy")),
    Step("architecture", ("-m", "pytest", "-q", "tests/test_architecture.py")),
    Step("doctests", ("-m", "pytest", "-q", "--doctest-modules", "src/pureplay")),
)
COMMANDS = {
    "demo": Command("the whole study on the built-in market", (Step("demo", ("-m", "pureplay", "demo")),), in_root=False),
    "test": Command("the tests, on two processes", (Step("test", ("-m", "pytest", "-n", "2")),), needs=("test",)),
    "check": Command("lint, format, types, architecture and doctests", CHECKS, needs=("test",), passes_on=False),
    "bench": Command("the benchmarks", (Step("bench", ("benches/run.py",)),), needs=("bench",), extras=("test",), in_root=False),
    "setup": Command("only make .venv and install everything", extras=("test", "bench"), passes_on=False),
}


class Outcome(NamedTuple):
    """How a process ended; `output` only where it was asked to be quiet."""

    code: int
    output: str = ""


class Refusal(Exception):
    """The task cannot be started; the message says why and what to do."""

    def __init__(self, message: str, code: int = 2) -> None:
        """Keep the exit code beside the message."""
        super().__init__(message)
        self.code = code


class Stamp(NamedTuple):
    """What .venv was last installed from, and with which extras."""

    digest: str = ""
    extras: frozenset[str] = frozenset()


Runner = Callable[[Sequence[str], Path, bool], Outcome]
"""(arguments, working folder, quiet) -> outcome; a quiet process is a step of the installation and its output is kept."""


def run_process(arguments: Sequence[str], folder: Path, quiet: bool) -> Outcome:
    """Run one process to its end. Ctrl-C reaches the child through the terminal: give it time to end in its own way."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL} if quiet else {}
    settings = {**os.environ, **PIP_SETTINGS} if quiet else None
    with subprocess.Popen(arguments, cwd=folder, env=settings, text=True, errors="replace", **pipes) as child:
        try:
            output, _ = child.communicate()
        except KeyboardInterrupt:
            try:
                child.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
            raise
    return Outcome(child.returncode, output or "")


def say(text: str) -> None:
    """Write a notice to standard error, so that standard output stays the task's own."""
    print(text, file=sys.stderr, flush=True)


def venv_python(root: Path, *, windows: bool = os.name == "nt") -> Path:
    """Path of the environment's Python."""
    return root / ".venv" / ("Scripts/python.exe" if windows else "bin/python")


def installation_digest(root: Path, version: Sequence[int]) -> str:
    """SHA-256 over everything that decides what is installed.

    The folder counts because an editable installation records its absolute path: a moved clone would import the old place.
    """
    parts = [(root / "constraints.txt").read_bytes(), (root / "pyproject.toml").read_bytes()]
    parts += [".".join(map(str, version[:3])).encode(), str(root).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def stamp_file(root: Path) -> Path:
    """Where the stamp lies; it goes when .venv goes."""
    return root / ".venv" / "pureplay-stamp.json"


def read_stamp(root: Path) -> Stamp:
    """Read the stamp; an absent or unreadable one says that nothing is installed."""
    try:
        found = json.loads(stamp_file(root).read_text(encoding="utf-8"))
        return Stamp(str(found["digest"]), frozenset(found["extras"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Stamp()


def write_stamp(root: Path, stamp: Stamp) -> None:
    """Write the stamp in one move, so that a half-written one is never read."""
    draft = stamp_file(root).with_suffix(".tmp")
    draft.write_text(json.dumps({"digest": stamp.digest, "extras": sorted(stamp.extras)}), encoding="utf-8")
    draft.replace(stamp_file(root))


def extras_to_install(found: Stamp, digest: str, wanted: Iterable[str]) -> frozenset[str] | None:
    """Union of the extras installed and wanted, or None when the environment has all that is wanted already."""
    wanted = frozenset(wanted)
    if found.digest == digest and wanted <= found.extras:
        return None
    return wanted | found.extras


def known_extras() -> frozenset[str]:
    """Every extra that some command names."""
    return frozenset(extra for command in COMMANDS.values() for extra in command.needs + command.extras)


def chosen_extras(name: str, left_out: Iterable[str]) -> frozenset[str]:
    """Extras of the command less those left out; refuses one that is unknown or that the command needs."""
    command, left_out = COMMANDS[name], frozenset(left_out)
    unknown = sorted(left_out - known_extras())
    if unknown:
        raise Refusal(f"--without {unknown[0]}: there is no such extra; the extras are {', '.join(sorted(known_extras()))}.")
    needed = sorted(left_out & frozenset(command.needs))
    if needed:
        raise Refusal(f"--without {needed[0]}: `{name}` cannot run without it; drop the option.")
    return frozenset(command.needs + command.extras) - left_out


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part `--without NAME` (or `--without=NAME`, before any `--`) from the arguments that are passed on."""
    left_out: list[str] = []
    passed: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return left_out, [*passed, word, *rest]
        if word == "--without":
            if not rest:
                raise Refusal("--without needs the name of an extra.")
            left_out.append(rest.pop(0))
        elif word.startswith("--without="):
            left_out.append(word.partition("=")[2])
        else:
            passed.append(word)
    return left_out, passed


def venv_fault(root: Path, version: Sequence[int], run: Runner) -> str:
    """Say why the environment that is there cannot be used; empty when it can."""
    try:
        lines = (root / ".venv" / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "it has no pyvenv.cfg"
    made_for = next((line.partition("=")[2].strip() for line in lines if line.startswith("version")), "")
    if made_for.split(".")[:2] != [str(part) for part in version[:2]]:
        return f"it was made for Python {made_for}, and this is {version[0]}.{version[1]}"
    if not venv_python(root).exists():
        return "its Python is gone"
    if run([str(venv_python(root)), "-m", "pip", "--version"], root, True).code:
        return "its pip does not start"
    return ""


def make_venv(root: Path, version: Sequence[int], run: Runner) -> None:
    """Make .venv, or make it anew where the one that is there cannot be used."""
    folder = root / ".venv"
    if folder.exists():
        fault = venv_fault(root, version, run)
        if not fault:
            return
        say(f"Making .venv anew: {fault}.")
        shutil.rmtree(folder)
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise Refusal(missing_module(module, version))
    made = run([sys.executable, "-m", "venv", str(folder)], root, True)
    if made.code:
        raise Refusal(f"{tail(made.output)}\nCould not make {folder}: {missing_module('venv', version)}")


def missing_module(module: str, version: Sequence[int]) -> str:
    """Say how to get a Python that can make environments."""
    return (
        f"this Python cannot make environments with pip (module {module}). On Debian or Ubuntu run "
        f"`apt install python{version[0]}.{version[1]}-venv`; elsewhere install Python from its own installer, then try again."
    )


def tail(output: str) -> str:
    """Last lines of a process that failed."""
    return "\n".join(output.rstrip().splitlines()[-TAIL_LINES:])


def install(root: Path, extras: frozenset[str], version: Sequence[int], run: Runner) -> None:
    """Install the package editable with `extras`; only an installation that ended well leaves a stamp."""
    digest = installation_digest(root, version)
    stamp_file(root).unlink(missing_ok=True)
    make_venv(root, version, run)
    say("Installing pureplay's pinned packages (about a minute, once) ...")
    target = f".[{','.join(sorted(extras))}]" if extras else "."
    pip = [str(venv_python(root)), "-m", "pip", "install", "--no-input", "--progress-bar", "off", "-c", "constraints.txt", "-e", target]
    done = run(pip, root, True)
    if done.code:
        raise Refusal(
            f"{tail(done.output)}\n\npip could not install the packages; its last lines are above. Mostly the package index is out of "
            "reach, even where pip speaks of a conflict: set HTTPS_PROXY to your proxy or PIP_INDEX_URL to your mirror. Then run "
            "the same command again.",
            code=1,
        )
    write_stamp(root, Stamp(digest, extras))


def ready(root: Path, wanted: Iterable[str], version: Sequence[int], run: Runner) -> None:
    """Install what is wanted and not yet there; does nothing, fast, when all is there."""
    found = read_stamp(root) if venv_python(root).exists() else Stamp()
    extras = extras_to_install(found, installation_digest(root, version), wanted)
    if extras is not None:
        install(root, extras & known_extras(), version, run)


def run_step(step: Step, command: Command, passed: Sequence[str], root: Path, run: Runner) -> int:
    """Run one step with the environment's Python and return its exit code, 128 + signal where a signal ended it."""
    first, *others = step.arguments
    start = first if first.startswith("-") else str(root / first)
    code = run([str(venv_python(root)), start, *others, *passed], root if command.in_root else Path.cwd(), False).code
    return 128 - code if code < 0 else code


def run_steps(name: str, passed: Sequence[str], root: Path, run: Runner) -> int:
    """Run every step even after one failed. One step returns its own exit code; several return 1 if any failed."""
    command = COMMANDS[name]
    if len(command.steps) == 1:
        return run_step(command.steps[0], command, passed, root, run)
    verdicts = {}
    for step in command.steps:
        say(f"== {step.name}: {' '.join(step.arguments[1:])}")
        verdicts[step.name] = run_step(step, command, passed, root, run) == 0
    if verdicts:
        say(f"\n{name}: " + ", ".join(f"{step} {'ok' if good else 'FAILED'}" for step, good in verdicts.items()))
    return 0 if all(verdicts.values()) else 1


def usage() -> str:
    """Text of --help."""
    lines = "\n".join(f"  {name:6} {command.about}" for name, command in COMMANDS.items())
    return (
        f"usage: python run.py COMMAND [--without EXTRA] [arguments of the command]\n\n{lines}\n\n"
        "Makes .venv and installs the pinned packages on first use. Further arguments go to the command:\n"
        "  python run.py test tests/stats -k rank\n  python run.py demo --out report\n"
        f"Extras that --without may name: {', '.join(sorted(known_extras()))}."
    )


def perform(arguments: Sequence[str], root: Path, version: Sequence[int], run: Runner) -> int:
    """Carry out the command line; raises Refusal where it cannot be started."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        raise Refusal(f"There is no command {name!r}; the commands are {', '.join(COMMANDS)}.")
    command = COMMANDS[name]
    left_out, passed = split_arguments(arguments[1:])
    if passed and not command.passes_on:
        raise Refusal(f"`{name}` takes no further arguments, and got {' '.join(passed)}.")
    extras = chosen_extras(name, left_out)
    ready(root, extras, version, run)
    if not command.steps:
        say(f"Ready: {root / '.venv'} has pureplay with {', '.join(sorted(read_stamp(root).extras)) or 'no extras'}.")
    return run_steps(name, passed, root, run)


def main(arguments: Sequence[str], *, root: Path = ROOT, version: Sequence[int] = sys.version_info, run: Runner = run_process) -> int:
    """Run the command line and return the exit code: the child's, 2 for a refusal, 130 after Ctrl-C."""
    try:
        return perform(arguments, root, version, run)
    except Refusal as refusal:
        say(str(refusal))
        return refusal.code
    except KeyboardInterrupt:
        say("\nInterrupted.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
