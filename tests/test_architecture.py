"""The shape of the source, enforced: layers, third-party homes, sizes, docstrings, light start, no machine paths or registry hosts.

Every check is a function from a tree to the list of its faults. The same function judges src/pureplay and, in its self-test,
a small tree that breaks the rule: a check that could not fail would fail there.
"""

import ast
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "pureplay"

LIBRARY = {"stats", "sources", "synthetic", "products", "factors", "signals", "graph", "hist", "applications", "evaluate", "studies"}
MAY_IMPORT: dict[str, set[str]] = {  # the layer table of the design; every layer may import itself and the root
    "root": set(),
    "stats": set(),
    "sources": {"stats"},
    "synthetic": {"stats"},
    "products": {"stats"},
    "factors": {"stats"},
    "signals": {"stats", "products", "factors"},
    "graph": {"stats", "products", "factors"},
    "hist": {"stats", "products", "factors"},
    "applications": {"stats", "products", "factors"},
    "evaluate": {"stats"},
    "studies": LIBRARY - {"studies"},
    "feeds": {"products", "signals", "graph", "hist", "applications", "evaluate", "studies"},
    "reports": {"graph", "hist", "applications", "evaluate", "studies"},
    "apps": LIBRARY | {"feeds", "reports"},
}
ROOT_THIRD_PARTY = {"numpy", "polars", "dataframely", "joblib", "exchange_calendars", "threadpoolctl", "pyarrow", "distributed"}
HOMES = {  # folders, or files where the name ends in .py
    "torch": ("hist",),
    "plotly": ("reports", "apps"),
    "httpx": ("sources",),
    "fastapi": ("apps/sandbox",),
    "joblib": ("parallel.py",),
    "distributed": ("parallel.py",),
    "dask": ("parallel.py",),
}
HEAVY = ("arch", "torch", "distributed", "plotly", "statsmodels", "fastapi", "numba", "scipy", "pandas")
MODULE_LINES = 350
FUNCTION_LINES = 50


class Module(NamedTuple):
    """One parsed file of the package; `name` is dotted, `place` the path inside the package."""

    name: str
    place: str
    text: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        """The package it lies in. `__main__` only starts the application, so it counts as one."""
        first, _, rest = self.place.partition("/")
        if rest:
            return first
        return "apps" if first == "__main__.py" else "root"


class Import(NamedTuple):
    """One imported name, made absolute; `facade` marks one that a type checker alone reads, or that waits inside a function."""

    target: str
    line: int
    facade: bool


@cache
def modules(source: Path) -> tuple[Module, ...]:
    """Every module of the package in the folder `source`."""
    found = []
    for file in sorted(source.rglob("*.py")):
        place = file.relative_to(source).as_posix()
        name = ".".join(["pureplay", *place.removesuffix(".py").split("/")]).removesuffix(".__init__")
        text = file.read_text(encoding="utf-8")
        found.append(Module(name, place, text, ast.parse(text, filename=place)))
    return tuple(found)


def imports(module: Module) -> Iterator[Import]:
    """Imports of the module wherever they stand, relative ones and `import_module("literal")` included."""
    yield from _imports(module, module.tree, facade=False)


