"""The examples in docstrings run and print what they say."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

import visiongpt_agent
from visiongpt_agent.models import jobs

PACKAGE = Path(visiongpt_agent.__file__).parent


def modules_with_examples() -> list[str]:
    rooms = (PACKAGE / room for room in ("tools", "graphs", "prompts"))  # links, which rglob does not follow
    files = [*PACKAGE.rglob("*.py"), *(file for room in rooms for file in room.rglob("*.py"))]
    with_examples = {file for file in files if ">>> " in file.read_text(encoding="utf-8")}
    dotted = {".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in with_examples}
    return sorted(name.removesuffix(".__init__") for name in dotted)


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name: str, needs: Callable[[str], None]) -> None:
    if name == "visiongpt_agent.agent":
        needs(jobs.LLM)
    outcome = doctest.testmod(importlib.import_module(name))

    assert outcome.attempted > 0
    assert outcome.failed == 0
