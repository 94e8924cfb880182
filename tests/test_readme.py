"""What the README shows works as it stands there, and what it names exists."""

import re
from pathlib import Path
from typing import Any

import pureplay
from pureplay.synthetic import market

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_of_the_readme_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    tables = market(stocks=300, sessions=220, seed=1).tables
    names: dict[str, Any] = {name: tables[name] for name in ("bars", "segments", "taxonomy")} | {"my_factors": tables["factors"]}
    exec(compile(program, "README.md", "exec"), names)
    assert names["verdict"].base == tuple(each for each in tables["factors"].columns if each not in ("date", "asset"))
    assert names["scores"].height > 0


def test_what_the_readme_links_to_exists() -> None:
    links = [each for each in re.findall(r"\]\(([^)#]+)\)", README) if not each.startswith("http")]
    assert len(links) > 6
    assert [each for each in links if not (ROOT / each).exists()] == []


def test_every_public_name_can_be_used() -> None:
    assert sorted(pureplay.__all__) == ["Dataset", "SignalSettings", "check_folder", "product_momentum"]
    assert all(callable(getattr(pureplay, name)) for name in pureplay.__all__)