def _imports(module: Module, node: ast.AST, *, facade: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, facade) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(module, node)
        yield from (Import(f"{base}.{alias.name}", node.lineno, facade) for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield Import("pureplay" + first.value if first.value.startswith(".") else first.value, node.lineno, facade)
    waits = isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    for child in ast.iter_child_nodes(node):
        yield from _imports(module, child, facade=facade or waits)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    up = node.level - (1 if module.place.endswith("__init__.py") else 0)
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def layer_of(target: str, source: Path) -> str | None:
    """Layer that an import belongs to; None for third parties and the standard library."""
    head, _, rest = target.partition(".")
    if head != "pureplay":
        return None
    first = rest.partition(".")[0]
    if first == "__main__":
        return "apps"
    return first if first in MAY_IMPORT or ((source / first).is_dir() and first) else "root"


def check_layers(source: Path) -> list[str]:
    """Imports against the layer table. Only the lazy public list of the root may name other layers, and not at import time."""
    faults = []
    for module in modules(source):
        if module.layer not in MAY_IMPORT:
            faults.append(f"{module.place}: {module.layer} is no layer of the table; give it a row in MAY_IMPORT and in the design")
            continue
        for found in imports(module):
            layer = layer_of(found.target, source)
            allowed = MAY_IMPORT[module.layer] | {module.layer, "root", None}
            if module.place == "__init__.py" and found.facade:
                allowed = {*MAY_IMPORT, None} - {"apps"}
            if layer not in allowed:
                faults.append(f"{module.place}:{found.line}: {module.layer} may not import {found.target} ({layer})")
    return faults


def check_root_third_party(source: Path) -> list[str]:
    """Third parties that root modules may import."""
    allowed = ROOT_THIRD_PARTY | sys.stdlib_module_names | {"pureplay"}
    return [
        f"{module.place}:{found.line}: a root module may not import {found.target}"
        for module in modules(source)
        if module.layer == "root"
        for found in imports(module)
        if found.target.partition(".")[0] not in allowed
    ]


def check_homes(source: Path) -> list[str]:
    """Heavy or outward libraries stay in the folders and files made for them."""
    faults = []
    for module in modules(source):
        for found in imports(module):
            homes = HOMES.get(found.target.partition(".")[0])
            if homes is not None and not any(module.place == home or module.place.startswith(home + "/") for home in homes):
                faults.append(f"{module.place}:{found.line}: {found.target} belongs in {' or '.join(homes)}")
    return faults


def check_module_size(source: Path) -> list[str]:
    """Lines of a module."""
    return [
        f"{module.place}: {lines} lines, {MODULE_LINES} are allowed"
        for module in modules(source)
        if (lines := len(module.text.splitlines())) > MODULE_LINES
    ]


def check_function_size(source: Path) -> list[str]:
    """Lines of a function, its docstring apart."""
    faults = []
    for module in modules(source):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if ast.get_docstring(node) is not None:
                    lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
                if lines > FUNCTION_LINES:
                    faults.append(f"{module.place}:{node.lineno}: {node.name} has {lines} lines, {FUNCTION_LINES} are allowed")
    return faults


def check_docstrings(source: Path) -> list[str]:
    """Public modules, classes, functions and methods say what they are."""
    faults = []
    for module in modules(source):
        if not ast.get_docstring(module.tree):
            faults.append(f"{module.place}: no module docstring")
        faults += [f"{module.place}:{node.lineno}: {node.name} has no docstring" for node in _undocumented(module.tree)]
    return faults


def _undocumented(scope: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in scope.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node) and not any(map(_speaks_for_itself, node.decorator_list)):
            yield node
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node)


