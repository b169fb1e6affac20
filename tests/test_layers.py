"""Imports go one way; see "Where things are" in CONTRIBUTING.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import visiongpt_agent

PACKAGE = Path(visiongpt_agent.__file__).parent
VALUES = "errors plan regions request result settings files redaction untrusted pictures language samples"
LAYERS = (VALUES, "weights", "prompts llm models", "pool", "tools", "graphs", "state agent", "langchain hosting")
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
DOORS = ["cli", "web", "serve", "mcp_server", "notebook", "exports"]


def imported(file: Path) -> Iterator[str]:
    """The parts of this package that a module imports when it is loaded; what it imports in a function is its own."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("visiongpt_agent."):
            yield str(node.module).split(".")[1]


def modules(name: str) -> list[Path]:
    found = PACKAGE / name
    return [*found.resolve().rglob("*.py")] if found.is_dir() else [found.with_suffix(".py")]


@pytest.mark.parametrize("name", RANK)
def test_a_layer_knows_none_above_it(name: str) -> None:
    above = {other for other in [*RANK, *DOORS] if RANK.get(other, len(LAYERS)) > RANK[name]}

    assert {f"{file.name}: {other}" for file in modules(name) for other in imported(file) if other in above} == set()


@pytest.mark.parametrize("name", DOORS)
def test_a_door_knows_no_other_door(name: str) -> None:
    others = {*DOORS} - {name}

    assert {f"{file.name}: {other}" for file in modules(name) for other in imported(file) if other in others} == set()
