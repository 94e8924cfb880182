"""Compiled kernels belong to one state of the whole source."""

from pathlib import Path

import numba

from pureplay.stats.jit import cache_folder, kernel, source_digest


def package(root: Path) -> Path:
    (root / "sub").mkdir(parents=True)
    (root / "a.py").write_text("x = 1\n")
    (root / "sub" / "b.py").write_text("y = 1\n")
    return root


def test_any_change_of_any_module_gives_another_folder(tmp_path: Path) -> None:
    made = package(tmp_path / "p")
    first = cache_folder(made, tmp_path / "elsewhere")
    assert first.is_dir()
    assert cache_folder(made, tmp_path / "elsewhere") == first
    (made / "sub" / "b.py").write_text("y = 2\n")
    second = cache_folder(made, tmp_path / "elsewhere")
    assert second != first
    assert second.is_dir()
    assert not first.exists()
    (made / "sub" / "b.py").rename(made / "sub" / "c.py")
    assert source_digest(made) not in second.name


def test_a_package_that_cannot_be_written_uses_the_fallback(tmp_path: Path) -> None:
    made = package(tmp_path / "p")
    (made / "__pycache__").write_text("a file is in the way")
    assert cache_folder(made, tmp_path / "elsewhere").parent == tmp_path / "elsewhere"


def test_declaring_a_kernel_leaves_the_users_own_cache_alone() -> None:
    before = numba.config.CACHE_DIR

    def twice(x: float) -> float:
        return 2.0 * x

    assert kernel(twice)(3.0) == 6.0
    assert before == numba.config.CACHE_DIR