def _speaks_for_itself(decorator: ast.expr) -> bool:
    """A row rule of a contract is documented by its name, a setter or overload by what it belongs to."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).rpartition(".")[2] in ("rule", "setter", "overload")


def check_names(source: Path) -> list[str]:
    """A file is named after what it holds."""
    return [f"{module.place}: name it after what it holds" for module in modules(source) if Path(module.place).stem in ("util", "utils")]


def check_public_lists(source: Path) -> list[str]:
    """Each package says what is public, and each folder of modules is a package."""
    folders = {Path(module.place).parent for module in modules(source)}
    by_place = {module.place: module for module in modules(source)}
    faults = []
    for folder in sorted(folders):
        place = (folder / "__init__.py").as_posix()
        if place not in by_place:
            faults.append(f"{place}: missing")
        elif not any("__all__" in _assigned(node) for node in by_place[place].tree.body):
            faults.append(f"{place}: no __all__")
    return faults


def _assigned(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


CHECKS: tuple[Callable[[Path], list[str]], ...] = (
    check_layers,
    check_root_third_party,
    check_homes,
    check_module_size,
    check_function_size,
    check_docstrings,
    check_names,
    check_public_lists,
)
GOOD = {
    "__init__.py": (
        '"""Root."""\n__all__ = ["ic"]\n'
        "def __getattr__(name):\n    from pureplay.evaluate import ic\n    return ic\n"  # the lazy public list
    ),
    "__main__.py": '"""Start."""\nfrom pureplay.apps import cli\n',
    "errors.py": '"""Errors."""\nimport numpy\nimport json\n',
    "stats/__init__.py": '"""Stats."""\n__all__: list[str] = []\n',
    "stats/rolling.py": '"""Rolling."""\nfrom pureplay import errors\nfrom ..errors import X\nfrom . import other\nimport scipy\n',
    "evaluate/__init__.py": '"""Evaluate."""\n__all__ = []\n',
    "evaluate/ic.py": '"""IC."""\nimport pureplay.stats.rolling\n',
    "apps/__init__.py": '"""Apps."""\n__all__ = []\n',
    "apps/cli.py": '"""CLI."""\nimport plotly\nfrom pureplay.evaluate import ic\ndef _f():\n    pass\n',
    "apps/sandbox/__init__.py": '"""Sandbox."""\n__all__ = []\nimport fastapi\n',
}
NESTED = '"""M."""\ndef f():\n    """D."""\n    {}\n'
LONG = "    x = 1\n" * FUNCTION_LINES
METHOD = '"""M."""\nclass C:\n    async def f(self):\n        """D.\n\n        E.\n        """\n' + "        x = 1\n" * FUNCTION_LINES
BREACHES: dict[Callable[[Path], list[str]], list[tuple[str, str, str]]] = {  # check -> (file, its text, part of the fault)
    check_layers: [
        ("stats/bad.py", NESTED.format("from pureplay.evaluate import ic"), "stats may not import pureplay.evaluate.ic"),
        ("stats/bad.py", NESTED.format("import importlib; importlib.import_module('pureplay.evaluate')"), "pureplay.evaluate"),
        ("stats/bad.py", '"""M."""\nfrom .. import evaluate\n', "stats may not import pureplay.evaluate"),
        (
            "stats/bad.py",
            '"""M."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pureplay.signals\n',
            "pureplay.signals",
        ),
        ("errors.py", '"""M."""\nfrom pureplay.stats import rolling\n', "root may not import pureplay.stats.rolling"),
        ("__init__.py", '"""M."""\n__all__ = []\nfrom .stats import rolling\n', "root may not import pureplay.stats.rolling"),
        ("__init__.py", '"""M."""\n__all__ = []\ndef __getattr__(n):\n    import pureplay.apps\n', "root may not import pureplay.apps"),
        ("signals/__init__.py", '"""M."""\n__all__ = []\nimport pureplay.graph\n', "signals may not import pureplay.graph"),
        ("graph/__init__.py", '"""M."""\n__all__ = []\nimport pureplay.hist\n', "graph may not import pureplay.hist"),
        ("hist/__init__.py", '"""M."""\n__all__ = []\nimport pureplay.applications\n', "hist may not import pureplay.applications"),
        ("evaluate/bad.py", '"""M."""\nfrom pureplay import signals\n', "evaluate may not import pureplay.signals"),
        ("studies/__init__.py", '"""M."""\n__all__ = []\nimport pureplay.apps.cli\n', "studies may not import pureplay.apps.cli"),
        ("studies/__init__.py", '"""M."""\n__all__ = []\nimport pureplay.__main__\n', "studies may not import pureplay.__main__"),
        ("feeds/__init__.py", '"""M."""\n__all__ = []\nimport pureplay.reports\n', "feeds may not import pureplay.reports"),
        ("helpers/__init__.py", '"""M."""\n__all__ = []\n', "helpers is no layer"),
    ],
    check_root_third_party: [
        ("errors.py", NESTED.format("import scipy.stats"), "may not import scipy.stats"),
        ("errors.py", '"""M."""\nfrom pandas import DataFrame\n', "may not import pandas"),
    ],
    check_homes: [
        ("apps/cli.py", NESTED.format("import torch"), "torch belongs in hist"),
        ("evaluate/ic.py", '"""M."""\nfrom plotly import graph_objects\n', "belongs in reports or apps"),
        ("apps/cli.py", '"""M."""\nimport httpx\n', "httpx belongs in sources"),
        ("evaluate/ic.py", NESTED.format("import distributed"), "distributed belongs in parallel.py"),
        ("errors.py", '"""M."""\nimport joblib\n', "joblib belongs in parallel.py"),
        ("apps/cli.py", '"""M."""\nfrom fastapi import FastAPI\n', "belongs in apps/sandbox"),
    ],
    check_module_size: [("stats/bad.py", '"""M."""\n' + "x = 1\n" * MODULE_LINES, f"{MODULE_LINES + 1} lines")],
    check_function_size: [
        ("stats/bad.py", '"""M."""\ndef f():\n' + LONG, f"f has {FUNCTION_LINES + 1} lines"),
        ("stats/bad.py", METHOD, f"f has {FUNCTION_LINES + 1} lines"),
    ],
    check_docstrings: [
        ("stats/bad.py", "x = 1\n", "no module docstring"),
        ("stats/bad.py", '"""M."""\ndef f():\n    pass\n', "f has no docstring"),
        ("stats/bad.py", '"""M."""\nclass C:\n    """D."""\n    def g(self):\n        pass\n', "g has no docstring"),
        ("stats/bad.py", '"""M."""\nclass C:\n    pass\n', "C has no docstring"),
    ],
    check_names: [("stats/utils.py", '"""M."""\n', "stats/utils.py")],
    check_public_lists: [
        ("stats/__init__.py", '"""M."""\n', "stats/__init__.py: no __all__"),
        ("factors/styles.py", '"""M."""\n', "factors/__init__.py: missing"),
    ],
}


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    """A package folder with these files."""
    for place, text in files.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def named(value: object) -> str:
    return value.__name__.removeprefix("check_") if callable(value) else ""


