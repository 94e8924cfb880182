"""A folder of files and a map beside it, made per test."""

import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pureplay.sources.files import Imported, load

HEAD = '[dataset]\nname = "test"\n'


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Imported]:
    """`run(map_text, {file name: frame, text or bytes})` writes the files and loads them."""

    def run(text: str, files: dict[str, pl.DataFrame | str | bytes], *, head: str = HEAD) -> Imported:
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        for name, content in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_bytes(content))
        (tmp_path / "map.toml").write_text(head + text, encoding="utf-8")
        return load(tmp_path / "map.toml", source=source)

    return run


def _bytes(content: pl.DataFrame | str | bytes) -> bytes:
    if isinstance(content, pl.DataFrame):
        buffer = io.BytesIO()
        content.write_parquet(buffer)
        return buffer.getvalue()
    return content.encode() if isinstance(content, str) else content
