"""run.py: what it installs and when, and what it hands on. A fake runner stands for every process."""

import importlib.util
import json
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
VERSION = (3, 11, 7)


def load() -> ModuleType:
    """Import run.py afresh under a name of its own."""
    spec = importlib.util.spec_from_file_location("pureplay_run_script", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run_script = load()


class FakeRunner:
    """Records calls; makes the files that `python -m venv` would make; fails where `codes` says so."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[tuple[list[str], Path]] = []
        self.codes: dict[str, int] = {}
        self.during_pip: Callable[[], None] = lambda: None

    def __call__(self, arguments: Sequence[str], folder: Path, quiet: bool) -> object:
        words = list(arguments)
        self.calls.append((words, folder))
        kind = self.kind(words)
        if kind == "venv" and not self.codes.get("venv"):
            python = run_script.venv_python(self.root)
            python.parent.mkdir(parents=True)
            python.touch()
            made_for = ".".join(map(str, self.version))
            (self.root / ".venv" / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {made_for}\n")
        if kind == "install":
            self.during_pip()
        return run_script.Outcome(self.codes.get(kind, 0), "some\noutput\n" if quiet else "")

    version: tuple[int, ...] = VERSION

    @staticmethod
    def kind(words: Sequence[str]) -> str:
        if words[1:3] == ["-m", "pip"]:
            return "install" if "install" in words else "pip"
        return words[2] if words[1] == "-m" else words[1]

    def of(self, kind: str) -> list[list[str]]:
        return [words for words, _ in self.calls if self.kind(words) == kind]

    def targets(self) -> list[str]:
        """What each `pip install` was asked for."""
        return [words[-1] for words in self.of("install")]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "constraints.txt").write_text("numpy==2.4.6\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'pureplay'\n")
    (tmp_path / "benches").mkdir()
    (tmp_path / "benches" / "run.py").touch()
    return tmp_path


@pytest.fixture
def runner(tree: Path) -> FakeRunner:
    return FakeRunner(tree)


def call(runner: FakeRunner, *arguments: str, version: tuple[int, ...] = VERSION) -> int:
    runner.version = version
    return int(run_script.main(list(arguments), root=runner.root, version=version, run=runner))


class TestInstallation:
    def test_first_use_makes_the_environment_and_installs_what_the_command_needs(self, runner: FakeRunner) -> None:
        assert call(runner, "test") == 0
        assert [FakeRunner.kind(words) for words, _ in runner.calls] == ["venv", "install", "pytest"]
        assert runner.targets() == [".[test]"]
        install = runner.of("install")[0]
        assert install[install.index("-c") + 1] == "constraints.txt"
        assert "-e" in install

    def test_demo_installs_no_extra(self, runner: FakeRunner) -> None:
        call(runner, "demo")
        assert runner.targets() == ["."]

    def test_second_use_installs_nothing(self, runner: FakeRunner) -> None:
        call(runner, "test")
        runner.calls.clear()
        call(runner, "test")
        assert [FakeRunner.kind(words) for words, _ in runner.calls] == ["pytest"]

    def test_an_extra_that_is_missing_is_added_to_those_installed(self, runner: FakeRunner) -> None:
        call(runner, "test")
        call(runner, "bench", "--without", "test")
        call(runner, "demo")
        assert runner.targets() == [".[test]", ".[bench,test]"]

    @pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
    def test_a_changed_file_installs_again(self, runner: FakeRunner, name: str) -> None:
        call(runner, "test")
        (runner.root / name).write_text("changed\n")
        call(runner, "demo")
        assert runner.targets() == [".[test]", ".[test]"]
        assert len(runner.of("venv")) == 1

    def test_a_newer_patch_of_python_installs_again_in_the_same_environment(self, runner: FakeRunner) -> None:
        call(runner, "test")
        call(runner, "test", version=(3, 11, 8))
        assert len(runner.targets()) == 2
        assert len(runner.of("venv")) == 1

    def test_another_minor_python_makes_the_environment_anew(self, runner: FakeRunner, capsys: pytest.CaptureFixture[str]) -> None:
        call(runner, "test")
        call(runner, "test", version=(3, 12, 1))
        assert len(runner.targets()) == 2
        assert len(runner.of("venv")) == 2
        assert "made for Python 3.11.7" in capsys.readouterr().err

    def test_a_moved_clone_installs_again(self, tree: Path) -> None:
        other = tree / "moved"
        other.mkdir()
        for name in ("constraints.txt", "pyproject.toml"):
            (other / name).write_bytes((tree / name).read_bytes())
        assert run_script.installation_digest(tree, VERSION) != run_script.installation_digest(other, VERSION)

    def test_bytes_do_not_move_between_files_unseen(self, tree: Path) -> None:
        before = run_script.installation_digest(tree, VERSION)
        text = (tree / "constraints.txt").read_bytes() + (tree / "pyproject.toml").read_bytes()
        (tree / "constraints.txt").write_bytes(text[:5])
        (tree / "pyproject.toml").write_bytes(text[5:])
        assert run_script.installation_digest(tree, VERSION) != before

    def test_an_environment_that_was_there_before_is_used(self, runner: FakeRunner) -> None:
        runner([sys.executable, "-m", "venv", ".venv"], runner.root, True)
        runner.calls.clear()
        call(runner, "test")
        assert [FakeRunner.kind(words) for words, _ in runner.calls] == ["pip", "install", "pytest"]

    def test_an_environment_without_pip_is_made_anew(self, runner: FakeRunner) -> None:
        runner([sys.executable, "-m", "venv", ".venv"], runner.root, True)
        runner.codes["pip"] = 1
        call(runner, "test")
        assert len(runner.of("venv")) == 2

    def test_an_interrupted_installation_leaves_no_stamp(self, runner: FakeRunner) -> None:
        call(runner, "demo")

        def interrupt() -> None:
            assert not run_script.stamp_file(runner.root).exists(), "the old stamp must be gone before pip starts"
            raise KeyboardInterrupt

        runner.during_pip = interrupt
        assert call(runner, "test") == 130
        assert run_script.read_stamp(runner.root) == run_script.Stamp()
        runner.during_pip = lambda: None
        assert call(runner, "demo") == 0
        assert len(runner.targets()) == 3

    def test_a_failed_installation_shows_pips_last_lines_and_leaves_no_stamp(
        self, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
    ) -> None:
        runner.codes["install"] = 1
        assert call(runner, "test") == 1
        assert not run_script.stamp_file(runner.root).exists()
        told = capsys.readouterr().err
        assert "some\noutput" in told
        assert "PIP_INDEX_URL" in told
        assert runner.of("pytest") == []

    def test_an_environment_that_cannot_be_made_is_refused_with_the_remedy(
        self, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
    ) -> None:
        runner.codes["venv"] = 1
        assert call(runner, "demo") == 2
        assert "apt install python3.11-venv" in capsys.readouterr().err

    def test_a_python_without_ensurepip_is_refused_with_the_remedy(
        self, runner: FakeRunner, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_script.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object())
        assert call(runner, "demo") == 2
        assert "module ensurepip" in capsys.readouterr().err
        assert runner.calls == []

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"digest": "x"}', '{"digest": "x", "extras": 3}'])
    def test_a_damaged_stamp_counts_as_none(self, runner: FakeRunner, text: str) -> None:
        call(runner, "demo")
        run_script.stamp_file(runner.root).write_text(text)
        assert run_script.read_stamp(runner.root) == run_script.Stamp()

    def test_the_stamp_says_what_is_installed(self, runner: FakeRunner) -> None:
        call(runner, "setup")
        stamp = json.loads(run_script.stamp_file(runner.root).read_text())
        assert stamp == {"digest": run_script.installation_digest(runner.root, VERSION), "extras": ["bench", "test"]}

    def test_the_environment_of_windows(self, tree: Path) -> None:
        assert run_script.venv_python(tree, windows=True) == tree / ".venv" / "Scripts" / "python.exe"
        assert run_script.venv_python(tree, windows=False) == tree / ".venv" / "bin" / "python"


class TestArguments:
    def test_the_tests_get_further_arguments(self, runner: FakeRunner) -> None:
        call(runner, "test", "tests/x.py", "-k", "foo")
        assert runner.of("pytest")[0][1:] == ["-m", "pytest", "-n", "2", "tests/x.py", "-k", "foo"]

    def test_the_demo_gets_further_arguments_where_the_user_is(self, runner: FakeRunner) -> None:
        call(runner, "demo", "--out", "DIR")
        words, folder = runner.calls[-1]
        assert words == [str(run_script.venv_python(runner.root)), "-m", "pureplay", "demo", "--out", "DIR"]
        assert folder == Path.cwd()

    def test_the_benches_get_further_arguments(self, runner: FakeRunner) -> None:
        call(runner, "bench", "--only", "rank_ic", "--json", "f")
        assert runner.calls[-1][0][1:] == [str(runner.root / "benches" / "run.py"), "--only", "rank_ic", "--json", "f"]
        assert runner.targets() == [".[bench,test]"]

    @pytest.mark.parametrize("option", [["--without", "test"], ["--without=test"]])
    def test_without_leaves_an_extra_out_and_is_not_handed_on(self, runner: FakeRunner, option: list[str]) -> None:
        assert call(runner, "bench", *option, "--only", "x") == 0
        assert runner.targets() == [".[bench]"]
        assert runner.calls[-1][0][2:] == ["--only", "x"]

    def test_without_after_two_dashes_belongs_to_the_command(self, runner: FakeRunner) -> None:
        call(runner, "demo", "--", "--without", "moon")
        assert runner.calls[-1][0][-3:] == ["--", "--without", "moon"]

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["tset"], "no command 'tset'; the commands are demo, test, check, bench, setup"),
            (["bench", "--without", "moon"], "no such extra; the extras are bench, test"),
            (["test", "--without", "test"], "`test` cannot run without it"),
            (["bench", "--without"], "--without needs the name"),
            (["check", "src"], "`check` takes no further arguments, and got src"),
        ],
    )
    def test_a_wrong_command_line_is_refused_before_anything_is_installed(
        self, runner: FakeRunner, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
    ) -> None:
        assert call(runner, *arguments) == 2
        assert told in capsys.readouterr().err
        assert runner.calls == []

    @pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
    def test_usage(self, runner: FakeRunner, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        assert call(runner, *arguments) == 0
        told = capsys.readouterr().out
        assert all(name in told for name in run_script.COMMANDS)
        assert runner.calls == []


class TestExit:
    def test_the_exit_code_of_the_child_is_passed_on(self, runner: FakeRunner) -> None:
        runner.codes["pytest"] = 5
        assert call(runner, "test") == 5

    def test_a_child_ended_by_a_signal_counts_as_the_shell_counts(self, runner: FakeRunner) -> None:
        runner.codes["pytest"] = -11
        assert call(runner, "test") == 139

    def test_check_runs_every_step_and_fails_if_one_fails(self, runner: FakeRunner, capsys: pytest.CaptureFixture[str]) -> None:
        runner.codes["mypy"] = 1
        assert call(runner, "check") == 1
        assert [FakeRunner.kind(words) for words, _ in runner.calls[2:]] == ["ruff", "ruff", "mypy", "pytest", "pytest"]
        assert "lint ok, format ok, types FAILED, architecture ok, doctests ok" in capsys.readouterr().err

    def test_check_passes_when_every_step_does(self, runner: FakeRunner) -> None:
        assert call(runner, "check") == 0

    def test_a_step_that_finds_no_test_has_failed(self, runner: FakeRunner, capsys: pytest.CaptureFixture[str]) -> None:
        runner.codes["pytest"] = 5
        assert call(runner, "check") == 1
        assert "architecture FAILED, doctests FAILED" in capsys.readouterr().err

    def test_an_old_python_is_told_so(self) -> None:
        assert "needs Python 3.11 or newer, and this is 3.10" in run_script.python_fault((3, 10, 13))
        assert run_script.python_fault((3, 11, 0)) == ""


def test_a_real_process_gives_its_code_and_output(tmp_path: Path) -> None:
    done = run_script.run_process([sys.executable, "-c", "import os; print(os.getcwd()); raise SystemExit(3)"], tmp_path, True)
    assert done.code == 3
    assert Path(done.output.strip()).resolve() == tmp_path.resolve()


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_waits_for_the_child_and_ends_without_a_traceback(tmp_path: Path) -> None:
    child = (
        "import signal, sys, time\n"
        "def stop(*_): print('child cleaned up', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, stop); print('up', flush=True); time.sleep(30)\n"
    )
    parent = (
        "import sys; sys.path.insert(0, sys.argv[1]); import run\n"
        "def perform(*_): return run.run_process([sys.executable, '-c', sys.argv[2]], run.Path('.'), False).code\n"
        "run.perform = perform; sys.exit(run.main(['test']))\n"
    )
    argv = [sys.executable, "-c", parent, str(ROOT), child]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        run_script.os.killpg(process.pid, signal.SIGINT)
        output, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert output == "child cleaned up\n"
    assert error.strip() == "Interrupted."


def test_every_extra_of_a_command_is_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run_script.known_extras() <= set(project["optional-dependencies"])


def test_every_requirement_is_pinned_and_the_pin_meets_its_bound() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.!+-]+", pin) for pin in pins), "a constraint is a plain pin"
    version_of = {canonicalize_name(pin.partition("==")[0]): pin.partition("==")[2] for pin in pins}
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [*table["build-system"]["requires"], *table["project"]["dependencies"]]
    asked += [text for texts in table["project"]["optional-dependencies"].values() for text in texts]
    for requirement in map(Requirement, asked):
        assert requirement.specifier.contains(version_of[canonicalize_name(requirement.name)]), requirement


def test_the_script_needs_only_the_standard_library() -> None:
    import ast

    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names