@pytest.mark.parametrize("check", CHECKS, ids=named)
def test_the_source_obeys(check: Callable[[Path], list[str]]) -> None:
    assert modules(SOURCE), f"{SOURCE} holds no modules: the checks would judge nothing"
    faults = check(SOURCE)
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("check", CHECKS, ids=named)
def test_a_good_tree_has_no_fault(check: Callable[[Path], list[str]], tmp_path: Path) -> None:
    assert check(write_tree(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("check", "breach"), [(check, breach) for check in CHECKS for breach in BREACHES[check]], ids=lambda value: named(value) or value[2]
)
def test_a_breach_is_reported(check: Callable[[Path], list[str]], breach: tuple[str, str, str], tmp_path: Path) -> None:
    place, text, fault = breach
    faults = check(write_tree(tmp_path, {**GOOD, place: text}))
    assert len(faults) == 1
    assert fault in faults[0]


def test_documented_lines_do_not_count_against_a_function(tmp_path: Path) -> None:
    text = '"""M."""\ndef f():\n    """D.\n' + "\n    More.\n" * 40 + '    """\n' + "    x = 1\n" * (FUNCTION_LINES - 1)
    assert check_function_size(write_tree(tmp_path, {"m.py": text})) == []


def test_names_that_speak_for_themselves_need_no_docstring(tmp_path: Path) -> None:
    members = "    @dy.rule()\n    def positive(cls):\n        pass\n    @a.setter\n    def a(self, v):\n        pass\n"
    text = '"""M."""\nclass C:\n    """D."""\n' + members
    assert check_docstrings(write_tree(tmp_path, {"m.py": text})) == []


# ---------------------------------------------------------------- light start

PROBE = """
import json, runpy, sys
code, sys.argv = sys.argv[1], ["pureplay", *sys.argv[2:]]
try:
    exec(code)
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def loaded(code: str, *arguments: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code` with these arguments."""
    done = subprocess.run([sys.executable, "-c", PROBE, code, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("code", "arguments"),
    [("import pureplay", []), ("runpy.run_module('pureplay', run_name='__main__', alter_sys=True)", ["--help"])],
    ids=["import", "help"],
)
def test_a_light_start_loads_no_heavy_library(code: str, arguments: list[str]) -> None:
    assert loaded(code, *arguments) & set(HEAVY) == set()


def test_the_probe_sees_a_heavy_library() -> None:
    assert "scipy" in loaded("import scipy.stats; raise SystemExit(0)")


# ---------------------------------------------------------------- words that no tracked file may hold

MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:" + "|".join(("work", "home", "root")) + r")/")
REGISTRY_HOSTS = tuple(  # written in two pieces, so that this file does not hold them
    name + ending
    for name, ending in (
        ("pypi", ".org"),
        ("pypi", ".python.org"),
        ("python", "hosted.org"),
        ("anaconda", ".org"),
        ("registry.npmjs", ".org"),
        ("mirrors", ".aliyun.com"),
        ("tuna.tsinghua", ".edu.cn"),
    )
)


def tracked_files(root: Path) -> list[Path]:
    """Files that git tracks or would track; every file but caches where the tree came without git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        files = [root / name for name in listed.stdout.split("\0") if name]
    else:
        hidden = {".venv", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
        files = [file for file in root.rglob("*") if not hidden & set(file.relative_to(root).parts)]
    return [file for file in files if file.is_file()]


def forbidden_words(root: Path) -> list[str]:
    """Absolute paths of one machine and hosts of package registries, in any text file."""
    faults = []
    for file in tracked_files(root):
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            words = [found.group() for found in MACHINE_PATH.finditer(line)] + [host for host in REGISTRY_HOSTS if host in line]
            faults += [f"{file.relative_to(root)}:{number}: {word}" for word in words]
    return faults


def test_no_tracked_file_names_a_machine_path_or_a_registry() -> None:
    assert ROOT / "run.py" in tracked_files(ROOT)
    assert forbidden_words(ROOT) == []


@pytest.mark.parametrize(
    "text", ['open("/' + 'work/main/x")', "cd /" + "home/me", "x=/" + "root/.cache", "https://files.python" + "hosted.org/packages"]
)
@pytest.mark.parametrize("git", [True, False])
def test_a_forbidden_word_is_reported(tmp_path: Path, text: str, git: bool) -> None:
    if git:
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "notes.md").write_text(f"fine\n{text}\n", encoding="utf-8")
    (tmp_path / "picture.bin").write_bytes(b"\xff\xfe\x00")
    faults = forbidden_words(tmp_path)
    assert len(faults) == 1
    assert faults[0].startswith("notes.md:2: ")


def test_a_relative_path_or_a_web_address_is_no_machine_path() -> None:
    assert not MACHINE_PATH.search("see ../work/x, framework/home/x, https://example.com/home/x and ~/work/")


# ---------------------------------------------------------------- the guards of conftest.py


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.com", b"192.0.2.1"])
def test_the_network_is_out_of_reach(host: str | bytes) -> None:
    family = socket.AF_INET6 if b":" in (host if isinstance(host, bytes) else host.encode()) else socket.AF_INET
    with socket.socket(family) as outward:
        for method in (outward.connect, outward.connect_ex):
            with pytest.raises(pytest.fail.Exception, match="reached for the network"):
                method((host, 9))
    with socket.socket(family, socket.SOCK_DGRAM) as outward, pytest.raises(pytest.fail.Exception, match="reached for the network"):
        outward.sendto(b"x", (host, 9))
    with pytest.raises(pytest.fail.Exception, match="reached for the network"):
        socket.getaddrinfo(host, 80)


def test_loopback_is_within_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(("localhost", server.getsockname()[1])) as client:
        assert client.getpeername() == server.getsockname()


def test_the_tests_run_on_one_blas_thread() -> None:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert pools
    assert {pool["num_threads"] for pool in pools} == {1}
