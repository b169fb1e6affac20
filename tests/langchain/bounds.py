"""The oldest and the newest versions of LangChain that ``pyproject.toml`` allows, as requirements for pip.

``python -m tests.langchain.bounds oldest`` prints them, one a line; ``make langchain-oldest`` tests with them.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

PACKAGES = ("langchain", "langchain-core", "langgraph")


def bounds(end: Literal["oldest", "newest"]) -> Iterator[str]:
    """The requirement of each package: its lower bound, or for the newest its range, for pip to choose from."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    allowed = {one.name: one for one in map(Requirement, project["dependencies"])}
    for name in PACKAGES:
        yield f"{name}=={_lowest(allowed[name].specifier)}" if end == "oldest" else str(allowed[name])


def _lowest(specifier: SpecifierSet) -> str:
    (lowest,) = (one.version for one in specifier if one.operator == ">=")
    return lowest


if __name__ == "__main__":
    print("\n".join(bounds("oldest" if sys.argv[1:] == ["oldest"] else "newest")))
